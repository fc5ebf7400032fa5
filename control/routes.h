/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * routes.h - the route list: every route anybody asked for, and which of them are in the
 * FIB now.
 *
 * A list is sorted by prefix, length, metric and source; a key is a prefix, a length and
 * a metric. Of the routes to one prefix the first usable one is in the FIB: a unicast
 * route is usable while its port is up, the others always. Control's thread only; knows
 * nothing of the worker.
 */
#ifndef TSUJI_ROUTES_H
#define TSUJI_ROUTES_H

#include "config.h"
#include "refusal.h"
#include "../dataplane/fib.h"
#include "../dataplane/port.h"

/* In this order where two have one key. */
enum route_source {
	FROM_CONNECTED, /* the subnet of a port's address */
	FROM_FILE,
	FROM_LIVE, /* added while running */
};

enum route_state { ROUTE_USED, ROUTE_SHADOWED, ROUTE_PORT_DOWN };

struct route {
	be32 prefix, via;    /* via zero: on link */
	be32 source_address; /* connected: our address there; else zero */
	uint32_t metric;
	uint16_t port; /* unicast: PORT_NONE while no port fits */
	uint8_t prefix_len;
	uint8_t type;               /* enum config_route_type */
	uint8_t source;             /* enum route_source */
	uint8_t state, next_state;  /* enum route_state: published, and of the FIB just built */
	bool leaving;               /* not to be in the next FIB */
	uint32_t index, next_index; /* in those FIBs; ROUTE_NONE */
	uint64_t hits;              /* counted in FIBs that are gone */
};

/* How far a reader of a list has got. Zero: not begun. */
struct route_place {
	bool begun;
	be32 prefix;
	uint8_t prefix_len, source;
	uint32_t metric;
};

struct route_list {
	struct route *routes;
	size_t n, size;
};

/*
 * Fills an empty list: connected routes of every port, the file's, and the live ones
 * whose key the file does not name. 0 or -ENOMEM.
 */
int routes_fill(struct route_list *list, const struct port_table *ports,
		const struct config_route *file, size_t n_file, const struct config_route *live,
		size_t n_live);
void routes_fini(struct route_list *list);

/* The route with that key; of two, the connected one. NULL: none. */
struct route *routes_find(const struct route_list *list, be32 prefix, uint8_t prefix_len,
			  uint32_t metric);
/* The one of them that somebody asked for: not the connected one. NULL: none. */
struct route *routes_find_asked(const struct route_list *list, be32 prefix, uint8_t prefix_len,
				uint32_t metric);
/* The first route to that prefix, whatever its metric, that is not connected. NULL: none. */
struct route *routes_find_any(const struct route_list *list, be32 prefix, uint8_t prefix_len);
/* All routes to that prefix: the first of *n that stand together. Cost: a binary search. */
const struct route *routes_to_prefix(const struct route_list *list, be32 prefix,
				     uint8_t prefix_len, size_t *n);

/* The first route behind where a reader of the list has got to, whatever happened to it since; NULL: none. */
const struct route *routes_after(const struct route_list *list, const struct route_place *place);
struct route_place routes_place(const struct route *route);

/* Adds one live route, not in any FIB yet; its key is free. NULL: no memory. Moves the others. */
struct route *routes_insert(struct route_list *list, const struct port_table *ports,
			    const struct config_route *route);
void routes_remove(struct route_list *list, struct route *route);

/* Whether a route makes sense with these ports: its gateway above all. 0, or -1 with *why. */
int routes_check(const struct config_route *route, const struct port_table *ports,
		 struct refusal *why);

/* Chooses and builds the next FIB; the list remembers both choices. NULL: no memory. */
struct fib *routes_build(struct route_list *list, const struct port_table *ports);
/* After that was published: its choice becomes the list's; takes over the hits of old (or NULL). */
void routes_settle(struct route_list *list, const struct fib *old);
/* Adds the hits of old's routes, by key, to those of list; old was settled with its last FIB. */
void routes_inherit(struct route_list *list, const struct route_list *old);

struct route_changes {
	size_t added, removed, changed;
};
/* How list differs from old, connected routes apart. */
struct route_changes routes_compare(const struct route_list *list, const struct route_list *old);

const char *route_type_name(enum config_route_type type); /* "unicast" ... */
const char *route_source_name(enum route_source source);  /* "file" ... */
const char *route_state_name(enum route_state state);     /* "used" ... */

#endif
