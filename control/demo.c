/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * demo - the first thing a new user runs: two subnets with a router between them, what
 * that router does, and one packet followed through it.
 *
 * Every step says what it runs, shows the output and looks for what must be in it. The
 * lab is taken down whatever happened, Ctrl-C included.
 */
#include "demo.h"
#include "lab.h"
#include "process.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#define LAB "tsuji-demo"
#define STEP_TIMEOUT_MS 6000 /* all steps together stay below the half minute a visitor waits */
#define ARM_MS 300  /* the trace is armed within a few ms of its start */
#define ROUTER 2    /* the index of router1 in the lab */

static const char lab_text[] =
	"name: " LAB "\n"
	"nodes:\n"
	"  host1: {addresses: {eth0: 192.168.1.2/24}, routes: [{to: default, via: 192.168.1.1}]}\n"
	"  host2: {addresses: {eth0: 192.168.0.2/24}, routes: [{to: default, via: 192.168.0.1}]}\n"
	"  router1:\n"
	"    router:\n"
	"      ports:\n"
	"        r0: {addresses: [192.168.1.1/24]}\n"
	"        r1: {addresses: [192.168.0.1/24]}\n"
	"links:\n"
	"  - {endpoints: [\"host1:eth0\", \"router1:r0\"]}\n"
	"  - {endpoints: [\"host2:eth0\", \"router1:r1\"]}\n";

struct step {
	const char *title;
	unsigned node; /* where it runs; tsuji's own commands find the router themselves */
	char *argv[9];
	const char *expect; /* in its stdout */
};

static const struct step steps[] = {
	{"The kernel in the router's namespace forwards nothing",
	 ROUTER,
	 {"cat", "/proc/sys/net/ipv4/ip_forward"},
	 "0\n"},
	{"host1 pings host2, which lies in the other subnet",
	 0,
	 {"ping", "-n", "-c", "3", "-i", "0.2", "192.168.0.2"},
	 " 0% packet loss"},
	{"The router shows itself on the way",
	 0,
	 {"traceroute", "-n", "-w", "2", "192.168.0.2"},
	 "  192.168.1.1  "},
};

static struct lab *read_lab(void)
{
	struct diag diag = {.file = strdup("demo"),
			    .text = strdup(lab_text),
			    .text_size = sizeof(lab_text) - 1};
	struct lab *lab = lab_read(&diag);
	if (!lab)
		diag_print(&diag, stderr);
	diag_fini(&diag);
	return lab;
}

static void print_indented(const char *text)
{
	while (text && *text) {
		size_t len = strcspn(text, "\n");
		if (len)
			printf("    %.*s\n", (int)len, text);
		text += len + (text[len] == '\n');
	}
}

static void print_title(unsigned number, const char *title)
{
	printf("%u. %s\n", number, title);
	fflush(stdout);
}

/* Shows what a program said and judges it. */
static bool conclude(const char *what, int error, const struct process_result *result,
		     const char *expect)
{
	print_indented(result->out.text);
	putchar('\n');
	bool ok = !error && !result->status && result->out.text && strstr(result->out.text, expect);
	if (ok || result->interrupted)
		return ok;
	print_indented(result->err.text);
	if (error)
		fprintf(stderr, "tsuji: %s: %s%s\n", what, strerror(-error),
			error == -ENOENT ? "; `make deps` installs what the demo needs" : "");
	else if (result->timed_out)
		fprintf(stderr, "tsuji: %s did not end in time\n", what);
	else
		fprintf(stderr, "tsuji: %s did not say \"%.*s\"\n", what,
			(int)strcspn(expect, "\n"), expect);
	return false;
}

static bool run_step(const struct lab *lab, const struct step *step, unsigned number, int stop_fd)
{
	char *netns = lab_netns(lab, step->node);
	struct process_options options = {.netns = netns};
	struct process_result result;
	print_title(number, step->title);
	printf("    $");
	for (char *const *word = step->argv; *word; word++)
		printf(" %s", *word);
	putchar('\n');
	int error = process_run(step->argv, &options, STEP_TIMEOUT_MS, stop_fd, &result);
	bool ok = conclude(step->argv[0], error, &result, step->expect);
	process_result_fini(&result);
	free(netns);
	return ok;
}

/* Arms a trace, sends one ping through, and shows where the router took it. */
static bool show_walk(const struct lab *lab, char *self, unsigned number, int stop_fd)
{
	char *netns = lab_netns(lab, ROUTER), *from = lab_netns(lab, 0);
	char *trace_argv[] = {self, "trace", "-c", "1", "icmp", "-n", netns, NULL};
	char *ping_argv[] = {"ping", "-n", "-c", "1", "-W", "2", "192.168.0.2", NULL};
	struct process_options here = {0}, host1 = {.netns = from};
	struct process_result traced, pinged;
	struct process trace;
	print_title(number, "One packet's walk through the router");
	printf("    $ tsuji trace -c 1 icmp -n %s\n", netns);
	int error = process_open(&trace, trace_argv, &here);
	memset(&traced, 0, sizeof(traced));
	if (!error) {
		process_sleep_ms(ARM_MS);
		process_run(ping_argv, &host1, STEP_TIMEOUT_MS, stop_fd, &pinged);
		process_result_fini(&pinged);
		process_finish(&trace, STEP_TIMEOUT_MS, stop_fd, &traced);
	}
	bool ok = conclude("tsuji trace", error, &traced, "sent");
	process_result_fini(&traced);
	free(netns);
	free(from);
	return ok;
}

static bool show_ports(const struct lab *lab, char *self, unsigned number, int stop_fd)
{
	char *netns = lab_netns(lab, ROUTER);
	char *argv[] = {self, "port", "show", "-n", netns, NULL};
	struct process_options options = {0};
	struct process_result result;
	print_title(number, "What its ports have carried");
	printf("    $ tsuji port show -n %s\n", netns);
	int error = process_run(argv, &options, STEP_TIMEOUT_MS, stop_fd, &result);
	bool ok = conclude("tsuji port show", error, &result, "r1");
	process_result_fini(&result);
	free(netns);
	return ok;
}

/* Goes on after a step that failed: the next one may tell why. */
static bool run_steps(const struct lab *lab, int stop_fd)
{
	char self[PATH_MAX] = "";
	unsigned number = 1;
	bool ok = readlink("/proc/self/exe", self, sizeof(self) - 1) > 0;
	for (size_t i = 0; i < ARRAY_SIZE(steps) && !process_interrupted(stop_fd); i++)
		ok = run_step(lab, &steps[i], ++number, stop_fd) && ok;
	if (!process_interrupted(stop_fd))
		ok = show_walk(lab, self, ++number, stop_fd) && ok;
	if (!process_interrupted(stop_fd))
		ok = show_ports(lab, self, ++number, stop_fd) && ok;
	if (process_interrupted(stop_fd)) {
		printf("interrupted\n");
		return false;
	}
	return ok;
}

int demo_main(void)
{
	struct lab *lab = read_lab();
	if (!lab)
		return 1;
	struct lab_options options = {.file = LAB, .stop_fd = process_interrupts()};
	printf("1. Two hosts and a router, each in a network namespace of its own\n\n");
	fflush(stdout);
	int code = lab_up(lab, &options);
	if (!code) {
		putchar('\n');
		lab_draw(lab);
		code = run_steps(lab, options.stop_fd) ? 0 : 1;
		int down = lab_down(lab->name, true);
		code = code ? code : down;
		printf("%s\n", code ? "The demo failed; its lab is removed."
				      : "Everything worked; the lab is removed again. Next: tsuji "
					"lab up topologies/two-subnets.yaml");
	}
	close(options.stop_fd);
	lab_free(lab);
	return code;
}
