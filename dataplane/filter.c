/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * filter - whether a routed packet may go on: the rules in the file's order, the first
 * that matches decides, and what none matches may.
 *
 * It stands where nft's forward hook does: the destination is the one after dnat, the
 * source the one before source translation, and both ports go with their address. What
 * is known of a packet is read once, then every rule is compared with that.
 *
 * Fragments are not put together here. Only a first fragment shows ports and an ICMP type,
 * so a rule that asks for them does not match the later ones; room nat gives those the
 * state of their first, and a rule on states alone lets them follow it.
 *
 * A TCP segment that is rejected earns a RST. Linux's nf_send_reset() is the reference for
 * every byte of it. Unlike there, a header that claims to be longer than its segment, or
 * shorter than a header can be, gets none: RFC 9293 3.10.7.1 has no length to acknowledge.
 */
#include "filter.h"

#include "chain.h"
#include "csum.h"
#include "frame.h"
#include "stats.h"

#define TTL_OURS 64 /* RFC 1700, and what Linux uses */

enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_ACK = 16 };

/* -- the rules -------------------------------------------------------------------- */

enum { UNSEEN = -1 }; /* no port or type: it has none, or it is not in this fragment */

/* What rules can ask of a packet. */
struct view {
	be32 src, dst;
	uint16_t in, out;
	uint8_t protocol, state;
	int sport, dport, icmp_type;
};

static bool has_ports(uint8_t protocol) { return protocol == PROTO_TCP || protocol == PROTO_UDP; }

static void view_transport(struct view *view, const struct packet *p)
{
	const struct ip4_hdr *h = packet_ip4(p);
	const uint8_t *at = (const uint8_t *)h + ip4_header_len(h);
	unsigned len = be16_host(h->total_len) - ip4_header_len(h);
	const struct nat_decision *nat = &p->decision.nat;
	be16 ports[2];

	if (view->protocol == PROTO_ICMP && len >= sizeof(*at))
		view->icmp_type = at[0];
	if (!has_ports(view->protocol) || len < sizeof(ports))
		return;
	memcpy(ports, at, sizeof(ports));
	if (nat->flags & NAT_DESTINATION && nat->dport.raw)
		ports[1] = nat->dport;
	view->sport = be16_host(ports[0]);
	view->dport = be16_host(ports[1]);
}

static struct view view_of(const struct packet *p)
{
	const struct ip4_hdr *h = packet_ip4(p);
	struct view view = {
		.src = h->src,
		.dst = p->decision.dst,
		.in = p->port_in,
		.out = p->decision.port_out,
		.protocol = h->protocol,
		.state = p->state,
		.sport = UNSEEN,
		.dport = UNSEEN,
		.icmp_type = UNSEEN,
	};

	if (likely(ip4_offset(h) == 0))
		view_transport(&view, p);
	return view;
}

static bool ports_match(struct rule_ports want, int port)
{
	return (!want.first && !want.last) || (port >= want.first && port <= want.last);
}

static bool matches(const struct filter_rule *rule, const struct view *view)
{
	if (rule->states && !(rule->states & view->state))
		return false;
	if (rule->in != PORT_NONE && rule->in != view->in)
		return false;
	if (rule->out != PORT_NONE && rule->out != view->out)
		return false;
	if (rule->protocol && rule->protocol != view->protocol)
		return false;
	if (rule->icmp_type >= 0 && rule->icmp_type != view->icmp_type)
		return false;
	return ip4_in_prefix(view->src, rule->from.address, rule->from.len) &&
	       ip4_in_prefix(view->dst, rule->to.address, rule->to.len) &&
	       ports_match(rule->sports, view->sport) && ports_match(rule->dports, view->dport);
}

static enum verdict outcome(enum filter_action action, uint8_t protocol)
{
	switch (action) {
	case FILTER_ACCEPT:
		return TO_NAT_OUT;
	case FILTER_DROP:
		return DROP_FILTER;
	case FILTER_REJECT:
		break;
	}
	return protocol == PROTO_TCP ? DROP_FILTER_RESET : DROP_FILTER_REJECT;
}

static enum verdict judge(struct rules *rules, struct packet *p)
{
	struct view view = view_of(p);

	p->filter_rule = RULE_NONE;
	for (unsigned i = 0; i < rules->n_filter; i++) {
		struct filter_rule *rule = &rules->filter[i];
		if (likely(!matches(rule, &view)))
			continue;
		count_add(&rule->packets, 1);
		count_add(&rule->bytes, be16_host(packet_ip4(p)->total_len));
		p->filter_rule = (uint16_t)i;
		return outcome(rule->action, view.protocol);
	}
	return TO_NAT_OUT;
}

void filter_forward(const struct port_table *ports, struct rules *rules, const struct vector *v)
{
	(void)ports; /* rules name ports by number, as packets do */
	for (unsigned i = 0; i < v->n; i++) {
		struct packet *p = v->p[i];
		bool asked = rules->n_filter && !(p->flags & PACKET_OWN);
		p->verdict = (uint8_t)(asked ? judge(rules, p) : TO_NAT_OUT);
	}
}

/* -- RST -------------------------------------------------------------------------- */

/* nf_ip_checksum(): a broken segment is no question and gets no answer. A fragment may be sound. */
static bool sum_is_sound(const struct packet *p, const struct tcp_hdr *tcp, uint16_t len)
{
	const struct ip4_hdr *h = packet_ip4(p);
	uint64_t pseudo = csum_pseudo(h->src, h->dst, PROTO_TCP, len);

	if (p->flags & PACKET_PARTIAL || ip4_is_fragment(h))
		return true;
	if (p->flags & PACKET_UNKNOWN && tcp->checksum.raw == csum_fold(pseudo))
		return true;
	uint32_t at = (uint32_t)((const uint8_t *)tcp - p->data);
	return csum_fold(chain_sum(pseudo, p, at, len)) == 0xffff;
}

/* The segment that can be answered by RST, and its data's length; NULL: it is none. */
static const struct tcp_hdr *answerable(const struct packet *p, uint32_t *data_len)
{
	const struct ip4_hdr *h = packet_ip4(p);
	const struct tcp_hdr *tcp = (const struct tcp_hdr *)((const uint8_t *)h + ip4_header_len(h));
	unsigned len = be16_host(h->total_len) - ip4_header_len(h);

	if (h->protocol != PROTO_TCP || ip4_offset(h) || len < sizeof(*tcp))
		return NULL;
	unsigned header_len = (tcp->data_offset >> 4) * 4u;
	if (header_len < sizeof(*tcp) || header_len > len || tcp->flags & TCP_RST)
		return NULL;
	*data_len = len - header_len;
	return sum_is_sound(p, tcp, (uint16_t)len) ? tcp : NULL;
}

/* RFC 9293 3.10.7.1: a RST that whoever sent about takes for an answer to it. */
static struct tcp_hdr reset_about(const struct tcp_hdr *about, uint32_t data_len)
{
	struct tcp_hdr tcp = {
		.sport = about->dport,
		.dport = about->sport,
		.data_offset = sizeof(tcp) / 4 << 4,
		.flags = TCP_RST,
	};

	if (about->flags & TCP_ACK) {
		tcp.seq = about->ack;
		return tcp;
	}
	uint32_t controls = !!(about->flags & TCP_SYN) + !!(about->flags & TCP_FIN);
	tcp.ack = be32_from(be32_host(about->seq) + data_len + controls);
	tcp.flags |= TCP_ACK;
	return tcp;
}

static void write_reset(struct packet *p, const struct ip4_hdr *about, struct tcp_hdr tcp)
{
	struct ip4_hdr *h = packet_ip4(p);

	*packet_eth(p) = (struct eth_hdr){.type = be16_from(ETH_IPV4)};
	*h = (struct ip4_hdr){
		.version_ihl = 0x45,
		.total_len = be16_from(sizeof(*h) + sizeof(tcp)),
		.fragment = be16_from(IP4_DF),
		.ttl = TTL_OURS,
		.protocol = PROTO_TCP,
		.src = about->dst,
		.dst = about->src,
	};
	h->checksum = csum_of(h, sizeof(*h));
	tcp.checksum = csum_finish(csum_add(csum_pseudo(h->src, h->dst, PROTO_TCP, sizeof(tcp)),
					    &tcp, sizeof(tcp)));
	memcpy(h + 1, &tcp, sizeof(tcp));
	p->len = sizeof(struct eth_hdr) + sizeof(*h) + sizeof(tcp);
}

struct packet *filter_reset(struct frame_pool *pool, struct stats *stats,
			    const struct packet *cause)
{
	uint32_t data_len;
	const struct tcp_hdr *about = answerable(cause, &data_len);
	struct packet *p = about ? frame_get(pool) : NULL;

	if (!p)
		return NULL;
	write_reset(p, packet_ip4(cause), reset_about(about, data_len));
	p->verdict = TO_FIB;
	p->flags = PACKET_OWN | PACKET_ERROR;
	count_add(&stats->created, 1);
	return p;
}
