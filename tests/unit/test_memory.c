/* SPDX-License-Identifier: BSD-2-Clause */
/* test_memory - memory for tables, of each of the sizes that are had in another way. */
#include "../../dataplane/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>
#include <sys/mman.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

static const size_t sizes[] = {
	0,	   1,	    63,		 64,	  65,	       4 * KIB, 128 * KIB - 1,
	128 * KIB, MIB + 1, 2 * MIB - 1, 2 * MIB, 2 * MIB + 1, 5 * MIB - 3};

static void memory_is_zero_aligned_and_its_own(void **state)
{
	uint8_t *at[ARRAY_SIZE(sizes)];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		at[i] = memory_new(sizes[i]);
		assert_non_null(at[i]);
		assert_int_equal((uintptr_t)at[i] % CACHE_LINE, 0);
		for (size_t k = 0; k < sizes[i]; k++)
			assert_int_equal(at[i][k], 0);
		memset(at[i], (int)i + 1, sizes[i]);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (size_t k = 0; k < sizes[i]; k++)
			assert_int_equal(at[i][k], i + 1);
		memory_free(at[i], sizes[i]);
	}
}

/* What was used before comes back as zero, and more often than there is memory for. */
static void memory_freed_can_be_had_again(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		uint8_t *at = memory_new(1024 * MIB);
		assert_non_null(at);
		assert_int_equal(at[5 * MIB], 0);
		at[5 * MIB] = 1;
		memory_free(at, 1024 * MIB);
	}
}

static void memory_of_a_huge_page_is_aligned_to_it(void **state)
{
	(void)state;
	for (size_t size = 2 * MIB; size < 12 * MIB; size += MIB + 4 * KIB) {
		void *at = memory_new(size);
		assert_int_equal((uintptr_t)at % (2 * MIB), 0);
		memory_free(at, size);
	}
}

static void memory_not_used_is_not_touched(void **state)
{
	const size_t size = 64 * MIB, page = 4 * KIB;
	static unsigned char resident[64 * MIB / (4 * KIB)];
	uint8_t *at = memory_new(size);
	size_t n = 0;

	(void)state;
	at[33 * MIB] = 1;
	assert_int_equal(mincore(at, size, resident), 0);
	for (size_t i = 0; i < size / page; i++)
		n += resident[i] & 1;
	assert_in_range(n, 1, 2 * MIB / page);
	memory_free(at, size);
}

static void memory_beyond_measure_is_refused(void **state)
{
	(void)state;
	assert_null(memory_new(SIZE_MAX));
	assert_null(memory_new(SIZE_MAX / 4));
	memory_free(NULL, 0);
	memory_free(NULL, 5 * MIB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_zero_aligned_and_its_own),
		cmocka_unit_test(memory_freed_can_be_had_again),
		cmocka_unit_test(memory_of_a_huge_page_is_aligned_to_it),
		cmocka_unit_test(memory_not_used_is_not_touched),
		cmocka_unit_test(memory_beyond_measure_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
