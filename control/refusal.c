/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * refusal - how control code says no. The function that finds the reason writes the
 * sentence, because only it knows the names; everybody above passes it on unread, and the
 * command or the control socket prints it once.
 */
#include "refusal.h"

#include <stdarg.h>

int refusal_set(struct refusal *why, enum refusal_status status, const char *format, ...)
{
	va_list args;
	*why = (struct refusal){.status = status};
	va_start(args, format);
	vsnprintf(why->text, sizeof(why->text), format, args);
	va_end(args);
	return -1;
}

int refusal_at(struct refusal *why, enum refusal_status status, struct place at, const char *format,
	       ...)
{
	va_list args;
	*why = (struct refusal){.status = status, .at = at};
	va_start(args, format);
	vsnprintf(why->text, sizeof(why->text), format, args);
	va_end(args);
	return -1;
}
