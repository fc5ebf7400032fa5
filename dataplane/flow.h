/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * flow.h - the flow cache: finished decisions that the gate repeats in XDP, and what it has
 * counted of each.
 *
 *   EMPTY --flow_arm--> ARMED --flow_forget, idle, outdated--> DRAINING --100 ms--> EMPTY
 *
 * The entries lie in memory that the programs share (bpf/shared.h). Only the worker writes
 * them, with plain stores and a sequence number; XDP counts in them. An entry holds while its
 * generation is the head's: who changes anything that a decision came from adds one there
 * (flow_changes()), and from then on the next packet of every flow goes the long way, and the
 * one behind it finds the new decision. A forgotten entry is left alone for a while, because a
 * program on another CPU may have begun to use it: its counters are read once more before the
 * place is given to another flow. One that is in use is never pushed out by a new one: a set
 * of flows larger than the cache has some that are fast and others that are not. A flow gets
 * in with its second packet, so that a flood of single ones changes nothing.
 *
 * An armed flow is handed over once nothing of it is on its way through user space any more, so
 * that no packet overtakes another: the gate can tell by the numbers of those it took and those
 * that are done with (entry.waits_for). A flow that never pauses for so long is handed over at
 * the next sweep all the same: then what is in the ring, 2,048 packets at most, may be overtaken.
 *
 * What a flow came from is in its note, which is handed back with each count. The table itself
 * does not look at it but for the session.
 *
 * Threads: the worker's, except where it says control. Memory is fixed at flow_new(), and
 * what is never needed of it never touched.
 */
#ifndef TSUJI_FLOW_H
#define TSUJI_FLOW_H

#include "session.h"

#include "../bpf/shared.h"

struct flow_config {
	struct flow_head *head;      /* shared with the gates, all zero; the caller's, who outlives the cache */
	struct flow_bucket *buckets; /* likewise */
	uint32_t n_buckets;          /* a power of two */
	uint64_t secret[2];          /* as the gates have it */
};

/* What a decision came from, for whoever accounts for its packets. */
struct flow_note {
	uint16_t port_in, port_out;
	uint16_t bridge_in;      /* the leg's number, if it came in by a member; else PORT_NONE */
	uint16_t bridge_out;     /* likewise if it leaves by one */
	uint16_t filter_rule;    /* that let it pass, or RULE_NONE */
	uint16_t neigh_port;     /* routed: the port or leg that next_hop is on */
	uint32_t route;
	uint32_t tables;         /* of whoever arms: which route and rule tables the numbers are of */
	be32 next_hop;
	struct session *session; /* NULL: none, or it has ended */
	uint8_t direction;       /* of the session */
	uint64_t idle_ns;        /* without packets for so long, it is not repeated any more */
	struct mac src;          /* with bridge_in: who sends, as its bridge has learnt */
	struct mac dst;          /* with bridge_out: whom its bridge knows to be behind port_out */
	bool routed;             /* by address, rather than by MAC */
};

struct flow_cache;
struct flow_cache *flow_new(const struct flow_config *config); /* NULL: no memory */
void flow_free(struct flow_cache *cache); /* NULL is fine */

/* -- deciding what to repeat -- */

/*
 * Once a turn, before any table is read: the generation that what is decided in this turn
 * belongs to.
 */
uint32_t flow_begin(struct flow_cache *cache, uint64_t now_ns);
/* Whether a flow from that port to that one could be repeated at all; quick. */
bool flow_serves(const struct flow_cache *cache, uint16_t port_in, uint16_t port_out);
bool flow_is_by_tuple(const struct flow_cache *cache);
/*
 * A packet of that flow came the long way; seen: and others before it, for certain. True: it
 * should be armed. Cost: two or three cache lines.
 */
bool flow_wants(struct flow_cache *cache, const struct flow_key *key, bool seen, uint64_t now_ns);
/* What went by of that flow since its last report, before it is armed anew; false: nothing. */
struct flow_report;
bool flow_report_of(struct flow_cache *cache, const struct flow_key *key, struct flow_report *report);
/*
 * Arms a flow: sequence, generation and counters of the entry are the table's to fill in.
 * False: there is no room, it is armed already, or something has changed since that generation.
 */
bool flow_arm(struct flow_cache *cache, const struct flow_entry *entry, const struct flow_note *note,
	      uint32_t generation, uint64_t now_ns);
/* The flows of that routed key, from whatever port, are not repeated any more. ended: nor is there a session. */
void flow_forget(struct flow_cache *cache, const struct flow_key *key, bool ended, uint64_t now_ns);

/* -- what was repeated -- */

struct flow_report {
	const struct flow_note *note; /* valid until the next call of any function here */
	uint32_t packets, bytes; /* of a packet whose bytes are counted late, these come alone */
};
/*
 * The next flow of which packets went by since its last report; false: none, for now. Each is
 * looked at two to ten times a second, and when control asks; a slice in each turn.
 */
bool flow_next_report(struct flow_cache *cache, uint64_t now_ns, struct flow_report *report);
/* When flow_next_report() is to be called next; UINT64_MAX: the cache is empty. */
uint64_t flow_next(const struct flow_cache *cache);

/* -- control's, and tables' -- */

/* The word to which whoever changes what decisions came from adds one, after the change. */
uint32_t *flow_changes(const struct flow_cache *cache);
void flow_change(struct flow_cache *cache); /* does that */
/* Rules are in force: flows are told apart by protocol and ports, not by addresses alone. */
void flow_set_by_tuple(struct flow_cache *cache, bool by_tuple);
void flow_set_mac(struct flow_cache *cache, uint16_t port, struct mac mac);
/* in: frames that come in there are looked up; out: they may leave there. */
void flow_set_port(struct flow_cache *cache, uint16_t port, bool in, bool out);
/* From now until as many calls of flow_release() nothing is armed. */
void flow_hold(struct flow_cache *cache);
void flow_release(struct flow_cache *cache);
/* Asks for all reports; whether the worker has given them since is what flow_is_settled() says. */
uint32_t flow_settle(struct flow_cache *cache);
bool flow_is_settled(const struct flow_cache *cache, uint32_t asked);

struct flow_counts {
	uint64_t armed, forgotten, changes; /* ever */
	uint32_t used, size;                /* places, now */
};
void flow_counts(const struct flow_cache *cache, struct flow_counts *counts);

#endif
