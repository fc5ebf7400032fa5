/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * punt - hands a frame to the kernel's own stack as if it had just arrived on a port.
 *
 * User space runs it over a frame with BPF_PROG_RUN and live frames (kernel 5.18): what
 * the program passes, the kernel takes as received on ctx->ingress_ifindex.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int punt(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
