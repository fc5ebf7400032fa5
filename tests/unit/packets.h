/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * packets.h - what tests of the packet path are made of: frames as bytes, and a small
 * router in memory to send them through.
 *
 * Frames are built from a sketch: what a test does not mention takes the usual value. The
 * checksums come from a loop of three lines here, not from dataplane/csum.c.
 */
#ifndef TSUJI_TEST_PACKETS_H
#define TSUJI_TEST_PACKETS_H

#include "../../dataplane/fib.h"
#include "../../dataplane/frame.h"
#include "../../dataplane/icmp.h"
#include "../../dataplane/port.h"
#include "../../dataplane/stats.h"

/* -- frames ----------------------------------------------------------------------- */

#define BYTES_MAX 4096

struct bytes {
	uint32_t len;
	uint8_t at[BYTES_MAX];
};

/* A datagram in an Ethernet frame; zero fields take the value in brackets. */
struct sketch {
	const char *to_mac;     /* "02:00:00:00:00:01" [the first port's] */
	const char *src, *dst;  /* addresses [192.168.1.2, 192.168.0.2] */
	uint8_t tos, ttl;       /* [0, 64] */
	uint8_t protocol;       /* [PROTO_UDP] */
	uint16_t id, fragment;  /* flags and offset as on the wire */
	const char *options;    /* hex; its length is a multiple of four [none] */
	uint16_t sport, dport;  /* UDP, TCP [1000, 2000] */
	uint8_t type, code;     /* ICMP */
	uint32_t rest;          /* ICMP: the second word */
	unsigned data_len;      /* bytes 0, 1, 2 ... behind the transport header */
	bool bare;              /* no transport header: data follows the IPv4 header */
};

struct bytes bytes_hex(const char *hex); /* blanks are skipped */
struct bytes bytes_of_sketch(const struct sketch *s);
#define datagram(...) bytes_of_sketch(&(struct sketch){__VA_ARGS__})
/* Corrects the header checksum after a test has changed the header. */
void bytes_fix_header(struct bytes *b);
static inline struct ip4_hdr *bytes_ip4(struct bytes *b) { return (struct ip4_hdr *)(b->at + 14); }

/* The one's complement sum of bytes, by the letter of RFC 1071, in host order. */
uint16_t naive_sum(const void *data, size_t len);
be32 address_of(const char *text);
struct mac mac_of(const char *text);

/* Fails the test with both in hex unless they are the same. */
void expect_bytes(const uint8_t *have, uint32_t have_len, const struct bytes *want);
void expect_packet(const struct packet *p, const struct bytes *want);

/* -- a router in memory ------------------------------------------------------------- */

#define LAB_PORTS 8
#define LAB_ADDRESSES 4
#define LAB_ROUTES 32
#define LAB_FRAMES 64

struct lab {
	struct frame_pool pool;
	struct port_table *ports;
	struct fib *fib;
	struct stats *stats;
	struct icmp_limiter *limiter;
	void *memory;
	struct port port[LAB_PORTS];
	struct port_address addresses[LAB_PORTS][LAB_ADDRESSES];
	struct fib_route routes[LAB_ROUTES];
	unsigned n_routes;
};

/*
 * A router from text: statements, each ended by ';'.
 *   port ADDRESS/LEN ... [mtu N] [down]   its MAC is 02:00:00:00:00:NN, NN from 01
 *   kernel ADDRESS PORT                   the kernel has that address, on that port
 *   route PREFIX/LEN via ADDRESS | blackhole | unreachable | prohibit
 * Connected subnets have their routes and broadcast addresses. MTU 1500; frames of 4 KiB.
 */
void lab_open(struct lab *lab, const char *text);
void lab_close(struct lab *lab);
/* The same as set-up, which makes lab the state, and teardown of cmocka. Both return 0. */
int lab_set_up(void **state, struct lab *lab, const char *text);
int lab_tear_down(void **state);

/* A frame of the pool with these bytes, just arrived on that port. */
struct packet *lab_arrive(struct lab *lab, uint16_t port, const struct bytes *b);
/* Takes it through the rooms to TO_EGRESS or its end; every next hop is 02:00:00:00:ff:01. */
enum verdict lab_walk(struct lab *lab, struct packet *p);
/* The error about p, taken to TO_EGRESS; NULL: there is none. */
struct packet *lab_error(struct lab *lab, const struct packet *p);

#endif
