/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_pipeline - any bytes as frames through the whole pipeline. The oracles: both sums
 * of the house (pipeline_balanced) after every turn, nothing leaves untranslated that a
 * rule translates, and whatever ASan and UBSan find.
 *
 * Input: records of port and choices (1 byte), length (2 bytes), frame; a zero length lets
 * time pass instead. A frame of several parts or segments begins with struct large.
 */
#include "../unit/world.h"

#include "../../bpf/shared.h"
#include "../../dataplane/csum.h"

#include <stdlib.h>

/* r0's subnet is hidden behind r1's address; a service inside; and a stateful filter. */
static struct nat_rule nat_rules[] = {
	{.action = NAT_MASQUERADE, .out = 1, .in = PORT_NONE, .from = {{0x0001a8c0}, 24}},
	{.action = NAT_DNAT, .out = PORT_NONE, .in = 1, .protocol = PROTO_UDP, .ports = {0, 0xff},
	 .to_first = {0x0201a8c0}, .to_last = {0x0201a8c0}},
};
static struct filter_rule filter_rules[] = {
	{.action = FILTER_ACCEPT, .states = STATE_IS_ESTABLISHED | STATE_IS_RELATED, .in = PORT_NONE,
	 .out = PORT_NONE, .icmp_type = -1},
	{.action = FILTER_REJECT, .in = 2, .out = PORT_NONE, .icmp_type = -1},
};
static struct rules rules = {
	.nat = nat_rules, .n_nat = ARRAY_SIZE(nat_rules), .filter = filter_rules, .n_filter = ARRAY_SIZE(filter_rules),
};

/* While the rules hold, nobody behind r1 sees an address of r0's subnet but the router's own. */
static void check_nothing_leaks(const struct world *w)
{
	const struct world_wire *wire = &w->wires[1];

	for (unsigned i = 0; w->rules && i < wire->n_sent; i++) {
		const struct world_frame *f = &wire->sent[i];
		const struct ip4_hdr *ip = (const struct ip4_hdr *)(f->bytes + sizeof(struct eth_hdr));
		if (f->bytes[12] == 8 && f->bytes[13] == 0 && ip4_in_prefix(ip->src, world_address("192.168.1.0"), 24) &&
		    !be32_equal(ip->src, world_address("192.168.1.1")))
			abort();
	}
}

static const uint8_t ports[] = {0, 1, 2, 4, 5, 6}; /* 3 is the bridge's leg: it has no wire */
static const char *const addresses[] = {
	"192.168.1.2", "192.168.0.2", "192.168.0.9", "192.168.1.1", "10.0.0.1", "10.0.0.2", "10.9.0.1",
	"10.8.0.1", "10.7.0.1", "10.6.0.1", "192.168.10.1", "192.168.10.4", "192.168.10.5", "8.8.8.8",
	"192.168.0.255", "255.255.255.255",
};

/* What chance would take too long to find: our MAC, a known address, a right length and checksum. */
static void make_likely(uint8_t *frame, uint32_t len, unsigned port)
{
	struct ip4_hdr *ip = (struct ip4_hdr *)(frame + sizeof(struct eth_hdr));
	struct mac ours = world_port_mac(port);

	if (len < sizeof(struct eth_hdr) + sizeof(*ip))
		return;
	if (!(frame[0] & 1))
		memcpy(frame, ours.b, sizeof(ours));
	frame[12] = 8;
	frame[13] = frame[13] & 1 ? 6 : 0;
	if (frame[13])
		return;
	uint32_t room = len - (uint32_t)sizeof(struct eth_hdr);
	ip->version_ihl = 0x40 | (ip->version_ihl & 15);
	ip->total_len = be16_from((uint16_t)room);
	ip->src = world_address(addresses[ip->src.raw % ARRAY_SIZE(addresses)]);
	ip->dst = world_address(addresses[ip->dst.raw % ARRAY_SIZE(addresses)]);
	ip->checksum = (be16){0};
	if (ip4_header_len(ip) >= sizeof(*ip) && ip4_header_len(ip) <= room)
		ip->checksum = csum_of(ip, ip4_header_len(ip));
}

/* A packet of several frames and segments. The ports that take such: by the bits of takes; and r1's MTU. */
struct large {
	uint8_t part, gso_size, kind, takes;
};

static void arrive_large(struct world *w, unsigned port, uint8_t *frame, uint32_t len,
			 const struct large *large)
{
	enum { TRANSPORT = 14 + 20, OFFSET_OF_TCP = TRANSPORT + 12 };

	/* Chance would seldom find headers that agree with the kind. */
	if (len > OFFSET_OF_TCP && large->gso_size && frame[14] == 0x45) {
		frame[23] = large->kind & GATE_GSO_TCP ? PROTO_TCP : PROTO_UDP;
		memset(frame + 20, 0, 2);
		memset(frame + 24, 0, 2);
		be16 sum = csum_of(frame + 14, 20);
		memcpy(frame + 24, &sum, sizeof(sum));
		if (large->kind & GATE_GSO_TCP)
			frame[OFFSET_OF_TCP] = 0x50 | (frame[OFFSET_OF_TCP] & 0x20);
	}
	for (unsigned i = 0; i < sizeof(ports); i++)
		w->wires[ports[i]].takes_large = large->takes >> i & 1;
	w->ports[1].mtu = large->takes & 0x80 ? 300 : 1400;
	world_arrive_large(w, port, frame, len, PACKET_UNKNOWN, 100 + large->part * 4u, (uint16_t)(large->gso_size * 4u), large->kind);
}

static void one_record(struct world *w, uint8_t head, const uint8_t *bytes, uint32_t len)
{
	uint8_t frame[WORLD_FRAME_SIZE - FRAME_HEADROOM], flags = 0;
	unsigned port = ports[(head & 0x07) % sizeof(ports)];
	struct large large = {0};

	if (head & 0x08 && len > sizeof(large)) {
		memcpy(&large, bytes, sizeof(large));
		bytes += sizeof(large);
		len -= (uint32_t)sizeof(large);
	}
	memcpy(frame, bytes, len);
	if (head & 0x10)
		make_likely(frame, len, port);
	if (head & 0x20)
		flags = PACKET_UNKNOWN;
	if (head & 0x80)
		w->ports[4].mirror = w->ports[0].mirror = head & 1 ? 6 : PORT_NONE;
	if (large.part)
		arrive_large(w, port, frame, len, &large);
	else
		world_arrive(w, port, frame, len, flags);
}

/* A turn, and what must hold after it. Rules come and go between turns only. */
static void turn(struct world *w, bool with_rules)
{
	w->rules = with_rules ? &rules : NULL;
	world_forget(w);
	world_turn(w);
	check_nothing_leaks(w);
	if (!pipeline_balanced(&w->pipeline))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world *w;

	if (!w) {
		w = world_new(true);
		world_neighbour(w, 1, 2, "192.168.0.2");
	}
	while (size >= 3) {
		uint32_t len = (uint32_t)(data[1] << 8 | data[2]) % (WORLD_FRAME_SIZE - FRAME_HEADROOM);
		uint8_t head = data[0];
		data += 3, size -= 3;
		if (len > size)
			len = (uint32_t)size;
		if (len)
			one_record(w, head, data, len);
		else
			w->now_ns += (uint64_t)head * 100 * NS_PER_MS;
		data += len, size -= len;
		if (head & 0x40)
			turn(w, head & 0x20);
	}
	turn(w, true);
	return 0;
}
