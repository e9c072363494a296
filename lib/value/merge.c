/* SPDX-License-Identifier: MIT
 *
 * merge.c - putting one value into, or in the place of, another.
 *
 * What is put in is copied first, as a whole; its nodes then become nodes of
 * the tree.
 */
#include <errno.h>
#include <string.h>

#include "value/edit.h"

static const struct atio_node *inside(const struct atio_node *node)
{
	while (node->type == ATIO_ALIAS || node->type == ATIO_TAGGED)
		node = node->inner;
	return node;
}

/* Nothing is put into several documents at once, nor all of them replaced by
 * what was meant for one. */
static int begin(struct atio_edit *edit, struct atio_doc *doc,
		 const struct atio_node *with, struct atio_node **ret_copy,
		 struct atio_value_error *err)
{
	atio_edit_begin(edit, doc, err);
	if (doc->root->type == ATIO_STREAM)
		return atio_value_fail(err, EOPNOTSUPP, NULL,
				       "there are several documents");
	return atio_edit_copy(edit, with, ret_copy);
}

/* ---- RFC 7396 -------------------------------------------------------- */

static int merge_into(struct atio_edit *edit, struct atio_node **slot,
		      struct atio_node *patch);

static int set(struct atio_edit *edit, struct atio_node *map,
	       const struct atio_pair *pair)
{
	int r = atio_map_set(edit->doc, map, pair->key, pair->value);

	if (r == -ENOMEM)
		return atio_edit_no_memory(edit);
	return r < 0 ? atio_value_fail(edit->err, -r, NULL, "too many keys")
		     : 0;
}

/* Where @key is in the map in @slot, which becomes one that may be changed.
 * @merged: what it merges counts, too.  (A key `<<` of a patch is no merge key,
 * and is not to be taken for that of the map.) */
static int find(struct atio_edit *edit, struct atio_node **slot,
		const struct atio_node *key, bool merged,
		struct atio_node **ret_map, long *ret_at)
{
	int r;

	r = atio_edit_own(edit, slot, merged, ret_map);
	if (r < 0)
		return r;
	*ret_at = atio_map_find(*ret_map, key);
	if (*ret_at < 0 || !atio_key_merges((*ret_map)->pairs[*ret_at].key))
		return 0;
	r = atio_edit_own(edit, slot, true, ret_map);
	*ret_at = r < 0 ? -1 : atio_map_find(*ret_map, key);
	return r;
}

/* One member of a patch.  A value that it deletes only becomes NULL, and is
 * counted: to take them out one by one would move all others each time. */
static int merge_member(struct atio_edit *edit, struct atio_node **slot,
			const struct atio_pair *member, size_t *deleted)
{
	struct atio_node *value = member->value, *map;
	struct atio_pair pair = *member;
	int r;
	long at;

	r = find(edit, slot, member->key, value->type == ATIO_NULL, &map, &at);
	if (r == 0 && at < 0 && value->type == ATIO_MAP)
		r = find(edit, slot, member->key, true, &map, &at);
	if (r < 0)
		return r;
	if (value->type == ATIO_NULL) {
		if (at >= 0)
			map->pairs[at].value = NULL;
		*deleted += at >= 0;
		return 0;
	}
	if (value->type != ATIO_MAP)
		return set(edit, map, member);
	if (at >= 0)
		return merge_into(edit, &map->pairs[at].value, value);
	pair.value = NULL;
	r = merge_into(edit, &pair.value, value);
	return r < 0 ? r : set(edit, map, &pair);
}

/* *@slot may be NULL: there is nothing yet. */
static int merge_map(struct atio_edit *edit, struct atio_node **slot,
		     const struct atio_node *patch)
{
	struct atio_node *map;
	size_t i, deleted = 0;
	int r = 0;

	for (i = 0; r == 0 && i < patch->count; i++)
		r = merge_member(edit, slot, &patch->pairs[i], &deleted);
	if (r < 0 || !deleted)
		return r;
	r = atio_edit_own(edit, slot, false, &map);
	if (r == 0)
		atio_map_drop(map);
	return r;
}

static int merge_into(struct atio_edit *edit, struct atio_node **slot,
		      struct atio_node *patch)
{
	int r = 0;

	if (patch->type != ATIO_MAP) {
		*slot = patch;
		return 0;
	}
	if (!*slot || inside(*slot)->type != ATIO_MAP)
		r = atio_edit_new_map(edit, slot);
	return r < 0 ? r : merge_map(edit, slot, patch);
}

int atio_value_merge(struct atio_doc *doc, const struct atio_node *with,
		     struct atio_value_error *err)
{
	struct atio_node *patch;
	struct atio_edit edit;
	int r;

	r = begin(&edit, doc, with, &patch, err);
	if (r == 0)
		r = merge_into(&edit, &edit.root, patch);
	return atio_edit_end(&edit, r);
}

/* ---- one level deep -------------------------------------------------- */

static int update_map(struct atio_edit *edit, const struct atio_node *with)
{
	struct atio_node *map;
	size_t i;
	int r = 0;
	long at;

	for (i = 0; r == 0 && i < with->count; i++) {
		r = find(edit, &edit->root, with->pairs[i].key, false, &map,
			 &at);
		if (r == 0)
			r = set(edit, map, &with->pairs[i]);
	}
	return r;
}

static int append(struct atio_edit *edit, const struct atio_node *with)
{
	struct atio_node *seq;
	size_t i;
	int r;

	r = atio_edit_own(edit, &edit->root, false, &seq);
	if (r < 0)
		return r;
	for (i = 0; r == 0 && i < with->count; i++)
		r = atio_seq_insert(edit->doc, seq, seq->count, with->items[i]);
	if (r == -ENOMEM)
		return atio_edit_no_memory(edit);
	return r < 0 ? atio_value_fail(edit->err, -r, NULL, "too many values")
		     : 0;
}

int atio_value_update(struct atio_doc *doc, const struct atio_node *with,
		      struct atio_value_error *err)
{
	enum atio_type type = inside(doc->root)->type;
	struct atio_node *patch;
	struct atio_edit edit;
	int r;

	r = begin(&edit, doc, with, &patch, err);
	if (r < 0)
		return atio_edit_end(&edit, r);
	if (type == ATIO_MAP && patch->type == ATIO_MAP)
		r = update_map(&edit, patch);
	else if (type == ATIO_SEQ && patch->type == ATIO_SEQ)
		r = append(&edit, patch);
	else
		edit.root = patch;
	return atio_edit_end(&edit, r);
}

int atio_value_replace(struct atio_doc *doc, const struct atio_node *with,
		       struct atio_value_error *err)
{
	struct atio_edit edit;
	int r;

	atio_edit_begin(&edit, doc, err);
	r = atio_edit_copy(&edit, with, &edit.root);
	return atio_edit_end(&edit, r);
}
