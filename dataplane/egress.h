/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * egress.h - room 7: packets that are ready, grouped by the port they leave by.
 *
 * A port's packets are queued in order and handed to its io a vector at a time; the
 * system call that pushes them comes once per turn, from the worker.
 */
#ifndef TSUJI_EGRESS_H
#define TSUJI_EGRESS_H

#include "frame.h"
#include "port.h"
#include "stats.h"
#include "trace.h"

struct egress_queue {
	struct vector waiting;
	bool touched; /* in egress.order */
};

struct egress {
	struct frame_pool *pool;
	struct stats *stats;
	struct trace_set *traces;
	const struct port_table *ports; /* of this turn */
	struct egress_queue queues[PORT_MAX];
	struct vector punts;            /* on their way to the kernel */
	struct io *punt;                /* NULL: there is no punt lane */
	uint16_t order[PORT_MAX];       /* ports touched this turn */
	unsigned n_touched;
};

/*
 * Takes a packet (and the fragments behind packet->next) that is TO_EGRESS by
 * decision.port_out. It ends as SENT, DROP_TX_FULL or DROP_PORT_DOWN; the room counts it
 * and gives back the frame of a dropped one.
 */
void egress_put(struct egress *e, struct packet *p, uint64_t now_ns);
/* Takes a packet for the kernel; it ends as PUNTED or DROP_PUNT. */
void egress_punt(struct egress *e, struct packet *p, uint64_t now_ns);
/* Hands over everything that still waits; at the end of a turn. */
void egress_flush(struct egress *e, uint64_t now_ns);

#endif
