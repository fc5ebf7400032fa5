/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_rate - the generator beside the sink, an XDP program (bpf/bench.bpf.c).
 *
 * What counts is what arrives, read from the sink's memory map. The sink is native XDP, so it
 * gives the last link the NAPI that bursts need.
 *
 * A figure is taken after a warm-up: ARP, the first packet of each flow, and a router that
 * goes from sleep to full load are no part of it.
 */
#include "bench_rate.h"
#include "bench_cpu.h"
#include "netns.h"
#include "process.h"

#include "bpf/bench.skel.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WARM_UP_S    0.2
#define FLOWS_PPS    250000.0 /* many flows are introduced at a pace that loses none of them */
#define FLOWS_FEW    1024     /* fewer need no introduction: all come by while it warms up */
#define FLOWS_TIMES  4.5      /* each: its fourth packet is the first that tsuji's flow cache repeats */
#define FLOWS_LATE   4	      /* times as long as it should take, and no longer */
#define FLOWS_POLL_S 0.005
#define INTRODUCED   64	 /* stations at a time: what a small ring holds ... */
#define PAUSE_US     200 /* ... and time to take them out */
#define TO_IFS_MAX   16
#define EXPERIMENTAL 0x88b5 /* IEEE 802 local experimental ethertype */

/* New flows: their numbers begin where no measured flow's reaches, and never come back. */
#define NEW_FIRST (1u << 20)
static_assert(NEW_FIRST > BENCH_FLOWS_MAX, "a new flow is new");
#define NEW_BEFORE    10000 /* that pass before the clock is started */
#define NEW_TIMEOUT_S 3.0
#define NEW_POLL_S    0.0002

/* After a trial, for frames on their way: all are there, or none came for that long. */
#define DRAIN_S	     0.05
#define DRAIN_POLL_S 0.001
#define QUIET_S	     0.003 /* before it: nothing of what was sent earlier comes any more */

struct bench_rate {
	struct bench_bpf *program; /* the caller's */
	struct bench_ends ends;
	struct bench_generator generator;
	int links[TO_IFS_MAX + 1]; /* attached programs */
	unsigned n_links;
	double loaded_s; /* when bench_rate_load() began, and what was made by then */
	uint64_t loaded_made;
};

static double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* False: interrupted. */
static bool wait_s(double seconds, int stop_fd)
{
	struct pollfd poll_fd = {stop_fd, POLLIN, 0};
	const struct timespec t = {(time_t)seconds,
				   (long)((seconds - (double)(time_t)seconds) * 1e9)};
	return ppoll(&poll_fd, 1, &t, NULL) <= 0;
}

/* -- stations -- */

static bool mac_of(const char *interface, struct mac *mac)
{
	struct ifreq ifr = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", interface);
	bool ok = fd >= 0 && ioctl(fd, SIOCGIFHWADDR, &ifr) == 0;
	memcpy(mac->b, ifr.ifr_hwaddr.sa_data, sizeof(mac->b));
	if (fd >= 0)
		close(fd);
	return ok;
}

static uint16_t low_of(struct mac mac)
{
	return (uint16_t)(mac.b[4] << 8 | mac.b[5]);
}

/* Has a bridge learn that n stations, counted up from first, are behind this interface. */
static int introduce(const char *interface, struct mac first, unsigned n, struct refusal *why)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET,
				 .sll_ifindex = (int)if_nametoindex(interface)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), code = 0;
	uint8_t frame[BENCH_FRAME_MIN] = {0};
	struct eth_hdr *eth = (struct eth_hdr *)frame;

	*eth = (struct eth_hdr){.src = first, .type = be16_from(EXPERIMENTAL)};
	memset(&eth->dst, 0xff, sizeof(eth->dst));
	for (unsigned i = 0; i < n && !code; i++) {
		uint16_t low = (uint16_t)(low_of(first) + i);
		eth->src.b[4] = (uint8_t)(low >> 8);
		eth->src.b[5] = (uint8_t)low;
		while (!code && sendto(fd, frame, sizeof(frame), 0, (void *)&to, sizeof(to)) < 0)
			if (errno != ENOBUFS)
				code = refusal_set(why, REFUSED_FAILED,
						   "introducing stations at %s: %s", interface,
						   strerror(errno));
		if (i % INTRODUCED == INTRODUCED - 1)
			usleep(PAUSE_US);
	}
	if (fd >= 0)
		close(fd);
	return code;
}

/* -- opening -- */

/* Natively, for as long as the rate is open; in the namespace where the caller stands. */
static int attach(struct bench_rate *rate, const struct bpf_program *program, const char *interface,
		  struct refusal *why)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = XDP_FLAGS_DRV_MODE);
	int fd = -1;

	if (rate->n_links < ARRAY_SIZE(rate->links))
		fd = bpf_link_create(bpf_program__fd(program), (int)if_nametoindex(interface),
				     BPF_XDP, &options);
	if (fd < 0)
		return refusal_set(why, REFUSED_FAILED, "attaching a program to %s: %s", interface,
				   strerror(errno));
	rate->links[rate->n_links++] = fd;
	return 0;
}

/* Sinks at each of the interfaces; the first introduces the destinations. */
static int open_sinks(struct bench_rate *rate, const struct bench_ends *ends, struct refusal *why)
{
	char names[128], *rest = names, *name;
	int home = netns_visit(ends->to_netns, why), code = 0;

	if (home < 0)
		return -1;
	snprintf(names, sizeof(names), "%s", ends->to_ifs);
	for (bool first = true; !code && (name = strsep(&rest, ",")); first = false) {
		code = attach(rate, rate->program->progs.count, name, why);
		if (!code && first)
			code = introduce(name, ends->to_mac, ends->destinations, why);
	}
	netns_return(home);
	return code;
}

static int open_generator(struct bench_rate *rate, const struct bench_ends *ends,
			  struct refusal *why)
{
	int home = netns_visit(ends->from_netns, why), code = 0;

	if (home < 0)
		return -1;
	rate->generator = (struct bench_generator){.program = rate->program,
						   .ends = &rate->ends,
						   .ifindex = if_nametoindex(ends->from_if)};
	if (!mac_of(ends->from_if, &rate->generator.from_mac))
		code = refusal_set(why, REFUSED_FAILED, "%s: %s", ends->from_if, strerror(errno));
	/* Attached natively somewhere, live frames need not wait for RCU at every call. */
	if (!code)
		code = attach(rate, rate->program->progs.generate, BENCH_KEEPER, why);
	netns_return(home);
	return code;
}

struct bench_bpf *bench_programs_open(struct refusal *why)
{
	struct bench_bpf *programs = bench_bpf__open_and_load();

	if (!programs)
		refusal_set(why, REFUSED_FAILED, "loading the benchmark's programs: %s",
			    strerror(errno));
	return programs;
}

void bench_programs_close(struct bench_bpf *programs)
{
	bench_bpf__destroy(programs);
}

struct bench_rate *bench_rate_open(struct bench_bpf *programs, const struct bench_ends *ends,
				   struct refusal *why)
{
	struct bench_rate *rate = calloc(1, sizeof(*rate));

	if (!rate) {
		refusal_set(why, REFUSED_FAILED, "no memory");
		return NULL;
	}
	rate->program = programs;
	rate->ends = *ends;
	if (open_sinks(rate, ends, why) || open_generator(rate, ends, why)) {
		bench_rate_close(rate);
		return NULL;
	}
	return rate;
}

void bench_rate_close(struct bench_rate *rate)
{
	if (!rate)
		return;
	while (rate->n_links)
		close(rate->links[--rate->n_links]);
	free(rate);
}

/* -- measuring -- */

/* 0, or -1 where the generator failed or complete is false. */
static int finish(struct bench_rate *rate, bool complete, struct refusal *why)
{
	if (bench_generator_stop(&rate->generator, why))
		return -1;
	return complete ? 0 : refusal_set(why, REFUSED_FAILED, "interrupted");
}

static uint64_t made_by(const struct bench_rate *rate)
{
	return bench_generator_made(&rate->generator);
}

static uint64_t received(const struct bench_rate *rate)
{
	return load_shared(&rate->program->bss->n_packets);
}

/* Seconds of the introduction. */
static double introduction_s(unsigned flows)
{
	return flows > FLOWS_FEW ? flows * FLOWS_TIMES / FLOWS_PPS : 0;
}

double bench_rate_cost_s(unsigned flows, double seconds)
{
	return introduction_s(flows) + WARM_UP_S + seconds + 0.01;
}

/* So that what is measured is not how new flows fare under overload. */
static int introduce_flows(struct bench_rate *rate, const struct bench_load *load, int stop_fd,
			   struct refusal *why)
{
	const struct bench_load slow = {.flows = load->flows, .size = load->size, .pps = FLOWS_PPS};
	const uint64_t enough = made_by(rate) + (uint64_t)(load->flows * FLOWS_TIMES);
	double deadline = now_s() + introduction_s(load->flows) * FLOWS_LATE;
	bool complete = true;

	if (load->flows <= FLOWS_FEW || rate->ends.stateless)
		return 0;
	if (bench_generator_start(&rate->generator, &slow, why))
		return -1;
	while (complete && made_by(rate) < enough && now_s() < deadline)
		complete = wait_s(FLOWS_POLL_S, stop_fd);
	return finish(rate, complete, why);
}

int bench_rate_measure(struct bench_rate *rate, const struct bench_load *load, int stop_fd,
		       struct bench_rate_figures *figures, struct refusal *why)
{
	const struct bench_load full = {.flows = load->flows, .size = load->size};

	if (introduce_flows(rate, load, stop_fd, why) ||
	    bench_generator_start(&rate->generator, &full, why))
		return -1;
	bool complete = wait_s(WARM_UP_S, stop_fd);
	double t = now_s(), busy = bench_cpu_busy_s();
	uint64_t n = received(rate), made = made_by(rate);
	complete = complete && wait_s(load->seconds, stop_fd);
	n = received(rate) - n;
	made = made_by(rate) - made;
	t = now_s() - t;
	busy = bench_cpu_busy_s() - busy;
	*figures = (struct bench_rate_figures){
		.received_pps = (double)n / t,
		.made_pps = (double)made / t,
		.cpu_s_per_million = n ? busy / ((double)n / 1e6) : 0,
	};
	return finish(rate, complete, why);
}

/* Until n packets have arrived; false: that took too long, or was interrupted. */
static bool await(const struct bench_rate *rate, uint64_t n, double deadline, int stop_fd)
{
	while (received(rate) < n)
		if (now_s() > deadline || bench_generator_error(&rate->generator) ||
		    !wait_s(NEW_POLL_S, stop_fd))
			return false;
	return true;
}

int bench_rate_sessions(struct bench_rate *rate, int stop_fd, double *per_second,
			struct refusal *why)
{
	const struct bench_load new = {.flows = BENCH_NEW_FLOWS, .size = BENCH_FRAME_MIN};
	uint64_t before = received(rate) + NEW_BEFORE;
	double deadline = now_s() + NEW_TIMEOUT_S;

	*per_second = 0;
	rate->program->bss->n_made = NEW_FIRST;
	if (bench_generator_start(&rate->generator, &new, why))
		return -1;
	if (await(rate, before, deadline, stop_fd)) {
		double t = now_s();
		before = received(rate);
		await(rate, before + BENCH_SESSIONS_MEASURED, deadline, stop_fd);
		*per_second = (double)(received(rate) - before) / (now_s() - t);
	}
	return finish(rate, !process_interrupted(stop_fd), why);
}

/* -- trials -- */

double bench_rate_try_cost_s(double seconds)
{
	return seconds + DRAIN_S / 2 + QUIET_S;
}

/* Until want frames were received, or none for quiet_s. False: interrupted. */
static bool drain(const struct bench_rate *rate, uint64_t want, double quiet_s, int stop_fd)
{
	double deadline = now_s() + quiet_s;
	uint64_t seen = received(rate);

	while (seen < want && now_s() < deadline) {
		if (!wait_s(DRAIN_POLL_S, stop_fd))
			return false;
		uint64_t now = received(rate);
		if (now > seen)
			deadline = now_s() + quiet_s;
		seen = now;
	}
	return true;
}

int bench_rate_try(struct bench_rate *rate, const struct bench_load *load, int stop_fd,
		   struct bench_trial *trial, struct refusal *why)
{
	if (!drain(rate, UINT64_MAX, QUIET_S, stop_fd))
		return refusal_set(why, REFUSED_FAILED, "interrupted");
	uint64_t n = received(rate), made = made_by(rate);
	if (bench_generator_start(&rate->generator, load, why))
		return -1;
	double t = now_s();
	bool complete = wait_s(load->seconds, stop_fd);
	if (finish(rate, complete, why))
		return -1;
	t = bench_generator_took_s(&rate->generator, now_s() - t);
	made = made_by(rate) - made;
	complete = drain(rate, n + made, DRAIN_S, stop_fd);
	*trial = (struct bench_trial){made, received(rate) - n, (double)made / t};
	return complete ? 0 : refusal_set(why, REFUSED_FAILED, "interrupted");
}

int bench_rate_load(struct bench_rate *rate, const struct bench_load *load, struct refusal *why)
{
	if (bench_generator_start(&rate->generator, load, why))
		return -1;
	rate->loaded_s = now_s();
	rate->loaded_made = made_by(rate);
	return 0;
}

int bench_rate_unload(struct bench_rate *rate, double *made_pps, struct refusal *why)
{
	*made_pps = (double)(made_by(rate) - rate->loaded_made) / (now_s() - rate->loaded_s);
	return bench_generator_stop(&rate->generator, why);
}
