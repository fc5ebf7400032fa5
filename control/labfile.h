/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * labfile.h - the lab file as data: nodes, links, checks. Parsed and checked without root.
 */
#ifndef TSUJI_LABFILE_H
#define TSUJI_LABFILE_H

#include "config.h"

struct lab_interface { /* what a node says about one of its interfaces */
	char name[CONFIG_NAME_SIZE];
	struct config_address *addresses;
	unsigned n_addresses;
	struct mac mac; /* zero: the kernel chooses */
	struct place at;
};

struct lab_route { /* a host's route, for the kernel */
	be32 prefix;
	uint8_t prefix_len;
	be32 via;
	struct place at;
};

struct lab_node {
	char *name;
	struct place at;
	struct lab_interface *interfaces; /* every link endpoint and every address or mac key, once */
	unsigned n_interfaces;
	struct lab_route *routes;
	unsigned n_routes;
	char **start; /* commands for sh -c, in the background */
	unsigned n_start;
	struct config *router; /* NULL: a host; far-end defaults to prepare in lab files */
	char *router_text;     /* that router section as a YAML file of its own, for `tsuji run` */
};

struct lab_end {
	unsigned node; /* index in lab.nodes */
	char name[CONFIG_NAME_SIZE];
};

struct lab_link {
	struct lab_end ends[2];
	unsigned mtu; /* 0: the kernel's 1500 */
	struct place at;
};

struct lab_check {
	unsigned node;
	char *run;        /* sh -c */
	char *expect;     /* NULL, or what stdout must contain */
	bool fails;       /* it is meant to fail */
	unsigned timeout_s; /* 30 */
	struct place at;
};

struct lab {
	char *name; /* letters, digits, hyphens; short enough for NAME-NODE to be a namespace */
	struct lab_node *nodes;
	unsigned n_nodes;
	struct lab_link *links;
	unsigned n_links;
	struct lab_check *checks;
	unsigned n_checks;
};

/*
 * Reads the lab file that diag was opened on; NULL with diag->n_errors > 0. Beyond form it
 * checks: endpoints name known nodes and are used once; a router's ports and a host's
 * addresses are on links; checks name known nodes; everything config_read() checks, at
 * its place in this file.
 */
struct lab *lab_read(struct diag *diag);
void lab_free(struct lab *lab);
/* True if the file's text has a top-level `nodes:` key: a lab file, not a router file. */
bool lab_is_lab_file(const struct diag *diag);

#endif
