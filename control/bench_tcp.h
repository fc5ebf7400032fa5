/* SPDX-License-Identifier: BSD-2-Clause */
/* bench_tcp.h - one TCP stream as fast as it goes, by iperf3, the hosts' offloads as they are. */
#ifndef TSUJI_BENCH_TCP_H
#define TSUJI_BENCH_TCP_H

#include "bench_lab.h"

/*
 * Received bits per second, over whole seconds, which is what iperf3 takes. 0, or -1 with
 * *why: no connection, or iperf3 cannot be run.
 */
int bench_tcp(const struct bench_lab *lab, unsigned seconds, double *bits_per_s,
	      struct refusal *why);

#endif
