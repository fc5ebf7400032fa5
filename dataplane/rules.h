/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rules.h - the nat: and filter: rules of the router file, as one published table.
 *
 * Control builds a struct rules, publishes it (epoch.h) and frees the old one after a
 * grace period; to workers it is constant but for the counters. Where there are no rules
 * at all the pointer is NULL and no session is kept.
 */
#ifndef TSUJI_RULES_H
#define TSUJI_RULES_H

#include "session.h"

struct rule_prefix {
	be32 address;
	uint8_t len; /* 0: any */
};

struct rule_ports { /* both zero: any */
	uint16_t first, last;
};

enum nat_action { NAT_MASQUERADE, NAT_SNAT, NAT_DNAT };
enum nat_filtering { FILTERING_ADDRESS_PORT, FILTERING_ADDRESS, FILTERING_INDEPENDENT };

/* Source rules (masquerade, snat) choose by out and from; dnat by in and to: in the file's order, the first match wins. */
struct nat_rule {
	enum nat_action action;
	uint16_t out;              /* source rules: the port or leg it leaves by */
	uint16_t in;               /* dnat: the port whose addresses are meant, from wherever the packet comes (hairpin) */
	struct rule_prefix from;   /* source rules: the original source */
	struct rule_prefix match;  /* dnat: the destination, if `address:` is given; len 0: any address of `in` */
	uint8_t protocol;          /* 0: any */
	struct rule_ports ports;   /* dnat: destination ports */
	be32 to_first, to_last;    /* the new address, or range; masquerade: zero, the out port's own */
	struct rule_ports to_ports; /* the new ports; zero: as they were (dnat), any free one (source rules) */
	bool per_remote;           /* `mapping: address-and-port-dependent` */
	enum nat_filtering filtering;
	uint64_t hits;             /* sessions opened by it; written by the worker */
};

enum filter_action { FILTER_ACCEPT, FILTER_DROP, FILTER_REJECT };
enum filter_state { /* a set */
	STATE_IS_NEW = 1 << 0,
	STATE_IS_ESTABLISHED = 1 << 1,
	STATE_IS_RELATED = 1 << 2, /* an ICMP error about a session */
	STATE_IS_INVALID = 1 << 3, /* belongs to nothing and opens nothing */
};

/* Of routed transit, after dnat and before source translation; the first match wins, none: accepted. */
struct filter_rule {
	enum filter_action action;
	uint8_t states;            /* enum filter_state; 0: any */
	uint16_t in, out;          /* PORT_NONE: any */
	struct rule_prefix from, to;
	uint8_t protocol;          /* 0: any */
	struct rule_ports sports, dports;
	int16_t icmp_type;         /* -1: any */
	uint64_t packets, bytes;   /* written by the worker */
};

struct rules {
	struct nat_rule *nat;
	unsigned n_nat;
	struct filter_rule *filter;
	unsigned n_filter;
	/* Ports of the router's own addresses that no mapping may take: forwarded ones, and those of the kernel's sockets; TCP, UDP, ICMP. */
	uint64_t *taken[3]; /* 65,536 bits each, or NULL */
};

#endif
