/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_measure.h - the quantities that a benchmark measures: what each is called, its unit,
 * and which further values belong to it. Tables for people, JSON and its schema follow it.
 */
#ifndef TSUJI_BENCH_MEASURE_H
#define TSUJI_BENCH_MEASURE_H

#include "../dataplane/base.h"

enum bench_measure {
	BENCH_LATENCY,	/* round trip, idle, all on one CPU */
	BENCH_APART,	/* the same, the router on another CPU than the hosts */
	BENCH_TCP,	/* one stream */
	BENCH_RATE,	/* packets per second, overloaded */
	BENCH_LOSSFREE, /* packets per second, and none is lost (RFC 2544) */
	BENCH_LOADED,	/* round trip at half of that */
	BENCH_SESSIONS, /* new sessions per second: every packet opens one */
	BENCH_MEASURES,
};

#define BENCH_MORE 4 /* further values of a sample, at most */

struct bench_value {
	const char *key;     /* in JSON; NULL: there is none */
	const char *heading; /* for people, who read value * scale */
	const char *about;   /* for the schema */
	double scale;
	int decimals;
};

struct bench_quantity {
	const char *name, *unit;  /* in JSON */
	struct bench_value value; /* its key depends on the array */
	struct bench_value more[BENCH_MORE];
};

/* measure < BENCH_MEASURES */
const struct bench_quantity *bench_quantity(enum bench_measure measure);
bool bench_is_latency(enum bench_measure measure);

#endif
