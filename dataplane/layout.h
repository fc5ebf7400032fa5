/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * layout.h - where the parts of a frame lie whose contents nobody has looked into: bridged
 * frames, which checksums and segments are made for all the same.
 */
#ifndef TSUJI_LAYOUT_H
#define TSUJI_LAYOUT_H

#include "packet.h"

struct ip6_hdr { /* no room here speaks it */
	be32 version_class_flow;
	be16 payload_len;
	uint8_t next_header, hop_limit;
	uint8_t src[16], dst[16];
} wire_header;
static_assert(sizeof(struct ip6_hdr) == 40, "RFC 8200 3");

/* Places are from p->data on: headers in the first frame, everything inside the packet. */
struct layout {
	uint32_t header;     /* of IPv4 or IPv6; 0: no datagram */
	uint32_t start, end; /* of the datagram's payload, or of all behind the Ethernet header */
	uint32_t addresses;  /* source and destination, one behind the other; 0: no datagram */
	uint32_t addresses_len; /* of both */
	uint8_t protocol;
	bool fragment;
};

/* False: the packet is too short for what its headers say, or they say nonsense. */
bool layout_find(const struct packet *p, struct layout *l);

#endif
