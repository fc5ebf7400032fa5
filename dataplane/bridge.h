/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bridge.h - room 3: the switch (IEEE 802.1Q 8.6; the Linux bridge is the reference).
 *
 * A bridge is a port of the table with members and no wire of its own (port.h): its *leg*.
 * ARP and IPv4 see a frame that goes up as one that came in by the leg, and what they send
 * by the leg finds its member in room egress.
 */
#ifndef TSUJI_BRIDGE_H
#define TSUJI_BRIDGE_H

#include "fdb.h"
#include "frame.h"
#include "port.h"
#include "stats.h"

/* A port that loop guard has blocked. Written by the worker, read by control. */
struct bridge_block {
	uint64_t n_blocked; /* how often it has been */
	struct mac mac;     /* the source that flapped */
	uint16_t other;     /* the port it flapped with */
};

/* What the room remembers between calls: the caller's, zero at first. */
struct bridge_state {
	uint64_t blocked_until_ns[PORT_MAX]; /* 0: never blocked; room egress reads it too */
	struct bridge_block blocks[PORT_MAX];
	struct bridge_flap { /* sources that moved lately, a small table by hash */
		struct mac mac;
		uint16_t bridge, low, high; /* the leg's number, and the two ports */
		uint16_t n_moves;           /* between these two, since then; 0: an empty place */
		bool suspected;             /* it flapped, and its moves are counted anew */
		uint64_t since_ns;          /* to come, if suspected: none is counted before */
	} flaps[256];
};

/*
 * TO_BRIDGE -> TO_EGRESS: decision.port_out is the member it leaves by, or the leg itself
 * with PACKET_FLOOD set: to all members but the one it came from; TO_ARP or TO_IP4, with
 * port_in set to the leg: for the bridge's own address; DROP_BRIDGE_*.
 *
 * A broadcast IPv4 or group-addressed ARP frame that the leg should hear as well is flooded,
 * and a copy in a frame of its own, verdict TO_ARP or TO_IP4, is added to up, if the leg has
 * addresses and the pool a frame; stats->created counts it. If no member takes the flood, the
 * frame itself goes up. Multicast IPv4 does not: nobody there takes it. Checksums are left
 * as they are. up has room for as many packets as v has.
 *
 * A source that is a group address, zero, or one of the bridge's own is DROP_BRIDGE_SOURCE;
 * any other is learnt, unless the port's learning is off, and before it is known where the
 * frame goes. A source that moves between two ports more than 5 times in a second is
 * suspected. Its moves do not matter then for up to a quarter of a second, a time that differs
 * from bridge to bridge: of several in one circle, only one should cut it. If it moves 5 times
 * in the second after that, the storm is not over, and the fifth move blocks the port with the
 * higher number for 30 seconds: what comes in there is DROP_BRIDGE_LOOP, what was learnt there
 * is forgotten, and egress sends nothing there.
 */
void bridge_input(const struct port_table *ports, struct fdb *fdb, struct frame_pool *pool,
		  struct stats *stats, struct bridge_state *state, const struct vector *v,
		  struct vector *up, uint64_t now_ns);

static inline bool bridge_is_blocked(const struct bridge_state *state, uint16_t port,
				     uint64_t now_ns)
{
	return unlikely(state->blocked_until_ns[port] > now_ns);
}

#endif
