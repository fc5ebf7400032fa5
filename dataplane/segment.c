/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * segment - TCP and UDP segmentation on memory.
 *
 * Every segment has the headers of the whole, but for what counts: IPv4's length and
 * identification, IPv6's length, TCP's sequence number, UDP's length. FIN and PSH stand on
 * the last one only, CWR on the first only unless the sender means it for all (AccECN).
 *
 * Checksums follow from those that are there: the open transport sum, which holds the
 * pseudo-header's, changes by the length, and the IPv4 header's is updated (RFC 1624), so that
 * a wrong one stays wrong.
 */
#include "segment.h"

#include "chain.h"
#include "csum.h"
#include "layout.h"
#include "../bpf/shared.h"

enum { TCP_FIN = 1, TCP_PSH = 8, TCP_CWR = 0x80 };

/* Bytes of the transport header, and where its checksum stands; 0: it is not as kind says. */
static uint32_t transport_header(const struct packet *p, const struct layout *l, uint16_t *offset)
{
	uint32_t room = min_u32(p->len, l->end) - l->start;

	bool ip6 = l->addresses_len != 2 * sizeof(be32);
	if (p->gso_kind & GATE_GSO_TCP && l->protocol == PROTO_TCP &&
	    room >= sizeof(struct tcp_hdr) && ip6 == !!(p->gso_kind & GATE_GSO_IP6)) {
		const struct tcp_hdr *tcp = (const struct tcp_hdr *)(p->data + l->start);
		uint32_t len = (tcp->data_offset >> 4) * 4u;
		*offset = offsetof(struct tcp_hdr, checksum);
		return len >= sizeof(*tcp) && len <= room ? len : 0;
	}
	*offset = offsetof(struct udp_hdr, checksum);
	bool udp = p->gso_kind & GATE_GSO_UDP && l->protocol == PROTO_UDP;
	return udp && room >= sizeof(struct udp_hdr) ? sizeof(struct udp_hdr) : 0;
}

bool segment_check(struct packet *p)
{
	struct layout l;
	uint16_t offset;

	if (p->gso_kind & GATE_GSO_OTHER || !layout_find(p, &l) || !l.header || l.fragment ||
	    l.end != packet_len(p))
		return false;
	uint32_t header_len = transport_header(p, &l, &offset);
	if (!header_len)
		return false;
	p->head_len = (uint16_t)(l.start + header_len);
	if (l.end - p->head_len <= p->gso_size) {
		p->gso_size = 0; /* its open checksum is found like any other's */
		return true;
	}
	p->csum_start = (uint16_t)l.start;
	p->csum_offset = offset;
	p->flags = (uint8_t)((p->flags & ~PACKET_UNKNOWN) | PACKET_PARTIAL);
	return true;
}

static uint32_t payload_len(const struct packet *p)
{
	return packet_len(p) - p->head_len;
}

unsigned segment_count(const struct packet *p)
{
	return (payload_len(p) + p->gso_size - 1) / p->gso_size;
}

/* Number i, whose frame is s, gets its own length and identification. */
static void fix_network(const struct packet *p, const struct layout *l, struct packet *s,
			unsigned i)
{
	uint16_t len = (uint16_t)(s->len - l->header);

	if (l->addresses_len != 2 * sizeof(be32)) {
		struct ip6_hdr *h = (struct ip6_hdr *)(s->data + l->header);
		h->payload_len = be16_from((uint16_t)(len - sizeof(*h)));
		return;
	}
	struct ip4_hdr *h = (struct ip4_hdr *)(s->data + l->header);
	be16 before = h->total_len, id = h->id;
	h->total_len = be16_from(len);
	h->checksum = csum_update(h->checksum, before, h->total_len);
	if (p->gso_kind & GATE_GSO_SAME_ID)
		return;
	h->id = be16_from((uint16_t)(be16_host(id) + i));
	h->checksum = csum_update(h->checksum, id, h->id);
}

static void fix_tcp(const struct packet *p, struct tcp_hdr *tcp, unsigned i)
{
	tcp->seq = be32_from(be32_host(tcp->seq) + i * p->gso_size);
	if (i + 1 < segment_count(p))
		tcp->flags &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	if (i && !(p->gso_kind & GATE_GSO_CWR))
		tcp->flags &= (uint8_t)~TCP_CWR;
}

/* The sum that was left open for the whole, finished for this one. */
static void finish(const struct packet *p, struct packet *s)
{
	be16 whole = be16_from((uint16_t)(packet_len(p) - p->csum_start));
	be16 len = be16_from((uint16_t)(s->len - p->csum_start));
	uint8_t *at = s->data + p->csum_start + p->csum_offset;
	be16 field;

	memcpy(&field, at, sizeof(field));
	field.raw = csum_fold((uint64_t)field.raw + (uint16_t)~whole.raw + len.raw);
	memcpy(at, &field, sizeof(field));
	field = csum_of(s->data + p->csum_start, s->len - p->csum_start);
	if (p->gso_kind & GATE_GSO_UDP && !field.raw)
		field.raw = 0xffff; /* RFC 768, RFC 8200 8.1 */
	memcpy(at, &field, sizeof(field));
}

static struct packet *make(struct frame_pool *pool, const struct packet *p, const struct layout *l,
			   unsigned i)
{
	uint32_t from = p->head_len + i * p->gso_size;
	uint32_t len = min_u32(p->gso_size, packet_len(p) - from);
	struct packet *s = frame_get(pool);

	s->len = p->head_len + len;
	s->port_in = p->port_in;
	s->wire = p->wire;
	s->verdict = p->verdict;
	s->flags = p->flags & (uint8_t) ~(PACKET_PARTIAL | PACKET_UNKNOWN);
	s->decision = p->decision;
	memcpy(s->data, p->data, p->head_len);
	chain_copy(s->data + p->head_len, p, from, len);
	fix_network(p, l, s, i);
	if (p->gso_kind & GATE_GSO_TCP)
		fix_tcp(p, (struct tcp_hdr *)(s->data + l->start), i);
	else
		((struct udp_hdr *)(s->data + l->start))->len =
			be16_from((uint16_t)(s->len - l->start));
	finish(p, s);
	return s;
}

enum verdict segment_cut(struct frame_pool *pool, const struct packet *p, struct packet **first)
{
	unsigned n = segment_count(p);
	struct layout l;

	if (FRAME_HEADROOM + (uint32_t)p->head_len + p->gso_size > pool->size)
		return DROP_FRAME_SIZE;
	if (n > pool->n_free)
		return DROP_FRAMES;
	layout_find(p, &l); /* segment_check() has seen that there is one */
	for (unsigned i = 0; i < n; i++) {
		*first = make(pool, p, &l, i);
		first = &(*first)->next;
	}
	return TO_EGRESS;
}
