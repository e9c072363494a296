/* SPDX-License-Identifier: MIT
 *
 * yaml_scalar.c - what plain scalars mean: the core schema of YAML 1.2 (chapter
 * 10.3), and what readers of YAML 1.1 take for something else than a string.
 *
 * One thing is not as in the core schema: integers with leading zeros are
 * strings.  Who writes 012 means neither the twelve of YAML 1.2 nor the ten of
 * 1.1, but a postcode, a number of an article, or a mode of a file.  With the
 * tag !!int it is twelve.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "format/yaml.h"

/* Converting another base to decimal takes quadratic time. */
#define OTHER_BASE_MOST 10000

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* What a number may begin with besides a digit. */
static bool is_number_sign(char c)
{
	return c == '+' || c == '-' || c == '.';
}

static bool is_one_of(const char *text, size_t len, const char *const *words)
{
	for (; *words; words++)
		if (strlen(*words) == len && memcmp(*words, text, len) == 0)
			return true;
	return false;
}

static bool is_one_of_any_case(const char *text, size_t len,
			       const char *const *words)
{
	for (; *words; words++)
		if (strlen(*words) == len &&
		    strncasecmp(*words, text, len) == 0)
			return true;
	return false;
}

/* ---- the core schema ------------------------------------------------- */

static int digit_of(char c)
{
	if (is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

/* 8 for 0o7, 16 for 0x1F, 0 for anything else. */
static int other_base(const char *text, size_t len)
{
	int base = 0;
	size_t i;

	if (len < 3 || text[0] != '0')
		return 0;
	if (text[1] == 'o')
		base = 8;
	else if (text[1] == 'x')
		base = 16;
	for (i = 2; base && i < len; i++)
		if (digit_of(text[i]) >= base)
			return 0;
	return base;
}

static enum atio_type decimal_type(const char *text, size_t len)
{
	const char *s = text, *end = text + len;
	bool real = false, digits = false;

	s += *s == '-' || *s == '+';
	for (; s < end && is_digit(*s); s++)
		digits = true;
	if (s < end && *s == '.') {
		real = true;
		for (s++; s < end && is_digit(*s); s++)
			digits = true;
	}
	if (!digits)
		return ATIO_STRING;
	if (s == end)
		return real ? ATIO_FLOAT : ATIO_INT;
	if (*s != 'e' && *s != 'E')
		return ATIO_STRING;
	s++;
	s += s < end && (*s == '-' || *s == '+');
	if (s == end)
		return ATIO_STRING;
	while (s < end && is_digit(*s))
		s++;
	return s == end ? ATIO_FLOAT : ATIO_STRING;
}

static bool is_inf(const char *text, size_t len)
{
	static const char *const words[] = {".inf", ".Inf", ".INF", NULL};
	size_t sign = len && (*text == '-' || *text == '+');

	return is_one_of(text + sign, len - sign, words);
}

static bool is_nan(const char *text, size_t len)
{
	static const char *const words[] = {".nan", ".NaN", ".NAN", NULL};

	return is_one_of(text, len, words);
}

static enum atio_type number_type(const char *text, size_t len)
{
	if (other_base(text, len))
		return ATIO_INT;
	if (!is_digit(text[0]) && (is_inf(text, len) || is_nan(text, len)))
		return ATIO_FLOAT;
	return decimal_type(text, len);
}

static bool has_leading_zero(const char *text, size_t len)
{
	size_t sign = *text == '-' || *text == '+';

	return len - sign > 1 && text[sign] == '0';
}

enum atio_type atio_yaml_core_type(const char *text, size_t len)
{
	static const char *const nulls[] = {"null", "Null", "NULL", NULL};
	static const char *const bools[] = {"true",  "True",  "TRUE", "false",
					    "False", "FALSE", NULL};

	if (!len)
		return ATIO_NULL;
	switch (text[0]) {
	case '~':
		return len == 1 ? ATIO_NULL : ATIO_STRING;
	case 'n':
	case 'N':
		return is_one_of(text, len, nulls) ? ATIO_NULL : ATIO_STRING;
	case 't':
	case 'T':
	case 'f':
	case 'F':
		return is_one_of(text, len, bools) ? ATIO_BOOL : ATIO_STRING;
	default:
		break;
	}
	if (is_digit(text[0]) || is_number_sign(text[0]))
		return number_type(text, len);
	return ATIO_STRING;
}

enum atio_type atio_yaml_plain_type(const char *text, size_t len)
{
	enum atio_type type = atio_yaml_core_type(text, len);

	if (type == ATIO_INT && has_leading_zero(text, len) &&
	    !other_base(text, len))
		return ATIO_STRING;
	return type;
}

/* ---- YAML 1.1 -------------------------------------------------------- */

static size_t pass(const char *text, size_t at, size_t len, const char *more)
{
	while (at < len &&
	       (is_digit(text[at]) || (text[at] && strchr(more, text[at]))))
		at++;
	return at;
}

/* [-+]? 0b1, 0x1f, 017, 1_000, 1:30:59.9, 1_0.5e+3; with commas, too, as some
 * readers have it. */
static bool is_loose_number(const char *text, size_t len)
{
	size_t at = *text == '-' || *text == '+', digits;

	if (len - at > 2 && text[at] == '0' && strchr("bBoOxX", text[at + 1]) &&
	    pass(text, at + 2, len, "abcdefABCDEF_") == len)
		return true;
	digits = pass(text, at, len, "_,:.");
	if (digits == len)
		return len > at;
	if (digits == at || (text[digits] != 'e' && text[digits] != 'E'))
		return false;
	at = digits + 1;
	at += at < len && (text[at] == '-' || text[at] == '+');
	return pass(text, at, len, "_") == len;
}

/* 2001-1-1, and with a time after it */
static bool is_loose_date(const char *text, size_t len)
{
	size_t i = 0, part, at = 0;

	for (; i < 3; i++) {
		part = pass(text, at, len, "");
		if (part == at || (i < 2 && (part == len || text[part] != '-')))
			return false;
		at = part + (i < 2);
	}
	return at == len || strchr("Tt \t", text[at]);
}

bool atio_yaml_is_loose(const char *text, size_t len)
{
	static const char *const words[] = {
		"null", "true", "false", "yes", "no", "on",   "off",
		"y",    "n",    "~",     "=",   "<<", "none", NULL};

	if (!len)
		return true;
	if (len <= 5 && is_one_of_any_case(text, len, words))
		return true;
	if (!is_digit(*text) && !is_number_sign(*text))
		return false;
	return atio_yaml_core_type(text, len) != ATIO_STRING ||
	       is_loose_number(text, len) || is_loose_date(text, len);
}

/* ---- values ---------------------------------------------------------- */

int atio_yaml_int(const char *text, size_t len, int64_t *ret)
{
	int base = other_base(text, len);
	uint64_t value = 0;
	size_t i;

	if (!base)
		return atio_int_parse(text, len, ret);
	for (i = 2; i < len; i++) {
		if (value > (uint64_t)INT64_MAX / (unsigned)base)
			return -ERANGE;
		value = value * (unsigned)base + (unsigned)digit_of(text[i]);
	}
	if (value > INT64_MAX)
		return -ERANGE;
	*ret = (int64_t)value;
	return 0;
}

/* The value of a FLOAT, or of a decimal INT. */
static int parse_float(const char *text, size_t len, double *ret)
{
	if (is_nan(text, len)) {
		*ret = NAN;
		return 0;
	}
	if (is_inf(text, len)) {
		*ret = *text == '-' ? -INFINITY : INFINITY;
		return 0;
	}
	return atio_float_parse(text, len, ret);
}

/* @digits of @base to decimal digits, which begin at the returned one of the
 * @size bytes at @to, and end with a NUL at their end. */
static char *to_decimal(const char *digits, size_t len, int base, char *to,
			size_t size)
{
	char *end = to + size - 1, *first = end, *s;
	unsigned carry;
	size_t i;

	*end = '\0';
	for (i = 0; i < len; i++) {
		carry = (unsigned)digit_of(digits[i]);
		for (s = end - 1; s >= first; s--) {
			carry += (unsigned)(*s - '0') * (unsigned)base;
			*s = (char)('0' + carry % 10);
			carry /= 10;
		}
		for (; carry; carry /= 10)
			*--first = (char)('0' + carry % 10);
	}
	return first;
}

static int build_big(struct atio_builder *b, const char *text, size_t len)
{
	int base = other_base(text, len);
	size_t most = b->limits.number_chars, size = 2 * len + 2, skip;
	char *room, *canonical;
	int r;

	if (base && most > OTHER_BASE_MOST)
		most = OTHER_BASE_MOST;
	if (len > most)
		return atio_build_fail(b, EFBIG, b->offset,
				       "a number of more than %zu characters",
				       most);
	room = malloc(size);
	if (!room)
		return atio_build_fail(b, ENOMEM, b->offset, "out of memory");
	if (base) {
		canonical = to_decimal(text + 2, len - 2, base, room, size);
	} else {
		skip = strspn(text, "+-0");
		canonical = room;
		if (*text == '-')
			*room = '-';
		memcpy(room + (*text == '-'), text + skip, len - skip);
		room[(*text == '-') + len - skip] = '\0';
	}
	r = atio_build_bigint_as(b, canonical, text, len);
	free(room);
	return r;
}

static int build_int(struct atio_builder *b, const char *text, size_t len)
{
	int64_t value;

	if (atio_yaml_int(text, len, &value) < 0)
		return build_big(b, text, len);
	return atio_build_int_as(b, value, text, len);
}

static int build_float(struct atio_builder *b, const char *text, size_t len)
{
	double value = 0;
	int r = 0;

	/* Beyond the limit the builder refuses it. */
	if (len <= b->limits.number_chars)
		r = parse_float(text, len, &value);
	if (r == -ERANGE)
		return atio_build_fail(b, ERANGE, b->offset,
				       "this number is too large for a double");
	if (r < 0)
		return atio_build_fail(b, -r, b->offset, "out of memory");
	return atio_build_float_as(b, value, text, len);
}

static int build_as(struct atio_builder *b, enum atio_type type,
		    const char *text, size_t len)
{
	switch (type) {
	case ATIO_NULL:
		return atio_build_null(b);
	case ATIO_BOOL:
		return atio_build_bool(b, (text[0] | 0x20) == 't');
	case ATIO_INT:
		return build_int(b, text, len);
	case ATIO_FLOAT:
		return build_float(b, text, len);
	default:
		return atio_build_text(b, ATIO_STRING, text, len);
	}
}

int atio_yaml_build_plain(struct atio_builder *b, const char *text, size_t len)
{
	return build_as(b, atio_yaml_plain_type(text, len), text, len);
}

/* ---- tags ------------------------------------------------------------ */

static int build_binary(struct atio_builder *b, const char *text, size_t len)
{
	char *bytes = atio_build_room(b, len);
	long n;

	if (!bytes)
		return b->failed;
	n = atio_base64_bytes(text, len, bytes);
	if (n < 0)
		return atio_build_fail(b, EINVAL, b->offset,
				       "!!binary on what is not base64");
	return atio_build_owned_text(b, ATIO_BYTES, bytes, (size_t)n);
}

static int does_not_fit(struct atio_builder *b, const char *name)
{
	return atio_build_fail(b, EINVAL, b->offset,
			       "the value does not fit its tag !!%s", name);
}

int atio_yaml_build_tagged(struct atio_builder *b, const char *name,
			   const char *text, size_t len)
{
	static const struct {
		const char *name;
		enum atio_type type;
	} scalars[] = {{"null", ATIO_NULL},
		       {"bool", ATIO_BOOL},
		       {"int", ATIO_INT},
		       {"float", ATIO_FLOAT}};
	enum atio_type type = atio_yaml_core_type(text, len);
	enum atio_datetime kind;
	size_t i;

	for (i = 0; i < sizeof(scalars) / sizeof(*scalars); i++) {
		if (strcmp(name, scalars[i].name) != 0)
			continue;
		if (type == scalars[i].type)
			return build_as(b, type, text, len);
		if (scalars[i].type == ATIO_FLOAT && type == ATIO_INT &&
		    !other_base(text, len))
			return build_float(b, text, len);
		return does_not_fit(b, name);
	}
	if (strcmp(name, "str") == 0)
		return atio_build_text(b, ATIO_STRING, text, len);
	if (strcmp(name, "binary") == 0)
		return build_binary(b, text, len);
	if (strcmp(name, "seq") == 0 || strcmp(name, "map") == 0)
		return does_not_fit(b, name);
	/* Its style, which is never ANY here, tells that it has to have the
	 * tag when it is written. */
	if (strcmp(name, "timestamp") == 0 &&
	    atio_datetime_parse(text, len, &kind, NULL) == 0)
		return atio_build_datetime(b, text, len);
	/* A merge key with the tag that it has anyway. */
	if (strcmp(name, "merge") == 0 && len == 2 &&
	    memcmp(text, "<<", 2) == 0 && b->style == ATIO_STYLE_PLAIN)
		return atio_build_text(b, ATIO_STRING, text, len);
	return 1;
}
