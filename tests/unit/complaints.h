/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * complaints.h - compares what was complained about a file with what should have been.
 */
#ifndef TSUJI_TEST_COMPLAINTS_H
#define TSUJI_TEST_COMPLAINTS_H

#include "../../control/diag.h"

enum { COMPLAINTS_MAX = 8 };

struct broken {
	const char *text;
	const char *complaints[COMPLAINTS_MAX]; /* "line:column part of the message", in order */
};

/* Fails the test unless diag has these complaints and no others, such as consequences of them. */
void complaints_check(const struct diag *diag, const struct broken *broken);

#endif
