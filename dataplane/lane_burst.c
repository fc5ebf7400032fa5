/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lane_burst - the burst lane: BPF_PROG_RUN over live frames, read from the UMEM.
 *
 * The program (bpf/burst.bpf.c) shares two things with us: the UMEM, which is a BPF array
 * map, and a list of frames in its own memory. A call runs it once per frame, in batches
 * of 64: a veth's ring holds 256, and the receiver works between batches. The kernel has
 * copied every frame when the call returns.
 *
 * What became of a frame after that the call does not say; programs on two tracepoints do
 * (bpf/lost.bpf.c), where the kernel has them. Without them everything works uncounted.
 *
 * The same program hands frames to the kernel's own stack (lane_punt.c): a second one would
 * take a second place of the machine's 48 (lane_keeper.c).
 */
#include "lane_burst.h"

#include "lane_keeper.h"
#include "lane_pace.h"

#include "bpf/burst.skel.h"
#include "bpf/lost.skel.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#define LIVE_FRAME_MAX 3408 /* bytes: a page less what the kernel keeps in it */

struct burst_lane {
	struct burst_bpf *program;
	struct lost_bpf *lost; /* NULL: nobody tells what is lost */
	uint32_t frame_size;
	uint32_t ifindexes[BURST_PORTS]; /* of the ports; written by control before one is in use */
	struct keeper keeper;

	/* the worker's */
	struct lane_health health;
	bool was_slow;

	bool rests;	  /* written by the worker, read by control */
	unsigned n_rests; /* the same */
	bool renewed;	  /* set by control, cleared by the worker */
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* -- opening ------------------------------------------------------------------------ */

static int load(struct burst_lane *lane, const struct xsk_area *area)
{
	int map_fd = xsk_area_map(area, &lane->frame_size);

	if (map_fd < 0)
		return -ENOTSUP;
	lane->program = burst_bpf__open();
	if (!lane->program)
		return -errno;
	lane->program->rodata->frame_size = lane->frame_size;
	int code = bpf_map__reuse_fd(lane->program->maps.frames, map_fd);
	if (!code)
		code = bpf_map__reuse_fd(lane->program->maps.punting, xsk_area_punting(area));
	return code ? code : burst_bpf__load(lane->program);
}

/* Attached from here on, or not there. The ports are in the caller's namespace. */
static void watch_losses(struct burst_lane *lane)
{
	struct bpf_map_info ports = {0};
	uint32_t size = sizeof(ports);
	struct stat netns;

	if (bpf_obj_get_info_by_fd(bpf_map__fd(lane->program->maps.ports), &ports, &size) ||
	    stat("/proc/thread-self/ns/net", &netns))
		return;
	lane->lost = lost_bpf__open();
	if (!lane->lost)
		return;
	lane->lost->rodata->ports_id = ports.id;
	lane->lost->rodata->netns = (uint32_t)netns.st_ino;
	if (lost_bpf__load(lane->lost) == 0 && lost_bpf__attach(lane->lost) == 0)
		return;
	lost_bpf__destroy(lane->lost);
	lane->lost = NULL;
}

int burst_lane_open(struct burst_lane **out, const struct xsk_area *area)
{
	struct burst_lane *lane = calloc(1, sizeof(*lane));

	if (!lane)
		return -ENOMEM;
	*lane = (struct burst_lane){.keeper = {-1, -1}};
	int code = load(lane, area);
	if (!code)
		code = keeper_open(&lane->keeper, bpf_program__fd(lane->program->progs.burst));
	if (code) {
		burst_lane_close(lane);
		return code;
	}
	watch_losses(lane);
	*out = lane;
	return 0;
}

void burst_lane_close(struct burst_lane *lane)
{
	if (!lane)
		return;
	keeper_close(&lane->keeper);
	lost_bpf__destroy(lane->lost);
	burst_bpf__destroy(lane->program);
	free(lane);
}

int burst_lane_renew(struct burst_lane *lane)
{
	int code = keeper_renew(&lane->keeper, bpf_program__fd(lane->program->progs.burst));

	if (!code)
		store_shared(&lane->renewed, true);
	return code;
}

unsigned burst_lane_n_rests(const struct burst_lane *lane) { return load_shared(&lane->n_rests); }

bool burst_lane_rests(const struct burst_lane *lane) { return load_shared(&lane->rests); }

int burst_set_port(struct burst_lane *lane, uint16_t port, uint32_t ifindex)
{
	const uint32_t key = port;
	int fd = bpf_map__fd(lane->program->maps.ports);

	lane->ifindexes[port] = ifindex;
	return ifindex ? bpf_map_update_elem(fd, &key, &ifindex, BPF_ANY)
		       : bpf_map_delete_elem(fd, &key);
}

/* -- sending ------------------------------------------------------------------------ */

bool burst_takes(const struct burst_lane *lane, const struct frame_pool *pool,
		 const struct packet *p)
{
	uint32_t offset = (uint32_t)(p->data - frame_base(pool, p));

	return offset < BURST_OFFSET_MAX && p->len >= sizeof(struct eth_hdr) &&
	       p->len <= min_u32(lane->frame_size - BURST_OFFSET_MAX, LIVE_FRAME_MAX);
}

bool burst_rests(struct burst_lane *lane)
{
	if (likely(!health_rested_lately(&lane->health)))
		return false;
	bool renewed = __atomic_exchange_n(&lane->renewed, false, __ATOMIC_RELAXED);
	bool rests = health_rests(&lane->health, renewed, now_ns());

	store_shared(&lane->rests, rests);
	return rests;
}

bool burst_was_slow(const struct burst_lane *lane) { return lane->was_slow; }

/* How often this thread has given the CPU away: waiting, and not for the CPU. */
static long n_waits(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_THREAD, &usage) ? 0 : usage.ru_nvcsw;
}

static void list(struct burst_lane *lane, const struct frame_pool *pool,
		 struct packet *const *packets, unsigned n)
{
	assert(n && n <= BURST_MAX);
	for (unsigned i = 0; i < n; i++)
		lane->program->bss->entries[i] = (struct burst_entry){
			.frame = frame_number(pool, packets[i]),
			.offset = (uint16_t)(packets[i]->data - frame_base(pool, packets[i])),
			.len = (uint16_t)packets[i]->len,
		};
}

/* A call for a single frame needs no place in the dispatcher, and says nothing of it. */
static int run_watched(struct burst_lane *lane, struct bpf_test_run_opts *options)
{
	bool suspect = health_suspects(&lane->health);
	long waits = suspect ? n_waits() : 0;
	uint64_t since = now_ns();
	int code = bpf_prog_test_run_opts(bpf_program__fd(lane->program->progs.burst), options);
	uint64_t now = now_ns(), took_ns = now - since;

	lane->was_slow = took_ns > HEALTH_SLOW_NS;
	if (options->repeat > 1 &&
	    health_note(&lane->health, took_ns, !suspect || n_waits() != waits, now)) {
		store_shared(&lane->rests, true);
		count_add(&lane->n_rests, 1);
	}
	return code;
}

/* The n frames of the list to a port, or to BURST_STACK as received on that interface. */
static unsigned run(struct burst_lane *lane, uint32_t port, uint32_t ifindex, unsigned n, int *code)
{
	struct burst_bpf__bss *shared = lane->program->bss;
	uint8_t first[BURST_FIRST_LEN] = {0};
	struct xdp_md context = {.data_end = sizeof(first), .ingress_ifindex = ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = first, .data_size_in = sizeof(first),
		    .repeat = (int)n, .batch_size = n < BURST_BATCH ? n : BURST_BATCH,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES);

	if (ifindex) {
		options.ctx_in = &context;
		options.ctx_size_in = sizeof(context);
	}
	shared->port = port;
	store_shared(&shared->next, 0);
	*code = run_watched(lane, &options);
	return *code ? min_u32(load_shared(&shared->next), n) : n;
}

unsigned burst_send(struct burst_lane *lane, const struct frame_pool *pool, uint16_t port,
		    struct packet *const *packets, unsigned n, int *code)
{
	list(lane, pool, packets, n);
	if (lane->lost) {
		lane->lost->bss->ifindex = lane->ifindexes[port];
		store_shared(&lane->lost->bss->n_lost, 0);
		store_shared(&lane->lost->bss->n_refused, 0);
	}
	return run(lane, port, 0, n, code);
}

unsigned burst_punt(struct burst_lane *lane, const struct frame_pool *pool, uint32_t ifindex,
		    struct packet *const *packets, unsigned n, int *code)
{
	list(lane, pool, packets, n);
	return run(lane, BURST_STACK, ifindex, n, code);
}

int burst_try(struct burst_lane *lane, unsigned n, uint16_t offset, uint16_t len)
{
	int code;

	assert(n <= BURST_MAX);
	for (unsigned i = 0; i < n; i++)
		lane->program->bss->entries[i] = (struct burst_entry){.offset = offset, .len = len};
	run(lane, BURST_TRIAL, 0, n, &code);
	return code;
}

const struct keeper *burst_keeper(const struct burst_lane *lane) { return &lane->keeper; }

unsigned burst_lost(const struct burst_lane *lane, unsigned *refused)
{
	*refused = lane->lost ? load_shared(&lane->lost->bss->n_refused) : 0;
	return lane->lost ? load_shared(&lane->lost->bss->n_lost) : 0;
}
