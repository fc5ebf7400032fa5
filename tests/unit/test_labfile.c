/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_labfile - lab files: what a good one becomes, above all the router file that is cut
 * out of it, and the commands that build it; and each mistake at its place.
 */
#include "../../control/lab_plan.h"
#include "complaints.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct lab *read_text(struct diag *diag, const char *text)
{
	assert_int_equal(diag_open_memory(diag, "lab.yaml", text, strlen(text)), 0);
	return lab_read(diag);
}

static struct lab *read_good(const char *text)
{
	struct diag diag;
	struct lab *lab = read_text(&diag, text);
	if (!lab)
		diag_print(&diag, stderr);
	assert_non_null(lab);
	diag_fini(&diag);
	return lab;
}

static be32 address(const char *text)
{
	be32 value;
	assert_true(config_parse_address(text, &value));
	return value;
}

static void assert_interface(const struct lab_interface *i, const char *name,
			     const char *first_address)
{
	assert_string_equal(i->name, name);
	assert_int_equal(i->n_addresses, first_address != NULL);
	if (first_address)
		assert_int_equal(i->addresses[0].address.raw, address(first_address).raw);
}

/* The lab of the manual. */
static const char two_subnets[] =
	"name: two-subnets\n"
	"nodes:\n"
	"  host1: {addresses: {eth0: 192.168.1.2/24}, routes: [{to: default, via: 192.168.1.1}]}\n"
	"  host2:\n"
	"    addresses: {eth0: 192.168.0.2/24}\n"
	"    macs: {eth0: \"02:00:00:00:02:02\"}                 # optional\n"
	"    routes: [{to: default, via: 192.168.0.1}]\n"
	"    start: [\"python3 -m http.server 80\"]              # in the background\n"
	"  router1: {router: {ports: {r0: {addresses: [192.168.1.1/24]}, r1: {addresses: "
	"[192.168.0.1/24]}}}}\n"
	"links:\n"
	"  - {endpoints: [\"host1:eth0\", \"router1:r0\"]}\n"
	"  - {endpoints: [\"host2:eth0\", \"router1:r1\"], mtu: 1400}\n"
	"checks:\n"
	"  - {on: host1, run: \"ping -c 3 192.168.0.2\"}\n"
	"  - {on: host1, run: \"traceroute -n 192.168.0.2\", expect: \"192.168.1.1\", timeout: "
	"10}\n"
	"  - {on: host2, run: \"ping -c 1 -W 1 10.0.0.9\", fails: true}\n";

static void lab_of_the_manual_has_hosts_and_a_router(void **state)
{
	(void)state;
	struct lab *lab = read_good(two_subnets);
	assert_string_equal(lab->name, "two-subnets");
	assert_int_equal(lab->n_nodes, 3);

	const struct lab_node *host1 = &lab->nodes[0], *host2 = &lab->nodes[1],
			      *router = &lab->nodes[2];
	assert_string_equal(host1->name, "host1");
	assert_int_equal(host1->at.line, 3);
	assert_int_equal(host1->n_interfaces, 1);
	assert_interface(&host1->interfaces[0], "eth0", "192.168.1.2");
	assert_true(mac_is_zero(host1->interfaces[0].mac));
	assert_int_equal(host1->n_routes, 1);
	assert_int_equal(host1->routes[0].prefix_len, 0);
	assert_int_equal(host1->routes[0].via.raw, address("192.168.1.1").raw);
	assert_int_equal(host1->n_start, 0);
	assert_null(host1->router);
	assert_null(host1->router_text);

	assert_true(mac_equal(host2->interfaces[0].mac, (struct mac){{2, 0, 0, 0, 2, 2}}));
	assert_int_equal(host2->n_start, 1);
	assert_string_equal(host2->start[0], "python3 -m http.server 80");

	assert_non_null(router->router);
	assert_int_equal(router->router->n_ports, 2);
	assert_true(router->router->lanes.far_end_prepare);
	assert_int_equal(router->n_interfaces, 2);
	assert_interface(&router->interfaces[0], "r0", NULL);
	assert_interface(&router->interfaces[1], "r1", NULL);
	lab_free(lab);
}

static void lab_of_the_manual_has_links_and_checks(void **state)
{
	(void)state;
	struct lab *lab = read_good(two_subnets);
	assert_int_equal(lab->n_links, 2);
	assert_int_equal(lab->links[1].ends[0].node, 1);
	assert_string_equal(lab->links[1].ends[0].name, "eth0");
	assert_int_equal(lab->links[1].ends[1].node, 2);
	assert_string_equal(lab->links[1].ends[1].name, "r1");
	assert_int_equal(lab->links[0].mtu, 0);
	assert_int_equal(lab->links[1].mtu, 1400);
	assert_int_equal(lab->links[1].at.line, 12);

	assert_int_equal(lab->n_checks, 3);
	assert_string_equal(lab->checks[0].run, "ping -c 3 192.168.0.2");
	assert_null(lab->checks[0].expect);
	assert_false(lab->checks[0].fails);
	assert_int_equal(lab->checks[0].timeout_s, 30);
	assert_string_equal(lab->checks[1].expect, "192.168.1.1");
	assert_int_equal(lab->checks[1].timeout_s, 10);
	assert_int_equal(lab->checks[2].node, 1);
	assert_true(lab->checks[2].fails);
	assert_int_equal(lab->checks[2].at.line, 16);
	lab_free(lab);
}

static void host_may_have_several_addresses_and_a_loopback(void **state)
{
	(void)state;
	struct lab *lab = read_good(
		"name: l\n"
		"nodes:\n"
		"  a: {addresses: {eth0: [10.0.0.1/24, 10.1.0.1/24], lo: 9.9.9.9/32}}\n"
		"  b: {}\n"
		"  c:\n"
		"links: [{endpoints: [a:eth0, b:eth0], mtu: 9000}, {endpoints: [b:x, c:y]}]\n");
	assert_int_equal(lab->nodes[0].n_interfaces, 2);
	assert_int_equal(lab->nodes[0].interfaces[0].n_addresses, 2);
	assert_interface(&lab->nodes[0].interfaces[1], "lo", "9.9.9.9");
	assert_int_equal(lab->nodes[1].n_interfaces, 2);
	assert_int_equal(lab->nodes[2].n_interfaces, 1);
	lab_free(lab);
}

/* ---- bridges ---- */

/* br0 takes r1, and r2, which ports: does not list; its leg has a gateway behind it. */
static const char bridge_lab[] =
	"name: l\n"
	"nodes:\n"
	"  a: {addresses: {eth0: 10.0.0.2/24}}\n"
	"  b: {addresses: {eth0: 10.0.0.3/24}}\n"
	"  c: {addresses: {eth0: 10.0.1.2/24}}\n"
	"  r:\n"
	"    router:\n"
	"      ports: {r0: {addresses: [10.0.1.1/24]}, r1: {}}\n"
	"      bridges: {br0: {ports: [r1, r2.5], addresses: [10.0.0.1/24]}}\n"
	"      routes:\n"
	"      - {to: default, via: 10.0.0.254}\n"
	"      - {to: 10.1.0.0/16, port: br0}\n"
	"      - {to: 10.2.0.0/16, via: 10.0.1.254}\n"
	"links:\n"
	"  - {endpoints: [a:eth0, r:r1]}\n"
	"  - {endpoints: [b:eth0, r:r2.5], mtu: 1400}\n"
	"  - {endpoints: [c:eth0, r:r0]}\n";

static void bridged_ports_are_on_links(void **state)
{
	(void)state;
	struct lab *lab = read_good(bridge_lab);
	const struct lab_node *router = &lab->nodes[3];
	assert_int_equal(router->n_interfaces, 3);
	assert_interface(&router->interfaces[1], "r2.5", NULL);
	assert_int_equal(router->router->n_bridges, 1);
	assert_int_equal(router->router->n_ports, 3);
	lab_free(lab);
}

static void kernel_gets_no_leg_and_no_ipv6_on_bridged_ports(void **state)
{
	(void)state;
	static const char *const expected[] = {
		"ip netns add l-a",
		"ip netns add l-b",
		"ip netns add l-c",
		"ip netns add l-r",
		"ip link add name eth0 netns l-a type veth peer name r1 netns l-r",
		"ip link add name eth0 netns l-b mtu 1400 type veth peer name r2.5 netns l-r mtu 1400",
		"ip link add name eth0 netns l-c type veth peer name r0 netns l-r",
		"ip netns exec l-a sysctl -qw net.ipv4.ip_forward=0",
		"ip -n l-a address add 10.0.0.2/24 dev eth0",
		"ip -n l-a link set dev lo up",
		"ip -n l-a link set dev eth0 up",
		"ip netns exec l-b sysctl -qw net.ipv4.ip_forward=0",
		"ip -n l-b address add 10.0.0.3/24 dev eth0",
		"ip -n l-b link set dev lo up",
		"ip -n l-b link set dev eth0 up",
		"ip netns exec l-c sysctl -qw net.ipv4.ip_forward=0",
		"ip -n l-c address add 10.0.1.2/24 dev eth0",
		"ip -n l-c link set dev lo up",
		"ip -n l-c link set dev eth0 up",
		"ip netns exec l-r sysctl -qw net.ipv4.ip_forward=0",
		"ip -n l-r address add 10.0.1.1/24 dev r0",
		"ip netns exec l-r sysctl -qw net.ipv6.conf.r1.disable_ipv6=1",
		"ip netns exec l-r sysctl -qw net/ipv6/conf/r2.5/disable_ipv6=1",
		"ip -n l-r link set dev lo up",
		"ip -n l-r link set dev r1 up",
		"ip -n l-r link set dev r2.5 up",
		"ip -n l-r link set dev r0 up",
		"ip -n l-r route add 10.2.0.0/16 via 10.0.1.254",
		"ip netns exec l-a ethtool -K eth0 gro on",
		"ip netns exec l-b ethtool -K eth0 gro on",
		"ip netns exec l-c ethtool -K eth0 gro on",
	};
	struct lab *lab = read_good(bridge_lab);
	struct plan *plan = plan_new(lab);
	assert_non_null(plan);
	for (size_t i = 0; i < plan->n_steps && i < ARRAY_SIZE(expected); i++) {
		char *command = plan_command(&plan->steps[i]);
		assert_string_equal(command, expected[i]);
		free(command);
	}
	assert_int_equal(plan->n_steps, ARRAY_SIZE(expected));
	plan_free(plan);
	lab_free(lab);
}

/* ---- the router's own file ---- */

/* A lab around a router section, which begins at line 4 after "    router:". */
#define AROUND(section)                                                                            \
	"name: l\nnodes:\n  r:\n    router:" section "  h: {}\nlinks: [{endpoints: [h:e, "         \
	"r:r0]}]\n"

static void check_router_text(const char *lab_text, bool prepare, unsigned port_line)
{
	struct lab *lab = read_good(lab_text);
	const struct lab_node *node = &lab->nodes[0];
	struct diag diag;
	assert_non_null(node->router_text);
	assert_int_equal(diag_open_memory(&diag, "r", node->router_text, strlen(node->router_text)),
			 0);
	struct config *config = config_read(&diag);
	if (!config)
		diag_print(&diag, stderr);
	assert_non_null(config);
	assert_int_equal(config->n_ports, 1);
	assert_int_equal(config->ports[0].at.line, port_line);
	assert_int_equal(config->lanes.far_end_prepare, prepare);
	assert_int_equal(node->router->lanes.far_end_prepare, prepare);
	assert_int_equal(config->lanes.transmit, node->router->lanes.transmit);
	config_free(config);
	diag_fini(&diag);
	lab_free(lab);
}

static void router_section_keeps_its_lines_and_columns(void **state)
{
	(void)state;
	struct lab *lab = read_good(AROUND("  # a comment\n"
					   "      ports:\n"
					   "        r0: {addresses: [10.0.0.1/24]}   # kept\n"
					   "      frames: 2048\n"));
	assert_string_equal(lab->nodes[0].router_text,
			    "\n\n\n"
			    "      lanes: {far-end: prepare}\n"
			    "      ports:\n"
			    "        r0: {addresses: [10.0.0.1/24]}   # kept\n"
			    "      frames: 2048\n"
			    "  \n");
	lab_free(lab);
}

static void router_text_prepares_the_far_end_unless_told_otherwise(void **state)
{
	(void)state;
	check_router_text(AROUND("\n      ports:\n        r0:\n"), true, 6);
	check_router_text(AROUND("\n\n# c\n      ports: {r0: }\n"), true, 7);
	check_router_text(AROUND(" {ports: {r0: {}}}\n"), true, 4);
	check_router_text(AROUND(" {ports:\n {r0: {}}\n }\n"), true, 5);
	check_router_text(AROUND(" {lanes: {far-end: leave}, ports: {r0: {}}}\n"), false, 4);
	check_router_text(AROUND(" {lanes: {transmit: burst}, ports: {r0: {}}}\n"), true, 4);
	check_router_text(AROUND(" {lanes: {}, ports: {r0: {}}}\n"), true, 4);
	check_router_text(AROUND(" {lanes: , ports: {r0: {}}}\n"), true, 4);
	check_router_text(AROUND(" {lanes, ports: {r0: {}}}\n"), true, 4);
	check_router_text(AROUND("\n      ports: {r0: {}}\n      lanes:\n"), true, 5);
	check_router_text(AROUND("\n      ports: {r0: {}}\n      lanes: {}\n"), true, 5);
	check_router_text(
		AROUND("\n      ports: {r0: {}}\n      lanes:\n        transmit: burst\n"), true,
		5);
	check_router_text(AROUND("\n      ports: {r0: {}}\n      lanes:\n        far-end: leave\n"),
			  false, 5);
	/* All on one line, behind characters of more than one byte. */
	check_router_text("{name: l, nodes: {r: {start: [\"echo \xc3\xa4\xc3\xb6\"], router: "
			  "{ports: {r0: {}}}}, h: {}}, "
			  "links: [{endpoints: [h:e, r:r0]}]}\n",
			  true, 1);
}

/* ---- broken files ---- */

static void check_broken(const struct broken *broken)
{
	struct diag diag;
	assert_null(read_text(&diag, broken->text));
	complaints_check(&diag, broken);
	diag_fini(&diag);
}

#define TWO_HOSTS "name: l\nnodes:\n  a: {addresses: {e: 10.0.0.1/24}}\n  b: {}\n"

static void mistakes_are_reported_at_their_place(void **state)
{
	(void)state;
	static const struct broken cases[] = {
		{"nodes: {a: {}}\n", {"1:1 the lab lacks name:"}},
		{"name: x\n", {"1:1 the lab lacks nodes:"}},
		{"name: x\nnodes: {}\n", {"2:8 lists no node"}},
		{"name: a_b\nnodes: {-x: {}, \"\": {}}\n",
		 {"1:7 cannot be a lab's name", "2:9 cannot be a node's name",
		  "2:17 value is empty"}},
		{"name: x\nnodes: {a: {adresses: {}}}\n",
		 {"2:13 unknown key \"adresses\" in node a"}},
		{"name: x\nnodes: {a: {}, a: {}}\n", {"2:16 \"a\" is given twice"}},
		{"name: x\nnodes: {a: {addresses: {e/0: 10.0.0.1/24, e1: 10.0.0.1}}}\n",
		 {"2:25 slash", "2:43 is on no link", "2:47 lacks a prefix length"}},
		{"name: x\nnodes: {a: {macs: {e0: 01:00:5e:00:00:01}}}\n",
		 {"2:20 e0 is on no link", "2:24 a group's address"}},
		{TWO_HOSTS "links: [{endpoints: [a:e, b:e]}, {endpoints: [b:e, a:f]}]\n",
		 {"5:47 b:e is on another link already"}},
		{TWO_HOSTS "links: [{endpoints: [a:e]}]\n",
		 {"5:21 a link has two endpoints, not 1"}},
		{TWO_HOSTS "links: [{endpoints: [a:e, c:e]}]\n", {"5:27 there is no node \"c\""}},
		{TWO_HOSTS "links: [{endpoints: [a, b:lo]}]\n",
		 {"5:22 not an endpoint", "5:25 has a lo"}},
		{TWO_HOSTS "links: [{endpoints: [a:e, \"b:a b\"], mtu: 9}]\n",
		 {"5:27 a space", "5:42 too small"}},
		{TWO_HOSTS "links: [{}]\n", {"5:9 lacks endpoints:"}},
		{TWO_HOSTS, {"3:19 e is on no link"}},
		{TWO_HOSTS "links: [{endpoints: [a:e, b:e]}]\n"
			   "checks: [{on: c, run: x}, {run: x}, {on: a}, {on: a, run: x, timeout: "
			   "0, fails: 1}]\n",
		 {"6:15 there is no node \"c\"", "6:27 lacks on:", "6:37 lacks run:",
		  "6:71 too small", "6:81 \"1\" is not known"}},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_broken(&cases[i]);
}

static void gateways_of_hosts_are_checked(void **state)
{
	(void)state;
#define HOST(routes)                                                                               \
	"name: l\nnodes: {b: {}, a: {addresses: {e: 10.0.0.1/24}, routes: [" routes "]}}\n"        \
	"links: [{endpoints: [a:e, b:e]}]\n"
	static const struct broken cases[] = {
		{HOST("{to: default, via: 10.0.1.2}"), {"2:77 on no connected subnet"}},
		{HOST("{to: default, via: 10.0.0.1}"), {"2:77 own address"}},
		{HOST("{to: default}"), {"2:58 lacks via:"}},
		{HOST("{to: default, dev: e}"), {"2:72 unknown key \"dev\""}},
		{HOST("{to: 9.0.0.1/8, via: 10.0.0.2}"), {"2:63 has host bits set"}},
		{HOST("{to: default, via: 10.0.0.2}, {to: 0.0.0.0/0, via: 10.0.0.3}"),
		 {"2:88 a second route with this prefix"}},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_broken(&cases[i]);
}

static void router_sections_are_checked_in_place(void **state)
{
	(void)state;
	static const struct broken cases[] = {
		{AROUND("\n"), {"4:12 a router needs ports:"}},
		{AROUND(" {ports: {r0: {addresses: [10.0.0.1]}}}\n"),
		 {"4:39 lacks a prefix length"}},
		{AROUND("\n      ports: {r0: {}}\n      routes: [{to: default, via: 1.1.1.1}]\n"),
		 {"6:35 on no connected subnet"}},
		{AROUND("\n      ports: {r0: {}, r1: {}}\n"), {"5:23 r1 is on no link"}},
		{AROUND("\n      ports: {r0: {mtu: 1501}}\n"),
		 {"5:15 mtu: 1501 is larger than its link's"}},
		{AROUND(" {ports: {r0: {}}}\n    addresses: {r0: 10.0.0.1/24}\n    routes: []\n"),
		 {"5:17 r0 is a port of the router",
		  "6:5 a router's routes: are part of its router file"}},
		{"name: l\nnodes: {r: {router: {ports: {r0: {}}}}, h: {}}\n"
		 "links: [{endpoints: [h:e, r:r0], mtu: 9000}]\n",
		 {"3:39 9000 is too large for port r0"}},
		{AROUND(" {ports: {r0: {}, r0: {}}}\n"), {"4:30 \"r0\" is given twice"}},
		{AROUND(" {bridges: {br0: {ports: [r0, r1]}}}\n"), {"4:42 r1 is on no link"}},
		{AROUND(" {bridges: {br0: {ports: [r0]}}}\n    addresses: {r0: 10.0.0.1/24}\n"),
		 {"5:17 r0 is a port of the router"}},
		{AROUND(" {bridges: {br0: {ports: [r0]}}}\n    addresses: {br0: 10.0.0.1/24}\n"),
		 {"5:17 br0 is a bridge of the router"}},
		{"name: l\nnodes: {r: {router: {bridges: {br0: {ports: [r0]}}}}, h: {}}\n"
		 "links: [{endpoints: [h:e, r:br0]}]\n",
		 {"3:27 br0 is a bridge of r, not an interface"}},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_broken(&cases[i]);
}

/* ---- which kind of file ---- */

static void lab_files_are_told_from_router_files(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool lab;
	} cases[] = {
		{two_subnets, true},
		{"# nodes:\nports: {}\n", false},
		{"ports:\n  nodes: {}\n", false},
		{"--- # x\n  name: x\n  nodes : \n", true},
		{"name: x\r\n\"nodes\": [\r\n", true},
		{"name: x\n\tbroken\nnodes:\n  [", true},
		{"{name: x, nodes: {}}\n", true},
		{"{name: x, ports: {nodes: {}}}\n", false},
		{"{nodes: ", false},
		{"", false},
		{"nodesx: 1\n", false},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct diag diag;
		assert_int_equal(diag_open_memory(&diag, "t", cases[i].text, strlen(cases[i].text)),
				 0);
		if (lab_is_lab_file(&diag) != cases[i].lab)
			fail_msg("case %zu: %s", i, cases[i].text);
		diag_fini(&diag);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lab_of_the_manual_has_hosts_and_a_router),
		cmocka_unit_test(lab_of_the_manual_has_links_and_checks),
		cmocka_unit_test(host_may_have_several_addresses_and_a_loopback),
		cmocka_unit_test(bridged_ports_are_on_links),
		cmocka_unit_test(kernel_gets_no_leg_and_no_ipv6_on_bridged_ports),
		cmocka_unit_test(router_section_keeps_its_lines_and_columns),
		cmocka_unit_test(router_text_prepares_the_far_end_unless_told_otherwise),
		cmocka_unit_test(mistakes_are_reported_at_their_place),
		cmocka_unit_test(gateways_of_hosts_are_checked),
		cmocka_unit_test(router_sections_are_checked_in_place),
		cmocka_unit_test(lab_files_are_told_from_router_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
