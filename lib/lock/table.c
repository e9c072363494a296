/* SPDX-License-Identifier: MIT
 *
 * The table as a whole: its life, holders that go, names, time.
 */
#include "lock/inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

static struct lock_span *of_handle(struct tree_node *node)
{
	return CONTAINER_OF(node, struct lock_span, handle);
}

static void cancel(struct atio_lock_table *table, struct lock_work *work,
		   struct lock_waiter *w, int result)
{
	atio_lock_end(table, work, w, result);
	table->count.cancels++;
}

static void cancel_all(struct atio_lock_table *table, struct lock_work *work)
{
	struct tree_node *node;

	while ((node = atio_tree_first(table->waiters)))
		cancel(table, work, CONTAINER_OF(node, struct lock_waiter, all),
		       -ENOLCK);
}

/* What is still there after that: paths that wait for atio_lock_resume. */
static void free_paths(struct atio_lock_table *table)
{
	struct tree_node *node;

	while ((node = atio_tree_first(table->paths)))
		atio_lock_path_free(table,
				    CONTAINER_OF(node, struct lock_path, node));
}

void atio_lock_table_free(struct atio_lock_table *table)
{
	struct tree_node *node;
	struct lock_work work;

	if (!table)
		return;
	atio_lock_enter(table, &work);
	table->options.released = NULL;
	cancel_all(table, &work);
	while ((node = atio_tree_first(table->held)))
		atio_lock_drop(table, &work, of_handle(node));
	atio_lock_leave(table, &work);
	free_paths(table);
	pthread_mutex_destroy(&table->mutex);
	free(table);
}

uint64_t atio_lock_new_id(struct atio_lock_table *table)
{
	return ++table->ids;
}

bool atio_lock_any(struct atio_lock_table *table)
{
	return atomic_load(&table->busy) != 0;
}

/* ---- by id ----------------------------------------------------------- */

static struct lock_waiter *waiter_by_id(struct atio_lock_table *table,
					uint64_t id)
{
	struct tree_node *node = atio_tree_ge(table->waiters, id, 0);

	if (!node || node->key != id)
		return NULL;
	return CONTAINER_OF(node, struct lock_waiter, all);
}

int atio_lock_cancel(struct atio_lock_table *table, uint64_t id)
{
	struct lock_waiter *w;
	struct lock_work work;

	atio_lock_enter(table, &work);
	w = waiter_by_id(table, id);
	if (w)
		cancel(table, &work, w, -EINTR);
	atio_lock_leave(table, &work);
	return w ? 0 : -ENOENT;
}

static struct lock_span *held_by_id(struct atio_lock_table *table, uint64_t id)
{
	struct tree_node *node = atio_tree_first(table->held);

	while (node && of_handle(node)->id != id)
		node = atio_tree_next(table->held, node);
	return node ? of_handle(node) : NULL;
}

int atio_lock_break(struct atio_lock_table *table, uint64_t id)
{
	struct lock_span *range = NULL;
	struct lock_waiter *w;
	struct lock_work work;

	atio_lock_enter(table, &work);
	w = waiter_by_id(table, id);
	if (w)
		cancel(table, &work, w, -ENOLCK);
	else
		range = held_by_id(table, id);
	if (range)
		atio_lock_drop(table, &work, range);
	atio_lock_leave(table, &work);
	return w || range ? 0 : -ENOENT;
}

/* ---- by handle ------------------------------------------------------- */

static struct lock_span *first_of(struct tree_node *spans, uint64_t handle)
{
	struct tree_node *node = atio_tree_ge(spans, handle, 0);

	return node && node->key == handle ? of_handle(node) : NULL;
}

void atio_lock_drop_handle(struct atio_lock_table *table, uint64_t handle)
{
	struct lock_span *span;
	struct lock_work work;

	atio_lock_enter(table, &work);
	while ((span = first_of(table->waiting, handle)))
		cancel(table, &work,
		       CONTAINER_OF(span, struct lock_waiter, want), -EINTR);
	while ((span = first_of(table->held, handle)))
		atio_lock_drop(table, &work, span);
	atio_lock_leave(table, &work);
}

void atio_lock_disown(struct atio_lock_table *table, uint64_t handle,
		      pid_t tgid)
{
	struct tree_node *node;

	pthread_mutex_lock(&table->mutex);
	node = atio_tree_ge(table->held, handle, 0);
	for (; node && node->key == handle;
	     node = atio_tree_next(table->held, node)) {
		struct lock_span *range = of_handle(node);
		struct lock_thread *thread = range->thread;

		if (range->who.tgid != tgid)
			continue;
		atio_lock_thread_del(range);
		range->thread = NULL;
		range->who.tid = 0;
		atio_lock_thread_put(table, thread);
	}
	pthread_mutex_unlock(&table->mutex);
}

/* ---- paths and publishing --------------------------------------------- */

/* Nobody has locks of @path any more, but a release is still being dealt with:
 * it goes on without a name that anybody knows. */
static int move_aside(struct atio_lock_table *table, struct lock_path *path)
{
	uint64_t serial = ++table->serial;
	char bytes[1 + sizeof(serial)] = {0};
	const struct atio_lock_key key = {bytes, sizeof(bytes)};

	memcpy(bytes + 1, &serial, sizeof(serial));
	return atio_lock_path_rename(table, path, key);
}

int atio_lock_move(struct atio_lock_table *table, struct atio_lock_key from,
		   struct atio_lock_key to)
{
	struct lock_path *path, *other;
	int r = 0;

	if (!atio_lock_key_is_valid(from) || !atio_lock_key_is_valid(to))
		return -EINVAL;
	pthread_mutex_lock(&table->mutex);
	path = atio_lock_path_find(table, from);
	other = path ? atio_lock_path_find(table, to) : NULL;
	if (other && other != path)
		r = atio_lock_path_is_empty(other) ? move_aside(table, other)
						   : -EEXIST;
	if (r == 0 && path && other != path)
		r = atio_lock_path_rename(table, path, to);
	pthread_mutex_unlock(&table->mutex);
	return r;
}

void atio_lock_resume(struct atio_lock_table *table,
		      struct atio_lock_space *space)
{
	struct lock_work work;

	atio_lock_enter(table, &work);
	atio_lock_unbar(table, &work, space);
	atio_lock_leave(table, &work);
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

	atio_lock_enter(table, &work);
	while ((node = atio_tree_first(table->deadlines)) &&
	       node->key <= now_ms) {
		atio_lock_end(table, &work,
			      CONTAINER_OF(node, struct lock_waiter, due),
			      -ETIMEDOUT);
		table->count.timeouts++;
	}
	atio_lock_leave(table, &work);
}
