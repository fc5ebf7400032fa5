/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench.h - `tsuji bench`: the kernel and tsuji side by side, and a bare XDP redirect as what
 * can be reached at all.
 *
 *   bench.c           the command, and the order of the measurements
 *   bench_case        what is measured; bench_measure: the quantities
 *   bench_lab         two hosts in namespaces; bench_contender.c: what is between them
 *   bench_turn        one measurement, by bench_rate, bench_latency, bench_tcp
 *   bench_generator   makes the frames; bench_search: the rate without loss
 *   bench_report      what is told of it; bench_progress: meanwhile; bench_schema: as JSON
 *   bench_cpu         who runs where
 *
 * `tsuji bench --schema` documents the file of -o; -j prints its figures alone.
 */
#ifndef TSUJI_BENCH_H
#define TSUJI_BENCH_H

#include <stdbool.h>

/*
 * argv[0] is "bench", then [--quick] [--seconds S] [--generator xdp|pktgen] [-o FILE], or
 * --schema. An exit code of section 2 of the
 * design; 1 also where a single measurement failed, though the rest is told.
 */
int bench_main(int argc, char **argv, bool json);

#endif
