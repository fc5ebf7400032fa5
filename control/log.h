/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log.h - what the daemon says while it runs: one line each on stderr, "tsuji: " in front.
 * Any thread. Not for a request's answer (refusal.h) nor for a file's errors (diag.h).
 */
#ifndef TSUJI_LOG_H
#define TSUJI_LOG_H

enum log_level { LEVEL_ERROR, LEVEL_WARNING, LEVEL_INFO };

/* Lines above this level are left out. LEVEL_INFO at first. */
void log_set_level(enum log_level level);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
