/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_rate - packets per second from one host to another, through whatever lies between.
 *
 *   bench_rate [-s SOURCES] [-d DESTINATIONS] FROM-NETNS FROM-IF FROM-IP TO-NETNS TO-IFS TO-IP
 *              TO-MAC FLOWS SIZE SECONDS
 *
 * TO-MAC is the router's, a station's on the same bridge, or broadcast. TO-IFS are counted
 * together ("e0,e1"). With -s or -d frames come from and go to that many MACs, counted up from
 * FROM-IF's and TO-MAC; the destinations are introduced first, by a broadcast each from the
 * first of TO-IFS.
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
#include <linux/if_packet.h>
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
#define INTRODUCED 64 /* stations at a time: what a small ring holds ... */
#define PAUSE_US 200  /* ... and time to take them out */
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

/* Attaches the sink to each of the names, which strtok() takes apart. */
static void attach_sinks(struct bpf_program *program, char *names)
{
	for (char *name = strtok(names, ","); name; name = strtok(NULL, ","))
		attach(program, name);
}

static struct mac mac_from(const char *text)
{
	struct mac mac;

	if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac.b[0], &mac.b[1], &mac.b[2], &mac.b[3],
		   &mac.b[4], &mac.b[5]) != 6)
		die(text);
	return mac;
}

static uint16_t low_of(struct mac mac)
{
	return (uint16_t)(mac.b[4] << 8 | mac.b[5]);
}

/* Has a bridge learn that n stations, counted up from first, are behind this interface. */
static void introduce(const char *name, struct mac first, unsigned n)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(name)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	uint8_t frame[60] = {0};
	struct eth_hdr *eth = (struct eth_hdr *)frame;

	*eth = (struct eth_hdr){.src = first, .type = {htons(0x88b5)}};
	memset(&eth->dst, 0xff, sizeof(eth->dst));
	for (unsigned i = 0; i < n; i++) {
		uint16_t low = (uint16_t)(low_of(first) + i);
		eth->src.b[4] = (uint8_t)(low >> 8), eth->src.b[5] = (uint8_t)low;
		while (sendto(fd, frame, sizeof(frame), 0, (void *)&to, sizeof(to)) < 0)
			if (errno != ENOBUFS)
				die("introducing stations");
		if (i % INTRODUCED == INTRODUCED - 1)
			usleep(PAUSE_US);
	}
	close(fd);
}

/* "PPS-RECEIVED PPS-MADE CPU-SECONDS-PER-MILLION" while the generator runs. */
static void measure(struct bench_bpf *program, double seconds)
{
	usleep((useconds_t)(WARM_UP_S * 1e6));
	double t = now(), b = busy();
	uint64_t received = load_shared(&program->bss->n_packets), made = load_shared(&program->bss->n_made);
	usleep((useconds_t)(seconds * 1e6));
	received = load_shared(&program->bss->n_packets) - received;
	made = load_shared(&program->bss->n_made) - made;
	t = now() - t, b = busy() - b;
	printf("%.0f %.0f %.3f\n", (double)received / t, (double)made / t,
	       received ? b / ((double)received / 1e6) : 0.0);
}

struct options {
	unsigned sources, destinations; /* 0: one, and nobody is introduced */
};

static char **read_options(int argc, char **argv, struct options *options)
{
	int option;

	while ((option = getopt(argc, argv, "+s:d:")) != -1) {
		if (option == 's')
			options->sources = (unsigned)atoi(optarg);
		else if (option == 'd')
			options->destinations = (unsigned)atoi(optarg);
	}
	if (argc - optind != 10) {
		fprintf(stderr, "usage: bench_rate [-s SOURCES] [-d DESTINATIONS] FROM-NETNS FROM-IF FROM-IP "
				"TO-NETNS TO-IFS TO-IP TO-MAC FLOWS SIZE SECONDS\n");
		exit(2);
	}
	return argv + optind;
}

int main(int argc, char **argv)
{
	struct options options = {0};
	char **word = read_options(argc, argv, &options);
	struct bench_bpf *program = bench_bpf__open_and_load();
	struct mac from, to = mac_from(word[6]);
	pthread_t thread;

	if (!program)
		die("loading the programs");
	struct generator g = {.program = program, .netns = word[0], .size = (unsigned)atoi(word[8])};
	enter(word[3]);
	attach_sinks(program->progs.count, word[4]);
	introduce(word[4], to, options.destinations); /* of TO-IFS, strtok() has left the first */
	enter(word[0]);
	g.ifindex = if_nametoindex(word[1]);
	/* Attached natively somewhere, live frames need not wait for RCU at every call. */
	attach(program->progs.generate, KEEPER);
	from = mac_of(word[1]);
	build_frame(program->bss->frame, from, to, address(word[2]), address(word[5]), g.size);
	program->bss->source = low_of(from), program->bss->destination = low_of(to);
	program->data->n_flows = (uint32_t)atoi(word[7]);
	program->data->n_sources = options.sources ? options.sources : 1;
	program->data->n_destinations = options.destinations ? options.destinations : 1;

	if (pthread_create(&thread, NULL, generate, &g))
		die("thread");
	measure(program, atof(word[9]));
	store_shared(&g.stop, true);
	pthread_join(thread, NULL);
	return 0;
}
