/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client.h - the caller's end of the control socket: requests out, answers in, in the form
 * that server.h documents. Blocks; a daemon that says nothing for 30 s counts as none.
 */
#ifndef TSUJI_CLIENT_H
#define TSUJI_CLIENT_H

#include "refusal.h"

#include <jansson.h>

#define CLIENT_NO_DAEMON 3 /* the exit code of section 2 of the design: no daemon answers */

struct client {
	int fd;
	char *in; /* what came and was not handed out yet: in[at] to in[len] */
	size_t at, len, size;
};

/*
 * Connects to the daemon on path. namespace: as the user named it, for messages; NULL: the
 * caller's own. 0, or -1 with *why, whose status may be CLIENT_NO_DAEMON.
 */
int client_open(struct client *client, const char *path, const char *namespace,
		struct refusal *why);
void client_close(struct client *client);

/*
 * Sends one request; the reference stays the caller's. False: the daemon hung up, and
 * perhaps said why: client_receive() tells.
 */
bool client_send(struct client *client, const json_t *request);

/*
 * The next answer, an object with a status, to be freed; NULL with *why set. stop_fd: a
 * descriptor that ends the wait when readable, and lifts the limit of 30 s; -1: none.
 */
json_t *client_receive(struct client *client, int stop_fd, struct refusal *why);

#endif
