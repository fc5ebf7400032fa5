/* SPDX-License-Identifier: BSD-2-Clause */
/* test_hash - the keyed hash against the vectors its authors published. */
#include "../../dataplane/hash.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

static void fill(uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)i;
}

/* The SipHash paper, appendix A: key 00..0f, message 00..0e; and its reference vectors. */
static void hash_two_four_gives_the_published_vectors(void **state)
{
	(void)state;
	uint8_t key[HASH_KEY_SIZE], message[16];
	fill(key, sizeof(key));
	fill(message, sizeof(message));
	assert_true(hash_siphash_rounds(key, message, 15, 2, 4) == 0xa129ca6149be45e5ull);
	assert_true(hash_siphash_rounds(key, message, 0, 2, 4) == 0x726fdb47dd0e0e31ull);
}

static void hash_depends_on_key_length_and_every_byte(void **state)
{
	(void)state;
	uint8_t key[HASH_KEY_SIZE] = {1}, other[HASH_KEY_SIZE] = {2}, message[9] = {0};
	uint64_t h = hash_siphash(key, message, 9);
	assert_true(h == hash_siphash(key, message, 9));
	assert_true(h != hash_siphash(other, message, 9));
	assert_true(h != hash_siphash(key, message, 8));
	for (unsigned i = 0; i < 9; i++) {
		message[i] = 1;
		assert_true(h != hash_siphash(key, message, 9));
		message[i] = 0;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hash_two_four_gives_the_published_vectors),
		cmocka_unit_test(hash_depends_on_key_length_and_every_byte),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
