/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * neighbours - the bindings that people, not ARP, decide.
 *
 * The lists kept here outlive a port's absence: while it is lost its neighbours are gone
 * from the worker's table, and when it returns they are put back. The file's list is the
 * configuration's own, so that deleting one of its entries lasts until the next reload.
 */
#include "neighbours.h"
#include "log.h"
#include "state.h"

#include <errno.h>
#include <stdlib.h>

static bool same_key(const struct config_neigh *a, const char *port, be32 address)
{
	return be32_equal(a->address, address) && strcmp(a->port, port) == 0;
}

static struct config_neigh *find(struct config_neigh *list, unsigned n, const char *port,
				 be32 address)
{
	for (unsigned i = 0; i < n; i++)
		if (same_key(&list[i], port, address))
			return &list[i];
	return NULL;
}

static struct config_neigh *find_file(const struct router *router, const char *port, be32 address)
{
	return find(router->config->neighbours, router->config->n_neighbours, port, address);
}

static struct config_neigh *find_live(const struct router *router, const char *port, be32 address)
{
	return find(router->live_neighs, router->n_live_neighs, port, address);
}

const char *neighbours_source(const struct router *router, const char *port, be32 address)
{
	if (find_file(router, port, address))
		return "file";
	return find_live(router, port, address) ? "live" : "learnt";
}

static void remove_entry(struct config_neigh *list, unsigned *n, struct config_neigh *entry)
{
	(*n)--;
	memmove(entry, entry + 1, (char *)&list[*n] - (char *)entry);
}

/* The port or leg of that name, as published; NULL: none. */
static const struct port *find_port(const struct router *router, const char *name)
{
	const struct port_table *ports = worker_ports(router->worker);
	for (unsigned i = 0; i < ports->n_ports; i++)
		if (ports->ports[i] && strcmp(ports->ports[i]->name, name) == 0)
			return ports->ports[i];
	return NULL;
}

/* A port that is not there gets its neighbours when it returns. */
static int install(struct router *router, const struct config_neigh *neigh)
{
	const struct port *port = find_port(router, neigh->port);
	char address[20];
	if (!port || (!port_is_leg(port) && !router->ports.port[port->number]->xsk))
		return 0;
	int error =
		neigh_add(worker_neigh(router->worker), port->number, neigh->address, neigh->mac);
	if (error)
		log_error("neighbour %s on port %s: the table is full",
			  config_format_address(neigh->address, address), neigh->port);
	return error;
}

void neighbours_install(struct router *router, uint16_t port)
{
	const char *name = router->ports.port[port]->config->name;
	for (unsigned i = 0; i < router->config->n_neighbours; i++)
		if (strcmp(router->config->neighbours[i].port, name) == 0)
			install(router, &router->config->neighbours[i]);
	for (unsigned i = 0; i < router->n_live_neighs; i++)
		if (strcmp(router->live_neighs[i].port, name) == 0)
			install(router, &router->live_neighs[i]);
	worker_wake(router->worker);
}

/* -- a new configuration -- */

static void drop_old(struct router *router, const struct config *old,
		     struct neighbour_changes *changes)
{
	for (unsigned i = 0; i < old->n_neighbours; i++) {
		const struct config_neigh *neigh = &old->neighbours[i];
		const struct port *port = find_port(router, neigh->port);
		if (find_file(router, neigh->port, neigh->address))
			continue;
		changes->removed++;
		if (port)
			neigh_del(worker_neigh(router->worker), port->number, neigh->address);
	}
}

static void add_new(struct router *router, const struct config *old,
		    struct neighbour_changes *changes)
{
	for (unsigned i = 0; i < router->config->n_neighbours; i++) {
		const struct config_neigh *neigh = &router->config->neighbours[i];
		struct config_neigh *live = find_live(router, neigh->port, neigh->address);
		const struct config_neigh *was =
			old ? find(old->neighbours, old->n_neighbours, neigh->port, neigh->address)
			    : NULL;
		if (live)
			remove_entry(router->live_neighs, &router->n_live_neighs, live);
		if (was && mac_equal(was->mac, neigh->mac))
			continue;
		if (was || live)
			changes->changed++;
		else
			changes->added++;
		install(router, neigh);
	}
}

/* A bridged port has no neighbours: they are the bridge's. */
static void drop_portless(struct router *router)
{
	for (unsigned i = router->n_live_neighs; i-- > 0;) {
		const struct port *port = find_port(router, router->live_neighs[i].port);
		if (!port || port->bridge != PORT_NONE)
			remove_entry(router->live_neighs, &router->n_live_neighs,
				     &router->live_neighs[i]);
	}
}

/* Learnt entries whose subnet is no longer the port's, collected because a walk must not delete. */
struct strays {
	const struct port_table *before, *now;
	struct neigh_info *found;
	unsigned n, size;
};

static void note_stray(const struct neigh_info *info, void *arg)
{
	struct strays *strays = arg;
	const struct port *before = port_get(strays->before, info->port);
	const struct port *now = port_get(strays->now, info->port);
	if (info->state == NEIGH_STATIC || strays->n == strays->size || !before || !now)
		return;
	if (port_subnet_of(before, info->address) && !port_subnet_of(now, info->address))
		strays->found[strays->n++] = *info;
}

static void drop_strays(struct router *router, const struct port_table *old_ports)
{
	struct neigh_table *table = worker_neigh(router->worker);
	struct strays strays = {.before = old_ports,
				.now = worker_ports(router->worker),
				.size = neigh_count(table)};
	strays.found = calloc(strays.size ? strays.size : 1, sizeof(*strays.found));
	if (!strays.found)
		return; /* they age out */
	neigh_walk(table, note_stray, &strays);
	for (unsigned i = 0; i < strays.n; i++)
		neigh_del(table, strays.found[i].port, strays.found[i].address);
	free(strays.found);
}

struct neighbour_changes neighbours_follow(struct router *router, const struct config *old,
					   const struct port_table *old_ports)
{
	struct neighbour_changes changes = {0};
	if (old)
		drop_old(router, old, &changes);
	add_new(router, old, &changes);
	drop_portless(router);
	drop_strays(router, old_ports);
	worker_wake(router->worker);
	return changes;
}

/* -- live changes -- */

static const struct port *find_subnet(const struct router *router, be32 address)
{
	const struct port_table *ports = worker_ports(router->worker);
	for (unsigned i = 0; i < ports->n_ports; i++)
		if (ports->ports[i] && port_subnet_of(ports->ports[i], address))
			return ports->ports[i];
	return NULL;
}

/* The port named, or the one whose subnet holds the address. */
static const struct port *port_for(const struct router *router, const struct config_neigh *neigh,
				   struct refusal *why)
{
	const struct port *port = neigh->port[0] ? find_port(router, neigh->port)
						 : find_subnet(router, neigh->address);
	char address[20];
	if (!port && neigh->port[0])
		refusal_set(why, REFUSED_CONFIG, "there is no port %s", neigh->port);
	else if (!port)
		refusal_set(why, REFUSED_CONFIG, "%s is in no port's subnet",
			    config_format_address(neigh->address, address));
	return port;
}

static int check(const struct router *router, const struct port *port,
		 const struct config_neigh *neigh, struct refusal *why)
{
	const struct local *local = port_local(worker_ports(router->worker), neigh->address);
	char text[20];
	config_format_address(neigh->address, text);
	if (!port_subnet_of(port, neigh->address))
		return refusal_set(why, REFUSED_CONFIG, "%s is in no subnet of port %s", text,
				   port->name);
	if (local && (local->tsuji || local->broadcast))
		return refusal_set(why, REFUSED_CONFIG, "%s is %s", text,
				   local->broadcast ? "a broadcast address"
						    : "this router's own address");
	if (mac_is_group(neigh->mac) || mac_is_zero(neigh->mac))
		return refusal_set(why, REFUSED_CONFIG, "%s is not the MAC of a station",
				   config_format_mac(neigh->mac, text));
	if (find_file(router, port->name, neigh->address) ||
	    find_live(router, port->name, neigh->address))
		return refusal_set(why, REFUSED_FAILED, "%s on port %s exists: delete it first",
				   text, port->name);
	return 0;
}

int router_neigh_add(struct router *router, const struct config_neigh *neigh, struct refusal *why)
{
	const struct port *port = port_for(router, neigh, why);
	if (!port || check(router, port, neigh, why) < 0)
		return -1;
	struct config_neigh *list =
		realloc(router->live_neighs, (router->n_live_neighs + 1) * sizeof(*list));
	if (!list)
		return refusal_set(why, REFUSED_FAILED, "no memory for another neighbour");
	router->live_neighs = list;
	struct config_neigh *added = &list[router->n_live_neighs];
	*added = *neigh;
	memcpy(added->port, port->name, sizeof(added->port));
	if (install(router, added) < 0)
		return refusal_set(why, REFUSED_FAILED, "the neighbour table is full");
	router->n_live_neighs++;
	worker_wake(router->worker);
	return 0;
}

int router_neigh_del(struct router *router, const struct config_neigh *neigh, struct refusal *why)
{
	const struct port *port = port_for(router, neigh, why);
	char text[20];
	if (!port)
		return -1;
	struct config_neigh *file = find_file(router, port->name, neigh->address);
	struct config_neigh *live = find_live(router, port->name, neigh->address);
	int error = neigh_del(worker_neigh(router->worker), port->number, neigh->address);
	if (error && !file && !live)
		return refusal_set(why, REFUSED_FAILED, "port %s has no neighbour %s", port->name,
				   config_format_address(neigh->address, text));
	if (file)
		remove_entry(router->config->neighbours, &router->config->n_neighbours, file);
	if (live)
		remove_entry(router->live_neighs, &router->n_live_neighs, live);
	worker_wake(router->worker);
	return 0;
}

unsigned router_neigh_flush(struct router *router, const char *port)
{
	const struct port *found = port ? find_port(router, port) : NULL;
	if (port && !found)
		return 0;
	unsigned n =
		neigh_flush(worker_neigh(router->worker), found ? found->number : PORT_NONE, false);
	worker_wake(router->worker);
	return n;
}
