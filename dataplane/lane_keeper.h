/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lane_keeper.h - the keeper: keeps an XDP program attached to an interface that is nobody's,
 * in a namespace of its own that nothing but our descriptor holds.
 *
 * Thread: control's. Errors: -errno.
 */
#ifndef TSUJI_LANE_KEEPER_H
#define TSUJI_LANE_KEEPER_H

struct keeper {
	int netns_fd, link_fd; /* -1: none */
};

/* Makes the namespace, and a veth in it that stays down, and attaches the program to that. */
int keeper_open(struct keeper *keeper, int program_fd);
/* Detaches the program and attaches it anew: a place that it was not given before it may get now. */
int keeper_renew(struct keeper *keeper, int program_fd);
void keeper_close(struct keeper *keeper); /* also after a keeper_open() that failed */

/* Does work(arg) in that namespace, in a thread of its own, and returns what it returns. */
int keeper_do(const struct keeper *keeper, int (*work)(void *arg), void *arg);
/* ip link add NAME type veth peer name PEER, in the namespace that the caller is in. */
int keeper_add_veth(const char *name, const char *peer);

#endif
