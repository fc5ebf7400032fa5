/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * router - starting, changing and stopping the whole of it.
 *
 * A configuration comes into force in the same four steps at the start and at a reload:
 *
 *   plan      which ports stay, come and go; refuse what can be refused without touching
 *             anything
 *   open      the ports that come
 *   build     port table, route list, FIB and rules, beside those in use
 *   publish   the rules, then all else in one step; from here on nothing can fail
 *
 * and then what nobody uses any more is closed and freed. Whatever fails before the last
 * step is undone by forgetting the plan.
 *
 * While running, the same builders make new tables from what is in force, each time the
 * interfaces, the kernel's addresses or sockets, or the live routes change. The worker sees whole
 * tables only; the old ones are freed after its grace period.
 */
#include "router.h"
#include "lanes.h"
#include "../dataplane/lane_trial.h"
#include "log.h"
#include "neighbours.h"
#include "state.h"
#include "summary.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <unistd.h>

/* -- publishing -- */

static bool same_addresses(const struct port *a, const struct port *b)
{
	bool same = a->n_addresses == b->n_addresses;
	for (unsigned i = 0; same && i < a->n_addresses; i++)
		same = be32_equal(a->addresses[i].address, b->addresses[i].address);
	return same;
}

/* Whether hosts there must learn where its addresses are: they are new, or at another MAC. */
static bool has_news(const struct port *port, const struct port *before)
{
	return port->up && (!before || !before->up || strcmp(before->name, port->name) != 0 ||
			    !mac_equal(before->mac, port->mac) || !same_addresses(before, port));
}

/* After publishing, before the old table is freed. */
static void announce(struct router *router, const struct port_table *before)
{
	const struct port_table *now = worker_ports(router->worker);
	for (unsigned i = 0; i < now->n_ports; i++)
		if (now->ports[i] && has_news(now->ports[i], port_get(before, i)))
			worker_announce(router->worker, i);
}

/* What goes with the ports' table, once it is published. */
static void follow_table(struct router *router, const struct port_table *before)
{
	bridges_follow(router, before);
	stations_follow(router);
	announce(router, before);
}

/* Publishes what is not NULL, and frees what it replaces. */
static void publish(struct router *router, struct port_table *table, struct fib *fib)
{
	struct port_table *old_table = (struct port_table *)worker_ports(router->worker);
	struct fib *old_fib = worker_fib(router->worker);
	worker_publish(router->worker, table, fib);
	if (table) {
		follow_table(router, old_table);
		ports_table_free(old_table);
	}
	if (fib) {
		routes_settle(&router->routes, old_fib);
		fib_free(old_fib);
	}
}

/* Routes depend on the ports only by whether they are up: all else needs a reload. */
static bool same_ports_up(const struct port_table *a, const struct port_table *b)
{
	for (unsigned i = 0; i < PORT_MAX; i++) {
		const struct port *left = port_get(a, i), *right = port_get(b, i);
		if ((left && left->up) != (right && right->up))
			return false;
	}
	return true;
}

/* Brings the worker's tables up to what is in force. False: no memory, to be tried again. */
static bool republish(struct router *router)
{
	struct port_table *table = ports_table(router, NULL);
	struct fib *fib = NULL;
	bool whole = table && same_ports_up(table, worker_ports(router->worker));
	if (table && !whole)
		fib = routes_build(&router->routes, table);
	if (!table || (!whole && !fib)) {
		if (!router->unpublished)
			log_error("no memory for new tables; the old ones stay until there is");
		router->unpublished = true;
		ports_table_free(table);
		return false;
	}
	router->unpublished = false;
	publish(router, table, fib);
	return true;
}

/* -- rules -- */

/* Ports that sockets of the kernel have matter to rules that choose ports. */
static bool chooses_ports(const struct config *config)
{
	for (unsigned i = 0; i < config->n_nat; i++)
		if (config->nat[i].action != CONFIG_DNAT)
			return true;
	return false;
}

static void read_sockets(struct router *router, const struct config *config,
			 const struct port_table *ports, struct sockets *sockets)
{
	int error = 0;
	if (chooses_ports(config))
		error = sockets_read(sockets, ports);
	else
		memset(sockets, 0, sizeof(*sockets));
	if (error && !router->sockets_unread)
		log_warning("cannot read the kernel's sockets in /proc: %s; translated connections "
			    "may take their ports",
			    strerror(-error));
	router->sockets_unread = error;
}

/* Publishes rules in the place of router->nat, which they inherit from and which is freed. */
static void publish_rules(struct router *router, struct nat_rules next, struct rule_changes *nat,
			  struct rule_changes *filter)
{
	struct nat_rules old = router->nat;
	if (next.rules || old.rules)
		worker_publish_rules(router->worker, next.rules);
	nat_rules_inherit(&next, &old, nat, filter);
	router->nat = next;
	nat_rules_fini(&old);
}

/* The kernel's sockets come and go; what no memory is found for is tried at the next tick. */
static void follow_sockets(struct router *router)
{
	const struct port_table *ports = worker_ports(router->worker);
	struct rule_changes nat, filter;
	struct nat_rules next;
	struct sockets now;
	read_sockets(router, router->config, ports, &now);
	if (memcmp(&now, &router->sockets, sizeof(now)) == 0 ||
	    nat_rules_build(&next, router->config, ports, &now) < 0)
		return;
	publish_rules(router, next, &nat, &filter);
	router->sockets = now;
}

/* -- a configuration comes into force -- */

struct next { /* built beside what is in use */
	struct port_table *table;
	struct route_list routes;
	struct fib *fib;
	struct nat_rules nat;
	struct sockets sockets;
};

static int build_next(struct router *router, const struct config *config, struct next *next,
		      struct refusal *why)
{
	*next = (struct next){.table = ports_table(router, config)};
	if (next->table && routes_fill(&next->routes, next->table, config->routes, config->n_routes,
				       router->live_routes, router->n_live_routes) == 0)
		next->fib = routes_build(&next->routes, next->table);
	if (next->fib) {
		read_sockets(router, config, next->table, &next->sockets);
		if (nat_rules_build(&next->nat, config, next->table, &next->sockets) == 0)
			return 0;
		errno = ENOMEM;
	}
	int error = errno;
	fib_free(next->fib);
	ports_table_free(next->table);
	routes_fini(&next->routes);
	if (error == EINVAL)
		return refusal_set(why, REFUSED_CONFIG, "two routes contradict each other");
	return refusal_set(why, REFUSED_FAILED, "no memory for the tables of this configuration");
}

/* Live routes that the file names now are gone from the list: forget them. */
static void prune_live_routes(struct router *router)
{
	size_t kept = 0;
	for (size_t i = 0; i < router->n_live_routes; i++) {
		const struct config_route *live = &router->live_routes[i];
		const struct route *route = routes_find_asked(&router->routes, live->prefix,
							      live->prefix_len, live->metric);
		if (route && route->source == FROM_LIVE)
			router->live_routes[kept++] = *live;
	}
	router->n_live_routes = kept;
}

/*
 * The step that cannot fail. Frees all that was replaced but the old configuration. Rules
 * come first: what is routed anew meets those meant for it.
 */
static void commit(struct router *router, struct config *config, struct next *next,
		   struct changes *changes)
{
	struct port_table *old_table = (struct port_table *)worker_ports(router->worker);
	struct fib *old_fib = worker_fib(router->worker);
	struct route_list old_routes = router->routes;
	struct config *old = router->config;

	publish_rules(router, next->nat, &changes->nat, &changes->filter);
	router->sockets = next->sockets;
	worker_publish(router->worker, next->table, next->fib);
	routes_settle(&old_routes, old_fib);
	router->routes = next->routes;
	routes_settle(&router->routes, NULL);
	routes_inherit(&router->routes, &old_routes);
	changes->routes = routes_compare(&router->routes, &old_routes);
	router->config = config;
	router->unpublished = false;
	ports_settle(router);
	bridges_settle(router);
	prune_live_routes(router);
	changes->neighbours = neighbours_follow(router, old, old_table);
	follow_table(router, old_table);
	lanes_renew(router);
	sessions_follow(router);
	ports_table_free(old_table);
	fib_free(old_fib);
	routes_fini(&old_routes);
}

static int plan(struct router *router, const struct config *config, struct refusal *why)
{
	return ports_plan(router, config, why) < 0 ? -1 : bridges_plan(router, config, why);
}

static void forget_plan(struct router *router)
{
	ports_forget(router);
	bridges_forget(router);
}

/* From a plan to the running state. On failure the plan is left to the caller to forget. */
static int bring_into_force(struct router *router, struct config *config, struct changes *changes,
			    struct refusal *why)
{
	struct next next;
	if (ports_open_added(router, why) < 0 || build_next(router, config, &next, why) < 0)
		return -1;
	commit(router, config, &next, changes);
	return 0;
}

/* -- start and stop -- */

/* Everything works without it. */
static void open_burst_lane(struct router *router)
{
	struct lane_costs costs;
	int code = burst_lane_open(&router->burst, router->area);
	router->break_even = BURST_MIN_UNMEASURED;
	if (code) {
		log_warning("no burst lane: %s", strerror(-code));
		return;
	}
	router->trial = trial_new(router->burst, router->area, &costs, &code);
	if (code)
		log_warning("the burst lane could not be tried: %s; taking %u packets for its "
			    "break-even", code == -ETIME ? "its calls are slow" : strerror(-code),
			    BURST_MIN_UNMEASURED);
	else
		router->break_even = costs_break_even(&costs, BURST_MIN_MOST);
}

static int start_worker(struct router *router, const struct config *config, struct refusal *why)
{
	struct xsk_error error = {0};
	router->area = xsk_area_new(config->frames, router->frame_size, &error);
	if (!router->area)
		return refusal_set(why, error.code == EPERM ? REFUSED_MACHINE : REFUSED_FAILED,
				   "%s", error.text);
	if (error.text[0])
		log_warning("%s", error.text);
	int code = flow_lane_open(&router->flow);
	if (code) /* everything works without it */
		log_warning("no flow cache: %s", strerror(-code));
	struct worker_config wanted = {
		.area = router->area,
		.flow = router->flow,
		.n_frames = config->frames,
		.frame_size = router->frame_size,
		.sessions = sessions_config(&config->sessions),
		.settings = lanes_worker_settings(&config->lanes),
	};
	if (getrandom(wanted.secret, sizeof(wanted.secret), 0) < 0 ||
	    getrandom(wanted.neigh.secret, sizeof(wanted.neigh.secret), 0) < 0 ||
	    getrandom(wanted.fdb.secret, sizeof(wanted.fdb.secret), 0) < 0 ||
	    getrandom(wanted.sessions.secret, sizeof(wanted.sessions.secret), 0) < 0)
		return refusal_set(why, REFUSED_MACHINE, "no random numbers: %s", strerror(errno));
	open_burst_lane(router);
	wanted.burst = router->burst;
	code = worker_start(&router->worker, &wanted);
	if (code)
		return refusal_set(why, REFUSED_FAILED, "cannot start the worker: %s",
				   strerror(-code));
	return 0;
}

/* netlink, which must be, and netdev, which older kernels lack. 0, or -1 with errno. */
static int listen_for_changes(struct router *router)
{
	struct epoll_event readable = {.events = EPOLLIN};
	router->netlink = netlink_open();
	router->netdev = netdev_open();
	router->changes_fd = epoll_create1(EPOLL_CLOEXEC);
	if (!router->netlink || router->changes_fd < 0 ||
	    epoll_ctl(router->changes_fd, EPOLL_CTL_ADD, netlink_fd(router->netlink), &readable) < 0)
		return -1;
	return router->netdev ? epoll_ctl(router->changes_fd, EPOLL_CTL_ADD,
					  netdev_fd(router->netdev), &readable)
			      : 0;
}

struct router *router_start(struct config *config, struct refusal *why)
{
	struct changes changes;
	struct router *router = calloc(1, sizeof(*router));
	if (!router) {
		refusal_set(why, REFUSED_FAILED, "no memory");
		return NULL;
	}
	router->changes_fd = -1;
	if (listen_for_changes(router) < 0) {
		refusal_set(why, REFUSED_MACHINE, "cannot read the interfaces: netlink: %s",
			    strerror(errno));
	} else if (plan(router, config, why) == 0) {
		router->frame_size = ports_frame_size_for(config, router->netlink);
		if (start_worker(router, config, why) == 0 &&
		    bring_into_force(router, config, &changes, why) == 0)
			return router;
	}
	forget_plan(router);
	router_stop(router);
	return NULL;
}

/* The worker ends first: then nobody looks at a port, and each can be closed as it is. */
void router_stop(struct router *router)
{
	struct port *published[PORT_MAX] = {NULL};
	if (!router)
		return;
	if (router->worker) {
		const struct port_table *table = worker_ports(router->worker);
		memcpy(published, table->ports, table->n_ports * sizeof(*published));
		worker_stop(router->worker);
	}
	for (unsigned i = 0; i < PORT_MAX; i++) {
		if (router->ports.port[i]) {
			lane_port_close(router->ports.port[i]->lanes);
			xsk_port_close(router->ports.port[i]->xsk);
			lanes_restore(router->ports.port[i]);
		}
		free(router->ports.port[i]);
		free(router->bridges.bridge[i]);
		free(published[i]);
	}
	trial_free(router->trial);
	burst_lane_close(router->burst);
	flow_lane_close(router->flow);
	xsk_area_free(router->area);
	netdev_close(router->netdev);
	netlink_close(router->netlink);
	if (router->changes_fd >= 0)
		close(router->changes_fd);
	routes_fini(&router->routes);
	nat_rules_fini(&router->nat);
	free(router->live_routes);
	free(router->live_neighs);
	free(router->stations);
	config_free(router->config);
	free(router);
}

/* -- reload -- */

int router_reload(struct router *router, struct config *config, char *summary, size_t size,
		  struct refusal *why)
{
	struct config *old = router->config;
	struct changes changes;
	if (config->frames != old->frames)
		return refusal_set(why, REFUSED_CONFIG, "frames: changing %u to %u needs a restart",
				   old->frames, config->frames);
	if (config->sessions.max != old->sessions.max)
		return refusal_set(why, REFUSED_CONFIG,
				   "sessions: changing max from %u to %u needs a restart",
				   old->sessions.max, config->sessions.max);
	int error = netlink_refresh(router->netlink);
	if (error)
		return refusal_set(why, REFUSED_FAILED, "netlink: %s", strerror(-error));
	if (plan(router, config, why) < 0 || bring_into_force(router, config, &changes, why) < 0) {
		forget_plan(router);
		return -1;
	}
	if (ports_retry(router)) /* those that another gate was needed for */
		republish(router);
	summary_write(old, config, &changes, summary, size);
	config_free(old);
	return 0;
}

/* -- while running -- */

/* Lost ports leave, those that can come back do; kernel: its addresses may have changed. */
static void follow(struct router *router, bool kernel, bool gates)
{
	bool changed = ports_follow(router, gates);
	if ((changed || kernel || router->unpublished) && !republish(router))
		return;
	ports_release(router);
	if (ports_retry(router))
		republish(router);
}

int router_netlink_fd(const struct router *router)
{
	return router->changes_fd;
}

void router_netlink_ready(struct router *router)
{
	bool far_ends = router->netdev && netdev_update(router->netdev);
	if (far_ends) /* at once: until then bursts to them vanish */
		lanes_choose(router, true);
	int changes = netlink_update(router->netlink);
	if (changes < 0)
		log_error("netlink: %s", strerror(-changes));
	if (changes > 0)
		follow(router, changes & NETLINK_ADDRESSES, false);
	if (changes > 0 && changes & NETLINK_LINKS)
		lanes_choose(router, true);
}

void router_tick(struct router *router)
{
	router_netlink_ready(router);
	follow(router, false, true);
	for (unsigned i = 0; i < PORT_MAX; i++)
		if (router->ports.port[i] && router->ports.port[i]->xsk)
			xsk_port_refresh_stats(router->ports.port[i]->xsk);
	lanes_count(router);
	bridges_watch(router);
	lanes_choose(router, false);
	follow_sockets(router);
}

void router_settle(struct router *router)
{
	worker_settle(router->worker);
	lanes_count(router);
}

/* -- live settings -- */

const struct config_lanes *router_lanes(const struct router *router)
{
	return &router->config->lanes;
}

void router_set_lanes(struct router *router, const struct config_lanes *lanes)
{
	router->config->lanes = *lanes;
	lanes_renew(router);
}

unsigned router_break_even(const struct router *router) { return router->break_even; }

/* -- live routes -- */

static char *prefix_text(const struct config_route *route, char *buf, size_t size)
{
	char address[20];
	snprintf(buf, size, "%s/%u", config_format_address(route->prefix, address),
		 route->prefix_len);
	return buf;
}

/* Publishes a FIB of the list as it is now. -1 with *why: no memory, nothing changed. */
static int publish_routes(struct router *router, struct refusal *why)
{
	struct fib *fib = routes_build(&router->routes, worker_ports(router->worker));
	if (!fib)
		return refusal_set(why, REFUSED_FAILED, "no memory for the routes");
	publish(router, NULL, fib);
	return 0;
}

static int reserve_live(struct router *router)
{
	if (router->n_live_routes < router->live_routes_size)
		return 0;
	size_t size = router->live_routes_size * 2 + 16;
	struct config_route *routes = realloc(router->live_routes, size * sizeof(*routes));
	if (!routes)
		return -ENOMEM;
	router->live_routes = routes;
	router->live_routes_size = size;
	return 0;
}

int router_route_add(struct router *router, const struct config_route *route, struct refusal *why)
{
	const struct port_table *ports = worker_ports(router->worker);
	char text[24];
	if (routes_check(route, ports, why) < 0)
		return -1;
	const struct route *there =
		routes_find(&router->routes, route->prefix, route->prefix_len, route->metric);
	if (there)
		return refusal_set(why, REFUSED_FAILED, "a route to %s with metric %u exists (%s)",
				   prefix_text(route, text, sizeof(text)), route->metric,
				   route_source_name(there->source));
	struct route *added =
		reserve_live(router) < 0 ? NULL : routes_insert(&router->routes, ports, route);
	if (!added)
		return refusal_set(why, REFUSED_FAILED, "no memory for another route");
	if (publish_routes(router, why) < 0) {
		routes_remove(&router->routes, added);
		return -1;
	}
	router->live_routes[router->n_live_routes++] = *route;
	return 0;
}

static void forget_live(struct router *router, const struct route *route)
{
	for (size_t i = 0; i < router->n_live_routes; i++) {
		const struct config_route *live = &router->live_routes[i];
		if (!be32_equal(live->prefix, route->prefix) ||
		    live->prefix_len != route->prefix_len || live->metric != route->metric)
			continue;
		router->live_routes[i] = router->live_routes[--router->n_live_routes];
		return;
	}
}

/* What a request to delete means: without a metric the best, as with ip(8); none connected. */
static struct route *route_to_delete(struct router *router, const struct config_route *wanted,
				     struct refusal *why)
{
	char text[24];
	const struct route_list *list = &router->routes;
	struct route *route = wanted->metric
				      ? routes_find_asked(list, wanted->prefix, wanted->prefix_len,
							  wanted->metric)
				      : routes_find_any(list, wanted->prefix, wanted->prefix_len);
	prefix_text(wanted, text, sizeof(text));
	if (route && (be32_is_zero(wanted->via) || be32_equal(wanted->via, route->via)))
		return route;
	if (!route && routes_find(list, wanted->prefix, wanted->prefix_len, 0))
		refusal_set(why, REFUSED_FAILED,
			    "%s is the subnet of a port: it goes with the port's address", text);
	else
		refusal_set(why, REFUSED_FAILED, "there is no such route to %s", text);
	return NULL;
}

int router_route_del(struct router *router, const struct config_route *wanted, struct refusal *why)
{
	struct route *route = route_to_delete(router, wanted, why);
	if (!route)
		return -1;
	route->leaving = true;
	if (publish_routes(router, why) < 0) {
		route->leaving = false;
		return -1;
	}
	if (route->source == FROM_LIVE)
		forget_live(router, route);
	routes_remove(&router->routes, route);
	return 0;
}

unsigned router_route_flush(struct router *router)
{
	struct route_list *list = &router->routes;
	struct refusal why;
	unsigned n = 0;
	for (size_t i = 0; i < list->n; i++) {
		list->routes[i].leaving = list->routes[i].source == FROM_LIVE;
		n += list->routes[i].leaving;
	}
	if (!n)
		return 0;
	if (publish_routes(router, &why) < 0) {
		log_error("route flush: %s", why.text);
		for (size_t i = 0; i < list->n; i++)
			list->routes[i].leaving = false;
		return 0;
	}
	size_t kept = 0;
	for (size_t i = 0; i < list->n; i++)
		if (!list->routes[i].leaving)
			list->routes[kept++] = list->routes[i];
	list->n = kept;
	router->n_live_routes = 0;
	return n;
}
