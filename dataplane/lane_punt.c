/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lane_punt - the punt lane: packets of one port after each other go in one call, by the burst
 * lane's program: about 8 us for the call, and for each packet what the kernel's stack does with
 * it, 0.6 us for a datagram that nobody wants.
 *
 * With BPF_F_TEST_XDP_LIVE_FRAMES (5.18) the kernel copies the frame, runs the program
 * and does what it returns; XDP_PASS means "received on ctx.ingress_ifindex". That device
 * must exist in our namespace and have XDP receive queues, as our ports do. The frames of a
 * batch are received one after another, in order (netif_receive_skb_list()), on the CPU that
 * made the call. What sockets or backlogs have no room for then is the stack's to count.
 *
 * A packet that comes alone goes by a program of its own; so do all, where there is no burst
 * lane. Either way the kernel takes no frame longer than 3,408 bytes, a page less what it keeps
 * in one: ports with an MTU above 3,394 can receive such.
 */
#include "lane_punt.h"

#include "bpf/punt.skel.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>

struct punt_lane {
	struct io io;
	struct frame_pool *pool;
	const struct port_table *ports;
	struct burst_lane *burst; /* NULL: there is none */
	struct punt_bpf *program;
};

static int punt_one(struct punt_lane *lane, const struct packet *p, uint32_t ifindex)
{
	struct xdp_md context = {.data_end = p->len, .ingress_ifindex = ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = p->data, .data_size_in = p->len,
		    .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = 1,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES);

	return bpf_prog_test_run_opts(bpf_program__fd(lane->program->progs.punt), &options);
}

/* How many packets, from the first, came from the same port and can go in one call; 0: go singly. */
static unsigned bulk(const struct punt_lane *lane, struct packet *const *packets, unsigned n)
{
	unsigned i = 0;

	if (!lane->burst || burst_rests(lane->burst))
		return 0;
	n = min_u32(n, BURST_MAX);
	while (i < n && packets[i]->wire == packets[0]->wire &&
	       burst_takes(lane->burst, lane->pool, packets[i]))
		i++;
	return i;
}

/*
 * Hands over some from the first on; returns how many, 0: the first is refused. Where the kernel
 * had no memory in the midst of a run, what its program had seen counts as handed over.
 */
static unsigned punt_some(struct punt_lane *lane, struct packet *const *packets, unsigned n)
{
	const struct port *port = port_get(lane->ports, packets[0]->wire);
	unsigned taken = 0;
	int code = 0;

	if (!port)
		return 0;
	n = bulk(lane, packets, n);
	if (n > 1)
		taken = burst_punt(lane->burst, lane->pool, port->ifindex, packets, n, &code);
	return taken ? taken : !punt_one(lane, packets[0], port->ifindex);
}

static unsigned punt_tx(struct io *io, struct packet *const *packets, unsigned n)
{
	struct punt_lane *lane = (struct punt_lane *)io;
	unsigned taken, done = 0;

	while (done < n && (taken = punt_some(lane, packets + done, n - done)))
		for (; taken; taken--)
			frame_put(lane->pool, packets[done++]);
	return done;
}

static unsigned punt_rx(struct io *io, struct packet **packets, unsigned max)
{
	(void)io, (void)packets, (void)max;
	return 0; /* nothing comes back this way */
}

static void punt_turn(struct io *io) { (void)io; }

static bool punt_waits(struct io *io)
{
	(void)io;
	return false;
}

static const struct io_ops punt_ops = {
	.rx = punt_rx, .tx = punt_tx, .turn = punt_turn, .waits = punt_waits,
};

int punt_lane_open(struct punt_lane **out, struct frame_pool *pool, const struct xsk_area *area,
		   struct burst_lane *burst)
{
	struct punt_lane *lane = calloc(1, sizeof(*lane));

	if (!lane)
		return -ENOMEM;
	*lane = (struct punt_lane){.io = {&punt_ops}, .pool = pool, .burst = burst};
	lane->program = punt_bpf__open();
	if (lane->program)
		bpf_map__reuse_fd(lane->program->maps.punting, xsk_area_punting(area));
	if (!lane->program || punt_bpf__load(lane->program)) {
		int code = errno;
		punt_lane_close(lane);
		return -code;
	}
	*out = lane;
	return 0;
}

void punt_lane_close(struct punt_lane *lane)
{
	if (!lane)
		return;
	punt_bpf__destroy(lane->program);
	free(lane);
}

struct io *punt_lane_io(struct punt_lane *lane) { return &lane->io; }

void punt_lane_ports(struct punt_lane *lane, const struct port_table *ports)
{
	lane->ports = ports;
}
