/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * walk.h - a packet's walk through the rooms, as lines to read:
 *
 *   r0: 192.168.1.2 -> 192.168.0.2, ICMP echo request, TTL 64, 98 bytes
 *     eth      IPv4, from 02:00:00:00:01:02 to us
 *     ip4      valid, in transit
 *     fib      192.168.0.2 -> r1 (route 192.168.0.0/24, on link)
 *     neigh    192.168.0.2 is at 02:00:00:00:02:02
 *     rewrite  TTL 64 -> 63, 02:00:00:00:00:01 -> 02:00:00:00:02:02
 *     egress   r1, 98 bytes
 *     sent     handed to the transmit lane of its port
 *
 * and on a bridge:
 *
 *   r1: 192.168.10.2 -> 192.168.10.3, ICMP echo request, TTL 64, 98 bytes
 *     eth      IPv4, from 02:00:00:00:01:02 on a port of br0
 *     bridge   02:00:00:00:01:03 is on r2
 *     egress   r2, 98 bytes
 *     sent     handed to the transmit lane of its port
 *
 * and where there are rules of nat or filter:
 *
 *   r0: 10.0.0.2 -> 192.0.2.9, TCP 1234 -> 80, TTL 64, 74 bytes
 *     eth      IPv4, from 02:00:00:00:01:02 to us
 *     ip4      valid
 *     nat      its destination stays
 *     deliver  in transit
 *     fib      192.0.2.9 -> r1 (route 192.0.2.0/24, on link)
 *     filter   accepted
 *     nat-out  source 10.0.0.2:1234 -> 192.0.2.1:1234 (masquerade, rule 1)
 *     neigh    192.0.2.9 is at 02:00:00:00:02:02
 *     rewrite  translated, TTL 64 -> 63, 02:00:00:00:00:01 -> 02:00:00:00:02:02
 */
#ifndef TSUJI_WALK_H
#define TSUJI_WALK_H

#include "../dataplane/fib.h"
#include "../dataplane/port.h"
#include "../dataplane/rules.h"
#include "../dataplane/trace.h"

#include <jansson.h>

/* The tables that name what a walk only numbers. */
struct walk_tables {
	const struct port_table *ports;
	const struct fib *fib;
	const struct rules *rules; /* NULL: none */
};

/*
 * One walk as router_trace_collect() answers it. If tables were replaced since, a name may be
 * missing but none is invented.
 */
json_t *walk_row(const struct trace_walk *walk, const struct walk_tables *tables);

#endif
