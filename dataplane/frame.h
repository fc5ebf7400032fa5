/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * frame.h - the frame pool, and who owns each frame.
 *
 * The pool is one block of memory cut into chunks of equal, page-dividing size; frame i
 * lies at base + i * size and its struct packet is packets[i], for ever. A frame is
 * always in exactly one place, named by its owner, so that the frames of a port that
 * vanished can be taken back, and so that at any moment
 *
 *     free + with the turn + held + in every port's rings + parts = frames in the pool.
 *
 * A part is a frame behind the first of a packet (packet->rest): where the first is, it is,
 * and it is given back with it. No part is ever in a transmit ring.
 *
 * A flooded frame is the one exception: it leaves by several ports without being copied.
 * Its packet counts the places that still have it (refs); in their transmit rings it is
 * FRAME_SHARED, each port's share is noted in a bitmap, and it is free when the last one
 * has put it back.
 *
 * Thread: the worker's only, except frame_pool_init/fini. The memory itself belongs to
 * the caller and outlives the pool.
 */
#ifndef TSUJI_FRAME_H
#define TSUJI_FRAME_H

#include "packet.h"

/* Bytes kept free in front of what we write ourselves: as much as the kernel keeps. */
#define FRAME_HEADROOM 256

enum frame_place {
	FRAME_FREE = 0,
	FRAME_TURN = 1, /* being worked on: rx to tx */
	FRAME_HELD = 2, /* in a neighbour's queue */
	FRAME_RX = 3,   /* + port: in its fill or receive ring */
	FRAME_TX = 4,   /* + port: in its transmit ring, or with the kernel until completion */
	FRAME_SHARED = 5, /* in the transmit rings of several ports */
	FRAME_PART = 6,   /* behind the first frame of a packet */
};
/* Owner of a frame in a port's rings; other places stand for themselves. */
static inline uint16_t frame_owner(enum frame_place place, uint16_t port)
{
	return (uint16_t)(place << 12 | port);
}

struct frame_pool {
	uint8_t *base;
	uint32_t size;           /* of a frame, in bytes */
	uint32_t n_frames;
	uint32_t n_free;
	uint32_t n_held;         /* kept by frame_move */
	uint32_t n_parts;        /* kept by frame_append and frame_put */
	uint32_t *free;          /* a stack of frame numbers: the warmest comes first */
	uint64_t *shares;        /* for each port a bit for each frame: shared, and with that port */
	struct packet *packets;
};

/* 0 or -ENOMEM. All frames are free afterwards. base is page-aligned. */
int frame_pool_init(struct frame_pool *pool, void *base, uint32_t size, uint32_t n_frames);
void frame_pool_fini(struct frame_pool *pool);

/* A free frame as an empty packet at FRAME_TURN, data at FRAME_HEADROOM; NULL: none left. */
struct packet *frame_get(struct frame_pool *pool);
/* Makes part, a frame of the turn's without parts of its own, the last of p's; last is the one before. */
void frame_append(struct frame_pool *pool, struct packet *p, struct packet *last, struct packet *part);
/*
 * A packet with the same bytes at the same places of as many frames, and what is known of its
 * checksum and its segments; nothing else. NULL: not enough frames.
 */
struct packet *frame_copy(struct frame_pool *pool, const struct packet *p);
/*
 * p, of one place, becomes the packet of one frame that other is, and takes what is behind it
 * by next; its own parts and other are given back.
 */
void frame_replace(struct frame_pool *pool, struct packet *p, struct packet *other);
/* Whether the parts there are, are those of the packets that are held: between turns. Cost: two passes. */
bool frame_parts_sound(const struct frame_pool *pool);
/* Gives a frame back, from wherever it was; it is free once nobody else has it (refs), and so are its parts. */
void frame_put(struct frame_pool *pool, struct packet *p);
/* Into the transmit ring of port, whole or, while refs is above one, as that port's share. */
void frame_send(struct frame_pool *pool, struct packet *p, uint16_t port);
/* Back from the transmit ring of port, after frame_send(). */
void frame_sent(struct frame_pool *pool, struct packet *p, uint16_t port);
/* Hands a frame on: owner is a place or frame_owner(place, port). */
void frame_move(struct frame_pool *pool, struct packet *p, uint16_t owner);
/* Puts back every frame in the rings of port, its shares too; returns how many. Cost: one pass over the pool. */
uint32_t frame_reclaim(struct frame_pool *pool, uint16_t port);
/* How many frames have that owner. Cost: one pass over the pool. */
uint32_t frame_count(const struct frame_pool *pool, uint16_t owner);

static inline uint32_t frame_number(const struct frame_pool *pool, const struct packet *p)
{
	return (uint32_t)(p - pool->packets);
}
static inline uint8_t *frame_base(const struct frame_pool *pool, const struct packet *p)
{
	return pool->base + (size_t)frame_number(pool, p) * pool->size;
}
/* The packet whose frame holds that byte offset of the pool. */
static inline struct packet *frame_at(const struct frame_pool *pool, uint64_t offset)
{
	return &pool->packets[offset / pool->size];
}
/* Bytes from p->data to the end of its frame. */
static inline uint32_t frame_room(const struct frame_pool *pool, const struct packet *p)
{
	return (uint32_t)(frame_base(pool, p) + pool->size - p->data);
}

#endif
