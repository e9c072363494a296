/* SPDX-License-Identifier: MIT
 *
 * test_lock_memory.c - each allocation of the lock table in turn fails:
 * -ENOMEM, and nothing has changed.
 */
#include "failing.h"
#include "test_lock.h"

#define MOST 50

static struct atio_lock_table *t;
static struct outcome outcome;
static uint64_t born;

static uint64_t started(void *ctx, pid_t tid)
{
	return born;
}

static void begin(void)
{
	const struct atio_lock_options options = {
		.version = ATIO_LOCK_OPTIONS_VERSION,
		.now = clock_now,
		.started = started,
	};

	born = 0;
	clock_ms = 100;
	NEED(atio_lock_table_new(&options, &t) == 0);
}

static int get(const char *path, int mode, uint64_t owner, bool wait,
	       uint64_t start, uint64_t end)
{
	struct atio_lock_request request =
		request_for(path, POSIX, mode, owner, (int)owner, start, end);

	if (owner == 4)
		request.who.tid = 1;
	request.wait = wait;
	request.arg = &outcome;
	return atio_lock_get(t, &request);
}

static int put(const char *path, uint64_t owner, uint64_t start, uint64_t end)
{
	struct atio_lock_request request =
		request_for(path, POSIX, SH, owner, 0, start, end);

	return atio_lock_put(t, &request);
}

static int deed_new(void)
{
	struct atio_lock_options options = {
		.version = ATIO_LOCK_OPTIONS_VERSION, .now = clock_now};
	struct atio_lock_table *other = NULL;
	int r = atio_lock_table_new(&options, &other);

	CHECK((r == 0) == (other != NULL));
	atio_lock_table_free(other);
	return r;
}

static int deed_get(void)
{
	return get("new", EX, 2, false, 0, 9);
}

static int deed_downgrade(void)
{
	return get("old", SH, 1, false, 20, 29);
}

static int deed_count(void)
{
	struct atio_lock_request request =
		request_for("flocked", FLOCK, EX, 1, 1, 0, 0);

	request.counted = true;
	return atio_lock_get(t, &request);
}

static int deed_count_down(void)
{
	struct atio_lock_request request =
		request_for("flocked", FLOCK, EX, 1, 1, 0, 0);

	request.counted = true;
	CHECK_INT(atio_lock_put(t, &request), 1);
	return 0;
}

/* The number of the thread of "old" is another one's now. */
static int deed_other_thread(void)
{
	int r;

	born = 500;
	r = get("old", SH, 4, true, 0, 9);
	return r == QUEUED ? 0 : r;
}

static int deed_wait(void)
{
	int r = get("old", EX, 3, true, 0, 9);

	return r == QUEUED ? 0 : r;
}

static int deed_put(void)
{
	return put("old", 1, 20, 29);
}

static int deed_move(void)
{
	return atio_lock_move(t, key_of("old"), key_of("newer"));
}

static int deed_drop(void)
{
	atio_lock_drop_owner(t, key_of("old"), 1);
	return 0;
}

static const struct deed {
	int (*fn)(void);
	bool needs_memory;
	int adds; /* to what is counted */
} deeds[] = {
	{deed_new, true, 0},          {deed_count, true, 1},
	{deed_count_down, false, -1}, {deed_other_thread, true, 0},
	{deed_get, true, 0},          {deed_downgrade, true, 0},
	{deed_wait, true, 0},         {deed_put, true, 0},
	{deed_move, true, 0},         {deed_drop, false, 0},
};

/* True while there was an allocation to fail. */
static bool fail_at(const struct deed *deed, unsigned k)
{
	struct atio_lock_counters before, after;
	bool reached;
	int r;

	begin();
	memset(&outcome, 0, sizeof(outcome));
	NEED(get("old", EX, 1, false, 0, 99) == 0);
	NEED(deed_count() == 0);
	NEED(deed_count() == 0);
	clock_ms = 1000;
	before = counters(t);
	failing_begin(k);
	r = deed->fn();
	reached = failing_end();
	CHECK_INT(r, reached ? -ENOMEM : 0);
	after = counters(t);
	if (reached)
		CHECK(memcmp(&before, &after, sizeof(before)) == 0);
	CHECK_INT(atio_lock_depth(t, key_of("flocked"), 1),
		  2 + (reached ? 0 : deed->adds));
	CHECK_INT(outcome.calls, 0);
	atio_lock_table_free(t);
	return reached;
}

int main(void)
{
	unsigned k;

	for (size_t i = 0; i < sizeof(deeds) / sizeof(*deeds); i++) {
		for (k = 1; k < MOST; k++)
			if (!fail_at(&deeds[i], k))
				break;
		CHECK(k < MOST);
		CHECK((k > 1) == deeds[i].needs_memory);
	}
	return check_result();
}
