/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * complaints - compares complaints with expected ones; what differs is shown as a user
 * would see it.
 */
#include "complaints.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static bool is_expected(const struct diag_entry *entry, const char *expected)
{
	char place[32];
	int len = snprintf(place, sizeof(place), "%u:%u ", entry->at.line, entry->at.column);
	return !strncmp(expected, place, (size_t)len) && strstr(entry->message, expected + len);
}

void complaints_check(const struct diag *diag, const struct broken *broken)
{
	unsigned n = 0;
	while (n < COMPLAINTS_MAX && broken->complaints[n])
		n++;
	bool same = n == diag->n_errors && n == diag->n_entries;
	for (unsigned i = 0; same && i < n; i++)
		same = is_expected(&diag->entries[i], broken->complaints[i]);
	if (same)
		return;
	fprintf(stderr, "--- this file:\n%.2000s\n--- gives:\n", broken->text);
	diag_print(diag, stderr);
	fail_msg("expected %u complaints, the first: %s", n, broken->complaints[0]);
}
