/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * farend - asks the kernel which interface is the peer of a veth, and looks for a way into
 * its namespace.
 *
 * rtnetlink tells a peer as an ifindex (IFLA_LINK) in a namespace known by a small number
 * that only our namespace uses (IFLA_LINK_NETNSID). Which namespace that is cannot be asked;
 * but of any namespace that we can open, the number can (RTM_GETNSID). So we open what there
 * is: names below /run/netns first, then the namespaces of processes, each once.
 *
 * Its GRO is set by an ethtool request on a socket of that namespace. A socket belongs to
 * the namespace it is made in, whoever uses it: so only making it takes another namespace,
 * and a thread that ends right after goes there in our place.
 */
#include "farend.h"
#include "netns.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define OWN_NAMESPACE (-1)

/* -- asking rtnetlink -- */

static struct mnl_socket *open_netlink(void)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (socket && mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		mnl_socket_close(socket);
		return NULL;
	}
	return socket;
}

/* Sends n and hands the answer to read. 0 or -errno. */
static int ask(struct mnl_socket *socket, struct nlmsghdr *n, mnl_cb_t read, void *arg)
{
	char buf[32768];
	n->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	n->nlmsg_seq = 1;
	if (mnl_socket_sendto(socket, n, n->nlmsg_len) < 0)
		return -errno;
	for (int more = MNL_CB_OK; more == MNL_CB_OK;) {
		ssize_t size = mnl_socket_recvfrom(socket, buf, sizeof(buf));
		if (size < 0)
			return -errno;
		more = mnl_cb_run(buf, size, n->nlmsg_seq, mnl_socket_get_portid(socket), read,
				  arg);
		if (more == MNL_CB_ERROR)
			return -errno;
	}
	return 0;
}

struct link_answer {
	uint32_t peer;
	int nsid;
	bool veth;
	char name[IFNAMSIZ];
};

static int read_kind(const struct nlattr *attr, void *arg)
{
	struct link_answer *answer = arg;
	if (mnl_attr_get_type(attr) == IFLA_INFO_KIND)
		answer->veth = strcmp(mnl_attr_get_str(attr), "veth") == 0;
	return MNL_CB_OK;
}

static int read_link_attr(const struct nlattr *attr, void *arg)
{
	struct link_answer *answer = arg;
	switch (mnl_attr_get_type(attr)) {
	case IFLA_IFNAME:
		snprintf(answer->name, sizeof(answer->name), "%s", mnl_attr_get_str(attr));
		break;
	case IFLA_LINK:
		answer->peer = mnl_attr_get_u32(attr);
		break;
	case IFLA_LINK_NETNSID:
		answer->nsid = (int)mnl_attr_get_u32(attr);
		break;
	case IFLA_LINKINFO:
		return mnl_attr_parse_nested(attr, read_kind, answer);
	}
	return MNL_CB_OK;
}

static int read_link(const struct nlmsghdr *n, void *arg)
{
	return mnl_attr_parse(n, sizeof(struct ifinfomsg), read_link_attr, arg);
}

/* nsid: whose ifindex it is. 0 or -errno. */
static int ask_link(struct mnl_socket *socket, uint32_t ifindex, int nsid,
		    struct link_answer *answer)
{
	char buf[256];
	struct nlmsghdr *n = mnl_nlmsg_put_header(buf);
	*answer = (struct link_answer){.nsid = OWN_NAMESPACE};
	n->nlmsg_type = RTM_GETLINK;
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(n, sizeof(*info));
	info->ifi_index = (int)ifindex;
	if (nsid != OWN_NAMESPACE)
		mnl_attr_put_u32(n, IFLA_TARGET_NETNSID, (uint32_t)nsid);
	return ask(socket, n, read_link, answer);
}

static int read_nsid_attr(const struct nlattr *attr, void *arg)
{
	int *nsid = arg;
	if (mnl_attr_get_type(attr) == NETNSA_NSID)
		*nsid = (int)mnl_attr_get_u32(attr);
	return MNL_CB_OK;
}

static int read_nsid(const struct nlmsghdr *n, void *arg)
{
	return mnl_attr_parse(n, sizeof(struct rtgenmsg), read_nsid_attr, arg);
}

/* What our namespace calls the one open at fd; false: it has no number for it. */
static bool nsid_of(struct mnl_socket *socket, int fd, int *nsid)
{
	char buf[256];
	struct nlmsghdr *n = mnl_nlmsg_put_header(buf);
	*nsid = -1;
	n->nlmsg_type = RTM_GETNSID;
	struct rtgenmsg *general = mnl_nlmsg_put_extra_header(n, sizeof(*general));
	general->rtgen_family = AF_UNSPEC;
	mnl_attr_put_u32(n, NETNSA_FD, (uint32_t)fd);
	return ask(socket, n, read_nsid, nsid) == 0 && *nsid >= 0;
}

/* -- looking through the machine -- */

struct search {
	struct mnl_socket *socket;
	struct farend *ends;
	unsigned n, missing;
	ino_t own;
	ino_t *seen; /* namespaces looked at */
	size_t n_seen, size;
};

/* False: it was seen before. */
static bool note_seen(struct search *search, ino_t inode)
{
	for (size_t i = 0; i < search->n_seen; i++)
		if (search->seen[i] == inode)
			return false;
	if (search->n_seen == search->size) {
		size_t size = search->size * 2 + 64;
		ino_t *seen = realloc(search->seen, size * sizeof(*seen));
		if (!seen)
			return true; /* looked at more than once, then */
		search->seen = seen;
		search->size = size;
	}
	search->seen[search->n_seen++] = inode;
	return true;
}

/* name: in a form of netns.h. */
static void look_at(struct search *search, const char *name)
{
	int nsid = OWN_NAMESPACE;
	char path[512];
	struct stat st;
	if (strlen(name) >= sizeof(search->ends->netns) || !netns_path(name, path, sizeof(path)) ||
	    stat(path, &st) < 0 || !note_seen(search, st.st_ino))
		return;
	if (st.st_ino != search->own) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		bool known = fd >= 0 && nsid_of(search->socket, fd, &nsid);
		if (fd >= 0)
			close(fd);
		if (!known)
			return;
	}
	for (unsigned i = 0; i < search->n; i++) {
		struct farend *end = &search->ends[i];
		if (!end->ifindex || *end->netns || end->nsid != nsid)
			continue;
		memcpy(end->netns, name, strlen(name) + 1);
		search->missing--;
	}
}

static void look_through(struct search *search, const char *directory, const char *prefix)
{
	DIR *dir = opendir(directory);
	const struct dirent *entry;
	while (dir && search->missing && (entry = readdir(dir))) {
		char name[sizeof(entry->d_name) + 8];
		snprintf(name, sizeof(name), "%s%s", prefix, entry->d_name);
		look_at(search, name); /* not of a form of netns.h, such as "pid:self": no path */
	}
	if (dir)
		closedir(dir);
}

/* The peer's ifindex, number of its namespace, and name; ifindex stays 0 without one. */
static void find_peer(struct mnl_socket *socket, struct farend *end)
{
	struct link_answer near, far;
	*end = (struct farend){.near = end->near, .nsid = OWN_NAMESPACE};
	if (ask_link(socket, end->near, OWN_NAMESPACE, &near) < 0 || !near.veth || !near.peer)
		return;
	end->ifindex = near.peer;
	end->nsid = near.nsid;
	if (ask_link(socket, near.peer, near.nsid, &far) == 0)
		memcpy(end->name, far.name, sizeof(end->name));
}

void farend_find(struct farend *ends, unsigned n)
{
	struct search search = {.socket = open_netlink(), .ends = ends, .n = n};
	search.own = netns_inode();
	for (unsigned i = 0; i < n; i++) {
		if (search.socket)
			find_peer(search.socket, &ends[i]);
		search.missing += ends[i].ifindex != 0;
	}
	look_through(&search, "/run/netns", "");
	look_through(&search, "/proc", "pid:");
	free(search.seen);
	if (search.socket)
		mnl_socket_close(search.socket);
}

/* -- GRO there -- */

/* A descriptor of the namespace of end, which is still the one that was found, or -errno. */
static int open_netns(const struct farend *end)
{
	char path[512];
	struct stat st;
	if (!*end->netns || !netns_path(end->netns, path, sizeof(path)))
		return -ENOENT;
	int fd = open(path, O_RDONLY | O_CLOEXEC), nsid;
	if (fd < 0)
		return -errno;
	struct mnl_socket *socket = open_netlink();
	bool same = end->nsid == OWN_NAMESPACE
			    ? fstat(fd, &st) == 0 && st.st_ino == netns_inode()
			    : socket && nsid_of(socket, fd, &nsid) && nsid == end->nsid;
	if (socket)
		mnl_socket_close(socket);
	if (same)
		return fd;
	close(fd);
	return -ENOENT;
}

struct errand {
	int netns_fd, socket_fd; /* or -errno */
};

static void *make_socket(void *arg)
{
	struct errand *errand = arg;
	errand->socket_fd = setns(errand->netns_fd, CLONE_NEWNET) < 0
				    ? -1
				    : socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (errand->socket_fd < 0)
		errand->socket_fd = -errno;
	return NULL;
}

/* A socket in the namespace of end, or -errno. */
static int open_socket(const struct farend *end)
{
	struct errand errand = {.netns_fd = open_netns(end)};
	pthread_t thread;
	if (errand.netns_fd < 0)
		return errand.netns_fd;
	int error = pthread_create(&thread, NULL, make_socket, &errand);
	if (!error)
		pthread_join(thread, NULL);
	close(errand.netns_fd);
	return error ? -error : errand.socket_fd;
}

/* An ethtool request about GRO at end: 0 or -errno. */
static int request_gro(const struct farend *end, struct ethtool_value *value)
{
	struct ifreq ifr = {.ifr_ifindex = (int)end->ifindex};
	int fd = open_socket(end), code = 0;
	if (fd < 0)
		return fd;
	if (ioctl(fd, SIOCGIFNAME, &ifr) < 0) { /* it may have another name by now */
		code = -errno;
	} else {
		ifr.ifr_data = (char *)value;
		if (ioctl(fd, SIOCETHTOOL, &ifr) < 0)
			code = -errno;
	}
	close(fd);
	return code;
}

int farend_gro(const struct farend *end)
{
	struct ethtool_value value = {.cmd = ETHTOOL_GGRO};
	int code = request_gro(end, &value);
	return code ? code : value.data != 0;
}

int farend_set_gro(const struct farend *end, bool on)
{
	struct ethtool_value value = {.cmd = ETHTOOL_SGRO, .data = on};
	return request_gro(end, &value);
}

/* -- in words -- */

static const char *name_of(const struct farend *end)
{
	return *end->name ? end->name : "IFACE";
}

/* Nobody goes anywhere to reach the namespace that the machine, or the container, began with. */
static bool is_first(const struct farend *end)
{
	return strcmp(end->netns, "pid:1") == 0;
}

char *farend_place(const struct farend *end, char *buf, size_t size)
{
	bool plain = !*end->netns || is_first(end);
	snprintf(buf, size, "%s%s%s", plain ? "" : end->netns, plain ? "" : ":", name_of(end));
	return buf;
}

char *farend_command(const struct farend *end, char *buf, size_t size)
{
	const char *name = name_of(end);
	if (!*end->netns || is_first(end))
		snprintf(buf, size, "ethtool -K %s gro on", name);
	else if (strncmp(end->netns, "pid:", 4) == 0)
		snprintf(buf, size, "nsenter -t %s -n ethtool -K %s gro on", end->netns + 4, name);
	else
		snprintf(buf, size, "ip netns exec %s ethtool -K %s gro on", end->netns, name);
	return buf;
}
