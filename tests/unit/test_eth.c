/* SPDX-License-Identifier: BSD-2-Clause */
/* test_eth - which room a frame goes to, by its MAC and type alone. */
#include "packets.h"

#include "../../dataplane/eth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static struct lab lab;

static int open_lab(void **state)
{
	return lab_set_up(state, &lab, "port 192.168.1.1/24; port 192.168.0.1/24");
}

/* The verdict on the frame, and in *flags what was noted; not a byte may have changed. */
static enum verdict judge(uint16_t port, const struct bytes *b, unsigned *flags)
{
	struct packet *p = lab_arrive(&lab, port, b);
	struct vector v = {1, {p}};
	eth_input(lab.ports, &v);
	expect_packet(p, b);
	*flags = p->flags;
	enum verdict verdict = p->verdict;
	frame_put(&lab.pool, p);
	return verdict;
}

static void expect(const char *mac_and_type, enum verdict want, unsigned want_flags)
{
	unsigned flags;
	struct bytes b = bytes_hex(mac_and_type);
	b.len = 60;
	assert_string_equal(verdict_name(judge(0, &b, &flags)), verdict_name(want));
	assert_int_equal(flags, want_flags);
}

static void eth_frame_for_our_mac_goes_by_its_type(void **state)
{
	(void)state;
	expect("020000000001 02000000ee01 0800", TO_IP4, 0);
	expect("020000000001 02000000ee01 0806", TO_ARP, 0);
	expect("020000000001 02000000ee01 86dd", PUNTED, 0);
	expect("020000000001 02000000ee01 8100", PUNTED, 0);
	expect("020000000001 02000000ee01 0026", PUNTED, 0); /* a length: IEEE 802.2 */
}

static void eth_group_frames_are_noted_as_such(void **state)
{
	(void)state;
	expect("ffffffffffff 02000000ee01 0800", TO_IP4, PACKET_LINK_GROUP);
	expect("01005e000001 02000000ee01 0800", TO_IP4, PACKET_LINK_GROUP);
	expect("ffffffffffff 02000000ee01 0806", TO_ARP, PACKET_LINK_GROUP);
	expect("0180c200000e 02000000ee01 88cc", PUNTED, PACKET_LINK_GROUP);
}

static void eth_frame_for_another_station_is_dropped(void **state)
{
	(void)state;
	expect("020000000077 02000000ee01 0800", DROP_ETH_NOT_OURS, 0);
	expect("020000000002 02000000ee01 0800", DROP_ETH_NOT_OURS, 0); /* our other port's MAC */
	expect("000000000000 02000000ee01 0800", DROP_ETH_NOT_OURS, 0);
}

static void eth_frame_shorter_than_a_header_is_dropped(void **state)
{
	(void)state;
	unsigned flags;
	struct bytes b = bytes_hex("020000000001 02000000ee01 0800");
	assert_int_equal(judge(0, &b, &flags), TO_IP4);
	for (b.len = 0; b.len < 14; b.len++)
		assert_int_equal(judge(0, &b, &flags), DROP_ETH_SHORT);
}

static void eth_frame_of_a_vanished_port_is_dropped(void **state)
{
	(void)state;
	unsigned flags;
	struct bytes b = bytes_hex("020000000001 02000000ee01 0800");
	assert_int_equal(judge(7, &b, &flags), DROP_PORT_DOWN);
	assert_int_equal(judge(PORT_NONE, &b, &flags), DROP_PORT_DOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(eth_frame_for_our_mac_goes_by_its_type),
		cmocka_unit_test(eth_group_frames_are_noted_as_such),
		cmocka_unit_test(eth_frame_for_another_station_is_dropped),
		cmocka_unit_test(eth_frame_shorter_than_a_header_is_dropped),
		cmocka_unit_test(eth_frame_of_a_vanished_port_is_dropped),
	};
	return cmocka_run_group_tests(tests, open_lab, lab_tear_down);
}
