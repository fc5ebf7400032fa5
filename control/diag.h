/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * diag.h - what we tell the user about a file: complaints with a place, a caret and a hint.
 *
 *   lab.yaml:7:15: error: "192.168.1.300/24" is not an IPv4 prefix
 *     7 |   r0: {addresses: [192.168.1.300/24]}
 *       |                    ^~~~~~~~~~~~~~~~
 *     hint: four numbers up to 255 and a length up to 32, such as 192.168.1.1/24
 *
 * A struct diag collects the complaints about one file; the reader goes on, so that one
 * pass finds them all (at most DIAG_MAX are kept, the rest are counted).
 */
#ifndef TSUJI_DIAG_H
#define TSUJI_DIAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define DIAG_MAX 100

/* A place in a file: lines and columns count from 1, columns in characters; line 0: the file as a whole. */
struct place {
	unsigned line, column, length;
};

struct diag {
	char *file;       /* as the user named it */
	char *text;       /* the file's contents, for the source line; NULL if unread */
	size_t text_size;
	struct diag_entry *entries; /* in the order of their places */
	unsigned n_errors, n_entries;
};

/* Reads the file (at most 16 MiB) into diag; 0, or -errno with the complaint already in it. */
int diag_open(struct diag *diag, const char *file);
void diag_fini(struct diag *diag);
/* Adds an error; hint may be NULL. */
void diag_error(struct diag *diag, struct place at, const char *hint, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* Prints every complaint, with source line and caret, and "N errors" if there are several. */
void diag_print(const struct diag *diag, FILE *out);
/* The same text in memory, to be freed; for answers on the control socket. */
char *diag_text(const struct diag *diag);

/* The nearest of the NULL-terminated names to word (edit distance up to 2 or a third), or NULL. */
const char *diag_nearest(const char *word, const char *const *names);

#endif
