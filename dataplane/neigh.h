/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * neigh.h - the neighbour table: (port, IPv4 address) to MAC, and who waits for it.
 *
 * States are those of RFC 4861 7.3.2 as Linux uses them for ARP (ip neigh):
 *
 *   none -resolve-> INCOMPLETE -reply-> REACHABLE -30 s-> STALE -use-> PROBE -reply-> REACHABLE
 *                       |  3 broadcasts unanswered          3 unicasts, then 3 broadcasts |
 *                       +-----------------> FAILED <--------------------------------------+
 *   FAILED is forgotten after a while; a packet for it starts again at INCOMPLETE, at most
 *   once a second. STATIC entries never change by themselves.
 *
 * Packets for an INCOMPLETE neighbour wait in its queue (packet->next), first in first
 * out, at most queue_max each and held_max in all; STALE and PROBE neighbours are used
 * meanwhile.
 *
 * A full table, or a full port, forgets its oldest FAILED or never used STALE entry for a
 * new one, then its oldest STALE one that nobody used for reachable_ns, and else refuses.
 * Other ports lose only what they never used, and only when the whole table is full: no
 * scan or flood on one port costs another a neighbour it talks to.
 *
 * Threads: the worker resolves, learns and polls; control adds, deletes and walks. Each
 * bucket has a lock, held for a few instructions; a resolve that finds a usable entry
 * takes none. Queues are the worker's alone: what control changes, neigh_poll() acts on.
 * Hash: keyed with the caller's secret. Memory is fixed at neigh_new(). The worker's
 * now_ns never goes back. Ports are below PORT_MAX.
 */
#ifndef TSUJI_NEIGH_H
#define TSUJI_NEIGH_H

#include "packet.h"

enum neigh_state {
	NEIGH_INCOMPLETE,
	NEIGH_REACHABLE,
	NEIGH_STALE,
	NEIGH_PROBE,
	NEIGH_FAILED,
	NEIGH_STATIC,
	N_NEIGH_STATES
};
const char *neigh_state_name(enum neigh_state state); /* "incomplete" ... */

/* Zero fields take the default in brackets. */
struct neigh_config {
	uint32_t capacity;     /* entries in all [4096] */
	uint32_t port_max;     /* entries on one port, static ones apart [1024] */
	uint32_t queue_max;    /* packets waiting for one neighbour [64] */
	uint32_t held_max;     /* frames waiting in all [1024]: a large packet is many */
	uint64_t reachable_ns; /* [30 s] */
	uint64_t retry_ns;     /* between requests [1 s] */
	uint64_t forget_ns;    /* unused STALE and FAILED entries are dropped after [60 s] */
	uint32_t n_tries;      /* requests of one kind [3] */
	uint8_t secret[16];    /* key of the hash */
	uint32_t *changes;     /* one is added when an entry that neigh_quote() was told of is another; NULL: nobody quotes */
};

struct neigh_table;

struct neigh_table *neigh_new(const struct neigh_config *config); /* NULL: no memory */
void neigh_free(struct neigh_table *table); /* packets still queued are left alone */

/* -- worker ------------------------------------------------------------------- */

/*
 * Finds the MAC for p->decision.{port_out, next_hop}. TO_REWRITE: *mac is set. HELD: p is
 * queued and belongs to the table. DROP_NEIGH_QUEUE, DROP_NEIGH_TABLE, or, for retry_ns
 * after it failed, DROP_NEIGH_FAILED: p stays the caller's. Cost when resolved: one hash,
 * two cache lines; now and then (at the first use in a second) a lock.
 */
enum verdict neigh_resolve(struct neigh_table *table, struct packet *p, struct mac *mac, uint64_t now_ns);
/*
 * The same for each packet of v, in order: p->verdict, and p->decision.link.dst where it is
 * TO_REWRITE. All lines are asked for before the first is waited for.
 */
void neigh_resolve_burst(struct neigh_table *table, const struct vector *v, uint64_t now_ns);

/*
 * Somebody will repeat, without asking here, that address has that MAC (flow.h): any change
 * of that adds one to config.changes. False: it is not so.
 */
bool neigh_quote(struct neigh_table *table, uint16_t port, be32 address, struct mac mac);
/* It was used for packets that were repeated: a STALE one is asked about. */
void neigh_note_repeated(struct neigh_table *table, uint16_t port, be32 address, uint64_t now_ns);

enum neigh_evidence {
	NEIGH_ASKED_US, /* an ARP request for our address: creates, or changes the MAC, as STALE (RFC 826) */
	NEIGH_REPLY,    /* a reply sent to us: completes, confirms or changes, never creates */
	NEIGH_HEARD,    /* gratuitous or overheard: as NEIGH_ASKED_US, but never creates */
};
/*
 * Takes note of a binding; the caller has checked that it is plausible. A reply within
 * one second of another from a different MAC is ignored, as Linux's locktime does: the
 * first answer stands. Packets that waited for it can be had from neigh_released() at
 * once. False: nothing was noted (unknown, static, ignored, or the table is full).
 */
bool neigh_learn(struct neigh_table *table, uint16_t port, be32 address, struct mac mac,
		 enum neigh_evidence evidence, uint64_t now_ns);

struct neigh_solicit { /* an ARP request that is due */
	uint16_t port;
	be32 address;
	struct mac mac; /* broadcast, or the last known MAC of a PROBE */
};
/*
 * Advances every timer that is due and says what to do about it. Call once per turn and
 * when neigh_next() says: nothing due costs one comparison. Returns how many requests to
 * send now (at most max; the rest come with the next call).
 */
unsigned neigh_poll(struct neigh_table *table, uint64_t now_ns, struct neigh_solicit *out, unsigned max);
/*
 * The next packet whose wait is over, or NULL: its verdict is TO_NEIGH (resolved: ask
 * again) or DROP_NEIGH_FAILED. It belongs to the caller again.
 */
struct packet *neigh_released(struct neigh_table *table);
/* When neigh_poll() wants to be called next, UINT64_MAX for never. */
uint64_t neigh_next(const struct neigh_table *table);

/* -- control, at any time --------------------------------------------------------- */

/* Adds or replaces a STATIC entry; a full table forgets a STALE or FAILED one. 0, or -ENOSPC. */
int neigh_add(struct neigh_table *table, uint16_t port, be32 address, struct mac mac);
/* 0, or -ENOENT. Queued packets end as DROP_NEIGH_FAILED with the next neigh_poll(). */
int neigh_del(struct neigh_table *table, uint16_t port, be32 address);
/* Deletes all entries of port (PORT_NONE: of every port), static ones too if asked. Returns how many. */
unsigned neigh_flush(struct neigh_table *table, uint16_t port, bool statics);

struct neigh_info {
	uint16_t port;
	be32 address;
	struct mac mac;
	enum neigh_state state;
	uint64_t confirmed_ns; /* when this MAC last replied; 0: never */
	uint64_t used_ns;      /* for a packet, to within a second; 0: never */
	uint32_t queued;
};
/* Calls each once per entry with a consistent copy, in no order. */
void neigh_walk(struct neigh_table *table, void (*each)(const struct neigh_info *, void *), void *arg);
/* Entries now in the table. */
uint32_t neigh_count(const struct neigh_table *table);

#endif
