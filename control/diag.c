/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * diag - complaints about one file, collected in the order of their places and printed
 * with the source line and a caret, as compilers do.
 *
 * The reader may find mistakes in any order (a section is checked after the one it refers
 * to), so entries are kept sorted as they come; of more than DIAG_MAX the first of the
 * file stay. What is printed comes from the file and goes to a terminal: control
 * characters and broken UTF-8 are replaced, and of a long line only a window is shown.
 *
 * Lines are counted as libyaml counts them, which takes CR, NEL, LS and PS for line breaks
 * as well; otherwise the caret would be in another line than its number says.
 */
#include "diag.h"
#include "../dataplane/base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of the source line, this many characters are shown, and this many of them before the caret. */
enum { WINDOW = 120, WINDOW_BEFORE = 80 };

static const struct place whole_file;

/* The bytes of the UTF-8 character at s, 0 if there is none (RFC 3629); the end may be a zero. */
static unsigned utf8_size(const char *s)
{
	const unsigned char *u = (const unsigned char *)s;
	if (u[0] < 0x80)
		return 1;
	unsigned size = u[0] >= 0xf0 ? 4 : u[0] >= 0xe0 ? 3 : 2;
	if (u[0] < 0xc2 || u[0] > 0xf4)
		return 0;
	for (unsigned i = 1; i < size; i++)
		if ((u[i] & 0xc0) != 0x80)
			return 0;
	bool overlong = (u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xf0 && u[1] < 0x90);
	bool too_large = u[0] == 0xf4 && u[1] >= 0x90;
	bool surrogate = u[0] == 0xed && u[1] >= 0xa0;
	return overlong || too_large || surrogate ? 0 : size;
}

/* The same, 0 also for control characters: what a terminal would act on. */
static unsigned printable_size(const char *s)
{
	unsigned char c = (unsigned char)s[0];
	if (c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)s[1] < 0xa0))
		return 0;
	return utf8_size(s);
}

void diag_clean(char *text)
{
	while (*text) {
		unsigned size = printable_size(text);
		if (!size)
			*text = '?';
		text += size ? size : 1;
	}
}

size_t diag_line_break(const char *p, const char *end)
{
	if (*p == '\n')
		return 1;
	if (*p == '\r')
		return p + 1 < end && p[1] == '\n' ? 2 : 1;
	if (end - p >= 2 && !memcmp(p, "\xc2\x85", 2))
		return 2;
	if (end - p >= 3 && (!memcmp(p, "\xe2\x80\xa8", 3) || !memcmp(p, "\xe2\x80\xa9", 3)))
		return 3;
	return 0;
}

/* ---- reading ---- */

static int refuse(struct diag *diag, int error, const char *hint, const char *what)
{
	diag_error(diag, whole_file, hint, "%s", what);
	return -error;
}

static int refuse_size(struct diag *diag, unsigned long long size)
{
	diag_error(diag, whole_file, "a million routes are about 45 MB: is this the right file?",
		   "%llu MiB are too large: at most %u MiB are read", (size + (1 << 20) - 1) >> 20,
		   DIAG_FILE_MAX >> 20);
	return -EFBIG;
}

/* Takes the text over. A byte order mark would only shift the first line's columns. */
static int keep_text(struct diag *diag, char *text, size_t size)
{
	if (size >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
		size -= 3;
		memmove(text, text + 3, size);
	}
	text[size] = '\0';
	diag->text = text;
	diag->text_size = size;
	return 0;
}

/* Reads to the end, whatever the file said its size was: it may be a pipe. */
static int read_all(struct diag *diag, int fd, size_t expected)
{
	size_t room = expected + 4096, size = 0;
	char *text = malloc(room + 1);
	while (text) {
		ssize_t n = read(fd, text + size, room - size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int error = errno;
			free(text);
			diag_error(diag, whole_file, NULL, "cannot be read: %s", strerror(error));
			return -error;
		}
		if (n == 0)
			return keep_text(diag, text, size);
		size += (size_t)n;
		if (size > DIAG_FILE_MAX) {
			free(text);
			return refuse_size(diag, size);
		}
		if (size == room) {
			room = 2 * room;
			char *larger = realloc(text, room + 1);
			if (!larger)
				free(text);
			text = larger;
		}
	}
	return refuse(diag, ENOMEM, NULL, "cannot be read: out of memory");
}

/* Waits for whoever has the other end of a pipe open, not for somebody to open it. */
static int open_file(const char *file)
{
	int fd = open(file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0)
		fcntl(fd, F_SETFL, O_RDONLY);
	return fd;
}

int diag_open(struct diag *diag, const char *file)
{
	memset(diag, 0, sizeof(*diag));
	diag->file = strdup(file);
	int fd = diag->file ? open_file(file) : -1;
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0) {
		int error = errno;
		if (fd >= 0)
			close(fd);
		diag_error(diag, whole_file, NULL, "cannot be read: %s", strerror(error));
		return -error;
	}
	int err;
	if (S_ISREG(st.st_mode) && st.st_size > DIAG_FILE_MAX)
		err = refuse_size(diag, (unsigned long long)st.st_size);
	else
		err = read_all(diag, fd, S_ISREG(st.st_mode) ? (size_t)st.st_size : 0);
	close(fd);
	return err;
}

int diag_open_memory(struct diag *diag, const char *file, const void *text, size_t size)
{
	memset(diag, 0, sizeof(*diag));
	diag->file = strdup(file);
	if (size > DIAG_FILE_MAX)
		return refuse_size(diag, size);
	char *copy = malloc(size + 1);
	if (!copy || !diag->file) {
		free(copy);
		return refuse(diag, ENOMEM, NULL, "cannot be read: out of memory");
	}
	if (size)
		memcpy(copy, text, size);
	return keep_text(diag, copy, size);
}

void diag_fini(struct diag *diag)
{
	for (unsigned i = 0; i < diag->n_entries; i++) {
		free(diag->entries[i].message);
		free(diag->entries[i].hint);
	}
	free(diag->entries);
	free(diag->text);
	free(diag->file);
	memset(diag, 0, sizeof(*diag));
}

/* ---- collecting ---- */

static bool place_before(struct place a, struct place b)
{
	return a.line != b.line ? a.line < b.line : a.column < b.column;
}

void diag_error(struct diag *diag, struct place at, const char *hint, const char *format, ...)
{
	diag->n_errors++;
	if (!diag->entries)
		diag->entries = calloc(DIAG_MAX, sizeof(*diag->entries));
	unsigned i = diag->entries ? diag->n_entries : DIAG_MAX;
	while (diag->entries && i > 0 && place_before(at, diag->entries[i - 1].at))
		i--;
	if (i == DIAG_MAX)
		return;

	struct diag_entry entry = {.at = at, .hint = hint ? strdup(hint) : NULL};
	va_list args;
	va_start(args, format);
	int len = vasprintf(&entry.message, format, args);
	va_end(args);
	if (len < 0) {
		free(entry.hint);
		return;
	}
	diag_clean(entry.message);
	if (entry.hint)
		diag_clean(entry.hint);

	if (diag->n_entries == DIAG_MAX) {
		free(diag->entries[DIAG_MAX - 1].message);
		free(diag->entries[DIAG_MAX - 1].hint);
	} else {
		diag->n_entries++;
	}
	memmove(&diag->entries[i + 1], &diag->entries[i],
		(diag->n_entries - i - 1) * sizeof(*diag->entries));
	diag->entries[i] = entry;
}

/* ---- printing ---- */

/* A place while going through the file: entries are in order, so one pass finds them all. */
struct cursor {
	const char *p, *end;
	unsigned line, column;
};

static void cursor_go(struct cursor *c, unsigned line, unsigned column)
{
	while (c->p < c->end && (c->line < line || (c->line == line && c->column < column))) {
		size_t line_break = diag_line_break(c->p, c->end);
		if (line_break && c->line == line)
			return;
		unsigned size = line_break ? (unsigned)line_break : utf8_size(c->p);
		c->p += size ? size : 1;
		c->column = line_break ? 1 : c->column + 1;
		c->line += line_break > 0;
	}
}

const char *diag_at(const struct diag *diag, unsigned line, unsigned column)
{
	struct cursor cursor = {diag->text, diag->text + diag->text_size, 1, 1};
	cursor_go(&cursor, line, column);
	return cursor.p;
}

/* Prints the line from the cursor on; for the caret's row spaces instead, up to the caret. */
static void print_row(struct cursor c, unsigned caret_column, FILE *out)
{
	unsigned first = c.column;
	if (first > 1)
		fputs(caret_column ? "   " : "...", out);
	for (; c.p < c.end && !diag_line_break(c.p, c.end) && c.column < first + WINDOW;
	     c.column++) {
		unsigned size = *c.p == '\t' ? 1 : printable_size(c.p);
		if (!caret_column && size)
			fwrite(c.p, 1, size, out);
		else if (!caret_column)
			fputc('?', out);
		else if (c.column < caret_column)
			fputc(*c.p == '\t' ? '\t' : ' ', out);
		unsigned step = size ? size : utf8_size(c.p);
		c.p += step ? step : 1;
	}
	if (!caret_column && c.p < c.end && !diag_line_break(c.p, c.end))
		fputs("...", out);
	for (; c.column < caret_column; c.column++)
		fputc(' ', out);
}

static void print_source(struct cursor *c, struct place at, FILE *out)
{
	unsigned first = at.column > WINDOW_BEFORE ? at.column - WINDOW_BEFORE : 1;
	cursor_go(c, at.line, first);
	int width = fprintf(out, "  %u | ", at.line) - 2;
	print_row(*c, 0, out);
	fprintf(out, "\n%*s| ", width, "");
	print_row(*c, at.column, out);
	fputc('^', out);
	for (unsigned i = 1; i < at.length && at.column + i < first + WINDOW; i++)
		fputc('~', out);
	fputc('\n', out);
}

void diag_print(const struct diag *diag, FILE *out)
{
	const char *file = diag->file ? diag->file : "?";
	struct cursor cursor = {.line = 1, .column = 1};
	if (diag->text) {
		cursor.p = diag->text;
		cursor.end = diag->text + diag->text_size;
	}
	for (unsigned i = 0; i < diag->n_entries; i++) {
		const struct diag_entry *e = &diag->entries[i];
		if (e->at.line == 0) {
			fprintf(out, "%s: error: %s\n", file, e->message);
		} else {
			fprintf(out, "%s:%u:%u: error: %s\n", file, e->at.line, e->at.column,
				e->message);
			if (diag->text)
				print_source(&cursor, e->at, out);
		}
		if (e->hint)
			fprintf(out, "  hint: %s\n", e->hint);
	}
	if (diag->n_errors > diag->n_entries)
		fprintf(out, "%u errors, of which the first %u are shown\n", diag->n_errors,
			diag->n_entries);
	else if (diag->n_errors > 1)
		fprintf(out, "%u errors\n", diag->n_errors);
}

char *diag_text(const struct diag *diag)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	if (!out)
		return NULL;
	diag_print(diag, out);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

/* ---- the nearest name ---- */

enum { NEAREST_SIZE = 32 };

/* Optimal string alignment: edits that turn a into b, neighbouring letters swapped counting once. */
static unsigned edit_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	unsigned char d[NEAREST_SIZE + 1][NEAREST_SIZE + 1];
	for (size_t i = 0; i <= a_len; i++)
		d[i][0] = (unsigned char)i;
	for (size_t j = 0; j <= b_len; j++)
		d[0][j] = (unsigned char)j;
	for (size_t i = 1; i <= a_len; i++) {
		for (size_t j = 1; j <= b_len; j++) {
			unsigned best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
			best = min_u32(best, d[i - 1][j] + 1u);
			best = min_u32(best, d[i][j - 1] + 1u);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				best = min_u32(best, d[i - 2][j - 2] + 1u);
			d[i][j] = (unsigned char)best;
		}
	}
	return d[a_len][b_len];
}

const char *diag_nearest(const char *word, const char *const *names)
{
	size_t len = strlen(word);
	if (len == 0 || len > NEAREST_SIZE)
		return NULL;
	unsigned limit = min_u32(3, (uint32_t)(len + 2) / 3);
	const char *nearest = NULL;
	for (; *names; names++) {
		size_t name_len = strlen(*names);
		if (name_len > NEAREST_SIZE)
			continue;
		unsigned distance = edit_distance(word, len, *names, name_len);
		if (distance <= limit && distance < name_len) {
			limit = distance ? distance - 1 : 0;
			nearest = *names;
		}
		if (distance == 0)
			break;
	}
	return nearest;
}
