/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lane_trial - sends small frames over a private veth, by either lane, and takes the time.
 *
 *     trial0 ---------- trial1 (GRO on)        both in the keeper's namespace
 *
 * That is what most ports face: a host's veth with GRO on, which receives inside our system
 * call. A far end with an XDP program costs the burst lane less; then its break-even lies
 * lower than what is found here. The socket lane has rings and frames of its own for this,
 * of the sizes it uses at a port that shares its frames with many.
 *
 * The lanes take turns, and the best of many rounds counts: whatever else the machine does
 * adds time and never takes any away. A burst's cost is a line through two lengths.
 */
#include "lane_trial.h"

#include "compat.h"
#include "lane_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <xdp/xsk.h>

#define NEAR	   "trial0"
#define FAR	   "trial1"
#define ROUNDS	   16
#define FEW	   8  /* packets of a short burst */
#define MANY	   64 /* of a long one, still a batch; and of a turn of the socket lane */
#define FRAME_LEN  60
#define FRAME_SIZE 2048
#define SENDS_MAX  1000 /* system calls until all is sent and completed: two, as a rule */

struct trial_socket {
	void *frames;
	struct xsk_umem *umem;
	struct xsk_socket *socket;
	struct xsk_ring_prod fill, tx;
	struct xsk_ring_cons completion;
};

struct trial {
	struct burst_lane *lane;
	struct xsk_area *area;
	struct trial_socket by_socket;
	unsigned n_sent;
	uint64_t few_ns, many_ns, socket_ns; /* the best so far */
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* -- the veth ----------------------------------------------------------------------- */

static int set_interface(const char *name, bool gro)
{
	struct ethtool_value value = {.cmd = ETHTOOL_SGRO, .data = gro};
	struct ifreq request = {0};
	int code = 0, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	strcpy(request.ifr_name, name);
	request.ifr_data = (char *)&value;
	if (gro && ioctl(fd, SIOCETHTOOL, &request) < 0)
		code = -errno;
	request.ifr_flags = IFF_UP;
	if (!code && ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		code = -errno;
	close(fd);
	return code;
}

/* What IPv6 says of itself is not to be counted among ours. Where there is none, all the better. */
static void silence_ip6(void)
{
	int fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)!write(fd, "1", 1);
	close(fd);
}

static int lay_cable(void)
{
	silence_ip6();
	int code = keeper_add_veth(NEAR, FAR);
	if (!code)
		code = set_interface(FAR, true);
	return code ? code : set_interface(NEAR, false);
}

/* Packets that the far end has received; -1: nobody says. */
static long long arrived(void)
{
	FILE *file = fopen("/proc/thread-self/net/dev", "re");
	char line[512];
	long long n = -1;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, " " FAR ": %*u %lld", &n) == 1)
			break;
	if (file)
		fclose(file);
	return n;
}

/* -- the socket lane ---------------------------------------------------------------- */

static void close_socket(struct trial_socket *s)
{
	if (s->socket)
		xsk_socket__delete(s->socket);
	if (s->umem)
		xsk_umem__delete(s->umem);
	free(s->frames);
}

static int open_socket(struct trial_socket *s)
{
	const struct xsk_umem_config umem = {
		.fill_size = MANY, .comp_size = MANY, .frame_size = FRAME_SIZE};
	const struct xsk_socket_config socket = {
		.tx_size = MANY,
		.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = XDP_COPY,
	};
	const uint32_t budget = MANY;

	s->frames = aligned_alloc((size_t)sysconf(_SC_PAGESIZE), (size_t)MANY * FRAME_SIZE);
	if (!s->frames)
		return -ENOMEM;
	memset(s->frames, 0, (size_t)MANY * FRAME_SIZE);
	int code = xsk_umem__create(&s->umem, s->frames, (size_t)MANY * FRAME_SIZE, &s->fill,
				    &s->completion, &umem);
	if (!code)
		code = xsk_socket__create(&s->socket, NEAR, 0, s->umem, NULL, &s->tx, &socket);
	if (!code) /* as at a port (xsk.c) */
		(void)setsockopt(xsk_socket__fd(s->socket), SOL_XDP, XDP_MAX_TX_SKB_BUDGET, &budget,
				 sizeof(budget));
	return code;
}

static int send_by_socket(struct trial *t)
{
	struct trial_socket *s = &t->by_socket;
	unsigned done = 0;
	uint32_t at;

	if (xsk_ring_prod__reserve(&s->tx, MANY, &at) != MANY)
		return -EIO;
	for (unsigned i = 0; i < MANY; i++)
		*xsk_ring_prod__tx_desc(&s->tx, at + i) =
			(struct xdp_desc){.addr = (uint64_t)i * FRAME_SIZE, .len = FRAME_LEN};
	xsk_ring_prod__submit(&s->tx, MANY);
	for (unsigned i = 0; i < SENDS_MAX && done < MANY; i++) {
		if (sendto(xsk_socket__fd(s->socket), NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 &&
		    errno != EAGAIN && errno != EBUSY && errno != ENOBUFS)
			return -errno;
		unsigned n = xsk_ring_cons__peek(&s->completion, MANY, &at);
		xsk_ring_cons__release(&s->completion, n);
		done += n;
	}
	return done == MANY ? 0 : -EIO;
}

/* -- the trial ---------------------------------------------------------------------- */

/* To nobody, of a type that no stack knows (IEEE 802 local experimental). */
static void write_frame(void *bytes)
{
	static const uint8_t header[] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5};

	memset(bytes, 0, FRAME_LEN);
	memcpy(bytes, header, sizeof(header));
}

static int burst(struct trial *t, unsigned n, uint64_t *best_ns)
{
	uint64_t since = now_ns();
	int code = burst_try(t->lane, n, FRAME_HEADROOM, FRAME_LEN);
	uint64_t took_ns = now_ns() - since;

	t->n_sent += n;
	*best_ns = min_u64(*best_ns, took_ns);
	return code;
}

static int one_round(struct trial *t)
{
	int code = burst(t, FEW, &t->few_ns);

	if (!code)
		code = burst(t, MANY, &t->many_ns);
	if (code)
		return code;
	uint64_t since = now_ns();
	code = send_by_socket(t);
	t->socket_ns = min_u64(t->socket_ns, now_ns() - since);
	t->n_sent += MANY;
	return code;
}

static int measure(struct trial *t)
{
	int code = 0;

	for (unsigned i = 0; i < MANY; i++)
		write_frame((uint8_t *)t->by_socket.frames + (size_t)i * FRAME_SIZE);
	write_frame((uint8_t *)xsk_area_memory(t->area) + FRAME_HEADROOM);
	t->few_ns = t->many_ns = t->socket_ns = UINT64_MAX;
	for (unsigned i = 0; i < ROUNDS && !code; i++) {
		code = one_round(t);
		/* Two in a row, because anybody may lose the CPU once. */
		if (!code && i == 1 && t->few_ns > HEALTH_SLOW_NS && t->many_ns > HEALTH_SLOW_NS)
			code = -ETIME;
	}
	/* A far end without NAPI would take bursts for nothing, and vanish them. */
	for (unsigned i = 0; i < 10 && !code && arrived() < t->n_sent; i++)
		usleep(100);
	return !code && arrived() < t->n_sent ? -EIO : code;
}

/* In the keeper's namespace. */
static int hold(void *arg)
{
	struct trial *t = arg;
	int code = lay_cable();

	if (!code)
		code = burst_set_port(t->lane, BURST_TRIAL, if_nametoindex(NEAR));
	if (!code)
		code = open_socket(&t->by_socket);
	if (!code)
		code = measure(t);
	burst_set_port(t->lane, BURST_TRIAL, 0);
	return code;
}

struct trial *trial_new(struct burst_lane *lane, struct xsk_area *area, struct lane_costs *costs,
			int *code)
{
	struct trial *t = calloc(1, sizeof(*t));

	*code = -ENOMEM;
	if (!t)
		return NULL;
	*t = (struct trial){.lane = lane, .area = area};
	*code = keeper_do(burst_keeper(lane), hold, t);
	if (!*code)
		*costs = costs_of(FEW, t->few_ns, MANY, t->many_ns, t->socket_ns / MANY);
	return t;
}

void trial_free(struct trial *t)
{
	if (!t)
		return;
	close_socket(&t->by_socket);
	free(t);
}
