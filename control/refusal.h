/* SPDX-License-Identifier: BSD-2-Clause */
/* refusal.h - why a request failed: an exit status and one sentence, the fix included. */
#ifndef TSUJI_REFUSAL_H
#define TSUJI_REFUSAL_H

#include "diag.h"

enum refusal_status {                      /* the exit codes of the command */
		      REFUSED_FAILED = 1,  /* tried and failed */
		      REFUSED_CONFIG = 2,  /* usage or configuration: nothing changed */
		      REFUSED_MACHINE = 4, /* this machine lacks something */
};

struct refusal {
	int status; /* enum refusal_status */
	char text[512];
	struct place at; /* in the router file, where it is about a line of it; line 0: it is not */
};

/* Fills *why, with no place. Always -1, so that a caller can return it. */
int refusal_set(struct refusal *why, enum refusal_status status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The same about a place in the router file. */
int refusal_at(struct refusal *why, enum refusal_status status, struct place at, const char *format,
	       ...) __attribute__((format(printf, 4, 5)));

#endif
