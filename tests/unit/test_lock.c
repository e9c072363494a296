/* SPDX-License-Identifier: MIT
 *
 * test_lock.c - the lock table, rule by rule.
 */
#include "test_lock.h"

static struct atio_lock_table *t;

/* Without waiting. */
static int try(const char *path, int kind, int mode, uint64_t owner, int tid,
	       uint64_t start, uint64_t end)
{
	struct atio_lock_request request =
		request_for(path, kind, mode, owner, tid, start, end);

	return atio_lock_get(t, &request, NULL);
}

static int wait_for(struct outcome *outcome, struct atio_lock_request request)
{
	memset(outcome, 0, sizeof(*outcome));
	outcome->result = PENDING;
	request.wait = true;
	request.arg = outcome;
	return atio_lock_get(t, &request, &outcome->id);
}

static int wait_flock(struct outcome *outcome, const char *path, int mode,
		      uint64_t owner, int tid)
{
	return wait_for(outcome,
			request_for(path, FLOCK, mode, owner, tid, 0, 0));
}

static void put(const char *path, int kind, uint64_t owner, uint64_t start,
		uint64_t end)
{
	struct atio_lock_request request =
		request_for(path, kind, SH, owner, 0, start, end);

	CHECK_INT(atio_lock_put(t, &request), 0);
}

static int flock_try(const char *path, int mode, uint64_t owner, int tid)
{
	return try(path, FLOCK, mode, owner, tid, 0, 0);
}

static void flock_put(const char *path, uint64_t owner)
{
	put(path, FLOCK, owner, 0, 0);
}

/* What is held of the ranges of a path, by start: "SH 1 0-9, ..." */
static char listing[1024];

static void list_one(void *arg, const struct atio_lock_info *info)
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

static const char *held(void)
{
	listing[0] = '\0';
	atio_lock_each(t, list_one, NULL);
	return listing;
}

static void begin(bool strict)
{
	clock_ms = 1000;
	t = table_with(strict, NULL);
}

/* Everything was released. */
static void end(void)
{
	struct atio_lock_counters count = counters(t);

	CHECK_INT(count.held, 0);
	CHECK_INT(count.waiting, 0);
	CHECK_INT(count.paths, 0);
	atio_lock_table_free(t);
}

/* ---- S21: what conflicts --------------------------------------------- */

static void test_modes(void)
{
	begin(false);
	CHECK_INT(flock_try("a", SH, 1, 10), 0);
	CHECK_INT(flock_try("a", SH, 2, 20), 0);
	CHECK_INT(flock_try("a", EX, 3, 30), -EAGAIN);
	CHECK_INT(flock_try("b", EX, 3, 30), 0);
	CHECK_INT(flock_try("b", SH, 1, 10), -EAGAIN);
	flock_put("a", 1);
	CHECK_INT(flock_try("a", EX, 3, 30), -EAGAIN);
	flock_put("a", 2);
	CHECK_INT(flock_try("a", EX, 3, 30), 0);
	atio_lock_drop_handle(t, 3);
	end();
}

static void test_kinds(void)
{
	begin(false);
	CHECK_INT(flock_try("a", EX, 1, 10), 0);
	CHECK_INT(try("a", POSIX, EX, 1, 20, 0, 9), 0);
	CHECK_INT(try("a", OFD, SH, 1, 30, 9, 9), -EAGAIN);
	CHECK_INT(try("a", OFD, EX, 1, 30, 10, 19), 0);
	CHECK_INT(try("a", POSIX, SH, 2, 40, 15, 15), -EAGAIN);
	atio_lock_drop_owner(t, key_of("a"), 1);
	CHECK_INT(try("a", OFD, SH, 1, 30, 9, 9), 0);
	CHECK_INT(flock_try("a", SH, 2, 20), -EAGAIN);
	atio_lock_drop_handle(t, 1);
	end();
}

static void test_ranges(void)
{
	begin(false);
	CHECK_INT(try("a", POSIX, EX, 1, 10, 0, 9), 0);
	CHECK_INT(try("a", POSIX, EX, 1, 10, 20, 29), 0);
	CHECK_STR(held(), "EX 1 0-9, EX 1 20-29");
	CHECK_INT(try("a", POSIX, EX, 1, 10, 10, 19), 0);
	CHECK_STR(held(), "EX 1 0-29");
	CHECK_INT(try("a", POSIX, SH, 1, 10, 5, 6), 0);
	CHECK_STR(held(), "EX 1 0-4, EX 1 7-29, SH 1 5-6");
	put("a", POSIX, 1, 10, 12);
	CHECK_STR(held(), "EX 1 0-4, EX 1 7-9, EX 1 13-29, SH 1 5-6");
	CHECK_INT(try("a", POSIX, EX, 2, 20, 10, 12), 0);
	CHECK_INT(try("a", POSIX, SH, 2, 20, 5, 6), 0);
	CHECK_INT(try("a", POSIX, EX, 2, 20, 6, 6), -EAGAIN);
	CHECK_INT(try("a", POSIX, SH, 1, 10, 0, ATIO_LOCK_END), -EAGAIN);
	put("a", POSIX, 2, 0, ATIO_LOCK_END);
	CHECK_INT(try("a", POSIX, SH, 1, 10, 0, ATIO_LOCK_END), 0);
	CHECK_STR(held(), "SH 1 0--1");
	CHECK_INT(try("a", POSIX, EX, 1, 10, ATIO_LOCK_END, ATIO_LOCK_END), 0);
	put("a", POSIX, 1, 0, ATIO_LOCK_END);
	end();
}

static void test_refused(void)
{
	struct atio_lock_options options = {.version = 99, .now = clock_now};
	struct atio_lock_table *none = NULL;
	struct atio_lock_request request;

	begin(false);
	CHECK_INT(try("a", POSIX, EX, 1, 10, 5, 4), -EINVAL);
	CHECK_INT(try("a", POSIX, EX, 1, 10, 0, ATIO_LOCK_END + 1ull), -EINVAL);
	CHECK_INT(try("a", 7, EX, 1, 10, 0, 1), -EINVAL);
	CHECK_INT(try("a", POSIX, 2, 1, 10, 0, 1), -EINVAL);
	CHECK_INT(try("", POSIX, EX, 1, 10, 0, 1), -EINVAL);
	request = request_for("a", FLOCK, EX, 1, 10, 0, 0);
	request.done = NULL;
	CHECK_INT(atio_lock_get(t, &request, NULL), -EINVAL);
	CHECK_INT(atio_lock_cancel(t, 1), -ENOENT);
	CHECK_INT(atio_lock_break(t, 1), -ENOENT);
	CHECK_INT(atio_lock_table_new(&options, &none), -EINVAL);
	CHECK(!none);
	end();
}

static void test_getlk(void)
{
	struct atio_lock_request request =
		request_for("a", POSIX, EX, 2, 20, 5, 50);
	struct atio_lock_info info = {0};

	begin(false);
	CHECK_INT(atio_lock_test(t, &request, &info), 0);
	CHECK_INT(try("a", OFD, SH, 1, 10, 10, 19), 0);
	clock_ms += 7;
	CHECK_INT(atio_lock_test(t, &request, &info), 1);
	CHECK_INT(info.range.start, 10);
	CHECK_INT(info.range.end, 19);
	CHECK_INT(info.kind, OFD);
	CHECK_INT(info.mode, SH);
	CHECK_INT(info.who.tgid, 1);
	CHECK_INT(info.age_ms, 7);
	request.mode = SH;
	CHECK_INT(atio_lock_test(t, &request, &info), 0);
	request.mode = EX;
	request.who.tid = 10; /* the thread itself */
	CHECK_INT(atio_lock_test(t, &request, &info), 0);
	atio_lock_drop_handle(t, 1);
	end();
}

/* S21: a lock follows its file to a free name. */
static void test_move(void)
{
	struct outcome o;

	begin(false);
	CHECK_INT(atio_lock_move(t, key_of("a"), key_of("b")), 0);
	CHECK_INT(flock_try("a", EX, 1, 10), 0);
	CHECK_INT(try("a", POSIX, EX, 1, 10, 0, 9), 0);
	CHECK_INT(wait_flock(&o, "a", EX, 2, 20), QUEUED);
	CHECK_INT(atio_lock_move(t, key_of("a"), key_of("a")), 0);
	CHECK_INT(atio_lock_move(t, key_of("a"), key_of("b")), 0);
	CHECK_INT(flock_try("a", EX, 3, 30), 0);
	CHECK_INT(atio_lock_move(t, key_of("a"), key_of("b")), -EEXIST);
	CHECK_INT(flock_try("b", SH, 3, 30), -EAGAIN);
	CHECK_INT(o.calls, 0);
	flock_put("b", 1);
	CHECK_INT(o.result, 0);
	atio_lock_drop_handle(t, 2);
	atio_lock_drop_handle(t, 3);
	atio_lock_drop_owner(t, key_of("b"), 1);
	end();
}

/* ---- conversions ----------------------------------------------------- */

static void test_flock_converts(void)
{
	struct outcome o, p;

	begin(false);
	CHECK_INT(flock_try("a", SH, 1, 10), 0);
	CHECK_INT(wait_flock(&o, "a", EX, 2, 20), QUEUED);
	/* Alone, in both directions, whoever waits. */
	CHECK_INT(flock_try("a", EX, 1, 10), 0);
	CHECK_INT(flock_try("a", EX, 1, 11), 0);
	CHECK_INT(o.calls, 0);
	CHECK_INT(flock_try("a", SH, 1, 10), 0);
	CHECK_INT(o.calls, 0);
	CHECK_INT(atio_lock_cancel(t, o.id), 0);
	/* Not alone: as in Linux, the old lock is lost. */
	CHECK_INT(flock_try("a", SH, 2, 20), 0);
	CHECK_INT(flock_try("a", EX, 1, 10), -EAGAIN);
	CHECK_STR(held(), "SH 2 0--1");
	/* Two at once are no deadlock therefore. */
	CHECK_INT(flock_try("a", SH, 1, 10), 0);
	CHECK_INT(wait_flock(&o, "a", EX, 1, 10), QUEUED);
	CHECK_INT(wait_flock(&p, "a", EX, 2, 20), 0);
	CHECK_INT(o.result, PENDING);
	flock_put("a", 2);
	CHECK_INT(o.result, 0);
	flock_put("a", 1);
	end();
}

static void test_range_upgrade(void)
{
	struct outcome o, p, q;

	begin(false);
	CHECK_INT(try("a", POSIX, SH, 1, 10, 0, 9), 0);
	CHECK_INT(try("a", POSIX, SH, 2, 20, 0, 9), 0);
	CHECK_INT(try("a", POSIX, EX, 1, 10, 0, 9), -EAGAIN);
	CHECK_STR(held(), "SH 1 0-9, SH 2 0-9");
	CHECK_INT(wait_for(&q, request_for("a", OFD, EX, 3, 30, 0, 0)), QUEUED);
	CHECK_INT(wait_for(&o, request_for("a", POSIX, EX, 1, 10, 0, 9)),
		  QUEUED);
	CHECK_INT(wait_for(&p, request_for("a", POSIX, EX, 2, 20, 0, 9)),
		  -EDEADLK);
	CHECK_INT(p.calls, 0);
	/* The upgrade does not wait for the one before, who waits for it. */
	put("a", POSIX, 2, 0, 9);
	CHECK_INT(o.result, 0);
	CHECK_INT(q.result, PENDING);
	put("a", POSIX, 1, 0, 0);
	CHECK_INT(q.result, 0);
	atio_lock_drop_handle(t, 3);
	atio_lock_drop_owner(t, key_of("a"), 1);
	end();
}

/* ---- S23: recursion -------------------------------------------------- */

static void test_recursion(void)
{
	struct outcome o;

	begin(false);
	CHECK_INT(flock_try("a", EX, 1, 10), 0);
	CHECK_INT(flock_try("a", EX, 2, 10), 0);
	CHECK_INT(flock_try("a", SH, 3, 10), 0);
	CHECK_INT(flock_try("a", SH, 4, 11), -EAGAIN);
	CHECK_INT(wait_flock(&o, "a", EX, 4, 11), QUEUED);
	flock_put("a", 1);
	flock_put("a", 2);
	CHECK_INT(o.calls, 0);
	/* In spite of him who waits: he waits for this thread. */
	CHECK_INT(flock_try("a", SH, 5, 10), 0);
	flock_put("a", 3);
	CHECK_INT(o.calls, 0);
	flock_put("a", 5);
	CHECK_INT(o.result, 0);
	flock_put("a", 4);
	end();
}

/* A number of a thread that comes again, or that says nothing. */
static void test_other_threads(void)
{
	struct atio_lock_request request =
		request_for("a", FLOCK, EX, 1, 10, 0, 0);

	begin(false);
	request.who.born = 1;
	CHECK_INT(atio_lock_get(t, &request, NULL), 0);
	request.who.owner = 2;
	request.who.born = 2;
	CHECK_INT(atio_lock_get(t, &request, NULL), -EAGAIN);
	request.who.born = 1;
	CHECK_INT(atio_lock_get(t, &request, NULL), 0);
	atio_lock_drop_process(t, 1);
	request.who.owner = 3;
	CHECK_INT(atio_lock_get(t, &request, NULL), -EAGAIN);
	atio_lock_drop_handle(t, 1);
	atio_lock_drop_handle(t, 2);
	CHECK_INT(flock_try("a", EX, 1, 0), 0);
	CHECK_INT(flock_try("a", EX, 2, 0), -EAGAIN);
	flock_put("a", 1);
	end();
}

static void test_strict(void)
{
	struct outcome o;

	begin(true);
	CHECK_INT(flock_try("a", EX, 1, 10), 0);
	CHECK_INT(flock_try("a", EX, 2, 10), -EAGAIN);
	CHECK_INT(wait_flock(&o, "a", EX, 2, 10), -EDEADLK);
	flock_put("a", 1);
	end();
}

/* ---- S24: waiting ---------------------------------------------------- */

static void test_order(void)
{
	struct outcome o[4];

	begin(false);
	CHECK_INT(flock_try("a", SH, 1, 10), 0);
	CHECK_INT(wait_flock(&o[0], "a", EX, 2, 20), QUEUED);
	CHECK_INT(wait_flock(&o[1], "a", SH, 3, 30), QUEUED);
	CHECK_INT(wait_flock(&o[2], "a", SH, 4, 40), QUEUED);
	CHECK_INT(wait_flock(&o[3], "a", EX, 5, 50), QUEUED);
	CHECK_INT(flock_try("a", SH, 6, 60), -EAGAIN);
	CHECK_INT(counters(t).waiting, 4);
	clock_ms += 5;
	flock_put("a", 1);
	CHECK_INT(o[0].result, 0);
	CHECK_INT(o[1].result, PENDING);
	flock_put("a", 2);
	CHECK_INT(o[1].result + o[2].result, 0);
	CHECK_INT(o[3].result, PENDING);
	flock_put("a", 3);
	CHECK_INT(o[3].result, PENDING);
	flock_put("a", 4);
	CHECK_INT(o[3].result, 0);
	flock_put("a", 5);
	for (int i = 0; i < 4; i++)
		CHECK_INT(o[i].calls, 1);
	CHECK_INT(counters(t).waited, 4);
	CHECK_INT(counters(t).waited_ms, 20);
	end();
}

/* Nothing is left of a request that was interrupted. */
static void test_cancel(void)
{
	struct outcome o, p;

	begin(false);
	CHECK_INT(flock_try("a", SH, 1, 10), 0);
	CHECK_INT(wait_flock(&o, "a", EX, 2, 20), QUEUED);
	CHECK_INT(wait_flock(&p, "a", SH, 3, 30), QUEUED);
	CHECK_INT(atio_lock_cancel(t, o.id), 0);
	CHECK_INT(o.result, -EINTR);
	CHECK_INT(p.result, 0);
	CHECK_INT(atio_lock_cancel(t, o.id), -ENOENT);
	CHECK_INT(atio_lock_cancel(t, p.id), -ENOENT);
	CHECK_INT(o.calls, 1);
	CHECK_INT(counters(t).cancels, 1);
	flock_put("a", 1);
	flock_put("a", 3);
	end();
}

static void test_timeout(void)
{
	struct atio_lock_request request =
		request_for("a", FLOCK, EX, 2, 20, 0, 0);
	struct outcome o, p;

	begin(false);
	CHECK_INT(flock_try("a", SH, 1, 10), 0);
	CHECK(atio_lock_next_deadline(t) == UINT64_MAX);
	request.timeout_ms = 50;
	CHECK_INT(wait_for(&o, request), QUEUED);
	request.timeout_ms = 20;
	request.mode = SH;
	request.who.owner = request.who.tid = 3;
	CHECK_INT(wait_for(&p, request), QUEUED);
	CHECK_INT(atio_lock_next_deadline(t), 1020);
	atio_lock_expire(t, 1019);
	CHECK_INT(p.calls, 0);
	atio_lock_expire(t, 1020);
	CHECK_INT(p.result, -ETIMEDOUT);
	CHECK_INT(atio_lock_next_deadline(t), 1050);
	CHECK_INT(wait_flock(&p, "a", SH, 4, 40), QUEUED);
	atio_lock_expire(t, 2000);
	CHECK_INT(o.result, -ETIMEDOUT);
	CHECK_INT(p.result, 0);
	CHECK_INT(counters(t).timeouts, 2);
	CHECK(atio_lock_next_deadline(t) == UINT64_MAX);
	flock_put("a", 1);
	flock_put("a", 4);
	end();
}

static void test_cycles(void)
{
	static const char *const path[] = {"a", "b", "c"};
	struct outcome o[3];

	for (int n = 2; n <= 3; n++) {
		begin(false);
		for (int i = 0; i < n; i++)
			CHECK_INT(flock_try(path[i], EX, 1 + i, 10 + 10 * i),
				  0);
		for (int i = 0; i < n; i++)
			CHECK_INT(
				wait_for(&o[i], request_for(path[(i + 1) % n],
							    FLOCK, SH, 11 + i,
							    10 + 10 * i, 0, 0)),
				i < n - 1 ? QUEUED : -EDEADLK);
		CHECK_INT(counters(t).deadlocks, 1);
		/* He who was refused gives up what he has. */
		for (int i = n - 1; i >= 0; i--) {
			flock_put(path[i], 1 + i);
			if (i)
				CHECK_INT(o[i - 1].result, 0);
			atio_lock_drop_handle(t, 11 + i);
		}
		for (int i = 0; i < n; i++)
			atio_lock_drop_handle(t, 11 + i);
		end();
	}
}

/* Another thread of the process waits: this one can still release. */
static void test_no_cycle(void)
{
	struct outcome o, p;

	begin(false);
	CHECK_INT(try("a", POSIX, EX, 1, 10, 0, 9), 0);
	CHECK_INT(try("b", POSIX, EX, 2, 20, 0, 9), 0);
	CHECK_INT(wait_for(&o, request_for("a", POSIX, EX, 2, 20, 0, 9)),
		  QUEUED);
	CHECK_INT(wait_for(&p, request_for("b", POSIX, EX, 1, 11, 0, 9)),
		  QUEUED);
	atio_lock_drop_owner(t, key_of("a"), 1);
	CHECK_INT(o.result, 0);
	atio_lock_drop_owner(t, key_of("b"), 2);
	CHECK_INT(p.result, 0);
	atio_lock_drop_owner(t, key_of("a"), 2);
	atio_lock_drop_owner(t, key_of("b"), 1);
	end();
}

/* The line closes a circle; without the line there is none. */
static void test_line_is_no_cycle(void)
{
	struct outcome o, p, q;

	begin(false);
	CHECK_INT(flock_try("a", SH, 1, 10), 0);
	CHECK_INT(flock_try("b", EX, 3, 30), 0);
	CHECK_INT(wait_flock(&o, "a", EX, 2, 20), QUEUED);
	CHECK_INT(wait_flock(&p, "a", SH, 4, 30), QUEUED);
	CHECK_INT(wait_flock(&q, "b", EX, 5, 10), QUEUED);
	CHECK_INT(p.result, 0);
	CHECK_INT(o.result, PENDING);
	CHECK_INT(counters(t).deadlocks, 0);
	flock_put("b", 3);
	CHECK_INT(q.result, 0);
	flock_put("a", 1);
	flock_put("a", 4);
	CHECK_INT(o.result, 0);
	flock_put("a", 2);
	flock_put("b", 5);
	end();
}

/* Locks vanish with their holder. */
static void test_holders_go(void)
{
	struct outcome o, p;

	begin(false);
	CHECK_INT(try("a", POSIX, EX, 1, 10, 0, 9), 0);
	CHECK_INT(try("b", POSIX, EX, 1, 10, 0, 9), 0);
	CHECK_INT(flock_try("c", EX, 5, 10), 0);
	CHECK_INT(wait_for(&o, request_for("a", OFD, EX, 2, 20, 0, 9)), QUEUED);
	CHECK_INT(wait_flock(&p, "c", EX, 6, 20), QUEUED);
	atio_lock_drop_process(t, 1);
	CHECK_INT(o.result, 0);
	CHECK_INT(p.calls, 0);
	CHECK_STR(held(), "EX 2 0-9, EX 5 0--1");
	atio_lock_drop_process(t, 2);
	CHECK_INT(p.result, -EINTR);
	CHECK_INT(wait_flock(&p, "c", EX, 6, 20), QUEUED);
	atio_lock_drop_handle(t, 6);
	CHECK_INT(p.result, -EINTR);
	atio_lock_drop_handle(t, 2);
	atio_lock_drop_handle(t, 5);
	end();
}

/* ---- S14: telling that a lock is released ----------------------------- */

static unsigned releases;
static char released_key[32];
static struct atio_lock_space *released_space;
static bool later;

static int on_released(void *ctx, struct atio_lock_key key,
		       struct atio_lock_space *space)
{
	releases++;
	NEED(key.size < sizeof(released_key));
	memcpy(released_key, key.bytes, key.size);
	released_key[key.size] = '\0';
	released_space = space;
	return later;
}

static void begin_telling(bool is_later)
{
	clock_ms = 1000;
	releases = 0;
	later = is_later;
	t = table_with(false, on_released);
}

static void test_released(void)
{
	begin_telling(false);
	CHECK_INT(flock_try("a", SH, 1, 10), 0);
	flock_put("a", 1);
	CHECK_INT(releases, 0);
	CHECK_INT(flock_try("a", EX, 1, 10), 0);
	CHECK_INT(flock_try("a", EX, 2, 10), 0);
	flock_put("a", 1);
	CHECK_INT(releases, 0);
	CHECK_INT(flock_try("a", SH, 2, 10), 0);
	CHECK_INT(releases, 1);
	CHECK_STR(released_key, "a");
	flock_put("a", 2);
	CHECK_INT(try("b", POSIX, EX, 1, 10, 0, 9), 0);
	CHECK_INT(try("b", POSIX, EX, 1, 10, 0, 9), 0);
	put("b", POSIX, 1, 20, 29);
	CHECK_INT(releases, 1);
	put("b", POSIX, 1, 3, 3);
	CHECK_INT(releases, 2);
	CHECK_STR(released_key, "b");
	atio_lock_drop_owner(t, key_of("b"), 1);
	CHECK_INT(releases, 3);
	end();
}

/* Nobody gets a lock before the release was dealt with. */
static void test_released_later(void)
{
	struct atio_lock_request request =
		request_for("a", FLOCK, SH, 3, 30, 0, 0);
	struct outcome o, p = {.result = PENDING};

	begin_telling(true);
	CHECK_INT(flock_try("a", EX, 1, 10), 0);
	CHECK_INT(wait_flock(&o, "a", SH, 2, 20), QUEUED);
	flock_put("a", 1);
	CHECK_INT(releases, 1);
	CHECK_INT(o.calls, 0);
	/* Without waiting: not known yet.  Of the other space: it is. */
	request.arg = &p;
	CHECK_INT(atio_lock_get(t, &request, NULL), QUEUED);
	CHECK_INT(try("a", POSIX, EX, 3, 30, 0, 9), 0);
	CHECK_INT(atio_lock_move(t, key_of("a"), key_of("b")), 0);
	atio_lock_resume(t, released_space);
	CHECK_INT(o.result, 0);
	CHECK_INT(p.result, 0);
	flock_put("b", 2);
	flock_put("b", 3);
	later = false;
	atio_lock_drop_owner(t, key_of("b"), 3);
	CHECK_STR(released_key, "b");
	end();
}

/* A second release while the first is dealt with is told afterwards. */
static void test_released_twice(void)
{
	struct outcome o, p = {.result = PENDING};
	struct atio_lock_request request =
		request_for("a", POSIX, EX, 4, 40, 0, 9);

	begin_telling(true);
	CHECK_INT(try("a", POSIX, EX, 1, 10, 0, 9), 0);
	CHECK_INT(try("a", POSIX, EX, 2, 20, 10, 19), 0);
	put("a", POSIX, 1, 0, 9);
	put("a", POSIX, 2, 10, 19);
	CHECK_INT(releases, 1);
	CHECK_INT(wait_for(&o, request_for("a", OFD, EX, 3, 30, 0, 9)), QUEUED);
	atio_lock_resume(t, released_space);
	CHECK_INT(releases, 2);
	CHECK_INT(o.calls, 0);
	request.arg = &p;
	CHECK_INT(atio_lock_get(t, &request, NULL), -EAGAIN);
	atio_lock_resume(t, released_space);
	CHECK_INT(o.result, 0);
	later = false;
	atio_lock_drop_handle(t, 3);
	end();
}

/* ---- looking at it --------------------------------------------------- */

struct view {
	struct atio_lock_info info[8];
	size_t n;
};

static void view_one(void *arg, const struct atio_lock_info *info)
{
	struct view *view = arg;

	NEED(view->n < 8);
	view->info[view->n++] = *info;
}

static void test_view(void)
{
	struct view view = {.n = 0};
	struct outcome o, p;

	begin(false);
	CHECK_INT(flock_try("a", EX, 1, 10), 0);
	clock_ms += 10;
	CHECK_INT(wait_flock(&o, "a", SH, 2, 20), QUEUED);
	CHECK_INT(wait_flock(&p, "a", EX, 3, 30), QUEUED);
	clock_ms += 5;
	atio_lock_each(t, view_one, &view);
	NEED(view.n == 3);
	CHECK(!view.info[0].waiting && view.info[1].waiting);
	CHECK_INT(view.info[0].age_ms, 15);
	CHECK_INT(view.info[1].age_ms, 5);
	CHECK_INT(view.info[1].who.tid, 20);
	CHECK_INT(view.info[1].waits_for, view.info[0].id);
	CHECK_INT(view.info[2].waits_for, view.info[0].id);
	CHECK_INT(atio_lock_break(t, view.info[0].id), 0);
	CHECK_INT(o.result, 0);
	view.n = 0;
	atio_lock_each(t, view_one, &view);
	NEED(view.n == 2);
	CHECK_INT(view.info[1].waits_for, view.info[0].id);
	CHECK_INT(atio_lock_break(t, p.id), 0);
	CHECK_INT(p.result, -EINTR);
	flock_put("a", 2);
	end();
}

/* Waiters are told when the table goes. */
static void test_free(void)
{
	struct outcome o;

	begin(false);
	CHECK_INT(flock_try("a", EX, 1, 10), 0);
	CHECK_INT(wait_flock(&o, "a", SH, 2, 20), QUEUED);
	atio_lock_table_free(t);
	CHECK_INT(o.result, -EINTR);
	atio_lock_table_free(NULL);
}

int main(void)
{
	test_modes();
	test_kinds();
	test_ranges();
	test_refused();
	test_getlk();
	test_move();
	test_flock_converts();
	test_range_upgrade();
	test_recursion();
	test_other_threads();
	test_strict();
	test_order();
	test_cancel();
	test_timeout();
	test_cycles();
	test_no_cycle();
	test_line_is_no_cycle();
	test_holders_go();
	test_released();
	test_released_later();
	test_released_twice();
	test_view();
	test_free();
	return check_result();
}
