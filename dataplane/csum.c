/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * csum - the internet checksum over many bytes, and over the pseudo-header.
 *
 * 2^16, 2^32 and 2^64 are all 1 modulo 65535, so words of 16, 32 and 64 bits have the same
 * one's complement sum (RFC 1071 section 2 C), as long as the carry out of the top comes back
 * in at the bottom. We add eight bytes at a time into four sums that do not wait for each
 * other; which bytes are even and which odd is kept, because every step is of even length.
 *
 * A sum that has seen a bit set never becomes zero: end-around carry makes 0xffff of it, not
 * 0. So a computed field is never 0xffff unless all it covers is zero (RFC 1624 section 3).
 */
#include "csum.h"

static uint64_t load64(const uint8_t *at)
{
	uint64_t word;
	memcpy(&word, at, sizeof(word));
	return word;
}

static uint64_t add_carry(uint64_t sum, uint64_t word)
{
	sum += word;
	return sum + (sum < word);
}

/* The sum of up to seven bytes, by the bits of their number: headers end here, so no call. */
static uint64_t sum_tail(const uint8_t *at, size_t len)
{
	uint64_t sum = 0;
	uint32_t four;
	uint16_t two;
	if (len & 4) {
		memcpy(&four, at, sizeof(four));
		sum += four;
		at += sizeof(four);
	}
	if (len & 2) {
		memcpy(&two, at, sizeof(two));
		sum += two;
		at += sizeof(two);
	}
	if (len & 1)
		sum += *at;
	return sum;
}

uint64_t csum_add(uint64_t sum, const void *data, size_t len)
{
	const uint8_t *at = data;
	uint64_t b = 0, c = 0, d = 0;
	for (; len >= 32; at += 32, len -= 32) {
		sum = add_carry(sum, load64(at));
		b = add_carry(b, load64(at + 8));
		c = add_carry(c, load64(at + 16));
		d = add_carry(d, load64(at + 24));
	}
	for (; len >= 8; at += 8, len -= 8)
		sum = add_carry(sum, load64(at));
	b = add_carry(b, sum_tail(at, len));
	return add_carry(add_carry(sum, b), add_carry(c, d));
}

uint64_t csum_pseudo(be32 src, be32 dst, uint8_t protocol, uint16_t len)
{
	return (uint64_t)src.raw + dst.raw + be16_from(protocol).raw + be16_from(len).raw;
}
