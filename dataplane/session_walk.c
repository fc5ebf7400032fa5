/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session_walk - control's side of the table: reading it whole, ending sessions, its times and
 * its clock. Nothing here waits for the worker, nor the worker for it: see session_entry.h.
 */
#include "session_entry.h"

#define CLOCK_MAX_NS (UINT64_MAX / 2) /* that far the lab clock goes: 292 years */
#define MINUTE_NS    (60 * NS_PER_S)

/* -- times ------------------------------------------------------------------------------ */

static uint64_t or_else(uint64_t given, uint64_t otherwise)
{
	return given ? given : otherwise;
}

void session_set_times(struct session_table *table, const struct session_config *config)
{
	struct session_config *c = &table->config;

	store_shared(&c->host_max, config->host_max);
	store_shared(&c->tcp_established_ns, or_else(config->tcp_established_ns, 124 * MINUTE_NS));
	store_shared(&c->tcp_transitory_ns, or_else(config->tcp_transitory_ns, 4 * MINUTE_NS));
	store_shared(&c->udp_ns, or_else(config->udp_ns, 5 * MINUTE_NS));
	store_shared(&c->icmp_ns, or_else(config->icmp_ns, MINUTE_NS));
	store_shared(&c->other_ns, or_else(config->other_ns, 5 * MINUTE_NS));
}

void session_advance(struct session_table *table, uint64_t by_ns)
{
	uint64_t offset_ns = load_shared(&table->offset_ns);

	offset_ns = min_u64(later(offset_ns, by_ns), CLOCK_MAX_NS);
	store_shared(&table->offset_ns, offset_ns);
	if (table->watch.changes)
		__atomic_fetch_add(table->watch.changes, 1, __ATOMIC_ACQ_REL);
}

/* -- sessions ---------------------------------------------------------------------------- */

/* A copy of what e is now, and its life; 0: it is not LIVE. */
static uint32_t entry_copy(const struct entry *e, struct session *copy)
{
	const struct session *s = &e->session;
	uint32_t life;

	do {
		life = load_acquire(&e->life);
		if ((life & LIFE_STATE) != LIVE)
			return 0;
		for (unsigned d = 0; d < 2; d++) {
			copy->tuple[d] = tuple_load(&s->tuple[d]);
			copy->packets[d] = load_acquire(&s->packets[d]);
			copy->bytes[d] = load_acquire(&s->bytes[d]);
		}
		copy->expires_ns = load_acquire(&s->expires_ns);
		copy->created_ns = load_acquire(&s->created_ns);
		copy->mapping = load_acquire(&s->mapping);
		copy->rule = load_acquire(&s->rule);
		copy->state = load_acquire(&s->state);
		copy->tcp_seen = load_acquire(&s->tcp_seen);
	} while (load_shared(&e->life) != life);
	return life;
}

void session_walk(struct session_table *table, uint64_t now_ns,
		  bool (*each)(const struct session_info *, void *), void *arg)
{
	uint32_t n_used = load_shared(&table->n_used);
	uint64_t at_ns = clock_of(table, now_ns);

	for (uint32_t i = 1; i <= n_used; i++) {
		struct session_info info;
		const struct session *s = &info.session;
		if (!entry_copy(&table->entries[i], &info.session) || at_ns >= s->expires_ns)
			continue;
		info.age_ns = at_ns > s->created_ns ? at_ns - s->created_ns : 0;
		info.left_ns = s->expires_ns - at_ns;
		if (!each(&info, arg))
			return;
	}
}

/* Kills e if it still leads that life. */
static bool kill_entry(struct session_table *table, uint32_t i, uint32_t life)
{
	struct entry *e = &table->entries[i];
	uint32_t first = load_shared(&table->killed);

	if (!__atomic_compare_exchange_n(&e->life, &life, (life & ~(uint32_t)LIFE_STATE) | KILLED,
					 false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return false;
	__atomic_fetch_add(&table->n_killed, 1, __ATOMIC_RELAXED);
	do
		e->next_killed = first;
	while (!__atomic_compare_exchange_n(&table->killed, &first, i, true, __ATOMIC_RELEASE,
					    __ATOMIC_RELAXED));
	return true;
}

unsigned session_flush(struct session_table *table, bool (*match)(const struct session *, void *),
		       void *arg)
{
	uint32_t n_used = load_shared(&table->n_used);
	uint64_t at_ns = last_clock(table);
	unsigned n = 0;

	for (uint32_t i = 1; i <= n_used; i++) {
		struct session s;
		uint32_t life = entry_copy(&table->entries[i], &s);
		if (life && at_ns < s.expires_ns && match(&s, arg))
			n += kill_entry(table, i, life);
	}
	if (n && table->watch.changes)
		__atomic_fetch_add(table->watch.changes, 1, __ATOMIC_ACQ_REL);
	return n;
}

void session_counts(const struct session_table *table, struct session_counts *counts)
{
	const struct session_counts *c = &table->counts;
	uint64_t n_sessions = load_shared(&c->sessions);

	*counts = (struct session_counts){
		.sessions = n_sessions - min_u64(n_sessions, load_shared(&table->n_killed)),
		.mappings = mapping_count(table->mappings),
		.opened = load_shared(&c->opened),
		.refused_table = load_shared(&c->refused_table),
		.refused_host = load_shared(&c->refused_host),
		.pool_exhausted = load_shared(&c->pool_exhausted),
		.evicted = load_shared(&c->evicted),
	};
}
