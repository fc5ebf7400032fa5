/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check.h - `tsuji check FILE`: is this router or lab file right? Needs no privilege.
 */
#ifndef TSUJI_CHECK_H
#define TSUJI_CHECK_H

#include <stdbool.h>

/*
 * argv[0] is "check", argv[1] the file. Says "FILE: ok: 2 ports, 3 routes" on stdout, or
 * the complaints on stderr. With json the complaints are one array on stdout, [] when
 * there are none: file, line, column (0: the file as a whole), message, hint (null: none).
 * Returns the exit code: 0, or 2.
 */
int check_main(int argc, char **argv, bool json);

#endif
