/* SPDX-License-Identifier: MIT
 *
 * TOML: values, among them arrays and inline tables, however deep: those that
 * are open are kept in t->levels.
 */
#include "format/toml.h"

#include <errno.h>
#include <stdlib.h>

static int push(struct toml *t, struct atio_node *node, size_t depth)
{
	size_t room = t->level_room ? 2 * t->level_room : 16;
	struct toml_level *levels;

	if (t->open == t->level_room) {
		levels = realloc(t->levels, room * sizeof(*levels));
		if (!levels)
			return toml_fail(t, ENOMEM, t->at, "out of memory");
		t->levels = levels;
		t->level_room = room;
	}
	t->levels[t->open++] = (struct toml_level){node, depth};
	return 0;
}

/* The bracket that closes the last level, at t->at. */
static void pop(struct toml *t)
{
	struct atio_node *node = t->levels[--t->open].node;

	t->at++;
	node->length = toml_offset(t, t->at) - node->offset;
}

/* [ or { */
static int begin_collection(struct toml *t, const struct toml_slot *slot)
{
	enum atio_type type = *t->at == '[' ? ATIO_SEQ : ATIO_MAP;
	struct atio_node *node;

	node = atio_toml_collection(t, slot, type, ATIO_STYLE_FLOW, t->at,
				    t->at + 1);
	if (!node)
		return t->b->failed;
	t->at++;
	return push(t, node, slot->depth + 1);
}

/* A scalar, or the beginning of a collection. */
static int begin_value(struct toml *t, const struct toml_slot *slot)
{
	char seen[TOML_SEEN_MAX], c = toml_peek(t);
	struct toml_text text;
	struct atio_node *node;
	int r;

	if (c == '"' || c == '\'') {
		r = atio_toml_string(t, true, &text);
		if (r)
			return r;
		node = atio_toml_text_node(t, ATIO_STRING, &text);
	} else if (c == '[' || c == '{') {
		return begin_collection(t, slot);
	} else if (toml_is(c, TOML_WORD)) {
		node = atio_toml_scalar(t);
	} else {
		return toml_fail(t, EINVAL, t->at, "expected a value, not %s",
				 atio_toml_seen(t, t->at, seen));
	}
	return node ? atio_toml_put(t, slot, node) : t->b->failed;
}

/* What may stand between the members of an array. */
static int skip_space(struct toml *t)
{
	size_t newline;
	int r;

	for (;;) {
		toml_skip_blanks(t);
		newline = atio_toml_newline(t, t->at);
		if (newline)
			t->at += newline;
		else if (toml_peek(t) != '#')
			return 0;
		else if ((r = atio_toml_comment(t)))
			return r;
	}
}

static int fail_separator(struct toml *t, const char *what)
{
	char seen[TOML_SEEN_MAX];

	return toml_fail(t, EINVAL, t->at, "expected %s, not %s", what,
			 atio_toml_seen(t, t->at, seen));
}

/* The next member of the array that is open, or its end. */
static int next_item(struct toml *t, const struct toml_level *level)
{
	struct toml_slot slot = {level->node, NULL, level->depth};
	int r = skip_space(t);

	if (!r && level->node->count && toml_peek(t) != ']') {
		if (toml_peek(t) != ',')
			return fail_separator(t, "',' or ']' in an array");
		t->at++;
		r = skip_space(t);
	}
	if (r)
		return r;
	if (toml_peek(t) != ']')
		return begin_value(t, &slot);
	pop(t);
	return 0;
}

/* The next member of the inline table that is open, or its end. */
static int next_entry(struct toml *t, const struct toml_level *level)
{
	struct toml_slot slot = {level->node, NULL, level->depth};
	int r;

	toml_skip_blanks(t);
	if (toml_peek(t) == '}') {
		pop(t);
		return 0;
	}
	if (level->node->count) {
		if (toml_peek(t) != ',')
			return fail_separator(t,
					      "',' or '}' in an inline table");
		t->at++;
	}
	r = atio_toml_entry_key(t, &slot);
	if (r)
		return r;
	toml_skip_blanks(t);
	return begin_value(t, &slot);
}

int atio_toml_value(struct toml *t, struct toml_slot slot)
{
	int r;

	toml_skip_blanks(t);
	r = begin_value(t, &slot);
	while (!r && t->open) {
		/* A copy: the array of levels moves as it grows. */
		struct toml_level level = t->levels[t->open - 1];

		r = level.node->type == ATIO_SEQ ? next_item(t, &level)
						 : next_entry(t, &level);
	}
	return r;
}
