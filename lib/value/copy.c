/* SPDX-License-Identifier: MIT
 *
 * copy.c - the second pass of a conversion: a tree of its own, in which all is
 * as the target can hold it.  A copy is a conversion that changes no type.
 *
 * What could be refused was refused by the first pass (fit.c), which has seen
 * the same values in the same order; only memory can be lacking here.
 */
#include <errno.h>
#include <string.h>

#include "value/fit.h"

static int make(struct atio_maker *m, const struct atio_node *node,
		struct atio_node **ret_made);

/* ---- scalars --------------------------------------------------------- */

int atio_scalar_copy(struct atio_doc *doc, const struct atio_node *node,
		     struct atio_node **ret_copy)
{
	struct atio_node *copy;
	const char *text = node->text, *canonical = NULL;
	bool written = node->type == ATIO_BIGINT || node->type == ATIO_DATETIME;

	copy = text ? atio_node_new_text(doc, node->type, text, node->count)
		    : atio_node_new(doc, node->type);
	if (!copy)
		return -ENOMEM;
	text = copy->text;
	if (written && node->canonical) {
		canonical = atio_arena_text(&doc->arena, node->canonical,
					    strlen(node->canonical));
		if (!canonical)
			return -ENOMEM;
	}
	*copy = *node;
	copy->mark = 0;
	copy->text = text;
	if (written)
		copy->canonical = canonical;
	*ret_copy = copy;
	return 0;
}

static int make_scalar(struct atio_maker *m, const struct atio_node *node,
		       struct atio_node **ret_made)
{
	if (atio_verdict_of(m->target, node->type) != ATIO_RETYPE)
		return atio_scalar_copy(m->doc, node, ret_made);
	*ret_made = atio_scalar_string(m->doc, node);
	return *ret_made ? 0 : -ENOMEM;
}

/* ---- seqs and maps --------------------------------------------------- */

static int make_seq(struct atio_maker *m, const struct atio_node *seq,
		    struct atio_node **ret_made)
{
	struct atio_node *made = atio_node_new(m->doc, seq->type);
	size_t i;
	int r = 0;

	if (!made)
		return -ENOMEM;
	*ret_made = made;
	if (!seq->count)
		return 0;
	made->items = atio_arena_get(&m->doc->arena,
				     seq->count * sizeof(*made->items));
	if (!made->items)
		return -ENOMEM;
	for (i = 0; r == 0 && i < seq->count; i++)
		r = make(m, seq->items[i], &made->items[i]);
	made->count = seq->count;
	return r;
}

/* The pair of @row that stands in the column @i of the table. */
static const struct atio_pair *column(const struct atio_maker *m,
				      const struct atio_node *row, size_t i)
{
	const struct atio_node *key = m->header->pairs[i].key;

	while (key->type == ATIO_ALIAS)
		key = key->inner;
	if (atio_value_equal(row->pairs[i].key, key))
		return &row->pairs[i];
	return &row->pairs[atio_map_find(row, key)];
}

static int make_pairs(struct atio_maker *m, const struct atio_node *map,
		      struct atio_node *made)
{
	const struct atio_node *twice;
	const struct atio_pair *pair;
	bool same_order = true;
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < map->count; i++) {
		pair = m->header ? column(m, map, i) : &map->pairs[i];
		if (pair != &map->pairs[i])
			same_order = false;
		r = make(m, pair->key, &made->pairs[i].key);
		if (r == 0)
			r = make(m, pair->value, &made->pairs[i].value);
	}
	made->count = map->count;
	if (r == 0 && same_order)
		return atio_map_seal_like(m->doc, made, map);
	return r < 0 ? r : atio_map_seal(m->doc, made, &twice);
}

static int make_map(struct atio_maker *m, const struct atio_node *map,
		    struct atio_node **ret_made)
{
	struct atio_node *made = atio_node_new(m->doc, ATIO_MAP);
	int r;

	if (!made)
		return -ENOMEM;
	*ret_made = made;
	if (atio_target_merges(m->target)) {
		r = atio_walk_merge(&m->walk, map, NULL, &map);
		if (r < 0)
			return r;
	}
	if (!map->count)
		return 0;
	if (m->target == ATIO_TO_CSV && !m->header)
		m->header = map;
	made->pairs = atio_arena_get(&m->doc->arena,
				     map->count * sizeof(*made->pairs));
	return made->pairs ? make_pairs(m, map, made) : -ENOMEM;
}

/* ---- what stands for, or wraps, another value ------------------------ */

static int make_alias(struct atio_maker *m, const struct atio_node *alias,
		      struct atio_node **ret_made)
{
	const struct atio_node *node = alias;

	if (atio_verdict_of(m->target, ATIO_ALIAS) != ATIO_EXPAND)
		return atio_scalar_copy(m->doc, alias, ret_made);
	while (node->type == ATIO_ALIAS)
		node = node->inner;
	return make(m, node, ret_made);
}

static int make_tagged(struct atio_maker *m, const struct atio_node *node,
		       struct atio_node **ret_made)
{
	struct atio_node *inner = NULL;
	int r;

	r = make(m, node->inner, &inner);
	if (r == 0)
		r = atio_scalar_copy(m->doc, node, ret_made);
	if (r == 0)
		(*ret_made)->inner = inner;
	return r;
}

static int make(struct atio_maker *m, const struct atio_node *node,
		struct atio_node **ret_made)
{
	int r;

	switch ((enum atio_type)node->type) {
	case ATIO_SEQ:
	case ATIO_STREAM:
		r = make_seq(m, node, ret_made);
		break;
	case ATIO_MAP:
		r = make_map(m, node, ret_made);
		break;
	case ATIO_TAGGED:
		r = make_tagged(m, node, ret_made);
		break;
	case ATIO_ALIAS:
		return make_alias(m, node, ret_made);
	default:
		r = make_scalar(m, node, ret_made);
		break;
	}
	if (r < 0)
		return r;
	/* A copy is a value, whatever it is a copy of. */
	(*ret_made)->style = atio_node_is_nothing(node) ? ATIO_STYLE_ANY
							: node->style;
	(*ret_made)->offset = m->no_spans ? 0 : node->offset;
	(*ret_made)->length = m->no_spans ? 0 : node->length;
	return 0;
}

int atio_make(struct atio_maker *m, const struct atio_node *node,
	      struct atio_node **ret_made)
{
	struct atio_node *made = NULL;
	int r;

	/* These were counted; a walk only needs them to be some. */
	m->walk.limits = (struct atio_limits){
		.depth = SIZE_MAX,
		.nodes = SIZE_MAX,
		.alias_nodes = SIZE_MAX,
		.alias_bytes = SIZE_MAX,
	};
	r = make(m, node, &made);
	atio_walk_done(&m->walk);
	if (r == 0)
		*ret_made = made;
	return r;
}

/* ---- copies ---------------------------------------------------------- */

int atio_node_copy(struct atio_doc *doc, const struct atio_node *node,
		   bool keep_aliases, struct atio_node **ret_copy,
		   size_t *ret_nodes)
{
	enum atio_target target = keep_aliases ? ATIO_TO_SAME : ATIO_TO_COPY;
	struct atio_maker m = {
		.doc = doc, .target = target, .no_spans = !keep_aliases};
	struct atio_fit fit = {.walk.limits = doc->limits, .target = target};
	int r;

	r = atio_fit_root(&fit, node);
	atio_walk_done(&fit.walk);
	if (r == 0)
		r = atio_make(&m, node, ret_copy);
	if (r == 0 && ret_nodes)
		*ret_nodes = fit.walk.nodes + fit.walk.alias_nodes;
	return r;
}
