/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * icmp.h - the ICMP room: what is addressed to the router itself, and errors about what
 * could not be forwarded (RFC 792, RFC 1812 4.3, RFC 1122 3.2.2).
 */
#ifndef TSUJI_ICMP_H
#define TSUJI_ICMP_H

#include "frame.h"
#include "port.h"
#include "stats.h"

/*
 * TO_LOCAL -> TO_FIB: an echo request turned into its reply in place (PACKET_OWN set, TTL
 * 64, source = the address that was asked); PUNTED: the kernel has that address too;
 * DROP_LOCAL_*, DROP_ICMP_*: it has not. With the kernel, fragments are its business.
 */
void icmp_local(const struct port_table *ports, const struct vector *v);

/*
 * Token buckets, one per destination (hashed): burst of 32, 16 more each second. Redirects
 * have their own: 2, and one more each second.
 */
struct icmp_limiter;
struct icmp_limiter *icmp_limiter_new(const uint8_t secret[16]); /* NULL: no memory */
void icmp_limiter_free(struct icmp_limiter *limiter);

/*
 * The ICMP error that cause->verdict asks for, as a new packet: TO_FIB, PACKET_ERROR and
 * PACKET_OWN set, source zero (ip4_rewrite fills in the address of the port it leaves by)
 * or, about a datagram that was for the router itself, that datagram's destination.
 * NULL when none is due: none is asked for, RFC 1812 4.3.2.7 forbids it, the limiter says
 * no, or the pool is empty; stats tell which, and count it as created. Quotes as much as
 * fits 576 bytes (4.3.2.3) and the MTU of the arrival port; precedence 6 (4.3.2.5) the way
 * Linux sets TOS, TTL 64. cause is not changed.
 */
struct packet *icmp_error(struct icmp_limiter *limiter, struct frame_pool *pool,
			  struct stats *stats, const struct port_table *ports,
			  const struct packet *cause, uint64_t now_ns);

/* The redirect (host, code 1) that cause earns, under the same rules; NULL when none. */
struct packet *icmp_redirect(struct icmp_limiter *limiter, struct frame_pool *pool,
			     struct stats *stats, const struct port_table *ports,
			     const struct packet *cause, uint64_t now_ns);

#endif
