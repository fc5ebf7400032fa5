/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pktgen.h - the kernel's packet generator (Documentation/networking/pktgen.rst): what must be
 * written into which of its files to send UDP through a router, and the writing.
 *
 *   pktgen_script.c   a wish as a list of commands; pure
 *   pktgen_device.c   /proc/net/pktgen of the calling thread's network namespace
 *   pktgen_path.c     where the frames go: next hop, its MAC, and whether that is safe
 *   pktgen.c          the command `tsuji pktgen`; bench_generator.c is the other user
 *
 * Functions that return int: 0, or -1 with *why, unless told otherwise.
 */
#ifndef TSUJI_PKTGEN_H
#define TSUJI_PKTGEN_H

#include "commands.h"
#include "config.h"
#include "refusal.h"

#define PKTGEN_SIZE_MIN	 60 /* bytes of a frame; pktgen's own header needs 58 */
#define PKTGEN_SIZE_MAX	 65535
#define PKTGEN_FLOWS_MAX 1000000
#define PKTGEN_PORT	 1024 /* the first source and destination port */

struct pktgen_plan {
	char interface[16];
	struct mac to_mac;
	be32 to, from; /* from: zero: the interface's own */
	unsigned size, flows;
	uint16_t to_port; /* the first destination port */
	double pps;	  /* 0: as fast as it goes */
	uint64_t count;	  /* frames; 0: until stopped */
	int cpu;	  /* whose thread sends */
};

struct pktgen_command {
	char file[24]; /* below /proc/net/pktgen */
	char text[64];
	bool optional; /* older kernels do not know it */
};
#define PKTGEN_COMMANDS_MAX 20

/* Fills in the commands, in their order; returns how many. They start nothing. */
unsigned pktgen_commands(const struct pktgen_plan *plan,
			 struct pktgen_command commands[PKTGEN_COMMANDS_MAX]);
/*
 * pktgen counts source and destination port up with every frame, both at once: that many of
 * the one and of the other, which have no common divisor, make sources * destinations flows.
 * As near to flows as that allows, never more.
 */
void pktgen_ports(unsigned flows, unsigned *sources, unsigned *destinations);
/* "Result: OK: ..." in what a file of pktgen says; its words of complaint into text, if not. */
bool pktgen_result(const char *said, char *text, size_t size);

/* Whether this kernel has pktgen, loaded, in the calling thread's namespace. */
bool pktgen_exists(void);
int pktgen_apply(const struct pktgen_command *commands, unsigned n, struct refusal *why);
/* Sends, all devices of the namespace at once; returns when the count is reached or stopped. */
int pktgen_run(struct refusal *why);
void pktgen_stop(void);
/* Frees the devices of a CPU's thread. */
void pktgen_release(int cpu);

struct pktgen_count {
	uint64_t made, errors;
	double took_s; /* once it has ended; 0 before */
};
/* What the file of a device says; false: it is none of a device. */
bool pktgen_read_count(const char *said, struct pktgen_count *count);
/* False: no such device in the namespace. */
bool pktgen_count(const char *interface, struct pktgen_count *count);

struct pktgen_path {
	be32 from, next_hop;
	struct mac mac; /* the next hop's */
};
/*
 * What is sent to an address by an interface of this namespace: to whom, by which MAC (asked for
 * by ARP, if need be, for up to 3 s). Thread: one only, it starts programs.
 */
int pktgen_find_path(const char *interface, be32 to, struct pktgen_path *path, struct refusal *why);
/*
 * Refuses where a program in generic XDP would get the frames at the interface or, if that is a
 * veth, behind it: pktgen shares an skb with itself, which generic XDP then writes into, and
 * kernels (6.1, 6.12) panic.
 */
int pktgen_check_xdp(const char *interface, struct refusal *why);

/* argv[0] is "pktgen". An exit code of section 2 of the design. */
int pktgen_main(int argc, char **argv, const struct options *options);

#endif
