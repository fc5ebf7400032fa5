/* SPDX-License-Identifier: BSD-2-Clause */
/* bench_case.h - what a benchmark measures: a quantity, on a path, with frames of a size. */
#ifndef TSUJI_BENCH_CASE_H
#define TSUJI_BENCH_CASE_H

#include "bench_lab.h"

enum bench_measure {
	BENCH_LATENCY,	/* round trip, idle */
	BENCH_TCP,	/* one stream */
	BENCH_RATE,	/* packets per second, overloaded */
	BENCH_SESSIONS, /* new sessions per second: every packet opens one */
	BENCH_MEASURES,
};

struct bench_case {
	enum bench_measure measure;
	enum bench_path path;
	unsigned size;  /* bytes of a frame; 0: the hosts' own choice */
	unsigned flows; /* 0: each frame is a new one */
};

/* The cases in the order of their paths; on each path the sink comes last (bench_lab_rate()). */
const struct bench_case *bench_cases(bool quick, unsigned *n);
/* Some contenders cannot do everything: a bare redirect carries no TCP. */
bool bench_case_applies(const struct bench_case *c, enum bench_contender contender);
/* Whether some case of the path is for this contender: whether it needs a lab there. */
bool bench_path_needs(const struct bench_case *cases, unsigned n, enum bench_path path,
		      enum bench_contender contender);

/* "routed, 60-byte frames, 256 flows", into buf, which is returned. */
char *bench_case_title(const struct bench_case *c, char *buf, size_t size);
/* About how long it takes with one contender. */
double bench_case_cost_s(const struct bench_case *c, double seconds);

#endif
