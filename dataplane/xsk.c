/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xsk - AF_XDP: the UMEM, and each port's gate program, sockets and rings.
 *
 * The UMEM is the memory of a BPF array map, one frame to an element, so that programs can
 * read the same frames (design, decision 2). It is registered by an *anchor* socket bound
 * to the loopback interface, which carries no frame: sockets of ports share the anchor's
 * UMEM and can come and go in any order, while a UMEM registered by a port's own socket
 * could not be shared any further once that port's interface is deleted.
 *
 * A port keeps `ring_size` frames with the kernel's receiver per queue, and has at most
 * that many on the way out. All queues receive; everything is sent by queue 0, in order.
 *
 * Transmission is a system call that makes the kernel copy: up to 32 frames each, or as
 * many as XDP_MAX_TX_SKB_BUDGET allows (6.17). It is repeated only while it makes
 * progress; what is left waits for the next turn.
 */
#include "xsk.h"

#include "compat.h"
#include "../bpf/shared.h" /* before the skeleton, which uses its structs */
#include "bpf/gate.skel.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xdp/xsk.h>

#define ANCHOR_RING 64    /* entries of the rings nobody uses */
#define BUSY_TRIES 100
#define BUSY_PAUSE_US 5000
#define SEND_BUFFER (64 << 20) /* bytes of skb in flight; the default of 208 KiB stalls bursts */

struct xsk_area {
	struct xsk_umem *umem;
	void *memory;
	size_t size;
	uint32_t frame_size;
	int map_fd; /* -1: anonymous memory */
	int punting_fd;
	bool skb_in_view; /* the kernel lets programs see the skb */
	bool several;	  /* a packet may be several frames */
	struct {
		struct xsk_ring_prod fill, tx;
		struct xsk_ring_cons completion;
		struct xsk_socket *socket;
	} anchor;
};

struct xsk_queue {
	struct xsk_ring_prod fill, tx;
	struct xsk_ring_cons rx, completion;
	struct xsk_socket *socket;
	uint32_t posted; /* frames with the receiver: fill ring, kernel, RX ring */
	uint32_t sent;   /* frames with the transmitter, not completed */
	uint64_t n_read;
	uint64_t lost;   /* by the kernel, on the way from the gate to here; written by control */
	uint64_t seen_full, seen_empty, seen_dropped; /* at the last xsk_port_refresh_stats() */
};

struct xsk_port {
	struct io io;
	struct frame_pool *pool;
	struct port_stats *stats;
	uint16_t number;
	uint32_t ring_size;
	bool native;
	struct gate_bpf *gate;
	int link_fd;
	unsigned n_queues;
	struct xsk_queue *queues;
};

__attribute__((format(printf, 3, 4)))
static void complain(struct xsk_error *error, int code, const char *format, ...)
{
	va_list args;

	error->code = code;
	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
}

/*
 * The kernel gives up a queue some milliseconds after its last socket was closed
 * (xp_put_pool() defers it): a successor that finds it busy tries again for a while.
 * True: try once more.
 */
static bool busy_for_a_moment(int code, unsigned *tries)
{
	if (code != -EBUSY || ++*tries > BUSY_TRIES)
		return false;
	usleep(BUSY_PAUSE_US);
	return true;
}

/* -- the memory ------------------------------------------------------------------- */

static int area_map(struct xsk_area *area, uint32_t n_frames, uint32_t frame_size,
		    struct xsk_error *error)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
	int flags = MAP_SHARED;

	area->frame_size = frame_size;
	area->size = (size_t)n_frames * frame_size;
	area->map_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "tsuji_frames", sizeof(uint32_t),
				      frame_size, n_frames, &options);
	if (area->map_fd < 0) {
		complain(error, 0,
			 "the kernel refuses a BPF map for the frames (%s): using anonymous memory",
			 strerror(-area->map_fd));
		area->map_fd = -1;
		flags = MAP_PRIVATE | MAP_ANONYMOUS;
	}
	area->memory = mmap(NULL, area->size, PROT_READ | PROT_WRITE, flags, area->map_fd, 0);
	if (area->memory == MAP_FAILED) {
		int code = errno;
		area->memory = NULL;
		complain(error, code, "no memory for %u frames of %u bytes: %s; lower frames:",
			 n_frames, frame_size, strerror(code));
		return -code;
	}
	return 0;
}

static int anchor_bind(struct xsk_area *area, const struct xsk_socket_config *socket)
{
	unsigned tries = 0;
	int code;

	do {
		code = xsk_socket__create(&area->anchor.socket, "lo", 0, area->umem, NULL,
					  &area->anchor.tx, socket);
	} while (busy_for_a_moment(code, &tries));
	return code;
}

static int area_register(struct xsk_area *area, uint32_t frame_size, struct xsk_error *error)
{
	const struct xsk_umem_config umem = {
		.fill_size = XSK_RING_MAX, .comp_size = XSK_RING_MAX, .frame_size = frame_size,
	};
	struct xsk_socket_config socket = {
		.tx_size = ANCHOR_RING,
		.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = area->skb_in_view ? XDP_COPY | XDP_USE_SG : XDP_COPY,
	};
	int code = xsk_umem__create(&area->umem, area->memory, area->size, &area->anchor.fill,
				    &area->anchor.completion, &umem);
	if (code) {
		const char *fix = "; raise the limit on locked memory: ulimit -l unlimited";
		complain(error, -code, "the kernel refuses the frames as AF_XDP memory: %s%s",
			 strerror(-code), code == -ENOBUFS ? fix : "");
		return code;
	}
	/* Sockets that share the UMEM do as the first one that was bound. */
	code = anchor_bind(area, &socket);
	area->several = !code && area->skb_in_view; /* else nobody says how they are to be cut */
	if (code == -EINVAL) {			    /* before 6.6 */
		socket.bind_flags = XDP_COPY;
		code = anchor_bind(area, &socket);
	}
	if (code)
		complain(error, -code,
			 "cannot bind an AF_XDP socket to the loopback interface: %s%s",
			 strerror(-code),
			 code == -EBUSY ? "; another program holds one in this namespace" : "");
	return code;
}

/* Whether the kernel has the kfuncs that let a program see the skb (6.2). */
static bool kernel_shows_skb(void)
{
	struct btf *btf = btf__load_vmlinux_btf();
	bool both = btf && btf__find_by_name_kind(btf, "bpf_cast_to_kern_ctx", BTF_KIND_FUNC) > 0 &&
		    btf__find_by_name_kind(btf, "bpf_rdonly_cast", BTF_KIND_FUNC) > 0;
	btf__free(btf);
	return both;
}

struct xsk_area *xsk_area_new(uint32_t n_frames, uint32_t size, struct xsk_error *error)
{
	struct xsk_area *area = calloc(1, sizeof(*area));

	*error = (struct xsk_error){0};
	if (!area) {
		complain(error, ENOMEM, "no memory");
		return NULL;
	}
	area->map_fd = -1;
	area->skb_in_view = kernel_shows_skb();
	area->punting_fd = bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "tsuji_punting", sizeof(uint32_t),
					  sizeof(uint32_t), 1, NULL);
	if (area->punting_fd < 0) {
		complain(error, -area->punting_fd, "the kernel refuses a BPF map: %s", strerror(-area->punting_fd));
		xsk_area_free(area);
		return NULL;
	}
	if (area_map(area, n_frames, size, error) || area_register(area, size, error)) {
		xsk_area_free(area);
		return NULL;
	}
	return area;
}

void xsk_area_free(struct xsk_area *area)
{
	if (!area)
		return;
	xsk_socket__delete(area->anchor.socket);
	if (area->umem)
		xsk_umem__delete(area->umem);
	if (area->memory)
		munmap(area->memory, area->size);
	if (area->map_fd >= 0)
		close(area->map_fd);
	if (area->punting_fd >= 0)
		close(area->punting_fd);
	free(area);
}

void *xsk_area_memory(struct xsk_area *area) { return area->memory; }

int xsk_area_punting(const struct xsk_area *area) { return area->punting_fd; }

int xsk_area_map(const struct xsk_area *area, uint32_t *frame_size)
{
	*frame_size = area->frame_size;
	return area->map_fd;
}

/* -- receive ---------------------------------------------------------------------- */

/* Puts the VLAN tag that travelled beside the bytes where it belongs: behind the MACs. */
static void insert_tag(struct packet *p, const struct gate_meta *meta)
{
	const be16 tag[2] = {{meta->vlan_proto}, be16_from(meta->vlan_tci)};

	p->data -= sizeof(tag);
	p->len += sizeof(tag);
	p->csum_start += sizeof(tag);
	memmove(p->data, p->data + sizeof(tag), 2 * sizeof(struct mac));
	memcpy(p->data + 2 * sizeof(struct mac), tag, sizeof(tag));
}

/* What the gate wrote in front of the frame, as packet flags. */
static void read_meta(struct packet *p)
{
	struct gate_meta meta;

	memcpy(&meta, p->data - sizeof(meta), sizeof(meta));
	p->csum_start = meta.csum_start;
	p->csum_offset = meta.csum_offset;
	p->gso_size = meta.gso_size;
	p->gso_kind = (uint8_t)meta.gso_kind;
	if (unlikely(meta.vlan_proto))
		insert_tag(p, &meta);
	switch ((enum gate_checksum)meta.checksum) {
	case GATE_CHECKSUM_FULL:
		return;
	case GATE_CHECKSUM_PARTIAL:
		p->flags = PACKET_PARTIAL;
		return;
	case GATE_CHECKSUM_UNKNOWN:
		p->flags = PACKET_UNKNOWN;
	}
}

/* Gives the receiver as many frames as it has used up. */
static void queue_refill(struct xsk_port *port, struct xsk_queue *q)
{
	uint32_t index, want = min_u32(port->ring_size - q->posted, port->pool->n_free);

	/* A few at a time are not worth the fence, unless the receiver is about to starve. */
	if (!want || (want < VECTOR_SIZE && q->posted > port->ring_size / 2))
		return;
	if (!xsk_ring_prod__reserve(&q->fill, want, &index))
		return;
	for (uint32_t i = 0; i < want; i++) {
		struct packet *p = frame_get(port->pool);
		frame_move(port->pool, p, frame_owner(FRAME_RX, port->number));
		*xsk_ring_prod__fill_addr(&q->fill, index + i) =
			(uint64_t)frame_number(port->pool, p) * port->pool->size;
	}
	xsk_ring_prod__submit(&q->fill, want);
	q->posted += want;
	if (xsk_ring_prod__needs_wakeup(&q->fill))
		recvfrom(xsk_socket__fd(q->socket), NULL, 0, MSG_DONTWAIT, NULL, NULL);
}

static struct packet *take(struct xsk_port *port, const struct xdp_desc *desc)
{
	struct frame_pool *pool = port->pool;
	struct packet *p = frame_at(pool, desc->addr);

	prefetch(pool->base + desc->addr);
	*p = (struct packet){
		.data = pool->base + desc->addr,
		.len = desc->len,
		.port_in = port->number,
		.wire = port->number,
		.owner = p->owner,
		.refs = 1,
		.decision = {.port_out = PORT_NONE, .route = ROUTE_NONE},
	};
	frame_move(pool, p, FRAME_TURN);
	return p;
}

/* The frames, at most n, of the packet that begins at that place of the ring; 0: its end is not
 * there. */
static unsigned count_frames(const struct xsk_queue *q, uint32_t index, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (likely(!(xsk_ring_cons__rx_desc(&q->rx, index + i)->options & XDP_PKT_CONTD)))
			return i + 1;
	return 0;
}

/* Puts the n frames from that place on behind p; false: they are too many, and p is no more. */
static bool take_rest(struct xsk_port *port, const struct xsk_queue *q, uint32_t index, unsigned n,
		      struct packet *p)
{
	struct packet *last = p;

	for (unsigned i = 0; i < n; i++) {
		struct packet *part = take(port, xsk_ring_cons__rx_desc(&q->rx, index + i));
		frame_append(port->pool, p, last, part);
		last = part;
	}
	if (likely(n < PACKET_PARTS_MAX))
		return true;
	frame_put(port->pool, p);
	count_add(&port->stats->rx_too_long, 1);
	return false;
}

static unsigned queue_rx(struct xsk_port *port, struct xsk_queue *q, struct packet **packets,
			 unsigned max)
{
	uint32_t index;
	unsigned n = xsk_ring_cons__peek(&q->rx, max, &index), used = 0, n_packets = 0, frames;

	for (; used < n && (frames = count_frames(q, index + used, n - used)); used += frames) {
		struct packet *p = take(port, xsk_ring_cons__rx_desc(&q->rx, index + used));
		if (likely(frames == 1) || take_rest(port, q, index + used + 1, frames - 1, p))
			packets[n_packets++] = p;
	}
	for (unsigned i = 0; i < n_packets; i++)
		read_meta(packets[i]);
	if (unlikely(used < n)) /* one that goes on behind what we asked for: next time */
		xsk_ring_cons__cancel(&q->rx, n - used);
	if (used)
		xsk_ring_cons__release(&q->rx, used);
	q->posted -= used;
	q->n_read += used;
	/* Now, not after the turn: what arrives while these are worked on needs frames too. */
	queue_refill(port, q);
	return n_packets;
}

static unsigned port_rx(struct io *io, struct packet **packets, unsigned max)
{
	struct xsk_port *port = (struct xsk_port *)io;
	unsigned n = 0;

	for (unsigned i = 0; i < port->n_queues && n < max; i++)
		n += queue_rx(port, &port->queues[i], packets + n, max - n);
	return n;
}

/* -- transmit: the socket lane ---------------------------------------------------- */

static unsigned port_tx(struct io *io, struct packet *const *packets, unsigned n)
{
	struct xsk_port *port = (struct xsk_port *)io;
	struct xsk_queue *q = &port->queues[0];
	uint64_t bytes = 0;
	uint32_t index;

	n = min_u32(n, port->ring_size - q->sent);
	if (!n || !xsk_ring_prod__reserve(&q->tx, n, &index))
		return 0;
	for (unsigned i = 0; i < n; i++) {
		struct xdp_desc *desc = xsk_ring_prod__tx_desc(&q->tx, index + i);
		desc->addr = (uint64_t)(packets[i]->data - port->pool->base);
		desc->len = packets[i]->len;
		desc->options = 0;
		bytes += packets[i]->len;
		frame_send(port->pool, packets[i], port->number);
	}
	xsk_ring_prod__submit(&q->tx, n);
	q->sent += n;
	count_add(&port->stats->tx_packets, n);
	count_add(&port->stats->tx_bytes, bytes);
	return n;
}

static void queue_complete(struct xsk_port *port, struct xsk_queue *q)
{
	uint32_t index;
	unsigned n = xsk_ring_cons__peek(&q->completion, XSK_RING_MAX, &index);

	for (unsigned i = 0; i < n; i++) {
		uint64_t offset = *xsk_ring_cons__comp_addr(&q->completion, index + i);
		frame_sent(port->pool, frame_at(port->pool, offset), port->number);
	}
	if (n)
		xsk_ring_cons__release(&q->completion, n);
	q->sent -= n;
}

/* Descriptors the kernel has not taken yet. */
static uint32_t queue_unsent(struct xsk_queue *q)
{
	return *q->tx.producer - __atomic_load_n(q->tx.consumer, __ATOMIC_ACQUIRE);
}

static void count_refusal(struct port_stats *stats, int code)
{
	switch (code) {
	case EAGAIN:
		count_add(&stats->tx_again, 1);
		break;
	case EBUSY:
		count_add(&stats->tx_busy, 1);
		break;
	case ENOBUFS:
		count_add(&stats->tx_nobufs, 1);
		break;
	case ENETDOWN:
	case ENXIO:
		count_add(&stats->tx_netdown, 1);
		break;
	default:
		count_add(&stats->tx_error, 1);
	}
}

/* Pushes what is on the TX ring, for as long as each call takes something off it. */
static void queue_kick(struct xsk_port *port, struct xsk_queue *q)
{
	uint32_t before, left = queue_unsent(q);

	while (left) {
		before = left;
		count_add(&port->stats->tx_kicks, 1);
		if (sendto(xsk_socket__fd(q->socket), NULL, 0, MSG_DONTWAIT, NULL, 0) < 0)
			count_refusal(port->stats, errno);
		queue_complete(port, q);
		left = queue_unsent(q);
		if (left == before)
			break;
	}
}

static void port_turn(struct io *io)
{
	struct xsk_port *port = (struct xsk_port *)io;

	queue_kick(port, &port->queues[0]);
	if (port->queues[0].sent)
		queue_complete(port, &port->queues[0]);
	for (unsigned i = 0; i < port->n_queues; i++)
		queue_refill(port, &port->queues[i]);
}

static bool port_waits(struct io *io) { return queue_unsent(&((struct xsk_port *)io)->queues[0]); }

/* For the gate, which hands a flow over to the flow cache when nothing of it is on the way here. */
static void port_done(struct io *io)
{
	struct xsk_port *port = (struct xsk_port *)io;

	for (unsigned i = 0; i < port->n_queues; i++) {
		struct xsk_queue *q = &port->queues[i];
		uint64_t *done = &port->gate->bss->counters[i].done, now = q->n_read + load_shared(&q->lost);
		if (load_shared(done) != now) /* each store takes the line from the gate's CPU */
			store_release(done, now);
	}
}

static const struct io_ops xsk_ops = {
	.rx = port_rx, .done = port_done, .tx = port_tx, .turn = port_turn, .waits = port_waits,
};

/* -- opening and closing a port --------------------------------------------------- */

/* An ethtool request on the interface; false if it does not know it. */
static bool ethtool(const char *name, void *request)
{
	struct ifreq ifr = {.ifr_data = request};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	bool known = fd >= 0 && ioctl(fd, SIOCETHTOOL, &ifr) == 0;
	if (fd >= 0)
		close(fd);
	return known;
}

static bool is_veth(const char *name)
{
	struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
	return ethtool(name, &info) && strcmp(info.driver, "veth") == 0;
}

static unsigned receive_queues(const char *name)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	unsigned n = 0;

	if (ethtool(name, &channels))
		n = channels.rx_count + channels.combined_count;
	return n ? min_u32(n, XSK_QUEUES_MAX) : 1;
}

/* The cache's maps in the place of the gate's own. */
static void gate_set_flow(struct xsk_port *port, const struct xsk_config *config)
{
	struct flow_maps maps = flow_lane_maps(config->flow);
	struct gate_bpf *gate = port->gate;

	if (bpf_map__reuse_fd(gate->maps.flow_head, maps.head) ||
	    bpf_map__reuse_fd(gate->maps.flow_buckets, maps.buckets) ||
	    bpf_map__reuse_fd(gate->maps.flow_ports, maps.ports))
		return;
	gate->rodata->flow_mask = maps.mask;
	gate->rodata->flow_secret[0] = maps.secret[0];
	gate->rodata->flow_secret[1] = maps.secret[1];
	gate->rodata->port_number = config->number;
	gate->rodata->shared_queues = port->n_queues > 1;
#if !defined(__x86_64__) && !defined(__i386__)
	gate->rodata->weak_order = 1;
#endif
}

static int gate_load(struct xsk_port *port, const struct xsk_area *area,
		     const struct xsk_config *config, struct xsk_error *error)
{
	int see = port->native ? area->skb_in_view && is_veth(config->name) : area->several;

	/* With the skb, or its end, in view where we can, without it where that does not load. */
	for (; see >= 0; see--) {
		port->gate = gate_bpf__open();
		if (!port->gate)
			break;
		port->gate->rodata->see_skb = see && port->native;
		port->gate->rodata->see_gso = see && !port->native;
		if (port->gate->rodata->see_gso)
			bpf_program__set_flags(port->gate->progs.gate, BPF_F_XDP_HAS_FRAGS);
		port->gate->rodata->bridged = config->bridged;
		port->gate->rodata->generic = !port->native;
		bpf_map__reuse_fd(port->gate->maps.punting, area->punting_fd);
		if (port->gate->rodata->see_skb && config->flow)
			gate_set_flow(port, config);
		if (gate_bpf__load(port->gate) == 0)
			return 0;
		gate_bpf__destroy(port->gate);
		port->gate = NULL;
	}
	complain(error, errno, "the kernel refuses the gate program: %s", strerror(errno));
	return -errno;
}

static int gate_attach(struct xsk_port *port, const struct xsk_config *config,
		       struct xsk_error *error)
{
	LIBBPF_OPTS(bpf_link_create_opts, options,
		    .flags = port->native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE);
	port->link_fd = bpf_link_create(bpf_program__fd(port->gate->progs.gate),
					(int)config->ifindex, BPF_XDP, &options);
	if (port->link_fd >= 0)
		return 0;
	int code = -port->link_fd;
	switch (code) {
	case EBUSY:
	case EEXIST:
		complain(error, code,
			 "an XDP program is attached to it: ip link set dev %s xdp off (or end the "
			 "program that attached it)",
			 config->name);
		break;
	case ERANGE:
		complain(error, code,
			 "the MTU at its far end is too large for native XDP: at most 3506 there, "
			 "or xdp: generic on this port");
		break;
	case ENOSPC:
		complain(error, code,
			 "native XDP wants as many receive queues here as its far end has transmit "
			 "queues: ethtool -L %s rx N, or xdp: generic",
			 config->name);
		break;
	default:
		complain(error, code, "cannot attach XDP in %s mode: %s",
			 port->native ? "native" : "generic", strerror(code));
	}
	return -code;
}

static int queue_open(struct xsk_port *port, struct xsk_area *area, const struct xsk_config *config,
		      unsigned number, struct xsk_error *error)
{
	struct xsk_queue *q = &port->queues[number];
	const struct xsk_socket_config socket = {
		.rx_size = config->ring_size,
		.tx_size = config->ring_size,
		.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = XDP_COPY | XDP_USE_NEED_WAKEUP,
	};
	const int buffer = SEND_BUFFER;
	const uint32_t budget = config->ring_size;
	unsigned tries = 0;
	int code;

	do {
		code = xsk_socket__create_shared(&q->socket, config->name, number, area->umem,
						 &q->rx, &q->tx, &q->fill, &q->completion, &socket);
	} while (busy_for_a_moment(code, &tries));
	if (code) {
		complain(error, -code, "cannot open an AF_XDP socket on queue %u: %s%s", number,
			 strerror(-code), code == -EBUSY ? "; another program holds one" : "");
		q->socket = NULL;
		return code;
	}
	int fd = xsk_socket__fd(q->socket);
	/* Both only help: a kernel without them sends the same, in smaller steps. */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer));
	(void)setsockopt(fd, SOL_XDP, XDP_MAX_TX_SKB_BUDGET, &budget, sizeof(budget));
	code = bpf_map_update_elem(bpf_map__fd(port->gate->maps.sockets), &number, &fd, BPF_ANY);
	if (code)
		complain(error, -code, "cannot give queue %u to the gate: %s", number,
			 strerror(-code));
	return code;
}

/* One try in one mode. */
static struct xsk_port *port_try(struct xsk_area *area, const struct xsk_config *config,
				 bool native, struct xsk_error *error)
{
	struct xsk_port *port = calloc(1, sizeof(*port));

	if (!port)
		goto no_memory;
	*port = (struct xsk_port){
		.io = {&xsk_ops},
		.pool = config->pool,
		.stats = stats_port(config->stats, config->number),
		.number = config->number,
		.ring_size = config->ring_size,
		.native = native,
		.link_fd = -1,
		.n_queues = receive_queues(config->name),
	};
	port->queues = calloc(port->n_queues, sizeof(*port->queues));
	if (!port->queues)
		goto no_memory;
	int code = gate_load(port, area, config, error);
	for (unsigned i = 0; !code && i < port->n_queues; i++)
		code = queue_open(port, area, config, i, error);
	if (!code)
		code = gate_attach(port, config, error);
	if (!code)
		return port;
	xsk_port_close(port);
	return NULL;
no_memory:
	complain(error, ENOMEM, "no memory");
	free(port);
	return NULL;
}

struct xsk_port *xsk_port_open(struct xsk_area *area, const struct xsk_config *config,
			       struct xsk_error *error)
{
	struct xsk_port *port;

	assert(config->ring_size <= XSK_RING_MAX);
	*error = (struct xsk_error){0};
	port = port_try(area, config, config->mode != XSK_GENERIC, error);
	if (port || config->mode != XSK_AUTO ||
	    (error->code != EOPNOTSUPP && error->code != ENOSPC && error->code != ERANGE &&
	     error->code != EINVAL))
		return port;
	struct xsk_error native = *error;
	port = port_try(area, config, false, error);
	if (port)
		complain(error, 0,
			 "native XDP is not to be had (%.180s): using generic mode, which is "
			 "slower",
			 native.text);
	return port;
}

void xsk_port_close(struct xsk_port *port)
{
	if (!port)
		return;
	if (port->link_fd >= 0)
		close(port->link_fd); /* first: frames reach the kernel again */
	for (unsigned i = 0; i < port->n_queues; i++)
		xsk_socket__delete(port->queues[i].socket);
	gate_bpf__destroy(port->gate);
	free(port->queues);
	free(port);
}

/* -- questions -------------------------------------------------------------------- */

bool xsk_port_is_native(const struct xsk_port *port) { return port->native; }

bool xsk_port_sees_checksums(const struct xsk_port *port) { return port->gate->rodata->see_skb; }

bool xsk_port_repeats(const struct xsk_port *port) { return port->gate->rodata->flow_mask; }

bool xsk_port_takes_large(const struct xsk_port *port)
{
	return port->gate->rodata->see_gso;
}

bool xsk_port_attached(const struct xsk_port *port)
{
	struct bpf_link_info info = {0};
	uint32_t size = sizeof(info);

	return bpf_obj_get_info_by_fd(port->link_fd, &info, &size) == 0 && info.xdp.ifindex != 0;
}

struct io *xsk_port_io(struct xsk_port *port) { return &port->io; }

unsigned xsk_port_room(const struct xsk_port *port)
{
	return port->ring_size - port->queues[0].sent;
}

unsigned xsk_port_fds(const struct xsk_port *port, int *fds, unsigned max)
{
	unsigned n = min_u32(port->n_queues, max);

	for (unsigned i = 0; i < n; i++)
		fds[i] = xsk_socket__fd(port->queues[i].socket);
	return n;
}

void xsk_port_gate_counts(const struct xsk_port *port, struct xsk_gate_counts *counts)
{
	*counts = (struct xsk_gate_counts){0};
	for (unsigned i = 0; i < ARRAY_SIZE(port->gate->bss->counters); i++) {
		const struct gate_counters *c = &port->gate->bss->counters[i];
		counts->taken += load_shared(&c->taken);
		counts->passed += load_shared(&c->passed);
		counts->no_socket += load_shared(&c->no_socket);
		counts->lost += load_shared(&c->lost);
	}
}

void xsk_port_refresh_stats(struct xsk_port *port)
{
	for (unsigned i = 0; i < port->n_queues; i++) {
		struct xsk_queue *q = &port->queues[i];
		struct xdp_statistics s = {0};
		socklen_t size = sizeof(s);
		if (getsockopt(xsk_socket__fd(q->socket), SOL_XDP, XDP_STATISTICS, &s, &size))
			continue;
		count_add(&port->stats->rx_ring_full, s.rx_ring_full - q->seen_full);
		count_add(&port->stats->rx_fill_empty, s.rx_fill_ring_empty_descs - q->seen_empty);
		count_add(&port->stats->rx_too_long, s.rx_dropped - q->seen_dropped);
		store_shared(&q->lost, s.rx_ring_full + s.rx_dropped);
		q->seen_dropped = s.rx_dropped;
		q->seen_full = s.rx_ring_full;
		q->seen_empty = s.rx_fill_ring_empty_descs;
	}
}
