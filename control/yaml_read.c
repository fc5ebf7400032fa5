/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * yaml_read - the readers that walk a tree: maps with known keys, lists, and the scalars
 * that mean the same everywhere. Each complains by itself, so that its callers only go on
 * or give the value up; none stops at the first mistake.
 */
#include "yaml.h"

#include <stdlib.h>
#include <string.h>

static const char *const kind_text[] = {
	[YAML_EMPTY] = "nothing",
	[YAML_SCALAR] = "a single value",
	[YAML_LIST] = "a list",
	[YAML_MAP] = "a mapping",
};

static void complain_kind(struct diag *diag, const struct yaml_node *node, const char *what,
			  enum yaml_kind wanted)
{
	char hint[128] = "";
	if (wanted == YAML_MAP)
		snprintf(hint, sizeof(hint), "a mapping is \"key: value\" lines, or {key: value}");
	else if (wanted == YAML_LIST && node->kind == YAML_SCALAR && strlen(node->text) < 64)
		snprintf(hint, sizeof(hint), "put it in brackets: [%s]", node->text);
	else if (wanted == YAML_LIST)
		snprintf(hint, sizeof(hint), "a list is \"- item\" lines, or [item, item]");
	if (node->kind == YAML_EMPTY)
		diag_error(diag, yaml_place(node), *hint ? hint : NULL, "%s: the value is missing",
			   what);
	else
		diag_error(diag, yaml_place(node), *hint ? hint : NULL, "%s: must be %s, not %s",
			   what, kind_text[wanted], kind_text[node->kind]);
}

/* "a, b, c" into buf. */
static void join_names(const char *const *names, char *buf, size_t size)
{
	size_t used = 0;
	for (unsigned i = 0; names[i] && used < size; i++)
		used += (size_t)snprintf(buf + used, size - used, i ? ", %s" : "%s", names[i]);
}

static void complain_key(struct diag *diag, const struct yaml_node *key, const char *what,
			 const char *const *names)
{
	char list[256], hint[320];
	const char *nearest = diag_nearest(key->text, names);
	join_names(names, list, sizeof(list));
	if (nearest)
		snprintf(hint, sizeof(hint), "did you mean \"%s\"?", nearest);
	else
		snprintf(hint, sizeof(hint), "known here: %s", list);
	diag_error(diag, yaml_place(key), hint, "unknown key \"%.60s\" in %s", key->text, what);
}

bool yaml_read_map(struct diag *diag, const struct yaml_node *node, const char *what,
		   const char *const *names, struct yaml_entry *entries)
{
	for (unsigned i = 0; names[i]; i++)
		entries[i] = (struct yaml_entry){NULL, NULL};
	if (node->kind == YAML_EMPTY)
		return true;
	if (node->kind != YAML_MAP) {
		complain_kind(diag, node, what, YAML_MAP);
		return false;
	}
	for (const struct yaml_node *key = node->first_child; key; key = key->next->next) {
		unsigned i = 0;
		while (names[i] && strcmp(names[i], key->text))
			i++;
		if (names[i])
			entries[i] = (struct yaml_entry){key, key->next};
		else
			complain_key(diag, key, what, names);
	}
	return true;
}

const struct yaml_node *yaml_first_key(struct diag *diag, const struct yaml_node *node,
				       const char *what)
{
	if (node->kind == YAML_MAP)
		return node->first_child;
	if (node->kind != YAML_EMPTY)
		complain_kind(diag, node, what, YAML_MAP);
	return NULL;
}

const struct yaml_node *yaml_first_item(struct diag *diag, const struct yaml_node *node,
					const char *what)
{
	if (node->kind == YAML_LIST)
		return node->first_child;
	if (node->kind != YAML_EMPTY)
		complain_kind(diag, node, what, YAML_LIST);
	return NULL;
}

size_t yaml_count(const struct yaml_node *node)
{
	size_t n = 0;
	for (; node; node = node->next)
		n++;
	return n;
}

const char *yaml_read_text(struct diag *diag, const struct yaml_node *node, const char *what)
{
	if (node->kind == YAML_SCALAR && *node->text)
		return node->text;
	if (node->kind == YAML_SCALAR)
		diag_error(diag, yaml_place(node), NULL, "%s: the value is empty", what);
	else
		complain_kind(diag, node, what, YAML_SCALAR);
	return NULL;
}

bool yaml_read_number_or(struct diag *diag, const struct yaml_node *node, const char *what,
			 const char *word, uint32_t min, uint32_t max, uint32_t *value)
{
	const char *text = yaml_read_text(diag, node, what);
	if (!text)
		return false;
	if (word && !strcmp(text, word)) {
		*value = 0;
		return true;
	}
	size_t len = strlen(text);
	bool digits = strspn(text, "0123456789") == len && (text[0] != '0' || len == 1);
	char hint[96];
	snprintf(hint, sizeof(hint), "a whole number from %u to %u%s%s%s", min, max,
		 len > 1 && text[0] == '0' ? ", without leading zeros" : "", word ? ", or " : "",
		 word ? word : "");
	if (!digits) {
		diag_error(diag, yaml_place(node), hint, "%s: \"%.40s\" is not a number", what,
			   text);
		return false;
	}
	unsigned long long number = len > 10 ? ~0ull : strtoull(text, NULL, 10);
	if (number < min || number > max) {
		diag_error(diag, yaml_place(node), hint, "%s: %.40s is too %s", what, text,
			   number < min ? "small" : "large");
		return false;
	}
	*value = (uint32_t)number;
	return true;
}

bool yaml_read_number(struct diag *diag, const struct yaml_node *node, const char *what,
		      uint32_t min, uint32_t max, uint32_t *value)
{
	return yaml_read_number_or(diag, node, what, NULL, min, max, value);
}

bool yaml_read_choice(struct diag *diag, const struct yaml_node *node, const char *what,
		      const char *const *names, unsigned *value)
{
	const char *text = yaml_read_text(diag, node, what);
	if (!text)
		return false;
	for (unsigned i = 0; names[i]; i++) {
		if (!strcmp(text, names[i])) {
			*value = i;
			return true;
		}
	}
	char list[256], hint[320];
	const char *nearest = diag_nearest(text, names);
	join_names(names, list, sizeof(list));
	if (nearest)
		snprintf(hint, sizeof(hint), "did you mean \"%s\"? One of: %s", nearest, list);
	else
		snprintf(hint, sizeof(hint), "one of: %s", list);
	diag_error(diag, yaml_place(node), hint, "%s: \"%.40s\" is not known", what, text);
	return false;
}

bool yaml_read_switch(struct diag *diag, const struct yaml_node *node, const char *what,
		      bool *value)
{
	static const char *const words[] = {"on", "off", "true", "false", NULL};
	unsigned word;
	if (!yaml_read_choice(diag, node, what, words, &word))
		return false;
	*value = word == 0 || word == 2;
	return true;
}
