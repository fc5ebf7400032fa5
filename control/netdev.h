/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * netdev.h - whether an interface can transmit XDP frames now: the netdev netlink family
 * (Linux 6.3). For a veth that is whether its *far end* has NAPI, by GRO or an XDP program
 * of its own; without it, frames sent by the burst lane vanish and nobody says so.
 *
 * Thread: control's. Of the namespace in which netdev_open() was called.
 */
#ifndef TSUJI_NETDEV_H
#define TSUJI_NETDEV_H

#include <stdbool.h>
#include <stdint.h>

struct netdev;

/* NULL with errno: EOPNOTSUPP where the kernel has no such family. */
struct netdev *netdev_open(void);
void netdev_close(struct netdev *netdev); /* NULL is fine */
/* Readable when some interface's features have changed. */
int netdev_fd(const struct netdev *netdev);
/* Reads what waits, never blocks; true if something changed. */
bool netdev_update(struct netdev *netdev);
/* Whether it transmits XDP frames (NETDEV_XDP_ACT_NDO_XMIT). A request to the kernel. */
bool netdev_transmits(struct netdev *netdev, uint32_t ifindex);

#endif
