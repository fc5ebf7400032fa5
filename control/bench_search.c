/* SPDX-License-Identifier: BSD-2-Clause */
/* bench_search - halving, and keeping pace. */
#include "bench_search.h"

#define PERIODS_MOST 3	/* of catching up at once */
#define LEAST_MOST   64 /* frames: one batch goes at any rate */

void bench_search_begin(struct bench_search *search, double ceiling_pps, double resolution,
			unsigned tries)
{
	*search = (struct bench_search){
		.high = ceiling_pps, .resolution_pps = ceiling_pps * resolution, .tries = tries};
}

bool bench_search_next(const struct bench_search *search, double *pps)
{
	*pps = (search->low + search->high) / 2;
	return search->high - search->low > search->resolution_pps;
}

void bench_search_judge(struct bench_search *search, uint64_t made, double made_pps,
			uint64_t received)
{
	const double asked = (search->low + search->high) / 2;

	search->trials++;
	if (!made || received != made) {
		if (++search->failed < search->tries)
			return;
		search->high = asked;
	} else {
		if (made_pps > search->best)
			search->best = made_pps;
		if (made_pps >= asked * BENCH_OFFERED)
			search->low = asked;
		else
			search->high = asked;
	}
	search->failed = 0;
}

void bench_pace_begin(struct bench_pace *pace, double pps, double now_s)
{
	unsigned most = (unsigned)(pps * BENCH_PERIOD_S * PERIODS_MOST);

	*pace = (struct bench_pace){pps, now_s, 0, most > LEAST_MOST ? most : LEAST_MOST};
}

unsigned bench_pace_due(struct bench_pace *pace, double now_s)
{
	double behind = (now_s - pace->began_s) * pace->pps - pace->due;

	if (behind < 1)
		return 0;
	unsigned due = behind < pace->most ? (unsigned)behind : pace->most;
	pace->due += behind < pace->most ? due : behind;
	return due;
}
