/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_neigh - the neighbours: section: stations whose MAC the file knows.
 */
#include "config_reader.h"

#include <stdlib.h>

enum { ADDRESS, MAC, PORT, N_KEYS };
static const char *const neigh_keys[] = {
	[ADDRESS] = "address",
	[MAC] = "mac",
	[PORT] = "port",
	NULL,
};

static bool read_neigh(struct config_reader *r, const struct yaml_node *node,
		       struct config_neigh *neigh)
{
	struct yaml_entry keys[N_KEYS];
	unsigned port = SUBNET_ANY_PORT, errors_before = r->diag->n_errors;
	neigh->at = yaml_place(node);
	if (!yaml_read_map(r->diag, node, "a neighbour", neigh_keys, keys))
		return false;
	bool misnamed = r->diag->n_errors > errors_before;
	for (unsigned i = ADDRESS; i <= MAC; i++)
		if (!keys[i].value && !misnamed)
			diag_error(r->diag, neigh->at, NULL,
				   "the neighbour lacks %s:", neigh_keys[i]);
	bool good =
		keys[MAC].value && config_read_mac(r->diag, keys[MAC].value, "mac", &neigh->mac);
	if (keys[PORT].value &&
	    !config_read_port_name(r, keys[PORT].value, "port", neigh->port, &port))
		return false;
	if (!keys[ADDRESS].value ||
	    !config_read_address(r->diag, keys[ADDRESS].value, "address", &neigh->address))
		return false;
	const struct subnet *subnet =
		config_find_station(r, keys[ADDRESS].value, "neighbour", neigh->address, port);
	if (subnet)
		memcpy(neigh->port, subnet_port_name(r->config, subnet->port), CONFIG_NAME_SIZE);
	return good && subnet;
}

/* Subnets of ports do not overlap, so an address alone tells two neighbours apart. */
static int compare_neighs(const void *a, const void *b)
{
	const struct config_neigh *x = *(const struct config_neigh *const *)a;
	const struct config_neigh *y = *(const struct config_neigh *const *)b;
	if (!be32_equal(x->address, y->address))
		return be32_host(x->address) < be32_host(y->address) ? -1 : 1;
	return x < y ? -1 : 1;
}

static void check_duplicates(struct config_reader *r)
{
	unsigned n = r->config->n_neighbours;
	const struct config_neigh **sorted = config_alloc(r->diag, n, sizeof(*sorted));
	if (!sorted)
		return;
	for (unsigned i = 0; i < n; i++)
		sorted[i] = &r->config->neighbours[i];
	qsort(sorted, n, sizeof(*sorted), compare_neighs);
	for (unsigned i = 1, first = 0; i < n; i++) {
		if (!be32_equal(sorted[i]->address, sorted[first]->address)) {
			first = i;
			continue;
		}
		char hint[64], buf[18];
		snprintf(hint, sizeof(hint), "the first is on line %u", sorted[first]->at.line);
		diag_error(r->diag, sorted[i]->at, hint, "neighbour %s is given twice",
			   config_format_address(sorted[i]->address, buf));
	}
	free(sorted);
}

void config_read_neighbours(struct config_reader *r, const struct yaml_node *node)
{
	struct config *config = r->config;
	const struct yaml_node *item = yaml_first_item(r->diag, node, "neighbours");
	config->neighbours = config_alloc(r->diag, yaml_count(item), sizeof(*config->neighbours));
	for (; config->neighbours && item; item = item->next) {
		struct config_neigh *neigh = &config->neighbours[config->n_neighbours];
		*neigh = (struct config_neigh){0};
		config->n_neighbours += read_neigh(r, item, neigh);
	}
	check_duplicates(r);
}
