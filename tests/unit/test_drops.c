/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * drops: every drop reason there is, provoked by a packet through the whole pipeline. The
 * list is made from the verdict table, so a reason without its provoke_ function does not
 * compile.
 */
#include "world.h"

#include "../../bpf/shared.h"
#include "../../dataplane/csum.h"

#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const struct mac everyone = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

static void arrive(struct world *w, unsigned port, const uint8_t *frame, uint32_t len)
{
	assert_true(world_arrive(w, port, frame, len, 0));
}

/* A good transit datagram on r0 with one header byte changed and, if asked, a right checksum. */
static void arrive_changed(struct world *w, unsigned at, uint8_t value, bool fix_checksum)
{
	uint8_t frame[256];
	uint32_t len = world_ip4(frame, 0, "192.168.1.2", "192.168.0.2", 64, PROTO_UDP, 60);
	struct ip4_hdr *ip = (struct ip4_hdr *)(frame + 14);

	frame[14 + at] = value;
	if (fix_checksum) {
		ip->checksum = (be16){0};
		ip->checksum = csum_of(ip, ip4_header_len(ip));
	}
	arrive(w, 0, frame, len);
}

static void arrive_between(struct world *w, const char *src, const char *dst)
{
	uint8_t frame[256];
	arrive(w, 0, frame, world_ip4(frame, 0, src, dst, 64, PROTO_UDP, 60));
}

/* An option of len bytes at the front of 40 bytes of options. */
static void arrive_option(struct world *w, const uint8_t *option, unsigned len)
{
	uint8_t frame[256];
	uint32_t total = world_ip4(frame, 0, "192.168.1.2", "192.168.0.2", 64, PROTO_UDP, 60);
	struct ip4_hdr *ip = (struct ip4_hdr *)(frame + 14);

	memset(frame + 34, 0, 40);
	memcpy(frame + 34, option, len);
	ip->version_ihl = 0x4f;
	ip->checksum = (be16){0};
	ip->checksum = csum_of(ip, 60);
	arrive(w, 0, frame, total);
}

static void arrive_arp(struct world *w, unsigned at, uint8_t value)
{
	uint8_t frame[64];
	uint32_t len = world_arp(frame, 0, 2, ARP_REQUEST, everyone, "192.168.1.2", "192.168.1.1");

	frame[14 + at] = value;
	arrive(w, 0, frame, len);
}

static void arrive_icmp(struct world *w, uint8_t type, uint32_t payload, uint16_t spoil)
{
	uint8_t frame[256];
	uint32_t len = world_ip4(frame, 0, "192.168.1.2", "192.168.1.1", 64, PROTO_ICMP, payload);
	struct icmp_hdr icmp = {.type = type};

	icmp.checksum = csum_of(&icmp, sizeof(icmp));
	icmp.checksum.raw ^= spoil;
	memcpy(frame + 34, &icmp, min_u32(payload, sizeof(icmp)));
	arrive(w, 0, frame, len);
}

static void provoke_DROP_ETH_SHORT(struct world *w)
{
	arrive(w, 0, world_port_mac(0).b, 6);
}

static void provoke_DROP_ETH_NOT_OURS(struct world *w)
{
	uint8_t frame[256];
	uint32_t len = world_ip4(frame, 0, "192.168.1.2", "192.168.0.2", 64, PROTO_UDP, 60);
	frame[5] ^= 0x40;
	arrive(w, 0, frame, len);
}

/* From station 2 behind a member of br0, by an ethertype that no room reads. */
static void arrive_bridged(struct world *w, unsigned port, struct mac dst)
{
	uint8_t frame[60] = {0};
	struct eth_hdr eth = {dst, world_station_mac(port, 2), be16_from(0x88b5)};

	memcpy(frame, &eth, sizeof(eth));
	arrive(w, port, frame, sizeof(frame));
}

static void provoke_DROP_GSO(struct world *w)
{
	uint8_t frame[1500];
	uint32_t len = world_ip4(frame, 0, "192.168.1.2", "192.168.0.2", 64, PROTO_TCP, 1000);

	arrive(w, 0, frame, len);
	struct packet *p = w->wires[0].arriving[w->wires[0].n_arriving - 1];
	p->gso_size = 100;
	p->gso_kind = GATE_GSO_OTHER;
}

static void provoke_DROP_BRIDGE_SOURCE(struct world *w)
{
	uint8_t frame[60] = {0};

	memcpy(frame, world_station_mac(4, 2).b, 6);
	memcpy(frame + 6, everyone.b, 6);
	arrive(w, 5, frame, sizeof(frame));
}

static void provoke_DROP_BRIDGE_RESERVED(struct world *w)
{
	arrive_bridged(w, 4, (struct mac){{0x01, 0x80, 0xc2, 0, 0, 0x0e}}); /* LLDP */
}

static void provoke_DROP_BRIDGE_SAME_PORT(struct world *w)
{
	arrive_bridged(w, 4, world_station_mac(4, 2));
}

static void provoke_DROP_BRIDGE_ISOLATED(struct world *w)
{
	w->ports[4].flags = w->ports[5].flags = PORT_ISOLATED;
	arrive_bridged(w, 4, everyone);
	arrive_bridged(w, 5, world_station_mac(4, 2));
}

static void provoke_DROP_BRIDGE_LOOP(struct world *w)
{
	/* The station of port 4 is seen on port 5 too, twenty times in a second. */
	for (unsigned i = 0; i < 20; i++, w->now_ns += 50 * NS_PER_MS) {
		uint8_t frame[60] = {0};
		memcpy(frame, everyone.b, 6);
		memcpy(frame + 6, world_station_mac(4, 2).b, 6);
		arrive(w, 4 + i % 2, frame, sizeof(frame));
		world_turn(w);
	}
}

static void provoke_DROP_BRIDGE_NO_PORT(struct world *w)
{
	w->ports[5].up = w->ports[6].up = false;
	arrive_bridged(w, 4, everyone);
}

static void provoke_DROP_BRIDGE_LOCAL(struct world *w)
{
	arrive_bridged(w, 4, world_port_mac(WORLD_LEG));
}

static void provoke_DROP_BRIDGE_MTU(struct world *w)
{
	w->ports[5].mtu = 41; /* a frame of 60 bytes needs 42, if it has a tag */
	arrive_bridged(w, 5, everyone);
	world_turn(w);
	arrive_bridged(w, 4, world_station_mac(5, 2));
}

static void provoke_DROP_ARP_SHORT(struct world *w)
{
	uint8_t frame[64];
	world_arp(frame, 0, 2, ARP_REQUEST, everyone, "192.168.1.2", "192.168.1.1");
	arrive(w, 0, frame, 41);
}

static void provoke_DROP_ARP_FORMAT(struct world *w)
{
	arrive_arp(w, 1, 6); /* IEEE 802 hardware */
}

static void provoke_DROP_ARP_OPERATION(struct world *w) { arrive_arp(w, 7, 3); /* RARP */ }

static void provoke_DROP_ARP_SENDER(struct world *w) { arrive_arp(w, 8, 3); /* a group MAC */ }

static void provoke_DROP_ARP_NOT_OURS(struct world *w) { arrive_arp(w, 27, 9); }

static void provoke_DROP_ARP_CONFLICT(struct world *w)
{
	uint8_t frame[64];
	uint32_t len = world_arp(frame, 0, 2, ARP_REQUEST, everyone, "192.168.1.1", "192.168.1.1");

	arrive(w, 0, frame, len); /* the first is answered by our announcement */
	arrive(w, 0, frame, len);
}

static void provoke_DROP_IP4_SHORT(struct world *w)
{
	uint8_t frame[256];
	world_ip4(frame, 0, "192.168.1.2", "192.168.0.2", 64, PROTO_UDP, 60);
	arrive(w, 0, frame, 14 + 19);
}

static void provoke_DROP_IP4_VERSION(struct world *w) { arrive_changed(w, 0, 0x65, true); }

static void provoke_DROP_IP4_IHL(struct world *w) { arrive_changed(w, 0, 0x44, false); }

static void provoke_DROP_IP4_LENGTH(struct world *w) { arrive_changed(w, 3, 81, true); }

static void provoke_DROP_IP4_CHECKSUM(struct world *w) { arrive_changed(w, 8, 63, false); }

static void provoke_DROP_IP4_OPTIONS(struct world *w)
{
	/* record route without room for its pointer */
	arrive_option(w, (const uint8_t[]){7, 2, 4}, 3);
}

static void provoke_DROP_IP4_SOURCE_ROUTE(struct world *w)
{
	arrive_option(w, (const uint8_t[]){131, 7, 4, 10, 0, 0, 2}, 7);
}

static void provoke_DROP_IP4_MARTIAN_SOURCE(struct world *w)
{
	arrive_between(w, "127.0.0.1", "192.168.0.2");
}

static void provoke_DROP_IP4_OWN_SOURCE(struct world *w)
{
	arrive_between(w, "192.168.0.1", "192.168.0.2");
}

static void provoke_DROP_IP4_MARTIAN_DESTINATION(struct world *w)
{
	arrive_between(w, "192.168.1.2", "240.0.0.1");
}

static void provoke_DROP_IP4_MULTICAST(struct world *w)
{
	arrive_between(w, "192.168.1.2", "224.1.2.3");
}

static void provoke_DROP_IP4_LINK_BROADCAST(struct world *w)
{
	uint8_t frame[256];
	uint32_t len = world_ip4(frame, 0, "192.168.1.2", "192.168.0.2", 64, PROTO_UDP, 60);
	memcpy(frame, everyone.b, 6);
	arrive(w, 0, frame, len);
}

static void provoke_DROP_IP4_BROADCAST(struct world *w)
{
	arrive_between(w, "192.168.1.2", "192.168.0.255");
}

static void provoke_DROP_IP4_TTL(struct world *w) { arrive_changed(w, 8, 1, true); }

static void provoke_DROP_IP4_NO_ROUTE(struct world *w)
{
	arrive_between(w, "192.168.1.2", "8.8.8.8");
}

static void provoke_DROP_IP4_BLACKHOLE(struct world *w)
{
	arrive_between(w, "192.168.1.2", "10.8.0.1");
}

static void provoke_DROP_IP4_UNREACHABLE(struct world *w)
{
	arrive_between(w, "192.168.1.2", "10.7.0.1");
}

static void provoke_DROP_IP4_PROHIBIT(struct world *w)
{
	arrive_between(w, "192.168.1.2", "10.6.0.1");
}

static void provoke_DROP_IP4_MTU(struct world *w)
{
	uint8_t frame[2048];
	uint32_t len = world_ip4(frame, 0, "192.168.1.2", "192.168.0.2", 64, PROTO_UDP, 1480);
	struct ip4_hdr *ip = (struct ip4_hdr *)(frame + 14);

	ip->checksum = csum_update(ip->checksum, ip->fragment, be16_from(IP4_DF));
	ip->fragment = be16_from(IP4_DF);
	arrive(w, 0, frame, len);
}

/* -- nat and filter: rules that live as long as the program --------------------------- */

static struct nat_rule source_rule;
static struct filter_rule filter_rule;
static struct rules rules;

/* What leaves by r1 from r0's subnet goes out as r1's address. */
static void masquerade(struct world *w)
{
	source_rule = (struct nat_rule){
		.action = NAT_MASQUERADE,
		.out = 1,
		.in = PORT_NONE,
		.from = {world_address("192.168.1.0"), 24},
	};
	rules = (struct rules){.nat = &source_rule, .n_nat = 1};
	w->rules = &rules;
	world_neighbour(w, 1, 2, "192.168.0.2");
}

static void filter(struct world *w, enum filter_action action)
{
	filter_rule = (struct filter_rule){
		.action = action,
		.in = 0,
		.out = PORT_NONE,
		.icmp_type = -1,
	};
	rules = (struct rules){.filter = &filter_rule, .n_filter = 1};
	w->rules = &rules;
}

static void arrive_udp(struct world *w, unsigned port, const char *src, const char *dst,
		       uint16_t sport, uint16_t dport)
{
	uint8_t frame[256];
	uint32_t len = world_ip4(frame, port, src, dst, 64, PROTO_UDP, 60);
	const struct udp_hdr udp = {be16_from(sport), be16_from(dport), be16_from(60), {0}};

	memcpy(frame + 34, &udp, sizeof(udp));
	arrive(w, port, frame, len);
}

static void arrive_tcp(struct world *w, uint8_t flags)
{
	uint8_t frame[256];
	uint32_t len = world_ip4(frame, 0, "192.168.1.2", "192.168.0.2", 64, PROTO_TCP, 20);
	struct tcp_hdr tcp = {be16_from(4000), be16_from(80), {0}, {0}, 0x50, flags, {0}, {0}, {0}};
	const struct ip4_hdr *ip = (const struct ip4_hdr *)(frame + 14);
	uint64_t sum = csum_pseudo(ip->src, ip->dst, PROTO_TCP, 20);

	tcp.checksum = csum_finish(csum_add(sum, &tcp, sizeof(tcp)));
	memcpy(frame + 34, &tcp, sizeof(tcp));
	arrive(w, 0, frame, len);
}

static void provoke_DROP_NAT_UNSOLICITED(struct world *w)
{
	masquerade(w);
	arrive_udp(w, 0, "192.168.1.2", "192.168.0.2", 4000, 53);
	world_turn(w);
	arrive_udp(w, 1, "192.168.0.3", "192.168.0.1", 53, 4000); /* not whom 4000 spoke to */
}

static void provoke_DROP_NAT_INVALID(struct world *w)
{
	masquerade(w);
	arrive_tcp(w, 0x04); /* a RST that belongs to nothing */
}

static void provoke_DROP_NAT_ERROR(struct world *w)
{
	uint8_t frame[256], quoted[256];
	uint32_t len = world_ip4(frame, 1, "192.168.0.2", "192.168.0.1", 64, PROTO_ICMP, 36);
	struct icmp_hdr *icmp = (struct icmp_hdr *)(frame + 34);

	masquerade(w);
	world_ip4(quoted, 1, "192.168.0.1", "192.168.0.2", 64, PROTO_UDP, 8);
	*icmp = (struct icmp_hdr){.type = ICMP_UNREACHABLE, .code = ICMP_PORT};
	memcpy(icmp + 1, quoted + 14, 28);
	icmp->checksum = csum_of(icmp, 36);
	arrive(w, 1, frame, len);
}

static void provoke_DROP_NAT_FRAGMENT(struct world *w)
{
	uint8_t frame[256];
	uint32_t len = world_ip4(frame, 0, "192.168.1.2", "192.168.0.2", 64, PROTO_UDP, 64);
	struct ip4_hdr *ip = (struct ip4_hdr *)(frame + 14);

	masquerade(w);
	ip->checksum = csum_update(ip->checksum, ip->fragment, be16_from(8));
	ip->fragment = be16_from(8); /* a last fragment; its first never comes */
	arrive(w, 0, frame, len);
	world_turn(w);
	w->now_ns += 3 * NS_PER_S;
}

static void provoke_DROP_NAT_POOL(struct world *w)
{
	masquerade(w);
	source_rule.to_ports = (struct rule_ports){5000, 5000};
	arrive_udp(w, 0, "192.168.1.2", "192.168.0.2", 4000, 53);
	arrive_udp(w, 0, "192.168.1.3", "192.168.0.2", 4000, 53);
}

static void provoke_DROP_NAT_FULL(struct world *w)
{
	masquerade(w);
	session_set_times(w->pipeline.sessions, &(struct session_config){.host_max = 1});
	arrive_udp(w, 0, "192.168.1.2", "192.168.0.2", 4000, 53);
	arrive_udp(w, 0, "192.168.1.2", "192.168.0.2", 4001, 53);
}

static void provoke_DROP_FILTER(struct world *w)
{
	filter(w, FILTER_DROP);
	arrive_between(w, "192.168.1.2", "192.168.0.2");
}

static void provoke_DROP_FILTER_REJECT(struct world *w)
{
	filter(w, FILTER_REJECT);
	arrive_udp(w, 0, "192.168.1.2", "192.168.0.2", 4000, 53);
}

static void provoke_DROP_FILTER_RESET(struct world *w)
{
	filter(w, FILTER_REJECT);
	arrive_tcp(w, 0x02);
}

static void provoke_DROP_LOCAL_FRAGMENT(struct world *w)
{
	uint8_t frame[256];
	uint32_t len = world_ip4(frame, 0, "192.168.1.2", "192.168.1.1", 64, PROTO_UDP, 64);
	struct ip4_hdr *ip = (struct ip4_hdr *)(frame + 14);

	ip->checksum = csum_update(ip->checksum, ip->fragment, be16_from(IP4_MF));
	ip->fragment = be16_from(IP4_MF);
	arrive(w, 0, frame, len);
}

static void provoke_DROP_LOCAL_PROTOCOL(struct world *w)
{
	uint8_t frame[256];
	arrive(w, 0, frame, world_ip4(frame, 0, "192.168.1.2", "192.168.1.1", 64, 132, 60));
}

static void provoke_DROP_LOCAL_UDP(struct world *w)
{
	arrive_between(w, "192.168.1.2", "192.168.1.1");
}

static void provoke_DROP_LOCAL_PORT(struct world *w)
{
	uint8_t frame[256];
	uint32_t len = world_ip4(frame, 0, "192.168.1.2", "192.168.1.1", 64, PROTO_UDP, 60);
	const struct udp_hdr udp = {be16_from(1), be16_from(2), be16_from(60), {0}};

	memcpy(frame + 34, &udp, sizeof(udp));
	arrive(w, 0, frame, len);
}

static void provoke_DROP_ICMP_SHORT(struct world *w) { arrive_icmp(w, ICMP_ECHO, 7, 0); }

static void provoke_DROP_ICMP_CHECKSUM(struct world *w) { arrive_icmp(w, ICMP_ECHO, 8, 0x0101); }

static void provoke_DROP_ICMP_TYPE(struct world *w) { arrive_icmp(w, ICMP_ECHO_REPLY, 8, 0); }

static void provoke_DROP_NEIGH_FAILED(struct world *w)
{
	arrive_between(w, "192.168.1.2", "192.168.0.99");
	for (unsigned i = 0; i < 8; i++) {
		world_turn(w);
		w->now_ns += NS_PER_S;
	}
}

static void provoke_DROP_NEIGH_QUEUE(struct world *w)
{
	for (unsigned i = 0; i < 9; i++) /* the world's queue holds eight */
		arrive_between(w, "192.168.1.2", "192.168.0.99");
}

static void provoke_DROP_NEIGH_TABLE(struct world *w)
{
	/* The world's table takes 128 neighbours on a port, and these all have someone waiting. */
	for (unsigned i = 2; i < 2 + 129; i++) {
		uint8_t frame[256];
		uint32_t len = world_ip4(frame, 0, "192.168.1.2", "192.168.0.2", 64, PROTO_UDP, 20);
		struct ip4_hdr *ip = (struct ip4_hdr *)(frame + 14);
		be16 last = be16_from((uint16_t)i); /* the address's lower half: 0.i */
		ip->checksum = csum_update(ip->checksum, be16_from(2), last);
		ip->dst = be32_from(0xc0a80000 | i);
		arrive(w, 0, frame, len);
	}
}

static void provoke_DROP_FRAMES(struct world *w)
{
	uint8_t frame[2048];

	world_neighbour(w, 1, 2, "192.168.0.2");
	arrive(w, 0, frame, world_ip4(frame, 0, "192.168.1.2", "192.168.0.2", 64, PROTO_UDP, 1480));
	while (frame_get(&w->pool))
		; /* the frames are lost to this world, which ends with the test */
}

static void provoke_DROP_FRAME_SIZE(struct world *w)
{
	world_neighbour(w, 1, 2, "192.168.0.2");
	w->ports[1].mtu = 27; /* not even a header and eight bytes: RFC 791 wants 68 */
	arrive_between(w, "192.168.1.2", "192.168.0.2");
}

static void provoke_DROP_PORT_DOWN(struct world *w)
{
	w->ports[1].up = false;
	arrive_between(w, "192.168.1.2", "192.168.0.2");
}

static void provoke_DROP_TX_FULL(struct world *w)
{
	world_neighbour(w, 1, 2, "192.168.0.2");
	w->wires[1].room = 0;
	arrive_between(w, "192.168.1.2", "192.168.0.2");
}

static void provoke_DROP_PUNT(struct world *w)
{
	uint8_t frame[256];

	w->kernel.room = 0;
	arrive(w, 2, frame, world_ip4(frame, 2, "10.0.0.2", "10.0.0.1", 64, PROTO_TCP, 40));
}

static void provoke_DROP_PUNT_RATE(struct world *w)
{
	uint8_t frame[256];
	uint32_t len = world_ip4(frame, 2, "10.0.0.2", "10.0.0.1", 64, PROTO_TCP, 40);

	w->pipeline.punt_rate = 1;
	arrive(w, 2, frame, len);
	arrive(w, 2, frame, len);
}

struct provocation {
	enum verdict reason;
	void (*provoke)(struct world *w);
};

static void drop_reason_is_counted_when_provoked(void **state)
{
	const struct provocation *c = *state;
	struct world *w = world_new(false);

	c->provoke(w);
	world_turn(w);
	assert_int_not_equal(stats_end(&w->stats, c->reason), 0);
	world_free(w);
}

#define PROVOCATION(id, ...) {id, provoke_##id},
static const struct provocation provocations[] = {VERDICT_DROPS(PROVOCATION)};

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(provocations)];

	for (unsigned i = 0; i < ARRAY_SIZE(provocations); i++)
		tests[i] = (struct CMUnitTest){
			.name = verdict_name(provocations[i].reason),
			.test_func = drop_reason_is_counted_when_provoked,
			.initial_state = (void *)&provocations[i],
		};
	return _cmocka_run_group_tests("drops", tests, ARRAY_SIZE(tests), NULL, NULL);
}
