/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire.h - what lies on the wire: byte order as types, and the headers of Ethernet,
 * ARP (RFC 826), IPv4 (RFC 791), ICMP (RFC 792), UDP (RFC 768) and TCP (RFC 9293).
 *
 * A be16 or be32 holds the bytes as they were received; arithmetic needs be16_host() or
 * be32_host(), and mixing the two is a compile error. Headers are packed, have no
 * bit-fields, and may lie at any address.
 */
#ifndef TSUJI_WIRE_H
#define TSUJI_WIRE_H

#include "base.h"

#include <string.h>

typedef struct {
	uint16_t raw;
} be16;
typedef struct {
	uint32_t raw;
} be32;

static inline be16 be16_from(uint16_t host) { return (be16){__builtin_bswap16(host)}; }
static inline be32 be32_from(uint32_t host) { return (be32){__builtin_bswap32(host)}; }
static inline uint16_t be16_host(be16 v) { return __builtin_bswap16(v.raw); }
static inline uint32_t be32_host(be32 v) { return __builtin_bswap32(v.raw); }
static inline bool be16_equal(be16 a, be16 b) { return a.raw == b.raw; }
static inline bool be32_equal(be32 a, be32 b) { return a.raw == b.raw; }
static inline bool be32_is_zero(be32 a) { return a.raw == 0; }
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "be16_from and be32_from swap");

#define wire_header __attribute__((packed))

/* The mask of an IPv4 prefix length, 0 to 32. */
static inline be32 ip4_mask(unsigned prefix_len)
{
	return be32_from(prefix_len ? ~0u << (32 - prefix_len) : 0);
}
static inline bool ip4_in_prefix(be32 address, be32 prefix, unsigned prefix_len)
{
	return ((address.raw ^ prefix.raw) & ip4_mask(prefix_len).raw) == 0;
}

struct mac {
	uint8_t b[6];
};
static inline bool mac_equal(struct mac a, struct mac b) { return memcmp(a.b, b.b, 6) == 0; }
static inline bool mac_is_group(struct mac m) { return m.b[0] & 1; }
static inline bool mac_is_zero(struct mac m) { return mac_equal(m, (struct mac){{0}}); }
static inline bool mac_is_broadcast(struct mac m)
{
	return mac_equal(m, (struct mac){{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}});
}

enum { ETH_IPV4 = 0x0800, ETH_ARP = 0x0806, ETH_VLAN = 0x8100, ETH_IPV6 = 0x86dd };

struct eth_hdr {
	struct mac dst, src;
	be16 type;
} wire_header;
static_assert(sizeof(struct eth_hdr) == 14, "IEEE 802.3 3.1.1");

enum { ARP_ETHERNET = 1, ARP_REQUEST = 1, ARP_REPLY = 2 };

struct arp_hdr {
	be16 hardware; /* ARP_ETHERNET */
	be16 protocol; /* ETH_IPV4 */
	uint8_t hardware_len, protocol_len;
	be16 operation;
	struct mac sender_mac;
	be32 sender;
	struct mac target_mac;
	be32 target;
} wire_header;
static_assert(sizeof(struct arp_hdr) == 28, "RFC 826");

enum { IP4_DF = 0x4000, IP4_MF = 0x2000, IP4_OFFSET = 0x1fff };
enum { PROTO_ICMP = 1, PROTO_TCP = 6, PROTO_UDP = 17 };

struct ip4_hdr {
	uint8_t version_ihl;
	uint8_t tos;
	be16 total_len;
	be16 id;
	be16 fragment; /* IP4_DF, IP4_MF, and the offset in units of eight bytes */
	uint8_t ttl;
	uint8_t protocol;
	be16 checksum;
	be32 src, dst;
} wire_header;
static_assert(sizeof(struct ip4_hdr) == 20, "RFC 791 3.1");

static inline unsigned ip4_version(const struct ip4_hdr *h) { return h->version_ihl >> 4; }
static inline unsigned ip4_header_len(const struct ip4_hdr *h) { return (h->version_ihl & 15) * 4u; }
static inline unsigned ip4_offset(const struct ip4_hdr *h) /* in bytes */
{
	return (be16_host(h->fragment) & IP4_OFFSET) * 8u;
}
static inline bool ip4_is_fragment(const struct ip4_hdr *h)
{
	return be16_host(h->fragment) & (IP4_MF | IP4_OFFSET);
}

enum {
	ICMP_ECHO_REPLY = 0,
	ICMP_UNREACHABLE = 3,
	ICMP_SOURCE_QUENCH = 4,
	ICMP_REDIRECT = 5,
	ICMP_ECHO = 8,
	ICMP_TIME_EXCEEDED = 11,
	ICMP_PARAMETER = 12,
};
enum { /* codes of ICMP_UNREACHABLE: RFC 792, RFC 1812 5.2.7.1 */
	ICMP_NET = 0,
	ICMP_HOST = 1,
	ICMP_PROTOCOL = 2,
	ICMP_PORT = 3,
	ICMP_FRAG_NEEDED = 4,
	ICMP_PROHIBITED = 13,
};

struct icmp_hdr {
	uint8_t type, code;
	be16 checksum;
	be32 rest; /* identifier and sequence; or gateway; or pointer; or next-hop MTU */
} wire_header;
static_assert(sizeof(struct icmp_hdr) == 8, "RFC 792");

struct udp_hdr {
	be16 sport, dport, len, checksum;
} wire_header;
static_assert(sizeof(struct udp_hdr) == 8, "RFC 768");

struct tcp_hdr {
	be16 sport, dport;
	be32 seq, ack;
	uint8_t data_offset; /* upper four bits: header length in words */
	uint8_t flags;
	be16 window, checksum, urgent;
} wire_header;
static_assert(sizeof(struct tcp_hdr) == 20, "RFC 9293 3.1");

#endif
