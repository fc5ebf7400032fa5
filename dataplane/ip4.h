/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ip4.h - the IPv4 rooms: validate, route, check, rewrite (RFC 791, RFC 1812 section 5).
 * The Linux forwarding path (ip_rcv, ip_forward, ip_do_fragment) is the reference.
 */
#ifndef TSUJI_IP4_H
#define TSUJI_IP4_H

#include "fib.h"
#include "frame.h"
#include "port.h"
#include "stats.h"

/*
 * Room 4, TO_IP4 -> TO_LOCAL (an address of the router file), TO_FIB (transit), PUNTED (an
 * address only the kernel has, or a broadcast on a port where the kernel has an address),
 * TAKEN (a broadcast that a bridge's leg heard and nobody here wants),
 * DROP_IP4_*. Reads only; sets PACKET_OPTIONS, and cuts p->len to the datagram (padding,
 * RFC 894) -- a length, not a byte. With nat, unicast datagrams go TO_NAT instead. Malformed options set icmp_pointer. A multicast that
 * came in a link-layer group is PUNTED: which groups it is in, the kernel knows.
 */
void ip4_input(const struct port_table *ports, const struct vector *v, bool nat);

/* TO_DELIVER -> TO_LOCAL, TO_FIB, PUNTED: the same for datagrams that room nat has seen, by decision.dst. */
void ip4_deliver(const struct port_table *ports, const struct vector *v);

/*
 * Room 5, TO_FIB -> TO_NEIGH with decision.{port_out, mtu, next_hop, route}, or
 * DROP_IP4_{NO_ROUTE, BLACKHOLE, UNREACHABLE, PROHIBIT}, DROP_PORT_DOWN, and then the
 * checks of forwarding: DROP_IP4_TTL (not PACKET_OWN), DROP_IP4_MTU (larger than the MTU
 * with DF; of a packet with a gso_size its segments), DROP_IP4_BROADCAST (a directed broadcast). Reads only.
 */
void ip4_route(const struct port_table *ports, struct fib *fib, const struct vector *v);

/*
 * True if a forwarded packet leaves by the port it came from towards a next hop in its
 * sender's own subnet: RFC 1812 5.2.7.2.
 */
bool ip4_wants_redirect(const struct port_table *ports, const struct packet *p);

/*
 * Room 6, TO_REWRITE -> TO_EGRESS: completes partial checksums, fills record-route and
 * timestamp options (RFC 1812 5.3.13.5, .6), decrements the TTL (not PACKET_OWN), fills a
 * zero source of PACKET_OWN packets with the route's source, updates the header checksum,
 * puts decision.link in front. Where the datagram exceeds decision.mtu it is cut into
 * fragments: p becomes the first, the others follow by packet->next, each with its own
 * frame from the pool and p's verdict, counted in stats->created; DROP_FRAMES when the pool
 * has too few, DROP_FRAME_SIZE when no piece fits a frame or the MTU (p then is unchanged, but
 * for its header if it has a gso_size). A packet with a gso_size stays whole if its segments fit.
 */
void ip4_rewrite(const struct port_table *ports, const struct fib *fib, struct frame_pool *pool,
		 struct stats *stats, const struct vector *v);

#endif
