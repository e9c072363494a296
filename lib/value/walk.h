/* SPDX-License-Identifier: MIT
 *
 * walk.h - a walk over a tree as if its aliases were what they stand for and
 * its merge keys were merged, within limits.
 *
 * A walk changes nothing in the tree, so that several threads can read it.
 */
#ifndef ATIO_VALUE_WALK_H
#define ATIO_VALUE_WALK_H

#include "value/inside.h"

/* A value that the walk is in, on its stack; the root has none. */
struct atio_level {
	struct atio_step step; /* first: a step of the walk is in a level */
	/* The value; of an alias, what it stands for. */
	const struct atio_node *node;
};

struct atio_walk {
	const struct atio_node *root; /* as @node of a level */
	struct atio_limits limits;    /* complete */
	struct atio_value_error *err; /* may be NULL */
	size_t depth;                 /* open seqs and maps */
	size_t nodes;                 /* so far, without those of aliases */
	size_t alias_nodes, alias_bytes;
	size_t expanding;         /* > 0: within what an alias stands for */
	struct atio_doc *scratch; /* of maps that were merged; may be NULL */
};

void atio_walk_done(struct atio_walk *walk);

/* The step to a value at @level, NULL for the root. */
static inline const struct atio_step *
atio_level_step(const struct atio_level *level)
{
	return level ? &level->step : NULL;
}

/* Count @node.  -EFBIG. */
int atio_walk_count(struct atio_walk *walk, const struct atio_node *node,
		    const struct atio_level *at);
/* Go into a seq or map: -EFBIG.  Afterwards walk->depth is lowered again. */
int atio_walk_enter(struct atio_walk *walk, const struct atio_level *at);
/* What @alias stands for, which becomes the value @at.  -ELOOP: it is around
 * the alias. */
int atio_walk_alias(struct atio_walk *walk, const struct atio_node *alias,
		    struct atio_level *at, const struct atio_node **ret_node);

/* Whether @key merges: the `<<` of YAML, written plainly. */
bool atio_key_merges(const struct atio_node *key);
bool atio_map_merges(const struct atio_node *map);
/* @map with what it merges in the places of its merge keys: keys of its own
 * win, whether before or behind; of several maps the earlier one.  Lent until
 * the walk is done, and so are its members, which are of the tree.
 * -EOPNOTSUPP: no map; -ELOOP, -EFBIG, -ENOMEM. */
int atio_walk_merge(struct atio_walk *walk, const struct atio_node *map,
		    const struct atio_level *at,
		    const struct atio_node **ret_merged);

#endif
