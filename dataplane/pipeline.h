/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pipeline.h - a packet's walk through the rooms, in order. The page to read first.
 *
 *      arrivals
 *         |
 *     2  eth
 *      |     \                                        |
 *      |   3 bridge: one member, or a flood ----------+
 *      |     /    (up: the bridge's own address)      |
 *      +----+-------> arp ----------------------------+  (replies, announcements)
 *         |                                           |
 *     4  ip4 ...... nat: session, dnat (where there are rules)
 *         |
 *        deliver -> local (icmp): echo replies --+      |
 *         |                                    |      |
 *     5  fib <---------------------------------+      |
 *         |   <--- ICMP errors and redirects, marked: they make no other
 *        filter, nat-out: session, snat (where there are rules)
 *         |
 *       neigh ---> HELD, and back to fib once the next hop has answered
 *         |                                           |
 *     6  rewrite (and fragments)                      |
 *         |                                           |
 *     7  egress <-------------------------------------+
 *
 * Every packet ends once: SENT, PUNTED, TAKEN, HELD for now, or a DROP_ with a name. The
 * pipeline makes no system call and reads no clock: the same code runs in the daemon, in
 * unit tests, fuzzers and benchmarks.
 *
 * Thread: one worker's. The tables it is given stay constant for a turn.
 */
#ifndef TSUJI_PIPELINE_H
#define TSUJI_PIPELINE_H

#include "arp.h"
#include "bridge.h"
#include "egress.h"
#include "fdb.h"
#include "fib.h"
#include "frame.h"
#include "icmp.h"
#include "nat.h"
#include "neigh.h"
#include "port.h"
#include "repeat.h"
#include "stats.h"
#include "trace.h"

struct pipeline {
	/* set by whoever owns the pipeline; they outlive it */
	struct frame_pool *pool;
	struct stats *stats;
	struct neigh_table *neigh;
	struct fdb *fdb;
	struct session_table *sessions;
	struct nat_fragments *fragments;
	struct icmp_limiter *limiter;
	struct trace_set *traces;
	struct flow_cache *flows; /* NULL: every packet of every flow comes by here */
	struct io *punt; /* NULL: what the kernel should have is dropped as DROP_PUNT */
	uint32_t punt_rate; /* packets a second from each port, 0: no limit. Written by control */
	/* of this turn */
	const struct port_table *ports;
	struct fib *fib;
	struct rules *rules; /* NULL: none, no sessions are kept */
	uint64_t now_ns;
	/* its own */
	struct arp_state arp;
	struct bridge_state bridge;
	struct egress egress;
	struct repeat repeat;
};

/* Once, after the fields above are set: the rest must be zero. */
void pipeline_init(struct pipeline *pl);
/* First in a turn, before any table is read: see flow_begin(). */
void pipeline_wake(struct pipeline *pl, uint64_t now_ns);
/* A turn begins with these tables, at that time. rules may be NULL: there are none. */
void pipeline_begin(struct pipeline *pl, const struct port_table *ports, struct fib *fib, struct rules *rules,
		    uint64_t now_ns);
/* Up to VECTOR_SIZE packets that arrived, in order; all of one turn's come before pipeline_end. */
void pipeline_packets(struct pipeline *pl, struct vector *v);
/* In a turn: tells the hosts on a port or a bridge that its addresses are at its MAC. */
void pipeline_announce(struct pipeline *pl, uint16_t port);
/* Timers of the neighbour table and the FDB, then everything queued leaves. */
void pipeline_end(struct pipeline *pl);
/* What left has been transmitted: from now on its like may be repeated without coming here. */
void pipeline_sent(struct pipeline *pl);
/* When a turn is needed although nothing arrives; UINT64_MAX: never. */
uint64_t pipeline_next(const struct pipeline *pl);

/*
 * The two sums of section 3 of the design, between turns: packets in and created are
 * those that ended and those held; frames free, held and in rings are all there are.
 */
bool pipeline_balanced(const struct pipeline *pl);

#endif
