/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bridges - legs: from the bridges of the router file to ports without a wire.
 *
 * A leg takes after its members. Its MAC, unless the file gives one, is the lowest of the
 * members that are there when the bridge begins, and stays for as long as a member has it:
 * hosts keep it in their neighbour tables, so a port that joins must not change it.
 *
 * The FDB is told about the router's own MACs as tables are published; what is in it is
 * remembered here, so that each publication deletes and adds only what has changed, and
 * leaves the worker's business (what is learnt) alone.
 */
#include "bridges.h"
#include "log.h"
#include "state.h"

#include <errno.h>
#include <stdlib.h>

/* The first bridge from number *i on, or NULL; *i is the number behind it. */
static struct router_bridge *next_bridge(const struct bridges *bridges, unsigned *i)
{
	while (*i < PORT_MAX)
		if (bridges->bridge[(*i)++])
			return bridges->bridge[*i - 1];
	return NULL;
}

struct router_bridge *bridges_find(const struct bridges *bridges, const char *name)
{
	struct router_bridge *rb;
	for (unsigned i = 0; (rb = next_bridge(bridges, &i));)
		if (rb->config && strcmp(rb->config->name, name) == 0)
			return rb;
	return NULL;
}

bool bridge_is_own(const struct router_bridge *rb, struct mac mac)
{
	for (unsigned i = 0; i < rb->n_locals; i++)
		if (mac_equal(rb->locals[i].mac, mac))
			return true;
	return false;
}

/* -- a configuration being tried -- */

static struct router_bridge *add_bridge(struct router *router)
{
	uint16_t number = ports_free_number(router);
	struct router_bridge *rb = number == PORT_NONE ? NULL : calloc(1, sizeof(*rb));
	if (!rb)
		return NULL;
	rb->number = number;
	router->bridges.bridge[number] = rb;
	return rb;
}

int bridges_plan(struct router *router, const struct config *config, struct refusal *why)
{
	for (unsigned i = 0; i < config->n_bridges; i++) {
		const struct config_bridge *bridge = &config->bridges[i];
		struct router_bridge *rb = bridges_find(&router->bridges, bridge->name);
		if (!rb)
			rb = add_bridge(router);
		if (!rb)
			return refusal_at(why, REFUSED_FAILED, bridge->at,
					  "bridge %s: no room for another port", bridge->name);
		rb->next = bridge;
	}
	return 0;
}

static void drop(struct router *router, struct router_bridge *rb)
{
	router->bridges.bridge[rb->number] = NULL;
	free(rb);
}

void bridges_forget(struct router *router)
{
	struct router_bridge *rb;
	for (unsigned i = 0; (rb = next_bridge(&router->bridges, &i));) {
		rb->next = NULL;
		if (!rb->config)
			drop(router, rb);
	}
}

/* Nothing of it stays behind for whoever gets its number. */
static void clear_tables(struct router *router, const struct router_bridge *rb)
{
	struct fdb *fdb = worker_fdb(router->worker);
	fdb_flush(fdb, rb->number, PORT_NONE, true);
	for (unsigned i = 0; i < rb->n_locals; i++)
		fdb_del(fdb, rb->number, rb->locals[i].mac);
	neigh_flush(worker_neigh(router->worker), rb->number, true);
}

void bridges_settle(struct router *router)
{
	struct router_bridge *rb;
	for (unsigned i = 0; (rb = next_bridge(&router->bridges, &i));) {
		if (!rb->config)
			rb->base = *stats_port(worker_stats(router->worker), rb->number);
		rb->config = rb->next;
		rb->next = NULL;
		if (rb->config) {
			fdb_set_aging(worker_fdb(router->worker), rb->number,
				      rb->config->aging_s * NS_PER_S);
			continue;
		}
		clear_tables(router, rb);
		drop(router, rb);
	}
}

/* -- the table to publish -- */

static const struct config_bridge *config_of(const struct router_bridge *rb, bool plan)
{
	return plan ? rb->next : rb->config;
}

static const struct router_bridge *find_in(const struct router *router, const char *name, bool plan)
{
	const struct router_bridge *rb;
	for (unsigned i = 0; (rb = next_bridge(&router->bridges, &i));) {
		const struct config_bridge *config = config_of(rb, plan);
		if (config && strcmp(config->name, name) == 0)
			return rb;
	}
	return NULL;
}

void bridges_place(const struct router *router, struct port *port, const struct config_port *config,
		   bool plan)
{
	const struct router_bridge *rb =
		config->bridge[0] ? find_in(router, config->bridge, plan) : NULL;
	const char *mirror = config->mirror;
	port->bridge = rb ? rb->number : PORT_NONE;
	if (rb && !mirror[0])
		mirror = config_of(rb, plan)->mirror;
	port->mirror = mirror[0] ? ports_number(router, mirror, plan) : PORT_NONE;
	port->flags = (config->no_learning ? PORT_NO_LEARNING : 0) |
		      (config->no_flood ? PORT_NO_FLOOD : 0) |
		      (config->isolated ? PORT_ISOLATED : 0);
}

/* What a leg takes from its members. */
struct takes {
	uint16_t members[PORT_MAX];
	unsigned n_members;
	uint32_t mtu;	   /* the least of those that are there, else of all */
	struct mac lowest; /* of those that are there; zero: none is */
	bool up, kept;	   /* kept: one of them has the MAC that the leg has had */
};

static void take(struct takes *takes, const struct router_bridge *rb, const struct port *port,
		 bool is_there)
{
	bool first = mac_is_zero(takes->lowest);
	takes->members[takes->n_members++] = port->number;
	takes->up |= port->up;
	if (!is_there) {
		if (first)
			takes->mtu = min_u32(takes->mtu, port->mtu);
		return;
	}
	takes->mtu = first ? port->mtu : min_u32(takes->mtu, port->mtu);
	takes->kept |= mac_equal(port->mac, rb->mac);
	if (first || memcmp(&port->mac, &takes->lowest, sizeof(port->mac)) < 0)
		takes->lowest = port->mac;
}

static struct mac choose_mac(const struct router_bridge *rb, const struct config_bridge *config,
			     const struct takes *takes)
{
	if (!mac_is_zero(config->mac))
		return config->mac;
	return takes->kept || mac_is_zero(takes->lowest) ? rb->mac : takes->lowest;
}

static struct port *leg_new(const struct router *router, const struct router_bridge *rb,
			    const struct config_bridge *config, const struct port_table *table)
{
	struct takes takes = {.mtu = UINT16_MAX};
	for (unsigned i = 0; i < table->n_ports; i++)
		if (table->ports[i] && table->ports[i]->bridge == rb->number)
			take(&takes, rb, table->ports[i],
			     router->ports.port[i]->state != STATE_LOST);

	size_t addresses_size = config->n_addresses * sizeof(struct port_address);
	struct port *leg = calloc(1, sizeof(*leg) + addresses_size + sizeof(takes.members));
	if (!leg)
		return NULL;
	struct port_address *addresses = (struct port_address *)(leg + 1);
	uint16_t *members = (uint16_t *)((char *)addresses + addresses_size);
	ports_copy_addresses(addresses, config->addresses, config->n_addresses);
	memcpy(members, takes.members, takes.n_members * sizeof(*members));
	memcpy(leg->name, config->name, sizeof(leg->name));
	leg->number = rb->number;
	leg->mtu = takes.mtu;
	leg->mac = choose_mac(rb, config, &takes);
	leg->up = takes.up;
	leg->n_addresses = config->n_addresses;
	leg->addresses = addresses;
	leg->bridge = leg->mirror = PORT_NONE;
	leg->n_members = takes.n_members;
	leg->members = members;
	return leg;
}

int bridges_add_legs(const struct router *router, struct port_table *table, bool plan)
{
	const struct router_bridge *rb;
	for (unsigned i = 0; (rb = next_bridge(&router->bridges, &i));) {
		const struct config_bridge *config = config_of(rb, plan);
		if (!config)
			continue;
		struct port *leg = leg_new(router, rb, config, table);
		if (!leg)
			return -ENOMEM;
		table->ports[leg->number] = leg;
		if (table->n_ports <= leg->number)
			table->n_ports = leg->number + 1;
	}
	return 0;
}

/* -- while running -- */

/* Ports that are no longer where they were take what was learnt there with them. */
static void forget_leavers(struct router *router, const struct port_table *before)
{
	const struct port_table *now = worker_ports(router->worker);
	for (unsigned i = 0; i < before->n_ports; i++) {
		const struct port *was = before->ports[i], *is = port_get(now, i);
		if (was && was->bridge != PORT_NONE && (!is || is->bridge != was->bridge))
			fdb_flush(worker_fdb(router->worker), was->bridge, i, true);
	}
}

static void forget_neighbours(struct router *router, const struct port_table *before)
{
	const struct port_table *now = worker_ports(router->worker);
	for (unsigned i = 0; i < now->n_ports; i++) {
		const struct port *was = port_get(before, i), *is = now->ports[i];
		if (is && port_is_leg(is) && !is->up && was && was->up)
			neigh_flush(worker_neigh(router->worker), i, false);
	}
}

static void want(struct bridge_local *locals, unsigned *n, struct mac mac, uint16_t port)
{
	for (unsigned i = 0; i < *n; i++)
		if (mac_equal(locals[i].mac, mac))
			return;
	if (!mac_is_zero(mac))
		locals[(*n)++] = (struct bridge_local){mac, port};
}

/* The leg first: of a MAC that both have, it is the bridge's. */
static unsigned want_locals(const struct router *router, const struct port *leg,
			    struct bridge_local *locals)
{
	const struct port_table *table = worker_ports(router->worker);
	unsigned n = 0;
	want(locals, &n, leg->mac, leg->number);
	for (unsigned i = 0; i < leg->n_members; i++) {
		uint16_t member = leg->members[i];
		if (router->ports.port[member]->state != STATE_LOST)
			want(locals, &n, table->ports[member]->mac, member);
	}
	return n;
}

static bool holds(const struct bridge_local *locals, unsigned n, struct bridge_local local)
{
	for (unsigned i = 0; i < n; i++)
		if (mac_equal(locals[i].mac, local.mac) && locals[i].port == local.port)
			return true;
	return false;
}

/* Has the FDB say what the table says. What finds no room there is tried again next time. */
static void follow_locals(struct router *router, struct router_bridge *rb, const struct port *leg)
{
	struct fdb *fdb = worker_fdb(router->worker);
	struct bridge_local wanted[PORT_MAX];
	unsigned n = want_locals(router, leg, wanted), kept = 0;
	for (unsigned i = 0; i < rb->n_locals; i++)
		if (!holds(wanted, n, rb->locals[i]))
			fdb_del(fdb, rb->number, rb->locals[i].mac);
	for (unsigned i = 0; i < n; i++) {
		if (holds(rb->locals, rb->n_locals, wanted[i]) ||
		    fdb_add(fdb, rb->number, wanted[i].mac, wanted[i].port, FDB_LOCAL) == 0)
			wanted[kept++] = wanted[i];
		else
			log_error("bridge %s: no room in the forwarding database for its own MACs",
				  leg->name);
	}
	memcpy(rb->locals, wanted, kept * sizeof(*wanted));
	rb->n_locals = kept;
}

void bridges_follow(struct router *router, const struct port_table *before)
{
	const struct port_table *table = worker_ports(router->worker);
	struct router_bridge *rb;
	forget_leavers(router, before);
	forget_neighbours(router, before);
	for (unsigned i = 0; (rb = next_bridge(&router->bridges, &i));) {
		const struct port *leg = port_get(table, rb->number);
		rb->mac = leg->mac;
		follow_locals(router, rb, leg);
	}
}

/* -- loop guard -- */

bool bridges_why_blocked(const struct router *router, uint16_t number, char *text, size_t size)
{
	const struct bridge_state *state = worker_bridge(router->worker);
	const struct port_table *table = worker_ports(router->worker);
	uint64_t until_ns = load_shared(&state->blocked_until_ns[number]), now_ns = state_now_ns();
	const struct port *other = port_get(table, load_shared(&state->blocks[number].other));
	char mac[20];
	if (until_ns <= now_ns)
		return false;
	snprintf(text, size, "%s flaps with %s, %u s left",
		 config_format_mac(state->blocks[number].mac, mac),
		 other ? other->name : "a port that is gone",
		 (unsigned)((until_ns - now_ns + NS_PER_S - 1) / NS_PER_S));
	return true;
}

static void watch(struct router *router, struct router_port *rp)
{
	const struct bridge_state *state = worker_bridge(router->worker);
	uint64_t n_blocked = load_shared(&state->blocks[rp->number].n_blocked);
	char text[96];
	bool blocked = bridges_why_blocked(router, rp->number, text, sizeof(text));
	if (blocked && (!rp->blocked || n_blocked != rp->n_blocked))
		log_warning("port %s: blocked by loop guard: %s; is there a circle of cables?",
			    rp->config->name, text);
	else if (!blocked && rp->blocked)
		log_info("port %s: loop guard lets it go", rp->config->name);
	rp->blocked = blocked;
	rp->n_blocked = n_blocked;
}

void bridges_watch(struct router *router)
{
	for (unsigned i = 0; i < PORT_MAX; i++)
		if (router->ports.port[i] && router->ports.port[i]->config->bridge[0])
			watch(router, router->ports.port[i]);
}
