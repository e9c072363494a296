/* SPDX-License-Identifier: MIT
 *
 * test_lock.h - a lock table with a clock that stands still, and requests in
 * one line.
 *
 * A thread is a number; its process is the number without the last digit.  An
 * owner is also the number of its handle, unless a test says otherwise.
 */
#ifndef TESTS_UNIT_TEST_LOCK_H
#define TESTS_UNIT_TEST_LOCK_H

#include "check.h"
#include "lock/table.h"

#define FLOCK   ATIO_LOCK_FLOCK
#define POSIX   ATIO_LOCK_POSIX
#define OFD     ATIO_LOCK_OFD
#define SH      ATIO_LOCK_SHARED
#define EX      ATIO_LOCK_EXCLUSIVE
#define QUEUED  ATIO_LOCK_QUEUED
#define PENDING 1 /* of a result: not told yet */

static uint64_t clock_ms;

static inline uint64_t clock_now(void *ctx)
{
	return clock_ms;
}

static inline struct atio_lock_key key_of(const char *path)
{
	struct atio_lock_key key = {path, strlen(path)};

	return key;
}

/* What a request came to. */
struct outcome {
	uint64_t id;
	int result;
	unsigned calls;
};

static inline void told(void *arg, int result)
{
	struct outcome *outcome = arg;

	outcome->result = result;
	outcome->calls++;
}

static inline struct atio_lock_request request_for(const char *path, int kind,
						   int mode, uint64_t owner,
						   int tid, uint64_t start,
						   uint64_t end)
{
	struct atio_lock_request request = {
		.key = key_of(path),
		.kind = (enum atio_lock_kind)kind,
		.mode = (enum atio_lock_mode)mode,
		.range = {start, end},
		.who = {.owner = owner,
			.handle = owner,
			.tid = tid,
			.tgid = tid / 10},
		.done = told,
	};

	return request;
}

static inline struct atio_lock_table *
table_with(bool strict, int (*released)(void *ctx, struct atio_lock_key key,
					struct atio_lock_space *space,
					const struct atio_lock_who *who))
{
	const struct atio_lock_options options = {
		.version = ATIO_LOCK_OPTIONS_VERSION,
		.strict = strict,
		.now = clock_now,
		.released = released,
	};
	struct atio_lock_table *table = NULL;

	NEED(atio_lock_table_new(&options, &table) == 0);
	return table;
}

static inline struct atio_lock_counters counters(struct atio_lock_table *table)
{
	struct atio_lock_counters count;

	atio_lock_count(table, &count);
	return count;
}

#endif
