/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_epoch - tables that change under a running reader: what it reads in a turn is whole,
 * stays until the turn ends, and is not freed before; and nobody waits for a sleeper.
 */
#include "../../dataplane/base.h"
#include "../../dataplane/epoch.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { FIELDS = 64, ROUNDS = 500 };

/* Every field holds the table's number; a freed one holds GONE. */
struct table {
	uint64_t field[FIELDS];
};
#define GONE UINT64_MAX

struct reader {
	struct table *table; /* published */
	bool stop;
	bool asleep; /* it holds no table now, and says so */
	bool wake;
	uint64_t turns;
	uint64_t n_broken; /* turns in which a table was not what it should be */
};

static struct table *table_new(uint64_t number)
{
	struct table *table = malloc(sizeof(*table));
	assert_non_null(table);
	for (unsigned i = 0; i < FIELDS; i++)
		table->field[i] = number;
	return table;
}

static void table_free(struct table *table)
{
	for (unsigned i = 0; i < FIELDS; i++)
		store_shared(&table->field[i], GONE); /* a plain store before free() is left out */
	free(table);
}

static bool is_whole(const struct table *table, uint64_t at_least)
{
	uint64_t number = table->field[0];
	for (unsigned i = 0; i < FIELDS; i++)
		if (table->field[i] != number)
			return false;
	return number != GONE && number >= at_least;
}

static void *read_in_turns(void *arg)
{
	struct reader *r = arg;
	uint64_t newest = 0;
	epoch_join();
	while (!load_shared(&r->stop)) {
		const struct table *table = epoch_read(&r->table);
		bool whole = is_whole(table, newest);
		sched_yield(); /* control publishes and waits meanwhile */
		count_add(&r->n_broken, !whole || !is_whole(table, newest));
		newest = table->field[0];
		count_add(&r->turns, 1);
		epoch_quiet();
	}
	epoch_part();
	return NULL;
}

static void epoch_published_tables_are_whole_until_their_turn_ends(void **state)
{
	(void)state;
	struct reader r = {.table = table_new(1)};
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, read_in_turns, &r), 0);
	while (!load_shared(&r.turns))
		sched_yield();
	for (uint64_t number = 2; number < ROUNDS; number++) {
		struct table *old = epoch_publish(&r.table, table_new(number));
		assert_int_equal(old->field[0], number - 1);
		epoch_wait();
		table_free(old);
		sched_yield(); /* who still has it may see that it is gone */
	}
	store_shared(&r.stop, true);
	pthread_join(thread, NULL);
	assert_int_equal(r.n_broken, 0);
	table_free(r.table);
}

static void *sleep_between_turns(void *arg)
{
	struct reader *r = arg;
	epoch_join();
	epoch_leave();
	__atomic_store_n(&r->asleep, true, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&r->wake, __ATOMIC_ACQUIRE))
		sched_yield();
	epoch_enter();
	count_add(&r->n_broken, !is_whole(epoch_read(&r->table), 2));
	epoch_quiet();
	epoch_part();
	return NULL;
}

static void epoch_wait_does_not_wait_for_a_sleeper(void **state)
{
	(void)state;
	struct reader r = {.table = table_new(1)};
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, sleep_between_turns, &r), 0);
	while (!__atomic_load_n(&r.asleep, __ATOMIC_ACQUIRE))
		sched_yield();
	struct table *old = epoch_publish(&r.table, table_new(2));
	epoch_wait(); /* it wakes only after this returned */
	table_free(old);
	__atomic_store_n(&r.wake, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	assert_int_equal(r.n_broken, 0); /* and then it sees the new one */
	table_free(r.table);
}

static void epoch_wait_without_readers_returns(void **state)
{
	(void)state;
	struct table *table = table_new(1);
	struct table *old = epoch_publish(&table, table_new(2));
	epoch_wait();
	table_free(old);
	assert_int_equal(epoch_read(&table)->field[0], 2);
	table_free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(epoch_published_tables_are_whole_until_their_turn_ends),
		cmocka_unit_test(epoch_wait_does_not_wait_for_a_sleeper),
		cmocka_unit_test(epoch_wait_without_readers_returns),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
