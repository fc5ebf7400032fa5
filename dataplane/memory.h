/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memory.h - memory for tables: zero, aligned to a cache line, and on huge pages where a table
 * is larger than one.
 *
 * Whoever looks things up at random in a table of many megabytes waits for the page tables as
 * long as for the lines themselves; a huge page (2 MiB) needs one entry where 512 would be
 * read. They are asked for, not demanded: where the kernel gives none (transparent_hugepage
 * "never", or no whole one free), the same memory comes in small pages.
 *
 * Nothing is touched before its first use; but then a whole huge page is, so a table that is
 * hardly used may take 2 MiB where 4 KiB would do.
 *
 * Thread: control's, when a table is made or freed; this is the one system call of a table.
 */
#ifndef TSUJI_MEMORY_H
#define TSUJI_MEMORY_H

#include "base.h"

void *memory_new(size_t size); /* NULL: no memory */
/* at: from memory_new() of that size, or NULL. */
void memory_free(void *at, size_t size);

#endif
