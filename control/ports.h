/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ports.h - the ports of the router file, and the interfaces behind them as they come and go.
 *
 *                 attach                      administratively down, no carrier
 *     LOST --------------------> UP <-----------------------------------------> DOWN
 *      ^   tried at each tick     |                                              |
 *      +--------------------------+--- interface gone, or its gate detached -----+
 *
 * Only an UP port has its sockets in the published table. A LOST one has none once
 * ports_release() has run: unpublished first, then closed, then its frames reclaimed.
 *
 * A port that a reload puts into a bridge, or takes out of one, needs another gate, and an
 * interface carries one at a time. Such a port is left out of the table that is published,
 * closed, and comes back as a LOST one does; if it cannot, it is tried again like those.
 */
#ifndef TSUJI_PORTS_H
#define TSUJI_PORTS_H

#include "config.h"
#include "farend.h"
#include "netlink.h"
#include "refusal.h"
#include "../dataplane/lane.h"
#include "../dataplane/port.h"
#include "../dataplane/stats.h"
#include "../dataplane/xsk.h"

#define RING_MIN 64 /* entries: what the pipeline takes at once */

struct router;

enum port_state { STATE_UP, STATE_DOWN, STATE_LOST };

struct router_port {
	const struct config_port *config; /* in force; NULL: not yet */
	const struct config_port *next;   /* in the configuration being tried; NULL: not in it */
	uint16_t number;
	enum port_state state;
	char reason[256]; /* why it is not up */
	uint32_t ifindex; /* of the interface it is or was attached to */
	struct mac mac;
	uint32_t link_mtu;
	uint32_t ring_size;
	struct xsk_port *xsk;   /* NULL while lost */
	struct lane_port *lanes; /* its ways out; NULL while lost */
	char lane_reason[512];   /* why it may not burst, as was last told; empty: it may */
	bool takes_bursts;       /* its far end does, and we can send them */
	struct farend far;       /* looked for when it did not */
	bool far_sought;         /* far is filled in */
	int far_gro;             /* as it was found: 1, 0, or -errno */
	int far_error;           /* of switching GRO on there; 0: none */
	bool prepared;           /* GRO there was switched on by us: lanes_restore() */
	bool gso;               /* it uses the GSO lane */
	bool repeats;           /* what comes in there is looked up in the flow cache */
	bool bridged;           /* as it is open: every frame is taken */
	bool reopen;            /* in the configuration being tried it is open otherwise */
	bool flush;             /* it went down: what was learnt there is to be forgotten */
	bool blocked;           /* by loop guard, as was last told */
	uint64_t n_blocked;     /* how often, as was last told */
	uint64_t losses;        /* times it was up and then was not */
	uint64_t gate_passed;   /* by gates that are gone */
	struct port_stats base; /* what its number had counted before it was this port's */
};

struct ports {
	struct router_port *port[PORT_MAX]; /* by number; NULL: none */
};

/* Entries of each ring when frames are shared out among n_ports; 0: too few for RING_MIN. */
uint32_t ports_ring_size(uint32_t frames, unsigned n_ports);
/* Bytes of a frame that holds datagrams of that size: 2048 or 4096; 0: no frame does. */
uint32_t ports_frame_size(uint32_t mtu);
/* The frame size that the ports of config need, whose interfaces are there. */
uint32_t ports_frame_size_for(const struct config *config, const struct netlink *netlink);

/* -- a configuration being tried -- */
/*
 * Notes which ports config keeps, adds and drops, and checks what can be known before
 * anything is opened. 0, or -1 with *why; undo with ports_forget() in both cases.
 */
int ports_plan(struct router *router, const struct config *config, struct refusal *why);
/* Opens the added ones. 0, or -1 with *why. */
int ports_open_added(struct router *router, struct refusal *why);
/* Drops the plan: added ports are closed; they must not have been published. */
void ports_forget(struct router *router);
/* The plan is published: it is in force now, and dropped ports are closed. */
void ports_settle(struct router *router);

/* -- while running -- */
/* Compares with the interfaces; gates: also asks whether ours are still attached. True: publish. */
bool ports_follow(struct router *router, bool gates);
/* After publishing: closes what was lost, flushes neighbours. */
void ports_release(struct router *router);
/* Tries to attach lost ports whose interface is there. True if one came back: publish. */
bool ports_retry(struct router *router);

/*
 * The table to publish: of plan, the configuration being tried, or (NULL) of what is in
 * force; the bridges' legs and the kernel's addresses are in it. NULL: no memory. To be
 * freed with its ports by ports_table_free().
 */
struct port_table *ports_table(const struct router *router, const struct config *plan);
void ports_table_free(struct port_table *table);

struct router_port *ports_find(const struct ports *ports,
			       const char *name); /* in force; NULL: none */
/* The number of the port of that name, in the plan or in force; PORT_NONE: none. */
uint16_t ports_number(const struct router *router, const char *name, bool plan);
/* A number that no port and no bridge has; PORT_NONE: all are taken. */
uint16_t ports_free_number(const struct router *router);
void ports_copy_addresses(struct port_address *to, const struct config_address *from, unsigned n);
const char *port_state_name(enum port_state state);

#endif
