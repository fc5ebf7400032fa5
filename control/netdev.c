/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * netdev - asks the netdev netlink family about XDP features, and hears of their changes.
 *
 * Two sockets: one for questions, one that is a member of the family's "mgmt" group. The
 * message that announces a change is not read for its contents: whoever is told asks.
 */
#include "netdev.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* include/uapi/linux/netdev.h of Linux 6.3, which Debian 12's headers do not have. */
enum { NETDEV_CMD_DEV_GET = 1 };
enum { NETDEV_A_DEV_IFINDEX = 1, NETDEV_A_DEV_XDP_FEATURES = 3 };
#define NETDEV_XDP_ACT_NDO_XMIT 4u

struct netdev {
	struct mnl_socket *questions, *changes;
	uint16_t family;
	uint32_t group;
	uint32_t sequence;
};

static int each_group(const struct nlattr *group, void *arg)
{
	struct netdev *netdev = arg;
	const struct nlattr *attribute;
	const char *name = "";
	uint32_t id = 0;

	mnl_attr_for_each_nested(attribute, group) {
		if (mnl_attr_get_type(attribute) == CTRL_ATTR_MCAST_GRP_NAME)
			name = mnl_attr_get_str(attribute);
		else if (mnl_attr_get_type(attribute) == CTRL_ATTR_MCAST_GRP_ID)
			id = mnl_attr_get_u32(attribute);
	}
	if (!strcmp(name, "mgmt"))
		netdev->group = id;
	return MNL_CB_OK;
}

static int family_attribute(const struct nlattr *attribute, void *arg)
{
	struct netdev *netdev = arg;

	if (mnl_attr_get_type(attribute) == CTRL_ATTR_FAMILY_ID)
		netdev->family = mnl_attr_get_u16(attribute);
	else if (mnl_attr_get_type(attribute) == CTRL_ATTR_MCAST_GROUPS)
		return mnl_attr_parse_nested(attribute, each_group, netdev);
	return MNL_CB_OK;
}

static int read_family(const struct nlmsghdr *n, void *arg)
{
	return mnl_attr_parse(n, sizeof(struct genlmsghdr), family_attribute, arg);
}

static struct nlmsghdr *begin(struct netdev *netdev, char *buf, uint16_t family, uint8_t command)
{
	struct nlmsghdr *n = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *g = mnl_nlmsg_put_extra_header(n, sizeof(*g));

	n->nlmsg_type = family;
	n->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	n->nlmsg_seq = ++netdev->sequence;
	*g = (struct genlmsghdr){.cmd = command, .version = 1};
	return n;
}

/* Sends n and hands each answer to read, up to the acknowledgement. 0 or -errno. */
static int ask(struct netdev *netdev, const struct nlmsghdr *n, mnl_cb_t read, void *arg)
{
	char buf[8192];
	unsigned port = mnl_socket_get_portid(netdev->questions);
	int more = 1;

	if (mnl_socket_sendto(netdev->questions, n, n->nlmsg_len) < 0)
		return -errno;
	while (more > 0) {
		ssize_t size = mnl_socket_recvfrom(netdev->questions, buf, sizeof(buf));
		if (size < 0)
			return -errno;
		more = mnl_cb_run(buf, (size_t)size, n->nlmsg_seq, port, read, arg);
	}
	return more < 0 ? -errno : 0;
}

static struct mnl_socket *open_socket(void)
{
	struct mnl_socket *s = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);

	if (s && mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0) {
		mnl_socket_close(s);
		return NULL;
	}
	return s;
}

struct netdev *netdev_open(void)
{
	struct netdev *netdev = calloc(1, sizeof(*netdev));
	char buf[256];
	int code;

	if (!netdev)
		return NULL;
	netdev->questions = open_socket();
	netdev->changes = open_socket();
	if (!netdev->questions || !netdev->changes) {
		code = -errno;
		goto fail;
	}
	struct nlmsghdr *n = begin(netdev, buf, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	mnl_attr_put_strz(n, CTRL_ATTR_FAMILY_NAME, "netdev");
	code = ask(netdev, n, read_family, netdev);
	if (code || !netdev->family || !netdev->group) {
		code = -EOPNOTSUPP;
		goto fail;
	}
	if (mnl_socket_setsockopt(netdev->changes, NETLINK_ADD_MEMBERSHIP, &netdev->group,
				  sizeof(netdev->group)) < 0) {
		code = -errno;
		goto fail;
	}
	return netdev;
fail:
	netdev_close(netdev);
	errno = -code;
	return NULL;
}

void netdev_close(struct netdev *netdev)
{
	if (!netdev)
		return;
	if (netdev->questions)
		mnl_socket_close(netdev->questions);
	if (netdev->changes)
		mnl_socket_close(netdev->changes);
	free(netdev);
}

int netdev_fd(const struct netdev *netdev) { return mnl_socket_get_fd(netdev->changes); }

bool netdev_update(struct netdev *netdev)
{
	char buf[8192];
	bool changed = false;

	/* Messages that did not fit (ENOBUFS) are changes too. */
	while (recv(netdev_fd(netdev), buf, sizeof(buf), MSG_DONTWAIT) >= 0 || errno == ENOBUFS)
		changed = true;
	return changed;
}

static int features_attribute(const struct nlattr *attribute, void *arg)
{
	uint64_t *features = arg;

	if (mnl_attr_get_type(attribute) == NETDEV_A_DEV_XDP_FEATURES)
		*features = mnl_attr_get_u64(attribute);
	return MNL_CB_OK;
}

static int read_features(const struct nlmsghdr *n, void *arg)
{
	return mnl_attr_parse(n, sizeof(struct genlmsghdr), features_attribute, arg);
}

bool netdev_transmits(struct netdev *netdev, uint32_t ifindex)
{
	uint64_t features = 0;
	char buf[256];
	struct nlmsghdr *n = begin(netdev, buf, netdev->family, NETDEV_CMD_DEV_GET);

	mnl_attr_put_u32(n, NETDEV_A_DEV_IFINDEX, ifindex);
	return ask(netdev, n, read_features, &features) == 0 && features & NETDEV_XDP_ACT_NDO_XMIT;
}
