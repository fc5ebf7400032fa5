/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_session - sessions and mappings under simulated time: states and timeouts by protocol,
 * the choice of outside endpoints, every bound, the lab clock, control and worker at once, and
 * a long random sequence compared with a naive twin that searches one array for everything.
 */
#include "seed.h"

#include "../../dataplane/session.h"

#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define START_NS (1000 * NS_PER_S)
#define MS NS_PER_MS
#define S NS_PER_S
#define MINUTE (60 * S)
#define GRE 47

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

/* Inside hosts are 10.0.x.x, remotes 8.8.x.x, outside addresses 192.0.2.x. */
static be32 inside(unsigned host) { return be32_from(0x0a000000 + host); }
static be32 remote(unsigned host) { return be32_from(0x08080000 + host); }
static be32 outside(unsigned number) { return be32_from(0xc0000200 + number); }

static struct tuple flow(uint8_t protocol, unsigned host, uint16_t port, unsigned to, uint16_t to_port)
{
	return (struct tuple){inside(host), remote(to), be16_from(port), be16_from(to_port), protocol, {0}};
}

static const struct session_pool one_address = {.first = {0x010200c0}, .last = {0x010200c0}};

static struct session_table *table_with(struct session_config config)
{
	struct session_table *table = session_new(&config);
	assert_non_null(table);
	return table;
}
static struct session_table *table_small(void)
{
	return table_with((struct session_config){.capacity = 64});
}

/* Opens a session without translation. */
static struct session *open_plain(struct session_table *table, struct tuple t, uint64_t now_ns)
{
	struct tuple reply = tuple_reverse(t);
	struct session *s = NULL;
	assert_int_equal(session_open(table, &t, &reply, SESSION_NO_MAPPING, SESSION_NO_RULE, now_ns, &s),
			 SESSION_OK);
	return s;
}

static enum session_refusal refused(struct session_table *table, struct tuple t, uint64_t now_ns)
{
	struct tuple reply = tuple_reverse(t);
	struct session *s = NULL;
	enum session_refusal why =
		session_open(table, &t, &reply, SESSION_NO_MAPPING, SESSION_NO_RULE, now_ns, &s);
	assert_true((why == SESSION_OK) == (s != NULL));
	return why;
}

struct mapped {
	uint32_t mapping;
	be32 address;
	uint16_t port;
	struct session *session;
};

static struct mapped map(struct session_table *table, struct tuple t, const struct session_pool *pool,
			 uint64_t now_ns)
{
	be16 port = {0};
	struct mapped m = {0};
	m.mapping = session_map(table, &t, pool, now_ns, &m.address, &port);
	m.port = be16_host(port);
	return m;
}

static struct tuple reply_to(struct tuple t, be32 address, uint16_t port)
{
	t.src = address;
	t.sport = be16_from(port);
	return tuple_reverse(t);
}

/* Opens a session translated to the pool, which has to have room. */
static struct mapped open_mapped(struct session_table *table, struct tuple t,
				 const struct session_pool *pool, uint64_t now_ns)
{
	struct mapped m = map(table, t, pool, now_ns);
	assert_int_not_equal(m.mapping, SESSION_NO_MAPPING);
	struct tuple reply = reply_to(t, m.address, m.port);
	assert_int_equal(session_open(table, &t, &reply, m.mapping, 3, now_ns, &m.session), SESSION_OK);
	return m;
}

static uint32_t seek(struct session_table *table, const struct tuple *t)
{
	struct session_spot spot = {.tuple = t};
	session_seek(table, &spot, 1);
	assert_ptr_equal(spot.tuple, t);
	return spot.at;
}

static struct session *find(struct session_table *table, struct tuple t, uint64_t now_ns)
{
	enum session_direction direction, again = 77;
	uint32_t spot = seek(table, &t);
	struct session *s = session_find(table, &t, &direction, now_ns);
	assert_ptr_equal(session_find_at(table, spot, &t, &again, now_ns), s);
	if (s)
		assert_int_equal(again, direction);
	return s;
}

static struct session_counts counts(const struct session_table *table)
{
	struct session_counts c;
	session_counts(table, &c);
	return c;
}

static enum session_state note(struct session_table *table, struct session *s,
			       enum session_direction direction, uint8_t flags, uint64_t now_ns)
{
	session_note(table, s, direction, flags, 100, now_ns);
	return s->state;
}
#define said(flags) note(table, s, SESSION_ORIGINAL, (flags), now_ns)
#define answered(flags) note(table, s, SESSION_REPLY, (flags), now_ns)

static bool is_everything(const struct session *s, void *arg)
{
	(void)s;
	(void)arg;
	return true;
}

/* -- finding ------------------------------------------------------------------------------ */

static void session_empty_table_knows_nobody_and_wants_no_call(void **unused)
{
	(void)unused;
	struct session_table *table = table_small();
	struct tuple t = flow(PROTO_UDP, 1, 1000, 1, 53);
	assert_null(find(table, t, START_NS));
	session_age(table, START_NS);
	assert_true(session_next(table) == UINT64_MAX);
	assert_int_equal(session_flush(table, is_everything, NULL), 0);
	assert_true(counts(table).sessions == 0);
	session_free(table);
	session_free(NULL);
}

/* A vector seeks before its first packet opens the session that the second belongs to. */
static void session_spot_stays_when_sessions_come_and_go(void **unused)
{
	(void)unused;
	struct session_table *table = table_small();
	struct tuple t = flow(PROTO_UDP, 1, 1000, 1, 53);
	enum session_direction direction;
	uint32_t spot = seek(table, &t);
	assert_null(session_find_at(table, spot, &t, &direction, START_NS));
	struct mapped m = open_mapped(table, t, &one_address, START_NS);
	assert_ptr_equal(session_find_at(table, spot, &t, &direction, START_NS), m.session);
	assert_int_equal(direction, SESSION_ORIGINAL);
	session_flush(table, is_everything, NULL);
	session_age(table, START_NS);
	assert_null(session_find_at(table, spot, &t, &direction, START_NS));
	assert_int_equal(seek(table, &t), spot);
	session_free(table);
}

/* More sessions than are seen at once, and chains of several: sought together or alone, by either
 * tuple or by one that nobody has, the same is found. */
static void session_vector_finds_what_each_would(void **unused)
{
	(void)unused;
	enum { N = 6000 };
	const struct session_config config = {.capacity = N};
	struct session_table *table = session_new(&config);
	static struct session *sessions[N];
	assert_non_null(table);
	for (unsigned i = 0; i < N; i++) {
		struct tuple t = flow(PROTO_UDP, i % 200, (uint16_t)(1000 + i), 1, 53);
		struct tuple reply = tuple_reverse(t);
		assert_int_equal(session_open(table, &t, &reply, SESSION_NO_MAPPING,
					      SESSION_NO_RULE, START_NS, &sessions[i]),
				 SESSION_OK);
	}
	for (unsigned round = 0; round < 500; round++) {
		struct tuple tuples[VECTOR_SIZE];
		struct session_spot spots[VECTOR_SIZE];
		unsigned n = (unsigned)rand() % (VECTOR_SIZE + 1), which[VECTOR_SIZE];
		for (unsigned i = 0; i < n; i++) {
			which[i] = (unsigned)rand() % (N + N / 4);
			tuples[i] = which[i] < N ? sessions[which[i]]->tuple[round % 2]
						 : flow(PROTO_TCP, 1, (uint16_t)which[i], 1, 53);
			spots[i].tuple = &tuples[i];
		}
		session_seek(table, spots, n);
		for (unsigned i = 0; i < n; i++) {
			enum session_direction direction = 77;
			struct session *s = session_find_at(table, spots[i].at, &tuples[i],
							    &direction, START_NS);
			assert_ptr_equal(s, which[i] < N ? sessions[which[i]] : NULL);
			if (s)
				assert_int_equal(direction, round % 2);
			assert_int_equal(seek(table, &tuples[i]), spots[i].at);
		}
	}
	session_free(table);
}

static void session_is_found_by_either_tuple(void **unused)
{
	(void)unused;
	struct session_table *table = table_small();
	struct tuple t = flow(PROTO_UDP, 1, 1000, 1, 53), other = flow(PROTO_UDP, 1, 1000, 1, 54);
	enum session_direction direction;
	struct mapped m = open_mapped(table, t, &one_address, START_NS);
	struct tuple reply = reply_to(t, outside(1), 1000);
	assert_ptr_equal(session_find(table, &t, &direction, START_NS), m.session);
	assert_int_equal(direction, SESSION_ORIGINAL);
	assert_ptr_equal(session_find(table, &reply, &direction, START_NS), m.session);
	assert_int_equal(direction, SESSION_REPLY);
	assert_null(find(table, other, START_NS));
	assert_null(find(table, tuple_reverse(t), START_NS));
	t.protocol = PROTO_TCP;
	assert_null(find(table, t, START_NS));
	assert_int_equal(m.session->rule, 3);
	assert_int_equal(m.session->mapping, m.mapping);
	session_free(table);
}

static void session_counts_each_direction(void **unused)
{
	(void)unused;
	struct session_table *table = table_small();
	struct session *s = open_plain(table, flow(PROTO_UDP, 1, 1000, 1, 53), START_NS);
	session_note(table, s, SESSION_ORIGINAL, 0, 40, START_NS);
	session_note(table, s, SESSION_ORIGINAL, 0, 2, START_NS);
	session_note(table, s, SESSION_REPLY, 0, 7, START_NS);
	assert_true(s->packets[0] == 2 && s->bytes[0] == 42);
	assert_true(s->packets[1] == 1 && s->bytes[1] == 7);
	session_free(table);
}

static void session_states_have_names(void **unused)
{
	(void)unused;
	assert_string_equal(session_state_name(SESSION_NEW), "new");
	assert_string_equal(session_state_name(SESSION_ESTABLISHED), "established");
	assert_string_equal(session_state_name(SESSION_TRANSITORY), "transitory");
}

/* -- states ------------------------------------------------------------------------------- */

static uint64_t left(const struct session *s, uint64_t now_ns) { return s->expires_ns - now_ns; }

static void session_udp_icmp_and_others_are_established_by_the_answer(void **unused)
{
	(void)unused;
	static const struct {
		uint8_t protocol;
		uint64_t timeout_ns;
	} cases[] = {{PROTO_UDP, 5 * MINUTE}, {PROTO_ICMP, MINUTE}, {GRE, 5 * MINUTE}};
	struct session_table *table = table_small();
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t now_ns = START_NS;
		struct session *s = open_plain(table, flow(cases[i].protocol, 1, 0, 1, 0), now_ns);
		assert_int_equal(s->state, SESSION_NEW);
		assert_true(left(s, now_ns) == cases[i].timeout_ns);
		now_ns += S;
		assert_int_equal(said(0), SESSION_NEW);
		assert_true(left(s, now_ns) == cases[i].timeout_ns);
		now_ns += S;
		assert_int_equal(answered(0), SESSION_ESTABLISHED);
		assert_true(left(s, now_ns) == cases[i].timeout_ns);
		now_ns += S;
		assert_int_equal(said(0), SESSION_ESTABLISHED);
		assert_true(left(s, now_ns) == cases[i].timeout_ns);
	}
	session_free(table);
}

static void session_tcp_is_established_by_three_segments(void **unused)
{
	(void)unused;
	struct session_table *table = table_small();
	struct session *s = open_plain(table, flow(PROTO_TCP, 1, 1000, 1, 80), START_NS);
	uint64_t now_ns = START_NS + S;
	assert_int_equal(said(SYN), SESSION_NEW);
	assert_int_equal(said(SYN), SESSION_NEW);
	assert_int_equal(said(ACK), SESSION_NEW);     /* nobody has answered */
	assert_int_equal(answered(ACK), SESSION_NEW); /* a challenge ACK is no SYN */
	assert_int_equal(said(ACK), SESSION_NEW);
	assert_int_equal(answered(SYN | ACK), SESSION_NEW);
	assert_int_equal(answered(ACK), SESSION_NEW);
	assert_true(left(s, now_ns) == 4 * MINUTE);
	assert_int_equal(said(ACK), SESSION_ESTABLISHED);
	assert_true(left(s, now_ns) == 124 * MINUTE);
	now_ns += S;
	assert_int_equal(answered(ACK), SESSION_ESTABLISHED);
	assert_true(left(s, now_ns) == 124 * MINUTE);
	session_free(table);
}

static void session_tcp_opened_from_both_sides_is_established(void **unused)
{
	(void)unused;
	struct session_table *table = table_small();
	struct session *s = open_plain(table, flow(PROTO_TCP, 1, 1000, 1, 80), START_NS);
	uint64_t now_ns = START_NS;
	assert_int_equal(said(SYN), SESSION_NEW);
	assert_int_equal(answered(SYN), SESSION_NEW);
	assert_int_equal(said(SYN | ACK), SESSION_ESTABLISHED);
	session_free(table);
}

static void session_tcp_picked_up_in_the_middle_waits_for_both(void **unused)
{
	(void)unused;
	struct session_table *table = table_small();
	struct session *s = open_plain(table, flow(PROTO_TCP, 1, 1000, 1, 80), START_NS);
	uint64_t now_ns = START_NS;
	assert_int_equal(said(ACK), SESSION_NEW);
	assert_int_equal(said(ACK), SESSION_NEW);
	assert_true(left(s, now_ns) == 4 * MINUTE);
	assert_int_equal(answered(ACK), SESSION_ESTABLISHED);
	session_free(table);
}

static struct session *open_established(struct session_table *table, uint16_t port, uint64_t now_ns)
{
	struct session *s = open_plain(table, flow(PROTO_TCP, 1, port, 1, 80), now_ns);
	said(SYN);
	answered(SYN | ACK);
	assert_int_equal(said(ACK), SESSION_ESTABLISHED);
	return s;
}

static void session_tcp_is_transitory_after_fin_from_both_until_it_begins_anew(void **unused)
{
	(void)unused;
	struct session_table *table = table_small();
	struct session *s = open_established(table, 1000, START_NS);
	uint64_t now_ns = START_NS + S;
	assert_int_equal(answered(FIN | ACK), SESSION_ESTABLISHED);
	assert_int_equal(answered(FIN | ACK), SESSION_ESTABLISHED);
	assert_int_equal(said(ACK), SESSION_ESTABLISHED);
	assert_int_equal(said(FIN | ACK), SESSION_TRANSITORY);
	assert_true(left(s, now_ns) == 4 * MINUTE);
	assert_int_equal(answered(ACK), SESSION_TRANSITORY);
	assert_int_equal(answered(SYN), SESSION_TRANSITORY); /* not who opened it */
	assert_int_equal(said(SYN | ACK), SESSION_TRANSITORY);
	assert_int_equal(said(SYN), SESSION_NEW);
	assert_int_equal(said(ACK), SESSION_NEW);
	assert_int_equal(answered(SYN | ACK), SESSION_NEW);
	assert_int_equal(said(ACK), SESSION_ESTABLISHED);
	session_free(table);
}

static void session_tcp_reset_is_transitory_and_restored_by_a_segment(void **unused)
{
	(void)unused;
	struct session_table *table = table_small();
	struct session *s = open_established(table, 1000, START_NS);
	uint64_t now_ns = START_NS + S;
	assert_int_equal(answered(RST), SESSION_TRANSITORY);
	assert_true(left(s, now_ns) == 4 * MINUTE);
	assert_int_equal(answered(RST | ACK), SESSION_TRANSITORY);
	assert_int_equal(said(SYN), SESSION_TRANSITORY); /* may be another connection */
	assert_int_equal(answered(SYN | ACK), SESSION_TRANSITORY);
	assert_int_equal(said(ACK), SESSION_ESTABLISHED);
	assert_true(left(s, now_ns) == 124 * MINUTE);
	assert_int_equal(said(RST), SESSION_TRANSITORY);
	assert_int_equal(answered(ACK), SESSION_ESTABLISHED);
	session_free(table);
}

static void session_tcp_reset_before_the_handshake_is_restored_to_new(void **unused)
{
	(void)unused;
	struct session_table *table = table_small();
	struct session *s = open_plain(table, flow(PROTO_TCP, 1, 1000, 1, 80), START_NS);
	uint64_t now_ns = START_NS;
	said(SYN);
	assert_int_equal(answered(RST | ACK), SESSION_TRANSITORY);
	assert_int_equal(said(ACK), SESSION_NEW);
	answered(SYN | ACK);
	assert_int_equal(said(ACK), SESSION_ESTABLISHED);
	session_free(table);
}

/* -- time --------------------------------------------------------------------------------- */

static void session_expired_is_gone_before_it_is_collected(void **unused)
{
	(void)unused;
	struct session_table *table = table_small();
	struct tuple t = flow(PROTO_UDP, 1, 1000, 1, 53);
	struct session *first = open_plain(table, t, START_NS);
	assert_non_null(find(table, t, START_NS + 5 * MINUTE - 1));
	assert_null(find(table, t, START_NS + 5 * MINUTE));
	assert_null(find(table, tuple_reverse(t), START_NS + 5 * MINUTE));
	assert_true(counts(table).sessions == 1);
	struct session *again = open_plain(table, t, START_NS + 5 * MINUTE);
	assert_ptr_not_equal(again, first); /* a packet of this turn may still point to it */
	assert_true(again->packets[0] == 0 && again->created_ns == START_NS + 5 * MINUTE);
	assert_true(counts(table).sessions == 1);
	session_free(table);
}

static void session_age_collects_when_it_is_due_and_next_tells(void **unused)
{
	(void)unused;
	struct session_table *table = table_small();
	struct session *s = open_plain(table, flow(PROTO_ICMP, 1, 1, 1, 0), START_NS);
	uint64_t now_ns = START_NS + 30 * S;
	open_plain(table, flow(PROTO_ICMP, 1, 2, 1, 0), START_NS);
	said(0);
	assert_true(session_next(table) == START_NS + MINUTE);
	session_age(table, START_NS + MINUTE - 1);
	assert_true(counts(table).sessions == 2);
	session_age(table, START_NS + MINUTE);
	assert_true(counts(table).sessions == 1);
	assert_true(session_next(table) == now_ns + MINUTE);
	session_age(table, now_ns + MINUTE);
	assert_true(counts(table).sessions == 0 && session_next(table) == UINT64_MAX);
	session_free(table);
}

static void session_that_will_end_earlier_brings_the_sweep_forward(void **unused)
{
	(void)unused;
	struct session_table *table = table_small();
	struct session *s = open_established(table, 1000, START_NS);
	uint64_t now_ns = START_NS + 5 * MINUTE;
	session_age(table, now_ns); /* what is known of its handshake has passed */
	assert_true(session_next(table) == START_NS + 124 * MINUTE);
	said(RST);
	assert_true(session_next(table) == now_ns + 4 * MINUTE);
	session_age(table, now_ns + 4 * MINUTE);
	assert_true(counts(table).sessions == 0);
	session_free(table);
}

static void session_large_table_is_swept_within_two_seconds_and_then_left_alone(void **unused)
{
	(void)unused;
	struct session_table *table = table_with((struct session_config){0});
	uint64_t now_ns = START_NS, end_ns = START_NS + 5 * MINUTE;
	for (unsigned i = 0; i < 50000; i++)
		open_plain(table, flow(PROTO_UDP, i, 1000, 1, 53), START_NS);
	struct session *s = open_plain(table, flow(PROTO_UDP, 1, 1, 1, 53), now_ns = START_NS + MINUTE);
	said(0);
	for (now_ns = end_ns; now_ns < end_ns + 2 * S; now_ns += 10 * MS)
		session_age(table, now_ns);
	assert_true(counts(table).sessions == 1);
	assert_true(session_next(table) == START_NS + 6 * MINUTE);
	session_free(table);
}

static void session_advance_makes_all_older_and_rewrites_nothing(void **unused)
{
	(void)unused;
	struct session_table *table = table_small();
	struct tuple t = flow(PROTO_UDP, 1, 1000, 1, 53);
	struct mapped m = open_mapped(table, t, &one_address, START_NS);
	be32 address;
	be16 port;
	session_advance(table, 4 * MINUTE);
	assert_true(session_next(table) == START_NS + MINUTE);
	assert_non_null(find(table, t, START_NS + MINUTE - 1));
	assert_true(session_unmap(table, PROTO_UDP, outside(1), be16_from(1000), &address, &port));
	session_advance(table, MINUTE);
	assert_null(find(table, t, START_NS));
	assert_false(session_unmap(table, PROTO_UDP, outside(1), be16_from(1000), &address, &port));
	m = open_mapped(table, t, &one_address, START_NS + 1);
	assert_true(left(m.session, START_NS + 1 + 5 * MINUTE) == 5 * MINUTE);
	session_advance(table, UINT64_MAX);
	session_advance(table, UINT64_MAX);
	assert_null(find(table, t, START_NS + 2));
	open_plain(table, t, START_NS + 2);
	assert_non_null(find(table, t, START_NS + 2 + 5 * MINUTE - 1));
	assert_null(find(table, t, START_NS + 2 + 5 * MINUTE));
	session_free(table);
}

static void session_set_times_hold_from_the_next_packet_on(void **unused)
{
	(void)unused;
	struct session_table *table = table_small();
	uint64_t now_ns = START_NS;
	struct session *s = open_plain(table, flow(PROTO_UDP, 1, 1000, 1, 53), now_ns);
	struct session_config times = {.udp_ns = 1 * S, .tcp_established_ns = 2 * S,
				       .tcp_transitory_ns = 3 * S, .icmp_ns = 4 * S, .other_ns = 5 * S};
	session_set_times(table, &times);
	assert_true(left(s, now_ns) == 5 * MINUTE);
	said(0);
	assert_true(left(s, now_ns) == 1 * S && session_next(table) == now_ns + 1 * S);
	s = open_plain(table, flow(PROTO_ICMP, 1, 1, 1, 0), now_ns);
	assert_true(left(s, now_ns) == 4 * S);
	s = open_plain(table, flow(GRE, 1, 0, 1, 0), now_ns);
	assert_true(left(s, now_ns) == 5 * S);
	s = open_plain(table, flow(PROTO_TCP, 1, 1, 1, 1), now_ns);
	assert_true(left(s, now_ns) == 3 * S);
	said(ACK);
	answered(ACK);
	assert_true(left(s, now_ns) == 2 * S);
	session_set_times(table, &(struct session_config){0});
	said(ACK);
	assert_true(left(s, now_ns) == 124 * MINUTE);
	session_free(table);
}

/* -- mappings ----------------------------------------------------------------------------- */

static void mapping_keeps_the_port_that_is_free(void **unused)
{
	(void)unused;
	struct session_table *table = table_small();
	struct mapped a = open_mapped(table, flow(PROTO_UDP, 1, 5000, 1, 53), &one_address, START_NS);
	struct mapped b = open_mapped(table, flow(PROTO_UDP, 2, 5000, 1, 53), &one_address, START_NS);
	struct mapped c = open_mapped(table, flow(PROTO_TCP, 2, 5000, 1, 53), &one_address, START_NS);
	assert_int_equal(a.port, 5000);
	assert_int_not_equal(b.port, 5000);
	assert_true(b.port >= 1024);
	assert_int_equal(c.port, 5000); /* another protocol, another space */
	assert_true(be32_equal(a.address, outside(1)) && be32_equal(b.address, outside(1)));
	assert_true(counts(table).mappings == 3);
	session_free(table);
}

static void mapping_is_the_same_for_all_remotes(void **unused)
{
	(void)unused;
	struct session_table *table = table_small();
	open_mapped(table, flow(PROTO_UDP, 1, 5000, 1, 53), &one_address, START_NS);
	struct mapped first = open_mapped(table, flow(PROTO_UDP, 2, 5000, 0, 53), &one_address, START_NS);
	for (uint16_t i = 1; i < 20; i++) {
		struct tuple t = flow(PROTO_UDP, 2, 5000, i, (uint16_t)(53 + i));
		struct mapped m = open_mapped(table, t, &one_address, START_NS);
		assert_int_equal(m.port, first.port);
		assert_int_equal(m.mapping, first.mapping);
	}
	assert_true(counts(table).mappings == 2);
	session_free(table);
}

static void mapping_per_remote_is_another_for_each(void **unused)
{
	(void)unused;
	struct session_table *table = table_small();
	struct session_pool pool = one_address;
	pool.per_remote = true;
	struct mapped a = open_mapped(table, flow(PROTO_UDP, 1, 5000, 1, 53), &pool, START_NS);
	struct mapped b = open_mapped(table, flow(PROTO_UDP, 1, 5000, 1, 54), &pool, START_NS);
	struct mapped c = open_mapped(table, flow(PROTO_UDP, 1, 5000, 2, 53), &pool, START_NS);
	assert_true(a.port == 5000 && b.port != a.port && c.port != a.port && c.port != b.port);
	assert_int_equal(map(table, flow(PROTO_UDP, 1, 5000, 1, 54), &pool, START_NS).port, b.port);
	session_unuse(table, b.mapping);
	assert_true(counts(table).mappings == 3);
	session_free(table);
}

static void mapping_stays_in_the_class_of_its_port(void **unused)
{
	(void)unused;
	static const struct {
		uint16_t port, first, last;
	} classes[] = {{0, 1, 511}, {1, 1, 511}, {511, 1, 511}, {512, 512, 1023}, {1023, 512, 1023},
		       {1024, 1024, 65535}, {65535, 1024, 65535}};
	struct session_table *table = table_with((struct session_config){.capacity = 1024});
	for (unsigned i = 0; i < ARRAY_SIZE(classes); i++) {
		for (unsigned host = 0; host < 60; host++) {
			struct tuple t = flow(PROTO_TCP, host, classes[i].port, 1, 80);
			struct mapped m = open_mapped(table, t, &one_address, START_NS);
			assert_true(m.port >= classes[i].first && m.port <= classes[i].last);
			assert_true(host || !classes[i].port || m.port == classes[i].port);
		}
	}
	session_free(table);
}

static void mapping_takes_no_port_that_is_taken(void **unused)
{
	(void)unused;
	static uint64_t taken[1024];
	struct session_table *table = table_with((struct session_config){.capacity = 1024});
	struct session_pool pool = one_address;
	memset(taken, 0xff, sizeof(taken));
	for (unsigned port = 3000; port < 3100; port++)
		taken[port / 64] &= ~(1ull << port % 64);
	taken[3050 / 64] |= 1ull << 3050 % 64;
	pool.taken = taken;
	for (unsigned host = 0; host < 99; host++) {
		struct mapped m = open_mapped(table, flow(PROTO_TCP, host, 3050, 1, 80), &pool, START_NS);
		assert_true(m.port >= 3000 && m.port < 3100 && m.port != 3050);
	}
	assert_int_equal(map(table, flow(PROTO_TCP, 99, 3050, 1, 80), &pool, START_NS).mapping,
			 SESSION_NO_MAPPING);
	session_free(table);
}

static void mapping_whose_port_was_taken_since_is_for_its_old_sessions_only(void **unused)
{
	(void)unused;
	static uint64_t taken[1024];
	struct session_table *table = table_small();
	struct session_pool pool = one_address;
	struct tuple t = flow(PROTO_TCP, 1, 8080, 1, 80), other = flow(PROTO_TCP, 1, 8080, 2, 80);
	assert_int_equal(open_mapped(table, t, &pool, START_NS).port, 8080);
	taken[8080 / 64] = 1ull << 8080 % 64;
	pool.taken = taken;
	assert_int_not_equal(open_mapped(table, other, &pool, START_NS).port, 8080);
	assert_non_null(find(table, reply_to(t, outside(1), 8080), START_NS));
	session_free(table);
}

static void mapping_of_a_range_uses_all_its_ports_and_no_other(void **unused)
{
	(void)unused;
	struct session_table *table = table_with((struct session_config){.capacity = 1024});
	struct session_pool pool = one_address;
	bool seen[65536] = {false};
	struct tuple t = flow(PROTO_UDP, 0, 53, 1, 53);
	pool.port_first = 4090;
	pool.port_last = 4290; /* over the edges of words and blocks */
	for (unsigned host = 0; host <= 200; host++) {
		struct mapped m = open_mapped(table, flow(PROTO_UDP, host, 53, 1, 53), &pool, START_NS);
		assert_true(m.port >= 4090 && m.port <= 4290 && !seen[m.port]);
		seen[m.port] = true;
	}
	assert_int_equal(map(table, flow(PROTO_UDP, 201, 4100, 1, 53), &pool, START_NS).mapping,
			 SESSION_NO_MAPPING);
	assert_true(counts(table).pool_exhausted == 1);
	uint16_t freed = be16_host(find(table, t, START_NS)->tuple[1].dport);
	session_advance(table, 4 * MINUTE);
	for (unsigned host = 1; host <= 200; host++)
		session_note(table, find(table, flow(PROTO_UDP, host, 53, 1, 53), START_NS),
			     SESSION_ORIGINAL, 0, 1, START_NS);
	session_advance(table, MINUTE);
	for (unsigned i = 0; i < 4; i++)
		session_age(table, START_NS + i * 10 * MS);
	assert_int_equal(map(table, flow(PROTO_UDP, 201, 4100, 1, 53), &pool, START_NS + S).port, freed);
	session_free(table);
}

static void mapping_uses_every_port_of_an_address_and_then_fails(void **unused)
{
	(void)unused;
	struct session_table *table = table_with((struct session_config){.capacity = 65536});
	static bool seen[65536];
	for (unsigned host = 0; host < 64512; host++) {
		struct mapped m = open_mapped(table, flow(PROTO_UDP, host, 40000, 1, 53), &one_address,
					      START_NS);
		assert_true(m.port >= 1024 && !seen[m.port]);
		seen[m.port] = true;
	}
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(map(table, flow(PROTO_UDP, 65000, 40000, i, 53), &one_address, START_NS)
					 .mapping, SESSION_NO_MAPPING);
	assert_true(counts(table).pool_exhausted == 1000);
	open_mapped(table, flow(PROTO_UDP, 65000, 53, 1, 53), &one_address, START_NS);
	session_free(table);
}

static void mapping_ports_cannot_be_foretold(void **unused)
{
	(void)unused;
	struct session_table *tables[2];
	unsigned n_near = 0, n_same = 0, n_high = 0, n = 4000;
	uint16_t before[2] = {0};
	tables[0] = table_with((struct session_config){.capacity = 8192, .secret = "one secret"});
	tables[1] = table_with((struct session_config){.capacity = 8192, .secret = "another one"});
	open_mapped(tables[0], flow(PROTO_UDP, 0, 5000, 1, 53), &one_address, START_NS);
	open_mapped(tables[1], flow(PROTO_UDP, 0, 5000, 1, 53), &one_address, START_NS);
	for (unsigned i = 1; i <= n; i++) {
		uint16_t port[2];
		for (unsigned k = 0; k < 2; k++) {
			struct tuple t = flow(PROTO_UDP, i, 5000, 1, 53);
			port[k] = open_mapped(tables[k], t, &one_address, START_NS).port;
			n_near += abs(port[k] - before[k]) <= 8;
			before[k] = port[k];
		}
		n_same += port[0] == port[1];
		n_high += port[0] >= 33280;
	}
	/* Of 8000 pairs two are that near by chance, and 4000 throws are fair. */
	assert_true(n_near <= 20);
	assert_true(n_same <= 5);
	assert_true(n_high > n * 2 / 5 && n_high < n * 3 / 5);
	session_free(tables[0]);
	session_free(tables[1]);
}

static void mapping_that_ends_and_comes_back_has_another_port(void **unused)
{
	(void)unused;
	struct session_table *table = table_small();
	unsigned n_same = 0;
	uint16_t before = 0;
	open_mapped(table, flow(PROTO_UDP, 1, 5000, 1, 53), &one_address, START_NS);
	for (unsigned i = 0; i < 50; i++) {
		struct mapped m = map(table, flow(PROTO_UDP, 2, 5000, 1, 53), &one_address, START_NS);
		n_same += m.port == before;
		before = m.port;
		session_unuse(table, m.mapping);
		assert_true(counts(table).mappings == 1);
	}
	assert_true(n_same <= 1);
	session_free(table);
}

static void mapping_addresses_of_a_range_are_paired(void **unused)
{
	(void)unused;
	struct session_table *table = table_with((struct session_config){.capacity = 4096});
	struct session_pool pool = {.first = outside(1), .last = outside(4)};
	unsigned n_of[5] = {0};
	for (unsigned host = 0; host < 200; host++) {
		be32 address = open_mapped(table, flow(PROTO_UDP, host, 1, 1, 1), &pool, START_NS).address;
		unsigned number = be32_host(address) - be32_host(outside(0));
		assert_in_range(number, 1, 4);
		n_of[number]++;
		for (uint16_t port = 2; port < 8; port++) {
			struct tuple t = flow(port % 2 ? PROTO_TCP : PROTO_UDP, host, port, port, 1);
			assert_true(be32_equal(open_mapped(table, t, &pool, START_NS).address, address));
		}
	}
	for (unsigned i = 1; i <= 4; i++)
		assert_in_range(n_of[i], 20, 100);
	session_free(table);
}

static void mapping_fails_rather_than_leave_its_address(void **unused)
{
	(void)unused;
	struct session_table *table = table_small();
	struct session_pool pool = {.first = outside(1), .last = outside(200), .port_first = 9, .port_last = 10};
	struct mapped a = open_mapped(table, flow(PROTO_UDP, 1, 1, 1, 1), &pool, START_NS);
	struct mapped b = open_mapped(table, flow(PROTO_UDP, 1, 2, 1, 1), &pool, START_NS);
	assert_true(be32_equal(a.address, b.address) && a.port + b.port == 19);
	assert_int_equal(map(table, flow(PROTO_UDP, 1, 3, 1, 1), &pool, START_NS).mapping, SESSION_NO_MAPPING);
	session_free(table);
}

static void mapping_is_another_in_another_pool(void **unused)
{
	(void)unused;
	struct session_table *table = table_small();
	struct session_pool elsewhere = {.first = outside(9), .last = outside(9)};
	struct session_pool ports = one_address;
	struct mapped a = open_mapped(table, flow(PROTO_UDP, 1, 5000, 1, 53), &one_address, START_NS);
	struct mapped b = open_mapped(table, flow(PROTO_UDP, 1, 5000, 2, 53), &elsewhere, START_NS);
	ports.port_first = 7000;
	ports.port_last = 7010;
	struct mapped c = open_mapped(table, flow(PROTO_UDP, 1, 5000, 3, 53), &ports, START_NS);
	assert_true(a.port == 5000 && b.port == 5000 && c.port >= 7000 && c.port <= 7010);
	assert_true(be32_equal(b.address, outside(9)));
	assert_int_equal(map(table, flow(PROTO_UDP, 1, 5000, 4, 53), &elsewhere, START_NS).mapping, b.mapping);
	session_unuse(table, b.mapping);
	assert_int_equal(map(table, flow(PROTO_UDP, 1, 5000, 4, 53), &one_address, START_NS).mapping, a.mapping);
	session_unuse(table, a.mapping);
	session_free(table);
}

static void mapping_of_an_icmp_identifier_is_any(void **unused)
{
	(void)unused;
	struct session_table *table = table_small();
	unsigned n_high = 0;
	for (unsigned host = 0; host < 40; host++) {
		struct mapped m = open_mapped(table, flow(PROTO_ICMP, host, 0, 1, 0), &one_address, START_NS);
		assert_true(host || m.port == 0);
		n_high += m.port >= 1024;
	}
	assert_true(n_high >= 35); /* there are no classes: one in 64 is low by chance */
	session_free(table);
}

static void mapping_without_ports_is_one_host_for_a_remote(void **unused)
{
	(void)unused;
	struct session_table *table = table_small();
	be32 address;
	be16 port;
	struct mapped a = open_mapped(table, flow(GRE, 1, 0, 1, 0), &one_address, START_NS);
	struct mapped b = open_mapped(table, flow(GRE, 2, 0, 2, 0), &one_address, START_NS);
	struct mapped c = open_mapped(table, flow(GRE, 1, 0, 3, 0), &one_address, START_NS);
	open_mapped(table, flow(50, 2, 0, 1, 0), &one_address, START_NS);
	assert_true(!a.port && !b.port && !c.port);
	assert_int_equal(map(table, flow(GRE, 2, 0, 1, 0), &one_address, START_NS).mapping, SESSION_NO_MAPPING);
	assert_true(counts(table).pool_exhausted == 1);
	assert_true(session_knows_remote(table, GRE, outside(1), be16_from(0), remote(1)));
	assert_false(session_knows_remote(table, GRE, outside(1), be16_from(0), remote(4)));
	assert_false(session_unmap(table, GRE, outside(1), be16_from(0), &address, &port));
	session_free(table);
}

static void mapping_lives_as_long_as_one_of_its_sessions(void **unused)
{
	(void)unused;
	struct session_table *table = table_small();
	be32 address = {0};
	be16 port = {0};
	struct mapped a = open_mapped(table, flow(PROTO_UDP, 1, 5000, 1, 53), &one_address, START_NS);
	open_mapped(table, flow(PROTO_UDP, 1, 5000, 2, 53), &one_address, START_NS);
	session_note(table, a.session, SESSION_REPLY, 0, 1, START_NS + MINUTE);
	session_age(table, START_NS + 5 * MINUTE);
	assert_true(counts(table).sessions == 1 && counts(table).mappings == 1);
	assert_true(session_unmap(table, PROTO_UDP, outside(1), be16_from(5000), &address, &port));
	assert_true(be32_equal(address, inside(1)) && be16_host(port) == 5000);
	assert_false(session_unmap(table, PROTO_TCP, outside(1), be16_from(5000), &address, &port));
	assert_false(session_unmap(table, PROTO_UDP, outside(1), be16_from(5001), &address, &port));
	assert_false(session_unmap(table, PROTO_UDP, outside(2), be16_from(5000), &address, &port));
	find(table, flow(PROTO_UDP, 1, 5000, 1, 53), START_NS + 6 * MINUTE);
	assert_true(counts(table).mappings == 1); /* not collected, and yet nobody's */
	assert_false(session_unmap(table, PROTO_UDP, outside(1), be16_from(5000), &address, &port));
	assert_true(counts(table).mappings == 0);
	session_free(table);
}

static void mapping_of_dead_sessions_is_not_used_again(void **unused)
{
	(void)unused;
	struct session_table *table = table_small();
	uint64_t now_ns = START_NS + 5 * MINUTE;
	open_mapped(table, flow(PROTO_UDP, 1, 5000, 1, 53), &one_address, now_ns - 1);
	struct mapped a = open_mapped(table, flow(PROTO_UDP, 2, 5000, 1, 53), &one_address, START_NS + 9);
	open_mapped(table, flow(PROTO_UDP, 2, 5000, 2, 53), &one_address, START_NS + 9);
	struct mapped b = open_mapped(table, flow(PROTO_UDP, 2, 5000, 3, 53), &one_address, now_ns + 9);
	assert_true(b.port != a.port); /* or by chance, once in 64,511 */
	assert_true(counts(table).mappings == 2 && counts(table).sessions == 2);
	session_free(table);
}

static void mapping_is_held_until_its_session_opens(void **unused)
{
	(void)unused;
	struct session_table *table = table_with((struct session_config){.capacity = 1});
	struct tuple first = flow(PROTO_UDP, 1, 5000, 1, 53), second = flow(PROTO_UDP, 1, 5000, 2, 53);
	be32 address;
	be16 port;
	/* Its only session is evicted to make room for the other. */
	struct mapped a = open_mapped(table, first, &one_address, START_NS);
	struct mapped b = open_mapped(table, second, &one_address, START_NS);
	assert_int_equal(a.mapping, b.mapping);
	assert_true(session_unmap(table, PROTO_UDP, outside(1), be16_from(5000), &address, &port));
	/* Control ends it in between. */
	a = map(table, first, &one_address, START_NS);
	assert_int_equal(session_flush(table, is_everything, NULL), 1);
	struct tuple reply = reply_to(first, a.address, a.port);
	assert_int_equal(session_open(table, &first, &reply, a.mapping, 0, START_NS, &a.session), SESSION_OK);
	assert_true(session_unmap(table, PROTO_UDP, outside(1), be16_from(5000), &address, &port));
	assert_true(counts(table).mappings == 1 && counts(table).sessions == 1);
	/* It expires, and the caller thinks better of it. */
	a = map(table, second, &one_address, START_NS + MINUTE);
	for (unsigned i = 0; i < 2; i++)
		session_age(table, START_NS + 5 * MINUTE + i * S);
	assert_true(counts(table).mappings == 1 && counts(table).sessions == 0);
	session_unuse(table, a.mapping);
	session_unuse(table, SESSION_NO_MAPPING);
	assert_true(counts(table).mappings == 0);
	session_free(table);
}

static void session_knows_remotes_by_address_alone(void **unused)
{
	(void)unused;
	struct session_table *table = table_small();
	uint64_t now_ns = START_NS;
	open_mapped(table, flow(PROTO_UDP, 1, 5000, 1, 53), &one_address, now_ns);
	struct session *s = open_mapped(table, flow(PROTO_UDP, 1, 5000, 1, 54), &one_address, now_ns).session;
	assert_true(session_knows_remote(table, PROTO_UDP, outside(1), be16_from(5000), remote(1)));
	assert_false(session_knows_remote(table, PROTO_UDP, outside(1), be16_from(5000), remote(2)));
	assert_false(session_knows_remote(table, PROTO_UDP, outside(1), be16_from(5001), remote(1)));
	assert_false(session_knows_remote(table, PROTO_TCP, outside(1), be16_from(5000), remote(1)));
	now_ns += MINUTE;
	said(0);
	find(table, s->tuple[0], START_NS + 5 * MINUTE);
	assert_true(session_knows_remote(table, PROTO_UDP, outside(1), be16_from(5000), remote(1)));
	find(table, s->tuple[0], START_NS + 6 * MINUTE);
	assert_false(session_knows_remote(table, PROTO_UDP, outside(1), be16_from(5000), remote(1)));
	assert_true(counts(table).sessions == 0 && counts(table).mappings == 0);
	session_free(table);
}

/* -- bounds ------------------------------------------------------------------------------- */

static void session_full_table_evicts_the_oldest_unconfirmed_only(void **unused)
{
	(void)unused;
	struct session_table *table = table_with((struct session_config){.capacity = 4});
	uint64_t now_ns = START_NS;
	open_established(table, 1, now_ns);
	struct session *s = open_plain(table, flow(PROTO_UDP, 1, 2, 1, 1), now_ns);
	answered(0);
	s = open_plain(table, flow(PROTO_TCP, 1, 3, 1, 1), now_ns);
	said(SYN);
	answered(RST | ACK); /* transitory now, but confirmed never */
	open_plain(table, flow(PROTO_UDP, 1, 4, 1, 1), now_ns);
	open_plain(table, flow(PROTO_UDP, 1, 5, 1, 1), now_ns);
	assert_null(find(table, flow(PROTO_TCP, 1, 3, 1, 1), now_ns));
	s = open_plain(table, flow(PROTO_UDP, 1, 6, 1, 1), now_ns);
	assert_null(find(table, flow(PROTO_UDP, 1, 4, 1, 1), now_ns));
	answered(0);
	s = find(table, flow(PROTO_UDP, 1, 5, 1, 1), now_ns);
	answered(0);
	assert_int_equal(refused(table, flow(PROTO_UDP, 1, 7, 1, 1), now_ns), SESSION_TABLE_FULL);
	assert_non_null(find(table, flow(PROTO_TCP, 1, 1, 1, 80), now_ns));
	assert_non_null(find(table, flow(PROTO_UDP, 1, 2, 1, 1), now_ns));
	struct session_counts c = counts(table);
	assert_true(c.sessions == 4 && c.opened == 6 && c.evicted == 2 && c.refused_table == 1);
	session_free(table);
}

static void session_that_begins_anew_may_be_evicted_again(void **unused)
{
	(void)unused;
	struct session_table *table = table_with((struct session_config){.capacity = 1});
	uint64_t now_ns = START_NS;
	struct session *s = open_established(table, 1, now_ns);
	said(FIN);
	answered(FIN);
	assert_int_equal(refused(table, flow(PROTO_UDP, 1, 7, 1, 1), now_ns), SESSION_TABLE_FULL);
	said(SYN);
	assert_int_equal(refused(table, flow(PROTO_UDP, 1, 7, 1, 1), now_ns), SESSION_OK);
	session_free(table);
}

static void session_flood_leaves_the_established_alone(void **unused)
{
	(void)unused;
	struct session_table *table = table_with((struct session_config){.capacity = 256});
	for (uint16_t port = 0; port < 100; port++)
		open_established(table, port, START_NS);
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t now_ns = START_NS + i * MS;
		struct session *s = open_plain(table, flow(PROTO_TCP, 2 + i, 1, 1, 80), now_ns);
		assert_int_equal(said(SYN), SESSION_NEW);
		if (i % 64 == 0)
			session_age(table, now_ns);
	}
	for (uint16_t port = 0; port < 100; port++)
		assert_non_null(find(table, flow(PROTO_TCP, 1, port, 1, 80), START_NS + 20 * S));
	assert_true(counts(table).sessions == 256 && counts(table).evicted == 20000 - 156);
	session_free(table);
}

static void session_evicted_in_a_turn_is_not_overwritten_in_it(void **unused)
{
	(void)unused;
	struct session_table *table = table_with((struct session_config){.capacity = 1});
	struct tuple first = flow(PROTO_UDP, 1, 1, 1, 1);
	struct session *s = open_plain(table, first, START_NS);
	uint32_t n = 0;
	while (refused(table, flow(PROTO_UDP, 2, (uint16_t)n, 1, 1), START_NS) == SESSION_OK)
		n++;
	assert_true(n >= 4000); /* a whole turn of evictions, and then it waits for the next */
	assert_true(tuple_equal(&s->tuple[0], &first));
	session_note(table, s, SESSION_REPLY, 0, 100, START_NS);
	assert_true(s->packets[1] == 0 && s->state == SESSION_NEW);
	session_age(table, START_NS);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(refused(table, flow(PROTO_UDP, 3, (uint16_t)i, 1, 1), START_NS), SESSION_OK);
	assert_true(counts(table).sessions == 1);
	session_free(table);
}

static void session_host_limit_is_exact(void **unused)
{
	(void)unused;
	struct session_table *table = table_with((struct session_config){.capacity = 64, .host_max = 3});
	for (uint16_t i = 0; i < 3; i++) {
		open_plain(table, flow(PROTO_UDP, 1, 1, 1, i), START_NS + i);
		open_plain(table, flow(PROTO_UDP, 2, 1, 1, i), START_NS + i);
	}
	assert_int_equal(refused(table, flow(PROTO_TCP, 1, 1, 2, 9), START_NS + 3), SESSION_HOST_FULL);
	assert_int_equal(refused(table, flow(PROTO_TCP, 2, 1, 2, 9), START_NS + 3), SESSION_HOST_FULL);
	assert_int_equal(refused(table, flow(PROTO_TCP, 3, 1, 2, 9), START_NS + 3), SESSION_OK);
	assert_true(counts(table).refused_host == 2);
	session_age(table, START_NS + 5 * MINUTE); /* the first of each has expired */
	open_plain(table, flow(PROTO_UDP, 1, 1, 1, 9), START_NS + 5 * MINUTE);
	assert_int_equal(refused(table, flow(PROTO_UDP, 1, 1, 1, 8), START_NS + 5 * MINUTE), SESSION_HOST_FULL);
	session_set_times(table, &(struct session_config){.host_max = 4});
	assert_int_equal(refused(table, flow(PROTO_UDP, 1, 1, 1, 8), START_NS + 5 * MINUTE), SESSION_OK);
	assert_int_equal(refused(table, flow(PROTO_UDP, 1, 1, 1, 7), START_NS + 5 * MINUTE), SESSION_HOST_FULL);
	session_set_times(table, &(struct session_config){0});
	assert_int_equal(refused(table, flow(PROTO_UDP, 1, 1, 1, 7), START_NS + 5 * MINUTE), SESSION_OK);
	session_free(table);
}

static void session_with_a_tuple_of_another_clashes(void **unused)
{
	(void)unused;
	struct session_table *table = table_small();
	struct tuple a = flow(PROTO_UDP, 1, 1, 1, 1), b = flow(PROTO_UDP, 2, 1, 1, 1);
	struct tuple reply = tuple_reverse(a);
	struct session *s;
	open_plain(table, a, START_NS);
	assert_int_equal(refused(table, a, START_NS), SESSION_CLASH);
	assert_int_equal(refused(table, reply, START_NS), SESSION_CLASH);
	assert_int_equal(session_open(table, &b, &reply, SESSION_NO_MAPPING, 0, START_NS, &s), SESSION_CLASH);
	assert_true(counts(table).sessions == 1);
	assert_int_equal(session_open(table, &b, &reply, SESSION_NO_MAPPING, 0, START_NS + 5 * MINUTE, &s),
			 SESSION_OK);
	assert_true(counts(table).sessions == 1);
	session_free(table);
}

/* Bytes of this process in memory. */
static size_t resident(void)
{
	size_t size, pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%zu %zu", &size, &pages), 2);
	fclose(f);
	return pages * 4096;
}

static void session_a_hundred_thousand_come_and_go_in_the_same_memory(void **unused)
{
	(void)unused;
	const unsigned n = 100000;
	uint64_t now_ns = START_NS;
	struct mallinfo2 before, after;
	size_t untouched, used = 0;
	mallopt(M_MMAP_THRESHOLD, 128 * 1024); /* its first value: what is freed changes it */
	untouched = resident();
	struct session_table *table = table_with((struct session_config){.secret = "memory"});
	assert_true(resident() - untouched < 16 << 20); /* of more than 80; ASan's shadow takes some */
	before = mallinfo2();
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < n; i++) {
			struct tuple t = flow(PROTO_UDP, i % 5000, (uint16_t)(1024 + i % 50000), i / 30000, 53);
			struct session *s = open_mapped(table, t, &one_address, now_ns).session;
			if (i % 2)
				answered(0);
		}
		assert_true(counts(table).sessions == n && counts(table).evicted == 0);
		used = round == 0 ? resident() : used;
		now_ns += 5 * MINUTE;
		for (unsigned i = 0; i < 200; i++)
			session_age(table, now_ns += 10 * MS);
		assert_true(counts(table).sessions == 0 && counts(table).mappings == 0);
		assert_true(session_next(table) == UINT64_MAX);
	}
	after = mallinfo2();
	assert_true(after.uordblks == before.uordblks && after.hblkhd == before.hblkhd);
	assert_true(resident() < used + (8 << 20));
	session_free(table);
}

static void session_scan_from_one_port_ends_as_fast_as_it_came(void **unused)
{
	(void)unused;
	struct session_table *table = table_with((struct session_config){.capacity = 65536});
	for (unsigned port = 0; port < 60000; port++) /* all in one mapping, and to one remote */
		open_mapped(table, flow(PROTO_TCP, 1, 5000, 1, (uint16_t)port), &one_address, START_NS);
	assert_true(counts(table).mappings == 1);
	find(table, flow(PROTO_TCP, 1, 5000, 1, 1), START_NS + 4 * MINUTE);
	assert_false(session_knows_remote(table, PROTO_TCP, outside(1), be16_from(5000), remote(1)));
	assert_true(counts(table).sessions == 0 && counts(table).mappings == 0);
	session_free(table);
}

/* -- control ------------------------------------------------------------------------------ */

struct seen {
	unsigned n, max;
	struct session_info info;
};

static bool look(const struct session_info *info, void *arg)
{
	struct seen *seen = arg;
	seen->info = *info;
	return ++seen->n < seen->max;
}

static void session_walk_tells_ages_and_stops_when_told(void **unused)
{
	(void)unused;
	struct session_table *table = table_small();
	struct seen seen = {.max = 99};
	struct mapped m = open_mapped(table, flow(PROTO_UDP, 1, 5000, 1, 53), &one_address, START_NS);
	session_note(table, m.session, SESSION_REPLY, 0, 77, START_NS + 2 * S);
	session_advance(table, MINUTE);
	session_walk(table, START_NS + 3 * S, look, &seen);
	assert_int_equal(seen.n, 1);
	assert_true(seen.info.age_ns == MINUTE + 3 * S && seen.info.left_ns == 4 * MINUTE - S);
	assert_memory_equal(&seen.info.session, m.session, sizeof(*m.session));
	open_plain(table, flow(PROTO_ICMP, 1, 1, 1, 0), START_NS + 3 * S);
	open_plain(table, flow(PROTO_UDP, 1, 1, 1, 0), START_NS + 3 * S);
	seen = (struct seen){.max = 2};
	session_walk(table, START_NS, look, &seen);
	assert_int_equal(seen.n, 2);
	seen = (struct seen){.max = 99};
	session_walk(table, START_NS + 2 * MINUTE, look, &seen);
	assert_int_equal(seen.n, 2); /* ICMP has expired */
	session_free(table);
}

static bool is_udp(const struct session *s, void *arg)
{
	++*(unsigned *)arg;
	return s->tuple[0].protocol == PROTO_UDP;
}

static void session_flush_ends_what_matches_at_once(void **unused)
{
	(void)unused;
	struct session_table *table = table_with((struct session_config){.capacity = 3, .host_max = 3});
	struct tuple udp = flow(PROTO_UDP, 1, 5000, 1, 53), other = flow(PROTO_UDP, 1, 5000, 2, 53);
	struct tuple tcp = flow(PROTO_TCP, 1, 5000, 1, 53);
	unsigned n_asked = 0;
	be32 address;
	be16 port;
	struct mapped m = open_mapped(table, udp, &one_address, START_NS);
	open_mapped(table, other, &one_address, START_NS);
	session_note(table, m.session, SESSION_REPLY, 0, 1, START_NS);
	open_mapped(table, tcp, &one_address, START_NS);
	assert_int_equal(session_flush(table, is_udp, &n_asked), 2);
	assert_int_equal(n_asked, 3);
	assert_int_equal(session_flush(table, is_udp, &n_asked), 0);
	assert_int_equal(n_asked, 4);
	assert_null(find(table, udp, START_NS));
	assert_null(find(table, reply_to(udp, outside(1), 5000), START_NS));
	assert_non_null(find(table, tcp, START_NS));
	assert_true(counts(table).sessions == 1 && session_next(table) == 0);
	session_note(table, m.session, SESSION_ORIGINAL, 0, 1, START_NS);
	assert_true(m.session->packets[0] == 0);
	assert_false(session_unmap(table, PROTO_UDP, outside(1), be16_from(5000), &address, &port));
	assert_true(counts(table).mappings == 1);
	assert_int_equal(session_flush(table, is_everything, NULL), 1);
	for (uint16_t i = 0; i < 3; i++) /* neither the table nor the host is full of the dead */
		assert_int_equal(refused(table, flow(PROTO_UDP, 1, i, 1, 53), START_NS), SESSION_OK);
	assert_true(counts(table).evicted == 0 && counts(table).mappings == 0);
	session_free(table);
}

/* -- the twin ----------------------------------------------------------------------------- */

#define TWIN_CAPACITY 11
#define TWIN_HOST_MAX 5
#define TWIN_MAPPINGS (TWIN_CAPACITY + 1)

struct twin_mapping {
	bool live;
	uint8_t protocol;
	be32 inside, remote, address; /* remote: zero where it is for all */
	uint16_t inside_port, remote_port, port, first; /* first: of the pool's ports */
	uint32_t number;
	uint64_t made; /* the how manieth */
};

struct twin_session {
	bool live, syn, answered_syn, middle, closed[2], confirmed;
	struct tuple tuple[2];
	int mapping; /* -1: none */
	enum session_state state;
	uint64_t expires_ns, created_ns, packets[2], bytes[2];
	uint64_t queued; /* the how manieth that may be evicted */
};

struct twin {
	struct twin_session sessions[TWIN_CAPACITY];
	struct twin_mapping mappings[TWIN_MAPPINGS];
	struct session_config times;
	struct session_counts counts;
	be32 paired[8]; /* by inside host */
	uint64_t now_ns, offset_ns, n_queued, n_made;
};

static uint64_t twin_taken[1024];
/* One address; the same without some ports; a range of both; for one remote each. */
static struct session_pool twin_pools[4];

static void twin_pools_init(void)
{
	twin_taken[1234 / 64] |= 1ull << 1234 % 64;
	twin_taken[80 / 64] |= 1ull << 80 % 64;
	twin_pools[0] = (struct session_pool){.first = outside(1), .last = outside(1)};
	twin_pools[1] = twin_pools[0];
	twin_pools[1].taken = twin_taken;
	twin_pools[2] = (struct session_pool){outside(10), outside(12), 5000, 5001, false, NULL};
	twin_pools[3] = (struct session_pool){outside(20), outside(20), 6000, 6002, true, NULL};
}

static uint64_t twin_clock(const struct twin *t) { return t->now_ns + t->offset_ns; }

static uint64_t twin_timeout(const struct twin *t, const struct twin_session *s)
{
	if (s->tuple[0].protocol == PROTO_TCP)
		return s->state == SESSION_ESTABLISHED ? t->times.tcp_established_ns
						       : t->times.tcp_transitory_ns;
	if (s->tuple[0].protocol == PROTO_UDP)
		return t->times.udp_ns;
	return s->tuple[0].protocol == PROTO_ICMP ? t->times.icmp_ns : t->times.other_ns;
}

static int twin_find(const struct twin *t, const struct tuple *tuple, unsigned *direction)
{
	for (int i = 0; i < TWIN_CAPACITY; i++)
		for (*direction = 0; *direction < 2; ++*direction)
			if (t->sessions[i].live && tuple_equal(&t->sessions[i].tuple[*direction], tuple))
				return i;
	return -1;
}

static void twin_end_unused(struct twin *t, int held)
{
	for (int m = 0; m < TWIN_MAPPINGS; m++) {
		bool used = m == held;
		for (int i = 0; i < TWIN_CAPACITY; i++)
			used |= t->sessions[i].live && t->sessions[i].mapping == m;
		t->mappings[m].live &= used;
	}
}

static bool twin_port_is_used(const struct twin *t, uint8_t protocol, be32 address, uint16_t port)
{
	for (int m = 0; m < TWIN_MAPPINGS; m++) {
		const struct twin_mapping *tm = &t->mappings[m];
		if (tm->live && tm->protocol == protocol && be32_equal(tm->address, address) &&
		    tm->port == port)
			return true;
	}
	return false;
}

static bool twin_may_use(const struct session_pool *pool, const struct tuple *tuple, uint16_t port)
{
	uint16_t from = be16_host(tuple->sport);
	if (pool->taken && pool->taken[port / 64] >> port % 64 & 1)
		return false;
	if (pool->port_first)
		return port >= pool->port_first && port <= pool->port_last;
	if (tuple->protocol == PROTO_ICMP)
		return true;
	return port && (port < 512) == (from < 512) && (port < 1024) == (from < 1024);
}

static bool twin_has_ports(uint8_t protocol) { return protocol != GRE; }

/* The mapping that tuple has to get, the newest that fits, or -1: a new one, if any. */
static int twin_map(const struct twin *t, const struct tuple *tuple, const struct session_pool *pool)
{
	int found = -1;
	for (int m = 0; m < TWIN_MAPPINGS; m++) {
		const struct twin_mapping *tm = &t->mappings[m];
		bool all = twin_has_ports(tuple->protocol) && !pool->per_remote;
		if (tm->live && tm->protocol == tuple->protocol && be32_equal(tm->inside, tuple->src) &&
		    tm->inside_port == be16_host(tuple->sport) &&
		    be32_host(tm->address) >= be32_host(pool->first) &&
		    be32_host(tm->address) <= be32_host(pool->last) &&
		    (!twin_has_ports(tuple->protocol) || twin_may_use(pool, tuple, tm->port)) &&
		    tm->first == pool->port_first &&
		    (found < 0 || tm->made > t->mappings[found].made) &&
		    be32_equal(tm->remote, all ? be32_from(0) : tuple->dst) &&
		    tm->remote_port == (all ? 0 : be16_host(tuple->dport)))
			found = m;
	}
	return found;
}

/* Whether tuple can get an outside endpoint with that address. */
static bool twin_has_room(const struct twin *t, const struct tuple *tuple,
			  const struct session_pool *pool, be32 address)
{
	if (!twin_has_ports(tuple->protocol)) {
		for (int m = 0; m < TWIN_MAPPINGS; m++)
			if (t->mappings[m].live && t->mappings[m].protocol == tuple->protocol &&
			    be32_equal(t->mappings[m].address, address) &&
			    be32_equal(t->mappings[m].remote, tuple->dst))
				return false;
		return true;
	}
	for (unsigned port = 0; port < 65536; port++)
		if (twin_may_use(pool, tuple, (uint16_t)port) &&
		    !twin_port_is_used(t, tuple->protocol, address, (uint16_t)port))
			return true;
	return false;
}

/* Whether m is a right answer for tuple, which had no mapping, and notes it. */
static int twin_accept(struct twin *t, const struct tuple *tuple, const struct session_pool *pool,
		       const struct mapped *m)
{
	be32 *paired = &t->paired[be32_host(tuple->src) % 8];
	bool one = be32_equal(pool->first, pool->last);
	uint16_t port = be16_host(tuple->sport);
	int free = 0;

	if (m->mapping == SESSION_NO_MAPPING) {
		bool room = true;
		for (uint32_t a = be32_host(pool->first); a <= be32_host(pool->last); a++)
			if (one || be32_is_zero(*paired) || be32_host(*paired) == a)
				room &= twin_has_room(t, tuple, pool, be32_from(a));
		assert_false(room);
		t->counts.pool_exhausted++;
		return -1;
	}
	if (!one && be32_is_zero(*paired))
		*paired = m->address;
	assert_true(be32_equal(m->address, one ? pool->first : *paired));
	assert_true(twin_has_room(t, tuple, pool, m->address));
	if (twin_has_ports(tuple->protocol)) {
		assert_true(twin_may_use(pool, tuple, m->port));
		assert_false(twin_port_is_used(t, tuple->protocol, m->address, m->port));
		if (twin_may_use(pool, tuple, port) &&
		    !twin_port_is_used(t, tuple->protocol, m->address, port))
			assert_int_equal(m->port, port);
	}
	bool all = twin_has_ports(tuple->protocol) && !pool->per_remote;
	while (t->mappings[free].live)
		free++;
	t->mappings[free] = (struct twin_mapping){
		.live = true,
		.protocol = tuple->protocol,
		.inside = tuple->src,
		.inside_port = port,
		.remote = all ? be32_from(0) : tuple->dst,
		.remote_port = all ? 0 : be16_host(tuple->dport),
		.address = m->address,
		.port = m->port,
		.first = pool->port_first,
		.number = m->mapping,
		.made = ++t->n_made,
	};
	return free;
}

static int twin_oldest(const struct twin *t)
{
	int oldest = -1;
	for (int i = 0; i < TWIN_CAPACITY; i++)
		if (t->sessions[i].live && !t->sessions[i].confirmed &&
		    (oldest < 0 || t->sessions[i].queued < t->sessions[oldest].queued))
			oldest = i;
	return oldest;
}

static enum session_refusal twin_open(struct twin *t, const struct tuple *original,
				      const struct tuple *reply, int mapping)
{
	unsigned direction, n_of_host = 0;
	int i = 0;
	if (twin_find(t, original, &direction) >= 0 || twin_find(t, reply, &direction) >= 0)
		return SESSION_CLASH;
	for (int k = 0; k < TWIN_CAPACITY; k++)
		n_of_host += t->sessions[k].live && be32_equal(t->sessions[k].tuple[0].src, original->src);
	if (t->times.host_max && n_of_host >= t->times.host_max) {
		t->counts.refused_host++;
		return SESSION_HOST_FULL;
	}
	while (i < TWIN_CAPACITY && t->sessions[i].live)
		i++;
	if (i == TWIN_CAPACITY) {
		i = twin_oldest(t);
		if (i < 0) {
			t->counts.refused_table++;
			return SESSION_TABLE_FULL;
		}
		t->counts.evicted++;
	}
	struct twin_session *s = &t->sessions[i];
	*s = (struct twin_session){.live = true, .tuple = {*original, *reply}, .mapping = mapping};
	s->created_ns = twin_clock(t);
	s->expires_ns = s->created_ns + twin_timeout(t, s);
	s->queued = ++t->n_queued;
	t->counts.opened++;
	return SESSION_OK;
}

static void twin_follow_tcp(struct twin *t, struct twin_session *s, unsigned direction, uint8_t flags)
{
	bool reset = s->state == SESSION_TRANSITORY;
	if (flags & RST) {
		s->state = SESSION_TRANSITORY;
		return;
	}
	if (s->closed[0] && s->closed[1]) {
		if (direction || !(flags & SYN) || (flags & ACK))
			return;
		if (s->confirmed) /* to the end of the line */
			s->queued = ++t->n_queued;
		s->closed[0] = s->closed[1] = s->middle = s->answered_syn = s->confirmed = reset = false;
		s->syn = false;
	}
	if (!direction && !s->syn && !s->middle) {
		s->syn = (flags & SYN) && !(flags & ACK);
		s->middle = !s->syn;
	}
	if (direction && (flags & SYN))
		s->answered_syn = true;
	if (flags & FIN)
		s->closed[direction] = true;
	if (s->closed[0] && s->closed[1]) {
		s->state = SESSION_TRANSITORY;
		return;
	}
	if (s->middle ? direction : (s->syn && s->answered_syn && !direction && (flags & ACK)))
		s->confirmed = true;
	if (reset && (flags & SYN))
		return;
	s->state = s->confirmed ? SESSION_ESTABLISHED : SESSION_NEW;
}

/* -- the twin and the table, side by side ------------------------------------------------- */

struct pair {
	struct twin twin;
	struct session_table *table;
	unsigned n_seen;
};

static bool compare_session(const struct session_info *info, void *arg)
{
	struct pair *pair = arg;
	const struct twin *t = &pair->twin;
	const struct session *s = &info->session;
	unsigned direction;
	int i = twin_find(t, &s->tuple[0], &direction);
	assert_true(i >= 0 && direction == 0);
	const struct twin_session *ts = &t->sessions[i];
	assert_true(tuple_equal(&s->tuple[1], &ts->tuple[1]));
	assert_int_equal(s->state, ts->state);
	assert_true(info->left_ns == ts->expires_ns - twin_clock(t));
	assert_true(info->age_ns == twin_clock(t) - ts->created_ns);
	assert_true(s->packets[0] == ts->packets[0] && s->packets[1] == ts->packets[1]);
	assert_true(s->bytes[0] == ts->bytes[0] && s->bytes[1] == ts->bytes[1]);
	assert_int_equal(s->mapping,
			 ts->mapping < 0 ? SESSION_NO_MAPPING : t->mappings[ts->mapping].number);
	pair->n_seen++;
	return true;
}

static void compare(struct pair *pair)
{
	struct twin *t = &pair->twin;
	struct session_counts c = counts(pair->table);
	uint64_t due_ns = UINT64_MAX;
	t->counts.sessions = t->counts.mappings = 0;
	for (int i = 0; i < TWIN_CAPACITY; i++) {
		t->counts.sessions += t->sessions[i].live;
		if (t->sessions[i].live)
			due_ns = min_u64(due_ns, t->sessions[i].expires_ns - t->offset_ns);
	}
	for (int m = 0; m < TWIN_MAPPINGS; m++)
		t->counts.mappings += t->mappings[m].live;
	pair->n_seen = 0;
	session_walk(pair->table, t->now_ns, compare_session, pair);
	assert_int_equal(pair->n_seen, t->counts.sessions);
	assert_memory_equal(&c, &t->counts, sizeof(c));
	/* It may be early, for one that was noted since, but not later than the next step. */
	assert_true(session_next(pair->table) <= max_u64(due_ns, t->now_ns + 5 * MS));
}

static struct tuple random_tuple(void)
{
	static const uint8_t protocols[] = {PROTO_TCP, PROTO_TCP, PROTO_UDP, PROTO_ICMP, GRE};
	static const uint16_t ports[] = {1234, 1235, 80, 700, 5000};
	uint8_t protocol = protocols[rand() % ARRAY_SIZE(protocols)];
	uint16_t port = protocol == GRE ? 0 : ports[rand() % ARRAY_SIZE(ports)];
	uint16_t to = protocol == GRE || protocol == PROTO_ICMP ? 0 : (uint16_t)(53 + rand() % 2);
	return flow(protocol, 1 + (unsigned)rand() % 3, port, 1 + (unsigned)rand() % 3, to);
}

static void step_open(struct pair *pair)
{
	struct twin *t = &pair->twin;
	const struct session_pool *pool = &twin_pools[rand() % 4];
	struct tuple tuple = random_tuple(), reply = tuple_reverse(tuple);
	struct mapped m = {.mapping = SESSION_NO_MAPPING};
	int mapping = -1;

	if (rand() % 4) {
		m = map(pair->table, tuple, pool, t->now_ns);
		mapping = twin_map(t, &tuple, pool);
		if (mapping < 0)
			mapping = twin_accept(t, &tuple, pool, &m);
		if (mapping < 0)
			return;
		assert_int_equal(m.mapping, t->mappings[mapping].number);
		assert_int_equal(m.port, t->mappings[mapping].port);
		assert_true(be32_equal(m.address, t->mappings[mapping].address));
		reply = reply_to(tuple, m.address, m.port);
	}
	enum session_refusal expected = SESSION_CLASH, why = SESSION_CLASH;
	if (rand() % 8) {
		expected = twin_open(t, &tuple, &reply, mapping);
		why = session_open(pair->table, &tuple, &reply, m.mapping, 1, t->now_ns, &m.session);
	}
	assert_int_equal(why, expected);
	if (why != SESSION_OK)
		session_unuse(pair->table, m.mapping);
	twin_end_unused(t, -1);
}

static void step_note(struct pair *pair)
{
	static const uint8_t flags[] = {SYN, SYN | ACK, ACK, ACK, FIN | ACK, RST, RST | ACK, 0, SYN | FIN};
	struct twin *t = &pair->twin;
	struct twin_session *ts = &t->sessions[rand() % TWIN_CAPACITY];
	unsigned direction = (unsigned)rand() % 2;
	uint32_t len = (uint32_t)rand() % 1500;
	uint8_t f = flags[rand() % ARRAY_SIZE(flags)];
	enum session_direction found;

	if (!ts->live)
		return;
	uint32_t spot = seek(pair->table, &ts->tuple[direction]);
	struct session *s = session_find_at(pair->table, spot, &ts->tuple[direction], &found, t->now_ns);
	assert_non_null(s);
	assert_int_equal(found, direction);
	session_note(pair->table, s, direction, f, len, t->now_ns);
	ts->packets[direction]++;
	ts->bytes[direction] += len;
	if (ts->tuple[0].protocol == PROTO_TCP) {
		twin_follow_tcp(t, ts, direction, f);
	} else if (direction) {
		ts->confirmed = true;
		ts->state = SESSION_ESTABLISHED;
	}
	ts->expires_ns = twin_clock(t) + twin_timeout(t, ts);
}

static void step_time(struct pair *pair)
{
	struct twin *t = &pair->twin;
	uint64_t by_ns = (uint64_t)(1 + rand() % (rand() % 8 ? 300 : 6000)) * 10 * MS;
	if (rand() % 8) {
		t->now_ns += by_ns;
	} else {
		session_advance(pair->table, by_ns);
		t->offset_ns += by_ns;
		t->now_ns += 10 * MS;
	}
	session_age(pair->table, t->now_ns);
	for (int i = 0; i < TWIN_CAPACITY; i++)
		t->sessions[i].live &= t->sessions[i].expires_ns > twin_clock(t);
	twin_end_unused(t, -1);
}

static bool is_of_host(const struct session *s, void *arg)
{
	return be32_equal(s->tuple[0].src, *(be32 *)arg);
}

static void step_control(struct pair *pair)
{
	struct twin *t = &pair->twin;
	be32 host = inside(1 + (unsigned)rand() % 3);
	if (rand() % 2) {
		unsigned n = 0;
		for (int i = 0; i < TWIN_CAPACITY; i++) {
			bool ends = t->sessions[i].live && be32_equal(t->sessions[i].tuple[0].src, host);
			t->sessions[i].live &= !ends;
			n += ends;
		}
		assert_int_equal(session_flush(pair->table, is_of_host, &host), n);
		twin_end_unused(t, -1);
		session_age(pair->table, t->now_ns);
		return;
	}
	t->times.udp_ns = (uint64_t)(1 + rand() % 100) * S;
	t->times.icmp_ns = (uint64_t)(1 + rand() % 100) * S;
	t->times.other_ns = (uint64_t)(1 + rand() % 100) * S;
	t->times.tcp_established_ns = (uint64_t)(1 + rand() % 300) * S;
	t->times.tcp_transitory_ns = (uint64_t)(1 + rand() % 100) * S;
	t->times.host_max = rand() % 2 ? TWIN_HOST_MAX : 0;
	session_set_times(pair->table, &t->times);
}

static void step_ask(struct pair *pair)
{
	struct twin *t = &pair->twin;
	struct tuple tuple = random_tuple();
	const struct twin_mapping *m = &t->mappings[rand() % TWIN_MAPPINGS];
	uint8_t protocol = rand() % 4 ? m->protocol : tuple.protocol;
	be32 address = m->address, from = {0};
	uint16_t port = rand() % 4 ? m->port : be16_host(tuple.sport);
	bool expected = false, knows = false;
	be16 from_port = {0};

	for (int k = 0; k < TWIN_MAPPINGS; k++) {
		const struct twin_mapping *tm = &t->mappings[k];
		if (!tm->live || tm->protocol != protocol || !be32_equal(tm->address, address) ||
		    tm->port != port)
			continue;
		for (int i = 0; i < TWIN_CAPACITY; i++)
			knows |= t->sessions[i].live && t->sessions[i].mapping == k &&
				 be32_equal(t->sessions[i].tuple[0].dst, tuple.dst);
		if (!twin_has_ports(protocol))
			continue;
		expected = true;
		m = tm;
	}
	assert_int_equal(session_unmap(pair->table, protocol, address, be16_from(port), &from, &from_port),
			 expected);
	assert_true(!expected || (be32_equal(from, m->inside) && be16_host(from_port) == m->inside_port));
	assert_int_equal(session_knows_remote(pair->table, protocol, address, be16_from(port), tuple.dst),
			 knows);
}

static void session_random_operations_agree_with_the_twin(void **unused)
{
	(void)unused;
	struct pair pair = {.twin.now_ns = START_NS};
	twin_pools_init();
	pair.twin.times = (struct session_config){
		.capacity = TWIN_CAPACITY,
		.host_max = TWIN_HOST_MAX,
		.tcp_established_ns = 100 * S,
		.tcp_transitory_ns = 40 * S,
		.udp_ns = 50 * S,
		.icmp_ns = 20 * S,
		.other_ns = 50 * S,
	};
	pair.table = table_with(pair.twin.times);
	for (unsigned step = 0; step < 60000; step++) {
		unsigned what = (unsigned)rand() % 64;
		if (what < 20)
			step_open(&pair);
		else if (what < 48)
			step_note(&pair);
		else if (what < 58)
			step_ask(&pair);
		else if (what < 62)
			step_time(&pair);
		else
			step_control(&pair);
		compare(&pair);
		session_age(pair.table, pair.twin.now_ns);
	}
	struct session_counts c = counts(pair.table);
	assert_true(c.evicted && c.refused_table && c.refused_host && c.pool_exhausted);
	session_free(pair.table);
}

/* -- control and worker at once ------------------------------------------------------------ */

#define RACE_STEPS 100000
#define RACE_CAPACITY 8

struct race {
	struct session_table *table;
	uint32_t done;
	unsigned n_wrong; /* control's */
};

/* A session of port p goes to remote p, by rule p, as port p or another. */
static bool race_is_right(const struct session *s)
{
	uint16_t port = be16_host(s->tuple[0].sport);
	struct tuple expected = flow(PROTO_UDP, port % 4, port, port, port);
	struct tuple reply = reply_to(expected, outside(1), be16_host(s->tuple[1].dport));

	return tuple_equal(&s->tuple[0], &expected) && tuple_equal(&s->tuple[1], &reply) &&
	       s->rule == port && s->state <= SESSION_ESTABLISHED && s->created_ns < s->expires_ns &&
	       s->packets[0] < 1u << 30;
}

static bool race_look(const struct session_info *info, void *arg)
{
	*(unsigned *)arg += !race_is_right(&info->session);
	return true;
}

static bool race_match(const struct session *s, void *arg)
{
	*(unsigned *)arg += !race_is_right(s);
	return s->tuple[0].sport.raw >> 8 & 1;
}

static void *race_control(void *arg)
{
	struct race *race = arg;
	unsigned seed = 1, n_wrong = 0;
	for (unsigned i = 0; i < RACE_STEPS; i++) {
		unsigned r = (unsigned)rand_r(&seed);
		struct session_config times = {.udp_ns = (1 + r / 64 % 8) * S};
		if (r % 16 < 7)
			session_walk(race->table, START_NS, race_look, &n_wrong);
		else if (r % 16 < 14)
			session_flush(race->table, race_match, &n_wrong);
		else if (r % 16 < 15)
			session_set_times(race->table, &times);
		else
			session_advance(race->table, r / 64 % 64 * MS);
		n_wrong += counts(race->table).sessions > RACE_CAPACITY;
	}
	race->n_wrong = n_wrong;
	__atomic_store_n(&race->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* A packet of port p, as room nat would have it. */
static unsigned race_packet(struct session_table *table, uint16_t port, unsigned r, uint64_t now_ns)
{
	struct tuple t = flow(PROTO_UDP, port % 4, port, port, port);
	enum session_direction direction;
	uint32_t spot = seek(table, &t);
	struct session *s = session_find_at(table, spot, &t, &direction, now_ns);
	if (!s) {
		struct mapped m = map(table, t, &one_address, now_ns);
		struct tuple reply = reply_to(t, m.address, m.port);
		if (m.mapping == SESSION_NO_MAPPING)
			return 1;
		if (r % 8 == 0 || session_open(table, &t, &reply, m.mapping, port, now_ns, &s)) {
			session_unuse(table, m.mapping);
			return 0;
		}
	}
	session_note(table, s, r / 8 % 2, 0, 100, now_ns);
	return !tuple_equal(&s->tuple[0], &t);
}

static unsigned race_worker(struct race *race, uint64_t *now_ns)
{
	unsigned n_wrong = 0, seed = 2;
	while (!__atomic_load_n(&race->done, __ATOMIC_ACQUIRE)) {
		unsigned r = (unsigned)rand_r(&seed);
		uint16_t port = (uint16_t)(1024 + r / 64 % 12);
		if (r % 64 < 60)
			n_wrong += race_packet(race->table, port, r / 1024, *now_ns);
		else if (r % 64 < 62)
			session_knows_remote(race->table, PROTO_UDP, outside(1), be16_from(port),
					     remote(port));
		else
			session_age(race->table, *now_ns += r / 1024 % 64 * MS);
	}
	return n_wrong;
}

static void session_control_beside_the_worker_loses_and_tears_nothing(void **unused)
{
	(void)unused;
	struct race race = {.table = table_with((struct session_config){.capacity = RACE_CAPACITY})};
	uint64_t now_ns = START_NS;
	pthread_t control;
	assert_int_equal(pthread_create(&control, NULL, race_control, &race), 0);
	unsigned n_wrong = race_worker(&race, &now_ns);
	assert_int_equal(pthread_join(control, NULL), 0);
	assert_int_equal(n_wrong + race.n_wrong, 0);
	/* No entry was lost, none is there twice, and the counts are right. */
	session_flush(race.table, is_everything, NULL);
	for (unsigned i = 0; i < 3; i++) /* some have expired */
		session_age(race.table, now_ns += 10 * MS);
	assert_true(counts(race.table).sessions == 0 && counts(race.table).mappings == 0);
	for (uint16_t i = 0; i < RACE_CAPACITY; i++) {
		struct tuple t = flow(PROTO_UDP, 1, 1024 + i, 1, 1);
		struct mapped m = open_mapped(race.table, t, &one_address, now_ns);
		note(race.table, m.session, SESSION_REPLY, 0, now_ns);
	}
	assert_int_equal(refused(race.table, flow(PROTO_UDP, 1, 1, 1, 1), now_ns), SESSION_TABLE_FULL);
	session_free(race.table);
}

/* -- quoting ------------------------------------------------------------------------------ */

struct told {
	unsigned n, n_ended;
	struct tuple last;
	uint32_t changes;
};

static void hear(void *arg, const struct session *s, bool ended)
{
	struct told *told = arg;

	told->n++;
	told->n_ended += ended;
	told->last = s->tuple[SESSION_ORIGINAL];
}

static struct session_table *table_watched(struct told *told, uint32_t capacity)
{
	struct session_table *table = table_with((struct session_config){.capacity = capacity});
	const struct session_watch watch = {hear, told, &told->changes};

	session_set_watch(table, &watch);
	return table;
}

static void session_quoted_tells_of_its_states(void **unused)
{
	(void)unused;
	struct told told = {0};
	struct session_table *table = table_watched(&told, 64);
	struct session *s = open_established(table, 1000, START_NS);
	uint64_t now_ns = START_NS;
	said(RST);
	said(ACK);
	assert_int_equal(told.n, 0); /* not quoted */
	assert_true(session_quote(table, s));
	said(ACK);
	answered(FIN | ACK);
	assert_int_equal(told.n, 0);
	assert_int_equal(said(RST), SESSION_TRANSITORY);
	assert_int_equal(told.n, 1);
	assert_memory_equal(&told.last, &s->tuple[SESSION_ORIGINAL], sizeof(told.last));
	assert_int_equal(answered(ACK), SESSION_ESTABLISHED);
	assert_int_equal(told.n, 2);
	assert_int_equal(said(FIN | ACK), SESSION_TRANSITORY);
	assert_int_equal(told.n, 3);
	assert_int_equal(said(SYN), SESSION_NEW); /* the same endpoints begin anew, still quoted */
	assert_int_equal(told.n, 4);
	answered(SYN | ACK);
	assert_int_equal(said(ACK), SESSION_ESTABLISHED);
	assert_int_equal(told.n, 5);
	assert_int_equal(told.n_ended, 0);
	session_free(table);
}

static void session_quoted_udp_tells_of_its_first_answer_alone(void **unused)
{
	(void)unused;
	struct told told = {0};
	struct session_table *table = table_watched(&told, 64);
	struct session *s = open_plain(table, flow(PROTO_UDP, 1, 1000, 1, 53), START_NS);
	uint64_t now_ns = START_NS;
	assert_true(session_quote(table, s));
	said(0);
	assert_int_equal(told.n, 0);
	assert_int_equal(answered(0), SESSION_ESTABLISHED);
	assert_int_equal(told.n, 1);
	answered(0);
	said(0);
	assert_int_equal(told.n, 1);
	assert_int_equal(told.n_ended, 0);
	session_age(table, START_NS + 5 * MINUTE);
	assert_int_equal(told.n_ended, 1);
	session_free(table);
}

static void session_quoted_tells_of_its_end(void **unused)
{
	(void)unused;
	struct told told = {0};
	struct session_table *table = table_watched(&told, 2);
	struct session *s = open_plain(table, flow(PROTO_UDP, 1, 1000, 1, 53), START_NS);
	assert_true(session_quote(table, s));
	session_age(table, START_NS + 5 * MINUTE); /* expired */
	assert_int_equal(told.n_ended, 1);
	uint64_t now_ns = START_NS + 5 * MINUTE;
	s = open_plain(table, flow(PROTO_UDP, 1, 1001, 1, 53), now_ns);
	assert_true(session_quote(table, s));
	open_plain(table, flow(PROTO_UDP, 1, 1002, 1, 53), now_ns + 1);
	assert_int_equal(told.n_ended, 1);
	open_plain(table, flow(PROTO_UDP, 1, 1003, 1, 53), now_ns + 2); /* it is evicted */
	assert_int_equal(told.n_ended, 2);
	assert_int_equal(be16_host(told.last.sport), 1001);
	assert_int_equal(told.n, 2);
	session_free(table);
}

static void session_flushed_voids_at_once_and_tells_the_worker_later(void **unused)
{
	(void)unused;
	struct told told = {.changes = 7};
	struct session_table *table = table_watched(&told, 64);
	struct session *s = open_plain(table, flow(PROTO_UDP, 1, 1000, 1, 53), START_NS);
	assert_true(session_quote(table, s));
	assert_int_equal(session_flush(table, is_everything, NULL), 1);
	assert_int_equal(told.changes, 8);
	assert_int_equal(told.n, 0); /* from control's thread nobody is told */
	assert_false(session_quote(table, s));
	session_note_repeated(table, s, SESSION_ORIGINAL, 5, 500, START_NS + S);
	assert_int_equal(s->packets[SESSION_ORIGINAL], 0);
	session_age(table, START_NS);
	assert_int_equal(told.n_ended, 1);
	assert_int_equal(session_flush(table, is_everything, NULL), 0);
	assert_int_equal(told.changes, 8);
	session_advance(table, S);
	assert_int_equal(told.changes, 9);
	session_free(table);
}

static void session_repeated_counts_and_lasts_as_noted(void **unused)
{
	(void)unused;
	struct told told = {0};
	struct session_table *table = table_watched(&told, 64);
	struct session *s = open_plain(table, flow(PROTO_UDP, 1, 1000, 1, 53), START_NS);
	uint64_t now_ns = START_NS + MINUTE;
	session_note_repeated(table, s, SESSION_ORIGINAL, 5, 500, now_ns);
	session_note_repeated(table, s, SESSION_REPLY, 3, 40, now_ns);
	assert_int_equal(s->packets[SESSION_ORIGINAL], 5);
	assert_int_equal(s->bytes[SESSION_ORIGINAL], 500);
	assert_int_equal(s->packets[SESSION_REPLY], 3);
	assert_int_equal(s->bytes[SESSION_REPLY], 40);
	assert_int_equal(s->state, SESSION_NEW); /* its packets leave that as it is */
	assert_true(left(s, now_ns) == 5 * MINUTE);
	assert_true(session_left(table, s) == 5 * MINUTE);
	session_advance(table, MINUTE);
	assert_true(session_left(table, s) == 4 * MINUTE);
	session_advance(table, 5 * MINUTE);
	assert_true(session_left(table, s) == 0);
	session_free(table);
}

static void session_quote_without_a_watch_is_false(void **unused)
{
	(void)unused;
	struct session_table *table = table_small();
	assert_false(session_quote(table, open_plain(table, flow(PROTO_UDP, 1, 1, 1, 1), START_NS)));
	session_free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(session_empty_table_knows_nobody_and_wants_no_call),
		cmocka_unit_test(session_spot_stays_when_sessions_come_and_go),
		cmocka_unit_test(session_vector_finds_what_each_would),
		cmocka_unit_test(session_is_found_by_either_tuple),
		cmocka_unit_test(session_counts_each_direction),
		cmocka_unit_test(session_states_have_names),
		cmocka_unit_test(session_udp_icmp_and_others_are_established_by_the_answer),
		cmocka_unit_test(session_tcp_is_established_by_three_segments),
		cmocka_unit_test(session_tcp_opened_from_both_sides_is_established),
		cmocka_unit_test(session_tcp_picked_up_in_the_middle_waits_for_both),
		cmocka_unit_test(session_tcp_is_transitory_after_fin_from_both_until_it_begins_anew),
		cmocka_unit_test(session_tcp_reset_is_transitory_and_restored_by_a_segment),
		cmocka_unit_test(session_tcp_reset_before_the_handshake_is_restored_to_new),
		cmocka_unit_test(session_expired_is_gone_before_it_is_collected),
		cmocka_unit_test(session_age_collects_when_it_is_due_and_next_tells),
		cmocka_unit_test(session_that_will_end_earlier_brings_the_sweep_forward),
		cmocka_unit_test(session_large_table_is_swept_within_two_seconds_and_then_left_alone),
		cmocka_unit_test(session_advance_makes_all_older_and_rewrites_nothing),
		cmocka_unit_test(session_set_times_hold_from_the_next_packet_on),
		cmocka_unit_test(mapping_keeps_the_port_that_is_free),
		cmocka_unit_test(mapping_is_the_same_for_all_remotes),
		cmocka_unit_test(mapping_per_remote_is_another_for_each),
		cmocka_unit_test(mapping_stays_in_the_class_of_its_port),
		cmocka_unit_test(mapping_takes_no_port_that_is_taken),
		cmocka_unit_test(mapping_whose_port_was_taken_since_is_for_its_old_sessions_only),
		cmocka_unit_test(mapping_of_a_range_uses_all_its_ports_and_no_other),
		cmocka_unit_test(mapping_uses_every_port_of_an_address_and_then_fails),
		cmocka_unit_test(mapping_ports_cannot_be_foretold),
		cmocka_unit_test(mapping_that_ends_and_comes_back_has_another_port),
		cmocka_unit_test(mapping_addresses_of_a_range_are_paired),
		cmocka_unit_test(mapping_fails_rather_than_leave_its_address),
		cmocka_unit_test(mapping_is_another_in_another_pool),
		cmocka_unit_test(mapping_of_an_icmp_identifier_is_any),
		cmocka_unit_test(mapping_without_ports_is_one_host_for_a_remote),
		cmocka_unit_test(mapping_lives_as_long_as_one_of_its_sessions),
		cmocka_unit_test(mapping_of_dead_sessions_is_not_used_again),
		cmocka_unit_test(mapping_is_held_until_its_session_opens),
		cmocka_unit_test(session_knows_remotes_by_address_alone),
		cmocka_unit_test(session_full_table_evicts_the_oldest_unconfirmed_only),
		cmocka_unit_test(session_that_begins_anew_may_be_evicted_again),
		cmocka_unit_test(session_flood_leaves_the_established_alone),
		cmocka_unit_test(session_evicted_in_a_turn_is_not_overwritten_in_it),
		cmocka_unit_test(session_host_limit_is_exact),
		cmocka_unit_test(session_with_a_tuple_of_another_clashes),
		cmocka_unit_test(session_a_hundred_thousand_come_and_go_in_the_same_memory),
		cmocka_unit_test(session_scan_from_one_port_ends_as_fast_as_it_came),
		cmocka_unit_test(session_walk_tells_ages_and_stops_when_told),
		cmocka_unit_test(session_flush_ends_what_matches_at_once),
		cmocka_unit_test(session_random_operations_agree_with_the_twin),
		cmocka_unit_test(session_control_beside_the_worker_loses_and_tears_nothing),
		cmocka_unit_test(session_quoted_tells_of_its_states),
		cmocka_unit_test(session_quoted_udp_tells_of_its_first_answer_alone),
		cmocka_unit_test(session_quoted_tells_of_its_end),
		cmocka_unit_test(session_flushed_voids_at_once_and_tells_the_worker_later),
		cmocka_unit_test(session_repeated_counts_and_lasts_as_noted),
		cmocka_unit_test(session_quote_without_a_watch_is_false),
	};
	seed_rand();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
