/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * show - the running state as rows: the router_show_* of router.h. Reads, changes nothing.
 *
 * Counters belong to the worker, who goes on counting meanwhile: each number is whole,
 * but two of them need not be of the same moment.
 */
#include "neighbours.h"
#include "state.h"

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

/* Text, or null where there is none. */
static json_t *text_or_null(const char *text)
{
	return text && *text ? json_string(text) : json_null();
}

/* Of a port or a leg. */
static const char *port_name(const struct router *router, uint16_t port)
{
	const struct port *found = port_get(worker_ports(router->worker), port);
	return found ? found->name : NULL;
}

/* -- ports -- */

static void put_addresses(json_t *row, const struct config_address *addresses, unsigned n)
{
	json_t *list = json_string("");
	for (unsigned i = 0; i < n; i++) {
		char address[20];
		json_t *longer = json_sprintf("%s%s%s/%u", json_string_value(list), i ? " " : "",
					      config_format_address(addresses[i].address, address),
					      addresses[i].prefix_len);
		json_decref(list);
		list = longer;
	}
	json_object_set_new(row, "addresses", list);
}

static uint64_t dropped(const struct port_stats *now, const struct port_stats *base)
{
	uint64_t sum = 0;
	for (unsigned v = 0; v < N_VERDICTS; v++)
		if (verdict_is_drop(v))
			sum += load_shared(&now->ends[v]) - base->ends[v];
	return sum;
}

/* Packets of the socket lane: what did not leave otherwise, which may be counted just now. */
static uint64_t by_socket(const struct port_stats *stats)
{
	uint64_t others = load_shared(&stats->burst_packets) + load_shared(&stats->gso_packets) +
			  load_shared(&stats->flow_packets);
	return max_u64(load_shared(&stats->tx_packets), others) - others;
}

static void put_counters(const struct router *router, json_t *row, const struct router_port *rp)
{
	const struct port_stats *now = stats_port(worker_stats(router->worker), rp->number),
				*base = &rp->base;
	struct xsk_gate_counts gate = {0};
	if (rp->xsk)
		xsk_port_gate_counts(rp->xsk, &gate);
#define COUNTER(name) json_object_set_new(row, #name, number(load_shared(&now->name) - base->name))
	COUNTER(rx_packets);
	COUNTER(rx_bytes);
	COUNTER(tx_packets);
	COUNTER(tx_bytes);
	json_object_set_new(row, "rx_dropped", number(dropped(now, base)));
	COUNTER(tx_dropped);
	COUNTER(rx_partial);
	json_object_set_new(row, "gate_passed", number(rp->gate_passed + gate.passed));
	json_object_set_new(row, "socket_packets", number(by_socket(now) - by_socket(base)));
	COUNTER(flow_packets);
	json_object_set_new(row, "flow_lost",
			    number(load_shared(&now->flow_lost) - base->flow_lost + gate.lost));
	COUNTER(gso_calls);
	COUNTER(gso_packets);
	COUNTER(gso_errors);
	COUNTER(gso_large);
	COUNTER(gso_lost);
	COUNTER(tx_kicks);
	COUNTER(burst_packets);
	COUNTER(burst_calls);
	COUNTER(burst_errors);
	COUNTER(burst_slow);
	COUNTER(burst_lost);
	COUNTER(tx_again);
	COUNTER(tx_busy);
	COUNTER(tx_nobufs);
	COUNTER(tx_netdown);
	COUNTER(tx_error);
	COUNTER(rx_ring_full);
	COUNTER(rx_fill_empty);
	COUNTER(rx_too_long);
#undef COUNTER
	json_object_set_new(row, "losses", number(rp->losses));
}

/* Loop guard's word comes before the interface's. */
static void put_state(const struct router *router, json_t *row, const struct router_port *rp)
{
	char reason[sizeof(rp->reason)] = "loop guard: ";
	size_t len = strlen(reason);
	const char *state = port_state_name(rp->state);
	if (rp->state == STATE_UP &&
	    bridges_why_blocked(router, rp->number, reason + len, sizeof(reason) - len))
		state = "blocked";
	else
		memcpy(reason, rp->reason, sizeof(reason));
	json_object_set_new(row, "state", json_string(state));
	json_object_set_new(row, "reason", text_or_null(reason));
}

static void put_place(const struct router *router, json_t *row, const struct port *port)
{
	static const struct {
		enum port_flag flag;
		const char *text;
	} flags[] = {{PORT_NO_LEARNING, "learning off"},
		     {PORT_NO_FLOOD, "flood off"},
		     {PORT_ISOLATED, "isolated on"}};
	char text[64] = "";
	for (unsigned i = 0; i < ARRAY_SIZE(flags); i++)
		if (port->flags & flags[i].flag)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
				 *text ? " " : "", flags[i].text);
	json_object_set_new(row, "bridge", text_or_null(port_name(router, port->bridge)));
	json_object_set_new(row, "flags", json_string(text));
	json_object_set_new(row, "mirror", text_or_null(port_name(router, port->mirror)));
}

static void put_lane(json_t *row, const struct router_port *rp)
{
	bool known = rp->far.ifindex && (rp->far_sought || rp->prepared);
	char place[160];
	json_object_set_new(row, "lane",
			    json_string(rp->lanes ? lane_port_name(rp->lanes) : "socket"));
	json_object_set_new(row, "burst_min",
			    rp->lanes && lane_port_burst_min(rp->lanes)
				    ? json_integer(lane_port_burst_min(rp->lanes))
				    : json_null());
	json_object_set_new(row, "lane_reason", text_or_null(rp->lane_reason));
	json_object_set_new(row, "flow_cache", json_boolean(rp->repeats));
	json_object_set_new(row, "far_end",
			    known ? json_string(farend_place(&rp->far, place, sizeof(place)))
				  : json_null());
	/* Not any more, if somebody has switched it off since. */
	json_object_set_new(row, "far_end_prepared",
			    json_boolean(rp->prepared && (rp->takes_bursts || rp->far_gro > 0)));
}

json_t *router_show_ports(struct router *router)
{
	json_t *rows = json_array();
	for (unsigned i = 0; i < PORT_MAX; i++) {
		const struct router_port *rp = router->ports.port[i];
		const struct port *port = port_get(worker_ports(router->worker), i);
		char mac[20];
		if (!rp || !port)
			continue;
		json_t *row = json_pack("{s:s, s:i}", "name", port->name, "number", (int)i);
		put_state(router, row, rp);
		json_object_update_new(
			row, json_pack("{s:i, s:s, s:i}", "ifindex", (int)port->ifindex, "mac",
				       config_format_mac(port->mac, mac), "mtu", (int)port->mtu));
		put_addresses(row, rp->config->addresses, rp->config->n_addresses);
		put_place(router, row, port);
		json_object_set_new(
			row, "xdp",
			!rp->xsk ? json_null()
				 : json_string(xsk_port_is_native(rp->xsk) ? "native" : "generic"));
		put_lane(row, rp);
		json_object_set_new(row, "gso", json_boolean(rp->gso));
		put_counters(router, row, rp);
		json_array_append_new(rows, row);
	}
	return rows;
}

/* -- bridges -- */

static void count_entry(const struct fdb_info *info, void *arg)
{
	unsigned *entries = arg;
	entries[info->bridge]++;
}

static void add_word(json_t **list, const char *word)
{
	const char *before = json_string_value(*list);
	json_t *longer = json_sprintf("%s%s%s", before, *before ? " " : "", word);
	json_decref(*list);
	*list = longer;
}

static void put_members(const struct router *router, json_t *row, const struct port *leg)
{
	json_t *ports = json_string(""), *blocked = json_string("");
	for (unsigned i = 0; i < leg->n_members; i++) {
		const char *name = port_name(router, leg->members[i]);
		char why[96], text[128];
		add_word(&ports, name);
		if (!bridges_why_blocked(router, leg->members[i], why, sizeof(why)))
			continue;
		snprintf(text, sizeof(text), "%s (%s)", name, why);
		add_word(&blocked, text);
	}
	json_object_set_new(row, "ports", ports);
	json_object_set_new(row, "blocked", text_or_null(json_string_value(blocked)));
	json_decref(blocked);
}

static json_t *bridge_row(const struct router *router, const struct router_bridge *rb,
			  unsigned entries)
{
	const struct port *leg = port_get(worker_ports(router->worker), rb->number);
	char mac[20];
	json_t *row = json_pack("{s:s, s:i, s:s, s:s, s:i}", "name", leg->name, "number",
				(int)rb->number, "state", leg->up ? "up" : "down", "mac",
				config_format_mac(leg->mac, mac), "mtu", (int)leg->mtu);
	put_addresses(row, rb->config->addresses, rb->config->n_addresses);
	put_members(router, row, leg);
	json_object_set_new(row, "aging_s", number(rb->config->aging_s));
	json_object_set_new(row, "mirror", text_or_null(rb->config->mirror));
	json_object_set_new(row, "entries", number(entries));
	json_object_set_new(row, "refused", number(fdb_refused(worker_fdb(router->worker))));
	return row;
}

json_t *router_show_bridges(struct router *router)
{
	unsigned entries[PORT_MAX] = {0};
	json_t *rows = json_array();
	fdb_walk(worker_fdb(router->worker), count_entry, entries);
	for (unsigned i = 0; i < PORT_MAX; i++)
		if (router->bridges.bridge[i])
			json_array_append_new(
				rows, bridge_row(router, router->bridges.bridge[i], entries[i]));
	return rows;
}

/* -- routes -- */

static json_t *route_row(const struct router *router, const struct route *route)
{
	char prefix[20], to[24], via[20];
	uint64_t hits = route->hits;
	if (route->index != ROUTE_NONE)
		hits += fib_hits(worker_fib(router->worker), route->index);
	snprintf(to, sizeof(to), "%s/%u", config_format_address(route->prefix, prefix),
		 route->prefix_len);
	return json_pack(
		"{s:s, s:s, s:o, s:o, s:I, s:s, s:s, s:I}", "to",
		route->prefix_len ? to : "default", "type", route_type_name(route->type), "via",
		be32_is_zero(route->via) ? json_null()
					 : json_string(config_format_address(route->via, via)),
		"port", text_or_null(port_name(router, route->port)), "metric",
		(json_int_t)route->metric, "source", route_source_name(route->source), "state",
		route_state_name(route->state), "hits", (json_int_t)hits);
}

json_t *router_show_routes(struct router *router, struct route_place *place, size_t limit)
{
	json_t *rows = json_array();
	const struct route *route = routes_after(&router->routes, place);
	const struct route *end = router->routes.routes + router->routes.n;
	for (size_t i = 0; route && route < end && i < limit; i++, route++) {
		json_array_append_new(rows, route_row(router, route));
		*place = routes_place(route);
	}
	return rows;
}

json_t *router_show_route(struct router *router, be32 prefix, uint8_t prefix_len)
{
	json_t *rows = json_array();
	size_t n;
	const struct route *routes = routes_to_prefix(&router->routes, prefix, prefix_len, &n);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(rows, route_row(router, &routes[i]));
	return rows;
}

/* The route that the FIB in use holds at index. */
static const struct route *route_in_fib(const struct router *router, uint32_t index)
{
	const struct fib_route *chosen = fib_route(worker_fib(router->worker), index);
	size_t n;
	const struct route *routes =
		routes_to_prefix(&router->routes, chosen->prefix, chosen->prefix_len, &n);
	while (n && routes->index != index)
		routes++, n--;
	return n ? routes : NULL;
}

json_t *router_route_get(struct router *router, be32 address)
{
	const struct local *local = port_local(worker_ports(router->worker), address);
	char text[20];
	json_t *row = json_pack("{s:s}", "destination", config_format_address(address, text));
	if (local) {
		json_object_set_new(row, "type",
				    json_string(local->broadcast ? "broadcast" : "local"));
		json_object_set_new(row, "port", text_or_null(port_name(router, local->port)));
		return json_pack("[o]", row);
	}
	uint32_t index = fib_lookup(worker_fib(router->worker), address);
	const struct route *route = index == ROUTE_NONE ? NULL : route_in_fib(router, index);
	if (!route) {
		json_decref(row);
		return json_array();
	}
	json_object_update_new(row, route_row(router, route));
	return json_pack("[o]", row);
}

/* -- neighbours -- */

struct neigh_rows {
	const struct router *router;
	json_t *rows;
	uint64_t now_ns;
};

static json_t *age(uint64_t now_ns, uint64_t then_ns)
{
	if (!then_ns)
		return json_null();
	return number(now_ns > then_ns ? (now_ns - then_ns) / NS_PER_MS : 0);
}

static void add_neigh(const struct neigh_info *info, void *arg)
{
	struct neigh_rows *out = arg;
	const char *port = port_name(out->router, info->port);
	char address[20], mac[20];
	if (!port)
		return;
	json_t *row = json_pack(
		"{s:s, s:o, s:s, s:s, s:s, s:o, s:o, s:i}", "address",
		config_format_address(info->address, address), "mac",
		mac_is_zero(info->mac) ? json_null()
				       : json_string(config_format_mac(info->mac, mac)),
		"port", port, "state", neigh_state_name(info->state), "source",
		info->state == NEIGH_STATIC ? neighbours_source(out->router, port, info->address)
					    : "learnt",
		"age_ms", age(out->now_ns, info->confirmed_ns), "used_ms",
		age(out->now_ns, info->used_ns), "queued", (int)info->queued);
	json_array_append_new(out->rows, row);
}

json_t *router_show_neighs(struct router *router)
{
	struct neigh_rows out = {.router = router, .rows = json_array(), .now_ns = state_now_ns()};
	neigh_walk(worker_neigh(router->worker), add_neigh, &out);
	return out.rows;
}

/* -- rules -- */

/* "10.0.0.0/24"; a single address stands alone. */
static json_t *prefix_or_null(struct config_prefix prefix)
{
	char address[20];
	if (!prefix.len)
		return json_null();
	config_format_address(prefix.address, address);
	return prefix.len == 32 ? json_string(address) : json_sprintf("%s/%u", address, prefix.len);
}

static char *format_ports(struct config_ports ports, char *text, size_t size)
{
	text[0] = 0;
	if (ports.first && ports.first == ports.last)
		snprintf(text, size, "%u", ports.first);
	else if (ports.first || ports.last)
		snprintf(text, size, "%u-%u", ports.first, ports.last);
	return text;
}

static json_t *ports_or_null(struct config_ports ports)
{
	char text[16];
	return text_or_null(format_ports(ports, text, sizeof(text)));
}

static json_t *protocol_or_null(uint8_t protocol)
{
	switch (protocol) {
	case 0:
		return json_null();
	case PROTO_TCP:
		return json_string("tcp");
	case PROTO_UDP:
		return json_string("udp");
	case PROTO_ICMP:
		return json_string("icmp");
	}
	return json_sprintf("%u", protocol);
}

/* "192.168.10.3:9999", "192.0.2.1-192.0.2.7", ":1024-2047" */
static json_t *new_endpoint(const struct config_nat *nat)
{
	char first[20] = "", last[20], ports[16];
	bool range = !be32_equal(nat->to_first, nat->to_last);
	if (!be32_is_zero(nat->to_first))
		config_format_address(nat->to_first, first);
	config_format_address(nat->to_last, last);
	format_ports(nat->to_port, ports, sizeof(ports));
	if (!*first && !*ports)
		return json_null();
	return json_sprintf("%s%s%s%s%s", first, range ? "-" : "", range ? last : "",
			    *ports ? ":" : "", ports);
}

static const char *filtering_name(enum config_filtering filtering)
{
	static const char *const names[] = {[CONFIG_ADDRESS_PORT] = NULL, /* the default */
					    [CONFIG_ADDRESS] = "address-dependent",
					    [CONFIG_INDEPENDENT] = "endpoint-independent"};
	return names[filtering];
}

json_t *router_show_nat_rules(struct router *router)
{
	static const char *const actions[] = {
		[CONFIG_MASQUERADE] = "masquerade", [CONFIG_SNAT] = "snat", [CONFIG_DNAT] = "dnat"};
	json_t *rows = json_array();
	for (unsigned i = 0; i < router->config->n_nat; i++) {
		const struct config_nat *nat = &router->config->nat[i];
		const char *mapping = nat->per_remote ? "address-and-port-dependent" : NULL;
		json_array_append_new(
			rows,
			json_pack("{s:i, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I}",
				  "index", (int)i + 1, "action", actions[nat->action], "out",
				  text_or_null(nat->out), "in", text_or_null(nat->in), "from",
				  prefix_or_null(nat->from), "match", prefix_or_null(nat->address),
				  "protocol", protocol_or_null(nat->protocol), "ports",
				  ports_or_null(nat->port), "to", new_endpoint(nat), "mapping",
				  text_or_null(mapping), "filtering",
				  text_or_null(filtering_name(nat->filtering)), "hits",
				  (json_int_t)nat_rules_hits(&router->nat, i)));
	}
	return rows;
}

static json_t *states_or_null(uint8_t states)
{
	static const struct {
		enum filter_state state;
		const char *name;
	} known[] = {{STATE_IS_NEW, "new"},
		     {STATE_IS_ESTABLISHED, "established"},
		     {STATE_IS_RELATED, "related"},
		     {STATE_IS_INVALID, "invalid"}};
	char text[64] = "";
	for (unsigned i = 0; i < ARRAY_SIZE(known); i++)
		if (states & known[i].state)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
				 *text ? "," : "", known[i].name);
	return text_or_null(text);
}

json_t *router_show_filter(struct router *router)
{
	static const char *const actions[] = {
		[CONFIG_ACCEPT] = "accept", [CONFIG_DROP] = "drop", [CONFIG_REJECT] = "reject"};
	json_t *rows = json_array();
	for (unsigned i = 0; i < router->config->n_filter; i++) {
		const struct config_filter *filter = &router->config->filter[i];
		struct rule_counts counts = nat_rules_filtered(&router->nat, i);
		json_array_append_new(
			rows,
			json_pack("{s:i, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, "
				  "s:I}",
				  "index", (int)i + 1, "action", actions[filter->action], "states",
				  states_or_null(filter->states), "in", text_or_null(filter->in),
				  "out", text_or_null(filter->out), "from",
				  prefix_or_null(filter->from), "to", prefix_or_null(filter->to),
				  "protocol", protocol_or_null(filter->protocol), "source_ports",
				  ports_or_null(filter->sport), "ports",
				  ports_or_null(filter->port), "icmp_type",
				  filter->icmp_type < 0 ? json_null()
							: json_integer(filter->icmp_type),
				  "packets", (json_int_t)counts.packets, "bytes",
				  (json_int_t)counts.bytes));
	}
	return rows;
}

/* -- drops and totals -- */

static void add_drop(json_t *rows, const char *port, enum verdict v, uint64_t packets)
{
	json_t *row = json_object();
	if (port)
		json_object_set_new(row, "port", json_string(port));
	json_object_set_new(row, "reason", json_string(verdict_name(v)));
	json_object_set_new(row, "text", json_string(verdict_text(v)));
	json_object_set_new(row, "packets", number(packets));
	json_array_append_new(rows, row);
}

static void add_drops_of(json_t *rows, const char *port, const struct port_stats *now,
			 const struct port_stats *base)
{
	for (unsigned v = 0; v < N_VERDICTS; v++) {
		uint64_t packets = load_shared(&now->ends[v]) - base->ends[v];
		if (verdict_is_drop(v) && packets)
			add_drop(rows, port, v, packets);
	}
}

json_t *router_show_drops(struct router *router, bool all)
{
	static const struct port_stats none;
	struct stats *stats = worker_stats(router->worker);
	json_t *rows = json_array();
	for (unsigned v = 0; all && v < N_VERDICTS; v++)
		if (verdict_is_drop(v))
			add_drop(rows, NULL, v, stats_end(stats, v));
	if (all)
		return rows;
	for (unsigned i = 0; i < PORT_MAX; i++) {
		const struct router_port *rp = router->ports.port[i];
		const struct router_bridge *rb = router->bridges.bridge[i];
		if (rp || rb)
			add_drops_of(rows, port_name(router, i), stats_port(stats, i),
				     rp ? &rp->base : &rb->base);
	}
	add_drops_of(rows, "-", stats_port(stats, PORT_NONE), &none);
	return rows;
}

json_t *router_show_stats(struct router *router)
{
	const struct stats *stats = worker_stats(router->worker);
	struct worker_frames frames = worker_frames(router->worker);
	struct session_counts sessions;
	json_t *row = json_object();
	session_counts(worker_sessions(router->worker), &sessions);
#define PUT(name, value) json_object_set_new(row, name, number(value))
	PUT("frames", frames.total);
	PUT("frames_free", frames.free);
	PUT("frames_held", frames.held);
	PUT("frame_size", router->frame_size);
	PUT("created", load_shared(&stats->created));
	PUT("icmp_errors", load_shared(&stats->icmp_errors));
	PUT("icmp_limited", load_shared(&stats->icmp_limited));
	PUT("icmp_unfit", load_shared(&stats->icmp_unfit));
	PUT("arp_requests", load_shared(&stats->arp_requests));
	PUT("arp_replies", load_shared(&stats->arp_replies));
	PUT("fragments", load_shared(&stats->fragments));
	PUT("sent", stats_end(stats, SENT));
	PUT("punted", stats_end(stats, PUNTED));
	PUT("taken", stats_end(stats, TAKEN));
	PUT("turns", load_shared(&stats->turns));
	PUT("sleeps", load_shared(&stats->sleeps));
	PUT("routes", router->routes.n);
	PUT("neighbours", neigh_count(worker_neigh(router->worker)));
	PUT("fdb_entries", fdb_count(worker_fdb(router->worker)));
	PUT("fdb_refused", fdb_refused(worker_fdb(router->worker)));
	PUT("sessions", sessions.sessions);
	PUT("mappings", sessions.mappings);
	PUT("sessions_opened", sessions.opened);
	PUT("sessions_evicted", sessions.evicted);
	PUT("sessions_refused_table", sessions.refused_table);
	PUT("sessions_refused_host", sessions.refused_host);
	PUT("pool_exhausted", sessions.pool_exhausted);
	if (worker_flows(router->worker)) {
		struct flow_counts flows;
		flow_counts(worker_flows(router->worker), &flows);
		PUT("flows", flows.used);
		PUT("flows_max", flows.size);
		PUT("flows_armed", flows.armed);
		PUT("flow_changes", flows.changes);
	}
	PUT("fib_bytes", fib_memory(worker_fib(router->worker)));
	json_object_set_new(row, "balance", json_integer(stats_balance(stats)));
#undef PUT
	return row;
}
