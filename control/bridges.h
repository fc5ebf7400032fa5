/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bridges.h - the bridges of the router file, and their legs in the published table.
 *
 * A leg has a number from the ports' own numbers and keeps it as long as its bridge is in
 * force. Everything else about it is computed each time a table is built, from its
 * configuration and from the members that are there.
 */
#ifndef TSUJI_BRIDGES_H
#define TSUJI_BRIDGES_H

#include "config.h"
#include "refusal.h"
#include "../dataplane/port.h"
#include "../dataplane/stats.h"

struct router;

/* A MAC in the FDB that means the router itself: the bridge's, or a member's. */
struct bridge_local {
	struct mac mac;
	uint16_t port; /* whose it is: the leg, or a member */
};

struct router_bridge {
	const struct config_bridge *config; /* in force; NULL: not yet */
	const struct config_bridge *next;   /* in the configuration being tried; NULL: not in it */
	uint16_t number;		    /* of its leg */
	struct mac mac;			    /* as published */
	struct bridge_local locals[PORT_MAX]; /* as they are in the FDB: members and leg at most */
	unsigned n_locals;
	struct port_stats base; /* what its number had counted before it was this bridge's */
};

struct bridges {
	struct router_bridge *bridge[PORT_MAX]; /* by number; NULL: none */
};

/* -- a configuration being tried -- */
/* As ports_plan() and its like (ports.h), and after them: a plan knows the ports. */
int bridges_plan(struct router *router, const struct config *config, struct refusal *why);
void bridges_forget(struct router *router);
void bridges_settle(struct router *router);

/* -- the table to publish -- */
/* What a port is in bridges: whose member, with which flags, mirrored where. */
void bridges_place(const struct router *router, struct port *port, const struct config_port *config,
		   bool plan);
/* Adds the legs to a table that has its ports. 0 or -ENOMEM. */
int bridges_add_legs(const struct router *router, struct port_table *table, bool plan);

/* -- while running -- */
/* The table was published after before: forgets what was learnt on ports that left, and has the
 * bridges' own MACs in the FDB. */
void bridges_follow(struct router *router, const struct port_table *before);
/* Tells what loop guard has blocked since the last call, and what it has let go. */
void bridges_watch(struct router *router);

struct router_bridge *bridges_find(const struct bridges *bridges,
				   const char *name); /* in force; NULL: none */
/* Whether that MAC is the bridge's own or a member's. */
bool bridge_is_own(const struct router_bridge *bridge, struct mac mac);
/*
 * "02:00:00:00:01:02 flaps with r3, 27 s left" into text, if loop guard blocks that port; else
 * false.
 */
bool bridges_why_blocked(const struct router *router, uint16_t port, char *text, size_t size);

#endif
