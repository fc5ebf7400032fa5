/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Walks in words: an echo request from 192.168.1.2 on r0 to 192.168.0.2 behind r1, forwarded,
 * dropped, answered by the router itself, and bridged by br0, which is r0 and r1.
 */
#include "../../control/walk.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const uint8_t request[] = {
	2,    0, 0,    0,    0, 1, 2, 0, 0,  0, 1, 2, 0x08, 0x00, /* Ethernet */
	0x45, 0, 0,    28,   0, 1, 0, 0, 64, 1, 0, 0, 192,  168,  1, 2, 192, 168, 0, 2, /* IPv4 */
	8,    0, 0xf7, 0xfd, 0, 1, 0, 1,						/* ICMP */
};
static const struct mac our_mac = {{2, 0, 0, 0, 0, 2}}, host_mac = {{2, 0, 0, 0, 2, 2}};

static be32 ip(unsigned a, unsigned b, unsigned c, unsigned d)
{
	return be32_from(a << 24 | b << 16 | c << 8 | d);
}

struct bench {
	struct port r0, r1, br0;
	struct port_table *ports;
	struct fib *fib;
	struct walk_tables tables;
	struct trace_walk walk;
};

static void bench_init(struct bench *b)
{
	const struct fib_route routes[] = {
		{.prefix = ip(192, 168, 0, 0), .prefix_len = 24, .port = 1},
		{.prefix_len = 0, .port = 0, .via = ip(192, 168, 1, 254)},
	};
	*b = (struct bench){
		.r0 = {.name = "r0", .number = 0, .bridge = PORT_NONE},
		.r1 = {.name = "r1", .number = 1, .bridge = PORT_NONE},
		.ports = port_table_new(0),
		.fib = fib_new(routes, 2),
	};
	b->ports->ports[0] = &b->r0;
	b->ports->ports[1] = &b->r1;
	b->ports->n_ports = 2;
	b->tables = (struct walk_tables){.ports = b->ports, .fib = b->fib};
	memcpy(b->walk.first, request, sizeof(request));
	b->walk.first_len = b->walk.last_len = sizeof(request);
}

static void bench_fini(struct bench *b)
{
	port_table_free(b->ports);
	fib_free(b->fib);
}

static void step(struct bench *b, enum verdict room, enum verdict verdict, uint8_t ttl,
		 struct decision decision)
{
	b->walk.steps[b->walk.n_steps++] = (struct trace_step){.room = room,
							       .verdict = verdict,
							       .ttl = ttl,
							       .len = sizeof(request),
							       .decision = decision};
}

static void expect_lines(struct bench *b, const char *end, const char *const *lines)
{
	json_t *row = walk_row(&b->walk, &b->tables), *got = json_object_get(row, "lines");
	unsigned n = 0;
	for (; lines[n]; n++)
		assert_string_equal(json_string_value(json_array_get(got, n)), lines[n]);
	assert_int_equal(json_array_size(got), n);
	assert_string_equal(json_string_value(json_object_get(row, "end")), end);
	assert_string_equal(json_string_value(json_object_get(row, "port_in")), "r0");
	assert_int_equal(strlen(json_string_value(json_object_get(row, "first"))),
			 2 * sizeof(request));
	json_decref(row);
}

static void forwarded_packet_names_route_neighbour_and_ttl(void **state)
{
	(void)state;
	struct bench b;
	bench_init(&b);
	const struct decision none = {.port_out = PORT_NONE, .route = ROUTE_NONE};
	struct decision d = {.port_out = 1, .next_hop = ip(192, 168, 0, 2), .route = 0};
	step(&b, TO_ETH, TO_IP4, 64, none);
	step(&b, TO_IP4, TO_FIB, 64, none);
	step(&b, TO_FIB, TO_NEIGH, 64, d);
	d.link = (struct eth_hdr){.dst = host_mac, .src = our_mac};
	step(&b, TO_NEIGH, TO_REWRITE, 64, d);
	step(&b, TO_REWRITE, TO_EGRESS, 63, d);
	step(&b, TO_EGRESS, SENT, 63, d);
	expect_lines(&b, "sent",
		     (const char *const[]){
			     "r0: 192.168.1.2 -> 192.168.0.2, ICMP echo request, TTL 64, 42 bytes",
			     "  eth      IPv4, from 02:00:00:00:01:02 to us",
			     "  ip4      valid, in transit",
			     "  fib      192.168.0.2 -> r1 (route 192.168.0.0/24, on link)",
			     "  neigh    192.168.0.2 is at 02:00:00:00:02:02",
			     "  rewrite  TTL 64 -> 63, 02:00:00:00:00:02 -> 02:00:00:00:02:02",
			     "  egress   r1, 42 bytes",
			     "  sent     handed to the transmit lane of its port", NULL});
	bench_fini(&b);
}

static void dropped_packet_ends_with_its_reason_and_icmp(void **state)
{
	(void)state;
	struct bench b;
	bench_init(&b);
	const struct decision none = {.port_out = PORT_NONE, .route = ROUTE_NONE};
	step(&b, TO_ETH, TO_IP4, 64, none);
	step(&b, TO_IP4, TO_FIB, 64, none);
	step(&b, TO_FIB, DROP_IP4_NO_ROUTE, 64, none);
	expect_lines(
		&b, "ip4-no-route",
		(const char *const[]){
			"r0: 192.168.1.2 -> 192.168.0.2, ICMP echo request, TTL 64, 42 bytes",
			"  eth      IPv4, from 02:00:00:00:01:02 to us",
			"  ip4      valid, in transit", "  fib      no route to the destination",
			"  dropped  ip4-no-route; asks for ICMP destination unreachable, code 0",
			NULL});
	bench_fini(&b);
}

static void echo_reply_is_routed_back_to_the_source(void **state)
{
	(void)state;
	struct bench b;
	bench_init(&b);
	const struct decision none = {.port_out = PORT_NONE, .route = ROUTE_NONE};
	struct decision d = {.port_out = 0, .next_hop = ip(192, 168, 1, 254), .route = 1};
	step(&b, TO_IP4, TO_LOCAL, 64, none);
	step(&b, TO_LOCAL, TO_FIB, 64, none);
	step(&b, TO_FIB, TO_NEIGH, 64, d);
	step(&b, TO_NEIGH, DROP_NEIGH_FAILED, 64, d);
	b.walk.steps[3].at_ns = 3 * NS_PER_S;
	expect_lines(
		&b, "neigh-failed",
		(const char *const[]){
			"r0: 192.168.1.2 -> 192.168.0.2, ICMP echo request, TTL 64, 42 bytes",
			"  ip4      valid, for us: 192.168.0.2 is an address of this router",
			"  local    echo request: the datagram becomes the reply, TTL 64",
			"  fib      192.168.1.2 -> r0 via 192.168.1.254 (default route)",
			"           3000.000 ms later", "  neigh    next hop did not answer ARP",
			"  dropped  neigh-failed; asks for ICMP destination unreachable, code 1",
			NULL});
	bench_fini(&b);
}

static void replaced_tables_invent_no_names(void **state)
{
	(void)state;
	struct bench b;
	bench_init(&b);
	const struct decision d = {.port_out = 7, .next_hop = ip(10, 0, 0, 1), .route = 99};
	step(&b, TO_FIB, TO_NEIGH, 64, d);
	step(&b, TO_NEIGH, HELD, 64, d);
	expect_lines(&b, "held",
		     (const char *const[]){
			     "r0: 192.168.1.2 -> 192.168.0.2, ICMP echo request, TTL 64, 42 bytes",
			     "  fib      192.168.0.2 -> a port that is gone via 10.0.0.1",
			     "  neigh    10.0.0.1: asked for by ARP, the packet waits",
			     "  held     waits for its next hop's link-layer address", NULL});
	bench_fini(&b);
}

/* Makes r0 and r1 ports of br0. */
static void bench_bridge(struct bench *b)
{
	static const uint16_t members[] = {0, 1};
	b->br0 = (struct port){.name = "br0",
			       .number = 2,
			       .bridge = PORT_NONE,
			       .n_members = 2,
			       .members = members};
	b->r0.bridge = b->r1.bridge = 2;
	b->ports->ports[2] = &b->br0;
	b->ports->n_ports = 3;
}

static void bridged_packet_names_the_port_of_its_destination(void **state)
{
	(void)state;
	struct bench b;
	bench_init(&b);
	bench_bridge(&b);
	const struct decision none = {.port_out = PORT_NONE, .route = ROUTE_NONE};
	const struct decision to_r1 = {.port_out = 1, .route = ROUTE_NONE};
	step(&b, TO_ETH, TO_BRIDGE, 64, none);
	step(&b, TO_BRIDGE, TO_EGRESS, 64, to_r1);
	step(&b, TO_EGRESS, SENT, 64, to_r1);
	expect_lines(&b, "sent",
		     (const char *const[]){
			     "r0: 192.168.1.2 -> 192.168.0.2, ICMP echo request, TTL 64, 42 bytes",
			     "  eth      IPv4, from 02:00:00:00:01:02 on a port of br0",
			     "  bridge   02:00:00:00:00:01 is on r1", "  egress   r1, 42 bytes",
			     "  sent     handed to the transmit lane of its port", NULL});
	bench_fini(&b);
}

static void expect_flood(struct bench *b, const char *bridge)
{
	const struct decision none = {.port_out = PORT_NONE, .route = ROUTE_NONE};
	const struct decision flood = {.port_out = 2, .route = ROUTE_NONE};
	b->walk.n_steps = 0;
	step(b, TO_ETH, TO_BRIDGE, 64, none);
	step(b, TO_BRIDGE, TO_EGRESS, 64, flood);
	step(b, TO_EGRESS, SENT, 64, flood);
	expect_lines(b, "sent",
		     (const char *const[]){
			     "r0: 192.168.1.2 -> 192.168.0.2, ICMP echo request, TTL 64, 42 bytes",
			     "  eth      IPv4, from 02:00:00:00:01:02 on a port of br0", bridge,
			     "  egress   every port of br0 but r0, 42 bytes",
			     "  sent     handed to the transmit lane of its port", NULL});
}

static void flooded_packet_says_why(void **state)
{
	(void)state;
	struct bench b;
	bench_init(&b);
	bench_bridge(&b);
	expect_flood(&b,
		     "  bridge   02:00:00:00:00:01 is on no port that is known: flooded to br0");
	memset(b.walk.first, 0xff, 6);
	expect_flood(&b, "  bridge   for everybody: flooded to br0");
	b.walk.first[0] = 0x01;
	expect_flood(&b, "  bridge   for a group: flooded to br0");
	bench_fini(&b);
}

static void packet_for_the_bridge_goes_up_and_is_routed(void **state)
{
	(void)state;
	struct bench b;
	bench_init(&b);
	bench_bridge(&b);
	const struct decision none = {.port_out = PORT_NONE, .route = ROUTE_NONE};
	step(&b, TO_ETH, TO_BRIDGE, 64, none);
	step(&b, TO_BRIDGE, TO_IP4, 64, none);
	step(&b, TO_IP4, TO_FIB, 64, none);
	step(&b, TO_FIB, DROP_IP4_BLACKHOLE, 64, none);
	expect_lines(&b, "ip4-blackhole",
		     (const char *const[]){
			     "r0: 192.168.1.2 -> 192.168.0.2, ICMP echo request, TTL 64, 42 bytes",
			     "  eth      IPv4, from 02:00:00:00:01:02 on a port of br0",
			     "  bridge   for a MAC of its own: up to the bridge itself",
			     "  ip4      valid, in transit", "  fib      blackhole route",
			     "  dropped  ip4-blackhole", NULL});
	bench_fini(&b);
}

/* r1 masquerades 192.168.1.0/24, and forwards echo requests to r0's 192.168.1.9. */
static struct nat_rule nat[] = {
	{.action = NAT_DNAT, .in = 1, .protocol = PROTO_ICMP, .out = PORT_NONE},
	{.action = NAT_MASQUERADE, .out = 1, .from = {.len = 24}},
};
static struct rules rules = {.nat = nat, .n_nat = 2};
static const struct port_address outside = {.prefix_len = 24};

static void bench_nat(struct bench *b)
{
	nat[0].to_first = nat[0].to_last = ip(192, 168, 1, 9);
	nat[1].from.address = ip(192, 168, 1, 0);
	b->tables.rules = &rules;
}

static void masqueraded_packet_names_its_rule_and_new_source(void **state)
{
	(void)state;
	struct bench b;
	bench_init(&b);
	bench_nat(&b);
	struct decision d = {
		.port_out = PORT_NONE, .route = ROUTE_NONE, .dst = ip(192, 168, 0, 2)};
	step(&b, TO_IP4, TO_NAT, 64, d);
	step(&b, TO_NAT, TO_DELIVER, 64, d);
	step(&b, TO_DELIVER, TO_FIB, 64, d);
	d.port_out = 1;
	d.route = 0;
	d.next_hop = d.dst;
	step(&b, TO_FIB, TO_NEIGH, 64, d);
	step(&b, TO_FILTER, TO_NAT_OUT, 64, d);
	d.nat = (struct nat_decision){
		.src = ip(192, 168, 0, 1), .sport = be16_from(7), .flags = NAT_SOURCE};
	step(&b, TO_NAT_OUT, TO_NEIGH, 64, d);
	d.link = (struct eth_hdr){.dst = host_mac, .src = our_mac};
	step(&b, TO_NEIGH, TO_REWRITE, 64, d);
	step(&b, TO_REWRITE, TO_EGRESS, 63, d);
	expect_lines(
		&b, "egress",
		(const char *const[]){
			"r0: 192.168.1.2 -> 192.168.0.2, ICMP echo request, TTL 64, 42 bytes",
			"  ip4      valid", "  nat      its destination stays",
			"  deliver  in transit",
			"  fib      192.168.0.2 -> r1 (route 192.168.0.0/24, on link)",
			"  filter   accepted",
			"  nat-out  source 192.168.1.2:1 -> 192.168.0.1:7 (masquerade, rule 2)",
			"  neigh    192.168.0.2 is at 02:00:00:00:02:02",
			"  rewrite  translated, TTL 64 -> 63, 02:00:00:00:00:02 -> "
			"02:00:00:00:02:02",
			"  egress   ready to leave by its port", NULL});
	bench_fini(&b);
}

/* The same packet, as if r1 had 192.168.0.2: forwarded by the rule, or by a session elsewhere. */
static void forwarded_destination_names_rule_or_session(void **state)
{
	(void)state;
	struct bench b;
	struct port_address address = outside;
	bench_init(&b);
	bench_nat(&b);
	address.address = ip(192, 168, 0, 2);
	b.r1.addresses = &address;
	b.r1.n_addresses = 1;
	struct decision d = {.port_out = PORT_NONE, .route = ROUTE_NONE};
	d.dst = ip(192, 168, 1, 9);
	d.nat = (struct nat_decision){.dst = d.dst, .flags = NAT_DESTINATION};
	step(&b, TO_NAT, TO_DELIVER, 64, d);
	step(&b, TO_DELIVER, DROP_IP4_BROADCAST, 64, d);
	expect_lines(&b, "ip4-broadcast",
		     (const char *const[]){
			     "r0: 192.168.1.2 -> 192.168.0.2, ICMP echo request, TTL 64, 42 bytes",
			     "  nat      destination 192.168.0.2 -> 192.168.1.9 (dnat, rule 1)",
			     "  deliver  broadcast that nobody here takes, or a directed one",
			     "  dropped  ip4-broadcast", NULL});
	b.walk.n_steps = 0;
	d.nat.dst = ip(192, 168, 1, 8);
	d.nat.flags |= NAT_SOURCE;
	d.nat.src = ip(192, 168, 0, 9);
	step(&b, TO_NAT, TO_DELIVER, 64, d);
	step(&b, TO_NAT_OUT, TO_NEIGH, 64, d);
	expect_lines(&b, "neigh",
		     (const char *const[]){
			     "r0: 192.168.1.2 -> 192.168.0.2, ICMP echo request, TTL 64, 42 bytes",
			     "  nat      destination 192.168.0.2 -> 192.168.1.8 (its session)",
			     "  nat      source 192.168.1.2:1 -> 192.168.0.9 (its session)",
			     "  nat-out  as its session says",
			     "  neigh    wants the link-layer address of its next hop", NULL});
	bench_fini(&b);
}

static void frame_of_another_type_is_named(void **state)
{
	(void)state;
	static const struct {
		uint8_t type[6];
		const char *line;
	} types[] = {
		{{0x86, 0xdd}, "r0: IPv6, 42 bytes"},
		{{0x81, 0x00, 0x60, 0x05, 0x08, 0x00},
		 "r0: VLAN 5, Ethernet type 0x0800, 42 bytes"},
		{{0x88, 0xcc}, "r0: Ethernet type 0x88cc, 42 bytes"},
	};
	for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
		struct bench b;
		bench_init(&b);
		memcpy(b.walk.first + 12, types[i].type, 6);
		expect_lines(&b, "held", (const char *const[]){types[i].line, NULL});
		bench_fini(&b);
	}
}

static void frame_cut_anywhere_is_described_without_reading_past_it(void **state)
{
	(void)state;
	for (uint32_t len = 0; len <= sizeof(request); len++) {
		struct bench b;
		bench_init(&b);
		b.walk.first_len = b.walk.last_len = len;
		memset(b.walk.first + len, 0xff, sizeof(b.walk.first) - len);
		step(&b, TO_ETH, DROP_ETH_SHORT, 0, (struct decision){0});
		json_decref(walk_row(&b.walk, &b.tables));
		bench_fini(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forwarded_packet_names_route_neighbour_and_ttl),
		cmocka_unit_test(dropped_packet_ends_with_its_reason_and_icmp),
		cmocka_unit_test(echo_reply_is_routed_back_to_the_source),
		cmocka_unit_test(replaced_tables_invent_no_names),
		cmocka_unit_test(bridged_packet_names_the_port_of_its_destination),
		cmocka_unit_test(flooded_packet_says_why),
		cmocka_unit_test(packet_for_the_bridge_goes_up_and_is_routed),
		cmocka_unit_test(masqueraded_packet_names_its_rule_and_new_source),
		cmocka_unit_test(forwarded_destination_names_rule_or_session),
		cmocka_unit_test(frame_of_another_type_is_named),
		cmocka_unit_test(frame_cut_anywhere_is_described_without_reading_past_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
