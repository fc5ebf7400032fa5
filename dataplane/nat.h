/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nat.h - the NAT room: which session a packet belongs to, and what it will be rewritten to.
 *
 * Like every room before REWRITE it only decides: decision.dst is where the packet really
 * goes, decision.nat what becomes of its addresses and ports; nat_rewrite() obeys. nft in the
 * same place (prerouting, forward, postrouting) is the reference; RFC 4787, 5382, 5508.
 */
#ifndef TSUJI_NAT_H
#define TSUJI_NAT_H

#include "frame.h"
#include "port.h"
#include "rules.h"
#include "stats.h"

struct nat_fragments; /* where first fragments went, so that later ones follow: bounded, keyed */
struct nat_fragments *nat_fragments_new(const uint8_t secret[16]); /* NULL: no memory */
void nat_fragments_free(struct nat_fragments *fragments);

/* What the room works with; all owned by the pipeline. rules is not NULL. */
struct nat {
	const struct port_table *ports;
	struct rules *rules;
	struct session_table *sessions;
	struct nat_fragments *fragments;
	struct stats *stats;
	uint64_t now_ns;
};

/*
 * Before routing, TO_NAT -> TO_DELIVER: the packet's session is found (p->session,
 * p->direction, p->state), or dnat rules are asked, or an inbound packet for a mapping is let
 * in as the rule's filtering says; decision.dst is set. ICMP errors belong to the session
 * of the datagram they quote (STATE_IS_RELATED); later fragments to that of the first. Of
 * what belongs to nothing p->state is STATE_IS_INVALID. DROP_NAT_* for what must not go on.
 */
void nat_input(const struct nat *nat, const struct vector *v);

/*
 * After routing and the filter, TO_NAT_OUT -> TO_NEIGH: source rules by decision.port_out,
 * for packets that open a session, which is opened here; the session takes note of the
 * packet. What matches a translating rule and cannot be translated is dropped by name: nothing
 * leaves with an inside source address. Hairpin: a packet that dnat turned back to the port
 * it came from has its source translated to the address it was sent to.
 * DROP_NAT_POOL and DROP_NAT_FULL are answered by ICMP (their rows).
 */
void nat_output(const struct nat *nat, const struct vector *v);

/*
 * In room REWRITE, before the rest: puts decision.nat into the bytes: addresses, ports or
 * identifier, the datagram quoted in an ICMP error, and every checksum by RFC 1624, partial
 * ones too; UDP 0 stays 0, and a result of 0 becomes 0xffff. Cost: a few cycles where
 * there is nothing to translate.
 */
void nat_rewrite(struct packet *p);

/* A TCP, UDP or ICMP query's tuple; fragments but the first, errors and broken headers: false. */
bool nat_tuple(const struct packet *p, struct tuple *t);

#endif
