/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_filter - the filter: section: ordered rules about what is routed through. What
 * can be seen to match nothing is refused here, for in a filter silence looks like safety.
 */
#include "config_reader.h"
#include "../dataplane/rules.h"

#include <stdlib.h>

enum { ACTION, STATE, IN, OUT, FROM, TO, PROTOCOL, PORT, SPORT, TYPE, N_KEYS };
static const char *const filter_keys[] = {
	[ACTION] = "action",
	[STATE] = "state",
	[IN] = "in",
	[OUT] = "out",
	[FROM] = "from",
	[TO] = "to",
	[PROTOCOL] = "protocol",
	[PORT] = "port",
	[SPORT] = "sport",
	[TYPE] = "icmp-type",
	NULL,
};
static const char *const filter_actions[] = {
	[CONFIG_ACCEPT] = "accept",
	[CONFIG_DROP] = "drop",
	[CONFIG_REJECT] = "reject",
	NULL,
};

/* Bit i of the set is the i-th word. */
static const char *const state_words[] = {"new", "established", "related", "invalid", NULL};
static_assert(STATE_IS_NEW == 1 << 0 && STATE_IS_ESTABLISHED == 1 << 1 &&
		      STATE_IS_RELATED == 1 << 2 && STATE_IS_INVALID == 1 << 3,
	      "states in the order of their words");

/* nft's names: RFC 792, RFC 950, RFC 1256. */
static const char *const type_words[] = {
	"echo-request",
	"echo-reply",
	"destination-unreachable",
	"source-quench",
	"redirect",
	"router-advertisement",
	"router-solicitation",
	"time-exceeded",
	"parameter-problem",
	"timestamp-request",
	"timestamp-reply",
	"info-request",
	"info-reply",
	"address-mask-request",
	"address-mask-reply",
	NULL,
};
static const uint8_t type_numbers[] = {8, 0, 3, 4, 5, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18};
static_assert(ARRAY_SIZE(type_words) == ARRAY_SIZE(type_numbers) + 1, "a number for each word");

static bool read_state(struct config_reader *r, const struct yaml_node *node, uint8_t *states)
{
	unsigned word;
	if (!yaml_read_choice(r->diag, node, "state", state_words, &word))
		return false;
	if (*states & 1 << word) {
		diag_error(r->diag, yaml_place(node), "once is enough", "state: lists %s twice",
			   state_words[word]);
		return false;
	}
	*states |= (uint8_t)(1 << word);
	return true;
}

/* One state or a list of them. */
static bool read_states(struct config_reader *r, const struct yaml_node *node, uint8_t *states)
{
	bool good = true;
	if (node->kind != YAML_LIST)
		return read_state(r, node, states);
	if (!node->first_child) {
		diag_error(r->diag, yaml_place(node), "leave it out for every state",
			   "state: lists none, and can never match");
		return false;
	}
	for (const struct yaml_node *item = node->first_child; item; item = item->next)
		good &= read_state(r, item, states);
	return good;
}

/* Of the router's own addresses no packet is in transit: neither from them nor to them. */
static bool read_transit(struct config_reader *r, const struct yaml_entry *entry,
			 struct config_prefix *prefix)
{
	if (!entry->value)
		return true;
	if (!config_read_rule_prefix(r, entry, prefix))
		return false;
	const struct subnet *own =
		prefix->len == 32 ? subnet_find_own(&r->subnets, prefix->address) : NULL;
	if (own)
		diag_error(r->diag, yaml_place(entry->value),
			   "the filter is for what is routed through; after dnat, to: is the new "
			   "address",
			   "%s: %s is the router's own, on %s: it can never match",
			   entry->key->text, entry->value->text,
			   subnet_port_name(r->config, own->port));
	return !own;
}

static bool read_type(struct config_reader *r, const struct yaml_entry *keys, bool protocol_known,
		      struct config_filter *filter)
{
	unsigned type;
	if (!keys[TYPE].value)
		return true;
	if (!config_read_word_or_number(r, &keys[TYPE], type_words, type_numbers, 0, &type))
		return false;
	filter->icmp_type = (int)type;
	if (!protocol_known || filter->protocol == PROTO_ICMP)
		return true;
	diag_error(r->diag, yaml_place(keys[TYPE].key), "add protocol: icmp",
		   filter->protocol ? "icmp-type: can never match: this protocol is not icmp"
				    : "icmp-type: needs a protocol");
	return false;
}

/* What of a packet is asked: everything but the action. */
static bool read_match(struct config_reader *r, const struct yaml_entry *keys, bool misnamed,
		       struct config_filter *filter)
{
	bool good = !keys[STATE].value || read_states(r, keys[STATE].value, &filter->states);
	good &= config_read_rule_port(r, &keys[IN], filter->in);
	good &= config_read_rule_port(r, &keys[OUT], filter->out);
	good &= read_transit(r, &keys[FROM], &filter->from);
	good &= read_transit(r, &keys[TO], &filter->to);
	bool protocol = config_read_protocol(r, &keys[PROTOCOL], &filter->protocol);
	bool known = protocol && !misnamed;
	good &= config_read_port_range(r, &keys[PORT], &filter->port);
	good &= config_read_port_range(r, &keys[SPORT], &filter->sport);
	good &= read_type(r, keys, known, filter);
	if (known) {
		good &= config_check_port_protocol(r, &keys[PORT], filter->protocol);
		good &= config_check_port_protocol(r, &keys[SPORT], filter->protocol);
	}
	return good && protocol;
}

static bool read_rule(struct config_reader *r, const struct yaml_node *node,
		      struct config_filter *filter)
{
	struct yaml_entry keys[N_KEYS];
	unsigned action, errors_before = r->diag->n_errors;
	filter->at = yaml_place(node);
	filter->icmp_type = -1;
	if (!yaml_read_map(r->diag, node, "a filter rule", filter_keys, keys))
		return false;
	bool misnamed = r->diag->n_errors > errors_before;
	bool good = read_match(r, keys, misnamed, filter) && !misnamed;
	if (!keys[ACTION].value) {
		if (!misnamed)
			diag_error(r->diag, filter->at, "action: accept, drop or reject",
				   "the filter rule lacks action:");
		return false;
	}
	if (!yaml_read_choice(r->diag, keys[ACTION].value, "action", filter_actions, &action))
		return false;
	filter->action = action;
	return good;
}

static struct rule_match match_of(const struct config_filter *filter)
{
	struct rule_match match = {
		.from = filter->from.address,
		.from_len = filter->from.len,
		.to = filter->to.address,
		.to_len = filter->to.len,
		.sport = filter->sport,
		.port = filter->port,
		.icmp_type = filter->icmp_type,
		.protocol = filter->protocol,
		.states = filter->states,
	};
	memcpy(match.in, filter->in, sizeof(match.in));
	memcpy(match.out, filter->out, sizeof(match.out));
	return match;
}

static void check_same(struct config_reader *r)
{
	const struct config *config = r->config;
	struct rule_match *matches = config_alloc(r->diag, config->n_filter, sizeof(*matches));
	struct place *at = config_alloc(r->diag, config->n_filter, sizeof(*at));
	for (unsigned i = 0; matches && at && i < config->n_filter; i++) {
		matches[i] = match_of(&config->filter[i]);
		at[i] = config->filter[i].at;
	}
	if (matches && at)
		config_check_same_rules(r, matches, at, config->n_filter);
	free(matches);
	free(at);
}

void config_read_filter(struct config_reader *r, const struct yaml_node *node)
{
	struct config *config = r->config;
	const struct yaml_node *item = yaml_first_item(r->diag, node, "filter");
	config->filter = config_alloc(r->diag, yaml_count(item), sizeof(*config->filter));
	for (; config->filter && item; item = item->next) {
		struct config_filter *filter = &config->filter[config->n_filter];
		*filter = (struct config_filter){0};
		config->n_filter += read_rule(r, item, filter);
	}
	check_same(r);
}
