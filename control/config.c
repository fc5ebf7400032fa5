/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config - the router file, read from the top: ports, then the bridges that some of them
 * are in, since routes, neighbours and the rules of nat and filter are checked against the
 * subnets of both; then sessions, lanes and the frame pool.
 *
 * A mistake costs the value it is in, and reading goes on. Only at the end do errors
 * decide: a struct config that anybody gets has none.
 */
#include "config_reader.h"

#include <stdlib.h>

enum { PORTS, ROUTES, NEIGHBOURS, LANES, FRAMES, BRIDGES, NAT, FILTER, SESSIONS, N_KEYS };
static const char *const file_keys[] = {
	[PORTS] = "ports",
	[ROUTES] = "routes",
	[NEIGHBOURS] = "neighbours",
	[LANES] = "lanes",
	[FRAMES] = "frames",
	[BRIDGES] = "bridges",
	[NAT] = "nat",
	[FILTER] = "filter",
	[SESSIONS] = "sessions",
	NULL,
};

enum { LANE_TRANSMIT, LANE_BURST_MIN, LANE_GSO, LANE_FLOW_CACHE, LANE_FAR_END,
       LANE_PUNT_RATE, LANE_READ_DEPTH, LANE_SPIN, LANE_BUSY_POLL, N_LANE_KEYS };
static const char *const lane_keys[] = {
	[LANE_TRANSMIT] = "transmit",
	[LANE_BURST_MIN] = "burst-min",
	[LANE_GSO] = "gso",
	[LANE_FLOW_CACHE] = "flow-cache",
	[LANE_FAR_END] = "far-end",
	[LANE_PUNT_RATE] = "punt-rate",
	[LANE_READ_DEPTH] = "read-depth",
	[LANE_SPIN] = "spin",
	[LANE_BUSY_POLL] = "busy-poll",
	NULL,
};
const char *const config_transmit_words[] = {
	[TRANSMIT_AUTO] = "auto",
	[TRANSMIT_SOCKET] = "socket",
	[TRANSMIT_BURST] = "burst",
	NULL,
};
const char *const config_far_end_words[] = {"leave", "prepare", NULL};

enum {
	SESSIONS_MAX,
	SESSIONS_PER_HOST,
	SESSIONS_TCP_ESTABLISHED,
	SESSIONS_TCP_TRANSITORY,
	SESSIONS_UDP,
	SESSIONS_ICMP,
	SESSIONS_OTHER,
	N_SESSION_KEYS
};
static const char *const session_keys[] = {
	[SESSIONS_MAX] = "max",
	[SESSIONS_PER_HOST] = "per-host",
	[SESSIONS_TCP_ESTABLISHED] = "tcp-established",
	[SESSIONS_TCP_TRANSITORY] = "tcp-transitory",
	[SESSIONS_UDP] = "udp",
	[SESSIONS_ICMP] = "icmp",
	[SESSIONS_OTHER] = "other",
	NULL,
};
/* How long a session may be silent, and how short its rule lets that be. */
static const struct {
	size_t offset; /* in struct config_sessions */
	unsigned floor_s;
	const char *rule;
} session_times[] = {
	[SESSIONS_TCP_ESTABLISHED] = {offsetof(struct config_sessions, tcp_established_s), 7440,
				      "RFC 5382 REQ-5"},
	[SESSIONS_TCP_TRANSITORY] = {offsetof(struct config_sessions, tcp_transitory_s), 240,
				     "RFC 5382 REQ-5"},
	[SESSIONS_UDP] = {offsetof(struct config_sessions, udp_s), 120, "RFC 4787 REQ-5"},
	[SESSIONS_ICMP] = {offsetof(struct config_sessions, icmp_s), 60, "RFC 5508 REQ-2"},
	[SESSIONS_OTHER] = {offsetof(struct config_sessions, other_s), 1, NULL},
};
static const struct config_sessions session_defaults = {
	.max = 262144,
	.tcp_established_s = 7440,
	.tcp_transitory_s = 240,
	.udp_s = 300,
	.icmp_s = 60,
	.other_s = 300,
};

/* A table of 16 is full at once, which labs may want; a silence of 30 days is none of a session. */
enum { SESSIONS_LEAST = 16, SESSIONS_MOST = 1 << 22, SESSION_SILENT_MAX_S = 30 * 24 * 3600 };

/* A frame of 2 KiB each: from 2 MiB, where a ring of each port still gets some, to 2 GiB. */
enum { FRAMES_MIN = 1024, FRAMES_MAX = 1 << 20, FRAMES_DEFAULT = 16384, FRAMES_STEP = 64 };

/* What the worker does, whatever the lanes. */
static void read_pace(struct diag *diag, const struct yaml_entry *keys, struct config_lanes *lanes)
{
	if (keys[LANE_PUNT_RATE].value)
		yaml_read_number_or(diag, keys[LANE_PUNT_RATE].value, "punt-rate", "unlimited", 0,
				    PUNT_RATE_MOST, &lanes->punt_rate);
	if (keys[LANE_READ_DEPTH].value)
		yaml_read_number(diag, keys[LANE_READ_DEPTH].value, "read-depth", 1,
				 READ_DEPTH_MOST, &lanes->read_depth);
	if (keys[LANE_SPIN].value)
		yaml_read_number(diag, keys[LANE_SPIN].value, "spin", 0, SPIN_US_MOST,
				 &lanes->spin_us);
	if (keys[LANE_BUSY_POLL].value)
		yaml_read_switch(diag, keys[LANE_BUSY_POLL].value, "busy-poll", &lanes->busy_poll);
}

static void read_lanes(struct config_reader *r, const struct yaml_node *node)
{
	struct config *config = r->config;
	struct yaml_entry keys[N_LANE_KEYS];
	unsigned word;
	if (!yaml_read_map(r->diag, node, "lanes", lane_keys, keys))
		return;
	if (keys[LANE_TRANSMIT].value &&
	    yaml_read_choice(r->diag, keys[LANE_TRANSMIT].value, "transmit",
			     config_transmit_words, &word))
		config->lanes.transmit = word;
	if (keys[LANE_BURST_MIN].value)
		yaml_read_number_or(r->diag, keys[LANE_BURST_MIN].value, "burst-min", "auto", 1,
				    BURST_MIN_MOST, &config->lanes.burst_min);
	if (keys[LANE_GSO].value)
		yaml_read_switch(r->diag, keys[LANE_GSO].value, "gso", &config->lanes.gso);
	if (keys[LANE_FLOW_CACHE].value)
		yaml_read_switch(r->diag, keys[LANE_FLOW_CACHE].value, "flow-cache",
				 &config->lanes.flow_cache);
	if (keys[LANE_FAR_END].value &&
	    yaml_read_choice(r->diag, keys[LANE_FAR_END].value, "far-end",
			     config_far_end_words, &word))
		config->lanes.far_end_prepare = word;
	read_pace(r->diag, keys, &config->lanes);
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

/* All ports have rings of frames from the one pool. node: where the number stands, or ports:. */
static void check_frames(struct config_reader *r, const struct yaml_node *node)
{
	const struct config *config = r->config;
	unsigned least = config->n_ports * CONFIG_FRAMES_PER_PORT;
	char hint[64];
	if (config->frames >= least || !node)
		return;
	snprintf(hint, sizeof(hint), "frames: %u, or more", least);
	diag_error(r->diag, yaml_place(node), hint, "frames: %u are too few for %u ports",
		   config->frames, config->n_ports);
}

static void read_session_time(struct config_reader *r, const struct yaml_node *node, unsigned key)
{
	unsigned *time_s = (unsigned *)((char *)&r->config->sessions + session_times[key].offset);
	char hint[96];
	uint32_t value;
	if (!yaml_read_number(r->diag, node, session_keys[key], 1, SESSION_SILENT_MAX_S, &value))
		return;
	if (value < session_times[key].floor_s) {
		snprintf(hint, sizeof(hint),
			 "%u seconds or more; in a lab, `tsuji nat age` makes time pass",
			 session_times[key].floor_s);
		diag_error(r->diag, yaml_place(node), hint, "%s: %u is shorter than %s allows",
			   session_keys[key], value, session_times[key].rule);
		return;
	}
	*time_s = value;
}

static void read_sessions(struct config_reader *r, const struct yaml_node *node)
{
	struct config_sessions *sessions = &r->config->sessions;
	struct yaml_entry keys[N_SESSION_KEYS];
	if (!yaml_read_map(r->diag, node, "sessions", session_keys, keys))
		return;
	if (keys[SESSIONS_MAX].value)
		yaml_read_number(r->diag, keys[SESSIONS_MAX].value, "max", SESSIONS_LEAST,
				 SESSIONS_MOST, &sessions->max);
	if (keys[SESSIONS_PER_HOST].value)
		yaml_read_number(r->diag, keys[SESSIONS_PER_HOST].value, "per-host", 0,
				 SESSIONS_MOST, &sessions->per_host);
	for (unsigned i = SESSIONS_TCP_ESTABLISHED; i < N_SESSION_KEYS; i++)
		if (keys[i].value)
			read_session_time(r, keys[i].value, i);
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
	if (keys[NAT].value)
		config_read_nat(r, keys[NAT].value);
	if (keys[FILTER].value)
		config_read_filter(r, keys[FILTER].value);
	subnet_table_fini(&r->subnets);
	if (keys[SESSIONS].value)
		read_sessions(r, keys[SESSIONS].value);
	if (keys[LANES].value)
		read_lanes(r, keys[LANES].value);
	if (keys[FRAMES].value)
		read_frames(r, keys[FRAMES].value);
	check_frames(r, keys[FRAMES].value ? keys[FRAMES].value
			: keys[PORTS].value ? keys[PORTS].value : keys[BRIDGES].value);
}

struct config *config_read_section(struct diag *diag, const struct yaml_node *node,
				   bool far_end_prepare)
{
	unsigned errors_before = diag->n_errors;
	struct config *config = config_alloc(diag, 1, sizeof(*config));
	if (!config)
		return NULL;
	config->lanes.burst_min = BURST_MIN_AUTO;
	config->lanes.gso = true;
	config->lanes.flow_cache = true;
	config->lanes.far_end_prepare = far_end_prepare;
	config->lanes.punt_rate = PUNT_RATE_DEFAULT;
	config->lanes.read_depth = READ_DEPTH_DEFAULT;
	config->lanes.spin_us = SPIN_US_DEFAULT;
	config->frames = FRAMES_DEFAULT;
	config->sessions = session_defaults;
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
	free(config->nat);
	free(config->filter);
	free(config);
}
