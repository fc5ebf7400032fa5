/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lab_check - runs a lab file's checks and marks them.
 *
 * A check passes when its command ended in time, with status 0 (or, where it is meant to
 * fail, with another), and its stdout holds what is expected. A command that had to be
 * killed has not failed as it was meant to; it is a FAIL either way. What a command
 * leaves behind in the background ends with it.
 */
#include "lab.h"
#include "lab_state.h"
#include "process.h"

#include <stdlib.h>

#define GOT_LINES 5 /* of the output of a failed check */

static bool passed(const struct lab_check *check, const struct process_result *result)
{
	if (result->timed_out || result->interrupted || (result->status != 0) != check->fails)
		return false;
	return !check->expect || (result->out.text && strstr(result->out.text, check->expect));
}

static void expectation(const struct lab_check *check, const struct process_result *result,
			char *buf, size_t size)
{
	char status[48];
	if (result->timed_out)
		snprintf(status, sizeof(status), "an end within %u s", check->timeout_s);
	else
		snprintf(status, sizeof(status), "%s, not %d",
			 check->fails ? "a failure" : "status 0", result->status);
	bool status_right = !result->timed_out && (result->status != 0) == check->fails;
	if (check->expect && status_right)
		snprintf(buf, size, "\"%s\"", check->expect);
	else if (check->expect)
		snprintf(buf, size, "%s, and \"%s\"", status, check->expect);
	else
		snprintf(buf, size, "%s", status);
}

/* The last lines of text, indented. */
static void print_last_lines(const char *text)
{
	const char *from = text + strlen(text);
	for (unsigned lines = 0; from > text; from--)
		if (from[-1] == '\n' && from[0] && ++lines == GOT_LINES)
			break;
	while (*from) {
		size_t len = strcspn(from, "\n");
		if (len)
			printf("    %.*s\n", (int)len, from);
		from += len + (from[len] == '\n');
	}
}

static void print_result(const struct lab *lab, unsigned number,
			 const struct process_result *result, bool ok)
{
	const struct lab_check *check = &lab->checks[number];
	const char *node = lab->nodes[check->node].name;
	char expected[256];
	if (ok) {
		printf("ok %u %s: %s (%.1f s)\n", number + 1, node, check->run,
		       (double)result->took_ms / 1000);
		return;
	}
	if (result->interrupted) {
		printf("FAIL %u %s: %s: interrupted\n", number + 1, node, check->run);
		return;
	}
	expectation(check, result, expected, sizeof(expected));
	printf("FAIL %u %s: %s: expected %s, got:\n", number + 1, node, check->run, expected);
	if (result->out.text)
		print_last_lines(result->out.text);
	if (result->err.text)
		print_last_lines(result->err.text);
	if (!result->out.text && !result->err.text)
		printf("    no output, status %d\n", result->status);
}

/* Output may hold bytes that are no UTF-8, which JSON cannot: those become '?'. */
static json_t *json_text(const struct process_output *output)
{
	json_t *value = json_stringn(output->text ? output->text : "", output->len);
	if (value)
		return value;
	for (size_t i = 0; i < output->len; i++)
		if ((unsigned char)output->text[i] >= 0x80)
			output->text[i] = '?';
	return json_stringn(output->text, output->len);
}

static json_t *row(const struct lab *lab, unsigned number, const struct process_result *result,
		   bool ok)
{
	const struct lab_check *check = &lab->checks[number];
	return json_pack("{s:i, s:s, s:s, s:s, s:b, s:b, s:i, s:b, s:I, s:o, s:o}",
			 "number", (int)number + 1,
			 "node", lab->nodes[check->node].name,
			 "run", check->run,
			 "expect", check->expect ? check->expect : "",
			 "passed", ok,
			 "fails", check->fails,
			 "status", result->status,
			 "timed_out", result->timed_out,
			 "took_ms", (json_int_t)result->took_ms,
			 "stdout", json_text(&result->out),
			 "stderr", json_text(&result->err));
}

static bool run_check(const struct lab *lab, unsigned number, const struct lab_options *options,
		      json_t *rows)
{
	const struct lab_check *check = &lab->checks[number];
	char *netns = lab_netns(lab, check->node);
	char *argv[] = {"sh", "-c", check->run, NULL};
	struct process_options process_options = {.netns = netns};
	struct process_result result;
	int error = process_run(argv, &process_options, check->timeout_s * 1000, options->stop_fd,
				&result);
	if (error)
		fprintf(stderr, "tsuji: check %u cannot run in %s: %s\n", number + 1, netns,
			strerror(-error));
	bool ok = !error && passed(check, &result);
	if (rows)
		json_array_append_new(rows, row(lab, number, &result, ok));
	else if (!error)
		print_result(lab, number, &result, ok);
	fflush(stdout);
	process_result_fini(&result);
	free(netns);
	return ok;
}

static bool is_up(const char *name)
{
	struct lab_state state;
	bool up = !lab_state_peek(&state, name);
	lab_state_close(&state);
	return up;
}

static unsigned run_checks(const struct lab *lab, const struct lab_options *options, json_t *rows)
{
	unsigned n_passed = 0;
	for (unsigned i = 0; i < lab->n_checks && !process_interrupted(options->stop_fd); i++)
		n_passed += run_check(lab, i, options, rows);
	return n_passed;
}

int lab_check(const struct lab *lab, const struct lab_options *options, bool json)
{
	int code = lab_need_privilege("lab check");
	bool ours = !code && !is_up(lab->name);
	struct lab_options quiet = *options;
	quiet.quiet = true;
	if (!code && ours)
		code = lab_up(lab, &quiet);
	if (code)
		return code;
	json_t *rows = json ? json_array() : NULL;
	unsigned n_passed = run_checks(lab, options, rows);
	if (ours)
		code = lab_down(lab->name, true);
	if (json) {
		json_dumpf(rows, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(rows);
	} else {
		printf("%u passed, %u failed\n", n_passed, lab->n_checks - n_passed);
	}
	return code || n_passed < lab->n_checks;
}
