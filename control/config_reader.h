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
/* node: the section; fills in config->nat or config->filter. */
void config_read_nat(struct config_reader *r, const struct yaml_node *node);
void config_read_filter(struct config_reader *r, const struct yaml_node *node);

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
 * Reads a value that names a routed port or a bridge; name gets its text, *port its number
 * as in config_subnet.h. False, complained: no such port, or it is in a bridge.
 */
bool config_read_port_name(struct config_reader *r, const struct yaml_node *node, const char *what,
			   char *name, unsigned *port);
/*
 * Finds the subnet that a station's address is in, on one port or SUBNET_ANY_PORT. It must
 * not be the router's own address nor its subnet's first or last. NULL: complained, except
 * where two ports overlap, which was complained about before.
 */
const struct subnet *config_find_station(struct config_reader *r, const struct yaml_node *node,
					 const char *what, be32 address, unsigned port);

/* ---- what rules of nat: and filter: ask of a packet (config_rule.c) ---- */

/* True where the entry is absent: each of these leaves the value as it was then. */
bool config_read_rule_port(struct config_reader *r, const struct yaml_entry *entry, char *name);
/* A prefix, or an address alone. False also for one that no routed packet can carry. */
bool config_read_rule_prefix(struct config_reader *r, const struct yaml_entry *entry,
			     struct config_prefix *prefix);
/* tcp, udp, icmp, or a number from 1. */
bool config_read_protocol(struct config_reader *r, const struct yaml_entry *entry,
			  uint8_t *protocol);
/* "9999" or "9000-9010". */
bool config_read_port_range(struct config_reader *r, const struct yaml_entry *entry,
			    struct config_ports *ports);
/* The same, of a value that has other things in it too. */
bool config_read_port_text(struct config_reader *r, const struct yaml_node *node, const char *what,
			   const char *text, struct config_ports *ports);
/* False, complained: entry is there, and the protocol has no ports. */
bool config_check_port_protocol(struct config_reader *r, const struct yaml_entry *entry,
				uint8_t protocol);
/* One of the NULL-terminated names, whose values stand in values, or a number up to 255. */
bool config_read_word_or_number(struct config_reader *r, const struct yaml_entry *entry,
				const char *const *names, const uint8_t *values, unsigned min,
				unsigned *value);

/* What a rule asks for, in a form that can be compared byte by byte. */
struct rule_match {
	char in[CONFIG_NAME_SIZE], out[CONFIG_NAME_SIZE];
	be32 from, to;
	struct config_ports sport, port;
	int32_t icmp_type;
	uint8_t from_len, to_len, protocol, states;
	uint32_t kind; /* rules of two kinds never ask for the same */
};
static_assert(sizeof(struct rule_match) == 2 * CONFIG_NAME_SIZE + 28, "no byte is padding");
/* Complains of rules that ask for the same as an earlier one. at: of each; n may be zero. */
void config_check_same_rules(struct config_reader *r, const struct rule_match *matches,
			     const struct place *at, size_t n);

#endif
