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
};

/* A frame in the making: what was built, and the packet in whose buffer it is tried. */
struct sample {
	uint8_t whole[ROOM]; /* with the finished checksum */
	uint8_t bytes[ROOM];
	struct packet p;
	uint32_t l4_at, field_at; /* from the frame's start */
};

static uint32_t naive_sum(uint32_t sum, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

/* Folded sum of the pseudo-header of the frame's datagram, in host order. */
static uint16_t naive_pseudo(const uint8_t *frame, uint32_t l4_at)
{
	const uint8_t *ip = frame + ETH_LEN;
	uint32_t len = (uint32_t)(ip[2] << 8 | ip[3]) - (l4_at - ETH_LEN);
	uint8_t tail[4] = {0, ip[9], (uint8_t)(len >> 8), (uint8_t)len};
	return (uint16_t)naive_sum(naive_sum(0, ip + 12, 8), tail, sizeof(tail));
}

static void put16(uint8_t *at, uint16_t host)
{
	at[0] = (uint8_t)(host >> 8);
	at[1] = (uint8_t)host;
}

/* An IPv4 datagram with payload_len bytes behind header_len bytes of transport header. */
static void build(struct sample *s, uint8_t protocol, uint32_t header_len, uint32_t field,
		  uint32_t payload_len, uint32_t options_len)
{
	memset(s, 0, sizeof(*s));
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
	for (uint32_t i = 0; i < l4_len; i++)
		s->whole[s->l4_at + i] = (uint8_t)(i * 37 + payload_len);
	if (protocol == PROTO_UDP)
		put16(s->whole + s->l4_at + offsetof(struct udp_hdr, len), (uint16_t)l4_len);
	put16(s->whole + s->field_at, 0);
	s->p = (struct packet){.data = s->bytes, .len = s->l4_at + l4_len};
}

/* Writes the finished checksum into whole; s->p.len must be the datagram's end. */
static void seal(struct sample *s)
{
	put16(s->whole + s->field_at, 0);
	uint32_t sum = naive_pseudo(s->whole, s->l4_at);
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

/* The frame as its sender's kernel lets it go: only the pseudo-header is in the field. */
static void open_up(struct sample *s, uint8_t flag)
{
	memcpy(s->bytes, s->whole, sizeof(s->bytes));
	put16(s->bytes + s->field_at, naive_pseudo(s->whole, s->l4_at));
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
		for (uint32_t len = 0; len < 140; len++) {
			build_tcp(&s, len);
			open_up(&s, modes[mode]);
			expect_completed(&s);
			build_udp(&s, len);
			open_up(&s, modes[mode]);
			expect_completed(&s);
		}
		build_tcp(&s, 1460);
		open_up(&s, modes[mode]);
		expect_completed(&s);
		build_udp(&s, 1471);
		open_up(&s, modes[mode]);
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
	uint32_t sum = naive_pseudo(s->whole, s->l4_at);
	sum = naive_sum(sum, s->whole + s->l4_at, s->p.len - s->l4_at);
	sum = (uint32_t)(uint16_t)~wanted + (uint16_t)~sum;
	put16(s->whole + balance, (uint16_t)((sum & 0xffff) + (sum >> 16)));
	seal(s);
}

static void offload_udp_result_of_zero_is_sent_as_all_ones(void **state)
{
	(void)state;
	static struct sample s;
	for (unsigned mode = 0; mode < ARRAY_SIZE(modes); mode++) {
		build_udp(&s, 10);
		balance_field(&s, s.l4_at + sizeof(struct udp_hdr), 0);
		assert_int_equal(s.whole[s.field_at] << 8 | s.whole[s.field_at + 1], 0xffff);
		open_up(&s, modes[mode]);
		expect_completed(&s);
	}
}

static void offload_tcp_result_of_zero_stays_zero(void **state)
{
	(void)state;
	static struct sample s;
	for (unsigned mode = 0; mode < ARRAY_SIZE(modes); mode++) {
		build_tcp(&s, 10);
		balance_field(&s, s.l4_at + sizeof(struct tcp_hdr), 0);
		assert_int_equal(s.whole[s.field_at] << 8 | s.whole[s.field_at + 1], 0);
		open_up(&s, modes[mode]);
		expect_completed(&s);
	}
}

static void offload_unmarked_finished_or_corrupt_packet_is_left_alone(void **state)
{
	(void)state;
	static struct sample s;
	for (uint32_t at = L4_AT; at < L4_AT + sizeof(struct tcp_hdr) + 40; at++) {
		build_tcp(&s, 40);
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
	uint32_t sum = naive_pseudo(s.bytes, s.l4_at);
	sum = naive_sum(sum, s.bytes + s.l4_at, s.p.len - s.l4_at);
	assert_int_not_equal(sum, 0xffff);
}

static void offload_finished_packet_that_looks_open_keeps_its_bytes(void **state)
{
	(void)state;
	static struct sample s;
	build_tcp(&s, 40);
	balance_field(&s, s.l4_at + sizeof(struct tcp_hdr), naive_pseudo(s.whole, s.l4_at));
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

static void offload_marked_ipv6_is_completed_to_the_end_of_the_frame(void **state)
{
	(void)state;
	static struct sample s;
	for (uint32_t len = 0; len < 20; len++) {
		build_tcp(&s, len);
		put16(s.whole + offsetof(struct eth_hdr, type), ETH_IPV6);
		open_up(&s, PACKET_PARTIAL);
		expect_completed(&s);
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

static void offload_frame_cut_anywhere_is_read_only_inside(void **state)
{
	(void)state;
	static struct sample s;
	build_tcp(&s, 9);
	uint32_t whole_len = s.p.len;
	for (unsigned mode = 0; mode < ARRAY_SIZE(modes); mode++) {
		for (uint32_t len = sizeof(struct eth_hdr); len < whole_len; len++) {
			open_up(&s, modes[mode]);
			uint8_t *exact = malloc(len); /* for ASan to watch its end */
			assert_non_null(exact);
			memcpy(exact, s.bytes, len);
			s.p.data = exact;
			s.p.len = len;
			offload_complete(&s.p);
			free(exact);
		}
	}
	s.p.data = s.bytes;
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
		cmocka_unit_test(offload_padding_behind_the_datagram_does_not_count),
		cmocka_unit_test(offload_header_options_are_not_part_of_the_sum),
		cmocka_unit_test(offload_udp_result_of_zero_is_sent_as_all_ones),
		cmocka_unit_test(offload_tcp_result_of_zero_stays_zero),
		cmocka_unit_test(offload_unmarked_finished_or_corrupt_packet_is_left_alone),
		cmocka_unit_test(offload_corrupt_marked_packet_stays_corrupt),
		cmocka_unit_test(offload_finished_packet_that_looks_open_keeps_its_bytes),
		cmocka_unit_test(offload_udp_without_checksum_is_left_alone),
		cmocka_unit_test(offload_unmarked_fragments_are_left_alone),
		cmocka_unit_test(offload_unmarked_other_protocols_are_left_alone),
		cmocka_unit_test(offload_unmarked_other_ethertypes_are_left_alone),
		cmocka_unit_test(offload_marked_sctp_is_left_alone),
		cmocka_unit_test(offload_marked_checksum_inside_a_tunnel_is_completed),
		cmocka_unit_test(offload_marked_ipv6_is_completed_to_the_end_of_the_frame),
		cmocka_unit_test(offload_marked_outside_the_payload_changes_nothing),
		cmocka_unit_test(offload_frame_cut_anywhere_is_read_only_inside),
		cmocka_unit_test(offload_packet_without_a_mark_is_left_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
