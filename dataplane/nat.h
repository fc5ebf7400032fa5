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
void nat_fragments_free(struct nat_fragments *fragments); /* packets still held are left alone */

/*
 * Fragments that came before their first one are HELD here, 64 at most, for two seconds.
 * nat_fragments_released() gives one back whose wait is over, or NULL: TO_NAT (the first has
 * come: ask again) or DROP_NAT_FRAGMENT. Ask after the vector with the first one is through.
 */
struct packet *nat_fragments_released(struct nat_fragments *fragments);
/* Ends the waits that have lasted too long. Nothing due costs one comparison. */
void nat_fragments_age(struct nat_fragments *fragments, uint64_t now_ns);
/* When nat_fragments_age() wants to be called next, UINT64_MAX for never. */
uint64_t nat_fragments_next(const struct nat_fragments *fragments);

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
 * what belongs to nothing p->state is STATE_IS_INVALID. DROP_NAT_* for what must not go on;
 * HELD for a fragment that came before its first. No session is opened here: what is for the
 * router itself leaves none.
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
 * identifier, the datagram quoted in an ICMP error, and every checksum by RFC 1624, so a wrong
 * one stays wrong; UDP 0 stays 0, and a result of 0 becomes 0xffff. The transport checksum is
 * complete, or PACKET_PARTIAL says that it holds the pseudo-header's sum (offload_leave()).
 * Cost: a few cycles where there is nothing to translate.
 */
void nat_rewrite(struct packet *p);

/*
 * A packet's tuple: TCP, UDP, ICMP queries, and by address alone any other protocol. False:
 * a fragment but the first, an ICMP error, a broken header.
 */
bool nat_tuple(const struct packet *p, struct tuple *t);

/* -- between the files of the room -------------------------------------------------- */

/* Beside enum nat_flag: the outer source alone is written, the quoted destination stays. */
enum { NAT_OUTER_SOURCE = 1 << 3 };

/* What a packet, or the first fragment of its datagram, says about where it belongs. */
enum nat_kind {
	NAT_IS_NOTHING,   /* a broken header, or an ICMP message that is no query and no error */
	NAT_IS_FLOW,      /* the tuple is its own */
	NAT_IS_ERROR,     /* an ICMP error: the tuple is that of an answer to what it quotes */
	NAT_IS_BAD_ERROR, /* an ICMP error with a wrong checksum, or too short a quotation */
	NAT_IS_ORPHAN,    /* a fragment whose first has not come */
};
enum nat_opens { NAT_OPENS_NOTHING, NAT_PICKS_UP /* untranslated only */, NAT_OPENS_SESSION };
struct nat_sight {
	struct tuple tuple;
	uint32_t spot; /* session_seek()'s, while room nat has it; nothing where it is kept */
	uint8_t kind;  /* enum nat_kind */
	uint8_t opens; /* enum nat_opens */
	bool later;    /* a fragment but the first; the rest is what the first said */
};

/* A fragment that does not say itself where it belongs (RFC 4787 REQ-14). */
static inline bool nat_needs_first(const struct ip4_hdr *h)
{
	return unlikely(ip4_offset(h)) && (h->protocol == PROTO_TCP || h->protocol == PROTO_UDP ||
					   h->protocol == PROTO_ICMP);
}

/* What a packet that is not a later fragment says: nat_rewrite.c. */
void nat_look(const struct packet *p, struct nat_sight *sight);

/* A first fragment has come: later ones find its sight, and those that wait are released. */
void nat_fragments_note(struct nat_fragments *fragments, const struct packet *p,
			const struct nat_sight *sight, uint64_t now_ns);
/* What the first fragment of p's datagram said; false: it has not come. */
bool nat_fragments_find(const struct nat_fragments *fragments, const struct packet *p,
			struct nat_sight *sight, uint64_t now_ns);
/* Keeps p until its first comes; false: there is no room. */
bool nat_fragments_hold(struct nat_fragments *fragments, struct packet *p, uint64_t now_ns);

#endif
