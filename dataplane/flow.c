/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * flow - the places of the flow cache: who is in which, and reading their counters.
 *
 * A key has two buckets of two places each, by the two halves of its hash. Beside each place,
 * in memory that programs do not see, stands what only the worker needs: its state, its note,
 * the counters at the last look. Places in use are listed, so that a sweep costs what is used.
 *
 * A *door* remembers one flow for each of its slots, so that the second packet of a flow is
 * known for what it is. Others that come to the slot are turned away seven times before one
 * takes it: if each took it at once, two that take turns would keep each other out for ever.
 *
 * Where changes come so often that nothing is repeated for long (a station that flaps, say),
 * arming is work for nothing: past a bound of changes in a tenth of a second nothing is armed
 * for another.
 */
#include "flow.h"

#include <stdlib.h>

/*
 * From sweep to sweep, and for each 4,096 places in use a quarter more, as each look takes its
 * line from the CPU that XDP counts on. At most: entry.bytes wraps in a second of 1514-byte frames at full speed.
 */
#define SWEEP_NS      (100 * NS_PER_MS)
#define SWEEP_MAX_NS  (500 * NS_PER_MS)
#define SWEEP_SLICE  2048             /* places looked at in a turn: some tens of microseconds */
#define CHANGES_MAX  32               /* in a tenth of a second */
#define DOOR_SLOTS   65536u
#define DOOR_OTHERS  7u               /* of a slot: how many others it will turn away yet */

enum place_state { EMPTY, ARMED, DRAINING };

struct place {
	struct flow_note note;
	uint32_t seen_packets, seen_bytes; /* at the last look */
	uint64_t since_ns;  /* ARMED: when a packet was last noticed; DRAINING: since then */
	uint32_t listed;    /* where in the list it stands */
	uint8_t state;      /* enum place_state */
};

struct flow_cache {
	struct flow_config config; /* constant, like the next two */
	uint32_t mask;
	struct place *places; /* of the entries, in their order */
	uint32_t *door;
	uint32_t *list;       /* places in use */
	uint32_t n_listed;
	uint32_t swept;       /* of the list, in this sweep */
	uint32_t looked;      /* at places, in this turn */
	bool sweeping;
	uint64_t next_ns;     /* of the next sweep */
	uint32_t sweep_asked; /* what control had asked when this sweep began */
	uint64_t window_ns;   /* changes are counted since then */
	uint32_t window_generation;
	uint64_t quiet_until_ns;
	uint64_t n_armed, n_forgotten;
	bool out[FLOW_PORTS] cache_aligned; /* control's, like the next two */
	uint32_t n_holds;
	uint32_t asked;
	uint32_t settled; /* the worker's answer */
};

/* -- places ----------------------------------------------------------------------- */

static struct flow_entry *entry_of(const struct flow_cache *cache, uint32_t place)
{
	return &cache->config.buckets[place / FLOW_WAYS].way[place % FLOW_WAYS];
}

static bool key_equal(const struct flow_key *a, const struct flow_key *b)
{
	return a->word[0] == b->word[0] && a->word[1] == b->word[1];
}

/* The same flow, from whatever port. */
static bool key_same(const struct flow_key *a, const struct flow_key *b)
{
	return a->word[0] == b->word[0] &&
	       !((a->word[1] ^ b->word[1]) & ~FLOW_KEY_PORT_IN);
}

struct choice { /* the places that a key may have */
	uint32_t place[2 * FLOW_WAYS];
};

static uint64_t hash_of(const struct flow_cache *cache, const struct flow_key *key)
{
	return flow_hash(cache->config.secret[0], cache->config.secret[1], key);
}

static struct choice choices(const struct flow_cache *cache, uint64_t hash)
{
	struct choice c;
	uint32_t first = (uint32_t)hash & cache->mask, second = (uint32_t)(hash >> 32) & cache->mask;

	for (unsigned way = 0; way < FLOW_WAYS; way++) {
		c.place[way] = first * FLOW_WAYS + way;
		c.place[FLOW_WAYS + way] = second * FLOW_WAYS + way;
	}
	return c;
}

static bool holds(const struct flow_cache *cache, uint32_t place)
{
	return cache->places[place].state == ARMED &&
	       entry_of(cache, place)->generation == load_shared(&cache->config.head->generation);
}

static void list_add(struct flow_cache *cache, uint32_t place)
{
	cache->places[place].listed = cache->n_listed;
	cache->list[cache->n_listed] = place;
	store_shared(&cache->n_listed, cache->n_listed + 1);
}

static void list_remove(struct flow_cache *cache, uint32_t place)
{
	uint32_t at = cache->places[place].listed, last = cache->list[cache->n_listed - 1];

	cache->list[at] = last;
	cache->places[last].listed = at;
	store_shared(&cache->n_listed, cache->n_listed - 1);
}

/*
 * What has been counted since the last look; false: nothing. XDP counts a packet, then its
 * bytes, and a look may fall between the two: either may come alone.
 */
static bool read_counters(struct place *p, const struct flow_entry *e, struct flow_report *report)
{
	uint32_t packets = load_acquire(&e->packets), bytes = load_shared(&e->bytes);

	*report = (struct flow_report){&p->note, packets - p->seen_packets, bytes - p->seen_bytes};
	p->seen_packets = packets;
	p->seen_bytes = bytes;
	return report->packets || report->bytes;
}

static void drain(struct flow_cache *cache, uint32_t place, uint64_t now_ns)
{
	struct place *p = &cache->places[place];

	store_release(&entry_of(cache, place)->generation, 0);
	p->state = DRAINING;
	p->since_ns = now_ns;
	count_add(&cache->n_forgotten, 1);
}

/* -- deciding what to repeat ------------------------------------------------------- */

uint32_t flow_begin(struct flow_cache *cache, uint64_t now_ns)
{
	uint32_t generation = load_acquire(&cache->config.head->generation);

	if (unlikely(!generation)) /* it has gone round: 0 is an empty entry's */
		generation = __atomic_add_fetch(&cache->config.head->generation, 1, __ATOMIC_ACQ_REL);
	if (now_ns >= cache->window_ns + SWEEP_NS) {
		if (generation - cache->window_generation > CHANGES_MAX)
			cache->quiet_until_ns = now_ns + SWEEP_NS;
		cache->window_ns = now_ns;
		cache->window_generation = generation;
	}
	return generation;
}

bool flow_serves(const struct flow_cache *cache, uint16_t port_in, uint16_t port_out)
{
	return port_in < FLOW_PORTS && port_out < FLOW_PORTS && port_in != port_out &&
	       load_shared(&cache->config.head->port[port_in].on) && load_shared(&cache->out[port_out]);
}

bool flow_is_by_tuple(const struct flow_cache *cache)
{
	return load_shared(&cache->config.head->by_tuple);
}

/* Whether that flow has been at the door before. */
static bool knock(struct flow_cache *cache, uint64_t hash)
{
	uint32_t *slot = &cache->door[hash >> 16 & (DOOR_SLOTS - 1)];
	uint32_t print = (uint32_t)(hash >> 32) & ~DOOR_OTHERS;

	if ((*slot & ~DOOR_OTHERS) == print) {
		*slot = print; /* the next other may have it */
		return true;
	}
	if (*slot & DOOR_OTHERS)
		--*slot;
	else
		*slot = print | DOOR_OTHERS;
	return false;
}

bool flow_wants(struct flow_cache *cache, const struct flow_key *key, bool seen, uint64_t now_ns)
{
	uint64_t hash = hash_of(cache, key);
	struct choice c = choices(cache, hash);
	bool room = false;

	if (unlikely(now_ns < cache->quiet_until_ns || load_shared(&cache->n_holds)))
		return false;
	for (unsigned i = 0; i < ARRAY_SIZE(c.place); i++) {
		if (cache->places[c.place[i]].state == EMPTY)
			room = true;
		else if (key_equal(&entry_of(cache, c.place[i])->key, key))
			return !holds(cache, c.place[i]);
	}
	if (!room)
		return false;
	return seen || knock(cache, hash);
}

/* All of e but what XDP writes. Readers that began before see the sequence move. */
static void entry_write(struct flow_entry *e, const struct flow_entry *from, uint32_t generation)
{
	store_shared(&e->sequence, (uint16_t)(e->sequence + 1));
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	e->key = from->key;
	memcpy(e->mac, from->mac, sizeof(e->mac));
	memcpy(e->from, from->from, sizeof(e->from));
	e->port_out = from->port_out;
	e->flags = from->flags;
	e->mtu = from->mtu;
	e->src = from->src;
	e->dst = from->dst;
	e->sport = from->sport;
	e->dport = from->dport;
	e->ip_change = from->ip_change;
	e->l4_change = from->l4_change;
	e->waits_for = FLOW_WAITS | FLOW_WAITS_FIRST;
	e->generation = generation;
	store_release(&e->sequence, (uint16_t)(e->sequence + 1));
}

/*
 * The place for a flow: its own, or an empty one; UINT32_MAX: none. The emptier bucket of the two
 * would lose fewer flows when half of all places are taken (0.03 % instead of 0.2), but have XDP
 * look into both for half of the flows.
 */
static uint32_t place_for(const struct flow_cache *cache, const struct flow_key *key)
{
	struct choice c = choices(cache, hash_of(cache, key));
	uint32_t empty = UINT32_MAX;

	for (unsigned i = 0; i < ARRAY_SIZE(c.place); i++) {
		const struct place *p = &cache->places[c.place[i]];
		if (p->state != EMPTY && key_equal(&entry_of(cache, c.place[i])->key, key))
			return holds(cache, c.place[i]) ? UINT32_MAX : c.place[i];
		if (p->state == EMPTY && empty == UINT32_MAX)
			empty = c.place[i];
	}
	return empty;
}

bool flow_arm(struct flow_cache *cache, const struct flow_entry *entry, const struct flow_note *note,
	      uint32_t generation, uint64_t now_ns)
{
	if (load_acquire(&cache->config.head->generation) != generation || load_shared(&cache->n_holds))
		return false;
	uint32_t place = place_for(cache, &entry->key);
	if (place == UINT32_MAX)
		return false;
	struct place *p = &cache->places[place];
	struct flow_entry *e = entry_of(cache, place);
	if (p->state == EMPTY) {
		p->seen_packets = load_shared(&e->packets);
		p->seen_bytes = load_shared(&e->bytes);
		list_add(cache, place);
	}
	p->note = *note;
	p->state = ARMED;
	p->since_ns = now_ns;
	entry_write(e, entry, generation);
	if (cache->next_ns == UINT64_MAX)
		store_shared(&cache->next_ns, now_ns + SWEEP_NS);
	count_add(&cache->n_armed, 1);
	return true;
}

bool flow_report_of(struct flow_cache *cache, const struct flow_key *key, struct flow_report *report)
{
	struct choice c = choices(cache, hash_of(cache, key));

	for (unsigned i = 0; i < ARRAY_SIZE(c.place); i++) {
		struct place *p = &cache->places[c.place[i]];
		const struct flow_entry *e = entry_of(cache, c.place[i]);
		if (p->state == EMPTY || !key_equal(&e->key, key))
			continue;
		return read_counters(p, e, report);
	}
	return false;
}

void flow_forget(struct flow_cache *cache, const struct flow_key *key, bool ended, uint64_t now_ns)
{
	struct choice c = choices(cache, hash_of(cache, key));

	for (unsigned i = 0; i < ARRAY_SIZE(c.place); i++) {
		struct place *p = &cache->places[c.place[i]];
		if (p->state == EMPTY || !key_same(&entry_of(cache, c.place[i])->key, key))
			continue;
		if (p->state == ARMED)
			drain(cache, c.place[i], now_ns);
		if (ended)
			p->note.session = NULL;
	}
}

/* -- what was repeated -------------------------------------------------------------- */

/* Looks at one place, and moves it on in its life. True: there is something to report. */
static bool look(struct flow_cache *cache, uint32_t place, uint64_t now_ns, struct flow_report *report)
{
	struct place *p = &cache->places[place];
	bool counted = read_counters(p, entry_of(cache, place), report);

	if (p->state == DRAINING) {
		if (now_ns - p->since_ns < SWEEP_NS)
			return counted;
		p->state = EMPTY;
		list_remove(cache, place);
		return counted;
	}
	if (counted)
		p->since_ns = now_ns;
	/* It has had its time to pause. */
	if (load_shared(&entry_of(cache, place)->waits_for))
		store_shared(&entry_of(cache, place)->waits_for, 0);
	if (!holds(cache, place) || now_ns - p->since_ns >= p->note.idle_ns)
		drain(cache, place, now_ns);
	return counted;
}

/* A sweep goes down the list, so that what takes the place of one that leaves was seen before. */
static bool sweep_begins(struct flow_cache *cache, uint64_t now_ns)
{
	uint32_t asked = load_acquire(&cache->asked);

	if (now_ns < cache->next_ns && asked == cache->settled)
		return false;
	cache->sweeping = true;
	cache->sweep_asked = asked;
	cache->swept = cache->n_listed;
	return true;
}

static void sweep_ends(struct flow_cache *cache, uint64_t now_ns)
{
	uint64_t pause_ns = min_u64(SWEEP_NS + cache->n_listed / 4096 * SWEEP_NS / 4, SWEEP_MAX_NS);

	cache->sweeping = false;
	store_shared(&cache->next_ns, cache->n_listed ? now_ns + pause_ns : UINT64_MAX);
	store_release(&cache->settled, cache->sweep_asked);
}

bool flow_next_report(struct flow_cache *cache, uint64_t now_ns, struct flow_report *report)
{
	if (!cache->sweeping && !sweep_begins(cache, now_ns))
		return false;
	while (cache->swept && cache->looked < SWEEP_SLICE) {
		cache->looked++;
		if (look(cache, cache->list[--cache->swept], now_ns, report))
			return true;
	}
	cache->looked = 0;
	if (!cache->swept)
		sweep_ends(cache, now_ns);
	return false;
}

uint64_t flow_next(const struct flow_cache *cache)
{
	if (cache->sweeping || load_shared(&cache->asked) != cache->settled)
		return 0;
	return load_shared(&cache->next_ns);
}

/* -- control's, and tables' ---------------------------------------------------------- */

uint32_t *flow_changes(const struct flow_cache *cache) { return &cache->config.head->generation; }

void flow_change(struct flow_cache *cache)
{
	__atomic_fetch_add(flow_changes(cache), 1, __ATOMIC_ACQ_REL);
}

void flow_set_by_tuple(struct flow_cache *cache, bool by_tuple)
{
	if (by_tuple == flow_is_by_tuple(cache))
		return;
	store_shared(&cache->config.head->by_tuple, by_tuple);
	flow_change(cache);
}

void flow_set_mac(struct flow_cache *cache, uint16_t port, struct mac mac)
{
	struct flow_port *p = &cache->config.head->port[port];

	if (memcmp(p->mac, mac.b, sizeof(p->mac)) == 0)
		return;
	memcpy(p->mac, mac.b, sizeof(p->mac));
	flow_change(cache);
}

void flow_set_port(struct flow_cache *cache, uint16_t port, bool in, bool out)
{
	struct flow_port *p = &cache->config.head->port[port];

	if (p->on == in && cache->out[port] == out)
		return;
	store_shared(&p->on, in);
	store_shared(&cache->out[port], out);
	flow_change(cache);
}

void flow_hold(struct flow_cache *cache) { __atomic_fetch_add(&cache->n_holds, 1, __ATOMIC_SEQ_CST); }

void flow_release(struct flow_cache *cache) { __atomic_fetch_sub(&cache->n_holds, 1, __ATOMIC_SEQ_CST); }

uint32_t flow_settle(struct flow_cache *cache)
{
	return __atomic_add_fetch(&cache->asked, 1, __ATOMIC_ACQ_REL);
}

bool flow_is_settled(const struct flow_cache *cache, uint32_t asked)
{
	return (int32_t)(load_acquire(&cache->settled) - asked) >= 0;
}

void flow_counts(const struct flow_cache *cache, struct flow_counts *counts)
{
	*counts = (struct flow_counts){
		.armed = load_shared(&cache->n_armed),
		.forgotten = load_shared(&cache->n_forgotten),
		.changes = load_shared(flow_changes(cache)),
		.used = load_shared(&cache->n_listed),
		.size = cache->config.n_buckets * FLOW_WAYS,
	};
}

/* -- the table itself ---------------------------------------------------------------- */

struct flow_cache *flow_new(const struct flow_config *config)
{
	size_t n = (size_t)config->n_buckets * FLOW_WAYS;
	struct flow_cache *cache = aligned_alloc(CACHE_LINE, sizeof(*cache));

	if (!cache)
		return NULL;
	*cache = (struct flow_cache){
		.config = *config, .mask = config->n_buckets - 1, .next_ns = UINT64_MAX};
	cache->places = calloc(n, sizeof(*cache->places));
	cache->list = calloc(n, sizeof(*cache->list));
	cache->door = calloc(DOOR_SLOTS, sizeof(*cache->door));
	if (!cache->places || !cache->list || !cache->door) {
		flow_free(cache);
		return NULL;
	}
	store_shared(&config->head->generation, 1);
	return cache;
}

void flow_free(struct flow_cache *cache)
{
	if (!cache)
		return;
	free(cache->places);
	free(cache->list);
	free(cache->door);
	free(cache);
}
