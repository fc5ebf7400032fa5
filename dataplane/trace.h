/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trace.h - the walks of chosen packets: which rooms they saw, what was decided there,
 * how they ended.
 *
 * Control arms a trace set with a filter and a count; the worker follows that many
 * matching packets and writes a step after each room; control collects finished walks.
 * Not armed, it costs the packet path one load per vector.
 *
 * Threads: one of control and one worker, at any time side by side; trace_set_new() and
 * trace_set_free() while no worker uses the set. No call blocks or waits for the other side.
 */
#ifndef TSUJI_TRACE_H
#define TSUJI_TRACE_H

#include "packet.h"

#define TRACE_SLOTS 32  /* packets followed at once; fits struct packet.trace */
#define TRACE_STEPS 24
#define TRACE_BYTES 128 /* of the frame, at arrival and at the end */

struct trace_step {
	uint64_t at_ns;      /* since arrival */
	uint8_t room;        /* enum verdict: the door it went through */
	uint8_t verdict;     /* what the room said; the walk's last: how it ended */
	uint8_t ttl;         /* as the bytes stand after the room; 0: not IPv4 */
	uint32_t len;
	struct decision decision;
};

struct trace_walk {
	uint64_t arrived_ns;
	uint16_t port_in;
	uint8_t flags;       /* enum packet_flag at arrival */
	unsigned n_steps;
	uint32_t first_len, last_len;
	uint8_t first[TRACE_BYTES], last[TRACE_BYTES]; /* the frame at arrival, and as it left */
	struct trace_step steps[TRACE_STEPS];
};

struct trace_set;
struct trace_set *trace_set_new(void);      /* NULL: no memory */
void trace_set_free(struct trace_set *set); /* NULL is fine */

/* -- control -- */
/*
 * Follows the next count packets (1 to TRACE_SLOTS) that the filter accepts; program is
 * classic BPF as libpcap compiles it for Ethernet (struct bpf_insn[n], copied), n 0: every
 * packet. Replaces what was armed, and drops its walks: those not collected and those still
 * under way. 0, -EINVAL for a bad program or count, or -ENOMEM; then nothing changed.
 */
int trace_arm(struct trace_set *set, const void *program, unsigned n, unsigned count);
/* Copies the finished walk that arrived first and frees its slot; false: none. */
bool trace_collect(struct trace_set *set, struct trace_walk *walk);
/* Follows no further packets; walks under way go on and can be collected. */
void trace_disarm(struct trace_set *set);

/* -- worker -- */
/* Packets are looked for or followed; if not, the calls below may be left out. */
bool trace_armed(const struct trace_set *set);
/*
 * Looks at newly arrived packets and marks those to follow, while there are free slots.
 * Called for every vector while trace_armed(): it also takes new orders.
 */
void trace_arrivals(struct trace_set *set, const struct vector *v, uint64_t now_ns);
/* After a room: a step for each followed packet of v. Past TRACE_STEPS the last is overwritten. */
void trace_steps(struct trace_set *set, enum verdict room, const struct vector *v, uint64_t now_ns);
/* The walk of p goes on with to. */
void trace_follow(struct trace_set *set, struct packet *p, struct packet *to);
/*
 * The packet's walk is over: called while its bytes still stand, for every packet that ends,
 * not for HELD ones, whose walk goes on. Adds a last step if no room has said
 * p->verdict. Without packet->trace it does nothing.
 */
void trace_end(struct trace_set *set, struct packet *p, uint64_t now_ns);

#endif
