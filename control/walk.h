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
 */
#ifndef TSUJI_WALK_H
#define TSUJI_WALK_H

#include "../dataplane/fib.h"
#include "../dataplane/port.h"
#include "../dataplane/trace.h"

#include <jansson.h>

/*
 * One walk as router_trace_collect() answers it. ports and fib name what the walk only
 * numbers; if they were replaced since, a name may be missing but none is invented.
 */
json_t *walk_row(const struct trace_walk *walk, const struct port_table *ports,
		 const struct fib *fib);

#endif
