/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * neigh - the neighbour table, as the worker and control use it.
 *
 * It has three parts: what an entry is, and how it begins and ends, is neigh_entry's; what
 * becomes of it in time, and neigh_poll(), are neigh_timer's; here are the questions and the
 * evidence that change it, and control's hand.
 *
 * Buckets are those of bucket.h. A resolve accepts what it saw if its bucket has not moved;
 * otherwise it takes the lock.
 */
#include "neigh.h"

#include "neigh_timer.h"

#include <errno.h>
#include <stdlib.h>

/* A second answer from another MAC within this time loses: Linux's net.ipv4.neigh.*.locktime. */
#define LOCKTIME_NS NS_PER_S
/* used_ns is written at most this often, so that a busy neighbour's line stays unshared. */
#define USED_GRAIN_NS NS_PER_S

static const char *const state_names[] = {
	[NEIGH_INCOMPLETE] = "incomplete",
	[NEIGH_REACHABLE] = "reachable",
	[NEIGH_STALE] = "stale",
	[NEIGH_PROBE] = "probe",
	[NEIGH_FAILED] = "failed",
	[NEIGH_STATIC] = "static",
};
static_assert(ARRAY_SIZE(state_names) == N_NEIGH_STATES, "a name for each state");

const char *neigh_state_name(enum neigh_state state) { return state_names[state]; }

/* -- worker --------------------------------------------------------------------------- */

/* The way of nearly all packets. False: not so simple, or somebody is writing. */
static bool resolve_ready(const struct neigh_table *table, const struct bucket *b, uint64_t key,
			  struct mac *mac, uint64_t now_ns)
{
	uint32_t begun = seqlock_begin(&b->lock);
	uint64_t link = link_of(FREE, mac_none), used_ns = 0;

	for (uint32_t i = load_acquire(&b->head); i != NONE;) {
		const struct neighbour *e = &table->entries[i];
		if (load_acquire(&e->key) == key) {
			link = load_acquire(&e->link);
			used_ns = load_acquire(&e->used_ns);
			break;
		}
		i = load_acquire(&e->next);
	}
	*mac = link_mac(link);
	return !seqlock_has_moved(&b->lock, begun) && link_is_ready(link) && used_ns &&
	       now_ns - used_ns < USED_GRAIN_NS;
}

/* The entry for key, INCOMPLETE if it is new; NULL: no room. b is locked, before and after. */
static struct neighbour *find_or_make(struct neigh_table *table, struct bucket *b, uint64_t key,
				      uint64_t now_ns)
{
	struct neighbour *e = neigh_entry_find(table, b, key);
	if (e)
		return e;
	seqlock_release(&b->lock);
	bool room = neigh_make_room(table, key_port(key), now_ns);
	seqlock_take(&b->lock);
	e = neigh_entry_find(table, b, key);
	if (e || !room)
		return e;
	e = neigh_entry_new(table, b, key, NEIGH_INCOMPLETE, mac_none);
	if (e)
		neigh_become(table, e, NEIGH_INCOMPLETE, mac_none, now_ns);
	return e;
}

/* A packet for e, whose bucket is locked. */
static enum verdict use(struct neigh_table *table, struct neighbour *e, struct packet *p,
			struct mac *mac, uint64_t now_ns)
{
	if (state_of(e) == NEIGH_FAILED) {
		if (now_ns - e->since_ns < table->config.retry_ns)
			return DROP_NEIGH_FAILED;
		neigh_become(table, e, NEIGH_INCOMPLETE, mac_none, now_ns);
	} else if (state_of(e) == NEIGH_STALE) {
		neigh_become(table, e, NEIGH_PROBE, mac_of(e), now_ns);
	}
	store_release(&e->used_ns, now_ns);
	if (state_of(e) == NEIGH_INCOMPLETE)
		return neigh_entry_hold(table, e, p);
	*mac = mac_of(e);
	return TO_REWRITE;
}

enum verdict neigh_resolve(struct neigh_table *table, struct packet *p, struct mac *mac,
			   uint64_t now_ns)
{
	uint64_t key = key_of(p->decision.port_out, p->decision.next_hop);
	struct bucket *b = bucket_of(&table->buckets, key);

	if (likely(resolve_ready(table, b, key, mac, now_ns)))
		return TO_REWRITE;
	seqlock_take(&b->lock);
	struct neighbour *e = find_or_make(table, b, key, now_ns);
	enum verdict verdict = e ? use(table, e, p, mac, now_ns) : DROP_NEIGH_TABLE;
	seqlock_release(&b->lock);
	return verdict;
}

bool neigh_quote(struct neigh_table *table, uint16_t port, be32 address, struct mac mac)
{
	uint64_t key = key_of(port, address);
	struct bucket *b = bucket_of(&table->buckets, key);

	if (!table->config.changes)
		return false;
	seqlock_take(&b->lock);
	struct neighbour *e = neigh_entry_find(table, b, key);
	bool so = e && (link_is_ready(e->link) || state_of(e) == NEIGH_STALE) &&
		  mac_equal(mac_of(e), mac);
	if (so)
		e->quoted = true;
	seqlock_release(&b->lock);
	return so;
}

void neigh_note_repeated(struct neigh_table *table, uint16_t port, be32 address, uint64_t now_ns)
{
	uint64_t key = key_of(port, address);
	struct bucket *b = bucket_of(&table->buckets, key);

	seqlock_take(&b->lock);
	struct neighbour *e = neigh_entry_find(table, b, key);
	if (e && state_of(e) == NEIGH_STALE)
		neigh_become(table, e, NEIGH_PROBE, mac_of(e), now_ns);
	if (e && link_is_ready(e->link))
		store_release(&e->used_ns, now_ns);
	seqlock_release(&b->lock);
}

/* Applies evidence to e, whose bucket is locked. */
static bool take_note(struct neigh_table *table, struct neighbour *e, struct mac mac,
		      enum neigh_evidence evidence, uint64_t now_ns)
{
	bool known = state_of(e) != NEIGH_INCOMPLETE && state_of(e) != NEIGH_FAILED;
	bool same = known && mac_equal(mac, mac_of(e));

	if (state_of(e) == NEIGH_STATIC)
		return false;
	if (evidence == NEIGH_REPLY) {
		if (!same && e->confirmed_ns && now_ns - e->confirmed_ns < LOCKTIME_NS)
			return false;
		neigh_become(table, e, NEIGH_REACHABLE, mac, now_ns);
		e->confirmed_ns = now_ns;
	} else if (!same) {
		neigh_become(table, e, NEIGH_STALE, mac, now_ns);
	} else if (evidence == NEIGH_ASKED_US && state_of(e) == NEIGH_STALE) {
		neigh_timer_set(table, e, TIMER_FORGET, now_ns); /* it is still there */
	}
	neigh_entry_release(table, e, TO_NEIGH);
	return true;
}

bool neigh_learn(struct neigh_table *table, uint16_t port, be32 address, struct mac mac,
		 enum neigh_evidence evidence, uint64_t now_ns)
{
	uint64_t key = key_of(port, address);
	struct bucket *b = bucket_of(&table->buckets, key);

	seqlock_take(&b->lock);
	struct neighbour *e = evidence == NEIGH_ASKED_US ? find_or_make(table, b, key, now_ns)
							 : neigh_entry_find(table, b, key);
	bool noted = e && take_note(table, e, mac, evidence, now_ns);
	seqlock_release(&b->lock);
	return noted;
}

struct packet *neigh_released(struct neigh_table *table)
{
	struct packet *p = table->released;

	if (!p)
		return NULL;
	table->released = p->next;
	if (!p->next)
		table->released_end = &table->released;
	p->next = NULL;
	return p;
}

/* -- control -------------------------------------------------------------------------- */

/* Ends an idle entry to make room for a static one: first one that is no loss, else any. */
static bool evict_for_control(struct neigh_table *table)
{
	for (int any = 0; any <= 1; any++) {
		for (uint32_t i = 0; i < table->config.capacity; i++) {
			struct neighbour *e = &table->entries[i];
			struct bucket *b = neigh_entry_lock(table, e);
			if (!b)
				continue;
			bool victim = any ? is_idle(e) : is_spare(e);
			if (victim)
				neigh_entry_end(table, b, e);
			seqlock_release(&b->lock);
			if (victim)
				return true;
		}
	}
	return false;
}

int neigh_add(struct neigh_table *table, uint16_t port, be32 address, struct mac mac)
{
	uint64_t key = key_of(port, address);
	struct bucket *b = bucket_of(&table->buckets, key);

	do {
		seqlock_take(&b->lock);
		struct neighbour *e = neigh_entry_find(table, b, key);
		if (!e) {
			e = neigh_entry_new(table, b, key, NEIGH_STATIC, mac);
		} else {
			neigh_account(table, key, state_of(e) == NEIGH_STATIC, -1);
			neigh_account(table, key, true, 1);
			struct mac before = mac_of(e);
			store_release(&e->link, link_of(NEIGH_STATIC, mac));
			neigh_tell(table, e, before);
			e->confirmed_ns = 0;
			if (e->n_queued)
				neigh_entry_changed(table, e);
		}
		seqlock_release(&b->lock);
		if (e)
			return 0;
	} while (evict_for_control(table));
	return -ENOSPC;
}

int neigh_del(struct neigh_table *table, uint16_t port, be32 address)
{
	uint64_t key = key_of(port, address);
	struct bucket *b = bucket_of(&table->buckets, key);

	seqlock_take(&b->lock);
	struct neighbour *e = neigh_entry_find(table, b, key);
	if (e)
		neigh_entry_end(table, b, e);
	seqlock_release(&b->lock);
	return e ? 0 : -ENOENT;
}

unsigned neigh_flush(struct neigh_table *table, uint16_t port, bool statics)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < table->config.capacity; i++) {
		struct neighbour *e = &table->entries[i];
		struct bucket *b = neigh_entry_lock(table, e);
		if (!b)
			continue;
		if ((port == PORT_NONE || port == key_port(e->key)) && state_of(e) != GONE &&
		    (statics || state_of(e) != NEIGH_STATIC)) {
			neigh_entry_end(table, b, e);
			n++;
		}
		seqlock_release(&b->lock);
	}
	return n;
}

void neigh_walk(struct neigh_table *table, void (*each)(const struct neigh_info *, void *),
		void *arg)
{
	for (uint32_t i = 0; i < table->config.capacity; i++) {
		struct neighbour *e = &table->entries[i];
		struct bucket *b = neigh_entry_lock(table, e);
		if (!b)
			continue;
		bool gone = state_of(e) == GONE;
		struct neigh_info info = {
			.port = key_port(e->key),
			.address = key_address(e->key),
			.mac = mac_of(e),
			.state = state_of(e),
			.confirmed_ns = e->confirmed_ns,
			.used_ns = e->used_ns,
			.queued = e->n_queued,
		};
		seqlock_release(&b->lock);
		if (!gone)
			each(&info, arg);
	}
}

uint32_t neigh_count(const struct neigh_table *table) { return load_shared(&table->n_entries); }

/* -- the table itself ----------------------------------------------------------------- */

static void set_defaults(struct neigh_config *c)
{
	c->capacity = c->capacity ? c->capacity : 4096;
	c->port_max = c->port_max ? c->port_max : 1024;
	c->queue_max = c->queue_max ? c->queue_max : 64;
	c->held_max = c->held_max ? c->held_max : 1024;
	c->reachable_ns = c->reachable_ns ? c->reachable_ns : 30 * NS_PER_S;
	c->retry_ns = c->retry_ns ? c->retry_ns : NS_PER_S;
	c->forget_ns = c->forget_ns ? c->forget_ns : 60 * NS_PER_S;
	c->n_tries = c->n_tries ? c->n_tries : 3;
}

static void entries_init(struct neigh_table *table)
{
	uint32_t n = table->config.capacity;

	for (uint32_t i = 0; i <= table->buckets.mask; i++)
		table->buckets.at[i].head = NONE;
	for (uint32_t i = 0; i < n; i++) {
		struct neighbour *e = &table->entries[i];
		*e = (struct neighbour){.link = link_of(FREE, mac_none), .next = NONE};
		CDS_INIT_LIST_HEAD(&e->timer);
		CDS_INIT_LIST_HEAD(&e->idle);
		table->pool.free[n - 1 - i] = i;
	}
	table->pool.n_free = n;
}

struct neigh_table *neigh_new(const struct neigh_config *config)
{
	struct neigh_table *table = aligned_alloc(CACHE_LINE, sizeof(*table));
	if (!table)
		return NULL;
	*table = (struct neigh_table){.config = *config};
	set_defaults(&table->config);
	uint32_t n = table->config.capacity;
	bool have_buckets = buckets_init(&table->buckets, n, config->secret);
	table->entries = aligned_alloc(CACHE_LINE, (size_t)n * sizeof(*table->entries));
	table->pool.free = calloc(n, sizeof(*table->pool.free));
	if (!have_buckets || !table->entries || !table->pool.free) {
		neigh_free(table);
		return NULL;
	}
	neigh_timers_init(table);
	entries_init(table);
	return table;
}

void neigh_free(struct neigh_table *table)
{
	if (!table)
		return;
	free(table->pool.free);
	free(table->entries);
	buckets_fini(&table->buckets);
	free(table);
}
