/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * port - building a port table. Used by control before it publishes one, and by tests.
 *
 * The locals are a small open-addressing set, at most half full, so that the lookup of a
 * transit packet's destination nearly always ends at its first load.
 */
#include "port.h"

#include <stdlib.h>

struct port_table *port_table_new(unsigned n_locals)
{
	unsigned size = 16;
	while (size < 2 * n_locals)
		size *= 2;
	struct port_table *table = calloc(1, sizeof(*table));
	if (!table)
		return NULL;
	table->locals = calloc(size, sizeof(*table->locals));
	table->locals_mask = size - 1;
	if (!table->locals) {
		free(table);
		return NULL;
	}
	return table;
}

void port_table_free(struct port_table *table)
{
	if (table)
		free(table->locals);
	free(table);
}

void port_table_add_local(struct port_table *table, struct local local)
{
	assert(!be32_is_zero(local.address));
	unsigned i = port_local_hash(local.address);
	while (!be32_is_zero(table->locals[i & table->locals_mask].address) &&
	       !be32_equal(table->locals[i & table->locals_mask].address, local.address))
		i++;
	struct local *place = &table->locals[i & table->locals_mask];
	if (be32_is_zero(place->address)) {
		assert(2 * (table->n_locals + 1) <= table->locals_mask + 1);
		table->n_locals++;
		*place = local;
		return;
	}
	/* An address of ours outranks a broadcast address; the file outranks the kernel. */
	if ((local.tsuji && !place->tsuji) || (place->broadcast && !local.broadcast))
		place->port = local.port;
	place->broadcast = place->broadcast && local.broadcast;
	place->tsuji = place->tsuji || local.tsuji;
	place->kernel = place->kernel || local.kernel;
}
