/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * neigh_entry - the life of one neighbour: its place in a chain and in the pool, and the
 * queue of packets that wait for it.
 */
#include "neigh_entry.h"

/* -- locks ---------------------------------------------------------------------------- */

static bool entry_lives(const void *entry)
{
	return link_state(load_acquire(&((const struct neighbour *)entry)->link)) != FREE;
}

struct bucket *neigh_entry_lock(const struct neigh_table *table, const struct neighbour *e)
{
	return bucket_lock_entry(&table->buckets, e, &e->key, entry_lives);
}

/* -- entries: their bucket is locked -------------------------------------------------- */

struct neighbour *neigh_entry_find(const struct neigh_table *table, const struct bucket *b,
				   uint64_t key)
{
	for (uint32_t i = b->head; i != NONE; i = table->entries[i].next) {
		struct neighbour *e = &table->entries[i];
		if (load_shared(&e->key) == key && state_of(e) != GONE)
			return e;
	}
	return NULL;
}

static uint32_t pool_get(struct pool *pool)
{
	seqlock_take(&pool->lock);
	uint32_t i = pool->n_free ? pool->free[pool->n_free - 1] : NONE;
	if (i != NONE)
		store_shared(&pool->n_free, pool->n_free - 1);
	seqlock_release(&pool->lock);
	return i;
}

static void pool_put(struct pool *pool, uint32_t i)
{
	seqlock_take(&pool->lock);
	pool->free[pool->n_free] = i;
	store_shared(&pool->n_free, pool->n_free + 1);
	seqlock_release(&pool->lock);
}

void neigh_account(struct neigh_table *table, uint64_t key, bool is_static, int by)
{
	uint32_t *n_on_port = &table->n_on_port[key_port(key)];

	__atomic_fetch_add(&table->n_entries, (uint32_t)by, __ATOMIC_RELAXED);
	if (!is_static)
		__atomic_fetch_add(n_on_port, (uint32_t)by, __ATOMIC_RELAXED);
}

void neigh_tell(struct neigh_table *table, struct neighbour *e, struct mac before)
{
	uint64_t link = load_shared(&e->link);
	bool usable = link_is_ready(link) || link_state(link) == NEIGH_STALE;

	if (likely(!e->quoted) || (usable && mac_equal(link_mac(link), before)))
		return;
	e->quoted = false;
	__atomic_fetch_add(table->config.changes, 1, __ATOMIC_ACQ_REL);
}

struct neighbour *neigh_entry_new(struct neigh_table *table, struct bucket *b, uint64_t key,
				  unsigned state, struct mac mac)
{
	uint32_t i = pool_get(&table->pool);
	if (i == NONE)
		return NULL;
	struct neighbour *e = &table->entries[i];
	store_release(&e->key, key);
	store_release(&e->used_ns, 0);
	e->confirmed_ns = 0;
	e->quoted = false;
	store_release(&e->next, b->head);
	store_release(&e->link, link_of(state, mac));
	store_release(&b->head, i);
	neigh_account(table, key, state == NEIGH_STATIC, 1);
	return e;
}

void neigh_entry_free(struct neigh_table *table, struct bucket *b, struct neighbour *e)
{
	uint32_t i = (uint32_t)(e - table->entries), *at = &b->head;
	while (*at != i)
		at = &table->entries[*at].next;
	store_release(at, e->next);
	store_release(&e->link, link_of(FREE, mac_none));
	pool_put(&table->pool, i);
}

void neigh_entry_changed(struct neigh_table *table, struct neighbour *e)
{
	if (e->changed)
		return;
	e->changed = true;
	e->next_changed = load_shared(&table->changed);
	while (!__atomic_compare_exchange_n(&table->changed, &e->next_changed,
					    (uint32_t)(e - table->entries), true, __ATOMIC_RELEASE,
					    __ATOMIC_RELAXED))
		;
}

void neigh_entry_end(struct neigh_table *table, struct bucket *b, struct neighbour *e)
{
	neigh_account(table, e->key, state_of(e) == NEIGH_STATIC, -1);
	store_release(&e->link, link_of(GONE, mac_none));
	neigh_tell(table, e, mac_none);
	if (e->n_queued)
		neigh_entry_changed(table, e);
	else
		neigh_entry_free(table, b, e);
}

/* -- queues: the worker's ------------------------------------------------------------- */

enum verdict neigh_entry_hold(struct neigh_table *table, struct neighbour *e, struct packet *p)
{
	uint32_t frames = packet_frames(p);

	if (e->n_queued >= table->config.queue_max ||
	    table->n_held + frames > table->config.held_max)
		return DROP_NEIGH_QUEUE;
	p->next = NULL;
	if (e->n_queued)
		e->last->next = p;
	else
		e->first = p;
	e->last = p;
	e->n_queued++;
	table->n_held += frames;
	return HELD;
}

void neigh_entry_release(struct neigh_table *table, struct neighbour *e, enum verdict verdict)
{
	if (!e->n_queued)
		return;
	for (struct packet *p = e->first; p; p = p->next) {
		p->verdict = (uint8_t)verdict;
		table->n_held -= packet_frames(p);
	}
	*table->released_end = e->first;
	table->released_end = &e->last->next;
	e->first = e->last = NULL;
	e->n_queued = 0;
}
