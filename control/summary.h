/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * summary.h - what a reload changed, in a line: "+3 routes ~1 port", or "no change".
 */
#ifndef TSUJI_SUMMARY_H
#define TSUJI_SUMMARY_H

#include "nat_rules.h"
#include "neighbours.h"
#include "routes.h"

struct changes { /* of what is not told by comparing the files alone */
	struct route_changes routes;
	struct neighbour_changes neighbours;
	struct rule_changes nat, filter;
};

void summary_write(const struct config *old, const struct config *now,
		   const struct changes *changes, char *text, size_t size);

#endif
