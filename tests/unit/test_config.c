/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_config - router files: what a good one becomes, and that each mistake is reported
 * at its line and column. Complaints are compared whole in number: none too few, and none
 * that only follows from another.
 */
#include "../../control/config.h"
#include "complaints.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* A port with 192.168.1.1/24 and one with 192.168.0.1/24, on the first three lines. */
#define TWO_PORTS                                                                                  \
	"ports:\n"                                                                                 \
	"  r0: {addresses: [192.168.1.1/24]}\n"                                                    \
	"  r1: {addresses: [192.168.0.1/24]}\n"

static struct config *read_text(struct diag *diag, const char *text)
{
	assert_int_equal(diag_open_memory(diag, "t.yaml", text, strlen(text)), 0);
	return config_read(diag);
}

static struct config *read_good(const char *text)
{
	struct diag diag;
	struct config *config = read_text(&diag, text);
	if (!config)
		diag_print(&diag, stderr);
	assert_non_null(config);
	assert_int_equal(diag.n_errors, 0);
	diag_fini(&diag);
	return config;
}

static be32 ip(const char *text)
{
	be32 value;
	assert_true(config_parse_address(text, &value));
	return value;
}

static void assert_place(struct place at, unsigned line, unsigned column, unsigned length)
{
	assert_int_equal(at.line, line);
	assert_int_equal(at.column, column);
	assert_int_equal(at.length, length);
}

/* ---- good files ---- */

static const char whole_file[] =
	"# a comment\n"
	"ports:                              # every interface the router takes over\n"
	"  r0: {addresses: [192.168.1.1/24, 10.0.0.1/31], xdp: generic}\n"
	"  r1: {addresses: [192.168.0.1/24], mtu: 1500}\n"
	"  r2:\n"
	"routes:\n"
	"  - {to: default, via: 192.168.0.254}\n"
	"  - {to: 10.9.0.0/16, via: 192.168.0.9, metric: 10}\n"
	"  - {to: 10.8.0.0/16, type: blackhole}   # silent\n"
	"  - {to: 10.7.0.1, port: r2, type: unicast}\n"
	"  - {to: 10.9.0.0/16, via: 10.0.0.0, port: r0, metric: 4294967295}\n"
	"neighbours:\n"
	"  - {address: 192.168.1.2, mac: \"02:00:00:00:01:02\", port: r0}\n"
	"  - {address: 192.168.0.2, mac: 02:00:00:AB:cd:02}\n"
	"lanes: {transmit: burst, burst-min: 17, gso: off, flow-cache: off, far-end: prepare,\n"
	"  punt-rate: 1000, read-depth: 64, spin: 0, busy-poll: on}\n"
	"frames: 1088\n";

static void ports_have_addresses_mtu_and_xdp(void **state)
{
	(void)state;
	struct config *c = read_good(whole_file);
	assert_int_equal(c->n_ports, 3);
	assert_string_equal(c->ports[0].name, "r0");
	assert_place(c->ports[0].at, 3, 3, 2);
	assert_int_equal(c->ports[0].n_addresses, 2);
	assert_int_equal(c->ports[0].addresses[0].address.raw, ip("192.168.1.1").raw);
	assert_int_equal(c->ports[0].addresses[0].prefix_len, 24);
	assert_place(c->ports[0].addresses[0].at, 3, 20, 14);
	assert_int_equal(c->ports[0].addresses[1].prefix_len, 31);
	assert_int_equal(c->ports[0].xdp, XDP_GENERIC);
	assert_int_equal(c->ports[0].mtu, 0);
	assert_int_equal(c->ports[1].mtu, 1500);
	assert_int_equal(c->ports[1].xdp, XDP_AUTO);
	assert_string_equal(c->ports[2].name, "r2");
	assert_int_equal(c->ports[2].n_addresses, 0);
	config_free(c);
}

static void mtu_may_exceed_a_frame_in_generic_mode(void **state)
{
	(void)state;
	struct config *c = read_good("ports: {r0: {mtu: 65535, xdp: generic}}\n");
	assert_int_equal(c->ports[0].mtu, 65535);
	config_free(c);
}

static void routes_keep_what_the_file_says(void **state)
{
	(void)state;
	struct config *c = read_good(whole_file);
	const struct config_route expected[] = {
		{ip("0.0.0.0"), 0, ROUTE_UNICAST, ip("192.168.0.254"), "", 0, {7, 5, 33}},
		{ip("10.9.0.0"), 16, ROUTE_UNICAST, ip("192.168.0.9"), "", 10, {8, 5, 47}},
		{ip("10.8.0.0"), 16, ROUTE_BLACKHOLE, {0}, "", 0, {9, 5, 34}},
		{ip("10.7.0.1"), 32, ROUTE_UNICAST, {0}, "r2", 0, {10, 5, 39}},
		{ip("10.9.0.0"), 16, ROUTE_UNICAST, ip("10.0.0.0"), "r0", UINT32_MAX, {11, 5, 62}},
	};
	assert_int_equal(c->n_routes, ARRAY_SIZE(expected));
	for (size_t i = 0; i < c->n_routes; i++) {
		const struct config_route *a = &c->routes[i], *b = &expected[i];
		assert_int_equal(a->prefix.raw, b->prefix.raw);
		assert_int_equal(a->prefix_len, b->prefix_len);
		assert_int_equal(a->type, b->type);
		assert_int_equal(a->via.raw, b->via.raw);
		assert_string_equal(a->port, b->port);
		assert_int_equal(a->metric, b->metric);
		assert_place(a->at, b->at.line, b->at.column, b->at.length);
	}
	config_free(c);
}

static void number_or_word_is_either(void **state)
{
	(void)state;
	struct config *c = read_good("ports: {r0: {}}\nlanes: {punt-rate: unlimited}\n");
	assert_int_equal(c->lanes.punt_rate, 0);
	config_free(c);
	c = read_good("ports: {r0: {}}\nlanes: {burst-min: auto}\n");
	assert_int_equal(c->lanes.burst_min, BURST_MIN_AUTO);
	config_free(c);
	c = read_good("ports: {r0: {}}\nlanes: {punt-rate: 0}\n");
	assert_int_equal(c->lanes.punt_rate, 0);
	config_free(c);
}

static void neighbours_lanes_and_frames_are_read(void **state)
{
	(void)state;
	struct config *c = read_good(whole_file);
	assert_int_equal(c->n_neighbours, 2);
	assert_int_equal(c->neighbours[0].address.raw, ip("192.168.1.2").raw);
	assert_true(mac_equal(c->neighbours[0].mac, (struct mac){{2, 0, 0, 0, 1, 2}}));
	assert_string_equal(c->neighbours[0].port, "r0");
	assert_true(mac_equal(c->neighbours[1].mac, (struct mac){{2, 0, 0, 0xab, 0xcd, 2}}));
	assert_string_equal(c->neighbours[1].port, "r1"); /* found by its subnet */
	assert_int_equal(c->lanes.transmit, TRANSMIT_BURST);
	assert_int_equal(c->lanes.burst_min, 17);
	assert_false(c->lanes.gso);
	assert_false(c->lanes.flow_cache);
	assert_true(c->lanes.far_end_prepare);
	assert_int_equal(c->lanes.punt_rate, 1000);
	assert_int_equal(c->lanes.read_depth, 64);
	assert_int_equal(c->lanes.spin_us, 0);
	assert_true(c->lanes.busy_poll);
	assert_int_equal(c->frames, 1088);
	config_free(c);
}

static void file_with_one_port_has_the_defaults(void **state)
{
	(void)state;
	struct config *c =
		read_good("\xef\xbb\xbf---\nports: {\"eth0\": {}}\nroutes:\nlanes: {}\n...\n");
	assert_int_equal(c->n_ports, 1);
	assert_string_equal(c->ports[0].name, "eth0");
	assert_int_equal(c->n_routes, 0);
	assert_int_equal(c->n_neighbours, 0);
	assert_int_equal(c->lanes.transmit, TRANSMIT_AUTO);
	assert_int_equal(c->lanes.burst_min, BURST_MIN_AUTO);
	assert_true(c->lanes.gso);
	assert_true(c->lanes.flow_cache);
	assert_false(c->lanes.far_end_prepare);
	assert_int_equal(c->lanes.punt_rate, PUNT_RATE_DEFAULT);
	assert_int_equal(c->lanes.read_depth, 2048);
	assert_int_equal(c->lanes.spin_us, 50);
	assert_false(c->lanes.busy_poll);
	assert_int_equal(c->frames, 16384);
	config_free(c);
}

static void one_port_may_have_subnets_inside_each_other(void **state)
{
	(void)state;
	struct config *c =
		read_good("ports: {r0: {addresses: [10.0.0.1/8, 10.1.0.1/16, 10.1.0.2/16]}}\n"
			  "routes: [{to: default, via: 10.1.0.9}]\n");
	assert_int_equal(c->ports[0].n_addresses, 3);
	config_free(c);
}

static void routes_may_differ_in_metric_only(void **state)
{
	(void)state;
	struct config *c = read_good(TWO_PORTS "routes:\n"
					       "- {to: 10.0.0.0/8, via: 192.168.0.2}\n"
					       "- {to: 10.0.0.0/8, via: 192.168.1.2, metric: 1}\n"
					       "- {to: 10.0.0.0/9, via: 192.168.1.2}\n");
	assert_int_equal(c->n_routes, 3);
	config_free(c);
}

static void hundred_thousand_routes_are_read(void **state)
{
	(void)state;
	enum { N = 100000 };
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	fputs(TWO_PORTS "routes:\n", out);
	for (unsigned i = 0; i < N; i++)
		fprintf(out, "- {to: %u.%u.%u.0/24, via: 192.168.0.2}\n", 11 + (i >> 16),
			i >> 8 & 255, i & 255);
	fclose(out);
	struct config *c = read_good(text);
	assert_int_equal(c->n_routes, N);
	assert_int_equal(c->routes[N - 1].prefix.raw, ip("12.134.159.0").raw);
	assert_int_equal(c->routes[N - 1].at.line, N + 4);
	config_free(c);
	free(text);
}

/* ---- bridges ---- */

static const char bridge_file[] =
	"bridges:\n"
	"  br0:\n"
	"    ports: [r2, r3, r1]\n"
	"    addresses: [192.168.10.1/24, 10.0.0.1/32]\n"
	"    aging: 10\n"
	"    mac: \"02:00:00:00:10:01\"\n"
	"    mirror: r4\n"
	"  br1: {ports: [r5]}\n"
	"ports:\n"
	"  r0: {addresses: [192.168.1.1/24], mirror: r4}\n"
	"  r1: {learning: off, flood: off, isolated: on, mtu: 1400}\n"
	"  r2: {learning: on, flood: true, isolated: false, mirror: r6, xdp: native, addresses: "
	"[]}\n"
	"  r4:\n"
	"  r6: {}\n"
	"routes:\n"
	"  - {to: default, via: 192.168.10.254}\n"
	"  - {to: 10.1.0.0/16, port: br0}\n"
	"  - {to: 10.2.0.0/16, via: 192.168.10.9, port: br0}\n"
	"neighbours:\n"
	"  - {address: 192.168.10.2, mac: \"02:00:00:00:10:02\"}\n"
	"  - {address: 192.168.10.3, mac: \"02:00:00:00:10:03\", port: br0}\n";

static void assert_addresses(const struct config_address *a, unsigned n_a,
			     const struct config_address *b, unsigned n_b)
{
	assert_int_equal(n_a, n_b);
	for (unsigned i = 0; i < n_a; i++) {
		assert_int_equal(a[i].address.raw, b[i].address.raw);
		assert_int_equal(a[i].prefix_len, b[i].prefix_len);
		assert_place(a[i].at, b[i].at.line, b[i].at.column, b[i].at.length);
	}
}

static void assert_port(const struct config_port *a, const struct config_port *b)
{
	assert_string_equal(a->name, b->name);
	assert_place(a->at, b->at.line, b->at.column, b->at.length);
	assert_addresses(a->addresses, a->n_addresses, b->addresses, b->n_addresses);
	assert_int_equal(a->mtu, b->mtu);
	assert_int_equal(a->xdp, b->xdp);
	assert_string_equal(a->bridge, b->bridge);
	assert_int_equal(a->no_learning, b->no_learning);
	assert_int_equal(a->no_flood, b->no_flood);
	assert_int_equal(a->isolated, b->isolated);
	assert_string_equal(a->mirror, b->mirror);
}

static void assert_bridge(const struct config_bridge *a, const struct config_bridge *b)
{
	assert_string_equal(a->name, b->name);
	assert_place(a->at, b->at.line, b->at.column, b->at.length);
	assert_int_equal(a->n_ports, b->n_ports);
	assert_memory_equal(a->ports, b->ports, a->n_ports * sizeof(*a->ports));
	assert_addresses(a->addresses, a->n_addresses, b->addresses, b->n_addresses);
	assert_int_equal(a->aging_s, b->aging_s);
	assert_true(mac_equal(a->mac, b->mac));
	assert_string_equal(a->mirror, b->mirror);
}

static void bridged_ports_have_flags_and_the_unlisted_come_last(void **state)
{
	(void)state;
	struct config_address address = {ip("192.168.1.1"), 24, {10, 20, 14}};
	const struct config_port expected[] = {
		{.name = "r0", .at = {10, 3, 2}, .addresses = &address, .n_addresses = 1,
		 .mirror = "r4"},
		{.name = "r1", .at = {11, 3, 2}, .mtu = 1400, .bridge = "br0", .no_learning = true,
		 .no_flood = true, .isolated = true},
		{.name = "r2", .at = {12, 3, 2}, .xdp = XDP_NATIVE, .bridge = "br0",
		 .mirror = "r6"},
		{.name = "r4", .at = {13, 3, 2}},
		{.name = "r6", .at = {14, 3, 2}},
		{.name = "r3", .at = {3, 17, 2}, .bridge = "br0"},
		{.name = "r5", .at = {8, 17, 2}, .bridge = "br1"},
	};
	struct config *c = read_good(bridge_file);
	assert_int_equal(c->n_ports, ARRAY_SIZE(expected));
	for (unsigned i = 0; i < c->n_ports; i++)
		assert_port(&c->ports[i], &expected[i]);
	config_free(c);
}

static void bridges_have_ports_and_a_leg(void **state)
{
	(void)state;
	struct config_address addresses[] = {
		{ip("192.168.10.1"), 24, {4, 17, 15}},
		{ip("10.0.0.1"), 32, {4, 34, 11}},
	};
	unsigned ports0[] = {2, 5, 1}, ports1[] = {6};
	const struct config_bridge expected[] = {
		{.name = "br0", .at = {2, 3, 3}, .ports = ports0, .n_ports = 3,
		 .addresses = addresses, .n_addresses = 2, .aging_s = 10,
		 .mac = {{2, 0, 0, 0, 0x10, 1}}, .mirror = "r4"},
		{.name = "br1", .at = {8, 3, 3}, .ports = ports1, .n_ports = 1, .aging_s = 300},
	};
	struct config *c = read_good(bridge_file);
	assert_int_equal(c->n_bridges, ARRAY_SIZE(expected));
	for (unsigned i = 0; i < c->n_bridges; i++)
		assert_bridge(&c->bridges[i], &expected[i]);
	config_free(c);
}

static void file_may_have_nothing_but_a_bridge(void **state)
{
	(void)state;
	struct config *c = read_good("ports:\nbridges: {br0: {ports: [r0]}}\n");
	assert_int_equal(c->n_ports, 1);
	assert_string_equal(c->ports[0].bridge, "br0");
	config_free(c);
	c = read_good("ports: {r0}\nbridges: {}\n");
	assert_int_equal(c->n_bridges, 0);
	config_free(c);
}

static void routes_and_neighbours_may_be_on_a_bridge(void **state)
{
	(void)state;
	struct config *c = read_good(bridge_file);
	assert_int_equal(c->n_routes, 3);
	assert_string_equal(c->routes[0].port, "");
	assert_string_equal(c->routes[1].port, "br0");
	assert_string_equal(c->routes[2].port, "br0");
	assert_int_equal(c->n_neighbours, 2);
	assert_string_equal(c->neighbours[0].port, "br0"); /* found by the leg's subnet */
	assert_string_equal(c->neighbours[1].port, "br0");
	config_free(c);
}

/* n_listed ports under ports:, and a bridge of n_bridged others. frames: 0: not said. */
static struct config *read_many(struct diag *diag, unsigned n_listed, unsigned n_bridged,
				unsigned frames)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	fputs("ports:\n", out);
	for (unsigned i = 0; i < n_listed; i++)
		fprintf(out, "  r%u:\n", i);
	fputs("bridges:\n  br0: {ports: [", out);
	for (unsigned i = 0; i < n_bridged; i++)
		fprintf(out, "b%u, ", i);
	fputs("r0]}\n", out);
	if (frames)
		fprintf(out, "frames: %u\n", frames);
	fclose(out);
	struct config *config = read_text(diag, text);
	free(text);
	return config;
}

static void ports_and_bridges_are_256_together(void **state)
{
	(void)state;
	struct diag diag;
	struct config *c = read_many(&diag, 100, 155, 32768);
	assert_non_null(c);
	assert_int_equal(c->n_ports + c->n_bridges, 256);
	assert_int_equal(c->bridges[0].n_ports, 156);
	config_free(c);
	diag_fini(&diag);

	assert_null(read_many(&diag, 100, 158, 32768));
	assert_int_equal(diag.n_errors, 1);
	assert_string_equal(diag.entries[0].message,
			    "b155 is one too many: at most 256 ports and bridges together");
	diag_fini(&diag);

	assert_null(read_many(&diag, 256, 1, 32768));
	assert_int_equal(diag.n_errors, 1);
	assert_int_equal(diag.entries[0].at.line, 259);
	assert_string_equal(diag.entries[0].message,
			    "br0 is one too many: at most 256 ports and bridges together");
	diag_fini(&diag);
}

static void each_port_needs_frames(void **state)
{
	(void)state;
	struct diag diag;
	config_free(read_many(&diag, 100, 28, 0));
	assert_int_equal(diag.n_errors, 0);
	diag_fini(&diag);

	assert_null(read_many(&diag, 100, 29, 0));
	assert_int_equal(diag.n_errors, 1);
	assert_int_equal(diag.entries[0].at.line, 2); /* what ports: lists */
	assert_string_equal(diag.entries[0].message, "frames: 16384 are too few for 129 ports");
	assert_string_equal(diag.entries[0].hint, "frames: 16512, or more");
	diag_fini(&diag);

	assert_null(read_many(&diag, 100, 29, 16448));
	assert_int_equal(diag.n_errors, 1);
	assert_int_equal(diag.entries[0].at.line, 104);
	diag_fini(&diag);

	config_free(read_many(&diag, 100, 29, 16512));
	assert_int_equal(diag.n_errors, 0);
	diag_fini(&diag);
}

/* ---- nat, filter, sessions ---- */

/* The file that the README's reference shows: every section there is. */
static const char sample_file[] =
	"ports:                              # every interface the router takes over\n"
	"  r0: {addresses: [192.168.1.1/24]}\n"
	"  r1: {addresses: [192.168.0.1/24], mtu: 1500}        # mtu: the interface's own\n"
	"bridges:\n"
	"  br0:\n"
	"    ports: [r2, r3, r4]             # bridged ports have no address\n"
	"    addresses: [192.168.10.1/24]    # the bridge's own address: a routed leg; optional\n"
	"    aging: 300                      # seconds\n"
	"    mac: \"02:00:00:00:10:01\"        # else the lowest MAC of its ports\n"
	"routes:\n"
	"  - {to: default, via: 192.168.0.254}\n"
	"  - {to: 10.9.0.0/16, via: 192.168.0.9, metric: 10}\n"
	"  - {to: 10.8.0.0/16, type: blackhole}   # silent\n"
	"neighbours:\n"
	"  - {address: 192.168.1.2, mac: \"02:00:00:00:01:02\", port: r0}\n"
	"nat:                                # to: is always the new address\n"
	"  - {action: masquerade, out: r1, from: 192.168.1.0/24}\n"
	"  - {action: snat, out: r1, from: 192.168.10.0/24, to: 192.168.0.126}\n"
	"  - {action: dnat, in: r1, protocol: tcp, port: 9999, to: \"192.168.10.3:9999\"}\n"
	"filter:                             # routed transit only\n"
	"  - {action: accept, state: established}\n"
	"  - {action: accept, in: r1, protocol: tcp, to: 192.168.10.3, port: 9999}\n"
	"  - {action: drop, in: r1}\n"
	"lanes: {transmit: auto, flow-cache: on, far-end: leave}   # auto|socket|burst\n"
	"frames: 16384                       # size of the frame pool, fixed at start\n";

static void assert_prefix(struct config_prefix a, struct config_prefix b)
{
	assert_int_equal(a.address.raw, b.address.raw);
	assert_int_equal(a.len, b.len);
}

static void assert_ports(struct config_ports a, struct config_ports b)
{
	assert_int_equal(a.first, b.first);
	assert_int_equal(a.last, b.last);
}

static void assert_nat(const struct config_nat *a, const struct config_nat *b)
{
	assert_int_equal(a->action, b->action);
	assert_string_equal(a->out, b->out);
	assert_string_equal(a->in, b->in);
	assert_prefix(a->from, b->from);
	assert_prefix(a->address, b->address);
	assert_int_equal(a->protocol, b->protocol);
	assert_ports(a->port, b->port);
	assert_int_equal(a->to_first.raw, b->to_first.raw);
	assert_int_equal(a->to_last.raw, b->to_last.raw);
	assert_ports(a->to_port, b->to_port);
	assert_int_equal(a->per_remote, b->per_remote);
	assert_int_equal(a->filtering, b->filtering);
	assert_place(a->at, b->at.line, b->at.column, b->at.length);
}

static void assert_filter(const struct config_filter *a, const struct config_filter *b)
{
	assert_int_equal(a->action, b->action);
	assert_int_equal(a->states, b->states);
	assert_string_equal(a->in, b->in);
	assert_string_equal(a->out, b->out);
	assert_prefix(a->from, b->from);
	assert_prefix(a->to, b->to);
	assert_int_equal(a->protocol, b->protocol);
	assert_ports(a->sport, b->sport);
	assert_ports(a->port, b->port);
	assert_int_equal(a->icmp_type, b->icmp_type);
	assert_place(a->at, b->at.line, b->at.column, b->at.length);
}

static void assert_all_nat(const struct config *c, const struct config_nat *expected, unsigned n)
{
	assert_int_equal(c->n_nat, n);
	for (unsigned i = 0; i < n; i++)
		assert_nat(&c->nat[i], &expected[i]);
}

static void assert_all_filter(const struct config *c, const struct config_filter *expected,
			      unsigned n)
{
	assert_int_equal(c->n_filter, n);
	for (unsigned i = 0; i < n; i++)
		assert_filter(&c->filter[i], &expected[i]);
}

static void sample_file_is_read_whole(void **state)
{
	(void)state;
	const struct config_nat nat[] = {
		{.action = CONFIG_MASQUERADE, .out = "r1", .from = {ip("192.168.1.0"), 24},
		 .at = {17, 5, 51}},
		{.action = CONFIG_SNAT, .out = "r1", .from = {ip("192.168.10.0"), 24},
		 .to_first = ip("192.168.0.126"), .to_last = ip("192.168.0.126"),
		 .at = {18, 5, 65}},
		{.action = CONFIG_DNAT, .in = "r1", .protocol = 6, .port = {9999, 9999},
		 .to_first = ip("192.168.10.3"), .to_last = ip("192.168.10.3"),
		 .to_port = {9999, 9999}, .at = {19, 5, 74}},
	};
	const struct config_filter filter[] = {
		{.action = CONFIG_ACCEPT, .states = 2, .icmp_type = -1, .at = {21, 5, 36}},
		{.action = CONFIG_ACCEPT, .in = "r1", .to = {ip("192.168.10.3"), 32}, .protocol = 6,
		 .port = {9999, 9999}, .icmp_type = -1, .at = {22, 5, 69}},
		{.action = CONFIG_DROP, .in = "r1", .icmp_type = -1, .at = {23, 5, 22}},
	};
	struct config *c = read_good(sample_file);
	assert_int_equal(c->n_ports, 5);
	assert_int_equal(c->n_bridges, 1);
	assert_int_equal(c->n_routes, 3);
	assert_int_equal(c->n_neighbours, 1);
	assert_all_nat(c, nat, ARRAY_SIZE(nat));
	assert_all_filter(c, filter, ARRAY_SIZE(filter));
	config_free(c);
}

static void nat_rules_keep_what_the_file_says(void **state)
{
	(void)state;
	static const char text[] =
		TWO_PORTS
		"bridges: {br0: {ports: [r2], addresses: [192.168.10.1/24]}}\n"
		"nat:\n"
		"- {action: masquerade, out: br0}\n"
		"- {out: r1, to: 10.0.0.1-10.0.0.9, ports: 1024-65535, action: snat}\n"
		"- {action: snat, out: r1, from: 10.1.2.3, to: 192.168.0.1, ports: 5000,\n"
		"   mapping: address-and-port-dependent, filtering: address-dependent}\n"
		"- {action: masquerade, out: r1, from: 0.0.0.0/1, mapping: endpoint-independent,\n"
		"   filtering: endpoint-independent}\n"
		"- {action: masquerade, out: r1, from: 128.0.0.0/1,\n"
		"   filtering: address-and-port-dependent}\n"
		"- {action: dnat, in: br0, to: 192.168.1.2}\n"
		"- {action: dnat, address: 198.51.100.0/24, protocol: 47, to: 192.168.1.2}\n"
		"- {action: dnat, in: r1, protocol: udp, port: 9000-9010, to: 10.0.0.1:9000-9010}\n"
		"- {action: dnat, in: r1, address: 192.168.0.7, protocol: tcp, port: 80-81, to: "
		"10.0.0.1}\n"
		"- {action: dnat, in: r1, protocol: icmp, to: 10.0.0.1}\n";
	const struct config_nat nat[] = {
		{.action = CONFIG_MASQUERADE, .out = "br0", .at = {6, 3, 30}},
		{.action = CONFIG_SNAT, .out = "r1", .to_first = ip("10.0.0.1"),
		 .to_last = ip("10.0.0.9"), .to_port = {1024, 65535}, .at = {7, 3, 65}},
		{.action = CONFIG_SNAT, .out = "r1", .from = {ip("10.1.2.3"), 32},
		 .to_first = ip("192.168.0.1"), .to_last = ip("192.168.0.1"),
		 .to_port = {5000, 5000}, .per_remote = true, .filtering = CONFIG_ADDRESS,
		 .at = {8, 3, 1}},
		{.action = CONFIG_MASQUERADE, .out = "r1", .from = {ip("0.0.0.0"), 1},
		 .filtering = CONFIG_INDEPENDENT, .at = {10, 3, 1}},
		{.action = CONFIG_MASQUERADE, .out = "r1", .from = {ip("128.0.0.0"), 1},
		 .filtering = CONFIG_ADDRESS_PORT, .at = {12, 3, 1}},
		{.action = CONFIG_DNAT, .in = "br0", .to_first = ip("192.168.1.2"),
		 .to_last = ip("192.168.1.2"), .at = {14, 3, 40}},
		{.action = CONFIG_DNAT, .address = {ip("198.51.100.0"), 24}, .protocol = 47,
		 .to_first = ip("192.168.1.2"), .to_last = ip("192.168.1.2"), .at = {15, 3, 71}},
		{.action = CONFIG_DNAT, .in = "r1", .protocol = 17, .port = {9000, 9010},
		 .to_first = ip("10.0.0.1"), .to_last = ip("10.0.0.1"), .to_port = {9000, 9010},
		 .at = {16, 3, 78}},
		{.action = CONFIG_DNAT, .in = "r1", .address = {ip("192.168.0.7"), 32},
		 .protocol = 6, .port = {80, 81}, .to_first = ip("10.0.0.1"),
		 .to_last = ip("10.0.0.1"), .at = {17, 3, 86}},
		{.action = CONFIG_DNAT, .in = "r1", .protocol = 1, .to_first = ip("10.0.0.1"),
		 .to_last = ip("10.0.0.1"), .at = {18, 3, 52}},
	};
	struct config *c = read_good(text);
	assert_all_nat(c, nat, ARRAY_SIZE(nat));
	config_free(c);
}

static void filter_rules_keep_what_the_file_says(void **state)
{
	(void)state;
	static const char text[] =
		TWO_PORTS
		"filter:\n"
		"- {action: accept, state: [new, established, related, invalid]}\n"
		"- {action: reject, state: [related], in: r0, out: r1}\n"
		"- {action: drop, from: 10.0.0.0/24, to: 10.1.0.9}\n"
		"- {action: accept, protocol: udp, port: 53, sport: 1024-65535}\n"
		"- {action: accept, protocol: icmp, icmp-type: echo-request}\n"
		"- {action: accept, protocol: 1, icmp-type: 0}\n"
		"- {action: accept, protocol: icmp, icmp-type: address-mask-reply}\n"
		"- {action: drop, protocol: icmp, icmp-type: 255}\n"
		"- {action: reject, protocol: 255}\n"
		"- {action: drop}\n"
		"- {action: accept, protocol: tcp}\n"; /* too late, but that is the user's choice */
	const struct config_filter filter[] = {
		{.action = CONFIG_ACCEPT, .states = 15, .icmp_type = -1, .at = {5, 3, 61}},
		{.action = CONFIG_REJECT, .states = 4, .in = "r0", .out = "r1", .icmp_type = -1,
		 .at = {6, 3, 51}},
		{.action = CONFIG_DROP, .from = {ip("10.0.0.0"), 24}, .to = {ip("10.1.0.9"), 32},
		 .icmp_type = -1, .at = {7, 3, 47}},
		{.action = CONFIG_ACCEPT, .protocol = 17, .port = {53, 53}, .sport = {1024, 65535},
		 .icmp_type = -1, .at = {8, 3, 60}},
		{.action = CONFIG_ACCEPT, .protocol = 1, .icmp_type = 8, .at = {9, 3, 57}},
		{.action = CONFIG_ACCEPT, .protocol = 1, .icmp_type = 0, .at = {10, 3, 43}},
		{.action = CONFIG_ACCEPT, .protocol = 1, .icmp_type = 18, .at = {11, 3, 63}},
		{.action = CONFIG_DROP, .protocol = 1, .icmp_type = 255, .at = {12, 3, 46}},
		{.action = CONFIG_REJECT, .protocol = 255, .icmp_type = -1, .at = {13, 3, 31}},
		{.action = CONFIG_DROP, .icmp_type = -1, .at = {14, 3, 14}},
		{.action = CONFIG_ACCEPT, .protocol = 6, .icmp_type = -1, .at = {15, 3, 31}},
	};
	struct config *c = read_good(text);
	assert_all_filter(c, filter, ARRAY_SIZE(filter));
	config_free(c);
}

static void assert_sessions(const char *text, const struct config_sessions *expected)
{
	struct config *c = read_good(text);
	const struct config_sessions *a = &c->sessions;
	assert_int_equal(a->max, expected->max);
	assert_int_equal(a->per_host, expected->per_host);
	assert_int_equal(a->tcp_established_s, expected->tcp_established_s);
	assert_int_equal(a->tcp_transitory_s, expected->tcp_transitory_s);
	assert_int_equal(a->udp_s, expected->udp_s);
	assert_int_equal(a->icmp_s, expected->icmp_s);
	assert_int_equal(a->other_s, expected->other_s);
	config_free(c);
}

static void sessions_have_defaults_and_can_be_set(void **state)
{
	(void)state;
	assert_sessions(TWO_PORTS, &(struct config_sessions){262144, 0, 7440, 240, 300, 60, 300});
	assert_sessions(TWO_PORTS "nat:\nfilter: []\nsessions: {udp: 120, per-host: 100}\n",
			&(struct config_sessions){262144, 100, 7440, 240, 120, 60, 300});
	assert_sessions(TWO_PORTS "sessions: {max: 16, per-host: 0, tcp-established: 86400, "
				  "tcp-transitory: 300, udp: 600, icmp: 90, other: 1}\n",
			&(struct config_sessions){16, 0, 86400, 300, 600, 90, 1});
}

/* ---- broken files ---- */

static void check_broken(const struct broken *broken)
{
	struct diag diag;
	assert_null(read_text(&diag, broken->text));
	complaints_check(&diag, broken);
	diag_fini(&diag);
}

static void check_all(const struct broken *cases, size_t n)
{
	for (size_t i = 0; i < n; i++)
		check_broken(&cases[i]);
}

static void broken_yaml_is_reported_where_it_breaks(void **state)
{
	(void)state;
	static const struct broken cases[] = {
		{"", {"0:0 the file is empty"}},
		{"# nothing\n", {"0:0 the file is empty"}},
		{"---\n", {"0:0 the file is empty"}},
		{"ports:\n\tr0: {}\n", {"2:1 cannot start any token"}},
		{"ports: {r0: {addresses: [10.0.0.1/24}}\n", {"1:37 expected ',' or ']'"}},
		{"ports:\n  r0: {}\n r1: {}\n", {"3:2 did not find expected key"}},
		{"ports: r0: {}\n", {"1:10 mapping values are not allowed"}},
		{"ports: {r0: {}}\n---\nports: {r1: {}}\n", {"2:1 a second document"}},
		{"ports: &p {r0: {}}\nroutes: []\n", {"1:8 anchors are not supported"}},
		{"ports: *p\n", {"1:8 aliases are not supported"}},
		{"ports: !!map {r0: {}}\n", {"1:8 tags are not supported"}},
		{"ports: {[r0]: {}}\n", {"1:9 a key must be a word"}},
		{"ports: {r0: {mtu: \"1\\0\"}}\n", {"1:19 a zero byte"}},
		{"ports:\n  r\x01: {}\n", {"2:4 control characters"}},
		{"ports:\n  r\xff: {}\n", {"2:4 invalid leading UTF-8"}},
		{"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", {"1:33 go too deep"}},
		{"- r0\n", {"1:1 must be a mapping, not a list"}},
		{"r0\n", {"1:1 must be a mapping, not a single value"}},
		{"name: x\nnodes: {}\n", {"2:1 this is a lab file"}},
	};
	check_all(cases, ARRAY_SIZE(cases));
}

static void keys_and_kinds_are_checked(void **state)
{
	(void)state;
	static const struct broken cases[] = {
		{"routes: []\n", {"1:1 a router needs ports:"}},
		{"ports:\n", {"1:7 lists no port"}},
		{"ports: {}\n", {"1:8 lists no port"}},
		{"ports: [r0]\n", {"1:8 ports: must be a mapping, not a list"}},
		{"prots: {r0: {}}\n", {"1:1 unknown key \"prots\" in a router file"}},
		{"ports: {r0: {adresses: [10.0.0.1/24], mtuu: 5}}\n",
		 {"1:14 unknown key \"adresses\" in port r0", "1:39 unknown key \"mtuu\""}},
		{"ports: {r0: {addresses: 10.0.0.1/24}}\n",
		 {"1:25 must be a list, not a single value"}},
		{"ports: {r0: [10.0.0.1/24]}\n", {"1:13 port r0: must be a mapping, not a list"}},
		{"ports: {r0: {addresses: [[10.0.0.1/24]]}}\n",
		 {"1:26 must be a single value, not a list"}},
		{"ports: {r0: {addresses: [\"\"]}}\n", {"1:26 the value is empty"}},
		{"ports: {r0: {mtu: }}\n", {"1:19 mtu: the value is missing"}},
		{"ports:\n  r0: {}\n  r1: {}\n  r0: {mtu: 9}\n", {"4:3 \"r0\" is given twice"}},
		{"ports: {r0: {mtu: 1500, mtu: 1400}}\n", {"1:25 \"mtu\" is given twice"}},
		{TWO_PORTS "routes:\n- {dst: 10.0.0.0/8, via: 192.168.0.9}\n",
		 {"5:4 unknown key \"dst\""}},
		{TWO_PORTS "routes: default\n", {"4:9 routes: must be a list"}},
		{TWO_PORTS "routes: [default]\n", {"4:10 a route: must be a mapping"}},
	};
	check_all(cases, ARRAY_SIZE(cases));
}

static void scalars_are_strict(void **state)
{
	(void)state;
	static const struct broken cases[] = {
		{"ports: {r0: {mtu: 01500}}\n", {"1:19 \"01500\" is not a number"}},
		{"ports: {r0: {mtu: 1e3}}\n", {"1:19 \"1e3\" is not a number"}},
		{"ports: {r0: {mtu: +1500}}\n", {"1:19 \"+1500\" is not a number"}},
		{"ports: {r0: {mtu: 0x5dc}}\n", {"1:19 is not a number"}},
		{"ports: {r0: {mtu: 67}}\n", {"1:19 mtu: 67 is too small"}},
		{"ports: {r0: {mtu: 3499}}\n", {"1:19 mtu: 3499 does not fit into one frame"}},
		{"ports: {r0: {mtu: 65536}}\n", {"1:19 65536 is too large"}},
		{"ports: {r0: {mtu: 99999999999999999999}}\n", {"1:19 is too large"}},
		{"ports: {r0: {xdp: offload}}\n", {"1:19 xdp: \"offload\" is not known"}},
		{"ports: {r0: {}}\nframes: 1023\n", {"2:9 too small"}},
		{"ports: {r0: {}}\nframes: 1048577\n", {"2:9 too large"}},
		{"ports: {r0: {}}\nframes: 2000\n", {"2:9 2000 is not a multiple of 64"}},
		{"ports: {r0: {}}\nlanes: {burst-min: 0}\n", {"2:20 too small"}},
		{"ports: {r0: {}}\nlanes: {burst-min: 2049}\n", {"2:20 too large"}},
		{"ports: {r0: {}}\nlanes: {punt-rate: 1000001}\n", {"2:20 too large"}},
		{"ports: {r0: {}}\nlanes: {read-depth: 0}\n", {"2:21 too small"}},
		{"ports: {r0: {}}\nlanes: {read-depth: 2049}\n", {"2:21 too large"}},
		{"ports: {r0: {}}\nlanes: {spin: 50us}\n", {"2:15 \"50us\" is not a number"}},
		{"ports: {r0: {}}\nlanes: {spin: 1000001}\n", {"2:15 too large"}},
		{"ports: {r0: {}}\nlanes: {busy-poll: 50}\n", {"2:20 \"50\" is not known"}},
		{"ports: {r0: {}}\nlanes: {busypoll: on}\n", {"2:9 unknown key \"busypoll\""}},
		{"ports: {r0: {}}\nlanes: {punt-rate: unlimitd}\n",
		 {"2:20 \"unlimitd\" is not a number"}},
		{"ports: {r0: {}}\nlanes: {flow-cache: yes}\n", {"2:21 \"yes\" is not known"}},
		{"ports: {r0: {}}\nlanes: {gso: auto}\n", {"2:14 \"auto\" is not known"}},
		{"ports: {r0: {}}\nlanes: {transmit: fast, far-end: on, lane: x}\n",
		 {"2:19 \"fast\" is not known", "2:34 \"on\" is not known",
		  "2:38 unknown key \"lane\""}},
		{TWO_PORTS "routes: [{to: default, via: 192.168.0.2, metric: 4294967296}]\n",
		 {"4:50 too large"}},
		{TWO_PORTS "routes: [{to: default, via: 192.168.0.2, metric: -1}]\n",
		 {"4:50 not a number"}},
	};
	check_all(cases, ARRAY_SIZE(cases));
}

static void ports_and_addresses_are_checked(void **state)
{
	(void)state;
	static const struct broken cases[] = {
		{"ports:\n  averylongportname: {}\n  a/b: {}\n  \"a b\": {}\n  \"..\": {}\n  \"\": "
		 "{}\n",
		 {"2:3 longer than 15", "3:3 slash", "4:3 space", "5:3 not a name",
		  "6:3 value is empty"}},
		{"ports: {r0: {addresses: [192.168.1.300/24]}}\n", {"1:26 is not an IPv4 prefix"}},
		{"ports: {r0: {addresses: [192.168.01.1/24, 1.2.3/8, 1.2.3.4/33, \"::1/64\"]}}\n",
		 {"1:26 not an IPv4", "1:43 not an IPv4", "1:52 not an IPv4", "1:64 not an IPv4"}},
		{"ports: {r0: {addresses: [192.168.1.1]}}\n", {"1:26 lacks a prefix length"}},
		{"ports: {r0: {addresses: [192.168.1.0/24, 192.168.2.255/24]}}\n",
		 {"1:26 is its subnet's network address",
		  "1:42 is its subnet's broadcast address"}},
		{"ports: {r0: {addresses: [0.1.2.3/8, 127.0.0.1/8, 224.0.0.5/24, 240.0.0.1/8, "
		 "9.0.0.1/0]}}\n",
		 {"1:26 cannot be a host's", "1:37 cannot be a host's", "1:50 cannot be a host's",
		  "1:64 cannot be a host's", "1:77 no subnet is as large"}},
		{"ports:\n  r0: {addresses: [10.0.0.1/24]}\n  r1: {addresses: [10.0.0.1/24]}\n",
		 {"3:20 address 10.0.0.1 is given twice"}},
		{"ports:\n  r0: {addresses: [10.0.0.1/24]}\n  r1: {addresses: [10.0.0.2/24]}\n",
		 {"3:20 subnet 10.0.0.0/24 overlaps"}},
		{"ports:\n  r0: {addresses: [10.0.5.1/24]}\n  r1: {addresses: [10.0.0.2/16]}\n",
		 {"3:20 subnet 10.0.0.0/16 overlaps"}},
		{"ports:\n  r0: {addresses: [10.0.0.2/16]}\n  r1: {addresses: [10.0.5.1/32]}\n",
		 {"3:20 subnet 10.0.5.1/32 overlaps"}},
	};
	check_all(cases, ARRAY_SIZE(cases));
}

static void routes_are_checked(void **state)
{
	(void)state;
	static const struct broken cases[] = {
		{TWO_PORTS "routes:\n- {to: 10.9.0.1/16, via: 192.168.0.2}\n",
		 {"5:8 \"10.9.0.1/16\" has host bits set"}},
		{TWO_PORTS "routes:\n- {to: 10.9.0.0/16x, via: 192.168.0.2}\n",
		 {"5:8 not an IPv4 prefix"}},
		{TWO_PORTS "routes:\n- {via: 192.168.0.2}\n", {"5:3 lacks to:"}},
		{TWO_PORTS "routes:\n- {to: default}\n", {"5:3 does not say where to"}},
		{TWO_PORTS "routes:\n- {to: default, via: 192.168.0.2/24}\n",
		 {"5:22 not an IPv4 address"}},
		{TWO_PORTS "routes:\n- {to: default, via: 10.0.0.1}\n",
		 {"5:22 on no connected subnet"}},
		{TWO_PORTS "routes:\n- {to: default, via: 192.168.0.9, port: r0}\n",
		 {"5:22 on no subnet of r0"}},
		{TWO_PORTS "routes:\n- {to: default, via: 192.168.0.9, port: r2}\n",
		 {"5:41 \"r2\" is not under ports:"}},
		{TWO_PORTS "routes:\n- {to: default, via: 192.168.1.1}\n",
		 {"5:22 is an own address"}},
		{TWO_PORTS "routes:\n- {to: default, via: 192.168.1.0}\n",
		 {"5:22 network address"}},
		{TWO_PORTS "routes:\n- {to: default, via: 192.168.1.255}\n",
		 {"5:22 broadcast address"}},
		{TWO_PORTS "routes:\n- {to: default, via: 127.0.0.1}\n",
		 {"5:22 cannot be a host's address"}},
		{TWO_PORTS
		 "routes:\n- {to: default, type: blackhole, via: 192.168.0.2, port: r0}\n",
		 {"5:34 a blackhole route has no via:", "5:52 a blackhole route has no port:"}},
		{TWO_PORTS "routes:\n- {to: default, type: throw}\n",
		 {"5:23 \"throw\" is not known"}},
		{TWO_PORTS
		 "routes:\n- {to: default, via: 192.168.0.2}\n- {to: 0.0.0.0/0, type: prohibit}\n",
		 {"6:3 a second route with this prefix and metric"}},
		/* A broken address costs the gateways behind it, and the hint says so. */
		{"ports: {r0: {addresses: [10.0.0.1/99]}}\nroutes: [{to: default, via: "
		 "10.0.0.9}]\n",
		 {"1:26 not an IPv4 prefix", "2:29 on no connected subnet"}},
		/* Of two ports that overlap either may be wrong: no complaints about gateways. */
		{"ports: {r0: {addresses: [10.0.0.1/24]}, r1: {addresses: [10.0.0.2/24]}}\n"
		 "routes: [{to: default, via: 10.0.0.9, port: r1}]\n",
		 {"1:58 overlaps"}},
	};
	check_all(cases, ARRAY_SIZE(cases));
}

static void neighbours_are_checked(void **state)
{
	(void)state;
	static const struct broken cases[] = {
		{TWO_PORTS "neighbours:\n- {}\n", {"5:3 lacks address:", "5:3 lacks mac:"}},
		{TWO_PORTS "neighbours:\n- {address: 10.0.0.1, mac: 02:00:00:00:00:01}\n",
		 {"5:13 on no connected subnet"}},
		{TWO_PORTS
		 "neighbours:\n- {address: 192.168.1.2, mac: 02:00:00:00:00:01, port: r1}\n",
		 {"5:13 on no subnet of r1"}},
		{TWO_PORTS "neighbours:\n- {address: 192.168.1.1, mac: 02:00:00:00:00:01}\n",
		 {"5:13 own address"}},
		{TWO_PORTS "neighbours:\n- {address: 192.168.1.2, mac: 03:00:00:00:00:01}\n",
		 {"5:31 a group's"}},
		{TWO_PORTS "neighbours:\n- {address: 192.168.1.2, mac: 00:00:00:00:00:00}\n",
		 {"5:31 no station's"}},
		{TWO_PORTS "neighbours:\n- {address: 192.168.1.2, mac: 2:0:0:0:0:1}\n",
		 {"5:31 not a MAC address"}},
		{TWO_PORTS "neighbours:\n"
			   "- {address: 192.168.1.2, mac: 02:00:00:00:00:01}\n"
			   "- {address: 192.168.1.2, mac: 02:00:00:00:00:02, port: r0}\n",
		 {"6:3 neighbour 192.168.1.2 is given twice"}},
	};
	check_all(cases, ARRAY_SIZE(cases));
}

static void bridges_are_checked(void **state)
{
	(void)state;
	static const struct broken cases[] = {
		{"bridges:\n", {"1:1 a router needs ports:"}},
		{"bridges: [br0]\n", {"1:10 bridges: must be a mapping, not a list"}},
		{"bridges: {br0: [r0]}\n", {"1:16 bridge br0: must be a mapping, not a list"}},
		{"bridges: {br0: }\n", {"1:11 bridge br0 lacks ports:"}},
		{"bridges: {br0: {ports: []}}\n", {"1:24 bridge br0 has no port"}},
		{"bridges: {br0: {ports: }}\n", {"1:24 bridge br0 has no port"}},
		{"bridges: {br0: {ports: r0}}\n", {"1:24 must be a list, not a single value"}},
		{"bridges: {br0: {ports: [r0, {}, \"\", \"a b\"]}}\n",
		 {"1:29 must be a single value, not a mapping", "1:33 the value is empty",
		  "1:37 holds a space"}},
		{"bridges: {br0: {port: [r0]}}\n", {"1:17 unknown key \"port\" in bridge br0"}},
		{"bridges: {br0: {ports: [r0], stp: on, mtu: 1500}}\n",
		 {"1:30 unknown key \"stp\"", "1:39 unknown key \"mtu\""}},
		{"bridges: {br0: {ports: [r0]}, br0: {ports: [r1]}}\n",
		 {"1:31 \"br0\" is given twice"}},
		{"bridges: {averylongbridgename: {ports: [r0]}}\n", {"1:11 longer than 15"}},
		{TWO_PORTS "bridges: {r1: {ports: [r2]}}\n",
		 {"4:11 r1 is a port's name already"}},
		{"bridges: {br0: {ports: [r0, br1, br0]}, br1: {ports: [r1]}}\n",
		 {"1:29 br1 is a bridge", "1:34 br0 is a bridge"}},
		{"bridges: {br0: {ports: [r0, r1, r0]}}\n", {"1:33 br0 lists r0 twice"}},
		{"bridges:\n  br0: {ports: [r0, r1]}\n  br1: {ports: [r2, r1]}\n",
		 {"3:21 r1 is in bridge br0 already"}},
		{"bridges: {br0: {ports: [r0], aging: 9}, br1: {ports: [r1], aging: 1000001}}\n",
		 {"1:37 9 is too small", "1:67 1000001 is too large"}},
		{"bridges: {br0: {ports: [r0], aging: 5m}}\n", {"1:37 \"5m\" is not a number"}},
		{"bridges: {a: {ports: [r0], mac: 03:00:00:00:00:01}, b: {ports: [r1], mac: "
		 "00:00:00:00:00:00}, c: {ports: [r2], mac: x}}\n",
		 {"1:33 a group's address", "1:75 no station's address",
		  "1:117 not a MAC address"}},
	};
	check_all(cases, ARRAY_SIZE(cases));
}

/* r0, routed, and r1 and r2 in br0, whose leg is 10.0.0.1/24: on the first three lines. */
#define BRIDGED                                                                                    \
	"bridges: {br0: {ports: [r1, r2], addresses: [10.0.0.1/24]}}\n"                            \
	"ports:\n"                                                                                 \
	"  r0: {addresses: [192.168.1.1/24]}\n"

static void bridged_ports_are_not_routed(void **state)
{
	(void)state;
	static const struct broken cases[] = {
		{BRIDGED "  r1: {addresses: [10.0.0.2/24, 10.0.1.2/24]}\n",
		 {"4:20 r1 is in bridge br0, and a bridged port has no address"}},
		{BRIDGED "  r1: {addresses: [10.0.0.2]}\n", {"4:20 lacks a prefix length"}},
		{BRIDGED "routes: [{to: default, port: r1}]\n",
		 {"4:30 r1 is in a bridge: nothing is routed there"}},
		{BRIDGED "routes: [{to: default, port: r3}]\n",
		 {"4:30 \"r3\" is not under ports: or bridges:"}},
		{BRIDGED
		 "neighbours: [{address: 10.0.0.2, mac: 02:00:00:00:00:01, port: r2}]\n",
		 {"4:64 r2 is in a bridge: nothing is routed there"}},
	};
	check_all(cases, ARRAY_SIZE(cases));
}

static void leg_addresses_are_checked_like_those_of_ports(void **state)
{
	(void)state;
	static const struct broken cases[] = {
		{"bridges: {br0: {ports: [r0], addresses: [10.0.0.1, 10.0.0.0/24, 127.0.0.1/8]}}\n",
		 {"1:42 lacks a prefix length", "1:52 network address",
		  "1:65 cannot be a host's address"}},
		{BRIDGED "  r3: {addresses: [10.0.0.9/25]}\n", {"4:20 subnet 10.0.0.0/25 overlaps"}},
		{BRIDGED "  r3: {addresses: [10.0.0.1/24]}\n", {"4:20 10.0.0.1 is given twice"}},
		{"bridges:\n"
		 "  br0: {ports: [r0], addresses: [10.0.0.1/24]}\n"
		 "  br1: {ports: [r1], addresses: [10.0.0.2/24]}\n",
		 {"3:34 subnet 10.0.0.0/24 overlaps"}},
		{BRIDGED "routes: [{to: default, via: 10.0.0.1}]\n", {"4:29 is an own address"}},
		{BRIDGED "routes: [{to: default, via: 10.0.0.255}]\n", {"4:29 broadcast address"}},
		{BRIDGED "routes: [{to: default, via: 192.168.1.9, port: br0}]\n",
		 {"4:29 gateway 192.168.1.9 is on no subnet of br0"}},
		{BRIDGED
		 "neighbours: [{address: 192.168.1.2, mac: 02:00:00:00:00:01, port: br0}]\n",
		 {"4:24 on no subnet of br0"}},
	};
	check_all(cases, ARRAY_SIZE(cases));
}

static void flags_are_for_bridged_ports(void **state)
{
	(void)state;
	static const struct broken cases[] = {
		{"ports: {r0: {learning: off, flood: on, isolated: on}}\n",
		 {"1:14 learning: means nothing on a routed port",
		  "1:29 flood: means nothing on a routed port",
		  "1:40 isolated: means nothing on a routed port"}},
		{BRIDGED "  r1: {learning: yes, flood: 0, isolated: }\n",
		 {"4:18 learning: \"yes\" is not known", "4:30 flood: \"0\" is not known",
		  "4:43 isolated: the value is missing"}},
		/* With a bridge that cannot be read nobody knows what r1 is. */
		{"ports: {r1: {learning: off}}\nbridges: {br0: {prots: [r1]}}\n",
		 {"2:17 unknown key \"prots\""}},
	};
	check_all(cases, ARRAY_SIZE(cases));
}

static void mirrors_are_ports_for_copies_only(void **state)
{
	(void)state;
	static const struct broken cases[] = {
		{BRIDGED "  r1: {mirror: r1}\n", {"4:16 r1 cannot be its own mirror"}},
		{BRIDGED "  r4: {mirror: r4}\n", {"4:16 r4 cannot be its own mirror"}},
		{BRIDGED "  r1: {mirror: r9}\n", {"4:16 \"r9\" is not under ports:"}},
		{BRIDGED "  r1: {mirror: br0}\n", {"4:16 br0 is a bridge"}},
		{BRIDGED "  r1: {mirror: r2}\n", {"4:16 r2 is a port of a bridge"}},
		{BRIDGED "  r1: {mirror: r0}\n", {"4:16 r0 has addresses"}},
		{BRIDGED "  r1: {mirror: r4}\n  r4: {mirror: r5}\n  r5:\n",
		 {"4:16 r4 has a mirror itself"}},
		{BRIDGED "  r4: {mirror: r5}\n  r5: {mirror: r4}\n",
		 {"4:16 r5 has a mirror itself", "5:16 r4 has a mirror itself"}},
		{BRIDGED "  r1: {mirror: }\n", {"4:16 mirror: the value is missing"}},
		{"bridges: {a: {ports: [r0], mirror: a}, b: {ports: [r1], mirror: a}, c: {ports: "
		 "[r2], mirror: r3}, d: {ports: [r3], mirror: r9}}\n",
		 {"1:36 a cannot be its own mirror", "1:65 a is a bridge",
		  "1:94 r3 is a port of a bridge", "1:124 \"r9\" is not under ports:"}},
	};
	check_all(cases, ARRAY_SIZE(cases));
}

#define NAT(rule) TWO_PORTS "nat:\n- {" rule "}\n"
#define FILTER(rule) TWO_PORTS "filter:\n- {" rule "}\n"

static void keys_of_nat_rules_are_checked(void **state)
{
	(void)state;
	static const struct broken cases[] = {
		{TWO_PORTS "nat: masquerade\n", {"4:6 nat: must be a list"}},
		{TWO_PORTS "nat: [masquerade]\n", {"4:7 a nat rule: must be a mapping"}},
		{NAT(""), {"5:3 the nat rule lacks action:"}},
		{NAT("out: r1"), {"5:3 the nat rule lacks action:"}},
		{NAT("acton: snat, out: r1"), {"5:4 unknown key \"acton\" in a nat rule"}},
		{NAT("action: masq, out: r1"), {"5:12 action: \"masq\" is not known"}},
		{NAT("action: masquerade"), {"5:3 the masquerade rule lacks out:"}},
		{NAT("action: masquerade, ot: r1"), {"5:24 unknown key \"ot\""}},
		{NAT("action: snat"),
		 {"5:3 the snat rule lacks to:", "5:3 the snat rule lacks out:"}},
		{NAT("action: dnat"), {"5:3 the dnat rule lacks in:", "5:3 the dnat rule lacks to:"}},
		{NAT("action: dnat, in: r1, too: 10.0.0.1:80"), {"5:26 unknown key \"too\""}},
		{NAT("action: masquerade, out: r1, to: 192.168.0.1, in: r0, protocol: tcp, port: 1, "
		     "address: 10.0.0.1"),
		 {"5:33 a masquerade rule has no to:", "5:50 a masquerade rule has no in:",
		  "5:58 a masquerade rule has no protocol:", "5:73 a masquerade rule has no port:",
		  "5:82 a masquerade rule has no address:"}},
		{NAT("action: snat, out: r1, to: 10.0.0.1, port: 80"),
		 {"5:41 a snat rule has no port:"}},
		{NAT("action: dnat, in: r1, to: 10.0.0.1, out: r0, from: 10.0.0.0/8, ports: 1-2, "
		     "mapping: x, filtering: y"),
		 {"5:40 a dnat rule has no out:", "5:49 a dnat rule has no from:",
		  "5:67 a dnat rule has no ports:", "5:79 a dnat rule has no mapping:",
		  "5:91 a dnat rule has no filtering:"}},
		{NAT("action: masquerade, out: r1, mapping: endpoint, filtering: none"),
		 {"5:42 mapping: \"endpoint\" is not known",
		  "5:63 filtering: \"none\" is not known"}},
	};
	check_all(cases, ARRAY_SIZE(cases));
}

static void ports_of_rules_are_those_of_the_file(void **state)
{
	(void)state;
	static const struct broken cases[] = {
		{NAT("action: masquerade, out: r9"), {"5:29 out: \"r9\" is not under ports:"}},
		{NAT("action: dnat, in: eth0, to: 10.0.0.1"),
		 {"5:22 in: \"eth0\" is not under ports:"}},
		{FILTER("action: drop, in: r2, out: r3"),
		 {"5:22 in: \"r2\" is not under ports:", "5:31 out: \"r3\" is not under ports:"}},
		{TWO_PORTS "  r2:\nnat: [{action: masquerade, out: r2}]\n",
		 {"5:33 out: r2 has no address"}},
		{TWO_PORTS "  r2:\nnat: [{action: dnat, in: r2, to: 10.0.0.1}]\n",
		 {"5:26 in: r2 has no address"}},
		/* What is wrong with the address is said once. */
		{"ports: {r2: {addresses: [10.0.0.1]}}\nnat: [{action: masquerade, out: r2}]\n",
		 {"1:26 lacks a prefix length"}},
		{BRIDGED "filter: [{action: drop, in: r1}]\nnat: [{action: masquerade, out: r2}]\n",
		 {"4:29 in: r1 is in a bridge", "5:33 out: r2 is in a bridge"}},
	};
	check_all(cases, ARRAY_SIZE(cases));
}

static void new_addresses_are_those_of_hosts(void **state)
{
	(void)state;
#define SNAT(to) NAT("action: snat, out: r1, to: " to)
#define DNAT(to) NAT("action: dnat, in: r1, protocol: tcp, port: 80, to: " to)
	static const struct broken cases[] = {
		{SNAT("192.168.0"), {"5:31 \"192.168.0\" is not an IPv4 address"}},
		{SNAT("192.168.0.2/32"), {"5:31 \"192.168.0.2/32\" is not an IPv4 address"}},
		{SNAT("0.0.0.0"), {"5:31 0.0.0.0 cannot be a host's address"}},
		{SNAT("127.0.0.1"), {"5:31 127.0.0.1 cannot be a host's address"}},
		{SNAT("224.0.0.1"), {"5:31 224.0.0.1 cannot be a host's address"}},
		{SNAT("255.255.255.255"), {"5:31 cannot be a host's address"}},
		{SNAT("192.168.0.255"), {"5:31 192.168.0.255 is the broadcast address of r1's"}},
		{SNAT("192.168.1.0"), {"5:31 192.168.1.0 is the network address of r0's subnet"}},
		{SNAT("192.168.0.9-192.168.1.9"), {"5:31 192.168.0.255 is the broadcast address"}},
		{SNAT("10.0.0.9-10.0.0.8"), {"5:31 to: 10.0.0.9-10.0.0.8 ends before it begins"}},
		{SNAT("10.0.0.9-"), {"5:31 to: the value is empty"}},
		{SNAT("10.0.0.9-12"), {"5:31 \"12\" is not an IPv4 address"}},
		{SNAT("10.0.0.9-239.0.0.1"), {"5:31 239.0.0.1 cannot be a host's address"}},
		{SNAT("10.0.0.9:1000"), {"5:31 to: of a snat rule is an address without a port"}},
		{SNAT("[10.0.0.9]"), {"5:31 to: must be a single value, not a list"}},
		{DNAT("10.0.0"), {"5:55 \"10.0.0\" is not an IPv4 address"}},
		{DNAT("224.0.0.1:80"), {"5:55 224.0.0.1 cannot be a host's address"}},
		{DNAT("192.168.1.255:80"), {"5:55 192.168.1.255 is the broadcast address of r0's"}},
		{DNAT("192.168.0.1:80"), {"5:55 to: 192.168.0.1 is the router's own, on r1"}},
		{DNAT("192.168.1.1"), {"5:55 to: 192.168.1.1 is the router's own, on r0"}},
		{"ports: {r1: {addresses: [192.168.0.1/24]}}\nbridges: {br0: {ports: [r2], addresses: "
		 "[192.168.10.1/24]}}\nnat: [{action: dnat, in: r1, to: 192.168.10.1}]\n",
		 {"3:34 to: 192.168.10.1 is the router's own, on br0"}},
		{DNAT("10.0.0.1-10.0.0.9"), {"5:55 to: of a dnat rule is a single address"}},
		{DNAT("10.0.0.1-10.0.0.9:80"), {"5:55 to: of a dnat rule is a single address"}},
		{DNAT("\"10.0.0.1:\""), {"5:55 to: \"\" is not a port"}},
		{DNAT("10.0.0.1:http"), {"5:55 to: \"http\" is not a port"}},
	};
	check_all(cases, ARRAY_SIZE(cases));
}

static void ports_of_dnat_are_checked(void **state)
{
	(void)state;
#define FORWARD(rest) NAT("action: dnat, in: r1, " rest)
	static const struct broken cases[] = {
		{FORWARD("port: 80, to: 10.0.0.1"), {"5:26 port: needs a protocol"}},
		{FORWARD("protocol: icmp, port: 80, to: 10.0.0.1"),
		 {"5:42 port: can never match: this protocol has no ports"}},
		{FORWARD("protocol: tpc, port: 80, to: 10.0.0.1"),
		 {"5:36 protocol: \"tpc\" is not known"}},
		{FORWARD("protocol: 0, to: 10.0.0.1"), {"5:36 protocol: 0 is too small"}},
		{FORWARD("protocol: 256, to: 10.0.0.1"), {"5:36 protocol: 256 is too large"}},
		{FORWARD("protocol: 6x, to: 10.0.0.1"), {"5:36 protocol: \"6x\" is not a number"}},
		{FORWARD("protocol: tcp, port: http, to: 10.0.0.1"),
		 {"5:47 port: \"http\" is not a port"}},
		{FORWARD("protocol: tcp, port: 0, to: 10.0.0.1:80"), {"5:47 port: \"0\" is not a port"}},
		{FORWARD("protocol: tcp, port: 65536, to: 10.0.0.1"), {"5:47 is not a port"}},
		{FORWARD("protocol: tcp, port: 080, to: 10.0.0.1"), {"5:47 is not a port"}},
		{FORWARD("protocol: tcp, port: 1-2-3, to: 10.0.0.1"), {"5:47 is not a port"}},
		{FORWARD("protocol: tcp, port: 1-, to: 10.0.0.1"), {"5:47 is not a port"}},
		{FORWARD("protocol: tcp, port: 9-8, to: 10.0.0.1"),
		 {"5:47 port: 9-8 ends before it begins"}},
		{FORWARD("protocol: tcp, port: 9000-9010, to: 10.0.0.1:9000-9009"),
		 {"5:62 to: has 10 ports for the 11 of port:"}},
		{FORWARD("protocol: tcp, port: 9000-9010, to: 10.0.0.1:80"),
		 {"5:62 to: has 1 port for the 11 of port:"}},
		{FORWARD("protocol: tcp, port: 80, to: 10.0.0.1:80-81"),
		 {"5:55 to: has 2 ports for the 1 of port:"}},
		{FORWARD("protocol: tcp, to: 10.0.0.1:80"),
		 {"5:45 to: has a port, and the rule lacks port:"}},
		{FORWARD("prot: tcp, port: 80, to: 10.0.0.1:80"), {"5:26 unknown key \"prot\""}},
		{NAT("action: masquerade, out: r1, ports: 65535-1024"),
		 {"5:40 ports: 65535-1024 ends before it begins"}},
		{NAT("action: masquerade, out: r1, ports: any"), {"5:40 ports: \"any\" is not a port"}},
	};
	check_all(cases, ARRAY_SIZE(cases));
}

static void addresses_of_rules_can_match(void **state)
{
	(void)state;
	static const struct broken cases[] = {
		{NAT("action: masquerade, out: r1, from: 10.0.0.1/8"), {"5:39 has host bits set"}},
		{NAT("action: masquerade, out: r1, from: 127.0.0.0/8"),
		 {"5:39 from: 127.0.0.0/8 can never match"}},
		{NAT("action: dnat, address: 224.0.0.9, to: 10.0.0.1"),
		 {"5:27 address: 224.0.0.9 can never match"}},
		{NAT("action: dnat, in: r1, address: default, to: 10.0.0.1"),
		 {"5:35 address: default would take everything"}},
		{FILTER("action: drop, from: 240.0.0.0/4, to: 224.0.0.0/3"),
		 {"5:24 from: 240.0.0.0/4 can never match", "5:41 to: 224.0.0.0/3 can never match"}},
		{FILTER("action: drop, to: 0.0.0.0/8"), {"5:22 to: 0.0.0.0/8 can never match"}},
		{FILTER("action: drop, from: 192.168.1.1"),
		 {"5:24 from: 192.168.1.1 is the router's own, on r0: it can never match"}},
		{FILTER("action: accept, to: 192.168.0.1/32, protocol: tcp, port: 80"),
		 {"5:24 to: 192.168.0.1/32 is the router's own, on r1"}},
	};
	check_all(cases, ARRAY_SIZE(cases));
}

static void filter_rules_are_checked(void **state)
{
	(void)state;
	static const struct broken cases[] = {
		{TWO_PORTS "filter: drop\n", {"4:9 filter: must be a list"}},
		{TWO_PORTS "filter: [drop]\n", {"4:10 a filter rule: must be a mapping"}},
		{FILTER("in: r0"), {"5:3 the filter rule lacks action:"}},
		{FILTER("action: deny"), {"5:12 action: \"deny\" is not known"}},
		{FILTER("action: drop, dport: 80"), {"5:18 unknown key \"dport\" in a filter rule"}},
		{FILTER("action: drop, prtocol: tcp, port: 80"), {"5:18 unknown key \"prtocol\""}},
		{FILTER("action: drop, state: estabished"),
		 {"5:25 state: \"estabished\" is not known"}},
		{FILTER("action: drop, state: [new, old]"), {"5:31 state: \"old\" is not known"}},
		{FILTER("action: drop, state: [new, new]"), {"5:31 state: lists new twice"}},
		{FILTER("action: drop, state: []"), {"5:25 state: lists none, and can never match"}},
		{FILTER("action: drop, state: "), {"5:25 state: the value is missing"}},
		{FILTER("action: drop, port: 80"), {"5:18 port: needs a protocol"}},
		{FILTER("action: drop, sport: 80, port: 81"),
		 {"5:18 sport: needs a protocol", "5:29 port: needs a protocol"}},
		{FILTER("action: drop, protocol: 47, port: 80"),
		 {"5:32 port: can never match: this protocol has no ports"}},
		{FILTER("action: drop, protocol: udp, port: domain, sport: 70000"),
		 {"5:39 port: \"domain\" is not a port", "5:54 sport: \"70000\" is not a port"}},
		{FILTER("action: drop, icmp-type: echo-request"), {"5:18 icmp-type: needs a protocol"}},
		{FILTER("action: drop, protocol: tcp, icmp-type: 8"),
		 {"5:33 icmp-type: can never match: this protocol is not icmp"}},
		{FILTER("action: drop, protocol: icmp, icmp-type: echo"),
		 {"5:45 icmp-type: \"echo\" is not known"}},
		{FILTER("action: drop, protocol: icmp, icmp-type: 256"),
		 {"5:45 icmp-type: 256 is too large"}},
	};
	check_all(cases, ARRAY_SIZE(cases));
}

static void second_rule_for_the_same_packets_is_refused(void **state)
{
	(void)state;
#define SECOND "a second rule for the same packets can never match"
	static const struct broken cases[] = {
		{TWO_PORTS "nat:\n"
			   "- {action: masquerade, out: r1, from: 10.0.0.0/8}\n"
			   "- {action: masquerade, out: r0, from: 10.0.0.0/8}\n"
			   "- {action: snat, out: r1, from: 10.0.0.0/8, to: 10.9.9.9}\n"
			   "- {action: masquerade, out: r1, from: 10.0.0.0/9}\n",
		 {"7:3 " SECOND}},
		{TWO_PORTS "nat:\n"
			   "- {action: dnat, in: r1, protocol: tcp, port: 80, to: 10.0.0.1}\n"
			   "- {action: dnat, in: r1, protocol: udp, port: 80, to: 10.0.0.1}\n"
			   "- {action: dnat, in: r1, protocol: tcp, port: 80-81, to: 10.0.0.1}\n"
			   "- {action: dnat, in: r1, protocol: tcp, port: 80, to: 10.0.0.2:8}\n"
			   "- {action: dnat, in: r1, protocol: 6, port: 80-80, to: 10.0.0.3}\n"
			   "- {action: dnat, in: r0, protocol: tcp, port: 80, to: 10.0.0.1}\n",
		 {"8:3 " SECOND, "9:3 " SECOND}},
		/* address: takes the place of what in: means */
		{TWO_PORTS "nat:\n"
			   "- {action: dnat, in: r1, address: 10.0.0.9, to: 10.0.0.1}\n"
			   "- {action: dnat, in: r1, to: 10.0.0.1}\n"
			   "- {action: dnat, in: r0, address: 10.0.0.9, to: 10.0.0.1}\n"
			   "- {action: dnat, address: 10.0.0.9/32, to: 10.0.0.1}\n",
		 {"7:3 " SECOND, "8:3 " SECOND}},
		{TWO_PORTS "filter:\n"
			   "- {action: drop, state: [new, invalid]}\n"
			   "- {action: accept, state: new}\n"
			   "- {action: drop, in: r0}\n"
			   "- {action: drop, out: r0}\n"
			   "- {action: accept, in: r0}\n"
			   "- {action: drop}\n"
			   "- {action: reject, state: [invalid, new]}\n"
			   "- {action: reject}\n",
		 {"9:3 " SECOND, "11:3 " SECOND, "12:3 " SECOND}},
	};
	check_all(cases, ARRAY_SIZE(cases));
}

static void sessions_are_checked(void **state)
{
	(void)state;
	static const struct broken cases[] = {
		{TWO_PORTS "sessions: 1000\n", {"4:11 sessions: must be a mapping"}},
		{TWO_PORTS "sessions: {maximum: 1000}\n", {"4:12 unknown key \"maximum\""}},
		{TWO_PORTS "sessions: {max: 15, per-host: -1}\n",
		 {"4:17 max: 15 is too small", "4:31 per-host: \"-1\" is not a number"}},
		{TWO_PORTS "sessions: {max: 4194305}\n", {"4:17 max: 4194305 is too large"}},
		{TWO_PORTS "sessions: {tcp-established: 7439, tcp-transitory: 239, udp: 119, "
			   "icmp: 59, other: 0}\n",
		 {"4:29 7439 is shorter than RFC 5382 REQ-5 allows",
		  "4:51 239 is shorter than RFC 5382 REQ-5 allows",
		  "4:61 119 is shorter than RFC 4787 REQ-5 allows",
		  "4:72 59 is shorter than RFC 5508 REQ-2 allows", "4:83 other: 0 is too small"}},
		{TWO_PORTS "sessions: {udp: 5m, other: 2592001}\n",
		 {"4:17 udp: \"5m\" is not a number", "4:28 other: 2592001 is too large"}},
	};
	check_all(cases, ARRAY_SIZE(cases));
}

static void complaint_about_a_rule_says_what_to_do(void **state)
{
	(void)state;
	static const struct {
		const char *text, *hint;
	} cases[] = {
		{NAT("action: masqerade, out: r1"),
		 "did you mean \"masquerade\"? One of: masquerade, snat, dnat"},
		{NAT("action: masquerade, out: r01"), "did you mean \"r0\"?"},
		{NAT("action: masquerade, out: r1, to: 10.0.0.1"),
		 "the new address is the one of out:; action: snat takes to:"},
		{NAT("action: dnat, in: r1, protocol: tcp, port: 9000-9010, to: 10.0.0.1:1-2"),
		 "as many on both sides; to: without ports keeps them as they are"},
		{NAT("action: dnat, in: r1, port: 1, to: 10.0.0.1"),
		 "add protocol: tcp or protocol: udp; a rule for each if both are meant"},
		{NAT("action: snat, out: r1, to: 192.168.0.0"),
		 "no host in 192.168.0.0/24 can have it"},
		{NAT("action: snat, out: r1, to: 240.0.0.1"),
		 "addresses in 240.0.0.0/4 are reserved"},
		{FILTER("action: drop, state: establish"),
		 "did you mean \"established\"? One of: new, established, related, invalid"},
		{FILTER("action: drop, protocol: udpp"), "did you mean \"udp\"?"},
		{FILTER("action: drop, protocol: gre"),
		 "a name such as tcp, or a number from 1 to 255"},
		{FILTER("action: drop, protocol: icmp, icmp-type: echo-requst"),
		 "did you mean \"echo-request\"?"},
		{FILTER("action: drop, to: 192.168.0.1"),
		 "the filter is for what is routed through; after dnat, to: is the new address"},
		{FILTER("action: drop}\n- {action: accept"),
		 "the first is on line 5; take one of them out"},
		{TWO_PORTS "sessions: {udp: 30}\n",
		 "120 seconds or more; in a lab, `tsuji nat age` makes time pass"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct diag diag;
		assert_null(read_text(&diag, cases[i].text));
		assert_int_equal(diag.n_errors, 1);
		assert_string_equal(diag.entries[0].hint, cases[i].hint);
		diag_fini(&diag);
	}
}

/* ---- how complaints look ---- */

static void assert_printed(struct diag *diag, const char *expected)
{
	char *text = diag_text(diag);
	assert_string_equal(text, expected);
	free(text);
	diag_fini(diag);
}

static void complaint_shows_line_caret_and_hint(void **state)
{
	(void)state;
	struct diag diag;
	assert_null(read_text(&diag, "ports:\n  r0: {addresses: [192.168.1.300/24]}\n"));
	assert_printed(&diag, "t.yaml:2:20: error: \"192.168.1.300/24\" is not an IPv4 prefix\n"
			      "  2 |   r0: {addresses: [192.168.1.300/24]}\n"
			      "    |                    ^~~~~~~~~~~~~~~~\n"
			      "  hint: four numbers up to 255, without leading zeros, "
			      "and a length up to 32, such as 192.168.1.1/24\n");
}

static void complaint_about_a_bridge_says_what_to_do(void **state)
{
	(void)state;
	struct diag diag;
	assert_null(read_text(&diag, "ports:\n"
				     "  r0: {isolated: on}\n"
				     "  r1: {addresses: [10.0.0.1/24], mirror: r2}\n"
				     "bridges:\n"
				     "  br0: {ports: [r1, r2]}\n"
				     "  br1: {ports: [r2]}\n"));
	assert_int_equal(diag.n_errors, 3);
	assert_string_equal(diag.entries[0].hint,
			    "the bridge may have it: br0: {addresses: [10.0.0.1/24]}");
	assert_string_equal(diag.entries[1].hint, "a mirror is a port with no addresses and in no "
						  "bridge: only copies leave there");
	assert_string_equal(diag.entries[2].hint, "a port is in one bridge only; br0 is on line 5");
	diag_fini(&diag);

	assert_null(read_text(&diag, "ports: {r0: {isolated: on}, r1: {mirror: r01}}\n"));
	assert_printed(&diag, "t.yaml:1:14: error: isolated: means nothing on a routed port\n"
			      "  1 | ports: {r0: {isolated: on}, r1: {mirror: r01}}\n"
			      "    |              ^~~~~~~~\n"
			      "  hint: it is for a port that a bridge lists: br0: {ports: [r0]}\n"
			      "t.yaml:1:42: error: mirror: \"r01\" is not under ports:\n"
			      "  1 | ports: {r0: {isolated: on}, r1: {mirror: r01}}\n"
			      "    |                                          ^~~\n"
			      "  hint: did you mean \"r0\"?\n"
			      "2 errors\n");
}

static void columns_are_characters_and_tabs_stay_tabs(void **state)
{
	(void)state;
	struct diag diag;
	assert_null(read_text(&diag, "ports: {\"\xc3\xa4\xc3\xb6\":\t{mtu: 1}} # x\r\n"));
	assert_printed(&diag, "t.yaml:1:21: error: mtu: 1 is too small\n"
			      "  1 | ports: {\"\xc3\xa4\xc3\xb6\":\t{mtu: 1}} # x\n"
			      "    |              \t      ^\n"
			      "  hint: a whole number from 68 to 65535\n");
}

static void complaint_cannot_write_to_the_terminal(void **state)
{
	(void)state;
	struct diag diag;
	assert_null(read_text(&diag, "ports: {\"\\e[31m\": {}}\n"));
	assert_string_equal(diag.entries[0].message,
			    "a port's name: \"?[31m\" holds a space or control character");
	diag_fini(&diag);
}

static void long_line_is_shown_in_part(void **state)
{
	(void)state;
	struct diag diag;
	char text[2000] = "ports: {r0: {}, ";
	memset(text + strlen(text), ' ', 500);
	strcat(text, "r1: {mtu: 5}, ");
	memset(text + strlen(text), ' ', 500);
	strcat(text, "r2: {}}\n");
	assert_null(read_text(&diag, text));
	char *printed = diag_text(&diag);
	assert_true(strlen(printed) < 400);
	const char *line = strstr(printed, "| ..."), *caret = strstr(printed, "^");
	assert_non_null(line);
	assert_non_null(caret);
	const char *second = strstr(line + 1, "| ");
	assert_int_equal(line[caret - second], '5');
	free(printed);
	diag_fini(&diag);
}

static void twenty_mistakes_are_found_in_one_pass_in_order(void **state)
{
	(void)state;
	struct diag diag;
	char text[4096] = TWO_PORTS "routes:\n";
	for (unsigned i = 0; i < 20; i++)
		strcat(text, "- {to: 10.0.0.1/8, via: 192.168.0.2}\n");
	assert_null(read_text(&diag, text));
	assert_int_equal(diag.n_errors, 20);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(diag.entries[i].at.line, 5 + i);
	char *printed = diag_text(&diag);
	assert_non_null(strstr(printed, "\n20 errors\n"));
	free(printed);
	diag_fini(&diag);
}

static void of_many_complaints_the_first_of_the_file_are_kept(void **state)
{
	(void)state;
	struct diag diag;
	assert_int_equal(diag_open_memory(&diag, "t", "", 0), 0);
	for (unsigned line = 300; line > 0; line--)
		diag_error(&diag, (struct place){line, 1, 1}, NULL, "line %u", line);
	assert_int_equal(diag.n_errors, 300);
	assert_int_equal(diag.n_entries, DIAG_MAX);
	for (unsigned i = 0; i < DIAG_MAX; i++)
		assert_int_equal(diag.entries[i].at.line, i + 1);
	diag_fini(&diag);
}

static void file_that_cannot_be_read_is_one_complaint(void **state)
{
	(void)state;
	struct diag diag;
	assert_int_equal(diag_open(&diag, "/nonexistent.yaml"), -ENOENT);
	assert_printed(&diag,
		       "/nonexistent.yaml: error: cannot be read: No such file or directory\n");
	assert_int_equal(diag_open(&diag, "/"), -EISDIR);
	diag_fini(&diag);
}

/* Whoever waits for a writer waits for ever, and a daemon that reads its file again with it. */
static void pipe_that_nobody_writes_to_is_an_empty_file(void **state)
{
	(void)state;
	char directory[] = "/tmp/tsuji-test-XXXXXX", file[64];
	struct diag diag;
	assert_non_null(mkdtemp(directory));
	snprintf(file, sizeof(file), "%s/fifo", directory);
	assert_int_equal(mkfifo(file, 0600), 0);
	assert_int_equal(diag_open(&diag, file), 0);
	assert_int_equal(diag.text_size, 0);
	diag_fini(&diag);
	unlink(file);
	rmdir(directory);
}

static void huge_file_is_refused_by_its_size(void **state)
{
	(void)state;
	struct diag diag;
	char path[] = "/tmp/tsuji-test-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 100 << 20), 0);
	close(fd);
	assert_int_equal(diag_open(&diag, path), -EFBIG);
	assert_non_null(strstr(diag.entries[0].message, "100 MiB are too large"));
	assert_null(diag.text);
	diag_fini(&diag);
	unlink(path);
}

static void deep_nesting_is_refused_at_once(void **state)
{
	(void)state;
	enum { DEPTH = 100000 };
	struct diag diag;
	char *text = malloc(DEPTH);
	memset(text, '[', DEPTH);
	assert_int_equal(diag_open_memory(&diag, "t", text, DEPTH), 0);
	assert_null(config_read(&diag));
	assert_int_equal(diag.n_errors, 1);
	diag_fini(&diag);
	free(text);
}

static void nearest_name_is_near(void **state)
{
	(void)state;
	static const char *const names[] = {"addresses", "mtu", "neighbours", "via", NULL};
	assert_string_equal(diag_nearest("adresses", names), "addresses");
	assert_string_equal(diag_nearest("neighbors", names), "neighbours");
	assert_string_equal(diag_nearest("mut", names), "mtu");
	assert_string_equal(diag_nearest("via", names), "via");
	assert_null(diag_nearest("gateway", names));
	assert_null(diag_nearest("", names));
	assert_null(diag_nearest("x", names));
}

/* ---- text forms ---- */

static void addresses_have_one_form(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",	     "1",	   "1.2.3",    "1.2.3.",    "1.2.3.4.",
		"1.2.3.4.5", "1.2.3.04",   "00.0.0.0", "256.0.0.0", " 1.2.3.4",
		"1.2.3.4 ",  "1.2.3.4/24", "-1.2.3.4", "0x1.2.3.4", "1.2.3.99999999999",
		"a.b.c.d",
	};
	be32 a;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(config_parse_address(bad[i], &a));
	char buf[18];
	assert_true(config_parse_address("255.0.10.200", &a));
	assert_int_equal(be32_host(a), 0xff000ac8);
	assert_string_equal(config_format_address(a, buf), "255.0.10.200");
}

static void prefixes_have_no_host_bits_and_interfaces_may(void **state)
{
	(void)state;
	be32 a;
	uint8_t len;
	assert_true(config_parse_prefix("default", &a, &len));
	assert_int_equal(a.raw, 0);
	assert_int_equal(len, 0);
	assert_true(config_parse_prefix("10.9.0.0/16", &a, &len));
	assert_int_equal(len, 16);
	assert_true(config_parse_prefix("10.9.0.1", &a, &len));
	assert_int_equal(len, 32);
	assert_false(config_parse_prefix("10.9.0.1/16", &a, &len));
	assert_false(config_parse_prefix("10.9.0.0/016", &a, &len));
	assert_false(config_parse_prefix("10.9.0.0/33", &a, &len));
	assert_false(config_parse_prefix("10.9.0.0/", &a, &len));
	assert_true(config_parse_interface("10.9.0.1/16", &a, &len));
	assert_false(config_parse_interface("10.9.0.1", &a, &len));
	assert_false(config_parse_interface("default", &a, &len));
}

static void macs_are_six_pairs(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",
		"02",
		"02:00:00:00:00",
		"02:00:00:00:00:0",
		"02:00:00:00:00:000",
		"02:00:00:00:00:00:",
		"02-00-00-00-00-00",
		"0g:00:00:00:00:00",
		"020000000000",
		"02:00:00:00:00:01 ",
	};
	struct mac mac;
	char buf[18];
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(config_parse_mac(bad[i], &mac));
	assert_true(config_parse_mac("02:aB:00:00:00:Ff", &mac));
	assert_string_equal(config_format_mac(mac, buf), "02:ab:00:00:00:ff");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports_have_addresses_mtu_and_xdp),
		cmocka_unit_test(mtu_may_exceed_a_frame_in_generic_mode),
		cmocka_unit_test(routes_keep_what_the_file_says),
		cmocka_unit_test(neighbours_lanes_and_frames_are_read),
		cmocka_unit_test(number_or_word_is_either),
		cmocka_unit_test(file_with_one_port_has_the_defaults),
		cmocka_unit_test(one_port_may_have_subnets_inside_each_other),
		cmocka_unit_test(routes_may_differ_in_metric_only),
		cmocka_unit_test(hundred_thousand_routes_are_read),
		cmocka_unit_test(bridged_ports_have_flags_and_the_unlisted_come_last),
		cmocka_unit_test(bridges_have_ports_and_a_leg),
		cmocka_unit_test(file_may_have_nothing_but_a_bridge),
		cmocka_unit_test(routes_and_neighbours_may_be_on_a_bridge),
		cmocka_unit_test(ports_and_bridges_are_256_together),
		cmocka_unit_test(each_port_needs_frames),
		cmocka_unit_test(sample_file_is_read_whole),
		cmocka_unit_test(nat_rules_keep_what_the_file_says),
		cmocka_unit_test(filter_rules_keep_what_the_file_says),
		cmocka_unit_test(sessions_have_defaults_and_can_be_set),
		cmocka_unit_test(broken_yaml_is_reported_where_it_breaks),
		cmocka_unit_test(keys_and_kinds_are_checked),
		cmocka_unit_test(scalars_are_strict),
		cmocka_unit_test(ports_and_addresses_are_checked),
		cmocka_unit_test(routes_are_checked),
		cmocka_unit_test(neighbours_are_checked),
		cmocka_unit_test(bridges_are_checked),
		cmocka_unit_test(bridged_ports_are_not_routed),
		cmocka_unit_test(leg_addresses_are_checked_like_those_of_ports),
		cmocka_unit_test(flags_are_for_bridged_ports),
		cmocka_unit_test(mirrors_are_ports_for_copies_only),
		cmocka_unit_test(keys_of_nat_rules_are_checked),
		cmocka_unit_test(ports_of_rules_are_those_of_the_file),
		cmocka_unit_test(new_addresses_are_those_of_hosts),
		cmocka_unit_test(ports_of_dnat_are_checked),
		cmocka_unit_test(addresses_of_rules_can_match),
		cmocka_unit_test(filter_rules_are_checked),
		cmocka_unit_test(second_rule_for_the_same_packets_is_refused),
		cmocka_unit_test(sessions_are_checked),
		cmocka_unit_test(complaint_about_a_rule_says_what_to_do),
		cmocka_unit_test(complaint_shows_line_caret_and_hint),
		cmocka_unit_test(complaint_about_a_bridge_says_what_to_do),
		cmocka_unit_test(columns_are_characters_and_tabs_stay_tabs),
		cmocka_unit_test(complaint_cannot_write_to_the_terminal),
		cmocka_unit_test(long_line_is_shown_in_part),
		cmocka_unit_test(twenty_mistakes_are_found_in_one_pass_in_order),
		cmocka_unit_test(of_many_complaints_the_first_of_the_file_are_kept),
		cmocka_unit_test(file_that_cannot_be_read_is_one_complaint),
		cmocka_unit_test(pipe_that_nobody_writes_to_is_an_empty_file),
		cmocka_unit_test(huge_file_is_refused_by_its_size),
		cmocka_unit_test(deep_nesting_is_refused_at_once),
		cmocka_unit_test(nearest_name_is_near),
		cmocka_unit_test(addresses_have_one_form),
		cmocka_unit_test(prefixes_have_no_host_bits_and_interfaces_may),
		cmocka_unit_test(macs_are_six_pairs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
