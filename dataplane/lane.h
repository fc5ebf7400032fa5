/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lane.h - a port's ways out: the *socket lane*, its AF_XDP transmit ring (xsk.h), where
 * the far end can take it the *burst lane* (lane_burst.h), and for TCP flows whose segments
 * can be put together, or came in one piece, the *GSO lane* (lane_gso.h).
 *
 * A port's packets of a turn are gathered and sent at its end: by the burst lane, which
 * costs one system call for all of them and little for each, if they are many; by the
 * socket lane if they are few. A flow goes by the GSO lane if that saves half of its frames.
 * A port changes lanes only while nothing is on its transmit ring, so packets keep their
 * order; a flow that is coalesced may overtake other flows of the same turn.
 *
 * Threads: opened, closed and set by control; io is the worker's.
 */
#ifndef TSUJI_LANE_H
#define TSUJI_LANE_H

#include "lane_burst.h"
#include "lane_gso.h"
#include "stats.h"

enum lane_choice { LANE_AUTO, LANE_SOCKET, LANE_BURST }; /* the file's lanes: {transmit: ...} */

struct lane_port; /* its io is the first member */

/*
 * The lanes of a port that is open. burst may be NULL. NULL with errno: no memory, or the
 * kernel refuses the interface in a device map. The port stays the caller's.
 */
struct lane_port *lane_port_open(struct xsk_port *port, struct burst_lane *burst, const struct xsk_config *config);
void lane_port_close(struct lane_port *lanes); /* NULL is fine; before its xsk_port is closed */
struct io *lane_port_io(struct lane_port *lanes);
struct xsk_port *lane_port_xsk(const struct lane_port *lanes);
/*
 * What it may use from the next turn on: bursts vanish unless the far end takes them
 * (control/netdev.h). burst_min: packets from which LANE_AUTO bursts.
 */
void lane_port_set(struct lane_port *lanes, enum lane_choice choice, uint32_t burst_min);
/* Whether it may use the GSO lane from the next turn on; returns whether it does: some kernels have none. */
bool lane_port_coalesce(struct lane_port *lanes, bool wanted);
bool lane_port_has_gso(const struct lane_port *lanes);
/* From how many packets of a turn on it bursts; 0: never. */
uint32_t lane_port_burst_min(const struct lane_port *lanes);
/* "socket" or "burst": what it may use now for what is not coalesced. */
const char *lane_port_name(const struct lane_port *lanes);

#endif
