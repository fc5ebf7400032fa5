/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * server_socket.h - the file that daemon and client meet at, without the server behind it.
 * server_path() and server_answers() are described in server.h.
 */
#ifndef TSUJI_SERVER_SOCKET_H
#define TSUJI_SERVER_SOCKET_H

#include "refusal.h"

#include <sys/types.h>
#include <sys/un.h>

#define SERVER_PATH_SIZE sizeof(((struct sockaddr_un *)0)->sun_path)

struct server_socket {
	int fd; /* listening, non-blocking; -1: closed */
	char path[SERVER_PATH_SIZE];
	dev_t dev; /* of the file, so that no other is removed */
	ino_t ino;
};

/* 0, or -1 with *why and nothing left. backlog: callers that may wait to be accepted. */
int server_socket_open(struct server_socket *socket, const char *path, int backlog,
		       struct refusal *why);
/* Closes it and removes its file, unless somebody put another there. */
void server_socket_close(struct server_socket *socket);

char *server_path(char *buf, size_t size);
bool server_answers(const char *path);

#endif
