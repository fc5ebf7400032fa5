/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fdb.h - the forwarding database of the bridges: (bridge, MAC) to port, with age and hits
 * (IEEE 802.1Q 8.8; the Linux bridge is the reference).
 *
 * An entry is learnt from a source address, moves at once when the source is seen on
 * another port, and is forgotten `aging` after it was last seen as a source. Static
 * entries (added by control) neither age nor move; local ones (the bridge's and its
 * members' own MACs) say "this is the router".
 *
 * The table knows nothing of bridges beyond a number: what to flood, and to whom, is room
 * bridge's business.
 *
 * Threads: the worker learns and looks up; control adds, deletes, walks and reads events.
 * A bucket has a lock for writers; lookups take none (a sequence counter, as in neigh.h).
 * Hash: keyed with the caller's secret. Memory is fixed at fdb_new(), and what is never
 * needed of it never touched: past the bounds frames are still forwarded, only learning
 * stops, and that is counted. The worker's now_ns never goes back. Bridges and ports are
 * below PORT_MAX.
 */
#ifndef TSUJI_FDB_H
#define TSUJI_FDB_H

#include "packet.h"

/* Zero fields take the default in brackets. */
struct fdb_config {
	uint32_t capacity; /* entries in all [131072] */
	uint32_t port_max; /* learnt entries on one port [65536] */
	uint8_t secret[16];
	uint32_t *changes; /* one is added when an entry that fdb_quote() was told of is another; NULL: nobody quotes */
};

enum fdb_kind { FDB_LEARNT, FDB_STATIC, FDB_LOCAL };

struct fdb;

struct fdb *fdb_new(const struct fdb_config *config); /* NULL: no memory */
void fdb_free(struct fdb *fdb);

/* -- worker ------------------------------------------------------------------------- */

enum fdb_learnt {
	FDB_KNOWN,   /* it is there, on that port: time noted, once a second or four times in its age */
	FDB_NEW,     /* learnt now */
	FDB_MOVED,   /* it was on another port: *before */
	FDB_FULL,    /* the bounds are reached; counted. One that would move to a full port is forgotten */
	FDB_REFUSED, /* local, on whatever port, or static on another: it stays */
};
/* A frame from mac came in on that port. mac is an individual address, not zero (the room checks). */
enum fdb_learnt fdb_learn(struct fdb *fdb, uint16_t bridge, struct mac mac, uint16_t port, uint64_t now_ns,
			  uint16_t *before);

/*
 * Where mac lives: a port number; FDB_IS_LOCAL; or PORT_NONE, unknown. Counts a hit. An
 * entry past its age is unknown at once, whether or not fdb_age() has met it.
 */
#define FDB_IS_LOCAL 0xfffe
uint16_t fdb_lookup(struct fdb *fdb, uint16_t bridge, struct mac mac, uint64_t now_ns);

/*
 * Somebody will repeat, without asking here, that mac is behind port (flow.h): any change of
 * that adds one to config.changes. False: it is not so, or not any more.
 */
bool fdb_quote(struct fdb *fdb, uint16_t bridge, struct mac mac, uint16_t port, uint64_t now_ns);
/* What was quoted is void although no entry has changed: a port was blocked, say. */
void fdb_revoke(struct fdb *fdb);
/* Frames from mac on that port were repeated: it has been seen, if that is where it is. */
void fdb_note_source(struct fdb *fdb, uint16_t bridge, struct mac mac, uint16_t port, uint64_t now_ns);
/* n frames to mac were repeated to that port: hits. False: it is not there any more. */
bool fdb_note_hits(struct fdb *fdb, uint16_t bridge, struct mac mac, uint16_t port, uint32_t n, uint64_t now_ns);
/* As fdb_lookup(), but no hit. */
uint16_t fdb_find(struct fdb *fdb, uint16_t bridge, struct mac mac, uint64_t now_ns);

/*
 * Forgets what is too old, a slice of the table per call: call it each turn; a whole pass
 * takes at most two seconds when called at least every 10 ms, and nothing due costs one
 * comparison. fdb_next(): when to call it next, UINT64_MAX for an empty table.
 */
void fdb_age(struct fdb *fdb, uint64_t now_ns);
uint64_t fdb_next(const struct fdb *fdb);

/* -- control, at any time ----------------------------------------------------------- */

/* Default 300 s. 0: nothing new is learnt (fdb_learn() says FDB_KNOWN) and all is flooded, as in Linux. */
void fdb_set_aging(struct fdb *fdb, uint16_t bridge, uint64_t aging_ns);
/* Adds or replaces a static or local entry. 0, -ENOSPC, or -EINVAL (a group address, zero). */
int fdb_add(struct fdb *fdb, uint16_t bridge, struct mac mac, uint16_t port, enum fdb_kind kind);
int fdb_del(struct fdb *fdb, uint16_t bridge, struct mac mac); /* 0 or -ENOENT */
/*
 * Deletes the learnt entries of a bridge and a port (PORT_NONE: of any), and the static
 * ones if asked. Local ones stay: fdb_del() is for them. Returns how many.
 */
unsigned fdb_flush(struct fdb *fdb, uint16_t bridge, uint16_t port, bool statics);

struct fdb_info {
	uint16_t bridge, port;
	struct mac mac;
	enum fdb_kind kind;
	uint64_t seen_ns; /* last seen as a source; 0: never */
	uint64_t hits;    /* frames sent by this entry */
};
/* Calls each once per entry with a consistent copy, in no order. */
void fdb_walk(struct fdb *fdb, void (*each)(const struct fdb_info *, void *), void *arg);
uint32_t fdb_count(const struct fdb *fdb);
uint64_t fdb_refused(const struct fdb *fdb); /* times that fdb_learn() said FDB_FULL */
/* Entries in the fullest bucket, what a lookup costs at worst; exact while nothing changes. */
unsigned fdb_longest_chain(const struct fdb *fdb);

enum fdb_event_kind { FDB_APPEARED, FDB_MOVES, FDB_GONE };
struct fdb_event {
	enum fdb_event_kind kind;
	uint16_t bridge, port, before; /* before: FDB_MOVES */
	struct mac mac;
	uint64_t at_ns; /* 0: just now, by fdb_add(), fdb_del() or fdb_flush() */
};
/*
 * The next event since fdb_watch(true), oldest first; false: none. One reader. At most
 * 4096 wait; what did not fit is counted in *lost since the last call, whatever it returns.
 * A source that comes back after its age, before the table has collected it, is FDB_GONE
 * and then FDB_APPEARED. An entry made static or local is only FDB_MOVES, if its port changes.
 */
bool fdb_event(struct fdb *fdb, struct fdb_event *event, uint64_t *lost);
void fdb_watch(struct fdb *fdb, bool on); /* the reader's; on when it is on already: nothing */

#endif
