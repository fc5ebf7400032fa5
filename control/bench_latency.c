/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_latency - a ping-pong of UDP datagrams between two sockets, both blocking. Everybody is
 * kept on a CPU: on a virtual machine it takes longer to wake another CPU than to route a
 * packet, and what the scheduler chooses would be all there is to see.
 *
 * Ordinary sockets and not raw ones: the hosts' ARP, and no answer "port unreachable" in
 * between. Their datagrams carry no UDP checksum, so that a bare redirect, which cannot
 * complete one, is measured by the same.
 */
#include "bench_latency.h"
#include "netns.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ECHO_PORT 7 /* RFC 862 */
#define PAYLOAD	  (BENCH_PING_FRAME - 14 - 20 - 8)
#define WARM_UP	  20  /* answers before the first that counts: ARP, sleeping CPUs */
#define WARM_UP_S 3.0 /* at most */
#define PINGS_MAX 200000
#define ANSWER_MS 100 /* later than that is lost */

struct reflector {
	pthread_t thread;
	int fd;
	bool stop; /* written by the other thread */
};

struct pinger {
	int fd;
	uint64_t sequence;
	unsigned lost;
};

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* A UDP socket in a namespace, bound to a port (0: any), or -1 with *why. */
static int open_socket(const char *netns, uint16_t port, struct refusal *why)
{
	const struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
	const struct timeval patience = {.tv_usec = ANSWER_MS * 1000};
	const int yes = 1;
	int home = netns_visit(netns, why);

	if (home < 0)
		return -1;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	netns_return(home);
	if (fd >= 0 && !setsockopt(fd, SOL_SOCKET, SO_NO_CHECK, &yes, sizeof(yes)) &&
	    !setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) &&
	    !bind(fd, (const struct sockaddr *)&any, sizeof(any)))
		return fd;
	refusal_set(why, REFUSED_FAILED, "a UDP socket in %s: %s", netns, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

static void *reflect(void *arg)
{
	struct reflector *reflector = arg;
	uint8_t buf[PAYLOAD];

	while (!load_shared(&reflector->stop)) {
		struct sockaddr_in from;
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(reflector->fd, buf, sizeof(buf), 0, (void *)&from, &len);
		if (n > 0)
			sendto(reflector->fd, buf, (size_t)n, 0, (void *)&from, len);
	}
	return NULL;
}

/* Nanoseconds of one round trip; 0: lost. */
static uint64_t ping(struct pinger *pinger)
{
	uint8_t out[PAYLOAD] = {0}, in[PAYLOAD];
	uint64_t began = now_ns();

	pinger->sequence++;
	memcpy(out, &pinger->sequence, sizeof(pinger->sequence));
	if (send(pinger->fd, out, sizeof(out), 0) < 0)
		return 0;
	while (recv(pinger->fd, in, sizeof(in), 0) > 0)
		if (!memcmp(in, out, sizeof(out))) /* and no straggler */
			return now_ns() - began;
	return 0;
}

/* Round trips into times_ns; returns how many. */
static unsigned ping_all(struct pinger *pinger, double seconds, uint64_t *times_ns)
{
	uint64_t end_ns = now_ns() + (uint64_t)(WARM_UP_S * 1e9);
	unsigned n = 0;

	for (unsigned answers = 0; answers < WARM_UP && now_ns() < end_ns;)
		answers += ping(pinger) > 0;
	end_ns = now_ns() + (uint64_t)(seconds * 1e9);
	while (n < PINGS_MAX && now_ns() < end_ns) {
		times_ns[n] = ping(pinger);
		if (times_ns[n])
			n++;
		else
			pinger->lost++;
	}
	return n;
}

static int compare_times(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;
	return *x < *y ? -1 : *x > *y;
}

void bench_latency_of(uint64_t *times_ns, unsigned n, struct bench_latency *latency)
{
	*latency = (struct bench_latency){.n = n};
	if (!n)
		return;
	qsort(times_ns, n, sizeof(*times_ns), compare_times);
	latency->p50_us = (double)times_ns[(n - 1) * 50ull / 100] / 1e3;
	latency->p90_us = (double)times_ns[(n - 1) * 90ull / 100] / 1e3;
	latency->p99_us = (double)times_ns[(n - 1) * 99ull / 100] / 1e3;
	latency->p999_us = (double)times_ns[(n - 1) * 999ull / 1000] / 1e3;
}

/* With both sockets open. */
static int play(const struct bench_lab *lab, struct pinger *pinger, struct reflector *reflector,
		double seconds, struct bench_latency *latency, struct refusal *why)
{
	const struct sockaddr_in to = {.sin_family = AF_INET,
				       .sin_port = htons(ECHO_PORT),
				       .sin_addr.s_addr = lab->to_address.raw};
	uint64_t *times_ns = calloc(PINGS_MAX, sizeof(*times_ns));
	int error = times_ns ? 0 : ENOMEM;

	if (!error && connect(pinger->fd, (const struct sockaddr *)&to, sizeof(to)))
		error = errno;
	if (!error)
		error = pthread_create(&reflector->thread, NULL, reflect, reflector);
	if (error) {
		free(times_ns);
		return refusal_set(why, REFUSED_FAILED, "ping-pong: %s", strerror(error));
	}
	unsigned n = ping_all(pinger, seconds, times_ns);
	store_shared(&reflector->stop, true);
	pthread_join(reflector->thread, NULL);
	bench_latency_of(times_ns, n, latency);
	latency->lost = pinger->lost;
	free(times_ns);
	return 0;
}

static int choose_cpus(const struct bench_lab *lab, int router_cpu, struct refusal *why)
{
	int error = lab->tsuji.pid ? bench_cpu_pin_process(lab->tsuji.pid, router_cpu) : 0;

	bench_cpu_pin(lab->place.cpus->generator); /* and the reflector, which begins there */
	return error ? refusal_set(why, REFUSED_FAILED, "choosing CPUs: %s", strerror(-error)) : 0;
}

static void let_go(const struct bench_lab *lab)
{
	bench_cpu_unpin(lab->place.cpus);
	if (lab->tsuji.pid && !lab->rate)
		bench_cpu_unpin_process(lab->tsuji.pid, lab->place.cpus);
}

int bench_latency(const struct bench_lab *lab, double seconds, int router_cpu,
		  struct bench_latency *latency, struct refusal *why)
{
	struct reflector reflector = {.fd = open_socket(lab->to, ECHO_PORT, why)};
	struct pinger pinger = {.fd = reflector.fd < 0 ? -1 : open_socket(lab->from, 0, why)};
	int code = -1;

	if (pinger.fd >= 0 && !choose_cpus(lab, router_cpu, why))
		code = play(lab, &pinger, &reflector, seconds, latency, why);
	let_go(lab);
	if (pinger.fd >= 0)
		close(pinger.fd);
	if (reflector.fd >= 0)
		close(reflector.fd);
	return code;
}
