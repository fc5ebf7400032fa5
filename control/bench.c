/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench - the command, and the order of the measurements.
 *
 * The labs of all contenders for a path stand side by side, idle but for the one that is
 * measured, so that contenders take turns within seconds: a noisy machine is noisy to all of
 * them. Each round builds new ones, and begins with the next contender.
 *
 * Whatever happens, the labs are taken down: interrupts are a descriptor that each wait
 * watches, and there is one way out.
 */
#include "bench.h"
#include "bench_progress.h"
#include "bench_report.h"
#include "bench_schema.h"
#include "bench_turn.h"
#include "lab.h"
#include "pktgen.h"
#include "probe.h"
#include "table.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROUNDS		3
#define SECONDS		0.4
#define SECONDS_MIN	0.02
#define SECONDS_MAX	600.0
#define SECONDS_QUICK	0.2
#define LAB_COST_S	0.6	   /* building one and taking it down */
#define PROBED_POOL	(32 << 20) /* bytes: the frames of one tsuji as shipped */
#define TOOL_TIMEOUT_MS 5000

struct bench_options {
	bool quick;
	bool schema;
	bool any_source;
	enum bench_source source; /* unless any_source */
	double seconds;
	const char *file; /* NULL: none */
};

struct bench {
	struct bench_report report;
	struct bench_progress progress;
	struct bench_bpf *programs;
	char directory[32]; /* for router files */
	int stop_fd;
	bool failed; /* some measurement */
	struct bench_lab labs[BENCH_CONTENDERS];
};

/* -- all of them -- */

/* Says what failed, unless the user did not want it to go on. */
static void complain(struct bench *bench, const char *what, const char *title,
		     const struct refusal *why)
{
	bench->failed = true;
	bench_progress_clear(&bench->progress);
	if (!process_interrupted(bench->stop_fd))
		fprintf(stderr, "tsuji: %s, %s: %s\n", what, title, why->text);
}

static bool needs(const struct bench *bench, enum bench_path path, enum bench_contender contender)
{
	return bench_path_needs(bench->report.cases, bench->report.n_cases, path, contender);
}

static int build_labs(struct bench *bench, enum bench_path path)
{
	const struct bench_cpus *cpus = &bench->report.settings.cpus;
	struct refusal why;

	for (unsigned c = 0; c < BENCH_CONTENDERS; c++) {
		const struct bench_place place = {.path = path,
						  .contender = c,
						  .directory = bench->directory,
						  .cpus = cpus,
						  .source = bench->report.settings.source,
						  .programs = bench->programs,
						  .stop_fd = bench->stop_fd};
		if (!needs(bench, path, c))
			continue;
		const char *title = bench_contender_title(c, path);
		bench_progress_say(&bench->progress, "%s: building the lab of %s",
				   bench_path_name(path), title);
		if (bench_lab_up(&bench->labs[c], &place, &why)) {
			complain(bench, bench_path_name(path), title, &why);
			return 1;
		}
		bench_progress_done(&bench->progress, LAB_COST_S);
	}
	return 0;
}

/* Nonzero: interrupted. A measurement that fails is told, and the others go on. */
static int measure_case(struct bench *bench, unsigned index, unsigned round)
{
	const struct bench_report *report = &bench->report;
	const struct bench_case *c = &report->cases[index];
	struct refusal why;
	char what[128];

	bench_case_title(c, what, sizeof(what));
	for (unsigned i = 0; i < BENCH_CONTENDERS; i++) {
		unsigned contender = (i + round) % BENCH_CONTENDERS;
		const char *title = bench_contender_title(contender, c->path);
		if (!bench_case_applies(c, contender))
			continue;
		bench_progress_say(&bench->progress, "round %u of %u: %s: %s", round + 1,
				   report->settings.rounds, what, title);
		const struct bench_turn turn = {report, index, contender, round,
						&bench->labs[contender]};
		if (bench_turn(&turn, bench_report_sample(report, index, contender, round), &why))
			complain(bench, what, title, &why);
		if (process_interrupted(bench->stop_fd))
			return 1;
		bench_progress_done(&bench->progress,
				    bench_case_cost_s(c, report->settings.seconds));
	}
	return 0;
}

static int measure_path(struct bench *bench, enum bench_path path, unsigned round)
{
	int code = build_labs(bench, path);

	for (unsigned i = 0; i < bench->report.n_cases && !code; i++)
		if (bench->report.cases[i].path == path)
			code = measure_case(bench, i, round);
	for (unsigned c = 0; c < BENCH_CONTENDERS; c++)
		bench_lab_down(&bench->labs[c]);
	return code;
}

static double expected_s(const struct bench *bench)
{
	const struct bench_report *report = &bench->report;
	double sum = 0;

	for (unsigned c = 0; c < BENCH_CONTENDERS; c++) {
		for (unsigned path = 0; path < BENCH_PATHS; path++)
			if (needs(bench, path, c))
				sum += LAB_COST_S;
		for (unsigned i = 0; i < report->n_cases; i++)
			if (bench_case_applies(&report->cases[i], c))
				sum += bench_case_cost_s(&report->cases[i],
							 report->settings.seconds);
	}
	return sum * report->settings.rounds;
}

static int measure_all(struct bench *bench)
{
	int code = 0;

	bench_progress_begin(&bench->progress, expected_s(bench));
	for (unsigned round = 0; round < bench->report.settings.rounds && !code; round++)
		for (unsigned path = 0; path < BENCH_PATHS && !code; path++)
			code = measure_path(bench, path, round);
	bench->report.took_s = (double)(process_now_ms() - bench->progress.began_ms) / 1e3;
	bench_progress_clear(&bench->progress);
	if (process_interrupted(bench->stop_fd))
		fprintf(stderr, "tsuji: interrupted; the labs are removed\n");
	return code;
}

/* -- what is needed -- */

static int need_tool(char *tool, char *version, const char *package)
{
	char *argv[] = {tool, version, NULL};
	struct process_options options = {0};
	struct process_result result;
	int error = process_run(argv, &options, TOOL_TIMEOUT_MS, -1, &result);

	process_result_fini(&result);
	if (!error)
		return 0;
	fprintf(stderr, "tsuji: bench needs %s: %s; apt-get install %s\n", tool, strerror(-error),
		package);
	return REFUSED_MACHINE;
}

static int need_all(void)
{
	struct refusal why;
	int code = lab_need_privilege("bench");

	if (!code && probe_machine(PROBED_POOL, &why)) {
		fprintf(stderr, "tsuji: %s\n", why.text);
		code = why.status;
	}
	code = code ? code : need_tool("ip", "-V", "iproute2");
	code = code ? code : need_tool("ethtool", "--version", "ethtool");
	code = code ? code : need_tool("nft", "--version", "nftables");
	return code ? code : need_tool("iperf3", "--version", "iperf3");
}

/* The kernel's own generator where there is one: its figures are the easiest to compare. */
static int choose_source(struct bench_options *options)
{
	if (options->any_source)
		options->source = pktgen_exists() ? BENCH_PKTGEN : BENCH_LIVE_FRAMES;
	if (options->source != BENCH_PKTGEN || pktgen_exists())
		return 0;
	fprintf(stderr, "tsuji: this kernel has no pktgen, or it is not loaded\n"
			"hint: modprobe pktgen; or --generator xdp\n");
	return REFUSED_MACHINE;
}

/* -- the command -- */

static int usage(const char *complaint)
{
	fprintf(stderr,
		"tsuji: %s\nhint: tsuji bench [--quick] [--seconds S] [--generator xdp|pktgen] [-o "
		"FILE]\n",
		complaint);
	return REFUSED_CONFIG;
}

static bool read_seconds(const char *text, double *seconds)
{
	char *end;

	*seconds = text ? strtod(text, &end) : 0;
	return text && end != text && !*end && *seconds >= SECONDS_MIN && *seconds <= SECONDS_MAX;
}

static bool read_source(const char *text, struct bench_options *options)
{
	options->any_source = false;
	options->source = text && !strcmp(text, "pktgen") ? BENCH_PKTGEN : BENCH_LIVE_FRAMES;
	return options->source == BENCH_PKTGEN || (text && !strcmp(text, "xdp"));
}

static int read_options(int argc, char **argv, struct bench_options *options)
{
	*options = (struct bench_options){.any_source = true};
	for (int i = 1; i < argc; i++) {
		const char *next = argv[i + 1]; /* NULL after the last */
		if (!strcmp(argv[i], "--quick")) {
			options->quick = true;
		} else if (!strcmp(argv[i], "--schema")) {
			options->schema = true;
		} else if (!strcmp(argv[i], "--seconds")) {
			i++;
			if (!read_seconds(next, &options->seconds))
				return usage("--seconds wants a number from 0.02 to 600");
		} else if (!strcmp(argv[i], "--generator")) {
			i++;
			if (!read_source(next, options))
				return usage("--generator wants xdp or pktgen");
		} else if (!strcmp(argv[i], "-o") && next && !options->file) {
			options->file = next;
			i++;
		} else {
			return usage("bench takes --quick, --seconds, --generator, --schema and "
				     "one -o FILE");
		}
	}
	if (options->seconds <= 0)
		options->seconds = options->quick ? SECONDS_QUICK : SECONDS;
	return 0;
}

static int print_schema(void)
{
	json_t *schema = bench_schema();
	int code = schema && !json_dumpf(schema, stdout, JSON_INDENT(1)) ? 0 : REFUSED_FAILED;

	putchar('\n');
	json_decref(schema);
	return code;
}

/* Opened before minutes are spent, emptied only when there is something to write. */
static int open_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0)
		fprintf(stderr, "tsuji: cannot write %s: %s\n", path, strerror(errno));
	return fd;
}

static int write_file(int fd, const char *path, const struct bench_report *report)
{
	FILE *file = ftruncate(fd, 0) && errno != EINVAL ? NULL : fdopen(fd, "w");
	json_t *json = bench_report_json(report);
	bool ok = file && json &&
		  !json_dumpf(json, file, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) &&
		  fputc('\n', file) != EOF;

	if (file ? fclose(file) : close(fd))
		ok = false;
	if (!ok)
		fprintf(stderr, "tsuji: writing %s: %s\n", path, strerror(errno));
	json_decref(json);
	return ok ? 0 : REFUSED_FAILED;
}

/* A file that was only opened is not left behind empty. */
static void drop_file(int fd, const char *path)
{
	struct stat st;

	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && !st.st_size)
		unlink(path);
	close(fd);
}

static void tell(const struct bench_report *report, bool json)
{
	if (!json) {
		bench_report_print(report, stdout);
		return;
	}
	json_t *figures = bench_report_figures(report);
	table_json(stdout, figures);
	json_decref(figures);
}

/* In a directory that is there. */
static int run(struct bench *bench, const struct bench_options *options, bool json)
{
	struct refusal why;
	int fd = -1, code;

	if (options->file && (fd = open_file(options->file)) < 0)
		return REFUSED_CONFIG;
	bench->programs = bench_programs_open(&why);
	if (!bench->programs)
		fprintf(stderr, "tsuji: %s\n", why.text);
	code = bench->programs && !measure_all(bench) ? 0 : REFUSED_FAILED;
	bench_programs_close(bench->programs);
	if (!code)
		tell(&bench->report, json);
	if (!code && fd >= 0)
		code = write_file(fd, options->file, &bench->report);
	else if (fd >= 0)
		drop_file(fd, options->file);
	return bench->failed ? REFUSED_FAILED : code;
}

int bench_main(int argc, char **argv, bool json)
{
	struct bench_options options;
	struct bench bench = {.directory = "/tmp/tsuji-bench-XXXXXX"};
	int code = read_options(argc, argv, &options);

	signal(SIGPIPE, SIG_IGN); /* a reader that goes away must not leave labs behind */
	if (!code && options.schema)
		return print_schema();
	code = code ? code : need_all();
	code = code ? code : choose_source(&options);
	if (code)
		return code;
	struct bench_settings settings = {.quick = options.quick,
					  .source = options.source,
					  .seconds = options.seconds,
					  .rounds = options.quick ? 1 : ROUNDS};
	if (bench_cpus_find(&settings.cpus) || bench_report_init(&bench.report, &settings) ||
	    (bench.stop_fd = process_interrupts()) < 0 || !mkdtemp(bench.directory)) {
		fprintf(stderr, "tsuji: bench: %s\n", strerror(errno));
		bench_report_fini(&bench.report);
		return REFUSED_FAILED;
	}
	code = run(&bench, &options, json);
	rmdir(bench.directory);
	close(bench.stop_fd);
	bench_report_fini(&bench.report);
	return code;
}
