/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * shared.h - the structs that the XDP programs and the C dataplane both read.
 * Plain fixed-size integers in host byte order; no pointers.
 */
#ifndef TSUJI_SHARED_H
#define TSUJI_SHARED_H

#ifdef __bpf__
#include <linux/types.h>
typedef __u8 shared_u8;
typedef __u16 shared_u16;
typedef __u32 shared_u32;
typedef __u64 shared_u64;
#else
#include <stdint.h>
typedef uint8_t shared_u8;
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
#define BURST_BATCH 64       /* frames at once: more overflow a veth's ring between two NAPI polls */
#define BURST_PORTS 257      /* ports, by number; the last is none of them: */
#define BURST_TRIAL 256      /* a veth on which the lanes are tried (lane_trial.c) */
#define BURST_STACK 0xffffffff /* in place of a port: the kernel's own stack */
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
	shared_u64 done;      /* of those taken: have left again, or were lost; written by user space */
	shared_u64 lost;      /* repeated by the flow cache, but the port it leaves by is gone */
};

/* -- the flow cache (dataplane/flow.h) ------------------------------------------------ */

#define FLOW_PORTS 256 /* ports, by number */
#define FLOW_WAYS 2    /* entries of a bucket: two cache lines, which come together */

enum flow_kind { /* of a key */
	FLOW_NONE = 0,
	FLOW_ROUTED = 1,
	FLOW_BRIDGED = 2,
};

/*
 * What a packet is known by, in two words:
 *   routed    source, destination | the two ports (as they lie there), port in, protocol, kind;
 *             ports and protocol are zero where no rules are (flow_head.by_tuple)
 *   bridged   the first eight bytes of the frame | the next four, port in, zero, kind
 */
struct flow_key {
	shared_u64 word[2];
};
#define FLOW_KEY_REST(port_in, protocol, kind)                                              \
	((shared_u64)(port_in) << 32 | (shared_u64)(protocol) << 48 | (shared_u64)(kind) << 56)
#define FLOW_KEY_PORT_IN ((shared_u64)0xffff << 32) /* the part that is not hashed */

enum flow_flag {
	FLOW_ENDPOINTS = 1, /* addresses and ports are written, too */
	FLOW_FROM = 2,      /* only for frames from that MAC: a bridge has learnt it at this port */
};

/*
 * An entry waits until the last packet of its flow that went the long way is done with; it is
 * known by its number among those the gate has taken on that queue, as far as a ring reaches.
 */
enum {
	FLOW_WAITS = 0x8000,
	FLOW_WAITS_FIRST = 0x4000, /* none has come by since it was armed */
	FLOW_WAITS_NUMBER = 0x3fff,
};

/*
 * A decision that XDP repeats. User space writes all but the two counters, XDP these. An odd
 * sequence: it is being written; one that has moved: what was read is void. It holds while
 * its generation is that of the head.
 */
struct flow_entry {
	shared_u16 sequence;
	shared_u16 waits_for;  /* 0: nothing; FLOW_WAITS with the number of a packet; XDP's, too */
	shared_u32 generation; /* 0: empty */
	struct flow_key key;
	shared_u8 mac[6];      /* routed: the new destination; the new source is port_out's */
	shared_u8 from[6];     /* FLOW_FROM */
	shared_u8 port_out, flags;
	shared_u16 mtu;        /* of the outgoing port, in bytes of datagram */
	/* As they lie on the wire: */
	shared_u32 src, dst;
	shared_u16 sport, dport;
	/* What the new bytes add to a checksum, folded (RFC 1624 eqn. 3: ~m + m'): */
	shared_u16 ip_change; /* to the header's, the hop included */
	shared_u16 l4_change; /* to that of TCP or UDP */
	/* Of frames that went this way; they only grow, and wrap: */
	shared_u32 packets, bytes; /* bytes: of datagrams if routed, of frames if bridged */
};

struct flow_bucket {
	struct flow_entry way[FLOW_WAYS];
};

struct flow_port {
	shared_u8 mac[6]; /* what a routed frame is addressed to, and leaves from: a member's bridge's */
	shared_u8 on;     /* frames that come in here are looked up */
	shared_u8 reserved;
};

struct flow_head {
	shared_u32 generation; /* never 0 */
	shared_u32 by_tuple;   /* rules are in force: flows are told apart by protocol and ports */
	struct flow_port port[FLOW_PORTS];
};

/*
 * Keyed, so that nobody outside can aim at a bucket; no more than that: flows that do not
 * find room go the long way. Its two halves are an entry's two places.
 */
static inline shared_u64 flow_hash(shared_u64 secret0, shared_u64 secret1, const struct flow_key *key)
{
	shared_u64 h = (key->word[0] ^ secret0) * 0x9e3779b97f4a7c15ull;

	h ^= h >> 32;
	h = (h ^ (key->word[1] & ~FLOW_KEY_PORT_IN) ^ secret1) * 0xbf58476d1ce4e5b9ull;
	h ^= h >> 29;
	h *= 0x94d049bb133111ebull;
	return h ^ h >> 32;
}

#endif
