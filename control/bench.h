/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench.h - `tsuji bench`: the kernel and tsuji side by side, and a bare XDP redirect as what
 * can be reached at all.
 *
 *   bench.c           the command, and the order of the measurements
 *   bench_case        what is measured
 *   bench_lab         two hosts in namespaces; bench_contender.c: what is between them
 *   bench_rate, bench_latency, bench_tcp    how it is measured
 *   bench_report      what is told of it; bench_progress: meanwhile
 *   bench_cpu         who runs where
 *
 * The file of -o holds one object:
 *
 *   schema     1
 *   began      when, UTC: "2026-01-31T12:00:00Z";  took_s  how long it took
 *   machine    kernel (release), cpu (model), cpus (that could be used), generator_cpu, worker_cpu
 *   settings   quick, rounds, seconds (of one measurement), generator ("xdp-live-frames")
 *   figures    an array of flat objects, one for each case and contender
 *   samples    an array of flat objects, one for each measurement
 *
 * Objects of both arrays say what they are about:
 *
 *   measure      "latency": a round trip on an idle machine; "tcp": one iperf3 stream; "rate":
 *                packets that arrive while more are sent; "sessions": new ones per second
 *   path         "routed", "bridged", "translated" (masquerade)
 *   contender    "generator": all frames made, counted where a router would take them; "redirect":
 *                bare XDP; "kernel": its router, bridge or nft masquerade; "tsuji-socket" and
 *                "tsuji-burst": tsuji by that lane, each packet in C; "tsuji": as shipped
 *   frame_bytes  without the frame check sequence; missing with tcp
 *   flows        missing with sessions: each frame is a new one
 *   unit         of the values: "us" (latency: the median of the round trips), "bit/s",
 *                "packets/s", "sessions/s"
 *
 * A figure adds rounds (how many were measured; 0: it failed, and nothing follows), min, median,
 * max, ratio_to_kernel and ratio_to_redirect (medians of the ratios within each round; missing
 * without such a reference; of latencies, more is worse). A sample adds round (from 1) and
 * value. Both have, of latency, p90_us and p99_us, and of rate, made_pps (frames made) and
 * cpu_s_per_million (CPU time of the whole machine per million packets that arrived); in a
 * figure these are medians.
 *
 * -j prints the figures alone.
 */
#ifndef TSUJI_BENCH_H
#define TSUJI_BENCH_H

#include <stdbool.h>

/*
 * argv[0] is "bench", then [--quick] [--seconds S] [-o FILE]. An exit code of section 2 of the
 * design; 1 also where a single measurement failed, though the rest is told.
 */
int bench_main(int argc, char **argv, bool json);

#endif
