/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lane_pace.h - whether a turn's packets go as a burst: if there are enough of them, and
 * not for a while after a burst that failed or while the burst lane rests. And how many are
 * enough.
 */
#ifndef TSUJI_LANE_PACE_H
#define TSUJI_LANE_PACE_H

#include "base.h"

/* After a call that failed: ENOSPC, a slow receiver has used up the kernel's page pools. */
#define PACE_FAILED_NS (2 * NS_PER_S)
/* After one of whose packets the far end took none. Control hears of that too, and sooner. */
#define PACE_REFUSED_NS (100 * NS_PER_MS)

/* What packets cost by the lanes: a burst its call and each packet, the socket lane each packet. */
struct lane_costs {
	uint32_t call_ns, burst_ns, socket_ns;
};

/* From the time that bursts of two lengths took, and a packet by the socket lane. */
static inline struct lane_costs costs_of(unsigned few, uint64_t few_ns, unsigned many,
					 uint64_t many_ns, uint64_t socket_ns)
{
	uint64_t burst_ns = many_ns > few_ns ? (many_ns - few_ns) / (many - few) : 0;
	uint64_t packets_ns = burst_ns * few;

	return (struct lane_costs){
		.call_ns = (uint32_t)(few_ns > packets_ns ? few_ns - packets_ns : 0),
		.burst_ns = (uint32_t)burst_ns,
		.socket_ns = (uint32_t)socket_ns,
	};
}

/* How many packets are the least for which a burst is cheaper: 1 to most. */
static inline uint32_t costs_break_even(const struct lane_costs *costs, uint32_t most)
{
	if (costs->socket_ns <= costs->burst_ns)
		return most;
	uint32_t n = costs->call_ns / (costs->socket_ns - costs->burst_ns) + 1;

	return min_u32(n, most);
}

/*
 * The burst lane's health. Its calls become slow where its program has lost its place in the
 * kernel's XDP dispatcher (lane_keeper.c): after a few slow calls in a row it rests, and everything
 * goes the other ways, until control has given it a place or some time has passed. Each time that
 * this does not help it rests for twice as long.
 */
#define HEALTH_SLOW_NS	   (5 * NS_PER_MS) /* of a call: 2,048 packets take 0.4 ms, RCU 20 to 45 */
#define HEALTH_SLOW_CALLS  3
#define HEALTH_REST_NS	   (4 * NS_PER_S)
#define HEALTH_REST_MAX_NS (64 * NS_PER_S)

struct lane_health { /* the worker's */
	unsigned n_slow;   /* calls in a row */
	uint64_t rest_ns;  /* how long it rested last; 0: it has been well since */
	uint64_t until_ns; /* rests till then; 0: it does not */
};

/* Whether the next call is to be looked at closely: the one before was slow. */
static inline bool health_suspects(const struct lane_health *h) { return h->n_slow; }

/*
 * After a call that took that long; waited: not for the CPU (any call may lose that), as far as is
 * known. True: it rests from now on.
 */
static inline bool health_note(struct lane_health *h, uint64_t took_ns, bool waited, uint64_t now_ns)
{
	if (likely(took_ns <= HEALTH_SLOW_NS)) {
		h->n_slow = 0;
		h->rest_ns = 0;
		return false;
	}
	h->n_slow += waited;
	if (h->n_slow < HEALTH_SLOW_CALLS)
		return false;
	h->n_slow = 0;
	h->rest_ns = h->rest_ns ? min_u64(2 * h->rest_ns, HEALTH_REST_MAX_NS) : HEALTH_REST_NS;
	h->until_ns = now_ns + h->rest_ns;
	return true;
}

/* Whether the clock has to be looked at before the next call. */
static inline bool health_rested_lately(const struct lane_health *h) { return h->until_ns; }

/* After health_rested_lately(). renewed: control has done something about it. */
static inline bool health_rests(struct lane_health *h, bool renewed, uint64_t now_ns)
{
	if (!renewed && now_ns < h->until_ns)
		return true;
	h->until_ns = 0;
	return false;
}

struct lane_pace {
	uint32_t burst_min;   /* packets from which it bursts; UINT32_MAX: never. Written by control */
	uint64_t back_off_ns; /* the worker's: no burst before; 0: none has failed lately */
};

/* Whether n are enough. */
static inline bool pace_enough(const struct lane_pace *pace, unsigned n)
{
	return n >= load_shared(&pace->burst_min);
}

/* Whether the clock has to be looked at before the next burst. */
static inline bool pace_failed_lately(const struct lane_pace *pace) { return pace->back_off_ns; }

/* After pace_failed_lately(): whether it is still too early. */
static inline bool pace_backs_off(struct lane_pace *pace, uint64_t now_ns)
{
	if (now_ns < pace->back_off_ns)
		return true;
	pace->back_off_ns = 0;
	return false;
}

static inline void pace_fail(struct lane_pace *pace, uint64_t now_ns, uint64_t for_ns)
{
	pace->back_off_ns = max_u64(pace->back_off_ns, now_ns + for_ns);
}

#endif
