/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * repeat - from a packet that leaves to an entry of the flow cache, and from the entry's
 * counters back to everything the packets would have counted.
 *
 * Between the decision and the arming other packets of the turn, and control, may have changed
 * what the decision came from. So each table it came from is asked once more, and told that it
 * is quoted now: from then on it says when that changes.
 */
#include "repeat.h"

#include "csum.h"

#define IDLE_NS (5 * NS_PER_S) /* a flow without packets for so long has probably ended */

enum { NOT_OFFERED = PACKET_PARTIAL | PACKET_UNKNOWN | PACKET_ERROR | PACKET_OWN | PACKET_OPTIONS |
		     PACKET_LINK_GROUP | PACKET_FLOOD };

/* What the gate knows a datagram of t by; without rules t has addresses alone. */
static struct flow_key routed_key(const struct tuple *t, uint16_t port_in)
{
	uint32_t ports = t->sport.raw | (uint32_t)t->dport.raw << 16;

	return (struct flow_key){{
		t->src.raw | (uint64_t)t->dst.raw << 32,
		ports | FLOW_KEY_REST(port_in, t->protocol, FLOW_ROUTED),
	}};
}

/* A session has changed its state or ended: its packets are decided anew. */
static void session_told(void *arg, const struct session *s, bool ended)
{
	struct repeat *r = arg;

	for (unsigned direction = 0; direction < 2; direction++) {
		struct flow_key key = routed_key(&s->tuple[direction], 0);
		flow_forget(r->cache, &key, ended, r->now_ns);
	}
}

void repeat_init(struct repeat *r)
{
	const struct session_watch watch = {session_told, r, flow_changes(r->cache)};

	session_set_watch(r->sessions, &watch);
}

void repeat_begin(struct repeat *r, const struct port_table *ports, struct fib *fib,
		  struct rules *rules, bool watched, uint64_t now_ns)
{
	if (fib != r->fib || rules != r->rules)
		r->tables++;
	if (watched && !r->watched)
		flow_change(r->cache);
	r->ports = ports;
	r->fib = fib;
	r->rules = rules;
	r->watched = watched;
	r->now_ns = now_ns;
	r->n = 0;
}

/* -- offers ----------------------------------------------------------------------- */

static bool is_watched(const struct port *port) { return port->mirror != PORT_NONE; }

/* The entry for a frame that a bridge forwards as it is. */
static void offer_bridged(const struct packet *p, struct repeat_offer *o)
{
	uint64_t first;
	uint32_t next;

	memcpy(&first, p->data, sizeof(first));
	memcpy(&next, p->data + sizeof(first), sizeof(next));
	o->entry.key = (struct flow_key){{first, next | FLOW_KEY_REST(p->wire, 0, FLOW_BRIDGED)}};
	o->note.src = packet_eth(p)->src;
	o->note.dst = packet_eth(p)->dst;
}

/* Of the header: the new addresses, and a hop less; raw words, whose sum does not mind. */
static uint64_t address_change(const struct tuple *from, const struct flow_entry *e)
{
	return (uint64_t)(uint32_t)~from->src.raw + e->src + (uint32_t)~from->dst.raw + e->dst;
}

static uint64_t port_change(const struct tuple *from, const struct flow_entry *e)
{
	return (uint64_t)(uint16_t)~from->sport.raw + e->sport + (uint16_t)~from->dport.raw + e->dport;
}

/* The TTL is the first byte of its word, which is the lower half as we load it (wire.h). */
enum { HOP_LESS = 0xfffe };

/* What the session makes of its packets of that direction: nat.c, follow_session(). */
static void translate(const struct packet *p, const struct tuple *from, struct flow_entry *e)
{
	struct tuple to = tuple_reverse(p->session->tuple[!p->direction]);

	e->src = to.src.raw;
	e->dst = to.dst.raw;
	e->sport = to.sport.raw;
	e->dport = to.dport.raw;
	if (!p->decision.nat.flags)
		return;
	uint64_t change = address_change(from, e);
	e->flags = FLOW_ENDPOINTS;
	e->ip_change = csum_fold(change + HOP_LESS);
	e->l4_change = csum_fold(change + port_change(from, e));
}

static bool session_allows(const struct packet *p)
{
	const struct session *s = p->session;

	/* A direction's first packet may be its only one: not worth a look yet. */
	if (!s || p->state == STATE_IS_RELATED || load_shared(&s->packets[p->direction]) < 2)
		return false;
	if (s->tuple[0].protocol == PROTO_TCP)
		return s->state == SESSION_ESTABLISHED;
	return s->tuple[0].protocol == PROTO_UDP;
}

/* A session's entry goes before the session can expire. */
static uint64_t idle_of(const struct repeat *r, const struct session *s)
{
	uint64_t left_ns = session_left(r->sessions, s);

	return min_u64(IDLE_NS, left_ns / 2);
}

/* Its own Ethernet header is the new one by now; who sent it is remembered by room bridge. */
static void offer_macs(const struct packet *p, struct repeat_offer *o)
{
	memcpy(o->entry.mac, &p->decision.link.dst, sizeof(o->entry.mac));
	o->note.dst = p->decision.link.dst;
	if (o->note.bridge_in == PORT_NONE)
		return;
	o->entry.flags |= FLOW_FROM;
	memcpy(o->entry.from, &p->from, sizeof(o->entry.from));
	o->note.src = p->from;
}

static bool offer_routed(const struct repeat *r, const struct packet *p, struct repeat_offer *o)
{
	const struct decision *d = &p->decision;
	const struct ip4_hdr *h = packet_ip4(p);
	struct tuple from = {.src = h->src, .dst = h->dst};

	if (ip4_is_fragment(h) || p->next || d->port_out == p->port_in)
		return false;
	o->entry.ip_change = HOP_LESS;
	if (r->rules) {
		if (!session_allows(p))
			return false;
		from = p->session->tuple[p->direction];
		translate(p, &from, &o->entry);
		o->note.session = p->session;
		o->note.direction = p->direction;
		o->note.idle_ns = idle_of(r, p->session);
		o->session_created_ns = p->session->created_ns;
		o->session_state = p->session->state;
	}
	o->entry.key = routed_key(&from, p->wire);
	offer_macs(p, o);
	o->note.route = d->route;
	o->note.next_hop = d->next_hop;
	o->note.filter_rule = p->filter_rule;
	o->note.neigh_port = d->port_out;
	return true;
}

/* The port whose wire p leaves by; NULL: none, or several. */
static const struct port *wire_out(const struct repeat *r, const struct packet *p)
{
	const struct port *out = port_get(r->ports, p->decision.port_out);

	if (out && port_is_leg(out))
		out = port_get(r->ports, fdb_find(r->fdb, out->number, packet_eth(p)->dst, r->now_ns));
	return out && out->up ? out : NULL;
}

void repeat_offer(struct repeat *r, const struct packet *p)
{
	if (p->flags & NOT_OFFERED || p->sum_completed || r->watched || r->n == REPEAT_OFFERS)
		return;
	const struct port *in = port_get(r->ports, p->wire), *out = wire_out(r, p);
	if (!in || !out || !flow_serves(r->cache, in->number, out->number) || is_watched(in) ||
	    is_watched(out) || in->flags & PORT_NO_LEARNING)
		return;
	struct repeat_offer *o = &r->offers[r->n];
	*o = (struct repeat_offer){
		.entry = {.port_out = (uint8_t)out->number, .mtu = out->mtu},
		.note = {.port_in = in->number, .port_out = out->number, .bridge_in = in->bridge,
			 .bridge_out = out->bridge, .routed = p->decision.route != ROUTE_NONE,
			 .filter_rule = RULE_NONE, .tables = r->tables, .idle_ns = IDLE_NS},
	};
	if (!o->note.routed)
		offer_bridged(p, o);
	else if (!offer_routed(r, p, o))
		return;
	else
		o->entry.mtu = p->decision.mtu;
	r->n += flow_wants(r->cache, &o->entry.key, o->note.session, r->now_ns);
}

/* -- arming ----------------------------------------------------------------------- */

static bool still_routed(const struct repeat *r, const struct repeat_offer *o)
{
	const struct flow_note *note = &o->note;
	struct mac mac;

	memcpy(&mac, o->entry.mac, sizeof(mac));
	if (!neigh_quote(r->neigh, note->neigh_port, note->next_hop, mac))
		return false;
	if (!note->session)
		return true;
	/* Until it is quoted nobody tells that its place is another's, or its state another. */
	struct flow_key key = routed_key(&note->session->tuple[note->direction], note->port_in);
	return note->session->created_ns == o->session_created_ns &&
	       note->session->state == o->session_state &&
	       memcmp(&key, &o->entry.key, sizeof(key)) == 0 &&
	       session_quote(r->sessions, note->session);
}

/* Of the bridges that it comes from and goes to. */
static bool stations_stay(const struct repeat *r, const struct flow_note *note)
{
	if (note->bridge_in != PORT_NONE &&
	    !fdb_quote(r->fdb, note->bridge_in, note->src, note->port_in, r->now_ns))
		return false;
	return note->bridge_out == PORT_NONE ||
	       fdb_quote(r->fdb, note->bridge_out, note->dst, note->port_out, r->now_ns);
}

static void account(struct repeat *r, const struct flow_report *report);

void repeat_arm(struct repeat *r)
{
	for (unsigned i = 0; i < r->n; i++) {
		const struct repeat_offer *o = &r->offers[i];
		struct flow_report before;
		if (!stations_stay(r, &o->note) ||
		    (o->note.routed && !still_routed(r, o)))
			continue;
		if (flow_report_of(r->cache, &o->entry.key, &before))
			account(r, &before);
		flow_arm(r->cache, &o->entry, &o->note, r->generation, r->now_ns);
	}
	r->n = 0;
}

/* -- accounts --------------------------------------------------------------------- */

static void account_routed(struct repeat *r, const struct flow_report *report)
{
	const struct flow_note *note = report->note;

	if (note->tables == r->tables) {
		fib_hit_many(r->fib, note->route, report->packets);
		if (r->rules && note->filter_rule < r->rules->n_filter) {
			struct filter_rule *rule = &r->rules->filter[note->filter_rule];
			count_add(&rule->packets, report->packets);
			count_add(&rule->bytes, report->bytes);
		}
	}
	if (note->session)
		session_note_repeated(r->sessions, note->session, note->direction, report->packets,
				      report->bytes, r->now_ns);
	neigh_note_repeated(r->neigh, note->neigh_port, note->next_hop, r->now_ns);
}

/* The ages of who sends, and the hits of who is sent to. */
static void account_bridges(struct repeat *r, const struct flow_report *report)
{
	const struct flow_note *note = report->note;

	if (note->bridge_in != PORT_NONE)
		fdb_note_source(r->fdb, note->bridge_in, note->src, note->port_in, r->now_ns);
	/* Too old, though not yet collected: it is to be flooded. */
	if (note->bridge_out != PORT_NONE &&
	    !fdb_note_hits(r->fdb, note->bridge_out, note->dst, note->port_out, report->packets, r->now_ns))
		flow_change(r->cache);
}

static void account(struct repeat *r, const struct flow_report *report)
{
	const struct flow_note *note = report->note;
	struct port_stats *in = stats_port(r->stats, note->port_in);
	struct port_stats *out = stats_port(r->stats, note->port_out);
	uint64_t bytes = report->bytes;

	if (note->routed)
		bytes += (uint64_t)report->packets * sizeof(struct eth_hdr);
	count_add(&in->rx_packets, report->packets);
	count_add(&in->rx_bytes, bytes);
	count_add(&in->ends[SENT], report->packets);
	count_add(&out->tx_packets, report->packets);
	count_add(&out->tx_bytes, bytes);
	count_add(&out->flow_packets, report->packets);
	account_bridges(r, report);
	if (note->routed)
		account_routed(r, report);
}

void repeat_account(struct repeat *r)
{
	struct flow_report report;

	while (flow_next_report(r->cache, r->now_ns, &report))
		account(r, &report);
}
