/* SPDX-License-Identifier: BSD-2-Clause */
/* Rows as text and as JSON: whole outputs, character by character. */
#include "../../control/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

static void ports_with_statistics(FILE *out, const json_t *rows)
{
	table_ports(out, rows, true);
}

static void ports(FILE *out, const json_t *rows)
{
	table_ports(out, rows, false);
}

static void walks(FILE *out, const json_t *rows)
{
	for (size_t i = 0; i < json_array_size(rows); i++)
		table_walk(out, json_array_get(rows, i));
}

/* What show writes of the rows, given as JSON. */
static void expect(void (*show)(FILE *out, const json_t *rows), const char *rows_text,
		   const char *wanted)
{
	json_t *rows = json_loads(rows_text, 0, NULL);
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(rows);
	show(out, rows);
	fclose(out);
	assert_string_equal(text, wanted);
	free(text);
	json_decref(rows);
}

static void json_is_one_array_of_a_row_per_line(void **state)
{
	(void)state;
	expect(table_json, "[]", "[]\n");
	expect(table_json, "[{\"b\":1,\"a\":\"x\"}]", "[\n{\"b\":1,\"a\":\"x\"}\n]\n");
	expect(table_json, "[{\"a\":1},{\"a\":2}]", "[\n{\"a\":1},\n{\"a\":2}\n]\n");
}

#define PORT_ROW                                                                                   \
	"[{\"name\":\"r0\",\"number\":0,\"state\":\"up\",\"reason\":\"\",\"ifindex\":7,"           \
	"\"mac\":\"02:00:00:00:01:01\",\"mtu\":1500,\"addresses\":\"192.168.1.1/24 10.0.0.1/8\","  \
	"\"xdp\":\"native\",\"lane\":\"socket\",\"rx_packets\":10,\"rx_bytes\":980,\"tx_"          \
	"packets\":9,"                                                                             \
	"\"tx_bytes\":900,\"rx_dropped\":1,\"tx_dropped\":0}]"

static void port_shows_state_addresses_and_traffic(void **state)
{
	(void)state;
	expect(ports, PORT_ROW,
	       "r0: up mtu 1500 mac 02:00:00:00:01:01 xdp native lane socket\n"
	       "    addresses 192.168.1.1/24 10.0.0.1/8\n"
	       "    rx 10 packets 980 bytes 1 dropped, tx 9 packets 900 bytes\n");
}

static void port_with_statistics_shows_every_counter(void **state)
{
	(void)state;
	expect(ports_with_statistics, PORT_ROW,
	       "r0: up mtu 1500 mac 02:00:00:00:01:01 xdp native lane socket\n"
	       "    addresses 192.168.1.1/24 10.0.0.1/8\n"
	       "    rx_packets 10  rx_bytes 980  tx_packets 9  tx_bytes 900  rx_dropped 1  "
	       "tx_dropped 0\n");
}

static void port_with_statistics_shows_its_lanes(void **state)
{
	(void)state;
	expect(ports_with_statistics,
	       "[{\"name\":\"r0\",\"state\":\"up\",\"mtu\":1500,\"lane\":\"burst\","
	       "\"lane_reason\":null,\"far_end\":\"host2:eth0\",\"far_end_prepared\":true,"
	       "\"flow_cache\":true,\"socket_packets\":3,\"tx_kicks\":2,\"burst_packets\":1000,"
	       "\"burst_calls\":10,\"gso_packets\":60,\"gso_calls\":3,\"flow_packets\":7}]",
	       "r0: up mtu 1500 lane burst flow-cache on\n"
	       "    far end host2:eth0: GRO switched on by tsuji, off again at exit\n"
	       "    socket lane 3 packets in 2 calls, 2 each; burst lane 1000 packets in 10 calls, "
	       "100 each\n"
	       "    GSO lane 60 packets in 3 calls, 20 each; flow cache 7 packets\n"
	       "    socket_packets 3  tx_kicks 2  burst_packets 1000  burst_calls 10  gso_packets 60\n"
	       "    gso_calls 3  flow_packets 7\n");
}

static void port_that_may_not_burst_says_why(void **state)
{
	(void)state;
	expect(ports,
	       "[{\"name\":\"r0\",\"state\":\"up\",\"mtu\":1500,\"lane\":\"socket\","
	       "\"lane_reason\":\"GRO off\",\"far_end\":\"host2:eth0\","
	       "\"far_end_prepared\":false}]",
	       "r0: up mtu 1500 lane socket (GRO off)\n"
	       "    rx 0 packets 0 bytes, tx 0 packets 0 bytes\n");
}

static void settings_are_aligned(void **state)
{
	(void)state;
	expect(table_settings,
	       "[{\"name\":\"lanes.transmit\",\"value\":\"auto\",\"accepts\":\"auto|burst\"},"
	       "{\"name\":\"lanes.gso\",\"value\":\"on\",\"now\":\"on\",\"accepts\":\"off|on\"},"
	       "{\"name\":\"lanes.burst-min\",\"value\":\"auto\",\"now\":\"33\","
	       "\"accepts\":\"auto|1-2048\"}]",
	       "SETTING          VALUE      ACCEPTS\n"
	       "lanes.transmit   auto       auto|burst\n"
	       "lanes.gso        on         off|on\n"
	       "lanes.burst-min  auto (33)  auto|1-2048\n");
}

static void port_that_coalesces_says_so(void **state)
{
	(void)state;
	expect(ports,
	       "[{\"name\":\"r0\",\"state\":\"up\",\"mtu\":1500,\"lane\":\"socket\","
	       "\"lane_reason\":\"no NAPI\",\"gso\":true},"
	       "{\"name\":\"r1\",\"state\":\"up\",\"mtu\":1500,\"lane\":\"burst\","
	       "\"lane_reason\":null,\"gso\":false}]",
	       "r0: up mtu 1500 lane socket (no NAPI) gso on\n"
	       "    rx 0 packets 0 bytes, tx 0 packets 0 bytes\n"
	       "r1: up mtu 1500 lane burst\n"
	       "    rx 0 packets 0 bytes, tx 0 packets 0 bytes\n");
}

static void bridged_port_shows_its_place(void **state)
{
	(void)state;
	expect(ports,
	       "[{\"name\":\"r1\",\"state\":\"blocked\",\"reason\":\"loop guard: 02:00:00:00:01:02 "
	       "flaps with r3, 27 s left\",\"mtu\":1500,\"addresses\":\"\",\"bridge\":\"br0\","
	       "\"flags\":\"learning off isolated on\",\"mirror\":\"r4\"},"
	       "{\"name\":\"r2\",\"state\":\"up\",\"mtu\":1500,\"addresses\":\"10.0.0.1/8\","
	       "\"bridge\":null,\"flags\":\"\",\"mirror\":\"r4\"}]",
	       "r1: blocked (loop guard: 02:00:00:00:01:02 flaps with r3, 27 s left) mtu 1500\n"
	       "    bridge br0 learning off isolated on mirror r4\n"
	       "    rx 0 packets 0 bytes, tx 0 packets 0 bytes\n"
	       "r2: up mtu 1500\n"
	       "    addresses 10.0.0.1/8\n"
	       "    mirror r4\n"
	       "    rx 0 packets 0 bytes, tx 0 packets 0 bytes\n");
}

static void fdb_lines_say_where_and_since_when(void **state)
{
	(void)state;
	expect(table_fdb,
	       "[{\"mac\":\"02:00:00:00:01:02\",\"port\":\"r2\",\"bridge\":\"br0\",\"kind\":"
	       "\"learnt\",\"age_ms\":3100,\"hits\":12},"
	       "{\"mac\":\"02:00:00:00:01:03\",\"port\":\"r3\",\"bridge\":\"br0\",\"kind\":"
	       "\"static\",\"age_ms\":null,\"hits\":0},"
	       "{\"mac\":\"02:00:00:00:00:01\",\"port\":\"br0\",\"bridge\":\"br0\",\"kind\":"
	       "\"local\",\"age_ms\":null,\"hits\":5}]",
	       "02:00:00:00:01:02 port r2 bridge br0 age 3s hits 12\n"
	       "02:00:00:00:01:03 port r3 bridge br0 static\n"
	       "02:00:00:00:00:01 port br0 bridge br0 local hits 5\n");
}

static void events(FILE *out, const json_t *rows)
{
	for (size_t i = 0; i < json_array_size(rows); i++)
		table_fdb_event(out, json_array_get(rows, i));
}

static void fdb_events_are_a_line_each(void **state)
{
	(void)state;
	expect(events,
	       "[{\"event\":\"appeared\",\"mac\":\"02:00:00:00:01:02\",\"port\":\"r2\",\"bridge\":"
	       "\"br0\",\"before\":null},"
	       "{\"event\":\"moved\",\"mac\":\"02:00:00:00:01:02\",\"port\":\"r3\",\"bridge\":"
	       "\"br0\","
	       "\"before\":\"r2\"},{\"event\":\"lost\",\"events\":7}]",
	       "appeared 02:00:00:00:01:02 port r2 bridge br0\n"
	       "moved 02:00:00:00:01:02 port r3 bridge br0 from r2\n"
	       "lost 7 events\n");
}

static void bridge_shows_its_ports_and_troubles(void **state)
{
	(void)state;
	expect(table_bridges,
	       "[{\"name\":\"br0\",\"state\":\"up\",\"mac\":\"02:00:00:00:00:01\",\"mtu\":1500,"
	       "\"addresses\":\"192.168.10.1/24\",\"ports\":\"r1 "
	       "r2\",\"aging_s\":300,\"mirror\":\"r4\","
	       "\"entries\":7,\"refused\":3,\"blocked\":\"r2 (02:00:00:00:01:02 flaps with r1, 9 s "
	       "left)\"},"
	       "{\"name\":\"br1\",\"state\":\"down\",\"mac\":\"02:00:00:00:00:03\",\"mtu\":1400,"
	       "\"addresses\":\"\",\"ports\":\"r3\",\"aging_s\":20,\"mirror\":null,\"entries\":0,"
	       "\"refused\":0,\"blocked\":null}]",
	       "br0: up mtu 1500 mac 02:00:00:00:00:01 aging 300s entries 7\n"
	       "    ports r1 r2\n"
	       "    addresses 192.168.10.1/24\n"
	       "    mirror r4\n"
	       "    blocked r2 (02:00:00:00:01:02 flaps with r1, 9 s left)\n"
	       "    not learnt for lack of room 3\n"
	       "br1: down mtu 1400 mac 02:00:00:00:00:03 aging 20s entries 0\n"
	       "    ports r3\n");
}

static void lost_port_shows_its_reason(void **state)
{
	(void)state;
	expect(ports,
	       "[{\"name\":\"r1\",\"state\":\"lost\",\"reason\":\"no such "
	       "interface\",\"mtu\":1500}]",
	       "r1: lost (no such interface) mtu 1500\n"
	       "    rx 0 packets 0 bytes, tx 0 packets 0 bytes\n");
}

static void route_lines_leave_the_usual_unsaid(void **state)
{
	(void)state;
	expect(table_routes,
	       "[{\"to\":\"192.168.1.0/"
	       "24\",\"type\":\"unicast\",\"via\":\"\",\"port\":\"r0\",\"metric\":0,"
	       "\"source\":\"connected\",\"state\":\"used\",\"hits\":12},"
	       "{\"to\":\"0.0.0.0/"
	       "0\",\"type\":\"unicast\",\"via\":\"192.168.0.254\",\"port\":\"r1\",\"metric\":0,"
	       "\"source\":\"file\",\"state\":\"used\",\"hits\":0},"
	       "{\"to\":\"default\",\"via\":\"192.168.0.253\",\"port\":\"r1\",\"metric\":10,"
	       "\"source\":\"live\",\"state\":\"shadowed\",\"hits\":0},"
	       "{\"to\":\"10.8.0.1/"
	       "32\",\"type\":\"blackhole\",\"via\":null,\"port\":\"-\",\"state\":\"used\"}]",
	       "192.168.1.0/24 port r0 connected hits 12\n"
	       "default via 192.168.0.254 port r1\n"
	       "default via 192.168.0.253 port r1 metric 10 live shadowed\n"
	       "blackhole 10.8.0.1\n");
}

static void route_found_names_the_prefix(void **state)
{
	(void)state;
	expect(table_route_found,
	       "[{\"destination\":\"8.8.8.8\",\"to\":\"0.0.0.0/"
	       "0\",\"type\":\"unicast\",\"via\":\"192.168.0.254\","
	       "\"port\":\"r1\",\"metric\":0}]",
	       "8.8.8.8 via 192.168.0.254 port r1 by default\n");
	expect(table_route_found,
	       "[{\"destination\":\"192.168.1.1\",\"type\":\"local\",\"port\":\"r0\"}]",
	       "192.168.1.1 local port r0\n");
	expect(table_route_found,
	       "[{\"destination\":\"10.8.0.1\",\"to\":\"10.8.0.0/"
	       "16\",\"type\":\"blackhole\",\"metric\":7}]",
	       "10.8.0.1 blackhole by 10.8.0.0/16 metric 7\n");
}

static void neighbour_lines_look_as_ip_writes_them(void **state)
{
	(void)state;
	expect(table_neighs,
	       "[{\"address\":\"192.168.1.2\",\"mac\":\"02:00:00:00:01:02\",\"port\":\"r0\","
	       "\"state\":\"reachable\",\"source\":\"learnt\",\"age_ms\":3400,\"queued\":0},"
	       "{\"address\":\"192.168.1.3\",\"mac\":\"\",\"port\":\"r0\",\"state\":\"incomplete\","
	       "\"source\":\"learnt\",\"age_ms\":250,\"queued\":2},"
	       "{\"address\":\"192.168.1.4\",\"mac\":\"02:00:00:00:01:04\",\"port\":\"r0\","
	       "\"state\":\"static\",\"source\":\"file\",\"age_ms\":0,\"queued\":0},"
	       "{\"address\":\"192.168.1.5\",\"mac\":\"02:00:00:00:01:05\",\"port\":\"r0\","
	       "\"state\":\"stale\",\"source\":\"learnt\",\"age_ms\":600000}]",
	       "192.168.1.2 port r0 lladdr 02:00:00:00:01:02 REACHABLE age 3s\n"
	       "192.168.1.3 port r0 INCOMPLETE age 250ms queued 2\n"
	       "192.168.1.4 port r0 lladdr 02:00:00:00:01:04 STATIC file\n"
	       "192.168.1.5 port r0 lladdr 02:00:00:00:01:05 STALE age 10min\n");
}

static void drops_are_aligned(void **state)
{
	(void)state;
	expect(table_drops,
	       "[{\"port\":\"r0\",\"reason\":\"ip4-ttl\",\"text\":\"time to live used up "
	       "here\",\"packets\":3},"
	       "{\"port\":\"uplink0\",\"reason\":\"ip4-no-route\",\"text\":\"no "
	       "route\",\"packets\":123456789}]",
	       "PORT     REASON          PACKETS  TEXT\n"
	       "r0       ip4-ttl               3  time to live used up here\n"
	       "uplink0  ip4-no-route  123456789  no route\n");
	expect(table_drops, "[]", "");
	expect(table_drops,
	       "[{\"reason\":\"ip4-ttl\",\"text\":\"time to live used up here\",\"packets\":0}]",
	       "REASON   PACKETS  TEXT\n"
	       "ip4-ttl        0  time to live used up here\n");
}

static void stats_are_aligned(void **state)
{
	(void)state;
	expect(table_stats,
	       "[{\"frames\":16384,\"frames_free\":100,\"share\":0.5,\"on\":true,\"gone\":null}]",
	       "frames       16384\n"
	       "frames_free  100\n"
	       "share        0.500\n"
	       "on           yes\n"
	       "gone         -\n");
}

static void session_lines_say_what_is_translated(void **state)
{
	(void)state;
	expect(table_sessions,
	       "[{\"protocol\":\"tcp\",\"state\":\"established\",\"source\":\"10.0.0.2:1234\","
	       "\"destination\":\"192.0.2.9:80\",\"reply_source\":\"192.0.2.9:80\","
	       "\"reply_destination\":\"192.0.2.1:1234\",\"rule\":1,\"packets\":12,\"bytes\":900,"
	       "\"reply_packets\":10,\"reply_bytes\":5000,\"age_ms\":3100,\"left_ms\":7437000},"
	       "{\"protocol\":\"tcp\",\"state\":\"new\",\"source\":\"192.0.2.9:5000\","
	       "\"destination\":\"192.0.2.1:9999\",\"reply_source\":\"10.0.0.3:80\","
	       "\"reply_destination\":\"192.0.2.9:5000\",\"rule\":2,\"packets\":1,\"bytes\":60,"
	       "\"reply_packets\":0,\"reply_bytes\":0,\"age_ms\":20,\"left_ms\":240000},"
	       "{\"protocol\":\"47\",\"state\":\"established\",\"source\":\"10.0.0.2\","
	       "\"destination\":\"10.1.0.2\",\"reply_source\":\"10.1.0.2\","
	       "\"reply_destination\":\"10.0.0.2\",\"rule\":null,\"packets\":1,\"bytes\":60,"
	       "\"reply_packets\":1,\"reply_bytes\":60,\"age_ms\":1000,\"left_ms\":30000}]",
	       "tcp 10.0.0.2:1234 -> 192.0.2.9:80 as 192.0.2.1:1234 ESTABLISHED rule 1 age 3s "
	       "left 2h packets 12 back 10 bytes 900 back 5000\n"
	       "tcp 192.0.2.9:5000 -> 192.0.2.1:9999 to 10.0.0.3:80 NEW rule 2 age 20ms left 4min "
	       "packets 1 back 0 bytes 60 back 0\n"
	       "47 10.0.0.2 -> 10.1.0.2 ESTABLISHED age 1s left 30s packets 1 back 1 bytes 60 "
	       "back 60\n");
	expect(table_sessions, "[]", "");
}

static void nat_rules_read_as_in_the_file(void **state)
{
	(void)state;
	expect(table_nat_rules,
	       "[{\"index\":1,\"action\":\"masquerade\",\"out\":\"r1\",\"in\":null,\"from\":"
	       "\"10.0.0.0/24\",\"match\":null,\"protocol\":null,\"ports\":null,\"to\":null,"
	       "\"hits\":12},"
	       "{\"index\":2,\"action\":\"dnat\",\"out\":null,\"in\":\"r1\",\"from\":null,"
	       "\"match\":null,\"protocol\":\"tcp\",\"ports\":\"9999\",\"to\":\"10.0.0.3:80\","
	       "\"hits\":0}]",
	       "1 masquerade out r1 from 10.0.0.0/24 hits 12\n"
	       "2 dnat in r1 protocol tcp port 9999 to 10.0.0.3:80 hits 0\n");
}

static void filter_shows_the_columns_that_are_used(void **state)
{
	(void)state;
	expect(table_filter,
	       "[{\"index\":1,\"action\":\"accept\",\"states\":\"established,related\",\"in\":"
	       "null,\"out\":null,\"from\":null,\"to\":\"10.0.0.0/24\",\"protocol\":null,"
	       "\"source_ports\":null,\"ports\":null,\"icmp_type\":null,\"packets\":1234,"
	       "\"bytes\":99000},"
	       "{\"index\":2,\"action\":\"drop\",\"states\":null,\"in\":\"r1\",\"out\":null,"
	       "\"from\":null,\"to\":null,\"protocol\":null,\"source_ports\":null,\"ports\":null,"
	       "\"icmp_type\":null,\"packets\":0,\"bytes\":0}]",
	       "NUM  PACKETS  BYTES  ACTION  IN  TO           STATE\n"
	       "  1     1234  99000  accept  -   10.0.0.0/24  established,related\n"
	       "  2        0      0  drop    r1  -            -\n");
	expect(table_filter, "[]", "");
}

static void walk_is_its_lines(void **state)
{
	(void)state;
	expect(walks, "[{\"lines\":[\"r0 98 bytes\",\"  eth\"],\"end\":\"sent\"}]",
	       "r0 98 bytes\n  eth\n\n");
}

/* Rows of another version: nothing to show is no reason to fall over. */
static void rows_without_their_keys_are_shown(void **state)
{
	(void)state;
	expect(ports, "[{},7,null]",
	       ":  mtu 0\n    rx 0 packets 0 bytes, tx 0 packets 0 bytes\n"
	       ":  mtu 0\n    rx 0 packets 0 bytes, tx 0 packets 0 bytes\n"
	       ":  mtu 0\n    rx 0 packets 0 bytes, tx 0 packets 0 bytes\n");
	expect(table_routes, "[{}]", "\n");
	expect(table_neighs, "[{}]", " \n");
	expect(table_stats, "[{}]", "");
	expect(table_nat_rules, "[{}]", "0  hits 0\n");
	expect(table_filter, "[{}]", "");
	expect(table_settings, "[]", "");
	expect(walks, "[{}]", "\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_is_one_array_of_a_row_per_line),
		cmocka_unit_test(port_shows_state_addresses_and_traffic),
		cmocka_unit_test(port_with_statistics_shows_every_counter),
		cmocka_unit_test(port_with_statistics_shows_its_lanes),
		cmocka_unit_test(port_that_may_not_burst_says_why),
		cmocka_unit_test(settings_are_aligned),
		cmocka_unit_test(port_that_coalesces_says_so),
		cmocka_unit_test(bridged_port_shows_its_place),
		cmocka_unit_test(fdb_lines_say_where_and_since_when),
		cmocka_unit_test(fdb_events_are_a_line_each),
		cmocka_unit_test(bridge_shows_its_ports_and_troubles),
		cmocka_unit_test(lost_port_shows_its_reason),
		cmocka_unit_test(route_lines_leave_the_usual_unsaid),
		cmocka_unit_test(route_found_names_the_prefix),
		cmocka_unit_test(neighbour_lines_look_as_ip_writes_them),
		cmocka_unit_test(drops_are_aligned),
		cmocka_unit_test(stats_are_aligned),
		cmocka_unit_test(session_lines_say_what_is_translated),
		cmocka_unit_test(nat_rules_read_as_in_the_file),
		cmocka_unit_test(filter_shows_the_columns_that_are_used),
		cmocka_unit_test(walk_is_its_lines),
		cmocka_unit_test(rows_without_their_keys_are_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
