/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_subnet - the connected subnets, sorted so that those which hold others come first.
 *
 * Two prefixes are nested or disjoint, never anything between. So going through the sorted
 * array with a stack of the subnets around the present one finds every overlap, and the
 * stack is at most as deep as there are prefix lengths.
 */
#include "config_subnet.h"

#include <stdlib.h>

static int compare_numbers(uint32_t a, uint32_t b)
{
	return a < b ? -1 : a > b;
}

static int compare_subnets(const void *a, const void *b)
{
	const struct subnet *x = a, *y = b;
	int order = compare_numbers(x->first, y->first);
	if (!order)
		order = compare_numbers(x->address->prefix_len, y->address->prefix_len);
	if (!order)
		order = compare_numbers(be32_host(x->address->address),
					be32_host(y->address->address));
	return order;
}

static bool stands_before(struct place a, struct place b)
{
	return a.line != b.line ? a.line < b.line : a.column < b.column;
}

static int compare_addresses(const void *a, const void *b)
{
	const struct config_address *x = (*(struct subnet *const *)a)->address;
	const struct config_address *y = (*(struct subnet *const *)b)->address;
	int order = compare_numbers(be32_host(x->address), be32_host(y->address));
	return order ? order : stands_before(x->at, y->at) ? -1 : 1;
}

const char *subnet_port_name(const struct config *config, unsigned port)
{
	return port < config->n_ports ? config->ports[port].name
				      : config->bridges[port - config->n_ports].name;
}

static const struct config_address *port_addresses(const struct config *config, unsigned port,
						   unsigned *n)
{
	if (port < config->n_ports) {
		*n = config->ports[port].n_addresses;
		return config->ports[port].addresses;
	}
	*n = config->bridges[port - config->n_ports].n_addresses;
	return config->bridges[port - config->n_ports].addresses;
}

bool subnet_table_init(struct subnet_table *table, const struct config *config, struct diag *diag)
{
	*table = (struct subnet_table){0};
	size_t n = 0;
	unsigned n_ports = config->n_ports + config->n_bridges, n_addresses;
	for (unsigned i = 0; i < n_ports; i++) {
		port_addresses(config, i, &n_addresses);
		n += n_addresses;
	}
	if (n == 0)
		return true;
	table->subnets = calloc(n, sizeof(*table->subnets));
	if (!table->subnets) {
		diag_error(diag, (struct place){0}, NULL, "out of memory");
		return false;
	}
	for (unsigned i = 0; i < n_ports; i++) {
		const struct config_address *a = port_addresses(config, i, &n_addresses);
		for (unsigned j = 0; j < n_addresses; j++, a++) {
			uint32_t mask = be32_host(ip4_mask(a->prefix_len));
			table->subnets[table->n_subnets++] = (struct subnet){
				.first = be32_host(a->address) & mask,
				.last = be32_host(a->address) | ~mask,
				.address = a,
				.port = i,
			};
			table->lens |= 1ull << a->prefix_len;
		}
	}
	qsort(table->subnets, n, sizeof(*table->subnets), compare_subnets);
	return true;
}

void subnet_table_fini(struct subnet_table *table)
{
	free(table->subnets);
	*table = (struct subnet_table){0};
}

/* ---- checks ---- */

static void check_duplicates(struct subnet_table *table, const struct config *config,
			     struct diag *diag)
{
	size_t n = table->n_subnets;
	struct subnet **sorted = n ? malloc(n * sizeof(*sorted)) : NULL;
	if (!sorted)
		return;
	for (size_t i = 0; i < n; i++)
		sorted[i] = &table->subnets[i];
	qsort(sorted, n, sizeof(*sorted), compare_addresses);
	for (size_t i = 1, first = 0; i < n; i++) {
		const struct config_address *a = sorted[i]->address, *b = sorted[first]->address;
		if (!be32_equal(a->address, b->address)) {
			first = i;
			continue;
		}
		char hint[96], buf[18];
		snprintf(hint, sizeof(hint), "%s has it already, on line %u",
			 subnet_port_name(config, sorted[first]->port), b->at.line);
		diag_error(diag, a->at, hint, "address %s is given twice",
			   config_format_address(a->address, buf));
		sorted[i]->duplicate = true;
	}
	free(sorted);
}

static void complain_overlap(const struct subnet *a, const struct subnet *b,
			     const struct config *config, struct diag *diag)
{
	if (a->duplicate || b->duplicate)
		return;
	const struct subnet *earlier = stands_before(a->address->at, b->address->at) ? a : b;
	const struct subnet *later = earlier == a ? b : a;
	char hint[128], mine[18], other[18];
	snprintf(hint, sizeof(hint), "%s has %s/%u, on line %u; a host can be on one side only",
		 subnet_port_name(config, earlier->port),
		 config_format_address(be32_from(earlier->first), other),
		 earlier->address->prefix_len, earlier->address->at.line);
	diag_error(diag, later->address->at, hint, "subnet %s/%u overlaps that of another port",
		   config_format_address(be32_from(later->first), mine),
		   later->address->prefix_len);
}

static void check_overlaps(struct subnet_table *table, const struct config *config,
			   struct diag *diag)
{
	const struct subnet *around[34]; /* one per prefix length, and the present one */
	unsigned depth = 0;
	for (size_t i = 0; i < table->n_subnets; i++) {
		const struct subnet *s = &table->subnets[i];
		while (depth && around[depth - 1]->last < s->first)
			depth--;
		for (unsigned j = depth; j-- > 0;) {
			if (around[j]->port == s->port)
				continue;
			table->overlap = true;
			complain_overlap(around[j], s, config, diag);
			break;
		}
		bool same =
			depth && around[depth - 1]->address->prefix_len == s->address->prefix_len;
		if (!same)
			around[depth++] = s;
	}
}

void subnet_table_check(struct subnet_table *table, const struct config *config, struct diag *diag)
{
	check_duplicates(table, config, diag);
	check_overlaps(table, config, diag);
}

/* ---- questions ---- */

/* The first entry of subnet (first, prefix_len) with an own address from address on, or behind. */
static size_t lower_bound(const struct subnet_table *table, uint32_t first, unsigned prefix_len,
			  uint32_t address)
{
	size_t low = 0, high = table->n_subnets;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct subnet *s = &table->subnets[middle];
		int order = compare_numbers(s->first, first);
		if (!order)
			order = compare_numbers(s->address->prefix_len, prefix_len);
		if (!order)
			order = compare_numbers(be32_host(s->address->address), address);
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct subnet *subnet_find(const struct subnet_table *table, be32 address, unsigned port)
{
	for (unsigned len = 33; len-- > 0;) {
		if (!(table->lens >> len & 1))
			continue;
		uint32_t first = be32_host(address) & be32_host(ip4_mask(len));
		size_t i = lower_bound(table, first, len, 0);
		if (i == table->n_subnets)
			continue;
		const struct subnet *s = &table->subnets[i];
		if (s->first == first && s->address->prefix_len == len &&
		    (port == SUBNET_ANY_PORT || s->port == port))
			return s;
	}
	return NULL;
}

const struct subnet *subnet_find_own(const struct subnet_table *table, be32 address)
{
	uint32_t host = be32_host(address);
	for (unsigned len = 0; len <= 32; len++) {
		if (!(table->lens >> len & 1))
			continue;
		uint32_t first = host & be32_host(ip4_mask(len));
		size_t i = lower_bound(table, first, len, host);
		if (i == table->n_subnets)
			continue;
		const struct subnet *s = &table->subnets[i];
		if (s->first == first && s->address->prefix_len == len &&
		    be32_equal(s->address->address, address))
			return s;
	}
	return NULL;
}
