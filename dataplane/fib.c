/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fib - longest prefix match in a trie of strides 16, 8 and 8.
 *
 * The root has an entry for each value of an address's upper 16 bits, a node one for each
 * value of the next 8. An entry is either a leaf, which is the answer, or the number of the
 * node below. Leaves are pushed: a new node starts as 256 copies of the leaf it replaces, so
 * a lookup never looks back, and its last load is always the answer.
 *
 * Routes are inserted shortest prefix first. That makes building simple: whatever a prefix
 * covers at its level is a leaf of a shorter one, or the very prefix given twice, and no node
 * lies below it yet; so inserting is filling a range.
 *
 * 16 bits at the root, because nearly all routes of a lab, and of the internet's table up to
 * /24, then end at the first or second load; the root's 256 KiB stay in the second-level
 * cache. Nothing is ever changed after fib_new(): the next table is built beside this one.
 */
#include "fib.h"

#include <errno.h>
#include <stdlib.h>

#define ROOT_BITS  16
#define NODE_BITS  8
#define PREFIX_MAX 32

/*
 * An entry with NODE set holds the number of a node; any other is a leaf: a route's index
 * plus one. So 0 is "no route", and entry - 1 is ROUTE_NONE for it without a branch.
 */
#define NODE 0x80000000u
static_assert(ROUTE_NONE == (uint32_t)(0 - 1), "no route is the leaf 0");

struct node {
	uint32_t entry[1 << NODE_BITS];
};

struct fib {
	uint32_t root[1 << ROOT_BITS];
	struct node *nodes;
	uint32_t n_nodes, nodes_size; /* used, and room for */
	size_t n_routes;
	struct fib_route *routes;
	uint64_t *hits; /* of each route; apart, so that counting dirties no route */
};

/* Room for n more nodes: before any entry is pointed at, since they may move. */
static int reserve_nodes(struct fib *fib, uint32_t n)
{
	if (fib->nodes_size - fib->n_nodes >= n)
		return 0;
	size_t size = 2 * (size_t)fib->nodes_size + n;
	struct node *nodes = size < NODE ? realloc(fib->nodes, size * sizeof(*nodes)) : NULL;
	if (!nodes)
		return -ENOMEM;
	fib->nodes = nodes;
	fib->nodes_size = (uint32_t)size;
	return 0;
}

/* The node below an entry. If there is none, a reserved one takes the entry's leaf over. */
static struct node *node_below(struct fib *fib, uint32_t *entry)
{
	if (!(*entry & NODE)) {
		struct node *node = &fib->nodes[fib->n_nodes];
		for (unsigned i = 0; i < ARRAY_SIZE(node->entry); i++)
			node->entry[i] = *entry;
		*entry = NODE | fib->n_nodes++;
	}
	return &fib->nodes[*entry & ~NODE];
}

/* Inserts a route, after all shorter ones. */
static int insert(struct fib *fib, uint32_t index)
{
	const struct fib_route *route = &fib->routes[index];
	uint32_t prefix = be32_host(route->prefix);
	unsigned bits = ROOT_BITS; /* of the address, that lead to entry */
	int error = reserve_nodes(fib, 2);
	if (error)
		return error;
	uint32_t *entry = &fib->root[prefix >> (PREFIX_MAX - bits)];
	while (route->prefix_len > bits) {
		struct node *node = node_below(fib, entry);
		bits += NODE_BITS;
		entry = &node->entry[prefix >> (PREFIX_MAX - bits) & (ARRAY_SIZE(node->entry) - 1)];
	}
	assert(!(*entry & NODE));
	if (*entry && fib->routes[*entry - 1].prefix_len == route->prefix_len)
		return -EINVAL;
	for (uint32_t i = 0; i < 1u << (bits - route->prefix_len); i++)
		entry[i] = index + 1;
	return 0;
}

static bool is_valid(const struct fib_route *route)
{
	return route->prefix_len <= PREFIX_MAX &&
	       !(route->prefix.raw & ~ip4_mask(route->prefix_len).raw);
}

/* The indexes of the routes in order of prefix length (a counting sort), or NULL. */
static uint32_t *order_by_length(const struct fib_route *routes, size_t n)
{
	size_t start[PREFIX_MAX + 2] = {0};
	uint32_t *order = calloc(n + 1, sizeof(*order));
	if (!order)
		return NULL;
	for (size_t i = 0; i < n; i++)
		start[routes[i].prefix_len + 1]++;
	for (unsigned len = 0; len < PREFIX_MAX; len++)
		start[len + 1] += start[len];
	for (size_t i = 0; i < n; i++)
		order[start[routes[i].prefix_len]++] = (uint32_t)i;
	return order;
}

/* Everything but the entries; a calloc() of no routes may be NULL, hence the one too many. */
static int copy_routes(struct fib *fib, const struct fib_route *routes, size_t n)
{
	if (n >= NODE)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (!is_valid(&routes[i]))
			return -EINVAL;
	fib->routes = calloc(n + 1, sizeof(*fib->routes));
	fib->hits = calloc(n + 1, sizeof(*fib->hits));
	if (!fib->routes || !fib->hits)
		return -ENOMEM;
	if (n)
		memcpy(fib->routes, routes, n * sizeof(*routes));
	fib->n_routes = n;
	return 0;
}

static int insert_all(struct fib *fib)
{
	uint32_t *order = order_by_length(fib->routes, fib->n_routes);
	int error = order ? 0 : -ENOMEM;
	for (size_t i = 0; !error && i < fib->n_routes; i++)
		error = insert(fib, order[i]);
	free(order);
	return error;
}

/* Gives back what doubling took too much; if that fails, it stays. */
static void trim(struct fib *fib)
{
	size_t size = fib->n_nodes ? fib->n_nodes : 1;
	struct node *nodes = realloc(fib->nodes, size * sizeof(*nodes));
	if (nodes) {
		fib->nodes = nodes;
		fib->nodes_size = (uint32_t)size;
	}
}

struct fib *fib_new(const struct fib_route *routes, size_t n)
{
	struct fib *fib = calloc(1, sizeof(*fib));
	int error = fib ? copy_routes(fib, routes, n) : -ENOMEM;
	if (!error)
		error = insert_all(fib);
	if (error) {
		fib_free(fib);
		errno = -error;
		return NULL;
	}
	trim(fib);
	return fib;
}

void fib_free(struct fib *fib)
{
	if (!fib)
		return;
	free(fib->nodes);
	free(fib->routes);
	free(fib->hits);
	free(fib);
}

/* Where the answer for an address stands if entry, reached by that many bits, is a node. */
static const uint32_t *below(const struct fib *fib, uint32_t entry, uint32_t address, unsigned bits)
{
	uint8_t next = (uint8_t)(address >> (PREFIX_MAX - NODE_BITS - bits));
	return &fib->nodes[entry & ~NODE].entry[next];
}

static const uint32_t *root_of(const struct fib *fib, uint32_t address)
{
	return &fib->root[address >> (PREFIX_MAX - ROOT_BITS)];
}

/*
 * One level for the whole vector, then the next: while a packet's entry is on its way from
 * memory, the others' are asked for. route[] carries the entries from level to level.
 */
static void lookup_vector(const struct fib *fib, const be32 *dst, uint32_t *route, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		prefetch(root_of(fib, be32_host(dst[i])));
	for (unsigned i = 0; i < n; i++) {
		route[i] = *root_of(fib, be32_host(dst[i]));
		if (route[i] & NODE)
			prefetch(below(fib, route[i], be32_host(dst[i]), ROOT_BITS));
	}
	for (unsigned i = 0; i < n; i++) {
		if (!(route[i] & NODE))
			continue;
		route[i] = *below(fib, route[i], be32_host(dst[i]), ROOT_BITS);
		if (route[i] & NODE)
			prefetch(below(fib, route[i], be32_host(dst[i]), ROOT_BITS + NODE_BITS));
	}
	for (unsigned i = 0; i < n; i++) {
		if (route[i] & NODE)
			route[i] = *below(fib, route[i], be32_host(dst[i]), ROOT_BITS + NODE_BITS);
		route[i] -= 1;
	}
}

void fib_lookup_burst(const struct fib *fib, const be32 *dst, uint32_t *route, unsigned n)
{
	for (; n > VECTOR_SIZE; n -= VECTOR_SIZE, dst += VECTOR_SIZE, route += VECTOR_SIZE)
		lookup_vector(fib, dst, route, VECTOR_SIZE);
	lookup_vector(fib, dst, route, n);
}

uint32_t fib_lookup(const struct fib *fib, be32 dst)
{
	uint32_t route;
	lookup_vector(fib, &dst, &route, 1);
	return route;
}

const struct fib_route *fib_route(const struct fib *fib, uint32_t index)
{
	assert(index < fib->n_routes);
	return &fib->routes[index];
}

size_t fib_count(const struct fib *fib)
{
	return fib->n_routes;
}

size_t fib_memory(const struct fib *fib)
{
	return sizeof(*fib) + fib->nodes_size * sizeof(*fib->nodes) +
	       (fib->n_routes + 1) * (sizeof(*fib->routes) + sizeof(*fib->hits));
}

void fib_hit(struct fib *fib, uint32_t index)
{
	assert(index < fib->n_routes);
	count_add(&fib->hits[index], 1);
}

void fib_hit_many(struct fib *fib, uint32_t index, uint32_t n)
{
	assert(index < fib->n_routes);
	count_add(&fib->hits[index], n);
}

uint64_t fib_hits(const struct fib *fib, uint32_t index)
{
	assert(index < fib->n_routes);
	return load_shared(&fib->hits[index]);
}
