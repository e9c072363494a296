/* SPDX-License-Identifier: MIT
 *
 * tree.c - documents, their nodes, and reading them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "value/inside.h"

/* ---- documents ------------------------------------------------------- */

int atio_doc_new(const struct atio_limits *complete, struct atio_doc **ret_doc)
{
	struct atio_doc *doc = calloc(1, sizeof(*doc));

	if (!doc)
		return -ENOMEM;
	doc->limits = *complete;
	doc->root = atio_node_new(doc, ATIO_NULL);
	if (!doc->root) {
		atio_doc_free(doc);
		return -ENOMEM;
	}
	*ret_doc = doc;
	return 0;
}

void atio_doc_free(struct atio_doc *doc)
{
	if (!doc)
		return;
	atio_arena_done(&doc->arena);
	free(doc);
}

const struct atio_node *atio_doc_root(const struct atio_doc *doc)
{
	return doc->root;
}

unsigned atio_doc_traits(const struct atio_doc *doc)
{
	return doc->traits;
}

/* ---- nodes ----------------------------------------------------------- */

struct atio_node *atio_node_new(struct atio_doc *doc, enum atio_type type)
{
	struct atio_node *node = atio_arena_get(&doc->arena, sizeof(*node));

	if (!node)
		return NULL;
	*node = (struct atio_node){.type = (uint8_t)type};
	return node;
}

struct atio_node *atio_node_new_text(struct atio_doc *doc, enum atio_type type,
				     const char *text, size_t len)
{
	struct atio_node *node;
	char *copy;

	if (len >= UINT32_MAX)
		return NULL;
	node = atio_arena_get(&doc->arena, sizeof(*node) + len + 1);
	if (!node)
		return NULL;
	copy = (char *)(node + 1);
	if (len)
		memcpy(copy, text, len);
	copy[len] = '\0';
	*node = (struct atio_node){.type = (uint8_t)type,
				   .count = (uint32_t)len,
				   .text = copy};
	return node;
}

static bool has_members(const struct atio_node *node)
{
	return node->type == ATIO_SEQ || node->type == ATIO_MAP ||
	       node->type == ATIO_STREAM;
}

/* ---- reading --------------------------------------------------------- */

enum atio_type atio_node_type(const struct atio_node *node)
{
	return node->type;
}

static const char *const phrases[] = {
	[ATIO_NULL] = "a null",
	[ATIO_BOOL] = "a boolean",
	[ATIO_INT] = "an integer",
	[ATIO_BIGINT] = "a big integer",
	[ATIO_FLOAT] = "a float",
	[ATIO_STRING] = "a string",
	[ATIO_BYTES] = "some bytes",
	[ATIO_DATETIME] = "a date or time",
	[ATIO_SEQ] = "a list",
	[ATIO_MAP] = "a map",
	[ATIO_TAGGED] = "a tagged value",
	[ATIO_ALIAS] = "an alias",
	[ATIO_STREAM] = "a stream of documents",
};

const char *atio_type_phrase(enum atio_type type)
{
	if ((size_t)type >= sizeof(phrases) / sizeof(*phrases))
		return "an unknown value";
	return phrases[type];
}

const char *atio_type_name(enum atio_type type)
{
	return strchr(atio_type_phrase(type), ' ') + 1;
}

bool atio_node_bool(const struct atio_node *node)
{
	return node->type == ATIO_BOOL && node->boolean;
}

int64_t atio_node_int(const struct atio_node *node)
{
	return node->type == ATIO_INT ? node->integer : 0;
}

double atio_node_float(const struct atio_node *node)
{
	double value = 0;
	const char *text;
	size_t len;

	if (node->type == ATIO_FLOAT)
		return node->real;
	if (node->type == ATIO_INT)
		return (double)node->integer;
	if (node->type == ATIO_BIGINT) {
		text = atio_node_text(node, &len);
		(void)atio_float_parse(text, len, &value);
	}
	return value;
}

enum atio_datetime atio_node_datetime(const struct atio_node *node)
{
	return node->datetime;
}

const char *atio_node_text(const struct atio_node *node, size_t *ret_len)
{
	const char *text = "";
	size_t len = 0;

	switch ((enum atio_type)node->type) {
	case ATIO_BIGINT:
	case ATIO_DATETIME:
		text = node->canonical ? node->canonical : node->text;
		len = node->canonical ? strlen(text) : node->count;
		break;
	case ATIO_STRING:
	case ATIO_BYTES:
	case ATIO_TAGGED:
	case ATIO_ALIAS:
		text = node->text;
		len = node->count;
		break;
	default:
		break;
	}
	if (ret_len)
		*ret_len = len;
	return text;
}

const char *atio_node_lexeme(const struct atio_node *node, size_t *ret_len)
{
	const char *lexeme = NULL;

	switch ((enum atio_type)node->type) {
	case ATIO_INT:
	case ATIO_FLOAT:
		lexeme = node->text;
		break;
	case ATIO_BIGINT:
	case ATIO_DATETIME:
		lexeme = node->canonical ? node->text : NULL;
		break;
	default:
		break;
	}
	if (ret_len)
		*ret_len = lexeme ? node->count : 0;
	return lexeme;
}

size_t atio_node_count(const struct atio_node *node)
{
	return has_members(node) ? node->count : 0;
}

const struct atio_node *atio_node_at(const struct atio_node *node, size_t index)
{
	if (index >= atio_node_count(node))
		return NULL;
	return node->type == ATIO_MAP ? node->pairs[index].value
				      : node->items[index];
}

const struct atio_node *atio_node_key(const struct atio_node *map, size_t index)
{
	if (map->type != ATIO_MAP || index >= map->count)
		return NULL;
	return map->pairs[index].key;
}

const struct atio_node *atio_node_member(const struct atio_node *map,
					 const char *key, size_t key_len)
{
	long i;

	if (map->type != ATIO_MAP)
		return NULL;
	i = atio_map_find_text(map, key, key_len);
	return i < 0 ? NULL : map->pairs[i].value;
}

const struct atio_node *atio_node_inner(const struct atio_node *node)
{
	if (node->type != ATIO_TAGGED && node->type != ATIO_ALIAS)
		return NULL;
	return node->inner;
}

struct atio_span atio_node_span(const struct atio_node *node)
{
	return (struct atio_span){node->offset, node->length};
}
