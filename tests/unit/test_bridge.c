/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_bridge - room 3 alone, with a real FDB. Two bridges:
 *
 *   br0 (port 0, 02:00:00:00:00:00, has an address): ports 1 to 5
 *   br1 (port 6, 02:00:00:00:00:06, has none):       ports 7 and 8
 *
 * Port i has the MAC 02:00:00:00:00:0i, which the FDB of its bridge knows as local. Every
 * frame is sent by pass(), which also sees to it that not a byte changed and no frame of the
 * pool was lost. At the end: a naive switch beside the room under random traffic, and
 * circles of cables.
 */
#include "seed.h"

#include "../../dataplane/bridge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
	BR0 = 0,
	BR1 = 6,
	N_PORTS = 9,
	N_FRAMES = 256,
	FRAME_BYTES = 2048,
	ETH_LEN = sizeof(struct eth_hdr),
	EXPERIMENT = 0x88b5, /* an ethertype for local experiments: IEEE 802 9.2.4 */
};

static const struct mac everyone = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
static const struct mac mdns = {{0x01, 0x00, 0x5e, 0x00, 0x00, 0xfb}};
static const uint16_t members0[] = {1, 2, 3, 4, 5}, members1[] = {7, 8};
static const struct port_address address = {{0x010aa8c0}, 24}; /* 192.168.10.1 */

struct bench {
	struct frame_pool pool;
	struct port port[N_PORTS];
	struct port_table *table;
	struct fdb *fdb;
	struct stats stats;
	struct bridge_state state;
	uint64_t now_ns;
};

/* What became of a frame. */
struct outcome {
	enum verdict verdict;
	uint16_t port_in, port_out;
	bool floods; /* PACKET_FLOOD */
	uint8_t flags;
	enum verdict up; /* of the copy; SENT: there was none */
	uint8_t up_flags;
	uint16_t up_port_in;
};

static struct mac port_mac(unsigned port)
{
	return (struct mac){{2, 0, 0, 0, 0, (uint8_t)port}};
}
static struct mac station(unsigned n)
{
	return (struct mac){{2, 0, 0, 0, 0xee, (uint8_t)n}};
}

static void add_bridge(struct bench *b, uint16_t leg, const uint16_t *members, uint16_t n)
{
	b->port[leg].members = members;
	b->port[leg].n_members = n;
	assert_int_equal(fdb_add(b->fdb, leg, port_mac(leg), leg, FDB_LOCAL), 0);
	for (unsigned i = 0; i < n; i++) {
		b->port[members[i]].bridge = leg;
		assert_int_equal(fdb_add(b->fdb, leg, port_mac(members[i]), members[i], FDB_LOCAL),
				 0);
	}
}

static struct bench *bench_new(void)
{
	static const struct fdb_config config = {.capacity = 16384, .secret = "sixteen secrets"};
	struct bench *b = calloc(1, sizeof(*b));
	void *memory = aligned_alloc(4096, (size_t)N_FRAMES * FRAME_BYTES);

	assert_true(b && memory);
	memset(memory, 0xa5, (size_t)N_FRAMES * FRAME_BYTES);
	assert_int_equal(frame_pool_init(&b->pool, memory, FRAME_BYTES, N_FRAMES), 0);
	b->now_ns = 1000 * NS_PER_S;
	b->table = port_table_new(0);
	b->fdb = fdb_new(&config);
	assert_true(b->table && b->fdb);
	for (unsigned i = 0; i < N_PORTS; i++) {
		b->port[i] = (struct port){
			.number = (uint16_t)i,
			.mtu = 1500,
			.mac = port_mac(i),
			.up = true,
			.bridge = PORT_NONE,
			.mirror = PORT_NONE,
		};
		b->table->ports[i] = &b->port[i];
	}
	b->table->n_ports = N_PORTS;
	add_bridge(b, BR0, members0, ARRAY_SIZE(members0));
	add_bridge(b, BR1, members1, ARRAY_SIZE(members1));
	b->port[BR0].addresses = &address;
	b->port[BR0].n_addresses = 1;
	return b;
}

static void bench_free(struct bench *b)
{
	free(b->pool.base);
	frame_pool_fini(&b->pool);
	port_table_free(b->table);
	fdb_free(b->fdb);
	free(b);
}

static int set_up(void **state)
{
	*state = bench_new();
	return 0;
}

static int tear_down(void **state)
{
	bench_free(*state);
	return 0;
}

/* -- frames ------------------------------------------------------------------------- */

struct frame {
	uint32_t len;
	uint8_t bytes[FRAME_BYTES];
};

static struct frame frame_of(struct mac dst, struct mac src, uint16_t type, uint32_t len)
{
	struct frame f = {.len = len};
	struct eth_hdr eth = {dst, src, be16_from(type)};

	memcpy(f.bytes, &eth, sizeof(eth));
	for (uint32_t i = sizeof(eth); i < len; i++)
		f.bytes[i] = (uint8_t)(i * 7);
	return f;
}

/* A copy that went up is what came in, and nothing but its way differs. */
static void look_up(struct bench *b, const struct frame *f, const struct packet *p,
		    struct packet *copy, struct outcome *o)
{
	assert_ptr_not_equal(copy, p);
	assert_int_equal(copy->len, f->len);
	assert_memory_equal(copy->data, f->bytes, f->len);
	assert_int_equal(copy->wire, p->wire);
	assert_int_equal(copy->refs, 1);
	assert_int_equal(copy->owner, FRAME_TURN);
	assert_int_equal(copy->csum_start, p->csum_start);
	assert_int_equal(copy->csum_offset, p->csum_offset);
	assert_int_equal(copy->trace, 0);
	assert_true(copy->flags & PACKET_LINK_GROUP);
	o->up = copy->verdict;
	o->up_flags = copy->flags;
	o->up_port_in = copy->port_in;
	frame_put(&b->pool, copy);
}

static struct outcome pass_flagged(struct bench *b, uint16_t port, const struct frame *f,
				   uint8_t flags)
{
	uint32_t n_free = b->pool.n_free;
	uint64_t created = b->stats.created;
	struct packet *p = frame_get(&b->pool);
	struct vector v = {1, {p}}, up = {0};

	assert_non_null(p);
	memcpy(p->data, f->bytes, f->len);
	p->len = f->len;
	p->port_in = p->wire = port;
	p->flags = flags;
	p->verdict = TO_BRIDGE;
	p->csum_start = 34;
	p->csum_offset = 16;
	p->trace = 3;
	bridge_input(b->table, b->fdb, &b->pool, &b->stats, &b->state, &v, &up, b->now_ns);
	assert_int_equal(p->len, f->len);
	assert_memory_equal(p->data, f->bytes, f->len);
	assert_int_equal(p->wire, port);
	struct outcome o = {
		.verdict = p->verdict,
		.port_in = p->port_in,
		.port_out = p->decision.port_out,
		.floods = p->flags & PACKET_FLOOD,
		.flags = p->flags,
		.up = SENT,
	};
	assert_true(up.n <= 1);
	assert_int_equal(b->stats.created - created, up.n);
	if (up.n)
		look_up(b, f, p, up.p[0], &o);
	frame_put(&b->pool, p);
	assert_int_equal(b->pool.n_free, n_free);
	return o;
}

static struct outcome pass(struct bench *b, uint16_t port, const struct frame *f)
{
	return pass_flagged(b, port, f, 0);
}

/* A frame of 60 bytes. */
static struct outcome send(struct bench *b, uint16_t port, struct mac dst, struct mac src,
			   uint16_t type)
{
	struct frame f = frame_of(dst, src, type, 60);
	return pass(b, port, &f);
}

/* Makes the room learn that station n is behind port. */
static void show(struct bench *b, unsigned n, uint16_t port)
{
	send(b, port, everyone, station(n), EXPERIMENT);
}

static void expect_verdict(struct outcome o, enum verdict want)
{
	assert_string_equal(verdict_name(o.verdict), verdict_name(want));
	assert_false(o.floods);
	assert_string_equal(verdict_name(o.up), verdict_name(SENT));
}

static void expect_flood(struct outcome o, uint16_t leg)
{
	assert_string_equal(verdict_name(o.verdict), verdict_name(TO_EGRESS));
	assert_true(o.floods);
	assert_int_equal(o.port_out, leg);
}

static void expect_port(struct outcome o, uint16_t port)
{
	expect_verdict(o, TO_EGRESS);
	assert_int_equal(o.port_out, port);
}

static void expect_local(struct outcome o, enum verdict want, uint16_t leg)
{
	expect_verdict(o, want);
	assert_int_equal(o.port_in, leg);
}

/* -- learning and known unicast ----------------------------------------------------- */

static void bridge_unknown_unicast_is_flooded(void **state)
{
	struct bench *b = *state;
	struct outcome o = send(b, 1, station(2), station(1), ETH_IPV4);

	expect_flood(o, BR0);
	assert_int_equal(o.up, SENT); /* not the leg's business */
	assert_int_equal(o.port_in, 1);
}

static void bridge_known_unicast_leaves_by_its_port_alone(void **state)
{
	struct bench *b = *state;

	show(b, 1, 1);
	show(b, 2, 4);
	expect_port(send(b, 1, station(2), station(1), ETH_IPV4), 4);
	expect_port(send(b, 4, station(1), station(2), ETH_IPV6), 1);
	expect_port(send(b, 3, station(1), station(3), EXPERIMENT), 1);
	expect_port(send(b, 3, station(1), station(3), ETH_VLAN), 1);
	expect_port(send(b, 3, station(1), station(3), 46), 1); /* a length: IEEE 802.2 */
}

static void bridge_station_that_moves_is_found_at_once(void **state)
{
	struct bench *b = *state;

	show(b, 1, 1);
	show(b, 1, 5);
	expect_port(send(b, 2, station(1), station(2), ETH_IPV4), 5);
}

static void bridge_silent_station_is_forgotten_when_its_time_is_over(void **state)
{
	struct bench *b = *state;

	fdb_set_aging(b->fdb, BR0, 10 * NS_PER_S);
	show(b, 1, 1);
	b->now_ns += 10 * NS_PER_S - 1;
	expect_port(send(b, 2, station(1), station(2), ETH_IPV4), 1);
	b->now_ns += 1;
	expect_flood(send(b, 2, station(1), station(2), ETH_IPV4), BR0);
}

static void bridge_port_without_learning_teaches_nothing(void **state)
{
	struct bench *b = *state;

	b->port[1].flags = PORT_NO_LEARNING;
	show(b, 1, 1);
	expect_flood(send(b, 2, station(1), station(2), ETH_IPV4), BR0);
	expect_port(send(b, 1, station(2), station(1), ETH_IPV4), 2);
}

static void bridge_static_station_stays_where_it_was_put(void **state)
{
	struct bench *b = *state;

	assert_int_equal(fdb_add(b->fdb, BR0, station(1), 3, FDB_STATIC), 0);
	expect_flood(send(b, 1, everyone, station(1), EXPERIMENT), BR0);
	expect_port(send(b, 2, station(1), station(2), ETH_IPV4), 3);
}

static void bridge_two_bridges_know_nothing_of_each_other(void **state)
{
	struct bench *b = *state;

	show(b, 1, 1);
	expect_flood(send(b, 7, station(1), station(2), ETH_IPV4), BR1);
	show(b, 1, 8);
	expect_port(send(b, 7, station(1), station(2), ETH_IPV4), 8);
	expect_port(send(b, 2, station(1), station(3), ETH_IPV4), 1);
	expect_flood(send(b, 7, port_mac(BR0), station(2), ETH_IPV4), BR1); /* there a stranger */
	expect_flood(send(b, 8, everyone, port_mac(BR0), ETH_IPV4), BR1);
}

static void bridge_learns_before_it_drops(void **state)
{
	struct bench *b = *state;

	show(b, 2, 1);
	expect_verdict(send(b, 1, station(2), station(1), ETH_IPV4), DROP_BRIDGE_SAME_PORT);
	expect_port(send(b, 2, station(1), station(3), ETH_IPV4), 1);
}

static void bridge_frame_is_not_sent_back_where_it_came_from(void **state)
{
	struct bench *b = *state;

	show(b, 1, 3);
	expect_verdict(send(b, 3, station(1), station(2), ETH_IPV4), DROP_BRIDGE_SAME_PORT);
	expect_verdict(send(b, 3, station(1), station(1), ETH_IPV4), DROP_BRIDGE_SAME_PORT);
}

/* -- what may not come in ----------------------------------------------------------- */

static void bridge_reserved_addresses_are_not_forwarded(void **state)
{
	struct bench *b = *state;
	struct mac reserved = {{0x01, 0x80, 0xc2, 0, 0, 0}};

	for (unsigned i = 0; i < 16; i++) {
		reserved.b[5] = (uint8_t)i;
		expect_verdict(send(b, 1, reserved, station(1), 0x88cc), DROP_BRIDGE_RESERVED);
	}
	expect_flood(send(b, 2, station(1), station(2), ETH_IPV4), BR0); /* nor learnt from */
	reserved.b[5] = 16;
	expect_flood(send(b, 1, reserved, station(1), 0x88cc), BR0);
	reserved.b[5] = 0;
	reserved.b[4] = 1;
	expect_flood(send(b, 1, reserved, station(1), 0x88cc), BR0);
}

static void bridge_source_that_no_station_has_is_dropped(void **state)
{
	struct bench *b = *state;
	const struct mac bad[] = {
		everyone,    mdns,	    {{0x03, 0, 0, 0, 0xee, 1}},
		{{0}},	     port_mac(BR0), port_mac(1),
		port_mac(2), port_mac(5),
	};

	for (unsigned i = 0; i < 2 * ARRAY_SIZE(bad); i++) {
		uint32_t n = fdb_count(b->fdb);
		b->port[1].flags = i % 2 ? PORT_NO_LEARNING : 0;
		expect_verdict(send(b, 1, everyone, bad[i / 2], ETH_ARP), DROP_BRIDGE_SOURCE);
		expect_verdict(send(b, 1, station(9), bad[i / 2], ETH_IPV4), DROP_BRIDGE_SOURCE);
		assert_int_equal(fdb_count(b->fdb), n);
	}
	expect_verdict(send(b, 2, port_mac(1), station(1), EXPERIMENT), DROP_BRIDGE_LOCAL);
}

static void bridge_frame_without_a_whole_header_is_dropped(void **state)
{
	struct bench *b = *state;
	struct frame f = frame_of(everyone, station(1), ETH_ARP, ETH_LEN);

	expect_flood(pass(b, 1, &f), BR0);
	for (f.len = 0; f.len < ETH_LEN; f.len++)
		expect_verdict(pass(b, 1, &f), DROP_ETH_SHORT);
}

static void bridge_frame_of_a_vanished_port_is_dropped(void **state)
{
	struct bench *b = *state;

	b->table->ports[1] = NULL;
	expect_verdict(send(b, 1, everyone, station(1), ETH_ARP), DROP_PORT_DOWN);
	expect_verdict(send(b, N_PORTS, everyone, station(1), ETH_ARP), DROP_PORT_DOWN);
	b->port[2].bridge = PORT_NONE;
	expect_verdict(send(b, 2, everyone, station(1), ETH_ARP), DROP_PORT_DOWN);
}

/* -- who takes it ------------------------------------------------------------------- */

static void bridge_isolated_ports_do_not_hear_each_other(void **state)
{
	struct bench *b = *state;

	b->port[1].flags = b->port[2].flags = PORT_ISOLATED;
	show(b, 1, 1);
	show(b, 2, 2);
	show(b, 3, 3);
	expect_verdict(send(b, 1, station(2), station(1), ETH_IPV4), DROP_BRIDGE_ISOLATED);
	expect_verdict(send(b, 2, station(1), station(2), ETH_IPV4), DROP_BRIDGE_ISOLATED);
	expect_port(send(b, 1, station(3), station(1), ETH_IPV4), 3);
	expect_port(send(b, 3, station(1), station(3), ETH_IPV4), 1);
	expect_local(send(b, 1, port_mac(BR0), station(1), ETH_IPV4), TO_IP4, BR0);
	for (unsigned i = 3; i <= 5; i++)
		b->port[i].flags = PORT_ISOLATED;
	expect_verdict(send(b, 1, everyone, station(1), EXPERIMENT), DROP_BRIDGE_NO_PORT);
	expect_verdict(send(b, 1, station(9), station(1), ETH_IPV4), DROP_BRIDGE_NO_PORT);
	b->port[1].flags = 0;
	expect_flood(send(b, 1, everyone, station(1), EXPERIMENT), BR0);
}

static void bridge_port_without_flooding_takes_only_what_is_for_it(void **state)
{
	struct bench *b = *state;

	show(b, 8, 8);
	b->port[8].flags = PORT_NO_FLOOD;
	expect_verdict(send(b, 7, station(9), station(1), ETH_IPV4), DROP_BRIDGE_NO_PORT);
	expect_port(send(b, 7, station(8), station(1), ETH_IPV4), 8);
	expect_flood(send(b, 7, everyone, station(1), ETH_IPV4), BR1);
	expect_flood(send(b, 7, mdns, station(1), ETH_IPV4), BR1);
	expect_flood(send(b, 8, station(9), station(8), ETH_IPV4), BR1);
}

static void bridge_target_that_is_down_or_gone_takes_nothing(void **state)
{
	struct bench *b = *state;

	show(b, 8, 8);
	b->port[8].up = false;
	expect_verdict(send(b, 7, station(8), station(1), ETH_IPV4), DROP_BRIDGE_NO_PORT);
	expect_verdict(send(b, 7, station(9), station(1), ETH_IPV4), DROP_BRIDGE_NO_PORT);
	expect_verdict(send(b, 7, everyone, station(1), ETH_IPV4), DROP_BRIDGE_NO_PORT);
	b->port[8].up = true;
	expect_port(send(b, 7, station(8), station(1), ETH_IPV4), 8);
	b->port[8].bridge = BR0; /* it is another bridge's now */
	expect_verdict(send(b, 7, station(8), station(1), ETH_IPV4), DROP_BRIDGE_NO_PORT);
	b->table->ports[8] = NULL;
	expect_verdict(send(b, 7, station(8), station(1), ETH_IPV4), DROP_BRIDGE_NO_PORT);
	expect_verdict(send(b, 7, everyone, station(1), ETH_IPV4), DROP_BRIDGE_NO_PORT);
}

static void bridge_frame_longer_than_the_mtu_and_a_tag_is_dropped(void **state)
{
	struct bench *b = *state;
	struct frame fits = frame_of(station(8), station(1), EXPERIMENT, ETH_LEN + 1000 + 4);
	struct frame longer = frame_of(station(8), station(1), EXPERIMENT, ETH_LEN + 1000 + 5);

	b->port[8].mtu = 1000;
	expect_flood(pass(b, 7, &fits), BR1);
	expect_verdict(pass(b, 7, &longer), DROP_BRIDGE_NO_PORT); /* as a flood */
	show(b, 8, 8);
	expect_port(pass(b, 7, &fits), 8);
	expect_verdict(pass(b, 7, &longer), DROP_BRIDGE_MTU);
	longer = frame_of(everyone, station(1), EXPERIMENT, ETH_LEN + 1000 + 5);
	expect_verdict(pass(b, 7, &longer), DROP_BRIDGE_NO_PORT);
	b->port[1].mtu = 1000;
	expect_flood(pass(b, 2, &longer), BR0); /* ports 3 to 5 take it */
}

/* -- up to the leg ------------------------------------------------------------------ */

static void bridge_own_addresses_go_up_by_their_type(void **state)
{
	struct bench *b = *state;
	const unsigned own[] = {BR0, 1, 2, 5};

	for (unsigned i = 0; i < ARRAY_SIZE(own); i++) {
		struct mac mac = port_mac(own[i]);
		expect_local(send(b, 1, mac, station(1), ETH_IPV4), TO_IP4, BR0);
		expect_local(send(b, 1, mac, station(1), ETH_ARP), TO_ARP, BR0);
		expect_verdict(send(b, 1, mac, station(1), ETH_IPV6), DROP_BRIDGE_LOCAL);
		expect_verdict(send(b, 1, mac, station(1), ETH_VLAN), DROP_BRIDGE_LOCAL);
		expect_verdict(send(b, 1, mac, station(1), EXPERIMENT), DROP_BRIDGE_LOCAL);
		assert_int_equal(send(b, 1, mac, station(1), ETH_IPV4).flags, 0);
	}
}

static void bridge_without_an_address_keeps_nothing_for_itself(void **state)
{
	struct bench *b = *state;
	const uint16_t types[] = {ETH_IPV4, ETH_ARP, ETH_IPV6};

	for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
		expect_verdict(send(b, 7, port_mac(BR1), station(1), types[i]), DROP_BRIDGE_LOCAL);
		expect_verdict(send(b, 7, port_mac(8), station(1), types[i]), DROP_BRIDGE_LOCAL);
		struct outcome o = send(b, 7, everyone, station(1), types[i]);
		expect_flood(o, BR1);
		assert_int_equal(o.up, SENT);
	}
}

static void expect_flood_and_copy(struct outcome o, enum verdict up)
{
	expect_flood(o, BR0);
	assert_string_equal(verdict_name(o.up), verdict_name(up));
	assert_int_equal(o.up_port_in, BR0);
	assert_int_equal(o.up_flags & (PACKET_LINK_GROUP | PACKET_FLOOD), PACKET_LINK_GROUP);
}

static void bridge_broadcast_is_flooded_and_a_copy_goes_up(void **state)
{
	struct bench *b = *state;

	expect_flood_and_copy(send(b, 1, everyone, station(1), ETH_ARP), TO_ARP);
	expect_flood_and_copy(send(b, 1, everyone, station(1), ETH_IPV4), TO_IP4);
	expect_flood_and_copy(send(b, 1, mdns, station(1), ETH_ARP), TO_ARP);
	const struct {
		struct mac to;
		uint16_t type;
	} others[] = {{everyone, ETH_IPV6},
		      {everyone, ETH_VLAN},
		      {everyone, EXPERIMENT},
		      {mdns, ETH_IPV4},
		      {mdns, ETH_IPV6}};
	for (unsigned i = 0; i < ARRAY_SIZE(others); i++) {
		struct outcome o = send(b, 1, others[i].to, station(1), others[i].type);
		expect_flood(o, BR0);
		assert_int_equal(o.up, SENT);
	}
}

static void bridge_copy_has_the_marks_of_its_checksum(void **state)
{
	struct bench *b = *state;
	struct frame f = frame_of(everyone, station(1), ETH_IPV4, 1514);

	for (unsigned i = 0; i < 2; i++) {
		uint8_t mark = i ? PACKET_UNKNOWN : PACKET_PARTIAL;
		struct outcome o = pass_flagged(b, 1, &f, mark);
		expect_flood_and_copy(o, TO_IP4);
		assert_int_equal(o.up_flags, mark | PACKET_LINK_GROUP);
		assert_int_equal(o.flags, mark | PACKET_FLOOD); /* left open: egress's business */
	}
}

static void bridge_without_a_free_frame_floods_all_the_same(void **state)
{
	struct bench *b = *state;
	struct packet *taken[N_FRAMES];
	unsigned n = 0;

	while (b->pool.n_free > 1)
		taken[n++] = frame_get(&b->pool);
	struct outcome o = send(b, 1, everyone, station(1), ETH_ARP);
	expect_flood(o, BR0);
	assert_int_equal(o.up, SENT);
	while (n)
		frame_put(&b->pool, taken[--n]);
}

static void bridge_broadcast_that_only_the_leg_takes_goes_up_itself(void **state)
{
	struct bench *b = *state;

	for (unsigned i = 2; i <= 5; i++)
		b->port[i].up = false;
	struct outcome o = send(b, 1, everyone, station(1), ETH_ARP);
	expect_local(o, TO_ARP, BR0);
	assert_int_equal(o.flags, PACKET_LINK_GROUP);
	expect_local(send(b, 1, everyone, station(1), ETH_IPV4), TO_IP4, BR0);
	expect_verdict(send(b, 1, everyone, station(1), ETH_IPV6), DROP_BRIDGE_NO_PORT);
	expect_verdict(send(b, 1, mdns, station(1), ETH_IPV4), DROP_BRIDGE_NO_PORT);
}

static void bridge_vector_is_judged_frame_by_frame_in_order(void **state)
{
	struct bench *b = *state;
	struct vector v = {0}, up = {0};

	/* Who is unknown to the first frame is known to the third, because the second was its. */
	const struct {
		uint16_t port;
		struct mac dst, src;
	} sent[] = {{1, station(2), station(1)},
		    {2, everyone, station(2)},
		    {1, station(2), station(1)}};
	for (unsigned i = 0; i < ARRAY_SIZE(sent); i++) {
		struct frame f = frame_of(sent[i].dst, sent[i].src, ETH_ARP, 60);
		struct packet *p = v.p[v.n++] = frame_get(&b->pool);
		memcpy(p->data, f.bytes, f.len);
		p->len = f.len;
		p->wire = sent[i].port;
	}
	bridge_input(b->table, b->fdb, &b->pool, &b->stats, &b->state, &v, &up, b->now_ns);
	assert_true(v.p[0]->flags & v.p[1]->flags & PACKET_FLOOD);
	assert_false(v.p[2]->flags & PACKET_FLOOD);
	assert_int_equal(v.p[2]->decision.port_out, 2);
	assert_int_equal(up.n, 1);
	assert_int_equal(up.p[0]->wire, 2);
	for (unsigned i = 0; i < v.n; i++)
		frame_put(&b->pool, v.p[i]);
	frame_put(&b->pool, up.p[0]);
}

/* -- loop guard --------------------------------------------------------------------- */

/* One of many stations. */
static struct mac stranger(uint8_t group, unsigned n)
{
	return (struct mac){{2, 0, 0, group, (uint8_t)(n >> 8), (uint8_t)n}};
}

static bool is_blocked(const struct bench *b, uint16_t port)
{
	return bridge_is_blocked(&b->state, port, b->now_ns);
}

/* Station 1, seen on port 2, jumps to 4 and back. Returns the move that blocked; 0: none. */
static unsigned flap(struct bench *b, unsigned n_moves, uint64_t apart_ns)
{
	show(b, 1, 2);
	for (unsigned i = 1; i <= n_moves; i++) {
		show(b, 1, i % 2 ? 4 : 2);
		if (is_blocked(b, 2) || is_blocked(b, 4))
			return i;
		b->now_ns += apart_ns;
	}
	return 0;
}

/* Station 1 flaps until it is suspected; then no bridge is patient any more. */
static void rouse_suspicion(struct bench *b, uint64_t apart_ns)
{
	assert_int_equal(flap(b, 6, apart_ns), 0);
	b->now_ns += 256 * NS_PER_MS - apart_ns;
}

static void bridge_sixth_move_and_five_after_patience_block_the_higher_port(void **state)
{
	struct bench *b = *state;

	show(b, 4, 4);
	rouse_suspicion(b, 199 * NS_PER_MS);
	assert_int_equal(flap(b, 6, 180 * NS_PER_MS), 5);
	assert_false(is_blocked(b, 2));
	assert_true(is_blocked(b, 4));
	const struct bridge_block *block = &b->state.blocks[4];
	assert_int_equal(block->n_blocked, 1);
	assert_int_equal(block->other, 2);
	assert_memory_equal(block->mac.b, station(1).b, 6);
	/* Nothing comes in there, a broken frame neither; and nothing goes out. */
	expect_verdict(send(b, 4, everyone, station(1), ETH_ARP), DROP_BRIDGE_LOOP);
	expect_verdict(send(b, 4, port_mac(BR0), station(9), ETH_IPV4), DROP_BRIDGE_LOOP);
	expect_verdict(pass(b, 4, &(struct frame){.len = 3}), DROP_BRIDGE_LOOP);
	expect_flood(send(b, 1, station(4), station(3), EXPERIMENT), BR0);
	assert_int_equal(fdb_add(b->fdb, BR0, station(4), 4, FDB_STATIC), 0);
	expect_verdict(send(b, 1, station(4), station(3), EXPERIMENT), DROP_BRIDGE_NO_PORT);
	for (unsigned i = 1; i <= 5; i++)
		b->port[i].up = i == 1 || i == 4;
	expect_verdict(send(b, 1, station(9), station(3), EXPERIMENT), DROP_BRIDGE_NO_PORT);
}

static void bridge_move_that_blocks_its_own_port_goes_no_further(void **state)
{
	struct bench *b = *state;

	rouse_suspicion(b, NS_PER_MS);
	for (unsigned i = 1; i <= 5; i++) {
		b->now_ns += 100 * NS_PER_MS;
		struct outcome o = send(b, i % 2 ? 4 : 2, everyone, station(1), ETH_ARP);
		if (i < 5)
			expect_flood_and_copy(o, TO_ARP);
		else
			expect_verdict(o, DROP_BRIDGE_LOOP);
	}
	expect_flood(send(b, 1, station(1), station(2), EXPERIMENT), BR0); /* unlearnt */
}

static void bridge_block_of_one_port_gives_the_others_time(void **state)
{
	struct bench *b = *state;

	/* Station 2 flaps as well, between 1 and 2, because of the same circle. */
	show(b, 2, 1);
	for (unsigned i = 1; i <= 6; i++)
		show(b, 2, i % 2 ? 2 : 1);
	rouse_suspicion(b, NS_PER_MS);
	for (unsigned i = 1; i <= 4; i++)
		show(b, 2, i % 2 ? 2 : 1);
	assert_int_equal(flap(b, 5, 50 * NS_PER_MS), 5);
	assert_true(is_blocked(b, 4));
	for (unsigned i = 1; i <= 5; i++) {
		show(b, 2, i % 2 ? 2 : 1);
		b->now_ns += NS_PER_MS;
	}
	assert_false(is_blocked(b, 2));
}

static void bridge_blocked_port_comes_back_by_itself(void **state)
{
	struct bench *b = *state;

	for (unsigned n = 1; n <= 3; n++) {
		rouse_suspicion(b, 60 * NS_PER_MS);
		assert_int_equal(flap(b, 5, 60 * NS_PER_MS), 5);
		assert_int_equal(b->state.blocks[4].n_blocked, n);
		b->now_ns += 30 * NS_PER_S - 1;
		assert_true(is_blocked(b, 4));
		expect_verdict(send(b, 4, everyone, station(4), EXPERIMENT), DROP_BRIDGE_LOOP);
		b->now_ns++;
		assert_false(is_blocked(b, 4));
		expect_flood(send(b, 4, everyone, station(4), EXPERIMENT), BR0);
		expect_port(send(b, 1, station(4), station(3), EXPERIMENT), 4);
	}
}

static void bridge_moves_that_are_slow_block_nothing(void **state)
{
	struct bench *b = *state;

	assert_int_equal(flap(b, 1000, 200 * NS_PER_MS), 0); /* five in each second */
	assert_int_equal(flap(b, 1000, 30 * NS_PER_S), 0);
	rouse_suspicion(b, NS_PER_MS);
	assert_int_equal(flap(b, 1000, 250 * NS_PER_MS), 0); /* four in each, before it and after */
	for (unsigned i = 0; i < N_PORTS; i++)
		assert_int_equal(b->state.blocks[i].n_blocked, 0);
}

static void bridge_move_after_a_storm_that_another_ended_blocks_nothing(void **state)
{
	struct bench *b = *state;

	/* Another bridge has cut the circle; later the station is heard from the other side. */
	for (uint64_t later_ms = 0; later_ms <= 3000; later_ms += 50) {
		assert_int_equal(flap(b, 20, 10 * NS_PER_US), 0);
		b->now_ns += later_ms * NS_PER_MS;
		expect_flood(send(b, 4, everyone, station(1), EXPERIMENT), BR0);
		expect_port(send(b, 1, station(1), station(3), EXPERIMENT), 4);
		b->now_ns += 3 * NS_PER_S;
		show(b, 1, 2);
		b->now_ns += 3 * NS_PER_S;
	}
	for (unsigned i = 0; i < N_PORTS; i++)
		assert_int_equal(b->state.blocks[i].n_blocked, 0);
}

static void bridge_stations_that_all_move_once_block_nothing(void **state)
{
	struct bench *b = *state;

	/* A thousand stations' uplink is replugged from port 2 to 4, and back seconds later. */
	for (unsigned round = 0; round < 4; round++) {
		for (unsigned i = 0; i < 1000; i++) {
			send(b, round % 2 ? 4 : 2, everyone, stranger(0xaa, i), EXPERIMENT);
		}
		b->now_ns += 3 * NS_PER_S;
	}
	for (unsigned i = 0; i < N_PORTS; i++)
		assert_int_equal(b->state.blocks[i].n_blocked, 0);
}

static void bridge_storm_is_over_within_a_quarter_of_a_second(void **state)
{
	struct bench *b = *state;
	uint64_t start_ns = b->now_ns;

	assert_true(flap(b, 1000000, 10 * NS_PER_US) >= 11);
	assert_true(is_blocked(b, 4));
	assert_true(b->now_ns - start_ns <= 256 * NS_PER_MS);
}

static void bridge_storm_of_many_sources_is_over_within_two_seconds(void **state)
{
	struct bench *b = *state;
	uint64_t start_ns = b->now_ns;

	/* First every place for a flap is taken by stations that move but once. */
	for (unsigned i = 0; i < 4000; i++)
		send(b, i % 2 ? 3 : 5, everyone, stranger(0xaa, i / 2), EXPERIMENT);
	for (unsigned i = 0; !is_blocked(b, 4) && !is_blocked(b, 2); i++) {
		send(b, i / 3000 % 2 ? 2 : 4, everyone, stranger(0xbb, i % 3000), EXPERIMENT);
		b->now_ns += 5 * NS_PER_US;
	}
	assert_true(is_blocked(b, 4));
	assert_true(b->now_ns - start_ns <= 2 * NS_PER_S);
	for (unsigned i = 0; i < N_PORTS; i++)
		assert_int_equal(b->state.blocks[i].n_blocked, i == 4);
}

static void bridge_host_is_not_blamed_for_the_circle_it_talks_to(void **state)
{
	struct bench *b = *state;

	/* The host is on port 5, the highest; what it sends comes round by ports 1 and 2. */
	for (unsigned i = 0; !is_blocked(b, 2) && i < 100000; i++) {
		send(b, i % 1000 ? (uint16_t)(1 + i % 2) : 5, everyone, station(1), ETH_ARP);
		b->now_ns += 10 * NS_PER_US;
	}
	assert_true(is_blocked(b, 2));
	assert_false(is_blocked(b, 5));
}

/*
 * Three bridges in a circle, each with a station on its port 3:
 *
 *        +-- 2 [A] 1 --- 2 [B] 1 --- 2 [C] 1 --+
 *        +-------------------------------------+
 *
 * A cable takes ten microseconds; the test is egress for all of them.
 */
#define RING	   3
#define CABLE_NS   (10 * NS_PER_US)
#define FLYING_MAX 64

struct ring {
	struct bench *bridge[RING];
	struct flying {
		unsigned bridge;
		uint16_t port;
	} flying[FLYING_MAX];
	unsigned n_flying, n_heard[RING]; /* heard: by the stations */
};

static void ring_leave(struct ring *ring, struct flying *to, unsigned *n, unsigned i, uint16_t port)
{
	if (is_blocked(ring->bridge[i], port))
		return;
	if (port == 3) {
		ring->n_heard[i]++;
		return;
	}
	assert_true(*n < FLYING_MAX);
	to[(*n)++] = (struct flying){(i + (port == 1 ? 1 : RING - 1)) % RING, port == 1 ? 2 : 1};
}

/* All that is under way arrives, as frames of that source to everyone. */
static void ring_step(struct ring *ring, struct mac source)
{
	struct flying next[FLYING_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < ring->n_flying; i++) {
		const struct flying *f = &ring->flying[i];
		struct bench *b = ring->bridge[f->bridge];
		struct outcome o = send(b, f->port, everyone, source, EXPERIMENT);
		for (uint16_t port = 1; o.floods && port <= 3; port++)
			if (port != f->port)
				ring_leave(ring, next, &n, f->bridge, port);
	}
	memcpy(ring->flying, next, sizeof(next));
	ring->n_flying = n;
	for (unsigned i = 0; i < RING; i++)
		ring->bridge[i]->now_ns += CABLE_NS;
}

/* A broadcast from the station at bridge i; returns once nothing is under way. */
static void ring_say(struct ring *ring, unsigned i)
{
	memset(ring->n_heard, 0, sizeof(ring->n_heard));
	ring->flying[0] = (struct flying){i, 3};
	ring->n_flying = 1;
	for (unsigned step = 0; ring->n_flying; step++) {
		assert_true(step * CABLE_NS < NS_PER_S);
		ring_step(ring, station(100 + i));
	}
}

static unsigned ring_blocks(const struct ring *ring)
{
	unsigned n = 0;

	for (unsigned i = 0; i < RING; i++)
		for (uint16_t port = 1; port <= 3; port++)
			n += is_blocked(ring->bridge[i], port);
	return n;
}

static void ring_try(struct ring *ring, unsigned n)
{
	for (unsigned i = 0; i < RING; i++) {
		struct bench *b = ring->bridge[i] = bench_new();
		b->port[4].up = b->port[5].up = false;
		b->port[BR0].mac = (struct mac){{2, 0, 0, 0xcc, (uint8_t)n, (uint8_t)i}};
	}
	/* The storm ends, twice, and each time the three can talk: a broadcast is heard once. */
	for (unsigned round = 0; round < 2; round++) {
		ring_say(ring, n % RING);
		assert_int_equal(ring_blocks(ring), 1);
		for (unsigned i = 0; i < RING; i++)
			ring->bridge[i]->now_ns += 300 * NS_PER_MS; /* nobody is patient any more */
		for (unsigned i = 0; i < RING; i++) {
			assert_false(is_blocked(ring->bridge[i], 3));
			ring_say(ring, i);
			for (unsigned j = 0; j < RING; j++)
				assert_int_equal(ring->n_heard[j], j != i);
		}
		for (unsigned i = 0; i < RING; i++)
			ring->bridge[i]->now_ns += 30 * NS_PER_S;
		assert_int_equal(ring_blocks(ring), 0);
	}
	for (unsigned i = 0; i < RING; i++)
		bench_free(ring->bridge[i]);
}

static void bridge_circle_of_three_is_cut_in_one_place(void **state)
{
	(void)state;
	static struct ring ring;

	for (unsigned n = 0; n < 6; n++)
		ring_try(&ring, n);
}

static void bridge_own_frame_that_comes_back_ends_there(void **state)
{
	struct bench *b = *state;

	/* The leg's broadcast left by port 1, whose cable leads to port 2: no source ever moves. */
	for (unsigned i = 0; i < 10; i++)
		expect_verdict(send(b, 2, everyone, port_mac(BR0), ETH_ARP), DROP_BRIDGE_SOURCE);
	assert_false(is_blocked(b, 2));
}

/* -- the naive twin ----------------------------------------------------------------- */

#define N_STATIONS    12
#define TWIN_AGING_NS (20 * NS_PER_S)

/* A switch as one would write it on a napkin: arrays, and a loop over the ports. */
struct twin {
	struct bench *b; /* whose ports it reads */
	struct {
		bool is_static;
		uint16_t port; /* 0: unknown */
		uint64_t seen_ns;
	} at[N_STATIONS];
};

static uint16_t twin_find(const struct twin *t, unsigned n)
{
	if (!t->at[n].is_static && t->b->now_ns - t->at[n].seen_ns >= TWIN_AGING_NS)
		return 0;
	return t->at[n].port;
}

static void twin_learn(struct twin *t, unsigned n, uint16_t port)
{
	if (t->at[n].is_static || t->b->port[port].flags & PORT_NO_LEARNING)
		return;
	t->at[n].port = port;
	t->at[n].seen_ns = t->b->now_ns;
}

/* Who would get a flooded frame of br0, a bit each. */
static unsigned twin_flood(const struct twin *t, uint16_t from, uint32_t len, bool unknown)
{
	unsigned set = 0;

	for (uint16_t i = 1; i <= 5; i++) {
		const struct port *to = &t->b->port[i];
		bool isolated = t->b->port[from].flags & PORT_ISOLATED && to->flags & PORT_ISOLATED;
		bool quiet = unknown && to->flags & PORT_NO_FLOOD;
		if (i != from && to->up && !isolated && !quiet && len <= to->mtu + 18u)
			set |= 1u << i;
	}
	return set;
}

/* The verdict on a frame to a station, and who gets it. */
static enum verdict twin_unicast(const struct twin *t, uint16_t from, unsigned n, uint32_t len,
				 unsigned *set)
{
	uint16_t to = twin_find(t, n);

	*set = 0;
	if (!to) {
		*set = twin_flood(t, from, len, true);
		return *set ? TO_EGRESS : DROP_BRIDGE_NO_PORT;
	}
	if (to == from)
		return DROP_BRIDGE_SAME_PORT;
	if (t->b->port[from].flags & t->b->port[to].flags & PORT_ISOLATED)
		return DROP_BRIDGE_ISOLATED;
	if (!t->b->port[to].up)
		return DROP_BRIDGE_NO_PORT;
	if (len > t->b->port[to].mtu + 18u)
		return DROP_BRIDGE_MTU;
	*set = 1u << to;
	return TO_EGRESS;
}

/* Who gets it by what the room said; floods expanded by the rule it shares with egress. */
static unsigned expand(const struct bench *b, uint16_t from, const struct frame *f,
		       struct outcome o)
{
	struct packet p = {.data = (uint8_t *)f->bytes, .len = f->len};
	bool group = mac_is_group(packet_eth(&p)->dst);
	unsigned set = 0;

	if (o.verdict != TO_EGRESS)
		return 0;
	if (!o.floods)
		return 1u << o.port_out;
	assert_int_equal(o.port_out, BR0);
	for (uint16_t i = 1; i <= 5; i++)
		if (bridge_floods_to(&b->port[from], &b->port[i], &p, group))
			set |= 1u << i;
	return set;
}

static unsigned pick(unsigned n)
{
	return (unsigned)rand() % n;
}

/* Something about the ports changes, or time passes. */
static void twin_change(struct twin *t)
{
	struct port *port = &t->b->port[1 + pick(5)];

	switch (pick(12)) {
	case 0:
		port->flags = (uint8_t)pick(8);
		break;
	case 1:
		port->up = pick(4);
		break;
	case 2:
		port->mtu = pick(3) ? 1500 : 500;
		break;
	case 3:
	case 4:
	case 5:
		t->b->now_ns += 2 * NS_PER_S; /* above the grain of the FDB's time stamps */
		break;
	}
}

static void twin_compare(struct twin *t, uint16_t from, struct frame *f, enum verdict want,
			 unsigned want_set)
{
	struct outcome o = pass(t->b, from, f);

	assert_string_equal(verdict_name(o.verdict), verdict_name(want));
	assert_int_equal(expand(t->b, from, f, o), want_set);
}

/* One frame from station n on a port. */
static void twin_frame(struct twin *t, unsigned n, uint16_t from)
{
	uint32_t len = pick(4) ? 60 : 500 + 14 + pick(8);
	unsigned to = pick(N_STATIONS + 5), set;
	uint16_t type = pick(2) ? ETH_IPV6 : ETH_IPV4;
	enum verdict want;
	struct mac dst = to < N_STATIONS    ? station(to)
			 : to == N_STATIONS ? port_mac(pick(6))
					    : mdns;

	if (to == N_STATIONS + 1)
		dst = (struct mac){{0x01, 0x80, 0xc2, 0, 0, (uint8_t)pick(16)}};
	struct frame f = frame_of(dst, station(n), type, len);
	if (to == N_STATIONS + 1) {
		twin_compare(t, from, &f, DROP_BRIDGE_RESERVED, 0);
		return;
	}
	twin_learn(t, n, from);
	if (to < N_STATIONS) {
		want = twin_unicast(t, from, to, len, &set);
	} else if (to == N_STATIONS) {
		want = type == ETH_IPV4 ? TO_IP4 : DROP_BRIDGE_LOCAL;
		set = 0;
	} else {
		set = twin_flood(t, from, len, false);
		want = set ? TO_EGRESS : DROP_BRIDGE_NO_PORT;
	}
	twin_compare(t, from, &f, want, set);
}

static void bridge_random_traffic_goes_where_the_twin_says(void **state)
{
	struct bench *b = *state;
	struct twin t = {.b = b};
	uint16_t where[N_STATIONS];
	uint64_t moved_ns[N_STATIONS] = {0};

	fdb_set_aging(b->fdb, BR0, TWIN_AGING_NS);
	for (unsigned n = 0; n < N_STATIONS; n++)
		where[n] = (uint16_t)(1 + pick(5));
	t.at[0].is_static = true;
	t.at[0].port = 3;
	assert_int_equal(fdb_add(b->fdb, BR0, station(0), 3, FDB_STATIC), 0);
	for (unsigned i = 0; i < 30000; i++) {
		unsigned n = pick(N_STATIONS);
		twin_change(&t);
		if (!pick(8) && moved_ns[n] != b->now_ns) { /* else loop guard would wake */
			where[n] = (uint16_t)(1 + pick(5));
			moved_ns[n] = b->now_ns;
		}
		twin_frame(&t, n, where[n]);
		if (!pick(64))
			fdb_age(b->fdb, b->now_ns);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(bridge_unknown_unicast_is_flooded),
		TEST(bridge_known_unicast_leaves_by_its_port_alone),
		TEST(bridge_station_that_moves_is_found_at_once),
		TEST(bridge_silent_station_is_forgotten_when_its_time_is_over),
		TEST(bridge_port_without_learning_teaches_nothing),
		TEST(bridge_static_station_stays_where_it_was_put),
		TEST(bridge_two_bridges_know_nothing_of_each_other),
		TEST(bridge_learns_before_it_drops),
		TEST(bridge_frame_is_not_sent_back_where_it_came_from),
		TEST(bridge_reserved_addresses_are_not_forwarded),
		TEST(bridge_source_that_no_station_has_is_dropped),
		TEST(bridge_frame_without_a_whole_header_is_dropped),
		TEST(bridge_frame_of_a_vanished_port_is_dropped),
		TEST(bridge_isolated_ports_do_not_hear_each_other),
		TEST(bridge_port_without_flooding_takes_only_what_is_for_it),
		TEST(bridge_target_that_is_down_or_gone_takes_nothing),
		TEST(bridge_frame_longer_than_the_mtu_and_a_tag_is_dropped),
		TEST(bridge_own_addresses_go_up_by_their_type),
		TEST(bridge_without_an_address_keeps_nothing_for_itself),
		TEST(bridge_broadcast_is_flooded_and_a_copy_goes_up),
		TEST(bridge_copy_has_the_marks_of_its_checksum),
		TEST(bridge_without_a_free_frame_floods_all_the_same),
		TEST(bridge_broadcast_that_only_the_leg_takes_goes_up_itself),
		TEST(bridge_vector_is_judged_frame_by_frame_in_order),
		TEST(bridge_sixth_move_and_five_after_patience_block_the_higher_port),
		TEST(bridge_move_that_blocks_its_own_port_goes_no_further),
		TEST(bridge_block_of_one_port_gives_the_others_time),
		TEST(bridge_blocked_port_comes_back_by_itself),
		TEST(bridge_moves_that_are_slow_block_nothing),
		TEST(bridge_move_after_a_storm_that_another_ended_blocks_nothing),
		TEST(bridge_stations_that_all_move_once_block_nothing),
		TEST(bridge_storm_is_over_within_a_quarter_of_a_second),
		TEST(bridge_storm_of_many_sources_is_over_within_two_seconds),
		TEST(bridge_host_is_not_blamed_for_the_circle_it_talks_to),
		TEST(bridge_circle_of_three_is_cut_in_one_place),
		TEST(bridge_own_frame_that_comes_back_ends_there),
		TEST(bridge_random_traffic_goes_where_the_twin_says),
	};
	seed_rand();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
