/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * netlink - a mirror of the namespace's links and addresses.
 *
 * One socket follows the multicast groups; a second, short-lived one does the dumps, so
 * that the two kinds of answers never mix. The order, subscribe first and dump after,
 * means a change can be told twice but not missed; every message carries the whole new
 * state of its object, so twice is harmless.
 *
 * Messages of family AF_BRIDGE are about a bridge's ports: the link itself stays when one
 * of them says "deleted". They are left out.
 */
#include "netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

struct netlink {
	struct mnl_socket *socket;
	struct link *links;
	struct kernel_address *addresses;
	int changes; /* enum netlink_change, since the last netlink_update() */
	bool stale;  /* messages were lost, and not everything has been read since */
};

static void drop(struct netlink *nl)
{
	struct link *link, *next_link;
	struct kernel_address *address, *next_address;
	LL_FOREACH_SAFE(nl->links, link, next_link)
	free(link);
	LL_FOREACH_SAFE(nl->addresses, address, next_address)
	free(address);
	nl->links = NULL;
	nl->addresses = NULL;
}

static void read_xdp(struct link *link, const struct nlattr *nest)
{
	const struct nlattr *attr;
	link->xdp = false;
	link->xdp_id = 0;
	mnl_attr_for_each_nested(attr, nest)
	{
		if (mnl_attr_get_type(attr) == IFLA_XDP_ATTACHED)
			link->xdp = mnl_attr_get_u8(attr) != XDP_ATTACHED_NONE;
		else if (mnl_attr_get_type(attr) == IFLA_XDP_PROG_ID)
			link->xdp_id = mnl_attr_get_u32(attr);
	}
}

/* Attributes that a message leaves out keep their value. */
static void read_link_attr(struct link *link, const struct nlattr *attr)
{
	switch (mnl_attr_get_type(attr)) {
	case IFLA_IFNAME:
		snprintf(link->name, sizeof(link->name), "%s", mnl_attr_get_str(attr));
		break;
	case IFLA_ADDRESS:
		if (mnl_attr_get_payload_len(attr) == sizeof(link->mac))
			memcpy(&link->mac, mnl_attr_get_payload(attr), sizeof(link->mac));
		break;
	case IFLA_MTU:
		link->mtu = mnl_attr_get_u32(attr);
		break;
	case IFLA_XDP:
		read_xdp(link, attr);
		break;
	}
}

static int note_link(struct netlink *nl, const struct nlmsghdr *message)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	const struct nlattr *attr;
	struct link *link;
	if (info->ifi_family != AF_UNSPEC)
		return MNL_CB_OK;
	nl->changes |= NETLINK_LINKS;
	LL_SEARCH_SCALAR(nl->links, link, ifindex, (uint32_t)info->ifi_index);
	if (message->nlmsg_type == RTM_DELLINK) {
		if (link)
			LL_DELETE(nl->links, link);
		free(link);
		return MNL_CB_OK;
	}
	if (!link) {
		link = calloc(1, sizeof(*link));
		if (!link)
			return MNL_CB_ERROR;
		link->ifindex = info->ifi_index;
		LL_APPEND(nl->links, link);
	}
	link->up = info->ifi_flags & IFF_UP;
	link->carrier = info->ifi_flags & IFF_LOWER_UP;
	link->ethernet = info->ifi_type == ARPHRD_ETHER;
	mnl_attr_for_each(attr, message, sizeof(*info)) read_link_attr(link, attr);
	return MNL_CB_OK;
}

static int note_address(struct netlink *nl, const struct nlmsghdr *message)
{
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(message);
	const struct nlattr *attr;
	struct kernel_address found = {.prefix_len = info->ifa_prefixlen,
				       .ifindex = info->ifa_index};
	bool local = false;
	if (info->ifa_family != AF_INET)
		return MNL_CB_OK;
	/* IFA_ADDRESS is the peer's on a point-to-point link; IFA_LOCAL, where present, is ours. */
	mnl_attr_for_each(attr, message, sizeof(*info))
	{
		int type = mnl_attr_get_type(attr);
		if ((type != IFA_LOCAL && (type != IFA_ADDRESS || local)) ||
		    mnl_attr_get_payload_len(attr) != 4)
			continue;
		memcpy(&found.address, mnl_attr_get_payload(attr), 4);
		local = type == IFA_LOCAL;
	}
	nl->changes |= NETLINK_ADDRESSES;

	struct kernel_address *address;
	LL_FOREACH(nl->addresses, address)
	if (be32_equal(address->address, found.address) && address->ifindex == found.ifindex &&
	    address->prefix_len == found.prefix_len)
		break;
	if (message->nlmsg_type == RTM_DELADDR) {
		if (address)
			LL_DELETE(nl->addresses, address);
		free(address);
	} else if (!address) {
		address = malloc(sizeof(*address));
		if (!address)
			return MNL_CB_ERROR;
		*address = found;
		LL_APPEND(nl->addresses, address);
	}
	return MNL_CB_OK;
}

static int note(const struct nlmsghdr *message, void *arg)
{
	switch (message->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return note_link(arg, message);
	case RTM_NEWADDR:
	case RTM_DELADDR:
		return note_address(arg, message);
	}
	return MNL_CB_OK;
}

static int dump(struct netlink *nl, struct mnl_socket *socket, uint16_t type, unsigned char family)
{
	char buf[32768]; /* a dump's messages are up to 32 KiB: include/linux/netlink.h,
			    NLMSG_GOODSIZE */
	struct nlmsghdr *message = mnl_nlmsg_put_header(buf);
	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	message->nlmsg_seq = type;
	struct rtgenmsg *general = mnl_nlmsg_put_extra_header(message, sizeof(struct ifinfomsg));
	general->rtgen_family = family;
	if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
		return -errno;
	for (int more = MNL_CB_OK; more == MNL_CB_OK;) {
		ssize_t len = mnl_socket_recvfrom(socket, buf, sizeof(buf));
		if (len < 0)
			return -errno;
		more = mnl_cb_run(buf, len, type, mnl_socket_get_portid(socket), note, nl);
		if (more == MNL_CB_ERROR)
			return -errno;
	}
	return 0;
}

static int dump_all(struct netlink *nl)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!socket)
		return -errno;
	int error = mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ? -errno : 0;
	if (!error)
		error = dump(nl, socket, RTM_GETLINK, AF_UNSPEC);
	if (!error)
		error = dump(nl, socket, RTM_GETADDR, AF_INET);
	mnl_socket_close(socket);
	return error;
}

/* A dump that a change interrupted (EINTR) is repeated; if none is whole, nothing changes. */
int netlink_refresh(struct netlink *nl)
{
	struct netlink fresh = {0}, before = *nl;
	int error = -EINTR;
	for (int tries = 0; tries < 10 && error == -EINTR; tries++) {
		drop(&fresh);
		error = dump_all(&fresh);
	}
	if (error) {
		drop(&fresh);
		return error;
	}
	*nl = fresh;
	nl->socket = before.socket;
	nl->stale = before.stale;
	nl->changes = NETLINK_LINKS | NETLINK_ADDRESSES;
	drop(&before);
	return 0;
}

struct netlink *netlink_open(void)
{
	struct netlink *nl = calloc(1, sizeof(*nl));
	int error = ENOMEM;
	if (!nl)
		goto failed;
	nl->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (!nl->socket ||
	    mnl_socket_bind(nl->socket, RTMGRP_LINK | RTMGRP_IPV4_IFADDR, MNL_SOCKET_AUTOPID) < 0) {
		error = errno;
		goto failed;
	}
	error = -netlink_refresh(nl);
	if (!error)
		return nl;
failed:
	netlink_close(nl);
	errno = error;
	return NULL;
}

void netlink_close(struct netlink *nl)
{
	if (!nl)
		return;
	if (nl->socket)
		mnl_socket_close(nl->socket);
	drop(nl);
	free(nl);
}

int netlink_fd(const struct netlink *nl)
{
	return mnl_socket_get_fd(nl->socket);
}

/* Reads the messages that wait. 0, -ENOBUFS: all are read, and some were lost; or -errno. */
static int read_messages(struct netlink *nl)
{
	char buf[32768];
	int lost = 0;
	for (;;) {
		ssize_t len = mnl_socket_recvfrom(nl->socket, buf, sizeof(buf));
		int error = len < 0 ? -errno : 0;
		if (error == -EAGAIN)
			return lost;
		if (error == -EINTR)
			continue;
		if (!error && mnl_cb_run(buf, len, 0, 0, note, nl) == MNL_CB_ERROR)
			error = -ENOBUFS; /* a message we could not keep is a message lost */
		if (error == -ENOBUFS || error == -ENOSPC)
			lost = -ENOBUFS;
		else if (error)
			return error;
	}
}

/*
 * When messages are lost, those that wait are older than what was lost, and until all of
 * them are read the kernel keeps no new ones (NETLINK_S_CONGESTED). So everything is read
 * anew when none waits any more, never before.
 */
int netlink_update(struct netlink *nl)
{
	nl->changes = 0;
	for (;;) {
		int error = read_messages(nl);
		if (error && error != -ENOBUFS)
			return error;
		nl->stale |= error == -ENOBUFS;
		if (!nl->stale)
			return nl->changes;
		error = netlink_refresh(nl);
		if (error)
			return error;
		nl->stale = false;
	}
}

const struct link *netlink_links(const struct netlink *nl)
{
	return nl->links;
}

const struct link *netlink_link(const struct netlink *nl, const char *name)
{
	const struct link *link;
	LL_FOREACH(nl->links, link)
	if (strcmp(link->name, name) == 0)
		return link;
	return NULL;
}

const struct kernel_address *netlink_addresses(const struct netlink *nl)
{
	return nl->addresses;
}

char *netlink_names(const struct netlink *nl, char *buf, size_t size)
{
	const struct link *link;
	size_t len = 0;
	buf[0] = 0;
	LL_FOREACH(nl->links, link)
	{
		int more = snprintf(buf + len, size - len, "%s%s", len ? ", " : "", link->name);
		len += more;
		if (len + 6 > size) {
			snprintf(buf + (len > size - 6 ? size - 6 : len), 6, " ...");
			break;
		}
	}
	return buf;
}
