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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pace_bursts_from_the_least_on),
		cmocka_unit_test(pace_without_a_burst_lane_never_bursts),
		cmocka_unit_test(pace_failed_waits_then_bursts_and_forgets),
		cmocka_unit_test(pace_refused_waits_less_but_does_not_shorten_a_wait),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
