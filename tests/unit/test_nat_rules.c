/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rules of the router file as the worker has them: ports r0 and r1, of which r1 has
 * 192.0.2.1, and the leg br0, whose number is 5.
 */
#include "../../control/nat_rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static be32 ip(unsigned a, unsigned b, unsigned c, unsigned d)
{
	return be32_from(a << 24 | b << 16 | c << 8 | d);
}

struct bench {
	struct port r0, r1, br0;
	struct port_address address;
	struct port_table *ports;
	struct sockets sockets;
	struct nat_rules nat;
};

static void bench_init(struct bench *b)
{
	*b = (struct bench){
		.r0 = {.name = "r0", .number = 0},
		.r1 = {.name = "r1", .number = 1, .n_addresses = 1},
		.br0 = {.name = "br0", .number = 5},
		.address = {ip(192, 0, 2, 1), 24},
		.ports = port_table_new(0),
	};
	b->r1.addresses = &b->address;
	b->ports->ports[0] = &b->r0;
	b->ports->ports[1] = &b->r1;
	b->ports->ports[5] = &b->br0;
	b->ports->n_ports = 6;
}

static void bench_fini(struct bench *b)
{
	nat_rules_fini(&b->nat);
	port_table_free(b->ports);
}

static void build(struct bench *b, struct nat_rules *nat, struct config_nat *rules, unsigned n,
		  struct config_filter *filter, unsigned n_filter)
{
	const struct config config = {
		.nat = rules, .n_nat = n, .filter = filter, .n_filter = n_filter};
	assert_int_equal(nat_rules_build(nat, &config, b->ports, &b->sockets), 0);
}

static struct config_nat masquerade(const char *out, be32 from, uint8_t len)
{
	struct config_nat nat = {.action = CONFIG_MASQUERADE, .from = {from, len}};
	snprintf(nat.out, sizeof(nat.out), "%s", out);
	return nat;
}

static struct config_nat forward(uint8_t protocol, uint16_t first, uint16_t last, be32 to)
{
	return (struct config_nat){.action = CONFIG_DNAT,
				   .in = "r1",
				   .protocol = protocol,
				   .port = {first, last},
				   .to_first = to,
				   .to_last = to};
}

static bool is_taken(const struct bench *b, unsigned kind, unsigned port)
{
	return b->nat.rules->taken[kind][port / 64] >> port % 64 & 1;
}

static void rules_have_numbers_for_names(void **state)
{
	(void)state;
	struct bench b;
	struct config_nat nat[] = {masquerade("br0", ip(10, 0, 0, 0), 24),
				   forward(PROTO_TCP, 80, 81, ip(10, 0, 0, 3))};
	struct config_filter filter[] = {
		{.action = CONFIG_REJECT, .in = "r1", .icmp_type = -1, .states = STATE_IS_NEW},
		{.out = "br0", .protocol = PROTO_ICMP, .icmp_type = 8, .port = {1, 2}},
	};
	nat[1].to_port = (struct config_ports){8080, 8081};
	bench_init(&b);
	build(&b, &b.nat, nat, 2, filter, 2);
	const struct rules *r = b.nat.rules;
	assert_int_equal(r->n_nat, 2);
	assert_int_equal(r->nat[0].action, NAT_MASQUERADE);
	assert_int_equal(r->nat[0].out, 5);
	assert_int_equal(r->nat[0].from.len, 24);
	assert_int_equal(r->nat[1].action, NAT_DNAT);
	assert_int_equal(r->nat[1].in, 1);
	assert_int_equal(r->nat[1].ports.last, 81);
	assert_int_equal(r->nat[1].to_ports.first, 8080);
	assert_true(be32_equal(r->nat[1].to_first, ip(10, 0, 0, 3)));
	assert_int_equal(r->n_filter, 2);
	assert_int_equal(r->filter[0].action, FILTER_REJECT);
	assert_int_equal(r->filter[0].in, 1);
	assert_int_equal(r->filter[0].out, PORT_NONE);
	assert_int_equal(r->filter[0].icmp_type, -1);
	assert_int_equal(r->filter[0].states, STATE_IS_NEW);
	assert_int_equal(r->filter[1].out, 5);
	assert_int_equal(r->filter[1].icmp_type, 8);
	assert_int_equal(r->filter[1].dports.last, 2);
	bench_fini(&b);
}

static void no_rules_are_no_table(void **state)
{
	(void)state;
	struct bench b;
	bench_init(&b);
	build(&b, &b.nat, NULL, 0, NULL, 0);
	assert_null(b.nat.rules);
	bench_fini(&b);
}

static void forwarded_ports_and_sockets_are_taken(void **state)
{
	(void)state;
	struct bench b;
	struct config_nat nat[] = {
		forward(PROTO_TCP, 80, 81, ip(10, 0, 0, 3)),
		forward(PROTO_UDP, 65535, 65535, ip(10, 0, 0, 3)),
		forward(0, 0, 0, ip(10, 0, 0, 4)), /* a whole address */
	};
	bench_init(&b);
	b.sockets.used[SOCKETS_TCP][0] = 1ull << 22;
	b.sockets.used[SOCKETS_ICMP][0] = 1ull << 7;
	build(&b, &b.nat, nat, 3, NULL, 0);
	unsigned n[3] = {0};
	for (unsigned kind = 0; kind < 3; kind++)
		for (unsigned port = 0; port < 65536; port++)
			n[kind] += is_taken(&b, kind, port);
	assert_int_equal(n[SOCKETS_TCP], 3);
	assert_int_equal(n[SOCKETS_UDP], 1);
	assert_int_equal(n[SOCKETS_ICMP], 1);
	assert_true(is_taken(&b, SOCKETS_TCP, 22) && is_taken(&b, SOCKETS_TCP, 80) &&
		    is_taken(&b, SOCKETS_TCP, 81));
	assert_true(is_taken(&b, SOCKETS_UDP, 65535) && is_taken(&b, SOCKETS_ICMP, 7));
	bench_fini(&b);
}

static void expect_changes(struct rule_changes got, unsigned added, unsigned removed,
			   unsigned changed)
{
	assert_int_equal(got.added, added);
	assert_int_equal(got.removed, removed);
	assert_int_equal(got.changed, changed);
}

/* Puts next into force, as the router does once no worker sees what was before. */
static struct rule_changes succeed(struct bench *b, struct config_nat *rules, unsigned n)
{
	struct rule_changes nat, filter;
	struct nat_rules next;
	build(b, &next, rules, n, NULL, 0);
	nat_rules_inherit(&next, &b->nat, &nat, &filter);
	nat_rules_fini(&b->nat);
	b->nat = next;
	expect_changes(filter, 0, 0, 0);
	return nat;
}

static void unchanged_rules_go_on_counting(void **state)
{
	(void)state;
	struct bench b;
	const struct config_nat a = masquerade("r1", ip(10, 0, 0, 0), 24),
				c = masquerade("r1", ip(10, 1, 0, 0), 24),
				d = forward(PROTO_TCP, 80, 80, ip(10, 0, 0, 3)),
				e = forward(PROTO_TCP, 80, 80, ip(10, 0, 0, 4));
	bench_init(&b);
	expect_changes(succeed(&b, (struct config_nat[]){a, c}, 2), 2, 0, 0);
	b.nat.rules->nat[0].hits = 3;
	b.nat.rules->nat[1].hits = 5;
	expect_changes(succeed(&b, (struct config_nat[]){a, c}, 2), 0, 0, 0);
	assert_int_equal(nat_rules_hits(&b.nat, 0), 3);
	b.nat.rules->nat[0].hits = 1;
	expect_changes(succeed(&b, (struct config_nat[]){d, a, c}, 3), 1, 0, 0);
	assert_int_equal(nat_rules_hits(&b.nat, 0), 0);
	assert_int_equal(nat_rules_hits(&b.nat, 1), 4);
	assert_int_equal(nat_rules_hits(&b.nat, 2), 5);
	expect_changes(succeed(&b, (struct config_nat[]){e, a, c}, 3), 0, 0, 1);
	expect_changes(succeed(&b, (struct config_nat[]){e, c, a}, 3), 0, 0, 1);
	assert_int_equal(nat_rules_hits(&b.nat, 1), 5);
	assert_int_equal(nat_rules_hits(&b.nat, 2), 4);
	expect_changes(succeed(&b, (struct config_nat[]){a}, 1), 0, 2, 0);
	assert_int_equal(nat_rules_hits(&b.nat, 0), 4);
	expect_changes(succeed(&b, NULL, 0), 0, 1, 0);
	expect_changes(succeed(&b, NULL, 0), 0, 0, 0);
	bench_fini(&b);
}

static void filter_counts_packets_and_bytes_on(void **state)
{
	(void)state;
	struct bench b;
	struct config_filter filter[] = {{.action = CONFIG_DROP, .in = "r1", .icmp_type = -1},
					 {.action = CONFIG_DROP, .in = "r0", .icmp_type = -1}};
	struct rule_changes nat, changes;
	struct nat_rules next;
	bench_init(&b);
	build(&b, &b.nat, NULL, 0, filter, 2);
	b.nat.rules->filter[0].packets = 2;
	b.nat.rules->filter[0].bytes = 100;
	filter[1].action = CONFIG_REJECT;
	build(&b, &next, NULL, 0, filter, 2);
	nat_rules_inherit(&next, &b.nat, &nat, &changes);
	nat_rules_fini(&b.nat);
	b.nat = next;
	expect_changes(changes, 0, 0, 1);
	b.nat.rules->filter[0].packets = 1;
	assert_int_equal(nat_rules_filtered(&b.nat, 0).packets, 3);
	assert_int_equal(nat_rules_filtered(&b.nat, 0).bytes, 100);
	assert_int_equal(nat_rules_filtered(&b.nat, 1).packets, 0);
	bench_fini(&b);
}

static void first_rule_that_matches_is_found(void **state)
{
	(void)state;
	struct bench b;
	struct config_nat nat[] = {
		masquerade("r1", ip(10, 0, 0, 0), 24), masquerade("br0", ip(10, 0, 0, 0), 8),
		forward(PROTO_TCP, 80, 81, ip(10, 0, 0, 3)), forward(0, 0, 0, ip(10, 0, 0, 4))};
	nat[3].address = (struct config_prefix){ip(203, 0, 113, 0), 24};
	bench_init(&b);
	build(&b, &b.nat, nat, 4, NULL, 0);
	const struct rules *r = b.nat.rules;
	assert_ptr_equal(nat_rules_source(r, ip(10, 0, 0, 9), 1), &r->nat[0]);
	assert_ptr_equal(nat_rules_source(r, ip(10, 0, 0, 9), 5), &r->nat[1]);
	assert_null(nat_rules_source(r, ip(10, 0, 1, 9), 1));
	assert_null(nat_rules_source(r, ip(10, 0, 0, 9), 0));
	assert_ptr_equal(nat_rules_source(r, ip(10, 0, 1, 9), PORT_NONE), &r->nat[1]);
	assert_ptr_equal(
		nat_rules_destination(r, b.ports, ip(192, 0, 2, 1), PROTO_TCP, be16_from(81)),
		&r->nat[2]);
	assert_null(nat_rules_destination(r, b.ports, ip(192, 0, 2, 1), PROTO_UDP, be16_from(81)));
	assert_null(nat_rules_destination(r, b.ports, ip(192, 0, 2, 2), PROTO_TCP, be16_from(81)));
	assert_ptr_equal(nat_rules_destination(r, b.ports, ip(203, 0, 113, 7), 47, be16_from(0)),
			 &r->nat[3]);
	assert_null(nat_rules_source(NULL, ip(10, 0, 0, 9), 1));
	bench_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_have_numbers_for_names),
		cmocka_unit_test(no_rules_are_no_table),
		cmocka_unit_test(forwarded_ports_and_sockets_are_taken),
		cmocka_unit_test(unchanged_rules_go_on_counting),
		cmocka_unit_test(filter_counts_packets_and_bytes_on),
		cmocka_unit_test(first_rule_that_matches_is_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
