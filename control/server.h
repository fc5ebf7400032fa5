/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * server.h - the control socket: /run/tsuji/<inode of the network namespace>.sock.
 *
 * A stream of lines each way, one JSON object a line. The client asks, and the server
 * answers every request in order; a client may send many before it reads.
 *
 *   {"command":"route","verb":"add","arguments":{"to":"10.9.0.0/16","via":"192.168.0.9"}}
 *   {"status":0,"rows":[]}
 *   {"command":"route","verb":"add","arguments":{"to":"10.9.0.0"}}
 *   {"status":2,"error":"the route says neither via nor port","hint":"add via ADDRESS, ..."}
 *
 *   command  verb                     arguments, all optional but those marked *
 *   port     show                     name
 *   route    show                     to, port, limit (0: all; else at most 100,000 and one)
 *   route    get                      address*
 *   route    add, del                 to*, type, via, port, metric (a number)
 *   route    flush
 *   neigh    show                     address, port
 *   neigh    add, del                 address*, mac (add: *), port (add: *)
 *   neigh    flush                    port
 *   fdb      show                     mac, port, bridge
 *   fdb      add                      mac*, port*
 *   fdb      del                      mac*, port or bridge
 *   fdb      flush                    port or bridge
 *   fdb      watch
 *   bridge   show                     name
 *   drops    show                     all (true: those never seen, too)
 *   stats    show
 *   set      now                      name, value (without it nothing changes)
 *   trace    show                     expression (pcap-filter(7)), count (0: without end)
 *   reload   now
 *
 * status is the exit code of the command: 0 with rows, an array of flat objects as router.h
 * documents them; 1, 2 or 4 with error and perhaps hint. flush answers {"flushed":N}, reload
 * {"summary":TEXT} or, besides error, all "complaints" about the file as diag.h writes them.
 * trace and fdb watch answer many times, at first with no rows: "more":true says that
 * another answer follows. One client traces at a time, any number watch; such a client's
 * other requests wait for the end, which of a watch is the end of its connection.
 *
 * route show is answered from the list as it is when each part is sent: what stands in it all
 * the time is in the answer once, in order.
 *
 * A request is at most 64 KiB; what is longer, or no JSON, is answered with status 2 and
 * the stream goes on at the next line. Nothing a client does holds up the others: while its
 * answers are not read, its requests are not either, and after 30 s the connection is shut.
 * 64 clients at most; the next one takes the place of one idle for 30 s, or is told so.
 *
 * Thread: control's.
 */
#ifndef TSUJI_SERVER_H
#define TSUJI_SERVER_H

#include "router.h"

struct server;

/*
 * Binds path: its directory 0700 (made if missing), the socket 0600. A socket that nobody
 * listens on is replaced; a live one is refused with status 1. NULL with *why set.
 */
struct server *server_open(struct router *router, const char *path, struct refusal *why);
/* Closes every connection, ends a trace and removes the socket; NULL is fine. */
void server_close(struct server *server);

/* An epoll descriptor: poll it for reading, and call server_ready() when it is. */
int server_fd(const struct server *server);
/* Does what is due and returns: never blocks, bounded work. */
void server_ready(struct server *server);

/*
 * What the request reload calls. 0 with text "+3 routes ~1 port"; or -1 with *why, and text
 * either empty or all the complaints about the file.
 */
void server_on_reload(struct server *server,
		      int (*reload)(void *arg, char *text, size_t size, struct refusal *why),
		      void *arg);

/* The path for the calling thread's network namespace; NULL: size or /proc is missing. */
char *server_path(char *buf, size_t size);
/* Whether somebody listens there. */
bool server_answers(const char *path);

#endif
