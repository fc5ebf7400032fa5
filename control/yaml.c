/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * yaml - the tree of a YAML file, built from libyaml's events.
 *
 * libyaml has a tree of its own (the document API), but a million routes take it 4 s and
 * 1 GB: 96 bytes per node, each text and each tag an allocation. Its events for the same
 * file take 1 s. So the tree is ours: 40 bytes per node with the text behind it, carved
 * from large blocks and freed with them.
 *
 * Building from events also lets us stop early. libyaml's scanner takes time quadratic in
 * the nesting depth (27 s for 100,000 brackets); we stop at YAML_DEPTH_MAX. Nothing here
 * recurses.
 */
#include "yaml.h"
#include "../dataplane/base.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { BLOCK_SIZE = 256 << 10 };

struct block {
	struct block *next;
	size_t used, size;
	max_align_t data[];
};

struct yaml {
	struct block *blocks; /* the one being filled first */
	struct yaml_node *root;
};

/* A list or map whose end has not come yet. */
struct level {
	struct yaml_node *container, *last_child;
	size_t n_children;
};

struct builder {
	struct diag *diag;
	yaml_parser_t parser;
	struct yaml *tree;
	struct level levels[YAML_DEPTH_MAX];
	unsigned depth;
	unsigned n_nodes;
	bool broken; /* a complaint after which the tree is no use */
};

static void *take(struct yaml *tree, size_t size)
{
	size = (size + sizeof(void *) - 1) & ~(sizeof(void *) - 1);
	struct block *block = tree->blocks;
	if (!block || block->size - block->used < size) {
		size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;
		block = malloc(sizeof(*block) + room);
		if (!block)
			return NULL;
		*block = (struct block){.next = tree->blocks, .size = room};
		tree->blocks = block;
	}
	void *place = (char *)block->data + block->used;
	block->used += size;
	return place;
}

static struct place mark_place(yaml_mark_t mark)
{
	return (struct place){(unsigned)mark.line + 1, (unsigned)mark.column + 1, 1};
}

/* ---- complaints about the text as YAML ---- */

/* libyaml gives a byte offset, but no line, for what is not UTF-8. */
static struct place offset_place(const struct diag *diag, size_t offset)
{
	struct place at = {1, 1, 1};
	const char *end = diag->text + diag->text_size;
	for (const char *p = diag->text; p < diag->text + offset && p < end;) {
		size_t line_break = diag_line_break(p, end);
		at.line += line_break > 0;
		if (line_break)
			at.column = 1;
		else if ((*p & 0xc0) != 0x80)
			at.column++;
		p += line_break ? line_break : 1;
	}
	return at;
}

static const char *syntax_hint(struct builder *b, struct place at, char *buf, size_t size)
{
	const yaml_parser_t *parser = &b->parser;
	char c = *diag_at(b->diag, at.line, at.column);
	if (c == '\t')
		return "YAML allows no tabs for indentation: use spaces";
	if (c == '@' || c == '`' || c == '%')
		return "put a value that starts with this character into quotes";
	if (strstr(parser->problem, "mapping values are not allowed"))
		return "a colon and a space start a value: indent the line like its neighbours, or "
		       "quote the text";
	if (strstr(parser->problem, "expected ',' or"))
		return "a bracket is not closed, or a comma is missing";
	if (!parser->context || parser->context_mark.line + 1 == at.line)
		return NULL;
	snprintf(buf, size, "%s that starts at line %zu, column %zu", parser->context,
		 parser->context_mark.line + 1, parser->context_mark.column + 1);
	return buf;
}

static void complain_syntax(struct builder *b)
{
	const yaml_parser_t *parser = &b->parser;
	char buf[160];
	b->broken = true;
	if (parser->error == YAML_MEMORY_ERROR) {
		diag_error(b->diag, (struct place){0}, NULL, "cannot be read: out of memory");
		return;
	}
	if (parser->error == YAML_READER_ERROR) {
		diag_error(b->diag, offset_place(b->diag, parser->problem_offset),
			   "the file must be plain UTF-8 text", "this is not text: %s",
			   parser->problem);
		return;
	}
	struct place at = mark_place(parser->problem_mark);
	diag_error(b->diag, at, syntax_hint(b, at, buf, sizeof(buf)), "this is not YAML: %s",
		   parser->problem);
}

static void complain_fatal(struct builder *b, const yaml_event_t *event, const char *hint,
			   const char *message)
{
	b->broken = true;
	diag_error(b->diag, mark_place(event->start_mark), hint, "%s", message);
}

/* Anchors, aliases and tags leave the tree without a value that was meant, so it is broken. */
static void check_markup(struct builder *b, const yaml_event_t *event)
{
	const void *anchor = NULL, *tag = NULL;
	if (event->type == YAML_ALIAS_EVENT) {
		complain_fatal(b, event, "write the value out again", "aliases are not supported");
	} else if (event->type == YAML_SCALAR_EVENT) {
		anchor = event->data.scalar.anchor;
		tag = event->data.scalar.tag;
	} else if (event->type == YAML_SEQUENCE_START_EVENT) {
		anchor = event->data.sequence_start.anchor;
		tag = event->data.sequence_start.tag;
	} else if (event->type == YAML_MAPPING_START_EVENT) {
		anchor = event->data.mapping_start.anchor;
		tag = event->data.mapping_start.tag;
	}
	if (anchor)
		complain_fatal(b, event, "leave it out: the value stands for itself",
			       "anchors are not supported");
	if (tag)
		complain_fatal(b, event, "leave it out: a value's form says what it is",
			       "tags are not supported");
}

/* ---- duplicate keys ---- */

static int compare_keys(const void *a, const void *b)
{
	const struct yaml_node *x = *(struct yaml_node *const *)a,
			       *y = *(struct yaml_node *const *)b;
	int order = strcmp(x->text, y->text);
	if (order)
		return order;
	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return x->column < y->column ? -1 : 1;
}

/* Nearly all maps have a handful of keys and no duplicates: quickly said, without a sort. */
static bool few_and_distinct(const struct yaml_node *map, size_t n_keys)
{
	if (n_keys > 8)
		return false;
	for (const struct yaml_node *a = map->first_child; a; a = a->next->next)
		for (const struct yaml_node *b = a->next->next; b; b = b->next->next)
			if (!strcmp(a->text, b->text))
				return false;
	return true;
}

/* Takes the keys marked YAML_EMPTY, and their values, out of the map. */
static void drop_marked(struct yaml_node *map)
{
	const struct yaml_node **link = &map->first_child;
	while (*link) {
		struct yaml_node *value = (struct yaml_node *)(*link)->next;
		if ((*link)->kind == YAML_EMPTY)
			*link = value->next;
		else
			link = &value->next;
	}
}

static void check_duplicates(struct builder *b, struct yaml_node *map, size_t n_keys)
{
	if (few_and_distinct(map, n_keys))
		return;
	struct yaml_node **keys = malloc(n_keys * sizeof(*keys));
	if (!keys) {
		diag_error(b->diag, (struct place){0}, NULL, "cannot be read: out of memory");
		b->broken = true;
		return;
	}
	size_t n = 0;
	for (const struct yaml_node *key = map->first_child; key; key = key->next->next)
		keys[n++] = (struct yaml_node *)key;
	qsort(keys, n, sizeof(*keys), compare_keys);

	bool found = false;
	for (size_t i = 1, first = 0; i < n; i++) {
		if (strcmp(keys[i]->text, keys[first]->text)) {
			first = i;
			continue;
		}
		char hint[64];
		snprintf(hint, sizeof(hint), "the first is on line %u", keys[first]->line);
		diag_error(b->diag, yaml_place(keys[i]), hint, "\"%.60s\" is given twice",
			   keys[i]->text);
		keys[i]->kind = YAML_EMPTY;
		found = true;
	}
	if (found)
		drop_marked(map);
	free(keys);
}

/* ---- building ---- */

static bool key_expected(const struct builder *b)
{
	if (b->depth == 0)
		return false;
	const struct level *level = &b->levels[b->depth - 1];
	return level->container->kind == YAML_MAP && level->n_children % 2 == 0;
}

/* Adds a node with room for a text behind it; NULL when it cannot be, complained about. */
static struct yaml_node *add_node(struct builder *b, const yaml_event_t *event, enum yaml_kind kind,
				  size_t text_size)
{
	if (key_expected(b) && kind != YAML_SCALAR) {
		complain_fatal(b, event, "write \"key: value\"", "a key must be a word");
		return NULL;
	}
	if (++b->n_nodes > YAML_NODES_MAX) {
		complain_fatal(b, event, NULL, "the file has too many values");
		return NULL;
	}
	struct yaml_node *node = take(b->tree, sizeof(*node) + text_size);
	if (!node) {
		complain_fatal(b, event, NULL, "out of memory");
		return NULL;
	}
	*node = (struct yaml_node){
		.line = (unsigned)event->start_mark.line + 1,
		.column = (unsigned)event->start_mark.column + 1,
		.end_line = (unsigned)event->end_mark.line + 1,
		.end_column = (unsigned)event->end_mark.column + 1,
		.kind = kind,
	};
	if (b->depth == 0) {
		b->tree->root = node;
		return node;
	}
	struct level *level = &b->levels[b->depth - 1];
	if (level->last_child)
		level->last_child->next = node;
	else
		level->container->first_child = node;
	level->last_child = node;
	level->n_children++;
	return node;
}

static void add_scalar(struct builder *b, const yaml_event_t *event)
{
	const char *value = (const char *)event->data.scalar.value;
	size_t size = event->data.scalar.length + 1;
	if (strlen(value) + 1 != size) {
		complain_fatal(b, event, NULL, "a zero byte cannot be part of a value");
		return;
	}
	bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	struct yaml_node *node =
		add_node(b, event, plain && size == 1 ? YAML_EMPTY : YAML_SCALAR, size);
	if (node)
		node->text = memcpy(node + 1, value, size);
}

static void open_level(struct builder *b, const yaml_event_t *event, enum yaml_kind kind, bool flow)
{
	if (b->depth == YAML_DEPTH_MAX) {
		complain_fatal(b, event, NULL, "the brackets or indentation go too deep");
		return;
	}
	struct yaml_node *node = add_node(b, event, kind, 0);
	if (!node)
		return;
	node->flow = flow;
	b->levels[b->depth++] = (struct level){.container = node};
}

static void close_level(struct builder *b, const yaml_event_t *event)
{
	const struct level *level = &b->levels[--b->depth];
	level->container->end_line = (unsigned)event->end_mark.line + 1;
	level->container->end_column = (unsigned)event->end_mark.column + 1;
	if (level->container->kind == YAML_MAP)
		check_duplicates(b, level->container, level->n_children / 2);
}

static void take_event(struct builder *b, const yaml_event_t *event)
{
	check_markup(b, event);
	if (b->broken)
		return;
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (b->tree->root)
			complain_fatal(b, event, "one file describes one router, or one lab",
				       "a second document starts here");
		break;
	case YAML_SCALAR_EVENT:
		add_scalar(b, event);
		break;
	case YAML_SEQUENCE_START_EVENT:
		open_level(b, event, YAML_LIST,
			   event->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE);
		break;
	case YAML_MAPPING_START_EVENT:
		open_level(b, event, YAML_MAP,
			   event->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE);
		break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		close_level(b, event);
		break;
	case YAML_ALIAS_EVENT: /* complained about */
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_END_EVENT:
	case YAML_NO_EVENT:
		break;
	}
}

static void build(struct builder *b)
{
	bool done = false;
	while (!done && !b->broken) {
		yaml_event_t event;
		if (!yaml_parser_parse(&b->parser, &event)) {
			complain_syntax(b);
			return;
		}
		take_event(b, &event);
		done = event.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
	}
	if (!b->broken && (!b->tree->root || b->tree->root->kind == YAML_EMPTY)) {
		diag_error(b->diag, (struct place){0},
			   "a router file has ports:, a lab file has name:, nodes: and links:",
			   "the file is empty");
		b->broken = true;
	}
}

struct yaml *yaml_tree_new(struct diag *diag)
{
	struct builder b = {.diag = diag, .tree = calloc(1, sizeof(*b.tree))};
	if (!b.tree || !yaml_parser_initialize(&b.parser)) {
		diag_error(diag, (struct place){0}, NULL, "cannot be read: out of memory");
		free(b.tree);
		return NULL;
	}
	yaml_parser_set_input_string(&b.parser, (const unsigned char *)diag->text, diag->text_size);
	yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
	build(&b);
	yaml_parser_delete(&b.parser);
	if (b.broken) {
		yaml_tree_free(b.tree);
		return NULL;
	}
	return b.tree;
}

void yaml_tree_free(struct yaml *tree)
{
	while (tree && tree->blocks) {
		struct block *block = tree->blocks;
		tree->blocks = block->next;
		free(block);
	}
	free(tree);
}

const struct yaml_node *yaml_root(const struct yaml *tree)
{
	return tree->root;
}

struct place yaml_place(const struct yaml_node *node)
{
	struct place at = {node->line, node->column, 1};
	if (node->end_line == node->line && node->end_column > node->column)
		at.length = node->end_column - node->column;
	return at;
}
