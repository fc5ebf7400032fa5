/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chain.h - the bytes of a packet, wherever they lie: those of one frame, or of several
 * (packet->rest). Places are counted from p->data, and stand inside packet_len().
 */
#ifndef TSUJI_CHAIN_H
#define TSUJI_CHAIN_H

#include "packet.h"

/* Adds len bytes from place at on to an internet checksum, csum.h; only the last may be odd. */
uint64_t chain_sum(uint64_t sum, const struct packet *p, uint32_t at, uint32_t len);
/* Copies len bytes from place at on. */
void chain_copy(void *to, const struct packet *p, uint32_t at, uint32_t len);
/* Makes it that short; the frames it no longer needs stay, empty. */
void chain_trim(struct packet *p, uint32_t len);

#endif
