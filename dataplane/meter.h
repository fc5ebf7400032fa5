/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * meter.h - a meter: lets so many packets a second by, and so many at once after a pause.
 *
 * A virtual clock (GCRA, ITU-T I.371): the meter holds when all that it has granted will have
 * been earned. It may be ahead of the real clock by what the burst costs, and never lags behind.
 *
 * Thread: its owner's. Time is passed in, and does not go back.
 */
#ifndef TSUJI_METER_H
#define TSUJI_METER_H

#include "base.h"

struct meter {
	uint64_t paid_ns; /* 0: nothing granted yet */
};

/*
 * Whether one more may pass. rate: packets per second up to NS_PER_S, 0: all may. burst: how
 * many may pass at once, but not more than a second's.
 */
static inline bool meter_take(struct meter *meter, uint32_t rate, uint32_t burst, uint64_t now_ns)
{
	if (!rate)
		return true;
	uint64_t cost_ns = NS_PER_S / rate;
	uint64_t credit_ns = min_u64(burst * cost_ns, NS_PER_S);
	uint64_t paid_ns = max_u64(meter->paid_ns, now_ns) + cost_ns;

	if (paid_ns > now_ns + credit_ns)
		return false;
	meter->paid_ns = paid_ns;
	return true;
}

#endif
