/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * yaml.h - a YAML file as a small tree with places, and the readers that walk it.
 *
 * The subset is what a configuration needs: one document of mappings, lists and scalars.
 * Anchors, aliases, tags, mapping keys that are not scalars, and duplicate keys are
 * complaints. Scalars are text; nothing is guessed from their look.
 *
 * Every reader complains to diag, at the exact place, when it returns false or NULL.
 */
#ifndef TSUJI_YAML_H
#define TSUJI_YAML_H

#include "diag.h"

#include <stdint.h>

/* Deeper nesting is refused: a lab file's deepest value lies at 7. */
#define YAML_DEPTH_MAX 32
/* More values are refused: a million routes with every key written out are 11 million. */
#define YAML_NODES_MAX 16000000u

enum yaml_kind {
	YAML_EMPTY, /* `key:` with nothing behind it */
	YAML_SCALAR,
	YAML_LIST,
	YAML_MAP,
};

struct yaml_node {
	unsigned line, column;         /* as in struct place */
	unsigned end_line, end_column; /* of the first character behind it */
	enum yaml_kind kind;
	bool flow;                     /* a list or map written with brackets */
	union {
		const char *text; /* YAML_SCALAR, YAML_EMPTY ("") */
		/* A list's items; a map's keys and values in turn. */
		const struct yaml_node *first_child;
	};
	const struct yaml_node *next; /* sibling; NULL: the last */
};

struct yaml;

/*
 * The tree of diag->text, or NULL: the file is broken. Duplicate keys are complained about
 * but leave a tree (with the first of them), so that one pass finds other mistakes too.
 * Cost: about 1.5 s and 300 MB for a million routes.
 */
struct yaml *yaml_tree_new(struct diag *diag);
void yaml_tree_free(struct yaml *tree); /* NULL is fine */
const struct yaml_node *yaml_root(const struct yaml *tree);

/* Where a node stands; of one that goes over several lines, its first character. */
struct place yaml_place(const struct yaml_node *node);

/* A key of a map with its value; both NULL where the map has no such key. */
struct yaml_entry {
	const struct yaml_node *key, *value;
};

/*
 * Reads a map with known keys: entries[i] becomes that of names[i] (a NULL-terminated
 * list). Other keys are complaints. what names the map: "a route". An empty node is a map
 * without keys. False: it is no map, and all entries are absent.
 */
bool yaml_read_map(struct diag *diag, const struct yaml_node *node, const char *what,
		   const char *const *names, struct yaml_entry *entries);
/* The first key of a map with free keys; its value is key->next, the next key that one's next. */
const struct yaml_node *yaml_first_key(struct diag *diag, const struct yaml_node *node,
				       const char *what);
/* The first item of a list; the next is item->next. NULL also for an empty list. */
const struct yaml_node *yaml_first_item(struct diag *diag, const struct yaml_node *node,
					const char *what);
/* How many siblings there are from node on; 0 for NULL. Of a map's keys, twice the pairs. */
size_t yaml_count(const struct yaml_node *node);

/* A scalar's text, valid as long as the tree. what names the value: "via". */
const char *yaml_read_text(struct diag *diag, const struct yaml_node *node, const char *what);
/* A whole decimal number: no sign, leading zero, exponent or unit. */
bool yaml_read_number(struct diag *diag, const struct yaml_node *node, const char *what,
		      uint32_t min, uint32_t max, uint32_t *value);
/* The same, or the word, which stands for 0. */
bool yaml_read_number_or(struct diag *diag, const struct yaml_node *node, const char *what,
			 const char *word, uint32_t min, uint32_t max, uint32_t *value);
/* on, true, off or false. */
bool yaml_read_switch(struct diag *diag, const struct yaml_node *node, const char *what,
		      bool *value);
/* One of the NULL-terminated names; *value becomes its index. */
bool yaml_read_choice(struct diag *diag, const struct yaml_node *node, const char *what,
		      const char *const *names, unsigned *value);

#endif
