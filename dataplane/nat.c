/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nat - whose packet this is, and what it must become: decisions on both sides of routing.
 *
 *   nat_input    session? -> as it says      |  none: a mapping lets it in, or a dnat rule
 *                                            |  forwards it, or it goes on as it is
 *       (routing, by decision.dst; the filter)
 *   nat_output   session? -> note the packet |  none: a source rule translates it, or it
 *                                            |  leaves as it is; the session is opened here
 *
 * Sessions are opened on the way out only, so nothing that the router itself takes, refuses or
 * drops leaves one. Packets of one vector do not see each other's sessions on the way in; so
 * nat_output() asks again before it opens one.
 *
 * Nothing that matches a source rule leaves untranslated. Linux lets go what its tracking
 * calls invalid (a stray RST, a broken header, an unknown ICMP error); here each of these
 * ends by name. Only answers in a session without translation keep their source: whoever opened
 * that session wrote to it. A source rule that has come to match an open, untranslated session
 * (a route moved) ends that too.
 *
 * Off-path attackers: an ICMP error touches no session (RFC 5508 REQ-6), and a RST only moves
 * its own to a state from which the next segment brings it back (session.h).
 *
 * Inside is who a source rule would translate: its `from` holds the source, and the packet
 * came in by another port than the rule's `out`.
 */
#include "nat.h"

/* -- rules ------------------------------------------------------------------------ */

static bool in_range(be32 address, be32 first, be32 last)
{
	uint32_t a = be32_host(address);

	return a >= be32_host(first) && a <= be32_host(last);
}

static bool prefix_holds(const struct rule_prefix *prefix, be32 address)
{
	return ip4_in_prefix(address, prefix->address, prefix->len);
}

static bool port_has(const struct port *port, be32 address)
{
	for (unsigned i = 0; port && i < port->n_addresses; i++)
		if (be32_equal(port->addresses[i].address, address))
			return true;
	return false;
}

/* Whether address is where the outside sees what this rule translates. */
static bool rule_owns(const struct nat *nat, const struct nat_rule *rule, be32 address)
{
	switch (rule->action) {
	case NAT_MASQUERADE:
		return port_has(port_get(nat->ports, rule->out), address);
	case NAT_SNAT:
		return in_range(address, rule->to_first, rule->to_last);
	case NAT_DNAT:
		if (rule->match.len)
			return prefix_holds(&rule->match, address);
		return port_has(port_get(nat->ports, rule->in), address);
	}
	return false;
}

/* The source rule for a packet that leaves by port out, or NULL. */
static struct nat_rule *source_rule(const struct nat *nat, uint16_t out, be32 src)
{
	for (unsigned i = 0; i < nat->rules->n_nat; i++) {
		struct nat_rule *rule = &nat->rules->nat[i];
		if (rule->action != NAT_DNAT && rule->out == out && prefix_holds(&rule->from, src))
			return rule;
	}
	return NULL;
}

/* The source rule that makes inside appear as outside, or NULL: there was one, before a reload. */
static struct nat_rule *mapping_rule(const struct nat *nat, be32 inside, be32 outside)
{
	for (unsigned i = 0; i < nat->rules->n_nat; i++) {
		struct nat_rule *rule = &nat->rules->nat[i];
		if (rule->action != NAT_DNAT && prefix_holds(&rule->from, inside) &&
		    rule_owns(nat, rule, outside))
			return rule;
	}
	return NULL;
}

static bool is_inside(const struct nat_rule *rule, const struct packet *p)
{
	return p->port_in != rule->out && prefix_holds(&rule->from, packet_ip4(p)->src);
}

static bool ports_hold(const struct rule_ports *ports, uint8_t protocol, be16 port)
{
	if (!ports->first && !ports->last)
		return true;
	return (protocol == PROTO_TCP || protocol == PROTO_UDP) &&
	       be16_host(port) >= ports->first && be16_host(port) <= ports->last;
}

static struct nat_rule *dnat_rule(const struct nat *nat, const struct tuple *t)
{
	for (unsigned i = 0; i < nat->rules->n_nat; i++) {
		struct nat_rule *rule = &nat->rules->nat[i];
		if (rule->action == NAT_DNAT &&
		    (!rule->protocol || rule->protocol == t->protocol) &&
		    ports_hold(&rule->ports, t->protocol, t->dport) && rule_owns(nat, rule, t->dst))
			return rule;
	}
	return NULL;
}

/* An address that stands for someone inside, though not for everything sent to it. */
static bool is_territory(const struct nat *nat, be32 address)
{
	for (unsigned i = 0; i < nat->rules->n_nat; i++)
		if (rule_owns(nat, &nat->rules->nat[i], address))
			return true;
	return false;
}

static uint16_t rule_number(const struct nat *nat, const struct nat_rule *rule)
{
	return rule ? (uint16_t)(rule - nat->rules->nat) : SESSION_NO_RULE;
}

/* -- what a session, a mapping or a rule makes of a packet ---------------------------- */

/* As the session says: the other tuple turned round. */
static void follow_session(struct packet *p, struct session *s, enum session_direction direction)
{
	const struct tuple *from = &s->tuple[direction];
	struct tuple to = tuple_reverse(s->tuple[!direction]);
	struct nat_decision *n = &p->decision.nat;

	p->session = s;
	p->direction = (uint8_t)direction;
	p->decision.dst = to.dst;
	*n = (struct nat_decision){to.src, to.dst, to.sport, to.dport, 0};
	if (!be32_equal(to.src, from->src) || !be16_equal(to.sport, from->sport))
		n->flags |= NAT_SOURCE;
	if (!be32_equal(to.dst, from->dst) || !be16_equal(to.dport, from->dport))
		n->flags |= NAT_DESTINATION;
}

static void send_to(struct packet *p, be32 dst, be16 dport)
{
	p->decision.dst = dst;
	p->decision.nat =
		(struct nat_decision){.dst = dst, .dport = dport, .flags = NAT_DESTINATION};
}

/* Whether an inbound packet may use a mapping it did not make: RFC 4787 REQ-8, RFC 5382 REQ-3. */
static bool filtering_allows(const struct nat *nat, const struct packet *p, const struct tuple *t,
			     const struct nat_rule *rule)
{
	/* Inside hosts reach each other by their outside endpoints: RFC 4787 REQ-9. */
	if (is_inside(rule, p))
		return true;
	switch (rule->filtering) {
	case FILTERING_INDEPENDENT:
		return true;
	case FILTERING_ADDRESS:
		return session_knows_remote(nat->sessions, t->protocol, t->dst, t->dport, t->src);
	case FILTERING_ADDRESS_PORT: /* that would be a session */
		return false;
	}
	return false;
}

/* The new destination: an address of the range, always the same for one source. */
static be32 forward_address(const struct nat_rule *rule, be32 src)
{
	uint32_t first = be32_host(rule->to_first), n = be32_host(rule->to_last) - first + 1;
	uint32_t spread = be32_host(src) * 2654435769u >> 16; /* a choice, not a hash table */

	return be32_from(n > 1 ? first + spread % n : first);
}

/* The new port: in a range, at the same distance from its beginning. */
static be16 forward_port(const struct nat_rule *rule, be16 port)
{
	uint16_t first = rule->to_ports.first;

	if (!first)
		return port;
	unsigned n = rule->to_ports.last > first ? rule->to_ports.last - first + 1u : 1;
	unsigned offset = rule->ports.first ? be16_host(port) - rule->ports.first : 0u;
	return be16_from((uint16_t)(first + offset % n));
}

/* -- in --------------------------------------------------------------------------- */

/* What is for the outside address of others is for nobody; one of our own is the router's. */
static enum verdict pass(const struct nat *nat, const struct packet *p)
{
	be32 dst = packet_ip4(p)->dst;

	for (unsigned i = 0; i < nat->rules->n_nat; i++) {
		const struct nat_rule *rule = &nat->rules->nat[i];
		if (rule->action == NAT_SNAT && rule_owns(nat, rule, dst) &&
		    !port_local(nat->ports, dst))
			return DROP_NAT_UNSOLICITED;
	}
	return TO_DELIVER;
}

/*
 * A packet that opens a session, if it gets out. What is sent to a mapping and not let in is
 * dropped even where the address is the router's own: a RST or an ICMP error from here would
 * end a hole punched from both sides (RFC 5382 REQ-4, RFC 5128 3.4).
 */
static enum verdict input_new(const struct nat *nat, struct packet *p, const struct tuple *t)
{
	be32 inside;
	be16 inside_port;
	bool mapped = t->protocol != PROTO_ICMP && session_unmap(nat->sessions, t->protocol, t->dst,
								 t->dport, &inside, &inside_port);

	if (unlikely(mapped)) {
		const struct nat_rule *rule = mapping_rule(nat, inside, t->dst);
		if (rule && filtering_allows(nat, p, t, rule)) {
			send_to(p, inside, inside_port);
			return TO_DELIVER;
		}
	}
	const struct nat_rule *rule = dnat_rule(nat, t);
	if (rule) {
		be16 port = t->protocol == PROTO_TCP || t->protocol == PROTO_UDP
				    ? forward_port(rule, t->dport)
				    : t->dport;
		send_to(p, forward_address(rule, t->src), port);
		return TO_DELIVER;
	}
	return mapped ? DROP_NAT_UNSOLICITED : pass(nat, p);
}

static struct session *find_session(const struct nat *nat, const struct nat_sight *sight,
				    enum session_direction *direction)
{
	return session_find_at(nat->sessions, sight->spot, &sight->tuple, direction, nat->now_ns);
}

/*
 * An error about nothing we know: RFC 5508 REQ-4, REQ-5. The kernel has connections of its own
 * from the addresses it has, and knows best which errors are about those.
 */
static enum verdict input_stray_error(const struct nat *nat, const struct packet *p,
				      const struct nat_sight *sight)
{
	const struct local *l = port_local(nat->ports, packet_ip4(p)->dst);

	if (l && l->kernel)
		return TO_DELIVER;
	return is_territory(nat, packet_ip4(p)->dst) || is_territory(nat, sight->tuple.dst)
		       ? DROP_NAT_ERROR
		       : TO_DELIVER;
}

/*
 * RFC 5508 REQ-4, REQ-5. Who quotes a datagram was sent it by its source: an error that goes
 * elsewhere was made up (Linux asks the same). Where the session's end on the sender's side is
 * translated, the sender is inside with it, whoever it is, and appears as that end
 * does: REQ-5 c. A redirect names a gateway of another network, and is not translated.
 */
static enum verdict input_error(const struct nat *nat, struct packet *p,
				const struct nat_sight *sight)
{
	enum session_direction direction;
	struct session *s = find_session(nat, sight, &direction);

	if (!s || !be32_equal(sight->tuple.dst, packet_ip4(p)->dst))
		return input_stray_error(nat, p, sight);
	follow_session(p, s, direction);
	p->state = STATE_IS_RELATED;
	if (!p->decision.nat.flags)
		return TO_DELIVER;
	p->decision.nat.flags |= NAT_QUOTED;
	const struct icmp_hdr *icmp =
		(const struct icmp_hdr *)((uint8_t *)packet_ip4(p) + ip4_header_len(packet_ip4(p)));
	return !sight->later && icmp->type == ICMP_REDIRECT ? DROP_NAT_ERROR : TO_DELIVER;
}

static bool has_answered(const struct session *s)
{
	return s->packets[SESSION_REPLY] || s->state != SESSION_NEW;
}

static enum verdict input_flow(const struct nat *nat, struct packet *p,
			       const struct nat_sight *sight)
{
	enum session_direction direction;
	struct session *s = find_session(nat, sight, &direction);

	if (likely(s)) {
		follow_session(p, s, direction);
		p->state = direction == SESSION_REPLY || has_answered(s) ? STATE_IS_ESTABLISHED
									 : STATE_IS_NEW;
		return TO_DELIVER;
	}
	if (sight->opens == NAT_OPENS_NOTHING)
		return pass(nat, p);
	p->state = STATE_IS_NEW; /* picked up, too: what opens a session is not invalid */
	if (sight->opens == NAT_PICKS_UP)
		return pass(nat, p);
	return input_new(nat, p, &sight->tuple);
}

/* Whether it could matter what the first fragment of this one's datagram says. */
static bool rules_concern(const struct nat *nat, const struct packet *p)
{
	const struct ip4_hdr *h = packet_ip4(p);

	for (unsigned i = 0; i < nat->rules->n_nat; i++) {
		const struct nat_rule *rule = &nat->rules->nat[i];
		const struct rule_prefix *from = &rule->from;
		if (rule_owns(nat, rule, h->dst))
			return true;
		if (rule->action == NAT_DNAT ? in_range(h->src, rule->to_first, rule->to_last)
					     : prefix_holds(from, h->src))
			return true;
	}
	return nat->rules->n_filter > 0;
}

/* RFC 4787 REQ-14: out of order, too; a: and with a bound. */
static enum verdict input_orphan(const struct nat *nat, struct packet *p)
{
	if (!rules_concern(nat, p))
		return TO_DELIVER;
	return nat_fragments_hold(nat->fragments, p, nat->now_ns) ? HELD : DROP_NAT_FRAGMENT;
}

static enum verdict input_one(const struct nat *nat, struct packet *p,
			      const struct nat_sight *sight)
{
	switch ((enum nat_kind)sight->kind) {
	case NAT_IS_FLOW:
		return input_flow(nat, p, sight);
	case NAT_IS_ERROR:
		return input_error(nat, p, sight);
	case NAT_IS_BAD_ERROR:
		return input_stray_error(nat, p, sight);
	case NAT_IS_ORPHAN:
		return input_orphan(nat, p);
	case NAT_IS_NOTHING:
		break;
	}
	return pass(nat, p);
}

/* What p says, or the first fragment of its datagram did. */
static void look(const struct nat *nat, const struct packet *p, struct nat_sight *sight)
{
	if (likely(!nat_needs_first(packet_ip4(p)))) {
		nat_look(p, sight);
		return;
	}
	if (!nat_fragments_find(nat->fragments, p, sight, nat->now_ns))
		*sight = (struct nat_sight){.kind = NAT_IS_ORPHAN};
	sight->later = true;
}

/* A first fragment speaks for those behind it, in this vector and later. */
static void note_first(const struct nat *nat, const struct packet *p, const struct nat_sight *sight)
{
	if (unlikely(be16_host(packet_ip4(p)->fragment) & IP4_MF) && !sight->later)
		nat_fragments_note(nat->fragments, p, sight, nat->now_ns);
}

static void begin(struct packet *p)
{
	p->session = NULL;
	p->direction = SESSION_ORIGINAL;
	p->state = STATE_IS_INVALID;
	p->decision.dst = packet_ip4(p)->dst;
	p->decision.nat = (struct nat_decision){0};
}

void nat_input(const struct nat *nat, const struct vector *v)
{
	struct nat_sight sights[VECTOR_SIZE];
	struct session_spot spots[VECTOR_SIZE];

	for (unsigned i = 0; i < v->n; i++) {
		begin(v->p[i]);
		look(nat, v->p[i], &sights[i]);
		note_first(nat, v->p[i], &sights[i]);
		spots[i].tuple = &sights[i].tuple;
	}
	session_seek(nat->sessions, spots, v->n);
	for (unsigned i = 0; i < v->n; i++) {
		if (unlikely(sights[i].kind ==
			     NAT_IS_ORPHAN)) { /* its first may have come behind it */
			look(nat, v->p[i], &sights[i]);
			session_seek(nat->sessions, &spots[i], 1);
		}
		sights[i].spot = spots[i].at;
		v->p[i]->verdict = (uint8_t)input_one(nat, v->p[i], &sights[i]);
	}
}

/* -- out -------------------------------------------------------------------------- */

static uint32_t datagram_len(const struct packet *p)
{
	return packet_len(p) - (uint32_t)sizeof(struct eth_hdr);
}

static uint8_t tcp_flags(const struct packet *p)
{
	const struct ip4_hdr *h = packet_ip4(p);

	if (h->protocol != PROTO_TCP || unlikely(ip4_offset(h)))
		return 0;
	return ((const struct tcp_hdr *)((const uint8_t *)h + ip4_header_len(h)))->flags;
}

/* RFC 1812 4.3.2.4's choice, and masquerade's: the port's address in the next hop's subnet, else
 * its first. */
static be32 port_address_towards(const struct port *port, be32 next_hop)
{
	if (!port || !port->n_addresses)
		return (be32){0};
	const struct port_address *a = port_subnet_of(port, next_hop);
	return a ? a->address : port->addresses[0].address;
}

/* The outside addresses of a source rule, for what leaves by its port to that next hop. */
static struct session_pool pool_of(const struct nat *nat, const struct nat_rule *rule,
				   be32 next_hop)
{
	struct session_pool pool = {
		.first = rule->to_first,
		.last = rule->to_last,
		.port_first = rule->to_ports.first,
		.port_last = rule->to_ports.last,
		.per_remote = rule->per_remote,
	};

	if (rule->action == NAT_MASQUERADE)
		pool.first = pool.last =
			port_address_towards(port_get(nat->ports, rule->out), next_hop);
	return pool;
}

/*
 * A packet that came back from where it went: dnat sent it, or a mapping let it in. Where it
 * was let in from inside, its source is translated as it would be outside (RFC 4787 REQ-9 a);
 * where dnat sent it out by the port it came in by, its source becomes the address it was
 * sent to, else the answer would not come by here. False: neither.
 */
static bool hairpin_pool(const struct nat *nat, const struct packet *p, const struct tuple *t,
			 struct session_pool *pool)
{
	const struct nat_decision *n = &p->decision.nat;
	be32 inside;
	be16 inside_port;

	if (!(n->flags & NAT_DESTINATION))
		return false;
	if (t->protocol != PROTO_ICMP &&
	    session_unmap(nat->sessions, t->protocol, t->dst, t->dport, &inside, &inside_port) &&
	    be32_equal(inside, n->dst) && be16_equal(inside_port, n->dport)) {
		const struct nat_rule *rule = mapping_rule(nat, inside, t->dst);
		if (rule && is_inside(rule, p)) {
			*pool = pool_of(nat, rule, t->dst);
			return true;
		}
	}
	if (p->decision.port_out != p->port_in)
		return false;
	*pool = (struct session_pool){.first = t->dst, .last = t->dst};
	return true;
}

static const uint64_t *taken_ports(const struct rules *rules, uint8_t protocol)
{
	switch (protocol) {
	case PROTO_TCP:
		return rules->taken[0];
	case PROTO_UDP:
		return rules->taken[1];
	case PROTO_ICMP:
		return rules->taken[2];
	}
	return NULL;
}

static enum verdict refusal(enum session_refusal why)
{
	switch (why) {
	case SESSION_OK:
		return TO_NEIGH;
	case SESSION_TABLE_FULL:
	case SESSION_HOST_FULL:
		return DROP_NAT_FULL;
	case SESSION_CLASH:
		return DROP_NAT_POOL;
	}
	return DROP_NAT_INVALID;
}

static void note_packet(const struct nat *nat, const struct packet *p)
{
	session_note(nat->sessions, p->session, p->direction, tcp_flags(p), datagram_len(p),
		     nat->now_ns);
}

/* Opens the session original > to; mapping is the source's, or none. */
static enum verdict open_session(const struct nat *nat, struct packet *p,
				 const struct tuple *original, const struct tuple *to,
				 uint32_t mapping, struct nat_rule *rule)
{
	struct nat_rule *dnat =
		p->decision.nat.flags & NAT_DESTINATION ? dnat_rule(nat, original) : NULL;
	struct tuple reply = tuple_reverse(*to);
	struct session *s;
	enum session_refusal why =
		session_open(nat->sessions, original, &reply, mapping,
			     rule_number(nat, rule ? rule : dnat), nat->now_ns, &s);

	if (unlikely(why != SESSION_OK)) {
		if (mapping != SESSION_NO_MAPPING)
			session_unuse(nat->sessions, mapping);
		return refusal(why);
	}
	if (rule)
		count_add(&rule->hits, 1);
	if (dnat)
		count_add(&dnat->hits, 1);
	follow_session(p, s, SESSION_ORIGINAL);
	note_packet(nat, p);
	return TO_NEIGH;
}

/* A session's first packet. rule: the source rule that matches it, or NULL. */
static enum verdict output_first(const struct nat *nat, struct packet *p, const struct tuple *t,
				 struct nat_rule *rule)
{
	const struct nat_decision *n = &p->decision.nat;
	struct session_pool pool = {0};
	struct tuple to = *t;

	if (n->flags & NAT_DESTINATION) {
		to.dst = n->dst;
		to.dport = n->dport;
	}
	if (rule)
		pool = pool_of(nat, rule, p->decision.next_hop);
	else if (!hairpin_pool(nat, p, t, &pool))
		return open_session(nat, p, t, &to, SESSION_NO_MAPPING, NULL);
	if (be32_is_zero(pool.first)) /* the port has lost its addresses */
		return DROP_NAT_INVALID;
	pool.taken = taken_ports(nat->rules, t->protocol);
	/* The remote of the mapping, where it has one, is who will answer. */
	struct tuple inside = to;
	uint32_t mapping =
		session_map(nat->sessions, &inside, &pool, nat->now_ns, &to.src, &to.sport);
	if (unlikely(mapping == SESSION_NO_MAPPING))
		return DROP_NAT_POOL;
	return open_session(nat, p, t, &to, mapping, rule);
}

/* A packet of a session. It may match a source rule that did not stand in its way when it was
 * opened. */
static enum verdict output_known(const struct nat *nat, struct packet *p)
{
	if (p->session->mapping == SESSION_NO_MAPPING && p->direction == SESSION_ORIGINAL &&
	    unlikely(source_rule(nat, p->decision.port_out, packet_ip4(p)->src)))
		return DROP_NAT_INVALID;
	note_packet(nat, p);
	return TO_NEIGH;
}

/* Another packet of its vector has opened the session meanwhile: that must lead to where it was
 * routed. */
static enum verdict output_joining(const struct nat *nat, struct packet *p, struct session *s,
				   enum session_direction direction)
{
	be32 dst = p->decision.dst;

	follow_session(p, s, direction);
	if (!be32_equal(p->decision.dst, dst)) {
		p->decision.dst = dst;
		return DROP_NAT_INVALID;
	}
	return output_known(nat, p);
}

/*
 * An error about a session, which takes no note of it: RFC 5508 REQ-6. Where that session
 * leaves its sender untranslated, a source rule may still want to: a router inside, say. The
 * answering end of a session, which was written to under its own address, keeps it.
 */
static enum verdict output_error(const struct nat *nat, struct packet *p)
{
	struct nat_decision *n = &p->decision.nat;
	be32 src = packet_ip4(p)->src;
	bool answers = p->direction == SESSION_REPLY &&
		       be32_equal(src, p->session->tuple[SESSION_REPLY].src);

	if (n->flags & NAT_SOURCE || answers)
		return TO_NEIGH;
	const struct nat_rule *rule = source_rule(nat, p->decision.port_out, src);
	if (likely(!rule))
		return TO_NEIGH;
	n->src = pool_of(nat, rule, p->decision.next_hop).first;
	n->flags |= NAT_SOURCE | NAT_OUTER_SOURCE;
	return be32_is_zero(n->src) ? DROP_NAT_INVALID : TO_NEIGH;
}

/* What opens no session goes on as it is, unless a rule would have translated it. */
static enum verdict output_loose(const struct packet *p, const struct nat_sight *sight,
				 const struct nat_rule *rule)
{
	if (!rule && !(p->decision.nat.flags & NAT_DESTINATION))
		return TO_NEIGH;
	if (sight->kind == NAT_IS_ERROR || sight->kind == NAT_IS_BAD_ERROR)
		return DROP_NAT_ERROR;
	return sight->later ? DROP_NAT_FRAGMENT : DROP_NAT_INVALID;
}

static enum verdict output_new(const struct nat *nat, struct packet *p)
{
	struct nat_rule *rule = source_rule(nat, p->decision.port_out, packet_ip4(p)->src);
	enum session_direction direction;
	struct nat_sight sight;

	look(nat, p, &sight);
	if (sight.kind != NAT_IS_FLOW)
		return output_loose(p, &sight, rule);
	struct session *s = session_find(nat->sessions, &sight.tuple, &direction, nat->now_ns);
	if (s)
		return output_joining(nat, p, s, direction);
	/* A later fragment opens none: its first did not get out. */
	if (sight.later || sight.opens == NAT_OPENS_NOTHING ||
	    (sight.opens == NAT_PICKS_UP && rule))
		return output_loose(p, &sight, rule);
	return output_first(nat, p, &sight.tuple, rule);
}

static enum verdict output_one(const struct nat *nat, struct packet *p)
{
	if (unlikely(p->flags & PACKET_OWN))
		return TO_NEIGH;
	if (unlikely(p->state == STATE_IS_RELATED))
		return output_error(nat, p);
	return likely(p->session) ? output_known(nat, p) : output_new(nat, p);
}

/* Later fragments come last: one may stand before the first, which opens the session. */
void nat_output(const struct nat *nat, const struct vector *v)
{
	struct vector later = {0};

	for (unsigned i = 0; i < v->n; i++) {
		struct packet *p = v->p[i];
		if (unlikely(nat_needs_first(packet_ip4(p))))
			later.p[later.n++] = p;
		else
			p->verdict = (uint8_t)output_one(nat, p);
	}
	for (unsigned i = 0; i < later.n; i++)
		later.p[i]->verdict = (uint8_t)output_one(nat, later.p[i]);
}
