/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * probe.h - what this machine lacks, found by trying, before anything is touched.
 * A kernel's version number decides nothing; it appears in the text only.
 */
#ifndef TSUJI_PROBE_H
#define TSUJI_PROBE_H

#include "refusal.h"

/*
 * Checks privileges, AF_XDP, BPF maps and XDP programs, and raises the limits of locked
 * memory and of open files. pool_size: bytes of frames that will be locked. 0, or -1 with *why, which names
 * the fix.
 */
int probe_machine(size_t pool_size, struct refusal *why);

#endif
