/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * labfile_node - a node of a lab: a host with the addresses and routes its kernel gets, or
 * a router with a router file inside.
 */
#include "config_reader.h"
#include "labfile_reader.h"

#include <stdlib.h>

enum { ADDRESSES, MACS, ROUTES, START, ROUTER, N_KEYS };
static const char *const node_keys[] = {
	[ADDRESSES] = "addresses",
	[MACS] = "macs",
	[ROUTES] = "routes",
	[START] = "start",
	[ROUTER] = "router",
	NULL,
};

enum { ROUTE_TO, ROUTE_VIA, N_ROUTE_KEYS };
static const char *const route_keys[] = {
	[ROUTE_TO] = "to",
	[ROUTE_VIA] = "via",
	NULL,
};

int lab_interface_index(struct diag *diag, struct lab_node *node, const char *name, struct place at)
{
	for (unsigned i = 0; i < node->n_interfaces; i++)
		if (!strcmp(node->interfaces[i].name, name))
			return (int)i;
	if (node->n_interfaces == LAB_INTERFACES_MAX) {
		diag_error(diag, at, NULL, "node %s has too many interfaces: at most %d",
			   node->name, LAB_INTERFACES_MAX);
		return -1;
	}
	struct lab_interface *grown =
		realloc(node->interfaces, (node->n_interfaces + 1) * sizeof(*grown));
	if (!grown) {
		diag_error(diag, (struct place){0}, NULL, "out of memory");
		return -1;
	}
	node->interfaces = grown;
	struct lab_interface *interface = &grown[node->n_interfaces];
	*interface = (struct lab_interface){.at = at};
	snprintf(interface->name, sizeof(interface->name), "%s", name);
	return (int)node->n_interfaces++;
}

/* The interface that a key of addresses: or macs: names, or NULL. */
static struct lab_interface *interface_of_key(struct diag *diag, struct lab_node *node,
					      const struct yaml_node *key)
{
	char name[CONFIG_NAME_SIZE];
	if (!config_read_name(diag, key, "an interface's name", name))
		return NULL;
	int i = lab_interface_index(diag, node, name, yaml_place(key));
	return i < 0 ? NULL : &node->interfaces[i];
}

/* One address or a list of them. */
static void read_addresses(struct diag *diag, const struct yaml_node *section,
			   struct lab_node *node)
{
	const struct yaml_node *key = yaml_first_key(diag, section, "addresses");
	for (; key; key = key->next->next) {
		struct lab_interface *interface = interface_of_key(diag, node, key);
		if (!interface)
			continue;
		if (key->next->kind != YAML_SCALAR) {
			interface->addresses = config_read_interfaces(diag, key->next, "addresses",
								      &interface->n_addresses);
			continue;
		}
		interface->addresses = config_alloc(diag, 1, sizeof(*interface->addresses));
		if (interface->addresses)
			interface->n_addresses = config_read_interface(diag, key->next, "addresses",
								       interface->addresses);
	}
}

static void read_macs(struct diag *diag, const struct yaml_node *section, struct lab_node *node)
{
	const struct yaml_node *key = yaml_first_key(diag, section, "macs");
	for (; key; key = key->next->next) {
		struct lab_interface *interface = interface_of_key(diag, node, key);
		if (interface)
			config_read_mac(diag, key->next, "macs", &interface->mac);
	}
}

/* ---- a host's routes ---- */

static bool read_route(struct config_reader *r, const struct yaml_node *item,
		       struct lab_route *route)
{
	struct yaml_entry keys[N_ROUTE_KEYS];
	unsigned errors_before = r->diag->n_errors;
	route->at = yaml_place(item);
	if (!yaml_read_map(r->diag, item, "a host's route", route_keys, keys))
		return false;
	bool misnamed = r->diag->n_errors > errors_before, good = !misnamed;
	for (unsigned i = 0; i < N_ROUTE_KEYS; i++) {
		good = good && keys[i].value;
		if (!keys[i].value && !misnamed)
			diag_error(r->diag, route->at, "such as {to: default, via: 192.168.1.1}",
				   "the route lacks %s:", route_keys[i]);
	}
	if (keys[ROUTE_TO].value && !config_read_prefix(r->diag, keys[ROUTE_TO].value, "to",
							&route->prefix, &route->prefix_len))
		good = false;
	return keys[ROUTE_VIA].value &&
	       config_read_address(r->diag, keys[ROUTE_VIA].value, "via", &route->via) &&
	       config_find_station(r, keys[ROUTE_VIA].value, "gateway", route->via,
				   SUBNET_ANY_PORT) &&
	       good;
}

static int compare_routes(const void *a, const void *b)
{
	const struct lab_route *x = *(const struct lab_route *const *)a;
	const struct lab_route *y = *(const struct lab_route *const *)b;
	if (!be32_equal(x->prefix, y->prefix))
		return be32_host(x->prefix) < be32_host(y->prefix) ? -1 : 1;
	if (x->prefix_len != y->prefix_len)
		return x->prefix_len < y->prefix_len ? -1 : 1;
	return x < y ? -1 : 1;
}

/* The kernel takes a prefix once: a second `ip route add` says "File exists". */
static void check_duplicate_routes(struct diag *diag, const struct lab_node *node)
{
	const struct lab_route **sorted = config_alloc(diag, node->n_routes, sizeof(*sorted));
	if (!sorted)
		return;
	for (unsigned i = 0; i < node->n_routes; i++)
		sorted[i] = &node->routes[i];
	qsort(sorted, node->n_routes, sizeof(*sorted), compare_routes);
	for (unsigned i = 1; i < node->n_routes; i++) {
		const struct lab_route *a = sorted[i - 1], *b = sorted[i];
		char hint[64];
		if (!be32_equal(a->prefix, b->prefix) || a->prefix_len != b->prefix_len)
			continue;
		snprintf(hint, sizeof(hint), "another is on line %u", a->at.line);
		diag_error(diag, b->at, hint, "a second route with this prefix");
	}
	free(sorted);
}

/* A host's interfaces look like ports to the subnet table, so gateways are checked alike. */
static void read_routes(struct diag *diag, const struct yaml_node *section, struct lab_node *node,
			bool addresses_broken)
{
	const struct yaml_node *item = yaml_first_item(diag, section, "routes");
	struct config interfaces = {
		.ports = config_alloc(diag, node->n_interfaces, sizeof(*interfaces.ports)),
	};
	for (; interfaces.ports && interfaces.n_ports < node->n_interfaces; interfaces.n_ports++) {
		const struct lab_interface *interface = &node->interfaces[interfaces.n_ports];
		struct config_port *port = &interfaces.ports[interfaces.n_ports];
		memcpy(port->name, interface->name, sizeof(port->name));
		port->addresses = interface->addresses;
		port->n_addresses = interface->n_addresses;
	}
	struct config_reader r = {
		.diag = diag, .config = &interfaces, .ports_broken = addresses_broken};
	node->routes = config_alloc(diag, yaml_count(item), sizeof(*node->routes));
	if (node->routes && subnet_table_init(&r.subnets, &interfaces, diag)) {
		for (; item; item = item->next)
			node->n_routes += read_route(&r, item, &node->routes[node->n_routes]);
		check_duplicate_routes(diag, node);
	}
	subnet_table_fini(&r.subnets);
	free(interfaces.ports);
}

/* ---- the node ---- */

static void read_start(struct diag *diag, const struct yaml_node *section, struct lab_node *node)
{
	const struct yaml_node *item = yaml_first_item(diag, section, "start");
	node->start = config_alloc(diag, yaml_count(item), sizeof(*node->start));
	for (; node->start && item; item = item->next) {
		char *command = lab_read_string(diag, item, "start");
		if (command)
			node->start[node->n_start++] = command;
	}
}

bool lab_router_bridge(const struct lab_node *node, const char *name)
{
	return node->router && config_find_bridge(node->router, name);
}

static void refuse_interface(struct diag *diag, const struct lab_interface *interface,
			     const struct config *router)
{
	int port = config_find_port(router, interface->name);
	if (config_find_bridge(router, interface->name))
		diag_error(diag, interface->at, "write its addresses and MAC inside router:",
			   "%s is a bridge of the router", interface->name);
	else if (interface->n_addresses && port >= 0)
		diag_error(diag, interface->at,
			   router->ports[port].bridge[0]
				   ? "it is in a bridge: write them inside router:, at the bridge"
				   : "write its addresses inside router:, under ports:",
			   "%s is a port of the router", interface->name);
}

/* What a router says in its own section it cannot say here too. */
static void check_router_keys(struct diag *diag, const struct yaml_entry *keys,
			      const struct lab_node *node)
{
	if (keys[ROUTES].key)
		diag_error(diag, yaml_place(keys[ROUTES].key), "write them inside router:",
			   "a router's routes: are part of its router file");
	for (unsigned i = 0; node->router && i < node->n_interfaces; i++)
		refuse_interface(diag, &node->interfaces[i], node->router);
}

void lab_read_node(struct diag *diag, const struct yaml_node *key, struct lab_node *node)
{
	struct yaml_entry keys[N_KEYS];
	char what[80];
	node->at = yaml_place(key);
	node->name = lab_read_label(diag, key, "a node's name");
	snprintf(what, sizeof(what), "node %.64s", node->name ? node->name : "?");
	if (!yaml_read_map(diag, key->next, what, node_keys, keys))
		return;
	unsigned errors_before = diag->n_errors;
	if (keys[ADDRESSES].value)
		read_addresses(diag, keys[ADDRESSES].value, node);
	bool addresses_broken = diag->n_errors > errors_before;
	if (keys[MACS].value)
		read_macs(diag, keys[MACS].value, node);
	if (keys[START].value)
		read_start(diag, keys[START].value, node);
	if (!keys[ROUTER].value) {
		if (keys[ROUTES].value)
			read_routes(diag, keys[ROUTES].value, node, addresses_broken);
		return;
	}
	node->router = config_read_section(diag, keys[ROUTER].value, true);
	if (node->router && diag->n_errors == 0) /* with any error nobody gets the lab */
		node->router_text = lab_router_text(diag, keys[ROUTER].value);
	check_router_keys(diag, keys, node);
}
