/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lane_trial.h - the trial: what a packet costs on this machine by the socket lane and by the
 * burst lane, towards a far end with GRO.
 *
 * Thread: control's, before the worker starts: it writes to the first frame of the area.
 */
#ifndef TSUJI_LANE_TRIAL_H
#define TSUJI_LANE_TRIAL_H

#include "lane_burst.h"
#include "lane_pace.h"

struct trial;

/*
 * Holds it, in a few milliseconds. *code is 0, or -errno: EIO, not all that was sent arrived, so the figures are worth
 * nothing; ETIME, the burst lane's calls wait for the kernel (lane_keeper.c); or what the kernel
 * said. No frame leaves the burst lane's private namespace. What it returns is to be freed in
 * any case, at leisure: closing its socket takes longer than all the rest.
 */
struct trial *trial_new(struct burst_lane *lane, struct xsk_area *area, struct lane_costs *costs,
			int *code);
void trial_free(struct trial *trial); /* NULL is fine */

#endif
