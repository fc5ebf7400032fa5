/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * netns - entering a network namespace. Only the network changes: files, processes and
 * mounts stay the caller's, unlike with `ip netns exec`, which also hides /sys. A daemon
 * calls this before it starts threads, since the kernel moves one thread only.
 */
#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool netns_path(const char *name, char *path, size_t size)
{
	int len;
	if (strncmp(name, "pid:", 4) == 0) {
		const char *digits = name + 4;
		if (!*digits || strspn(digits, "0123456789") != strlen(digits))
			return false;
		len = snprintf(path, size, "/proc/%s/ns/net", digits);
	} else if (strchr(name, '/')) {
		len = snprintf(path, size, "%s", name);
	} else {
		if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			return false;
		len = snprintf(path, size, "/run/netns/%s", name);
	}
	return len > 0 && (size_t)len < size;
}

int netns_enter(const char *name, struct refusal *why)
{
	char path[512];
	if (!netns_path(name, path, sizeof(path)))
		return refusal_set(why, REFUSED_CONFIG,
				   "\"%s\" names no namespace: give a name, a path or pid:NUMBER",
				   name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return refusal_set(
			why, errno == EACCES || errno == EPERM ? REFUSED_MACHINE : REFUSED_CONFIG,
			"namespace %s: %s: %s%s", name, path, strerror(errno),
			errno == ENOENT ? "; `ip netns` lists those with a name" : "");
	int error = setns(fd, CLONE_NEWNET) < 0 ? errno : 0;
	close(fd);
	if (error == EPERM)
		return refusal_set(
			why, REFUSED_MACHINE,
			"namespace %s: entering it takes CAP_SYS_ADMIN; run tsuji as root", name);
	if (error)
		return refusal_set(why, REFUSED_CONFIG,
				   "namespace %s: %s is no network namespace: %s", name, path,
				   strerror(error));
	return 0;
}

int netns_visit(const char *name, struct refusal *why)
{
	int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (home < 0)
		return refusal_set(why, REFUSED_MACHINE, "/proc/thread-self/ns/net: %s",
				   strerror(errno));
	if (netns_enter(name, why) == 0)
		return home;
	close(home);
	return -1;
}

void netns_return(int home)
{
	/* What is done in the wrong namespace harms others: rather nothing is done any more. */
	if (setns(home, CLONE_NEWNET) < 0)
		abort();
	close(home);
}

ino_t netns_inode(void)
{
	struct stat st;
	return stat("/proc/thread-self/ns/net", &st) < 0 ? 0 : st.st_ino;
}
