/* SPDX-License-Identifier: MIT
 *
 * Those who wait.  A waiter is granted when no holder is in its way, and,
 * unless it overtakes, nobody who waits since longer.
 */
#include "lock/inside.h"

#include <errno.h>
#include <stdlib.h>

const uint64_t atio_lock_wait_bounds_ms[ATIO_LOCK_WAIT_BOUNDS] = {
	1, 10, 100, 1000, 10000, 60000};

void atio_lock_dirty(struct lock_work *work, struct atio_lock_space *space)
{
	if (space->dirty)
		return;
	space->dirty = true;
	space->path->pins++;
	space->dirty_next = work->dirty;
	work->dirty = space;
}

/* ---- making ---------------------------------------------------------- */

static void describe(struct lock_waiter *w,
		     const struct atio_lock_request *request,
		     struct atio_lock_space *space)
{
	struct lock_span *want = &w->want;

	want->space = space;
	want->kind = request->kind;
	want->mode = request->mode;
	want->who = request->who;
	want->node.key = request->range.start;
	want->node.end = request->range.end;
	if (want->kind == ATIO_LOCK_FLOCK) {
		want->node.key = 0;
		want->node.end = ATIO_LOCK_END;
	}
	want->id = request->id;
	w->wait = request->wait;
	w->counted = request->counted;
	w->done = request->done;
	w->arg = request->arg;
}

int atio_lock_waiter_new(struct atio_lock_table *table,
			 const struct atio_lock_request *request,
			 struct atio_lock_space *space,
			 struct lock_waiter **ret_w)
{
	struct lock_waiter *w = calloc(1, sizeof(*w));
	uint64_t timeout = request->timeout_ms;

	if (!w)
		return -ENOMEM;
	describe(w, request, space);
	if (!w->want.id)
		w->want.id = ++table->ids;
	w->want.serial = ++table->serial;
	w->want.since_ms = table->options.now(table->options.ctx);
	w->deadline = UINT64_MAX;
	if (timeout && timeout < UINT64_MAX - w->want.since_ms)
		w->deadline = w->want.since_ms + timeout;
	w->fresh = calloc(1, sizeof(*w->fresh));
	w->half = calloc(1, sizeof(*w->half));
	w->holder = calloc(1, sizeof(*w->holder));
	if (!w->fresh || !w->half || !w->holder ||
	    atio_lock_thread_get(table, w->want.who.tid, &w->want.thread) < 0) {
		atio_lock_waiter_free(table, w);
		return -ENOMEM;
	}
	*ret_w = w;
	return 0;
}

void atio_lock_waiter_free(struct atio_lock_table *table, struct lock_waiter *w)
{
	atio_lock_thread_put(table, w->want.thread);
	free(w->fresh);
	free(w->half);
	free(w->holder);
	free(w);
}

/* ---- in and out ------------------------------------------------------ */

void atio_lock_enqueue(struct atio_lock_table *table, struct lock_waiter *w)
{
	struct lock_thread *thread = w->want.thread;
	struct lock_span *want = &w->want;

	w->queue.key = w->all.id = w->due.id = want->serial;
	want->node.id = want->handle.id = want->serial;
	w->all.key = want->id;
	w->due.key = w->deadline;
	want->handle.key = want->who.handle;
	atio_tree_add(&want->space->queue, &w->queue);
	atio_tree_add(&table->waiters, &w->all);
	atio_tree_add(&table->waiting, &want->handle);
	if (w->deadline != UINT64_MAX)
		atio_tree_add(&table->deadlines, &w->due);
	atio_lock_set_add(&want->space->waiting, want);
	if (thread) {
		w->next = thread->waiters;
		if (w->next)
			w->next->prev = w;
		thread->waiters = w;
	}
	w->queued = true;
	table->count.waiting++;
}

static void dequeue(struct atio_lock_table *table, struct lock_waiter *w)
{
	atio_tree_del(&w->want.space->queue, &w->queue);
	atio_tree_del(&table->waiters, &w->all);
	atio_tree_del(&table->waiting, &w->want.handle);
	if (w->deadline != UINT64_MAX)
		atio_tree_del(&table->deadlines, &w->due);
	atio_lock_set_del(&w->want.space->waiting, &w->want);
	if (w->next)
		w->next->prev = w->prev;
	if (w->prev)
		w->prev->next = w->next;
	else if (w->want.thread)
		w->want.thread->waiters = w->next;
	w->queued = false;
	table->count.waiting--;
}

/* What belongs to the table goes now; the rest when @w was told.  Somebody
 * behind @w gains only if it did not get what it wanted; those behind one that
 * does not wait have their turn still to come. */
void atio_lock_end(struct atio_lock_table *table, struct lock_work *work,
		   struct lock_waiter *w, int result)
{
	dequeue(table, w);
	if (result < 0 && result != -EAGAIN)
		atio_lock_dirty(work, w->want.space);
	atio_lock_thread_put(table, w->want.thread);
	w->want.thread = NULL;
	w->result = result;
	w->done_next = NULL;
	*work->done_end = w;
	work->done_end = &w->done_next;
}

static void count_wait(struct atio_lock_counters *count, uint64_t ms)
{
	size_t i = 0;

	while (i < ATIO_LOCK_WAIT_BOUNDS && ms > atio_lock_wait_bounds_ms[i])
		i++;
	count->waits[i]++;
	count->waited++;
	count->waited_ms += ms;
}

void atio_lock_grant(struct atio_lock_table *table, struct lock_work *work,
		     struct lock_waiter *w)
{
	table->count.grants++;
	if (w->queued)
		count_wait(&table->count,
			   table->options.now(table->options.ctx) -
				   w->want.since_ms);
	atio_lock_hold(table, work, w);
}

/* ---- serving --------------------------------------------------------- */

static void serve_one(struct atio_lock_table *table, struct lock_work *work,
		      struct lock_waiter *w, struct lock_set *blocked)
{
	struct lock_span *want = &w->want;

	if (!atio_lock_set_find(table, &want->space->held, want, NULL, NULL) &&
	    (w->overtakes ||
	     !atio_lock_set_find(table, blocked, want, NULL, NULL))) {
		atio_lock_grant(table, work, w);
		atio_lock_end(table, work, w, 0);
	} else if (!w->wait) {
		atio_lock_end(table, work, w, -EAGAIN);
	} else {
		want->own.key = want->node.key;
		want->own.end = want->node.end;
		want->own.id = want->serial;
		atio_lock_set_add(blocked, want);
	}
}

/* One pass in order of arrival is enough: a grant never takes away what was in
 * the way of somebody before, but for a downgrade, which marks the space dirty
 * again, so that the pass begins anew. */
static void serve(struct atio_lock_table *table, struct lock_work *work,
		  struct atio_lock_space *space)
{
	struct lock_set blocked = {{NULL, NULL},
				   offsetof(struct lock_span, own)};
	struct tree_node *node = atio_tree_first(space->queue);

	while (node && !space->barred && !space->dirty) {
		uint64_t serial = node->key;

		serve_one(table, work,
			  CONTAINER_OF(node, struct lock_waiter, queue),
			  &blocked);
		node = atio_tree_ge(space->queue, serial + 1, 0);
	}
}

void atio_lock_serve(struct atio_lock_table *table, struct lock_work *work)
{
	while (work->dirty) {
		struct atio_lock_space *space = work->dirty;

		work->dirty = space->dirty_next;
		space->dirty = false;
		serve(table, work, space);
		atio_lock_path_unpin(table, space->path);
	}
}
