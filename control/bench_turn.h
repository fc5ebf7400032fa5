/* SPDX-License-Identifier: BSD-2-Clause */
/* bench_turn.h - one measurement: a case, a contender in its lab, a round. */
#ifndef TSUJI_BENCH_TURN_H
#define TSUJI_BENCH_TURN_H

#include "bench_lab.h"
#include "bench_report.h"

struct bench_turn {
	const struct bench_report *report; /* settings, and what was measured before */
	unsigned index;			   /* of the case there */
	enum bench_contender contender;
	unsigned round;
	struct bench_lab *lab;
};

/* Takes as long as bench_case_cost_s() says. 0, or -1 with *why; *sample is then not valid. */
int bench_turn(const struct bench_turn *turn, struct bench_sample *sample, struct refusal *why);

#endif
