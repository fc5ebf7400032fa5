/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_rule - what rules of nat: and filter: ask of a packet: ports it comes in or leaves
 * by, prefixes, protocols, ranges of TCP and UDP ports; and the search for rules that can
 * never match because an earlier one asks for the same.
 *
 * Only the same is complained of. A rule whose packets are a part of an earlier rule's
 * cannot match either, but people do that on purpose: a broad accept put on top for a
 * moment, to see whether the filter is to blame.
 */
#include "config_reader.h"

#include <stdlib.h>

#define HINT_PORTS "a port from 1 to 65535, or a range such as 9000-9010"

bool config_read_rule_port(struct config_reader *r, const struct yaml_entry *entry, char *name)
{
	unsigned port;
	return !entry->value ||
	       config_read_port_name(r, entry->value, entry->key->text, name, &port);
}

/* Why no routed packet has an address of the prefix, or NULL. */
static const char *unroutable(const struct config_prefix *prefix)
{
	enum { LEN_SURE = 3 }; /* 224.0.0.0/3 is the largest block that is unusable throughout */
	be32 last = {prefix->address.raw | ~ip4_mask(prefix->len).raw};
	if (prefix->len < LEN_SURE || !config_unusable(last))
		return NULL;
	return config_unusable(prefix->address);
}

bool config_read_rule_prefix(struct config_reader *r, const struct yaml_entry *entry,
			     struct config_prefix *prefix)
{
	if (!entry->value)
		return true;
	if (!config_read_prefix(r->diag, entry->value, entry->key->text, &prefix->address,
				&prefix->len))
		return false;
	const char *why = unroutable(prefix);
	if (why)
		diag_error(r->diag, yaml_place(entry->value), why,
			   "%s: %s can never match: such packets are not forwarded",
			   entry->key->text, entry->value->text);
	return !why;
}

/* ---- protocols ---- */

static void complain_word(struct config_reader *r, const struct yaml_entry *entry,
			  const char *const *names, unsigned min)
{
	char hint[96];
	const char *nearest = diag_nearest(entry->value->text, names);
	if (nearest)
		snprintf(hint, sizeof(hint), "did you mean \"%s\"?", nearest);
	else
		snprintf(hint, sizeof(hint), "a name such as %s, or a number from %u to %u",
			 names[0], min, UINT8_MAX);
	diag_error(r->diag, yaml_place(entry->value), hint, "%s: \"%.40s\" is not known",
		   entry->key->text, entry->value->text);
}

bool config_read_word_or_number(struct config_reader *r, const struct yaml_entry *entry,
				const char *const *names, const uint8_t *values, unsigned min,
				unsigned *value)
{
	const char *text = yaml_read_text(r->diag, entry->value, entry->key->text);
	uint32_t number;
	if (!text)
		return false;
	for (unsigned i = 0; names[i]; i++) {
		if (!strcmp(names[i], text)) {
			*value = values[i];
			return true;
		}
	}
	if (text[0] < '0' || text[0] > '9') {
		complain_word(r, entry, names, min);
		return false;
	}
	if (!yaml_read_number(r->diag, entry->value, entry->key->text, min, UINT8_MAX, &number))
		return false;
	*value = number;
	return true;
}

bool config_read_protocol(struct config_reader *r, const struct yaml_entry *entry,
			  uint8_t *protocol)
{
	static const char *const names[] = {"tcp", "udp", "icmp", NULL};
	static const uint8_t numbers[] = {PROTO_TCP, PROTO_UDP, PROTO_ICMP};
	unsigned value;
	if (!entry->value)
		return true;
	if (!config_read_word_or_number(r, entry, names, numbers, 1, &value))
		return false;
	*protocol = (uint8_t)value;
	return true;
}

/* ---- ports of TCP and UDP ---- */

/* A port without leading zeros; the text behind it, or NULL. */
static const char *parse_port(const char *p, uint16_t *port)
{
	unsigned value = 0;
	if (*p < '1' || *p > '9')
		return NULL;
	for (; *p >= '0' && *p <= '9' && value <= UINT16_MAX; p++)
		value = value * 10 + (unsigned)(*p - '0');
	*port = (uint16_t)value;
	return value <= UINT16_MAX ? p : NULL;
}

bool config_read_port_text(struct config_reader *r, const struct yaml_node *node, const char *what,
			   const char *text, struct config_ports *ports)
{
	struct config_ports range = {0};
	const char *p = parse_port(text, &range.first);
	range.last = range.first;
	if (p && *p == '-')
		p = parse_port(p + 1, &range.last);
	if (!p || *p) {
		diag_error(r->diag, yaml_place(node), HINT_PORTS, "%s: \"%.40s\" is not a port",
			   what, text);
		return false;
	}
	if (range.first > range.last) {
		diag_error(r->diag, yaml_place(node), "put the lower port first",
			   "%s: %s ends before it begins", what, text);
		return false;
	}
	*ports = range;
	return true;
}

bool config_read_port_range(struct config_reader *r, const struct yaml_entry *entry,
			    struct config_ports *ports)
{
	if (!entry->value)
		return true;
	const char *text = yaml_read_text(r->diag, entry->value, entry->key->text);
	return text &&
	       config_read_port_text(r, entry->value, entry->key->text, text, ports);
}

bool config_check_port_protocol(struct config_reader *r, const struct yaml_entry *entry,
				uint8_t protocol)
{
	if (!entry->value || protocol == PROTO_TCP || protocol == PROTO_UDP)
		return true;
	if (protocol)
		diag_error(r->diag, yaml_place(entry->key), "protocol: tcp and protocol: udp have",
			   "%s: can never match: this protocol has no ports", entry->key->text);
	else
		diag_error(r->diag, yaml_place(entry->key),
			   "add protocol: tcp or protocol: udp; a rule for each if both are meant",
			   "%s: needs a protocol", entry->key->text);
	return false;
}

/* ---- rules that ask for the same ---- */

struct candidate {
	const struct rule_match *match;
	const struct place *at;
};

static int compare_candidates(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	int order = memcmp(x->match, y->match, sizeof(*x->match));
	if (order)
		return order;
	return x->match < y->match ? -1 : 1;
}

void config_check_same_rules(struct config_reader *r, const struct rule_match *matches,
			     const struct place *at, size_t n)
{
	struct candidate *sorted = config_alloc(r->diag, n, sizeof(*sorted));
	if (!sorted)
		return;
	for (size_t i = 0; i < n; i++)
		sorted[i] = (struct candidate){&matches[i], &at[i]};
	qsort(sorted, n, sizeof(*sorted), compare_candidates);
	for (size_t i = 1, first = 0; i < n; i++) {
		char hint[64];
		if (memcmp(sorted[first].match, sorted[i].match, sizeof(*matches))) {
			first = i;
			continue;
		}
		snprintf(hint, sizeof(hint), "the first is on line %u; take one of them out",
			 sorted[first].at->line);
		diag_error(r->diag, *sorted[i].at, hint,
			   "a second rule for the same packets can never match");
	}
	free(sorted);
}
