/* SPDX-License-Identifier: MIT
 *
 * scalar.c - scalars as text, for formats that cannot hold them otherwise.
 */
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
