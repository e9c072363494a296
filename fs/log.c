/* SPDX-License-Identifier: MIT
 *
 * log.c - one line per failure, for the administrator.
 *
 * A line is built whole on the stack and leaves in one write(2) of at most
 * PIPE_BUF bytes, so that lines of several threads never mix, not even in a
 * pipe.  What does not fit is cut; of a path the front is, because the file's
 * own name says more.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "log.h"

#define PATH_ROOM  2560
#define CAUSE_ROOM 1024
#define PREFIX     "atomicfs: "

struct line {
	size_t n;
	char text[PIPE_BUF];
};

static bool use_syslog;
static bool debug_on;

void log_open(bool to_syslog, bool debug)
{
	use_syslog = to_syslog;
	debug_on = debug;
	if (to_syslog)
		openlog("atomicfs", LOG_PID, LOG_DAEMON);
}

static void add(struct line *line, const char *text, size_t n)
{
	/* One byte is kept for the newline. */
	if (n > sizeof(line->text) - 1 - line->n)
		n = sizeof(line->text) - 1 - line->n;
	memcpy(line->text + line->n, text, n);
	line->n += n;
}

static void add_str(struct line *line, const char *text)
{
	add(line, text, strlen(text));
}

/* Code points that a terminal acts on or does not show: C1 controls, and the
 * formatting characters that reorder or hide text. */
static bool is_invisible(uint32_t c)
{
	return c < 0xa0 || c == 0xad || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) ||
	       (c >= 0xd800 && c <= 0xdfff) || c == 0xfeff ||
	       (c >= 0xfff9 && c <= 0xfffb) || c >= 0xe0000;
}

/* Length of the well-formed, visible UTF-8 character of several bytes at @s,
 * 0 if there is none. */
static size_t utf8_len(const char *s)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *p = (const unsigned char *)s;
	size_t n, i;
	uint32_t c;

	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		n = 2;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		n = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		n = 4;
	else
		return 0;
	c = p[0] & (0x7f >> n);
	for (i = 1; i < n; i++) {
		/* The NUL at the end stops this too. */
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	return c < least[n] || is_invisible(c) ? 0 : n;
}

/* Append one character of @s, escaped where it must be; returns the bytes of
 * @s it took.  @quoted: a quote would end the name early, and a backslash
 * could be taken for an escape. */
static size_t add_char(struct line *line, const char *s, bool quoted)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char c = *s;
	size_t n = utf8_len(s);
	char escape[4];

	if (n > 0) {
		add(line, s, n);
		return n;
	}
	if (c >= ' ' && c < 0x7f && !(quoted && (c == '\'' || c == '\\'))) {
		add(line, s, 1);
		return 1;
	}
	escape[0] = '\\';
	escape[1] = 'x';
	escape[2] = hex[c >> 4];
	escape[3] = hex[c & 15];
	add(line, escape, sizeof(escape));
	return 1;
}

/* Append @s, at most about @room bytes of it. */
static void add_clean(struct line *line, const char *s, size_t room)
{
	size_t end = line->n + room;

	while (*s && line->n < end)
		s += add_char(line, s, false);
	if (*s)
		add_str(line, "...");
}

/* Append @path in quotes; its end, if it is too long. */
static void add_path(struct line *line, const char *path)
{
	struct line one;
	size_t total = 0;
	const char *s;

	for (s = path; *s;) {
		one.n = 0;
		s += add_char(&one, s, true);
		total += one.n;
	}
	add_str(line, "'");
	if (total > PATH_ROOM)
		add_str(line, "...");
	for (s = path; *s;) {
		one.n = 0;
		s += add_char(&one, s, true);
		if (total <= PATH_ROOM)
			add(line, one.text, one.n);
		else
			total -= one.n;
	}
	add_str(line, "'");
}

/* Send the line off.  errno is left alone: a log line in the middle of an
 * error path must not change what is reported. */
static void emit(struct line *line, int priority)
{
	int saved = errno;
	ssize_t n;

	if (use_syslog) {
		syslog(priority, "%.*s", (int)line->n, line->text);
	} else {
		line->text[line->n] = '\n';
		do {
			n = write(STDERR_FILENO, line->text, line->n + 1);
		} while (n < 0 && errno == EINTR);
	}
	errno = saved;
}

static void begin(struct line *line)
{
	line->n = 0;
	if (!use_syslog)
		add_str(line, PREFIX);
}

/* Troubles of the machine are errors; a version that was not published for a
 * reason of its writer's making (killed, conflict, refused) is a warning. */
static int priority_of(int error)
{
	return error == 0 || error == ESTALE || error == EBADMSG ? LOG_WARNING
								 : LOG_ERR;
}

void log_failure(const char *op, const char *path, int error, uint64_t txn,
		 const char *cause)
{
	struct line line;
	char id[32];

	begin(&line);
	add_clean(&line, op, 64);
	if (path) {
		add_str(&line, " ");
		add_path(&line, path);
	}
	if (error) {
		add_str(&line, ": ");
		add_str(&line, log_errname(error));
	}
	if (cause && *cause) {
		add_str(&line, ": ");
		add_clean(&line, cause, CAUSE_ROOM);
	}
	if (txn) {
		snprintf(id, sizeof(id), " (txn %" PRIu64 ")", txn);
		add_str(&line, id);
	}
	emit(&line, priority_of(error));
}

static void log_text(int priority, const char *fmt, va_list ap)
{
	int saved = errno;
	char text[PIPE_BUF];
	struct line line;

	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		return;
	begin(&line);
	add_clean(&line, text, sizeof(line.text) - 1 - line.n - 8);
	errno = saved;
	emit(&line, priority);
}

void log_info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_text(LOG_INFO, fmt, ap);
	va_end(ap);
}

void log_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_text(LOG_WARNING, fmt, ap);
	va_end(ap);
}

void log_debug(const char *fmt, ...)
{
	va_list ap;

	if (!debug_on)
		return;
	va_start(ap, fmt);
	log_text(LOG_DEBUG, fmt, ap);
	va_end(ap);
}

const char *log_errname(int error)
{
	static __thread char unknown[16];
	const char *name = strerrorname_np(error);

	if (name)
		return name;
	snprintf(unknown, sizeof(unknown), "E%d", error);
	return unknown;
}
