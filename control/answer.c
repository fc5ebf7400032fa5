/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * answer.c - from requests to calls of router.h, and back to rows.
 *
 * One table, handlers[], lists every command and verb. A handler returns rows or fills the
 * complaint. Selections (`port show r0`, `neigh show port r0`) are made here, on the rows,
 * so that the router has one way to show each table; but a million routes are not made into
 * rows for the sake of one.
 */
#include "answer.h"
#include "log.h"
#include "settings.h"

#include "../dataplane/packet.h"

#include <stdarg.h>

json_t *answer_rows(json_t *rows)
{
	return json_pack("{s:i, s:o}", "status", 0, "rows", rows);
}

json_t *answer_complaint(const struct complaint *complaint)
{
	json_t *answer =
		json_pack("{s:i, s:s}", "status", complaint->status, "error", complaint->text);

	if (answer && *complaint->hint)
		json_object_set_new(answer, "hint", json_string(complaint->hint));
	return answer;
}

static json_t *refuse(const struct refusal *why, struct complaint *complaint)
{
	complain(complaint, why->status ? why->status : 1, NULL, "%s", why->text);
	return NULL;
}

/* json_unpack() of all arguments, into what keeps its value if not given; or complains. */
static bool unpack(json_t *arguments, struct complaint *complaint, const char *format, ...)
{
	json_error_t error;
	va_list list;
	bool good;

	va_start(list, format);
	good = !json_vunpack_ex(arguments, &error, JSON_STRICT, format, list);
	va_end(list);
	return good || complain(complaint, 2, NULL, "malformed request: %s", error.text);
}

static const char *text_of(const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));

	return text ? text : "";
}

/* Keeps the rows whose key is wanted; NULL: all. */
static void select_rows(json_t *rows, const char *key, const char *wanted)
{
	if (!wanted)
		return;
	for (size_t i = json_array_size(rows); i-- > 0;)
		if (strcmp(text_of(json_array_get(rows, i), key), wanted))
			json_array_remove(rows, i);
}

/* -- port, bridge -- */

static bool has_name(const json_t *rows, const char *name)
{
	for (size_t i = 0; i < json_array_size(rows); i++)
		if (!strcmp(text_of(json_array_get(rows, i), "name"), name))
			return true;
	return false;
}

/* What to write instead of name. kind: "port" or "bridge", whose rows these are. */
static void hint_name(const json_t *rows, const char *kind, const char *name,
		      struct complaint *complaint)
{
	const char *names[PORT_MAX + 1];
	size_t n = min_u64(json_array_size(rows), PORT_MAX);
	const char *nearest;

	for (size_t i = 0; i < n; i++)
		names[i] = text_of(json_array_get(rows, i), "name");
	names[n] = NULL;
	nearest = diag_nearest(name, names);
	if (nearest)
		snprintf(complaint->hint, sizeof(complaint->hint), "did you mean %s?", nearest);
	else
		snprintf(complaint->hint, sizeof(complaint->hint), "tsuji %s show lists them",
			 kind);
}

static void complain_no_name(const json_t *rows, const char *kind, const char *name,
			     struct complaint *complaint)
{
	complain(complaint, 1, NULL, "this router has no %s \"%s\"", kind, name);
	hint_name(rows, kind, name, complaint);
}

/* What routes and neighbours are on: ports, and bridges by their own address. */
static json_t *show_legs(struct router *router)
{
	json_t *rows = router_show_ports(router), *bridges = router_show_bridges(router);

	json_array_extend(rows, bridges);
	json_decref(bridges);
	return rows;
}

/* Complains unless the router has that leg; NULL: not asked for. */
static bool check_leg(struct router *router, const char *name, struct complaint *complaint)
{
	json_t *legs = name ? show_legs(router) : NULL;
	bool found = !name || has_name(legs, name);

	if (!found)
		complain_no_name(legs, "port", name, complaint);
	json_decref(legs);
	return found;
}

/* Refuses what was asked for on that port ("": on none); with a hint if that is the mistake. */
static json_t *refuse_on(struct router *router, const char *port, const struct refusal *why,
			 struct complaint *complaint)
{
	json_t *legs = show_legs(router);

	refuse(why, complaint);
	if (*port && !has_name(legs, port))
		hint_name(legs, "port", port, complaint);
	json_decref(legs);
	return NULL;
}

/* The rows of a kind, or of them the one that the request names. */
static json_t *show_named(json_t *(*show)(struct router *), const char *kind, struct router *router,
			  json_t *arguments, struct complaint *complaint)
{
	const char *name = NULL;
	json_t *rows;

	if (!unpack(arguments, complaint, "{s?s}", "name", &name))
		return NULL;
	rows = show(router);
	if (rows && name && !has_name(rows, name)) {
		complain_no_name(rows, kind, name, complaint);
		json_decref(rows);
		return NULL;
	}
	select_rows(rows, "name", name);
	return rows;
}

static json_t *port_show(struct router *router, json_t *arguments, struct complaint *complaint)
{
	return show_named(router_show_ports, "port", router, arguments, complaint);
}

static json_t *bridge_show(struct router *router, json_t *arguments, struct complaint *complaint)
{
	return show_named(router_show_bridges, "bridge", router, arguments, complaint);
}

/* -- route -- */

#define PAGE_ROWS 500 /* 60 KiB, and two milliseconds */

json_t *answer_page(struct router *router, struct answer_pages *pages)
{
	size_t wanted = pages->left < PAGE_ROWS ? pages->left : PAGE_ROWS;
	json_t *rows = router_show_routes(router, &pages->place, wanted);

	pages->left = json_array_size(rows) < wanted ? 0 : pages->left - wanted;
	select_rows(rows, "port", *pages->port ? pages->port : NULL);
	return rows;
}

static json_t *route_pages(const char *port, json_int_t limit, struct answer_pages *pages)
{
	if (limit < 0 && !port) /* one more than is shown tells the client that there are more */
		limit = REQUEST_ROWS + 1;
	*pages = (struct answer_pages){.left = limit > 0 ? (size_t)limit : SIZE_MAX};
	if (port)
		snprintf(pages->port, sizeof(pages->port), "%s", port);
	return json_array();
}

static json_t *route_show(struct router *router, json_t *arguments, struct complaint *complaint,
			  struct answer_pages *pages)
{
	const char *to = NULL, *port = NULL;
	json_int_t limit = -1;
	uint8_t prefix_len;
	be32 prefix;
	json_t *rows;

	if (!unpack(arguments, complaint, "{s?s, s?s, s?I}", "to", &to, "port", &port, "limit",
		    &limit))
		return NULL;
	if (to && !request_prefix(to, &prefix, &prefix_len)) {
		complain(complaint, 2, "such as 10.9.0.0/16, 192.168.1.7 or default",
			 "\"%s\" is not an IPv4 prefix", to);
		return NULL;
	}
	if (!check_leg(router, port, complaint))
		return NULL;
	if (!to)
		return route_pages(port, limit, pages);
	rows = router_show_route(router, prefix, prefix_len);
	select_rows(rows, "port", port);
	return rows;
}

static json_t *route_get(struct router *router, json_t *arguments, struct complaint *complaint)
{
	const char *address = NULL;
	be32 wanted;
	json_t *rows;

	if (json_unpack_ex(arguments, NULL, JSON_STRICT, "{s:s}", "address", &address) ||
	    !config_parse_address(address, &wanted)) {
		complain(complaint, 2, "such as 192.168.0.2", "route get wants one IPv4 address");
		return NULL;
	}
	rows = router_route_get(router, wanted);
	if (json_array_size(rows))
		return rows;
	json_decref(rows);
	complain(complaint, 1, NULL, "no route to %s", address);
	return NULL;
}

static json_t *route_add(struct router *router, json_t *arguments, struct complaint *complaint)
{
	struct config_route route;
	struct refusal why = {0};

	if (!request_route(arguments, true, &route, complaint))
		return NULL;
	return router_route_add(router, &route, &why)
		       ? refuse_on(router, route.port, &why, complaint)
		       : json_array();
}

static json_t *route_del(struct router *router, json_t *arguments, struct complaint *complaint)
{
	struct config_route route;
	struct refusal why = {0};

	if (!request_route(arguments, false, &route, complaint))
		return NULL;
	return router_route_del(router, &route, &why)
		       ? refuse_on(router, route.port, &why, complaint)
		       : json_array();
}

static json_t *route_flush(struct router *router, json_t *arguments, struct complaint *complaint)
{
	if (json_object_size(arguments)) {
		complain(complaint, 2, "route del PREFIX deletes one",
			 "route flush takes no arguments");
		return NULL;
	}
	return json_pack("[{s:i}]", "flushed", router_route_flush(router));
}

/* -- neigh -- */

static json_t *neigh_show(struct router *router, json_t *arguments, struct complaint *complaint)
{
	const char *address = NULL, *port = NULL;
	json_t *rows;

	if (!unpack(arguments, complaint, "{s?s, s?s}", "address", &address, "port", &port))
		return NULL;
	if (!check_leg(router, port, complaint))
		return NULL;
	rows = router_show_neighs(router);
	select_rows(rows, "address", address);
	select_rows(rows, "port", port);
	return rows;
}

static json_t *neigh_add(struct router *router, json_t *arguments, struct complaint *complaint)
{
	struct config_neigh neigh;
	struct refusal why = {0};

	if (!request_neigh(arguments, true, &neigh, complaint))
		return NULL;
	return router_neigh_add(router, &neigh, &why)
		       ? refuse_on(router, neigh.port, &why, complaint)
		       : json_array();
}

/* Without a port in the request, the address has to be on one port only. */
static bool find_neigh_port(struct router *router, struct config_neigh *neigh,
			    struct complaint *complaint)
{
	char address[18];
	json_t *rows;
	size_t n;

	if (*neigh->port)
		return true;
	config_format_address(neigh->address, address);
	rows = router_show_neighs(router);
	select_rows(rows, "address", address);
	n = json_array_size(rows);
	if (n == 1)
		snprintf(neigh->port, sizeof(neigh->port), "%s",
			 text_of(json_array_get(rows, 0), "port"));
	json_decref(rows);
	if (n == 1)
		return true;
	return complain(complaint, 1, n ? "add port NAME" : NULL,
			n ? "%s is a neighbour on several ports" : "no neighbour %s", address);
}

static json_t *neigh_del(struct router *router, json_t *arguments, struct complaint *complaint)
{
	struct config_neigh neigh;
	struct refusal why = {0};

	if (!request_neigh(arguments, false, &neigh, complaint) ||
	    !find_neigh_port(router, &neigh, complaint))
		return NULL;
	return router_neigh_del(router, &neigh, &why)
		       ? refuse_on(router, neigh.port, &why, complaint)
		       : json_array();
}

static json_t *neigh_flush(struct router *router, json_t *arguments, struct complaint *complaint)
{
	const char *port = NULL;

	if (!unpack(arguments, complaint, "{s?s}", "port", &port))
		return NULL;
	if (!check_leg(router, port, complaint))
		return NULL;
	return json_pack("[{s:i}]", "flushed", router_neigh_flush(router, port));
}

/* -- fdb -- */

/* Complains unless the router has that port or bridge; NULL: not asked for. */
static bool check_names(struct router *router, const char *port, const char *bridge,
			struct complaint *complaint)
{
	json_t *rows = port	? router_show_ports(router)
		       : bridge ? router_show_bridges(router)
				: NULL;
	const char *name = port ? port : bridge;
	bool found = !rows || has_name(rows, name);

	if (!found)
		complain_no_name(rows, port ? "port" : "bridge", name, complaint);
	json_decref(rows);
	return found && (!port || check_names(router, NULL, bridge, complaint));
}

static json_t *fdb_show(struct router *router, json_t *arguments, struct complaint *complaint)
{
	const char *mac = NULL, *port = NULL, *bridge = NULL;
	struct mac wanted;
	char text[18];
	json_t *rows;

	if (!unpack(arguments, complaint, "{s?s, s?s, s?s}", "mac", &mac, "port", &port, "bridge",
		    &bridge))
		return NULL;
	if (mac && !config_parse_mac(mac, &wanted)) {
		complain(complaint, 2, "such as 02:00:00:00:01:02", "\"%s\" is not a MAC address",
			 mac);
		return NULL;
	}
	if (!check_names(router, port, bridge, complaint))
		return NULL;
	rows = router_show_fdb(router);
	select_rows(rows, "mac", mac ? config_format_mac(wanted, text) : NULL);
	select_rows(rows, "port", port);
	select_rows(rows, "bridge", bridge);
	return rows;
}

static json_t *fdb_add(struct router *router, json_t *arguments, struct complaint *complaint)
{
	struct request_station station;
	struct refusal why = {0};

	if (!request_station(arguments, true, &station, complaint))
		return NULL;
	return router_fdb_add(router, station.mac, station.port, &why)
		       ? refuse_on(router, station.port, &why, complaint)
		       : json_array();
}

/* Named by its port, the entry has to be there; its bridge is then the port's. */
static bool find_station_bridge(struct router *router, struct request_station *station,
				struct complaint *complaint)
{
	char mac[18];
	json_t *rows;
	size_t n;

	if (!*station->port)
		return true;
	if (!check_names(router, station->port, NULL, complaint))
		return false;
	config_format_mac(station->mac, mac);
	rows = router_show_fdb(router);
	select_rows(rows, "mac", mac);
	select_rows(rows, "port", station->port);
	n = json_array_size(rows);
	if (n)
		snprintf(station->bridge, sizeof(station->bridge), "%s",
			 text_of(json_array_get(rows, 0), "bridge"));
	json_decref(rows);
	return n || complain(complaint, 1, "tsuji fdb show lists them", "%s is not on port %s", mac,
			     station->port);
}

static json_t *fdb_del(struct router *router, json_t *arguments, struct complaint *complaint)
{
	struct request_station station;
	struct refusal why = {0};

	if (!request_station(arguments, false, &station, complaint) ||
	    !find_station_bridge(router, &station, complaint))
		return NULL;
	return router_fdb_del(router, station.mac, *station.bridge ? station.bridge : NULL, &why)
		       ? refuse(&why, complaint)
		       : json_array();
}

static json_t *fdb_flush(struct router *router, json_t *arguments, struct complaint *complaint)
{
	const char *port = NULL, *bridge = NULL;
	json_error_t error;

	if (json_unpack_ex(arguments, &error, JSON_STRICT, "{s?s, s?s}", "port", &port, "bridge",
			   &bridge) ||
	    (port && bridge)) {
		complain(complaint, 2, "fdb flush takes port or bridge", "malformed request");
		return NULL;
	}
	if (!check_names(router, port, bridge, complaint))
		return NULL;
	return json_pack("[{s:i}]", "flushed", router_fdb_flush(router, port ? port : bridge));
}

/* -- nat, filter -- */

static json_t *nat_show(struct router *router, json_t *arguments, struct complaint *complaint)
{
	struct nat_filter filter;
	json_int_t limit;

	if (!request_sessions(arguments, &filter, &limit, complaint))
		return NULL;
	return router_show_nat(router, &filter, limit < 0 ? REQUEST_ROWS + 1 : limit);
}

static json_t *nat_flush(struct router *router, json_t *arguments, struct complaint *complaint)
{
	struct nat_filter filter;

	if (!request_sessions(arguments, &filter, NULL, complaint))
		return NULL;
	return json_pack("[{s:I}]", "flushed", (json_int_t)router_nat_flush(router, &filter));
}

static json_t *nat_age(struct router *router, json_t *arguments, struct complaint *complaint)
{
	const char *by = NULL;
	json_error_t error;
	uint64_t by_ns;

	if (json_unpack_ex(arguments, &error, JSON_STRICT, "{s:s}", "by", &by)) {
		complain(complaint, 2, "nat age takes by, such as 5m", "malformed request: %s",
			 error.text);
		return NULL;
	}
	if (!request_duration(by, &by_ns, complaint))
		return NULL;
	router_nat_age(router, by_ns);
	return json_array();
}

/* True with nothing asked for; else complained. */
static bool takes_nothing(const json_t *arguments, const char *what, struct complaint *complaint)
{
	return !json_object_size(arguments) ||
	       complain(complaint, 2, NULL, "%s takes no arguments", what);
}

static json_t *nat_rules(struct router *router, json_t *arguments, struct complaint *complaint)
{
	return takes_nothing(arguments, "nat rules", complaint) ? router_show_nat_rules(router)
								: NULL;
}

static json_t *filter_show(struct router *router, json_t *arguments, struct complaint *complaint)
{
	return takes_nothing(arguments, "filter show", complaint) ? router_show_filter(router)
								  : NULL;
}

/* -- drops, stats -- */

static json_t *drops_show(struct router *router, json_t *arguments, struct complaint *complaint)
{
	int all = 0;

	if (!unpack(arguments, complaint, "{s?b}", "all", &all))
		return NULL;
	return router_show_drops(router, all);
}

static json_t *stats_show(struct router *router, json_t *arguments, struct complaint *complaint)
{
	if (!takes_nothing(arguments, "stats", complaint))
		return NULL;
	return json_pack("[o]", router_show_stats(router));
}

/* -- set -- */

static json_t *set_now(struct router *router, json_t *arguments, struct complaint *complaint)
{
	struct config_lanes lanes = *router_lanes(router);
	const char *name = NULL, *value = NULL;
	json_error_t error;
	json_t *rows;

	if (json_unpack_ex(arguments, &error, JSON_STRICT, "{s?s, s?s}", "name", &name, "value",
			   &value) ||
	    (value && !name)) {
		complain(complaint, 2, "set takes name and value, or name, or nothing",
			 "malformed request");
		return NULL;
	}
	if (name && !settings_check_name(name, complaint))
		return NULL;
	if (value && !settings_set(&lanes, name, value, complaint))
		return NULL;
	if (value) {
		log_info("set %s %s", name, value);
		router_set_lanes(router, &lanes);
	}
	rows = settings_rows(&lanes, router_break_even(router));
	select_rows(rows, "name", name);
	return rows;
}

static const struct handler {
	const char *command, *verb;
	/* NULL: route show, which is answered in pages */
	json_t *(*run)(struct router *router, json_t *arguments, struct complaint *complaint);
} handlers[] = {
	{"port", "show", port_show},	 {"route", "show", NULL},
	{"route", "get", route_get},	 {"route", "add", route_add},
	{"route", "del", route_del},	 {"route", "flush", route_flush},
	{"neigh", "show", neigh_show},	 {"neigh", "add", neigh_add},
	{"neigh", "del", neigh_del},	 {"neigh", "flush", neigh_flush},
	{"fdb", "show", fdb_show},	 {"fdb", "add", fdb_add},
	{"fdb", "del", fdb_del},	 {"fdb", "flush", fdb_flush},
	{"drops", "show", drops_show},	 {"stats", "show", stats_show},
	{"bridge", "show", bridge_show}, {"nat", "show", nat_show},
	{"nat", "rules", nat_rules},	 {"nat", "flush", nat_flush},
	{"nat", "age", nat_age},	 {"filter", "show", filter_show},
	{"set", "now", set_now},
};

json_t *answer_request(struct router *router, const char *command, const char *verb,
		       json_t *arguments, struct answer_pages *pages)
{
	struct complaint complaint = {.status = 1, .text = "out of memory"};
	json_t *given = arguments ? json_incref(arguments) : json_object();
	const struct handler *found = NULL;
	json_t *rows = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(handlers); i++)
		if (!strcmp(handlers[i].command, command) && !strcmp(handlers[i].verb, verb))
			found = &handlers[i];
	if (!found)
		complain(&complaint, 2, NULL, "this version has no \"%s %s\"", command, verb);
	else if (!json_is_object(given))
		complain(&complaint, 2, NULL, "arguments are not an object");
	else {
		router_settle(router);
		rows = found->run ? found->run(router, given, &complaint)
				  : route_show(router, given, &complaint, pages);
	}
	json_decref(given);
	return rows ? answer_rows(rows) : answer_complaint(&complaint);
}
