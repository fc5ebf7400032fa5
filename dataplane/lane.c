/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lane - a port's lanes: packets are gathered during a turn and sent at its end. TCP flows
 * that can be coalesced go first, by the GSO lane; what is left by the cheaper of the other
 * two (the drawing of what each costs is in the README's measurements).
 *
 * What is gathered never exceeds the room of the transmit ring, so that the socket lane
 * can take all of it whichever lane was meant: a port that loses its burst lane between
 * two turns loses no packet.
 */
#include "lane.h"

#include "lane_pace.h"
#include "offload.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

struct lane_port {
	struct io io;
	struct xsk_port *xsk;
	struct burst_lane *burst; /* NULL: this port has none */
	struct gso_lane *gso;     /* NULL: this kernel has none */
	struct frame_pool *pool;
	struct port_stats *stats;
	uint16_t number;
	struct lane_pace pace;
	unsigned n_large; /* of those gathered: they must leave by the GSO lane */
	bool coalesce; /* written by control: use the GSO lane; false without one */
	unsigned n;
	struct packet *gathered[BURST_MAX];
};

static struct io *socket_of(struct lane_port *lanes)
{
	return xsk_port_io(lanes->xsk);
}

static unsigned lane_rx(struct io *io, struct packet **packets, unsigned max)
{
	return io_rx(socket_of((struct lane_port *)io), packets, max);
}

/* Finishes the checksums that were left open in case their segments would be coalesced. */
static void complete(struct packet *const *packets, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (packets[i]->flags & PACKET_PARTIAL)
			offload_complete(packets[i]);
}

static unsigned lane_tx(struct io *io, struct packet *const *packets, unsigned n)
{
	struct lane_port *lanes = (struct lane_port *)io;

	n = min_u32(n, min_u32(xsk_port_room(lanes->xsk), BURST_MAX) - lanes->n);
	memcpy(lanes->gathered + lanes->n, packets, n * sizeof(*packets));
	lanes->n += n;
	for (unsigned i = 0; i < n; i++)
		lanes->n_large += packet_is_large(packets[i]);
	if (!load_shared(&lanes->coalesce)) /* now: their bytes are still in the cache */
		complete(packets, n);
	return n;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* The clock is read only while a call has failed lately. */
static bool may_burst(struct lane_port *lanes)
{
	return pace_enough(&lanes->pace, lanes->n) && !io_waits(socket_of(lanes)) &&
	       !burst_rests(lanes->burst) &&
	       !(unlikely(pace_failed_lately(&lanes->pace)) &&
		 pace_backs_off(&lanes->pace, now_ns()));
}

/* How many of the gathered packets, from the first, a burst would carry. */
static unsigned burstable(const struct lane_port *lanes)
{
	unsigned n = 0;

	while (n < lanes->n && burst_takes(lanes->burst, lanes->pool, lanes->gathered[n]))
		n++;
	return n;
}

static void count_burst(struct lane_port *lanes, unsigned n, uint64_t bytes, int code)
{
	unsigned refused, lost = burst_lost(lanes->burst, &refused);

	if (unlikely(code)) {
		pace_fail(&lanes->pace, now_ns(), PACE_FAILED_NS);
		count_add(&lanes->stats->burst_errors, 1);
	}
	if (unlikely(refused))
		pace_fail(&lanes->pace, now_ns(), PACE_REFUSED_NS);
	count_add(&lanes->stats->burst_calls, 1);
	count_add(&lanes->stats->burst_packets, n);
	count_add(&lanes->stats->burst_lost, lost);
	count_add(&lanes->stats->burst_slow, burst_was_slow(lanes->burst));
	count_add(&lanes->stats->tx_packets, n);
	count_add(&lanes->stats->tx_bytes, bytes);
}

/* Sends what a burst takes; returns how many left that way. */
static unsigned send_burst(struct lane_port *lanes)
{
	unsigned n = burstable(lanes);
	uint64_t bytes = 0;
	int code = 0;

	if (!pace_enough(&lanes->pace, n))
		return 0;
	n = burst_send(lanes->burst, lanes->pool, lanes->number, lanes->gathered, n, &code);
	for (unsigned i = 0; i < n; i++) {
		bytes += lanes->gathered[i]->len;
		frame_put(lanes->pool, lanes->gathered[i]);
	}
	count_burst(lanes, n, bytes, code);
	return n;
}

static void lane_turn(struct io *io)
{
	struct lane_port *lanes = (struct lane_port *)io;
	unsigned done = 0;

	if (unlikely(lanes->n_large) && io_waits(socket_of(lanes)))
		io_turn(socket_of(
			lanes)); /* what still waits then is overtaken: better than losing these */
	if (lanes->n_large ||
	    (lanes->n && load_shared(&lanes->coalesce) && !io_waits(socket_of(lanes))))
		lanes->n = gso_send(lanes->gso, lanes->gathered, lanes->n, lanes->n_large);
	lanes->n_large = 0;
	if (lanes->n) {
		complete(lanes->gathered, lanes->n);
		if (may_burst(lanes))
			done = send_burst(lanes);
		if (done < lanes->n)
			done += io_tx(socket_of(lanes), lanes->gathered + done, lanes->n - done);
		assert(done == lanes->n); /* lane_tx() took no more than the ring has room for */
		lanes->n = 0;
	}
	io_turn(socket_of(lanes));
}

static bool lane_waits(struct io *io)
{
	return io_waits(socket_of((struct lane_port *)io));
}

static void lane_done(struct io *io)
{
	io_done(socket_of((struct lane_port *)io));
}

/* Once taken, they leave by it in this turn, whatever control wants from the next on. */
static bool lane_takes(const struct io *io, const struct packet *p)
{
	const struct lane_port *lanes = (const struct lane_port *)io;

	return load_shared(&lanes->coalesce) && gso_takes(p);
}

static const struct io_ops lane_ops = {
	.rx = lane_rx,
	.done = lane_done,
	.tx = lane_tx,
	.turn = lane_turn,
	.waits = lane_waits,
	.completes = true,
	.takes = lane_takes,
};

/* -- control's side --------------------------------------------------------------- */

struct lane_port *lane_port_open(struct xsk_port *port, struct burst_lane *burst,
				 const struct xsk_config *config)
{
	struct lane_port *lanes = calloc(1, sizeof(*lanes));

	if (!lanes)
		return NULL;
	*lanes = (struct lane_port){
		.io = {&lane_ops},
		.xsk = port,
		.burst = burst,
		.pool = config->pool,
		.stats = stats_port(config->stats, config->number),
		.number = config->number,
		.pace = {.burst_min = UINT32_MAX},
	};
	int code = burst ? burst_set_port(burst, config->number, config->ifindex) : 0;
	if (code) {
		free(lanes);
		errno = -code;
		return NULL;
	}
	(void)gso_lane_open(&lanes->gso, config); /* everything works without it */
	return lanes;
}

void lane_port_close(struct lane_port *lanes)
{
	if (!lanes)
		return;
	assert(!lanes->n);
	if (lanes->burst)
		burst_set_port(lanes->burst, lanes->number, 0);
	gso_lane_close(lanes->gso);
	free(lanes);
}

struct io *lane_port_io(struct lane_port *lanes)
{
	return &lanes->io;
}

struct xsk_port *lane_port_xsk(const struct lane_port *lanes)
{
	return lanes->xsk;
}

void lane_port_set(struct lane_port *lanes, enum lane_choice choice, uint32_t burst_min)
{
	bool may = lanes->burst && choice != LANE_SOCKET;
	uint32_t least = choice == LANE_BURST ? 1 : burst_min;

	store_shared(&lanes->pace.burst_min, may ? least : UINT32_MAX);
}

bool lane_port_coalesce(struct lane_port *lanes, bool wanted)
{
	bool may = lanes->gso && wanted;

	store_shared(&lanes->coalesce, may);
	return may;
}

bool lane_port_has_gso(const struct lane_port *lanes) { return lanes->gso != NULL; }

uint32_t lane_port_burst_min(const struct lane_port *lanes)
{
	uint32_t least = load_shared(&lanes->pace.burst_min);

	return least == UINT32_MAX ? 0 : least;
}

const char *lane_port_name(const struct lane_port *lanes)
{
	return lane_port_burst_min(lanes) && !burst_lane_rests(lanes->burst) ? "burst" : "socket";
}
