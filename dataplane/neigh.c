/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * neigh - the neighbour table: hash buckets of entries, timers, and packets that wait.
 *
 * An entry's key (port and address) and its link (state and MAC) are one 64-bit word each.
 * Buckets are those of bucket.h. A resolve accepts what it saw if its bucket has not moved;
 * otherwise it takes the lock.
 *
 * An entry is in its bucket's chain unless it is FREE. The dynamic states are given by the
 * worker alone; control may only make an entry STATIC, or end it. While packets wait, an
 * ended entry stays behind as GONE, unseen by every look-up, and goes on the list of
 * `changed` entries; the worker's next neigh_poll() releases the queue and frees it.
 *
 * Timers: every state lasts one of four fixed times, so four first-in first-out lists are
 * in order of what is due, and the heads tell the earliest. Idle entries (STALE, FAILED)
 * stand in their port's lists of what may be evicted, oldest first. All these lists belong
 * to the worker. Control cannot take an entry off them, so whoever finds one there looks
 * at its state under the lock before acting.
 *
 * Locks are taken in the order bucket, pool; never two buckets at once.
 */
#include "neigh.h"

#include "bucket.h"

#include <errno.h>
#include <stdlib.h>
#include <urcu/list.h>

#define NONE UINT32_MAX

/* A second answer from another MAC within this time loses: Linux's net.ipv4.neigh.*.locktime. */
#define LOCKTIME_NS NS_PER_S
/* used_ns is written at most this often, so that a busy neighbour's line stays unshared. */
#define USED_GRAIN_NS NS_PER_S

/* What an entry can be besides the states of the header. */
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
	uint32_t n_entries;            /* both parties, atomically */
	uint32_t n_on_port[PORT_MAX];  /* the same, static ones apart */
	uint32_t changed cache_aligned; /* pushed by either, emptied by the worker */
	/* the worker's */
	uint64_t next_ns cache_aligned; /* when the first timer is due */
	struct cds_list_head timers[N_TIMERS];
	uint64_t delay_ns[N_TIMERS];
	struct idle idle[PORT_MAX];
	uint32_t n_held;
	struct packet *released, **released_end;
};

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

/* -- words ------------------------------------------------------------------------ */

static const struct mac mac_none, mac_everyone = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

static uint64_t key_of(uint16_t port, be32 address)
{
	assert(port < PORT_MAX);
	return (uint64_t)port << 32 | address.raw;
}
static uint16_t key_port(uint64_t key) { return (uint16_t)(key >> 32); }
static be32 key_address(uint64_t key) { return (be32){(uint32_t)key}; }

static uint64_t link_of(unsigned state, struct mac mac)
{
	uint64_t link = 0;
	memcpy(&link, mac.b, sizeof(mac.b));
	return link | (uint64_t)state << 48;
}
static unsigned link_state(uint64_t link) { return (unsigned)(link >> 48); }
static struct mac link_mac(uint64_t link)
{
	struct mac mac;
	memcpy(mac.b, &link, sizeof(mac.b));
	return mac;
}
/* Can a packet leave with it as it is? STALE can too, but has to be asked about first. */
static bool link_is_ready(uint64_t link)
{
	unsigned ready = 1u << NEIGH_REACHABLE | 1u << NEIGH_PROBE | 1u << NEIGH_STATIC;
	return ready >> link_state(link) & 1;
}

static unsigned state_of(const struct neighbour *e) { return link_state(load_shared(&e->link)); }
static struct mac mac_of(const struct neighbour *e) { return link_mac(load_shared(&e->link)); }
static bool is_idle(const struct neighbour *e)
{
	return state_of(e) == NEIGH_STALE || state_of(e) == NEIGH_FAILED;
}
/* Forgetting it costs nothing: nobody can use it, or nobody did. */
static bool is_spare(const struct neighbour *e)
{
	return state_of(e) == NEIGH_FAILED ||
	       (state_of(e) == NEIGH_STALE && !load_shared(&e->used_ns));
}

/* -- locks ------------------------------------------------------------------------ */

static bool entry_lives(const void *entry)
{
	return link_state(load_acquire(&((const struct neighbour *)entry)->link)) != FREE;
}

/* NULL: it is FREE. */
static struct bucket *entry_lock(const struct neigh_table *table, const struct neighbour *e)
{
	return bucket_lock_entry(&table->buckets, e, &e->key, entry_lives);
}

/* -- entries: their bucket is locked -------------------------------------------------- */

static struct neighbour *find(const struct neigh_table *table, const struct bucket *b, uint64_t key)
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

/* An entry begins or ends to count: by is +1 or -1. */
static void account(struct neigh_table *table, uint64_t key, bool is_static, int by)
{
	uint32_t *n_on_port = &table->n_on_port[key_port(key)];

	__atomic_fetch_add(&table->n_entries, (uint32_t)by, __ATOMIC_RELAXED);
	if (!is_static)
		__atomic_fetch_add(n_on_port, (uint32_t)by, __ATOMIC_RELAXED);
}

/* NULL: the pool is empty. */
static struct neighbour *entry_new(struct neigh_table *table, struct bucket *b, uint64_t key,
				   unsigned state, struct mac mac)
{
	uint32_t i = pool_get(&table->pool);
	if (i == NONE)
		return NULL;
	struct neighbour *e = &table->entries[i];
	store_release(&e->key, key);
	store_release(&e->used_ns, 0);
	e->confirmed_ns = 0;
	store_release(&e->next, b->head);
	store_release(&e->link, link_of(state, mac));
	store_release(&b->head, i);
	account(table, key, state == NEIGH_STATIC, 1);
	return e;
}

static void entry_free(struct neigh_table *table, struct bucket *b, struct neighbour *e)
{
	uint32_t i = (uint32_t)(e - table->entries), *at = &b->head;
	while (*at != i)
		at = &table->entries[*at].next;
	store_release(at, e->next);
	store_release(&e->link, link_of(FREE, mac_none));
	pool_put(&table->pool, i);
}

/* The worker has to look at e's queue: says so, once. */
static void entry_changed(struct neigh_table *table, struct neighbour *e)
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

static void entry_end(struct neigh_table *table, struct bucket *b, struct neighbour *e)
{
	account(table, e->key, state_of(e) == NEIGH_STATIC, -1);
	if (!e->n_queued) {
		entry_free(table, b, e);
		return;
	}
	store_release(&e->link, link_of(GONE, mac_none));
	entry_changed(table, e);
}

/* -- the worker's lists --------------------------------------------------------------- */

static struct neighbour *timer_entry(struct cds_list_head *link)
{
	return cds_list_entry(link, struct neighbour, timer);
}

static void timer_set(struct neigh_table *table, struct neighbour *e, enum timer timer,
		      uint64_t now_ns)
{
	cds_list_del(&e->timer);
	e->due_ns = now_ns + table->delay_ns[timer];
	cds_list_add_tail(&e->timer, &table->timers[timer]);
	if (e->due_ns < table->next_ns)
		store_shared(&table->next_ns, e->due_ns);
}

static void lists_leave(struct neighbour *e)
{
	cds_list_del_init(&e->timer);
	cds_list_del_init(&e->idle);
}

/* Gives an entry, whose bucket is locked, a dynamic state. */
static void become(struct neigh_table *table, struct neighbour *e, enum neigh_state state,
		   struct mac mac, uint64_t now_ns)
{
	static const uint8_t timer_of[] = {
		[NEIGH_INCOMPLETE] = TIMER_NOW, [NEIGH_REACHABLE] = TIMER_REACHABLE,
		[NEIGH_STALE] = TIMER_FORGET,   [NEIGH_PROBE] = TIMER_NOW,
		[NEIGH_FAILED] = TIMER_FORGET,
	};
	struct idle *idle = &table->idle[key_port(e->key)];

	if (!mac_equal(mac, mac_of(e)))
		e->confirmed_ns = 0;
	store_release(&e->link, link_of(state, mac));
	e->n_sent = 0;
	e->since_ns = now_ns;
	timer_set(table, e, timer_of[state], now_ns);
	cds_list_del_init(&e->idle);
	if (is_idle(e))
		cds_list_add_tail(&e->idle, is_spare(e) ? &idle->spare : &idle->used);
}

/* Moves what waits for e, whose bucket is locked, to the released packets. */
static void release(struct neigh_table *table, struct neighbour *e, enum verdict verdict)
{
	if (!e->n_queued)
		return;
	for (struct packet *p = e->first; p; p = p->next)
		p->verdict = (uint8_t)verdict;
	*table->released_end = e->first;
	table->released_end = &e->last->next;
	table->n_held -= e->n_queued;
	e->first = e->last = NULL;
	e->n_queued = 0;
}

/* -- eviction ------------------------------------------------------------------------- */

/* Ends the first entry of a list, which is the oldest, unless it was used after before_ns. */
static bool evict_first(struct neigh_table *table, struct cds_list_head *list, uint64_t before_ns)
{
	while (!cds_list_empty(list)) {
		struct neighbour *e = cds_list_first_entry(list, struct neighbour, idle);
		struct bucket *b = entry_lock(table, e);
		bool idle = b && is_idle(e), keep = idle && e->used_ns > before_ns;
		if (!keep)
			lists_leave(e);
		if (idle && !keep)
			entry_end(table, b, e);
		if (b)
			seqlock_release(&b->lock);
		if (idle)
			return !keep;
	}
	return false;
}

static bool evict_spare(struct neigh_table *table, uint16_t port)
{
	return evict_first(table, &table->idle[port].spare, UINT64_MAX);
}

/* Who talks now is used more often than it has to be confirmed. */
static bool evict_used(struct neigh_table *table, uint16_t port, uint64_t now_ns)
{
	uint64_t patience = table->config.reachable_ns;
	return now_ns > patience && evict_first(table, &table->idle[port].used, now_ns - patience);
}

static bool evict_elsewhere(struct neigh_table *table)
{
	for (uint16_t port = 0; port < PORT_MAX; port++)
		if (evict_spare(table, port))
			return true;
	return false;
}

/* Makes room for one more entry on port. The worker holds no lock. */
static bool make_room(struct neigh_table *table, uint16_t port, uint64_t now_ns)
{
	if (load_shared(&table->n_on_port[port]) >= table->config.port_max &&
	    !evict_spare(table, port) && !evict_used(table, port, now_ns))
		return false;
	return load_shared(&table->pool.n_free) || evict_spare(table, port) ||
	       evict_elsewhere(table) || evict_used(table, port, now_ns);
}

/* The entry for key, INCOMPLETE if it is new; NULL: no room. b is locked, before and after. */
static struct neighbour *find_or_make(struct neigh_table *table, struct bucket *b, uint64_t key,
				      uint64_t now_ns)
{
	struct neighbour *e = find(table, b, key);
	if (e)
		return e;
	seqlock_release(&b->lock);
	bool room = make_room(table, key_port(key), now_ns);
	seqlock_take(&b->lock);
	e = find(table, b, key);
	if (e || !room)
		return e;
	e = entry_new(table, b, key, NEIGH_INCOMPLETE, mac_none);
	if (e)
		become(table, e, NEIGH_INCOMPLETE, mac_none, now_ns);
	return e;
}

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

static enum verdict enqueue(struct neigh_table *table, struct neighbour *e, struct packet *p)
{
	if (e->n_queued >= table->config.queue_max || table->n_held >= table->config.held_max)
		return DROP_NEIGH_QUEUE;
	p->next = NULL;
	if (e->n_queued)
		e->last->next = p;
	else
		e->first = p;
	e->last = p;
	e->n_queued++;
	table->n_held++;
	return HELD;
}

/* A packet for e, whose bucket is locked. */
static enum verdict use(struct neigh_table *table, struct neighbour *e, struct packet *p,
			struct mac *mac, uint64_t now_ns)
{
	if (state_of(e) == NEIGH_FAILED) {
		if (now_ns - e->since_ns < table->config.retry_ns)
			return DROP_NEIGH_FAILED;
		become(table, e, NEIGH_INCOMPLETE, mac_none, now_ns);
	} else if (state_of(e) == NEIGH_STALE) {
		become(table, e, NEIGH_PROBE, mac_of(e), now_ns);
	}
	store_release(&e->used_ns, now_ns);
	if (state_of(e) == NEIGH_INCOMPLETE)
		return enqueue(table, e, p);
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
		become(table, e, NEIGH_REACHABLE, mac, now_ns);
		e->confirmed_ns = now_ns;
	} else if (!same) {
		become(table, e, NEIGH_STALE, mac, now_ns);
	} else if (evidence == NEIGH_ASKED_US && state_of(e) == NEIGH_STALE) {
		timer_set(table, e, TIMER_FORGET, now_ns); /* it is still there */
	}
	release(table, e, TO_NEIGH);
	return true;
}

bool neigh_learn(struct neigh_table *table, uint16_t port, be32 address, struct mac mac,
		 enum neigh_evidence evidence, uint64_t now_ns)
{
	uint64_t key = key_of(port, address);
	struct bucket *b = bucket_of(&table->buckets, key);

	seqlock_take(&b->lock);
	struct neighbour *e = evidence == NEIGH_ASKED_US ? find_or_make(table, b, key, now_ns)
							 : find(table, b, key);
	bool noted = e && take_note(table, e, mac, evidence, now_ns);
	seqlock_release(&b->lock);
	return noted;
}

/* Does for the queues of changed entries what control could not. */
static void settle_changed(struct neigh_table *table)
{
	uint32_t i = __atomic_exchange_n(&table->changed, NONE, __ATOMIC_ACQUIRE);

	while (i != NONE) {
		struct neighbour *e = &table->entries[i];
		i = e->next_changed;
		struct bucket *b = entry_lock(table, e);
		assert(b); /* its queue kept it */
		e->changed = false;
		if (state_of(e) == GONE) {
			release(table, e, DROP_NEIGH_FAILED);
			lists_leave(e);
			entry_free(table, b, e);
		} else {
			release(table, e, TO_NEIGH);
		}
		seqlock_release(&b->lock);
	}
}

struct due {
	struct neigh_solicit *out;
	unsigned n, max;
};

/* The next request about e, INCOMPLETE or PROBE, or the end of asking. False: no room in due. */
static bool ask(struct neigh_table *table, struct neighbour *e, uint64_t now_ns, struct due *due)
{
	uint32_t n_tries = table->config.n_tries;
	bool probe = state_of(e) == NEIGH_PROBE;

	if (e->n_sent >= (probe ? 2 * n_tries : n_tries)) {
		release(table, e, DROP_NEIGH_FAILED);
		become(table, e, NEIGH_FAILED, mac_none, now_ns);
		return true;
	}
	if (due->n == due->max)
		return false;
	due->out[due->n++] = (struct neigh_solicit){
		.port = key_port(e->key),
		.address = key_address(e->key),
		.mac = probe && e->n_sent < n_tries ? mac_of(e) : mac_everyone,
	};
	e->n_sent++;
	timer_set(table, e, TIMER_RETRY, now_ns);
	return true;
}

/* The timer of e has run out. False: it waits for room in due. */
static bool expire(struct neigh_table *table, struct neighbour *e, uint64_t now_ns, struct due *due)
{
	struct bucket *b = entry_lock(table, e);
	unsigned state = b ? state_of(e) : FREE;
	bool done = true;

	if (state == NEIGH_INCOMPLETE || state == NEIGH_PROBE) {
		done = ask(table, e, now_ns, due);
	} else if (state == NEIGH_REACHABLE) {
		become(table, e, NEIGH_STALE, mac_of(e), now_ns);
	} else {
		lists_leave(e);
		if (state == NEIGH_STALE || state == NEIGH_FAILED)
			entry_end(table, b, e);
	}
	if (b)
		seqlock_release(&b->lock);
	return done;
}

static uint64_t first_due(struct neigh_table *table)
{
	uint64_t first_ns = UINT64_MAX;

	for (unsigned i = 0; i < N_TIMERS; i++) {
		struct cds_list_head *list = &table->timers[i];
		if (!cds_list_empty(list))
			first_ns = min_u64(first_ns, timer_entry(list->next)->due_ns);
	}
	return first_ns;
}

unsigned neigh_poll(struct neigh_table *table, uint64_t now_ns, struct neigh_solicit *out,
		    unsigned max)
{
	struct due due = {.out = out, .max = max};

	if (likely(now_ns < neigh_next(table)))
		return 0;
	if (load_shared(&table->changed) != NONE)
		settle_changed(table);
	for (unsigned i = 0; i < N_TIMERS; i++) {
		struct cds_list_head *list = &table->timers[i];
		while (!cds_list_empty(list)) {
			struct neighbour *e = timer_entry(list->next);
			if (e->due_ns > now_ns || !expire(table, e, now_ns, &due))
				break;
		}
	}
	store_shared(&table->next_ns, first_due(table));
	return due.n;
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

uint64_t neigh_next(const struct neigh_table *table)
{
	return likely(load_shared(&table->changed) == NONE) ? load_shared(&table->next_ns) : 0;
}

/* -- control -------------------------------------------------------------------------- */

/* Ends an idle entry to make room for a static one: first one that is no loss, else any. */
static bool evict_for_control(struct neigh_table *table)
{
	for (int any = 0; any <= 1; any++) {
		for (uint32_t i = 0; i < table->config.capacity; i++) {
			struct neighbour *e = &table->entries[i];
			struct bucket *b = entry_lock(table, e);
			if (!b)
				continue;
			bool victim = any ? is_idle(e) : is_spare(e);
			if (victim)
				entry_end(table, b, e);
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
		struct neighbour *e = find(table, b, key);
		if (!e) {
			e = entry_new(table, b, key, NEIGH_STATIC, mac);
		} else {
			account(table, key, state_of(e) == NEIGH_STATIC, -1);
			account(table, key, true, 1);
			store_release(&e->link, link_of(NEIGH_STATIC, mac));
			e->confirmed_ns = 0;
			if (e->n_queued)
				entry_changed(table, e);
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
	struct neighbour *e = find(table, b, key);
	if (e)
		entry_end(table, b, e);
	seqlock_release(&b->lock);
	return e ? 0 : -ENOENT;
}

unsigned neigh_flush(struct neigh_table *table, uint16_t port, bool statics)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < table->config.capacity; i++) {
		struct neighbour *e = &table->entries[i];
		struct bucket *b = entry_lock(table, e);
		if (!b)
			continue;
		if ((port == PORT_NONE || port == key_port(e->key)) && state_of(e) != GONE &&
		    (statics || state_of(e) != NEIGH_STATIC)) {
			entry_end(table, b, e);
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
		struct bucket *b = entry_lock(table, e);
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

static void lists_init(struct neigh_table *table)
{
	table->changed = NONE;
	table->next_ns = UINT64_MAX;
	table->released_end = &table->released;
	table->delay_ns[TIMER_RETRY] = table->config.retry_ns;
	table->delay_ns[TIMER_REACHABLE] = table->config.reachable_ns;
	table->delay_ns[TIMER_FORGET] = table->config.forget_ns;
	for (unsigned i = 0; i < N_TIMERS; i++)
		CDS_INIT_LIST_HEAD(&table->timers[i]);
	for (unsigned i = 0; i < PORT_MAX; i++) {
		CDS_INIT_LIST_HEAD(&table->idle[i].spare);
		CDS_INIT_LIST_HEAD(&table->idle[i].used);
	}
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
	lists_init(table);
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
