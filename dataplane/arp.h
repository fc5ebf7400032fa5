/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arp.h - the ARP room: answers, learns, asks (RFC 826, RFC 5227, RFC 1812 3.3.2).
 */
#ifndef TSUJI_ARP_H
#define TSUJI_ARP_H

#include "neigh.h"
#include "port.h"
#include "stats.h"

/* What the room remembers between calls: the caller's, zero at first. Written by the worker. */
struct arp_state {
	uint64_t defended_ns[PORT_MAX]; /* when an address was last defended there; 0: never */
};

/*
 * TO_ARP -> TO_EGRESS: a request turned into our reply in place, decision.port_out set,
 * frame cut to 42 bytes; TAKEN: read and noted; PUNTED: the kernel must see it (anything
 * for an address only the kernel has; a reply or an announcement, noted here, where the
 * kernel has an address on that port); DROP_ARP_*; DROP_PORT_DOWN: its port is gone.
 *
 * Answers only for addresses that the router file gives to the arrival port. Learns only
 * from senders inside the port's subnets, with a unicast MAC that is not ours; others are
 * answered, as Linux answers them, and forgotten. Probes (sender 0.0.0.0) are answered and not learnt from. A claim
 * to one of our own addresses is DROP_ARP_CONFLICT; it is defended (RFC 5227 2.4 b) by an
 * announcement written into the same frame, verdict TO_EGRESS, at most one in ten
 * seconds per port. Counts stats->arp_replies, and announcements as arp_requests, which
 * they are on the wire.
 */
void arp_input(const struct port_table *ports, struct neigh_table *neigh, struct stats *stats,
	       struct arp_state *state, const struct vector *v, uint64_t now_ns);

/*
 * Makes p (an empty frame with room for 42 bytes) the request for address on that port,
 * to mac (broadcast, or unicast for a probe); decision.port_out set, verdict TO_EGRESS.
 * The sender is the port's address in the target's subnet, else its first. False: the
 * port has no address, and p is as it was.
 */
bool arp_request(const struct port *port, struct packet *p, be32 address, struct mac mac);

/* Makes p, as above, the announcement of one of the port's own addresses: RFC 5227 2.3. */
void arp_announce(const struct port *port, struct packet *p, be32 address);

#endif
