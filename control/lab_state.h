/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lab_state.h - what `lab up` made, kept in /run/tsuji/labs/LAB (0700) beside the routers'
 * files and everybody's logs, so that `lab down` needs no lab file and takes nothing of
 * anybody else's.
 *
 *   state.json   {"lab": .., "file": .., "complete": true,
 *                 "namespaces": [{"node": .., "name": .., "inode": .., "interfaces": [..]}],
 *                 "processes": [{"node": .., "router": true, "command": .., "pid": ..,
 *                                "started": ..}]}
 *   NODE.yaml    a router's file
 *   NODE.log     what that router said
 *   NODE-N.log   what the node's Nth start command said
 *
 * A namespace is known by name and inode, a process by pid and start time: neither is
 * mistaken for a later one. An inode of 0 is a namespace about to be made.
 */
#ifndef TSUJI_LAB_STATE_H
#define TSUJI_LAB_STATE_H

#include "labfile.h"

#include <jansson.h>
#include <sys/types.h>

#define LAB_STATE_ROOT "/run/tsuji/labs"

struct lab_state {
	char *directory;
	int lock_fd; /* the directory, flock()ed: one tsuji at a time works on a lab */
	json_t *root;
};

enum lab_state_error {
	LAB_STATE_NONE = 1, /* no such lab is up */
	LAB_STATE_BUSY, /* another tsuji works on it */
	LAB_STATE_EXISTS,   /* it is up, or was left half made */
	LAB_STATE_BROKEN,   /* errno, or a file that is not ours */
};

/* Makes the directory and notes every namespace the lab will have. 0 or an error. */
int lab_state_new(struct lab_state *state, const struct lab *lab, const char *file);
/* Reads one and locks it; a lab that is not up: LAB_STATE_NONE. */
int lab_state_open(struct lab_state *state, const char *lab);
/* Reads it without locking, for show. */
int lab_state_peek(struct lab_state *state, const char *lab);
void lab_state_close(struct lab_state *state); /* zero is fine */

/* Writes state.json, whole or not at all. 0 or -errno. */
int lab_state_save(const struct lab_state *state);
/* Notes the inodes the namespaces have got. */
void lab_state_note_namespaces(struct lab_state *state);
void lab_state_note_process(struct lab_state *state, const char *node, const char *command,
			    bool router, pid_t pid);
/* Removes the directory and what is in it. */
void lab_state_remove(struct lab_state *state);

/* Directory/NODE SUFFIX, to be freed. */
char *lab_state_path(const struct lab_state *state, const char *node, const char *suffix);
/* The pid of the node's router, or 0 if none is running. */
pid_t lab_state_router(const struct lab_state *state, const char *node);
/* "TSUJI_LAB=LAB", the mark in the environment of everything that up starts; to be freed. */
char *lab_state_mark(const struct lab_state *state);

#endif
