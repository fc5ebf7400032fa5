/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bucket.h - the buckets of a hash table that several threads write and any of them reads
 * without waiting.
 *
 * A bucket is the head of a chain and a sequence lock: a counter that is odd while somebody
 * holds it. A look reads the chain with load_acquire() and may believe what it saw unless the
 * counter has moved meanwhile. Who writes holds the lock and uses store_release() for whatever
 * looks read; so whoever sees such a store sees the odd counter before it: no fences.
 *
 * What a bucket's chain is made of, and which number says "none", is the table's business. An
 * entry has a key, from which its bucket follows, and one word that says whether it lives. The
 * key is stored before the word that brings it to life, and a life begins and ends under the
 * lock of its bucket.
 */
#ifndef TSUJI_BUCKET_H
#define TSUJI_BUCKET_H

#include "hash.h"
#include "memory.h"

#include <urcu/arch.h>

/* -- a lock that counts ----------------------------------------------------------------- */

struct seqlock {
	uint32_t sequence; /* odd: somebody holds it */
};

static inline void seqlock_take(struct seqlock *lock)
{
	for (;;) {
		uint32_t seen = load_shared(&lock->sequence);
		if (!(seen & 1) &&
		    __atomic_compare_exchange_n(&lock->sequence, &seen, seen + 1, true,
						__ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return;
		caa_cpu_relax();
	}
}

static inline void seqlock_release(struct seqlock *lock)
{
	store_release(&lock->sequence, load_shared(&lock->sequence) + 1);
}

/* Around a look that takes no lock: what it saw is void if the lock has moved since it began. */
static inline uint32_t seqlock_begin(const struct seqlock *lock)
{
	return load_acquire(&lock->sequence);
}
static inline bool seqlock_has_moved(const struct seqlock *lock, uint32_t begun)
{
	return begun & 1 || load_shared(&lock->sequence) != begun;
}

/* -- buckets ---------------------------------------------------------------------------- */

struct bucket {
	struct seqlock lock;
	uint32_t head; /* of the chain, in the table's numbers */
};

struct buckets {
	struct bucket *at;
	uint32_t mask; /* how many there are, less one */
	struct hash_mix mix;
};

/*
 * For that many entries: at most half full, so that most chains are one entry long. All is
 * zero. False: no memory; buckets_fini() does no harm then.
 */
static inline bool buckets_init(struct buckets *buckets, uint32_t capacity,
				const uint8_t secret[HASH_KEY_SIZE])
{
	uint32_t n = 1;

	while (n < 2 * capacity)
		n *= 2;
	buckets->at = memory_new(n * sizeof(*buckets->at));
	buckets->mask = n - 1;
	buckets->mix = hash_mix_of(secret);
	return buckets->at;
}

static inline void buckets_fini(struct buckets *buckets)
{
	memory_free(buckets->at, ((size_t)buckets->mask + 1) * sizeof(*buckets->at));
}

static inline struct bucket *bucket_of(const struct buckets *buckets, uint64_t key)
{
	return &buckets->at[hash_mix_word(&buckets->mix, key) & buckets->mask];
}

/*
 * Locks the bucket that an entry is chained in; NULL: it does not live. A key read after its
 * life is that life's key; and while its bucket is locked, the life does not end.
 */
static inline struct bucket *bucket_lock_entry(const struct buckets *buckets, const void *entry,
					       const uint64_t *key, bool (*lives)(const void *))
{
	while (lives(entry)) {
		uint64_t seen = load_acquire(key);
		struct bucket *b = bucket_of(buckets, seen);
		seqlock_take(&b->lock);
		if (lives(entry) && load_acquire(key) == seen)
			return b;
		seqlock_release(&b->lock);
	}
	return NULL;
}

#endif
