/* SPDX-License-Identifier: MIT
 *
 * json.c - reading JSON, as strictly as RFC 8259 has it.
 *
 * The reader does not recurse: what is open stands in the builder, which limits
 * the depth, and the next step follows from what was read last.
 *
 *	VALUE --scalar, [] or {}--> AFTER --, in a list--> VALUE
 *	  |--[--> VALUE               |--, in a map--> KEY
 *	  `--{--> KEY                 |--] or }--> AFTER
 *	KEY --"text":--> VALUE        `--nothing is open--> DONE
 *
 * A string without escapes is copied once, from the source into the document.
 * RFC 8259 leaves to the reader what it does with these: a number that is too
 * large for a double is -ERANGE; half a surrogate pair, which UTF-8 cannot
 * hold, is -EILSEQ; a key twice is -EEXIST; -0 is the integer 0, which is
 * written as -0 again.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "format/codec.h"

#define BYTES(c)    (0x0101010101010101ull * (c)) /* @c in all eight bytes */
#define SAFE_DIGITS 18 /* so many fit an int64_t, whatever they are */
#define WORD_MOST   40 /* of an unknown word, in a message */

enum step {
	KEY,
	VALUE,
	AFTER,
	DONE,
};

struct reader {
	struct atio_builder *b;
	const char *text, *s, *end;
	enum atio_type open; /* the innermost collection; ATIO_NULL: none */
	char before;         /* what makes a value follow: [ , : or 0 */
};

/* ---- what is wrong --------------------------------------------------- */

static size_t offset_of(const struct reader *j, const char *at)
{
	return (size_t)(at - j->text);
}

/* What people write who take another language for JSON. */
static const char *hint(char c)
{
	switch (c) {
	case '\'':
		return " (strings and keys are in double quotes)";
	case '/':
	case '#':
		return " (JSON has no comments)";
	case '\0':
		return " (JSON is UTF-8, not UTF-16 or UTF-32)";
	default:
		return "";
	}
}

/* "expected @what, not 'x'" */
static int expected(struct reader *j, const char *at, const char *what)
{
	size_t len;

	if (at == j->end)
		return atio_build_fail(j->b, EINVAL, offset_of(j, at),
				       "expected %s, but the document ends",
				       what);
	if ((unsigned char)*at < 0x20 || *at == 0x7F)
		return atio_build_fail(j->b, EINVAL, offset_of(j, at),
				       "expected %s, not byte 0x%02X%s", what,
				       (unsigned char)*at, hint(*at));
	(void)atio_utf8_get(at, &len);
	return atio_build_fail(j->b, EINVAL, offset_of(j, at),
			       "expected %s, not '%.*s'%s", what, (int)len, at,
			       hint(*at));
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       (c >= '0' && c <= '9');
}

static int no_value(struct reader *j)
{
	const char *what = "a value", *end = j->s;

	while (end < j->end && is_word(*end) && end - j->s < WORD_MOST)
		end++;
	if (end > j->s)
		return atio_build_fail(j->b, EINVAL, offset_of(j, j->s),
				       "'%.*s' is no JSON value: strings are in"
				       " double quotes, and the only words are"
				       " true, false and null",
				       (int)(end - j->s), j->s);
	if (j->before == '[')
		what = "a value or ']'";
	else if (j->before == ',')
		what = "a value after ','";
	else if (j->before == ':')
		what = "a value after ':'";
	if (j->s < j->end && (*j->s == '+' || *j->s == '.'))
		what = "a value (a number begins with a digit or '-')";
	return expected(j, j->s, what);
}

/* ---- small parts ----------------------------------------------------- */

static inline uint64_t load_word(const char *s)
{
	uint64_t word;

	memcpy(&word, s, sizeof(word));
	return le64toh(word);
}

static inline bool is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline void skip_blanks(struct reader *j)
{
	const char *s = j->s, *end = j->end;

	if (s == end || !is_blank(*s))
		return;
	for (s++; end - s >= 8 && load_word(s) == BYTES(' '); s += 8)
		;
	while (s < end && is_blank(*s))
		s++;
	j->s = s;
}

/* The next value is @len bytes from @start. */
static inline void set_span(struct reader *j, const char *start, size_t len)
{
	j->b->offset = offset_of(j, start);
	j->b->length = len;
}

/* ---- strings --------------------------------------------------------- */

/* Where the plain text at @s ends: at a quote, a backslash, a control
 * character, or @end.  Of eight bytes at a time the first one of these is
 * found exactly: a byte whose high bit is 0, and that is 0 after the xor, or
 * less than a blank, is the lowest that borrows in the subtraction. */
static inline const char *plain_end(const char *s, const char *end)
{
	uint64_t word, quote, slash, found;

	for (; end - s >= 8; s += 8) {
		word = load_word(s);
		quote = word ^ BYTES('"');
		slash = word ^ BYTES('\\');
		found = ((quote - BYTES(1)) & ~quote) |
			((slash - BYTES(1)) & ~slash) |
			((word - BYTES(0x20)) & ~word);
		found &= BYTES(0x80);
		if (found)
			return s + __builtin_ctzll(found) / 8;
	}
	while (s < end && *s != '"' && *s != '\\' && (unsigned char)*s >= 0x20)
		s++;
	return s;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* \uXXXX at @s; -1: it is none. */
static long unicode_unit(const char *s, const char *end)
{
	long unit = 0;
	int i, digit;

	if (end - s < 6 || s[0] != '\\' || s[1] != 'u')
		return -1;
	for (i = 2; i < 6; i++) {
		digit = hex_value(s[i]);
		if (digit < 0)
			return -1;
		unit = unit << 4 | digit;
	}
	return unit;
}

/* \uXXXX, or two of them that are one character, at *@s. */
static int unescape_unicode(struct reader *j, const char **s, const char *end,
			    char **out)
{
	long unit = unicode_unit(*s, end), low;

	if (unit < 0)
		return atio_build_fail(j->b, EINVAL, offset_of(j, *s),
				       "\\u needs four hexadecimal digits");
	if (unit >= 0xD800 && unit <= 0xDFFF) {
		low = unicode_unit(*s + 6, end);
		if (unit > 0xDBFF || low < 0xDC00 || low > 0xDFFF)
			return atio_build_fail(
				j->b, EILSEQ, offset_of(j, *s),
				"\\u%04lX is one half of a surrogate pair,"
				" without the other",
				(unsigned long)unit);
		unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
		*s += 6;
	}
	*s += 6;
	*out += atio_utf8_put((uint32_t)unit, *out);
	return 0;
}

/* The escape at *@s, a backslash. */
static int unescape(struct reader *j, const char **s, const char *end,
		    char **out)
{
	static const char escapes[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
	const char *found, *at = *s;
	size_t len;

	if (end - at >= 2 && at[1] == 'u')
		return unescape_unicode(j, s, end, out);
	found = end - at >= 2 && at[1] ? strchr(escapes, at[1]) : NULL;
	if (found) {
		*(*out)++ = meant[found - escapes];
		*s += 2;
		return 0;
	}
	if (end - at < 2 || (unsigned char)at[1] < 0x20)
		return atio_build_fail(j->b, EINVAL, offset_of(j, at),
				       "a single backslash in a string is"
				       " written \\\\");
	(void)atio_utf8_get(at + 1, &len);
	return atio_build_fail(j->b, EINVAL, offset_of(j, at),
			       "\\%.*s is no escape of JSON; a backslash is"
			       " written \\\\",
			       (int)len, at + 1);
}

/* From @s to @end, where a string ends, or what is wrong with it begins. */
static int unescape_all(struct reader *j, const char *s, const char *end,
			char *out, size_t *ret_len)
{
	char *begin = out;
	const char *plain;
	int r;

	while (s < end) {
		plain = plain_end(s, end);
		memcpy(out, s, (size_t)(plain - s));
		out += plain - s;
		s = plain;
		if (s == end)
			break;
		r = unescape(j, &s, end, &out);
		if (r < 0)
			return r;
	}
	*ret_len = (size_t)(out - begin);
	return 0;
}

/* What stands at @at, where the string that begins at @quote should go on. */
static int bad_string(struct reader *j, const char *quote, const char *at)
{
	if (at == j->end)
		return atio_build_fail(j->b, EINVAL, offset_of(j, quote),
				       "this string has no closing quote");
	if (*at == '\n' || *at == '\r')
		return atio_build_fail(j->b, EINVAL, offset_of(j, at),
				       "a line break in a string is written"
				       " \\n; or is there a quote missing?");
	return atio_build_fail(j->b, EINVAL, offset_of(j, at),
			       "byte 0x%02X in a string is written \\u%04X",
			       (unsigned char)*at, (unsigned char)*at);
}

/* A string with a backslash at @at.  An escape takes no fewer bytes than what
 * it stands for. */
static int escaped_string(struct reader *j, const char *quote, const char *at)
{
	size_t len = 0;
	char *text;
	int r;

	while (at < j->end && *at == '\\')
		at = plain_end(at + (j->end - at < 2 ? 1 : 2), j->end);
	text = atio_build_room(j->b, (size_t)(at - quote));
	if (!text)
		return j->b->failed;
	r = unescape_all(j, quote + 1, at, text, &len);
	if (r < 0)
		return r;
	if (at == j->end || *at != '"')
		return bad_string(j, quote, at);
	j->s = at + 1;
	set_span(j, quote, (size_t)(j->s - quote));
	return atio_build_owned_text(j->b, ATIO_STRING, text, len);
}

static int string(struct reader *j)
{
	const char *quote = j->s, *at = plain_end(quote + 1, j->end);

	if (at < j->end && *at == '\\')
		return escaped_string(j, quote, at);
	if (at == j->end || *at != '"')
		return bad_string(j, quote, at);
	j->s = at + 1;
	set_span(j, quote, (size_t)(j->s - quote));
	return atio_build_text(j->b, ATIO_STRING, quote + 1,
			       (size_t)(at - quote - 1));
}

/* ---- numbers --------------------------------------------------------- */

static inline bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

struct number {
	const char *s, *end; /* of what there is, and then where it ends */
	const char *lacks;   /* what should be at @s, if it is none */
	bool integer;
};

/* At least one digit. */
static bool take_digits(struct number *n, const char *after)
{
	const char *begin = n->s;

	while (n->s < n->end && is_digit(*n->s))
		n->s++;
	n->lacks = after;
	return n->s > begin;
}

/* The number at n->s, as RFC 8259 spells it. */
static bool take_number(struct number *n)
{
	if (n->s < n->end && *n->s == '-')
		n->s++;
	if (n->s < n->end && *n->s == '0')
		n->s++;
	else if (!take_digits(n, "a digit after '-'"))
		return false;
	n->integer = true;
	if (n->s < n->end && *n->s == '.') {
		n->s++;
		n->integer = false;
		if (!take_digits(n, "a digit after '.'"))
			return false;
	}
	if (n->s == n->end || (*n->s != 'e' && *n->s != 'E'))
		return true;
	n->s++;
	n->integer = false;
	if (n->s < n->end && (*n->s == '+' || *n->s == '-'))
		n->s++;
	return take_digits(n, "a digit of the exponent");
}

enum atio_type atio_json_number_type(const char *text, size_t len)
{
	struct number n = {.s = text, .end = text + len};

	if (!take_number(&n) || n.s != n.end)
		return ATIO_NULL;
	return n.integer ? ATIO_INT : ATIO_FLOAT;
}

bool atio_json_is_number(const char *text, size_t len)
{
	return atio_json_number_type(text, len) != ATIO_NULL;
}

static int integer(struct reader *j, const char *start, size_t len)
{
	bool minus = *start == '-';
	int64_t value = 0;
	size_t i;

	if (len - minus > SAFE_DIGITS)
		return atio_build_integer(j->b, start, len);
	for (i = minus; i < len; i++)
		value = value * 10 + (start[i] - '0');
	/* Of the integers only -0 is not the canonical text already. */
	return atio_build_int_as(j->b, minus ? -value : value,
				 minus && !value ? start : NULL, len);
}

static int real(struct reader *j, const char *start, size_t len)
{
	double value = 0;
	int r = 0;

	/* Beyond the limit the builder refuses it. */
	if (len <= j->b->limits.number_chars)
		r = atio_float_parse(start, len, &value);
	if (r == -ERANGE)
		return atio_build_fail(j->b, ERANGE, offset_of(j, start),
				       "this number is too large for a double");
	if (r < 0)
		return atio_build_fail(j->b, -r, offset_of(j, start),
				       "the number cannot be read: %s",
				       strerrordesc_np(-r));
	return atio_build_float_as(j->b, value, start, len);
}

static int number(struct reader *j)
{
	const char *start = j->s;
	struct number n = {.s = start, .end = j->end};
	size_t len;

	if (!take_number(&n))
		return expected(j, n.s, n.lacks);
	if (n.s < j->end && is_digit(*n.s) && n.integer)
		return atio_build_fail(j->b, EINVAL, offset_of(j, start),
				       "a number has no 0 in front");
	len = (size_t)(n.s - start);
	j->s = n.s;
	set_span(j, start, len);
	return n.integer ? integer(j, start, len) : real(j, start, len);
}

/* ---- words ----------------------------------------------------------- */

/* The word at j->s is @word, of @len letters. */
static bool take_word(struct reader *j, const char *word, size_t len)
{
	if ((size_t)(j->end - j->s) < len || memcmp(j->s, word, len) != 0)
		return false;
	if (j->s + len < j->end && is_word(j->s[len]))
		return false;
	set_span(j, j->s, len);
	j->s += len;
	return true;
}

static int word(struct reader *j)
{
	if (take_word(j, "true", 4))
		return atio_build_bool(j->b, true);
	if (take_word(j, "false", 5))
		return atio_build_bool(j->b, false);
	if (take_word(j, "null", 4))
		return atio_build_null(j->b);
	return no_value(j);
}

/* ---- steps: each returns the next one, or -errno ---------------------- */

static int close_open(struct reader *j)
{
	int r;

	j->s++;
	r = atio_build_end_at(j->b, offset_of(j, j->s));
	if (r < 0)
		return r;
	j->open = atio_build_open(j->b);
	return AFTER;
}

static int open_list(struct reader *j)
{
	int r;

	set_span(j, j->s, 1);
	r = atio_build_seq(j->b);
	if (r < 0)
		return r;
	j->open = ATIO_SEQ;
	j->before = *j->s++;
	skip_blanks(j);
	return j->s < j->end && *j->s == ']' ? close_open(j) : VALUE;
}

static int open_map(struct reader *j)
{
	int r;

	set_span(j, j->s, 1);
	r = atio_build_map(j->b);
	if (r < 0)
		return r;
	j->open = ATIO_MAP;
	j->before = *j->s++;
	skip_blanks(j);
	return j->s < j->end && *j->s == '}' ? close_open(j) : KEY;
}

static int key(struct reader *j)
{
	int r;

	if (j->s == j->end || *j->s != '"')
		return expected(j, j->s,
				j->before == '{'
					? "a key in double quotes or '}'"
					: "a key in double quotes after ','");
	r = string(j);
	if (r < 0)
		return r;
	skip_blanks(j);
	if (j->s == j->end || *j->s != ':')
		return expected(j, j->s, "':' after a key");
	j->before = *j->s++;
	return VALUE;
}

static int value(struct reader *j)
{
	int r;

	if (j->s == j->end)
		return no_value(j);
	switch (*j->s) {
	case '"':
		r = string(j);
		break;
	case '{':
		return open_map(j);
	case '[':
		return open_list(j);
	case '-':
	case '0' ... '9':
		r = number(j);
		break;
	default:
		r = word(j);
	}
	return r < 0 ? r : AFTER;
}

static int after(struct reader *j)
{
	char c = j->s < j->end ? *j->s : '\0';

	switch (j->open) {
	case ATIO_SEQ:
		if (c == ']')
			return close_open(j);
		if (c != ',')
			return expected(j, j->s, "',' or ']' after a value");
		break;
	case ATIO_MAP:
		if (c == '}')
			return close_open(j);
		if (c != ',')
			return expected(j, j->s, "',' or '}' after a value");
		break;
	default:
		if (j->s < j->end)
			return expected(j, j->s,
					"nothing more after the value");
		return DONE;
	}
	j->before = *j->s++;
	return j->open == ATIO_SEQ ? VALUE : KEY;
}

static int load(const struct atio_codec *codec, struct atio_builder *b,
		const char *text, size_t len)
{
	struct reader j = {.b = b, .text = text, .s = text, .end = text + len};
	int next = VALUE;

	while (next >= 0 && next != DONE) {
		skip_blanks(&j);
		if (next == VALUE)
			next = value(&j);
		else if (next == KEY)
			next = key(&j);
		else
			next = after(&j);
	}
	return next < 0 ? next : 0;
}

static int dump(const struct atio_codec *codec, const struct atio_node *root,
		struct atio_out *out, struct atio_value_error *err)
{
	return atio_json_dump(root, 4, out, err);
}

static const char *const suffixes[] = {".json", NULL};

const struct atio_codec atio_codec_json = {
	.name = "json",
	.suffixes = suffixes,
	.target = ATIO_TO_JSON,
	.load = load,
	.dump = dump,
	.needs_value = true,
};
