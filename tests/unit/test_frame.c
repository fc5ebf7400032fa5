/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_frame - the pool: every frame in exactly one place, and the sums that say so. A random
 * sequence is followed by a naive twin that only remembers each frame's owner.
 */
#include "seed.h"

#include "../../dataplane/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SIZE = 2048, N = 64 };

static int setup(void **state)
{
	struct frame_pool *pool = malloc(sizeof(*pool));
	void *base = aligned_alloc(4096, (size_t)SIZE * N);
	assert_true(pool && base);
	assert_int_equal(frame_pool_init(pool, base, SIZE, N), 0);
	*state = pool;
	return 0;
}

static int teardown(void **state)
{
	struct frame_pool *pool = *state;
	void *base = pool->base;
	frame_pool_fini(pool);
	free(base);
	free(pool);
	return 0;
}

static void frame_pool_starts_with_every_frame_free(void **state)
{
	struct frame_pool *pool = *state;
	assert_int_equal(pool->n_free, N);
	assert_int_equal(pool->n_held, 0);
	assert_int_equal(frame_count(pool, FRAME_FREE), N);
}

static void frame_pool_after_fini_is_empty_and_may_be_finished_again(void **state)
{
	(void)state;
	static uint8_t base[SIZE];
	struct frame_pool pool;
	assert_int_equal(frame_pool_init(&pool, base, SIZE, 1), 0);
	frame_pool_fini(&pool);
	assert_int_equal(pool.n_frames, 0);
	assert_null(pool.packets);
	frame_pool_fini(&pool);
}

static void frame_get_gives_an_empty_packet_of_its_own_frame(void **state)
{
	struct frame_pool *pool = *state;
	struct packet *p = frame_get(pool);
	assert_non_null(p);
	assert_ptr_equal(p->data, frame_base(pool, p) + FRAME_HEADROOM);
	assert_int_equal(frame_room(pool, p), SIZE - FRAME_HEADROOM);
	assert_int_equal(p->len, 0);
	assert_int_equal(p->port_in, PORT_NONE);
	assert_int_equal(p->flags, 0);
	assert_int_equal(p->trace, 0);
	assert_int_equal(p->decision.port_out, PORT_NONE);
	assert_int_equal(p->decision.route, ROUTE_NONE);
	assert_null(p->next);
	assert_int_equal(p->owner, FRAME_TURN);
	frame_put(pool, p);
}

static void frame_got_again_remembers_nothing(void **state)
{
	struct frame_pool *pool = *state;
	struct packet *p = frame_get(pool);
	uint16_t owner = p->owner;
	memset(p, 0xa5, sizeof(*p));
	p->owner = owner;
	p->refs = 1;
	p->rest = NULL;
	frame_put(pool, p);
	struct packet *again = frame_get(pool);
	assert_ptr_equal(again, p); /* the warmest comes first */
	assert_ptr_equal(again->data, frame_base(pool, p) + FRAME_HEADROOM);
	assert_int_equal(again->len, 0);
	assert_int_equal(again->trace, 0);
	assert_int_equal(again->flags, 0);
	assert_null(again->next);
	assert_int_equal(again->gso_size, 0);
	assert_int_equal(packet_len(again), 0);
	frame_put(pool, again);
}

static void frame_get_of_an_empty_pool_is_null(void **state)
{
	struct frame_pool *pool = *state;
	bool seen[N] = {false};
	for (unsigned i = 0; i < N; i++) {
		struct packet *p = frame_get(pool);
		assert_non_null(p);
		assert_false(seen[frame_number(pool, p)]); /* nobody gets a frame twice */
		seen[frame_number(pool, p)] = true;
	}
	assert_null(frame_get(pool));
	assert_int_equal(pool->n_free, 0);
	for (uint32_t i = 0; i < N; i++)
		frame_put(pool, &pool->packets[i]);
	assert_int_equal(pool->n_free, N);
}

static void frame_numbers_bases_and_offsets_agree(void **state)
{
	struct frame_pool *pool = *state;
	for (uint32_t i = 0; i < N; i++) {
		struct packet *p = &pool->packets[i];
		assert_int_equal(frame_number(pool, p), i);
		assert_ptr_equal(frame_base(pool, p), pool->base + (size_t)i * SIZE);
		assert_ptr_equal(frame_at(pool, (uint64_t)i * SIZE), p);
		assert_ptr_equal(frame_at(pool, (uint64_t)i * SIZE + FRAME_HEADROOM), p);
		assert_ptr_equal(frame_at(pool, (uint64_t)i * SIZE + SIZE - 1), p);
	}
}

static void frame_room_ends_with_the_frame(void **state)
{
	struct frame_pool *pool = *state;
	struct packet *p = frame_get(pool);
	p->data = frame_base(pool, p);
	assert_int_equal(frame_room(pool, p), SIZE);
	p->data += SIZE - 1;
	assert_int_equal(frame_room(pool, p), 1);
	frame_put(pool, p);
}

static void frame_owners_of_all_ports_and_places_differ(void **state)
{
	(void)state;
	bool seen[1 << 16] = {false};
	const uint16_t alone[] = {FRAME_FREE, FRAME_TURN, FRAME_HELD};
	for (unsigned i = 0; i < ARRAY_SIZE(alone); i++)
		seen[alone[i]] = true;
	for (uint16_t port = 0; port < PORT_MAX; port++) {
		const uint16_t owners[] = {frame_owner(FRAME_RX, port),
					   frame_owner(FRAME_TX, port)};
		for (unsigned i = 0; i < ARRAY_SIZE(owners); i++) {
			assert_false(seen[owners[i]]);
			seen[owners[i]] = true;
		}
	}
}

static void frame_held_is_counted_until_it_moves_on(void **state)
{
	struct frame_pool *pool = *state;
	struct packet *p = frame_get(pool), *q = frame_get(pool);
	frame_move(pool, p, FRAME_HELD);
	frame_move(pool, q, FRAME_HELD);
	assert_int_equal(pool->n_held, 2);
	frame_move(pool, p, FRAME_HELD); /* from one queue to another */
	assert_int_equal(pool->n_held, 2);
	frame_move(pool, p, FRAME_TURN);
	assert_int_equal(pool->n_held, 1);
	frame_put(pool, q); /* its next hop failed */
	assert_int_equal(pool->n_held, 0);
	frame_put(pool, p);
	assert_int_equal(pool->n_free, N);
}

static void frame_reclaim_takes_one_ports_frames_only(void **state)
{
	struct frame_pool *pool = *state;
	const uint16_t owners[] = {frame_owner(FRAME_RX, 3), frame_owner(FRAME_TX, 3),
				   frame_owner(FRAME_RX, 4), FRAME_HELD, FRAME_TURN};
	for (unsigned i = 0; i < 20; i++)
		frame_move(pool, frame_get(pool), owners[i % ARRAY_SIZE(owners)]);
	assert_int_equal(frame_reclaim(pool, 3), 8);
	assert_int_equal(frame_reclaim(pool, 3), 0);
	assert_int_equal(frame_count(pool, frame_owner(FRAME_RX, 4)), 4);
	assert_int_equal(pool->n_held, 4);
	assert_int_equal(pool->n_free, N - 12);
}

/* A flooded frame in the rings of ports 1 to 3. */
static struct packet *flooded(struct frame_pool *pool)
{
	struct packet *p = frame_get(pool);
	p->refs = 3;
	for (uint16_t port = 1; port <= 3; port++)
		frame_send(pool, p, port);
	assert_int_equal(p->owner, FRAME_SHARED);
	return p;
}

static void frame_shared_is_free_when_the_last_port_sent_it(void **state)
{
	struct frame_pool *pool = *state;
	struct packet *p = flooded(pool);

	frame_sent(pool, p, 2);
	frame_sent(pool, p, 3);
	assert_int_equal(pool->n_free, N - 1);
	frame_sent(pool, p, 1);
	assert_int_equal(pool->n_free, N);
	assert_int_equal(frame_reclaim(pool, 1) + frame_reclaim(pool, 2) + frame_reclaim(pool, 3), 0);
}

static void frame_shared_survives_a_port_that_vanished(void **state)
{
	struct frame_pool *pool = *state;
	struct packet *p = flooded(pool), *q = flooded(pool);

	frame_sent(pool, p, 2);
	assert_int_equal(frame_reclaim(pool, 2), 1); /* q's share: p has left there */
	frame_sent(pool, p, 1);
	frame_sent(pool, p, 3);
	assert_int_equal(pool->n_free, N - 1);
	frame_sent(pool, q, 3);
	assert_int_equal(frame_reclaim(pool, 1), 1);
	assert_int_equal(pool->n_free, N);
}

static void frame_shared_that_others_dropped_is_sent_whole(void **state)
{
	struct frame_pool *pool = *state;
	struct packet *p = frame_get(pool);

	p->refs = 2;
	frame_put(pool, p); /* one port's ring was full */
	frame_send(pool, p, 7);
	assert_int_equal(p->owner, frame_owner(FRAME_TX, 7));
	assert_int_equal(frame_reclaim(pool, 7), 1);
	assert_int_equal(pool->n_free, N);
}

/* The twin's view: who owns each frame. */
struct twin {
	uint16_t owner[N];
};

static void expect_agreement(const struct frame_pool *pool, const struct twin *twin)
{
	uint32_t n_free = 0, n_held = 0;
	for (unsigned i = 0; i < N; i++) {
		assert_int_equal(pool->packets[i].owner, twin->owner[i]);
		n_free += twin->owner[i] == FRAME_FREE;
		n_held += twin->owner[i] == FRAME_HELD;
	}
	assert_int_equal(pool->n_free, n_free);
	assert_int_equal(pool->n_held, n_held);
}

static void step_at_random(struct frame_pool *pool, struct twin *twin)
{
	uint16_t port = (uint16_t)(rand() % 2 ? 0 : PORT_MAX - 1);
	const uint16_t owners[] = {FRAME_TURN, FRAME_HELD, frame_owner(FRAME_RX, port),
				   frame_owner(FRAME_TX, port)};
	uint16_t owner = owners[(unsigned)rand() % ARRAY_SIZE(owners)];
	unsigned number = (unsigned)rand() % N;
	struct packet *p = &pool->packets[number];
	unsigned action = (unsigned)rand() % 32;
	if (action == 0) {
		uint32_t n = 0;
		for (unsigned i = 0; i < N; i++) {
			bool there = twin->owner[i] == frame_owner(FRAME_RX, port) ||
				     twin->owner[i] == frame_owner(FRAME_TX, port);
			n += there;
			twin->owner[i] = there ? FRAME_FREE : twin->owner[i];
		}
		assert_int_equal(frame_reclaim(pool, port), n);
	} else if (action < 16) {
		p = frame_get(pool);
		if (p)
			twin->owner[frame_number(pool, p)] = FRAME_TURN;
	} else if (p->owner != FRAME_FREE && action < 24) {
		frame_move(pool, p, owner);
		twin->owner[number] = owner;
	} else if (p->owner != FRAME_FREE) {
		frame_put(pool, p);
		twin->owner[number] = FRAME_FREE;
	}
}

static void frame_pool_under_random_use_agrees_with_the_twin(void **state)
{
	struct frame_pool *pool = *state;
	struct twin twin = {{0}};
	for (unsigned i = 0; i < 20000; i++) {
		step_at_random(pool, &twin);
		expect_agreement(pool, &twin);
	}
}

#define pooled(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		pooled(frame_pool_starts_with_every_frame_free),
		cmocka_unit_test(frame_pool_after_fini_is_empty_and_may_be_finished_again),
		pooled(frame_get_gives_an_empty_packet_of_its_own_frame),
		pooled(frame_got_again_remembers_nothing),
		pooled(frame_get_of_an_empty_pool_is_null),
		pooled(frame_numbers_bases_and_offsets_agree),
		pooled(frame_room_ends_with_the_frame),
		cmocka_unit_test(frame_owners_of_all_ports_and_places_differ),
		pooled(frame_held_is_counted_until_it_moves_on),
		pooled(frame_reclaim_takes_one_ports_frames_only),
		pooled(frame_shared_is_free_when_the_last_port_sent_it),
		pooled(frame_shared_survives_a_port_that_vanished),
		pooled(frame_shared_that_others_dropped_is_sent_whole),
		pooled(frame_pool_under_random_use_agrees_with_the_twin),
	};
	seed_rand();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
