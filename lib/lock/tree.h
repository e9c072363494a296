/* SPDX-License-Identifier: MIT
 *
 * tree.h - inside of lib/lock: sorted sets of nodes that live in what they
 * sort, with a search for what overlaps a range.
 *
 * Sorted by (key, id), which is unique in a tree.  A treap: the priorities are
 * random, so that depth is logarithmic whatever the keys.  All is O(log n), and
 * the search for overlaps O(log n) for each node found.  Nothing allocates.
 */
#ifndef ATIO_LOCK_TREE_H
#define ATIO_LOCK_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONTAINER_OF(node, type, field)                                        \
	((type *)(void *)((char *)(node)-offsetof(type, field)))

struct tree_node {
	struct tree_node *left, *right;
	uint64_t priority;
	uint64_t key, id;
	uint64_t end;     /* of a range that begins at @key, inclusive */
	uint64_t max_end; /* in this subtree */
};

/* @key, @id (and @end) are set; the rest is filled in. */
void atio_tree_add(struct tree_node **root, struct tree_node *node);
void atio_tree_del(struct tree_node **root, struct tree_node *node);

/* The lowest that is not below (key, id), the highest not above; or NULL. */
struct tree_node *atio_tree_ge(struct tree_node *root, uint64_t key,
			       uint64_t id);
struct tree_node *atio_tree_le(struct tree_node *root, uint64_t key,
			       uint64_t id);
struct tree_node *atio_tree_next(struct tree_node *root,
				 const struct tree_node *node);

static inline struct tree_node *atio_tree_first(struct tree_node *root)
{
	return atio_tree_ge(root, 0, 0);
}

/* The first, by key, of those that overlap [start, end] and that @fn takes. */
struct tree_node *
atio_tree_overlap(struct tree_node *root, uint64_t start, uint64_t end,
		  bool (*fn)(struct tree_node *node, void *arg), void *arg);

#endif
