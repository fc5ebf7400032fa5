/* SPDX-License-Identifier: BSD-2-Clause */
/* Samples in, figures out: medians, ratios within rounds, percentiles, the time that is left. */
#include "../../control/bench_latency.h"
#include "../../control/bench_progress.h"
#include "../../control/bench_report.h"
#include "../../control/bench_schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define ROUNDS 3

/* The index of the first case of that measure in the quick list. */
static unsigned find(const struct bench_report *report, enum bench_measure measure)
{
	unsigned i = 0;
	while (report->cases[i].measure != measure)
		i++;
	assert_true(i < report->n_cases);
	return i;
}

static struct bench_report *report_new(void)
{
	const struct bench_settings settings = {.quick = true, .rounds = ROUNDS, .seconds = 1};
	struct bench_report *report = calloc(1, sizeof(*report));
	assert_non_null(report);
	assert_int_equal(bench_report_init(report, &settings), 0);
	return report;
}

static void report_free(struct bench_report *report)
{
	bench_report_fini(report);
	free(report);
}

static void put(struct bench_report *report, unsigned index, enum bench_contender contender,
		const double values[ROUNDS])
{
	for (unsigned r = 0; r < ROUNDS; r++)
		*bench_report_sample(report, index, contender, r) = (struct bench_sample){
			values[r] > 0, values[r], {10 * values[r], 20 * values[r]}};
}

static bool near(double a, double b)
{
	return a - b < 1e-9 && b - a < 1e-9;
}

static void a_ratio_is_taken_within_each_round(void **state)
{
	(void)state;
	struct bench_report *report = report_new();
	unsigned i = find(report, BENCH_RATE);
	/* Medians would say 4 : 3; within the rounds it is 1, 4, 2 times. */
	put(report, i, BENCH_KERNEL, (double[]){4, 1, 3});
	put(report, i, BENCH_CACHE, (double[]){4, 4, 6});
	struct bench_figure figure = bench_report_figure(report, i, BENCH_CACHE);
	assert_int_equal(figure.n, 3);
	assert_true(near(figure.min, 4) && near(figure.median, 4) && near(figure.max, 6));
	assert_true(near(figure.more[0], 40) && near(figure.more[1], 80));
	assert_true(near(figure.ratio_to_kernel, 2));
	assert_true(near(figure.ratio_to_redirect, 0));
	report_free(report);
}

static void a_round_that_failed_counts_for_nobody(void **state)
{
	(void)state;
	struct bench_report *report = report_new();
	unsigned i = find(report, BENCH_LATENCY);
	put(report, i, BENCH_KERNEL, (double[]){2, 0, 2});
	put(report, i, BENCH_SOCKET, (double[]){0, 9, 5});
	struct bench_figure figure = bench_report_figure(report, i, BENCH_SOCKET);
	assert_int_equal(figure.n, 2);
	assert_true(near(figure.median, 7));
	assert_true(near(figure.ratio_to_kernel, 2.5));
	assert_int_equal(bench_report_figure(report, i, BENCH_BURST).n, 0);
	report_free(report);
}

static void every_case_has_a_row_for_each_contender_it_applies_to(void **state)
{
	(void)state;
	struct bench_report *report = report_new();
	unsigned i = find(report, BENCH_TCP), n = 0;
	put(report, i, BENCH_KERNEL, (double[]){1e9, 2e9, 3e9});
	for (unsigned k = 0; k < report->n_cases; k++)
		for (unsigned c = 0; c < BENCH_CONTENDERS; c++)
			n += bench_case_applies(&report->cases[k], c);
	json_t *json = bench_report_json(report);
	assert_non_null(json);
	assert_int_equal(json_array_size(json_object_get(json, "figures")), n);
	assert_int_equal(json_array_size(json_object_get(json, "samples")), ROUNDS);
	const json_t *sample = json_array_get(json_object_get(json, "samples"), 2);
	assert_string_equal(json_string_value(json_object_get(sample, "measure")), "tcp");
	assert_string_equal(json_string_value(json_object_get(sample, "contender")), "kernel");
	assert_int_equal(json_integer_value(json_object_get(sample, "round")), 3);
	assert_true(near(json_number_value(json_object_get(sample, "value")), 3e9));
	assert_null(json_object_get(sample, "frame_bytes"));
	json_decref(json);
	report_free(report);
}

static void the_full_list_holds_what_the_quick_one_holds(void **state)
{
	(void)state;
	unsigned n_full, n_quick;
	const struct bench_case *full = bench_cases(false, &n_full);
	const struct bench_case *quick = bench_cases(true, &n_quick);
	for (unsigned q = 0; q < n_quick; q++) {
		unsigned f = 0;
		while (f < n_full && memcmp(&full[f], &quick[q], sizeof(*full)))
			f++;
		assert_true(f < n_full);
	}
}

/* A search needs a rate to begin with, and half a load needs the search's result. */
static void what_a_case_builds_on_comes_before_it(void **state)
{
	(void)state;
	for (int quick = 0; quick < 2; quick++) {
		unsigned n;
		const struct bench_case *cases = bench_cases(quick, &n);
		for (unsigned i = 0; i < n; i++) {
			enum bench_measure base =
				cases[i].measure == BENCH_LOADED ? BENCH_LOSSFREE : BENCH_RATE;
			if (cases[i].measure != BENCH_LOADED && cases[i].measure != BENCH_LOSSFREE)
				continue;
			const struct bench_case *other =
				bench_case_sibling(cases, n, &cases[i], base);
			assert_non_null(other);
			assert_true(other < &cases[i]);
			for (unsigned c = 0; c < BENCH_CONTENDERS; c++)
				assert_true(!bench_case_applies(&cases[i], c) ||
					    bench_case_applies(other, c));
		}
	}
}

static void a_sibling_is_about_the_same_load_contender_and_round(void **state)
{
	(void)state;
	struct bench_report *report = report_new();
	unsigned i = find(report, BENCH_LOSSFREE);
	unsigned overload = (unsigned)(bench_case_sibling(report->cases, report->n_cases,
							  &report->cases[i], BENCH_RATE) -
				       report->cases);
	put(report, overload, BENCH_C, (double[]){3, 5, 7});
	assert_true(near(
		bench_report_sibling(report, &report->cases[i], BENCH_RATE, BENCH_C, 1)->value, 5));
	assert_false(
		bench_report_sibling(report, &report->cases[i], BENCH_RATE, BENCH_CACHE, 1)->valid);
	assert_null(bench_report_sibling(report, &report->cases[i], BENCH_TCP, BENCH_C, 1));
	report_free(report);
}

/* Each value that the table names is described for its rows, and no other is. */
static void the_schema_has_a_form_for_each_measure(void **state)
{
	(void)state;
	json_t *schema = bench_schema();
	assert_non_null(schema);
	const json_t *samples = json_object_get(json_object_get(schema, "properties"), "samples");
	const json_t *forms = json_object_get(json_object_get(samples, "items"), "anyOf");
	assert_int_equal(json_array_size(forms), BENCH_MEASURES);
	for (unsigned m = 0; m < BENCH_MEASURES; m++) {
		const json_t *form = json_array_get(forms, m);
		const json_t *properties = json_object_get(form, "properties");
		const json_t *measure = json_object_get(properties, "measure");
		unsigned n =
			8; /* measure, path, contender, unit, frame_bytes, flows; round, value */
		assert_string_equal(json_string_value(json_object_get(measure, "const")),
				    bench_quantity(m)->name);
		for (unsigned i = 0; i < BENCH_MORE && bench_quantity(m)->more[i].key; i++, n++)
			assert_non_null(
				json_object_get(properties, bench_quantity(m)->more[i].key));
		assert_int_equal(json_object_size(properties), n);
	}
	json_decref(schema);
}

static void percentiles_are_times_that_were_measured(void **state)
{
	(void)state;
	struct bench_latency latency;
	uint64_t times_ns[100];
	for (unsigned i = 0; i < 100; i++)
		times_ns[i] = (100 - i) * NS_PER_US;
	bench_latency_of(times_ns, 100, &latency);
	assert_true(near(latency.p50_us, 50) && near(latency.p90_us, 90));
	assert_true(near(latency.p99_us, 99) && near(latency.p999_us, 99));
	bench_latency_of(times_ns, 1, &latency);
	assert_true(near(latency.p50_us, 1) && near(latency.p99_us, 1));
	bench_latency_of(times_ns, 0, &latency);
	assert_true(near(latency.p50_us, 0) && latency.n == 0);
}

static void what_is_left_follows_how_it_went(void **state)
{
	(void)state;
	struct bench_progress progress = {.expected_s = 100};
	assert_true(near(bench_progress_left_s(&progress, 50), 100)); /* nothing to go by yet */
	bench_progress_done(&progress, 20);
	assert_true(near(bench_progress_left_s(&progress, 40), 160));
	bench_progress_done(&progress, 90);
	assert_true(near(bench_progress_left_s(&progress, 130), 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ratio_is_taken_within_each_round),
		cmocka_unit_test(a_round_that_failed_counts_for_nobody),
		cmocka_unit_test(every_case_has_a_row_for_each_contender_it_applies_to),
		cmocka_unit_test(the_full_list_holds_what_the_quick_one_holds),
		cmocka_unit_test(what_a_case_builds_on_comes_before_it),
		cmocka_unit_test(a_sibling_is_about_the_same_load_contender_and_round),
		cmocka_unit_test(the_schema_has_a_form_for_each_measure),
		cmocka_unit_test(percentiles_are_times_that_were_measured),
		cmocka_unit_test(what_is_left_follows_how_it_went),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
