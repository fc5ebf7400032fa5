/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stations.h - static entries of the forwarding database: the stations that people, not
 * frames, place behind a port. What is learnt is the worker's business (dataplane/fdb.h).
 *
 * The list outlives a port's absence: while its interface is gone its stations are not in
 * the FDB, and when it returns they are put back. It ends with the port's place in the
 * bridge: a port that moves to another bridge takes its stations with it.
 */
#ifndef TSUJI_STATIONS_H
#define TSUJI_STATIONS_H

#include "router.h"

struct station {
	struct mac mac;
	char port[CONFIG_NAME_SIZE];
	uint16_t bridge; /* in whose part of the FDB it is now; PORT_NONE: in none */
};

/* After a table was published: has the FDB hold the stations whose ports are there. */
void stations_follow(struct router *router);

#endif
