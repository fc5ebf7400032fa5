/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * server_socket.c - the control socket's file: where it is, whose, and whether it is alive.
 *
 * A daemon that was killed leaves its file behind, and the inode of a namespace that is
 * gone may be given to a new one; so a file alone says nothing, and connecting to it tells.
 * The directory is locked from that look to listen(): of two daemons that start at once,
 * the second finds the first one's socket alive instead of removing it.
 */
#include "server_socket.h"

#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

char *server_path(char *buf, size_t size)
{
	ino_t inode = netns_inode();
	int len = snprintf(buf, size, "/run/tsuji/%llu.sock", (unsigned long long)inode);

	return inode && len > 0 && (size_t)len < size ? buf : NULL;
}

bool server_answers(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool answers = false;

	if (fd >= 0 && strlen(path) < sizeof(address.sun_path)) {
		strcpy(address.sun_path, path);
		/* EAGAIN: alive, and so busy that its backlog is full */
		answers = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ||
			  errno == EAGAIN;
	}
	if (fd >= 0)
		close(fd);
	return answers;
}

static int fail(const char *path, int error, struct refusal *why)
{
	bool machine = error == EACCES || error == EPERM || error == EROFS;

	return refusal_set(why, machine ? REFUSED_MACHINE : REFUSED_FAILED,
			   "control socket: %s: %s%s", path, strerror(error),
			   error == EACCES ? "; run tsuji as root" : "");
}

/* The directory of path, made if missing and closed to others: a descriptor that holds its lock. */
static int lock_directory(const char *path, struct refusal *why)
{
	char directory[SERVER_PATH_SIZE];
	char *slash;
	struct stat st;
	int fd;

	strcpy(directory, path);
	slash = strrchr(directory, '/');
	if (!slash || slash == directory)
		return refusal_set(why, REFUSED_FAILED,
				   "control socket: %s is not in a directory of its own", path);
	*slash = 0;
	if (mkdir(directory, 0700) && errno != EEXIST)
		return fail(directory, errno, why);
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return fail(directory, errno, why);
	if (fstat(fd, &st) == 0 && st.st_uid != geteuid())
		refusal_set(why, REFUSED_MACHINE,
			    "control socket: %s belongs to user %u, not to us; remove it",
			    directory, st.st_uid);
	else if (((st.st_mode & 077) && fchmod(fd, 0700)) || flock(fd, LOCK_EX))
		fail(directory, errno, why);
	else
		return fd;
	close(fd);
	return -1;
}

/* Makes way for bind(): removes a socket that nobody listens on, and nothing else. */
static int remove_stale(const char *path, struct refusal *why)
{
	struct stat st;

	if (server_answers(path))
		return refusal_set(why, REFUSED_FAILED,
				   "another tsuji runs in this namespace and answers on %s", path);
	if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return refusal_set(why, REFUSED_FAILED,
				   "control socket: %s is not a socket; remove it", path);
	return unlink(path) && errno != ENOENT ? fail(path, errno, why) : 0;
}

static int bind_and_listen(struct server_socket *sock, int backlog, struct refusal *why)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct sockaddr *where = (struct sockaddr *)&address;
	struct stat st;

	strcpy(address.sun_path, sock->path);
	if (bind(sock->fd, where, sizeof(address))) {
		if (errno != EADDRINUSE)
			return fail(sock->path, errno, why);
		if (remove_stale(sock->path, why))
			return -1;
		if (bind(sock->fd, where, sizeof(address)))
			return fail(sock->path, errno, why);
	}
	if (lstat(sock->path, &st))
		return fail(sock->path, errno, why);
	sock->dev = st.st_dev;
	sock->ino = st.st_ino;
	if (chmod(sock->path, 0600) || listen(sock->fd, backlog))
		return fail(sock->path, errno, why);
	return 0;
}

int server_socket_open(struct server_socket *sock, const char *path, int backlog,
		       struct refusal *why)
{
	int lock, result = -1;

	*sock = (struct server_socket){.fd = -1};
	if (strlen(path) >= sizeof(sock->path))
		return refusal_set(why, REFUSED_FAILED, "control socket: the path %s is too long",
				   path);
	strcpy(sock->path, path);
	lock = lock_directory(path, why);
	if (lock < 0)
		return -1;
	sock->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (sock->fd < 0)
		fail(path, errno, why);
	else
		result = bind_and_listen(sock, backlog, why);
	if (result)
		server_socket_close(sock);
	close(lock);
	return result;
}

void server_socket_close(struct server_socket *sock)
{
	struct stat st;

	if (sock->ino && lstat(sock->path, &st) == 0 && st.st_dev == sock->dev &&
	    st.st_ino == sock->ino)
		unlink(sock->path);
	if (sock->fd >= 0)
		close(sock->fd);
	*sock = (struct server_socket){.fd = -1};
}
