/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_case - the two lists of what is measured, the full one and the quick one.
 *
 * Sizes are those that matter: the smallest frame, where only the cost per packet counts;
 * the largest, where the cost of copying shows; and one between. So are flows: one, a few
 * hundred as in a lab, and more than caches hold. They are varied one at a time.
 */
#include "bench_case.h"

#define SMALL BENCH_FRAME_MIN
#define LARGE BENCH_FRAME_MAX
#define FEW 256
#define MANY BENCH_FLOWS_MAX

#define IDLE(path) {BENCH_LATENCY, path, BENCH_FRAME_MIN, 1}
#define STREAM(path) {BENCH_TCP, path, 0, 1}
#define RATES(path) \
	{BENCH_RATE, path, SMALL, FEW}, {BENCH_RATE, path, SMALL, 1}, \
	{BENCH_RATE, path, SMALL, MANY}, {BENCH_RATE, path, 512, FEW}, \
	{BENCH_RATE, path, LARGE, FEW}
#define NEW_SESSIONS {BENCH_SESSIONS, BENCH_TRANSLATED, BENCH_FRAME_MIN, 0}

static const struct bench_case full[] = {
	IDLE(BENCH_ROUTED), STREAM(BENCH_ROUTED), RATES(BENCH_ROUTED),
	IDLE(BENCH_BRIDGED), STREAM(BENCH_BRIDGED), RATES(BENCH_BRIDGED),
	IDLE(BENCH_TRANSLATED), STREAM(BENCH_TRANSLATED), RATES(BENCH_TRANSLATED), NEW_SESSIONS,
};

static const struct bench_case quick[] = {
	IDLE(BENCH_ROUTED), STREAM(BENCH_ROUTED), {BENCH_RATE, BENCH_ROUTED, SMALL, FEW},
	IDLE(BENCH_BRIDGED), {BENCH_RATE, BENCH_BRIDGED, SMALL, FEW},
	IDLE(BENCH_TRANSLATED), {BENCH_RATE, BENCH_TRANSLATED, SMALL, FEW}, NEW_SESSIONS,
};

const struct bench_case *bench_cases(bool is_quick, unsigned *n)
{
	*n = is_quick ? ARRAY_SIZE(quick) : ARRAY_SIZE(full);
	return is_quick ? quick : full;
}

bool bench_case_applies(const struct bench_case *c, enum bench_contender contender)
{
	switch (contender) {
	case BENCH_GENERATOR: /* no path: once is enough */
		return c->measure == BENCH_RATE && c->path == BENCH_ROUTED;
	case BENCH_REDIRECT: /* completes no checksum, so no TCP; keeps no sessions */
		return c->measure == BENCH_RATE || c->measure == BENCH_LATENCY;
	default:
		return true;
	}
}

bool bench_path_needs(const struct bench_case *cases, unsigned n, enum bench_path path,
		      enum bench_contender contender)
{
	for (unsigned i = 0; i < n; i++)
		if (cases[i].path == path && bench_case_applies(&cases[i], contender))
			return true;
	return false;
}

char *bench_case_title(const struct bench_case *c, char *buf, size_t size)
{
	const char *path = bench_path_name(c->path);

	switch (c->measure) {
	case BENCH_LATENCY:
		snprintf(buf, size, "%s, round trip of a %u-byte frame, idle", path, c->size);
		break;
	case BENCH_TCP:
		snprintf(buf, size, "%s, one TCP stream", path);
		break;
	case BENCH_RATE:
		snprintf(buf, size, "%s, %u-byte frames, %u flow%s", path, c->size, c->flows,
			 c->flows == 1 ? "" : "s");
		break;
	case BENCH_SESSIONS:
		snprintf(buf, size, "%s, each %u-byte frame a new session", path, c->size);
		break;
	case BENCH_MEASURES:
		break;
	}
	return buf;
}

double bench_case_cost_s(const struct bench_case *c, double seconds)
{
	switch (c->measure) {
	case BENCH_LATENCY:
		return seconds + 0.02;
	case BENCH_TCP:
		return (seconds > 1 ? seconds : 1) + 0.3;
	case BENCH_RATE:
		return bench_rate_cost_s(c->flows, seconds);
	case BENCH_SESSIONS:
		return 0.5;
	case BENCH_MEASURES:
		break;
	}
	return 0;
}
