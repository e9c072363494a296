/* SPDX-License-Identifier: MIT
 *
 * typed_dump.c - writing typed JSON, which typed.c describes: one line for each
 * scalar.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "format/typed.h"

#define INDENT 4

static int put(struct atio_out *out, const struct atio_node *node,
	       size_t depth);

/* Around the text of a scalar, which goes between. */
static void begin_scalar(struct atio_out *out, int type)
{
	atio_out_text(out, "{\"type\": \"");
	atio_out_text(out, atio_typed_names[type]);
	atio_out_text(out, "\", \"value\": ");
}

static void put_scalar(struct atio_out *out, int type, const char *text,
		       size_t len)
{
	begin_scalar(out, type);
	atio_json_put_string(out, text, len);
	atio_out_char(out, '}');
}

static void put_float(struct atio_out *out, const struct atio_node *node)
{
	char text[ATIO_FLOAT_TEXT_MAX];
	const char *lexeme;
	size_t len;

	lexeme = atio_node_lexeme(node, &len);
	/* 1e400 is infinite, and a float of that text could not be read. */
	if (!lexeme || isinf(node->real) ||
	    atio_json_number_type(lexeme, len) != ATIO_FLOAT) {
		lexeme = text;
		len = atio_float_text(node->real, text);
	}
	put_scalar(out, TYPED_FLOAT, lexeme, len);
}

static int put_bytes(struct atio_out *out, const struct atio_node *node)
{
	char *text = malloc(((size_t)node->count + 2) / 3 * 4 + 1);

	if (!text)
		return -ENOMEM;
	put_scalar(out, TYPED_BYTES, text,
		   atio_base64_text(node->text, node->count, text));
	free(text);
	return 0;
}

static int put_items(struct atio_out *out, const struct atio_node *seq,
		     size_t depth)
{
	size_t i;
	int r;

	atio_out_char(out, '[');
	for (i = 0; i < seq->count; i++) {
		if (i)
			atio_out_char(out, ',');
		atio_out_line(out, (depth + 1) * INDENT);
		r = put(out, seq->items[i], depth + 1);
		if (r < 0)
			return r;
	}
	if (seq->count)
		atio_out_line(out, depth * INDENT);
	atio_out_char(out, ']');
	return 0;
}

static int put_object(struct atio_out *out, const struct atio_node *map,
		      size_t depth)
{
	const struct atio_pair *pair;
	size_t i;
	int r;

	atio_out_char(out, '{');
	for (i = 0; i < map->count; i++) {
		pair = &map->pairs[i];
		if (i)
			atio_out_char(out, ',');
		atio_out_line(out, (depth + 1) * INDENT);
		atio_json_put_string(out, pair->key->text, pair->key->count);
		atio_out_text(out, ": ");
		r = put(out, pair->value, depth + 1);
		if (r < 0)
			return r;
	}
	if (map->count)
		atio_out_line(out, depth * INDENT);
	atio_out_char(out, '}');
	return 0;
}

static int put_pairs(struct atio_out *out, const struct atio_node *map,
		     size_t depth)
{
	size_t i;
	int r;

	begin_scalar(out, TYPED_MAP);
	atio_out_char(out, '[');
	for (i = 0; i < map->count; i++) {
		if (i)
			atio_out_char(out, ',');
		atio_out_line(out, (depth + 1) * INDENT);
		atio_out_char(out, '[');
		r = put(out, map->pairs[i].key, depth + 1);
		if (r < 0)
			return r;
		atio_out_text(out, ", ");
		r = put(out, map->pairs[i].value, depth + 1);
		if (r < 0)
			return r;
		atio_out_char(out, ']');
	}
	atio_out_line(out, depth * INDENT);
	atio_out_text(out, "]}");
	return 0;
}

static int put_map(struct atio_out *out, const struct atio_node *map,
		   size_t depth)
{
	size_t i;

	for (i = 0; i < map->count; i++)
		if (map->pairs[i].key->type != ATIO_STRING)
			return put_pairs(out, map, depth);
	return put_object(out, map, depth);
}

static int put_tagged(struct atio_out *out, const struct atio_node *node,
		      size_t depth)
{
	int r;

	atio_out_text(out, "{\"type\": \"tagged\", \"tag\": ");
	atio_json_put_string(out, node->text, node->count);
	atio_out_text(out, ", \"value\": ");
	r = put(out, node->inner, depth);
	atio_out_char(out, '}');
	return r;
}

static int put_stream(struct atio_out *out, const struct atio_node *node,
		      size_t depth)
{
	int r;

	begin_scalar(out, TYPED_STREAM);
	r = put_items(out, node, depth);
	atio_out_char(out, '}');
	return r;
}

static void put_text(struct atio_out *out, int type,
		     const struct atio_node *node)
{
	const char *text;
	size_t len;

	text = atio_node_text(node, &len);
	put_scalar(out, type, text, len);
}

static void put_int(struct atio_out *out, int64_t value)
{
	char text[ATIO_FLOAT_TEXT_MAX];
	size_t len = atio_int_text(value, text);

	put_scalar(out, TYPED_INTEGER, text, len);
}

static int put(struct atio_out *out, const struct atio_node *node, size_t depth)
{
	switch ((enum atio_type)node->type) {
	case ATIO_NULL:
		put_scalar(out, TYPED_NULL, "", 0);
		return 0;
	case ATIO_BOOL:
		put_scalar(out, TYPED_BOOL, node->boolean ? "true" : "false",
			   node->boolean ? 4 : 5);
		return 0;
	case ATIO_INT:
		put_int(out, node->integer);
		return 0;
	case ATIO_BIGINT:
		put_text(out, TYPED_INTEGER, node);
		return 0;
	case ATIO_FLOAT:
		put_float(out, node);
		return 0;
	case ATIO_STRING:
		put_text(out, TYPED_STRING, node);
		return 0;
	case ATIO_DATETIME:
		put_text(out, TYPED_DATETIME + node->datetime, node);
		return 0;
	case ATIO_BYTES:
		return put_bytes(out, node);
	case ATIO_SEQ:
		return put_items(out, node, depth);
	case ATIO_MAP:
		return put_map(out, node, depth);
	case ATIO_TAGGED:
		return put_tagged(out, node, depth);
	case ATIO_STREAM:
		return put_stream(out, node, depth);
	case ATIO_ALIAS: /* what fits has none */
		break;
	}
	return -EOPNOTSUPP;
}

int atio_typed_put(struct atio_out *out, const struct atio_node *root)
{
	int r = put(out, root, 0);

	atio_out_char(out, '\n');
	return r;
}
