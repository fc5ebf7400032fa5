/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pipeline - the rooms, in order (the drawing is in pipeline.h).
 *
 * Each room gets the packets whose verdict names its door, sets their next verdict, and
 * never knows which room comes after it. What is written here and nowhere else: the
 * order of the rooms, what happens to a packet that ended, and that a packet's ICMP error
 * enters at the FIB once, as a marked packet that makes no other.
 */
#include "pipeline.h"

#include "eth.h"
#include "filter.h"
#include "ip4.h"
#include "offload.h"

/* Requests sent in one call of the neighbour timers; more follow in the next turn. */
#define SOLICITS_MAX 32

void pipeline_init(struct pipeline *pl)
{
	pl->egress.pool = pl->pool;
	pl->egress.stats = pl->stats;
	pl->egress.traces = pl->traces;
	pl->egress.fdb = pl->fdb;
	pl->egress.blocked_until_ns = pl->bridge.blocked_until_ns;
	pl->egress.punt = pl->punt;
	if (!pl->flows)
		return;
	pl->repeat.cache = pl->flows;
	pl->repeat.neigh = pl->neigh;
	pl->repeat.fdb = pl->fdb;
	pl->repeat.sessions = pl->sessions;
	pl->repeat.stats = pl->stats;
	repeat_init(&pl->repeat);
}

void pipeline_wake(struct pipeline *pl, uint64_t now_ns)
{
	if (pl->flows)
		pl->repeat.generation = flow_begin(pl->flows, now_ns);
}

void pipeline_begin(struct pipeline *pl, const struct port_table *ports, struct fib *fib,
		    struct rules *rules, uint64_t now_ns)
{
	pl->ports = ports;
	pl->fib = fib;
	pl->rules = rules;
	pl->now_ns = now_ns;
	pl->egress.ports = ports;
	pl->egress.punt_rate = load_shared(&pl->punt_rate);
	if (pl->flows)
		repeat_begin(&pl->repeat, ports, fib, rules, trace_armed(pl->traces), now_ns);
}

static void note(struct pipeline *pl, enum verdict room, const struct vector *v)
{
	if (unlikely(trace_armed(pl->traces)))
		trace_steps(pl->traces, room, v, pl->now_ns);
}

/* -- ends ------------------------------------------------------------------------- */

/* The packet is finished with: count it, and give its frame back. */
static void end(struct pipeline *pl, struct packet *p)
{
	count_add(&stats_port(pl->stats, p->wire)->ends[p->verdict], 1);
	if (unlikely(p->trace))
		trace_end(pl->traces, p, pl->now_ns);
	frame_put(pl->pool, p);
}

static void hold(struct pipeline *pl, struct packet *p)
{
	p->session = NULL; /* it may end before the wait does */
	frame_move(pl->pool, p, FRAME_HELD);
	count_add(&stats_port(pl->stats, p->wire)->ends[HELD], 1);
}

/* The ICMP error that a dropped packet asks for, or its RST, is added to errors. */
static void drop(struct pipeline *pl, struct packet *p, struct vector *errors)
{
	struct packet *error = NULL;
	uint8_t code;

	if (verdict_icmp(p->verdict, &code) >= 0)
		error = icmp_error(pl->limiter, pl->pool, pl->stats, pl->ports, p, pl->now_ns);
	else if (unlikely(p->verdict == DROP_FILTER_RESET))
		error = filter_reset(pl->pool, pl->stats, p);
	if (error)
		errors->p[errors->n++] = error;
	end(pl, p);
}

/* A checksum left to hardware is finished here, or by the port it leaves by, for less. */
static void close_or_leave(const struct pipeline *pl, struct packet *p)
{
	if (p->flags & (PACKET_PARTIAL | PACKET_UNKNOWN) &&
	    !(port_completes(port_get(pl->ports, p->decision.port_out)) && offload_leave(p)))
		offload_complete(p);
}

/* Bridged frames leave as they came, but for that. */
static void put(struct pipeline *pl, struct packet *p)
{
	close_or_leave(pl, p);
	if (pl->flows)
		repeat_offer(&pl->repeat, p);
	egress_put(&pl->egress, p, pl->now_ns);
}

/* Sees every packet of v to its end, or on to egress. */
static void settle(struct pipeline *pl, const struct vector *v, struct vector *errors)
{
	for (unsigned i = 0; i < v->n; i++) {
		struct packet *p = v->p[i];
		if (p->verdict == TO_EGRESS)
			put(pl, p);
		else if (p->verdict == PUNTED)
			egress_punt(&pl->egress, p, pl->now_ns);
		else if (p->verdict == HELD) /* by its next hop, or for its first fragment */
			hold(pl, p);
		else if (p->verdict == TAKEN)
			end(pl, p);
		else
			drop(pl, p, errors);
	}
}

/* -- the rooms -------------------------------------------------------------------- */

/* TO_NEIGH -> TO_REWRITE with the link header ready, HELD, DROP_NEIGH_*. */
static void resolve(struct pipeline *pl, const struct vector *v)
{
	neigh_resolve_burst(pl->neigh, v, pl->now_ns);
	for (unsigned i = 0; i < v->n; i++) {
		struct decision *d = &v->p[i]->decision;
		if (v->p[i]->verdict != TO_REWRITE)
			continue;
		d->link.src = port_get(pl->ports, d->port_out)->mac;
		d->link.type = be16_from(ETH_IPV4);
	}
}

/* Before its bytes change, a packet may earn its sender a redirect. */
static void redirect(struct pipeline *pl, const struct vector *v, struct vector *made)
{
	for (unsigned i = 0; i < v->n; i++) {
		if (likely(v->p[i]->decision.port_out != v->p[i]->port_in) ||
		    !ip4_wants_redirect(pl->ports, v->p[i]))
			continue;
		struct packet *p = icmp_redirect(pl->limiter, pl->pool, pl->stats, pl->ports,
						 v->p[i], pl->now_ns);
		if (p)
			made->p[made->n++] = p;
	}
}

static struct nat nat_of(const struct pipeline *pl)
{
	return (struct nat){
		.ports = pl->ports, .rules = pl->rules, .sessions = pl->sessions,
		.fragments = pl->fragments, .stats = pl->stats, .now_ns = pl->now_ns,
	};
}

/* Whether it may go where its route leads, and under which address: asked once. */
static void admit(struct pipeline *pl, const struct vector *v)
{
	struct nat nat = nat_of(pl);
	struct vector at = {0};

	for (unsigned i = 0; i < v->n; i++) {
		struct packet *p = v->p[i];
		if (p->verdict != TO_NEIGH || p->flags & (PACKET_OWN | PACKET_ADMITTED))
			continue;
		p->verdict = TO_FILTER;
		at.p[at.n++] = p;
	}
	filter_forward(pl->ports, pl->rules, &at);
	note(pl, TO_FILTER, &at);

	vector_take(v, TO_NAT_OUT, &at);
	nat_output(&nat, &at);
	note(pl, TO_NAT_OUT, &at);
	for (unsigned i = 0; i < at.n; i++)
		at.p[i]->flags |= PACKET_ADMITTED;
}

/* Room 6: the only place where a transit packet's bytes change. */
static void rewrite(struct pipeline *pl, const struct vector *v)
{
	for (unsigned i = 0; i < v->n; i++) {
		struct packet *p = v->p[i];
		if (likely(!p->decision.nat.flags))
			continue;
		close_or_leave(pl, p);
		nat_rewrite(p); /* a sum that is whole can be updated, and one that is left open */
	}
	ip4_rewrite(pl->ports, pl->fib, pl->pool, pl->stats, v);
}

/* Rooms 5 to 7 for the packets of v that are TO_FIB; redirects they earn are added to made. */
static void forward(struct pipeline *pl, const struct vector *v, struct vector *made)
{
	struct vector at;

	vector_take(v, TO_FIB, &at);
	if (!at.n)
		return;
	ip4_route(pl->ports, pl->fib, &at);
	note(pl, TO_FIB, &at);

	if (pl->rules)
		admit(pl, &at);
	vector_take(v, TO_NEIGH, &at);
	resolve(pl, &at);
	note(pl, TO_NEIGH, &at);

	vector_take(v, TO_REWRITE, &at);
	redirect(pl, &at, made);
	rewrite(pl, &at);
	note(pl, TO_REWRITE, &at);
}

/* What the router has made itself: in by the FIB, once. It makes no other packet. */
static void forward_made(struct pipeline *pl, const struct vector *made)
{
	struct vector none = {0};

	if (!made->n)
		return;
	forward(pl, made, &none);
	settle(pl, made, &none);
	assert(none.n == 0);
}

/* Rooms 5 to 7 for v, then for the errors and redirects that came of it. */
static void forward_and_settle(struct pipeline *pl, const struct vector *v)
{
	struct vector redirects = {0}, errors = {0};

	forward(pl, v, &redirects);
	settle(pl, v, &errors);
	forward_made(pl, &redirects);
	forward_made(pl, &errors);
}

/* Packets whose next hop has answered, or will not. */
static void release(struct pipeline *pl)
{
	struct packet *p;

	do {
		struct vector v = {0};
		while (v.n < VECTOR_SIZE && (p = neigh_released(pl->neigh))) {
			frame_move(pl->pool, p, FRAME_TURN);
			p->next = NULL;
			/* Routes may have changed while it waited: it asks the FIB again. */
			if (p->verdict == TO_NEIGH)
				p->verdict = TO_FIB;
			v.p[v.n++] = p;
		}
		if (!v.n)
			return;
		forward_and_settle(pl, &v);
	} while (p);
}

static void count_arrivals(struct pipeline *pl, const struct vector *v)
{
	for (unsigned i = 0; i < v->n; i++) {
		struct port_stats *s = stats_port(pl->stats, v->p[i]->wire);
		count_add(&s->rx_packets, 1);
		count_add(&s->rx_bytes, packet_len(v->p[i]));
		if (v->p[i]->flags & PACKET_PARTIAL)
			count_add(&s->rx_partial, 1);
	}
}

/* A mirrored port's arrivals, as they came. */
static void mirror_arrivals(struct pipeline *pl, const struct vector *v)
{
	for (unsigned i = 0; i < v->n; i++) {
		const struct port *port = port_get(pl->ports, v->p[i]->wire);
		if (unlikely(port && port->mirror != PORT_NONE))
			egress_mirror(&pl->egress, v->p[i], port->mirror, pl->now_ns);
	}
}

/* From TO_NAT or TO_LOCAL on: for whom a datagram is, then its way there. */
static void deliver(struct pipeline *pl, const struct vector *v)
{
	struct nat nat = nat_of(pl);
	struct vector at;

	vector_take(v, TO_NAT, &at);
	if (at.n) {
		nat_input(&nat, &at);
		note(pl, TO_NAT, &at);
		vector_take(v, TO_DELIVER, &at);
		ip4_deliver(pl->ports, &at);
		note(pl, TO_DELIVER, &at);
	}

	vector_take(v, TO_LOCAL, &at);
	if (at.n) {
		icmp_local(pl->ports, &at);
		note(pl, TO_LOCAL, &at);
	}

	forward_and_settle(pl, v);
}

/* Later fragments whose first has come, or will not. */
static void release_fragments(struct pipeline *pl)
{
	struct packet *p;

	do {
		struct vector v = {0};
		while (v.n < VECTOR_SIZE && (p = nat_fragments_released(pl->fragments))) {
			frame_move(pl->pool, p, FRAME_TURN);
			p->next = NULL;
			v.p[v.n++] = p;
		}
		if (v.n)
			deliver(pl, &v);
	} while (p);
}

/* From ARP and IPv4 on: what came in by a routed port, or up from a bridge. */
static void route(struct pipeline *pl, const struct vector *v)
{
	struct vector at;

	vector_take(v, TO_ARP, &at);
	if (at.n) {
		arp_input(pl->ports, pl->neigh, pl->stats, &pl->arp, &at, pl->now_ns);
		note(pl, TO_ARP, &at);
		release(pl); /* now: what waited must not be overtaken by what has just come */
	}

	vector_take(v, TO_IP4, &at);
	ip4_input(pl->ports, &at, pl->rules != NULL);
	note(pl, TO_IP4, &at);

	deliver(pl, v);
}

void pipeline_packets(struct pipeline *pl, struct vector *v)
{
	struct vector at, up = {0};

	count_arrivals(pl, v);
	mirror_arrivals(pl, v);
	if (unlikely(trace_armed(pl->traces)))
		trace_arrivals(pl->traces, v, pl->now_ns);

	eth_input(pl->ports, v);
	note(pl, TO_ETH, v);

	vector_take(v, TO_BRIDGE, &at);
	if (at.n) {
		bridge_input(pl->ports, pl->fdb, pl->pool, pl->stats, &pl->bridge, &at, &up,
			     pl->now_ns);
		note(pl, TO_BRIDGE, &at);
	}

	route(pl, v);
	if (up.n) /* after the broadcasts they are copies of */
		route(pl, &up);
	if (pl->rules)
		release_fragments(pl);
}

/* -- timers ----------------------------------------------------------------------- */

static void solicit(struct pipeline *pl)
{
	struct neigh_solicit due[SOLICITS_MAX];
	unsigned n = neigh_poll(pl->neigh, pl->now_ns, due, SOLICITS_MAX);

	for (unsigned i = 0; i < n; i++) {
		const struct port *port = port_get(pl->ports, due[i].port);
		struct packet *p = port ? frame_get(pl->pool) : NULL;
		if (!p)
			continue; /* the table asks again when its timer is next due */
		if (!arp_request(port, p, due[i].address, due[i].mac)) {
			frame_put(pl->pool, p);
			continue;
		}
		p->decision.port_out = port->number;
		count_add(&pl->stats->created, 1);
		count_add(&pl->stats->arp_requests, 1);
		egress_put(&pl->egress, p, pl->now_ns);
	}
}

void pipeline_announce(struct pipeline *pl, uint16_t number)
{
	const struct port *port = port_get(pl->ports, number);

	for (unsigned i = 0; port && port->up && i < port->n_addresses; i++) {
		struct packet *p = frame_get(pl->pool);
		if (!p)
			return;
		arp_announce(port, p, port->addresses[i].address);
		count_add(&pl->stats->created, 1);
		count_add(&pl->stats->arp_requests, 1);
		egress_put(&pl->egress, p, pl->now_ns);
	}
}

void pipeline_end(struct pipeline *pl)
{
	solicit(pl);
	release(pl);
	nat_fragments_age(pl->fragments, pl->now_ns);
	release_fragments(pl); /* also those of rules that are gone */
	if (pl->flows)
		repeat_account(&pl->repeat); /* before what was used there seems old */
	fdb_age(pl->fdb, pl->now_ns);
	egress_flush(&pl->egress, pl->now_ns);
	session_age(pl->sessions, pl->now_ns); /* last: no packet has a session any more */
}

void pipeline_sent(struct pipeline *pl)
{
	if (pl->flows)
		repeat_arm(&pl->repeat);
}

uint64_t pipeline_next(const struct pipeline *pl)
{
	uint64_t tables = min_u64(neigh_next(pl->neigh), fdb_next(pl->fdb));
	uint64_t sessions = min_u64(session_next(pl->sessions), nat_fragments_next(pl->fragments));

	uint64_t flows = pl->flows ? flow_next(pl->flows) : UINT64_MAX;

	return min_u64(min_u64(tables, sessions), flows);
}

bool pipeline_balanced(const struct pipeline *pl)
{
	uint32_t turn = frame_count(pl->pool, FRAME_TURN), free = frame_count(pl->pool, FRAME_FREE);

	return turn == 0 && free == pl->pool->n_free &&
	       frame_count(pl->pool, FRAME_HELD) == pl->pool->n_held &&
	       frame_parts_sound(pl->pool) && stats_balance(pl->stats) == (int64_t)pl->pool->n_held;
}
