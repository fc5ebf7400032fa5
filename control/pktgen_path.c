/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pktgen_path - what pktgen does not find out by itself. The kernel's own routes say who the
 * next hop is; if it is not a neighbour yet, a datagram to the discard port makes it one.
 */
#include "farend.h"
#include "pktgen.h"
#include "process.h"

#include <errno.h>
#include <jansson.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define IP_TIMEOUT_MS 5000
#define DISCARD_PORT  9 /* RFC 863 */
#define RESOLVE_MS    3000
#define RESOLVE_POLL  50 /* milliseconds */

/* The first row that `ip -j ...` prints, a new reference, or NULL with *why. */
static json_t *ask_ip(char *const argv[], struct refusal *why)
{
	struct process_options options = {0};
	struct process_result result;
	int error = process_run(argv, &options, IP_TIMEOUT_MS, -1, &result);
	const char *said = result.err.text ? result.err.text : "no reason given";
	json_t *rows = NULL, *row = NULL;

	if (error)
		refusal_set(why, REFUSED_MACHINE, "pktgen needs ip: %s; apt-get install iproute2",
			    strerror(-error));
	else if (result.status)
		refusal_set(why, REFUSED_FAILED, "ip: %.*s", (int)strcspn(said, "\n"), said);
	else
		rows = json_loads(result.out.text ? result.out.text : "[]", 0, NULL);
	row = json_incref(json_array_get(rows, 0));
	if (!error && !result.status && !row)
		refusal_set(why, REFUSED_FAILED, "ip says nothing");
	json_decref(rows);
	process_result_fini(&result);
	return row;
}

static bool read_address(const json_t *row, const char *key, be32 *address)
{
	const char *text = json_string_value(json_object_get(row, key));
	return text && config_parse_address(text, address);
}

static int find_next_hop(const char *interface, be32 to, struct pktgen_path *path,
			 struct refusal *why)
{
	char address[18];
	char *argv[] = {"ip", "-j", "-4", "route", "get", config_format_address(to, address), NULL};
	struct refusal none;
	json_t *row = ask_ip(argv, &none);
	const char *dev = json_string_value(json_object_get(row, "dev"));
	int code = 0;

	if (!row)
		return refusal_set(why, REFUSED_FAILED,
				   "no way to %s: %s; `ip route add default via ADDRESS` in the "
				   "namespace of %s",
				   address, none.text, interface);
	if (!dev || strcmp(dev, interface))
		code = refusal_set(why, REFUSED_CONFIG, "%s is sent by %s, not by %s; -i %s",
				   address, dev ? dev : "nobody", interface, dev ? dev : "?");
	if (!read_address(row, "gateway", &path->next_hop))
		path->next_hop = to;
	if (!code && !read_address(row, "prefsrc", &path->from))
		code = refusal_set(why, REFUSED_CONFIG, "%s has no address to send from",
				   interface);
	json_decref(row);
	return code;
}

static void send_datagram(be32 to)
{
	const struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons(DISCARD_PORT), .sin_addr.s_addr = to.raw};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	sendto(fd, "", 0, 0, (const struct sockaddr *)&address, sizeof(address));
	close(fd);
}

static bool read_neighbour(const char *interface, char *next_hop, struct mac *mac)
{
	char *argv[] = {"ip", "-j",	"-4",  "neigh",		  "show",
			"to", next_hop, "dev", (char *)interface, NULL};
	struct refusal why;
	json_t *row = ask_ip(argv, &why);
	const char *text = json_string_value(json_object_get(row, "lladdr"));
	bool ok = text && config_parse_mac(text, mac);

	json_decref(row);
	return ok;
}

int pktgen_find_path(const char *interface, be32 to, struct pktgen_path *path, struct refusal *why)
{
	uint64_t deadline_ms = process_now_ms() + RESOLVE_MS;
	char next_hop[18];

	*path = (struct pktgen_path){0};
	if (!if_nametoindex(interface))
		return refusal_set(why, REFUSED_CONFIG,
				   "there is no interface %s here; `ip link` lists them, and -n "
				   "NETNS chooses a namespace",
				   interface);
	if (find_next_hop(interface, to, path, why))
		return -1;
	config_format_address(path->next_hop, next_hop);
	for (bool asked = false; !read_neighbour(interface, next_hop, &path->mac); asked = true) {
		if (!asked)
			send_datagram(to);
		if (process_now_ms() > deadline_ms)
			return refusal_set(why, REFUSED_FAILED,
					   "%s does not answer ARP at %s; is the router running?",
					   next_hop, interface);
		process_sleep_ms(RESOLVE_POLL);
	}
	return 0;
}

/* -- generic XDP -- */

static int read_mode(const struct nlattr *attr, void *arg)
{
	if (mnl_attr_get_type(attr) == IFLA_XDP_ATTACHED)
		*(uint8_t *)arg = mnl_attr_get_u8(attr);
	return MNL_CB_OK;
}

static int read_link_attr(const struct nlattr *attr, void *arg)
{
	if ((mnl_attr_get_type(attr) & NLA_TYPE_MASK) == IFLA_XDP)
		return mnl_attr_parse_nested(attr, read_mode, arg);
	return MNL_CB_OK;
}

static int read_link(const struct nlmsghdr *n, void *arg)
{
	return mnl_attr_parse(n, sizeof(struct ifinfomsg), read_link_attr, arg);
}

/* XDP_ATTACHED_NONE ... of an interface in a namespace that ours knows as nsid; -1: ours. */
static int ask_mode(uint32_t ifindex, int nsid, uint8_t *mode)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	char buf[32768];
	struct nlmsghdr *n = mnl_nlmsg_put_header(buf);
	ssize_t size = -1;

	*mode = XDP_ATTACHED_NONE;
	n->nlmsg_type = RTM_GETLINK;
	n->nlmsg_flags = NLM_F_REQUEST;
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(n, sizeof(*info));
	info->ifi_index = (int)ifindex;
	if (nsid >= 0)
		mnl_attr_put_u32(n, IFLA_TARGET_NETNSID, (uint32_t)nsid);
	if (socket && mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == 0 &&
	    mnl_socket_sendto(socket, n, n->nlmsg_len) > 0)
		size = mnl_socket_recvfrom(socket, buf, sizeof(buf));
	int code = size > 0 && mnl_cb_run(buf, (size_t)size, 0, 0, read_link, mode) >= 0 ? 0 : -1;
	if (socket)
		mnl_socket_close(socket);
	return code;
}

static int check_mode(uint32_t ifindex, int nsid, const char *place, struct refusal *why)
{
	uint8_t mode;

	if (ask_mode(ifindex, nsid, &mode))
		return refusal_set(why, REFUSED_FAILED,
				   "whether generic XDP runs at %s cannot be told: %s", place,
				   strerror(errno));
	if (mode != XDP_ATTACHED_SKB && mode != XDP_ATTACHED_MULTI)
		return 0;
	return refusal_set(why, REFUSED_FAILED,
			   "an XDP program is attached to %s in generic mode: pktgen's frames can "
			   "panic the kernel there; attach it in native mode (`xdp: native` on the "
			   "port of a tsuji), or remove it",
			   place);
}

int pktgen_check_xdp(const char *interface, struct refusal *why)
{
	struct farend end = {.near = if_nametoindex(interface)};
	char place[160];

	if (check_mode(end.near, -1, interface, why))
		return -1;
	farend_find(&end, 1);
	if (!end.ifindex)
		return 0;
	snprintf(place, sizeof(place), "%s%s%s", end.netns, *end.netns ? ":" : "the far end of ",
		 *end.netns ? end.name : interface);
	return check_mode(end.ifindex, end.nsid, place, why);
}
