/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * neigh_timer.h - what time does to neighbours: how long each state lasts, and who has been
 * idle long enough to make room for another. Private to neigh*.c, and the worker's alone;
 * neigh_poll() and neigh_next() are in neigh_timer.c, too.
 */
#ifndef TSUJI_NEIGH_TIMER_H
#define TSUJI_NEIGH_TIMER_H

#include "neigh_entry.h"

void neigh_timers_init(struct neigh_table *table);

/* Gives an entry, whose bucket is locked, a dynamic state, and the time that it lasts. */
void neigh_become(struct neigh_table *table, struct neighbour *e, enum neigh_state state,
		  struct mac mac, uint64_t now_ns);
/* Begins another time for e, whose bucket is locked, in the state that it has. */
void neigh_timer_set(struct neigh_table *table, struct neighbour *e, enum timer timer,
		     uint64_t now_ns);
/* Makes room for one more entry on port; false: there is none. The worker holds no lock. */
bool neigh_make_room(struct neigh_table *table, uint16_t port, uint64_t now_ns);

#endif
