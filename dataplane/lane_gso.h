/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lane_gso.h - the GSO lane: consecutive segments of a TCP flow as one large frame, which the
 * receiver's kernel takes whole; and large packets (packet.h), which are that already. One for
 * each port. Opened and closed by control; sends for the worker.
 *
 * A *run* is what one frame can stand for: cutting the frame again (the kernel's GSO) gives
 * back every segment, bit for bit.
 */
#ifndef TSUJI_LANE_GSO_H
#define TSUJI_LANE_GSO_H

#include "xsk.h"

#include <linux/virtio_net.h>

#define GSO_RUN_MAX 128 /* segments of a run: 64 KiB of them at the least MSS that counts, 536 */

struct gso_lane;

/* 0 or -errno: EPERM, EAFNOSUPPORT (a kernel without packet sockets), ENOPROTOOPT, ENODEV. */
int gso_lane_open(struct gso_lane **lane, const struct xsk_config *config);
/* The same over a datagram socket that is there, which becomes the lane's. NULL: no memory. */
struct gso_lane *gso_lane_new(int fd, const struct xsk_config *config);
void gso_lane_close(struct gso_lane *lane); /* NULL is fine */

/*
 * Worker: of n (up to BURST_MAX) packets in the order in which they are to leave, sends the
 * flows that coalescing pays for, each whole and in order, and puts their frames back. The
 * rest stay the caller's: returns how many, moved to the front in the same order. After a
 * call that failed, nothing more is sent; what follows it in its flow is among the rest.
 *
 * Large packets, which are there if large says so and gso_takes() them, are sent in any case, and with each whatever else there is of
 * its flow; of those, what a call that failed should have sent is lost, and counted (gso_lost).
 */
unsigned gso_send(struct gso_lane *lane, struct packet **packets, unsigned n, bool large);

/* Whether a large packet can leave as it is: the kernel would cut it as its sender wants it. */
bool gso_takes(const struct packet *p);

/* -- what gso_send() is made of --------------------------------------------------------- */

/*
 * How many of n packets of one flow, from the first, make a run; 1 if the first is a segment
 * that the second does not continue, 0 if it is none: then it goes as it stands.
 */
unsigned gso_run(struct packet *const *packets, unsigned n);

/* What stands in front of a run's payloads. Only frame_len bytes of frame are used. */
struct gso_head {
	struct virtio_net_hdr hint;
	uint8_t frame[sizeof(struct eth_hdr) + sizeof(struct ip4_hdr) + 60];
	unsigned frame_len;
};
/* The head of a run of n >= 2 packets. */
void gso_head(struct packet *const *run, unsigned n, struct gso_head *head);

#endif
