/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trace.h - the walks of chosen packets: which rooms they saw, what was decided there,
 * how they ended.
 *
 * Control arms a trace set with a filter and a count; the worker follows that many
 * matching packets and writes a step after each room; control collects finished walks.
 * Not armed, it costs the packet path one load per vector.
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
	uint8_t verdict;     /* what the room said */
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
struct trace_set *trace_set_new(void);
void trace_set_free(struct trace_set *set);

/* -- control -- */
/*
 * Follows the next count packets (at most TRACE_SLOTS) that the filter accepts; program
 * is classic BPF as libpcap compiles it for Ethernet (struct bpf_insn[n]), n 0: every
 * packet. Replaces what was armed. 0, or -EINVAL.
 */
int trace_arm(struct trace_set *set, const void *program, unsigned n, unsigned count);
/* Copies the next finished walk and frees its slot; false: none. */
bool trace_collect(struct trace_set *set, struct trace_walk *walk);
void trace_disarm(struct trace_set *set);

/* -- worker -- */
bool trace_armed(const struct trace_set *set);
/* Looks at newly arrived packets and marks those to follow. */
void trace_arrivals(struct trace_set *set, const struct vector *v, uint64_t now_ns);
/* After a room: a step for each followed packet of v. */
void trace_steps(struct trace_set *set, enum verdict room, const struct vector *v, uint64_t now_ns);
/* The packet's walk is over. */
void trace_end(struct trace_set *set, struct packet *p, uint64_t now_ns);

#endif
