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
 * PACKET_UNKNOWN. With PACKET_PARTIAL: over csum_start to the end of the *datagram* (IPv4:
 * total length, so padding is left out; else to the end of the frame), at csum_start +
 * csum_offset, whatever the protocol (SCTP apart: its CRC32c is no such sum); values outside
 * the datagram's payload change nothing. With PACKET_UNKNOWN: only whole IPv4 TCP and UDP
 * datagrams, never fragments, whose field equals the folded pseudo-header sum; 1 corrupt
 * packet in 65,536 may pass. A UDP result of 0 becomes 0xffff (RFC 768). True if it wrote
 * the field. p's IPv4 header has been validated.
 */
bool offload_complete(struct packet *p);

#endif
