/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * gate - the XDP program of every port: what is tsuji's goes to its socket, the rest to the
 * kernel. On a routed port IPv4 and ARP are tsuji's; the rest is other ethertypes,
 * VLAN-tagged frames, and IPv4 multicast, which tsuji does not route and a routing daemon
 * beside it wants to hear. On a bridged port everything is, except link-local control
 * frames (IEEE 802.1Q 8.6.3: LLDP, STP ...), which no bridge forwards.
 *
 * In front of each frame it hands over, the gate writes what it knows of the transport
 * checksum (struct gate_meta). The truth stands in the skb behind the xdp_buff, which a
 * program attached natively to a veth can read where the kernel has the kfuncs (6.3);
 * user space sets see_skb there. Elsewhere the meta says "unknown". In generic mode the skb
 * is out of sight, but what its buffer ends with is not: how the sender wants a large frame
 * cut stands there (see_gso). Such frames come in pieces, and the program is one that takes
 * them (BPF_F_XDP_HAS_FRAGS, set when it is loaded).
 *
 * Before that, a frame whose flow is in the cache takes its decision from there and leaves
 * at once, without user space: see repeat(). Whatever is unusual about a frame sends it the
 * long way, where it is looked at properly: nothing is refused here.
 *
 * One copy of this program, with its own maps, is loaded for each port.
 */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "shared.h"

#define QUEUES 64 /* a power of two: 6.1's verifier wants indices masked, not compared */
#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_ARP 0x0806

struct eth_header {
	__u8 dst[6], src[6];
	__be16 type;
};

/* The parts we read of kernel structures; offsets are relocated when the program loads. */
#define relocated __attribute__((preserve_access_index))
struct sk_buff {
	unsigned char *head, *data;
	__u8 ip_summed : 2;
	__u16 csum_start, csum_offset;
	__u32 vlan_all;
	__be16 vlan_proto;
	__u16 vlan_tci;
} relocated;
struct sk_buff_list { /* stands for "a pointer to an skb": veth's own type may live in a module */
	struct sk_buff *next;
} relocated;
struct xdp_buff {
	void *data, *data_hard_start;
	__u32 frame_sz;
} relocated;
struct skb_shared_info {
	unsigned short gso_size;
	unsigned int gso_type;
} relocated;
struct veth_xdp_buff {
	struct xdp_buff xdp;
	struct sk_buff *skb;
} relocated;
#define KERNEL_CHECKSUM_PARTIAL 3 /* include/linux/skbuff.h */
#define CACHE_BYTES 64		  /* SMP_CACHE_BYTES of x86 and arm64 */
/* SKB_GSO_ bits, of an enum without a name. The identification's moved in 6.18. */
enum {
	KERNEL_GSO_TCP4 = 1 << 0,
	KERNEL_GSO_DODGY = 1 << 1,
	KERNEL_GSO_ECN = 1 << 2,
	KERNEL_GSO_SAME_ID = 1 << 3 | 1 << 30,
	KERNEL_GSO_TCP6 = 1 << 4,
	KERNEL_GSO_UDP = 1 << 17,
	KERNEL_GSO_ACCECN = 1 << 19,
	KERNEL_GSO_KNOWN = KERNEL_GSO_TCP4 | KERNEL_GSO_DODGY | KERNEL_GSO_ECN | KERNEL_GSO_SAME_ID |
			   KERNEL_GSO_TCP6 | KERNEL_GSO_UDP | KERNEL_GSO_ACCECN,
};

void *bpf_cast_to_kern_ctx(void *ctx) __ksym __weak;
void *bpf_rdonly_cast(void *address, __u32 type) __ksym __weak;

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, QUEUES);
	__type(key, __u32);
	__type(value, __u32);
} sockets SEC(".maps");

struct { /* how many frames burst.bpf.c or punt.bpf.c is sending to the stack */
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} punting SEC(".maps");

/* Set before loading. False also removes the kfunc calls from what the verifier sees. */
const volatile __u8 see_skb = 0;
const volatile __u8 see_gso = 0;
const volatile __u8 bridged = 0;
const volatile __u8 generic = 0;

/* By queue: a queue is served by one CPU at a time. */
struct gate_counters counters[QUEUES];

#include "repeat.h"

static __always_inline int is_ours(struct xdp_md *ctx)
{
	struct eth_header *eth = (void *)(long)ctx->data;
	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return 0;
	if (bridged)
		return !(eth->dst[0] == 0x01 && eth->dst[1] == 0x80 && eth->dst[2] == 0xc2 &&
			 !eth->dst[3] && !eth->dst[4] && eth->dst[5] < 0x10);
	if (eth->type == bpf_htons(ETHERTYPE_ARP))
		return 1;
	/* A group address other than broadcast begins with an odd byte that is not 0xff (RFC 1112 6.4). */
	return eth->type == bpf_htons(ETHERTYPE_IPV4) && (!(eth->dst[0] & 1) || eth->dst[0] == 0xff);
}

/* Fills *found from the skb; false if a VLAN tag beside its bytes makes the frame not ours. */
static __always_inline int look_at_skb(struct xdp_md *ctx, struct gate_meta *found)
{
	void *xdp = bpf_cast_to_kern_ctx(ctx);
	struct sk_buff_list *place =
		bpf_rdonly_cast(xdp + bpf_core_field_offset(struct veth_xdp_buff, skb),
				bpf_core_type_id_kernel(struct sk_buff_list));
	struct sk_buff *skb = place->next;

	found->checksum = GATE_CHECKSUM_FULL;
	if (!skb) /* an xdp_frame that another program sent on: its bytes are all there is */
		return 1;
	if (skb->vlan_all) {
		found->vlan_tci = skb->vlan_tci;
		found->vlan_proto = skb->vlan_proto;
		if (!bridged)
			return 0;
	}
	if (BPF_CORE_READ_BITFIELD(skb, ip_summed) == KERNEL_CHECKSUM_PARTIAL) {
		found->checksum = GATE_CHECKSUM_PARTIAL;
		/* The kernel counts from the buffer's head; the frame begins at data. */
		found->csum_start = skb->csum_start - (__u16)(skb->data - skb->head);
		found->csum_offset = skb->csum_offset;
	}
	return 1;
}

/* In generic mode the xdp_buff lies over the skb's buffer, and so do their ends. */
static __always_inline void look_at_gso(struct xdp_md *ctx, struct gate_meta *found)
{
	struct xdp_buff *xdp = bpf_cast_to_kern_ctx(ctx);
	__u64 info_size = bpf_core_type_size(struct skb_shared_info);
	struct skb_shared_info *info =
		bpf_rdonly_cast(xdp->data_hard_start + xdp->frame_sz -
					((info_size + CACHE_BYTES - 1) & ~(__u64)(CACHE_BYTES - 1)),
				bpf_core_type_id_kernel(struct skb_shared_info));
	__u32 type = info->gso_type;

	found->gso_size = info->gso_size;
	if (!found->gso_size)
		return;
	if (type & (KERNEL_GSO_TCP4 | KERNEL_GSO_TCP6))
		found->gso_kind |= GATE_GSO_TCP;
	if (type & KERNEL_GSO_TCP6)
		found->gso_kind |= GATE_GSO_IP6;
	if (type & KERNEL_GSO_UDP)
		found->gso_kind |= GATE_GSO_UDP;
	if (type & KERNEL_GSO_ACCECN)
		found->gso_kind |= GATE_GSO_CWR;
	if (type & KERNEL_GSO_SAME_ID)
		found->gso_kind |= GATE_GSO_SAME_ID;
	if (type & ~(__u32)KERNEL_GSO_KNOWN)
		found->gso_kind |= GATE_GSO_OTHER;
}

/* In generic mode what we hand to the stack comes by here again. */
static __always_inline int is_punted(void)
{
	__u32 zero = 0, *mark = bpf_map_lookup_elem(&punting, &zero);

	if (!mark || !*mark)
		return 0;
	*mark -= 1;
	return 1;
}

SEC("xdp")
int gate(struct xdp_md *ctx)
{
	struct gate_counters *count = &counters[ctx->rx_queue_index & (QUEUES - 1)];
	struct gate_meta found = {.checksum = GATE_CHECKSUM_UNKNOWN};

	if (generic && is_punted())
		return XDP_PASS; /* it has been counted when it came */
	if (!is_ours(ctx) || (see_skb && !look_at_skb(ctx, &found)))
		goto pass;
	/* Sums that the sender left to us, and tags beside the bytes, are C's. */
	if (flow_mask && see_skb && found.checksum == GATE_CHECKSUM_FULL && !found.vlan_proto) {
		int repeated = repeat(ctx);
		if (repeated >= 0)
			return repeated;
	}
	if (see_gso)
		look_at_gso(ctx, &found);
	if (bpf_xdp_adjust_meta(ctx, -(int)sizeof(found)))
		goto pass;
	struct gate_meta *meta = (void *)(long)ctx->data_meta;
	if ((void *)(meta + 1) > (void *)(long)ctx->data)
		goto pass;
	*meta = found;

	int action = bpf_redirect_map(&sockets, ctx->rx_queue_index, XDP_PASS);
	if (action == XDP_REDIRECT)
		count->taken++;
	else
		count->no_socket++;
	return action;
pass:
	count->passed++;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
