/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lane_pace.h - whether a turn's packets go as a burst: if there are enough of them, and
 * not for a while after a burst that failed.
 */
#ifndef TSUJI_LANE_PACE_H
#define TSUJI_LANE_PACE_H

#include "base.h"

/* After a call that failed: ENOSPC, a slow receiver has used up the kernel's page pools. */
#define PACE_FAILED_NS (2 * NS_PER_S)
/* After one of whose packets the far end took none. Control hears of that too, and sooner. */
#define PACE_REFUSED_NS (100 * NS_PER_MS)

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
