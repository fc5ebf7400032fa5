/* SPDX-License-Identifier: BSD-2-Clause */
/* What of far ends needs no namespace: the words for them, and interfaces that have none. */
#include "../../control/farend.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void expect(struct farend end, const char *place, const char *wanted)
{
	char buf[256];
	assert_string_equal(farend_place(&end, buf, sizeof(buf)), place);
	assert_string_equal(farend_command(&end, buf, sizeof(buf)), wanted);
}

static void command_goes_where_the_far_end_is(void **state)
{
	(void)state;
	expect((struct farend){.name = "eth0", .netns = "host2"}, "host2:eth0",
	       "ip netns exec host2 ethtool -K eth0 gro on");
	expect((struct farend){.name = "eth0", .netns = "pid:1234"}, "pid:1234:eth0",
	       "nsenter -t 1234 -n ethtool -K eth0 gro on");
	expect((struct farend){.name = "veth7", .netns = "pid:1"}, "veth7",
	       "ethtool -K veth7 gro on");
}

static void command_leaves_out_what_is_not_known(void **state)
{
	(void)state;
	expect((struct farend){.name = "eth0"}, "eth0", "ethtool -K eth0 gro on");
	expect((struct farend){.netns = "host2"}, "host2:IFACE",
	       "ip netns exec host2 ethtool -K IFACE gro on");
}

static void interface_without_a_far_end_has_none(void **state)
{
	(void)state;
	struct farend ends[2] = {{.near = 1, .ifindex = 5}, {.near = 1u << 30, .ifindex = 5}};
	farend_find(ends, 2); /* the loopback interface, and none at all */
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(ends[i].ifindex, 0);
		assert_string_equal(ends[i].netns, "");
		assert_int_equal(farend_gro(&ends[i]), -ENOENT);
	}
	assert_int_equal(ends[1].near, 1u << 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(command_goes_where_the_far_end_is),
		cmocka_unit_test(command_leaves_out_what_is_not_known),
		cmocka_unit_test(interface_without_a_far_end_has_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
