/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_lab.h - what is measured in: two hosts with something between them, in network
 * namespaces of their own.
 *
 *   from:e0 ------ r0 contender r1 ------ to:e0
 *   .1.2             .1.1    .0.1       .0.2   routed, translated: two subnets
 *   .1.2                                .1.3   bridged, or nothing but a wire: one
 *
 *   bench_lab.c         the namespaces, the cables, the hosts
 *   bench_contender.c   what is between them
 */
#ifndef TSUJI_BENCH_LAB_H
#define TSUJI_BENCH_LAB_H

#include "bench_cpu.h"
#include "bench_rate.h"
#include "process.h"

enum bench_path { BENCH_ROUTED, BENCH_BRIDGED, BENCH_TRANSLATED, BENCH_PATHS };

enum bench_contender {
	BENCH_GENERATOR, /* nothing: the sink sits at r0, and counts what the generator makes */
	BENCH_REDIRECT,  /* an XDP program that redirects and does nothing else: the ceiling */
	BENCH_KERNEL,    /* router, bridge, or router with an nft masquerade: the reference */
	BENCH_SOCKET, /* tsuji by the socket lane, every packet through C */
	BENCH_BURST,  /* by the burst lane where the far end takes it, every packet through C */
	BENCH_C,      /* as shipped but for the flow cache, which is off */
	BENCH_CACHE,  /* as shipped, which has the flow cache on, and GRO at the hosts, as lab files have it */
	BENCH_CONTENDERS,
};

/* For programs: "routed", "tsuji-flow-cache"; in JSON. */
const char *bench_path_name(enum bench_path path);
const char *bench_contender_name(enum bench_contender contender);
/* For people: "nft masquerade". */
const char *bench_contender_title(enum bench_contender contender, enum bench_path path);

struct bench_place {
	enum bench_path path;
	enum bench_contender contender;
	const char *directory; /* for router files */
	const struct bench_cpus *cpus; /* the hosts' programs run where the generator does */
	enum bench_source source;
	struct bench_bpf *programs;
	int stop_fd;           /* process_interrupts() */
};

struct bench_lab {
	struct bench_place place;
	char from[48], router[48], to[48];    /* the namespaces */
	be32 from_address, to_address;        /* of the hosts */
	struct process tsuji;                 /* in the router's namespace; pid 0: none */
	int links[2];                         /* the redirect's; -1: not attached */
	struct bench_rate *rate;              /* opened by bench_lab_rate() */
};

/* 0, or -1 with *why; bench_lab_down() is due in either case. */
int bench_lab_up(struct bench_lab *lab, const struct bench_place *place, struct refusal *why);
/* Removes what there is of it; a zeroed one is fine. */
void bench_lab_down(struct bench_lab *lab);
/*
 * The generator and the sink of this lab, there from the first call on: then tsuji is kept on
 * its CPU, and UDP no longer reaches the receiving host. NULL with *why.
 */
struct bench_rate *bench_lab_rate(struct bench_lab *lab, struct refusal *why);

/* Runs a shell script in a namespace (NULL: ours) with $1 and so on. 0, or -1 with *why. */
int bench_lab_script(const struct bench_lab *lab, const char *netns, const char *script,
		     const char *const *words, struct refusal *why);
/*
 * Waits until what a process says holds text, and takes what it said so far. False: it
 * ended, timeout_ms passed, or stop_fd became readable.
 */
bool bench_await(struct process *process, const char *text, unsigned timeout_ms, int stop_fd);

/* Puts the contender between the hosts, and takes it away. Of bench_lab_up() and _down(). */
int bench_contender_start(struct bench_lab *lab, struct refusal *why);
void bench_contender_stop(struct bench_lab *lab);

#endif
