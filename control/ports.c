/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ports - attaching to interfaces, noticing when they change or vanish, and coming back.
 *
 * What the interfaces are is read from the netlink mirror as a state, never followed as a
 * sequence of events: an interface deleted and made again between two looks has another
 * index under the same name, and that is all there is to know. Every change of a port's
 * state is said once, where it is made (set_state).
 *
 * Order when a port is lost: it leaves the published table, the worker passes a quiet
 * moment, its gate and sockets are closed, the worker takes their frames back. Its number,
 * counters and place in the configuration stay, so that it can return.
 */
#include "ports.h"
#include "config_value.h"
#include "lanes.h"
#include "log.h"
#include "neighbours.h"
#include "state.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <utlist.h>

/* Ethernet header, our headroom, and what the kernel keeps in front (XDP_PACKET_HEADROOM). */
#define FRAME_OVERHEAD (sizeof(struct eth_hdr) + FRAME_HEADROOM + 256)

/* The first port from number *i on, or NULL; *i is the number behind it. */
static struct router_port *next_port(const struct ports *ports, unsigned *i)
{
	while (*i < PORT_MAX)
		if (ports->port[(*i)++])
			return ports->port[*i - 1];
	return NULL;
}

uint32_t ports_ring_size(uint32_t frames, unsigned n_ports)
{
	/* Half a share is with the receiver, and as many frames can be on their way out. */
	uint32_t most = n_ports ? frames / n_ports / 2 : 0, size = XSK_RING_MAX;
	while (size > most)
		size /= 2;
	return size >= RING_MIN ? size : 0;
}

uint32_t ports_frame_size(uint32_t mtu)
{
	if (mtu + FRAME_OVERHEAD <= 2048)
		return 2048;
	return mtu <= MTU_ROUTER_MAX ? 4096 : 0;
}

uint32_t ports_frame_size_for(const struct config *config, const struct netlink *netlink)
{
	uint32_t size = 2048;
	for (unsigned i = 0; i < config->n_ports; i++) {
		const struct link *link = netlink_link(netlink, config->ports[i].name);
		/*
		 * What can arrive is up to the interface's MTU, whatever the file says; in generic
		 * mode it comes 64 KiB at a time, and needs half as many of the larger frames.
		 */
		if ((link && ports_frame_size(link->mtu) != 2048) ||
		    config->ports[i].xdp == XDP_GENERIC)
			size = 4096;
	}
	return size;
}

struct router_port *ports_find(const struct ports *ports, const char *name)
{
	struct router_port *rp;
	for (unsigned i = 0; (rp = next_port(ports, &i));)
		if (rp->config && strcmp(rp->config->name, name) == 0)
			return rp;
	return NULL;
}

uint16_t ports_number(const struct router *router, const char *name, bool plan)
{
	const struct router_port *rp;
	for (unsigned i = 0; (rp = next_port(&router->ports, &i));) {
		const struct config_port *config = plan ? rp->next : rp->config;
		if (config && strcmp(config->name, name) == 0)
			return rp->number;
	}
	return PORT_NONE;
}

uint16_t ports_free_number(const struct router *router)
{
	for (unsigned i = 0; i < PORT_MAX; i++)
		if (!router->ports.port[i] && !router->bridges.bridge[i])
			return i;
	return PORT_NONE;
}

const char *port_state_name(enum port_state state)
{
	static const char *const names[] = {
		[STATE_UP] = "up", [STATE_DOWN] = "down", [STATE_LOST] = "lost"};
	return names[state];
}

static void report(const struct router_port *rp)
{
	if (rp->state == STATE_UP)
		log_info("port %s: up, %s XDP, MTU %u", rp->config->name,
			 xsk_port_is_native(rp->xsk) ? "native" : "generic", rp->link_mtu);
	else
		log_warning("port %s: %s: %s", rp->config->name, port_state_name(rp->state),
			    rp->reason);
}

/*
 * The same state for the same reason is no news: false. Other changes are reported, but not
 * those of a port that is only being tried.
 */
__attribute__((format(printf, 3, 4))) static bool
set_state(struct router_port *rp, enum port_state state, const char *format, ...)
{
	char reason[sizeof(rp->reason)];
	va_list args;
	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	if (rp->state == state && strcmp(rp->reason, reason) == 0)
		return false;
	if (rp->state == STATE_UP && state != STATE_UP)
		rp->losses++;
	rp->flush = state != STATE_UP;
	rp->state = state;
	memcpy(rp->reason, reason, sizeof(rp->reason));
	if (rp->config)
		report(rp);
	return true;
}

/* -- attaching -- */

static bool look_at_link(struct router_port *rp, const struct link *link)
{
	bool changed = false;
	if (!mac_equal(rp->mac, link->mac) || rp->link_mtu != link->mtu) {
		rp->mac = link->mac;
		rp->link_mtu = link->mtu;
		changed = true;
	}
	if (!link->up)
		return set_state(rp, STATE_DOWN, "the interface is set down") || changed;
	if (!link->carrier)
		return set_state(rp, STATE_DOWN, "no carrier: its far end is down or gone") ||
		       changed;
	return set_state(rp, STATE_UP, "%s", "") || changed;
}

/* Whether a packet of that MTU can arrive: in a frame, or in several. */
static bool fits(const struct router *router, const struct router_port *rp, uint32_t mtu)
{
	uint32_t size = ports_frame_size(mtu);
	return (size && size <= router->frame_size) || xsk_port_takes_large(rp->xsk);
}

static void complain_of_mtu(const struct config_port *config, const struct link *link,
			    struct xsk_error *error)
{
	error->code = EOPNOTSUPP;
	snprintf(error->text, sizeof(error->text),
		 "an MTU of %u does not fit a frame, and this kernel gives no packets of several "
		 "(Linux 6.6 does); give the port an mtu: of %u at most",
		 config->mtu ? config->mtu : link->mtu, MTU_ROUTER_MAX);
}

/* Opens rp on the interface; it does not look at it yet. 0, or -1 with *error. */
static int attach(struct router *router, struct router_port *rp, const struct link *link,
		  struct xsk_error *error)
{
	static const enum xsk_mode modes[] = {
		[XDP_AUTO] = XSK_AUTO, [XDP_NATIVE] = XSK_NATIVE, [XDP_GENERIC] = XSK_GENERIC};
	const struct config_port *config = rp->next ? rp->next : rp->config;
	const struct xsk_config wanted = {
		.name = config->name,
		.ifindex = link->ifindex,
		.number = rp->number,
		.ring_size = rp->ring_size,
		.mode = modes[config->xdp],
		.bridged = config->bridge[0],
		.pool = worker_pool(router->worker),
		.stats = worker_stats(router->worker),
		.flow = router->flow,
	};
	rp->xsk = xsk_port_open(router->area, &wanted, error);
	if (!rp->xsk)
		return -1;
	if (config->xdp == XDP_GENERIC &&
	    !fits(router, rp, config->mtu ? config->mtu : link->mtu)) {
		complain_of_mtu(config, link, error);
		xsk_port_close(rp->xsk);
		rp->xsk = NULL;
		return -1;
	}
	rp->lanes = lane_port_open(rp->xsk, router->burst, &wanted);
	if (!rp->lanes) {
		*error = (struct xsk_error){.code = errno};
		snprintf(error->text, sizeof(error->text), "cannot set up its lanes: %s", strerror(errno));
		xsk_port_close(rp->xsk);
		rp->xsk = NULL;
		return -1;
	}
	if (rp->ifindex != link->ifindex)
		rp->prepared = false; /* another interface, with a far end of its own */
	rp->far_sought = false;
	rp->ifindex = link->ifindex;
	rp->bridged = wanted.bridged;
	if (!lane_port_has_gso(rp->lanes))
		log_warning("port %s: the kernel gives no packet socket: TCP segments are not put together",
			    config->name);
	if (xsk_port_is_native(rp->xsk))
		return 0;
	if (xsk_port_takes_large(rp->xsk))
		log_info("port %s: %s", config->name, error->text[0] ? error->text : "generic XDP");
	else
		log_warning(
			"port %s: %s; this kernel gives it no packets longer than a frame (Linux "
			"6.6 does), so what a host sends in one piece for its card to cut (TSO) "
			"is lost: ethtool -K IFACE tso off, at the far end",
			config->name, error->text[0] ? error->text : "generic XDP");
	return 0;
}

/* Its frames are with the worker's pool again afterwards; nobody may look at its io any more. */
static void detach(struct router *router, struct router_port *rp)
{
	struct xsk_gate_counts counts;
	if (!rp->xsk)
		return;
	xsk_port_refresh_stats(rp->xsk);
	xsk_port_gate_counts(rp->xsk, &counts);
	rp->gate_passed += counts.passed;
	lanes_leave(router, rp);
	lane_port_close(rp->lanes);
	rp->lanes = NULL;
	xsk_port_close(rp->xsk);
	rp->xsk = NULL;
	worker_reclaim(router->worker, rp->number);
}

/* -- a configuration being tried -- */

static struct router_port *add_port(struct router *router, const struct config_port *config)
{
	uint16_t number = ports_free_number(router);
	struct router_port *rp = number == PORT_NONE ? NULL : calloc(1, sizeof(*rp));
	if (!rp)
		return NULL;
	rp->number = number;
	rp->next = config;
	rp->state = STATE_LOST;
	router->ports.port[number] = rp;
	return rp;
}

static int check_mtu(const struct router *router, const struct config_port *config,
		     const struct link *link, struct refusal *why)
{
	uint32_t mtu = config->mtu ? config->mtu : link->mtu, size = ports_frame_size(mtu);
	if (config->mtu > link->mtu)
		return refusal_at(
			why, REFUSED_CONFIG, config->at,
			"port %s: mtu %u is more than the interface's %u; raise that with "
			"`ip link set dev %s mtu %u`",
			config->name, config->mtu, link->mtu, config->name, config->mtu);
	if (config->xdp == XDP_GENERIC)
		return 0; /* a packet may be several frames: attach() has the last word */
	if (!size)
		return refusal_at(why, REFUSED_CONFIG, config->at,
				  "port %s: an MTU of %u does not fit a frame; lower it, give "
				  "the port an mtu: of %u at most, or xdp: generic",
				  config->name, mtu, MTU_ROUTER_MAX);
	if (router->frame_size && size > router->frame_size)
		return refusal_at(
			why, REFUSED_CONFIG, config->at,
			"port %s: an MTU of %u needs larger frames, which needs a restart",
			config->name, mtu);
	return 0;
}

static int check_interface(const struct router *router, const struct config_port *config,
			   struct refusal *why)
{
	const struct link *link = netlink_link(router->netlink, config->name);
	char names[256];
	if (!link)
		return refusal_at(
			why, REFUSED_CONFIG, config->at,
			"port %s: no interface of that name in this namespace; there are: %s",
			config->name, netlink_names(router->netlink, names, sizeof(names)));
	if (!link->ethernet)
		return refusal_at(
			why, REFUSED_CONFIG, config->at,
			"port %s: not an Ethernet interface, which is all that a port can be",
			config->name);
	if (link->xdp)
		return refusal_at(
			why, REFUSED_FAILED, config->at,
			"port %s: the interface carries another XDP program (id %u); "
			"`ip link set dev %s xdp off` takes it off, or end what attached it",
			config->name, link->xdp_id, config->name);
	return check_mtu(router, config, link, why);
}

static int check_kept(const struct router *router, const struct router_port *rp,
		      const struct config_port *config, struct refusal *why)
{
	const struct link *link = netlink_link(router->netlink, config->name);
	if (rp->xsk && config->xdp != XDP_AUTO &&
	    xsk_port_is_native(rp->xsk) != (config->xdp == XDP_NATIVE))
		return refusal_at(why, REFUSED_CONFIG, config->at,
				  "port %s: changing xdp: of a port that is open needs a restart",
				  config->name);
	return link ? check_mtu(router, config, link, why) : 0;
}

static int check_frames(const struct router *router, const struct config *config,
			struct refusal *why)
{
	struct router_port *rp;
	uint64_t needed = 0;
	for (unsigned i = 0; (rp = next_port(&router->ports, &i));)
		if (rp->next)
			needed += 2 * rp->ring_size;
	if (needed <= config->frames)
		return 0;
	return refusal_set(
		why, REFUSED_CONFIG,
		"frames: %u are shared out among the ports there were; more ports need a restart",
		config->frames);
}

int ports_plan(struct router *router, const struct config *config, struct refusal *why)
{
	uint32_t ring_size = ports_ring_size(config->frames, config->n_ports);
	static_assert(CONFIG_FRAMES_PER_PORT == 2 * RING_MIN, "config.c has counted the frames");
	for (unsigned i = 0; i < config->n_ports; i++) {
		const struct config_port *port = &config->ports[i];
		struct router_port *rp = ports_find(&router->ports, port->name);
		if (rp) {
			rp->next = port;
			rp->reopen = rp->xsk && rp->bridged != (port->bridge[0] != 0);
			if (check_kept(router, rp, port, why) < 0)
				return -1;
			continue;
		}
		if (check_interface(router, port, why) < 0)
			return -1;
		rp = add_port(router, port);
		if (!rp)
			return refusal_at(why, REFUSED_FAILED, port->at,
					  "port %s: no room for another port", port->name);
		rp->ring_size = ring_size;
	}
	return check_frames(router, config, why);
}

static int open_added(struct router *router, struct router_port *rp, struct refusal *why)
{
	const struct link *link = netlink_link(router->netlink, rp->next->name);
	struct xsk_error error;
	if (attach(router, rp, link, &error) < 0)
		return refusal_at(why,
				  error.code == EPERM || error.code == EOPNOTSUPP ? REFUSED_MACHINE
										  : REFUSED_FAILED,
				  rp->next->at, "port %s: %s", rp->next->name, error.text);
	rp->base = *stats_port(worker_stats(router->worker), rp->number);
	look_at_link(rp, link);
	return 0;
}

int ports_open_added(struct router *router, struct refusal *why)
{
	struct router_port *rp;
	for (unsigned i = 0; (rp = next_port(&router->ports, &i));)
		if (!rp->config && open_added(router, rp, why) < 0)
			return -1;
	return 0;
}

void ports_forget(struct router *router)
{
	struct router_port *rp;
	for (unsigned i = 0; (rp = next_port(&router->ports, &i));) {
		rp->next = NULL;
		rp->reopen = false;
		if (rp->config)
			continue;
		detach(router, rp);
		router->ports.port[rp->number] = NULL;
		free(rp);
	}
}

/* It was published as being down; ports_retry() opens it as its configuration wants it now. */
static void close_to_reopen(struct router *router, struct router_port *rp)
{
	detach(router, rp);
	neigh_flush(worker_neigh(router->worker), rp->number, true);
	rp->state = STATE_LOST;
	snprintf(rp->reason, sizeof(rp->reason), "it is being opened anew");
	rp->reopen = rp->blocked = false;
}

void ports_settle(struct router *router)
{
	struct router_port *rp;
	for (unsigned i = 0; (rp = next_port(&router->ports, &i));) {
		bool added = !rp->config;
		rp->config = rp->next;
		rp->next = NULL;
		if (rp->config && added)
			report(rp);
		if (rp->config && rp->reopen)
			close_to_reopen(router, rp);
		if (rp->config)
			continue;
		detach(router, rp);
		lanes_restore(rp);
		neigh_flush(worker_neigh(router->worker), rp->number, true);
		router->ports.port[rp->number] = NULL;
		free(rp);
	}
}

/* -- while running -- */

static bool follow(struct router *router, struct router_port *rp, bool gates)
{
	const struct link *link = netlink_link(router->netlink, rp->config->name);
	if (!rp->xsk)
		return false;
	if (!link)
		return set_state(rp, STATE_LOST, "the interface is gone");
	if (link->ifindex != rp->ifindex)
		return set_state(rp, STATE_LOST,
				 "the interface was replaced by another of that name");
	if (gates && !xsk_port_attached(rp->xsk))
		return set_state(rp, STATE_LOST, "its XDP program was detached by someone else");
	return rp->state == STATE_LOST || look_at_link(rp, link);
}

bool ports_follow(struct router *router, bool gates)
{
	struct router_port *rp;
	bool changed = false;
	for (unsigned i = 0; (rp = next_port(&router->ports, &i));)
		changed |= follow(router, rp, gates);
	return changed;
}

void ports_release(struct router *router)
{
	struct router_port *rp;
	for (unsigned i = 0; (rp = next_port(&router->ports, &i));) {
		if (rp->state == STATE_LOST)
			detach(router, rp);
		if (rp->flush) {
			neigh_flush(worker_neigh(router->worker), rp->number,
				    rp->state == STATE_LOST);
			fdb_flush(worker_fdb(router->worker), PORT_NONE, rp->number, false);
		}
		rp->flush = false;
	}
}

bool ports_retry(struct router *router)
{
	struct router_port *rp;
	bool back = false;
	for (unsigned i = 0; (rp = next_port(&router->ports, &i));) {
		const struct link *link = netlink_link(router->netlink, rp->config->name);
		struct xsk_error error;
		if (rp->xsk || !link || !link->ethernet)
			continue;
		if (attach(router, rp, link, &error) < 0) {
			set_state(rp, STATE_LOST, "%s", error.text);
			rp->flush = false;
			continue;
		}
		look_at_link(rp, link);
		neighbours_install(router, rp->number);
		back = true;
	}
	return back;
}

/* -- the table to publish -- */

void ports_copy_addresses(struct port_address *to, const struct config_address *from, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		to[i] = (struct port_address){from[i].address, from[i].prefix_len};
}

static struct port *port_new(const struct router *router, const struct router_port *rp, bool plan)
{
	const struct config_port *config = plan ? rp->next : rp->config;
	struct port *port =
		calloc(1, sizeof(*port) + config->n_addresses * sizeof(struct port_address));
	if (!port)
		return NULL;
	struct port_address *addresses = (struct port_address *)(port + 1);
	ports_copy_addresses(addresses, config->addresses, config->n_addresses);
	bool large = rp->xsk && xsk_port_takes_large(rp->xsk);
	uint32_t most = large ? UINT16_MAX : router->frame_size - (uint32_t)FRAME_OVERHEAD;
	uint32_t mtu = min_u32(most, rp->link_mtu);
	memcpy(port->name, config->name, sizeof(port->name));
	port->number = rp->number;
	port->mtu = config->mtu ? min_u32(mtu, config->mtu) : mtu;
	port->mac = rp->mac;
	port->up = rp->state == STATE_UP && !rp->reopen;
	port->ifindex = rp->ifindex;
	port->io = port->up ? lane_port_io(rp->lanes) : NULL;
	port->n_addresses = config->n_addresses;
	port->addresses = addresses;
	bridges_place(router, port, config, plan);
	return port;
}

static void add_locals(struct port_table *table, const struct port *port)
{
	for (unsigned i = 0; i < port->n_addresses; i++) {
		be32 address = port->addresses[i].address,
		     mask = ip4_mask(port->addresses[i].prefix_len);
		port_table_add_local(
			table,
			(struct local){.address = address, .port = port->number, .tsuji = true});
		if (port->addresses[i].prefix_len <=
		    30) /* RFC 3021: a /31 has no broadcast address */
			port_table_add_local(table,
					     (struct local){.address = {address.raw | ~mask.raw},
							    .port = port->number,
							    .broadcast = true});
	}
}

static bool is_local_candidate(const struct kernel_address *address)
{
	return !be32_is_zero(address->address) &&
	       !ip4_in_prefix(address->address, be32_from(0x7f000000),
			      8); /* RFC 1122 3.2.1.3: never on a wire */
}

/*
 * What the leg of a bridge is asked for is never punted: the kernel has no interface that it
 * could have come in by. A service on a bridge gets a veth of its own into the bridge.
 */
static bool is_of_leg(const struct port_table *table, be32 address)
{
	const struct local *local = port_local(table, address);
	const struct port *port = local && local->tsuji ? port_get(table, local->port) : NULL;
	return port && port_is_leg(port);
}

static void add_kernel_locals(struct port_table *table, const struct kernel_address *addresses)
{
	const struct kernel_address *address;
	LL_FOREACH(addresses, address)
	{
		struct local local = {
			.address = address->address, .port = PORT_NONE, .kernel = true};
		if (!is_local_candidate(address) || is_of_leg(table, address->address))
			continue;
		for (unsigned i = 0; i < table->n_ports; i++)
			if (table->ports[i] && table->ports[i]->ifindex == address->ifindex)
				local.port = i;
		port_table_add_local(table, local);
	}
}

/* Places for the addresses of all ports and legs, their broadcast addresses, and the kernel's. */
static unsigned count_locals(const struct router *router, const struct config *config)
{
	const struct kernel_address *addresses = netlink_addresses(router->netlink), *address;
	unsigned n;
	LL_COUNT(addresses, address, n);
	for (unsigned i = 0; i < config->n_ports; i++)
		n += 2 * config->ports[i].n_addresses;
	for (unsigned i = 0; i < config->n_bridges; i++)
		n += 2 * config->bridges[i].n_addresses;
	return n;
}

static int add_ports(const struct router *router, struct port_table *table, bool plan)
{
	const struct router_port *rp;
	for (unsigned i = 0; (rp = next_port(&router->ports, &i));) {
		if (!(plan ? rp->next : rp->config))
			continue;
		struct port *port = port_new(router, rp, plan);
		if (!port)
			return -ENOMEM;
		table->ports[rp->number] = port;
		table->n_ports = rp->number + 1;
	}
	return bridges_add_legs(router, table, plan);
}

struct port_table *ports_table(const struct router *router, const struct config *plan)
{
	struct port_table *table =
		port_table_new(count_locals(router, plan ? plan : router->config));
	if (!table)
		return NULL;
	if (add_ports(router, table, plan) < 0) {
		ports_table_free(table);
		return NULL;
	}
	for (unsigned i = 0; i < table->n_ports; i++)
		if (table->ports[i])
			add_locals(table, table->ports[i]);
	add_kernel_locals(table, netlink_addresses(router->netlink));
	return table;
}

void ports_table_free(struct port_table *table)
{
	for (unsigned i = 0; table && i < table->n_ports; i++)
		free(table->ports[i]);
	port_table_free(table);
}
