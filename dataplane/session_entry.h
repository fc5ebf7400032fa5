/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session_entry.h - one session in the table, and how control reads and ends it beside the
 * worker. Private to session*.c.
 *
 * Only the worker changes the structure, so nothing is locked. Control reads by the array,
 * not by the chains: an entry's *life* says whether it is LIVE, and in which of its lives; who
 * copies the session and finds life as it was before has a consistent copy. Who fills an
 * entry stores with release, after the life before has ended: whoever sees a new field sees that,
 * too. To end a session control changes its life to KILLED and puts it on a stack, which the
 * worker empties before it opens, maps or ages; until then it just does not find it. If the
 * worker gets there first, between the two steps, the entry is GONE until it is popped.
 *
 * The table's clock is the worker's plus what session_advance() added, so nothing has to be
 * rewritten for it.
 *
 * Entry numbers start at 1, 0 is none: zeroed memory is the empty table, and entries freed are
 * used again before new ones.
 */
#ifndef TSUJI_SESSION_ENTRY_H
#define TSUJI_SESSION_ENTRY_H

#include "session.h"

#include "hash.h"

enum list { BY_AGE, BY_MAPPING, BY_PEER, N_LISTS };
struct link { /* the first one's prev is the last, the last one's next 0 */
	uint32_t prev, next;
};

struct entry {
	struct session session; /* in front: session_note() gets it back */
	uint32_t life;		/* how many lives << 2 | one of the states below */
	uint32_t next[2];	/* by tuple: the next in its chain; [0]: in the morgue, or free */
	struct link links[N_LISTS];
	uint32_t next_killed; /* on control's stack */
};
static_assert(sizeof(struct entry) == 2 * CACHE_LINE, "a look reads the first, a note both");
enum { FREE = 0, LIVE = 1, KILLED = 2, GONE = 3, LIFE_STATE = 3 };

struct host {
	be32 address;
	uint32_t n;    /* sessions of which it is the original source */
	uint32_t next; /* in its chain, or of the free ones */
};

struct session_table {
	uint8_t secret[HASH_KEY_SIZE]; /* constant, down to mappings */
	uint32_t capacity, tuple_mask, mask;
	uint32_t *tuples; /* chains of entry * 2 + direction */
	uint32_t *peers, *host_heads;
	struct entry *entries;
	void *memory; /* of entries */
	struct host *hosts;
	struct mapping_table *mappings;
	uint64_t now_ns cache_aligned; /* the worker's, down to counts: its own clock */
	uint64_t next_ns;	       /* when to sweep on */
	uint64_t due_ns;  /* the earliest that this pass met, or that was set since it began */
	uint32_t n_swept; /* entries, in this pass */
	uint32_t n_used, first_free, morgue_first, morgue_last; /* n_used: entries ever used */
	uint32_t oldest;					/* BY_AGE */
	uint32_t n_hosts_used, host_first_free;
	struct session_counts counts;
	struct session_watch watch; /* constant once sessions are opened */
	struct session_config config cache_aligned; /* control's: times and host_max */
	uint64_t offset_ns;
	uint32_t killed; /* both parties', like n_killed */
	uint32_t n_killed;
};

/* -- time ------------------------------------------------------------------------------- */

static inline uint64_t later(uint64_t at_ns, uint64_t by_ns)
{
	return by_ns > UINT64_MAX - at_ns ? UINT64_MAX : at_ns + by_ns;
}

static inline uint64_t clock_of(const struct session_table *table, uint64_t now_ns)
{
	return later(now_ns, load_shared(&table->offset_ns));
}

/* As the worker told it last. */
static inline uint64_t last_clock(const struct session_table *table)
{
	return clock_of(table, load_shared(&table->now_ns));
}

/* -- tuples that control may be reading -------------------------------------------------- */

typedef uint64_t __attribute__((may_alias)) word;
struct tuple_words {
	word w[2];
} __attribute__((may_alias));
static_assert(offsetof(struct session, tuple) % sizeof(word) == 0, "its words are aligned");

static inline void tuple_store(struct tuple *to, const struct tuple *from)
{
	struct tuple_words words;
	memcpy(&words, from, sizeof(words));
	for (unsigned i = 0; i < ARRAY_SIZE(words.w); i++)
		store_release(&((struct tuple_words *)to)->w[i], words.w[i]);
}

static inline struct tuple tuple_load(const struct tuple *from)
{
	struct tuple_words words;
	struct tuple t;

	for (unsigned i = 0; i < ARRAY_SIZE(words.w); i++)
		words.w[i] = load_acquire(&((const struct tuple_words *)from)->w[i]);
	memcpy(&t, &words, sizeof(t));
	return t;
}

#endif
