/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * egress.h - room 7: packets that are ready, grouped by the port they leave by.
 *
 * A packet for a bridge's leg finds its member in the FDB, or is flooded to all of them,
 * without being copied. A port's packets are queued in order and handed to its io a vector
 * at a time; the system call that pushes them comes once per turn, from the worker.
 */
#ifndef TSUJI_EGRESS_H
#define TSUJI_EGRESS_H

#include "fdb.h"
#include "frame.h"
#include "meter.h"
#include "port.h"
#include "stats.h"
#include "trace.h"

#define PUNTS_MAX 2048  /* handed to the punt lane at once: what a port gives in a turn */
#define PUNT_BURST 2048 /* of a port at once within its rate: the same again */

struct egress_queue {
	struct vector waiting;
	bool touched; /* in egress.order */
};

struct egress {
	struct frame_pool *pool;
	struct stats *stats;
	struct trace_set *traces;
	struct fdb *fdb;
	const uint64_t *blocked_until_ns; /* by port: loop guard, bridge.h */
	const struct port_table *ports;   /* of this turn */
	struct egress_queue queues[PORT_MAX];
	struct packet *punts[PUNTS_MAX];  /* on their way to the kernel */
	unsigned n_punts;
	uint32_t punt_rate;               /* of this turn: punts a second from each port, 0: no limit */
	struct meter punt_meters[PORT_MAX + 1]; /* by wire */
	struct io *punt;                  /* NULL: there is no punt lane */
	uint16_t order[PORT_MAX];         /* ports touched this turn */
	unsigned n_touched;
};

/*
 * Takes a packet (and the fragments behind packet->next) that is TO_EGRESS by
 * decision.port_out, a port or a leg. It ends as SENT (once for each port of a flood; all
 * but the first are counted as created), DROP_TX_FULL, DROP_PORT_DOWN, or
 * DROP_BRIDGE_NO_PORT; the room counts it and gives back the frame of a dropped one. A large
 * packet that the port does not take ends as its segments do, or as DROP_FRAMES,
 * DROP_FRAME_SIZE.
 */
void egress_put(struct egress *e, struct packet *p, uint64_t now_ns);
/* Takes a packet for the kernel; it ends as PUNTED, DROP_PUNT_RATE or DROP_PUNT. */
void egress_punt(struct egress *e, struct packet *p, uint64_t now_ns);
/* Sends a copy of p, as its bytes stand, to a mirror port; nothing if the pool is empty. */
void egress_mirror(struct egress *e, const struct packet *p, uint16_t mirror, uint64_t now_ns);
/* Hands over everything that still waits; at the end of a turn. */
void egress_flush(struct egress *e, uint64_t now_ns);

#endif
