/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * segment, chain: packets of several frames, cut into segments. The twin is a stream: whole
 * segments with right checksums are built one by one, byte by byte; what the sender's kernel
 * would hand over instead of all of them is built beside them, and laid into frames of any
 * length. Cutting that must give back the segments.
 */
#include "../../dataplane/chain.h"
#include "../../dataplane/csum.h"
#include "../../dataplane/segment.h"
#include "../../bpf/shared.h"
#include "packets.h"
#include "seed.h"

#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { N = 1024, SIZE = 2048, WHOLE_MAX = 65535, FIN = 1, PSH = 8, ACK = 16, ECE = 64, CWR = 128 };

struct bench {
	struct frame_pool pool;
	void *memory;
};

static int open_bench(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	b->memory = aligned_alloc(4096, N * SIZE);
	assert_int_equal(frame_pool_init(&b->pool, b->memory, SIZE, N), 0);
	*state = b;
	return 0;
}

static int close_bench(void **state)
{
	struct bench *b = *state;
	uint32_t n_free = b->pool.n_free, n_parts = b->pool.n_parts;
	frame_pool_fini(&b->pool);
	free(b->memory);
	free(b);
	return n_free == N && n_parts == 0 ? 0 : -1;
}

/* Lays bytes into frames of part bytes each, or of any length if part is 0. */
static struct packet *lay(struct bench *b, const uint8_t *bytes, uint32_t len, uint32_t part)
{
	struct packet *p = NULL, *last = NULL;
	for (uint32_t done = 0, n; done < len; done += n) {
		uint32_t least = done ? 1 : PACKET_HEAD_MIN;
		n = min_u32(part ? part
				 : least + (unsigned)rand() % (SIZE - FRAME_HEADROOM - least),
			    len - done);
		struct packet *next = frame_get(&b->pool);
		assert_non_null(next);
		memcpy(next->data, bytes + done, n);
		next->len = n;
		if (p)
			frame_append(&b->pool, p, last, next);
		else
			p = next;
		last = next;
	}
	return p;
}

static uint8_t *random_bytes(uint32_t len)
{
	uint8_t *bytes = malloc(len);
	for (uint32_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)rand();
	return bytes;
}

/* -- chain --------------------------------------------------------------------------- */

static void chain_reads_what_one_frame_would_hold(void **state)
{
	struct bench *b = *state;
	for (unsigned i = 0; i < 300; i++) {
		uint32_t len = PACKET_HEAD_MIN + (unsigned)rand() % 20000;
		uint8_t *bytes = random_bytes(len), *copy = malloc(len);
		struct packet *p = lay(b, bytes, len, 0);
		uint32_t at = (unsigned)rand() % len, n = (unsigned)rand() % (len - at + 1);
		assert_int_equal(packet_len(p), len);
		chain_copy(copy, p, at, n);
		assert_memory_equal(copy, bytes + at, n);
		/* naive_sum is in host order */
		be16 sum = {(uint16_t)~csum_finish(chain_sum(0, p, at, n)).raw};
		assert_int_equal(be16_host(sum), naive_sum(bytes + at, n));
		chain_trim(p, n);
		assert_int_equal(packet_len(p), n);
		chain_copy(copy, p, 0, n);
		assert_memory_equal(copy, bytes, n);
		chain_trim(p, len); /* no longer than it is */
		assert_int_equal(packet_len(p), n);
		frame_put(&b->pool, p);
		assert_int_equal(b->pool.n_free, N);
		free(bytes);
		free(copy);
	}
}

static void frame_copy_has_the_same_bytes_in_frames_of_its_own(void **state)
{
	struct bench *b = *state;
	uint8_t *bytes = random_bytes(9000), back[9000];
	struct packet *p = lay(b, bytes, 9000, 1700);
	p->gso_size = 500;
	p->gso_kind = GATE_GSO_TCP;
	p->flags = PACKET_UNKNOWN | PACKET_ADMITTED;
	struct packet *copy = frame_copy(&b->pool, p);
	assert_int_equal(b->pool.n_parts, 10);
	assert_int_equal(b->pool.n_free, N - 12);
	assert_int_equal(copy->gso_size, 500);
	assert_int_equal(copy->gso_kind, GATE_GSO_TCP);
	assert_int_equal(copy->flags, PACKET_UNKNOWN);
	frame_put(&b->pool, p);
	chain_copy(back, copy, 0, 9000);
	assert_memory_equal(back, bytes, 9000);
	frame_put(&b->pool, copy);
	free(bytes);
}

static void frame_copy_without_enough_frames_takes_none(void **state)
{
	struct bench *b = *state;
	uint8_t *bytes = random_bytes(9000);
	struct packet *p = lay(b, bytes, 9000, 1700), *taken[N];
	unsigned n = 0;
	while (b->pool.n_free > 5)
		taken[n++] = frame_get(&b->pool);
	assert_null(frame_copy(&b->pool, p));
	assert_int_equal(b->pool.n_free, 5);
	assert_int_equal(b->pool.n_parts, 5);
	while (n)
		frame_put(&b->pool, taken[--n]);
	frame_put(&b->pool, p);
	free(bytes);
}

static void parts_are_sound_while_their_packet_is_held(void **state)
{
	struct bench *b = *state;
	uint8_t *bytes = random_bytes(9000);
	struct packet *p = lay(b, bytes, 9000, 1700);
	assert_false(frame_parts_sound(&b->pool)); /* with the turn: not between turns */
	frame_move(&b->pool, p, FRAME_HELD);
	assert_true(frame_parts_sound(&b->pool));
	assert_int_equal(b->pool.n_held, 1);
	frame_put(&b->pool, p);
	assert_true(frame_parts_sound(&b->pool));
	free(bytes);
}

/* -- segments ------------------------------------------------------------------------ */

/* What is sent, and how. */
struct stream {
	bool udp, ip6;
	unsigned tags;			  /* VLAN tags: 0 to 2 */
	unsigned ip_options, tcp_options; /* bytes */
	uint8_t flags;			  /* of the whole: TCP's */
	uint8_t kind;			  /* of enum gate_gso, beside the protocol */
	uint16_t size;
	uint32_t len; /* of all payload */
};

static uint32_t header_at(const struct stream *s)
{
	return 14 + 4 * s->tags;
}
static uint32_t transport_at(const struct stream *s)
{
	return header_at(s) + (s->ip6 ? 40 : 20 + s->ip_options);
}
static uint32_t head_len(const struct stream *s)
{
	return transport_at(s) + (s->udp ? 8 : 20 + s->tcp_options);
}

static void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void write_link(const struct stream *s, uint8_t *f)
{
	memcpy(f, "\x02\0\0\0\0\x01\x02\0\0\0\0\x02", 12);
	for (unsigned i = 0; i < s->tags; i++) {
		put16(f + 12 + 4 * i, i + 1 < s->tags ? 0x88a8 : 0x8100);
		put16(f + 14 + 4 * i, 100 + i);
	}
	put16(f + header_at(s) - 2, s->ip6 ? 0x86dd : 0x0800);
}

/* The headers of len bytes of payload that are number i; the sums are zero. */
static void write_head(const struct stream *s, uint8_t *f, unsigned i, uint32_t len, uint8_t flags)
{
	uint8_t *ip = f + header_at(s), *t = f + transport_at(s);
	unsigned transport_len = head_len(s) - transport_at(s) + len;
	memset(f, 0, head_len(s));
	write_link(s, f);
	if (s->ip6) {
		ip[0] = 0x60;
		put16(ip + 4, transport_len);
		ip[6] = s->udp ? PROTO_UDP : PROTO_TCP;
		ip[7] = 64;
		memset(ip + 8, 0x21, 32);
	} else {
		ip[0] = (uint8_t)(0x45 + s->ip_options / 4);
		ip[1] = 0xb9;
		put16(ip + 2, 20 + s->ip_options + transport_len);
		put16(ip + 4, 0xfffe + (s->kind & GATE_GSO_SAME_ID ? 0 : i));
		ip[8] = 64;
		ip[9] = s->udp ? PROTO_UDP : PROTO_TCP;
		memcpy(ip + 12, "\xc0\xa8\x01\x02\xc0\xa8\x00\x02", 8);
		memset(ip + 20, 1, s->ip_options);
		put16(ip + 10, (uint16_t)~naive_sum(ip, 20 + s->ip_options));
	}
	put16(t, 4000);
	put16(t + 2, 5001);
	if (s->udp) {
		put16(t + 4, transport_len);
		return;
	}
	uint32_t seq = 0xfffffc00 + i * s->size;
	put16(t + 4, seq >> 16);
	put16(t + 6, seq & 0xffff);
	put16(t + 10, 77);
	t[12] = (uint8_t)((20 + s->tcp_options) / 4 << 4);
	t[13] = flags;
	put16(t + 14, 501);
	memset(t + 20, 1, s->tcp_options);
}

static unsigned pseudo_sum(const struct stream *s, const uint8_t *f, uint32_t frame_len)
{
	uint8_t pseudo[40] = {0};
	const uint8_t *ip = f + header_at(s);
	unsigned addresses = s->ip6 ? 32 : 8;
	memcpy(pseudo, ip + (s->ip6 ? 8 : 12), addresses);
	pseudo[addresses + 1] = s->udp ? PROTO_UDP : PROTO_TCP;
	put16(pseudo + addresses + 2, frame_len - transport_at(s));
	return naive_sum(pseudo, addresses + 4);
}

static uint8_t *sum_of(const struct stream *s, uint8_t *f)
{
	return f + transport_at(s) + (s->udp ? 6 : 16);
}

/* Number i of the segments as it should be; returns its length. */
static uint32_t write_segment(const struct stream *s, uint8_t *f, unsigned i,
			      const uint8_t *payload)
{
	uint32_t at = i * s->size, len = min_u32(s->size, s->len - at);
	uint8_t flags = s->flags;
	if (at + len < s->len)
		flags &= (uint8_t) ~(FIN | PSH);
	if (i && !(s->kind & GATE_GSO_CWR))
		flags &= (uint8_t)~CWR;
	write_head(s, f, i, len, flags);
	memcpy(f + head_len(s), payload + at, len);
	uint32_t frame_len = head_len(s) + len;
	unsigned sum = pseudo_sum(s, f, frame_len) +
		       naive_sum(f + transport_at(s), frame_len - transport_at(s));
	sum = (sum & 0xffff) + (sum >> 16);
	uint16_t field = (uint16_t)~sum;
	put16(sum_of(s, f), s->udp && !field ? 0xffff : field);
	return frame_len;
}

/* The whole of them as the kernel hands it over, in frames of part bytes. */
static struct packet *write_whole(struct bench *b, const struct stream *s, const uint8_t *payload,
				  uint32_t part)
{
	static uint8_t f[WHOLE_MAX + 200];
	uint32_t len = head_len(s) + s->len;
	write_head(s, f, 0, s->len, s->flags);
	memcpy(f + head_len(s), payload, s->len);
	put16(sum_of(s, f), pseudo_sum(s, f, len));
	struct packet *p = lay(b, f, len, part);
	p->flags = PACKET_UNKNOWN;
	p->gso_size = s->size;
	p->gso_kind = s->kind | (s->udp ? GATE_GSO_UDP : GATE_GSO_TCP) |
		      (s->ip6 && !s->udp ? GATE_GSO_IP6 : 0);
	return p;
}

static void expect_cut(struct bench *b, const struct stream *s, uint32_t part)
{
	uint8_t want[SIZE], *payload = random_bytes(s->len);
	struct packet *p = write_whole(b, s, payload, part), *first, *next;
	unsigned n = (s->len + s->size - 1) / s->size, i = 0;

	assert_true(segment_check(p));
	assert_int_equal(p->head_len, head_len(s));
	assert_int_equal(p->flags, PACKET_PARTIAL);
	assert_int_equal(segment_count(p), n);
	assert_int_equal(packet_wire_len(p), head_len(s) + s->size);
	p->wire = 3;
	p->verdict = TO_EGRESS;
	p->decision.port_out = 5;
	assert_int_equal(segment_cut(&b->pool, p, &first), TO_EGRESS);
	frame_put(&b->pool, p);
	for (; first; first = next, i++) {
		uint32_t len = write_segment(s, want, i, payload);
		assert_int_equal(first->len, len);
		assert_memory_equal(first->data, want, len);
		assert_false(packet_is_large(first));
		assert_int_equal(first->flags, 0);
		assert_int_equal(first->wire, 3);
		assert_int_equal(first->decision.port_out, 5);
		next = first->next;
		frame_put(&b->pool, first);
	}
	assert_int_equal(i, n);
	assert_int_equal(b->pool.n_free, N);
	free(payload);
}

static void tcp_is_cut_as_the_kernel_would(void **state)
{
	expect_cut(*state,
		   &(struct stream){
			   .flags = ACK | PSH | FIN, .size = 1448, .len = 10000, .tcp_options = 12},
		   1792);
	expect_cut(*state, &(struct stream){.flags = ACK, .size = 1460, .len = 2 * 1460}, 1792);
	expect_cut(*state, &(struct stream){.flags = ACK, .size = 1, .len = 2}, 1792);
}

static void cwr_stands_on_the_first_or_on_all(void **state)
{
	struct stream s = {.flags = ACK | CWR | ECE, .size = 1000, .len = 3500};
	expect_cut(*state, &s, 1792);
	s.kind = GATE_GSO_CWR;
	expect_cut(*state, &s, 1792);
}

static void identification_may_stay_the_same(void **state)
{
	expect_cut(
		*state,
		&(struct stream){.flags = ACK, .size = 1000, .len = 3500, .kind = GATE_GSO_SAME_ID},
		1792);
}

static void datagrams_are_cut_with_lengths_of_their_own(void **state)
{
	expect_cut(*state, &(struct stream){.udp = true, .size = 1200, .len = 30001}, 1792);
	expect_cut(*state, &(struct stream){.udp = true, .ip6 = true, .size = 1200, .len = 30000},
		   1792);
}

static void every_stream_is_cut_into_itself(void **state)
{
	for (unsigned i = 0; i < 300; i++) {
		struct stream s = {
			.udp = rand() % 3 == 0,
			.ip6 = rand() % 3 == 0,
			.tags = (unsigned)rand() % 3,
			.ip_options = (unsigned)rand() % 4 * 4,
			.tcp_options = (unsigned)rand() % 11 * 4,
			.flags = (uint8_t)(rand() & (FIN | PSH | ACK | ECE | CWR)),
			.kind = (uint8_t)(rand() & (GATE_GSO_CWR | GATE_GSO_SAME_ID)),
			.size = (uint16_t)(100 + (unsigned)rand() % 1400),
		};
		s.len = s.size + 1 + (unsigned)rand() % (WHOLE_MAX - 200 - s.size);
		expect_cut(*state, &s, 0);
	}
}

/* -- what is not as it says ------------------------------------------------------------ */

static void wrong_sums_stay_wrong(void **state)
{
	struct bench *b = *state;
	const struct stream s = {.flags = ACK, .size = 1000, .len = 2500};
	uint8_t want[SIZE], *payload = random_bytes(s.len);
	struct packet *p = write_whole(b, &s, payload, 1792), *first, *next;

	p->data[14 + 10] ^= 0x12; /* the header's */
	p->data[34 + 16] ^= 0x34; /* the pseudo-header's */
	assert_true(segment_check(p));
	assert_int_equal(segment_cut(&b->pool, p, &first), TO_EGRESS);
	frame_put(&b->pool, p);
	for (unsigned i = 0; first; first = next, i++) {
		write_segment(&s, want, i, payload);
		assert_int_not_equal(naive_sum(first->data + 14, 20), 0xffff);
		assert_memory_not_equal(first->data + 50, want + 50, 2);
		assert_memory_equal(first->data + 52, want + 52, first->len - 52);
		next = first->next;
		frame_put(&b->pool, first);
	}
	free(payload);
}

static void one_that_is_a_single_segment_is_no_large_packet(void **state)
{
	struct bench *b = *state;
	const struct stream s = {.flags = ACK, .size = 1000, .len = 1000};
	uint8_t *payload = random_bytes(s.len);
	struct packet *p = write_whole(b, &s, payload, 1792);

	assert_true(segment_check(p));
	assert_false(packet_is_large(p));
	assert_int_equal(p->flags, PACKET_UNKNOWN);
	frame_put(&b->pool, p);
	free(payload);
}

/* A TCP packet of 3,000 bytes in which one byte is another, or that says another kind. */
static bool passes(struct bench *b, unsigned at, uint8_t value, uint8_t kind)
{
	const struct stream s = {.flags = ACK, .size = 1000, .len = 3000};
	uint8_t *payload = random_bytes(s.len);
	struct packet *p = write_whole(b, &s, payload, 1792);

	if (at)
		p->data[at] = value;
	if (kind)
		p->gso_kind = kind;
	bool good = segment_check(p);
	frame_put(&b->pool, p);
	free(payload);
	return good;
}

static void what_contradicts_itself_is_refused(void **state)
{
	assert_true(passes(*state, 0, 0, 0));
	assert_false(passes(*state, 0, 0, GATE_GSO_UDP));
	assert_false(passes(*state, 0, 0, GATE_GSO_TCP | GATE_GSO_OTHER));
	assert_false(passes(*state, 0, 0, GATE_GSO_TCP | GATE_GSO_IP6));
	assert_false(passes(*state, 0, 0, GATE_GSO_CWR));
	assert_false(passes(*state, 12, 0x09, 0)); /* another ethertype */
	assert_false(passes(*state, 14, 0x55, 0)); /* version 5 */
	assert_false(passes(*state, 16, 0x01, 0)); /* shorter than the packet */
	assert_false(passes(*state, 16, 0xf0, 0)); /* longer */
	assert_false(passes(*state, 20, 0x20, 0)); /* a fragment */
	assert_false(passes(*state, 23, PROTO_UDP, 0));
	assert_false(passes(*state, 34 + 12, 0x40, 0)); /* a TCP header of 16 bytes */
}

static void cutting_needs_frames_that_are_there_and_large_enough(void **state)
{
	struct bench *b = *state;
	const struct stream s = {.flags = ACK, .size = 1000, .len = 10000},
			    jumbo = {.flags = ACK, .size = 1800, .len = 10000};
	uint8_t *payload = random_bytes(s.len);
	struct packet *p = write_whole(b, &s, payload, 1792), *first, *taken[N];
	unsigned n = 0;

	assert_true(segment_check(p));
	while (b->pool.n_free > 9)
		taken[n++] = frame_get(&b->pool);
	assert_int_equal(segment_cut(&b->pool, p, &first), DROP_FRAMES);
	assert_int_equal(b->pool.n_free, 9);
	while (n)
		frame_put(&b->pool, taken[--n]);
	frame_put(&b->pool, p);
	p = write_whole(b, &jumbo, payload, 1792);
	assert_true(segment_check(p));
	assert_int_equal(segment_cut(&b->pool, p, &first), DROP_FRAME_SIZE);
	frame_put(&b->pool, p);
	free(payload);
}

static void frame_replace_leaves_one_frame_with_the_others_bytes(void **state)
{
	struct bench *b = *state;
	uint8_t *bytes = random_bytes(9000);
	struct packet *p = lay(b, bytes, 9000, 1700), *other = lay(b, bytes + 5, 200, 1700),
		      *behind = lay(b, bytes, 150, 1700);

	other->next = behind;
	p->gso_size = 100;
	frame_replace(&b->pool, p, other);
	assert_false(packet_is_large(p));
	assert_int_equal(packet_len(p), 200);
	assert_memory_equal(p->data, bytes + 5, 200);
	assert_ptr_equal(p->next, behind);
	assert_int_equal(b->pool.n_free, N - 2);
	frame_put(&b->pool, p);
	frame_put(&b->pool, behind);
	free(bytes);
}

#define benched(test) cmocka_unit_test_setup_teardown(test, open_bench, close_bench)

int main(void)
{
	const struct CMUnitTest tests[] = {
		benched(chain_reads_what_one_frame_would_hold),
		benched(frame_copy_has_the_same_bytes_in_frames_of_its_own),
		benched(frame_copy_without_enough_frames_takes_none),
		benched(parts_are_sound_while_their_packet_is_held),
		benched(frame_replace_leaves_one_frame_with_the_others_bytes),
		benched(tcp_is_cut_as_the_kernel_would),
		benched(cwr_stands_on_the_first_or_on_all),
		benched(identification_may_stay_the_same),
		benched(datagrams_are_cut_with_lengths_of_their_own),
		benched(every_stream_is_cut_into_itself),
		benched(wrong_sums_stay_wrong),
		benched(one_that_is_a_single_segment_is_no_large_packet),
		benched(what_contradicts_itself_is_refused),
		benched(cutting_needs_frames_that_are_there_and_large_enough),
	};
	seed_rand();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
