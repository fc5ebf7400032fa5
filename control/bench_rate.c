/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_rate - the generator and the sink, both XDP programs (bpf/bench.bpf.c).
 *
 * The generator makes UDP as live frames (BPF_PROG_RUN) on a CPU of its own, several times
 * faster than any router here forwards; what counts is what arrives, read from the sink's
 * memory map. The sink is native XDP, so it gives the last link the NAPI that bursts need.
 *
 * A figure is taken after a warm-up: ARP, the first packet of each flow, and a router that
 * goes from sleep to full load are no part of it.
 */
#include "bench_rate.h"
#include "bench_cpu.h"
#include "netns.h"
#include "process.h"
#include "../dataplane/csum.h"

#include "bpf/bench.skel.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CALL_FRAMES  16384 /* of one BPF_PROG_RUN call: a few milliseconds */
#define CALL_BATCH   64	   /* a veth's ring holds 256, and drains only between batches */
#define WARM_UP_S    0.25
#define FLOWS_PER_S  250000.0 /* the slowest contender has seen the first packets of so many */
#define INTRODUCED   64	      /* stations at a time: what a small ring holds ... */
#define PAUSE_US     200      /* ... and time to take them out */
#define TO_IFS_MAX   16
#define EXPERIMENTAL 0x88b5 /* IEEE 802 local experimental ethertype */

/* New flows: their numbers begin where no measured flow's reaches, and never come back. */
#define NEW_FLOWS (1u << 31)
#define NEW_FIRST (1u << 20)
static_assert(NEW_FIRST > BENCH_FLOWS_MAX, "a new flow is new");
#define NEW_BEFORE    10000 /* that pass before the clock is started */
#define NEW_TIMEOUT_S 3.0
#define NEW_POLL_S    0.0002

struct bench_rate {
	struct bench_bpf *program; /* the caller's */
	struct bench_ends ends;
	struct mac from_mac;
	uint32_t ifindex; /* the generator's frames leave here */
	int links[TO_IFS_MAX + 1]; /* attached programs */
	unsigned n_links;

	/* while it generates */
	pthread_t thread;
	unsigned size;
	bool stop; /* written by the caller's thread */
	int error; /* written by the generator's: errno of the call that ended it */
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

/* -- the frame -- */

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

/* The headers of a frame of that size; a UDP checksum of zero is none. */
static void build_frame(uint8_t frame[BENCH_FRAME_MIN], const struct bench_rate *rate, unsigned size)
{
	const struct bench_ends *ends = &rate->ends;
	const uint16_t len = (uint16_t)(size - sizeof(struct eth_hdr));
	const struct eth_hdr eth = {ends->to_mac, rate->from_mac, be16_from(ETH_IPV4)};
	const struct udp_hdr udp = {.len = be16_from((uint16_t)(len - sizeof(struct ip4_hdr)))};
	struct ip4_hdr ip = {.version_ihl = 0x45,
			     .total_len = be16_from(len),
			     .ttl = 64,
			     .protocol = PROTO_UDP,
			     .src = ends->from,
			     .dst = ends->to};

	ip.checksum = csum_of(&ip, sizeof(ip));
	memset(frame, 0, BENCH_FRAME_MIN);
	memcpy(frame, &eth, sizeof(eth));
	memcpy(frame + sizeof(eth), &ip, sizeof(ip));
	memcpy(frame + sizeof(eth) + sizeof(ip), &udp, sizeof(udp));
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
	rate->ifindex = if_nametoindex(ends->from_if);
	if (!mac_of(ends->from_if, &rate->from_mac))
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

/* -- generating -- */

static void *generate(void *arg)
{
	struct bench_rate *rate = arg;
	uint8_t room[BENCH_FRAME_MAX] = {0};
	struct xdp_md context = {.data_end = rate->size, .ingress_ifindex = rate->ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = room, .data_size_in = rate->size,
		    .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = CALL_FRAMES,
		    .batch_size = CALL_BATCH, .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
	struct refusal why;

	bench_cpu_pin(rate->ends.cpu);
	if (netns_enter(rate->ends.from_netns, &why))
		store_shared(&rate->error, ENOENT);
	while (!load_shared(&rate->stop) && !load_shared(&rate->error))
		if (bpf_prog_test_run_opts(bpf_program__fd(rate->program->progs.generate),
					   &options))
			store_shared(&rate->error, errno);
	return NULL;
}

static int start(struct bench_rate *rate, unsigned flows, unsigned size, struct refusal *why)
{
	const struct bench_ends *ends = &rate->ends;
	struct bench_bpf *program = rate->program;

	program->data->n_flows = flows;
	program->data->n_sources = ends->sources ? ends->sources : 1;
	program->data->n_destinations = ends->destinations ? ends->destinations : 1;
	program->bss->source = low_of(rate->from_mac);
	program->bss->destination = low_of(ends->to_mac);
	build_frame(program->bss->frame, rate, size);
	rate->size = size;
	rate->stop = false;
	rate->error = 0;
	int error = pthread_create(&rate->thread, NULL, generate, rate);
	return error ? refusal_set(why, REFUSED_FAILED, "a thread: %s", strerror(error)) : 0;
}

/* 0, or -1 where the generator failed or complete is false. */
static int finish(struct bench_rate *rate, bool complete, struct refusal *why)
{
	store_shared(&rate->stop, true);
	pthread_join(rate->thread, NULL);
	if (rate->error)
		return refusal_set(why, REFUSED_FAILED, "BPF_PROG_RUN: %s", strerror(rate->error));
	return complete ? 0 : refusal_set(why, REFUSED_FAILED, "interrupted");
}

static uint64_t received(const struct bench_rate *rate)
{
	return load_shared(&rate->program->bss->n_packets);
}

static double warm_up_s(unsigned flows)
{
	return WARM_UP_S + flows / FLOWS_PER_S;
}

double bench_rate_cost_s(unsigned flows, double seconds)
{
	return warm_up_s(flows) + seconds + 0.01;
}

int bench_rate_measure(struct bench_rate *rate, const struct bench_load *load, int stop_fd,
		       struct bench_rate_figures *figures, struct refusal *why)
{
	if (start(rate, load->flows, load->size, why))
		return -1;
	bool complete = wait_s(warm_up_s(load->flows), stop_fd);
	double t = now_s(), busy = bench_cpu_busy_s();
	uint64_t n = received(rate), made = load_shared(&rate->program->bss->n_made);
	complete = complete && wait_s(load->seconds, stop_fd);
	n = received(rate) - n;
	made = load_shared(&rate->program->bss->n_made) - made;
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
		if (now_s() > deadline || load_shared(&rate->error) || !wait_s(NEW_POLL_S, stop_fd))
			return false;
	return true;
}

int bench_rate_sessions(struct bench_rate *rate, int stop_fd, double *per_second,
			struct refusal *why)
{
	uint64_t before = received(rate) + NEW_BEFORE;
	double deadline = now_s() + NEW_TIMEOUT_S;

	*per_second = 0;
	rate->program->bss->n_made = NEW_FIRST;
	if (start(rate, NEW_FLOWS, BENCH_FRAME_MIN, why))
		return -1;
	if (await(rate, before, deadline, stop_fd)) {
		double t = now_s();
		before = received(rate);
		await(rate, before + BENCH_SESSIONS_MEASURED, deadline, stop_fd);
		*per_second = (double)(received(rate) - before) / (now_s() - t);
	}
	return finish(rate, !process_interrupted(stop_fd), why);
}
