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

/* clang-format off: rows of tables */
#define HEADLINES(path) {BENCH_RATE, path, SMALL, FEW}, {BENCH_RATE, path, SMALL, MANY}
#define LOSSFREE(path) {BENCH_LOSSFREE, path, SMALL, FEW}, {BENCH_LOADED, path, SMALL, FEW}
#define IDLE(path) {BENCH_LATENCY, path, SMALL, 1}
#define APART(path) {BENCH_APART, path, SMALL, 1}
#define STREAM(path) {BENCH_TCP, path, 0, 1}
#define NEW_SESSIONS {BENCH_SESSIONS, BENCH_TRANSLATED, SMALL, 0}
#define ALL(path) \
	IDLE(path), APART(path), STREAM(path), HEADLINES(path), \
	LOSSFREE(path), {BENCH_LOSSFREE, path, SMALL, MANY}, \
	{BENCH_RATE, path, SMALL, 1}, {BENCH_RATE, path, 512, FEW}, {BENCH_RATE, path, LARGE, FEW}

static const struct bench_case full[] = {
	ALL(BENCH_ROUTED), ALL(BENCH_BRIDGED), ALL(BENCH_TRANSLATED), NEW_SESSIONS,
};

static const struct bench_case quick[] = {
	IDLE(BENCH_ROUTED), APART(BENCH_ROUTED), STREAM(BENCH_ROUTED), HEADLINES(BENCH_ROUTED),
	LOSSFREE(BENCH_ROUTED),
	IDLE(BENCH_BRIDGED), HEADLINES(BENCH_BRIDGED), LOSSFREE(BENCH_BRIDGED),
	IDLE(BENCH_TRANSLATED), HEADLINES(BENCH_TRANSLATED), LOSSFREE(BENCH_TRANSLATED),
	NEW_SESSIONS,
};
/* clang-format on */

const struct bench_case *bench_cases(bool is_quick, unsigned *n)
{
	*n = is_quick ? ARRAY_SIZE(quick) : ARRAY_SIZE(full);
	return is_quick ? quick : full;
}

bool bench_case_applies(const struct bench_case *c, enum bench_contender contender)
{
	switch (contender) {
	case BENCH_GENERATOR: /* no path: once is enough */
		return c->measure == BENCH_RATE && c->path == BENCH_ROUTED && c->flows == FEW;
	case BENCH_REDIRECT: /* completes no checksum, so no TCP; keeps no sessions */
		return c->measure != BENCH_TCP && c->measure != BENCH_SESSIONS;
	case BENCH_BURST: /* the lane that overload takes anyway */
		return c->measure == BENCH_RATE && c->size == SMALL && c->flows == FEW;
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

const struct bench_case *bench_case_sibling(const struct bench_case *cases, unsigned n,
					    const struct bench_case *c, enum bench_measure measure)
{
	for (unsigned i = 0; i < n; i++)
		if (cases[i].measure == measure && cases[i].path == c->path &&
		    cases[i].size == c->size && cases[i].flows == c->flows)
			return &cases[i];
	return NULL;
}

char *bench_case_title(const struct bench_case *c, char *buf, size_t size)
{
	const char *path = bench_path_name(c->path);
	char load[64];

	snprintf(load, sizeof(load), "%s, %u-byte frames, %u flow%s", path, c->size, c->flows,
		 c->flows == 1 ? "" : "s");
	switch (c->measure) {
	case BENCH_LATENCY:
		snprintf(buf, size, "%s, round trip of a %u-byte frame, idle, all on one CPU", path,
			 c->size);
		break;
	case BENCH_APART:
		snprintf(buf, size,
			 "%s, round trip of a %u-byte frame, idle, router and hosts on "
			 "a CPU each",
			 path, c->size);
		break;
	case BENCH_TCP:
		snprintf(buf, size, "%s, one TCP stream", path);
		break;
	case BENCH_RATE:
		snprintf(buf, size, "%s", load);
		break;
	case BENCH_LOSSFREE:
		snprintf(buf, size, "%s, none lost (RFC 2544)", load);
		break;
	case BENCH_LOADED:
		snprintf(buf, size, "%s, round trip at half of the loss-free rate", load);
		break;
	case BENCH_SESSIONS:
		snprintf(buf, size, "%s, each %u-byte frame a new session", path, c->size);
		break;
	case BENCH_MEASURES:
		break;
	}
	return buf;
}

/* Halvings until BENCH_RESOLUTION, a few of which fail, which takes BENCH_TRIES. */
#define TRIALS_USUAL 10

double bench_case_cost_s(const struct bench_case *c, double seconds)
{
	switch (c->measure) {
	case BENCH_LATENCY:
	case BENCH_APART:
	case BENCH_LOADED:
		return seconds + 0.02;
	case BENCH_TCP:
		return (seconds > 1 ? seconds : 1) + 0.3;
	case BENCH_RATE:
		return bench_rate_cost_s(c->flows, seconds);
	case BENCH_LOSSFREE:
		return bench_rate_try_cost_s(BENCH_TRIAL(seconds)) * TRIALS_USUAL;
	case BENCH_SESSIONS:
		return 0.5;
	case BENCH_MEASURES:
		break;
	}
	return 0;
}
