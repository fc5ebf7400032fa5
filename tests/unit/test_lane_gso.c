/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_lane_gso - what is put together, and that nobody can tell.
 *
 * The lane sends over one end of a socket pair; at the other a naive twin of the kernel's GSO
 * cuts each frame again, and the segments must be those that went in, byte for byte.
 */
#include "packets.h"

#include "../../bpf/shared.h"
#include "../../dataplane/csum.h"
#include "../../dataplane/lane_gso.h"
#include "../../dataplane/offload.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

enum { FRAMES = 512, FRAME_SIZE = 2048, HEAD = 14 + 20 + 20, FIN = 1, PSH = 8, ACK = 16 };

struct bench {
	struct frame_pool pool;
	void *memory;
	struct stats *stats;
	struct gso_lane *lane;
	int near_end, far_end; /* of the socket pair; the lane closes the near one */
};

static void bench_open(struct bench *b)
{
	int fds[2];
	*b = (struct bench){.stats = calloc(1, sizeof(*b->stats)),
			    .memory = aligned_alloc(4096, FRAMES * FRAME_SIZE)};
	assert_int_equal(frame_pool_init(&b->pool, b->memory, FRAME_SIZE, FRAMES), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
	const struct xsk_config config = {.number = 1, .pool = &b->pool, .stats = b->stats};
	b->lane = gso_lane_new(fds[0], &config);
	b->near_end = fds[0];
	b->far_end = fds[1];
}

static void bench_close(struct bench *b)
{
	gso_lane_close(b->lane);
	if (b->far_end >= 0)
		close(b->far_end);
	frame_pool_fini(&b->pool);
	free(b->memory);
	free(b->stats);
}

/* -- segments ------------------------------------------------------------------------ */

/* What a test does not mention is zero, or takes the value in brackets. */
struct tcp_sketch {
	uint32_t seq;
	uint16_t id;
	unsigned payload_len; /* [1000] */
	uint8_t flags;        /* [ACK] */
	uint8_t tos;
	uint16_t sport;       /* [1000] */
	const char *options;  /* of TCP, in hex */
};

/* The checksums of a frame, after its bytes have changed. */
static void fix_sums(uint8_t *frame, uint32_t len)
{
	struct ip4_hdr *ip = (struct ip4_hdr *)(frame + 14);
	unsigned at = 14 + ip4_header_len(ip), tcp_len = len - at;
	struct tcp_hdr *tcp = (struct tcp_hdr *)(frame + at);
	ip->checksum = tcp->checksum = (be16){0};
	ip->checksum = be16_from((uint16_t)~naive_sum(ip, at - 14));
	uint32_t sum = naive_sum(tcp, tcp_len) + naive_sum(&ip->src, 8) + PROTO_TCP + tcp_len;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	tcp->checksum = be16_from((uint16_t)~sum);
}

static struct packet *segment_of(struct bench *b, const struct tcp_sketch *s)
{
	struct bytes options = bytes_hex(s->options ? s->options : "");
	unsigned payload_len = s->payload_len ? s->payload_len : 1000, head = HEAD + options.len;
	struct packet *p = frame_get(&b->pool);
	assert_non_null(p);
	*packet_eth(p) = (struct eth_hdr){mac_of("02:00:00:00:02:02"), mac_of("02:00:00:00:02:01"),
					  be16_from(ETH_IPV4)};
	*packet_ip4(p) = (struct ip4_hdr){
		.version_ihl = 0x45, .tos = s->tos, .id = be16_from(s->id),
		.total_len = be16_from((uint16_t)(head - 14 + payload_len)),
		.fragment = be16_from(IP4_DF), .ttl = 63, .protocol = PROTO_TCP,
		.src = address_of("192.168.1.2"), .dst = address_of("192.168.0.2"),
	};
	*(struct tcp_hdr *)(packet_ip4(p) + 1) = (struct tcp_hdr){
		.sport = be16_from(s->sport ? s->sport : 1000), .dport = be16_from(5201),
		.seq = be32_from(s->seq), .ack = be32_from(77), .window = be16_from(500),
		.data_offset = (uint8_t)((20 + options.len) / 4 << 4),
		.flags = s->flags ? s->flags : ACK,
	};
	memcpy(p->data + HEAD, options.at, options.len);
	for (unsigned i = 0; i < payload_len; i++)
		p->data[head + i] = (uint8_t)((s->seq + i) * 2654435761u >> 24);
	p->len = head + payload_len;
	p->tcp_sum_right = true;
	fix_sums(p->data, p->len);
	return p;
}
#define segment(b, ...) segment_of(b, &(struct tcp_sketch){__VA_ARGS__})

/* n of them, one behind the other. */
static void stream(struct bench *b, struct packet **packets, unsigned n, struct tcp_sketch s)
{
	for (unsigned i = 0; i < n; i++) {
		packets[i] = segment_of(b, &s);
		s.seq += s.payload_len ? s.payload_len : 1000;
		s.id++;
	}
}

/* Its sum as the sender's kernel left it. */
static void open_up(struct packet *p)
{
	struct ip4_hdr *ip = packet_ip4(p);
	uint32_t sum = naive_sum(&ip->src, 8) + PROTO_TCP + p->len - 34;
	p->flags |= PACKET_PARTIAL;
	p->csum_start = 34;
	p->csum_offset = offsetof(struct tcp_hdr, checksum);
	sum = (sum & 0xffff) + (sum >> 16);
	((struct tcp_hdr *)(ip + 1))->checksum = be16_from((uint16_t)sum);
}

static struct ip4_hdr *ip_of(struct packet *p) { return packet_ip4(p); }
static struct tcp_hdr *tcp_of(struct packet *p) { return (struct tcp_hdr *)(packet_ip4(p) + 1); }

static void put_back(struct bench *b, struct packet **packets, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		frame_put(&b->pool, packets[i]);
}

/* -- which packets form a run -------------------------------------------------------- */

static void segments_in_order_are_a_run(void **state)
{
	(void)state;
	struct bench b;
	struct packet *p[10];
	bench_open(&b);
	stream(&b, p, 10, (struct tcp_sketch){.seq = 5, .id = 9});
	assert_int_equal(gso_run(p, 10), 10);
	assert_int_equal(gso_run(p, 1), 1);
	assert_int_equal(gso_run(p, 0), 0);
	put_back(&b, p, 10);
	bench_close(&b);
}

static void numbers_wrap_within_a_run(void **state)
{
	(void)state;
	struct bench b;
	struct packet *p[10];
	bench_open(&b);
	stream(&b, p, 10, (struct tcp_sketch){.seq = UINT32_MAX - 3500, .id = 0xfffc});
	assert_int_equal(gso_run(p, 10), 10);
	put_back(&b, p, 10);
	bench_close(&b);
}

#define CHANGE(name, statement)                                                                    \
	static void name(struct packet *p)                                                         \
	{                                                                                          \
		statement;                                                                         \
	}
CHANGE(other_destination_mac, packet_eth(p)->dst.b[5]++)
CHANGE(other_source_mac, packet_eth(p)->src.b[5]++)
CHANGE(other_ethertype, packet_eth(p)->type = be16_from(ETH_VLAN))
CHANGE(other_source, ip_of(p)->src = address_of("192.168.1.3"))
CHANGE(other_destination, ip_of(p)->dst = address_of("192.168.0.3"))
CHANGE(other_sport, tcp_of(p)->sport.raw ^= 1)
CHANGE(other_dport, tcp_of(p)->dport.raw ^= 1)
CHANGE(other_dscp, ip_of(p)->tos ^= 0x20)
CHANGE(other_ecn, ip_of(p)->tos ^= 3)
CHANGE(other_ttl, ip_of(p)->ttl--)
CHANGE(other_protocol, ip_of(p)->protocol = PROTO_UDP)
CHANGE(no_df, ip_of(p)->fragment = (be16){0})
CHANGE(more_fragments, ip_of(p)->fragment = be16_from(IP4_DF | IP4_MF))
CHANGE(reserved_fragment_bit, ip_of(p)->fragment = be16_from(IP4_DF | 0x8000))
CHANGE(same_id, ip_of(p)->id = be16_from(0))
CHANGE(later_id, ip_of(p)->id = be16_from(2))
CHANGE(ip_options, ip_of(p)->version_ihl = 0x46)
CHANGE(version_six, ip_of(p)->version_ihl = 0x65)
CHANGE(shorter_total_len, ip_of(p)->total_len = be16_from(1039))
CHANGE(padding, p->len++)
CHANGE(other_ack, tcp_of(p)->ack = be32_from(78))
CHANGE(other_window, tcp_of(p)->window = be16_from(501))
CHANGE(urgent_pointer, tcp_of(p)->urgent = be16_from(1))
CHANGE(reserved_bit, tcp_of(p)->data_offset |= 1)
CHANGE(longer_header, tcp_of(p)->data_offset = 0x60)
CHANGE(tiny_header, tcp_of(p)->data_offset = 0x40)
CHANGE(gap, tcp_of(p)->seq = be32_from(1001))
CHANGE(overlap, tcp_of(p)->seq = be32_from(999))
CHANGE(repeat, tcp_of(p)->seq = be32_from(0))
CHANGE(sum_not_ours, p->tcp_sum_right = false)
CHANGE(flag_fin, tcp_of(p)->flags |= FIN)
CHANGE(flag_syn, tcp_of(p)->flags |= 2)
CHANGE(flag_rst, tcp_of(p)->flags |= 4)
CHANGE(flag_urg, tcp_of(p)->flags |= 0x20)
CHANGE(flag_ece, tcp_of(p)->flags |= 0x40)
CHANGE(flag_cwr, tcp_of(p)->flags |= 0x80)
CHANGE(flag_no_ack, tcp_of(p)->flags = PSH)

static const struct {
	const char *name;
	void (*change)(struct packet *p);
	bool starts_none; /* such a packet is no segment at all: it starts no run either */
} changes[] = {
#define ENDS(name) {#name, name, false}
#define NEVER(name) {#name, name, true}
	ENDS(other_destination_mac), ENDS(other_source_mac), NEVER(other_ethertype),
	ENDS(other_source), ENDS(other_destination), ENDS(other_sport), ENDS(other_dport),
	ENDS(other_dscp), ENDS(other_ecn), ENDS(other_ttl), NEVER(other_protocol),
	NEVER(no_df), NEVER(more_fragments), NEVER(reserved_fragment_bit),
	ENDS(same_id), ENDS(later_id), NEVER(ip_options), NEVER(version_six),
	NEVER(shorter_total_len), NEVER(padding), ENDS(other_ack), ENDS(other_window),
	ENDS(urgent_pointer), ENDS(reserved_bit), ENDS(longer_header), NEVER(tiny_header),
	ENDS(gap), ENDS(overlap), ENDS(repeat), NEVER(sum_not_ours),
	NEVER(flag_fin), NEVER(flag_syn), NEVER(flag_rst), NEVER(flag_urg), NEVER(flag_ece),
	NEVER(flag_cwr), NEVER(flag_no_ack),
};

/* The second of three is unlike the others in one respect, all sums being right. */
static void every_difference_ends_a_run(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(changes); i++) {
		struct bench b;
		struct packet *p[3];
		bench_open(&b);
		stream(&b, p, 3, (struct tcp_sketch){.seq = 0});
		changes[i].change(p[1]);
		ip_of(p[1])->checksum = (be16){0};
		ip_of(p[1])->checksum = be16_from((uint16_t)~naive_sum(ip_of(p[1]), 20));
		if (gso_run(p, 3) != 1)
			fail_msg("%s: does not end the run", changes[i].name);
		unsigned run = gso_run(p + 1, 2);
		if (changes[i].starts_none ? run != 0 : run != 1)
			fail_msg("%s: starts a run of %u", changes[i].name, run);
		put_back(&b, p, 3);
		bench_close(&b);
	}
}

static void wrong_header_checksum_is_in_no_run(void **state)
{
	(void)state;
	struct bench b;
	struct packet *p[3];
	bench_open(&b);
	stream(&b, p, 3, (struct tcp_sketch){.seq = 0});
	ip_of(p[1])->checksum.raw ^= 0x100;
	assert_int_equal(gso_run(p, 3), 1);
	assert_int_equal(gso_run(p + 1, 2), 0);
	put_back(&b, p, 3);
	bench_close(&b);
}

static void acknowledgements_are_in_no_run(void **state)
{
	(void)state;
	struct bench b;
	struct packet *p[3];
	bench_open(&b);
	stream(&b, p, 3, (struct tcp_sketch){.seq = 0});
	p[1]->len = HEAD;
	ip_of(p[1])->total_len = be16_from(40);
	fix_sums(p[1]->data, p[1]->len);
	assert_int_equal(gso_run(p, 3), 1);
	assert_int_equal(gso_run(p + 1, 2), 0);
	p[1]->len = HEAD - 1;
	assert_int_equal(gso_run(p + 1, 2), 0);
	put_back(&b, p, 3);
	bench_close(&b);
}

static void timestamps_and_other_options_are_equal_in_a_run(void **state)
{
	(void)state;
	struct bench b;
	struct packet *p[4];
	const char *first = "0101080a 00000001 00000002", *later = "0101080a 00000002 00000002";
	bench_open(&b);
	stream(&b, p, 2, (struct tcp_sketch){.options = first});
	stream(&b, p + 2, 2, (struct tcp_sketch){.seq = 2000, .id = 2, .options = later});
	assert_int_equal(gso_run(p, 4), 2);
	assert_int_equal(gso_run(p + 2, 2), 2);
	put_back(&b, p, 4);
	bench_close(&b);
}

static void shorter_segment_ends_a_run_and_longer_one_begins_another(void **state)
{
	(void)state;
	struct bench b;
	struct packet *p[3];
	bench_open(&b);
	p[0] = segment(&b, .seq = 0);
	p[1] = segment(&b, .seq = 1000, .id = 1, .payload_len = 500);
	p[2] = segment(&b, .seq = 1500, .id = 2, .payload_len = 500);
	assert_int_equal(gso_run(p, 3), 2);
	assert_int_equal(gso_run(p + 1, 2), 2);
	put_back(&b, p, 3);
	p[0] = segment(&b, .seq = 0);
	p[1] = segment(&b, .seq = 1000, .id = 1, .payload_len = 1001);
	assert_int_equal(gso_run(p, 2), 1);
	put_back(&b, p, 2);
	bench_close(&b);
}

static void push_ends_a_run(void **state)
{
	(void)state;
	struct bench b;
	struct packet *p[3];
	bench_open(&b);
	p[0] = segment(&b, .seq = 0);
	p[1] = segment(&b, .seq = 1000, .id = 1, .flags = ACK | PSH);
	p[2] = segment(&b, .seq = 2000, .id = 2);
	assert_int_equal(gso_run(p, 3), 2);
	assert_int_equal(gso_run(p + 1, 2), 1);
	put_back(&b, p, 3);
	bench_close(&b);
}

static void run_stays_below_64_kib_and_a_number_of_segments(void **state)
{
	(void)state;
	struct bench b;
	struct packet *p[GSO_RUN_MAX + 10];
	bench_open(&b);
	stream(&b, p, 50, (struct tcp_sketch){.payload_len = 1460});
	assert_int_equal(gso_run(p, 50), 44); /* 54 + 44 * 1460 = 64294 */
	put_back(&b, p, 50);
	stream(&b, p, ARRAY_SIZE(p), (struct tcp_sketch){.payload_len = 100});
	assert_int_equal(gso_run(p, ARRAY_SIZE(p)), GSO_RUN_MAX);
	put_back(&b, p, ARRAY_SIZE(p));
	bench_close(&b);
}

/* -- the head ------------------------------------------------------------------------ */

static void head_is_the_first_ones_with_the_whole_length(void **state)
{
	(void)state;
	struct bench b;
	struct packet *p[3];
	struct gso_head head;
	bench_open(&b);
	stream(&b, p, 3,
	       (struct tcp_sketch){
		       .seq = 7, .id = 3, .tos = 2, .options = "0101080a 00000001 00000002"});
	p[2]->len -= 100;
	ip_of(p[2])->total_len = be16_from((uint16_t)(p[2]->len - 14));
	tcp_of(p[2])->flags |= PSH;
	fix_sums(p[2]->data, p[2]->len);
	assert_int_equal(gso_run(p, 3), 3);
	gso_head(p, 3, &head);

	assert_int_equal(head.hint.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(head.hint.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	assert_int_equal(head.hint.hdr_len, HEAD + 12);
	assert_int_equal(head.hint.gso_size, 1000);
	assert_int_equal(head.hint.csum_start, 34);
	assert_int_equal(head.hint.csum_offset, 16);
	/* What differs from the first segment's: length, both sums, and PSH. */
	uint8_t want[HEAD + 12];
	memcpy(want, p[0]->data, sizeof(want));
	struct ip4_hdr *ip = (struct ip4_hdr *)(want + 14);
	struct tcp_hdr *tcp = (struct tcp_hdr *)(want + 34);
	ip->total_len = be16_from(20 + 32 + 2900);
	ip->checksum = (be16){0};
	ip->checksum = be16_from((uint16_t)~naive_sum(ip, 20));
	tcp->flags |= PSH;
	uint32_t sum = naive_sum(&ip->src, 8) + PROTO_TCP + 32u + 2900u;
	tcp->checksum = be16_from((uint16_t)((sum & 0xffff) + (sum >> 16)));
	assert_int_equal(head.frame_len, sizeof(want));
	assert_memory_equal(head.frame, want, sizeof(want));
	put_back(&b, p, 3);
	bench_close(&b);
}

/* -- sending ------------------------------------------------------------------------- */

/* Frames one behind the other, of one flow or of all. */
struct log {
	unsigned n;
	uint32_t len[FRAMES];
	uint8_t (*frame)[FRAME_SIZE];
};

static void log_open(struct log *log) { *log = (struct log){.frame = calloc(FRAMES, FRAME_SIZE)}; }

static void log_add(struct log *log, const uint8_t *frame, uint32_t len)
{
	assert_true(log->n < FRAMES && len <= FRAME_SIZE);
	memcpy(log->frame[log->n], frame, len);
	log->len[log->n++] = len;
}

static void log_expect(const struct log *have, const struct log *want)
{
	assert_int_equal(have->n, want->n);
	for (unsigned i = 0; i < have->n; i++) {
		assert_int_equal(have->len[i], want->len[i]);
		assert_memory_equal(have->frame[i], want->frame[i], have->len[i]);
	}
}

/* Cuts a frame as the kernel's GSO does. */
static void cut(const struct virtio_net_hdr *hint, const uint8_t *frame, uint32_t len,
		struct log *log)
{
	uint8_t piece[FRAME_SIZE];
	uint32_t done = hint->hdr_len, size;
	if (hint->gso_type == VIRTIO_NET_HDR_GSO_NONE) {
		log_add(log, frame, len);
		return;
	}
	for (unsigned i = 0; done < len; i++, done += size) {
		size = min_u32(hint->gso_size, len - done);
		memcpy(piece, frame, hint->hdr_len);
		memcpy(piece + hint->hdr_len, frame + done, size);
		struct ip4_hdr *ip = (struct ip4_hdr *)(piece + 14);
		struct tcp_hdr *tcp = (struct tcp_hdr *)(ip + 1);
		ip->total_len = be16_from((uint16_t)(hint->hdr_len - 14 + size));
		ip->id = be16_from((uint16_t)(be16_host(ip->id) + i));
		tcp->seq = be32_from(be32_host(tcp->seq) + i * hint->gso_size);
		if (done + size < len)
			tcp->flags &= (uint8_t)~(PSH | FIN);
		fix_sums(piece, hint->hdr_len + size);
		log_add(log, piece, hint->hdr_len + size);
	}
}

/* What the far end has got; returns the number of calls it took. */
static unsigned receive(struct bench *b, struct log *log)
{
	static uint8_t message[1 << 17];
	struct virtio_net_hdr hint;
	unsigned calls = 0;
	ssize_t len;
	while ((len = recv(b->far_end, message, sizeof(message), MSG_DONTWAIT)) > 0) {
		memcpy(&hint, message, sizeof(hint));
		cut(&hint, message + sizeof(hint), (uint32_t)(len - (ssize_t)sizeof(hint)), log);
		calls++;
	}
	return calls;
}

static void flow_leaves_in_one_call_and_is_cut_into_the_same_bytes(void **state)
{
	(void)state;
	struct bench b;
	struct packet *p[20];
	struct log want, have;
	bench_open(&b);
	log_open(&want);
	log_open(&have);
	stream(&b, p, 20, (struct tcp_sketch){.seq = 5, .id = 0xfff8, .tos = 1});
	tcp_of(p[19])->flags |= PSH;
	fix_sums(p[19]->data, p[19]->len);
	for (unsigned i = 0; i < 20; i++)
		log_add(&want, p[i]->data, p[i]->len);
	assert_int_equal(gso_send(b.lane, p, 20, false), 0);
	assert_int_equal(receive(&b, &have), 1);
	log_expect(&have, &want);
	assert_int_equal(b.pool.n_free, FRAMES);
	const struct port_stats *s = &b.stats->port[1];
	assert_int_equal(s->gso_calls, 1);
	assert_int_equal(s->gso_packets, 20);
	assert_int_equal(s->tx_packets, 20);
	assert_int_equal(s->tx_bytes, 20 * (HEAD + 1000));
	free(want.frame);
	free(have.frame);
	bench_close(&b);
}

static void other_packets_are_left_in_order(void **state)
{
	(void)state;
	struct bench b;
	struct packet *p[8], *others[3];
	struct log have;
	bench_open(&b);
	log_open(&have);
	/* Two flows among UDP and a flow with one segment. */
	p[0] = others[0] = segment(&b, .sport = 3);
	ip_of(others[0])->protocol = PROTO_UDP;
	stream(&b, p + 1, 2, (struct tcp_sketch){.sport = 1});
	p[3] = others[1] = segment(&b, .sport = 4);
	stream(&b, p + 4, 2, (struct tcp_sketch){.sport = 2});
	p[6] = others[2] = segment(&b, .sport = 5);
	others[2]->len = 20;
	p[7] = segment(&b, .sport = 1, .seq = 2000, .id = 2);
	assert_int_equal(gso_send(b.lane, p, 8, false), 3);
	assert_memory_equal(p, others, sizeof(others));
	assert_int_equal(receive(&b, &have), 2);
	assert_int_equal(have.n, 5);
	put_back(&b, others, 3);
	free(have.frame);
	bench_close(&b);
}

static void flow_that_saves_too_little_is_left(void **state)
{
	(void)state;
	struct bench b;
	struct packet *p[4], *before[4];
	bench_open(&b);
	for (unsigned i = 0; i < 4; i++) /* no two of them in a run */
		p[i] = segment(&b, .seq = i * 1000, .id = (uint16_t)(i * 2));
	memcpy(before, p, sizeof(p));
	assert_int_equal(gso_send(b.lane, p, 4, false), 4);
	assert_memory_equal(p, before, sizeof(p));
	put_back(&b, p, 4);
	bench_close(&b);
}

static void fragment_of_tcp_stops_coalescing_for_the_turn(void **state)
{
	(void)state;
	struct bench b;
	struct packet *p[4];
	bench_open(&b);
	stream(&b, p, 4, (struct tcp_sketch){.seq = 0});
	ip_of(p[3])->fragment = be16_from(IP4_MF);
	assert_int_equal(gso_send(b.lane, p, 4, false), 4);
	ip_of(p[3])->protocol = PROTO_UDP;
	assert_int_equal(gso_send(b.lane, p, 4, false), 1);
	put_back(&b, p, 1);
	bench_close(&b);
}

static void failed_call_leaves_everything(void **state)
{
	(void)state;
	struct bench b;
	struct packet *p[20], *before[20];
	bench_open(&b);
	stream(&b, p, 10, (struct tcp_sketch){.sport = 1});
	stream(&b, p + 10, 10, (struct tcp_sketch){.sport = 2});
	memcpy(before, p, sizeof(p));
	close(b.far_end);
	b.far_end = -1;
	assert_int_equal(gso_send(b.lane, p, 20, false), 20);
	assert_memory_equal(p, before, sizeof(p));
	assert_int_equal(b.stats->port[1].gso_errors, 1);
	assert_int_equal(b.stats->port[1].gso_calls, 0);
	assert_int_equal(b.stats->port[1].tx_packets, 0);
	put_back(&b, p, 20);
	bench_close(&b);
}

/* -- large packets ------------------------------------------------------------------- */

enum { CWR = 128 };

/* The segments of a stream as their sender's kernel would hand them over: one packet, several
 * frames. */
static struct packet *whole_of(struct bench *b, const struct tcp_sketch *s, unsigned n)
{
	struct packet *p[GSO_RUN_MAX], *last;
	struct gso_head head;
	stream(b, p, n, *s);
	gso_head(p, n, &head);
	memcpy(p[0]->data, head.frame, head.frame_len);
	last = p[0];
	for (unsigned i = 1; i < n; i++) {
		p[i]->data += head.frame_len;
		p[i]->len -= head.frame_len;
		frame_append(&b->pool, p[0], last, p[i]);
		last = p[i];
	}
	p[0]->gso_size = head.hint.gso_size;
	p[0]->gso_kind = GATE_GSO_TCP;
	p[0]->head_len = head.hint.hdr_len;
	p[0]->csum_start = head.hint.csum_start;
	p[0]->csum_offset = head.hint.csum_offset;
	p[0]->flags = PACKET_PARTIAL;
	p[0]->tcp_sum_right = false;
	return p[0];
}

static void large_packet_leaves_in_one_call_with_its_sender_s_hint(void **state)
{
	(void)state;
	struct bench b;
	struct packet *segments[10], *p;
	struct log want, have;
	bench_open(&b);
	log_open(&want);
	log_open(&have);
	const struct tcp_sketch s = {.seq = 5, .id = 9};
	stream(&b, segments, 10, s);
	for (unsigned i = 0; i < 10; i++)
		log_add(&want, segments[i]->data, segments[i]->len);
	put_back(&b, segments, 10);
	p = whole_of(&b, &s, 10);
	assert_true(gso_takes(p));
	assert_int_equal(gso_send(b.lane, &p, 1, true), 0);
	assert_int_equal(receive(&b, &have), 1);
	log_expect(&have, &want);
	assert_int_equal(b.pool.n_free, FRAMES);
	assert_int_equal(b.pool.n_parts, 0);
	assert_int_equal(b.stats->port[1].gso_large, 1);
	assert_int_equal(b.stats->port[1].tx_packets, 1);
	assert_int_equal(b.stats->port[1].gso_lost, 0);
	free(want.frame);
	free(have.frame);
	bench_close(&b);
}

/* What one call carried. */
static struct virtio_net_hdr hint_of_next(struct bench *b, uint32_t *len)
{
	static uint8_t message[1 << 17];
	struct virtio_net_hdr hint = {0};
	ssize_t got = recv(b->far_end, message, sizeof(message), MSG_DONTWAIT);
	assert_true(got > (ssize_t)sizeof(hint));
	memcpy(&hint, message, sizeof(hint));
	*len = (uint32_t)got - (uint32_t)sizeof(hint);
	return hint;
}

static void hint_says_what_the_packet_is(void **state)
{
	(void)state;
	static const struct {
		uint8_t kind, flags, type;
	} cases[] = {
		{GATE_GSO_TCP, ACK, VIRTIO_NET_HDR_GSO_TCPV4},
		{GATE_GSO_TCP, ACK | CWR, VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN},
		{GATE_GSO_TCP | GATE_GSO_CWR, ACK, VIRTIO_NET_HDR_GSO_TCPV4},
		{GATE_GSO_TCP | GATE_GSO_IP6, ACK, VIRTIO_NET_HDR_GSO_TCPV6},
		{GATE_GSO_UDP, ACK, 5},
	};
	struct bench b;
	uint32_t len;
	bench_open(&b);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct packet *p = whole_of(&b, &(struct tcp_sketch){.seq = 1}, 5);
		uint32_t whole = packet_len(p);
		uint16_t size = p->gso_size, head_len = p->head_len;
		p->gso_kind = cases[i].kind;
		tcp_of(p)->flags = cases[i].flags;
		assert_int_equal(gso_send(b.lane, &p, 1, true), 0);
		struct virtio_net_hdr hint = hint_of_next(&b, &len);
		assert_int_equal(hint.gso_type, cases[i].type);
		assert_int_equal(hint.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
		assert_int_equal(hint.gso_size, size);
		assert_int_equal(hint.hdr_len, head_len);
		assert_int_equal(hint.csum_start, 34);
		assert_int_equal(hint.csum_offset, 16);
		assert_int_equal(len, whole);
	}
	bench_close(&b);
}

static void what_a_hint_has_no_word_for_is_not_taken(void **state)
{
	(void)state;
	struct bench b;
	bench_open(&b);
	struct packet *p = whole_of(&b, &(struct tcp_sketch){.seq = 1}, 5);
	p->gso_kind = GATE_GSO_TCP | GATE_GSO_SAME_ID;
	assert_false(gso_takes(p));
	p->gso_kind = GATE_GSO_TCP | GATE_GSO_CWR;
	assert_true(gso_takes(p));
	tcp_of(p)->flags |= CWR;
	assert_false(gso_takes(p));
	p->gso_kind = GATE_GSO_TCP;
	assert_true(gso_takes(p));
	frame_put(&b.pool, p);
	bench_close(&b);
}

static void flow_with_a_large_packet_leaves_in_order_and_others_stay(void **state)
{
	(void)state;
	struct bench b;
	struct packet *p[5], *other;
	struct log have;
	uint32_t seq = 0;
	bench_open(&b);
	log_open(&have);
	/* one segment, a large packet, two segments; and one of another flow between them */
	struct tcp_sketch s = {.sport = 1};
	stream(&b, p, 1, s);
	s.seq += p[0]->len - HEAD;
	s.id += 1;
	p[1] = whole_of(&b, &s, 4);
	s.seq += packet_len(p[1]) - HEAD;
	s.id += 4;
	stream(&b, p + 3, 2, s);
	stream(&b, p + 2, 1, (struct tcp_sketch){.sport = 2});
	other = p[2];
	assert_int_equal(gso_send(b.lane, p, 5, true), 1);
	assert_ptr_equal(p[0], other);
	assert_int_equal(receive(&b, &have), 3);
	assert_int_equal(have.n, 7);
	for (unsigned i = 0; i < have.n; i++) {
		struct tcp_hdr tcp;
		memcpy(&tcp, have.frame[i] + 34, sizeof(tcp));
		assert_int_equal(be32_host(tcp.seq), seq);
		seq += have.len[i] - HEAD;
	}
	frame_put(&b.pool, other);
	free(have.frame);
	bench_close(&b);
}

static void large_packet_of_no_known_flow_takes_all_along_in_order(void **state)
{
	(void)state;
	struct bench b;
	struct packet *p[4];
	uint32_t len;
	bench_open(&b);
	stream(&b, p, 1, (struct tcp_sketch){.sport = 1});
	p[1] = whole_of(&b, &(struct tcp_sketch){.sport = 2}, 3);
	stream(&b, p + 2, 1, (struct tcp_sketch){.sport = 3});
	p[3] = whole_of(&b, &(struct tcp_sketch){.sport = 4}, 3);
	ip_of(p[3])->fragment = be16_from(IP4_MF); /* a fragment of TCP: its flow is not known */
	uint32_t want[] = {p[0]->len, packet_len(p[1]), p[2]->len, packet_len(p[3])};
	assert_int_equal(gso_send(b.lane, p, 4, true), 0);
	for (unsigned i = 0; i < 4; i++) {
		hint_of_next(&b, &len);
		assert_int_equal(len, want[i]);
	}
	assert_int_equal(b.pool.n_free, FRAMES);
	bench_close(&b);
}

static void large_packet_whose_call_failed_is_lost_and_counted(void **state)
{
	(void)state;
	struct bench b;
	struct packet *p[3];
	bench_open(&b);
	p[0] = whole_of(&b, &(struct tcp_sketch){.sport = 1}, 5);
	stream(&b, p + 1, 1, (struct tcp_sketch){.sport = 2});
	p[2] = whole_of(&b, &(struct tcp_sketch){.sport = 3}, 5);
	struct packet *small = p[1];
	close(b.far_end);
	b.far_end = -1;
	assert_int_equal(gso_send(b.lane, p, 3, true), 1);
	assert_ptr_equal(p[0], small);
	assert_int_equal(b.stats->port[1].gso_lost, 2);
	assert_int_equal(b.stats->port[1].gso_errors, 2);
	frame_put(&b.pool, small);
	assert_int_equal(b.pool.n_free, FRAMES);
	bench_close(&b);
}

/* -- a naive twin -------------------------------------------------------------------- */

#define TWIN_FLOWS 6

static uint32_t random_state;
static uint32_t random32(uint32_t below)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (random_state >> 8) % below;
}

/* A flow's next packet: mostly the segment that continues it, now and then something else. */
static struct packet *next_packet(struct bench *b, struct tcp_sketch *s)
{
	uint32_t what = random32(100);
	struct tcp_sketch now = *s;
	now.flags = what == 1 ? ACK | PSH : what == 2 ? ACK | FIN : ACK;
	now.payload_len = what == 3 ? 50 : 100;
	now.tos = what == 4;
	struct packet *p = segment_of(b, &now);
	if (what == 5) { /* corrupt, and its sum says so */
		p->data[p->len - 1] ^= 1;
		p->tcp_sum_right = false;
	}
	if (what == 6) { /* an acknowledgement */
		p->len -= now.payload_len;
		ip_of(p)->total_len = be16_from(40);
		fix_sums(p->data, p->len);
		return p;
	}
	s->seq += now.payload_len;
	s->id = (uint16_t)(s->id + 1 + (what == 7));
	return p;
}

static unsigned flow_number(const uint8_t *frame)
{
	const struct tcp_hdr *tcp = (const struct tcp_hdr *)(frame + 34);
	return be16_host(tcp->sport);
}

/* The frames of one flow. */
static void pick(const struct log *all, unsigned flow, struct log *one)
{
	for (unsigned i = 0; i < all->n; i++)
		if (flow_number(all->frame[i]) == flow)
			log_add(one, all->frame[i], all->len[i]);
}

static void one_random_turn(struct bench *b, struct tcp_sketch *flows)
{
	struct packet *p[FRAMES];
	struct log in, out;
	unsigned n = 1 + random32(FRAMES - 1), flow = 0;
	log_open(&in);
	log_open(&out);
	for (unsigned i = 0; i < n; i++) {
		if (random32(16) == 0)
			flow = random32(TWIN_FLOWS);
		p[i] = next_packet(b, &flows[flow]);
		log_add(&in, p[i]->data, p[i]->len);
		if (p[i]->tcp_sum_right && random32(2))
			open_up(p[i]);
	}
	int buffer = random32(2) ? 4096 : 1 << 17;
	setsockopt(b->near_end, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	unsigned left = gso_send(b->lane, p, n, false);
	receive(b, &out);
	for (unsigned i = 0; i < left; i++) {
		offload_complete(p[i]);
		log_add(&out, p[i]->data, p[i]->len);
	}
	put_back(b, p, left);
	for (flow = 0; flow < TWIN_FLOWS; flow++) {
		struct log want, have;
		log_open(&want);
		log_open(&have);
		pick(&in, flow + 1, &want);
		pick(&out, flow + 1, &have);
		log_expect(&have, &want);
		free(want.frame);
		free(have.frame);
	}
	assert_int_equal(out.n, in.n);
	assert_int_equal(b->pool.n_free, FRAMES);
	free(in.frame);
	free(out.frame);
}

/* The pair's queue is short in some turns: calls fail in the middle of a flow, too. */
static void every_flow_arrives_whole_and_in_order(void **state)
{
	(void)state;
	struct tcp_sketch flows[TWIN_FLOWS];
	struct bench b;
	const char *seed = getenv("SEED");
	random_state = seed ? (uint32_t)atoi(seed) : (uint32_t)getpid();
	print_message("SEED=%u\n", random_state);
	bench_open(&b);
	for (unsigned i = 0; i < TWIN_FLOWS; i++)
		flows[i] = (struct tcp_sketch){.sport = (uint16_t)(i + 1),
					       .seq = random32(1u << 24) << 8};
	for (unsigned i = 0; i < 200; i++)
		one_random_turn(&b, flows);
	const struct port_stats *s = &b.stats->port[1];
	print_message("%lu packets in %lu calls, %lu of which failed\n", (unsigned long)s->gso_packets,
		      (unsigned long)s->gso_calls, (unsigned long)s->gso_errors);
	assert_true(s->gso_packets > 4 * s->gso_calls && s->gso_errors > 0);
	bench_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(segments_in_order_are_a_run),
		cmocka_unit_test(numbers_wrap_within_a_run),
		cmocka_unit_test(every_difference_ends_a_run),
		cmocka_unit_test(wrong_header_checksum_is_in_no_run),
		cmocka_unit_test(acknowledgements_are_in_no_run),
		cmocka_unit_test(timestamps_and_other_options_are_equal_in_a_run),
		cmocka_unit_test(shorter_segment_ends_a_run_and_longer_one_begins_another),
		cmocka_unit_test(push_ends_a_run),
		cmocka_unit_test(run_stays_below_64_kib_and_a_number_of_segments),
		cmocka_unit_test(head_is_the_first_ones_with_the_whole_length),
		cmocka_unit_test(flow_leaves_in_one_call_and_is_cut_into_the_same_bytes),
		cmocka_unit_test(other_packets_are_left_in_order),
		cmocka_unit_test(flow_that_saves_too_little_is_left),
		cmocka_unit_test(fragment_of_tcp_stops_coalescing_for_the_turn),
		cmocka_unit_test(failed_call_leaves_everything),
		cmocka_unit_test(large_packet_leaves_in_one_call_with_its_sender_s_hint),
		cmocka_unit_test(hint_says_what_the_packet_is),
		cmocka_unit_test(what_a_hint_has_no_word_for_is_not_taken),
		cmocka_unit_test(flow_with_a_large_packet_leaves_in_order_and_others_stay),
		cmocka_unit_test(large_packet_of_no_known_flow_takes_all_along_in_order),
		cmocka_unit_test(large_packet_whose_call_failed_is_lost_and_counted),
		cmocka_unit_test(every_flow_arrives_whole_and_in_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
