/* SPDX-License-Identifier: BSD-2-Clause */
/* packets - frames from sketches, and a router in memory. */
#include "packets.h"

#include "../../dataplane/eth.h"
#include "../../dataplane/ip4.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define FRAME_SIZE 4096

/* -- frames ----------------------------------------------------------------------- */

uint16_t naive_sum(const void *data, size_t len)
{
	const uint8_t *at = data;
	uint32_t sum = 0;
	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? at[i] : (uint32_t)at[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

be32 address_of(const char *text)
{
	be32 address = {0};
	if (inet_pton(AF_INET, text, &address) != 1)
		fail_msg("not an address: %s", text);
	return address;
}

struct mac mac_of(const char *text)
{
	struct mac mac;
	if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac.b[0], &mac.b[1], &mac.b[2],
		   &mac.b[3], &mac.b[4], &mac.b[5]) != 6)
		fail_msg("not a MAC: %s", text);
	return mac;
}

struct bytes bytes_hex(const char *hex)
{
	struct bytes b = {0};
	for (; *hex; hex++) {
		if (isspace((unsigned char)*hex))
			continue;
		assert_int_equal(sscanf(hex++, "%2hhx", &b.at[b.len++]), 1);
	}
	return b;
}

void bytes_fix_header(struct bytes *b)
{
	struct ip4_hdr *h = bytes_ip4(b);
	h->checksum = (be16){0};
	h->checksum = be16_from((uint16_t)~naive_sum(h, ip4_header_len(h)));
}

/* The transport header; returns its length. The checksum's place holds zero. */
static unsigned write_transport(uint8_t *at, const struct sketch *s)
{
	uint16_t sport = s->sport ? s->sport : 1000, dport = s->dport ? s->dport : 2000;
	if (s->bare)
		return 0;
	if (s->protocol == PROTO_ICMP) {
		*(struct icmp_hdr *)at =
			(struct icmp_hdr){s->type, s->code, {0}, be32_from(s->rest)};
		return sizeof(struct icmp_hdr);
	}
	if (s->protocol == PROTO_TCP) {
		*(struct tcp_hdr *)at = (struct tcp_hdr){
			.sport = be16_from(sport),
			.dport = be16_from(dport),
			.data_offset = 0x50,
			.flags = 2,
		};
		return sizeof(struct tcp_hdr);
	}
	if (s->protocol && s->protocol != PROTO_UDP)
		return 0;
	*(struct udp_hdr *)at = (struct udp_hdr){
		be16_from(sport),
		be16_from(dport),
		be16_from((uint16_t)(8 + s->data_len)),
		{0},
	};
	return sizeof(struct udp_hdr);
}

static void write_transport_checksum(struct bytes *b, uint8_t *at, unsigned len,
				     const struct sketch *s)
{
	const struct ip4_hdr *h = bytes_ip4(b);
	uint32_t sum = naive_sum(at, len);
	unsigned place = s->protocol == PROTO_ICMP ? 2 : s->protocol == PROTO_TCP ? 16 : 6;
	if (s->bare || (s->protocol && s->protocol != PROTO_ICMP && s->protocol != PROTO_TCP &&
			s->protocol != PROTO_UDP))
		return;
	if (s->protocol != PROTO_ICMP) /* the pseudo-header: RFC 768 */
		sum += naive_sum(&h->src, 8) + (uint32_t)h->protocol + len;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	be16 field = be16_from((uint16_t)~sum);
	memcpy(at + place, &field, sizeof(field));
}

struct bytes bytes_of_sketch(const struct sketch *s)
{
	struct bytes b = {0};
	struct bytes options = bytes_hex(s->options ? s->options : "");
	struct eth_hdr *eth = (struct eth_hdr *)b.at;
	struct ip4_hdr *h = bytes_ip4(&b);
	uint8_t *transport = b.at + 34 + options.len;

	assert_int_equal(options.len % 4, 0);
	*eth = (struct eth_hdr){mac_of(s->to_mac ? s->to_mac : "02:00:00:00:00:01"),
				mac_of("02:00:00:00:ee:01"), be16_from(ETH_IPV4)};
	memcpy(b.at + 34, options.at, options.len);
	unsigned len = write_transport(transport, s);
	for (unsigned i = 0; i < s->data_len; i++)
		transport[len++] = (uint8_t)i;
	*h = (struct ip4_hdr){
		.version_ihl = (uint8_t)(0x45 + options.len / 4),
		.tos = s->tos,
		.total_len = be16_from((uint16_t)(20 + options.len + len)),
		.id = be16_from(s->id),
		.fragment = be16_from(s->fragment),
		.ttl = s->ttl ? s->ttl : 64,
		.protocol = s->protocol ? s->protocol : PROTO_UDP,
		.src = address_of(s->src ? s->src : "192.168.1.2"),
		.dst = address_of(s->dst ? s->dst : "192.168.0.2"),
	};
	bytes_fix_header(&b);
	write_transport_checksum(&b, transport, len, s);
	b.len = 34 + options.len + len;
	return b;
}

static void print_bytes(const char *what, const uint8_t *at, uint32_t len)
{
	fprintf(stderr, "%s (%u bytes)", what, len);
	for (uint32_t i = 0; i < len; i++)
		fprintf(stderr, "%s%02x", i % 16 ? " " : "\n  ", at[i]);
	fprintf(stderr, "\n");
}

void expect_bytes(const uint8_t *have, uint32_t have_len, const struct bytes *want)
{
	if (have_len == want->len && memcmp(have, want->at, want->len) == 0)
		return;
	print_bytes("have", have, have_len);
	print_bytes("want", want->at, want->len);
	fail_msg("the bytes differ");
}

void expect_packet(const struct packet *p, const struct bytes *want)
{
	assert_non_null(p);
	expect_bytes(p->data, p->len, want);
}

/* -- a router in memory ------------------------------------------------------------- */

/* "192.168.1.1/24" */
static unsigned read_prefix(const char *word, be32 *address)
{
	char text[32];
	unsigned len;
	if (sscanf(word, "%31[0-9.]/%u", text, &len) != 2)
		fail_msg("not a prefix: %s", word);
	*address = address_of(text);
	return len;
}

static void add_route(struct lab *lab, struct fib_route route)
{
	assert_true(lab->n_routes < LAB_ROUTES);
	route.prefix.raw &= ip4_mask(route.prefix_len).raw;
	lab->routes[lab->n_routes++] = route;
}

static void add_address(struct lab *lab, struct port *port, const char *word)
{
	struct port_address *a = &lab->addresses[port->number][port->n_addresses++];
	assert_true(port->n_addresses <= LAB_ADDRESSES);
	a->prefix_len = (uint8_t)read_prefix(word, &a->address);
	port_table_add_local(lab->ports, (struct local){a->address, port->number, .tsuji = true});
	be32 broadcast = {a->address.raw | ~ip4_mask(a->prefix_len).raw};
	if (a->prefix_len < 31) /* RFC 3021: none on a point-to-point link */
		port_table_add_local(lab->ports,
				     (struct local){broadcast, port->number, .broadcast = true});
	add_route(lab, (struct fib_route){
			       .prefix = a->address,
			       .prefix_len = a->prefix_len,
			       .port = port->number,
			       .source = a->address,
		       });
}

static void add_port(struct lab *lab, char **words)
{
	uint16_t number = (uint16_t)lab->ports->n_ports++;
	assert_true(number < LAB_PORTS);
	struct port *port = lab->ports->ports[number] = &lab->port[number];
	*port = (struct port){
		.number = number,
		.mtu = 1500,
		.up = true,
		.mac = {{2, 0, 0, 0, 0, (uint8_t)(number + 1)}},
		.addresses = lab->addresses[number],
		.bridge = PORT_NONE,
		.mirror = PORT_NONE,
	};
	snprintf(port->name, sizeof(port->name), "r%u", number);
	for (; *words; words++) {
		if (!strcmp(*words, "mtu"))
			port->mtu = (uint16_t)atoi(*++words);
		else if (!strcmp(*words, "down"))
			port->up = false;
		else
			add_address(lab, port, *words);
	}
}

static void add_via(struct lab *lab, struct fib_route route, be32 via)
{
	route.via = via;
	for (unsigned i = 0; i < lab->ports->n_ports; i++) {
		const struct port_address *a = port_subnet_of(&lab->port[i], via);
		if (a) {
			route.port = (uint16_t)i;
			route.source = a->address;
			add_route(lab, route);
			return;
		}
	}
	fail_msg("the gateway is on no port");
}

static void add_named_route(struct lab *lab, char **words)
{
	struct fib_route route = {0};
	route.prefix_len = (uint8_t)read_prefix(words[0], &route.prefix);
	if (!strcmp(words[1], "via")) {
		add_via(lab, route, address_of(words[2]));
		return;
	}
	route.type = !strcmp(words[1], "blackhole")	? FIB_BLACKHOLE
		     : !strcmp(words[1], "unreachable") ? FIB_UNREACHABLE
							: FIB_PROHIBIT;
	add_route(lab, route);
}

static void obey(struct lab *lab, char *statement)
{
	char *words[16] = {0}, *place;
	unsigned n = 0;
	for (char *w = strtok_r(statement, " ", &place); w && n < 15;
	     w = strtok_r(NULL, " ", &place))
		words[n++] = w;
	if (!n)
		return;
	if (!strcmp(words[0], "port"))
		add_port(lab, words + 1);
	else if (!strcmp(words[0], "kernel"))
		port_table_add_local(lab->ports, (struct local){
							 address_of(words[1]),
							 (uint16_t)atoi(words[2]),
							 .kernel = true,
						 });
	else if (!strcmp(words[0], "route"))
		add_named_route(lab, words + 1);
	else
		fail_msg("not a statement: %s", words[0]);
}

void lab_open(struct lab *lab, const char *text)
{
	static const uint8_t secret[16] = "not so secret";
	char copy[1024], *place;

	*lab = (struct lab){0};
	lab->memory = aligned_alloc(FRAME_SIZE, (size_t)LAB_FRAMES * FRAME_SIZE);
	lab->stats = calloc(1, sizeof(*lab->stats));
	lab->ports = port_table_new(64);
	lab->limiter = icmp_limiter_new(secret);
	assert_true(lab->memory && lab->stats && lab->ports && lab->limiter);
	assert_int_equal(frame_pool_init(&lab->pool, lab->memory, FRAME_SIZE, LAB_FRAMES), 0);
	memset(lab->memory, 0xa5, (size_t)LAB_FRAMES * FRAME_SIZE); /* what nobody wrote shows */
	snprintf(copy, sizeof(copy), "%s", text);
	for (char *s = strtok_r(copy, ";", &place); s; s = strtok_r(NULL, ";", &place))
		obey(lab, s);
	lab->fib = fib_new(lab->routes, lab->n_routes);
	assert_non_null(lab->fib);
}

void lab_close(struct lab *lab)
{
	frame_pool_fini(&lab->pool);
	port_table_free(lab->ports);
	fib_free(lab->fib);
	icmp_limiter_free(lab->limiter);
	free(lab->stats);
	free(lab->memory);
}

int lab_set_up(void **state, struct lab *lab, const char *text)
{
	lab_open(lab, text);
	*state = lab;
	return 0;
}

int lab_tear_down(void **state)
{
	lab_close(*state);
	return 0;
}

struct packet *lab_arrive(struct lab *lab, uint16_t port, const struct bytes *b)
{
	struct packet *p = frame_get(&lab->pool);
	assert_non_null(p);
	assert_true(b->len <= frame_room(&lab->pool, p));
	memcpy(p->data, b->at, b->len);
	p->len = b->len;
	p->port_in = p->wire = port;
	/* For tests that begin behind ip4_input(), which sets it. */
	if (p->len >= sizeof(struct eth_hdr) + sizeof(struct ip4_hdr))
		p->decision.dst = packet_ip4(p)->dst;
	p->verdict = TO_ETH;
	return p;
}

static void resolve(struct lab *lab, struct packet *p)
{
	p->decision.link =
		(struct eth_hdr){mac_of("02:00:00:00:ff:01"), lab->port[p->decision.port_out].mac,
				 be16_from(ETH_IPV4)};
	p->verdict = TO_REWRITE;
}

enum verdict lab_walk(struct lab *lab, struct packet *p)
{
	struct vector v = {1, {p}};
	for (;;) {
		switch ((enum verdict)p->verdict) {
		case TO_ETH:
			eth_input(lab->ports, &v);
			break;
		case TO_IP4:
			ip4_input(lab->ports, &v, false);
			break;
		case TO_LOCAL:
			icmp_local(lab->ports, &v);
			break;
		case TO_FIB:
			ip4_route(lab->ports, lab->fib, &v);
			break;
		case TO_NEIGH:
			resolve(lab, p);
			break;
		case TO_REWRITE:
			ip4_rewrite(lab->ports, lab->fib, &lab->pool, lab->stats, &v);
			break;
		default: /* TO_EGRESS, TO_ARP, and every end: nothing here takes it further */
			return p->verdict;
		}
	}
}

struct packet *lab_error(struct lab *lab, const struct packet *p)
{
	struct packet *error = icmp_error(lab->limiter, &lab->pool, lab->stats, lab->ports, p, 0);
	if (error)
		assert_int_equal(lab_walk(lab, error), TO_EGRESS);
	return error;
}
