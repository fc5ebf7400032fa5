/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config.h - the router file as data. config_read() parses and checks it without root
 * and without the interfaces; whoever gets a struct config may rely on what stands here.
 */
#ifndef TSUJI_CONFIG_H
#define TSUJI_CONFIG_H

#include "diag.h"
#include "../dataplane/wire.h"

#define CONFIG_NAME_SIZE 16 /* interface names, as in IFNAMSIZ */
#define CONFIG_FRAMES_PER_PORT 128 /* at least: what its rings hold when they are shortest */

enum config_xdp { XDP_AUTO, XDP_NATIVE, XDP_GENERIC }; /* auto: native, else generic with a warning */

struct config_address {
	be32 address;
	uint8_t prefix_len;
	struct place at;
};

struct config_port {
	char name[CONFIG_NAME_SIZE];
	struct place at;
	struct config_address *addresses; /* in the file's order */
	unsigned n_addresses;
	unsigned mtu;                     /* 68 to 3498; 0: the interface's own */
	enum config_xdp xdp;

	/* of a port in a bridge; the reader lists every bridged port here, named under ports: or not */
	char bridge[CONFIG_NAME_SIZE];    /* empty: a routed port */
	bool no_learning, no_flood, isolated;

	char mirror[CONFIG_NAME_SIZE];    /* the port that gets a copy of all its frames; empty: none */
};

/*
 * A bridge: its ports, and what makes it a routed interface (its leg). Its name stands
 * wherever a port's may: in routes (port:), neighbours and mirror sources, not as a member
 * or a mirror target. Ports and bridges are PORT_MAX together at most.
 */
struct config_bridge {
	char name[CONFIG_NAME_SIZE];
	struct place at;
	unsigned *ports;                  /* indices in config.ports, in the file's order */
	unsigned n_ports;
	struct config_address *addresses; /* of the leg; none: it only bridges */
	unsigned n_addresses;
	unsigned aging_s;                 /* 300 */
	struct mac mac;                   /* zero: the lowest MAC of its ports */
	char mirror[CONFIG_NAME_SIZE];    /* of its ports that have none of their own; empty: none */
};

enum config_route_type { ROUTE_UNICAST, ROUTE_BLACKHOLE, ROUTE_UNREACHABLE, ROUTE_PROHIBIT };

struct config_route {
	be32 prefix;          /* host bits are zero: the reader refuses others */
	uint8_t prefix_len;
	enum config_route_type type;
	be32 via;             /* zero: none */
	char port[CONFIG_NAME_SIZE]; /* empty: the port whose subnet holds via; `port:` names it otherwise */
	uint32_t metric;      /* 0 is the best */
	struct place at;
};

struct config_neigh {
	be32 address;
	struct mac mac;
	char port[CONFIG_NAME_SIZE];
	struct place at;
};

/* A rule's addresses and ports as written; what is left out is any. */
struct config_prefix {
	be32 address;
	uint8_t len; /* 0: any */
};
struct config_ports {
	uint16_t first, last; /* 0, 0: any */
};

enum config_nat_action { CONFIG_MASQUERADE, CONFIG_SNAT, CONFIG_DNAT };
enum config_filtering { CONFIG_ADDRESS_PORT, CONFIG_ADDRESS, CONFIG_INDEPENDENT };

struct config_nat {
	enum config_nat_action action;
	char out[CONFIG_NAME_SIZE], in[CONFIG_NAME_SIZE]; /* port or bridge; empty: not given */
	struct config_prefix from, address;  /* from: masquerade, snat; address: dnat */
	uint8_t protocol;                    /* tcp, udp, icmp, a number; 0: any */
	struct config_ports port;            /* dnat */
	be32 to_first, to_last;              /* to: a, or a-b */
	struct config_ports to_port;         /* to: "a:port" or "a:p-q"; ports: p-q for source rules */
	bool per_remote;                     /* mapping: */
	enum config_filtering filtering;     /* filtering: */
	struct place at;
};

enum config_filter_action { CONFIG_ACCEPT, CONFIG_DROP, CONFIG_REJECT };

struct config_filter {
	enum config_filter_action action;
	uint8_t states; /* enum filter_state of dataplane/rules.h; 0: any */
	char in[CONFIG_NAME_SIZE], out[CONFIG_NAME_SIZE];
	struct config_prefix from, to;
	uint8_t protocol;
	struct config_ports sport, port; /* source and destination ports */
	int icmp_type;                   /* -1: any */
	struct place at;
};

/* sessions: {max: 262144, per-host: 0, tcp-established: 7440, tcp-transitory: 240, udp: 300, icmp: 60, other: 300} (seconds) */
struct config_sessions {
	unsigned max, per_host;
	unsigned tcp_established_s, tcp_transitory_s, udp_s, icmp_s, other_s;
};

enum config_transmit { TRANSMIT_AUTO, TRANSMIT_SOCKET, TRANSMIT_BURST };
extern const char *const config_transmit_words[]; /* by value, NULL at the end */
extern const char *const config_far_end_words[];  /* leave, prepare */

/*
 * A burst costs what 15 packets cost by the socket lane where the far end has XDP, and 34 to
 * 41 where it has GRO; some kernels' calls are dearer: so it is measured at start, and if that
 * fails 40 is taken.
 */
enum { BURST_MIN_AUTO = 0, BURST_MIN_UNMEASURED = 40, BURST_MIN_MOST = 2048 };

/*
 * Punts of a port in a second. The kernel's stack takes 0.6 us for a datagram that nobody
 * wants: 100,000 of them are a sixteenth of the worker's time, and the forwarding beside them
 * is as fast as beside 50,000; and they are 1.2 Gbit/s for a service in the router's namespace.
 */
enum { PUNT_RATE_DEFAULT = 100000, PUNT_RATE_MOST = 1000000 };

/* A receive ring's entries at most, which a turn can empty. */
enum { READ_DEPTH_DEFAULT = 2048, READ_DEPTH_MOST = 2048 };
/* As long as it takes to put a CPU to sleep and to wake it up again. */
enum { SPIN_US_DEFAULT = 50, SPIN_US_MOST = 1000000 };

struct config_lanes { /* `tsuji set` changes them while the router runs: settings.h */
	enum config_transmit transmit; /* auto */
	unsigned burst_min;            /* packets from which transmit: auto bursts; BURST_MIN_AUTO */
	bool gso;                      /* on; counts with transmit: auto only */
	bool flow_cache;               /* on */
	bool far_end_prepare;          /* leave */
	unsigned punt_rate;            /* packets a second that a port may give the kernel; 0: any */
	unsigned read_depth;           /* packets read from a port per turn; 2048 */
	unsigned spin_us;              /* without a packet before the worker sleeps; 50 */
	bool busy_poll;                /* off; on: it never sleeps */
};

struct config {
	struct config_port *ports;
	unsigned n_ports;
	struct config_bridge *bridges;
	unsigned n_bridges;
	struct config_route *routes;
	size_t n_routes;
	struct config_neigh *neighbours;
	unsigned n_neighbours;
	struct config_nat *nat;
	unsigned n_nat;
	struct config_filter *filter;
	unsigned n_filter;
	struct config_sessions sessions;
	struct config_lanes lanes;
	unsigned frames; /* 16384 */
};

/*
 * Reads the router file that diag was opened on. NULL with diag->n_errors > 0 if anything
 * is wrong. Checked: syntax (anchors, tags, several documents and duplicate keys are
 * errors), unknown keys (with the nearest known one), every value's form; duplicate
 * addresses; overlapping subnets of two ports; gateways on no connected subnet, equal to
 * an own address, or a network or broadcast address; two routes with the same prefix and metric; neighbours
 * outside their port's subnets; ports named but not listed. A bridge has at least one port;
 * a port is in one bridge at most, then has no addresses, and is routed through by nobody;
 * only such a port has flags. A mirror is a listed port without addresses, bridge or mirror
 * of its own. Rules of nat and filter that can never match are errors as far as they can be
 * seen to be: values that exclude each other, packets that are not forwarded, an earlier
 * rule for the same packets; a new address is one that a host can have. A million routes
 * are read in about a second.
 */
struct config *config_read(struct diag *diag);
/* The same for a router file inside another. far_end_prepare: what lanes.far-end is if not given. */
struct yaml_node;
struct config *config_read_section(struct diag *diag, const struct yaml_node *node,
				   bool far_end_prepare);
void config_free(struct config *config); /* NULL is fine */

/*
 * "192.168.1.1/24", "10.0.0.1", "02:00:00:00:00:01", "default": strict forms, no leading
 * zeros, no host names. False: not of that form. prefix: host bits must be zero.
 */
bool config_parse_address(const char *text, be32 *address);
/* Also "default", and an address alone: /32. */
bool config_parse_prefix(const char *text, be32 *prefix, uint8_t *prefix_len);
/* Host bits may be set. */
bool config_parse_interface(const char *text, be32 *address, uint8_t *prefix_len);
bool config_parse_mac(const char *text, struct mac *mac);
/* Text of an address or MAC into buf (at least 18 bytes), which is returned. */
char *config_format_address(be32 address, char *buf);
char *config_format_mac(struct mac mac, char *buf);

#endif
