/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ip4 - the IPv4 rooms: validate, route, rewrite.
 *
 * ip4_input() and ip4_route() only read: what they find out is a verdict and a decision,
 * and the datagram can still be quoted as it arrived. ip4_rewrite() obeys the decision and
 * is the one place where a transit datagram's bytes change.
 *
 * The order of the checks is Linux's, because which error a datagram gets depends on it:
 * header, martians, options (a malformed one is reported even where there is no route),
 * route (no route is reported even at TTL 1), TTL, MTU.
 *
 * There is no reassembly: fragments are forwarded as they come, and cut again if need be.
 */
#include "ip4.h"

#include "chain.h"
#include "csum.h"
#include "offload.h"
#include "options.h"
#include "segment.h"

/* RFC 7600 4.8: what a router without an address on that port sends from. */
#define ADDRESS_DUMMY 0xc0000008u
#define PROTO_IGMP    2

/* -- room 4: validate ------------------------------------------------------------- */

/* The header's own consistency: RFC 1812 5.2.2, (1) to (5). Cuts padding off. */
static enum verdict check_header(struct packet *p)
{
	const struct ip4_hdr *h = packet_ip4(p);
	uint32_t room = packet_len(p) - (uint32_t)sizeof(struct eth_hdr);

	/* RFC 1812 5.2.2 (1): the link layer delivers at least a whole header. */
	if (unlikely(p->len < sizeof(struct eth_hdr) + sizeof(*h)))
		return DROP_IP4_SHORT;
	/* (3): the version number is 4. */
	if (unlikely(ip4_version(h) != 4))
		return DROP_IP4_VERSION;
	/* (4): the header length field holds at least 20 bytes, which are here. */
	unsigned header_len = ip4_header_len(h);
	if (unlikely(header_len < sizeof(*h) || sizeof(struct eth_hdr) + header_len > p->len))
		return DROP_IP4_IHL;
	/* (2): the checksum is correct; RFC 1122 3.2.1.2: else silently discard. */
	bool bare = likely(header_len == sizeof(*h));
	if (unlikely(csum_fold(bare ? csum_header(h) : csum_add(0, h, header_len)) != 0xffff))
		return DROP_IP4_CHECKSUM;
	/* (5): the total length field holds the header; and it came whole. */
	unsigned total_len = be16_host(h->total_len);
	if (unlikely(total_len > room))
		return DROP_IP4_LENGTH;
	if (unlikely(total_len < header_len))
		return DROP_IP4_IHL;
	/* RFC 894: padding is no part of it. */
	if (likely(!p->rest))
		p->len = (uint32_t)sizeof(struct eth_hdr) + total_len;
	else
		chain_trim(p, (uint32_t)sizeof(struct eth_hdr) + total_len);
	return TO_IP4;
}

/* Where a host without an address may send: RFC 1122 3.2.1.3 (a), RFC 3376 4.2.13. */
static bool may_be_nobody(const struct ip4_hdr *h)
{
	uint32_t dst = be32_host(h->dst);
	bool link_local_group = dst >> 8 == 0xe00000; /* 224.0.0.0/24 */

	return dst == UINT32_MAX || link_local_group ||
	       (dst >> 28 == 14 && h->protocol == PROTO_IGMP);
}

/* RFC 1812 5.3.7 and 4.2.2.11: sources that no host may use. */
static enum verdict check_source(const struct port_table *ports, const struct ip4_hdr *h)
{
	uint32_t src = be32_host(h->src);
	unsigned first = src >> 24;

	if (unlikely(first == 0 || first == 127 || first >= 224))
		return src == 0 && may_be_nobody(h) ? TO_IP4 : DROP_IP4_MARTIAN_SOURCE;
	const struct local *l = port_local(ports, h->src);
	if (likely(!l))
		return TO_IP4;
	/* RFC 1812 5.3.7: a broadcast address is never a source; nor is ours, from outside. */
	return l->broadcast ? DROP_IP4_MARTIAN_SOURCE : DROP_IP4_OWN_SOURCE;
}

/* RFC 1812 5.3.7: destinations that are never on a wire. */
static enum verdict check_destination(const struct ip4_hdr *h)
{
	uint32_t dst = be32_host(h->dst);
	unsigned first = dst >> 24;

	if (unlikely(first == 0 || first == 127 || (first >= 240 && dst != UINT32_MAX)))
		return DROP_IP4_MARTIAN_DESTINATION;
	return TO_IP4;
}

/* RFC 1812 5.2.4.1 and 5.3.13: options are well-formed, and no source route among them. */
static enum verdict check_options(struct packet *p)
{
	const struct ip4_hdr *h = packet_ip4(p);
	struct options found;

	if (likely(ip4_header_len(h) == sizeof(*h)))
		return TO_IP4;
	p->flags |= PACKET_OPTIONS;
	if (!options_check(h, &found)) {
		p->icmp_pointer = found.bad;
		return DROP_IP4_OPTIONS;
	}
	return found.source_route ? DROP_IP4_SOURCE_ROUTE : TO_IP4;
}

/* Whether the kernel has an address on the port, and so may want its broadcasts. */
static bool kernel_listens(const struct port_table *ports, uint16_t port)
{
	for (unsigned i = 0; i <= ports->locals_mask; i++) {
		const struct local *l = &ports->locals[i];
		if (!be32_is_zero(l->address) && l->port == port && l->kernel && !l->broadcast)
			return true;
	}
	return false;
}

/* Whose it is: RFC 1812 5.2.3 (local delivery) and 5.3.4, 5.3.5 (link-layer and IP broadcasts). */
static enum verdict deliver(const struct port_table *ports, const struct packet *p, bool nat)
{
	uint32_t dst = be32_host(p->decision.dst);
	bool link_group = p->flags & PACKET_LINK_GROUP;

	if (unlikely(dst >> 28 == 14)) /* RFC 1112 6.4: a group travels in a link-layer group */
		return link_group ? PUNTED : DROP_IP4_MULTICAST;
	const struct local *l = port_local(ports, p->decision.dst);
	if (unlikely(dst == UINT32_MAX || (l && l->broadcast))) {
		bool here = dst == UINT32_MAX || l->port == p->port_in;
		/* RFC 1812 5.3.5.2: directed broadcasts into another subnet are not forwarded. */
		if (here && kernel_listens(ports, p->port_in))
			return PUNTED;
		/* On a bridge the broadcast itself went to everyone; only our copy of it ends here. */
		const struct port *port = port_get(ports, p->port_in);
		return here && port && port_is_leg(port) ? TAKEN : DROP_IP4_BROADCAST;
	}
	if (unlikely(link_group)) /* RFC 1812 5.3.4, RFC 1122 3.3.6 */
		return DROP_IP4_LINK_BROADCAST;
	if (nat)
		return TO_NAT;
	if (likely(!l))
		return TO_FIB;
	return l->tsuji ? TO_LOCAL : PUNTED;
}

static enum verdict validate(const struct port_table *ports, struct packet *p, bool nat)
{
	enum verdict v = check_header(p);

	if (likely(v == TO_IP4))
		v = check_source(ports, packet_ip4(p));
	if (likely(v == TO_IP4))
		v = check_destination(packet_ip4(p));
	if (likely(v == TO_IP4))
		v = check_options(p);
	if (unlikely(v != TO_IP4))
		return v;
	p->decision.dst = packet_ip4(p)->dst;
	return deliver(ports, p, nat);
}

void ip4_input(const struct port_table *ports, const struct vector *v, bool nat)
{
	for (unsigned i = 0; i < v->n; i++)
		v->p[i]->verdict = (uint8_t)validate(ports, v->p[i], nat);
}

void ip4_deliver(const struct port_table *ports, const struct vector *v)
{
	for (unsigned i = 0; i < v->n; i++)
		v->p[i]->verdict = (uint8_t)deliver(ports, v->p[i], false);
}

/* -- room 5: route ---------------------------------------------------------------- */

static enum verdict refuse(const struct fib_way *way)
{
	switch (way->type) {
	case FIB_BLACKHOLE:
		return DROP_IP4_BLACKHOLE;
	case FIB_UNREACHABLE:
		return DROP_IP4_UNREACHABLE;
	}
	return DROP_IP4_PROHIBIT;
}

static void decide(const struct fib_way *way, uint32_t index, const struct port *port,
		   struct packet *p)
{
	p->decision.route = index;
	p->decision.port_out = port->number;
	p->decision.mtu = port->mtu;
	p->decision.next_hop = be32_is_zero(way->via) ? p->decision.dst : way->via;
}

/* What the outgoing MTU is about: the datagram, or the segments it will be cut into. */
static unsigned datagram_len(const struct packet *p)
{
	return packet_wire_len(p) - (unsigned)sizeof(struct eth_hdr);
}

/* The checks of forwarding that need to know where it goes. */
static enum verdict check_forward(const struct port_table *ports, const struct packet *p)
{
	const struct ip4_hdr *h = packet_ip4(p);
	const struct local *l = port_local(ports, p->decision.dst);

	/* RFC 1812 5.3.5.2, RFC 2644: whatever its destination has become meanwhile. */
	if (unlikely(l && l->broadcast))
		return DROP_IP4_BROADCAST;
	/* RFC 1812 5.3.1: a datagram for someone else must have a hop left. */
	if (unlikely(h->ttl <= 1) && !(p->flags & PACKET_OWN))
		return DROP_IP4_TTL;
	/* RFC 1812 4.2.2.7, 5.2.7.1: may not be cut, and does not fit. */
	if (unlikely(datagram_len(p) > p->decision.mtu) && be16_host(h->fragment) & IP4_DF)
		return DROP_IP4_MTU;
	return TO_NEIGH;
}

static enum verdict route_one(const struct port_table *ports, struct fib_way *ways,
			      struct packet *p, uint32_t index)
{
	if (unlikely(index == ROUTE_NONE))
		return DROP_IP4_NO_ROUTE;
	struct fib_way *way = &ways[index];
	count_add(&way->hits, 1);
	if (unlikely(way->type != FIB_UNICAST))
		return refuse(way);
	const struct port *port = port_get(ports, way->port);
	if (unlikely(!port || !port->up))
		return DROP_PORT_DOWN;
	decide(way, index, port, p);
	return check_forward(ports, p);
}

void ip4_route(const struct port_table *ports, struct fib *fib, const struct vector *v)
{
	be32 dst[VECTOR_SIZE];
	uint32_t index[VECTOR_SIZE];
	struct fib_way *ways = fib_ways(fib);

	for (unsigned i = 0; i < v->n; i++) {
		struct packet *p = v->p[i];
		if (p->flags & PACKET_OWN)
			p->decision.dst = packet_ip4(p)->dst;
		dst[i] = p->decision.dst;
	}
	fib_lookup_burst(fib, dst, index, v->n);
	for (unsigned i = 0; i < v->n; i++)
		v->p[i]->verdict = (uint8_t)route_one(ports, ways, v->p[i], index[i]);
}

bool ip4_wants_redirect(const struct port_table *ports, const struct packet *p)
{
	if (likely(p->decision.port_out != p->port_in) || p->flags & PACKET_OWN || p->decision.nat.flags)
		return false;
	const struct port *port = port_get(ports, p->port_in);
	const struct port_address *subnet = port ? port_subnet_of(port, packet_ip4(p)->src) : NULL;
	return subnet && ip4_in_prefix(p->decision.next_hop, subnet->address, subnet->prefix_len);
}

/* -- room 6: rewrite -------------------------------------------------------------- */

/* Our address on port towards a neighbour: the one in its subnet, else the first, else the dummy.
 */
static be32 address_towards(const struct port *port, be32 neighbour)
{
	const struct port_address *a = port ? port_subnet_of(port, neighbour) : NULL;

	if (!a && port && port->n_addresses)
		a = &port->addresses[0];
	return a ? a->address : be32_from(ADDRESS_DUMMY);
}

/* The address we send from by a route, or by a port where that route says nothing. */
static be32 source_of(const struct port_table *ports, const struct fib *fib, uint32_t index,
		      uint16_t port, be32 neighbour)
{
	if (index < fib_count(fib)) {
		const struct fib_route *route = fib_route(fib, index);
		if (route->type == FIB_UNICAST && !be32_is_zero(route->source))
			return route->source;
	}
	return address_towards(port_get(ports, port), neighbour);
}

static void header_checksum(struct ip4_hdr *h)
{
	h->checksum = (be16){0};
	h->checksum = csum_of(h, ip4_header_len(h));
}

/* RFC 1812 5.3.1; the checksum follows as RFC 1624 says. TTL and protocol share a word. */
static void decrement_ttl(struct ip4_hdr *h)
{
	be16 before = be16_from((uint16_t)(h->ttl << 8 | h->protocol));

	h->ttl--;
	h->checksum =
		csum_update(h->checksum, before, be16_from((uint16_t)(h->ttl << 8 | h->protocol)));
}

/*
 * What Linux records: in a route, the address of the port it leaves by; in a timestamp,
 * the address that answers to the sender would come from (fib_compute_spec_dst). Packets of
 * ours have an echoed option, stamped once as it came in and once as it goes out.
 */
static bool stamp(const struct port_table *ports, const struct fib *fib, struct packet *p)
{
	struct ip4_hdr *h = packet_ip4(p);
	struct options found;

	options_check(h, &found); /* ip4_input() has seen that it is well-formed */
	if (p->flags & PACKET_OWN) {
		bool changed = options_stamp(ports, h, &found, h->src, h->src, OPTIONS_PASSING);
		return options_stamp(ports, h, &found, h->src, h->src, OPTIONS_LEAVING) || changed;
	}
	const struct decision *d = &p->decision;
	be32 out = source_of(ports, fib, d->route, d->port_out, d->next_hop);
	be32 in = source_of(ports, fib, fib_lookup(fib, h->src), p->port_in, h->src);
	return options_stamp(ports, h, &found, out, in, OPTIONS_PASSING);
}

static void rewrite_header(const struct port_table *ports, const struct fib *fib, struct packet *p)
{
	struct ip4_hdr *h = packet_ip4(p);
	bool sum_again = false;

	if (likely(!(p->flags & PACKET_OWN))) {
		decrement_ttl(h);
	} else if (be32_is_zero(h->src)) {
		const struct decision *d = &p->decision;
		h->src = source_of(ports, fib, d->route, d->port_out, d->next_hop);
		sum_again = true;
	}
	if (unlikely(p->flags & PACKET_OPTIONS))
		sum_again |= stamp(ports, fib, p);
	if (unlikely(sum_again))
		header_checksum(h);
}

/* -- fragments: RFC 791 3.2, RFC 1812 4.2.2.7 ----------------------------------------- */

/* How a datagram is cut: n pieces of unit bytes each, the last of what remains. */
struct cut {
	unsigned header_len, payload_len;
	unsigned unit; /* a multiple of eight */
	unsigned n;    /* 0: there is no room for eight bytes */
};

static struct cut plan_cut(const struct ip4_hdr *h, unsigned mtu)
{
	struct cut c = {.header_len = ip4_header_len(h)};

	c.payload_len = be16_host(h->total_len) - c.header_len;
	if (mtu < c.header_len + 8)
		return c;
	/* The last piece need not be a multiple of eight, so it may be a little longer. */
	c.unit = (mtu - c.header_len) & ~7u;
	c.n = 1 + (c.payload_len - (mtu - c.header_len) + c.unit - 1) / c.unit;
	return c;
}

/* Writes a piece's header over the one copied there: its place, its length, its checksum. */
static void fragment_header(struct ip4_hdr *h, unsigned offset, bool more, unsigned payload_len)
{
	h->fragment = be16_from((uint16_t)(offset / 8 | (more ? IP4_MF : 0)));
	h->total_len = be16_from((uint16_t)(ip4_header_len(h) + payload_len));
	header_checksum(h);
}

/*
 * Piece number i, in a frame of its own, from the whole datagram of p. Of a datagram that
 * is itself a fragment, options were fixed where it was cut: only offset 0 has all of them.
 */
static struct packet *make_piece(struct frame_pool *pool, const struct packet *p,
				 const struct cut *c, unsigned i)
{
	const struct ip4_hdr *whole = packet_ip4(p);
	unsigned from = i * c->unit;
	unsigned len = i + 1 < c->n ? c->unit : c->payload_len - from;
	struct packet *piece = frame_get(pool);

	piece->len = (uint32_t)sizeof(struct eth_hdr) + c->header_len + len;
	piece->port_in = p->port_in;
	piece->wire = p->wire;
	piece->flags = p->flags;
	piece->verdict = p->verdict;
	piece->decision = p->decision;
	memcpy(piece->data, p->data, sizeof(struct eth_hdr) + c->header_len);
	struct ip4_hdr *h = packet_ip4(piece);
	chain_copy((uint8_t *)h + c->header_len, p,
		   (uint32_t)sizeof(struct eth_hdr) + c->header_len + from, len);
	if (ip4_offset(whole) == 0 && p->flags & PACKET_OPTIONS)
		options_fragment(h);
	bool more = i + 1 < c->n || be16_host(whole->fragment) & IP4_MF;
	fragment_header(h, ip4_offset(whole) + from, more, len);
	return piece;
}

/* Cuts p, whose header is final; the pieces after the first hang on p->next in order. */
static void fragment(struct frame_pool *pool, struct stats *stats, struct packet *p,
		     const struct cut *c)
{
	struct packet *behind = p->next, **last = &p->next;

	for (unsigned i = 1; i < c->n; i++) {
		*last = make_piece(pool, p, c, i);
		last = &(*last)->next;
	}
	*last = behind;
	if (unlikely(p->rest)) {
		struct packet *first = make_piece(pool, p, c, 0);
		first->next = p->next;
		frame_replace(pool, p, first);
	} else {
		fragment_header(packet_ip4(p), ip4_offset(packet_ip4(p)), true, c->unit);
		p->len = (uint32_t)sizeof(struct eth_hdr) + c->header_len + c->unit;
	}
	count_add(&stats->created, c->n - 1);
	count_add(&stats->fragments, c->n);
}

/* Whether every piece finds a frame; decided before any byte changes. */
static enum verdict check_cut(const struct frame_pool *pool, const struct cut *c)
{
	/* The last piece is the longest, by at most seven bytes. */
	size_t longest = sizeof(struct eth_hdr) + c->header_len + c->unit + 7;

	if (c->n == 0 || FRAME_HEADROOM + longest > pool->size)
		return DROP_FRAME_SIZE;
	return c->n - 1 > pool->n_free ? DROP_FRAMES : TO_EGRESS;
}

/*
 * Segments that exceed the MTU and may be cut, as ip_finish_output_gso() has it: p, whose
 * header is final, becomes the first fragment of the first segment.
 */
static enum verdict fragment_segments(struct frame_pool *pool, struct stats *stats,
				      struct packet *p)
{
	unsigned n = segment_count(p), mtu = p->decision.mtu;
	struct ip4_hdr longest = *packet_ip4(p);
	struct packet *first;

	longest.total_len = be16_from((uint16_t)datagram_len(p));
	struct cut c = plan_cut(&longest, mtu);
	enum verdict v = check_cut(pool, &c);
	if (v == TO_EGRESS && n * c.n > pool->n_free)
		v = DROP_FRAMES;
	if (v == TO_EGRESS)
		v = segment_cut(pool, p, &first);
	if (v != TO_EGRESS)
		return v;
	count_add(&stats->created, n - 1);
	frame_replace(pool, p, first);
	for (struct packet *next; p; p = next) {
		next = p->next;
		if (be16_host(packet_ip4(p)->total_len) <= mtu)
			continue;
		c = plan_cut(packet_ip4(p), mtu);
		fragment(pool, stats, p, &c);
	}
	return TO_EGRESS;
}

static enum verdict rewrite_one(const struct port_table *ports, const struct fib *fib,
				struct frame_pool *pool, struct stats *stats, struct packet *p)
{
	struct cut c = {0};
	bool too_long = datagram_len(p) > p->decision.mtu;

	if (unlikely(too_long && !p->gso_size)) {
		c = plan_cut(packet_ip4(p), p->decision.mtu);
		enum verdict v = check_cut(pool, &c);
		if (p->rest && v == TO_EGRESS &&
		    c.n > pool->n_free) /* none of its frames is kept */
			v = DROP_FRAMES;
		if (v != TO_EGRESS)
			return v;
	}
	/* Before it is cut; else a port that can do it for less may be left to. */
	if (unlikely(p->flags & (PACKET_PARTIAL | PACKET_UNKNOWN)) &&
	    (too_long || !port_completes(port_get(ports, p->decision.port_out))))
		offload_complete(p);
	rewrite_header(ports, fib, p);
	*packet_eth(p) = p->decision.link;
	p->verdict = TO_EGRESS;
	if (unlikely(too_long && p->gso_size))
		return fragment_segments(pool, stats, p);
	if (unlikely(too_long))
		fragment(pool, stats, p, &c);
	return TO_EGRESS;
}

void ip4_rewrite(const struct port_table *ports, const struct fib *fib, struct frame_pool *pool,
		 struct stats *stats, const struct vector *v)
{
	for (unsigned i = 0; i < v->n; i++)
		v->p[i]->verdict = (uint8_t)rewrite_one(ports, fib, pool, stats, v->p[i]);
}
