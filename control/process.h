/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * process.h - other programs: started in a network namespace, waited for with a time
 * limit, their output kept; and what /proc tells about a process.
 *
 * Every program started here gets a session of its own, so that a Ctrl-C at our terminal
 * reaches us only and we decide what it means for them; its signal mask is empty.
 * Single-threaded callers only: programs are started by fork().
 */
#ifndef TSUJI_PROCESS_H
#define TSUJI_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCESS_OUTPUT_MAX (1 << 20) /* bytes kept of each stream; the rest is read and let go */

struct process_options {
	const char *netns; /* a name below /run/netns; NULL: ours */
	const char *input; /* what it reads on stdin; NULL: nothing */
	const char *mark;  /* "NAME=value" for its environment; NULL: none */
	const char *log;   /* process_start(): file that its output is appended to; NULL: nowhere */
};

/*
 * Starts argv (looked up in PATH) and leaves it running. Its pid, or -errno when the
 * namespace, the log or the program cannot be had.
 */
pid_t process_start(char *const argv[], const struct process_options *options);

struct process_output {
	char *text; /* zero-terminated; NULL when nothing came */
	size_t len;
};

struct process_result {
	int status; /* exit status; 128 + the signal that ended it; 128 + SIGKILL when we did */
	bool timed_out; /* the limit passed, and it was killed */
	bool interrupted; /* the stop descriptor became readable, and it was killed */
	uint64_t took_ms;
	struct process_output out, err;
};

/* A program whose output is read through pipes. */
struct process {
	pid_t pid;
	int fd[3]; /* pidfd, stdout, stderr */
	uint64_t began_ms;
};

/* 0 or -errno. options.log is not used. */
int process_open(struct process *process, char *const argv[],
		 const struct process_options *options);
/*
 * Waits until it ends, timeout_ms have passed since process_open(), or stop_fd is readable
 * (-1: never). What it left in its process group is killed with it. result is then freed
 * by process_result_fini().
 */
void process_finish(struct process *process, unsigned timeout_ms, int stop_fd,
		    struct process_result *result);
/* Both in one. 0 or -errno; on error result is zero. */
int process_run(char *const argv[], const struct process_options *options, unsigned timeout_ms,
		int stop_fd, struct process_result *result);
void process_result_fini(struct process_result *result);

/*
 * Blocks SIGINT, SIGTERM and SIGHUP and gives a descriptor that is readable once one came; -1 with
 * errno.
 */
int process_interrupts(void);
/* True if it is readable now; stays true. stop_fd -1: false. */
bool process_interrupted(int stop_fd);

/* Puts the directory of this program first in PATH, so that scripts find this tsuji. */
void process_extend_path(void);
/* The inode of /run/netns/NAME, or 0 if there is none. */
ino_t process_named_netns(const char *name);

/*
 * When it started, in clock ticks since boot, so that a reused pid is told apart; 0: gone or a
 * zombie.
 */
uint64_t process_started(pid_t pid);
/* The inode of its network namespace, or 0. */
ino_t process_netns(pid_t pid);
/* Whether its environment holds mark ("NAME=value"). */
bool process_marked(pid_t pid, const char *mark);
/* The name of its program into buf, which is returned; "?" if gone. */
char *process_name(pid_t pid, char *buf, size_t size);

/* CLOCK_MONOTONIC. */
uint64_t process_now_ms(void);
void process_sleep_ms(unsigned ms);

#endif
