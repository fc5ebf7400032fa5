/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which sessions a configuration allows: 10.0.0.0/24 behind r0, and everything else behind r1,
 * which has 192.0.2.1. The rules of a case are those of the new configuration.
 */
#include "../../control/sessions.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static be32 ip(unsigned a, unsigned b, unsigned c, unsigned d)
{
	return be32_from(a << 24 | b << 16 | c << 8 | d);
}

#define HOST   ip(10, 0, 0, 2)
#define OTHER  ip(10, 0, 0, 3)
#define ROUTER ip(192, 0, 2, 1)
#define REMOTE ip(198, 51, 100, 9)

struct bench {
	struct port r0, r1;
	struct port_address inside, outside;
	struct port_table *ports;
	struct fib *fib;
	struct nat_rule nat[4];
	struct rules rules;
	struct session_law law;
};

static void bench_init(struct bench *b)
{
	const struct fib_route routes[] = {
		{.prefix = ip(10, 0, 0, 0), .prefix_len = 24, .port = 0},
		{.prefix_len = 0, .port = 1, .via = ip(192, 0, 2, 254)},
	};
	*b = (struct bench){
		.r0 = {.name = "r0", .number = 0, .n_addresses = 1},
		.r1 = {.name = "r1", .number = 1, .n_addresses = 1},
		.inside = {ip(10, 0, 0, 1), 24},
		.outside = {ROUTER, 24},
		.ports = port_table_new(0),
		.fib = fib_new(routes, 2),
	};
	b->r0.addresses = &b->inside;
	b->r1.addresses = &b->outside;
	b->ports->ports[0] = &b->r0;
	b->ports->ports[1] = &b->r1;
	b->ports->n_ports = 2;
	b->rules.nat = b->nat;
	b->law = (struct session_law){&b->rules, b->ports, b->fib};
}

static void bench_fini(struct bench *b)
{
	port_table_free(b->ports);
	fib_free(b->fib);
}

static struct nat_rule masquerade(void)
{
	return (struct nat_rule){.action = NAT_MASQUERADE, .out = 1, .from = {ip(10, 0, 0, 0), 24}};
}

static struct nat_rule snat(be32 first, be32 last)
{
	return (struct nat_rule){.action = NAT_SNAT,
				 .out = 1,
				 .from = {ip(10, 0, 0, 0), 24},
				 .to_first = first,
				 .to_last = last};
}

static struct nat_rule forward(uint16_t port, be32 to, uint16_t to_port)
{
	return (struct nat_rule){.action = NAT_DNAT,
				 .in = 1,
				 .out = PORT_NONE,
				 .protocol = PROTO_TCP,
				 .ports = {port, port},
				 .to_first = to,
				 .to_last = to,
				 .to_ports = {to_port, to_port}};
}

static void have(struct bench *b, unsigned n, const struct nat_rule *rules)
{
	memcpy(b->nat, rules, n * sizeof(*rules));
	b->rules.n_nat = n;
}

#define HAVE(b, ...)                                                                               \
	have(b, sizeof((struct nat_rule[]){__VA_ARGS__}) / sizeof(struct nat_rule),                \
	     (struct nat_rule[]){__VA_ARGS__})

/* from:sport > to:dport, answered by by:bport > as:aport */
static struct session tcp(be32 from, uint16_t sport, be32 to, uint16_t dport, be32 by,
			  uint16_t bport, be32 as, uint16_t aport)
{
	return (struct session){
		.tuple = {{from, to, be16_from(sport), be16_from(dport), PROTO_TCP, {0}},
			  {by, as, be16_from(bport), be16_from(aport), PROTO_TCP, {0}}},
		.rule = SESSION_NO_RULE,
	};
}

static void expect(const struct bench *b, struct session s, bool allowed, int rule)
{
	assert_int_equal(sessions_allowed(&b->law, &s), allowed);
	assert_int_equal(sessions_rule(&b->law, &s), rule);
}

static void masqueraded_session_lasts_while_its_rule_and_address_do(void **state)
{
	(void)state;
	struct bench b;
	const struct session s = tcp(HOST, 1000, REMOTE, 80, REMOTE, 80, ROUTER, 1000);
	bench_init(&b);
	HAVE(&b, masquerade());
	expect(&b, s, true, 0);
	HAVE(&b, forward(9999, OTHER, 80), masquerade()); /* the rule is at another place now */
	expect(&b, s, true, 1);
	HAVE(&b, snat(ip(192, 0, 2, 7), ip(192, 0, 2, 7)), masquerade());
	expect(&b, s, false, 1);
	HAVE(&b, snat(ROUTER, ROUTER)); /* says the same in other words */
	expect(&b, s, true, 0);
	b.rules.n_nat = 0;
	expect(&b, s, false, -1);
	HAVE(&b, masquerade());
	b.outside.address = ip(192, 0, 2, 8);
	expect(&b, s, false, -1);
	bench_fini(&b);
}

static void session_out_of_the_ports_of_its_rule_ends(void **state)
{
	(void)state;
	struct bench b;
	bench_init(&b);
	HAVE(&b, snat(ip(192, 0, 2, 7), ip(192, 0, 2, 9)));
	b.nat[0].to_ports = (struct rule_ports){2000, 2999};
	expect(&b, tcp(HOST, 1000, REMOTE, 80, REMOTE, 80, ip(192, 0, 2, 8), 2500), true, 0);
	expect(&b, tcp(HOST, 1000, REMOTE, 80, REMOTE, 80, ip(192, 0, 2, 8), 1000), false, -1);
	expect(&b, tcp(HOST, 1000, REMOTE, 80, REMOTE, 80, ip(192, 0, 2, 6), 2500), false, -1);
	bench_fini(&b);
}

static void untranslated_session_ends_where_a_rule_has_come(void **state)
{
	(void)state;
	struct bench b;
	const struct session out = tcp(HOST, 1000, REMOTE, 80, REMOTE, 80, HOST, 1000);
	const struct session in = tcp(REMOTE, 1000, HOST, 80, HOST, 80, REMOTE, 1000);
	const struct session across = tcp(HOST, 1000, OTHER, 80, OTHER, 80, HOST, 1000);
	const struct session us = tcp(REMOTE, 1000, ROUTER, 9999, ROUTER, 9999, REMOTE, 1000);
	bench_init(&b);
	expect(&b, out, true, -1);
	expect(&b, us, true, -1);
	HAVE(&b, masquerade(), forward(9999, OTHER, 80));
	expect(&b, out, false, -1);
	expect(&b, in, true, -1); /* who was written to may answer */
	expect(&b, across, true, -1);
	expect(&b, us, false, -1);
	bench_fini(&b);
}

static void forwarded_session_lasts_while_it_goes_to_the_same_place(void **state)
{
	(void)state;
	struct bench b;
	const struct session s = tcp(REMOTE, 1000, ROUTER, 9999, OTHER, 80, REMOTE, 1000);
	bench_init(&b);
	HAVE(&b, masquerade(), forward(9999, OTHER, 80));
	expect(&b, s, true, 1);
	HAVE(&b, forward(9999, OTHER, 81), masquerade());
	expect(&b, s, false, -1);
	HAVE(&b, forward(9999, HOST, 80));
	expect(&b, s, false, -1);
	HAVE(&b, forward(9998, OTHER, 80));
	expect(&b, s, false, -1);
	bench_fini(&b);
}

static void session_let_in_by_a_mapping_lasts_with_its_rule(void **state)
{
	(void)state;
	struct bench b;
	const struct session s = tcp(REMOTE, 5000, ROUTER, 1000, HOST, 1000, REMOTE, 5000);
	bench_init(&b);
	HAVE(&b, masquerade());
	b.nat[0].filtering = FILTERING_INDEPENDENT;
	expect(&b, s, true, 0);
	b.nat[0].filtering = FILTERING_ADDRESS_PORT;
	expect(&b, s, false, -1);
	HAVE(&b, forward(9999, OTHER, 80));
	expect(&b, s, false, -1);
	bench_fini(&b);
}

static void hairpin_session_may_have_the_address_it_asked_for(void **state)
{
	(void)state;
	struct bench b;
	bench_init(&b);
	HAVE(&b, masquerade(), forward(9999, OTHER, 80));
	expect(&b, tcp(HOST, 1000, ROUTER, 9999, OTHER, 80, ROUTER, 1000), true, 1);
	expect(&b, tcp(HOST, 1000, ROUTER, 9999, OTHER, 80, ip(192, 0, 2, 3), 1000), false, 1);
	bench_fini(&b);
}

static void session_without_a_way_out_waits_only_if_translated(void **state)
{
	(void)state;
	struct bench b;
	bench_init(&b);
	HAVE(&b, masquerade());
	fib_free(b.fib);
	b.law.fib = b.fib = fib_new(NULL, 0);
	expect(&b, tcp(HOST, 1000, REMOTE, 80, REMOTE, 80, ROUTER, 1000), true, 0);
	expect(&b, tcp(HOST, 1000, REMOTE, 80, REMOTE, 80, HOST, 1000), false, -1);
	bench_fini(&b);
}

static void protocol_without_ports_is_told_by_address(void **state)
{
	(void)state;
	struct bench b;
	struct session s = tcp(HOST, 0, REMOTE, 0, REMOTE, 0, ROUTER, 0);
	bench_init(&b);
	HAVE(&b, masquerade());
	b.nat[0].to_ports = (struct rule_ports){2000, 2999};
	s.tuple[0].protocol = s.tuple[1].protocol = 47;
	expect(&b, s, true, 0);
	bench_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(masqueraded_session_lasts_while_its_rule_and_address_do),
		cmocka_unit_test(session_out_of_the_ports_of_its_rule_ends),
		cmocka_unit_test(untranslated_session_ends_where_a_rule_has_come),
		cmocka_unit_test(forwarded_session_lasts_while_it_goes_to_the_same_place),
		cmocka_unit_test(session_let_in_by_a_mapping_lasts_with_its_rule),
		cmocka_unit_test(hairpin_session_may_have_the_address_it_asked_for),
		cmocka_unit_test(session_without_a_way_out_waits_only_if_translated),
		cmocka_unit_test(protocol_without_ports_is_told_by_address),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
