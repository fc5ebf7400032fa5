/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_icmp - echo replies, refusals and errors, as whole datagrams.
 *
 *   192.168.1.0/24 --[r0 .1]  router  [r1 .1]-- 192.168.0.0/24, MTU 1400
 *
 * Expected bytes are those that Linux 6.18 sent in the same place, but for the
 * identification, the time of day, and quotations of a datagram already half rewritten.
 */
#include "packets.h"

#include "../../dataplane/ip4.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define ROUTER                                                                                     \
	"port 192.168.1.1/24; port 192.168.0.1/24 mtu 1400; port 192.168.2.1/24 mtu 300;"          \
	"kernel 192.168.0.1 1; route 10.10.0.0/16 via 192.168.1.9;"                                \
	"route 10.1.0.0/16 blackhole; route 10.2.0.0/16 unreachable; route 10.3.0.0/16 prohibit"

static struct lab lab;

static int open_lab(void **state)
{
	return lab_set_up(state, &lab, ROUTER);
}

/* -- what is for the router ------------------------------------------------------- */

/* The frame that carries this datagram from r0. */
static struct bytes from_r0(const char *hex)
{
	struct bytes frame = bytes_hex("02000000ff01 020000000001 0800"), datagram = bytes_hex(hex);
	memcpy(frame.at + 14, datagram.at, datagram.len);
	frame.len += datagram.len;
	bytes_fix_header(&frame);
	return frame;
}

/* In the expected frame "ffffffff" among the options stands for any time of day. */
static void accept_times(struct bytes *want, const struct packet *p)
{
	for (unsigned i = 34; i + 4 <= 14 + ip4_header_len(bytes_ip4(want)); i++) {
		if (memcmp(want->at + i, "\xff\xff\xff\xff", 4) == 0)
			memcpy(want->at + i, p->data + i, 4);
	}
	bytes_fix_header(want);
}

static void expect_reply(const struct bytes *request, const char *want_hex)
{
	struct packet *p = lab_arrive(&lab, 0, request);
	struct bytes want = from_r0(want_hex);
	assert_string_equal(verdict_name(lab_walk(&lab, p)), "egress");
	assert_true(p->flags & PACKET_OWN);
	accept_times(&want, p);
	expect_packet(p, &want);
	frame_put(&lab.pool, p);
}

#define ECHO(...)                                                                                  \
	datagram(.protocol = PROTO_ICMP, .type = ICMP_ECHO, .rest = 0x00010002,                    \
		 .dst = "192.168.1.1", .id = 0x1234, __VA_ARGS__)

static void icmp_echo_request_comes_back_as_reply(void **state)
{
	(void)state;
	struct bytes b = ECHO(.data_len = 3);
	expect_reply(&b, "4500001f123400004001 0000 c0a80101c0a80102 0000fdfb00010002000102");
	b = ECHO(.tos = 0xff, .ttl = 1, .fragment = IP4_DF); /* TOS as it was, TTL 64, may be cut */
	expect_reply(&b, "45ff001c123400004001 0000 c0a80101c0a80102 0000fffc00010002");
	b = ECHO(.code = 3);
	expect_reply(&b, "4500001c123400004001 0000 c0a80101c0a80102 0003fff900010002");
	b = datagram(.protocol = PROTO_ICMP, .type = ICMP_ECHO,
		     .dst = "192.168.1.1"); /* a sum of nothing */
	expect_reply(&b, "4500001c000000004001 0000 c0a80101c0a80102 0000ffff00000000");
	/* Another port's address, and the kernel has it too. */
	b = datagram(.protocol = PROTO_ICMP, .type = ICMP_ECHO, .dst = "192.168.0.1",
		     .rest = 0x00010002, .data_len = 1);
	expect_reply(&b, "4500001d000000004001 0000 c0a80001c0a80102 0000fffc0001000200");
}

static void icmp_echo_request_verifies_for_every_identifier(void **state)
{
	(void)state;
	for (uint32_t rest = 0; rest <= 0xffff; rest += 7) {
		struct bytes b = datagram(.protocol = PROTO_ICMP, .type = ICMP_ECHO,
					  .rest = rest << 16 | (rest ^ 0xffff),
					  .dst = "192.168.1.1", .data_len = rest % 9);
		struct packet *p = lab_arrive(&lab, 0, &b);
		assert_int_equal(lab_walk(&lab, p), TO_EGRESS);
		assert_int_equal(naive_sum(p->data + 34, p->len - 34), 0xffff);
		assert_int_equal(naive_sum(p->data + 14, 20), 0xffff);
		frame_put(&lab.pool, p);
	}
}

static void icmp_long_echo_reply_is_cut(void **state)
{
	(void)state;
	struct bytes b = datagram(.protocol = PROTO_ICMP, .type = ICMP_ECHO, .src = "192.168.0.2",
				  .dst = "192.168.1.1", .data_len = 1400, .fragment = IP4_DF);
	struct packet *p = lab_arrive(&lab, 0, &b);
	assert_int_equal(lab_walk(&lab, p), TO_EGRESS);
	assert_non_null(p->next);
	assert_int_equal(p->len + p->next->len, b.len + 34);
	frame_put(&lab.pool, p->next);
	frame_put(&lab.pool, p);
}

/* What ping -R and ping -T show through Linux: the router when it received, and when it sent. */
static void icmp_echo_reply_carries_route_and_timestamps(void **state)
{
	(void)state;
	static const struct {
		const char *options, *header_to_options;
	} cases[] = {
		{"070704 00000000 00",
		 "4700002412340000400100 00c0a80101c0a80102 070708c0a80101 00"},
		{"070b04 0000000000000000 00",
		 "480000281234000040010000c0a80101c0a80102 070b0cc0a80101c0a80101 00"},
		{"070b0c 0102030405060708 00",
		 "480000281234000040010000c0a80101c0a80102 070b0c0102030405060708 00"},
		{"94040000",
		 "450000 1c1234000040010000c0a80101c0a80102"}, /* nothing to bring back */
		{"440c0500 0000000000000000",
		 "480000281234000040010000c0a80101c0a80102 440c0d00ffffffffffffffff"},
		{"440c0d00 0102030405060708",
		 "480000281234000040010000c0a80101c0a80102 440c0d100102030405060708"},
		{"440c0501 0000000000000000",
		 "480000281234000040010000c0a80101c0a80102 440c0d01c0a80101ffffffff"},
		{"44140503 c0a8010100000000 c0a8000100000000",
		 "4a0000301234000040010000c0a80101c0a80102 44141503c0a80101ffffffff "
		 "c0a80001ffffffff"},
		{"44140503 c0a8014d00000000 c0a8000100000000",
		 "4a0000301234000040010000c0a80101c0a80102 44140503c0a8014d00000000 "
		 "c0a8000100000000"},
		{"44140509 0000000000000000 0000000000000000",
		 "4a0000301234000040010000c0a80101c0a80102 441405090000000000000000 "
		 "0000000000000000"},
		{"94040000 070b04 0000000000000000 01 440c0501 0000000000000000 01010101",
		 "4b0000341234000040010000c0a80101c0a80102 070b0cc0a80101c0a80101 "
		 "440c0d01c0a80101ffffffff 00"},
	};
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		char want[256];
		struct bytes b = ECHO(.options = cases[i].options);
		snprintf(want, sizeof(want), "%s 0000fffc00010002", cases[i].header_to_options);
		expect_reply(&b, want);
	}
}

static void expect_refusal(enum verdict want, const struct bytes *b)
{
	struct packet *p = lab_arrive(&lab, 0, b);
	assert_string_equal(verdict_name(lab_walk(&lab, p)), verdict_name(want));
	expect_packet(p, b);
	frame_put(&lab.pool, p);
}
#define expect_fate(want, ...)                                                                     \
	do {                                                                                       \
		struct bytes frame = datagram(__VA_ARGS__);                                        \
		expect_refusal(want, &frame);                                                      \
	} while (0)

static void icmp_echo_with_room_for_half_an_entry_is_not_answered(void **state)
{
	(void)state;
	static const char *const options[] = {
		"070904 000000000000 000000",
		"440a0500 000000000000 0000",
		"44100501 000000000000000000000000",
	};
	for (unsigned i = 0; i < ARRAY_SIZE(options); i++) {
		struct bytes b = ECHO(.options = options[i]);
		expect_refusal(DROP_ICMP_TYPE, &b);
	}
}

static void icmp_what_the_file_alone_has_is_refused_by_name(void **state)
{
	(void)state;
	static const char us[] = "192.168.1.1";
	struct bytes b = ECHO(.data_len = 9);
	b.at[b.len - 1] ^= 1;
	expect_refusal(DROP_ICMP_CHECKSUM, &b);
	b = ECHO();
	bytes_ip4(&b)->total_len = be16_from(27);
	b.len = 41;
	bytes_fix_header(&b);
	expect_refusal(DROP_ICMP_SHORT, &b);
	for (unsigned type = 0; type < 256; type++) {
		if (type != ICMP_ECHO)
			expect_fate(DROP_ICMP_TYPE, .dst = us, .protocol = PROTO_ICMP,
				    .type = (uint8_t)type);
	}
	expect_fate(DROP_LOCAL_PORT, .dst = us);
	expect_fate(DROP_LOCAL_PROTOCOL, .dst = us, .protocol = PROTO_TCP);
	expect_fate(DROP_LOCAL_PROTOCOL, .dst = us, .protocol = 132);
	expect_fate(DROP_LOCAL_FRAGMENT, .dst = us, .fragment = IP4_MF);
	expect_fate(DROP_LOCAL_FRAGMENT, .dst = us, .fragment = 5);
	b = ECHO(.fragment = IP4_MF);
	expect_refusal(DROP_LOCAL_FRAGMENT, &b);
}

static void icmp_what_the_kernel_has_too_is_punted(void **state)
{
	(void)state;
	static const char both[] = "192.168.0.1";
	expect_fate(PUNTED, .dst = both);
	expect_fate(PUNTED, .dst = both, .protocol = PROTO_TCP);
	expect_fate(PUNTED, .dst = both, .protocol = PROTO_ICMP, .type = ICMP_ECHO_REPLY);
	expect_fate(PUNTED, .dst = both, .protocol = PROTO_ICMP, .type = ICMP_UNREACHABLE);
	expect_fate(PUNTED, .dst = both, .protocol = PROTO_ICMP, .type = ICMP_ECHO,
		    .fragment = IP4_MF);
	expect_fate(PUNTED, .dst = both, .fragment = 5);
	struct bytes b =
		datagram(.dst = both, .protocol = PROTO_ICMP, .type = ICMP_ECHO, .data_len = 2);
	b.at[b.len - 1] ^= 1;
	expect_refusal(DROP_ICMP_CHECKSUM, &b); /* echo requests are ours alone */
}

/* -- errors ----------------------------------------------------------------------- */

/* The error that the frame causes; the frame itself stays as it is. NULL: none. */
static struct packet *error_about(uint16_t port, const struct bytes *b, unsigned flags)
{
	struct packet *p = lab_arrive(&lab, port, b);
	p->flags = (uint8_t)flags;
	enum verdict v = lab_walk(&lab, p);
	assert_true(verdict_is_drop(v));
	icmp_limiter_free(lab.limiter); /* each is the first to its destination */
	lab.limiter = icmp_limiter_new((const uint8_t *)"sixteen bytes ok");
	struct packet *error = lab_error(&lab, p);
	expect_bytes(p->data, b->len, b);
	frame_put(&lab.pool, p);
	return error;
}

/* hex: the datagram, without checksum and identification of its header. */
static void expect_error(const struct bytes *b, const char *hex)
{
	struct bytes want = from_r0(hex);
	uint64_t created = lab.stats->created, errors = lab.stats->icmp_errors;
	struct packet *p = error_about(0, b, 0);
	assert_non_null(p);
	assert_int_equal(p->flags & (PACKET_OWN | PACKET_ERROR), PACKET_OWN | PACKET_ERROR);
	assert_int_equal(p->port_in, PORT_NONE);
	bytes_ip4(&want)->id = packet_ip4(p)->id;
	accept_times(&want, p);
	expect_packet(p, &want);
	assert_int_equal(naive_sum(p->data + 14 + ip4_header_len(packet_ip4(p)),
				   p->len - 14 - ip4_header_len(packet_ip4(p))),
			 0xffff);
	assert_int_equal(lab.stats->created, created + 1);
	assert_int_equal(lab.stats->icmp_errors, errors + 1);
	frame_put(&lab.pool, p);
}

/* Each datagram, and the error's header and first eight bytes; the quotation follows. */
static const struct {
	const char *about, *error;
} linux_errors[] = {
	/* time exceeded; TOS 0xff: precedence 6, and of the rest the four bits of TOS */
	{"45ff00211234000001112445c0a80102c0a8000203e807d0000d000068656c6c6f",
	 "45de003d0000000040010000c0a80101c0a80102 0b00a56800000000"},
	/* no route */
	{"450000211234000040119ca0c0a801020a4d000103e807d0000d000068656c6c6f",
	 "45c0003d0000000040010000c0a80101c0a80102 0300ad6800000000"},
	/* host unreachable, at TTL 1 */
	{"45000021123400000111dbebc0a801020a02000103e807d0000d000068656c6c6f",
	 "45c0003d0000000040010000c0a80101c0a80102 0301ad6700000000"},
	/* prohibited */
	{"450000211234000040119ceac0a801020a03000103e807d0000d000068656c6c6f",
	 "45c0003d0000000040010000c0a80101c0a80102 030dad5b00000000"},
	/* port unreachable, from the address that was meant */
	{"4500001c123400004011e549c0a80102c0a8010103e807d000080000",
	 "45c000380000000040010000c0a80101c0a80102 0303f13c00000000"},
	/* protocol unreachable */
	{"45000021123400004084e4d1c0a80102c0a8010103e807d0000d000068656c6c6f",
	 "45c0003d0000000040010000c0a80101c0a80102 0302ad6600000000"},
	/* parameter problem at an option */
	{"46000025123400004011da3fc0a80102c0a800020700040003e807d0000d000068656c6c6f",
	 "45c000410000000040010000c0a80101c0a80102 0c00906814000000"},
	/* parameter problem at an option's pointer */
	{"47000029123400004011da34c0a80102c0a80002070703000000000003e807d0000d000068656c6c6f",
	 "45c000450000000040010000c0a80101c0a80102 0c008e6816000000"},
};

static void icmp_errors_are_those_that_linux_sends(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(linux_errors); i++) {
		struct bytes b = bytes_hex("020000000001 02000000ee01 0800"),
			     datagram = bytes_hex(linux_errors[i].about);
		char want[512];
		memcpy(b.at + 14, datagram.at, datagram.len);
		b.len += datagram.len;
		snprintf(want, sizeof(want), "%s %s", linux_errors[i].error, linux_errors[i].about);
		expect_error(&b, want);
	}
}

/*
 * The error as header (with options) and first eight bytes, in hex with zero for lengths and
 * checksums; behind them quoted bytes of the datagram that caused it.
 */
static struct bytes built_error(const char *header_hex, const char *icmp_hex,
				const struct bytes *cause, unsigned quoted)
{
	struct bytes header = bytes_hex(header_hex), icmp = bytes_hex(icmp_hex), error = {0};
	memcpy(icmp.at + 8, cause->at + 14, quoted);
	be16 sum = be16_from((uint16_t)~naive_sum(icmp.at, 8 + quoted));
	memcpy(icmp.at + 2, &sum, sizeof(sum));
	error.len = header.len + 8 + quoted;
	memcpy(error.at, header.at, header.len);
	memcpy(error.at + header.len, icmp.at, 8 + quoted);
	((struct ip4_hdr *)error.at)->total_len = be16_from((uint16_t)error.len);
	return error;
}

static void expect_built(const struct bytes *cause, const char *header_hex, const char *icmp_hex,
			 unsigned quoted)
{
	struct bytes error = built_error(header_hex, icmp_hex, cause, quoted);
	char hex[2 * 600 + 1];
	assert_true(error.len <= 576);
	for (unsigned i = 0; i < error.len; i++)
		snprintf(hex + 2 * i, 3, "%02x", error.at[i]);
	expect_error(cause, hex);
}

/* The datagram is quoted as it arrived; the error's own options are the echoed ones. */
static void icmp_error_carries_route_and_timestamps(void **state)
{
	(void)state;
	struct bytes b = datagram(.ttl = 1, .options = "94040000 070b04 0000000000000000 00");
	expect_built(&b, "48c000000000000040010000c0a80101c0a80102 070b0cc0a80101c0a80101 00",
		     "0b00000000000000", b.len - 14);
	b = datagram(.ttl = 1, .options = "440c0501 0000000000000000");
	expect_built(&b, "48c000000000000040010000c0a80101c0a80102 440c0d01c0a80101ffffffff",
		     "0b00000000000000", b.len - 14);
	/* To us, and malformed: what came before the bad option counts. */
	b = datagram(.dst = "192.168.0.1", .options = "070704 00000000 01 44030500");
	expect_built(&b, "47c000000000000040010000c0a80001c0a80102 070708c0a80001 00",
		     "0c0000001d000000", b.len - 14);
	b = datagram(.ttl = 1, .options = "070904 000000000000 000000");
	assert_null(error_about(0, &b, 0)); /* malformed for a reply only: Linux is silent */
}

static void icmp_error_quotes_up_to_576_bytes(void **state)
{
	(void)state;
	static const char header[] = "45c000000000000040010000c0a80101c0a80102";
	struct bytes b = datagram(.ttl = 1, .data_len = 520); /* 548 bytes: the most that fits */
	expect_built(&b, header, "0b00000000000000", 548);
	b = datagram(.ttl = 1, .data_len = 521);
	expect_built(&b, header, "0b00000000000000", 548);
	b = datagram(.data_len = 1400, .fragment = IP4_DF); /* with the MTU of the way out */
	expect_built(&b, header, "0304000000000578", 548);
	b = datagram(.ttl = 1, .data_len = 600, .options = "070704 00000000 00");
	expect_built(&b, "47c000000000000040010000c0a80101c0a80102 070708c0a80101 00",
		     "0b00000000000000", 540);
	b = datagram(.ttl = 1);
	memset(b.at + b.len, 0xee, 18); /* padding is no part of it */
	b.len += 18;
	struct packet *p = error_about(0, &b, 0);
	assert_int_equal(p->len, 14 + 28 + b.len - 14 - 18);
	frame_put(&lab.pool, p);
}

/* So that it need not be cut on its way back. */
static void icmp_error_fits_the_mtu_it_goes_back_by(void **state)
{
	(void)state;
	struct bytes b = datagram(.ttl = 1, .data_len = 260, .src = "192.168.2.2",
				  .to_mac = "02:00:00:00:00:03");
	struct packet *p = error_about(2, &b, 0);
	assert_non_null(p);
	assert_int_equal(p->len, 14 + 300);
	assert_null(p->next);
	frame_put(&lab.pool, p);
}

static void icmp_unfinished_checksum_is_quoted_as_it_is(void **state)
{
	(void)state;
	struct bytes b = datagram(.ttl = 1, .data_len = 20);
	struct packet *p = lab_arrive(&lab, 0, &b);
	p->flags = PACKET_PARTIAL;
	p->csum_start = 34;
	p->csum_offset = 6;
	p->data[40] = b.at[40] = 0xab;
	assert_int_equal(lab_walk(&lab, p), DROP_IP4_TTL);
	struct packet *error = lab_error(&lab, p);
	assert_non_null(error);
	assert_memory_equal(error->data + 42, b.at + 14, b.len - 14);
	frame_put(&lab.pool, error);
	frame_put(&lab.pool, p);
}

/* -- errors that must not be ------------------------------------------------------ */

static void expect_no_error(const struct bytes *b, unsigned flags)
{
	uint64_t unfit = lab.stats->icmp_unfit, created = lab.stats->created;
	assert_null(error_about(0, b, flags));
	assert_int_equal(lab.stats->icmp_unfit, unfit + 1);
	assert_int_equal(lab.stats->created, created);
}

/* Linux's table: types 0, 8 and 13 to 18 are no errors; unknown ones may be. */
static void icmp_error_is_not_about_an_icmp_error(void **state)
{
	(void)state;
	for (unsigned type = 0; type < 256; type++) {
		struct bytes b = datagram(.protocol = PROTO_ICMP, .type = (uint8_t)type, .ttl = 1);
		if (type == 0 || type == 8 || (type >= 13 && type <= 18))
			frame_put(&lab.pool, error_about(0, &b, 0));
		else
			expect_no_error(&b, 0);
	}
	struct bytes empty = datagram(.protocol = PROTO_ICMP, .bare = true, .ttl = 1);
	expect_no_error(&empty, 0);
}

static void icmp_error_is_not_about_a_later_fragment(void **state)
{
	(void)state;
	struct bytes first = datagram(.ttl = 1, .fragment = IP4_MF),
		     later = datagram(.ttl = 1, .fragment = 1);
	frame_put(&lab.pool, error_about(0, &first, 0));
	expect_no_error(&later, 0);
}

static void icmp_error_is_not_about_groups_or_our_own(void **state)
{
	(void)state;
	static const char all[] = "ff:ff:ff:ff:ff:ff", bad[] = "07000400";
	struct bytes b = datagram(.options = bad, .to_mac = all);
	expect_no_error(&b, 0);
	b = datagram(.options = bad, .dst = "224.0.0.5");
	expect_no_error(&b, 0);
	b = datagram(.options = bad, .dst = "255.255.255.255");
	expect_no_error(&b, 0);
	b = datagram(.options = bad, .dst = "192.168.0.255");
	expect_no_error(&b, 0);
	b = datagram(.dst = "10.77.0.1");
	expect_no_error(&b, PACKET_OWN);
	expect_no_error(&b, PACKET_OWN | PACKET_ERROR);
	b = datagram(.src = "0.0.0.0", .dst = "255.255.255.255", .options = bad);
	expect_no_error(&b, 0);
}

/* Sources that ip4_input() drops would never get here; the rule holds without it. */
static void icmp_error_is_not_sent_to_a_bad_source(void **state)
{
	(void)state;
	static const char *const bad[] = {"0.0.0.0",	  "0.1.2.3",   "127.0.0.1",
					  "224.0.0.1",	  "240.0.0.1", "255.255.255.255",
					  "192.168.1.255"};
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		struct bytes b = datagram(.src = bad[i]);
		struct packet *p = lab_arrive(&lab, 0, &b);
		p->verdict = DROP_IP4_TTL;
		assert_null(lab_error(&lab, p));
		frame_put(&lab.pool, p);
	}
}

static void icmp_silent_drops_ask_for_no_error(void **state)
{
	(void)state;
	struct bytes b = datagram(.dst = "10.1.0.1");
	uint64_t unfit = lab.stats->icmp_unfit;
	assert_null(error_about(0, &b, 0));
	b = datagram(.options = "830704 0a090001 00");
	assert_null(error_about(0, &b, 0));
	assert_int_equal(lab.stats->icmp_unfit, unfit); /* nobody asked */
}

static void icmp_error_without_a_frame_is_counted(void **state)
{
	(void)state;
	struct packet *taken[LAB_FRAMES];
	unsigned n = 0;
	struct bytes b = datagram(.ttl = 1);
	while (lab.pool.n_free > 1)
		taken[n++] = frame_get(&lab.pool);
	expect_no_error(&b, 0);
	while (n)
		frame_put(&lab.pool, taken[--n]);
}

/* -- redirects and limits --------------------------------------------------------- */

static void icmp_redirect_names_the_better_router(void **state)
{
	(void)state;
	struct bytes b = datagram(.dst = "10.10.0.1", .tos = 0xff);
	struct bytes error = built_error("45de00000000000040010000c0a80101c0a80102",
					 "05010000c0a80109", &b, b.len - 14);
	struct bytes want = bytes_hex("02000000ff01 020000000001 0800");
	struct packet *p = lab_arrive(&lab, 0, &b);
	struct vector v = {1, {p}};
	p->verdict = TO_FIB;
	ip4_route(lab.ports, lab.fib, &v);
	assert_true(ip4_wants_redirect(lab.ports, p));
	struct packet *r = icmp_redirect(lab.limiter, &lab.pool, lab.stats, lab.ports, p, 0);
	assert_non_null(r);
	assert_int_equal(lab_walk(&lab, r), TO_EGRESS);
	memcpy(want.at + 14, error.at, error.len);
	want.len += error.len;
	bytes_ip4(&want)->id = packet_ip4(r)->id;
	bytes_fix_header(&want);
	expect_packet(r, &want);
	expect_packet(p, &b);
	frame_put(&lab.pool, r);
	frame_put(&lab.pool, p);
}

/* How many of n errors about p at that time are made. */
static unsigned made(struct packet *p, unsigned n, uint64_t now_ns)
{
	unsigned count = 0;
	while (n--) {
		struct packet *e =
			icmp_error(lab.limiter, &lab.pool, lab.stats, lab.ports, p, now_ns);
		if (e)
			frame_put(&lab.pool, e);
		count += e != NULL;
	}
	return count;
}

static void icmp_errors_are_limited_by_destination(void **state)
{
	(void)state;
	struct bytes b = datagram(.ttl = 1), other = datagram(.ttl = 1, .src = "192.168.1.3");
	struct packet *p = lab_arrive(&lab, 0, &b), *q = lab_arrive(&lab, 0, &other);
	icmp_limiter_free(lab.limiter);
	lab.limiter = icmp_limiter_new((const uint8_t *)"sixteen bytes ok");
	assert_int_equal(lab_walk(&lab, p), DROP_IP4_TTL);
	assert_int_equal(lab_walk(&lab, q), DROP_IP4_TTL);
	uint64_t now = 1000 * NS_PER_S, limited = lab.stats->icmp_limited;
	assert_int_equal(made(p, 100, now), 32);
	assert_int_equal(lab.stats->icmp_limited, limited + 68);
	assert_int_equal(made(q, 100, now), 32); /* another destination, another bucket */
	assert_int_equal(made(p, 100, now + NS_PER_S), 16);
	assert_int_equal(made(p, 100, now + NS_PER_S + NS_PER_S / 16 - 1), 0);
	assert_int_equal(made(p, 100, now + NS_PER_S + NS_PER_S / 16), 1);
	assert_int_equal(made(p, 100, now + 1000 * NS_PER_S), 32); /* never more than the burst */
	frame_put(&lab.pool, p);
	frame_put(&lab.pool, q);
}

static void icmp_redirects_leave_room_for_errors(void **state)
{
	(void)state;
	struct bytes b = datagram(.dst = "10.10.0.1", .ttl = 1);
	struct packet *p = lab_arrive(&lab, 0, &b);
	unsigned n = 0;
	uint64_t now = 5000 * NS_PER_S;
	assert_int_equal(lab_walk(&lab, p), DROP_IP4_TTL);
	for (unsigned i = 0; i < 100; i++) {
		struct packet *r =
			icmp_redirect(lab.limiter, &lab.pool, lab.stats, lab.ports, p, now);
		if (r)
			frame_put(&lab.pool, r);
		n += r != NULL;
	}
	assert_int_equal(n, 2);
	assert_int_equal(made(p, 100, now), 32);
	frame_put(&lab.pool, p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(icmp_echo_request_comes_back_as_reply),
		cmocka_unit_test(icmp_echo_request_verifies_for_every_identifier),
		cmocka_unit_test(icmp_long_echo_reply_is_cut),
		cmocka_unit_test(icmp_echo_reply_carries_route_and_timestamps),
		cmocka_unit_test(icmp_echo_with_room_for_half_an_entry_is_not_answered),
		cmocka_unit_test(icmp_what_the_file_alone_has_is_refused_by_name),
		cmocka_unit_test(icmp_what_the_kernel_has_too_is_punted),
		cmocka_unit_test(icmp_errors_are_those_that_linux_sends),
		cmocka_unit_test(icmp_error_carries_route_and_timestamps),
		cmocka_unit_test(icmp_error_quotes_up_to_576_bytes),
		cmocka_unit_test(icmp_error_fits_the_mtu_it_goes_back_by),
		cmocka_unit_test(icmp_unfinished_checksum_is_quoted_as_it_is),
		cmocka_unit_test(icmp_error_is_not_about_an_icmp_error),
		cmocka_unit_test(icmp_error_is_not_about_a_later_fragment),
		cmocka_unit_test(icmp_error_is_not_about_groups_or_our_own),
		cmocka_unit_test(icmp_error_is_not_sent_to_a_bad_source),
		cmocka_unit_test(icmp_silent_drops_ask_for_no_error),
		cmocka_unit_test(icmp_error_without_a_frame_is_counted),
		cmocka_unit_test(icmp_redirect_names_the_better_router),
		cmocka_unit_test(icmp_errors_are_limited_by_destination),
		cmocka_unit_test(icmp_redirects_leave_room_for_errors),
	};
	return cmocka_run_group_tests(tests, open_lab, lab_tear_down);
}
