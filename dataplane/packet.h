/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * packet.h - a packet: a frame of the pool, plus what we have found out about it.
 *
 * There is one struct packet for every frame of the pool, and it stays with its frame
 * (frame.h); rooms pass pointers in vectors. Rooms up to TO_NEIGH only *decide*: they
 * write packet->decision and leave the bytes alone, so that an ICMP error can quote the
 * datagram as it arrived. Bytes change in ip4_rewrite() and in replies, nowhere else.
 *
 * A *large* packet is more than that: it does not fit its frame and goes on in those behind
 * packet->rest, or it stands for several segments, each with gso_size bytes of its payload,
 * which whoever takes it will cut it into (GSO; segment.h). Its first frame is the packet to
 * everyone but the accounts: all headers are in there (PACKET_HEAD_MIN).
 */
#ifndef TSUJI_PACKET_H
#define TSUJI_PACKET_H

#include "verdict.h"
#include "wire.h"

#define VECTOR_SIZE 64 /* packets a room sees at once: their headers fit L1 */
#define PORT_MAX 256   /* ports of one router; port numbers are below this */
#define PORT_NONE 0xffff
#define ROUTE_NONE UINT32_MAX
#define RULE_NONE 0xffff

enum packet_flag {
	PACKET_PARTIAL = 1 << 0,    /* the kernel marks its checksum partial: csum_start, csum_offset */
	PACKET_UNKNOWN = 1 << 1,    /* the gate could not tell: the sum may be partial */
	PACKET_ERROR = 1 << 2,      /* an ICMP error or redirect of ours: it makes no other */
	PACKET_OWN = 1 << 3,        /* made here: no TTL decrement, no redirect */
	PACKET_OPTIONS = 1 << 4,    /* its IPv4 header has options, checked by ip4_input */
	PACKET_LINK_GROUP = 1 << 5, /* it came in a link-layer broadcast or multicast */
	PACKET_FLOOD = 1 << 6,      /* to every member of the bridge port_out, but not back by its wire */
	PACKET_ADMITTED = 1 << 7,   /* filter and nat have said yes: not asked again after a wait for ARP */
};

/* What translation makes of a packet: the new endpoints, where they differ. */
enum nat_flag {
	NAT_SOURCE = 1 << 0,      /* src and sport are to be written */
	NAT_DESTINATION = 1 << 1, /* dst and dport */
	NAT_QUOTED = 1 << 2,      /* an ICMP error: the datagram it quotes gets the inverse */
};
struct nat_decision {
	be32 src, dst;
	be16 sport, dport; /* or the ICMP identifier, in the one that is not zero */
	uint8_t flags;     /* enum nat_flag; 0: nothing changes */
};

/* Where a packet goes and how; filled by fib and neigh, obeyed by rewrite and egress. */
struct decision {
	uint16_t port_out;   /* PORT_NONE until there is one */
	uint16_t mtu;        /* of the outgoing port, in bytes of IPv4 datagram */
	be32 next_hop;       /* gateway, or the destination itself on a connected route */
	uint32_t route;      /* index in the FIB, ROUTE_NONE without */
	struct eth_hdr link; /* ready header, valid from TO_REWRITE on */
	be32 dst;            /* where it really goes: the header's destination, or what dnat says */
	struct nat_decision nat;
};

struct packet {
	uint8_t *data;        /* first byte of the link-layer header */
	uint32_t len;         /* bytes of this frame from data on; packet_len() is that of the packet */
	uint16_t port_in;     /* a port, or the bridge whose leg it came up by; PORT_NONE: made here */
	uint16_t wire;        /* the port whose wire it came from: what counters go by */
	uint8_t verdict;      /* enum verdict */
	uint8_t flags;        /* enum packet_flag */
	uint16_t csum_start;  /* from data */
	uint16_t csum_offset; /* from csum_start */
	uint8_t icmp_pointer; /* for DROP_IP4_OPTIONS: offset of the bad byte */
	uint8_t trace;        /* 1 + slot of the trace that follows it, 0: none */
	uint16_t owner;       /* who has the frame now: written by frame.c only */
	uint16_t refs;        /* places that have it: more than one while a flood leaves */
	struct decision decision;
	struct packet *next;  /* while HELD: the next in its neighbour's queue */
	struct session *session; /* that it belongs to; NULL: none, or not yet. Valid for the turn */
	uint8_t direction;    /* enum session_direction */
	uint8_t state;        /* enum filter_state */
	uint16_t filter_rule; /* that let it pass, or RULE_NONE */
	struct mac from;      /* its source's, if it came up by a leg: set by room bridge */
	bool sum_completed;   /* it came PACKET_PARTIAL or PACKET_UNKNOWN, and has been completed */
	bool tcp_sum_right;   /* its TCP checksum is right for certain, once completed: offload.c saw a right beginning */
	uint8_t gso_kind;     /* enum gate_gso (shared.h), while gso_size is not zero */
	uint16_t gso_size;    /* payload of each segment it is to be cut into; 0: it is one */
	uint16_t head_len;    /* with gso_size: bytes in front of the payload, segment_check() */
	uint32_t rest_len;    /* bytes in the frames behind this one */
	struct packet *rest;  /* the next of its frames, in order; NULL: that was the last */
};
static_assert(sizeof(struct packet) <= 2 * CACHE_LINE, "two cache lines at most");

/* Bytes that the first of several frames holds at least: two VLAN tags, 60 of IPv4, 60 of TCP. */
#define PACKET_HEAD_MIN 142
#define PACKET_PARTS_MAX 48 /* frames of a packet: 64 KiB of them at the least size, 2048, with what is kept in front */

static inline uint32_t packet_len(const struct packet *p) { return p->len + p->rest_len; }
static inline uint32_t packet_frames(const struct packet *p)
{
	uint32_t n = 1;

	for (p = p->rest; unlikely(p); p = p->rest)
		n++;
	return n;
}
/* Not one frame that is sent as it stands. */
static inline bool packet_is_large(const struct packet *p) { return p->rest || p->gso_size; }
/* The longest frame it becomes on a wire. */
static inline uint32_t packet_wire_len(const struct packet *p)
{
	return unlikely(p->gso_size) ? (uint32_t)p->head_len + p->gso_size : packet_len(p);
}

static inline struct eth_hdr *packet_eth(const struct packet *p) { return (struct eth_hdr *)p->data; }
/* The IPv4 header follows the Ethernet header: VLAN-tagged frames are not routed. */
static inline struct ip4_hdr *packet_ip4(const struct packet *p)
{
	return (struct ip4_hdr *)(p->data + sizeof(struct eth_hdr));
}

/* Packets on their way to the same room. */
struct vector {
	unsigned n;
	struct packet *p[VECTOR_SIZE];
};

/* Collects into to those of from whose verdict is the given door. Order is kept. */
static inline void vector_take(const struct vector *from, enum verdict door, struct vector *to)
{
	to->n = 0;
	for (unsigned i = 0; i < from->n; i++)
		if (from->p[i]->verdict == door)
			to->p[to->n++] = from->p[i];
}

#endif
