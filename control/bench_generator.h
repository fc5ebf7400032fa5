/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_generator.h - makes UDP frames at one host, at a pace or as fast as it goes: an XDP
 * program on live frames (BPF_PROG_RUN), or the kernel's pktgen.
 *
 * Thread: the caller's starts and stops; frames are made by a thread of its own on a CPU of
 * its own.
 */
#ifndef TSUJI_BENCH_GENERATOR_H
#define TSUJI_BENCH_GENERATOR_H

#include "config.h"
#include "refusal.h"

#include <pthread.h>

#define BENCH_FRAME_MIN 60
#define BENCH_FRAME_MAX 1514
#define BENCH_FLOWS_MAX 65536

struct bench_bpf;

enum bench_source { BENCH_LIVE_FRAMES, BENCH_PKTGEN };
/* In JSON: "xdp-live-frames", "pktgen". */
const char *bench_source_name(enum bench_source source);

struct bench_ends {
	const char *from_netns, *from_if;
	const char *to_netns, *to_ifs; /* "e0,e1": counted together */
	be32 from, to;		       /* the addresses in the frames */
	struct mac to_mac; /* the router's, a station's on the same bridge, or broadcast */
	unsigned sources, destinations; /* MACs, counted up from from_if's and to_mac; 0: one */
	int cpu;			/* where the generator runs */
	bool stateless; /* what is between them takes all flows alike: none need be introduced */
	enum bench_source source; /* pktgen: sources and destinations have one MAC */
};

struct bench_load {
	unsigned flows, size; /* size: bytes of a frame, BENCH_FRAME_MIN to BENCH_FRAME_MAX */
	double seconds;
	double pps; /* 0: as many as can be made */
};

struct bench_generator {
	struct bench_bpf *program; /* the caller's */
	const struct bench_ends *ends;
	struct mac from_mac;
	uint32_t ifindex; /* the frames leave here */

	/* while it runs */
	pthread_t thread;
	unsigned size;
	double pps;
	bool stop;	 /* written by the caller's thread */
	int error;	 /* written by the generator's: errno of the call that ended it */
	double ran_s;	 /* written by the generator's, at a pace; 0 before */
	uint64_t before; /* pktgen counts each run from 0: frames of those that are over */
};

/* flows: frames go through so many port pairs in turn; BENCH_NEW_FLOWS: each is a new one. */
#define BENCH_NEW_FLOWS (1u << 31)
/* 0, or -1 with *why. bench_generator_stop() is due after success only. */
int bench_generator_start(struct bench_generator *generator, const struct bench_load *load,
			  struct refusal *why);
/* 0, or -1 with *why where it failed meanwhile. */
int bench_generator_stop(struct bench_generator *generator, struct refusal *why);
/* Nonzero: it has ended by itself, an errno. */
int bench_generator_error(const struct bench_generator *generator);
/* Frames it has made since it exists. */
uint64_t bench_generator_made(const struct bench_generator *generator);
/* How long it ran, stopped by now; seconds: what is told if it does not know. */
double bench_generator_took_s(const struct bench_generator *generator, double seconds);

#endif
