/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sessions - the session table as people see and change it: the router_nat_* of router.h
 * that are about sessions; and what becomes of sessions when the configuration changes.
 *
 * A session outlives a reload if the new configuration would translate it in the same way,
 * whichever rule says so. What its tuples tell is enough for that:
 *
 *   - if dnat matches the original destination, the session goes where the rule says; if
 *     none does, nowhere else, unless it was let in to a mapping that a source rule gives
 *   - the first source rule for the port it leaves by, and its original source, gives the
 *     source it has; if there is none it is not translated; but a source that dnat turned
 *     back to where it came from may be the address that was asked for (hairpin)
 *
 * So a masquerade of an address that its port has lost ends, as in Linux, and a session that
 * was opened before there was a rule for it does not go on untranslated.
 */
#include "sessions.h"
#include "state.h"

/* -- how a session is translated -- */

static const struct tuple *original(const struct session *s)
{
	return &s->tuple[SESSION_ORIGINAL];
}

static const struct tuple *reply(const struct session *s)
{
	return &s->tuple[SESSION_REPLY];
}

static bool has_new_destination(const struct session *s)
{
	return !be32_equal(reply(s)->src, original(s)->dst) ||
	       !be16_equal(reply(s)->sport, original(s)->dport);
}

static bool has_new_source(const struct session *s)
{
	return !be32_equal(reply(s)->dst, original(s)->src) ||
	       !be16_equal(reply(s)->dport, original(s)->sport);
}

static bool has_ports(const struct session *s)
{
	uint8_t protocol = original(s)->protocol;
	return protocol == PROTO_TCP || protocol == PROTO_UDP || protocol == PROTO_ICMP;
}

static bool in_range(be32 address, be32 first, be32 last)
{
	return be32_host(address) >= be32_host(first) && be32_host(address) <= be32_host(last);
}

/* Whether a source rule can give the inside address that outside endpoint. */
static bool gives_source(const struct session_law *law, const struct nat_rule *rule,
			 const struct session *s, be32 inside, be32 outside, be16 port)
{
	if (rule->action == NAT_DNAT ||
	    !ip4_in_prefix(inside, rule->from.address, rule->from.len) ||
	    (has_ports(s) && !rule_ports_hold(rule->to_ports, port)))
		return false;
	return rule->action == NAT_MASQUERADE
		       ? port_has_address(port_get(law->ports, rule->out), outside)
		       : in_range(outside, rule->to_first, rule->to_last);
}

static bool gives_new_source(const struct session_law *law, const struct nat_rule *rule,
			     const struct session *s)
{
	return gives_source(law, rule, s, original(s)->src, reply(s)->dst, reply(s)->dport);
}

/* Whether it can have been opened to a mapping of the rule: by RFC 4787 REQ-8, or from inside. */
static bool gives_mapping(const struct session_law *law, const struct nat_rule *rule,
			  const struct session *s)
{
	bool is_open = rule->filtering != FILTERING_ADDRESS_PORT ||
		       ip4_in_prefix(original(s)->src, rule->from.address, rule->from.len);
	return is_open &&
	       gives_source(law, rule, s, reply(s)->src, original(s)->dst, original(s)->dport);
}

/* The first rule of which that is true, an index; -1: none. */
static int find_rule(const struct session_law *law, const struct session *s,
		     bool (*gives)(const struct session_law *, const struct nat_rule *,
				   const struct session *))
{
	for (unsigned i = 0; law->rules && i < law->rules->n_nat; i++)
		if (gives(law, &law->rules->nat[i], s))
			return (int)i;
	return -1;
}

/* The dnat rule that matches what was asked for; NULL: none. */
static const struct nat_rule *dnat_of(const struct session_law *law, const struct session *s)
{
	const struct tuple *t = original(s);
	return nat_rules_destination(law->rules, law->ports, t->dst, t->protocol, t->dport);
}

/* rule may be NULL. */
static bool gives_destination(const struct nat_rule *rule, const struct session *s)
{
	if (!rule || !in_range(reply(s)->src, rule->to_first, rule->to_last))
		return false;
	return rule->to_ports.first ? rule_ports_hold(rule->to_ports, reply(s)->sport)
				    : be16_equal(reply(s)->sport, original(s)->dport);
}

/* The port or leg by which packets for address leave; PORT_NONE: none. */
static uint16_t way_to(const struct session_law *law, be32 address)
{
	uint32_t index = fib_lookup(law->fib, address);
	const struct fib_route *route = index == ROUTE_NONE ? NULL : fib_route(law->fib, index);
	return route && route->type == FIB_UNICAST ? route->port : PORT_NONE;
}

static bool destination_is_allowed(const struct session_law *law, const struct session *s)
{
	const struct nat_rule *dnat = dnat_of(law, s);
	if (gives_destination(dnat, s))
		return true;
	return has_new_destination(s) ? find_rule(law, s, gives_mapping) >= 0 : !dnat;
}

/* Where there is no way now, any rule for the source may be the one when there is. */
static bool source_is_allowed(const struct session_law *law, const struct session *s)
{
	uint16_t out = way_to(law, reply(s)->src);
	const struct nat_rule *rule = nat_rules_source(law->rules, original(s)->src, out);
	if (!has_new_source(s))
		return !rule;
	if (rule && out != PORT_NONE)
		return gives_new_source(law, rule, s);
	if (has_new_destination(s) && be32_equal(reply(s)->dst, original(s)->dst))
		return true;
	return (has_new_destination(s) || out == PORT_NONE) &&
	       find_rule(law, s, gives_new_source) >= 0;
}

bool sessions_allowed(const struct session_law *law, const struct session *s)
{
	return destination_is_allowed(law, s) && source_is_allowed(law, s);
}

/* -- rules by number -- */

/* The rule that it was opened by comes first, where two have a part in it. */
int sessions_rule(const struct session_law *law, const struct session *s)
{
	bool source = has_new_source(s), destination = has_new_destination(s);
	const struct nat_rule *dnat = destination ? dnat_of(law, s) : NULL;
	int found = -1;
	if (source && law->rules && s->rule < law->rules->n_nat &&
	    gives_new_source(law, &law->rules->nat[s->rule], s))
		return s->rule;
	if (gives_destination(dnat, s))
		return (int)(dnat - law->rules->nat);
	if (source)
		found = find_rule(law, s, gives_new_source);
	if (found < 0 && destination)
		found = find_rule(law, s, gives_mapping);
	return found;
}

/* -- a new configuration -- */

struct session_config sessions_config(const struct config_sessions *config)
{
	return (struct session_config){
		.capacity = config->max,
		.host_max = config->per_host,
		.tcp_established_ns = config->tcp_established_s * NS_PER_S,
		.tcp_transitory_ns = config->tcp_transitory_s * NS_PER_S,
		.udp_ns = config->udp_s * NS_PER_S,
		.icmp_ns = config->icmp_s * NS_PER_S,
		.other_ns = config->other_s * NS_PER_S,
	};
}

static struct session_law law_of(const struct router *router)
{
	return (struct session_law){.rules = router->nat.rules,
				    .ports = worker_ports(router->worker),
				    .fib = worker_fib(router->worker)};
}

/* Without rules no session is kept. */
static bool has_ended(const struct session *s, void *arg)
{
	const struct session_law *law = arg;
	return !law->rules || !sessions_allowed(law, s);
}

void sessions_follow(struct router *router)
{
	struct session_config config = sessions_config(&router->config->sessions);
	struct session_law law = law_of(router);
	session_set_times(worker_sessions(router->worker), &config);
	session_flush(worker_sessions(router->worker), has_ended, &law);
}

/* -- rows -- */

static bool is_wanted(const struct session *s, const struct nat_filter *filter)
{
	const struct tuple *a = original(s), *b = reply(s);
	if (!filter)
		return true;
	if (filter->protocol && filter->protocol != a->protocol)
		return false;
	if (filter->port) {
		be16 port = be16_from(filter->port);
		if (!be16_equal(a->sport, port) && !be16_equal(a->dport, port) &&
		    !be16_equal(b->sport, port) && !be16_equal(b->dport, port))
			return false;
	}
	return be32_is_zero(filter->address) || be32_equal(a->src, filter->address) ||
	       be32_equal(a->dst, filter->address) || be32_equal(b->src, filter->address) ||
	       be32_equal(b->dst, filter->address);
}

static json_t *endpoint(be32 address, be16 port)
{
	char text[20];
	config_format_address(address, text);
	return be16_host(port) ? json_sprintf("%s:%u", text, be16_host(port)) : json_string(text);
}

static json_t *protocol_name(uint8_t protocol)
{
	switch (protocol) {
	case PROTO_TCP:
		return json_string("tcp");
	case PROTO_UDP:
		return json_string("udp");
	case PROTO_ICMP:
		return json_string("icmp");
	}
	return json_sprintf("%u", protocol);
}

struct session_rows {
	json_t *rows;
	const struct nat_filter *filter;
	size_t limit;
	struct session_law law;
};

static json_t *session_row(const struct session_law *law, const struct session_info *info)
{
	const struct session *s = &info->session;
	const struct tuple *a = original(s), *b = reply(s);
	int rule = sessions_rule(law, s);
	return json_pack(
		"{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I}", "protocol",
		protocol_name(a->protocol), "state", session_state_name(s->state), "source",
		endpoint(a->src, a->sport), "destination", endpoint(a->dst, a->dport),
		"reply_source", endpoint(b->src, b->sport), "reply_destination",
		endpoint(b->dst, b->dport), "rule", rule < 0 ? json_null() : json_integer(rule + 1),
		"packets", (json_int_t)s->packets[SESSION_ORIGINAL], "bytes",
		(json_int_t)s->bytes[SESSION_ORIGINAL], "reply_packets",
		(json_int_t)s->packets[SESSION_REPLY], "reply_bytes",
		(json_int_t)s->bytes[SESSION_REPLY], "age_ms",
		(json_int_t)(info->age_ns / NS_PER_MS), "left_ms",
		(json_int_t)(info->left_ns / NS_PER_MS));
}

static bool add_session(const struct session_info *info, void *arg)
{
	struct session_rows *out = arg;
	if (is_wanted(&info->session, out->filter))
		json_array_append_new(out->rows, session_row(&out->law, info));
	return !out->limit || json_array_size(out->rows) < out->limit;
}

json_t *router_show_nat(struct router *router, const struct nat_filter *filter, size_t limit)
{
	struct session_rows out = {
		.rows = json_array(), .filter = filter, .limit = limit, .law = law_of(router)};
	session_walk(worker_sessions(router->worker), state_now_ns(), add_session, &out);
	return out.rows;
}

/* -- changes -- */

static bool is_to_go(const struct session *s, void *arg)
{
	return is_wanted(s, arg);
}

unsigned router_nat_flush(struct router *router, const struct nat_filter *filter)
{
	return session_flush(worker_sessions(router->worker), is_to_go, (void *)filter);
}

void router_nat_age(struct router *router, uint64_t by_ns)
{
	session_advance(worker_sessions(router->worker), by_ns);
	worker_wake(router->worker);
}
