/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * offload.h - checksums that the sender's kernel left for hardware to finish.
 *
 * A local TCP or UDP segment crosses a veth with only the pseudo-header sum in its
 * checksum field (CHECKSUM_PARTIAL, include/linux/skbuff.h). Sent on as it is, the
 * receiver would drop it. offload_complete() does what the hardware would have done, and
 * nothing more: a corrupt packet stays corrupt.
 */
#ifndef TSUJI_OFFLOAD_H
#define TSUJI_OFFLOAD_H

#include "packet.h"

/*
 * Completes p's checksum in place if it is partial, and clears PACKET_PARTIAL and
 * PACKET_UNKNOWN, which sum_completed remembers. True if it wrote the field. Sets
 * tcp_sum_right where that is TCP's and held the pseudo-header's sum: then the finished
 * checksum is right, whatever the bytes are.
 *
 * With PACKET_PARTIAL: over csum_start to the end of the *datagram*, so that padding is left
 * out (IPv4: total length; IPv6: payload length; either may stand behind one or two VLAN
 * tags; any other ethertype: to the end of the frame), at csum_start + csum_offset, whatever
 * the protocol (SCTP apart: its CRC32c is no such sum); values outside the datagram's
 * payload change nothing.
 *
 * With PACKET_UNKNOWN: only TCP and UDP, in whole IPv4 datagrams, never fragments, or directly
 * behind an IPv6 header, with VLAN tags or without, whose field equals the folded
 * pseudo-header sum; 1 corrupt packet in 65,536 may pass.
 *
 * A UDP result of 0 becomes 0xffff (RFC 768, RFC 8200 8.1). Nothing in the frame need have
 * been validated: no byte outside the packet is read, and headers that claim more than there
 * is, or another IP version than the ethertype, leave everything as it is.
 *
 * A packet with a gso_size stays open: each segment gets its checksum when it is cut.
 */
bool offload_complete(struct packet *p);

/*
 * True where p is a TCP segment that may stay open until it is sent (io.h), because completing
 * makes its checksum right: it is PACKET_PARTIAL then, with tcp_sum_right; and where it has a
 * gso_size. False: complete it.
 */
bool offload_leave(struct packet *p);

#endif
