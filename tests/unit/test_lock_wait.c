/* SPDX-License-Identifier: MIT
 *
 * test_lock_wait.c - the lock table: who waits, in which order, how long (S24).
 */
#include "test_lock_lines.h"

/* ---- the line -------------------------------------------------------- */

static void test_order(void)
{
	struct outcome o[4];

	begin(false);
	CHECK_INT(flock_try("a", SH, 1, 10), 0);
	CHECK_INT(flock_wait(&o[0], "a", EX, 2, 20), QUEUED);
	CHECK_INT(flock_wait(&o[1], "a", SH, 3, 30), QUEUED);
	CHECK_INT(flock_wait(&o[2], "a", SH, 4, 40), QUEUED);
	CHECK_INT(flock_wait(&o[3], "a", EX, 5, 50), QUEUED);
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

/* In order of arrival, whenever the ids were drawn. */
static void test_ids(void)
{
	struct atio_lock_request request =
		request_for("a", FLOCK, EX, 2, 20, 0, 0);
	struct outcome o, p, q;
	uint64_t early, late;

	begin(false);
	early = atio_lock_new_id(t);
	late = atio_lock_new_id(t);
	CHECK(early && late && early != late);
	CHECK_INT(flock_try("a", EX, 1, 10), 0);
	/* Before it is queued there is nothing to cancel. */
	CHECK_INT(atio_lock_cancel(t, late), -ENOENT);
	request.id = late;
	CHECK_INT(wait_for(&o, request), QUEUED);
	request.id = early;
	request.who.owner = request.who.tid = 3;
	CHECK_INT(wait_for(&p, request), QUEUED);
	request.id = 0;
	request.who.owner = request.who.tid = 4;
	request.wait = true;
	request.arg = &q;
	q.result = PENDING;
	CHECK_INT(atio_lock_get(t, &request), QUEUED);
	flock_put("a", 1);
	CHECK_INT(o.result, 0);
	CHECK_INT(p.result, PENDING);
	CHECK_INT(atio_lock_cancel(t, early), 0);
	CHECK_INT(p.result, -EINTR);
	CHECK_INT(atio_lock_cancel(t, late), -ENOENT);
	flock_put("a", 2);
	CHECK_INT(q.result, 0);
	flock_put("a", 4);
	end();
}

/* A number that is used twice is a mistake, but does no harm. */
static void test_same_id(void)
{
	struct atio_lock_request request =
		request_for("a", FLOCK, EX, 2, 20, 0, 0);
	struct outcome o[5];

	begin(false);
	CHECK_INT(flock_try("a", EX, 1, 10), 0);
	request.id = 77;
	for (int i = 0; i < 5; i++) {
		request.who.owner = 2 + (uint64_t)i;
		CHECK_INT(wait_for(&o[i], request), QUEUED);
	}
	for (int i = 0; i < 4; i++) {
		CHECK_INT(o[i].result, PENDING);
		CHECK_INT(atio_lock_cancel(t, 77), 0);
		CHECK_INT(o[i].result, -EINTR);
	}
	flock_put("a", 1);
	CHECK_INT(o[4].result, 0);
	CHECK_INT(atio_lock_cancel(t, 77), -ENOENT);
	flock_put("a", 6);
	end();
}

/* One that is granted by way of a downgrade lets those before it go first: it
 * is the last of two of one owner that says what the lock is. */
static void test_order_after_downgrade(void)
{
	struct outcome o, p, q;

	begin(false);
	CHECK_INT(try("a", POSIX, EX, 1, 10, 5, 5), 0);
	CHECK_INT(try("a", POSIX, EX, 2, 20, 9, 9), 0);
	CHECK_INT(wait_for(&o, request_for("a", POSIX, EX, 3, 30, 4, 5)),
		  QUEUED);
	CHECK_INT(wait_for(&p, request_for("a", POSIX, SH, 1, 11, 5, 9)),
		  QUEUED);
	CHECK_INT(wait_for(&q, request_for("a", POSIX, SH, 3, 31, 3, 5)),
		  QUEUED);
	put("a", POSIX, 2, 9, 9);
	CHECK_INT(p.result, 0);
	CHECK_INT(q.result, 0);
	CHECK_INT(o.result, PENDING);
	atio_lock_drop_owner(t, key_of("a"), 1);
	CHECK_INT(o.result, 0);
	CHECK_STR(held(), "EX 3 4-5, SH 3 3-3");
	/* Now with one before that can have it, too. */
	atio_lock_drop_owner(t, key_of("a"), 3);
	CHECK_INT(try("a", POSIX, EX, 1, 10, 5, 5), 0);
	CHECK_INT(try("a", POSIX, EX, 2, 20, 9, 9), 0);
	CHECK_INT(wait_for(&o, request_for("a", POSIX, SH, 3, 30, 4, 5)),
		  QUEUED);
	CHECK_INT(wait_for(&p, request_for("a", POSIX, SH, 1, 11, 5, 9)),
		  QUEUED);
	CHECK_INT(wait_for(&q, request_for("a", POSIX, SH, 3, 31, 3, 5)),
		  QUEUED);
	put("a", POSIX, 2, 9, 9);
	CHECK_INT(o.result + p.result + q.result, 0);
	CHECK_STR(held(), "SH 3 3-5, SH 1 5-9");
	for (uint64_t owner = 1; owner <= 3; owner++)
		atio_lock_drop_owner(t, key_of("a"), owner);
	end();
}

/* Nothing is left of a request that was interrupted. */
static void test_cancel(void)
{
	struct outcome o, p;

	begin(false);
	CHECK_INT(flock_try("a", SH, 1, 10), 0);
	CHECK_INT(flock_wait(&o, "a", EX, 2, 20), QUEUED);
	CHECK_INT(flock_wait(&p, "a", SH, 3, 30), QUEUED);
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
	CHECK_INT(flock_wait(&p, "a", SH, 4, 40), QUEUED);
	atio_lock_expire(t, 2000);
	CHECK_INT(o.result, -ETIMEDOUT);
	CHECK_INT(p.result, 0);
	CHECK_INT(counters(t).timeouts, 2);
	CHECK(atio_lock_next_deadline(t) == UINT64_MAX);
	flock_put("a", 1);
	flock_put("a", 4);
	end();
}

/* How long they have waited that got it; the others are not in there. */
static void test_histogram(void)
{
	static const uint64_t waits[] = {0,    1,    2,     10,    11,   999,
					 1000, 1001, 10000, 60000, 60001};
	static const int should[] = {2, 2, 1, 2, 2, 1, 1};
	uint64_t sum = 0;
	struct outcome o;

	begin(false);
	for (size_t i = 0; i < sizeof(waits) / sizeof(*waits); i++) {
		CHECK_INT(flock_try("a", EX, 1, 10), 0);
		CHECK_INT(flock_wait(&o, "a", EX, 2, 20), QUEUED);
		clock_ms += waits[i];
		flock_put("a", 1);
		CHECK_INT(o.result, 0);
		CHECK_INT(flock_wait(&o, "a", EX, 3, 30), QUEUED);
		CHECK_INT(atio_lock_cancel(t, o.id), 0);
		flock_put("a", 2);
		sum += waits[i];
	}
	for (size_t i = 0; i <= ATIO_LOCK_WAIT_BOUNDS; i++)
		CHECK_INT(counters(t).waits[i], should[i]);
	CHECK_INT(atio_lock_wait_bounds_ms[0], 1);
	CHECK_INT(atio_lock_wait_bounds_ms[ATIO_LOCK_WAIT_BOUNDS - 1], 60000);
	CHECK_INT(counters(t).waited, 11);
	CHECK_INT(counters(t).waited_ms, sum);
	CHECK_INT(counters(t).grants, 22);
	end();
}

/* ---- cycles ---------------------------------------------------------- */

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

/* Through locks of different kinds, with bystanders. */
static void test_mixed_cycle(void)
{
	struct outcome o, p, q, r;

	begin(false);
	CHECK_INT(flock_try("a", SH, 1, 10), 0);
	CHECK_INT(flock_try("a", SH, 4, 40), 0);
	CHECK_INT(try("a", POSIX, EX, 2, 20, 0, 9), 0);
	CHECK_INT(try("b", OFD, SH, 3, 30, 5, 5), 0);
	CHECK_INT(try("b", OFD, EX, 4, 40, 6, 6), 0);
	CHECK_INT(wait_for(&o, request_for("a", OFD, SH, 5, 10, 9, 9)), QUEUED);
	CHECK_INT(wait_for(&p, request_for("b", POSIX, EX, 6, 20, 0, 9)),
		  QUEUED);
	/* Another range of the path: no circle. */
	CHECK_INT(wait_for(&q, request_for("b", OFD, SH, 7, 50, 6, 6)), QUEUED);
	CHECK_INT(flock_wait(&r, "a", EX, 8, 30), -EDEADLK);
	CHECK_INT(counters(t).deadlocks, 1);
	for (uint64_t owner = 1; owner <= 8; owner++)
		atio_lock_drop_handle(t, owner);
	CHECK_INT(o.calls + p.calls + q.calls, 3);
	end();
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

/* A thread that waits, but not for this one. */
static void test_chain_is_no_cycle(void)
{
	struct outcome o[3];

	begin(false);
	CHECK_INT(flock_try("a", EX, 1, 10), 0);
	CHECK_INT(flock_try("b", EX, 2, 20), 0);
	CHECK_INT(flock_try("c", EX, 3, 30), 0);
	CHECK_INT(flock_wait(&o[0], "a", EX, 12, 20), QUEUED);
	CHECK_INT(flock_wait(&o[1], "b", EX, 13, 30), QUEUED);
	CHECK_INT(flock_wait(&o[2], "c", EX, 14, 40), QUEUED);
	CHECK_INT(counters(t).deadlocks, 0);
	flock_put("a", 1);
	flock_put("b", 2);
	flock_put("c", 3);
	CHECK_INT(o[0].result + o[1].result + o[2].result, 0);
	for (uint64_t owner = 12; owner <= 14; owner++)
		atio_lock_drop_handle(t, owner);
	end();
}

/* The line closes a circle; without the line there is none. */
static void test_line_is_no_cycle(void)
{
	struct outcome o, p, q;

	begin(false);
	CHECK_INT(flock_try("a", SH, 1, 10), 0);
	CHECK_INT(flock_try("b", EX, 3, 30), 0);
	CHECK_INT(flock_wait(&o, "a", EX, 2, 20), QUEUED);
	CHECK_INT(flock_wait(&p, "a", SH, 4, 30), QUEUED);
	CHECK_INT(flock_wait(&q, "b", EX, 5, 10), QUEUED);
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

int main(void)
{
	test_order();
	test_ids();
	test_same_id();
	test_order_after_downgrade();
	test_cancel();
	test_timeout();
	test_histogram();
	test_cycles();
	test_mixed_cycle();
	test_no_cycle();
	test_chain_is_no_cycle();
	test_line_is_no_cycle();
	return check_result();
}
