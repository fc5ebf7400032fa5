/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * epoch.h - how tables change under a running worker: publish, wait, free.
 *
 * Control builds a table beside the one in use, epoch_publish()es it with one pointer
 * store, epoch_wait()s until every worker has passed a quiet moment, and only then frees
 * the old one. A worker reads a pointer once per turn with epoch_read(), uses it until
 * the turn ends, and calls epoch_quiet() between turns: no lock, no counter, no barrier
 * in the packet path. Before it sleeps it calls epoch_leave(), so that control never
 * waits for an idle worker.
 *
 * liburcu-qsbr does the work; these names say what we use it for.
 */
#ifndef TSUJI_EPOCH_H
#define TSUJI_EPOCH_H

#include <urcu-qsbr.h>

#define epoch_read(pp) rcu_dereference(*(pp))
#define epoch_publish(pp, table) rcu_xchg_pointer((pp), (table)) /* returns the old one */

/* Worker threads: at their start and end. */
static inline void epoch_join(void) { rcu_register_thread(); }
static inline void epoch_part(void) { rcu_unregister_thread(); }
/* Worker, between turns: holds no table pointer now. */
static inline void epoch_quiet(void) { rcu_quiescent_state(); }
/* Worker, around a sleep. */
static inline void epoch_leave(void) { rcu_thread_offline(); }
static inline void epoch_enter(void) { rcu_thread_online(); }
/* Control: returns when no worker can still see what was unpublished before the call. */
static inline void epoch_wait(void) { synchronize_rcu(); }

#endif
