/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * port.h - the ports of the router and the addresses it answers to, as one published table.
 *
 * Control builds a struct port_table, publishes it (epoch.h) and frees the old one after
 * a grace period; to workers it is constant. A port keeps its number for as long as it
 * exists, so counters and frames can be named by it.
 */
#ifndef TSUJI_PORT_H
#define TSUJI_PORT_H

#include "io.h"
#include "packet.h"

#define PORT_NAME_SIZE 16 /* IFNAMSIZ */

struct port_address {
	be32 address;
	uint8_t prefix_len;
};

enum port_flag {
	PORT_NO_LEARNING = 1 << 0, /* `learning: off`: sources are not noted here */
	PORT_NO_FLOOD = 1 << 1,    /* `flood: off`: unknown unicast does not leave here (broadcast and multicast do) */
	PORT_ISOLATED = 1 << 2,    /* `isolated: on`: nothing to or from another isolated port */
};

struct port {
	char name[PORT_NAME_SIZE];
	uint16_t number;  /* its place in port_table.ports, and in every counter */
	uint16_t mtu;     /* largest IPv4 datagram */
	struct mac mac;
	bool up;          /* has a socket, is administratively up and has carrier */
	uint32_t ifindex;
	struct io *io;    /* NULL while it is down; owned by control, used by the worker */
	unsigned n_addresses;
	const struct port_address *addresses; /* of the router file, primary first */

	/* Bridges. A bridge is a port too, its leg: no wire, but members. */
	uint16_t bridge;          /* a member: the number of its bridge's leg; else PORT_NONE */
	uint16_t mirror;          /* a copy of all that enters or leaves goes to that port, or PORT_NONE */
	uint8_t flags;            /* enum port_flag */
	uint16_t n_members;
	const uint16_t *members;  /* a leg: the numbers of its ports, ascending; else NULL */
};

/* A bridge's leg rather than a port with a wire. Its mac is the bridge's, its mtu the least of its members', and it is up while one of them is. */
static inline bool port_is_leg(const struct port *port) { return port->members != NULL; }

/* Whether a TCP checksum may be left open for its io. */
static inline bool port_completes(const struct port *port)
{
	return port && port->io && port->io->ops->completes;
}

/* Whether its MTU lets a frame of that length leave: with room for a VLAN tag, as in Linux. */
static inline bool port_carries(const struct port *port, uint32_t frame_len)
{
	enum { TAG = 4 };

	return frame_len <= port->mtu + sizeof(struct eth_hdr) + TAG;
}

/*
 * Whether a frame flooded by member from (NULL: by the leg) leaves by member to: the one
 * rule for rooms bridge and egress. group: its destination is a group address. A port that
 * loop guard has blocked is not known here.
 */
static inline bool bridge_floods_to(const struct port *from, const struct port *to,
				    const struct packet *p, bool group)
{
	if (to == from || !to->up || (!group && to->flags & PORT_NO_FLOOD))
		return false;
	if (from && from->flags & to->flags & PORT_ISOLATED)
		return false;
	return port_carries(to, packet_wire_len(p));
}

/* An address that packets can be sent to at this router. */
struct local {
	be32 address;
	uint16_t port;      /* where it is configured */
	bool tsuji : 1;     /* in the router file: we answer ARP and echo requests for it */
	bool kernel : 1;    /* the kernel has it: what we do not answer is punted */
	bool broadcast : 1; /* the broadcast address of a connected subnet, not an address of ours */
};

struct port_table {
	struct port *ports[PORT_MAX]; /* NULL: no such port */
	unsigned n_ports;             /* highest number in use, plus one */
	unsigned n_locals, locals_mask;
	struct local *locals; /* open addressing; a zero address is an empty place */
};

/* The slot a local address hashes to; the set is small and ours, so the hash is not keyed. */
static inline unsigned port_local_hash(be32 address)
{
	return (address.raw * 2654435769u) >> 16;
}

/* What address is to this router, or NULL. Cost: usually one load. */
static inline const struct local *port_local(const struct port_table *t, be32 address)
{
	for (unsigned i = port_local_hash(address);; i++) {
		const struct local *l = &t->locals[i & t->locals_mask];
		if (be32_equal(l->address, address))
			return be32_is_zero(address) ? NULL : l;
		if (be32_is_zero(l->address))
			return NULL;
	}
}

static inline struct port *port_get(const struct port_table *t, uint16_t number)
{
	return number < t->n_ports ? t->ports[number] : NULL;
}

/* The address of port whose subnet holds address, or NULL. */
static inline const struct port_address *port_subnet_of(const struct port *port, be32 address)
{
	for (unsigned i = 0; i < port->n_addresses; i++)
		if (ip4_in_prefix(address, port->addresses[i].address, port->addresses[i].prefix_len))
			return &port->addresses[i];
	return NULL;
}

/* An empty table with room for n_locals addresses, or NULL. */
struct port_table *port_table_new(unsigned n_locals);
/* Frees the table and the locals; the ports stay with whoever made them. */
void port_table_free(struct port_table *table);
/* Adds an address, or joins what is known of it: at most n_locals different ones. */
void port_table_add_local(struct port_table *table, struct local local);

#endif
