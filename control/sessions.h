/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sessions.h - sessions as people see and end them, and which of them a new configuration
 * still allows.
 */
#ifndef TSUJI_SESSIONS_H
#define TSUJI_SESSIONS_H

#include "nat_rules.h"
#include "../dataplane/fib.h"

struct router;

struct session_config sessions_config(const struct config_sessions *config);

/* What decides about a session: rules may be NULL. */
struct session_law {
	const struct rules *rules;
	const struct port_table *ports;
	const struct fib *fib;
};

/*
 * Whether a new session between the same two would be translated as this one is: by the
 * rules that match it now, by its mapping, or not at all.
 */
bool sessions_allowed(const struct session_law *law, const struct session *session);
/*
 * The rule of its translation in force now, an index; -1: none. It is worked out from the
 * tuples, since session.rule counts in the rules that were in force when it was opened.
 */
int sessions_rule(const struct session_law *law, const struct session *session);

/* After new rules, ports and routes were published: ends what they do not allow. */
void sessions_follow(struct router *router);

#endif
