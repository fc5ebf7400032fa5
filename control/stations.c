/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stations - the forwarding database as people see and change it: the router_fdb_* of
 * router.h, and the list of static entries behind them.
 *
 * The FDB belongs to the worker and is read by walking it, so an answer is made of whole
 * entries that need not be of the same moment.
 */
#include "stations.h"
#include "log.h"
#include "state.h"

#include <errno.h>
#include <stdlib.h>

#define EVENTS_MAX 4096 /* told at once: as many as wait at most (fdb.h) */

/* The bridge that a port of that name is in; NULL: none, or no such port. */
static struct router_bridge *bridge_of(const struct router *router, const char *port)
{
	const struct router_port *rp = ports_find(&router->ports, port);
	return rp && rp->config->bridge[0] ? bridges_find(&router->bridges, rp->config->bridge)
					   : NULL;
}

static bool is_there(const struct router *router, const char *port)
{
	const struct router_port *rp = ports_find(&router->ports, port);
	return rp && rp->state != STATE_LOST;
}

static void remove_station(struct router *router, unsigned i)
{
	router->n_stations--;
	memmove(&router->stations[i], &router->stations[i + 1],
		(router->n_stations - i) * sizeof(*router->stations));
}

/* Puts it where it belongs. 0 or -errno; it is remembered either way. */
static int install(struct router *router, struct station *station, uint16_t bridge)
{
	uint16_t number = ports_number(router, station->port, false);
	int error = fdb_add(worker_fdb(router->worker), bridge, station->mac, number, FDB_STATIC);
	station->bridge = error ? PORT_NONE : bridge;
	return error;
}

/* Events may be about ports and bridges that are gone by the time they are told. */
static void remember_names(struct router *router)
{
	const struct port_table *table = worker_ports(router->worker);
	for (unsigned i = 0; i < table->n_ports; i++)
		if (table->ports[i])
			memcpy(router->last_names[i], table->ports[i]->name, PORT_NAME_SIZE);
}

void stations_follow(struct router *router)
{
	remember_names(router);
	for (unsigned i = router->n_stations; i-- > 0;) {
		struct station *station = &router->stations[i];
		const struct router_bridge *rb = bridge_of(router, station->port);
		bool own = rb && bridge_is_own(rb, station->mac); /* a port with that MAC came */
		uint16_t bridge =
			rb && !own && is_there(router, station->port) ? rb->number : PORT_NONE;
		if (station->bridge != PORT_NONE && station->bridge != bridge && !own)
			fdb_del(worker_fdb(router->worker), station->bridge, station->mac);
		if (!rb || own)
			remove_station(router, i);
		else if (bridge == PORT_NONE)
			station->bridge = PORT_NONE;
		else if (station->bridge != bridge && install(router, station, bridge) < 0)
			log_error("port %s: the forwarding database has no room for its static "
				  "entries",
				  station->port);
	}
}

/* -- changes -- */

static int check_place(const struct router *router, const struct router_bridge *rb, struct mac mac,
		       const char *port, struct refusal *why)
{
	char text[20];
	config_format_mac(mac, text);
	if (mac_is_group(mac) || mac_is_zero(mac))
		return refusal_set(why, REFUSED_CONFIG, "%s is not the MAC of a station", text);
	if (!ports_find(&router->ports, port))
		return refusal_set(why, REFUSED_CONFIG, "there is no port %s", port);
	if (!rb)
		return refusal_set(why, REFUSED_CONFIG, "port %s is in no bridge", port);
	if (bridge_is_own(rb, mac))
		return refusal_set(why, REFUSED_CONFIG, "%s is a MAC of bridge %s itself", text,
				   rb->config->name);
	for (unsigned i = 0; i < router->n_stations; i++)
		if (mac_equal(router->stations[i].mac, mac) &&
		    bridge_of(router, router->stations[i].port) == rb)
			return refusal_set(why, REFUSED_FAILED,
					   "%s is static on port %s: delete it first", text,
					   router->stations[i].port);
	return 0;
}

int router_fdb_add(struct router *router, struct mac mac, const char *port, struct refusal *why)
{
	const struct router_bridge *rb = bridge_of(router, port);
	if (check_place(router, rb, mac, port, why) < 0)
		return -1;
	struct station *list = realloc(router->stations, (router->n_stations + 1) * sizeof(*list));
	if (!list)
		return refusal_set(why, REFUSED_FAILED, "no memory for another entry");
	router->stations = list;
	struct station *added = &list[router->n_stations];
	*added = (struct station){.mac = mac, .bridge = PORT_NONE};
	snprintf(added->port, sizeof(added->port), "%s", port);
	if (is_there(router, port) && install(router, added, rb->number) < 0)
		return refusal_set(why, REFUSED_FAILED, "the forwarding database is full");
	router->n_stations++;
	return 0;
}

/* Where a MAC is known: in which bridges, and as what in the first of them. */
struct search {
	struct mac mac;
	uint16_t bridge; /* the only one to look in; PORT_NONE: all */
	unsigned n;
	struct fdb_info found;
};

static void match(const struct fdb_info *info, void *arg)
{
	struct search *search = arg;
	if (!mac_equal(info->mac, search->mac) ||
	    (search->bridge != PORT_NONE && search->bridge != info->bridge))
		return;
	if (!search->n++)
		search->found = *info;
}

/* A static entry of a port that is away is in the list only. */
static int delete_absent(struct router *router, const struct search *search, struct refusal *why)
{
	char text[20];
	for (unsigned i = 0; i < router->n_stations; i++) {
		const struct station *station = &router->stations[i];
		const struct router_bridge *rb = bridge_of(router, station->port);
		if (!mac_equal(station->mac, search->mac) ||
		    (search->bridge != PORT_NONE && search->bridge != rb->number))
			continue;
		remove_station(router, i);
		return 0;
	}
	return refusal_set(why, REFUSED_FAILED, "there is no entry for %s",
			   config_format_mac(search->mac, text));
}

int router_fdb_del(struct router *router, struct mac mac, const char *bridge, struct refusal *why)
{
	const struct router_bridge *rb = bridge ? bridges_find(&router->bridges, bridge) : NULL;
	struct search search = {.mac = mac, .bridge = rb ? rb->number : PORT_NONE};
	char text[20];
	if (bridge && !rb)
		return refusal_set(why, REFUSED_CONFIG, "there is no bridge %s", bridge);
	fdb_walk(worker_fdb(router->worker), match, &search);
	if (!search.n)
		return delete_absent(router, &search, why);
	config_format_mac(mac, text);
	if (search.n > 1)
		return refusal_set(why, REFUSED_CONFIG, "%s is known in %u bridges: say which",
				   text, search.n);
	if (search.found.kind == FDB_LOCAL)
		return refusal_set(why, REFUSED_CONFIG,
				   "%s is a MAC of the bridge itself: it goes with its port", text);
	fdb_del(worker_fdb(router->worker), search.found.bridge, mac);
	for (unsigned i = router->n_stations; i-- > 0;)
		if (mac_equal(router->stations[i].mac, mac) &&
		    router->stations[i].bridge == search.found.bridge)
			remove_station(router, i);
	return 0;
}

unsigned router_fdb_flush(struct router *router, const char *name)
{
	struct fdb *fdb = worker_fdb(router->worker);
	const struct router_bridge *rb = name ? bridges_find(&router->bridges, name) : NULL;
	uint16_t port = name && !rb ? ports_number(router, name, false) : PORT_NONE;
	if (name && !rb && port == PORT_NONE)
		return 0;
	return fdb_flush(fdb, rb ? rb->number : PORT_NONE, port, false);
}

/* -- rows -- */

static json_t *name_of(const struct router *router, uint16_t number)
{
	return number < PORT_MAX ? json_string(router->last_names[number]) : json_null();
}

static json_t *age_ms(uint64_t now_ns, uint64_t then_ns)
{
	return json_integer(now_ns > then_ns ? (now_ns - then_ns) / NS_PER_MS : 0);
}

struct collection {
	struct fdb_info *infos;
	size_t n, size;
};

static void collect(const struct fdb_info *info, void *arg)
{
	struct collection *all = arg;
	if (all->n == all->size) {
		size_t size = 2 * all->size + 64;
		struct fdb_info *grown = realloc(all->infos, size * sizeof(*grown));
		if (!grown)
			return;
		all->infos = grown;
		all->size = size;
	}
	all->infos[all->n++] = *info;
}

static int compare_infos(const void *left, const void *right)
{
	const struct fdb_info *a = left, *b = right;
	if (a->bridge != b->bridge)
		return (int)a->bridge - (int)b->bridge;
	return memcmp(&a->mac, &b->mac, sizeof(a->mac));
}

static json_t *row_of(const struct router *router, const struct fdb_info *info, uint64_t now_ns)
{
	static const char *const kinds[] = {
		[FDB_LEARNT] = "learnt", [FDB_STATIC] = "static", [FDB_LOCAL] = "local"};
	char mac[20];
	return json_pack("{s:s, s:o, s:o, s:s, s:o, s:I}", "mac", config_format_mac(info->mac, mac),
			 "port", name_of(router, info->port), "bridge",
			 name_of(router, info->bridge), "kind", kinds[info->kind], "age_ms",
			 info->kind == FDB_LEARNT ? age_ms(now_ns, info->seen_ns) : json_null(),
			 "hits", (json_int_t)info->hits);
}

json_t *router_show_fdb(struct router *router)
{
	struct collection all = {0};
	json_t *rows = json_array();
	uint64_t now_ns = state_now_ns();
	fdb_walk(worker_fdb(router->worker), collect, &all);
	if (all.n)
		qsort(all.infos, all.n, sizeof(*all.infos), compare_infos);
	for (size_t i = 0; i < all.n; i++)
		json_array_append_new(rows, row_of(router, &all.infos[i], now_ns));
	free(all.infos);
	return rows;
}

/* -- events -- */

void router_fdb_watch(struct router *router, bool on)
{
	fdb_watch(worker_fdb(router->worker), on);
}

static json_t *event_row(const struct router *router, const struct fdb_event *event,
			 uint64_t now_ns)
{
	static const char *const kinds[] = {
		[FDB_APPEARED] = "appeared", [FDB_MOVES] = "moved", [FDB_GONE] = "gone"};
	char mac[20];
	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "event", kinds[event->kind], "mac",
			 config_format_mac(event->mac, mac), "port", name_of(router, event->port),
			 "bridge", name_of(router, event->bridge), "before",
			 event->kind == FDB_MOVES ? name_of(router, event->before) : json_null(),
			 "age_ms", event->at_ns ? age_ms(now_ns, event->at_ns) : json_integer(0));
}

json_t *router_fdb_events(struct router *router)
{
	struct fdb *fdb = worker_fdb(router->worker);
	json_t *rows = json_array();
	uint64_t now_ns = state_now_ns(), n_lost = 0, lost = 0;
	struct fdb_event event;
	for (unsigned n = 0; n < EVENTS_MAX && fdb_event(fdb, &event, &lost); n++) {
		json_array_append_new(rows, event_row(router, &event, now_ns));
		n_lost += lost;
		lost = 0;
	}
	n_lost += lost;
	if (n_lost)
		json_array_append_new(rows, json_pack("{s:s, s:I}", "event", "lost", "events",
						      (json_int_t)n_lost));
	return rows;
}
