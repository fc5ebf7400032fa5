/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_route - the routes: section. There may be a million, so each costs one binary
 * search for its gateway's subnet and one probe of a hash set for duplicates.
 */
#include "config_reader.h"

#include <stdlib.h>

enum { TO, VIA, PORT, METRIC, TYPE, N_KEYS };
static const char *const route_keys[] = {
	[TO] = "to",
	[VIA] = "via",
	[PORT] = "port",
	[METRIC] = "metric",
	[TYPE] = "type",
	NULL,
};
static const char *const route_types[] = {
	[ROUTE_UNICAST] = "unicast",
	[ROUTE_BLACKHOLE] = "blackhole",
	[ROUTE_UNREACHABLE] = "unreachable",
	[ROUTE_PROHIBIT] = "prohibit",
	NULL,
};

/* The routes so far, by prefix and metric: open addressing, at most half full. */
struct route_set {
	uint32_t *slots; /* the route's index + 1; zero: empty */
	size_t mask;
};

static bool route_set_init(struct route_set *set, size_t n_routes, struct diag *diag)
{
	size_t size = 16;
	while (size < 2 * n_routes)
		size *= 2;
	set->mask = size - 1;
	set->slots = config_alloc(diag, size, sizeof(*set->slots));
	return set->slots;
}

static size_t route_hash(const struct config_route *route)
{
	uint64_t h = (uint64_t)route->prefix.raw << 32 |
		     (route->metric ^ (uint32_t)route->prefix_len << 26);
	h *= 0x9e3779b97f4a7c15; /* Fibonacci hashing: 2^64 divided by the golden ratio */
	return (size_t)(h >> 32 ^ h >> 13);
}

/* Adds routes[index]; the earlier one with the same prefix and metric, or NULL. */
static const struct config_route *route_set_add(struct route_set *set,
						const struct config_route *routes, size_t index)
{
	const struct config_route *route = &routes[index];
	size_t i = route_hash(route) & set->mask;
	for (; set->slots[i]; i = (i + 1) & set->mask) {
		const struct config_route *other = &routes[set->slots[i] - 1];
		if (be32_equal(other->prefix, route->prefix) &&
		    other->prefix_len == route->prefix_len && other->metric == route->metric)
			return other;
	}
	set->slots[i] = (uint32_t)index + 1;
	return NULL;
}

/* Where a unicast route leads: via a gateway, out of a port, or both. misnamed: has unknown keys. */
static bool read_way(struct config_reader *r, const struct yaml_entry *keys, bool misnamed,
		     struct config_route *route)
{
	unsigned port = SUBNET_ANY_PORT;
	if (!keys[VIA].value && !keys[PORT].value) {
		if (misnamed)
			return false;
		diag_error(r->diag, route->at,
			   "add via: GATEWAY, or port: PORT for a prefix directly on that port",
			   "the route does not say where to");
		return false;
	}
	if (keys[PORT].value &&
	    !config_read_port_name(r, keys[PORT].value, "port", route->port, &port))
		return false;
	if (!keys[VIA].value)
		return true;
	return config_read_address(r->diag, keys[VIA].value, "via", &route->via) &&
	       config_find_station(r, keys[VIA].value, "gateway", route->via, port);
}

static void refuse_way(struct config_reader *r, const struct yaml_entry *entry, const char *type)
{
	if (entry->key)
		diag_error(r->diag, yaml_place(entry->key), "leave it out: the packets go nowhere",
			   "a %s route has no %s:", type, entry->key->text);
}

static bool read_route(struct config_reader *r, const struct yaml_node *node,
		       struct config_route *route)
{
	struct yaml_entry keys[N_KEYS];
	unsigned type = ROUTE_UNICAST, errors_before = r->diag->n_errors;
	route->at = yaml_place(node);
	if (!yaml_read_map(r->diag, node, "a route", route_keys, keys))
		return false;
	bool misnamed = r->diag->n_errors > errors_before, good = !misnamed;
	if (!keys[TO].value && !misnamed)
		diag_error(r->diag, route->at, "add to: PREFIX, or to: default",
			   "the route lacks to:");
	if (!keys[TO].value ||
	    !config_read_prefix(r->diag, keys[TO].value, "to", &route->prefix, &route->prefix_len))
		good = false;
	if (keys[METRIC].value &&
	    !yaml_read_number(r->diag, keys[METRIC].value, "metric", 0, UINT32_MAX, &route->metric))
		good = false;
	if (keys[TYPE].value &&
	    !yaml_read_choice(r->diag, keys[TYPE].value, "type", route_types, &type))
		return false;
	route->type = type;
	if (type == ROUTE_UNICAST)
		return read_way(r, keys, misnamed, route) && good;
	refuse_way(r, &keys[VIA], route_types[type]);
	refuse_way(r, &keys[PORT], route_types[type]);
	return good;
}

void config_read_routes(struct config_reader *r, const struct yaml_node *node)
{
	struct config *config = r->config;
	const struct yaml_node *item = yaml_first_item(r->diag, node, "routes");
	size_t n = yaml_count(item);
	struct route_set set;
	if (n == 0 || !route_set_init(&set, n, r->diag))
		return;
	config->routes = config_alloc(r->diag, n, sizeof(*config->routes));
	for (; config->routes && item; item = item->next) {
		struct config_route *route = &config->routes[config->n_routes];
		*route = (struct config_route){0};
		if (!read_route(r, item, route))
			continue;
		const struct config_route *other =
			route_set_add(&set, config->routes, config->n_routes++);
		if (other) {
			char hint[128];
			snprintf(hint, sizeof(hint),
				 "the first is on line %u; "
				 "give one a larger metric: to keep it as a spare",
				 other->at.line);
			diag_error(r->diag, route->at, hint,
				   "a second route with this prefix and metric");
		}
	}
	free(set.slots);
}
