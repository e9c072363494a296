/* SPDX-License-Identifier: MIT
 *
 * yaml_text.c - how strings, bytes and tags are written.
 *
 * A string is plain where readers of YAML 1.1 and of 1.2 take it for the same
 * string; else it has quotes.  Several lines are a literal block (|), unless it
 * would hide something: blanks at the end of a line, control characters.  In
 * double quotes only the escapes of JSON are used, so that what is in double
 * quotes is JSON, too.
 */
#include <string.h>

#include "format/yaml.h"

#define BINARY_LINE 76 /* of base64, as of MIME */

/* ---- what is in a string --------------------------------------------- */

enum {
	HAS_CONTROL = 1, /* needs an escape wherever it is */
	HAS_TAB = 2,
	HAS_BREAK = 4,        /* LF */
	HAS_COLON = 8,        /* as ends a key */
	HAS_HASH = 16,        /* as begins a comment */
	HAS_EDGE = 32,        /* a blank at one end */
	HAS_LOOSE_BLANK = 64, /* a blank at the end of a line */
	HAS_SINGLE = 128,
	HAS_DOUBLE = 256,  /* or a backslash */
	HAS_CONTENT = 512, /* more than line breaks */
};

/* The length of a character at @s that is to be escaped, or 0. */
static size_t unsafe_bytes(const unsigned char *s)
{
	switch (s[0]) {
	case 0xC2: /* C1 controls */
		return s[1] < 0xA0 ? 2 : 0;
	case 0xE2: /* U+2028, U+2029: line breaks in YAML 1.1 */
		return s[1] == 0x80 && (s[2] == 0xA8 || s[2] == 0xA9) ? 3 : 0;
	case 0xEF: /* BOM, U+FFFE, U+FFFF */
		return (s[1] == 0xBB && s[2] == 0xBF) ||
				       (s[1] == 0xBF && s[2] >= 0xBE)
			       ? 3
			       : 0;
	default:
		return s[0] < 0x20 || s[0] == 0x7F;
	}
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Characters that say something about a string; all others do not. */
static const bool special[256] = {
	[0x00 ... 0x20] = true, ['"'] = true,  ['#'] = true,  ['\''] = true,
	[':'] = true,           ['\\'] = true, [0x7F] = true, [0xC2] = true,
	[0xE2] = true,          [0xEF] = true,
};

/* What @text[i], one of them, says. */
static unsigned look_at(const char *text, size_t len, size_t i)
{
	char next = i + 1 < len ? text[i + 1] : '\n';

	switch (text[i]) {
	case ' ':
		return next == '\n' ? HAS_LOOSE_BLANK : 0;
	case '\t':
		return HAS_TAB | (next == '\n' ? HAS_LOOSE_BLANK : 0);
	case '\n':
		return HAS_BREAK;
	case '"':
	case '\\':
		return HAS_DOUBLE;
	case '\'':
		return HAS_SINGLE;
	case ':':
		return is_blank(next) || next == '\n' ? HAS_COLON : 0;
	case '#':
		return i && is_blank(text[i - 1]) ? HAS_HASH : 0;
	default:
		return unsafe_bytes((const unsigned char *)text + i)
			       ? HAS_CONTROL
			       : 0;
	}
}

static unsigned look(const char *text, size_t len)
{
	unsigned has = 0;
	size_t i;

	for (i = 0; i < len; i++) {
		if (special[(unsigned char)text[i]])
			has |= look_at(text, len, i);
		if (text[i] != '\n')
			has |= HAS_CONTENT;
	}
	if (len && (is_blank(text[0]) || is_blank(text[len - 1])))
		has |= HAS_EDGE;
	return has;
}

/* ---- one line -------------------------------------------------------- */

/* Whether a plain scalar may begin so. */
static bool begins_plain(const char *text, size_t len)
{
	if (strchr("?:,[]{}#&*!|>'\"%@`", text[0]))
		return false;
	if (len >= 3 &&
	    (memcmp(text, "---", 3) == 0 || memcmp(text, "...", 3) == 0))
		return false;
	return text[0] != '-' || (len > 1 && text[1] != ' ');
}

static bool is_plain(const char *text, size_t len, unsigned has, bool typed)
{
	return len && !(has & ~(HAS_SINGLE | HAS_DOUBLE | HAS_CONTENT)) &&
	       begins_plain(text, len) &&
	       (typed ? atio_yaml_plain_type(text, len) == ATIO_STRING
		      : !atio_yaml_is_loose(text, len));
}

static void put_single(struct atio_out *out, const char *text, size_t len)
{
	const char *end = text + len, *quote;

	atio_out_char(out, '\'');
	while ((quote = memchr(text, '\'', (size_t)(end - text)))) {
		atio_out_put(out, text, (size_t)(quote + 1 - text));
		atio_out_char(out, '\'');
		text = quote + 1;
	}
	atio_out_put(out, text, (size_t)(end - text));
	atio_out_char(out, '\'');
}

static void put_escape(struct atio_out *out, const char *s)
{
	static const char hex[] = "0123456789ABCDEF";
	static const char named[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
	const char *name = *s ? strchr(named, *s) : NULL;
	uint32_t code;
	size_t bytes;
	int shift;

	atio_out_char(out, '\\');
	if (name) {
		atio_out_char(out, names[name - named]);
		return;
	}
	code = atio_utf8_get(s, &bytes);
	atio_out_char(out, 'u');
	for (shift = 12; shift >= 0; shift -= 4)
		atio_out_char(out, hex[code >> shift & 0xF]);
}

static void put_double(struct atio_out *out, const char *text, size_t len)
{
	size_t i = 0, from = 0, bytes;

	atio_out_char(out, '"');
	while (i < len) {
		bytes = text[i] == '"' || text[i] == '\\'
				? 1
				: unsafe_bytes((const unsigned char *)text + i);
		if (!bytes) {
			i++;
			continue;
		}
		atio_out_put(out, text + from, i - from);
		put_escape(out, text + i);
		from = i += bytes;
	}
	atio_out_put(out, text + from, len - from);
	atio_out_char(out, '"');
}

/* ---- literal blocks -------------------------------------------------- */

static bool is_literal(const char *text, unsigned has,
		       enum atio_yaml_place place)
{
	if (place == ATIO_YAML_KEY || !(has & HAS_BREAK) ||
	    !(has & HAS_CONTENT) || has & (HAS_CONTROL | HAS_LOOSE_BLANK))
		return false;
	/* The first line says how far all are indented, unless it begins with
	 * a blank or is empty: then a number has to.  But to what a number is
	 * relative at the root, readers do not agree. */
	return place != ATIO_YAML_ROOT || (*text != '\n' && !is_blank(*text));
}

static void put_literal(struct atio_out *out, const char *text, size_t len,
			size_t indent)
{
	const char *end = text + len, *line_end;

	atio_out_char(out, '|');
	if (*text == '\n' || is_blank(*text))
		atio_out_char(out, '2');
	if (end[-1] != '\n')
		atio_out_char(out, '-');
	else if (len > 1 && end[-2] == '\n')
		atio_out_char(out, '+');
	atio_out_char(out, '\n');
	while (text < end) {
		line_end = memchr(text, '\n', (size_t)(end - text));
		if (!line_end)
			line_end = end;
		if (line_end > text)
			atio_out_fill(out, ' ', indent);
		atio_out_put(out, text, (size_t)(line_end - text));
		atio_out_char(out, '\n');
		text = line_end + 1;
	}
}

bool atio_yaml_put_string(struct atio_out *out, const char *text, size_t len,
			  size_t indent, enum atio_yaml_place place, bool typed)
{
	unsigned has = look(text, len);

	if (is_plain(text, len, has, typed)) {
		atio_out_put(out, text, len);
	} else if (is_literal(text, has, place)) {
		put_literal(out, text, len, indent);
		return true;
	} else if (has & (HAS_CONTROL | HAS_TAB | HAS_BREAK) ||
		   (has & (HAS_SINGLE | HAS_DOUBLE)) == HAS_SINGLE) {
		put_double(out, text, len);
	} else {
		put_single(out, text, len);
	}
	return false;
}

/* ---- bytes ----------------------------------------------------------- */

/* Lines are encoded one by one: 76 characters are 57 bytes. */
bool atio_yaml_put_bytes(struct atio_out *out, const char *bytes, size_t len,
			 size_t indent, enum atio_yaml_place place)
{
	const size_t most = BINARY_LINE / 4 * 3;
	char line[BINARY_LINE + 4];
	bool block = place != ATIO_YAML_KEY && len > most;
	size_t n;

	atio_out_text(out, "!!binary ");
	if (!len)
		atio_out_text(out, "\"\"");
	if (block)
		atio_out_text(out, "|\n");
	for (; len; bytes += n, len -= n) {
		n = len < most ? len : most;
		if (block)
			atio_out_fill(out, ' ', indent);
		atio_out_put(out, line, atio_base64_text(bytes, n, line));
		if (block)
			atio_out_char(out, '\n');
	}
	return block;
}

/* ---- tags ------------------------------------------------------------ */

/* Characters of a tag that libyaml and PyYAML take unescaped. */
static bool is_tag_char(char c, bool verbatim)
{
	if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	    (c >= 'a' && c <= 'z'))
		return true;
	if (!c)
		return false;
	return strchr("-_;/?:@&=+$.~*'()", c) ||
	       (verbatim && strchr("!,[]", c));
}

static void put_uri(struct atio_out *out, const char *tag, size_t len,
		    bool verbatim)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t i;

	for (i = 0; i < len; i++) {
		if (is_tag_char(tag[i], verbatim)) {
			atio_out_char(out, tag[i]);
			continue;
		}
		atio_out_char(out, '%');
		atio_out_char(out, hex[(unsigned char)tag[i] >> 4]);
		atio_out_char(out, hex[(unsigned char)tag[i] & 0xF]);
	}
}

bool atio_yaml_put_tag(struct atio_out *out, const char *tag, size_t len)
{
	if (!len || (len == 1 && *tag == '!') || memchr(tag, '\0', len))
		return false;
	if (*tag == '!') {
		atio_out_char(out, '!');
		put_uri(out, tag + 1, len - 1, false);
	} else if (len > ATIO_YAML_TAGS_LEN &&
		   memcmp(tag, ATIO_YAML_TAGS, ATIO_YAML_TAGS_LEN) == 0) {
		atio_out_text(out, "!!");
		put_uri(out, tag + ATIO_YAML_TAGS_LEN, len - ATIO_YAML_TAGS_LEN,
			false);
	} else {
		atio_out_text(out, "!<");
		put_uri(out, tag, len, true);
		atio_out_char(out, '>');
	}
	return true;
}
