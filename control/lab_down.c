/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lab_down - takes a lab down by its record, and nothing that is not in it.
 *
 * To be ended are the recorded processes, recognised by pid and start time, and everything
 * in the lab's namespaces that carries its mark: daemons that left their parent, children
 * of children. What else lives there (a tcpdump in another terminal) is a user's own: it
 * is named and left alone, and its namespace, without a name then, lives on until it ends.
 */
#include "lab.h"
#include "lab_state.h"
#include "process.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define TERM_WAIT_MS 2000 /* between SIGTERM and SIGKILL */
#define KILL_WAIT_MS 2000 /* after SIGKILL, for one that the kernel holds */
#define IP_TIMEOUT_MS 30000 /* one ip command: it waits for the RTNL lock at most */
#define POLL_MS 10

static bool is_recorded(const struct lab_state *state, pid_t pid)
{
	size_t i;
	json_t *process;
	json_array_foreach(
		json_object_get(state->root, "processes"), i,
		process) if (json_integer_value(json_object_get(process, "pid")) == pid &&
			     (uint64_t)json_integer_value(json_object_get(process, "started")) ==
				     process_started(pid)) return true;
	return false;
}

static bool is_namespace(const struct lab_state *state, ino_t inode)
{
	size_t i;
	json_t *namespace;
	json_array_foreach(json_object_get(state->root, "namespaces"), i,
			   namespace) if (inode &&
					  (ino_t)json_integer_value(json_object_get(
						  namespace, "inode")) == inode) return true;
	return false;
}

/*
 * Sends the signal to each process of the lab (0: to none), held by a pidfd while it is looked at.
 * How many there are.
 */
static unsigned signal_all(const struct lab_state *state, int signal)
{
	char *mark = lab_state_mark(state);
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	unsigned n = 0;
	while (proc && (entry = readdir(proc))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		int fd = pid > 0 && pid != getpid() ? pidfd_open(pid, 0) : -1;
		if (fd < 0)
			continue;
		if (process_started(pid) &&
		    (is_recorded(state, pid) ||
		     (is_namespace(state, process_netns(pid)) && process_marked(pid, mark)))) {
			n++;
			if (signal)
				pidfd_send_signal(fd, signal, NULL, 0);
		}
		close(fd);
	}
	if (proc)
		closedir(proc);
	free(mark);
	return n;
}

/* True once none is left; our own children among them are reaped. */
static bool await_none(const struct lab_state *state, unsigned limit_ms)
{
	uint64_t deadline_ms = process_now_ms() + limit_ms;
	while (signal_all(state, 0)) {
		if (process_now_ms() > deadline_ms)
			return false;
		process_sleep_ms(POLL_MS);
	}
	return true;
}

static void reap(const struct lab_state *state)
{
	size_t i;
	json_t *process;
	json_array_foreach(json_object_get(state->root, "processes"), i, process)
		waitpid((pid_t)json_integer_value(json_object_get(process, "pid")), NULL, WNOHANG);
}

static void end_processes(const struct lab_state *state)
{
	signal_all(state, SIGTERM);
	if (!await_none(state, TERM_WAIT_MS)) {
		signal_all(state, SIGKILL);
		if (!await_none(state, KILL_WAIT_MS))
			fprintf(stderr, "tsuji: warning: processes of the lab did not end even by "
					"SIGKILL\n");
	}
	reap(state);
}

/* Who still lives in the namespace, in one line on stderr. */
static bool report_users(const char *name, ino_t inode)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	char program[32];
	bool any = false;
	while (proc && (entry = readdir(proc))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		if (pid <= 0 || process_netns(pid) != inode)
			continue;
		fprintf(stderr, "%s%d (%s)", any ? ", " : "", (int)pid,
			process_name(pid, program, sizeof(program)));
		any = true;
	}
	if (any)
		fprintf(stderr, " still in %s, which loses its name and links and ends with them\n",
			name);
	if (proc)
		closedir(proc);
	return any;
}

/*
 * Removes the lab's links from a namespace that its users keep alive. Of each only one end
 * is still there to be removed, and a user may have done it already: failures are expected.
 */
static void remove_links(const char *name, const json_t *interfaces)
{
	char *lines = NULL;
	size_t size = 0, i;
	json_t *interface;
	FILE *file = open_memstream(&lines, &size);
	if (!file)
		return;
	json_array_foreach(interfaces, i, interface)
		fprintf(file, "link delete %s\n", json_string_value(interface));
	fclose(file);
	char *argv[] = {"ip", "-n", (char *)name, "-force", "-batch", "-", NULL};
	struct process_options options = {.input = lines};
	struct process_result result;
	process_run(argv, &options, IP_TIMEOUT_MS, -1, &result);
	process_result_fini(&result);
	free(lines);
}

/* False: it is still there, and said so. */
static bool delete_namespace(const char *name)
{
	char *argv[] = {"ip", "netns", "delete", (char *)name, NULL};
	struct process_options options = {0};
	struct process_result result;
	int error = process_run(argv, &options, IP_TIMEOUT_MS, -1, &result);
	bool failed = error || result.status;
	const char *why = error ? strerror(-error) : result.err.text ? result.err.text : "failed";
	if (failed)
		fprintf(stderr, "tsuji: ip netns delete %s: %.*s\n", name, (int)strcspn(why, "\n"),
			why);
	process_result_fini(&result);
	return !failed;
}

static bool remove_namespace(const char *name, ino_t inode, const json_t *interfaces)
{
	ino_t now = process_named_netns(name);
	char path[64];
	if (!now)
		return true;
	if (inode && now != inode) {
		fprintf(stderr,
			"tsuji: namespace %s was made anew since by somebody else; left alone\n",
			name);
		return true;
	}
	if (report_users(name, now))
		remove_links(name, interfaces);
	/* The socket that a router leaves behind when it has to be killed. */
	snprintf(path, sizeof(path), "/run/tsuji/%lu.sock", (unsigned long)now);
	unlink(path);
	return delete_namespace(name);
}

static bool remove_namespaces(const struct lab_state *state)
{
	bool all = true;
	size_t i;
	json_t *namespace;
	json_array_foreach(json_object_get(state->root, "namespaces"), i, namespace) {
		const char *name = json_string_value(json_object_get(namespace, "name"));
		json_int_t inode = json_integer_value(json_object_get(namespace, "inode"));
		if (name && !remove_namespace(name, (ino_t)inode,
					      json_object_get(namespace, "interfaces")))
			all = false;
	}
	return all;
}

/* Keeps the record of a lab that could not be removed, so that `down` can be tried again. */
static int take_down(struct lab_state *state, const char *name, bool quiet)
{
	end_processes(state);
	if (!remove_namespaces(state))
		return 1;
	lab_state_remove(state);
	if (!quiet)
		printf("%s is down\n", name);
	return 0;
}

/* No record at all is what an `up` leaves that died before it had made anything. */
static int without_record(struct lab_state *state, const char *name)
{
	char *path = lab_state_path(state, "state", ".json");
	bool damaged = !access(path, F_OK);
	if (damaged)
		fprintf(stderr,
			"tsuji: %s cannot be understood; remove the namespaces %s-* by hand, "
			"then %s\n",
			path, name, state->directory);
	else
		lab_state_remove(state);
	free(path);
	return damaged;
}

int lab_down(const char *name, bool quiet)
{
	struct lab_state state;
	int code = lab_need_privilege("lab down");
	if (code)
		return code;
	switch (lab_state_open(&state, name)) {
	case 0:
		code = take_down(&state, name, quiet);
		break;
	case LAB_STATE_NONE:
		if (!quiet)
			printf("%s is not up: nothing to do\n", name);
		break;
	case LAB_STATE_BUSY:
		fprintf(stderr, "tsuji: another tsuji is at work on lab %s\n", name);
		code = 1;
		break;
	default:
		code = without_record(&state, name);
	}
	lab_state_close(&state);
	return code;
}
