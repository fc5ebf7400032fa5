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
#include "routes.h"

/* {"status":0,"rows":[...]}; takes the reference to rows. */
json_t *answer_rows(json_t *rows);
/* {"status":2,"error":"...","hint":"..."} */
json_t *answer_complaint(const struct complaint *complaint);
/*
 * A table that may be too long to be answered at once: of a million routes, making the rows
 * takes seconds and more than a gigabyte.
 */
struct answer_pages {
	size_t left; /* rows to be looked at, at most; 0: none is under way */
	struct route_place place;
	char port[PORT_NAME_SIZE]; /* only its routes; "": all */
};
/* The next rows, perhaps none; the last ones once pages->left is 0. */
json_t *answer_page(struct router *router, struct answer_pages *pages);

/*
 * The answer to {"command":..., "verb":..., "arguments":{...}}; arguments may be NULL.
 * If it has set pages->left, it has no rows: these are what answer_page() returns until then.
 */
json_t *answer_request(struct router *router, const char *command, const char *verb,
		       json_t *arguments, struct answer_pages *pages);

#endif
