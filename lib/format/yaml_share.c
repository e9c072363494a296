/* SPDX-License-Identifier: MIT
 *
 * yaml_share.c - which nodes of a document aliases stand for, and their names.
 *
 * An edit may have moved what an alias stands for behind it, or away; so the
 * writer does not care which of the places was the anchor.  Where it comes to a
 * shared node first, it writes the node with an anchor, and an alias wherever
 * it comes to it again.
 *
 * The names are those of the source, unless two are the same (a name may be
 * given anew in the course of a document) or cannot be written: then all are
 * numbered.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "format/yaml.h"

#define SLOTS_FIRST 64

/* A node that was visited, or that an alias stands for. */
struct slot {
	const struct atio_node *node; /* NULL: free */
	uint32_t shared;              /* position + 1; 0: no alias */
	bool visited;
};

struct atio_yaml_share {
	struct slot *slots; /* open addressing, at most half full */
	size_t mask, used;
	struct atio_yaml_shared *shared;
	size_t count, room;
	bool numbered;
};

/* ---- the table ------------------------------------------------------- */

static struct slot *find(const struct atio_yaml_share *share,
			 const struct atio_node *node)
{
	uint64_t hash = (uintptr_t)node * 0x9E3779B97F4A7C15ull;
	size_t i = (size_t)(hash >> 20) & share->mask;

	while (share->slots[i].node && share->slots[i].node != node)
		i = (i + 1) & share->mask;
	return &share->slots[i];
}

static int grow(struct atio_yaml_share *share)
{
	size_t old = share->slots ? share->mask + 1 : 0, i;
	struct slot *before = share->slots;

	share->slots = calloc(old ? old * 2 : SLOTS_FIRST, sizeof(*before));
	if (!share->slots) {
		share->slots = before;
		return -ENOMEM;
	}
	share->mask = (old ? old * 2 : SLOTS_FIRST) - 1;
	for (i = 0; i < old; i++)
		if (before[i].node)
			*find(share, before[i].node) = before[i];
	free(before);
	return 0;
}

/* NULL: no memory. */
static struct slot *find_or_add(struct atio_yaml_share *share,
				const struct atio_node *node)
{
	struct slot *slot;

	if ((!share->slots || share->used * 2 > share->mask) && grow(share) < 0)
		return NULL;
	slot = find(share, node);
	share->used += !slot->node;
	slot->node = node;
	return slot;
}

/* ---- finding what is shared ------------------------------------------ */

static size_t children(const struct atio_node *node)
{
	switch ((enum atio_type)node->type) {
	case ATIO_TAGGED:
		return 1;
	case ATIO_SEQ:
	case ATIO_STREAM:
		return node->count;
	case ATIO_MAP:
		return 2 * (size_t)node->count;
	default:
		return 0;
	}
}

static const struct atio_node *child(const struct atio_node *node, size_t i)
{
	if (node->type == ATIO_TAGGED)
		return node->inner;
	if (node->type != ATIO_MAP)
		return node->items[i];
	return i % 2 ? node->pairs[i / 2].value : node->pairs[i / 2].key;
}

static bool has_alias(const struct atio_node *node)
{
	size_t i, n = children(node);

	if (node->type == ATIO_ALIAS)
		return true;
	for (i = 0; i < n; i++)
		if (has_alias(child(node, i)))
			return true;
	return false;
}

static int note_alias(struct atio_yaml_share *share,
		      const struct atio_node *alias)
{
	size_t room = share->room ? share->room * 2 : 32;
	struct slot *slot = find_or_add(share, alias->inner);
	struct atio_yaml_shared *larger;

	if (!slot)
		return -ENOMEM;
	if (slot->shared)
		return 0;
	if (share->count == share->room) {
		larger = reallocarray(share->shared, room, sizeof(*larger));
		if (!larger)
			return -ENOMEM;
		share->shared = larger;
		share->room = room;
	}
	share->shared[share->count++] = (struct atio_yaml_shared){
		alias->inner, alias->text, alias->count, false};
	slot->shared = (uint32_t)share->count;
	return 0;
}

/* Each collection once; what an alias stands for is visited later, unless it is
 * part of the document and so is visited anyway. */
static int visit(struct atio_yaml_share *share, const struct atio_node *node)
{
	size_t i, n = children(node);
	struct slot *slot;
	int r = 0;

	if (node->type == ATIO_ALIAS)
		return note_alias(share, node);
	if (!n)
		return 0;
	slot = find_or_add(share, node);
	if (!slot)
		return -ENOMEM;
	if (slot->visited)
		return 0;
	slot->visited = true;
	for (i = 0; i < n && r == 0; i++)
		r = visit(share, child(node, i));
	return r;
}

/* ---- names ----------------------------------------------------------- */

static bool is_name(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (!(name[i] >= '0' && name[i] <= '9') &&
		    !((name[i] | 0x20) >= 'a' && (name[i] | 0x20) <= 'z') &&
		    name[i] != '_' && name[i] != '-')
			return false;
	return len > 0;
}

static int by_name(const void *a, const void *b)
{
	const struct atio_yaml_shared *const *x = a, *const *y = b;
	size_t len = (*x)->name_len < (*y)->name_len ? (*x)->name_len
						     : (*y)->name_len;
	int order = memcmp((*x)->name, (*y)->name, len);

	if (order)
		return order;
	return ((*x)->name_len > (*y)->name_len) -
	       ((*x)->name_len < (*y)->name_len);
}

static int check_names(struct atio_yaml_share *share)
{
	const struct atio_yaml_shared **sorted;
	size_t i;

	sorted = calloc(share->count, sizeof(*sorted));
	if (!sorted)
		return -ENOMEM;
	for (i = 0; i < share->count; i++)
		sorted[i] = &share->shared[i];
	qsort(sorted, share->count, sizeof(*sorted), by_name);
	for (i = 0; i < share->count; i++)
		if (!is_name(sorted[i]->name, sorted[i]->name_len) ||
		    (i && by_name(&sorted[i - 1], &sorted[i]) == 0))
			share->numbered = true;
	free(sorted);
	return 0;
}

void atio_yaml_share_put_name(const struct atio_yaml_share *share,
			      const struct atio_yaml_shared *shared,
			      struct atio_out *out)
{
	char number[ATIO_FLOAT_TEXT_MAX];

	if (!share->numbered) {
		atio_out_put(out, shared->name, shared->name_len);
		return;
	}
	(void)atio_int_text(shared - share->shared + 1, number);
	atio_out_text(out, "id");
	atio_out_text(out, number);
}

/* ---- all of it ------------------------------------------------------- */

int atio_yaml_share_new(const struct atio_node *root,
			struct atio_yaml_share **ret_share)
{
	struct atio_yaml_share *share;
	size_t i;
	int r;

	*ret_share = NULL;
	if (!has_alias(root))
		return 0;
	share = calloc(1, sizeof(*share));
	if (!share)
		return -ENOMEM;
	r = visit(share, root);
	for (i = 0; i < share->count && r == 0; i++)
		r = visit(share, share->shared[i].node);
	if (r == 0)
		r = check_names(share);
	if (r < 0) {
		atio_yaml_share_free(share);
		return r;
	}
	*ret_share = share;
	return 0;
}

void atio_yaml_share_free(struct atio_yaml_share *share)
{
	if (!share)
		return;
	free(share->slots);
	free(share->shared);
	free(share);
}

struct atio_yaml_shared *
atio_yaml_share_find(const struct atio_yaml_share *share,
		     const struct atio_node *node)
{
	const struct slot *slot = share ? find(share, node) : NULL;

	return slot && slot->shared ? &share->shared[slot->shared - 1] : NULL;
}
