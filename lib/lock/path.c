/* SPDX-License-Identifier: MIT
 *
 * Paths, threads, and what is held.
 *
 * Invariants
 *   1. Ranges of one holder do not overlap; those that touch differ in mode or
 *      in thread.
 *   2. A holder holds something; a path that is not pinned has holders or
 *      waiters; a thread has spans.
 *   3. Two ranges of a space of which each would be in the way of the other are
 *      never both held.
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
	if (!path->space[0].barred && !path->space[1].barred)
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

void atio_lock_path_unpin(struct atio_lock_table *table, struct lock_path *path)
{
	if (--path->pins)
		return;
	for (int i = 0; i < 2; i++)
		if (path->space[i].holders || path->space[i].queue)
			return;
	atio_tree_del(&table->paths, &path->node);
	table->count.paths--;
	free_names(&path->name);
	free(path);
}

struct atio_lock_space *atio_lock_space_of(struct lock_path *path,
					   enum atio_lock_kind kind)
{
	return &path->space[kind != ATIO_LOCK_FLOCK];
}

/* ---- threads --------------------------------------------------------- */

int atio_lock_thread_get(struct atio_lock_table *table,
			 const struct atio_lock_who *who,
			 struct lock_thread **ret_thread)
{
	uint64_t tid = (uint64_t)who->tid;
	struct tree_node *node;
	struct lock_thread *thread;

	*ret_thread = NULL;
	if (!who->tid)
		return 0;
	node = atio_tree_ge(table->threads, tid, who->born);
	if (node && node->key == tid && node->id == who->born) {
		thread = CONTAINER_OF(node, struct lock_thread, node);
	} else {
		thread = calloc(1, sizeof(*thread));
		if (!thread)
			return -ENOMEM;
		thread->node.key = tid;
		thread->node.id = who->born;
		atio_tree_add(&table->threads, &thread->node);
	}
	thread->refs++;
	*ret_thread = thread;
	return 0;
}

void atio_lock_thread_put(struct atio_lock_table *table,
			  struct lock_thread *thread)
{
	if (!thread || --thread->refs)
		return;
	atio_tree_del(&table->threads, &thread->node);
	free(thread);
}

/* ---- sets of spans --------------------------------------------------- */

static struct tree_node *node_in(const struct lock_set *set,
				 struct lock_span *span)
{
	return (struct tree_node *)(void *)((char *)span + set->node);
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

static struct lock_span *span_in(const struct lock_set *set,
				 struct tree_node *node)
{
	return (struct lock_span *)(void *)((char *)node - set->node);
}

/* Of two that overlap and are not both shared. */
static bool is_in_way(struct tree_node *node, void *arg)
{
	const struct find *find = arg;
	struct lock_span *span = span_in(find->set, node);
	const struct lock_span *want = find->want;

	if (span->kind == want->kind && span->who.owner == want->who.owner)
		return false;
	if (want->thread == span->thread && want->thread &&
	    !find->table->options.strict)
		return false;
	return !find->fn || find->fn(span, find->arg);
}

struct lock_span *
atio_lock_set_find(const struct atio_lock_table *table, struct lock_set *set,
		   struct lock_span *want,
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

/* ---- holders --------------------------------------------------------- */

struct lock_holder *atio_lock_holder_find(struct atio_lock_space *space,
					  enum atio_lock_kind kind,
					  uint64_t owner)
{
	struct tree_node *node = atio_tree_ge(space->holders, owner, kind);

	if (!node || node->key != owner || node->id != (uint64_t)kind)
		return NULL;
	return CONTAINER_OF(node, struct lock_holder, node);
}

static struct lock_span *own_range(struct tree_node *node)
{
	return node ? CONTAINER_OF(node, struct lock_span, own) : NULL;
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
		atio_lock_holder_find(want->space, want->kind, want->who.owner);
	struct lock_span *range;

	if (!holder)
		return false;
	range = range_before(holder, want->node.end);
	return range && range->node.end >= want->node.key;
}

static void add_range(struct atio_lock_table *table, struct lock_span *range)
{
	range->own.key = range->node.key;
	range->own.end = range->node.end;
	range->own.id = 0;
	range->node.id = range->id;
	atio_tree_add(&range->holder->ranges, &range->own);
	atio_lock_set_add(&range->space->held, range);
	if (range->thread)
		range->thread->held++;
	table->count.held++;
}

static void take_range(struct atio_lock_table *table, struct lock_span *range)
{
	atio_tree_del(&range->holder->ranges, &range->own);
	atio_lock_set_del(&range->space->held, range);
	if (range->thread)
		range->thread->held--;
	table->count.held--;
}

static void free_range(struct atio_lock_table *table, struct lock_span *range)
{
	take_range(table, range);
	atio_lock_thread_put(table, range->thread);
	free(range);
}

static struct lock_holder *add_holder(struct atio_lock_table *table,
				      struct lock_waiter *w)
{
	struct lock_holder *holder = w->holder;

	w->holder = NULL;
	holder->space = w->want.space;
	holder->node.key = holder->all.key = w->want.who.owner;
	holder->node.id = w->want.kind;
	holder->all.id = ++table->serial;
	atio_tree_add(&holder->space->holders, &holder->node);
	atio_tree_add(&table->holders, &holder->all);
	return holder;
}

static void free_if_empty(struct atio_lock_table *table,
			  struct lock_holder *holder)
{
	if (holder->ranges)
		return;
	atio_tree_del(&holder->space->holders, &holder->node);
	atio_tree_del(&table->holders, &holder->all);
	free(holder);
}

/* ---- changing what is held ------------------------------------------- */

struct piece {
	const struct lock_span *of;
	uint64_t start, end;
};

static bool covers(struct tree_node *node, void *arg)
{
	const struct piece *piece = arg;
	struct lock_span *span = CONTAINER_OF(node, struct lock_span, node);

	return span->holder != piece->of->holder &&
	       span->thread == piece->of->thread &&
	       span->node.key <= piece->start && span->node.end >= piece->end;
}

/* An exclusive piece is given up: tell, unless its thread has it still. */
static void lose(struct atio_lock_table *table, struct lock_work *work,
		 struct piece piece)
{
	struct atio_lock_space *space = piece.of->space;

	if (!table->options.released || space->again)
		return;
	if (piece.of->thread &&
	    atio_tree_overlap(space->held.mode[ATIO_LOCK_EXCLUSIVE],
			      piece.start, piece.end, covers, &piece))
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

/* The part of @range behind @end becomes one of its own. */
static void split_off(struct atio_lock_table *table, struct lock_span *range,
		      uint64_t end, struct lock_span **half)
{
	struct lock_span *right = *half;

	*half = NULL;
	*right = *range;
	right->node.key = end + 1;
	right->id = ++table->serial;
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
		if (fresh && fresh->mode == range->mode &&
		    fresh->thread == range->thread) {
			fresh->node.key = lower(fresh->node.key, start);
			fresh->node.end = higher(fresh->node.end, end);
			free_range(table, range);
			continue;
		}
		if (end < at.start || start > at.end)
			continue;
		if (range->mode == ATIO_LOCK_EXCLUSIVE &&
		    (!fresh || fresh->mode == ATIO_LOCK_SHARED)) {
			struct piece piece = {range, higher(start, at.start),
					      lower(end, at.end)};

			lose(table, work, piece);
			atio_lock_dirty(work, range->space);
		}
		cut_range(table, range, at, half);
	}
}

void atio_lock_hold(struct atio_lock_table *table, struct lock_work *work,
		    struct lock_waiter *w)
{
	struct atio_lock_range at = {w->want.node.key, w->want.node.end};
	struct lock_span *fresh = w->fresh;
	struct lock_holder *holder = atio_lock_holder_find(
		w->want.space, w->want.kind, w->want.who.owner);

	w->fresh = NULL;
	if (!holder)
		holder = add_holder(table, w);
	*fresh = w->want;
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
	free_if_empty(table, holder);
}

void atio_lock_cut_all(struct atio_lock_table *table, struct lock_work *work,
		       struct lock_holder *holder)
{
	struct atio_lock_range all = {0, ATIO_LOCK_END};

	atio_lock_cut(table, work, holder, all, NULL);
}
