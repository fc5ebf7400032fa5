/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sockets.h - the ports that sockets of the kernel use in this namespace, on the addresses
 * that the kernel shares with the router: no translated connection may take them.
 */
#ifndef TSUJI_SOCKETS_H
#define TSUJI_SOCKETS_H

#include "../dataplane/port.h"

#include <stdio.h>

enum socket_kind { SOCKETS_TCP, SOCKETS_UDP, SOCKETS_ICMP, N_SOCKET_KINDS };
#define SOCKETS_WORDS (65536 / 64)

/* Port p, or the identifier of a ping socket, is bit p % 64 of word p / 64. */
struct sockets {
	uint64_t used[N_SOCKET_KINDS][SOCKETS_WORDS];
};

/*
 * Reads what the calling thread's namespace has. Where no address of ports is both the
 * kernel's and ours there is nothing to read. 0, or -errno with *sockets empty. Cost: 3 ms, and
 * a microsecond or so for each socket.
 */
int sockets_read(struct sockets *sockets, const struct port_table *ports);

/* Notes what one file of /proc/net (tcp, tcp6, udp, udp6, icmp) lists. */
void sockets_note(struct sockets *sockets, enum socket_kind kind, FILE *file,
		  const struct port_table *ports);

#endif
