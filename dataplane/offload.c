/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * offload - finishing the checksums that a sender's kernel left open.
 *
 * The field of such a packet holds the folded sum of the pseudo-header, not complemented. The
 * sum from csum_start to the end of the datagram then includes it, so its complement is the
 * finished field, and the pseudo-header itself need not be known: that is why the kernel hands
 * over two numbers and no protocol (include/linux/skbuff.h, "CHECKSUM_PARTIAL").
 *
 * Where the gate could see the kernel's mark, only marked packets are touched. Where it could
 * not, a field that equals the pseudo-header's sum is taken for an open one. In an intact
 * packet that hit can also be chance, and then completing writes the value that stands there.
 *
 * Bridged frames come here as they arrived, and nobody has looked into them. layout_find()
 * says once what there is, in numbers that all lie inside the packet; what contradicts itself
 * is not touched.
 *
 * SCTP carries a CRC32c and no internet checksum (RFC 9260 6.8): its field is left alone.
 */
#include "offload.h"

#include "chain.h"
#include "csum.h"
#include "layout.h"

/* No room here speaks it, so wire.h does not have it. */
enum { PROTO_SCTP = 132 }; /* RFC 9260 */

/* Writes the field at offset from start, in the first frame: the complement of the sum from start
 * to end. */
static bool finish(struct packet *p, uint32_t start, uint32_t end, uint32_t offset)
{
	be16 field = csum_finish(chain_sum(0, p, start, end - start));
	/* Only UDP has its checksum there, or a protocol to which 0 and 0xffff are the same. */
	if (offset == offsetof(struct udp_hdr, checksum) && !field.raw)
		field.raw = 0xffff;
	memcpy(p->data + start + offset, &field, sizeof(field));
	return true;
}

/* Of IPv4 (RFC 9293 3.1) and IPv6 (RFC 8200 8.1) alike: only zeros stand elsewhere. */
static uint16_t pseudo_sum(const struct packet *p, const struct layout *l)
{
	uint64_t sum = csum_add(0, p->data + l->addresses, l->addresses_len);
	sum += be16_from(l->protocol).raw;
	sum += be16_from((uint16_t)(l->end - l->start)).raw;
	return csum_fold(sum);
}

/* Whether what stands in the field at offset from l->start is the pseudo-header's sum. */
static bool begins_right(const struct packet *p, const struct layout *l, uint32_t offset)
{
	be16 field;

	memcpy(&field, p->data + l->start + offset, sizeof(field));
	return field.raw == pseudo_sum(p, l);
}

/* Whether the mark is on the checksum of a TCP segment, which completing will make right. */
static bool marks_tcp(const struct packet *p, const struct layout *l)
{
	return l->protocol == PROTO_TCP && !l->fragment && p->csum_start == l->start &&
	       p->csum_offset == offsetof(struct tcp_hdr, checksum) &&
	       begins_right(p, l, p->csum_offset);
}

static bool complete_marked(struct packet *p)
{
	struct layout l;

	if (!layout_find(p, &l) || l.protocol == PROTO_SCTP)
		return false;
	/* In 32 bits: start and offset have 16, so nothing can wrap. */
	if (p->csum_start < l.start ||
	    (uint32_t)p->csum_start + p->csum_offset + sizeof(be16) > min_u32(l.end, p->len))
		return false;
	p->tcp_sum_right = marks_tcp(p, &l);
	return finish(p, p->csum_start, l.end, p->csum_offset);
}

/* Where the checksum stands in a transport header, and how long that is at least. */
static bool transport_of(uint8_t protocol, uint32_t *offset, uint32_t *header_len)
{
	switch (protocol) {
	case PROTO_TCP:
		*offset = offsetof(struct tcp_hdr, checksum);
		*header_len = sizeof(struct tcp_hdr);
		return true;
	case PROTO_UDP:
		*offset = offsetof(struct udp_hdr, checksum);
		*header_len = sizeof(struct udp_hdr);
		return true;
	}
	return false;
}

static bool complete_unmarked(struct packet *p)
{
	struct layout l;
	uint32_t offset, header_len;

	/* A kernel finishes the checksum before it cuts a datagram: no fragment is open. */
	if (!layout_find(p, &l) || !l.addresses || l.fragment ||
	    !transport_of(l.protocol, &offset, &header_len) ||
	    min_u32(l.end, p->len) - l.start < header_len)
		return false;
	/* The sum is never 0, so a UDP field of 0, "no checksum" (RFC 768), is never open. */
	if (!begins_right(p, &l, offset))
		return false;
	p->tcp_sum_right = l.protocol == PROTO_TCP;
	return finish(p, l.start, l.end, offset);
}

bool offload_complete(struct packet *p)
{
	const uint8_t unfinished = PACKET_PARTIAL | PACKET_UNKNOWN, flags = p->flags;

	if (unlikely(p->gso_size))
		return false;
	p->flags = flags & (uint8_t)~unfinished;
	p->sum_completed |= flags & unfinished;
	if (flags & PACKET_PARTIAL)
		return complete_marked(p);
	if (flags & PACKET_UNKNOWN)
		return complete_unmarked(p);
	return false;
}

bool offload_leave(struct packet *p)
{
	struct layout l;

	if (unlikely(p->gso_size))
		return true;
	if (!layout_find(p, &l) || l.protocol != PROTO_TCP || l.fragment ||
	    min_u32(l.end, p->len) - l.start < sizeof(struct tcp_hdr))
		return false;
	if (p->flags & PACKET_UNKNOWN) {
		p->csum_start = (uint16_t)l.start;
		p->csum_offset = offsetof(struct tcp_hdr, checksum);
	}
	if (!marks_tcp(p, &l))
		return false;
	p->flags = (uint8_t)((p->flags & ~PACKET_UNKNOWN) | PACKET_PARTIAL);
	p->tcp_sum_right = true;
	return true;
}
