/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_nat - the nat: section. Two families of rules share it: masquerade and snat choose
 * by where a packet leaves and whence it came, and give it a new source; dnat chooses by
 * what was asked for, and gives it a new destination. A key that belongs to the other
 * family is told apart from one that nobody knows.
 */
#include "config_reader.h"

#include <stdlib.h>

enum { ACTION, OUT, IN, FROM, TO, PROTOCOL, PORT, PORTS, ADDRESS, MAPPING, FILTERING, N_KEYS };
static const char *const nat_keys[] = {
	[ACTION] = "action",
	[OUT] = "out",
	[IN] = "in",
	[FROM] = "from",
	[TO] = "to",
	[PROTOCOL] = "protocol",
	[PORT] = "port",
	[PORTS] = "ports",
	[ADDRESS] = "address",
	[MAPPING] = "mapping",
	[FILTERING] = "filtering",
	NULL,
};
static const char *const nat_actions[] = {
	[CONFIG_MASQUERADE] = "masquerade",
	[CONFIG_SNAT] = "snat",
	[CONFIG_DNAT] = "dnat",
	NULL,
};
static const char *const mapping_words[] = {
	"endpoint-independent",
	"address-and-port-dependent",
	NULL,
};
static const char *const filtering_words[] = {
	[CONFIG_ADDRESS_PORT] = "address-and-port-dependent",
	[CONFIG_ADDRESS] = "address-dependent",
	[CONFIG_INDEPENDENT] = "endpoint-independent",
	NULL,
};

/* Sessions note their rule in 16 bits, one value of which means none. */
enum { NAT_RULES_MAX = UINT16_MAX };

enum { SOURCE_KEYS = 1 << OUT | 1 << FROM | 1 << PORTS | 1 << MAPPING | 1 << FILTERING };
static const unsigned taken_keys[] = {
	[CONFIG_MASQUERADE] = 1 << ACTION | SOURCE_KEYS,
	[CONFIG_SNAT] = 1 << ACTION | SOURCE_KEYS | 1 << TO,
	[CONFIG_DNAT] = 1 << ACTION | 1 << IN | 1 << ADDRESS | 1 << PROTOCOL | 1 << PORT | 1 << TO,
};
/* What to write instead of a key that the action does not take. */
static const char *const instead[] = {
	[OUT] = "dnat looks at what was asked for: in: PORT, whose addresses are meant",
	[IN] = "a new source is chosen by out: PORT and from: PREFIX",
	[FROM] = "dnat is for whoever asks; filter: says who may",
	[TO] = "the new address is the one of out:; action: snat takes to:",
	[PROTOCOL] = "a new source is for every protocol",
	[PORT] = "ports: FIRST-LAST chooses the new source ports",
	[PORTS] = "port: is what was asked for, and to: ADDRESS:PORT the new one",
	[ADDRESS] = "from: PREFIX chooses by source",
	[MAPPING] = "it is about the ports that masquerade and snat choose",
	[FILTERING] = "who may use a forwarded port is said under filter:",
};

static bool check_keys(struct config_reader *r, const struct yaml_entry *keys, unsigned action)
{
	bool good = true;
	for (unsigned i = 0; i < N_KEYS; i++) {
		if (!keys[i].key || taken_keys[action] & 1u << i)
			continue;
		diag_error(r->diag, yaml_place(keys[i].key), instead[i], "a %s rule has no %s:",
			   nat_actions[action], nat_keys[i]);
		good = false;
	}
	return good;
}

static void complain_lack(struct config_reader *r, const struct config_nat *nat, const char *key,
			  const char *hint)
{
	diag_error(r->diag, nat->at, hint, "the %s rule lacks %s:", nat_actions[nat->action], key);
}

/* ---- new addresses ---- */

/* Text of node as a node of its own, for readers that take nodes. */
static struct yaml_node part_of(const struct yaml_node *node, const char *text)
{
	struct yaml_node part = *node;
	part.text = text;
	return part;
}

/* No host has the first or last address of a connected subnet, so none may be given it. */
static bool check_subnet_ends(struct config_reader *r, const struct yaml_node *node,
			      const struct config_nat *nat)
{
	uint32_t first = be32_host(nat->to_first), last = be32_host(nat->to_last);
	for (size_t i = 0; i < r->subnets.n_subnets; i++) {
		const struct subnet *subnet = &r->subnets.subnets[i];
		bool network = subnet->first >= first && subnet->first <= last;
		bool broadcast = subnet->last >= first && subnet->last <= last;
		char hint[96], buf[18];
		if (subnet->address->prefix_len >= 31 || (!network && !broadcast))
			continue;
		uint32_t end = network ? subnet->first : subnet->last;
		snprintf(hint, sizeof(hint), "no host in %s/%u can have it",
			 config_format_address(be32_from(subnet->first), buf),
			 subnet->address->prefix_len);
		diag_error(r->diag, yaml_place(node), hint, "to: %s is the %s address of %s's subnet",
			   config_format_address(be32_from(end), buf),
			   network ? "network" : "broadcast",
			   subnet_port_name(r->config, subnet->port));
		return false;
	}
	return true;
}

/* "192.168.0.126" or "192.168.0.10-192.168.0.20". */
static bool read_source_address(struct config_reader *r, const struct yaml_node *node,
				struct config_nat *nat)
{
	const char *text = yaml_read_text(r->diag, node, "to");
	char first[64];
	if (!text)
		return false;
	if (strchr(text, ':')) {
		diag_error(r->diag, yaml_place(node), instead[PORT],
			   "to: of a snat rule is an address without a port");
		return false;
	}
	const char *dash = strchr(text, '-');
	snprintf(first, sizeof(first), "%.*s", (int)(dash ? dash - text : 63), text);
	struct yaml_node head = part_of(node, first), tail = part_of(node, dash ? dash + 1 : first);
	if (!config_read_address(r->diag, &head, "to", &nat->to_first) ||
	    !config_read_address(r->diag, &tail, "to", &nat->to_last))
		return false;
	if (be32_host(nat->to_first) > be32_host(nat->to_last)) {
		diag_error(r->diag, yaml_place(node), "put the lower address first",
			   "to: %s ends before it begins", text);
		return false;
	}
	return check_subnet_ends(r, node, nat);
}

/* What is for the router itself is delivered as it came, so a rule cannot send anything there. */
static bool check_foreign(struct config_reader *r, const struct yaml_node *node,
			  const struct config_nat *nat)
{
	const struct subnet *own = subnet_find_own(&r->subnets, nat->to_first);
	char buf[18];
	if (!own)
		return true;
	diag_error(r->diag, yaml_place(node),
		   "name a host; what listens in the router's namespace is asked at its own port",
		   "to: %s is the router's own, on %s",
		   config_format_address(nat->to_first, buf),
		   subnet_port_name(r->config, own->port));
	return false;
}

/* "192.168.10.3", "192.168.10.3:9999" or "192.168.10.3:9000-9010". */
static bool read_destination(struct config_reader *r, const struct yaml_node *node,
			     struct config_nat *nat)
{
	const char *text = yaml_read_text(r->diag, node, "to");
	char address[64];
	if (!text)
		return false;
	const char *colon = strchr(text, ':'), *dash = strchr(text, '-');
	if (dash && (!colon || dash < colon)) {
		diag_error(r->diag, yaml_place(node),
			   "one rule for each host; ranges of ports stand behind a colon",
			   "to: of a dnat rule is a single address");
		return false;
	}
	snprintf(address, sizeof(address), "%.*s", (int)(colon ? colon - text : 63), text);
	struct yaml_node head = part_of(node, address);
	if (!config_read_address(r->diag, &head, "to", &nat->to_first))
		return false;
	nat->to_last = nat->to_first;
	if (colon && !config_read_port_text(r, node, "to", colon + 1, &nat->to_port))
		return false;
	return check_subnet_ends(r, node, nat) && check_foreign(r, node, nat);
}

/* ---- masquerade, snat ---- */

static bool has_address(const struct config *config, const char *name)
{
	const struct config_bridge *bridge = config_find_bridge(config, name);
	int port = config_find_port(config, name);
	return bridge ? bridge->n_addresses : port >= 0 && config->ports[port].n_addresses;
}

static bool check_address(struct config_reader *r, const struct yaml_node *node, const char *what,
			  const char *name)
{
	if (r->ports_broken || has_address(r->config, name))
		return true;
	diag_error(r->diag, yaml_place(node), "give it one under addresses:",
		   "%s: %s has no address", what, name);
	return false;
}

static bool read_source_rule(struct config_reader *r, const struct yaml_entry *keys, bool misnamed,
			     struct config_nat *nat)
{
	unsigned word;
	bool good = config_read_rule_prefix(r, &keys[FROM], &nat->from);
	good &= config_read_port_range(r, &keys[PORTS], &nat->to_port);
	if (keys[TO].value && nat->action == CONFIG_SNAT)
		good &= read_source_address(r, keys[TO].value, nat);
	else if (nat->action == CONFIG_SNAT && !misnamed)
		complain_lack(r, nat, "to", "such as to: 192.168.0.126, or a range FIRST-LAST");
	if (!keys[OUT].value && !misnamed)
		complain_lack(r, nat, "out", "such as out: r1, the port that leads outside");
	good &= config_read_rule_port(r, &keys[OUT], nat->out);
	if (nat->action == CONFIG_MASQUERADE && nat->out[0])
		good &= check_address(r, keys[OUT].value, "out", nat->out);
	if (keys[MAPPING].value) {
		good &= yaml_read_choice(r->diag, keys[MAPPING].value, "mapping", mapping_words,
					 &word);
		nat->per_remote = good && word;
	}
	if (keys[FILTERING].value &&
	    yaml_read_choice(r->diag, keys[FILTERING].value, "filtering", filtering_words, &word))
		nat->filtering = word;
	return good;
}

/* ---- dnat ---- */

static unsigned width(struct config_ports ports) { return ports.last - ports.first + 1u; }

/* Each port asked for has one to go to. */
static bool check_ports(struct config_reader *r, const struct yaml_entry *keys,
			const struct config_nat *nat)
{
	if (!nat->to_port.first || (nat->port.first && width(nat->port) == width(nat->to_port)))
		return true;
	if (!keys[PORT].value) {
		diag_error(r->diag, yaml_place(keys[TO].value),
			   "add protocol: and port:, which say what was asked for",
			   "to: has a port, and the rule lacks port:");
		return false;
	}
	if (!nat->port.first)
		return false; /* complained about */
	diag_error(r->diag, yaml_place(keys[TO].value),
		   "as many on both sides; to: without ports keeps them as they are",
		   "to: has %u port%s for the %u of port:", width(nat->to_port),
		   width(nat->to_port) > 1 ? "s" : "", width(nat->port));
	return false;
}

static bool read_asked_address(struct config_reader *r, const struct yaml_entry *keys,
			       struct config_nat *nat)
{
	bool good = config_read_rule_port(r, &keys[IN], nat->in);
	if (!keys[ADDRESS].value)
		return good && (!nat->in[0] || check_address(r, keys[IN].value, "in", nat->in));
	if (!config_read_rule_prefix(r, &keys[ADDRESS], &nat->address))
		return false;
	if (nat->address.len == 0) {
		diag_error(r->diag, yaml_place(keys[ADDRESS].value),
			   "leave it out, and in: means every address of that port",
			   "address: %s would take everything", keys[ADDRESS].value->text);
		return false;
	}
	return good;
}

static bool read_dnat(struct config_reader *r, const struct yaml_entry *keys, bool misnamed,
		      struct config_nat *nat)
{
	bool good = read_asked_address(r, keys, nat);
	bool protocol = config_read_protocol(r, &keys[PROTOCOL], &nat->protocol);
	good &= config_read_port_range(r, &keys[PORT], &nat->port) && protocol;
	if (protocol && !misnamed)
		good &= config_check_port_protocol(r, &keys[PORT], nat->protocol);
	if (!keys[IN].value && !keys[ADDRESS].value && !misnamed)
		complain_lack(r, nat, "in",
			      "such as in: r1, whose addresses are meant; or address: ADDRESS");
	if (!keys[TO].value && !misnamed)
		complain_lack(r, nat, "to", "such as to: \"192.168.10.3:9999\"");
	if (keys[TO].value)
		good &= read_destination(r, keys[TO].value, nat) &&
			(misnamed || check_ports(r, keys, nat));
	return good;
}

/* ---- the section ---- */

static bool read_rule(struct config_reader *r, const struct yaml_node *node, struct config_nat *nat)
{
	struct yaml_entry keys[N_KEYS];
	unsigned action, errors_before = r->diag->n_errors;
	nat->at = yaml_place(node);
	if (!yaml_read_map(r->diag, node, "a nat rule", nat_keys, keys))
		return false;
	bool misnamed = r->diag->n_errors > errors_before;
	if (!keys[ACTION].value) {
		if (!misnamed)
			diag_error(r->diag, nat->at, "action: masquerade, snat or dnat",
				   "the nat rule lacks action:");
		return false;
	}
	if (!yaml_read_choice(r->diag, keys[ACTION].value, "action", nat_actions, &action))
		return false;
	nat->action = action;
	misnamed |= !check_keys(r, keys, action);
	bool read = action == CONFIG_DNAT ? read_dnat(r, keys, misnamed, nat)
					  : read_source_rule(r, keys, misnamed, nat);
	return read && r->diag->n_errors == errors_before;
}

static struct rule_match match_of(const struct config_nat *nat)
{
	struct rule_match match = {
		.kind = nat->action == CONFIG_DNAT,
		.from = nat->from.address,
		.from_len = nat->from.len,
		.to = nat->address.address,
		.to_len = nat->address.len,
		.port = nat->port,
		.protocol = nat->protocol,
	};
	memcpy(match.out, nat->out, sizeof(match.out));
	if (!nat->address.len) /* which takes the place of the port's own */
		memcpy(match.in, nat->in, sizeof(match.in));
	return match;
}

static void check_same(struct config_reader *r)
{
	const struct config *config = r->config;
	struct rule_match *matches = config_alloc(r->diag, config->n_nat, sizeof(*matches));
	struct place *at = config_alloc(r->diag, config->n_nat, sizeof(*at));
	for (unsigned i = 0; matches && at && i < config->n_nat; i++) {
		matches[i] = match_of(&config->nat[i]);
		at[i] = config->nat[i].at;
	}
	if (matches && at)
		config_check_same_rules(r, matches, at, config->n_nat);
	free(matches);
	free(at);
}

void config_read_nat(struct config_reader *r, const struct yaml_node *node)
{
	struct config *config = r->config;
	const struct yaml_node *item = yaml_first_item(r->diag, node, "nat");
	size_t n = yaml_count(item);
	if (n > NAT_RULES_MAX) {
		diag_error(r->diag, yaml_place(node), NULL, "nat: lists %zu rules: at most %d", n,
			   NAT_RULES_MAX);
		return;
	}
	config->nat = config_alloc(r->diag, n, sizeof(*config->nat));
	for (; config->nat && item; item = item->next) {
		struct config_nat *nat = &config->nat[config->n_nat];
		*nat = (struct config_nat){0};
		config->n_nat += read_rule(r, item, nat);
	}
	check_same(r);
}
