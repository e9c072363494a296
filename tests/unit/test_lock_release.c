/* SPDX-License-Identifier: MIT
 *
 * test_lock_release.c - the lock table tells that an exclusive lock is given
 * up, and nobody gets it before what was written is published (S14).
 */
#include "test_lock_lines.h"

static unsigned releases;
static char released_key[32];
static struct atio_lock_space *released_space;
static struct atio_lock_who released_who;
static bool later;

static int on_released(void *ctx, struct atio_lock_key key,
		       struct atio_lock_space *space,
		       const struct atio_lock_who *who)
{
	releases++;
	NEED(key.size < sizeof(released_key));
	memcpy(released_key, key.bytes, key.size);
	released_key[key.size] = '\0';
	released_space = space;
	released_who = *who;
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
	CHECK_INT(released_who.tid, 10);
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
	CHECK_INT(flock_wait(&o, "a", SH, 2, 20), QUEUED);
	flock_put("a", 1);
	CHECK_INT(releases, 1);
	CHECK_INT(o.calls, 0);
	/* Without waiting: not known yet.  Of the other space: it is. */
	request.arg = &p;
	CHECK_INT(atio_lock_get(t, &request), QUEUED);
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
	CHECK_INT(atio_lock_get(t, &request), -EAGAIN);
	atio_lock_resume(t, released_space);
	CHECK_INT(o.result, 0);
	later = false;
	atio_lock_drop_handle(t, 3);
	end();
}

/* The thread has it through other owners: only what is left of none is told. */
static void test_released_of_several(void)
{
	begin_telling(false);
	CHECK_INT(try("a", OFD, EX, 1, 10, 0, 9), 0);
	CHECK_INT(try("a", OFD, EX, 2, 10, 0, 4), 0);
	CHECK_INT(try("a", OFD, EX, 3, 10, 5, 9), 0);
	atio_lock_drop_handle(t, 1);
	CHECK_INT(releases, 0);
	CHECK_INT(try("a", OFD, EX, 1, 10, 3, 10), 0);
	put("a", OFD, 1, 3, 9);
	CHECK_INT(releases, 0);
	put("a", OFD, 1, 10, 10);
	CHECK_INT(releases, 1);
	atio_lock_drop_handle(t, 2);
	CHECK_INT(releases, 2);
	atio_lock_drop_handle(t, 3);
	end();
}

/* All at once are one release, if they are of one space. */
static void test_released_together(void)
{
	begin_telling(false);
	for (unsigned i = 0; i < 5; i++)
		CHECK_INT(try("a", OFD, EX, 1, 10, 10 * i, 10 * i), 0);
	CHECK_INT(try("b", OFD, EX, 1, 10, 0, 0), 0);
	CHECK_INT(flock_try("b", EX, 1, 10), 0);
	atio_lock_drop_handle(t, 1);
	CHECK_INT(releases, 3);
	end();
}

/* Counted: with the last of them, and with a way down. */
static void test_released_counted(void)
{
	struct atio_lock_request request =
		request_for("a", FLOCK, EX, 1, 10, 0, 0);
	struct outcome o;

	begin_telling(true);
	request.counted = true;
	for (int i = 0; i < 3; i++)
		CHECK_INT(atio_lock_get(t, &request), 0);
	request.mode = SH;
	CHECK_INT(atio_lock_get(t, &request), 0);
	CHECK_INT(atio_lock_put(t, &request), 3);
	CHECK_INT(releases, 0);
	CHECK_INT(flock_try("a", SH, 1, 10), 0);
	CHECK_INT(releases, 1);
	CHECK_INT(flock_wait(&o, "a", SH, 2, 20), QUEUED);
	/* What it has already it gets at once. */
	CHECK_INT(atio_lock_get(t, &request), 0);
	CHECK_INT(flock_try("a", SH, 1, 10), 0);
	CHECK_INT(atio_lock_depth(t, key_of("a"), 1), 4);
	atio_lock_resume(t, released_space);
	CHECK_INT(o.result, 0);
	later = false;
	atio_lock_drop_handle(t, 1);
	atio_lock_drop_handle(t, 2);
	CHECK_INT(releases, 1);
	end();
}

/* Nothing is held there any more, but the space stays. */
static void test_space_stays(void)
{
	struct outcome o;

	begin_telling(true);
	CHECK_INT(flock_try("a", EX, 1, 10), 0);
	flock_put("a", 1);
	CHECK_INT(counters(t).paths, 1);
	CHECK(!atio_lock_any(t));
	CHECK_INT(flock_wait(&o, "a", EX, 2, 20), QUEUED);
	CHECK_INT(atio_lock_cancel(t, o.id), 0);
	CHECK_INT(o.result, -EINTR);
	CHECK_INT(atio_lock_move(t, key_of("a"), key_of("b")), 0);
	CHECK_INT(flock_wait(&o, "b", EX, 2, 20), QUEUED);
	atio_lock_resume(t, released_space);
	CHECK_INT(o.result, 0);
	later = false;
	flock_put("b", 2);
	end();
}

/* A table may go before all was published. */
static void test_free_unpublished(void)
{
	struct outcome o;

	begin_telling(true);
	CHECK_INT(flock_try("a", EX, 1, 10), 0);
	flock_put("a", 1);
	CHECK_INT(flock_wait(&o, "a", EX, 2, 20), QUEUED);
	CHECK_INT(try("a", POSIX, EX, 2, 20, 0, 9), 0);
	atio_lock_table_free(t);
	released_space = NULL; /* or a leak would not be seen */
	CHECK_INT(o.result, -ENOLCK);
	CHECK_INT(releases, 1);
}

/* Somebody else may be ready with it before this has returned, and the path may
 * be renamed and be gone: what is lent stays, and nothing is done twice. */
static int on_released_quick(void *ctx, struct atio_lock_key key,
			     struct atio_lock_space *space,
			     const struct atio_lock_who *who)
{
	releases++;
	CHECK_INT(atio_lock_move(t, key_of("a"), key_of("b")), 0);
	CHECK_INT(atio_lock_move(t, key_of("b"), key_of("c")), 0);
	atio_lock_resume(t, space);
	CHECK_INT(atio_lock_move(t, key_of("c"), key_of("d")), 0);
	CHECK(key.size == 1 && memcmp(key.bytes, "a", 1) == 0);
	return 1;
}

static void test_resumed_early(void)
{
	struct outcome o;

	releases = 0;
	t = table_with(false, on_released_quick);
	CHECK_INT(flock_try("a", EX, 1, 10), 0);
	CHECK_INT(flock_wait(&o, "a", SH, 2, 20), QUEUED);
	flock_put("a", 1);
	CHECK_INT(o.result, 0);
	CHECK_INT(releases, 1);
	CHECK_INT(flock_try("d", EX, 3, 30), -EAGAIN);
	flock_put("d", 2);
	CHECK_INT(flock_try("a", EX, 1, 10), 0);
	flock_put("a", 1);
	CHECK_INT(releases, 2);
	end();
}

/* The callback may use the table, also for what it was called for. */
static int on_released_busy(void *ctx, struct atio_lock_key key,
			    struct atio_lock_space *space,
			    const struct atio_lock_who *who)
{
	releases++;
	CHECK_INT(try("b", POSIX, EX, 9, 90, releases, releases), 0);
	if (releases == 1)
		put("a", POSIX, 1, 20, 29); /* once more */
	return 0;
}

static void test_released_within(void)
{
	struct outcome o;

	releases = 0;
	t = table_with(false, on_released_busy);
	CHECK_INT(try("a", POSIX, EX, 1, 10, 0, 29), 0);
	CHECK_INT(wait_for(&o, request_for("a", POSIX, EX, 2, 20, 0, 29)),
		  QUEUED);
	put("a", POSIX, 1, 0, 9);
	CHECK_INT(releases, 2);
	CHECK_INT(o.calls, 0);
	put("a", POSIX, 1, 10, 19);
	CHECK_INT(releases, 3);
	CHECK_INT(o.result, 0);
	atio_lock_table_free(t);
}

int main(void)
{
	test_released();
	test_released_later();
	test_released_twice();
	test_released_of_several();
	test_released_together();
	test_released_counted();
	test_space_stays();
	test_free_unpublished();
	test_resumed_early();
	test_released_within();
	return check_result();
}
