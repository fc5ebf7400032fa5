/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * verdict.h - every place a packet can go next, and every way it can end, in one table.
 *
 * A room sets packet->verdict. A *door* (TO_...) names the room that sees the packet
 * next; an *end* says it has left the pipeline. Each packet ends exactly once, and ends
 * are counted per arrival port. The names are the same in counters, traces, JSON, the
 * README and the tests.
 *
 * A drop can ask for an ICMP error: the type and code stand in its row, -1 where none is
 * sent. pipeline.c asks room icmp for it; no room calls another.
 */
#ifndef TSUJI_VERDICT_H
#define TSUJI_VERDICT_H

#include "base.h"
#include "wire.h"

/* DOOR(id, name, text) */
#define VERDICT_DOORS(DOOR)                                                              \
	DOOR(TO_ETH, "eth", "just arrived")                                              \
	DOOR(TO_BRIDGE, "bridge", "came in on a port of a bridge")                       \
	DOOR(TO_ARP, "arp", "an ARP packet")                                             \
	DOOR(TO_IP4, "ip4", "an IPv4 datagram for our MAC")                              \
	DOOR(TO_NAT, "nat", "may belong to a session, or be meant for someone inside")    \
	DOOR(TO_DELIVER, "deliver", "its real destination is known")                     \
	DOOR(TO_LOCAL, "local", "an IPv4 datagram for an address of the router")         \
	DOOR(TO_FIB, "fib", "wants a route")                                             \
	DOOR(TO_FILTER, "filter", "routed; the rules decide whether it may")             \
	DOOR(TO_NAT_OUT, "nat-out", "may leave under another source address")            \
	DOOR(TO_NEIGH, "neigh", "wants the link-layer address of its next hop")          \
	DOOR(TO_REWRITE, "rewrite", "decided; its bytes change now")                     \
	DOOR(TO_EGRESS, "egress", "ready to leave by its port")

/* END(id, name, text): ends that are no loss. */
#define VERDICT_ENDS(END)                                                                \
	END(SENT, "sent", "handed to the transmit lane of its port")                     \
	END(PUNTED, "punted", "handed to the kernel's own stack")                        \
	END(HELD, "held", "waits for its next hop's link-layer address")                 \
	END(TAKEN, "taken", "read and used up by the router itself")

/* DROP(id, name, icmp type or -1, icmp code, text) */
#define VERDICT_DROPS(DROP)                                                              \
	DROP(DROP_ETH_SHORT, "eth-short", -1, 0, "shorter than an Ethernet header")      \
	DROP(DROP_ETH_NOT_OURS, "eth-not-ours", -1, 0, "addressed to another station's MAC") \
	DROP(DROP_GSO, "gso", -1, 0, "left for hardware to cut (GSO), in a way not known here")  \
	DROP(DROP_BRIDGE_SOURCE, "bridge-source", -1, 0, "its source MAC is zero, a group, or the router's own") \
	DROP(DROP_BRIDGE_RESERVED, "bridge-reserved", -1, 0, "addressed to 01:80:c2:00:00:0x, which no bridge forwards") \
	DROP(DROP_BRIDGE_SAME_PORT, "bridge-same-port", -1, 0, "its destination is behind the port it came from") \
	DROP(DROP_BRIDGE_ISOLATED, "bridge-isolated", -1, 0, "from one isolated port to another") \
	DROP(DROP_BRIDGE_LOOP, "bridge-loop", -1, 0, "came in on a port that loop guard has blocked") \
	DROP(DROP_BRIDGE_NO_PORT, "bridge-no-port", -1, 0, "no other port of the bridge takes it") \
	DROP(DROP_BRIDGE_LOCAL, "bridge-local", -1, 0, "for the bridge itself, which has no use for it") \
	DROP(DROP_BRIDGE_MTU, "bridge-mtu", -1, 0, "longer than the MTU of the port it should leave by") \
	DROP(DROP_ARP_SHORT, "arp-short", -1, 0, "ARP packet cut short")                 \
	DROP(DROP_ARP_FORMAT, "arp-format", -1, 0, "ARP for other hardware or protocol") \
	DROP(DROP_ARP_OPERATION, "arp-operation", -1, 0, "ARP operation neither request nor reply") \
	DROP(DROP_ARP_SENDER, "arp-sender", -1, 0, "ARP sender is a group, the router itself, or a stranger to the port's subnets") \
	DROP(DROP_ARP_NOT_OURS, "arp-not-ours", -1, 0, "ARP for an address that is not this port's") \
	DROP(DROP_ARP_CONFLICT, "arp-conflict", -1, 0, "another station claims our address; defended") \
	DROP(DROP_IP4_SHORT, "ip4-short", -1, 0, "too short for an IPv4 header")         \
	DROP(DROP_IP4_VERSION, "ip4-version", -1, 0, "IP version is not 4")              \
	DROP(DROP_IP4_IHL, "ip4-ihl", -1, 0, "IPv4 header length under 20 or past the datagram") \
	DROP(DROP_IP4_LENGTH, "ip4-length", -1, 0, "IPv4 total length past the frame")   \
	DROP(DROP_IP4_CHECKSUM, "ip4-checksum", -1, 0, "IPv4 header checksum is wrong")  \
	DROP(DROP_IP4_OPTIONS, "ip4-options", ICMP_PARAMETER, 0, "malformed IPv4 option") \
	DROP(DROP_IP4_SOURCE_ROUTE, "ip4-source-route", -1, 0, "source-routed, which is refused") \
	DROP(DROP_IP4_MARTIAN_SOURCE, "ip4-martian-source", -1, 0, "source address that no host may use") \
	DROP(DROP_IP4_OWN_SOURCE, "ip4-own-source", -1, 0, "source is an address of the router") \
	DROP(DROP_IP4_MARTIAN_DESTINATION, "ip4-martian-destination", -1, 0, "destination 0/8, 127/8 or 240/4") \
	DROP(DROP_IP4_MULTICAST, "ip4-multicast", -1, 0, "multicast is not forwarded")   \
	DROP(DROP_IP4_LINK_BROADCAST, "ip4-link-broadcast", -1, 0, "unicast datagram in a link-layer broadcast") \
	DROP(DROP_IP4_BROADCAST, "ip4-broadcast", -1, 0, "broadcast that nobody here takes, or a directed one") \
	DROP(DROP_IP4_TTL, "ip4-ttl", ICMP_TIME_EXCEEDED, 0, "time to live used up here") \
	DROP(DROP_IP4_NO_ROUTE, "ip4-no-route", ICMP_UNREACHABLE, ICMP_NET, "no route to the destination") \
	DROP(DROP_IP4_BLACKHOLE, "ip4-blackhole", -1, 0, "blackhole route")              \
	DROP(DROP_IP4_UNREACHABLE, "ip4-unreachable", ICMP_UNREACHABLE, ICMP_HOST, "unreachable route") \
	DROP(DROP_IP4_PROHIBIT, "ip4-prohibit", ICMP_UNREACHABLE, ICMP_PROHIBITED, "prohibit route") \
	DROP(DROP_IP4_MTU, "ip4-mtu", ICMP_UNREACHABLE, ICMP_FRAG_NEEDED, "larger than the next hop's MTU, and DF is set") \
	DROP(DROP_NAT_UNSOLICITED, "nat-unsolicited", -1, 0, "came in for a translated address, and no session expects it") \
	DROP(DROP_NAT_INVALID, "nat-invalid", -1, 0, "must be translated and cannot be: no session, and not one that opens one") \
	DROP(DROP_NAT_ERROR, "nat-error", -1, 0, "ICMP error about no session of ours")   \
	DROP(DROP_NAT_FRAGMENT, "nat-fragment", -1, 0, "fragment whose first one was not seen") \
	DROP(DROP_NAT_POOL, "nat-pool", ICMP_UNREACHABLE, ICMP_PROHIBITED, "no outside port is free for it") \
	DROP(DROP_NAT_FULL, "nat-full", ICMP_UNREACHABLE, ICMP_PROHIBITED, "session table, or its host's share of it, is full") \
	DROP(DROP_FILTER, "filter-drop", -1, 0, "a filter rule drops it")                       \
	DROP(DROP_FILTER_REJECT, "filter-reject", ICMP_UNREACHABLE, ICMP_PORT, "a filter rule rejects it") \
	DROP(DROP_FILTER_RESET, "filter-reset", -1, 0, "a filter rule rejects it: TCP, answered by RST") \
	DROP(DROP_LOCAL_FRAGMENT, "local-fragment", -1, 0, "fragment for the router itself, and the kernel does not have the address") \
	DROP(DROP_LOCAL_UDP, "local-udp", -1, 0, "UDP for the router itself, with a wrong length or checksum") \
	DROP(DROP_LOCAL_PROTOCOL, "local-protocol", ICMP_UNREACHABLE, ICMP_PROTOCOL, "protocol the router itself does not speak") \
	DROP(DROP_LOCAL_PORT, "local-port", ICMP_UNREACHABLE, ICMP_PORT, "UDP port the router itself does not serve") \
	DROP(DROP_ICMP_SHORT, "icmp-short", -1, 0, "ICMP message cut short")             \
	DROP(DROP_ICMP_CHECKSUM, "icmp-checksum", -1, 0, "ICMP checksum is wrong")       \
	DROP(DROP_ICMP_TYPE, "icmp-type", -1, 0, "ICMP message the router itself has no use for") \
	DROP(DROP_NEIGH_FAILED, "neigh-failed", ICMP_UNREACHABLE, ICMP_HOST, "next hop did not answer ARP") \
	DROP(DROP_NEIGH_QUEUE, "neigh-queue", -1, 0, "too many packets wait for this next hop") \
	DROP(DROP_NEIGH_TABLE, "neigh-table", -1, 0, "neighbour table is full")          \
	DROP(DROP_FRAMES, "frames", -1, 0, "no free frame for a fragment or segment")               \
	DROP(DROP_FRAME_SIZE, "frame-size", -1, 0, "too large for the frames of the pool, or for its port's lane") \
	DROP(DROP_PORT_DOWN, "port-down", -1, 0, "its outgoing port is down or gone")    \
	DROP(DROP_TX_FULL, "tx-full", -1, 0, "transmit ring of its port is full")        \
	DROP(DROP_PUNT_RATE, "punt-rate", -1, 0, "its port has given the kernel as many a second as lanes.punt-rate allows") \
	DROP(DROP_PUNT, "punt-refused", -1, 0, "the kernel did not take it")

#define VERDICT_ID(id, ...) id,
enum verdict {
	VERDICT_DOORS(VERDICT_ID)
	VERDICT_ENDS(VERDICT_ID)
	VERDICT_DROPS(VERDICT_ID)
	N_VERDICTS
};
#undef VERDICT_ID
static_assert(N_VERDICTS <= 256, "a verdict fits a byte");

static inline bool verdict_is_door(enum verdict v) { return v < SENT; }
static inline bool verdict_is_drop(enum verdict v) { return v >= DROP_ETH_SHORT; }

/* The short name ("ip4-ttl"), the sentence, both static. Any v < N_VERDICTS. */
const char *verdict_name(enum verdict v);
const char *verdict_text(enum verdict v);
/* The ICMP error a drop asks for: its type, or -1; the code in *code. */
int verdict_icmp(enum verdict v, uint8_t *code);

#endif
