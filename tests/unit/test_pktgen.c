/* SPDX-License-Identifier: BSD-2-Clause */
/* What pktgen is told for a wish, and what is understood of its answers. */
#include "../../control/pktgen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static struct pktgen_plan plan_of(unsigned flows)
{
	struct pktgen_plan plan = {.interface = "eth0",
				   .to_mac = {{2, 0, 0, 0, 1, 1}},
				   .size = 60,
				   .flows = flows,
				   .to_port = PKTGEN_PORT,
				   .cpu = 1};
	assert_true(config_parse_address("192.168.0.2", &plan.to));
	assert_true(config_parse_address("192.168.1.2", &plan.from));
	return plan;
}

/* Whether the command is in the list, and to which file; its place, or -1. */
static int find(const struct pktgen_command *commands, unsigned n, const char *file,
		const char *text)
{
	for (unsigned i = 0; i < n; i++)
		if (!strcmp(commands[i].file, file) && !strcmp(commands[i].text, text))
			return (int)i;
	return -1;
}

static void a_wish_becomes_a_device_and_its_settings(void **state)
{
	(void)state;
	static const char *const device[] = {"clone_skb 0",
					     "flag !SHARED",
					     "pkt_size 60",
					     "count 0",
					     "delay 0",
					     "dst_mac 02:00:00:00:01:01",
					     "src_min 192.168.1.2",
					     "src_max 192.168.1.2",
					     "dst_min 192.168.0.2",
					     "dst_max 192.168.0.2",
					     "udp_src_min 1024",
					     "udp_src_max 1280",
					     "udp_dst_min 1024",
					     "udp_dst_max 1024"};
	struct pktgen_command commands[PKTGEN_COMMANDS_MAX];
	const struct pktgen_plan plan = plan_of(256);
	unsigned n = pktgen_commands(&plan, commands);

	assert_int_equal(find(commands, n, "kpktgend_1", "rem_device_all"), 0);
	assert_int_equal(find(commands, n, "kpktgend_1", "add_device eth0"), 1);
	for (unsigned i = 0; i < ARRAY_SIZE(device); i++)
		assert_true(find(commands, n, "eth0", device[i]) > 1);
	assert_int_equal(n, 2 + ARRAY_SIZE(device));
}

static void only_the_flag_is_optional(void **state)
{
	(void)state;
	struct pktgen_command commands[PKTGEN_COMMANDS_MAX];
	const struct pktgen_plan plan = plan_of(1);
	unsigned n = pktgen_commands(&plan, commands);

	for (unsigned i = 0; i < n; i++)
		assert_int_equal(commands[i].optional, !strcmp(commands[i].text, "flag !SHARED"));
}

static void a_rate_and_a_count_are_passed_on(void **state)
{
	(void)state;
	struct pktgen_command commands[PKTGEN_COMMANDS_MAX];
	struct pktgen_plan plan = plan_of(1);
	plan.pps = 125000;
	plan.count = 5000000000;
	unsigned n = pktgen_commands(&plan, commands);

	assert_true(find(commands, n, "eth0", "ratep 125000") > 0);
	assert_true(find(commands, n, "eth0", "count 5000000000") > 0);
	assert_int_equal(find(commands, n, "eth0", "delay 0"), -1);
	assert_true(find(commands, n, "eth0", "udp_src_max 1024") > 0);
}

/* As pktgen does it: both count up with every frame, and start over by themselves. */
static unsigned count_flows(unsigned sources, unsigned destinations)
{
	unsigned n = 0, s = 0, d = 0;
	do {
		s = (s + 1) % sources;
		d = (d + 1) % destinations;
		n++;
	} while (s || d);
	return n;
}

static void ports_make_as_many_flows_as_can_be(void **state)
{
	(void)state;
	static const unsigned wanted[] = {1, 2, 3, 256, 1000, 32768, 32769, 65536, 100003, 1000000};
	for (unsigned i = 0; i < ARRAY_SIZE(wanted); i++) {
		unsigned s = 0, d = 0;
		pktgen_ports(wanted[i], &s, &d);
		assert_in_range(s, 1, 32768);
		assert_in_range(d, 1, 32768);
		unsigned flows = count_flows(s, d);
		assert_true(flows <= wanted[i]);
		assert_true(wanted[i] - flows <= wanted[i] / 1000);
		if (wanted[i] <= 32768)
			assert_int_equal(d, 1);
	}
}

static void new_flows_take_ports_that_no_other_has(void **state)
{
	(void)state;
	unsigned s = 0, d = 0;
	pktgen_ports(1u << 31, &s, &d);
	assert_true(32768 + d <= 65535 && count_flows(s, d) > 1000000);
	pktgen_ports(65536, &s, &d);
	assert_true(PKTGEN_PORT + d < 32768);
}

static const char idle[] = "Params: count 1000  min_pkt_size: 60  max_pkt_size: 60\n"
			   "     pkts-sofar: 0  errors: 0\n"
			   "     started: 0us  stopped: 0us idle: 0us\n"
			   "Result: OK: dst_mac 02:00:00:00:01:01\n";
static const char done[] = "     flags: \n"
			   "Current:\n"
			   "     pkts-sofar: 1000  errors: 3\n"
			   "     started: 166us  stopped: 1000374us idle: 99us\n"
			   "Result: OK: 1000208(c999000+d1208) usec, 1000 (60byte,0frags)\n"
			   "  999pps 0Mb/sec (479520bps) errors: 3\n";

static void its_counts_are_read(void **state)
{
	(void)state;
	struct pktgen_count count;

	assert_true(pktgen_read_count(idle, &count));
	assert_true(count.made == 0 && count.errors == 0 && count.took_s == 0);
	assert_true(pktgen_read_count(done, &count));
	assert_true(count.made == 1000 && count.errors == 3);
	assert_true(count.took_s > 1.0002 && count.took_s < 1.0003);
	assert_false(pktgen_read_count("Running: \nStopped: eth0\n", &count));
}

static void its_complaints_are_told_from_success(void **state)
{
	(void)state;
	char text[64];

	assert_true(pktgen_result(idle, text, sizeof(text)));
	assert_false(pktgen_result("Result: Flag -:SHARED:- unknown\nAvailable flags", text,
				   sizeof(text)));
	assert_string_equal(text, "Flag -:SHARED:- unknown");
	assert_false(pktgen_result("Running:\n", text, sizeof(text)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wish_becomes_a_device_and_its_settings),
		cmocka_unit_test(only_the_flag_is_optional),
		cmocka_unit_test(a_rate_and_a_count_are_passed_on),
		cmocka_unit_test(ports_make_as_many_flows_as_can_be),
		cmocka_unit_test(new_flows_take_ports_that_no_other_has),
		cmocka_unit_test(its_counts_are_read),
		cmocka_unit_test(its_complaints_are_told_from_success),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
