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

void frame_put(struct frame_pool *pool, struct packet *p)
{
	assert(p->owner != FRAME_FREE && p->refs > 0);
	if (--p->refs)
		return;
	pool->n_held -= p->owner == FRAME_HELD;
	p->owner = FRAME_FREE;
	pool->free[pool->n_free++] = frame_number(pool, p);
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
