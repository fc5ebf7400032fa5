/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client.c - connecting, and telling apart the ways in which nobody answers: no daemon in
 * this namespace, one that may not be asked, one that died or hangs. The daemon runs as
 * root or as ourselves (the socket's directory sees to that), so its answers are trusted
 * to end, and an answer may be as large as its table.
 */
#include "client.h"

#include "netns.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE_S 30
#define IN_STEP	   (64 * 1024)

/* Why connect() failed, with what to do. */
static int no_connection(int error, const char *path, const char *namespace, struct refusal *why)
{
	char named[128] = "this namespace";

	if (namespace)
		snprintf(named, sizeof(named), "namespace %s", namespace);
	if (error == EACCES || error == EPERM)
		return refusal_set(why, REFUSED_MACHINE,
				   "permission denied on %s\nhint: the control socket is root's; "
				   "run tsuji as root",
				   path);
	if (error == ENOENT || error == ECONNREFUSED)
		return refusal_set(why, CLIENT_NO_DAEMON,
				   "no tsuji runs in %s (net:[%llu])\nhint: start one with: tsuji "
				   "run -c FILE%s%s",
				   named, (unsigned long long)netns_inode(),
				   namespace ? " -n " : "", namespace ? namespace : "");
	if (error == EAGAIN)
		return refusal_set(why, CLIENT_NO_DAEMON, "the tsuji in %s does not answer", named);
	return refusal_set(why, REFUSED_FAILED, "%s: %s", path, strerror(error));
}

int client_open(struct client *client, const char *path, const char *namespace, struct refusal *why)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval patience = {.tv_sec = PATIENCE_S};
	int error;

	*client = (struct client){.fd = -1};
	if (strlen(path) >= sizeof(address.sun_path))
		return refusal_set(why, REFUSED_FAILED, "%s: the path is too long", path);
	strcpy(address.sun_path, path);
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client->fd < 0)
		return refusal_set(why, REFUSED_FAILED, "making a socket: %s", strerror(errno));
	setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(client->fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return 0;
	error = errno;
	client_close(client);
	return no_connection(error, path, namespace, why);
}

void client_close(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	free(client->in);
	*client = (struct client){.fd = -1};
}

bool client_send(struct client *client, const json_t *request)
{
	char *text = json_dumps(request, JSON_COMPACT);
	size_t len = text ? strlen(text) : 0, sent = 0;

	if (!text)
		return false;
	text[len++] = '\n'; /* in place of the terminating zero */
	while (sent < len) {
		ssize_t n = send(client->fd, text + sent, len - sent, MSG_NOSIGNAL);
		if (n < 0 && errno != EINTR)
			break;
		sent += n > 0 ? n : 0;
	}
	free(text);
	return sent == len;
}

/* Waits for something to read. */
static int wait_readable(const struct client *client, int stop_fd, struct refusal *why)
{
	struct pollfd fds[] = {{.fd = client->fd, .events = POLLIN},
			       {.fd = stop_fd, .events = POLLIN}};
	int n;

	do
		n = poll(fds, 2, stop_fd < 0 ? PATIENCE_S * 1000 : -1);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return refusal_set(why, REFUSED_FAILED, "waiting for the answer: %s",
				   strerror(errno));
	if (n == 0)
		return refusal_set(why, CLIENT_NO_DAEMON, "tsuji has not answered for %d s",
				   PATIENCE_S);
	if (fds[1].revents)
		return refusal_set(why, REFUSED_FAILED, "interrupted");
	return 0;
}

/* Reads more into the buffer; the part handed out makes place. */
static int read_more(struct client *client, int stop_fd, struct refusal *why)
{
	ssize_t n;

	if (wait_readable(client, stop_fd, why))
		return -1;
	if (client->at)
		memmove(client->in, client->in + client->at, client->len - client->at);
	client->len -= client->at;
	client->at = 0;
	if (client->size - client->len < IN_STEP) {
		size_t size = 2 * client->size + IN_STEP;
		char *in = realloc(client->in, size);

		if (!in)
			return refusal_set(why, REFUSED_FAILED, "no memory for the answer");
		client->in = in;
		client->size = size;
	}
	n = recv(client->fd, client->in + client->len, client->size - client->len, 0);
	if (n < 0 && errno == EINTR)
		return 0;
	if (n <= 0)
		return refusal_set(why, REFUSED_FAILED, "tsuji ended the connection");
	client->len += n;
	return 0;
}

json_t *client_receive(struct client *client, int stop_fd, struct refusal *why)
{
	char *end = NULL;
	size_t seen = 0; /* looked through, from at on */
	json_t *answer;
	json_error_t error;

	for (;;) {
		size_t here = client->len - client->at;

		if (here > seen)
			end = memchr(client->in + client->at + seen, '\n', here - seen);
		if (end)
			break;
		seen = here;
		if (read_more(client, stop_fd, why))
			return NULL;
	}
	answer = json_loadb(client->in + client->at, end - client->in - client->at, 0, &error);
	client->at = end + 1 - client->in;
	if (answer && json_is_integer(json_object_get(answer, "status")))
		return answer;
	json_decref(answer);
	refusal_set(why, REFUSED_FAILED,
		    "the answer makes no sense; is the daemon another version?");
	return NULL;
}
