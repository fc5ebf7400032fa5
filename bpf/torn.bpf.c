/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * torn - the receiver of the torn-read test (tests/bench/bench_torn.c): each frame that arrives
 * must be wholly what the one entry or the other makes of the generator's, and what leaves by
 * the port of one must not be the other's. Both checksums are computed anew.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define FRAME_LEN 60
#define IP_AT	  14
#define UDP_AT	  34
#define PROTO_UDP 17

/* What frames of each kind must hold, as it lies on the wire; written by user space before they
 * come. */
#define LINK_LEN      12
#define ADDRESSES_LEN 8
#define PORTS_LEN     4
__u8 expected[2][LINK_LEN + ADDRESSES_LEN + PORTS_LEN];

__u64 n_whole[2], n_torn, n_wrong_sum;
__u8 example[FRAME_LEN]; /* the last that was torn, or wrong */

static __always_inline __u32 sum_of(const __u8 *data, int from, int to)
{
	__u32 sum = 0;

#pragma unroll
	for (int i = from; i < to; i += 2)
		sum += *(const __u16 *)(data + i);
	return sum;
}

static __always_inline int sums_are_right(const __u8 *data)
{
	__u32 ip = sum_of(data, IP_AT, UDP_AT);
	__u32 udp = sum_of(data, IP_AT + 12, FRAME_LEN) + bpf_htons(PROTO_UDP) +
		    bpf_htons(FRAME_LEN - UDP_AT);

	ip = (ip & 0xffff) + (ip >> 16);
	udp = (udp & 0xffff) + (udp >> 16);
	return (ip & 0xffff) + (ip >> 16) == 0xffff && (udp & 0xffff) + (udp >> 16) == 0xffff;
}

/* In 16-bit steps, as a frame's fields lie. */
static __always_inline int equal(const __u8 *a, const __u8 *b, int len)
{
	int differs = 0;

#pragma unroll
	for (int i = 0; i < len; i += 2)
		differs |= *(const __u16 *)(a + i) ^ *(const __u16 *)(b + i);
	return !differs;
}

static __always_inline int is_whole(const __u8 *data, const __u8 *want)
{
	return equal(data, want, LINK_LEN) &&
	       equal(data + IP_AT + 12, want + LINK_LEN, ADDRESSES_LEN) &&
	       equal(data + UDP_AT, want + LINK_LEN + ADDRESSES_LEN, PORTS_LEN);
}

static __always_inline int look(struct xdp_md *ctx, int kind)
{
	__u8 *data = (void *)(long)ctx->data;

	if (data + FRAME_LEN > (__u8 *)(long)ctx->data_end || data[12] != 8 || data[13] ||
	    data[IP_AT + 9] != PROTO_UDP)
		return XDP_PASS;
	int whole = is_whole(data, expected[kind]), right = sums_are_right(data);
	if (whole)
		n_whole[kind]++;
	else
		n_torn++;
	if (!right)
		n_wrong_sum++;
	if (!whole || !right)
		__builtin_memcpy(example, data, FRAME_LEN);
	return XDP_DROP;
}

SEC("xdp")
int first(struct xdp_md *ctx)
{
	return look(ctx, 0);
}

SEC("xdp")
int second(struct xdp_md *ctx)
{
	return look(ctx, 1);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
