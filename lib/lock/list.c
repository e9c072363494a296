/* SPDX-License-Identifier: MIT
 *
 * Looking at the table.
 */
#include "lock/inside.h"

#include <errno.h>

static void describe(const struct lock_span *span, uint64_t now,
		     struct atio_lock_info *info)
{
	*info = (struct atio_lock_info){
		.id = span->id,
		.kind = span->kind,
		.mode = span->mode,
		.range = {span->node.key, span->node.end},
		.who = span->who,
		.age_ms = now - span->since_ms,
		.count = span->count,
		.waiting = !span->holder,
	};
}

/* ---- F_GETLK --------------------------------------------------------- */

struct probe {
	struct atio_lock_table *table;
	pid_t tid;
	bool asked;
	uint64_t began;
};

/* As atio_lock_thread_check would sort it out. */
static bool is_of_other_thread(struct lock_span *span, void *arg)
{
	struct probe *probe = arg;

	if (!probe->tid || !span->thread ||
	    span->thread->node.key != (uint64_t)probe->tid)
		return true;
	if (!probe->asked)
		probe->began = atio_lock_thread_began(probe->table, probe->tid);
	probe->asked = true;
	return span->since_ms < probe->began;
}

/* The first that is held in the way of @request, of any thread, and that @fn
 * (NULL: any) takes. */
static struct lock_span *
find_held(struct atio_lock_table *table,
	  const struct atio_lock_request *request,
	  bool (*fn)(struct lock_span *span, void *arg), void *arg)
{
	struct lock_span want = {.who = request->who, .mode = request->mode};
	struct lock_path *path = atio_lock_path_find(table, request->key);

	want.node.key = request->range.start;
	want.node.end = request->range.end;
	if (request->kind == ATIO_LOCK_FLOCK) {
		want.node.key = 0;
		want.node.end = ATIO_LOCK_END;
	}
	return path ? atio_lock_set_find(
			      table,
			      &atio_lock_space_of(path, request->kind)->held,
			      &want, fn, arg)
		    : NULL;
}

int atio_lock_test(struct atio_lock_table *table,
		   const struct atio_lock_request *request,
		   struct atio_lock_info *ret_info)
{
	struct probe probe = {.table = table, .tid = request->who.tid};
	struct lock_span *found;

	if (!atio_lock_is_valid(request))
		return -EINVAL;
	pthread_mutex_lock(&table->mutex);
	found = find_held(table, request,
			  table->options.strict ? NULL : is_of_other_thread,
			  &probe);
	if (found)
		describe(found, table->options.now(table->options.ctx),
			 ret_info);
	pthread_mutex_unlock(&table->mutex);
	return found ? 1 : 0;
}

bool atio_lock_is_held(struct atio_lock_table *table,
		       const struct atio_lock_request *request)
{
	struct lock_span want = {.who = request->who, .kind = request->kind};
	struct lock_path *path;
	bool held = false;

	if (!atio_lock_place_is_valid(request))
		return false;
	want.node.key = request->range.start;
	want.node.end = request->range.end;
	pthread_mutex_lock(&table->mutex);
	path = atio_lock_path_find(table, request->key);
	if (path) {
		want.space = atio_lock_space_of(path, request->kind);
		held = atio_lock_converts(&want);
	}
	pthread_mutex_unlock(&table->mutex);
	return held;
}

static bool is_of_thread(struct lock_span *span, void *arg)
{
	const pid_t *tid = arg;

	return span->thread && span->who.tid == *tid;
}

int atio_lock_recurses(struct atio_lock_table *table,
		       const struct atio_lock_request *request,
		       struct atio_lock_who *ret_who)
{
	pid_t tid = request->who.tid;
	struct lock_span *found = NULL;

	if (!atio_lock_is_valid(request))
		return -EINVAL;
	pthread_mutex_lock(&table->mutex);
	if (tid && !table->options.strict)
		found = find_held(table, request, is_of_thread, &tid);
	if (found)
		*ret_who = found->who;
	pthread_mutex_unlock(&table->mutex);
	return found ? 1 : 0;
}

/* ---- holders and waiters --------------------------------------------- */

struct tour {
	struct atio_lock_table *table;
	void (*fn)(void *arg, const struct atio_lock_info *info);
	void *arg;
	uint64_t now;
};

static void show(struct tour *tour, const struct lock_span *span,
		 uint64_t waits_for)
{
	struct lock_path *path = span->space->path;
	struct atio_lock_info info;

	describe(span, tour->now, &info);
	info.key.bytes = path->name->bytes;
	info.key.size = path->name->size;
	info.waits_for = waits_for;
	tour->fn(tour->arg, &info);
}

static bool is_before(struct lock_span *span, void *arg)
{
	const uint64_t *serial = arg;

	return span->serial < *serial;
}

static uint64_t first_in_way(struct atio_lock_table *table,
			     struct lock_waiter *w)
{
	struct lock_span *want = &w->want;
	struct lock_span *found =
		atio_lock_set_find(table, &want->space->held, want, NULL, NULL);

	if (!found && !w->overtakes)
		found = atio_lock_set_find(table, &want->space->waiting, want,
					   is_before, &want->serial);
	return found ? found->id : 0;
}

static void show_space(struct tour *tour, struct atio_lock_space *space)
{
	struct tree_node *node;

	for (int mode = 1; mode >= 0; mode--)
		for (node = atio_tree_first(space->held.mode[mode]); node;
		     node = atio_tree_next(space->held.mode[mode], node))
			show(tour, CONTAINER_OF(node, struct lock_span, node),
			     0);
	for (node = atio_tree_first(space->queue); node;
	     node = atio_tree_next(space->queue, node)) {
		struct lock_waiter *w =
			CONTAINER_OF(node, struct lock_waiter, queue);

		show(tour, &w->want, first_in_way(tour->table, w));
	}
}

void atio_lock_each(struct atio_lock_table *table,
		    void (*fn)(void *arg, const struct atio_lock_info *info),
		    void *arg)
{
	struct tour tour = {table, fn, arg,
			    table->options.now(table->options.ctx)};
	struct tree_node *node;

	pthread_mutex_lock(&table->mutex);
	for (node = atio_tree_first(table->paths); node;
	     node = atio_tree_next(table->paths, node)) {
		struct lock_path *path =
			CONTAINER_OF(node, struct lock_path, node);

		show_space(&tour, &path->space[0]);
		show_space(&tour, &path->space[1]);
	}
	pthread_mutex_unlock(&table->mutex);
}

void atio_lock_count(struct atio_lock_table *table,
		     struct atio_lock_counters *ret_counters)
{
	pthread_mutex_lock(&table->mutex);
	*ret_counters = table->count;
	pthread_mutex_unlock(&table->mutex);
}
