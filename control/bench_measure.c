/* SPDX-License-Identifier: BSD-2-Clause */
/* bench_measure - one table. */
#include "bench_measure.h"

#include <assert.h>

#define MEDIAN                                                                                     \
	{                                                                                          \
		NULL, "p50 us", "the median of the round trips", 1, 1                              \
	}
#define PERCENTILES                                                                                \
	{"p90_us", "p90 us", "90 of 100 round trips took no longer", 1, 1},                        \
		{"p99_us", "p99 us", "99 of 100 took no longer", 1, 1},                            \
	{                                                                                          \
		"p999_us", "p99.9 us", "999 of 1000 took no longer", 1, 1                          \
	}

static const struct bench_quantity quantities[] = {
	[BENCH_LATENCY] = {"latency", "us", MEDIAN, {PERCENTILES}},
	[BENCH_APART] = {"latency-apart", "us", MEDIAN, {PERCENTILES}},
	[BENCH_TCP] = {"tcp", "bit/s", {NULL, "Gbit/s", "received by iperf3", 1e-9, 2}, {{0}}},
	[BENCH_RATE] = {"rate",
			"packets/s",
			{NULL, "Mpps", "packets that arrived while more were sent", 1e-6, 2},
			{{"made_pps", "made", "frames the generator made per second", 1e-6, 2},
			 {"cpu_s_per_million", "CPU s/M",
			  "CPU time of the whole machine per million packets that arrived", 1, 2}}},
	[BENCH_LOSSFREE] = {"lossfree",
			    "packets/s",
			    {NULL, "Mpps",
			     "the highest rate sent without a loss; 0: none was found", 1e-6, 2},
			    {{"resolution_pps", "+-", "a rate higher by this was lossy", 1e-6, 2},
			     {"trials", "trials", "trials it took", 1, 0}}},
	[BENCH_LOADED] = {"latency-loaded",
			  "us",
			  MEDIAN,
			  {PERCENTILES,
			   {"load_pps", "load", "frames sent meanwhile, per second", 1e-6, 2}}},
	[BENCH_SESSIONS] = {"sessions",
			    "sessions/s",
			    {NULL, "k/s", "flows that got through for the first time", 1e-3, 0},
			    {{0}}},
};
static_assert(ARRAY_SIZE(quantities) == BENCH_MEASURES, "a row for each measure");

const struct bench_quantity *bench_quantity(enum bench_measure measure)
{
	return &quantities[measure];
}

bool bench_is_latency(enum bench_measure measure)
{
	return measure == BENCH_LATENCY || measure == BENCH_APART || measure == BENCH_LOADED;
}
