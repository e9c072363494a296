/* SPDX-License-Identifier: MIT */
#include "text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tool.h"

/* ---- escaping -------------------------------------------------------- */

/* Characters that a terminal acts on, does not show, or shows elsewhere. */
static bool is_unsafe(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{0x80, 0x9f},       /* controls */
		{0xad, 0xad},       /* soft hyphen */
		{0x61c, 0x61c},     /* direction */
		{0x200b, 0x200f},   /* without width; direction */
		{0x2028, 0x202e},   /* line ends; direction */
		{0x2060, 0x206f},   /* without width; direction */
		{0xd800, 0xdfff},   /* no characters */
		{0xfeff, 0xfeff},   /* byte order mark */
		{0xfff9, 0xfffb},   /* annotations */
		{0xe0000, 0x10ffff} /* tags, private use */
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	return false;
}

/* Bytes of the UTF-8 character at @s, when it is a safe one of several bytes;
 * else 0. */
static size_t safe_length(const char *s)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *p = (const unsigned char *)s;
	uint32_t c;
	size_t n;

	if (*p < 0xc2 || *p > 0xf4)
		return 0;
	n = *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
	c = *p & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) { /* a NUL ends it, too */
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3fu);
	}
	return c < least[n] || is_unsafe(c) ? 0 : n;
}

/* @f may be NULL: only count the columns. */
static int put(FILE *f, const char *s, bool backslashes)
{
	int columns = 0;

	while (*s) {
		unsigned char c = (unsigned char)*s;
		bool plain =
			c >= ' ' && c < 0x7f && (c != '\\' || !backslashes);
		size_t n = plain ? 1 : safe_length(s);

		if (n > 0) {
			if (f)
				(void)fwrite(s, 1, n, f);
			columns++;
			s += n;
			continue;
		}
		if (f && c == '\\')
			(void)fputs("\\\\", f);
		else if (f)
			(void)fprintf(f, "\\x%02x", c);
		columns += c == '\\' ? 2 : 4;
		s++;
	}
	return columns;
}

int text_put(FILE *f, const char *s)
{
	return put(f, s, true);
}

void text_put_message(FILE *f, const char *s)
{
	(void)put(f, s, false);
}

int text_width(const char *s)
{
	return put(NULL, s, true);
}

/* ---- numbers --------------------------------------------------------- */

const char *text_size(char buf[TEXT_SIZE_MAX], uint64_t bytes)
{
	static const char units[] = "KMGTPE";
	double n = (double)bytes;
	int unit = -1;

	if (bytes < 1024) {
		(void)snprintf(buf, TEXT_SIZE_MAX, "%u", (unsigned)bytes);
		return buf;
	}
	do {
		n /= 1024;
		unit++;
	} while (n >= 1023.95 && units[unit + 1]); /* not "1024.0 KiB" */
	(void)snprintf(buf, TEXT_SIZE_MAX, "%.1f %ciB", n, units[unit]);
	return buf;
}

const char *text_time(char buf[TEXT_TIME_MAX], int64_t seconds)
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (!localtime_r(&t, &tm) ||
	    !strftime(buf, TEXT_TIME_MAX, "%Y-%m-%d %H:%M:%S", &tm))
		(void)snprintf(buf, TEXT_TIME_MAX, "@%lld", (long long)seconds);
	return buf;
}

const char *text_span(char buf[TEXT_SPAN_MAX], double seconds)
{
	static const struct {
		unsigned long long seconds;
		char name;
	} units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
	unsigned long long left;
	size_t i = 0;

	if (!(seconds >= 0 && seconds < 1e15))
		seconds = 0;
	left = (unsigned long long)seconds;
	while (i < 3 && left < units[i].seconds)
		i++;
	if (i == 3)
		(void)snprintf(buf, TEXT_SPAN_MAX, "%llus", left);
	else
		(void)snprintf(buf, TEXT_SPAN_MAX, "%llu%c %llu%c",
			       left / units[i].seconds, units[i].name,
			       left % units[i].seconds / units[i + 1].seconds,
			       units[i + 1].name);
	return buf;
}

/* ---- JSON ------------------------------------------------------------ */

static char *percent_escape(const char *s)
{
	char *text = malloc(3 * strlen(s) + 1), *p = text;

	if (!text)
		return NULL;
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c > ' ' && c < 0x7f && c != '%')
			*p++ = (char)c;
		else
			p += snprintf(p, 4, "%%%02X", c);
	}
	*p = 0;
	return text;
}

int text_set_json(json_t *object, const char *key, const char *s)
{
	AUTO_FREE char *escaped = NULL;
	json_t *v;
	char mark[64];

	if (!s)
		return 0;
	v = json_string(s);
	if (v)
		return json_object_set_new(object, key, v);
	escaped = percent_escape(s);
	if (!escaped ||
	    json_object_set_new(object, key, json_string(escaped)) < 0)
		return -1;
	(void)snprintf(mark, sizeof(mark), "%s_escaped", key);
	return json_object_set_new(object, mark, json_true());
}

int text_print_json(json_t *j)
{
	int r = j ? json_dumpf(j, stdout, JSON_INDENT(2)) : -1;

	json_decref(j);
	if (r < 0) {
		complain("cannot write the JSON text");
		return EXIT_FAILED;
	}
	putchar('\n');
	return EXIT_OK;
}
