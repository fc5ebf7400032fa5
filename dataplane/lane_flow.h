/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lane_flow.h - the fourth way out, which never reaches user space: the maps of the flow
 * cache (flow.h) that all gates share, and what was lost on that way.
 *
 * Where the kernel lacks what it takes, there is none, and everything works without it.
 */
#ifndef TSUJI_LANE_FLOW_H
#define TSUJI_LANE_FLOW_H

#include "flow.h"
#include "stats.h"

#define FLOW_BUCKETS 131072 /* of two entries of 64 bytes */

struct flow_lane;

/* 0 or -errno. Ports are in the caller's namespace. */
int flow_lane_open(struct flow_lane **lane);
void flow_lane_close(struct flow_lane *lane); /* NULL is fine; after every gate is gone */
/* What flow_new() wants to know; the memory is the lane's. */
struct flow_config flow_lane_config(const struct flow_lane *lane);
/* The port's device, 0: none. 0 or -errno. */
int flow_lane_set_port(struct flow_lane *lane, uint16_t port, uint32_t ifindex);
/* Adds what was lost since the last call to the ports' counters. */
void flow_lane_refresh_stats(struct flow_lane *lane, struct stats *stats);

/* For gates. */
struct flow_maps {
	int head, buckets, ports; /* descriptors */
	uint32_t mask;
	uint64_t secret[2];
};
struct flow_maps flow_lane_maps(const struct flow_lane *lane);

#endif
