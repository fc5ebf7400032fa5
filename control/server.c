/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * server.c - connections to the control socket: who may speak, lines in, lines out.
 *
 * Each connection is a struct peer with an inbox of one request's size and an outbox that
 * grows with the answer. Two rules keep one peer from troubling the rest or us:
 *
 *   - a peer is read only while its outbox is small, so what it can make us store is one
 *     answer and OUT_HIGH bytes; the kernel's socket buffer then holds it up, not us;
 *   - an outbox that is not emptied within PATIENCE_NS, or that outgrows OUT_MAX (or
 *     OUT_STREAM_MAX, of a trace nobody reads), ends the connection.
 *
 * Routes, of which there may be a million, are answered a page at a time, each when the last has
 * been taken: the line on the wire is the same, but it is never there as a whole, and others
 * are served between two pages.
 *
 * Everything is level-triggered on one epoll descriptor, which the daemon's loop polls:
 * the listener, the peers, and a timer that runs while there is a stream or an outbox to
 * watch. What requests mean is answer.c's; only reload and the two streams, trace and
 * fdb watch, are dealt with here.
 */
#include "server.h"

#include "answer.h"
#include "log.h"
#include "server_socket.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define PEERS_MAX	 64
#define OUT_HIGH	 (64 * 1024)	 /* no further request is taken up above this */
#define OUT_MAX		 (512u << 20)	 /* a million sessions are 300 MB */
#define OUT_STREAM_MAX	 (4u << 20)	 /* walks or events that nobody reads */
#define PATIENCE_NS	 (30 * NS_PER_S) /* for a reader, and until an idle peer may be replaced */
#define STREAM_POLL_NS	 (50 * NS_PER_MS)
#define TRACE_BATCH	 32	     /* packets that the dataplane follows at once (trace.h) */
#define RELOAD_TEXT_SIZE (32 * 1024) /* a hundred complaints with their source lines */
#define EVENTS_MAX	 16	     /* a call's work: at most one inbox each */

struct peer {
	int fd;		     /* -1: the place is free */
	bool ended;	     /* nothing more comes; closed when the outbox is empty */
	bool skipping;	     /* within a line that is too long */
	bool watches;	     /* the FDB: each event is sent to it */
	uint32_t interest;   /* what epoll watches for */
	uint64_t active_ns;  /* when it last sent something */
	uint64_t waiting_ns; /* since when its outbox is not empty */
	char *out;
	size_t out_size, out_len, out_sent;
	struct answer_pages pages; /* of an answer that is under way */
	bool has_rows;		   /* that answer, so far */
	size_t in_len;
	char in[REQUEST_SIZE];
};

struct trace {
	struct peer *peer; /* NULL: nobody traces */
	char *expression;
	unsigned left;	/* packets still wanted; 0: without end */
	unsigned armed; /* of these, followed now */
};

struct server {
	struct router *router;
	struct server_socket listener;
	int epoll, timer;
	bool deaf;	      /* out of descriptors: the listener is not watched for a second */
	uint64_t interval_ns; /* of the timer; 0: stopped */
	struct trace trace;
	int (*reload)(void *arg, char *text, size_t size, struct refusal *why);
	void *reload_arg;
	struct peer *peers[PEERS_MAX];
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static unsigned count_watchers(const struct server *server)
{
	unsigned n = 0;

	for (unsigned i = 0; i < PEERS_MAX; i++)
		n += server->peers[i] && server->peers[i]->watches;
	return n;
}

/* Answers go to it without being asked for; its requests wait. */
static bool is_streaming(const struct server *server, const struct peer *peer)
{
	return server->trace.peer == peer || peer->watches;
}

/* -- the timer -- */

static void set_timer(struct server *server)
{
	bool streams = server->trace.peer || count_watchers(server);
	uint64_t interval = streams ? STREAM_POLL_NS : server->deaf ? NS_PER_S : 0;
	struct itimerspec spec;

	for (unsigned i = 0; !interval && i < PEERS_MAX; i++)
		if (server->peers[i] && server->peers[i]->out_len)
			interval = NS_PER_S;
	if (interval == server->interval_ns)
		return;
	server->interval_ns = interval;
	spec.it_interval.tv_sec = interval / NS_PER_S;
	spec.it_interval.tv_nsec = interval % NS_PER_S;
	spec.it_value = spec.it_interval;
	timerfd_settime(server->timer, 0, &spec, NULL);
}

/* -- one peer: watching, closing, sending -- */

static void trace_stop(struct server *server)
{
	if (!server->trace.peer)
		return;
	router_trace_disarm(server->router);
	free(server->trace.expression);
	server->trace = (struct trace){0};
}

static void watch_stop(struct server *server, struct peer *peer)
{
	if (!peer->watches)
		return;
	peer->watches = false;
	if (!count_watchers(server))
		router_fdb_watch(server->router, false);
}

static void stream_stop(struct server *server, struct peer *peer)
{
	if (server->trace.peer == peer)
		trace_stop(server);
	watch_stop(server, peer);
}

static void peer_close(struct server *server, struct peer *peer)
{
	stream_stop(server, peer);
	for (unsigned i = 0; i < PEERS_MAX; i++)
		if (server->peers[i] == peer)
			server->peers[i] = NULL;
	close(peer->fd);
	free(peer->out);
	free(peer);
}

static void peer_watch(struct server *server, struct peer *peer)
{
	struct epoll_event event = {.data.ptr = peer};

	if (!peer->ended && peer->in_len < sizeof(peer->in) && peer->out_len <= OUT_HIGH)
		event.events |= EPOLLIN;
	if (peer->out_len || peer->pages.left)
		event.events |= EPOLLOUT;
	if (event.events == peer->interest)
		return;
	peer->interest = event.events;
	epoll_ctl(server->epoll, EPOLL_CTL_MOD, peer->fd, &event);
}

static json_t *answer_error(int status, const char *hint, const char *text)
{
	struct complaint complaint;

	complain(&complaint, status, hint, "%s", text);
	return answer_complaint(&complaint);
}

/* Makes room for size bytes more. */
static bool outbox_grow(struct peer *peer, size_t size)
{
	size_t wanted = peer->out_len + size;
	char *out;

	if (wanted <= peer->out_size)
		return true;
	wanted += wanted < OUT_HIGH ? wanted : OUT_HIGH;
	out = realloc(peer->out, wanted);
	if (!out)
		return false;
	peer->out = out;
	peer->out_size = wanted;
	return true;
}

/* False: no memory. */
static bool outbox_append(struct peer *peer, const char *text, size_t len)
{
	if (!outbox_grow(peer, len))
		return false;
	if (!peer->out_len)
		peer->waiting_ns = now_ns();
	memcpy(peer->out + peer->out_len, text, len);
	peer->out_len += len;
	return true;
}

/* Appends the answer's line to the outbox and drops the reference; -1: no memory. */
static int peer_answer(struct peer *peer, json_t *answer)
{
	char *line = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
	size_t len = line ? strlen(line) : 0;
	bool fits = line && len < OUT_MAX;

	json_decref(answer);
	if (fits) {
		line[len] = '\n'; /* in place of the terminating zero */
		fits = outbox_append(peer, line, len + 1);
	}
	free(line);
	if (!fits && len >= OUT_MAX)
		return peer_answer(
			peer, answer_error(1, "ask for part of it", "the answer is too large"));
	return fits ? 0 : -1;
}

/* Appends the beginning of an answer whose rows follow in pages; -1: no memory. */
static int peer_begin_pages(struct peer *peer, json_t *answer)
{
	static const char begin[] = "{\"status\":0,\"rows\":[";

	json_decref(answer);
	peer->has_rows = false;
	return outbox_append(peer, begin, strlen(begin)) ? 0 : -1;
}

/* Appends the next page, and the answer's end behind the last one; -1: no memory. */
static int peer_page(struct server *server, struct peer *peer)
{
	json_t *rows = answer_page(server->router, &peer->pages);
	char *text = rows ? json_dumps(rows, JSON_COMPACT) : NULL; /* "[{...},{...}]" */
	size_t len = text ? strlen(text) - 2 : 0;
	bool fits = text;

	json_decref(rows);
	if (fits && len && peer->has_rows)
		fits = outbox_append(peer, ",", 1);
	if (fits && len)
		fits = outbox_append(peer, text + 1, len);
	peer->has_rows |= len > 0;
	free(text);
	if (fits && !peer->pages.left)
		fits = outbox_append(peer, "]}\n", 3);
	return fits ? 0 : -1;
}

/* Sends what the socket takes; -1: the peer is gone. */
static int peer_flush(struct peer *peer)
{
	while (peer->out_sent < peer->out_len) {
		ssize_t n = send(peer->fd, peer->out + peer->out_sent,
				 peer->out_len - peer->out_sent, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		peer->out_sent += n;
	}
	peer->out_len = peer->out_sent = 0;
	if (peer->out_size > OUT_HIGH) { /* one huge answer is no reason to keep the memory */
		free(peer->out);
		peer->out = NULL;
		peer->out_size = 0;
	}
	return 0;
}

/* -- requests -- */

static json_t *answer_refusal(const struct refusal *why)
{
	return answer_error(why->status ? why->status : 1, NULL, why->text);
}

static json_t *run_reload(struct server *server)
{
	char text[RELOAD_TEXT_SIZE] = "";
	struct refusal why = {0};

	if (!server->reload)
		return answer_error(1, NULL,
				    "this daemon was started without a file to read again");
	if (server->reload(server->reload_arg, text, sizeof(text), &why) == 0)
		return answer_rows(json_pack("[{s:s}]", "summary", text));
	if (*text)
		return json_pack("{s:i, s:s, s:s}", "status", why.status ? why.status : 2, "error",
				 "the running state stays as it was", "complaints", text);
	return answer_refusal(&why);
}

/* Arms the next batch: the dataplane follows at most TRACE_BATCH packets at once. */
static int trace_rearm(struct server *server, struct refusal *why)
{
	struct trace *trace = &server->trace;

	trace->armed = trace->left && trace->left < TRACE_BATCH ? trace->left : TRACE_BATCH;
	return router_trace_arm(server->router, trace->expression, trace->armed, why);
}

static json_t *run_trace(struct server *server, struct peer *peer, json_t *arguments)
{
	const char *expression = "";
	json_int_t count = 0;
	struct refusal why = {0};

	if (arguments && json_unpack_ex(arguments, NULL, JSON_STRICT, "{s?s, s?I}", "expression",
					&expression, "count", &count))
		return answer_error(2, NULL, "trace takes expression and count");
	if (count < 0 || count > UINT32_MAX)
		return answer_error(2, NULL, "count is out of range");
	if (server->trace.peer)
		return answer_error(1, "one trace runs at a time", "somebody else is tracing");
	server->trace =
		(struct trace){.peer = peer, .left = count, .expression = strdup(expression)};
	if (!server->trace.expression || trace_rearm(server, &why)) {
		trace_stop(server);
		return *why.text ? answer_refusal(&why) : NULL;
	}
	return json_pack("{s:i, s:[], s:b}", "status", 0, "rows", "more", 1);
}

/* Sends what has happened to all who watch. */
static void watch_ready(struct server *server);

static json_t *run_watch(struct server *server, struct peer *peer, const json_t *arguments)
{
	if (json_object_size(arguments))
		return answer_error(2, NULL, "fdb watch takes no arguments");
	if (!count_watchers(server))
		router_fdb_watch(server->router, true);
	else
		watch_ready(server); /* that was before its time */
	peer->watches = true;
	return json_pack("{s:i, s:[], s:b}", "status", 0, "rows", "more", 1);
}

static json_t *run_line(struct server *server, struct peer *peer, const char *line, size_t len)
{
	const char *command, *verb = "show";
	json_t *arguments = NULL, *answer;
	json_error_t error;
	json_t *request = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);

	if (!request)
		return answer_error(2, NULL, "a request is one JSON object on a line");
	if (json_unpack_ex(request, &error, JSON_STRICT, "{s:s, s?s, s?o}", "command", &command,
			   "verb", &verb, "arguments", &arguments))
		answer = answer_error(2, NULL, "a request has command, verb and arguments");
	else if (!strcmp(command, "trace"))
		answer = run_trace(server, peer, arguments);
	else if (!strcmp(command, "reload"))
		answer = run_reload(server);
	else if (!strcmp(command, "fdb") && !strcmp(verb, "watch"))
		answer = run_watch(server, peer, arguments);
	else
		answer = answer_request(server->router, command, verb, arguments, &peer->pages);
	json_decref(request);
	return answer;
}

/* Takes the line of len bytes and its newline out of the inbox. */
static void inbox_drop(struct peer *peer, size_t len)
{
	peer->in_len -= len;
	memmove(peer->in, peer->in + len, peer->in_len);
}

/* The inbox is full and holds no whole line: says so once, and skips to the next line. */
static int skip_long_line(struct peer *peer)
{
	bool told = peer->skipping;

	peer->in_len = 0;
	peer->skipping = true;
	return told ? 0
		    : peer_answer(peer, answer_error(2, NULL, "the request is longer than 64 KiB"));
}

static int peer_obey(struct server *server, struct peer *peer, const char *line, size_t len)
{
	json_t *answer = run_line(server, peer, line, len);

	return peer->pages.left ? peer_begin_pages(peer, answer) : peer_answer(peer, answer);
}

/*
 * Answers the requests of the inbox, as long as the answers find room, or goes on with one
 * that is under way. 1: it stopped for lack of room, or behind a page; 0: no whole line is left;
 * -1: the peer is to be closed.
 */
static int peer_run(struct server *server, struct peer *peer)
{
	size_t at = 0;
	int result = 0;

	for (;;) {
		char *line = peer->in + at, *end = memchr(line, '\n', peer->in_len - at);

		if (peer->pages.left && !peer->out_len && peer_page(server, peer))
			return -1;
		if (peer->pages.left) {
			result = 1;
			break;
		}
		if (!end || is_streaming(server, peer))
			break;
		if (peer->out_len > OUT_HIGH) {
			result = 1;
			break;
		}
		if (!peer->skipping && end > line && peer_obey(server, peer, line, end - line))
			return -1;
		peer->skipping = false;
		at = end + 1 - peer->in;
	}
	inbox_drop(peer, at);
	if (peer->in_len == sizeof(peer->in) && !result && !is_streaming(server, peer))
		return skip_long_line(peer);
	return result;
}

/* Answers and sends until there is nothing to do or the peer has to read first. */
static void peer_serve(struct server *server, struct peer *peer)
{
	int state;

	do {
		state = peer_run(server, peer);
		if (state < 0 || peer_flush(peer)) {
			peer_close(server, peer);
			return;
		}
	} while (state > 0 && !peer->out_len && !peer->pages.left);
	if (peer->ended && !peer->out_len && !peer->pages.left && !is_streaming(server, peer))
		peer_close(server, peer);
	else
		peer_watch(server, peer);
}

static void peer_ready(struct server *server, struct peer *peer, uint32_t events)
{
	/* It hung up altogether: no stream will be read. Requests it sent before still count. */
	if (events & (EPOLLHUP | EPOLLERR)) {
		stream_stop(server, peer);
		if (!(peer->interest & EPOLLIN) && peer->ended) {
			peer_close(server, peer);
			return;
		}
	}
	if (events & EPOLLIN && peer->in_len < sizeof(peer->in)) {
		ssize_t n = recv(peer->fd, peer->in + peer->in_len, sizeof(peer->in) - peer->in_len,
				 MSG_DONTWAIT);
		if (n > 0) {
			peer->in_len += n;
			peer->active_ns = now_ns();
		} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
			peer->ended = true; /* half a line is no request */
		}
	}
	peer_serve(server, peer);
}

/* -- the streams -- */

static void trace_ready(struct server *server)
{
	struct trace *trace = &server->trace;
	struct peer *peer = trace->peer;
	json_t *walks = router_trace_collect(server->router);
	size_t n = json_array_size(walks);
	struct refusal why = {0};
	json_t *answer;
	bool more = true;

	if (!n) {
		json_decref(walks);
		return;
	}
	if (trace->left) {
		trace->left -= min_u64(n, trace->left);
		more = trace->left > 0;
	}
	trace->armed -= min_u32(n, trace->armed);
	answer = answer_rows(walks);
	if (more)
		json_object_set_new(answer, "more", json_true());
	if (peer->out_len > OUT_STREAM_MAX || peer_answer(peer, answer)) {
		peer_close(server, peer);
		return;
	}
	if (!more) {
		trace_stop(server);
	} else if (!trace->armed && trace_rearm(server, &why)) {
		trace_stop(server);
		peer_answer(peer, answer_refusal(&why));
	}
	peer_serve(server, peer);
}

static void watch_tell(struct server *server, struct peer *peer, json_t *events)
{
	json_t *answer = answer_rows(json_incref(events));

	json_object_set_new(answer, "more", json_true());
	if (peer->out_len > OUT_STREAM_MAX || peer_answer(peer, answer))
		peer_close(server, peer);
	else
		peer_serve(server, peer);
}

static void watch_ready(struct server *server)
{
	json_t *events = router_fdb_events(server->router);

	for (unsigned i = 0; i < PEERS_MAX && json_array_size(events); i++)
		if (server->peers[i] && server->peers[i]->watches)
			watch_tell(server, server->peers[i], events);
	json_decref(events);
}

/* -- the listener -- */

static struct peer **free_place(struct server *server, uint64_t now)
{
	struct peer **idlest = NULL;

	for (unsigned i = 0; i < PEERS_MAX; i++) {
		struct peer **place = &server->peers[i];

		if (!*place)
			return place;
		if (!is_streaming(server, *place) && now - (*place)->active_ns > PATIENCE_NS &&
		    (!idlest || (*place)->active_ns < (*idlest)->active_ns))
			idlest = place;
	}
	if (idlest)
		peer_close(server, *idlest);
	return idlest;
}

static bool may_speak(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

/* Turns a caller away with an answer, if the socket takes it at once. */
static void turn_away(int fd, int status, const char *text)
{
	json_t *answer = answer_error(status, NULL, text);
	char *line = json_dumps(answer, JSON_COMPACT);

	if (line) {
		struct iovec parts[] = {{line, strlen(line)}, {(char *)"\n", 1}};
		struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

		sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	free(line);
	json_decref(answer);
	close(fd);
}

static void peer_accept(struct server *server, int fd)
{
	uint64_t now = now_ns();
	struct peer **place;
	struct peer *peer;
	struct epoll_event event = {.events = EPOLLIN};

	if (!may_speak(fd)) {
		turn_away(fd, 4, "permission denied: only root may ask this daemon");
		return;
	}
	place = free_place(server, now);
	peer = place ? malloc(sizeof(*peer)) : NULL;
	event.data.ptr = peer;
	if (!peer || epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event)) {
		free(peer);
		turn_away(fd, 1, "too many clients at once; try again");
		return;
	}
	memset(peer, 0, offsetof(struct peer, in));
	peer->fd = fd;
	peer->active_ns = now;
	peer->interest = EPOLLIN;
	*place = peer;
}

static void listen_again(struct server *server)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = &server->listener};

	if (server->deaf &&
	    epoll_ctl(server->epoll, EPOLL_CTL_ADD, server->listener.fd, &event) == 0)
		server->deaf = false;
}

static void listener_ready(struct server *server)
{
	for (unsigned i = 0; i < PEERS_MAX; i++) {
		int fd = accept4(server->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			peer_accept(server, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			epoll_ctl(server->epoll, EPOLL_CTL_DEL, server->listener.fd, NULL);
			server->deaf = true;
		}
		return;
	}
}

static void timer_ready(struct server *server)
{
	uint64_t expirations, now = now_ns();

	if (read(server->timer, &expirations, sizeof(expirations)) < 0)
		return;
	listen_again(server);
	if (server->trace.peer)
		trace_ready(server);
	if (count_watchers(server))
		watch_ready(server);
	for (unsigned i = 0; i < PEERS_MAX; i++) {
		struct peer *peer = server->peers[i];

		if (peer && peer->out_len && now > peer->waiting_ns &&
		    now - peer->waiting_ns > PATIENCE_NS) {
			log_warning("control socket: a client that does not read its answers is "
				    "shut out");
			peer_close(server, peer);
		}
	}
}

static bool is_open(const struct server *server, const void *peer)
{
	for (unsigned i = 0; i < PEERS_MAX; i++)
		if (server->peers[i] == peer)
			return true;
	return false;
}

void server_ready(struct server *server)
{
	struct epoll_event events[EVENTS_MAX];
	int n = epoll_wait(server->epoll, events, EVENTS_MAX, 0);

	for (int i = 0; i < n; i++) {
		void *what = events[i].data.ptr;

		if (what == &server->listener)
			listener_ready(server);
		else if (what == &server->timer)
			timer_ready(server);
		else if (is_open(server, what)) /* an earlier event may have closed it */
			peer_ready(server, what, events[i].events);
	}
	set_timer(server);
}

int server_fd(const struct server *server)
{
	return server->epoll;
}

void server_on_reload(struct server *server,
		      int (*reload)(void *arg, char *text, size_t size, struct refusal *why),
		      void *arg)
{
	server->reload = reload;
	server->reload_arg = arg;
}

static int watch(struct server *server, int fd, void *what)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};

	return epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event);
}

struct server *server_open(struct router *router, const char *path, struct refusal *why)
{
	struct server *server = calloc(1, sizeof(*server));

	if (!server) {
		refusal_set(why, REFUSED_FAILED, "control socket: out of memory");
		return NULL;
	}
	server->router = router;
	server->epoll = epoll_create1(EPOLL_CLOEXEC);
	server->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (server_socket_open(&server->listener, path, PEERS_MAX, why))
		goto fail;
	if (watch(server, server->timer, &server->timer) == 0 &&
	    watch(server, server->listener.fd, &server->listener) == 0)
		return server;
	refusal_set(why, REFUSED_FAILED, "control socket: watching it: %s", strerror(errno));
fail:
	server_close(server);
	return NULL;
}

void server_close(struct server *server)
{
	if (!server)
		return;
	for (unsigned i = 0; i < PEERS_MAX; i++)
		if (server->peers[i])
			peer_close(server, server->peers[i]);
	server_socket_close(&server->listener);
	if (server->timer >= 0)
		close(server->timer);
	if (server->epoll >= 0)
		close(server->epoll);
	free(server);
}
