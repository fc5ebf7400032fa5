/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_contender - what stands between the hosts of a benchmark.
 *
 * The kernel gets GRO at both of its ports: that is what gives a veth NAPI, without which
 * frames of the generator would not arrive at all, and it is the kernel at its best. Its
 * bridge is spared the detour through nft that br_netfilter adds where it is loaded.
 *
 * tsuji is this very program, started as a user starts it.
 */
#include "bench_lab.h"
#include "netns.h"

#include "bpf/bench.skel.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <limits.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define READY_TIMEOUT_MS 20000
#define STOP_TIMEOUT_MS 10000

/* In the router's namespace; /proc/sys is written only where it must be: it may be read-only. */
#define KERNEL_ROUTER \
	"f=/proc/sys/net/ipv4/ip_forward\n" \
	"[ $(cat $f) = 1 ] || echo 1 >$f\n" \
	"ip address add 192.168.1.1/24 dev r0\n" \
	"ip address add 192.168.0.1/24 dev r1\n" \
	"ethtool -K r0 gro on\n" \
	"ethtool -K r1 gro on\n"
#define KERNEL_BRIDGE \
	"for f in /proc/sys/net/bridge/bridge-nf-call-*; do\n" \
	"	[ ! -e $f ] || [ $(cat $f) = 0 ] || echo 0 >$f\n" \
	"done\n" \
	"ip link add name br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0\n" \
	"ip link set dev r0 master br0\n" \
	"ip link set dev r1 master br0\n" \
	"ip link set dev br0 up\n" \
	"ethtool -K r0 gro on\n" \
	"ethtool -K r1 gro on\n"
#define NFT_MASQUERADE \
	"nft -f - <<END\n" \
	"table ip nat {\n" \
	"	chain postrouting {\n" \
	"		type nat hook postrouting priority srcnat\n" \
	"		oifname r1 masquerade\n" \
	"	}\n" \
	"}\n" \
	"END\n"

static const char routed_file[] = "ports:\n"
				  "  r0: {addresses: [192.168.1.1/24]}\n"
				  "  r1: {addresses: [192.168.0.1/24]}\n";

/* By path: the kernel's script, what it is called, and the sections of tsuji's router file. */
static const struct {
	const char *script, *title, *file, *rules;
} works[] = {
	[BENCH_ROUTED] = {KERNEL_ROUTER, "kernel router", routed_file, ""},
	[BENCH_BRIDGED] = {KERNEL_BRIDGE, "kernel bridge",
			   "bridges:\n  br0: {ports: [r0, r1]}\n", ""},
	[BENCH_TRANSLATED] = {KERNEL_ROUTER NFT_MASQUERADE, "nft masquerade", routed_file,
			      "nat:\n  - {action: masquerade, out: r1}\n"},
};
static_assert(ARRAY_SIZE(works) == BENCH_PATHS, "work for each path");

static const struct {
	const char *name, *title, *lanes;
} contenders[] = {
	[BENCH_GENERATOR] = {"generator", "(frames made)", NULL},
	[BENCH_REDIRECT] = {"redirect", "bare XDP redirect", NULL},
	[BENCH_KERNEL] = {"kernel", NULL, NULL}, /* the path's title */
	[BENCH_SOCKET] = {"tsuji-socket", "tsuji, socket lane",
			  "lanes: {transmit: socket, flow-cache: off}\n"},
	[BENCH_BURST] = {"tsuji-burst", "tsuji, burst lane",
			 "lanes: {transmit: burst, flow-cache: off}\n"},
	[BENCH_C] = {"tsuji-c", "tsuji, all through C", "lanes: {flow-cache: off}\n"},
	[BENCH_CACHE] = {"tsuji-flow-cache", "tsuji, flow cache", "lanes: {flow-cache: on, far-end: prepare}\n"},
};
static_assert(ARRAY_SIZE(contenders) == BENCH_CONTENDERS, "a name for each contender");

const char *bench_contender_name(enum bench_contender contender)
{
	return contenders[contender].name;
}

const char *bench_contender_title(enum bench_contender contender, enum bench_path path)
{
	return contender == BENCH_KERNEL ? works[path].title : contenders[contender].title;
}

/* -- the bare redirect -- */

/* In the router's namespace: a device map takes interfaces of the caller's only. */
static int attach_redirect(struct bench_lab *lab, struct refusal *why)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = XDP_FLAGS_DRV_MODE);
	const struct bench_bpf *program = lab->place.programs;
	const uint32_t left = if_nametoindex("r0"), right = if_nametoindex("r1");
	const uint32_t to[] = {right, left}; /* by the side a frame came from, left first */
	int map = bpf_map__fd(program->maps.sides), fd = bpf_program__fd(program->progs.redirect);

	program->bss->left = left;
	for (uint32_t side = 0; side < ARRAY_SIZE(to); side++) {
		if (bpf_map_update_elem(map, &side, &to[side], BPF_ANY))
			return refusal_set(why, REFUSED_FAILED, "the redirect's map: %s",
					   strerror(errno));
		lab->links[side] = bpf_link_create(fd, (int)to[side], BPF_XDP, &options);
		if (lab->links[side] < 0)
			return refusal_set(why, REFUSED_FAILED, "attaching the redirect: %s",
					   strerror(errno));
	}
	return 0;
}

/* The hosts get GRO: what is redirected to a veth without NAPI at its far end is lost. */
static int start_redirect(struct bench_lab *lab, struct refusal *why)
{
	static const char prepare[] = "ethtool -K e0 gro on\n";

	if (bench_lab_script(lab, lab->from, prepare, NULL, why) ||
	    bench_lab_script(lab, lab->to, prepare, NULL, why))
		return -1;
	int home = netns_visit(lab->router, why);
	if (home < 0)
		return -1;
	int code = attach_redirect(lab, why);
	netns_return(home);
	return code;
}

/* -- tsuji -- */

static int write_file(const struct bench_lab *lab, const char *path, struct refusal *why)
{
	FILE *file = fopen(path, "we");
	bool ok = file &&
		  fprintf(file, "%s%s%s", works[lab->place.path].file, works[lab->place.path].rules,
			  contenders[lab->place.contender].lanes) > 0;

	if (file && fclose(file))
		ok = false;
	return ok ? 0 : refusal_set(why, REFUSED_FAILED, "writing %s: %s", path, strerror(errno));
}

static int launch(struct bench_lab *lab, char *path, struct refusal *why)
{
	char self[PATH_MAX] = "";
	char *argv[] = {self, "run", "-c", path, "-n", lab->router, NULL};
	struct process_options options = {0};

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return refusal_set(why, REFUSED_MACHINE, "/proc/self/exe: %s", strerror(errno));
	int error = process_open(&lab->tsuji, argv, &options);
	if (!error)
		return 0;
	lab->tsuji.pid = 0;
	return refusal_set(why, REFUSED_FAILED, "cannot start tsuji run: %s", strerror(-error));
}

/* What it said last, as the reason why it is not ready. */
static int explain_tsuji(struct bench_lab *lab, struct refusal *why)
{
	struct process_result result;

	process_finish(&lab->tsuji, 0, -1, &result);
	lab->tsuji.pid = 0;
	const char *said = result.err.text ? result.err.text : "it says nothing";
	refusal_set(why, REFUSED_FAILED, "%s does not start: %.*s",
		    bench_contender_title(lab->place.contender, lab->place.path),
		    (int)strcspn(said, "\n"), said);
	process_result_fini(&result);
	return -1;
}

static int start_tsuji(struct bench_lab *lab, struct refusal *why)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s.yaml", lab->place.directory,
		 contenders[lab->place.contender].name);
	int code = write_file(lab, path, why);
	if (!code)
		code = launch(lab, path, why);
	if (!code && !bench_await(&lab->tsuji, "ready\n", READY_TIMEOUT_MS, lab->place.stop_fd))
		code = explain_tsuji(lab, why);
	unlink(path);
	return code;
}

/* -- all of them -- */

int bench_contender_start(struct bench_lab *lab, struct refusal *why)
{
	switch (lab->place.contender) {
	case BENCH_REDIRECT:
		return start_redirect(lab, why);
	case BENCH_KERNEL:
		return bench_lab_script(lab, lab->router, works[lab->place.path].script, NULL, why);
	case BENCH_SOCKET:
	case BENCH_BURST:
	case BENCH_C:
	case BENCH_CACHE:
		return start_tsuji(lab, why);
	case BENCH_GENERATOR:
	case BENCH_CONTENDERS:
		break;
	}
	return 0;
}

void bench_contender_stop(struct bench_lab *lab)
{
	struct process_result result;

	if (lab->tsuji.pid > 0) {
		kill(lab->tsuji.pid, SIGTERM);
		lab->tsuji.began_ms = process_now_ms(); /* the limit counts from here */
		process_finish(&lab->tsuji, STOP_TIMEOUT_MS, -1, &result);
		process_result_fini(&result);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(lab->links); i++)
		if (lab->place.contender == BENCH_REDIRECT && lab->links[i] >= 0)
			close(lab->links[i]);
}
