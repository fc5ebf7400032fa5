/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c - the command `tsuji`: its commands with their usage, and which function runs each.
 *
 * A command is found as ip finds objects: in full, or by its beginning, the first of the
 * table that fits. So objects stand before actions: `tsuji r` is route, not run.
 */
#include "bench.h"
#include "check.h"
#include "cmdline.h"
#include "daemon.h"
#include "demo.h"
#include "grammar.h"
#include "lab.h"
#include "pktgen.h"

#define VERSION "0.1"

static int run_objects(int argc, char **argv, const struct options *options)
{
	return commands_run(argc, argv, options);
}

static int usage_error(const char *text, const char *hint)
{
	fprintf(stderr, "tsuji: %s\nhint: %s\n", text, hint);
	return 2;
}

static int run_daemon(int argc, char **argv, const struct options *options)
{
	struct daemon_options daemon = {.netns = options->netns};

	for (int i = 1; i < argc; i++) {
		bool is_file = !strcmp(argv[i], "-c") || !strcmp(argv[i], "--config");

		if (!is_file || i + 1 == argc || daemon.config_file)
			return usage_error("run takes one router file and nothing else",
					   "tsuji run -c FILE [-n NETNS]");
		daemon.config_file = argv[++i];
	}
	if (!daemon.config_file)
		return usage_error("run wants a router file", "tsuji run -c FILE [-n NETNS]");
	return daemon_main(&daemon);
}

static int refuse_netns(const char *command)
{
	char text[64];

	snprintf(text, sizeof(text), "%s is about no namespace in particular", command);
	return usage_error(text, "leave out -n");
}

static int run_check(int argc, char **argv, const struct options *options)
{
	return options->netns ? refuse_netns(argv[0]) : check_main(argc, argv, options->json);
}

static int run_lab(int argc, char **argv, const struct options *options)
{
	return options->netns ? refuse_netns(argv[0]) : lab_main(argc, argv, options->json);
}

static int run_demo(int argc, char **argv, const struct options *options)
{
	if (options->netns)
		return refuse_netns(argv[0]);
	if (argc > 1)
		return usage_error("demo takes no arguments", "tsuji demo");
	return demo_main();
}

static int run_bench(int argc, char **argv, const struct options *options)
{
	return options->netns ? refuse_netns(argv[0]) : bench_main(argc, argv, options->json);
}

static int run_pktgen(int argc, char **argv, const struct options *options)
{
	return pktgen_main(argc, argv, options);
}

static int run_help(int argc, char **argv, const struct options *options);

/* What the design has and this version has not is said plainly, so that nobody looks for a mistake
 * of theirs. */
static const struct command {
	const char *name;
	const char *summary; /* NULL: not in the list */
	int (*run)(int argc, char **argv, const struct options *options); /* NULL: still to come */
	const char *usage;
} commands[] = {
	{"port", "the ports, their lanes and traffic", run_objects,
	 "usage: tsuji port [show [NAME]] [-s]\n"
	 "  -s    every counter instead of the summary\n"},
	{"route", "the routes, with hits; add and delete them live", run_objects,
	 "usage: tsuji route [show [PREFIX] [port NAME] [limit N]]\n"
	 "       tsuji route get ADDRESS\n"
	 "       tsuji route add PREFIX [via ADDRESS] [port NAME] [metric N]\n"
	 "       tsuji route add blackhole|unreachable|prohibit PREFIX [metric N]\n"
	 "       tsuji route del PREFIX [via ADDRESS] [port NAME] [metric N]\n"
	 "       tsuji route add|del -\n"
	 "       tsuji route flush\n"
	 "  PREFIX   10.9.0.0/16, an address, or default\n"
	 "  metric   0 if left out; the lowest wins\n"
	 "  -        one route per line from stdin, # for comments; all are checked before any is "
	 "sent\n"
	 "  limit    rows shown, 0 for all; 100000 if left out\n"
	 "  flush    deletes what was added live\n"
	 "dev is accepted for port, and type TYPE for the type's name.\n"},
	{"neigh", "the neighbours and how fresh they are", run_objects,
	 "usage: tsuji neigh [show [ADDRESS] [port NAME]]\n"
	 "       tsuji neigh add ADDRESS mac MAC port NAME\n"
	 "       tsuji neigh del ADDRESS [port NAME]\n"
	 "       tsuji neigh add|del -\n"
	 "       tsuji neigh flush [port NAME]\n"
	 "  -        one neighbour per line from stdin, # for comments; all are checked before any "
	 "is sent\n"
	 "  flush    forgets what was learnt\n"
	 "dev is accepted for port, and lladdr for mac.\n"},
	{"drops", "packets that were dropped: where, how many, why", run_objects,
	 "usage: tsuji drops [show] [-a]\n"
	 "  -a    every reason there is, summed over the ports\n"},
	{"stats", "frames, ICMP, and the balance of packets", run_objects,
	 "usage: tsuji stats [show]\n"},
	{"set", "what can be changed while the router runs: the lanes", run_objects,
	 "usage: tsuji set [NAME [VALUE]]\n"
	 "Without VALUE: the settings, and what each can be. A change lasts until the next reload\n"
	 "or restart, which go by the file.\n"
	 "  lanes.transmit   auto, or one lane only: socket, burst (where the far end takes bursts)\n"
	 "  lanes.burst-min  with transmit auto: packets of a turn from which they go as a burst;\n"
	 "                   auto: from when that is cheaper, as measured at start\n"
	 "  lanes.punt-rate  packets a second that each port may give the kernel; 0: unlimited\n"
	 "  lanes.read-depth packets that are read from a port in a turn, before the others' turn\n"
	 "  lanes.spin       microseconds without a packet before the worker sleeps\n"
	 "  lanes.busy-poll  on: it never sleeps, and takes all of a CPU\n"
	 "  lanes.far-end    prepare: GRO is switched on at the hosts' ends; leave: nothing is\n"},
	{"trace", "follow packets through the rooms", run_objects,
	 "usage: tsuji trace [-c COUNT] [EXPRESSION]\n"
	 "  -c            ends after COUNT packets; else an interrupt ends it\n"
	 "  EXPRESSION    of pcap-filter(7), such as: icmp and host 192.168.0.2\n"},
	{"fdb", "which station is behind which port of a bridge", run_objects,
	 "usage: tsuji fdb [show [MAC] [port NAME] [bridge NAME]]\n"
	 "       tsuji fdb add MAC port NAME [master] [static]\n"
	 "       tsuji fdb del MAC [port NAME | bridge NAME]\n"
	 "       tsuji fdb add|del -\n"
	 "       tsuji fdb flush [port NAME | bridge NAME]\n"
	 "       tsuji fdb watch\n"
	 "  add      a static entry: it neither ages nor moves\n"
	 "  -        one entry per line from stdin, # for comments; all are checked before any is "
	 "sent\n"
	 "  flush    forgets what was learnt\n"
	 "  watch    entries as they appear, move and go, until interrupted; with -j an object a "
	 "line\n"
	 "dev is accepted for port, and br for bridge.\n"},
	{"bridge", "the bridges, their ports and what they have learnt", run_objects,
	 "usage: tsuji bridge [show [NAME]]\n"},
	{"nat", "who talks to whom, under which addresses", run_objects,
	 "usage: tsuji nat [show [tcp|udp|icmp] [ADDRESS] [port N] [limit N]]\n"
	 "       tsuji nat rules\n"
	 "       tsuji nat flush [tcp|udp|icmp] [ADDRESS] [port N]\n"
	 "       tsuji nat age DURATION\n"
	 "  ADDRESS  of either end, before or after translation; so is the port, which of ICMP is "
	 "the identifier\n"
	 "  limit    sessions shown, 0 for all; 100000 if left out\n"
	 "  rules    the rules of nat:, and how many sessions each has opened\n"
	 "  flush    ends sessions\n"
	 "  age      makes all sessions that much older, for labs: 30s, 5m, 2h\n"},
	{"filter", "the rules of filter:, and what each has matched", run_objects,
	 "usage: tsuji filter [show]\n"},
	{"run", "the router itself, in the foreground", run_daemon,
	 "usage: tsuji run -c FILE [-n NETNS]\n"
	 "Takes over the ports of the router file and prints a line that is just \"ready\" when\n"
	 "frames flow. SIGHUP reads the file again, SIGTERM and SIGINT end it.\n"},
	{"reload", "have the router read its file again", run_objects,
	 "usage: tsuji reload [-n NETNS]\n"
	 "Prints what changed. With any error in the file, nothing changes.\n"},
	{"check", "check a router or lab file, without root", run_check,
	 "usage: tsuji check FILE\n"},
	{"lab", "build namespaces from a lab file, and remove them", run_lab,
	 "usage: tsuji lab up|down|show|check FILE\n"
	 "       tsuji lab down NAME\n"
	 "       tsuji lab exec FILE NODE COMMAND...\n"
	 "       tsuji lab show\n"
	 "  show     draws the lab and prints the ip commands that make it; without FILE: the labs "
	 "that are up\n"
	 "  check    runs the file's checks and marks them\n"
	 "  exec     runs COMMAND in a node's namespace and returns its status\n"},
	{"demo", "a lab of two subnets, a ping, and one packet's walk", run_demo,
	 "usage: tsuji demo\n"},
	{"bench", "the kernel and tsuji side by side, measured", run_bench,
	 "usage: tsuji bench [--quick] [--seconds S] [--generator xdp|pktgen] [-o FILE]\n"
	 "       tsuji bench --schema\n"
	 "Builds labs of its own and measures packets per second, round trips and TCP: routed,\n"
	 "bridged and translated; by the kernel, by tsuji, and by a bare XDP redirect.\n"
	 "  --quick      a round of the essential, in one minute instead of ten\n"
	 "  --seconds    of each measurement; 0.4 if left out, 0.2 if quick\n"
	 "  --generator  what makes the frames: an XDP program, or the kernel's pktgen; if left out,\n"
	 "               pktgen where it is loaded\n"
	 "  -o           writes everything that was measured to FILE, as JSON\n"
	 "  --schema     prints the JSON Schema of that\n"},
	{"pktgen", "send UDP through a router by the kernel's generator", run_pktgen,
	 "usage: tsuji pktgen -i INTERFACE [-n NETNS] --to ADDRESS [--size BYTES] [--flows N]\n"
	 "              [--rate PPS] [--count N] [--seconds S] [--dry-run]\n"
	 "Sets up pktgen (modprobe pktgen) for the route to ADDRESS: the MAC of the next hop, a new\n"
	 "skb for each frame where the kernel can (flag !SHARED); not where generic XDP would get\n"
	 "them, which panics some kernels. Then sends, and takes everything down again.\n"
	 "  -i           the interface that sends\n"
	 "  --size       of a frame, without its check sequence; 60 if left out\n"
	 "  --flows      pairs of UDP ports; 256 if left out\n"
	 "  --rate       frames per second; as many as can be made if left out\n"
	 "  --count, --seconds    when it ends; else an interrupt ends it\n"
	 "  --dry-run    prints what would be written to /proc/net/pktgen, as a script\n"},
	{"help", NULL, run_help, "usage: tsuji help [COMMAND]\n"},
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void print_usage(FILE *out)
{
	fputs("usage: tsuji [-n NETNS] [-j] COMMAND ...\n\n", out);
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (commands[i].summary)
			fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].summary);
	fputs("  help     tsuji help COMMAND tells the rest\n"
	      "\n"
	      "Anywhere on the line:\n"
	      "  -n, --netns NETNS     in that network namespace: a name, a path, or pid:NUMBER\n"
	      "  -j, --json            one JSON array on stdout; errors stay on stderr\n"
	      "  -s, --statistics      more counters, where there are more\n"
	      "  -h, --help            of the command, or this\n"
	      "  -V, --version\n"
	      "\n"
	      "Commands and verbs may be shortened; show is the verb if there is none.\n"
	      "Exit status: 0 done; 1 tried and failed; 2 usage or configuration error, nothing "
	      "changed;\n"
	      "3 no router answers; 4 this machine lacks something.\n",
	      out);
}

static const struct command *find_command(const char *word)
{
	const char *names[N_COMMANDS + 1];
	const char *nearest;
	int found;

	for (size_t i = 0; i < N_COMMANDS; i++)
		names[i] = commands[i].name;
	names[N_COMMANDS] = NULL;
	found = grammar_match(word, names);
	if (found >= 0)
		return &commands[found];
	fprintf(stderr, "tsuji: there is no command \"%s\"\n", word);
	nearest = diag_nearest(word, names);
	if (nearest)
		fprintf(stderr, "hint: did you mean %s?\n", nearest);
	else
		fputs("hint: tsuji help lists them\n", stderr);
	return NULL;
}

/* How a command is used; to the error stream and with status 2 if there is no using it. */
static int help(const struct command *command)
{
	fputs(command->usage, command->run ? stdout : stderr);
	return command->run ? 0 : 2;
}

static int run_help(int argc, char **argv, const struct options *options)
{
	const struct command *command;

	(void)options;
	if (argc == 1) {
		print_usage(stdout);
		return 0;
	}
	command = find_command(argv[1]);
	return command ? help(command) : 2;
}

static int dispatch(struct cmdline *line)
{
	const struct command *command = find_command(line->argv[0]);

	if (!command)
		return 2;
	if (!command->run || line->help || (line->argc == 2 && !strcmp(line->argv[1], "help")))
		return help(command);
	line->argv[0] = (char *)command->name;
	return command->run(line->argc, line->argv, &line->options);
}

int main(int argc, char **argv)
{
	struct complaint complaint;
	struct cmdline line;
	int status = 0;

	if (!cmdline_read(&line, argc, argv, &complaint))
		return usage_error(complaint.text, *complaint.hint ? complaint.hint : "tsuji help");
	if (line.version) {
		puts("tsuji " VERSION);
	} else if (line.argc) {
		status = dispatch(&line);
	} else if (line.help) {
		print_usage(stdout);
	} else {
		print_usage(stderr);
		return 2;
	}
	/* A full disk or a closed pipe must not pass for success. */
	if ((fflush(stdout) || ferror(stdout)) && !status) {
		perror("tsuji: writing to stdout");
		status = 1;
	}
	return status;
}
