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
 * SCTP carries a CRC32c and no internet checksum (RFC 9260 6.8): its field is left alone.
 */
#include "offload.h"

#include "csum.h"

/* RFC 9260; no room here speaks it, so wire.h does not have it. */
enum { PROTO_SCTP = 132 };

static bool has_ip4(const struct packet *p)
{
	return p->len >= sizeof(struct eth_hdr) + sizeof(struct ip4_hdr) &&
	       be16_host(packet_eth(p)->type) == ETH_IPV4;
}

/* The bytes from p->data on in which a transport header and its payload lie: empty if start >= end.
 */
struct range {
	uint32_t start, end;
};

static struct range ip4_payload(const struct packet *p)
{
	const struct ip4_hdr *h = packet_ip4(p);
	return (struct range){
		.start = sizeof(struct eth_hdr) + ip4_header_len(h),
		.end = min_u32(p->len, sizeof(struct eth_hdr) + be16_host(h->total_len)),
	};
}

/* Writes the field at offset from the range's start: the complement of the sum of the range. */
static bool finish(struct packet *p, struct range range, uint32_t offset)
{
	be16 field = csum_of(p->data + range.start, range.end - range.start);
	/* Only UDP has its checksum there, or a protocol to which 0 and 0xffff are the same. */
	if (offset == offsetof(struct udp_hdr, checksum) && !field.raw)
		field.raw = 0xffff;
	memcpy(p->data + range.start + offset, &field, sizeof(field));
	return true;
}

static bool complete_marked(struct packet *p)
{
	struct range range = {.start = sizeof(struct eth_hdr), .end = p->len};
	if (has_ip4(p)) {
		if (packet_ip4(p)->protocol == PROTO_SCTP)
			return false;
		range = ip4_payload(p);
	}
	/* In 32 bits: start and offset have 16, so nothing can wrap. */
	if (p->csum_start < range.start ||
	    (uint32_t)p->csum_start + p->csum_offset + sizeof(be16) > range.end)
		return false;
	range.start = p->csum_start;
	return finish(p, range, p->csum_offset);
}

/* Where the checksum stands in a transport header, and how long that is at least. */
static bool transport_of(const struct ip4_hdr *h, uint32_t *offset, uint32_t *header_len)
{
	switch (h->protocol) {
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
	uint32_t offset, header_len;
	be16 field;
	/* A kernel finishes the checksum before it cuts a datagram: no fragment is open. */
	if (!has_ip4(p) || ip4_is_fragment(packet_ip4(p)) ||
	    !transport_of(packet_ip4(p), &offset, &header_len))
		return false;
	const struct ip4_hdr *h = packet_ip4(p);
	struct range range = ip4_payload(p);
	if (range.start + header_len > range.end)
		return false;
	memcpy(&field, p->data + range.start + offset, sizeof(field));
	uint64_t pseudo =
		csum_pseudo(h->src, h->dst, h->protocol, (uint16_t)(range.end - range.start));
	/* The sum is never 0, so a UDP field of 0, "no checksum" (RFC 768), is never open. */
	return field.raw == csum_fold(pseudo) && finish(p, range, offset);
}

bool offload_complete(struct packet *p)
{
	uint8_t flags = p->flags;
	p->flags = flags & (uint8_t) ~(PACKET_PARTIAL | PACKET_UNKNOWN);
	if (flags & PACKET_PARTIAL)
		return complete_marked(p);
	if (flags & PACKET_UNKNOWN)
		return complete_unmarked(p);
	return false;
}
