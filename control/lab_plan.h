/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lab_plan.h - the steps that build a lab, in order: what `lab up` runs and `lab show` prints.
 */
#ifndef TSUJI_LAB_PLAN_H
#define TSUJI_LAB_PLAN_H

#include "labfile.h"

enum plan_tool {
	PLAN_IP,       /* a line for ip -batch */
	PLAN_ETHTOOL,  /* arguments of ethtool */
	PLAN_SYSCTL,   /* KEY=VALUE */
	PLAN_IPV6_OFF, /* an interface's name */
};

struct plan_step {
	enum plan_tool tool;
	char *netns; /* where it runs; NULL: where we are */
	char *text;
};

struct plan {
	struct plan_step *steps;
	size_t n_steps;
};

/* NULL: no memory. */
struct plan *plan_new(const struct lab *lab);
void plan_free(struct plan *plan); /* NULL is fine */
/* The step as a command line that a shell would take; to be freed. */
char *plan_command(const struct plan_step *step);

/*
 * Runs all steps, consecutive ip lines of a namespace in one batch. 0, or an exit code
 * with the reason on stderr. stop_fd as in process_run().
 */
int plan_run(const struct plan *plan, int stop_fd);

#endif
