/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nat_rules.h - the nat: and filter: rules of the router file as the worker has them, and
 * what each of them has counted.
 *
 * A rule counts in the struct rules that is published, which is replaced as a whole; what it
 * had counted before is kept beside it, as routes keep their hits.
 */
#ifndef TSUJI_NAT_RULES_H
#define TSUJI_NAT_RULES_H

#include "config.h"
#include "sockets.h"
#include "../dataplane/rules.h"

struct rule_counts {
	uint64_t packets; /* of a nat rule: sessions */
	uint64_t bytes;
	bool passed_on; /* to the rule that replaces it */
};

struct nat_rules {
	struct rules *rules;		  /* NULL: the file has none */
	struct rule_counts *nat, *filter; /* rule for rule: before rules were published */
};

/*
 * The rules of config; ports is the table to be published with them, and has every port and
 * leg of config. 0 or -ENOMEM. To be ended by nat_rules_fini(), zero is fine.
 */
int nat_rules_build(struct nat_rules *nat, const struct config *config,
		    const struct port_table *ports, const struct sockets *sockets);
void nat_rules_fini(struct nat_rules *nat);

struct rule_changes {
	unsigned added, removed, changed; /* changed: replaced, or asked in another order */
};
/*
 * now has replaced before, which no worker sees any more: what rules have counted goes on
 * where they are still the same. Cost: a comparison for each rule that is, and for each
 * other as many as there were rules.
 */
void nat_rules_inherit(struct nat_rules *now, struct nat_rules *before, struct rule_changes *nat,
		       struct rule_changes *filter);

/* What a rule has counted in all. */
uint64_t nat_rules_hits(const struct nat_rules *nat, unsigned index);
struct rule_counts nat_rules_filtered(const struct nat_rules *nat, unsigned index);

/* -- which rule, as room nat asks: the first that matches, NULL: none; rules may be NULL -- */

/* For what inside sends out of a port or leg; out PORT_NONE: out of any. */
const struct nat_rule *nat_rules_source(const struct rules *rules, be32 inside, uint16_t out);
const struct nat_rule *nat_rules_destination(const struct rules *rules,
					     const struct port_table *ports, be32 address,
					     uint8_t protocol, be16 port);

const char *nat_action_name(enum nat_action action); /* "masquerade", "snat", "dnat" */
bool rule_ports_hold(struct rule_ports ports, be16 port);
bool port_has_address(const struct port *port, be32 address); /* port may be NULL */

#endif
