/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lane_punt - the punt lane: one BPF_PROG_RUN call per frame, about 9 us each.
 *
 * With BPF_F_TEST_XDP_LIVE_FRAMES (5.18) the kernel copies the frame, runs the program
 * and does what it returns; XDP_PASS means "received on ctx.ingress_ifindex". That device
 * must exist in our namespace and have XDP receive queues, as our ports do. One frame per
 * call, because frames differ; `repeat` would send the same frame again.
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
	struct punt_bpf *program;
};

/* The kernel's limit is a page less its own structures; ours is below it anyway. */
static int punt_one(struct punt_lane *lane, const struct packet *p, uint32_t ifindex)
{
	struct xdp_md context = {.data_end = p->len, .ingress_ifindex = ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = p->data, .data_size_in = p->len,
		    .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = 1,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES);

	return bpf_prog_test_run_opts(bpf_program__fd(lane->program->progs.punt), &options);
}

static unsigned punt_tx(struct io *io, struct packet *const *packets, unsigned n)
{
	struct punt_lane *lane = (struct punt_lane *)io;
	unsigned i;

	for (i = 0; i < n; i++) {
		const struct port *port = port_get(lane->ports, packets[i]->wire);
		if (!port || punt_one(lane, packets[i], port->ifindex))
			break;
		frame_put(lane->pool, packets[i]);
	}
	return i;
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

int punt_lane_open(struct punt_lane **out, struct frame_pool *pool, const struct xsk_area *area)
{
	struct punt_lane *lane = calloc(1, sizeof(*lane));

	if (!lane)
		return -ENOMEM;
	*lane = (struct punt_lane){.io = {&punt_ops}, .pool = pool};
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
