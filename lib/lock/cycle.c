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

/* The last one of a circle, which waits for @w's thread; or NULL. */
static struct lock_waiter *find_circle(struct atio_lock_table *table,
				       struct lock_waiter *w, bool line)
{
	struct search search = {table, w, NULL, NULL, line};
	struct lock_waiter *first = NULL;

	/* Who holds nothing is waited for by nobody. */
	if (!w->want.thread || !w->want.thread->held)
		return NULL;
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

void atio_lock_unstick(struct atio_lock_table *table, struct lock_work *work,
		       struct lock_waiter *w)
{
	struct lock_waiter *at;

	while ((at = find_circle(table, w, true))) {
		/* Not a deadlock: there is such a step, or we would turn round
		 * for ever. */
		while (at->from && !at->from_line)
			at = at->from;
		if (!at->from)
			return;
		at->from->overtakes = true;
		atio_lock_dirty(work, at->from->want.space);
	}
}
