/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pktgen - the command: the kernel's generator made ready for a route through a router, and
 * run. Whatever is wrong is found before the first frame is sent. Nothing stays set up.
 */
#include "pktgen.h"
#include "bench_cpu.h"
#include "lab.h"
#include "netns.h"
#include "process.h"
#include "table.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SIZE	    60
#define FLOWS	    256
#define RATE_MAX    1e9
#define SECONDS_MAX 86400.0
#define POLL_MS	    50

struct wish {
	struct pktgen_plan plan;
	double seconds; /* 0: no limit */
	bool dry;
};

struct run {
	pthread_t thread;
	bool ended; /* written by the thread */
	int code;
	struct refusal why;
};

static int complain(const struct refusal *why)
{
	fprintf(stderr, "tsuji: %s\n", why->text);
	return why->status;
}

/* -- the words -- */

static int usage(const char *complaint)
{
	fprintf(stderr, "tsuji: %s\nhint: tsuji help pktgen\n", complaint);
	return REFUSED_CONFIG;
}

static bool read_number(const char *text, double least, double most, double *number)
{
	char *end;

	*number = text && *text ? strtod(text, &end) : -1;
	return text && *text && !*end && *number >= least && *number <= most;
}

/* One option with its value; NULL: fine, else the complaint. */
static const char *read_option(const char *option, const char *value, struct wish *wish)
{
	struct pktgen_plan *plan = &wish->plan;
	double number = 0;

	if (!strcmp(option, "-i")) {
		snprintf(plan->interface, sizeof(plan->interface), "%s", value);
		return strlen(value) < sizeof(plan->interface) ? NULL : "-i wants an interface";
	}
	if (!strcmp(option, "--to"))
		return config_parse_address(value, &plan->to) ? NULL : "--to wants an IPv4 address";
	if (!strcmp(option, "--rate"))
		return read_number(value, 1, RATE_MAX, &plan->pps)
			       ? NULL
			       : "--rate wants packets per second, from 1";
	if (!strcmp(option, "--seconds"))
		return read_number(value, 0.1, SECONDS_MAX, &wish->seconds)
			       ? NULL
			       : "--seconds wants a number from 0.1 to 86400";
	if (!strcmp(option, "--size")) {
		bool ok = read_number(value, PKTGEN_SIZE_MIN, PKTGEN_SIZE_MAX, &number);
		plan->size = (unsigned)number;
		return ok ? NULL : "--size wants the bytes of a frame, from 60";
	}
	if (!strcmp(option, "--flows")) {
		bool ok = read_number(value, 1, PKTGEN_FLOWS_MAX, &number);
		plan->flows = (unsigned)number;
		return ok ? NULL : "--flows wants a number from 1 to 1000000";
	}
	if (!strcmp(option, "--count")) {
		bool ok = read_number(value, 1, 1e15, &number);
		plan->count = (uint64_t)number;
		return ok ? NULL : "--count wants a number of frames, from 1";
	}
	return "pktgen takes -i, --to, --size, --flows, --rate, --count, --seconds, --dry-run";
}

static int read_words(int argc, char **argv, struct wish *wish)
{
	struct bench_cpus cpus = {0};

	bench_cpus_find(&cpus);
	*wish = (struct wish){.plan = {.size = SIZE,
				       .flows = FLOWS,
				       .to_port = PKTGEN_PORT,
				       .cpu = cpus.generator}};
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--dry-run")) {
			wish->dry = true;
			continue;
		}
		const char *complaint = read_option(argv[i], i + 1 < argc ? argv[i + 1] : "", wish);
		if (complaint)
			return usage(complaint);
		i++;
	}
	if (!*wish->plan.interface)
		return usage("pktgen wants the interface that sends: -i eth0");
	if (!wish->plan.to.raw)
		return usage("pktgen wants an address to send to: --to 192.168.0.2");
	return 0;
}

/* -- the run -- */

static void print_script(const struct pktgen_command *commands, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		printf("echo '%s' >/proc/net/pktgen/%s%s\n", commands[i].text, commands[i].file,
		       commands[i].optional ? " # if this kernel knows it" : "");
	printf("echo start >/proc/net/pktgen/pgctrl\n");
}

static void *send_all(void *arg)
{
	struct run *run = arg;

	run->code = pktgen_run(&run->why);
	store_shared(&run->ended, true);
	return NULL;
}

static int await(struct run *run, double seconds)
{
	uint64_t began_ms = process_now_ms();
	int stop_fd = process_interrupts();

	if (stop_fd < 0 || pthread_create(&run->thread, NULL, send_all, run))
		return refusal_set(&run->why, REFUSED_FAILED, "pktgen: %s", strerror(errno));
	while (!load_shared(&run->ended) && !process_interrupted(stop_fd) &&
	       (!seconds || (double)(process_now_ms() - began_ms) < seconds * 1e3))
		process_sleep_ms(POLL_MS);
	if (!load_shared(&run->ended))
		pktgen_stop();
	pthread_join(run->thread, NULL);
	close(stop_fd);
	return run->code;
}

static int tell(const struct wish *wish, bool json)
{
	const struct pktgen_plan *plan = &wish->plan;
	struct pktgen_count count;
	char to[18], mac[18];

	config_format_address(plan->to, to);
	config_format_mac(plan->to_mac, mac);
	pktgen_count(plan->interface, &count);
	double pps = count.took_s > 0 ? (double)count.made / count.took_s : 0;
	if (json) {
		json_t *rows = json_pack("[{ss ss ss si si sI sI sf sf}]", "interface",
					 plan->interface, "to", to, "mac", mac, "frame_bytes",
					 plan->size, "flows", plan->flows, "made",
					 (json_int_t)count.made, "errors", (json_int_t)count.errors,
					 "took_s", count.took_s, "made_pps", pps);
		table_json(stdout, rows);
		json_decref(rows);
	} else {
		printf("%llu frames of %u bytes to %s by %s in %.2f s: %.0f packets/s made, "
		       "%llu errors\n"
		       "what arrives is counted where it arrives: tsuji port show, ip -s link\n",
		       (unsigned long long)count.made, plan->size, to, mac, count.took_s, pps,
		       (unsigned long long)count.errors);
	}
	return count.made ? 0 : REFUSED_FAILED;
}

static int run(const struct wish *wish, const struct pktgen_command *commands, unsigned n,
	       bool json)
{
	struct run run = {0};
	int code = 0;

	if (pktgen_apply(commands, n, &run.why) || await(&run, wish->seconds))
		code = complain(&run.why);
	else
		code = tell(wish, json);
	pktgen_release(wish->plan.cpu);
	return code;
}

int pktgen_main(int argc, char **argv, const struct options *options)
{
	struct pktgen_command commands[PKTGEN_COMMANDS_MAX];
	struct pktgen_path path;
	struct refusal why;
	struct wish wish;
	int code = read_words(argc, argv, &wish);

	if (!code && !wish.dry)
		code = lab_need_privilege("pktgen");
	if (code)
		return code;
	if (options->netns && netns_enter(options->netns, &why))
		return complain(&why);
	if (!wish.dry && !pktgen_exists()) {
		fprintf(stderr, "tsuji: this kernel has no pktgen, or it is not loaded\n"
				"hint: modprobe pktgen, as root\n");
		return REFUSED_MACHINE;
	}
	if (pktgen_find_path(wish.plan.interface, wish.plan.to, &path, &why) ||
	    pktgen_check_xdp(wish.plan.interface, &why))
		return complain(&why);
	wish.plan.to_mac = path.mac;
	wish.plan.from = path.from;
	unsigned n = pktgen_commands(&wish.plan, commands);
	if (!wish.dry)
		return run(&wish, commands, n, options->json);
	print_script(commands, n);
	return 0;
}
