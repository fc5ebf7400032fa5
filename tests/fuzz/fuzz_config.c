/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_config - any bytes as a router file and as a lab file. Oracles: the sanitizers; a
 * file is either read or complained about, never both or neither; what a router section
 * of a lab becomes can be read again; complaints are printable text; ports and bridges
 * that were read keep what config.h promises of them.
 */
#include "../../control/labfile.h"
#include "../../dataplane/packet.h"

#include <stdlib.h>
#include <string.h>

static void expect(bool condition)
{
	if (!condition)
		abort();
}

static void check_complaints(const struct diag *diag, bool read)
{
	expect(read == (diag->n_errors == 0));
	expect(diag->n_entries <= DIAG_MAX && diag->n_entries <= diag->n_errors);
	char *text = diag_text(diag);
	expect(text && (*text != '\0') == !read);
	for (const char *p = text; *p; p++)
		expect((unsigned char)*p >= ' ' || *p == '\n' || *p == '\t');
	free(text);
}

static const struct config_port *find_port(const struct config *config, const char *name)
{
	for (unsigned i = 0; i < config->n_ports; i++)
		if (!strcmp(config->ports[i].name, name))
			return &config->ports[i];
	return NULL;
}

static void check_mirror(const struct config *config, const char *of, const char *mirror)
{
	const struct config_port *port = find_port(config, mirror);
	expect(!*mirror || (port && strcmp(of, mirror) && !port->bridge[0] && !port->mirror[0] &&
			    !port->n_addresses));
}

static void check_bridges(const struct config *config)
{
	unsigned n_bridged = 0;
	expect(config->n_ports > 0 && config->n_ports + config->n_bridges <= PORT_MAX);
	for (unsigned i = 0; i < config->n_bridges; i++) {
		const struct config_bridge *bridge = &config->bridges[i];
		expect(bridge->n_ports > 0 && bridge->aging_s >= 10);
		expect(!find_port(config, bridge->name));
		check_mirror(config, bridge->name, bridge->mirror);
		for (unsigned j = 0; j < bridge->n_ports; j++, n_bridged++) {
			expect(bridge->ports[j] < config->n_ports);
			expect(!strcmp(config->ports[bridge->ports[j]].bridge, bridge->name));
		}
	}
	for (unsigned i = 0; i < config->n_ports; i++) {
		const struct config_port *port = &config->ports[i];
		check_mirror(config, port->name, port->mirror);
		n_bridged -= port->bridge[0] != 0;
		expect(!port->bridge[0] || !port->n_addresses);
		expect(port->bridge[0] ||
		       !(port->no_learning || port->no_flood || port->isolated));
	}
	expect(n_bridged == 0);
	for (size_t i = 0; i < config->n_routes; i++) {
		const struct config_port *port = find_port(config, config->routes[i].port);
		expect(!port || !port->bridge[0]);
	}
}

static void check_routers(const struct lab *lab)
{
	for (unsigned i = 0; i < lab->n_nodes; i++) {
		const struct lab_node *node = &lab->nodes[i];
		struct diag diag;
		expect(node->name && !node->router == !node->router_text);
		if (!node->router)
			continue;
		check_bridges(node->router);
		expect(diag_open_memory(&diag, "router", node->router_text,
					strlen(node->router_text)) == 0);
		struct config *config = config_read(&diag);
		expect(config && config->n_ports == node->router->n_ports &&
		       config->n_bridges == node->router->n_bridges &&
		       config->n_routes == node->router->n_routes &&
		       config->lanes.far_end_prepare == node->router->lanes.far_end_prepare);
		config_free(config);
		diag_fini(&diag);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct diag diag;
	if (diag_open_memory(&diag, "router", data, size) == 0) {
		struct config *config = config_read(&diag);
		check_complaints(&diag, config);
		if (config)
			check_bridges(config);
		config_free(config);
	}
	diag_fini(&diag);
	if (diag_open_memory(&diag, "lab", data, size) == 0) {
		(void)lab_is_lab_file(&diag);
		struct lab *lab = lab_read(&diag);
		check_complaints(&diag, lab);
		if (lab)
			check_routers(lab);
		lab_free(lab);
	}
	diag_fini(&diag);
	return 0;
}
