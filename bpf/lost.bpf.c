/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * lost - counts the frames of a burst that were lost behind the program that sent them.
 *
 * BPF_PROG_RUN says nothing of a frame whose redirect fails: the call returns 0, no counter
 * of the interface moves. The kernel tells its tracepoints only, synchronously, while the
 * call runs. These are machine-wide: another's frames are told from ours by the map, or by
 * the interface and its namespace.
 */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "device.h"

#define LOOPBACK 1 /* where frames of BPF_PROG_RUN come from; the same number everywhere */

const volatile __u32 ports_id; /* the burst lane's device map */
const volatile __u32 netns;    /* inode of the namespace that the ports are in */

/* Of the call that runs; set before it by user space. */
__u32 ifindex;
__u32 n_lost;
__u32 n_refused; /* of those lost: the far end took none, for want of NAPI */

/* xdp_redirect_err(dev, prog, target, err, map_type, map_id, index): Linux 6.3 knows in
 * time that the far end takes no frames. */
SEC("raw_tp/xdp_redirect_err")
int redirect_failed(struct bpf_raw_tracepoint_args *ctx)
{
	if ((__u32)ctx->args[5] != ports_id)
		return 0;
	n_lost++;
	n_refused++;
	return 0;
}

/*
 * xdp_devmap_xmit(from, to, sent, drops, err): of up to 16 frames that the far end was offered.
 * What the gates send there at the same time, on other CPUs, comes from a port (strayed.bpf.c).
 */
SEC("raw_tp/xdp_devmap_xmit")
int offered(struct bpf_raw_tracepoint_args *ctx)
{
	struct net_device *from = (struct net_device *)ctx->args[0];
	struct net_device *to = (struct net_device *)ctx->args[1];
	int drops = (int)ctx->args[3], err = (int)ctx->args[4];

	if (drops <= 0 || (__u32)BPF_CORE_READ(to, ifindex) != ifindex ||
	    BPF_CORE_READ(to, nd_net.net, ns.inum) != netns ||
	    BPF_CORE_READ(from, ifindex) != LOOPBACK)
		return 0;
	n_lost += drops;
	if (err)
		n_refused += drops;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
