/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log - lines on stderr. Each is put together in memory and written by one call, so that
 * lines of several routers in one terminal, or of a library and us, do not mix.
 *
 * The level is the one mutable global of the daemon. There are no dates: journald and
 * terminals that want them add their own.
 */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static enum log_level log_level = LEVEL_INFO;

void log_set_level(enum log_level level)
{
	log_level = level;
}

static void log_line(enum log_level level, const char *format, va_list args)
{
	static const char *const words[] = {
		[LEVEL_ERROR] = "error: ", [LEVEL_WARNING] = "warning: ", [LEVEL_INFO] = ""};
	char line[1024];
	if (level > log_level)
		return;
	int n = snprintf(line, sizeof(line), "tsuji: %s", words[level]);
	int more = vsnprintf(line + n, sizeof(line) - n, format, args);
	size_t len = n + (more < 0 ? 0 : more);
	if (len > sizeof(line) - 1)
		len = sizeof(line) - 1;
	line[len++] = '\n';
	/* A closed stderr is no reason to stop routing. */
	if (write(STDERR_FILENO, line, len) < 0)
		return;
}

void log_error(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	log_line(LEVEL_ERROR, format, args);
	va_end(args);
}

void log_warning(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	log_line(LEVEL_WARNING, format, args);
	va_end(args);
}

void log_info(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	log_line(LEVEL_INFO, format, args);
	va_end(args);
}
