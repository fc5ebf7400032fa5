/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * netlink.h - the kernel's interfaces and IPv4 addresses, followed live: what
 * rtnetlink(7) says about the namespace in which netlink_open() was called.
 *
 * Thread: control's. Pointers into the lists are good until the next netlink_update().
 */
#ifndef TSUJI_NETLINK_H
#define TSUJI_NETLINK_H

#include "../dataplane/wire.h"

#define LINK_NAME_SIZE 16 /* IFNAMSIZ */

struct link {
	uint32_t ifindex;
	char name[LINK_NAME_SIZE];
	struct mac mac;
	uint32_t mtu;
	bool up; /* administratively */
	bool carrier;
	bool ethernet;   /* frames have an Ethernet header: XDP and ARP make sense */
	bool xdp;        /* an XDP program is attached */
	uint32_t xdp_id; /* its number, 0 if not told */
	struct link *next;
};

struct kernel_address {
	be32 address;
	uint8_t prefix_len;
	uint32_t ifindex;
	struct kernel_address *next;
};

struct netlink;

/* Subscribes, then reads what there is. NULL with errno. */
struct netlink *netlink_open(void);
void netlink_close(struct netlink *netlink);
int netlink_fd(const struct netlink *netlink);

enum netlink_change { NETLINK_LINKS = 1, NETLINK_ADDRESSES = 2 };
/*
 * Reads every message that waits, never blocks; if the kernel had to drop some, reads
 * everything anew. Returns what may have changed, or -errno.
 */
int netlink_update(struct netlink *netlink);
/* Reads everything anew: XDP programs come and go without a message. 0 or -errno. */
int netlink_refresh(struct netlink *netlink);

const struct link *netlink_links(const struct netlink *netlink);
const struct link *netlink_link(const struct netlink *netlink, const char *name); /* NULL: none */
const struct kernel_address *netlink_addresses(const struct netlink *netlink);
/* The names of all interfaces into buf, which is returned: "lo, eth0 ..." if there are more. */
char *netlink_names(const struct netlink *netlink, char *buf, size_t size);

#endif
