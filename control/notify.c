/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * notify - the service manager's datagram. Three states are all we have to say, which is
 * why this is a socket and not libsystemd. A manager that does not listen never stops us.
 */
#include "notify.h"
#include "../dataplane/base.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int notify_text(enum notify_state state, char *text, size_t size)
{
	struct timespec now;
	switch (state) {
	case NOTIFY_READY:
		return snprintf(text, size, "READY=1");
	case NOTIFY_RELOADING:
		clock_gettime(CLOCK_MONOTONIC, &now);
		return snprintf(text, size, "RELOADING=1\nMONOTONIC_USEC=%llu",
				(unsigned long long)now.tv_sec * 1000000 + now.tv_nsec / NS_PER_US);
	case NOTIFY_STOPPING:
		return snprintf(text, size, "STOPPING=1");
	}
	return 0;
}

int notify_open(void)
{
	const char *name = getenv("NOTIFY_SOCKET");
	return name && *name ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
}

int notify_send(int fd, enum notify_state state)
{
	const char *name = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	char text[80];
	if (fd < 0 || !name || !*name)
		return 0;
	size_t name_len = strlen(name);
	if ((name[0] != '/' && name[0] != '@') || name_len >= sizeof(to.sun_path))
		return -EINVAL;
	memcpy(to.sun_path, name, name_len);
	if (name[0] == '@')
		to.sun_path[0] =
			0; /* an abstract name starts with a zero byte, and has no end mark */
	socklen_t to_len = offsetof(struct sockaddr_un, sun_path) + name_len;
	int len = notify_text(state, text, sizeof(text));
	ssize_t sent =
		sendto(fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&to, to_len);
	return sent < 0 ? -errno : 0;
}
