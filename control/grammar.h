/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * grammar.h - the words of a command line as a request of server.h. No daemon is asked.
 */
#ifndef TSUJI_GRAMMAR_H
#define TSUJI_GRAMMAR_H

#include "request.h"

/* The request that the words stand for, argv[0] being the command in full; NULL with *complaint
 * set. */
json_t *grammar_request(int argc, char **argv, struct complaint *complaint);

/*
 * The place of word among the NULL-terminated names: the same, else the first that begins
 * with it, as ip matches; -1: none.
 */
int grammar_match(const char *word, const char *const *names);

#endif
