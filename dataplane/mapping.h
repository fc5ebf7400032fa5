/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mapping.h - the mappings of address translation: an inside endpoint (protocol, address,
 * port), the outside endpoint that it appears as, and how that one is chosen.
 *
 * What uses a mapping, and how long it lives, is session.c's business: it is the only user of
 * this table. The rooms see the words below, and session_map().
 *
 * Threads: the worker alone, but for mapping_count(). Hashes are keyed; memory is fixed at
 * mapping_new(), and what is never needed of it is never touched.
 */
#ifndef TSUJI_MAPPING_H
#define TSUJI_MAPPING_H

#include "packet.h"

struct tuple {
	be32 src, dst;
	be16 sport, dport;
	uint8_t protocol;
	uint8_t zero[3];
};
static_assert(sizeof(struct tuple) == 16, "a tuple is hashed as two words");

static inline struct tuple tuple_reverse(struct tuple t)
{
	return (struct tuple){t.dst, t.src, t.dport, t.sport, t.protocol, {0}};
}
static inline bool tuple_equal(const struct tuple *a, const struct tuple *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* How an outside endpoint is chosen. */
struct session_pool {
	be32 first, last;		/* outside addresses */
	uint16_t port_first, port_last; /* 0, 0: the port's own class: below 512, below 1024, or
					   above (RFC 4787 REQ-3); an ICMP identifier: any */
	bool per_remote;		/* address-and-port-dependent; else endpoint-independent */
	const uint64_t *taken;		/* 65,536 bits, port p in bit p % 64 of word p / 64: ports
					   of this protocol not to be used on these addresses (the
					   router's own, forwarded ones); NULL: none */
};

struct mapping {
	struct tuple inside;  /* src, sport: inside; dst, dport: the remote, if for that alone */
	struct tuple outside; /* src, sport: outside; dst: the remote, of protocols without ports */
	uint32_t next_inside; /* in the chains; next_inside: of the free ones, too */
	uint32_t next_outside;
	uint16_t port_first, port_last; /* the pool's */
	uint32_t sessions; /* session.c's, like held: the first of its sessions, 0: none */
	bool held;	   /* by who is about to open a session with it */
};

struct mapping_table;
struct mapping_table *mapping_new(uint32_t capacity,
				  const uint8_t secret[16]); /* NULL: no memory */
void mapping_free(struct mapping_table *table);

/* Mappings have numbers from 1 on; 0 is none. */
struct mapping *mapping_get(struct mapping_table *table, uint32_t number);
/*
 * The mapping of original's inside endpoint that fits the pool. A pool of other addresses or
 * ports, as another rule has it, is not fitted: one endpoint may have a mapping in each. Nor is
 * one that has since taken the mapping's port.
 */
uint32_t mapping_find(const struct mapping_table *table, const struct tuple *original,
		      const struct session_pool *pool);
/* The mapping of an outside endpoint; remote matters only to protocols without ports. */
uint32_t mapping_find_outside(const struct mapping_table *table, uint8_t protocol, be32 outside,
			      be16 outside_port, be32 remote);
/*
 * Makes a mapping for original's inside endpoint; 0: the pool is used up, or the memory. The
 * outside address follows from the inside one alone (RFC 4787 REQ-2), also when it has no port
 * left. The port is the inside one if that is free, else one of the same class that cannot be
 * foretold (RFC 6056). Protocols without ports: one inside host per outside address and remote.
 * Cost: a few hash lookups; where nearly every port is used, about 130.
 */
uint32_t mapping_make(struct mapping_table *table, const struct tuple *original,
		      const struct session_pool *pool);
void mapping_end(struct mapping_table *table, uint32_t number);
uint32_t mapping_count(const struct mapping_table *table); /* any thread */

#endif
