/* SPDX-License-Identifier: MIT
 *
 * The calls: each takes the mutex once, at the edge, and lets it go in leave(),
 * which tells what has come of it.
 */
#include "lock/inside.h"

#include <errno.h>
#include <stdlib.h>

static void enter(struct atio_lock_table *table, struct lock_work *work)
{
	work->dirty = NULL;
	work->due = NULL;
	work->done = NULL;
	work->done_end = &work->done;
	pthread_mutex_lock(&table->mutex);
}

static void serve_dirty(struct atio_lock_table *table, struct lock_work *work)
{
	while (work->dirty) {
		struct atio_lock_space *space = work->dirty;

		work->dirty = space->dirty_next;
		space->dirty = false;
		atio_lock_serve(table, work, space);
		atio_lock_path_unpin(table, space->path);
	}
}

static void tell_done(struct atio_lock_table *table, struct lock_work *work)
{
	struct lock_waiter *w = work->done;

	work->done = NULL;
	work->done_end = &work->done;
	while (w) {
		struct lock_waiter *next = w->done_next;

		w->done(w->arg, w->result);
		atio_lock_waiter_free(table, w); /* its thread is gone */
		w = next;
	}
}

static struct atio_lock_space *take_due(struct lock_work *work)
{
	struct atio_lock_space *space = work->due;

	work->due = space->due_next;
	space->telling = true;
	return space;
}

/* What was released is published. */
static void unbar(struct atio_lock_table *table, struct lock_work *work,
		  struct atio_lock_space *space)
{
	space->telling = false;
	if (space->again) {
		space->again = false;
		space->due_next = work->due;
		work->due = space;
		return;
	}
	space->barred = false;
	atio_lock_dirty(work, space);
	atio_lock_path_unpin(table, space->path);
}

static void leave(struct atio_lock_table *table, struct lock_work *work)
{
	const struct atio_lock_options *options = &table->options;

	for (;;) {
		struct atio_lock_space *space;
		struct atio_lock_key key;

		serve_dirty(table, work);
		space = work->due ? take_due(work) : NULL;
		if (space) {
			key.bytes = space->path->name->bytes;
			key.size = space->path->name->size;
		}
		pthread_mutex_unlock(&table->mutex);
		tell_done(table, work);
		if (!space)
			return;
		if (options->released(options->ctx, key, space) == 0) {
			pthread_mutex_lock(&table->mutex);
			unbar(table, work, space);
		} else {
			pthread_mutex_lock(&table->mutex);
		}
	}
}

/* ---- the table ------------------------------------------------------- */

int atio_lock_table_new(const struct atio_lock_options *options,
			struct atio_lock_table **ret_table)
{
	struct atio_lock_table *table;

	if (options->version != ATIO_LOCK_OPTIONS_VERSION || !options->now)
		return -EINVAL;
	table = calloc(1, sizeof(*table));
	if (!table)
		return -ENOMEM;
	table->options = *options;
	pthread_mutex_init(&table->mutex, NULL);
	*ret_table = table;
	return 0;
}

static void cancel_all(struct atio_lock_table *table, struct lock_work *work)
{
	struct tree_node *node;

	while ((node = atio_tree_first(table->waiters)))
		atio_lock_end(table, work,
			      CONTAINER_OF(node, struct lock_waiter, all),
			      -EINTR);
}

void atio_lock_table_free(struct atio_lock_table *table)
{
	struct tree_node *node;
	struct lock_work work;

	if (!table)
		return;
	enter(table, &work);
	table->options.released = NULL;
	cancel_all(table, &work);
	while ((node = atio_tree_first(table->holders)))
		atio_lock_cut_all(table, &work,
				  CONTAINER_OF(node, struct lock_holder, all));
	leave(table, &work);
	pthread_mutex_destroy(&table->mutex);
	free(table);
}

/* ---- requests -------------------------------------------------------- */

static bool is_held_against(struct atio_lock_table *table,
			    struct lock_waiter *w)
{
	return atio_lock_set_find(table, &w->want.space->held, &w->want, NULL,
				  NULL);
}

static bool has_to_queue(struct atio_lock_table *table, struct lock_waiter *w)
{
	return !w->overtakes &&
	       atio_lock_set_find(table, &w->want.space->waiting, &w->want,
				  NULL, NULL);
}

/* flock(2): the old lock goes first.  Whoever waits may have it. */
static void give_up_flock(struct atio_lock_table *table, struct lock_work *work,
			  struct lock_waiter *w)
{
	atio_lock_cut_all(table, work,
			  atio_lock_holder_find(w->want.space, w->want.kind,
						w->want.who.owner));
	atio_lock_serve(table, work, w->want.space);
	w->overtakes = !w->want.thread;
}

/* It would have to wait: may it? */
static int park(struct atio_lock_table *table, struct lock_work *work,
		struct lock_waiter *w)
{
	if (atio_lock_is_deadlock(table, w)) {
		table->count.deadlocks++;
		return -EDEADLK;
	}
	atio_lock_unstick(table, work, w);
	if (!w->want.space->barred && !is_held_against(table, w) &&
	    !has_to_queue(table, w)) {
		atio_lock_grant(table, work, w);
		return 0;
	}
	atio_lock_enqueue(table, w);
	return ATIO_LOCK_QUEUED;
}

static int decide(struct atio_lock_table *table, struct lock_work *work,
		  struct lock_waiter *w)
{
	bool converts = atio_lock_converts(&w->want);
	bool held, line;

	w->overtakes = converts || !w->want.thread;
	held = is_held_against(table, w);
	if (held && converts && w->want.kind == ATIO_LOCK_FLOCK) {
		give_up_flock(table, work, w);
		held = is_held_against(table, w);
	}
	line = has_to_queue(table, w);
	if (!held && !line && !w->want.space->barred) {
		atio_lock_grant(table, work, w);
		return 0;
	}
	if (w->wait)
		return park(table, work, w);
	if (!held && line && atio_lock_is_stuck(table, w)) {
		w->overtakes = true;
		line = false;
	}
	if (held || line)
		return -EAGAIN;
	if (w->want.space->barred) {
		atio_lock_enqueue(table, w);
		return ATIO_LOCK_QUEUED;
	}
	atio_lock_grant(table, work, w);
	return 0;
}

int atio_lock_get(struct atio_lock_table *table,
		  const struct atio_lock_request *request, uint64_t *ret_id)
{
	struct lock_path *path;
	struct lock_waiter *w;
	struct lock_work work;
	int r;

	if (!atio_lock_is_valid(request) || !request->done)
		return -EINVAL;
	enter(table, &work);
	r = atio_lock_path_get(table, request->key, &path);
	if (r < 0)
		goto out;
	r = atio_lock_waiter_new(table, request,
				 atio_lock_space_of(path, request->kind), &w);
	if (r == 0) {
		r = decide(table, &work, w);
		if (r == ATIO_LOCK_QUEUED && ret_id)
			*ret_id = w->want.id;
		if (r != ATIO_LOCK_QUEUED)
			atio_lock_waiter_free(table, w);
	}
	atio_lock_path_unpin(table, path);
out:
	leave(table, &work);
	return r;
}

int atio_lock_put(struct atio_lock_table *table,
		  const struct atio_lock_request *request)
{
	struct atio_lock_range range = request->range;
	struct lock_span *half = NULL;
	struct lock_holder *holder;
	struct lock_path *path;
	struct lock_work work;

	if (!atio_lock_is_valid(request))
		return -EINVAL;
	if (request->kind == ATIO_LOCK_FLOCK) {
		range.start = 0;
		range.end = ATIO_LOCK_END;
	}
	if (range.start > 0 && range.end < ATIO_LOCK_END) {
		half = calloc(1, sizeof(*half));
		if (!half)
			return -ENOMEM;
	}
	enter(table, &work);
	path = atio_lock_path_find(table, request->key);
	holder = !path ? NULL
		       : atio_lock_holder_find(
				 atio_lock_space_of(path, request->kind),
				 request->kind, request->who.owner);
	if (holder)
		atio_lock_cut(table, &work, holder, range, &half);
	leave(table, &work);
	free(half);
	return 0;
}

int atio_lock_cancel(struct atio_lock_table *table, uint64_t id)
{
	struct lock_work work;
	struct tree_node *node;
	int r = -ENOENT;

	enter(table, &work);
	node = atio_tree_ge(table->waiters, id, 0);
	if (node && node->key == id) {
		atio_lock_end(table, &work,
			      CONTAINER_OF(node, struct lock_waiter, all),
			      -EINTR);
		table->count.cancels++;
		r = 0;
	}
	leave(table, &work);
	return r;
}

/* ---- holders that go ------------------------------------------------- */

void atio_lock_drop_owner(struct atio_lock_table *table,
			  struct atio_lock_key key, uint64_t owner)
{
	struct lock_holder *holder = NULL;
	struct lock_path *path;
	struct lock_work work;

	enter(table, &work);
	path = atio_lock_path_find(table, key);
	if (path)
		holder = atio_lock_holder_find(
			atio_lock_space_of(path, ATIO_LOCK_POSIX),
			ATIO_LOCK_POSIX, owner);
	if (holder)
		atio_lock_cut_all(table, &work, holder);
	leave(table, &work);
}

static void end_waiters(struct atio_lock_table *table, struct lock_work *work,
			bool (*fn)(const struct lock_span *span, uint64_t arg),
			uint64_t arg)
{
	struct tree_node *node = atio_tree_first(table->waiters), *next;

	for (; node; node = next) {
		struct lock_waiter *w =
			CONTAINER_OF(node, struct lock_waiter, all);

		next = atio_tree_next(table->waiters, node);
		if (!fn(&w->want, arg))
			continue;
		atio_lock_end(table, work, w, -EINTR);
		table->count.cancels++;
	}
}

static bool is_of_handle(const struct lock_span *span, uint64_t handle)
{
	return span->kind != ATIO_LOCK_POSIX && span->who.owner == handle;
}

void atio_lock_drop_handle(struct atio_lock_table *table, uint64_t handle)
{
	struct tree_node *node, *next;
	struct lock_work work;

	enter(table, &work);
	if (table->waiters)
		end_waiters(table, &work, is_of_handle, handle);
	node = atio_tree_ge(table->holders, handle, 0);
	for (; node && node->key == handle; node = next) {
		struct lock_holder *holder =
			CONTAINER_OF(node, struct lock_holder, all);

		next = atio_tree_next(table->holders, node);
		if (holder->node.id != ATIO_LOCK_POSIX)
			atio_lock_cut_all(table, &work, holder);
	}
	leave(table, &work);
}

static bool is_of_process(const struct lock_span *span, uint64_t tgid)
{
	return (uint64_t)span->who.tgid == tgid;
}

static void forget_thread(struct atio_lock_table *table,
			  struct lock_span *range)
{
	if (range->thread)
		range->thread->held--;
	atio_lock_thread_put(table, range->thread);
	range->thread = NULL;
	range->who.tid = 0;
}

/* POSIX: all that one process holds there has one owner, and the other way
 * round, but for processes that share their table of files. */
static void leave_process(struct atio_lock_table *table, struct lock_work *work,
			  struct lock_holder *holder, pid_t tgid)
{
	struct tree_node *node = atio_tree_first(holder->ranges);
	bool gone = false;

	for (; node; node = atio_tree_next(holder->ranges, node)) {
		struct lock_span *range =
			CONTAINER_OF(node, struct lock_span, own);

		if (range->who.tgid != tgid)
			continue;
		gone = true;
		if (range->kind != ATIO_LOCK_POSIX)
			forget_thread(table, range);
	}
	if (gone && holder->node.id == ATIO_LOCK_POSIX)
		atio_lock_cut_all(table, work, holder);
}

void atio_lock_drop_process(struct atio_lock_table *table, pid_t tgid)
{
	struct tree_node *node, *next;
	struct lock_work work;

	if (!tgid)
		return;
	enter(table, &work);
	end_waiters(table, &work, is_of_process, (uint64_t)tgid);
	for (node = atio_tree_first(table->holders); node; node = next) {
		next = atio_tree_next(table->holders, node);
		leave_process(table, &work,
			      CONTAINER_OF(node, struct lock_holder, all),
			      tgid);
	}
	leave(table, &work);
}

static struct lock_span *held_by_id(struct atio_lock_table *table, uint64_t id)
{
	struct tree_node *node = atio_tree_first(table->holders), *own;

	for (; node; node = atio_tree_next(table->holders, node)) {
		struct lock_holder *holder =
			CONTAINER_OF(node, struct lock_holder, all);

		for (own = atio_tree_first(holder->ranges); own;
		     own = atio_tree_next(holder->ranges, own)) {
			struct lock_span *range =
				CONTAINER_OF(own, struct lock_span, own);

			if (range->id == id)
				return range;
		}
	}
	return NULL;
}

int atio_lock_break(struct atio_lock_table *table, uint64_t id)
{
	struct lock_span *range;
	struct lock_work work;

	if (atio_lock_cancel(table, id) == 0)
		return 0;
	enter(table, &work);
	range = held_by_id(table, id);
	if (range) {
		struct atio_lock_range all = {range->node.key, range->node.end};

		atio_lock_cut(table, &work, range->holder, all, NULL);
	}
	leave(table, &work);
	return range ? 0 : -ENOENT;
}

/* ---- paths and publishing --------------------------------------------- */

int atio_lock_move(struct atio_lock_table *table, struct atio_lock_key from,
		   struct atio_lock_key to)
{
	struct lock_path *path;
	int r = 0;

	if (!atio_lock_key_is_valid(from) || !atio_lock_key_is_valid(to))
		return -EINVAL;
	pthread_mutex_lock(&table->mutex);
	path = atio_lock_path_find(table, from);
	if (path && atio_lock_path_find(table, to) == path)
		r = 0;
	else if (path && atio_lock_path_find(table, to))
		r = -EEXIST;
	else if (path)
		r = atio_lock_path_rename(table, path, to);
	pthread_mutex_unlock(&table->mutex);
	return r;
}

void atio_lock_resume(struct atio_lock_table *table,
		      struct atio_lock_space *space)
{
	struct lock_work work;

	enter(table, &work);
	unbar(table, &work, space);
	leave(table, &work);
}

/* ---- time ------------------------------------------------------------- */

uint64_t atio_lock_next_deadline(struct atio_lock_table *table)
{
	struct tree_node *node;
	uint64_t deadline;

	pthread_mutex_lock(&table->mutex);
	node = atio_tree_first(table->deadlines);
	deadline = node ? node->key : UINT64_MAX;
	pthread_mutex_unlock(&table->mutex);
	return deadline;
}

void atio_lock_expire(struct atio_lock_table *table, uint64_t now_ms)
{
	struct tree_node *node;
	struct lock_work work;

	enter(table, &work);
	while ((node = atio_tree_first(table->deadlines)) &&
	       node->key <= now_ms) {
		atio_lock_end(table, &work,
			      CONTAINER_OF(node, struct lock_waiter, due),
			      -ETIMEDOUT);
		table->count.timeouts++;
	}
	leave(table, &work);
}
