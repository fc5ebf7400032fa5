/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_value.h - the values that router and lab files share, read from the tree with
 * every rule about the value itself: its form, and whether such an address, MAC or name
 * can be used at all. Each complains to diag when it returns false; what names the value.
 */
#ifndef TSUJI_CONFIG_VALUE_H
#define TSUJI_CONFIG_VALUE_H

#include "config.h"
#include "yaml.h"

/* MTUs: RFC 791 lets no link carry less than 68; the UMEM's largest chunk, 4 KiB, holds 3498. */
enum { MTU_MIN = 68, MTU_ROUTER_MAX = 3498 };

/* An interface's address with its length: a unicast address, not its subnet's first or last. */
bool config_read_interface(struct diag *diag, const struct yaml_node *node, const char *what,
			   struct config_address *value);
/* A list of them. NULL and zero if there are none; broken ones are left out. */
struct config_address *config_read_interfaces(struct diag *diag, const struct yaml_node *node,
					      const char *what, unsigned *n);
/* A route's destination: a prefix without host bits, a single address, or "default". */
bool config_read_prefix(struct diag *diag, const struct yaml_node *node, const char *what,
			be32 *prefix, uint8_t *prefix_len);
/* A neighbour's or gateway's address: unicast. */
bool config_read_address(struct diag *diag, const struct yaml_node *node, const char *what,
			 be32 *address);
/* A station's MAC: not zero, no group. */
bool config_read_mac(struct diag *diag, const struct yaml_node *node, const char *what,
		     struct mac *mac);
/* An interface's name into name (CONFIG_NAME_SIZE), by the kernel's rules. */
bool config_read_name(struct diag *diag, const struct yaml_node *node, const char *what,
		      char *name);

/* Why no host can have this address, or NULL (RFC 1122 3.2.1.3, RFC 1112 4, RFC 6890). */
const char *config_unusable(be32 address);
/* True if address is the first or last of its subnet: no host there can have it (but /31, /32). */
bool config_is_subnet_end(be32 address, be32 subnet, unsigned prefix_len);
/* calloc() that complains. n may be zero: NULL then, without a complaint. */
void *config_alloc(struct diag *diag, size_t n, size_t size);

#endif
