/* SPDX-License-Identifier: BSD-2-Clause */
/* notify.h - tells the service manager how we are: the protocol of sd_notify(3). */
#ifndef TSUJI_NOTIFY_H
#define TSUJI_NOTIFY_H

enum notify_state {
	NOTIFY_READY,     /* started, or done reloading */
	NOTIFY_RELOADING, /* with the time systemd wants for Type=notify-reload */
	NOTIFY_STOPPING,
};

/* Sends it to $NOTIFY_SOCKET, a path or, with @ in front, an abstract name. 0, also when there is none; -errno. */
int notify_send(enum notify_state state);

#endif
