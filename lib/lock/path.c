/* SPDX-License-Identifier: MIT
 *
 * Paths, and the sets of spans in their spaces.
 *
 * A path that is not pinned has holders or waiters.
 */
#include "lock/inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- paths ----------------------------------------------------------- */

static uint64_t hash_of(struct atio_lock_key key)
{
	const unsigned char *bytes = key.bytes;
	uint64_t hash = 0xcbf29ce484222325u;

	for (size_t i = 0; i < key.size; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3u;
	return hash;
}

struct lock_path *atio_lock_path_find(struct atio_lock_table *table,
				      struct atio_lock_key key)
{
	uint64_t hash = hash_of(key);
	struct tree_node *node = atio_tree_ge(table->paths, hash, 0);

	while (node && node->key == hash) {
		struct lock_path *path =
			CONTAINER_OF(node, struct lock_path, node);

		if (path->name->size == key.size &&
		    memcmp(path->name->bytes, key.bytes, key.size) == 0)
			return path;
		node = atio_tree_next(table->paths, node);
	}
	return NULL;
}

static void init_space(struct atio_lock_space *space, struct lock_path *path)
{
	space->path = path;
	space->held.node = offsetof(struct lock_span, node);
	space->waiting.node = offsetof(struct lock_span, node);
}

static void free_names(struct lock_name **names)
{
	while (*names) {
		struct lock_name *name = *names;

		*names = name->old;
		free(name);
	}
}

int atio_lock_path_rename(struct atio_lock_table *table, struct lock_path *path,
			  struct atio_lock_key key)
{
	struct lock_name *name = malloc(sizeof(*name) + key.size);

	if (!name)
		return -ENOMEM;
	memcpy(name->bytes, key.bytes, key.size);
	name->size = key.size;
	name->old = path->name;
	if (path->name)
		atio_tree_del(&table->paths, &path->node);
	if (!path->lent)
		free_names(&name->old);
	path->name = name;
	path->node.key = hash_of(key);
	path->node.id = ++table->serial;
	atio_tree_add(&table->paths, &path->node);
	return 0;
}

int atio_lock_path_get(struct atio_lock_table *table, struct atio_lock_key key,
		       struct lock_path **ret_path)
{
	struct lock_path *path = atio_lock_path_find(table, key);

	if (!path) {
		path = calloc(1, sizeof(*path));
		if (!path)
			return -ENOMEM;
		init_space(&path->space[0], path);
		init_space(&path->space[1], path);
		if (atio_lock_path_rename(table, path, key) < 0) {
			free(path);
			return -ENOMEM;
		}
		table->count.paths++;
	}
	path->pins++;
	*ret_path = path;
	return 0;
}

void atio_lock_path_free(struct atio_lock_table *table, struct lock_path *path)
{
	atio_tree_del(&table->paths, &path->node);
	table->count.paths--;
	free_names(&path->name);
	free(path);
}

bool atio_lock_path_is_empty(const struct lock_path *path)
{
	for (int i = 0; i < 2; i++)
		if (path->space[i].holders || path->space[i].queue)
			return false;
	return true;
}

void atio_lock_path_unpin(struct atio_lock_table *table, struct lock_path *path)
{
	if (--path->pins == 0 && atio_lock_path_is_empty(path))
		atio_lock_path_free(table, path);
}

struct atio_lock_space *atio_lock_space_of(struct lock_path *path,
					   enum atio_lock_kind kind)
{
	return &path->space[kind != ATIO_LOCK_FLOCK];
}

/* ---- sets of spans --------------------------------------------------- */

static struct tree_node *node_in(const struct lock_set *set,
				 struct lock_span *span)
{
	return (struct tree_node *)(void *)((char *)span + set->node);
}

static struct lock_span *span_in(const struct lock_set *set,
				 struct tree_node *node)
{
	return (struct lock_span *)(void *)((char *)node - set->node);
}

void atio_lock_set_add(struct lock_set *set, struct lock_span *span)
{
	atio_tree_add(&set->mode[span->mode], node_in(set, span));
}

void atio_lock_set_del(struct lock_set *set, struct lock_span *span)
{
	atio_tree_del(&set->mode[span->mode], node_in(set, span));
}

struct find {
	const struct atio_lock_table *table;
	const struct lock_set *set;
	const struct lock_span *want;
	bool (*fn)(struct lock_span *span, void *arg);
	void *arg;
};

/* Of two that overlap and are not both shared. */
static bool is_in_way(struct tree_node *node, void *arg)
{
	const struct find *find = arg;
	struct lock_span *span = span_in(find->set, node);
	const struct lock_span *want = find->want;

	if (span->who.owner == want->who.owner)
		return false;
	if (want->thread == span->thread && want->thread &&
	    !find->table->options.strict)
		return false;
	return !find->fn || find->fn(span, find->arg);
}

struct lock_span *
atio_lock_set_find(const struct atio_lock_table *table,
		   const struct lock_set *set, const struct lock_span *want,
		   bool (*fn)(struct lock_span *span, void *arg), void *arg)
{
	struct find find = {table, set, want, fn, arg};
	struct tree_node *node;

	node = atio_tree_overlap(set->mode[ATIO_LOCK_EXCLUSIVE], want->node.key,
				 want->node.end, is_in_way, &find);
	if (!node && want->mode == ATIO_LOCK_EXCLUSIVE)
		node = atio_tree_overlap(set->mode[ATIO_LOCK_SHARED],
					 want->node.key, want->node.end,
					 is_in_way, &find);
	return node ? span_in(set, node) : NULL;
}
