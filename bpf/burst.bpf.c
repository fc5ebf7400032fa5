/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * burst - sends many frames out of one port in one system call.
 *
 * User space writes a list of frames and runs this program once for each of them
 * (BPF_PROG_RUN with live frames): it copies the frame out of the UMEM, which is a BPF
 * array map, into the page the kernel offers, and redirects that to the port.
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

const volatile __u32 frame_size = 2048;

struct burst_entry entries[BURST_MAX];
__u32 port;
__u32 next;

SEC("xdp")
int burst(struct xdp_md *ctx)
{
	struct burst_entry *e = &entries[next++ & BURST_MASK];
	__u32 number = e->frame, offset = e->offset & (BURST_OFFSET_MAX - 1), len = e->len;
	__u8 *frame = bpf_map_lookup_elem(&frames, &number);

	if (!frame || len < 14 || len > frame_size - BURST_OFFSET_MAX)
		return XDP_DROP;
	if (bpf_xdp_adjust_tail(ctx, (int)len - BURST_FIRST_LEN))
		return XDP_DROP;
	if (bpf_xdp_store_bytes(ctx, 0, frame + offset, len))
		return XDP_DROP;
	return bpf_redirect_map(&ports, port, XDP_DROP);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
