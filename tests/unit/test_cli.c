/* SPDX-License-Identifier: BSD-2-Clause */
/* Words: what a command line asks of the daemon, and what is said about those that ask nothing. */
#include "../../control/cmdline.h"
#include "../../control/grammar.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>

#define WORDS_MAX 32

/* Splits text at spaces into argv; the words live in storage. */
static int split(const char *text, char *storage, size_t size, char **argv)
{
	int argc = 0;
	char *save = NULL;

	snprintf(storage, size, "%s", text);
	for (char *w = strtok_r(storage, " ", &save); w && argc < WORDS_MAX;
	     w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	argv[argc] = NULL;
	return argc;
}

static void asks(const char *line, const char *wanted)
{
	char storage[512], *argv[WORDS_MAX + 1];
	int argc = split(line, storage, sizeof(storage), argv);
	struct complaint complaint;
	json_t *request = grammar_request(argc, argv, &complaint);
	char *text;

	if (!request)
		fail_msg("%s: %s", line, complaint.text);
	text = json_dumps(request, JSON_COMPACT);
	assert_string_equal(text, wanted);
	free(text);
	json_decref(request);
}

static void is_refused(const char *line, const char *part)
{
	char storage[512], *argv[WORDS_MAX + 1];
	int argc = split(line, storage, sizeof(storage), argv);
	struct complaint complaint = {0};
	char said[sizeof(complaint.text) + sizeof(complaint.hint) + 2];

	if (grammar_request(argc, argv, &complaint))
		fail_msg("%s: not refused", line);
	assert_int_equal(complaint.status, 2);
	snprintf(said, sizeof(said), "%s %s", complaint.text, complaint.hint);
	if (!strstr(said, part))
		fail_msg("%s: says %s", line, said);
}

static void show_is_the_verb_if_there_is_none(void **state)
{
	(void)state;
	asks("port", "{\"command\":\"port\",\"verb\":\"show\",\"arguments\":{}}");
	asks("port show r0",
	     "{\"command\":\"port\",\"verb\":\"show\",\"arguments\":{\"name\":\"r0\"}}");
	asks("port show dev r0",
	     "{\"command\":\"port\",\"verb\":\"show\",\"arguments\":{\"name\":\"r0\"}}");
	asks("route list", "{\"command\":\"route\",\"verb\":\"show\",\"arguments\":{}}");
	asks("neigh", "{\"command\":\"neigh\",\"verb\":\"show\",\"arguments\":{}}");
	asks("drops -a", "{\"command\":\"drops\",\"verb\":\"show\",\"arguments\":{\"all\":true}}");
	asks("drops show -a",
	     "{\"command\":\"drops\",\"verb\":\"show\",\"arguments\":{\"all\":true}}");
	asks("stats", "{\"command\":\"stats\",\"verb\":\"show\",\"arguments\":{}}");
	asks("reload", "{\"command\":\"reload\",\"verb\":\"now\",\"arguments\":{}}");
}

static void routes_are_written_as_for_ip(void **state)
{
	static const char wanted[] =
		"{\"command\":\"route\",\"verb\":\"add\",\"arguments\":"
		"{\"to\":\"10.9.0.0/16\",\"via\":\"192.168.0.9\",\"port\":\"r1\",\"metric\":10}}";

	(void)state;
	asks("route add 10.9.0.0/16 via 192.168.0.9 port r1 metric 10", wanted);
	asks("route a 10.9.0.0/16 via 192.168.0.9 dev r1 metric 10", wanted);
	asks("route add to 10.9.0.0/16 via 192.168.0.9 dev r1 metric 10", wanted);
	asks("route add blackhole 10.0.0.0/8",
	     "{\"command\":\"route\",\"verb\":\"add\",\"arguments\":{\"type\":\"blackhole\",\"to\":"
	     "\"10.0.0.0/8\"}}");
	asks("route add 10.0.0.0/8 type prohibit",
	     "{\"command\":\"route\",\"verb\":\"add\",\"arguments\":{\"to\":\"10.0.0.0/"
	     "8\",\"type\":\"prohibit\"}}");
	asks("route del default",
	     "{\"command\":\"route\",\"verb\":\"del\",\"arguments\":{\"to\":\"default\"}}");
	asks("route delete 10.0.0.1",
	     "{\"command\":\"route\",\"verb\":\"del\",\"arguments\":{\"to\":\"10.0.0.1\"}}");
	asks("route show 10.0.0.0/8 port r1 limit 5",
	     "{\"command\":\"route\",\"verb\":\"show\",\"arguments\":"
	     "{\"to\":\"10.0.0.0/8\",\"port\":\"r1\",\"limit\":5}}");
	asks("route get 10.0.0.1",
	     "{\"command\":\"route\",\"verb\":\"get\",\"arguments\":{\"address\":\"10.0.0.1\"}}");
	asks("route flush", "{\"command\":\"route\",\"verb\":\"flush\",\"arguments\":{}}");
}

static void neighbours_are_written_as_for_ip(void **state)
{
	static const char wanted[] = "{\"command\":\"neigh\",\"verb\":\"add\",\"arguments\":{"
				     "\"address\":\"192.168.1.2\","
				     "\"mac\":\"02:00:00:00:01:02\",\"port\":\"r0\"}}";

	(void)state;
	asks("neigh add 192.168.1.2 lladdr 02:00:00:00:01:02 dev r0", wanted);
	asks("neigh add 192.168.1.2 mac 02:00:00:00:01:02 port r0", wanted);
	asks("neigh del 192.168.1.2 port r0",
	     "{\"command\":\"neigh\",\"verb\":\"del\",\"arguments\":"
	     "{\"address\":\"192.168.1.2\",\"port\":\"r0\"}}");
	asks("neigh flush dev r0",
	     "{\"command\":\"neigh\",\"verb\":\"flush\",\"arguments\":{\"port\":\"r0\"}}");
	asks("neigh show dev r0",
	     "{\"command\":\"neigh\",\"verb\":\"show\",\"arguments\":{\"port\":\"r0\"}}");
}

static void stations_are_written_as_for_bridge(void **state)
{
	static const char wanted[] = "{\"command\":\"fdb\",\"verb\":\"add\",\"arguments\":{"
				     "\"mac\":\"02:00:00:00:01:02\",\"port\":\"r2\"}}";

	(void)state;
	asks("fdb add 02:00:00:00:01:02 dev r2 master static", wanted);
	asks("fdb a 02:00:00:00:01:02 port r2", wanted);
	asks("fdb", "{\"command\":\"fdb\",\"verb\":\"show\",\"arguments\":{}}");
	asks("fdb show br br0",
	     "{\"command\":\"fdb\",\"verb\":\"show\",\"arguments\":{\"bridge\":\"br0\"}}");
	asks("fdb s bridge br0 brport r2 02:00:00:00:01:02",
	     "{\"command\":\"fdb\",\"verb\":\"show\",\"arguments\":{\"bridge\":\"br0\",\"port\":"
	     "\"r2\","
	     "\"mac\":\"02:00:00:00:01:02\"}}");
	asks("fdb del 02:00:00:00:01:02 bridge br0",
	     "{\"command\":\"fdb\",\"verb\":\"del\",\"arguments\":"
	     "{\"mac\":\"02:00:00:00:01:02\",\"bridge\":\"br0\"}}");
	asks("fdb flush port r2",
	     "{\"command\":\"fdb\",\"verb\":\"flush\",\"arguments\":{\"port\":\"r2\"}}");
	asks("fdb w", "{\"command\":\"fdb\",\"verb\":\"watch\",\"arguments\":{}}");
	asks("bridge", "{\"command\":\"bridge\",\"verb\":\"show\",\"arguments\":{}}");
	asks("bridge show br0",
	     "{\"command\":\"bridge\",\"verb\":\"show\",\"arguments\":{\"name\":\"br0\"}}");
	asks("bridge show br br0",
	     "{\"command\":\"bridge\",\"verb\":\"show\",\"arguments\":{\"name\":\"br0\"}}");
}

static void sessions_are_chosen_by_words_in_any_order(void **state)
{
	(void)state;
	asks("nat", "{\"command\":\"nat\",\"verb\":\"show\",\"arguments\":{}}");
	asks("nat show tcp 10.0.0.2 port 80 limit 5",
	     "{\"command\":\"nat\",\"verb\":\"show\",\"arguments\":{\"protocol\":\"tcp\","
	     "\"address\":\"10.0.0.2\",\"port\":80,\"limit\":5}}");
	asks("nat ls limit 0 10.0.0.2 udp",
	     "{\"command\":\"nat\",\"verb\":\"show\",\"arguments\":{\"limit\":0,"
	     "\"address\":\"10.0.0.2\",\"protocol\":\"udp\"}}");
	asks("nat f icmp",
	     "{\"command\":\"nat\",\"verb\":\"flush\",\"arguments\":{\"protocol\":\"icmp\"}}");
	asks("nat r", "{\"command\":\"nat\",\"verb\":\"rules\",\"arguments\":{}}");
	asks("nat age 5m",
	     "{\"command\":\"nat\",\"verb\":\"age\",\"arguments\":{\"by\":\"5m\"}}");
	asks("filter", "{\"command\":\"filter\",\"verb\":\"show\",\"arguments\":{}}");
	asks("filter s", "{\"command\":\"filter\",\"verb\":\"show\",\"arguments\":{}}");
	is_refused("nat show tcp udp", "not expected");
	is_refused("nat show prot tcp", "did you mean port?");
	is_refused("nat show port 0", "not a port");
	is_refused("nat show port 65536", "not a port");
	is_refused("nat show 10.0.0.0/8", "not the IPv4 address");
	is_refused("nat flush limit 5", "not expected");
	is_refused("nat rules 1", "not expected");
	is_refused("nat add", "not a verb");
	is_refused("filter r1", "not a verb");
}

static void durations_have_units(void **state)
{
	static const struct {
		const char *text;
		uint64_t seconds;
	} good[] = {{"30s", 30}, {"5m", 300}, {"5min", 300}, {"2h", 7200}, {"366d", 366 * 86400}};
	static const char *const bad[] = {"5",	"0s",  "-5m",  "m",
					  "5 m", "5mm", "367d", "99999999999999999999s"};
	struct complaint complaint;
	uint64_t ns;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(request_duration(good[i].text, &ns, &complaint));
		assert_int_equal(ns, good[i].seconds * NS_PER_S);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (request_duration(bad[i], &ns, &complaint))
			fail_msg("%s is taken", bad[i]);
		assert_int_equal(complaint.status, 2);
	}
	is_refused("nat age", "wants a duration");
	is_refused("nat age 5", "such as 30s, 5m or 2h");
	is_refused("nat age 5m now", "not expected");
}

static void settings_are_listed_or_changed(void **state)
{
	(void)state;
	asks("set", "{\"command\":\"set\",\"verb\":\"now\",\"arguments\":{}}");
	asks("set lanes.transmit",
	     "{\"command\":\"set\",\"verb\":\"now\",\"arguments\":"
	     "{\"name\":\"lanes.transmit\"}}");
	asks("set lanes.burst-min 16",
	     "{\"command\":\"set\",\"verb\":\"now\",\"arguments\":"
	     "{\"name\":\"lanes.burst-min\",\"value\":\"16\"}}");
	is_refused("set lanes.transmt burst", "did you mean lanes.transmit?");
	is_refused("set lanes.transmit warp", "auto|socket|burst");
	is_refused("set lanes.transmit burst now", "\"now\" is not expected here");
}

static void trace_joins_its_expression(void **state)
{
	(void)state;
	asks("trace",
	     "{\"command\":\"trace\",\"verb\":\"show\",\"arguments\":{\"expression\":\"\"}}");
	asks("trace -c 3 icmp and host 10.0.0.1",
	     "{\"command\":\"trace\",\"verb\":\"show\",\"arguments\":"
	     "{\"count\":3,\"expression\":\"icmp and host 10.0.0.1\"}}");
	is_refused("trace -c 0", "number from 1");
	is_refused("trace -c", "number");
	is_refused("trace -w file", "no option -w");
}

static void mistakes_are_named(void **state)
{
	(void)state;
	is_refused("route ad 10.0.0.0/8", "neither via nor port");
	is_refused("route burn", "not a verb");
	is_refused("route show 10.0.0.1/8", "not an IPv4 prefix");
	is_refused("route add", "prefix is missing");
	is_refused("route add 10.0.0.1/8 via 10.0.0.2", "the subnet is 10.0.0.0/8");
	is_refused("route add 10.0.0.0/8 via", "via wants a value");
	is_refused("route add 10.0.0.0/8 via 10.0.0.1 via 10.0.0.2", "via is given twice");
	is_refused("route add 10.0.0.0/8 metrik 5", "did you mean metric?");
	is_refused("route add 10.0.0.0/8 11.0.0.0/8", "not expected");
	is_refused("route add 10.0.0.0/8 port r0 metric -1", "number from 0");
	is_refused("route add 10.0.0.0/8 port r0 metric 4294967296", "number from 0");
	is_refused("route add blackhole 10.0.0.0/8 via 10.0.0.1", "leads nowhere");
	is_refused("route get", "wants an IPv4 address");
	is_refused("route get 10.0.0.0/8", "wants an IPv4 address");
	is_refused("route flush all", "not expected");
	is_refused("neigh add 192.168.1.2", "no mac");
	is_refused("neigh add 192.168.1.2 mac 02:00:00:00:01:02", "no port");
	is_refused("neigh add 192.168.1.2 mac 2:0:0:0:1:2 port r0", "MAC");
	is_refused("neigh del", "address is missing");
	is_refused("fdb add 02:00:00:00:01:02", "says no port");
	is_refused("fdb add port r2", "MAC address is missing");
	is_refused("fdb add 01:00:00:00:01:02 port r2", "not a station's MAC");
	is_refused("fdb add 2:0:0:0:1:2 port r2", "not a MAC address");
	is_refused("fdb add 02:00:00:00:01:02 port r2 bridge br0", "malformed entry");
	is_refused("fdb del 02:00:00:00:01:02 port r2 bridge br0", "both given");
	is_refused("fdb flush port r2 bridge br0", "both given");
	is_refused("fdb flush 02:00:00:00:01:02", "fdb del MAC");
	is_refused("fdb show prt r2", "did you mean port?");
	is_refused("fdb watch r2", "not expected");
	is_refused("bridge show br0 br1", "not expected");
	is_refused("bridge add br0", "not a verb");
	is_refused("drops -b", "not expected");
	is_refused("stats -a", "not expected");
	is_refused("reload now", "not expected");
	is_refused("port show r0 r1", "not expected");
	is_refused("port add r0", "not a verb");
	is_refused("port show \xff", "not text");
	is_refused("nonsense", "not a command");
}

static void words_match_by_their_beginning(void **state)
{
	static const char *const names[] = {"route", "run", "reload", NULL};

	(void)state;
	assert_int_equal(grammar_match("r", names), 0);
	assert_int_equal(grammar_match("ru", names), 1);
	assert_int_equal(grammar_match("reload", names), 2);
	assert_int_equal(grammar_match("routes", names), -1);
	assert_int_equal(grammar_match("", names), -1);
}

static void reads_line(const char *text, struct cmdline *line, char *storage, size_t size,
		       char **argv)
{
	struct complaint complaint;
	int argc = split(text, storage, size, argv);

	assert_true(cmdline_read(line, argc, argv, &complaint));
}

static void options_are_found_anywhere(void **state)
{
	static const char *const lines[] = {"tsuji -n lab-r1 -j route show -s",
					    "tsuji route -j -n lab-r1 -s show",
					    "tsuji --statistics route show --json --netns=lab-r1"};
	char storage[512], *argv[WORDS_MAX + 1];
	struct cmdline line;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		reads_line(lines[i], &line, storage, sizeof(storage), argv);
		assert_true(line.options.json && line.options.statistics);
		assert_string_equal(line.options.netns, "lab-r1");
		assert_int_equal(line.argc, 2);
		assert_string_equal(line.argv[0], "route");
		assert_string_equal(line.argv[1], "show");
		assert_null(line.argv[2]);
	}
}

static void lab_exec_keeps_the_words_of_its_command(void **state)
{
	char storage[512], *argv[WORDS_MAX + 1];
	struct cmdline line;

	(void)state;
	reads_line("tsuji lab -j exec f.yaml host1 ip -j -n x -h", &line, storage, sizeof(storage),
		   argv);
	assert_true(line.options.json);
	assert_false(line.help);
	assert_null(line.options.netns);
	assert_int_equal(line.argc, 9);
	assert_string_equal(line.argv[5], "-j");
	reads_line("tsuji trace -- -n", &line, storage, sizeof(storage), argv);
	assert_int_equal(line.argc, 3);
}

static void namespace_is_named_once(void **state)
{
	static const char *const lines[] = {"tsuji route -n", "tsuji -n a -n b route",
					    "tsuji --netns= route"};
	char storage[512], *argv[WORDS_MAX + 1];
	struct complaint complaint;
	struct cmdline line;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		int argc = split(lines[i], storage, sizeof(storage), argv);

		assert_false(cmdline_read(&line, argc, argv, &complaint));
		assert_int_equal(complaint.status, 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(show_is_the_verb_if_there_is_none),
		cmocka_unit_test(routes_are_written_as_for_ip),
		cmocka_unit_test(neighbours_are_written_as_for_ip),
		cmocka_unit_test(stations_are_written_as_for_bridge),
		cmocka_unit_test(sessions_are_chosen_by_words_in_any_order),
		cmocka_unit_test(durations_have_units),
		cmocka_unit_test(settings_are_listed_or_changed),
		cmocka_unit_test(trace_joins_its_expression),
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(words_match_by_their_beginning),
		cmocka_unit_test(options_are_found_anywhere),
		cmocka_unit_test(lab_exec_keeps_the_words_of_its_command),
		cmocka_unit_test(namespace_is_named_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
