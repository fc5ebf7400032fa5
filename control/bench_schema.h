/* SPDX-License-Identifier: BSD-2-Clause */
/* bench_schema.h - the shape of what `tsuji bench -o` writes and -j prints. */
#ifndef TSUJI_BENCH_SCHEMA_H
#define TSUJI_BENCH_SCHEMA_H

#include <jansson.h>

#define BENCH_SCHEMA 2 /* its version: the member "schema" of the file */

/* JSON Schema, draft 2020-12, of the file; of -j it is the member "figures". To be freed. */
json_t *bench_schema(void);

#endif
