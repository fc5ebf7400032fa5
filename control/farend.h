/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * farend.h - the other end of a port's veth: which interface that is, in which namespace,
 * and its GRO, without which it takes no bursts.
 *
 * Thread: control's, in the namespace of the ports. Nothing of the far end is kept open: an
 * open descriptor would keep its namespace alive after everybody else has left it.
 */
#ifndef TSUJI_FAREND_H
#define TSUJI_FAREND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct farend {
	uint32_t near;    /* ifindex of the port: the caller's to fill in */
	uint32_t ifindex; /* there; 0: the port is no veth, or gone */
	int nsid;         /* what our namespace calls the far end's; -1: that is our own */
	char name[16];    /* of the interface there; empty: not told */
	char netns[128];  /* in a form of netns.h: "host2", "pid:1234"; empty: none was found */
};

/*
 * Fills in what is behind near of each. Names below /run/netns come before processes. One
 * look through the machine for all of them: some milliseconds where there are hundreds of
 * processes.
 */
void farend_find(struct farend *ends, unsigned n);
/* 1, 0, or -errno: ENOENT where no namespace was found, or it is another by now. */
int farend_gro(const struct farend *end);
int farend_set_gro(const struct farend *end, bool on);

/* "host2:eth0", "pid:1234:eth0"; of the first process's namespace "eth0". Returns buf. */
char *farend_place(const struct farend *end, char *buf, size_t size);
/* "ip netns exec host2 ethtool -K eth0 gro on", or the same by nsenter. Returns buf. */
char *farend_command(const struct farend *end, char *buf, size_t size);

#endif
