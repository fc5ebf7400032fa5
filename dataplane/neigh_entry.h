/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * neigh_entry.h - one neighbour in the table: its words, its life, and the packets that wait
 * for it. Private to neigh*.c.
 *
 * An entry's key (port and address) and its link (state and MAC) are one 64-bit word each.
 * It is in its bucket's chain unless it is FREE. The dynamic states are given by the
 * worker alone; control may only make an entry STATIC, or end it. While packets wait, an
 * ended entry stays behind as GONE, unseen by every look-up, and goes on the list of
 * `changed` entries; the worker's next neigh_poll() releases the queue and frees it.
 *
 * Locks are taken in the order bucket, pool; never two buckets at once.
 */
#ifndef TSUJI_NEIGH_ENTRY_H
#define TSUJI_NEIGH_ENTRY_H

#include "neigh.h"

#include "bucket.h"

#include <urcu/list.h>

#define NONE UINT32_MAX

/* What an entry can be besides the states of neigh.h. */
enum {
	FREE = N_NEIGH_STATES, /* in the pool, in no chain */
	GONE,                  /* ended with packets waiting, in its chain until neigh_poll() */
};

struct neighbour {
	/* written under the bucket's lock, read without it by resolve */
	uint64_t key;  /* port << 32 | address as it lies on the wire */
	uint64_t link; /* state << 48 | MAC */
	uint64_t used_ns;
	uint32_t next; /* in the chain */
	/* under the bucket's lock; the queue changed by the worker only */
	uint32_t n_queued;
	struct packet *first, *last;
	uint64_t confirmed_ns;
	bool changed;          /* on the list of changed entries */
	bool quoted;           /* somebody repeats it: see neigh_tell() */
	uint32_t next_changed; /* written by who puts it there */
	/* the worker's */
	uint32_t n_sent; /* requests in this state */
	uint64_t since_ns, due_ns;
	struct cds_list_head timer, idle;
} cache_aligned;
static_assert(offsetof(struct neighbour, n_queued) < CACHE_LINE, "resolve reads one line of it");

struct pool {
	struct seqlock lock;
	uint32_t n_free;
	uint32_t *free; /* a stack of entry numbers */
};

enum timer { TIMER_NOW, TIMER_RETRY, TIMER_REACHABLE, TIMER_FORGET, N_TIMERS };

struct idle {
	struct cds_list_head spare; /* FAILED, and STALE that nobody used: no loss */
	struct cds_list_head used;  /* STALE and used before */
};

struct neigh_table {
	struct neigh_config config; /* constant, like the two below */
	struct buckets buckets;
	struct neighbour *entries;
	struct pool pool;
	uint32_t n_entries;             /* both parties, atomically */
	uint32_t n_on_port[PORT_MAX];   /* the same, static ones apart */
	uint32_t changed cache_aligned; /* pushed by either, emptied by the worker */
	/* the worker's */
	uint64_t next_ns cache_aligned; /* when the first timer is due */
	struct cds_list_head timers[N_TIMERS];
	uint64_t delay_ns[N_TIMERS];
	struct idle idle[PORT_MAX];
	uint32_t n_held; /* frames */
	struct packet *released, **released_end;
};

/* -- words ---------------------------------------------------------------------------- */

static const struct mac mac_none;

static inline uint64_t key_of(uint16_t port, be32 address)
{
	assert(port < PORT_MAX);
	return (uint64_t)port << 32 | address.raw;
}
static inline uint16_t key_port(uint64_t key) { return (uint16_t)(key >> 32); }
static inline be32 key_address(uint64_t key) { return (be32){(uint32_t)key}; }

static inline uint64_t link_of(unsigned state, struct mac mac)
{
	uint64_t link = 0;
	memcpy(&link, mac.b, sizeof(mac.b));
	return link | (uint64_t)state << 48;
}
static inline unsigned link_state(uint64_t link) { return (unsigned)(link >> 48); }
static inline struct mac link_mac(uint64_t link)
{
	struct mac mac;
	memcpy(mac.b, &link, sizeof(mac.b));
	return mac;
}
/* Can a packet leave with it as it is? STALE can too, but has to be asked about first. */
static inline bool link_is_ready(uint64_t link)
{
	unsigned ready = 1u << NEIGH_REACHABLE | 1u << NEIGH_PROBE | 1u << NEIGH_STATIC;
	return ready >> link_state(link) & 1;
}

static inline unsigned state_of(const struct neighbour *e)
{
	return link_state(load_shared(&e->link));
}
static inline struct mac mac_of(const struct neighbour *e)
{
	return link_mac(load_shared(&e->link));
}
static inline bool is_idle(const struct neighbour *e)
{
	return state_of(e) == NEIGH_STALE || state_of(e) == NEIGH_FAILED;
}
/* Forgetting it costs nothing: nobody can use it, or nobody did. */
static inline bool is_spare(const struct neighbour *e)
{
	return state_of(e) == NEIGH_FAILED ||
	       (state_of(e) == NEIGH_STALE && !load_shared(&e->used_ns));
}

/* -- its life, which begins and ends with its bucket locked ---------------------------- */

/* Locks the bucket that e is chained in; NULL: it is FREE. */
struct bucket *neigh_entry_lock(const struct neigh_table *table, const struct neighbour *e);

/* All that follow want the bucket of e, or of key, locked. */

/* The one that lives for key: a GONE one does not. */
struct neighbour *neigh_entry_find(const struct neigh_table *table, const struct bucket *b,
				   uint64_t key);
/* NULL: the pool is empty. */
struct neighbour *neigh_entry_new(struct neigh_table *table, struct bucket *b, uint64_t key,
				  unsigned state, struct mac mac);
/* FREE at once, or GONE while packets wait. */
void neigh_entry_end(struct neigh_table *table, struct bucket *b, struct neighbour *e);
/* Makes a GONE one FREE, once nothing waits any more. */
void neigh_entry_free(struct neigh_table *table, struct bucket *b, struct neighbour *e);
/* After a change of e: to be told of, unless packets may leave as before, to that MAC. */
void neigh_tell(struct neigh_table *table, struct neighbour *e, struct mac before);
/* An entry begins or ends to count: by is +1 or -1. */
void neigh_account(struct neigh_table *table, uint64_t key, bool is_static, int by);
/* The worker has to look at e's queue: says so, once. */
void neigh_entry_changed(struct neigh_table *table, struct neighbour *e);

/* The worker's. HELD: p is in e's queue; or DROP_NEIGH_QUEUE. */
enum verdict neigh_entry_hold(struct neigh_table *table, struct neighbour *e, struct packet *p);
/* The worker's. Moves what waits for e to the released packets. */
void neigh_entry_release(struct neigh_table *table, struct neighbour *e, enum verdict verdict);

#endif
