/* SPDX-License-Identifier: MIT
 *
 * TOML: how keys and scalars are written.
 */
#include "format/toml.h"

#include <errno.h>
#include <string.h>

/* ---- text ------------------------------------------------------------ */

static void put_escaped(struct atio_out *out, unsigned char c)
{
	static const char hex[] = "0123456789ABCDEF";
	char code[] = "\\u0000";

	switch (c) {
	case '\b':
		atio_out_text(out, "\\b");
		break;
	case '\t':
		atio_out_text(out, "\\t");
		break;
	case '\n':
		atio_out_text(out, "\\n");
		break;
	case '\f':
		atio_out_text(out, "\\f");
		break;
	case '\r':
		atio_out_text(out, "\\r");
		break;
	case '"':
		atio_out_text(out, "\\\"");
		break;
	case '\\':
		atio_out_text(out, "\\\\");
		break;
	default:
		code[4] = hex[c >> 4];
		code[5] = hex[c & 15];
		atio_out_text(out, code);
	}
}

static void put_basic(struct atio_out *out, const char *text, size_t len)
{
	size_t i, done = 0;

	atio_out_char(out, '"');
	for (i = 0; i < len; i++) {
		if (toml_is(text[i], TOML_BASIC) && text[i] != '\t')
			continue;
		atio_out_put(out, text + done, i - done);
		put_escaped(out, (unsigned char)text[i]);
		done = i + 1;
	}
	atio_out_put(out, text + done, len - done);
	atio_out_char(out, '"');
}

/* """, with line ends as such.  A quote is escaped where it would be the third
 * in a row, or would meet those of the end. */
static void put_basic_lines(struct atio_out *out, const char *text, size_t len)
{
	size_t i, done = 0, quotes = 0;

	atio_out_text(out, "\"\"\"\n");
	for (i = 0; i < len; i++) {
		char c = text[i];

		quotes = c == '"' ? quotes + 1 : 0;
		if (toml_is(c, TOML_BASIC) || c == '\n' ||
		    (c == '"' && quotes < 3 && i + 1 < len))
			continue;
		atio_out_put(out, text + done, i - done);
		put_escaped(out, (unsigned char)c);
		done = i + 1;
		quotes = 0;
	}
	atio_out_put(out, text + done, len - done);
	atio_out_text(out, "\"\"\"");
}

/* Whether @text can stand between literal quotes: '...' or '''...'''. */
static bool fits_literal(const char *text, size_t len, bool lines)
{
	for (size_t i = 0; i < len; i++) {
		if (!toml_is(text[i], TOML_LITERAL) &&
		    !(lines && text[i] == '\n'))
			return false;
	}
	return true;
}

static void put_literal(struct atio_out *out, const struct atio_node *node,
			const char *begin, const char *end)
{
	atio_out_text(out, begin);
	atio_out_put(out, node->text, node->count);
	atio_out_text(out, end);
}

/* On one line. */
static void put_text(struct atio_out *out, const struct atio_node *node)
{
	if (node->style == ATIO_STYLE_SINGLE &&
	    fits_literal(node->text, node->count, false))
		put_literal(out, node, "'", "'");
	else
		put_basic(out, node->text, node->count);
}

void atio_toml_put_text(struct atio_out *out, const struct atio_node *node)
{
	if (node->style == ATIO_STYLE_DOUBLE ||
	    !memchr(node->text, '\n', node->count))
		put_text(out, node);
	else if (node->style == ATIO_STYLE_LITERAL &&
		 fits_literal(node->text, node->count, true))
		put_literal(out, node, "'''\n", "'''");
	else
		put_basic_lines(out, node->text, node->count);
}

void atio_toml_put_key(struct atio_out *out, const struct atio_node *key)
{
	bool bare = key->count;

	for (size_t i = 0; bare && i < key->count; i++)
		bare = toml_is(key->text[i], TOML_BARE);
	if (bare)
		atio_out_put(out, key->text, key->count);
	else
		put_basic(out, key->text, key->count);
}

/* ---- other scalars --------------------------------------------------- */

/* As it was written, if TOML writes it so, too. */
static bool put_lexeme(struct atio_out *out, const struct atio_node *node)
{
	struct toml_scan scan = {0};
	enum toml_number kind;

	scan.text = atio_node_lexeme(node, &scan.len);
	if (!scan.text)
		return false;
	if (node->type == ATIO_DATETIME) {
		if (!atio_toml_is_datetime(scan.text, scan.len))
			return false;
	} else {
		kind = node->type == ATIO_INT ? TOML_INTEGER : TOML_FLOAT;
		if (atio_toml_scan(&scan) != kind)
			return false;
	}
	atio_out_put(out, scan.text, scan.len);
	return true;
}

int atio_toml_put_scalar(struct atio_out *out, const struct atio_node *node)
{
	char number[ATIO_FLOAT_TEXT_MAX];
	const char *text = number;
	size_t len;

	switch ((enum atio_type)node->type) {
	case ATIO_STRING:
		put_text(out, node);
		return 0;
	case ATIO_BOOL:
		atio_out_text(out, node->boolean ? "true" : "false");
		return 0;
	case ATIO_INT:
		len = atio_int_text(node->integer, number);
		break;
	case ATIO_FLOAT:
		len = atio_float_text(node->real, number);
		break;
	case ATIO_DATETIME:
		text = atio_node_text(node, &len);
		break;
	case ATIO_BIGINT:
		return -ERANGE;
	default:
		return -EOPNOTSUPP;
	}
	if (!put_lexeme(out, node))
		atio_out_put(out, text, len);
	return 0;
}
