/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fdb - the forwarding database: hash buckets of entries, an unhurried sweep, and a ring of
 * events for who watches.
 *
 * Buckets are those of bucket.h: a look starts again until its bucket has not moved.
 *
 * Only the worker writes hits, and without a lock; so it must be the worker, too, who sets
 * them to zero: until its first hit an entry is FRESH, which says that they are void.
 *
 * A QUOTED entry is repeated elsewhere: who changes where it is, or ends it, says so.
 *
 * For the worker an entry is dead the moment it is too old. The sweep only collects: it
 * goes through the entries a slice at a time, notes when the next is due, and sleeps until
 * then. As only the worker makes entries that age, all that control can bring forward is
 * another aging; that is a flag.
 *
 * Memory is zero at first, zero is the empty table, and entries freed are used again before
 * new ones: what is not needed is not touched. Entry numbers start at 1; 0 is none.
 *
 * Who makes a change records its event, holding the bucket: for one MAC their order is that
 * of the changes. Locks are taken in the order bucket, then pool or ring; never two buckets.
 */
#include "fdb.h"

#include "bucket.h"

#include <errno.h>
#include <stdlib.h>

#define DEFAULT_AGING_NS (300 * NS_PER_S) /* IEEE 802.1Q table 8-6, and Linux */
#define SEEN_GRAIN_NS NS_PER_S /* between two writes of seen_ns, if that is not long for the age */
/* Called every 10 ms, steps are 15 ms apart at most: 1.92 s for all of them. */
#define SWEEP_STEPS 128
#define SWEEP_STEP_NS (5 * NS_PER_MS)
#define SWEEP_SLICE 64 /* entries at least: a small table is swept by one call */
#define N_EVENTS 4096

struct entry {
	/* written under the bucket's lock, read without it */
	uint64_t key;   /* bridge << 48 | MAC as it lies on the wire */
	uint32_t place; /* FREE, or FRESH | QUOTED | kind + 1 << 16 | port */
	uint32_t next;  /* in the chain */
	union {
		uint64_t seen_ns;
		uint64_t next_free; /* while FREE; under the pool's lock */
	};
	uint64_t hits; /* the worker's */
};
static_assert(CACHE_LINE % sizeof(struct entry) == 0, "an entry lies in one cache line");
enum { FREE = 0, FRESH = 1 << 30, QUOTED = 1 << 29 };

struct pool {
	struct seqlock lock;
	uint32_t first;  /* of the entries freed */
	uint32_t n_used; /* entries ever used: 1 to n_used */
};

struct ring {
	struct seqlock lock; /* of who records; the reader needs none */
	uint32_t head; /* events ever recorded */
	uint32_t tail; /* events ever read; the reader's */
	bool is_watched;
	uint64_t n_lost;
	struct fdb_event *events;
};

struct fdb {
	struct fdb_config config; /* constant, like the three below */
	struct buckets buckets;
	struct entry *entries; /* 1 to capacity, in memory */
	void *memory;
	uint64_t aging_ns[PORT_MAX]; /* of each bridge: control's */
	uint64_t next_ns cache_aligned; /* the worker's, like the next three: when to sweep on */
	uint64_t due_ns; /* the earliest that this pass met, or that was learnt since it began */
	uint32_t n_swept; /* entries, in this pass */
	uint64_t n_refused;
	bool aging_changed; /* set by control, cleared by the worker */
	struct pool pool cache_aligned; /* both parties', like the rest */
	uint32_t n_entries, n_on_port[PORT_MAX]; /* n_on_port: learnt ones */
	struct ring ring cache_aligned;
};

/* -- words ---------------------------------------------------------------------------- */

static uint64_t key_of(uint16_t bridge, struct mac mac)
{
	uint64_t key = 0;
	memcpy(&key, mac.b, sizeof(mac.b));
	return key | (uint64_t)bridge << 48;
}
static uint16_t key_bridge(uint64_t key) { return (uint16_t)(key >> 48); }
static struct mac key_mac(uint64_t key)
{
	struct mac mac;
	memcpy(mac.b, &key, sizeof(mac.b));
	return mac;
}

static uint32_t place_of(enum fdb_kind kind, uint16_t port) { return (kind + 1u) << 16 | port; }
static uint16_t place_port(uint32_t place) { return (uint16_t)place; }
static enum fdb_kind place_kind(uint32_t place) { return (place >> 16 & 7) - 1; }
static bool place_ages(uint32_t place) { return place && place_kind(place) == FDB_LEARNT; }
/* May its station send from that port? The router's own MAC may from none. */
static bool place_allows(uint32_t place, uint16_t port)
{
	return place_port(place) == port && place_kind(place) != FDB_LOCAL;
}

/* From when on e is dead. */
static uint64_t entry_due(const struct fdb *fdb, const struct entry *e)
{
	uint64_t aging_ns = load_shared(&fdb->aging_ns[key_bridge(load_acquire(&e->key))]);
	uint64_t seen_ns = load_acquire(&e->seen_ns);
	bool never = !place_ages(load_acquire(&e->place)) || aging_ns > UINT64_MAX - seen_ns;

	return never ? UINT64_MAX : seen_ns + aging_ns;
}

/* -- locks ---------------------------------------------------------------------------- */

static bool entry_lives(const void *entry)
{
	return load_acquire(&((const struct entry *)entry)->place) != FREE;
}

/* NULL: it is FREE. */
static struct bucket *entry_lock(const struct fdb *fdb, const struct entry *e)
{
	return bucket_lock_entry(&fdb->buckets, e, &e->key, entry_lives);
}

/* Without the lock, what is found may have changed: see look(). */
static struct entry *find(const struct fdb *fdb, const struct bucket *b, uint64_t key)
{
	uint32_t i = load_acquire(&b->head);

	while (i && load_acquire(&fdb->entries[i].key) != key)
		i = load_acquire(&fdb->entries[i].next);
	return i ? &fdb->entries[i] : NULL;
}

/* -- events --------------------------------------------------------------------------- */

static void record(struct fdb *fdb, enum fdb_event_kind kind, const struct entry *e,
		   uint16_t before, uint64_t at_ns)
{
	struct ring *ring = &fdb->ring;

	if (likely(!load_shared(&ring->is_watched)))
		return;
	seqlock_take(&ring->lock);
	if (ring->head - load_acquire(&ring->tail) == N_EVENTS) {
		__atomic_fetch_add(&ring->n_lost, 1, __ATOMIC_RELAXED);
	} else {
		ring->events[ring->head % N_EVENTS] = (struct fdb_event){
			.kind = kind,
			.bridge = key_bridge(load_shared(&e->key)),
			.port = place_port(load_shared(&e->place)),
			.before = before,
			.mac = key_mac(load_shared(&e->key)),
			.at_ns = at_ns,
		};
		store_release(&ring->head, ring->head + 1);
	}
	seqlock_release(&ring->lock);
}

bool fdb_event(struct fdb *fdb, struct fdb_event *event, uint64_t *lost)
{
	struct ring *ring = &fdb->ring;

	*lost = __atomic_exchange_n(&ring->n_lost, 0, __ATOMIC_RELAXED);
	if (ring->tail == load_acquire(&ring->head))
		return false;
	*event = ring->events[ring->tail % N_EVENTS];
	store_release(&ring->tail, ring->tail + 1);
	return true;
}

void fdb_watch(struct fdb *fdb, bool on)
{
	struct ring *ring = &fdb->ring;

	seqlock_take(&ring->lock);
	if (on && !ring->is_watched) {
		store_shared(&ring->tail, ring->head);
		store_shared(&ring->n_lost, 0);
	}
	store_shared(&ring->is_watched, on);
	seqlock_release(&ring->lock);
}

/* -- entries: their bucket is locked -------------------------------------------------- */

/* An entry begins or ends to count: by is +1 or -1. */
static void account(struct fdb *fdb, uint32_t place, int by)
{
	__atomic_fetch_add(&fdb->n_entries, (uint32_t)by, __ATOMIC_RELAXED);
	if (place_ages(place))
		__atomic_fetch_add(&fdb->n_on_port[place_port(place)], (uint32_t)by,
				   __ATOMIC_RELAXED);
}

/* 0: none is left. */
static uint32_t pool_get(struct fdb *fdb)
{
	struct pool *pool = &fdb->pool;

	seqlock_take(&pool->lock);
	uint32_t i = pool->first;
	if (i)
		pool->first = (uint32_t)load_shared(&fdb->entries[i].next_free);
	else if (pool->n_used < fdb->config.capacity)
		store_shared(&pool->n_used, i = pool->n_used + 1);
	seqlock_release(&pool->lock);
	return i;
}

/* NULL: there is no room. */
static struct entry *entry_new(struct fdb *fdb, struct bucket *b, uint64_t key, uint32_t place,
			       uint64_t now_ns)
{
	uint32_t i = pool_get(fdb);
	if (!i)
		return NULL;
	struct entry *e = &fdb->entries[i];
	store_release(&e->key, key);
	store_release(&e->seen_ns, place_ages(place) ? now_ns : 0);
	store_release(&e->next, b->head);
	store_release(&e->place, place | FRESH);
	store_release(&b->head, i);
	account(fdb, place, 1);
	record(fdb, FDB_APPEARED, e, PORT_NONE, now_ns);
	return e;
}

/* After a change of an entry that was in that place. */
static void tell(struct fdb *fdb, uint32_t place)
{
	if (unlikely(place & QUOTED))
		__atomic_fetch_add(fdb->config.changes, 1, __ATOMIC_ACQ_REL);
}

static void entry_end(struct fdb *fdb, struct bucket *b, struct entry *e, uint64_t now_ns)
{
	uint32_t i = (uint32_t)(e - fdb->entries), *at = &b->head, place = e->place;

	account(fdb, place, -1);
	record(fdb, FDB_GONE, e, PORT_NONE, now_ns);
	while (*at != i)
		at = &fdb->entries[*at].next;
	store_release(at, e->next);
	store_release(&e->place, FREE);
	tell(fdb, place);
	seqlock_take(&fdb->pool.lock);
	store_release(&e->next_free, fdb->pool.first);
	fdb->pool.first = i;
	seqlock_release(&fdb->pool.lock);
}

static void entry_place(struct fdb *fdb, struct entry *e, uint32_t place, uint64_t now_ns)
{
	uint32_t before = e->place;

	account(fdb, place, 1);
	account(fdb, before, -1);
	store_release(&e->place, place | (before & FRESH));
	tell(fdb, before);
	if (place_port(place) != place_port(before))
		record(fdb, FDB_MOVES, e, place_port(before), now_ns);
}

/* -- worker --------------------------------------------------------------------------- */

/* Finds the entry of key, with a consistent copy of all but its hits, without a lock. */
static struct entry *look(const struct fdb *fdb, const struct bucket *b, uint64_t key,
			  struct entry *copy)
{
	struct entry *e;
	uint32_t begun;

	do {
		begun = seqlock_begin(&b->lock);
		e = find(fdb, b, key);
		copy->key = key;
		copy->place = e ? load_acquire(&e->place) : FREE;
		copy->seen_ns = e ? load_acquire(&e->seen_ns) : 0;
	} while (unlikely(seqlock_has_moved(&b->lock, begun)));
	return e;
}

/* The first hit of e, if it still is the entry of key. */
static void hits_begin(const struct fdb *fdb, struct bucket *b, struct entry *e, uint64_t key)
{
	seqlock_take(&b->lock);
	if (find(fdb, b, key) == e) {
		store_shared(&e->hits, 0);
		store_release(&e->place, e->place & ~FRESH);
	}
	seqlock_release(&b->lock);
}

uint16_t fdb_lookup(struct fdb *fdb, uint16_t bridge, struct mac mac, uint64_t now_ns)
{
	uint64_t key = key_of(bridge, mac);
	struct bucket *b = bucket_of(&fdb->buckets, key);
	struct entry seen, *e = look(fdb, b, key, &seen);

	if (!e || now_ns >= entry_due(fdb, &seen))
		return PORT_NONE;
	if (unlikely(seen.place & FRESH))
		hits_begin(fdb, b, e, key);
	count_add(&e->hits, 1);
	return place_kind(seen.place) == FDB_LOCAL ? FDB_IS_LOCAL : place_port(seen.place);
}

/* What is new about a source, whose bucket is locked. */
static enum fdb_learnt learn(struct fdb *fdb, struct bucket *b, uint64_t key, uint16_t port,
			     uint64_t now_ns, uint16_t *before)
{
	uint32_t place = place_of(FDB_LEARNT, port);
	struct entry *e = find(fdb, b, key);

	if (e && now_ns >= entry_due(fdb, e)) {
		entry_end(fdb, b, e, now_ns);
		e = NULL;
	}
	if (e && place_allows(e->place, port)) {
		store_release(&e->seen_ns, now_ns);
		return FDB_KNOWN;
	}
	if (e && !place_ages(e->place))
		return FDB_REFUSED;
	if (!load_shared(&fdb->aging_ns[key_bridge(key)]))
		return FDB_KNOWN;
	if (load_shared(&fdb->n_on_port[port]) >= fdb->config.port_max) {
		if (e) /* it is no longer where we thought: better to flood */
			entry_end(fdb, b, e, now_ns);
		return FDB_FULL;
	}
	if (e) {
		*before = place_port(e->place);
		store_release(&e->seen_ns, now_ns);
		entry_place(fdb, e, place, now_ns);
		return FDB_MOVED;
	}
	e = entry_new(fdb, b, key, place, now_ns);
	if (!e)
		return FDB_FULL;
	uint64_t due_ns = entry_due(fdb, e); /* a sweep under way may have passed its place */
	fdb->due_ns = min_u64(fdb->due_ns, due_ns);
	store_shared(&fdb->next_ns, min_u64(fdb->next_ns, due_ns));
	return FDB_NEW;
}

enum fdb_learnt fdb_learn(struct fdb *fdb, uint16_t bridge, struct mac mac, uint16_t port,
			  uint64_t now_ns, uint16_t *before)
{
	assert(bridge < PORT_MAX && port < PORT_MAX);
	uint64_t key = key_of(bridge, mac);
	uint64_t grain_ns = min_u64(SEEN_GRAIN_NS, load_shared(&fdb->aging_ns[bridge]) / 4);
	struct bucket *b = bucket_of(&fdb->buckets, key);
	struct entry seen, *e = look(fdb, b, key, &seen);

	if (likely(e && place_allows(seen.place, port) && now_ns - seen.seen_ns < grain_ns))
		return FDB_KNOWN; /* and alive: the grain is less than the age */
	seqlock_take(&b->lock);
	enum fdb_learnt learnt = learn(fdb, b, key, port, now_ns, before);
	seqlock_release(&b->lock);
	if (learnt == FDB_FULL)
		count_add(&fdb->n_refused, 1);
	return learnt;
}

bool fdb_quote(struct fdb *fdb, uint16_t bridge, struct mac mac, uint16_t port, uint64_t now_ns)
{
	uint64_t key = key_of(bridge, mac);
	struct bucket *b = bucket_of(&fdb->buckets, key);

	if (!fdb->config.changes)
		return false;
	seqlock_take(&b->lock);
	struct entry *e = find(fdb, b, key);
	bool so = e && now_ns < entry_due(fdb, e) && place_allows(e->place, port);
	if (so)
		store_release(&e->place, e->place | QUOTED);
	seqlock_release(&b->lock);
	return so;
}

void fdb_revoke(struct fdb *fdb)
{
	if (fdb->config.changes)
		__atomic_fetch_add(fdb->config.changes, 1, __ATOMIC_ACQ_REL);
}

void fdb_note_source(struct fdb *fdb, uint16_t bridge, struct mac mac, uint16_t port, uint64_t now_ns)
{
	uint64_t key = key_of(bridge, mac);
	struct bucket *b = bucket_of(&fdb->buckets, key);

	seqlock_take(&b->lock);
	struct entry *e = find(fdb, b, key);
	if (e && place_allows(e->place, port))
		store_release(&e->seen_ns, now_ns);
	seqlock_release(&b->lock);
}

bool fdb_note_hits(struct fdb *fdb, uint16_t bridge, struct mac mac, uint16_t port, uint32_t n,
		   uint64_t now_ns)
{
	uint64_t key = key_of(bridge, mac);
	struct bucket *b = bucket_of(&fdb->buckets, key);

	seqlock_take(&b->lock);
	struct entry *e = find(fdb, b, key);
	bool there = e && now_ns < entry_due(fdb, e) && place_allows(e->place, port);
	if (e && !(e->place & FRESH)) /* also if it has moved since */
		count_add(&e->hits, n);
	seqlock_release(&b->lock);
	return there;
}

uint16_t fdb_find(struct fdb *fdb, uint16_t bridge, struct mac mac, uint64_t now_ns)
{
	uint64_t key = key_of(bridge, mac);
	struct entry seen, *e = look(fdb, bucket_of(&fdb->buckets, key), key, &seen);

	if (!e || now_ns >= entry_due(fdb, &seen))
		return PORT_NONE;
	return place_kind(seen.place) == FDB_LOCAL ? FDB_IS_LOCAL : place_port(seen.place);
}

/*
 * Ends e if it is too old. Returns when to come for it. Read without a lock it may look
 * older than it is, but not younger: what control does to it does not make it age.
 */
static uint64_t collect(struct fdb *fdb, struct entry *e, uint64_t now_ns)
{
	uint64_t due_ns = entry_due(fdb, e);
	struct bucket *b = likely(now_ns < due_ns) ? NULL : entry_lock(fdb, e);

	if (!b)
		return due_ns;
	if (now_ns >= entry_due(fdb, e))
		entry_end(fdb, b, e, now_ns);
	due_ns = entry_due(fdb, e);
	seqlock_release(&b->lock);
	return due_ns;
}

void fdb_age(struct fdb *fdb, uint64_t now_ns)
{
	if (likely(now_ns < fdb->next_ns && !load_shared(&fdb->aging_changed)))
		return;
	if (__atomic_exchange_n(&fdb->aging_changed, false, __ATOMIC_ACQUIRE))
		fdb->n_swept = 0;
	if (!fdb->n_swept)
		fdb->due_ns = UINT64_MAX;
	uint32_t n_used = load_shared(&fdb->pool.n_used), slice = n_used / SWEEP_STEPS + 1;
	uint32_t end = fdb->n_swept + (slice < SWEEP_SLICE ? SWEEP_SLICE : slice);
	uint64_t next_ns = now_ns + SWEEP_STEP_NS;

	while (fdb->n_swept < end && fdb->n_swept < n_used) {
		struct entry *e = &fdb->entries[++fdb->n_swept];
		fdb->due_ns = min_u64(fdb->due_ns, collect(fdb, e, now_ns));
	}
	if (fdb->n_swept == n_used) {
		next_ns = max_u64(next_ns, fdb->due_ns);
		fdb->n_swept = 0;
	}
	store_shared(&fdb->next_ns, next_ns);
}

uint64_t fdb_next(const struct fdb *fdb)
{
	if (!load_shared(&fdb->n_entries))
		return UINT64_MAX;
	return load_shared(&fdb->aging_changed) ? 0 : load_shared(&fdb->next_ns);
}

/* -- control -------------------------------------------------------------------------- */

void fdb_set_aging(struct fdb *fdb, uint16_t bridge, uint64_t aging_ns)
{
	assert(bridge < PORT_MAX);
	store_shared(&fdb->aging_ns[bridge], aging_ns);
	store_release(&fdb->aging_changed, true);
}

int fdb_add(struct fdb *fdb, uint16_t bridge, struct mac mac, uint16_t port, enum fdb_kind kind)
{
	assert(bridge < PORT_MAX && kind != FDB_LEARNT && (port < PORT_MAX || kind == FDB_LOCAL));
	uint64_t key = key_of(bridge, mac);
	struct bucket *b = bucket_of(&fdb->buckets, key);

	if (mac_is_group(mac) || mac_is_zero(mac))
		return -EINVAL;
	seqlock_take(&b->lock);
	struct entry *e = find(fdb, b, key);
	if (e)
		entry_place(fdb, e, place_of(kind, port), 0);
	else
		e = entry_new(fdb, b, key, place_of(kind, port), 0);
	seqlock_release(&b->lock);
	return e ? 0 : -ENOSPC;
}

int fdb_del(struct fdb *fdb, uint16_t bridge, struct mac mac)
{
	uint64_t key = key_of(bridge, mac);
	struct bucket *b = bucket_of(&fdb->buckets, key);

	seqlock_take(&b->lock);
	struct entry *e = find(fdb, b, key);
	if (e)
		entry_end(fdb, b, e, 0);
	seqlock_release(&b->lock);
	return e ? 0 : -ENOENT;
}

unsigned fdb_flush(struct fdb *fdb, uint16_t bridge, uint16_t port, bool statics)
{
	uint32_t n_used = load_shared(&fdb->pool.n_used);
	unsigned n = 0;

	for (uint32_t i = 1; i <= n_used; i++) {
		struct entry *e = &fdb->entries[i];
		struct bucket *b = entry_lock(fdb, e);
		if (!b)
			continue;
		if ((bridge == PORT_NONE || bridge == key_bridge(e->key)) &&
		    (port == PORT_NONE || port == place_port(e->place)) &&
		    (place_ages(e->place) || (statics && place_kind(e->place) == FDB_STATIC))) {
			entry_end(fdb, b, e, 0);
			n++;
		}
		seqlock_release(&b->lock);
	}
	return n;
}

void fdb_walk(struct fdb *fdb, void (*each)(const struct fdb_info *, void *), void *arg)
{
	uint32_t n_used = load_shared(&fdb->pool.n_used);

	for (uint32_t i = 1; i <= n_used; i++) {
		struct entry *e = &fdb->entries[i];
		struct bucket *b = entry_lock(fdb, e);
		if (!b)
			continue;
		struct fdb_info info = {
			.bridge = key_bridge(e->key),
			.port = place_port(e->place),
			.mac = key_mac(e->key),
			.kind = place_kind(e->place),
			.seen_ns = e->seen_ns,
			.hits = e->place & FRESH ? 0 : load_shared(&e->hits),
		};
		seqlock_release(&b->lock);
		each(&info, arg);
	}
}

uint32_t fdb_count(const struct fdb *fdb) { return load_shared(&fdb->n_entries); }
uint64_t fdb_refused(const struct fdb *fdb) { return load_shared(&fdb->n_refused); }

unsigned fdb_longest_chain(const struct fdb *fdb)
{
	unsigned longest = 0;

	for (uint32_t b = 0; b <= fdb->buckets.mask; b++) {
		unsigned n = 0;
		uint32_t i = load_acquire(&fdb->buckets.at[b].head);
		for (; i; i = load_acquire(&fdb->entries[i].next))
			n++;
		longest = n > longest ? n : longest;
	}
	return longest;
}

/* -- the table itself ----------------------------------------------------------------- */

struct fdb *fdb_new(const struct fdb_config *config)
{
	struct fdb *fdb = aligned_alloc(CACHE_LINE, sizeof(*fdb));
	if (!fdb)
		return NULL;
	*fdb = (struct fdb){.config = *config, .next_ns = UINT64_MAX};
	fdb->config.capacity = config->capacity ? config->capacity : 131072;
	fdb->config.port_max = config->port_max ? config->port_max : 65536;
	bool have_buckets = buckets_init(&fdb->buckets, fdb->config.capacity, config->secret);
	fdb->ring.events = calloc(N_EVENTS, sizeof(*fdb->ring.events));
	/* Entry 0 stands for none, and another's size is lost to the alignment. */
	fdb->memory = calloc((size_t)fdb->config.capacity + 2, sizeof(*fdb->entries));
	if (!have_buckets || !fdb->memory || !fdb->ring.events) {
		fdb_free(fdb);
		return NULL;
	}
	uintptr_t end = (uintptr_t)fdb->memory + sizeof(*fdb->entries) - 1;
	fdb->entries = (struct entry *)(end - end % sizeof(*fdb->entries));
	for (unsigned i = 0; i < PORT_MAX; i++)
		fdb->aging_ns[i] = DEFAULT_AGING_NS;
	return fdb;
}

void fdb_free(struct fdb *fdb)
{
	if (!fdb)
		return;
	free(fdb->ring.events);
	free(fdb->memory);
	buckets_fini(&fdb->buckets);
	free(fdb);
}
