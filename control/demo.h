/* SPDX-License-Identifier: BSD-2-Clause */
/* demo.h - `tsuji demo`: an embedded lab, built, tried, shown and removed. */
#ifndef TSUJI_DEMO_H
#define TSUJI_DEMO_H

/* 0 only if every step did what it should; 1, or 4 without privilege, otherwise. */
int demo_main(void);

#endif
