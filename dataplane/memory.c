/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memory - what is long is mapped, and what is longer than a huge page aligned to them; the rest
 * comes from malloc, which a page would be too much for. Which it was follows from the size.
 */
#include "memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)   /* of x86-64, and of arm64 with pages of 4 KiB */
#define MAPPED	  ((size_t)128 << 10) /* as malloc has it: from here on mapped, not cleared */

/* LeakSanitizer, where it is linked in, follows pointers in mapped memory only if it is told of it. */
void __lsan_register_root_region(const void *at, size_t size) __attribute__((weak));
void __lsan_unregister_root_region(const void *at, size_t size) __attribute__((weak));

static void *followed(void *at, size_t size)
{
	if (at && __lsan_register_root_region)
		__lsan_register_root_region(at, size);
	return at;
}

static size_t round_up(size_t size, size_t unit)
{
	return (size + unit - 1) / unit * unit;
}

static void *map(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return at == MAP_FAILED ? NULL : at;
}

/* Whole huge pages, cut out of one more than that. */
static void *map_huge(size_t size)
{
	char *at = map(size + HUGE_PAGE);

	if (!at)
		return NULL;
	size_t before = round_up((uintptr_t)at, HUGE_PAGE) - (uintptr_t)at;
	if (before)
		munmap(at, before);
	munmap(at + before + size, HUGE_PAGE - before);
	madvise(at + before, size, MADV_HUGEPAGE); /* refused: then not */
	return at + before;
}

void *memory_new(size_t size)
{
	if (size > SIZE_MAX / 2)
		return NULL;
	if (size >= HUGE_PAGE)
		return followed(map_huge(round_up(size, HUGE_PAGE)), round_up(size, HUGE_PAGE));
	if (size >= MAPPED)
		return followed(map(size), size);
	size = round_up(size ? size : 1, CACHE_LINE);
	void *at = aligned_alloc(CACHE_LINE, size);
	return at ? memset(at, 0, size) : NULL;
}

void memory_free(void *at, size_t size)
{
	if (size < MAPPED) {
		free(at);
		return;
	}
	size = size < HUGE_PAGE ? size : round_up(size, HUGE_PAGE);
	if (at && __lsan_unregister_root_region)
		__lsan_unregister_root_region(at, size);
	if (at)
		munmap(at, size);
}
