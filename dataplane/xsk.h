/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xsk.h - AF_XDP: the UMEM (our struct xsk_area), and a port's gate program and sockets.
 *
 * Frame ownership around the four rings of a socket (kernel side in capitals):
 *
 *   pool --refill--> fill ring --KERNEL--> RX ring --rx--> turn
 *   turn --tx--> TX ring --KERNEL--> completion ring --turn--> pool
 *
 * Where the kernel has XDP_USE_SG (6.6), a packet longer than a frame arrives as several, on a
 * port in generic mode: what a host leaves for its card to cut, in one piece. The TX ring
 * takes none of those.
 *
 * The kernel copies on veth: a frame on the TX ring is read inside our system call, but
 * its completion comes when the *receiver* has let go of the skb, in any order.
 *
 * Threads: control opens and closes; between those only the worker touches the rings.
 */
#ifndef TSUJI_XSK_H
#define TSUJI_XSK_H

#include "frame.h"
#include "io.h"
#include "lane_flow.h"
#include "stats.h"

#define XSK_RING_MAX 2048 /* entries of a ring at most: what a turn reads */
#define XSK_QUEUES_MAX 64 /* receive queues of an interface that are served */

/* The memory all ports of a worker share, and an anchor socket that keeps it registered. */
struct xsk_area;

struct xsk_error { /* why something failed: an errno and a sentence with the fix */
	int code;
	char text[256];
};

/* n_frames of size 2048 or 4096. NULL with *error set. Where the kernel refuses map memory: anonymous, said so in *error with code 0. */
struct xsk_area *xsk_area_new(uint32_t n_frames, uint32_t size, struct xsk_error *error);
void xsk_area_free(struct xsk_area *area); /* after every port is closed */
void *xsk_area_memory(struct xsk_area *area);
/* The map whose memory it is, -1 for anonymous memory; an element is a frame of that size. */
int xsk_area_map(const struct xsk_area *area, uint32_t *frame_size);
/* The map by which the punt program tells the gates that a frame is its own (bpf/punt.bpf.c). */
int xsk_area_punting(const struct xsk_area *area);

enum xsk_mode { XSK_AUTO, XSK_NATIVE, XSK_GENERIC };

struct xsk_config {
	const char *name;
	uint32_t ifindex;
	uint16_t number;       /* the port's */
	uint32_t ring_size;    /* entries of each ring: a power of two */
	enum xsk_mode mode;    /* auto: native, else generic */
	bool bridged;          /* take every frame but link-local control (01:80:c2:00:00:0x) */
	struct frame_pool *pool;
	struct stats *stats;
	const struct flow_lane *flow; /* NULL: nothing is looked up in the flow cache */
};

struct xsk_port; /* its io is the first member: (struct io *)port */

/*
 * Attaches the gate and opens a socket for each receive queue of the interface. NULL with
 * *error set: EBUSY (another XDP program is there), ENODEV, EPERM, ERANGE (far end's MTU) ...
 * Frames flow into the sockets once the worker calls io_turn() on it.
 */
struct xsk_port *xsk_port_open(struct xsk_area *area, const struct xsk_config *config, struct xsk_error *error);
/* Detaches the gate, then closes the sockets. The worker no longer uses the port; its frames are reclaimed by owner afterwards (worker_reclaim). */
void xsk_port_close(struct xsk_port *port);

bool xsk_port_is_native(const struct xsk_port *port);
/* True where the gate reads the checksum state from the skb: no guessing (design, decision 6). */
bool xsk_port_sees_checksums(const struct xsk_port *port);
/* True where the gate looks frames up in the flow cache: only if it sees that they are whole. */
bool xsk_port_repeats(const struct xsk_port *port);
/* False once someone else has detached or replaced our gate. A system call. */
bool xsk_port_attached(const struct xsk_port *port);
struct io *xsk_port_io(struct xsk_port *port);
/* True where packets longer than a frame arrive, and with them how their sender wants them cut. */
bool xsk_port_takes_large(const struct xsk_port *port);
/* Worker: how many packets its transmit ring takes now. */
unsigned xsk_port_room(const struct xsk_port *port);
/* The sockets to poll, one for each queue. */
unsigned xsk_port_fds(const struct xsk_port *port, int *fds, unsigned max);

struct xsk_gate_counts {
	uint64_t taken, passed, no_socket, lost; /* bpf/shared.h: struct gate_counters */
};
void xsk_port_gate_counts(const struct xsk_port *port, struct xsk_gate_counts *counts);
/* Frames the kernel dropped before us, summed over the sockets: XDP_STATISTICS. */
void xsk_port_refresh_stats(struct xsk_port *port);

#endif
