/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * strayed - counts the frames that the flow cache sent on and that were lost behind it, by the
 * port they should have left by.
 *
 * As in lost.bpf.c, the kernel tells its tracepoints only, machine-wide. Ours is a frame that
 * one of our ports sends to another of our ports; a burst comes from an interface that is none.
 */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "device.h"
#include "shared.h"

const volatile __u32 ports_id; /* the flow cache's device map */
const volatile __u32 netns;    /* inode of the namespace that the ports are in */

struct { /* interface index to port number */
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FLOW_PORTS);
	__type(key, __u32);
	__type(value, __u32);
} port_of SEC(".maps");

__u64 n_lost[FLOW_PORTS];

static __always_inline void count(__u32 port, __u64 n)
{
	__sync_fetch_and_add(&n_lost[port & (FLOW_PORTS - 1)], n);
}

/* xdp_redirect_err(dev, prog, target, err, map_type, map_id, index): Linux 6.3 knows in
 * time that the far end takes no frames. */
SEC("raw_tp/xdp_redirect_err")
int redirect_failed(struct bpf_raw_tracepoint_args *ctx)
{
	if ((__u32)ctx->args[5] == ports_id)
		count((__u32)ctx->args[6], 1);
	return 0;
}

static __always_inline __u32 *port_of_device(const struct net_device *dev)
{
	__u32 ifindex;

	if (BPF_CORE_READ(dev, nd_net.net, ns.inum) != netns)
		return 0;
	ifindex = BPF_CORE_READ(dev, ifindex);
	return bpf_map_lookup_elem(&port_of, &ifindex);
}

/* xdp_devmap_xmit(from, to, sent, drops, err): of up to 16 frames that the far end was offered. */
SEC("raw_tp/xdp_devmap_xmit")
int offered(struct bpf_raw_tracepoint_args *ctx)
{
	int drops = (int)ctx->args[3];

	if (drops <= 0 || !port_of_device((struct net_device *)ctx->args[0]))
		return 0;
	__u32 *port = port_of_device((struct net_device *)ctx->args[1]);
	if (port)
		count(*port, drops);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
