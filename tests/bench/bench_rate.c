/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_rate - packets per second from one host to another, through whatever lies between.
 *
 *   bench_rate FROM-NETNS FROM-IF FROM-IP TO-NETNS TO-IF TO-IP GATEWAY-MAC FLOWS SIZE SECONDS
 *
 * Generates UDP as live frames (BPF_PROG_RUN) on CPU 0, counts what arrives with an XDP
 * program at the receiver, prints "PPS-RECEIVED PPS-MADE CPU-SECONDS-PER-MILLION". The
 * last figure is what the whole machine spent, the generator and the receiver included.
 */
#include "../../dataplane/csum.h"

#include "bpf/bench.skel.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CALL_FRAMES 16384 /* of one BPF_PROG_RUN call: a few milliseconds */
#define WARM_UP_S 0.5
#define KEEPER "keeper0" /* an idle veth beside FROM-IF, for the generator to be attached to */

static void die(const char *what)
{
	fprintf(stderr, "bench_rate: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void enter(const char *netns)
{
	char path[256];
	snprintf(path, sizeof(path), "/run/netns/%s", netns);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		die(path);
	close(fd);
}

static struct mac mac_of(const char *name)
{
	struct ifreq ifr = {0};
	struct mac mac;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &ifr))
		die(name);
	memcpy(mac.b, ifr.ifr_hwaddr.sa_data, 6);
	close(fd);
	return mac;
}

static be32 address(const char *text)
{
	struct in_addr a;
	if (inet_pton(AF_INET, text, &a) != 1)
		die(text);
	return (be32){a.s_addr};
}

static void build_frame(uint8_t *frame, struct mac from, struct mac to, be32 src, be32 dst, unsigned size)
{
	struct eth_hdr eth = {to, from, be16_from(ETH_IPV4)};
	struct ip4_hdr ip = {
		.version_ihl = 0x45, .total_len = be16_from((uint16_t)(size - 14)), .ttl = 64,
		.protocol = PROTO_UDP, .src = src, .dst = dst,
	};
	struct udp_hdr udp = {.dport = be16_from(1024), .len = be16_from((uint16_t)(size - 34))};

	ip.checksum = csum_of(&ip, sizeof(ip));
	memset(frame, 0, 60);
	memcpy(frame, &eth, sizeof(eth));
	memcpy(frame + 14, &ip, sizeof(ip));
	memcpy(frame + 34, &udp, sizeof(udp));
}

struct generator {
	struct bench_bpf *program;
	uint32_t ifindex;
	const char *netns;
	unsigned size;
	bool stop;
};

static void *generate(void *arg)
{
	struct generator *g = arg;
	uint8_t room[1514] = {0};
	struct xdp_md context = {.data_end = g->size, .ingress_ifindex = g->ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = room, .data_size_in = g->size,
		    .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = CALL_FRAMES,
		    .batch_size = 64, .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
	cpu_set_t cpu;

	CPU_ZERO(&cpu);
	CPU_SET(0, &cpu);
	sched_setaffinity(0, sizeof(cpu), &cpu);
	enter(g->netns);
	while (!load_shared(&g->stop))
		if (bpf_prog_test_run_opts(bpf_program__fd(g->program->progs.generate), &options))
			die("BPF_PROG_RUN");
	return NULL;
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Busy seconds of all CPUs since boot: user, nice, system, irq and softirq of /proc/stat. */
static double busy(void)
{
	double t[7] = {0};
	FILE *f = fopen("/proc/stat", "re");

	if (!f || fscanf(f, "cpu %lf %lf %lf %lf %lf %lf %lf", &t[0], &t[1], &t[2], &t[3], &t[4], &t[5], &t[6]) != 7)
		die("/proc/stat");
	fclose(f);
	return (t[0] + t[1] + t[2] + t[5] + t[6]) / (double)sysconf(_SC_CLK_TCK);
}

/* Attaches a program natively for as long as this process lives. */
static void attach(struct bpf_program *program, const char *name)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = XDP_FLAGS_DRV_MODE);
	if (bpf_link_create(bpf_program__fd(program), (int)if_nametoindex(name), BPF_XDP, &options) < 0)
		die(name);
}

int main(int argc, char **argv)
{
	if (argc != 11) {
		fprintf(stderr, "usage: bench_rate FROM-NETNS FROM-IF FROM-IP TO-NETNS TO-IF TO-IP GATEWAY-MAC FLOWS SIZE SECONDS\n");
		return 2;
	}
	struct mac gateway;
	struct bench_bpf *program = bench_bpf__open_and_load();
	double seconds = atof(argv[10]);
	pthread_t thread;

	if (!program)
		die("loading the programs");
	if (sscanf(argv[7], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &gateway.b[0], &gateway.b[1], &gateway.b[2],
		   &gateway.b[3], &gateway.b[4], &gateway.b[5]) != 6)
		die(argv[7]);
	struct generator g = {.program = program, .netns = argv[1], .size = (unsigned)atoi(argv[9])};
	enter(argv[4]);
	attach(program->progs.count, argv[5]);
	enter(argv[1]);
	g.ifindex = if_nametoindex(argv[2]);
	/* Attached natively somewhere, live frames need not wait for RCU at every call. */
	attach(program->progs.generate, KEEPER);
	build_frame(program->bss->frame, mac_of(argv[2]), gateway, address(argv[3]), address(argv[6]), g.size);
	program->data->n_flows = (uint32_t)atoi(argv[8]);

	if (pthread_create(&thread, NULL, generate, &g))
		die("thread");
	usleep((useconds_t)(WARM_UP_S * 1e6));
	double t = now(), b = busy();
	uint64_t received = load_shared(&program->bss->n_packets), made = load_shared(&program->bss->n_made);
	usleep((useconds_t)(seconds * 1e6));
	received = load_shared(&program->bss->n_packets) - received;
	made = load_shared(&program->bss->n_made) - made;
	t = now() - t, b = busy() - b;
	store_shared(&g.stop, true);
	pthread_join(thread, NULL);
	printf("%.0f %.0f %.3f\n", (double)received / t, (double)made / t,
	       received ? b / ((double)received / 1e6) : 0.0);
	return 0;
}
