/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * process - starting programs, waiting for them, and looking them up in /proc.
 *
 * A child reports why it could not become the program over a pipe that exec closes, so a
 * missing program or namespace is an errno at the caller and not a mysterious status.
 *
 * A program that ended stays a zombie until its process group has been killed: as long as
 * the zombie holds the number, no stranger's group can have it.
 *
 * Interrupts are a signalfd and never a handler: there is no flag to keep, and a wait is
 * one poll().
 */
#include "process.h"
#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

uint64_t process_now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void process_sleep_ms(unsigned ms)
{
	struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
	nanosleep(&t, NULL);
}

static int enter_netns(const char *name)
{
	char path[PATH_MAX];
	int fd = netns_path(name, path, sizeof(path)) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0)
		return -ENOENT;
	int error = setns(fd, CLONE_NEWNET) ? -errno : 0;
	close(fd);
	return error;
}

ino_t process_named_netns(const char *name)
{
	char path[PATH_MAX];
	struct stat st;
	return netns_path(name, path, sizeof(path)) && !stat(path, &st) ? st.st_ino : 0;
}

/* A file descriptor that reads text from its start; /dev/null for NULL. */
static int input_fd(const char *text)
{
	if (!text)
		return open("/dev/null", O_RDONLY | O_CLOEXEC);
	int fd = memfd_create("input", MFD_CLOEXEC);
	size_t len = strlen(text);
	if (fd < 0)
		return -1;
	if (write(fd, text, len) == (ssize_t)len && lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	close(fd);
	return -1;
}

/* In the child: becomes argv, or returns the errno. */
static int child_become(char *const argv[], const struct process_options *options,
			const int stdio[3])
{
	sigset_t none;
	sigemptyset(&none);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	for (int i = 0; i < 3; i++)
		if (dup2(stdio[i], i) < 0)
			return errno;
	if (options->mark && putenv((char *)options->mark))
		return errno;
	int error = options->netns ? enter_netns(options->netns) : 0;
	if (error)
		return -error;
	execvp(argv[0], argv);
	return errno;
}

/* Forks and waits for the exec. The pid, or -errno. */
static pid_t start(char *const argv[], const struct process_options *options, const int stdio[3])
{
	int report[2], error = 0;
	if (pipe2(report, O_CLOEXEC))
		return -errno;
	fflush(NULL); /* or the child would print what we have buffered once more */
	pid_t pid = fork();
	if (pid == 0) {
		error = child_become(argv, options, stdio);
		if (write(report[1], &error, sizeof(error)) < 0)
			_exit(126);
		_exit(127);
	}
	if (pid < 0)
		error = errno;
	close(report[1]);
	if (pid > 0 && read(report[0], &error, sizeof(error)) > 0)
		waitpid(pid, NULL, 0);
	close(report[0]);
	return error ? -error : pid;
}

pid_t process_start(char *const argv[], const struct process_options *options)
{
	int in = input_fd(options->input);
	int out = open(options->log ? options->log : "/dev/null",
		       O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	pid_t pid = in < 0 || out < 0 ? -errno : start(argv, options, (int[]){in, out, out});
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return pid;
}

static void close_pair(int pair[2])
{
	for (int i = 0; i < 2; i++)
		if (pair[i] >= 0)
			close(pair[i]);
}

int process_open(struct process *process, char *const argv[], const struct process_options *options)
{
	int out[2] = {-1, -1}, err[2] = {-1, -1}, error = 0;
	int in = input_fd(options->input);
	if (in < 0)
		return -errno;
	if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC)) {
		error = -errno;
		goto out;
	}
	process->began_ms = process_now_ms();
	process->pid = start(argv, options, (int[]){in, out[1], err[1]});
	if (process->pid < 0) {
		error = process->pid;
		goto out;
	}
	process->fd[0] = pidfd_open(process->pid, 0);
	process->fd[1] = out[0];
	process->fd[2] = err[0];
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	fcntl(err[0], F_SETFL, O_NONBLOCK);
	out[0] = err[0] = -1;
out:
	close_pair(out);
	close_pair(err);
	close(in);
	return error;
}

/* Reads what is there now. False: no more will come. */
static bool output_read(struct process_output *output, int fd)
{
	char buf[16384];
	ssize_t n;
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		size_t room = PROCESS_OUTPUT_MAX - output->len;
		size_t take = (size_t)n < room ? (size_t)n : room;
		char *text = realloc(output->text, output->len + take + 1);
		if (!text)
			return false;
		memcpy(text + output->len, buf, take);
		output->text = text;
		output->len += take;
		text[output->len] = '\0';
	}
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/* Reads output until the program ends; gives up for the reasons of process_finish(). */
static void follow(struct process *process, unsigned timeout_ms, int stop_fd,
		   struct process_result *result)
{
	struct pollfd polls[4] = {{process->fd[0], POLLIN, 0},
				  {process->fd[1], POLLIN, 0},
				  {process->fd[2], POLLIN, 0},
				  {stop_fd, POLLIN, 0}};
	for (;;) {
		uint64_t took = process_now_ms() - process->began_ms;
		result->timed_out = took >= timeout_ms;
		if (result->timed_out)
			return;
		if (poll(polls, 4, (int)(timeout_ms - took)) < 0 && errno != EINTR)
			return;
		if (polls[1].revents && !output_read(&result->out, process->fd[1]))
			polls[1].fd = -1;
		if (polls[2].revents && !output_read(&result->err, process->fd[2]))
			polls[2].fd = -1;
		if (polls[0].revents)
			return;
		result->interrupted = polls[3].revents;
		if (result->interrupted)
			return;
	}
}

void process_finish(struct process *process, unsigned timeout_ms, int stop_fd,
		    struct process_result *result)
{
	int status = 0;
	memset(result, 0, sizeof(*result));
	follow(process, timeout_ms, stop_fd, result);
	kill(-process->pid, SIGKILL);
	waitpid(process->pid, &status, 0);
	output_read(&result->out, process->fd[1]);
	output_read(&result->err, process->fd[2]);
	for (int i = 0; i < 3; i++)
		if (process->fd[i] >= 0)
			close(process->fd[i]);
	result->took_ms = process_now_ms() - process->began_ms;
	result->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int process_run(char *const argv[], const struct process_options *options, unsigned timeout_ms,
		int stop_fd, struct process_result *result)
{
	struct process process;
	memset(result, 0, sizeof(*result));
	int error = process_open(&process, argv, options);
	if (!error)
		process_finish(&process, timeout_ms, stop_fd, result);
	return error;
}

void process_result_fini(struct process_result *result)
{
	free(result->out.text);
	free(result->err.text);
	memset(result, 0, sizeof(*result));
}

int process_interrupts(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -1;
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

bool process_interrupted(int stop_fd)
{
	struct pollfd poll_fd = {stop_fd, POLLIN, 0};
	return stop_fd >= 0 && poll(&poll_fd, 1, 0) > 0;
}

void process_extend_path(void)
{
	char directory[PATH_MAX], path[2 * PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", directory, sizeof(directory) - 1);
	if (n <= 0)
		return;
	directory[n] = '\0';
	*strrchr(directory, '/') = '\0';
	const char *old = getenv("PATH");
	if (!old)
		old = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	if (snprintf(path, sizeof(path), "%s:%s", directory, old) < (int)sizeof(path))
		setenv("PATH", path, 1);
}

/* /proc/PID/WHAT into buf, zero-terminated; its length, or -1. */
static ssize_t read_proc(pid_t pid, const char *what, char *buf, size_t size)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, what);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t n, len = 0;
	while ((size_t)len < size - 1 && (n = read(fd, buf + len, size - 1 - (size_t)len)) > 0)
		len += n;
	close(fd);
	buf[len] = '\0';
	return len;
}

uint64_t process_started(pid_t pid)
{
	char buf[1024], state;
	unsigned long long started;
	const char *rest;
	/* The name, in parentheses, may hold anything, parentheses too; proc(5), fields 3 and 22.
	 */
	if (read_proc(pid, "stat", buf, sizeof(buf)) <= 0 || !(rest = strrchr(buf, ')')))
		return 0;
	int n = sscanf(rest + 1,
		       " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s"
		       " %*s %*s %llu",
		       &state, &started);
	return n == 2 && state != 'Z' && state != 'X' ? started : 0;
}

ino_t process_netns(pid_t pid)
{
	char path[64];
	struct stat st;
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	return stat(path, &st) ? 0 : st.st_ino;
}

bool process_marked(pid_t pid, const char *mark)
{
	/*
	 * Room for all of it: an environment is at most a quarter of the 8 MiB stack, mostly a
	 * page.
	 */
	size_t size = 2 << 20;
	char *buf = malloc(size);
	ssize_t len = buf ? read_proc(pid, "environ", buf, size) : -1;
	bool found = false;
	for (ssize_t i = 0; i < len && !found; i += (ssize_t)strlen(buf + i) + 1)
		found = !strcmp(buf + i, mark);
	free(buf);
	return found;
}

char *process_name(pid_t pid, char *buf, size_t size)
{
	ssize_t len = read_proc(pid, "comm", buf, size);
	if (len <= 0)
		snprintf(buf, size, "?");
	buf[strcspn(buf, "\n")] = '\0';
	return buf;
}
