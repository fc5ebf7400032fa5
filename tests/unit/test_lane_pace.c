/* SPDX-License-Identifier: BSD-2-Clause */
/* test_lane_pace - when a turn's packets go as a burst. */
#include "../../dataplane/lane_pace.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define NOW (1000 * NS_PER_S)

/* As lane.c asks: the clock counts only after a failure. */
static bool bursts(struct lane_pace *pace, unsigned n, uint64_t now_ns)
{
	return pace_enough(pace, n) && !(pace_failed_lately(pace) && pace_backs_off(pace, now_ns));
}

static void pace_bursts_from_the_least_on(void **state)
{
	(void)state;
	struct lane_pace pace = {.burst_min = 40};
	assert_false(bursts(&pace, 39, 0));
	assert_true(bursts(&pace, 40, 0));
	assert_true(bursts(&pace, 2048, 0));
}

static void pace_without_a_burst_lane_never_bursts(void **state)
{
	(void)state;
	struct lane_pace pace = {.burst_min = UINT32_MAX};
	assert_false(bursts(&pace, 2048, NOW));
}

static void pace_failed_waits_then_bursts_and_forgets(void **state)
{
	(void)state;
	struct lane_pace pace = {.burst_min = 1};
	pace_fail(&pace, NOW, PACE_FAILED_NS);
	assert_false(bursts(&pace, 1, NOW));
	assert_false(bursts(&pace, 2048, NOW + PACE_FAILED_NS - 1));
	assert_true(bursts(&pace, 1, NOW + PACE_FAILED_NS));
	assert_false(pace_failed_lately(&pace)); /* no clock is read any more */
}

static void pace_refused_waits_less_but_does_not_shorten_a_wait(void **state)
{
	(void)state;
	struct lane_pace pace = {.burst_min = 1};
	pace_fail(&pace, NOW, PACE_REFUSED_NS);
	assert_true(bursts(&pace, 1, NOW + PACE_REFUSED_NS));
	pace_fail(&pace, NOW, PACE_FAILED_NS);
	pace_fail(&pace, NOW + 1, PACE_REFUSED_NS);
	assert_false(bursts(&pace, 1, NOW + PACE_FAILED_NS - 1));
	pace_fail(&pace, NOW + NS_PER_S, PACE_FAILED_NS);
	assert_false(bursts(&pace, 1, NOW + PACE_FAILED_NS));
}

static void costs_are_a_line_through_two_lengths(void **state)
{
	(void)state;
	struct lane_costs c = costs_of(8, 10200, 64, 20840, 440);
	assert_int_equal(c.burst_ns, 190);
	assert_int_equal(c.call_ns, 10200 - 8 * 190);
	assert_int_equal(c.socket_ns, 440);
	c = costs_of(8, 300, 64, 200, 440); /* noise: more of them took less */
	assert_int_equal(c.burst_ns, 0);
	assert_int_equal(c.call_ns, 300);
	c = costs_of(8, 80, 64, 6400, 440);
	assert_int_equal(c.call_ns, 0);
}

static void break_even_is_the_first_length_that_is_cheaper(void **state)
{
	(void)state;
	const struct lane_costs gro = {8680, 190, 440}, all_alike = {0, 400, 440},
				never = {8680, 440, 440}, hardly = {8680, 439, 440};
	uint32_t n = costs_break_even(&gro, 2048);
	assert_int_equal(n, 35);
	assert_true(8680 + n * 190 < n * 440);
	assert_true(8680 + (n - 1) * 190 >= (n - 1) * 440);
	assert_int_equal(costs_break_even(&all_alike, 2048), 1);
	assert_int_equal(costs_break_even(&never, 2048), 2048);
	assert_int_equal(costs_break_even(&hardly, 2048), 2048);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pace_bursts_from_the_least_on),
		cmocka_unit_test(pace_without_a_burst_lane_never_bursts),
		cmocka_unit_test(pace_failed_waits_then_bursts_and_forgets),
		cmocka_unit_test(costs_are_a_line_through_two_lengths),
		cmocka_unit_test(break_even_is_the_first_length_that_is_cheaper),
		cmocka_unit_test(pace_refused_waits_less_but_does_not_shorten_a_wait),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
