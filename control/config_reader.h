/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_reader.h - a router file while it is being read. config.c goes through it; the
 * sections have a file each, and later ones refer to ports and bridges read before.
 */
#ifndef TSUJI_CONFIG_READER_H
#define TSUJI_CONFIG_READER_H

#include "config_subnet.h"
#include "config_value.h"

enum config_port_key {
	PORT_ADDRESSES,
	PORT_MTU,
	PORT_XDP,
	PORT_LEARNING,
	PORT_FLOOD,
	PORT_ISOLATED,
	PORT_MIRROR,
	N_PORT_KEYS
};
struct config_port_keys {
	struct yaml_entry of[N_PORT_KEYS];
};

struct config_reader {
	struct diag *diag;
	struct config *config;
	struct subnet_table subnets;
	struct config_port_keys *port_keys; /* of the n_port_keys first ports: those under ports: */
	unsigned n_port_keys;
	bool full;           /* complained of: there is no room for another port or bridge */
	bool ports_broken;   /* an address was refused, so a subnet may be missing */
	bool bridges_broken; /* a port may be in a bridge without our knowing */
};

/* node: the section; fills in config->ports, and port_keys for config_finish_ports(). */
void config_read_ports(struct config_reader *r, const struct yaml_node *node);
/* Takes ports into config->bridges, and appends those that ports: does not list. */
void config_read_bridges(struct config_reader *r, const struct yaml_node *node);
/* Reads what a port may say only now that it is known to be in a bridge or not. */
void config_finish_ports(struct config_reader *r);
/* node: the section; fills in config->routes or config->neighbours. */
void config_read_routes(struct config_reader *r, const struct yaml_node *node);
void config_read_neighbours(struct config_reader *r, const struct yaml_node *node);

/* The port's index, or -1; the bridge, or NULL. */
int config_find_port(const struct config *config, const char *name);
const struct config_bridge *config_find_bridge(const struct config *config, const char *name);
/*
 * Reads the `mirror:` of the port or bridge `of`, whose copies go to a port of the file that
 * has no addresses, no mirror, and is in no bridge. Complained if mirror stays as it was.
 */
void config_read_mirror(struct config_reader *r, const struct yaml_node *node, const char *of,
			char *mirror);
/*
 * Reads a `port:` that names a routed port or a bridge; name gets its text, *port its number
 * as in config_subnet.h. False, complained: no such port, or it is in a bridge.
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
