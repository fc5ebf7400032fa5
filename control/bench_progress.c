/* SPDX-License-Identifier: BSD-2-Clause */
/* bench_progress - the line on a terminal. */
#include "bench_progress.h"
#include "process.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TRUSTED_S 3.0 /* of the plan, before how it went corrects it */
#define USUAL_WIDTH 80

void bench_progress_begin(struct bench_progress *progress, double expected_s)
{
	*progress = (struct bench_progress){.shown = isatty(STDERR_FILENO),
					    .expected_s = expected_s,
					    .began_ms = process_now_ms()};
}

double bench_progress_left_s(const struct bench_progress *progress, double spent_s)
{
	double left_s = progress->expected_s - progress->done_s;

	if (progress->done_s >= TRUSTED_S)
		left_s *= spent_s / progress->done_s;
	return left_s > 0 ? left_s : 0;
}

/* Columns of the terminal: a line that wraps could not be taken back. */
static int width(void)
{
	struct winsize size;
	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || !size.ws_col ? USUAL_WIDTH : size.ws_col;
}

void bench_progress_say(const struct bench_progress *progress, const char *format, ...)
{
	double spent_s = (double)(process_now_ms() - progress->began_ms) / 1e3;
	unsigned left_s = (unsigned)(bench_progress_left_s(progress, spent_s) + 0.5);
	char text[128];
	va_list args;

	if (!progress->shown)
		return;
	int len = snprintf(text, sizeof(text), "%u:%02u left: ", left_s / 60, left_s % 60);
	va_start(args, format);
	vsnprintf(text + len, sizeof(text) - (size_t)len, format, args);
	va_end(args);
	fprintf(stderr, "\r%.*s\033[K", width() - 1, text);
}

void bench_progress_done(struct bench_progress *progress, double expected_s)
{
	progress->done_s += expected_s;
}

void bench_progress_clear(const struct bench_progress *progress)
{
	if (progress->shown)
		fputs("\r\033[K", stderr);
}
