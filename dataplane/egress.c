/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * egress - sorts packets by the port they leave by, then hands each port its share.
 *
 * Only touched ports are visited. A packet counts as sent once the port's io has taken
 * it; what does not fit is dropped here and now, because a full ring means the host at
 * the other end is slower than the traffic, and waiting for it would hold up the rest.
 *
 * A flood is one packet in the queues of several ports: packet->refs says how many, every
 * port that sends or drops it ends one of them (frame.h). From the first of them on, its
 * bytes and its verdict's meaning must not change.
 *
 * A port's io says whether it takes a large packet whole. For one that does not, its segments
 * are made here, in its place: as many packets more as there are segments but the first.
 */
#include "egress.h"

#include "offload.h"
#include "segment.h"

/* The packet has left by one port, one way or the other. */
static void end(struct egress *e, struct packet *p, enum verdict verdict, uint64_t now_ns)
{
	p->verdict = (uint8_t)verdict;
	count_add(&stats_port(e->stats, p->wire)->ends[verdict], 1);
	if (unlikely(p->trace)) {
		trace_end(e->traces, p, now_ns);
		p->trace = 0; /* a flood's other ends are not steps of this walk */
	}
	if (verdict_is_drop(verdict))
		frame_put(e->pool, p);
}

static bool is_usable(const struct egress *e, const struct port *port, uint64_t now_ns)
{
	return port && port->up && port->io && e->blocked_until_ns[port->number] <= now_ns;
}

static void flush_port(struct egress *e, uint16_t number, uint64_t now_ns)
{
	struct vector *v = &e->queues[number].waiting;
	const struct port *port = port_get(e->ports, number);
	bool usable = is_usable(e, port, now_ns);
	unsigned taken = usable ? io_tx(port->io, v->p, v->n) : 0;

	for (unsigned i = 0; i < taken; i++)
		end(e, v->p[i], SENT, now_ns);
	for (unsigned i = taken; i < v->n; i++)
		end(e, v->p[i], usable ? DROP_TX_FULL : DROP_PORT_DOWN, now_ns);
	if (taken < v->n)
		count_add(&stats_port(e->stats, number)->tx_dropped, v->n - taken);
	v->n = 0;
}

/* One packet, as it stands, into the queue of one port. */
static void queue_one(struct egress *e, struct packet *p, uint16_t number, uint64_t now_ns)
{
	struct egress_queue *q = &e->queues[number];

	if (!q->touched) {
		q->touched = true;
		e->order[e->n_touched++] = number;
	}
	q->waiting.p[q->waiting.n++] = p;
	if (q->waiting.n == VECTOR_SIZE)
		flush_port(e, number, now_ns);
}

/* p's segments, in its place; NULL: p has ended. They are new packets, all but one of them. */
static struct packet *cut(struct egress *e, struct packet *p, uint64_t now_ns)
{
	struct packet *first = NULL;
	enum verdict v = p->gso_size ? segment_cut(e->pool, p, &first) : DROP_FRAME_SIZE;

	if (v != TO_EGRESS) {
		end(e, p, v, now_ns);
		return NULL;
	}
	count_add(&e->stats->created, segment_count(p) - 1);
	if (unlikely(p->trace)) /* the walk goes on with the first */
		trace_follow(e->traces, p, first);
	frame_put(e->pool, p);
	return first;
}

/* One packet into the queue of one port, in pieces if that takes no large ones. */
static void queue(struct egress *e, struct packet *p, uint16_t number, uint64_t now_ns)
{
	const struct port *port = port_get(e->ports, number);

	if (likely(!packet_is_large(p)) || !port || !port->io || io_takes(port->io, p)) {
		queue_one(e, p, number, now_ns);
		return;
	}
	for (struct packet *next, *s = cut(e, p, now_ns); s; s = next) {
		next = s->next;
		s->next = NULL;
		queue_one(e, s, number, now_ns);
	}
}

void egress_mirror(struct egress *e, const struct packet *p, uint16_t mirror, uint64_t now_ns)
{
	const struct port *port = port_get(e->ports, mirror);
	struct packet *copy;

	if (!is_usable(e, port, now_ns) || !(copy = frame_copy(e->pool, p)))
		return;
	if (copy->gso_size && !segment_check(copy)) /* the room that looks at it comes later */
		copy->gso_size = 0;
	if (copy->flags)
		offload_complete(copy);
	count_add(&e->stats->created, 1);
	queue(e, copy, mirror, now_ns);
}

/* By a port with a wire. */
static void put_one(struct egress *e, struct packet *p, uint16_t number, uint64_t now_ns)
{
	const struct port *port = port_get(e->ports, number);

	if (unlikely(port && port->mirror != PORT_NONE))
		egress_mirror(e, p, port->mirror, now_ns);
	queue(e, p, number, now_ns);
}

/* -- bridges ---------------------------------------------------------------------- */

/* The members that take p, which floods from its wire; from the leg, if it is no member's. */
static unsigned flood_set(const struct egress *e, const struct port *leg, const struct packet *p,
			  uint16_t members[PORT_MAX], uint64_t now_ns)
{
	const struct port *from = p->flags & PACKET_FLOOD ? port_get(e->ports, p->wire) : NULL;
	bool group = mac_is_group(packet_eth(p)->dst);
	unsigned n = 0;

	for (unsigned i = 0; i < leg->n_members; i++) {
		const struct port *to = port_get(e->ports, leg->members[i]);
		if (is_usable(e, to, now_ns) && bridge_floods_to(from, to, p, group))
			members[n++] = to->number;
	}
	return n;
}

static void flood(struct egress *e, const struct port *leg, struct packet *p, uint64_t now_ns)
{
	uint16_t members[PORT_MAX];
	unsigned n = flood_set(e, leg, p, members, now_ns);

	if (!n) {
		end(e, p, DROP_BRIDGE_NO_PORT, now_ns);
		return;
	}
	p->refs = (uint16_t)n; /* before the first queue, which may be flushed at once */
	count_add(&e->stats->created, n - 1);
	for (unsigned i = 0; i < n; i++)
		put_one(e, p, members[i], now_ns);
}

/* By a bridge: where the FDB says the destination is, or everywhere. */
static void put_leg(struct egress *e, const struct port *leg, struct packet *p, uint64_t now_ns)
{
	uint16_t to = PORT_NONE;

	if (!(p->flags & PACKET_FLOOD) && !mac_is_group(packet_eth(p)->dst))
		to = fdb_lookup(e->fdb, leg->number, packet_eth(p)->dst, now_ns);
	if (to < PORT_MAX)
		put_one(e, p, to, now_ns);
	else
		flood(e, leg, p, now_ns);
}

void egress_put(struct egress *e, struct packet *p, uint64_t now_ns)
{
	const struct port *port = port_get(e->ports, p->decision.port_out);
	uint16_t number = p->decision.port_out;
	struct packet *next;

	for (; p; p = next) {
		next = p->next;
		p->next = NULL;
		if (unlikely(port && port_is_leg(port)))
			put_leg(e, port, p, now_ns);
		else
			put_one(e, p, number, now_ns);
	}
}

/* -- the kernel's share ----------------------------------------------------------- */

static void flush_punts(struct egress *e, uint64_t now_ns)
{
	unsigned done = 0;

	while (done < e->n_punts) {
		unsigned rest = e->n_punts - done;
		unsigned taken = e->punt ? io_tx(e->punt, e->punts + done, rest) : 0;
		for (unsigned i = done; i < done + taken; i++)
			end(e, e->punts[i], PUNTED, now_ns);
		done += taken;
		/* One that is refused says nothing about the next: it may be for another port. */
		if (done < e->n_punts)
			end(e, e->punts[done++], DROP_PUNT, now_ns);
	}
	e->n_punts = 0;
}

/* Only what goes on to someone else has to have its checksum completed. */
static void punt_one(struct egress *e, struct packet *p, uint64_t now_ns)
{
	struct meter *meter = &e->punt_meters[min_u32(p->wire, PORT_MAX)];

	if (!meter_take(meter, e->punt_rate, PUNT_BURST, now_ns)) {
		end(e, p, DROP_PUNT_RATE, now_ns);
		return;
	}
	if (p->flags & (PACKET_PARTIAL | PACKET_UNKNOWN))
		offload_complete(p);
	e->punts[e->n_punts++] = p;
	if (e->n_punts == PUNTS_MAX)
		flush_punts(e, now_ns);
}

/* The lane there takes nothing large. */
void egress_punt(struct egress *e, struct packet *p, uint64_t now_ns)
{
	if (likely(!packet_is_large(p))) {
		punt_one(e, p, now_ns);
		return;
	}
	for (struct packet *next, *s = cut(e, p, now_ns); s; s = next) {
		next = s->next;
		s->next = NULL;
		punt_one(e, s, now_ns);
	}
}

void egress_flush(struct egress *e, uint64_t now_ns)
{
	for (unsigned i = 0; i < e->n_touched; i++) {
		flush_port(e, e->order[i], now_ns);
		e->queues[e->order[i]].touched = false;
	}
	e->n_touched = 0;
	flush_punts(e, now_ns);
}
