/* SPDX-License-Identifier: MIT
 *
 * json_dump.c - writing JSON.
 *
 * Keys stay in their order and characters as they are, only quotes, backslashes
 * and control characters are escaped.  A number is written as it was read, if
 * JSON spells it so and reads the same type from it.
 */
#include <endian.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "format/codec.h"

#define BYTES(c) (0x0101010101010101ull * (c)) /* @c in all eight bytes */

struct writer {
	struct atio_out *out;
	struct atio_value_error *err;
	unsigned indent;
};

/* ---- strings --------------------------------------------------------- */

static void put_escape(struct atio_out *out, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	static const char letters['\\' + 1] = {
		['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n',  ['\f'] = 'f',
		['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\',
	};
	char text[6] = {'\\', letters[c]};

	if (letters[c]) {
		atio_out_put(out, text, 2);
		return;
	}
	memcpy(text, "\\u00", 4);
	text[4] = hex[c >> 4];
	text[5] = hex[c & 15];
	atio_out_put(out, text, sizeof(text));
}

static inline bool is_plain(char c)
{
	return (unsigned char)c >= 0x20 && c != '"' && c != '\\';
}

/* Whether one of eight bytes has to be escaped. */
static inline bool any_special(uint64_t word)
{
	uint64_t quote = word ^ BYTES('"'), slash = word ^ BYTES('\\');

	return (((quote - BYTES(1)) & ~quote) | ((slash - BYTES(1)) & ~slash) |
		((word - BYTES(0x20)) & ~word)) &
	       BYTES(0x80);
}

/* Copy what is plain at @s; returns where that ends.  There is room for it
 * all. */
static inline const char *copy_plain(struct atio_out *out, const char *s,
				     const char *end)
{
	char *to = out->bytes + out->len;
	uint64_t word;

	while (end - s >= 8) {
		memcpy(&word, s, sizeof(word));
		if (any_special(word))
			break;
		memcpy(to, &word, sizeof(word));
		s += 8;
		to += 8;
	}
	while (s < end && is_plain(*s))
		*to++ = *s++;
	out->len = (size_t)(to - out->bytes);
	return s;
}

/* The same where there may be no room yet. */
static const char *put_plain(struct atio_out *out, const char *s,
			     const char *end)
{
	const char *run = s;

	while (s < end && is_plain(*s))
		s++;
	atio_out_put(out, run, (size_t)(s - run));
	return s;
}

void atio_json_put_string(struct atio_out *out, const char *text, size_t len)
{
	const char *end = text + len;

	atio_out_char(out, '"');
	while (text < end && !out->failed) {
		if ((size_t)(end - text) <= out->room - out->len)
			text = copy_plain(out, text, end);
		else
			text = put_plain(out, text, end);
		if (text < end)
			put_escape(out, (unsigned char)*text++);
	}
	atio_out_char(out, '"');
}

/* ---- numbers --------------------------------------------------------- */

static bool put_lexeme(struct writer *w, const struct atio_node *node)
{
	bool real = node->type == ATIO_FLOAT;
	const char *lexeme;
	size_t len;

	lexeme = atio_node_lexeme(node, &len);
	if (!lexeme || atio_json_number_type(lexeme, len) !=
			       (real ? ATIO_FLOAT : ATIO_INT))
		return false;
	atio_out_put(w->out, lexeme, len);
	return true;
}

static int cannot(struct writer *w, const struct atio_step *step,
		  const char *what)
{
	return atio_value_fail(w->err, EOPNOTSUPP, step, "JSON has no %s",
			       what);
}

static int put_number(struct writer *w, const struct atio_node *node,
		      const struct atio_step *step)
{
	char number[ATIO_FLOAT_TEXT_MAX];
	const char *text = number;
	size_t len;

	if (node->type == ATIO_FLOAT && !isfinite(node->real))
		return cannot(w, step, isnan(node->real) ? "nan" : "infinity");
	if (put_lexeme(w, node))
		return 0;
	if (node->type == ATIO_INT)
		len = atio_int_text(node->integer, number);
	else if (node->type == ATIO_FLOAT)
		len = atio_float_text(node->real, number);
	else
		text = atio_node_text(node, &len);
	atio_out_put(w->out, text, len);
	return 0;
}

/* ---- values ---------------------------------------------------------- */

static int put(struct writer *w, const struct atio_node *node, size_t depth,
	       const struct atio_step *step);

static void put_break(struct writer *w, size_t depth)
{
	if (w->indent)
		atio_out_line(w->out, depth * w->indent);
}

static int put_seq(struct writer *w, const struct atio_node *seq, size_t depth,
		   const struct atio_step *step)
{
	struct atio_step here = {.up = step};
	int r;

	atio_out_char(w->out, '[');
	for (; here.index < seq->count; here.index++) {
		if (here.index)
			atio_out_char(w->out, ',');
		put_break(w, depth + 1);
		r = put(w, seq->items[here.index], depth + 1, &here);
		if (r < 0)
			return r;
	}
	if (seq->count)
		put_break(w, depth);
	atio_out_char(w->out, ']');
	return 0;
}

static int put_map(struct writer *w, const struct atio_node *map, size_t depth,
		   const struct atio_step *step)
{
	struct atio_step here = {.up = step};
	const struct atio_node *key;
	uint32_t i;
	int r;

	atio_out_char(w->out, '{');
	for (i = 0; i < map->count; i++) {
		key = here.key = map->pairs[i].key;
		if (key->type != ATIO_STRING)
			return cannot(w, &here, "keys but strings");
		if (i)
			atio_out_char(w->out, ',');
		put_break(w, depth + 1);
		atio_json_put_string(w->out, key->text, key->count);
		atio_out_char(w->out, ':');
		if (w->indent)
			atio_out_char(w->out, ' ');
		r = put(w, map->pairs[i].value, depth + 1, &here);
		if (r < 0)
			return r;
	}
	if (map->count)
		put_break(w, depth);
	atio_out_char(w->out, '}');
	return 0;
}

static int put(struct writer *w, const struct atio_node *node, size_t depth,
	       const struct atio_step *step)
{
	switch ((enum atio_type)node->type) {
	case ATIO_NULL:
		atio_out_put(w->out, "null", 4);
		return 0;
	case ATIO_BOOL:
		atio_out_text(w->out, node->boolean ? "true" : "false");
		return 0;
	case ATIO_INT:
	case ATIO_BIGINT:
	case ATIO_FLOAT:
		return put_number(w, node, step);
	case ATIO_STRING:
		atio_json_put_string(w->out, node->text, node->count);
		return 0;
	case ATIO_SEQ:
		return put_seq(w, node, depth, step);
	case ATIO_MAP:
		return put_map(w, node, depth, step);
	default:
		return cannot(w, step, atio_type_name(node->type));
	}
}

int atio_json_dump(const struct atio_node *root, unsigned indent,
		   struct atio_out *out, struct atio_value_error *err)
{
	struct writer w = {.out = out, .err = err, .indent = indent};
	int r = put(&w, root, 0, NULL);

	if (r == 0 && indent)
		atio_out_char(out, '\n');
	return r;
}
