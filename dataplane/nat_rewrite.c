/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nat_rewrite - the endpoints in a datagram's bytes: read before deciding, written after.
 *
 * An *endpoint* is an address and, where the protocol has them, a port: TCP and UDP have two,
 * an ICMP query one identifier, which stands with its client (session.h). UDP-Lite and DCCP are
 * translated by address alone, but their checksums cover the addresses. Protocols we do not
 * know have no checksum that does, as far as we can tell; SCTP's CRC32c is none (RFC 9260 6.8).
 *
 * An ICMP error carries a datagram that went the other way: what is this packet's new
 * destination is the quoted one's new source. Both are written by the same function. RFC 5508
 * REQ-3 b and d: the quotation may have options, and what follows it (RFC 4884) is not read.
 * Its own checksums are not asked for, because routers quote datagrams whose TTL they have
 * changed; all sums are updated (RFC 1624), so what was right stays right and what was wrong
 * wrong.
 *
 * A later fragment has no ports and no sums: addresses alone.
 */
#include "nat.h"

#include "chain.h"
#include "csum.h"

/* Their checksum covers the addresses, and stands where UDP's does: RFC 3828, RFC 4340 5.1. */
enum { PROTO_DCCP = 33, PROTO_UDPLITE = 136 };

enum {
	SUM_OF_TCP = offsetof(struct tcp_hdr, checksum),
	SUM_OF_UDP = offsetof(struct udp_hdr, checksum),
};

/* RFC 792, RFC 950: queries come in pairs, the reply one above the request, echo apart. */
enum { ICMP_TIMESTAMP = 13, ICMP_MASK_REPLY = 18 };
enum { ICMP_QUOTES = 8 }; /* bytes of a quoted transport header that are always there */

enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_ACK = 16 };

/* -- reading ---------------------------------------------------------------------- */

/* A datagram of len bytes, of which room are here, from its header on. */
struct view {
	struct ip4_hdr *h;
	unsigned room, len;
	bool open; /* its TCP or UDP sum is the pseudo-header's, and others finish it */
};

static struct view view_of(const struct packet *p)
{
	struct ip4_hdr *h = packet_ip4(p);
	unsigned len = be16_host(h->total_len);

	return (struct view){
		.h = h,
		.room = min_u32(len, p->len - (uint32_t)sizeof(struct eth_hdr)),
		.len = len,
		.open = p->flags & PACKET_PARTIAL,
	};
}

static void *transport_of(const struct view *v)
{
	return (uint8_t *)v->h + ip4_header_len(v->h);
}

/* How much of the transport header and what follows is there. */
static unsigned transport_room(const struct view *v)
{
	return v->room - ip4_header_len(v->h);
}

static bool icmp_is_request(uint8_t type)
{
	return type == ICMP_ECHO ||
	       (type >= ICMP_TIMESTAMP && type <= ICMP_MASK_REPLY && type % 2 == 1);
}

static bool icmp_is_reply(uint8_t type)
{
	return type == ICMP_ECHO_REPLY ||
	       (type >= ICMP_TIMESTAMP && type <= ICMP_MASK_REPLY && type % 2 == 0);
}

static bool icmp_is_error(uint8_t type)
{
	return type == ICMP_UNREACHABLE || type == ICMP_SOURCE_QUENCH || type == ICMP_REDIRECT ||
	       type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETER;
}

/* Fields lie at any address (wire.h), so they are read and written by memcpy(). */
static be16 get16(const void *at)
{
	be16 value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/* The identifier: the first half of the second word of every query. */
static void *icmp_id(struct icmp_hdr *icmp)
{
	return &icmp->rest;
}

/* Of TCP and UDP, at least the eight bytes are there that an ICMP error has to quote. */
static bool read_ports(const struct view *v, struct tuple *t)
{
	const struct udp_hdr *ports = transport_of(v); /* TCP begins with the same two */

	if (transport_room(v) < ICMP_QUOTES)
		return false;
	t->sport = ports->sport;
	t->dport = ports->dport;
	return true;
}

static bool read_query(const struct view *v, struct tuple *t)
{
	struct icmp_hdr *icmp = transport_of(v);

	if (transport_room(v) < sizeof(*icmp))
		return false;
	if (icmp_is_request(icmp->type))
		t->sport = get16(icmp_id(icmp));
	else if (icmp_is_reply(icmp->type))
		t->dport = get16(icmp_id(icmp));
	else
		return false;
	return true;
}

static bool read_tuple(const struct view *v, struct tuple *t)
{
	*t = (struct tuple){.src = v->h->src, .dst = v->h->dst, .protocol = v->h->protocol};
	if (nat_needs_first(v->h))
		return false;
	switch (v->h->protocol) {
	case PROTO_TCP:
	case PROTO_UDP:
		return read_ports(v, t);
	case PROTO_ICMP:
		return read_query(v, t);
	}
	return true;
}

/* RFC 9293 3.1: a header of five words or more, and all of it here unless it was cut. */
static bool tcp_is_sound(const struct view *v)
{
	const struct tcp_hdr *tcp = transport_of(v);
	unsigned room = transport_room(v);

	if (room < sizeof(*tcp)) /* a fragment as short as that is an attack: RFC 1858 3 */
		return false;
	unsigned len = (tcp->data_offset >> 4) * 4u;
	return len >= sizeof(*tcp) && (len <= room || ip4_is_fragment(v->h));
}

/* RFC 768: the length is that of header and data. */
static bool udp_is_sound(const struct view *v)
{
	const struct udp_hdr *udp = transport_of(v);
	unsigned len = be16_host(udp->len);

	return len >= sizeof(*udp) &&
	       (len <= v->len - ip4_header_len(v->h) || ip4_is_fragment(v->h));
}

bool nat_tuple(const struct packet *p, struct tuple *t)
{
	struct view v = view_of(p);

	if (unlikely(!read_tuple(&v, t)))
		return false;
	if (likely(v.h->protocol == PROTO_TCP))
		return tcp_is_sound(&v);
	return v.h->protocol != PROTO_UDP || udp_is_sound(&v);
}

/* The datagram that an ICMP error quotes, with at least its whole header; false: too short. */
static bool quotation_of(const struct view *error, struct view *quoted)
{
	unsigned room = transport_room(error);

	if (room < sizeof(struct icmp_hdr) + sizeof(struct ip4_hdr))
		return false;
	quoted->h = (struct ip4_hdr *)((uint8_t *)transport_of(error) + sizeof(struct icmp_hdr));
	quoted->room = quoted->len = room - (unsigned)sizeof(struct icmp_hdr);
	quoted->open = false;
	unsigned header_len = ip4_header_len(quoted->h);
	return ip4_version(quoted->h) == 4 && header_len >= sizeof(struct ip4_hdr) &&
	       header_len <= quoted->room;
}

/* RFC 5508 REQ-3: an error with a wrong checksum is none. Of a fragment it cannot be known. */
static bool icmp_sum_is_right(const struct packet *p, const struct view *v)
{
	uint32_t at = (uint32_t)((const uint8_t *)transport_of(v) - p->data);

	return ip4_is_fragment(v->h) ||
	       csum_fold(chain_sum(0, p, at, v->len - ip4_header_len(v->h))) == 0xffff;
}

/* What may open a session: Linux's tcp_conntracks[] for a connection it has not seen. */
static enum nat_opens tcp_opens(uint8_t flags)
{
	switch (flags & (TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK)) {
	case TCP_SYN:
		return NAT_OPENS_SESSION;
	case TCP_ACK: /* in the middle of a connection that is older than we are */
		return NAT_PICKS_UP;
	}
	return NAT_OPENS_NOTHING;
}

static enum nat_opens opens_of(const struct view *v)
{
	switch (v->h->protocol) {
	case PROTO_TCP:
		return tcp_opens(((const struct tcp_hdr *)transport_of(v))->flags);
	case PROTO_ICMP:
		return icmp_is_request(((const struct icmp_hdr *)transport_of(v))->type)
			       ? NAT_OPENS_SESSION
			       : NAT_OPENS_NOTHING;
	}
	return NAT_OPENS_SESSION;
}

static void look_at_error(const struct packet *p, const struct view *v, struct nat_sight *sight)
{
	struct view quoted;
	struct tuple t;

	sight->kind = NAT_IS_BAD_ERROR;
	if (!quotation_of(v, &quoted))
		return;
	bool legible = read_tuple(&quoted, &t);
	sight->tuple = tuple_reverse(t);
	if (legible && icmp_sum_is_right(p, v))
		sight->kind = NAT_IS_ERROR;
}

void nat_look(const struct packet *p, struct nat_sight *sight)
{
	struct view v = view_of(p);

	*sight = (struct nat_sight){.kind = NAT_IS_NOTHING};
	if (likely(nat_tuple(p, &sight->tuple))) {
		sight->kind = NAT_IS_FLOW;
		sight->opens = (uint8_t)opens_of(&v);
	} else if (v.h->protocol == PROTO_ICMP && transport_room(&v) >= sizeof(struct icmp_hdr) &&
		   icmp_is_error(((const struct icmp_hdr *)transport_of(&v))->type)) {
		look_at_error(p, &v, sight);
	}
}

/* -- writing ---------------------------------------------------------------------- */

/* Writes a field and returns what that adds to the sum over it: RFC 1624 3, ~m + m'. */
static uint64_t put32(void *at, be32 value)
{
	be32 before;

	memcpy(&before, at, sizeof(before));
	memcpy(at, &value, sizeof(value));
	return (uint64_t)~before.raw + value.raw;
}

static uint64_t put16(void *at, be16 value)
{
	be16 before = get16(at);

	memcpy(at, &value, sizeof(value));
	return (uint64_t)(uint16_t)~before.raw + value.raw;
}

static void update(void *field, uint64_t change)
{
	be16 sum = csum_finish((uint16_t)~get16(field).raw + change);

	memcpy(field, &sum, sizeof(sum));
}

static uint64_t put_addresses(struct ip4_hdr *h, const struct nat_decision *nat)
{
	uint64_t change = 0;

	if (nat->flags & NAT_SOURCE)
		change += put32(&h->src, nat->src);
	if (nat->flags & NAT_DESTINATION)
		change += put32(&h->dst, nat->dst);
	return change;
}

static uint64_t put_ports(struct udp_hdr *ports, const struct nat_decision *nat)
{
	uint64_t change = 0;

	if (nat->flags & NAT_SOURCE)
		change += put16(&ports->sport, nat->sport);
	if (nat->flags & NAT_DESTINATION)
		change += put16(&ports->dport, nat->dport);
	return change;
}

/* The identifier is its client's: a request's source, a reply's destination. */
static void put_query(struct icmp_hdr *icmp, const struct nat_decision *nat)
{
	if (icmp_is_request(icmp->type) && nat->flags & NAT_SOURCE)
		update(&icmp->checksum, put16(icmp_id(icmp), nat->sport));
	else if (icmp_is_reply(icmp->type) && nat->flags & NAT_DESTINATION)
		update(&icmp->checksum, put16(icmp_id(icmp), nat->dport));
}

/*
 * The checksum at that offset of the transport header, if its bytes are there. RFC 768: zero
 * says that there is none, so a sum of zero is sent as its other form. An open sum is no
 * complement, and never zero.
 */
static void update_sum(const struct view *v, size_t offset, uint64_t change)
{
	uint8_t *field = (uint8_t *)transport_of(v) + offset;
	uint8_t protocol = v->h->protocol;

	if (transport_room(v) < offset + sizeof(be16) ||
	    (protocol == PROTO_UDP && get16(field).raw == 0))
		return;
	if (v->open) {
		be16 sum = {csum_fold(get16(field).raw + change)};
		memcpy(field, &sum, sizeof(sum));
		return;
	}
	update(field, change);
	if (protocol != PROTO_TCP && get16(field).raw == 0)
		memset(field, 0xff, sizeof(be16));
}

/* change: what the addresses add to the pseudo-header. */
static void put_transport(const struct view *v, const struct nat_decision *nat, uint64_t change)
{
	uint8_t protocol = v->h->protocol;
	uint64_t ports;

	switch (protocol) {
	case PROTO_TCP:
	case PROTO_UDP:
		if (transport_room(v) < ICMP_QUOTES)
			return;
		ports = put_ports(transport_of(v), nat);
		if (!v->open) /* an open sum is that of the addresses alone */
			change += ports;
		update_sum(v, protocol == PROTO_TCP ? SUM_OF_TCP : SUM_OF_UDP, change);
		return;
	case PROTO_UDPLITE:
	case PROTO_DCCP:
		update_sum(v, SUM_OF_UDP, change);
		return;
	case PROTO_ICMP:
		if (transport_room(v) >= sizeof(struct icmp_hdr))
			put_query(transport_of(v), nat);
		return;
	}
}

static void put_datagram(const struct view *v, const struct nat_decision *nat)
{
	uint64_t change = put_addresses(v->h, nat);

	update(&v->h->checksum, change);
	if (likely(ip4_offset(v->h) == 0))
		put_transport(v, nat, change);
}

/* The quoted datagram went the other way. RFC 5508 REQ-4 a, REQ-5 a. */
static struct nat_decision inverse(const struct nat_decision *nat)
{
	struct nat_decision back = {
		.src = nat->dst, .sport = nat->dport, .dst = nat->src, .dport = nat->sport};

	if (nat->flags & NAT_DESTINATION)
		back.flags |= NAT_SOURCE;
	if (nat->flags & NAT_SOURCE && !(nat->flags & NAT_OUTER_SOURCE))
		back.flags |= NAT_DESTINATION;
	return back;
}

/* All that may change lies in the first bytes: their sum before and after is enough. */
static void put_quotation(const struct view *error, const struct nat_decision *nat)
{
	struct icmp_hdr *icmp = transport_of(error);
	struct nat_decision back = inverse(nat);
	struct view quoted;

	if (!quotation_of(error, &quoted))
		return;
	size_t len = min_u32(quoted.room, ip4_header_len(quoted.h) + sizeof(struct tcp_hdr));
	uint16_t before = csum_fold(csum_add(0, quoted.h, len));
	put_datagram(&quoted, &back);
	uint16_t after = csum_fold(csum_add(0, quoted.h, len));
	update(&icmp->checksum, (uint64_t)(uint16_t)~before + after);
}

void nat_rewrite(struct packet *p)
{
	const struct nat_decision *nat = &p->decision.nat;

	if (likely(!nat->flags))
		return;
	struct view v = view_of(p);
	if (unlikely(nat->flags & NAT_QUOTED) && ip4_offset(v.h) == 0)
		put_quotation(&v, nat);
	put_datagram(&v, nat);
}
