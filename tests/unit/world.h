/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * world.h - a whole router on memory: the real pipeline with the real tables, and ports
 * whose wires are arrays. For tests, fuzzers and benchmarks of more than one room.
 *
 *   192.168.1.2 --- r0 192.168.1.1/24 |        | r1 192.168.0.1/24, MTU 1400 --- 192.168.0.2
 *                                     | router |
 *   10.0.0.2 ------ r2 10.0.0.1/30    |        |  (the kernel has 10.0.0.1 too)
 *                                     |  br0 192.168.10.1/24: ports r4, r5, r6; its leg is port 3
 *
 *   10.9.0.0/16 via 192.168.0.9; 10.8/16 blackhole, 10.7/16 unreachable, 10.6/16 prohibit
 *
 * Port i has the MAC 02:00:00:00:00:0i, station x behind it 02:00:00:00:0i:x.
 */
#ifndef TSUJI_TESTS_WORLD_H
#define TSUJI_TESTS_WORLD_H

#include "../../dataplane/pipeline.h"

#define WORLD_FRAMES 4096
#define WORLD_FRAME_SIZE 2048
#define WORLD_LOG 4096 /* frames a wire remembers */
#define WORLD_PORTS 7
#define WORLD_LEG 3 /* br0: members 4, 5 and 6 */
#define WORLD_BUCKETS 4096 /* of the flow cache */

struct world_frame {
	uint32_t len;      /* of a large one more than bytes remember */
	uint16_t gso_size;
	uint8_t bytes[WORLD_FRAME_SIZE];
};

struct world_wire {
	struct io io;
	struct world *world;
	struct packet *arriving[WORLD_LOG];
	unsigned n_arriving, n_read;
	struct world_frame *sent; /* NULL: not remembered */
	unsigned n_sent;
	unsigned room;            /* frames it still takes */
	bool takes_large;
};

struct world {
	struct frame_pool pool;
	struct stats stats;
	struct pipeline pipeline;
	struct port ports[WORLD_PORTS];
	struct port_table *table;
	struct fib *fib;
	struct rules *rules; /* NULL until a test sets some */
	struct world_wire wires[WORLD_PORTS], kernel; /* the leg's stays empty */
	struct flow_head flow_head;                   /* of the flow cache, if there is one */
	struct flow_bucket *flow_buckets;
	uint64_t now_ns;
};

/* remember: wires keep copies of what was sent. Fails the program when there is no memory. */
struct world *world_new(bool remember);
/* The same with a flow cache that serves all ports but the leg. */
struct world *world_new_with_flows(bool remember);
void world_free(struct world *w);
/* A frame arrives on a port with these packet flags; false: no frame left. */
bool world_arrive(struct world *w, unsigned port, const void *bytes, uint32_t len, uint8_t flags);
/*
 * The same in frames of at most part bytes, to be cut into segments of gso_size, which may be
 * 0, as kind says (enum gate_gso).
 */
bool world_arrive_large(struct world *w, unsigned port, const void *bytes, uint32_t len, uint8_t flags,
			uint32_t part, uint16_t gso_size, uint8_t kind);
/* One turn over all that has arrived. */
void world_turn(struct world *w);
/* Forgets what the wires remember. */
void world_forget(struct world *w);

/* -- frames ------------------------------------------------------------------------- */
struct mac world_port_mac(unsigned port);
struct mac world_station_mac(unsigned port, unsigned station);
be32 world_address(const char *text);
/*
 * An IPv4 datagram with payload_len counted bytes as its payload, in a frame from station
 * 2 of port to the router. Returns the frame's length.
 */
uint32_t world_ip4(uint8_t *frame, unsigned port, const char *src, const char *dst, uint8_t ttl,
		   uint8_t protocol, uint32_t payload_len);
/* An ARP packet in a frame from station to `to`. */
uint32_t world_arp(uint8_t *frame, unsigned port, unsigned station, uint16_t operation,
		   struct mac to, const char *sender, const char *target);
/* Makes station x of port known for address, as a static neighbour. */
void world_neighbour(struct world *w, unsigned port, unsigned station, const char *address);

#endif
