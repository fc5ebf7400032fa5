/* SPDX-License-Identifier: BSD-2-Clause */
/* What of ports needs no interface: how frames are shared out; and names of namespaces. */
#include "../../control/netns.h"
#include "../../control/ports.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void rings_take_half_a_fair_share(void **state)
{
	(void)state;
	assert_int_equal(ports_ring_size(16384, 1), 2048);
	assert_int_equal(ports_ring_size(16384, 4), 2048);
	assert_int_equal(ports_ring_size(16384, 5), 1024);
	assert_int_equal(ports_ring_size(16384, 128), 64);
}

static void rings_below_a_vector_are_refused(void **state)
{
	(void)state;
	assert_int_equal(ports_ring_size(16384, 129), 0);
	assert_int_equal(ports_ring_size(127, 1), 0);
	assert_int_equal(ports_ring_size(128, 1), 64);
	assert_int_equal(ports_ring_size(16384, 0), 0);
}

static void all_rings_fit_the_pool(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= PORT_MAX; n++)
		for (uint32_t frames = 64; frames <= 1 << 20; frames *= 2)
			assert_true((uint64_t)2 * n * ports_ring_size(frames, n) <= frames);
}

static void frames_grow_with_the_mtu(void **state)
{
	(void)state;
	assert_int_equal(ports_frame_size(1500), 2048);
	assert_int_equal(ports_frame_size(1522), 2048);
	assert_int_equal(ports_frame_size(1523), 4096);
	assert_int_equal(ports_frame_size(3498), 4096);
	assert_int_equal(ports_frame_size(3499), 0);
	assert_int_equal(ports_frame_size(65535), 0);
}

static void namespaces_have_three_forms_of_name(void **state)
{
	(void)state;
	char path[64];
	assert_true(netns_path("lab-r1", path, sizeof(path)));
	assert_string_equal(path, "/run/netns/lab-r1");
	assert_true(netns_path("pid:1234", path, sizeof(path)));
	assert_string_equal(path, "/proc/1234/ns/net");
	assert_true(netns_path("./net", path, sizeof(path)));
	assert_string_equal(path, "./net");
	assert_false(netns_path("", path, sizeof(path)));
	assert_false(netns_path("..", path, sizeof(path)));
	assert_false(netns_path("pid:", path, sizeof(path)));
	assert_false(netns_path("pid:12x", path, sizeof(path)));
	assert_false(netns_path("lab-r1", path, 12));
}

static void missing_namespace_is_refused_by_name(void **state)
{
	(void)state;
	struct refusal why;
	assert_int_equal(netns_enter("no-such-namespace-here", &why), -1);
	assert_int_equal(why.status, REFUSED_CONFIG);
	assert_non_null(strstr(why.text, "no-such-namespace-here"));
	assert_true(netns_inode() != 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rings_take_half_a_fair_share),
		cmocka_unit_test(rings_below_a_vector_are_refused),
		cmocka_unit_test(all_rings_fit_the_pool),
		cmocka_unit_test(frames_grow_with_the_mtu),
		cmocka_unit_test(namespaces_have_three_forms_of_name),
		cmocka_unit_test(missing_namespace_is_refused_by_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
