/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * options.h - IPv4 options (RFC 791 3.1): checked, stamped, echoed, made fit for fragments.
 *
 * Linux's ip_options.c is the reference, the byte an error points at included. A header
 * here is an IPv4 header whose length field has been validated, at any address.
 */
#ifndef TSUJI_OPTIONS_H
#define TSUJI_OPTIONS_H

#include "port.h"

#define OPTIONS_MAX 40 /* bytes of options that a header has room for */

/* What was found in a header; offsets count from its first byte, 0: not there. */
struct options {
	uint8_t record_route; /* offset of the record route option */
	uint8_t timestamp;    /* of the timestamp option */
	uint8_t source_route; /* of a loose or strict source route */
	uint8_t end;	      /* of the first byte behind an end-of-list */
	uint8_t bad;	      /* of the byte that is wrong */
};

/* Checks the options of h. False: one is malformed; bad says where, the rest what came before it.
 */
bool options_check(const struct ip4_hdr *h, struct options *found);

enum options_moment {
	OPTIONS_PASSING, /* forwarded, or received: what finds no room is counted as overflow */
	OPTIONS_LEAVING, /* sent once more by the router that received it */
};
/*
 * Writes this router's entries: route into a record route option, address and the time into
 * a timestamp option as its flags ask (RFC 791 3.1, RFC 1812 5.3.13.5 and .6), and zeroes
 * what follows an end-of-list. True if a byte changed: the header checksum is the caller's.
 */
bool options_stamp(const struct port_table *ports, struct ip4_hdr *h, const struct options *found,
		   be32 route, be32 address, enum options_moment moment);

/*
 * The options that an answer to h carries: record route and timestamp as they arrived,
 * nothing else (RFC 1122 3.2.2.6). Returns their length, a multiple of four, or -1 where
 * Linux sends no answer: an option with a part of an entry left over at its end.
 */
int options_echo(const struct port_table *ports, const struct ip4_hdr *h,
		 const struct options *found, uint8_t out[OPTIONS_MAX]);

/* Replaces by no-operation what only the first fragment carries: RFC 791 3.1, the copied flag. */
void options_fragment(struct ip4_hdr *h);

#endif
