/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sockets - which ports the kernel itself uses, as /proc/net lists them.
 *
 * The files are read rather than asked of NETLINK_SOCK_DIAG: they need no module, and list
 * ping sockets too. A socket counts if a packet to an address that we share with the kernel
 * could reach it: bound to that address or to none, over IPv6 too, as most servers are
 * ([::]:22). One in TIME_WAIT does not: its port is free for a new connection.
 *
 * Listening sockets come first in the file of TCP, so where there are more lines than are
 * read, connections are what is missed. Raw sockets have no port and are not known: a ping
 * by root in this namespace shares its identifiers with those inside.
 *
 * To list TCP's connections the kernel walks its whole hash, that of all namespaces: 3 ms for
 * 262,144 buckets and both files, though there be no connection.
 */
#include "sockets.h"

#include <errno.h>
#include <string.h>

#define LINES_MAX     16384 /* of a file: what a server of many clients has */
#define TCP_TIME_WAIT 6	    /* include/net/tcp_states.h */

/* As the kernel prints it: 32-bit words in hexadecimal, each as it lies in memory. */
static bool read_address(const char *text, be32 *address)
{
	unsigned word[4];
	if (strlen(text) == 8)
		return sscanf(text, "%8x", &address->raw) == 1;
	if (strlen(text) != 32 ||
	    sscanf(text, "%8x%8x%8x%8x", &word[0], &word[1], &word[2], &word[3]) != 4)
		return false;
	address->raw = word[3];
	if (word[0] || word[1])
		return false;
	return word[2] == be32_from(0xffff).raw || (!word[2] && !word[3]); /* ::ffff:A, :: */
}

static bool is_shared(const struct port_table *ports, be32 address)
{
	const struct local *local = port_local(ports, address);
	return local && local->tsuji && local->kernel;
}

void sockets_note(struct sockets *sockets, enum socket_kind kind, FILE *file,
		  const struct port_table *ports)
{
	char line[512], text[33];
	unsigned port, state;
	be32 address;
	for (unsigned n = 0; n < LINES_MAX && fgets(line, sizeof(line), file); n++) {
		if (sscanf(line, " %*u: %32[0-9A-Fa-f]:%4x %*s %2x", text, &port, &state) != 3 ||
		    !read_address(text, &address))
			continue;
		if (!port || (kind == SOCKETS_TCP && state == TCP_TIME_WAIT))
			continue;
		if (be32_is_zero(address) || is_shared(ports, address))
			sockets->used[kind][port / 64] |= 1ull << port % 64;
	}
}

static bool shares_any(const struct port_table *ports)
{
	for (unsigned i = 0; i <= ports->locals_mask; i++)
		if (ports->locals[i].tsuji && ports->locals[i].kernel)
			return true;
	return false;
}

int sockets_read(struct sockets *sockets, const struct port_table *ports)
{
	static const struct {
		const char *path;
		enum socket_kind kind;
		bool optional;
	} files[] = {
		{"/proc/thread-self/net/tcp", SOCKETS_TCP, false},
		{"/proc/thread-self/net/udp", SOCKETS_UDP, false},
		{"/proc/thread-self/net/tcp6", SOCKETS_TCP, true},
		{"/proc/thread-self/net/udp6", SOCKETS_UDP, true},
		{"/proc/thread-self/net/icmp", SOCKETS_ICMP, true},
	};
	memset(sockets, 0, sizeof(*sockets));
	if (!shares_any(ports))
		return 0;
	for (unsigned i = 0; i < ARRAY_SIZE(files); i++) {
		FILE *file = fopen(files[i].path, "re");
		if (!file && files[i].optional)
			continue;
		if (!file) {
			int error = -errno;
			memset(sockets, 0, sizeof(*sockets));
			return error;
		}
		sockets_note(sockets, files[i].kind, file, ports);
		fclose(file);
	}
	return 0;
}
