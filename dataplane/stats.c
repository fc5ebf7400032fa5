/* SPDX-License-Identifier: BSD-2-Clause */
/* stats - sums over the counters, for whoever shows or checks them. */
#include "stats.h"

uint64_t stats_end(const struct stats *s, enum verdict v)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i <= PORT_MAX; i++)
		sum += load_shared(&s->port[i].ends[v]);
	return sum;
}

int64_t stats_balance(const struct stats *s)
{
	uint64_t in = load_shared(&s->created), out = 0;
	for (unsigned i = 0; i <= PORT_MAX; i++) {
		in += load_shared(&s->port[i].rx_packets);
		for (unsigned v = 0; v < N_VERDICTS; v++)
			if (v != HELD && !verdict_is_door(v))
				out += load_shared(&s->port[i].ends[v]);
	}
	return (int64_t)(in - out);
}
