/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * worker.h - the thread that carries packets: each turn it reads every port, takes what
 * came through the pipeline, transmits, and when there is nothing to do spins briefly and
 * then sleeps in poll().
 *
 * The io of a port in the published table is a struct lane_port's (lane.h).
 *
 * Threads: everything here is called by control, and may block for as long as a grace
 * period (a turn: microseconds to a few milliseconds).
 */
#ifndef TSUJI_WORKER_H
#define TSUJI_WORKER_H

#include "fib.h"
#include "bridge.h"
#include "neigh.h"
#include "port.h"
#include "rules.h"
#include "stats.h"
#include "trace.h"
#include "xsk.h"

struct burst_lane;

/* What can be changed while it runs; each is taken up by the next turn. */
struct worker_settings {
	uint32_t punt_rate;  /* packets a second from each port to the kernel, 0: no limit */
	uint32_t read_depth; /* packets read from a port per turn: 1 to XSK_RING_MAX */
	uint64_t spin_ns;    /* without a packet, before it sleeps */
	/*
	 * It never sleeps, and looks at the rings again at once. The kernel's own busy polling
	 * (SO_PREFER_BUSY_POLL) is no part of it: a veth's AF_XDP sockets take the option but have
	 * no NAPI id to poll (SO_INCOMING_NAPI_ID is 0 on Linux 6.18), and nothing changes.
	 */
	bool busy_poll;
};

struct worker_config {
	struct xsk_area *area;
	struct burst_lane *burst; /* for what goes to the kernel, and outlives the worker; NULL: none */
	uint32_t n_frames, frame_size;
	struct neigh_config neigh;
	struct fdb_config fdb;
	struct session_config sessions;
	uint8_t secret[16];  /* for the ICMP limiter's hash */
	struct worker_settings settings;
	const struct flow_lane *flow; /* NULL: no flow cache */
};

struct worker;

/* Starts the thread with no ports and no routes. 0 or -errno. */
int worker_start(struct worker **worker, const struct worker_config *config);
/* Ends the thread and frees what it owns; ports must have been closed or outlive it. NULL is fine. */
void worker_stop(struct worker *worker);

void worker_set(struct worker *worker, const struct worker_settings *settings);

/*
 * Publishes new tables, NULL for "as it is", and returns after the grace period, new ports
 * after a turn in which they were given frames to receive into: the old
 * ones, which worker_ports() and worker_fib() returned before, may then be freed.
 */
void worker_publish(struct worker *worker, struct port_table *ports, struct fib *fib);
/* The same for the rules, NULL for none; returns the old ones, to be freed. */
struct rules *worker_publish_rules(struct worker *worker, struct rules *rules);
const struct port_table *worker_ports(const struct worker *worker);
struct fib *worker_fib(const struct worker *worker);

/*
 * Takes back the frames that a port's rings held, after it was unpublished and closed, and
 * forgets that loop guard may have blocked it.
 * Returns when done. What waits for its neighbours ends with neigh_flush().
 */
void worker_reclaim(struct worker *worker, uint16_t port);

struct frame_pool *worker_pool(struct worker *worker); /* for xsk_config only */
struct stats *worker_stats(struct worker *worker);     /* read with load_shared() */
struct neigh_table *worker_neigh(struct worker *worker);
struct fdb *worker_fdb(struct worker *worker);
struct flow_cache *worker_flows(struct worker *worker); /* NULL: none */
/* Returns when everything that was repeated up to now is in the accounts; a second later at most. */
void worker_settle(struct worker *worker);
struct session_table *worker_sessions(struct worker *worker);
struct rules *worker_rules(struct worker *worker); /* in force; NULL: none */
/* What loop guard has blocked: read with load_shared(). */
const struct bridge_state *worker_bridge(struct worker *worker);
struct trace_set *worker_traces(struct worker *worker); /* trace.h says which calls control may make */
/* The next turn sends a gratuitous ARP request for each address of that port or leg. */
void worker_announce(struct worker *worker, uint16_t port);
/* Makes a sleeping worker take a turn now: after neigh_add() and the like. */
void worker_wake(struct worker *worker);

struct worker_frames {
	uint32_t total, free, held;
};
struct worker_frames worker_frames(const struct worker *worker);

#endif
