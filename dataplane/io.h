/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * io.h - a port's way in and out, whatever carries it: AF_XDP rings in the daemon
 * (xsk.h), arrays in tests and benchmarks.
 *
 * Thread: the worker's only. A packet returned by rx belongs to the caller. tx takes the
 * first k packets (its return value): the carrier owns them and puts their frames back
 * when they have left; the rest stay with the caller.
 */
#ifndef TSUJI_IO_H
#define TSUJI_IO_H

#include "packet.h"

struct io;

struct io_ops {
	/* Up to max packets; data, len, flags, csum_*, gso_* and rest are set, everything else is zero. */
	unsigned (*rx)(struct io *io, struct packet **packets, unsigned max);
	/* Queues up to n packets, in order, for transmission; returns how many it took. */
	unsigned (*tx)(struct io *io, struct packet *const *packets, unsigned n);
	/* Once per turn: push what tx queued, take back completed frames, refill the receiver. */
	void (*turn)(struct io *io);
	/* What rx has given out has left, or ended otherwise: once per turn, after turn() of all ports. */
	void (*done)(struct io *io);
	/* True while something queued still waits to be pushed. */
	bool (*waits)(struct io *io);
	/* tx takes packets whose checksum offload_leave() let be, and sees to it. */
	bool completes;
	/* Whether tx takes that large packet as it is; NULL: never. The others it takes always. */
	bool (*takes)(const struct io *io, const struct packet *p);
};

struct io {
	const struct io_ops *ops;
};

static inline unsigned io_rx(struct io *io, struct packet **packets, unsigned max)
{
	return io->ops->rx(io, packets, max);
}
static inline unsigned io_tx(struct io *io, struct packet *const *packets, unsigned n)
{
	return io->ops->tx(io, packets, n);
}
static inline bool io_takes(const struct io *io, const struct packet *p)
{
	return likely(!packet_is_large(p)) || (io->ops->takes && io->ops->takes(io, p));
}
static inline void io_turn(struct io *io) { io->ops->turn(io); }
static inline void io_done(struct io *io)
{
	if (io->ops->done)
		io->ops->done(io);
}
static inline bool io_waits(struct io *io) { return io->ops->waits(io); }

#endif
