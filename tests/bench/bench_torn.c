/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_torn - whether XDP ever uses half of one decision and half of another. A generator on
 * one CPU sends a flow through the gate, while this thread on another CPU rewrites the flow's
 * entry, as fast as it can, between two that have not a byte in common and leave by different
 * ports:
 *
 *   FROM  e0 ---- r0 +------+ r1 ---- e0  TO-1   gets the first kind only
 *        generator   | gate | r2 ---- e0  TO-2   the second only
 *
 *   bench_torn SECONDS FROM TO-1 TO-2     in the router's namespace; eth0 and keeper0 in FROM
 *
 * What is not repeated in that moment goes the long way, to a socket that nobody reads: it is
 * no part of this. Each frame that is repeated must be counted in the entry, once.
 *
 * Exit status: 0, 1 where a frame was torn or a count is wrong, 77 where it cannot be tried.
 */
#include "../../control/bench_cpu.h"
#include "../../control/netns.h"
#include "../../dataplane/csum.h"
#include "../../dataplane/lane_flow.h"
#include "../../dataplane/xsk.h"

#include "bpf/bench.skel.h"
#include "bpf/torn.skel.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define FRAME_LEN    60
#define CALL_FRAMES  16384
#define CALL_BATCH   64
#define N_FRAMES     1024
#define SKIPPED	     77
#define DRAIN_US     200000
#define ROUND	     64	  /* rewrites between two looks at the clock */
#define IN_FORCE_MAX 2048 /* steps of an empty loop that an entry is left alone */

static const struct mac router_mac = {{2, 0, 0, 0, 1, 1}};
/* The ports are the generator's first. */
static const struct tuple flow = {.src = {0x0201a8c0},
				  .dst = {0x0200a8c0},
				  .sport = {0x0004},
				  .dport = {0x0004},
				  .protocol = 17};

struct kind {	      /* of entry */
	uint8_t byte; /* all that can be, is */
	const char *port, *far;
};

struct run {
	struct kind kind[2];
	const char *from;
	struct bench_bpf *generator;
	struct torn_bpf *receiver;
	struct xsk_area *area;
	struct frame_pool pool;
	struct stats stats;
	struct xsk_port *in;
	struct flow_lane *lane;
	struct flow_cache *cache;
	struct flow_entry entry[2];
	uint32_t ifindex; /* the generator's */
	int cpu;
	pthread_t thread;
	bool stop;
	int error;
	uint64_t reported[2], written;
};

static void fail(const char *what, int code)
{
	fprintf(stderr, "bench_torn: %s: %s\n", what, strerror(code));
	exit(1);
}

static void skip(const char *why)
{
	printf("%s\n", why);
	exit(SKIPPED);
}

/* -- the two entries ------------------------------------------------------------------ */

static struct flow_key flow_key(void)
{
	return (struct flow_key){{
		flow.src.raw | (uint64_t)flow.dst.raw << 32,
		flow.sport.raw | (uint32_t)flow.dport.raw << 16 |
			FLOW_KEY_REST(0, flow.protocol, FLOW_ROUTED),
	}};
}

/* As repeat.c makes it. */
static struct flow_entry entry_of(uint8_t byte, uint8_t port_out)
{
	struct flow_entry e = {
		.key = flow_key(), .port_out = port_out, .flags = FLOW_ENDPOINTS, .mtu = 1400};

	memset(e.mac, byte, sizeof(e.mac));
	memset(&e.src, byte, sizeof(e.src));
	memset(&e.dst, byte, sizeof(e.dst));
	memset(&e.sport, byte, sizeof(e.sport));
	memset(&e.dport, byte, sizeof(e.dport));
	uint64_t addresses =
		(uint64_t)(uint32_t)~flow.src.raw + e.src + (uint32_t)~flow.dst.raw + e.dst;
	uint64_t ports =
		(uint64_t)(uint16_t)~flow.sport.raw + e.sport + (uint16_t)~flow.dport.raw + e.dport;
	e.ip_change = csum_fold(addresses + 0xfffe);
	e.l4_change = csum_fold(addresses + ports);
	return e;
}

/* Where the cache has put the flow: the place in which its key is. */
static struct flow_entry *entry_in_use(const struct run *run)
{
	const struct flow_config config = flow_lane_config(run->lane);
	const struct flow_key key = flow_key();
	uint64_t hash = flow_hash(config.secret[0], config.secret[1], &key);

	for (unsigned half = 0; half < 2; half++, hash >>= 32)
		for (unsigned way = 0; way < FLOW_WAYS; way++) {
			struct flow_bucket *b =
				&config.buckets[(uint32_t)hash & (config.n_buckets - 1)];
			if (memcmp(&b->way[way].key, &key, sizeof(key)) == 0)
				return &b->way[way];
		}
	return NULL;
}

static void take_reports(struct run *run, uint64_t now_ns)
{
	struct flow_report report;

	while (flow_next_report(run->cache, now_ns, &report)) {
		run->reported[0] += report.packets;
		run->reported[1] += report.bytes;
	}
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/*
 * One kind after the other. A change voids the entry in force, so that it may be written anew:
 * from there to its new generation no frame is repeated.
 */
static void rewrite(struct run *run, double seconds)
{
	const struct flow_note note = {.idle_ns = UINT64_MAX};
	uint64_t end_ns = now_ns() + (uint64_t)(seconds * 1e9), at_ns;

	while ((at_ns = now_ns()) < end_ns && !load_shared(&run->error)) {
		for (unsigned i = 0; i < ROUND; i++) {
			flow_change(run->cache);
			uint32_t generation = flow_begin(run->cache, at_ns);
			if (!flow_arm(run->cache, &run->entry[i & 1], &note, generation, at_ns))
				fail("an entry was not armed", EINVAL);
			run->written++;
			/* Nobody reads the socket, so nothing of the flow is on its way. */
			store_shared(&entry_in_use(run)->waits_for, 0);
			/* A moment in force: else hardly a frame is repeated. */
			for (unsigned n = (unsigned)rand() % IN_FORCE_MAX; n--;)
				__asm__ volatile("" ::: "memory");
		}
		take_reports(run, at_ns);
	}
}

/* -- the frames ------------------------------------------------------------------------ */

static void build_frame(uint8_t frame[FRAME_LEN])
{
	struct eth_hdr eth = {router_mac, {{2, 0, 0, 0, 1, 2}}, be16_from(ETH_IPV4)};
	struct ip4_hdr ip = {.version_ihl = 0x45,
			     .total_len = be16_from(FRAME_LEN - 14),
			     .ttl = 64,
			     .protocol = PROTO_UDP,
			     .src = flow.src,
			     .dst = flow.dst};
	struct udp_hdr udp = {flow.sport, flow.dport, be16_from(FRAME_LEN - 34), {0}};

	ip.checksum = csum_of(&ip, sizeof(ip));
	memcpy(frame, &eth, sizeof(eth));
	memcpy(frame + 14, &ip, sizeof(ip));
	for (unsigned i = 42; i < FRAME_LEN; i++)
		frame[i] = (uint8_t)(i * 37);
	memcpy(frame + 34, &udp, sizeof(udp));
	udp.checksum = csum_finish(csum_add(csum_pseudo(ip.src, ip.dst, PROTO_UDP, FRAME_LEN - 34),
					    frame + 34, FRAME_LEN - 34));
	memcpy(frame + 34, &udp, sizeof(udp));
}

static void *generate(void *arg)
{
	struct run *run = arg;
	uint8_t room[FRAME_LEN] = {0};
	struct xdp_md context = {.data_end = FRAME_LEN, .ingress_ifindex = run->ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = room, .data_size_in = sizeof(room),
		    .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = CALL_FRAMES,
		    .batch_size = CALL_BATCH, .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
	struct refusal why;

	bench_cpu_pin(run->cpu);
	if (netns_enter(run->from, &why))
		store_shared(&run->error, ENOENT);
	while (!load_shared(&run->stop) && !load_shared(&run->error))
		if (bpf_prog_test_run_opts(bpf_program__fd(run->generator->progs.generate),
					   &options))
			store_shared(&run->error, errno);
	return NULL;
}

/* -- set-up ------------------------------------------------------------------------------ */

static void attach(const struct bpf_program *program, const char *netns, const char *interface)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = XDP_FLAGS_DRV_MODE);
	struct refusal why;
	int home = netns_visit(netns, &why);

	if (home < 0)
		fail(netns, ENOENT);
	if (bpf_link_create(bpf_program__fd(program), (int)if_nametoindex(interface), BPF_XDP,
			    &options) < 0)
		fail(interface, errno);
	netns_return(home);
}

static void open_far_ends(struct run *run)
{
	struct refusal why;

	run->generator = bench_bpf__open_and_load();
	run->receiver = torn_bpf__open_and_load();
	if (!run->generator || !run->receiver)
		fail("loading programs", errno);
	for (unsigned i = 0; i < 2; i++)
		memset(run->receiver->bss->expected[i], run->kind[i].byte,
		       sizeof(run->receiver->bss->expected[i]));
	attach(run->receiver->progs.first, run->kind[0].far, "eth0");
	attach(run->receiver->progs.second, run->kind[1].far, "eth0");
	attach(run->generator->progs.generate, run->from, "keeper0");
	int home = netns_visit(run->from, &why);
	run->ifindex = if_nametoindex("eth0");
	netns_return(home);
	build_frame(run->generator->bss->frame);
	run->generator->bss->source = 0x0102;
	run->generator->bss->destination = 0x0101;
}

static void open_gate(struct run *run)
{
	struct xsk_error error = {0};
	int code = flow_lane_open(&run->lane);

	if (code)
		skip("this kernel has no flow cache");
	run->area = xsk_area_new(N_FRAMES, 2048, &error);
	if (!run->area || frame_pool_init(&run->pool, xsk_area_memory(run->area), 2048, N_FRAMES))
		fail("memory", error.code);
	const struct xsk_config config = {
		.name = "r0",
		.ifindex = if_nametoindex("r0"),
		.number = 0,
		.ring_size = 256,
		.mode = XSK_NATIVE,
		.pool = &run->pool,
		.stats = &run->stats,
		.flow = run->lane,
	};
	run->in = xsk_port_open(run->area, &config, &error);
	if (!run->in)
		fail(error.text, error.code);
	if (!xsk_port_repeats(run->in))
		skip("the gate does not see checksums here, so it repeats nothing");
}

static void open_cache(struct run *run)
{
	struct flow_config config = flow_lane_config(run->lane);

	run->cache = flow_new(&config);
	if (!run->cache)
		fail("the cache", ENOMEM);
	flow_set_by_tuple(run->cache, true);
	flow_set_mac(run->cache, 0, router_mac);
	flow_set_port(run->cache, 0, true, false);
	for (uint16_t i = 0; i < 2; i++) {
		uint32_t ifindex = if_nametoindex(run->kind[i].port);
		int code = flow_lane_set_port(run->lane, run->entry[i].port_out, ifindex);
		if (code)
			fail(run->kind[i].port, -code);
		struct mac mac;
		memset(mac.b, run->kind[i].byte, sizeof(mac.b));
		flow_set_mac(run->cache, run->entry[i].port_out, mac);
		flow_set_port(run->cache, run->entry[i].port_out, false, true);
	}
}

static void close_all(struct run *run)
{
	xsk_port_close(run->in);
	flow_free(run->cache);
	flow_lane_close(run->lane);
	frame_pool_fini(&run->pool);
	xsk_area_free(run->area);
	torn_bpf__destroy(run->receiver);
	bench_bpf__destroy(run->generator);
}

/* -- what came of it ---------------------------------------------------------------------- */

static int judge(struct run *run)
{
	const struct torn_bpf__bss *seen = run->receiver->bss;
	struct xsk_gate_counts gate;
	uint64_t whole = seen->n_whole[0] + seen->n_whole[1];

	flow_lane_refresh_stats(run->lane, &run->stats);
	xsk_port_gate_counts(run->in, &gate);
	uint64_t lost = gate.lost + run->stats.port[1].flow_lost + run->stats.port[2].flow_lost;
	printf("%llu entries written, %llu frames of the first kind, %llu of the second, %llu "
	       "torn, "
	       "%llu with a wrong checksum; %llu counted, %llu lost\n",
	       (unsigned long long)run->written, (unsigned long long)seen->n_whole[0],
	       (unsigned long long)seen->n_whole[1], (unsigned long long)seen->n_torn,
	       (unsigned long long)seen->n_wrong_sum, (unsigned long long)run->reported[0],
	       (unsigned long long)lost);
	if (seen->n_torn || seen->n_wrong_sum) {
		for (unsigned i = 0; i < FRAME_LEN; i++)
			printf("%02x%s", seen->example[i], i == FRAME_LEN - 1 ? "\n" : " ");
		return 1;
	}
	if (run->reported[0] != whole + lost ||
	    run->reported[1] != run->reported[0] * (FRAME_LEN - 14)) {
		printf("the entry's counters are not what went by\n");
		return 1;
	}
	if (!seen->n_whole[0] || !seen->n_whole[1]) {
		printf("one kind was never used: this has tested nothing\n");
		return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static struct run run;
	struct bench_cpus cpus;

	if (argc != 5) {
		fprintf(stderr, "usage: bench_torn SECONDS FROM TO-1 TO-2\n");
		return 2;
	}
	if (geteuid())
		skip("needs root: namespaces and XDP");
	if (bench_cpus_find(&cpus) || cpus.generator == cpus.worker)
		skip("needs two CPUs: on one nothing is torn");
	run.kind[0] = (struct kind){0xaa, "r1", argv[3]};
	run.kind[1] = (struct kind){0x54, "r2", argv[4]};
	run.from = argv[2];
	run.cpu = cpus.generator;
	for (uint8_t i = 0; i < 2; i++)
		run.entry[i] = entry_of(run.kind[i].byte, i + 1);
	open_gate(&run);
	open_cache(&run);
	open_far_ends(&run);
	bench_cpu_pin(cpus.worker);
	if (pthread_create(&run.thread, NULL, generate, &run))
		fail("a thread", errno);
	rewrite(&run, atof(argv[1]));
	store_shared(&run.stop, true);
	pthread_join(run.thread, NULL);
	if (run.error)
		fail("BPF_PROG_RUN", run.error);
	usleep(DRAIN_US); /* what is under way arrives */
	flow_settle(run.cache);
	take_reports(&run, now_ns());
	int status = judge(&run);
	close_all(&run);
	return status;
}
