/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * netns.h - network namespaces by the names people use: "lab-r1" (under /run/netns, where
 * `ip netns` keeps them), a path, or "pid:1234" for that of a process or container.
 */
#ifndef TSUJI_NETNS_H
#define TSUJI_NETNS_H

#include "refusal.h"

#include <sys/types.h>

/* The file that name stands for, into path; false: it is none of the three forms. */
bool netns_path(const char *name, char *path, size_t size);
/* Moves the calling thread into it; other threads stay. 0, or -1 with *why set. */
int netns_enter(const char *name, struct refusal *why);
/* The same for a while: a descriptor for netns_return(), or -1 with *why set. */
int netns_visit(const char *name, struct refusal *why);
/* Back to where netns_visit() was called; a thread that cannot go back ends the process. */
void netns_return(int home);
/* The inode of the calling thread's namespace, its identity on this machine; 0: /proc is missing. */
ino_t netns_inode(void);

#endif
