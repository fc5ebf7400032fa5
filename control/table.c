/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * table.c - how rows look.
 *
 * Two shapes: lines of words after the model of iproute2 ("via A port P"), which grep and
 * read well, for tables with many optional columns; and aligned columns for counters. What
 * is the normal case (type unicast, metric 0, source file, state used) goes unsaid.
 */
#include "table.h"

#include <inttypes.h>
#include <string.h>

#define WIDTH 96 /* where lines of counters wrap */

/* -- JSON -- */

void table_json_row(FILE *out, const json_t *row, size_t n)
{
	fputs(n ? ",\n" : "[\n", out);
	json_dumpf(row, out, JSON_COMPACT);
}

void table_json_end(FILE *out, size_t n)
{
	fputs(n ? "\n]\n" : "[]\n", out);
}

void table_json(FILE *out, const json_t *rows)
{
	for (size_t i = 0; i < json_array_size(rows); i++)
		table_json_row(out, json_array_get(rows, i), i);
	table_json_end(out, json_array_size(rows));
}

/* -- values -- */

static const char *text_of(const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));

	return text ? text : "";
}

static json_int_t number_of(const json_t *row, const char *key)
{
	return json_integer_value(json_object_get(row, key));
}

/* Any flat value as text; "-" for none. buf: at least 32 bytes, used for numbers. */
static const char *value_text(const json_t *value, char *buf)
{
	if (json_is_string(value) && *json_string_value(value))
		return json_string_value(value);
	if (json_is_integer(value))
		snprintf(buf, 32, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_real(value))
		snprintf(buf, 32, "%.3f", json_real_value(value));
	else if (json_is_boolean(value))
		snprintf(buf, 32, "%s", json_is_true(value) ? "yes" : "no");
	else
		snprintf(buf, 32, "-");
	return buf;
}

/* " WORD VALUE" if there is a value. */
static void put_word(FILE *out, const char *word, const char *value)
{
	if (*value)
		fprintf(out, " %s %s", word, value);
}

/* 0.0.0.0/0 is "default", a /32 an address: as ip writes and reads them. */
static void put_prefix(FILE *out, const char *prefix)
{
	size_t len = strlen(prefix);

	if (!strcmp(prefix, "0.0.0.0/0"))
		fputs("default", out);
	else if (len > 3 && !strcmp(prefix + len - 3, "/32"))
		fprintf(out, "%.*s", (int)len - 3, prefix);
	else
		fputs(prefix, out);
}

static void put_age(FILE *out, const char *word, json_int_t age_ms)
{
	if (age_ms < 1000)
		fprintf(out, " %s %" JSON_INTEGER_FORMAT "ms", word, age_ms);
	else if (age_ms < 120 * 1000)
		fprintf(out, " %s %" JSON_INTEGER_FORMAT "s", word, age_ms / 1000);
	else if (age_ms < 120 * 60 * 1000)
		fprintf(out, " %s %" JSON_INTEGER_FORMAT "min", word, age_ms / (60 * 1000));
	else
		fprintf(out, " %s %" JSON_INTEGER_FORMAT "h", word, age_ms / (60 * 60 * 1000));
}

/* -- columns -- */

static int column_width(const struct table_column *column, const json_t *rows)
{
	size_t width = strlen(column->heading);
	char buf[32];

	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *value = json_object_get(json_array_get(rows, i), column->key);
		size_t len = strlen(value_text(value, buf));

		width = len > width ? len : width;
	}
	return width;
}

static void put_cell(FILE *out, const char *text, int width, bool right, bool last)
{
	if (right)
		fprintf(out, "%*s", width, text);
	else if (last)
		fputs(text, out);
	else
		fprintf(out, "%-*s", width, text);
	fputs(last ? "\n" : "  ", out);
}

void table_columns(FILE *out, const struct table_column *columns, size_t n_columns,
		   const json_t *rows)
{
	int width[n_columns];
	bool right[n_columns];
	char buf[32];

	if (!json_array_size(rows))
		return;
	for (size_t c = 0; c < n_columns; c++) {
		width[c] = column_width(&columns[c], rows);
		right[c] = json_is_number(json_object_get(json_array_get(rows, 0), columns[c].key));
		put_cell(out, columns[c].heading, width[c], right[c], c + 1 == n_columns);
	}
	for (size_t i = 0; i < json_array_size(rows); i++) {
		for (size_t c = 0; c < n_columns; c++) {
			const json_t *value =
				json_object_get(json_array_get(rows, i), columns[c].key);

			put_cell(out, value_text(value, buf), width[c], right[c],
				 c + 1 == n_columns);
		}
	}
}

void table_drops(FILE *out, const json_t *rows)
{
	static const struct table_column with_port[] = {
		{"port", "PORT"}, {"reason", "REASON"}, {"packets", "PACKETS"}, {"text", "TEXT"}};
	bool summed = !json_object_get(json_array_get(rows, 0), "port");

	table_columns(out, with_port + summed, 4 - summed, rows);
}

/* "auto (33)" where the value is a word for something else. */
static json_t *with_meaning(const json_t *setting)
{
	json_t *row = json_copy((json_t *)setting);
	const char *value = text_of(setting, "value"), *now = text_of(setting, "now");

	if (*now && strcmp(value, now))
		json_object_set_new(row, "value", json_sprintf("%s (%s)", value, now));
	return row;
}

void table_settings(FILE *out, const json_t *rows)
{
	static const struct table_column columns[] = {
		{"name", "SETTING"}, {"value", "VALUE"}, {"accepts", "ACCEPTS"}};
	json_t *told = json_array();

	for (size_t i = 0; i < json_array_size(rows); i++)
		json_array_append_new(told, with_meaning(json_array_get(rows, i)));
	table_columns(out, columns, 3, told);
	json_decref(told);
}

void table_stats(FILE *out, const json_t *rows)
{
	for (size_t i = 0; i < json_array_size(rows); i++) {
		json_t *row = json_array_get(rows, i), *value;
		const char *key;
		char buf[32];
		int width = 0;

		json_object_foreach(row, key, value) width =
			(int)strlen(key) > width ? (int)strlen(key) : width;
		json_object_foreach(row, key, value)
			fprintf(out, "%-*s  %s\n", width, key, value_text(value, buf));
	}
}

/* -- ports -- */

static bool is_counter(const char *key)
{
	static const char *const others[] = {"number", "ifindex", "mtu", "burst_min", NULL};

	for (unsigned i = 0; others[i]; i++)
		if (!strcmp(key, others[i]))
			return false;
	return true;
}

/* Every counter by its JSON name, wrapped. */
static void put_counters(FILE *out, json_t *port)
{
	const char *key;
	json_t *value;
	int column = 0;

	json_object_foreach(port, key, value)
	{
		char item[96];
		int len;

		if (!json_is_integer(value) || !is_counter(key))
			continue;
		len = snprintf(item, sizeof(item), "%s %" JSON_INTEGER_FORMAT, key,
			       json_integer_value(value));
		if (column && column + 2 + len > WIDTH) {
			fputc('\n', out);
			column = 0;
		}
		column += fprintf(out, column ? "  %s" : "    %s", item);
	}
	if (column)
		fputc('\n', out);
}

static void put_traffic(FILE *out, const json_t *port)
{
	static const char *const ways[][4] = {{"rx", "rx_packets", "rx_bytes", "rx_dropped"},
					      {"tx", "tx_packets", "tx_bytes", "tx_dropped"}};

	for (unsigned i = 0; i < 2; i++) {
		fprintf(out, "%s%s %" JSON_INTEGER_FORMAT " packets %" JSON_INTEGER_FORMAT " bytes",
			i ? ", " : "    ", ways[i][0], number_of(port, ways[i][1]),
			number_of(port, ways[i][2]));
		if (number_of(port, ways[i][3]))
			fprintf(out, " %" JSON_INTEGER_FORMAT " dropped",
				number_of(port, ways[i][3]));
	}
	fputc('\n', out);
}

/* Its part in a bridge, on a line of its own. */
static void put_place(FILE *out, const json_t *port)
{
	const char *bridge = text_of(port, "bridge"), *mirror = text_of(port, "mirror");

	if (!*bridge && !*mirror)
		return;
	fputs("\n   ", out);
	put_word(out, "bridge", bridge);
	if (*text_of(port, "flags"))
		fprintf(out, " %s", text_of(port, "flags"));
	put_word(out, "mirror", mirror);
}

static json_int_t per_call(json_int_t packets, json_int_t calls)
{
	return calls ? (packets + calls / 2) / calls : 0;
}

/* What each lane carried, and in how many system calls. */
static void put_lanes(FILE *out, const json_t *port)
{
	static const char *const lanes[][3] = {{"socket", "socket_packets", "tx_kicks"},
					       {"burst", "burst_packets", "burst_calls"},
					       {"GSO", "gso_packets", "gso_calls"}};
	static const char *const before[] = {"    ", "; ", "\n    "};

	if (!json_object_get(port, "socket_packets"))
		return;
	for (unsigned i = 0; i < sizeof(lanes) / sizeof(*lanes); i++) {
		json_int_t packets = number_of(port, lanes[i][1]),
			   calls = number_of(port, lanes[i][2]);

		fprintf(out, "%s%s lane %" JSON_INTEGER_FORMAT " packets in %" JSON_INTEGER_FORMAT
			" calls, %" JSON_INTEGER_FORMAT " each", before[i], lanes[i][0], packets,
			calls, per_call(packets, calls));
		if (!strcmp(lanes[i][0], "burst") && number_of(port, "burst_min"))
			fprintf(out, ", from %" JSON_INTEGER_FORMAT " on", number_of(port, "burst_min"));
	}
	fprintf(out, "; flow cache %" JSON_INTEGER_FORMAT " packets\n", number_of(port, "flow_packets"));
}

/* What was done to the host for the port's sake. */
static void put_far_end(FILE *out, const json_t *port)
{
	if (json_is_true(json_object_get(port, "far_end_prepared")))
		fprintf(out, "\n    far end %s: GRO switched on by tsuji, off again at exit",
			text_of(port, "far_end"));
}

void table_ports(FILE *out, const json_t *rows, bool statistics)
{
	for (size_t i = 0; i < json_array_size(rows); i++) {
		json_t *port = json_array_get(rows, i);

		fprintf(out, "%s: %s", text_of(port, "name"), text_of(port, "state"));
		if (*text_of(port, "reason"))
			fprintf(out, " (%s)", text_of(port, "reason"));
		fprintf(out, " mtu %" JSON_INTEGER_FORMAT, number_of(port, "mtu"));
		put_word(out, "mac", text_of(port, "mac"));
		put_word(out, "xdp", text_of(port, "xdp"));
		put_word(out, "lane", text_of(port, "lane"));
		if (*text_of(port, "lane_reason"))
			fprintf(out, " (%s)", text_of(port, "lane_reason"));
		if (json_is_true(json_object_get(port, "gso")))
			put_word(out, "gso", "on");
		if (json_is_true(json_object_get(port, "flow_cache")))
			put_word(out, "flow-cache", "on");
		if (*text_of(port, "addresses"))
			fprintf(out, "\n    addresses %s", text_of(port, "addresses"));
		put_place(out, port);
		put_far_end(out, port);
		fputc('\n', out);
		if (statistics) {
			put_lanes(out, port);
			put_counters(out, port);
		} else {
			put_traffic(out, port);
		}
	}
}

/* -- routes and neighbours -- */

/* " WORD" unless it is the one that goes unsaid. */
static void put_unusual(FILE *out, const char *word, const char *usual)
{
	if (*word && strcmp(word, usual))
		fprintf(out, " %s", word);
}

static void put_way(FILE *out, const json_t *route)
{
	if (strcmp(text_of(route, "via"), "0.0.0.0"))
		put_word(out, "via", text_of(route, "via"));
	if (strcmp(text_of(route, "port"), "-"))
		put_word(out, "port", text_of(route, "port"));
}

void table_routes(FILE *out, const json_t *rows)
{
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *route = json_array_get(rows, i);
		const char *type = text_of(route, "type");

		if (*type && strcmp(type, "unicast"))
			fprintf(out, "%s ", type);
		put_prefix(out, text_of(route, "to"));
		put_way(out, route);
		if (number_of(route, "metric"))
			fprintf(out, " metric %" JSON_INTEGER_FORMAT, number_of(route, "metric"));
		put_unusual(out, text_of(route, "source"), "file");
		put_unusual(out, text_of(route, "state"), "used");
		if (number_of(route, "hits"))
			fprintf(out, " hits %" JSON_INTEGER_FORMAT, number_of(route, "hits"));
		fputc('\n', out);
	}
}

void table_route_found(FILE *out, const json_t *rows)
{
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *route = json_array_get(rows, i);

		fputs(text_of(route, "destination"), out);
		put_unusual(out, text_of(route, "type"), "unicast");
		put_way(out, route);
		if (*text_of(route, "to")) {
			fputs(" by ", out);
			put_prefix(out, text_of(route, "to"));
		}
		if (number_of(route, "metric"))
			fprintf(out, " metric %" JSON_INTEGER_FORMAT, number_of(route, "metric"));
		fputc('\n', out);
	}
}

static void put_state(FILE *out, const char *state)
{
	fputc(' ', out);
	for (; *state; state++) /* as ip: REACHABLE, STALE */
		fputc(*state >= 'a' && *state <= 'z' ? *state - 'a' + 'A' : *state, out);
}

void table_neighs(FILE *out, const json_t *rows)
{
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *neigh = json_array_get(rows, i);
		const json_t *age = json_object_get(neigh, "age_ms");

		fputs(text_of(neigh, "address"), out);
		put_word(out, "port", text_of(neigh, "port"));
		put_word(out, "lladdr", text_of(neigh, "mac"));
		put_state(out, text_of(neigh, "state"));
		put_unusual(out, text_of(neigh, "source"), "learnt");
		if (json_is_integer(age) && !strcmp(text_of(neigh, "source"), "learnt"))
			put_age(out, "age", json_integer_value(age));
		if (number_of(neigh, "queued"))
			fprintf(out, " queued %" JSON_INTEGER_FORMAT, number_of(neigh, "queued"));
		fputc('\n', out);
	}
}

/* -- bridges -- */

void table_fdb(FILE *out, const json_t *rows)
{
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *entry = json_array_get(rows, i);
		const json_t *age = json_object_get(entry, "age_ms");

		fputs(text_of(entry, "mac"), out);
		put_word(out, "port", text_of(entry, "port"));
		put_word(out, "bridge", text_of(entry, "bridge"));
		put_unusual(out, text_of(entry, "kind"), "learnt");
		if (json_is_integer(age))
			put_age(out, "age", json_integer_value(age));
		if (number_of(entry, "hits"))
			fprintf(out, " hits %" JSON_INTEGER_FORMAT, number_of(entry, "hits"));
		fputc('\n', out);
	}
}

void table_fdb_event(FILE *out, const json_t *event)
{
	fputs(text_of(event, "event"), out);
	if (json_object_get(event, "events"))
		fprintf(out, " %" JSON_INTEGER_FORMAT " events", number_of(event, "events"));
	else
		fprintf(out, " %s", text_of(event, "mac"));
	put_word(out, "port", text_of(event, "port"));
	put_word(out, "bridge", text_of(event, "bridge"));
	put_word(out, "from", text_of(event, "before"));
	fputc('\n', out);
}

void table_bridges(FILE *out, const json_t *rows)
{
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *bridge = json_array_get(rows, i);

		fprintf(out, "%s: %s mtu %" JSON_INTEGER_FORMAT, text_of(bridge, "name"),
			text_of(bridge, "state"), number_of(bridge, "mtu"));
		put_word(out, "mac", text_of(bridge, "mac"));
		fprintf(out,
			" aging %" JSON_INTEGER_FORMAT "s entries %" JSON_INTEGER_FORMAT
			"\n    ports %s\n",
			number_of(bridge, "aging_s"), number_of(bridge, "entries"),
			text_of(bridge, "ports"));
		if (*text_of(bridge, "addresses"))
			fprintf(out, "    addresses %s\n", text_of(bridge, "addresses"));
		if (*text_of(bridge, "mirror"))
			fprintf(out, "    mirror %s\n", text_of(bridge, "mirror"));
		if (*text_of(bridge, "blocked"))
			fprintf(out, "    blocked %s\n", text_of(bridge, "blocked"));
		if (number_of(bridge, "refused"))
			fprintf(out, "    not learnt for lack of room %" JSON_INTEGER_FORMAT "\n",
				number_of(bridge, "refused"));
	}
}

/* -- nat and filter -- */

/* Where a packet of the session comes out, and whence: said where it is not as it came in. */
static void put_translation(FILE *out, const json_t *session)
{
	const char *source = text_of(session, "reply_destination");
	const char *destination = text_of(session, "reply_source");

	if (strcmp(source, text_of(session, "source")))
		put_word(out, "as", source);
	if (strcmp(destination, text_of(session, "destination")))
		put_word(out, "to", destination);
}

void table_sessions(FILE *out, const json_t *rows)
{
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *session = json_array_get(rows, i);

		fprintf(out, "%s %s -> %s", text_of(session, "protocol"),
			text_of(session, "source"), text_of(session, "destination"));
		put_translation(out, session);
		put_state(out, text_of(session, "state"));
		if (number_of(session, "rule"))
			fprintf(out, " rule %" JSON_INTEGER_FORMAT, number_of(session, "rule"));
		put_age(out, "age", number_of(session, "age_ms"));
		put_age(out, "left", number_of(session, "left_ms"));
		fprintf(out,
			" packets %" JSON_INTEGER_FORMAT " back %" JSON_INTEGER_FORMAT
			" bytes %" JSON_INTEGER_FORMAT " back %" JSON_INTEGER_FORMAT "\n",
			number_of(session, "packets"), number_of(session, "reply_packets"),
			number_of(session, "bytes"), number_of(session, "reply_bytes"));
	}
}

void table_nat_rules(FILE *out, const json_t *rows)
{
	static const struct table_column words[] = {{"out", "out"},
						    {"in", "in"},
						    {"from", "from"},
						    {"match", "address"},
						    {"protocol", "protocol"},
						    {"ports", "port"},
						    {"to", "to"},
						    {"mapping", "mapping"},
						    {"filtering", "filtering"}};

	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *rule = json_array_get(rows, i);

		fprintf(out, "%" JSON_INTEGER_FORMAT " %s", number_of(rule, "index"),
			text_of(rule, "action"));
		for (size_t w = 0; w < sizeof(words) / sizeof(words[0]); w++)
			put_word(out, words[w].heading, text_of(rule, words[w].key));
		fprintf(out, " hits %" JSON_INTEGER_FORMAT "\n", number_of(rule, "hits"));
	}
}

static bool is_used(const json_t *rows, const char *key)
{
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *value = json_object_get(json_array_get(rows, i), key);

		if (value && !json_is_null(value))
			return true;
	}
	return false;
}

void table_filter(FILE *out, const json_t *rows)
{
	static const struct table_column all[] = {{"index", "NUM"},	{"packets", "PACKETS"},
						  {"bytes", "BYTES"},	{"action", "ACTION"},
						  {"protocol", "PROT"}, {"in", "IN"},
						  {"out", "OUT"},	{"from", "FROM"},
						  {"to", "TO"},		{"source_ports", "SPORT"},
						  {"ports", "PORT"},	{"icmp_type", "TYPE"},
						  {"states", "STATE"}};
	struct table_column used[sizeof(all) / sizeof(all[0])];
	size_t n = 0;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (is_used(rows, all[i].key))
			used[n++] = all[i];
	if (n)
		table_columns(out, used, n, rows);
}

/* -- walks -- */

void table_walk(FILE *out, const json_t *walk)
{
	const json_t *lines = json_object_get(walk, "lines");

	for (size_t i = 0; i < json_array_size(lines); i++)
		fprintf(out, "%s\n", json_string_value(json_array_get(lines, i)));
	fputc('\n', out);
}
