/* SPDX-License-Identifier: MIT
 *
 * equal.c - whether two values are the same.
 */
#include <string.h>

#include "value/inside.h"

/* Aliases can make a tree without end: two of them are equal if they are as
 * deep as any document may be. */
#define DEPTH_MOST 20000

static bool same(const struct atio_node *a, const struct atio_node *b,
		 size_t depth);

static bool same_text(const struct atio_node *a, const struct atio_node *b)
{
	size_t a_len, b_len;
	const char *a_text = atio_node_text(a, &a_len);
	const char *b_text = atio_node_text(b, &b_len);

	return a_len == b_len && memcmp(a_text, b_text, a_len) == 0;
}

static bool same_map(const struct atio_node *a, const struct atio_node *b,
		     size_t depth)
{
	size_t i;
	long at;

	for (i = 0; i < a->count; i++) {
		at = atio_map_find(b, a->pairs[i].key);
		if (at < 0 ||
		    !same(a->pairs[i].value, b->pairs[at].value, depth))
			return false;
	}
	return true;
}

static bool same_seq(const struct atio_node *a, const struct atio_node *b,
		     size_t depth)
{
	size_t i;

	for (i = 0; i < a->count; i++)
		if (!same(a->items[i], b->items[i], depth))
			return false;
	return true;
}

static bool same(const struct atio_node *a, const struct atio_node *b,
		 size_t depth)
{
	while (a->type == ATIO_ALIAS && depth++ < DEPTH_MOST)
		a = a->inner;
	while (b->type == ATIO_ALIAS && depth++ < DEPTH_MOST)
		b = b->inner;
	if (a == b || depth >= DEPTH_MOST)
		return true;
	if (a->type != b->type)
		return false;
	switch ((enum atio_type)a->type) {
	case ATIO_NULL:
	case ATIO_ALIAS:
		return true;
	case ATIO_BOOL:
		return a->boolean == b->boolean;
	case ATIO_INT:
		return a->integer == b->integer;
	case ATIO_FLOAT:
		return a->real == b->real ||
		       (a->real != a->real && b->real != b->real);
	case ATIO_SEQ:
	case ATIO_STREAM:
		return a->count == b->count && same_seq(a, b, depth + 1);
	case ATIO_MAP:
		return a->count == b->count && same_map(a, b, depth + 1);
	case ATIO_TAGGED:
		return same_text(a, b) && same(a->inner, b->inner, depth + 1);
	default:
		return same_text(a, b);
	}
}

bool atio_value_equal(const struct atio_node *a, const struct atio_node *b)
{
	return same(a, b, 0);
}
