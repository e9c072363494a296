/* SPDX-License-Identifier: MIT
 *
 * Who waits for whom, and does it go in a circle?
 *
 * A waiter waits for the threads of all holders in its way, which is true
 * whatever we do, and, because of the line, for the waiters before it that are
 * in its way, which we may give up.  A thread that runs waits for nobody: a
 * cycle can only come about with a request that is about to wait, and contains
 * its thread; so the search starts there, breadth first, and needs no memory.
 *
 * A circle of holders is a deadlock.  One with steps that are due to the line
 * is opened by letting a waiter out of the line.
 */
#include "lock/inside.h"

#define MOST_LOOKED_AT 100 /* of the locks of one thread */

struct search {
	struct atio_lock_table *table;
	struct lock_waiter *asker, *at;
	struct lock_waiter **end; /* of the list of those to look at */
	bool line;                /* steps due to the line count, too */
};

static void visit(struct search *search, struct lock_waiter *w, bool line)
{
	if (w->seen == search->table->search)
		return;
	w->seen = search->table->search;
	w->from = search->at;
	w->from_line = line;
	w->then = NULL;
	*search->end = w;
	search->end = &w->then;
}

static bool visit_holder(struct lock_span *span, void *arg)
{
	struct search *search = arg;

	if (!span->thread)
		return false;
	if (span->thread == search->asker->want.thread)
		return true;
	for (struct lock_waiter *w = span->thread->waiters; w; w = w->next)
		visit(search, w, false);
	return false;
}

static bool visit_waiter(struct lock_span *span, void *arg)
{
	struct search *search = arg;

	if (span->serial < search->at->want.serial)
		visit(search, CONTAINER_OF(span, struct lock_waiter, want),
		      true);
	return false;
}

/* Does anybody wait for what @thread holds?  Mostly not, and then it is in no
 * circle, however many wait where it is about to.  Too much to look at: maybe.
 */
static bool is_waited_for(struct atio_lock_table *table,
			  const struct lock_thread *thread)
{
	struct lock_span *range = thread->held;

	for (int i = 0; range && i < MOST_LOOKED_AT; i++) {
		if (range->space->queue &&
		    atio_lock_set_find(table, &range->space->waiting, range,
				       NULL, NULL))
			return true;
		range = range->next;
	}
	return range;
}

static bool is_of_thread(struct lock_span *span, void *arg)
{
	return span->thread == arg;
}

/* Only without recursion. */
static bool waits_for_itself(struct atio_lock_table *table,
			     struct lock_waiter *w)
{
	return table->options.strict &&
	       atio_lock_set_find(table, &w->want.space->held, &w->want,
				  is_of_thread, w->want.thread);
}

/* The last one of a circle, which waits for @w's thread; or NULL. */
static struct lock_waiter *find_circle(struct atio_lock_table *table,
				       struct lock_waiter *w, bool line)
{
	struct search search = {table, w, NULL, NULL, line};
	struct lock_waiter *first = NULL;

	if (!w->want.thread || !w->want.thread->held)
		return NULL;
	if (!is_waited_for(table, w->want.thread))
		return waits_for_itself(table, w) ? w : NULL;
	table->search++;
	search.end = &first;
	visit(&search, w, false);
	for (struct lock_waiter *at = first; at; at = at->then) {
		struct atio_lock_space *space = at->want.space;

		search.at = at;
		if (atio_lock_set_find(table, &space->held, &at->want,
				       visit_holder, &search))
			return at;
		if (line && !at->overtakes)
			(void)atio_lock_set_find(table, &space->waiting,
						 &at->want, visit_waiter,
						 &search);
	}
	return NULL;
}

bool atio_lock_is_deadlock(struct atio_lock_table *table, struct lock_waiter *w)
{
	return find_circle(table, w, false);
}

bool atio_lock_is_stuck(struct atio_lock_table *table, struct lock_waiter *w)
{
	return find_circle(table, w, true);
}

/* Of the steps due to the line, the one next to @w: from there on back to @w
 * they wait for holders, so that somebody before the one who is let out waits
 * for what its thread holds. */
static struct lock_waiter *first_in_line(struct lock_waiter *last)
{
	struct lock_waiter *found = NULL;

	for (; last->from; last = last->from)
		if (last->from_line)
			found = last->from;
	return found;
}

void atio_lock_unstick(struct atio_lock_table *table, struct lock_work *work,
		       struct lock_waiter *w)
{
	struct lock_waiter *at;

	while ((at = find_circle(table, w, true))) {
		at = first_in_line(at);
		/* Not a deadlock: there is one, or we would turn for ever. */
		if (!at)
			return;
		at->overtakes = true;
		atio_lock_dirty(work, at->want.space);
	}
}
