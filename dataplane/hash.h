/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hash.h - keyed hashes for keys that an outsider chooses: who does not know the secret cannot
 * aim at a bucket.
 *
 * SipHash (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012) for whatever is
 * not asked for each packet, or can be seen from outside. The rounds are parameters so that
 * the published SipHash-2-4 vectors can be checked against the same code; with one round per
 * word and three to finish it does for a hash table.
 *
 * hash_mix for the tables that every packet asks, once or twice: SipHash is a tenth of all
 * that is done for it. Two steps:
 *
 *   - a product of sums, (w0 + high half) * (w1 + low half) mod 2^64, added up over the words
 *     of the key: pair-multiply-shift (Thorup, "High Speed Hashing for Integers and Strings",
 *     2015, section 3.5). Two different keys, however chosen, agree in its upper 32 bits for
 *     one secret in 2^32, and so hardly ever at all: of this there is a proof, and it means
 *     that no list of keys made without knowing the secret fills a bucket;
 *   - that times another secret, both halves of the product folded: keys that follow each
 *     other, as addresses in a subnet do, are still in step after the first.
 *
 * What SipHash has and this has not is safety from someone who sees results. Nobody does: a
 * bucket shows in nothing but the time a look takes, a few nanoseconds of a turn. Whatever leaves
 * the router, as the choice of a port does, is for SipHash.
 */
#ifndef TSUJI_HASH_H
#define TSUJI_HASH_H

#include "wire.h"

#define HASH_KEY_SIZE 16 /* bytes of a key: random, and secret */

struct hash_state {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t hash_rotate(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static inline uint64_t hash_load(const void *bytes)
{
	uint64_t word;
	memcpy(&word, bytes, sizeof(word)); /* little endian, as SipHash reads; see wire.h */
	return word;
}

static inline void hash_round(struct hash_state *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = hash_rotate(s->v1, 13) ^ s->v0;
	s->v3 = hash_rotate(s->v3, 16) ^ s->v2;
	s->v0 = hash_rotate(s->v0, 32) + s->v3;
	s->v2 += s->v1;
	s->v1 = hash_rotate(s->v1, 17) ^ s->v2;
	s->v3 = hash_rotate(s->v3, 21) ^ s->v0;
	s->v2 = hash_rotate(s->v2, 32);
}

static inline void hash_word(struct hash_state *s, uint64_t word, unsigned rounds)
{
	s->v3 ^= word;
	for (unsigned i = 0; i < rounds; i++)
		hash_round(s);
	s->v0 ^= word;
}

/* SipHash-c-d of len bytes. Inline, so that a length the compiler knows costs no loop. */
static inline uint64_t hash_siphash_rounds(const uint8_t key[HASH_KEY_SIZE], const void *data,
					   size_t len, unsigned c, unsigned d)
{
	uint64_t k0 = hash_load(key), k1 = hash_load(key + 8);
	/* The constants spell "somepseudorandomlygeneratedbytes" (the paper, section 2.1). */
	struct hash_state s = {
		k0 ^ 0x736f6d6570736575ull,
		k1 ^ 0x646f72616e646f6dull,
		k0 ^ 0x6c7967656e657261ull,
		k1 ^ 0x7465646279746573ull,
	};
	const uint8_t *at = data, *last = at + (len & ~(size_t)7);
	for (; at < last; at += 8)
		hash_word(&s, hash_load(at), c);
	uint64_t tail = 0;
	memcpy(&tail, at, len & 7);
	hash_word(&s, tail | (uint64_t)len << 56, c);
	s.v2 ^= 0xff;
	for (unsigned i = 0; i < d; i++)
		hash_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

/* SipHash-1-3 of len bytes under key: all 64 bits are fit for use. Cost: about 15 ns for 8 bytes.
 */
static inline uint64_t hash_siphash(const uint8_t key[HASH_KEY_SIZE], const void *data, size_t len)
{
	return hash_siphash_rounds(key, data, len, 1, 3);
}

/* -- for tables ----------------------------------------------------------------------- */

struct hash_mix {
	uint64_t w[6]; /* secret */
};

static inline struct hash_mix hash_mix_of(const uint8_t key[HASH_KEY_SIZE])
{
	struct hash_mix mix;
	for (uint64_t i = 0; i < ARRAY_SIZE(mix.w); i++)
		mix.w[i] = hash_siphash_rounds(key, &i, sizeof(i), 2, 4);
	return mix;
}

/* Both halves of a product of 128 bits. */
static inline uint64_t hash_fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t hash_pair(uint64_t word, uint64_t high_secret, uint64_t low_secret)
{
	return (high_secret + (word >> 32)) * (low_secret + (uint32_t)word);
}

/* Of a key of one word; all 64 bits are fit for use. Cost: about 3 ns. */
static inline uint64_t hash_mix_word(const struct hash_mix *mix, uint64_t word)
{
	return hash_fold(hash_pair(word, mix->w[0], mix->w[1]) ^ mix->w[4], mix->w[5]);
}

/* Of a key of 16 bytes. */
static inline uint64_t hash_mix_words(const struct hash_mix *mix, const void *key)
{
	uint64_t sum = hash_pair(hash_load(key), mix->w[0], mix->w[1]) +
		       hash_pair(hash_load((const uint8_t *)key + 8), mix->w[2], mix->w[3]);
	return hash_fold(sum ^ mix->w[4], mix->w[5]);
}

#endif
