/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * csum.h - the internet checksum (RFC 1071) and its incremental update (RFC 1624).
 *
 * Sums are one's complement sums of 16-bit words as they lie in memory, unfolded in 32
 * or 64 bits; csum_fold() gives the 16 bits, csum_finish() their complement: the field.
 */
#ifndef TSUJI_CSUM_H
#define TSUJI_CSUM_H

#include "wire.h"

/*
 * Adds len bytes at data, of any alignment, to sum; an odd last byte counts as if followed by
 * zero, so only the last of several pieces may be odd. Cost: 10 cycles and len/12.
 */
uint64_t csum_add(uint64_t sum, const void *data, size_t len);
/* The 16 bits of a sum; 0 only if every byte under it was 0, else 1 to 0xffff. */
static inline uint16_t csum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}
/* The same of a sum of less than 2^17 words. */
static inline uint16_t csum_fold_small(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)(sum + (sum >> 16));
}
static inline be16 csum_finish(uint64_t sum) { return (be16){(uint16_t)~csum_fold(sum)}; }

/* The field over len bytes that hold zero where it will stand. */
static inline be16 csum_of(const void *data, size_t len) { return csum_finish(csum_add(0, data, len)); }

/* The sum of an IPv4 header without options, which nearly all are, in a few cycles. */
static inline uint64_t csum_header(const struct ip4_hdr *h)
{
	uint32_t word[sizeof(*h) / 4];
	memcpy(word, h, sizeof(word));
	return (uint64_t)word[0] + word[1] + word[2] + word[3] + word[4];
}

/* The sum of the IPv4 pseudo-header (RFC 768, RFC 9293 3.1); len is that of header and payload. */
uint64_t csum_pseudo(be32 src, be32 dst, uint8_t protocol, uint16_t len);

/*
 * The field after a 16-bit word under it changed: RFC 1624 equation 3. It is what computing
 * the field anew gives, for every value, unless all bytes under it are now zero: no header is.
 */
static inline be16 csum_update(be16 field, be16 before, be16 after)
{
	uint32_t sum = (uint16_t)~field.raw;
	sum += (uint16_t)~before.raw;
	sum += after.raw;
	return (be16){(uint16_t)~csum_fold_small(sum)};
}

#endif
