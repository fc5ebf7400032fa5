/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_nat - frames through both sides of room nat and its rewriting, with a real session table.
 *
 *   10.0.0.0/24 --[r0 .1]  router  [r1 .1]-- 192.0.2.0/24 -- .254 -- everything else
 *   10.0.1.0/24 --[r2 .1]          [r1 .1]-- 198.51.100.0/24, which the kernel has too
 *
 * Each test adds the rules it needs. Between nat_input and nat_output the test routes by itself;
 * TTL and link header stay as they were, so that a frame differs by its translation alone. What is
 * expected is built by packets.c, whose checksums are computed from nothing.
 */
#include "packets.h"

#include "../../dataplane/csum.h"
#include "../../dataplane/nat.h"
#include "../../dataplane/offload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define ROUTER                                                                                     \
	"port 10.0.0.1/24; port 192.0.2.1/24 198.51.100.1/24; port 10.0.1.1/24;"                   \
	"kernel 198.51.100.1 1"
#define OUTSIDE	 "192.0.2.1"
#define START_NS (1000 * NS_PER_S)

enum { R0, R1, R2 };
enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };
enum { PROTO_GRE = 47, PROTO_ESP = 50, PROTO_SCTP = 132, PROTO_UDPLITE = 136 };

static struct lab lab;
static struct rules rules;
static struct nat_rule rule[8];
static struct nat nat;

/* -- the router ------------------------------------------------------------------- */

static struct rule_prefix prefix_of(const char *address, uint8_t len)
{
	return (struct rule_prefix){address_of(address), len};
}

static void add_rule(struct nat_rule r)
{
	rule[rules.n_nat++] = r;
}

static void masquerade(void)
{
	add_rule((struct nat_rule){
		.action = NAT_MASQUERADE, .out = R1, .from = prefix_of("10.0.0.0", 16)});
}

static void dnat(uint8_t protocol, uint16_t first, uint16_t last, const char *to, uint16_t to_port)
{
	add_rule((struct nat_rule){
		.action = NAT_DNAT,
		.in = R1,
		.protocol = protocol,
		.ports = {first, last},
		.to_first = address_of(to),
		.to_last = address_of(to),
		.to_ports = {to_port, (uint16_t)(to_port ? to_port + last - first : 0)},
	});
}

static void open_table(uint32_t capacity)
{
	struct session_config config = {.capacity = capacity, .secret = "not so secret"};

	session_free(nat.sessions);
	nat.sessions = session_new(&config);
	assert_non_null(nat.sessions);
}

static int open_lab(void **state)
{
	static const uint8_t secret[16] = "nor is this one";

	(void)state;
	lab_open(&lab, ROUTER);
	rules = (struct rules){.nat = rule};
	nat = (struct nat){
		.ports = lab.ports, .rules = &rules, .stats = lab.stats, .now_ns = START_NS};
	open_table(4096);
	nat.fragments = nat_fragments_new(secret);
	assert_non_null(nat.fragments);
	return 0;
}

static int close_lab(void **state)
{
	(void)state;
	nat_fragments_free(nat.fragments);
	session_free(nat.sessions);
	lab_close(&lab);
	return 0;
}

static uint64_t n_sessions(void)
{
	struct session_counts counts;

	session_counts(nat.sessions, &counts);
	return counts.sessions;
}

/* Where it is routed; false: to the router itself. */
static bool route(struct packet *p)
{
	if (port_local(lab.ports, p->decision.dst))
		return false;
	p->decision.port_out = R1;
	p->decision.next_hop = address_of("192.0.2.254");
	for (uint16_t i = 0; i < lab.ports->n_ports; i++) {
		if (port_subnet_of(&lab.port[i], p->decision.dst)) {
			p->decision.port_out = i;
			p->decision.next_hop = p->decision.dst;
		}
	}
	return true;
}

/* Takes a vector through: TO_NEIGH with its bytes rewritten, TO_LOCAL, HELD, or a drop. */
static void walk(struct vector *v)
{
	struct vector out;

	nat_input(&nat, v);
	for (unsigned i = 0; i < v->n; i++)
		if (v->p[i]->verdict == TO_DELIVER)
			v->p[i]->verdict = route(v->p[i]) ? TO_NAT_OUT : TO_LOCAL;
	vector_take(v, TO_NAT_OUT, &out);
	nat_output(&nat, &out);
	for (unsigned i = 0; i < out.n; i++)
		if (out.p[i]->verdict == TO_NEIGH)
			nat_rewrite(out.p[i]);
}

static struct packet *arrive(uint16_t port, const struct bytes *b)
{
	struct packet *p = lab_arrive(&lab, port, b);

	p->verdict = TO_NAT;
	return p;
}

/* What became of one frame. */
struct fate {
	enum verdict verdict;
	uint16_t port_out;
	uint8_t state;
	struct bytes bytes;
};

static struct fate fate_of(struct packet *p)
{
	struct fate f = {p->verdict, p->decision.port_out, p->state, {.len = p->len}};

	memcpy(f.bytes.at, p->data, p->len);
	frame_put(&lab.pool, p);
	return f;
}

static struct fate pass(uint16_t port, struct bytes b)
{
	struct vector v = {1, {arrive(port, &b)}};

	walk(&v);
	struct fate f = fate_of(v.p[0]);
	if (f.verdict != TO_NEIGH)
		expect_bytes(f.bytes.at, f.bytes.len, &b); /* an error may have to quote it */
	return f;
}

static void expect_verdict(enum verdict have, enum verdict want)
{
	assert_string_equal(verdict_name(have), verdict_name(want));
}

/* The frame comes out by that port, as want. */
static void expect_out(uint16_t in, struct bytes b, uint16_t out, struct bytes want)
{
	struct fate f = pass(in, b);

	expect_verdict(f.verdict, TO_NEIGH);
	expect_bytes(f.bytes.at, f.bytes.len, &want);
	assert_int_equal(f.port_out, out);
}

static void expect_end(enum verdict want, uint16_t in, struct bytes b)
{
	expect_verdict(pass(in, b).verdict, want);
}

/* -- frames ----------------------------------------------------------------------- */

static uint8_t *transport(struct bytes *b)
{
	return b->at + 14 + ip4_header_len(bytes_ip4(b));
}

static unsigned transport_len(struct bytes *b)
{
	return b->len - 14 - ip4_header_len(bytes_ip4(b));
}

static unsigned sum_place(uint8_t protocol)
{
	return protocol == PROTO_ICMP ? 2 : protocol == PROTO_TCP ? 16 : 6;
}

/* The sum over a whole datagram's transport, pseudo-header and all: right if 0xffff. */
static uint16_t transport_sum(struct bytes *b)
{
	const struct ip4_hdr *h = bytes_ip4(b);
	uint32_t sum = naive_sum(transport(b), transport_len(b));

	if (h->protocol != PROTO_ICMP)
		sum += naive_sum(&h->src, 8) + (uint32_t)h->protocol + transport_len(b);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static void fix_transport(struct bytes *b)
{
	uint8_t protocol = bytes_ip4(b)->protocol, *field = transport(b) + sum_place(protocol);

	memset(field, 0, 2);
	be16 sum = be16_from((uint16_t)~transport_sum(b));
	if (sum.raw == 0 && protocol != PROTO_TCP && protocol != PROTO_ICMP)
		sum.raw = 0xffff;
	memcpy(field, &sum, sizeof(sum));
}

static struct bytes segment(const char *src, uint16_t sport, const char *dst, uint16_t dport,
			    uint8_t flags)
{
	struct bytes b = datagram(.src = src, .dst = dst, .protocol = PROTO_TCP, .sport = sport,
				  .dport = dport, .data_len = 5);

	((struct tcp_hdr *)transport(&b))->flags = flags;
	fix_transport(&b);
	return b;
}

#define udp(from, from_port, to, to_port, ...)                                                     \
	datagram(.src = (from), .sport = (from_port), .dst = (to), .dport = (to_port),             \
		 .data_len = 9, ##__VA_ARGS__)

static struct bytes query(const char *src, const char *dst, uint8_t type, uint16_t id)
{
	return datagram(.src = src, .dst = dst, .protocol = PROTO_ICMP, .type = type,
			.rest = (uint32_t)id << 16 | 7, .data_len = 20);
}

/* An ICMP error with the first quoted_len bytes of the datagram in about. */
static struct bytes error(const char *src, const char *dst, uint8_t type, uint8_t code,
			  struct bytes about, unsigned quoted_len)
{
	if (quoted_len > about.len - 14)
		quoted_len = about.len - 14;
	struct bytes b = datagram(.src = src, .dst = dst, .protocol = PROTO_ICMP, .type = type,
				  .code = code, .data_len = quoted_len);
	memcpy(transport(&b) + 8, about.at + 14, quoted_len);
	fix_transport(&b);
	return b;
}

/* Piece of a datagram: len bytes of payload from byte `from` on. */
static struct bytes piece(struct bytes whole, unsigned from, unsigned len)
{
	struct ip4_hdr *h = bytes_ip4(&whole);
	unsigned payload_len = transport_len(&whole);
	bool more = from + len < payload_len;

	if (!more)
		len = payload_len - from;
	memmove(transport(&whole), transport(&whole) + from, len);
	whole.len = 14 + ip4_header_len(h) + len;
	h->total_len = be16_from((uint16_t)(whole.len - 14));
	h->fragment = be16_from((uint16_t)(from / 8 | (more ? IP4_MF : 0)));
	bytes_fix_header(&whole);
	return whole;
}

/* A source port that the table chose: read from the frame. */
static uint16_t source_port(struct bytes *b)
{
	return be16_host(((struct udp_hdr *)transport(b))->sport);
}

/* -- masquerade ------------------------------------------------------------------- */

static void masquerade_udp_goes_out_and_answers_come_back(void **state)
{
	(void)state;
	masquerade();
	expect_out(R0, udp("10.0.0.2", 4000, "8.8.8.8", 53), R1, udp(OUTSIDE, 4000, "8.8.8.8", 53));
	expect_out(R1, udp("8.8.8.8", 53, OUTSIDE, 4000), R0, udp("8.8.8.8", 53, "10.0.0.2", 4000));
	assert_int_equal(n_sessions(), 1);
	assert_int_equal(rule[0].hits, 1);
}

static void masquerade_tcp_keeps_its_state(void **state)
{
	(void)state;
	masquerade();
	struct fate f = pass(R0, segment("10.0.0.2", 4000, "8.8.8.8", 80, SYN));
	assert_int_equal(f.state, STATE_IS_NEW);
	f = pass(R1, segment("8.8.8.8", 80, OUTSIDE, 4000, SYN | ACK));
	struct bytes want = segment("8.8.8.8", 80, "10.0.0.2", 4000, SYN | ACK);
	expect_bytes(f.bytes.at, f.bytes.len, &want);
	assert_int_equal(f.state, STATE_IS_ESTABLISHED);
	f = pass(R0, segment("10.0.0.2", 4000, "8.8.8.8", 80, ACK));
	assert_int_equal(f.state, STATE_IS_ESTABLISHED);
	expect_out(R0, segment("10.0.0.2", 4000, "8.8.8.8", 80, RST), R1,
		   segment(OUTSIDE, 4000, "8.8.8.8", 80, RST));
}

/* RFC 5508 REQ-1 */
static void masquerade_icmp_queries_by_identifier(void **state)
{
	static const uint8_t requests[] = {8, 13, 15, 17};
	(void)state;
	masquerade();
	for (unsigned i = 0; i < ARRAY_SIZE(requests); i++) {
		uint8_t type = requests[i], reply = type == 8 ? 0 : type + 1;
		uint16_t id = (uint16_t)(70 + i);
		expect_out(R0, query("10.0.0.2", "8.8.8.8", type, id), R1,
			   query(OUTSIDE, "8.8.8.8", type, id));
		expect_out(R1, query("8.8.8.8", OUTSIDE, reply, id), R0,
			   query("8.8.8.8", "10.0.0.2", reply, id));
	}
}

static void masquerade_two_hosts_with_one_port_get_two(void **state)
{
	(void)state;
	masquerade();
	expect_out(R0, udp("10.0.0.2", 4000, "8.8.8.8", 53), R1, udp(OUTSIDE, 4000, "8.8.8.8", 53));
	struct fate f = pass(R0, udp("10.0.0.3", 4000, "8.8.8.8", 53));
	expect_verdict(f.verdict, TO_NEIGH);
	uint16_t port = source_port(&f.bytes);
	assert_int_not_equal(port, 4000);
	struct bytes want = udp(OUTSIDE, port, "8.8.8.8", 53);
	expect_bytes(f.bytes.at, f.bytes.len, &want);
	expect_out(R1, udp("8.8.8.8", 53, OUTSIDE, port), R0, udp("8.8.8.8", 53, "10.0.0.3", 4000));
	expect_out(R1, udp("8.8.8.8", 53, OUTSIDE, 4000), R0, udp("8.8.8.8", 53, "10.0.0.2", 4000));
}

static void masquerade_two_hosts_with_one_identifier_get_two(void **state)
{
	(void)state;
	masquerade();
	expect_out(R0, query("10.0.0.2", "8.8.8.8", 8, 70), R1, query(OUTSIDE, "8.8.8.8", 8, 70));
	struct fate f = pass(R0, query("10.0.0.3", "8.8.8.8", 8, 70));
	expect_verdict(f.verdict, TO_NEIGH);
	uint16_t id = be16_host(*(be16 *)(transport(&f.bytes) + 4));
	assert_int_not_equal(id, 70);
	expect_out(R1, query("8.8.8.8", OUTSIDE, 0, id), R0, query("8.8.8.8", "10.0.0.3", 0, 70));
}

/* RFC 4787 REQ-1 */
static void masquerade_mapping_does_not_depend_on_the_remote(void **state)
{
	(void)state;
	masquerade();
	pass(R0, udp("10.0.0.2", 4000, "8.8.8.8", 53));
	struct fate f = pass(R0, udp("10.0.0.3", 4000, "8.8.8.8", 53));
	uint16_t port = source_port(&f.bytes);
	expect_out(R0, udp("10.0.0.3", 4000, "9.9.9.9", 99), R1, udp(OUTSIDE, port, "9.9.9.9", 99));
	assert_int_equal(n_sessions(), 3);
}

static void masquerade_two_packets_in_one_vector_share_a_session(void **state)
{
	(void)state;
	masquerade();
	struct bytes b = udp("10.0.0.2", 4000, "8.8.8.8", 53);
	struct bytes want = udp(OUTSIDE, 4000, "8.8.8.8", 53);
	struct vector v = {2, {arrive(R0, &b), arrive(R0, &b)}};
	walk(&v);
	for (unsigned i = 0; i < 2; i++) {
		expect_packet(v.p[i], &want);
		frame_put(&lab.pool, v.p[i]);
	}
	assert_int_equal(n_sessions(), 1);
}

static void masquerade_takes_the_address_in_the_next_hops_subnet(void **state)
{
	(void)state;
	masquerade();
	expect_out(R0, udp("10.0.0.2", 4000, "198.51.100.9", 53), R1,
		   udp("198.51.100.1", 4000, "198.51.100.9", 53));
}

static void masquerade_other_protocols_by_address(void **state)
{
	static const uint8_t protocols[] = {PROTO_GRE, PROTO_ESP, PROTO_SCTP};
	(void)state;
	masquerade();
	for (unsigned i = 0; i < ARRAY_SIZE(protocols); i++) {
		expect_out(R0,
			   datagram(.src = "10.0.0.2", .dst = "8.8.8.8", .protocol = protocols[i],
				    .data_len = 30),
			   R1,
			   datagram(.src = OUTSIDE, .dst = "8.8.8.8", .protocol = protocols[i],
				    .data_len = 30));
		expect_out(R1,
			   datagram(.src = "8.8.8.8", .dst = OUTSIDE, .protocol = protocols[i],
				    .data_len = 30),
			   R0,
			   datagram(.src = "8.8.8.8", .dst = "10.0.0.2", .protocol = protocols[i],
				    .data_len = 30));
	}
}

static void masquerade_udp_lite_gets_its_checksum(void **state)
{
	(void)state;
	masquerade();
	struct bytes b = datagram(.src = "10.0.0.2", .dst = "8.8.8.8", .protocol = PROTO_UDPLITE,
				  .data_len = 31);
	fix_transport(&b);
	struct bytes want = b;
	bytes_ip4(&want)->src = address_of(OUTSIDE);
	bytes_fix_header(&want);
	fix_transport(&want);
	expect_out(R0, b, R1, want);
}

static void masquerade_udp_without_checksum_stays_without(void **state)
{
	(void)state;
	masquerade();
	struct bytes b = udp("10.0.0.2", 4000, "8.8.8.8", 53),
		     want = udp(OUTSIDE, 4000, "8.8.8.8", 53);
	memset(transport(&b) + 6, 0, 2);
	memset(transport(&want) + 6, 0, 2);
	expect_out(R0, b, R1, want);
}

static void rewrite_udp_checksum_of_zero_is_sent_as_ffff(void **state)
{
	(void)state;
	masquerade();
	struct bytes want = udp(OUTSIDE, 4000, "8.8.8.8", 53);
	/* Two bytes of payload take up what the sum lacks, so that its complement is zero. */
	memset(transport(&want) + 6, 0, 2);
	memset(transport(&want) + 8, 0, 2);
	be16 rest = be16_from((uint16_t)~transport_sum(&want));
	memcpy(transport(&want) + 8, &rest, 2);
	fix_transport(&want);
	assert_int_equal(transport(&want)[6] << 8 | transport(&want)[7], 0xffff);
	struct bytes b = want;
	bytes_ip4(&b)->src = address_of("10.0.0.2");
	bytes_fix_header(&b);
	fix_transport(&b);
	expect_out(R0, b, R1, want);
}

static void rewrite_wrong_checksum_stays_wrong(void **state)
{
	(void)state;
	masquerade();
	struct bytes b = udp("10.0.0.2", 4000, "8.8.8.8", 53);
	transport(&b)[6] ^= 0x40;
	struct fate f = pass(R0, b);
	expect_verdict(f.verdict, TO_NEIGH);
	assert_int_not_equal(transport_sum(&f.bytes), 0xffff);
}

static void masquerade_from_limits_what_is_translated(void **state)
{
	(void)state;
	masquerade();
	struct bytes b = udp("172.16.0.2", 4000, "8.8.8.8", 53);
	expect_out(R0, b, R1, b);
}

static void masquerade_inside_to_inside_is_untranslated(void **state)
{
	(void)state;
	masquerade();
	struct bytes b = udp("10.0.0.2", 4000, "10.0.1.2", 53);
	expect_out(R0, b, R2, b);
}

static void masquerade_port_without_address_drops(void **state)
{
	(void)state;
	masquerade();
	lab.port[R1].n_addresses = 0;
	expect_end(DROP_NAT_INVALID, R0, udp("10.0.0.2", 4000, "8.8.8.8", 53));
	assert_int_equal(n_sessions(), 0);
}

static void snat_follows_its_range_of_ports(void **state)
{
	(void)state;
	add_rule((struct nat_rule){
		.action = NAT_SNAT,
		.out = R1,
		.from = prefix_of("10.0.0.0", 24),
		.to_first = address_of("192.0.2.9"),
		.to_last = address_of("192.0.2.9"),
		.to_ports = {5000, 5001},
	});
	for (unsigned i = 0; i < 2; i++) {
		struct fate f = pass(R0, udp("10.0.0.2", (uint16_t)(4000 + i), "8.8.8.8", 53));
		expect_verdict(f.verdict, TO_NEIGH);
		assert_in_range(source_port(&f.bytes), 5000, 5001);
	}
	expect_end(DROP_NAT_POOL, R0, udp("10.0.0.2", 4002, "8.8.8.8", 53));
	assert_int_equal(n_sessions(), 2);
}

static void masquerade_leaves_taken_ports_alone(void **state)
{
	static uint64_t taken[1024];
	(void)state;
	masquerade();
	taken[4000 / 64] |= 1ull << 4000 % 64;
	rules.taken[1] = taken;
	struct fate f = pass(R0, udp("10.0.0.2", 4000, "8.8.8.8", 53));
	expect_verdict(f.verdict, TO_NEIGH);
	assert_int_not_equal(source_port(&f.bytes), 4000);
}

static void sessions_full_drops_by_name(void **state)
{
	(void)state;
	masquerade();
	struct session_config config = {.capacity = 64, .host_max = 2, .secret = "x"};
	session_free(nat.sessions);
	nat.sessions = session_new(&config);
	pass(R0, udp("10.0.0.2", 4000, "8.8.8.8", 53));
	pass(R0, udp("10.0.0.2", 4001, "8.8.8.8", 53));
	expect_end(DROP_NAT_FULL, R0, udp("10.0.0.2", 4002, "8.8.8.8", 53));
	struct session_counts counts;
	session_counts(nat.sessions, &counts);
	assert_int_equal(counts.mappings, 2);
}

/* -- who may come in ---------------------------------------------------------------- */

static void unsolicited_to_the_router_goes_to_it_and_leaves_nothing(void **state)
{
	(void)state;
	masquerade();
	expect_end(TO_LOCAL, R1, segment("8.8.8.8", 999, OUTSIDE, 22, SYN));
	expect_end(TO_LOCAL, R1, query("8.8.8.8", OUTSIDE, 8, 3));
	expect_end(TO_LOCAL, R0, udp("10.0.0.2", 4000, "10.0.0.1", 53));
	assert_int_equal(n_sessions(), 0);
}

static void unsolicited_to_a_pool_address_is_dropped(void **state)
{
	(void)state;
	add_rule((struct nat_rule){.action = NAT_SNAT,
				   .out = R1,
				   .from = prefix_of("10.0.0.0", 24),
				   .to_first = address_of("192.0.2.9"),
				   .to_last = address_of("192.0.2.10")});
	expect_end(DROP_NAT_UNSOLICITED, R1, segment("8.8.8.8", 999, "192.0.2.9", 22, SYN));
	expect_end(DROP_NAT_UNSOLICITED, R1, segment("8.8.8.8", 999, "192.0.2.10", 22, RST));
	expect_end(DROP_NAT_UNSOLICITED, R1, query("8.8.8.8", "192.0.2.9", 0, 3));
}

/* RFC 4787 REQ-8: by default, who has not been written to may not write. */
static void filtering_strict_drops_other_remotes(void **state)
{
	(void)state;
	masquerade();
	pass(R0, udp("10.0.0.2", 4000, "8.8.8.8", 53));
	expect_end(DROP_NAT_UNSOLICITED, R1, udp("8.8.8.8", 54, OUTSIDE, 4000));
	expect_end(DROP_NAT_UNSOLICITED, R1, udp("9.9.9.9", 53, OUTSIDE, 4000));
}

static void filtering_by_address_lets_other_ports_in(void **state)
{
	(void)state;
	masquerade();
	rule[0].filtering = FILTERING_ADDRESS;
	pass(R0, udp("10.0.0.2", 4000, "8.8.8.8", 53));
	expect_out(R1, udp("8.8.8.8", 54, OUTSIDE, 4000), R0, udp("8.8.8.8", 54, "10.0.0.2", 4000));
	expect_out(R0, udp("10.0.0.2", 4000, "8.8.8.8", 54), R1, udp(OUTSIDE, 4000, "8.8.8.8", 54));
	expect_end(DROP_NAT_UNSOLICITED, R1, udp("9.9.9.9", 53, OUTSIDE, 4000));
}

static void filtering_independent_lets_everyone_in(void **state)
{
	(void)state;
	masquerade();
	rule[0].filtering = FILTERING_INDEPENDENT;
	pass(R0, segment("10.0.0.2", 4000, "8.8.8.8", 53, SYN));
	expect_out(R1, segment("9.9.9.9", 54, OUTSIDE, 4000, SYN), R0,
		   segment("9.9.9.9", 54, "10.0.0.2", 4000, SYN));
	expect_out(R0, segment("10.0.0.2", 4000, "9.9.9.9", 54, SYN | ACK), R1,
		   segment(OUTSIDE, 4000, "9.9.9.9", 54, SYN | ACK));
}

/* RFC 4787 REQ-9 a: from the outside address and port. */
static void hairpin_mapping_joins_two_inside_hosts(void **state)
{
	(void)state;
	masquerade();
	pass(R0, udp("10.0.0.2", 4000, "8.8.8.8", 53));
	expect_out(R0, udp("10.0.0.3", 5000, OUTSIDE, 4000), R0,
		   udp(OUTSIDE, 5000, "10.0.0.2", 4000));
	expect_out(R0, udp("10.0.0.2", 4000, OUTSIDE, 5000), R0,
		   udp(OUTSIDE, 4000, "10.0.0.3", 5000));
	expect_out(R2, udp("10.0.1.9", 6000, OUTSIDE, 4000), R0,
		   udp(OUTSIDE, 6000, "10.0.0.2", 4000));
}

static void hairpin_to_ones_own_mapping_leaks_nothing(void **state)
{
	(void)state;
	masquerade();
	pass(R0, udp("10.0.0.2", 4000, "8.8.8.8", 53));
	struct bytes b = udp("10.0.0.2", 4000, OUTSIDE, 4000);
	struct fate f = pass(R0, b);
	if (f.verdict == TO_NEIGH)
		assert_true(be32_equal(bytes_ip4(&f.bytes)->src, address_of(OUTSIDE)));
	else
		expect_verdict(f.verdict, DROP_NAT_POOL);
}

/* -- forwarded ports ---------------------------------------------------------------- */

static void dnat_forwards_and_answers_come_from_outside_address(void **state)
{
	(void)state;
	masquerade();
	dnat(PROTO_TCP, 9999, 9999, "10.0.0.3", 80);
	expect_out(R1, segment("8.8.8.8", 1234, OUTSIDE, 9999, SYN), R0,
		   segment("8.8.8.8", 1234, "10.0.0.3", 80, SYN));
	expect_out(R0, segment("10.0.0.3", 80, "8.8.8.8", 1234, SYN | ACK), R1,
		   segment(OUTSIDE, 9999, "8.8.8.8", 1234, SYN | ACK));
	expect_end(TO_LOCAL, R1, udp("8.8.8.8", 1234, OUTSIDE, 9999));
	expect_end(TO_LOCAL, R1, segment("8.8.8.8", 1234, OUTSIDE, 9998, SYN));
	assert_int_equal(rule[1].hits, 1);
}

static void dnat_range_keeps_the_offset(void **state)
{
	(void)state;
	dnat(PROTO_UDP, 9000, 9009, "10.0.0.3", 100);
	expect_out(R1, udp("8.8.8.8", 1234, OUTSIDE, 9004), R0,
		   udp("8.8.8.8", 1234, "10.0.0.3", 104));
}

static void dnat_of_an_address_forwards_everything(void **state)
{
	(void)state;
	add_rule((struct nat_rule){.action = NAT_DNAT,
				   .in = R1,
				   .match = prefix_of("192.0.2.7", 32),
				   .to_first = address_of("10.0.0.7"),
				   .to_last = address_of("10.0.0.7")});
	expect_out(R1, query("8.8.8.8", "192.0.2.7", 8, 3), R0, query("8.8.8.8", "10.0.0.7", 8, 3));
	expect_out(R0, query("10.0.0.7", "8.8.8.8", 0, 3), R1, query("192.0.2.7", "8.8.8.8", 0, 3));
	expect_out(R1, udp("8.8.8.8", 1, "192.0.2.7", 2), R0, udp("8.8.8.8", 1, "10.0.0.7", 2));
}

static void dnat_from_the_servers_own_port_is_a_hairpin(void **state)
{
	(void)state;
	masquerade();
	dnat(PROTO_TCP, 9999, 9999, "10.0.0.3", 80);
	expect_out(R0, segment("10.0.0.2", 1234, OUTSIDE, 9999, SYN), R0,
		   segment(OUTSIDE, 1234, "10.0.0.3", 80, SYN));
	expect_out(R0, segment("10.0.0.3", 80, OUTSIDE, 1234, SYN | ACK), R0,
		   segment(OUTSIDE, 9999, "10.0.0.2", 1234, SYN | ACK));
}

static void dnat_from_another_inside_port_keeps_the_source(void **state)
{
	(void)state;
	masquerade();
	dnat(PROTO_TCP, 9999, 9999, "10.0.0.3", 80);
	expect_out(R2, segment("10.0.1.2", 1234, OUTSIDE, 9999, SYN), R0,
		   segment("10.0.1.2", 1234, "10.0.0.3", 80, SYN));
	expect_out(R0, segment("10.0.0.3", 80, "10.0.1.2", 1234, SYN | ACK), R2,
		   segment(OUTSIDE, 9999, "10.0.1.2", 1234, SYN | ACK));
}

static void dnat_and_source_rule_translate_both(void **state)
{
	(void)state;
	add_rule((struct nat_rule){.action = NAT_MASQUERADE, .out = R0});
	dnat(PROTO_TCP, 9999, 9999, "10.0.0.3", 80);
	expect_out(R1, segment("8.8.8.8", 1234, OUTSIDE, 9999, SYN), R0,
		   segment("10.0.0.1", 1234, "10.0.0.3", 80, SYN));
	expect_out(R0, segment("10.0.0.3", 80, "10.0.0.1", 1234, SYN | ACK), R1,
		   segment(OUTSIDE, 9999, "8.8.8.8", 1234, SYN | ACK));
}

static void dnat_does_not_forward_what_opens_nothing(void **state)
{
	(void)state;
	dnat(PROTO_TCP, 9999, 9999, "10.0.0.3", 80);
	expect_end(TO_LOCAL, R1, segment("8.8.8.8", 1234, OUTSIDE, 9999, RST));
	expect_end(TO_LOCAL, R1, segment("8.8.8.8", 1234, OUTSIDE, 9999, SYN | FIN));
	assert_int_equal(n_sessions(), 0);
}

/* -- plain routing ------------------------------------------------------------------ */

static void plain_connection_is_picked_up_in_the_middle(void **state)
{
	(void)state;
	struct bytes b = segment("10.0.0.2", 4000, "8.8.8.8", 80, ACK);
	struct fate f = pass(R0, b);
	expect_verdict(f.verdict, TO_NEIGH);
	expect_bytes(f.bytes.at, f.bytes.len, &b);
	assert_int_equal(f.state, STATE_IS_NEW);
	assert_int_equal(n_sessions(), 1);
	f = pass(R1, segment("8.8.8.8", 80, "10.0.0.2", 4000, ACK));
	assert_int_equal(f.state, STATE_IS_ESTABLISHED);
}

static void plain_invalid_goes_on_without_a_session(void **state)
{
	static const uint8_t flags[] = {0, RST, FIN, SYN | FIN, SYN | RST, SYN | ACK};
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(flags); i++) {
		struct bytes b = segment("10.0.0.2", 4000, "8.8.8.8", 80, flags[i]);
		struct fate f = pass(R0, b);
		expect_verdict(f.verdict, TO_NEIGH);
		expect_bytes(f.bytes.at, f.bytes.len, &b);
		assert_int_equal(f.state, STATE_IS_INVALID);
	}
	assert_int_equal(n_sessions(), 0);
}

static void reload_translated_sessions_outlive_their_rule(void **state)
{
	(void)state;
	masquerade();
	pass(R0, udp("10.0.0.2", 4000, "8.8.8.8", 53));
	rules.n_nat = 0;
	expect_out(R0, udp("10.0.0.2", 4000, "8.8.8.8", 53), R1, udp(OUTSIDE, 4000, "8.8.8.8", 53));
	expect_out(R1, udp("8.8.8.8", 53, OUTSIDE, 4000), R0, udp("8.8.8.8", 53, "10.0.0.2", 4000));
}

static void reload_untranslated_sessions_end_where_a_rule_forbids_them(void **state)
{
	(void)state;
	pass(R0, udp("10.0.0.2", 4000, "8.8.8.8", 53));
	pass(R1, udp("9.9.9.9", 4000, "10.0.0.2", 53));
	masquerade();
	expect_end(DROP_NAT_INVALID, R0, udp("10.0.0.2", 4000, "8.8.8.8", 53));
	struct bytes answer = udp("10.0.0.2", 53, "9.9.9.9", 4000);
	expect_out(R0, answer, R1, answer); /* it was asked under that address */
}

static void own_packets_are_left_alone(void **state)
{
	(void)state;
	masquerade();
	struct bytes b = query("10.0.0.1", "8.8.8.8", 0, 3);
	struct vector v = {1, {arrive(R0, &b)}};
	v.p[0]->flags = PACKET_OWN;
	v.p[0]->decision = (struct decision){.port_out = R1};
	nat_output(&nat, &v);
	expect_verdict(v.p[0]->verdict, TO_NEIGH);
	nat_rewrite(v.p[0]);
	expect_packet(v.p[0], &b);
	frame_put(&lab.pool, v.p[0]);
	assert_int_equal(n_sessions(), 0);
}

/* -- ICMP errors: RFC 5508 REQ-3 to REQ-7 --------------------------------------------- */

static void error_from_outside_finds_its_way_in(void **state)
{
	static const struct {
		uint8_t type, code;
	} kinds[] = {{3, 1}, {3, 3}, {3, 4}, {4, 0}, {11, 0}, {11, 1}, {12, 0}};
	(void)state;
	masquerade();
	struct bytes sent[] = {udp("10.0.0.2", 4000, "8.8.8.8", 53),
			       segment("10.0.0.2", 4000, "8.8.8.8", 80, SYN),
			       query("10.0.0.2", "8.8.8.8", 8, 70),
			       datagram(.src = "10.0.0.2", .dst = "8.8.8.8", .protocol = PROTO_GRE,
					.data_len = 30),
			       datagram(.src = "10.0.0.2", .dst = "8.8.8.8", .sport = 4001,
					.options = "94040000 01010100", .data_len = 4)};
	for (unsigned i = 0; i < ARRAY_SIZE(sent); i++) {
		struct fate left = pass(R0, sent[i]);
		expect_verdict(left.verdict, TO_NEIGH);
		for (unsigned k = 0; k < ARRAY_SIZE(kinds); k++) {
			unsigned len = k & 1 ? 1000 : ip4_header_len(bytes_ip4(&sent[i])) + 8;
			struct bytes e = error("1.2.3.4", OUTSIDE, kinds[k].type, kinds[k].code,
					       left.bytes, len);
			struct fate f = pass(R1, e);
			expect_verdict(f.verdict, TO_NEIGH);
			assert_int_equal(f.state, STATE_IS_RELATED);
			struct bytes want = error("1.2.3.4", "10.0.0.2", kinds[k].type,
						  kinds[k].code, sent[i], len);
			expect_bytes(f.bytes.at, f.bytes.len, &want);
		}
	}
}

static void error_with_a_translated_port_gets_the_inside_one(void **state)
{
	(void)state;
	masquerade();
	pass(R0, udp("10.0.0.2", 4000, "8.8.8.8", 53));
	struct bytes sent = udp("10.0.0.3", 4000, "8.8.8.8", 53);
	struct fate left = pass(R0, sent);
	assert_int_not_equal(source_port(&left.bytes), 4000);
	expect_out(R1, error("8.8.8.8", OUTSIDE, 3, 3, left.bytes, 28), R0,
		   error("8.8.8.8", "10.0.0.3", 3, 3, sent, 28));
}

static void error_about_udp_without_checksum_leaves_it_so(void **state)
{
	(void)state;
	masquerade();
	struct bytes sent = udp("10.0.0.2", 4000, "8.8.8.8", 53);
	memset(transport(&sent) + 6, 0, 2);
	struct fate left = pass(R0, sent);
	expect_out(R1, error("8.8.8.8", OUTSIDE, 3, 3, left.bytes, 1000), R0,
		   error("8.8.8.8", "10.0.0.2", 3, 3, sent, 1000));
}

static void error_from_inside_appears_as_the_outside_address(void **state)
{
	static const char *const senders[] = {"10.0.0.2", "10.0.0.99", "10.0.1.77"};
	(void)state;
	masquerade();
	pass(R0, udp("10.0.0.2", 4000, "8.8.8.8", 53));
	struct bytes answer = udp("8.8.8.8", 53, OUTSIDE, 4000);
	struct fate arrived = pass(R1, answer);
	for (unsigned i = 0; i < ARRAY_SIZE(senders); i++)
		expect_out(R0, error(senders[i], "8.8.8.8", 3, 3, arrived.bytes, 1000), R1,
			   error(OUTSIDE, "8.8.8.8", 3, 3, answer, 1000));
}

static void error_about_a_forwarded_port_shows_the_outside_address(void **state)
{
	(void)state;
	dnat(PROTO_UDP, 9999, 9999, "10.0.0.3", 80);
	struct bytes asked = udp("8.8.8.8", 1234, OUTSIDE, 9999);
	struct fate arrived = pass(R1, asked);
	expect_out(R0, error("10.0.0.3", "8.8.8.8", 3, 3, arrived.bytes, 28), R1,
		   error(OUTSIDE, "8.8.8.8", 3, 3, asked, 28));
	expect_out(R0, error("10.0.0.50", "8.8.8.8", 11, 0, arrived.bytes, 28), R1,
		   error(OUTSIDE, "8.8.8.8", 11, 0, asked, 28));
}

static void error_about_a_forwarded_answer_reaches_the_server(void **state)
{
	(void)state;
	dnat(PROTO_UDP, 9999, 9999, "10.0.0.3", 80);
	pass(R1, udp("8.8.8.8", 1234, OUTSIDE, 9999));
	struct bytes answer = udp("10.0.0.3", 80, "8.8.8.8", 1234);
	struct fate left = pass(R0, answer);
	expect_out(R1, error("1.2.3.4", OUTSIDE, 3, 4, left.bytes, 1000), R0,
		   error("1.2.3.4", "10.0.0.3", 3, 4, answer, 1000));
}

static void error_with_a_masked_sender_quotes_the_remote_as_it_is(void **state)
{
	(void)state;
	dnat(PROTO_UDP, 9999, 9999, "10.0.0.3", 80);
	add_rule((struct nat_rule){
		.action = NAT_MASQUERADE, .out = R0, .from = prefix_of("1.2.3.0", 24)});
	pass(R1, udp("8.8.8.8", 1234, OUTSIDE, 9999));
	struct bytes answer = udp("10.0.0.3", 80, "8.8.8.8", 1234);
	struct fate left = pass(R0, answer);
	expect_out(R1, error("1.2.3.4", OUTSIDE, 3, 4, left.bytes, 1000), R0,
		   error("10.0.0.1", "10.0.0.3", 3, 4, answer, 1000));
}

/* RFC 5508 REQ-7 */
static void error_in_a_hairpin_is_translated_both_ways(void **state)
{
	(void)state;
	masquerade();
	dnat(PROTO_UDP, 9999, 9999, "10.0.0.3", 80);
	struct bytes asked = udp("10.0.0.2", 1234, OUTSIDE, 9999);
	struct fate arrived = pass(R0, asked);
	expect_out(R0, error("10.0.0.3", OUTSIDE, 3, 3, arrived.bytes, 28), R0,
		   error(OUTSIDE, "10.0.0.2", 3, 3, asked, 28));
}

static void error_of_an_inside_router_about_plain_traffic_is_masked(void **state)
{
	(void)state;
	add_rule((struct nat_rule){
		.action = NAT_MASQUERADE, .out = R1, .from = prefix_of("10.0.0.64", 26)});
	struct bytes b = udp("8.8.8.8", 53, "10.0.0.2", 4000);
	pass(R1, b);
	expect_out(R0, error("10.0.0.99", "8.8.8.8", 11, 0, b, 28), R1,
		   error(OUTSIDE, "8.8.8.8", 11, 0, b, 28));
	expect_out(R0, error("10.0.0.2", "8.8.8.8", 3, 3, b, 28), R1,
		   error("10.0.0.2", "8.8.8.8", 3, 3, b, 28));
}

/* RFC 5508 REQ-6 */
static void error_does_not_touch_the_session(void **state)
{
	(void)state;
	masquerade();
	struct fate left = pass(R0, udp("10.0.0.2", 4000, "8.8.8.8", 53));
	struct tuple t = {address_of("8.8.8.8"), address_of(OUTSIDE), be16_from(53),
			  be16_from(4000),	 PROTO_UDP,	      {0}};
	enum session_direction direction;
	struct session *s = session_find(nat.sessions, &t, &direction, nat.now_ns);
	assert_non_null(s);
	struct session before = *s;
	nat.now_ns += NS_PER_S;
	expect_verdict(pass(R1, error("1.2.3.4", OUTSIDE, 3, 3, left.bytes, 28)).verdict, TO_NEIGH);
	assert_memory_equal(s, &before, sizeof(before));
}

static void error_about_nothing_is_dropped_by_name(void **state)
{
	(void)state;
	masquerade();
	struct fate left = pass(R0, udp("10.0.0.2", 4000, "8.8.8.8", 53));
	struct bytes stranger = udp(OUTSIDE, 4001, "8.8.8.8", 53);
	expect_end(DROP_NAT_ERROR, R1, error("1.2.3.4", OUTSIDE, 3, 3, stranger, 28));
	expect_end(DROP_NAT_ERROR, R1, error("1.2.3.4", OUTSIDE, 3, 3, left.bytes, 27));
	expect_end(DROP_NAT_ERROR, R1, error("1.2.3.4", OUTSIDE, 3, 3, left.bytes, 10));
	expect_end(DROP_NAT_ERROR, R1, error("1.2.3.4", "10.0.0.7", 3, 3, left.bytes, 28));
	expect_end(DROP_NAT_ERROR, R1, error("1.2.3.4", OUTSIDE, 5, 1, left.bytes, 28));
	struct bytes corrupt = error("1.2.3.4", OUTSIDE, 3, 3, left.bytes, 28);
	transport(&corrupt)[2] ^= 1;
	expect_end(DROP_NAT_ERROR, R1, corrupt);
	struct bytes version = left.bytes;
	version.at[14] = 0x65;
	expect_end(DROP_NAT_ERROR, R1, error("1.2.3.4", OUTSIDE, 3, 3, version, 28));
	struct bytes options = left.bytes;
	options.at[14] = 0x4f;
	expect_end(DROP_NAT_ERROR, R1, error("1.2.3.4", OUTSIDE, 3, 3, options, 28));
	nat.now_ns += 3600 * NS_PER_S;
	expect_end(DROP_NAT_ERROR, R1, error("1.2.3.4", OUTSIDE, 3, 3, left.bytes, 28));
}

static void error_for_an_address_of_the_kernel_is_left_to_it(void **state)
{
	(void)state;
	masquerade();
	expect_end(TO_LOCAL, R1,
		   error("1.2.3.4", "198.51.100.1", 3, 3, udp("198.51.100.1", 4001, "8.8.8.8", 53),
			 28));
}

static void error_about_plain_strangers_goes_on_as_invalid(void **state)
{
	(void)state;
	masquerade();
	struct fate f =
		pass(R1, error("1.2.3.4", "10.0.0.2", 3, 3, udp("10.0.0.2", 1, "8.8.8.8", 2), 28));
	expect_verdict(f.verdict, TO_NEIGH);
	assert_int_equal(f.state, STATE_IS_INVALID);
}

/* -- fragments: RFC 4787 REQ-14 ------------------------------------------------------- */

static struct bytes big(const char *src, const char *dst, uint16_t id)
{
	return datagram(.src = src, .sport = 4000, .dst = dst, .dport = 53, .id = id,
			.data_len = 200);
}

/* Pieces 0, 1, 2 of 80, 80 and 48 bytes. */
static struct bytes piece_of(struct bytes whole, unsigned i)
{
	return piece(whole, i * 80, 80);
}

static void fragments_in_order_follow_the_first(void **state)
{
	(void)state;
	masquerade();
	for (unsigned i = 0; i < 3; i++)
		expect_out(R0, piece_of(big("10.0.0.2", "8.8.8.8", 7), i), R1,
			   piece_of(big(OUTSIDE, "8.8.8.8", 7), i));
	assert_int_equal(n_sessions(), 1);
}

static void fragments_in_one_vector_follow_the_first_in_any_order(void **state)
{
	static const unsigned orders[][3] = {{0, 1, 2}, {2, 1, 0}, {1, 0, 2}};
	(void)state;
	masquerade();
	for (unsigned o = 0; o < ARRAY_SIZE(orders); o++) {
		struct vector v = {0};
		open_table(4096); /* the first opens a session, wherever it stands */
		for (unsigned i = 0; i < 3; i++) {
			struct bytes b =
				piece_of(big("10.0.0.2", "8.8.8.8", (uint16_t)o), orders[o][i]);
			v.p[v.n++] = arrive(R0, &b);
		}
		walk(&v);
		for (unsigned i = 0; i < 3; i++) {
			struct bytes want =
				piece_of(big(OUTSIDE, "8.8.8.8", (uint16_t)o), orders[o][i]);
			expect_verdict(v.p[i]->verdict, TO_NEIGH);
			expect_packet(v.p[i], &want);
			frame_put(&lab.pool, v.p[i]);
		}
	}
}

static void fragments_before_the_first_wait_for_it(void **state)
{
	struct bytes later[2], first = piece_of(big("10.0.0.2", "8.8.8.8", 7), 0);
	struct vector v = {0};
	(void)state;
	masquerade();
	for (unsigned i = 0; i < 2; i++) {
		later[i] = piece_of(big("10.0.0.2", "8.8.8.8", 7), 2 - i);
		v.p[v.n++] = arrive(R0, &later[i]);
	}
	walk(&v);
	expect_verdict(v.p[0]->verdict, HELD);
	expect_verdict(v.p[1]->verdict, HELD);
	assert_null(nat_fragments_released(nat.fragments));
	assert_true(nat_fragments_next(nat.fragments) > nat.now_ns);

	expect_out(R0, first, R1, piece_of(big(OUTSIDE, "8.8.8.8", 7), 0));
	assert_int_equal(nat_fragments_next(nat.fragments), 0);
	for (unsigned i = 0; i < 2; i++) {
		struct vector one = {1, {nat_fragments_released(nat.fragments)}};
		assert_ptr_equal(one.p[0], v.p[i]);
		expect_verdict(one.p[0]->verdict, TO_NAT);
		walk(&one);
		struct bytes want = piece_of(big(OUTSIDE, "8.8.8.8", 7), 2 - i);
		expect_packet(one.p[0], &want);
		frame_put(&lab.pool, one.p[0]);
	}
	assert_null(nat_fragments_released(nat.fragments));
}

static void fragments_without_a_first_end_after_two_seconds(void **state)
{
	(void)state;
	masquerade();
	struct bytes b = piece_of(big("10.0.0.2", "8.8.8.8", 7), 1);
	struct vector v = {1, {arrive(R0, &b)}};
	walk(&v);
	expect_verdict(v.p[0]->verdict, HELD);
	assert_int_equal(nat_fragments_next(nat.fragments), START_NS + 2 * NS_PER_S);
	nat_fragments_age(nat.fragments, START_NS + 2 * NS_PER_S - 1);
	assert_null(nat_fragments_released(nat.fragments));
	nat_fragments_age(nat.fragments, START_NS + 2 * NS_PER_S);
	assert_ptr_equal(nat_fragments_released(nat.fragments), v.p[0]);
	expect_verdict(v.p[0]->verdict, DROP_NAT_FRAGMENT);
	assert_int_equal(nat_fragments_next(nat.fragments), UINT64_MAX);
	frame_put(&lab.pool, v.p[0]);
}

static void fragments_held_are_bounded(void **state)
{
	struct packet spare = {0};
	struct bytes b = piece_of(big("10.0.0.2", "8.8.8.8", 7), 1);
	(void)state;
	masquerade();
	/* The pool of the lab is as large as the bound: one frame stands for all. */
	spare.data = b.at;
	spare.len = b.len;
	struct vector v = {1, {&spare}};
	for (unsigned i = 0; i < 64; i++) {
		nat_input(&nat, &v);
		expect_verdict(spare.verdict, HELD);
	}
	nat_input(&nat, &v);
	expect_verdict(spare.verdict, DROP_NAT_FRAGMENT);
	nat_fragments_age(nat.fragments, UINT64_MAX);
	for (unsigned i = 0; i < 64; i++)
		assert_non_null(nat_fragments_released(nat.fragments));
	assert_null(nat_fragments_released(nat.fragments));
}

static void fragments_whose_first_was_dropped_do_not_leave(void **state)
{
	(void)state;
	masquerade();
	struct bytes whole = datagram(.src = "10.0.0.2", .dst = "8.8.8.8", .protocol = PROTO_TCP,
				      .id = 7, .data_len = 200);
	((struct tcp_hdr *)transport(&whole))->flags = RST;
	fix_transport(&whole);
	expect_end(DROP_NAT_INVALID, R0, piece_of(whole, 0));
	expect_end(DROP_NAT_FRAGMENT, R0, piece_of(whole, 1));
}

static void fragments_of_no_rule_go_on_at_once(void **state)
{
	(void)state;
	add_rule((struct nat_rule){
		.action = NAT_MASQUERADE, .out = R1, .from = prefix_of("10.0.1.0", 24)});
	struct bytes b = piece_of(big("10.0.0.2", "8.8.8.8", 7), 1);
	expect_out(R0, b, R1, b);
}

static void fragments_of_an_answer_find_the_inside_host(void **state)
{
	(void)state;
	masquerade();
	pass(R0, udp("10.0.0.2", 53, "8.8.8.8", 4000));
	for (unsigned i = 0; i < 3; i++)
		expect_out(R1, piece_of(big("8.8.8.8", OUTSIDE, 9), i), R0,
			   piece_of(big("8.8.8.8", "10.0.0.2", 9), i));
}

static void fragments_of_an_error_find_the_inside_host(void **state)
{
	(void)state;
	masquerade();
	struct bytes sent = big("10.0.0.2", "8.8.8.8", 1);
	struct fate left = pass(R0, sent);
	for (unsigned i = 0; i < 3; i++)
		expect_out(R1, piece_of(error("8.8.8.8", OUTSIDE, 3, 3, left.bytes, 200), i), R0,
			   piece_of(error("8.8.8.8", "10.0.0.2", 3, 3, sent, 200), i));
}

static void fragments_of_other_protocols_need_no_first(void **state)
{
	(void)state;
	masquerade();
	struct bytes out = datagram(.src = "10.0.0.2", .dst = "8.8.8.8", .protocol = PROTO_GRE,
				    .data_len = 208);
	struct bytes want =
		datagram(.src = OUTSIDE, .dst = "8.8.8.8", .protocol = PROTO_GRE, .data_len = 208);
	expect_out(R0, piece_of(out, 2), R1, piece_of(want, 2));
	expect_out(R0, piece_of(out, 0), R1, piece_of(want, 0));
}

/* -- security: nothing leaves with an inside source --------------------------------------- */

static void expect_no_leak(struct bytes b)
{
	struct fate f = pass(R0, b);

	if (verdict_is_drop(f.verdict))
		return;
	expect_verdict(f.verdict, TO_NEIGH);
	assert_true(be32_equal(bytes_ip4(&f.bytes)->src, address_of(OUTSIDE)));
}

static void no_leak_of_tcp_that_opens_nothing(void **state)
{
	(void)state;
	masquerade();
	for (unsigned flags = 0; flags < 64; flags++)
		expect_no_leak(segment("10.0.0.2", (uint16_t)(4000 + flags), "8.8.8.8", 80,
				       (uint8_t)flags));
	expect_end(DROP_NAT_INVALID, R0, segment("10.0.0.2", 1, "8.8.8.8", 80, RST));
	expect_end(DROP_NAT_INVALID, R0, segment("10.0.0.2", 1, "8.8.8.8", 80, 0));
	expect_end(DROP_NAT_INVALID, R0, segment("10.0.0.2", 1, "8.8.8.8", 80, ACK));
	struct bytes b = segment("10.0.0.2", 4000, "8.8.8.8", 80, SYN);
	transport(&b)[12] = 0x40;
	expect_end(DROP_NAT_INVALID, R0, b);
	transport(&b)[12] = 0xf0;
	expect_end(DROP_NAT_INVALID, R0, b);
}

static void no_leak_of_cut_headers(void **state)
{
	static const uint8_t protocols[] = {PROTO_TCP, PROTO_UDP, PROTO_ICMP};
	(void)state;
	masquerade();
	for (unsigned i = 0; i < ARRAY_SIZE(protocols); i++)
		for (unsigned len = 0; len < 8; len++)
			expect_end(DROP_NAT_INVALID, R0,
				   datagram(.src = "10.0.0.2", .dst = "8.8.8.8",
					    .protocol = protocols[i], .bare = true,
					    .data_len = len));
	struct bytes b = udp("10.0.0.2", 4000, "8.8.8.8", 53);
	((struct udp_hdr *)transport(&b))->len = be16_from(7);
	expect_end(DROP_NAT_INVALID, R0, b);
	((struct udp_hdr *)transport(&b))->len = be16_from(500);
	expect_end(DROP_NAT_INVALID, R0, b);
}

static void no_leak_of_icmp_of_any_type(void **state)
{
	(void)state;
	masquerade();
	for (unsigned type = 0; type < 256; type++)
		expect_no_leak(query("10.0.0.2", "8.8.8.8", (uint8_t)type, 5));
	expect_end(DROP_NAT_INVALID, R0, query("10.0.0.2", "8.8.8.8", 0, 9));
	expect_end(DROP_NAT_ERROR, R0,
		   error("10.0.0.2", "8.8.8.8", 3, 3, udp("8.8.8.8", 1, "10.0.0.2", 2), 28));
}

static void no_leak_of_other_protocols_and_fragments(void **state)
{
	(void)state;
	masquerade();
	for (unsigned protocol = 2; protocol < 256; protocol++)
		if (protocol != PROTO_TCP && protocol != PROTO_UDP)
			expect_no_leak(datagram(.src = "10.0.0.2", .dst = "8.8.8.8",
						.protocol = (uint8_t)protocol, .data_len = 12));
	/* A fragment of eight bytes of TCP, and one that would write over the flags: RFC 1858. */
	struct bytes whole = segment("10.0.0.2", 4000, "8.8.8.8", 80, SYN);
	bytes_ip4(&whole)->id = be16_from(1);
	expect_end(DROP_NAT_INVALID, R0, piece(whole, 0, 8));
	expect_end(DROP_NAT_FRAGMENT, R0, piece(whole, 8, 8));
}

static void no_leak_of_a_second_protocol_user(void **state)
{
	(void)state;
	masquerade();
	expect_no_leak(datagram(.src = "10.0.0.2", .dst = "8.8.8.8", .protocol = PROTO_GRE));
	expect_end(DROP_NAT_POOL, R0,
		   datagram(.src = "10.0.0.3", .dst = "8.8.8.8", .protocol = PROTO_GRE));
}

/* -- there and back = identity ------------------------------------------------------------ */

static uint32_t dice_state;

static uint32_t dice(uint32_t n)
{
	dice_state = dice_state * 1664525u + 1013904223u;
	return (dice_state >> 8) % n;
}

static struct bytes random_datagram(uint32_t number)
{
	static const uint8_t protocols[] = {PROTO_UDP, PROTO_UDP, PROTO_TCP, PROTO_ICMP};
	char src[32], dst[32];

	snprintf(src, sizeof(src), "10.0.0.%u", 2 + dice(5));
	snprintf(dst, sizeof(dst), "8.%u.%u.%u", dice(256), number >> 8 & 255, number & 255);
	struct bytes b = datagram(.src = src, .dst = dst, .protocol = protocols[dice(4)], .type = 8,
				  .sport = (uint16_t)(1 + dice(65535)), .rest = dice(1 << 24) << 8,
				  .dport = (uint16_t)(1 + dice(65535)), .data_len = dice(60),
				  .options = dice(4) ? "" : "94040000");
	for (unsigned i = bytes_ip4(&b)->protocol == PROTO_TCP ? 20 : 8; i < transport_len(&b); i++)
		transport(&b)[i] = (uint8_t)dice(256);
	fix_transport(&b);
	if (bytes_ip4(&b)->protocol == PROTO_UDP && dice(4) == 0)
		memset(transport(&b) + 6, 0, 2);
	return b;
}

/* The answer to a datagram: ends swapped, an echo answered. */
static struct bytes answer_to(struct bytes b)
{
	struct ip4_hdr *h = bytes_ip4(&b);
	be32 src = h->src;
	uint8_t ports[4];

	h->src = h->dst;
	h->dst = src;
	bytes_fix_header(&b);
	if (h->protocol == PROTO_ICMP) {
		transport(&b)[0] = 0;
		fix_transport(&b);
		return b;
	}
	memcpy(ports, transport(&b), 4);
	memcpy(transport(&b), ports + 2, 2);
	memcpy(transport(&b) + 2, ports, 2);
	if (h->protocol == PROTO_TCP)
		((struct tcp_hdr *)transport(&b))->flags = SYN | ACK;
	if (h->protocol == PROTO_TCP || transport(&b)[6] || transport(&b)[7])
		fix_transport(&b);
	return b;
}

static void expect_sound(struct bytes *b)
{
	const struct ip4_hdr *h = bytes_ip4(b);

	assert_int_equal(naive_sum(h, ip4_header_len(h)), 0xffff);
	if (h->protocol != PROTO_UDP || transport(b)[6] || transport(b)[7])
		assert_int_equal(transport_sum(b), 0xffff);
}

static void translation_there_and_back_is_the_identity(void **state)
{
	(void)state;
	masquerade();
	dice_state = 20240607;
	print_message("seed %u\n", dice_state);
	for (uint32_t i = 0; i < 4000; i++) {
		struct bytes sent = random_datagram(i), want;
		struct fate out = pass(R0, sent);
		expect_verdict(out.verdict, TO_NEIGH);
		assert_true(be32_equal(bytes_ip4(&out.bytes)->src, address_of(OUTSIDE)));
		expect_sound(&out.bytes);

		struct bytes answer = answer_to(out.bytes);
		struct fate in = pass(R1, answer);
		expect_verdict(in.verdict, TO_NEIGH);
		want = answer_to(sent);
		expect_bytes(in.bytes.at, in.bytes.len, &want);
		expect_sound(&in.bytes);

		/* And errors about either, cut anywhere behind the ports. */
		unsigned len = ip4_header_len(bytes_ip4(&sent)) + 8 + dice(60);
		if (len == ip4_header_len(bytes_ip4(&sent)) + 17)
			len++; /* half a TCP checksum cannot be updated */
		char inside[16], remote[16];
		const uint8_t *a = (const uint8_t *)&bytes_ip4(&sent)->src;
		snprintf(inside, sizeof(inside), "%u.%u.%u.%u", a[0], a[1], a[2], a[3]);
		snprintf(remote, sizeof(remote), "%u.%u.%u.%u", a[4], a[5], a[6], a[7]);
		expect_out(R1, error("1.2.3.4", OUTSIDE, 11, 0, out.bytes, len), R0,
			   error("1.2.3.4", inside, 11, 0, sent, len));
		expect_out(R0, error(inside, remote, 3, 3, in.bytes, len), R1,
			   error(OUTSIDE, remote, 3, 3, answer, len));
	}
}

/* -- what was made to break it ------------------------------------------------------------ */

/* A frame in memory of its own, so that the sanitizer sees what is read behind its end. */
static void walk_alone(uint16_t port, const struct bytes *b)
{
	uint8_t *data = malloc(b->len);
	assert_non_null(data);
	memcpy(data, b->at, b->len);
	struct packet p = {.data = data, .len = b->len, .port_in = port, .wire = port};
	struct vector v = {1, {&p}};
	walk(&v);
	assert_int_not_equal(p.verdict, TO_NAT);
	nat_fragments_age(nat.fragments, UINT64_MAX);
	nat_fragments_released(nat.fragments);
	free(data);
}

static void broken_bytes_are_read_within_their_datagram(void **state)
{
	(void)state;
	masquerade();
	dnat(PROTO_UDP, 1, 65535, "10.0.0.3", 0);
	dice_state = 5508;
	print_message("seed %u\n", dice_state);
	for (uint32_t i = 0; i < 4000; i++) {
		struct bytes sent = random_datagram(i), b = sent;
		struct fate out = pass(R0, sent);
		if (dice(2) && out.verdict == TO_NEIGH)
			b = error("1.2.3.4", OUTSIDE, 3, 3, out.bytes, dice(80));
		for (unsigned n = dice(4); n; n--)
			b.at[34 + dice(b.len - 34)] = (uint8_t)dice(256);
		unsigned header_len = ip4_header_len(bytes_ip4(&b));
		b.len = 14 + header_len + dice(b.len - 14 - header_len + 1);
		bytes_ip4(&b)->total_len = be16_from((uint16_t)(b.len - 14));
		if (dice(4) == 0)
			bytes_ip4(&b)->fragment = be16_from((uint16_t)(dice(3) | IP4_MF));
		if (bytes_ip4(&b)->protocol == PROTO_ICMP && b.len - 14 - header_len >= 8)
			fix_transport(&b);
		walk_alone(dice(2) ? R1 : R0, &b);
	}
}

/* Opens the checksum of a TCP or UDP datagram as its sender's kernel would leave it. */
static void open_sum(struct packet *p)
{
	const struct ip4_hdr *h = packet_ip4(p);
	bool tcp = h->protocol == PROTO_TCP;
	be16 sum = {csum_fold(csum_pseudo(h->src, h->dst, h->protocol, (uint16_t)(p->len - 34)))};

	p->csum_start = 34;
	p->csum_offset =
		tcp ? offsetof(struct tcp_hdr, checksum) : offsetof(struct udp_hdr, checksum);
	p->flags |= PACKET_PARTIAL;
	memcpy(p->data + 34 + p->csum_offset, &sum, sizeof(sum));
}

static void a_sum_left_open_is_translated_as_a_finished_one(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		struct packet *p = frame_get(&lab.pool), *q = frame_get(&lab.pool);
		struct bytes b =
			datagram(.src = "10.0.0.2", .dst = "192.0.2.254", .data_len = 8 + i % 40,
				 .protocol = i % 2 ? PROTO_TCP : PROTO_UDP, .sport = (uint16_t)i);
		memcpy(p->data, b.at, b.len);
		p->len = q->len = b.len;
		p->decision.nat = (struct nat_decision){.src = {(uint32_t)rand()},
							.dst = {(uint32_t)rand()},
							.sport = {(uint16_t)rand()},
							.dport = {(uint16_t)rand()},
							.flags = (uint8_t)(1 + i % 3)};
		q->decision = p->decision;
		open_sum(p);
		memcpy(q->data, p->data, b.len);
		q->csum_start = p->csum_start;
		q->csum_offset = p->csum_offset;
		q->flags = p->flags;
		nat_rewrite(p);
		offload_complete(p);
		offload_complete(q);
		nat_rewrite(q);
		assert_int_equal(p->flags, 0);
		assert_memory_equal(p->data, q->data, b.len);
		frame_put(&lab.pool, p);
		frame_put(&lab.pool, q);
	}
}

#define test(name) cmocka_unit_test_setup_teardown(name, open_lab, close_lab)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(masquerade_udp_goes_out_and_answers_come_back),
		test(masquerade_tcp_keeps_its_state),
		test(masquerade_icmp_queries_by_identifier),
		test(masquerade_two_hosts_with_one_port_get_two),
		test(masquerade_two_hosts_with_one_identifier_get_two),
		test(masquerade_mapping_does_not_depend_on_the_remote),
		test(masquerade_two_packets_in_one_vector_share_a_session),
		test(masquerade_takes_the_address_in_the_next_hops_subnet),
		test(masquerade_other_protocols_by_address),
		test(masquerade_udp_lite_gets_its_checksum),
		test(masquerade_udp_without_checksum_stays_without),
		test(rewrite_udp_checksum_of_zero_is_sent_as_ffff),
		test(rewrite_wrong_checksum_stays_wrong),
		test(masquerade_from_limits_what_is_translated),
		test(masquerade_inside_to_inside_is_untranslated),
		test(masquerade_port_without_address_drops),
		test(snat_follows_its_range_of_ports),
		test(masquerade_leaves_taken_ports_alone),
		test(sessions_full_drops_by_name),
		test(unsolicited_to_the_router_goes_to_it_and_leaves_nothing),
		test(unsolicited_to_a_pool_address_is_dropped),
		test(filtering_strict_drops_other_remotes),
		test(filtering_by_address_lets_other_ports_in),
		test(filtering_independent_lets_everyone_in),
		test(hairpin_mapping_joins_two_inside_hosts),
		test(hairpin_to_ones_own_mapping_leaks_nothing),
		test(dnat_forwards_and_answers_come_from_outside_address),
		test(dnat_range_keeps_the_offset),
		test(dnat_of_an_address_forwards_everything),
		test(dnat_from_the_servers_own_port_is_a_hairpin),
		test(dnat_from_another_inside_port_keeps_the_source),
		test(dnat_and_source_rule_translate_both),
		test(dnat_does_not_forward_what_opens_nothing),
		test(plain_connection_is_picked_up_in_the_middle),
		test(plain_invalid_goes_on_without_a_session),
		test(reload_translated_sessions_outlive_their_rule),
		test(reload_untranslated_sessions_end_where_a_rule_forbids_them),
		test(own_packets_are_left_alone),
		test(error_from_outside_finds_its_way_in),
		test(error_with_a_translated_port_gets_the_inside_one),
		test(error_about_udp_without_checksum_leaves_it_so),
		test(error_from_inside_appears_as_the_outside_address),
		test(error_about_a_forwarded_port_shows_the_outside_address),
		test(error_about_a_forwarded_answer_reaches_the_server),
		test(error_with_a_masked_sender_quotes_the_remote_as_it_is),
		test(error_in_a_hairpin_is_translated_both_ways),
		test(error_of_an_inside_router_about_plain_traffic_is_masked),
		test(error_does_not_touch_the_session),
		test(error_about_nothing_is_dropped_by_name),
		test(error_for_an_address_of_the_kernel_is_left_to_it),
		test(error_about_plain_strangers_goes_on_as_invalid),
		test(fragments_in_order_follow_the_first),
		test(fragments_in_one_vector_follow_the_first_in_any_order),
		test(fragments_before_the_first_wait_for_it),
		test(fragments_without_a_first_end_after_two_seconds),
		test(fragments_held_are_bounded),
		test(fragments_whose_first_was_dropped_do_not_leave),
		test(fragments_of_no_rule_go_on_at_once),
		test(fragments_of_an_answer_find_the_inside_host),
		test(fragments_of_an_error_find_the_inside_host),
		test(fragments_of_other_protocols_need_no_first),
		test(no_leak_of_tcp_that_opens_nothing),
		test(no_leak_of_cut_headers),
		test(no_leak_of_icmp_of_any_type),
		test(no_leak_of_other_protocols_and_fragments),
		test(no_leak_of_a_second_protocol_user),
		test(translation_there_and_back_is_the_identity),
		test(a_sum_left_open_is_translated_as_a_finished_one),
		test(broken_bytes_are_read_within_their_datagram),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
