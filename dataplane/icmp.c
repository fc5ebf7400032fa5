/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * icmp - what is addressed to the router itself, and errors about what it could not forward.
 *
 * Room icmp_local() answers echo requests in place; everything else is the kernel's if it
 * has the address too, and refused by name if not. icmp_error() and icmp_redirect() make a
 * new packet that the caller sends in at the FIB; the packet that caused it is only read.
 *
 * Linux's icmp.c is the reference: TOS, DF, options and the length of the quotation are
 * those of icmp_reply() and __icmp_send(). Not like Linux, by intent: the quotation is the
 * datagram as it arrived (Linux quotes its TTL and options half rewritten), a reply keeps
 * the identification of its request, and errors are limited per destination only.
 *
 * The limiter is a table of virtual clocks (GCRA, ITU-T I.371): each bucket holds when
 * all that it has granted will have been earned. Destinations that share a bucket share its
 * rate; the hash is keyed, so that nobody can choose whom to share with.
 */
#include "icmp.h"

#include "chain.h"
#include "csum.h"
#include "hash.h"
#include "offload.h"
#include "options.h"

#include <stdlib.h>

#define TTL_OURS	   64	/* RFC 1700, and what Linux uses */
#define ERROR_MAX	   576	/* bytes of datagram: RFC 1812 4.3.2.3 */
#define TOS_MASK	   0x1e /* the bits of TOS that an error copies: RFC 1812 4.3.2.5 */
#define TOS_CONTROL	   0xc0 /* precedence 6, internetwork control */
#define CODE_REDIRECT_HOST 1

#define LIMITER_BUCKETS	    1024
#define LIMITER_BURST	    32
#define LIMITER_INTERVAL_NS (NS_PER_S / 16)
#define REDIRECT_COST	    16 /* a host that takes no notice of redirects gets one each second */

struct icmp_limiter {
	uint64_t paid_ns[LIMITER_BUCKETS]; /* when what was granted will have been earned */
	uint8_t secret[HASH_KEY_SIZE];
	uint16_t id; /* of the next datagram */
};

/* -- the room --------------------------------------------------------------------- */

static struct icmp_hdr *icmp_of(const struct packet *p)
{
	struct ip4_hdr *h = packet_ip4(p);
	return (struct icmp_hdr *)((uint8_t *)h + ip4_header_len(h));
}

static unsigned payload_len(const struct ip4_hdr *h)
{
	return be16_host(h->total_len) - ip4_header_len(h);
}

static void header_checksum(struct ip4_hdr *h)
{
	h->checksum = (be16){0};
	h->checksum = csum_of(h, ip4_header_len(h));
}

/* Puts options of a length that is at most what is there in front of the payload. */
static void replace_options(struct packet *p, const uint8_t *options, unsigned len)
{
	struct ip4_hdr *h = packet_ip4(p);
	unsigned shorter = ip4_header_len(h) - (unsigned)sizeof(*h) - len;
	struct ip4_hdr header = *h;

	header.version_ihl = (uint8_t)(0x40 | (sizeof(header) + len) / 4);
	header.total_len = be16_from((uint16_t)(be16_host(h->total_len) - shorter));
	p->data += shorter;
	p->len -= shorter;
	memcpy(packet_ip4(p), &header, sizeof(header));
	memcpy(packet_ip4(p) + 1, options, len);
	p->flags &= (uint8_t)~PACKET_OPTIONS;
	if (len)
		p->flags |= PACKET_OPTIONS;
}

/* RFC 1122 3.2.2.6: record route and timestamp options go back with the reply. */
static bool echo_options(const struct port_table *ports, struct packet *p)
{
	struct options found;
	uint8_t back[OPTIONS_MAX];

	options_check(packet_ip4(p), &found); /* ip4_input() has seen that it is well-formed */
	int len = options_echo(ports, packet_ip4(p), &found, back);
	if (len < 0)
		return false;
	replace_options(p, back, (unsigned)len);
	return true;
}

static void answer_header(struct packet *p)
{
	struct ip4_hdr *h = packet_ip4(p);
	be32 asked = h->dst;

	h->dst = h->src;
	h->src = asked;
	h->ttl = TTL_OURS;
	h->fragment = (be16){0}; /* Linux lets its replies be cut */
	header_checksum(h);
}

/* RFC 1122 3.2.2.6, RFC 1812 4.3.3.6: the data and the TOS come back as they were sent. */
static enum verdict answer(const struct port_table *ports, struct packet *p)
{
	if (p->flags & (PACKET_PARTIAL | PACKET_UNKNOWN))
		offload_complete(p);

	struct icmp_hdr *icmp = icmp_of(p);
	be16 request, reply;
	memcpy(&request, icmp, sizeof(request));
	uint64_t rest = chain_sum(0, p, (uint32_t)((uint8_t *)&icmp->rest - p->data),
				  payload_len(packet_ip4(p)) - offsetof(struct icmp_hdr, rest));
	if (csum_fold(rest + request.raw + icmp->checksum.raw) != 0xffff)
		return DROP_ICMP_CHECKSUM;
	if (p->flags & PACKET_OPTIONS && !echo_options(ports, p))
		return DROP_ICMP_TYPE;

	icmp->type = ICMP_ECHO_REPLY;
	memcpy(&reply, icmp, sizeof(reply));
	icmp->checksum = csum_finish(rest + reply.raw);
	answer_header(p);
	p->flags |= PACKET_OWN;
	return TO_FIB;
}

/* RFC 1122 4.1.3.4: a UDP that is broken is no question, and gets no answer. */
static bool udp_is_sound(const struct packet *p)
{
	const struct ip4_hdr *h = packet_ip4(p);
	const struct udp_hdr *udp = (const struct udp_hdr *)icmp_of(p);
	unsigned room = payload_len(h);

	if (room < sizeof(*udp))
		return false;
	unsigned len = be16_host(udp->len);
	if (len < sizeof(*udp) || len > room)
		return false;
	if (udp->checksum.raw == 0 || p->flags & PACKET_PARTIAL)
		return true; /* none, or not finished: our own kernel vouches for it */
	uint64_t pseudo = csum_pseudo(h->src, h->dst, PROTO_UDP, (uint16_t)len);
	if (p->flags & PACKET_UNKNOWN && udp->checksum.raw == csum_fold(pseudo))
		return true;
	uint32_t at = (uint32_t)((const uint8_t *)udp - p->data);
	return csum_fold(chain_sum(pseudo, p, at, len)) == 0xffff;
}

/* What an address that only the router file has does with a datagram that is not an echo request.
 */
static enum verdict refuse(const struct packet *p)
{
	const struct ip4_hdr *h = packet_ip4(p);

	if (ip4_is_fragment(h))
		return DROP_LOCAL_FRAGMENT;
	switch (h->protocol) {
	case PROTO_ICMP:
		return payload_len(h) < sizeof(struct icmp_hdr) ? DROP_ICMP_SHORT : DROP_ICMP_TYPE;
	case PROTO_UDP:
		return udp_is_sound(p) ? DROP_LOCAL_PORT : DROP_LOCAL_UDP;
	}
	return DROP_LOCAL_PROTOCOL;
}

static bool is_echo_request(const struct packet *p)
{
	const struct ip4_hdr *h = packet_ip4(p);

	return h->protocol == PROTO_ICMP && !ip4_is_fragment(h) &&
	       payload_len(h) >= sizeof(struct icmp_hdr) && icmp_of(p)->type == ICMP_ECHO;
}

static enum verdict receive(const struct port_table *ports, struct packet *p)
{
	const struct local *l = port_local(ports, packet_ip4(p)->dst);

	assert(l && l->tsuji); /* else ip4_input() would have sent it elsewhere */
	if (is_echo_request(p))
		return answer(ports, p);
	return l->kernel ? PUNTED : refuse(p);
}

void icmp_local(const struct port_table *ports, const struct vector *v)
{
	for (unsigned i = 0; i < v->n; i++)
		v->p[i]->verdict = (uint8_t)receive(ports, v->p[i]);
}

/* -- the limiter ------------------------------------------------------------------ */

struct icmp_limiter *icmp_limiter_new(const uint8_t secret[16])
{
	struct icmp_limiter *limiter = calloc(1, sizeof(*limiter));

	if (!limiter)
		return NULL;
	memcpy(limiter->secret, secret, sizeof(limiter->secret));
	limiter->id = (uint16_t)hash_siphash(secret, "id", 2); /* not the same after each start */
	return limiter;
}

void icmp_limiter_free(struct icmp_limiter *limiter)
{
	free(limiter);
}

/* Redirects have buckets of their own: they must not use up the room of a traceroute. */
static bool limiter_allows(struct icmp_limiter *limiter, be32 destination, uint8_t type,
			   uint64_t now_ns)
{
	struct {
		be32 destination;
		uint32_t redirect;
	} key = {destination, type == ICMP_REDIRECT};
	uint64_t *paid_ns = &limiter->paid_ns[hash_siphash(limiter->secret, &key, sizeof(key)) %
					      LIMITER_BUCKETS];
	uint64_t cost_ns = (key.redirect ? REDIRECT_COST : 1) * LIMITER_INTERVAL_NS;
	uint64_t after_ns = max_u64(*paid_ns, now_ns) + cost_ns;

	if (after_ns > now_ns + LIMITER_BURST * LIMITER_INTERVAL_NS)
		return false;
	*paid_ns = after_ns;
	return true;
}

/* -- errors ----------------------------------------------------------------------- */

/* What is to be said; the words after the checksum in host order. */
struct message {
	uint8_t type, code;
	uint32_t rest;
};

/* RFC 1122 3.2.2: no error about an error. Types unknown to Linux count as errors, as there. */
static bool is_icmp_error(const struct ip4_hdr *h, unsigned len)
{
	if (h->protocol != PROTO_ICMP)
		return false;
	if (len <= ip4_header_len(h))
		return true; /* the type is not there to be looked at */
	uint8_t type = ((const uint8_t *)h)[ip4_header_len(h)];
	/* Echo and its reply; timestamp, information and address mask requests and replies. */
	return !(type == ICMP_ECHO || type == ICMP_ECHO_REPLY || (type >= 13 && type <= 18));
}

/* RFC 1812 4.3.2.7: a source that does not name a single host gets no error. */
static bool is_bad_source(const struct port_table *ports, be32 src)
{
	unsigned first = be32_host(src) >> 24;
	const struct local *l = port_local(ports, src);

	return first == 0 || first == 127 || first >= 224 || (l && l->broadcast);
}

static bool is_group(const struct port_table *ports, be32 dst)
{
	const struct local *l = port_local(ports, dst);

	return be32_host(dst) >> 28 == 14 || be32_host(dst) == UINT32_MAX || (l && l->broadcast);
}

/* RFC 1812 4.3.2.7, RFC 1122 3.2.2: about what no error may be sent. */
static bool is_fit(const struct port_table *ports, const struct packet *cause)
{
	const struct ip4_hdr *h = packet_ip4(cause);

	if (cause->flags & (PACKET_OWN | PACKET_ERROR | PACKET_LINK_GROUP))
		return false;
	return ip4_offset(h) == 0 && !is_group(ports, h->dst) && !is_bad_source(ports, h->src) &&
	       !is_icmp_error(h, cause->len - (uint32_t)sizeof(struct eth_hdr));
}

/* The options an error carries back, as a reply does; their length, or -1: send none. */
static int error_options(const struct port_table *ports, const struct ip4_hdr *about,
			 uint8_t out[OPTIONS_MAX])
{
	struct options found;

	if (likely(ip4_header_len(about) == sizeof(*about)))
		return 0;
	options_check(about, &found); /* what came before a bad one counts */
	return options_echo(ports, about, &found, out);
}

/* The datagram for us was sent to the address that answers; else the port it leaves by is asked. */
static be32 error_source(const struct port_table *ports, const struct ip4_hdr *about)
{
	return port_local(ports, about->dst) ? about->dst : (be32){0};
}

static void write_header(struct icmp_limiter *limiter, const struct port_table *ports,
			 struct packet *p, const struct ip4_hdr *about, unsigned options_len)
{
	struct ip4_hdr *h = packet_ip4(p);

	*h = (struct ip4_hdr){
		.version_ihl = (uint8_t)(0x40 | (sizeof(*h) + options_len) / 4),
		.tos = (about->tos & TOS_MASK) | TOS_CONTROL,
		.total_len = be16_from((uint16_t)(p->len - sizeof(struct eth_hdr))),
		.id = be16_from(limiter->id++),
		.ttl = TTL_OURS,
		.protocol = PROTO_ICMP,
		.src = error_source(ports, about),
		.dst = about->src,
	};
	header_checksum(h);
}

static void write_message(struct icmp_hdr *icmp, const struct message *m,
			  const struct ip4_hdr *about, unsigned quoted)
{
	*icmp = (struct icmp_hdr){.type = m->type, .code = m->code, .rest = be32_from(m->rest)};
	memcpy(icmp + 1, about, quoted);
	icmp->checksum = csum_of(icmp, sizeof(*icmp) + quoted);
}

/* How much of cause is quoted: all, but no more than the error has room for. 0: too little. */
static unsigned quotation(const struct frame_pool *pool, const struct port_table *ports,
			  const struct packet *cause, unsigned options_len)
{
	const struct port *port =
		port_get(ports, cause->port_in); /* it most likely goes back there */
	uint32_t room =
		min_u32(ERROR_MAX, pool->size - FRAME_HEADROOM - (uint32_t)sizeof(struct eth_hdr));
	uint32_t ours = (uint32_t)(sizeof(struct ip4_hdr) + options_len + sizeof(struct icmp_hdr));

	if (port)
		room = min_u32(room, port->mtu);
	if (room <= ours + sizeof(struct ip4_hdr))
		return 0;
	return min_u32(room - ours, cause->len - (uint32_t)sizeof(struct eth_hdr));
}

static struct packet *write_packet(struct icmp_limiter *limiter, struct frame_pool *pool,
				   const struct port_table *ports, const struct packet *cause,
				   const struct message *m)
{
	const struct ip4_hdr *about = packet_ip4(cause);
	uint8_t options[OPTIONS_MAX];
	int options_len = error_options(ports, about, options);
	unsigned quoted =
		options_len < 0 ? 0 : quotation(pool, ports, cause, (unsigned)options_len);
	struct packet *p = quoted ? frame_get(pool) : NULL;

	if (!p)
		return NULL;
	p->len = (uint32_t)(sizeof(struct eth_hdr) + sizeof(*about) + (unsigned)options_len +
			    sizeof(struct icmp_hdr) + quoted);
	p->verdict = TO_FIB;
	p->flags = PACKET_OWN | PACKET_ERROR;
	*packet_eth(p) = (struct eth_hdr){.type = be16_from(ETH_IPV4)};
	memcpy(packet_ip4(p) + 1, options, (unsigned)options_len);
	if (options_len)
		p->flags |= PACKET_OPTIONS;
	write_header(limiter, ports, p, about, (unsigned)options_len);
	write_message(icmp_of(p), m, about, quoted);
	return p;
}

/* The message as a packet, if the rules, the limiter and the pool allow; counts which of them did
 * not. */
static struct packet *say(struct icmp_limiter *limiter, struct frame_pool *pool,
			  struct stats *stats, const struct port_table *ports,
			  const struct packet *cause, const struct message *m, uint64_t now_ns)
{
	if (!is_fit(ports, cause) || !pool->n_free) {
		count_add(&stats->icmp_unfit, 1);
		return NULL;
	}
	if (!limiter_allows(limiter, packet_ip4(cause)->src, m->type, now_ns)) {
		count_add(&stats->icmp_limited, 1);
		return NULL;
	}
	struct packet *p = write_packet(limiter, pool, ports, cause, m);
	if (!p) {
		count_add(&stats->icmp_unfit, 1);
		return NULL;
	}
	count_add(&stats->created, 1);
	count_add(&stats->icmp_errors, 1);
	return p;
}

struct packet *icmp_error(struct icmp_limiter *limiter, struct frame_pool *pool,
			  struct stats *stats, const struct port_table *ports,
			  const struct packet *cause, uint64_t now_ns)
{
	struct message m = {0};
	int type = verdict_icmp(cause->verdict, &m.code);

	if (type < 0)
		return NULL;
	m.type = (uint8_t)type;
	if (type == ICMP_PARAMETER)
		m.rest = (uint32_t)cause->icmp_pointer << 24;
	else if (type == ICMP_UNREACHABLE && m.code == ICMP_FRAG_NEEDED)
		m.rest = cause->decision.mtu; /* RFC 1191 4 */
	return say(limiter, pool, stats, ports, cause, &m, now_ns);
}

struct packet *icmp_redirect(struct icmp_limiter *limiter, struct frame_pool *pool,
			     struct stats *stats, const struct port_table *ports,
			     const struct packet *cause, uint64_t now_ns)
{
	struct message m = {ICMP_REDIRECT, CODE_REDIRECT_HOST, be32_host(cause->decision.next_hop)};

	return say(limiter, pool, stats, ports, cause, &m, now_ns);
}
