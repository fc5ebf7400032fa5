/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * labfile_reader.h - a lab file while it is being read. labfile.c reads the whole and its
 * links and checks, labfile_node.c the nodes, labfile_router.c gives a router section the
 * text of a file of its own.
 */
#ifndef TSUJI_LABFILE_READER_H
#define TSUJI_LABFILE_READER_H

#include "labfile.h"
#include "yaml.h"

/* What a lab may hold: enough for one machine, and the reader may look names up one by one. */
enum { LAB_NODES_MAX = 1024, LAB_LINKS_MAX = 4096, LAB_INTERFACES_MAX = 256 };

struct lab_reader {
	struct diag *diag;
	struct lab *lab;
	bool (*linked)[LAB_INTERFACES_MAX]; /* by node and place in its interfaces: on a link */
};

/* A name of a lab or node; a copy, or NULL. */
char *lab_read_label(struct diag *diag, const struct yaml_node *node, const char *what);
char *lab_read_string(struct diag *diag, const struct yaml_node *node, const char *what);
/* Reads the node at that key into *node. */
void lab_read_node(struct diag *diag, const struct yaml_node *key, struct lab_node *node);
/* True if the node is a router with a bridge of that name. */
bool lab_router_bridge(const struct lab_node *node, const char *name);
/* The place of that interface in node->interfaces, made if need be; -1: too many, complained. */
int lab_interface_index(struct diag *diag, struct lab_node *node, const char *name,
			struct place at);
/* The router section as text of its own, with far-end: prepare unless it says otherwise. */
char *lab_router_text(struct diag *diag, const struct yaml_node *section);

#endif
