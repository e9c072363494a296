/* SPDX-License-Identifier: MIT
 *
 * restore_make.c - the second pass of restoring: the tree that was decided on.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "value/restore.h"

static int no_memory(struct atio_restorer *r)
{
	return atio_value_fail(r->walk.err, ENOMEM, NULL, "out of memory");
}

/* ---- nodes that aliases stand for ------------------------------------ */

/* Targets that are still to be looked into: one that is no longer in the tree
 * can have aliases in it, too. */
struct pending {
	const struct atio_node **nodes;
	size_t count, room;
};

static int note_target(struct atio_restorer *r, struct pending *pending,
		       const struct atio_node *alias)
{
	size_t more = pending->room ? pending->room * 2 : 16;
	const struct atio_node *node = alias, **nodes;

	while (node->type == ATIO_ALIAS)
		node = node->inner;
	if (atio_seen_find(&r->targets, node))
		return 0;
	if (pending->count == pending->room) {
		nodes = reallocarray(pending->nodes, more, sizeof(*nodes));
		if (!nodes)
			return no_memory(r);
		pending->nodes = nodes;
		pending->room = more;
	}
	if (!atio_seen_add(&r->targets, node, NULL))
		return no_memory(r);
	pending->nodes[pending->count++] = node;
	return 0;
}

static int find_targets(struct atio_restorer *r, struct pending *pending,
			const struct atio_node *node)
{
	size_t i;
	int e = 0;

	switch ((enum atio_type)node->type) {
	case ATIO_ALIAS:
		return note_target(r, pending, node);
	case ATIO_TAGGED:
		return find_targets(r, pending, node->inner);
	case ATIO_MAP:
		for (i = 0; e == 0 && i < node->count; i++) {
			e = find_targets(r, pending, node->pairs[i].key);
			if (e == 0)
				e = find_targets(r, pending,
						 node->pairs[i].value);
		}
		return e;
	case ATIO_SEQ:
	case ATIO_STREAM:
		for (i = 0; e == 0 && i < node->count; i++)
			e = find_targets(r, pending, node->items[i]);
		return e;
	default:
		return 0;
	}
}

static int find_all_targets(struct atio_restorer *r,
			    const struct atio_node *base)
{
	struct pending pending = {0};
	int e;

	e = find_targets(r, &pending, base);
	while (e == 0 && pending.count)
		e = find_targets(r, &pending, pending.nodes[--pending.count]);
	free(pending.nodes);
	return e;
}

/* ---- copies of the base ---------------------------------------------- */

static int clone(struct atio_restorer *r, const struct atio_node *node,
		 struct atio_node **ret_clone);

/* A node without members yet, which aliases can stand for from now on. */
static int new_like(struct atio_restorer *r, const struct atio_node *node,
		    struct atio_node **ret_node)
{
	struct atio_node *made = atio_node_new(r->doc, node->type);
	struct atio_seen_node *target = atio_seen_find(&r->targets, node);

	if (!made)
		return -ENOMEM;
	made->style = node->style;
	made->offset = node->offset;
	made->length = node->length;
	if (target)
		target->other = made;
	*ret_node = made;
	return 0;
}

static int clone_seq(struct atio_restorer *r, const struct atio_node *node,
		     struct atio_node *made)
{
	size_t i;
	int e = 0;

	made->items = atio_arena_get(&r->doc->arena,
				     node->count * sizeof(*made->items));
	if (!made->items)
		return -ENOMEM;
	for (i = 0; e == 0 && i < node->count; i++)
		e = clone(r, node->items[i], &made->items[i]);
	made->count = node->count;
	return e;
}

static int clone_map(struct atio_restorer *r, const struct atio_node *node,
		     struct atio_node *made)
{
	size_t i;
	int e = 0;

	made->pairs = atio_arena_get(&r->doc->arena,
				     node->count * sizeof(*made->pairs));
	if (!made->pairs)
		return -ENOMEM;
	for (i = 0; e == 0 && i < node->count; i++) {
		e = clone(r, node->pairs[i].key, &made->pairs[i].key);
		if (e == 0)
			e = clone(r, node->pairs[i].value,
				  &made->pairs[i].value);
	}
	made->count = node->count;
	return e < 0 ? e : atio_map_seal_like(r->doc, made, node);
}

static int clone_tagged(struct atio_restorer *r, const struct atio_node *node,
			struct atio_node *made)
{
	made->text = atio_arena_text(&r->doc->arena, node->text, node->count);
	made->count = node->count;
	return made->text ? clone(r, node->inner, &made->inner) : -ENOMEM;
}

/* Where what it stands for was not made (since the view has another value in
 * that place, or has it behind this one), that is made here, and later aliases
 * stand for it. */
static int clone_alias(struct atio_restorer *r, const struct atio_node *alias,
		       struct atio_node **ret_clone)
{
	const struct atio_node *node = alias;
	struct atio_seen_node *target;
	int e;

	while (node->type == ATIO_ALIAS)
		node = node->inner;
	target = atio_seen_find(&r->targets, node);
	if (!target->other)
		return clone(r, node, ret_clone);
	e = atio_scalar_copy(r->doc, alias, ret_clone);
	if (e == 0)
		(*ret_clone)->inner = (struct atio_node *)target->other;
	return e;
}

static int clone_scalar(struct atio_restorer *r, const struct atio_node *node,
			struct atio_node **ret_clone)
{
	struct atio_seen_node *target = atio_seen_find(&r->targets, node);
	int e = atio_scalar_copy(r->doc, node, ret_clone);

	if (e == 0 && target)
		target->other = *ret_clone;
	return e;
}

static int clone(struct atio_restorer *r, const struct atio_node *node,
		 struct atio_node **ret_clone)
{
	int e;

	if (node->type == ATIO_ALIAS)
		return clone_alias(r, node, ret_clone);
	if (node->type < ATIO_SEQ)
		return clone_scalar(r, node, ret_clone);
	e = new_like(r, node, ret_clone);
	if (e < 0)
		return e;
	if (node->type == ATIO_TAGGED)
		return clone_tagged(r, node, *ret_clone);
	if (!node->count)
		return 0;
	return node->type == ATIO_MAP ? clone_map(r, node, *ret_clone)
				      : clone_seq(r, node, *ret_clone);
}

/* ---- what is neither of the one nor of the other --------------------- */

static int make(struct atio_restorer *r, const struct atio_node *view,
		const struct atio_node *base, struct atio_node **ret_made);

static int copy_view(struct atio_restorer *r, const struct atio_node *view,
		     struct atio_node **ret_made)
{
	struct atio_maker m = {
		.doc = r->doc, .target = ATIO_TO_COPY, .no_spans = true};

	return atio_make(&m, view, ret_made);
}

static int make_seq(struct atio_restorer *r, const struct atio_node *view,
		    const struct atio_node *base, struct atio_node *made)
{
	size_t i;
	int e = 0;

	made->items = atio_arena_get(&r->doc->arena,
				     view->count * sizeof(*made->items));
	if (!made->items)
		return -ENOMEM;
	for (i = 0; e == 0 && i < view->count; i++)
		e = make(r, view->items[i],
			 i < base->count ? base->items[i] : NULL,
			 &made->items[i]);
	made->count = view->count;
	return e;
}

/* A pair of the view, and where its key is in the base, or behind all of those
 * there; @decision: that of the value. */
struct place {
	size_t in_base, in_view, decision;
};

static int compare_places(const void *one, const void *other)
{
	const struct place *a = one, *b = other;

	if (a->in_base != b->in_base)
		return a->in_base < b->in_base ? -1 : 1;
	return a->in_view < b->in_view ? -1 : 1;
}

/* The pairs of @view in the order that they will have: that of @base where
 * the order in the view says nothing, with new ones last. */
static struct place *places_of(struct atio_restorer *r,
			       const struct atio_node *view,
			       const struct atio_node *base)
{
	struct place *places = calloc(view->count, sizeof(*places));
	size_t i, at = r->at;
	long found;

	for (i = 0; places && i < view->count; i++) {
		found = atio_map_find(base, view->pairs[i].key);
		places[i] = (struct place){
			.in_base = found < 0 ? base->count : (size_t)found,
			.in_view = i,
			.decision = at,
		};
		at = r->decisions[at].next;
	}
	if (places && atio_restore_unordered(r))
		qsort(places, view->count, sizeof(*places), compare_places);
	return places;
}

/* @base: the pair there, or NULL. */
static int make_pair(struct atio_restorer *r, const struct atio_pair *view,
		     const struct atio_pair *base, struct atio_pair *made)
{
	int e;

	if (base)
		e = clone(r, base->key, &made->key);
	else
		e = copy_view(r, view->key, &made->key);
	if (e < 0)
		return e;
	return make(r, view->value, base ? base->value : NULL, &made->value);
}

static int make_pairs(struct atio_restorer *r, const struct atio_node *view,
		      const struct atio_node *base, struct atio_node *made)
{
	struct place *places = places_of(r, view, base), *place;
	size_t i, end = r->decisions[r->at - 1].next;
	int e = places ? 0 : -ENOMEM;

	for (i = 0; e == 0 && i < view->count; i++) {
		place = &places[i];
		r->at = place->decision;
		e = make_pair(r, &view->pairs[place->in_view],
			      place->in_base < base->count
				      ? &base->pairs[place->in_base]
				      : NULL,
			      &made->pairs[i]);
	}
	r->at = end;
	made->count = view->count;
	free(places);
	return e;
}

static int make_map(struct atio_restorer *r, const struct atio_node *view,
		    const struct atio_node *base, struct atio_node *made)
{
	const struct atio_node *twice;
	int e;

	e = atio_restore_shown(r, base, &base);
	if (e < 0)
		return e;
	made->pairs = atio_arena_get(&r->doc->arena,
				     view->count * sizeof(*made->pairs));
	if (!made->pairs)
		return -ENOMEM;
	e = make_pairs(r, view, base, made);
	return e < 0 ? e : atio_map_seal(r->doc, made, &twice);
}

static int make_tagged(struct atio_restorer *r, const struct atio_node *view,
		       const struct atio_node *base, struct atio_node *made)
{
	made->text = atio_arena_text(&r->doc->arena, view->text, view->count);
	made->count = view->count;
	if (!made->text)
		return -ENOMEM;
	return make(r, view->inner, base->inner, &made->inner);
}

static int make_members(struct atio_restorer *r, const struct atio_node *view,
			const struct atio_node *base,
			struct atio_node **ret_made)
{
	struct atio_node *made = atio_node_new(r->doc, view->type);

	if (!made)
		return -ENOMEM;
	*ret_made = made;
	made->style = base->style;
	if (view->type == ATIO_TAGGED)
		return make_tagged(r, view, base, made);
	if (!view->count)
		return 0;
	return view->type == ATIO_MAP ? make_map(r, view, base, made)
				      : make_seq(r, view, base, made);
}

static int make(struct atio_restorer *r, const struct atio_node *view,
		const struct atio_node *base, struct atio_node **ret_made)
{
	struct atio_decision decision = r->decisions[r->at++];

	if (decision.of)
		r->at = decision.next;
	if (decision.of & OF_BASE)
		return clone(r, base, ret_made);
	if (decision.of & OF_VIEW)
		return copy_view(r, view, ret_made);
	while (base->type == ATIO_ALIAS)
		base = base->inner;
	if (view->type < ATIO_SEQ)
		return atio_scalar_parse(r->doc, view, base->type, ret_made);
	return make_members(r, view, base, ret_made);
}

int atio_restore_make(struct atio_restorer *r, const struct atio_node *view,
		      const struct atio_node *base)
{
	struct atio_node *root = NULL;
	int e;

	e = find_all_targets(r, base);
	if (e < 0)
		return e;
	e = make(r, view, base, &root);
	if (e == -ENOMEM)
		return no_memory(r);
	if (e == 0)
		r->doc->root = root;
	return e;
}
