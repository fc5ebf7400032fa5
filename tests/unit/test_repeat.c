/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_repeat - what goes into the flow cache, and what comes back from it: a router on memory
 * (world.h) behind the gate's own source (gate.h), and beside it a twin without a cache, to
 * which every frame goes the long way. Whatever arrives, both must send the same bytes, and once
 * the cache has reported, their accounts must be the same.
 */
#include "gate.h"
#include "seed.h"
#include "world.h"

#include "../../dataplane/csum.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <pcap/pcap.h>
#include <cmocka.h>

#define FRAME_MAX WORLD_FRAME_SIZE
#define N_NAT	  3
#define N_FILTER  6

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };
enum { R0, R1, R2, LEG, R4, R5, R6 };

struct rule_set {
	struct rules rules;
	struct nat_rule nat[N_NAT];
	struct filter_rule filter[N_FILTER];
};

struct bytes {
	unsigned port; /* it arrives on, or left by */
	uint32_t len;
	uint8_t at[FRAME_MAX];
};

/* The router with a cache, its twin without, and what has left lately: replies are made of it. */
static struct world *with, *without;
static struct rule_set set_with, set_without;
static struct bytes left[64];
static unsigned n_left;
static uint64_t n_repeated, n_frames;

/* -- rules ------------------------------------------------------------------------------ */

static struct rule_prefix prefix(const char *address, uint8_t len)
{
	return (struct rule_prefix){world_address(address), len};
}

static struct filter_rule any(enum filter_action action)
{
	return (struct filter_rule){
		.action = action, .in = PORT_NONE, .out = PORT_NONE, .icmp_type = -1};
}

/* 192.168.1.0/24 is masqueraded on r1 and translated on r2, port 5000 of r1 is 192.168.1.3:80. */
static void set_rules(struct world *w, struct rule_set *set, bool nat, bool filter)
{
	*set = (struct rule_set){.rules = {.nat = set->nat, .filter = set->filter}};
	set->nat[0] = (struct nat_rule){
		.action = NAT_MASQUERADE, .out = R1, .from = prefix("192.168.1.0", 24)};
	set->nat[1] = (struct nat_rule){.action = NAT_SNAT,
					.out = R2,
					.from = prefix("192.168.1.0", 24),
					.to_first = world_address("10.0.0.1"),
					.to_last = world_address("10.0.0.1")};
	set->nat[2] = (struct nat_rule){.action = NAT_DNAT,
					.in = R1,
					.ports = {5000, 5003},
					.to_first = world_address("192.168.1.3"),
					.to_last = world_address("192.168.1.3"),
					.to_ports = {80, 83}};
	for (unsigned i = 0; i < N_FILTER; i++)
		set->filter[i] = any(FILTER_ACCEPT);
	set->filter[0].action = FILTER_DROP;
	set->filter[0].dports = (struct rule_ports){2003, 2003};
	set->filter[1].states = STATE_IS_ESTABLISHED;
	set->filter[1].protocol = PROTO_TCP;
	set->filter[2].states = STATE_IS_NEW;
	set->filter[2].protocol = PROTO_UDP;
	set->filter[3].in = R0;
	set->filter[4].action = FILTER_REJECT;
	set->filter[4].in = R2;
	set->filter[4].dports = (struct rule_ports){2002, 2002};
	set->rules.n_nat = nat ? N_NAT : 0;
	set->rules.n_filter = filter ? N_FILTER - 1 : 0;
	w->rules = nat || filter ? &set->rules : NULL;
	if (w->pipeline.flows)
		flow_set_by_tuple(w->pipeline.flows, w->rules);
}

static void use_rules(bool nat, bool filter)
{
	set_rules(with, &set_with, nat, filter);
	set_rules(without, &set_without, nat, filter);
}

/* -- the two routers -------------------------------------------------------------------- */

static void add_neighbours(struct world *w)
{
	for (unsigned host = 2; host < 10; host++) {
		char address[32];
		snprintf(address, sizeof(address), "192.168.1.%u", host);
		world_neighbour(w, R0, host, address);
		snprintf(address, sizeof(address), "192.168.0.%u", host);
		world_neighbour(w, R1, host, address);
		snprintf(address, sizeof(address), "192.168.10.%u", host);
		world_neighbour(w, LEG, host, address);
	}
	world_neighbour(w, R2, 2, "10.0.0.2");
}

static int set_up(void **state)
{
	(void)state;
	with = world_new_with_flows(true);
	without = world_new(true);
	add_neighbours(with);
	add_neighbours(without);
	n_left = 0;
	n_repeated = n_frames = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_true(pipeline_balanced(&with->pipeline));
	assert_true(pipeline_balanced(&without->pipeline));
	world_free(with);
	world_free(without);
	return 0;
}

static struct gate_cache gate_cache_of(struct world *w)
{
	return (struct gate_cache){&w->flow_head, w->flow_buckets, WORLD_BUCKETS, {1, 2}};
}

/* The way by XDP: -1, or the port it leaves by. */
static int gate(struct world *w, struct bytes *b)
{
	struct gate_cache cache = gate_cache_of(w);

	return gate_repeat(&cache, (uint16_t)b->port, w->ports[b->port].bridge != PORT_NONE, b->at,
			   b->len);
}

static void expect_frame(const struct world_frame *have, const struct world_frame *want)
{
	assert_int_equal(have->len, want->len);
	assert_memory_equal(have->bytes, want->bytes, want->len);
}

static struct world_wire *wire_of(struct world *w, unsigned i)
{
	return i < WORLD_PORTS ? &w->wires[i] : &w->kernel;
}

static void remember(unsigned port, const struct world_frame *f)
{
	struct bytes *b = &left[n_left++ % ARRAY_SIZE(left)];

	b->port = port;
	b->len = f->len;
	memcpy(b->at, f->bytes, f->len);
}

/* The next frame from *n on; NULL: there is none. A neighbour is asked about when it is used, or is
 * reported to be. */
static const struct world_frame *next_sent(const struct world_wire *wire, unsigned *n)
{
	while (*n < wire->n_sent) {
		const struct world_frame *f = &wire->sent[(*n)++];
		if (f->bytes[12] != 8 || f->bytes[13] != 6)
			return f;
	}
	return NULL;
}

/* What both have sent is the same, but for when they ask by ARP; from now on it is forgotten. */
static void expect_same_sent(void)
{
	for (unsigned i = 0; i <= WORLD_PORTS; i++) {
		const struct world_frame *want, *have;
		unsigned n_have = 0, n_want = 0;
		do {
			have = next_sent(wire_of(with, i), &n_have);
			want = next_sent(wire_of(without, i), &n_want);
			assert_int_equal(!have, !want);
			if (want)
				expect_frame(have, want);
			if (want && i < WORLD_PORTS)
				remember(i, want);
		} while (want);
	}
	world_forget(with);
	world_forget(without);
}

/* A frame arrives at both; true: it was repeated. */
static bool pass(const struct bytes *b)
{
	struct bytes there = *b;
	int out = gate(with, &there);

	n_frames++;
	assert_true(world_arrive(without, b->port, b->at, b->len, 0));
	world_turn(without);
	if (out < 0) {
		assert_true(world_arrive(with, b->port, b->at, b->len, 0));
		world_turn(with);
	} else {
		struct world_wire *wire = &with->wires[out];
		struct world_frame *f = &wire->sent[wire->n_sent++];
		f->len = there.len;
		memcpy(f->bytes, there.at, there.len);
		n_repeated++;
	}
	expect_same_sent();
	return out >= 0;
}

/* -- accounts --------------------------------------------------------------------------- */

static void expect_same_ports(void)
{
	for (unsigned i = 0; i <= PORT_MAX; i++) {
		const struct port_stats *a = &with->stats.port[i], *b = &without->stats.port[i];
		assert_int_equal(a->rx_packets, b->rx_packets);
		assert_int_equal(a->rx_bytes, b->rx_bytes);
		for (unsigned v = 0; v < N_VERDICTS; v++)
			assert_int_equal(a->ends[v], b->ends[v]);
	}
	assert_int_equal(with->stats.created, without->stats.created);
}

static void expect_same_routes(void)
{
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(fib_hits(with->fib, i), fib_hits(without->fib, i));
}

static void expect_same_rules(void)
{
	if (!with->rules)
		return;
	for (unsigned i = 0; i < with->rules->n_nat; i++)
		assert_int_equal(set_with.nat[i].hits, set_without.nat[i].hits);
	for (unsigned i = 0; i < with->rules->n_filter; i++) {
		assert_int_equal(set_with.filter[i].packets, set_without.filter[i].packets);
		assert_int_equal(set_with.filter[i].bytes, set_without.filter[i].bytes);
	}
}

struct session_list {
	unsigned n;
	struct session_info at[1024];
};

static bool list_session(const struct session_info *info, void *arg)
{
	struct session_list *list = arg;

	list->at[list->n++] = *info;
	return true;
}

static int session_order(const void *a, const void *b)
{
	const struct session_info *s = a, *t = b;

	return memcmp(s->session.tuple, t->session.tuple, sizeof(s->session.tuple));
}

static void expect_same_sessions(void)
{
	static struct session_list a, b;

	a.n = b.n = 0;
	session_walk(with->pipeline.sessions, with->now_ns, list_session, &a);
	session_walk(without->pipeline.sessions, without->now_ns, list_session, &b);
	assert_int_equal(a.n, b.n);
	qsort(a.at, a.n, sizeof(a.at[0]), session_order);
	qsort(b.at, b.n, sizeof(b.at[0]), session_order);
	for (unsigned i = 0; i < a.n; i++) {
		const struct session *s = &a.at[i].session, *t = &b.at[i].session;
		assert_memory_equal(s->tuple, t->tuple, sizeof(s->tuple));
		assert_int_equal(s->state, t->state);
		for (unsigned d = 0; d < 2; d++) {
			assert_int_equal(s->packets[d], t->packets[d]);
			assert_int_equal(s->bytes[d], t->bytes[d]);
		}
		assert_int_equal(a.at[i].age_ns, b.at[i].age_ns);
		assert_int_equal(a.at[i].left_ns, b.at[i].left_ns);
	}
}

struct station_list {
	unsigned n;
	struct fdb_info at[1024];
};

static void list_station(const struct fdb_info *info, void *arg)
{
	struct station_list *list = arg;

	assert_true(list->n < ARRAY_SIZE(list->at));
	list->at[list->n++] = *info;
}

static int station_order(const void *a, const void *b)
{
	const struct fdb_info *s = a, *t = b;

	return memcmp(&s->mac, &t->mac, sizeof(s->mac));
}

/* Ages may be a second apart: C writes them no more often. */
static void expect_same_stations(void)
{
	static struct station_list a, b;

	a.n = b.n = 0;

	fdb_walk(with->pipeline.fdb, list_station, &a);
	fdb_walk(without->pipeline.fdb, list_station, &b);
	assert_int_equal(a.n, b.n);
	qsort(a.at, a.n, sizeof(a.at[0]), station_order);
	qsort(b.at, b.n, sizeof(b.at[0]), station_order);
	for (unsigned i = 0; i < a.n; i++) {
		assert_memory_equal(&a.at[i].mac, &b.at[i].mac, 6);
		assert_int_equal(a.at[i].port, b.at[i].port);
		assert_int_equal(a.at[i].kind, b.at[i].kind);
		assert_int_equal(a.at[i].hits, b.at[i].hits);
		assert_true(a.at[i].seen_ns + NS_PER_S >= b.at[i].seen_ns);
		assert_true(b.at[i].seen_ns + NS_PER_S >= a.at[i].seen_ns);
	}
}

/* Everything that was repeated is reported, and what follows from it done. */
static void settle(void)
{
	flow_settle(with->pipeline.flows);
	for (unsigned turn = 0; turn < 2; turn++) {
		world_turn(with);
		world_turn(without);
	}
	expect_same_sent();
}

static void expect_same_accounts(void)
{
	settle();
	expect_same_ports();
	expect_same_routes();
	expect_same_rules();
	expect_same_sessions();
	expect_same_stations();
}

/* Time passes in turns, as the worker's does while entries are in use. */
static void wait_ns(uint64_t ns)
{
	const uint64_t step_ns = 100 * NS_PER_MS, end_ns = with->now_ns + ns;

	while (with->now_ns < end_ns) {
		with->now_ns = min_u64(end_ns, with->now_ns + step_ns);
		without->now_ns = with->now_ns;
		world_turn(with);
		world_turn(without);
		expect_same_sent();
	}
}

static uint32_t changes(void)
{
	return with->flow_head.generation;
}

static struct flow_counts counts(void)
{
	struct flow_counts c;

	flow_counts(with->pipeline.flows, &c);
	return c;
}

/* -- frames ----------------------------------------------------------------------------- */

static struct ip4_hdr *ip_of(struct bytes *b)
{
	return (struct ip4_hdr *)(b->at + 14);
}
static struct udp_hdr *udp_of(struct bytes *b)
{
	return (struct udp_hdr *)(b->at + 34);
}
static struct tcp_hdr *tcp_of(struct bytes *b)
{
	return (struct tcp_hdr *)(b->at + 34);
}

static void fix_header(struct bytes *b)
{
	struct ip4_hdr *h = ip_of(b);

	h->checksum = (be16){0};
	h->checksum = csum_of(h, min_u32(ip4_header_len(h), b->len - 14));
}

static struct bytes udp(unsigned port, const char *src, const char *dst, uint16_t sport,
			uint16_t dport, unsigned data_len)
{
	struct bytes b = {.port = port};

	b.len = world_ip4(b.at, port, src, dst, 64, PROTO_UDP, 8 + data_len);
	*udp_of(&b) = (struct udp_hdr){
		be16_from(sport), be16_from(dport), be16_from((uint16_t)(8 + data_len)), {0xabcd}};
	return b;
}

static struct bytes tcp(unsigned port, const char *src, const char *dst, uint16_t sport,
			uint16_t dport, uint8_t flags)
{
	struct bytes b = {.port = port};

	b.len = world_ip4(b.at, port, src, dst, 64, PROTO_TCP, 40);
	*tcp_of(&b) = (struct tcp_hdr){.sport = be16_from(sport),
				       .dport = be16_from(dport),
				       .data_offset = 5 << 4,
				       .flags = flags,
				       .checksum = {0x1234}};
	return b;
}

static struct bytes icmp_echo(unsigned port, const char *src, const char *dst)
{
	struct bytes b = {.port = port};

	b.len = world_ip4(b.at, port, src, dst, 64, PROTO_ICMP, 16);
	*(struct icmp_hdr *)(b.at + 34) = (struct icmp_hdr){.type = ICMP_ECHO, .rest = {77}};
	return b;
}

static struct bytes bridged(unsigned port, unsigned from, unsigned to_port, unsigned to,
			    uint32_t len)
{
	struct bytes b = {.port = port, .len = len};
	struct eth_hdr eth = {world_station_mac(to_port, to), world_station_mac(port, from),
			      be16_from(0x88b5)};

	for (uint32_t i = 0; i < len; i++)
		b.at[i] = (uint8_t)i;
	memcpy(b.at, &eth, sizeof(eth));
	return b;
}

/* What the other end would answer to a frame that left. */
static struct bytes reply_to(const struct bytes *to, uint8_t tcp_flags)
{
	struct bytes b = *to;
	struct eth_hdr *eth = (struct eth_hdr *)b.at;
	struct ip4_hdr *h = ip_of(&b);
	struct mac mac = eth->dst;

	eth->dst = eth->src;
	eth->src = mac;
	if (be16_host(eth->type) != ETH_IPV4 || h->version_ihl != 0x45)
		return b;
	be32 address = h->src;
	h->src = h->dst;
	h->dst = address;
	h->ttl = 64;
	if (h->protocol == PROTO_UDP || h->protocol == PROTO_TCP) {
		struct udp_hdr *ports = udp_of(&b);
		be16 port = ports->sport;
		ports->sport = ports->dport;
		ports->dport = port;
	}
	if (h->protocol == PROTO_TCP)
		tcp_of(&b)->flags = tcp_flags;
	fix_header(&b);
	return b;
}

static struct bytes reply(uint8_t tcp_flags)
{
	assert_true(n_left > 0);
	return reply_to(&left[(n_left - 1) % ARRAY_SIZE(left)], tcp_flags);
}

/* -- what is offered -------------------------------------------------------------------- */

/* The frame goes by four times; true: the last was repeated. */
static bool settles_in(const struct bytes *b)
{
	bool repeated = false;

	for (unsigned i = 0; i < 4; i++)
		repeated = pass(b);
	return repeated;
}

static void expect_repeated(struct bytes b)
{
	assert_true(settles_in(&b));
	expect_same_accounts();
}

/* Not a place is taken. */
static void expect_not_offered(struct bytes b)
{
	uint64_t armed = counts().armed;

	assert_false(settles_in(&b));
	assert_int_equal(counts().armed, armed);
	expect_same_accounts();
}

static void routed_packet_is_repeated_when_none_before_it_is_on_its_way(void **unused)
{
	struct bytes b = udp(R0, "192.168.1.2", "192.168.0.2", 1000, 2000, 10);

	(void)unused;
	assert_false(pass(&b));
	assert_false(pass(&b)); /* arms it */
	assert_false(pass(&b)); /* there may be others before it */
	assert_true(pass(&b));
	expect_same_accounts();
	assert_int_equal(with->stats.port[R1].flow_packets, 1);
	assert_int_equal(with->stats.port[R1].tx_packets, 1);
	assert_int_equal(with->stats.port[R1].tx_bytes, b.len);
}

static void routed_of_any_protocol_is_repeated_without_rules(void **unused)
{
	(void)unused;
	expect_repeated(icmp_echo(R0, "192.168.1.2", "192.168.0.2"));
	expect_repeated(tcp(R1, "192.168.0.2", "192.168.1.2", 1, 2, ACK));
	expect_repeated(udp(R1, "192.168.0.3", "10.0.0.2", 1, 2, 0));
}

static void routed_by_a_gateway_is_repeated(void **unused)
{
	(void)unused;
	expect_repeated(udp(R0, "192.168.1.2", "10.9.8.7", 1000, 2000, 10));
}

static void tcp_that_opens_or_ends_goes_the_long_way(void **unused)
{
	static const uint8_t flags[] = {SYN, SYN | ACK, FIN | ACK, RST, RST | ACK};
	struct bytes b = tcp(R0, "192.168.1.2", "192.168.0.2", 1, 2, ACK);

	(void)unused;
	expect_repeated(b);
	for (unsigned i = 0; i < ARRAY_SIZE(flags); i++) {
		tcp_of(&b)->flags = flags[i];
		assert_false(pass(&b));
	}
	tcp_of(&b)->flags = ACK | 8; /* PSH */
	assert_true(pass(&b));
	expect_same_accounts();
}

static void unusual_frames_of_a_repeated_flow_go_the_long_way(void **unused)
{
	const struct bytes usual = udp(R0, "192.168.1.2", "192.168.0.2", 1, 2, 100);
	struct bytes b;

	(void)unused;
	expect_repeated(usual);
	b = usual;
	ip_of(&b)->ttl = 1;
	fix_header(&b);
	assert_false(pass(&b));
	b = usual;
	ip_of(&b)->fragment = be16_from(IP4_MF);
	fix_header(&b);
	assert_false(pass(&b));
	b = usual;
	ip_of(&b)->fragment = be16_from(20);
	fix_header(&b);
	assert_false(pass(&b));
	b = usual;
	ip_of(&b)->fragment = be16_from(IP4_DF);
	fix_header(&b);
	assert_true(pass(&b));
	b = usual;
	ip_of(&b)->checksum.raw ^= 1;
	assert_false(pass(&b));
	b = usual;
	ip_of(&b)->version_ihl = 0x65;
	fix_header(&b);
	assert_false(pass(&b));
	b = usual;
	ip_of(&b)->version_ihl = 0x46; /* an end of options, which adds nothing to the sum */
	memset(b.at + 34, 0, 4);
	fix_header(&b);
	assert_false(pass(&b));
	b = usual;
	b.len += 6; /* padded */
	assert_false(pass(&b));
	b = udp(R0, "192.168.1.2", "192.168.0.2", 1, 2, 1400 - 28);
	assert_true(pass(&b));
	b = udp(R0, "192.168.1.2", "192.168.0.2", 1, 2, 1401 - 28);
	assert_false(pass(&b));
	b = usual;
	memcpy(b.at, &(struct mac){{2, 0, 0, 0, 0, R1}}, 6); /* another port's */
	assert_false(pass(&b));
	expect_same_accounts();
}

static void options_fragments_and_groups_are_not_offered(void **unused)
{
	struct bytes b = {.port = R0};

	(void)unused;
	b.len = world_ip4(b.at, R0, "192.168.1.2", "192.168.0.2", 64, PROTO_UDP, 40);
	ip_of(&b)->version_ihl = 0x46;
	memset(b.at + 34, 1, 4); /* no operation */
	fix_header(&b);
	expect_not_offered(b);
	b = udp(R0, "192.168.1.2", "192.168.0.2", 1, 2, 32);
	ip_of(&b)->fragment = be16_from(IP4_MF);
	fix_header(&b);
	expect_not_offered(b);
	ip_of(&b)->fragment = be16_from(4);
	fix_header(&b);
	expect_not_offered(b);
	expect_not_offered(udp(R0, "192.168.1.2", "192.168.0.2", 1, 2, 1450)); /* cut in two */
	b = udp(R0, "192.168.1.2", "192.168.0.2", 1, 2, 32);
	memset(b.at, 0xff, 6);
	expect_not_offered(b);
}

static void what_ends_here_or_comes_from_here_is_not_offered(void **unused)
{
	(void)unused;
	expect_not_offered(icmp_echo(R0, "192.168.1.2", "192.168.1.1")); /* and its answer */
	expect_not_offered(icmp_echo(R0, "192.168.1.2", "192.168.0.1"));
	expect_not_offered(udp(R0, "192.168.1.2", "10.8.0.1", 1, 2, 3));
	expect_not_offered(udp(R0, "192.168.1.2", "10.7.0.1", 1, 2, 3)); /* an error */
	expect_not_offered(udp(R2, "10.0.0.2", "10.0.0.1", 1, 2, 3));	 /* punted */
	expect_not_offered(
		udp(R0, "192.168.1.2", "192.168.1.3", 1, 2, 3)); /* back, with a redirect */
}

static void what_comes_or_goes_by_a_leg_is_repeated_while_its_stations_stay(void **unused)
{
	struct bytes up = udp(R4, "192.168.10.2", "192.168.0.2", 1, 2, 3);
	struct bytes down = udp(R0, "192.168.1.2", "192.168.10.2", 1, 2, 3);

	(void)unused;
	expect_not_offered(down); /* flooded: nobody knows where the host is */
	struct mac host = world_station_mac(LEG, 2);
	memcpy(up.at, &(struct mac){{2, 0, 0, 0, 0, LEG}}, 6);
	memcpy(up.at + 6, &host, 6);
	expect_repeated(up);
	expect_repeated(down);
	/* From another station it is not the same, and that one is learnt. */
	struct bytes other = up;
	other.at[11] ^= 0x40;
	assert_false(pass(&other));
	assert_true(pass(&up));
	/* The host is behind another port now. */
	up.port = R5;
	assert_false(pass(&up));
	assert_false(pass(&down));
	expect_repeated(up);
	expect_repeated(down);
}

static void port_that_does_not_serve_is_not_offered(void **unused)
{
	(void)unused;
	flow_set_port(with->pipeline.flows, R0, false, true);
	expect_not_offered(udp(R0, "192.168.1.2", "192.168.0.2", 1, 2, 3));
	expect_repeated(udp(R1, "192.168.0.2", "192.168.1.2", 1, 2, 3));
	flow_set_port(with->pipeline.flows, R0, true, false);
	expect_repeated(udp(R0, "192.168.1.2", "192.168.0.2", 1, 2, 3));
	expect_not_offered(udp(R1, "192.168.0.2", "192.168.1.2", 1, 2, 3));
}

/* As control publishes another table: the ports are the same memory, so changing one is enough. */
static void change_port(unsigned i, uint16_t mirror, uint8_t flags)
{
	struct world *both[] = {with, without};

	for (unsigned n = 0; n < 2; n++) {
		both[n]->ports[i].mirror = mirror;
		both[n]->ports[i].flags = flags;
	}
	flow_change(with->pipeline.flows);
}

static void mirrored_in_or_out_is_not_offered(void **unused)
{
	struct bytes b = udp(R0, "192.168.1.2", "192.168.0.2", 1, 2, 3);

	(void)unused;
	expect_repeated(b);
	change_port(R0, R2, 0);
	expect_not_offered(b);
	change_port(R0, PORT_NONE, 0);
	change_port(R1, R2, 0);
	expect_not_offered(b);
	change_port(R1, PORT_NONE, 0);
	expect_repeated(b);
}

static void traced_is_void_at_once_and_not_offered(void **unused)
{
	struct bytes b = udp(R0, "192.168.1.2", "192.168.0.2", 1, 2, 3);
	struct bpf_program program;
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, 2048);

	(void)unused;
	expect_repeated(b);
	assert_int_equal(pcap_compile(pcap, &program, "arp", 1, PCAP_NETMASK_UNKNOWN), 0);
	assert_int_equal(trace_arm(with->pipeline.traces, program.bf_insns, program.bf_len, 5), 0);
	world_turn(with);
	expect_not_offered(b);
	trace_disarm(with->pipeline.traces);
	for (unsigned i = 0; i < 4 && trace_armed(with->pipeline.traces); i++)
		pass(&b); /* the worker takes new orders with a packet */
	expect_repeated(b);
	pcap_freecode(&program);
	pcap_close(pcap);
}

static void unfinished_sum_is_not_offered(void **unused)
{
	struct bytes b = udp(R0, "192.168.1.2", "192.168.0.2", 1, 2, 30);
	struct ip4_hdr *h = ip_of(&b);

	(void)unused;
	udp_of(&b)->checksum.raw = csum_fold(csum_pseudo(h->src, h->dst, PROTO_UDP, 38));
	for (unsigned nat = 0; nat < 2; nat++) {
		if (nat)
			use_rules(true, false);
		for (unsigned i = 0; i < 4; i++) {
			assert_true(world_arrive(with, R0, b.at, b.len, PACKET_UNKNOWN));
			world_turn(with);
			assert_int_equal(counts().armed, 0);
		}
	}
	world_forget(with);
}

/* -- with rules ------------------------------------------------------------------------- */

static void icmp_in_rules_is_not_offered(void **unused)
{
	(void)unused;
	use_rules(false, true);
	expect_not_offered(icmp_echo(R0, "192.168.1.2", "192.168.0.2"));
	expect_not_offered(reply(0));
	use_rules(true, false);
	expect_not_offered(icmp_echo(R0, "192.168.1.3", "192.168.0.3"));
}

static void icmp_error_about_a_session_is_not_offered(void **unused)
{
	struct bytes b = udp(R0, "192.168.1.2", "192.168.0.2", 1000, 2000, 10);
	struct bytes error = {.port = R1};

	(void)unused;
	use_rules(true, false);
	assert_false(pass(&b));
	const struct bytes *sent = &left[(n_left - 1) % ARRAY_SIZE(left)];
	error.len = world_ip4(error.at, R1, "192.168.0.9", "192.168.0.1", 64, PROTO_ICMP, 36);
	memcpy(error.at + 42, sent->at + 14, 28);
	struct icmp_hdr *icmp = (struct icmp_hdr *)(error.at + 34);
	*icmp = (struct icmp_hdr){.type = ICMP_UNREACHABLE, .code = ICMP_PORT};
	icmp->checksum = csum_of(icmp, 36);
	uint64_t before = with->stats.port[R1].ends[SENT];
	expect_not_offered(error);
	assert_int_equal(with->stats.port[R1].ends[SENT], before + 4); /* to r0 */
}

/* A handshake from r0 to r1; what leaves by r1 is in left. */
static struct bytes shake_hands(uint16_t sport)
{
	struct bytes b = tcp(R0, "192.168.1.2", "192.168.0.2", sport, 80, SYN);

	assert_false(pass(&b));
	struct bytes answer = reply(SYN | ACK);
	assert_false(pass(&answer));
	tcp_of(&b)->flags = ACK;
	assert_false(pass(&b));
	return b;
}

static void tcp_is_offered_once_it_is_established(void **unused)
{
	struct bytes b = tcp(R0, "192.168.1.2", "192.168.0.2", 1000, 80, SYN);

	(void)unused;
	use_rules(true, true);
	expect_not_offered(b); /* new */
	tcp_of(&b)->flags = ACK;
	expect_not_offered(b);
	expect_repeated(shake_hands(1001));
	expect_repeated(reply(ACK));
}

static void tcp_without_its_beginning_in_sight_is_new_until_both_have_spoken(void **unused)
{
	(void)unused;
	use_rules(false, true);
	expect_not_offered(tcp(R0, "192.168.1.2", "192.168.0.2", 1, 2, ACK));
	expect_repeated(reply(ACK));
	expect_repeated(reply(ACK));
}

static void broken_segments_of_a_repeated_session_go_the_long_way(void **unused)
{
	const uint16_t lens[] = {0, 7, 8 + 10 + 1};
	struct bytes b = udp(R0, "192.168.1.2", "192.168.0.2", 1, 2, 10);

	(void)unused;
	use_rules(true, false);
	expect_repeated(b);
	for (unsigned i = 0; i < ARRAY_SIZE(lens); i++) {
		udp_of(&b)->len = be16_from(lens[i]);
		assert_false(pass(&b));
	}
	udp_of(&b)->len = be16_from(8);
	assert_true(pass(&b));
	b = shake_hands(1000);
	expect_repeated(b);
	tcp_of(&b)->data_offset = 4 << 4;
	assert_false(pass(&b));
	tcp_of(&b)->data_offset = 11 << 4; /* of ten words */
	assert_false(pass(&b));
	tcp_of(&b)->data_offset = 10 << 4;
	assert_true(pass(&b));
	expect_same_accounts();
}

/* Among all sums of header and segment are those that become zero, in either of its forms. */
static void expect_repeated_with_every_sum(struct bytes b, unsigned sum_at)
{
	expect_repeated(b);
	for (unsigned i = 0; i <= UINT16_MAX; i++) {
		const uint16_t sum = (uint16_t)i;
		ip_of(&b)->id.raw = sum;
		memcpy(b.at + sum_at, &sum, sizeof(sum));
		fix_header(&b);
		assert_true(pass(&b));
	}
	expect_same_accounts();
}

static void translated_with_any_sum_leaves_as_the_twin_sends_it(void **unused)
{
	(void)unused;
	use_rules(true, false);
	expect_repeated_with_every_sum(shake_hands(1000), 34 + offsetof(struct tcp_hdr, checksum));
	expect_repeated_with_every_sum(reply(ACK), 34 + offsetof(struct tcp_hdr, checksum));
	expect_repeated_with_every_sum(udp(R0, "192.168.1.2", "10.0.0.2", 1, 2, 9),
				       34 + offsetof(struct udp_hdr, checksum));
}

static void tcp_reset_is_told_and_a_later_segment_restores(void **unused)
{
	(void)unused;
	use_rules(true, true);
	struct bytes b = shake_hands(1000);
	expect_repeated(b);
	struct bytes back = reply(ACK);
	expect_repeated(back);
	tcp_of(&back)->flags = RST;
	assert_false(pass(&back));
	struct bytes in = b; /* transitory: this one restores it, the long way */
	assert_false(pass(&in));
	expect_same_accounts();
	expect_repeated(b);
	expect_repeated(reply(ACK));
}

static void tcp_fins_of_both_end_the_repeating(void **unused)
{
	(void)unused;
	use_rules(true, true);
	struct bytes b = shake_hands(1000);
	expect_repeated(b);
	struct bytes back = reply(ACK);
	expect_repeated(back);
	tcp_of(&b)->flags = FIN | ACK;
	assert_false(pass(&b));
	tcp_of(&b)->flags = ACK;
	assert_true(pass(&b)); /* half closed: it may go on for hours */
	assert_true(pass(&back));
	tcp_of(&back)->flags = FIN | ACK;
	assert_false(pass(&back));
	expect_not_offered(b);
	expect_same_accounts();
}

/* The state in which it was offered may be over when it is armed, at the end of the turn. */
static void state_changed_in_the_turn_of_the_offer_is_not_armed(void **unused)
{
	struct world *both[] = {with, without};

	(void)unused;
	use_rules(true, true);
	struct bytes b = shake_hands(1000), back = reply(RST);
	pass(&b); /* the next is wanted */
	wait_ns(NS_PER_S);
	flow_change(with->pipeline.flows);
	for (unsigned n = 0; n < 2; n++) {
		assert_true(world_arrive(both[n], b.port, b.at, b.len, 0));
		assert_true(world_arrive(both[n], back.port, back.at, back.len, 0));
		world_turn(both[n]);
	}
	expect_same_sent();
	assert_false(pass(&b)); /* it is this that restores the session */
	expect_same_accounts();
}

static void udp_first_answer_is_told(void **unused)
{
	struct bytes b = udp(R0, "192.168.1.2", "192.168.0.2", 1000, 2000, 10);

	(void)unused;
	use_rules(true, true);
	expect_repeated(b);
	struct bytes answer = reply(0);
	assert_false(pass(&answer));
	assert_false(pass(&b)); /* no longer new to the filter */
	expect_same_accounts();
	expect_repeated(b);
	expect_repeated(answer);
}

/* All, or none where arg is not NULL. */
static bool all(const struct session *s, void *arg)
{
	(void)s;
	return !arg;
}

static void session_that_is_flushed_is_void_at_once(void **unused)
{
	struct bytes b = udp(R0, "192.168.1.2", "192.168.0.2", 1000, 2000, 10);
	uint32_t before;

	(void)unused;
	use_rules(true, false);
	expect_repeated(b);
	before = changes();
	assert_int_equal(session_flush(with->pipeline.sessions, all, NULL), 1);
	assert_int_equal(session_flush(without->pipeline.sessions, all, NULL), 1);
	assert_int_equal(changes(), before + 1);
	expect_repeated(b);
	assert_int_equal(session_flush(with->pipeline.sessions, all, with), 0);
	assert_int_equal(changes(), before + 1);
}

static void session_that_expires_takes_its_flow_with_it(void **unused)
{
	struct bytes b = udp(R0, "192.168.1.2", "192.168.0.2", 1000, 2000, 10);

	(void)unused;
	use_rules(true, false);
	expect_repeated(b);
	wait_ns(4 * NS_PER_S);
	assert_true(pass(&b));
	wait_ns(6 * NS_PER_S); /* idle */
	assert_false(pass(&b));
	expect_repeated(b);
	wait_ns(310 * NS_PER_S);
	expect_same_accounts();
	assert_false(pass(&b));
	expect_same_accounts();
	/* The lab clock: control has asked for all reports first. */
	expect_repeated(b);
	session_advance(with->pipeline.sessions, 600 * NS_PER_S);
	session_advance(without->pipeline.sessions, 600 * NS_PER_S);
	assert_false(pass(&b));
	expect_same_accounts();
}

static void flow_is_not_repeated_until_its_session_expires(void **unused)
{
	const struct session_config soon = {.udp_ns = 2 * NS_PER_S};
	struct bytes b = udp(R0, "192.168.1.2", "192.168.0.2", 1000, 2000, 10);

	(void)unused;
	use_rules(true, false);
	session_set_times(with->pipeline.sessions, &soon);
	session_set_times(without->pipeline.sessions, &soon);
	expect_repeated(b);
	wait_ns(800 * NS_PER_MS);
	assert_true(pass(&b));
	wait_ns(1300 * NS_PER_MS);
	assert_false(pass(&b));
	expect_same_accounts();
}

static void session_kept_by_what_is_repeated_alone_does_not_expire(void **unused)
{
	struct bytes b = udp(R0, "192.168.1.2", "192.168.0.2", 1000, 2000, 10);

	(void)unused;
	use_rules(true, false);
	expect_repeated(b);
	for (unsigned s = 0; s < 400; s++) {
		wait_ns(NS_PER_S);
		assert_true(pass(&b));
	}
	expect_same_accounts();
}

static void session_evicted_is_told(void **unused)
{
	(void)unused;
	use_rules(false, true);
	struct bytes b = udp(R0, "192.168.1.2", "192.168.0.2", 1000, 2000, 10);
	expect_repeated(b);
	assert_true(pass(&b));		      /* not reported yet: it is not its successor's */
	for (unsigned i = 0; i < 1024; i++) { /* as many as there is room for */
		struct bytes other = udp(R0, "192.168.1.3", "192.168.0.3", (uint16_t)i, 9, 0);
		pass(&other);
	}
	struct session_counts c;
	session_counts(with->pipeline.sessions, &c);
	assert_true(c.evicted > 0);
	assert_false(pass(&b));
	expect_same_accounts();
}

static void repeated_by_rules_that_are_gone_is_not_counted_by_the_new_ones(void **unused)
{
	struct bytes b = udp(R0, "192.168.1.2", "192.168.0.2", 1000, 2000, 10);
	static struct rule_set others;

	(void)unused;
	use_rules(false, true);
	expect_repeated(b);
	assert_true(set_with.filter[2].packets > 0);
	assert_true(pass(&b)); /* not reported yet */
	set_rules(with, &others, false, true);
	flow_change(with->pipeline.flows);
	settle();
	for (unsigned i = 0; i < N_FILTER; i++)
		assert_int_equal(others.filter[i].packets, 0);
	expect_same_ports();
	expect_same_sessions();
}

/* -- neighbours ------------------------------------------------------------------------- */

static be32 peer(void)
{
	return world_address("192.168.0.77");
}
static struct mac peer_mac(unsigned n)
{
	return world_station_mac(R1, 70 + n);
}

/* Both learn of a neighbour. */
static void learn_peer(unsigned mac, enum neigh_evidence evidence)
{
	neigh_learn(with->pipeline.neigh, R1, peer(), peer_mac(mac), evidence, with->now_ns);
	neigh_learn(without->pipeline.neigh, R1, peer(), peer_mac(mac), evidence, without->now_ns);
}

static struct bytes to_peer(void)
{
	return udp(R0, "192.168.1.2", "192.168.0.77", 1000, 2000, 10);
}

/* A flow to the neighbour is repeated, who is reachable. */
static struct bytes repeat_to_peer(void)
{
	struct bytes b = to_peer();

	learn_peer(0, NEIGH_ASKED_US);
	learn_peer(0, NEIGH_REPLY);
	expect_repeated(b);
	return b;
}

static struct neigh_info found;
static void seek(const struct neigh_info *info, void *arg)
{
	(void)arg;
	if (be32_equal(info->address, peer()))
		found = *info;
}
static struct neigh_info peer_info(struct world *w)
{
	found = (struct neigh_info){.state = NEIGH_INCOMPLETE};
	neigh_walk(w->pipeline.neigh, seek, NULL);
	return found;
}

static void neighbour_with_another_mac_voids(void **unused)
{
	struct bytes b = repeat_to_peer();
	uint32_t before = changes();

	(void)unused;
	learn_peer(1, NEIGH_HEARD);
	assert_int_equal(changes(), before + 1);
	expect_repeated(b); /* to the new one: the frames are compared */
	learn_peer(1, NEIGH_HEARD);
	assert_int_equal(changes(), before + 1);
	learn_peer(2, NEIGH_HEARD);
	assert_int_equal(changes(), before + 2);
	learn_peer(1, NEIGH_HEARD); /* nobody has quoted it since */
	assert_int_equal(changes(), before + 2);
}

static void neighbour_stays_confirmed_and_used_by_what_is_repeated(void **unused)
{
	struct bytes b = repeat_to_peer();
	uint32_t before = changes();

	(void)unused;
	wait_ns(29 * NS_PER_S);
	assert_int_equal(counts().used, 0);
	expect_repeated(b);
	for (unsigned i = 0; i < 30; i++) { /* it grows stale, and is asked about by these alone */
		wait_ns(100 * NS_PER_MS);
		assert_true(pass(&b));
		settle();
		assert_int_equal(peer_info(with).state, peer_info(without).state);
		assert_true(with->now_ns - peer_info(with).used_ns < NS_PER_S);
	}
	assert_int_equal(peer_info(with).state, NEIGH_PROBE);
	learn_peer(0, NEIGH_REPLY);
	assert_int_equal(changes(), before);
	assert_true(pass(&b));
	expect_same_accounts();
}

static void neighbour_that_fails_voids(void **unused)
{
	struct bytes b = repeat_to_peer();
	uint32_t before = changes();

	(void)unused;
	for (unsigned i = 0; i < 400 && changes() == before; i++) {
		wait_ns(100 * NS_PER_MS);
		pass(&b);
		settle();
	}
	assert_int_equal(changes(), before + 1);
	assert_int_equal(peer_info(with).state, NEIGH_FAILED);
	expect_not_offered(b);
}

static void neighbour_deleted_voids(void **unused)
{
	struct bytes b = repeat_to_peer();
	uint32_t before = changes();

	(void)unused;
	assert_int_equal(neigh_del(with->pipeline.neigh, R1, peer()), 0);
	assert_int_equal(neigh_del(without->pipeline.neigh, R1, peer()), 0);
	assert_int_equal(changes(), before + 1);
	assert_false(pass(&b)); /* held */
	learn_peer(3, NEIGH_REPLY);
	expect_repeated(b);
	before = changes();
	neigh_flush(with->pipeline.neigh, R1, false);
	neigh_flush(without->pipeline.neigh, R1, false);
	assert_int_equal(changes(), before + 1);
	assert_false(pass(&b));
}

static void neighbour_made_static_voids_only_with_another_mac(void **unused)
{
	struct bytes b = repeat_to_peer();
	uint32_t before = changes();

	(void)unused;
	for (unsigned mac = 0; mac < 2; mac++) {
		assert_int_equal(neigh_add(with->pipeline.neigh, R1, peer(), peer_mac(mac)), 0);
		assert_int_equal(neigh_add(without->pipeline.neigh, R1, peer(), peer_mac(mac)), 0);
		assert_int_equal(changes(), before + mac);
		assert_int_equal(pass(&b), mac == 0);
	}
	expect_repeated(b);
}

/* -- stations --------------------------------------------------------------------------- */

/* Stations 2 of r4 and r5 know of each other, and frames from r4 to r5 are repeated. */
static struct bytes repeat_bridged(void)
{
	struct bytes b = bridged(R4, 2, R5, 2, 100), back = bridged(R5, 2, R4, 2, 100);

	pass(&back);
	expect_repeated(b);
	return b;
}

static void bridged_frame_is_repeated_when_none_before_it_is_on_its_way(void **unused)
{
	struct bytes b = bridged(R4, 2, R5, 2, 60), back = bridged(R5, 2, R4, 2, 60);

	(void)unused;
	assert_false(pass(&back)); /* flooded */
	assert_false(pass(&b));
	assert_false(pass(&b));
	assert_false(pass(&b));
	assert_true(pass(&b));
	expect_same_accounts();
	expect_repeated(back);
}

static void bridged_of_any_kind_is_repeated_but_longer_than_its_port_carries(void **unused)
{
	struct bytes b = repeat_bridged();

	(void)unused;
	memcpy(b.at + 12, "\x81\x00\x00\x05\x08\x00", 6); /* VLAN */
	b.len = 1518;
	assert_true(pass(&b));
	b.len = 1519;
	assert_false(pass(&b));
	memcpy(b.at + 12, "\x86\xdd", 2);
	b.len = 14;
	assert_true(pass(&b));
	expect_same_accounts();
}

static void bridged_without_learning_or_flooded_is_not_offered(void **unused)
{
	struct bytes b = bridged(R4, 2, R5, 2, 100);

	(void)unused;
	expect_not_offered(b); /* nobody knows where that is */
	change_port(R4, PORT_NONE, PORT_NO_LEARNING);
	struct bytes back = bridged(R5, 2, R4, 2, 100);
	pass(&back);
	expect_not_offered(b);
	change_port(R4, PORT_NONE, 0);
	expect_repeated(b);
	memset(b.at, 0xff, 6);
	expect_not_offered(b);
}

static void bridged_mirrored_is_not_offered(void **unused)
{
	struct bytes b = repeat_bridged();

	(void)unused;
	change_port(R5, R6, 0);
	expect_not_offered(b);
}

static void both_fdb_add(unsigned port, unsigned station_port, enum fdb_kind kind)
{
	struct mac mac = world_station_mac(station_port, 2);

	assert_int_equal(fdb_add(with->pipeline.fdb, LEG, mac, (uint16_t)port, kind), 0);
	assert_int_equal(fdb_add(without->pipeline.fdb, LEG, mac, (uint16_t)port, kind), 0);
}

static void station_that_moves_voids(void **unused)
{
	struct bytes b = repeat_bridged(), moved = bridged(R5, 2, R4, 2, 100);
	uint32_t before = changes();

	(void)unused;
	moved.port = R6;
	pass(&moved);
	assert_int_equal(changes(), before + 1);
	expect_repeated(b); /* to r6 */
	struct bytes source = b;
	source.port = R5; /* the sender moves */
	pass(&source);
	assert_true(changes() > before + 1);
	expect_repeated(source);
}

static void station_that_expires_voids(void **unused)
{
	struct bytes b = repeat_bridged();

	(void)unused;
	for (unsigned s = 0; s < 299; s++) {
		wait_ns(NS_PER_S);
		assert_true(pass(&b));
	}
	uint32_t before = changes();
	wait_ns(2 * NS_PER_S);
	assert_true(changes() > before);
	assert_false(pass(&b)); /* flooded; the sender is still known */
	expect_same_accounts();
	struct bytes back = bridged(R5, 2, R4, 2, 100);
	expect_repeated(back);
}

/* The sweep of a large table takes its time; who is too old is flooded to before. */
static void station_too_old_voids_before_it_is_collected(void **unused)
{
	struct world *both[] = {with, without};
	uint16_t before;

	(void)unused;
	for (unsigned n = 0; n < 2; n++)
		for (unsigned i = 0; i < 500; i++) {
			struct mac mac = {{2, 0, 0, 1, (uint8_t)(i >> 8), (uint8_t)i}};
			fdb_learn(both[n]->pipeline.fdb, LEG, mac, R6, both[n]->now_ns, &before);
		}
	struct bytes b = repeat_bridged();
	for (unsigned s = 0; s < 299; s++) {
		wait_ns(NS_PER_S);
		assert_true(pass(&b));
	}
	wait_ns(990 * NS_PER_MS);
	assert_true(pass(&b));
	wait_ns(100 * NS_PER_MS);
	assert_true(fdb_count(with->pipeline.fdb) > 100);
	assert_false(pass(&b));
}

static void station_deleted_or_flushed_voids(void **unused)
{
	struct mac mac = world_station_mac(R5, 2);
	struct bytes b = repeat_bridged();
	uint32_t before = changes();

	(void)unused;
	assert_int_equal(fdb_del(with->pipeline.fdb, LEG, mac), 0);
	assert_int_equal(fdb_del(without->pipeline.fdb, LEG, mac), 0);
	assert_int_equal(changes(), before + 1);
	b = repeat_bridged();
	before = changes();
	fdb_flush(with->pipeline.fdb, LEG, R5, false);
	fdb_flush(without->pipeline.fdb, LEG, R5, false);
	assert_int_equal(changes(), before + 1);
	assert_false(pass(&b));
	expect_same_accounts();
}

static void static_station_is_seen_by_what_is_repeated(void **unused)
{
	struct bytes b = repeat_bridged();

	(void)unused;
	both_fdb_add(R4, R4, FDB_STATIC);
	both_fdb_add(R5, R5, FDB_STATIC);
	expect_repeated(b);
	for (unsigned s = 0; s < 20; s++) {
		wait_ns(NS_PER_S);
		assert_true(pass(&b));
	}
	expect_same_accounts(); /* ages, too */
}

static void station_that_becomes_static_or_the_routers_voids(void **unused)
{
	struct bytes b = repeat_bridged();
	uint32_t before = changes();

	(void)unused;
	both_fdb_add(R6, R5, FDB_STATIC);
	assert_int_equal(changes(), before + 1);
	expect_repeated(b);
	both_fdb_add(LEG, R5, FDB_LOCAL);
	assert_int_equal(changes(), before + 2);
	expect_not_offered(b);
}

static void station_on_a_port_that_loop_guard_blocks_is_not_repeated(void **unused)
{
	struct bytes b = repeat_bridged();

	(void)unused;
	both_fdb_add(R4, R4, FDB_STATIC);
	both_fdb_add(R6, R5, FDB_STATIC); /* not flushed when its port is blocked */
	expect_repeated(b);
	for (unsigned i = 0; i < 40; i++) { /* one that flaps between r5 and r6 */
		struct bytes flap = bridged(R5, 9, R4, 8, 60);
		flap.port = i % 2 ? R5 : R6;
		pass(&flap);
		wait_ns(100 * NS_PER_MS);
		pass(&b);
	}
	assert_true(with->pipeline.bridge.blocked_until_ns[R6] > with->now_ns);
	expect_same_accounts();
}

/* -- thousands of frames, against the twin ---------------------------------------------- */

#define BATCHES	   400
#define BATCH_SIZE 40

static unsigned chance(unsigned one_in)
{
	return rand() % (int)one_in == 0;
}

static uint8_t random_tcp_flags(void)
{
	static const uint8_t rare[] = {FIN | ACK, RST, SYN | ACK, 0, RST | ACK, FIN};

	if (chance(40))
		return rare[rand() % (int)ARRAY_SIZE(rare)];
	return chance(6) ? SYN : ACK;
}

static uint16_t random_sum(void)
{
	static const uint16_t special[] = {0, 0xffff, 1, 0xfffe};

	return chance(4) ? special[rand() % 4] : (uint16_t)rand();
}

static uint16_t random_len(void)
{
	return (uint16_t)(chance(8) ? rand() % 1460 : rand() % 64);
}

static void random_address(char *text, size_t size, unsigned port)
{
	static const char *const subnets[] = {"192.168.1.", "192.168.0.", "10.0.0.", "192.168.10."};
	unsigned host = port == R2 ? 2 : 2 + (unsigned)rand() % 4;

	if (port == R1 && chance(4))
		snprintf(text, size, "10.9.%d.1", rand() % 3);
	else
		snprintf(text, size, "%s%u", subnets[port], host);
}

/* Of a flow between routed ports, or to the router's outside. */
static struct bytes random_new(void)
{
	char src[32], dst[32];
	unsigned in = (unsigned)rand() % 3, out = (unsigned)rand() % 4;
	uint16_t sport = (uint16_t)(1000 + rand() % 3), dport = (uint16_t)(2000 + rand() % 4);
	struct bytes b;

	random_address(src, sizeof(src), in);
	random_address(dst, sizeof(dst), out);
	if (in == R1 && chance(2)) {
		snprintf(dst, sizeof(dst), "192.168.0.1");
		dport = (uint16_t)(5000 + rand() % 5);
	}
	switch (rand() % 16) {
	case 0:
		return icmp_echo(in, src, dst);
	case 1: /* no transport that we know */
		b = udp(in, src, dst, sport, dport, random_len());
		ip_of(&b)->protocol = 47;
		fix_header(&b);
		return b;
	case 2 ... 8:
		b = tcp(in, src, dst, sport, dport, random_tcp_flags());
		tcp_of(&b)->checksum.raw = random_sum();
		return b;
	default:
		b = udp(in, src, dst, sport, dport, random_len());
		udp_of(&b)->checksum.raw = random_sum();
		return b;
	}
}

/* Answers what left by a routed port lately. */
static struct bytes random_reply(void)
{
	for (unsigned i = 0; i < 8 && n_left >= ARRAY_SIZE(left); i++) {
		const struct bytes *b = &left[rand() % (int)ARRAY_SIZE(left)];
		if (b->port > R2 || b->at[12] != 8 || b->at[13])
			continue;
		bool syn = b->at[23] == PROTO_TCP && b->at[47] & SYN;
		struct bytes r = reply_to(b, syn ? SYN | ACK : random_tcp_flags());
		if (r.at[23] == PROTO_TCP && r.len >= 54)
			tcp_of(&r)->checksum.raw = random_sum();
		else if (r.at[23] == PROTO_UDP && r.len >= 42)
			udp_of(&r)->checksum.raw = random_sum();
		return r;
	}
	return random_new();
}

/* Something is wrong with it, or unusual. */
static void spoil(struct bytes *b)
{
	struct ip4_hdr *h = ip_of(b);

	switch (rand() % 8) {
	case 0:
		h->ttl = (uint8_t)(rand() % 3);
		break;
	case 1:
		h->fragment = be16_from((uint16_t)rand());
		break;
	case 2:
		h->total_len.raw = (uint16_t)rand();
		break;
	case 3:
		b->len += (uint32_t)rand() % 20;
		return;
	case 4:
		h->checksum.raw = (uint16_t)rand();
		return;
	case 5:
		b->at[rand() % 6] ^= 1;
		return;
	case 6:
		b->at[34 + rand() % 20] = (uint8_t)rand();
		return;
	case 7:
		b->len = min_u32(b->len, 14 + (uint32_t)rand() % 60);
		return;
	}
	fix_header(b);
}

/* Between four stations on each of three ports, some of which are silent, or move. */
static struct bytes random_bridged(void)
{
	unsigned from = R4 + (unsigned)rand() % 3, to = R4 + (unsigned)rand() % 3;
	struct bytes b = bridged(from, 2 + (unsigned)rand() % 3, to, 2 + (unsigned)rand() % 4,
				 chance(20) ? 10 + (uint32_t)rand() % 1540 : 60);

	if (chance(300))
		b.port = R4 + (unsigned)rand() % 3;
	if (chance(50))
		memset(b.at, 0xff, 6);
	return b;
}

static struct bytes random_frame(bool routed)
{
	if (!routed)
		return random_bridged();
	struct bytes b = chance(2) ? random_reply() : random_new();
	ip_of(&b)->id.raw = (uint16_t)rand();
	ip_of(&b)->tos = (uint8_t)rand();
	if (chance(2))
		ip_of(&b)->ttl = (uint8_t)(2 + rand() % 254);
	fix_header(&b);
	if (chance(30))
		spoil(&b);
	return b;
}

/* Something that voids what is cached, or does not. */
static void disturb(void)
{
	switch (rand() % 4) {
	case 0:
		flow_change(with->pipeline.flows);
		break;
	case 1:
		wait_ns((uint64_t)rand() % (10 * NS_PER_S));
		break;
	case 2:
		wait_ns((uint64_t)rand() % 4 * 100 * NS_PER_S);
		break;
	case 3:
		assert_int_equal(session_flush(with->pipeline.sessions, all, NULL),
				 session_flush(without->pipeline.sessions, all, NULL));
		break;
	}
}

static void compare_random(bool routed, unsigned least_in_percent)
{
	seed_rand();
	for (unsigned batch = 0; batch < BATCHES; batch++) {
		for (unsigned i = 0; i < BATCH_SIZE; i++) {
			struct bytes b = random_frame(routed);
			for (unsigned again = 1 + (unsigned)rand() % 6; again--;)
				pass(&b);
		}
		expect_same_accounts();
		wait_ns((uint64_t)rand() % (200 * NS_PER_MS));
		if (chance(20))
			disturb();
	}
	print_message("%" PRIu64 " of %" PRIu64 " frames repeated\n", n_repeated, n_frames);
	assert_true(n_repeated * 100 > n_frames * least_in_percent); /* else nothing is tested */
}

static void random_routed_frames_leave_as_the_twin_sends_them(void **unused)
{
	(void)unused;
	compare_random(true, 15);
}

static void random_filtered_frames_leave_as_the_twin_sends_them(void **unused)
{
	(void)unused;
	use_rules(false, true);
	compare_random(true, 5);
}

static void random_translated_frames_leave_as_the_twin_sends_them(void **unused)
{
	(void)unused;
	use_rules(true, true);
	compare_random(true, 5);
}

static void random_bridged_frames_leave_as_the_twin_sends_them(void **unused)
{
	(void)unused;
	compare_random(false, 15);
}

#define repeat_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		repeat_test(routed_packet_is_repeated_when_none_before_it_is_on_its_way),
		repeat_test(routed_of_any_protocol_is_repeated_without_rules),
		repeat_test(routed_by_a_gateway_is_repeated),
		repeat_test(tcp_that_opens_or_ends_goes_the_long_way),
		repeat_test(unusual_frames_of_a_repeated_flow_go_the_long_way),
		repeat_test(options_fragments_and_groups_are_not_offered),
		repeat_test(what_ends_here_or_comes_from_here_is_not_offered),
		repeat_test(what_comes_or_goes_by_a_leg_is_repeated_while_its_stations_stay),
		repeat_test(port_that_does_not_serve_is_not_offered),
		repeat_test(mirrored_in_or_out_is_not_offered),
		repeat_test(traced_is_void_at_once_and_not_offered),
		repeat_test(unfinished_sum_is_not_offered),
		repeat_test(icmp_in_rules_is_not_offered),
		repeat_test(icmp_error_about_a_session_is_not_offered),
		repeat_test(tcp_is_offered_once_it_is_established),
		repeat_test(tcp_without_its_beginning_in_sight_is_new_until_both_have_spoken),
		repeat_test(broken_segments_of_a_repeated_session_go_the_long_way),
		repeat_test(translated_with_any_sum_leaves_as_the_twin_sends_it),
		repeat_test(tcp_reset_is_told_and_a_later_segment_restores),
		repeat_test(tcp_fins_of_both_end_the_repeating),
		repeat_test(state_changed_in_the_turn_of_the_offer_is_not_armed),
		repeat_test(udp_first_answer_is_told),
		repeat_test(session_that_is_flushed_is_void_at_once),
		repeat_test(session_that_expires_takes_its_flow_with_it),
		repeat_test(flow_is_not_repeated_until_its_session_expires),
		repeat_test(session_kept_by_what_is_repeated_alone_does_not_expire),
		repeat_test(session_evicted_is_told),
		repeat_test(repeated_by_rules_that_are_gone_is_not_counted_by_the_new_ones),
		repeat_test(neighbour_with_another_mac_voids),
		repeat_test(neighbour_stays_confirmed_and_used_by_what_is_repeated),
		repeat_test(neighbour_that_fails_voids),
		repeat_test(neighbour_deleted_voids),
		repeat_test(neighbour_made_static_voids_only_with_another_mac),
		repeat_test(bridged_frame_is_repeated_when_none_before_it_is_on_its_way),
		repeat_test(bridged_of_any_kind_is_repeated_but_longer_than_its_port_carries),
		repeat_test(bridged_without_learning_or_flooded_is_not_offered),
		repeat_test(bridged_mirrored_is_not_offered),
		repeat_test(station_that_moves_voids),
		repeat_test(station_that_expires_voids),
		repeat_test(station_too_old_voids_before_it_is_collected),
		repeat_test(station_deleted_or_flushed_voids),
		repeat_test(static_station_is_seen_by_what_is_repeated),
		repeat_test(station_that_becomes_static_or_the_routers_voids),
		repeat_test(station_on_a_port_that_loop_guard_blocks_is_not_repeated),
		repeat_test(random_routed_frames_leave_as_the_twin_sends_them),
		repeat_test(random_filtered_frames_leave_as_the_twin_sends_them),
		repeat_test(random_translated_frames_leave_as_the_twin_sends_them),
		repeat_test(random_bridged_frames_leave_as_the_twin_sends_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
