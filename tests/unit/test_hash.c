/* SPDX-License-Identifier: BSD-2-Clause */
/* test_hash - SipHash against the vectors its authors published, the tables' hash against what
 * tables want of it. */
#include "../../dataplane/hash.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
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

/* -- for tables ----------------------------------------------------------------------- */

#define SECRETS 32

static struct hash_mix mix_number(uint8_t n)
{
	uint8_t key[HASH_KEY_SIZE] = {n};
	return hash_mix_of(key);
}

/* Whether some bit of the hash depends on each bit of the key, and on the secret. */
static void hash_mix_depends_on_secret_and_every_bit(void **state)
{
	(void)state;
	struct hash_mix mix = mix_number(1), other = mix_number(2);
	uint64_t key[2] = {0x0123456789abcdefull, 0xfedcba9876543210ull};
	uint64_t word = hash_mix_word(&mix, key[0]), words = hash_mix_words(&mix, key);

	assert_true(word != hash_mix_word(&other, key[0]));
	assert_true(words != hash_mix_words(&other, key));
	for (unsigned bit = 0; bit < 128; bit++) {
		key[bit / 64] ^= 1ull << bit % 64;
		assert_true(words != hash_mix_words(&mix, key));
		if (bit < 64)
			assert_true(word != hash_mix_word(&mix, key[0]));
		key[bit / 64] ^= 1ull << bit % 64;
	}
}

/* The keys of the tables, as a scan or a lab's numbering makes them. */
static uint64_t key_in_step(unsigned kind, uint64_t i)
{
	switch (kind) {
	case 0: /* neighbours: the host counts up in an address of network byte order */
		return 1ull << 32 | be32_from((uint32_t)(0x0a000000 + i)).raw;
	case 1: /* stations: the last bytes of a MAC count up */
		return 3ull << 48 | (uint64_t)be32_from((uint32_t)i).raw << 16 | 2;
	case 2: /* the first bytes do */
		return 3ull << 48 | i << 8 | 2;
	case 3: /* one bridge each */
		return i << 48 | i >> 16 << 40 | 2;
	}
	return i * 0x100000001ull; /* both halves alike */
}

/* 65,536 keys thrown into 131,072 buckets fill the fullest with six or seven, were they random. */
static void hash_mix_spreads_keys_in_step(void **state)
{
	(void)state;
	const uint32_t n = 65536, mask = 131071;
	uint8_t *filled = malloc(mask + 1);

	for (unsigned kind = 0; kind < 5; kind++) {
		unsigned fullest = 0;
		for (uint8_t secret = 0; secret < SECRETS; secret++) {
			struct hash_mix mix = mix_number(secret);
			memset(filled, 0, mask + 1);
			for (uint64_t i = 0; i < n; i++) {
				uint64_t h = hash_mix_word(&mix, key_in_step(kind, i));
				unsigned now = ++filled[h & mask];
				fullest = now > fullest ? now : fullest;
			}
		}
		assert_in_range(fullest, 2, 11);
	}
	free(filled);
}

/* Sessions of one host: ports count up on either side. */
static void hash_mix_spreads_tuples_in_step(void **state)
{
	(void)state;
	const uint32_t n = 65536, mask = 131071;
	uint8_t *filled = malloc(mask + 1);
	unsigned fullest = 0;

	for (uint8_t secret = 0; secret < SECRETS; secret++) {
		struct hash_mix mix = mix_number(secret);
		memset(filled, 0, mask + 1);
		for (uint64_t i = 0; i < n; i++) {
			uint64_t key[2] = {0x0200000a08080808ull, i << 16 | 17ull << 32 | 53};
			unsigned now = ++filled[hash_mix_words(&mix, key) & mask];
			fullest = now > fullest ? now : fullest;
		}
	}
	assert_in_range(fullest, 2, 11);
	free(filled);
}

/* Keys that differ in a bit or in the sign of it, the worst for sums of products: over many
 * secrets they meet in 10 bits as often as any two would, once in 1,024. */
static void hash_mix_makes_no_two_keys_meet_for_many_secrets(void **state)
{
	(void)state;
	for (unsigned bit = 0; bit < 64; bit += 7) {
		const uint64_t a = 0x00030000000000ffull, b = a ^ 1ull << bit;
		unsigned met = 0;
		for (unsigned secret = 0; secret < 20000; secret++) {
			uint8_t key[HASH_KEY_SIZE] = {(uint8_t)secret, (uint8_t)(secret >> 8)};
			struct hash_mix mix = hash_mix_of(key);
			met += !((hash_mix_word(&mix, a) ^ hash_mix_word(&mix, b)) & 1023);
		}
		assert_in_range(met, 1, 60); /* 20 expected */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hash_two_four_gives_the_published_vectors),
		cmocka_unit_test(hash_depends_on_key_length_and_every_byte),
		cmocka_unit_test(hash_mix_depends_on_secret_and_every_bit),
		cmocka_unit_test(hash_mix_spreads_keys_in_step),
		cmocka_unit_test(hash_mix_spreads_tuples_in_step),
		cmocka_unit_test(hash_mix_makes_no_two_keys_meet_for_many_secrets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
