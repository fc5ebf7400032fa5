/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * device.h - the parts of the kernel's network devices that our programs on tracepoints read.
 * Offsets are relocated when a program loads.
 */
#ifndef TSUJI_DEVICE_BPF_H
#define TSUJI_DEVICE_BPF_H

#define relocated __attribute__((preserve_access_index))
struct ns_common {
	unsigned int inum;
} relocated;
struct net {
	struct ns_common ns;
} relocated;
struct net_device {
	int ifindex;
	struct {
		struct net *net;
	} relocated nd_net;
} relocated;

#endif
