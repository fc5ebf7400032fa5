/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * request.h - the routes, neighbours, stations and sessions named in a request, and why one
 * is turned down.
 *
 * The client checks its words with the functions that the server checks requests with, so
 * a mistyped prefix is the same complaint whether or not a daemon answers.
 */
#ifndef TSUJI_REQUEST_H
#define TSUJI_REQUEST_H

#include "router.h"

#include <jansson.h>

#define REQUEST_SIZE (64 * 1024) /* the longest line that the server reads, newline included */
/* Routes or sessions shown when the request names no limit; each is a kilobyte while the answer
 * is put together. */
#define REQUEST_ROWS 100000

/* What goes back instead of rows: an exit code of section 2 of the design, and sentences. */
struct complaint {
	int status;
	char text[4096];
	char hint[512]; /* empty: none */
};

/* Fills complaint; hint may be NULL. Returns false, so that a check can end with it. */
bool complain(struct complaint *complaint, int status, const char *hint, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* "10.0.0.0/8", "default", or a bare address, which stands for its /32. */
bool request_prefix(const char *text, be32 *prefix, uint8_t *prefix_len);

/*
 * Arguments of `route add` (whole) or `route del` (the key suffices): to, type, via, port,
 * all text, and metric, a number. False with *complaint set. Whether the port exists is the
 * router's to say.
 */
bool request_route(json_t *arguments, bool whole, struct config_route *route,
		   struct complaint *complaint);

/* Arguments of `neigh add` (whole) or `neigh del` (address, and port if wanted): address, mac,
 * port. */
bool request_neigh(json_t *arguments, bool whole, struct config_neigh *neigh,
		   struct complaint *complaint);

/* A place in the FDB: which MAC, and where. */
struct request_station {
	struct mac mac;
	char port[CONFIG_NAME_SIZE], bridge[CONFIG_NAME_SIZE]; /* empty: not said */
};
/* Arguments of `fdb add` (whole: mac, port) or `fdb del` (mac, and port or bridge if wanted). */
bool request_station(json_t *arguments, bool whole, struct request_station *station,
		     struct complaint *complaint);

/*
 * Arguments of `nat show` and `nat flush`: protocol ("tcp", "udp", "icmp"), address, port.
 * limit: of `nat show`, a number, -1 if not given; NULL: it is no argument here.
 */
bool request_sessions(json_t *arguments, struct nat_filter *filter, json_int_t *limit,
		      struct complaint *complaint);
/* "30s", "5m", "2h", "1d", up to a year. */
bool request_duration(const char *text, uint64_t *ns, struct complaint *complaint);

#endif
