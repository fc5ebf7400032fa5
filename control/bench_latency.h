/* SPDX-License-Identifier: BSD-2-Clause */
/* bench_latency.h - how long a small frame takes there and back, on an idle path or a loaded one.
 */
#ifndef TSUJI_BENCH_LATENCY_H
#define TSUJI_BENCH_LATENCY_H

#include "bench_lab.h"

#define BENCH_PING_FRAME 60 /* bytes of a frame */

struct bench_latency {
	double p50_us, p90_us, p99_us, p999_us; /* 0: nothing came back */
	unsigned n, lost;
};

/*
 * One UDP datagram at a time for that long, from the first host to the second and back, which
 * both run on the generator's CPU; a tsuji on router_cpu, and wherever it likes afterwards.
 * 0, or -1 with *why.
 */
int bench_latency(const struct bench_lab *lab, double seconds, int router_cpu,
		  struct bench_latency *latency, struct refusal *why);

/* Sorts round-trip times (nanoseconds) and reads the percentiles off; n may be 0. */
void bench_latency_of(uint64_t *times_ns, unsigned n, struct bench_latency *latency);

#endif
