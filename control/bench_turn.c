/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_turn - from a case to a sample. A search without loss begins from the rate under
 * overload that the same contender had in the same round, and half of what it finds is the
 * load of loaded round trips; so each is measured against the machine as it was then.
 */
#include "bench_turn.h"
#include "bench_latency.h"
#include "bench_search.h"
#include "bench_tcp.h"

#define CEILING	     1.25  /* of a search: times the rate under overload */
#define LOAD_MIN_PPS 10000 /* of a loaded round trip */
#define LOAD_PPS     3	   /* its place among the further values */

static const struct bench_case *case_of(const struct bench_turn *turn)
{
	return &turn->report->cases[turn->index];
}

static double seconds_of(const struct bench_turn *turn)
{
	return turn->report->settings.seconds;
}

static struct bench_load load_of(const struct bench_turn *turn, double seconds)
{
	return (struct bench_load){
		.flows = case_of(turn)->flows, .size = case_of(turn)->size, .seconds = seconds};
}

static int measure_latency(const struct bench_turn *turn, int router_cpu,
			   struct bench_sample *sample, struct refusal *why)
{
	struct bench_latency latency;

	if (bench_latency(turn->lab, seconds_of(turn), router_cpu, &latency, why))
		return -1;
	if (!latency.n)
		return refusal_set(why, REFUSED_FAILED, "no answer came back");
	*sample = (struct bench_sample){
		true, latency.p50_us, {latency.p90_us, latency.p99_us, latency.p999_us}};
	return 0;
}

static int measure_tcp(const struct bench_turn *turn, struct bench_sample *sample,
		       struct refusal *why)
{
	sample->valid =
		!bench_tcp(turn->lab, (unsigned)(seconds_of(turn) + 0.999), &sample->value, why);
	return sample->valid ? 0 : -1;
}

static int measure_rate(const struct bench_turn *turn, struct bench_sample *sample,
			struct refusal *why)
{
	const struct bench_load load = load_of(turn, seconds_of(turn));
	struct bench_rate *rate = bench_lab_rate(turn->lab, why);
	struct bench_rate_figures figures;

	/* Twice: on a machine that others keep busy, a fraction of a second may pass in vain. */
	for (int tries = 0; tries < 2; tries++) {
		if (!rate ||
		    bench_rate_measure(rate, &load, turn->lab->place.stop_fd, &figures, why))
			return -1;
		if (figures.received_pps > 0)
			break;
	}
	if (figures.received_pps <= 0)
		return refusal_set(why, REFUSED_FAILED, "none of %.0f frames arrived",
				   figures.made_pps * load.seconds);
	*sample = (struct bench_sample){
		true, figures.received_pps, {figures.made_pps, figures.cpu_s_per_million}};
	return 0;
}

/*
 * Halves between nothing and what got through under overload, and a little more: there is less
 * to do for those that lose nothing.
 */
static int measure_lossfree(const struct bench_turn *turn, struct bench_sample *sample,
			    struct refusal *why)
{
	const struct bench_sample *overload = bench_report_sibling(
		turn->report, case_of(turn), BENCH_RATE, turn->contender, turn->round);
	struct bench_load load = load_of(turn, BENCH_TRIAL(seconds_of(turn)));
	struct bench_rate *rate = bench_lab_rate(turn->lab, why);
	struct bench_search search;
	struct bench_trial trial;

	if (!rate || !overload || !overload->valid)
		return rate ? refusal_set(why, REFUSED_FAILED, "its rate is not known") : -1;
	bench_search_begin(&search, overload->value * CEILING, BENCH_RESOLUTION, BENCH_TRIES);
	while (bench_search_next(&search, &load.pps)) {
		if (bench_rate_try(rate, &load, turn->lab->place.stop_fd, &trial, why))
			return -1;
		bench_search_judge(&search, trial.made, trial.made_pps, trial.received);
	}
	*sample =
		(struct bench_sample){true, search.best, {search.high - search.low, search.trials}};
	return 0;
}

/* At half of what it takes without a loss; where that is nothing, at next to nothing. */
static int measure_loaded(const struct bench_turn *turn, struct bench_sample *sample,
			  struct refusal *why)
{
	const struct bench_sample *lossfree = bench_report_sibling(
		turn->report, case_of(turn), BENCH_LOSSFREE, turn->contender, turn->round);
	struct bench_load load = load_of(turn, 0);
	struct bench_rate *rate = bench_lab_rate(turn->lab, why);

	if (!rate || !lossfree || !lossfree->valid)
		return rate ? refusal_set(why, REFUSED_FAILED, "its loss-free rate is not known")
			    : -1;
	load.pps = lossfree->value / 2 > LOAD_MIN_PPS ? lossfree->value / 2 : LOAD_MIN_PPS;
	if (bench_rate_load(rate, &load, why))
		return -1;
	struct refusal failed;
	double made_pps;
	int code = measure_latency(turn, turn->lab->place.cpus->worker, sample, why);
	int ended = bench_rate_unload(rate, &made_pps, &failed);
	sample->more[LOAD_PPS] = made_pps;
	if (!code && ended)
		*why = failed;
	sample->valid = !code && !ended;
	return sample->valid ? 0 : -1;
}

static int measure_sessions(const struct bench_turn *turn, struct bench_sample *sample,
			    struct refusal *why)
{
	struct bench_rate *rate = bench_lab_rate(turn->lab, why);

	if (!rate || bench_rate_sessions(rate, turn->lab->place.stop_fd, &sample->value, why))
		return -1;
	sample->valid = sample->value > 0;
	return sample->valid ? 0 : refusal_set(why, REFUSED_FAILED, "no new session got through");
}

int bench_turn(const struct bench_turn *turn, struct bench_sample *sample, struct refusal *why)
{
	const struct bench_cpus *cpus = turn->lab->place.cpus;

	*sample = (struct bench_sample){0};
	switch (case_of(turn)->measure) {
	case BENCH_LATENCY:
		return measure_latency(turn, cpus->generator, sample, why);
	case BENCH_APART:
		return measure_latency(turn, cpus->worker, sample, why);
	case BENCH_TCP:
		return measure_tcp(turn, sample, why);
	case BENCH_RATE:
		return measure_rate(turn, sample, why);
	case BENCH_LOSSFREE:
		return measure_lossfree(turn, sample, why);
	case BENCH_LOADED:
		return measure_loaded(turn, sample, why);
	case BENCH_SESSIONS:
		return measure_sessions(turn, sample, why);
	case BENCH_MEASURES:
		break;
	}
	return -1;
}
