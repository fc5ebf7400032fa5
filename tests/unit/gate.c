/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gate - bpf/gate.bpf.c without a kernel. Helpers of which only the cache's maps matter stand
 * in for the kernel's; what user space sets before loading is set here before each frame; and as
 * XDP's context has addresses of 32 bits, frames pass through a page that lies that low.
 */
#include "gate.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* -- what the program finds in the kernel ----------------------------------------------- */

#define __BPF_HELPERS__
#define __BPF_CORE_READ_H__
#define SEC(name)
#define __ksym
#define __weak __attribute__((weak))
#undef __always_inline
#define __always_inline			      inline __attribute__((always_inline))
#define __uint(name, value)		      int(*name)[value]
#define __type(name, value)		      typeof(value) *name
#define barrier()			      __asm__ volatile("" ::: "memory")
#define preserve_access_index		      unused
#define bpf_core_field_offset(type, field)    offsetof(type, field)
#define bpf_core_type_id_kernel(type)	      0
#define bpf_core_type_size(type)	      sizeof(type)
#define BPF_CORE_READ_BITFIELD(object, field) ((object)->field)

#include <linux/bpf.h>

static void *map_element(const void *map, const uint32_t *index);
static long map_redirect(const void *map, uint32_t index);

#define bpf_map_lookup_elem(map, key)		map_element(map, key)
#define bpf_redirect_map(map, index, otherwise) map_redirect(map, index)
#define bpf_xdp_adjust_meta(ctx, delta)		(-1)

/* Frames lie as they come, and the names are those of the program alone. */
#pragma clang attribute push(__attribute__((no_sanitize("undefined"))), apply_to = function)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wsign-compare"
#define const /* what is constant to the program is set here */
#define gate	 gate_program
#define counters gate_counts_of
#define sockets	 gate_sockets
#define punting	 gate_punting
#define generic	 gate_is_generic
#define bridged	 gate_is_bridged
#define LICENSE	 gate_license
#include "../../bpf/gate.bpf.c"
#undef const
#undef gate
#undef bridged
#pragma clang diagnostic pop
#pragma clang attribute pop

/* -- this side --------------------------------------------------------------------------- */

static struct gate_cache of;
static int redirected_to;

static void *map_element(const void *map, const uint32_t *index)
{
	if (map == &flow_head)
		return of.head;
	if (map == &flow_buckets)
		return &of.buckets[*index];
	return NULL;
}

static long map_redirect(const void *map, uint32_t index)
{
	if (map != &flow_ports)
		return XDP_PASS;
	redirected_to = (int)index;
	return XDP_REDIRECT;
}

static uint8_t *low_page(void)
{
	static uint8_t *page;

	if (page)
		return page;
	page = mmap((void *)0x10000000, GATE_FRAME_MAX, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (page == MAP_FAILED) {
		perror("gate: a page at a low address");
		exit(1);
	}
	return page;
}

int gate_repeat(const struct gate_cache *cache, uint16_t port, bool bridged, uint8_t *frame,
		uint32_t len)
{
	uint8_t *page = low_page();
	struct xdp_md ctx = {.data = (uint32_t)(uintptr_t)page,
			     .data_end = (uint32_t)(uintptr_t)page + len};

	assert(len <= GATE_FRAME_MAX);
	of = *cache;
	flow_mask = cache->n_buckets - 1;
	flow_secret[0] = cache->secret[0];
	flow_secret[1] = cache->secret[1];
	port_number = port;
	gate_is_bridged = bridged;
	memcpy(page, frame, len);
	if (!is_ours(&ctx) || repeat(&ctx) != XDP_REDIRECT) {
		assert(memcmp(page, frame, len) == 0);
		/* It goes the long way, and will have left before the next one comes. */
		gate_counts_of[0].done = ++gate_counts_of[0].taken;
		return -1;
	}
	memcpy(frame, page, len);
	return redirected_to;
}
