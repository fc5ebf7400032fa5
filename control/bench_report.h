/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_report.h - what was measured, and what is told of it: of each case and contender
 * the smallest, the median and the largest over the rounds, and how it compares with the
 * references. A ratio is taken within each round, and the median of those is told: a
 * machine that was slow for a while was slow to both.
 */
#ifndef TSUJI_BENCH_REPORT_H
#define TSUJI_BENCH_REPORT_H

#include "bench_case.h"
#include "bench_cpu.h"

#include <jansson.h>
#include <time.h>

struct bench_sample {
	bool valid;
	double value;		 /* in the measure's unit */
	double more[BENCH_MORE]; /* as bench_quantity() says */
};

struct bench_settings {
	bool quick;
	unsigned rounds;
	double seconds; /* of one measurement */
	enum bench_source source;
	struct bench_cpus cpus;
};

struct bench_report {
	struct bench_settings settings;
	const struct bench_case *cases;
	unsigned n_cases;
	struct bench_sample *samples; /* by case, contender, round */
	time_t began;
	double load; /* of the machine, before */
	double took_s;
};

/* 0 or -ENOMEM. */
int bench_report_init(struct bench_report *report, const struct bench_settings *settings);
void bench_report_fini(struct bench_report *report);

struct bench_sample *bench_report_sample(const struct bench_report *report, unsigned index,
					 enum bench_contender contender, unsigned round);

/* The sample of the same contender and round for the same load by another measure; NULL: none. */
const struct bench_sample *bench_report_sibling(const struct bench_report *report,
						const struct bench_case *c,
						enum bench_measure measure,
						enum bench_contender contender, unsigned round);

struct bench_figure {
	unsigned n; /* rounds with a sample; 0: nothing else is set */
	double min, median, max;
	double more[BENCH_MORE];		   /* medians */
	double ratio_to_kernel, ratio_to_redirect; /* 0: there is none */
};
struct bench_figure bench_report_figure(const struct bench_report *report, unsigned index,
					enum bench_contender contender);

/* As bench_schema.h says; to be freed. */
json_t *bench_report_figures(const struct bench_report *report);
json_t *bench_report_json(const struct bench_report *report);
/* Tables for people. */
void bench_report_print(const struct bench_report *report, FILE *out);

#endif
