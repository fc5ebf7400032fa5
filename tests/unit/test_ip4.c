/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_ip4 - datagrams in, datagrams or named drops out.
 *
 *   192.168.1.0/24 --[r0 .1]  router  [r1 .1]-- 192.168.0.0/24, MTU 1400
 *                             [r2 down]-- 192.168.2.0/24
 *
 * Expected bytes with options are those that Linux 6.18 sent in the same place.
 */
#include "packets.h"

#include "../../dataplane/ip4.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define ROUTER                                                                                     \
	"port 192.168.1.1/24 10.0.0.1/24; port 192.168.0.1/24 mtu 1400; port 192.168.2.1/24 down;" \
	"kernel 192.168.1.1 0; kernel 192.168.1.4 0;"                                              \
	"route 10.9.0.0/16 via 192.168.0.9; route 10.10.0.0/16 via 192.168.1.9;"                   \
	"route 10.1.0.0/16 blackhole; route 10.2.0.0/16 unreachable; route 10.3.0.0/16 prohibit"

static struct lab lab;

static int open_lab(void **state)
{
	return lab_set_up(state, &lab, ROUTER);
}

/* Gives back p and the fragments behind it. */
static void put_all(struct packet *p)
{
	while (p) {
		struct packet *next = p->next;
		frame_put(&lab.pool, p);
		p = next;
	}
}

/* What becomes of the frame; a packet that is not forwarded may not have changed. */
static enum verdict verdict_on(uint16_t port, const struct bytes *b)
{
	struct packet *p = lab_arrive(&lab, port, b);
	enum verdict v = lab_walk(&lab, p);
	if (v != TO_EGRESS)
		expect_bytes(p->data, b->len, b);
	put_all(p);
	assert_int_equal(lab.pool.n_free, LAB_FRAMES);
	return v;
}

static void expect_verdict(enum verdict want, const struct bytes *b)
{
	enum verdict have = verdict_on(0, b);
	assert_string_equal(verdict_name(have), verdict_name(want));
}
#define expect_fate(want, ...)                                                                     \
	do {                                                                                       \
		struct bytes frame = datagram(__VA_ARGS__);                                        \
		expect_verdict(want, &frame);                                                      \
	} while (0)

/* The frame as it leaves by port: link header, TTL, checksum; nothing else. */
static struct bytes forwarded(struct bytes b, unsigned port)
{
	*(struct eth_hdr *)b.at = (struct eth_hdr){mac_of("02:00:00:00:ff:01"), lab.port[port].mac,
						   be16_from(ETH_IPV4)};
	bytes_ip4(&b)->ttl--;
	bytes_fix_header(&b);
	return b;
}

/* -- forwarding ------------------------------------------------------------------- */

static void expect_forwarded(const struct bytes *b, unsigned port, const char *next_hop)
{
	struct packet *p = lab_arrive(&lab, 0, b);
	struct bytes want = forwarded(*b, port);
	assert_string_equal(verdict_name(lab_walk(&lab, p)), "egress");
	assert_int_equal(p->decision.port_out, port);
	assert_int_equal(p->decision.mtu, lab.port[port].mtu);
	assert_true(be32_equal(p->decision.next_hop, address_of(next_hop)));
	expect_packet(p, &want);
	assert_null(p->next);
	put_all(p);
}

static void ip4_datagram_leaves_with_one_hop_less(void **state)
{
	(void)state;
	struct bytes connected = datagram(.data_len = 5, .tos = 0xff, .id = 0x1234);
	struct bytes via = datagram(.dst = "10.9.1.1", .protocol = PROTO_TCP, .fragment = IP4_DF);
	struct bytes odd = datagram(.protocol = 132, .data_len = 33, .bare = true);
	struct bytes empty = datagram(.bare = true);
	struct bytes last = datagram(.ttl = 2), most = datagram(.ttl = 255);
	expect_forwarded(&connected, 1, "192.168.0.2");
	expect_forwarded(&via, 1, "192.168.0.9");
	expect_forwarded(&odd, 1, "192.168.0.2");
	expect_forwarded(&empty, 1, "192.168.0.2");
	expect_forwarded(&last, 1, "192.168.0.2");
	expect_forwarded(&most, 1, "192.168.0.2");
}

static void ip4_route_counts_its_packets(void **state)
{
	(void)state;
	uint32_t route = fib_lookup(lab.fib, address_of("10.9.1.1"));
	uint64_t before = fib_hits(lab.fib, route);
	expect_fate(TO_EGRESS, .dst = "10.9.1.1");
	assert_int_equal(fib_hits(lab.fib, route), before + 1);
}

static void ip4_padding_is_not_forwarded(void **state)
{
	(void)state;
	struct bytes b = datagram(.data_len = 1), padded = b;
	memset(padded.at + padded.len, 0xee, 60 - padded.len);
	padded.len = 60;
	struct packet *p = lab_arrive(&lab, 0, &padded);
	struct bytes want = forwarded(b, 1);
	assert_int_equal(lab_walk(&lab, p), TO_EGRESS);
	expect_packet(p, &want);
	put_all(p);
}

/* Every value the checksum can take, 0x0000 included; 0xffff stands for the same sum. */
static void ip4_checksum_follows_the_ttl_for_every_value(void **state)
{
	(void)state;
	struct bytes b = datagram(.ttl = 2);
	for (unsigned id = 0; id <= 0xffff; id++) {
		bytes_ip4(&b)->id = be16_from((uint16_t)id);
		bytes_ip4(&b)->ttl = (uint8_t)(2 + id % 254);
		bytes_fix_header(&b);
		struct packet *p = lab_arrive(&lab, 0, &b);
		struct bytes want = forwarded(b, 1);
		assert_int_equal(lab_walk(&lab, p), TO_EGRESS);
		expect_packet(p, &want);
		if (bytes_ip4(&b)->checksum.raw == 0) {
			bytes_ip4(&b)->checksum.raw = 0xffff;
			struct packet *q = lab_arrive(&lab, 0, &b);
			assert_int_equal(lab_walk(&lab, q), TO_EGRESS);
			expect_packet(q, &want);
			put_all(q);
		}
		put_all(p);
	}
}

static void ip4_partial_checksum_is_completed_on_the_way(void **state)
{
	(void)state;
	struct bytes whole = datagram(.data_len = 32), b = whole, want = forwarded(whole, 1);
	struct udp_hdr *udp = (struct udp_hdr *)(b.at + 34);
	uint32_t pseudo = naive_sum(b.at + 26, 8) + 17u + 40u;
	udp->checksum = be16_from((uint16_t)((pseudo & 0xffff) + (pseudo >> 16)));
	struct packet *p = lab_arrive(&lab, 0, &b);
	p->flags = PACKET_PARTIAL;
	p->csum_start = 34;
	p->csum_offset = 6;
	assert_int_equal(lab_walk(&lab, p), TO_EGRESS);
	expect_packet(p, &want);
	put_all(p);
}

/* -- validation ------------------------------------------------------------------- */

static void ip4_bad_header_is_dropped_by_its_clause(void **state)
{
	(void)state;
	struct bytes good = datagram(.data_len = 20), b = good;
	b.len = 33;
	expect_verdict(DROP_IP4_SHORT, &b);
	b.len = 14;
	expect_verdict(DROP_IP4_SHORT, &b);

	b = good;
	bytes_ip4(&b)->version_ihl = 0x65;
	bytes_fix_header(&b);
	expect_verdict(DROP_IP4_VERSION, &b);

	b = good;
	bytes_ip4(&b)->version_ihl = 0x44;
	expect_verdict(DROP_IP4_IHL, &b);
	bytes_ip4(&b)->version_ihl = 0x4f; /* 60 bytes in a frame with 48 */
	expect_verdict(DROP_IP4_IHL, &b);

	b = good;
	bytes_ip4(&b)->total_len = be16_from(19);
	bytes_fix_header(&b);
	expect_verdict(DROP_IP4_IHL, &b);
	bytes_ip4(&b)->total_len = be16_from(49);
	bytes_fix_header(&b);
	expect_verdict(DROP_IP4_LENGTH, &b);
}

/* One bit anywhere in the header is found, unless another check finds it first. */
static void ip4_flipped_header_bit_is_found(void **state)
{
	(void)state;
	struct bytes good = datagram(.data_len = 20, .options = "07070400000000 01");
	for (unsigned bit = 0; bit < 28 * 8; bit++) {
		struct bytes b = good;
		b.at[14 + bit / 8] ^= (uint8_t)(1 << bit % 8);
		enum verdict v = verdict_on(0, &b);
		if (bit >= 8)
			assert_int_equal(v, DROP_IP4_CHECKSUM);
		else
			assert_true(v == DROP_IP4_CHECKSUM || v == DROP_IP4_VERSION ||
				    v == DROP_IP4_IHL);
	}
}

static void ip4_martian_source_is_dropped(void **state)
{
	(void)state;
	static const char *const martians[] = {
		"0.0.0.0",	 "0.1.2.3",	  "127.0.0.1",	"127.255.255.255",
		"224.0.0.1",	 "239.1.1.1",	  "240.0.0.1",	"255.255.255.255",
		"192.168.1.255", "192.168.0.255", "10.0.0.255",
	};
	for (unsigned i = 0; i < ARRAY_SIZE(martians); i++)
		expect_fate(DROP_IP4_MARTIAN_SOURCE, .src = martians[i]);
	expect_fate(DROP_IP4_OWN_SOURCE, .src = "192.168.1.1");
	expect_fate(DROP_IP4_OWN_SOURCE, .src = "192.168.0.1");
	expect_fate(DROP_IP4_OWN_SOURCE, .src = "192.168.1.4"); /* only the kernel has it */
	/* What stands next to a martian is none. */
	expect_fate(TO_EGRESS, .src = "1.0.0.0");
	expect_fate(TO_EGRESS, .src = "126.255.255.255");
	expect_fate(TO_EGRESS, .src = "128.0.0.0");
	expect_fate(TO_EGRESS, .src = "223.255.255.255");
}

static void ip4_martian_destination_is_dropped(void **state)
{
	(void)state;
	static const char *const martians[] = {"0.0.0.0", "0.1.1.1", "127.0.0.1", "240.0.0.1",
					       "255.255.255.254"};
	for (unsigned i = 0; i < ARRAY_SIZE(martians); i++)
		expect_fate(DROP_IP4_MARTIAN_DESTINATION, .dst = martians[i]);
}

static void ip4_multicast_is_for_the_kernel_or_nobody(void **state)
{
	(void)state;
	expect_fate(PUNTED, .dst = "224.0.0.5", .to_mac = "01:00:5e:00:00:05");
	expect_fate(PUNTED, .dst = "239.1.1.1", .to_mac = "01:00:5e:01:01:01", .ttl = 1);
	expect_fate(PUNTED, .src = "0.0.0.0", .dst = "224.0.0.22", .to_mac = "01:00:5e:00:00:16",
		    .protocol = 2);
	expect_fate(PUNTED, .src = "0.0.0.0", .dst = "239.1.1.1", .to_mac = "01:00:5e:01:01:01",
		    .protocol = 2);
	expect_fate(DROP_IP4_MARTIAN_SOURCE, .src = "0.0.0.0", .dst = "239.1.1.1",
		    .to_mac = "01:00:5e:01:01:01");
	expect_fate(DROP_IP4_MULTICAST, .dst = "224.0.0.5");
}

static void ip4_broadcast_is_for_the_kernel_or_nobody(void **state)
{
	(void)state;
	static const char all[] = "ff:ff:ff:ff:ff:ff";
	struct bytes b = datagram(.dst = "255.255.255.255", .to_mac = all);
	expect_fate(PUNTED, .dst = "255.255.255.255", .to_mac = all);
	expect_fate(PUNTED, .dst = "192.168.1.255", .to_mac = all);
	expect_fate(PUNTED, .src = "0.0.0.0", .dst = "255.255.255.255", .to_mac = all);
	expect_fate(DROP_IP4_BROADCAST, .dst = "192.168.0.255"); /* directed, into another subnet */
	assert_int_equal(verdict_on(1, &b), DROP_IP4_BROADCAST); /* the kernel has nothing there */
}

static void ip4_unicast_in_a_link_broadcast_is_dropped(void **state)
{
	(void)state;
	expect_fate(DROP_IP4_LINK_BROADCAST, .to_mac = "ff:ff:ff:ff:ff:ff");
	expect_fate(DROP_IP4_LINK_BROADCAST, .to_mac = "01:00:5e:00:00:01");
	expect_fate(DROP_IP4_LINK_BROADCAST, .to_mac = "ff:ff:ff:ff:ff:ff", .dst = "192.168.1.1");
}

static void ip4_address_only_the_kernel_has_is_punted(void **state)
{
	(void)state;
	expect_fate(PUNTED, .dst = "192.168.1.4");
	expect_fate(PUNTED, .dst = "192.168.1.4", .ttl = 1);
	expect_fate(PUNTED, .dst = "192.168.1.4", .protocol = PROTO_ICMP, .type = ICMP_ECHO);
}

/* -- routing ---------------------------------------------------------------------- */

static void ip4_route_type_names_the_drop(void **state)
{
	(void)state;
	expect_fate(DROP_IP4_NO_ROUTE, .dst = "10.77.0.1");
	expect_fate(DROP_IP4_BLACKHOLE, .dst = "10.1.0.1");
	expect_fate(DROP_IP4_UNREACHABLE, .dst = "10.2.0.1");
	expect_fate(DROP_IP4_PROHIBIT, .dst = "10.3.0.1");
	expect_fate(DROP_PORT_DOWN, .dst = "192.168.2.2");
}

static void ip4_route_to_a_port_that_is_gone_is_dropped(void **state)
{
	(void)state;
	struct port *gone = lab.ports->ports[1];
	lab.ports->ports[1] = NULL;
	expect_fate(DROP_PORT_DOWN, .dst = "192.168.0.2");
	lab.ports->ports[1] = gone;
}

/* Linux's order: what has no route is told so even at TTL 1, and TTL comes before MTU. */
static void ip4_ttl_is_looked_at_after_the_route_and_before_the_mtu(void **state)
{
	(void)state;
	expect_fate(DROP_IP4_TTL, .ttl = 1);
	struct bytes b = datagram(.ttl = 1);
	bytes_ip4(&b)->ttl = 0;
	bytes_fix_header(&b);
	expect_verdict(DROP_IP4_TTL, &b);
	expect_fate(DROP_IP4_NO_ROUTE, .dst = "10.77.0.1", .ttl = 1);
	expect_fate(DROP_IP4_PROHIBIT, .dst = "10.3.0.1", .ttl = 1);
	expect_fate(DROP_IP4_TTL, .ttl = 1, .data_len = 1450, .fragment = IP4_DF);
}

static void ip4_mtu_counts_the_whole_datagram(void **state)
{
	(void)state;
	expect_fate(TO_EGRESS, .data_len = 1372, .fragment = IP4_DF); /* 1400 bytes */
	expect_fate(DROP_IP4_MTU, .data_len = 1373, .fragment = IP4_DF);
	struct bytes b = datagram(.data_len = 1373, .fragment = IP4_DF);
	struct packet *p = lab_arrive(&lab, 0, &b);
	assert_int_equal(lab_walk(&lab, p), DROP_IP4_MTU);
	assert_int_equal(p->decision.mtu, 1400);
	put_all(p);
}

static void ip4_own_packet_keeps_its_ttl_and_gets_a_source(void **state)
{
	(void)state;
	struct bytes b = datagram(.ttl = 1, .src = "0.0.0.0", .dst = "10.9.1.1");
	struct packet *p = lab_arrive(&lab, PORT_NONE, &b);
	p->flags = PACKET_OWN;
	p->verdict = TO_FIB;
	assert_int_equal(lab_walk(&lab, p), TO_EGRESS);
	bytes_ip4(&b)->ttl = 2;
	bytes_ip4(&b)->src = address_of("192.168.0.1");
	struct bytes want = forwarded(b, 1);
	expect_packet(p, &want);
	put_all(p);
}

static bool wants_redirect(const char *src, const char *dst)
{
	struct bytes b = datagram(.src = src, .dst = dst);
	struct packet *p = lab_arrive(&lab, 0, &b);
	assert_int_equal(lab_walk(&lab, p), TO_EGRESS);
	bool wants = ip4_wants_redirect(lab.ports, p);
	p->flags |= PACKET_OWN;
	assert_false(ip4_wants_redirect(lab.ports, p));
	put_all(p);
	return wants;
}

static void ip4_redirect_is_due_within_the_senders_subnet_only(void **state)
{
	(void)state;
	assert_true(wants_redirect("192.168.1.2", "10.10.0.1")); /* via 192.168.1.9 */
	assert_true(wants_redirect("192.168.1.2", "192.168.1.3"));
	assert_false(wants_redirect("192.168.1.2", "192.168.0.2")); /* by another port */
	assert_false(wants_redirect("192.168.1.2", "10.0.0.2"));    /* same port, other subnet */
	assert_false(wants_redirect("172.16.0.1", "10.10.0.1"));    /* sender is further away */
}

/* -- options ---------------------------------------------------------------------- */

/*
 * Sends a datagram with these options; expects those, in hex as well. The time of day is
 * not known beforehand: "ffffffff" expects any.
 */
static void expect_options(const char *in, const char *out)
{
	struct bytes b = datagram(.options = in, .data_len = 5), want = forwarded(b, 1),
		     options = bytes_hex(out);
	struct packet *p = lab_arrive(&lab, 0, &b);
	assert_int_equal(lab_walk(&lab, p), TO_EGRESS);
	for (unsigned i = 0; i < options.len; i++) {
		if (options.len - i >= 4 && memcmp(options.at + i, "\xff\xff\xff\xff", 4) == 0)
			memcpy(options.at + i, p->data + 34 + i, 4);
	}
	memcpy(want.at + 34, options.at, options.len);
	bytes_fix_header(&want);
	expect_packet(p, &want);
	put_all(p);
}

static void ip4_record_route_gets_the_outgoing_address(void **state)
{
	(void)state;
	expect_options("070b04 00000000 00000000 00", "070b08 c0a80001 00000000 00");
	expect_options("070b08 01020304 00000000 00", "070b0c 01020304 c0a80001 00");
	expect_options("070b0c 01020304 05060708 00", "070b0c 01020304 05060708 00"); /* full */
	expect_options("01 070304", "01 070304"); /* never had room */
}

/* The address is the one the sender would be answered from, as in Linux. */
static void ip4_timestamp_is_stamped_as_its_flags_say(void **state)
{
	(void)state;
	expect_options("440c0500 00000000 00000000", "440c0900 ffffffff 00000000");
	expect_options("440c0d00 01020304 05060708", "440c0d10 01020304 05060708"); /* overflow */
	expect_options("440c0de0 01020304 05060708", "440c0df0 01020304 05060708");
	expect_options("440c0501 00000000 00000000", "440c0d01 c0a80101 ffffffff");
	expect_options("440c0503 c0a80001 00000000", "440c0d03 c0a80001 ffffffff"); /* it is us */
	expect_options("440c0503 c0a80109 00000000", "440c0503 c0a80109 00000000"); /* it is not */
	expect_options("440c0503 00000000 00000000",
		       "440c0d03 00000000 ffffffff"); /* Linux: nobody is us */
	expect_options("440c0503 7f000001 00000000", "440c0d03 7f000001 ffffffff");
	expect_options("440c0503 e0000001 00000000", "440c0d03 e0000001 ffffffff");
	expect_options("440c0df3 01020304 05060708",
		       "440c0df3 01020304 05060708"); /* never overflows */
	expect_options("440c0509 00000000 00000000",
		       "440c0509 00000000 00000000"); /* flags unknown */
}

static void ip4_other_options_are_carried_on(void **state)
{
	(void)state;
	expect_options("94040000", "94040000");			  /* router alert */
	expect_options("55040102 d5040304", "55040102 d5040304"); /* unknown */
	expect_options("01010101", "01010101");
	expect_options("00010203", "00000000"); /* behind the end of the list */
	expect_options("070704 00000000 00 aabbccdd", "070708 c0a80001 00 00000000");
}

static void ip4_source_route_is_dropped(void **state)
{
	(void)state;
	expect_fate(DROP_IP4_SOURCE_ROUTE, .options = "830704 0a090001 00");
	expect_fate(DROP_IP4_SOURCE_ROUTE, .options = "890704 0a090001 00");
	expect_fate(DROP_IP4_SOURCE_ROUTE, .options = "830704 0a090001 00", .dst = "192.168.1.1");
}

/* The offsets are those in Linux's parameter problems. */
static void ip4_malformed_option_is_pointed_at(void **state)
{
	(void)state;
	static const struct {
		const char *options;
		unsigned pointer;
	} cases[] = {
		{"07000400", 20},			      /* length 0 */
		{"55010000", 20},			      /* length 1 */
		{"07050400", 20},			      /* past the header */
		{"01010107", 23},			      /* no room for a length */
		{"07020101", 21},			      /* record route: too short */
		{"070703 00000000 00", 22},		      /* pointer into the option's head */
		{"070705 00000000 00", 22},		      /* no room for an address there */
		{"070704 00000000 01 07070400000000 00", 28}, /* the second */
		{"070704 00000000 01 07020101", 28},
		{"44030500", 21}, /* timestamp: too short */
		{"44080400 00000000", 22},
		{"44080600 00000000", 22},
		{"44080501 00000000", 22}, /* no room for address and time */
		{"44080503 00000000", 22},
		{"440809f0 00000000", 23}, /* overflow has overflown */
		{"44080500 00000000 44080500 00000000", 28},
		{"94030000", 21}, /* router alert: too short */
		{"83020101", 21}, /* source routes */
		{"830703 0a090001 00", 22},
		{"830704 0a090001 01 830704 0a090001 00", 28},
		{"830704 0a090001 01 07090400",
		 28}, /* a malformed one counts more than a refused one */
	};
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct bytes b =
			datagram(.options = cases[i].options, .dst = "10.77.0.1", .ttl = 1);
		struct packet *p = lab_arrive(&lab, 0, &b);
		assert_int_equal(lab_walk(&lab, p), DROP_IP4_OPTIONS);
		assert_int_equal(p->icmp_pointer, cases[i].pointer);
		expect_packet(p, &b);
		put_all(p);
	}
}

/* -- fragments -------------------------------------------------------------------- */

/*
 * Puts the pieces behind p together again, checking each: length, flags, checksum, and
 * that nothing but those differs from the first. Returns the first's header and the payload.
 */
static struct bytes reassemble(const struct packet *p, unsigned mtu, bool more_after, unsigned *n)
{
	struct bytes whole = {0};
	unsigned start = ip4_offset(packet_ip4(p)), header_len = ip4_header_len(packet_ip4(p));
	memcpy(whole.at, p->data, 14 + header_len);
	whole.len = 14 + header_len;
	for (*n = 0; p; p = p->next, ++*n) {
		const struct ip4_hdr *h = packet_ip4(p);
		unsigned len = be16_host(h->total_len) - header_len;
		assert_int_equal(naive_sum(h, header_len), 0xffff);
		assert_int_equal(ip4_header_len(h), header_len);
		assert_int_equal(p->len, 14 + header_len + len);
		assert_true(header_len + len <= mtu);
		assert_int_equal(ip4_offset(h), start + whole.len - 14 - header_len);
		assert_int_equal(be16_host(h->fragment) & IP4_DF, 0);
		assert_int_equal(!!(be16_host(h->fragment) & IP4_MF), p->next || more_after);
		assert_true(len % 8 == 0 || !p->next);
		assert_memory_equal(p->data, whole.at, 16); /* link header, version, TOS */
		assert_memory_equal(&h->id, whole.at + 18, 2);
		assert_memory_equal(&h->ttl, whole.at + 22, 2);
		assert_memory_equal(&h->src, whole.at + 26, 8);
		memcpy(whole.at + whole.len, (const uint8_t *)h + header_len, len);
		whole.len += len;
	}
	bytes_ip4(&whole)->total_len = be16_from((uint16_t)(whole.len - 14));
	bytes_ip4(&whole)->fragment = be16_from((uint16_t)(start / 8 | (more_after ? IP4_MF : 0)));
	bytes_fix_header(&whole);
	return whole;
}

/* Forwards b in n pieces and puts them together again. */
static void expect_cut(const struct bytes *b, unsigned want_n)
{
	struct packet *p = lab_arrive(&lab, 0, b);
	struct bytes want = forwarded(*b, 1);
	uint64_t created = lab.stats->created, fragments = lab.stats->fragments;
	unsigned n;
	assert_int_equal(lab_walk(&lab, p), TO_EGRESS);
	bool more_after = be16_host(((const struct ip4_hdr *)(b->at + 14))->fragment) & IP4_MF;
	struct bytes whole = reassemble(p, lab.port[1].mtu, more_after, &n);
	assert_int_equal(n, want_n);
	expect_bytes(whole.at, whole.len, &want);
	for (const struct packet *q = p; q; q = q->next)
		assert_int_equal(q->verdict, TO_EGRESS);
	assert_int_equal(lab.stats->created, created + n - 1);
	assert_int_equal(lab.stats->fragments, fragments + n);
	put_all(p);
	assert_int_equal(lab.pool.n_free, LAB_FRAMES);
}

static void ip4_long_datagram_is_cut_to_the_mtu(void **state)
{
	(void)state;
	struct bytes b = datagram(.data_len = 1373, .id = 7, .tos = 0x28); /* 1401 bytes */
	expect_cut(&b, 2);
	b = datagram(.data_len = 3000);
	expect_cut(&b, 3);
	/* 1380 bytes fit though they are no multiple of eight, but only in the last piece. */
	b = datagram(.bare = true, .data_len = 1376 + 1380);
	expect_cut(&b, 2);
	b = datagram(.bare = true, .data_len = 1376 + 1381);
	expect_cut(&b, 3);
}

static void ip4_fragment_is_cut_again(void **state)
{
	(void)state;
	struct bytes b = datagram(.bare = true, .data_len = 1456, .fragment = IP4_MF | 100);
	expect_cut(&b, 2);
	b = datagram(.bare = true, .data_len = 1459, .fragment = 100);
	expect_cut(&b, 2);
	b = datagram(.data_len = 1448, .fragment = IP4_MF);
	expect_cut(&b, 2);
}

/* As Linux: where copied, an option is in each piece; else its place is filled with NOPs. */
static void ip4_options_of_later_fragments_are_the_copied_ones(void **state)
{
	(void)state;
	struct bytes b =
		datagram(.options = "01 070704 00000000 d5040102 55040304", .data_len = 1400);
	struct bytes first = bytes_hex("01 070708 c0a80001 d5040102 55040304");
	struct bytes later = bytes_hex("01 010101 01010101 d5040102 01010101");
	struct packet *p = lab_arrive(&lab, 0, &b);
	assert_int_equal(lab_walk(&lab, p), TO_EGRESS);
	expect_bytes(p->data + 34, 16, &first);
	assert_non_null(p->next);
	expect_bytes(p->next->data + 34, 16, &later);
	put_all(p);

	/* Of a later fragment they were fixed where it was cut. */
	b = datagram(.options = "55040304", .bare = true, .data_len = 1400, .fragment = 9);
	first = later = bytes_hex("55040304");
	p = lab_arrive(&lab, 0, &b);
	assert_int_equal(lab_walk(&lab, p), TO_EGRESS);
	expect_bytes(p->data + 34, 4, &first);
	expect_bytes(p->next->data + 34, 4, &later);
	put_all(p);
}

/* A packet on its way to ip4_rewrite(). */
static struct packet *decided(const struct bytes *b)
{
	struct packet *p = lab_arrive(&lab, 0, b);
	struct vector v = {1, {p}};
	p->verdict = TO_FIB;
	ip4_route(lab.ports, lab.fib, &v);
	assert_int_equal(p->verdict, TO_NEIGH);
	p->verdict = TO_REWRITE;
	return p;
}

static void ip4_without_frames_nothing_is_cut(void **state)
{
	(void)state;
	struct bytes b = datagram(.data_len = 3000);
	struct packet *p = decided(&b), *taken[LAB_FRAMES];
	unsigned n = 0;
	while (lab.pool.n_free > 1) /* two are needed */
		taken[n++] = frame_get(&lab.pool);
	assert_int_equal(lab_walk(&lab, p), DROP_FRAMES);
	expect_packet(p, &b);
	assert_int_equal(lab.pool.n_free, 1);
	frame_put(&lab.pool, taken[--n]);
	p->verdict = TO_REWRITE;
	assert_int_equal(lab_walk(&lab, p), TO_EGRESS);
	put_all(p);
	while (n)
		frame_put(&lab.pool, taken[--n]);
}

static void ip4_piece_that_fits_no_frame_is_dropped(void **state)
{
	(void)state;
	struct bytes b = datagram(.data_len = 1400);
	struct packet *p = decided(&b);
	p->decision.mtu = 27; /* no room for eight bytes behind the header */
	assert_int_equal(lab_walk(&lab, p), DROP_FRAME_SIZE);
	expect_packet(p, &b);
	p->verdict = TO_REWRITE;
	p->decision.mtu = 1400;
	uint32_t size = lab.pool.size;
	lab.pool.size = 1024;
	struct vector v = {1, {p}};
	ip4_rewrite(lab.ports, lab.fib, &lab.pool, lab.stats, &v);
	lab.pool.size = size;
	assert_int_equal(p->verdict, DROP_FRAME_SIZE);
	expect_packet(p, &b);
	put_all(p);
}

/* -- at random -------------------------------------------------------------------- */

static void ip4_random_datagrams_verify_and_reassemble(void **state)
{
	(void)state;
	static const char *const options[] = {NULL, "01010101", "070b04 0000000000000000 00",
					      "d5040102 94040000", "440c0d00 0102030405060708"};
	unsigned seed = 20240607, n;
	print_message("seed %u\n", seed);
	srandom(seed);
	for (unsigned i = 0; i < 3000; i++) {
		bool more = random() % 2;
		unsigned len = (unsigned)random() % 3000;
		lab.port[1].mtu = (uint16_t)(68 + random() % 1433);
		struct bytes b =
			datagram(.bare = true, .data_len = more ? len & ~7u : len,
				 .tos = (uint8_t)random(), .ttl = (uint8_t)(2 + random() % 254),
				 .id = (uint16_t)random(), .options = options[random() % 5],
				 .protocol = (uint8_t)(1 + random() % 255),
				 .fragment = (uint16_t)((more ? IP4_MF : 0) | random() % 4000));
		struct packet *p = lab_arrive(&lab, 0, &b);
		enum verdict v = lab_walk(&lab, p);
		if (v != DROP_FRAMES) { /* a low MTU may ask for more frames than there are */
			assert_int_equal(v, TO_EGRESS);
			struct bytes whole = reassemble(p, lab.port[1].mtu, more, &n);
			struct bytes want = forwarded(b, 1);
			memcpy(want.at + 34, whole.at + 34, ip4_header_len(bytes_ip4(&b)) - 20);
			bytes_fix_header(&want);
			expect_bytes(whole.at, whole.len, &want);
		}
		put_all(p);
	}
	lab.port[1].mtu = 1400;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ip4_datagram_leaves_with_one_hop_less),
		cmocka_unit_test(ip4_route_counts_its_packets),
		cmocka_unit_test(ip4_padding_is_not_forwarded),
		cmocka_unit_test(ip4_checksum_follows_the_ttl_for_every_value),
		cmocka_unit_test(ip4_partial_checksum_is_completed_on_the_way),
		cmocka_unit_test(ip4_bad_header_is_dropped_by_its_clause),
		cmocka_unit_test(ip4_flipped_header_bit_is_found),
		cmocka_unit_test(ip4_martian_source_is_dropped),
		cmocka_unit_test(ip4_martian_destination_is_dropped),
		cmocka_unit_test(ip4_multicast_is_for_the_kernel_or_nobody),
		cmocka_unit_test(ip4_broadcast_is_for_the_kernel_or_nobody),
		cmocka_unit_test(ip4_unicast_in_a_link_broadcast_is_dropped),
		cmocka_unit_test(ip4_address_only_the_kernel_has_is_punted),
		cmocka_unit_test(ip4_route_type_names_the_drop),
		cmocka_unit_test(ip4_route_to_a_port_that_is_gone_is_dropped),
		cmocka_unit_test(ip4_ttl_is_looked_at_after_the_route_and_before_the_mtu),
		cmocka_unit_test(ip4_mtu_counts_the_whole_datagram),
		cmocka_unit_test(ip4_own_packet_keeps_its_ttl_and_gets_a_source),
		cmocka_unit_test(ip4_redirect_is_due_within_the_senders_subnet_only),
		cmocka_unit_test(ip4_record_route_gets_the_outgoing_address),
		cmocka_unit_test(ip4_timestamp_is_stamped_as_its_flags_say),
		cmocka_unit_test(ip4_other_options_are_carried_on),
		cmocka_unit_test(ip4_source_route_is_dropped),
		cmocka_unit_test(ip4_malformed_option_is_pointed_at),
		cmocka_unit_test(ip4_long_datagram_is_cut_to_the_mtu),
		cmocka_unit_test(ip4_fragment_is_cut_again),
		cmocka_unit_test(ip4_options_of_later_fragments_are_the_copied_ones),
		cmocka_unit_test(ip4_without_frames_nothing_is_cut),
		cmocka_unit_test(ip4_piece_that_fits_no_frame_is_dropped),
		cmocka_unit_test(ip4_random_datagrams_verify_and_reassemble),
	};
	return cmocka_run_group_tests(tests, open_lab, lab_tear_down);
}
