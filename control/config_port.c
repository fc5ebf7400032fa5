/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_port - the ports: section, and what the other sections ask of ports.
 *
 * It is read in two goes, for what a port may say depends on whether it is in a bridge,
 * and that is said further down: first names, addresses, mtu and xdp; then, when the
 * bridges have taken their ports, the flags that only those have, and the mirrors.
 */
#include "config_reader.h"
#include "../dataplane/packet.h"

#include <stdlib.h>

static const char *const port_keys[] = {
	[PORT_ADDRESSES] = "addresses",
	[PORT_MTU] = "mtu",
	[PORT_XDP] = "xdp",
	[PORT_LEARNING] = "learning",
	[PORT_FLOOD] = "flood",
	[PORT_ISOLATED] = "isolated",
	[PORT_MIRROR] = "mirror",
	NULL,
};
static const char *const xdp_words[] = {
	[XDP_AUTO] = "auto",
	[XDP_NATIVE] = "native",
	[XDP_GENERIC] = "generic",
	NULL,
};

/* The largest MTU there is; above MTU_ROUTER_MAX it takes several frames for a packet. */
enum { MTU_JUMBO = 65535 };

#define HINT_MIRROR "a mirror is a port with no addresses and in no bridge: only copies leave there"

/* ---- the first go ---- */

static void read_mtu(struct config_reader *r, const struct yaml_node *node, enum config_xdp xdp,
		     unsigned *mtu)
{
	uint32_t value;
	if (!yaml_read_number(r->diag, node, "mtu", MTU_MIN, MTU_JUMBO, &value))
		return;
	if (value > MTU_ROUTER_MAX && xdp != XDP_GENERIC)
		diag_error(r->diag, yaml_place(node),
			   "the largest frame of the pool is 4 KiB, which carries an MTU of 3498 "
			   "beside what the kernel keeps there; with xdp: generic a packet may be "
			   "several frames",
			   "mtu: %u does not fit into one frame", value);
	*mtu = value;
}

static void read_port(struct config_reader *r, const struct yaml_node *key,
		      struct config_port *port, struct config_port_keys *known)
{
	struct yaml_entry *keys = known->of;
	unsigned xdp = XDP_AUTO;
	char what[CONFIG_NAME_SIZE + 8];
	if (!config_read_name(r->diag, key, "a port's name", port->name))
		snprintf(port->name, sizeof(port->name), "?");
	port->at = yaml_place(key);
	snprintf(what, sizeof(what), "port %s", port->name);
	if (!yaml_read_map(r->diag, key->next, what, port_keys, keys))
		return;
	if (keys[PORT_ADDRESSES].value)
		port->addresses = config_read_interfaces(r->diag, keys[PORT_ADDRESSES].value,
							 "addresses", &port->n_addresses);
	if (keys[PORT_XDP].value &&
	    yaml_read_choice(r->diag, keys[PORT_XDP].value, "xdp", xdp_words, &xdp))
		port->xdp = xdp;
	if (keys[PORT_MTU].value)
		read_mtu(r, keys[PORT_MTU].value, port->xdp, &port->mtu);
}

void config_read_ports(struct config_reader *r, const struct yaml_node *node)
{
	struct config *config = r->config;
	const struct yaml_node *key = yaml_first_key(r->diag, node, "ports");
	size_t n = yaml_count(key) / 2;
	if (n > PORT_MAX) {
		diag_error(r->diag, yaml_place(node), NULL, "ports: lists %zu ports: at most %d", n,
			   PORT_MAX);
		n = PORT_MAX;
		r->full = true;
	}
	config->ports = config_alloc(r->diag, n, sizeof(*config->ports));
	r->port_keys = config_alloc(r->diag, n, sizeof(*r->port_keys));
	for (; config->ports && r->port_keys && r->n_port_keys < n; key = key->next->next) {
		read_port(r, key, &config->ports[config->n_ports++], &r->port_keys[r->n_port_keys]);
		r->n_port_keys++;
	}
}

/* ---- the second go ---- */

static void read_flag(struct config_reader *r, const struct yaml_entry *entry, bool inverted,
		      bool *flag)
{
	bool on;
	if (entry->value && yaml_read_switch(r->diag, entry->value, entry->key->text, &on))
		*flag = on != inverted;
}

static void refuse_flags(struct config_reader *r, const struct yaml_entry *keys,
			 const struct config_port *port)
{
	char hint[96];
	snprintf(hint, sizeof(hint), "it is for a port that a bridge lists: br0: {ports: [%s]}",
		 port->name);
	for (unsigned i = PORT_LEARNING; i <= PORT_ISOLATED; i++)
		if (keys[i].key)
			diag_error(r->diag, yaml_place(keys[i].key), hint,
				   "%s: means nothing on a routed port", keys[i].key->text);
}

static void finish_port(struct config_reader *r, const struct yaml_entry *keys,
			struct config_port *port)
{
	if (port->bridge[0]) {
		read_flag(r, &keys[PORT_LEARNING], true, &port->no_learning);
		read_flag(r, &keys[PORT_FLOOD], true, &port->no_flood);
		read_flag(r, &keys[PORT_ISOLATED], false, &port->isolated);
	} else if (!r->bridges_broken) {
		refuse_flags(r, keys, port);
	}
	if (keys[PORT_MIRROR].value)
		config_read_mirror(r, keys[PORT_MIRROR].value, port->name, port->mirror);
}

void config_finish_ports(struct config_reader *r)
{
	for (unsigned i = 0; i < r->n_port_keys; i++)
		finish_port(r, r->port_keys[i].of, &r->config->ports[i]);
	free(r->port_keys);
	r->port_keys = NULL;
	r->n_port_keys = 0;
}

/* ---- names of ports and bridges ---- */

int config_find_port(const struct config *config, const char *name)
{
	for (unsigned i = 0; i < config->n_ports; i++)
		if (!strcmp(config->ports[i].name, name))
			return (int)i;
	return -1;
}

const struct config_bridge *config_find_bridge(const struct config *config, const char *name)
{
	for (unsigned i = 0; i < config->n_bridges; i++)
		if (!strcmp(config->bridges[i].name, name))
			return &config->bridges[i];
	return NULL;
}

/* No such port; the hint names only what could stand there: as a mirror, or to route through. */
static void complain_unlisted(struct config_reader *r, const struct yaml_node *node,
			      const char *what, bool mirror)
{
	const struct config *config = r->config;
	const char *names[PORT_MAX + 1] = {NULL};
	char hint[64] = "list it under ports:";
	unsigned n = 0;
	for (unsigned i = 0; i < config->n_ports; i++)
		if (!config->ports[i].bridge[0] && !(mirror && config->ports[i].n_addresses))
			names[n++] = config->ports[i].name;
	for (unsigned i = 0; i < config->n_bridges && !mirror; i++)
		names[n++] = config->bridges[i].name;
	const char *nearest = diag_nearest(node->text, names);
	if (nearest)
		snprintf(hint, sizeof(hint), "did you mean \"%s\"?", nearest);
	diag_error(r->diag, yaml_place(node), hint, "%s: \"%.40s\" is not under ports:%s", what,
		   node->text, config->n_bridges && !mirror ? " or bridges:" : "");
}

bool config_read_port_name(struct config_reader *r, const struct yaml_node *node, const char *what,
			   char *name, unsigned *port)
{
	const struct config *config = r->config;
	unsigned i = 0, n = config->n_ports + config->n_bridges;
	const char *text = yaml_read_text(r->diag, node, what);
	if (!text)
		return false;
	while (i < n && strcmp(subnet_port_name(config, i), text))
		i++;
	if (i == n) {
		complain_unlisted(r, node, what, false);
		return false;
	}
	if (i < config->n_ports && config->ports[i].bridge[0]) {
		char hint[64];
		snprintf(hint, sizeof(hint), "name its bridge: %s: %s", what,
			 config->ports[i].bridge);
		diag_error(r->diag, yaml_place(node), hint,
			   "%s: %s is in a bridge: nothing is routed there", what, text);
		return false;
	}
	memcpy(name, subnet_port_name(config, i), CONFIG_NAME_SIZE);
	*port = i;
	return true;
}

void config_read_mirror(struct config_reader *r, const struct yaml_node *node, const char *of,
			char *mirror)
{
	const struct config *config = r->config;
	const char *text = yaml_read_text(r->diag, node, "mirror"), *why = NULL;
	if (!text)
		return;
	int i = config_find_port(config, text);
	const struct config_port *port = i < 0 ? NULL : &config->ports[i];
	if (!strcmp(text, of))
		why = "cannot be its own mirror";
	else if (config_find_bridge(config, text))
		why = "is a bridge";
	else if (!port)
		complain_unlisted(r, node, "mirror", true);
	else if (port->bridge[0])
		why = "is a port of a bridge";
	else if (port->n_addresses)
		why = "has addresses";
	else if ((unsigned)i < r->n_port_keys && r->port_keys[i].of[PORT_MIRROR].key)
		why = "has a mirror itself, and copies are not copied";
	if (why)
		diag_error(r->diag, yaml_place(node), HINT_MIRROR, "mirror: %s %s", text, why);
	else if (port)
		memcpy(mirror, port->name, CONFIG_NAME_SIZE);
}

/* ---- stations on their subnets ---- */

static void complain_no_subnet(struct config_reader *r, const struct yaml_node *node,
			       const char *what, unsigned port)
{
	const char *hint = r->ports_broken ? "correct the addresses above first"
					   : "addresses: says which subnets are connected";
	if (port == SUBNET_ANY_PORT)
		diag_error(r->diag, yaml_place(node), hint, "%s %s is on no connected subnet", what,
			   node->text);
	else
		diag_error(r->diag, yaml_place(node), hint, "%s %s is on no subnet of %s", what,
			   node->text, subnet_port_name(r->config, port));
}

const struct subnet *config_find_station(struct config_reader *r, const struct yaml_node *node,
					 const char *what, be32 address, unsigned port)
{
	char hint[96], buf[18];
	if (r->subnets.overlap)
		return NULL;
	const struct subnet *own = subnet_find_own(&r->subnets, address);
	if (own) {
		snprintf(hint, sizeof(hint), "%s has it, on line %u",
			 subnet_port_name(r->config, own->port), own->address->at.line);
		diag_error(r->diag, yaml_place(node), hint,
			   "%s %s is an own address, not a neighbour's", what, node->text);
		return NULL;
	}
	const struct subnet *subnet = subnet_find(&r->subnets, address, port);
	if (!subnet) {
		complain_no_subnet(r, node, what, port);
		return NULL;
	}
	be32 first = be32_from(subnet->first);
	if (config_is_subnet_end(address, first, subnet->address->prefix_len)) {
		snprintf(hint, sizeof(hint), "no host in %s/%u can have it",
			 config_format_address(first, buf), subnet->address->prefix_len);
		diag_error(r->diag, yaml_place(node), hint, "%s %s is its subnet's %s address",
			   what, node->text, be32_equal(address, first) ? "network" : "broadcast");
		return NULL;
	}
	return subnet;
}
