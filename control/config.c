/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config - the router file, read from the top: ports first, since routes and neighbours
 * are checked against their subnets; then lanes and the frame pool.
 *
 * A mistake costs the value it is in, and reading goes on. Only at the end do errors
 * decide: a struct config that anybody gets has none.
 */
#include "config_reader.h"
#include "../dataplane/packet.h"

#include <stdlib.h>

enum { PORTS, ROUTES, NEIGHBOURS, LANES, FRAMES, BRIDGES, NAT, FILTER, N_KEYS };
static const char *const file_keys[] = {
	[PORTS] = "ports",
	[ROUTES] = "routes",
	[NEIGHBOURS] = "neighbours",
	[LANES] = "lanes",
	[FRAMES] = "frames",
	[BRIDGES] = "bridges",
	[NAT] = "nat",
	[FILTER] = "filter",
	NULL,
};

enum {
	PORT_ADDRESSES,
	PORT_MTU,
	PORT_XDP,
	PORT_LEARNING,
	PORT_FLOOD,
	PORT_ISOLATED,
	PORT_MIRROR,
	N_PORT_KEYS
};
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

enum { LANE_TRANSMIT, LANE_FLOW_CACHE, LANE_FAR_END, N_LANE_KEYS };
static const char *const lane_keys[] = {
	[LANE_TRANSMIT] = "transmit",
	[LANE_FLOW_CACHE] = "flow-cache",
	[LANE_FAR_END] = "far-end",
	NULL,
};
static const char *const transmit_words[] = {
	[TRANSMIT_AUTO] = "auto",
	[TRANSMIT_SOCKET] = "socket",
	[TRANSMIT_BURST] = "burst",
	NULL,
};
static const char *const far_end_words[] = {"leave", "prepare", NULL};

/* A frame of 2 KiB each: from 2 MiB, where a ring of each port still gets some, to 2 GiB. */
enum { FRAMES_MIN = 1024, FRAMES_MAX = 1 << 20, FRAMES_DEFAULT = 16384, FRAMES_STEP = 64 };
/* The largest MTU a user may mean; above MTU_ROUTER_MAX they are told why not. */
enum { MTU_JUMBO = 65535 };

static void refuse_unbuilt(struct diag *diag, const struct yaml_entry *entry, const char *instead)
{
	if (entry->key)
		diag_error(diag, yaml_place(entry->key), "leave it out",
			   "%s: is not supported yet: %s", entry->key->text, instead);
}

/* ---- ports ---- */

static void read_mtu(struct config_reader *r, const struct yaml_node *node, unsigned *mtu)
{
	uint32_t value;
	if (!yaml_read_number(r->diag, node, "mtu", MTU_MIN, MTU_JUMBO, &value))
		return;
	if (value > MTU_ROUTER_MAX)
		diag_error(r->diag, yaml_place(node),
			   "the largest frame of the pool is 4 KiB, which carries an MTU of 3498 "
			   "beside what the kernel keeps there",
			   "mtu: %u does not fit into one frame", value);
	*mtu = value;
}

static void read_port(struct config_reader *r, const struct yaml_node *key,
		      struct config_port *port)
{
	struct yaml_entry keys[N_PORT_KEYS];
	unsigned xdp = XDP_AUTO;
	char what[CONFIG_NAME_SIZE + 8];
	if (!config_read_name(r->diag, key, "a port's name", port->name))
		snprintf(port->name, sizeof(port->name), "?");
	port->at = yaml_place(key);
	snprintf(what, sizeof(what), "port %s", port->name);
	if (!yaml_read_map(r->diag, key->next, what, port_keys, keys))
		return;
	for (unsigned i = PORT_LEARNING; i <= PORT_MIRROR; i++)
		refuse_unbuilt(r->diag, &keys[i], "this version routes between ports");
	if (keys[PORT_ADDRESSES].value)
		port->addresses = config_read_interfaces(r->diag, keys[PORT_ADDRESSES].value,
							 "addresses", &port->n_addresses);
	if (keys[PORT_MTU].value)
		read_mtu(r, keys[PORT_MTU].value, &port->mtu);
	if (keys[PORT_XDP].value &&
	    yaml_read_choice(r->diag, keys[PORT_XDP].value, "xdp", xdp_words, &xdp))
		port->xdp = xdp;
}

static void read_ports(struct config_reader *r, const struct yaml_node *node)
{
	struct config *config = r->config;
	const struct yaml_node *key = yaml_first_key(r->diag, node, "ports");
	size_t n = yaml_count(key) / 2;
	if (n == 0 && (node->kind == YAML_MAP || node->kind == YAML_EMPTY))
		diag_error(r->diag, yaml_place(node), "such as r0: {addresses: [192.168.1.1/24]}",
			   "ports: lists no port");
	if (n > PORT_MAX) {
		diag_error(r->diag, yaml_place(node), NULL, "ports: lists %zu ports: at most %d", n,
			   PORT_MAX);
		n = PORT_MAX;
	}
	config->ports = config_alloc(r->diag, n, sizeof(*config->ports));
	for (; config->ports && config->n_ports < n; key = key->next->next)
		read_port(r, key, &config->ports[config->n_ports++]);
}

/* ---- what routes and neighbours ask of ports ---- */

bool config_read_port_name(struct config_reader *r, const struct yaml_node *node, char *name,
			   unsigned *port)
{
	const struct config *config = r->config;
	const char *names[PORT_MAX + 1] = {NULL};
	const char *text = yaml_read_text(r->diag, node, "port");
	if (!text)
		return false;
	for (unsigned i = 0; i < config->n_ports; i++) {
		if (!strcmp(config->ports[i].name, text)) {
			memcpy(name, config->ports[i].name, CONFIG_NAME_SIZE);
			*port = i;
			return true;
		}
		names[i] = config->ports[i].name;
	}
	char hint[64] = "list it under ports:";
	const char *nearest = diag_nearest(text, names);
	if (nearest)
		snprintf(hint, sizeof(hint), "did you mean \"%s\"?", nearest);
	diag_error(r->diag, yaml_place(node), hint, "port: \"%.40s\" is not under ports:", text);
	return false;
}

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
			   node->text, r->config->ports[port].name);
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
			 r->config->ports[own->port].name, own->address->at.line);
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

/* ---- the rest ---- */

static void read_lanes(struct config_reader *r, const struct yaml_node *node)
{
	struct config *config = r->config;
	struct yaml_entry keys[N_LANE_KEYS];
	unsigned word;
	if (!yaml_read_map(r->diag, node, "lanes", lane_keys, keys))
		return;
	if (keys[LANE_TRANSMIT].value &&
	    yaml_read_choice(r->diag, keys[LANE_TRANSMIT].value, "transmit", transmit_words, &word))
		config->lanes.transmit = word;
	if (keys[LANE_FLOW_CACHE].value)
		yaml_read_switch(r->diag, keys[LANE_FLOW_CACHE].value, "flow-cache",
				 &config->lanes.flow_cache);
	if (keys[LANE_FAR_END].value &&
	    yaml_read_choice(r->diag, keys[LANE_FAR_END].value, "far-end", far_end_words, &word))
		config->lanes.far_end_prepare = word;
}

static void read_frames(struct config_reader *r, const struct yaml_node *node)
{
	uint32_t frames;
	if (!yaml_read_number(r->diag, node, "frames", FRAMES_MIN, FRAMES_MAX, &frames))
		return;
	if (frames % FRAMES_STEP) {
		char hint[64];
		snprintf(hint, sizeof(hint), "the next one is %u",
			 (frames + FRAMES_STEP - 1) / FRAMES_STEP * FRAMES_STEP);
		diag_error(r->diag, yaml_place(node), hint, "frames: %u is not a multiple of %u",
			   frames, FRAMES_STEP);
	}
	r->config->frames = frames;
}

static void read_sections(struct config_reader *r, const struct yaml_node *node)
{
	struct yaml_entry keys[N_KEYS];
	unsigned errors_before = r->diag->n_errors;
	if (!yaml_read_map(r->diag, node, "a router file", file_keys, keys))
		return;
	unsigned errors_in_keys = r->diag->n_errors;
	if (keys[PORTS].value)
		read_ports(r, keys[PORTS].value);
	else if (errors_in_keys == errors_before)
		diag_error(r->diag, yaml_place(node),
			   "such as ports: {r0: {addresses: [192.168.1.1/24]}}",
			   "a router needs ports:");
	r->ports_broken = r->diag->n_errors > errors_in_keys;
	if (!subnet_table_init(&r->subnets, r->config, r->diag))
		return;
	subnet_table_check(&r->subnets, r->config, r->diag);
	if (keys[ROUTES].value)
		config_read_routes(r, keys[ROUTES].value);
	if (keys[NEIGHBOURS].value)
		config_read_neighbours(r, keys[NEIGHBOURS].value);
	subnet_table_fini(&r->subnets);
	if (keys[LANES].value)
		read_lanes(r, keys[LANES].value);
	if (keys[FRAMES].value)
		read_frames(r, keys[FRAMES].value);
	refuse_unbuilt(r->diag, &keys[BRIDGES], "this version routes between ports");
	refuse_unbuilt(r->diag, &keys[NAT], "this version routes without translating addresses");
	refuse_unbuilt(r->diag, &keys[FILTER], "this version forwards whatever it can route");
}

struct config *config_read_section(struct diag *diag, const struct yaml_node *node,
				   bool far_end_prepare)
{
	unsigned errors_before = diag->n_errors;
	struct config *config = config_alloc(diag, 1, sizeof(*config));
	if (!config)
		return NULL;
	config->lanes.flow_cache = true;
	config->lanes.far_end_prepare = far_end_prepare;
	config->frames = FRAMES_DEFAULT;
	struct config_reader reader = {.diag = diag, .config = config};
	read_sections(&reader, node);
	if (diag->n_errors == errors_before)
		return config;
	config_free(config);
	return NULL;
}

/* The likeliest mix-up gets one sentence instead of four unknown keys. */
static bool refuse_lab_file(struct diag *diag, const struct yaml_node *root)
{
	const struct yaml_node *key = root->kind == YAML_MAP ? root->first_child : NULL;
	while (key && strcmp(key->text, "nodes"))
		key = key->next->next;
	if (key)
		diag_error(diag, yaml_place(key),
			   "`tsuji lab up FILE` builds the lab and runs its routers",
			   "this is a lab file, not a router file");
	return key;
}

struct config *config_read(struct diag *diag)
{
	struct yaml *tree = yaml_tree_new(diag);
	struct config *config = NULL;
	if (tree && !refuse_lab_file(diag, yaml_root(tree)))
		config = config_read_section(diag, yaml_root(tree), false);
	yaml_tree_free(tree);
	if (diag->n_errors == 0)
		return config;
	config_free(config);
	return NULL;
}

void config_free(struct config *config)
{
	if (!config)
		return;
	for (unsigned i = 0; i < config->n_ports; i++)
		free(config->ports[i].addresses);
	free(config->ports);
	free(config->routes);
	free(config->neighbours);
	free(config);
}
