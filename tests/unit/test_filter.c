/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_filter - which rule decides about a packet, and the RST that a rejected one earns.
 *
 *   192.168.1.0/24 --[r0]  router  [r1]-- 192.168.0.0/24
 *
 * Packets come as room nat and the FIB hand them on: with a real destination, a state and
 * a way out. Expected RSTs are those that Linux 6.18's nft "reject with tcp reset" sent
 * in the same place, but for the checksum, which it leaves to hardware.
 */
#include "packets.h"

#include "../../dataplane/filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static struct lab lab;

static int open_lab(void **state)
{
	return lab_set_up(state, &lab, "port 192.168.1.1/24; port 192.168.0.1/24");
}

/* -- rules ------------------------------------------------------------------------ */

#define RULE(...)                                                                                  \
	((struct filter_rule){                                                                     \
		.in = PORT_NONE, .out = PORT_NONE, .icmp_type = -1, __VA_ARGS__})
#define DROPS(...) RULE(.action = FILTER_DROP, __VA_ARGS__)

static struct filter_rule drops_between(uint16_t in, uint16_t out)
{
	struct filter_rule rule = DROPS();
	rule.in = in;
	rule.out = out;
	return rule;
}

static struct filter_rule drops_type(int16_t icmp_type)
{
	struct filter_rule rule = DROPS();
	rule.icmp_type = icmp_type;
	return rule;
}

/* A packet from r0 to r1 that opens a session. */
static struct packet *routed(const struct bytes *b)
{
	struct packet *p = lab_arrive(&lab, 0, b);
	p->verdict = TO_FILTER;
	p->state = STATE_IS_NEW;
	p->decision.dst = packet_ip4(p)->dst;
	p->decision.port_out = 1;
	return p;
}

static enum verdict judge(struct packet *p, struct filter_rule *filter, unsigned n)
{
	struct rules rules = {.filter = filter, .n_filter = n};
	struct vector v = {1, {p}};
	filter_forward(lab.ports, &rules, &v);
	return p->verdict;
}

/* Whether the one rule matches: everything else is accepted. */
static bool dropped(struct packet *p, struct filter_rule rule)
{
	enum verdict v = judge(p, &rule, 1);
	assert_true(v == DROP_FILTER || v == TO_NAT_OUT);
	assert_int_equal(rule.packets, v == DROP_FILTER);
	return v == DROP_FILTER;
}

static bool datagram_dropped(const struct bytes *b, struct filter_rule rule)
{
	struct packet *p = routed(b);
	bool yes = dropped(p, rule);
	frame_put(&lab.pool, p);
	return yes;
}

static struct rule_prefix prefix(const char *address, uint8_t len)
{
	return (struct rule_prefix){address_of(address), len};
}

static void filter_without_rules_accepts(void **state)
{
	(void)state;
	struct bytes b = datagram();
	struct packet *p = routed(&b);
	assert_int_equal(judge(p, NULL, 0), TO_NAT_OUT);
	expect_packet(p, &b);
	frame_put(&lab.pool, p);
}

static void filter_rule_of_nothing_matches_everything(void **state)
{
	(void)state;
	struct bytes cases[] = {
		datagram(),
		datagram(.protocol = PROTO_TCP),
		datagram(.protocol = PROTO_ICMP, .type = ICMP_ECHO),
		datagram(.protocol = 47),
		datagram(.fragment = 100, .bare = true, .data_len = 8),
		datagram(.bare = true),
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_true(datagram_dropped(&cases[i], DROPS()));
}

static void filter_first_match_decides_and_counts(void **state)
{
	(void)state;
	struct filter_rule rules[] = {
		DROPS(.protocol = PROTO_TCP),
		RULE(.action = FILTER_ACCEPT, .protocol = PROTO_UDP),
		DROPS(),
	};
	struct bytes b = datagram(.data_len = 72, .options = "01010101");
	b.len += 6; /* padding is not counted */
	for (unsigned i = 1; i <= 3; i++) {
		struct packet *p = routed(&b);
		assert_int_equal(judge(p, rules, 3), TO_NAT_OUT);
		frame_put(&lab.pool, p);
		assert_int_equal(rules[1].packets, i);
		assert_int_equal(rules[1].bytes, i * 104);
	}
	assert_int_equal(rules[0].packets + rules[0].bytes + rules[2].packets + rules[2].bytes, 0);
}

static void filter_reject_asks_for_rst_or_icmp(void **state)
{
	(void)state;
	static const struct {
		uint8_t protocol;
		enum verdict verdict;
	} cases[] = {
		{PROTO_TCP, DROP_FILTER_RESET},
		{PROTO_UDP, DROP_FILTER_REJECT},
		{PROTO_ICMP, DROP_FILTER_REJECT},
		{132, DROP_FILTER_REJECT},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct filter_rule rule = RULE(.action = FILTER_REJECT);
		struct bytes b = datagram(.protocol = cases[i].protocol, .type = ICMP_ECHO);
		struct packet *p = routed(&b);
		assert_int_equal(judge(p, &rule, 1), cases[i].verdict);
		expect_packet(p, &b);
		frame_put(&lab.pool, p);
	}
}

static void filter_states_are_a_set(void **state)
{
	(void)state;
	struct bytes b = datagram();
	struct packet *p = routed(&b);
	for (unsigned set = 0; set < 16; set++) {
		for (unsigned bit = 1; bit < 16; bit <<= 1) {
			p->state = (uint8_t)bit;
			assert_int_equal(dropped(p, DROPS(.states = (uint8_t)set)), !set || set & bit);
		}
	}
	frame_put(&lab.pool, p);
}

static void filter_ports_are_where_it_came_in_and_leaves(void **state)
{
	(void)state;
	struct bytes b = datagram();
	struct packet *p = routed(&b);
	assert_true(dropped(p, drops_between(0, PORT_NONE)));
	assert_false(dropped(p, drops_between(1, PORT_NONE)));
	assert_true(dropped(p, drops_between(PORT_NONE, 1)));
	assert_false(dropped(p, drops_between(PORT_NONE, 0)));
	assert_true(dropped(p, drops_between(0, 1)));
	assert_false(dropped(p, drops_between(0, 0)));
	frame_put(&lab.pool, p);
}

static void filter_addresses_are_prefixes(void **state)
{
	(void)state;
	struct bytes b = datagram(.src = "192.168.1.130", .dst = "192.168.0.2");
	assert_true(datagram_dropped(&b, DROPS(.from = prefix("192.168.1.128", 25))));
	assert_false(datagram_dropped(&b, DROPS(.from = prefix("192.168.1.0", 25))));
	assert_true(datagram_dropped(&b, DROPS(.from = prefix("192.168.1.130", 32))));
	assert_false(datagram_dropped(&b, DROPS(.from = prefix("192.168.1.131", 32))));
	assert_true(datagram_dropped(&b, DROPS(.to = prefix("192.168.0.2", 32))));
	assert_false(datagram_dropped(&b, DROPS(.to = prefix("192.168.1.130", 32))));
	assert_false(datagram_dropped(&b, DROPS(.from = prefix("192.168.0.2", 32))));
	assert_false(datagram_dropped(
		&b, DROPS(.from = prefix("192.168.1.0", 24), .to = prefix("10.0.0.0", 8))));
}

static void filter_protocol_ports_and_type_must_match(void **state)
{
	(void)state;
	struct bytes udp = datagram(.sport = 53, .dport = 9005);
	assert_true(datagram_dropped(&udp, DROPS(.protocol = PROTO_UDP)));
	assert_false(datagram_dropped(&udp, DROPS(.protocol = PROTO_TCP)));
	assert_true(datagram_dropped(&udp, DROPS(.dports = {9005, 9005})));
	assert_true(datagram_dropped(&udp, DROPS(.dports = {9000, 9005}, .sports = {53, 60})));
	assert_false(datagram_dropped(&udp, DROPS(.dports = {9006, 9010})));
	assert_false(datagram_dropped(&udp, DROPS(.dports = {53, 53})));
	assert_false(datagram_dropped(&udp, DROPS(.sports = {9005, 9005})));
	assert_false(datagram_dropped(&udp, drops_type(0)));

	struct bytes tcp = datagram(.protocol = PROTO_TCP, .sport = 65535, .dport = 1);
	assert_true(datagram_dropped(&tcp, DROPS(.sports = {1024, 65535}, .dports = {1, 1})));
	assert_false(datagram_dropped(&tcp, DROPS(.protocol = PROTO_UDP, .dports = {1, 1})));

	struct bytes icmp = datagram(.protocol = PROTO_ICMP, .type = ICMP_ECHO, .code = 0);
	assert_true(datagram_dropped(&icmp, drops_type(ICMP_ECHO)));
	assert_false(datagram_dropped(&icmp, drops_type(ICMP_ECHO_REPLY)));
	assert_false(datagram_dropped(&icmp, DROPS(.dports = {0, 65535})));
}

static void filter_ports_stand_behind_options(void **state)
{
	(void)state;
	struct bytes b = datagram(.options = "0101010101010101", .dport = 80);
	assert_true(datagram_dropped(&b, DROPS(.dports = {80, 80})));
	struct bytes icmp = datagram(.options = "01010101", .protocol = PROTO_ICMP, .type = 13);
	assert_true(datagram_dropped(&icmp, drops_type(13)));
}

static void filter_destination_is_the_one_after_dnat(void **state)
{
	(void)state;
	struct bytes b = datagram(.protocol = PROTO_TCP, .src = "203.0.113.9", .dst = "198.51.100.1",
				  .sport = 1000, .dport = 80);
	struct packet *p = routed(&b);
	p->decision.dst = address_of("192.168.0.2");
	p->decision.nat = (struct nat_decision){
		.src = address_of("10.0.0.1"), /* the source is the one before translation */
		.dst = address_of("192.168.0.2"),
		.sport = be16_from(4000),
		.dport = be16_from(8080),
		.flags = NAT_SOURCE | NAT_DESTINATION,
	};
	assert_true(dropped(p, DROPS(.to = prefix("192.168.0.2", 32))));
	assert_false(dropped(p, DROPS(.to = prefix("198.51.100.1", 32))));
	assert_true(dropped(p, DROPS(.dports = {8080, 8080})));
	assert_false(dropped(p, DROPS(.dports = {80, 80})));
	assert_true(dropped(p, DROPS(.from = prefix("203.0.113.9", 32), .sports = {1000, 1000})));
	assert_false(dropped(p, DROPS(.from = prefix("10.0.0.1", 32))));
	assert_false(dropped(p, DROPS(.sports = {4000, 4000})));
	p->decision.nat.flags = NAT_SOURCE;
	assert_true(dropped(p, DROPS(.dports = {80, 80})));
	p->decision.nat.flags = NAT_DESTINATION;
	p->decision.nat.dport = be16_from(0); /* the address alone */
	assert_true(dropped(p, DROPS(.dports = {80, 80})));
	frame_put(&lab.pool, p);
}

static void filter_later_fragments_show_no_ports(void **state)
{
	(void)state;
	struct bytes first = datagram(.dport = 80, .fragment = IP4_MF, .data_len = 16);
	struct bytes later = datagram(.dport = 80, .fragment = IP4_MF | 3, .data_len = 16);
	struct bytes icmp = datagram(.protocol = PROTO_ICMP, .type = ICMP_ECHO, .fragment = 3);
	assert_true(datagram_dropped(&first, DROPS(.dports = {80, 80})));
	assert_false(datagram_dropped(&later, DROPS(.dports = {80, 80})));
	assert_false(datagram_dropped(&later, DROPS(.sports = {1, 65535})));
	assert_true(datagram_dropped(&later, DROPS(.protocol = PROTO_UDP)));
	assert_false(datagram_dropped(&icmp, drops_type(ICMP_ECHO)));

	struct packet *p = routed(&later);
	p->state = STATE_IS_ESTABLISHED;
	assert_true(dropped(p, DROPS(.states = STATE_IS_ESTABLISHED)));
	frame_put(&lab.pool, p);
}

static void filter_short_transport_header_shows_nothing(void **state)
{
	(void)state;
	for (unsigned len = 0; len < 4; len++) {
		struct bytes udp = datagram(.bare = true, .data_len = len);
		assert_false(datagram_dropped(&udp, DROPS(.dports = {0, 65535})));
		struct bytes icmp = datagram(.protocol = PROTO_ICMP, .bare = true, .data_len = len);
		assert_int_equal(datagram_dropped(&icmp, drops_type(0)), len > 0);
	}
	struct bytes udp = datagram(.bare = true, .data_len = 4); /* ports 1 and 515 */
	assert_true(datagram_dropped(&udp, DROPS(.sports = {1, 1}, .dports = {515, 515})));
}

static void filter_packet_of_the_router_is_accepted(void **state)
{
	(void)state;
	struct bytes b = datagram();
	struct packet *p = routed(&b);
	p->flags |= PACKET_OWN;
	assert_false(dropped(p, DROPS()));
	frame_put(&lab.pool, p);
}

static void filter_vector_is_judged_packet_by_packet(void **state)
{
	(void)state;
	struct filter_rule rule = DROPS(.dports = {7, 7});
	struct rules rules = {.filter = &rule, .n_filter = 1};
	struct vector v = {0};
	for (unsigned i = 0; i < VECTOR_SIZE; i++) {
		struct bytes b = datagram(.dport = (uint16_t)(5 + i % 4));
		v.p[v.n++] = routed(&b);
	}
	filter_forward(lab.ports, &rules, &v);
	for (unsigned i = 0; i < v.n; i++) {
		assert_int_equal(v.p[i]->verdict, i % 4 == 2 ? DROP_FILTER : TO_NAT_OUT);
		frame_put(&lab.pool, v.p[i]);
	}
	assert_int_equal(rule.packets, VECTOR_SIZE / 4);
}

/* What iptables users write: -s 10.0.0.0/24 ACCEPT; -d 10.0.0.0/24 ESTABLISHED,RELATED ACCEPT. */
static void filter_two_forward_rules_protect_a_subnet(void **state)
{
	(void)state;
	struct filter_rule rules[] = {
		RULE(.from = prefix("10.0.0.0", 24)),
		RULE(.to = prefix("10.0.0.0", 24), .states = STATE_IS_ESTABLISHED | STATE_IS_RELATED),
		DROPS(),
	};
	struct bytes out = datagram(.src = "10.0.0.2", .dst = "192.168.0.2");
	struct bytes in = datagram(.src = "192.168.0.2", .dst = "10.0.0.2");
	struct packet *p = routed(&out), *q = routed(&in);
	assert_int_equal(judge(p, rules, 3), TO_NAT_OUT);
	assert_int_equal(judge(q, rules, 3), DROP_FILTER);
	q->state = STATE_IS_ESTABLISHED;
	assert_int_equal(judge(q, rules, 3), TO_NAT_OUT);
	q->state = STATE_IS_RELATED;
	assert_int_equal(judge(q, rules, 3), TO_NAT_OUT);
	q->state = STATE_IS_INVALID;
	assert_int_equal(judge(q, rules, 3), DROP_FILTER);
	assert_int_equal(rules[1].packets, 2);
	frame_put(&lab.pool, p);
	frame_put(&lab.pool, q);
}

/* -- RST -------------------------------------------------------------------------- */

struct segment {
	const char *options;
	uint16_t fragment;
	uint8_t flags, data_offset; /* [5] */
	uint32_t seq, ack;
	unsigned data_len;
};

static struct bytes segment_bytes(const struct segment *s)
{
	struct bytes b = datagram(.protocol = PROTO_TCP, .data_len = s->data_len, .tos = 0xb9,
				  .id = 77, .options = s->options, .fragment = s->fragment);
	struct ip4_hdr *h = bytes_ip4(&b);
	struct tcp_hdr *tcp = (struct tcp_hdr *)((uint8_t *)h + ip4_header_len(h));
	uint32_t len = 20 + s->data_len;
	tcp->flags = s->flags;
	tcp->data_offset = (uint8_t)((s->data_offset ? s->data_offset : 5) << 4);
	tcp->seq = be32_from(s->seq);
	tcp->ack = be32_from(s->ack);
	tcp->checksum = be16_from(0);
	uint32_t sum = naive_sum(tcp, len) + naive_sum(&h->src, 8) + 6u + len;
	tcp->checksum = be16_from((uint16_t)~((sum & 0xffff) + (sum >> 16)));
	return b;
}

static struct packet *reset_about_bytes(const struct bytes *b, uint8_t flags)
{
	struct packet *p = routed(b);
	p->flags |= flags;
	uint64_t created = lab.stats->created;
	struct packet *reset = filter_reset(&lab.pool, lab.stats, p);
	expect_packet(p, b);
	assert_int_equal(lab.stats->created, created + (reset ? 1 : 0));
	frame_put(&lab.pool, p);
	return reset;
}

/* Whole bytes but the checksum of TCP, whose sum is taken. */
static void expect_reset(struct packet *p, const char *sequence)
{
	struct bytes want = bytes_hex("000000000000 000000000000 0800"
				      "45000028000040004006b87bc0a80002c0a8010207d003e8");
	struct bytes tail = bytes_hex(sequence);
	assert_non_null(p);
	memcpy(want.at + want.len, tail.at, tail.len);
	want.len += tail.len + 2 + 2 + 2; /* window zero, checksum, urgent zero */
	uint32_t sum = naive_sum(p->data + 34, 20) + naive_sum(p->data + 26, 8) + 6 + 20;
	assert_int_equal((sum & 0xffff) + (sum >> 16), 0xffff);
	memcpy(want.at + 50, p->data + 50, 2);
	expect_packet(p, &want);
	assert_int_equal(p->verdict, TO_FIB);
	assert_int_equal(p->flags, PACKET_OWN | PACKET_ERROR);
	assert_int_equal(p->port_in, PORT_NONE);
	frame_put(&lab.pool, p);
}

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, ECE = 64, CWR = 128 };

static void reset_has_the_numbers_of_nft(void **state)
{
	(void)state;
	static const struct {
		struct segment about;
		const char *sequence; /* seq, ack, data offset and flags */
	} cases[] = {
		{{.flags = SYN, .seq = 0x01020304}, "00000000 01020305 5014"},
		{{.flags = SYN, .seq = 0xfffffffe, .data_len = 3}, "00000000 00000002 5014"},
		{{.flags = ACK, .seq = 5, .ack = 0xdeadbeef, .data_len = 5}, "deadbeef 00000000 5004"},
		{{.flags = SYN | ACK, .seq = 5, .ack = 0xdeadbeef}, "deadbeef 00000000 5004"},
		{{.flags = FIN, .seq = 100, .data_len = 2}, "00000000 00000067 5014"},
		{{.flags = 0, .seq = 100, .data_len = 2}, "00000000 00000066 5014"},
		{{.flags = SYN | ECE | CWR, .seq = 7}, "00000000 00000008 5014"},
		{{.flags = SYN, .seq = 7, .data_offset = 6, .data_len = 4}, "00000000 00000008 5014"},
		{{.flags = SYN, .seq = 7, .options = "01010100"}, "00000000 00000008 5014"},
		{{.flags = SYN, .seq = 7, .data_len = 12, .fragment = IP4_MF}, "00000000 00000014 5014"},
		{{.flags = FIN | PSH | ACK, .seq = 9, .ack = 1}, "00000001 00000000 5004"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct bytes b = segment_bytes(&cases[i].about);
		expect_reset(reset_about_bytes(&b, 0), cases[i].sequence);
	}
}

static void reset_is_not_sent_about(const struct segment *s)
{
	struct bytes b = segment_bytes(s);
	assert_null(reset_about_bytes(&b, 0));
}

static void reset_is_never_about_a_rst_or_what_is_no_segment(void **state)
{
	(void)state;
	reset_is_not_sent_about(&(struct segment){.flags = RST});
	reset_is_not_sent_about(&(struct segment){.flags = RST | ACK});
	reset_is_not_sent_about(&(struct segment){.flags = SYN, .data_offset = 4});
	reset_is_not_sent_about(&(struct segment){.flags = SYN, .data_offset = 15});
	reset_is_not_sent_about(&(struct segment){.flags = SYN, .fragment = 3});
	struct bytes b = datagram(.protocol = PROTO_TCP, .bare = true, .data_len = 19);
	assert_null(reset_about_bytes(&b, 0));
	b = datagram(.data_len = 20);
	assert_null(reset_about_bytes(&b, 0));
}

static void reset_is_not_about_a_broken_checksum_unless_it_is_partial(void **state)
{
	(void)state;
	struct bytes b = segment_bytes(&(struct segment){.flags = SYN, .seq = 1});
	struct tcp_hdr *tcp = (struct tcp_hdr *)(b.at + 34);
	tcp->checksum.raw ^= 0x0100;
	assert_null(reset_about_bytes(&b, 0));
	assert_null(reset_about_bytes(&b, PACKET_UNKNOWN));
	expect_reset(reset_about_bytes(&b, PACKET_PARTIAL), "00000000 00000002 5014");
	uint32_t pseudo = naive_sum(b.at + 26, 8) + 6 + 20;
	tcp->checksum = be16_from((uint16_t)((pseudo & 0xffff) + (pseudo >> 16)));
	expect_reset(reset_about_bytes(&b, PACKET_UNKNOWN), "00000000 00000002 5014");
	assert_null(reset_about_bytes(&b, 0));
}

static void reset_needs_a_frame(void **state)
{
	(void)state;
	struct bytes b = segment_bytes(&(struct segment){.flags = SYN});
	struct packet *cause = routed(&b), *taken[LAB_FRAMES];
	unsigned n = 0;
	while (lab.pool.n_free)
		taken[n++] = frame_get(&lab.pool);
	assert_null(filter_reset(&lab.pool, lab.stats, cause));
	assert_int_equal(lab.stats->created, 0);
	while (n)
		frame_put(&lab.pool, taken[--n]);
	frame_put(&lab.pool, cause);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_lab, lab_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(filter_without_rules_accepts),
		TEST(filter_rule_of_nothing_matches_everything),
		TEST(filter_first_match_decides_and_counts),
		TEST(filter_reject_asks_for_rst_or_icmp),
		TEST(filter_states_are_a_set),
		TEST(filter_ports_are_where_it_came_in_and_leaves),
		TEST(filter_addresses_are_prefixes),
		TEST(filter_protocol_ports_and_type_must_match),
		TEST(filter_ports_stand_behind_options),
		TEST(filter_destination_is_the_one_after_dnat),
		TEST(filter_later_fragments_show_no_ports),
		TEST(filter_short_transport_header_shows_nothing),
		TEST(filter_packet_of_the_router_is_accepted),
		TEST(filter_vector_is_judged_packet_by_packet),
		TEST(filter_two_forward_rules_protect_a_subnet),
		TEST(reset_has_the_numbers_of_nft),
		TEST(reset_is_never_about_a_rst_or_what_is_no_segment),
		TEST(reset_is_not_about_a_broken_checksum_unless_it_is_partial),
		TEST(reset_needs_a_frame),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
