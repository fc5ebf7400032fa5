/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * eth - room 2: whether a frame is for this port, and which room its contents belong to.
 *
 * Frames on a bridge's ports go to the bridge, whatever they are. On a routed port its own MAC, broadcast and every group address pass; the gate has already left to
 * the kernel what is not ours on a routed port, so another station's frame is rare here
 * (a promiscuous port, a peer with a stale neighbour). VLAN tags are not ours: such frames
 * are other ethertypes and go to the kernel. A large packet is looked into here, so that every
 * room behind can rely on what it says of itself.
 */
#include "eth.h"

#include "segment.h"

/* A whole IPv4 datagram behind two VLAN tags. */
enum { LARGE_MAX = sizeof(struct eth_hdr) + 2 * 4 + 65535 };

/* Whether the rooms and lanes can carry it. */
static enum verdict judge_large(struct packet *p)
{
	if (packet_len(p) > LARGE_MAX || (p->rest && p->len < PACKET_HEAD_MIN))
		return DROP_FRAME_SIZE;
	return p->gso_size && !segment_check(p) ? DROP_GSO : TO_ETH;
}

static enum verdict next_room(const struct eth_hdr *eth)
{
	switch (be16_host(eth->type)) {
	case ETH_IPV4:
		return TO_IP4;
	case ETH_ARP:
		return TO_ARP;
	}
	return PUNTED;
}

static enum verdict judge(const struct port_table *ports, struct packet *p)
{
	if (unlikely(p->len < sizeof(struct eth_hdr)))
		return DROP_ETH_SHORT;
	const struct port *port = port_get(ports, p->port_in);
	if (unlikely(!port))
		return DROP_PORT_DOWN; /* it vanished while the frame was in its ring */
	if (unlikely(packet_is_large(p))) {
		enum verdict v = judge_large(p);
		if (v != TO_ETH)
			return v;
	}
	if (port->bridge != PORT_NONE)
		return TO_BRIDGE;
	const struct eth_hdr *eth = packet_eth(p);
	if (mac_is_group(eth->dst))
		p->flags |= PACKET_LINK_GROUP;
	else if (unlikely(!mac_equal(eth->dst, port->mac)))
		return DROP_ETH_NOT_OURS;
	return next_room(eth);
}

void eth_input(const struct port_table *ports, const struct vector *v)
{
	for (unsigned i = 0; i < v->n; i++)
		v->p[i]->verdict = (uint8_t)judge(ports, v->p[i]);
}
