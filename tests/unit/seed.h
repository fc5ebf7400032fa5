/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * seed.h - random sequences that can be had again.
 */
#ifndef TSUJI_TEST_SEED_H
#define TSUJI_TEST_SEED_H

/* Seeds rand() by SEED of the environment, else by the time, and prints which. */
void seed_rand(void);

#endif
