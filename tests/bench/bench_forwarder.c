/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_forwarder - the yardstick for the socket lane: the least an AF_XDP program can do
 * to carry frames from one interface to another. It looks at nothing, rewrites both MACs,
 * and uses libxdp directly: one UMEM, a socket on each interface, need-wakeup, batches.
 *
 *   bench_forwarder IN OUT SOURCE-MAC DESTINATION-MAC     (in the current namespace; ends on SIGTERM)
 */
#include "bpf/bench.skel.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xdp/xsk.h>

#define N_FRAMES 16384
#define FRAME_BYTES 2048
#define RING 2048
#define SKB_BUDGET 9 /* XDP_MAX_TX_SKB_BUDGET, 6.17 */

struct side {
	struct xsk_ring_prod fill, tx;
	struct xsk_ring_cons rx, completion;
	struct xsk_socket *socket;
};

static struct side in, out;
static uint64_t idle[N_FRAMES];
static unsigned n_idle;

static void check(int code, const char *what)
{
	if (!code)
		return;
	fprintf(stderr, "bench_forwarder: %s: %s\n", what, strerror(-code));
	exit(1);
}

static void open_side(struct side *s, const char *name, struct xsk_umem *umem)
{
	const struct xsk_socket_config config = {
		.rx_size = RING, .tx_size = RING, .libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = XDP_COPY | XDP_USE_NEED_WAKEUP,
	};
	const int buffer = 64 << 20, budget = RING;

	check(xsk_socket__create_shared(&s->socket, name, 0, umem, &s->rx, &s->tx, &s->fill, &s->completion,
					&config), name);
	setsockopt(xsk_socket__fd(s->socket), SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer));
	setsockopt(xsk_socket__fd(s->socket), SOL_XDP, SKB_BUDGET, &budget, sizeof(budget));
}

static void refill(struct side *s)
{
	uint32_t index, n = xsk_prod_nb_free(&s->fill, RING);

	if (n > n_idle)
		n = n_idle;
	if (!n || xsk_ring_prod__reserve(&s->fill, n, &index) != n)
		return;
	for (uint32_t i = 0; i < n; i++)
		*xsk_ring_prod__fill_addr(&s->fill, index + i) = idle[--n_idle];
	xsk_ring_prod__submit(&s->fill, n);
}

static void complete(struct side *s)
{
	uint32_t index, n = xsk_ring_cons__peek(&s->completion, RING, &index);

	for (uint32_t i = 0; i < n; i++)
		idle[n_idle++] = *xsk_ring_cons__comp_addr(&s->completion, index + i);
	xsk_ring_cons__release(&s->completion, n);
}

static void carry(const unsigned char *macs, unsigned char *memory)
{
	uint32_t from, to, n = xsk_ring_cons__peek(&in.rx, RING, &from);

	if (!n) {
		struct pollfd fd = {.fd = xsk_socket__fd(in.socket), .events = POLLIN};
		poll(&fd, 1, 100);
		return;
	}
	uint32_t room = xsk_prod_nb_free(&out.tx, n);
	uint32_t sent = room < n ? room : n;
	xsk_ring_prod__reserve(&out.tx, sent, &to);
	for (uint32_t i = 0; i < n; i++) {
		const struct xdp_desc *d = xsk_ring_cons__rx_desc(&in.rx, from + i);
		if (i >= sent) {
			idle[n_idle++] = d->addr & ~(uint64_t)(FRAME_BYTES - 1);
			continue;
		}
		memcpy(memory + d->addr, macs, 12);
		*xsk_ring_prod__tx_desc(&out.tx, to + i) = (struct xdp_desc){.addr = d->addr, .len = d->len};
	}
	xsk_ring_prod__submit(&out.tx, sent);
	xsk_ring_cons__release(&in.rx, n);
	refill(&in);
	sendto(xsk_socket__fd(out.socket), NULL, 0, MSG_DONTWAIT, NULL, 0);
	complete(&out);
	refill(&in);
}

int main(int argc, char **argv)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = XDP_FLAGS_DRV_MODE);
	const struct xsk_umem_config config = {.fill_size = RING, .comp_size = RING, .frame_size = FRAME_BYTES};
	unsigned char macs[12];
	struct xsk_umem *umem;
	const uint32_t key = 0;

	if (argc != 5) {
		fprintf(stderr, "usage: bench_forwarder IN OUT SOURCE-MAC DESTINATION-MAC\n");
		return 2;
	}
	for (unsigned i = 0; i < 2; i++) {
		unsigned char *m = macs + 6 * (1 - i);
		sscanf(argv[3 + i], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", m, m + 1, m + 2, m + 3, m + 4, m + 5);
	}
	unsigned char *memory = mmap(NULL, N_FRAMES * FRAME_BYTES, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct bench_bpf *program = bench_bpf__open_and_load();
	if (memory == MAP_FAILED || !program)
		check(-errno, "memory and programs");
	for (; n_idle < N_FRAMES; n_idle++)
		idle[n_idle] = (uint64_t)n_idle * FRAME_BYTES;
	check(xsk_umem__create(&umem, memory, N_FRAMES * FRAME_BYTES, &in.fill, &in.completion, &config), "UMEM");
	open_side(&in, argv[1], umem);
	open_side(&out, argv[2], umem);
	refill(&in);
	const int fd = xsk_socket__fd(in.socket);
	check(bpf_map_update_elem(bpf_map__fd(program->maps.sockets), &key, &fd, BPF_ANY), "map");
	int link = bpf_link_create(bpf_program__fd(program->progs.take), (int)if_nametoindex(argv[1]), BPF_XDP, &options);
	int other = bpf_link_create(bpf_program__fd(program->progs.pass), (int)if_nametoindex(argv[2]), BPF_XDP, &options);
	check(link < 0 ? link : other < 0 ? other : 0, "attach");
	for (;;)
		carry(macs, memory);
}
