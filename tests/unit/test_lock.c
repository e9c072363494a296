/* SPDX-License-Identifier: MIT
 *
 * test_lock.c - the lock table: what conflicts, what is converted, whose it is.
 */
#include "test_lock_lines.h"

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

/* POSIX and OFD conflict with one another; flock with neither. */
static void test_kinds(void)
{
	begin(false);
	CHECK_INT(flock_try("a", EX, 1, 10), 0);
	CHECK_INT(try("a", POSIX, EX, 1, 20, 0, 9), 0);
	CHECK_INT(try("a", OFD, SH, 2, 30, 9, 9), -EAGAIN);
	CHECK_INT(try("a", OFD, EX, 2, 30, 10, 19), 0);
	CHECK_INT(try("a", POSIX, SH, 3, 40, 15, 15), -EAGAIN);
	atio_lock_drop_owner(t, key_of("a"), 1);
	CHECK_INT(try("a", OFD, SH, 2, 30, 9, 9), 0);
	CHECK_INT(flock_try("a", SH, 2, 20), -EAGAIN);
	atio_lock_drop_handle(t, 1);
	CHECK_STR(held(), "EX 2 10-19, SH 2 9-9");
	atio_lock_drop_handle(t, 2);
	end();
}

/* The owner of ranges is a number; the kind is no part of it. */
static void test_one_owner_of_two_kinds(void)
{
	struct atio_lock_request request =
		request_for("a", POSIX, EX, 2, 20, 5, 5);
	struct atio_lock_info info = {0};

	begin(false);
	CHECK_INT(try("a", POSIX, EX, 1, 10, 0, 9), 0);
	CHECK_INT(try("a", OFD, SH, 1, 30, 5, 5), 0);
	CHECK_STR(held(), "EX 1 0-4, EX 1 6-9, SH 1 5-5");
	CHECK_INT(atio_lock_test(t, &request, &info), 1);
	CHECK_INT(info.kind, OFD);
	put("a", OFD, 1, 0, 3);
	CHECK_STR(held(), "EX 1 4-4, EX 1 6-9, SH 1 5-5");
	put("a", POSIX, 1, 0, 9);
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

/* One request cuts many ranges, and splits at most one. */
static void test_many_ranges(void)
{
	begin(false);
	for (unsigned i = 0; i < 5; i++)
		CHECK_INT(try("a", POSIX, i % 2 ? SH : EX, 1, 10, 10 * i,
			      10 * i + 9),
			  0);
	CHECK_STR(held(), "EX 1 0-9, EX 1 20-29, EX 1 40-49, "
			  "SH 1 10-19, SH 1 30-39");
	put("a", POSIX, 1, 5, 44);
	CHECK_STR(held(), "EX 1 0-4, EX 1 45-49");
	CHECK_INT(try("a", POSIX, SH, 1, 10, 2, 47), 0);
	CHECK_STR(held(), "EX 1 0-1, EX 1 48-49, SH 1 2-47");
	CHECK_INT(try("a", POSIX, EX, 1, 10, 20, 20), 0);
	CHECK_STR(held(), "EX 1 0-1, EX 1 20-20, EX 1 48-49, "
			  "SH 1 2-19, SH 1 21-47");
	CHECK_INT(try("a", POSIX, EX, 1, 10, 2, 47), 0);
	CHECK_STR(held(), "EX 1 0-49");
	put("a", POSIX, 1, 1, ATIO_LOCK_END);
	put("a", POSIX, 1, 0, 0);
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
	CHECK_INT(atio_lock_get(t, &request), -EINVAL);
	request = request_for("a", POSIX, EX, 1, 10, 0, 0);
	request.counted = true;
	CHECK_INT(atio_lock_get(t, &request), -EINVAL);
	CHECK_INT(atio_lock_put(t, &request), -EINVAL);
	/* Of a put, the mode is not looked at. */
	request = request_for("a", POSIX, 9, 1, 10, 0, 0);
	CHECK_INT(atio_lock_put(t, &request), 0);
	CHECK_INT(atio_lock_cancel(t, 1), -ENOENT);
	CHECK_INT(atio_lock_break(t, 1), -ENOENT);
	CHECK_INT(atio_lock_move(t, key_of(""), key_of("a")), -EINVAL);
	CHECK_INT(atio_lock_table_new(&options, &none), -EINVAL);
	options.version = ATIO_LOCK_OPTIONS_VERSION;
	options.now = NULL;
	CHECK_INT(atio_lock_table_new(&options, &none), -EINVAL);
	CHECK(!none);
	end();
}

static int unlock(uint64_t owner, uint64_t start, uint64_t end)
{
	struct atio_lock_request request =
		request_for("a", POSIX, SH, owner, 0, start, end);

	return atio_lock_put(t, &request);
}

static void test_max_ranges(void)
{
	const struct atio_lock_options options = {
		.version = ATIO_LOCK_OPTIONS_VERSION,
		.max_ranges = 3,
		.now = clock_now,
	};

	clock_ms = 1000;
	NEED(atio_lock_table_new(&options, &t) == 0);
	for (uint64_t i = 0; i < 3; i++)
		CHECK_INT(try("a", POSIX, EX, 1, 10, 10 * i, 10 * i + 4), 0);
	CHECK_INT(try("a", POSIX, EX, 1, 10, 90, 91), -ENOLCK);
	CHECK_INT(try("a", OFD, SH, 1, 10, 0, 99), -ENOLCK);
	CHECK_INT(counters(t).held, 3);
	/* Others, and other files, have as many. */
	CHECK_INT(try("a", POSIX, EX, 2, 20, 90, 91), 0);
	CHECK_INT(try("a", FLOCK, EX, 1, 10, 0, 0), 0);
	CHECK_INT(try("b", POSIX, EX, 1, 10, 90, 91), 0);
	/* To give up is refused where two are left of one. */
	CHECK_INT(unlock(1, 2, 2), -ENOLCK);
	CHECK_INT(counters(t).held, 6);
	CHECK_INT(unlock(1, 0, 2), 0);
	CHECK_INT(unlock(1, 14, 20), 0);
	CHECK_INT(counters(t).held, 6);
	CHECK_INT(unlock(1, 10, 19), 0);
	CHECK_INT(unlock(1, 22, 22), 0);
	CHECK_INT(try("a", POSIX, EX, 1, 10, 50, 51), -ENOLCK);
	CHECK_INT(unlock(1, 0, ATIO_LOCK_END), 0);
	CHECK_INT(unlock(2, 0, ATIO_LOCK_END), 0);
	put("b", POSIX, 1, 0, ATIO_LOCK_END);
	flock_put("a", 1);
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
	CHECK_INT(info.count, 0);
	request.mode = SH;
	CHECK_INT(atio_lock_test(t, &request, &info), 0);
	request.mode = EX;
	request.who.tid = 10; /* the thread itself */
	CHECK_INT(atio_lock_test(t, &request, &info), 0);
	request.range.end = 4;
	CHECK_INT(atio_lock_test(t, &request, &info), -EINVAL);
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
	CHECK_INT(flock_wait(&o, "a", EX, 2, 20), QUEUED);
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
	CHECK_INT(flock_wait(&o, "a", EX, 2, 20), QUEUED);
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
	CHECK_INT(flock_wait(&o, "a", EX, 1, 10), QUEUED);
	CHECK_INT(flock_wait(&p, "a", EX, 2, 20), 0);
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

/* ---- S24: locks vanish with their holder ------------------------------ */

static int try_through(uint64_t handle, struct atio_lock_request request)
{
	request.who.handle = handle;
	return atio_lock_get(t, &request);
}

static void test_owner_goes(void)
{
	struct outcome o;

	begin(false);
	CHECK_INT(try("a", POSIX, EX, 1, 10, 0, 9), 0);
	CHECK_INT(try("b", POSIX, EX, 1, 10, 0, 9), 0);
	CHECK_INT(flock_try("a", EX, 1, 10), 0);
	CHECK_INT(wait_for(&o, request_for("a", OFD, EX, 2, 20, 0, 9)), QUEUED);
	atio_lock_drop_owner(t, key_of("a"), 7);
	atio_lock_drop_owner(t, key_of("c"), 1);
	CHECK_INT(o.calls, 0);
	atio_lock_drop_owner(t, key_of("a"), 1);
	CHECK_INT(o.result, 0);
	atio_lock_drop_handle(t, 2);
	CHECK_INT(flock_try("a", EX, 2, 20), -EAGAIN);
	CHECK_INT(try("b", POSIX, EX, 2, 20, 0, 9), -EAGAIN);
	atio_lock_drop_handle(t, 1);
	end();
}

/* All that was got through it, on every path and of every kind; and no more. */
static void test_handle_goes(void)
{
	struct outcome o, p, q;

	begin(false);
	CHECK_INT(try_through(7, request_for("a", POSIX, EX, 1, 10, 0, 9)), 0);
	CHECK_INT(try_through(8, request_for("a", POSIX, EX, 1, 10, 10, 19)),
		  0);
	CHECK_INT(try_through(7, request_for("b", OFD, SH, 2, 20, 0, 9)), 0);
	CHECK_INT(try_through(7, request_for("b", FLOCK, EX, 3, 20, 0, 0)), 0);
	/* They touch, but do not become one. */
	CHECK_STR(held(), "EX 1 0-9, EX 1 10-19, EX 3 0--1, SH 2 0-9");
	CHECK_INT(wait_for(&o, request_for("a", OFD, EX, 9, 30, 5, 5)), QUEUED);
	CHECK_INT(wait_for(&p, request_for("a", OFD, EX, 9, 40, 15, 15)),
		  QUEUED);
	CHECK_INT(wait_for(&q, request_for("b", FLOCK, SH, 8, 50, 0, 0)),
		  QUEUED);
	atio_lock_drop_handle(t, 7);
	CHECK_INT(o.result, 0);
	CHECK_INT(p.result, PENDING);
	CHECK_INT(q.result, 0);
	CHECK_STR(held(), "EX 9 5-5, EX 1 10-19, SH 8 0--1");
	/* Who took it last says what it was got through. */
	CHECK_INT(try_through(7, request_for("a", POSIX, EX, 1, 10, 14, 16)),
		  0);
	atio_lock_drop_handle(t, 7);
	CHECK_STR(held(),
		  "EX 9 5-5, EX 1 10-13, EX 9 15-15, EX 1 17-19, SH 8 0--1");
	atio_lock_drop_handle(t, 8);
	atio_lock_drop_handle(t, 9);
	end();
}

/* Who waits through it is told, also if it gets nothing else. */
static void test_handle_of_waiters_goes(void)
{
	struct outcome o, p, q;

	begin(false);
	CHECK_INT(flock_try("a", EX, 1, 10), 0);
	CHECK_INT(try("a", POSIX, SH, 1, 10, 0, 9), 0);
	CHECK_INT(flock_wait(&o, "a", EX, 2, 20), QUEUED);
	CHECK_INT(wait_for(&p, request_for("a", POSIX, EX, 2, 21, 0, 9)),
		  QUEUED);
	CHECK_INT(wait_for(&q, request_for("a", POSIX, SH, 3, 30, 0, 9)),
		  QUEUED);
	atio_lock_drop_handle(t, 2);
	CHECK_INT(o.result, -EINTR);
	CHECK_INT(p.result, -EINTR);
	CHECK_INT(q.result, 0);
	CHECK_INT(o.calls + p.calls + q.calls, 3);
	CHECK_INT(atio_lock_cancel(t, p.id), -ENOENT);
	atio_lock_drop_handle(t, 1);
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
	CHECK_INT(flock_wait(&o, "a", SH, 2, 20), QUEUED);
	CHECK_INT(flock_wait(&p, "a", EX, 3, 30), QUEUED);
	clock_ms += 5;
	atio_lock_each(t, view_one, &view);
	NEED(view.n == 3);
	CHECK(!view.info[0].waiting && view.info[1].waiting);
	CHECK_INT(view.info[0].age_ms, 15);
	CHECK_INT(view.info[0].count, 1);
	CHECK_INT(view.info[1].age_ms, 5);
	CHECK_INT(view.info[1].id, o.id);
	CHECK_INT(view.info[1].count, 0);
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
	CHECK_INT(p.result, -ENOLCK);
	flock_put("a", 2);
	end();
}

/* Of a range, broken is what the list says; the rest of its owner's stays. */
static void test_break_range(void)
{
	struct view view = {.n = 0};

	begin(false);
	CHECK_INT(try("a", POSIX, EX, 1, 10, 0, 9), 0);
	put("a", POSIX, 1, 4, 5);
	atio_lock_each(t, view_one, &view);
	NEED(view.n == 2);
	CHECK(view.info[0].id != view.info[1].id);
	CHECK_INT(atio_lock_break(t, view.info[1].id), 0);
	CHECK_INT(atio_lock_break(t, view.info[1].id), -ENOENT);
	CHECK_STR(held(), "EX 1 0-3");
	CHECK_INT(atio_lock_break(t, view.info[0].id), 0);
	end();
}

static void test_any(void)
{
	struct outcome o;

	begin(false);
	CHECK(!atio_lock_any(t));
	CHECK_INT(flock_try("a", EX, 1, 10), 0);
	CHECK(atio_lock_any(t));
	CHECK_INT(flock_wait(&o, "a", EX, 2, 20), QUEUED);
	flock_put("a", 1);
	CHECK(atio_lock_any(t));
	flock_put("a", 2);
	CHECK(!atio_lock_any(t));
	end();
}

/* Waiters are told when the table goes. */
static void test_free(void)
{
	struct outcome o;

	begin(false);
	CHECK_INT(flock_try("a", EX, 1, 10), 0);
	CHECK_INT(try("a", POSIX, EX, 1, 10, 5, 5), 0);
	CHECK_INT(flock_wait(&o, "a", SH, 2, 20), QUEUED);
	atio_lock_table_free(t);
	CHECK_INT(o.result, -ENOLCK);
	CHECK_INT(o.calls, 1);
	atio_lock_table_free(NULL);
}

/* ---- much of it ------------------------------------------------------- */

#define MANY 100000

/* Among very many ranges each call takes a few steps; if it looked at all of
 * them, the test would run into its time limit. */
static void test_many(void)
{
	uint64_t n = 0;

	begin(false);
	for (uint64_t i = 0; i < MANY; i++)
		n += (uint64_t)!try("a", POSIX, EX, 1, 10, 4 * i, 4 * i + 2);
	for (uint64_t i = 0; i < MANY; i++)
		n += (uint64_t)!try("b", OFD, SH, i, 0, 0, 9);
	for (uint64_t i = 0; i < MANY; i++) {
		n += try("a", POSIX, EX, 2, 20, 4 * i + 1, 4 * i + 1) != 0;
		put("a", POSIX, 1, 4 * i + 1, 4 * i + 1);
	}
	CHECK_INT(n, 3 * MANY);
	CHECK_INT(counters(t).held, 3 * MANY);
	for (uint64_t i = 2; i < MANY; i++)
		atio_lock_drop_handle(t, i);
	CHECK_INT(counters(t).held, 2 * MANY + 2);
	atio_lock_drop_handle(t, 0);
	atio_lock_drop_handle(t, 1);
	end();
}

int main(void)
{
	test_modes();
	test_kinds();
	test_one_owner_of_two_kinds();
	test_ranges();
	test_many_ranges();
	test_refused();
	test_max_ranges();
	test_getlk();
	test_move();
	test_flock_converts();
	test_range_upgrade();
	test_owner_goes();
	test_handle_goes();
	test_handle_of_waiters_goes();
	test_view();
	test_break_range();
	test_any();
	test_free();
	test_many();
	return check_result();
}
