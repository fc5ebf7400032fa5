/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lane_punt.h - the punt lane: frames for the kernel's own stack, as if they had just
 * arrived. Opened and closed by control, used by the worker.
 */
#ifndef TSUJI_LANE_PUNT_H
#define TSUJI_LANE_PUNT_H

#include "frame.h"
#include "io.h"
#include "lane_burst.h"
#include "port.h"
#include "xsk.h"

struct punt_lane;

/*
 * 0 or -errno. ENOTSUPP or EINVAL: this kernel has no live frames (before 5.18). Frames
 * that were taken go back to the pool. burst outlives it; NULL: there is none.
 */
int punt_lane_open(struct punt_lane **lane, struct frame_pool *pool, const struct xsk_area *area,
		   struct burst_lane *burst);
void punt_lane_close(struct punt_lane *lane); /* NULL is fine */
/* The lane as a way out: io_tx() hands over each packet at once, as received on its wire. */
struct io *punt_lane_io(struct punt_lane *lane);
/* Which ports there are, for the interface numbers; constant until the next call. */
void punt_lane_ports(struct punt_lane *lane, const struct port_table *ports);

#endif
