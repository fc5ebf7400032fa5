/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * egress - sorts packets by the port they leave by, then hands each port its share.
 *
 * Only touched ports are visited. A packet counts as sent once the port's io has taken
 * it; what does not fit is dropped here and now, because a full ring means the host at
 * the other end is slower than the traffic, and waiting for it would hold up the rest.
 */
#include "egress.h"

/* The packet has left, one way or the other. */
static void end(struct egress *e, struct packet *p, enum verdict verdict, uint64_t now_ns)
{
	p->verdict = (uint8_t)verdict;
	count_add(&stats_port(e->stats, p->port_in)->ends[verdict], 1);
	if (unlikely(p->trace))
		trace_end(e->traces, p, now_ns);
	if (verdict_is_drop(verdict))
		frame_put(e->pool, p);
}

static void flush_port(struct egress *e, uint16_t number, uint64_t now_ns)
{
	struct vector *v = &e->queues[number].waiting;
	const struct port *port = port_get(e->ports, number);
	bool usable = port && port->up && port->io;
	unsigned taken = usable ? io_tx(port->io, v->p, v->n) : 0;

	for (unsigned i = 0; i < taken; i++)
		end(e, v->p[i], SENT, now_ns);
	for (unsigned i = taken; i < v->n; i++)
		end(e, v->p[i], usable ? DROP_TX_FULL : DROP_PORT_DOWN, now_ns);
	if (taken < v->n)
		count_add(&stats_port(e->stats, number)->tx_dropped, v->n - taken);
	v->n = 0;
}

void egress_put(struct egress *e, struct packet *p, uint64_t now_ns)
{
	uint16_t number = p->decision.port_out;
	struct egress_queue *q = &e->queues[number];
	struct packet *next;

	if (!q->touched) {
		q->touched = true;
		e->order[e->n_touched++] = number;
	}
	for (; p; p = next) {
		next = p->next;
		p->next = NULL;
		q->waiting.p[q->waiting.n++] = p;
		if (q->waiting.n == VECTOR_SIZE)
			flush_port(e, number, now_ns);
	}
}

static void flush_punts(struct egress *e, uint64_t now_ns)
{
	struct vector *v = &e->punts;
	unsigned done = 0;

	while (done < v->n) {
		unsigned taken = e->punt ? io_tx(e->punt, v->p + done, v->n - done) : 0;
		for (unsigned i = done; i < done + taken; i++)
			end(e, v->p[i], PUNTED, now_ns);
		done += taken;
		/* One that is refused says nothing about the next: it may be for another port. */
		if (done < v->n)
			end(e, v->p[done++], DROP_PUNT, now_ns);
	}
	v->n = 0;
}

void egress_punt(struct egress *e, struct packet *p, uint64_t now_ns)
{
	e->punts.p[e->punts.n++] = p;
	if (e->punts.n == VECTOR_SIZE)
		flush_punts(e, now_ns);
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
