/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_generator - frames by one of two means.
 *
 * Live frames: one BPF_PROG_RUN call makes many, several times faster than any router here
 * forwards. At a pace, each call makes what is due and the thread sleeps until the next period
 * begins, BENCH_PERIOD_S later: frames come in little bursts, of the size that a busy network
 * card delivers at a time.
 *
 * pktgen makes an skb per frame, slower, but as the kernel's own traffic is. Its pace is its
 * own; it is set up anew for each run.
 */
#include "bench_generator.h"
#include "bench_cpu.h"
#include "bench_search.h"
#include "netns.h"
#include "pktgen.h"
#include "../dataplane/csum.h"

#include "bpf/bench.skel.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <sys/prctl.h>
#include <time.h>

#define CALL_FRAMES 16384 /* of one BPF_PROG_RUN call: a few milliseconds */
#define CALL_BATCH  64	  /* a veth's ring holds 256, and drains only between batches */
#define NEW_PORT    32768 /* pktgen: where no measured flow's ports are */
#define STARTING_S  1.0	  /* pktgen's thread looks for work every 0.1 s */
#define POLL_S	    0.001

static const char *const source_names[] = {
	[BENCH_LIVE_FRAMES] = "xdp-live-frames",
	[BENCH_PKTGEN] = "pktgen",
};

const char *bench_source_name(enum bench_source source)
{
	return source_names[source];
}

static double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void sleep_until(double at_s)
{
	const struct timespec t = {(time_t)at_s, (long)((at_s - (double)(time_t)at_s) * 1e9)};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void fail(struct bench_generator *generator, int error)
{
	store_shared(&generator->error, error);
}

int bench_generator_error(const struct bench_generator *generator)
{
	return load_shared(&generator->error);
}

/* -- live frames -- */

static uint16_t low_of(struct mac mac)
{
	return (uint16_t)(mac.b[4] << 8 | mac.b[5]);
}

/* The headers of a frame of that size; a UDP checksum of zero is none. */
static void build_frame(uint8_t frame[BENCH_FRAME_MIN], const struct bench_generator *generator)
{
	const struct bench_ends *ends = generator->ends;
	const uint16_t len = (uint16_t)(generator->size - sizeof(struct eth_hdr));
	const struct eth_hdr eth = {ends->to_mac, generator->from_mac, be16_from(ETH_IPV4)};
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

static void prepare_program(const struct bench_generator *generator, unsigned flows)
{
	const struct bench_ends *ends = generator->ends;
	struct bench_bpf *program = generator->program;

	program->data->n_flows = flows;
	program->data->n_sources = ends->sources ? ends->sources : 1;
	program->data->n_destinations = ends->destinations ? ends->destinations : 1;
	program->bss->source = low_of(generator->from_mac);
	program->bss->destination = low_of(ends->to_mac);
	build_frame(program->bss->frame, generator);
}

/* Makes n frames: 0 or an errno. */
static int make(const struct bench_generator *generator, unsigned n)
{
	uint8_t room[BENCH_FRAME_MAX] = {0};
	struct xdp_md context = {.data_end = generator->size,
				 .ingress_ifindex = generator->ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = room, .data_size_in = generator->size,
		    .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = (int)n,
		    .batch_size = CALL_BATCH, .flags = BPF_F_TEST_XDP_LIVE_FRAMES);

	return bpf_prog_test_run_opts(bpf_program__fd(generator->program->progs.generate), &options)
		       ? errno
		       : 0;
}

static int keep_pace(struct bench_generator *generator)
{
	struct bench_pace pace;
	double began_s = now_s(), next_s = began_s;
	int error = 0;

	prctl(PR_SET_TIMERSLACK, 1); /* nanosecond; 50 us would be half a period */
	bench_pace_begin(&pace, generator->pps, began_s);
	while (!error && !load_shared(&generator->stop)) {
		unsigned due = bench_pace_due(&pace, now_s());
		error = due ? make(generator, due) : 0;
		next_s += BENCH_PERIOD_S;
		if (next_s > now_s())
			sleep_until(next_s);
		else
			next_s = now_s();
	}
	generator->ran_s = now_s() - began_s;
	return error;
}

static void *run_program(void *arg)
{
	struct bench_generator *generator = arg;
	struct refusal why;
	int error;

	bench_cpu_pin(generator->ends->cpu);
	error = netns_enter(generator->ends->from_netns, &why) ? ENOENT : 0;
	if (!error && generator->pps > 0)
		error = keep_pace(generator);
	while (!error && !load_shared(&generator->stop))
		error = make(generator, CALL_FRAMES);
	if (error)
		fail(generator, error);
	return NULL;
}

/* -- pktgen -- */

static int prepare_pktgen(const struct bench_generator *generator, unsigned flows,
			  struct refusal *why)
{
	const struct bench_ends *ends = generator->ends;
	const bool new = flows == BENCH_NEW_FLOWS;
	struct pktgen_command commands[PKTGEN_COMMANDS_MAX];
	struct pktgen_plan plan = {.to_mac = ends->to_mac,
				   .from = ends->from,
				   .to = ends->to,
				   .size = generator->size,
				   .flows = flows,
				   .to_port = new ? NEW_PORT : PKTGEN_PORT,
				   .pps = generator->pps,
				   .cpu = ends->cpu};

	snprintf(plan.interface, sizeof(plan.interface), "%s", ends->from_if);
	int home = netns_visit(ends->from_netns, why);
	if (home < 0)
		return -1;
	int code = pktgen_apply(commands, pktgen_commands(&plan, commands), why);
	netns_return(home);
	return code;
}

static struct pktgen_count count_pktgen(const struct bench_generator *generator)
{
	struct pktgen_count count = {0};
	struct refusal why;
	int home = netns_visit(generator->ends->from_netns, &why);

	if (home < 0)
		return count;
	pktgen_count(generator->ends->from_if, &count);
	netns_return(home);
	return count;
}

/* The seconds that count begin with the first frame. */
static void await_pktgen(const struct bench_generator *generator)
{
	double deadline = now_s() + STARTING_S;

	while (!count_pktgen(generator).made && !bench_generator_error(generator) &&
	       now_s() < deadline)
		sleep_until(now_s() + POLL_S);
}

static void *run_pktgen(void *arg)
{
	struct bench_generator *generator = arg;
	struct refusal why;

	if (netns_enter(generator->ends->from_netns, &why))
		fail(generator, ENOENT);
	else if (pktgen_run(&why))
		fail(generator, EIO);
	return NULL;
}

static void stop_pktgen(const struct bench_generator *generator)
{
	struct refusal why;
	int home = netns_visit(generator->ends->from_netns, &why);

	if (home < 0)
		return;
	pktgen_stop();
	netns_return(home);
}

/* -- both -- */

int bench_generator_start(struct bench_generator *generator, const struct bench_load *load,
			  struct refusal *why)
{
	const bool is_pktgen = generator->ends->source == BENCH_PKTGEN;

	generator->size = load->size;
	generator->pps = load->pps;
	generator->stop = false;
	generator->error = 0;
	generator->ran_s = 0;
	if (is_pktgen) {
		generator->before += count_pktgen(generator).made;
		if (prepare_pktgen(generator, load->flows, why))
			return -1;
	} else {
		prepare_program(generator, load->flows);
	}
	int error = pthread_create(&generator->thread, NULL, is_pktgen ? run_pktgen : run_program,
				   generator);
	if (error)
		return refusal_set(why, REFUSED_FAILED, "a thread: %s", strerror(error));
	if (is_pktgen)
		await_pktgen(generator);
	return 0;
}

int bench_generator_stop(struct bench_generator *generator, struct refusal *why)
{
	store_shared(&generator->stop, true);
	if (generator->ends->source == BENCH_PKTGEN)
		stop_pktgen(generator);
	pthread_join(generator->thread, NULL);
	return generator->error
		       ? refusal_set(why, REFUSED_FAILED, "%s: %s",
				     generator->ends->source == BENCH_PKTGEN ? "pktgen"
									     : "BPF_PROG_RUN",
				     strerror(generator->error))
		       : 0;
}

uint64_t bench_generator_made(const struct bench_generator *generator)
{
	return generator->ends->source == BENCH_PKTGEN
		       ? generator->before + count_pktgen(generator).made
		       : load_shared(&generator->program->bss->n_made);
}

double bench_generator_took_s(const struct bench_generator *generator, double seconds)
{
	double took_s = generator->ends->source == BENCH_PKTGEN ? count_pktgen(generator).took_s
								: generator->ran_s;
	return took_s > 0 ? took_s : seconds;
}
