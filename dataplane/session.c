/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session - the conversations under way: one array of them, each chained in a hash twice, by
 * the tuple of either direction.
 *
 * Only the worker changes the structure, so nothing here is locked; session_entry.h tells how
 * control reads and ends sessions meanwhile. What it has killed is not found, and is taken out
 * before the worker opens, maps or ages.
 *
 * Packets of the turn may still point to a session that has ended. Its entry therefore waits in
 * the *morgue* until the next session_age(); that much more than the capacity is there.
 *
 * Sessions that were never established are listed by age: these may be evicted. A RST or FINs do
 * not take one off that list, or a flood could make itself immune.
 *
 * For the worker a session is dead the moment it has expired; the sweep, the same as in fdb.c,
 * only collects. A mapping lives by its sessions, so whoever asks for one collects the dead of
 * it first.
 */
#include "session.h"

#include "session_entry.h"
#include "session_tcp.h"

#include <stdlib.h>

/* Called every 10 ms, steps are 15 ms apart at most: 1.92 s for all of them. */
#define SWEEP_STEPS   128
#define SWEEP_STEP_NS (5 * NS_PER_MS)
#define SWEEP_SLICE   64   /* entries at least: a small table is swept by one call */
#define MORGUE_SIZE   4096 /* a turn of two full rings may evict a session with each packet */

const char *session_state_name(enum session_state state)
{
	static const char *const names[] = {
		[SESSION_NEW] = "new",
		[SESSION_ESTABLISHED] = "established",
		[SESSION_TRANSITORY] = "transitory",
	};
	static_assert(ARRAY_SIZE(names) == N_SESSION_STATES, "each state has a name");
	return names[state];
}

/* -- time ------------------------------------------------------------------------------- */

/* clock_of() for the worker, who is asked without now_ns at times: see last_clock(). */
static uint64_t worker_clock(struct session_table *table, uint64_t now_ns)
{
	store_shared(&table->now_ns, now_ns);
	return clock_of(table, now_ns);
}

static uint64_t timeout_of(const struct session_table *table, const struct session *s)
{
	const struct session_config *c = &table->config;

	switch (s->tuple[0].protocol) {
	case PROTO_TCP:
		return s->state == SESSION_ESTABLISHED ? load_shared(&c->tcp_established_ns)
						       : load_shared(&c->tcp_transitory_ns);
	case PROTO_UDP:
		return load_shared(&c->udp_ns);
	case PROTO_ICMP:
		return load_shared(&c->icmp_ns);
	default:
		return load_shared(&c->other_ns);
	}
}

/* The sweep is to come round by then. */
static void sweep_by(struct session_table *table, uint64_t due_ns)
{
	table->due_ns = min_u64(table->due_ns, due_ns);
	store_shared(&table->next_ns, min_u64(table->next_ns, due_ns));
}

static bool is_live(const struct entry *e)
{
	return (load_acquire(&e->life) & LIFE_STATE) == LIVE;
}
static bool is_dead(const struct entry *e, uint64_t at_ns)
{
	return at_ns >= e->session.expires_ns || !is_live(e);
}

/* -- lists ------------------------------------------------------------------------------ */

static void list_append(struct entry *entries, enum list list, uint32_t *first, uint32_t i)
{
	struct link *link = &entries[i].links[list];

	*link = (struct link){.prev = i};
	if (*first) {
		struct link *head = &entries[*first].links[list];
		entries[head->prev].links[list].next = i;
		link->prev = head->prev;
		head->prev = i;
	} else {
		*first = i;
	}
}

static void list_remove(struct entry *entries, enum list list, uint32_t *first, uint32_t i)
{
	struct link *link = &entries[i].links[list];

	if (link->next)
		entries[link->next].links[list].prev = link->prev;
	else
		entries[*first].links[list].prev = link->prev;
	if (*first == i)
		*first = link->next;
	else
		entries[link->prev].links[list].next = link->next;
}

/* -- hosts ------------------------------------------------------------------------------ */

/* The link that leads to the host's number, or to 0. */
static uint32_t *host_find(const struct session_table *table, be32 address)
{
	uint64_t hash = hash_siphash(table->secret, &address, sizeof(address));
	uint32_t *at = &table->host_heads[hash & table->mask];

	while (*at && !be32_equal(table->hosts[*at].address, address))
		at = &table->hosts[*at].next;
	return at;
}

static bool host_is_full(const struct session_table *table, be32 address)
{
	uint32_t max = load_shared(&table->config.host_max);

	return max && table->hosts[*host_find(table, address)].n >= max; /* number 0 has none */
}

static void host_add(struct session_table *table, be32 address)
{
	uint32_t *at = host_find(table, address), i = *at;

	if (!i) {
		i = table->host_first_free;
		if (i)
			table->host_first_free = table->hosts[i].next;
		else
			i = ++table->n_hosts_used;
		table->hosts[i] = (struct host){.address = address};
		*at = i;
	}
	table->hosts[i].n++;
}

static void host_remove(struct session_table *table, be32 address)
{
	uint32_t *at = host_find(table, address), i = *at;

	if (--table->hosts[i].n)
		return;
	*at = table->hosts[i].next;
	table->hosts[i].next = table->host_first_free;
	table->host_first_free = i;
}

/* -- entries ---------------------------------------------------------------------------- */

static uint32_t *tuple_head(const struct session_table *table, const struct tuple *t)
{
	return &table->tuples[hash_siphash(table->secret, t, sizeof(*t)) & table->tuple_mask];
}

/* Expired or killed ones, too. */
static struct entry *find(const struct session_table *table, const struct tuple *t,
			  enum session_direction *direction)
{
	uint32_t node = *tuple_head(table, t);

	while (node) {
		struct entry *e = &table->entries[node / 2];
		if (tuple_equal(&e->session.tuple[node % 2], t)) {
			*direction = node % 2;
			return e;
		}
		node = e->next[node % 2];
	}
	return NULL;
}

static void tuple_link(struct session_table *table, uint32_t i, enum session_direction direction)
{
	struct entry *e = &table->entries[i];
	uint32_t *head = tuple_head(table, &e->session.tuple[direction]);

	e->next[direction] = *head;
	*head = i * 2 + direction;
}

static void tuple_unlink(struct session_table *table, uint32_t i, enum session_direction direction)
{
	struct entry *e = &table->entries[i];
	uint32_t *at = tuple_head(table, &e->session.tuple[direction]);

	while (*at != i * 2 + direction)
		at = &table->entries[*at / 2].next[*at % 2];
	*at = e->next[direction];
}

/* The list of sessions between an outside endpoint and a remote address, and others by chance. */
static uint32_t *peer_head(const struct session_table *table, struct tuple inbound)
{
	inbound.sport = be16_from(0);
	return &table->peers[hash_siphash(table->secret, &inbound, sizeof(inbound)) & table->mask];
}

/* What the remote sends of this session: the tuple towards the mapping's outside endpoint. */
static struct tuple inbound_of(const struct session *s, const struct mapping *m)
{
	const struct tuple *reply = &s->tuple[SESSION_REPLY];
	bool out = be32_equal(reply->dst, m->outside.src) &&
		   be16_equal(reply->dport, m->outside.sport);

	return out ? *reply : s->tuple[SESSION_ORIGINAL];
}

static void mapping_link(struct session_table *table, uint32_t i)
{
	const struct session *s = &table->entries[i].session;
	if (s->mapping == SESSION_NO_MAPPING)
		return;
	struct mapping *m = mapping_get(table->mappings, s->mapping);
	list_append(table->entries, BY_MAPPING, &m->sessions, i);
	list_append(table->entries, BY_PEER, peer_head(table, inbound_of(s, m)), i);
	m->held = false;
}

static void mapping_unlink(struct session_table *table, uint32_t i)
{
	const struct session *s = &table->entries[i].session;
	if (s->mapping == SESSION_NO_MAPPING)
		return;
	struct mapping *m = mapping_get(table->mappings, s->mapping);
	list_remove(table->entries, BY_PEER, peer_head(table, inbound_of(s, m)), i);
	list_remove(table->entries, BY_MAPPING, &m->sessions, i);
	if (!m->sessions && !m->held)
		mapping_end(table->mappings, s->mapping);
}

static void tell(struct session_table *table, const struct entry *e, bool ended)
{
	if (unlikely(e->session.tcp_seen & SEEN_QUOTED))
		table->watch.told(table->watch.arg, &e->session, ended);
}

/* Takes an entry out of everything it is in; that it is no longer LIVE is the caller's. */
static void entry_unlink(struct session_table *table, struct entry *e)
{
	uint32_t i = (uint32_t)(e - table->entries);

	tell(table, e, true);
	tuple_unlink(table, i, SESSION_ORIGINAL);
	tuple_unlink(table, i, SESSION_REPLY);
	if (!(e->session.tcp_seen & SEEN_CONFIRMED))
		list_remove(table->entries, BY_AGE, &table->oldest, i);
	mapping_unlink(table, i);
	host_remove(table, e->session.tuple[SESSION_ORIGINAL].src);
	count_add(&table->counts.sessions, -1ull);
}

static void entry_bury(struct session_table *table, struct entry *e)
{
	uint32_t i = (uint32_t)(e - table->entries);

	e->next[0] = table->morgue_first;
	table->morgue_first = i;
	if (!table->morgue_last)
		table->morgue_last = i;
}

static void entry_end(struct session_table *table, struct entry *e)
{
	uint32_t life = load_shared(&e->life) & ~(uint32_t)LIFE_STATE, live = life | LIVE;

	entry_unlink(table, e);
	if (__atomic_compare_exchange_n(&e->life, &live, life | FREE, false, __ATOMIC_ACQ_REL,
					__ATOMIC_ACQUIRE))
		entry_bury(table, e);
	else
		store_release(&e->life, life | GONE); /* control has it, and will push it */
}

/* Takes out what control has killed. */
static void settle(struct session_table *table)
{
	if (likely(!load_shared(&table->killed)))
		return;
	uint32_t i = __atomic_exchange_n(&table->killed, 0, __ATOMIC_ACQUIRE);
	while (i) {
		struct entry *e = &table->entries[i];
		uint32_t life = load_shared(&e->life);
		i = e->next_killed;
		if ((life & LIFE_STATE) == KILLED)
			entry_unlink(table, e);
		store_release(&e->life, (life & ~(uint32_t)LIFE_STATE) | FREE);
		entry_bury(table, e);
		__atomic_fetch_sub(&table->n_killed, 1, __ATOMIC_RELAXED);
	}
}

/* The turn is over: nobody points to them any more. */
static void empty_morgue(struct session_table *table)
{
	if (!table->morgue_first)
		return;
	table->entries[table->morgue_last].next[0] = table->first_free;
	table->first_free = table->morgue_first;
	table->morgue_first = table->morgue_last = 0;
}

/* -- finding ---------------------------------------------------------------------------- */

struct session *session_find(struct session_table *table, const struct tuple *t,
			     enum session_direction *direction, uint64_t now_ns)
{
	uint64_t at_ns = worker_clock(table, now_ns);
	struct entry *e = find(table, t, direction);

	return e && !is_dead(e, at_ns) ? &e->session : NULL;
}

/* That the second waits for the bucket holds nobody up: the processor goes on meanwhile. */
void session_prefetch(const struct session_table *table, const struct tuple *t)
{
	prefetch(&table->entries[*tuple_head(table, t) / 2]);
}

/* -- mappings --------------------------------------------------------------------------- */

/* Ends the mapping if all its sessions are dead. Each is met once, so the cost is theirs. */
static bool mapping_lives(struct session_table *table, uint32_t number, uint64_t at_ns)
{
	const struct mapping *m = mapping_get(table->mappings, number);

	while (m->sessions) {
		struct entry *e = &table->entries[m->sessions];
		if (!is_dead(e, at_ns))
			return true;
		bool ends = !e->links[BY_MAPPING].next && !m->held;
		entry_end(table, e);
		if (ends)
			return false;
	}
	return true; /* held */
}

uint32_t session_map(struct session_table *table, const struct tuple *original,
		     const struct session_pool *pool, uint64_t now_ns, be32 *outside,
		     be16 *outside_port)
{
	uint64_t at_ns = worker_clock(table, now_ns);

	settle(table);
	uint32_t number = mapping_find(table->mappings, original, pool);
	if (!number || !mapping_lives(table, number, at_ns))
		number = mapping_make(table->mappings, original, pool);
	if (!number) {
		count_add(&table->counts.pool_exhausted, 1);
		return SESSION_NO_MAPPING;
	}
	struct mapping *m = mapping_get(table->mappings, number);
	m->held = true;
	*outside = m->outside.src;
	*outside_port = m->outside.sport;
	return number;
}

void session_unuse(struct session_table *table, uint32_t mapping)
{
	if (mapping == SESSION_NO_MAPPING)
		return;
	struct mapping *m = mapping_get(table->mappings, mapping);
	m->held = false;
	if (!m->sessions)
		mapping_end(table->mappings, mapping);
}

bool session_unmap(struct session_table *table, uint8_t protocol, be32 outside, be16 outside_port,
		   be32 *inside, be16 *inside_port)
{
	settle(table);
	uint32_t number = mapping_find_outside(table->mappings, protocol, outside, outside_port,
					       be32_from(0));
	if (!number || !mapping_lives(table, number, last_clock(table)))
		return false;
	const struct mapping *m = mapping_get(table->mappings, number);
	*inside = m->inside.src;
	*inside_port = m->inside.sport;
	return true;
}

bool session_knows_remote(struct session_table *table, uint8_t protocol, be32 outside,
			  be16 outside_port, be32 remote)
{
	struct tuple sought = {remote, outside, {0}, outside_port, protocol, {0}};
	uint64_t at_ns = last_clock(table);

	settle(table);
	uint32_t i = *peer_head(table, sought);
	while (i) {
		struct entry *e = &table->entries[i];
		const struct session *s = &e->session;
		struct tuple inbound = inbound_of(s, mapping_get(table->mappings, s->mapping));
		i = e->links[BY_PEER].next;
		inbound.sport = be16_from(0);
		if (!tuple_equal(&inbound, &sought))
			continue;
		if (!is_dead(e, at_ns))
			return true;
		entry_end(table, e);
	}
	return false;
}

/* -- opening ---------------------------------------------------------------------------- */

/* Whether a new session may have this tuple; a dead one does not keep it. */
static bool tuple_is_free(struct session_table *table, const struct tuple *t, uint64_t at_ns)
{
	enum session_direction unused;
	struct entry *e = find(table, t, &unused);

	if (e && !is_dead(e, at_ns))
		return false;
	if (e)
		entry_end(table, e);
	return true;
}

/* The number of an entry, not yet in anything; 0: no room. */
static uint32_t entry_take(struct session_table *table)
{
	uint32_t n_max = table->capacity + MORGUE_SIZE, i = table->first_free;

	if (!i && table->n_used == n_max)
		return 0;
	if (table->counts.sessions >= table->capacity) {
		if (!table->oldest)
			return 0;
		entry_end(table, &table->entries[table->oldest]);
		count_add(&table->counts.evicted, 1);
	}
	if (i)
		table->first_free = table->entries[i].next[0];
	else
		store_shared(&table->n_used, i = table->n_used + 1);
	return i;
}

/* Brings e to life, for control to see. */
static void entry_fill(struct entry *e, const struct session *s)
{
	for (unsigned d = 0; d < 2; d++) {
		tuple_store(&e->session.tuple[d], &s->tuple[d]);
		store_release(&e->session.packets[d], 0);
		store_release(&e->session.bytes[d], 0);
	}
	store_release(&e->session.expires_ns, s->expires_ns);
	store_release(&e->session.created_ns, s->created_ns);
	store_release(&e->session.mapping, s->mapping);
	store_release(&e->session.rule, s->rule);
	store_release(&e->session.state, s->state);
	store_release(&e->session.tcp_seen, 0);
	store_release(&e->life, (load_shared(&e->life) | LIFE_STATE) + 1 + LIVE);
}

static void entry_link(struct session_table *table, uint32_t i)
{
	tuple_link(table, i, SESSION_ORIGINAL);
	tuple_link(table, i, SESSION_REPLY);
	list_append(table->entries, BY_AGE, &table->oldest, i);
	mapping_link(table, i);
	host_add(table, table->entries[i].session.tuple[SESSION_ORIGINAL].src);
	count_add(&table->counts.sessions, 1);
	count_add(&table->counts.opened, 1);
}

enum session_refusal session_open(struct session_table *table, const struct tuple *original,
				  const struct tuple *reply, uint32_t mapping, uint16_t rule,
				  uint64_t now_ns, struct session **out)
{
	uint64_t at_ns = worker_clock(table, now_ns);
	struct session s = {
		.tuple = {*original, *reply},
		.created_ns = at_ns,
		.mapping = mapping,
		.rule = rule,
		.state = SESSION_NEW,
	};

	settle(table);
	if (!tuple_is_free(table, original, at_ns) || !tuple_is_free(table, reply, at_ns))
		return SESSION_CLASH;
	if (host_is_full(table, original->src)) {
		count_add(&table->counts.refused_host, 1);
		return SESSION_HOST_FULL;
	}
	uint32_t i = entry_take(table);
	if (!i) {
		count_add(&table->counts.refused_table, 1);
		return SESSION_TABLE_FULL;
	}
	s.expires_ns = later(at_ns, timeout_of(table, &s));
	entry_fill(&table->entries[i], &s);
	entry_link(table, i);
	sweep_by(table, s.expires_ns);
	*out = &table->entries[i].session;
	return SESSION_OK;
}

/* -- following -------------------------------------------------------------------------- */

static void become(struct session_table *table, struct entry *e, enum session_state state,
		   uint8_t seen)
{
	struct session *s = &e->session;
	uint32_t i = (uint32_t)(e - table->entries);
	bool was = s->tcp_seen & SEEN_CONFIRMED, is = seen & SEEN_CONFIRMED;

	if (!was && is)
		list_remove(table->entries, BY_AGE, &table->oldest, i);
	else if (was && !is)
		list_append(table->entries, BY_AGE, &table->oldest, i);
	if (s->state != state)
		tell(table, e, false);
	store_shared(&s->state, (uint8_t)state);
	store_shared(&s->tcp_seen, seen);
}

void session_note(struct session_table *table, struct session *s, enum session_direction direction,
		  uint8_t tcp_flags, uint32_t len, uint64_t now_ns)
{
	struct entry *e = (struct entry *)s;
	uint64_t at_ns = worker_clock(table, now_ns);
	enum session_state state = s->state;
	uint8_t seen = s->tcp_seen;

	if (unlikely(!is_live(e)))
		return;
	count_add(&s->packets[direction], 1);
	count_add(&s->bytes[direction], len);
	if (s->tuple[0].protocol == PROTO_TCP) {
		state = tcp_follow(state, &seen, direction == SESSION_REPLY, tcp_flags);
	} else if (direction == SESSION_REPLY) {
		state = SESSION_ESTABLISHED;
		seen |= SEEN_CONFIRMED;
	}
	if (unlikely(state != s->state || seen != s->tcp_seen))
		become(table, e, state, seen);
	uint64_t expires_ns = later(at_ns, timeout_of(table, s));
	if (unlikely(expires_ns < s->expires_ns))
		sweep_by(table, expires_ns);
	store_shared(&s->expires_ns, expires_ns);
}

void session_set_watch(struct session_table *table, const struct session_watch *watch)
{
	table->watch = *watch;
}

bool session_quote(struct session_table *table, struct session *s)
{
	if (!table->watch.told || !is_live((struct entry *)s))
		return false;
	store_shared(&s->tcp_seen, (uint8_t)(s->tcp_seen | SEEN_QUOTED));
	return true;
}

uint64_t session_left(const struct session_table *table, const struct session *s)
{
	uint64_t at_ns = last_clock(table);

	return s->expires_ns > at_ns ? s->expires_ns - at_ns : 0;
}

void session_note_repeated(struct session_table *table, struct session *s,
			   enum session_direction direction, uint32_t packets, uint32_t bytes,
			   uint64_t now_ns)
{
	uint64_t at_ns = worker_clock(table, now_ns);

	if (unlikely(!is_live((struct entry *)s)))
		return;
	count_add(&s->packets[direction], packets);
	count_add(&s->bytes[direction], bytes);
	uint64_t expires_ns = later(at_ns, timeout_of(table, s));
	if (unlikely(expires_ns < s->expires_ns))
		sweep_by(table, expires_ns);
	store_shared(&s->expires_ns, expires_ns);
}

/* -- ageing ----------------------------------------------------------------------------- */

/* Ends e if it has expired. Returns when to come for it. */
static uint64_t collect(struct session_table *table, struct entry *e, uint64_t at_ns)
{
	if (!is_live(e))
		return UINT64_MAX;
	if (at_ns < e->session.expires_ns)
		return e->session.expires_ns;
	entry_end(table, e);
	return UINT64_MAX;
}

void session_age(struct session_table *table, uint64_t now_ns)
{
	uint64_t at_ns = worker_clock(table, now_ns);

	empty_morgue(table);
	settle(table);
	if (likely(at_ns < table->next_ns))
		return;
	if (!table->n_swept)
		table->due_ns = UINT64_MAX;
	uint32_t slice = table->n_used / SWEEP_STEPS + 1;
	uint32_t end = table->n_swept + (slice < SWEEP_SLICE ? SWEEP_SLICE : slice);
	uint64_t next_ns = at_ns + SWEEP_STEP_NS;

	while (table->n_swept < end && table->n_swept < table->n_used) {
		struct entry *e = &table->entries[++table->n_swept];
		table->due_ns = min_u64(table->due_ns, collect(table, e, at_ns));
	}
	if (table->n_swept == table->n_used) {
		next_ns = max_u64(next_ns, table->due_ns);
		table->n_swept = 0;
	}
	store_shared(&table->next_ns, next_ns);
}

uint64_t session_next(const struct session_table *table)
{
	uint64_t next_ns = load_shared(&table->next_ns), offset_ns = load_shared(&table->offset_ns);

	if (load_shared(&table->killed))
		return 0;
	if (!load_shared(&table->counts.sessions) || next_ns == UINT64_MAX)
		return UINT64_MAX;
	return next_ns < offset_ns ? 0 : next_ns - offset_ns;
}

/* -- the table itself ------------------------------------------------------------------- */

static bool allocate(struct session_table *table)
{
	size_t n_entries = (size_t)table->capacity + MORGUE_SIZE;
	uint32_t n_buckets = 1;

	while (n_buckets < table->capacity) /* chains of one or two; those of tuples are shorter */
		n_buckets *= 2;
	table->mask = n_buckets - 1;
	table->tuple_mask = 4 * n_buckets - 1;
	table->tuples = calloc(4 * (size_t)n_buckets, sizeof(*table->tuples));
	table->peers = calloc(n_buckets, sizeof(*table->peers));
	table->host_heads = calloc(n_buckets, sizeof(*table->host_heads));
	table->hosts = calloc((size_t)table->capacity + 1, sizeof(*table->hosts));
	/* Entry 0 stands for none, and another's size is lost to the alignment. */
	table->memory = calloc(n_entries + 2, sizeof(*table->entries));
	table->mappings = mapping_new(table->capacity + VECTOR_SIZE, table->secret); /* and held */
	if (!table->tuples || !table->peers || !table->host_heads || !table->hosts ||
	    !table->memory || !table->mappings)
		return false;
	uintptr_t end = (uintptr_t)table->memory + CACHE_LINE - 1;
	table->entries = (struct entry *)(end - end % CACHE_LINE);
	return true;
}

struct session_table *session_new(const struct session_config *config)
{
	struct session_table *table = aligned_alloc(CACHE_LINE, sizeof(*table));
	if (!table)
		return NULL;
	*table = (struct session_table){
		.capacity = config->capacity ? config->capacity : 262144,
		.next_ns = UINT64_MAX,
		.due_ns = UINT64_MAX,
	};
	memcpy(table->secret, config->secret, sizeof(table->secret));
	session_set_times(table, config);
	if (!allocate(table)) {
		session_free(table);
		return NULL;
	}
	return table;
}

void session_free(struct session_table *table)
{
	if (!table)
		return;
	mapping_free(table->mappings);
	free(table->memory);
	free(table->hosts);
	free(table->host_heads);
	free(table->peers);
	free(table->tuples);
	free(table);
}
