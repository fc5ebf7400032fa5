/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mapping - address translation's mappings: two hashes over one array, and a map of the
 * ports in use.
 *
 * An outside endpoint belongs to one mapping, whatever the remote: so whose a port is can be
 * asked without knowing who sends to it. Protocols without ports have no such luxury; there
 * the remote address is part of the outside key.
 *
 * The ports in use of an outside address and protocol are kept as bits, in *blocks* of 512
 * ports, which exist while one of their ports is in use. A free port is found by a few
 * throws of the dice, and where these fail by reading the blocks from the last throw on: so
 * the work is bounded, and a free port is found if there is one. What comes out of the dice is
 * a keyed hash of a counter and the inside endpoint, under a key of its own: ports go out
 * for everyone to see, buckets don't.
 *
 * Numbers start at 1 and 0 is none, in chains, too: zeroed memory is the empty table. What
 * was freed is used again first.
 */
#include "mapping.h"

#include "hash.h"

#include <stdlib.h>

#define CLASS_SYSTEM 512 /* RFC 4787 REQ-3: ports below 1024 stay below; below 512 as in Linux */
#define CLASS_USER   1024
#define BLOCK_WORDS  8 /* one cache line of bits */
#define BLOCK_PORTS  (BLOCK_WORDS * 64)
#define N_THROWS     8 /* with half of the ports in use, one search in 256 has to read on */

struct block {
	uint64_t used[BLOCK_WORDS];
	uint64_t key; /* address << 32 | protocol << 16 | port / BLOCK_PORTS */
	uint32_t n_used;
	uint32_t next; /* in the chain, or of the free ones */
};

/* Numbers not in use: those freed, chained, and those from n_used + 1 on. */
struct slots {
	uint32_t first_free, n_used;
};

struct mapping_table {
	uint8_t secret[HASH_KEY_SIZE], port_secret[HASH_KEY_SIZE]; /* constant, down to blocks */
	uint32_t capacity, mask;
	uint32_t *inside, *outside, *block_heads; /* mask + 1 chains of each */
	struct mapping *mappings; /* 1 to capacity; the same number of blocks suffices */
	struct block *blocks;
	struct slots free_mappings, free_blocks;
	uint64_t n_thrown;
	uint32_t n_mappings;
};

static bool has_ports(uint8_t protocol)
{
	return protocol == PROTO_TCP || protocol == PROTO_UDP || protocol == PROTO_ICMP;
}

static uint32_t bucket_of(const struct mapping_table *table, const struct tuple *key)
{
	return (uint32_t)hash_siphash(table->secret, key, sizeof(*key)) & table->mask;
}

/* A number no outsider can foretell, from 0 to n - 1. */
static uint32_t throw_dice(struct mapping_table *table, const struct tuple *original, uint32_t n)
{
	struct {
		struct tuple tuple;
		uint64_t count;
	} seed = {*original, table->n_thrown++};

	return (uint32_t)(hash_siphash_rounds(table->port_secret, &seed, sizeof(seed), 2, 4) % n);
}

/* -- blocks of ports -------------------------------------------------------------------- */

static uint64_t block_key(const struct tuple *outside, uint16_t port)
{
	return (uint64_t)outside->src.raw << 32 | (uint64_t)outside->protocol << 16 |
	       port / BLOCK_PORTS;
}

static uint32_t *block_head(const struct mapping_table *table, uint64_t key)
{
	return &table->block_heads[hash_siphash(table->secret, &key, sizeof(key)) & table->mask];
}

/* NULL: none of its ports is in use. */
static struct block *block_find(const struct mapping_table *table, uint64_t key)
{
	uint32_t i = *block_head(table, key);

	while (i && table->blocks[i].key != key)
		i = table->blocks[i].next;
	return i ? &table->blocks[i] : NULL;
}

static struct block *block_new(struct mapping_table *table, uint64_t key)
{
	struct slots *slots = &table->free_blocks;
	uint32_t i = slots->first_free, *head = block_head(table, key);

	if (i)
		slots->first_free = table->blocks[i].next;
	else
		i = ++slots->n_used;
	assert(i <= table->capacity); /* each block has a mapping */
	table->blocks[i] = (struct block){.key = key, .next = *head};
	*head = i;
	return &table->blocks[i];
}

static void block_end(struct mapping_table *table, struct block *block)
{
	uint32_t i = (uint32_t)(block - table->blocks), *at = block_head(table, block->key);

	while (*at != i)
		at = &table->blocks[*at].next;
	*at = block->next;
	block->next = table->free_blocks.first_free;
	table->free_blocks.first_free = i;
}

static void port_use(struct mapping_table *table, const struct tuple *outside)
{
	uint16_t port = be16_host(outside->sport);
	uint64_t key = block_key(outside, port);
	struct block *block = block_find(table, key);

	if (!block)
		block = block_new(table, key);
	block->used[port / 64 % BLOCK_WORDS] |= 1ull << port % 64;
	block->n_used++;
}

static void port_release(struct mapping_table *table, const struct tuple *outside)
{
	uint16_t port = be16_host(outside->sport);
	struct block *block = block_find(table, block_key(outside, port));

	block->used[port / 64 % BLOCK_WORDS] &= ~(1ull << port % 64);
	if (!--block->n_used)
		block_end(table, block);
}

/* -- the choice of a port --------------------------------------------------------------- */

struct range {
	uint16_t first, last;
};

static struct range range_of(const struct tuple *original, const struct session_pool *pool)
{
	uint16_t port = be16_host(original->sport);

	if (pool->port_first || pool->port_last)
		return (struct range){pool->port_first, pool->port_last};
	if (original->protocol == PROTO_ICMP)
		return (struct range){0, UINT16_MAX};
	if (port < CLASS_SYSTEM)
		return (struct range){1, CLASS_SYSTEM - 1}; /* port 0 is reserved (RFC 6335 6) */
	if (port < CLASS_USER)
		return (struct range){CLASS_SYSTEM, CLASS_USER - 1};
	return (struct range){CLASS_USER, UINT16_MAX};
}

static bool in_range(struct range range, uint16_t port)
{
	return port >= range.first && port <= range.last;
}

/* Ports word * 64 and up that are neither in use nor taken. */
static uint64_t free_in_word(const struct block *block, const uint64_t *taken, unsigned word)
{
	return ~((block ? block->used[word % BLOCK_WORDS] : 0) | (taken ? taken[word] : 0));
}

static bool port_is_free(const struct mapping_table *table, const struct tuple *outside,
			 const uint64_t *taken, uint16_t port)
{
	const struct block *block = block_find(table, block_key(outside, port));
	return free_in_word(block, taken, port / 64) >> port % 64 & 1;
}

static uint64_t range_in_word(struct range range, unsigned word)
{
	uint64_t ports = ~0ull;

	if (word == range.first / 64u)
		ports &= ~0ull << range.first % 64;
	if (word == range.last / 64u)
		ports &= ~0ull >> (63 - range.last % 64);
	return ports;
}

/* The first free port from the word of *port on, and round to it again. */
static bool read_on(const struct mapping_table *table, const struct tuple *outside,
		    const uint64_t *taken, struct range range, uint16_t *port)
{
	unsigned first = range.first / 64u, last = range.last / 64u, word = *port / 64u;
	const struct block *block = NULL;

	for (unsigned i = 0; i <= last - first; i++) {
		if (i == 0 || word == first || word % BLOCK_WORDS == 0)
			block = block_find(table, block_key(outside, (uint16_t)(word * 64)));
		uint64_t ports = free_in_word(block, taken, word) & range_in_word(range, word);
		if (ports) {
			*port = (uint16_t)(word * 64 + (unsigned)__builtin_ctzll(ports));
			return true;
		}
		word = word == last ? first : word + 1;
	}
	return false;
}

static bool choose_port(struct mapping_table *table, const struct tuple *original,
			const struct session_pool *pool, struct tuple *outside)
{
	struct range range = range_of(original, pool);
	uint16_t port = be16_host(original->sport);
	bool found = in_range(range, port) && port_is_free(table, outside, pool->taken, port);

	for (unsigned i = 0; !found && i < N_THROWS; i++) {
		uint32_t n = range.last - range.first + 1u;
		port = (uint16_t)(range.first + throw_dice(table, original, n));
		found = port_is_free(table, outside, pool->taken, port);
	}
	if (!found && !read_on(table, outside, pool->taken, range, &port))
		return false;
	outside->sport = be16_from(port);
	return true;
}

/* -- mappings --------------------------------------------------------------------------- */

static struct tuple inside_key(const struct tuple *original, const struct session_pool *pool)
{
	struct tuple key = *original;

	if (!pool->per_remote && has_ports(key.protocol)) {
		key.dst = be32_from(0);
		key.dport = be16_from(0);
	}
	return key;
}

static be32 address_of(const struct mapping_table *table, const struct tuple *original,
		       const struct session_pool *pool)
{
	uint32_t first = be32_host(pool->first), n = be32_host(pool->last) - first + 1;

	if (n == 1)
		return pool->first;
	uint64_t hash = hash_siphash(table->secret, &original->src, sizeof(original->src));
	return be32_from(first + (uint32_t)(n ? hash % n : hash)); /* 0: all there are */
}

/* Whether m, of original's inside endpoint, could have been made from this pool. */
static bool fits(const struct mapping_table *table, const struct mapping *m,
		 const struct tuple *original, const struct session_pool *pool)
{
	uint16_t port = be16_host(m->outside.sport);

	if (!be32_equal(m->outside.src, address_of(table, original, pool)) ||
	    m->port_first != pool->port_first || m->port_last != pool->port_last)
		return false;
	return !pool->taken || !has_ports(original->protocol) ||
	       !(pool->taken[port / 64] >> port % 64 & 1);
}

struct mapping *mapping_get(struct mapping_table *table, uint32_t number)
{
	return &table->mappings[number];
}

uint32_t mapping_find(const struct mapping_table *table, const struct tuple *original,
		      const struct session_pool *pool)
{
	struct tuple key = inside_key(original, pool);
	uint32_t i = table->inside[bucket_of(table, &key)];

	while (i && !(tuple_equal(&table->mappings[i].inside, &key) &&
		      fits(table, &table->mappings[i], original, pool)))
		i = table->mappings[i].next_inside;
	return i;
}

uint32_t mapping_find_outside(const struct mapping_table *table, uint8_t protocol, be32 outside,
			      be16 outside_port, be32 remote)
{
	struct tuple key = {.src = outside, .sport = outside_port, .protocol = protocol};
	if (!has_ports(protocol))
		key.dst = remote;
	uint32_t i = table->outside[bucket_of(table, &key)];

	while (i && !tuple_equal(&table->mappings[i].outside, &key))
		i = table->mappings[i].next_outside;
	return i;
}

/* 0: none is left. */
static uint32_t mapping_take(struct mapping_table *table)
{
	struct slots *slots = &table->free_mappings;
	uint32_t i = slots->first_free;

	if (i)
		slots->first_free = table->mappings[i].next_inside;
	else if (slots->n_used < table->capacity)
		i = ++slots->n_used;
	return i;
}

uint32_t mapping_make(struct mapping_table *table, const struct tuple *original,
		      const struct session_pool *pool)
{
	struct tuple inside = inside_key(original, pool);
	struct tuple outside = {.src = address_of(table, original, pool),
				.protocol = original->protocol};
	bool ports = has_ports(original->protocol);

	if (ports ? !choose_port(table, original, pool, &outside)
		  : mapping_find_outside(table, outside.protocol, outside.src, outside.sport,
					 original->dst))
		return 0;
	uint32_t i = mapping_take(table);
	if (!i)
		return 0;
	if (ports)
		port_use(table, &outside);
	else
		outside.dst = original->dst;
	uint32_t *in = &table->inside[bucket_of(table, &inside)];
	uint32_t *out = &table->outside[bucket_of(table, &outside)];
	table->mappings[i] = (struct mapping){
		.inside = inside,
		.outside = outside,
		.next_inside = *in,
		.next_outside = *out,
		.port_first = pool->port_first,
		.port_last = pool->port_last,
	};
	*in = *out = i;
	count_add(&table->n_mappings, 1);
	return i;
}

void mapping_end(struct mapping_table *table, uint32_t number)
{
	struct mapping *m = &table->mappings[number];
	uint32_t *in = &table->inside[bucket_of(table, &m->inside)];
	uint32_t *out = &table->outside[bucket_of(table, &m->outside)];

	while (*in != number)
		in = &table->mappings[*in].next_inside;
	while (*out != number)
		out = &table->mappings[*out].next_outside;
	*in = m->next_inside;
	*out = m->next_outside;
	if (has_ports(m->outside.protocol))
		port_release(table, &m->outside);
	m->next_inside = table->free_mappings.first_free;
	table->free_mappings.first_free = number;
	count_add(&table->n_mappings, (uint32_t)-1);
}

uint32_t mapping_count(const struct mapping_table *table)
{
	return load_shared(&table->n_mappings);
}

/* -- the table itself ------------------------------------------------------------------- */

/* A key that tells nothing about the one of the buckets. */
static void derive_port_secret(struct mapping_table *table)
{
	for (uint64_t i = 0; i < HASH_KEY_SIZE / sizeof(i); i++) {
		uint64_t half = hash_siphash_rounds(table->secret, &i, sizeof(i), 2, 4);
		memcpy(table->port_secret + i * sizeof(half), &half, sizeof(half));
	}
}

struct mapping_table *mapping_new(uint32_t capacity, const uint8_t secret[16])
{
	struct mapping_table *table = calloc(1, sizeof(*table));
	if (!table)
		return NULL;
	uint32_t n_buckets = 1;
	while (n_buckets < capacity) /* chains of one or two */
		n_buckets *= 2;
	table->capacity = capacity;
	table->mask = n_buckets - 1;
	table->inside = calloc(n_buckets, sizeof(*table->inside));
	table->outside = calloc(n_buckets, sizeof(*table->outside));
	table->block_heads = calloc(n_buckets, sizeof(*table->block_heads));
	table->mappings = calloc((size_t)capacity + 1, sizeof(*table->mappings));
	table->blocks = calloc((size_t)capacity + 1, sizeof(*table->blocks));
	if (!table->inside || !table->outside || !table->block_heads || !table->mappings ||
	    !table->blocks) {
		mapping_free(table);
		return NULL;
	}
	memcpy(table->secret, secret, sizeof(table->secret));
	derive_port_secret(table);
	return table;
}

void mapping_free(struct mapping_table *table)
{
	if (!table)
		return;
	free(table->blocks);
	free(table->mappings);
	free(table->block_heads);
	free(table->outside);
	free(table->inside);
	free(table);
}
