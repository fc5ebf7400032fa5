/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pipeline: whole frames in, whole frames out, through all rooms; every end counted, and
 * both sums of the house right after every turn. The world is drawn in world.h.
 */
#include "world.h"

#include "../../bpf/shared.h"
#include "../../dataplane/csum.h"

#include <stdio.h>
#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const struct mac everyone = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

static int set_up(void **state)
{
	*state = world_new(true);
	return 0;
}

static int tear_down(void **state)
{
	world_free(*state);
	return 0;
}

static void turn(struct world *w)
{
	world_turn(w);
	assert_true(pipeline_balanced(&w->pipeline));
}

static uint64_t ended(const struct world *w, enum verdict v) { return stats_end(&w->stats, v); }

static const struct ip4_hdr *ip_of(const struct world_frame *f)
{
	return (const struct ip4_hdr *)(f->bytes + sizeof(struct eth_hdr));
}

static const struct icmp_hdr *icmp_of(const struct world_frame *f)
{
	return (const struct icmp_hdr *)(f->bytes + sizeof(struct eth_hdr) +
					 sizeof(struct ip4_hdr));
}

static void pipeline_transit_changes_nothing_but_what_it_must(void **state)
{
	struct world *w = *state;
	uint8_t frame[256], expected[256];
	uint32_t len = world_ip4(frame, 0, "192.168.1.2", "192.168.0.2", 64, PROTO_UDP, 100);
	struct eth_hdr link = {world_station_mac(1, 2), world_port_mac(1), be16_from(ETH_IPV4)};
	struct ip4_hdr *ip = (struct ip4_hdr *)(expected + sizeof(link));

	world_neighbour(w, 1, 2, "192.168.0.2");
	memcpy(expected, frame, len);
	memcpy(expected, &link, sizeof(link));
	ip->ttl = 63;
	ip->checksum = (be16){0};
	ip->checksum = csum_of(ip, sizeof(*ip));

	assert_true(world_arrive(w, 0, frame, len, 0));
	turn(w);
	assert_int_equal(w->wires[1].n_sent, 1);
	assert_int_equal(w->wires[1].sent[0].len, len);
	assert_memory_equal(w->wires[1].sent[0].bytes, expected, len);
	assert_int_equal(ended(w, SENT), 1);
	assert_int_equal(w->stats.port[0].rx_packets, 1);
	assert_int_equal(fib_hits(w->fib, 1), 1);
}

static void pipeline_first_packets_wait_for_arp_in_order(void **state)
{
	struct world *w = *state;
	uint8_t frame[256];

	for (unsigned i = 0; i < 3; i++) {
		uint32_t len =
			world_ip4(frame, 0, "192.168.1.2", "192.168.0.2", 64, PROTO_UDP, 20 + i);
		assert_true(world_arrive(w, 0, frame, len, 0));
	}
	turn(w);
	assert_int_equal(w->wires[1].n_sent, 1); /* the request, once */
	assert_int_equal(w->wires[1].sent[0].len, 42);
	assert_memory_equal(w->wires[1].sent[0].bytes, everyone.b, 6);
	assert_int_equal(w->pool.n_held, 3);
	assert_int_equal(ended(w, HELD), 3);
	assert_int_equal(w->stats.arp_requests, 1);

	world_forget(w);
	uint32_t len =
		world_arp(frame, 1, 2, ARP_REPLY, world_port_mac(1), "192.168.0.2", "192.168.0.1");
	assert_true(world_arrive(w, 1, frame, len, 0));
	turn(w);
	assert_int_equal(w->wires[1].n_sent, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(w->wires[1].sent[i].len, 14 + 20 + 20 + i);
	assert_int_equal(w->pool.n_held, 0);
	assert_int_equal(ended(w, TAKEN), 1);
	assert_int_equal(ended(w, SENT), 4); /* the request too */
}

static void pipeline_packets_that_waited_are_not_overtaken(void **state)
{
	struct world *w = *state;
	uint8_t frame[256];
	uint32_t len = world_ip4(frame, 1, "192.168.0.3", "192.168.1.2", 64, PROTO_UDP, 20);

	assert_true(world_arrive(w, 1, frame, len, 0));
	turn(w);
	/* The answer and the flow's next packet come in one turn, the answer's port read first. */
	len = world_arp(frame, 0, 2, ARP_REPLY, world_port_mac(0), "192.168.1.2", "192.168.1.1");
	assert_true(world_arrive(w, 0, frame, len, 0));
	len = world_ip4(frame, 1, "192.168.0.3", "192.168.1.2", 64, PROTO_UDP, 21);
	assert_true(world_arrive(w, 1, frame, len, 0));
	world_forget(w);
	turn(w);
	assert_int_equal(w->wires[0].n_sent, 2);
	assert_int_equal(w->wires[0].sent[0].len, 14 + 20 + 20);
	assert_int_equal(w->wires[0].sent[1].len, 14 + 20 + 21);
}

static void pipeline_silent_next_hop_ends_in_host_unreachable(void **state)
{
	struct world *w = *state;
	uint8_t frame[256];
	uint32_t len = world_ip4(frame, 0, "192.168.1.2", "192.168.0.7", 64, PROTO_UDP, 40);

	world_neighbour(w, 0, 2, "192.168.1.2");
	assert_true(world_arrive(w, 0, frame, len, 0));
	turn(w);
	for (unsigned i = 0; i < 10 && !w->wires[0].n_sent; i++) {
		w->now_ns = pipeline_next(&w->pipeline);
		assert_true(w->now_ns != UINT64_MAX);
		turn(w);
	}
	assert_int_equal(w->wires[1].n_sent, 3); /* three broadcasts */
	assert_int_equal(w->wires[0].n_sent, 1);
	assert_int_equal(icmp_of(&w->wires[0].sent[0])->type, ICMP_UNREACHABLE);
	assert_int_equal(icmp_of(&w->wires[0].sent[0])->code, ICMP_HOST);
	assert_int_equal(ended(w, DROP_NEIGH_FAILED), 1);
	assert_int_equal(w->stats.icmp_errors, 1);
	/* It quotes the datagram as it arrived: TTL 64 and all. */
	assert_memory_equal(w->wires[0].sent[0].bytes + 42, frame + 14, len - 14);
}

static void pipeline_drops_that_ask_for_an_error_send_it(void **state)
{
	static const struct {
		const char *dst;
		uint8_t ttl, type, code;
		enum verdict verdict;
	} cases[] = {
		{"192.168.0.2", 1, ICMP_TIME_EXCEEDED, 0, DROP_IP4_TTL},
		{"172.16.0.1", 64, ICMP_UNREACHABLE, ICMP_NET, DROP_IP4_NO_ROUTE},
		{"10.7.0.1", 64, ICMP_UNREACHABLE, ICMP_HOST, DROP_IP4_UNREACHABLE},
		{"10.6.0.1", 64, ICMP_UNREACHABLE, ICMP_PROHIBITED, DROP_IP4_PROHIBIT},
		{"192.168.0.1", 64, ICMP_UNREACHABLE, ICMP_PORT, DROP_LOCAL_PORT},
	};
	struct world *w = *state;
	uint8_t frame[256];

	world_neighbour(w, 0, 2, "192.168.1.2");
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		uint32_t len = world_ip4(frame, 0, "192.168.1.2", cases[i].dst, cases[i].ttl,
					 PROTO_UDP, 30);
		const struct udp_hdr udp = {be16_from(1), be16_from(2), be16_from(30), {0}};
		memcpy(frame + 34, &udp, sizeof(udp));
		world_forget(w);
		assert_true(world_arrive(w, 0, frame, len, 0));
		turn(w);
		assert_int_equal(w->wires[0].n_sent, 1);
		const struct world_frame *f = &w->wires[0].sent[0];
		assert_int_equal(icmp_of(f)->type, cases[i].type);
		assert_int_equal(icmp_of(f)->code, cases[i].code);
		assert_int_equal(csum_fold(csum_add(0, icmp_of(f), f->len - 34)), 0xffff);
		assert_int_equal(csum_fold(csum_add(0, ip_of(f), 20)), 0xffff);
		assert_int_equal(ended(w, cases[i].verdict), 1);
	}
	world_forget(w);
	uint32_t len = world_ip4(frame, 0, "192.168.1.2", "10.8.0.1", 64, PROTO_UDP, 30);
	assert_true(world_arrive(w, 0, frame, len, 0));
	turn(w);
	assert_int_equal(w->wires[0].n_sent, 0);
	assert_int_equal(ended(w, DROP_IP4_BLACKHOLE), 1);
}

static void pipeline_echo_request_is_answered_by_the_fib_s_way(void **state)
{
	struct world *w = *state;
	uint8_t frame[256];
	uint32_t len = world_ip4(frame, 0, "192.168.1.2", "192.168.0.1", 9, PROTO_ICMP, 56);
	struct icmp_hdr *icmp = (struct icmp_hdr *)(frame + 34);

	world_neighbour(w, 0, 2, "192.168.1.2");
	*icmp = (struct icmp_hdr){.type = ICMP_ECHO};
	icmp->checksum = csum_of(icmp, 56);
	assert_true(world_arrive(w, 0, frame, len, 0));
	turn(w);
	assert_int_equal(w->wires[0].n_sent, 1);
	const struct world_frame *f = &w->wires[0].sent[0];
	assert_int_equal(icmp_of(f)->type, ICMP_ECHO_REPLY);
	assert_true(be32_equal(ip_of(f)->src, world_address("192.168.0.1")));
	assert_int_equal(ip_of(f)->ttl, 64);
	assert_memory_equal(f->bytes + 42, frame + 42, len - 42);
}

static void pipeline_what_the_kernel_has_is_punted_whole(void **state)
{
	struct world *w = *state;
	uint8_t frame[256];
	uint32_t len = world_ip4(frame, 2, "10.0.0.2", "10.0.0.1", 64, PROTO_TCP, 40);

	assert_true(world_arrive(w, 2, frame, len, 0));
	turn(w);
	assert_int_equal(w->kernel.n_sent, 1);
	assert_int_equal(w->kernel.sent[0].len, len);
	assert_memory_equal(w->kernel.sent[0].bytes, frame, len);
	assert_int_equal(ended(w, PUNTED), 1);
}

static void pipeline_large_datagram_leaves_in_fragments(void **state)
{
	struct world *w = *state;
	uint8_t frame[2048];
	uint32_t len = world_ip4(frame, 0, "192.168.1.2", "192.168.0.2", 64, PROTO_UDP, 1480);
	uint32_t at = 0;

	world_neighbour(w, 1, 2, "192.168.0.2");
	assert_true(world_arrive(w, 0, frame, len, 0));
	turn(w);
	assert_int_equal(w->wires[1].n_sent, 2);
	for (unsigned i = 0; i < 2; i++) {
		const struct world_frame *f = &w->wires[1].sent[i];
		assert_in_range(f->len, 1, 14 + 1400);
		assert_int_equal(ip4_offset(ip_of(f)), at);
		assert_memory_equal(f->bytes + 34, frame + 34 + at, f->len - 34);
		at += f->len - 34;
	}
	assert_int_equal(at, 1480);
	assert_int_equal(ended(w, SENT), 2);
	assert_int_equal(w->stats.created, 1);
}

static void pipeline_errors_about_errors_are_never_made(void **state)
{
	struct world *w = *state;
	uint8_t frame[256];

	/* The error's own way back is a next hop that never answers. */
	for (unsigned i = 0; i < 4; i++) {
		uint32_t len = world_ip4(frame, 0, "192.168.1.77", "10.7.0.1", 64, PROTO_UDP, 30);
		assert_true(world_arrive(w, 0, frame, len, 0));
	}
	turn(w);
	for (unsigned i = 0; i < 10 && w->pool.n_held; i++) {
		w->now_ns = pipeline_next(&w->pipeline);
		turn(w);
	}
	assert_int_equal(w->pool.n_held, 0);
	assert_int_equal(w->stats.icmp_errors, 4);
	assert_int_equal(ended(w, DROP_NEIGH_FAILED), 4);
	assert_int_equal(w->pool.n_free, WORLD_FRAMES);
}

static void pipeline_same_port_out_earns_a_redirect_and_is_forwarded(void **state)
{
	struct world *w = *state;
	uint8_t frame[256];
	uint32_t len = world_ip4(frame, 1, "192.168.0.2", "10.9.1.1", 64, PROTO_UDP, 30);

	world_neighbour(w, 1, 2, "192.168.0.2");
	world_neighbour(w, 1, 9, "192.168.0.9");
	assert_true(world_arrive(w, 1, frame, len, 0));
	turn(w);
	assert_int_equal(w->wires[1].n_sent, 2);
	const struct world_frame *redirect = &w->wires[1].sent[0];
	if (icmp_of(redirect)->type != ICMP_REDIRECT)
		redirect = &w->wires[1].sent[1];
	assert_int_equal(icmp_of(redirect)->type, ICMP_REDIRECT);
	assert_int_equal(icmp_of(redirect)->code, 1);
	assert_true(be32_equal(icmp_of(redirect)->rest, world_address("192.168.0.9")));
	assert_int_equal(ip_of(redirect)->ttl, 64);
}

static void pipeline_pool_too_small_for_fragments_drops_by_name(void **state)
{
	struct world *w = *state;
	uint8_t frame[2048];
	struct packet *taken[WORLD_FRAMES];
	unsigned n = 0;

	world_neighbour(w, 1, 2, "192.168.0.2");
	uint32_t len = world_ip4(frame, 0, "192.168.1.2", "192.168.0.2", 64, PROTO_UDP, 1480);
	assert_true(world_arrive(w, 0, frame, len, 0));
	while ((taken[n] = frame_get(&w->pool)))
		n++;
	world_turn(w);
	assert_int_equal(ended(w, DROP_FRAMES), 1);
	assert_int_equal(w->wires[1].n_sent, 0);
	while (n)
		frame_put(&w->pool, taken[--n]);
	assert_true(pipeline_balanced(&w->pipeline));
}

/* Any mixture of traffic ends with every packet accounted for. */
/* -- large packets ----------------------------------------------------------------- */

enum { HEAD = 14 + 20 + 20, SEGMENT = 1000, N_SEGMENTS = 8, LARGE = HEAD + N_SEGMENTS * SEGMENT };

/* N_SEGMENTS of TCP in one packet, as their sender's kernel would leave them for its card. */
static uint32_t tcp_large(uint8_t *frame, unsigned port, const char *src, const char *dst,
			  uint16_t fragment)
{
	uint32_t len = world_ip4(frame, port, src, dst, 64, PROTO_TCP, LARGE - 34);
	struct ip4_hdr *ip = (struct ip4_hdr *)(frame + 14);
	struct tcp_hdr *tcp = (struct tcp_hdr *)(ip + 1);

	ip->fragment = be16_from(fragment);
	ip->checksum = (be16){0};
	ip->checksum = csum_of(ip, sizeof(*ip));
	*tcp = (struct tcp_hdr){.sport = be16_from(1000),
				.dport = be16_from(80),
				.seq = be32_from(7),
				.data_offset = 0x50,
				.flags = 0x10};
	tcp->checksum.raw = csum_fold(csum_pseudo(ip->src, ip->dst, PROTO_TCP, LARGE - 34));
	return len;
}

static void arrive_large(struct world *w, const char *dst, uint16_t fragment)
{
	static uint8_t frame[LARGE];
	uint32_t len = tcp_large(frame, 0, "192.168.1.2", dst, fragment);

	assert_true(
		world_arrive_large(w, 0, frame, len, PACKET_UNKNOWN, 1792, SEGMENT, GATE_GSO_TCP));
}

/* Whether a frame of one segment has the right checksums. */
static bool is_whole(const struct world_frame *f)
{
	const struct ip4_hdr *ip = ip_of(f);
	uint64_t pseudo = csum_pseudo(ip->src, ip->dst, PROTO_TCP, (uint16_t)(f->len - 34));

	return csum_fold(csum_add(0, ip, 20)) == 0xffff &&
	       csum_fold(csum_add(pseudo, ip + 1, f->len - 34)) == 0xffff;
}

static void pipeline_large_packet_leaves_whole_where_it_is_taken(void **state)
{
	struct world *w = *state;
	const struct world_frame *f = w->wires[1].sent;

	world_neighbour(w, 1, 2, "192.168.0.2");
	w->wires[1].takes_large = true;
	arrive_large(w, "192.168.0.2", IP4_DF);
	turn(w);
	assert_int_equal(w->wires[1].n_sent, 1);
	assert_int_equal(f->len, LARGE); /* more than the port's MTU: its segments are not */
	assert_int_equal(f->gso_size, SEGMENT);
	assert_int_equal(ip_of(f)->ttl, 63);
	assert_int_equal(csum_fold(csum_add(0, ip_of(f), 20)), 0xffff);
	assert_int_equal(ended(w, SENT), 1);
	assert_int_equal(w->stats.created, 0);
}

static void pipeline_large_packet_is_cut_where_it_is_not(void **state)
{
	struct world *w = *state;

	world_neighbour(w, 1, 2, "192.168.0.2");
	arrive_large(w, "192.168.0.2", IP4_DF);
	turn(w);
	assert_int_equal(w->wires[1].n_sent, N_SEGMENTS);
	for (unsigned i = 0; i < N_SEGMENTS; i++) {
		const struct world_frame *f = &w->wires[1].sent[i];
		assert_int_equal(f->len, HEAD + SEGMENT);
		assert_int_equal(be16_host(ip_of(f)->id), 0x1234 + i);
		assert_true(is_whole(f));
	}
	assert_int_equal(ended(w, SENT), N_SEGMENTS);
	assert_int_equal(w->stats.created, N_SEGMENTS - 1);
}

static void pipeline_large_packet_for_the_kernel_is_cut(void **state)
{
	struct world *w = *state;

	arrive_large(w, "10.0.0.1", IP4_DF); /* the kernel has it too */
	turn(w);
	assert_int_equal(w->kernel.n_sent, N_SEGMENTS);
	for (unsigned i = 0; i < N_SEGMENTS; i++)
		assert_true(is_whole(&w->kernel.sent[i]));
	assert_int_equal(ended(w, PUNTED), N_SEGMENTS);
}

static void pipeline_large_packet_is_judged_by_its_segments(void **state)
{
	struct world *w = *state;

	world_neighbour(w, 0, 2, "192.168.1.2");
	world_neighbour(w, 1, 2, "192.168.0.2");
	w->wires[1].takes_large = true;
	w->ports[1].mtu = SEGMENT + 39; /* one byte less than a segment needs */
	arrive_large(w, "192.168.0.2", IP4_DF);
	turn(w);
	assert_int_equal(w->wires[1].n_sent, 0);
	assert_int_equal(ended(w, DROP_IP4_MTU), 1);
	const struct icmp_hdr *error = icmp_of(&w->wires[0].sent[0]);
	assert_int_equal(error->code, ICMP_FRAG_NEEDED);
	assert_int_equal(be32_host(error->rest), SEGMENT + 39);

	arrive_large(w, "192.168.0.2", 0); /* each segment in two pieces */
	turn(w);
	assert_int_equal(w->wires[1].n_sent, 2 * N_SEGMENTS);
	for (unsigned i = 0; i < 2 * N_SEGMENTS; i++) {
		const struct ip4_hdr *ip = ip_of(&w->wires[1].sent[i]);
		assert_int_equal(be16_host(ip->id), 0x1234 + i / 2);
		assert_int_equal(!!(be16_host(ip->fragment) & IP4_MF), i % 2 == 0);
	}
	assert_int_equal(w->stats.fragments, 2 * N_SEGMENTS);
}

static void pipeline_large_packet_waits_for_arp_with_all_its_frames(void **state)
{
	struct world *w = *state;
	uint8_t frame[64];

	w->wires[1].takes_large = true;
	arrive_large(w, "192.168.0.2", IP4_DF);
	turn(w);
	assert_int_equal(w->pool.n_held, 1);
	assert_int_equal(w->pool.n_parts, LARGE / 1792);
	uint32_t len =
		world_arp(frame, 1, 2, ARP_REPLY, world_port_mac(1), "192.168.0.2", "192.168.0.1");
	world_arrive(w, 1, frame, len, 0);
	world_forget(w);
	turn(w);
	assert_int_equal(w->wires[1].n_sent, 1);
	assert_int_equal(w->wires[1].sent[0].len, LARGE);
	assert_int_equal(w->pool.n_free, WORLD_FRAMES);
}

static void pipeline_large_packets_hold_no_more_frames_than_small_ones(void **state)
{
	struct world *w = *state;

	for (unsigned i = 0; i < 20; i++) /* five frames each; the world's table holds 32 */
		arrive_large(w, i % 2 ? "192.168.0.2" : "192.168.0.3", IP4_DF);
	turn(w);
	assert_int_equal(w->pool.n_held, 6);
	assert_int_equal(w->pool.n_held + w->pool.n_parts, 30);
	assert_int_equal(ended(w, DROP_NEIGH_QUEUE), 14);
}

static void pipeline_large_packet_floods_whole_and_cut(void **state)
{
	static uint8_t frame[LARGE];
	struct world *w = *state;

	uint32_t len = tcp_large(frame, 4, "192.168.10.4", "192.168.10.5", IP4_DF);
	memcpy(frame, "\x02\0\0\0\xee\xee", 6); /* nobody knows where it is */
	w->wires[5].takes_large = true;
	w->ports[4].mirror = 0;
	assert_true(
		world_arrive_large(w, 4, frame, len, PACKET_UNKNOWN, 1792, SEGMENT, GATE_GSO_TCP));
	turn(w);
	w->ports[4].mirror = PORT_NONE;
	assert_int_equal(w->wires[5].n_sent, 1);
	assert_int_equal(w->wires[5].sent[0].len, LARGE);
	assert_memory_equal(w->wires[5].sent[0].bytes, frame, WORLD_FRAME_SIZE);
	for (unsigned port = 0; port <= 6; port += 6) { /* the mirror's copy is cut, too */
		assert_int_equal(w->wires[port].n_sent, N_SEGMENTS);
		for (unsigned i = 0; i < N_SEGMENTS; i++)
			assert_true(is_whole(&w->wires[port].sent[i]));
	}
	assert_int_equal(w->pool.n_free, WORLD_FRAMES);
}

static void pipeline_long_datagram_of_several_frames_is_answered_and_fragmented(void **state)
{
	static uint8_t frame[9000];
	struct world *w = *state;

	world_neighbour(w, 0, 2, "192.168.1.2");
	world_neighbour(w, 1, 2, "192.168.0.2");
	uint32_t len = world_ip4(frame, 0, "192.168.1.2", "192.168.1.1", 64, PROTO_ICMP, 5001);
	struct icmp_hdr *icmp = (struct icmp_hdr *)(frame + 34);
	*icmp = (struct icmp_hdr){.type = ICMP_ECHO};
	icmp->checksum = csum_of(icmp, 5001);
	assert_true(world_arrive_large(w, 0, frame, len, 0, 1500, 0, 0));
	len = world_ip4(frame, 0, "192.168.1.2", "192.168.0.2", 64, PROTO_UDP, 5001);
	assert_true(world_arrive_large(w, 0, frame, len, 0, 1500, 0, 0));
	turn(w);
	assert_int_equal(ended(w, DROP_ICMP_CHECKSUM), 0);
	uint32_t total = 0;
	for (unsigned wire = 0; wire < 2; wire++, total = 0) {
		assert_int_equal(w->wires[wire].n_sent, 4);
		for (unsigned i = 0; i < 4; i++) {
			const struct world_frame *f = &w->wires[wire].sent[i];
			if (wire) /* what was counted bytes goes on counting */
				assert_int_equal(f->bytes[34 + 9],
						 (uint8_t)(ip4_offset(ip_of(f)) + 9));
			total += f->len - 34;
		}
		assert_int_equal(total, 5001);
	}
	assert_int_equal(w->pool.n_free, WORLD_FRAMES);
}

static void pipeline_datagram_of_several_frames_needs_a_lane_that_takes_it(void **state)
{
	static uint8_t frame[9000];
	struct world *w = *state;
	uint32_t len = world_ip4(frame, 0, "192.168.1.2", "192.168.0.2", 64, PROTO_UDP, 5001);

	world_neighbour(w, 1, 2, "192.168.0.2");
	w->ports[1].mtu = 9000;
	assert_true(world_arrive_large(w, 0, frame, len, 0, 1500, 0, 0));
	turn(w);
	assert_int_equal(ended(w, DROP_FRAME_SIZE), 1);
	w->wires[1].takes_large = true;
	assert_true(world_arrive_large(w, 0, frame, len, 0, 1500, 0, 0));
	turn(w);
	assert_int_equal(w->wires[1].n_sent, 1);
	assert_int_equal(w->wires[1].sent[0].len, len);
	/* without room for its headers in the first frame, or longer than a datagram can be */
	assert_true(world_arrive_large(w, 0, frame, len, 0, PACKET_HEAD_MIN - 1, 0, 0));
	turn(w);
	assert_int_equal(ended(w, DROP_FRAME_SIZE), 2);
	assert_int_equal(w->pool.n_free, WORLD_FRAMES);
}

static void pipeline_random_traffic_stays_balanced(void **state)
{
	static const char *addresses[] = {
		"192.168.1.2", "192.168.1.1", "192.168.0.2", "192.168.0.9", "192.168.0.255",
		"10.0.0.1", "10.0.0.2", "10.9.8.7", "10.8.0.1", "10.7.0.1", "10.6.0.1",
		"8.8.8.8", "127.0.0.1", "224.0.0.1", "255.255.255.255", "0.0.0.0",
	};
	struct world *w = *state;
	unsigned seed = 20261120;
	uint8_t frame[2048];

	print_message("seed %u\n", seed);
	srand(seed);
	for (unsigned round = 0; round < 2000; round++) {
		for (unsigned i = (unsigned)rand() % 20; i; i--) {
			unsigned port = (unsigned)rand() % 3;
			uint32_t len;
			if (rand() % 8 == 0)
				len = world_arp(frame, port, (unsigned)rand() % 4,
						(uint16_t)(rand() % 3),
						rand() % 2 ? everyone : world_port_mac(port),
						addresses[rand() % 16], addresses[rand() % 16]);
			else
				len = world_ip4(frame, port, addresses[rand() % 16],
						addresses[rand() % 16], (uint8_t)(rand() % 4),
						rand() % 2 ? PROTO_UDP : PROTO_ICMP,
						(uint32_t)rand() % 1480);
			if (rand() % 4 == 0)
				frame[rand() % len] = (uint8_t)rand();
			world_arrive(w, port, frame, len, rand() % 2 ? PACKET_UNKNOWN : 0);
		}
		w->now_ns += (uint64_t)rand() % (200 * NS_PER_MS);
		world_forget(w);
		turn(w);
	}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(pipeline_transit_changes_nothing_but_what_it_must),
		TEST(pipeline_first_packets_wait_for_arp_in_order),
		TEST(pipeline_packets_that_waited_are_not_overtaken),
		TEST(pipeline_silent_next_hop_ends_in_host_unreachable),
		TEST(pipeline_drops_that_ask_for_an_error_send_it),
		TEST(pipeline_echo_request_is_answered_by_the_fib_s_way),
		TEST(pipeline_what_the_kernel_has_is_punted_whole),
		TEST(pipeline_large_datagram_leaves_in_fragments),
		TEST(pipeline_errors_about_errors_are_never_made),
		TEST(pipeline_same_port_out_earns_a_redirect_and_is_forwarded),
		TEST(pipeline_pool_too_small_for_fragments_drops_by_name),
		TEST(pipeline_large_packet_leaves_whole_where_it_is_taken),
		TEST(pipeline_large_packet_is_cut_where_it_is_not),
		TEST(pipeline_large_packet_for_the_kernel_is_cut),
		TEST(pipeline_large_packet_is_judged_by_its_segments),
		TEST(pipeline_large_packet_waits_for_arp_with_all_its_frames),
		TEST(pipeline_large_packets_hold_no_more_frames_than_small_ones),
		TEST(pipeline_large_packet_floods_whole_and_cut),
		TEST(pipeline_long_datagram_of_several_frames_is_answered_and_fragmented),
		TEST(pipeline_datagram_of_several_frames_needs_a_lane_that_takes_it),
		TEST(pipeline_random_traffic_stays_balanced),
	};
	return cmocka_run_group_tests_name("pipeline", tests, NULL, NULL);
}
