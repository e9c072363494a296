/* SPDX-License-Identifier: MIT
 *
 * What is held.
 *
 * Invariants
 *   1. Ranges of one holder do not overlap; those that touch differ in mode,
 *      kind, thread or handle.
 *   2. A holder holds something; that of a flock one range, which is all.
 *   3. What is held of a space was in nobody's way when it was granted.
 */
#include "lock/inside.h"

#include <limits.h>
#include <stdlib.h>

/* ---- holders --------------------------------------------------------- */

struct lock_holder *atio_lock_holder_find(struct atio_lock_space *space,
					  uint64_t owner)
{
	struct tree_node *node = atio_tree_ge(space->holders, owner, 0);

	if (!node || node->key != owner)
		return NULL;
	return CONTAINER_OF(node, struct lock_holder, node);
}

static struct lock_span *own_range(struct tree_node *node)
{
	return node ? CONTAINER_OF(node, struct lock_span, own) : NULL;
}

struct lock_span *atio_lock_first_range(const struct lock_holder *holder)
{
	return holder ? own_range(atio_tree_first(holder->ranges)) : NULL;
}

/* The last range of @holder that begins at or before @at. */
static struct lock_span *range_before(const struct lock_holder *holder,
				      uint64_t at)
{
	return own_range(atio_tree_le(holder->ranges, at, UINT64_MAX));
}

bool atio_lock_converts(const struct lock_span *want)
{
	struct lock_holder *holder =
		atio_lock_holder_find(want->space, want->who.owner);
	struct lock_span *range;

	if (!holder)
		return false;
	range = range_before(holder, want->node.end);
	return range && range->node.end >= want->node.key;
}

bool atio_lock_is_full(const struct atio_lock_table *table,
		       const struct lock_holder *holder)
{
	return holder && table->options.max_ranges &&
	       holder->n >= table->options.max_ranges;
}

bool atio_lock_splits(const struct lock_holder *holder,
		      struct atio_lock_range range)
{
	const struct lock_span *at = range_before(holder, range.start);

	return at && at->node.key < range.start && at->node.end > range.end;
}

static void add_range(struct atio_lock_table *table, struct lock_span *range)
{
	range->own.key = range->node.key;
	range->own.end = range->node.end;
	range->own.id = 0;
	range->node.id = range->handle.id = range->serial;
	range->handle.key = range->who.handle;
	atio_tree_add(&range->holder->ranges, &range->own);
	atio_tree_add(&table->held, &range->handle);
	atio_lock_set_add(&range->space->held, range);
	atio_lock_thread_add(range);
	range->holder->n++;
	table->count.held++;
}

static void take_range(struct atio_lock_table *table, struct lock_span *range)
{
	atio_tree_del(&range->holder->ranges, &range->own);
	atio_tree_del(&table->held, &range->handle);
	atio_lock_set_del(&range->space->held, range);
	atio_lock_thread_del(range);
	range->holder->n--;
	table->count.held--;
}

static void free_range(struct atio_lock_table *table, struct lock_span *range)
{
	take_range(table, range);
	atio_lock_thread_put(table, range->thread);
	free(range);
}

static struct lock_holder *add_holder(struct lock_waiter *w)
{
	struct lock_holder *holder = w->holder;

	w->holder = NULL;
	holder->space = w->want.space;
	holder->node.key = w->want.who.owner;
	atio_tree_add(&holder->space->holders, &holder->node);
	return holder;
}

static void free_if_empty(struct lock_holder *holder)
{
	if (holder->ranges)
		return;
	atio_tree_del(&holder->space->holders, &holder->node);
	free(holder);
}

/* ---- telling --------------------------------------------------------- */

struct piece {
	const struct lock_span *of;
	uint64_t start, end;
};

static bool is_of_other_owner(struct tree_node *node, void *arg)
{
	const struct piece *piece = arg;
	struct lock_span *span = CONTAINER_OF(node, struct lock_span, node);

	return span->holder != piece->of->holder &&
	       span->thread == piece->of->thread;
}

/* Does the thread of @piece hold all of it through other owners? */
static bool is_held_again(struct piece piece)
{
	struct tree_node *all = piece.of->space->held.mode[ATIO_LOCK_EXCLUSIVE];
	uint64_t at = piece.start;

	while (piece.of->thread && at <= piece.end) {
		struct tree_node *node = atio_tree_overlap(
			all, at, at, is_of_other_owner, &piece);

		if (!node)
			return false;
		at = node->end + 1;
	}
	return piece.of->thread;
}

/* [start, end] of @range, which is exclusive, is given up. */
static void lose(struct atio_lock_table *table, struct lock_work *work,
		 const struct lock_span *range, uint64_t start, uint64_t end)
{
	struct atio_lock_space *space = range->space;
	struct piece piece = {range, start, end};

	if (!table->options.released || is_held_again(piece))
		return;
	space->who = range->who;
	if (space->again)
		return;
	if (space->barred) {
		space->again = space->telling;
		return;
	}
	space->barred = true;
	space->path->pins++;
	space->due_next = work->due;
	work->due = space;
}

/* ---- changing what is held ------------------------------------------- */

/* The part of @range behind @end becomes one of its own. */
static void split_off(struct atio_lock_table *table,
		      const struct lock_span *range, uint64_t end,
		      struct lock_span **half)
{
	struct lock_span *right = *half;

	*half = NULL;
	*right = *range;
	right->node.key = end + 1;
	right->id = ++table->ids;
	right->serial = ++table->serial;
	if (right->thread)
		right->thread->refs++;
	add_range(table, right);
}

static void cut_range(struct atio_lock_table *table, struct lock_span *range,
		      struct atio_lock_range out, struct lock_span **half)
{
	uint64_t start = range->node.key, end = range->node.end;

	take_range(table, range);
	if (end > out.end && start < out.start)
		split_off(table, range, out.end, half);
	if (start < out.start) {
		range->node.end = out.start - 1;
	} else if (end > out.end) {
		range->node.key = out.end + 1;
	} else {
		atio_lock_thread_put(table, range->thread);
		free(range);
		return;
	}
	add_range(table, range);
}

static uint64_t lower(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t higher(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static bool is_like(const struct lock_span *a, const struct lock_span *b)
{
	return a->mode == b->mode && a->kind == b->kind &&
	       a->thread == b->thread && a->who.handle == b->who.handle;
}

/* Make room for @fresh (NULL: for nothing), which takes in what is like it and
 * touches it. */
static void replace(struct atio_lock_table *table, struct lock_work *work,
		    struct lock_holder *holder, struct atio_lock_range at,
		    struct lock_span *fresh, struct lock_span **half)
{
	struct lock_span *range = range_before(holder, at.end + 1), *before;

	for (; range && range->node.end + 1 >= at.start; range = before) {
		uint64_t start = range->node.key, end = range->node.end;

		before = start ? range_before(holder, start - 1) : NULL;
		if (fresh && is_like(fresh, range)) {
			fresh->node.key = lower(fresh->node.key, start);
			fresh->node.end = higher(fresh->node.end, end);
			free_range(table, range);
			continue;
		}
		if (end < at.start || start > at.end)
			continue;
		if (range->mode == ATIO_LOCK_EXCLUSIVE &&
		    (!fresh || fresh->mode == ATIO_LOCK_SHARED)) {
			lose(table, work, range, higher(start, at.start),
			     lower(end, at.end));
			atio_lock_dirty(work, range->space);
		}
		cut_range(table, range, at, half);
	}
}

/* A flock: how often it is held from now on. */
static void count_on(struct lock_span *fresh, const struct lock_span *old,
		     bool counted)
{
	fresh->count = old ? old->count : 0;
	/* At INT_MAX only if several were asked for at once: each was told
	 * that there is one more to come. */
	if (!old || (counted && old->count < INT_MAX))
		fresh->count++;
	if (old && counted && old->mode == ATIO_LOCK_EXCLUSIVE)
		fresh->mode = ATIO_LOCK_EXCLUSIVE;
}

void atio_lock_hold(struct atio_lock_table *table, struct lock_work *work,
		    struct lock_waiter *w)
{
	struct atio_lock_range at = {w->want.node.key, w->want.node.end};
	struct lock_span *fresh = w->fresh;
	struct lock_holder *holder =
		atio_lock_holder_find(w->want.space, w->want.who.owner);

	w->fresh = NULL;
	*fresh = w->want;
	if (fresh->kind == ATIO_LOCK_FLOCK)
		count_on(fresh, atio_lock_first_range(holder), w->counted);
	if (!holder)
		holder = add_holder(w);
	fresh->holder = holder;
	fresh->since_ms = table->options.now(table->options.ctx);
	if (fresh->thread)
		fresh->thread->refs++;
	replace(table, work, holder, at, fresh, &w->half);
	add_range(table, fresh);
}

void atio_lock_cut(struct atio_lock_table *table, struct lock_work *work,
		   struct lock_holder *holder, struct atio_lock_range range,
		   struct lock_span **half)
{
	replace(table, work, holder, range, NULL, half);
	atio_lock_dirty(work, holder->space);
	free_if_empty(holder);
}

void atio_lock_cut_all(struct atio_lock_table *table, struct lock_work *work,
		       struct lock_holder *holder)
{
	struct atio_lock_range all = {0, ATIO_LOCK_END};

	atio_lock_cut(table, work, holder, all, NULL);
}

void atio_lock_drop(struct atio_lock_table *table, struct lock_work *work,
		    struct lock_span *range)
{
	struct lock_holder *holder = range->holder;

	if (range->mode == ATIO_LOCK_EXCLUSIVE)
		lose(table, work, range, range->node.key, range->node.end);
	atio_lock_dirty(work, range->space);
	free_range(table, range);
	free_if_empty(holder);
}
