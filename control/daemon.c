/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * daemon - one process, one router, one loop.
 *
 * The order of the start is the order in which mistakes can be told cheaply: the file is
 * read before any privilege is needed, the machine is probed before the interfaces are
 * touched, and whoever else serves this namespace is noticed before that. `ready` comes
 * last, when packets flow and the control socket answers.
 *
 * Then there is only waiting: for signals, clients, the kernel's news about interfaces,
 * and a tick each second. The worker's thread carries the packets and is never waited for
 * longer than a turn.
 */
#include "daemon.h"
#include "log.h"
#include "netns.h"
#include "notify.h"
#include "probe.h"
#include "router.h"
#include "server.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define FRAME_SIZE_MIN 2048 /* what a frame takes at least; the interfaces decide later */

struct daemon {
	char config_file[PATH_MAX]; /* absolute: a reload reads it again from anywhere */
	struct router *router;
	struct server *server;
	int epoll_fd, signal_fd, timer_fd, notify_fd;
	bool stop;
};

/* -- the file -- */

/* What is wrong with a file that parses: told at its place, where it has one. */
static void tell_refusal(struct diag *diag, const struct refusal *why)
{
	if (why->at.line || why->status == REFUSED_CONFIG) {
		diag_error(diag, why->at, NULL, "%s", why->text);
		diag_print(diag, stderr);
	} else {
		log_error("%s", why->text);
	}
}

static struct config *read_config(struct diag *diag, const char *file)
{
	return diag_open(diag, file) < 0 ? NULL : config_read(diag);
}

/* -- reload: asked for by SIGHUP or on the control socket -- */

static int reload_file(struct daemon *daemon, struct diag *diag, char *text, size_t size,
		       struct refusal *why)
{
	struct config *config = read_config(diag, daemon->config_file);
	if (config && router_reload(daemon->router, config, text, size, why) == 0)
		return 0;
	config_free(config);
	if (!config)
		refusal_set(why, REFUSED_CONFIG, "%s: %u errors; the running state stays",
			    daemon->config_file, diag->n_errors);
	else if (why->at.line || why->status == REFUSED_CONFIG)
		diag_error(diag, why->at, NULL, "%s", why->text);
	char *complaints = diag->n_errors ? diag_text(diag) : NULL;
	snprintf(text, size, "%s", complaints ? complaints : "");
	free(complaints);
	for (size_t len = strlen(text); len && text[len - 1] == '\n'; len--)
		text[len - 1] = 0;
	return -1;
}

static int reload(void *arg, char *text, size_t size, struct refusal *why)
{
	struct daemon *daemon = arg;
	struct diag diag = {0};
	notify_send(daemon->notify_fd, NOTIFY_RELOADING);
	int result = reload_file(daemon, &diag, text, size, why);
	diag_fini(&diag);
	if (result == 0)
		log_info("reload: %s", text);
	else
		log_error("reload: the running state stays: %s", *text ? text : why->text);
	notify_send(daemon->notify_fd, NOTIFY_READY);
	return result;
}

/* -- the loop -- */

enum { ON_SIGNAL, ON_TIMER, ON_SERVER, ON_NETLINK };

static void on_signal(struct daemon *daemon)
{
	struct signalfd_siginfo info;
	char text[8192] = "";
	struct refusal why = {0};
	while (read(daemon->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			reload(daemon, text, sizeof(text), &why);
		else
			daemon->stop = true;
	}
}

static void on_timer(struct daemon *daemon)
{
	uint64_t expirations;
	if (read(daemon->timer_fd, &expirations, sizeof(expirations)) == sizeof(expirations))
		router_tick(daemon->router);
}

static void loop(struct daemon *daemon)
{
	struct epoll_event events[4];
	while (!daemon->stop) {
		int n = epoll_wait(daemon->epoll_fd, events, 4, -1);
		if (n < 0 && errno != EINTR) {
			log_error("epoll: %s", strerror(errno));
			return;
		}
		for (int i = 0; i < n; i++) {
			switch (events[i].data.u32) {
			case ON_SIGNAL:
				on_signal(daemon);
				break;
			case ON_TIMER:
				on_timer(daemon);
				break;
			case ON_SERVER:
				server_ready(daemon->server);
				break;
			case ON_NETLINK:
				router_netlink_ready(daemon->router);
				break;
			}
		}
	}
}

static int watch(const struct daemon *daemon, int fd, uint32_t what)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = what};
	return epoll_ctl(daemon->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static int open_loop(struct daemon *daemon, const sigset_t *signals, struct refusal *why)
{
	const struct itimerspec second = {{1, 0}, {1, 0}};
	daemon->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	daemon->signal_fd = signalfd(-1, signals, SFD_NONBLOCK | SFD_CLOEXEC);
	daemon->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (daemon->epoll_fd >= 0 && daemon->signal_fd >= 0 && daemon->timer_fd >= 0 &&
	    timerfd_settime(daemon->timer_fd, 0, &second, NULL) == 0 &&
	    watch(daemon, daemon->signal_fd, ON_SIGNAL) == 0 &&
	    watch(daemon, daemon->timer_fd, ON_TIMER) == 0 &&
	    watch(daemon, server_fd(daemon->server), ON_SERVER) == 0 &&
	    watch(daemon, router_netlink_fd(daemon->router), ON_NETLINK) == 0)
		return 0;
	return refusal_set(why, REFUSED_FAILED, "cannot wait for events: %s", strerror(errno));
}

static void close_loop(struct daemon *daemon)
{
	const int fds[] = {daemon->epoll_fd, daemon->signal_fd, daemon->timer_fd,
			   daemon->notify_fd};
	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* -- start -- */

/* Checks all that does not touch the interfaces; leaves us in the namespace. */
static int prepare(const struct daemon_options *options, const struct config *config,
		   char *socket_path, size_t size, struct refusal *why)
{
	if (options->netns && netns_enter(options->netns, why) < 0)
		return -1;
	if (probe_machine((size_t)config->frames * FRAME_SIZE_MIN, why) < 0)
		return -1;
	if (!server_path(socket_path, size))
		return refusal_set(why, REFUSED_MACHINE,
				   "/proc is missing: cannot tell which namespace this is");
	if (server_answers(socket_path))
		return refusal_set(why, REFUSED_FAILED,
				   "another tsuji runs in this namespace: it answers at %s",
				   socket_path);
	return 0;
}

static int run(struct daemon *daemon, const char *socket_path, const sigset_t *signals,
	       struct refusal *why)
{
	daemon->server = server_open(daemon->router, socket_path, why);
	if (!daemon->server || open_loop(daemon, signals, why) < 0)
		return -1;
	server_on_reload(daemon->server, reload, daemon);
	puts("ready");
	fflush(stdout);
	notify_send(daemon->notify_fd, NOTIFY_READY);
	loop(daemon);
	notify_send(daemon->notify_fd, NOTIFY_STOPPING);
	return 0;
}

/* Takes the config over. */
static int start(struct daemon *daemon, const struct daemon_options *options, struct config *config,
		 const sigset_t *signals, struct diag *diag)
{
	struct refusal why = {0};
	char socket_path[108]; /* sizeof(sun_path) */
	if (prepare(options, config, socket_path, sizeof(socket_path), &why) < 0) {
		log_error("%s", why.text);
		config_free(config);
		return why.status;
	}
	daemon->router = router_start(config, &why);
	if (!daemon->router) {
		tell_refusal(diag, &why);
		config_free(config);
		return why.status;
	}
	diag_fini(diag); /* a large file is not kept in memory twice */
	*diag = (struct diag){0};
	int status = 0;
	if (run(daemon, socket_path, signals, &why) < 0) {
		log_error("%s", why.text);
		status = why.status;
	}
	server_close(daemon->server);
	router_stop(daemon->router);
	return status;
}

int daemon_main(const struct daemon_options *options)
{
	struct daemon daemon = {
		.epoll_fd = -1, .signal_fd = -1, .timer_fd = -1, .notify_fd = notify_open()};
	struct diag diag = {0};
	sigset_t signals;
	int status = REFUSED_CONFIG;

	if (!realpath(options->config_file,
		      daemon.config_file)) /* it cannot be opened then: diag says why */
		snprintf(daemon.config_file, sizeof(daemon.config_file), "%s",
			 options->config_file);
	struct config *config = read_config(&diag, options->config_file);
	if (config) {
		/* Blocked before there are threads: all of them leave signals to the loop. */
		sigemptyset(&signals);
		sigaddset(&signals, SIGTERM);
		sigaddset(&signals, SIGINT);
		sigaddset(&signals, SIGHUP);
		sigprocmask(SIG_BLOCK, &signals, NULL);
		signal(SIGPIPE, SIG_IGN);
		status = start(&daemon, options, config, &signals, &diag);
	} else {
		diag_print(&diag, stderr);
	}
	close_loop(&daemon);
	diag_fini(&diag);
	return status;
}
