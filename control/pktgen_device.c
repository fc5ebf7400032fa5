/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pktgen_device - the files of pktgen. Each network namespace has its own, found by way of
 * /proc/thread-self, since /proc/net shows what the first thread of a process sees.
 *
 * What is wrong with a command is told twice: by write(), and by a line of the file, which is
 * the only sign of a flag that a kernel does not know.
 */
#include "pktgen.h"
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DIRECTORY "/proc/thread-self/net/pktgen"
#define SAID_MAX  8192 /* bytes of a file: flags and the last result */

#define RELEASE_MS	2000
#define RELEASE_POLL_MS 20

static int open_file(const char *name, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), DIRECTORY "/%s", name);
	return open(path, flags | O_CLOEXEC);
}

/* 0 or -errno. Whole lines: pgctrl takes the last byte for the end of one, whatever it is. */
static int write_file(const char *name, const char *text)
{
	char line[80];
	int len = snprintf(line, sizeof(line), "%s\n", text);
	int fd = open_file(name, O_WRONLY);
	int error = fd < 0 || write(fd, line, (size_t)len) < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return error;
}

/* False: there is no such file. */
static bool read_file(const char *name, char said[SAID_MAX])
{
	int fd = open_file(name, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, said, SAID_MAX - 1);

	if (fd >= 0)
		close(fd);
	said[n > 0 ? n : 0] = '\0';
	return n >= 0;
}

/* A device that its thread was told to let go is busy until the thread has heard of it. */
static int write_patiently(const struct pktgen_command *command)
{
	uint64_t deadline_ms = process_now_ms() + RELEASE_MS;
	int error;

	while ((error = write_file(command->file, command->text)) == -EBUSY &&
	       process_now_ms() < deadline_ms)
		process_sleep_ms(RELEASE_POLL_MS);
	return error;
}

bool pktgen_exists(void)
{
	return access(DIRECTORY "/pgctrl", F_OK) == 0;
}

int pktgen_apply(const struct pktgen_command *commands, unsigned n, struct refusal *why)
{
	char said[SAID_MAX], words[128];

	for (unsigned i = 0; i < n; i++) {
		const struct pktgen_command *c = &commands[i];
		int error = write_patiently(c);
		bool ok = !error && read_file(c->file, said) &&
			  pktgen_result(said, words, sizeof(words));

		if (ok || c->optional)
			continue;
		return refusal_set(why, REFUSED_FAILED, "pktgen: \"%s\" to %s: %s", c->text,
				   c->file, error ? strerror(-error) : words);
	}
	return 0;
}

int pktgen_run(struct refusal *why)
{
	int error = write_file("pgctrl", "start");

	/* A signal ends the waiting, not the sending. */
	return !error || error == -EINTR
		       ? 0
		       : refusal_set(why, REFUSED_FAILED, "pktgen: start: %s", strerror(-error));
}

void pktgen_stop(void)
{
	write_file("pgctrl", "stop");
}

void pktgen_release(int cpu)
{
	char name[24];

	snprintf(name, sizeof(name), "kpktgend_%d", cpu);
	write_file(name, "rem_device_all");
}

bool pktgen_count(const char *interface, struct pktgen_count *count)
{
	char said[SAID_MAX];

	return read_file(interface, said) && pktgen_read_count(said, count);
}
