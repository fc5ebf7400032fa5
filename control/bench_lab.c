/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_lab - the hosts of a benchmark, and the cables to what is between them.
 *
 * The hosts are as a user has them: a veth's own offloads, GRO off, addresses resolved by
 * ARP. Only the sink changes that, once packets are counted: an XDP program at the
 * receiver. Latency and TCP are therefore measured before.
 *
 * A namespace's name holds our process's number, so that nobody else's is ever touched.
 */
#include "bench_lab.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define SCRIPT_TIMEOUT_MS 30000
#define SAID_MAX 4096 /* bytes that a program may say before what is waited for */

#define FROM_MAC "02:00:00:00:00:0a"
#define TO_MAC "02:00:00:00:00:0b"
#define R0_MAC "02:00:00:00:00:01"
#define R1_MAC "02:00:00:00:00:02"

/* $1 from, $2 router, $3 to; $4, $5: the hosts' addresses; $6, $7: their gateways or nothing. */
static const char build[] =
	"ip -batch - <<END\n"
	"netns add $1\n"
	"netns add $2\n"
	"netns add $3\n"
	"END\n"
	"ip -batch - <<END\n"
	"link add name e0 netns $1 address " FROM_MAC " type veth"
	" peer name r0 netns $2 address " R0_MAC "\n"
	"link add name e0 netns $3 address " TO_MAC " type veth"
	" peer name r1 netns $2 address " R1_MAC "\n"
	"END\n"
	"ip -n $2 -batch - <<END\n"
	"link set dev lo up\n"
	"link set dev r0 up\n"
	"link set dev r1 up\n"
	"END\n"
	"ip -n $1 -batch - <<END\n"
	"link add name " BENCH_KEEPER " type veth peer name keeper1\n"
	"link set dev " BENCH_KEEPER " up\n"
	"link set dev lo up\n"
	"address add $4/24 dev e0\n"
	"link set dev e0 up\n"
	"${6:+route add default via $6}\n"
	"END\n"
	"ip -n $3 -batch - <<END\n"
	"link set dev lo up\n"
	"address add $5/24 dev e0\n"
	"link set dev e0 up\n"
	"${7:+route add default via $7}\n"
	"END\n";

static const char *const path_names[] = {
	[BENCH_ROUTED] = "routed",
	[BENCH_BRIDGED] = "bridged",
	[BENCH_TRANSLATED] = "translated",
};
static_assert(ARRAY_SIZE(path_names) == BENCH_PATHS, "a name for each path");

const char *bench_path_name(enum bench_path path) { return path_names[path]; }

int bench_lab_script(const struct bench_lab *lab, const char *netns, const char *script,
		     const char *const *words, struct refusal *why)
{
	const char *argv[16] = {"sh", "-ec", script, "sh"};
	struct process_options options = {.netns = netns};
	struct process_result result;

	for (unsigned i = 0; words && words[i] && i + 5 < ARRAY_SIZE(argv); i++)
		argv[4 + i] = words[i];
	int error = process_run((char *const *)argv, &options, SCRIPT_TIMEOUT_MS,
				lab->place.stop_fd, &result);
	const char *said = result.err.text ? result.err.text : "no reason given";
	int code = 0;
	if (error)
		code = refusal_set(why, REFUSED_FAILED, "sh: %s", strerror(-error));
	else if (result.interrupted)
		code = refusal_set(why, REFUSED_FAILED, "interrupted");
	else if (result.status)
		code = refusal_set(why, REFUSED_FAILED, "building the lab: %.*s",
				   (int)strcspn(said, "\n"), said);
	process_result_fini(&result);
	return code;
}

/* What the process has said now, behind the len bytes of said; -1: it has no more to say. */
static ssize_t listen_to(const struct process *process, char said[SAID_MAX], size_t len)
{
	ssize_t n = read(process->fd[1], said + len, SAID_MAX - 1 - len);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	return n > 0 ? n : -1;
}

bool bench_await(struct process *process, const char *text, unsigned timeout_ms, int stop_fd)
{
	struct pollfd polls[2] = {{process->fd[1], POLLIN, 0}, {stop_fd, POLLIN, 0}};
	uint64_t deadline_ms = process_now_ms() + timeout_ms, now_ms;
	char said[SAID_MAX] = "";
	size_t len = 0;

	while (!strstr(said, text)) {
		now_ms = process_now_ms();
		if (now_ms >= deadline_ms)
			return false;
		if (poll(polls, 2, (int)(deadline_ms - now_ms)) > 0 && polls[1].revents)
			return false;
		ssize_t n = polls[0].revents ? listen_to(process, said, len) : 0;
		if (n < 0)
			return false;
		len += (size_t)n;
		said[len] = '\0';
	}
	return true;
}

/* One subnet holds both hosts: nothing between them has an address. */
static bool is_wire(const struct bench_place *place)
{
	return place->path == BENCH_BRIDGED || place->contender == BENCH_REDIRECT ||
	       place->contender == BENCH_GENERATOR;
}

int bench_lab_up(struct bench_lab *lab, const struct bench_place *place, struct refusal *why)
{
	const bool wire = is_wire(place);
	const char *to_address = wire ? "192.168.1.3" : "192.168.0.2";
	int id = (int)getpid();

	*lab = (struct bench_lab){.place = *place, .links = {-1, -1}};
	snprintf(lab->from, sizeof(lab->from), "tsuji-bench-%d-%u-from", id, place->contender);
	snprintf(lab->to, sizeof(lab->to), "tsuji-bench-%d-%u-to", id, place->contender);
	snprintf(lab->router, sizeof(lab->router), "tsuji-bench-%d-%u-router", id,
		 place->contender);
	config_parse_address("192.168.1.2", &lab->from_address);
	config_parse_address(to_address, &lab->to_address);
	const char *const words[] = {lab->from, lab->router, lab->to, "192.168.1.2", to_address,
				     wire ? "" : "192.168.1.1", wire ? "" : "192.168.0.1", NULL};
	if (bench_lab_script(lab, NULL, build, words, why))
		return -1;
	return bench_contender_start(lab, why);
}

void bench_lab_down(struct bench_lab *lab)
{
	const char *const names[] = {lab->from, lab->router, lab->to};

	bench_contender_stop(lab);
	bench_rate_close(lab->rate);
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		char *argv[] = {"ip", "netns", "delete", (char *)names[i], NULL};
		struct process_options options = {0};
		struct process_result result;
		if (!names[i][0] || !process_named_netns(names[i]))
			continue;
		if (process_run(argv, &options, SCRIPT_TIMEOUT_MS, -1, &result) || result.status)
			fprintf(stderr, "tsuji: namespace %s is left; `ip netns delete %s`\n",
				names[i], names[i]);
		process_result_fini(&result);
	}
	*lab = (struct bench_lab){.links = {-1, -1}};
}

struct bench_rate *bench_lab_rate(struct bench_lab *lab, struct refusal *why)
{
	const bool alone = lab->place.contender == BENCH_GENERATOR;
	struct bench_ends ends = {
		.from_netns = lab->from, .from_if = "e0", .from = lab->from_address,
		.to_netns = alone ? lab->router : lab->to, .to_ifs = alone ? "r0" : "e0",
		.to = lab->to_address, .cpu = lab->place.cpus->generator,
		.destinations = lab->place.path == BENCH_BRIDGED, .source = lab->place.source,
		.stateless = alone || lab->place.contender == BENCH_REDIRECT,
	};

	config_parse_mac(is_wire(&lab->place) ? TO_MAC : R0_MAC, &ends.to_mac);
	if (lab->rate)
		return lab->rate;
	int error = 0;
	if (lab->tsuji.pid)
		error = bench_cpu_pin_process(lab->tsuji.pid, lab->place.cpus->worker);
	if (error)
		refusal_set(why, REFUSED_FAILED, "pinning tsuji to a CPU: %s", strerror(-error));
	else
		lab->rate = bench_rate_open(lab->place.programs, &ends, why);
	return lab->rate;
}
