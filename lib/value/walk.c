/* SPDX-License-Identifier: MIT
 *
 * walk.c - aliases and merge keys on the way through a tree.
 *
 * A small document can stand for an enormous one: ten lists of ten aliases to
 * the list before are 10^10 values.  So what is met within aliases is counted,
 * each time it is met, and the walk ends at the limit.
 *
 * An alias whose value is around it (in the tree, or by way of other aliases)
 * has no end at all.  It is found by looking for its value among those that the
 * walk is in, which are as many as the document may be deep.
 */
#include <errno.h>

#include "value/walk.h"

void atio_walk_done(struct atio_walk *w)
{
	atio_doc_free(w->scratch);
	w->scratch = NULL;
}

/* ---- limits ---------------------------------------------------------- */

/* Within aliases: text counts, too. */
static int count_expanded(struct atio_walk *w, const struct atio_node *node,
			  const struct atio_level *at)
{
	size_t len;

	(void)atio_node_text(node, &len);
	if (w->alias_nodes++ >= w->limits.alias_nodes)
		return atio_value_fail(w->err, EFBIG, atio_level_step(at),
				       "aliases stand for more than %zu values",
				       w->limits.alias_nodes);
	if (len > w->limits.alias_bytes - w->alias_bytes)
		return atio_value_fail(w->err, EFBIG, atio_level_step(at),
				       "aliases stand for more than %zu bytes",
				       w->limits.alias_bytes);
	w->alias_bytes += len;
	return 0;
}

int atio_walk_count(struct atio_walk *w, const struct atio_node *node,
		    const struct atio_level *at)
{
	if (w->expanding)
		return count_expanded(w, node, at);
	if (w->nodes++ >= w->limits.nodes)
		return atio_value_fail(w->err, EFBIG, atio_level_step(at),
				       "more than %zu values", w->limits.nodes);
	return 0;
}

int atio_walk_enter(struct atio_walk *w, const struct atio_level *at)
{
	if (w->depth >= w->limits.depth)
		return atio_value_fail(w->err, EFBIG, atio_level_step(at),
				       "nested deeper than %zu levels",
				       w->limits.depth);
	w->depth++;
	return 0;
}

/* ---- aliases --------------------------------------------------------- */

/* Whether the walk is in @node at @at. */
static bool is_around(const struct atio_walk *w, const struct atio_node *node,
		      const struct atio_level *at)
{
	const struct atio_step *step = atio_level_step(at);

	for (; step; step = step->up)
		if (((const struct atio_level *)step)->node == node)
			return true;
	return w->root == node;
}

int atio_walk_alias(struct atio_walk *w, const struct atio_node *alias,
		    struct atio_level *at, const struct atio_node **ret_node)
{
	const struct atio_node *node = alias->inner;

	while (node->type == ATIO_ALIAS)
		node = node->inner;
	if (is_around(w, node, at))
		return atio_value_fail(w->err, ELOOP, atio_level_step(at),
				       "the alias '%.64s' stands within what "
				       "it stands for",
				       alias->text);
	if (at)
		at->node = node;
	else
		w->root = node;
	*ret_node = node;
	return 0;
}

/* ---- merge keys ------------------------------------------------------ */

bool atio_key_merges(const struct atio_node *key)
{
	return key->type == ATIO_STRING && key->style == ATIO_STYLE_PLAIN &&
	       key->count == 2 && key->text[0] == '<' && key->text[1] == '<';
}

bool atio_map_merges(const struct atio_node *map)
{
	long at = atio_map_find_text(map, "<<", 2);

	return at >= 0 && atio_key_merges(map->pairs[at].key);
}

static int no_memory(struct atio_walk *w, const struct atio_level *at)
{
	return atio_value_fail(w->err, ENOMEM, atio_level_step(at),
			       "out of memory");
}

static int new_map(struct atio_walk *w, const struct atio_level *at,
		   struct atio_node **ret_map)
{
	struct atio_node *map;

	if (!w->scratch && atio_doc_new(&w->limits, &w->scratch) < 0)
		return no_memory(w, at);
	map = atio_node_new(w->scratch, ATIO_MAP);
	if (!map)
		return no_memory(w, at);
	*ret_map = map;
	return 0;
}

static int add_pair(struct atio_walk *w, struct atio_node *merged,
		    const struct atio_pair *pair, const struct atio_level *at)
{
	int r = atio_map_set(w->scratch, merged, pair->key, pair->value);

	return r == -ENOMEM ? no_memory(w, at)
	       : r < 0      ? atio_value_fail(w->err, -r, atio_level_step(at),
					      "too many keys")
			    : 0;
}

/* Whether @map has a member @key: one of its own, that is. */
static bool has_key(const struct atio_node *map, const struct atio_node *key)
{
	long at = atio_map_find(map, key);

	return at >= 0 && !atio_key_merges(map->pairs[at].key);
}

/* The pairs of @source, one of the maps that @map merges, which neither @map
 * nor an earlier one has.  Each of them counts, since the same map may be
 * merged again and again. */
static int add_source(struct atio_walk *w, const struct atio_node *map,
		      const struct atio_node *source, struct atio_level *at,
		      struct atio_node *merged)
{
	const struct atio_node *key;
	size_t i;
	int r = 0;

	if (source->type == ATIO_ALIAS)
		r = atio_walk_alias(w, source, at, &source);
	if (r < 0)
		return r;
	if (source->type != ATIO_MAP)
		return atio_value_fail(w->err, EOPNOTSUPP, &at->step,
				       "`<<` merges maps, not %s",
				       atio_type_phrase(source->type));
	w->expanding++;
	r = atio_walk_count(w, source, at);
	if (r == 0)
		r = atio_walk_merge(w, source, at, &source);
	for (i = 0; r == 0 && i < source->count; i++) {
		key = source->pairs[i].key;
		r = atio_walk_count(w, key, at);
		if (r == 0 && !has_key(map, key) && !has_key(merged, key))
			r = add_pair(w, merged, &source->pairs[i], at);
	}
	w->expanding--;
	return r;
}

/* What the merge key of @map has: a map, or a list of them. */
static int add_sources(struct atio_walk *w, const struct atio_node *map,
		       const struct atio_pair *pair,
		       const struct atio_level *at, struct atio_node *merged)
{
	struct atio_level value = {{atio_level_step(at), pair->key, 0},
				   pair->value};
	const struct atio_node *list = pair->value;
	struct atio_level item;
	size_t i;
	int r = 0;

	while (list->type == ATIO_ALIAS)
		list = list->inner;
	if (list->type != ATIO_SEQ)
		return add_source(w, map, pair->value, &value, merged);
	value.node = list;
	for (i = 0; r == 0 && i < list->count; i++) {
		item = (struct atio_level){{&value.step, NULL, i},
					   list->items[i]};
		r = add_source(w, map, list->items[i], &item, merged);
	}
	return r;
}

int atio_walk_merge(struct atio_walk *w, const struct atio_node *map,
		    const struct atio_level *at,
		    const struct atio_node **ret_merged)
{
	struct atio_node *merged = NULL;
	size_t i;
	int r;

	if (!atio_map_merges(map)) {
		*ret_merged = map;
		return 0;
	}
	r = new_map(w, at, &merged);
	if (r == 0)
		r = atio_walk_enter(w, at);
	if (r < 0)
		return r;
	for (i = 0; r == 0 && i < map->count; i++) {
		if (atio_key_merges(map->pairs[i].key))
			r = add_sources(w, map, &map->pairs[i], at, merged);
		else
			r = add_pair(w, merged, &map->pairs[i], at);
	}
	w->depth--;
	if (r == 0)
		*ret_merged = merged;
	return r;
}
