/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config - the router file, read from the top: ports, then the bridges that some of them
 * are in, since routes and neighbours are checked against the subnets of both; then lanes
 * and the frame pool.
 *
 * A mistake costs the value it is in, and reading goes on. Only at the end do errors
 * decide: a struct config that anybody gets has none.
 */
#include "config_reader.h"

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

static void refuse_unbuilt(struct diag *diag, const struct yaml_entry *entry, const char *instead)
{
	if (entry->key)
		diag_error(diag, yaml_place(entry->key), "leave it out",
			   "%s: is not supported yet: %s", entry->key->text, instead);
}

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

/* misnamed: the file has unknown keys, one of which may have been meant as ports:. */
static void read_all_ports(struct config_reader *r, const struct yaml_node *file,
			   const struct yaml_entry *keys, bool misnamed)
{
	unsigned errors_before = r->diag->n_errors;
	const struct yaml_node *bridges = keys[BRIDGES].value;
	if (keys[PORTS].value)
		config_read_ports(r, keys[PORTS].value);
	if (bridges)
		config_read_bridges(r, bridges);
	config_finish_ports(r);
	r->ports_broken = r->diag->n_errors > errors_before;
	if (r->config->n_ports || r->ports_broken || misnamed)
		return;
	if (keys[PORTS].value)
		diag_error(r->diag, yaml_place(keys[PORTS].value),
			   "such as r0: {addresses: [192.168.1.1/24]}", "ports: lists no port");
	else
		diag_error(r->diag, yaml_place(file),
			   "such as ports: {r0: {addresses: [192.168.1.1/24]}}",
			   "a router needs ports:");
}

static void read_sections(struct config_reader *r, const struct yaml_node *node)
{
	struct yaml_entry keys[N_KEYS];
	unsigned errors_before = r->diag->n_errors;
	if (!yaml_read_map(r->diag, node, "a router file", file_keys, keys))
		return;
	read_all_ports(r, node, keys, r->diag->n_errors > errors_before);
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
	for (unsigned i = 0; i < config->n_bridges; i++) {
		free(config->bridges[i].ports);
		free(config->bridges[i].addresses);
	}
	free(config->ports);
	free(config->bridges);
	free(config->routes);
	free(config->neighbours);
	free(config);
}
