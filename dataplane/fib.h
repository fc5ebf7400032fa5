/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fib.h - the forwarding table: longest prefix match over IPv4 routes.
 *
 * A FIB is built whole from a list of routes and never changes: control builds the next
 * one beside it, publishes that (epoch.h) and frees the old one after a grace period. It
 * holds the routes in use only: control has already chosen by metric, and left out those
 * whose port is gone.
 *
 * Lookup: a trie of strides 16, 8 and 8 with leaves pushed down: one, two or three loads.
 * Memory: 256 KiB, plus 1 KiB for each /16 or /24 that has longer prefixes in it, plus 24
 * bytes for each route.
 */
#ifndef TSUJI_FIB_H
#define TSUJI_FIB_H

#include "packet.h"

enum fib_type {
	FIB_UNICAST,     /* out of a port: via a gateway, or on link where via is zero */
	FIB_BLACKHOLE,   /* dropped silently */
	FIB_UNREACHABLE, /* ICMP host unreachable */
	FIB_PROHIBIT,    /* ICMP administratively prohibited */
};

struct fib_route {
	be32 prefix;        /* host bits zero */
	uint8_t prefix_len; /* 0 to 32 */
	uint8_t type;       /* enum fib_type */
	uint16_t port;      /* FIB_UNICAST: where it leaves */
	be32 via;           /* FIB_UNICAST: gateway; zero: the destination is on the link */
	be32 source;        /* FIB_UNICAST: our address there, for packets made here */
};

struct fib;

/*
 * Builds a table of n routes (copied; no two with the same prefix and length), in any
 * order. NULL with errno ENOMEM, or EINVAL for a bad or repeated prefix. A million routes
 * take well under a second.
 */
struct fib *fib_new(const struct fib_route *routes, size_t n);
void fib_free(struct fib *fib); /* NULL is fine */

/* The index of the longest matching route for each destination, or ROUTE_NONE. */
void fib_lookup_burst(const struct fib *fib, const be32 *dst, uint32_t *route, unsigned n);
uint32_t fib_lookup(const struct fib *fib, be32 dst);

/* The routes, in the order they were given; index below fib_count(). */
const struct fib_route *fib_route(const struct fib *fib, uint32_t index);
size_t fib_count(const struct fib *fib);
/* Bytes of memory it takes. */
size_t fib_memory(const struct fib *fib);

/* Packets that used a route: counted by the worker, read by anyone. */
void fib_hit(struct fib *fib, uint32_t index);
void fib_hit_many(struct fib *fib, uint32_t index, uint32_t n);
uint64_t fib_hits(const struct fib *fib, uint32_t index);

#endif
