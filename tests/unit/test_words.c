/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_words - the words every file uses: verdicts and their texts, byte order and headers,
 * vectors, and the table of ports and of the router's own addresses.
 */
#include "seed.h"

#include "../../dataplane/port.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* -- verdict -- */

static void verdict_names_and_texts_are_all_there_and_differ(void **state)
{
	(void)state;
	for (unsigned v = 0; v < N_VERDICTS; v++) {
		assert_non_null(verdict_name(v));
		assert_non_null(verdict_text(v));
		assert_true(*verdict_name(v) && *verdict_text(v));
		for (unsigned other = 0; other < v; other++) {
			assert_string_not_equal(verdict_name(v), verdict_name(other));
			assert_string_not_equal(verdict_text(v), verdict_text(other));
		}
	}
}

static void verdict_names_are_small_letters_digits_and_hyphens(void **state)
{
	(void)state;
	const char *letters = "abcdefghijklmnopqrstuvwxyz0123456789";
	for (unsigned v = 0; v < N_VERDICTS; v++) {
		const char *name = verdict_name(v);
		for (size_t at = 0; name[at]; at++) { /* words, and one hyphen between them */
			at += strspn(name + at, letters);
			if (!name[at])
				break;
			assert_true(at > 0 && name[at] == '-' && strchr(letters, name[at + 1]));
			assert_int_not_equal(name[at + 1], 0);
		}
	}
}

static void verdict_is_a_door_or_an_end_or_a_drop(void **state)
{
	(void)state;
	unsigned doors = 0, ends = 0, drops = 0, end = 0;
#define COUNT_DOOR(id, ...) doors += verdict_is_door(id) && !verdict_is_drop(id);
#define COUNT_END(id, ...)  ends += !verdict_is_door(id) && !verdict_is_drop(id);
#define COUNT_DROP(id, ...) drops += !verdict_is_door(id) && verdict_is_drop(id);
#define COUNT_ALL(...)	    end++;
	VERDICT_DOORS(COUNT_DOOR)
	VERDICT_ENDS(COUNT_END)
	VERDICT_DROPS(COUNT_DROP)
	assert_int_equal(doors + ends + drops, N_VERDICTS);
	VERDICT_DOORS(COUNT_ALL)
	assert_int_equal(doors, end);
	VERDICT_ENDS(COUNT_ALL)
	assert_int_equal(doors + ends, end);
}

static void verdict_only_drops_ask_for_an_icmp_error(void **state)
{
	(void)state;
	for (unsigned v = 0; v < N_VERDICTS; v++) {
		uint8_t code = 0xff;
		int type = verdict_icmp(v, &code);
		assert_int_not_equal(code, 0xff); /* written in any case */
		if (type < 0) {
			assert_int_equal(type, -1);
			continue;
		}
		assert_true(verdict_is_drop(v));
		assert_true(type == ICMP_UNREACHABLE || type == ICMP_TIME_EXCEEDED ||
			    type == ICMP_PARAMETER);
	}
}

static void verdict_icmp_errors_are_those_of_the_rfcs(void **state)
{
	(void)state;
	static const struct {
		enum verdict verdict;
		int type, code;
	} expected[] = {
		{DROP_IP4_TTL, 11, 0},	      /* RFC 1812 5.3.1 */
		{DROP_IP4_NO_ROUTE, 3, 0},    /* RFC 1812 5.2.7.1 */
		{DROP_IP4_UNREACHABLE, 3, 1}, /* RFC 1812 5.2.7.1 */
		{DROP_IP4_PROHIBIT, 3, 13},   /* RFC 1812 5.2.7.1 */
		{DROP_IP4_MTU, 3, 4},	      /* RFC 1191 4 */
		{DROP_IP4_OPTIONS, 12, 0},    /* RFC 792, RFC 1812 4.3.3.5 */
		{DROP_NEIGH_FAILED, 3, 1},    /* RFC 1812 3.3.2 */
		{DROP_LOCAL_PROTOCOL, 3, 2},  /* RFC 1122 3.2.2.1 */
		{DROP_LOCAL_PORT, 3, 3},      /* RFC 1122 3.2.2.1 */
		{DROP_IP4_BLACKHOLE, -1, 0},  /* silent by its name */
		{DROP_IP4_CHECKSUM, -1, 0},   /* RFC 1812 5.2.2 */
	};
	for (unsigned i = 0; i < ARRAY_SIZE(expected); i++) {
		uint8_t code;
		assert_int_equal(verdict_icmp(expected[i].verdict, &code), expected[i].type);
		assert_int_equal(code, expected[i].code);
	}
}

/* -- wire -- */

static void wire_byte_order_is_that_of_the_network(void **state)
{
	(void)state;
	const uint8_t bytes[] = {0x12, 0x34, 0x56, 0x78};
	be16 two;
	be32 four;
	memcpy(&two, bytes, sizeof(two));
	memcpy(&four, bytes, sizeof(four));
	assert_int_equal(be16_host(two), 0x1234);
	assert_int_equal(be32_host(four), 0x12345678);
	assert_true(be16_equal(be16_from(0x1234), two));
	assert_true(be32_equal(be32_from(0x12345678), four));
	assert_false(be32_equal(be32_from(0x78563412), four));
	for (uint32_t v = 0; v <= 0xffff; v++)
		assert_int_equal(be16_host(be16_from((uint16_t)v)), v);
}

static void wire_mask_of_every_length_has_that_many_ones(void **state)
{
	(void)state;
	uint32_t expected = 0;
	for (unsigned len = 0; len <= 32; len++) {
		assert_int_equal(be32_host(ip4_mask(len)), expected);
		expected = expected >> 1 | 0x80000000;
	}
}

static void wire_prefix_holds_its_addresses_and_no_others(void **state)
{
	(void)state;
	const uint32_t address = 0xc0a8017e;
	for (unsigned len = 0; len <= 32; len++) {
		for (unsigned bit = 0; bit < 32; bit++) { /* bit 0: the highest */
			be32 other = be32_from(address ^ 0x80000000u >> bit);
			assert_int_equal(ip4_in_prefix(other, be32_from(address), len), bit >= len);
		}
		assert_true(ip4_in_prefix(be32_from(address), be32_from(address), len));
	}
}

static void wire_ip4_fields_are_read_from_their_bits(void **state)
{
	(void)state;
	struct ip4_hdr h = {.version_ihl = 0x4f};
	assert_int_equal(ip4_version(&h), 4);
	assert_int_equal(ip4_header_len(&h), 60);
	const struct {
		uint16_t fragment;
		unsigned offset;
		bool is_fragment;
	} expected[] = {
		{0, 0, false},
		{IP4_DF, 0, false},
		{0x8000, 0, false}, /* the reserved bit */
		{IP4_MF, 0, true},
		{185, 1480, true},
		{IP4_DF | IP4_MF | 1, 8, true},
		{0x1fff, 65528, true},
	};
	for (unsigned i = 0; i < ARRAY_SIZE(expected); i++) {
		h.fragment = be16_from(expected[i].fragment);
		assert_int_equal(ip4_offset(&h), expected[i].offset);
		assert_int_equal(ip4_is_fragment(&h), expected[i].is_fragment);
	}
}

static void wire_macs_are_told_apart(void **state)
{
	(void)state;
	const struct mac host = {{2, 0, 0, 0, 1, 2}}, group = {{1, 0, 0x5e, 0, 0, 1}};
	const struct mac all = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}, zero = {{0}};
	assert_true(mac_equal(host, host) && !mac_equal(host, group));
	assert_true(!mac_is_group(host) && mac_is_group(group) && mac_is_group(all));
	assert_true(mac_is_broadcast(all) && !mac_is_broadcast(group));
	assert_true(mac_is_zero(zero) && !mac_is_zero(host));
}

/* -- vector -- */

static void vector_take_keeps_the_order_and_only_one_door(void **state)
{
	(void)state;
	struct packet packets[VECTOR_SIZE] = {{0}};
	struct vector all = {.n = VECTOR_SIZE}, some = {.n = 7};
	for (unsigned i = 0; i < VECTOR_SIZE; i++) {
		packets[i].verdict = i % 3 ? TO_IP4 : TO_ARP;
		all.p[i] = &packets[i];
	}
	vector_take(&all, TO_ARP, &some);
	assert_int_equal(some.n, (VECTOR_SIZE + 2) / 3);
	for (unsigned i = 0; i < some.n; i++)
		assert_ptr_equal(some.p[i], &packets[3 * i]);
	vector_take(&all, TO_EGRESS, &some);
	assert_int_equal(some.n, 0);
	vector_take(&all, TO_IP4, &some);
	assert_int_equal(some.n, VECTOR_SIZE - (VECTOR_SIZE + 2) / 3);
}

/* -- port table -- */

static struct local local_at(uint32_t address, uint16_t port)
{
	return (struct local){.address = be32_from(address), .port = port, .tsuji = true};
}

static void port_table_without_locals_knows_none(void **state)
{
	(void)state;
	struct port_table *table = port_table_new(0);
	assert_non_null(table);
	assert_null(port_local(table, be32_from(0)));
	assert_null(port_local(table, be32_from(0xc0a80101)));
	port_table_free(table);
	port_table_free(NULL);
}

static void port_locals_are_found_with_their_port(void **state)
{
	(void)state;
	enum { COUNT = 300 };
	struct port_table *table = port_table_new(COUNT);
	assert_non_null(table);
	for (uint32_t i = 0; i < COUNT; i++) /* one subnet, as in a lab */
		port_table_add_local(table, local_at(0x0a000001 + i, (uint16_t)(i % PORT_MAX)));
	assert_int_equal(table->n_locals, COUNT);
	for (uint32_t i = 0; i < COUNT; i++) {
		const struct local *l = port_local(table, be32_from(0x0a000001 + i));
		assert_non_null(l);
		assert_true(be32_equal(l->address, be32_from(0x0a000001 + i)));
		assert_int_equal(l->port, i % PORT_MAX);
	}
	assert_null(port_local(table, be32_from(0x0a000000)));
	assert_null(port_local(table, be32_from(0x0a000001 + COUNT)));
	assert_null(port_local(table, be32_from(0)));
	port_table_free(table);
}

/* The next address from one on that begins its search at the given place. */
static uint32_t colliding_address(const struct port_table *table, uint32_t from, unsigned place)
{
	while ((port_local_hash(be32_from(from)) & table->locals_mask) != place)
		from++;
	return from;
}

static void port_locals_that_collide_are_all_found(void **state)
{
	(void)state;
	enum { COUNT = 8 };
	for (unsigned place = 0; place < 16; place++) { /* the last places wrap around */
		struct port_table *table = port_table_new(COUNT);
		uint32_t addresses[COUNT + 1], from = 0x0a000001;
		assert_non_null(table);
		assert_int_equal(table->locals_mask, 15);
		for (unsigned i = 0; i <= COUNT; i++) {
			addresses[i] = colliding_address(table, from, place);
			from = addresses[i] + 1;
		}
		for (unsigned i = 0; i < COUNT; i++)
			port_table_add_local(table, local_at(addresses[i], (uint16_t)i));
		for (unsigned i = 0; i < COUNT; i++)
			assert_int_equal(port_local(table, be32_from(addresses[i]))->port, i);
		assert_null(port_local(table, be32_from(addresses[COUNT])));
		assert_null(port_local(table, be32_from(0)));
		port_table_free(table);
	}
}

static void port_locals_at_random_agree_with_a_list(void **state)
{
	(void)state;
	enum { COUNT = 64 };
	for (unsigned round = 0; round < 200; round++) {
		uint32_t addresses[COUNT];
		struct port_table *table = port_table_new(COUNT);
		assert_non_null(table);
		for (unsigned i = 0; i < COUNT; i++) { /* repetitions included */
			addresses[i] = 1 + (uint32_t)rand() % (round < 100 ? 150 : 1 << 30);
			port_table_add_local(table, local_at(addresses[i], 0));
		}
		for (unsigned i = 0; i < 300; i++) {
			uint32_t asked = i < COUNT ? addresses[i] : (uint32_t)rand() % 200;
			bool expected = false;
			for (unsigned k = 0; k < COUNT; k++)
				expected |= addresses[k] == asked;
			assert_int_equal(port_local(table, be32_from(asked)) != NULL, expected);
		}
		port_table_free(table);
	}
}

static void port_local_known_twice_is_joined(void **state)
{
	(void)state;
	const be32 address = be32_from(0xc0a801ff);
	struct port_table *table = port_table_new(2);
	assert_non_null(table);
	port_table_add_local(table,
			     (struct local){.address = address, .port = 5, .broadcast = true});
	assert_true(port_local(table, address)->broadcast);
	/* Somebody's broadcast address is an address of ours: ours it is. */
	port_table_add_local(table, (struct local){.address = address, .port = 4, .kernel = true});
	const struct local *l = port_local(table, address);
	assert_true(l->kernel && !l->tsuji && !l->broadcast);
	assert_int_equal(l->port, 4);
	port_table_add_local(table, (struct local){.address = address, .port = 3, .tsuji = true});
	assert_true(l->kernel && l->tsuji && !l->broadcast);
	assert_int_equal(l->port, 3); /* the file outranks the kernel */
	port_table_add_local(table, (struct local){.address = address, .port = 2, .kernel = true});
	port_table_add_local(table,
			     (struct local){.address = address, .port = 1, .broadcast = true});
	assert_true(l->kernel && l->tsuji && !l->broadcast);
	assert_int_equal(l->port, 3);
	assert_int_equal(table->n_locals, 1);
	port_table_free(table);
}

static void port_get_knows_the_ports_in_use_only(void **state)
{
	(void)state;
	struct port port = {.number = 2};
	struct port_table *table = port_table_new(0);
	assert_non_null(table);
	table->ports[2] = &port;
	table->n_ports = 3;
	assert_null(port_get(table, 0));
	assert_ptr_equal(port_get(table, 2), &port);
	assert_null(port_get(table, 3));
	assert_null(port_get(table, PORT_MAX));
	assert_null(port_get(table, PORT_NONE));
	port_table_free(table);
}

static void port_subnet_of_an_address_is_the_one_that_holds_it(void **state)
{
	(void)state;
	const struct port_address addresses[] = {{be32_from(0xc0a80101), 24},
						 {be32_from(0x0a000001), 30}};
	const struct port port = {.n_addresses = 2, .addresses = addresses};
	const struct port bare = {.n_addresses = 0};
	assert_ptr_equal(port_subnet_of(&port, be32_from(0xc0a801fe)), &addresses[0]);
	assert_ptr_equal(port_subnet_of(&port, be32_from(0x0a000002)), &addresses[1]);
	assert_null(port_subnet_of(&port, be32_from(0x0a000004)));
	assert_null(port_subnet_of(&port, be32_from(0xc0a80201)));
	assert_null(port_subnet_of(&bare, be32_from(0xc0a80101)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verdict_names_and_texts_are_all_there_and_differ),
		cmocka_unit_test(verdict_names_are_small_letters_digits_and_hyphens),
		cmocka_unit_test(verdict_is_a_door_or_an_end_or_a_drop),
		cmocka_unit_test(verdict_only_drops_ask_for_an_icmp_error),
		cmocka_unit_test(verdict_icmp_errors_are_those_of_the_rfcs),
		cmocka_unit_test(wire_byte_order_is_that_of_the_network),
		cmocka_unit_test(wire_mask_of_every_length_has_that_many_ones),
		cmocka_unit_test(wire_prefix_holds_its_addresses_and_no_others),
		cmocka_unit_test(wire_ip4_fields_are_read_from_their_bits),
		cmocka_unit_test(wire_macs_are_told_apart),
		cmocka_unit_test(vector_take_keeps_the_order_and_only_one_door),
		cmocka_unit_test(port_table_without_locals_knows_none),
		cmocka_unit_test(port_locals_are_found_with_their_port),
		cmocka_unit_test(port_locals_that_collide_are_all_found),
		cmocka_unit_test(port_locals_at_random_agree_with_a_list),
		cmocka_unit_test(port_local_known_twice_is_joined),
		cmocka_unit_test(port_get_knows_the_ports_in_use_only),
		cmocka_unit_test(port_subnet_of_an_address_is_the_one_that_holds_it),
	};
	seed_rand();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
