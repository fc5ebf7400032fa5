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

static const uint64_t slow = HEALTH_SLOW_NS + 1;

static void health_rests_after_slow_calls_in_a_row(void **state)
{
	(void)state;
	struct lane_health h = {0};
	assert_false(health_note(&h, slow, true, NOW));
	assert_true(health_suspects(&h));
	assert_false(health_note(&h, slow, true, NOW));
	assert_false(health_note(&h, HEALTH_SLOW_NS, true, NOW)); /* a quick one: all is well */
	assert_false(health_suspects(&h));
	for (unsigned i = 1; i < HEALTH_SLOW_CALLS; i++)
		assert_false(health_note(&h, slow, true, NOW));
	assert_false(health_rested_lately(&h));
	assert_true(health_note(&h, slow, true, NOW));
	assert_true(health_rested_lately(&h));
	assert_true(health_rests(&h, false, NOW + HEALTH_REST_NS - 1));
	assert_false(health_rests(&h, false, NOW + HEALTH_REST_NS));
	assert_false(health_rested_lately(&h)); /* no clock is read any more */
}

static void health_forgives_calls_that_lost_the_cpu(void **state)
{
	(void)state;
	struct lane_health h = {0};
	assert_false(health_note(&h, slow, true, NOW));
	for (unsigned i = 0; i < 100; i++)
		assert_false(health_note(&h, slow, false, NOW));
	assert_false(health_note(&h, slow, true, NOW));
	assert_true(health_note(&h, slow, true, NOW));
}

static void health_renewed_rests_no_more(void **state)
{
	(void)state;
	struct lane_health h = {.until_ns = NOW + HEALTH_REST_NS};
	assert_true(health_rests(&h, false, NOW));
	assert_false(health_rests(&h, true, NOW));
	assert_false(health_rested_lately(&h));
}

static uint64_t rest_of(struct lane_health *h)
{
	while (!health_note(h, slow, true, NOW))
		;
	return h->until_ns - NOW;
}

static void health_that_does_not_mend_rests_longer(void **state)
{
	(void)state;
	struct lane_health h = {0};
	assert_int_equal(rest_of(&h), HEALTH_REST_NS);
	assert_int_equal(rest_of(&h), 2 * HEALTH_REST_NS);
	for (unsigned i = 0; i < 70; i++)
		rest_of(&h);
	assert_int_equal(rest_of(&h), HEALTH_REST_MAX_NS);
	health_note(&h, 0, true, NOW);
	assert_int_equal(rest_of(&h), HEALTH_REST_NS);
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
		cmocka_unit_test(health_rests_after_slow_calls_in_a_row),
		cmocka_unit_test(health_forgives_calls_that_lost_the_cpu),
		cmocka_unit_test(health_renewed_rests_no_more),
		cmocka_unit_test(health_that_does_not_mend_rests_longer),
		cmocka_unit_test(costs_are_a_line_through_two_lengths),
		cmocka_unit_test(break_even_is_the_first_length_that_is_cheaper),
		cmocka_unit_test(pace_refused_waits_less_but_does_not_shorten_a_wait),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
