/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * labfile - the lab file, read from the top: the nodes, then the links between them, which
 * also say what interfaces the nodes have, then the checks to run.
 *
 * Checked here is only what needs no machine: whether commands exist or names are taken
 * is found out by those who run the lab.
 */
#include "config_value.h"
#include "labfile_reader.h"

#include <ctype.h>
#include <stdlib.h>

enum { NAME, NODES, LINKS, CHECKS, N_KEYS };
static const char *const file_keys[] = {
	[NAME] = "name",
	[NODES] = "nodes",
	[LINKS] = "links",
	[CHECKS] = "checks",
	NULL,
};

enum { LINK_ENDPOINTS, LINK_MTU, N_LINK_KEYS };
static const char *const link_keys[] = {
	[LINK_ENDPOINTS] = "endpoints",
	[LINK_MTU] = "mtu",
	NULL,
};

enum { CHECK_ON, CHECK_RUN, CHECK_EXPECT, CHECK_FAILS, CHECK_TIMEOUT, N_CHECK_KEYS };
static const char *const check_keys[] = {
	[CHECK_ON] = "on",
	[CHECK_RUN] = "run",
	[CHECK_EXPECT] = "expect",
	[CHECK_FAILS] = "fails",
	[CHECK_TIMEOUT] = "timeout",
	NULL,
};

/* RFC 1123 2.1, a host's name; and two with a hyphen are a file name in /run/netns. */
enum { LABEL_MAX = 63 };
enum { LINK_MTU_MAX = 65535, LINK_MTU_DEFAULT = 1500 }; /* veth's */
enum { TIMEOUT_DEFAULT_S = 30, TIMEOUT_MAX_S = 3600 };

/* ---- texts ---- */

char *lab_read_string(struct diag *diag, const struct yaml_node *node, const char *what)
{
	const char *text = yaml_read_text(diag, node, what);
	char *copy = text ? strdup(text) : NULL;
	if (text && !copy)
		diag_error(diag, (struct place){0}, NULL, "out of memory");
	return copy;
}

static bool is_label(const char *text)
{
	size_t len = strlen(text);
	if (len == 0 || len > LABEL_MAX || text[0] == '-')
		return false;
	for (; *text; text++)
		if (!isascii((unsigned char)*text) ||
		    !(isalnum((unsigned char)*text) || *text == '-'))
			return false;
	return true;
}

char *lab_read_label(struct diag *diag, const struct yaml_node *node, const char *what)
{
	char *text = lab_read_string(diag, node, what);
	if (!text || is_label(text))
		return text;
	diag_error(diag, yaml_place(node), "1 to 63 letters, digits and hyphens, no hyphen first",
		   "\"%.80s\" cannot be %s", text, what);
	free(text);
	return NULL;
}

/* ---- links ---- */

/* The index of the node with that name (name_len bytes of it), or -1 with a complaint at node. */
static int find_node(struct lab_reader *r, const struct yaml_node *node, size_t name_len)
{
	const struct lab *lab = r->lab;
	const char *names[LAB_NODES_MAX + 1];
	char name[LABEL_MAX + 1], hint[96];
	unsigned n = 0;
	for (unsigned i = 0; i < lab->n_nodes; i++) {
		if (!lab->nodes[i].name)
			continue;
		if (strlen(lab->nodes[i].name) == name_len &&
		    !memcmp(lab->nodes[i].name, node->text, name_len))
			return (int)i;
		names[n++] = lab->nodes[i].name;
	}
	names[n] = NULL;
	snprintf(name, sizeof(name), "%.*s", (int)min_u64(name_len, LABEL_MAX), node->text);
	const char *nearest = diag_nearest(name, names);
	snprintf(hint, sizeof(hint),
		 nearest ? "did you mean \"%s\"?" : "list it under nodes:", nearest);
	diag_error(r->diag, yaml_place(node), hint, "there is no node \"%s\"", name);
	return -1;
}

/* "node:interface". */
static bool read_endpoint(struct lab_reader *r, const struct yaml_node *node, struct lab_end *end)
{
	const char *text = yaml_read_text(r->diag, node, "endpoints");
	const char *colon = text ? strchr(text, ':') : NULL;
	if (!text)
		return false;
	if (!colon || colon == text || !colon[1]) {
		diag_error(r->diag, yaml_place(node),
			   "a node and its interface, such as \"host1:eth0\"",
			   "\"%.40s\" is not an endpoint", text);
		return false;
	}
	int index = find_node(r, node, (size_t)(colon - text));
	struct yaml_node name = *node; /* the rest of the scalar, with the scalar's place */
	name.text = colon + 1;
	if (!config_read_name(r->diag, &name, "an interface's name", end->name) || index < 0)
		return false;
	if (!strcmp(end->name, "lo")) {
		diag_error(r->diag, yaml_place(node), NULL,
			   "every node has a lo: it cannot be on a link");
		return false;
	}
	if (lab_router_bridge(&r->lab->nodes[index], end->name)) {
		diag_error(r->diag, yaml_place(node), "links end at its ports",
			   "%s is a bridge of %s, not an interface", end->name,
			   r->lab->nodes[index].name);
		return false;
	}
	end->node = (unsigned)index;
	int i = lab_interface_index(r->diag, &r->lab->nodes[index], end->name, yaml_place(node));
	if (i >= 0 && r->linked[index][i])
		diag_error(r->diag, yaml_place(node), "an interface has one other end",
			   "%s is on another link already", text);
	if (i >= 0)
		r->linked[index][i] = true;
	return i >= 0;
}

/* The port of that router node with that name, or NULL. */
static const struct config_port *router_port(const struct lab_node *node, const char *name)
{
	for (unsigned i = 0; node->router && i < node->router->n_ports; i++)
		if (!strcmp(node->router->ports[i].name, name))
			return &node->router->ports[i];
	return NULL;
}

static void check_link_mtu(struct lab_reader *r, const struct yaml_entry *mtu,
			   const struct lab_link *link)
{
	for (unsigned i = 0; i < 2; i++) {
		const struct config_port *port =
			router_port(&r->lab->nodes[link->ends[i].node], link->ends[i].name);
		unsigned link_mtu = link->mtu ? link->mtu : LINK_MTU_DEFAULT;
		char hint[64];
		if (!port)
			continue;
		if (link_mtu > MTU_ROUTER_MAX && port->xdp != XDP_GENERIC)
			diag_error(r->diag, yaml_place(mtu->value),
				   "at a router's port 3498 is the most, what one frame of the "
				   "pool carries; with xdp: generic a packet may be several",
				   "mtu: %u is too large for port %s", link_mtu, port->name);
		snprintf(hint, sizeof(hint), "the link on line %u carries %u", link->at.line,
			 link_mtu);
		if (port->mtu > link_mtu)
			diag_error(r->diag, port->at, hint,
				   "port %s: mtu: %u is larger than its link's", port->name,
				   port->mtu);
	}
}

static bool read_link(struct lab_reader *r, const struct yaml_node *item, struct lab_link *link)
{
	struct yaml_entry keys[N_LINK_KEYS];
	unsigned errors_before = r->diag->n_errors;
	link->at = yaml_place(item);
	if (!yaml_read_map(r->diag, item, "a link", link_keys, keys))
		return false;
	if (keys[LINK_MTU].value)
		yaml_read_number(r->diag, keys[LINK_MTU].value, "mtu", MTU_MIN, LINK_MTU_MAX,
				 &link->mtu);
	if (!keys[LINK_ENDPOINTS].value) {
		if (r->diag->n_errors == errors_before)
			diag_error(r->diag, link->at,
				   "such as endpoints: [\"host1:eth0\", \"router1:r0\"]",
				   "the link lacks endpoints:");
		return false;
	}
	const struct yaml_node *end =
		yaml_first_item(r->diag, keys[LINK_ENDPOINTS].value, "endpoints");
	size_t n = yaml_count(end);
	if (n != 2) {
		if (keys[LINK_ENDPOINTS].value->kind != YAML_SCALAR)
			diag_error(r->diag, yaml_place(keys[LINK_ENDPOINTS].value), NULL,
				   "a link has two endpoints, not %zu", n);
		return false;
	}
	bool first = read_endpoint(r, end, &link->ends[0]);
	if (!read_endpoint(r, end->next, &link->ends[1]) || !first)
		return false;
	check_link_mtu(r, &keys[LINK_MTU], link);
	return true;
}

static void read_links(struct lab_reader *r, const struct yaml_node *node)
{
	const struct yaml_node *item = yaml_first_item(r->diag, node, "links");
	size_t n = yaml_count(item);
	if (n > LAB_LINKS_MAX) {
		diag_error(r->diag, yaml_place(node), NULL, "links: lists %zu links: at most %d", n,
			   LAB_LINKS_MAX);
		return;
	}
	r->lab->links = config_alloc(r->diag, n, sizeof(*r->lab->links));
	for (; r->lab->links && item; item = item->next)
		r->lab->n_links += read_link(r, item, &r->lab->links[r->lab->n_links]);
}

/* ---- nodes ---- */

static void read_nodes(struct lab_reader *r, const struct yaml_node *node)
{
	const struct yaml_node *key = yaml_first_key(r->diag, node, "nodes");
	size_t n = yaml_count(key) / 2;
	if (n == 0 && (node->kind == YAML_MAP || node->kind == YAML_EMPTY))
		diag_error(r->diag, yaml_place(node), NULL, "nodes: lists no node");
	if (n > LAB_NODES_MAX) {
		diag_error(r->diag, yaml_place(node), NULL, "nodes: lists %zu nodes: at most %d", n,
			   LAB_NODES_MAX);
		return;
	}
	r->lab->nodes = config_alloc(r->diag, n, sizeof(*r->lab->nodes));
	r->linked = config_alloc(r->diag, n, sizeof(*r->linked));
	for (; r->lab->nodes && r->linked && key; key = key->next->next)
		lab_read_node(r->diag, key, &r->lab->nodes[r->lab->n_nodes++]);
}

static void complain_unlinked(struct lab_reader *r, struct place at, const struct lab_node *node,
			      const char *name)
{
	char hint[128];
	snprintf(hint, sizeof(hint), "links: needs {endpoints: [\"%s:%s\", ...]}", node->name,
		 name);
	diag_error(r->diag, at, hint, "%s is on no link", name);
}

/* Every interface but lo comes from a link. */
static void check_linked(struct lab_reader *r, unsigned index)
{
	const struct lab_node *node = &r->lab->nodes[index];
	if (!node->name)
		return;
	for (unsigned i = 0; i < node->n_interfaces; i++)
		if (!r->linked[index][i] && strcmp(node->interfaces[i].name, "lo") &&
		    !lab_router_bridge(node, node->interfaces[i].name))
			complain_unlinked(r, node->interfaces[i].at, node,
					  node->interfaces[i].name);
	for (unsigned i = 0; node->router && i < node->router->n_ports; i++) {
		const struct config_port *port = &node->router->ports[i];
		unsigned j = 0;
		while (j < node->n_interfaces && strcmp(node->interfaces[j].name, port->name))
			j++;
		if (j == node->n_interfaces)
			complain_unlinked(r, port->at, node, port->name);
	}
}

/* ---- checks ---- */

static void read_check(struct lab_reader *r, const struct yaml_node *item, struct lab_check *check)
{
	struct yaml_entry keys[N_CHECK_KEYS];
	unsigned errors_before = r->diag->n_errors;
	check->at = yaml_place(item);
	check->timeout_s = TIMEOUT_DEFAULT_S;
	if (!yaml_read_map(r->diag, item, "a check", check_keys, keys))
		return;
	bool misnamed = r->diag->n_errors > errors_before;
	for (unsigned i = CHECK_ON; i <= CHECK_RUN; i++)
		if (!keys[i].value && !misnamed)
			diag_error(r->diag, check->at,
				   "such as {on: host1, run: \"ping -c 1 10.0.0.1\"}",
				   "the check lacks %s:", check_keys[i]);
	if (keys[CHECK_ON].value && yaml_read_text(r->diag, keys[CHECK_ON].value, "on")) {
		int node = find_node(r, keys[CHECK_ON].value, strlen(keys[CHECK_ON].value->text));
		check->node = node < 0 ? 0 : (unsigned)node;
	}
	if (keys[CHECK_RUN].value)
		check->run = lab_read_string(r->diag, keys[CHECK_RUN].value, "run");
	if (keys[CHECK_EXPECT].value)
		check->expect = lab_read_string(r->diag, keys[CHECK_EXPECT].value, "expect");
	if (keys[CHECK_FAILS].value)
		yaml_read_switch(r->diag, keys[CHECK_FAILS].value, "fails", &check->fails);
	if (keys[CHECK_TIMEOUT].value)
		yaml_read_number(r->diag, keys[CHECK_TIMEOUT].value, "timeout", 1, TIMEOUT_MAX_S,
				 &check->timeout_s);
}

static void read_checks(struct lab_reader *r, const struct yaml_node *node)
{
	const struct yaml_node *item = yaml_first_item(r->diag, node, "checks");
	r->lab->checks = config_alloc(r->diag, yaml_count(item), sizeof(*r->lab->checks));
	for (; r->lab->checks && item; item = item->next)
		read_check(r, item, &r->lab->checks[r->lab->n_checks++]);
}

/* ---- the file ---- */

static void read_file(struct lab_reader *r, const struct yaml_node *root)
{
	struct yaml_entry keys[N_KEYS];
	if (!yaml_read_map(r->diag, root, "a lab file", file_keys, keys))
		return;
	if (keys[NAME].value)
		r->lab->name = lab_read_label(r->diag, keys[NAME].value, "a lab's name");
	else
		diag_error(r->diag, yaml_place(root), "such as name: two-subnets",
			   "the lab lacks name:");
	if (!keys[NODES].value) {
		diag_error(r->diag, yaml_place(root), NULL, "the lab lacks nodes:");
		return;
	}
	read_nodes(r, keys[NODES].value);
	unsigned errors_before = r->diag->n_errors;
	if (keys[LINKS].value)
		read_links(r, keys[LINKS].value);
	/* A broken link would make its good interfaces look unlinked. */
	for (unsigned i = 0; r->diag->n_errors == errors_before && i < r->lab->n_nodes; i++)
		check_linked(r, i);
	if (keys[CHECKS].value)
		read_checks(r, keys[CHECKS].value);
}

struct lab *lab_read(struct diag *diag)
{
	struct yaml *tree = yaml_tree_new(diag);
	struct lab_reader r = {.diag = diag,
			       .lab = tree ? config_alloc(diag, 1, sizeof(*r.lab)) : NULL};
	if (r.lab)
		read_file(&r, yaml_root(tree));
	free(r.linked);
	yaml_tree_free(tree);
	if (diag->n_errors == 0)
		return r.lab;
	lab_free(r.lab);
	return NULL;
}

static void free_node(struct lab_node *node)
{
	for (unsigned i = 0; i < node->n_interfaces; i++)
		free(node->interfaces[i].addresses);
	for (unsigned i = 0; i < node->n_start; i++)
		free(node->start[i]);
	free(node->name);
	free(node->interfaces);
	free(node->routes);
	free(node->start);
	config_free(node->router);
	free(node->router_text);
}

void lab_free(struct lab *lab)
{
	if (!lab)
		return;
	for (unsigned i = 0; i < lab->n_nodes; i++)
		free_node(&lab->nodes[i]);
	for (unsigned i = 0; i < lab->n_checks; i++) {
		free(lab->checks[i].run);
		free(lab->checks[i].expect);
	}
	free(lab->name);
	free(lab->nodes);
	free(lab->links);
	free(lab->checks);
	free(lab);
}

/* ---- router file or lab file? ---- */

/* True if the line is the key `nodes:`, quoted or not. */
static bool is_nodes_key(const char *p)
{
	char quote = *p == '"' || *p == '\'' ? *p++ : '\0';
	if (strncmp(p, "nodes", 5))
		return false;
	p += 5;
	if (quote && *p++ != quote)
		return false;
	p += strspn(p, " \t");
	return *p == ':';
}

/* A file that is one {…}: its keys are only known when it is read. */
static bool has_nodes_key(const struct diag *diag)
{
	struct diag own;
	bool found = false;
	struct yaml *tree = NULL;
	if (diag_open_memory(&own, "", diag->text, diag->text_size) == 0)
		tree = yaml_tree_new(&own);
	if (tree && yaml_root(tree)->kind == YAML_MAP) {
		const struct yaml_node *key = yaml_root(tree)->first_child;
		for (; key && !found; key = key->next->next)
			found = !strcmp(key->text, "nodes");
	}
	yaml_tree_free(tree);
	diag_fini(&own);
	return found;
}

/*
 * By the indentation of the lines, so that a file with mistakes is recognised too: a top
 * level key is indented like the first line that is no comment, directive or mark.
 */
bool lab_is_lab_file(const struct diag *diag)
{
	const char *p = diag->text, *end = p ? p + diag->text_size : NULL;
	size_t indent = SIZE_MAX;
	while (p < end) {
		size_t spaces = strspn(p, " ");
		const char *word = p + spaces;
		bool mark =
			!strncmp(word, "---", 3) || *word == '%' || *word == '#' || *word == '\t';
		if (!mark && *word && *word != '\n' && *word != '\r') {
			if (indent == SIZE_MAX && *word == '{')
				return has_nodes_key(diag);
			if (indent == SIZE_MAX)
				indent = spaces;
			if (spaces == indent && is_nodes_key(word))
				return true;
		}
		p = word + strcspn(word, "\n");
		p += p < end;
	}
	return false;
}
