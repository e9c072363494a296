/* SPDX-License-Identifier: MIT
 *
 * test_lock_again.c - the lock table: who gets again what is held already.
 */
#include <limits.h>

#include "lock/inside.h"
#include "test_lock_lines.h"

/* ---- S23: recursion -------------------------------------------------- */

static void test_recursion(void)
{
	struct outcome o;

	begin(false);
	CHECK_INT(flock_try("a", EX, 1, 10), 0);
	CHECK_INT(flock_try("a", EX, 2, 10), 0);
	CHECK_INT(flock_try("a", SH, 3, 10), 0);
	CHECK_INT(flock_try("a", SH, 4, 11), -EAGAIN);
	CHECK_INT(flock_wait(&o, "a", EX, 4, 11), QUEUED);
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

static void test_recursion_of_ranges(void)
{
	begin(false);
	CHECK_INT(try("a", POSIX, EX, 1, 10, 0, 9), 0);
	CHECK_INT(try("a", OFD, EX, 2, 10, 5, 14), 0);
	CHECK_INT(try("a", OFD, EX, 3, 11, 9, 9), -EAGAIN);
	put("a", POSIX, 1, 0, 9);
	CHECK_INT(try("a", OFD, EX, 3, 11, 0, 4), 0);
	CHECK_INT(try("a", OFD, EX, 3, 11, 0, 5), -EAGAIN);
	atio_lock_drop_handle(t, 2);
	atio_lock_drop_handle(t, 3);
	end();
}

/* Of a thread of which nothing is known, nothing is taken to be its own. */
static void test_unknown_threads(void)
{
	struct outcome o;

	begin(false);
	CHECK_INT(flock_try("a", SH, 1, 0), 0);
	CHECK_INT(flock_try("a", EX, 2, 0), -EAGAIN);
	CHECK_INT(flock_wait(&o, "a", EX, 2, 0), QUEUED);
	/* Nor does it wait in line, where it might wait for itself. */
	CHECK_INT(flock_try("a", SH, 3, 0), 0);
	CHECK_INT(flock_try("a", SH, 4, 10), -EAGAIN);
	flock_put("a", 1);
	flock_put("a", 3);
	CHECK_INT(o.result, 0);
	flock_put("a", 2);
	end();
}

static void test_strict(void)
{
	struct outcome o;

	begin(true);
	CHECK_INT(flock_try("a", EX, 1, 10), 0);
	CHECK_INT(flock_try("a", EX, 2, 10), -EAGAIN);
	CHECK_INT(flock_wait(&o, "a", EX, 2, 10), -EDEADLK);
	/* Not another owner: that is no recursion. */
	CHECK_INT(flock_try("a", EX, 1, 10), 0);
	flock_put("a", 1);
	end();
}

/* ---- numbers of threads that come again ------------------------------- */

static uint64_t born[100];
static unsigned asked;

static uint64_t started(void *ctx, pid_t tid)
{
	asked++;
	return born[tid];
}

static void begin_asking(void)
{
	const struct atio_lock_options options = {
		.version = ATIO_LOCK_OPTIONS_VERSION,
		.now = clock_now,
		.started = started,
	};

	clock_ms = 1000;
	memset(born, 0, sizeof(born));
	asked = 0;
	NEED(atio_lock_table_new(&options, &t) == 0);
}

static void test_other_thread(void)
{
	begin_asking();
	CHECK_INT(flock_try("a", EX, 1, 10), 0);
	clock_ms = 2000;
	/* Not known when; before; in the same moment, which is no proof. */
	for (born[10] = 0; born[10] <= 1000; born[10] += 500) {
		CHECK_INT(flock_try("a", EX, 2, 10), 0);
		flock_put("a", 2);
	}
	born[10] = 1001;
	CHECK_INT(flock_try("a", EX, 2, 10), -EAGAIN);
	CHECK_INT(flock_try("a", EX, 2, 10), -EAGAIN);
	flock_put("a", 1);
	CHECK_INT(flock_try("a", EX, 2, 10), 0);
	CHECK_INT(flock_try("a", EX, 3, 10), 0);
	atio_lock_drop_handle(t, 2);
	atio_lock_drop_handle(t, 3);
	end();
}

/* It costs something, and is left alone where it is no matter. */
static void test_asked_when_it_matters(void)
{
	begin_asking();
	CHECK_INT(flock_try("a", EX, 1, 10), 0);
	CHECK_INT(flock_try("b", SH, 2, 10), 0);
	CHECK_INT(flock_try("a", EX, 1, 10), 0);
	CHECK_INT(flock_try("b", SH, 3, 20), 0);
	CHECK_INT(flock_try("a", SH, 4, 30), -EAGAIN);
	CHECK_INT(try("a", POSIX, EX, 1, 10, 0, 9), 0);
	CHECK_INT(asked, 0);
	CHECK_INT(flock_try("a", EX, 5, 10), 0);
	CHECK_INT(asked, 1);
	CHECK_INT(flock_try("b", EX, 6, 10), -EAGAIN);
	CHECK_INT(asked, 2);
	for (uint64_t owner = 1; owner < 6; owner++)
		atio_lock_drop_handle(t, owner);
	end();
}

/* What it took before anybody asked is its own nevertheless. */
static void test_sorted_out(void)
{
	begin_asking();
	CHECK_INT(flock_try("a", EX, 1, 10), 0);
	clock_ms = 2000;
	born[10] = 1500;
	CHECK_INT(flock_try("b", EX, 2, 10), 0);
	CHECK_INT(asked, 0);
	CHECK_INT(flock_try("a", EX, 3, 10), -EAGAIN);
	CHECK_INT(flock_try("b", EX, 3, 10), 0);
	flock_put("b", 2);
	CHECK_INT(flock_try("b", EX, 4, 20), -EAGAIN);
	flock_put("b", 3);
	flock_put("a", 1);
	/* The old one has left nothing: nobody is confused. */
	CHECK_INT(flock_try("a", EX, 3, 10), 0);
	CHECK_INT(flock_try("a", EX, 4, 10), 0);
	flock_put("a", 3);
	flock_put("a", 4);
	end();
}

/* S24: a thread that is gone closes no circle. */
static void test_no_cycle_through_the_dead(void)
{
	struct outcome o, p;

	begin_asking();
	CHECK_INT(flock_try("a", EX, 1, 10), 0);
	CHECK_INT(flock_try("b", EX, 2, 20), 0);
	clock_ms = 2000;
	born[10] = 1500;
	CHECK_INT(flock_wait(&o, "b", EX, 3, 10), QUEUED);
	CHECK_INT(flock_wait(&p, "a", EX, 4, 20), QUEUED);
	flock_put("a", 1);
	CHECK_INT(p.result, 0);
	flock_put("b", 2);
	CHECK_INT(o.result, 0);
	/* Now it is one. */
	CHECK_INT(flock_wait(&o, "a", EX, 5, 10), QUEUED);
	CHECK_INT(flock_wait(&p, "b", EX, 6, 20), -EDEADLK);
	flock_put("a", 4);
	flock_put("a", 5);
	flock_put("b", 3);
	end();
}

static void test_getlk_of_other_thread(void)
{
	struct atio_lock_request request =
		request_for("a", POSIX, EX, 3, 10, 0, 9);
	struct atio_lock_info info = {0};

	begin_asking();
	CHECK_INT(try("a", OFD, EX, 1, 10, 0, 4), 0);
	clock_ms = 2000;
	CHECK_INT(try("a", OFD, EX, 2, 10, 5, 9), 0);
	CHECK_INT(atio_lock_test(t, &request, &info), 0);
	CHECK_INT(asked, 1);
	born[10] = 1500;
	CHECK_INT(atio_lock_test(t, &request, &info), 1);
	CHECK_INT(info.who.owner, 1);
	atio_lock_drop_handle(t, 1);
	CHECK_INT(atio_lock_test(t, &request, &info), 0);
	atio_lock_drop_handle(t, 2);
	end();
}

/* ---- S23: counted ----------------------------------------------------- */

static struct atio_lock_request counted(const char *path, int mode,
					uint64_t owner, int tid)
{
	struct atio_lock_request request =
		request_for(path, FLOCK, mode, owner, tid, 0, 0);

	request.counted = true;
	return request;
}

static int count_up(const char *path, int mode, uint64_t owner, int tid)
{
	struct atio_lock_request request = counted(path, mode, owner, tid);

	return atio_lock_get(t, &request);
}

static int count_down(const char *path, uint64_t owner)
{
	struct atio_lock_request request = counted(path, SH, owner, 0);

	return atio_lock_put(t, &request);
}

static unsigned depth(uint64_t owner)
{
	return atio_lock_depth(t, key_of("a"), owner);
}

static void test_counted(void)
{
	struct outcome o;

	begin(false);
	CHECK_INT(depth(1), 0);
	CHECK_INT(count_down("a", 1), -ENOLCK);
	CHECK_INT(count_up("a", SH, 1, 10), 0);
	CHECK_INT(count_up("a", SH, 1, 10), 0);
	CHECK_STR(held(), "SH 1 0--1");
	CHECK_INT(count_up("a", EX, 1, 10), 0);
	CHECK_INT(flock_wait(&o, "a", SH, 2, 20), QUEUED);
	/* Exclusive it stays, for whichever thread. */
	CHECK_INT(count_up("a", SH, 1, 11), 0);
	CHECK_STR(held(), "EX 1 0--1");
	CHECK_INT(depth(1), 4);
	CHECK_INT(depth(2), 0);
	for (int left = 3; left >= 0; left--) {
		CHECK_INT(o.calls, 0);
		CHECK_INT(count_down("a", 1), left);
	}
	CHECK_INT(o.result, 0);
	CHECK_INT(count_down("a", 1), -ENOLCK);
	CHECK_INT(depth(2), 1);
	flock_put("a", 2);
	end();
}

/* All counts go at once, with a put that does not count or with the handle. */
static void test_counted_goes(void)
{
	begin(false);
	for (int i = 0; i < 3; i++)
		CHECK_INT(count_up("a", EX, 1, 10), 0);
	flock_put("a", 1);
	CHECK_INT(depth(1), 0);
	for (int i = 0; i < 3; i++)
		CHECK_INT(count_up("a", EX, 1, 10), 0);
	atio_lock_drop_handle(t, 1);
	CHECK_INT(count_down("a", 1), -ENOLCK);
	end();
}

/* An upgrade keeps what it has while it waits, and goes before the others. */
static void test_counted_upgrade(void)
{
	struct outcome o, p;

	begin(false);
	CHECK_INT(count_up("a", SH, 1, 10), 0);
	CHECK_INT(count_up("a", SH, 2, 20), 0);
	CHECK_INT(count_up("a", EX, 1, 10), -EAGAIN);
	CHECK_STR(held(), "SH 1 0--1, SH 2 0--1");
	CHECK_INT(flock_wait(&p, "a", EX, 3, 30), QUEUED);
	CHECK_INT(wait_for(&o, counted("a", EX, 1, 10)), QUEUED);
	CHECK_STR(held(), "SH 1 0--1, SH 2 0--1");
	/* Through the same open file meanwhile. */
	CHECK_INT(count_up("a", SH, 1, 11), 0);
	CHECK_INT(depth(1), 2);
	CHECK_INT(count_down("a", 2), 0);
	CHECK_INT(o.result, 0);
	CHECK_INT(p.result, PENDING);
	CHECK_STR(held(), "EX 1 0--1");
	CHECK_INT(depth(1), 3);
	flock_put("a", 1);
	CHECK_INT(p.result, 0);
	flock_put("a", 3);
	end();
}

/* S24: of two upgrades one is refused, and keeps what it has. */
static void test_counted_upgrades(void)
{
	struct outcome o, p;

	begin(false);
	CHECK_INT(count_up("a", SH, 1, 10), 0);
	CHECK_INT(count_up("a", SH, 2, 20), 0);
	CHECK_INT(wait_for(&o, counted("a", EX, 1, 10)), QUEUED);
	CHECK_INT(wait_for(&p, counted("a", EX, 2, 20)), -EDEADLK);
	CHECK_INT(counters(t).deadlocks, 1);
	CHECK_INT(depth(2), 1);
	CHECK_INT(o.calls, 0);
	flock_put("a", 2);
	CHECK_INT(o.result, 0);
	CHECK_INT(count_down("a", 1), 1);
	CHECK_INT(count_down("a", 1), 0);
	end();
}

static void test_counted_and_not(void)
{
	begin(false);
	CHECK_INT(flock_try("a", EX, 1, 10), 0);
	CHECK_INT(depth(1), 1);
	CHECK_INT(count_up("a", EX, 1, 10), 0);
	CHECK_INT(flock_try("a", EX, 1, 10), 0);
	CHECK_INT(depth(1), 2);
	/* Down, and up again, the count stays. */
	CHECK_INT(flock_try("a", SH, 1, 10), 0);
	CHECK_STR(held(), "SH 1 0--1");
	CHECK_INT(flock_try("a", EX, 1, 10), 0);
	CHECK_INT(depth(1), 2);
	CHECK_INT(flock_try("a", SH, 1, 10), 0);
	/* Lost on the way: it begins anew. */
	CHECK_INT(flock_try("a", SH, 2, 20), 0);
	CHECK_INT(flock_try("a", EX, 1, 10), -EAGAIN);
	CHECK_INT(depth(1), 0);
	flock_put("a", 2);
	CHECK_INT(flock_try("a", EX, 1, 10), 0);
	CHECK_INT(depth(1), 1);
	flock_put("a", 1);
	end();
}

/* Two requests through one open file wait: whichever is granted first, there
 * are two in the end, and one of them is exclusive. */
static void test_counted_waiters(void)
{
	struct outcome o, p;

	for (int first = SH; first <= EX; first++) {
		begin(false);
		CHECK_INT(flock_try("a", EX, 2, 20), 0);
		CHECK_INT(wait_for(&o, counted("a", first, 1, 10)), QUEUED);
		CHECK_INT(wait_for(&p, counted("a", !first, 1, 11)), QUEUED);
		flock_put("a", 2);
		CHECK_INT(o.result + p.result, 0);
		CHECK_INT(depth(1), 2);
		CHECK_STR(held(), "EX 1 0--1");
		flock_put("a", 1);
		end();
	}
}

static void count_to(unsigned count)
{
	CONTAINER_OF(t->held, struct lock_span, handle)->count = count;
}

static void test_counted_too_often(void)
{
	struct outcome o, p;

	begin(false);
	CHECK_INT(count_up("a", SH, 1, 10), 0);
	count_to(INT_MAX - 1);
	CHECK_INT(count_up("a", SH, 1, 10), 0);
	CHECK_INT(count_up("a", SH, 1, 10), -EOVERFLOW);
	CHECK_INT(count_up("a", EX, 1, 10), -EOVERFLOW);
	CHECK_INT(flock_try("a", EX, 1, 10), 0);
	CHECK_INT(depth(1), INT_MAX);
	CHECK_INT(count_down("a", 1), INT_MAX - 1);
	CHECK_INT(flock_try("a", SH, 1, 10), 0);
	/* Not known before that it will be too often. */
	CHECK_INT(flock_try("a", SH, 2, 20), 0);
	CHECK_INT(wait_for(&o, counted("a", EX, 1, 10)), QUEUED);
	CHECK_INT(wait_for(&p, counted("a", EX, 1, 11)), QUEUED);
	flock_put("a", 2);
	CHECK_INT(o.result + p.result, 0);
	CHECK_INT(depth(1), INT_MAX);
	flock_put("a", 1);
	end();
}

int main(void)
{
	test_recursion();
	test_recursion_of_ranges();
	test_unknown_threads();
	test_strict();
	test_other_thread();
	test_asked_when_it_matters();
	test_sorted_out();
	test_no_cycle_through_the_dead();
	test_getlk_of_other_thread();
	test_counted();
	test_counted_goes();
	test_counted_upgrade();
	test_counted_upgrades();
	test_counted_and_not();
	test_counted_waiters();
	test_counted_too_often();
	return check_result();
}
