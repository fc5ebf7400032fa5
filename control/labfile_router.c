/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * labfile_router - a router section of a lab file as a router file of its own.
 *
 * The section's own characters are kept, at their lines and columns, comments and all, and
 * what stands around them becomes empty lines and spaces: YAML does not mind a file that
 * is indented as a whole. So whatever a router says about its file is true of the lab file
 * too. One line is added where the section does not have it, far-end: prepare, the default
 * in labs: in place of an empty line before the section, or inside its first bracket.
 */
#include "labfile_reader.h"

#include <stdlib.h>
#include <string.h>

static const struct yaml_node *find_key(const struct yaml_node *map, const char *name)
{
	const struct yaml_node *key = map->first_child;
	while (key && strcmp(key->text, name))
		key = key->next->next;
	return key;
}

static const char *start_of(const struct diag *diag, const struct yaml_node *node)
{
	return diag_at(diag, node->line, node->column);
}

static void put_repeated(FILE *out, char c, unsigned n)
{
	while (n-- > 0)
		fputc(c, out);
}

/* What is added, and where. */
struct insertion {
	const char *at;
	const char *text;
	unsigned indent; /* more than zero: text is a line, and the next is indented so */
};

static struct insertion far_end_insertion(const struct diag *diag, const struct yaml_node *section)
{
	const struct yaml_node *key = find_key(section, "lanes");
	if (!key) {
		const char *at = start_of(diag, section);
		if (section->flow)
			return (struct insertion){at + 1, "lanes: {far-end: prepare}, ", 0};
		return (struct insertion){at, "lanes: {far-end: prepare}\n", section->column - 1};
	}
	const struct yaml_node *lanes = key->next;
	const char *at = start_of(diag, lanes);
	if (lanes->kind == YAML_EMPTY) { /* "lanes:", but in a flow map "lanes" alone will do */
		const char *key_end = diag_at(diag, key->end_line, key->end_column);
		bool colon = at > key_end && memchr(key_end, ':', (size_t)(at - key_end));
		return (struct insertion){
			at, colon ? " {far-end: prepare}" : ": {far-end: prepare}", 0};
	}
	if (find_key(lanes, "far-end"))
		return (struct insertion){at, "", 0};
	if (lanes->flow)
		return (struct insertion){at + 1, "far-end: prepare, ", 0};
	return (struct insertion){at, "far-end: prepare\n", lanes->column - 1};
}

/* The text must be read as the section was: proves that the cut was clean. */
static bool check_text(struct diag *diag, const struct yaml_node *section, const char *text)
{
	struct diag own;
	struct config *config = NULL;
	if (diag_open_memory(&own, diag->file, text, strlen(text)) == 0)
		config = config_read(&own);
	if (!config)
		diag_error(diag, yaml_place(section),
			   "write it as \"key: value\" lines, indented below router:",
			   "this router section cannot be made a file of its own");
	config_free(config);
	diag_fini(&own);
	return config;
}

char *lab_router_text(struct diag *diag, const struct yaml_node *section)
{
	struct insertion added = far_end_insertion(diag, section);
	const char *start = start_of(diag, section);
	const char *end = diag_at(diag, section->end_line, section->end_column);
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	if (!out) {
		diag_error(diag, (struct place){0}, NULL, "out of memory");
		return NULL;
	}
	/* A block section never starts on the file's first line: its key is there. */
	bool line_before = added.at == start && added.indent > 0;
	put_repeated(out, '\n', section->line - 1 - line_before);
	put_repeated(out, ' ', section->column - 1);
	fwrite(start, 1, (size_t)(added.at - start), out);
	fputs(added.text, out);
	put_repeated(out, ' ', added.indent);
	fwrite(added.at, 1, (size_t)(end - added.at), out);
	fputc('\n', out);
	if (fclose(out) != 0 || !check_text(diag, section, text)) {
		free(text);
		return NULL;
	}
	return text;
}
