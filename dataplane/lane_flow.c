/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lane_flow - the flow cache's maps: the head and the buckets, in memory that programs and we
 * see alike, and the devices that frames are redirected to.
 *
 * A frame that is redirected is counted before it is known whether the far end takes it; it
 * takes none without NAPI, and drops what its ring of 256 has no room for. The kernel says so
 * to its tracepoints only (bpf/strayed.bpf.c), where it has them.
 */
#include "lane_flow.h"

#include "bpf/strayed.skel.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

struct flow_lane {
	int head_fd, buckets_fd, ports_fd; /* -1 */
	struct flow_head *head;
	struct flow_bucket *buckets;
	uint64_t secret[2];
	struct strayed_bpf *strayed; /* NULL: nobody tells what is lost */
	uint64_t seen_lost[FLOW_PORTS];
	uint32_t ifindexes[FLOW_PORTS];
};

static const size_t buckets_size = (size_t)FLOW_BUCKETS * sizeof(struct flow_bucket);

static size_t pages(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (size + page - 1) / page * page;
}

/* A map in memory that we see, too; NULL with errno. */
static void *shared_map(const char *name, uint32_t value_size, uint32_t n, size_t size, int *fd)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);

	*fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, name, sizeof(uint32_t), value_size, n, &options);
	if (*fd < 0) {
		errno = -*fd;
		return NULL;
	}
	void *memory = mmap(NULL, pages(size), PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	return memory == MAP_FAILED ? NULL : memory;
}

/* Attached from here on, or not there. */
static void watch_losses(struct flow_lane *lane)
{
	struct bpf_map_info ports = {0};
	uint32_t size = sizeof(ports);
	struct stat netns;

	if (bpf_obj_get_info_by_fd(lane->ports_fd, &ports, &size) ||
	    stat("/proc/thread-self/ns/net", &netns))
		return;
	lane->strayed = strayed_bpf__open();
	if (!lane->strayed)
		return;
	lane->strayed->rodata->ports_id = ports.id;
	lane->strayed->rodata->netns = (uint32_t)netns.st_ino;
	if (strayed_bpf__load(lane->strayed) == 0 && strayed_bpf__attach(lane->strayed) == 0)
		return;
	strayed_bpf__destroy(lane->strayed);
	lane->strayed = NULL;
}

int flow_lane_open(struct flow_lane **out)
{
	struct flow_lane *lane = calloc(1, sizeof(*lane));

	if (!lane)
		return -ENOMEM;
	*lane = (struct flow_lane){.head_fd = -1, .buckets_fd = -1, .ports_fd = -1};
	lane->head = shared_map("tsuji_flow_head", sizeof(struct flow_head), 1,
				sizeof(struct flow_head), &lane->head_fd);
	if (lane->head)
		lane->buckets = shared_map("tsuji_flows", sizeof(struct flow_bucket), FLOW_BUCKETS,
					   buckets_size, &lane->buckets_fd);
	if (lane->buckets)
		lane->ports_fd = bpf_map_create(BPF_MAP_TYPE_DEVMAP, "tsuji_flow_out",
						sizeof(uint32_t), sizeof(uint32_t), FLOW_PORTS, NULL);
	if (lane->ports_fd < 0 || getrandom(lane->secret, sizeof(lane->secret), 0) < 0) {
		int code = lane->buckets && lane->ports_fd < 0 ? lane->ports_fd : -errno;
		flow_lane_close(lane);
		return code;
	}
	watch_losses(lane);
	*out = lane;
	return 0;
}

void flow_lane_close(struct flow_lane *lane)
{
	if (!lane)
		return;
	strayed_bpf__destroy(lane->strayed);
	if (lane->head)
		munmap(lane->head, pages(sizeof(*lane->head)));
	if (lane->buckets)
		munmap(lane->buckets, pages(buckets_size));
	if (lane->head_fd >= 0)
		close(lane->head_fd);
	if (lane->buckets_fd >= 0)
		close(lane->buckets_fd);
	if (lane->ports_fd >= 0)
		close(lane->ports_fd);
	free(lane);
}

struct flow_config flow_lane_config(const struct flow_lane *lane)
{
	return (struct flow_config){
		.head = lane->head,
		.buckets = lane->buckets,
		.n_buckets = FLOW_BUCKETS,
		.secret = {lane->secret[0], lane->secret[1]},
	};
}

struct flow_maps flow_lane_maps(const struct flow_lane *lane)
{
	return (struct flow_maps){
		.head = lane->head_fd,
		.buckets = lane->buckets_fd,
		.ports = lane->ports_fd,
		.mask = FLOW_BUCKETS - 1,
		.secret = {lane->secret[0], lane->secret[1]},
	};
}

int flow_lane_set_port(struct flow_lane *lane, uint16_t port, uint32_t ifindex)
{
	const uint32_t key = port;
	uint32_t before = lane->ifindexes[port];
	const uint32_t number = port;

	lane->ifindexes[port] = ifindex;
	if (lane->strayed) {
		int fd = bpf_map__fd(lane->strayed->maps.port_of);
		if (before)
			bpf_map_delete_elem(fd, &before);
		if (ifindex)
			bpf_map_update_elem(fd, &ifindex, &number, BPF_ANY);
	}
	if (ifindex)
		return bpf_map_update_elem(lane->ports_fd, &key, &ifindex, BPF_ANY);
	bpf_map_delete_elem(lane->ports_fd, &key);
	return 0;
}

void flow_lane_refresh_stats(struct flow_lane *lane, struct stats *stats)
{
	for (unsigned i = 0; lane->strayed && i < FLOW_PORTS; i++) {
		uint64_t lost = load_shared(&lane->strayed->bss->n_lost[i]);
		count_add(&stats_port(stats, (uint16_t)i)->flow_lost, lost - lane->seen_lost[i]);
		lane->seen_lost[i] = lost;
	}
}
