/* SPDX-License-Identifier: MIT
 *
 * TOML: strings and keys.
 *
 * A string is first read to its end, which says how long it can be, and then
 * decoded only if it has escapes or line ends other than LF; otherwise it is
 * lent from the source.
 */
#include "format/toml.h"

#include <errno.h>
#include <string.h>

#define QUOTES 3 /* around a string of several lines */

/* ---- escapes --------------------------------------------------------- */

/* Where decoded bytes go; they never outgrow what they were written as. */
struct sink {
	char *to;
	const char *at, *end; /* what is being decoded */
};

static int digit_of(char c)
{
	if (toml_is(c, TOML_DIGIT))
		return c - '0';
	if (toml_is(c, TOML_HEX))
		return (c | 0x20) - 'a' + 10;
	return -1;
}

/* \uXXXX, \UXXXXXXXX: @sink->at is behind the u. */
static int decode_code(struct toml *t, struct sink *sink, size_t digits)
{
	const char *begin = sink->at - 2;
	uint32_t code = 0;

	for (size_t i = 0; i < digits; i++, sink->at++) {
		int digit = sink->at < sink->end ? digit_of(*sink->at) : -1;

		if (digit < 0)
			return toml_fail(t, EINVAL, sink->at,
					 "\\%c needs %zu hexadecimal digits",
					 begin[1], digits);
		code = code << 4 | (uint32_t)digit;
	}
	if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return toml_fail(t, EINVAL, begin,
				 "U+%04X is no Unicode scalar value",
				 (unsigned)code);
	sink->to += atio_utf8_put(code, sink->to);
	return 0;
}

/* A backslash at the end of a line: the blanks and line ends up to the next
 * character are no content.  False: it is none. */
static bool skip_line_end(const struct toml *t, struct sink *sink)
{
	const char *at = sink->at;
	size_t newline;

	while (at < sink->end && (*at == ' ' || *at == '\t'))
		at++;
	if (at == sink->end || !atio_toml_newline(t, at))
		return false;
	while (at < sink->end &&
	       (*at == ' ' || *at == '\t' || atio_toml_newline(t, at))) {
		newline = atio_toml_newline(t, at);
		at += newline ? newline : 1;
	}
	sink->at = at;
	return true;
}

/* @sink->at is behind the backslash. */
static int decode_escape(struct toml *t, struct sink *sink, bool multi)
{
	static const char names[] = "btnfr\"\\";
	static const char values[] = "\b\t\n\f\r\"\\";
	char seen[TOML_SEEN_MAX], c = *sink->at;
	const char *name;

	if (multi && skip_line_end(t, sink))
		return 0;
	name = c ? strchr(names, c) : NULL;
	sink->at++;
	if (name) {
		*sink->to++ = values[name - names];
		return 0;
	}
	if (c == 'u')
		return decode_code(t, sink, 4);
	if (c == 'U')
		return decode_code(t, sink, 8);
	return toml_fail(t, EINVAL, sink->at - 2,
			 "no such escape: a backslash and %s",
			 atio_toml_seen(t, sink->at - 1, seen));
}

/* Decode @ret->text into the scratch. */
static int decode(struct toml *t, struct toml_text *ret, bool escapes,
		  bool multi)
{
	struct sink sink = {.at = ret->text, .end = ret->text + ret->len};
	int r = atio_toml_scratch(t, ret->len + 1);

	if (r)
		return r;
	sink.to = t->scratch;
	while (sink.at < sink.end) {
		char c = *sink.at++;

		if (c == '\\' && escapes) {
			r = decode_escape(t, &sink, multi);
			if (r)
				return r;
		} else if (c != '\r') {
			*sink.to++ = c;
		}
		/* A CR is one of a CR LF: others are not let in. */
	}
	ret->text = t->scratch;
	ret->len = (size_t)(sink.to - t->scratch);
	return 0;
}

/* ---- the ends of strings --------------------------------------------- */

static int fail_open(struct toml *t, const char *begin)
{
	return toml_fail(t, EINVAL, begin, "this string has no end");
}

static int fail_control(struct toml *t, const char *at)
{
	char seen[TOML_SEEN_MAX];

	return toml_fail(t, EINVAL, at, "%s within a string",
			 *at == '\r' ? "a lone CR"
				     : atio_toml_seen(t, at, seen));
}

/* t->at is behind the first quote. */
static int read_line(struct toml *t, char quote, struct toml_text *ret)
{
	unsigned plain = quote == '"' ? TOML_BASIC : TOML_LITERAL;
	const char *at = t->at;
	bool escapes = false;

	for (;; at++) {
		while (at < t->end && toml_is(*at, plain))
			at++;
		if (at == t->end || atio_toml_newline(t, at))
			return fail_open(t, ret->at);
		if (*at == quote)
			break;
		if (toml_is(*at, TOML_CONTROL))
			return fail_control(t, at);
		escapes = true;
		/* What is escaped is no end; that it may be a part of a
		 * character is no harm. */
		if (at + 1 < t->end && !toml_is(at[1], TOML_CONTROL))
			at++;
	}
	ret->text = t->at;
	ret->len = (size_t)(at - t->at);
	t->at = ret->end = at + 1;
	return escapes ? decode(t, ret, true, false) : 0;
}

/* Quotes at @at, of a string of several lines.  Up to two before the closing
 * three are content. */
static size_t count_quotes(const struct toml *t, const char *at, char quote)
{
	size_t count = 0;

	while (count < QUOTES + 2 && at + count < t->end && at[count] == quote)
		count++;
	return count;
}

/* t->at is behind the three quotes. */
static int read_lines(struct toml *t, char quote, struct toml_text *ret)
{
	unsigned plain = quote == '"' ? TOML_BASIC : TOML_LITERAL;
	bool escapes = false, returns = false;
	const char *at;
	size_t quotes = 0;

	/* A line end right behind the quotes is no content. */
	t->at += atio_toml_newline(t, t->at);
	for (at = t->at;; at += quotes ? quotes : 1) {
		while (at < t->end && toml_is(*at, plain))
			at++;
		if (at == t->end)
			return fail_open(t, ret->at);
		quotes = count_quotes(t, at, quote);
		if (quotes >= QUOTES)
			break;
		if (*at == '\\') {
			escapes = true;
			at += at + 1 < t->end && !toml_is(at[1], TOML_CONTROL);
		} else if (*at == '\r' && atio_toml_newline(t, at)) {
			returns = true;
		} else if (toml_is(*at, TOML_CONTROL) && *at != '\n') {
			return fail_control(t, at);
		}
	}
	ret->text = t->at;
	ret->len = (size_t)(at - t->at) + quotes - QUOTES;
	t->at = ret->end = at + quotes;
	return escapes || returns ? decode(t, ret, escapes, true) : 0;
}

int atio_toml_string(struct toml *t, bool multi, struct toml_text *ret)
{
	char quote = toml_peek(t);
	bool basic = quote == '"', lines;
	int r;

	ret->at = t->at;
	lines = multi && count_quotes(t, t->at, quote) >= QUOTES;
	if (lines) {
		ret->style = basic ? ATIO_STYLE_FOLDED : ATIO_STYLE_LITERAL;
		t->at += QUOTES;
		r = read_lines(t, quote, ret);
	} else {
		ret->style = basic ? ATIO_STYLE_DOUBLE : ATIO_STYLE_SINGLE;
		t->at++;
		r = read_line(t, quote, ret);
	}
	if (!r && multi && ret->len > t->b->limits.scalar_bytes)
		return toml_fail(t, EFBIG, ret->at,
				 "a string of more than %zu bytes",
				 t->b->limits.scalar_bytes);
	return r;
}

/* ---- keys ------------------------------------------------------------ */

int atio_toml_key(struct toml *t, struct toml_text *ret)
{
	char seen[TOML_SEEN_MAX];
	int r = 0;

	toml_skip_blanks(t);
	ret->at = ret->text = t->at;
	ret->style = ATIO_STYLE_ANY;
	if (toml_peek(t) == '"' || toml_peek(t) == '\'') {
		r = atio_toml_string(t, false, ret);
	} else {
		while (t->at < t->end && toml_is(*t->at, TOML_BARE))
			t->at++;
		ret->end = t->at;
		ret->len = (size_t)(t->at - ret->at);
		if (!ret->len)
			r = toml_fail(t, EINVAL, t->at,
				      "expected a key, not %s",
				      atio_toml_seen(t, t->at, seen));
	}
	if (!r && ret->len > t->b->limits.key_bytes)
		r = toml_fail(t, EFBIG, ret->at, "a key of more than %zu bytes",
			      t->b->limits.key_bytes);
	toml_skip_blanks(t);
	return r;
}
