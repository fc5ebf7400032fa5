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
 * While it is attached to no device, the kernel lets each call wait 20 to 45 ms for an RCU
 * grace period. So it is attached to a veth that exists for that only, in a namespace that
 * exists for that only and that nothing but our descriptor holds.
 */
#include "lane_burst.h"

#include "bpf/burst.skel.h"
#include "bpf/lost.skel.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BATCH	       64   /* facts.md: more overflows a veth's ring between two NAPI polls */
#define LIVE_FRAME_MAX 3408 /* bytes: a page less what the kernel keeps in it */

struct burst_lane {
	struct burst_bpf *program;
	struct lost_bpf *lost; /* NULL: nobody tells what is lost */
	uint32_t frame_size;
	uint32_t ifindexes[BURST_PORTS]; /* of the ports; written by control before one is in use */
	int netns_fd, link_fd;		 /* of the private veth; -1 */
};

/* -- the private veth --------------------------------------------------------------- */

static void put_attribute(struct nlmsghdr *n, uint16_t type, const void *data, uint16_t len)
{
	struct rtattr *a = (struct rtattr *)((char *)n + NLMSG_ALIGN(n->nlmsg_len));

	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(a), data, len);
	n->nlmsg_len = NLMSG_ALIGN(n->nlmsg_len) + RTA_ALIGN(a->rta_len);
}

/* ip link add type veth: 0 or -errno. The kernel calls them veth0 and veth1 in an empty namespace.
 */
static int add_veth(void)
{
	struct {
		struct nlmsghdr n;
		struct ifinfomsg link;
		char attributes[64];
	} request = {
		.n = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
		      .nlmsg_type = RTM_NEWLINK,
		      .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL},
	};
	char kind[RTA_SPACE(sizeof("veth"))] = {0};
	struct rtattr *info = (struct rtattr *)kind;
	struct {
		struct nlmsghdr n;
		struct nlmsgerr error;
		char rest[512];
	} answer;
	int code = -EIO, fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0)
		return -errno;
	info->rta_type = IFLA_INFO_KIND;
	info->rta_len = RTA_LENGTH(sizeof("veth"));
	memcpy(RTA_DATA(info), "veth", sizeof("veth"));
	put_attribute(&request.n, IFLA_LINKINFO, kind, sizeof(kind));
	if (send(fd, &request, request.n.nlmsg_len, 0) < 0)
		code = -errno;
	else if (recv(fd, &answer, sizeof(answer), 0) >=
			 (ssize_t)NLMSG_LENGTH(sizeof(answer.error)) &&
		 answer.n.nlmsg_type == NLMSG_ERROR)
		code = answer.error.error;
	close(fd);
	return code;
}

struct keep {
	struct burst_lane *lane;
	int code;
};

/* A thread of its own, because only it moves to the new namespace. */
static void *keep_attached(void *arg)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = XDP_FLAGS_DRV_MODE);
	struct keep *keep = arg;
	struct burst_lane *lane = keep->lane;

	if (unshare(CLONE_NEWNET)) {
		keep->code = -errno;
		return NULL;
	}
	lane->netns_fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	keep->code = lane->netns_fd < 0 ? -errno : add_veth();
	if (keep->code)
		return NULL;
	lane->link_fd = bpf_link_create(bpf_program__fd(lane->program->progs.burst),
					(int)if_nametoindex("veth0"), BPF_XDP, &options);
	keep->code = lane->link_fd < 0 ? lane->link_fd : 0;
	return NULL;
}

/* -- opening ------------------------------------------------------------------------ */

static int load(struct burst_lane *lane, int map_fd)
{
	lane->program = burst_bpf__open();
	if (!lane->program)
		return -errno;
	lane->program->rodata->frame_size = lane->frame_size;
	int code = bpf_map__reuse_fd(lane->program->maps.frames, map_fd);
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
	pthread_t thread;

	if (!lane)
		return -ENOMEM;
	*lane = (struct burst_lane){.netns_fd = -1, .link_fd = -1};
	struct keep keep = {.lane = lane};
	int map_fd = xsk_area_map(area, &lane->frame_size);
	int code = map_fd < 0 ? -ENOTSUP : load(lane, map_fd);
	if (!code)
		code = -pthread_create(&thread, NULL, keep_attached, &keep);
	if (!code) {
		pthread_join(thread, NULL);
		code = keep.code;
	}
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
	if (lane->link_fd >= 0)
		close(lane->link_fd);
	lost_bpf__destroy(lane->lost);
	burst_bpf__destroy(lane->program);
	if (lane->netns_fd >= 0)
		close(lane->netns_fd); /* the namespace goes, and the veth with it */
	free(lane);
}

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

unsigned burst_send(struct burst_lane *lane, const struct frame_pool *pool, uint16_t port,
		    struct packet *const *packets, unsigned n, int *code)
{
	struct burst_bpf__bss *shared = lane->program->bss;
	uint8_t first[BURST_FIRST_LEN] = {0};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = first, .data_size_in = sizeof(first),
		    .repeat = (int)n, .batch_size = n < BATCH ? n : BATCH,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES);

	assert(n && n <= BURST_MAX);
	for (unsigned i = 0; i < n; i++)
		shared->entries[i] = (struct burst_entry){
			.frame = frame_number(pool, packets[i]),
			.offset = (uint16_t)(packets[i]->data - frame_base(pool, packets[i])),
			.len = (uint16_t)packets[i]->len,
		};
	shared->port = port;
	store_shared(&shared->next, 0);
	if (lane->lost) {
		lane->lost->bss->ifindex = lane->ifindexes[port];
		store_shared(&lane->lost->bss->n_lost, 0);
		store_shared(&lane->lost->bss->n_refused, 0);
	}
	*code = bpf_prog_test_run_opts(bpf_program__fd(lane->program->progs.burst), &options);
	return *code ? min_u32(load_shared(&shared->next), n) : n;
}

unsigned burst_lost(const struct burst_lane *lane, unsigned *refused)
{
	*refused = lane->lost ? load_shared(&lane->lost->bss->n_refused) : 0;
	return lane->lost ? load_shared(&lane->lost->bss->n_lost) : 0;
}
