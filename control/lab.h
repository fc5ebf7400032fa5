/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lab.h - the `tsuji lab` commands: a lab file made real, shown, checked and taken down.
 *
 *   lab.c        the command line
 *   lab_plan     how a lab is built, as ip commands: `up` runs them, `show` prints them
 *   lab_state    what `up` made, in /run/tsuji/labs/LAB: `down` removes that and no more
 *   lab_up, lab_down, lab_show, lab_check    one verb each
 *
 * Functions return exit codes (section 2 of the design) and have told the user why.
 */
#ifndef TSUJI_LAB_H
#define TSUJI_LAB_H

#include "labfile.h"

/* argv[0] is "lab", then the verb and its arguments. */
int lab_main(int argc, char **argv, bool json);

struct lab_options {
	const char *file; /* as the user named it, for messages and the state */
	bool quiet; /* errors only */
	int stop_fd; /* process_interrupts(), or -1 */
};

/* Builds the lab, or leaves nothing behind. */
int lab_up(const struct lab *lab, const struct lab_options *options);
/* Removes what lab_up() made; a lab that is not up is a note and 0. */
int lab_down(const char *name, bool quiet);
int lab_show(const struct lab *lab, bool json);
/* The drawing alone: routers with their links, then links between hosts. */
void lab_draw(const struct lab *lab);
/* The labs that are up. */
int lab_list(bool json);
/* Runs the checks, in a lab brought up for them if it is not. */
int lab_check(const struct lab *lab, const struct lab_options *options, bool json);
/* Becomes the command in the node's namespace; returns only on failure. */
int lab_exec(const struct lab *lab, const char *node, char **argv);

/* 0, or 4 with the fix said: building namespaces takes CAP_SYS_ADMIN and CAP_NET_ADMIN. */
int lab_need_privilege(const char *what);
/* The namespace of a node, LAB-NODE; to be freed. */
char *lab_netns(const struct lab *lab, unsigned node);
/* The interface the node has under that name, or NULL. */
const struct lab_interface *lab_interface(const struct lab_node *node, const char *name);

#endif
