/* SPDX-License-Identifier: MIT
 *
 * scalar.c - scalars as text, for formats that cannot hold them otherwise.
 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "format/codec.h"
#include "value/fit.h"

const char *atio_scalar_text(const struct atio_node *node,
			     char room[ATIO_FLOAT_TEXT_MAX], size_t *ret_len)
{
	const char *lexeme;

	switch ((enum atio_type)node->type) {
	case ATIO_BOOL:
		*ret_len = node->boolean ? 4 : 5;
		return node->boolean ? "true" : "false";
	case ATIO_INT:
	case ATIO_BIGINT:
	case ATIO_FLOAT:
		lexeme = atio_node_lexeme(node, ret_len);
		if (lexeme && atio_json_is_number(lexeme, *ret_len))
			return lexeme;
		break;
	default:
		break;
	}
	if (node->type == ATIO_INT)
		*ret_len = atio_int_text(node->integer, room);
	else if (node->type == ATIO_FLOAT)
		*ret_len = atio_float_text(node->real, room);
	else
		return atio_node_text(node, ret_len);
	return room;
}

static struct atio_node *base64_string(struct atio_doc *doc,
				       const struct atio_node *bytes)
{
	size_t len = ((size_t)bytes->count + 2) / 3 * 4;
	struct atio_node *node = atio_node_new(doc, ATIO_STRING);
	char *text;

	if (!node || len >= UINT32_MAX)
		return NULL;
	text = atio_arena_get(&doc->arena, len + 1);
	if (!text)
		return NULL;
	node->count =
		(uint32_t)atio_base64_text(bytes->text, bytes->count, text);
	text[node->count] = '\0';
	node->text = text;
	return node;
}

struct atio_node *atio_scalar_string(struct atio_doc *doc,
				     const struct atio_node *node)
{
	char room[ATIO_FLOAT_TEXT_MAX];
	const char *text;
	size_t len;

	if (node->type == ATIO_BYTES)
		return base64_string(doc, node);
	text = atio_scalar_text(node, room, &len);
	return atio_node_new_text(doc, ATIO_STRING, text, len);
}

/* ---- the way back ---------------------------------------------------- */

static int parse_integer(struct atio_doc *doc, const struct atio_node *text,
			 struct atio_node **ret_node)
{
	int64_t value = 0;
	int r;

	if (atio_json_number_type(text->text, text->count) != ATIO_INT ||
	    text->count > doc->limits.number_chars)
		return -EINVAL;
	r = atio_int_parse(text->text, text->count, &value);
	if (r == -ERANGE)
		*ret_node = atio_node_new_text(doc, ATIO_BIGINT, text->text,
					       text->count);
	else if (value == 0 && text->count > 1) /* -0 */
		*ret_node = atio_node_new_text(doc, ATIO_INT, text->text,
					       text->count);
	else
		*ret_node = atio_node_new(doc, ATIO_INT);
	if (!*ret_node)
		return -ENOMEM;
	if (r == 0)
		(*ret_node)->integer = value;
	return 0;
}

static bool is_text(const struct atio_node *node, const char *text)
{
	return node->count == strlen(text) &&
	       memcmp(node->text, text, node->count) == 0;
}

/* An integer's text is a float here, but not one that a float is written as. */
static int parse_float(struct atio_doc *doc, const struct atio_node *text,
		       struct atio_node **ret_node)
{
	enum atio_type type = atio_json_number_type(text->text, text->count);
	double value = 0;
	int r = 0;

	if (text->count > doc->limits.number_chars)
		return -EINVAL;
	if (type != ATIO_NULL)
		r = atio_float_parse(text->text, text->count, &value);
	else if (is_text(text, "nan"))
		value = NAN;
	else if (is_text(text, "inf") || is_text(text, "-inf"))
		value = text->text[0] == '-' ? -INFINITY : INFINITY;
	else
		return -EINVAL;
	if (r < 0)
		return r == -ENOMEM ? r : -EINVAL;
	*ret_node = type == ATIO_FLOAT
			    ? atio_node_new_text(doc, ATIO_FLOAT, text->text,
						 text->count)
			    : atio_node_new(doc, ATIO_FLOAT);
	if (!*ret_node)
		return -ENOMEM;
	(*ret_node)->real = value;
	return 0;
}

static int parse_bool(struct atio_doc *doc, const struct atio_node *text,
		      struct atio_node **ret_node)
{
	if (!is_text(text, "true") && !is_text(text, "false"))
		return -EINVAL;
	*ret_node = atio_node_new(doc, ATIO_BOOL);
	if (!*ret_node)
		return -ENOMEM;
	(*ret_node)->boolean = text->count == strlen("true");
	return 0;
}

static int parse_datetime(struct atio_doc *doc, const struct atio_node *text,
			  struct atio_node **ret_node)
{
	char canonical[ATIO_DATETIME_TEXT_MAX];
	enum atio_datetime kind;
	struct atio_node *node;

	if (atio_datetime_parse(text->text, text->count, &kind, canonical) < 0)
		return -EINVAL;
	node = atio_node_new_text(doc, ATIO_DATETIME, text->text, text->count);
	if (!node)
		return -ENOMEM;
	node->datetime = (uint8_t)kind;
	if (!is_text(text, canonical)) {
		node->canonical = atio_arena_text(&doc->arena, canonical,
						  strlen(canonical));
		if (!node->canonical)
			return -ENOMEM;
	}
	*ret_node = node;
	return 0;
}

static int parse_bytes(struct atio_doc *doc, const struct atio_node *text,
		       struct atio_node **ret_node)
{
	size_t most = (size_t)text->count / 4 * 3 + 3;
	char *bytes = atio_arena_get(&doc->arena, most + 1);
	struct atio_node *node = atio_node_new(doc, ATIO_BYTES), *again;
	long len;

	if (!bytes || !node)
		return -ENOMEM;
	len = atio_base64_bytes(text->text, text->count, bytes);
	if (len < 0)
		return -EINVAL;
	bytes[len] = '\0';
	node->text = bytes;
	node->count = (uint32_t)len;
	/* The decoder takes blanks, too: words can look like base64. */
	again = base64_string(doc, node);
	if (!again)
		return -ENOMEM;
	if (again->count != text->count ||
	    memcmp(again->text, text->text, text->count) != 0)
		return -EINVAL;
	*ret_node = node;
	return 0;
}

int atio_scalar_parse(struct atio_doc *doc, const struct atio_node *text,
		      enum atio_type type, struct atio_node **ret_node)
{
	switch (type) {
	case ATIO_NULL:
		if (text->count)
			return -EINVAL;
		*ret_node = atio_node_new(doc, ATIO_NULL);
		return *ret_node ? 0 : -ENOMEM;
	case ATIO_BOOL:
		return parse_bool(doc, text, ret_node);
	case ATIO_INT:
	case ATIO_BIGINT:
		return parse_integer(doc, text, ret_node);
	case ATIO_FLOAT:
		return parse_float(doc, text, ret_node);
	case ATIO_BYTES:
		return parse_bytes(doc, text, ret_node);
	case ATIO_DATETIME:
		return parse_datetime(doc, text, ret_node);
	default:
		return -EINVAL;
	}
}
