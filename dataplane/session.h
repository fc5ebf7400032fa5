/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session.h - who talks to whom: sessions, and the mappings of address translation.
 *
 * A *session* is one conversation, known by two tuples: ORIGINAL, as its first packet came
 * in, and REPLY, as answers come in. Where nothing is translated REPLY is ORIGINAL turned
 * round; translation is whatever else stands there:
 *
 *     inside 10.0.0.2:1234 -> 8.8.8.8:53    ORIGINAL  10.0.0.2:1234 > 8.8.8.8:53
 *     leaves as 192.0.2.1:1234              REPLY     8.8.8.8:53 > 192.0.2.1:1234
 *
 * A packet that matches one tuple gets, as its new source and destination, the other one
 * turned round. A *mapping* ties an inside endpoint (protocol, address, port) to an outside
 * endpoint and is shared by all sessions of that endpoint (RFC 4787 REQ-1: endpoint-
 * independent), or made for one remote endpoint only, as the rule says. It lives as long as
 * one of its sessions.
 *
 * ICMP queries have the identifier where the inside port is, and zero as the remote port.
 * Other protocols have zero for both; a mapping of theirs is for one remote address alone,
 * and session_unmap() does not know it.
 *
 * Threads: the worker finds, maps, opens, notes and ages; control walks, flushes and sets
 * times. There is no lock: what control ends it only marks, and the worker takes it out (see
 * session_entry.h). Hashes are keyed; memory is fixed at session_new(), and what is never
 * needed of it never touched. The worker's now_ns never goes back.
 */
#ifndef TSUJI_SESSION_H
#define TSUJI_SESSION_H

#include "mapping.h" /* struct tuple, struct session_pool */

enum session_direction { SESSION_ORIGINAL = 0, SESSION_REPLY = 1 };

/*
 * RFC 5382 (TCP), 4787 (UDP), 5508 (ICMP), 7857 2 (RST). TCP without the beginning in sight (a
 * session opened by another segment than SYN) is NEW until both directions have spoken.
 */
enum session_state {
	SESSION_NEW,         /* only the original direction has spoken; TCP: the handshake is not over */
	SESSION_ESTABLISHED, /* both have; TCP: three-way handshake seen */
	SESSION_TRANSITORY,  /* TCP: FIN from both; or a RST: a later segment, SYN apart, restores it */
	N_SESSION_STATES
};
const char *session_state_name(enum session_state state); /* "new", "established", "transitory" */

/* Zero fields take the default in brackets. Times in nanoseconds. */
struct session_config {
	uint32_t capacity;           /* sessions in all [262144] */
	uint32_t host_max;           /* of one original source address; 0: no limit */
	uint64_t tcp_established_ns; /* [2 h 4 min: RFC 5382 REQ-5] */
	uint64_t tcp_transitory_ns;  /* [4 min; a new one likewise] */
	uint64_t udp_ns;             /* [5 min: RFC 4787 REQ-5] */
	uint64_t icmp_ns;            /* [60 s: RFC 5508 REQ-2] */
	uint64_t other_ns;           /* [5 min] */
	uint8_t secret[16];
};

/*
 * What the rooms see of a session; written by session.c only. Its times are those of the
 * table's own clock: now_ns, and what session_advance() has added.
 */
struct session {
	struct tuple tuple[2];
	uint64_t expires_ns, created_ns;
	uint64_t packets[2], bytes[2];
	uint32_t mapping;        /* index, or SESSION_NO_MAPPING */
	uint16_t rule;           /* of the nat rules in force when it was opened, or SESSION_NO_RULE */
	uint8_t state;           /* enum session_state */
	uint8_t tcp_seen;        /* what has been seen: SYN, FIN of each direction (session_tcp.h) */
};
#define SESSION_NO_MAPPING UINT32_MAX
#define SESSION_NO_RULE 0xffff

struct session_table;
struct session_table *session_new(const struct session_config *config); /* NULL: no memory */
void session_free(struct session_table *table);

/* -- worker ------------------------------------------------------------------------- */

/* The session that t belongs to and its direction; NULL: none, or it has expired. Cost: one or two cache lines. */
struct session *session_find(struct session_table *table, const struct tuple *t, enum session_direction *direction,
			     uint64_t now_ns);
/* Brings the lines closer that session_find() will read for these tuples. */
void session_prefetch(const struct session_table *table, const struct tuple *t);

/*
 * The outside endpoint for a source-translated session of the inside endpoint (original
 * source and port): its mapping's, or a new one's -- the same port if free, else an
 * unpredictable free one; addresses of a range: always the same for one inside address
 * (RFC 4787 REQ-2, "paired"). *outside, *outside_port are set. Returns the mapping, or
 * SESSION_NO_MAPPING when the pool is used up (counted). A mapping that is returned stays
 * until session_open() or session_unuse() has had it.
 */
uint32_t session_map(struct session_table *table, const struct tuple *original, const struct session_pool *pool,
		     uint64_t now_ns, be32 *outside, be16 *outside_port);
/* The mapping of an outside endpoint: the inside endpoint it stands for; false: none. For inbound filtering and hairpin. */
bool session_unmap(struct session_table *table, uint8_t protocol, be32 outside, be16 outside_port, be32 *inside,
		   be16 *inside_port);
/* Whether a session exists between that outside endpoint and that remote address (any port): address-dependent filtering. */
bool session_knows_remote(struct session_table *table, uint8_t protocol, be32 outside, be16 outside_port, be32 remote);

enum session_refusal { SESSION_OK, SESSION_TABLE_FULL, SESSION_HOST_FULL, SESSION_CLASH /* one of its tuples is another session's */ };
/*
 * Opens a session in state NEW, without a packet yet; *out is valid until session_age(), even
 * if the session ends before. mapping: from session_map(), which the session keeps as long as
 * it lives, or SESSION_NO_MAPPING; unless SESSION_OK it is still the caller's to
 * session_unuse(). When the table is full the oldest unconfirmed session makes room: one that
 * has never been ESTABLISHED.
 */
enum session_refusal session_open(struct session_table *table, const struct tuple *original, const struct tuple *reply,
				  uint32_t mapping, uint16_t rule, uint64_t now_ns, struct session **out);
/* After session_map() when no session was opened with it: a mapping without sessions goes. */
void session_unuse(struct session_table *table, uint32_t mapping);

/*
 * A packet of the session goes by: counters, state (tcp_flags: of the header, 0 for others),
 * expiry, which either direction puts off (RFC 4787 REQ-6: outbound must, inbound may). Of a
 * session that has ended in this turn nothing is noted.
 */
void session_note(struct session_table *table, struct session *s, enum session_direction direction, uint8_t tcp_flags,
		  uint32_t len, uint64_t now_ns);

/*
 * Somebody repeats what is decided for a session without asking here (flow.h), and so wants to
 * know when that is over. Set before the first session is opened.
 */
struct session_watch {
	/* The worker's: a quoted session is in another state now, or ends; then s goes. */
	void (*told)(void *arg, const struct session *s, bool ended);
	void *arg;
	uint32_t *changes; /* one is added when control has ended sessions, or moved the clock */
};
void session_set_watch(struct session_table *table, const struct session_watch *watch);
/* From now on s is quoted; false: it is over. */
bool session_quote(struct session_table *table, struct session *s);
/* Time until it expires, if no packet comes. */
uint64_t session_left(const struct session_table *table, const struct session *s);
/* Packets went by, which a state they leave as it is was repeated for: counters and expiry. */
void session_note_repeated(struct session_table *table, struct session *s, enum session_direction direction,
			   uint32_t packets, uint32_t bytes, uint64_t now_ns);

/*
 * Forgets what has expired, a slice per call; as fdb_age(). To be called between turns: it ends
 * the validity of every struct session * given out, so that memory can be used again.
 */
void session_age(struct session_table *table, uint64_t now_ns);
uint64_t session_next(const struct session_table *table);

/* -- control, at any time ------------------------------------------------------------- */

/* Times and host_max; each session takes its new time with its next packet. The rest stays. */
void session_set_times(struct session_table *table, const struct session_config *config);
/* The lab clock: every session and mapping is that much older (tsuji nat age 5m). One caller at a time. */
void session_advance(struct session_table *table, uint64_t by_ns);
struct session_info {
	struct session session;
	uint64_t age_ns, left_ns;
};
/* Calls each once per live session with a consistent copy, until it returns false. */
void session_walk(struct session_table *table, uint64_t now_ns, bool (*each)(const struct session_info *, void *), void *arg);
/*
 * Ends every session for which match says true (on copies, as session_walk). Returns how many.
 * They are gone for the worker at once; their mappings go when it next opens, maps or ages.
 */
unsigned session_flush(struct session_table *table, bool (*match)(const struct session *, void *), void *arg);
struct session_counts {
	uint64_t sessions, mappings, opened, refused_table, refused_host, pool_exhausted, evicted;
};
void session_counts(const struct session_table *table, struct session_counts *counts);

#endif
