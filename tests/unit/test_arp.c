/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_arp - the ARP room: every verdict it can give, every frame it writes compared byte
 * by byte, and what it tells the neighbour table.
 *
 *   192.168.1.2 --- r0 192.168.1.1/24 |        | r1 192.168.0.1/24 (the kernel has it too)
 *                      10.5.0.1/16    | router |
 *                                     |        | the kernel alone: 10.99.0.1 on r0
 */
#include "../../dataplane/arp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define FRAME_LEN 42
#define START_NS (1000 * NS_PER_S)

static const struct mac router = {{2, 0, 0, 0, 0, 1}}, router_r1 = {{2, 0, 0, 0, 0, 2}};
static const struct mac peer = {{2, 0, 0, 0, 1, 2}}, other = {{2, 0, 0, 0, 1, 3}};
static const struct mac everyone = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}, nobody;

static be32 ip(unsigned a, unsigned b, unsigned c, unsigned d)
{
	return be32_from(a << 24 | b << 16 | c << 8 | d);
}
#define ZERO ip(0, 0, 0, 0)
#define ROUTER ip(192, 168, 1, 1)
#define ROUTER_SECOND ip(10, 5, 0, 1)
#define ROUTER_R1 ip(192, 168, 0, 1)
#define KERNEL ip(10, 99, 0, 1)
#define PEER ip(192, 168, 1, 2)
#define BROADCAST ip(192, 168, 1, 255)

/* -- a router of two ports, and one frame -------------------------------------------------- */

struct lab {
	struct port ports[2];
	struct port_address r0[2], r1[1];
	struct port_table *table;
	struct neigh_table *neigh;
	struct stats *stats;
	struct arp_state *state;
	uint64_t now_ns;
	uint8_t frame[128];
	struct packet p;
};

static struct lab *lab_new(void)
{
	struct lab *lab = calloc(1, sizeof(*lab));
	assert_non_null(lab);
	lab->r0[0] = (struct port_address){ROUTER, 24};
	lab->r0[1] = (struct port_address){ROUTER_SECOND, 16};
	lab->r1[0] = (struct port_address){ROUTER_R1, 24};
	lab->ports[0] = (struct port){.name = "r0", .number = 0, .mac = router, .up = true, .bridge = PORT_NONE, .mirror = PORT_NONE,
				      .n_addresses = 2, .addresses = lab->r0};
	lab->ports[1] = (struct port){.name = "r1", .number = 1, .mac = router_r1, .up = true, .bridge = PORT_NONE, .mirror = PORT_NONE,
				      .n_addresses = 1, .addresses = lab->r1};
	lab->table = port_table_new(8);
	lab->neigh = neigh_new(&(struct neigh_config){0});
	lab->stats = calloc(1, sizeof(*lab->stats));
	lab->state = calloc(1, sizeof(*lab->state));
	assert_true(lab->table && lab->neigh && lab->stats && lab->state);
	lab->table->ports[0] = &lab->ports[0];
	lab->table->ports[1] = &lab->ports[1];
	lab->table->n_ports = 2;
	const struct local locals[] = {
		{ROUTER, 0, .tsuji = true},
		{ROUTER_SECOND, 0, .tsuji = true},
		{ROUTER_R1, 1, .tsuji = true, .kernel = true},
		{KERNEL, 0, .kernel = true},
		{BROADCAST, 0, .broadcast = true},
	};
	for (unsigned i = 0; i < ARRAY_SIZE(locals); i++)
		port_table_add_local(lab->table, locals[i]);
	lab->now_ns = START_NS;
	return lab;
}

static void lab_free(struct lab *lab)
{
	free(lab->state);
	free(lab->stats);
	neigh_free(lab->neigh);
	port_table_free(lab->table);
	free(lab);
}

/* What is said; zero fields mean: Ethernet source as the sender's MAC, broadcast, port r0. */
struct said {
	uint16_t operation;
	struct mac sender_mac;
	be32 sender, target;
	struct mac eth_dst, eth_src, target_mac;
	uint16_t port;
};

#define SAID(OPERATION, MAC, SENDER, TARGET, ...)                                            \
	((struct said){.operation = OPERATION, .sender_mac = MAC, .sender = SENDER,            \
		       .target = TARGET, __VA_ARGS__})

/* The frame as bytes, put together without the room's structs. */
static void write_frame(uint8_t *frame, const struct said *said)
{
	static const uint8_t fixed[] = {0x08, 0x06, 0x00, 0x01, 0x08, 0x00, 6, 4, 0x00};
	memcpy(frame, mac_is_zero(said->eth_dst) ? everyone.b : said->eth_dst.b, 6);
	memcpy(frame + 6, mac_is_zero(said->eth_src) ? said->sender_mac.b : said->eth_src.b, 6);
	memcpy(frame + 12, fixed, sizeof(fixed));
	frame[21] = (uint8_t)said->operation;
	memcpy(frame + 22, said->sender_mac.b, 6);
	memcpy(frame + 28, &said->sender, 4);
	memcpy(frame + 32, said->target_mac.b, 6);
	memcpy(frame + 38, &said->target, 4);
}

static enum verdict input(struct lab *lab)
{
	struct vector v = {1, {&lab->p}};
	arp_input(lab->table, lab->neigh, lab->stats, lab->state, &v, lab->now_ns);
	return lab->p.verdict;
}

/* A frame as a veth pads it: 60 bytes, with rubbish behind the packet. */
static void arrive(struct lab *lab, struct said said)
{
	memset(lab->frame, 0xee, sizeof(lab->frame));
	write_frame(lab->frame, &said);
	lab->p = (struct packet){
		.data = lab->frame,
		.len = 60,
		.port_in = said.port,
		.verdict = TO_ARP,
		.decision = {.port_out = PORT_NONE, .route = ROUTE_NONE},
	};
}

static enum verdict say(struct lab *lab, struct said said)
{
	arrive(lab, said);
	return input(lab);
}

static enum verdict ask(struct lab *lab, be32 sender, be32 target)
{
	return say(lab, SAID(ARP_REQUEST, peer, sender, target));
}

static void assert_sent(const struct lab *lab, struct said said)
{
	uint8_t expected[FRAME_LEN];
	write_frame(expected, &said);
	assert_int_equal(lab->p.len, FRAME_LEN);
	assert_memory_equal(lab->p.data, expected, FRAME_LEN);
	assert_int_equal(lab->p.decision.port_out, said.port);
}

/* Our answer to peer: address is at router. */
static void assert_answered(const struct lab *lab, be32 address, be32 asker)
{
	assert_sent(lab, SAID(ARP_REPLY, router, address, asker, .eth_dst = peer,
			      .target_mac = peer));
}

struct sought {
	uint16_t port;
	be32 address;
	struct neigh_info info;
};

static void seek(const struct neigh_info *info, void *arg)
{
	struct sought *sought = arg;
	if (info->port == sought->port && be32_equal(info->address, sought->address))
		sought->info = *info;
}

/* The neighbour is known in that state by that MAC; N_NEIGH_STATES: it is not known. */
static void assert_known_on(struct lab *lab, uint16_t port, be32 address, enum neigh_state state,
			    struct mac mac)
{
	struct sought sought = {port, address, {.state = N_NEIGH_STATES}};
	neigh_walk(lab->neigh, seek, &sought);
	assert_int_equal(sought.info.state, state);
	assert_memory_equal(sought.info.mac.b, mac.b, 6);
}
static void assert_known(struct lab *lab, be32 address, enum neigh_state state, struct mac mac)
{
	assert_known_on(lab, 0, address, state, mac);
}
static void assert_nothing_learnt(struct lab *lab)
{
	assert_int_equal(neigh_count(lab->neigh), 0);
}

/* -- requests ------------------------------------------------------------------------------ */

static void arp_request_for_us_is_answered_and_learnt(void **unused)
{
	(void)unused;
	struct lab *lab = lab_new();
	assert_int_equal(ask(lab, PEER, ROUTER), TO_EGRESS);
	assert_answered(lab, ROUTER, PEER);
	assert_known(lab, PEER, NEIGH_STALE, peer);
	assert_int_equal(lab->stats->arp_replies, 1);
	assert_int_equal(lab->stats->created, 0);
	lab_free(lab);
}

static void arp_reply_is_these_42_bytes(void **unused)
{
	(void)unused;
	static const uint8_t expected[FRAME_LEN] = {
		2, 0, 0, 0, 1, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x06,
		0, 1, 0x08, 0, 6, 4, 0, 2,
		2, 0, 0, 0, 0, 1, 192, 168, 1, 1,
		2, 0, 0, 0, 1, 2, 192, 168, 1, 2,
	};
	struct lab *lab = lab_new();
	assert_int_equal(ask(lab, PEER, ROUTER), TO_EGRESS);
	assert_int_equal(lab->p.len, sizeof(expected));
	assert_memory_equal(lab->p.data, expected, sizeof(expected));
	lab_free(lab);
}

static void arp_unicast_request_for_us_is_answered(void **unused)
{
	(void)unused;
	struct lab *lab = lab_new();
	struct said said = SAID(ARP_REQUEST, peer, PEER, ROUTER, .eth_dst = router);
	assert_int_equal(say(lab, said), TO_EGRESS);
	assert_answered(lab, ROUTER, PEER);
	lab_free(lab);
}

static void arp_request_for_a_second_address_is_answered(void **unused)
{
	(void)unused;
	struct lab *lab = lab_new();
	be32 sender = ip(10, 5, 3, 4);
	assert_int_equal(ask(lab, sender, ROUTER_SECOND), TO_EGRESS);
	assert_sent(lab, SAID(ARP_REPLY, router, ROUTER_SECOND, sender, .eth_dst = peer,
			      .target_mac = peer));
	lab_free(lab);
}

static void arp_request_for_an_address_shared_with_the_kernel_is_ours(void **unused)
{
	(void)unused;
	struct lab *lab = lab_new();
	struct said said = SAID(ARP_REQUEST, peer, ip(192, 168, 0, 2), ROUTER_R1, .port = 1);
	assert_int_equal(say(lab, said), TO_EGRESS);
	assert_sent(lab, SAID(ARP_REPLY, router_r1, ROUTER_R1, ip(192, 168, 0, 2),
			      .eth_dst = peer, .target_mac = peer, .port = 1));
	assert_known_on(lab, 1, ip(192, 168, 0, 2), NEIGH_STALE, peer);
	lab_free(lab);
}

static void arp_probe_for_us_is_answered_and_not_learnt(void **unused)
{
	(void)unused;
	struct lab *lab = lab_new();
	assert_int_equal(ask(lab, ZERO, ROUTER), TO_EGRESS);
	assert_answered(lab, ROUTER, ZERO);
	assert_nothing_learnt(lab);
	lab_free(lab);
}

static void arp_probe_for_another_is_not_ours(void **unused)
{
	(void)unused;
	struct lab *lab = lab_new();
	assert_int_equal(ask(lab, ZERO, PEER), DROP_ARP_NOT_OURS);
	assert_int_equal(ask(lab, ZERO, ZERO), DROP_ARP_NOT_OURS);
	assert_nothing_learnt(lab);
	lab_free(lab);
}

static void arp_request_for_another_is_overheard(void **unused)
{
	(void)unused;
	struct lab *lab = lab_new();
	assert_int_equal(ask(lab, PEER, ip(192, 168, 1, 9)), DROP_ARP_NOT_OURS);
	assert_nothing_learnt(lab);
	neigh_learn(lab->neigh, 0, PEER, other, NEIGH_ASKED_US, lab->now_ns);
	assert_int_equal(ask(lab, PEER, ip(192, 168, 1, 9)), DROP_ARP_NOT_OURS);
	assert_known(lab, PEER, NEIGH_STALE, peer);
	assert_int_equal(lab->stats->arp_replies, 0);
	lab_free(lab);
}

static void arp_request_for_another_ports_address_is_not_ours(void **unused)
{
	(void)unused;
	struct lab *lab = lab_new();
	assert_int_equal(ask(lab, PEER, ROUTER_R1), DROP_ARP_NOT_OURS);
	assert_int_equal(ask(lab, PEER, BROADCAST), DROP_ARP_NOT_OURS);
	assert_nothing_learnt(lab);
	lab_free(lab);
}

static void arp_for_an_address_only_the_kernel_has_is_punted_unread(void **unused)
{
	(void)unused;
	struct lab *lab = lab_new();
	uint8_t before[60];
	struct said said = SAID(ARP_REQUEST, peer, ip(10, 99, 0, 2), KERNEL);
	arrive(lab, said);
	memcpy(before, lab->frame, sizeof(before));
	assert_int_equal(input(lab), PUNTED);
	assert_int_equal(lab->p.len, 60);
	assert_memory_equal(lab->frame, before, sizeof(before));
	said.port = 1;
	assert_int_equal(say(lab, said), PUNTED);
	said.operation = ARP_REPLY;
	assert_int_equal(say(lab, said), PUNTED);
	assert_nothing_learnt(lab);
	lab_free(lab);
}

/* -- announcements and replies --------------------------------------------------------------- */

static void arp_announcement_changes_but_creates_nothing(void **unused)
{
	(void)unused;
	struct lab *lab = lab_new();
	assert_int_equal(ask(lab, PEER, PEER), DROP_ARP_NOT_OURS);
	assert_nothing_learnt(lab);
	neigh_learn(lab->neigh, 0, PEER, other, NEIGH_ASKED_US, lab->now_ns);
	neigh_learn(lab->neigh, 0, PEER, other, NEIGH_REPLY, lab->now_ns);
	assert_int_equal(ask(lab, PEER, PEER), DROP_ARP_NOT_OURS);
	assert_known(lab, PEER, NEIGH_STALE, peer);
	lab_free(lab);
}

static void arp_announcement_where_the_kernel_listens_is_punted(void **unused)
{
	(void)unused;
	struct lab *lab = lab_new();
	be32 station = ip(192, 168, 0, 2);
	struct said said = SAID(ARP_REQUEST, peer, station, station, .port = 1);
	neigh_learn(lab->neigh, 1, station, other, NEIGH_ASKED_US, lab->now_ns);
	assert_int_equal(say(lab, said), PUNTED);
	assert_known_on(lab, 1, station, NEIGH_STALE, peer);
	said.target = ip(192, 168, 0, 9); /* an ordinary question is not the kernel's business */
	assert_int_equal(say(lab, said), DROP_ARP_NOT_OURS);
	lab_free(lab);
}

static void arp_reply_to_us_completes_and_is_taken(void **unused)
{
	(void)unused;
	struct lab *lab = lab_new();
	struct packet waiting = {.decision = {.port_out = 0, .next_hop = PEER}};
	struct mac mac;
	assert_int_equal(neigh_resolve(lab->neigh, &waiting, &mac, lab->now_ns), HELD);
	struct said said = SAID(ARP_REPLY, peer, PEER, ROUTER, .eth_dst = router);
	assert_int_equal(say(lab, said), TAKEN);
	assert_known(lab, PEER, NEIGH_REACHABLE, peer);
	assert_ptr_equal(neigh_released(lab->neigh), &waiting);
	lab_free(lab);
}

static void arp_reply_nobody_asked_for_creates_nothing(void **unused)
{
	(void)unused;
	struct lab *lab = lab_new();
	struct said said = SAID(ARP_REPLY, peer, PEER, ROUTER, .eth_dst = router);
	assert_int_equal(say(lab, said), TAKEN);
	assert_nothing_learnt(lab);
	lab_free(lab);
}

/* To everyone, or about an address that is not this port's: it confirms nothing. */
static void arp_reply_not_sent_to_us_is_only_heard(void **unused)
{
	(void)unused;
	const struct said cases[] = {
		SAID(ARP_REPLY, peer, PEER, ROUTER, .eth_dst = everyone, .target_mac = router),
		SAID(ARP_REPLY, peer, PEER, PEER, .eth_dst = everyone),
		SAID(ARP_REPLY, peer, PEER, ROUTER_R1, .eth_dst = router),
		SAID(ARP_REPLY, peer, PEER, ip(192, 168, 1, 9), .eth_dst = router),
	};
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct lab *lab = lab_new();
		neigh_learn(lab->neigh, 0, PEER, other, NEIGH_ASKED_US, lab->now_ns);
		assert_int_equal(say(lab, cases[i]), TAKEN);
		assert_known(lab, PEER, NEIGH_STALE, peer);
		lab_free(lab);
	}
}

static void arp_reply_where_the_kernel_listens_is_noted_and_punted(void **unused)
{
	(void)unused;
	struct lab *lab = lab_new();
	be32 station = ip(192, 168, 0, 2);
	struct said said = SAID(ARP_REPLY, peer, station, ROUTER_R1, .eth_dst = router_r1,
				.target_mac = router_r1, .port = 1);
	neigh_learn(lab->neigh, 1, station, peer, NEIGH_ASKED_US, lab->now_ns);
	assert_int_equal(say(lab, said), PUNTED);
	assert_int_equal(lab->p.len, 60);
	assert_known_on(lab, 1, station, NEIGH_REACHABLE, peer);
	lab_free(lab);
}

/* -- drops --------------------------------------------------------------------------------- */

static void arp_cut_short_is_dropped(void **unused)
{
	(void)unused;
	struct lab *lab = lab_new();
	for (uint32_t len = 14; len < FRAME_LEN; len++) {
		arrive(lab, SAID(ARP_REQUEST, peer, PEER, ROUTER));
		lab->p.len = len;
		assert_int_equal(input(lab), DROP_ARP_SHORT);
	}
	arrive(lab, SAID(ARP_REQUEST, peer, PEER, ROUTER));
	lab->p.len = FRAME_LEN;
	assert_int_equal(input(lab), TO_EGRESS);
	lab_free(lab);
}

static void arp_for_other_hardware_or_protocol_is_dropped(void **unused)
{
	(void)unused;
	struct lab *lab = lab_new();
	for (unsigned at = 14; at < 20; at++) {
		arrive(lab, SAID(ARP_REQUEST, peer, PEER, ROUTER));
		lab->frame[at] ^= 1;
		assert_int_equal(input(lab), DROP_ARP_FORMAT);
	}
	assert_nothing_learnt(lab);
	lab_free(lab);
}

static void arp_operation_neither_request_nor_reply_is_dropped(void **unused)
{
	(void)unused;
	struct lab *lab = lab_new();
	const uint8_t operations[] = {0, 3, 4, 8, 9, 255};
	for (unsigned i = 0; i < sizeof(operations); i++)
		assert_int_equal(say(lab, SAID(operations[i], peer, PEER, ROUTER)),
				 DROP_ARP_OPERATION);
	arrive(lab, SAID(ARP_REQUEST, peer, PEER, ROUTER));
	lab->frame[20] = 1; /* 0x0101 */
	assert_int_equal(input(lab), DROP_ARP_OPERATION);
	lab_free(lab);
}

static void arp_sender_that_cannot_be_is_dropped_and_not_learnt(void **unused)
{
	(void)unused;
	static const struct mac group = {{1, 0, 0x5e, 0, 0, 1}};
	const struct said cases[] = {
		SAID(ARP_REQUEST, nobody, PEER, ROUTER),
		SAID(ARP_REQUEST, group, PEER, ROUTER),
		SAID(ARP_REQUEST, everyone, PEER, ROUTER),
		SAID(ARP_REQUEST, router, PEER, ROUTER), /* our MAC, not our address */
		SAID(ARP_REQUEST, router_r1, PEER, ROUTER), /* that of another port */
		SAID(ARP_REQUEST, router, ROUTER, ROUTER), /* our own, looped back */
		SAID(ARP_REQUEST, router, ZERO, ROUTER),
		SAID(ARP_REPLY, peer, ZERO, ROUTER, .eth_dst = router), /* zero, yet no probe */
		SAID(ARP_REPLY, peer, ip(192, 168, 2, 2), ROUTER, .eth_dst = router), /* a stranger's */
		SAID(ARP_REQUEST, peer, ip(192, 168, 2, 2), PEER),
		SAID(ARP_REQUEST, peer, BROADCAST, ROUTER),
		SAID(ARP_REQUEST, peer, ip(255, 255, 255, 255), ROUTER),
		SAID(ARP_REQUEST, peer, ip(224, 0, 0, 1), ROUTER),
		SAID(ARP_REQUEST, peer, ip(127, 0, 0, 1), ROUTER),
		SAID(ARP_REQUEST, peer, ROUTER_R1, ROUTER), /* ours, but not here */
		SAID(ARP_REPLY, peer, KERNEL, ROUTER, .eth_dst = router), /* the kernel's */
	};
	struct lab *lab = lab_new();
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		if (say(lab, cases[i]) != DROP_ARP_SENDER)
			fail_msg("case %u ended as %s", i, verdict_name(lab->p.verdict));
	}
	assert_nothing_learnt(lab);
	lab_free(lab);
}

static void arp_stranger_to_the_subnet_is_answered_and_not_learnt(void **unused)
{
	(void)unused;
	struct lab *lab = lab_new();
	assert_int_equal(ask(lab, ip(192, 168, 2, 2), ROUTER), TO_EGRESS);
	assert_int_equal(ask(lab, ip(192, 168, 0, 2), ROUTER), TO_EGRESS); /* another port's subnet */
	assert_nothing_learnt(lab);
	lab_free(lab);
}

static void arp_is_answered_to_the_sender_it_names(void **unused)
{
	(void)unused;
	struct lab *lab = lab_new();
	assert_int_equal(say(lab, SAID(ARP_REQUEST, peer, PEER, ROUTER, .eth_src = other)), TO_EGRESS);
	assert_true(mac_equal(packet_eth(&lab->p)->dst, peer));
	lab_free(lab);
}

static void arp_from_a_port_that_is_gone_is_dropped(void **unused)
{
	(void)unused;
	struct lab *lab = lab_new();
	const uint16_t ports[] = {2, 255, PORT_NONE};
	for (unsigned i = 0; i < ARRAY_SIZE(ports); i++)
		assert_int_equal(say(lab, SAID(ARP_REQUEST, peer, PEER, ROUTER, .port = ports[i])),
				 DROP_PORT_DOWN);
	lab->table->ports[0] = NULL;
	assert_int_equal(ask(lab, PEER, ROUTER), DROP_PORT_DOWN);
	lab_free(lab);
}

/* -- conflicts ----------------------------------------------------------------------------- */

static void arp_claim_to_our_address_is_defended_once_in_ten_seconds(void **unused)
{
	(void)unused;
	struct lab *lab = lab_new();
	struct said announcement = SAID(ARP_REQUEST, router, ROUTER, ROUTER);
	assert_int_equal(ask(lab, ROUTER, ROUTER), TO_EGRESS);
	assert_sent(lab, announcement);
	lab->now_ns += 10 * NS_PER_S - 1;
	assert_int_equal(ask(lab, ROUTER, ROUTER), DROP_ARP_CONFLICT);
	assert_int_equal(lab->p.len, 60);
	lab->now_ns += 1;
	assert_int_equal(ask(lab, ROUTER, ROUTER), TO_EGRESS);
	assert_sent(lab, announcement);
	assert_nothing_learnt(lab);
	assert_int_equal(lab->stats->arp_requests, 2);
	assert_int_equal(lab->stats->arp_replies, 0);
	lab_free(lab);
}

static void arp_claim_in_a_reply_or_a_question_is_a_conflict_too(void **unused)
{
	(void)unused;
	const struct said cases[] = {
		SAID(ARP_REPLY, peer, ROUTER_SECOND, ROUTER, .eth_dst = router),
		SAID(ARP_REPLY, peer, ROUTER_SECOND, PEER),
		SAID(ARP_REQUEST, peer, ROUTER_SECOND, ip(10, 5, 0, 9)),
	};
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct lab *lab = lab_new();
		assert_int_equal(say(lab, cases[i]), TO_EGRESS);
		assert_sent(lab, SAID(ARP_REQUEST, router, ROUTER_SECOND, ROUTER_SECOND));
		assert_int_equal(say(lab, cases[i]), DROP_ARP_CONFLICT);
		assert_nothing_learnt(lab);
		lab_free(lab);
	}
}

static void arp_conflicts_are_limited_for_each_port_alone(void **unused)
{
	(void)unused;
	struct lab *lab = lab_new();
	assert_int_equal(ask(lab, ROUTER, ROUTER), TO_EGRESS);
	struct said said = SAID(ARP_REQUEST, peer, ROUTER_R1, ROUTER_R1, .port = 1);
	assert_int_equal(say(lab, said), TO_EGRESS);
	assert_sent(lab, SAID(ARP_REQUEST, router_r1, ROUTER_R1, ROUTER_R1, .port = 1));
	assert_int_equal(say(lab, said), DROP_ARP_CONFLICT);
	lab_free(lab);
}

/* -- our own requests ------------------------------------------------------------------------ */

static void arp_request_of_ours_comes_from_the_address_in_the_targets_subnet(void **unused)
{
	(void)unused;
	struct lab *lab = lab_new();
	const be32 targets[] = {PEER, ip(10, 5, 0, 9), ip(172, 16, 0, 1)};
	const be32 senders[] = {ROUTER, ROUTER_SECOND, ROUTER};
	for (unsigned i = 0; i < ARRAY_SIZE(targets); i++) {
		memset(lab->frame, 0xee, sizeof(lab->frame));
		lab->p = (struct packet){.data = lab->frame, .port_in = PORT_NONE};
		assert_true(arp_request(&lab->ports[0], &lab->p, targets[i], everyone));
		assert_int_equal(lab->p.verdict, TO_EGRESS);
		assert_sent(lab, SAID(ARP_REQUEST, router, senders[i], targets[i]));
		assert_int_equal(lab->frame[FRAME_LEN], 0xee);
	}
	lab_free(lab);
}

static void arp_probe_of_ours_is_unicast(void **unused)
{
	(void)unused;
	struct lab *lab = lab_new();
	lab->p = (struct packet){.data = lab->frame, .port_in = PORT_NONE};
	assert_true(arp_request(&lab->ports[1], &lab->p, ip(192, 168, 0, 2), peer));
	assert_sent(lab, SAID(ARP_REQUEST, router_r1, ROUTER_R1, ip(192, 168, 0, 2),
			      .eth_dst = peer, .port = 1));
	lab_free(lab);
}

static void arp_request_from_a_port_without_address_is_none(void **unused)
{
	(void)unused;
	struct lab *lab = lab_new();
	lab->ports[0].n_addresses = 0;
	lab->p = (struct packet){.data = lab->frame, .port_in = PORT_NONE};
	assert_false(arp_request(&lab->ports[0], &lab->p, PEER, everyone));
	assert_int_equal(lab->p.len, 0);
	lab_free(lab);
}

static void arp_vector_of_several_gives_each_its_own_verdict(void **unused)
{
	(void)unused;
	struct lab *lab = lab_new();
	uint8_t frames[3][60];
	struct packet packets[3];
	struct vector v = {.n = 3};
	const struct said said[] = {
		SAID(ARP_REQUEST, peer, PEER, ROUTER),
		SAID(ARP_REQUEST, peer, PEER, KERNEL),
		SAID(7, peer, PEER, ROUTER),
	};
	for (unsigned i = 0; i < 3; i++) {
		write_frame(frames[i], &said[i]);
		packets[i] = (struct packet){.data = frames[i], .len = 60, .verdict = TO_ARP};
		v.p[i] = &packets[i];
	}
	arp_input(lab->table, lab->neigh, lab->stats, lab->state, &v, lab->now_ns);
	assert_int_equal(packets[0].verdict, TO_EGRESS);
	assert_int_equal(packets[1].verdict, PUNTED);
	assert_int_equal(packets[2].verdict, DROP_ARP_OPERATION);
	lab_free(lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arp_request_for_us_is_answered_and_learnt),
		cmocka_unit_test(arp_reply_is_these_42_bytes),
		cmocka_unit_test(arp_unicast_request_for_us_is_answered),
		cmocka_unit_test(arp_request_for_a_second_address_is_answered),
		cmocka_unit_test(arp_request_for_an_address_shared_with_the_kernel_is_ours),
		cmocka_unit_test(arp_probe_for_us_is_answered_and_not_learnt),
		cmocka_unit_test(arp_probe_for_another_is_not_ours),
		cmocka_unit_test(arp_request_for_another_is_overheard),
		cmocka_unit_test(arp_request_for_another_ports_address_is_not_ours),
		cmocka_unit_test(arp_for_an_address_only_the_kernel_has_is_punted_unread),
		cmocka_unit_test(arp_announcement_changes_but_creates_nothing),
		cmocka_unit_test(arp_announcement_where_the_kernel_listens_is_punted),
		cmocka_unit_test(arp_reply_to_us_completes_and_is_taken),
		cmocka_unit_test(arp_reply_nobody_asked_for_creates_nothing),
		cmocka_unit_test(arp_reply_not_sent_to_us_is_only_heard),
		cmocka_unit_test(arp_reply_where_the_kernel_listens_is_noted_and_punted),
		cmocka_unit_test(arp_cut_short_is_dropped),
		cmocka_unit_test(arp_for_other_hardware_or_protocol_is_dropped),
		cmocka_unit_test(arp_operation_neither_request_nor_reply_is_dropped),
		cmocka_unit_test(arp_sender_that_cannot_be_is_dropped_and_not_learnt),
		cmocka_unit_test(arp_stranger_to_the_subnet_is_answered_and_not_learnt),
		cmocka_unit_test(arp_is_answered_to_the_sender_it_names),
		cmocka_unit_test(arp_from_a_port_that_is_gone_is_dropped),
		cmocka_unit_test(arp_claim_to_our_address_is_defended_once_in_ten_seconds),
		cmocka_unit_test(arp_claim_in_a_reply_or_a_question_is_a_conflict_too),
		cmocka_unit_test(arp_conflicts_are_limited_for_each_port_alone),
		cmocka_unit_test(arp_request_of_ours_comes_from_the_address_in_the_targets_subnet),
		cmocka_unit_test(arp_probe_of_ours_is_unicast),
		cmocka_unit_test(arp_request_from_a_port_without_address_is_none),
		cmocka_unit_test(arp_vector_of_several_gives_each_its_own_verdict),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
