/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arp.h - the ARP room: answers, learns, asks (RFC 826, RFC 5227, RFC 1812 3.3.2).
 */
#ifndef TSUJI_ARP_H
#define TSUJI_ARP_H

#include "neigh.h"
#include "port.h"
#include "stats.h"

/*
 * TO_ARP -> TO_EGRESS: a request turned into our reply in place, decision.port_out set,
 * frame cut to 42 bytes; TAKEN: read and noted; PUNTED: the kernel must see it (a request
 * for an address only the kernel has; a reply, noted here, where the kernel has an
 * address on that port); DROP_ARP_*.
 *
 * Answers only for addresses that the router file gives to the arrival port. Learns only
 * from senders inside the port's subnets, with a unicast MAC that is not ours and equals
 * the Ethernet source. Probes (sender 0.0.0.0) are answered and not learnt from. A claim
 * to one of our own addresses is DROP_ARP_CONFLICT; it is defended (RFC 5227 2.4 b) by an
 * announcement written into the same frame, verdict TO_EGRESS, at most one in ten
 * seconds per port, counted by the caller from the verdict.
 */
void arp_input(const struct port_table *ports, struct neigh_table *neigh, struct stats *stats,
	       const struct vector *v, uint64_t now_ns);

/*
 * Makes p (an empty frame with room for 42 bytes) the request for address on that port,
 * to mac (broadcast, or unicast for a probe); verdict TO_EGRESS. The sender is the
 * port's address in the target's subnet, else its first. False: the port has no address.
 */
bool arp_request(const struct port *port, struct packet *p, be32 address, struct mac mac);

#endif
