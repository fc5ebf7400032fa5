/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The route list: which of the routes that people ask for are in the FIB, and that hits
 * survive every rebuild. Two ports: r0 192.168.1.1/24 and r1 192.168.0.1/24, 192.168.0.126/24,
 * 203.0.113.1/30; r1 can be down.
 */
#include "../../control/routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static be32 ip(unsigned a, unsigned b, unsigned c, unsigned d)
{
	return be32_from(a << 24 | b << 16 | c << 8 | d);
}

struct bench {
	struct port_address r0_addresses[1], r1_addresses[3];
	struct port r0, r1;
	struct port_table *ports;
	struct route_list list;
	struct fib *fib;
};

static void bench_init(struct bench *b)
{
	*b = (struct bench){
		.r0_addresses = {{ip(192, 168, 1, 1), 24}},
		.r1_addresses = {{ip(192, 168, 0, 1), 24},
				 {ip(192, 168, 0, 126), 24},
				 {ip(203, 0, 113, 1), 30}},
		.r0 = {.name = "r0", .number = 0, .up = true, .bridge = PORT_NONE, .n_addresses = 1},
		.r1 = {.name = "r1", .number = 1, .up = true, .bridge = PORT_NONE, .n_addresses = 3},
		.ports = port_table_new(0),
	};
	b->r0.addresses = b->r0_addresses;
	b->r1.addresses = b->r1_addresses;
	b->ports->ports[0] = &b->r0;
	b->ports->ports[1] = &b->r1;
	b->ports->n_ports = 2;
}

static void bench_fini(struct bench *b)
{
	fib_free(b->fib);
	routes_fini(&b->list);
	port_table_free(b->ports);
}

static void bench_fill(struct bench *b, const struct config_route *file, size_t n_file,
		       const struct config_route *live, size_t n_live)
{
	assert_int_equal(routes_fill(&b->list, b->ports, file, n_file, live, n_live), 0);
}

/* Builds and puts into force, as the router does around publishing. */
static void bench_publish(struct bench *b)
{
	struct fib *next = routes_build(&b->list, b->ports);
	assert_non_null(next);
	routes_settle(&b->list, b->fib);
	fib_free(b->fib);
	b->fib = next;
}

static const struct fib_route *look_up(const struct bench *b, be32 address)
{
	uint32_t index = fib_lookup(b->fib, address);
	return index == ROUTE_NONE ? NULL : fib_route(b->fib, index);
}

static struct config_route via(be32 prefix, uint8_t prefix_len, be32 gateway, uint32_t metric)
{
	return (struct config_route){
		.prefix = prefix, .prefix_len = prefix_len, .via = gateway, .metric = metric};
}

static struct config_route of_type(be32 prefix, uint8_t prefix_len, enum config_route_type type)
{
	return (struct config_route){.prefix = prefix, .prefix_len = prefix_len, .type = type};
}

static enum route_state state_of(const struct bench *b, be32 prefix, uint8_t prefix_len,
				 uint32_t metric)
{
	const struct route *route = routes_find(&b->list, prefix, prefix_len, metric);
	assert_non_null(route);
	return route->state;
}

#define NET_9	ip(10, 9, 0, 0)
#define HOST_9	ip(10, 9, 1, 2)
#define GATEWAY ip(192, 168, 0, 9)

static void connected_routes_come_once_per_subnet_with_its_first_address(void **state)
{
	(void)state;
	struct bench b;
	bench_init(&b);
	bench_fill(&b, NULL, 0, NULL, 0);
	bench_publish(&b);
	assert_int_equal(b.list.n, 3);
	const struct fib_route *route = look_up(&b, ip(192, 168, 0, 77));
	assert_non_null(route);
	assert_int_equal(route->port, 1);
	assert_true(be32_is_zero(route->via));
	assert_true(be32_equal(route->source, ip(192, 168, 0, 1)));
	assert_null(look_up(&b, ip(8, 8, 8, 8)));
	bench_fini(&b);
}

static void host_address_makes_no_connected_route(void **state)
{
	(void)state;
	struct bench b;
	bench_init(&b);
	b.r0_addresses[0].prefix_len = 32;
	bench_fill(&b, NULL, 0, NULL, 0);
	assert_null(routes_find(&b.list, ip(192, 168, 1, 1), 32, 0));
	bench_fini(&b);
}

static void gateway_names_the_port_and_the_source(void **state)
{
	(void)state;
	struct bench b;
	bench_init(&b);
	const struct config_route file[] = {via(NET_9, 16, ip(203, 0, 113, 2), 0)};
	bench_fill(&b, file, 1, NULL, 0);
	bench_publish(&b);
	const struct fib_route *route = look_up(&b, HOST_9);
	assert_non_null(route);
	assert_int_equal(route->port, 1);
	assert_true(be32_equal(route->via, ip(203, 0, 113, 2)));
	assert_true(be32_equal(route->source, ip(203, 0, 113, 1)));
	bench_fini(&b);
}

static void on_link_route_without_subnet_uses_the_first_address(void **state)
{
	(void)state;
	struct bench b;
	bench_init(&b);
	struct config_route file[] = {via(NET_9, 16, (be32){0}, 0)};
	strcpy(file[0].port, "r1");
	bench_fill(&b, file, 1, NULL, 0);
	bench_publish(&b);
	const struct fib_route *route = look_up(&b, HOST_9);
	assert_non_null(route);
	assert_true(be32_is_zero(route->via));
	assert_true(be32_equal(route->source, ip(192, 168, 0, 1)));
	bench_fini(&b);
}

static void lowest_metric_wins_and_the_other_takes_over_when_its_port_is_down(void **state)
{
	(void)state;
	struct bench b;
	bench_init(&b);
	const struct config_route file[] = {via(NET_9, 16, ip(192, 168, 1, 9), 20),
					    via(NET_9, 16, GATEWAY, 10)};
	bench_fill(&b, file, 2, NULL, 0);
	bench_publish(&b);
	assert_int_equal(look_up(&b, HOST_9)->port, 1);
	assert_int_equal(state_of(&b, NET_9, 16, 10), ROUTE_USED);
	assert_int_equal(state_of(&b, NET_9, 16, 20), ROUTE_SHADOWED);

	b.r1.up = false;
	bench_publish(&b);
	assert_int_equal(look_up(&b, HOST_9)->port, 0);
	assert_int_equal(state_of(&b, NET_9, 16, 10), ROUTE_PORT_DOWN);
	assert_int_equal(state_of(&b, NET_9, 16, 20), ROUTE_USED);
	assert_null(look_up(&b, ip(192, 168, 0, 77)));

	b.r1.up = true;
	bench_publish(&b);
	assert_int_equal(look_up(&b, HOST_9)->port, 1);
	bench_fini(&b);
}

static void types_other_than_unicast_need_no_port(void **state)
{
	(void)state;
	struct bench b;
	bench_init(&b);
	b.r0.up = b.r1.up = false;
	const struct config_route file[] = {
		of_type(ip(10, 1, 0, 0), 16, ROUTE_BLACKHOLE),
		of_type(ip(10, 2, 0, 0), 16, ROUTE_UNREACHABLE),
		of_type(ip(10, 3, 0, 0), 16, ROUTE_PROHIBIT),
	};
	bench_fill(&b, file, 3, NULL, 0);
	bench_publish(&b);
	assert_int_equal(look_up(&b, ip(10, 1, 0, 1))->type, FIB_BLACKHOLE);
	assert_int_equal(look_up(&b, ip(10, 2, 0, 1))->type, FIB_UNREACHABLE);
	assert_int_equal(look_up(&b, ip(10, 3, 0, 1))->type, FIB_PROHIBIT);
	assert_int_equal(fib_count(b.fib), 3);
	bench_fini(&b);
}

static void connected_route_shadows_a_route_of_the_file_with_its_key(void **state)
{
	(void)state;
	struct bench b;
	bench_init(&b);
	const struct config_route file[] = {via(ip(192, 168, 1, 0), 24, GATEWAY, 0)};
	bench_fill(&b, file, 1, NULL, 0);
	bench_publish(&b);
	assert_true(be32_is_zero(look_up(&b, ip(192, 168, 1, 2))->via));
	assert_int_equal(routes_find(&b.list, ip(192, 168, 1, 0), 24, 0)->source, FROM_CONNECTED);
	const struct route *asked = routes_find_asked(&b.list, ip(192, 168, 1, 0), 24, 0);
	assert_non_null(asked);
	assert_int_equal(asked->source, FROM_FILE);
	assert_int_equal(asked->state, ROUTE_SHADOWED);
	bench_fini(&b);
}

static void the_file_wins_over_a_live_route_with_its_key_only(void **state)
{
	(void)state;
	struct bench b;
	bench_init(&b);
	const struct config_route file[] = {via(NET_9, 16, GATEWAY, 5)};
	const struct config_route live[] = {via(NET_9, 16, ip(192, 168, 1, 9), 5),
					    via(NET_9, 16, ip(192, 168, 1, 9), 6)};
	bench_fill(&b, file, 1, live, 2);
	assert_int_equal(routes_find_asked(&b.list, NET_9, 16, 5)->source, FROM_FILE);
	assert_int_equal(routes_find_asked(&b.list, NET_9, 16, 6)->source, FROM_LIVE);
	assert_int_equal(b.list.n, 3 + 2);
	bench_fini(&b);
}

static void live_route_whose_gateway_is_nowhere_waits(void **state)
{
	(void)state;
	struct bench b;
	bench_init(&b);
	const struct config_route live[] = {via(NET_9, 16, ip(172, 16, 0, 1), 0)};
	bench_fill(&b, NULL, 0, live, 1);
	bench_publish(&b);
	assert_null(look_up(&b, HOST_9));
	assert_int_equal(state_of(&b, NET_9, 16, 0), ROUTE_PORT_DOWN);
	bench_fini(&b);
}

static void inserted_route_is_found_and_leaves_again(void **state)
{
	(void)state;
	struct bench b;
	bench_init(&b);
	const struct config_route route = via(NET_9, 16, GATEWAY, 7);
	bench_fill(&b, NULL, 0, NULL, 0);
	assert_non_null(routes_insert(&b.list, b.ports, &route));
	bench_publish(&b);
	assert_non_null(look_up(&b, HOST_9));
	struct route *found = routes_find_any(&b.list, NET_9, 16);
	assert_non_null(found);
	assert_int_equal(found->metric, 7);
	found->leaving = true;
	bench_publish(&b);
	routes_remove(&b.list, found);
	assert_null(look_up(&b, HOST_9));
	assert_null(routes_find_any(&b.list, NET_9, 16));
	bench_fini(&b);
}

static uint64_t hits_of(const struct bench *b, be32 prefix, uint8_t prefix_len)
{
	const struct route *route = routes_find(&b->list, prefix, prefix_len, 0);
	return route->hits + (route->index == ROUTE_NONE ? 0 : fib_hits(b->fib, route->index));
}

static void hits_survive_rebuilds_outages_and_reloads(void **state)
{
	(void)state;
	struct bench b;
	bench_init(&b);
	const struct config_route file[] = {via(NET_9, 16, GATEWAY, 0)};
	bench_fill(&b, file, 1, NULL, 0);
	bench_publish(&b);
	for (int i = 0; i < 3; i++)
		fib_hit(b.fib, fib_lookup(b.fib, HOST_9));
	b.r1.up = false;
	bench_publish(&b);
	assert_int_equal(hits_of(&b, NET_9, 16), 3);
	b.r1.up = true;
	bench_publish(&b);
	fib_hit(b.fib, fib_lookup(b.fib, HOST_9));
	assert_int_equal(hits_of(&b, NET_9, 16), 4);

	struct route_list old = b.list;
	const struct config_route more[] = {via(ip(10, 8, 0, 0), 16, GATEWAY, 0), file[0]};
	b.list = (struct route_list){0};
	bench_fill(&b, more, 2, NULL, 0);
	struct fib *next = routes_build(&b.list, b.ports);
	routes_settle(&old, b.fib);
	routes_settle(&b.list, NULL);
	routes_inherit(&b.list, &old);
	fib_free(b.fib);
	b.fib = next;
	assert_int_equal(hits_of(&b, NET_9, 16), 4);
	assert_int_equal(hits_of(&b, ip(10, 8, 0, 0), 16), 0);
	routes_fini(&old);
	bench_fini(&b);
}

static void changes_are_counted_by_key(void **state)
{
	(void)state;
	struct bench b;
	struct route_list old;
	bench_init(&b);
	const struct config_route before[] = {via(NET_9, 16, GATEWAY, 0),
					      via(ip(10, 8, 0, 0), 16, GATEWAY, 0)};
	bench_fill(&b, before, 2, NULL, 0);
	old = b.list;
	b.list = (struct route_list){0};
	const struct config_route after[] = {via(NET_9, 16, ip(192, 168, 1, 9), 0),
					     via(NET_9, 16, GATEWAY, 1),
					     of_type(ip(10, 7, 0, 0), 16, ROUTE_BLACKHOLE)};
	bench_fill(&b, after, 3, NULL, 0);
	struct route_changes changes = routes_compare(&b.list, &old);
	assert_int_equal(changes.added, 2);
	assert_int_equal(changes.removed, 1);
	assert_int_equal(changes.changed, 1);
	changes = routes_compare(&b.list, &b.list);
	assert_int_equal(changes.added + changes.removed + changes.changed, 0);
	routes_fini(&old);
	bench_fini(&b);
}

static void senseless_routes_are_refused_with_the_reason(void **state)
{
	(void)state;
	struct bench b;
	struct refusal why;
	bench_init(&b);
	struct config_route nowhere = via(NET_9, 16, (be32){0}, 0),
			    unknown = via(NET_9, 16, GATEWAY, 0);
	struct config_route with_gateway = of_type(NET_9, 16, ROUTE_BLACKHOLE);
	strcpy(unknown.port, "r7");
	with_gateway.via = GATEWAY;
	const struct {
		struct config_route route;
		const char *text;
	} cases[] = {
		{nowhere, "needs a gateway"},
		{unknown, "no port r7"},
		{with_gateway, "no gateway"},
		{via(NET_9, 16, ip(172, 16, 0, 1), 0), "in no port's subnet"},
		{via(NET_9, 16, ip(192, 168, 0, 126), 0), "own address"},
		{via(NET_9, 16, ip(192, 168, 0, 255), 0), "broadcast"},
		{via(NET_9, 16, ip(192, 168, 0, 0), 0), "network"},
	};
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(routes_check(&cases[i].route, b.ports, &why), -1);
		assert_int_equal(why.status, REFUSED_CONFIG);
		assert_non_null(strstr(why.text, cases[i].text));
	}
	const struct config_route good = via(NET_9, 16, GATEWAY, 0);
	assert_int_equal(routes_check(&good, b.ports, &why), 0);
	bench_fini(&b);
}

/* Every destination's winner, found the slow way, under a seeded random mix of routes. */
static void random_lists_choose_what_a_naive_search_does(void **state)
{
	(void)state;
	const unsigned seed = 20240607;
	srand(seed);
	print_message("seed %u\n", seed);
	for (int round = 0; round < 50; round++) {
		struct bench b;
		struct config_route file[40];
		bench_init(&b);
		for (unsigned i = 0; i < ARRAY_SIZE(file); i++) { /* metric i: no key comes twice */
			uint8_t prefix_len = 8 + rand() % 25;
			be32 prefix = {ip(10, rand() % 2, rand() % 2, rand() % 4).raw &
				       ip4_mask(prefix_len).raw};
			file[i] = via(prefix, prefix_len, rand() % 2 ? GATEWAY : ip(192, 168, 1, 9),
				      i);
		}
		b.r1.up = rand() % 2;
		bench_fill(&b, file, ARRAY_SIZE(file), NULL, 0);
		bench_publish(&b);
		for (unsigned n = 0; n < 64; n++) {
			be32 address = ip(10, n >> 3 & 1, n >> 2 & 1, n & 3);
			const struct config_route *best = NULL;
			for (unsigned i = 0; i < ARRAY_SIZE(file); i++)
				if (ip4_in_prefix(address, file[i].prefix, file[i].prefix_len) &&
				    (b.r1.up || !be32_equal(file[i].via, GATEWAY)) &&
				    (!best || file[i].prefix_len > best->prefix_len))
					best = &file[i];
			const struct fib_route *found = look_up(&b, address);
			assert_int_equal(found == NULL, best == NULL);
			if (found)
				assert_true(be32_equal(found->via, best->via) &&
					    found->prefix_len == best->prefix_len);
		}
		bench_fini(&b);
	}
}

/* A reader goes on behind where it was, though routes come and go before, at and behind it. */
static void list_is_read_on_while_it_changes(void **state)
{
	(void)state;
	struct bench b;
	bench_init(&b);
	struct config_route file[] = {
		via(ip(10, 1, 0, 0), 16, GATEWAY, 0), via(ip(10, 2, 0, 0), 16, GATEWAY, 0),
		via(ip(10, 2, 0, 0), 16, GATEWAY, 5), via(ip(10, 3, 0, 0), 16, GATEWAY, 0)};
	const struct config_route first = via(ip(10, 0, 0, 0), 16, GATEWAY, 0);
	const struct config_route next = via(ip(10, 2, 0, 0), 24, GATEWAY, 0);
	struct route_place place = {0};
	bench_fill(&b, file, 4, NULL, 0);
	for (unsigned i = 0; i < 2; i++) {
		const struct route *route = routes_after(&b.list, &place);
		assert_true(be32_equal(route->prefix, file[i].prefix));
		assert_int_equal(route->metric, file[i].metric);
		place = routes_place(route);
	}
	routes_insert(&b.list, b.ports, &first);
	routes_remove(&b.list, routes_find(&b.list, file[1].prefix, 16, 0));
	assert_int_equal(routes_after(&b.list, &place)->metric, 5);
	place = routes_place(routes_after(&b.list, &place));
	routes_insert(&b.list, b.ports, &next);
	assert_int_equal(routes_after(&b.list, &place)->prefix_len, 24);
	place = routes_place(routes_after(&b.list, &place));
	unsigned n = 0;
	for (const struct route *route; (route = routes_after(&b.list, &place)); n++)
		place = routes_place(route);
	assert_int_equal(n, 1 + 3); /* 10.3/16, and what is connected */
	assert_null(routes_after(&b.list, &place));
	bench_fini(&b);
}

static void routes_to_one_prefix_stand_together(void **state)
{
	(void)state;
	struct bench b;
	const struct config_route file[] = {
		via(ip(10, 9, 0, 0), 16, ip(192, 168, 0, 9), 10),
		via(ip(10, 9, 0, 0), 24, ip(192, 168, 0, 9), 0),
		via(ip(10, 9, 0, 0), 16, ip(192, 168, 0, 8), 5),
		via(ip(10, 8, 0, 0), 16, ip(192, 168, 0, 8), 0),
	};
	size_t n;
	bench_init(&b);
	bench_fill(&b, file, 4, NULL, 0);
	const struct route *found = routes_to_prefix(&b.list, ip(10, 9, 0, 0), 16, &n);
	assert_int_equal(n, 2);
	assert_int_equal(found[0].metric, 5);
	assert_int_equal(found[1].metric, 10);
	routes_to_prefix(&b.list, ip(192, 168, 1, 0), 24, &n); /* connected */
	assert_int_equal(n, 1);
	routes_to_prefix(&b.list, ip(10, 9, 0, 0), 15, &n);
	assert_int_equal(n, 0);
	routes_to_prefix(&b.list, ip(255, 0, 0, 0), 8, &n);
	assert_int_equal(n, 0);
	bench_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connected_routes_come_once_per_subnet_with_its_first_address),
		cmocka_unit_test(host_address_makes_no_connected_route),
		cmocka_unit_test(gateway_names_the_port_and_the_source),
		cmocka_unit_test(on_link_route_without_subnet_uses_the_first_address),
		cmocka_unit_test(lowest_metric_wins_and_the_other_takes_over_when_its_port_is_down),
		cmocka_unit_test(types_other_than_unicast_need_no_port),
		cmocka_unit_test(connected_route_shadows_a_route_of_the_file_with_its_key),
		cmocka_unit_test(the_file_wins_over_a_live_route_with_its_key_only),
		cmocka_unit_test(live_route_whose_gateway_is_nowhere_waits),
		cmocka_unit_test(list_is_read_on_while_it_changes),
		cmocka_unit_test(routes_to_one_prefix_stand_together),
		cmocka_unit_test(inserted_route_is_found_and_leaves_again),
		cmocka_unit_test(hits_survive_rebuilds_outages_and_reloads),
		cmocka_unit_test(changes_are_counted_by_key),
		cmocka_unit_test(senseless_routes_are_refused_with_the_reason),
		cmocka_unit_test(random_lists_choose_what_a_naive_search_does),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
