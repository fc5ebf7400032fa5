/* SPDX-License-Identifier: BSD-2-Clause */
/* test_meter - how many pass, at once and in the long run; compared with a naive bucket. */
#include "seed.h"

#include "../../dataplane/meter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOW (1000 * NS_PER_S)

static unsigned passed(struct meter *m, uint32_t rate, uint32_t burst, uint64_t now_ns, unsigned n)
{
	unsigned sum = 0;

	while (n--)
		sum += meter_take(m, rate, burst, now_ns);
	return sum;
}

static void meter_without_a_rate_lets_all_pass(void **state)
{
	(void)state;
	struct meter m = {0};
	assert_int_equal(passed(&m, 0, 1, NOW, 5000), 5000);
	assert_int_equal(m.paid_ns, 0);
}

static void meter_lets_a_burst_pass_and_no_more(void **state)
{
	(void)state;
	struct meter m = {0};
	assert_int_equal(passed(&m, 50000, 2048, NOW, 5000), 2048);
	assert_int_equal(passed(&m, 50000, 2048, NOW, 5000), 0);
	assert_int_equal(passed(&m, 50000, 2048, NOW + NS_PER_S / 50000 - 1, 10), 0);
	assert_int_equal(passed(&m, 50000, 2048, NOW + NS_PER_S / 50000, 10), 1);
}

static void meter_earns_its_rate(void **state)
{
	(void)state;
	struct meter m = {0};
	unsigned sum = passed(&m, 1000, 8, NOW, 100);
	for (uint64_t t = 1; t <= 10 * 1000; t++) /* ten seconds, ten asking each millisecond */
		sum += passed(&m, 1000, 8, NOW + t * NS_PER_MS, 10);
	assert_int_equal(sum, 8 + 10 * 1000);
}

static void meter_after_a_long_pause_lets_a_burst_pass_again(void **state)
{
	(void)state;
	struct meter m = {0};
	passed(&m, 100, 16, NOW, 100);
	assert_int_equal(passed(&m, 100, 16, NOW + 3600 * NS_PER_S, 100), 16);
}

static void meter_burst_is_a_second_of_a_low_rate_at_most(void **state)
{
	(void)state;
	struct meter m = {0};
	assert_int_equal(passed(&m, 10, 2048, NOW, 100), 10);
	m = (struct meter){0};
	assert_int_equal(passed(&m, 1, 2048, NOW, 100), 1);
	assert_int_equal(passed(&m, 1, 2048, NOW + NS_PER_S - 1, 100), 0);
	assert_int_equal(passed(&m, 1, 2048, NOW + NS_PER_S, 100), 1);
}

static void meter_obeys_a_changed_rate_at_once(void **state)
{
	(void)state;
	struct meter m = {0};
	assert_int_equal(passed(&m, 10, 10, NOW, 100), 10);
	assert_int_equal(passed(&m, 0, 10, NOW, 100), 100);
	/* What was granted at the low rate has been paid for a second later. */
	assert_int_equal(passed(&m, 1000, 10, NOW + NS_PER_S, 100), 10);
}

/* A bucket that counts: tokens of a nanosecond each. */
static void meter_is_a_token_bucket(void **state)
{
	(void)state;
	const uint32_t rate = 20000, burst = 50;
	const uint64_t cost = NS_PER_S / rate;
	uint64_t now = NOW, tokens = burst * cost;
	struct meter m = {0};
	for (unsigned i = 0; i < 100000; i++) {
		uint64_t step = (uint64_t)rand() % (4 * cost);
		now += step;
		tokens = min_u64(tokens + step, burst * cost);
		bool wanted = tokens >= cost;
		tokens -= wanted ? cost : 0;
		assert_int_equal(meter_take(&m, rate, burst, now), wanted);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(meter_without_a_rate_lets_all_pass),
		cmocka_unit_test(meter_lets_a_burst_pass_and_no_more),
		cmocka_unit_test(meter_earns_its_rate),
		cmocka_unit_test(meter_after_a_long_pause_lets_a_burst_pass_again),
		cmocka_unit_test(meter_burst_is_a_second_of_a_low_rate_at_most),
		cmocka_unit_test(meter_obeys_a_changed_rate_at_once),
		cmocka_unit_test(meter_is_a_token_bucket),
	};
	seed_rand();
	return cmocka_run_group_tests_name("meter", tests, NULL, NULL);
}
