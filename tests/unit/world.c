/* SPDX-License-Identifier: BSD-2-Clause */
/* world - a router on memory, for tests (the drawing is in world.h). */
#include "world.h"

#include "../../dataplane/chain.h"
#include "../../dataplane/csum.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned wire_rx(struct io *io, struct packet **packets, unsigned max)
{
	struct world_wire *wire = (struct world_wire *)io;
	unsigned n = 0;

	while (n < max && wire->n_read < wire->n_arriving)
		packets[n++] = wire->arriving[wire->n_read++];
	if (wire->n_read == wire->n_arriving)
		wire->n_read = wire->n_arriving = 0;
	return n;
}

static unsigned wire_tx(struct io *io, struct packet *const *packets, unsigned n)
{
	struct world_wire *wire = (struct world_wire *)io;

	n = min_u32(n, wire->room);
	wire->room -= n;
	for (unsigned i = 0; i < n; i++) {
		if (wire->sent && wire->n_sent < WORLD_LOG) {
			struct world_frame *f = &wire->sent[wire->n_sent++];
			f->len = packet_len(packets[i]);
			f->gso_size = packets[i]->gso_size;
			chain_copy(f->bytes, packets[i], 0, min_u32(f->len, WORLD_FRAME_SIZE));
		}
		frame_put(&wire->world->pool, packets[i]);
	}
	return n;
}

static bool wire_takes(const struct io *io, const struct packet *p)
{
	(void)p;
	return ((const struct world_wire *)io)->takes_large;
}

static const struct io_ops wire_ops = {.rx = wire_rx, .tx = wire_tx, .takes = wire_takes};

static void *must(void *memory)
{
	if (!memory) {
		perror("world");
		exit(1);
	}
	return memory;
}

static void wire_init(struct world *w, struct world_wire *wire, bool remember)
{
	*wire = (struct world_wire){.io = {&wire_ops}, .world = w, .room = UINT32_MAX};
	if (remember)
		wire->sent = must(calloc(WORLD_LOG, sizeof(*wire->sent)));
}

be32 world_address(const char *text)
{
	struct in_addr a;

	if (inet_pton(AF_INET, text, &a) != 1)
		abort();
	return (be32){a.s_addr};
}

struct mac world_port_mac(unsigned port) { return (struct mac){{2, 0, 0, 0, 0, (uint8_t)port}}; }

struct mac world_station_mac(unsigned port, unsigned station)
{
	return (struct mac){{2, 0, 0, 0, (uint8_t)(0x10 + port), (uint8_t)station}};
}

static void add_port(struct world *w, unsigned i, const char *name, const char *address,
		     uint8_t prefix_len, uint16_t mtu, bool kernel)
{
	struct port_address *a = must(calloc(1, sizeof(*a)));
	be32 mask = ip4_mask(prefix_len);

	*a = (struct port_address){world_address(address), prefix_len};
	w->ports[i] = (struct port){
		.number = (uint16_t)i,
		.bridge = PORT_NONE,
		.mirror = PORT_NONE,
		.mtu = mtu,
		.mac = world_port_mac(i),
		.up = true,
		.ifindex = i + 1,
		.io = &w->wires[i].io,
		.n_addresses = 1,
		.addresses = a,
	};
	snprintf(w->ports[i].name, sizeof(w->ports[i].name), "%s", name);
	w->table->ports[i] = &w->ports[i];
	w->table->n_ports = i + 1;
	struct local own = {a->address, (uint16_t)i, true, kernel, false};
	struct local broadcast = {{a->address.raw | ~mask.raw}, (uint16_t)i, true, kernel, true};
	port_table_add_local(w->table, own);
	port_table_add_local(w->table, broadcast);
}

static void add_bridge(struct world *w)
{
	static const uint16_t members[] = {4, 5, 6};

	add_port(w, WORLD_LEG, "br0", "192.168.10.1", 24, 1500, false);
	w->ports[WORLD_LEG].io = NULL;
	w->ports[WORLD_LEG].members = members;
	w->ports[WORLD_LEG].n_members = ARRAY_SIZE(members);
	for (unsigned i = 4; i < WORLD_PORTS; i++) {
		w->ports[i] = (struct port){
			.number = (uint16_t)i,
			.bridge = WORLD_LEG,
			.mirror = PORT_NONE,
			.mtu = 1500,
			.mac = world_port_mac(i),
			.up = true,
			.ifindex = i + 1,
			.io = &w->wires[i].io,
		};
		snprintf(w->ports[i].name, sizeof(w->ports[i].name), "r%u", i);
		w->table->ports[i] = &w->ports[i];
		if (fdb_add(w->pipeline.fdb, WORLD_LEG, world_port_mac(i), (uint16_t)i, FDB_LOCAL))
			must(NULL);
	}
	if (fdb_add(w->pipeline.fdb, WORLD_LEG, world_port_mac(WORLD_LEG), WORLD_LEG, FDB_LOCAL))
		must(NULL);
	w->table->n_ports = WORLD_PORTS;
}

static be32 ip(const char *text) { return world_address(text); }

static struct fib *make_fib(void)
{
	const struct fib_route routes[] = {
		{ip("192.168.1.0"), 24, FIB_UNICAST, 0, {0}, ip("192.168.1.1")},
		{ip("192.168.0.0"), 24, FIB_UNICAST, 1, {0}, ip("192.168.0.1")},
		{ip("192.168.10.0"), 24, FIB_UNICAST, WORLD_LEG, {0}, ip("192.168.10.1")},
		{ip("10.0.0.0"), 30, FIB_UNICAST, 2, {0}, ip("10.0.0.1")},
		{ip("10.9.0.0"), 16, FIB_UNICAST, 1, ip("192.168.0.9"), ip("192.168.0.1")},
		{ip("10.8.0.0"), 16, FIB_BLACKHOLE, PORT_NONE, {0}, {0}},
		{ip("10.7.0.0"), 16, FIB_UNREACHABLE, PORT_NONE, {0}, {0}},
		{ip("10.6.0.0"), 16, FIB_PROHIBIT, PORT_NONE, {0}, {0}},
	};
	return fib_new(routes, ARRAY_SIZE(routes));
}

/* Its memory is the world's, which no gate sees. */
static struct flow_cache *add_flows(struct world *w)
{
	w->flow_buckets = must(calloc(WORLD_BUCKETS, sizeof(*w->flow_buckets)));
	const struct flow_config flows = {
		.head = &w->flow_head,
		.buckets = w->flow_buckets,
		.n_buckets = WORLD_BUCKETS,
		.secret = {1, 2},
	};
	return must(flow_new(&flows));
}

/* As control does it once the gates are there. */
static void serve_ports(struct world *w)
{
	for (uint16_t i = 0; i < WORLD_PORTS; i++) {
		uint16_t owner = w->ports[i].bridge != PORT_NONE ? w->ports[i].bridge : i;
		flow_set_mac(w->pipeline.flows, i, w->ports[owner].mac);
		if (i != WORLD_LEG)
			flow_set_port(w->pipeline.flows, i, true, true);
	}
}

static struct world *make(bool remember, bool with_flows)
{
	static const uint8_t secret[16] = "sixteen secrets";
	struct neigh_config neigh = {
		.capacity = 256,
		.port_max = 128,
		.queue_max = 8,
		.held_max = 32,
	};
	const struct session_config sessions = {.capacity = 1024};
	struct fdb_config fdb = {.capacity = 1024, .port_max = 512};
	struct world *w = must(calloc(1, sizeof(*w)));
	void *memory = must(aligned_alloc(4096, (size_t)WORLD_FRAMES * WORLD_FRAME_SIZE));

	memset(memory, 0, (size_t)WORLD_FRAMES * WORLD_FRAME_SIZE);
	if (frame_pool_init(&w->pool, memory, WORLD_FRAME_SIZE, WORLD_FRAMES))
		must(NULL);
	w->now_ns = 1000 * NS_PER_S;
	w->table = must(port_table_new(16));
	for (unsigned i = 0; i < WORLD_PORTS; i++)
		wire_init(w, &w->wires[i], remember);
	wire_init(w, &w->kernel, remember);
	add_port(w, 0, "r0", "192.168.1.1", 24, 1500, false);
	add_port(w, 1, "r1", "192.168.0.1", 24, 1400, false);
	add_port(w, 2, "r2", "10.0.0.1", 30, 1500, true);
	if (with_flows) {
		w->pipeline.flows = add_flows(w);
		neigh.changes = fdb.changes = flow_changes(w->pipeline.flows);
	}
	w->pipeline.fdb = must(fdb_new(&fdb));
	w->pipeline.sessions = must(session_new(&sessions));
	w->pipeline.fragments = must(nat_fragments_new(secret));
	add_bridge(w);
	w->fib = must(make_fib());
	w->pipeline.pool = &w->pool;
	w->pipeline.stats = &w->stats;
	w->pipeline.neigh = must(neigh_new(&neigh));
	w->pipeline.limiter = must(icmp_limiter_new(secret));
	w->pipeline.traces = must(trace_set_new());
	w->pipeline.punt = &w->kernel.io;
	pipeline_init(&w->pipeline);
	if (with_flows)
		serve_ports(w);
	return w;
}

struct world *world_new(bool remember)
{
	return make(remember, false);
}

struct world *world_new_with_flows(bool remember)
{
	return make(remember, true);
}

void world_free(struct world *w)
{
	for (unsigned i = 0; i < WORLD_PORTS; i++) {
		free((void *)w->ports[i].addresses);
		free(w->wires[i].sent);
	}
	free(w->kernel.sent);
	flow_free(w->pipeline.flows);
	free(w->flow_buckets);
	neigh_free(w->pipeline.neigh);
	fdb_free(w->pipeline.fdb);
	session_free(w->pipeline.sessions);
	nat_fragments_free(w->pipeline.fragments);
	icmp_limiter_free(w->pipeline.limiter);
	trace_set_free(w->pipeline.traces);
	fib_free(w->fib);
	port_table_free(w->table);
	free(w->pool.base);
	frame_pool_fini(&w->pool);
	free(w);
}

bool world_arrive(struct world *w, unsigned port, const void *bytes, uint32_t len, uint8_t flags)
{
	struct world_wire *wire = &w->wires[port];
	struct packet *p = wire->n_arriving < WORLD_LOG ? frame_get(&w->pool) : NULL;

	if (!p)
		return false;
	memcpy(p->data, bytes, len);
	p->len = len;
	p->port_in = p->wire = (uint16_t)port;
	p->flags = flags;
	wire->arriving[wire->n_arriving++] = p;
	return true;
}

bool world_arrive_large(struct world *w, unsigned port, const void *bytes, uint32_t len, uint8_t flags,
			uint32_t part, uint16_t gso_size, uint8_t kind)
{
	const uint8_t *from = bytes;
	uint32_t done = min_u32(part, len);

	if (!world_arrive(w, port, bytes, done, flags))
		return false;
	struct packet *p = w->wires[port].arriving[w->wires[port].n_arriving - 1], *last = p;
	p->gso_size = gso_size;
	p->gso_kind = kind;
	for (uint32_t n; done < len; done += n) {
		struct packet *more = frame_get(&w->pool);
		n = min_u32(part, len - done);
		if (!more) {
			w->wires[port].n_arriving--;
			frame_put(&w->pool, p);
			return false;
		}
		memcpy(more->data, from + done, n);
		more->len = n;
		frame_append(&w->pool, p, last, more);
		last = more;
	}
	return true;
}

void world_turn(struct world *w)
{
	pipeline_wake(&w->pipeline, w->now_ns);
	pipeline_begin(&w->pipeline, w->table, w->fib, w->rules, w->now_ns);
	for (unsigned i = 0; i < WORLD_PORTS; i++) {
		struct vector v;
		while ((v.n = io_rx(&w->wires[i].io, v.p, VECTOR_SIZE)))
			pipeline_packets(&w->pipeline, &v);
	}
	pipeline_end(&w->pipeline);
	pipeline_sent(&w->pipeline);
}

void world_forget(struct world *w)
{
	for (unsigned i = 0; i < WORLD_PORTS; i++)
		w->wires[i].n_sent = 0;
	w->kernel.n_sent = 0;
}

uint32_t world_ip4(uint8_t *frame, unsigned port, const char *src, const char *dst, uint8_t ttl,
		   uint8_t protocol, uint32_t payload_len)
{
	struct eth_hdr eth = {world_port_mac(port), world_station_mac(port, 2),
			      be16_from(ETH_IPV4)};
	struct ip4_hdr ip = {
		.version_ihl = 0x45, .total_len = be16_from((uint16_t)(20 + payload_len)),
		.id = be16_from(0x1234), .ttl = ttl, .protocol = protocol,
		.src = world_address(src), .dst = world_address(dst),
	};

	ip.checksum = csum_of(&ip, sizeof(ip));
	memcpy(frame, &eth, sizeof(eth));
	memcpy(frame + sizeof(eth), &ip, sizeof(ip));
	for (uint32_t i = 0; i < payload_len; i++)
		frame[sizeof(eth) + sizeof(ip) + i] = (uint8_t)i;
	return (uint32_t)(sizeof(eth) + sizeof(ip)) + payload_len;
}

uint32_t world_arp(uint8_t *frame, unsigned port, unsigned station, uint16_t operation,
		   struct mac to, const char *sender, const char *target)
{
	struct eth_hdr eth = {to, world_station_mac(port, station), be16_from(ETH_ARP)};
	struct arp_hdr arp = {
		.hardware = be16_from(ARP_ETHERNET),
		.protocol = be16_from(ETH_IPV4),
		.hardware_len = 6,
		.protocol_len = 4,
		.operation = be16_from(operation),
		.sender_mac = eth.src,
		.sender = world_address(sender),
		.target_mac = operation == ARP_REPLY ? to : (struct mac){{0}},
		.target = world_address(target),
	};

	memcpy(frame, &eth, sizeof(eth));
	memcpy(frame + sizeof(eth), &arp, sizeof(arp));
	return sizeof(eth) + sizeof(arp);
}

void world_neighbour(struct world *w, unsigned port, unsigned station, const char *address)
{
	if (neigh_add(w->pipeline.neigh, (uint16_t)port, world_address(address),
		      world_station_mac(port, station)))
		abort();
}
