/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * summary - what a reload changed, in a line. Ports, bridges and settings are compared as the
 * files have them; what also changes while running is counted by who changed it.
 */
#include "summary.h"

#include <stdio.h>

/* -- ports and bridges -- */

static bool same_subnets(const struct config_address *a, unsigned n_a,
			 const struct config_address *b, unsigned n_b)
{
	bool same = n_a == n_b;
	for (unsigned i = 0; same && i < n_a; i++)
		same = be32_equal(a[i].address, b[i].address) && a[i].prefix_len == b[i].prefix_len;
	return same;
}

static bool same_port(const struct config_port *a, const struct config_port *b)
{
	return a->mtu == b->mtu && a->xdp == b->xdp && a->no_learning == b->no_learning &&
	       a->no_flood == b->no_flood && a->isolated == b->isolated &&
	       strcmp(a->bridge, b->bridge) == 0 && strcmp(a->mirror, b->mirror) == 0 &&
	       same_subnets(a->addresses, a->n_addresses, b->addresses, b->n_addresses);
}

static const struct config_port *config_port(const struct config *config, const char *name)
{
	for (unsigned i = 0; i < config->n_ports; i++)
		if (strcmp(config->ports[i].name, name) == 0)
			return &config->ports[i];
	return NULL;
}

static const struct config_bridge *config_bridge(const struct config *config, const char *name)
{
	for (unsigned i = 0; i < config->n_bridges; i++)
		if (strcmp(config->bridges[i].name, name) == 0)
			return &config->bridges[i];
	return NULL;
}

/* The same ports, in whatever order: each port is listed once and in one bridge. */
static bool same_members(const struct config *old, const struct config_bridge *a,
			 const struct config *now, const struct config_bridge *b)
{
	bool same = a->n_ports == b->n_ports;
	for (unsigned i = 0; same && i < b->n_ports; i++) {
		const struct config_port *was = config_port(old, now->ports[b->ports[i]].name);
		same = was && strcmp(was->bridge, a->name) == 0;
	}
	return same;
}

static bool same_bridge(const struct config *old, const struct config_bridge *a,
			const struct config *now, const struct config_bridge *b)
{
	return a->aging_s == b->aging_s && mac_equal(a->mac, b->mac) &&
	       strcmp(a->mirror, b->mirror) == 0 && same_members(old, a, now, b) &&
	       same_subnets(a->addresses, a->n_addresses, b->addresses, b->n_addresses);
}

/* -- words -- */

static size_t say_words(char *text, size_t size, size_t len, char sign, size_t n, const char *words)
{
	if (!n || len >= size)
		return len;
	return len + snprintf(text + len, size - len, "%s%c%zu %s", len ? " " : "", sign, n, words);
}

static size_t say(char *text, size_t size, size_t len, char sign, size_t n, const char *noun)
{
	char words[32];
	snprintf(words, sizeof(words), "%s%s", noun, n > 1 ? "s" : "");
	return say_words(text, size, len, sign, n, words);
}

/* noun: "nat" or "filter", of any number. */
static size_t say_rules(const struct rule_changes *changes, const char *noun, char *text,
			size_t size, size_t len)
{
	len = say_words(text, size, len, '+', changes->added, noun);
	len = say_words(text, size, len, '-', changes->removed, noun);
	return say_words(text, size, len, '~', changes->changed, noun);
}

static size_t say_ports(const struct config *old, const struct config *now, char *text, size_t size,
			size_t len)
{
	size_t added = 0, removed = 0, changed = 0;
	for (unsigned i = 0; i < now->n_ports; i++) {
		const struct config_port *was = config_port(old, now->ports[i].name);
		added += !was;
		changed += was && !same_port(was, &now->ports[i]);
	}
	for (unsigned i = 0; i < old->n_ports; i++)
		removed += !config_port(now, old->ports[i].name);
	len = say(text, size, len, '+', added, "port");
	len = say(text, size, len, '-', removed, "port");
	return say(text, size, len, '~', changed, "port");
}

static size_t say_bridges(const struct config *old, const struct config *now, char *text,
			  size_t size, size_t len)
{
	size_t added = 0, removed = 0, changed = 0;
	for (unsigned i = 0; i < now->n_bridges; i++) {
		const struct config_bridge *was = config_bridge(old, now->bridges[i].name);
		added += !was;
		changed += was && !same_bridge(old, was, now, &now->bridges[i]);
	}
	for (unsigned i = 0; i < old->n_bridges; i++)
		removed += !config_bridge(now, old->bridges[i].name);
	len = say(text, size, len, '+', added, "bridge");
	len = say(text, size, len, '-', removed, "bridge");
	return say(text, size, len, '~', changed, "bridge");
}

static size_t changed_lanes(const struct config *a, const struct config *b)
{
	return (a->lanes.transmit != b->lanes.transmit) +
	       (a->lanes.burst_min != b->lanes.burst_min) + (a->lanes.gso != b->lanes.gso) +
	       (a->lanes.flow_cache != b->lanes.flow_cache) +
	       (a->lanes.far_end_prepare != b->lanes.far_end_prepare) +
	       (a->lanes.punt_rate != b->lanes.punt_rate) +
	       (a->lanes.read_depth != b->lanes.read_depth) +
	       (a->lanes.spin_us != b->lanes.spin_us) +
	       (a->lanes.busy_poll != b->lanes.busy_poll);
}

static size_t changed_session_settings(const struct config_sessions *a,
				       const struct config_sessions *b)
{
	return (a->per_host != b->per_host) + (a->tcp_established_s != b->tcp_established_s) +
	       (a->tcp_transitory_s != b->tcp_transitory_s) + (a->udp_s != b->udp_s) +
	       (a->icmp_s != b->icmp_s) + (a->other_s != b->other_s);
}

void summary_write(const struct config *old, const struct config *now,
		   const struct changes *changes, char *text, size_t size)
{
	const struct route_changes *routes = &changes->routes;
	const struct neighbour_changes *neighbours = &changes->neighbours;
	size_t len = say_ports(old, now, text, size, 0);
	len = say_bridges(old, now, text, size, len);
	len = say(text, size, len, '+', routes->added, "route");
	len = say(text, size, len, '-', routes->removed, "route");
	len = say(text, size, len, '~', routes->changed, "route");
	len = say(text, size, len, '+', neighbours->added, "neighbour");
	len = say(text, size, len, '-', neighbours->removed, "neighbour");
	len = say(text, size, len, '~', neighbours->changed, "neighbour");
	len = say_rules(&changes->nat, "nat", text, size, len);
	len = say_rules(&changes->filter, "filter", text, size, len);
	len = say(text, size, len, '~', changed_session_settings(&old->sessions, &now->sessions),
		  "session setting");
	len = say(text, size, len, '~', changed_lanes(old, now), "lane setting");
	if (!len)
		snprintf(text, size, "no change");
}
