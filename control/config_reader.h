/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_reader.h - a router file while it is being read. config.c reads the ports first;
 * the sections that refer to them have a file each.
 */
#ifndef TSUJI_CONFIG_READER_H
#define TSUJI_CONFIG_READER_H

#include "config_subnet.h"
#include "config_value.h"

struct config_reader {
	struct diag *diag;
	struct config *config;
	struct subnet_table subnets;
	bool ports_broken; /* an address was refused, so a subnet may be missing */
};

/* node: the section; fills in config->routes or config->neighbours. */
void config_read_routes(struct config_reader *r, const struct yaml_node *node);
void config_read_neighbours(struct config_reader *r, const struct yaml_node *node);

/*
 * Reads a `port:` that must be listed under ports:; name gets its text, *port its index.
 * False, complained: no such port.
 */
bool config_read_port_name(struct config_reader *r, const struct yaml_node *node, char *name,
			   unsigned *port);
/*
 * Finds the subnet that a station's address is in, on one port or SUBNET_ANY_PORT. It must
 * not be the router's own address nor its subnet's first or last. NULL: complained, except
 * where two ports overlap, which was complained about before.
 */
const struct subnet *config_find_station(struct config_reader *r, const struct yaml_node *node,
					 const char *what, be32 address, unsigned port);

#endif
