/* SPDX-License-Identifier: BSD-2-Clause */
/* egress: order, grouping, full and missing ports, fragments, floods, mirrors, what is punted. */
#include "../../dataplane/egress.h"

#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define N_FRAMES 1024
#define FRAME_BYTES 2048
#define N_PORTS 3
#define LEG 3

static const uint16_t members[N_PORTS] = {0, 1, 2};
static const struct mac station = {{2, 0, 0, 0, 0, 0x42}};
static const struct mac everyone = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

/* A way out that remembers what it took, and takes at most `room`. */
struct tape {
	struct io io;
	unsigned room, n, calls;
	const struct packet *packets[N_FRAMES];
};

static unsigned tape_tx(struct io *io, struct packet *const *packets, unsigned n)
{
	struct tape *t = (struct tape *)io;
	unsigned i;

	t->calls++;
	for (i = 0; i < n && t->n < t->room; i++)
		t->packets[t->n++] = packets[i];
	return i;
}

static const struct io_ops tape_ops = {.tx = tape_tx};

struct bench {
	struct frame_pool pool;
	struct stats stats;
	struct trace_set *traces;
	struct tape tapes[N_PORTS], kernel;
	struct port ports[N_PORTS];
	struct port leg; /* of a bridge over all ports */
	struct fdb *fdb;
	uint64_t blocked_until_ns[PORT_MAX];
	struct port_table *table;
	struct egress egress;
};

static int set_up(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	assert_int_equal(frame_pool_init(&b->pool, aligned_alloc(4096, N_FRAMES * FRAME_BYTES),
					 FRAME_BYTES, N_FRAMES), 0);
	b->traces = trace_set_new();
	b->table = port_table_new(0);
	for (unsigned i = 0; i < N_PORTS; i++) {
		b->tapes[i] = (struct tape){.io = {&tape_ops}, .room = N_FRAMES};
		b->ports[i] = (struct port){
			.number = (uint16_t)i, .up = true, .io = &b->tapes[i].io, .mtu = 1500,
			.bridge = PORT_NONE, .mirror = PORT_NONE,
		};
		b->table->ports[i] = &b->ports[i];
	}
	b->leg = (struct port){
		.number = LEG, .up = true, .mtu = 1500, .bridge = PORT_NONE, .mirror = PORT_NONE,
		.members = members, .n_members = N_PORTS,
	};
	b->table->ports[LEG] = &b->leg;
	b->table->n_ports = N_PORTS + 1;
	b->fdb = fdb_new(&(struct fdb_config){.capacity = 64, .port_max = 64});
	b->kernel = (struct tape){.io = {&tape_ops}, .room = N_FRAMES};
	b->egress = (struct egress){
		.pool = &b->pool, .stats = &b->stats, .traces = b->traces, .ports = b->table,
		.fdb = b->fdb, .blocked_until_ns = b->blocked_until_ns, .punt = &b->kernel.io,
	};
	*state = b;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *b = *state;

	free(b->pool.base);
	frame_pool_fini(&b->pool);
	port_table_free(b->table);
	fdb_free(b->fdb);
	trace_set_free(b->traces);
	free(b);
	return 0;
}

static struct packet *packet_for(struct bench *b, uint16_t port)
{
	struct packet *p = frame_get(&b->pool);

	p->len = 60;
	p->port_in = p->wire = 0;
	p->verdict = TO_EGRESS;
	p->decision.port_out = port;
	memset(p->data, 0, p->len);
	return p;
}

/* A bridged frame from the wire of a port, or from the leg (PORT_NONE), to that MAC. */
static struct packet *bridged(struct bench *b, uint16_t wire, struct mac to)
{
	struct packet *p = packet_for(b, LEG);

	p->wire = p->port_in = wire;
	p->flags = wire == PORT_NONE ? 0 : PACKET_FLOOD;
	packet_eth(p)->dst = to;
	return p;
}

static void expect_sent(const struct bench *b, unsigned n0, unsigned n1, unsigned n2)
{
	assert_int_equal(b->tapes[0].n, n0);
	assert_int_equal(b->tapes[1].n, n1);
	assert_int_equal(b->tapes[2].n, n2);
}

static void egress_packets_of_two_ports_keep_their_order(void **state)
{
	struct bench *b = *state;
	struct packet *sent[200];

	for (unsigned i = 0; i < 200; i++) {
		sent[i] = packet_for(b, i % 2 ? 2 : 1);
		egress_put(&b->egress, sent[i], 0);
	}
	egress_flush(&b->egress, 0);
	assert_int_equal(b->tapes[0].calls, 0);
	assert_int_equal(b->tapes[1].n, 100);
	assert_int_equal(b->tapes[2].n, 100);
	for (unsigned i = 0; i < 200; i++)
		assert_ptr_equal(b->tapes[i % 2 ? 2 : 1].packets[i / 2], sent[i]);
	assert_int_equal(b->stats.port[0].ends[SENT], 200);
	assert_int_equal(b->egress.n_touched, 0);
}

static void egress_full_ring_drops_the_rest_by_name(void **state)
{
	struct bench *b = *state;

	b->tapes[1].room = 5;
	for (unsigned i = 0; i < 8; i++)
		egress_put(&b->egress, packet_for(b, 1), 0);
	egress_flush(&b->egress, 0);
	assert_int_equal(b->stats.port[0].ends[SENT], 5);
	assert_int_equal(b->stats.port[0].ends[DROP_TX_FULL], 3);
	assert_int_equal(b->stats.port[1].tx_dropped, 3);
	assert_int_equal(b->pool.n_free, N_FRAMES - 5);
}

static void egress_port_down_or_gone_drops_by_name(void **state)
{
	struct bench *b = *state;

	b->ports[1].up = false;
	egress_put(&b->egress, packet_for(b, 1), 0);
	b->table->ports[2] = NULL;
	egress_put(&b->egress, packet_for(b, 2), 0);
	egress_flush(&b->egress, 0);
	assert_int_equal(b->stats.port[0].ends[DROP_PORT_DOWN], 2);
	assert_int_equal(b->tapes[1].calls, 0);
	assert_int_equal(b->pool.n_free, N_FRAMES);
}

static void egress_fragments_follow_their_first(void **state)
{
	struct bench *b = *state;
	struct packet *first = packet_for(b, 1), *second = packet_for(b, 1);
	struct packet *after = packet_for(b, 1);

	first->next = second;
	egress_put(&b->egress, first, 0);
	egress_put(&b->egress, after, 0);
	egress_flush(&b->egress, 0);
	assert_int_equal(b->tapes[1].n, 3);
	assert_ptr_equal(b->tapes[1].packets[0], first);
	assert_ptr_equal(b->tapes[1].packets[1], second);
	assert_ptr_equal(b->tapes[1].packets[2], after);
	assert_null(first->next);
}

static void egress_kernel_refusal_drops_one_and_goes_on(void **state)
{
	struct bench *b = *state;

	b->kernel.room = 0;
	egress_punt(&b->egress, packet_for(b, PORT_NONE), 0);
	egress_flush(&b->egress, 0);
	assert_int_equal(b->stats.port[0].ends[DROP_PUNT], 1);
	assert_int_equal(b->pool.n_free, N_FRAMES);
	b->kernel.room = 100;
	for (unsigned i = 0; i < 70; i++)
		egress_punt(&b->egress, packet_for(b, PORT_NONE), 0);
	egress_flush(&b->egress, 0);
	assert_int_equal(b->stats.port[0].ends[PUNTED], 70);
	assert_int_equal(b->kernel.n, 70);
}

static void egress_punts_of_each_port_within_its_rate(void **state)
{
	struct bench *b = *state;

	b->egress.punt_rate = 4;
	for (unsigned i = 0; i < 10; i++) {
		egress_punt(&b->egress, packet_for(b, PORT_NONE), NS_PER_S);
		struct packet *other = packet_for(b, PORT_NONE);
		other->wire = 1 + i % 2;
		egress_punt(&b->egress, other, NS_PER_S);
	}
	egress_flush(&b->egress, NS_PER_S);
	assert_int_equal(b->stats.port[0].ends[PUNTED], 4); /* a second's, at once */
	assert_int_equal(b->stats.port[0].ends[DROP_PUNT_RATE], 6);
	assert_int_equal(b->stats.port[1].ends[DROP_PUNT_RATE], 1);
	assert_int_equal(b->stats.port[2].ends[PUNTED], 4);
	assert_int_equal(b->kernel.n, 12);
	assert_int_equal(b->pool.n_free, N_FRAMES - 12);
	egress_punt(&b->egress, packet_for(b, PORT_NONE), NS_PER_S + NS_PER_S / 4);
	egress_punt(&b->egress, packet_for(b, PORT_NONE), NS_PER_S + NS_PER_S / 4);
	egress_flush(&b->egress, NS_PER_S + NS_PER_S / 4);
	assert_int_equal(b->stats.port[0].ends[PUNTED], 5);
	assert_int_equal(b->stats.port[0].ends[DROP_PUNT_RATE], 7);
}

static void egress_punts_a_turn_at_once_and_in_order(void **state)
{
	struct bench *b = *state;

	struct packet *sent[1000];

	for (unsigned i = 0; i < 1000; i++) {
		sent[i] = packet_for(b, PORT_NONE);
		egress_punt(&b->egress, sent[i], 0);
	}
	assert_int_equal(b->kernel.calls, 0);
	egress_flush(&b->egress, 0);
	assert_int_equal(b->kernel.calls, 1);
	for (unsigned i = 0; i < 1000; i++)
		assert_ptr_equal(b->kernel.packets[i], sent[i]);
	assert_int_equal(b->stats.port[0].ends[PUNTED], 1000);
}

static void egress_without_a_punt_lane_drops_by_name(void **state)
{
	struct bench *b = *state;

	b->egress.punt = NULL;
	egress_punt(&b->egress, packet_for(b, PORT_NONE), 0);
	egress_flush(&b->egress, 0);
	assert_int_equal(b->stats.port[0].ends[DROP_PUNT], 1);
}

static void egress_flood_leaves_by_all_but_its_wire(void **state)
{
	struct bench *b = *state;
	struct packet *p = bridged(b, 1, everyone);

	egress_put(&b->egress, p, 0);
	egress_flush(&b->egress, 0);
	expect_sent(b, 1, 0, 1);
	assert_ptr_equal(b->tapes[0].packets[0], p); /* the very frame: no copy */
	assert_ptr_equal(b->tapes[2].packets[0], p);
	assert_int_equal(p->refs, 2);
	assert_int_equal(b->stats.port[1].ends[SENT], 2);
	assert_int_equal(b->stats.created, 1);
	frame_put(&b->pool, p);
	assert_int_equal(b->pool.n_free, N_FRAMES - 1);
	frame_put(&b->pool, p);
	assert_int_equal(b->pool.n_free, N_FRAMES);
}

static void egress_flood_honours_flags_mtu_and_loop_guard(void **state)
{
	struct bench *b = *state;

	b->ports[0].flags = PORT_NO_FLOOD;
	egress_put(&b->egress, bridged(b, 1, station), 0);
	egress_flush(&b->egress, 0);
	expect_sent(b, 0, 0, 1); /* unknown unicast ... */
	egress_put(&b->egress, bridged(b, 1, everyone), 0);
	egress_flush(&b->egress, 0);
	expect_sent(b, 1, 0, 2); /* ... but a broadcast does */
	b->ports[1].flags = b->ports[2].flags = PORT_ISOLATED;
	egress_put(&b->egress, bridged(b, 1, everyone), 0);
	egress_flush(&b->egress, 0);
	expect_sent(b, 2, 0, 2);
	b->ports[2].flags = 0;
	b->ports[2].mtu = 40;
	egress_put(&b->egress, bridged(b, 1, everyone), 0);
	egress_flush(&b->egress, 0);
	expect_sent(b, 3, 0, 2);
	b->blocked_until_ns[0] = 100;
	egress_put(&b->egress, bridged(b, 1, everyone), 99);
	egress_flush(&b->egress, 99);
	expect_sent(b, 3, 0, 2);
	assert_int_equal(b->stats.port[1].ends[DROP_BRIDGE_NO_PORT], 1);
	egress_put(&b->egress, bridged(b, 1, everyone), 100);
	egress_flush(&b->egress, 100);
	expect_sent(b, 4, 0, 2);
}

static void egress_from_the_leg_finds_its_member_or_floods(void **state)
{
	struct bench *b = *state;
	uint16_t before;

	egress_put(&b->egress, bridged(b, PORT_NONE, station), 0);
	egress_flush(&b->egress, 0);
	expect_sent(b, 1, 1, 1);
	fdb_learn(b->fdb, LEG, station, 2, 1, &before);
	egress_put(&b->egress, bridged(b, PORT_NONE, station), 1);
	egress_flush(&b->egress, 1);
	expect_sent(b, 1, 1, 2);
	assert_int_equal(b->stats.port[PORT_MAX].ends[SENT], 4);
}

static void egress_full_ring_in_a_flood_ends_one_of_it(void **state)
{
	struct bench *b = *state;
	struct packet *p = bridged(b, 1, everyone);

	b->tapes[0].room = 0;
	egress_put(&b->egress, p, 0);
	egress_flush(&b->egress, 0);
	expect_sent(b, 0, 0, 1);
	assert_int_equal(b->stats.port[1].ends[SENT], 1);
	assert_int_equal(b->stats.port[1].ends[DROP_TX_FULL], 1);
	assert_int_equal(p->refs, 1);
}

static void egress_mirror_gets_a_copy_in_front_of_what_leaves(void **state)
{
	struct bench *b = *state;
	struct packet *p = packet_for(b, 1);

	b->ports[1].mirror = 2;
	memset(p->data, 0x5a, p->len);
	egress_put(&b->egress, p, 0);
	egress_flush(&b->egress, 0);
	expect_sent(b, 0, 1, 1);
	assert_ptr_not_equal(b->tapes[2].packets[0], p);
	assert_int_equal(b->tapes[2].packets[0]->len, p->len);
	assert_memory_equal(b->tapes[2].packets[0]->data, p->data, p->len);
	assert_int_equal(b->stats.created, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(egress_packets_of_two_ports_keep_their_order),
		TEST(egress_full_ring_drops_the_rest_by_name),
		TEST(egress_port_down_or_gone_drops_by_name),
		TEST(egress_fragments_follow_their_first),
		TEST(egress_flood_leaves_by_all_but_its_wire),
		TEST(egress_flood_honours_flags_mtu_and_loop_guard),
		TEST(egress_from_the_leg_finds_its_member_or_floods),
		TEST(egress_full_ring_in_a_flood_ends_one_of_it),
		TEST(egress_mirror_gets_a_copy_in_front_of_what_leaves),
		TEST(egress_kernel_refusal_drops_one_and_goes_on),
		TEST(egress_punts_of_each_port_within_its_rate),
		TEST(egress_punts_a_turn_at_once_and_in_order),
		TEST(egress_without_a_punt_lane_drops_by_name),
	};
	return cmocka_run_group_tests_name("egress", tests, NULL, NULL);
}
