/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * neighbours.h - static neighbours: those of the router file, and those added while
 * running. What is learnt is the worker's business (dataplane/neigh.h).
 */
#ifndef TSUJI_NEIGHBOURS_H
#define TSUJI_NEIGHBOURS_H

#include "router.h"
#include "../dataplane/port.h"

struct neighbour_changes {
	size_t added, removed, changed;
};

/* Puts the port's static neighbours into the worker's table: when it comes (back). */
void neighbours_install(struct router *router, uint16_t port);
/*
 * config is in force now instead of old (NULL: none), whose ports are still in
 * old_ports: static neighbours follow the file, live ones that it names or whose port is
 * gone are forgotten, and so are learnt ones whose subnet is gone.
 */
struct neighbour_changes neighbours_follow(struct router *router, const struct config *old,
					   const struct port_table *old_ports);
/* "file", "live" or "learnt". */
const char *neighbours_source(const struct router *router, const char *port, be32 address);

#endif
