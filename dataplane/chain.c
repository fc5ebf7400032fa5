/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chain - reading across the frames of a packet.
 *
 * Nearly every packet is one frame, so that comes first. The sum of a piece that begins at an
 * odd place of the whole has its bytes in the wrong halves of the words: swapping the halves
 * of the folded sum puts that right (RFC 1071 section 2 B).
 */
#include "chain.h"

#include "csum.h"

/* The frame in which place *at lies; *at is counted from its own beginning then. */
static const struct packet *find(const struct packet *p, uint32_t *at)
{
	while (*at >= p->len && p->rest) {
		*at -= p->len;
		p = p->rest;
	}
	return p;
}

uint64_t chain_sum(uint64_t sum, const struct packet *p, uint32_t at, uint32_t len)
{
	bool odd = false;

	if (likely(at + len <= p->len))
		return csum_add(sum, p->data + at, len);
	for (p = find(p, &at); p && len; p = p->rest, at = 0) {
		uint32_t n = min_u32(len, p->len - at);
		uint16_t part = csum_fold(csum_add(0, p->data + at, n));
		sum += odd ? __builtin_bswap16(part) : part;
		odd ^= n & 1;
		len -= n;
	}
	return sum;
}

void chain_copy(void *to, const struct packet *p, uint32_t at, uint32_t len)
{
	uint8_t *byte = to;

	for (p = find(p, &at); p && len; p = p->rest, at = 0) {
		uint32_t n = min_u32(len, p->len - at);
		memcpy(byte, p->data + at, n);
		byte += n;
		len -= n;
	}
}

void chain_trim(struct packet *p, uint32_t len)
{
	struct packet *head = p;
	uint32_t left = len;

	if (len >= packet_len(p))
		return;
	for (; p; p = p->rest) {
		p->len = min_u32(p->len, left);
		left -= p->len;
	}
	head->rest_len = len - head->len;
}
