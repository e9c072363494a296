/* SPDX-License-Identifier: MIT
 *
 * equal.c - whether two values are the same.
 *
 * Most values are trees of moderate depth: they are compared by recursion,
 * without memory.  Where an alias stands for a seq or map, there may be far
 * more to compare than there are nodes, or no end; and a tree may be deeper
 * than the stack.  Then the comparison begins anew, with a list of the pairs
 * that are still to be compared and a set of classes: all nodes of a class are
 * equal, or the whole is not.  A pair of one class needs no second look, and
 * each other one joins two classes, so that there are less of them than nodes
 * (J. E. Hopcroft, R. M. Karp, A linear algorithm for testing equivalence of
 * finite automata, 1971).
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "value/seen.h"

#define QUICK_DEPTH 256 /* of the recursion */
#define NOT_QUICKLY 2

/* ---- scalars --------------------------------------------------------- */

/* An alias may stand for an alias. */
static const struct atio_node *behind_alias(const struct atio_node *node)
{
	while (node->type == ATIO_ALIAS)
		node = node->inner;
	return node;
}

static bool is_scalar(const struct atio_node *node)
{
	return node->type < ATIO_SEQ;
}

static bool same_text(const struct atio_node *a, const struct atio_node *b)
{
	size_t a_len, b_len;
	const char *a_text = atio_node_text(a, &a_len);
	const char *b_text = atio_node_text(b, &b_len);

	return a_len == b_len && memcmp(a_text, b_text, a_len) == 0;
}

static bool same_float(double a, double b)
{
	return a == b || (isnan(a) && isnan(b));
}

static bool is_number(const struct atio_node *node)
{
	return node->type == ATIO_INT || node->type == ATIO_BIGINT ||
	       node->type == ATIO_FLOAT;
}

/* An integer and a float, exactly: (double)INT64_MAX is 2^63, which is none of
 * int64_t, so a conversion would make different numbers equal. */
static bool same_number(const struct atio_node *integer, double real)
{
	char digits[512]; /* DBL_MAX has 309 */
	const char *text;
	size_t len;

	if (integer->type == ATIO_INT)
		return real >= -0x1p63 && real < 0x1p63 &&
		       (int64_t)real == integer->integer &&
		       (double)(int64_t)real == real;
	if (!isfinite(real)) /* otherwise, as large as they are, an integer */
		return false;
	text = atio_node_text(integer, &len);
	return (size_t)snprintf(digits, sizeof(digits), "%.0f", real) == len &&
	       memcmp(digits, text, len) == 0;
}

/* @numbers: of different types may be equal, too. */
static bool same_scalar(const struct atio_node *a, const struct atio_node *b,
			bool numbers)
{
	if (a->type != b->type) {
		if (!numbers || !is_number(a) || !is_number(b))
			return false;
		if (a->type == ATIO_FLOAT)
			return same_number(b, a->real);
		return b->type == ATIO_FLOAT && same_number(a, b->real);
	}
	switch ((enum atio_type)a->type) {
	case ATIO_NULL:
		return true;
	case ATIO_BOOL:
		return a->boolean == b->boolean;
	case ATIO_INT:
		return a->integer == b->integer;
	case ATIO_FLOAT:
		return same_float(a->real, b->real);
	default:
		return same_text(a, b);
	}
}

/* Of nodes that are no scalars: without their members. */
static bool same_outside(const struct atio_node *a, const struct atio_node *b)
{
	if (a->type != b->type)
		return false;
	if (a->type == ATIO_TAGGED)
		return same_text(a, b);
	return a->count == b->count;
}

/* ---- quickly --------------------------------------------------------- */

static int quick(const struct atio_node *a, const struct atio_node *b,
		 bool numbers, unsigned depth);

static int quick_map(const struct atio_node *a, const struct atio_node *b,
		     bool numbers, unsigned depth)
{
	int r = 1;
	size_t i;
	long at;

	for (i = 0; r == 1 && i < a->count; i++) {
		at = atio_map_find(b, a->pairs[i].key);
		if (at < 0)
			return 0;
		r = quick(a->pairs[i].value, b->pairs[at].value, numbers,
			  depth);
	}
	return r;
}

static int quick_seq(const struct atio_node *a, const struct atio_node *b,
		     bool numbers, unsigned depth)
{
	int r = 1;
	size_t i;

	for (i = 0; r == 1 && i < a->count; i++)
		r = quick(a->items[i], b->items[i], numbers, depth);
	return r;
}

/* 1: equal; 0: not; NOT_QUICKLY. */
static int quick(const struct atio_node *a, const struct atio_node *b,
		 bool numbers, unsigned depth)
{
	bool aliases = a->type == ATIO_ALIAS || b->type == ATIO_ALIAS;

	a = behind_alias(a);
	b = behind_alias(b);
	if (a == b)
		return 1;
	if (is_scalar(a) || is_scalar(b))
		return same_scalar(a, b, numbers);
	if (!same_outside(a, b))
		return 0;
	if (aliases || depth == QUICK_DEPTH)
		return NOT_QUICKLY;
	if (a->type == ATIO_TAGGED)
		return quick(a->inner, b->inner, numbers, depth + 1);
	if (a->type == ATIO_MAP)
		return quick_map(a, b, numbers, depth + 1);
	return quick_seq(a, b, numbers, depth + 1);
}

/* ---- thoroughly ------------------------------------------------------ */

struct pair {
	const struct atio_node *a, *b;
};

struct thorough {
	bool numbers;
	struct pair *pairs; /* still to be compared */
	size_t count, room;
	/* Each node and one of its class that is nearer to the root of the
	 * class, which has itself. */
	struct atio_seen classes;
};

static int push(struct thorough *t, const struct atio_node *a,
		const struct atio_node *b)
{
	size_t more = t->room ? t->room * 2 : 64;
	struct pair *pairs;

	if (t->count == t->room) {
		pairs = reallocarray(t->pairs, more, sizeof(*pairs));
		if (!pairs)
			return -ENOMEM;
		t->pairs = pairs;
		t->room = more;
	}
	t->pairs[t->count++] = (struct pair){a, b};
	return 0;
}

/* The root of the class of @node, which may be a new one.  NULL: no memory. */
static const struct atio_node *class_of(struct thorough *t,
					const struct atio_node *node)
{
	struct atio_seen_node *at = atio_seen_add(&t->classes, node, node);
	struct atio_seen_node *up;

	while (at && at->other != at->node) {
		up = atio_seen_find(&t->classes, at->other);
		at->other = up->other; /* half the way for the next one */
		at = up;
	}
	return at ? at->node : NULL;
}

/* Note that @a and @b have to be equal.  0: they cannot; 1; -ENOMEM. */
static int suppose(struct thorough *t, const struct atio_node *a,
		   const struct atio_node *b)
{
	const struct atio_node *a_class, *b_class;

	a = behind_alias(a);
	b = behind_alias(b);
	if (a == b)
		return 1;
	if (is_scalar(a) || is_scalar(b))
		return same_scalar(a, b, t->numbers);
	if (!same_outside(a, b))
		return 0;
	a_class = class_of(t, a);
	b_class = class_of(t, b);
	if (!a_class || !b_class)
		return -ENOMEM;
	if (a_class == b_class)
		return 1;
	atio_seen_find(&t->classes, a_class)->other = b_class;
	return push(t, a, b) < 0 ? -ENOMEM : 1;
}

/* Suppose it of all that is in them. */
static int suppose_inside(struct thorough *t, const struct atio_node *a,
			  const struct atio_node *b)
{
	size_t i;
	int r = 1;
	long at;

	if (a->type == ATIO_TAGGED)
		return suppose(t, a->inner, b->inner);
	for (i = 0; r == 1 && i < a->count; i++) {
		if (a->type != ATIO_MAP) {
			r = suppose(t, a->items[i], b->items[i]);
			continue;
		}
		at = atio_map_find(b, a->pairs[i].key);
		r = at < 0 ? 0
			   : suppose(t, a->pairs[i].value, b->pairs[at].value);
	}
	return r;
}

static int thoroughly(const struct atio_node *a, const struct atio_node *b,
		      bool numbers)
{
	struct thorough t = {.numbers = numbers};
	struct pair pair;
	int r;

	r = suppose(&t, a, b);
	while (r == 1 && t.count) {
		pair = t.pairs[--t.count];
		r = suppose_inside(&t, pair.a, pair.b);
	}
	free(t.pairs);
	atio_seen_done(&t.classes);
	return r;
}

int atio_node_equal(const struct atio_node *a, const struct atio_node *b,
		    bool numbers)
{
	int r = quick(a, b, numbers, 0);

	return r == NOT_QUICKLY ? thoroughly(a, b, numbers) : r;
}

bool atio_value_equal(const struct atio_node *a, const struct atio_node *b)
{
	return atio_node_equal(a, b, false) == 1;
}
