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
	*pool = (struct frame_pool){.base = base, .size = size, .n_frames = n_frames};
	pool->free = calloc(n_frames, sizeof(*pool->free));
	/* The size is a multiple of the alignment, as aligned_alloc() wants it. */
	pool->packets = aligned_alloc(CACHE_LINE, (size_t)n_frames * sizeof(struct packet));
	if (!pool->free || !pool->packets) {
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
	for (unsigned i = 0; i < PORT_MAX; i++)
		free(pool->shares[i]);
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

/* The port's bitmap of shares, made when it first gets one; NULL: no memory. */
static uint64_t *shares_of(struct frame_pool *pool, uint16_t port)
{
	if (unlikely(!pool->shares[port]))
		pool->shares[port] = calloc((pool->n_frames + 63) / 64, sizeof(uint64_t));
	return pool->shares[port];
}

void frame_send(struct frame_pool *pool, struct packet *p, uint16_t port)
{
	if (likely(p->refs == 1 && p->owner != FRAME_SHARED)) {
		frame_move(pool, p, frame_owner(FRAME_TX, port));
		return;
	}
	uint32_t number = frame_number(pool, p);
	pool->shares[port][number / 64] |= 1ull << number % 64;
	frame_move(pool, p, FRAME_SHARED);
}

void frame_sent(struct frame_pool *pool, struct packet *p, uint16_t port)
{
	if (unlikely(p->owner == FRAME_SHARED)) {
		uint32_t number = frame_number(pool, p);
		pool->shares[port][number / 64] &= ~(1ull << number % 64);
	}
	frame_put(pool, p);
}

uint32_t frame_reclaim(struct frame_pool *pool, uint16_t port)
{
	const uint64_t *shares = pool->shares[port];
	uint32_t n = 0;

	for (uint32_t i = 0; i < pool->n_frames; i++) {
		struct packet *p = &pool->packets[i];
		bool shared = shares && p->owner == FRAME_SHARED && shares[i / 64] >> i % 64 & 1;
		if (shared)
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
