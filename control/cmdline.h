/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmdline.h - a command line, sorted: the options that are accepted anywhere, and the words
 * that are left for the command.
 */
#ifndef TSUJI_CMDLINE_H
#define TSUJI_CMDLINE_H

#include "commands.h"
#include "request.h"

struct cmdline {
	struct options options;
	bool help, version; /* -h, -V */
	int argc;	    /* the words, the command first; argv[argc] is NULL */
	char **argv;
};

/*
 * Sorts argv, which begins with the program's name, in place. After `lab exec FILE NODE`
 * everything belongs to the command there, and after "--" to this one: nothing more is
 * taken. False with *complaint set.
 */
bool cmdline_read(struct cmdline *cmdline, int argc, char **argv, struct complaint *complaint);

#endif
