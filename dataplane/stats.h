/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stats.h - what is counted, and where. One worker writes a struct stats with count_add();
 * anyone reads it with load_shared(). Counters only grow; a port's are cleared when its
 * number is given to another interface.
 *
 * Conservation, checked by stats_balance():
 *   rx + created = sent + taken + punted + dropped + held now (+ with the turn)
 */
#ifndef TSUJI_STATS_H
#define TSUJI_STATS_H

#include "packet.h"

struct port_stats {
	uint64_t rx_packets, rx_bytes;
	uint64_t tx_packets, tx_bytes; /* taken by the lane */
	uint64_t tx_dropped;           /* did not fit the transmit ring, or the port was down */
	uint64_t rx_partial;           /* arrived with a partial checksum, completed by us */
	uint64_t tx_kicks;             /* system calls to transmit by the socket lane */
	uint64_t burst_calls, burst_packets, burst_errors; /* by the burst lane */
	uint64_t burst_slow;           /* of burst_calls: took more than 5 ms */
	uint64_t burst_lost;           /* of burst_packets: the far end's ring was full, or it has no NAPI */
	uint64_t flow_packets;         /* of tx_packets: repeated by the flow cache */
	uint64_t flow_lost;            /* of these: the far end's ring was full, or it has no NAPI */
	uint64_t gso_calls, gso_packets, gso_errors; /* by the GSO lane */
	uint64_t gso_large;            /* of gso_packets: large ones, which stand for several segments each */
	uint64_t gso_lost;             /* of gso_large and what was sent with them: the call failed */
	uint64_t tx_again, tx_busy, tx_nobufs, tx_netdown, tx_error; /* what they answered */
	uint64_t rx_ring_full, rx_fill_empty; /* lost before us, as the socket counts them */
	uint64_t rx_too_long;          /* lost before us, too: longer than a frame, or than the frames that were free */
	uint64_t ends[N_VERDICTS];     /* packets that arrived here, by the way they ended */
};

struct stats {
	struct port_stats port[PORT_MAX + 1]; /* the last: packets made here */
	uint64_t created;       /* ICMP errors, redirects, ARP of ours, fragments but the first */
	uint64_t icmp_errors;   /* ICMP errors and redirects made */
	uint64_t icmp_limited;  /* not made: the bucket of their destination was empty */
	uint64_t icmp_unfit;    /* not made: RFC 1812 4.3.2.7 forbids it, or no free frame */
	uint64_t arp_requests, arp_replies;
	uint64_t fragments;     /* made by us */
	uint64_t turns, sleeps;
};

static inline struct port_stats *stats_port(struct stats *s, uint16_t port)
{
	return &s->port[port < PORT_MAX ? port : PORT_MAX];
}

/* Sum of one end over all ports. */
uint64_t stats_end(const struct stats *s, enum verdict v);
/* rx + created - sent - taken - punted - dropped: the packets held or under way. */
int64_t stats_balance(const struct stats *s);

#endif
