/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * layout - finding a datagram in a frame: past up to two VLAN tags, by the ethertype, and as
 * long as its own header says, which may be less than the frame (padding, RFC 894).
 */
#include "layout.h"

enum { ETH_VLAN_AD = 0x88a8 }; /* IEEE 802.1ad: the outer of two tags */
enum { TAGS_MAX = 2 };

struct vlan_tag {
	be16 control, type;
} wire_header;
static_assert(sizeof(struct vlan_tag) == 4, "IEEE 802.1Q 9.6");

static bool parse_ip4(const struct packet *p, uint32_t at, struct layout *l)
{
	const struct ip4_hdr *h = (const struct ip4_hdr *)(p->data + at);

	if (p->len - at < sizeof(*h) || ip4_version(h) != 4 || ip4_header_len(h) < sizeof(*h) ||
	    at + ip4_header_len(h) > p->len || ip4_header_len(h) > be16_host(h->total_len) ||
	    be16_host(h->total_len) > packet_len(p) - at)
		return false;
	*l = (struct layout){
		.header = at,
		.start = at + ip4_header_len(h),
		.end = at + be16_host(h->total_len),
		.addresses = at + (uint32_t)offsetof(struct ip4_hdr, src),
		.addresses_len = sizeof(h->src) + sizeof(h->dst),
		.protocol = h->protocol,
		.fragment = ip4_is_fragment(h),
	};
	return true;
}

static bool parse_ip6(const struct packet *p, uint32_t at, struct layout *l)
{
	const struct ip6_hdr *h = (const struct ip6_hdr *)(p->data + at);

	if (p->len - at < sizeof(*h) || be32_host(h->version_class_flow) >> 28 != 6 ||
	    be16_host(h->payload_len) > packet_len(p) - at - sizeof(*h))
		return false;
	*l = (struct layout){
		.header = at,
		.start = at + (uint32_t)sizeof(*h),
		.end = at + (uint32_t)sizeof(*h) + be16_host(h->payload_len),
		.addresses = at + (uint32_t)offsetof(struct ip6_hdr, src),
		.addresses_len = sizeof(h->src) + sizeof(h->dst),
		.protocol = h->next_header,
	};
	return true;
}

bool layout_find(const struct packet *p, struct layout *l)
{
	uint32_t at = sizeof(struct eth_hdr);

	if (p->len < at)
		return false;
	be16 type = packet_eth(p)->type;
	for (unsigned tags = 0; tags < TAGS_MAX; tags++) {
		const struct vlan_tag *tag = (const struct vlan_tag *)(p->data + at);
		if (be16_host(type) != ETH_VLAN && be16_host(type) != ETH_VLAN_AD)
			break;
		if (p->len - at < sizeof(*tag))
			return false;
		type = tag->type;
		at += (uint32_t)sizeof(*tag);
	}
	switch (be16_host(type)) {
	case ETH_IPV4:
		return parse_ip4(p, at, l);
	case ETH_IPV6:
		return parse_ip6(p, at, l);
	}
	*l = (struct layout){.start = at, .end = packet_len(p)};
	return true;
}
