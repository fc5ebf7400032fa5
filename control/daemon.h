/* SPDX-License-Identifier: BSD-2-Clause */
/* daemon.h - `tsuji run`: the router in the foreground until it is told to stop. */
#ifndef TSUJI_DAEMON_H
#define TSUJI_DAEMON_H

struct daemon_options {
	const char *config_file; /* the router file */
	const char *netns;       /* as netns.h names one; NULL: the caller's */
};

/*
 * Runs until SIGTERM or SIGINT; SIGHUP reloads. Errors go to stderr, the line "ready" to
 * stdout once frames flow. Returns the exit status of section 2 of the design. Call it
 * before any thread is started: it enters the namespace and blocks signals.
 */
int daemon_main(const struct daemon_options *options);

#endif
