/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_flow - the places of the flow cache on plain memory. What XDP does with an entry is done
 * here by see() and count(), which look a key up and count as bpf/gate.bpf.c does.
 */
#include "seed.h"

#include "../../dataplane/flow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define START_NS  (1000 * NS_PER_S)
#define DRAIN_NS  (100 * NS_PER_MS)
#define SLICE	  2048 /* places that one turn may look at */
#define BOUND	  32   /* changes in a tenth of a second that arming can bear */
#define BUCKETS	  4096 /* unless a test wants less */
#define IDLE_NS	  (5 * NS_PER_S)
#define PORT_IN	  1
#define PORT_OUT  2
#define N_REPORTS 8192

struct seen { /* what was reported of one flow, which is known by note.route */
	uint64_t packets, bytes;
};

static struct flow_head head;
static struct flow_bucket *buckets;
static struct flow_config config;
static struct flow_cache *cache;
static struct seen seen[N_REPORTS];
static uint64_t now_ns;

static void open_cache(uint32_t n_buckets)
{
	flow_free(cache);
	free(buckets);
	memset(&head, 0, sizeof(head));
	memset(seen, 0, sizeof(seen));
	buckets = calloc(n_buckets, sizeof(*buckets));
	assert_non_null(buckets);
	config = (struct flow_config){
		.head = &head, .buckets = buckets, .n_buckets = n_buckets, .secret = {7, 11}};
	cache = flow_new(&config);
	assert_non_null(cache);
	now_ns = START_NS;
}

static int set_up(void **state)
{
	(void)state;
	open_cache(BUCKETS);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	flow_free(cache);
	free(buckets);
	cache = NULL;
	buckets = NULL;
	return 0;
}

/* -- what XDP does ---------------------------------------------------------------------- */

static struct flow_key key_from(uint32_t flow, uint16_t port_in)
{
	return (struct flow_key){
		{0x0201a8c0ull << 32 | flow, 0xd007e803 | FLOW_KEY_REST(port_in, 17, FLOW_ROUTED)}};
}

static struct flow_key key_of(uint32_t flow)
{
	return key_from(flow, PORT_IN);
}

static bool entry_is(const struct flow_entry *e, const struct flow_key *key)
{
	return !(e->sequence & 1) && e->generation == head.generation &&
	       e->key.word[0] == key->word[0] && e->key.word[1] == key->word[1];
}

/* The entry that the gate takes for key, or NULL. */
static struct flow_entry *see_key(const struct flow_key *key)
{
	uint64_t hash = flow_hash(config.secret[0], config.secret[1], key);

	for (unsigned half = 0; half < 2; half++, hash >>= 32)
		for (unsigned way = 0; way < FLOW_WAYS; way++) {
			struct flow_entry *e =
				&buckets[(uint32_t)hash & (config.n_buckets - 1)].way[way];
			if (entry_is(e, key))
				return e;
		}
	return NULL;
}

static struct flow_entry *see(uint32_t flow)
{
	struct flow_key key = key_of(flow);

	return see_key(&key);
}

static void count(struct flow_entry *e, uint32_t bytes)
{
	e->packets++;
	e->bytes += bytes;
}

/* A packet that the gate repeats. */
static void repeat(uint32_t flow, uint32_t bytes)
{
	struct flow_entry *e = see(flow);

	assert_non_null(e);
	count(e, bytes);
}

/* -- what the worker does --------------------------------------------------------------- */

static bool wants(uint32_t flow)
{
	struct flow_key key = key_of(flow);

	return flow_wants(cache, &key, false, now_ns);
}

static bool arm_key(const struct flow_key *key, uint32_t flow, uint32_t generation,
		    struct session *session)
{
	const struct flow_entry entry = {
		.key = *key,
		.mac = {2, 0, 0, 0, 0, 1},
		.from = {2, 0, 0, 0, 0, (uint8_t)flow},
		.port_out = PORT_OUT,
		.flags = FLOW_ENDPOINTS,
		.mtu = 1500,
		.src = flow,
		.dst = ~flow,
		.sport = (uint16_t)flow,
		.dport = (uint16_t)~flow,
		.ip_change = 1,
		.l4_change = 2,
	};
	const struct flow_note note = {
		.port_in = PORT_IN,
		.port_out = PORT_OUT,
		.bridge_in = PORT_NONE,
		.bridge_out = PORT_NONE,
		.route = flow,
		.session = session,
		.idle_ns = IDLE_NS,
	};

	return flow_arm(cache, &entry, &note, generation, now_ns);
}

static bool arm(uint32_t flow)
{
	struct flow_key key = key_of(flow);

	return arm_key(&key, flow, flow_begin(cache, now_ns), NULL);
}

static void forget(uint32_t flow, bool ended)
{
	struct flow_key key = key_from(flow, 0); /* as a session knows it: from any port */

	flow_forget(cache, &key, ended, now_ns);
}

static unsigned account(void)
{
	struct flow_report report;
	unsigned n = 0;

	for (; flow_next_report(cache, now_ns, &report); n++) {
		assert_true(report.note->route < N_REPORTS);
		seen[report.note->route].packets += report.packets;
		seen[report.note->route].bytes += report.bytes;
	}
	return n;
}

/* The sweep after so much time. */
static unsigned account_in(uint64_t ns)
{
	now_ns += ns;
	return account();
}

static void expect_seen(uint32_t flow, uint64_t packets, uint64_t bytes)
{
	assert_int_equal(seen[flow].packets, packets);
	assert_int_equal(seen[flow].bytes, bytes);
}

static struct flow_counts counts(void)
{
	struct flow_counts c;

	flow_counts(cache, &c);
	return c;
}

/* -- getting in ------------------------------------------------------------------------- */

static void flow_second_packet_is_wanted(void **unused)
{
	(void)unused;
	assert_false(wants(1));
	assert_false(wants(2));
	assert_true(wants(1));
	assert_null(see(1));
	assert_true(arm(1));
	assert_non_null(see(1));
	assert_null(see(2));
	assert_int_equal(counts().used, 1);
	assert_int_equal(counts().armed, 1);
	assert_int_equal(counts().size, BUCKETS * FLOW_WAYS);
}

static uint32_t door_slot(uint32_t flow)
{
	struct flow_key key = key_of(flow);

	return (uint32_t)(flow_hash(7, 11, &key) >> 16) & 0xffff;
}

/* Each would find the other's print, had it been overwritten at once. */
static void flows_that_take_turns_at_the_door_all_get_in(void **unused)
{
	uint32_t flows[5] = {1}, n = 1;
	bool in[5] = {false};

	(void)unused;
	for (uint32_t other = 2; n < ARRAY_SIZE(flows); other++)
		if (door_slot(other) == door_slot(flows[0]))
			flows[n++] = other;
	for (unsigned round = 0; round < 20; round++)
		for (unsigned i = 0; i < ARRAY_SIZE(flows); i++)
			if (!in[i] && wants(flows[i]))
				in[i] = arm(flows[i]);
	for (unsigned i = 0; i < ARRAY_SIZE(flows); i++)
		assert_non_null(see(flows[i]));
}

static void flow_armed_holds_what_was_given(void **unused)
{
	(void)unused;
	assert_true(arm(0x1234));
	const struct flow_entry *e = see(0x1234);
	assert_non_null(e);
	assert_int_equal(e->generation, head.generation);
	assert_int_equal(e->sequence, 2);
	assert_int_equal(e->mac[5], 1);
	assert_int_equal(e->from[5], 0x34);
	assert_int_equal(e->port_out, PORT_OUT);
	assert_int_equal(e->flags, FLOW_ENDPOINTS);
	assert_int_equal(e->mtu, 1500);
	assert_int_equal(e->src, 0x1234);
	assert_int_equal(e->dst, ~0x1234u);
	assert_int_equal(e->sport, 0x1234);
	assert_int_equal(e->dport, (uint16_t)~0x1234u);
	assert_int_equal(e->ip_change, 1);
	assert_int_equal(e->l4_change, 2);
	assert_int_equal(e->packets, 0);
}

static void flow_armed_is_not_wanted_again(void **unused)
{
	(void)unused;
	assert_true(arm(1));
	assert_false(wants(1));
	assert_false(wants(1));
	assert_false(arm(1));
	assert_int_equal(counts().armed, 1);
}

static void flow_from_another_port_is_another_flow(void **unused)
{
	struct flow_key other = key_from(1, PORT_IN + 1);

	(void)unused;
	assert_true(arm(1));
	assert_null(see_key(&other));
	assert_false(flow_wants(cache, &other, false, now_ns));
	assert_true(flow_wants(cache, &other, false, now_ns));
	assert_true(arm_key(&other, 2, flow_begin(cache, now_ns), NULL));
	assert_ptr_not_equal(see_key(&other), see(1));
}

static void flow_decided_before_a_change_is_not_armed(void **unused)
{
	struct flow_key key = key_of(1);
	uint32_t generation = flow_begin(cache, now_ns);

	(void)unused;
	flow_change(cache);
	assert_false(arm_key(&key, 1, generation, NULL));
	assert_null(see(1));
	assert_int_equal(counts().used, 0);
	assert_true(arm(1));
}

/* -- serving ports ---------------------------------------------------------------------- */

static void ports_serve_as_they_are_set(void **unused)
{
	uint32_t before = counts().changes;

	(void)unused;
	assert_false(flow_serves(cache, PORT_IN, PORT_OUT));
	flow_set_port(cache, PORT_IN, true, false);
	assert_false(flow_serves(cache, PORT_IN, PORT_OUT));
	flow_set_port(cache, PORT_OUT, false, true);
	assert_true(flow_serves(cache, PORT_IN, PORT_OUT));
	assert_false(flow_serves(cache, PORT_OUT, PORT_IN));
	flow_set_port(cache, PORT_IN, true, true);
	assert_false(flow_serves(cache, PORT_IN, PORT_IN));
	assert_false(flow_serves(cache, PORT_NONE, PORT_OUT));
	assert_false(flow_serves(cache, PORT_IN, PORT_NONE));
	assert_int_equal(counts().changes, before + 3);
	flow_set_port(cache, PORT_IN, true, true); /* as it was */
	assert_int_equal(counts().changes, before + 3);
	flow_set_port(cache, PORT_OUT, false, false);
	assert_false(flow_serves(cache, PORT_IN, PORT_OUT));
	assert_int_equal(counts().changes, before + 4);
}

static void head_changes_void_only_if_something_changes(void **unused)
{
	struct mac mac = {{2, 0, 0, 0, 0, 9}};
	uint32_t before = counts().changes;

	(void)unused;
	flow_set_mac(cache, PORT_IN, mac);
	assert_memory_equal(head.port[PORT_IN].mac, mac.b, 6);
	flow_set_by_tuple(cache, true);
	assert_true(flow_is_by_tuple(cache));
	assert_int_equal(counts().changes, before + 2);
	flow_set_mac(cache, PORT_IN, mac);
	flow_set_by_tuple(cache, true);
	assert_int_equal(counts().changes, before + 2);
	flow_set_by_tuple(cache, false);
	assert_false(flow_is_by_tuple(cache));
	assert_int_equal(counts().changes, before + 3);
}

/* -- being void ------------------------------------------------------------------------- */

static void change_makes_a_flow_void_and_wanted_at_once(void **unused)
{
	(void)unused;
	assert_true(arm(1));
	flow_change(cache);
	assert_null(see(1));
	assert_true(wants(1));
	assert_true(arm(1));
	assert_non_null(see(1));
	assert_int_equal(counts().used, 1);
}

static void change_and_arming_anew_keep_counts_exact(void **unused)
{
	struct flow_report report;
	struct flow_key key = key_of(1);

	(void)unused;
	assert_true(arm(1));
	repeat(1, 100);
	account_in(DRAIN_NS);
	expect_seen(1, 1, 100);
	repeat(1, 20);
	repeat(1, 30);
	flow_change(cache);
	assert_true(flow_report_of(cache, &key, &report));
	assert_int_equal(report.packets, 2);
	assert_int_equal(report.bytes, 50);
	assert_false(flow_report_of(cache, &key, &report));
	assert_true(arm(1));
	repeat(1, 7);
	assert_int_equal(account_in(DRAIN_NS), 1);
	expect_seen(1, 2, 107);
	assert_int_equal(account_in(DRAIN_NS), 0);
}

static void change_without_another_packet_frees_the_place(void **unused)
{
	(void)unused;
	assert_true(arm(1));
	repeat(1, 100);
	flow_change(cache);
	account_in(DRAIN_NS); /* seen to be void */
	expect_seen(1, 1, 100);
	assert_int_equal(counts().used, 1);
	assert_int_equal(counts().forgotten, 1);
	account_in(DRAIN_NS);
	assert_int_equal(counts().used, 0);
	assert_int_equal(flow_next(cache), UINT64_MAX);
}

static void generation_that_has_gone_round_is_never_zero(void **unused)
{
	(void)unused;
	assert_true(arm(1));
	forget(1, false); /* its entry says generation 0 now */
	head.generation = UINT32_MAX;
	assert_true(arm(2));
	flow_change(cache);
	assert_int_not_equal(flow_begin(cache, now_ns), 0);
	assert_int_not_equal(head.generation, 0);
	assert_null(see(1));
	assert_null(see(2));
	assert_true(arm(2));
	assert_non_null(see(2));
}

static void forgotten_flow_is_not_seen_from_any_port(void **unused)
{
	struct flow_key other = key_from(1, 77);

	(void)unused;
	assert_true(arm(1));
	assert_true(arm(2));
	assert_true(arm_key(&other, 1, flow_begin(cache, now_ns), NULL));
	repeat(1, 60);
	count(see_key(&other), 40);
	forget(1, false);
	assert_null(see(1));
	assert_null(see_key(&other));
	assert_non_null(see(2));
	assert_int_equal(counts().forgotten, 2);
	account_in(DRAIN_NS);
	expect_seen(1, 2, 100);
	assert_int_equal(counts().used, 1);
	forget(3, true); /* nobody */
	assert_int_equal(counts().forgotten, 2);
}

static void forgotten_flow_may_come_back_to_its_place(void **unused)
{
	(void)unused;
	assert_true(arm(1));
	struct flow_entry *place = see(1);
	repeat(1, 60);
	forget(1, false);
	assert_true(wants(1));
	assert_true(arm(1));
	assert_ptr_equal(see(1), place);
	assert_int_equal(counts().used, 1);
	repeat(1, 60);
	account_in(DRAIN_NS);
	expect_seen(1, 2, 120);
	account_in(DRAIN_NS);
	assert_non_null(see(1));
}

static void ended_session_is_taken_out_of_notes(void **unused)
{
	struct session session = {.rule = 3};
	struct flow_key key = key_of(1);
	struct flow_report report;

	(void)unused;
	assert_true(arm_key(&key, 1, flow_begin(cache, now_ns), &session));
	repeat(1, 60);
	assert_true(flow_report_of(cache, &key, &report));
	assert_ptr_equal(report.note->session, &session);
	repeat(1, 60);
	forget(1, false); /* another state */
	assert_true(flow_report_of(cache, &key, &report));
	assert_ptr_equal(report.note->session, &session);
	forget(1, true); /* draining already */
	struct flow_entry *e = NULL;
	for (uint32_t i = 0; i < BUCKETS * FLOW_WAYS; i++)
		if (buckets[i / FLOW_WAYS].way[i % FLOW_WAYS].key.word[0] == key.word[0])
			e = &buckets[i / FLOW_WAYS].way[i % FLOW_WAYS];
	assert_non_null(e);
	count(e, 60); /* late */
	assert_true(flow_report_of(cache, &key, &report));
	assert_null(report.note->session);
	assert_int_equal(report.packets, 1);
}

/* -- room ------------------------------------------------------------------------------- */

static void draining_place_is_nobody_elses_for_a_while_and_late_counts_are_reported(void **unused)
{
	(void)unused;
	open_cache(1); /* two places */
	assert_true(arm(1));
	assert_true(arm(2));
	struct flow_entry *e = see(1); /* a program has begun to use it */
	forget(1, false);
	assert_false(wants(3));
	assert_false(wants(3));
	assert_false(arm(3));
	account_in(DRAIN_NS - 1);
	assert_false(arm(3));
	count(e, 60);
	assert_int_equal(counts().used, 2);
	account_in(DRAIN_NS);
	expect_seen(1, 1, 60);
	assert_int_equal(counts().used, 1);
	assert_false(wants(3));
	assert_true(wants(3));
	assert_true(arm(3));
	assert_ptr_equal(see(3), e);
	repeat(3, 99);
	account_in(DRAIN_NS);
	expect_seen(1, 1, 60);
	expect_seen(3, 1, 99);
}

static void full_buckets_refuse_and_never_evict(void **unused)
{
	(void)unused;
	open_cache(1);
	assert_true(arm(1));
	assert_true(arm(2));
	for (uint32_t flow = 3; flow < 100; flow++) {
		assert_false(wants(flow));
		assert_false(wants(flow));
		assert_false(arm(flow));
	}
	assert_non_null(see(1));
	assert_non_null(see(2));
	flow_change(cache); /* void, but theirs */
	assert_false(wants(3));
	assert_false(arm(3));
	assert_true(wants(1));
	assert_true(arm(1));
	assert_int_equal(counts().used, 2);
}

static void idle_flow_goes_and_a_busy_one_stays(void **unused)
{
	(void)unused;
	assert_true(arm(1));
	assert_true(arm(2));
	for (uint64_t t = 0; t < IDLE_NS - DRAIN_NS; t += DRAIN_NS) {
		repeat(1, 60);
		account_in(DRAIN_NS);
		assert_non_null(see(2));
	}
	repeat(1, 60);
	account_in(DRAIN_NS);
	assert_null(see(2));
	assert_non_null(see(1));
	assert_int_equal(counts().used, 2);
	account_in(DRAIN_NS);
	assert_int_equal(counts().used, 1);
	expect_seen(1, IDLE_NS / DRAIN_NS, IDLE_NS / DRAIN_NS * 60);
}

/* -- when not to arm -------------------------------------------------------------------- */

static void changes_faster_than_the_bound_stop_arming_for_a_while(void **unused)
{
	(void)unused;
	flow_begin(cache, now_ns);
	wants(1);
	for (unsigned i = 0; i <= BOUND; i++)
		flow_change(cache);
	now_ns += DRAIN_NS;
	flow_begin(cache, now_ns);
	assert_false(wants(1));
	now_ns += DRAIN_NS - 1;
	flow_begin(cache, now_ns);
	assert_false(wants(1));
	now_ns += 1;
	flow_begin(cache, now_ns);
	assert_true(wants(1));
}

static void changes_within_the_bound_do_not(void **unused)
{
	(void)unused;
	flow_begin(cache, now_ns);
	wants(1);
	for (unsigned window = 0; window < 10; window++) {
		for (unsigned i = 0; i < BOUND; i++)
			flow_change(cache);
		now_ns += DRAIN_NS;
		flow_begin(cache, now_ns);
		assert_true(wants(1));
	}
}

static void held_cache_arms_nothing_until_all_have_released_it(void **unused)
{
	(void)unused;
	wants(1);
	flow_hold(cache);
	flow_hold(cache);
	assert_false(wants(1));
	assert_false(arm(1));
	flow_release(cache);
	assert_false(wants(1));
	assert_false(arm(1));
	flow_release(cache);
	assert_true(wants(1));
	assert_true(arm(1));
}

static void hold_leaves_what_is_armed(void **unused)
{
	(void)unused;
	assert_true(arm(1));
	flow_hold(cache);
	repeat(1, 60);
	account_in(DRAIN_NS);
	expect_seen(1, 1, 60);
	flow_release(cache);
	assert_non_null(see(1));
}

/* -- reports ---------------------------------------------------------------------------- */

static void sweep_waits_for_its_time(void **unused)
{
	(void)unused;
	assert_int_equal(flow_next(cache), UINT64_MAX);
	assert_true(arm(1));
	repeat(1, 60);
	assert_int_equal(flow_next(cache), now_ns + DRAIN_NS);
	assert_int_equal(account(), 0);
	assert_int_equal(account_in(DRAIN_NS - 1), 0);
	assert_int_equal(account_in(1), 1);
	assert_int_equal(flow_next(cache), now_ns + DRAIN_NS);
}

/* Flows that found room, each with a packet repeated: all but some of n. */
static uint32_t arm_many(uint32_t n)
{
	uint32_t armed = 0;

	for (uint32_t flow = 0; flow < n; flow++) {
		if (!arm(flow))
			continue;
		repeat(flow, flow);
		armed++;
	}
	assert_true(armed > n - n / 50);
	return armed;
}

static void expect_many_seen(uint32_t n)
{
	for (uint32_t flow = 0; flow < n; flow++)
		if (see(flow))
			expect_seen(flow, 1, flow);
}

static void settle_reports_all_in_as_many_turns_as_it_takes(void **unused)
{
	const uint32_t n = 3 * SLICE / 2, armed = arm_many(n);
	uint32_t asked = flow_settle(cache);

	(void)unused;
	assert_false(flow_is_settled(cache, asked));
	assert_int_equal(flow_next(cache), 0);
	uint32_t reports = account();
	assert_true(reports <= SLICE);
	assert_false(flow_is_settled(cache, asked));
	assert_int_equal(flow_next(cache), 0);
	assert_int_equal(reports + account(), armed);
	assert_true(flow_is_settled(cache, asked));
	expect_many_seen(n);
	assert_true(flow_next(cache) > now_ns);
}

static void settle_of_an_empty_cache_is_answered(void **unused)
{
	(void)unused;
	uint32_t first = flow_settle(cache), second = flow_settle(cache);
	assert_int_equal(account(), 0);
	assert_true(flow_is_settled(cache, first));
	assert_true(flow_is_settled(cache, second));
	assert_false(flow_is_settled(cache, second + 1));
}

/* A turn that accounts for everything at once would keep packets waiting for milliseconds. */
static void sweep_looks_at_a_slice_in_a_turn_however_many_have_something_to_report(void **unused)
{
	const uint32_t n = 3 * SLICE / 2, armed = arm_many(n);
	unsigned reports = 0, turns = 0;

	(void)unused;
	now_ns += DRAIN_NS;
	for (; reports < armed; turns++) {
		unsigned in_turn = account();
		assert_true(in_turn <= SLICE);
		reports += in_turn;
		assert_true(turns < 10);
		assert_true(reports == armed || flow_next(cache) == 0);
	}
	expect_many_seen(n);
}

/* XDP counts a packet and then its bytes; the look may fall between the two. */
static void bytes_counted_after_the_look_are_reported_by_the_next(void **unused)
{
	(void)unused;
	assert_true(arm(1));
	struct flow_entry *e = see(1);
	e->packets++;
	account_in(DRAIN_NS);
	e->bytes += 1000;
	account_in(DRAIN_NS);
	expect_seen(1, 1, 1000);
	/* The worker loads the packets first: bytes alone may show, too. */
	e->bytes += 500;
	account_in(DRAIN_NS);
	e->packets++;
	account_in(DRAIN_NS);
	expect_seen(1, 2, 1500);
}

static void counters_that_wrap_are_reported_right(void **unused)
{
	(void)unused;
	assert_true(arm(1));
	struct flow_entry *e = see(1);
	uint64_t bytes = 0;
	for (unsigned i = 0; i < 3; i++) {
		e->packets += 0x60000000;
		e->bytes += 0xf0000000;
		bytes += 0xf0000000;
		account_in(DRAIN_NS);
	}
	expect_seen(1, 3 * 0x60000000ull, bytes);
}

/* -- against a naive twin --------------------------------------------------------------- */

/*
 * The twin keeps its places by number, in the order of the buckets, and for each flow how much
 * was counted and reported. Some packets are counted late: by a program that looked up before.
 */
#define TWIN_BUCKETS 16
#define TWIN_PLACES  (TWIN_BUCKETS * FLOW_WAYS)
#define TWIN_FLOWS   96
#define TWIN_STEPS   200000
#define LATE_MAX     8
#define LATE_NS	     (50 * NS_PER_MS)

enum twin_state { TWIN_EMPTY, TWIN_ARMED, TWIN_DRAINING };
struct twin_place {
	enum twin_state state;
	uint32_t flow, generation;
	uint64_t since_ns;
	bool counted; /* since the last look */
};
static struct twin {
	struct twin_place places[TWIN_PLACES];
	struct seen counted[TWIN_FLOWS];
	uint64_t next_ns;
	unsigned holds;
	struct late {
		struct flow_entry *entry;
		uint32_t flow;
		uint64_t since_ns;
	} late[LATE_MAX];
	unsigned n_late;
} twin;

/* The number of an entry. */
static unsigned place_of(const struct flow_entry *e)
{
	return (unsigned)(e - &buckets[0].way[0]);
}

static unsigned twin_used(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < TWIN_PLACES; i++)
		n += twin.places[i].state != TWIN_EMPTY;
	return n;
}

static struct twin_place *twin_find(uint32_t flow)
{
	for (unsigned i = 0; i < TWIN_PLACES; i++)
		if (twin.places[i].state != TWIN_EMPTY && twin.places[i].flow == flow)
			return &twin.places[i];
	return NULL;
}

static bool twin_holds(const struct twin_place *p)
{
	return p && p->state == TWIN_ARMED && p->generation == head.generation;
}

static struct twin_place *twin_room(uint32_t flow)
{
	struct flow_key key = key_of(flow);
	uint64_t hash = flow_hash(config.secret[0], config.secret[1], &key);

	for (unsigned half = 0; half < 2; half++, hash >>= 32)
		for (unsigned way = 0; way < FLOW_WAYS; way++) {
			unsigned i = (uint32_t)hash % TWIN_BUCKETS * FLOW_WAYS + way;
			if (twin.places[i].state == TWIN_EMPTY)
				return &twin.places[i];
		}
	return NULL;
}

static void twin_count(struct flow_entry *e, uint32_t flow)
{
	uint32_t bytes = 60 + (uint32_t)rand() % 1400;

	count(e, bytes);
	twin.counted[flow].packets++;
	twin.counted[flow].bytes += bytes;
	twin.places[place_of(e)].counted = true;
}

static void twin_arm(uint32_t flow)
{
	struct twin_place *p = twin_find(flow), *room = p ? p : twin_room(flow);
	struct flow_key key = key_of(flow);
	struct flow_report report;
	bool expected = room && !twin.holds && !twin_holds(p);

	if (flow_report_of(cache, &key, &report)) {
		assert_int_equal(report.note->route, flow);
		seen[flow].packets += report.packets;
		seen[flow].bytes += report.bytes;
	}
	if (p) /* it has been looked at */
		p->counted = false;
	assert_int_equal(arm(flow), expected);
	if (!expected)
		return;
	*room = (struct twin_place){TWIN_ARMED, flow, head.generation, now_ns, false};
	if (twin.next_ns == UINT64_MAX)
		twin.next_ns = now_ns + DRAIN_NS;
}

static void twin_packet(uint32_t flow)
{
	struct flow_entry *e = see(flow);

	assert_int_equal(e != NULL, twin_holds(twin_find(flow)));
	if (!e) {
		twin_arm(flow);
	} else if (rand() % 8 || twin.n_late == LATE_MAX) {
		twin_count(e, flow);
	} else {
		twin.late[twin.n_late++] = (struct late){e, flow, now_ns};
	}
}

static void twin_late(bool all)
{
	for (unsigned i = twin.n_late; i--;) {
		struct late *l = &twin.late[i];
		if (!all && now_ns - l->since_ns < LATE_NS && rand() % 4)
			continue;
		twin_count(l->entry, l->flow);
		*l = twin.late[--twin.n_late];
	}
}

static void twin_forget(uint32_t flow)
{
	struct twin_place *p = twin_find(flow);

	forget(flow, rand() % 2);
	if (p && p->state == TWIN_ARMED) {
		p->state = TWIN_DRAINING;
		p->since_ns = now_ns;
	}
}

static void twin_look(struct twin_place *p)
{
	if (p->state == TWIN_DRAINING) {
		if (now_ns - p->since_ns >= DRAIN_NS)
			p->state = TWIN_EMPTY;
	} else if (p->state == TWIN_ARMED) {
		if (p->counted)
			p->since_ns = now_ns;
		if (!twin_holds(p) || now_ns - p->since_ns >= IDLE_NS) {
			p->state = TWIN_DRAINING;
			p->since_ns = now_ns;
		}
	}
	p->counted = false;
}

static void twin_account(void)
{
	bool asked = rand() % 16 == 0;

	if (asked)
		flow_settle(cache);
	account();
	if (!asked && now_ns < twin.next_ns)
		return;
	for (unsigned i = 0; i < TWIN_PLACES; i++)
		twin_look(&twin.places[i]);
	twin.next_ns = twin_used() ? now_ns + DRAIN_NS : UINT64_MAX;
}

static void twin_step(void)
{
	uint32_t flow = (uint32_t)rand() % TWIN_FLOWS;

	switch (rand() % 64) {
	case 0:
		twin_forget(flow);
		break;
	case 1:
		if (rand() % 8 == 0)
			flow_change(cache);
		break;
	case 2:
		if (rand() % 4 == 0 && twin.holds < 2) {
			flow_hold(cache);
			twin.holds++;
		}
		break;
	case 3:
		if (twin.holds) {
			flow_release(cache);
			twin.holds--;
		}
		break;
	case 4:
	case 5:
		now_ns += (uint64_t)rand() % (20 * NS_PER_MS);
		twin_late(false);
		twin_account();
		break;
	case 6:
		if (rand() % 256 == 0) {
			twin_late(true);
			now_ns += (uint64_t)rand() % (2 * IDLE_NS);
		}
		break;
	default:
		twin_packet(flow);
	}
}

static void expect_one_place_for_each_key(void)
{
	for (uint32_t flow = 0; flow < TWIN_FLOWS; flow++) {
		struct flow_key key = key_of(flow);
		unsigned n = 0;
		for (unsigned i = 0; i < TWIN_PLACES; i++) {
			const struct flow_entry *e = &buckets[i / FLOW_WAYS].way[i % FLOW_WAYS];
			n += entry_is(e, &key);
		}
		assert_int_equal(n, twin_holds(twin_find(flow)));
	}
}

static void random_sequence_agrees_with_a_naive_twin(void **unused)
{
	(void)unused;
	seed_rand();
	open_cache(TWIN_BUCKETS);
	twin = (struct twin){.next_ns = UINT64_MAX};
	for (unsigned step = 0; step < TWIN_STEPS; step++) {
		twin_step();
		assert_int_equal(counts().used, twin_used());
		assert_int_equal(flow_next(cache), twin.next_ns);
		if (step % 64 == 0)
			expect_one_place_for_each_key();
	}
	twin_late(true);
	flow_settle(cache);
	account();
	uint64_t total = 0;
	for (uint32_t flow = 0; flow < TWIN_FLOWS; flow++) {
		expect_seen(flow, twin.counted[flow].packets, twin.counted[flow].bytes);
		total += seen[flow].packets;
	}
	assert_true(total > TWIN_STEPS / 20); /* else this has tested nothing */
}

#define flow_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		flow_test(flow_second_packet_is_wanted),
		flow_test(flows_that_take_turns_at_the_door_all_get_in),
		flow_test(flow_armed_holds_what_was_given),
		flow_test(flow_armed_is_not_wanted_again),
		flow_test(flow_from_another_port_is_another_flow),
		flow_test(flow_decided_before_a_change_is_not_armed),
		flow_test(ports_serve_as_they_are_set),
		flow_test(head_changes_void_only_if_something_changes),
		flow_test(change_makes_a_flow_void_and_wanted_at_once),
		flow_test(change_and_arming_anew_keep_counts_exact),
		flow_test(change_without_another_packet_frees_the_place),
		flow_test(generation_that_has_gone_round_is_never_zero),
		flow_test(forgotten_flow_is_not_seen_from_any_port),
		flow_test(forgotten_flow_may_come_back_to_its_place),
		flow_test(ended_session_is_taken_out_of_notes),
		flow_test(draining_place_is_nobody_elses_for_a_while_and_late_counts_are_reported),
		flow_test(full_buckets_refuse_and_never_evict),
		flow_test(idle_flow_goes_and_a_busy_one_stays),
		flow_test(changes_faster_than_the_bound_stop_arming_for_a_while),
		flow_test(changes_within_the_bound_do_not),
		flow_test(held_cache_arms_nothing_until_all_have_released_it),
		flow_test(hold_leaves_what_is_armed),
		flow_test(sweep_waits_for_its_time),
		flow_test(settle_reports_all_in_as_many_turns_as_it_takes),
		flow_test(settle_of_an_empty_cache_is_answered),
		flow_test(sweep_looks_at_a_slice_in_a_turn_however_many_have_something_to_report),
		flow_test(bytes_counted_after_the_look_are_reported_by_the_next),
		flow_test(counters_that_wrap_are_reported_right),
		flow_test(random_sequence_agrees_with_a_naive_twin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
