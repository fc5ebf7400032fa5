/* SPDX-License-Identifier: BSD-2-Clause */
/* filter.h - the stateful filter: iptables' FORWARD chain, for what is routed through. */
#ifndef TSUJI_FILTER_H
#define TSUJI_FILTER_H

#include "port.h"
#include "rules.h"

/*
 * TO_FILTER -> TO_NAT_OUT (accepted), DROP_FILTER, or DROP_FILTER_REJECT (ICMP port
 * unreachable) and DROP_FILTER_RESET (a TCP segment: icmp.c's counterpart for RST is
 * filter_reset()). Matches decision.dst, the destination after dnat, and the original source;
 * p->state as room nat found it. Packets made here (PACKET_OWN) are accepted.
 */
void filter_forward(const struct port_table *ports, struct rules *rules, const struct vector *v);

/*
 * The RST that a rejected TCP segment earns (RFC 9293 3.5.2, nft's reject), as a new packet:
 * TO_FIB, PACKET_OWN and PACKET_ERROR set; NULL: about a RST, or no free frame. Its source
 * is the segment's destination.
 */
struct frame_pool;
struct stats;
struct packet *filter_reset(struct frame_pool *pool, struct stats *stats, const struct packet *cause);

#endif
