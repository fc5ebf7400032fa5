/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * segment.h - a packet that stands for several segments (gso_size), cut into them: what the
 * sender's kernel left for its card to do (TSO, USO), done here where no lane or wire takes
 * the whole.
 */
#ifndef TSUJI_SEGMENT_H
#define TSUJI_SEGMENT_H

#include "frame.h"

/*
 * Looks at a packet with a gso_size as it arrives: sets head_len, and PACKET_PARTIAL with
 * csum_start and csum_offset, which such a packet always is. One that is a single segment in
 * truth loses its gso_size. False: it is not what its gso_kind says, or that is not known here.
 * Reads only; nothing in it need have been validated. What later rooms change keeps this true.
 */
bool segment_check(struct packet *p);

/* Of a packet that was checked, how many segments it is. */
unsigned segment_count(const struct packet *p);

/*
 * Cuts p into new packets: *first, the others behind it by packet->next, in order, with p's
 * decision, verdict and origin, each in a frame of its own and with its checksums finished.
 * What the kernel would make of it, bit for bit (tcp_gso_segment(), __udp_gso_segment(),
 * inet_gso_segment(), ipv6_gso_segment()). p stays as it is, and the caller's. TO_EGRESS, or
 * DROP_FRAMES (too few are free), DROP_FRAME_SIZE (a segment does not fit one).
 */
enum verdict segment_cut(struct frame_pool *pool, const struct packet *p, struct packet **first);

#endif
