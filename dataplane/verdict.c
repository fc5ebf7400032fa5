/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * verdict - the texts of the verdict table. They come from the same X-macro as the enum,
 * so a name can neither be missing nor drift.
 */
#include "verdict.h"

struct row {
	const char *name, *text;
	int icmp_type;
	uint8_t icmp_code;
};

#define PLAIN(id, name, text) [id] = {name, text, -1, 0},
#define DROP(id, name, type, code, text) [id] = {name, text, type, code},
static const struct row rows[N_VERDICTS] = {
	VERDICT_DOORS(PLAIN) VERDICT_ENDS(PLAIN) VERDICT_DROPS(DROP)
};

const char *verdict_name(enum verdict v) { return rows[v].name; }

const char *verdict_text(enum verdict v) { return rows[v].text; }

int verdict_icmp(enum verdict v, uint8_t *code)
{
	*code = rows[v].icmp_code;
	return rows[v].icmp_type;
}
