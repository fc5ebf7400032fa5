/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * compat.h - constants that Debian 12's headers lack, with the kernel that brought them.
 * Whether the running kernel has the thing is found out by trying it.
 */
#ifndef TSUJI_COMPAT_H
#define TSUJI_COMPAT_H

#include <linux/if_xdp.h>
#include <sys/socket.h>

#ifndef SOL_XDP
#define SOL_XDP 283
#endif
#ifndef XDP_USE_SG
#define XDP_USE_SG (1 << 4) /* 6.6: packets of several frames */
#endif
#ifndef XDP_PKT_CONTD
#define XDP_PKT_CONTD (1 << 0) /* 6.6, xdp_desc.options: the packet goes on in the next one */
#endif
#ifndef XDP_MAX_TX_SKB_BUDGET
#define XDP_MAX_TX_SKB_BUDGET 9 /* 6.17, include/uapi/linux/if_xdp.h */
#endif

#endif
