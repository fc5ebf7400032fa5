/* SPDX-License-Identifier: BSD-2-Clause */
/* Routers of known capacity, searched for their loss-free rate; and a clock, kept pace with. */
#include "../../control/bench_search.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define CEILING	   4e6
#define RESOLUTION 0.01
#define FRAMES	   100000 /* of a trial */

/* Loses a frame at any higher rate; on the generator's CPU it holds it up instead. */
struct router {
	double capacity_pps;
	bool holds_up;
	unsigned bad_luck; /* loses a frame in every such trial, whatever the rate; 0: never */
};

static struct bench_search search_for(const struct router *router, unsigned tries)
{
	struct bench_search search;
	double pps;

	bench_search_begin(&search, CEILING, RESOLUTION, tries);
	while (bench_search_next(&search, &pps)) {
		bool over = pps > router->capacity_pps;
		bool unlucky = router->bad_luck && search.trials % router->bad_luck == 0;
		bool lost = (over && !router->holds_up) || unlucky;
		assert_true(search.trials < 100);
		bench_search_judge(&search, FRAMES,
				   over && router->holds_up ? router->capacity_pps : pps,
				   FRAMES - lost);
	}
	return search;
}

static void a_rate_without_loss_is_found_within_the_resolution(void **state)
{
	(void)state;
	for (double capacity = 5e4; capacity < CEILING; capacity *= 1.7) {
		const struct router router = {.capacity_pps = capacity};
		const struct bench_search search = search_for(&router, 1);
		assert_true(search.best <= capacity);
		assert_true(search.best >= capacity - CEILING * RESOLUTION);
	}
}

static void a_router_that_loses_nothing_reaches_the_ceiling(void **state)
{
	(void)state;
	const struct router router = {.capacity_pps = 2 * CEILING};
	assert_true(search_for(&router, 1).best >= CEILING * (1 - RESOLUTION));
}

static void a_router_that_loses_always_has_no_rate(void **state)
{
	(void)state;
	const struct router router = {.capacity_pps = 0};
	assert_true(search_for(&router, 2).best == 0);
}

static void what_could_not_be_sent_is_not_taken_for_sent(void **state)
{
	(void)state;
	const struct router router = {.capacity_pps = 1.1e6, .holds_up = true};
	const struct bench_search search = search_for(&router, 1);
	assert_true(search.best <= 1.1e6);
	assert_true(search.best >= 1.1e6 - CEILING * RESOLUTION);
}

static void one_bad_trial_is_tried_again(void **state)
{
	(void)state;
	const struct router router = {.capacity_pps = 3e6, .bad_luck = 2};
	assert_true(search_for(&router, 2).best >= 3e6 - CEILING * RESOLUTION);
	assert_true(search_for(&router, 1).best < 3e6 - CEILING * RESOLUTION);
}

static void what_does_not_add_up_is_no_success(void **state)
{
	(void)state;
	struct bench_search search;
	double pps;

	bench_search_begin(&search, CEILING, RESOLUTION, 1);
	assert_true(bench_search_next(&search, &pps));
	bench_search_judge(&search, 0, 0, 0);
	assert_true(search.best == 0 && search.high == pps);
	assert_true(bench_search_next(&search, &pps));
	bench_search_judge(&search, FRAMES, pps, FRAMES + 1); /* stragglers: it proves nothing */
	assert_true(search.best == 0 && search.high == pps);
}

static void frames_are_due_by_the_clock(void **state)
{
	(void)state;
	struct bench_pace pace;
	unsigned n = 0;

	bench_pace_begin(&pace, 1e6, 10);
	assert_int_equal(bench_pace_due(&pace, 10), 0);
	for (int i = 1; i <= 1000; i++) /* 30 kHz: 33 and 1/3 frames each time */
		n += bench_pace_due(&pace, 10 + i / 30000.0 + 1e-9);
	assert_in_range(n, 33332, 33334);
}

static void what_was_missed_is_not_made_up_for(void **state)
{
	(void)state;
	struct bench_pace pace;

	bench_pace_begin(&pace, 1e6, 10);
	assert_int_equal(bench_pace_due(&pace, 11), 300); /* three periods of 0.1 ms */
	assert_int_equal(bench_pace_due(&pace, 11), 0);
	assert_in_range(bench_pace_due(&pace, 11.0001), 99, 101);
}

static void a_slow_pace_sends_single_frames(void **state)
{
	(void)state;
	struct bench_pace pace;
	unsigned n = 0;

	bench_pace_begin(&pace, 100, 0);
	for (int i = 1; i <= 10000; i++) /* a second, in periods of 0.1 ms */
		n += bench_pace_due(&pace, i * 1e-4 + 1e-9);
	assert_int_equal(n, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rate_without_loss_is_found_within_the_resolution),
		cmocka_unit_test(a_router_that_loses_nothing_reaches_the_ceiling),
		cmocka_unit_test(a_router_that_loses_always_has_no_rate),
		cmocka_unit_test(what_could_not_be_sent_is_not_taken_for_sent),
		cmocka_unit_test(one_bad_trial_is_tried_again),
		cmocka_unit_test(what_does_not_add_up_is_no_success),
		cmocka_unit_test(frames_are_due_by_the_clock),
		cmocka_unit_test(what_was_missed_is_not_made_up_for),
		cmocka_unit_test(a_slow_pace_sends_single_frames),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
