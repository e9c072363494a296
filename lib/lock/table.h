/* SPDX-License-Identifier: MIT
 *
 * table.h - the lock table: who holds and who waits for which lock of which
 * path.  For the daemon, which links the library statically; not exported.
 *
 * A path is a string of bytes that means nothing here.  It has two spaces of
 * locks which know nothing of each other, as in Linux: flock (whole file) and
 * ranges (POSIX and OFD, which do conflict with one another).
 *
 * A lock belongs to an owner; a request of an owner for what it has already is
 * a conversion and never conflicts with its own lock:
 *   - ranges: as fcntl(2): they are split and merged, an upgrade keeps the old
 *     lock while it waits.
 *   - flock: as flock(2): an upgrade that somebody is in the way of loses the
 *     old lock first, and has lost it even if the request then fails.
 *   - flock, counted: an upgrade keeps the old lock while it waits; asking for
 *     what is held already counts, and an exclusive lock stays exclusive until
 *     it was given up as often.
 * Threads.  The thread of a lock is the one that took it last.  Unless the
 * table is strict, a thread is not in its own way: it gets a lock again through
 * another owner, and that lock is free when every owner has released it
 * (S23).  A lock's thread is who others wait for, when cycles are looked for.
 *
 * Queue.  First come, first served: what conflicts with somebody who waits
 * already, waits behind him, and is refused if it would not wait.  Who may go
 * before, because nobody would gain if he did not: an owner that converts what
 * it holds; a thread of which nothing is known (tid 0); and one whose waiting
 * in line would close a cycle (somebody before it waits for its own thread).
 * So the line as such never makes a deadlock.
 *
 * Thread safe.  Callbacks are called from within the call that brought them
 * about, after the table's mutex was let go: they may call the table.
 *
 * Units: bytes, milliseconds of a clock of the caller's.
 * Cost: logarithmic in paths, owners, ranges; a release or a cancel looks once
 * at each that waits in that space.
 */
#ifndef ATIO_LOCK_TABLE_H
#define ATIO_LOCK_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct atio_lock_table;
struct atio_lock_space; /* one of the two spaces of one path */

enum atio_lock_kind {
	ATIO_LOCK_FLOCK,
	ATIO_LOCK_POSIX,
	ATIO_LOCK_OFD,
};

enum atio_lock_mode {
	ATIO_LOCK_SHARED,
	ATIO_LOCK_EXCLUSIVE,
};

#define ATIO_LOCK_END     INT64_MAX /* the last byte of a file without end */
#define ATIO_LOCK_QUEUED  1
#define ATIO_LOCK_KEY_MAX 65536

struct atio_lock_key {
	const void *bytes;
	size_t size;
};

struct atio_lock_who {
	/* flock: the open file.  Ranges: the process (POSIX) or the open file
	 * (OFD), in one space of numbers: the kind is not part of it. */
	uint64_t owner;
	uint64_t handle; /* the open file through which it is asked for */
	pid_t tid, tgid; /* 0: not known */
};

struct atio_lock_range {
	uint64_t start, end; /* inclusive; not looked at for flock */
};

struct atio_lock_request {
	struct atio_lock_key key; /* copied */
	enum atio_lock_kind kind;
	enum atio_lock_mode mode;
	struct atio_lock_range range;
	struct atio_lock_who who;
	uint64_t id; /* from atio_lock_new_id; 0: the table gives it one */
	bool wait;
	bool counted;        /* flock only, see above */
	uint64_t timeout_ms; /* 0: none */
	/* Called once, and only if the request was queued: 0, granted;
	 * -EINTR, cancelled; -ENOLCK, broken, or the table is freed;
	 * -ETIMEDOUT; -EAGAIN (only if @wait is false). */
	void (*done)(void *arg, int result);
	void *arg;
};

#define ATIO_LOCK_OPTIONS_VERSION 1

struct atio_lock_options {
	unsigned version;
	bool strict;                /* no recursion */
	unsigned max_ranges;        /* of one owner in one path; 0: any number,
				       but see -ENOLCK */
	uint64_t (*now)(void *ctx); /* may be called with the mutex held */
	/* When thread @tid began, by the same clock; 0: not known.  Asked with
	 * the mutex held, and only where it matters that a thread which has
	 * locks already is not another one with the same number.  May be
	 * NULL. */
	uint64_t (*started)(void *ctx, pid_t tid);
	/* An exclusive lock (or a part of it) was given up, and its thread does
	 * not hold it through another owner either.  Nobody gets a lock of that
	 * space before this has returned 0 or, where it returns 1, before
	 * atio_lock_resume was called for @space (which stays until then).
	 * @who had it, the last of them if there were several; @key is lent
	 * while this runs.  May be NULL. */
	int (*released)(void *ctx, struct atio_lock_key key,
			struct atio_lock_space *space,
			const struct atio_lock_who *who);
	void *ctx;
};

/* -EINVAL: the version, or no clock.  -ENOMEM. */
int atio_lock_table_new(const struct atio_lock_options *options,
			struct atio_lock_table **ret_table);
/* Whoever waits is told -ENOLCK; nothing is said of locks released.  No other
 * call may be under way.  NULL is fine. */
void atio_lock_table_free(struct atio_lock_table *table);

/* An id for a request that is to be cancelled by it from the moment it is
 * queued. */
uint64_t atio_lock_new_id(struct atio_lock_table *table);

/* 0: granted.  ATIO_LOCK_QUEUED: @done will be called, or was already.
 * -EAGAIN: it would have to wait.  -EDEADLK: it would wait for ever.
 * -EOVERFLOW: counted INT_MAX times.  -ENOLCK: the owner has max_ranges ranges.
 * -EINVAL: range, kind, mode, key.  -ENOMEM.  A failure leaves nothing, and all
 * as it was but for a flock upgrade (see above). A request that would not wait
 * is queued nevertheless while @released is at work, which is when it cannot be
 * known. */
int atio_lock_get(struct atio_lock_table *table,
		  const struct atio_lock_request *request);

/* F_GETLK: 0, it would be granted but for those who wait already; 1: *ret_info
 * is one that is in the way (its key is not set).  -EINVAL. */
struct atio_lock_info;
int atio_lock_test(struct atio_lock_table *table,
		   const struct atio_lock_request *request,
		   struct atio_lock_info *ret_info);

/* 1: *ret_who is the same thread, and has through another owner what would be
 * in the way of @request otherwise (S23).  0: not so.  -EINVAL. */
int atio_lock_recurses(struct atio_lock_table *table,
		       const struct atio_lock_request *request,
		       struct atio_lock_who *ret_who);

/* Unlock; what is not held is no error.  Only key, kind, range, who.owner and
 * counted are looked at.  -ENOMEM, -ENOLCK: a range is to be split, and there
 * is no memory, or there are max_ranges already.  -EINVAL. Counted: undo one
 * get; returns how often it is held still, or -ENOLCK when it is not held.
 * (Uncounted undoes them all.) */
int atio_lock_put(struct atio_lock_table *table,
		  const struct atio_lock_request *request);

/* Whether the owner of @request holds some of what it asks for. */
bool atio_lock_is_held(struct atio_lock_table *table,
		       const struct atio_lock_request *request);

/* How often @owner holds the flock of @key; 0: not. */
unsigned atio_lock_depth(struct atio_lock_table *table,
			 struct atio_lock_key key, uint64_t owner);

/* 0: *done was, or is being, called with -EINTR.  -ENOENT: it is over. */
int atio_lock_cancel(struct atio_lock_table *table, uint64_t id);

/* ---- holders that go ------------------------------------------------- */

/* All ranges of @key that @owner holds: POSIX, when a process closes a
 * descriptor of the file. */
void atio_lock_drop_owner(struct atio_lock_table *table,
			  struct atio_lock_key key, uint64_t owner);
/* The last descriptor of an open file is closed: all that was got through it
 * (who.handle), of every kind and path. */
void atio_lock_drop_handle(struct atio_lock_table *table, uint64_t handle);
/* Process @tgid has closed all its descriptors of open file @handle, which
 * others have, too: what it took through that is no longer its threads'. */
void atio_lock_disown(struct atio_lock_table *table, uint64_t handle,
		      pid_t tgid);
/* Whether anything at all is held or waited for.  Does not take the mutex. */
bool atio_lock_any(struct atio_lock_table *table);
/* By id, from atio_lock_each: released; who waits is told -ENOLCK.  -ENOENT.
 * Looks at all locks. */
int atio_lock_break(struct atio_lock_table *table, uint64_t id);

/* ---- paths and publishing --------------------------------------------- */

/* Locks and waiters go along with a rename.  -EEXIST: the new name has some.
 * 0 also if there was nothing to move.  -ENOMEM, -EINVAL. */
int atio_lock_move(struct atio_lock_table *table, struct atio_lock_key from,
		   struct atio_lock_key to);

/* Of a space for which @released returned 1: go on. */
void atio_lock_resume(struct atio_lock_table *table,
		      struct atio_lock_space *space);

/* ---- time ------------------------------------------------------------- */

/* When the next request runs out of time; UINT64_MAX: none does. */
uint64_t atio_lock_next_deadline(struct atio_lock_table *table);
/* End those whose time is up with -ETIMEDOUT. */
void atio_lock_expire(struct atio_lock_table *table, uint64_t now_ms);

/* ---- looking at it ---------------------------------------------------- */

struct atio_lock_info {
	struct atio_lock_key key; /* lent */
	uint64_t id;
	enum atio_lock_kind kind;
	enum atio_lock_mode mode;
	struct atio_lock_range range;
	struct atio_lock_who who;
	uint64_t age_ms; /* held, or waiting, for so long */
	unsigned count;  /* flock: how often it is held */
	bool waiting;
	uint64_t waits_for; /* id of the first in its way, or 0 */
};

/* Holders and waiters, path by path.  @fn is called with the mutex held: it
 * must not call the table. */
void atio_lock_each(struct atio_lock_table *table,
		    void (*fn)(void *arg, const struct atio_lock_info *info),
		    void *arg);

#define ATIO_LOCK_WAIT_BOUNDS 6
extern const uint64_t atio_lock_wait_bounds_ms[ATIO_LOCK_WAIT_BOUNDS];

struct atio_lock_counters {
	uint64_t paths, held, waiting; /* now */
	uint64_t grants, waited;       /* waited: grants after waiting */
	uint64_t waited_ms;            /* by these, together */
	/* ... and how many of them for at most atio_lock_wait_bounds_ms[i],
	 * but longer than the bound before; the last one: for longer. */
	uint64_t waits[ATIO_LOCK_WAIT_BOUNDS + 1];
	uint64_t timeouts, cancels, deadlocks;
};

void atio_lock_count(struct atio_lock_table *table,
		     struct atio_lock_counters *ret_counters);

#endif
