/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lane_keeper - why a program that nobody is to run on arriving frames is attached all the same:
 * BPF_PROG_RUN with repeat takes a place in the kernel's XDP dispatcher for the program and
 * gives it back, and waits 20 to 45 ms for RCU each time; unless the program has a place
 * already, which it has from when it was attached. There are 48 places for the whole machine:
 * a program attached while all are taken gets none, and none later, until attached anew.
 *
 * The veth stays down, so that no frame can arrive at the program.
 */
#include "lane_keeper.h"

#include "base.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NAME "keeper"

/* -- a veth ------------------------------------------------------------------------- */

struct request {
	struct nlmsghdr n;
	struct ifinfomsg link;
	char attributes[256];
};

static struct rtattr *put_attribute(struct request *r, uint16_t type, const void *data, size_t len)
{
	struct rtattr *a = (struct rtattr *)((char *)r + NLMSG_ALIGN(r->n.nlmsg_len));

	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(a), data, len);
	r->n.nlmsg_len = NLMSG_ALIGN(r->n.nlmsg_len) + RTA_ALIGN(a->rta_len);
	return a;
}

/* What has been put behind an attribute becomes its content. */
static void close_attribute(const struct request *r, struct rtattr *a)
{
	a->rta_len = (uint16_t)((char *)r + r->n.nlmsg_len - (char *)a);
}

static int ask_rtnetlink(const struct request *r)
{
	struct {
		struct nlmsghdr n;
		struct nlmsgerr error;
		char rest[512];
	} answer;
	int code = -EIO, fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0)
		return -errno;
	if (send(fd, r, r->n.nlmsg_len, 0) < 0)
		code = -errno;
	else if (recv(fd, &answer, sizeof(answer), 0) >=
			 (ssize_t)NLMSG_LENGTH(sizeof(answer.error)) &&
		 answer.n.nlmsg_type == NLMSG_ERROR)
		code = answer.error.error;
	close(fd);
	return code;
}

int keeper_add_veth(const char *name, const char *peer)
{
	const struct ifinfomsg nothing = {0};
	struct request r = {
		.n = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
		      .nlmsg_type = RTM_NEWLINK,
		      .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL},
	};

	put_attribute(&r, IFLA_IFNAME, name, strlen(name) + 1);
	struct rtattr *info = put_attribute(&r, IFLA_LINKINFO, NULL, 0);
	put_attribute(&r, IFLA_INFO_KIND, "veth", sizeof("veth"));
	struct rtattr *data = put_attribute(&r, IFLA_INFO_DATA, NULL, 0);
	struct rtattr *other = put_attribute(&r, VETH_INFO_PEER, &nothing, sizeof(nothing));
	put_attribute(&r, IFLA_IFNAME, peer, strlen(peer) + 1);
	close_attribute(&r, other);
	close_attribute(&r, data);
	close_attribute(&r, info);
	return ask_rtnetlink(&r);
}

/* -- the namespace ------------------------------------------------------------------ */

/* A thread of its own, because only it moves to the namespace. */
struct errand {
	const struct keeper *keeper;
	int (*work)(void *arg);
	void *arg;
	int code;
};

static void *run_errand(void *arg)
{
	struct errand *errand = arg;
	int fd = errand->keeper->netns_fd;

	if (fd < 0 ? unshare(CLONE_NEWNET) : setns(fd, CLONE_NEWNET))
		errand->code = -errno;
	else
		errand->code = errand->work(errand->arg);
	return NULL;
}

int keeper_do(const struct keeper *keeper, int (*work)(void *arg), void *arg)
{
	struct errand errand = {.keeper = keeper, .work = work, .arg = arg};
	pthread_t thread;
	int code = pthread_create(&thread, NULL, run_errand, &errand);

	if (code)
		return -code;
	pthread_join(thread, NULL);
	return errand.code;
}

/* -- attached ----------------------------------------------------------------------- */

struct attachment {
	struct keeper *keeper;
	int program_fd;
};

static int attach(void *arg)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = XDP_FLAGS_DRV_MODE);
	const struct attachment *a = arg;
	int fd = bpf_link_create(a->program_fd, (int)if_nametoindex(NAME), BPF_XDP, &options);

	a->keeper->link_fd = fd < 0 ? -1 : fd;
	return fd < 0 ? fd : 0;
}

static int settle_and_attach(void *arg)
{
	const struct attachment *a = arg;

	a->keeper->netns_fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	int code = a->keeper->netns_fd < 0 ? -errno : keeper_add_veth(NAME, NAME "-peer");
	return code ? code : attach(arg);
}

int keeper_open(struct keeper *keeper, int program_fd)
{
	struct attachment a = {keeper, program_fd};

	*keeper = (struct keeper){.netns_fd = -1, .link_fd = -1};
	return keeper_do(keeper, settle_and_attach, &a);
}

int keeper_renew(struct keeper *keeper, int program_fd)
{
	struct attachment a = {keeper, program_fd};

	if (keeper->link_fd >= 0)
		close(keeper->link_fd);
	keeper->link_fd = -1;
	return keeper_do(keeper, attach, &a);
}

void keeper_close(struct keeper *keeper)
{
	if (keeper->link_fd >= 0)
		close(keeper->link_fd);
	if (keeper->netns_fd >= 0)
		close(keeper->netns_fd); /* the namespace goes, and the veth with it */
	keeper->link_fd = keeper->netns_fd = -1;
}
