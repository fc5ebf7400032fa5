/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_config - any bytes as a router file and as a lab file. Oracles: the sanitizers; a
 * file is either read or complained about, never both or neither; what a router section
 * of a lab becomes can be read again; complaints are printable text.
 */
#include "../../control/labfile.h"

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

static void check_routers(const struct lab *lab)
{
	for (unsigned i = 0; i < lab->n_nodes; i++) {
		const struct lab_node *node = &lab->nodes[i];
		struct diag diag;
		expect(node->name && !node->router == !node->router_text);
		if (!node->router)
			continue;
		expect(diag_open_memory(&diag, "router", node->router_text,
					strlen(node->router_text)) == 0);
		struct config *config = config_read(&diag);
		expect(config && config->n_ports == node->router->n_ports &&
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
