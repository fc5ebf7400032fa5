/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_fib - the trie against a naive twin: every route is looked at, the longest that
 * matches wins. Prefixes and destinations are drawn so that they overlap, nest and touch.
 */
#include "seed.h"

#include "../../dataplane/fib.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

static uint32_t random32(void)
{
	return (uint32_t)rand() << 24 ^ (uint32_t)rand() << 12 ^ (uint32_t)rand();
}

static struct fib_route route_to(uint32_t address, uint8_t prefix_len)
{
	return (struct fib_route){
		.prefix = {be32_from(address).raw & ip4_mask(prefix_len).raw},
		.prefix_len = prefix_len,
	};
}

static uint32_t naive_lookup(const struct fib_route *routes, size_t n, be32 dst)
{
	uint32_t best = ROUTE_NONE;
	for (uint32_t i = 0; i < n; i++)
		if (ip4_in_prefix(dst, routes[i].prefix, routes[i].prefix_len) &&
		    (best == ROUTE_NONE || routes[i].prefix_len > routes[best].prefix_len))
			best = i;
	return best;
}

static bool is_known(const struct fib_route *routes, size_t n, const struct fib_route *route)
{
	for (size_t i = 0; i < n; i++)
		if (be32_equal(routes[i].prefix, route->prefix) &&
		    routes[i].prefix_len == route->prefix_len)
			return true;
	return false;
}

/* Addresses close to each other in each byte: they share nodes and fall into each other's prefixes.
 */
static uint32_t crowded_address(void)
{
	static const uint32_t upper[] = {0x00000000, 0x0a000000, 0x0a010000, 0xc0a80000,
					 0xffff0000};
	uint32_t address = upper[random32() % ARRAY_SIZE(upper)];
	address ^= (random32() & 3) << 16;
	address |= (random32() & 1 ? random32() & 3 : 0xfc | (random32() & 3)) << 8;
	return address | (random32() & 0xff);
}

static size_t draw_routes(struct fib_route *routes, size_t n)
{
	size_t n_drawn = 0;
	for (size_t i = 0; i < n; i++) {
		struct fib_route route = route_to(random32() % 8 ? crowded_address() : random32(),
						  (uint8_t)(random32() % 33));
		if (!is_known(routes, n_drawn, &route))
			routes[n_drawn++] = route;
	}
	return n_drawn;
}

/* A destination at, just before or just after the edges of a route; or anything. */
static be32 draw_destination(const struct fib_route *routes, size_t n)
{
	if (!n || random32() % 4 == 0)
		return be32_from(random32() % 2 ? crowded_address() : random32());
	const struct fib_route *route = &routes[random32() % n];
	uint32_t first = be32_host(route->prefix);
	uint32_t last = first | ~be32_host(ip4_mask(route->prefix_len));
	uint32_t edges[] = {first, first - 1, first + 1, last, last - 1, last + 1};
	return be32_from(edges[random32() % ARRAY_SIZE(edges)]);
}

static void compare_with_twin(const struct fib_route *routes, size_t n, unsigned n_lookups)
{
	enum { BURST = 200 }; /* more than a vector, and no multiple of it */
	be32 dst[BURST];
	uint32_t found[BURST];
	struct fib *fib = fib_new(routes, n);
	assert_non_null(fib);
	assert_int_equal(fib_count(fib), n);
	while (n_lookups) {
		unsigned burst = 1 + random32() % BURST;
		if (burst > n_lookups)
			burst = n_lookups;
		for (unsigned i = 0; i < burst; i++)
			dst[i] = draw_destination(routes, n);
		fib_lookup_burst(fib, dst, found, burst);
		for (unsigned i = 0; i < burst; i++) {
			uint32_t expected = naive_lookup(routes, n, dst[i]);
			if (found[i] != expected || fib_lookup(fib, dst[i]) != expected)
				fail_msg("%zu routes, destination %08x: %d, expected %d", n,
					 be32_host(dst[i]), (int)found[i], (int)expected);
		}
		n_lookups -= burst;
	}
	fib_free(fib);
}

static void fib_of_random_routes_answers_as_the_twin(void **state)
{
	(void)state;
	static struct fib_route routes[600];
	for (unsigned round = 0; round < 60; round++) {
		size_t n = draw_routes(routes, random32() % ARRAY_SIZE(routes));
		compare_with_twin(routes, n, 2000);
	}
}

static void fib_of_few_routes_answers_as_the_twin(void **state)
{
	(void)state;
	struct fib_route routes[8];
	for (unsigned round = 0; round < 300; round++) {
		size_t n = draw_routes(routes, random32() % (ARRAY_SIZE(routes) + 1));
		compare_with_twin(routes, n, 300);
	}
}

static void fib_of_every_length_on_one_address_prefers_the_longest(void **state)
{
	(void)state;
	const uint32_t address = 0xc0a80a7f;
	struct fib_route routes[33];
	for (unsigned len = 0; len <= 32; len++) /* longest first: the order must not matter */
		routes[32 - len] = route_to(address, (uint8_t)len);
	struct fib *fib = fib_new(routes, ARRAY_SIZE(routes));
	assert_non_null(fib);
	assert_int_equal(fib_lookup(fib, be32_from(address)), 0);
	for (unsigned bit = 0; bit < 32; bit++) /* differs in this bit: the prefix above it */
		assert_int_equal(fib_lookup(fib, be32_from(address ^ 1u << bit)), bit + 1);
	fib_free(fib);
}

static void fib_without_routes_finds_none(void **state)
{
	(void)state;
	struct fib *fib = fib_new(NULL, 0);
	assert_non_null(fib);
	assert_int_equal(fib_count(fib), 0);
	assert_int_equal(fib_lookup(fib, be32_from(0)), ROUTE_NONE);
	assert_int_equal(fib_lookup(fib, be32_from(0xffffffff)), ROUTE_NONE);
	fib_lookup_burst(fib, NULL, NULL, 0);
	fib_free(fib);
	fib_free(NULL);
}

static void fib_default_route_takes_every_address(void **state)
{
	(void)state;
	struct fib_route routes[] = {route_to(0, 0), route_to(0xffffffff, 32), route_to(0, 32)};
	struct fib *fib = fib_new(routes, ARRAY_SIZE(routes));
	assert_non_null(fib);
	assert_int_equal(fib_lookup(fib, be32_from(0xffffffff)), 1);
	assert_int_equal(fib_lookup(fib, be32_from(0xfffffffe)), 0);
	assert_int_equal(fib_lookup(fib, be32_from(1)), 0);
	assert_int_equal(fib_lookup(fib, be32_from(0)), 2);
	fib_free(fib);
}

static void expect_refused(const struct fib_route *routes, size_t n, int error)
{
	errno = 0;
	assert_null(fib_new(routes, n));
	assert_int_equal(errno, error);
}

static void fib_repeated_prefix_is_refused_at_every_length(void **state)
{
	(void)state;
	for (unsigned len = 0; len <= 32; len++) {
		struct fib_route same = route_to(0x0a0b0c0d, (uint8_t)len);
		struct fib_route routes[] = {same, route_to(0xc0a80000, 16), same};
		struct fib_route nested[] = {same, route_to(0, 0), route_to(0x0a0b0c0d, 32), same};
		routes[2].via = be32_from(0x0a000001); /* another gateway makes it no other route */
		expect_refused(routes, ARRAY_SIZE(routes), EINVAL);
		expect_refused(nested, ARRAY_SIZE(nested), EINVAL);
	}
}

static void fib_neighbouring_prefixes_of_a_length_are_no_repetition(void **state)
{
	(void)state;
	for (unsigned len = 1; len <= 32; len++) {
		struct fib_route routes[] = {
			route_to(0x0a0b0c0d, (uint8_t)len),
			route_to(0x0a0b0c0d ^ 1u << (32 - len), (uint8_t)len),
		};
		struct fib *fib = fib_new(routes, ARRAY_SIZE(routes));
		assert_non_null(fib);
		assert_int_equal(fib_lookup(fib, be32_from(0x0a0b0c0d)), 0);
		assert_int_equal(fib_lookup(fib, routes[1].prefix), 1);
		fib_free(fib);
	}
}

static void fib_bad_prefix_is_refused(void **state)
{
	(void)state;
	for (unsigned len = 0; len < 32; len++) {
		struct fib_route route = route_to(0, (uint8_t)len);
		route.prefix = be32_from(1); /* a host bit */
		expect_refused(&route, 1, EINVAL);
		route.prefix = be32_from(1u << (31 - len)); /* the first of them */
		expect_refused(&route, 1, EINVAL);
	}
	struct fib_route long_one = {.prefix_len = 33};
	expect_refused(&long_one, 1, EINVAL);
	long_one.prefix_len = 255;
	expect_refused(&long_one, 1, EINVAL);
}

static void fib_routes_are_kept_in_their_order(void **state)
{
	(void)state;
	struct fib_route routes[] = {
		{.prefix = be32_from(0x0a090000),
		 .prefix_len = 16,
		 .via = be32_from(0xc0a80009),
		 .port = 3},
		{.prefix_len = 0,
		 .via = be32_from(0xc0a800fe),
		 .port = 1,
		 .source = be32_from(0xc0a80001)},
		{.prefix = be32_from(0x0a080000), .prefix_len = 16, .type = FIB_BLACKHOLE},
	};
	struct fib_route given[ARRAY_SIZE(routes)];
	memcpy(given, routes, sizeof(given));
	struct fib *fib = fib_new(given, ARRAY_SIZE(given));
	assert_non_null(fib);
	memset(given, 0, sizeof(given)); /* the table has its own copy */
	for (unsigned i = 0; i < ARRAY_SIZE(routes); i++) {
		const struct fib_route *kept = fib_route(fib, i);
		assert_true(be32_equal(kept->prefix, routes[i].prefix));
		assert_int_equal(kept->prefix_len, routes[i].prefix_len);
		assert_int_equal(kept->type, routes[i].type);
		assert_int_equal(kept->port, routes[i].port);
		assert_true(be32_equal(kept->via, routes[i].via));
		assert_true(be32_equal(kept->source, routes[i].source));
	}
	fib_free(fib);
}

static void fib_hits_are_counted_for_each_route(void **state)
{
	(void)state;
	struct fib_route routes[] = {route_to(0, 0), route_to(0x0a000000, 8),
				     route_to(0x0a000001, 32)};
	struct fib *fib = fib_new(routes, ARRAY_SIZE(routes));
	assert_non_null(fib);
	for (uint32_t i = 0; i < ARRAY_SIZE(routes); i++)
		for (uint32_t n = 0; n < 5 * i; n++)
			fib_hit(fib, i);
	for (uint32_t i = 0; i < ARRAY_SIZE(routes); i++)
		assert_int_equal(fib_hits(fib, i), 5 * i);
	fib_free(fib);
}

static void fib_memory_grows_by_a_node_for_each_divided_entry(void **state)
{
	(void)state;
	struct fib_route routes[] = {
		route_to(0x0a000000, 16), route_to(0x0a010000, 17), route_to(0x0a018000, 17),
		route_to(0x0a020300, 24), route_to(0x0a020304, 32), route_to(0x0a020308, 29),
	};
	struct fib *one = fib_new(routes, 1);
	struct fib *all = fib_new(routes, ARRAY_SIZE(routes));
	assert_true(one && all);
	assert_in_range(fib_memory(one), 256 << 10, (256 << 10) + 2048);
	/* below 10.1/16, below 10.2/16, below 10.2.3/24: three nodes */
	assert_in_range(fib_memory(all) - fib_memory(one), 2 << 10, (3 << 10) + 512);
	fib_free(one);
	fib_free(all);
}

static double elapsed_ms(const struct timespec *since)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - since->tv_sec) * 1e3 +
	       (double)(now.tv_nsec - since->tv_nsec) / 1e6;
}

/* Lengths as in the internet's table: most are /24, some shorter, a few host routes of our own. */
static size_t draw_million(struct fib_route *routes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		/* An odd multiplier visits each value once: no prefix repeats. */
		uint32_t scattered = (uint32_t)i * 2654435761u;
		if (i % 16 == 15)
			routes[i] = route_to(scattered, 32);
		else
			routes[i] = route_to((uint32_t)i * 40503u << 8, 24);
	}
	for (unsigned i = 0; i < 65536; i += 3)
		routes[i] = route_to(i << 16, 16);
	return n;
}

static void fib_million_routes_load_and_answer(void **state)
{
	(void)state;
	const size_t n = 1000000;
	struct fib_route *routes = calloc(n, sizeof(*routes));
	struct timespec start;
	assert_non_null(routes);
	draw_million(routes, n);
	clock_gettime(CLOCK_MONOTONIC, &start);
	struct fib *fib = fib_new(routes, n);
	double load_ms = elapsed_ms(&start);
	assert_non_null(fib);
	print_message("%zu routes: %.0f ms, %.1f MiB\n", n, load_ms,
		      (double)fib_memory(fib) / 1048576);

	/* A /32 or /24 given is found again by its own address unless a longer one covers it. */
	be32 dst[VECTOR_SIZE];
	uint32_t found[VECTOR_SIZE];
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (size_t i = 0; i < n; i += VECTOR_SIZE) {
		for (unsigned k = 0; k < VECTOR_SIZE; k++)
			dst[k] = routes[(i + k) % n].prefix;
		fib_lookup_burst(fib, dst, found, VECTOR_SIZE);
		for (unsigned k = 0; k < VECTOR_SIZE; k++) {
			const struct fib_route *asked = &routes[(i + k) % n];
			assert_true(found[k] < n);
			const struct fib_route *answer = &routes[found[k]];
			assert_true(ip4_in_prefix(dst[k], answer->prefix, answer->prefix_len));
			assert_true(found[k] == (i + k) % n ||
				    answer->prefix_len > asked->prefix_len);
		}
	}
	print_message("%zu lookups, in bursts: %.0f ns each\n", n,
		      elapsed_ms(&start) * 1e6 / (double)n);
	fib_free(fib);
	free(routes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fib_of_random_routes_answers_as_the_twin),
		cmocka_unit_test(fib_of_few_routes_answers_as_the_twin),
		cmocka_unit_test(fib_of_every_length_on_one_address_prefers_the_longest),
		cmocka_unit_test(fib_without_routes_finds_none),
		cmocka_unit_test(fib_default_route_takes_every_address),
		cmocka_unit_test(fib_repeated_prefix_is_refused_at_every_length),
		cmocka_unit_test(fib_neighbouring_prefixes_of_a_length_are_no_repetition),
		cmocka_unit_test(fib_bad_prefix_is_refused),
		cmocka_unit_test(fib_routes_are_kept_in_their_order),
		cmocka_unit_test(fib_hits_are_counted_for_each_route),
		cmocka_unit_test(fib_memory_grows_by_a_node_for_each_divided_entry),
		cmocka_unit_test(fib_million_routes_load_and_answer),
	};
	seed_rand();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
