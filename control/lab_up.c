/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lab_up - builds a lab: the record first, then namespaces and links (lab_plan.c), then
 * the routers, and when they forward, what the nodes start. Whatever fails or interrupts
 * it on the way, lab_down() is what undoes it: there is one way down.
 *
 * What is started here outlives us, in sessions of its own, with output to log files in
 * the lab's directory and the lab's mark in its environment.
 */
#include "lab.h"
#include "lab_plan.h"
#include "lab_state.h"
#include "process.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_TIMEOUT_MS 20000 /* a million routes load in seconds; more means it hangs */
#define READY_POLL_MS 5
#define LOG_TAIL_LINES 12
#define START_GRACE_MS 50 /* long enough to see that a command was mistyped */

static int refuse_existing(const struct lab *lab)
{
	int code = 0;
	for (unsigned i = 0; i < lab->n_nodes; i++) {
		char *netns = lab_netns(lab, i);
		if (process_named_netns(netns)) {
			fprintf(stderr,
				"tsuji: namespace %s exists already and is not of this lab's "
				"making; "
				"`ip netns delete %s` if nobody needs it\n",
				netns, netns);
			code = 1;
		}
		free(netns);
	}
	return code;
}

static int explain(const struct lab *lab, const struct lab_options *options, int error)
{
	struct lab_state state;
	switch (error) {
	case LAB_STATE_EXISTS:
		if (!lab_state_peek(&state, lab->name) &&
		    json_is_true(json_object_get(state.root, "complete")))
			fprintf(stderr,
				"tsuji: lab %s is up already; `tsuji lab down %s` takes it down\n",
				lab->name, options->file);
		else
			fprintf(stderr,
				"tsuji: an earlier `lab up` of %s is under way or did not finish; "
				"`tsuji lab down %s` clears it away\n",
				lab->name, lab->name);
		lab_state_close(&state);
		break;
	case LAB_STATE_BUSY:
		fprintf(stderr, "tsuji: another tsuji is at work on lab %s\n", lab->name);
		break;
	default:
		fprintf(stderr, "tsuji: cannot keep the lab's state in %s: %s\n", LAB_STATE_ROOT,
			strerror(errno));
	}
	return 1;
}

/* The last lines of a log, indented. */
static void print_tail(const char *path)
{
	FILE *file = fopen(path, "re");
	char *lines[LOG_TAIL_LINES] = {NULL}, *line = NULL;
	size_t size = 0, n = 0;
	if (!file)
		return;
	for (; getline(&line, &size, file) >= 0; n++) {
		free(lines[n % LOG_TAIL_LINES]);
		lines[n % LOG_TAIL_LINES] = strdup(line);
	}
	for (size_t i = 0; i < LOG_TAIL_LINES; i++) {
		char *next = lines[(n + i) % LOG_TAIL_LINES];
		if (next)
			fprintf(stderr, "    %.*s\n", (int)strcspn(next, "\n"), next);
		free(next);
	}
	free(line);
	fclose(file);
}

static int write_router_file(const struct lab_state *state, const struct lab_node *node)
{
	char *path = lab_state_path(state, node->name, ".yaml");
	FILE *file = path ? fopen(path, "we") : NULL;
	bool failed = !file || fputs(node->router_text, file) < 0;
	if (file && fclose(file))
		failed = true;
	if (failed)
		fprintf(stderr, "tsuji: cannot write %s: %s\n", path, strerror(errno));
	free(path);
	return failed;
}

static int start_router(struct lab_state *state, const struct lab *lab, unsigned index)
{
	const struct lab_node *node = &lab->nodes[index];
	char self[PATH_MAX] = "";
	if (write_router_file(state, node) ||
	    readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return 1;
	char *path = lab_state_path(state, node->name, ".yaml"),
	     *log = lab_state_path(state, node->name, ".log");
	char *netns = lab_netns(lab, index), *mark = lab_state_mark(state);
	char *argv[] = {self, "run", "-c", path, "-n", netns, NULL};
	struct process_options options = {.mark = mark, .log = log};
	pid_t pid = process_start(argv, &options);
	if (pid > 0) {
		lab_state_note_process(state, node->name, "tsuji run", true, pid);
		lab_state_save(state);
	} else {
		fprintf(stderr, "tsuji: cannot start the router of %s: %s\n", node->name,
			strerror(-pid));
	}
	free(mark);
	free(netns);
	free(log);
	free(path);
	return pid < 0;
}

static bool log_says_ready(const char *path)
{
	FILE *file = fopen(path, "re");
	char line[256];
	bool ready = false;
	while (file && !ready && fgets(line, sizeof(line), file))
		ready = !strcmp(line, "ready\n");
	if (file)
		fclose(file);
	return ready;
}

static const char *trade(const struct config *router)
{
	for (unsigned i = 0; i < router->n_ports; i++)
		if (router->ports[i].n_addresses)
			return "routes";
	for (unsigned i = 0; i < router->n_bridges; i++)
		if (router->bridges[i].n_addresses)
			return "routes";
	return router->n_bridges ? "bridges" : "routes";
}

/* Waits for one router's `ready`; the others get there meanwhile. */
static int await_router(const struct lab_state *state, const struct lab_node *node,
			const struct lab_options *options, uint64_t deadline_ms)
{
	char *log = lab_state_path(state, node->name, ".log");
	const char *why = NULL;
	while (!log_says_ready(log)) {
		if (process_interrupted(options->stop_fd))
			why = "interrupted";
		else if (!lab_state_router(state, node->name))
			why = "it ended at once";
		else if (process_now_ms() > deadline_ms)
			why = "not ready after 20 seconds";
		if (why)
			break;
		process_sleep_ms(READY_POLL_MS);
	}
	if (why && !process_interrupted(options->stop_fd)) {
		fprintf(stderr, "tsuji: the router of %s: %s; the end of its log:\n", node->name,
			why);
		print_tail(log);
	}
	if (!why && !options->quiet)
		printf("%s: tsuji %s, pid %d\n", node->name, trade(node->router),
		       (int)lab_state_router(state, node->name));
	free(log);
	return why != NULL;
}

static int start_routers(struct lab_state *state, const struct lab *lab,
			 const struct lab_options *options)
{
	uint64_t deadline_ms = process_now_ms() + READY_TIMEOUT_MS;
	for (unsigned i = 0; i < lab->n_nodes; i++)
		if (lab->nodes[i].router && start_router(state, lab, i))
			return 1;
	for (unsigned i = 0; i < lab->n_nodes; i++)
		if (lab->nodes[i].router &&
		    await_router(state, &lab->nodes[i], options, deadline_ms))
			return 1;
	return 0;
}

static int start_command(struct lab_state *state, const struct lab *lab, unsigned index,
			 unsigned number, bool quiet)
{
	const struct lab_node *node = &lab->nodes[index];
	char suffix[16];
	snprintf(suffix, sizeof(suffix), "-%u.log", number + 1);
	char *log = lab_state_path(state, node->name, suffix);
	char *netns = lab_netns(lab, index), *mark = lab_state_mark(state);
	char *argv[] = {"sh", "-c", node->start[number], NULL};
	struct process_options options = {.netns = netns, .mark = mark, .log = log};
	pid_t pid = process_start(argv, &options);
	if (pid > 0) {
		lab_state_note_process(state, node->name, node->start[number], false, pid);
		if (!quiet)
			printf("%s: started %s\n", node->name, node->start[number]);
	} else {
		fprintf(stderr, "tsuji: %s: cannot start %s: %s\n", node->name, node->start[number],
			strerror(-pid));
	}
	free(mark);
	free(netns);
	free(log);
	return pid < 0;
}

/* A start command that failed at once is worth a word; it may also have been meant to. */
static void warn_of_failed_starts(const struct lab_state *state)
{
	size_t i;
	json_t *process;
	process_sleep_ms(START_GRACE_MS);
	json_array_foreach(json_object_get(state->root, "processes"), i, process) {
		int status;
		pid_t pid = (pid_t)json_integer_value(json_object_get(process, "pid"));
		if (waitpid(pid, &status, WNOHANG) != pid || status == 0)
			continue;
		fprintf(stderr, "tsuji: warning: %s: \"%s\" failed at once; its output is in %s\n",
			json_string_value(json_object_get(process, "node")),
			json_string_value(json_object_get(process, "command")), state->directory);
	}
}

static int start_commands(struct lab_state *state, const struct lab *lab,
			  const struct lab_options *options)
{
	bool any = false;
	for (unsigned i = 0; i < lab->n_nodes; i++) {
		for (unsigned k = 0; k < lab->nodes[i].n_start; k++) {
			any = true;
			if (start_command(state, lab, i, k, options->quiet) ||
			    lab_state_save(state) || process_interrupted(options->stop_fd))
				return 1;
		}
	}
	if (any)
		warn_of_failed_starts(state);
	return 0;
}

/* Which hosts' ends have been given GRO, in one line. */
static void print_plan(const struct lab *lab, const struct plan *plan)
{
	bool any = false;
	printf("%s: %u namespaces, %u links\n", lab->name, lab->n_nodes, lab->n_links);
	for (size_t i = 0; i < plan->n_steps; i++) {
		if (plan->steps[i].tool != PLAN_ETHTOOL)
			continue;
		char name[CONFIG_NAME_SIZE] = "";
		sscanf(plan->steps[i].text, "-K %15s", name);
		printf("%s%s:%s", any ? ", " : "GRO on at ",
		       plan->steps[i].netns + strlen(lab->name) + 1, name);
		any = true;
	}
	if (any)
		printf(" (the fast lanes need it)\n");
}

static int build(struct lab_state *state, const struct lab *lab, const struct lab_options *options)
{
	struct plan *plan = plan_new(lab);
	int code = plan ? plan_run(plan, options->stop_fd) : 1;
	lab_state_note_namespaces(state);
	if (!code && lab_state_save(state))
		code = 1;
	if (!code && !options->quiet)
		print_plan(lab, plan);
	plan_free(plan);
	if (!code && (start_routers(state, lab, options) || start_commands(state, lab, options)))
		code = 1;
	if (!code) {
		json_object_set_new(state->root, "complete", json_true());
		code = lab_state_save(state) ? 1 : 0;
	}
	return code;
}

int lab_up(const struct lab *lab, const struct lab_options *options)
{
	struct lab_state state;
	int code = lab_need_privilege("lab up");
	if (code)
		return code;
	int error = lab_state_new(&state, lab, options->file);
	if (error) {
		code = explain(lab, options, error);
		lab_state_close(&state);
		return code;
	}
	if (refuse_existing(lab)) {
		lab_state_remove(&state);
		lab_state_close(&state);
		return 1;
	}
	code = build(&state, lab, options);
	if (code)
		lab_state_save(&state);
	lab_state_close(&state);
	if (code) {
		if (process_interrupted(options->stop_fd))
			fprintf(stderr, "tsuji: interrupted; what was built of %s is taken down\n",
				lab->name);
		lab_down(lab->name, true);
	}
	return code;
}
