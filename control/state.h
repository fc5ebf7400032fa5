/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * state.h - what a running router is made of: read and changed by router.c, ports.c, lanes.c,
 * bridges.c, stations.c, neighbours.c, sessions.c, show.c and walk.c, and nobody else's
 * business (router.h is).
 *
 * Everything a configuration asks for exists up to twice while it is being changed: as it
 * is in force, and as the next configuration wants it. Nothing in force changes until the
 * next one is complete.
 */
#ifndef TSUJI_STATE_H
#define TSUJI_STATE_H

#include "bridges.h"
#include "nat_rules.h"
#include "netdev.h"
#include "netlink.h"
#include "ports.h"
#include "router.h"
#include "routes.h"
#include "sessions.h"
#include "stations.h"
#include "../dataplane/worker.h"

#include <time.h>

struct router {
	struct config *config; /* in force */
	struct netlink *netlink;
	struct netdev *netdev;     /* NULL: this kernel does not tell which far ends take bursts */
	int changes_fd;            /* an epoll set of netlink's and netdev's sockets */
	struct xsk_area *area;
	struct burst_lane *burst;  /* NULL: no burst lane */
	struct trial *trial;       /* of the lanes; over, but not freed */
	unsigned n_rests;          /* of the burst lane, that something was done about */
	uint64_t renewed_ns;       /* when that was */
	unsigned break_even;       /* packets from which a burst is cheaper, as measured at start */
	struct flow_lane *flow;    /* NULL: no flow cache */
	uint32_t frame_size;
	struct worker *worker;
	struct ports ports;
	struct bridges bridges;
	struct route_list routes;
	struct nat_rules nat;
	struct sockets sockets; /* as the published rules have them */
	bool sockets_unread;	/* complained of */

	/* Added while running; at most one of a key, and none that the file names. */
	struct config_route *live_routes;
	size_t n_live_routes, live_routes_size;
	struct config_neigh *live_neighs;
	unsigned n_live_neighs;
	struct station *stations;
	unsigned n_stations;
	char last_names[PORT_MAX][PORT_NAME_SIZE]; /* of ports and legs, those that are gone too */

	bool unpublished; /* a change that no memory could be found for: tried again at each tick */
};

/* The worker's clock. */
static inline uint64_t state_now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

#endif
