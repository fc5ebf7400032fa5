/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_pipeline - what the rooms cost, and how that grows with the tables: packets through
 * the pipeline on memory, with the frames coming from and going to arrays.
 *
 * Each table is filled little and much, and everything else kept: routes by one gateway, so
 * that nothing but the FIB grows; neighbours on one link; masqueraded sessions; stations of a
 * bridge. Keys are drawn at random from all there are, so that neither the caches nor the
 * prefetchers see a pattern, and frames are written outside the measured time.
 *
 * The scenes take turns, some milliseconds each, so that a noisy machine is noisy to all of
 * them. The median over the rounds is printed, and the median of the ratio to the scene with
 * the small table in the same round: believe the ratios.
 *
 *   bench_pipeline [ROUNDS]
 */
#include "../unit/world.h"

#include "../../dataplane/csum.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS_MAX 1000
#define TURNS	   24	 /* of a scene in a round */
#define TURN	   2048u /* packets: what a worker reads at most */

enum { IN = 0, OUT = 1, BRIDGE_IN = 4, BRIDGE_OUT = 5 }; /* ports of world.h */

struct scene {
	const char *name;
	bool (*build)(struct scene *scene); /* false: no memory */
	uint32_t (*frame)(const struct scene *scene, uint32_t key, uint8_t *frame);
	uint32_t n_keys, n_routes;
	bool is_small; /* the reference of those behind it */
	uint16_t port; /* where frames arrive */
	struct world *w;
	uint32_t random;
	double ns[ROUNDS_MAX]; /* per packet */
};

/* Of the processor that we have had, not of what others took meanwhile. */
static double now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static be32 address(uint32_t host)
{
	return be32_from(host);
}

/* -- routes --------------------------------------------------------------------------- */

#define ROUTED_FIRST 0x0b000000u /* 11.0.0.0 */
#define LINK_FIRST   0x7d000000u /* 125.0.0.0/8: on the link, for neighbours */

/* n /24 routes from 11.0.0.0 on by one gateway. */
static bool fill_fib(struct world *w, uint32_t n)
{
	struct fib_route *routes = calloc(n + 1, sizeof(*routes));
	be32 via = world_address("192.168.0.9"), source = world_address("192.168.0.1");

	if (!routes)
		return false;
	for (uint32_t i = 0; i < n; i++)
		routes[i] = (struct fib_route){
			address(ROUTED_FIRST + (i << 8)), 24, FIB_UNICAST, OUT, via, source};
	routes[n] = (struct fib_route){address(LINK_FIRST), 8, FIB_UNICAST, OUT, {0}, source};
	fib_free(w->fib);
	w->fib = fib_new(routes, n + 1);
	free(routes);
	world_neighbour(w, OUT, 9, "192.168.0.9");
	return w->fib;
}

static bool build_routed(struct scene *scene)
{
	return fill_fib(scene->w, scene->n_routes);
}

static uint32_t datagram_to(uint8_t *frame, be32 dst)
{
	uint32_t len = world_ip4(frame, IN, "192.168.1.2", "192.168.0.2", 64, PROTO_UDP, 26);
	struct ip4_hdr *ip = (struct ip4_hdr *)(frame + sizeof(struct eth_hdr));

	ip->dst = dst;
	ip->checksum = (be16){0};
	ip->checksum = csum_of(ip, sizeof(*ip));
	return len;
}

/* Destinations share the routes evenly. */
static uint32_t frame_routed(const struct scene *scene, uint32_t key, uint8_t *frame)
{
	uint32_t route = (uint32_t)((uint64_t)key * scene->n_routes / scene->n_keys);

	return datagram_to(frame, address(ROUTED_FIRST + (route << 8) + key % 256));
}

/* -- neighbours ----------------------------------------------------------------------- */

static bool build_resolved(struct scene *scene)
{
	const struct neigh_config config = {.capacity = 2 * scene->n_keys};

	neigh_free(scene->w->pipeline.neigh);
	scene->w->pipeline.neigh = neigh_new(&config);
	if (!scene->w->pipeline.neigh || !fill_fib(scene->w, scene->n_routes))
		return false;
	for (uint32_t i = 0; i < scene->n_keys; i++)
		if (neigh_add(scene->w->pipeline.neigh, OUT, address(LINK_FIRST + 1 + i),
			      world_station_mac(OUT, i % 256)))
			return false;
	return true;
}

static uint32_t frame_resolved(const struct scene *scene, uint32_t key, uint8_t *frame)
{
	(void)scene;
	return datagram_to(frame, address(LINK_FIRST + 1 + key));
}

/* -- sessions ------------------------------------------------------------------------- */

#define INSIDE_PORTS 32768u /* in use; more sessions go to more destinations */

static uint32_t frame_translated(const struct scene *scene, uint32_t key, uint8_t *frame)
{
	uint32_t len = datagram_to(frame, address(ROUTED_FIRST + (key / INSIDE_PORTS << 8) + 1));
	struct udp_hdr *udp =
		(struct udp_hdr *)(frame + sizeof(struct eth_hdr) + sizeof(struct ip4_hdr));

	(void)scene;
	*udp = (struct udp_hdr){be16_from((uint16_t)(1024 + key % INSIDE_PORTS)),
				be16_from(53),
				be16_from(26),
				{0}};
	return len;
}

static double turn(struct scene *scene, const uint32_t *keys);

/* Each session opened by its first packet. */
static bool build_translated(struct scene *scene)
{
	static struct nat_rule rule = {.action = NAT_MASQUERADE, .out = OUT};
	static struct rules rules = {.nat = &rule, .n_nat = 1};
	const struct session_config config = {.capacity = scene->n_keys};
	uint32_t keys[TURN];

	session_free(scene->w->pipeline.sessions);
	scene->w->pipeline.sessions = session_new(&config);
	if (!scene->w->pipeline.sessions || !fill_fib(scene->w, scene->n_routes))
		return false;
	scene->w->rules = &rules;
	for (uint32_t i = 0; i < scene->n_keys; i += TURN) {
		for (uint32_t k = 0; k < TURN; k++)
			keys[k] = (i + k) % scene->n_keys;
		turn(scene, keys);
	}
	struct session_counts counts;
	session_counts(scene->w->pipeline.sessions, &counts);
	return counts.sessions == scene->n_keys;
}

/* -- stations ------------------------------------------------------------------------- */

static struct mac station(uint8_t side, uint32_t i)
{
	return (struct mac){{2, side, 0, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};
}

/* Half of the stations speak, to the other half. */
static uint32_t frame_bridged(const struct scene *scene, uint32_t key, uint8_t *frame)
{
	uint32_t half = scene->n_keys / 2;
	uint32_t len = datagram_to(frame, address(ROUTED_FIRST));
	struct eth_hdr *eth = (struct eth_hdr *)frame;

	eth->src = station(BRIDGE_IN, key % half);
	eth->dst = station(BRIDGE_OUT, key * 2654435761u % half);
	return len;
}

static bool build_bridged(struct scene *scene)
{
	const struct fdb_config config = {0};
	uint16_t before;

	fdb_free(scene->w->pipeline.fdb);
	scene->w->pipeline.fdb = fdb_new(&config);
	pipeline_init(&scene->w->pipeline);
	for (uint32_t i = 0; scene->w->pipeline.fdb && i < scene->n_keys / 2; i++)
		fdb_learn(scene->w->pipeline.fdb, WORLD_LEG, station(BRIDGE_OUT, i), BRIDGE_OUT,
			  scene->w->now_ns, &before);
	return scene->w->pipeline.fdb;
}

/* -- measuring ------------------------------------------------------------------------ */

static uint32_t draw(struct scene *scene)
{
	scene->random ^= scene->random << 13; /* Marsaglia's xorshift32 */
	scene->random ^= scene->random >> 17;
	scene->random ^= scene->random << 5;
	return scene->random % scene->n_keys;
}

/* A turn of packets with these keys. Returns what it took, in nanoseconds. */
static double turn(struct scene *scene, const uint32_t *keys)
{
	uint8_t frame[64];

	for (unsigned i = 0; i < TURN; i++) {
		uint32_t len = scene->frame(scene, keys[i], frame);
		world_arrive(scene->w, scene->port, frame, len, 0);
	}
	double begun = now_ns();
	world_turn(scene->w);
	double spent = now_ns() - begun;
	scene->w->now_ns += NS_PER_MS;
	return spent;
}

static double measure(struct scene *scene)
{
	uint32_t keys[TURN];
	double spent = 0;

	for (unsigned t = 0; t < TURNS; t++) {
		for (unsigned i = 0; i < TURN; i++)
			keys[i] = draw(scene);
		spent += turn(scene, keys);
	}
	return spent / (TURNS * TURN);
}

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;
	return (a > b) - (a < b);
}

static double median(double *values, unsigned n)
{
	qsort(values, n, sizeof(*values), compare);
	return values[n / 2];
}

static void report(struct scene *scenes, unsigned n_scenes, unsigned rounds)
{
	const struct scene *small = NULL;

	printf("pipeline on memory, medians of %u interleaved rounds\n%-42s%9s%8s%12s\n", rounds,
	       "", "ns", "Mpps", "x small");
	for (unsigned s = 0; s < n_scenes; s++) {
		double ratios[ROUNDS_MAX], ns[ROUNDS_MAX];
		small = scenes[s].is_small ? &scenes[s] : small;
		for (unsigned r = 0; r < rounds; r++) {
			ratios[r] = scenes[s].ns[r] / small->ns[r];
			ns[r] = scenes[s].ns[r];
		}
		double each = median(ns, rounds);
		printf("%-42s%9.1f%8.1f", scenes[s].name, each, 1e3 / each);
		if (scenes[s].is_small)
			printf("\n");
		else
			printf("%12.2f\n", median(ratios, rounds));
	}
}

#define SCENE(text, what, keys, routes, ...)                                                       \
	{                                                                                          \
		.name = text, .build = build_##what, .frame = frame_##what, .n_keys = keys,        \
		.n_routes = routes, __VA_ARGS__                                                    \
	}
static struct scene scenes[] = {
	SCENE("10 routes, 10 destinations", routed, 10, 10, .is_small = true),
	SCENE("10 routes, 65,536 destinations", routed, 65536, 10),
	SCENE("1,000,000 routes, 256 destinations", routed, 256, 1000000),
	SCENE("1,000,000 routes, 65,536 destinations", routed, 65536, 1000000),
	SCENE("1,000,000 routes, all of them", routed, 1000000, 1000000),
	SCENE("16 neighbours", resolved, 16, 10, .is_small = true),
	SCENE("4,096 neighbours", resolved, 4096, 10),
	SCENE("65,536 neighbours", resolved, 65536, 10),
	SCENE("256 sessions, masqueraded", translated, 256, 32, .is_small = true),
	SCENE("65,536 sessions", translated, 65536, 32),
	SCENE("1,048,576 sessions", translated, 1048576, 32),
	SCENE("256 stations, bridged", bridged, 256, 0, .is_small = true, .port = BRIDGE_IN),
	SCENE("65,536 stations", bridged, 65536, 0, .port = BRIDGE_IN),
};

static bool set_up(void)
{
	for (unsigned s = 0; s < ARRAY_SIZE(scenes); s++) {
		scenes[s].w = world_new(false);
		scenes[s].random = 1;
		if (!scenes[s].build(&scenes[s])) {
			fprintf(stderr, "bench_pipeline: %s: the table could not be filled\n",
				scenes[s].name);
			return false;
		}
		measure(&scenes[s]); /* warms up */
	}
	return true;
}

static void tear_down(void)
{
	for (unsigned s = 0; s < ARRAY_SIZE(scenes); s++) {
		const struct stats *stats = &scenes[s].w->stats;
		if (stats_end(stats, SENT) != stats->port[scenes[s].port].rx_packets)
			fprintf(stderr, "bench_pipeline: %s: packets were lost\n", scenes[s].name);
		world_free(scenes[s].w);
	}
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 0) : 15;

	if (rounds < 1 || rounds > ROUNDS_MAX) {
		fprintf(stderr, "usage: bench_pipeline [ROUNDS]: 1 to %d\n", ROUNDS_MAX);
		return 2;
	}
	if (!set_up())
		return 1;
	for (unsigned r = 0; r < rounds; r++)
		for (unsigned s = 0; s < ARRAY_SIZE(scenes); s++)
			scenes[s].ns[r] = measure(&scenes[s]);
	report(scenes, ARRAY_SIZE(scenes), rounds);
	tear_down();
	return 0;
}
