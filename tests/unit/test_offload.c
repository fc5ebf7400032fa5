/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_offload - partial checksums. Each test starts from a whole frame with the right
 * checksum in it, computed here byte pair by byte pair; it is opened as a sender's kernel
 * would, and offload_complete() must give back the very same bytes, or leave all alone.
 */
#include "../../dataplane/offload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
	ETH_LEN = sizeof(struct eth_hdr),
	L4_AT = ETH_LEN + sizeof(struct ip4_hdr),
	ROOM = 2048,
	TCP_FIELD = offsetof(struct tcp_hdr, checksum),
	UDP_FIELD = offsetof(struct udp_hdr, checksum),
	PROTO_GRE = 47,
	PROTO_SCTP = 132,
	IP6_LEN = 40,
	TAG_LEN = 4,
	ETH_VLAN_AD = 0x88a8,
};

/* A frame in the making: what was built, and the packet in whose buffer it is tried. */
struct sample {
	uint8_t whole[ROOM]; /* with the finished checksum */
	uint8_t bytes[ROOM];
	struct packet p;
	uint32_t ip_at, l4_at, field_at; /* from the frame's start */
};

static uint32_t naive_sum(uint32_t sum, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

/* Folded sum of the pseudo-header of the datagram in frame, laid out as s is, in host order. */
static uint16_t naive_pseudo(const struct sample *s, const uint8_t *frame)
{
	const uint8_t *ip = frame + s->ip_at;
	bool is_ip6 = ip[0] >> 4 == 6;
	uint32_t len = is_ip6 ? (uint32_t)(ip[4] << 8 | ip[5])
			      : (uint32_t)(ip[2] << 8 | ip[3]) - (s->l4_at - s->ip_at);
	uint8_t tail[4] = {0, is_ip6 ? ip[6] : ip[9], (uint8_t)(len >> 8), (uint8_t)len};
	uint32_t sum = is_ip6 ? naive_sum(0, ip + 8, 32) : naive_sum(0, ip + 12, 8);
	return (uint16_t)naive_sum(sum, tail, sizeof(tail));
}

static void put16(uint8_t *at, uint16_t host)
{
	at[0] = (uint8_t)(host >> 8);
	at[1] = (uint8_t)host;
}

/* l4_len bytes that all differ, where the transport header and its payload stand. */
static void fill_transport(struct sample *s, uint8_t protocol, uint32_t l4_len)
{
	for (uint32_t i = 0; i < l4_len; i++)
		s->whole[s->l4_at + i] = (uint8_t)(i * 37 + l4_len);
	if (protocol == PROTO_UDP)
		put16(s->whole + s->l4_at + offsetof(struct udp_hdr, len), (uint16_t)l4_len);
	put16(s->whole + s->field_at, 0);
	s->p = (struct packet){.data = s->bytes, .len = s->l4_at + l4_len};
}

/* An IPv4 datagram with payload_len bytes behind header_len bytes of transport header. */
static void build(struct sample *s, uint8_t protocol, uint32_t header_len, uint32_t field,
		  uint32_t payload_len, uint32_t options_len)
{
	memset(s, 0, sizeof(*s));
	s->ip_at = ETH_LEN;
	s->l4_at = L4_AT + options_len;
	s->field_at = s->l4_at + field;
	uint32_t l4_len = header_len + payload_len;
	struct eth_hdr eth = {.dst = {{2, 0, 0, 0, 1, 1}},
			      .src = {{2, 0, 0, 0, 1, 2}},
			      .type = be16_from(ETH_IPV4)};
	struct ip4_hdr ip = {
		.version_ihl = (uint8_t)(0x45 + options_len / 4),
		.total_len = be16_from((uint16_t)(sizeof(ip) + options_len + l4_len)),
		.ttl = 64,
		.protocol = protocol,
		.src = be32_from(0xc0a80102),
		.dst = be32_from(0xc0a80002),
	};
	memcpy(s->whole, &eth, sizeof(eth));
	memcpy(s->whole + ETH_LEN, &ip, sizeof(ip));
	memset(s->whole + L4_AT, 1, options_len); /* no operation */
	fill_transport(s, protocol, l4_len);
}

/* The same behind an IPv6 header. */
static void build6(struct sample *s, uint8_t protocol, uint32_t header_len, uint32_t field,
		   uint32_t payload_len)
{
	memset(s, 0, sizeof(*s));
	s->ip_at = ETH_LEN;
	s->l4_at = ETH_LEN + IP6_LEN;
	s->field_at = s->l4_at + field;
	uint32_t l4_len = header_len + payload_len;
	uint8_t *ip = s->whole + ETH_LEN;
	memcpy(s->whole, "\x02\0\0\0\1\1\x02\0\0\0\1\2\x86\xdd", ETH_LEN);
	put16(ip, 0x6012); /* a traffic class and a flow label, which do not count */
	put16(ip + 2, 0x3456);
	put16(ip + 4, (uint16_t)l4_len);
	ip[6] = protocol;
	ip[7] = 64;
	for (uint32_t i = 0; i < 32; i++)
		ip[8 + i] = (uint8_t)(0xfe - i * 7);
	fill_transport(s, protocol, l4_len);
}

/* Puts a VLAN tag in front of what is behind the MACs. */
static void add_tag(struct sample *s, uint16_t type, uint16_t control)
{
	memmove(s->whole + 12 + TAG_LEN, s->whole + 12, ROOM - 12 - TAG_LEN);
	put16(s->whole + 12, type);
	put16(s->whole + 14, control);
	s->ip_at += TAG_LEN;
	s->l4_at += TAG_LEN;
	s->field_at += TAG_LEN;
	s->p.len += TAG_LEN;
}

/* Writes the finished checksum into whole; s->p.len must be the datagram's end. */
static void seal(struct sample *s)
{
	put16(s->whole + s->field_at, 0);
	uint32_t sum = naive_pseudo(s, s->whole);
	sum = naive_sum(sum, s->whole + s->l4_at, s->p.len - s->l4_at);
	bool is_udp = s->field_at - s->l4_at == UDP_FIELD;
	put16(s->whole + s->field_at, is_udp && sum == 0xffff ? 0xffff : (uint16_t)~sum);
}

static void build_tcp(struct sample *s, uint32_t payload_len)
{
	build(s, PROTO_TCP, sizeof(struct tcp_hdr), TCP_FIELD, payload_len, 0);
	seal(s);
}

static void build_udp(struct sample *s, uint32_t payload_len)
{
	build(s, PROTO_UDP, sizeof(struct udp_hdr), UDP_FIELD, payload_len, 0);
	seal(s);
}

static void build6_tcp(struct sample *s, uint32_t payload_len)
{
	build6(s, PROTO_TCP, sizeof(struct tcp_hdr), TCP_FIELD, payload_len);
	seal(s);
}

static void build6_udp(struct sample *s, uint32_t payload_len)
{
	build6(s, PROTO_UDP, sizeof(struct udp_hdr), UDP_FIELD, payload_len);
	seal(s);
}

static void (*const builders[])(struct sample *s, uint32_t payload_len) = {
	build_tcp,
	build_udp,
	build6_tcp,
	build6_udp,
};

/* The frame as its sender's kernel lets it go: only the pseudo-header is in the field. */
static void open_up(struct sample *s, uint8_t flag)
{
	memcpy(s->bytes, s->whole, sizeof(s->bytes));
	put16(s->bytes + s->field_at, naive_pseudo(s, s->whole));
	s->p.flags = flag | PACKET_LINK_GROUP;
	s->p.csum_start = (uint16_t)s->l4_at;
	s->p.csum_offset = (uint16_t)(s->field_at - s->l4_at);
}

static void expect_completed(struct sample *s)
{
	assert_true(offload_complete(&s->p));
	assert_memory_equal(s->bytes, s->whole, sizeof(s->bytes));
	assert_int_equal(s->p.flags, PACKET_LINK_GROUP);
}

static void expect_untouched(struct sample *s)
{
	uint8_t before[ROOM];
	memcpy(before, s->bytes, sizeof(before));
	assert_false(offload_complete(&s->p));
	assert_memory_equal(s->bytes, before, sizeof(before));
	assert_int_equal(s->p.flags & (PACKET_PARTIAL | PACKET_UNKNOWN), 0);
}

static const uint8_t modes[] = {PACKET_PARTIAL, PACKET_UNKNOWN};

static void offload_tcp_and_udp_of_every_length_are_completed(void **state)
{
	(void)state;
	static struct sample s;
	for (unsigned mode = 0; mode < ARRAY_SIZE(modes); mode++) {
		for (unsigned b = 0; b < ARRAY_SIZE(builders); b++) {
			for (uint32_t len = 0; len < 140; len++) {
				builders[b](&s, len);
				open_up(&s, modes[mode]);
				expect_completed(&s);
			}
			builders[b](&s, 1440);
			open_up(&s, modes[mode]);
			expect_completed(&s);
			builders[b](&s, 1439);
			open_up(&s, modes[mode]);
			expect_completed(&s);
		}
	}
}

static const struct {
	uint16_t outer, inner; /* 0: none */
} taggings[] = {{0, ETH_VLAN}, {0, ETH_VLAN_AD}, {ETH_VLAN, ETH_VLAN}, {ETH_VLAN_AD, ETH_VLAN}};

static void add_tags(struct sample *s, unsigned tagging)
{
	add_tag(s, taggings[tagging].inner, 0x6064);
	if (taggings[tagging].outer)
		add_tag(s, taggings[tagging].outer, 0x0fff);
}

static void offload_tagged_tcp_and_udp_are_completed(void **state)
{
	(void)state;
	static struct sample s;
	for (unsigned mode = 0; mode < ARRAY_SIZE(modes); mode++) {
		for (unsigned i = 0; i < ARRAY_SIZE(taggings) * ARRAY_SIZE(builders); i++) {
			for (uint32_t len = 0; len < 20; len++) {
				builders[i % ARRAY_SIZE(builders)](&s, len);
				add_tags(&s, i / ARRAY_SIZE(builders));
				open_up(&s, modes[mode]);
				s.p.len += 7; /* padding, which does not count */
				expect_completed(&s);
			}
		}
	}
}

static void offload_behind_three_tags_only_the_mark_is_obeyed(void **state)
{
	(void)state;
	static struct sample s;
	for (unsigned b = 0; b < ARRAY_SIZE(builders); b++) {
		builders[b](&s, 33);
		for (unsigned i = 0; i < 3; i++)
			add_tag(&s, ETH_VLAN, 5);
		open_up(&s, PACKET_UNKNOWN);
		expect_untouched(&s);
		open_up(&s, PACKET_PARTIAL);
		expect_completed(&s);
	}
}

static void offload_padding_behind_the_datagram_does_not_count(void **state)
{
	(void)state;
	static struct sample s;
	for (unsigned mode = 0; mode < ARRAY_SIZE(modes); mode++) {
		for (uint32_t len = 0; len < 18; len++) {
			build_udp(&s, len);
			memset(s.whole + s.p.len, 0xa5, 60 - s.p.len);
			s.p.len = 60;
			open_up(&s, modes[mode]);
			expect_completed(&s);
			build6_udp(&s, len);
			memset(s.whole + s.p.len, 0xa5, 100 - s.p.len);
			s.p.len = 100;
			open_up(&s, modes[mode]);
			expect_completed(&s);
		}
	}
}

static void offload_header_options_are_not_part_of_the_sum(void **state)
{
	(void)state;
	static struct sample s;
	for (unsigned mode = 0; mode < ARRAY_SIZE(modes); mode++) {
		for (uint32_t options_len = 4; options_len <= 40; options_len += 4) {
			build(&s, PROTO_TCP, sizeof(struct tcp_hdr), TCP_FIELD, 33, options_len);
			seal(&s);
			open_up(&s, modes[mode]);
			expect_completed(&s);
		}
	}
}

/* Makes the finished field the one wanted by the choice of two bytes at balance. */
static void balance_field(struct sample *s, uint32_t balance, uint16_t wanted)
{
	put16(s->whole + balance, 0);
	put16(s->whole + s->field_at, 0);
	uint32_t sum = naive_pseudo(s, s->whole);
	sum = naive_sum(sum, s->whole + s->l4_at, s->p.len - s->l4_at);
	sum = (uint32_t)(uint16_t)~wanted + (uint16_t)~sum;
	put16(s->whole + balance, (uint16_t)((sum & 0xffff) + (sum >> 16)));
	seal(s);
}

static void offload_udp_result_of_zero_is_sent_as_all_ones(void **state)
{
	(void)state;
	static struct sample s;
	for (unsigned i = 0; i < 2 * ARRAY_SIZE(modes); i++) {
		(i % 2 ? build6_udp : build_udp)(&s, 10);
		balance_field(&s, s.l4_at + sizeof(struct udp_hdr), 0);
		assert_int_equal(s.whole[s.field_at] << 8 | s.whole[s.field_at + 1], 0xffff);
		open_up(&s, modes[i / 2]);
		expect_completed(&s);
	}
}

static void offload_tcp_result_of_zero_stays_zero(void **state)
{
	(void)state;
	static struct sample s;
	for (unsigned i = 0; i < 2 * ARRAY_SIZE(modes); i++) {
		(i % 2 ? build6_tcp : build_tcp)(&s, 10);
		balance_field(&s, s.l4_at + sizeof(struct tcp_hdr), 0);
		assert_int_equal(s.whole[s.field_at] << 8 | s.whole[s.field_at + 1], 0);
		open_up(&s, modes[i / 2]);
		expect_completed(&s);
	}
}

static void offload_unmarked_finished_or_corrupt_packet_is_left_alone(void **state)
{
	(void)state;
	static struct sample s;
	for (uint32_t i = 0; i < 2 * (sizeof(struct tcp_hdr) + 40); i++) {
		(i % 2 ? build6_tcp : build_tcp)(&s, 40);
		uint32_t at = s.l4_at + i / 2;
		open_up(&s, PACKET_UNKNOWN);
		memcpy(s.bytes, s.whole, sizeof(s.bytes));
		expect_untouched(&s);
		s.bytes[at] ^= 0x10; /* on its way something broke */
		s.p.flags = PACKET_UNKNOWN;
		expect_untouched(&s);
		s.p.flags = 0;
		expect_untouched(&s);
	}
}

static void offload_corrupt_marked_packet_stays_corrupt(void **state)
{
	(void)state;
	static struct sample s;
	/* The mark is obeyed, but an address that broke is still missing in the sum. */
	build_tcp(&s, 40);
	open_up(&s, PACKET_PARTIAL);
	s.bytes[ETH_LEN + 15] ^= 1;
	assert_true(offload_complete(&s.p));
	uint32_t sum = naive_pseudo(&s, s.bytes);
	sum = naive_sum(sum, s.bytes + s.l4_at, s.p.len - s.l4_at);
	assert_int_not_equal(sum, 0xffff);
}

static void offload_tcp_sum_is_right_only_from_a_right_beginning(void **state)
{
	(void)state;
	static struct sample s;
	for (unsigned i = 0; i < 2 * ARRAY_SIZE(builders); i++) {
		builders[i / 2](&s, 40);
		open_up(&s, modes[i % 2]);
		assert_true(offload_complete(&s.p));
		assert_int_equal(s.p.tcp_sum_right, s.field_at - s.l4_at == TCP_FIELD);
	}
	build_tcp(&s, 40);
	open_up(&s, PACKET_PARTIAL); /* an address or the beginning itself broke */
	s.bytes[ETH_LEN + 15] ^= 1;
	assert_true(offload_complete(&s.p));
	assert_false(s.p.tcp_sum_right);
	open_up(&s, PACKET_PARTIAL);
	s.bytes[s.field_at] ^= 1;
	assert_true(offload_complete(&s.p));
	assert_false(s.p.tcp_sum_right);
	open_up(&s, PACKET_PARTIAL); /* the mark is on some other field */
	s.p.csum_start += 2;
	assert_true(offload_complete(&s.p));
	assert_false(s.p.tcp_sum_right);
	open_up(&s, 0);
	assert_false(offload_complete(&s.p));
	assert_false(s.p.tcp_sum_right);
}

/* Left open, nothing changes but the marks; completed later, it is what it would have been. */
static void offload_open_tcp_may_be_left_to_whoever_sends_it(void **state)
{
	(void)state;
	static struct sample s;
	static uint8_t open[ROOM];
	for (unsigned i = 0; i < 2 * ARRAY_SIZE(builders); i++) {
		builders[i / 2](&s, 40);
		open_up(&s, modes[i % 2]);
		memcpy(open, s.bytes, sizeof(open));
		bool is_tcp = s.field_at - s.l4_at == TCP_FIELD;
		if (i % 2)
			s.p.csum_start = s.p.csum_offset = 0; /* nobody has said */
		assert_int_equal(offload_leave(&s.p), is_tcp);
		assert_int_equal(s.p.tcp_sum_right, is_tcp);
		assert_memory_equal(s.bytes, open, sizeof(open));
		if (!is_tcp)
			continue;
		assert_int_equal(s.p.flags, PACKET_PARTIAL | PACKET_LINK_GROUP);
		expect_completed(&s);
	}
}

static void offload_tcp_that_is_not_open_is_not_left(void **state)
{
	(void)state;
	static struct sample s;
	for (unsigned mode = 0; mode < ARRAY_SIZE(modes); mode++) {
		build_tcp(&s, 40);
		open_up(&s, modes[mode]);
		s.bytes[ETH_LEN + 15] ^= 1; /* an address */
		assert_false(offload_leave(&s.p));
		assert_int_equal(s.p.flags, modes[mode] | PACKET_LINK_GROUP);
		open_up(&s, modes[mode]);
		s.bytes[s.field_at] ^= 1;
		assert_false(offload_leave(&s.p));
		open_up(&s, modes[mode]);
		put16(s.bytes + ETH_LEN + 6, 0x2000); /* a fragment */
		assert_false(offload_leave(&s.p));
		build(&s, PROTO_TCP, sizeof(struct tcp_hdr) - 1, TCP_FIELD, 0, 0); /* half a header */
		open_up(&s, modes[mode]);
		assert_false(offload_leave(&s.p));
		assert_false(s.p.tcp_sum_right);
	}
	build_tcp(&s, 40);
	open_up(&s, PACKET_PARTIAL);
	s.p.csum_start += 2;
	assert_false(offload_leave(&s.p));
}

static void offload_finished_packet_that_looks_open_keeps_its_bytes(void **state)
{
	(void)state;
	static struct sample s;
	build_tcp(&s, 40);
	balance_field(&s, s.l4_at + sizeof(struct tcp_hdr), naive_pseudo(&s, s.whole));
	open_up(&s, PACKET_UNKNOWN);
	assert_memory_equal(s.bytes, s.whole, sizeof(s.bytes)); /* nothing tells them apart */
	expect_completed(&s);
}

static void offload_udp_without_checksum_is_left_alone(void **state)
{
	(void)state;
	static struct sample s;
	build_udp(&s, 24);
	open_up(&s, PACKET_UNKNOWN);
	put16(s.bytes + s.field_at, 0);
	expect_untouched(&s);
	build6_udp(&s, 24); /* RFC 6935 allows it to tunnels */
	open_up(&s, PACKET_UNKNOWN);
	put16(s.bytes + s.field_at, 0);
	expect_untouched(&s);
}

static void offload_unmarked_fragments_are_left_alone(void **state)
{
	(void)state;
	static struct sample s;
	const uint16_t fragments[] = {IP4_MF, IP4_MF | 185, 185, IP4_OFFSET, IP4_DF | IP4_MF};
	for (unsigned i = 0; i < ARRAY_SIZE(fragments); i++) {
		build_udp(&s, 64);
		put16(s.whole + ETH_LEN + offsetof(struct ip4_hdr, fragment), fragments[i]);
		open_up(&s, PACKET_UNKNOWN);
		expect_untouched(&s);
	}
	build_udp(&s, 64); /* DF alone makes no fragment */
	put16(s.whole + ETH_LEN + offsetof(struct ip4_hdr, fragment), IP4_DF);
	open_up(&s, PACKET_UNKNOWN);
	expect_completed(&s);
}

static void offload_unmarked_other_protocols_are_left_alone(void **state)
{
	(void)state;
	static struct sample s;
	const uint8_t protocols[] = {PROTO_ICMP, PROTO_GRE, PROTO_SCTP, 136, 255};
	for (unsigned i = 0; i < ARRAY_SIZE(protocols); i++) {
		build(&s, protocols[i], sizeof(struct udp_hdr), UDP_FIELD, 30, 0);
		seal(&s);
		open_up(&s, PACKET_UNKNOWN);
		expect_untouched(&s);
		build6(&s, protocols[i], sizeof(struct udp_hdr), UDP_FIELD, 30);
		seal(&s);
		open_up(&s, PACKET_UNKNOWN);
		expect_untouched(&s);
	}
}

static void offload_unmarked_other_ethertypes_are_left_alone(void **state)
{
	(void)state;
	static struct sample s;
	const uint16_t types[] = {ETH_ARP, ETH_IPV6, ETH_VLAN, 0x88cc};
	for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
		build_udp(&s, 30);
		put16(s.whole + offsetof(struct eth_hdr, type), types[i]);
		open_up(&s, PACKET_UNKNOWN);
		expect_untouched(&s);
	}
}

static void offload_marked_sctp_is_left_alone(void **state)
{
	(void)state;
	static struct sample s;
	build(&s, PROTO_SCTP, 12, 8, 40, 0);
	open_up(&s, PACKET_PARTIAL);
	expect_untouched(&s);
	build6(&s, PROTO_SCTP, 12, 8, 40);
	open_up(&s, PACKET_PARTIAL);
	expect_untouched(&s);
	build6(&s, PROTO_SCTP, 12, 8, 40);
	add_tags(&s, 3);
	open_up(&s, PACKET_PARTIAL);
	expect_untouched(&s);
}

static void offload_marked_checksum_inside_a_tunnel_is_completed(void **state)
{
	(void)state;
	static struct sample s;
	/* GRE around IPv4 and UDP: the mark names the inner field, the sum ends with the outer. */
	build(&s, PROTO_GRE, 4 + sizeof(struct ip4_hdr) + sizeof(struct udp_hdr), 0, 27, 0);
	uint32_t udp_at = s.l4_at + 4 + sizeof(struct ip4_hdr);
	put16(s.whole + udp_at + UDP_FIELD, 0);
	uint32_t sum = naive_sum(0x1234, s.whole + udp_at, s.p.len - udp_at);
	put16(s.whole + udp_at + UDP_FIELD, (uint16_t)~sum);
	memcpy(s.bytes, s.whole, sizeof(s.bytes));
	put16(s.bytes + udp_at + UDP_FIELD, 0x1234);
	s.p.flags = PACKET_PARTIAL | PACKET_LINK_GROUP;
	s.p.csum_start = (uint16_t)udp_at;
	s.p.csum_offset = UDP_FIELD;
	expect_completed(&s);
}

/* An IPv6 datagram whose TCP stands behind a hop-by-hop header. */
static void build6_extended(struct sample *s)
{
	build6(s, 0, 8 + sizeof(struct tcp_hdr), 8 + TCP_FIELD, 25);
	s->whole[s->l4_at] = PROTO_TCP;
	s->whole[s->l4_at + 1] = 0; /* eight bytes */
	s->l4_at += 8;
	uint32_t sum = naive_sum(0x1234, s->whole + s->l4_at, s->p.len - s->l4_at);
	put16(s->whole + s->field_at, (uint16_t)~sum);
}

static void offload_behind_ipv6_extensions_only_the_mark_is_obeyed(void **state)
{
	(void)state;
	static struct sample s;
	build6_extended(&s);
	open_up(&s, PACKET_PARTIAL);
	put16(s.bytes + s.field_at, 0x1234);
	expect_completed(&s);
	build6_extended(&s);
	open_up(&s, PACKET_UNKNOWN);
	expect_untouched(&s);
}

static void offload_marked_other_ethertype_is_completed_to_the_end_of_the_frame(void **state)
{
	(void)state;
	static struct sample s;
	const uint16_t types[] = {0x8847, 0x8864, 0x0026, 0x22f0};
	for (unsigned i = 0; i < 2 * ARRAY_SIZE(types); i++) {
		build_tcp(&s, i);
		put16(s.whole + offsetof(struct eth_hdr, type), types[i / 2]);
		if (i % 2)
			add_tags(&s, 1);
		open_up(&s, PACKET_PARTIAL);
		expect_completed(&s);
	}
}

/* Headers that contradict the frame they are in; at counts from the IP header. */
static const struct nonsense {
	bool is_ip6;
	uint8_t at, value;
} nonsense[] = {
	{false, 0, 0x65},				      /* version */
	{false, 0, 0x05}, {false, 0, 0x40}, {false, 0, 0x44}, /* header under 20 bytes */
	{false, 0, 0x4f},				      /* header past the datagram */
	{false, 2, 1},					      /* total length past the frame */
	{false, 3, 0},	  {false, 3, 19},   {false, 3, 33},   /* no room for the transport header */
	{true, 0, 0x46},  {true, 0, 0x70},  {true, 4, 1},
	{true, 5, 31},	  {true, 5, 0},	    {true, 5, 12},
};

static void offload_headers_that_make_no_sense_change_nothing(void **state)
{
	(void)state;
	static struct sample s;
	for (unsigned mode = 0; mode < ARRAY_SIZE(modes); mode++) {
		for (unsigned i = 0; i < 2 * ARRAY_SIZE(nonsense); i++) {
			const struct nonsense *n = &nonsense[i / 2];
			(n->is_ip6 ? build6_tcp : build_tcp)(&s, 10);
			if (i % 2)
				add_tags(&s, 3);
			open_up(&s, modes[mode]);
			s.bytes[s.ip_at + n->at] = n->value;
			expect_untouched(&s);
		}
	}
}

static void offload_marked_outside_the_payload_changes_nothing(void **state)
{
	(void)state;
	static struct sample s;
	build_tcp(&s, 21);
	uint16_t end = (uint16_t)s.p.len;
	const struct {
		uint16_t start, offset;
	} bad[] = {
		{end, 0},
		{(uint16_t)(end - 1), 0},
		{(uint16_t)(end - 2), 1},
		{L4_AT, (uint16_t)(end - L4_AT - 1)},
		{L4_AT, 0xffff},
		{0xffff, 0},
		{0xffff, 0xffff},
		{0, TCP_FIELD},
		{ETH_LEN, TCP_FIELD}, /* inside the IPv4 header */
		{L4_AT - 1, TCP_FIELD},
		{(uint16_t)(end + 40), 0}, /* in the padding */
	};
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		open_up(&s, PACKET_PARTIAL);
		s.p.len = end + 100u; /* only the datagram counts */
		s.p.csum_start = bad[i].start;
		s.p.csum_offset = bad[i].offset;
		expect_untouched(&s);
	}
	open_up(&s, PACKET_PARTIAL); /* the last two bytes are still inside */
	s.p.csum_start = L4_AT;
	s.p.csum_offset = (uint16_t)(end - L4_AT - 2);
	assert_true(offload_complete(&s.p));
}

static void cut_everywhere(struct sample *s, uint8_t mode)
{
	uint32_t whole_len = s->p.len;
	for (uint32_t len = 0; len < whole_len; len++) {
		open_up(s, mode);
		uint8_t *exact = malloc(len ? len : 1); /* for ASan to watch its end */
		assert_non_null(exact);
		memcpy(exact, s->bytes, len);
		s->p.data = exact;
		s->p.len = len;
		assert_false(offload_complete(&s->p));
		assert_memory_equal(exact, s->bytes, len);
		free(exact);
	}
	s->p.data = s->bytes;
	s->p.len = whole_len;
}

static void offload_frame_cut_anywhere_is_left_alone(void **state)
{
	(void)state;
	static struct sample s;
	for (unsigned mode = 0; mode < ARRAY_SIZE(modes); mode++) {
		for (unsigned b = 0; b < ARRAY_SIZE(builders); b++) {
			builders[b](&s, 9);
			cut_everywhere(&s, modes[mode]);
			for (unsigned tagging = 0; tagging < ARRAY_SIZE(taggings); tagging++) {
				builders[b](&s, 9);
				add_tags(&s, tagging);
				cut_everywhere(&s, modes[mode]);
			}
		}
	}
}

/* Random bytes behind a MAC pair: ASan watches both ends, and what is not the field stays. */
static void offload_noise_never_harms(void **state)
{
	(void)state;
	static const uint16_t types[] = {ETH_IPV4, ETH_IPV6, ETH_VLAN, ETH_VLAN_AD, 0x8847};
	srand(1);
	for (unsigned i = 0; i < 20000; i++) {
		uint32_t len = (uint32_t)rand() % 120;
		uint8_t before[120], *exact = malloc(len ? len : 1);
		assert_non_null(exact);
		for (uint32_t j = 0; j < len; j++)
			exact[j] = (uint8_t)rand();
		for (uint32_t at = 12; at + 2 < len && at < 22; at += TAG_LEN)
			put16(exact + at, types[(unsigned)rand() % ARRAY_SIZE(types)]);
		for (uint32_t at = 14; at + 6 < len && at < 24; at += TAG_LEN) {
			if (rand() % 2)
				exact[at] = rand() % 2 ? 0x45 : 0x60;
			exact[at + 2] = exact[at + 4] = 0; /* lengths that may well fit */
		}
		memcpy(before, exact, len);
		struct packet p = {.data = exact, .len = len, .flags = modes[i % 2]};
		p.csum_start = (uint16_t)((unsigned)rand() % 130);
		p.csum_offset = (uint16_t)((unsigned)rand() % 20);
		bool wrote = offload_complete(&p);
		unsigned changed = 0;
		for (uint32_t j = 0; j < len; j++)
			changed += exact[j] != before[j];
		assert_true(changed <= (wrote ? 2 : 0));
		free(exact);
	}
}

static void offload_packet_without_a_mark_is_left_alone(void **state)
{
	(void)state;
	static struct sample s;
	build_tcp(&s, 100);
	open_up(&s, 0);
	expect_untouched(&s);
	assert_int_equal(s.p.flags, PACKET_LINK_GROUP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offload_tcp_and_udp_of_every_length_are_completed),
		cmocka_unit_test(offload_tagged_tcp_and_udp_are_completed),
		cmocka_unit_test(offload_behind_three_tags_only_the_mark_is_obeyed),
		cmocka_unit_test(offload_padding_behind_the_datagram_does_not_count),
		cmocka_unit_test(offload_header_options_are_not_part_of_the_sum),
		cmocka_unit_test(offload_udp_result_of_zero_is_sent_as_all_ones),
		cmocka_unit_test(offload_tcp_result_of_zero_stays_zero),
		cmocka_unit_test(offload_unmarked_finished_or_corrupt_packet_is_left_alone),
		cmocka_unit_test(offload_corrupt_marked_packet_stays_corrupt),
		cmocka_unit_test(offload_tcp_sum_is_right_only_from_a_right_beginning),
		cmocka_unit_test(offload_open_tcp_may_be_left_to_whoever_sends_it),
		cmocka_unit_test(offload_tcp_that_is_not_open_is_not_left),
		cmocka_unit_test(offload_finished_packet_that_looks_open_keeps_its_bytes),
		cmocka_unit_test(offload_udp_without_checksum_is_left_alone),
		cmocka_unit_test(offload_unmarked_fragments_are_left_alone),
		cmocka_unit_test(offload_unmarked_other_protocols_are_left_alone),
		cmocka_unit_test(offload_unmarked_other_ethertypes_are_left_alone),
		cmocka_unit_test(offload_marked_sctp_is_left_alone),
		cmocka_unit_test(offload_marked_checksum_inside_a_tunnel_is_completed),
		cmocka_unit_test(offload_behind_ipv6_extensions_only_the_mark_is_obeyed),
		cmocka_unit_test(
			offload_marked_other_ethertype_is_completed_to_the_end_of_the_frame),
		cmocka_unit_test(offload_headers_that_make_no_sense_change_nothing),
		cmocka_unit_test(offload_marked_outside_the_payload_changes_nothing),
		cmocka_unit_test(offload_frame_cut_anywhere_is_left_alone),
		cmocka_unit_test(offload_noise_never_harms),
		cmocka_unit_test(offload_packet_without_a_mark_is_left_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
