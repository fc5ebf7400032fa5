/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * answer.h - what the daemon answers to one request: the router's tables as rows, a change
 * made, or a complaint. trace, fdb watch and reload are the server's own (server.h).
 *
 * Thread: control's. Every answer is a new object that the caller owns; NULL only when
 * memory is short.
 */
#ifndef TSUJI_ANSWER_H
#define TSUJI_ANSWER_H

#include "request.h"
#include "router.h"

/* {"status":0,"rows":[...]}; takes the reference to rows. */
json_t *answer_rows(json_t *rows);
/* {"status":2,"error":"...","hint":"..."} */
json_t *answer_complaint(const struct complaint *complaint);
/* The answer to {"command":..., "verb":..., "arguments":{...}}; arguments may be NULL. */
json_t *answer_request(struct router *router, const char *command, const char *verb,
		       json_t *arguments);

#endif
