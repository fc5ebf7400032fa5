/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session_tcp.h - following TCP by its flags alone: the handshake, also when both sides open
 * (RFC 5382), the end by FIN from both or by RST (RFC 7857 2), and endpoints that begin anew.
 * Sequence numbers are not looked at.
 *
 * Private to session*.c, and inline because each TCP packet comes by.
 */
#ifndef TSUJI_SESSION_TCP_H
#define TSUJI_SESSION_TCP_H

#include "session.h"

enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_ACK = 16 }; /* RFC 9293 3.1 */

/* session.tcp_seen; of other protocols only CONFIRMED and QUOTED. */
enum {
	SEEN_SYN = 1 << 0,	 /* of the original direction, as its first segment */
	SEEN_SYN_REPLY = 1 << 1, /* with ACK or, opened from both sides (RFC 5382 REQ-2), without */
	SEEN_MIDDLE = 1 << 2,	 /* the first segment was none of a beginning */
	SEEN_FIN = 1 << 3,
	SEEN_FIN_REPLY = 1 << 4,
	SEEN_CONFIRMED = 1 << 5, /* it has been ESTABLISHED */
	SEEN_QUOTED = 1 << 6,	 /* by whoever watches; of all protocols */
};

static inline bool tcp_is_closed(uint8_t seen)
{
	return (seen & SEEN_FIN) && (seen & SEEN_FIN_REPLY);
}

static inline bool tcp_is_confirmed(uint8_t seen, bool reply, uint8_t flags)
{
	if (seen & SEEN_CONFIRMED)
		return true;
	if (seen & SEEN_MIDDLE)
		return reply;
	return (seen & SEEN_SYN) && (seen & SEEN_SYN_REPLY) && !reply && (flags & TCP_ACK);
}

/* The state after a segment with these flags; *seen is session.tcp_seen, and kept. */
static inline enum session_state tcp_follow(enum session_state state, uint8_t *seen, bool reply,
					    uint8_t flags)
{
	bool syn = flags & TCP_SYN, first = syn && !(flags & TCP_ACK);

	if (flags & TCP_RST) /* RFC 7857 2.2: whoever sent it */
		return SESSION_TRANSITORY;
	if (tcp_is_closed(*seen)) {
		if (!first || reply)
			return SESSION_TRANSITORY;
		*seen &= SEEN_QUOTED; /* the same endpoints begin anew */
		state = SESSION_NEW;
	}
	if (!reply && !(*seen & (SEEN_SYN | SEEN_MIDDLE)))
		*seen |= first ? SEEN_SYN : SEEN_MIDDLE;
	if (reply && syn)
		*seen |= SEEN_SYN_REPLY;
	if (flags & TCP_FIN)
		*seen |= reply ? SEEN_FIN_REPLY : SEEN_FIN;
	if (tcp_is_closed(*seen))
		return SESSION_TRANSITORY;
	if (tcp_is_confirmed(*seen, reply, flags))
		*seen |= SEEN_CONFIRMED;
	if (state == SESSION_TRANSITORY && syn) /* after a RST: it has yet to be answered */
		return SESSION_TRANSITORY;
	return *seen & SEEN_CONFIRMED ? SESSION_ESTABLISHED : SESSION_NEW;
}

#endif
