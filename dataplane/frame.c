/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * frame - the frame pool: a stack of free frame numbers and an owner for each frame.
 *
 * A stack, because the frame freed last is the one still in the cache. There is no lock:
 * one worker owns a pool. Nothing here touches the frames' bytes.
 */
#include "frame.h"

#include <errno.h>
#include <stdlib.h>

int frame_pool_init(struct frame_pool *pool, void *base, uint32_t size, uint32_t n_frames)
{
	/* A multiple of the alignment, as aligned_alloc() wants it. */
	size_t lines = ((size_t)n_frames * sizeof(struct packet) + CACHE_LINE - 1) / CACHE_LINE;

	*pool = (struct frame_pool){.base = base, .size = size, .n_frames = n_frames};
	pool->free = calloc(n_frames, sizeof(*pool->free));
	pool->packets = aligned_alloc(CACHE_LINE, lines * CACHE_LINE);
	/* Half a megabyte that is never touched unless frames are flooded. */
	pool->shares = calloc((size_t)PORT_MAX * ((n_frames + 63) / 64), sizeof(*pool->shares));
	if (!pool->free || !pool->packets || !pool->shares) {
		frame_pool_fini(pool);
		return -ENOMEM;
	}
	memset(pool->packets, 0, (size_t)n_frames * sizeof(struct packet));
	for (uint32_t i = 0; i < n_frames; i++)
		pool->free[i] = n_frames - 1 - i;
	pool->n_free = n_frames;
	return 0;
}

void frame_pool_fini(struct frame_pool *pool)
{
	free(pool->shares);
	free(pool->free);
	free(pool->packets);
	*pool = (struct frame_pool){0};
}

struct packet *frame_get(struct frame_pool *pool)
{
	if (unlikely(!pool->n_free))
		return NULL;
	struct packet *p = &pool->packets[pool->free[--pool->n_free]];
	assert(p->owner == FRAME_FREE);
	*p = (struct packet){
		.data = frame_base(pool, p) + FRAME_HEADROOM,
		.port_in = PORT_NONE,
		.wire = PORT_NONE,
		.owner = FRAME_TURN,
		.refs = 1,
		.decision = {.port_out = PORT_NONE, .route = ROUTE_NONE},
	};
	return p;
}

void frame_append(struct frame_pool *pool, struct packet *p, struct packet *last,
		  struct packet *part)
{
	assert(part->owner == FRAME_TURN && !part->rest && !last->rest);
	part->owner = FRAME_PART;
	pool->n_parts++;
	last->rest = part;
	p->rest_len += part->len;
}

static void put_parts(struct frame_pool *pool, struct packet *p)
{
	struct packet *part = p->rest, *next;

	for (; part; part = next) {
		next = part->rest;
		part->rest = NULL;
		part->owner = FRAME_FREE;
		pool->n_parts--;
		pool->free[pool->n_free++] = frame_number(pool, part);
	}
	p->rest = NULL;
	p->rest_len = 0;
}

void frame_put(struct frame_pool *pool, struct packet *p)
{
	assert(p->owner != FRAME_FREE && p->owner != FRAME_PART && p->refs > 0);
	if (--p->refs)
		return;
	if (unlikely(p->rest))
		put_parts(pool, p);
	pool->n_held -= p->owner == FRAME_HELD;
	p->owner = FRAME_FREE;
	pool->free[pool->n_free++] = frame_number(pool, p);
}

static struct packet *copy_one(struct frame_pool *pool, const struct packet *p)
{
	struct packet *copy = frame_get(pool);

	if (!copy)
		return NULL;
	copy->data = frame_base(pool, copy) + (p->data - frame_base(pool, p));
	copy->len = p->len;
	memcpy(copy->data, p->data, p->len);
	return copy;
}

struct packet *frame_copy(struct frame_pool *pool, const struct packet *p)
{
	struct packet *copy = copy_one(pool, p), *last = copy;

	if (!copy)
		return NULL;
	copy->flags = p->flags & (PACKET_PARTIAL | PACKET_UNKNOWN);
	copy->csum_start = p->csum_start;
	copy->csum_offset = p->csum_offset;
	copy->tcp_sum_right = p->tcp_sum_right;
	copy->gso_kind = p->gso_kind;
	copy->gso_size = p->gso_size;
	copy->head_len = p->head_len;
	for (const struct packet *part = p->rest; part; part = part->rest) {
		struct packet *next = copy_one(pool, part);
		if (!next) {
			frame_put(pool, copy);
			return NULL;
		}
		frame_append(pool, copy, last, next);
		last = next;
	}
	return copy;
}

void frame_replace(struct frame_pool *pool, struct packet *p, struct packet *other)
{
	assert(p->refs == 1 && !packet_is_large(other));
	put_parts(pool, p);
	p->data = frame_base(pool, p) + (other->data - frame_base(pool, other));
	p->len = other->len;
	p->flags = other->flags;
	p->gso_size = 0;
	p->next = other->next;
	memcpy(p->data, other->data, other->len);
	frame_put(pool, other);
}

bool frame_parts_sound(const struct frame_pool *pool)
{
	uint32_t n = 0;

	if (likely(!pool->n_parts))
		return frame_count(pool, FRAME_PART) == 0;
	for (uint32_t i = 0; i < pool->n_frames; i++)
		if (pool->packets[i].owner == FRAME_HELD)
			for (const struct packet *p = pool->packets[i].rest; p; p = p->rest, n++)
				if (p->owner != FRAME_PART)
					return false;
	return n == pool->n_parts && n == frame_count(pool, FRAME_PART);
}

void frame_move(struct frame_pool *pool, struct packet *p, uint16_t owner)
{
	assert(p->owner != FRAME_FREE && owner != FRAME_FREE);
	pool->n_held += (owner == FRAME_HELD) - (p->owner == FRAME_HELD);
	p->owner = owner;
}

/* The word and the bit that say whether port has a share of p. */
static uint64_t *share_word(const struct frame_pool *pool, const struct packet *p, uint16_t port)
{
	size_t words = (pool->n_frames + 63) / 64;
	return &pool->shares[port * words + frame_number(pool, p) / 64];
}

static uint64_t share_bit(const struct frame_pool *pool, const struct packet *p)
{
	return 1ull << frame_number(pool, p) % 64;
}

void frame_send(struct frame_pool *pool, struct packet *p, uint16_t port)
{
	if (likely(p->refs == 1 && p->owner != FRAME_SHARED)) {
		frame_move(pool, p, frame_owner(FRAME_TX, port));
		return;
	}
	*share_word(pool, p, port) |= share_bit(pool, p);
	frame_move(pool, p, FRAME_SHARED);
}

void frame_sent(struct frame_pool *pool, struct packet *p, uint16_t port)
{
	if (unlikely(p->owner == FRAME_SHARED))
		*share_word(pool, p, port) &= ~share_bit(pool, p);
	frame_put(pool, p);
}

uint32_t frame_reclaim(struct frame_pool *pool, uint16_t port)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < pool->n_frames; i++) {
		struct packet *p = &pool->packets[i];
		if (p->owner == FRAME_SHARED && *share_word(pool, p, port) & share_bit(pool, p))
			frame_sent(pool, p, port);
		else if (p->owner == frame_owner(FRAME_RX, port) || p->owner == frame_owner(FRAME_TX, port))
			frame_put(pool, p);
		else
			continue;
		n++;
	}
	return n;
}

uint32_t frame_count(const struct frame_pool *pool, uint16_t owner)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < pool->n_frames; i++)
		n += pool->packets[i].owner == owner;
	return n;
}
