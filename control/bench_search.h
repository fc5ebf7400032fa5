/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_search.h - RFC 2544, 26.1: the highest rate at which not one frame is lost, found by
 * halving. Pure: what a trial measured goes in, the rate of the next one comes out.
 *
 * A trial passes when just what was sent arrived, and counts for the rate that was really sent.
 * Where less than BENCH_OFFERED of the rate asked for could be sent (a router that works on the
 * generator's own CPU holds it up), higher rates are not tried. A loss is believed when it
 * comes `tries` times in a row at the same rate: a machine that was busy elsewhere for a
 * millisecond loses frames too.
 */
#ifndef TSUJI_BENCH_SEARCH_H
#define TSUJI_BENCH_SEARCH_H

#include <stdbool.h>
#include <stdint.h>

#define BENCH_OFFERED  0.98
#define BENCH_PERIOD_S 1e-4 /* from one burst of a paced generator to the next */

struct bench_search {
	double best;		/* packets/s: the highest rate sent without loss */
	double low, high;	/* that were asked for: without loss, and too much */
	double resolution_pps;	/* the search ends when they are that close */
	unsigned tries, failed; /* allowed at one rate; had at this one */
	unsigned trials;	/* in all */
};

/* From nothing to ceiling_pps, to a fraction of which the result is exact. */
void bench_search_begin(struct bench_search *search, double ceiling_pps, double resolution,
			unsigned tries);
/* The rate to try; false: the result is search->best, 0: there is none. */
bool bench_search_next(const struct bench_search *search, double *pps);
/* What came of it: frames sent, the rate they went at, frames that arrived. */
void bench_search_judge(struct bench_search *search, uint64_t made, double made_pps,
			uint64_t received);

/*
 * The pace of a generator that sends what is due and sleeps in between. What it could not send
 * in time, because it was not let run, is left out: a router is not to be judged by a burst
 * that nobody asked for.
 */
struct bench_pace {
	double pps, began_s;
	double due;    /* frames, by the clock, that are sent or left out */
	unsigned most; /* frames at a time */
};

void bench_pace_begin(struct bench_pace *pace, double pps, double now_s);
/* Frames to send now. */
unsigned bench_pace_due(struct bench_pace *pace, double now_s);

#endif
