/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nat_rules - from the router file to struct rules, and from one struct rules to the next.
 *
 * A rule of the file becomes one of the table, in the same order, so that an index means the
 * same in both. Ports and legs become their numbers, which they keep as long as they are in
 * the file, whether or not the interface is there.
 *
 * Ports that no mapping may take: those that a dnat rule forwards, and those of the kernel's
 * own sockets. A rule that forwards a whole address takes none, for masquerade on the same
 * address would have nothing left: there a session that exists comes before the rule, as in
 * nft.
 */
#include "nat_rules.h"

#include <errno.h>
#include <stdlib.h>

/* -- one rule -- */

static uint16_t number_of(const struct port_table *ports, const char *name)
{
	if (!*name)
		return PORT_NONE;
	for (unsigned i = 0; i < ports->n_ports; i++)
		if (ports->ports[i] && strcmp(ports->ports[i]->name, name) == 0)
			return i;
	assert(!"a rule's port is in the table");
	return PORT_MAX; /* which is no port's number, and does not mean any */
}

static struct rule_prefix prefix_of(struct config_prefix prefix)
{
	return (struct rule_prefix){prefix.address, prefix.len};
}

static struct rule_ports ports_of(struct config_ports ports)
{
	return (struct rule_ports){ports.first, ports.last};
}

static struct nat_rule nat_rule_of(const struct config_nat *nat, const struct port_table *ports)
{
	static const enum nat_action actions[] = {[CONFIG_MASQUERADE] = NAT_MASQUERADE,
						  [CONFIG_SNAT] = NAT_SNAT,
						  [CONFIG_DNAT] = NAT_DNAT};
	static const enum nat_filtering filterings[] = {
		[CONFIG_ADDRESS_PORT] = FILTERING_ADDRESS_PORT,
		[CONFIG_ADDRESS] = FILTERING_ADDRESS,
		[CONFIG_INDEPENDENT] = FILTERING_INDEPENDENT};
	return (struct nat_rule){
		.action = actions[nat->action],
		.out = number_of(ports, nat->out),
		.in = number_of(ports, nat->in),
		.from = prefix_of(nat->from),
		.match = prefix_of(nat->address),
		.protocol = nat->protocol,
		.ports = ports_of(nat->port),
		.to_first = nat->to_first,
		.to_last = nat->to_last,
		.to_ports = ports_of(nat->to_port),
		.per_remote = nat->per_remote,
		.filtering = filterings[nat->filtering],
	};
}

static struct filter_rule filter_rule_of(const struct config_filter *filter,
					 const struct port_table *ports)
{
	static const enum filter_action actions[] = {[CONFIG_ACCEPT] = FILTER_ACCEPT,
						     [CONFIG_DROP] = FILTER_DROP,
						     [CONFIG_REJECT] = FILTER_REJECT};
	return (struct filter_rule){
		.action = actions[filter->action],
		.states = filter->states,
		.in = number_of(ports, filter->in),
		.out = number_of(ports, filter->out),
		.from = prefix_of(filter->from),
		.to = prefix_of(filter->to),
		.protocol = filter->protocol,
		.sports = ports_of(filter->sport),
		.dports = ports_of(filter->port),
		.icmp_type = (int16_t)filter->icmp_type,
	};
}

/* -- ports that are taken -- */

static void take_forwarded(struct rules *rules)
{
	for (unsigned i = 0; i < rules->n_nat; i++) {
		const struct nat_rule *rule = &rules->nat[i];
		if (rule->action != NAT_DNAT || (!rule->ports.first && !rule->ports.last))
			continue;
		for (unsigned port = rule->ports.first; port <= rule->ports.last; port++) {
			uint64_t bit = 1ull << port % 64;
			if (!rule->protocol || rule->protocol == PROTO_TCP)
				rules->taken[SOCKETS_TCP][port / 64] |= bit;
			if (!rule->protocol || rule->protocol == PROTO_UDP)
				rules->taken[SOCKETS_UDP][port / 64] |= bit;
		}
	}
}

/* -- the whole -- */

static void rules_free(struct rules *rules)
{
	if (!rules)
		return;
	for (unsigned i = 0; i < ARRAY_SIZE(rules->taken); i++)
		free(rules->taken[i]);
	free(rules->nat);
	free(rules->filter);
	free(rules);
}

void nat_rules_fini(struct nat_rules *nat)
{
	rules_free(nat->rules);
	free(nat->nat);
	free(nat->filter);
	*nat = (struct nat_rules){0};
}

static int allocate(struct nat_rules *nat, unsigned n_nat, unsigned n_filter)
{
	struct rules *rules = calloc(1, sizeof(*rules));
	*nat = (struct nat_rules){.rules = rules};
	if (!rules)
		return -ENOMEM;
	rules->nat = calloc(n_nat + 1, sizeof(*rules->nat));
	rules->filter = calloc(n_filter + 1, sizeof(*rules->filter));
	nat->nat = calloc(n_nat + 1, sizeof(*nat->nat));
	nat->filter = calloc(n_filter + 1, sizeof(*nat->filter));
	bool whole = rules->nat && rules->filter && nat->nat && nat->filter;
	for (unsigned i = 0; i < N_SOCKET_KINDS; i++) {
		rules->taken[i] = calloc(SOCKETS_WORDS, sizeof(uint64_t));
		whole = whole && rules->taken[i];
	}
	if (whole)
		return 0;
	nat_rules_fini(nat);
	return -ENOMEM;
}

int nat_rules_build(struct nat_rules *nat, const struct config *config,
		    const struct port_table *ports, const struct sockets *sockets)
{
	*nat = (struct nat_rules){0};
	if (!config->n_nat && !config->n_filter)
		return 0;
	if (allocate(nat, config->n_nat, config->n_filter) < 0)
		return -ENOMEM;
	struct rules *rules = nat->rules;
	for (; rules->n_nat < config->n_nat; rules->n_nat++)
		rules->nat[rules->n_nat] = nat_rule_of(&config->nat[rules->n_nat], ports);
	for (; rules->n_filter < config->n_filter; rules->n_filter++)
		rules->filter[rules->n_filter] =
			filter_rule_of(&config->filter[rules->n_filter], ports);
	static_assert(ARRAY_SIZE(rules->taken) == N_SOCKET_KINDS, "TCP, UDP, ICMP in both");
	for (unsigned i = 0; i < N_SOCKET_KINDS; i++)
		memcpy(rules->taken[i], sockets->used[i], sizeof(sockets->used[i]));
	take_forwarded(rules);
	return 0;
}

/* -- from one to the next -- */

static bool same_prefix(struct rule_prefix a, struct rule_prefix b)
{
	return a.len == b.len && be32_equal(a.address, b.address);
}

static bool same_ports(struct rule_ports a, struct rule_ports b)
{
	return a.first == b.first && a.last == b.last;
}

static bool same_nat(const struct rules *left, unsigned i, const struct rules *right, unsigned j)
{
	const struct nat_rule *a = &left->nat[i], *b = &right->nat[j];
	return a->action == b->action && a->out == b->out && a->in == b->in &&
	       a->protocol == b->protocol && a->per_remote == b->per_remote &&
	       a->filtering == b->filtering && same_prefix(a->from, b->from) &&
	       same_prefix(a->match, b->match) && same_ports(a->ports, b->ports) &&
	       same_ports(a->to_ports, b->to_ports) && be32_equal(a->to_first, b->to_first) &&
	       be32_equal(a->to_last, b->to_last);
}

static bool same_filter(const struct rules *left, unsigned i, const struct rules *right, unsigned j)
{
	const struct filter_rule *a = &left->filter[i], *b = &right->filter[j];
	return a->action == b->action && a->states == b->states && a->in == b->in &&
	       a->out == b->out && a->protocol == b->protocol && a->icmp_type == b->icmp_type &&
	       same_prefix(a->from, b->from) && same_prefix(a->to, b->to) &&
	       same_ports(a->sports, b->sports) && same_ports(a->dports, b->dports);
}

/* One of the two lists, before and after. */
struct succession {
	const struct rules *now, *before;
	unsigned n_now, n_before;
	struct rule_counts *now_counts, *before_counts;
	bool (*same)(const struct rules *, unsigned, const struct rules *, unsigned);
	struct rule_counts (*counted)(const struct nat_rules *, unsigned);
};

/* The rule before that is the same and has no successor yet; the one expected is tried first. */
static unsigned predecessor(const struct succession *s, unsigned i, unsigned expected)
{
	if (expected < s->n_before && !s->before_counts[expected].passed_on &&
	    s->same(s->now, i, s->before, expected))
		return expected;
	for (unsigned j = 0; j < s->n_before; j++)
		if (!s->before_counts[j].passed_on && s->same(s->now, i, s->before, j))
			return j;
	return s->n_before;
}

static void succeed(const struct succession *s, const struct nat_rules *before,
		    struct rule_changes *changes)
{
	unsigned expected = 0, n_same = 0, n_moved = 0;
	for (unsigned i = 0; i < s->n_now; i++) {
		unsigned j = predecessor(s, i, expected);
		if (j == s->n_before)
			continue;
		s->now_counts[i] = s->counted(before, j);
		s->before_counts[j].passed_on = true;
		n_same++;
		n_moved += j < expected;
		expected = j + 1 > expected ? j + 1 : expected;
	}
	unsigned n_replaced = min_u32(s->n_now, s->n_before) - n_same;
	*changes = (struct rule_changes){
		.added = s->n_now - n_same - n_replaced,
		.removed = s->n_before - n_same - n_replaced,
		.changed = n_replaced + n_moved,
	};
}

static struct rule_counts opened(const struct nat_rules *nat, unsigned index)
{
	return (struct rule_counts){.packets = nat_rules_hits(nat, index)};
}

void nat_rules_inherit(struct nat_rules *now, struct nat_rules *before, struct rule_changes *nat,
		       struct rule_changes *filter)
{
	static const struct rules none;
	const struct rules *a = now->rules ? now->rules : &none,
			   *b = before->rules ? before->rules : &none;
	const struct succession of_nat = {
		.now = a,
		.before = b,
		.n_now = a->n_nat,
		.n_before = b->n_nat,
		.now_counts = now->nat,
		.before_counts = before->nat,
		.same = same_nat,
		.counted = opened,
	};
	const struct succession of_filter = {
		.now = a,
		.before = b,
		.n_now = a->n_filter,
		.n_before = b->n_filter,
		.now_counts = now->filter,
		.before_counts = before->filter,
		.same = same_filter,
		.counted = nat_rules_filtered,
	};
	succeed(&of_nat, before, nat);
	succeed(&of_filter, before, filter);
}

uint64_t nat_rules_hits(const struct nat_rules *nat, unsigned index)
{
	return nat->nat[index].packets + load_shared(&nat->rules->nat[index].hits);
}

struct rule_counts nat_rules_filtered(const struct nat_rules *nat, unsigned index)
{
	const struct filter_rule *rule = &nat->rules->filter[index];
	return (struct rule_counts){
		.packets = nat->filter[index].packets + load_shared(&rule->packets),
		.bytes = nat->filter[index].bytes + load_shared(&rule->bytes),
	};
}

/* -- which rule -- */

bool rule_ports_hold(struct rule_ports ports, be16 port)
{
	return (!ports.first && !ports.last) ||
	       (be16_host(port) >= ports.first && be16_host(port) <= ports.last);
}

bool port_has_address(const struct port *port, be32 address)
{
	for (unsigned i = 0; port && i < port->n_addresses; i++)
		if (be32_equal(port->addresses[i].address, address))
			return true;
	return false;
}

const struct nat_rule *nat_rules_source(const struct rules *rules, be32 inside, uint16_t out)
{
	for (unsigned i = 0; rules && i < rules->n_nat; i++) {
		const struct nat_rule *rule = &rules->nat[i];
		if (rule->action != NAT_DNAT && (out == PORT_NONE || rule->out == out) &&
		    ip4_in_prefix(inside, rule->from.address, rule->from.len))
			return rule;
	}
	return NULL;
}

const struct nat_rule *nat_rules_destination(const struct rules *rules,
					     const struct port_table *ports, be32 address,
					     uint8_t protocol, be16 port)
{
	for (unsigned i = 0; rules && i < rules->n_nat; i++) {
		const struct nat_rule *rule = &rules->nat[i];
		if (rule->action != NAT_DNAT || (rule->protocol && rule->protocol != protocol) ||
		    !rule_ports_hold(rule->ports, port))
			continue;
		if (rule->match.len ? ip4_in_prefix(address, rule->match.address, rule->match.len)
				    : port_has_address(port_get(ports, rule->in), address))
			return rule;
	}
	return NULL;
}

const char *nat_action_name(enum nat_action action)
{
	static const char *const names[] = {
		[NAT_MASQUERADE] = "masquerade", [NAT_SNAT] = "snat", [NAT_DNAT] = "dnat"};
	return names[action];
}
