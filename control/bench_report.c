/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_report - from samples to figures. One table says what each measure is called, in
 * which unit it is kept, and how people read it; text and JSON both follow it.
 */
#include "bench_report.h"
#include "bench_schema.h"
#include "bench_search.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/utsname.h>

#define ROUNDS_MAX 16
#define LOAD_QUIET 0.7 /* some of a last minute's build is forgiven */

int bench_report_init(struct bench_report *report, const struct bench_settings *settings)
{
	*report = (struct bench_report){
		.settings = *settings, .began = time(NULL), .load = bench_cpu_load()};
	report->cases = bench_cases(settings->quick, &report->n_cases);
	if (report->settings.rounds > ROUNDS_MAX)
		report->settings.rounds = ROUNDS_MAX;
	size_t n = (size_t)report->n_cases * BENCH_CONTENDERS * report->settings.rounds;
	report->samples = calloc(n, sizeof(*report->samples));
	return report->samples ? 0 : -ENOMEM;
}

void bench_report_fini(struct bench_report *report)
{
	free(report->samples);
	report->samples = NULL;
}

struct bench_sample *bench_report_sample(const struct bench_report *report, unsigned index,
					 enum bench_contender contender, unsigned round)
{
	unsigned rounds = report->settings.rounds;
	return &report->samples[(index * BENCH_CONTENDERS + contender) * rounds + round];
}

const struct bench_sample *bench_report_sibling(const struct bench_report *report,
						const struct bench_case *c,
						enum bench_measure measure,
						enum bench_contender contender, unsigned round)
{
	const struct bench_case *other =
		bench_case_sibling(report->cases, report->n_cases, c, measure);

	return other ? bench_report_sample(report, (unsigned)(other - report->cases), contender,
					   round)
		     : NULL;
}

/* -- figures -- */

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;
	return *x < *y ? -1 : *x > *y;
}

/* Sorts them; n > 0. */
static double median(double *values, unsigned n)
{
	qsort(values, n, sizeof(*values), compare);
	return (values[(n - 1) / 2] + values[n / 2]) / 2;
}

/* The median, over the rounds in which both have one, of the contender's by the other's. */
static double ratio(const struct bench_report *report, unsigned index,
		    enum bench_contender contender, enum bench_contender reference)
{
	double ratios[ROUNDS_MAX];
	unsigned n = 0;

	for (unsigned r = 0; r < report->settings.rounds; r++) {
		const struct bench_sample *a = bench_report_sample(report, index, contender, r);
		const struct bench_sample *b = bench_report_sample(report, index, reference, r);
		if (a->valid && b->valid && b->value > 0)
			ratios[n++] = a->value / b->value;
	}
	return n ? median(ratios, n) : 0;
}

struct bench_figure bench_report_figure(const struct bench_report *report, unsigned index,
					enum bench_contender contender)
{
	double values[ROUNDS_MAX], more[BENCH_MORE][ROUNDS_MAX];
	struct bench_figure figure = {0};

	for (unsigned r = 0; r < report->settings.rounds; r++) {
		const struct bench_sample *s = bench_report_sample(report, index, contender, r);
		if (!s->valid)
			continue;
		values[figure.n] = s->value;
		for (unsigned i = 0; i < BENCH_MORE; i++)
			more[i][figure.n] = s->more[i];
		figure.n++;
	}
	if (!figure.n)
		return figure;
	figure.median = median(values, figure.n);
	figure.min = values[0];
	figure.max = values[figure.n - 1];
	for (unsigned i = 0; i < BENCH_MORE; i++)
		figure.more[i] = median(more[i], figure.n);
	figure.ratio_to_kernel = ratio(report, index, contender, BENCH_KERNEL);
	figure.ratio_to_redirect = ratio(report, index, contender, BENCH_REDIRECT);
	return figure;
}

/* -- JSON -- */

/* What a row is about. */
static json_t *row_new(const struct bench_case *c, enum bench_contender contender)
{
	json_t *row =
		json_pack("{ss ss ss ss}", "measure", bench_quantity(c->measure)->name, "path",
			  bench_path_name(c->path), "contender", bench_contender_name(contender),
			  "unit", bench_quantity(c->measure)->unit);

	if (c->size)
		json_object_set_new(row, "frame_bytes", json_integer(c->size));
	if (c->flows)
		json_object_set_new(row, "flows", json_integer(c->flows));
	return row;
}

static void put_more(json_t *row, enum bench_measure measure, const double more[BENCH_MORE])
{
	const struct bench_value *values = bench_quantity(measure)->more;

	for (unsigned i = 0; i < BENCH_MORE; i++)
		if (values[i].key)
			json_object_set_new(row, values[i].key, json_real(more[i]));
}

static json_t *figure_row(const struct bench_report *report, unsigned index,
			  enum bench_contender contender)
{
	const struct bench_case *c = &report->cases[index];
	struct bench_figure figure = bench_report_figure(report, index, contender);
	json_t *row = row_new(c, contender);

	json_object_set_new(row, "rounds", json_integer(figure.n));
	if (!figure.n)
		return row;
	json_object_set_new(row, "min", json_real(figure.min));
	json_object_set_new(row, "median", json_real(figure.median));
	json_object_set_new(row, "max", json_real(figure.max));
	put_more(row, c->measure, figure.more);
	if (figure.ratio_to_kernel > 0)
		json_object_set_new(row, "ratio_to_kernel", json_real(figure.ratio_to_kernel));
	if (figure.ratio_to_redirect > 0)
		json_object_set_new(row, "ratio_to_redirect", json_real(figure.ratio_to_redirect));
	return row;
}

json_t *bench_report_figures(const struct bench_report *report)
{
	json_t *rows = json_array();

	for (unsigned i = 0; i < report->n_cases; i++)
		for (unsigned c = 0; c < BENCH_CONTENDERS; c++)
			if (bench_case_applies(&report->cases[i], c))
				json_array_append_new(rows, figure_row(report, i, c));
	return rows;
}

static json_t *sample_row(const struct bench_report *report, unsigned index,
			  enum bench_contender contender, unsigned round)
{
	const struct bench_sample *sample = bench_report_sample(report, index, contender, round);
	json_t *row = row_new(&report->cases[index], contender);

	json_object_set_new(row, "round", json_integer(round + 1));
	json_object_set_new(row, "value", json_real(sample->value));
	put_more(row, report->cases[index].measure, sample->more);
	return row;
}

static json_t *sample_rows(const struct bench_report *report)
{
	json_t *rows = json_array();

	for (unsigned r = 0; r < report->settings.rounds; r++)
		for (unsigned i = 0; i < report->n_cases; i++)
			for (unsigned c = 0; c < BENCH_CONTENDERS; c++)
				if (bench_report_sample(report, i, c, r)->valid)
					json_array_append_new(rows, sample_row(report, i, c, r));
	return rows;
}

static json_t *machine_object(const struct bench_report *report)
{
	const struct bench_cpus *cpus = &report->settings.cpus;
	struct utsname name;
	char model[128];

	return json_pack("{ss ss si si si sf}", "kernel", uname(&name) ? "unknown" : name.release,
			 "cpu", bench_cpu_model(model, sizeof(model)), "cpus", cpus->n,
			 "generator_cpu", cpus->generator, "worker_cpu", cpus->worker,
			 "load_before", report->load);
}

json_t *bench_report_json(const struct bench_report *report)
{
	const struct bench_settings *s = &report->settings;
	char began[32];

	strftime(began, sizeof(began), "%Y-%m-%dT%H:%M:%SZ", gmtime(&report->began));
	return json_pack("{si ss sf so s{sb si sf ss sf si sf} so so}", "schema", BENCH_SCHEMA,
			 "began", began, "took_s", report->took_s, "machine",
			 machine_object(report), "settings", "quick", (int)s->quick, "rounds",
			 (int)s->rounds, "seconds", s->seconds, "generator",
			 bench_source_name(s->source), "trial_s", BENCH_TRIAL(s->seconds),
			 "trial_tries", BENCH_TRIES, "trial_resolution", BENCH_RESOLUTION,
			 "figures", bench_report_figures(report), "samples", sample_rows(report));
}

/* -- text -- */

#define TITLE_WIDTH 24
#define WIDTH	    9

static void print_heading(const struct bench_report *report, FILE *out)
{
	const struct bench_settings *s = &report->settings;
	struct utsname name;
	char model[128];

	fprintf(out, "kernel %s, %s, %d CPUs; generator on CPU %d, tsuji on CPU %d\n",
		uname(&name) ? "unknown" : name.release, bench_cpu_model(model, sizeof(model)),
		s->cpus.n, s->cpus.generator, s->cpus.worker);
	fprintf(out, "%u round%s of %g s for each figure; frames are made by %s\n", s->rounds,
		s->rounds == 1 ? "" : "s, interleaved,", s->seconds,
		s->source == BENCH_PKTGEN ? "the kernel's pktgen"
					  : "an XDP program (BPF_PROG_RUN)");
	fputs("and counted where they arrive; the kernel's ports have GRO. CPU s/M: seconds of "
	      "the\n"
	      "whole machine per million frames that arrived. TCP: the hosts' own offloads, no "
	      "CPU\n"
	      "chosen. Round trips: the hosts on the generator's CPU. None lost: found by "
	      "halving,\n",
	      out);
	fprintf(out,
		"by trials of %g s with frames due every %g ms, to %g %% of the rate under\n"
		"overload; %d trials in a row must lose frames to count as a loss\n",
		BENCH_TRIAL(s->seconds), BENCH_PERIOD_S * 1e3, BENCH_RESOLUTION * 100, BENCH_TRIES);
}

/* Where others want the CPUs too, a router that is a program suffers most. */
static void print_load(const struct bench_report *report, FILE *out)
{
	if (report->load > LOAD_QUIET)
		fprintf(out,
			"Others were busy here before it began (load average %.1f): ratios within\n"
			"a round mean little then, and loss-free rates nothing\n",
			report->load);
}

/* -- text: the headlines -- */

static void print_ratio(FILE *out, int width, double value)
{
	if (value > 0)
		fprintf(out, " %*.2f", width, value);
	else
		fprintf(out, " %*s", width, "-");
}

static void print_headline(const struct bench_report *report, unsigned index, FILE *out)
{
	static const enum bench_contender shown[] = {BENCH_KERNEL, BENCH_C, BENCH_CACHE,
						     BENCH_REDIRECT};
	const struct bench_case *c = &report->cases[index];
	struct bench_figure figures[ARRAY_SIZE(shown)];
	char title[96];

	for (unsigned i = 0; i < ARRAY_SIZE(shown); i++)
		figures[i] = bench_report_figure(report, index, shown[i]);
	snprintf(title, sizeof(title), "%s, %u flows%s", bench_path_name(c->path), c->flows,
		 c->measure == BENCH_LOSSFREE ? ", none lost" : "");
	fprintf(out, "  %-34s", title);
	for (unsigned i = 0; i < ARRAY_SIZE(shown); i++) {
		if (figures[i].n)
			fprintf(out, "%9.2f", figures[i].median * 1e-6);
		else
			fprintf(out, "%9s", "-");
	}
	print_ratio(out, 11, figures[1].ratio_to_kernel);
	print_ratio(out, 9, figures[2].ratio_to_kernel);
	print_ratio(out, 10, figures[2].ratio_to_redirect);
	fputc('\n', out);
}

/* What most people ask first. */
static void print_headlines(const struct bench_report *report, FILE *out)
{
	fprintf(out, "\n%-36s%9s%9s%9s%9s%12s%10s%11s\n", "60-byte frames, Mpps", "kernel", "all C",
		"cache", "redirect", "C/kernel", "cache/k.", "cache/red.");
	for (unsigned i = 0; i < report->n_cases; i++) {
		const struct bench_case *c = &report->cases[i];
		if ((c->measure == BENCH_RATE || c->measure == BENCH_LOSSFREE) &&
		    c->size == BENCH_FRAME_MIN && c->flows > 1)
			print_headline(report, i, out);
	}
	fputs("all C, cache: tsuji without and with its flow cache\n", out);
}

/* -- text: everything -- */

static void print_columns(const struct bench_case *c, FILE *out)
{
	const struct bench_quantity *q = bench_quantity(c->measure);
	char title[128];

	fprintf(out, "\n%s\n%-*s %*s %*s %*s", bench_case_title(c, title, sizeof(title)),
		TITLE_WIDTH, "", WIDTH, q->value.heading, WIDTH, "min", WIDTH, "max");
	for (unsigned i = 0; i < BENCH_MORE; i++)
		if (q->more[i].key)
			fprintf(out, " %*s", WIDTH, q->more[i].heading);
	fprintf(out, " %*s", WIDTH, "x kernel");
	if (bench_case_applies(c, BENCH_REDIRECT))
		fprintf(out, " %10s", "x redirect");
	fputc('\n', out);
}

static void print_row(const struct bench_report *report, unsigned index,
		      enum bench_contender contender, FILE *out)
{
	const struct bench_case *c = &report->cases[index];
	const struct bench_quantity *q = bench_quantity(c->measure);
	const struct bench_value *v = &q->value;
	struct bench_figure figure = bench_report_figure(report, index, contender);

	fprintf(out, "  %-*s", TITLE_WIDTH - 2, bench_contender_title(contender, c->path));
	if (!figure.n) {
		fprintf(out, " %*s\n", WIDTH, "failed");
		return;
	}
	fprintf(out, " %*.*f %*.*f %*.*f", WIDTH, v->decimals, figure.median * v->scale, WIDTH,
		v->decimals, figure.min * v->scale, WIDTH, v->decimals, figure.max * v->scale);
	for (unsigned i = 0; i < BENCH_MORE; i++)
		if (q->more[i].key)
			fprintf(out, " %*.*f", WIDTH, q->more[i].decimals,
				figure.more[i] * q->more[i].scale);
	print_ratio(out, WIDTH, figure.ratio_to_kernel);
	if (bench_case_applies(c, BENCH_REDIRECT))
		print_ratio(out, 10, figure.ratio_to_redirect);
	fputc('\n', out);
}

void bench_report_print(const struct bench_report *report, FILE *out)
{
	print_heading(report, out);
	print_load(report, out);
	print_headlines(report, out);
	for (unsigned i = 0; i < report->n_cases; i++) {
		print_columns(&report->cases[i], out);
		for (unsigned c = 0; c < BENCH_CONTENDERS; c++)
			if (bench_case_applies(&report->cases[i], c))
				print_row(report, i, c, out);
	}
	fprintf(out, "\nx: a ratio within each round, the median of them. It took %.0f s.\n",
		report->took_s);
}
