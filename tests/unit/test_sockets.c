/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's sockets, from files as /proc/net has them, in a router that has 192.0.2.1 and
 * 10.0.0.1, of which the kernel has the first too.
 */
#include "../../control/sockets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define HEADING "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt\n"

static struct port_table *two_addresses(bool shared)
{
	struct port_table *ports = port_table_new(3);
	port_table_add_local(
		ports,
		(struct local){.address = be32_from(0xc0000201), .tsuji = true, .kernel = shared});
	port_table_add_local(ports,
			     (struct local){.address = be32_from(0x0a000001), .tsuji = true});
	port_table_add_local(ports,
			     (struct local){.address = be32_from(0x0a090001), .kernel = true});
	return ports;
}

static void note(struct sockets *sockets, enum socket_kind kind, const char *text)
{
	struct port_table *ports = two_addresses(true);
	FILE *file = fmemopen((void *)text, strlen(text), "r");
	memset(sockets, 0, sizeof(*sockets));
	sockets_note(sockets, kind, file, ports);
	fclose(file);
	port_table_free(ports);
}

static void expect_ports(const struct sockets *sockets, enum socket_kind kind,
			 const unsigned *wanted)
{
	for (unsigned k = 0; k < N_SOCKET_KINDS; k++) {
		const unsigned *next = wanted;
		for (unsigned port = 0; port < 65536; port++) {
			bool used = sockets->used[k][port / 64] >> port % 64 & 1;
			bool expected = k == kind && *next == port;
			if (used != expected)
				fail_msg("kind %u port %u", k, port);
			next += expected;
		}
	}
}

static void sockets_on_a_shared_address_or_on_all_count(void **state)
{
	(void)state;
	struct sockets s;
	note(&s, SOCKETS_TCP,
	     HEADING
	     "   0: 0100007F:0277 00000000:0000 0A 00000000:00000000 00:00000000 00000000\n"
	     "   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000\n"
	     "   2: 010200C0:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000\n"
	     "   3: 0100000A:0051 00000000:0000 0A 00000000:00000000 00:00000000 00000000\n"
	     "   4: 0100090A:0052 00000000:0000 0A 00000000:00000000 00:00000000 00000000\n"
	     "   5: 010200C0:FFFF 090200C0:0050 01 00000000:00000000 00:00000000 00000000\n"
	     "   6: 010200C0:8000 090200C0:0050 06 00000000:00000000 00:00000000 00000000\n");
	expect_ports(&s, SOCKETS_TCP, (const unsigned[]){22, 80, 65535, 65536});
	note(&s, SOCKETS_UDP,
	     HEADING "  99: 00000000:0035 00000000:0000 07 00000000:00000000\n"
		     " 100: 010200C0:8000 090200C0:0035 06 00000000:00000000\n"
		     " 101: 00000000:0000 090200C0:0035 07 00000000:00000000\n");
	expect_ports(&s, SOCKETS_UDP, (const unsigned[]){53, 32768, 65536});
}

static void sockets_of_ipv6_count_where_ipv4_reaches_them(void **state)
{
	(void)state;
	struct sockets s;
	note(&s, SOCKETS_TCP,
	     HEADING "   0: 00000000000000000000000000000000:0016 "
		     "00000000000000000000000000000000:0000 0A 00000000:00000000\n"
		     "   1: 00000000000000000000000001000000:0017 "
		     "00000000000000000000000000000000:0000 0A 00000000:00000000\n"
		     "   2: 0000000000000000FFFF0000010200C0:0018 "
		     "0000000000000000FFFF0000090200C0:0050 01 00000000:00000000\n"
		     "   3: 0000000000000000FFFF00000100007F:0019 "
		     "00000000000000000000000000000000:0000 0A 00000000:00000000\n"
		     "   4: 000080FE00000000FF005450BE0000FE:001A "
		     "00000000000000000000000000000000:0000 0A 00000000:00000000\n");
	expect_ports(&s, SOCKETS_TCP, (const unsigned[]){22, 24, 65536});
}

static void lines_of_another_form_are_left_out(void **state)
{
	(void)state;
	struct sockets s;
	note(&s, SOCKETS_TCP,
	     "\n   0:\n   1: 00000000\n   2: 0000000:0016 0:0 0A\n"
	     "   3: 00000000:0016\n nonsense 00000000:0016 00000000:0000 0A\n");
	expect_ports(&s, SOCKETS_TCP, (const unsigned[]){65536});
}

static void nothing_is_read_where_no_address_is_shared(void **state)
{
	(void)state;
	struct port_table *ports = two_addresses(false);
	struct sockets s;
	memset(&s, 0xff, sizeof(s));
	assert_int_equal(sockets_read(&s, ports), 0);
	expect_ports(&s, SOCKETS_TCP, (const unsigned[]){65536});
	port_table_free(ports);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sockets_on_a_shared_address_or_on_all_count),
		cmocka_unit_test(sockets_of_ipv6_count_where_ipv4_reaches_them),
		cmocka_unit_test(lines_of_another_form_are_left_out),
		cmocka_unit_test(nothing_is_read_where_no_address_is_shared),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
