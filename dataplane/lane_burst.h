/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lane_burst.h - the burst lane: many frames in one system call, out of a port or into the
 * kernel's stack. One for all ports of a worker. Opened, closed and set by control; sends for
 * the worker.
 */
#ifndef TSUJI_LANE_BURST_H
#define TSUJI_LANE_BURST_H

#include "xsk.h"

#include "../bpf/shared.h"

struct burst_lane;
struct keeper;

/*
 * 0, or -errno: ENOTSUP where the frames are not a BPF map, else what the kernel said.
 * Keeps its program attached as long as it is open (lane_keeper.h).
 */
int burst_lane_open(struct burst_lane **lane, const struct xsk_area *area);
void burst_lane_close(struct burst_lane *lane); /* NULL is fine; after every port is closed */
/* A port's place in the device map: 0 or -errno. ifindex 0 takes it out. */
int burst_set_port(struct burst_lane *lane, uint16_t port, uint32_t ifindex);
/*
 * Attaches the program anew: it gets a place in the kernel's dispatcher if one is free, and the
 * worker no longer rests. 0 or -errno. Takes a tenth of a second.
 */
int burst_lane_renew(struct burst_lane *lane);
/* How often the lane was found slow and given a rest (lane_pace.h), and whether it rests now. */
unsigned burst_lane_n_rests(const struct burst_lane *lane);
bool burst_lane_rests(const struct burst_lane *lane);
/* Control, while no worker sends: n frames by BURST_TRIAL, all of them the area's first. 0 or -errno. */
int burst_try(struct burst_lane *lane, unsigned n, uint16_t offset, uint16_t len);
const struct keeper *burst_keeper(const struct burst_lane *lane);

/* Worker: whether the lane is to be left alone for now. */
bool burst_rests(struct burst_lane *lane);
/* Worker: whether the last burst_send() was slow. */
bool burst_was_slow(const struct burst_lane *lane);
/* Worker: whether the lane can carry that packet. */
bool burst_takes(const struct burst_lane *lane, const struct frame_pool *pool, const struct packet *p);
/*
 * Worker: sends n (up to BURST_MAX) packets by port; returns how many of them, from the
 * first, have left, and 0 or -errno in *code. The packets stay the caller's.
 */
unsigned burst_send(struct burst_lane *lane, const struct frame_pool *pool, uint16_t port,
		    struct packet *const *packets, unsigned n, int *code);
/*
 * Worker: hands n (up to BURST_MAX) packets to the kernel's stack, as received on that
 * interface of ours, in order; returns how many of them, from the first, it has, and 0 or
 * -errno in *code. The packets stay the caller's.
 */
unsigned burst_punt(struct burst_lane *lane, const struct frame_pool *pool, uint32_t ifindex,
		    struct packet *const *packets, unsigned n, int *code);
/*
 * Worker: how many packets of the last burst_send() left but did not arrive at the far end:
 * its ring was full, or it takes none at all for want of NAPI; those are *refused. 0 where
 * the kernel does not tell (no tracepoints).
 */
unsigned burst_lost(const struct burst_lane *lane, unsigned *refused);

#endif
