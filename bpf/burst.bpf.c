/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * burst - many frames in one system call: out of one port, or into the kernel's own stack
 * as if they had just arrived on one.
 *
 * User space writes a list of frames and runs this program once for each of them
 * (BPF_PROG_RUN with live frames): it copies the frame out of the UMEM, which is a BPF
 * array map, into the page the kernel offers, and redirects that to the port, or passes it.
 *
 * What it passes is received when the whole batch has been run. Where the gate of the port is
 * attached in generic mode, each frame meets it then, on this CPU and before anything else
 * can: the mark tells the gate how many it has to let by.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "shared.h"

#define BURST_MASK (BURST_MAX - 1)

struct { /* the UMEM: user space puts its own map in this one's place */
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__uint(value_size, 2048);
} frames SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, BURST_PORTS);
	__type(key, __u32);
	__type(value, __u32);
} ports SEC(".maps");

struct { /* shared with the gates: frames on their way from here to the stack */
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} punting SEC(".maps");

const volatile __u32 frame_size = 2048;

struct burst_entry entries[BURST_MAX];
__u32 port; /* or BURST_STACK */
__u32 next;

/* The n'th frame of a run. A batch begins anew: what an earlier one left marked was lost. */
static __always_inline int pass(__u32 n)
{
	__u32 zero = 0, *mark = bpf_map_lookup_elem(&punting, &zero);

	if (mark)
		*mark = (n & (BURST_BATCH - 1) ? *mark : 0) + 1;
	return XDP_PASS;
}

SEC("xdp")
int burst(struct xdp_md *ctx)
{
	__u32 n = next++;
	struct burst_entry *e = &entries[n & BURST_MASK];
	__u32 number = e->frame, offset = e->offset & (BURST_OFFSET_MAX - 1), len = e->len;
	__u8 *frame = bpf_map_lookup_elem(&frames, &number);

	if (!frame || len < 14 || len > frame_size - BURST_OFFSET_MAX)
		return XDP_DROP;
	if (bpf_xdp_adjust_tail(ctx, (int)len - BURST_FIRST_LEN))
		return XDP_DROP;
	if (bpf_xdp_store_bytes(ctx, 0, frame + offset, len))
		return XDP_DROP;
	if (port == BURST_STACK)
		return pass(n);
	return bpf_redirect_map(&ports, port, XDP_DROP);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
