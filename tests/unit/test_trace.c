/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_trace - walks of chosen packets, first on one thread, where both sides' calls can be
 * put in any order, then with control and worker side by side.
 */
#include "../../dataplane/trace.h"

#include <errno.h>
#include <pcap.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { FRAME_SIZE = 256, N_PACKETS = 40 };

/* Packets of the same pool, as the worker has them: they outlive every set. */
struct pool {
	struct packet packets[N_PACKETS];
	uint8_t frames[N_PACKETS][FRAME_SIZE];
};

/* Makes packet i an ICMP datagram that says so in its TOS byte. */
static struct packet *arrive(struct pool *pool, unsigned i, uint8_t tos)
{
	struct packet *p = &pool->packets[i];
	struct eth_hdr eth = {.type = be16_from(ETH_IPV4)};
	struct ip4_hdr ip = {
		.version_ihl = 0x45,
		.tos = tos,
		.total_len = be16_from(84),
		.ttl = 64,
		.protocol = PROTO_ICMP,
		.src = be32_from(0xc0a80102),
		.dst = be32_from(0xc0a80002),
	};
	*p = (struct packet){.data = pool->frames[i], .len = 98, .port_in = (uint16_t)i};
	p->decision = (struct decision){.port_out = PORT_NONE, .route = ROUTE_NONE};
	for (unsigned k = 0; k < FRAME_SIZE; k++)
		p->data[k] = (uint8_t)(k ^ tos);
	memcpy(p->data, &eth, sizeof(eth));
	memcpy(p->data + sizeof(eth), &ip, sizeof(ip));
	return p;
}

/* A vector of the first n packets, newly arrived, TOS i for packet i. */
static struct vector arrive_all(struct pool *pool, unsigned n)
{
	struct vector v = {.n = n};
	assert_true(n <= N_PACKETS);
	for (unsigned i = 0; i < n; i++)
		v.p[i] = arrive(pool, i, (uint8_t)i);
	return v;
}

static void end_all(struct trace_set *set, const struct vector *v, enum verdict end,
		    uint64_t now_ns)
{
	for (unsigned i = 0; i < v->n; i++) {
		v->p[i]->verdict = (uint8_t)end;
		trace_end(set, v->p[i], now_ns);
	}
}

/* Arms with what libpcap makes of the expression. */
static int arm_expression(struct trace_set *set, const char *expression, unsigned count)
{
	struct bpf_program program;
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, 65535);
	assert_non_null(pcap);
	assert_int_equal(pcap_compile(pcap, &program, expression, 1, PCAP_NETMASK_UNKNOWN), 0);
	int error = trace_arm(set, program.bf_insns, program.bf_len, count);
	pcap_freecode(&program); /* the set has its own copy */
	pcap_close(pcap);
	return error;
}

static unsigned collect_all(struct trace_set *set)
{
	struct trace_walk walk;
	unsigned n = 0;
	while (trace_collect(set, &walk))
		n++;
	return n;
}

static unsigned count_followed(const struct vector *v)
{
	unsigned n = 0;
	for (unsigned i = 0; i < v->n; i++)
		n += v->p[i]->trace != 0;
	return n;
}

struct fixture {
	struct trace_set *set;
	struct pool pool;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	f->set = trace_set_new();
	assert_non_null(f->set);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	trace_set_free(f->set);
	trace_set_free(NULL);
	free(f);
	return 0;
}

static void trace_of_one_packet_tells_its_whole_walk(void **state)
{
	struct fixture *f = *state;
	struct trace_walk walk;
	struct vector v = {.n = 1, .p = {arrive(&f->pool, 7, 3)}};
	struct packet *p = v.p[0];
	p->flags = PACKET_PARTIAL;

	assert_int_equal(trace_arm(f->set, NULL, 0, 1), 0);
	trace_arrivals(f->set, &v, 1000);
	assert_int_not_equal(p->trace, 0);
	p->verdict = TO_IP4;
	trace_steps(f->set, TO_ETH, &v, 1000);
	p->verdict = TO_FIB;
	p->len = 90;
	trace_steps(f->set, TO_IP4, &v, 1100);
	p->verdict = TO_EGRESS;
	p->decision.port_out = 2;
	packet_ip4(p)->ttl = 63;
	trace_steps(f->set, TO_REWRITE, &v, 1250);
	assert_false(trace_collect(f->set, &walk)); /* still under way */
	p->verdict = SENT;
	trace_end(f->set, p, 1300);
	assert_int_equal(p->trace, 0);

	assert_true(trace_collect(f->set, &walk));
	assert_int_equal(walk.arrived_ns, 1000);
	assert_int_equal(walk.port_in, 7);
	assert_int_equal(walk.flags, PACKET_PARTIAL);
	assert_int_equal(walk.first_len, 98);
	assert_int_equal(walk.last_len, 90);
	assert_int_equal(walk.first[sizeof(struct eth_hdr) + 8], 64);
	assert_memory_equal(walk.last, p->data, 90);
	assert_int_equal(walk.last[90], 0); /* nothing of the frame behind the packet */
	const struct trace_step expected[] = {
		{.at_ns = 0, .room = TO_ETH, .verdict = TO_IP4, .ttl = 64, .len = 98},
		{.at_ns = 100, .room = TO_IP4, .verdict = TO_FIB, .ttl = 64, .len = 90},
		{.at_ns = 250, .room = TO_REWRITE, .verdict = TO_EGRESS, .ttl = 63, .len = 90},
		{.at_ns = 300, .room = TO_EGRESS, .verdict = SENT, .ttl = 63, .len = 90},
	};
	assert_int_equal(walk.n_steps, ARRAY_SIZE(expected));
	for (unsigned i = 0; i < walk.n_steps; i++) {
		const struct trace_step *step = &walk.steps[i];
		assert_int_equal(step->at_ns, expected[i].at_ns);
		assert_int_equal(step->room, expected[i].room);
		assert_int_equal(step->verdict, expected[i].verdict);
		assert_int_equal(step->ttl, expected[i].ttl);
		assert_int_equal(step->len, expected[i].len);
		assert_int_equal(step->decision.port_out, i < 2 ? PORT_NONE : 2);
	}
	assert_false(trace_collect(f->set, &walk));
}

static void trace_end_already_said_by_a_room_is_not_repeated(void **state)
{
	struct fixture *f = *state;
	struct trace_walk walk;
	struct vector v = arrive_all(&f->pool, 1);
	trace_arm(f->set, NULL, 0, 1);
	trace_arrivals(f->set, &v, 10);
	v.p[0]->verdict = DROP_IP4_TTL;
	trace_steps(f->set, TO_FIB, &v, 20);
	trace_end(f->set, v.p[0], 30);
	assert_true(trace_collect(f->set, &walk));
	assert_int_equal(walk.n_steps, 1);
	assert_int_equal(walk.steps[0].room, TO_FIB);
	assert_int_equal(walk.steps[0].verdict, DROP_IP4_TTL);
}

static void trace_held_packet_goes_on_with_its_walk(void **state)
{
	struct fixture *f = *state;
	struct trace_walk walk;
	struct vector none = {0}, v = arrive_all(&f->pool, 1);
	trace_arm(f->set, NULL, 0, 1);
	trace_arrivals(f->set, &v, 10);
	v.p[0]->verdict = HELD;
	trace_steps(f->set, TO_NEIGH, &v, 20);
	for (unsigned turn = 0; turn < 5; turn++) {
		assert_true(trace_armed(f->set)); /* or nobody would write its next step */
		trace_arrivals(f->set, &none, 1000 * turn);
	}
	v.p[0]->verdict = TO_REWRITE;
	trace_steps(f->set, TO_NEIGH, &v, 9000);
	end_all(f->set, &v, SENT, 9010);
	assert_true(trace_collect(f->set, &walk));
	assert_int_equal(walk.n_steps, 3);
	assert_int_equal(walk.steps[0].verdict, HELD);
	assert_int_equal(walk.steps[1].at_ns, 8990);
	assert_int_equal(walk.steps[2].room, TO_REWRITE);
	assert_int_equal(walk.steps[2].verdict, SENT);
}

static void trace_longer_than_its_room_keeps_the_end(void **state)
{
	struct fixture *f = *state;
	struct trace_walk walk;
	struct vector v = arrive_all(&f->pool, 1);
	trace_arm(f->set, NULL, 0, 1);
	trace_arrivals(f->set, &v, 0);
	v.p[0]->verdict = HELD;
	for (unsigned i = 0; i < 3 * TRACE_STEPS; i++)
		trace_steps(f->set, TO_NEIGH, &v, i);
	end_all(f->set, &v, DROP_NEIGH_FAILED, 7777);
	assert_true(trace_collect(f->set, &walk));
	assert_int_equal(walk.n_steps, TRACE_STEPS);
	assert_int_equal(walk.steps[0].at_ns, 0);
	assert_int_equal(walk.steps[TRACE_STEPS - 1].at_ns, 7777);
	assert_int_equal(walk.steps[TRACE_STEPS - 1].verdict, DROP_NEIGH_FAILED);
}

static void trace_keeps_the_first_bytes_of_a_long_frame(void **state)
{
	struct fixture *f = *state;
	struct trace_walk walk;
	struct vector v = arrive_all(&f->pool, 1);
	v.p[0]->len = FRAME_SIZE;
	trace_arm(f->set, NULL, 0, 1);
	trace_arrivals(f->set, &v, 0);
	end_all(f->set, &v, SENT, 1);
	assert_true(trace_collect(f->set, &walk));
	assert_int_equal(walk.first_len, FRAME_SIZE);
	assert_int_equal(walk.last_len, FRAME_SIZE);
	assert_memory_equal(walk.first, v.p[0]->data, TRACE_BYTES);
	assert_memory_equal(walk.last, v.p[0]->data, TRACE_BYTES);
}

static void trace_of_what_is_no_ipv4_shows_no_ttl(void **state)
{
	struct fixture *f = *state;
	struct trace_walk walk;
	struct vector v = arrive_all(&f->pool, 3);
	packet_eth(v.p[0])->type = be16_from(ETH_ARP);
	v.p[1]->len = sizeof(struct eth_hdr) + sizeof(struct ip4_hdr) - 1;
	v.p[2]->len = 0;
	trace_arm(f->set, NULL, 0, 3);
	trace_arrivals(f->set, &v, 0);
	end_all(f->set, &v, DROP_ETH_SHORT, 1);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(trace_collect(f->set, &walk));
		assert_int_equal(walk.n_steps, 1);
		assert_int_equal(walk.steps[0].room, TO_ETH);
		assert_int_equal(walk.steps[0].ttl, 0);
	}
}

static void trace_follows_as_many_as_asked_and_no_more(void **state)
{
	struct fixture *f = *state;
	for (unsigned count = 1; count <= TRACE_SLOTS; count++) {
		assert_int_equal(trace_arm(f->set, NULL, 0, count), 0);
		unsigned followed = 0;
		for (unsigned turn = 0; turn < 8; turn++) {
			struct vector v = arrive_all(&f->pool, 9);
			trace_arrivals(f->set, &v, turn);
			followed += count_followed(&v);
			end_all(f->set, &v, SENT, turn);
		}
		assert_int_equal(followed, count);
		assert_int_equal(collect_all(f->set), count);
		assert_false(trace_armed(f->set));
	}
}

static void trace_filter_chooses_the_packets(void **state)
{
	struct fixture *f = *state;
	struct trace_walk walk;
	struct vector v = arrive_all(&f->pool, 20);
	packet_ip4(v.p[4])->protocol = PROTO_UDP;
	packet_ip4(v.p[11])->protocol = PROTO_UDP;
	packet_ip4(v.p[19])->protocol = PROTO_UDP;
	v.p[12]->len = 0; /* too short for any load of the filter */
	assert_int_equal(arm_expression(f->set, "udp and src host 192.168.1.2", 2), 0);
	trace_arrivals(f->set, &v, 5);
	assert_int_equal(count_followed(&v), 2);
	end_all(f->set, &v, SENT, 6);
	assert_true(trace_collect(f->set, &walk));
	assert_int_equal(walk.port_in, 4);
	assert_true(trace_collect(f->set, &walk));
	assert_int_equal(walk.port_in, 11);
	assert_false(trace_collect(f->set, &walk));
}

static void trace_walks_are_collected_in_order_of_arrival(void **state)
{
	struct fixture *f = *state;
	struct trace_walk walk;
	struct vector v = arrive_all(&f->pool, TRACE_SLOTS);
	trace_arm(f->set, NULL, 0, TRACE_SLOTS);
	trace_arrivals(f->set, &v, 5);
	for (unsigned i = v.n; i-- > 0;) { /* the last to come is the first to go */
		v.p[i]->verdict = SENT;
		trace_end(f->set, v.p[i], 6);
	}
	for (unsigned i = 0; i < v.n; i++) {
		assert_true(trace_collect(f->set, &walk));
		assert_int_equal(walk.port_in, i);
	}
}

static void trace_bad_request_is_refused_and_changes_nothing(void **state)
{
	struct fixture *f = *state;
	const struct bpf_insn no_return = BPF_STMT(BPF_LD | BPF_IMM, 1);
	const struct bpf_insn jump_out[] = {BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 9, 9),
					    BPF_STMT(BPF_RET | BPF_K, 1)};
	struct vector v = arrive_all(&f->pool, 4);
	assert_int_equal(trace_arm(f->set, NULL, 0, 0), -EINVAL);
	assert_int_equal(trace_arm(f->set, NULL, 0, TRACE_SLOTS + 1), -EINVAL);
	assert_int_equal(trace_arm(f->set, &no_return, 1, 1), -EINVAL);
	assert_int_equal(trace_arm(f->set, jump_out, 2, 1), -EINVAL);
	assert_false(trace_armed(f->set));

	assert_int_equal(arm_expression(f->set, "icmp", 2), 0);
	assert_int_equal(trace_arm(f->set, jump_out, 2, 1), -EINVAL);
	trace_arrivals(f->set, &v, 1);
	assert_int_equal(count_followed(&v), 2);
}

static void trace_armed_again_drops_the_walks_of_before(void **state)
{
	struct fixture *f = *state;
	struct trace_walk walk;
	struct vector v = arrive_all(&f->pool, 3);
	trace_arm(f->set, NULL, 0, 3);
	trace_arrivals(f->set, &v, 1);
	v.p[0]->verdict = SENT;
	trace_end(f->set, v.p[0], 2); /* finished; 1 and 2 are still under way */

	assert_int_equal(arm_expression(f->set, "ip[1] = 9", 1), 0);
	assert_false(trace_collect(f->set, &walk));
	struct vector next = {.n = 1, .p = {arrive(&f->pool, 9, 9)}};
	trace_arrivals(f->set, &next, 3);
	end_all(f->set, &v, SENT, 4);
	end_all(f->set, &next, SENT, 5);
	assert_true(trace_collect(f->set, &walk));
	assert_int_equal(walk.port_in, 9);
	assert_false(trace_collect(f->set, &walk));
}

static void trace_armed_often_uses_the_last_request(void **state)
{
	struct fixture *f = *state;
	struct trace_walk walk;
	struct vector v = arrive_all(&f->pool, 16);
	for (unsigned i = 0; i < 16; i++) { /* the worker sees none of these but the last */
		char expression[32];
		snprintf(expression, sizeof(expression), "ip[1] = %u", i);
		assert_int_equal(arm_expression(f->set, expression, 1), 0);
	}
	trace_arrivals(f->set, &v, 1);
	assert_int_equal(count_followed(&v), 1);
	end_all(f->set, &v, SENT, 2);
	assert_true(trace_collect(f->set, &walk));
	assert_int_equal(walk.port_in, 15);
}

static void trace_disarmed_lets_walks_end(void **state)
{
	struct fixture *f = *state;
	struct vector v = arrive_all(&f->pool, 2), later;
	trace_arm(f->set, NULL, 0, 20);
	trace_arrivals(f->set, &v, 1);
	trace_disarm(f->set);
	assert_true(trace_armed(f->set)); /* two are under way */
	later = (struct vector){.n = 1, .p = {arrive(&f->pool, 2, 0)}};
	trace_arrivals(f->set, &later, 2);
	assert_int_equal(count_followed(&later), 0);
	end_all(f->set, &v, SENT, 3);
	trace_arrivals(f->set, &later, 4);
	assert_false(trace_armed(f->set));
	assert_int_equal(collect_all(f->set), 2);
}

static void trace_disarmed_before_the_worker_looked_follows_nothing(void **state)
{
	struct fixture *f = *state;
	struct vector v = arrive_all(&f->pool, 2);
	trace_disarm(f->set);
	trace_arm(f->set, NULL, 0, 2);
	trace_disarm(f->set);
	trace_arrivals(f->set, &v, 1);
	assert_int_equal(count_followed(&v), 0);
	assert_false(trace_armed(f->set));
}

static void trace_slots_in_use_make_new_packets_wait(void **state)
{
	struct fixture *f = *state;
	struct vector v = arrive_all(&f->pool, 30);
	trace_arm(f->set, NULL, 0, 30);
	trace_arrivals(f->set, &v, 1); /* still under way when armed again */
	trace_arm(f->set, NULL, 0, 10);
	struct vector more = {.n = 10};
	for (unsigned i = 0; i < more.n; i++)
		more.p[i] = arrive(&f->pool, 30 + i, 0);
	trace_arrivals(f->set, &more, 2);
	assert_int_equal(count_followed(&more), TRACE_SLOTS - 30);
	end_all(f->set, &v, SENT, 3);
	assert_int_equal(collect_all(f->set), 0); /* nobody waits for these any more */
	struct vector rest = {.n = 8};
	memcpy(rest.p, more.p + 2, 8 * sizeof(rest.p[0]));
	trace_arrivals(f->set, &rest, 4);
	end_all(f->set, &more, SENT, 5);
	assert_int_equal(collect_all(f->set), 10);
}

static void trace_packet_that_vanished_gives_its_slot_back(void **state)
{
	struct fixture *f = *state;
	trace_arm(f->set, NULL, 0, TRACE_SLOTS);
	struct vector v = arrive_all(&f->pool, TRACE_SLOTS);
	trace_arrivals(f->set, &v, 1);
	/* Their frames are taken back without an end, and arrive again with other packets. */
	v = arrive_all(&f->pool, TRACE_SLOTS);
	trace_arm(f->set, NULL, 0, TRACE_SLOTS);
	trace_arrivals(f->set, &v, 2);
	assert_int_equal(count_followed(&v), TRACE_SLOTS);
	end_all(f->set, &v, SENT, 3);
	assert_int_equal(collect_all(f->set), TRACE_SLOTS);
}

static void trace_without_followed_packets_ignores_all(void **state)
{
	struct fixture *f = *state;
	struct vector v = arrive_all(&f->pool, 3);
	trace_arrivals(f->set, &v, 1);
	trace_steps(f->set, TO_ETH, &v, 2);
	end_all(f->set, &v, SENT, 3);
	assert_int_equal(collect_all(f->set), 0);
	assert_false(trace_armed(f->set));
}

/* -- control and worker side by side -- */

struct worker {
	struct trace_set *set;
	struct pool pool;
	bool stop;
};

/* Turns of packets whose TOS is 0 to 7; each leaves as a frame that repeats its TOS. */
static void *work(void *arg)
{
	struct worker *w = arg;
	for (uint64_t now_ns = 1; !load_shared(&w->stop); now_ns += 10) {
		struct vector v = {.n = 8};
		for (unsigned i = 0; i < v.n; i++)
			v.p[i] = arrive(&w->pool, i, (uint8_t)i);
		if (!trace_armed(w->set)) {
			sched_yield();
			continue;
		}
		trace_arrivals(w->set, &v, now_ns);
		for (unsigned i = 0; i < v.n; i++)
			v.p[i]->verdict = TO_EGRESS;
		trace_steps(w->set, TO_REWRITE, &v, now_ns + 1);
		for (unsigned i = 0; i < v.n; i++)
			memset(v.p[i]->data + 40, (int)i, TRACE_BYTES - 40);
		end_all(w->set, &v, SENT, now_ns + 2);
	}
	return NULL;
}

/* The walk belongs to a packet with that TOS, all of it. */
static void check_walk(const struct trace_walk *walk, uint8_t tos)
{
	assert_int_equal(walk->first[sizeof(struct eth_hdr) + 1], tos);
	assert_int_equal(walk->port_in, tos);
	assert_int_equal(walk->n_steps, 2);
	assert_int_equal(walk->steps[0].at_ns, 1);
	assert_int_equal(walk->steps[1].at_ns, 2);
	assert_int_equal(walk->steps[1].verdict, SENT);
	for (unsigned i = 40; i < walk->last_len; i++)
		assert_int_equal(walk->last[i], tos);
}

static void trace_control_beside_a_running_worker_gets_only_what_it_asked_for(void **state)
{
	(void)state;
	static struct worker w;
	struct trace_walk walk;
	char expression[32];
	pthread_t thread;
	w.set = trace_set_new();
	assert_non_null(w.set);
	assert_int_equal(pthread_create(&thread, NULL, work, &w), 0);
	for (unsigned round = 0; round < 1000; round++) {
		unsigned count = 1 + round % TRACE_SLOTS;
		snprintf(expression, sizeof(expression), "ip[1] = %u", round % 8);
		assert_int_equal(arm_expression(w.set, expression, count), 0);
		for (unsigned i = 0; i < round % 5; i++)
			if (trace_collect(w.set, &walk))
				check_walk(&walk, round % 8);
		if (round % 3 == 0)
			trace_disarm(w.set);
	}
	assert_int_equal(arm_expression(w.set, "ip[1] = 5", TRACE_SLOTS), 0);
	for (unsigned n = 0; n < TRACE_SLOTS;) { /* the last request is served in full */
		if (trace_collect(w.set, &walk)) {
			check_walk(&walk, 5);
			n++;
		} else {
			sched_yield();
		}
	}
	store_shared(&w.stop, true);
	pthread_join(thread, NULL);
	assert_int_equal(collect_all(w.set), 0);
	trace_set_free(w.set);
}

#define traced(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		traced(trace_of_one_packet_tells_its_whole_walk),
		traced(trace_end_already_said_by_a_room_is_not_repeated),
		traced(trace_held_packet_goes_on_with_its_walk),
		traced(trace_longer_than_its_room_keeps_the_end),
		traced(trace_keeps_the_first_bytes_of_a_long_frame),
		traced(trace_of_what_is_no_ipv4_shows_no_ttl),
		traced(trace_follows_as_many_as_asked_and_no_more),
		traced(trace_filter_chooses_the_packets),
		traced(trace_walks_are_collected_in_order_of_arrival),
		traced(trace_bad_request_is_refused_and_changes_nothing),
		traced(trace_armed_again_drops_the_walks_of_before),
		traced(trace_armed_often_uses_the_last_request),
		traced(trace_disarmed_lets_walks_end),
		traced(trace_disarmed_before_the_worker_looked_follows_nothing),
		traced(trace_slots_in_use_make_new_packets_wait),
		traced(trace_packet_that_vanished_gives_its_slot_back),
		traced(trace_without_followed_packets_ignores_all),
		cmocka_unit_test(trace_control_beside_a_running_worker_gets_only_what_it_asked_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
