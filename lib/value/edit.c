/* SPDX-License-Identifier: MIT
 *
 * edit.c - changing a document as a whole or not at all.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "value/edit.h"
#include "value/fit.h"

int atio_edit_no_memory(struct atio_edit *edit)
{
	return atio_value_fail(edit->err, ENOMEM, NULL, "out of memory");
}

/* ---- begin and end --------------------------------------------------- */

void atio_edit_begin(struct atio_edit *edit, struct atio_doc *doc,
		     struct atio_value_error *err)
{
	*edit = (struct atio_edit){
		.doc = doc,
		.err = err,
		.root = doc->root,
		.before = doc->arena,
	};
}

static int check_limits(struct atio_edit *edit)
{
	struct atio_fit fit = {
		.walk.limits = edit->doc->limits,
		.walk.err = edit->err,
		.target = ATIO_TO_SAME,
	};
	int r = atio_fit_root(&fit, edit->root);

	atio_walk_done(&fit.walk);
	return r;
}

int atio_edit_end(struct atio_edit *edit, int r)
{
	size_t i;

	if (r == 0)
		r = check_limits(edit);
	for (i = 0; i < edit->count; i++)
		edit->own[i]->mark = 0;
	free(edit->own);
	if (r < 0) {
		atio_arena_go_back(&edit->doc->arena, &edit->before);
		return r;
	}
	if (edit->root == edit->doc->root)
		return 0;
	edit->doc->root = edit->root;
	edit->doc->traits &= ~ATIO_DOC_EMPTY;
	if (atio_node_is_nothing(edit->root)) /* no longer */
		edit->root->style = ATIO_STYLE_ANY;
	return 0;
}

/* ---- copies ---------------------------------------------------------- */

/* What an edit copies is limited as a whole, lest a patch of copies that are
 * removed again takes all memory. */
static int copy(struct atio_edit *edit, const struct atio_node *node,
		enum atio_target target, struct atio_node **ret_copy)
{
	struct atio_limits limits = edit->doc->limits;
	struct atio_maker m = {.doc = edit->doc,
			       .target = target,
			       .no_spans = target != ATIO_TO_SAME};
	struct atio_fit fit = {.walk.err = edit->err, .target = target};
	int r;

	limits.nodes -=
		edit->copied < limits.nodes ? edit->copied : limits.nodes;
	if (limits.alias_nodes > limits.nodes)
		limits.alias_nodes = limits.nodes;
	fit.walk.limits = limits;
	r = atio_fit_root(&fit, node);
	atio_walk_done(&fit.walk);
	if (r < 0)
		return r;
	edit->copied += fit.walk.nodes + fit.walk.alias_nodes;
	r = atio_make(&m, node, ret_copy);
	return r < 0 ? atio_edit_no_memory(edit) : 0;
}

int atio_edit_copy(struct atio_edit *edit, const struct atio_node *with,
		   struct atio_node **ret_copy)
{
	return copy(edit, with, ATIO_TO_TYPED, ret_copy);
}

int atio_edit_copy_own(struct atio_edit *edit, const struct atio_node *node,
		       struct atio_node **ret_copy)
{
	return copy(edit, node, ATIO_TO_SAME, ret_copy);
}

/* ---- nodes that may be changed --------------------------------------- */

static int note_own(struct atio_edit *edit, struct atio_node *node)
{
	size_t more = edit->room ? edit->room * 2 : 32;
	struct atio_node **own;

	if (edit->count == edit->room) {
		own = reallocarray(edit->own, more, sizeof(*own));
		if (!own)
			return atio_edit_no_memory(edit);
		edit->own = own;
		edit->room = more;
	}
	node->mark = 1;
	edit->own[edit->count++] = node;
	return 0;
}

int atio_edit_new_map(struct atio_edit *edit, struct atio_node **ret_map)
{
	struct atio_node *map = atio_node_new(edit->doc, ATIO_MAP);

	if (!map)
		return atio_edit_no_memory(edit);
	*ret_map = map;
	return note_own(edit, map);
}

/* A copy of @node that has the same members. */
static struct atio_node *shallow(struct atio_doc *doc,
				 const struct atio_node *node)
{
	size_t size = node->type == ATIO_MAP ? sizeof(*node->pairs)
					     : sizeof(*node->items);
	struct atio_node *made = atio_node_new(doc, node->type);
	const void *from = node->items;
	void *members;

	if (!made)
		return NULL;
	if (node->type == ATIO_MAP)
		from = node->pairs;
	*made = *node;
	made->offset = made->length = 0; /* it will not be what was there */
	if (node->type == ATIO_TAGGED)
		return made;
	made->index = NULL;
	members = atio_arena_get(&doc->arena, node->count * size);
	if (!members)
		return NULL;
	if (node->count)
		memcpy(members, from, node->count * size);
	if (node->type != ATIO_MAP) {
		made->items = members;
		return made;
	}
	made->pairs = members;
	return atio_map_seal_like(doc, made, node) < 0 ? NULL : made;
}

static int make_own(struct atio_edit *edit, const struct atio_node *node,
		    struct atio_node **slot)
{
	struct atio_node *made = shallow(edit->doc, node);
	int r;

	if (!made)
		return atio_edit_no_memory(edit);
	r = note_own(edit, made);
	if (r == 0)
		*slot = made;
	return r;
}

static bool has_inside(const struct atio_node *node)
{
	return node->type >= ATIO_SEQ && node->type != ATIO_ALIAS;
}

static int merge_slot(struct atio_edit *edit, struct atio_node **slot)
{
	struct atio_walk walk = {.limits = edit->doc->limits, .err = edit->err};
	const struct atio_node *merged;
	int r;

	r = atio_walk_merge(&walk, *slot, NULL, &merged);
	if (r == 0)
		r = make_own(edit, merged, slot);
	atio_walk_done(&walk);
	return r;
}

int atio_edit_own(struct atio_edit *edit, struct atio_node **slot, bool merged,
		  struct atio_node **ret_node)
{
	const struct atio_node *node;
	int r = 0;

	for (;; slot = &(*slot)->inner) {
		node = *slot;
		while (node->type == ATIO_ALIAS)
			node = node->inner;
		if (has_inside(node) && !node->mark)
			r = make_own(edit, node, slot);
		if (r < 0)
			return r;
		if (node->type != ATIO_TAGGED)
			break;
	}
	if (merged && node->type == ATIO_MAP && atio_map_merges(*slot))
		r = merge_slot(edit, slot);
	*ret_node = *slot;
	return r;
}

int atio_edit_find(struct atio_edit *edit, struct atio_node **slot,
		   const char *key, size_t len, struct atio_node **ret_map,
		   long *ret_at)
{
	struct atio_node *map;
	int r;

	r = atio_edit_own(edit, slot, false, &map);
	if (r < 0)
		return r;
	*ret_map = map;
	*ret_at = atio_map_find_text(map, key, len);
	if (*ret_at >= 0 && !atio_key_merges(map->pairs[*ret_at].key))
		return 0;
	r = atio_edit_own(edit, slot, true, &map);
	if (r < 0)
		return r;
	*ret_map = map;
	*ret_at = atio_map_find_text(map, key, len);
	return 0;
}
