/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_progress.h - one line on stderr that says what is being measured and how long the
 * rest takes; nothing at all where stderr is no terminal.
 */
#ifndef TSUJI_BENCH_PROGRESS_H
#define TSUJI_BENCH_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct bench_progress {
	bool shown;
	double expected_s, done_s; /* of the plan; what is done of it */
	uint64_t began_ms;
};

void bench_progress_begin(struct bench_progress *progress, double expected_s);
void bench_progress_say(const struct bench_progress *progress, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* A part of the plan is done. */
void bench_progress_done(struct bench_progress *progress, double expected_s);
/* Clears the line, so that something else can be printed. */
void bench_progress_clear(const struct bench_progress *progress);

/* What is left, by the plan corrected by how it went so far. */
double bench_progress_left_s(const struct bench_progress *progress, double spent_s);

#endif
