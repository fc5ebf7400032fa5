/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * table.h - rows (jansson arrays of flat objects, as router.h documents them) as text for
 * people, in the manner of ip and bridge, or as JSON for programs.
 *
 * Values that are missing, null or empty are left out of lines and shown as "-" in tables,
 * so a row may lack keys. Nothing here fails; whoever owns the stream checks it once.
 */
#ifndef TSUJI_TABLE_H
#define TSUJI_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* One array, an object per line; "[]" when empty. */
void table_json(FILE *out, const json_t *rows);
/* The same piecemeal: n rows were written before this one; the end after n rows. */
void table_json_row(FILE *out, const json_t *row, size_t n);
void table_json_end(FILE *out, size_t n);

struct table_column {
	const char *key, *heading;
};
/* Aligned columns with a heading, numbers to the right; nothing at all without rows. */
void table_columns(FILE *out, const struct table_column *columns, size_t n_columns,
		   const json_t *rows);

/* "r0: up mtu 1500 mac 02:... xdp native lane socket", then addresses and traffic; statistics:
 * what each lane carried, and every counter. */
void table_ports(FILE *out, const json_t *rows, bool statistics);
/* "default via 192.168.0.254 port r1 metric 10 live hits 12" */
void table_routes(FILE *out, const json_t *rows);
/* Of `route get`: "8.8.8.8 via 192.168.0.254 port r1 by default", "192.168.1.1 local port r0". */
void table_route_found(FILE *out, const json_t *rows);
/* "192.168.1.2 port r0 lladdr 02:... REACHABLE age 3s" */
void table_neighs(FILE *out, const json_t *rows);
/* "02:00:00:00:01:02 port r2 bridge br0 age 3s hits 12", "... static", "... local" */
void table_fdb(FILE *out, const json_t *rows);
/* "moved 02:00:00:00:01:02 port r3 bridge br0 from r2" */
void table_fdb_event(FILE *out, const json_t *event);
/* "br0: up mtu 1500 mac 02:... aging 300s entries 7", then ports, addresses, trouble. */
void table_bridges(FILE *out, const json_t *rows);
/* "tcp 10.0.0.2:1234 -> 8.8.8.8:53 as 192.0.2.1:1234 ESTABLISHED rule 1 ...": where it differs,
 * as is what becomes of source and destination. */
void table_sessions(FILE *out, const json_t *rows);
/* "1 masquerade out r1 from 10.0.0.0/24 hits 12" */
void table_nat_rules(FILE *out, const json_t *rows);
/* Columns, as iptables -nvL has them; without those that no rule uses. */
void table_filter(FILE *out, const json_t *rows);
void table_drops(FILE *out, const json_t *rows);
/* Of `set`: name, value and what else it can be. */
void table_settings(FILE *out, const json_t *rows);
/* Key and value of each row, aligned. */
void table_stats(FILE *out, const json_t *rows);
/* The lines of one walk, and an empty one. */
void table_walk(FILE *out, const json_t *walk);

#endif
