/* SPDX-License-Identifier: MIT
 *
 * restore.c - the way back from a view.
 *
 * A view shows a value of a document, its base, as some format can hold it;
 * what was written to the view has lost whatever the format could not hold, and
 * how things were written in the base.  Both are taken from the base again:
 *
 *	- where a value of the view is that of the base, the base's node stands,
 *	  with its lexeme, its style, as an alias or with its `<<`;
 *	- where the format has but a text for a value of the base, and the view
 *	  has a text of that type there, the value gets the type;
 *	- anything else is as the view has it.
 *
 * The first pass decides for each pair of values (same key, same index), and
 * notes it in the order of the view.  The second one makes the tree, in the
 * order that it will have, since an alias has to stand behind what it stands
 * for.  Where nothing of the base is needed, there is no second pass.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "value/restore.h"

static int no_memory(struct atio_restorer *r)
{
	return atio_value_fail(r->walk.err, ENOMEM, NULL, "out of memory");
}

static const struct atio_node *behind_alias(const struct atio_node *node)
{
	while (node && node->type == ATIO_ALIAS)
		node = node->inner;
	return node;
}

bool atio_restore_unordered(const struct atio_restorer *r)
{
	return r->from == ATIO_TO_TOML || r->from == ATIO_TO_CSV ||
	       r->from == ATIO_TO_XML;
}

int atio_restore_shown(struct atio_restorer *r, const struct atio_node *map,
		       const struct atio_node **ret_map)
{
	struct atio_seen_node *seen;
	int e;

	*ret_map = map;
	if (!atio_target_merges(r->from) || !atio_map_merges(map))
		return 0;
	seen = atio_seen_find(&r->merged, map);
	if (!seen) {
		e = atio_walk_merge(&r->walk, map, NULL, ret_map);
		if (e < 0)
			return e;
		seen = atio_seen_add(&r->merged, map, *ret_map);
	}
	if (!seen)
		return no_memory(r);
	*ret_map = seen->other;
	return 0;
}

/* ---- the first pass: scalars ----------------------------------------- */

/* The same node, were it not for the document it is of. */
static bool is_written_alike(const struct atio_node *a,
			     const struct atio_node *b)
{
	size_t a_len, b_len;
	const char *a_text = atio_node_lexeme(a, &a_len);
	const char *b_text = atio_node_lexeme(b, &b_len);

	return a->type == b->type && a->style == b->style &&
	       !a_text == !b_text && a_len == b_len &&
	       (!a_len || memcmp(a_text, b_text, a_len) == 0);
}

/* Whether the view has but a text for values of this type. */
static bool is_retyped(const struct atio_restorer *r,
		       const struct atio_node *base)
{
	if (r->from == ATIO_TO_YAML)
		return base->type == ATIO_DATETIME;
	return atio_verdict_of(r->from, base->type) == ATIO_RETYPE;
}

/* Whether @text is what the view shows of @base. */
static bool shows(const struct atio_node *text, const struct atio_node *base)
{
	char room[ATIO_FLOAT_TEXT_MAX];
	const char *shown;
	size_t len;

	if (base->type == ATIO_BYTES)
		return false; /* atio_scalar_parse tells */
	shown = atio_scalar_text(base, room, &len);
	return text->count == len && memcmp(text->text, shown, len) == 0;
}

/* A text where the base has a value of another type. */
static int decide_text(struct atio_restorer *r, const struct atio_node *text,
		       const struct atio_node *base, unsigned *ret_of)
{
	struct atio_arena before = r->doc->arena;
	struct atio_node *parsed;
	int e;

	*ret_of = OF_BASE;
	if (shows(text, base))
		return 0;
	e = atio_scalar_parse(r->doc, text, base->type, &parsed);
	if (e == -EINVAL)
		*ret_of = OF_VIEW;
	else if (e == 0 && !atio_value_equal(parsed, base))
		*ret_of = 0;
	atio_arena_go_back(&r->doc->arena, &before);
	return e == -ENOMEM ? no_memory(r) : 0;
}

static int decide_scalar(struct atio_restorer *r, const struct atio_node *view,
			 const struct atio_node *base, unsigned *ret_of)
{
	if (view->type == ATIO_STRING && is_retyped(r, base))
		return decide_text(r, view, base, ret_of);
	*ret_of = OF_VIEW;
	if (base->type >= ATIO_SEQ || !atio_value_equal(view, base))
		return 0;
	if (view->type == ATIO_FLOAT &&
	    signbit(view->real) != signbit(base->real))
		return 0; /* 0.0 and -0.0 */
	*ret_of = is_written_alike(view, base) ? OF_VIEW | OF_BASE : OF_BASE;
	return 0;
}

/* ---- the first pass: all values -------------------------------------- */

static int decide(struct atio_restorer *r, const struct atio_node *view,
		  const struct atio_node *base, unsigned *ret_of);

static int decide_seq(struct atio_restorer *r, const struct atio_node *view,
		      const struct atio_node *base, unsigned *of)
{
	unsigned one;
	size_t i;
	int e = 0;

	if (view->count != base->count)
		*of &= ~OF_BASE;
	for (i = 0; e == 0 && i < view->count; i++) {
		e = decide(r, view->items[i],
			   i < base->count ? base->items[i] : NULL, &one);
		*of &= one;
	}
	return e;
}

static int decide_map(struct atio_restorer *r, const struct atio_node *view,
		      const struct atio_node *base, unsigned *of)
{
	unsigned one;
	size_t i;
	int e;
	long at;

	e = atio_restore_shown(r, base, &base);
	if (e < 0)
		return e;
	if (view->count != base->count)
		*of &= ~OF_BASE;
	for (i = 0; e == 0 && i < view->count; i++) {
		at = atio_map_find(base, view->pairs[i].key);
		if (at < 0)
			*of &= ~OF_BASE;
		else if (!is_written_alike(view->pairs[i].key,
					   base->pairs[at].key))
			*of &= ~OF_VIEW;
		if (at >= 0 && (size_t)at != i) /* which order stands? */
			*of &= atio_restore_unordered(r) ? ~OF_VIEW : ~OF_BASE;
		e = decide(r, view->pairs[i].value,
			   at < 0 ? NULL : base->pairs[at].value, &one);
		*of &= one;
	}
	return e;
}

static bool has_same_tag(const struct atio_node *a, const struct atio_node *b)
{
	return a->count == b->count && memcmp(a->text, b->text, a->count) == 0;
}

static int decide_members(struct atio_restorer *r, const struct atio_node *view,
			  const struct atio_node *base, unsigned *ret_of)
{
	unsigned of = OF_VIEW | OF_BASE;
	int e = 0;

	if (view->type != base->type)
		of = OF_VIEW;
	else if (view->type == ATIO_MAP)
		e = decide_map(r, view, base, &of);
	else if (view->type != ATIO_TAGGED)
		e = decide_seq(r, view, base, &of);
	else if (has_same_tag(view, base))
		e = decide(r, view->inner, base->inner, &of);
	else
		of = OF_VIEW;
	*ret_of = of;
	return e;
}

static int note(struct atio_restorer *r, size_t *ret_at)
{
	size_t more = r->room ? r->room * 2 : 256;
	struct atio_decision *decisions;

	if (r->count == r->room) {
		decisions =
			reallocarray(r->decisions, more, sizeof(*decisions));
		if (!decisions)
			return no_memory(r);
		r->decisions = decisions;
		r->room = more;
	}
	*ret_at = r->count++;
	return 0;
}

/* @base may be NULL: there is nothing in that place. */
static int decide(struct atio_restorer *r, const struct atio_node *view,
		  const struct atio_node *base, unsigned *ret_of)
{
	const struct atio_node *shown = behind_alias(base);
	unsigned of = OF_VIEW;
	size_t at = 0;
	int e;

	e = note(r, &at);
	if (e == 0 && shown && atio_node_is_nothing(view) &&
	    atio_node_is_nothing(shown))
		of = OF_BASE; /* be it a null here and a map there */
	else if (e == 0 && shown && view->type < ATIO_SEQ)
		e = decide_scalar(r, view, shown, &of);
	else if (e == 0 && shown)
		e = decide_members(r, view, shown, &of);
	if (e < 0)
		return e;
	/* Better an alias, a `<<`, a style than what is shown of it. */
	if (of & OF_BASE &&
	    (shown != base || shown->style != view->style ||
	     (shown->type == ATIO_MAP && atio_map_merges(shown))))
		of = OF_BASE;
	r->decisions[at] =
		(struct atio_decision){(uint32_t)r->count, (uint8_t)of};
	*ret_of = of;
	return 0;
}

/* ---- the whole ------------------------------------------------------- */

/* Aliases and merge keys that somebody wrote into a view are kept, unless texts
 * have to be found that are dates: then all is restored, and they are expanded.
 */
static bool has_aliases(const struct atio_node *node)
{
	size_t i;

	switch ((enum atio_type)node->type) {
	case ATIO_ALIAS:
		return true;
	case ATIO_TAGGED:
		return has_aliases(node->inner);
	case ATIO_MAP:
		for (i = 0; i < node->count; i++)
			if (has_aliases(node->pairs[i].key) ||
			    has_aliases(node->pairs[i].value))
				return true;
		return atio_map_merges(node);
	case ATIO_SEQ:
	case ATIO_STREAM:
		for (i = 0; i < node->count; i++)
			if (has_aliases(node->items[i]))
				return true;
		return false;
	default:
		return false;
	}
}

static bool has_dates(const struct atio_node *node)
{
	size_t i;

	switch ((enum atio_type)node->type) {
	case ATIO_DATETIME:
		return true;
	case ATIO_TAGGED:
		return has_dates(node->inner);
	case ATIO_MAP:
		for (i = 0; i < node->count; i++)
			if (has_dates(node->pairs[i].value))
				return true;
		return false;
	case ATIO_SEQ:
	case ATIO_STREAM:
		for (i = 0; i < node->count; i++)
			if (has_dates(node->items[i]))
				return true;
		return false;
	default:
		return false;
	}
}

/* *ret_doc is NULL if @view is as it shall be. */
static int restore(struct atio_restorer *r, const struct atio_node *view,
		   const struct atio_node *base, struct atio_doc **ret_doc)
{
	unsigned of;
	int e;

	*ret_doc = NULL;
	e = atio_doc_new(&r->walk.limits, &r->doc);
	if (e < 0)
		return no_memory(r);
	e = decide(r, view, base, &of);
	if (e == 0 && !(of & OF_VIEW)) {
		e = atio_restore_make(r, view, base);
		if (e == 0) {
			*ret_doc = r->doc;
			r->doc = NULL;
		}
	}
	if (*ret_doc && atio_node_is_nothing((*ret_doc)->root))
		(*ret_doc)->traits = ATIO_DOC_EMPTY;
	atio_doc_free(r->doc);
	atio_walk_done(&r->walk);
	atio_seen_done(&r->merged);
	atio_seen_done(&r->targets);
	free(r->decisions);
	return e;
}

int atio_value_restore(const struct atio_node *root, enum atio_target from,
		       const struct atio_node *base,
		       const struct atio_limits *limits,
		       struct atio_doc **ret_doc,
		       const struct atio_node **ret_root,
		       struct atio_value_error *err)
{
	struct atio_restorer r = {.from = from, .walk.err = err};
	struct atio_doc *expanded = NULL, *doc = NULL;
	const struct atio_node *view = root;
	bool aliases;
	int e;

	e = atio_limits_complete(limits, &r.walk.limits);
	if (e < 0 || (unsigned)from > ATIO_TO_TYPED)
		return atio_value_fail(err, EINVAL, NULL, "wrong %s",
				       e < 0 ? "limits" : "format");
	aliases = from == ATIO_TO_YAML && has_aliases(root);
	if (aliases && has_dates(base))
		e = atio_value_convert(root, ATIO_TO_TYPED, &r.walk.limits,
				       &expanded, &view, err);
	if (e == 0 && (!aliases || expanded))
		e = restore(&r, view, base, &doc);
	atio_doc_free(expanded);
	if (e < 0)
		return e;
	*ret_doc = doc;
	*ret_root = doc ? doc->root : root;
	return 0;
}
