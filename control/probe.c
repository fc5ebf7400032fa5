/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * probe - small trials, in the order in which their answers explain each other: without
 * privilege a socket fails with EPERM, and that is not the kernel's fault.
 */
#include "probe.h"

#include <bpf/bpf.h>
#include <cap-ng.h>
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#ifndef AF_XDP
#define AF_XDP 44 /* include/linux/socket.h, since 4.18 */
#endif

static bool have(unsigned capability)
{
	return capng_have_capability(CAPNG_EFFECTIVE, capability);
}

static int probe_privileges(struct refusal *why)
{
	char missing[128] = "";
	if (capng_get_caps_process() < 0)
		return refusal_set(why, REFUSED_MACHINE, "cannot read this process's capabilities");
	if (!have(CAP_NET_ADMIN))
		strcat(missing, " CAP_NET_ADMIN");
	if (!have(CAP_NET_RAW))
		strcat(missing, " CAP_NET_RAW");
	if (!have(CAP_BPF) && !have(CAP_SYS_ADMIN))
		strcat(missing, " CAP_BPF");
	if (missing[0])
		return refusal_set(why, REFUSED_MACHINE,
				   "not enough privilege, missing:%s; run tsuji as root", missing);
	return 0;
}

static int probe_xdp_socket(const char *release, struct refusal *why)
{
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd >= 0) {
		close(fd);
		return 0;
	}
	if (errno == EAFNOSUPPORT)
		return refusal_set(why, REFUSED_MACHINE,
				   "this kernel (%s) has no AF_XDP sockets; use one built with "
				   "CONFIG_XDP_SOCKETS=y, such as Debian 12's",
				   release);
	return refusal_set(
		why, REFUSED_MACHINE,
		"this kernel (%s) refuses an AF_XDP socket: %s; in a container, allow it in "
		"the seccomp profile",
		release, strerror(errno));
}

static int probe_bpf(const char *release, struct refusal *why)
{
	/* XDP_PASS, the smallest program there is */
	const struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	const char *what = "a BPF map";
	int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "tsuji_probe", 4, 8, 1, NULL), program = -1;
	int error = map < 0 ? errno : 0;
	if (!error) {
		what = "an XDP program";
		program = bpf_prog_load(BPF_PROG_TYPE_XDP, "tsuji_probe", "BSD", pass, 2, NULL);
		error = program < 0 ? errno : 0;
	}
	if (map >= 0)
		close(map);
	if (program >= 0)
		close(program);
	if (error == EPERM)
		return refusal_set(
			why, REFUSED_MACHINE,
			"this kernel (%s) does not let us load %s; run tsuji as root of the "
			"machine (root of a user namespace is not enough)",
			release, what);
	if (error)
		return refusal_set(why, REFUSED_MACHINE, "this kernel (%s) cannot load %s: %s",
				   release, what, strerror(error));
	return 0;
}

/* AF_XDP accounts the pool as locked memory unless CAP_IPC_LOCK is there (net/xdp/xdp_umem.c). */
static int probe_memlock(size_t pool_size, struct refusal *why)
{
	const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
	struct rlimit now;
	if (setrlimit(RLIMIT_MEMLOCK, &all) == 0 || have(CAP_IPC_LOCK))
		return 0;
	if (getrlimit(RLIMIT_MEMLOCK, &now) < 0)
		return refusal_set(why, REFUSED_MACHINE, "getrlimit: %s", strerror(errno));
	now.rlim_cur = now.rlim_max;
	if (setrlimit(RLIMIT_MEMLOCK, &now) == 0 && now.rlim_max >= pool_size)
		return 0;
	return refusal_set(
		why, REFUSED_MACHINE,
		"locked memory is limited to %zu KiB and %zu are needed; `ulimit -l unlimited` "
		"as root, LimitMEMLOCK=infinity in a service, or fewer frames:",
		(size_t)now.rlim_max / 1024, pool_size / 1024);
}

/* A port has about seven descriptors. The soft limit is only for those who select(2); we do not. */
static void raise_descriptors(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int probe_machine(size_t pool_size, struct refusal *why)
{
	struct utsname name;
	if (uname(&name) < 0)
		strcpy(name.release, "unknown");
	raise_descriptors();
	if (probe_privileges(why) < 0 || probe_memlock(pool_size, why) < 0 ||
	    probe_xdp_socket(name.release, why) < 0)
		return -1;
	return probe_bpf(name.release, why);
}
