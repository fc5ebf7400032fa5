/* SPDX-License-Identifier: BSD-2-Clause */
/* bench_case.h - what a benchmark measures: a quantity, on a path, with frames of a size. */
#ifndef TSUJI_BENCH_CASE_H
#define TSUJI_BENCH_CASE_H

#include "bench_lab.h"
#include "bench_measure.h"

struct bench_case {
	enum bench_measure measure;
	enum bench_path path;
	unsigned size;	/* bytes of a frame; 0: the hosts' own choice */
	unsigned flows; /* 0: each frame is a new one */
};

/*
 * The cases in the order of their paths; on each path the sink comes last (bench_lab_rate()). A
 * loss-free rate follows the rate of its load, half of which is the load of a loaded round trip.
 */
const struct bench_case *bench_cases(bool quick, unsigned *n);
/* Some contenders cannot do everything: a bare redirect carries no TCP. */
bool bench_case_applies(const struct bench_case *c, enum bench_contender contender);
/* Whether some case of the path is for this contender: whether it needs a lab there. */
bool bench_path_needs(const struct bench_case *cases, unsigned n, enum bench_path path,
		      enum bench_contender contender);

/* The case that is the same but for its measure; NULL: the list has none. */
const struct bench_case *bench_case_sibling(const struct bench_case *cases, unsigned n,
					    const struct bench_case *c, enum bench_measure measure);

/* "routed, 60-byte frames, 256 flows", into buf, which is returned. */
char *bench_case_title(const struct bench_case *c, char *buf, size_t size);
/* About how long it takes with one contender. */
double bench_case_cost_s(const struct bench_case *c, double seconds);

/* Of a search without loss: one trial, and how near it comes. */
#define BENCH_TRIAL(seconds) ((seconds) / 2)
#define BENCH_RESOLUTION     0.03
#define BENCH_TRIES	     3

#endif
