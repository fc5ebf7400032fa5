/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_fdb - the forwarding database under simulated time: learning, moving, ageing, its
 * bounds, its events, MACs chosen to collide, control and worker at once, and a long random
 * sequence compared with a naive twin that searches one array for everything.
 */
#include "seed.h"

#include "../../dataplane/fdb.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define START_NS (1000 * NS_PER_S)
#define MS NS_PER_MS
#define S NS_PER_S
#define AGE (300 * S)

static struct mac mac_number(uint32_t number)
{
	return (struct mac){{2, 0, (uint8_t)(number >> 24), (uint8_t)(number >> 16),
			     (uint8_t)(number >> 8), (uint8_t)number}};
}

static struct fdb *fdb_with(struct fdb_config config)
{
	struct fdb *fdb = fdb_new(&config);
	assert_non_null(fdb);
	return fdb;
}
static struct fdb *fdb_small(void) { return fdb_with((struct fdb_config){.capacity = 64}); }

/* In bridge 0, where no other is named; *before has to be left alone unless it moves. */
static enum fdb_learnt learn(struct fdb *fdb, uint32_t number, uint16_t port, uint64_t now_ns)
{
	uint16_t before = 0x1234;
	enum fdb_learnt learnt = fdb_learn(fdb, 0, mac_number(number), port, now_ns, &before);
	assert_true(learnt == FDB_MOVED ? before < PORT_MAX && before != port : before == 0x1234);
	return learnt;
}
static uint16_t lookup(struct fdb *fdb, uint32_t number, uint64_t now_ns)
{
	return fdb_lookup(fdb, 0, mac_number(number), now_ns);
}

struct sought {
	struct fdb_info info;
	uint16_t bridge;
	struct mac mac;
	unsigned n_found;
};

static void seek(const struct fdb_info *info, void *arg)
{
	struct sought *sought = arg;
	if (info->bridge != sought->bridge || !mac_equal(info->mac, sought->mac))
		return;
	sought->info = *info;
	sought->n_found++;
}

/* What the table shows of a MAC of bridge 0, which has to be there. */
static struct fdb_info info(struct fdb *fdb, uint32_t number)
{
	struct sought sought = {.mac = mac_number(number)};
	fdb_walk(fdb, seek, &sought);
	assert_int_equal(sought.n_found, 1);
	return sought.info;
}

static void assert_event(struct fdb *fdb, enum fdb_event_kind kind, uint32_t number, uint16_t port,
			 uint16_t before, uint64_t at_ns)
{
	struct fdb_event event;
	uint64_t lost;
	assert_true(fdb_event(fdb, &event, &lost));
	assert_int_equal(event.kind, kind);
	assert_int_equal(event.bridge, 0);
	assert_true(mac_equal(event.mac, mac_number(number)));
	assert_int_equal(event.port, port);
	assert_int_equal(event.before, before);
	assert_true(event.at_ns == at_ns);
	assert_true(lost == 0);
}

static void assert_no_event(struct fdb *fdb)
{
	struct fdb_event event;
	uint64_t lost;
	assert_false(fdb_event(fdb, &event, &lost));
	assert_true(lost == 0);
}

/* -- learning ----------------------------------------------------------------------------- */

static void fdb_empty_table_knows_nobody_and_wants_no_call(void **unused)
{
	(void)unused;
	struct fdb *fdb = fdb_small();
	assert_int_equal(lookup(fdb, 1, START_NS), PORT_NONE);
	assert_true(fdb_next(fdb) == UINT64_MAX);
	fdb_age(fdb, START_NS);
	assert_true(fdb_next(fdb) == UINT64_MAX);
	assert_int_equal(fdb_count(fdb), 0);
	fdb_free(fdb);
	fdb_free(NULL);
}

static void fdb_learns_on_first_sight_and_knows_from_then_on(void **unused)
{
	(void)unused;
	struct fdb *fdb = fdb_small();
	assert_int_equal(learn(fdb, 1, 7, START_NS), FDB_NEW);
	assert_int_equal(learn(fdb, 1, 7, START_NS), FDB_KNOWN);
	assert_int_equal(lookup(fdb, 1, START_NS), 7);
	assert_int_equal(lookup(fdb, 2, START_NS), PORT_NONE);
	assert_int_equal(info(fdb, 1).port, 7);
	assert_int_equal(info(fdb, 1).kind, FDB_LEARNT);
	assert_true(info(fdb, 1).hits == 1);
	assert_int_equal(fdb_count(fdb), 1);
	fdb_free(fdb);
}

static void fdb_moves_at_once_and_tells_from_where(void **unused)
{
	(void)unused;
	struct fdb *fdb = fdb_small();
	uint16_t before = PORT_NONE;
	assert_int_equal(learn(fdb, 1, 7, START_NS), FDB_NEW);
	assert_int_equal(fdb_learn(fdb, 0, mac_number(1), 255, START_NS + 1, &before), FDB_MOVED);
	assert_int_equal(before, 7);
	assert_int_equal(lookup(fdb, 1, START_NS + 1), 255);
	assert_true(info(fdb, 1).seen_ns == START_NS + 1);
	assert_int_equal(fdb_count(fdb), 1);
	fdb_free(fdb);
}

static void fdb_same_mac_in_two_bridges_is_two_entries(void **unused)
{
	(void)unused;
	struct fdb *fdb = fdb_small();
	uint16_t before;
	assert_int_equal(fdb_learn(fdb, 0, mac_number(1), 3, START_NS, &before), FDB_NEW);
	assert_int_equal(fdb_learn(fdb, 255, mac_number(1), 4, START_NS, &before), FDB_NEW);
	assert_int_equal(fdb_lookup(fdb, 0, mac_number(1), START_NS), 3);
	assert_int_equal(fdb_lookup(fdb, 255, mac_number(1), START_NS), 4);
	assert_int_equal(fdb_lookup(fdb, 1, mac_number(1), START_NS), PORT_NONE);
	assert_int_equal(fdb_del(fdb, 255, mac_number(1)), 0);
	assert_int_equal(fdb_lookup(fdb, 0, mac_number(1), START_NS), 3);
	fdb_free(fdb);
}

static void fdb_seen_time_is_written_once_a_second(void **unused)
{
	(void)unused;
	struct fdb *fdb = fdb_small();
	learn(fdb, 1, 7, START_NS);
	assert_int_equal(learn(fdb, 1, 7, START_NS + S - 1), FDB_KNOWN);
	assert_true(info(fdb, 1).seen_ns == START_NS);
	assert_int_equal(learn(fdb, 1, 7, START_NS + S), FDB_KNOWN);
	assert_true(info(fdb, 1).seen_ns == START_NS + S);
	fdb_free(fdb);
}

static void fdb_hits_begin_at_zero_in_each_life(void **unused)
{
	(void)unused;
	struct fdb *fdb = fdb_with((struct fdb_config){.capacity = 1});
	learn(fdb, 1, 7, START_NS);
	for (unsigned i = 0; i < 3; i++)
		lookup(fdb, 1, START_NS);
	assert_true(info(fdb, 1).hits == 3);
	assert_int_equal(learn(fdb, 1, 8, START_NS), FDB_MOVED);
	assert_true(info(fdb, 1).hits == 3); /* still the same host */
	assert_int_equal(fdb_del(fdb, 0, mac_number(1)), 0);
	assert_int_equal(fdb_add(fdb, 0, mac_number(2), 9, FDB_STATIC), 0);
	assert_true(info(fdb, 2).hits == 0);
	lookup(fdb, 2, START_NS);
	assert_true(info(fdb, 2).hits == 1);
	fdb_free(fdb);
}

/* -- ageing ------------------------------------------------------------------------------- */

static void fdb_too_old_is_unknown_before_it_is_collected(void **unused)
{
	(void)unused;
	struct fdb *fdb = fdb_small();
	learn(fdb, 1, 7, START_NS);
	assert_int_equal(lookup(fdb, 1, START_NS + AGE - 1), 7);
	assert_int_equal(lookup(fdb, 1, START_NS + AGE), PORT_NONE);
	assert_true(fdb_next(fdb) == START_NS + AGE);
	fdb_age(fdb, START_NS + AGE - 1);
	assert_int_equal(fdb_count(fdb), 1);
	fdb_age(fdb, START_NS + AGE);
	assert_int_equal(fdb_count(fdb), 0);
	assert_true(fdb_next(fdb) == UINT64_MAX);
	fdb_free(fdb);
}

static void fdb_in_use_never_ages(void **unused)
{
	(void)unused;
	static const uint64_t agings[] = {AGE, 2 * S, 100 * MS};
	for (unsigned i = 0; i < ARRAY_SIZE(agings); i++) {
		struct fdb *fdb = fdb_small();
		uint64_t now_ns = START_NS;
		fdb_set_aging(fdb, 0, agings[i]);
		learn(fdb, 1, 7, now_ns);
		learn(fdb, 2, 8, now_ns);
		for (unsigned step = 0; step < 200; step++) {
			now_ns += agings[i] / 3 - 1;
			fdb_age(fdb, now_ns);
			assert_int_equal(lookup(fdb, 1, now_ns), 7);
			assert_int_equal(learn(fdb, 1, 7, now_ns), FDB_KNOWN);
		}
		assert_int_equal(fdb_count(fdb), 1);
		fdb_free(fdb);
	}
}

static void fdb_being_looked_up_keeps_nobody_young(void **unused)
{
	(void)unused;
	struct fdb *fdb = fdb_small();
	learn(fdb, 1, 7, START_NS);
	for (uint64_t age_ns = 0; age_ns < AGE; age_ns += S)
		assert_int_equal(lookup(fdb, 1, START_NS + age_ns), 7);
	assert_int_equal(lookup(fdb, 1, START_NS + AGE), PORT_NONE);
	fdb_free(fdb);
}

static void fdb_back_after_its_age_is_new_wherever_it_comes(void **unused)
{
	(void)unused;
	for (uint16_t port = 7; port <= 8; port++) {
		struct fdb *fdb = fdb_with((struct fdb_config){.capacity = 1, .port_max = 1});
		learn(fdb, 1, 7, START_NS);
		lookup(fdb, 1, START_NS);
		assert_int_equal(learn(fdb, 1, port, START_NS + AGE), FDB_NEW);
		assert_int_equal(lookup(fdb, 1, START_NS + AGE), port);
		assert_true(info(fdb, 1).hits == 1);
		assert_int_equal(fdb_count(fdb), 1);
		fdb_free(fdb);
	}
}

static void fdb_another_aging_holds_at_once_for_its_bridge_only(void **unused)
{
	(void)unused;
	struct fdb *fdb = fdb_small();
	uint16_t before;
	learn(fdb, 1, 7, START_NS);
	fdb_learn(fdb, 9, mac_number(1), 8, START_NS, &before);
	fdb_age(fdb, START_NS + MS);
	fdb_set_aging(fdb, 9, 10 * S);
	assert_true(fdb_next(fdb) <= START_NS + MS);
	assert_int_equal(fdb_lookup(fdb, 9, mac_number(1), START_NS + 10 * S), PORT_NONE);
	assert_int_equal(lookup(fdb, 1, START_NS + 10 * S), 7);
	fdb_age(fdb, START_NS + 2 * MS);
	assert_true(fdb_next(fdb) == START_NS + 10 * S);
	fdb_age(fdb, START_NS + 10 * S);
	assert_int_equal(fdb_count(fdb), 1);
	fdb_set_aging(fdb, 0, UINT64_MAX);
	fdb_age(fdb, START_NS + 11 * S);
	assert_true(fdb_next(fdb) == UINT64_MAX);
	assert_int_equal(lookup(fdb, 1, START_NS + 10000 * S), 7);
	fdb_free(fdb);
}

static void fdb_aging_of_zero_learns_nothing(void **unused)
{
	(void)unused;
	struct fdb *fdb = fdb_small();
	learn(fdb, 1, 7, START_NS);
	fdb_set_aging(fdb, 0, 0);
	assert_int_equal(fdb_add(fdb, 0, mac_number(3), 7, FDB_STATIC), 0);
	assert_int_equal(learn(fdb, 3, 7, START_NS), FDB_KNOWN);
	assert_int_equal(learn(fdb, 3, 8, START_NS), FDB_REFUSED);
	assert_int_equal(fdb_del(fdb, 0, mac_number(3)), 0);
	assert_int_equal(lookup(fdb, 1, START_NS), PORT_NONE);
	assert_int_equal(learn(fdb, 1, 7, START_NS), FDB_KNOWN);
	assert_int_equal(learn(fdb, 2, 7, START_NS), FDB_KNOWN);
	fdb_age(fdb, START_NS);
	assert_int_equal(fdb_count(fdb), 0);
	fdb_free(fdb);
}

static void fdb_large_table_is_swept_within_two_seconds_and_then_left_alone(void **unused)
{
	(void)unused;
	const uint32_t n = 20000;
	struct fdb *fdb = fdb_with((struct fdb_config){.capacity = n});
	uint64_t now_ns = START_NS;
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(learn(fdb, i, 7, START_NS), FDB_NEW);
	learn(fdb, 0, 7, START_NS + 100 * S);
	fdb_age(fdb, START_NS + AGE - 1);
	assert_int_equal(fdb_count(fdb), n);
	uint32_t first = n;
	for (now_ns = START_NS + AGE; now_ns < START_NS + AGE + 2 * S; now_ns += 10 * MS) {
		fdb_age(fdb, now_ns);
		if (now_ns == START_NS + AGE)
			first = fdb_count(fdb);
	}
	assert_true(first > n - n / 64); /* a slice, not the table, in one call */
	assert_int_equal(fdb_count(fdb), 1);
	assert_true(fdb_next(fdb) == START_NS + 100 * S + AGE);
	fdb_free(fdb);
}

static void fdb_learnt_behind_the_sweep_is_not_forgotten_by_it(void **unused)
{
	(void)unused;
	struct fdb *fdb = fdb_with((struct fdb_config){.capacity = 1000});
	uint16_t before;
	fdb_set_aging(fdb, 1, 2 * S);
	learn(fdb, 0, 7, START_NS); /* to be deleted: its place is the first that is swept */
	for (uint32_t i = 1; i < 200; i++)
		learn(fdb, i, 7, START_NS);
	fdb_age(fdb, START_NS);
	assert_int_equal(fdb_del(fdb, 0, mac_number(0)), 0);
	fdb_learn(fdb, 1, mac_number(9), 8, START_NS, &before);
	for (uint64_t ns = 0; ns < S; ns += 10 * MS)
		fdb_age(fdb, START_NS + ns);
	assert_true(fdb_next(fdb) == START_NS + 2 * S);
	fdb_free(fdb);
}

/* -- static and local --------------------------------------------------------------------- */

static void fdb_static_neither_moves_nor_ages(void **unused)
{
	(void)unused;
	struct fdb *fdb = fdb_small();
	assert_int_equal(fdb_add(fdb, 0, mac_number(1), 7, FDB_STATIC), 0);
	assert_int_equal(learn(fdb, 1, 8, START_NS), FDB_REFUSED);
	assert_true(info(fdb, 1).seen_ns == 0);
	assert_int_equal(learn(fdb, 1, 7, START_NS), FDB_KNOWN);
	assert_true(info(fdb, 1).seen_ns == START_NS);
	fdb_age(fdb, START_NS + 1000 * AGE);
	assert_int_equal(lookup(fdb, 1, START_NS + 1000 * AGE), 7);
	assert_int_equal(learn(fdb, 1, 8, START_NS + 1000 * AGE), FDB_REFUSED);
	assert_true(fdb_next(fdb) == UINT64_MAX);
	assert_true(fdb_refused(fdb) == 0);
	fdb_free(fdb);
}

static void fdb_local_says_so_and_stays(void **unused)
{
	(void)unused;
	struct fdb *fdb = fdb_small();
	learn(fdb, 1, 7, START_NS);
	assert_int_equal(fdb_add(fdb, 0, mac_number(1), 5, FDB_LOCAL), 0);
	assert_int_equal(lookup(fdb, 1, START_NS + 2 * AGE), FDB_IS_LOCAL);
	assert_int_equal(learn(fdb, 1, 7, START_NS), FDB_REFUSED);
	assert_int_equal(learn(fdb, 1, 5, START_NS), FDB_REFUSED); /* our own frame came back */
	fdb_set_aging(fdb, 0, 0);
	assert_int_equal(learn(fdb, 1, 5, START_NS), FDB_REFUSED);
	assert_int_equal(info(fdb, 1).port, 5);
	assert_int_equal(info(fdb, 1).kind, FDB_LOCAL);
	assert_int_equal(fdb_count(fdb), 1);
	fdb_free(fdb);
}

static void fdb_add_replaces_and_refuses_what_is_no_station(void **unused)
{
	(void)unused;
	struct fdb *fdb = fdb_with((struct fdb_config){.capacity = 2});
	assert_int_equal(fdb_add(fdb, 0, (struct mac){{3}}, 7, FDB_STATIC), -EINVAL);
	assert_int_equal(fdb_add(fdb, 0, (struct mac){{0}}, 7, FDB_LOCAL), -EINVAL);
	assert_int_equal(fdb_add(fdb, 0, mac_number(1), 7, FDB_STATIC), 0);
	assert_int_equal(fdb_add(fdb, 0, mac_number(1), 8, FDB_STATIC), 0);
	assert_int_equal(lookup(fdb, 1, START_NS), 8);
	assert_int_equal(fdb_add(fdb, 0, mac_number(2), 8, FDB_STATIC), 0);
	assert_int_equal(fdb_add(fdb, 0, mac_number(3), 8, FDB_STATIC), -ENOSPC);
	assert_int_equal(fdb_add(fdb, 0, mac_number(1), 9, FDB_LOCAL), 0);
	assert_int_equal(fdb_count(fdb), 2);
	assert_int_equal(fdb_del(fdb, 0, mac_number(1)), 0);
	assert_int_equal(fdb_del(fdb, 0, mac_number(1)), -ENOENT);
	assert_int_equal(fdb_add(fdb, 0, mac_number(3), 8, FDB_STATIC), 0);
	fdb_free(fdb);
}

static void fdb_flush_takes_a_bridge_a_port_and_statics_if_asked_never_locals(void **unused)
{
	(void)unused;
	struct fdb *fdb = fdb_small();
	uint16_t before;
	for (uint32_t i = 0; i < 8; i++) /* bridges 0 and 1, ports 2 and 3 */
		fdb_learn(fdb, i & 1, mac_number(i), 2 + i / 2 % 2, START_NS, &before);
	assert_int_equal(fdb_add(fdb, 0, mac_number(8), 2, FDB_STATIC), 0);
	assert_int_equal(fdb_add(fdb, 0, mac_number(9), 2, FDB_LOCAL), 0);
	assert_int_equal(fdb_flush(fdb, 0, 2, false), 2);
	assert_int_equal(fdb_flush(fdb, 0, 2, true), 1);
	assert_int_equal(fdb_flush(fdb, 0, PORT_NONE, true), 2);
	assert_int_equal(fdb_flush(fdb, 0, PORT_NONE, true), 0);
	assert_int_equal(fdb_flush(fdb, PORT_NONE, 3, true), 2);
	assert_int_equal(fdb_flush(fdb, PORT_NONE, PORT_NONE, true), 2);
	assert_int_equal(fdb_count(fdb), 1);
	assert_int_equal(lookup(fdb, 9, START_NS), FDB_IS_LOCAL);
	fdb_free(fdb);
}

/* -- bounds ------------------------------------------------------------------------------- */

static void fdb_full_table_learns_no_more_and_counts(void **unused)
{
	(void)unused;
	struct fdb *fdb = fdb_with((struct fdb_config){.capacity = 4});
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(learn(fdb, i, (uint16_t)i, START_NS), FDB_NEW);
	assert_int_equal(learn(fdb, 4, 7, START_NS), FDB_FULL);
	assert_int_equal(learn(fdb, 4, 7, START_NS), FDB_FULL);
	assert_true(fdb_refused(fdb) == 2);
	assert_int_equal(lookup(fdb, 4, START_NS), PORT_NONE);
	assert_int_equal(learn(fdb, 0, 7, START_NS), FDB_MOVED); /* takes no room */
	assert_int_equal(fdb_add(fdb, 0, mac_number(4), 7, FDB_STATIC), -ENOSPC);
	assert_int_equal(fdb_del(fdb, 0, mac_number(1)), 0);
	assert_int_equal(learn(fdb, 4, 7, START_NS), FDB_NEW);
	fdb_free(fdb);
}

static void fdb_full_port_learns_no_more_and_others_do(void **unused)
{
	(void)unused;
	struct fdb *fdb = fdb_with((struct fdb_config){.capacity = 64, .port_max = 2});
	assert_int_equal(fdb_add(fdb, 0, mac_number(90), 7, FDB_STATIC), 0);
	assert_int_equal(fdb_add(fdb, 0, mac_number(91), 7, FDB_STATIC), 0);
	assert_int_equal(learn(fdb, 0, 7, START_NS), FDB_NEW);
	assert_int_equal(learn(fdb, 1, 7, START_NS), FDB_NEW);
	assert_int_equal(learn(fdb, 2, 7, START_NS), FDB_FULL);
	assert_int_equal(learn(fdb, 2, 8, START_NS), FDB_NEW);
	assert_int_equal(learn(fdb, 0, 8, START_NS), FDB_MOVED);
	assert_int_equal(learn(fdb, 3, 7, START_NS), FDB_NEW);
	assert_int_equal(fdb_add(fdb, 0, mac_number(3), 7, FDB_STATIC), 0);
	assert_int_equal(learn(fdb, 4, 7, START_NS), FDB_NEW);
	assert_int_equal(learn(fdb, 5, 7, START_NS), FDB_FULL);
	fdb_free(fdb);
}

static void fdb_mover_to_a_full_port_is_flooded_not_misled(void **unused)
{
	(void)unused;
	struct fdb *fdb = fdb_with((struct fdb_config){.capacity = 64, .port_max = 1});
	learn(fdb, 0, 7, START_NS);
	learn(fdb, 1, 8, START_NS);
	assert_int_equal(learn(fdb, 1, 7, START_NS), FDB_FULL);
	assert_int_equal(lookup(fdb, 1, START_NS), PORT_NONE);
	assert_true(fdb_refused(fdb) == 1);
	assert_int_equal(learn(fdb, 1, 8, START_NS), FDB_NEW);
	fdb_free(fdb);
}

static void fdb_flood_of_sources_leaves_memory_and_the_known_alone(void **unused)
{
	(void)unused;
	const uint32_t n = 100000, port_max = 65536;
	struct fdb *fdb = fdb_with((struct fdb_config){.secret = "a random secret"});
	uint32_t x = 1, n_new = 0;
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(learn(fdb, i, (uint16_t)(i % 4), START_NS), FDB_NEW);
	struct mallinfo2 before = mallinfo2();
	for (uint32_t i = 0; i < n; i++) {
		x = x * 1664525 + 1013904223; /* a full period: no source twice */
		struct mac mac = mac_number(x);
		mac.b[1] = 1;
		uint16_t was;
		enum fdb_learnt learnt = fdb_learn(fdb, 0, mac, 9, START_NS + i, &was);
		assert_true(learnt == (n_new < port_max ? FDB_NEW : FDB_FULL));
		n_new += learnt == FDB_NEW;
		assert_int_equal(lookup(fdb, i % 100, START_NS + i), i % 100 % 4);
	}
	struct mallinfo2 after = mallinfo2();
	assert_true(after.uordblks == before.uordblks && after.hblkhd == before.hblkhd);
	assert_int_equal(fdb_count(fdb), port_max + 100);
	assert_true(fdb_refused(fdb) == n - port_max);
	assert_int_equal(learn(fdb, 1000, 3, START_NS + S), FDB_NEW); /* and others still learn */
	fdb_free(fdb);
}

/* -- the hash ----------------------------------------------------------------------------- */

static void fdb_sequential_macs_make_no_long_chain(void **unused)
{
	(void)unused;
	/* Which byte counts up: MACs handed out in a row, and two that a bad hash would mix. */
	static const unsigned shifts[] = {0, 8, 16};
	for (unsigned s = 0; s < ARRAY_SIZE(shifts); s++) {
		struct fdb *fdb = fdb_with((struct fdb_config){.secret = "another secret!"});
		for (uint32_t i = 0; i < 65536; i++)
			assert_int_equal(learn(fdb, i << shifts[s], 7, START_NS), FDB_NEW);
		/* A quarter of an entry per bucket: 9 in one is a chance of 1 to 10,000. */
		assert_in_range(fdb_longest_chain(fdb), 2, 8);
		fdb_free(fdb);
	}
}

static void fdb_macs_chosen_for_one_secret_are_spread_by_another(void **unused)
{
	(void)unused;
	const struct fdb_config known = {.capacity = 32, .secret = "stolen"};
	const struct fdb_config other = {.capacity = 32, .secret = "random"};
	struct fdb *fdb = fdb_with(known);
	uint32_t chosen[16], n = 0;
	for (uint32_t i = 0; n < ARRAY_SIZE(chosen); i++) {
		learn(fdb, i, 7, START_NS);
		if (fdb_longest_chain(fdb) == n + 1)
			chosen[n++] = i;
		else
			assert_int_equal(fdb_del(fdb, 0, mac_number(i)), 0);
	}
	fdb_free(fdb);
	fdb = fdb_with(other);
	for (uint32_t i = 0; i < n; i++)
		learn(fdb, chosen[i], 7, START_NS);
	assert_in_range(fdb_longest_chain(fdb), 1, 5);
	fdb_free(fdb);
}

/* -- events ------------------------------------------------------------------------------- */

static void fdb_events_tell_what_happens_in_order(void **unused)
{
	(void)unused;
	struct fdb *fdb = fdb_small();
	learn(fdb, 1, 7, START_NS);
	assert_no_event(fdb);
	fdb_watch(fdb, true);
	assert_no_event(fdb);
	learn(fdb, 2, 8, START_NS + 1);
	learn(fdb, 2, 8, START_NS + 2);
	learn(fdb, 2, 9, START_NS + 3);
	assert_event(fdb, FDB_APPEARED, 2, 8, PORT_NONE, START_NS + 1);
	fdb_watch(fdb, true); /* a second watcher takes nothing from the first */
	assert_event(fdb, FDB_MOVES, 2, 9, 8, START_NS + 3);
	assert_no_event(fdb);
	fdb_age(fdb, START_NS + AGE);
	assert_event(fdb, FDB_GONE, 1, 7, PORT_NONE, START_NS + AGE);
	learn(fdb, 2, 6, START_NS + AGE + 3);
	assert_event(fdb, FDB_GONE, 2, 9, PORT_NONE, START_NS + AGE + 3);
	assert_event(fdb, FDB_APPEARED, 2, 6, PORT_NONE, START_NS + AGE + 3);
	assert_no_event(fdb);
	fdb_watch(fdb, false);
	learn(fdb, 2, 7, START_NS + AGE + 3);
	fdb_watch(fdb, true);
	assert_no_event(fdb);
	fdb_free(fdb);
}

static void fdb_events_of_control_have_no_time(void **unused)
{
	(void)unused;
	struct fdb *fdb = fdb_small();
	fdb_watch(fdb, true);
	fdb_add(fdb, 0, mac_number(1), 7, FDB_STATIC);
	fdb_add(fdb, 0, mac_number(1), 7, FDB_LOCAL);
	fdb_add(fdb, 0, mac_number(1), 8, FDB_STATIC);
	fdb_del(fdb, 0, mac_number(1));
	fdb_del(fdb, 0, mac_number(1));
	assert_event(fdb, FDB_APPEARED, 1, 7, PORT_NONE, 0);
	assert_event(fdb, FDB_MOVES, 1, 8, 7, 0);
	assert_event(fdb, FDB_GONE, 1, 8, PORT_NONE, 0);
	assert_no_event(fdb);
	learn(fdb, 2, 9, START_NS);
	fdb_flush(fdb, 0, 9, false);
	assert_event(fdb, FDB_APPEARED, 2, 9, PORT_NONE, START_NS);
	assert_event(fdb, FDB_GONE, 2, 9, PORT_NONE, 0);
	assert_no_event(fdb);
	fdb_free(fdb);
}

static void fdb_events_that_do_not_fit_are_counted(void **unused)
{
	(void)unused;
	struct fdb *fdb = fdb_with((struct fdb_config){.capacity = 8192});
	struct fdb_event event;
	uint64_t lost;
	fdb_watch(fdb, true);
	for (uint32_t i = 0; i < 4100; i++)
		learn(fdb, i, 7, START_NS);
	assert_true(fdb_event(fdb, &event, &lost));
	assert_true(mac_equal(event.mac, mac_number(0)) && lost == 4);
	learn(fdb, 5000, 7, START_NS); /* fits again */
	learn(fdb, 5001, 7, START_NS);
	for (uint32_t i = 1; i < 4096; i++) {
		assert_true(fdb_event(fdb, &event, &lost));
		assert_true(mac_equal(event.mac, mac_number(i)) && lost == (i == 1));
	}
	assert_event(fdb, FDB_APPEARED, 5000, 7, PORT_NONE, START_NS);
	assert_no_event(fdb);
	fdb_free(fdb);
}

/* More stations than are seen at once, and chains of several: sought together or alone, the
 * same is found. */
static void fdb_vector_finds_what_each_would(void **unused)
{
	(void)unused;
	enum { N = 20000 };
	struct fdb *fdb = fdb_with((struct fdb_config){.capacity = N});
	for (uint32_t i = 0; i < N; i++)
		assert_int_equal(learn(fdb, i, (uint16_t)(i % 100), START_NS), FDB_NEW);
	assert_true(fdb_longest_chain(fdb) > 2);
	for (unsigned round = 0; round < 300; round++) {
		struct fdb_spot spots[2 * VECTOR_SIZE];
		uint32_t which[2 * VECTOR_SIZE];
		unsigned n = (unsigned)rand() % (ARRAY_SIZE(spots) + 1);
		for (unsigned i = 0; i < n; i++) {
			which[i] = (uint32_t)rand() % (N + N / 4);
			spots[i].key = fdb_key(0, mac_number(which[i]));
		}
		fdb_seek(fdb, spots, n);
		for (unsigned i = 0; i < n; i++)
			assert_int_equal(fdb_lookup_at(fdb, &spots[i], START_NS),
					 which[i] < N ? which[i] % 100 : PORT_NONE);
	}
	fdb_free(fdb);
}

/* -- the twin ----------------------------------------------------------------------------- */

#define TWIN_CAPACITY 20
#define TWIN_PORT_MAX 7
#define TWIN_PORTS 4
#define TWIN_BRIDGES 2
#define TWIN_HOSTS 14
#define TWIN_EVENTS 64

struct twin {
	bool live[TWIN_CAPACITY];
	struct fdb_info entries[TWIN_CAPACITY];
	uint64_t aging_ns[TWIN_BRIDGES], now_ns, n_refused;
	struct fdb_event events[TWIN_EVENTS];
	unsigned n_events;
};

static int twin_find(const struct twin *t, uint16_t bridge, struct mac mac)
{
	for (int i = 0; i < TWIN_CAPACITY; i++)
		if (t->live[i] && t->entries[i].bridge == bridge &&
		    mac_equal(t->entries[i].mac, mac))
			return i;
	return -1;
}

static void twin_tell(struct twin *t, enum fdb_event_kind kind, int i, uint16_t before, uint64_t ns)
{
	const struct fdb_info *e = &t->entries[i];
	t->events[t->n_events++] = (struct fdb_event){kind, e->bridge, e->port, before, e->mac, ns};
}

static void twin_end(struct twin *t, int i, uint64_t ns)
{
	t->live[i] = false;
	twin_tell(t, FDB_GONE, i, PORT_NONE, ns);
}

static bool twin_dead(const struct twin *t, int i)
{
	const struct fdb_info *e = &t->entries[i];
	return e->kind == FDB_LEARNT && t->now_ns - e->seen_ns >= t->aging_ns[e->bridge];
}

static bool twin_put(struct twin *t, struct fdb_info info, uint64_t ns)
{
	for (int i = 0; i < TWIN_CAPACITY; i++) {
		if (t->live[i])
			continue;
		t->live[i] = true;
		t->entries[i] = info;
		twin_tell(t, FDB_APPEARED, i, PORT_NONE, ns);
		return true;
	}
	return false;
}

static bool twin_port_full(const struct twin *t, uint16_t port)
{
	unsigned n = 0;
	for (int i = 0; i < TWIN_CAPACITY; i++)
		n += t->live[i] && t->entries[i].kind == FDB_LEARNT && t->entries[i].port == port;
	return n >= TWIN_PORT_MAX;
}

static enum fdb_learnt twin_learn(struct twin *t, uint16_t bridge, struct mac mac, uint16_t port,
				  uint16_t *before)
{
	uint64_t grain_ns = min_u64(S, t->aging_ns[bridge] / 4);
	int i = twin_find(t, bridge, mac);
	if (i >= 0 && twin_dead(t, i)) {
		twin_end(t, i, t->now_ns);
		i = -1;
	}
	if (i >= 0 && t->entries[i].kind != FDB_LOCAL && t->entries[i].port == port) {
		if (t->now_ns - t->entries[i].seen_ns >= grain_ns)
			t->entries[i].seen_ns = t->now_ns;
		return FDB_KNOWN;
	}
	if (i >= 0 && t->entries[i].kind != FDB_LEARNT)
		return FDB_REFUSED;
	if (t->aging_ns[bridge] == 0)
		return FDB_KNOWN;
	if (twin_port_full(t, port)) {
		if (i >= 0)
			twin_end(t, i, t->now_ns);
		t->n_refused++;
		return FDB_FULL;
	}
	if (i >= 0) {
		*before = t->entries[i].port;
		t->entries[i].port = port;
		t->entries[i].seen_ns = t->now_ns;
		twin_tell(t, FDB_MOVES, i, *before, t->now_ns);
		return FDB_MOVED;
	}
	struct fdb_info info = {bridge, port, mac, FDB_LEARNT, t->now_ns, 0};
	if (twin_put(t, info, t->now_ns))
		return FDB_NEW;
	t->n_refused++;
	return FDB_FULL;
}

static uint16_t twin_lookup(struct twin *t, uint16_t bridge, struct mac mac)
{
	int i = twin_find(t, bridge, mac);
	if (i < 0 || twin_dead(t, i))
		return PORT_NONE;
	t->entries[i].hits++;
	return t->entries[i].kind == FDB_LOCAL ? FDB_IS_LOCAL : t->entries[i].port;
}

static int twin_add(struct twin *t, uint16_t bridge, struct mac mac, uint16_t port,
		    enum fdb_kind kind)
{
	int i = twin_find(t, bridge, mac);
	struct fdb_info info = {bridge, port, mac, kind, 0, 0};
	if (i < 0)
		return twin_put(t, info, 0) ? 0 : -ENOSPC;
	uint16_t before = t->entries[i].port;
	t->entries[i].port = port;
	t->entries[i].kind = kind;
	if (before != port)
		twin_tell(t, FDB_MOVES, i, before, 0);
	return 0;
}

static int twin_del(struct twin *t, uint16_t bridge, struct mac mac)
{
	int i = twin_find(t, bridge, mac);
	if (i >= 0)
		twin_end(t, i, 0);
	return i < 0 ? -ENOENT : 0;
}

static unsigned twin_flush(struct twin *t, uint16_t bridge, uint16_t port, bool statics)
{
	unsigned n = 0;
	for (int i = 0; i < TWIN_CAPACITY; i++) {
		const struct fdb_info *e = &t->entries[i];
		if (!t->live[i] || (bridge != PORT_NONE && bridge != e->bridge) ||
		    (port != PORT_NONE && port != e->port) || e->kind == FDB_LOCAL ||
		    (e->kind == FDB_STATIC && !statics))
			continue;
		twin_end(t, i, 0);
		n++;
	}
	return n;
}

static void twin_age(struct twin *t)
{
	for (int i = 0; i < TWIN_CAPACITY; i++)
		if (t->live[i] && twin_dead(t, i))
			twin_end(t, i, t->now_ns);
}

/* -- the twin and the table, side by side ------------------------------------------------- */

struct pair {
	struct twin twin;
	struct fdb *fdb;
	unsigned n_seen;
};

static void compare_entry(const struct fdb_info *info, void *arg)
{
	struct pair *pair = arg;
	int i = twin_find(&pair->twin, info->bridge, info->mac);
	assert_true(i >= 0);
	const struct fdb_info *e = &pair->twin.entries[i];
	assert_int_equal(info->port, e->port);
	assert_int_equal(info->kind, e->kind);
	assert_true(info->seen_ns == e->seen_ns);
	assert_true(info->hits == e->hits);
	pair->n_seen++;
}

static int by_station(const void *a, const void *b)
{
	const struct fdb_event *x = a, *y = b;
	return x->bridge != y->bridge ? x->bridge - y->bridge : memcmp(&x->mac, &y->mac, 6);
}

/* The order of what one sweep or flush ends is the table's own business: any_order. */
static void compare_events(struct pair *pair, bool any_order)
{
	struct fdb_event events[TWIN_EVENTS], *expected = pair->twin.events;
	uint64_t lost;
	unsigned n = 0;
	while (n < TWIN_EVENTS && fdb_event(pair->fdb, &events[n], &lost))
		n++;
	assert_true(lost == 0);
	assert_int_equal(n, pair->twin.n_events);
	if (any_order) {
		qsort(events, n, sizeof(*events), by_station);
		qsort(expected, n, sizeof(*events), by_station);
	}
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(events[i].kind, expected[i].kind);
		assert_int_equal(by_station(&events[i], &expected[i]), 0);
		assert_int_equal(events[i].port, expected[i].port);
		assert_int_equal(events[i].before, expected[i].before);
		assert_true(events[i].at_ns == expected[i].at_ns);
	}
	pair->twin.n_events = 0;
}

static void compare(struct pair *pair)
{
	const struct twin *t = &pair->twin;
	unsigned n_live = 0;
	uint64_t due_ns = UINT64_MAX;
	for (int i = 0; i < TWIN_CAPACITY; i++) {
		const struct fdb_info *e = &t->entries[i];
		n_live += t->live[i];
		if (t->live[i] && e->kind == FDB_LEARNT)
			due_ns = min_u64(due_ns, e->seen_ns + t->aging_ns[e->bridge]);
	}
	pair->n_seen = 0;
	fdb_walk(pair->fdb, compare_entry, pair);
	assert_int_equal(pair->n_seen, n_live);
	assert_int_equal(fdb_count(pair->fdb), n_live);
	assert_true(fdb_refused(pair->fdb) == t->n_refused);
	/* It may be early, for one that was seen since, but not later than the next step. */
	assert_true(fdb_next(pair->fdb) <= max_u64(due_ns, t->now_ns + 5 * MS));
}

/* The operations of the worker. Returns whether the order of events is free. */
static bool step_worker(struct pair *pair, unsigned what, uint16_t bridge, struct mac mac)
{
	struct twin *t = &pair->twin;
	uint16_t port = (uint16_t)(rand() % TWIN_PORTS), before = 99, expected = 99;

	if (what < 5) {
		assert_int_equal(fdb_learn(pair->fdb, bridge, mac, port, t->now_ns, &before),
				 twin_learn(t, bridge, mac, port, &expected));
		assert_int_equal(before, expected);
	} else if (what < 9) {
		assert_int_equal(fdb_lookup(pair->fdb, bridge, mac, t->now_ns),
				 twin_lookup(t, bridge, mac));
	} else {
		t->now_ns += (uint64_t)(1 + rand() % (rand() % 8 ? 40 : 4000)) * 10 * MS;
		if (rand() % 3) {
			fdb_age(pair->fdb, t->now_ns);
			twin_age(t);
		}
	}
	return what >= 9;
}

/* A vector of frames: all spots are sought first, and what one changes the next must see. */
static void step_vector(struct pair *pair)
{
	struct twin *t = &pair->twin;
	struct fdb_spot spots[24];
	uint16_t bridges[24];
	struct mac macs[24];
	unsigned n = (unsigned)rand() % (ARRAY_SIZE(spots) + 1);

	for (unsigned i = 0; i < n; i++) {
		bridges[i] = (uint16_t)(rand() % TWIN_BRIDGES);
		macs[i] = mac_number((uint32_t)rand() % TWIN_HOSTS);
		spots[i].key = fdb_key(bridges[i], macs[i]);
	}
	fdb_seek(pair->fdb, spots, n);
	for (unsigned i = 0; i < n; i++) {
		uint16_t port = (uint16_t)(rand() % TWIN_PORTS), before = 99, expected = 99;
		if (rand() % 2) {
			assert_int_equal(fdb_learn_at(pair->fdb, &spots[i], port, t->now_ns, &before),
					 twin_learn(t, bridges[i], macs[i], port, &expected));
			assert_int_equal(before, expected);
		} else {
			assert_int_equal(fdb_lookup_at(pair->fdb, &spots[i], t->now_ns),
					 twin_lookup(t, bridges[i], macs[i]));
		}
	}
}

static bool step_control(struct pair *pair, unsigned what, uint16_t bridge, struct mac mac)
{
	static const uint64_t agings_ns[] = {0, 2 * S, 30 * S, 300 * S};
	struct twin *t = &pair->twin;
	uint16_t port = (uint16_t)(rand() % TWIN_PORTS);

	if (what < 4) {
		enum fdb_kind kind = what ? FDB_STATIC : FDB_LOCAL;
		assert_int_equal(fdb_add(pair->fdb, bridge, mac, port, kind),
				 twin_add(t, bridge, mac, port, kind));
	} else if (what < 12) {
		assert_int_equal(fdb_del(pair->fdb, bridge, mac), twin_del(t, bridge, mac));
	} else if (what < 14) {
		bool statics = rand() % 2;
		bridge = rand() % 4 ? bridge : PORT_NONE;
		port = rand() % 4 ? port : PORT_NONE;
		assert_int_equal(fdb_flush(pair->fdb, bridge, port, statics),
				 twin_flush(t, bridge, port, statics));
	} else {
		t->aging_ns[bridge] = agings_ns[rand() % 8 ? 1 + rand() % 3 : 0];
		fdb_set_aging(pair->fdb, bridge, t->aging_ns[bridge]);
	}
	return what >= 12;
}

static void fdb_random_operations_agree_with_the_twin(void **unused)
{
	(void)unused;
	struct fdb_config config = {.capacity = TWIN_CAPACITY, .port_max = TWIN_PORT_MAX};
	struct pair pair = {.twin.now_ns = START_NS, .fdb = fdb_with(config)};
	for (unsigned i = 0; i < TWIN_BRIDGES; i++)
		pair.twin.aging_ns[i] = AGE;
	fdb_watch(pair.fdb, true);
	for (unsigned step = 0; step < 60000; step++) {
		if (rand() % 16 == 0) {
			step_vector(&pair);
			compare_events(&pair, false);
		}
		uint16_t bridge = (uint16_t)(rand() % TWIN_BRIDGES);
		struct mac mac = mac_number((uint32_t)rand() % TWIN_HOSTS);
		bool any_order = rand() % 8 ? step_worker(&pair, rand() % 10, bridge, mac)
					    : step_control(&pair, rand() % 16, bridge, mac);
		compare_events(&pair, any_order);
		compare(&pair);
	}
	fdb_free(pair.fdb);
}

/* -- control and worker at once ------------------------------------------------------------ */

#define RACE_STEPS 500000
#define RACE_HOSTS 8
#define RACE_CAPACITY 4

/* Control puts host i on port i, the worker learns it on i + 100 or i + 101: no other is right. */
static bool race_port_is_of(uint16_t port, unsigned host, bool control)
{
	return (control && port == host) || port == host + 100 || port == host + 101;
}

struct race {
	struct fdb *fdb;
	uint32_t done;
	unsigned n_wrong; /* control's */
};

static void race_look(const struct fdb_info *info, void *arg)
{
	unsigned *n_wrong = arg, host = info->mac.b[5];
	bool right = info->kind == FDB_LEARNT ? info->port != host && info->seen_ns >= START_NS
					      : info->port == host;
	*n_wrong += !right || !race_port_is_of(info->port, host, true) || info->hits > 1u << 30;
}

static void race_events(struct fdb *fdb, unsigned *n_wrong)
{
	struct fdb_event event;
	uint64_t lost;
	while (fdb_event(fdb, &event, &lost))
		*n_wrong += event.mac.b[5] >= RACE_HOSTS ||
			    !race_port_is_of(event.port, event.mac.b[5], true);
}

static void *race_control(void *arg)
{
	struct race *race = arg;
	unsigned seed = 1, n_wrong = 0;
	for (unsigned i = 0; i < RACE_STEPS; i++) {
		unsigned r = (unsigned)rand_r(&seed), host = r / 16 % RACE_HOSTS;
		if (r % 16 < 6)
			fdb_add(race->fdb, 0, mac_number(host), (uint16_t)host, FDB_STATIC);
		else if (r % 16 < 13)
			fdb_del(race->fdb, 0, mac_number(host));
		else if (r % 16 == 13)
			race_events(race->fdb, &n_wrong);
		else if (r % 16 == 14)
			fdb_walk(race->fdb, race_look, &n_wrong);
		else if (r % 32 == 31)
			fdb_flush(race->fdb, 0, PORT_NONE, r & 1024);
		else
			fdb_watch(race->fdb, r & 1024);
		if (i % 256 == 0)
			fdb_set_aging(race->fdb, 0, (1 + r % 8) * S);
	}
	race->n_wrong = n_wrong;
	__atomic_store_n(&race->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

static unsigned race_worker(struct race *race, uint64_t *now_ns)
{
	unsigned n_wrong = 0, seed = 2;
	while (!__atomic_load_n(&race->done, __ATOMIC_ACQUIRE)) {
		unsigned r = (unsigned)rand_r(&seed), host = r / 16 % RACE_HOSTS;
		uint16_t port = (uint16_t)(host + 100 + r / 8192 % 2), before = port;
		if (r % 16 < 7) {
			uint16_t to = fdb_lookup(race->fdb, 0, mac_number(host), *now_ns);
			n_wrong += to != PORT_NONE && !race_port_is_of(to, host, true);
		} else if (r % 16 < 14) {
			enum fdb_learnt learnt = fdb_learn(race->fdb, 0, mac_number(host), port,
							   *now_ns, &before);
			n_wrong += learnt == FDB_MOVED && before + port != 2 * host + 201;
		} else {
			*now_ns += r / 1024 % 64 * 10 * MS;
			fdb_age(race->fdb, *now_ns);
		}
	}
	return n_wrong;
}

static void fdb_control_beside_the_worker_loses_and_tears_nothing(void **unused)
{
	(void)unused;
	struct race race = {.fdb = fdb_with((struct fdb_config){.capacity = RACE_CAPACITY})};
	uint64_t now_ns = START_NS;
	pthread_t control;
	assert_int_equal(pthread_create(&control, NULL, race_control, &race), 0);
	unsigned n_wrong = race_worker(&race, &now_ns);
	assert_int_equal(pthread_join(control, NULL), 0);
	assert_int_equal(n_wrong + race.n_wrong, 0);
	/* No entry was lost, none is there twice, and the counts are right. */
	fdb_flush(race.fdb, 0, PORT_NONE, true);
	assert_int_equal(fdb_count(race.fdb), 0);
	assert_int_equal(fdb_longest_chain(race.fdb), 0);
	fdb_set_aging(race.fdb, 0, AGE);
	for (uint32_t i = 0; i < RACE_CAPACITY; i++)
		assert_int_equal(learn(race.fdb, i, 7, now_ns), FDB_NEW);
	assert_int_equal(learn(race.fdb, RACE_CAPACITY, 7, now_ns), FDB_FULL);
	fdb_free(race.fdb);
}

/* -- quoting ------------------------------------------------------------------------------ */

static struct fdb *fdb_quoted(uint32_t *changes)
{
	*changes = 7;
	return fdb_with((struct fdb_config){.capacity = 64, .changes = changes});
}
static bool quote(struct fdb *fdb, uint32_t number, uint16_t port, uint64_t now_ns)
{
	return fdb_quote(fdb, 0, mac_number(number), port, now_ns);
}

static void fdb_quote_is_true_of_who_is_alive_behind_that_port(void **unused)
{
	(void)unused;
	uint32_t changes;
	struct fdb *fdb = fdb_quoted(&changes), *alone = fdb_small();
	assert_false(quote(fdb, 1, 7, START_NS));
	learn(fdb, 1, 7, START_NS);
	assert_true(quote(fdb, 1, 7, START_NS + AGE - 1));
	assert_false(quote(fdb, 1, 8, START_NS));
	assert_false(quote(fdb, 1, 7, START_NS + AGE)); /* not yet collected */
	assert_false(fdb_quote(fdb, 1, mac_number(1), 7, START_NS));
	assert_int_equal(fdb_add(fdb, 0, mac_number(2), 7, FDB_STATIC), 0);
	assert_true(quote(fdb, 2, 7, START_NS + 2 * AGE));
	assert_int_equal(fdb_add(fdb, 0, mac_number(3), 7, FDB_LOCAL), 0);
	assert_false(quote(fdb, 3, 7, START_NS));
	assert_int_equal(changes, 7);
	learn(alone, 1, 7, START_NS); /* nobody to tell */
	assert_false(quote(alone, 1, 7, START_NS));
	fdb_free(alone);
	fdb_free(fdb);
}

static void fdb_quoted_tells_of_each_end_and_move_once(void **unused)
{
	(void)unused;
	uint32_t changes;
	struct fdb *fdb = fdb_quoted(&changes);
	learn(fdb, 1, 7, START_NS);
	assert_int_equal(learn(fdb, 1, 8, START_NS), FDB_MOVED);
	assert_int_equal(changes, 7);
	assert_true(quote(fdb, 1, 8, START_NS));
	assert_int_equal(learn(fdb, 1, 8, START_NS + 2 * S), FDB_KNOWN);
	assert_int_equal(lookup(fdb, 1, START_NS), 8);
	assert_int_equal(changes, 7);
	assert_int_equal(learn(fdb, 1, 7, START_NS), FDB_MOVED);
	assert_int_equal(changes, 8);
	assert_int_equal(learn(fdb, 1, 8, START_NS), FDB_MOVED);
	assert_int_equal(changes, 8);
	assert_true(quote(fdb, 1, 8, START_NS));
	assert_int_equal(fdb_del(fdb, 0, mac_number(1)), 0);
	assert_int_equal(changes, 9);
	learn(fdb, 1, 8, START_NS); /* another life */
	assert_int_equal(fdb_del(fdb, 0, mac_number(1)), 0);
	assert_int_equal(changes, 9);
	fdb_free(fdb);
}

static void fdb_quoted_tells_when_it_expires_is_flushed_or_becomes_another_kind(void **unused)
{
	(void)unused;
	uint32_t changes;
	struct fdb *fdb = fdb_quoted(&changes);
	learn(fdb, 1, 7, START_NS);
	assert_true(quote(fdb, 1, 7, START_NS));
	fdb_age(fdb, START_NS + AGE);
	assert_int_equal(fdb_count(fdb), 0);
	assert_int_equal(changes, 8);
	learn(fdb, 1, 7, START_NS + AGE);
	learn(fdb, 2, 7, START_NS + AGE);
	assert_true(quote(fdb, 1, 7, START_NS + AGE));
	assert_int_equal(fdb_flush(fdb, 0, 7, false), 2);
	assert_int_equal(changes, 9);
	learn(fdb, 1, 7, START_NS + AGE);
	assert_true(quote(fdb, 1, 7, START_NS + AGE));
	assert_int_equal(fdb_add(fdb, 0, mac_number(1), 8, FDB_STATIC), 0);
	assert_int_equal(changes, 10);
	assert_true(quote(fdb, 1, 8, START_NS));
	assert_int_equal(fdb_add(fdb, 0, mac_number(1), 8, FDB_LOCAL), 0);
	assert_int_equal(changes, 11);
	fdb_revoke(fdb);
	assert_int_equal(changes, 12);
	fdb_free(fdb);
}

static void fdb_repeated_is_young_and_hit(void **unused)
{
	(void)unused;
	struct fdb *fdb = fdb_small();
	learn(fdb, 1, 7, START_NS);
	learn(fdb, 2, 8, START_NS);
	assert_int_equal(lookup(fdb, 2, START_NS), 8);
	fdb_note_source(fdb, 0, mac_number(1), 7, START_NS + S);
	assert_true(fdb_note_hits(fdb, 0, mac_number(2), 8, 5, START_NS + S));
	assert_true(info(fdb, 1).seen_ns == START_NS + S);
	assert_true(info(fdb, 2).seen_ns == START_NS);
	assert_int_equal(info(fdb, 2).hits, 6);
	assert_int_equal(info(fdb, 1).hits, 0);
	fdb_note_source(fdb, 0, mac_number(1), 9, START_NS + 2 * S);
	assert_true(info(fdb, 1).seen_ns == START_NS + S); /* it is elsewhere now */
	assert_false(fdb_note_hits(fdb, 0, mac_number(2), 9, 1, START_NS + S));
	assert_false(fdb_note_hits(fdb, 0, mac_number(2), 8, 1, START_NS + AGE));
	fdb_note_source(fdb, 0, mac_number(3), 9, START_NS + 2 * S);
	assert_false(fdb_note_hits(fdb, 0, mac_number(4), 9, 1, START_NS + 2 * S));
	assert_int_equal(fdb_count(fdb), 2);
	fdb_free(fdb);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fdb_empty_table_knows_nobody_and_wants_no_call),
		cmocka_unit_test(fdb_learns_on_first_sight_and_knows_from_then_on),
		cmocka_unit_test(fdb_moves_at_once_and_tells_from_where),
		cmocka_unit_test(fdb_same_mac_in_two_bridges_is_two_entries),
		cmocka_unit_test(fdb_seen_time_is_written_once_a_second),
		cmocka_unit_test(fdb_hits_begin_at_zero_in_each_life),
		cmocka_unit_test(fdb_too_old_is_unknown_before_it_is_collected),
		cmocka_unit_test(fdb_in_use_never_ages),
		cmocka_unit_test(fdb_being_looked_up_keeps_nobody_young),
		cmocka_unit_test(fdb_back_after_its_age_is_new_wherever_it_comes),
		cmocka_unit_test(fdb_another_aging_holds_at_once_for_its_bridge_only),
		cmocka_unit_test(fdb_aging_of_zero_learns_nothing),
		cmocka_unit_test(fdb_large_table_is_swept_within_two_seconds_and_then_left_alone),
		cmocka_unit_test(fdb_learnt_behind_the_sweep_is_not_forgotten_by_it),
		cmocka_unit_test(fdb_static_neither_moves_nor_ages),
		cmocka_unit_test(fdb_local_says_so_and_stays),
		cmocka_unit_test(fdb_add_replaces_and_refuses_what_is_no_station),
		cmocka_unit_test(fdb_flush_takes_a_bridge_a_port_and_statics_if_asked_never_locals),
		cmocka_unit_test(fdb_full_table_learns_no_more_and_counts),
		cmocka_unit_test(fdb_full_port_learns_no_more_and_others_do),
		cmocka_unit_test(fdb_mover_to_a_full_port_is_flooded_not_misled),
		cmocka_unit_test(fdb_flood_of_sources_leaves_memory_and_the_known_alone),
		cmocka_unit_test(fdb_sequential_macs_make_no_long_chain),
		cmocka_unit_test(fdb_macs_chosen_for_one_secret_are_spread_by_another),
		cmocka_unit_test(fdb_events_tell_what_happens_in_order),
		cmocka_unit_test(fdb_events_of_control_have_no_time),
		cmocka_unit_test(fdb_events_that_do_not_fit_are_counted),
		cmocka_unit_test(fdb_vector_finds_what_each_would),
		cmocka_unit_test(fdb_random_operations_agree_with_the_twin),
		cmocka_unit_test(fdb_control_beside_the_worker_loses_and_tears_nothing),
		cmocka_unit_test(fdb_quote_is_true_of_who_is_alive_behind_that_port),
		cmocka_unit_test(fdb_quoted_tells_of_each_end_and_move_once),
		cmocka_unit_test(fdb_quoted_tells_when_it_expires_is_flushed_or_becomes_another_kind),
		cmocka_unit_test(fdb_repeated_is_young_and_hit),
	};
	seed_rand();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
