/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_rate.h - packets per second from one host to another, through whatever lies between:
 * a generator at one, and a sink that counts at the other.
 *
 * The host that sends has an idle veth called BENCH_KEEPER beside its interface, for the
 * generator to be attached to. Thread: one at a time; the generator gets one of its own.
 */
#ifndef TSUJI_BENCH_RATE_H
#define TSUJI_BENCH_RATE_H

#include "bench_generator.h"

#define BENCH_KEEPER "keeper0"

/*
 * The programs: one set for all labs of a process, measured in one at a time. The kernel calls
 * XDP programs by way of a table with 48 places (kernel/bpf/dispatcher.c), and each
 * BPF_PROG_RUN of one that has none waits for RCU: whoever attaches few leaves room for others.
 */
struct bench_bpf;
struct bench_bpf *bench_programs_open(struct refusal *why); /* NULL with *why set */
void bench_programs_close(struct bench_bpf *programs);	    /* NULL is fine */

struct bench_rate;

/*
 * Attaches the sinks, which from now on drop all UDP, and has a bridge learn where the
 * destinations are, if their number is given. NULL with *why set. What ends points to must stay.
 */
struct bench_rate *bench_rate_open(struct bench_bpf *programs, const struct bench_ends *ends,
				   struct refusal *why);
void bench_rate_close(struct bench_rate *rate); /* NULL is fine */

struct bench_rate_figures {
	double received_pps, made_pps;
	double cpu_s_per_million; /* what the whole machine spent, generator and sink included */
};
/*
 * The rate once it is steady. 0, or -1 with *why: BPF_PROG_RUN failed, or stop_fd (-1: none)
 * became readable. load.pps is not looked at.
 */
int bench_rate_measure(struct bench_rate *rate, const struct bench_load *load, int stop_fd,
		       struct bench_rate_figures *figures, struct refusal *why);
/* About how long that takes: the warm-up is in it. */
double bench_rate_cost_s(unsigned flows, double seconds);
/*
 * Flows that got through for the first time, per second, while every frame is a new one:
 * BENCH_SESSIONS_MEASURED of them, then it ends, before a table is full. None was there before if
 * no more than BENCH_FLOWS_MAX flows were measured. *per_second is 0 if next to none did.
 */
#define BENCH_SESSIONS_MEASURED 150000
int bench_rate_sessions(struct bench_rate *rate, int stop_fd, double *per_second,
			struct refusal *why);

/* A trial of RFC 2544: frames at load.pps for load.seconds, then quiet until all have arrived. */
struct bench_trial {
	uint64_t made, received;
	double made_pps;
};
/* As bench_rate_measure() fails. Flows must have been seen before, by bench_rate_measure(). */
int bench_rate_try(struct bench_rate *rate, const struct bench_load *load, int stop_fd,
		   struct bench_trial *trial, struct refusal *why);
/* About how long that takes. */
double bench_rate_try_cost_s(double seconds);
/*
 * Frames at load.pps from now on, and until bench_rate_unload(), which is due after success:
 * 0, or -1 with *why; so does it tell of what failed meanwhile, and of the rate that went.
 */
int bench_rate_load(struct bench_rate *rate, const struct bench_load *load, struct refusal *why);
int bench_rate_unload(struct bench_rate *rate, double *made_pps, struct refusal *why);

#endif
