/* SPDX-License-Identifier: BSD-2-Clause */
/* notify.h - tells the service manager how we are: the protocol of sd_notify(3). */
#ifndef TSUJI_NOTIFY_H
#define TSUJI_NOTIFY_H

enum notify_state {
	NOTIFY_READY,     /* started, or done reloading */
	NOTIFY_RELOADING, /* with the time systemd wants for Type=notify-reload */
	NOTIFY_STOPPING,
};

/*
 * A socket to tell it by, or -1: nobody asked to be told. An abstract name belongs to a
 * network namespace, so call this in the one where the manager started us, before
 * entering another.
 */
int notify_open(void);
/* Sends it to $NOTIFY_SOCKET, a path or @ and an abstract name. 0, also for fd -1; -errno. */
int notify_send(int fd, enum notify_state state);

#endif
