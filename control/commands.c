/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * commands.c - conversations with the daemon. There are three: one request and its answer;
 * a batch, where stdin is read and checked to its end before the first line is sent, so
 * that a mistake changes nothing; and a stream (trace, fdb watch), which goes on until it
 * has its packets or is interrupted. What was understood is printed to stdout, all else to stderr.
 */
#include "commands.h"

#include "client.h"
#include "grammar.h"
#include "netns.h"
#include "process.h"
#include "server_socket.h"
#include "table.h"

#include <stdlib.h>
#include <unistd.h>

#define BATCH_WORDS	 24 /* in a line of a batch */
#define BATCH_WINDOW	 64 /* requests under way: their answers fit a socket buffer */
#define BATCH_COMPLAINTS 20 /* printed; the rest are counted */
#define BATCH_SIZE_MAX	 (256u << 20)

/* -- telling the user -- */

static int print_error(int status, const char *text, const char *hint)
{
	fprintf(stderr, "tsuji: %s\n", text);
	if (hint && *hint)
		fprintf(stderr, "hint: %s\n", hint);
	return status;
}

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static int status_of(const json_t *answer)
{
	return json_integer_value(json_object_get(answer, "status"));
}

static int print_refused(const json_t *answer)
{
	const char *text = text_of(answer, "error"), *complaints = text_of(answer, "complaints");

	if (complaints)
		fprintf(stderr, "%s\n", complaints);
	return print_error(status_of(answer), text ? text : "refused", text_of(answer, "hint"));
}

/* More routes or sessions than a request without a limit shows: the last is there only to tell. */
static void trim_rows(const json_t *request, json_t *rows)
{
	const json_t *arguments = json_object_get(request, "arguments");
	bool nat = !strcmp(text_of(request, "command"), "nat");

	if (json_array_size(rows) <= REQUEST_ROWS ||
	    (nat ? json_object_get(arguments, "limit") != NULL
		 : strcmp(text_of(request, "command"), "route") || json_object_size(arguments)))
		return;
	json_array_remove(rows, REQUEST_ROWS);
	fprintf(stderr, "tsuji: the first %d %s only\nhint: %s\n", REQUEST_ROWS,
		nat ? "sessions" : "routes",
		nat ? "nat show ADDRESS, or nat show limit 0 for all"
		    : "route show PREFIX, or route show limit 0 for all");
}

static const char *flushed_noun(const char *command, bool one)
{
	if (!strcmp(command, "neigh"))
		return one ? "neighbour" : "neighbours";
	if (!strcmp(command, "fdb"))
		return one ? "entry" : "entries";
	if (!strcmp(command, "nat"))
		return one ? "session" : "sessions";
	return one ? "route" : "routes";
}

static void print_change(const char *command, const json_t *rows)
{
	const json_t *row = json_array_get(rows, 0), *flushed = json_object_get(row, "flushed");

	if (flushed)
		printf("%" JSON_INTEGER_FORMAT " %s flushed\n", json_integer_value(flushed),
		       flushed_noun(command, json_integer_value(flushed) == 1));
	if (text_of(row, "summary"))
		printf("%s\n", text_of(row, "summary"));
}

static void print_table(const char *command, const json_t *rows, const struct options *options)
{
	if (!strcmp(command, "port"))
		table_ports(stdout, rows, options->statistics);
	else if (!strcmp(command, "route"))
		table_routes(stdout, rows);
	else if (!strcmp(command, "neigh"))
		table_neighs(stdout, rows);
	else if (!strcmp(command, "fdb"))
		table_fdb(stdout, rows);
	else if (!strcmp(command, "bridge"))
		table_bridges(stdout, rows);
	else if (!strcmp(command, "nat"))
		table_sessions(stdout, rows);
	else if (!strcmp(command, "filter"))
		table_filter(stdout, rows);
	else if (!strcmp(command, "drops"))
		table_drops(stdout, rows);
	else
		table_stats(stdout, rows);
}

static void print_rows(const json_t *request, json_t *rows, const struct options *options)
{
	const char *command = text_of(request, "command"), *verb = text_of(request, "verb");
	const json_t *arguments = json_object_get(request, "arguments");

	if (!strcmp(verb, "show"))
		trim_rows(request, rows);
	if (options->json)
		table_json(stdout, rows);
	else if (!strcmp(verb, "get"))
		table_route_found(stdout, rows);
	else if (!strcmp(command, "set") && !json_object_get(arguments, "value"))
		table_settings(stdout, rows);
	else if (!strcmp(verb, "rules"))
		table_nat_rules(stdout, rows);
	else if (strcmp(verb, "show"))
		print_change(command, rows);
	else
		print_table(command, rows, options);
}

/* -- conversations -- */

/* Opens the connection to the daemon of the namespace asked for; else the exit code, said. */
static int connect_to(struct client *client, const struct options *options)
{
	struct refusal why = {0};
	char path[128];

	if (options->netns && netns_enter(options->netns, &why))
		return print_error(why.status, why.text, NULL);
	if (!server_path(path, sizeof(path)))
		return print_error(
			4, "/proc is not mounted, so this namespace cannot be told from others",
			"mount -t proc proc /proc");
	if (client_open(client, path, options->netns, &why))
		return print_error(why.status, why.text, NULL);
	return 0;
}

static int ask_once(struct client *client, const json_t *request, const struct options *options)
{
	struct refusal why = {0};
	json_t *answer;
	int status;

	client_send(client, request); /* if it failed, the answer says why */
	answer = client_receive(client, -1, &why);
	if (!answer)
		return print_error(why.status, why.text, NULL);
	status = status_of(answer);
	if (status)
		print_refused(answer);
	else
		print_rows(request, json_object_get(answer, "rows"), options);
	json_decref(answer);
	return status;
}

/* Walks are one array as other rows are; events, which never end, an object a line. */
static bool is_watch(const json_t *request)
{
	return !strcmp(text_of(request, "verb"), "watch");
}

static void print_streamed(const json_t *request, const json_t *row, size_t n,
			   const struct options *options)
{
	if (!options->json && is_watch(request)) {
		table_fdb_event(stdout, row);
	} else if (!options->json) {
		table_walk(stdout, row);
	} else if (is_watch(request)) {
		json_dumpf(row, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		table_json_row(stdout, row, n);
	}
}

/* Prints the rows of one answer; n counts those printed. */
static void print_stream(const json_t *request, const json_t *answer, size_t *n,
			 const struct options *options)
{
	const json_t *rows = json_object_get(answer, "rows");

	for (size_t i = 0; i < json_array_size(rows); i++, ++*n)
		print_streamed(request, json_array_get(rows, i), *n, options);
	fflush(stdout);
}

static bool is_stream(const json_t *request)
{
	return !strcmp(text_of(request, "command"), "trace") || is_watch(request);
}

static int stream(struct client *client, const json_t *request, const struct options *options)
{
	int stop_fd = process_interrupts(), status = 0;
	struct refusal why = {0};
	bool more = true, began = false;
	size_t n = 0;

	client_send(client, request);
	while (more && !status && !ferror(stdout)) {
		json_t *answer = client_receive(client, stop_fd, &why);

		if (!answer) {
			if (!process_interrupted(stop_fd))
				status = print_error(why.status, why.text, NULL);
			break;
		}
		status = status_of(answer);
		more = json_is_true(json_object_get(answer, "more"));
		if (status)
			print_refused(answer);
		else if (!began && more)
			fprintf(stderr, "tsuji: %s; interrupt ends it\n",
				is_watch(request) ? "watching" : "tracing");
		began |= !status;
		print_stream(request, answer, &n, options);
		json_decref(answer);
	}
	if (options->json && began && !is_watch(request))
		table_json_end(stdout, n);
	return status;
}

/* -- batches -- */

struct batch {
	const char *command, *verb;
	const struct options *options;
	char *text, *at; /* all of stdin, and how far it is read */
	unsigned line;	 /* of the request last read, from 1 */
	size_t n_failed;
};

static bool is_batch(int argc, char **argv)
{
	static const char *const verbs[] = {"show", "add", "delete", "flush", NULL};
	int verb = argc == 3 && !strcmp(argv[2], "-") ? grammar_match(argv[1], verbs) : -1;

	return (verb == 1 || verb == 2) &&
	       (!strcmp(argv[0], "route") || !strcmp(argv[0], "neigh") || !strcmp(argv[0], "fdb"));
}

static char *read_all(FILE *in)
{
	size_t size = 1 << 16, len = 0;
	char *text = malloc(size);

	while (text) {
		char *grown;

		len += fread(text + len, 1, size - len - 1, in);
		if (len < size - 1)
			break;
		size *= 2;
		grown = size <= BATCH_SIZE_MAX ? realloc(text, size) : NULL;
		if (!grown)
			free(text);
		text = grown;
	}
	if (text)
		text[len] = 0;
	return text;
}

static void batch_complain(struct batch *batch, const char *text, const char *hint)
{
	if (++batch->n_failed > BATCH_COMPLAINTS)
		return;
	fprintf(stderr, "<stdin>:%u: error: %s\n", batch->line, text);
	if (hint && *hint)
		fprintf(stderr, "  hint: %s\n", hint);
}

/* The request of one line; NULL: it is empty or a comment, or the complaint has a status. */
static json_t *batch_line(const struct batch *batch, char *line, struct complaint *complaint)
{
	char *argv[BATCH_WORDS + 1] = {(char *)batch->command, (char *)batch->verb}, *save = NULL;
	int argc = 2;

	line[strcspn(line, "#")] = 0;
	for (char *w = strtok_r(line, " \t\r", &save); w; w = strtok_r(NULL, " \t\r", &save)) {
		if (argc == BATCH_WORDS) {
			complain(complaint, 2, NULL, "too many words");
			return NULL;
		}
		argv[argc++] = w;
	}
	return argc > 2 ? grammar_request(argc, argv, complaint) : NULL;
}

/* The next request; lines that are none are complained about. NULL: the end. */
static json_t *batch_next(struct batch *batch)
{
	while (*batch->at) {
		size_t len = strcspn(batch->at, "\n");
		struct complaint complaint = {0};
		json_t *request = NULL;
		char line[1024];

		batch->line++;
		if (len >= sizeof(line)) {
			complain(&complaint, 2, NULL, "the line is longer than a route can be");
		} else {
			memcpy(line, batch->at, len);
			line[len] = 0;
			request = batch_line(batch, line, &complaint);
		}
		batch->at += len + (batch->at[len] == '\n');
		if (request)
			return request;
		if (complaint.status)
			batch_complain(batch, complaint.text, complaint.hint);
	}
	return NULL;
}

/* Reads every line for its mistakes. The number of requests. */
static size_t batch_check(struct batch *batch)
{
	size_t n = 0;
	json_t *request;

	while ((request = batch_next(batch))) {
		json_decref(request);
		n++;
	}
	batch->at = batch->text;
	batch->line = 0;
	return n;
}

/* Sends up to BATCH_WINDOW requests and reads their answers. 0: none were left; -1: no daemon any
 * more. */
static int batch_window(struct batch *batch, struct client *client, struct refusal *why)
{
	unsigned lines[BATCH_WINDOW], n = 0;
	json_t *request;

	while (n < BATCH_WINDOW && (request = batch_next(batch))) {
		client_send(client, request);
		json_decref(request);
		lines[n++] = batch->line;
	}
	for (unsigned i = 0; i < n; i++) {
		json_t *answer = client_receive(client, -1, why);
		unsigned line = batch->line;

		if (!answer)
			return -1;
		batch->line = lines[i];
		if (status_of(answer))
			batch_complain(batch, text_of(answer, "error"), text_of(answer, "hint"));
		batch->line = line;
		json_decref(answer);
	}
	return n;
}

static int batch_send(struct batch *batch, struct client *client, size_t n)
{
	struct refusal why = {0};
	int sent;

	do
		sent = batch_window(batch, client, &why);
	while (sent > 0);
	if (sent < 0)
		return print_error(why.status, why.text, NULL);
	if (batch->n_failed) {
		fprintf(stderr, "tsuji: %zu of %zu refused\n", batch->n_failed, n);
		return 1;
	}
	if (batch->options->json)
		fputs("[]\n", stdout);
	return 0;
}

static int batch_run(char **argv, const struct options *options)
{
	struct batch batch = {.command = argv[0], .verb = argv[1], .options = options};
	struct client client;
	size_t n;
	int status;

	batch.text = batch.at = read_all(stdin);
	if (!batch.text)
		return print_error(2, "stdin is longer than 256 MiB", "send it in parts");
	n = batch_check(&batch);
	if (batch.n_failed) {
		fprintf(stderr, "tsuji: %zu bad lines; nothing was changed\n", batch.n_failed);
		status = 2;
	} else {
		status = connect_to(&client, options);
		if (!status) {
			status = batch_send(&batch, &client, n);
			client_close(&client);
		}
	}
	free(batch.text);
	return status;
}

/* -- the command -- */

int commands_run(int argc, char **argv, const struct options *options)
{
	struct complaint complaint = {0};
	struct client client;
	json_t *request;
	char hint[640];
	int status;

	if (is_batch(argc, argv))
		return batch_run(argv, options);
	request = grammar_request(argc, argv, &complaint);
	if (!request) {
		snprintf(hint, sizeof(hint), "%s%ssee: tsuji help %s", complaint.hint,
			 *complaint.hint ? "; " : "", argv[0]);
		return print_error(complaint.status, complaint.text, hint);
	}
	status = connect_to(&client, options);
	if (!status) {
		status = is_stream(request) ? stream(&client, request, options)
					    : ask_once(&client, request, options);
		client_close(&client);
	}
	json_decref(request);
	return status;
}
