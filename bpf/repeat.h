/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * repeat.h - the gate's way past user space: a frame whose flow is in the cache takes its
 * decision from there (dataplane/flow.h), is rewritten and leaves at once.
 *
 * What is unusual about a frame sends it the long way, where it is looked at properly; nothing
 * is refused here. User space writes an entry while we may be reading it, so all of it is copied
 * first, and counts only if its sequence number has not moved meanwhile.
 *
 * Part of gate.bpf.c, which has the counters, and has said whether the port is bridged.
 */
#ifndef TSUJI_REPEAT_BPF_H
#define TSUJI_REPEAT_BPF_H

struct { /* common to all gates: user space puts its own maps in these places */
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct flow_head);
} flow_head SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct flow_bucket);
} flow_buckets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, FLOW_PORTS);
	__type(key, __u32);
	__type(value, __u32);
} flow_ports SEC(".maps");

/* Set before loading. */
const volatile __u32 flow_mask =
	0; /* 0: there is no cache; else its buckets, a power of two, less one */
const volatile __u64 flow_secret[2];
const volatile __u16 port_number = 0;
const volatile __u8 shared_queues = 0; /* several CPUs may count in one entry at a time */
const volatile __u8 weak_order = 0; /* loads may be seen in another order than they are written */

#define IP_FRAGMENT	  0x3fff /* MF and the offset: all but DF */
#define TCP_OPENS_OR_ENDS 0x07	 /* FIN, SYN, RST */
#define VLAN_LEN	  4
enum { PROTO_TCP = 6, PROTO_UDP = 17 };

struct ip_header {
	__u8 version_ihl, tos;
	__be16 total_len, id, fragment;
	__u8 ttl, protocol;
	__sum16 checksum;
	__be32 src, dst;
};
struct tcp_header {
	__be16 sport, dport;
	__be32 seq, ack;
	__u8 data_offset, flags;
	__be16 window;
	__sum16 checksum;
	__be16 urgent;
};
struct udp_header {
	__be16 sport, dport, len;
	__sum16 checksum;
};

/* Of one entry, as it stood at one time. */
struct decision {
	struct flow_entry *entry;
	__u32 macs[3]; /* mac and from */
	__u8 port_out, flags;
	__u16 mtu, waits_for;
	__u32 src, dst;
	__u16 sport, dport, ip_change, l4_change;
};

#define once(x) (*(volatile typeof(x) *)&(x))

/* Between loads whose order matters. x86 keeps it; elsewhere an atomic operation does. */
static __always_inline void in_order(struct flow_entry *e)
{
	if (weak_order)
		__sync_fetch_and_add(&e->bytes, 0);
	barrier();
}

/* Whether e is for that key; then all of it is in d. */
static __always_inline int read_entry(struct flow_entry *e, const struct flow_key *key,
				      __u32 generation, struct decision *d)
{
	__u16 sequence = once(e->sequence);

	if (e->key.word[1] != key->word[1] || e->key.word[0] != key->word[0])
		return 0;
	in_order(e);
	if (sequence & 1 || once(e->generation) != generation ||
	    once(e->key.word[0]) != key->word[0] || once(e->key.word[1]) != key->word[1])
		return 0;
	d->entry = e;
	d->macs[0] = once(*(__u32 *)&e->mac[0]);
	d->macs[1] = once(*(__u32 *)&e->mac[4]); /* two bytes of either */
	d->macs[2] = once(*(__u32 *)&e->from[2]);
	d->port_out = once(e->port_out);
	d->flags = once(e->flags);
	d->mtu = once(e->mtu);
	d->waits_for = once(e->waits_for);
	d->src = once(e->src);
	d->dst = once(e->dst);
	d->sport = once(e->sport);
	d->dport = once(e->dport);
	d->ip_change = once(e->ip_change);
	d->l4_change = once(e->l4_change);
	in_order(e);
	return once(e->sequence) == sequence;
}

static __always_inline int find_flow(const struct flow_key *key, __u32 generation,
				     struct decision *d)
{
	__u64 hash = flow_hash(flow_secret[0], flow_secret[1], key);

#pragma unroll
	for (int i = 0; i < 2; i++) {
		__u32 index = (__u32)hash & flow_mask;
		struct flow_bucket *b = bpf_map_lookup_elem(&flow_buckets, &index);
		if (!b)
			return 0;
		if (read_entry(&b->way[0], key, generation, d) ||
		    read_entry(&b->way[1], key, generation, d))
			return 1;
		hash >>= 32;
	}
	return 0;
}

/*
 * Whether this packet would overtake others of its flow, which are still on their way through
 * user space. If so it goes that way, too, and the next one waits for it.
 */
static __always_inline int would_overtake(struct xdp_md *ctx, const struct decision *d)
{
	struct gate_counters *count = &counters[ctx->rx_queue_index & (QUEUES - 1)];

	if (!d->waits_for) /* first: the counters' line is often another CPU's */
		return 0;
	__u16 behind = (__u16)once(count->done) - d->waits_for;
	if (!(d->waits_for & FLOW_WAITS_FIRST) &&
	    (behind & FLOW_WAITS_NUMBER) <= FLOW_WAITS_NUMBER / 2) {
		once(d->entry->waits_for) = 0;
		return 0;
	}
	once(d->entry->waits_for) = FLOW_WAITS | ((count->taken + 1) & FLOW_WAITS_NUMBER);
	return 1;
}

static __always_inline void count_flow(struct flow_entry *e, __u32 bytes)
{
	if (shared_queues) {
		__sync_fetch_and_add(&e->packets, 1);
		__sync_fetch_and_add(&e->bytes, bytes);
	} else {
		e->packets++;
		e->bytes += bytes;
	}
}

/* Twice: the sum of two folded ones may carry once more. */
static __always_inline __u16 fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

static __always_inline void update(__sum16 *field, __u16 change)
{
	*field = ~fold((__u16) ~*field + change);
}

static __always_inline int sum_is_right(const struct ip_header *ip)
{
	const __u32 *word = (const void *)ip;
	__u64 sum = (__u64)word[0] + word[1] + word[2] + word[3] + word[4];

	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + ((sum >> 16) & 0xffff) + (sum >> 32);
	return fold(sum) == 0xffff;
}

static __always_inline int leave(struct xdp_md *ctx, const struct decision *d)
{
	struct gate_counters *count = &counters[ctx->rx_queue_index & (QUEUES - 1)];
	int action = bpf_redirect_map(&flow_ports, d->port_out, XDP_DROP);

	if (action != XDP_REDIRECT)
		count->lost++;
	return action;
}

static __always_inline int repeat_bridged(struct xdp_md *ctx, const struct flow_head *head)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct decision d;

	if (data + sizeof(struct eth_header) > end)
		return -1;
	struct flow_key key = {
		{*(__u64 *)data,
		 *(__u32 *)(data + 8) | FLOW_KEY_REST(port_number, 0, FLOW_BRIDGED)}};
	if (!find_flow(&key, once(head->generation), &d))
		return -1;
	__u32 len = end - data;
	if (len > d.mtu + sizeof(struct eth_header) + VLAN_LEN || would_overtake(ctx, &d))
		return -1;
	count_flow(d.entry, len);
	return leave(ctx, &d);
}

/*
 * The two ports of a whole TCP or UDP header, as one word of the key; false: none, or not in
 * a state to be repeated. Rules are in force, so what nat_look() would not take for a
 * datagram of a session, or what changes a session's state, goes the long way.
 */
static __always_inline int read_ports(const struct ip_header *ip, void *end, __u32 *ports)
{
	void *l4 = (void *)(ip + 1);
	__u32 room = bpf_ntohs(ip->total_len) - sizeof(*ip);

	if (ip->protocol == PROTO_TCP) {
		struct tcp_header *tcp = l4;
		if ((void *)(tcp + 1) > end || room < sizeof(*tcp))
			return 0;
		__u32 len = (tcp->data_offset >> 4) * 4;
		if (len < sizeof(*tcp) || len > room)
			return 0;
	} else if (ip->protocol == PROTO_UDP) {
		struct udp_header *udp = l4;
		if ((void *)(udp + 1) > end || room < sizeof(*udp))
			return 0;
		__u32 len = bpf_ntohs(udp->len);
		if (len < sizeof(*udp) || len > room)
			return 0;
	} else {
		return 0;
	}
	*ports = *(__u32 *)l4;
	return 1;
}

/* New addresses and ports, and the sum over them. RFC 768: a sum of zero is sent as its other form.
 */
static __always_inline void write_endpoints(struct ip_header *ip, void *end,
					    const struct decision *d)
{
	ip->src = d->src;
	ip->dst = d->dst;
	if (ip->protocol == PROTO_TCP) {
		struct tcp_header *tcp = (void *)(ip + 1);
		if ((void *)(tcp + 1) > end)
			return; /* never: read_ports() has seen it */
		tcp->sport = d->sport;
		tcp->dport = d->dport;
		update(&tcp->checksum, d->l4_change);
	} else {
		struct udp_header *udp = (void *)(ip + 1);
		if ((void *)(udp + 1) > end)
			return;
		udp->sport = d->sport;
		udp->dport = d->dport;
		if (!udp->checksum)
			return;
		update(&udp->checksum, d->l4_change);
		if (!udp->checksum)
			udp->checksum = 0xffff;
	}
}

/* Whether a frame that comes in at port is to be routed. */
static __always_inline int is_for(struct xdp_md *ctx, const struct flow_port *port)
{
	const __u8 *dst = (void *)(long)ctx->data;

	if (dst + sizeof(struct eth_header) > (const __u8 *)(long)ctx->data_end)
		return 0;
	return *(__u32 *)dst == *(__u32 *)port->mac &&
	       *(__u16 *)(dst + 4) == *(__u16 *)(port->mac + 4);
}

static __always_inline int repeat_routed(struct xdp_md *ctx, const struct flow_head *head)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ip_header *ip = data + sizeof(struct eth_header);
	struct decision d;
	__u32 ports = 0;

	if ((void *)(ip + 1) > end ||
	    ((struct eth_header *)data)->type != bpf_htons(ETHERTYPE_IPV4) ||
	    !is_for(ctx, &head->port[port_number & (FLOW_PORTS - 1)]))
		return -1;
	/* No options, no fragment, no padding, a hop left, and a header that is whole. */
	__u32 total_len = bpf_ntohs(ip->total_len);
	if (ip->version_ihl != 0x45 || ip->fragment & bpf_htons(IP_FRAGMENT) || ip->ttl <= 1 ||
	    total_len != (__u32)(end - (void *)ip) || !sum_is_right(ip))
		return -1;
	__u32 generation = once(head->generation);
	__u64 protocol = 0;
	if (once(head->by_tuple)) {
		if (!read_ports(ip, end, &ports))
			return -1;
		protocol = ip->protocol;
	}
	if (ip->protocol == PROTO_TCP) {
		struct tcp_header *tcp = (void *)(ip + 1);
		if ((void *)(tcp + 1) > end || tcp->flags & TCP_OPENS_OR_ENDS)
			return -1;
	}
	struct flow_key key = {{ip->src | (__u64)ip->dst << 32,
				ports | FLOW_KEY_REST(port_number, protocol, FLOW_ROUTED)}};
	if (!find_flow(&key, generation, &d) || total_len > d.mtu)
		return -1;
	if (d.flags & FLOW_FROM &&
	    (*(__u16 *)(data + 6) != (__u16)(d.macs[1] >> 16) || *(__u32 *)(data + 8) != d.macs[2]))
		return -1;
	if (would_overtake(ctx, &d))
		return -1;
	const __u8 *source = head->port[d.port_out].mac;
	*(__u32 *)data = d.macs[0];
	*(__u16 *)(data + 4) = (__u16)d.macs[1];
	*(__u16 *)(data + 6) = *(__u16 *)source;
	*(__u32 *)(data + 8) = *(__u32 *)(source + 2);
	ip->ttl--;
	update(&ip->checksum, d.ip_change);
	if (d.flags & FLOW_ENDPOINTS)
		write_endpoints(ip, end, &d);
	count_flow(d.entry, total_len);
	return leave(ctx, &d);
}

/* What becomes of a frame that is like those before it; -1: it is not, or nobody knows. */
static __always_inline int repeat(struct xdp_md *ctx)
{
	__u32 zero = 0;
	const struct flow_head *head = bpf_map_lookup_elem(&flow_head, &zero);

	if (!head || !head->port[port_number & (FLOW_PORTS - 1)].on)
		return -1;
	const struct flow_port *here = &head->port[port_number & (FLOW_PORTS - 1)];
	return bridged && !is_for(ctx, here) ? repeat_bridged(ctx, head) : repeat_routed(ctx, head);
}

#endif
