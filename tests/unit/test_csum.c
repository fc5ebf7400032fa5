/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_csum - the checksum against a naive twin that adds byte pairs as RFC 1071 section 1
 * words it, and the incremental update against computing the field anew.
 */
#include "seed.h"

#include "../../dataplane/csum.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* Values at which a carry, a sign or a zero goes wrong. */
static const uint16_t corners[] = {
	0x0000, 0x0001, 0x0002, 0x00fe, 0x00ff, 0x0100, 0x0101, 0x7fff,
	0x8000, 0x8001, 0xfeff, 0xff00, 0xff01, 0xfffd, 0xfffe, 0xffff,
};

/* The field over len bytes, in the order of the wire, one pair of bytes at a time. */
static be16 naive_field(const uint8_t *data, size_t len)
{
	uint32_t sum = 0;
	for (size_t i = 0; i < len; i++) {
		sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return be16_from((uint16_t)~sum);
}

static void fill_random(uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(rand() >> 7);
}

static void csum_of_the_rfc_1071_example_is_its_result(void **state)
{
	(void)state;
	const uint8_t example[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
	assert_int_equal(be16_host(csum_of(example, sizeof(example))), 0x220d);
}

static void csum_of_every_length_and_alignment_is_the_twins(void **state)
{
	(void)state;
	uint8_t data[320];
	fill_random(data, sizeof(data));
	for (size_t at = 0; at < 16; at++)
		for (size_t len = 0; at + len <= sizeof(data); len++)
			assert_int_equal(csum_of(data + at, len).raw,
					 naive_field(data + at, len).raw);
}

static void csum_header_is_the_sum_of_its_twenty_bytes(void **state)
{
	(void)state;
	uint8_t data[24];
	for (unsigned i = 0; i < 10000; i++) {
		unsigned at = i % 4;
		fill_random(data, sizeof(data));
		if (i % 3 == 0)
			memset(data, i % 2 ? 0xff : 0, sizeof(data));
		assert_int_equal(csum_finish(csum_header((const struct ip4_hdr *)(data + at))).raw,
				 naive_field(data + at, 20).raw);
	}
}

static void csum_of_random_bytes_is_the_twins(void **state)
{
	(void)state;
	static uint8_t data[65536];
	for (unsigned round = 0; round < 200; round++) {
		size_t at = (size_t)rand() % 64;
		size_t len = (size_t)rand() % (sizeof(data) - at);
		fill_random(data + at, len % 2048);
		assert_int_equal(csum_of(data + at, len).raw, naive_field(data + at, len).raw);
	}
}

static void csum_of_all_ones_loses_no_carry(void **state)
{
	(void)state;
	static uint8_t data[65536];
	memset(data, 0xff, sizeof(data));
	for (size_t len = 0; len < sizeof(data); len += 1 + len / 7)
		assert_int_equal(csum_of(data, len).raw, naive_field(data, len).raw);
}

static void csum_of_nothing_and_of_zeros_is_all_ones(void **state)
{
	(void)state;
	const uint8_t zeros[64] = {0};
	assert_int_equal(csum_of(zeros, 0).raw, 0xffff);
	assert_int_equal(csum_of(zeros, sizeof(zeros)).raw, 0xffff);
}

static void csum_add_continues_over_even_pieces(void **state)
{
	(void)state;
	uint8_t data[1500];
	fill_random(data, sizeof(data));
	for (size_t cut = 0; cut <= sizeof(data); cut += 2) {
		uint64_t sum = csum_add(0, data, cut);
		sum = csum_add(sum, data + cut, sizeof(data) - cut);
		assert_int_equal(csum_finish(sum).raw, naive_field(data, sizeof(data)).raw);
	}
}

static void csum_add_takes_any_sum_to_start_from(void **state)
{
	(void)state;
	uint8_t data[64];
	const uint64_t starts[] = {0,	      1, 0xffff, UINT32_MAX, UINT64_MAX, UINT64_MAX - 1,
				   1ull << 63};
	fill_random(data, sizeof(data));
	for (unsigned i = 0; i < ARRAY_SIZE(starts); i++) {
		uint64_t sum = csum_add(starts[i], data, sizeof(data));
		uint32_t twin = csum_fold(starts[i]);
		twin += (uint16_t)~naive_field(data, sizeof(data)).raw;
		assert_int_equal(csum_fold(sum), csum_fold(twin));
	}
}

static void csum_pseudo_is_the_sum_of_the_written_header(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 1000; round++) {
		uint8_t header[12]; /* RFC 9293 3.1, figure 2 */
		be32 src, dst;
		be16 len;
		fill_random(header, sizeof(header));
		header[8] = 0;
		memcpy(&src, header, 4);
		memcpy(&dst, header + 4, 4);
		memcpy(&len, header + 10, 2);
		uint64_t sum = csum_pseudo(src, dst, header[9], be16_host(len));
		assert_int_equal(csum_finish(sum).raw, naive_field(header, sizeof(header)).raw);
	}
}

/* Changes before to after in front of another word, and counts both ways. */
static void check_update(uint16_t before, uint16_t after, uint16_t other)
{
	be16 words[2] = {{before}, {other}};
	be16 updated = csum_update(csum_of(words, sizeof(words)), words[0], (be16){after});
	words[0].raw = after;
	if (updated.raw != csum_of(words, sizeof(words)).raw)
		fail_msg("%04x to %04x beside %04x: %04x", before, after, other, updated.raw);
}

static void csum_update_of_every_value_is_computing_it_anew(void **state)
{
	(void)state;
	const uint16_t others[] = {0x0000, 0x0001, 0x8000, 0xfffe, 0xffff};
	for (unsigned i = 0; i < ARRAY_SIZE(corners); i++) {
		for (unsigned k = 0; k < ARRAY_SIZE(others); k++) {
			for (uint32_t v = 0; v <= 0xffff; v++) {
				if (v || others[k]) /* not all zero: csum.h */
					check_update(corners[i], (uint16_t)v, others[k]);
				if (corners[i] || others[k])
					check_update((uint16_t)v, corners[i], others[k]);
			}
		}
	}
}

static void csum_update_of_a_field_of_all_ones_still_verifies(void **state)
{
	(void)state;
	/* A sender may write 0xffff for 0: both verify, and the update must keep that so. */
	for (uint32_t v = 0; v <= 0xffff; v++) {
		be16 words[3] = {{0x0045}, {(uint16_t)~0x0045}, {0xffff}};
		assert_int_equal(csum_of(words, sizeof(words)).raw, 0);
		be16 after = {(uint16_t)v};
		words[2] = csum_update(words[2], words[1], after);
		words[1] = after;
		assert_int_equal(csum_of(words, sizeof(words)).raw, 0);
	}
}

/* A header whose checksum comes out as field, by the choice of its id. */
static struct ip4_hdr header_with(uint8_t ttl, uint8_t protocol, uint16_t field)
{
	struct ip4_hdr h = {
		.version_ihl = 0x45,
		.total_len = be16_from(84),
		.ttl = ttl,
		.protocol = protocol,
		.src = be32_from(0xc0a80102),
		.dst = be32_from(0xc0a80002),
	};
	uint64_t rest = csum_add(0, &h, sizeof(h));
	h.id.raw = csum_fold((uint64_t)(uint16_t)~field + (uint16_t)~csum_fold(rest));
	h.checksum = csum_of(&h, sizeof(h));
	assert_int_equal(h.checksum.raw, field);
	return h;
}

static void check_ttl_decrement(struct ip4_hdr h)
{
	be16 before, after;
	memcpy(&before, &h.ttl, sizeof(before));
	h.ttl--;
	memcpy(&after, &h.ttl, sizeof(after));
	h.checksum = csum_update(h.checksum, before, after);
	be16 updated = h.checksum;
	assert_int_equal(csum_of(&h, sizeof(h)).raw, 0);
	h.checksum = (be16){0};
	assert_int_equal(updated.raw, csum_of(&h, sizeof(h)).raw);
	assert_int_not_equal(updated.raw, 0xffff);
}

static void csum_update_of_every_ttl_is_the_recomputed_field(void **state)
{
	(void)state;
	const uint8_t protocols[] = {0, PROTO_ICMP, PROTO_TCP, PROTO_UDP, 254, 255};
	for (unsigned ttl = 1; ttl <= 255; ttl++) {
		for (unsigned i = 0; i < ARRAY_SIZE(protocols); i++) {
			uint8_t protocol = protocols[i];
			for (unsigned k = 0; k + 1 < ARRAY_SIZE(corners); k++) {
				uint16_t near = corners[k];
				check_ttl_decrement(header_with((uint8_t)ttl, protocol, near));
				be16 swapped = be16_from(near);
				check_ttl_decrement(
					header_with((uint8_t)ttl, protocol, swapped.raw));
			}
		}
	}
}

static void csum_update_of_a_ttl_is_right_for_every_field(void **state)
{
	(void)state;
	/* 0xffff is not among them: no header with a version in it computes to that. */
	for (uint32_t field = 0; field < 0xffff; field++)
		check_ttl_decrement(
			header_with((uint8_t)(1 + field % 255), PROTO_TCP, (uint16_t)field));
}

static void csum_update_of_a_ttl_under_all_ones_is_the_recomputed_field(void **state)
{
	(void)state;
	for (unsigned ttl = 1; ttl <= 255; ttl++) {
		for (unsigned protocol = 0; protocol <= 255; protocol++) {
			struct ip4_hdr h = header_with((uint8_t)ttl, (uint8_t)protocol, 0);
			h.checksum.raw = 0xffff;
			check_ttl_decrement(h);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(csum_of_the_rfc_1071_example_is_its_result),
		cmocka_unit_test(csum_of_every_length_and_alignment_is_the_twins),
		cmocka_unit_test(csum_header_is_the_sum_of_its_twenty_bytes),
		cmocka_unit_test(csum_of_random_bytes_is_the_twins),
		cmocka_unit_test(csum_of_all_ones_loses_no_carry),
		cmocka_unit_test(csum_of_nothing_and_of_zeros_is_all_ones),
		cmocka_unit_test(csum_add_continues_over_even_pieces),
		cmocka_unit_test(csum_add_takes_any_sum_to_start_from),
		cmocka_unit_test(csum_pseudo_is_the_sum_of_the_written_header),
		cmocka_unit_test(csum_update_of_every_value_is_computing_it_anew),
		cmocka_unit_test(csum_update_of_a_field_of_all_ones_still_verifies),
		cmocka_unit_test(csum_update_of_every_ttl_is_the_recomputed_field),
		cmocka_unit_test(csum_update_of_a_ttl_is_right_for_every_field),
		cmocka_unit_test(csum_update_of_a_ttl_under_all_ones_is_the_recomputed_field),
	};
	seed_rand();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
