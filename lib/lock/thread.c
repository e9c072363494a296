/* SPDX-License-Identifier: MIT
 *
 * Threads, as far as they have to do with locks.
 *
 * A thread is known by its number, which comes again when it is gone; what it
 * held may stay (flock: somebody else has the open file, too).  All locks of a
 * number go to one record at first, because the question when the thread began
 * costs a look into /proc.  It is asked when the answer matters, and then it
 * also says of each lock whose it is: the one that lives has taken those that
 * are younger than itself.  So nothing has to be asked before.
 *
 * In doubt (the clocks are coarse) it is one and the same.
 */
#include "lock/inside.h"

#include <errno.h>
#include <stdlib.h>

static int new_thread(struct atio_lock_table *table, pid_t tid,
		      struct lock_thread **ret_thread)
{
	struct lock_thread *thread = calloc(1, sizeof(*thread));

	if (!thread)
		return -ENOMEM;
	thread->node.key = (uint64_t)tid;
	thread->node.id = ++table->serial;
	thread->refs = 1;
	atio_tree_add(&table->threads, &thread->node);
	*ret_thread = thread;
	return 0;
}

int atio_lock_thread_get(struct atio_lock_table *table, pid_t tid,
			 struct lock_thread **ret_thread)
{
	struct lock_thread *thread;
	struct tree_node *node;

	*ret_thread = NULL;
	if (!tid)
		return 0;
	node = atio_tree_le(table->threads, (uint64_t)tid, UINT64_MAX);
	if (!node || node->key != (uint64_t)tid)
		return new_thread(table, tid, ret_thread);
	thread = CONTAINER_OF(node, struct lock_thread, node);
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

void atio_lock_thread_add(struct lock_span *range)
{
	struct lock_thread *thread = range->thread;

	if (!thread)
		return;
	if (!thread->held || range->since_ms < thread->since_ms)
		thread->since_ms = range->since_ms;
	range->prev = NULL;
	range->next = thread->held;
	if (range->next)
		range->next->prev = range;
	thread->held = range;
}

void atio_lock_thread_del(struct lock_span *range)
{
	if (!range->thread)
		return;
	if (range->next)
		range->next->prev = range->prev;
	if (range->prev)
		range->prev->next = range->next;
	else
		range->thread->held = range->next;
}

uint64_t atio_lock_thread_began(struct atio_lock_table *table, pid_t tid)
{
	const struct atio_lock_options *options = &table->options;

	return tid && options->started ? options->started(options->ctx, tid)
				       : 0;
}

static uint64_t oldest_of(const struct lock_thread *thread)
{
	uint64_t oldest = UINT64_MAX;

	for (struct lock_span *at = thread->held; at; at = at->next)
		if (at->since_ms < oldest)
			oldest = at->since_ms;
	return oldest;
}

/* What @from took since @began is @to's. */
static void sort_out(struct lock_thread *from, struct lock_thread *to,
		     uint64_t began)
{
	struct lock_span *range = from->held, *next;

	for (; range; range = next) {
		next = range->next;
		if (range->since_ms < began)
			continue;
		atio_lock_thread_del(range);
		range->thread = to;
		from->refs--;
		to->refs++;
		atio_lock_thread_add(range);
	}
}

int atio_lock_thread_check(struct atio_lock_table *table, struct lock_waiter *w)
{
	struct lock_thread *old = w->want.thread;
	uint64_t began;

	if (!old || !old->held)
		return 0;
	began = atio_lock_thread_began(table, w->want.who.tid);
	if (began <= old->since_ms)
		return 0;
	old->since_ms = oldest_of(old);
	if (began <= old->since_ms)
		return 0;
	if (new_thread(table, w->want.who.tid, &w->want.thread) < 0)
		return -ENOMEM;
	sort_out(old, w->want.thread, began);
	atio_lock_thread_put(table, old);
	return 0;
}
