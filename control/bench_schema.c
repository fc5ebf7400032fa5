/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_schema - the documentation of the JSON, and what tests hold it against. The rows of
 * figures and samples have one form for each measure, made from bench_measure's table, so that
 * neither can change alone. Every member is named; there are no others.
 */
#include "bench_schema.h"
#include "bench_lab.h"
#include "bench_measure.h"

/* A member of an object, and whether it must be there. */
static void put(json_t *object, bool required, const char *key, json_t *form)
{
	json_object_set_new(json_object_get(object, "properties"), key, form);
	if (required)
		json_array_append_new(json_object_get(object, "required"), json_string(key));
}

static json_t *form_new(const char *type, const char *about)
{
	return json_pack("{ss ss}", "type", type, "description", about);
}

static json_t *number(const char *about)
{
	json_t *form = form_new("number", about);

	json_object_set_new(form, "minimum", json_integer(0));
	return form;
}

static json_t *integer(int minimum, const char *about)
{
	json_t *form = form_new("integer", about);

	json_object_set_new(form, "minimum", json_integer(minimum));
	return form;
}

static json_t *constant(const char *text)
{
	return json_pack("{ss}", "const", text);
}

static json_t *object_new(const char *about)
{
	return json_pack("{ss ss s{} s[] sb}", "type", "object", "description", about, "properties",
			 "required", "additionalProperties", 0);
}

static json_t *paths(void)
{
	json_t *names = json_array();

	for (unsigned path = 0; path < BENCH_PATHS; path++)
		json_array_append_new(names, json_string(bench_path_name(path)));
	return json_pack("{so ss}", "enum", names, "description",
			 "translated: masquerade, from one subnet to another");
}

static json_t *contenders(void)
{
	json_t *names = json_array();

	for (unsigned c = 0; c < BENCH_CONTENDERS; c++)
		json_array_append_new(names, json_string(bench_contender_name(c)));
	return json_pack("{so ss}", "enum", names, "description",
			 "generator: all frames made, counted where a router would take them; "
			 "redirect: bare XDP, the ceiling; kernel: its router, bridge or nft "
			 "masquerade; tsuji-socket, tsuji-burst: tsuji by that lane, every packet "
			 "through C; tsuji-c: as shipped, but the flow cache is off; "
			 "tsuji-flow-cache: as shipped, with GRO at the hosts, as `lab up` sets it");
}

/* What a row is about. */
static json_t *row_new(const struct bench_quantity *quantity)
{
	json_t *row = object_new(quantity->value.about);

	put(row, true, "measure", constant(quantity->name));
	put(row, true, "path", paths());
	put(row, true, "contender", contenders());
	put(row, true, "unit", constant(quantity->unit));
	put(row, false, "frame_bytes",
	    integer(BENCH_FRAME_MIN, "without the frame check sequence; of tcp: missing"));
	put(row, false, "flows", integer(1, "of sessions: missing, each frame is a new one"));
	return row;
}

static void put_more(json_t *row, const struct bench_quantity *quantity, bool required)
{
	for (unsigned i = 0; i < BENCH_MORE; i++)
		if (quantity->more[i].key)
			put(row, required, quantity->more[i].key, number(quantity->more[i].about));
}

static json_t *figure_of(const struct bench_quantity *quantity)
{
	json_t *row = row_new(quantity);

	put(row, true, "rounds", integer(0, "measured; 0: it failed, and nothing follows"));
	put(row, false, "min", number("over the rounds"));
	put(row, false, "median", number("over the rounds"));
	put(row, false, "max", number("over the rounds"));
	put(row, false, "ratio_to_kernel",
	    number("the median of the ratios within each round; of round trips, more is worse"));
	put(row, false, "ratio_to_redirect", number("the same to the bare XDP redirect"));
	put_more(row, quantity, false);
	return row;
}

static json_t *sample_of(const struct bench_quantity *quantity)
{
	json_t *row = row_new(quantity);

	put(row, true, "round", integer(1, "counted from 1"));
	put(row, true, "value", number(quantity->value.about));
	put_more(row, quantity, true);
	return row;
}

static json_t *rows(const char *about, json_t *(*row_of)(const struct bench_quantity *))
{
	json_t *forms = json_array();

	for (unsigned measure = 0; measure < BENCH_MEASURES; measure++)
		json_array_append_new(forms, row_of(bench_quantity(measure)));
	return json_pack("{ss ss s{so}}", "type", "array", "description", about, "items", "anyOf",
			 forms);
}

static json_t *machine(void)
{
	json_t *object = object_new("what it ran on");

	put(object, true, "kernel", form_new("string", "release"));
	put(object, true, "cpu", form_new("string", "model"));
	put(object, true, "cpus", integer(1, "that could be used"));
	put(object, true, "generator_cpu", integer(0, "makes frames; the hosts' programs too"));
	put(object, true, "worker_cpu", integer(0, "tsuji's, while packets are counted"));
	put(object, true, "load_before", number("the load average of the minute before it began"));
	return object;
}

static json_t *settings(void)
{
	json_t *object = object_new("how it was measured");

	put(object, true, "quick", form_new("boolean", "the essential only"));
	put(object, true, "rounds", integer(1, "contenders take turns in each"));
	put(object, true, "seconds", number("of one measurement"));
	put(object, true, "generator",
	    json_pack("{s[ss] ss}", "enum", bench_source_name(BENCH_LIVE_FRAMES),
		      bench_source_name(BENCH_PKTGEN), "description",
		      "an XDP program run by BPF_PROG_RUN, or the kernel's pktgen"));
	put(object, true, "trial_s", number("of one trial of a loss-free rate"));
	put(object, true, "trial_tries",
	    integer(1, "trials in a row that must lose frames to count as a loss; 0 are allowed"));
	put(object, true, "trial_resolution", number("of the rate under overload"));
	return object;
}

json_t *bench_schema(void)
{
	json_t *object = object_new("what `tsuji bench -o FILE` writes; -j prints the figures");

	json_object_set_new(object, "$schema",
			    json_string("https://json-schema.org/draft/2020-12/schema"));
	put(object, true, "schema", json_pack("{si}", "const", BENCH_SCHEMA));
	put(object, true, "began", form_new("string", "when, UTC: 2026-01-31T12:00:00Z"));
	put(object, true, "took_s", number("all of it"));
	put(object, true, "machine", machine());
	put(object, true, "settings", settings());
	put(object, true, "figures", rows("one for each case and contender", figure_of));
	put(object, true, "samples", rows("one for each measurement", sample_of));
	return object;
}
