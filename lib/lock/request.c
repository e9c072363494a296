/* SPDX-License-Identifier: MIT
 *
 * Requests: how one is answered.  A call takes the mutex once, at the edge, and
 * lets it go in atio_lock_leave, which tells what has come of it.
 */
#include "lock/inside.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

/* ---- the edge -------------------------------------------------------- */

void atio_lock_enter(struct atio_lock_table *table, struct lock_work *work)
{
	work->dirty = NULL;
	work->due = NULL;
	work->done = NULL;
	work->done_end = &work->done;
	pthread_mutex_lock(&table->mutex);
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

/* What is held may be none for a moment within a call: only the sum at its end
 * is for others to see. */
static void unlock(struct atio_lock_table *table)
{
	atomic_store(&table->busy, table->count.held + table->count.waiting);
	pthread_mutex_unlock(&table->mutex);
}

void atio_lock_unbar(struct atio_lock_table *table, struct lock_work *work,
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

/* Its path and the name of it stay, even if somebody goes on with the space, or
 * moves it, while this is under way.  The mutex is not held in between. */
static void tell_released(struct atio_lock_table *table, struct lock_work *work)
{
	const struct atio_lock_options *options = &table->options;
	struct atio_lock_space *space = work->due;
	struct lock_path *path = space->path;
	struct atio_lock_key key = {path->name->bytes, path->name->size};
	const struct atio_lock_who who = space->who;
	int r;

	work->due = space->due_next;
	space->telling = true;
	path->pins++;
	path->lent++;
	unlock(table);
	tell_done(table, work);
	r = options->released(options->ctx, key, space, &who);
	pthread_mutex_lock(&table->mutex);
	path->lent--;
	if (r == 0)
		atio_lock_unbar(table, work, space);
	atio_lock_path_unpin(table, path);
}

void atio_lock_leave(struct atio_lock_table *table, struct lock_work *work)
{
	atio_lock_serve(table, work);
	while (work->due) {
		tell_released(table, work);
		atio_lock_serve(table, work);
	}
	unlock(table);
	tell_done(table, work);
}

/* ---- what can be asked ----------------------------------------------- */

bool atio_lock_key_is_valid(struct atio_lock_key key)
{
	return key.size && key.size <= ATIO_LOCK_KEY_MAX;
}

bool atio_lock_place_is_valid(const struct atio_lock_request *request)
{
	if (!atio_lock_key_is_valid(request->key) ||
	    request->kind > ATIO_LOCK_OFD)
		return false;
	if (request->kind == ATIO_LOCK_FLOCK)
		return true;
	return !request->counted &&
	       request->range.start <= request->range.end &&
	       request->range.end <= ATIO_LOCK_END;
}

bool atio_lock_is_valid(const struct atio_lock_request *request)
{
	return atio_lock_place_is_valid(request) &&
	       request->mode <= ATIO_LOCK_EXCLUSIVE;
}

/* ---- get ------------------------------------------------------------- */

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

/* Can it be granted, whoever asks?  If so, its thread does not matter. */
static bool is_free(struct atio_lock_table *table, struct lock_waiter *w)
{
	struct lock_thread *thread = w->want.thread;
	bool taken;

	w->want.thread = NULL;
	taken = w->want.space->barred || is_held_against(table, w) ||
		has_to_queue(table, w);
	w->want.thread = thread;
	return !taken;
}

/* flock(2): the old lock goes first.  Whoever waits may have it. */
static void give_up_flock(struct atio_lock_table *table, struct lock_work *work,
			  struct lock_waiter *w)
{
	atio_lock_cut_all(
		table, work,
		atio_lock_holder_find(w->want.space, w->want.who.owner));
	atio_lock_serve(table, work);
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

/* It cannot be granted at once to whoever asks. */
static int decide(struct atio_lock_table *table, struct lock_work *work,
		  struct lock_waiter *w, bool loses)
{
	bool held = is_held_against(table, w), line;

	if (held && loses) {
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

static int answer(struct atio_lock_table *table, struct lock_work *work,
		  struct lock_waiter *w)
{
	const struct lock_span *want = &w->want;
	bool converts = atio_lock_converts(want);
	bool flocks = converts && want->kind == ATIO_LOCK_FLOCK;
	bool enough = false;
	int r;

	if (flocks) {
		const struct lock_span *old = atio_lock_first_range(
			atio_lock_holder_find(want->space, want->who.owner));

		if (w->counted && old->count == INT_MAX)
			return -EOVERFLOW;
		enough = old->mode >= want->mode;
	}
	if (want->kind != ATIO_LOCK_FLOCK &&
	    atio_lock_is_full(
		    table, atio_lock_holder_find(want->space, want->who.owner)))
		return -ENOLCK;
	w->overtakes = converts || !want->thread;
	if (enough || is_free(table, w)) {
		atio_lock_grant(table, work, w);
		return 0;
	}
	r = atio_lock_thread_check(table, w);
	if (r < 0)
		return r;
	return decide(table, work, w, flocks && !w->counted);
}

int atio_lock_get(struct atio_lock_table *table,
		  const struct atio_lock_request *request)
{
	struct lock_path *path;
	struct lock_waiter *w;
	struct lock_work work;
	int r;

	if (!atio_lock_is_valid(request) || !request->done)
		return -EINVAL;
	atio_lock_enter(table, &work);
	r = atio_lock_path_get(table, request->key, &path);
	if (r < 0)
		goto out;
	r = atio_lock_waiter_new(table, request,
				 atio_lock_space_of(path, request->kind), &w);
	if (r == 0) {
		r = answer(table, &work, w);
		if (r != ATIO_LOCK_QUEUED)
			atio_lock_waiter_free(table, w);
	}
	atio_lock_path_unpin(table, path);
out:
	atio_lock_leave(table, &work);
	return r;
}

/* ---- put ------------------------------------------------------------- */

static struct lock_holder *find_holder(struct atio_lock_table *table,
				       struct atio_lock_key key,
				       enum atio_lock_kind kind, uint64_t owner)
{
	struct lock_path *path = atio_lock_path_find(table, key);

	return path ? atio_lock_holder_find(atio_lock_space_of(path, kind),
					    owner)
		    : NULL;
}

static int put_counted(struct atio_lock_table *table,
		       const struct atio_lock_request *request)
{
	struct lock_span *range;
	struct lock_work work;
	int r = -ENOLCK;

	atio_lock_enter(table, &work);
	range = atio_lock_first_range(find_holder(
		table, request->key, request->kind, request->who.owner));
	if (range) {
		r = (int)--range->count;
		if (r == 0)
			atio_lock_drop(table, &work, range);
	}
	atio_lock_leave(table, &work);
	return r;
}

int atio_lock_put(struct atio_lock_table *table,
		  const struct atio_lock_request *request)
{
	struct atio_lock_range range = request->range;
	struct lock_span *half = NULL;
	struct lock_holder *holder;
	struct lock_work work;
	int r = 0;

	if (!atio_lock_place_is_valid(request))
		return -EINVAL;
	if (request->counted)
		return put_counted(table, request);
	if (request->kind == ATIO_LOCK_FLOCK) {
		range.start = 0;
		range.end = ATIO_LOCK_END;
	}
	if (range.start > 0 && range.end < ATIO_LOCK_END) {
		half = calloc(1, sizeof(*half));
		if (!half)
			return -ENOMEM;
	}
	atio_lock_enter(table, &work);
	holder = find_holder(table, request->key, request->kind,
			     request->who.owner);
	if (holder && atio_lock_is_full(table, holder) &&
	    atio_lock_splits(holder, range))
		r = -ENOLCK;
	else if (holder)
		atio_lock_cut(table, &work, holder, range, &half);
	atio_lock_leave(table, &work);
	free(half);
	return r;
}

unsigned atio_lock_depth(struct atio_lock_table *table,
			 struct atio_lock_key key, uint64_t owner)
{
	const struct lock_span *range;
	unsigned depth;

	pthread_mutex_lock(&table->mutex);
	range = atio_lock_first_range(
		find_holder(table, key, ATIO_LOCK_FLOCK, owner));
	depth = range ? range->count : 0;
	pthread_mutex_unlock(&table->mutex);
	return depth;
}

void atio_lock_drop_owner(struct atio_lock_table *table,
			  struct atio_lock_key key, uint64_t owner)
{
	struct lock_holder *holder;
	struct lock_work work;

	atio_lock_enter(table, &work);
	holder = find_holder(table, key, ATIO_LOCK_POSIX, owner);
	if (holder)
		atio_lock_cut_all(table, &work, holder);
	atio_lock_leave(table, &work);
}
