/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * routes - from the routes people asked for to the FIB.
 *
 * A FIB never changes once published, and may hold a million routes; so the list keeps,
 * for each route, its index in the FIB in use, which is where its packets are counted.
 * routes_build() writes indices for the next FIB beside them; only when that one has been
 * published, and the old one's counters stand still, routes_settle() adds up the hits and
 * moves on. If publishing fails in between, nothing needs undoing.
 *
 * Gateways are not resolved recursively: a gateway lies in the subnet of a port, and that
 * is where the packet leaves.
 */
#include "routes.h"

#include <errno.h>
#include <stdlib.h>

static int compare_prefix(be32 a, uint8_t a_len, be32 b, uint8_t b_len)
{
	uint32_t left = be32_host(a), right = be32_host(b);
	if (left != right)
		return left < right ? -1 : 1;
	return (int)a_len - (int)b_len;
}

static int compare_key(const struct route *a, const struct route *b)
{
	int order = compare_prefix(a->prefix, a->prefix_len, b->prefix, b->prefix_len);
	if (order == 0 && a->metric != b->metric)
		order = a->metric < b->metric ? -1 : 1;
	return order;
}

static int compare_routes(const void *left, const void *right)
{
	const struct route *a = left, *b = right;
	int order = compare_key(a, b);
	return order ? order : (int)a->source - (int)b->source;
}

static int reserve(struct route_list *list, size_t more)
{
	if (list->n + more <= list->size)
		return 0;
	size_t size = list->n + more + list->size / 2;
	struct route *routes = realloc(list->routes, size * sizeof(*routes));
	if (!routes)
		return -ENOMEM;
	list->routes = routes;
	list->size = size;
	return 0;
}

static struct port *port_by_name(const struct port_table *ports, const char *name)
{
	for (unsigned i = 0; i < ports->n_ports; i++)
		if (ports->ports[i] && strcmp(ports->ports[i]->name, name) == 0)
			return ports->ports[i];
	return NULL;
}

static struct port *port_by_gateway(const struct port_table *ports, be32 via)
{
	for (unsigned i = 0; i < ports->n_ports; i++)
		if (ports->ports[i] && port_subnet_of(ports->ports[i], via))
			return ports->ports[i];
	return NULL;
}

static struct port *port_of_route(const struct port_table *ports, const struct config_route *route)
{
	return route->port[0] ? port_by_name(ports, route->port)
			      : port_by_gateway(ports, route->via);
}

static struct route from_config(const struct config_route *from, enum route_source source,
				const struct port_table *ports)
{
	const struct port *port = from->type == ROUTE_UNICAST ? port_of_route(ports, from) : NULL;
	return (struct route){
		.prefix = from->prefix,
		.prefix_len = from->prefix_len,
		.metric = from->metric,
		.via = from->via,
		.type = from->type,
		.source = source,
		.port = port ? port->number : PORT_NONE,
		.state = ROUTE_PORT_DOWN,
		.index = ROUTE_NONE,
		.next_index = ROUTE_NONE,
	};
}

/* A /32 has no neighbours; two addresses of one subnet make one route, the first its source. */
static void add_connected(struct route_list *list, const struct port *port)
{
	for (unsigned i = 0; i < port->n_addresses; i++) {
		be32 address = port->addresses[i].address;
		uint8_t prefix_len = port->addresses[i].prefix_len;
		be32 prefix = {address.raw & ip4_mask(prefix_len).raw};
		bool again = prefix_len == 32;
		for (unsigned j = 0; j < i && !again; j++)
			again = port->addresses[j].prefix_len == prefix_len &&
				ip4_in_prefix(port->addresses[j].address, prefix, prefix_len);
		if (again)
			continue;
		list->routes[list->n++] = (struct route){
			.prefix = prefix,
			.prefix_len = prefix_len,
			.type = ROUTE_UNICAST,
			.source = FROM_CONNECTED,
			.source_address = address,
			.port = port->number,
			.state = ROUTE_PORT_DOWN,
			.index = ROUTE_NONE,
			.next_index = ROUTE_NONE,
		};
	}
}

/* The file wins for what it names: of one key, what comes after a route of the file goes. */
static void drop_named_by_file(struct route_list *list)
{
	size_t kept = 0;
	for (size_t i = 0; i < list->n; i++) {
		const struct route *route = &list->routes[i];
		const struct route *before = kept ? &list->routes[kept - 1] : NULL;
		if (before && before->source == FROM_FILE && route->source == FROM_LIVE &&
		    compare_key(before, route) == 0)
			continue;
		list->routes[kept++] = *route;
	}
	list->n = kept;
}

int routes_fill(struct route_list *list, const struct port_table *ports,
		const struct config_route *file, size_t n_file, const struct config_route *live,
		size_t n_live)
{
	size_t n_connected = 0;
	for (unsigned i = 0; i < ports->n_ports; i++)
		if (ports->ports[i])
			n_connected += ports->ports[i]->n_addresses;
	if (reserve(list, n_connected + n_file + n_live) < 0)
		return -ENOMEM;
	for (unsigned i = 0; i < ports->n_ports; i++)
		if (ports->ports[i])
			add_connected(list, ports->ports[i]);
	for (size_t i = 0; i < n_file; i++)
		list->routes[list->n++] = from_config(&file[i], FROM_FILE, ports);
	for (size_t i = 0; i < n_live; i++)
		list->routes[list->n++] = from_config(&live[i], FROM_LIVE, ports);
	if (list->n)
		qsort(list->routes, list->n, sizeof(*list->routes), compare_routes);
	drop_named_by_file(list);
	return 0;
}

void routes_fini(struct route_list *list)
{
	free(list->routes);
	*list = (struct route_list){0};
}

/* The first place whose route does not come before wanted. */
static size_t lower_bound(const struct route_list *list, const struct route *wanted)
{
	size_t low = 0, high = list->n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (compare_routes(&list->routes[middle], wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct route *find_from(const struct route_list *list, const struct route *wanted)
{
	size_t i = lower_bound(list, wanted);
	if (i == list->n || compare_key(&list->routes[i], wanted) != 0)
		return NULL;
	return &list->routes[i];
}

struct route *routes_find(const struct route_list *list, be32 prefix, uint8_t prefix_len,
			  uint32_t metric)
{
	return find_from(list, &(struct route){.prefix = prefix,
					       .prefix_len = prefix_len,
					       .metric = metric,
					       .source = FROM_CONNECTED});
}

struct route *routes_find_asked(const struct route_list *list, be32 prefix, uint8_t prefix_len,
				uint32_t metric)
{
	return find_from(list, &(struct route){.prefix = prefix,
					       .prefix_len = prefix_len,
					       .metric = metric,
					       .source = FROM_FILE});
}

struct route *routes_find_any(const struct route_list *list, be32 prefix, uint8_t prefix_len)
{
	const struct route wanted = {.prefix = prefix, .prefix_len = prefix_len};
	for (size_t i = lower_bound(list, &wanted); i < list->n; i++) {
		struct route *route = &list->routes[i];
		if (compare_prefix(route->prefix, route->prefix_len, prefix, prefix_len) != 0)
			return NULL;
		if (route->source != FROM_CONNECTED)
			return route;
	}
	return NULL;
}

const struct route *routes_to_prefix(const struct route_list *list, be32 prefix,
				     uint8_t prefix_len, size_t *n)
{
	const struct route wanted = {.prefix = prefix, .prefix_len = prefix_len};
	size_t first = lower_bound(list, &wanted), i = first;
	while (i < list->n && compare_prefix(list->routes[i].prefix, list->routes[i].prefix_len,
					     prefix, prefix_len) == 0)
		i++;
	*n = i - first;
	return list->routes + first;
}

const struct route *routes_after(const struct route_list *list, const struct route_place *place)
{
	const struct route last = {.prefix = place->prefix,
				   .prefix_len = place->prefix_len,
				   .metric = place->metric,
				   .source = place->source};
	size_t i = place->begun ? lower_bound(list, &last) : 0;
	if (place->begun && i < list->n && compare_routes(&list->routes[i], &last) == 0)
		i++;
	return i < list->n ? &list->routes[i] : NULL;
}

struct route_place routes_place(const struct route *route)
{
	return (struct route_place){.begun = true,
				    .prefix = route->prefix,
				    .prefix_len = route->prefix_len,
				    .source = route->source,
				    .metric = route->metric};
}

struct route *routes_insert(struct route_list *list, const struct port_table *ports,
			    const struct config_route *from)
{
	struct route route = from_config(from, FROM_LIVE, ports);
	if (reserve(list, 1) < 0)
		return NULL;
	struct route *place = &list->routes[lower_bound(list, &route)];
	memmove(place + 1, place, (char *)&list->routes[list->n] - (char *)place);
	list->n++;
	*place = route;
	return place;
}

void routes_remove(struct route_list *list, struct route *route)
{
	list->n--;
	memmove(route, route + 1, (char *)&list->routes[list->n] - (char *)route);
}

static int check_gateway(const struct config_route *route, const struct port *port,
			 struct refusal *why)
{
	char via[20];
	const struct port_address *subnet = port_subnet_of(port, route->via);
	config_format_address(route->via, via);
	if (!subnet)
		return refusal_set(why, REFUSED_CONFIG, "gateway %s is in no subnet of port %s",
				   via, port->name);
	for (unsigned i = 0; i < port->n_addresses; i++)
		if (be32_equal(port->addresses[i].address, route->via))
			return refusal_set(why, REFUSED_CONFIG,
					   "gateway %s is this router's own address", via);
	uint32_t hosts = ~be32_host(ip4_mask(subnet->prefix_len));
	uint32_t host = be32_host(route->via) & hosts;
	if (subnet->prefix_len <= 30 && (host == 0 || host == hosts))
		return refusal_set(why, REFUSED_CONFIG,
				   "gateway %s is the %s address of its subnet", via,
				   host ? "broadcast" : "network");
	return 0;
}

int routes_check(const struct config_route *route, const struct port_table *ports,
		 struct refusal *why)
{
	if (route->type != ROUTE_UNICAST) {
		if (be32_is_zero(route->via) && !route->port[0])
			return 0;
		return refusal_set(why, REFUSED_CONFIG, "a %s route has no gateway and no port",
				   route_type_name(route->type));
	}
	if (be32_is_zero(route->via) && !route->port[0])
		return refusal_set(why, REFUSED_CONFIG,
				   "a route needs a gateway, a port, or a type");
	const struct port *port = port_of_route(ports, route);
	if (!port && route->port[0])
		return refusal_set(why, REFUSED_CONFIG, "there is no port %s", route->port);
	if (port && port->bridge != PORT_NONE)
		return refusal_set(why, REFUSED_CONFIG,
				   "port %s is in bridge %s: routes lead to the bridge", port->name,
				   ports->ports[port->bridge]->name);
	if (!port) {
		char via[20];
		return refusal_set(why, REFUSED_CONFIG, "gateway %s is in no port's subnet",
				   config_format_address(route->via, via));
	}
	return be32_is_zero(route->via) ? 0 : check_gateway(route, port, why);
}

static bool usable(const struct route *route, const struct port_table *ports)
{
	if (route->type != ROUTE_UNICAST)
		return true;
	const struct port *port = port_get(ports, route->port);
	return port && port->up;
}

/* Our address by a route: in its gateway's subnet, else the port's first, else any of ours. */
static be32 choose_source(const struct route *route, const struct port_table *ports)
{
	const struct port *port = ports->ports[route->port];
	if (!be32_is_zero(route->source_address))
		return route->source_address;
	const struct port_address *subnet =
		port_subnet_of(port, be32_is_zero(route->via) ? route->prefix : route->via);
	if (subnet)
		return subnet->address;
	if (port->n_addresses)
		return port->addresses[0].address;
	for (unsigned i = 0; i < ports->n_ports; i++)
		if (ports->ports[i] && ports->ports[i]->n_addresses)
			return ports->ports[i]->addresses[0].address;
	return (be32){0};
}

static struct fib_route to_fib(const struct route *route, const struct port_table *ports)
{
	static const uint8_t types[] = {
		[ROUTE_UNICAST] = FIB_UNICAST,
		[ROUTE_BLACKHOLE] = FIB_BLACKHOLE,
		[ROUTE_UNREACHABLE] = FIB_UNREACHABLE,
		[ROUTE_PROHIBIT] = FIB_PROHIBIT,
	};
	bool unicast = route->type == ROUTE_UNICAST;
	return (struct fib_route){
		.prefix = route->prefix,
		.prefix_len = route->prefix_len,
		.type = types[route->type],
		.port = unicast ? route->port : PORT_NONE,
		.via = route->via,
		.source = unicast ? choose_source(route, ports) : (be32){0},
	};
}

struct fib *routes_build(struct route_list *list, const struct port_table *ports)
{
	struct fib_route *chosen = malloc((list->n ? list->n : 1) * sizeof(*chosen));
	const struct route *used = NULL; /* the last one chosen: its prefix is taken */
	size_t n = 0;
	if (!chosen)
		return NULL;
	for (size_t i = 0; i < list->n; i++) {
		struct route *route = &list->routes[i];
		bool taken = used && compare_prefix(used->prefix, used->prefix_len, route->prefix,
						    route->prefix_len) == 0;
		route->next_index = ROUTE_NONE;
		if (route->leaving || !usable(route, ports)) {
			route->next_state = ROUTE_PORT_DOWN;
		} else if (taken) {
			route->next_state = ROUTE_SHADOWED;
		} else {
			route->next_state = ROUTE_USED;
			route->next_index = n;
			chosen[n++] = to_fib(route, ports);
			used = route;
		}
	}
	struct fib *fib = fib_new(chosen, n);
	free(chosen);
	return fib;
}

void routes_settle(struct route_list *list, const struct fib *old)
{
	for (size_t i = 0; i < list->n; i++) {
		struct route *route = &list->routes[i];
		if (old && route->index != ROUTE_NONE)
			route->hits += fib_hits(old, route->index);
		route->index = route->next_index;
		route->state = route->next_state;
	}
}

void routes_inherit(struct route_list *list, const struct route_list *old)
{
	for (size_t i = 0, j = 0; i < list->n && j < old->n;) {
		int order = compare_key(&list->routes[i], &old->routes[j]);
		bool connected = list->routes[i].source == FROM_CONNECTED;
		bool was_connected = old->routes[j].source == FROM_CONNECTED;
		if (order == 0 && connected == was_connected)
			list->routes[i++].hits += old->routes[j++].hits;
		else if (order < 0 || (order == 0 && connected))
			i++;
		else
			j++;
	}
}

static size_t next_asked_for(const struct route_list *list, size_t i)
{
	while (i < list->n && list->routes[i].source == FROM_CONNECTED)
		i++;
	return i;
}

struct route_changes routes_compare(const struct route_list *list, const struct route_list *old)
{
	struct route_changes changes = {0};
	size_t i = next_asked_for(list, 0), j = next_asked_for(old, 0);
	while (i < list->n || j < old->n) {
		int order = i == list->n  ? 1
			    : j == old->n ? -1
					  : compare_key(&list->routes[i], &old->routes[j]);
		if (order == 0) {
			const struct route *a = &list->routes[i], *b = &old->routes[j];
			changes.changed += a->type != b->type || !be32_equal(a->via, b->via) ||
					   a->port != b->port || a->source != b->source;
		}
		changes.added += order < 0;
		changes.removed += order > 0;
		if (order <= 0)
			i = next_asked_for(list, i + 1);
		if (order >= 0)
			j = next_asked_for(old, j + 1);
	}
	return changes;
}

const char *route_type_name(enum config_route_type type)
{
	static const char *const names[] = {
		[ROUTE_UNICAST] = "unicast",
		[ROUTE_BLACKHOLE] = "blackhole",
		[ROUTE_UNREACHABLE] = "unreachable",
		[ROUTE_PROHIBIT] = "prohibit",
	};
	return names[type];
}

const char *route_source_name(enum route_source source)
{
	static const char *const names[] = {
		[FROM_CONNECTED] = "connected", [FROM_FILE] = "file", [FROM_LIVE] = "live"};
	return names[source];
}

const char *route_state_name(enum route_state state)
{
	static const char *const names[] = {[ROUTE_USED] = "used",
					    [ROUTE_SHADOWED] = "shadowed",
					    [ROUTE_PORT_DOWN] = "port-down"};
	return names[state];
}
