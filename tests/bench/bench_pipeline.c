/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_pipeline - what the rooms cost: packets through the pipeline on memory, with the
 * frames coming from and going to arrays. Prints nanoseconds and millions of packets per
 * second, for 1, 256 and 64 k destinations and for few and a million routes.
 */
#include "../unit/world.h"

#include "../../dataplane/csum.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PACKETS 4000000u
#define TURN 2048u /* what a worker reads at most */

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* n /24 routes below 11.0.0.0 by the same gateway. */
static struct fib *many_routes(size_t n)
{
	struct fib_route *routes = calloc(n + 1, sizeof(*routes));
	be32 via = world_address("192.168.0.9"), source = world_address("192.168.0.1");

	if (!routes)
		abort();
	for (size_t i = 0; i < n; i++)
		routes[i] = (struct fib_route){be32_from((uint32_t)(0x0b000000 + (i << 8))), 24, FIB_UNICAST, 1, via, source};
	routes[n] = (struct fib_route){be32_from(0), 0, FIB_UNICAST, 1, via, source};
	struct fib *fib = fib_new(routes, n + 1);
	free(routes);
	return fib;
}

/* A seeded, spread-out order of destinations, so that the cache sees no pattern. */
static be32 destination(unsigned i, unsigned flows, size_t routes)
{
	uint32_t flow = (i * 2654435761u) % flows;
	return be32_from((uint32_t)(0x0b000001 + (((uint64_t)flow * 40503u) % routes << 8)));
}

static void one(unsigned flows, size_t routes)
{
	struct world *w = world_new(false);
	uint8_t frame[64];
	uint32_t len = world_ip4(frame, 0, "192.168.1.2", "192.168.0.2", 64, PROTO_UDP, 26);
	double spent = 0;

	fib_free(w->fib);
	w->fib = many_routes(routes);
	world_neighbour(w, 1, 9, "192.168.0.9");
	for (unsigned done = 0; done < PACKETS;) {
		for (unsigned i = 0; i < TURN; i++, done++) {
			struct ip4_hdr *ip = (struct ip4_hdr *)(frame + 14);
			ip->dst = destination(done, flows, routes);
			ip->checksum = (be16){0};
			ip->checksum = csum_of(ip, sizeof(*ip));
			world_arrive(w, 0, frame, len, 0);
		}
		double t = now();
		world_turn(w);
		spent += now() - t;
		w->now_ns += NS_PER_MS;
	}
	if (stats_end(&w->stats, SENT) < PACKETS)
		fprintf(stderr, "bench_pipeline: packets were lost\n");
	printf("pipeline on memory: %6u flows, %7zu routes: %5.1f ns, %5.1f Mpps\n", flows, routes + 1,
	       spent / PACKETS * 1e9, PACKETS / spent / 1e6);
	world_free(w);
}

int main(void)
{
	static const unsigned flows[] = {1, 256, 65536};
	static const size_t routes[] = {10, 1000000};

	for (unsigned r = 0; r < ARRAY_SIZE(routes); r++)
		for (unsigned f = 0; f < ARRAY_SIZE(flows); f++)
			one(flows[f], routes[r]);
	return 0;
}
