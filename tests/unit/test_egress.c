/* SPDX-License-Identifier: BSD-2-Clause */
/* egress: order, grouping, full and missing ports, fragments, the kernel's share. */
#include "../../dataplane/egress.h"

#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define N_FRAMES 1024
#define FRAME_BYTES 2048

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
	struct tape tapes[3], kernel;
	struct port ports[3];
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
	for (unsigned i = 0; i < 3; i++) {
		b->tapes[i] = (struct tape){.io = {&tape_ops}, .room = N_FRAMES};
		b->ports[i] = (struct port){.number = (uint16_t)i, .up = true, .io = &b->tapes[i].io};
		b->table->ports[i] = &b->ports[i];
	}
	b->table->n_ports = 3;
	b->kernel = (struct tape){.io = {&tape_ops}, .room = N_FRAMES};
	b->egress = (struct egress){
		.pool = &b->pool, .stats = &b->stats, .traces = b->traces, .ports = b->table,
		.punt = &b->kernel.io,
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
	trace_set_free(b->traces);
	free(b);
	return 0;
}

static struct packet *packet_for(struct bench *b, uint16_t port)
{
	struct packet *p = frame_get(&b->pool);

	p->len = 60;
	p->port_in = 0;
	p->verdict = TO_EGRESS;
	p->decision.port_out = port;
	return p;
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
	struct packet *first = packet_for(b, 1), *second = packet_for(b, 1), *after = packet_for(b, 1);

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

static void egress_without_a_punt_lane_drops_by_name(void **state)
{
	struct bench *b = *state;

	b->egress.punt = NULL;
	egress_punt(&b->egress, packet_for(b, PORT_NONE), 0);
	egress_flush(&b->egress, 0);
	assert_int_equal(b->stats.port[0].ends[DROP_PUNT], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(egress_packets_of_two_ports_keep_their_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(egress_full_ring_drops_the_rest_by_name, set_up, tear_down),
		cmocka_unit_test_setup_teardown(egress_port_down_or_gone_drops_by_name, set_up, tear_down),
		cmocka_unit_test_setup_teardown(egress_fragments_follow_their_first, set_up, tear_down),
		cmocka_unit_test_setup_teardown(egress_kernel_refusal_drops_one_and_goes_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(egress_without_a_punt_lane_drops_by_name, set_up, tear_down),
	};
	return cmocka_run_group_tests_name("egress", tests, NULL, NULL);
}
