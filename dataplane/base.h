/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * base.h - the few helpers every file uses: sizes, branches, time units, and plain
 * loads and stores of fields that one thread writes and others read.
 */
#ifndef TSUJI_BASE_H
#define TSUJI_BASE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define prefetch(p) __builtin_prefetch(p)
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define CACHE_LINE 64
#define cache_aligned __attribute__((aligned(CACHE_LINE)))

#define NS_PER_US 1000ull
#define NS_PER_MS 1000000ull
#define NS_PER_S 1000000000ull

/* A field that one thread writes and others read, with no order implied. */
#define load_shared(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define store_shared(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
/* The same in order: who loads what was stored sees all that was stored before it. */
#define load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
/* A counter with a single writer: no locked instruction, no torn read. */
#define count_add(p, n) store_shared((p), *(p) + (n))

static inline uint32_t min_u32(uint32_t a, uint32_t b) { return a < b ? a : b; }
static inline uint64_t min_u64(uint64_t a, uint64_t b) { return a < b ? a : b; }
static inline uint64_t max_u64(uint64_t a, uint64_t b) { return a > b ? a : b; }

#endif
