/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * punt - hands a frame to the kernel's own stack as if it had just arrived on a port: one that
 * comes alone, or all of them where burst.bpf.c cannot be had.
 *
 * User space runs it over a frame with BPF_PROG_RUN and live frames (kernel 5.18): what
 * the program passes, the kernel takes as received on ctx->ingress_ifindex.
 *
 * Where that port's gate is attached in generic mode, the frame meets it once more, on
 * this CPU and before anything else can: the mark left here tells the gate to let it by.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct { /* shared with the gates: frames on their way from here to the stack */
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} punting SEC(".maps");

SEC("xdp")
int punt(struct xdp_md *ctx)
{
	__u32 zero = 0, *mark = bpf_map_lookup_elem(&punting, &zero);

	(void)ctx;
	if (mark)
		*mark = 1;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
