/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lab_plan - a lab file as the commands that build it.
 *
 * Namespaces first, then the links, each made with both ends in place: no interface is
 * ever visible in the caller's namespace. (Names stand behind `name` and `dev`: an interface
 * called a would be taken for `address`, abbreviated.) Then each node: forwarding off (a new
 * namespace inherits it from the first one), loopback, addresses, links up, routes. A
 * router's kernel is given the addresses and routes of its router section too, so that what
 * runs in its namespace can answer beyond the connected subnets; what arrives still comes
 * through tsuji.
 *
 * There is no kernel bridge: bridged ports lose IPv6, as a kernel bridge's ports do, and
 * the kernel hears nothing of a bridge's leg, neither its addresses nor the routes there.
 *
 * GRO goes on at a host's end that faces a router: it gives that veth the NAPI without
 * which the fast lanes cannot send to it. `far-end: leave` in the router section keeps
 * it as it was.
 */
#include "lab_plan.h"
#include "lab.h"
#include "process.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#define TOOL_TIMEOUT_MS \
	30000 /* a batch takes milliseconds; a hung RTNL must not hang us for ever */

__attribute__((format(printf, 4, 5))) static void add(struct plan *plan, enum plan_tool tool,
						      const char *netns, const char *format, ...)
{
	/* Grown by doubling: whenever the count is a power of two. */
	if ((plan->n_steps & (plan->n_steps - 1)) == 0) {
		size_t size = plan->n_steps ? 2 * plan->n_steps : 1;
		struct plan_step *steps = realloc(plan->steps, size * sizeof(*steps));
		if (!steps)
			return;
		plan->steps = steps;
	}
	struct plan_step *step = &plan->steps[plan->n_steps];
	va_list args;
	va_start(args, format);
	step->tool = tool;
	step->netns = netns ? strdup(netns) : NULL;
	if (vasprintf(&step->text, format, args) < 0)
		step->text = NULL;
	va_end(args);
	plan->n_steps++;
}

static void add_link(struct plan *plan, const struct lab *lab, const struct lab_link *link)
{
	char end[2][128], mac[18];
	for (int i = 0; i < 2; i++) {
		const struct lab_end *e = &link->ends[i];
		const struct lab_interface *interface =
			lab_interface(&lab->nodes[e->node], e->name);
		char *netns = lab_netns(lab, e->node), mtu[16] = "", address[32] = "";
		if (link->mtu)
			snprintf(mtu, sizeof(mtu), " mtu %u", link->mtu);
		if (interface && !mac_is_zero(interface->mac))
			snprintf(address, sizeof(address), " address %s",
				 config_format_mac(interface->mac, mac));
		snprintf(end[i], sizeof(end[i]), "%s netns %s%s%s", e->name, netns, address, mtu);
		free(netns);
	}
	add(plan, PLAN_IP, NULL, "link add name %s type veth peer name %s", end[0], end[1]);
}

static bool names_prefix(const struct lab_node *node, const struct config_route *route)
{
	for (unsigned i = 0; i < node->n_routes; i++)
		if (be32_equal(node->routes[i].prefix, route->prefix) &&
		    node->routes[i].prefix_len == route->prefix_len)
			return true;
	return false;
}

static const char *prefix_text(be32 prefix, uint8_t prefix_len, char buf[24])
{
	char address[18];
	if (!prefix_len)
		return "default";
	snprintf(buf, 24, "%s/%u", config_format_address(prefix, address), prefix_len);
	return buf;
}

/* The kernel has no such interface: the bridge is ours alone. */
static bool leads_to_bridge(const struct config *router, const struct config_route *route)
{
	for (unsigned i = 0; i < router->n_bridges; i++) {
		const struct config_bridge *bridge = &router->bridges[i];
		if (!strcmp(route->port, bridge->name))
			return true;
		for (unsigned k = 0; k < bridge->n_addresses && !be32_is_zero(route->via); k++)
			if (ip4_in_prefix(route->via, bridge->addresses[k].address,
					  bridge->addresses[k].prefix_len))
				return true;
	}
	return false;
}

/* The router section's addresses and routes; a route of the node itself goes first. */
static void add_router_routes(struct plan *plan, const char *netns, const struct lab_node *node)
{
	static const char *const types[] = {
		[ROUTE_UNICAST] = "",
		[ROUTE_BLACKHOLE] = "blackhole ",
		[ROUTE_UNREACHABLE] = "unreachable ",
		[ROUTE_PROHIBIT] = "prohibit ",
	};
	for (size_t i = 0; i < node->router->n_routes; i++) {
		const struct config_route *route = &node->router->routes[i];
		char prefix[24], via[32] = "", dev[32] = "", metric[24] = "", address[18];
		if (names_prefix(node, route) || leads_to_bridge(node->router, route))
			continue;
		if (!be32_is_zero(route->via))
			snprintf(via, sizeof(via), " via %s",
				 config_format_address(route->via, address));
		if (route->port[0])
			snprintf(dev, sizeof(dev), " dev %s", route->port);
		if (route->metric)
			snprintf(metric, sizeof(metric), " metric %u", route->metric);
		add(plan, PLAN_IP, netns, "route add %s%s%s%s%s", types[route->type],
		    prefix_text(route->prefix, route->prefix_len, prefix), via, dev, metric);
	}
}

static void add_address(struct plan *plan, const char *netns, const char *name,
			const struct config_address *a)
{
	char address[18];
	add(plan, PLAN_IP, netns, "address add %s/%u dev %s",
	    config_format_address(a->address, address), a->prefix_len, name);
}

static bool holds_address(const struct lab_interface *interface, be32 address)
{
	for (unsigned i = 0; interface && i < interface->n_addresses; i++)
		if (be32_equal(interface->addresses[i].address, address))
			return true;
	return false;
}

/* Before any link comes up: then the kernel has sent nothing into the bridge. */
static void add_router_ports(struct plan *plan, const char *netns, const struct lab_node *node)
{
	for (unsigned i = 0; i < node->router->n_ports; i++) {
		const struct config_port *port = &node->router->ports[i];
		const struct lab_interface *interface = lab_interface(node, port->name);
		if (port->bridge[0])
			add(plan, PLAN_IPV6_OFF, netns, "%s", port->name);
		for (unsigned k = 0; k < port->n_addresses; k++)
			if (!holds_address(interface, port->addresses[k].address))
				add_address(plan, netns, port->name, &port->addresses[k]);
	}
}

static void add_node(struct plan *plan, const struct lab *lab, unsigned index)
{
	const struct lab_node *node = &lab->nodes[index];
	char *netns = lab_netns(lab, index);
	char prefix[24], via[18];
	add(plan, PLAN_SYSCTL, netns, "net.ipv4.ip_forward=0");
	for (unsigned i = 0; i < node->n_interfaces; i++)
		for (unsigned k = 0; k < node->interfaces[i].n_addresses; k++)
			add_address(plan, netns, node->interfaces[i].name,
				    &node->interfaces[i].addresses[k]);
	if (node->router)
		add_router_ports(plan, netns, node);
	add(plan, PLAN_IP, netns, "link set dev lo up");
	for (unsigned i = 0; i < node->n_interfaces; i++)
		if (strcmp(node->interfaces[i].name, "lo"))
			add(plan, PLAN_IP, netns, "link set dev %s up", node->interfaces[i].name);
	for (unsigned i = 0; i < node->n_routes; i++)
		add(plan, PLAN_IP, netns, "route add %s via %s",
		    prefix_text(node->routes[i].prefix, node->routes[i].prefix_len, prefix),
		    config_format_address(node->routes[i].via, via));
	if (node->router)
		add_router_routes(plan, netns, node);
	free(netns);
}

static void add_gro(struct plan *plan, const struct lab *lab, const struct lab_end *end,
		    const struct lab_end *far)
{
	const struct config *router = lab->nodes[far->node].router;
	if (lab->nodes[end->node].router || !router || !router->lanes.far_end_prepare)
		return;
	char *netns = lab_netns(lab, end->node);
	add(plan, PLAN_ETHTOOL, netns, "-K %s gro on", end->name);
	free(netns);
}

struct plan *plan_new(const struct lab *lab)
{
	struct plan *plan = calloc(1, sizeof(*plan));
	if (!plan)
		return NULL;
	for (unsigned i = 0; i < lab->n_nodes; i++) {
		char *netns = lab_netns(lab, i);
		add(plan, PLAN_IP, NULL, "netns add %s", netns);
		free(netns);
	}
	for (unsigned i = 0; i < lab->n_links; i++)
		add_link(plan, lab, &lab->links[i]);
	for (unsigned i = 0; i < lab->n_nodes; i++)
		add_node(plan, lab, i);
	for (unsigned i = 0; i < lab->n_links; i++) {
		add_gro(plan, lab, &lab->links[i].ends[0], &lab->links[i].ends[1]);
		add_gro(plan, lab, &lab->links[i].ends[1], &lab->links[i].ends[0]);
	}
	return plan;
}

void plan_free(struct plan *plan)
{
	for (size_t i = 0; plan && i < plan->n_steps; i++) {
		free(plan->steps[i].netns);
		free(plan->steps[i].text);
	}
	if (plan)
		free(plan->steps);
	free(plan);
}

char *plan_command(const struct plan_step *step)
{
	char *text = NULL;
	int n = -1;
	switch (step->tool) {
	case PLAN_IP:
		n = asprintf(&text, "ip %s%s%s%s", step->netns ? "-n " : "",
			     step->netns ? step->netns : "", step->netns ? " " : "", step->text);
		break;
	case PLAN_ETHTOOL:
		n = asprintf(&text, "ip netns exec %s ethtool %s", step->netns, step->text);
		break;
	case PLAN_SYSCTL:
		n = asprintf(&text, "ip netns exec %s sysctl -qw %s", step->netns, step->text);
		break;
	case PLAN_IPV6_OFF: /* sysctl takes slashes too, and then lets a name's dots be */
		n = asprintf(&text,
			     strchr(step->text, '.')
				     ? "ip netns exec %s sysctl -qw net/ipv6/conf/%s/disable_ipv6=1"
				     : "ip netns exec %s sysctl -qw net.ipv6.conf.%s.disable_ipv6=1",
			     step->netns, step->text);
		break;
	}
	return n < 0 ? NULL : text;
}

/* "Command failed -:3": the batch line ip stopped at, counted from 1; 0 if it does not say. */
static unsigned failed_line(const char *err)
{
	unsigned line = 0;
	const char *said = err ? strstr(err, "Command failed -:") : NULL;
	return said && sscanf(said, "Command failed -:%u", &line) == 1 ? line : 0;
}

static int tool_missing(const char *tool, const char *package, int error)
{
	if (error == -ENOENT)
		fprintf(stderr, "tsuji: %s is not installed: apt-get install %s\n", tool, package);
	else
		fprintf(stderr, "tsuji: cannot run %s: %s\n", tool, strerror(-error));
	return error == -ENOENT ? 4 : 1;
}

/* Says which line failed, and ip's first line about it: the second only counts. */
static void explain_batch(const struct plan_step *steps, size_t n,
			  const struct process_result *result)
{
	const char *why = result->timed_out ? "took far too long" : result->err.text;
	unsigned line = failed_line(result->err.text);
	char *command = line && line <= n ? plan_command(&steps[line - 1]) : NULL;
	if (!why)
		why = "no reason given";
	fprintf(stderr, "tsuji: %s: %.*s\n", command ? command : "ip -batch",
		(int)strcspn(why, "\n"), why);
	free(command);
}

/* Runs the ip lines from steps[0] to steps[n - 1], which share a namespace. */
static int run_batch(const struct plan_step *steps, size_t n, int stop_fd)
{
	char *lines = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&lines, &size);
	if (!file)
		return 1;
	for (size_t i = 0; i < n; i++)
		fprintf(file, "%s\n", steps[i].text);
	fclose(file);
	char *here[] = {"ip", "-batch", "-", NULL};
	char *there[] = {"ip", "-n", steps[0].netns, "-batch", "-", NULL};
	struct process_options options = {.input = lines};
	struct process_result result;
	int error = process_run(steps[0].netns ? there : here, &options, TOOL_TIMEOUT_MS, stop_fd,
				&result);
	int code = error ? tool_missing("ip", "iproute2", error) : result.status ? 1 : 0;
	if (!error && code && !result.interrupted)
		explain_batch(steps, n, &result);
	process_result_fini(&result);
	free(lines);
	return code;
}

/* sysctl is not on every machine; the file behind it is. Read first: /proc/sys may be read-only. */
static int run_sysctl(const struct plan_step *step, int stop_fd)
{
	static const char script[] = "f=/proc/sys/$(echo ${0%%=*} | tr . /); read -r v <$f; "
				     "[ \"$v\" = ${0#*=} ] || echo ${0#*=} >$f";
	char *argv[] = {"sh", "-c", (char *)script, step->text, NULL};
	struct process_options options = {.netns = step->netns};
	struct process_result result;
	int error = process_run(argv, &options, TOOL_TIMEOUT_MS, stop_fd, &result);
	bool failed = error || result.status;
	const char *why = result.err.text ? result.err.text : "no reason given";
	if (error)
		why = strerror(-error);
	if (failed && !result.interrupted)
		fprintf(stderr, "tsuji: cannot set %s in %s: %s\n", step->text, step->netns, why);
	process_result_fini(&result);
	return failed;
}

/*
 * With IPv6 the router's kernel talks into the bridge (its own multicast and router
 * solicitations) where nobody asked it to: a nuisance, and no reason to give up.
 */
static void run_ipv6_off(const struct plan_step *step, int stop_fd)
{
	static const char script[] = "f=/proc/sys/net/ipv6/conf/$0/disable_ipv6; "
				     "[ ! -d /proc/sys/net/ipv6 ] || echo 1 >\"$f\"";
	char *argv[] = {"sh", "-c", (char *)script, step->text, NULL};
	struct process_options options = {.netns = step->netns};
	struct process_result result;
	int error = process_run(argv, &options, TOOL_TIMEOUT_MS, stop_fd, &result);
	if (error || (result.status && !result.interrupted))
		fprintf(stderr,
			"tsuji: warning: IPv6 stays on at %s in %s, whose kernel may send into "
			"the bridge\n",
			step->text, step->netns);
	process_result_fini(&result);
}

/* A host without GRO is slower to reach, not wrong: said, and no reason to give up. */
static void run_ethtool(const struct plan_step *step, int stop_fd)
{
	char *command = NULL;
	if (asprintf(&command, "exec ethtool %s", step->text) < 0)
		return;
	char *argv[] = {"sh", "-c", command, NULL};
	struct process_options options = {.netns = step->netns};
	struct process_result result;
	int error = process_run(argv, &options, TOOL_TIMEOUT_MS, stop_fd, &result);
	if (error || (result.status && !result.interrupted))
		fprintf(stderr, "tsuji: warning: ethtool %s in %s failed; it is reached all the same\n",
			step->text, step->netns);
	process_result_fini(&result);
	free(command);
}

static bool same_batch(const struct plan_step *a, const struct plan_step *b)
{
	return a->tool == PLAN_IP && b->tool == PLAN_IP && !a->netns == !b->netns &&
	       (!a->netns || !strcmp(a->netns, b->netns));
}

int plan_run(const struct plan *plan, int stop_fd)
{
	int code = 0;
	for (size_t i = 0, n; i < plan->n_steps && !code; i += n) {
		const struct plan_step *step = &plan->steps[i];
		for (n = 1; i + n < plan->n_steps && same_batch(step, &plan->steps[i + n]);)
			n++;
		if (process_interrupted(stop_fd))
			return 1;
		switch (step->tool) {
		case PLAN_IP:
			code = run_batch(step, n, stop_fd);
			break;
		case PLAN_SYSCTL:
			code = run_sysctl(step, stop_fd);
			break;
		case PLAN_IPV6_OFF:
			run_ipv6_off(step, stop_fd);
			break;
		case PLAN_ETHTOOL:
			run_ethtool(step, stop_fd);
			break;
		}
	}
	return code;
}
