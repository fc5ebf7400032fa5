/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * neigh_timer - what time does to neighbours, and neigh_poll(), which does it.
 *
 * Every state lasts one of four fixed times, so four first-in first-out lists are in order of
 * what is due, and the heads tell the earliest. Idle entries (STALE, FAILED) stand in their
 * port's lists of what may be evicted, oldest first. All these lists belong to the worker.
 * Control cannot take an entry off them, so whoever finds one there looks at its state under
 * the lock before acting.
 */
#include "neigh_timer.h"

static const struct mac mac_everyone = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

/* -- lists ---------------------------------------------------------------------------- */

void neigh_timers_init(struct neigh_table *table)
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

static struct neighbour *timer_entry(struct cds_list_head *link)
{
	return cds_list_entry(link, struct neighbour, timer);
}

void neigh_timer_set(struct neigh_table *table, struct neighbour *e, enum timer timer,
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

void neigh_become(struct neigh_table *table, struct neighbour *e, enum neigh_state state,
		  struct mac mac, uint64_t now_ns)
{
	static const uint8_t timer_of[] = {
		[NEIGH_INCOMPLETE] = TIMER_NOW, [NEIGH_REACHABLE] = TIMER_REACHABLE,
		[NEIGH_STALE] = TIMER_FORGET,   [NEIGH_PROBE] = TIMER_NOW,
		[NEIGH_FAILED] = TIMER_FORGET,
	};
	struct idle *idle = &table->idle[key_port(e->key)];
	struct mac before = mac_of(e);

	if (!mac_equal(mac, before))
		e->confirmed_ns = 0;
	store_release(&e->link, link_of(state, mac));
	neigh_tell(table, e, before);
	e->n_sent = 0;
	e->since_ns = now_ns;
	neigh_timer_set(table, e, timer_of[state], now_ns);
	cds_list_del_init(&e->idle);
	if (is_idle(e))
		cds_list_add_tail(&e->idle, is_spare(e) ? &idle->spare : &idle->used);
}

/* -- eviction ------------------------------------------------------------------------- */

/* Ends the first entry of a list, which is the oldest, unless it was used after before_ns. */
static bool evict_first(struct neigh_table *table, struct cds_list_head *list, uint64_t before_ns)
{
	while (!cds_list_empty(list)) {
		struct neighbour *e = cds_list_first_entry(list, struct neighbour, idle);
		struct bucket *b = neigh_entry_lock(table, e);
		bool idle = b && is_idle(e), keep = idle && e->used_ns > before_ns;
		if (!keep)
			lists_leave(e);
		if (idle && !keep)
			neigh_entry_end(table, b, e);
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

bool neigh_make_room(struct neigh_table *table, uint16_t port, uint64_t now_ns)
{
	if (load_shared(&table->n_on_port[port]) >= table->config.port_max &&
	    !evict_spare(table, port) && !evict_used(table, port, now_ns))
		return false;
	return load_shared(&table->pool.n_free) || evict_spare(table, port) ||
	       evict_elsewhere(table) || evict_used(table, port, now_ns);
}

/* -- what is due ---------------------------------------------------------------------- */

/* Does for the queues of changed entries what control could not. */
static void settle_changed(struct neigh_table *table)
{
	uint32_t i = __atomic_exchange_n(&table->changed, NONE, __ATOMIC_ACQUIRE);

	while (i != NONE) {
		struct neighbour *e = &table->entries[i];
		i = e->next_changed;
		struct bucket *b = neigh_entry_lock(table, e);
		assert(b); /* its queue kept it */
		e->changed = false;
		if (state_of(e) == GONE) {
			neigh_entry_release(table, e, DROP_NEIGH_FAILED);
			lists_leave(e);
			neigh_entry_free(table, b, e);
		} else {
			neigh_entry_release(table, e, TO_NEIGH);
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
		neigh_entry_release(table, e, DROP_NEIGH_FAILED);
		neigh_become(table, e, NEIGH_FAILED, mac_none, now_ns);
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
	neigh_timer_set(table, e, TIMER_RETRY, now_ns);
	return true;
}

/* The timer of e has run out. False: it waits for room in due. */
static bool expire(struct neigh_table *table, struct neighbour *e, uint64_t now_ns, struct due *due)
{
	struct bucket *b = neigh_entry_lock(table, e);
	unsigned state = b ? state_of(e) : FREE;
	bool done = true;

	if (state == NEIGH_INCOMPLETE || state == NEIGH_PROBE) {
		done = ask(table, e, now_ns, due);
	} else if (state == NEIGH_REACHABLE) {
		neigh_become(table, e, NEIGH_STALE, mac_of(e), now_ns);
	} else {
		lists_leave(e);
		if (state == NEIGH_STALE || state == NEIGH_FAILED)
			neigh_entry_end(table, b, e);
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

uint64_t neigh_next(const struct neigh_table *table)
{
	return likely(load_shared(&table->changed) == NONE) ? load_shared(&table->next_ns) : 0;
}
