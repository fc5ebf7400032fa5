/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lanes.h - which lanes each port may use, and what is done at its far end for that.
 *
 * A port may burst while its far end has NAPI, which a host's veth has only with GRO on.
 * `far-end: prepare` switches that on where it is off, once for each port, and off again
 * when the port is given up or the file no longer wants it. Whoever switches it off
 * meanwhile is obeyed. With `far-end: leave` a port says what would help.
 *
 * Thread: control's.
 */
#ifndef TSUJI_LANES_H
#define TSUJI_LANES_H

#include "ports.h"
#include "../dataplane/worker.h"

/*
 * Lets each port use the lanes that the configuration wants and its far end takes now. anew:
 * the machine may have changed, so far ends are looked for once more.
 */
void lanes_choose(struct router *router, bool anew);
/* The same after a change of configuration: far ends that were switched off are prepared again. */
void lanes_renew(struct router *router);
/* What the worker has to know of the configuration. */
struct worker_settings lanes_worker_settings(const struct config_lanes *lanes);
/* GRO at the far end as it was before us: the port is closed, or sends no bursts any more. */
void lanes_restore(struct router_port *port);

/* rp is being closed: nothing is repeated from there or to there any more. */
void lanes_leave(const struct router *router, struct router_port *rp);
/* Adds to the ports' counters what the flow cache has lost. */
void lanes_count(const struct router *router);

#endif
