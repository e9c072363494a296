/* SPDX-License-Identifier: MIT
 *
 * test_lock_lines.h - one table of a test, and what is done to it in one line
 * each.
 */
#ifndef TESTS_UNIT_TEST_LOCK_LINES_H
#define TESTS_UNIT_TEST_LOCK_LINES_H

#include "test_lock.h"

static struct atio_lock_table *t;

static inline void begin(bool strict)
{
	clock_ms = 1000;
	t = table_with(strict, NULL);
}

/* Everything was released. */
static inline void end(void)
{
	struct atio_lock_counters count = counters(t);

	CHECK_INT(count.held, 0);
	CHECK_INT(count.waiting, 0);
	CHECK_INT(count.paths, 0);
	CHECK(!atio_lock_any(t));
	atio_lock_table_free(t);
}

/* Without waiting. */
static inline int try(const char *path, int kind, int mode, uint64_t owner,
		      int tid, uint64_t start, uint64_t end)
{
	struct atio_lock_request request =
		request_for(path, kind, mode, owner, tid, start, end);

	return atio_lock_get(t, &request);
}

static inline int wait_for(struct outcome *outcome,
			   struct atio_lock_request request)
{
	memset(outcome, 0, sizeof(*outcome));
	outcome->result = PENDING;
	outcome->id = request.id ? request.id : atio_lock_new_id(t);
	request.id = outcome->id;
	request.wait = true;
	request.arg = outcome;
	return atio_lock_get(t, &request);
}

static inline void put(const char *path, int kind, uint64_t owner,
		       uint64_t start, uint64_t end)
{
	struct atio_lock_request request =
		request_for(path, kind, SH, owner, 0, start, end);

	CHECK_INT(atio_lock_put(t, &request), 0);
}

static inline int flock_try(const char *path, int mode, uint64_t owner, int tid)
{
	return try(path, FLOCK, mode, owner, tid, 0, 0);
}

static inline int flock_wait(struct outcome *outcome, const char *path,
			     int mode, uint64_t owner, int tid)
{
	return wait_for(outcome,
			request_for(path, FLOCK, mode, owner, tid, 0, 0));
}

static inline void flock_put(const char *path, uint64_t owner)
{
	put(path, FLOCK, owner, 0, 0);
}

/* What is held, by path, space, mode and start: "EX 1 0-9, SH ..." */
static char listing[1024];

static inline void list_one(void *arg, const struct atio_lock_info *info)
{
	size_t n = strlen(listing);

	if (info->waiting)
		return;
	(void)snprintf(listing + n, sizeof(listing) - n, "%s%s %d %d-%d",
		       n ? ", " : "", info->mode == SH ? "SH" : "EX",
		       (int)info->who.owner, (int)info->range.start,
		       info->range.end == ATIO_LOCK_END ? -1
							: (int)info->range.end);
}

static inline const char *held(void)
{
	listing[0] = '\0';
	atio_lock_each(t, list_one, NULL);
	return listing;
}

#endif
