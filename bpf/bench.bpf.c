/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * bench - the programs that benchmarks run in the kernel: a generator of live frames, a
 * sink that counts and drops, the smallest possible gate for a bare AF_XDP forwarder, and
 * the bare redirect between two interfaces, which no router on XDP can outrun.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define FRAME_MIN 60
#define PORT_OFFSET 34 /* of the UDP ports, behind Ethernet and IPv4 without options */
#define FIRST_PORT 1024
#define ECHO_PORT 7 /* round trips are measured by it while the rest is counted */
#define DST_LOW 4 /* the last two bytes of a MAC tell stations apart */
#define SRC_LOW 10

/* The generator's: written by user space before it runs. */
__u8 frame[FRAME_MIN]; /* Ethernet, IPv4 and UDP headers; the UDP checksum is zero */
__u32 n_flows = 1;
__u32 n_sources = 1, n_destinations = 1; /* MACs, counting from those in frame */
__u16 source, destination;		 /* the last two bytes of these */
__u64 n_made;

/* The sink's. */
__u64 n_packets, n_bytes;

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} sockets SEC(".maps");

/* The bare redirect's: where to from the interface `left`, and where to from the other. */
enum { FROM_LEFT, FROM_RIGHT, SIDES };
__u32 left;
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, SIDES);
	__type(key, __u32);
	__type(value, __u32);
} sides SEC(".maps");

/*
 * Makes the next frame of the next flow and sends it out of the device it is said to have
 * come from. Pages come back with what the receiver made of them: everything is rewritten.
 */
SEC("xdp")
int generate(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data;

	if (data + FRAME_MIN > (__u8 *)(long)ctx->data_end)
		return XDP_DROP;
	__builtin_memcpy(data, frame, FRAME_MIN);
	__u32 n = (__u32)n_made++, flow = n % n_flows;
	*(__be16 *)(data + DST_LOW) = bpf_htons(destination + n % n_destinations);
	*(__be16 *)(data + SRC_LOW) = bpf_htons(source + n % n_sources);
	/* Both ports are outside the IPv4 header's checksum, and 0 is none for UDP. */
	*(__be16 *)(data + PORT_OFFSET) = bpf_htons(FIRST_PORT + (flow & 0x7fff));
	*(__be16 *)(data + PORT_OFFSET + 2) = bpf_htons(FIRST_PORT + (flow >> 15));
	return XDP_TX;
}

/* Counts UDP and drops it; the rest (ARP above all, and the echo port) is the kernel's. */
SEC("xdp")
int count(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data;

	if (data + FRAME_MIN > (__u8 *)(long)ctx->data_end || data[12] != 8 || data[13] || data[23] != 17)
		return XDP_PASS;
	if (*(__be16 *)(data + PORT_OFFSET + 2) == bpf_htons(ECHO_PORT))
		return XDP_PASS;
	n_packets++;
	n_bytes += ctx->data_end - ctx->data;
	return XDP_DROP;
}

SEC("xdp")
int take(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data;

	if (data + FRAME_MIN > (__u8 *)(long)ctx->data_end || data[12] != 8 || data[13])
		return XDP_PASS;
	return bpf_redirect_map(&sockets, 0, XDP_PASS);
}

SEC("xdp")
int redirect(struct xdp_md *ctx)
{
	return bpf_redirect_map(&sides, ctx->ingress_ifindex == left ? FROM_LEFT : FROM_RIGHT, XDP_DROP);
}

/* The far end of a device that must have NAPI: does nothing. */
SEC("xdp")
int pass(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
