/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lane_gso - the GSO lane: a packet socket (packet(7)) with PACKET_VNET_HDR.
 *
 * A sender's kernel cuts what TCP hands it into segments of one size, because the router's
 * native XDP cannot take them whole. Here they are put together again: the first one's
 * headers, all payloads, and a virtio_net_hdr that says how to cut it. A veth takes such a
 * frame whole, and so does the receiver's TCP: one walk through its stack instead of 45,
 * with or without GRO there.
 *
 * Nobody may be able to tell. A run is what the kernel's own GRO would join
 * (tcp_gro_receive(), inet_gro_receive()), and stricter, so that GSO (tcp_gso_segment(),
 * inet_gso_segment()) makes the same bytes of it again: DF and IDs that count, equal
 * headers and options, equal sizes but the last, PSH on the last only.
 *
 * The receiver does not check the sum of such a frame, which is partial. So a run holds
 * only segments whose sum is right for certain (tcp_sum_right): nothing corrupt is repaired.
 * They may come with the sum still open (offload_leave()), which is then never computed.
 *
 * Order within a flow is kept by sending all of it, or none, by this lane: what lies between
 * its runs goes as a frame of its own through the same socket. Flows share a port, not an
 * order, so others may be overtaken. Fragments have no ports to tell their flow by: where
 * there are some of TCP, nothing is coalesced in that turn.
 *
 * What came in one piece leaves in one piece: a large packet is a call of its own, and as its
 * sender's kernel described it (the gate has seen that). A flow that has one sends all by this
 * lane, in order.
 *
 * No PACKET_QDISC_BYPASS: that way the kernel drops what it has to cut for a far end
 * without TSO (__dev_direct_xmit()), and a veth has no queue to bypass.
 */
#include "lane_gso.h"

#include "csum.h"
#include "offload.h"
#include "../bpf/shared.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define FLOWS 64     /* that are looked at in a turn; those of more are not coalesced */
#define FLOW_SLOTS 256
/* Segments for each call on average: a call costs about two of the socket lane's frames. */
#define GAIN_MIN 2
#define FRAME_MAX 65535 /* bytes: from 65,536 on the kernel cuts it itself (GSO_LEGACY_MAX_SIZE) */
#define SEND_BUFFER (64 << 20) /* bytes of skb in flight, as the socket lane has */

enum { IP4_PLAIN = 0x45 }; /* version 4, no options */
enum { TCP_PSH = 8, TCP_ACK = 16, TCP_CWR = 0x80 };
enum { HINT_GSO_UDP_L4 = 5 }; /* 6.2, include/uapi/linux/virtio_net.h: VIRTIO_NET_HDR_GSO_UDP_L4 */

struct flow {
	be32 src, dst;
	uint32_t ports; /* both, as on the wire */
	uint16_t first, last, n; /* its packets: places in the turn's list, chained by next[] */
	bool large;		 /* one of them is */
};

struct gso_lane {
	int fd;
	struct frame_pool *pool;
	struct port_stats *stats;
	/* a turn's sorting */
	unsigned n_flows;
	struct flow flows[FLOWS];
	uint8_t slots[FLOW_SLOTS]; /* by hash: 1 + number of the flow that has it, 0: none */
	uint16_t next[BURST_MAX];
	struct packet *segments[BURST_MAX]; /* of one flow */
	uint16_t items[BURST_MAX]; /* what they are sent as: packets of a call */
};

/* -- segments and runs ---------------------------------------------------------------- */

struct segment {
	const struct ip4_hdr *ip;
	const struct tcp_hdr *tcp;
	uint32_t head_len, payload_len; /* of the frame */
};

/* Whether p is a segment that can be in a run: a TCP payload without anything unusual. */
static bool read_segment(const struct packet *p, struct segment *s)
{
	enum { LEAST = sizeof(struct eth_hdr) + sizeof(struct ip4_hdr) + sizeof(struct tcp_hdr) };

	if (!p->tcp_sum_right || packet_is_large(p) || p->len < LEAST ||
	    be16_host(packet_eth(p)->type) != ETH_IPV4)
		return false;
	s->ip = packet_ip4(p);
	s->tcp = (const struct tcp_hdr *)(s->ip + 1);
	uint32_t tcp_len = (s->tcp->data_offset >> 4) * 4u;
	s->head_len = (uint32_t)(sizeof(struct eth_hdr) + sizeof(*s->ip)) + tcp_len;
	s->payload_len = p->len - s->head_len;
	return s->ip->version_ihl == IP4_PLAIN && s->ip->protocol == PROTO_TCP &&
	       be16_host(s->ip->fragment) == IP4_DF &&
	       be16_host(s->ip->total_len) == p->len - sizeof(struct eth_hdr) &&
	       tcp_len >= sizeof(*s->tcp) && s->head_len < p->len &&
	       (s->tcp->flags & ~TCP_PSH) == TCP_ACK &&
	       /* A bridge has not looked at it, and the frame's is made anew. */
	       csum_fold(csum_add(0, s->ip, sizeof(*s->ip))) == 0xffff;
}

static bool same_headers(const struct packet *a, const struct segment *as, const struct packet *b,
			 const struct segment *bs)
{
	return as->head_len == bs->head_len &&
	       !memcmp(packet_eth(a), packet_eth(b), sizeof(struct eth_hdr)) &&
	       as->ip->tos == bs->ip->tos && as->ip->ttl == bs->ip->ttl &&
	       be32_equal(as->ip->src, bs->ip->src) && be32_equal(as->ip->dst, bs->ip->dst) &&
	       be16_equal(as->tcp->sport, bs->tcp->sport) &&
	       be16_equal(as->tcp->dport, bs->tcp->dport) &&
	       be32_equal(as->tcp->ack, bs->tcp->ack) &&
	       as->tcp->data_offset == bs->tcp->data_offset &&
	       be16_equal(as->tcp->window, bs->tcp->window) &&
	       be16_equal(as->tcp->urgent, bs->tcp->urgent) &&
	       !memcmp(as->tcp + 1, bs->tcp + 1,
		       (as->tcp->data_offset >> 4) * 4u - sizeof(*as->tcp));
}

/* Whether b's place is directly behind a's, in the stream and by its ID. */
static bool comes_next(const struct segment *a, const struct segment *b)
{
	return be32_host(b->tcp->seq) == be32_host(a->tcp->seq) + a->payload_len &&
	       be16_host(b->ip->id) == (uint16_t)(be16_host(a->ip->id) + 1);
}

unsigned gso_run(struct packet *const *packets, unsigned n)
{
	struct segment first, last, s;
	uint32_t len;
	unsigned i = 1;

	if (!n || !read_segment(packets[0], &first))
		return 0;
	last = first;
	len = packets[0]->len;
	for (; i < n && i < GSO_RUN_MAX; i++) {
		if (last.tcp->flags & TCP_PSH || last.payload_len < first.payload_len)
			break;
		if (!read_segment(packets[i], &s) || s.payload_len > first.payload_len ||
		    len + s.payload_len > FRAME_MAX || !comes_next(&last, &s) ||
		    !same_headers(packets[0], &first, packets[i], &s))
			break;
		len += s.payload_len;
		last = s;
	}
	return i;
}

void gso_head(struct packet *const *run, unsigned n, struct gso_head *head)
{
	struct segment first, last;

	read_segment(run[0], &first);
	read_segment(run[n - 1], &last);
	uint32_t payload_len = (n - 1) * first.payload_len + last.payload_len;
	uint16_t total_len = (uint16_t)(first.head_len - sizeof(struct eth_hdr) + payload_len);
	uint16_t tcp_len = (uint16_t)(total_len - sizeof(struct ip4_hdr));

	head->frame_len = first.head_len;
	memcpy(head->frame, run[0]->data, first.head_len);
	struct ip4_hdr *ip = (struct ip4_hdr *)(head->frame + sizeof(struct eth_hdr));
	struct tcp_hdr *tcp = (struct tcp_hdr *)(ip + 1);
	ip->checksum = csum_update(ip->checksum, ip->total_len, be16_from(total_len));
	ip->total_len = be16_from(total_len);
	tcp->flags = last.tcp->flags;
	tcp->checksum.raw = csum_fold(csum_pseudo(ip->src, ip->dst, PROTO_TCP, tcp_len));
	head->hint = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = (uint16_t)first.head_len,
		.gso_size = (uint16_t)first.payload_len,
		.csum_start = (uint16_t)((uint8_t *)tcp - head->frame),
		.csum_offset = offsetof(struct tcp_hdr, checksum),
	};
}

/* -- flows ------------------------------------------------------------------------------ */

enum kind { NO_TCP, TCP_SEGMENT, TCP_FRAGMENT };

/* Which flow p is of. Nothing in it need have been validated: bridged frames come here too. */
static enum kind read_flow(const struct packet *p, struct flow *f)
{
	const struct ip4_hdr *h = packet_ip4(p);

	if (p->len < sizeof(struct eth_hdr) + sizeof(*h) ||
	    be16_host(packet_eth(p)->type) != ETH_IPV4 || h->protocol != PROTO_TCP)
		return NO_TCP;
	if (ip4_is_fragment(h))
		return TCP_FRAGMENT;
	uint32_t at = (uint32_t)sizeof(struct eth_hdr) + ip4_header_len(h);
	if (p->len < at + sizeof(f->ports))
		return NO_TCP;
	f->src = h->src;
	f->dst = h->dst;
	memcpy(&f->ports, p->data + at, sizeof(f->ports));
	return TCP_SEGMENT;
}

/* Not keyed: two flows that meet in a slot cost the later one the lane, for a turn. */
static unsigned flow_slot(const struct flow *f)
{
	return (f->src.raw * 2654435769u ^ f->dst.raw * 2246822519u ^ f->ports * 3266489917u) >> 24;
}

/* The flow like f, new if there is none; NULL: there is no place for it. */
static struct flow *find_flow(struct gso_lane *lane, const struct flow *f)
{
	uint8_t *slot = &lane->slots[flow_slot(f)];

	if (!*slot) {
		if (lane->n_flows == FLOWS)
			return NULL;
		lane->flows[lane->n_flows] = *f;
		*slot = (uint8_t)++lane->n_flows;
	}
	struct flow *found = &lane->flows[*slot - 1];
	bool same = be32_equal(found->src, f->src) && be32_equal(found->dst, f->dst) &&
		    found->ports == f->ports;
	return same ? found : NULL;
}

static void flow_add(struct gso_lane *lane, struct flow *f, unsigned place)
{
	if (f->n++)
		lane->next[f->last] = (uint16_t)place;
	else
		f->first = (uint16_t)place;
	f->last = (uint16_t)place;
}

/* Chains the packets of each flow; false: nothing can be told apart, some are of no known flow. */
static bool sort(struct gso_lane *lane, struct packet *const *packets, unsigned n)
{
	lane->n_flows = 0;
	memset(lane->slots, 0, sizeof(lane->slots));
	for (unsigned i = 0; i < n; i++) {
		struct flow f = {.n = 0, .large = false}, *found;
		enum kind kind = read_flow(packets[i], &f);
		if (unlikely(kind == TCP_FRAGMENT))
			return false;
		found = kind == TCP_SEGMENT ? find_flow(lane, &f) : NULL;
		if (found) {
			flow_add(lane, found, i);
			found->large |= packet_is_large(packets[i]);
		} else if (unlikely(packet_is_large(packets[i]))) {
			return false;
		}
	}
	return true;
}

/* Most turns carry nothing for this lane, and this is all they pay. */
static bool has_segments(struct packet *const *packets, unsigned n)
{
	unsigned found = 0;

	for (unsigned i = 0; i < n && found < GAIN_MIN; i++)
		found += packets[i]->tcp_sum_right;
	return found == GAIN_MIN;
}

/* -- large packets ------------------------------------------------------------------------ */

static uint8_t tcp_flags(const struct packet *p)
{
	return ((const struct tcp_hdr *)(p->data + p->csum_start))->flags;
}

/* A virtio_net_hdr has no word for one identification, nor for CWR on every segment. */
bool gso_takes(const struct packet *p)
{
	if (!p->gso_size)
		return true;
	if (p->gso_kind & GATE_GSO_SAME_ID)
		return false;
	return !(p->gso_kind & GATE_GSO_CWR && tcp_flags(p) & TCP_CWR);
}

/* As its sender's kernel said it (virtio_net_hdr_from_skb()). */
static struct virtio_net_hdr large_hint(const struct packet *p)
{
	struct virtio_net_hdr hint = {.gso_type = VIRTIO_NET_HDR_GSO_NONE};

	if (p->flags & PACKET_PARTIAL) {
		hint.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		hint.csum_start = p->csum_start;
		hint.csum_offset = p->csum_offset;
	}
	if (!p->gso_size)
		return hint;
	hint.gso_size = p->gso_size;
	hint.hdr_len = p->head_len;
	if (p->gso_kind & GATE_GSO_UDP) {
		hint.gso_type = HINT_GSO_UDP_L4;
		return hint;
	}
	hint.gso_type =
		p->gso_kind & GATE_GSO_IP6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
	if (tcp_flags(p) & TCP_CWR)
		hint.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	return hint;
}

/* -- sending ---------------------------------------------------------------------------- */

/* The frames of p; returns how many. */
static unsigned fill_parts(struct iovec *parts, const struct packet *p)
{
	unsigned n = 0;

	for (; p && n <= PACKET_PARTS_MAX; p = p->rest)
		parts[n++] = (struct iovec){p->data, p->len};
	return n;
}

/* One frame: n packets as a run, or one as it stands. */
static bool send_item(const struct gso_lane *lane, struct packet *const *packets, unsigned n)
{
	struct iovec parts[2 + GSO_RUN_MAX];
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2 + n};
	struct gso_head head;

	if (n == 1) {
		if (packets[0]->flags & PACKET_PARTIAL)
			offload_complete(packets[0]);
		head.hint = large_hint(packets[0]);
		message.msg_iovlen = 1 + fill_parts(parts + 1, packets[0]);
	} else {
		gso_head(packets, n, &head);
		parts[1] = (struct iovec){head.frame, head.frame_len};
		for (unsigned i = 0; i < n; i++)
			parts[2 + i] = (struct iovec){packets[i]->data + head.frame_len,
						      packets[i]->len - head.frame_len};
	}
	parts[0] = (struct iovec){&head.hint, sizeof(head.hint)};
	return sendmsg(lane->fd, &message, MSG_DONTWAIT) >= 0;
}

/* Splits a flow's packets into what each call will send; returns the number of calls. */
static unsigned plan(struct gso_lane *lane, const struct flow *f, struct packet *const *packets)
{
	unsigned n_items = 0, place = f->first;

	for (unsigned i = 0; i < f->n; i++, place = lane->next[place])
		lane->segments[i] = packets[place];
	for (unsigned i = 0; i < f->n; i += lane->items[n_items++]) {
		unsigned run = gso_run(lane->segments + i, f->n - i);
		lane->items[n_items] = (uint16_t)(run ? run : 1);
	}
	return n_items;
}

/* It has left: its frames are free. */
static void forget(struct gso_lane *lane, struct packet *p)
{
	count_add(&lane->stats->gso_packets, 1);
	count_add(&lane->stats->gso_large, packet_is_large(p));
	count_add(&lane->stats->tx_packets, 1);
	count_add(&lane->stats->tx_bytes, packet_len(p));
	frame_put(lane->pool, p);
}

/* The first n packets of f have left: their places are empty. */
static void forget_flow(struct gso_lane *lane, const struct flow *f, struct packet **packets,
			unsigned n)
{
	unsigned place = f->first;

	for (unsigned i = 0; i < n; i++, place = lane->next[place]) {
		forget(lane, packets[place]);
		packets[place] = NULL;
	}
}

static bool send_call(struct gso_lane *lane, struct packet *const *packets, unsigned n)
{
	bool sent = send_item(lane, packets, n);

	count_add(sent ? &lane->stats->gso_calls : &lane->stats->gso_errors, 1);
	return sent;
}

/* Everything, in order, each as it stands: what belongs together is not known. */
static void send_each(struct gso_lane *lane, struct packet *const *packets, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (unlikely(!send_call(lane, packets + i, 1)))
			count_add(&lane->stats->gso_lost, 1);
		forget(lane, packets[i]);
	}
}

/* False: a call failed. */
static bool send_flow(struct gso_lane *lane, const struct flow *f, struct packet **packets)
{
	unsigned n_items, sent = 0, i;

	if (!f->large && f->n < GAIN_MIN)
		return true;
	n_items = plan(lane, f, packets);
	if (!f->large && f->n < GAIN_MIN * n_items)
		return true;
	for (i = 0; i < n_items; sent += lane->items[i++]) {
		if (likely(send_call(lane, lane->segments + sent, lane->items[i])))
			continue;
		if (!f->large)
			break;
		count_add(&lane->stats->gso_lost,
			  lane->items[i]); /* no other lane takes a large one */
	}
	forget_flow(lane, f, packets, sent);
	return i == n_items;
}

unsigned gso_send(struct gso_lane *lane, struct packet **packets, unsigned n, bool large)
{
	unsigned left = 0, i = 0;

	assert(n <= BURST_MAX);
	if (!large && !has_segments(packets, n))
		return n;
	if (unlikely(!sort(lane, packets, n))) {
		if (large)
			send_each(lane, packets, n);
		return large ? 0 : n;
	}
	for (bool works = true; i < lane->n_flows; i++)
		if (works || lane->flows[i].large)
			works &= send_flow(lane, &lane->flows[i], packets);
	for (i = 0; i < n; i++)
		if (packets[i])
			packets[left++] = packets[i];
	return left;
}

/* -- opening ---------------------------------------------------------------------------- */

/* Protocol 0: the socket receives nothing. */
static int open_socket(uint32_t ifindex)
{
	const struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_ifindex = (int)ifindex};
	const int on = 1, buffer = SEND_BUFFER;
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) ||
	    bind(fd, (const struct sockaddr *)&address, sizeof(address))) {
		int code = -errno;
		close(fd);
		return code;
	}
	/* It only helps: with less, more goes by the other lanes. */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer));
	return fd;
}

struct gso_lane *gso_lane_new(int fd, const struct xsk_config *config)
{
	struct gso_lane *lane = calloc(1, sizeof(*lane));

	if (!lane)
		return NULL;
	lane->fd = fd;
	lane->pool = config->pool;
	lane->stats = stats_port(config->stats, config->number);
	return lane;
}

int gso_lane_open(struct gso_lane **lane, const struct xsk_config *config)
{
	int fd = open_socket(config->ifindex);

	if (fd < 0)
		return fd;
	*lane = gso_lane_new(fd, config);
	if (*lane)
		return 0;
	close(fd);
	return -ENOMEM;
}

void gso_lane_close(struct gso_lane *lane)
{
	if (!lane)
		return;
	close(lane->fd);
	free(lane);
}
