/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Legs, as the table to publish has them: four ports, of which r1, r2 and r3 are in br0 as
 * the router file has it. No worker, and no interface.
 */
#include "../../control/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define N_PORTS 4
#define LEG	7 /* the number of br0 */

struct bench {
	struct router router;
	struct config_port configs[N_PORTS];
	struct config_address address;
	struct config_bridge config;
	struct router_port ports[N_PORTS];
	struct router_bridge bridge;
	struct port built[N_PORTS];
	struct port_table *table;
};

static struct mac mac(uint8_t last)
{
	return (struct mac){{2, 0, 0, 0, 0, last}};
}

/* r0 to r3 are at :10 to :13. */
static void bench_init(struct bench *b)
{
	*b = (struct bench){
		.address = {.address = be32_from(0xc0a80a01), .prefix_len = 24},
		.config = {.name = "br0", .n_addresses = 1, .addresses = &b->address},
		.bridge = {.config = &b->config, .number = LEG},
	};
	for (unsigned i = 0; i < N_PORTS; i++) {
		snprintf(b->configs[i].name, sizeof(b->configs[i].name), "r%u", i);
		if (i)
			strcpy(b->configs[i].bridge, "br0");
		b->ports[i] = (struct router_port){.config = &b->configs[i], .number = i};
		b->built[i] =
			(struct port){.number = i, .mtu = 1500, .mac = mac(0x10 + i), .up = true};
		b->router.ports.port[i] = &b->ports[i];
	}
	b->router.bridges.bridge[LEG] = &b->bridge;
}

static void bench_fini(struct bench *b)
{
	if (b->table)
		free(b->table->ports[LEG]);
	port_table_free(b->table);
}

/* The leg, in a new table; the one before is gone. */
static const struct port *build(struct bench *b)
{
	bench_fini(b);
	b->table = port_table_new(0);
	b->table->n_ports = N_PORTS;
	for (unsigned i = 0; i < N_PORTS; i++) {
		b->table->ports[i] = &b->built[i];
		bridges_place(&b->router, &b->built[i], &b->configs[i], false);
	}
	assert_int_equal(bridges_add_legs(&b->router, b->table, false), 0);
	assert_int_equal(b->table->n_ports, LEG + 1);
	return b->table->ports[LEG];
}

static void expect_mac(const struct port *leg, uint8_t last)
{
	assert_true(mac_equal(leg->mac, mac(last)));
}

static void leg_is_a_port_with_members_and_addresses(void **state)
{
	(void)state;
	struct bench b;
	bench_init(&b);
	const struct port *leg = build(&b);
	assert_true(port_is_leg(leg));
	assert_string_equal(leg->name, "br0");
	assert_int_equal(leg->number, LEG);
	assert_int_equal(leg->n_members, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(leg->members[i], i + 1);
	assert_int_equal(leg->n_addresses, 1);
	assert_int_equal(be32_host(leg->addresses[0].address), 0xc0a80a01);
	assert_int_equal(leg->bridge, PORT_NONE);
	assert_int_equal(leg->mirror, PORT_NONE);
	assert_null(leg->io);
	assert_int_equal(b.built[0].bridge, PORT_NONE);
	assert_int_equal(b.built[3].bridge, LEG);
	bench_fini(&b);
}

static void leg_is_up_while_one_member_is(void **state)
{
	(void)state;
	struct bench b;
	bench_init(&b);
	b.built[1].up = b.built[2].up = false;
	assert_true(build(&b)->up);
	b.built[3].up = false;
	assert_false(build(&b)->up);
	bench_fini(&b);
}

static void leg_has_the_least_mtu_of_those_that_are_there(void **state)
{
	(void)state;
	struct bench b;
	bench_init(&b);
	b.built[0].mtu = 576; /* not its member */
	b.built[2].mtu = 1400;
	assert_int_equal(build(&b)->mtu, 1400);
	b.ports[2].state = STATE_LOST;
	assert_int_equal(build(&b)->mtu, 1500);
	b.ports[1].state = b.ports[3].state = STATE_LOST;
	assert_int_equal(build(&b)->mtu, 1400);
	bench_fini(&b);
}

static void leg_keeps_its_mac_while_a_member_has_it(void **state)
{
	(void)state;
	struct bench b;
	bench_init(&b);
	b.ports[1].state = STATE_LOST;
	expect_mac(build(&b), 0x12);
	b.bridge.mac = mac(0x12);
	b.ports[1].state = STATE_UP; /* a lower one joins */
	expect_mac(build(&b), 0x12);
	b.built[2].mac = mac(0x20); /* it has another now */
	expect_mac(build(&b), 0x11);
	b.bridge.mac = mac(0x11);
	b.ports[1].state = STATE_LOST;
	expect_mac(build(&b), 0x13);
	b.ports[2].state = b.ports[3].state = STATE_LOST; /* nobody is there */
	expect_mac(build(&b), 0x11);
	bench_fini(&b);
}

static void mac_of_the_file_wins(void **state)
{
	(void)state;
	struct bench b;
	bench_init(&b);
	b.bridge.mac = mac(0x11);
	b.config.mac = mac(0x77);
	expect_mac(build(&b), 0x77);
	bench_fini(&b);
}

static void mirror_of_the_bridge_is_that_of_ports_without_one(void **state)
{
	(void)state;
	struct bench b;
	bench_init(&b);
	strcpy(b.configs[3].bridge, "");
	strcpy(b.config.mirror, "r3");
	strcpy(b.configs[2].mirror, "r0");
	build(&b);
	assert_int_equal(b.built[0].mirror, PORT_NONE);
	assert_int_equal(b.built[1].mirror, 3);
	assert_int_equal(b.built[2].mirror, 0);
	assert_int_equal(b.built[3].mirror, PORT_NONE);
	bench_fini(&b);
}

static void flags_are_those_of_the_file(void **state)
{
	(void)state;
	struct bench b;
	bench_init(&b);
	b.configs[1].no_learning = b.configs[2].no_flood = b.configs[3].isolated = true;
	b.configs[3].no_flood = true;
	build(&b);
	assert_int_equal(b.built[0].flags, 0);
	assert_int_equal(b.built[1].flags, PORT_NO_LEARNING);
	assert_int_equal(b.built[2].flags, PORT_NO_FLOOD);
	assert_int_equal(b.built[3].flags, PORT_NO_FLOOD | PORT_ISOLATED);
	bench_fini(&b);
}

static void plan_is_apart_from_what_is_in_force(void **state)
{
	(void)state;
	struct bench b;
	bench_init(&b);
	const struct config plan = {.bridges = &b.config, .n_bridges = 1};
	struct config_bridge other = {.name = "br1"};
	const struct config with_other = {.bridges = &other, .n_bridges = 1};
	struct refusal why;
	assert_int_equal(bridges_plan(&b.router, &plan, &why), 0);
	assert_ptr_equal(b.bridge.next, &b.config);
	bridges_forget(&b.router);
	assert_null(b.bridge.next);
	assert_int_equal(bridges_plan(&b.router, &with_other, &why), 0);
	assert_null(b.bridge.next); /* br0 is to go */
	const struct router_bridge *added = b.router.bridges.bridge[N_PORTS];
	assert_ptr_equal(added->next, &other); /* the first number that no port has */
	assert_null(bridges_find(&b.router.bridges, "br1"));
	bridges_forget(&b.router);
	assert_null(b.router.bridges.bridge[N_PORTS]);
	assert_ptr_equal(bridges_find(&b.router.bridges, "br0"), &b.bridge);
	bench_fini(&b);
}

static void numbers_run_out_for_ports_and_bridges_together(void **state)
{
	(void)state;
	struct bench b;
	bench_init(&b);
	for (unsigned i = N_PORTS; i < PORT_MAX; i++)
		if (i != LEG && i != 200)
			b.router.ports.port[i] = &b.ports[0];
	assert_int_equal(ports_free_number(&b.router), 200);
	struct router_bridge last = {.number = 200};
	b.router.bridges.bridge[200] = &last;
	assert_int_equal(ports_free_number(&b.router), PORT_NONE);
	bench_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leg_is_a_port_with_members_and_addresses),
		cmocka_unit_test(leg_is_up_while_one_member_is),
		cmocka_unit_test(leg_has_the_least_mtu_of_those_that_are_there),
		cmocka_unit_test(leg_keeps_its_mac_while_a_member_has_it),
		cmocka_unit_test(mac_of_the_file_wins),
		cmocka_unit_test(mirror_of_the_bridge_is_that_of_ports_without_one),
		cmocka_unit_test(flags_are_those_of_the_file),
		cmocka_unit_test(plan_is_apart_from_what_is_in_force),
		cmocka_unit_test(numbers_run_out_for_ports_and_bridges_together),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
