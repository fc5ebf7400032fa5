/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * repeat.h - which finished decisions go into the flow cache (flow.h), and how what is
 * repeated there comes back into the accounts: port counters, route hits, rule counters,
 * sessions, and the ages of neighbours and stations.
 *
 * A packet that leaves by a wire as the pipeline decided is an *offer*; those of a turn are
 * armed together, after the turn has transmitted, so that what was decided first leaves first.
 * Not offered, because the gate would send each of their packets the long way: unfinished
 * checksums, options, fragments, floods, what the router made itself; nor what somebody watches
 * (a mirror, a trace), what is learnt nowhere (a port with learning off), and in rules what has
 * no session: only TCP that is established and UDP are.
 *
 * Thread: the worker's.
 */
#ifndef TSUJI_REPEAT_H
#define TSUJI_REPEAT_H

#include "fdb.h"
#include "fib.h"
#include "flow.h"
#include "neigh.h"
#include "port.h"
#include "rules.h"
#include "stats.h"

#define REPEAT_OFFERS 512 /* in a turn; more wait for their next packet */

struct repeat_offer {
	struct flow_entry entry;
	struct flow_note note;
	uint64_t session_created_ns;
	uint8_t session_state; /* it is armed in that state or not at all */
};

/* Set by the pipeline: cache for good, the rest for a turn. Zero at first. */
struct repeat {
	struct flow_cache *cache; /* NULL: nothing is repeated */
	uint32_t generation;      /* read before the tables were: flow_begin() */
	const struct port_table *ports;
	struct fib *fib;
	struct rules *rules;
	struct neigh_table *neigh;
	struct fdb *fdb;
	struct session_table *sessions;
	struct stats *stats;
	uint64_t now_ns;
	bool watched;             /* traces are armed: everything goes the long way */
	/* its own */
	uint32_t tables;          /* how often fib or rules have been others */
	unsigned n;
	struct repeat_offer offers[REPEAT_OFFERS];
};

/* Has the sessions tell the cache what becomes of them. Once, when cache is set. */
void repeat_init(struct repeat *r);
/* A turn begins with these tables. */
void repeat_begin(struct repeat *r, const struct port_table *ports, struct fib *fib, struct rules *rules,
		  bool watched, uint64_t now_ns);
/* p leaves as it is now, by p->decision.port_out. */
void repeat_offer(struct repeat *r, const struct packet *p);
/* What was offered has left. */
void repeat_arm(struct repeat *r);
/* What was repeated since the last time, as far as it is due. Before tables age. */
void repeat_account(struct repeat *r);

#endif
