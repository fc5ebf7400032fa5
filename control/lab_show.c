/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lab_show - a lab as text: each router with its links as rows, then what has no router,
 * then the commands that build it, which are those that `lab up` runs.
 *
 *   host1:eth0 192.168.1.2/24 ----- r0 192.168.1.1/24 -+
 *                                                      +- router1
 *   host2:eth0 192.168.0.2/24 ----- r1 192.168.0.1/24 -+
 *
 * Needs no root and no lab that is up; with both it also says the routers' pids.
 */
#include "lab.h"
#include "lab_plan.h"
#include "lab_state.h"
#include "process.h"

#include <errno.h>
#include <dirent.h>
#include <stdlib.h>

#define WIRE_MIN 5 /* dashes of the shortest wire */
#define LABEL_MAX 96

enum lab_presence {
	LAB_DOWN,
	LAB_UP,
	LAB_PERHAPS
}; /* perhaps: namespaces are there, the record is root's */

static enum lab_presence find_presence(const struct lab *lab, struct lab_state *state)
{
	int error = lab_state_peek(state, lab->name);
	char *first = lab->n_nodes ? lab_netns(lab, 0) : NULL;
	bool there = first && process_named_netns(first);
	free(first);
	if (error)
		return error == LAB_STATE_BROKEN && there ? LAB_PERHAPS : LAB_DOWN;
	return LAB_UP;
}

/* The first address the node has at that interface, and how many more. */
static void address_label(const struct lab_node *node, const char *name, char *buf, size_t size)
{
	const struct lab_interface *interface = lab_interface(node, name);
	const struct config_address *addresses = interface ? interface->addresses : NULL;
	unsigned n = interface ? interface->n_addresses : 0;
	for (unsigned i = 0; !n && node->router && i < node->router->n_ports; i++) {
		if (!strcmp(node->router->ports[i].name, name)) {
			addresses = node->router->ports[i].addresses;
			n = node->router->ports[i].n_addresses;
		}
	}
	char address[18];
	int len = n ? snprintf(buf, size, " %s/%u",
			       config_format_address(addresses[0].address, address),
			       addresses[0].prefix_len)
		    : snprintf(buf, size, "%s", "");
	if (n > 1)
		snprintf(buf + len, size - (size_t)len, " (+%u)", n - 1);
}

static void far_label(const struct lab *lab, const struct lab_end *end, char *buf, size_t size)
{
	char address[48];
	address_label(&lab->nodes[end->node], end->name, address, sizeof(address));
	snprintf(buf, size, "%s:%s%s", lab->nodes[end->node].name, end->name, address);
}

/* The bridge that this port of the node is in, or "". */
static const char *bridge_of(const struct lab_node *node, const char *name)
{
	for (unsigned i = 0; node->router && i < node->router->n_ports; i++)
		if (!strcmp(node->router->ports[i].name, name))
			return node->router->ports[i].bridge;
	return "";
}

static void near_label(const struct lab *lab, const struct lab_end *end, char *buf, size_t size)
{
	const struct lab_node *node = &lab->nodes[end->node];
	const char *bridge = bridge_of(node, end->name);
	char address[48];
	address_label(node, end->name, address, sizeof(address));
	snprintf(buf, size, "%s%s%s%s%s", end->name, bridge[0] ? " [" : "", bridge,
		 bridge[0] ? "]" : "", address);
}

/* The end of link that is at node, or NULL. */
static const struct lab_end *end_at(const struct lab_link *link, unsigned node)
{
	for (int i = 0; i < 2; i++)
		if (link->ends[i].node == node)
			return &link->ends[i];
	return NULL;
}

static const struct lab_end *other_end(const struct lab_link *link, const struct lab_end *end)
{
	return end == &link->ends[0] ? &link->ends[1] : &link->ends[0];
}

/* How wide the columns of one router's drawing are. */
struct columns {
	int far, near;
	unsigned rows;
};

static struct columns measure(const struct lab *lab, unsigned node)
{
	struct columns columns = {0, 0, 0};
	char label[LABEL_MAX];
	for (unsigned i = 0; i < lab->n_links; i++) {
		const struct lab_end *near = end_at(&lab->links[i], node);
		if (!near)
			continue;
		columns.rows++;
		far_label(lab, other_end(&lab->links[i], near), label, sizeof(label));
		if ((int)strlen(label) > columns.far)
			columns.far = (int)strlen(label);
		near_label(lab, near, label, sizeof(label));
		if ((int)strlen(label) > columns.near)
			columns.near = (int)strlen(label);
	}
	return columns;
}

static void print_wire(int len, unsigned mtu)
{
	char text[24] = "";
	if (mtu)
		snprintf(text, sizeof(text), " mtu %u ", mtu);
	int dashes = len - (int)strlen(text);
	for (int i = 0; i < dashes / 2; i++)
		putchar('-');
	fputs(text, stdout);
	for (int i = dashes / 2; i < dashes; i++)
		putchar('-');
}

static bool has_mtu(const struct lab *lab)
{
	for (unsigned i = 0; i < lab->n_links; i++)
		if (lab->links[i].mtu)
			return true;
	return false;
}

static void draw_router(const struct lab *lab, unsigned node, pid_t pid)
{
	struct columns columns = measure(lab, node);
	int wire = has_mtu(lab) ? WIRE_MIN + 10 : WIRE_MIN;
	char label[LABEL_MAX], name[LABEL_MAX];
	unsigned row = 0, middle = columns.rows / 2;
	int len = snprintf(name, sizeof(name), "+- %s", lab->nodes[node].name);
	if (pid && len < LABEL_MAX)
		snprintf(name + len, sizeof(name) - (size_t)len, " (pid %d)", (int)pid);
	for (unsigned i = 0; i < lab->n_links; i++) {
		const struct lab_end *near = end_at(&lab->links[i], node);
		if (!near)
			continue;
		/* Between two rows where their number is even, on the middle one where it is odd.
		 */
		if (row == middle && columns.rows % 2 == 0)
			printf("  %*s%s\n", columns.far + columns.near + wire + 4, "", name);
		far_label(lab, other_end(&lab->links[i], near), label, sizeof(label));
		printf("  %-*s ", columns.far, label);
		print_wire(wire, lab->links[i].mtu);
		near_label(lab, near, label, sizeof(label));
		printf(" %-*s -%s\n", columns.near, label,
		       row == middle && columns.rows % 2 ? name : "+");
		row++;
	}
	if (!columns.rows)
		printf("  %s\n", name + 3);
	putchar('\n');
}

static void draw_hosts(const struct lab *lab)
{
	char far[LABEL_MAX], near[LABEL_MAX];
	bool any = false;
	for (unsigned i = 0; i < lab->n_links; i++) {
		const struct lab_link *link = &lab->links[i];
		if (lab->nodes[link->ends[0].node].router || lab->nodes[link->ends[1].node].router)
			continue;
		far_label(lab, &link->ends[0], far, sizeof(far));
		far_label(lab, &link->ends[1], near, sizeof(near));
		printf("  %s ", far);
		print_wire(link->mtu ? WIRE_MIN + 10 : WIRE_MIN, link->mtu);
		printf(" %s\n", near);
		any = true;
	}
	if (any)
		putchar('\n');
}

void lab_draw(const struct lab *lab)
{
	struct lab_state state;
	bool known = !lab_state_peek(&state, lab->name);
	for (unsigned i = 0; i < lab->n_nodes; i++)
		if (lab->nodes[i].router)
			draw_router(lab, i,
				    known ? lab_state_router(&state, lab->nodes[i].name) : 0);
	draw_hosts(lab);
	lab_state_close(&state);
}

static void print_bridge(const struct lab_node *node, const struct config_bridge *bridge)
{
	char address[18];
	printf("  %s: bridge %s", node->name, bridge->name);
	for (unsigned i = 0; i < bridge->n_addresses; i++)
		printf(" %s/%u", config_format_address(bridge->addresses[i].address, address),
		       bridge->addresses[i].prefix_len);
	for (unsigned i = 0; i < bridge->n_ports; i++)
		printf("%s %s", i ? "," : ":", node->router->ports[bridge->ports[i]].name);
	putchar('\n');
}

/* Bridges, routes and start commands of the nodes: what the drawing has no room for. */
static void print_nodes(const struct lab *lab)
{
	char prefix[18], via[18];
	bool any = false;
	for (unsigned i = 0; i < lab->n_nodes; i++) {
		const struct lab_node *node = &lab->nodes[i];
		unsigned n_bridges = node->router ? node->router->n_bridges : 0;
		for (unsigned k = 0; k < n_bridges; k++)
			print_bridge(node, &node->router->bridges[k]);
		for (unsigned k = 0; k < node->n_routes; k++) {
			const struct lab_route *route = &node->routes[k];
			if (route->prefix_len)
				printf("  %s: %s/%u via %s\n", node->name,
				       config_format_address(route->prefix, prefix),
				       route->prefix_len, config_format_address(route->via, via));
			else
				printf("  %s: default via %s\n", node->name,
				       config_format_address(route->via, via));
		}
		for (unsigned k = 0; k < node->n_start; k++)
			printf("  %s: starts %s\n", node->name, node->start[k]);
		any = any || n_bridges || node->n_routes || node->n_start;
	}
	if (any)
		putchar('\n');
}

static int print_commands(const struct lab *lab)
{
	struct plan *plan = plan_new(lab);
	for (size_t i = 0; plan && i < plan->n_steps; i++) {
		char *command = plan_command(&plan->steps[i]);
		printf("%s\n", command ? command : "");
		free(command);
	}
	for (unsigned i = 0; i < lab->n_nodes; i++)
		if (lab->nodes[i].router)
			printf("tsuji run -c %s/%s/%s.yaml -n %s-%s\n", LAB_STATE_ROOT, lab->name,
			       lab->nodes[i].name, lab->name, lab->nodes[i].name);
	plan_free(plan);
	return plan ? 0 : 1;
}

/* One object for each end of each link. */
static int show_json(const struct lab *lab, const struct lab_state *state,
		     enum lab_presence presence)
{
	json_t *rows = json_array();
	char address[48];
	for (unsigned i = 0; i < 2 * lab->n_links; i++) {
		const struct lab_link *link = &lab->links[i / 2];
		const struct lab_end *end = &link->ends[i % 2], *far = &link->ends[1 - i % 2];
		const struct lab_node *node = &lab->nodes[end->node];
		char *netns = lab_netns(lab, end->node);
		address_label(node, end->name, address, sizeof(address));
		pid_t pid = presence == LAB_UP ? lab_state_router(state, node->name) : 0;
		json_t *row = json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:s, s:s, s:i, s:b, s:i}",
					"node", node->name,
					"netns", netns,
					"interface", end->name,
					"address", address[0] ? address + 1 : "",
					"bridge", bridge_of(node, end->name),
					"router", node->router != NULL,
					"peer_node", lab->nodes[far->node].name,
					"peer_interface", far->name,
					"mtu", link->mtu ? (int)link->mtu : 1500,
					"up", presence != LAB_DOWN,
					"pid", (int)pid);
		json_array_append_new(rows, row);
		free(netns);
	}
	json_dumpf(rows, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(rows);
	return 0;
}

int lab_show(const struct lab *lab, bool json)
{
	static const char *const presences[] = {
		[LAB_DOWN] = "not up",
		[LAB_UP] = "up",
		[LAB_PERHAPS] = "up (only root may see its state)",
	};
	struct lab_state state;
	enum lab_presence presence = find_presence(lab, &state);
	int code = 0;
	if (json) {
		code = show_json(lab, &state, presence);
	} else {
		printf("%s: %s\n\n", lab->name, presences[presence]);
		lab_draw(lab);
		print_nodes(lab);
		code = print_commands(lab);
	}
	lab_state_close(&state);
	return code;
}

static json_t *list_rows(DIR *directory)
{
	json_t *rows = json_array();
	struct dirent *entry;
	while (directory && (entry = readdir(directory))) {
		struct lab_state state;
		if (entry->d_name[0] == '.')
			continue;
		if (!lab_state_peek(&state, entry->d_name))
			json_array_append_new(
				rows,
				json_pack("{s:O, s:O, s:I, s:I, s:O}", "lab",
					  json_object_get(state.root, "lab"), "file",
					  json_object_get(state.root, "file"), "namespaces",
					  (json_int_t)json_array_size(
						  json_object_get(state.root, "namespaces")),
					  "processes",
					  (json_int_t)json_array_size(
						  json_object_get(state.root, "processes")),
					  "complete", json_object_get(state.root, "complete")));
		lab_state_close(&state);
	}
	return rows;
}

int lab_list(bool json)
{
	DIR *directory = opendir(LAB_STATE_ROOT);
	size_t i;
	json_t *row;
	if (!directory && errno == EACCES) {
		fprintf(stderr, "tsuji: only root may see which labs are up\n");
		return 4;
	}
	json_t *rows = list_rows(directory);
	if (json) {
		json_dumpf(rows, stdout, JSON_INDENT(2));
		putchar('\n');
	}
	json_array_foreach(rows, i, row) if (!json)
		printf("%-20s %s%s\n", json_string_value(json_object_get(row, "lab")),
		       json_string_value(json_object_get(row, "file")),
		       json_is_true(json_object_get(row, "complete")) ? "" : " (half made)");
	if (!json && !json_array_size(rows))
		printf("no lab is up\n");
	json_decref(rows);
	if (directory)
		closedir(directory);
	return 0;
}
