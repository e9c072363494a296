/* SPDX-License-Identifier: MIT
 *
 * TOML: numbers, dates and booleans.
 */
#include "format/toml.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* ---- the form of numbers --------------------------------------------- */

/* Digits of @class, between which single underscores may stand. */
static bool scan_digits(struct toml_scan *s, enum toml_class class)
{
	size_t first = s->at;

	for (; s->at < s->len; s->at++) {
		char c = s->text[s->at];

		if (c == '_') {
			if (s->at > first && s->at + 1 < s->len &&
			    toml_is(s->text[s->at + 1], class))
				continue;
			s->why = "an underscore must stand between two digits";
			return false;
		}
		if (!toml_is(c, class))
			break;
	}
	if (s->at == first)
		s->why = "a digit is missing";
	return s->at > first;
}

/* 0x1F, 0o17, 0b11, without a sign. */
static enum toml_number scan_prefixed(struct toml_scan *s,
				      enum toml_class class)
{
	s->at += 2;
	if (!scan_digits(s, class))
		return TOML_NO_NUMBER;
	if (s->at == s->len)
		return TOML_INTEGER;
	s->why = "this is no digit of such a number";
	return TOML_NO_NUMBER;
}

static enum toml_number scan_decimal(struct toml_scan *s)
{
	enum toml_number kind = TOML_INTEGER;
	size_t first = s->at;

	if (!scan_digits(s, TOML_DIGIT))
		return TOML_NO_NUMBER;
	if (s->text[first] == '0' && s->at - first > 1) {
		s->at = first;
		s->why = "a number has no leading zeros";
		return TOML_NO_NUMBER;
	}
	if (s->at < s->len && s->text[s->at] == '.') {
		kind = TOML_FLOAT;
		s->at++;
		if (!scan_digits(s, TOML_DIGIT))
			return TOML_NO_NUMBER;
	}
	if (s->at < s->len && (s->text[s->at] | 0x20) == 'e') {
		kind = TOML_FLOAT;
		s->at++;
		s->at += s->at < s->len && strchr("+-", s->text[s->at]);
		if (!scan_digits(s, TOML_DIGIT))
			return TOML_NO_NUMBER;
	}
	if (s->at == s->len)
		return kind;
	s->why = "this is no part of a number";
	return TOML_NO_NUMBER;
}

static bool rest_is(const struct toml_scan *s, const char *word)
{
	size_t len = strlen(word);

	return s->len - s->at == len && memcmp(s->text + s->at, word, len) == 0;
}

enum toml_number atio_toml_scan(struct toml_scan *s)
{
	enum toml_class class = 0;

	s->at = 0;
	if (s->len >= 2 && s->text[0] == '0') {
		switch (s->text[1]) {
		case 'x':
			class = TOML_HEX;
			break;
		case 'o':
			class = TOML_OCTAL;
			break;
		case 'b':
			class = TOML_BINARY;
			break;
		default:
			break;
		}
		if (class)
			return scan_prefixed(s, class);
	}
	if (s->len && (s->text[0] == '+' || s->text[0] == '-'))
		s->at++;
	if (rest_is(s, "inf") || rest_is(s, "nan"))
		return TOML_FLOAT;
	return scan_decimal(s);
}

/* ---- numbers --------------------------------------------------------- */

/* The value of what atio_toml_scan calls an integer; false: it is too large. */
static bool integer_of(const char *text, size_t len, int64_t *ret)
{
	bool negative = text[0] == '-';
	size_t i = negative || text[0] == '+';
	int64_t value = 0, base = 10;

	if (len > 2 && text[0] == '0') {
		base = text[1] == 'x' ? 16 : text[1] == 'o' ? 8 : 2;
		i = 2;
	}
	for (; i < len; i++) {
		char c = text[i];
		int64_t digit;

		if (c == '_')
			continue;
		digit = toml_is(c, TOML_DIGIT) ? c - '0'
					       : (c | 0x20) - 'a' + 10;
		if (__builtin_mul_overflow(value, base, &value) ||
		    __builtin_add_overflow(value, negative ? -digit : digit,
					   &value))
			return false;
	}
	*ret = value;
	return true;
}

/* @text without underscores, in the scratch if it has any. */
static int without_underscores(struct toml *t, const char **text, size_t *len)
{
	char *to;
	int r;

	if (!memchr(*text, '_', *len))
		return 0;
	r = atio_toml_scratch(t, *len);
	if (r)
		return r;
	to = t->scratch;
	for (size_t i = 0; i < *len; i++) {
		if ((*text)[i] != '_')
			*to++ = (*text)[i];
	}
	*text = t->scratch;
	*len = (size_t)(to - t->scratch);
	return 0;
}

/* The value of what atio_toml_scan calls a float. */
static int float_of(struct toml *t, const char *text, size_t len, double *ret)
{
	bool negative = text[0] == '-';
	const char *special = text + (negative || text[0] == '+');
	int r;

	if (*special == 'i' || *special == 'n') {
		double value = *special == 'i' ? INFINITY : NAN;

		*ret = negative ? -value : value;
		return 0;
	}
	r = without_underscores(t, &text, &len);
	if (r)
		return r;
	/* Too large is infinity, as for IEEE 754 it is. */
	(void)atio_float_parse(text, len, ret);
	return 0;
}

static struct toml_text text_of(const char *text, size_t len)
{
	return (struct toml_text){
		.text = text, .len = len, .at = text, .end = text + len};
}

static struct atio_node *integer_node(struct toml *t, const char *text,
				      size_t len)
{
	struct toml_text written = text_of(text, len);
	char canonical[ATIO_FLOAT_TEXT_MAX];
	struct atio_node *node;
	int64_t value;

	if (!integer_of(text, len, &value)) {
		(void)toml_fail(t, ERANGE, text,
				"an integer beyond the 64 bits of TOML");
		return NULL;
	}
	if (atio_int_text(value, canonical) == len &&
	    memcmp(canonical, text, len) == 0)
		node = atio_toml_node(t, ATIO_INT, text, text + len);
	else
		node = atio_toml_text_node(t, ATIO_INT, &written);
	if (node)
		node->integer = value;
	return node;
}

static struct atio_node *float_node(struct toml *t, const char *text,
				    size_t len)
{
	struct toml_text written = text_of(text, len);
	struct atio_node *node;
	double value;

	if (float_of(t, text, len, &value))
		return NULL;
	node = atio_toml_text_node(t, ATIO_FLOAT, &written);
	if (node)
		node->real = value;
	return node;
}

static struct atio_node *read_number(struct toml *t, const char *text,
				     size_t len)
{
	struct toml_scan scan = {.text = text, .len = len};

	if (len > t->b->limits.number_chars) {
		(void)toml_fail(t, EFBIG, text,
				"a number of more than %zu characters",
				t->b->limits.number_chars);
		return NULL;
	}
	switch (atio_toml_scan(&scan)) {
	case TOML_INTEGER:
		return integer_node(t, text, len);
	case TOML_FLOAT:
		return float_node(t, text, len);
	case TOML_NO_NUMBER:
		break;
	}
	(void)toml_fail(t, EINVAL, text + scan.at, "%s", scan.why);
	return NULL;
}

/* ---- dates and times ------------------------------------------------- */

/* Whether @text begins as @form, in which 0 stands for any digit. */
static bool has_form(const char *text, size_t len, const char *form)
{
	size_t n = strlen(form);

	if (len < n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (form[i] == '0' ? !toml_is(text[i], TOML_DIGIT)
				   : text[i] != form[i])
			return false;
	}
	return true;
}

/* The length of a time without offset, or 0. */
static size_t time_length(const char *text, size_t len)
{
	size_t at = 8;

	if (!has_form(text, len, "00:00:00"))
		return 0;
	if (at == len || text[at] != '.')
		return at;
	do
		at++;
	while (at < len && toml_is(text[at], TOML_DIGIT));
	return at > 9 ? at : 0;
}

bool atio_toml_is_datetime(const char *text, size_t len)
{
	size_t at = 0, time;

	if (has_form(text, len, "0000-00-00")) {
		if (len == 10)
			return true;
		if (text[10] != 'T' && text[10] != 't' && text[10] != ' ')
			return false;
		at = 11;
	}
	time = time_length(text + at, len - at);
	if (!time || at + time == len)
		return time;
	if (!at)
		return false; /* a time has no offset of its own */
	at += time;
	if (len - at == 1)
		return (text[at] | 0x20) == 'z';
	return len - at == 6 && (has_form(text + at, 6, "+00:00") ||
				 has_form(text + at, 6, "-00:00"));
}

static struct atio_node *read_datetime(struct toml *t, const char *text,
				       size_t len)
{
	struct toml_text written = text_of(text, len);
	char canonical[ATIO_DATETIME_TEXT_MAX];
	enum atio_datetime kind;
	struct atio_node *node;
	int r = -EINVAL;

	if (atio_toml_is_datetime(text, len))
		r = atio_datetime_parse(text, len, &kind, canonical);
	if (r) {
		(void)toml_fail(t, -r, text,
				r == -EFBIG ? "a time with too many digits"
					    : "there is no such date or time");
		return NULL;
	}
	node = atio_toml_text_node(t, ATIO_DATETIME, &written);
	if (!node)
		return NULL;
	node->datetime = (uint8_t)kind;
	if (memcmp(canonical, text, len) == 0)
		return node;
	node->canonical = atio_arena_text(&t->doc->arena, canonical, len);
	if (node->canonical)
		return node;
	(void)toml_fail(t, ENOMEM, text, "out of memory");
	return NULL;
}

/* ---- words ----------------------------------------------------------- */

static size_t word_length(const struct toml *t, const char *at)
{
	const char *end = at;

	while (end < t->end && toml_is(*end, TOML_WORD))
		end++;
	return (size_t)(end - at);
}

static struct atio_node *read_bool(struct toml *t, const char *text, size_t len)
{
	struct atio_node *node;
	bool value = len == 4 && memcmp(text, "true", 4) == 0;

	if (!value && (len != 5 || memcmp(text, "false", 5) != 0)) {
		(void)toml_fail(t, EINVAL, text,
				"no such value; a string needs quotes");
		return NULL;
	}
	node = atio_toml_node(t, ATIO_BOOL, text, text + len);
	if (node)
		node->boolean = value;
	return node;
}

struct atio_node *atio_toml_scalar(struct toml *t)
{
	const char *text = t->at;
	size_t len = word_length(t, text);
	struct toml_scan scan = {.text = text, .len = len};
	struct atio_node *node;

	if (has_form(text, len, "0000-") || has_form(text, len, "00:")) {
		/* The time may stand behind a blank. */
		if (len == 10 && t->end - text > 11 && text[10] == ' ' &&
		    toml_is(text[11], TOML_DIGIT))
			len += 1 + word_length(t, text + 11);
		node = read_datetime(t, text, len);
	} else if (!toml_is(*text, TOML_DIGIT) && !strchr("+-._:", *text) &&
		   atio_toml_scan(&scan) == TOML_NO_NUMBER) {
		node = read_bool(t, text, len);
	} else {
		node = read_number(t, text, len);
	}
	if (node)
		t->at += len;
	return node;
}
