/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nat_fragments - what first fragments said, for those that follow without ports.
 *
 * This is virtual reassembly (RFC 4787 REQ-14, RFC 5382 7): fragments are not put together, but
 * the later ones of a datagram go where its first went. What a first one said is kept for
 * RECORD_NS in a small keyed table; a full set forgets its oldest. A later one that comes
 * before its first is held, in order of arrival, until the first comes or HOLD_NS are over.
 *
 * A record is short-lived on purpose: a fast sender uses its 65,536 identifications again
 * within seconds (RFC 4963), and a fragment must not follow another datagram's first. A new
 * first replaces the record of an old one.
 *
 * Everything is bounded, so that firsts without followers and followers without firsts cost
 * only each other. The table never looks into the packets it holds once they are here.
 */
#include "nat.h"

#include "hash.h"

#include <stdlib.h>

#define SETS	  64 /* 256 records: datagrams on their way at one time, not flows */
#define WAYS	  4
#define HELD_MAX  64
#define RECORD_NS (2 * NS_PER_S)
#define HOLD_NS	  (2 * NS_PER_S)

/* RFC 791 3.2: what makes fragments one datagram; and the port, as they came one way. */
struct key {
	be32 src, dst;
	be16 id;
	uint16_t port_in;
	uint8_t protocol;
	uint8_t zero[3];
};
static_assert(sizeof(struct key) == 16, "a key is hashed as two words");

struct record {
	struct key key;
	uint64_t until_ns; /* 0: free */
	struct nat_sight sight;
};

struct held {
	struct packet *p;
	struct key key;
	uint64_t until_ns;
	uint8_t verdict; /* HELD, or what it is released with */
};

struct nat_fragments {
	struct record records[SETS][WAYS];
	struct held held[HELD_MAX]; /* the longest wait first */
	unsigned n_held, n_over;    /* n_over of them have a verdict */
	uint64_t next_ns;	    /* no wait ends before; never later than the first that does */
	uint8_t secret[HASH_KEY_SIZE];
};

struct nat_fragments *nat_fragments_new(const uint8_t secret[16])
{
	struct nat_fragments *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	memcpy(f->secret, secret, sizeof(f->secret));
	f->next_ns = UINT64_MAX;
	return f;
}

void nat_fragments_free(struct nat_fragments *f)
{
	free(f);
}

/* -- what firsts said ------------------------------------------------------------- */

static struct key key_of(const struct packet *p)
{
	const struct ip4_hdr *h = packet_ip4(p);

	return (struct key){h->src, h->dst, h->id, p->port_in, h->protocol, {0}};
}

static bool key_equal(const struct key *a, const struct key *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static unsigned set_of(const struct nat_fragments *f, const struct key *key)
{
	return hash_siphash(f->secret, key, sizeof(*key)) % SETS;
}

/* The place of key's record: its own, or that of the oldest. */
static struct record *place_for(struct record set[WAYS], const struct key *key)
{
	struct record *oldest = set;

	for (struct record *r = set; r < set + WAYS; r++) {
		if (key_equal(&r->key, key))
			return r;
		if (r->until_ns < oldest->until_ns)
			oldest = r;
	}
	return oldest;
}

static void finish(struct nat_fragments *f, struct held *held, enum verdict v)
{
	if (held->verdict != HELD)
		return;
	held->verdict = (uint8_t)v;
	f->n_over++;
}

void nat_fragments_note(struct nat_fragments *f, const struct packet *p,
			const struct nat_sight *sight, uint64_t now_ns)
{
	struct key key = key_of(p);
	struct record *r = place_for(f->records[set_of(f, &key)], &key);

	*r = (struct record){key, now_ns + RECORD_NS, *sight};
	for (unsigned i = 0; unlikely(i < f->n_held); i++)
		if (key_equal(&f->held[i].key, &key))
			finish(f, &f->held[i], TO_NAT);
}

bool nat_fragments_find(const struct nat_fragments *f, const struct packet *p,
			struct nat_sight *sight, uint64_t now_ns)
{
	struct key key = key_of(p);
	const struct record *set = f->records[set_of(f, &key)];

	for (const struct record *r = set; r < set + WAYS; r++) {
		if (r->until_ns > now_ns && key_equal(&r->key, &key)) {
			*sight = r->sight;
			return true;
		}
	}
	return false;
}

/* -- those that wait -------------------------------------------------------------- */

bool nat_fragments_hold(struct nat_fragments *f, struct packet *p, uint64_t now_ns)
{
	if (f->n_held == HELD_MAX)
		return false;
	f->held[f->n_held++] = (struct held){p, key_of(p), now_ns + HOLD_NS, HELD};
	f->next_ns = min_u64(f->next_ns, now_ns + HOLD_NS);
	return true;
}

void nat_fragments_age(struct nat_fragments *f, uint64_t now_ns)
{
	if (likely(now_ns < f->next_ns))
		return;
	f->next_ns = UINT64_MAX;
	for (unsigned i = 0; i < f->n_held; i++) {
		if (f->held[i].verdict != HELD)
			continue;
		if (f->held[i].until_ns <= now_ns)
			finish(f, &f->held[i], DROP_NAT_FRAGMENT);
		else
			f->next_ns = min_u64(f->next_ns, f->held[i].until_ns);
	}
}

struct packet *nat_fragments_released(struct nat_fragments *f)
{
	unsigned i = 0;

	if (likely(!f->n_over))
		return NULL;
	while (f->held[i].verdict == HELD)
		i++;
	struct packet *p = f->held[i].p;
	p->verdict = f->held[i].verdict;
	f->n_held--;
	f->n_over--;
	memmove(&f->held[i], &f->held[i + 1], (f->n_held - i) * sizeof(f->held[0]));
	return p;
}

uint64_t nat_fragments_next(const struct nat_fragments *f)
{
	return f->n_over ? 0 : f->next_ns;
}
