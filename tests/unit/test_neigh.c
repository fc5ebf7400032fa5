/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_neigh - every state and transition of the neighbour table under simulated time, its
 * bounds, what it forgets when it is full, control and worker at once, and a long random
 * sequence compared with a naive twin that searches one array for everything.
 */
#include "seed.h"

#include "../../dataplane/neigh.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define START_NS (1000 * NS_PER_S)
#define MS NS_PER_MS
#define S NS_PER_S

static const struct mac everyone = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

static be32 host(unsigned number) { return be32_from(0x0a000000 + number); }
static struct mac mac_number(unsigned number)
{
	return (struct mac){{2, 0, 0, 0, (uint8_t)(number >> 8), (uint8_t)number}};
}

/* -- the fixture: a table, its clock, and enough packets --------------------------------- */

#define N_PACKETS 256

struct bench {
	struct neigh_table *table;
	uint64_t now_ns;
	struct packet packets[N_PACKETS];
	unsigned n_packets;
	struct neigh_solicit due[64];
	struct mac mac; /* of the last resolve */
};

static struct bench *bench_new(struct neigh_config config)
{
	struct bench *b = calloc(1, sizeof(*b));
	assert_non_null(b);
	b->table = neigh_new(&config);
	assert_non_null(b->table);
	b->now_ns = START_NS;
	return b;
}

static void bench_free(struct bench *b)
{
	neigh_free(b->table);
	free(b);
}

static enum verdict resolve_on(struct bench *b, uint16_t port, unsigned number)
{
	struct packet *p = &b->packets[b->n_packets++];
	assert_true(b->n_packets < N_PACKETS);
	p->decision.port_out = port;
	p->decision.next_hop = host(number);
	memset(&b->mac, 0, sizeof(b->mac));
	return neigh_resolve(b->table, p, &b->mac, b->now_ns);
}
static enum verdict resolve(struct bench *b, unsigned number) { return resolve_on(b, 0, number); }

static bool learn(struct bench *b, unsigned number, unsigned mac, enum neigh_evidence evidence)
{
	return neigh_learn(b->table, 0, host(number), mac_number(mac), evidence, b->now_ns);
}

static unsigned poll_at(struct bench *b, uint64_t now_ns)
{
	b->now_ns = now_ns;
	return neigh_poll(b->table, now_ns, b->due, ARRAY_SIZE(b->due));
}
static unsigned poll_after(struct bench *b, uint64_t ns) { return poll_at(b, b->now_ns + ns); }

struct sought {
	struct neigh_info info;
	uint16_t port;
	be32 address;
	unsigned n_found;
};

static void seek(const struct neigh_info *info, void *arg)
{
	struct sought *sought = arg;
	if (info->port != sought->port || !be32_equal(info->address, sought->address))
		return;
	sought->info = *info;
	sought->n_found++;
}

/* What the table shows of a neighbour; N_NEIGH_STATES: nothing. */
static struct neigh_info info_on(struct bench *b, uint16_t port, unsigned number)
{
	struct sought sought = {.port = port, .address = host(number)};
	sought.info.state = N_NEIGH_STATES;
	neigh_walk(b->table, seek, &sought);
	assert_true(sought.n_found <= 1);
	return sought.info;
}
static struct neigh_info info(struct bench *b, unsigned number) { return info_on(b, 0, number); }
static enum neigh_state state_on(struct bench *b, uint16_t port, unsigned number)
{
	return info_on(b, port, number).state;
}
static enum neigh_state state(struct bench *b, unsigned number) { return state_on(b, 0, number); }

static void assert_mac(struct mac mac, struct mac expected)
{
	assert_memory_equal(mac.b, expected.b, sizeof(mac.b));
}
static void assert_due(const struct bench *b, unsigned i, unsigned number, struct mac mac)
{
	assert_int_equal(b->due[i].port, 0);
	assert_true(be32_equal(b->due[i].address, host(number)));
	assert_mac(b->due[i].mac, mac);
}

/* Makes a REACHABLE neighbour that has been used. */
static void make_reachable(struct bench *b, unsigned number, unsigned mac)
{
	assert_int_equal(resolve(b, number), HELD);
	assert_true(learn(b, number, mac, NEIGH_REPLY));
	assert_non_null(neigh_released(b->table));
	assert_int_equal(poll_after(b, 0), 0);
	assert_int_equal(state(b, number), NEIGH_REACHABLE);
}

/* Makes it STALE, without a use. */
static void make_stale(struct bench *b, unsigned number, unsigned mac)
{
	make_reachable(b, number, mac);
	assert_int_equal(poll_after(b, 30 * S), 0);
	assert_int_equal(state(b, number), NEIGH_STALE);
}

/* Takes an unanswered one from asking to FAILED; its packets are let go. */
static void let_fail(struct bench *b, unsigned number)
{
	while (state(b, number) != NEIGH_FAILED)
		poll_after(b, S);
	while (neigh_released(b->table))
		;
}

/* -- states ----------------------------------------------------------------------------- */

static void neigh_first_packet_is_held_and_asks_by_broadcast(void **unused)
{
	(void)unused;
	struct bench *b = bench_new((struct neigh_config){0});
	assert_true(neigh_next(b->table) == UINT64_MAX);
	assert_int_equal(resolve(b, 2), HELD);
	assert_int_equal(state(b, 2), NEIGH_INCOMPLETE);
	assert_int_equal(info(b, 2).queued, 1);
	assert_true(neigh_next(b->table) == START_NS);
	assert_int_equal(poll_after(b, 0), 1);
	assert_due(b, 0, 2, everyone);
	assert_true(neigh_next(b->table) == START_NS + S);
	assert_int_equal(poll_at(b, START_NS + S - 1), 0);
	assert_int_equal(poll_at(b, START_NS + S), 1);
	bench_free(b);
}

static void neigh_reply_releases_in_order_and_resolves(void **unused)
{
	(void)unused;
	struct bench *b = bench_new((struct neigh_config){0});
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(resolve(b, 2), HELD);
	assert_null(neigh_released(b->table));
	assert_true(learn(b, 2, 7, NEIGH_REPLY));
	for (unsigned i = 0; i < 3; i++) {
		struct packet *p = neigh_released(b->table);
		assert_ptr_equal(p, &b->packets[i]);
		assert_int_equal(p->verdict, TO_NEIGH);
		assert_null(p->next);
	}
	assert_null(neigh_released(b->table));
	assert_int_equal(resolve(b, 2), TO_REWRITE);
	assert_mac(b->mac, mac_number(7));
	assert_int_equal(state(b, 2), NEIGH_REACHABLE);
	assert_true(info(b, 2).confirmed_ns == START_NS);
	assert_true(info(b, 2).used_ns == START_NS);
	assert_int_equal(info(b, 2).queued, 0);
	bench_free(b);
}

static void neigh_unanswered_fails_after_three_broadcasts(void **unused)
{
	(void)unused;
	struct bench *b = bench_new((struct neigh_config){0});
	assert_int_equal(resolve(b, 2), HELD);
	assert_int_equal(resolve(b, 2), HELD);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(poll_at(b, START_NS + i * S), 1);
		assert_due(b, 0, 2, everyone);
	}
	assert_int_equal(state(b, 2), NEIGH_INCOMPLETE);
	assert_int_equal(poll_at(b, START_NS + 3 * S), 0);
	assert_int_equal(state(b, 2), NEIGH_FAILED);
	for (unsigned i = 0; i < 2; i++) {
		struct packet *p = neigh_released(b->table);
		assert_ptr_equal(p, &b->packets[i]);
		assert_int_equal(p->verdict, DROP_NEIGH_FAILED);
	}
	assert_null(neigh_released(b->table));
	bench_free(b);
}

static void neigh_failed_drops_for_a_second_then_asks_again(void **unused)
{
	(void)unused;
	struct bench *b = bench_new((struct neigh_config){0});
	assert_int_equal(resolve(b, 2), HELD);
	let_fail(b, 2);
	assert_int_equal(resolve(b, 2), DROP_NEIGH_FAILED);
	b->now_ns += S - 1;
	assert_int_equal(resolve(b, 2), DROP_NEIGH_FAILED);
	assert_int_equal(poll_after(b, 0), 0);
	b->now_ns += 1;
	assert_int_equal(resolve(b, 2), HELD);
	assert_int_equal(state(b, 2), NEIGH_INCOMPLETE);
	assert_int_equal(poll_after(b, 0), 1);
	bench_free(b);
}

static void neigh_failed_is_forgotten_after_a_minute(void **unused)
{
	(void)unused;
	struct bench *b = bench_new((struct neigh_config){0});
	assert_int_equal(resolve(b, 2), HELD);
	let_fail(b, 2);
	uint64_t failed_ns = b->now_ns;
	assert_true(neigh_next(b->table) == failed_ns + 60 * S);
	poll_at(b, failed_ns + 60 * S - 1);
	assert_int_equal(neigh_count(b->table), 1);
	poll_at(b, failed_ns + 60 * S);
	assert_int_equal(neigh_count(b->table), 0);
	assert_int_equal(state(b, 2), N_NEIGH_STATES);
	assert_true(neigh_next(b->table) == UINT64_MAX);
	bench_free(b);
}

static void neigh_failed_that_replies_is_reachable(void **unused)
{
	(void)unused;
	struct bench *b = bench_new((struct neigh_config){0});
	assert_int_equal(resolve(b, 2), HELD);
	let_fail(b, 2);
	assert_mac(info(b, 2).mac, (struct mac){{0}});
	assert_true(learn(b, 2, 7, NEIGH_REPLY));
	assert_int_equal(resolve(b, 2), TO_REWRITE);
	assert_mac(b->mac, mac_number(7));
	bench_free(b);
}

static void neigh_reachable_grows_stale_in_thirty_seconds(void **unused)
{
	(void)unused;
	struct bench *b = bench_new((struct neigh_config){0});
	make_reachable(b, 2, 7);
	assert_true(neigh_next(b->table) == START_NS + 30 * S);
	poll_at(b, START_NS + 30 * S - 1);
	assert_int_equal(state(b, 2), NEIGH_REACHABLE);
	poll_at(b, START_NS + 30 * S);
	assert_int_equal(state(b, 2), NEIGH_STALE);
	assert_mac(info(b, 2).mac, mac_number(7));
	assert_true(info(b, 2).confirmed_ns == START_NS);
	bench_free(b);
}

static void neigh_reachable_confirmed_again_lasts_from_then(void **unused)
{
	(void)unused;
	struct bench *b = bench_new((struct neigh_config){0});
	make_reachable(b, 2, 7);
	b->now_ns += 20 * S;
	assert_true(learn(b, 2, 7, NEIGH_REPLY));
	poll_at(b, START_NS + 50 * S - 1);
	assert_int_equal(state(b, 2), NEIGH_REACHABLE);
	poll_at(b, START_NS + 50 * S);
	assert_int_equal(state(b, 2), NEIGH_STALE);
	bench_free(b);
}

static void neigh_stale_unused_is_forgotten_after_a_minute(void **unused)
{
	(void)unused;
	struct bench *b = bench_new((struct neigh_config){0});
	make_stale(b, 2, 7);
	poll_after(b, 60 * S - 1);
	assert_int_equal(state(b, 2), NEIGH_STALE);
	poll_after(b, 1);
	assert_int_equal(neigh_count(b->table), 0);
	bench_free(b);
}

static void neigh_stale_is_used_and_probed_by_unicast(void **unused)
{
	(void)unused;
	struct bench *b = bench_new((struct neigh_config){0});
	make_stale(b, 2, 7);
	assert_int_equal(resolve(b, 2), TO_REWRITE);
	assert_mac(b->mac, mac_number(7));
	assert_int_equal(state(b, 2), NEIGH_PROBE);
	assert_int_equal(poll_after(b, 0), 1);
	assert_due(b, 0, 2, mac_number(7));
	assert_int_equal(resolve(b, 2), TO_REWRITE);
	assert_true(learn(b, 2, 7, NEIGH_REPLY));
	assert_int_equal(state(b, 2), NEIGH_REACHABLE);
	assert_int_equal(poll_after(b, S), 0);
	bench_free(b);
}

static void neigh_probe_unanswered_broadcasts_then_fails(void **unused)
{
	(void)unused;
	struct bench *b = bench_new((struct neigh_config){0});
	make_stale(b, 2, 7);
	assert_int_equal(resolve(b, 2), TO_REWRITE);
	uint64_t used_ns = b->now_ns;
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(poll_at(b, used_ns + i * S), 1);
		assert_due(b, 0, 2, i < 3 ? mac_number(7) : everyone);
		assert_int_equal(resolve(b, 2), TO_REWRITE);
	}
	assert_int_equal(poll_at(b, used_ns + 6 * S), 0);
	assert_int_equal(state(b, 2), NEIGH_FAILED);
	assert_int_equal(resolve(b, 2), DROP_NEIGH_FAILED);
	assert_null(neigh_released(b->table));
	bench_free(b);
}

static void neigh_state_names_are_those_of_ip_neigh(void **unused)
{
	(void)unused;
	assert_string_equal(neigh_state_name(NEIGH_INCOMPLETE), "incomplete");
	assert_string_equal(neigh_state_name(NEIGH_STATIC), "static");
	for (unsigned i = 0; i < N_NEIGH_STATES; i++)
		assert_non_null(neigh_state_name(i));
}

/* -- evidence --------------------------------------------------------------------------- */

static void neigh_asked_creates_stale_and_completes(void **unused)
{
	(void)unused;
	struct bench *b = bench_new((struct neigh_config){0});
	assert_true(learn(b, 2, 7, NEIGH_ASKED_US));
	assert_int_equal(state(b, 2), NEIGH_STALE);
	assert_true(info(b, 2).confirmed_ns == 0 && info(b, 2).used_ns == 0);
	assert_int_equal(poll_after(b, 0), 0);
	assert_int_equal(resolve(b, 3), HELD);
	assert_true(learn(b, 3, 8, NEIGH_ASKED_US));
	assert_ptr_equal(neigh_released(b->table), &b->packets[0]);
	assert_int_equal(state(b, 3), NEIGH_STALE);
	bench_free(b);
}

static void neigh_reply_and_heard_create_nothing(void **unused)
{
	(void)unused;
	struct bench *b = bench_new((struct neigh_config){0});
	assert_false(learn(b, 2, 7, NEIGH_REPLY));
	assert_false(learn(b, 2, 7, NEIGH_HEARD));
	assert_int_equal(neigh_count(b->table), 0);
	bench_free(b);
}

static void neigh_heard_changes_the_mac_but_confirms_nothing(void **unused)
{
	(void)unused;
	struct bench *b = bench_new((struct neigh_config){0});
	make_reachable(b, 2, 7);
	b->now_ns += 10 * S;
	assert_true(learn(b, 2, 7, NEIGH_HEARD));
	assert_int_equal(state(b, 2), NEIGH_REACHABLE);
	assert_true(info(b, 2).confirmed_ns == START_NS);
	assert_true(learn(b, 2, 8, NEIGH_HEARD));
	assert_int_equal(state(b, 2), NEIGH_STALE);
	assert_mac(info(b, 2).mac, mac_number(8));
	assert_true(info(b, 2).confirmed_ns == 0);
	assert_true(learn(b, 2, 8, NEIGH_HEARD));
	assert_int_equal(state(b, 2), NEIGH_STALE);
	bench_free(b);
}

static void neigh_heard_completes_what_is_being_asked(void **unused)
{
	(void)unused;
	struct bench *b = bench_new((struct neigh_config){0});
	assert_int_equal(resolve(b, 2), HELD);
	assert_true(learn(b, 2, 7, NEIGH_HEARD));
	assert_int_equal(state(b, 2), NEIGH_STALE);
	struct packet *p = neigh_released(b->table);
	assert_ptr_equal(p, &b->packets[0]);
	assert_int_equal(neigh_resolve(b->table, p, &b->mac, b->now_ns), TO_REWRITE);
	assert_int_equal(state(b, 2), NEIGH_PROBE);
	bench_free(b);
}

static void neigh_asked_by_another_mac_changes_it_to_stale(void **unused)
{
	(void)unused;
	struct bench *b = bench_new((struct neigh_config){0});
	make_reachable(b, 2, 7);
	assert_true(learn(b, 2, 7, NEIGH_ASKED_US));
	assert_int_equal(state(b, 2), NEIGH_REACHABLE);
	assert_true(learn(b, 2, 8, NEIGH_ASKED_US));
	assert_int_equal(state(b, 2), NEIGH_STALE);
	assert_mac(info(b, 2).mac, mac_number(8));
	bench_free(b);
}

static void neigh_asked_again_keeps_a_stale_one(void **unused)
{
	(void)unused;
	struct bench *b = bench_new((struct neigh_config){0});
	assert_true(learn(b, 2, 7, NEIGH_ASKED_US));
	poll_after(b, 40 * S);
	assert_true(learn(b, 2, 7, NEIGH_ASKED_US));
	poll_after(b, 60 * S - 1);
	assert_int_equal(state(b, 2), NEIGH_STALE);
	poll_after(b, 1);
	assert_int_equal(neigh_count(b->table), 0);
	bench_free(b);
}

static void neigh_second_reply_within_a_second_is_ignored(void **unused)
{
	(void)unused;
	struct bench *b = bench_new((struct neigh_config){0});
	make_reachable(b, 2, 7);
	b->now_ns += S - 1;
	assert_false(learn(b, 2, 8, NEIGH_REPLY));
	assert_mac(info(b, 2).mac, mac_number(7));
	b->now_ns += 1;
	assert_true(learn(b, 2, 8, NEIGH_REPLY));
	assert_mac(info(b, 2).mac, mac_number(8));
	assert_int_equal(state(b, 2), NEIGH_REACHABLE);
	bench_free(b);
}

static void neigh_used_time_is_exact_to_a_second(void **unused)
{
	(void)unused;
	struct bench *b = bench_new((struct neigh_config){0});
	make_reachable(b, 2, 7);
	b->now_ns += S - 1;
	assert_int_equal(resolve(b, 2), TO_REWRITE);
	assert_true(info(b, 2).used_ns == START_NS);
	b->now_ns += 1;
	assert_int_equal(resolve(b, 2), TO_REWRITE);
	assert_true(info(b, 2).used_ns == START_NS + S);
	bench_free(b);
}

/* -- bounds ----------------------------------------------------------------------------- */

static void neigh_queue_full_drops_the_newest(void **unused)
{
	(void)unused;
	struct bench *b = bench_new((struct neigh_config){.queue_max = 2, .held_max = 3});
	assert_int_equal(resolve(b, 2), HELD);
	assert_int_equal(resolve(b, 2), HELD);
	assert_int_equal(resolve(b, 2), DROP_NEIGH_QUEUE);
	assert_int_equal(resolve(b, 3), HELD);
	assert_int_equal(resolve(b, 4), DROP_NEIGH_QUEUE); /* three wait in all */
	assert_int_equal(state(b, 4), NEIGH_INCOMPLETE);   /* but it is asked for */
	assert_int_equal(poll_after(b, 0), 3);
	assert_true(learn(b, 2, 7, NEIGH_REPLY));
	assert_ptr_equal(neigh_released(b->table), &b->packets[0]);
	assert_ptr_equal(neigh_released(b->table), &b->packets[1]);
	assert_null(neigh_released(b->table));
	assert_int_equal(resolve(b, 4), HELD);
	bench_free(b);
}

static void neigh_poll_with_little_room_sends_the_rest_later(void **unused)
{
	(void)unused;
	struct bench *b = bench_new((struct neigh_config){0});
	struct neigh_solicit one;
	for (unsigned i = 2; i < 5; i++)
		assert_int_equal(resolve(b, i), HELD);
	for (unsigned i = 2; i < 5; i++) {
		assert_true(neigh_next(b->table) <= b->now_ns);
		assert_int_equal(neigh_poll(b->table, b->now_ns, &one, 1), 1);
		assert_true(be32_equal(one.address, host(i)));
	}
	assert_int_equal(neigh_poll(b->table, b->now_ns, &one, 1), 0);
	assert_true(neigh_next(b->table) == START_NS + S);
	bench_free(b);
}

static void neigh_same_address_on_two_ports_is_two_neighbours(void **unused)
{
	(void)unused;
	struct bench *b = bench_new((struct neigh_config){0});
	assert_int_equal(neigh_add(b->table, 1, host(2), mac_number(1)), 0);
	assert_int_equal(neigh_add(b->table, 255, host(2), mac_number(2)), 0);
	assert_int_equal(resolve_on(b, 1, 2), TO_REWRITE);
	assert_mac(b->mac, mac_number(1));
	assert_int_equal(resolve_on(b, 255, 2), TO_REWRITE);
	assert_mac(b->mac, mac_number(2));
	assert_int_equal(resolve_on(b, 0, 2), HELD);
	bench_free(b);
}

static void neigh_full_of_askers_refuses(void **unused)
{
	(void)unused;
	struct bench *b = bench_new((struct neigh_config){.capacity = 4});
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(resolve(b, i), HELD);
	assert_int_equal(resolve(b, 4), DROP_NEIGH_TABLE);
	assert_false(learn(b, 4, 7, NEIGH_ASKED_US));
	assert_int_equal(neigh_add(b->table, 0, host(4), mac_number(7)), -ENOSPC);
	assert_int_equal(neigh_count(b->table), 4);
	bench_free(b);
}

static void neigh_full_forgets_the_oldest_failed(void **unused)
{
	(void)unused;
	struct bench *b = bench_new((struct neigh_config){.capacity = 3});
	make_reachable(b, 9, 9);
	assert_int_equal(resolve(b, 2), HELD);
	poll_after(b, 0);
	b->now_ns += MS;
	assert_int_equal(resolve(b, 3), HELD);
	let_fail(b, 3);
	assert_int_equal(state(b, 2), NEIGH_FAILED);
	assert_int_equal(resolve(b, 4), HELD);
	assert_int_equal(state(b, 2), N_NEIGH_STATES);
	assert_int_equal(state(b, 3), NEIGH_FAILED);
	assert_int_equal(state(b, 9), NEIGH_REACHABLE);
	bench_free(b);
}

static void neigh_flood_of_askers_costs_no_used_neighbour(void **unused)
{
	(void)unused;
	struct bench *b = bench_new((struct neigh_config){.capacity = 64, .port_max = 8});
	make_stale(b, 2, 7);
	make_reachable(b, 3, 8);
	for (unsigned i = 100; i < 200; i++)
		assert_true(learn(b, i, i, NEIGH_ASKED_US));
	assert_int_equal(neigh_count(b->table), 8);
	assert_int_equal(state(b, 2), NEIGH_STALE);
	assert_int_equal(state(b, 3), NEIGH_REACHABLE);
	for (unsigned i = 194; i < 200; i++)
		assert_int_equal(state(b, i), NEIGH_STALE);
	bench_free(b);
}

static void neigh_full_port_evicts_a_used_one_only_when_long_unused(void **unused)
{
	(void)unused;
	struct bench *b = bench_new((struct neigh_config){.port_max = 1, .reachable_ns = 10 * S});
	make_reachable(b, 2, 7);
	b->now_ns += 5 * S;
	assert_int_equal(resolve(b, 2), TO_REWRITE);
	poll_at(b, START_NS + 10 * S);
	assert_int_equal(state(b, 2), NEIGH_STALE);
	poll_at(b, START_NS + 15 * S - 1);
	assert_int_equal(resolve(b, 3), DROP_NEIGH_TABLE);
	poll_after(b, 1);
	assert_int_equal(resolve(b, 3), HELD);
	assert_int_equal(state(b, 2), N_NEIGH_STATES);
	bench_free(b);
}

static void neigh_scan_of_one_port_leaves_the_others_alone(void **unused)
{
	(void)unused;
	struct bench *b = bench_new((struct neigh_config){.capacity = 8, .port_max = 4});
	make_stale(b, 2, 7);                              /* port 0: used, idle */
	assert_true(learn(b, 3, 8, NEIGH_ASKED_US));      /* port 0: never used */
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(resolve_on(b, 1, i), HELD);
	assert_int_equal(resolve_on(b, 1, 4), DROP_NEIGH_TABLE); /* port 1 has its share */
	for (unsigned i = 0; i < 3; i++) /* the third takes the place of what port 0 never used */
		assert_int_equal(resolve_on(b, 2, i), HELD);
	assert_int_equal(state(b, 3), N_NEIGH_STATES);
	assert_int_equal(resolve_on(b, 2, 3), DROP_NEIGH_TABLE);
	assert_int_equal(state(b, 2), NEIGH_STALE);
	bench_free(b);
}

/* -- control ---------------------------------------------------------------------------- */

static void neigh_static_is_used_and_never_changes(void **unused)
{
	(void)unused;
	struct bench *b = bench_new((struct neigh_config){0});
	assert_int_equal(neigh_add(b->table, 0, host(2), mac_number(7)), 0);
	assert_int_equal(resolve(b, 2), TO_REWRITE);
	assert_mac(b->mac, mac_number(7));
	for (unsigned evidence = NEIGH_ASKED_US; evidence <= NEIGH_HEARD; evidence++)
		assert_false(learn(b, 2, 8, evidence));
	assert_int_equal(poll_after(b, 1000 * S), 0);
	assert_int_equal(state(b, 2), NEIGH_STATIC);
	assert_int_equal(neigh_add(b->table, 0, host(2), mac_number(9)), 0);
	assert_int_equal(resolve(b, 2), TO_REWRITE);
	assert_mac(b->mac, mac_number(9));
	assert_int_equal(neigh_count(b->table), 1);
	bench_free(b);
}

static void neigh_static_over_a_learnt_one_outlives_its_timers(void **unused)
{
	(void)unused;
	struct bench *b = bench_new((struct neigh_config){0});
	make_reachable(b, 2, 7);
	assert_int_equal(neigh_add(b->table, 0, host(2), mac_number(9)), 0);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(poll_after(b, 60 * S), 0);
	assert_int_equal(state(b, 2), NEIGH_STATIC);
	assert_true(info(b, 2).confirmed_ns == 0);
	assert_true(neigh_next(b->table) == UINT64_MAX);
	bench_free(b);
}

static void neigh_static_over_incomplete_releases_with_the_next_poll(void **unused)
{
	(void)unused;
	struct bench *b = bench_new((struct neigh_config){0});
	assert_int_equal(resolve(b, 2), HELD);
	assert_int_equal(poll_after(b, 0), 1);
	assert_int_equal(neigh_add(b->table, 0, host(2), mac_number(7)), 0);
	assert_null(neigh_released(b->table));
	assert_true(neigh_next(b->table) == 0);
	assert_int_equal(poll_after(b, 0), 0);
	struct packet *p = neigh_released(b->table);
	assert_ptr_equal(p, &b->packets[0]);
	assert_int_equal(p->verdict, TO_NEIGH);
	assert_int_equal(neigh_resolve(b->table, p, &b->mac, b->now_ns), TO_REWRITE);
	bench_free(b);
}

static void neigh_del_with_a_queue_fails_its_packets(void **unused)
{
	(void)unused;
	struct bench *b = bench_new((struct neigh_config){.capacity = 1});
	assert_int_equal(resolve(b, 2), HELD);
	assert_int_equal(resolve(b, 2), HELD);
	assert_int_equal(neigh_del(b->table, 0, host(2)), 0);
	assert_int_equal(neigh_del(b->table, 0, host(2)), -ENOENT);
	assert_int_equal(neigh_count(b->table), 0);
	assert_int_equal(state(b, 2), N_NEIGH_STATES);
	assert_false(learn(b, 2, 7, NEIGH_REPLY));
	assert_null(neigh_released(b->table));
	assert_int_equal(poll_after(b, 0), 0);
	for (unsigned i = 0; i < 2; i++) {
		struct packet *p = neigh_released(b->table);
		assert_ptr_equal(p, &b->packets[i]);
		assert_int_equal(p->verdict, DROP_NEIGH_FAILED);
	}
	assert_null(neigh_released(b->table));
	assert_int_equal(resolve(b, 3), HELD); /* its place is free again */
	bench_free(b);
}

static void neigh_del_then_wanted_again_before_the_poll_is_asked_anew(void **unused)
{
	(void)unused;
	struct bench *b = bench_new((struct neigh_config){0});
	assert_int_equal(resolve(b, 2), HELD);
	poll_after(b, 0);
	assert_int_equal(neigh_del(b->table, 0, host(2)), 0);
	assert_int_equal(resolve(b, 2), HELD);
	assert_int_equal(neigh_count(b->table), 1);
	assert_int_equal(poll_after(b, 0), 1);
	assert_ptr_equal(neigh_released(b->table), &b->packets[0]);
	assert_null(neigh_released(b->table));
	assert_true(learn(b, 2, 7, NEIGH_REPLY));
	assert_ptr_equal(neigh_released(b->table), &b->packets[1]);
	bench_free(b);
}

static void neigh_del_without_a_queue_frees_at_once(void **unused)
{
	(void)unused;
	struct bench *b = bench_new((struct neigh_config){.capacity = 1});
	make_reachable(b, 2, 7);
	assert_int_equal(neigh_del(b->table, 0, host(2)), 0);
	assert_int_equal(neigh_add(b->table, 3, host(3), mac_number(8)), 0);
	assert_int_equal(poll_after(b, 60 * S), 0); /* the timer of the entry's former life */
	assert_int_equal(state_on(b, 3, 3), NEIGH_STATIC);
	bench_free(b);
}

static void neigh_add_to_a_full_table_forgets_what_is_no_loss_first(void **unused)
{
	(void)unused;
	struct bench *b = bench_new((struct neigh_config){.capacity = 3});
	make_stale(b, 2, 7);
	make_reachable(b, 3, 8);
	assert_true(learn(b, 4, 9, NEIGH_ASKED_US));
	assert_int_equal(neigh_add(b->table, 0, host(5), mac_number(5)), 0);
	assert_int_equal(state(b, 4), N_NEIGH_STATES);
	assert_int_equal(neigh_add(b->table, 0, host(6), mac_number(6)), 0);
	assert_int_equal(state(b, 2), N_NEIGH_STATES);
	assert_int_equal(neigh_add(b->table, 0, host(7), mac_number(7)), -ENOSPC);
	assert_int_equal(state(b, 3), NEIGH_REACHABLE);
	bench_free(b);
}

static void neigh_static_ones_do_not_count_against_the_port(void **unused)
{
	(void)unused;
	struct bench *b = bench_new((struct neigh_config){.port_max = 1});
	assert_int_equal(neigh_add(b->table, 0, host(2), mac_number(2)), 0);
	assert_int_equal(neigh_add(b->table, 0, host(3), mac_number(3)), 0);
	assert_int_equal(resolve(b, 4), HELD);
	assert_int_equal(resolve(b, 5), DROP_NEIGH_TABLE);
	assert_int_equal(neigh_add(b->table, 0, host(4), mac_number(4)), 0);
	assert_int_equal(resolve(b, 5), HELD);
	bench_free(b);
}

static void neigh_flush_takes_one_port_or_all_and_statics_if_asked(void **unused)
{
	(void)unused;
	struct bench *b = bench_new((struct neigh_config){0});
	assert_int_equal(neigh_add(b->table, 0, host(2), mac_number(2)), 0);
	assert_int_equal(resolve_on(b, 0, 3), HELD);
	assert_int_equal(resolve_on(b, 1, 3), HELD);
	assert_int_equal(neigh_flush(b->table, 0, false), 1);
	assert_int_equal(neigh_flush(b->table, 0, false), 0);
	assert_int_equal(neigh_flush(b->table, 0, true), 1);
	assert_int_equal(neigh_flush(b->table, PORT_NONE, true), 1);
	assert_int_equal(neigh_count(b->table), 0);
	assert_int_equal(poll_after(b, 0), 0);
	assert_non_null(neigh_released(b->table));
	assert_non_null(neigh_released(b->table));
	assert_null(neigh_released(b->table));
	bench_free(b);
}

/* -- the twin --------------------------------------------------------------------------- */

/*
 * One array, searched from end to end for everything. Which timers run first within one
 * poll decides only which of two entries was idle first: kinds in this order, then by time.
 */
enum { T_NOW, T_RETRY, T_REACHABLE, T_FORGET, T_NEVER };

#define TWIN_CAPACITY 20
#define TWIN_PORTS 3
#define TWIN_HOSTS 12
#define TWIN_PACKETS 64
#define TWIN_VECTOR 6

struct twin_entry {
	bool live, gone; /* gone: ended with packets waiting, until the next poll */
	struct neigh_info info;
	unsigned n_sent, kind, waiting[TWIN_PACKETS];
	uint64_t due_ns, since_ns, armed, idle; /* the last two: when, as a count of events */
};

struct twin {
	struct neigh_config config;
	struct twin_entry entries[TWIN_CAPACITY];
	uint64_t now_ns, n_events;
	unsigned n_held;
	int released[TWIN_PACKETS]; /* verdict of packet i once it is released, or -1 */
};

static struct twin_entry *twin_find(struct twin *t, uint16_t port, be32 address)
{
	for (unsigned i = 0; i < TWIN_CAPACITY; i++) {
		struct twin_entry *e = &t->entries[i];
		if (e->live && e->info.port == port && be32_equal(e->info.address, address))
			return e;
	}
	return NULL;
}

static void twin_arm(struct twin *t, struct twin_entry *e, unsigned kind)
{
	const struct neigh_config *c = &t->config;
	uint64_t delay_ns[] = {0, c->retry_ns, c->reachable_ns, c->forget_ns, 0};
	e->kind = kind;
	e->due_ns = t->now_ns + delay_ns[kind];
	e->armed = ++t->n_events;
}

static void twin_become(struct twin *t, struct twin_entry *e, enum neigh_state state,
			struct mac mac)
{
	static const unsigned kinds[] = {T_NOW, T_REACHABLE, T_FORGET, T_NOW, T_FORGET, T_NEVER};
	if (!mac_equal(mac, e->info.mac))
		e->info.confirmed_ns = 0;
	e->info.state = state;
	e->info.mac = mac;
	e->n_sent = 0;
	e->since_ns = t->now_ns;
	e->idle = t->n_events;
	twin_arm(t, e, kinds[state]);
}

static void twin_release(struct twin *t, struct twin_entry *e, enum verdict verdict)
{
	for (unsigned i = 0; i < e->info.queued; i++)
		t->released[e->waiting[i]] = (int)verdict;
	t->n_held -= e->info.queued;
	e->info.queued = 0;
}

static void twin_end(struct twin_entry *e)
{
	e->live = false;
	e->gone = e->info.queued > 0;
}

static bool twin_idle(const struct twin_entry *e)
{
	return e->info.state == NEIGH_STALE || e->info.state == NEIGH_FAILED;
}

static bool twin_spare(const struct twin_entry *e)
{
	return e->info.state == NEIGH_FAILED || (e->info.state == NEIGH_STALE && !e->info.used_ns);
}

/* The oldest spare entry of port, or where used is true its oldest used STALE one. */
static struct twin_entry *twin_oldest(struct twin *t, uint16_t port, bool used)
{
	struct twin_entry *oldest = NULL;
	for (unsigned i = 0; i < TWIN_CAPACITY; i++) {
		struct twin_entry *e = &t->entries[i];
		bool fits = used ? e->info.state == NEIGH_STALE && e->info.used_ns : twin_spare(e);
		if (e->live && e->info.port == port && fits && (!oldest || e->idle < oldest->idle))
			oldest = e;
	}
	return oldest;
}

static bool twin_evict(struct twin *t, uint16_t port, bool anywhere)
{
	struct twin_entry *e = twin_oldest(t, port, false);
	for (uint16_t other = 0; anywhere && !e && other < TWIN_PORTS; other++)
		e = twin_oldest(t, other, false);
	if (!e) {
		e = twin_oldest(t, port, true);
		if (e && t->now_ns - e->info.used_ns < t->config.reachable_ns)
			e = NULL;
	}
	if (e)
		twin_end(e);
	return e;
}

static struct twin_entry *twin_place(struct twin *t)
{
	for (unsigned i = 0; i < TWIN_CAPACITY; i++)
		if (!t->entries[i].live && !t->entries[i].gone)
			return &t->entries[i];
	return NULL;
}

static struct twin_entry *twin_put(struct twin *t, uint16_t port, be32 address)
{
	struct twin_entry *e = twin_place(t);
	if (e)
		*e = (struct twin_entry){.live = true, .info = {.port = port, .address = address}};
	return e;
}

static struct twin_entry *twin_make(struct twin *t, uint16_t port, be32 address)
{
	struct twin_entry *e = twin_find(t, port, address);
	unsigned n = 0;
	if (e)
		return e;
	for (unsigned i = 0; i < TWIN_CAPACITY; i++) {
		e = &t->entries[i];
		n += e->live && e->info.port == port && e->info.state != NEIGH_STATIC;
	}
	if (n >= t->config.port_max && !twin_evict(t, port, false))
		return NULL;
	if (!twin_place(t) && !twin_evict(t, port, true))
		return NULL;
	e = twin_put(t, port, address);
	twin_become(t, e, NEIGH_INCOMPLETE, (struct mac){{0}});
	return e;
}

static enum verdict twin_resolve(struct twin *t, uint16_t port, be32 address, unsigned packet,
				 struct mac *mac)
{
	struct twin_entry *e = twin_make(t, port, address);
	if (!e)
		return DROP_NEIGH_TABLE;
	struct neigh_info *info = &e->info;
	if (info->state == NEIGH_FAILED && t->now_ns - e->since_ns < t->config.retry_ns)
		return DROP_NEIGH_FAILED;
	bool touch = info->state == NEIGH_INCOMPLETE || info->state == NEIGH_FAILED ||
		     info->state == NEIGH_STALE || t->now_ns - info->used_ns >= NS_PER_S;
	if (info->state == NEIGH_FAILED)
		twin_become(t, e, NEIGH_INCOMPLETE, (struct mac){{0}});
	if (info->state == NEIGH_STALE)
		twin_become(t, e, NEIGH_PROBE, info->mac);
	if (touch)
		info->used_ns = t->now_ns;
	*mac = info->mac;
	if (info->state != NEIGH_INCOMPLETE)
		return TO_REWRITE;
	if (info->queued == t->config.queue_max || t->n_held == t->config.held_max)
		return DROP_NEIGH_QUEUE;
	e->waiting[info->queued++] = packet;
	t->n_held++;
	return HELD;
}

static bool twin_learn(struct twin *t, uint16_t port, be32 address, struct mac mac,
		       enum neigh_evidence evidence)
{
	struct twin_entry *e = evidence == NEIGH_ASKED_US ? twin_make(t, port, address)
							  : twin_find(t, port, address);
	if (!e || e->info.state == NEIGH_STATIC)
		return false;
	bool same = mac_equal(e->info.mac, mac); /* no host has the zero MAC of INCOMPLETE */
	uint64_t confirmed_ns = e->info.confirmed_ns;
	if (evidence == NEIGH_REPLY && !same && confirmed_ns && t->now_ns - confirmed_ns < NS_PER_S)
		return false;
	if (evidence == NEIGH_REPLY) {
		twin_become(t, e, NEIGH_REACHABLE, mac);
		e->info.confirmed_ns = t->now_ns;
	} else if (!same) {
		twin_become(t, e, NEIGH_STALE, mac);
	} else if (evidence == NEIGH_ASKED_US && e->info.state == NEIGH_STALE) {
		twin_arm(t, e, T_FORGET);
	}
	twin_release(t, e, TO_NEIGH);
	return true;
}

static bool twin_expire(struct twin *t, struct twin_entry *e, struct neigh_solicit *out)
{
	bool probe = e->info.state == NEIGH_PROBE;
	if (e->info.state == NEIGH_REACHABLE) {
		twin_become(t, e, NEIGH_STALE, e->info.mac);
	} else if (e->info.state == NEIGH_STALE || e->info.state == NEIGH_FAILED) {
		twin_end(e);
	} else if (e->n_sent == t->config.n_tries * (probe ? 2 : 1)) {
		twin_release(t, e, DROP_NEIGH_FAILED);
		twin_become(t, e, NEIGH_FAILED, (struct mac){{0}});
	} else {
		bool unicast = probe && e->n_sent < t->config.n_tries;
		*out = (struct neigh_solicit){e->info.port, e->info.address,
					      unicast ? e->info.mac : everyone};
		e->n_sent++;
		twin_arm(t, e, T_RETRY);
		return true;
	}
	return false;
}

static uint64_t twin_next(const struct twin *t)
{
	uint64_t next_ns = UINT64_MAX;
	for (unsigned i = 0; i < TWIN_CAPACITY; i++) {
		const struct twin_entry *e = &t->entries[i];
		if (e->live && e->kind != T_NEVER)
			next_ns = min_u64(next_ns, e->due_ns);
	}
	return next_ns;
}

static struct twin_entry *twin_first_due(struct twin *t)
{
	for (unsigned kind = T_NOW; kind < T_NEVER; kind++) {
		struct twin_entry *first = NULL;
		for (unsigned i = 0; i < TWIN_CAPACITY; i++) {
			struct twin_entry *e = &t->entries[i];
			if (e->live && e->kind == kind && e->due_ns <= t->now_ns &&
			    (!first || e->armed < first->armed))
				first = e;
		}
		if (first)
			return first;
	}
	return NULL;
}

static unsigned twin_poll(struct twin *t, struct neigh_solicit *out)
{
	unsigned n = 0;
	for (unsigned i = 0; i < TWIN_CAPACITY; i++) {
		struct twin_entry *e = &t->entries[i];
		if (e->gone || (e->live && e->info.state == NEIGH_STATIC))
			twin_release(t, e, e->gone ? DROP_NEIGH_FAILED : TO_NEIGH);
		e->gone = false;
	}
	for (struct twin_entry *e; (e = twin_first_due(t));)
		n += twin_expire(t, e, &out[n]);
	return n;
}

/* -- the twin and the table, side by side ------------------------------------------------ */

struct pair {
	struct twin twin;
	struct neigh_table *table;
	struct packet packets[TWIN_PACKETS];
	bool busy[TWIN_PACKETS]; /* in a queue, or released and not collected */
	unsigned n_seen;
};

static void compare_entry(const struct neigh_info *info, void *arg)
{
	struct pair *pair = arg;
	struct twin_entry *e = twin_find(&pair->twin, info->port, info->address);
	assert_non_null(e);
	assert_int_equal(info->state, e->info.state);
	assert_mac(info->mac, e->info.mac);
	assert_int_equal(info->queued, e->info.queued);
	assert_true(info->confirmed_ns == e->info.confirmed_ns);
	assert_true(info->used_ns == e->info.used_ns);
	pair->n_seen++;
}

static void compare(struct pair *pair)
{
	unsigned n_live = 0;
	for (unsigned i = 0; i < TWIN_CAPACITY; i++)
		n_live += pair->twin.entries[i].live;
	pair->n_seen = 0;
	neigh_walk(pair->table, compare_entry, pair);
	assert_int_equal(pair->n_seen, n_live);
	assert_int_equal(neigh_count(pair->table), n_live);
	/* It may be early, for a timer that was called off, but never late. */
	assert_true(neigh_next(pair->table) <= twin_next(&pair->twin));
}

static void collect(struct pair *pair)
{
	for (struct packet *p; (p = neigh_released(pair->table));) {
		unsigned i = (unsigned)(p - pair->packets);
		assert_int_equal(p->verdict, pair->twin.released[i]);
		assert_null(p->next);
		pair->twin.released[i] = -1;
		pair->busy[i] = false;
	}
	for (unsigned i = 0; i < TWIN_PACKETS; i++)
		assert_int_equal(pair->twin.released[i], -1);
}

static int by_address(const void *a, const void *b)
{
	const struct neigh_solicit *x = a, *y = b;
	return x->port != y->port ? x->port - y->port
				  : memcmp(&x->address, &y->address, sizeof(x->address));
}

static void pair_poll(struct pair *pair)
{
	struct neigh_solicit out[TWIN_CAPACITY], expected[TWIN_CAPACITY];
	unsigned n = twin_poll(&pair->twin, expected);
	assert_int_equal(neigh_poll(pair->table, pair->twin.now_ns, out, TWIN_CAPACITY), n);
	qsort(out, n, sizeof(*out), by_address);
	qsort(expected, n, sizeof(*out), by_address);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(out[i].port, expected[i].port);
		assert_true(be32_equal(out[i].address, expected[i].address));
		assert_mac(out[i].mac, expected[i].mac);
	}
}

/* A packet that waits nowhere, for that next hop. */
static unsigned pair_packet(struct pair *pair, uint16_t port, be32 address)
{
	unsigned i = 0;
	while (i < TWIN_PACKETS && pair->busy[i])
		i++;
	assert_true(i < TWIN_PACKETS);
	pair->packets[i].decision.port_out = port;
	pair->packets[i].decision.next_hop = address;
	pair->busy[i] = true;
	return i;
}

static void pair_resolved(struct pair *pair, unsigned i, enum verdict verdict, struct mac mac)
{
	const struct decision *d = &pair->packets[i].decision;
	struct mac expected = {{0}};
	assert_int_equal(verdict,
			 twin_resolve(&pair->twin, d->port_out, d->next_hop, i, &expected));
	if (verdict == TO_REWRITE)
		assert_mac(mac, expected);
	pair->busy[i] = verdict == HELD;
}

static void pair_resolve(struct pair *pair, uint16_t port, be32 address)
{
	struct mac mac = {{0}};
	unsigned i = pair_packet(pair, port, address);
	enum verdict verdict =
		neigh_resolve(pair->table, &pair->packets[i], &mac, pair->twin.now_ns);
	pair_resolved(pair, i, verdict, mac);
}

static unsigned below(unsigned n) { return (unsigned)(rand() >> 4) % n; }
static be32 twin_host(void)
{
	return be32_from(0x0a000000 - 0x0a000000 % TWIN_HOSTS + below(TWIN_HOSTS));
}

/* A vector is as its packets one after the other, though they are looked for together. */
static void pair_resolve_vector(struct pair *pair)
{
	struct vector v = {.n = below(TWIN_VECTOR + 1)};
	unsigned packet[TWIN_VECTOR];
	for (unsigned i = 0; i < v.n; i++) {
		packet[i] = pair_packet(pair, (uint16_t)below(TWIN_PORTS), twin_host());
		v.p[i] = &pair->packets[packet[i]];
	}
	neigh_resolve_burst(pair->table, &v, pair->twin.now_ns);
	for (unsigned i = 0; i < v.n; i++)
		pair_resolved(pair, packet[i], v.p[i]->verdict, v.p[i]->decision.link.dst);
}

static void find_missing(const struct neigh_info *info, void *arg)
{
	bool *there = arg;
	there[info->port * TWIN_HOSTS + be32_host(info->address) % TWIN_HOSTS] = true;
}

/* Control evicts any entry that is no loss, or where there is none any idle one. */
static void pair_evicted_for_control(struct pair *pair)
{
	bool there[TWIN_PORTS * TWIN_HOSTS] = {0}, any_spare = false;
	struct twin_entry *victim = NULL;
	neigh_walk(pair->table, find_missing, there);
	for (unsigned i = 0; i < TWIN_CAPACITY; i++) {
		struct twin_entry *e = &pair->twin.entries[i];
		unsigned at = e->info.port * TWIN_HOSTS + be32_host(e->info.address) % TWIN_HOSTS;
		any_spare |= e->live && twin_spare(e);
		if (!e->live || there[at])
			continue;
		assert_null(victim);
		victim = e;
	}
	assert_non_null(victim);
	assert_true(twin_spare(victim) || (!any_spare && victim->info.state == NEIGH_STALE));
	twin_end(victim);
}

static void pair_add(struct pair *pair, uint16_t port, be32 address, struct mac mac)
{
	struct twin *t = &pair->twin;
	struct twin_entry *e = twin_find(t, port, address);
	int err = neigh_add(pair->table, port, address, mac);
	if (!e && !twin_place(t)) {
		bool any_idle = false;
		for (unsigned i = 0; i < TWIN_CAPACITY; i++)
			any_idle |= t->entries[i].live && twin_idle(&t->entries[i]);
		assert_int_equal(err, any_idle ? 0 : -ENOSPC);
		if (!any_idle)
			return;
		pair_evicted_for_control(pair);
	}
	assert_int_equal(err, 0);
	if (!e)
		e = twin_put(t, port, address);
	twin_become(t, e, NEIGH_STATIC, mac);
	e->info.confirmed_ns = 0;
}

static void pair_del(struct pair *pair, uint16_t port, be32 address)
{
	struct twin_entry *e = twin_find(&pair->twin, port, address);
	assert_int_equal(neigh_del(pair->table, port, address), e ? 0 : -ENOENT);
	if (e)
		twin_end(e);
}

static void pair_flush(struct pair *pair, uint16_t port, bool statics)
{
	unsigned n = 0;
	for (unsigned i = 0; i < TWIN_CAPACITY; i++) {
		struct twin_entry *e = &pair->twin.entries[i];
		if (e->live && (port == PORT_NONE || e->info.port == port) &&
		    (statics || e->info.state != NEIGH_STATIC)) {
			twin_end(e);
			n++;
		}
	}
	assert_int_equal(neigh_flush(pair->table, port, statics), n);
}

static void pair_step(struct pair *pair)
{
	uint16_t port = (uint16_t)below(TWIN_PORTS);
	be32 address = twin_host();
	struct mac mac = mac_number(1 + below(2));
	unsigned what = below(100);

	if (what < 15)
		pair_resolve_vector(pair);
	else if (what < 45)
		pair_resolve(pair, port, address);
	else if (what < 70)
		assert_int_equal(
			neigh_learn(pair->table, port, address, mac, what % 3, pair->twin.now_ns),
			twin_learn(&pair->twin, port, address, mac, what % 3));
	else if (what < 93)
		pair_poll(pair);
	else if (what < 95)
		pair_add(pair, port, address, mac);
	else if (what < 99)
		pair_del(pair, port, address);
	else if (below(10) == 0)
		pair_flush(pair, below(2) ? port : PORT_NONE, below(2));
	if (what >= 70 || below(4) == 0)
		pair->twin.now_ns += below(4) ? below(1500) * MS : below(20) * S;
}

static void neigh_random_operations_agree_with_the_twin(void **unused)
{
	(void)unused;
	struct pair *pair = calloc(1, sizeof(*pair));
	assert_non_null(pair);
	pair->twin.now_ns = START_NS;
	pair->twin.config = (struct neigh_config){
		.capacity = TWIN_CAPACITY, .port_max = 8, .queue_max = 3, .held_max = 12,
		.reachable_ns = 30 * S, .retry_ns = S, .forget_ns = 60 * S, .n_tries = 3,
	};
	pair->table = neigh_new(&pair->twin.config);
	assert_non_null(pair->table);
	memset(pair->twin.released, -1, sizeof(pair->twin.released));
	for (unsigned i = 0; i < 30000; i++) {
		pair_step(pair);
		if (below(2))
			collect(pair);
		if (below(8) == 0)
			compare(pair);
	}
	neigh_free(pair->table);
	free(pair);
}

/* -- two threads ------------------------------------------------------------------------ */

#define RACE_HOSTS 24
#define RACE_STEPS 20000

/* A MAC that tells whose it is, so that one torn or taken from a neighbour shows. */
static struct mac race_mac(unsigned host, uint8_t version)
{
	uint8_t h = (uint8_t)host;
	return (struct mac){{2, h, version, (uint8_t)~h, version, h}};
}
static bool race_mac_is_of(struct mac m, unsigned host)
{
	return mac_equal(m, race_mac(host, m.b[2]));
}

struct race {
	struct neigh_table *table;
	uint32_t done;
	unsigned n_wrong; /* each thread adds its own at the end */
};

static void race_look(const struct neigh_info *info, void *arg)
{
	unsigned *n_wrong = arg;
	unsigned host = be32_host(info->address) & 0xff;
	bool has_mac = info->state != NEIGH_INCOMPLETE && info->state != NEIGH_FAILED;
	*n_wrong += has_mac ? !race_mac_is_of(info->mac, host) : !mac_is_zero(info->mac);
}

static void *race_control(void *arg)
{
	struct race *race = arg;
	unsigned seed = 1, n_wrong = 0;
	for (unsigned i = 0; i < RACE_STEPS; i++) {
		unsigned r = (unsigned)rand_r(&seed), number = r / 16 % RACE_HOSTS;
		if (r % 16 < 8)
			neigh_add(race->table, 0, host(number), race_mac(number, (uint8_t)i));
		else if (r % 16 < 15)
			neigh_del(race->table, 0, host(number));
		else if (i % 16 == 0)
			neigh_flush(race->table, PORT_NONE, r & 1024);
		else
			neigh_walk(race->table, race_look, &n_wrong);
	}
	__atomic_fetch_add(&race->n_wrong, n_wrong, __ATOMIC_RELAXED);
	__atomic_store_n(&race->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* Resolves, learns and polls until control is done; every packet must come back. */
static unsigned race_worker(struct race *race, struct packet *packets, unsigned n_packets)
{
	struct packet *spare[256];
	unsigned n_spare = 0, n_wrong = 0, seed = 2;
	struct neigh_solicit out[16];
	uint64_t now_ns = START_NS;

	for (unsigned i = 0; i < n_packets; i++)
		spare[n_spare++] = &packets[i];
	bool done = false;
	while (!done) {
		done = __atomic_load_n(&race->done, __ATOMIC_ACQUIRE);
		if (done)
			neigh_flush(race->table, PORT_NONE, true);
		unsigned r = (unsigned)rand_r(&seed), number = r / 16 % RACE_HOSTS;
		struct mac mac;
		if (n_spare && r % 16 < 10 && !done) {
			struct packet *p = spare[--n_spare];
			p->decision.port_out = 0;
			p->decision.next_hop = host(number);
			enum verdict verdict = neigh_resolve(race->table, p, &mac, now_ns);
			n_wrong += verdict == TO_REWRITE && !race_mac_is_of(mac, number);
			if (verdict != HELD)
				spare[n_spare++] = p;
		} else if (r % 16 < 13 && !done) {
			neigh_learn(race->table, 0, host(number), race_mac(number, (uint8_t)r),
				    r / 4096 % 3, now_ns);
		} else {
			now_ns += r / 1024 % 4 * S;
			neigh_poll(race->table, now_ns, out, ARRAY_SIZE(out));
			for (struct packet *p; (p = neigh_released(race->table));)
				spare[n_spare++] = p;
		}
	}
	return n_wrong + (n_packets - n_spare);
}

static void neigh_control_beside_the_worker_loses_and_tears_nothing(void **unused)
{
	(void)unused;
	struct neigh_config config = {.capacity = 16, .queue_max = 4};
	struct race race = {.table = neigh_new(&config)};
	static struct packet packets[200];
	pthread_t control;

	assert_non_null(race.table);
	assert_int_equal(pthread_create(&control, NULL, race_control, &race), 0);
	unsigned n_wrong = race_worker(&race, packets, ARRAY_SIZE(packets));
	assert_int_equal(pthread_join(control, NULL), 0);
	assert_int_equal(n_wrong + race.n_wrong, 0);
	assert_int_equal(neigh_count(race.table), 0);
	neigh_free(race.table);
}

/* -- quoting ------------------------------------------------------------------------------ */

static struct bench *bench_quoted(uint32_t *changes)
{
	*changes = 7;
	return bench_new((struct neigh_config){.changes = changes});
}
static bool quote(struct bench *b, unsigned number, unsigned mac)
{
	return neigh_quote(b->table, 0, host(number), mac_number(mac));
}

static void neigh_quote_is_true_of_who_can_be_used_with_that_mac(void **unused)
{
	(void)unused;
	uint32_t changes;
	struct bench *b = bench_quoted(&changes);
	assert_false(quote(b, 2, 1));
	resolve(b, 2);
	assert_false(quote(b, 2, 0)); /* INCOMPLETE */
	let_fail(b, 2);
	assert_false(quote(b, 2, 0));
	make_stale(b, 3, 1);
	assert_true(quote(b, 3, 1));
	assert_false(quote(b, 3, 2));
	assert_false(neigh_quote(b->table, 1, host(3), mac_number(1)));
	neigh_add(b->table, 0, host(4), mac_number(4));
	assert_true(quote(b, 4, 4));
	assert_int_equal(changes, 7);
	bench_free(b);
}

static void neigh_quote_without_anyone_to_tell_is_false(void **unused)
{
	(void)unused;
	struct bench *b = bench_new((struct neigh_config){0});
	make_reachable(b, 2, 1);
	assert_false(quote(b, 2, 1));
	bench_free(b);
}

static void neigh_changed_tells_once_and_only_if_quoted(void **unused)
{
	(void)unused;
	uint32_t changes;
	struct bench *b = bench_quoted(&changes);
	make_stale(b, 2, 1);
	assert_true(learn(b, 2, 2, NEIGH_HEARD));
	assert_int_equal(changes, 7);
	assert_true(quote(b, 2, 2));
	assert_true(learn(b, 2, 3, NEIGH_HEARD));
	assert_int_equal(changes, 8);
	assert_true(learn(b, 2, 4, NEIGH_HEARD));
	assert_int_equal(changes, 8);
	bench_free(b);
}

static void neigh_quoted_that_keeps_its_mac_tells_nothing(void **unused)
{
	(void)unused;
	uint32_t changes;
	struct bench *b = bench_quoted(&changes);
	make_reachable(b, 2, 1);
	assert_true(quote(b, 2, 1));
	poll_after(b, 30 * S);
	assert_int_equal(state(b, 2), NEIGH_STALE);
	assert_int_equal(resolve(b, 2), TO_REWRITE);
	assert_int_equal(state(b, 2), NEIGH_PROBE);
	assert_true(learn(b, 2, 1, NEIGH_REPLY));
	neigh_add(b->table, 0, host(2), mac_number(1));
	assert_int_equal(changes, 7);
	neigh_add(b->table, 0, host(2), mac_number(2));
	assert_int_equal(changes, 8);
	bench_free(b);
}

static void neigh_quoted_that_fails_or_goes_tells(void **unused)
{
	(void)unused;
	uint32_t changes;
	struct bench *b = bench_quoted(&changes);
	make_stale(b, 2, 1);
	assert_true(quote(b, 2, 1));
	resolve(b, 2);
	let_fail(b, 2);
	assert_int_equal(changes, 8);
	make_reachable(b, 3, 1);
	assert_true(quote(b, 3, 1));
	assert_int_equal(neigh_del(b->table, 0, host(3)), 0);
	assert_int_equal(changes, 9);
	make_reachable(b, 4, 1);
	make_reachable(b, 5, 1);
	assert_true(quote(b, 4, 1));
	assert_int_equal(neigh_flush(b->table, 0, true), 3);
	assert_int_equal(changes, 10);
	make_stale(b, 6, 1); /* forgotten for want of use */
	assert_true(quote(b, 6, 1));
	poll_after(b, 60 * S);
	assert_int_equal(state(b, 6), N_NEIGH_STATES);
	assert_int_equal(changes, 11);
	make_reachable(b, 6, 1); /* another life: nobody has quoted it */
	assert_int_equal(neigh_del(b->table, 0, host(6)), 0);
	assert_int_equal(changes, 11);
	bench_free(b);
}

static void neigh_quoted_that_is_evicted_tells(void **unused)
{
	(void)unused;
	uint32_t changes = 7;
	struct bench *b = bench_new((struct neigh_config){.capacity = 1, .changes = &changes});
	assert_true(learn(b, 2, 1, NEIGH_ASKED_US)); /* STALE, never used */
	assert_true(quote(b, 2, 1));
	assert_int_equal(resolve(b, 3), HELD);
	assert_int_equal(changes, 8);
	bench_free(b);
}

static void neigh_repeated_is_used_and_probed(void **unused)
{
	(void)unused;
	struct bench *b = bench_new((struct neigh_config){0});
	make_stale(b, 2, 1);
	neigh_note_repeated(b->table, 0, host(2), b->now_ns);
	assert_int_equal(state(b, 2), NEIGH_PROBE);
	assert_true(info(b, 2).used_ns == b->now_ns);
	assert_int_equal(poll_after(b, 0), 1);
	assert_due(b, 0, 2, mac_number(1));
	let_fail(b, 2);
	uint64_t used_ns = info(b, 2).used_ns;
	neigh_note_repeated(b->table, 0, host(2), b->now_ns); /* late: it is not used any more */
	assert_int_equal(state(b, 2), NEIGH_FAILED);
	assert_true(info(b, 2).used_ns == used_ns);
	neigh_note_repeated(b->table, 0, host(9), b->now_ns);
	assert_int_equal(state(b, 9), N_NEIGH_STATES);
	bench_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(neigh_first_packet_is_held_and_asks_by_broadcast),
		cmocka_unit_test(neigh_reply_releases_in_order_and_resolves),
		cmocka_unit_test(neigh_unanswered_fails_after_three_broadcasts),
		cmocka_unit_test(neigh_failed_drops_for_a_second_then_asks_again),
		cmocka_unit_test(neigh_failed_is_forgotten_after_a_minute),
		cmocka_unit_test(neigh_failed_that_replies_is_reachable),
		cmocka_unit_test(neigh_reachable_grows_stale_in_thirty_seconds),
		cmocka_unit_test(neigh_reachable_confirmed_again_lasts_from_then),
		cmocka_unit_test(neigh_stale_unused_is_forgotten_after_a_minute),
		cmocka_unit_test(neigh_stale_is_used_and_probed_by_unicast),
		cmocka_unit_test(neigh_probe_unanswered_broadcasts_then_fails),
		cmocka_unit_test(neigh_state_names_are_those_of_ip_neigh),
		cmocka_unit_test(neigh_asked_creates_stale_and_completes),
		cmocka_unit_test(neigh_reply_and_heard_create_nothing),
		cmocka_unit_test(neigh_heard_changes_the_mac_but_confirms_nothing),
		cmocka_unit_test(neigh_heard_completes_what_is_being_asked),
		cmocka_unit_test(neigh_asked_by_another_mac_changes_it_to_stale),
		cmocka_unit_test(neigh_asked_again_keeps_a_stale_one),
		cmocka_unit_test(neigh_second_reply_within_a_second_is_ignored),
		cmocka_unit_test(neigh_used_time_is_exact_to_a_second),
		cmocka_unit_test(neigh_queue_full_drops_the_newest),
		cmocka_unit_test(neigh_poll_with_little_room_sends_the_rest_later),
		cmocka_unit_test(neigh_same_address_on_two_ports_is_two_neighbours),
		cmocka_unit_test(neigh_full_of_askers_refuses),
		cmocka_unit_test(neigh_full_forgets_the_oldest_failed),
		cmocka_unit_test(neigh_flood_of_askers_costs_no_used_neighbour),
		cmocka_unit_test(neigh_full_port_evicts_a_used_one_only_when_long_unused),
		cmocka_unit_test(neigh_scan_of_one_port_leaves_the_others_alone),
		cmocka_unit_test(neigh_static_is_used_and_never_changes),
		cmocka_unit_test(neigh_static_over_a_learnt_one_outlives_its_timers),
		cmocka_unit_test(neigh_static_over_incomplete_releases_with_the_next_poll),
		cmocka_unit_test(neigh_del_with_a_queue_fails_its_packets),
		cmocka_unit_test(neigh_del_then_wanted_again_before_the_poll_is_asked_anew),
		cmocka_unit_test(neigh_del_without_a_queue_frees_at_once),
		cmocka_unit_test(neigh_add_to_a_full_table_forgets_what_is_no_loss_first),
		cmocka_unit_test(neigh_static_ones_do_not_count_against_the_port),
		cmocka_unit_test(neigh_flush_takes_one_port_or_all_and_statics_if_asked),
		cmocka_unit_test(neigh_random_operations_agree_with_the_twin),
		cmocka_unit_test(neigh_control_beside_the_worker_loses_and_tears_nothing),
		cmocka_unit_test(neigh_quote_is_true_of_who_can_be_used_with_that_mac),
		cmocka_unit_test(neigh_quote_without_anyone_to_tell_is_false),
		cmocka_unit_test(neigh_changed_tells_once_and_only_if_quoted),
		cmocka_unit_test(neigh_quoted_that_keeps_its_mac_tells_nothing),
		cmocka_unit_test(neigh_quoted_that_fails_or_goes_tells),
		cmocka_unit_test(neigh_quoted_that_is_evicted_tells),
		cmocka_unit_test(neigh_repeated_is_used_and_probed),
	};
	seed_rand();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
