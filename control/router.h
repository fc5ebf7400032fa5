/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * router.h - the running router: the owner of all tables. It turns a struct config and
 * what netlink says into ports, locals, routes and neighbours, publishes them to the
 * worker, and answers questions about them.
 *
 * Thread: control's only. Every function that changes something either does all of it or
 * nothing. Answers are jansson arrays of flat objects with the keys documented at each
 * function; the caller owns the reference.
 */
#ifndef TSUJI_ROUTER_H
#define TSUJI_ROUTER_H

#include "config.h"
#include "refusal.h"

#include <jansson.h>

struct router;

/*
 * Takes over the ports of config (kept, and freed, by the router) in the current
 * namespace. Every listed interface must exist and be free. NULL with *why set, nothing
 * left attached, and config still the caller's.
 */
struct router *router_start(struct config *config, struct refusal *why);
void router_stop(struct router *router);

/*
 * Makes the running state that of config, which it keeps on success (the old one is
 * freed). summary: "+3 routes ~1 port" or "no change". On failure nothing changed and
 * config stays the caller's.
 */
int router_reload(struct router *router, struct config *config, char *summary, size_t size, struct refusal *why);

/* The netlink socket to poll, and what to do when it is readable: links and addresses. */
int router_netlink_fd(const struct router *router);
void router_netlink_ready(struct router *router);
/* About once a second: attached programs still ours, lost ports retried, socket statistics. */
void router_tick(struct router *router);

/* Brings what the flow cache has counted into the accounts that are shown below. */
void router_settle(struct router *router);

/*
 * port: name, number, state ("up", "down", "lost"), reason, ifindex, mac, mtu, addresses
 * (one string, space-separated), xdp ("native", "generic", null while lost), lane ("socket",
 * "burst"), lane_reason (why it may not burst, or null), far_end ("host2:eth0"; null: not known,
 * or not looked for while it bursts), far_end_prepared (true: GRO there was switched on by us),
 * rx_packets, rx_bytes, tx_packets, tx_bytes, rx_dropped, tx_dropped, rx_partial, gate_passed,
 * flow_cache (what comes in there is looked up in it), flow_packets (of tx_packets: repeated by
 * it), flow_lost (of these: not taken at the far end, or come in here for a device that was gone), gso (whether TCP is coalesced), gso_calls, gso_packets,
 * gso_errors, socket_packets (of tx_packets), tx_kicks (calls of the socket lane), burst_packets,
 * burst_calls, burst_errors (calls that failed), burst_lost (of burst_packets: not taken at the
 * far end), tx_again, tx_busy, tx_nobufs, tx_netdown, tx_error, rx_ring_full, rx_fill_empty,
 * rx_too_long, losses (times it was up and then was not), bridge, mirror (names, or null), flags ("learning
 * off flood off isolated on", of those that are so). reason is null while it is up. state
 * "blocked", with its reason: up, but loop guard lets nothing through.
 */
json_t *router_show_ports(struct router *router);
/*
 * route: to ("default"), type, via, port (both null where there is none), metric, source ("file",
 * "live", "connected"), state ("used", "shadowed", "port-down"), hits. At most limit rows, from
 * behind *place on, which goes on with them: so a long list can be had in pages, while it
 * changes. Fewer rows than that: there are no more.
 */
struct route_place;
json_t *router_show_routes(struct router *router, struct route_place *place, size_t limit);
/* The same rows, of the routes to one prefix: quick however many others there are. */
json_t *router_show_route(struct router *router, be32 prefix, uint8_t prefix_len);
/*
 * What becomes of packets for address, as the tables in use have it: at most one row, with
 * destination and then the keys of a route; or destination, type ("local", "broadcast")
 * and port (null where the kernel alone has the address, on no port of ours). Empty: no route.
 */
json_t *router_route_get(struct router *router, be32 address);
/* neigh: address, mac (null: not known), port, state, source ("learnt", "file", "live"), age_ms (since confirmed) and used_ms (null: never), queued. */
json_t *router_show_neighs(struct router *router);
/* drops: port ("-" for packets made here), reason, text, packets. Only those not zero; all: every reason summed over ports, without the key port. */
json_t *router_show_drops(struct router *router, bool all);
/*
 * fdb: mac, port, bridge, kind ("learnt", "static", "local"), age_ms (null: static, local),
 * hits; by bridge and MAC. Loop guard and the bounds are told by router_show_bridges().
 */
json_t *router_show_fdb(struct router *router);
/* A static entry: it stays while its port is in a bridge, and is back when the port is. */
int router_fdb_add(struct router *router, struct mac mac, const char *port, struct refusal *why);
/* Any entry but the bridge's own. bridge NULL: the one that has it. */
int router_fdb_del(struct router *router, struct mac mac, const char *bridge, struct refusal *why);
/* Learnt entries of a bridge or port, NULL: of all. Returns how many. */
unsigned router_fdb_flush(struct router *router, const char *name);
/*
 * Events since the last call: event ("appeared", "moved", "gone"), mac, port, bridge, before
 * (moved: the port it was on, else null), age_ms; at the end, if some did not find room,
 * event "lost" and how many events. on: keep them from now on.
 */
json_t *router_fdb_events(struct router *router);
void router_fdb_watch(struct router *router, bool on);
/*
 * bridge: name, number, state ("up", "down"), mac, mtu, addresses, ports (both one string),
 * aging_s, mirror (null: none), entries, refused (sources not learnt for lack of room, of all
 * bridges together), blocked (the ports that loop guard has blocked, with the MAC and for how
 * long; null: none).
 */
json_t *router_show_bridges(struct router *router);
/*
 * nat: protocol, state, source, destination (as the first packet came: "10.0.0.2:1234"),
 * reply_source, reply_destination (as answers come), rule (index in the file, from 1; null), packets,
 * bytes, reply_packets, reply_bytes, age_ms, left_ms. filter: NULL: all. At most limit rows
 * (0: all).
 */
struct nat_filter { /* zero fields: any */
	uint8_t protocol;
	be32 address;  /* either end's, before or after translation */
	uint16_t port;
};
json_t *router_show_nat(struct router *router, const struct nat_filter *filter, size_t limit);
unsigned router_nat_flush(struct router *router, const struct nat_filter *filter);
/* The lab clock: all sessions become that much older. */
void router_nat_age(struct router *router, uint64_t by_ns);
/*
 * nat rules: index (from 1), action, out, in, from, match, protocol, ports, to, mapping,
 * filtering, hits. filter rules: index, action, states, in, out, from, to, protocol,
 * source_ports, ports, icmp_type, packets, bytes. What a rule does not ask for, or has as it
 * is by default, is null.
 */
json_t *router_show_nat_rules(struct router *router);
json_t *router_show_filter(struct router *router);
/* One object: frames, frames_free, frames_held, created, icmp_errors, icmp_limited ... balance. */
json_t *router_show_stats(struct router *router);

/*
 * Live changes; -1 with *why set. add refuses an existing key (prefix and metric; port and
 * address). del of a file's route or neighbour lasts until the next reload; of a route
 * without a metric it takes the best. A neighbour without a port is the one in whose subnet it is.
 */
int router_route_add(struct router *router, const struct config_route *route, struct refusal *why);
int router_route_del(struct router *router, const struct config_route *route, struct refusal *why);
unsigned router_route_flush(struct router *router); /* the live ones */
int router_neigh_add(struct router *router, const struct config_neigh *neigh, struct refusal *why);
int router_neigh_del(struct router *router, const struct config_neigh *neigh, struct refusal *why);
unsigned router_neigh_flush(struct router *router, const char *port); /* learnt ones; NULL: every port */

/*
 * What `tsuji set` changes: the lanes in force. A reload brings back the file's.
 */
const struct config_lanes *router_lanes(const struct router *router);
void router_set_lanes(struct router *router, const struct config_lanes *lanes);
unsigned router_break_even(const struct router *router); /* what a burst-min of auto comes to */

/* Follows the next count packets (at most TRACE_SLOTS) that the pcap expression accepts ("" all). -1 with *why set. */
int router_trace_arm(struct router *router, const char *expression, unsigned count, struct refusal *why);
/* Finished walks: each an array of lines of text under "lines", plus "end", "port_in", "first", "last" (hex). */
json_t *router_trace_collect(struct router *router);
void router_trace_disarm(struct router *router);

#endif
