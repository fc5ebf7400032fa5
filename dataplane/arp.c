/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arp - the ARP room: answers for the port's addresses, notes who says where they are,
 * and writes the requests that the neighbour table asks for.
 *
 * A packet is judged in this order: its form; whether the kernel alone is meant, which
 * then judges the sender by its own addresses; the sender; a claim to an address of ours;
 * and only then what it asks or says. Whatever we send is written by one function, in
 * place, and is 42 bytes long: padding of what arrived is not ours to send on.
 *
 * Not done here: deciding when to ask (neigh), and sending (egress).
 */
#include "arp.h"

#define ARP_FRAME_SIZE (sizeof(struct eth_hdr) + sizeof(struct arp_hdr))

/* RFC 5227 1.1, DEFEND_INTERVAL: two stations that both defend must not fill the link. */
#define DEFEND_INTERVAL_NS (10 * NS_PER_S)

struct room {
	const struct port_table *ports;
	struct neigh_table *neigh;
	struct stats *stats;
	struct arp_state *state;
	uint64_t now_ns;
};

static struct arp_hdr *packet_arp(const struct packet *p)
{
	return (struct arp_hdr *)(p->data + sizeof(struct eth_hdr));
}

/* -- what it is ------------------------------------------------------------------- */

/* TO_ARP: well formed. */
static enum verdict check_form(const struct packet *p)
{
	const struct arp_hdr *arp = packet_arp(p);

	if (p->len < ARP_FRAME_SIZE)
		return DROP_ARP_SHORT;
	if (be16_host(arp->hardware) != ARP_ETHERNET || be16_host(arp->protocol) != ETH_IPV4 ||
	    arp->hardware_len != sizeof(struct mac) || arp->protocol_len != sizeof(be32))
		return DROP_ARP_FORMAT;
	if (be16_host(arp->operation) != ARP_REQUEST && be16_host(arp->operation) != ARP_REPLY)
		return DROP_ARP_OPERATION;
	return TO_ARP;
}

static bool is_request(const struct arp_hdr *arp)
{
	return be16_host(arp->operation) == ARP_REQUEST;
}

/* RFC 5227 1.1: "is this address in use?", from a station that has none yet. */
static bool is_probe(const struct arp_hdr *arp)
{
	return is_request(arp) && be32_is_zero(arp->sender);
}

/* RFC 5227 1.1: "this address is mine"; older texts say gratuitous ARP. */
static bool is_announcement(const struct arp_hdr *arp)
{
	return be32_equal(arp->sender, arp->target) && !be32_is_zero(arp->sender);
}

/* -- whose it is ------------------------------------------------------------------ */

/* We answer for it, on this port. */
static bool is_own(const struct room *room, const struct port *port, be32 address)
{
	const struct local *l = port_local(room->ports, address);
	return l && l->tsuji && !l->broadcast && l->port == port->number;
}

static bool is_kernels_only(const struct room *room, be32 address)
{
	const struct local *l = port_local(room->ports, address);
	return l && l->kernel && !l->tsuji && !l->broadcast;
}

/* The kernel talks to this port's subnets too, and needs to hear who is where. */
static bool kernel_shares(const struct room *room, const struct port *port)
{
	for (unsigned i = 0; i < port->n_addresses; i++) {
		const struct local *l = port_local(room->ports, port->addresses[i].address);
		if (l && l->kernel)
			return true;
	}
	return false;
}

static bool is_port_mac(const struct port_table *ports, struct mac mac)
{
	for (unsigned i = 0; i < ports->n_ports; i++)
		if (ports->ports[i] && mac_equal(ports->ports[i]->mac, mac))
			return true;
	return false;
}

/* May this sender say anything here? RFC 1812 3.3.2: never believe a group address. */
static bool sender_is_sound(const struct room *room, const struct port *port,
			    const struct packet *p)
{
	const struct arp_hdr *arp = packet_arp(p);

	if (mac_is_zero(arp->sender_mac) || mac_is_group(arp->sender_mac) ||
	    is_port_mac(room->ports, arp->sender_mac))
		return false;
	if (be32_is_zero(arp->sender))
		return is_probe(arp);
	unsigned first = be32_host(arp->sender) >> 24;
	if (first == 0 || first == 127 || first >= 224) /* RFC 1812 5.3.7: nobody's */
		return false;
	/* Any other address of ours, the kernel's, or a subnet's broadcast. */
	return is_own(room, port, arp->sender) || !port_local(room->ports, arp->sender);
}

/* -- what we say ------------------------------------------------------------------ */

struct arp_say {
	uint16_t operation;
	struct mac to; /* the frame's destination */
	be32 sender;
	struct mac target_mac;
	be32 target;
};

/* Writes all 42 bytes; they leave by port. */
static void arp_write(struct packet *p, const struct port *port, const struct arp_say *say)
{
	*packet_eth(p) = (struct eth_hdr){
		.dst = say->to,
		.src = port->mac,
		.type = be16_from(ETH_ARP),
	};
	*packet_arp(p) = (struct arp_hdr){
		.hardware = be16_from(ARP_ETHERNET),
		.protocol = be16_from(ETH_IPV4),
		.hardware_len = sizeof(struct mac),
		.protocol_len = sizeof(be32),
		.operation = be16_from(say->operation),
		.sender_mac = port->mac,
		.sender = say->sender,
		.target_mac = say->target_mac,
		.target = say->target,
	};
	p->len = ARP_FRAME_SIZE;
	p->decision.port_out = port->number;
}

static enum verdict answer(const struct room *room, const struct port *port, struct packet *p)
{
	const struct arp_hdr *arp = packet_arp(p);
	struct arp_say say = {
		.operation = ARP_REPLY,
		.to = arp->sender_mac,
		.sender = arp->target,
		.target_mac = arp->sender_mac,
		.target = arp->sender,
	};

	arp_write(p, port, &say);
	count_add(&room->stats->arp_replies, 1);
	return TO_EGRESS;
}

/* Somebody uses an address of ours: say whose it is, but not too often. */
static enum verdict defend(const struct room *room, const struct port *port, struct packet *p)
{
	be32 address = packet_arp(p)->sender;
	uint64_t *last_ns = &room->state->defended_ns[port->number];

	if (*last_ns && room->now_ns - *last_ns < DEFEND_INTERVAL_NS)
		return DROP_ARP_CONFLICT;
	*last_ns = room->now_ns;
	arp_announce(port, p, address);
	count_add(&room->stats->arp_requests, 1);
	return TO_EGRESS;
}

/* -- what we do about it ---------------------------------------------------------- */

static void learn(const struct room *room, const struct port *port, const struct arp_hdr *arp,
		  enum neigh_evidence evidence)
{
	neigh_learn(room->neigh, port->number, arp->sender, arp->sender_mac, evidence,
		    room->now_ns);
}

/* Worth remembering: only addresses of the port's subnets are ever next hops there. */
static bool is_neighbour(const struct port *port, const struct arp_hdr *arp)
{
	return port_subnet_of(port, arp->sender);
}

static enum verdict take_request(const struct room *room, const struct port *port, struct packet *p)
{
	const struct arp_hdr *arp = packet_arp(p);
	bool ours = is_own(room, port, arp->target);

	if (is_neighbour(port, arp))
		learn(room, port, arp, ours ? NEIGH_ASKED_US : NEIGH_HEARD);
	if (ours)
		return answer(room, port, p);
	if (!is_neighbour(port, arp) && !is_probe(arp))
		return DROP_ARP_SENDER;
	if (is_announcement(arp) && kernel_shares(room, port))
		return PUNTED;
	/* On a bridge the request itself went to everyone; only our copy of it ends here. */
	return port_is_leg(port) && p->flags & PACKET_LINK_GROUP ? TAKEN : DROP_ARP_NOT_OURS;
}

static enum verdict take_reply(const struct room *room, const struct port *port,
			       const struct packet *p)
{
	const struct arp_hdr *arp = packet_arp(p);
	bool to_us = is_own(room, port, arp->target) && mac_equal(packet_eth(p)->dst, port->mac);

	if (!is_neighbour(port, arp))
		return DROP_ARP_SENDER;
	learn(room, port, arp, to_us ? NEIGH_REPLY : NEIGH_HEARD);
	return kernel_shares(room, port) ? PUNTED : TAKEN;
}

static enum verdict take(const struct room *room, struct packet *p)
{
	const struct port *port = port_get(room->ports, p->port_in);
	const struct arp_hdr *arp = packet_arp(p);

	if (!port)
		return DROP_PORT_DOWN;
	enum verdict form = check_form(p);
	if (form != TO_ARP)
		return form;
	if (is_kernels_only(room, arp->target))
		return PUNTED;
	if (!sender_is_sound(room, port, p))
		return DROP_ARP_SENDER;
	if (is_own(room, port, arp->sender))
		return defend(room, port, p);
	return is_request(arp) ? take_request(room, port, p) : take_reply(room, port, p);
}

void arp_input(const struct port_table *ports, struct neigh_table *neigh, struct stats *stats,
	       struct arp_state *state, const struct vector *v, uint64_t now_ns)
{
	struct room room = {ports, neigh, stats, state, now_ns};

	for (unsigned i = 0; i < v->n; i++)
		v->p[i]->verdict = (uint8_t)take(&room, v->p[i]);
}

bool arp_request(const struct port *port, struct packet *p, be32 address, struct mac mac)
{
	if (!port->n_addresses)
		return false;
	const struct port_address *subnet = port_subnet_of(port, address);
	struct arp_say say = {
		.operation = ARP_REQUEST,
		.to = mac,
		.sender = subnet ? subnet->address : port->addresses[0].address,
		.target = address,
	};

	arp_write(p, port, &say);
	p->verdict = TO_EGRESS;
	return true;
}

void arp_announce(const struct port *port, struct packet *p, be32 address)
{
	struct arp_say say = {
		.operation = ARP_REQUEST,
		.to = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
		.sender = address,
		.target = address,
	};

	arp_write(p, port, &say);
	p->verdict = TO_EGRESS;
}
