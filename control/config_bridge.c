/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_bridge - the bridges: section: which ports a bridge takes, and what makes it a
 * routed interface, its leg.
 *
 * All names come first, so that whoever names a bridge where a port belongs is told so
 * wherever it stands; then the ports, each in one bridge only; then the mirrors, which
 * must not be in any. A bridged port that ports: does not list is appended to the ports.
 */
#include "config_reader.h"
#include "../dataplane/packet.h"

#include <stdlib.h>

enum { PORTS, ADDRESSES, AGING, MAC, MIRROR, N_KEYS };
static const char *const bridge_keys[] = {
	[PORTS] = "ports",
	[ADDRESSES] = "addresses",
	[AGING] = "aging",
	[MAC] = "mac",
	[MIRROR] = "mirror",
	NULL,
};

/* IEEE 802.1D-2004 7.9.2: 10 to 1,000,000 seconds, and 300 is recommended. */
enum { AGING_MIN_S = 10, AGING_MAX_S = 1000000, AGING_DEFAULT_S = 300 };

static bool is_full(const struct config *config)
{
	return config->n_ports + config->n_bridges >= PORT_MAX;
}

static void complain_full(struct config_reader *r, const struct yaml_node *node)
{
	if (!r->full)
		diag_error(r->diag, yaml_place(node), NULL,
			   "%.40s is one too many: at most %d ports and bridges together",
			   node->text, PORT_MAX);
	r->full = true;
}

/* ---- names ---- */

static void read_name(struct config_reader *r, const struct yaml_node *key,
		      struct config_bridge *bridge)
{
	bridge->at = yaml_place(key);
	bridge->aging_s = AGING_DEFAULT_S;
	if (!config_read_name(r->diag, key, "a bridge's name", bridge->name)) {
		snprintf(bridge->name, sizeof(bridge->name), "?");
		return;
	}
	int port = config_find_port(r->config, bridge->name);
	char hint[64];
	if (port < 0)
		return;
	snprintf(hint, sizeof(hint), "the port is on line %u; rename the bridge",
		 r->config->ports[port].at.line);
	diag_error(r->diag, bridge->at, hint, "%s is a port's name already", bridge->name);
}

/* How many bridges there is room for. */
static unsigned read_names(struct config_reader *r, const struct yaml_node *key)
{
	struct config *config = r->config;
	size_t n = yaml_count(key) / 2;
	config->bridges = config_alloc(r->diag, n, sizeof(*config->bridges));
	for (; config->bridges && key; key = key->next->next) {
		if (is_full(config)) {
			complain_full(r, key);
			break;
		}
		read_name(r, key, &config->bridges[config->n_bridges++]);
	}
	return config->n_bridges;
}

/* ---- ports ---- */

/* The index of the port with that name, appended if ports: does not list it; -1: no room. */
static int take_port(struct config_reader *r, const struct yaml_node *node, const char *name)
{
	struct config *config = r->config;
	int i = config_find_port(config, name);
	if (i >= 0)
		return i;
	if (is_full(config)) {
		complain_full(r, node);
		return -1;
	}
	struct config_port *grown = realloc(config->ports, (config->n_ports + 1) * sizeof(*grown));
	if (!grown) {
		diag_error(r->diag, (struct place){0}, NULL, "out of memory");
		return -1;
	}
	config->ports = grown;
	grown[config->n_ports] = (struct config_port){.at = yaml_place(node)};
	memcpy(grown[config->n_ports].name, name, CONFIG_NAME_SIZE);
	return (int)config->n_ports++;
}

static void complain_taken(struct config_reader *r, const struct yaml_node *node,
			   const struct config_bridge *bridge, const char *taker)
{
	const struct config_bridge *other = config_find_bridge(r->config, taker);
	char hint[64];
	if (other == bridge) {
		diag_error(r->diag, yaml_place(node), "once is enough", "%s lists %s twice",
			   bridge->name, node->text);
		return;
	}
	snprintf(hint, sizeof(hint), "a port is in one bridge only; %s is on line %u", taker,
		 other->at.line);
	diag_error(r->diag, yaml_place(node), hint, "%s is in bridge %s already", node->text,
		   taker);
}

/* An address of a bridged port is answered for by nobody: as good as not given. */
static void refuse_addresses(struct config_reader *r, const struct config_bridge *bridge,
			     struct config_port *port)
{
	char hint[96], buf[18];
	if (port->n_addresses) {
		snprintf(hint, sizeof(hint), "the bridge may have it: %s: {addresses: [%s/%u]}",
			 bridge->name, config_format_address(port->addresses[0].address, buf),
			 port->addresses[0].prefix_len);
		diag_error(r->diag, port->addresses[0].at, hint,
			   "%s is in bridge %s, and a bridged port has no address", port->name,
			   bridge->name);
	}
	free(port->addresses);
	port->addresses = NULL;
	port->n_addresses = 0;
}

static void read_port(struct config_reader *r, const struct yaml_node *node,
		      struct config_bridge *bridge)
{
	char name[CONFIG_NAME_SIZE] = "";
	if (!config_read_name(r->diag, node, "a port's name", name))
		return;
	if (config_find_bridge(r->config, name)) {
		diag_error(r->diag, yaml_place(node), "a bridge's ports are interfaces",
			   "%s is a bridge, and a bridge is no port of one", name);
		return;
	}
	int i = take_port(r, node, name);
	if (i < 0)
		return;
	struct config_port *port = &r->config->ports[i];
	if (port->bridge[0]) {
		complain_taken(r, node, bridge, port->bridge);
		return;
	}
	memcpy(port->bridge, bridge->name, CONFIG_NAME_SIZE);
	bridge->ports[bridge->n_ports++] = (unsigned)i;
	refuse_addresses(r, bridge, port);
}

static void read_ports(struct config_reader *r, const struct yaml_node *node,
		       struct config_bridge *bridge)
{
	const struct yaml_node *item = yaml_first_item(r->diag, node, "ports");
	if (!item && (node->kind == YAML_LIST || node->kind == YAML_EMPTY))
		diag_error(r->diag, yaml_place(node), "such as ports: [r2, r3]",
			   "bridge %s has no port", bridge->name);
	bridge->ports = config_alloc(r->diag, yaml_count(item), sizeof(*bridge->ports));
	for (; bridge->ports && item; item = item->next)
		read_port(r, item, bridge);
}

/* ---- the bridge ---- */

static void read_bridge(struct config_reader *r, const struct yaml_node *key,
			struct config_bridge *bridge, struct yaml_entry *keys)
{
	unsigned errors_before = r->diag->n_errors;
	char what[CONFIG_NAME_SIZE + 8];
	snprintf(what, sizeof(what), "bridge %s", bridge->name);
	if (!yaml_read_map(r->diag, key->next, what, bridge_keys, keys))
		return;
	if (keys[PORTS].value)
		read_ports(r, keys[PORTS].value, bridge);
	else if (r->diag->n_errors == errors_before)
		diag_error(r->diag, bridge->at, "such as ports: [r2, r3]",
			   "bridge %s lacks ports:", bridge->name);
	if (keys[ADDRESSES].value)
		bridge->addresses = config_read_interfaces(r->diag, keys[ADDRESSES].value,
							   "addresses", &bridge->n_addresses);
	if (keys[AGING].value)
		yaml_read_number(r->diag, keys[AGING].value, "aging", AGING_MIN_S, AGING_MAX_S,
				 &bridge->aging_s);
	if (keys[MAC].value)
		config_read_mac(r->diag, keys[MAC].value, "mac", &bridge->mac);
}

void config_read_bridges(struct config_reader *r, const struct yaml_node *node)
{
	struct config *config = r->config;
	unsigned errors_before = r->diag->n_errors;
	const struct yaml_node *first = yaml_first_key(r->diag, node, "bridges"), *key = first;
	unsigned n = read_names(r, first);
	struct yaml_entry(*keys)[N_KEYS] = config_alloc(r->diag, n, sizeof(*keys));
	for (unsigned i = 0; keys && i < n; i++, key = key->next->next)
		read_bridge(r, key, &config->bridges[i], keys[i]);
	for (unsigned i = 0; keys && i < n; i++)
		if (keys[i][MIRROR].value)
			config_read_mirror(r, keys[i][MIRROR].value, config->bridges[i].name,
					   config->bridges[i].mirror);
	free(keys);
	r->bridges_broken = r->diag->n_errors > errors_before;
}
