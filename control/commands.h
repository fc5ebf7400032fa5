/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * commands.h - the commands that ask the daemon: port, route, neigh, fdb, bridge, nat,
 * filter, drops, stats, set, trace and reload. Their words become a request (grammar.h), the
 * answer becomes text or JSON (table.h).
 */
#ifndef TSUJI_COMMANDS_H
#define TSUJI_COMMANDS_H

#include <stdbool.h>

/* What is accepted anywhere on the line. */
struct options {
	bool json;	   /* -j */
	bool statistics;   /* -s */
	const char *netns; /* -n; NULL: the caller's own namespace */
};

/* argv[0] is the full name of the command. Returns the exit code; the user has been told why. */
int commands_run(int argc, char **argv, const struct options *options);

#endif
