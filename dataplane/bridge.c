/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bridge - the switch: what a member's frame teaches, and where it goes.
 *
 * A frame is judged in this order: may it come in at all; its source, which is learnt; its
 * destination. Not a byte of it changes here, and nothing is copied but the few broadcasts
 * that the leg hears as well.
 *
 * Where we part from the Linux bridge: 01:80:c2:00:00:00 is not forwarded although there is
 * no spanning tree here (Linux lets others run theirs through it), and a frame from one of
 * the bridge's own MACs is dropped, not only unlearnt: such a frame has come back in a
 * circle, and as its source never moves, loop guard would not end that circle.
 *
 * Loop guard. In a circle a frame comes round again and again, so its source seems to jump
 * between two ports. Moves are counted for a source *and* the pair of ports, else the
 * host's own port could be blamed for what the circle's two ports do. In a circle of
 * several bridges all of them see the same jumps within microseconds; if each cut its
 * side, stations would be cut off. Each is therefore patient for a time of its own, and who
 * loses patience first ends the storm for all: see patience_ns(). It blocks for the moves it
 * sees *then*, and not for one: that may be a station's first word after a storm that another
 * bridge has ended. What has been learnt on a port goes when it is blocked, as Linux forgets a
 * disabled port's stations, because they may be reachable the other way round.
 *
 * Not done here: who gets a flood (egress), multicast routing: IPv4 multicast does not go
 * up, because neither the leg nor the kernel, which has no leg, would take it.
 */
#include "bridge.h"

#include "hash.h"

#define FLAP_WINDOW_NS NS_PER_S /* bridge.h: more than 5 moves in a second, ... */
#define FLAP_MOVES     5
#define BLOCK_NS       (30 * NS_PER_S) /* ... and 5 in another one later, block for 30 */
#define FLAP_WAYS      4 /* places a flap may have: one that is taken does not hide another */

/*
 * Circles of veths drain within milliseconds, so two of three bridges would have to draw
 * within 1 % of this to cut both; and a storm of this length is not yet an outage.
 */
#define PATIENCE_NS (256 * NS_PER_MS)

struct room {
	const struct port_table *ports;
	struct fdb *fdb;
	struct frame_pool *pool;
	struct stats *stats;
	struct bridge_state *state;
	struct vector *up;
	uint64_t now_ns;
};

/* -- loop guard -------------------------------------------------------------------- */

/* How long this bridge looks away from a source that flapped now; drawn anew each second. */
static uint64_t patience_ns(const struct port *leg, uint64_t now_ns)
{
	static const uint8_t spread[HASH_KEY_SIZE]; /* nothing to hide: bridges only must differ */
	struct {
		struct mac mac;
		uint16_t second;
	} drawn = {leg->mac, (uint16_t)(now_ns / NS_PER_S)};

	return hash_siphash(spread, &drawn, sizeof(drawn)) % PATIENCE_NS;
}

static bool flap_is(const struct bridge_flap *f, const struct bridge_flap *want)
{
	return f->bridge == want->bridge && f->low == want->low && f->high == want->high &&
	       mac_equal(f->mac, want->mac);
}

/*
 * The place where these moves are counted, begun anew if their second is over; NULL: others
 * keep all its places, each for a second, or for two and a patience at most if suspected. A
 * place is not taken from who has it: in a storm of many sources they would otherwise push
 * each other out, and none be counted.
 */
static struct bridge_flap *flap_find(struct bridge_state *state, const struct bridge_flap *want)
{
	static const uint8_t spread[HASH_KEY_SIZE];
	struct bridge_flap *empty = NULL;
	uint64_t hash = hash_siphash(spread, want, offsetof(struct bridge_flap, n_moves));

	for (unsigned i = 0; i < FLAP_WAYS; i++) {
		struct bridge_flap *f = &state->flaps[(hash + i) % ARRAY_SIZE(state->flaps)];
		bool over = !f->n_moves || want->since_ns >= f->since_ns + FLAP_WINDOW_NS;
		if (!over && flap_is(f, want))
			return f;
		if (over && !empty)
			empty = f;
	}
	if (empty)
		*empty = *want;
	return empty;
}

static void block(struct room *room, const struct port *leg, struct bridge_flap found)
{
	struct bridge_state *state = room->state;
	struct bridge_block *b = &state->blocks[found.high];

	b->mac = found.mac;
	b->other = found.low;
	count_add(&b->n_blocked, 1);
	store_shared(&state->blocked_until_ns[found.high], room->now_ns + BLOCK_NS);
	fdb_flush(room->fdb, leg->number, found.high, false);
	fdb_revoke(room->fdb); /* static stations stay, but nothing passes there */
	/* Without that port things look different: the others count from the beginning. */
	for (unsigned i = 0; i < ARRAY_SIZE(state->flaps); i++)
		if (state->flaps[i].bridge == leg->number)
			state->flaps[i].n_moves = 0;
}

static void note_move(struct room *room, const struct port *leg, struct mac mac, uint16_t before,
		      uint16_t now)
{
	struct bridge_flap want = {
		.mac = mac,
		.bridge = leg->number,
		.low = before < now ? before : now,
		.high = before < now ? now : before,
		.since_ns = room->now_ns,
	};
	struct bridge_flap *f = flap_find(room->state, &want);

	assert(want.high < PORT_MAX);
	if (!f || room->now_ns < f->since_ns)
		return;
	f->n_moves++;
	if (f->n_moves <= FLAP_MOVES)
		return;
	if (f->suspected) {
		block(room, leg, *f);
		return;
	}
	f->suspected = true;
	f->since_ns = room->now_ns + patience_ns(leg, room->now_ns);
	f->n_moves = 1; /* this one: with 0 it would lose its place */
}

/* -- the source -------------------------------------------------------------------- */

/* The bridge's own MAC or a member's. Cost: all members; for frames that look like it. */
static bool is_own(const struct room *room, const struct port *leg, struct mac mac)
{
	if (mac_equal(mac, leg->mac))
		return true;
	for (unsigned i = 0; i < leg->n_members; i++) {
		const struct port *member = port_get(room->ports, leg->members[i]);
		if (member && mac_equal(mac, member->mac))
			return true;
	}
	return false;
}

/* A station's, as far as its port alone can tell; Linux (is_valid_ether_addr) drops zero too. */
static bool is_sound(const struct port *leg, const struct port *from, struct mac source)
{
	return !mac_is_group(source) && !mac_is_zero(source) && !mac_equal(source, leg->mac) &&
	       !mac_equal(source, from->mac);
}

/* Where the FDB has a frame's source and destination, or would. */
enum { SOURCE, DESTINATION, N_SPOTS };

/* TO_BRIDGE: it may go on. The FDB has the members' MACs too, and refuses them on other ports. */
static enum verdict learn(struct room *room, const struct port *leg, const struct port *from,
			  struct mac source, const struct fdb_spot *spot)
{
	uint16_t before;

	if (from->flags & PORT_NO_LEARNING)
		return is_own(room, leg, source) ? DROP_BRIDGE_SOURCE : TO_BRIDGE;
	switch (fdb_learn_at(room->fdb, spot, from->number, room->now_ns, &before)) {
	case FDB_MOVED:
		note_move(room, leg, source, before, from->number);
		if (bridge_is_blocked(room->state, from->number, room->now_ns))
			return DROP_BRIDGE_LOOP; /* by this very move */
		break;
	case FDB_REFUSED:
		if (is_own(room, leg, source))
			return DROP_BRIDGE_SOURCE;
		break;
	case FDB_KNOWN:
	case FDB_NEW:
	case FDB_FULL:
		break;
	}
	return TO_BRIDGE;
}

/* -- the destination --------------------------------------------------------------- */

/* IEEE 802.1Q 8.6.3, table 8-1: what ends at the next bridge, whatever it is. */
static bool is_reserved(struct mac mac)
{
	static const uint8_t reserved[5] = {0x01, 0x80, 0xc2, 0x00, 0x00};
	return memcmp(mac.b, reserved, sizeof(reserved)) == 0 && mac.b[5] <= 0x0f;
}

/* The room that takes such a frame from the leg; DROP_BRIDGE_LOCAL: none. */
static enum verdict room_above(const struct port *leg, const struct packet *p)
{
	if (!leg->n_addresses)
		return DROP_BRIDGE_LOCAL;
	switch (be16_host(packet_eth(p)->type)) {
	case ETH_ARP:
		return TO_ARP;
	case ETH_IPV4:
		/* A multicast one would be carried up only to be dropped there. */
		if (!mac_is_group(packet_eth(p)->dst) || mac_is_broadcast(packet_eth(p)->dst))
			return TO_IP4;
	}
	return DROP_BRIDGE_LOCAL;
}

/* From now on p is a packet that came in by the leg. */
static enum verdict go_up(const struct port *leg, struct packet *p)
{
	enum verdict above = room_above(leg, p);

	if (above == DROP_BRIDGE_LOCAL)
		return above;
	p->port_in = leg->number;
	p->from = packet_eth(p)->src;
	if (mac_is_group(packet_eth(p)->dst))
		p->flags |= PACKET_LINK_GROUP;
	return above;
}

/* Sends a copy up, if there is a frame for it. */
static void copy_up(struct room *room, const struct port *leg, const struct packet *p)
{
	struct packet *copy = frame_copy(room->pool, p);

	if (!copy)
		return;
	copy->wire = p->wire;
	copy->flags = p->flags;
	copy->verdict = (uint8_t)go_up(leg, copy);
	count_add(&room->stats->created, 1);
	room->up->p[room->up->n++] = copy;
}

static bool has_taker(const struct room *room, const struct port *leg, const struct port *from,
		      const struct packet *p, bool group)
{
	for (unsigned i = 0; i < leg->n_members; i++) {
		const struct port *to = port_get(room->ports, leg->members[i]);
		if (to && bridge_floods_to(from, to, p, group) &&
		    !bridge_is_blocked(room->state, to->number, room->now_ns))
			return true;
	}
	return false;
}

/* To all who take it; group: the leg may be one of them. */
static enum verdict flood(struct room *room, const struct port *leg, const struct port *from,
			  struct packet *p, bool group)
{
	bool leg_hears = group && room_above(leg, p) != DROP_BRIDGE_LOCAL;

	if (!has_taker(room, leg, from, p, group))
		return leg_hears ? go_up(leg, p) : DROP_BRIDGE_NO_PORT;
	if (leg_hears)
		copy_up(room, leg, p);
	p->flags |= PACKET_FLOOD;
	p->decision.port_out = leg->number;
	return TO_EGRESS;
}

/* To the one port where its destination is. */
static enum verdict forward(const struct room *room, const struct port *from, uint16_t number,
			    struct packet *p)
{
	const struct port *to = port_get(room->ports, number);

	if (number == from->number)
		return DROP_BRIDGE_SAME_PORT;
	if (!to || to->bridge != from->bridge)
		return DROP_BRIDGE_NO_PORT; /* it has left the bridge, its stations not yet */
	if (from->flags & to->flags & PORT_ISOLATED)
		return DROP_BRIDGE_ISOLATED;
	if (!to->up || bridge_is_blocked(room->state, number, room->now_ns))
		return DROP_BRIDGE_NO_PORT;
	if (!port_carries(to, packet_wire_len(p)))
		return DROP_BRIDGE_MTU;
	p->decision.port_out = number;
	return TO_EGRESS;
}

static enum verdict deliver(struct room *room, const struct port *leg, const struct port *from,
			    struct packet *p, const struct fdb_spot *spot)
{
	struct mac destination = packet_eth(p)->dst;

	if (mac_is_group(destination))
		return flood(room, leg, from, p, true);
	if (mac_equal(destination, leg->mac))
		return go_up(leg, p);
	uint16_t to = fdb_lookup_at(room->fdb, spot, room->now_ns);
	if (to == FDB_IS_LOCAL)
		return go_up(leg, p);
	if (to == PORT_NONE)
		return flood(room, leg, from, p, false);
	return forward(room, from, to, p);
}

/* -- the room ---------------------------------------------------------------------- */

static enum verdict judge(struct room *room, struct packet *p, const struct fdb_spot spots[N_SPOTS])
{
	const struct port *from = port_get(room->ports, p->wire);
	const struct port *leg = from ? port_get(room->ports, from->bridge) : NULL;

	if (unlikely(!leg))
		return DROP_PORT_DOWN; /* it vanished while the frame was in its ring */
	if (bridge_is_blocked(room->state, from->number, room->now_ns))
		return DROP_BRIDGE_LOOP;
	if (unlikely(p->len < sizeof(struct eth_hdr)))
		return DROP_ETH_SHORT;
	if (unlikely(!is_sound(leg, from, packet_eth(p)->src)))
		return DROP_BRIDGE_SOURCE;
	if (unlikely(is_reserved(packet_eth(p)->dst)))
		return DROP_BRIDGE_RESERVED;
	enum verdict v = learn(room, leg, from, packet_eth(p)->src, &spots[SOURCE]);
	return v == TO_BRIDGE ? deliver(room, leg, from, p, &spots[DESTINATION]) : v;
}

/* Of a frame that judge() will not ask about, spots of nobody. */
static void sight(const struct room *room, const struct packet *p, struct fdb_spot spots[N_SPOTS])
{
	const struct port *from = port_get(room->ports, p->wire);
	bool sound = from && p->len >= sizeof(struct eth_hdr);

	spots[SOURCE].key = sound ? fdb_key(from->bridge, packet_eth(p)->src) : 0;
	spots[DESTINATION].key = sound ? fdb_key(from->bridge, packet_eth(p)->dst) : 0;
}

void bridge_input(const struct port_table *ports, struct fdb *fdb, struct frame_pool *pool,
		  struct stats *stats, struct bridge_state *state, const struct vector *v,
		  struct vector *up, uint64_t now_ns)
{
	struct room room = {ports, fdb, pool, stats, state, up, now_ns};

	struct fdb_spot spots[VECTOR_SIZE][N_SPOTS];

	for (unsigned i = 0; i < v->n; i++)
		sight(&room, v->p[i], spots[i]);
	fdb_seek(fdb, spots[0], v->n * N_SPOTS);
	for (unsigned i = 0; i < v->n; i++)
		v->p[i]->verdict = (uint8_t)judge(&room, v->p[i], spots[i]);
}
