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
 * pass finds them all (the first DIAG_MAX of the file are kept, the rest are counted).
 */
#ifndef TSUJI_DIAG_H
#define TSUJI_DIAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define DIAG_MAX 100
/* The largest file read: a million routes are about 45 MB. */
#define DIAG_FILE_MAX (64u << 20)

/* A place in a file: lines and columns count from 1, columns in characters; line 0: the file as a whole. */
struct place {
	unsigned line, column, length;
};

struct diag_entry {
	struct place at;
	char *message; /* printable UTF-8, whatever the file held */
	char *hint;    /* NULL: none */
};

struct diag {
	char *file;       /* as the user named it */
	char *text;       /* the file's contents and a zero byte, no byte order mark; NULL if unread */
	size_t text_size; /* without that zero */
	struct diag_entry *entries; /* the n_entries first ones, in the order of their places */
	unsigned n_errors, n_entries;
};

/* Reads the file (at most DIAG_FILE_MAX) into diag; 0, or -errno with the complaint in it. */
int diag_open(struct diag *diag, const char *file);
/* The same for text in memory, which is copied; file is the name that complaints give it. */
int diag_open_memory(struct diag *diag, const char *file, const void *text, size_t size);
void diag_fini(struct diag *diag); /* after either, successful or not; a zeroed one is fine too */
/* Adds an error; hint may be NULL. Bytes that a terminal should not see become '?'. */
void diag_error(struct diag *diag, struct place at, const char *hint, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* Prints every complaint, with source line and caret, and "N errors" if there are several. */
void diag_print(const struct diag *diag, FILE *out);
/* The same text in memory, to be freed; for answers on the control socket. */
char *diag_text(const struct diag *diag);

/* The bytes of the line break at p, before end; 0: there is none. Lines are what libyaml counts. */
size_t diag_line_break(const char *p, const char *end);
/* The first byte of a place in diag->text; the line's end if it is shorter. Cost: one pass. */
const char *diag_at(const struct diag *diag, unsigned line, unsigned column);
/* Replaces, in place, what is not printable UTF-8 by '?'. */
void diag_clean(char *text);

/*
 * The nearest of the NULL-terminated names to word, or NULL if none is near: one edit
 * (letter added, left out, changed, or two swapped) for every three letters begun, at most 3.
 */
const char *diag_nearest(const char *word, const char *const *names);

#endif
