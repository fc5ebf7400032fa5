/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * shared.h - the structs that the XDP programs and the C dataplane both read.
 * Plain fixed-size integers in host byte order; no pointers.
 */
#ifndef TSUJI_SHARED_H
#define TSUJI_SHARED_H

#ifdef __bpf__
#include <linux/types.h>
typedef __u16 shared_u16;
typedef __u32 shared_u32;
typedef __u64 shared_u64;
#else
#include <stdint.h>
typedef uint16_t shared_u16;
typedef uint32_t shared_u32;
typedef uint64_t shared_u64;
#endif

/* What the gate knows about the transport checksum of a frame. */
enum gate_checksum {
	GATE_CHECKSUM_UNKNOWN = 0, /* no way to see the skb: compare with the pseudo-header sum */
	GATE_CHECKSUM_FULL = 1,    /* the bytes are as they should go on the wire */
	GATE_CHECKSUM_PARTIAL = 2, /* CHECKSUM_PARTIAL: complete it at csum_start, csum_offset */
};

/* How the sender's kernel wants a frame cut (GSO, include/linux/skbuff.h); bits. */
enum gate_gso {
	GATE_GSO_TCP = 1,
	GATE_GSO_UDP = 2,     /* a datagram for each gso_size bytes */
	GATE_GSO_CWR = 4,     /* TCP's CWR stands on every segment, not on the first only (AccECN) */
	GATE_GSO_SAME_ID = 8, /* the IPv4 identification does not count up */
	GATE_GSO_OTHER = 16,  /* tunnels, SCTP ... */
	GATE_GSO_IP6 = 32,    /* TCP over IPv6 */
};

/* Metadata in front of every frame the gate redirects; written for every frame. */
struct gate_meta {
	shared_u16 checksum;    /* enum gate_checksum */
	shared_u16 csum_start;  /* from the first byte of the frame */
	shared_u16 csum_offset; /* from csum_start */
	shared_u16 vlan_tci;    /* the VLAN tag that the skb carries beside its bytes ... */
	shared_u16 vlan_proto;  /* ... and its ethertype, as on the wire; 0: none */
	shared_u16 gso_size;    /* payload of each segment that the frame stands for; 0: it is one */
	shared_u16 gso_kind;    /* enum gate_gso, of one that is to be cut */
	shared_u16 reserved;    /* zero; the size is a multiple of four, as XDP asks */
};

#define BURST_MAX 2048       /* frames of one burst: a power of two */
#define BURST_PORTS 256      /* ports, by number */
#define BURST_OFFSET_MAX 512 /* a frame's data begins below this offset in its chunk */
#define BURST_FIRST_LEN 64   /* bytes of a page before the program sets its length */

/* A frame of a burst: which, where in its chunk it begins, and how long it is. */
struct burst_entry {
	shared_u32 frame;
	shared_u16 offset, len;
};

/* Counted by the gate on each port, read through its memory map. */
struct gate_counters {
	shared_u64 taken;     /* to an AF_XDP socket */
	shared_u64 passed;    /* not ours: left to the kernel */
	shared_u64 no_socket; /* ours, but no socket on that queue: left to the kernel */
};

#endif
