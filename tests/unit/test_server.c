/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control socket, from its file to its answers, in a temporary directory: with a
 * router that is a few rows of data, in place of router.c's, which needs interfaces.
 * Server and clients share one thread; pump() lets the server do all that is due.
 */
#include "../../control/routes.h"
#include "../../control/server.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* -- a router of plain data -- */

struct router {
	json_t *routes;
	struct config_route added;
	struct config_neigh neigh;
	char expression[64];
	struct mac station;
	char station_port[16], station_bridge[16];
	bool watched;
	unsigned n_events; /* to hand out */
	unsigned n_added, n_deleted, n_armed, n_disarmed, n_walks; /* walks to hand out */
	struct nat_filter nat; /* last asked for */
	size_t limit;
	size_t n_pages, page_max; /* of routes */
	uint64_t aged_ns;
	struct config_lanes lanes;
};

json_t *router_show_ports(struct router *router)
{
	(void)router;
	return json_pack("[{s:s, s:s}, {s:s, s:s}]", "name", "r0", "addresses",
			 "192.168.1.1/24 10.1.0.1/16", "name", "r1", "addresses", "192.168.0.1/24");
}

/* Here a place is told by its metric alone: how many rows were shown. */
json_t *router_show_routes(struct router *router, struct route_place *place, size_t limit)
{
	json_t *rows = json_array(), *row;

	router->n_pages++;
	router->page_max = limit > router->page_max ? limit : router->page_max;
	while (json_array_size(rows) < limit &&
	       (row = json_array_get(router->routes, place->metric))) {
		json_array_append(rows, row);
		place->metric++;
	}
	return rows;
}

json_t *router_show_route(struct router *router, be32 prefix, uint8_t prefix_len)
{
	json_t *rows = json_array();
	bool is_default = be32_is_zero(prefix) && !prefix_len;

	json_array_append(rows, json_array_get(router->routes, is_default ? 0 : 1));
	return rows;
}

json_t *router_route_get(struct router *router, be32 address)
{
	char text[18];

	(void)router;
	config_format_address(address, text);
	return strcmp(text, "10.9.0.1") ? json_array()
					: json_pack("[{s:s, s:s}]", "destination", text, "to",
						    "10.0.0.0/8");
}

json_t *router_show_neighs(struct router *router)
{
	(void)router;
	return json_pack("[{s:s, s:s}, {s:s, s:s}, {s:s, s:s}]", "address", "192.168.1.2", "port",
			 "r0", "address", "192.168.0.2", "port", "r0", "address", "192.168.0.2",
			 "port", "r1");
}

json_t *router_show_drops(struct router *router, bool all)
{
	(void)router;
	return all ? json_pack("[{s:s}]", "reason", "ip4-ttl") : json_array();
}

json_t *router_show_stats(struct router *router)
{
	(void)router;
	return json_pack("{s:i}", "frames", 16384);
}

int router_route_add(struct router *router, const struct config_route *route, struct refusal *why)
{
	if (route->metric == 666)
		return refusal_set(why, REFUSED_FAILED, "the route exists");
	router->added = *route;
	router->n_added++;
	return 0;
}

int router_route_del(struct router *router, const struct config_route *route, struct refusal *why)
{
	(void)why;
	router->added = *route;
	router->n_deleted++;
	return 0;
}

unsigned router_route_flush(struct router *router)
{
	return router->n_added;
}

int router_neigh_add(struct router *router, const struct config_neigh *neigh, struct refusal *why)
{
	(void)why;
	router->neigh = *neigh;
	return 0;
}

int router_neigh_del(struct router *router, const struct config_neigh *neigh, struct refusal *why)
{
	return router_neigh_add(router, neigh, why);
}

unsigned router_neigh_flush(struct router *router, const char *port)
{
	(void)router;
	return port ? 1 : 2;
}

#define FDB_ROW(mac, port, bridge) "mac", mac, "port", port, "bridge", bridge

json_t *router_show_fdb(struct router *router)
{
	(void)router;
	return json_pack("[{s:s, s:s, s:s}, {s:s, s:s, s:s}, {s:s, s:s, s:s}]",
			 FDB_ROW("02:00:00:00:01:02", "r0", "br0"),
			 FDB_ROW("02:00:00:00:01:02", "r1", "br1"),
			 FDB_ROW("02:00:00:00:01:ab", "r0", "br0"));
}

json_t *router_show_bridges(struct router *router)
{
	(void)router;
	return json_pack("[{s:s}, {s:s}]", "name", "br0", "name", "br1");
}

int router_fdb_add(struct router *router, struct mac mac, const char *port, struct refusal *why)
{
	if (!strcmp(port, "r9"))
		return refusal_set(why, REFUSED_CONFIG, "there is no port r9");
	router->station = mac;
	snprintf(router->station_port, sizeof(router->station_port), "%s", port);
	return 0;
}

int router_fdb_del(struct router *router, struct mac mac, const char *bridge, struct refusal *why)
{
	(void)why;
	router->station = mac;
	snprintf(router->station_bridge, sizeof(router->station_bridge), "%s",
		 bridge ? bridge : "any");
	return 0;
}

unsigned router_fdb_flush(struct router *router, const char *name)
{
	(void)router;
	return !name ? 3 : !strcmp(name, "br1") ? 2 : 1;
}

void router_fdb_watch(struct router *router, bool on)
{
	router->watched = on;
}

json_t *router_fdb_events(struct router *router)
{
	json_t *events = json_array();

	for (; router->n_events; router->n_events--)
		json_array_append_new(events, json_pack("{s:s}", "event", "appeared"));
	return events;
}

json_t *router_show_nat(struct router *router, const struct nat_filter *filter, size_t limit)
{
	router->nat = *filter;
	router->limit = limit;
	return json_pack("[{s:s}]", "protocol", "tcp");
}

unsigned router_nat_flush(struct router *router, const struct nat_filter *filter)
{
	router->nat = *filter;
	return 7;
}

void router_settle(struct router *router) { (void)router; }
void router_nat_age(struct router *router, uint64_t by_ns)
{
	router->aged_ns = by_ns;
}

json_t *router_show_nat_rules(struct router *router)
{
	(void)router;
	return json_pack("[{s:s}]", "action", "masquerade");
}

const struct config_lanes *router_lanes(const struct router *router)
{
	return &router->lanes;
}

unsigned router_break_even(const struct router *router)
{
	(void)router;
	return 33;
}

void router_set_lanes(struct router *router, const struct config_lanes *lanes)
{
	router->lanes = *lanes;
}

json_t *router_show_filter(struct router *router)
{
	(void)router;
	return json_pack("[{s:s}]", "action", "drop");
}

int router_trace_arm(struct router *router, const char *expression, unsigned count,
		     struct refusal *why)
{
	if (!strcmp(expression, "nonsense"))
		return refusal_set(why, REFUSED_CONFIG, "syntax error in expression");
	snprintf(router->expression, sizeof(router->expression), "%s", expression);
	router->n_armed++;
	router->n_walks = count;
	return 0;
}

json_t *router_trace_collect(struct router *router)
{
	json_t *walks = json_array();

	for (; router->n_walks; router->n_walks--)
		json_array_append_new(walks, json_pack("{s:[s]}", "lines", "eth -> arp"));
	return walks;
}

void router_trace_disarm(struct router *router)
{
	router->n_disarmed++;
}

/* -- a server in a directory of its own -- */

struct house {
	struct router router;
	struct server *server;
	char directory[64], path[96];
};

static int set_up(void **state)
{
	struct house *h = calloc(1, sizeof(*h));
	struct refusal why = {0};

	strcpy(h->directory, "/tmp/tsuji-test-XXXXXX");
	assert_non_null(mkdtemp(h->directory));
	snprintf(h->path, sizeof(h->path), "%s/run/1.sock", h->directory);
	h->router.routes = json_pack(
		"[{s:s,s:s,s:s,s:s,s:i}, {s:s,s:s,s:s,s:s,s:i}, {s:s,s:s,s:s,s:s,s:i}]", "to",
		"0.0.0.0/0", "type", "unicast", "port", "r1", "state", "used", "metric", 0, "to",
		"10.0.0.0/8", "type", "blackhole", "port", "", "state", "used", "metric", 5, "to",
		"10.9.0.0/16", "type", "unicast", "port", "r1", "state", "port-down", "metric", 0);
	h->server = server_open(&h->router, h->path, &why);
	assert_non_null(h->server);
	*state = h;
	return 0;
}

static int tear_down(void **state)
{
	struct house *h = *state;
	char run[80];

	server_close(h->server);
	unlink(h->path);
	snprintf(run, sizeof(run), "%s/run", h->directory);
	assert_int_equal(rmdir(run), 0);
	rmdir(h->directory);
	json_decref(h->router.routes);
	free(h);
	return 0;
}

/* Lets the server work until nothing is due. */
static void pump(struct house *h)
{
	struct pollfd pfd = {.fd = server_fd(h->server), .events = POLLIN};

	while (poll(&pfd, 1, 0) > 0)
		server_ready(h->server);
}

static int dial(struct house *h)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	strcpy(address.sun_path, h->path);
	while (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		assert_int_equal(errno, EAGAIN);
		pump(h);
	}
	return fd;
}

static void put(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* One line of what the server sent; NULL: nothing is there. Static storage. */
static json_t *get(struct house *h, int fd)
{
	static char line[1 << 20];
	size_t len = 0;

	pump(h);
	for (;;) {
		ssize_t n = recv(fd, line + len, 1, 0);

		if (n < 0 && errno == EAGAIN && len) {
			pump(h);
			continue;
		}
		if (n <= 0)
			return NULL;
		if (line[len] == '\n')
			break;
		assert_true(++len < sizeof(line));
	}
	return json_loadb(line, len, 0, NULL);
}

/* Sends one request and compares the whole answer. */
static void expect(struct house *h, int fd, const char *request, const char *answer)
{
	json_t *got, *wanted = json_loads(answer, 0, NULL);
	char *text;

	put(fd, request);
	put(fd, "\n");
	got = get(h, fd);
	text = json_dumps(got, JSON_COMPACT);
	if (!json_equal(got, wanted))
		fail_msg("%s\n is answered %s\n and not %s", request, text, answer);
	free(text);
	json_decref(got);
	json_decref(wanted);
}

static void expect_status(struct house *h, int fd, const char *request, int status)
{
	json_t *got;

	put(fd, request);
	put(fd, "\n");
	got = get(h, fd);
	assert_non_null(got);
	if (json_integer_value(json_object_get(got, "status")) != status)
		fail_msg("%s: %s", request, json_dumps(got, 0));
	assert_int_equal(!!json_object_get(got, "error"), status != 0);
	json_decref(got);
}

static bool is_closed(struct house *h, int fd)
{
	char byte;

	pump(h);
	return recv(fd, &byte, 1, 0) == 0 || (errno == ECONNRESET);
}

/* -- the socket's file -- */

static void file_is_for_its_owner_only(void **state)
{
	struct house *h = *state;
	char run[80];
	struct stat st;

	assert_int_equal(stat(h->path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0600);
	snprintf(run, sizeof(run), "%s/run", h->directory);
	assert_int_equal(stat(run, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

static void file_is_gone_after_close(void **state)
{
	struct house *h = *state;

	assert_true(server_answers(h->path));
	server_close(h->server);
	h->server = NULL;
	assert_int_equal(access(h->path, F_OK), -1);
	assert_false(server_answers(h->path));
}

static void live_socket_is_refused(void **state)
{
	struct house *h = *state;
	struct refusal why = {0};

	assert_null(server_open(&h->router, h->path, &why));
	assert_int_equal(why.status, 1);
	assert_non_null(strstr(why.text, h->path));
	assert_true(server_answers(h->path));
}

static void stale_socket_is_replaced(void **state)
{
	struct house *h = *state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct refusal why = {0};
	int fd;

	server_close(h->server);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	strcpy(address.sun_path, h->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd); /* as a killed daemon leaves it */
	assert_false(server_answers(h->path));
	h->server = server_open(&h->router, h->path, &why);
	assert_non_null(h->server);
	assert_true(server_answers(h->path));
}

static void file_that_is_no_socket_is_kept(void **state)
{
	struct house *h = *state;
	struct refusal why = {0};
	FILE *file;

	server_close(h->server);
	file = fopen(h->path, "w");
	fclose(file);
	h->server = server_open(&h->router, h->path, &why);
	assert_null(h->server);
	assert_int_equal(why.status, 1);
	assert_int_equal(access(h->path, F_OK), 0);
}

static void path_too_long_is_refused(void **state)
{
	char path[300];
	struct refusal why = {0};

	(void)state;
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[299] = 0;
	assert_null(server_open(NULL, path, &why));
	assert_int_equal(why.status, 1);
	assert_false(server_answers(path));
}

/* -- requests -- */

static void shows_answer_rows(void **state)
{
	struct house *h = *state;
	int fd = dial(h);

	expect(h, fd, "{\"command\":\"stats\"}", "{\"status\":0,\"rows\":[{\"frames\":16384}]}");
	expect(h, fd, "{\"command\":\"drops\",\"verb\":\"show\"}", "{\"status\":0,\"rows\":[]}");
	expect(h, fd, "{\"command\":\"drops\",\"verb\":\"show\",\"arguments\":{\"all\":true}}",
	       "{\"status\":0,\"rows\":[{\"reason\":\"ip4-ttl\"}]}");
	expect(h, fd, "{\"command\":\"port\",\"arguments\":{\"name\":\"r1\"}}",
	       "{\"status\":0,\"rows\":[{\"name\":\"r1\",\"addresses\":\"192.168.0.1/24\"}]}");
	expect(h, fd, "{\"command\":\"port\",\"arguments\":{\"name\":\"r2\"}}",
	       "{\"status\":1,\"error\":\"this router has no port \\\"r2\\\"\",\"hint\":\"did you "
	       "mean r0?\"}");
	expect(h, fd, "{\"command\":\"neigh\",\"arguments\":{\"port\":\"r1\"}}",
	       "{\"status\":0,\"rows\":[{\"address\":\"192.168.0.2\",\"port\":\"r1\"}]}");
	expect(h, fd, "{\"command\":\"route\",\"arguments\":{\"to\":\"default\"}}",
	       "{\"status\":0,\"rows\":[{\"to\":\"0.0.0.0/0\",\"type\":\"unicast\",\"port\":\"r1\","
	       "\"state\":\"used\",\"metric\":0}]}");
	expect(h, fd, "{\"command\":\"route\",\"arguments\":{\"port\":\"r7\"}}",
	       "{\"status\":1,\"error\":\"this router has no port \\\"r7\\\"\",\"hint\":\"did you "
	       "mean r0?\"}");
	expect(h, fd,
	       "{\"command\":\"route\",\"arguments\":{\"to\":\"10.0.0.0/8\",\"port\":\"r0\"}}",
	       "{\"status\":0,\"rows\":[]}");
	expect_status(h, fd, "{\"command\":\"neigh\",\"arguments\":{\"port\":\"r7\"}}", 1);
	expect(h, fd, "{\"command\":\"neigh\",\"arguments\":{\"port\":\"br0\"}}",
	       "{\"status\":0,\"rows\":[]}");
	expect_status(h, fd, "{\"command\":\"route\",\"arguments\":{\"to\":\"10.0.0.1/8\"}}", 2);
	close(fd);
}

static void route_get_asks_the_router(void **state)
{
	struct house *h = *state;
	int fd = dial(h);

	expect(h, fd,
	       "{\"command\":\"route\",\"verb\":\"get\",\"arguments\":{\"address\":\"10.9.0.1\"}}",
	       "{\"status\":0,\"rows\":[{\"destination\":\"10.9.0.1\",\"to\":\"10.0.0.0/8\"}]}");
	expect(h, fd,
	       "{\"command\":\"route\",\"verb\":\"get\",\"arguments\":{\"address\":\"8.8.8.8\"}}",
	       "{\"status\":1,\"error\":\"no route to 8.8.8.8\"}");
	expect_status(
		h, fd,
		"{\"command\":\"route\",\"verb\":\"get\",\"arguments\":{\"address\":\"8.8\"}}", 2);
	close(fd);
}

static void route_add_reaches_the_router(void **state)
{
	struct house *h = *state;
	const struct config_route *r = &h->router.added;
	int fd = dial(h);

	expect(h, fd,
	       "{\"command\":\"route\",\"verb\":\"add\",\"arguments\":"
	       "{\"to\":\"10.9.0.0/16\",\"via\":\"192.168.0.9\",\"port\":\"r1\",\"metric\":10}}",
	       "{\"status\":0,\"rows\":[]}");
	assert_int_equal(be32_host(r->prefix), 0x0a090000);
	assert_int_equal(r->prefix_len, 16);
	assert_int_equal(r->type, ROUTE_UNICAST);
	assert_int_equal(be32_host(r->via), 0xc0a80009);
	assert_string_equal(r->port, "r1");
	assert_int_equal(r->metric, 10);
	expect_status(h, fd,
		      "{\"command\":\"route\",\"verb\":\"add\",\"arguments\":"
		      "{\"to\":\"10.1.2.3\",\"type\":\"prohibit\"}}",
		      0);
	assert_int_equal(r->type, ROUTE_PROHIBIT);
	assert_int_equal(r->prefix_len, 32);
	expect(h, fd,
	       "{\"command\":\"route\",\"verb\":\"add\",\"arguments\":"
	       "{\"to\":\"default\",\"via\":\"10.0.0.1\",\"metric\":666}}",
	       "{\"status\":1,\"error\":\"the route exists\"}");
	expect_status(h, fd,
		      "{\"command\":\"route\",\"verb\":\"del\",\"arguments\":{\"to\":\"default\"}}",
		      0);
	assert_int_equal(h->router.n_deleted, 1);
	expect(h, fd, "{\"command\":\"route\",\"verb\":\"flush\"}",
	       "{\"status\":0,\"rows\":[{\"flushed\":2}]}");
	close(fd);
}

static void bad_routes_change_nothing(void **state)
{
	static const char *const bad[] = {
		"{}",
		"{\"to\":5}",
		"{\"to\":\"10.0.0.0/8\"}",
		"{\"to\":\"10.0.0.1/8\",\"via\":\"10.0.0.1\"}",
		"{\"to\":\"10.0.0.0/33\",\"via\":\"10.0.0.1\"}",
		"{\"to\":\"10.0.0.0/8\",\"via\":\"10.0.0.256\"}",
		"{\"to\":\"10.0.0.0/8\",\"via\":\"0.0.0.0\"}",
		"{\"to\":\"10.0.0.0/8\",\"port\":\"a-name-of-sixteen\"}",
		"{\"to\":\"10.0.0.0/8\",\"port\":\"\"}",
		"{\"to\":\"10.0.0.0/8\",\"port\":\"r1\",\"metric\":-1}",
		"{\"to\":\"10.0.0.0/8\",\"port\":\"r1\",\"metric\":4294967296}",
		"{\"to\":\"10.0.0.0/8\",\"port\":\"r1\",\"metric\":\"1\"}",
		"{\"to\":\"10.0.0.0/8\",\"port\":\"r1\",\"metrik\":1}",
		"{\"to\":\"10.0.0.0/8\",\"type\":\"black\"}",
		"{\"to\":\"10.0.0.0/8\",\"type\":\"blackhole\",\"via\":\"10.0.0.1\"}",
		"[]",
		"\"to\"",
	};
	struct house *h = *state;
	int fd = dial(h);
	char request[256];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(request, sizeof(request),
			 "{\"command\":\"route\",\"verb\":\"add\",\"arguments\":%s}", bad[i]);
		expect_status(h, fd, request, 2);
	}
	assert_int_equal(h->router.n_added, 0);
	close(fd);
}

static void neighbours_are_added_and_deleted(void **state)
{
	struct house *h = *state;
	int fd = dial(h);

	expect_status(h, fd,
		      "{\"command\":\"neigh\",\"verb\":\"add\",\"arguments\":{\"address\":\"192."
		      "168.1.2\","
		      "\"mac\":\"02:00:00:00:01:02\",\"port\":\"r0\"}}",
		      0);
	assert_int_equal(h->router.neigh.mac.b[5], 2);
	expect_status(h, fd,
		      "{\"command\":\"neigh\",\"verb\":\"add\",\"arguments\":{\"address\":\"192."
		      "168.1.2\","
		      "\"mac\":\"03:00:00:00:01:02\",\"port\":\"r0\"}}",
		      2); /* a group's */
	expect_status(h, fd,
		      "{\"command\":\"neigh\",\"verb\":\"add\",\"arguments\":{\"address\":\"192."
		      "168.1.2\","
		      "\"port\":\"r0\"}}",
		      2);
	expect_status(h, fd,
		      "{\"command\":\"neigh\",\"verb\":\"del\",\"arguments\":{\"address\":\"192."
		      "168.1.2\"}}",
		      0);
	assert_string_equal(h->router.neigh.port, "r0");
	expect_status(h, fd,
		      "{\"command\":\"neigh\",\"verb\":\"del\",\"arguments\":{\"address\":\"192."
		      "168.0.2\"}}",
		      1);
	expect_status(h, fd,
		      "{\"command\":\"neigh\",\"verb\":\"del\",\"arguments\":{\"address\":\"192."
		      "168.9.9\"}}",
		      1);
	expect(h, fd, "{\"command\":\"neigh\",\"verb\":\"flush\",\"arguments\":{\"port\":\"r1\"}}",
	       "{\"status\":0,\"rows\":[{\"flushed\":1}]}");
	expect(h, fd, "{\"command\":\"neigh\",\"verb\":\"flush\",\"arguments\":{\"port\":\"r9\"}}",
	       "{\"status\":1,\"error\":\"this router has no port \\\"r9\\\"\",\"hint\":\"did you "
	       "mean r0?\"}");
	expect_status(h, fd,
		      "{\"command\":\"neigh\",\"verb\":\"flush\",\"arguments\":{\"port\":"
		      "\"br1\"}}",
		      0); /* its leg */
	close(fd);
}

static void stations_are_added_and_deleted(void **state)
{
	struct house *h = *state;
	int fd = dial(h);

	expect(h, fd,
	       "{\"command\":\"fdb\",\"verb\":\"add\",\"arguments\":"
	       "{\"mac\":\"02:00:00:00:01:05\",\"port\":\"r1\"}}",
	       "{\"status\":0,\"rows\":[]}");
	assert_int_equal(h->router.station.b[5], 5);
	assert_string_equal(h->router.station_port, "r1");
	expect(h, fd,
	       "{\"command\":\"fdb\",\"verb\":\"add\",\"arguments\":"
	       "{\"mac\":\"02:00:00:00:01:05\",\"port\":\"r9\"}}",
	       "{\"status\":2,\"error\":\"there is no port r9\",\"hint\":\"did you mean r0?\"}");
	expect_status(h, fd,
		      "{\"command\":\"fdb\",\"verb\":\"add\",\"arguments\":"
		      "{\"mac\":\"01:00:00:00:01:05\",\"port\":\"r1\"}}",
		      2); /* a group's */
	expect_status(h, fd,
		      "{\"command\":\"fdb\",\"verb\":\"del\",\"arguments\":"
		      "{\"mac\":\"02:00:00:00:01:02\"}}",
		      0);
	assert_string_equal(h->router.station_bridge, "any");
	expect_status(h, fd,
		      "{\"command\":\"fdb\",\"verb\":\"del\",\"arguments\":"
		      "{\"mac\":\"02:00:00:00:01:02\",\"port\":\"r1\"}}",
		      0);
	assert_string_equal(h->router.station_bridge, "br1");
	expect(h, fd,
	       "{\"command\":\"fdb\",\"verb\":\"del\",\"arguments\":"
	       "{\"mac\":\"02:00:00:00:01:03\",\"port\":\"r1\"}}",
	       "{\"status\":1,\"error\":\"02:00:00:00:01:03 is not on port r1\",\"hint\":"
	       "\"tsuji fdb show lists them\"}");
	close(fd);
}

static void fdb_is_chosen_by_port_and_bridge(void **state)
{
	struct house *h = *state;
	int fd = dial(h);

	expect(h, fd, "{\"command\":\"fdb\",\"arguments\":{\"bridge\":\"br1\"}}",
	       "{\"status\":0,\"rows\":[{\"mac\":\"02:00:00:00:01:02\",\"port\":\"r1\",\"bridge\":"
	       "\"br1\"}]}");
	expect(h, fd, "{\"command\":\"fdb\",\"arguments\":{\"port\":\"r0\",\"bridge\":\"br1\"}}",
	       "{\"status\":0,\"rows\":[]}");
	expect(h, fd, "{\"command\":\"fdb\",\"arguments\":{\"mac\":\"02:00:00:00:01:AB\"}}",
	       "{\"status\":0,\"rows\":[{\"mac\":\"02:00:00:00:01:ab\",\"port\":\"r0\",\"bridge\":"
	       "\"br0\"}]}");
	expect_status(h, fd, "{\"command\":\"fdb\",\"arguments\":{\"mac\":\"02:00\"}}", 2);
	expect(h, fd, "{\"command\":\"fdb\",\"arguments\":{\"port\":\"r0\",\"bridge\":\"br2\"}}",
	       "{\"status\":1,\"error\":\"this router has no bridge \\\"br2\\\"\",\"hint\":\"did "
	       "you mean br0?\"}");
	expect(h, fd, "{\"command\":\"fdb\",\"verb\":\"flush\",\"arguments\":{\"bridge\":\"br1\"}}",
	       "{\"status\":0,\"rows\":[{\"flushed\":2}]}");
	expect(h, fd, "{\"command\":\"fdb\",\"verb\":\"flush\"}",
	       "{\"status\":0,\"rows\":[{\"flushed\":3}]}");
	expect_status(h, fd, "{\"command\":\"fdb\",\"verb\":\"flush\",\"arguments\":{\"port\":\"x\"}}",
		      1);
	expect(h, fd, "{\"command\":\"bridge\",\"arguments\":{\"name\":\"br1\"}}",
	       "{\"status\":0,\"rows\":[{\"name\":\"br1\"}]}");
	expect_status(h, fd, "{\"command\":\"bridge\",\"arguments\":{\"name\":\"br2\"}}", 1);
	close(fd);
}

static void sessions_are_chosen_by_protocol_address_and_port(void **state)
{
	struct house *h = *state;
	int fd = dial(h);

	expect(h, fd,
	       "{\"command\":\"nat\",\"arguments\":{\"protocol\":\"tcp\",\"address\":\"10.0.0.2\","
	       "\"port\":80,\"limit\":5}}",
	       "{\"status\":0,\"rows\":[{\"protocol\":\"tcp\"}]}");
	assert_int_equal(h->router.nat.protocol, 6);
	assert_int_equal(be32_host(h->router.nat.address), 0x0a000002);
	assert_int_equal(h->router.nat.port, 80);
	assert_int_equal(h->router.limit, 5);
	expect_status(h, fd, "{\"command\":\"nat\"}", 0);
	assert_int_equal(h->router.nat.protocol, 0);
	assert_int_equal(h->router.limit, 100001);
	expect(h, fd,
	       "{\"command\":\"nat\",\"verb\":\"flush\",\"arguments\":{\"protocol\":\"udp\"}}",
	       "{\"status\":0,\"rows\":[{\"flushed\":7}]}");
	assert_int_equal(h->router.nat.protocol, 17);
	expect_status(h, fd,
		      "{\"command\":\"nat\",\"verb\":\"flush\",\"arguments\":{\"limit\":1}}", 2);
	expect_status(h, fd, "{\"command\":\"nat\",\"arguments\":{\"port\":65536}}", 2);
	expect_status(h, fd, "{\"command\":\"nat\",\"arguments\":{\"protocol\":\"sctp\"}}", 2);
	close(fd);
}

static void lab_clock_and_rules_are_asked_for(void **state)
{
	struct house *h = *state;
	int fd = dial(h);

	expect(h, fd, "{\"command\":\"nat\",\"verb\":\"age\",\"arguments\":{\"by\":\"5m\"}}",
	       "{\"status\":0,\"rows\":[]}");
	assert_int_equal(h->router.aged_ns, 300 * NS_PER_S);
	expect_status(h, fd,
		      "{\"command\":\"nat\",\"verb\":\"age\",\"arguments\":{\"by\":\"5x\"}}", 2);
	expect_status(h, fd, "{\"command\":\"nat\",\"verb\":\"age\"}", 2);
	assert_int_equal(h->router.aged_ns, 300 * NS_PER_S);
	expect(h, fd, "{\"command\":\"nat\",\"verb\":\"rules\"}",
	       "{\"status\":0,\"rows\":[{\"action\":\"masquerade\"}]}");
	expect(h, fd, "{\"command\":\"filter\"}",
	       "{\"status\":0,\"rows\":[{\"action\":\"drop\"}]}");
	expect_status(h, fd, "{\"command\":\"filter\",\"arguments\":{\"port\":1}}", 2);
	close(fd);
}

static void settings_change_the_lanes(void **state)
{
#define SET(arguments) "{\"command\":\"set\",\"verb\":\"now\",\"arguments\":{" arguments "}}"
	struct house *h = *state;
	int fd = dial(h);
	const char *const row =
		"{\"status\":0,\"rows\":[{\"name\":\"lanes.transmit\",\"value\":\"burst\","
		"\"now\":\"burst\",\"accepts\":\"auto|socket|burst\"}]}";

	expect(h, fd, SET("\"name\":\"lanes.transmit\",\"value\":\"burst\""), row);
	assert_int_equal(h->router.lanes.transmit, TRANSMIT_BURST);
	expect(h, fd, SET("\"name\":\"lanes.transmit\""), row);
	expect_status(h, fd, SET(""), 0);
	expect_status(h, fd, SET("\"name\":\"lanes.transmit\",\"value\":\"warp\""), 2);
	expect_status(h, fd, SET("\"name\":\"lanes\""), 2);
	expect_status(h, fd, SET("\"value\":\"burst\""), 2);
	expect_status(h, fd, SET("\"name\":\"lanes.transmit\",\"value\":7"), 2);
	assert_int_equal(h->router.lanes.transmit, TRANSMIT_BURST);
	close(fd);
#undef SET
}

static void unknown_requests_are_refused(void **state)
{
	static const char *const bad[] = {
		"{\"command\":\"rout\"}",
		"{\"command\":\"route\",\"verb\":\"burn\"}",
		"{\"verb\":\"show\"}",
		"{\"command\":7}",
		"{\"command\":\"stats\",\"more\":1}",
		"{\"command\":\"stats\",\"arguments\":{\"a\":1}}",
		"[]",
		"{}",
		"7",
		"null",
		"\"stats\"",
		"{\"command\":\"stats\"",
		"GET / HTTP/1.1",
		"\xff\xfe",
		"\\",
		"{\"command\":\"stats\",\"command\":\"stats\"}",
	};
	struct house *h = *state;
	int fd = dial(h);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_status(h, fd, bad[i], 2);
	expect_status(h, fd, "{\"command\":\"stats\"}", 0);
	close(fd);
}

static int reload_well(void *arg, char *text, size_t size, struct refusal *why)
{
	(void)arg;
	(void)why;
	snprintf(text, size, "+3 routes ~1 port");
	return 0;
}

static int reload_badly(void *arg, char *text, size_t size, struct refusal *why)
{
	if (arg)
		snprintf(text, size, "r.yaml:1:1: error: \"\xc3\xa9\"");
	return refusal_set(why, REFUSED_CONFIG, "1 error");
}

static void reload_answers_what_changed_or_why_not(void **state)
{
	static const char request[] = "{\"command\":\"reload\",\"verb\":\"now\"}";
	struct house *h = *state;
	int fd = dial(h);

	expect_status(h, fd, request, 1);
	server_on_reload(h->server, reload_well, NULL);
	expect(h, fd, request, "{\"status\":0,\"rows\":[{\"summary\":\"+3 routes ~1 port\"}]}");
	server_on_reload(h->server, reload_badly, NULL);
	expect(h, fd, request, "{\"status\":2,\"error\":\"1 error\"}");
	server_on_reload(h->server, reload_badly, h);
	expect(h, fd, request,
	       "{\"status\":2,\"error\":\"the running state stays as it was\","
	       "\"complaints\":\"r.yaml:1:1: error: \\\"\xc3\xa9\\\"\"}");
	close(fd);
}

/* -- lines -- */

static void request_in_single_bytes_is_answered_once(void **state)
{
	static const char request[] = "{\"command\":\"stats\"}\n";
	struct house *h = *state;
	int fd = dial(h);

	for (size_t i = 0; request[i]; i++) {
		assert_null(get(h, fd));
		assert_int_equal(send(fd, request + i, 1, 0), 1);
	}
	json_decref(get(h, fd));
	assert_null(get(h, fd));
	close(fd);
}

static void half_a_line_before_hanging_up_is_no_request(void **state)
{
	struct house *h = *state;
	int fd = dial(h);

	put(fd, "{\"command\":\"route\",\"verb\":\"add\",\"arguments\":{\"to\":\"10.0.0.0/"
		"8\",\"port\":\"r1\"}}");
	close(fd);
	pump(h);
	assert_int_equal(h->router.n_added, 0);
}

static void requests_before_hanging_up_count(void **state)
{
	struct house *h = *state;
	int fd = dial(h);

	for (int i = 0; i < 100; i++)
		put(fd, "{\"command\":\"route\",\"verb\":\"add\",\"arguments\":{\"to\":\"10.0.0.0/"
			"8\",\"port\":\"r1\"}}\n");
	close(fd);
	pump(h);
	assert_int_equal(h->router.n_added, 100);
}

static void half_closed_client_gets_its_answers(void **state)
{
	struct house *h = *state;
	int fd = dial(h);
	json_t *answer;

	put(fd, "{\"command\":\"stats\"}\n\n\n{\"command\":\"drops\"}\n");
	shutdown(fd, SHUT_WR);
	for (int i = 0; i < 2; i++) {
		answer = get(h, fd);
		assert_non_null(answer);
		json_decref(answer);
	}
	assert_true(is_closed(h, fd));
	close(fd);
}

static void megabyte_line_is_refused_and_skipped(void **state)
{
	struct house *h = *state;
	int fd = dial(h);
	char block[4096];
	json_t *answer;

	memset(block, 'x', sizeof(block));
	for (int i = 0; i < 256; i++) {
		pump(h);
		assert_int_equal(send(fd, block, sizeof(block), MSG_NOSIGNAL), sizeof(block));
	}
	put(fd, "\n");
	answer = get(h, fd);
	assert_int_equal(json_integer_value(json_object_get(answer, "status")), 2);
	json_decref(answer);
	expect(h, fd, "{\"command\":\"stats\"}", "{\"status\":0,\"rows\":[{\"frames\":16384}]}");
	close(fd);
}

/* Fills its socket with requests and reads nothing; then reads all, in order. */
static void many_requests_are_answered_in_order(void **state)
{
	struct house *h = *state;
	int fd = dial(h);
	size_t sent = 0, n = 0;
	json_t *answer;
	char request[256];

	for (;; sent++) {
		snprintf(request, sizeof(request),
			 "{\"command\":\"port\",\"arguments\":{\"name\":\"p%zu\"}}\n", sent);
		if (send(fd, request, strlen(request), 0) < 0)
			break;
		if (sent % 16 == 0)
			pump(h);
	}
	assert_int_equal(errno, EAGAIN);
	while ((answer = get(h, fd))) {
		snprintf(request, sizeof(request), "this router has no port \"p%zu\"", n++);
		assert_string_equal(json_string_value(json_object_get(answer, "error")), request);
		json_decref(answer);
	}
	assert_int_equal(n, sent);
	close(fd);
}

static void random_bytes_do_no_harm(void **state)
{
	static const char *const pieces[] = {"{\"command\":\"stats\"}",
					     "\n",
					     "{",
					     "\"arguments\":",
					     "[[[[",
					     "\0x",
					     "}",
					     "{\"command\":\"trace\"}\n",
					     "\xff",
					     "route",
					     ",\"verb\":\"add\""};
	struct house *h = *state;
	unsigned seed = 20240607;
	int fds[8], fd;

	print_message("seed %u\n", seed);
	srand(seed);
	for (int i = 0; i < 8; i++)
		fds[i] = dial(h);
	for (int i = 0; i < 20000; i++) {
		int *client = &fds[rand() % 8];
		char junk[512];

		if (rand() % 50 == 0) {
			close(*client);
			*client = dial(h);
		} else if (rand() % 3) {
			const char *piece = pieces[rand() % (sizeof(pieces) / sizeof(pieces[0]))];
			send(*client, piece, strlen(piece), MSG_NOSIGNAL);
		} else {
			recv(*client, junk, rand() % sizeof(junk), 0);
		}
		if (rand() % 4 == 0)
			pump(h);
	}
	for (int i = 0; i < 8; i++)
		close(fds[i]);
	pump(h);
	assert_int_equal(h->router.n_armed > 0, 1);
	fd = dial(h);
	expect_status(h, fd, "{\"command\":\"stats\"}", 0);
	close(fd);
}

/* -- clients -- */

static void slow_reader_holds_up_nobody(void **state)
{
	struct house *h = *state;
	int slow = dial(h), quick = dial(h);
	json_t *answer;

	for (int i = 0; i < 20000; i++)
		json_array_append_new(h->router.routes, json_pack("{s:s}", "to", "10.0.0.0/24"));
	put(slow, "{\"command\":\"route\"}\n");
	pump(h);
	expect_status(h, quick, "{\"command\":\"stats\"}", 0);
	answer = get(h, slow);
	assert_int_equal(json_array_size(json_object_get(answer, "rows")), 20003);
	json_decref(answer);
	close(slow);
	close(quick);
}

/* Not more than a page is made before it is taken, and others are answered meanwhile. */
static void routes_are_made_as_they_are_read(void **state)
{
	struct house *h = *state;
	struct pollfd pfd = {.fd = server_fd(h->server), .events = POLLIN};
	int slow = dial(h), quick = dial(h);
	size_t n = 0, n_before;
	char some[4096];

	for (int i = 0; i < 100000; i++)
		json_array_append_new(h->router.routes, json_pack("{s:s}", "to", "10.0.0.0/24"));
	put(slow, "{\"command\":\"route\",\"arguments\":{\"limit\":0}}\n{\"command\":\"stats\"}\n");
	pump(h);
	n_before = h->router.n_pages;
	assert_in_range(n_before, 1, 50); /* what the socket buffers; all are 200 */
	assert_in_range(h->router.page_max, 1, 1000);
	expect_status(h, quick, "{\"command\":\"stats\"}", 0);
	assert_int_equal(h->router.n_pages, n_before);
	for (unsigned i = 0; i < 1000000 && n < 2; i++) {
		if (poll(&pfd, 1, 0) > 0) {
			size_t pages = h->router.n_pages;
			server_ready(h->server);
			assert_in_range(h->router.n_pages - pages, 0, 1);
		}
		for (ssize_t k = recv(slow, some, sizeof(some), 0); k > 0; k--)
			n += some[k - 1] == '\n'; /* its second request is answered behind it */
	}
	assert_int_equal(n, 2);
	close(slow);
	close(quick);
}

static void routes_in_pages_make_one_answer(void **state)
{
	static const size_t sizes[] = {0, 1, 499, 500, 501, 1000, 1001};
	struct house *h = *state;
	int fd = dial(h);

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		json_array_clear(h->router.routes);
		for (size_t k = 0; k < sizes[i]; k++)
			json_array_append_new(h->router.routes,
					      json_pack("{s:i, s:s}", "metric", (int)k, "port",
							k % 3 ? "r0" : "r1"));
		put(fd, "{\"command\":\"route\"}\n");
		json_t *answer = get(h, fd), *rows = json_object_get(answer, "rows");
		assert_int_equal(json_object_size(answer), 2);
		assert_true(json_equal(rows, h->router.routes));
		json_decref(answer);
		put(fd, "{\"command\":\"route\",\"arguments\":{\"port\":\"r1\"}}\n");
		answer = get(h, fd);
		rows = json_object_get(answer, "rows");
		assert_int_equal(json_array_size(rows), (sizes[i] + 2) / 3);
		for (size_t k = 0; k < json_array_size(rows); k++)
			assert_int_equal(json_integer_value(json_object_get(json_array_get(rows, k),
									    "metric")),
					 3 * k);
		json_decref(answer);
	}
	close(fd);
}

/* It hangs up in the middle: the rest is not made, and the server goes on. */
static void routes_nobody_reads_on_end_with_the_client(void **state)
{
	struct house *h = *state;
	int fd = dial(h), other = dial(h);

	for (int i = 0; i < 20000; i++)
		json_array_append_new(h->router.routes, json_pack("{s:s}", "to", "10.0.0.0/24"));
	put(fd, "{\"command\":\"route\"}\n");
	pump(h);
	close(fd);
	pump(h);
	size_t n_pages = h->router.n_pages;
	expect_status(h, other, "{\"command\":\"stats\"}", 0);
	assert_int_equal(h->router.n_pages, n_pages);
	close(other);
}

static void routes_beyond_the_limit_are_left_out(void **state)
{
	struct house *h = *state;
	int fd = dial(h);

	expect(h, fd, "{\"command\":\"route\",\"arguments\":{\"limit\":1}}",
	       "{\"status\":0,\"rows\":[{\"to\":\"0.0.0.0/0\",\"type\":\"unicast\",\"port\":\"r1\","
	       "\"state\":\"used\",\"metric\":0}]}");
	close(fd);
}

static void client_beyond_the_limit_is_told(void **state)
{
	struct house *h = *state;
	struct rlimit limit;
	int fds[1000], n = 1000, told = 0, served = 0;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < 1200)
		n = 200;
	for (int i = 0; i < n; i++)
		fds[i] = dial(h);
	pump(h);
	for (int i = 0; i < n; i++) {
		json_t *answer = get(h, fds[i]);

		told += answer && json_integer_value(json_object_get(answer, "status")) == 1;
		json_decref(answer);
		if (answer)
			continue;
		expect_status(h, fds[i], "{\"command\":\"stats\"}", 0);
		served++;
	}
	assert_int_equal(served, 64);
	assert_int_equal(told, n - 64);
	for (int i = 0; i < n; i++)
		close(fds[i]);
	pump(h);
	fds[0] = dial(h);
	expect_status(h, fds[0], "{\"command\":\"stats\"}", 0);
	close(fds[0]);
}

/* The next answer, waiting for the server's timer. */
static json_t *await(struct house *h, int fd)
{
	for (int i = 0; i < 100; i++) {
		struct pollfd pfd = {.fd = server_fd(h->server), .events = POLLIN};
		json_t *answer = get(h, fd);

		if (answer)
			return answer;
		poll(&pfd, 1, 100);
	}
	fail_msg("no answer");
	return NULL;
}

/* Accepting fails until a descriptor is free again; the caller waits, and is served. */
static void server_out_of_descriptors_listens_again(void **state)
{
	struct house *h = *state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct rlimit limit, none;
	json_t *answer;

	strcpy(address.sun_path, h->path);
	getrlimit(RLIMIT_NOFILE, &limit);
	none = limit;
	none.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &none);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	put(fd, "{\"command\":\"stats\"}\n");
	assert_null(get(h, fd));
	setrlimit(RLIMIT_NOFILE, &limit);
	answer = await(h, fd);
	assert_int_equal(json_integer_value(json_object_get(answer, "status")), 0);
	json_decref(answer);
	close(fd);
}

/* -- traces -- */

static void trace_streams_until_its_count(void **state)
{
	struct house *h = *state;
	int fd = dial(h), other = dial(h);
	size_t walks = 0;
	bool more = true;

	expect(h, fd,
	       "{\"command\":\"trace\",\"verb\":\"show\",\"arguments\":{\"expression\":\"icmp\","
	       "\"count\":40}}",
	       "{\"status\":0,\"rows\":[],\"more\":true}");
	assert_string_equal(h->router.expression, "icmp");
	assert_int_equal(h->router.n_walks, 32);
	expect_status(h, other, "{\"command\":\"trace\"}", 1);
	put(fd, "{\"command\":\"stats\"}\n"); /* waits for the end */
	while (more) {
		json_t *answer = await(h, fd);

		walks += json_array_size(json_object_get(answer, "rows"));
		more = json_is_true(json_object_get(answer, "more"));
		json_decref(answer);
	}
	assert_int_equal(walks, 40);
	assert_int_equal(h->router.n_armed, 2);
	assert_int_equal(h->router.n_disarmed, 1);
	json_decref(await(h, fd));
	expect_status(h, other,
		      "{\"command\":\"trace\",\"arguments\":{\"expression\":\"nonsense\"}}", 2);
	expect_status(h, other, "{\"command\":\"trace\",\"arguments\":{\"count\":-1}}", 2);
	expect_status(h, other, "{\"command\":\"trace\"}", 0);
	close(fd);
	close(other);
}

/* The next answer, which the server's timer brings. */
static void expect_streamed(struct house *h, int fd, const char *answer)
{
	json_t *got = await(h, fd), *wanted = json_loads(answer, 0, NULL);

	assert_true(json_equal(got, wanted));
	json_decref(got);
	json_decref(wanted);
}

static void all_who_watch_hear_of_each_event_once(void **state)
{
	static const char event[] =
		"{\"status\":0,\"rows\":[{\"event\":\"appeared\"}],\"more\":true}";
	static const char began[] = "{\"status\":0,\"rows\":[],\"more\":true}";
	static const char watch[] = "{\"command\":\"fdb\",\"verb\":\"watch\"}";
	struct house *h = *state;
	int one = dial(h), two = dial(h);

	expect(h, one, watch, began);
	assert_true(h->router.watched);
	h->router.n_events = 1;
	expect_streamed(h, one, event);
	h->router.n_events = 1;
	expect(h, two, watch, began); /* what was before is not for this one */
	expect_streamed(h, one, event);
	assert_null(get(h, two));
	h->router.n_events = 1;
	expect_streamed(h, two, event);
	expect_streamed(h, one, event);
	close(one);
	pump(h);
	assert_true(h->router.watched);
	close(two);
	pump(h);
	assert_false(h->router.watched);
}

static void trace_ends_with_its_client(void **state)
{
	struct house *h = *state;
	int fd = dial(h), other = dial(h);
	unsigned disarmed;

	expect_status(h, fd, "{\"command\":\"trace\"}", 0);
	disarmed = h->router.n_disarmed;
	close(fd);
	pump(h);
	assert_int_equal(h->router.n_disarmed, disarmed + 1);
	expect_status(h, other, "{\"command\":\"trace\"}", 0);
	close(other);
}

#define HOUSE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		HOUSE_TEST(file_is_for_its_owner_only),
		HOUSE_TEST(file_is_gone_after_close),
		HOUSE_TEST(live_socket_is_refused),
		HOUSE_TEST(stale_socket_is_replaced),
		HOUSE_TEST(file_that_is_no_socket_is_kept),
		cmocka_unit_test(path_too_long_is_refused),
		HOUSE_TEST(shows_answer_rows),
		HOUSE_TEST(route_get_asks_the_router),
		HOUSE_TEST(route_add_reaches_the_router),
		HOUSE_TEST(bad_routes_change_nothing),
		HOUSE_TEST(neighbours_are_added_and_deleted),
		HOUSE_TEST(stations_are_added_and_deleted),
		HOUSE_TEST(fdb_is_chosen_by_port_and_bridge),
		HOUSE_TEST(sessions_are_chosen_by_protocol_address_and_port),
		HOUSE_TEST(lab_clock_and_rules_are_asked_for),
		HOUSE_TEST(settings_change_the_lanes),
		HOUSE_TEST(unknown_requests_are_refused),
		HOUSE_TEST(reload_answers_what_changed_or_why_not),
		HOUSE_TEST(request_in_single_bytes_is_answered_once),
		HOUSE_TEST(half_a_line_before_hanging_up_is_no_request),
		HOUSE_TEST(requests_before_hanging_up_count),
		HOUSE_TEST(half_closed_client_gets_its_answers),
		HOUSE_TEST(megabyte_line_is_refused_and_skipped),
		HOUSE_TEST(many_requests_are_answered_in_order),
		HOUSE_TEST(random_bytes_do_no_harm),
		HOUSE_TEST(slow_reader_holds_up_nobody),
		HOUSE_TEST(routes_are_made_as_they_are_read),
		HOUSE_TEST(routes_in_pages_make_one_answer),
		HOUSE_TEST(routes_nobody_reads_on_end_with_the_client),
		HOUSE_TEST(routes_beyond_the_limit_are_left_out),
		HOUSE_TEST(client_beyond_the_limit_is_told),
		HOUSE_TEST(server_out_of_descriptors_listens_again),
		HOUSE_TEST(trace_streams_until_its_count),
		HOUSE_TEST(all_who_watch_hear_of_each_event_once),
		HOUSE_TEST(trace_ends_with_its_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
