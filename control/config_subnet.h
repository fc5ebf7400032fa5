/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_subnet.h - the connected subnets of a router file: which port an address is
 * reached through, and which addresses are the router's own. A sorted array, for a file
 * may ask a million times.
 *
 * A bridge's leg is a port here: ports are numbered as in config.ports, and the legs
 * follow them as in config.bridges.
 */
#ifndef TSUJI_CONFIG_SUBNET_H
#define TSUJI_CONFIG_SUBNET_H

#include "config.h"

struct subnet {
	uint32_t first, last; /* host order */
	const struct config_address *address;
	unsigned port;	/* its number, or a leg's */
	bool duplicate; /* complained about already */
};

struct subnet_table {
	struct subnet *subnets; /* by first, prefix length, address */
	size_t n_subnets;
	uint64_t lens; /* bit n: a subnet has that prefix length */
	bool overlap;  /* two ports claim the same addresses: answers may be of either */
};

/* The name of the port or bridge with that number. */
const char *subnet_port_name(const struct config *config, unsigned port);

/* The addresses of all ports and legs; they stay the config's. False: out of memory, complained about. */
bool subnet_table_init(struct subnet_table *table, const struct config *config, struct diag *diag);
void subnet_table_fini(struct subnet_table *table);
/* Complains about addresses given twice and subnets of two ports that overlap. */
void subnet_table_check(struct subnet_table *table, const struct config *config, struct diag *diag);

#define SUBNET_ANY_PORT (~0u)
/* The longest subnet of port that holds address, or NULL. Cost: a binary search per length used. */
const struct subnet *subnet_find(const struct subnet_table *table, be32 address, unsigned port);
/* The subnet whose own address this is, or NULL. */
const struct subnet *subnet_find_own(const struct subnet_table *table, be32 address);

#endif
