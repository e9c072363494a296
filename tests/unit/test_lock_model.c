/* SPDX-License-Identifier: MIT
 *
 * test_lock_model.c - the lock table against a model of it that has an array of
 * bytes for each owner and looks at everything each time.
 *
 * Whom the table lets out of the line to open a circle is its own choice; the
 * model only knows who may be, and asks the table then.  Everything else has to
 * be the same: results, who is granted, who holds what by which thread.
 */
#include "test_lock.h"

#define PATHS   2
#define OWNERS  7
#define WHO     (3 * OWNERS) /* kind and owner */
#define BYTES   10
#define WAITERS 8
#define STEPS   400
#define SEEDS   300

struct byte {
	int mode; /* -1: not held */
	int tid;
};

struct waiter {
	bool used, sure, may; /* overtakes; may have been let out */
	int path, kind, mode, who, tid, start, end;
	struct outcome outcome;
};

static struct byte held[PATHS][WHO][BYTES];
static struct waiter line[WAITERS + 1]; /* in order of arrival: by id */
static struct atio_lock_table *t;
static bool strict;
static uint64_t state;

static const char *const names[PATHS] = {"one", "another"};
static const int tids[] = {10, 11, 20, 21, 30, 40, 0};

static unsigned pick(unsigned n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)((state >> 20) % n);
}

/* ---- the rules ------------------------------------------------------- */

static bool one_space(int a, int b)
{
	return (a == FLOCK) == (b == FLOCK);
}

static bool in_way(const struct waiter *w, int who, int mode, int tid)
{
	if (!one_space(w->kind, who / OWNERS) || who == w->who ||
	    (mode == SH && w->mode == SH))
		return false;
	return strict || !tid || tid != w->tid;
}

/* A byte of [start, end] that @who holds against @w: its thread; -1: none. */
static int thread_against(const struct waiter *w, int who, int *at)
{
	for (; *at <= w->end; ++*at) {
		const struct byte *b = &held[w->path][who][*at];

		if (b->mode >= 0 && in_way(w, who, b->mode, b->tid))
			return b->tid;
	}
	return -1;
}

static bool is_held(const struct waiter *w)
{
	for (int who = 0; who < WHO; who++) {
		int at = w->start;

		if (thread_against(w, who, &at) >= 0)
			return true;
	}
	return false;
}

static bool is_before(const struct waiter *v, const struct waiter *w)
{
	return v->used && v != w && v->path == w->path && v->start <= w->end &&
	       w->start <= v->end &&
	       (!w->used || v->outcome.id < w->outcome.id) &&
	       in_way(w, v->who, v->mode, v->tid);
}

static bool in_line(const struct waiter *w)
{
	for (int i = 0; i < WAITERS; i++)
		if (is_before(&line[i], w))
			return true;
	return false;
}

/* Does @w wait for thread @tid, by way of those that are not @seen? */
static bool reaches(const struct waiter *w, int tid, bool by_line,
		    unsigned *seen)
{
	for (int who = 0; who < WHO; who++) {
		int at = w->start, other;

		for (; (other = thread_against(w, who, &at)) >= 0; at++) {
			if (other && other == tid)
				return true;
			for (int i = 0; other && i < WAITERS; i++) {
				if (!line[i].used || line[i].tid != other ||
				    *seen & 1u << i)
					continue;
				*seen |= 1u << i;
				if (reaches(&line[i], tid, by_line, seen))
					return true;
			}
		}
	}
	for (int i = 0; by_line && !w->sure && i < WAITERS; i++) {
		if (!is_before(&line[i], w) || *seen & 1u << i)
			continue;
		*seen |= 1u << i;
		if (reaches(&line[i], tid, by_line, seen))
			return true;
	}
	return false;
}

static bool is_circle(const struct waiter *w, bool by_line)
{
	unsigned seen = 0;

	return w->tid && reaches(w, w->tid, by_line, &seen);
}

static bool converts(const struct waiter *w)
{
	for (int at = w->start; at <= w->end; at++)
		if (held[w->path][w->who][at].mode >= 0)
			return true;
	return false;
}

static void fill(int path, int who, int start, int end, int mode, int tid)
{
	for (int at = start; at <= end; at++)
		held[path][who][at] = (struct byte){mode, mode < 0 ? 0 : tid};
}

static void hold(const struct waiter *w)
{
	fill(w->path, w->who, w->start, w->end, w->mode, w->tid);
}

/* ---- what waits ------------------------------------------------------ */

static struct waiter *next_in_line(const struct waiter *after)
{
	struct waiter *best = NULL;

	for (int i = 0; i < WAITERS; i++)
		if (line[i].used &&
		    (!after || line[i].outcome.id > after->outcome.id) &&
		    (!best || line[i].outcome.id < best->outcome.id))
			best = &line[i];
	return best;
}

/* Grant what can be; the table has done that already. */
static void serve(void)
{
	struct waiter *w = next_in_line(NULL);

	while (w) {
		bool let_out =
			w->may && w->outcome.calls && w->outcome.result == 0;

		if (is_held(w) || (in_line(w) && !w->sure && !let_out)) {
			w = next_in_line(w);
			continue;
		}
		CHECK_INT(w->outcome.calls, 1);
		CHECK_INT(w->outcome.result, 0);
		hold(w);
		w->used = false;
		w = next_in_line(NULL);
	}
}

static void ended(struct waiter *w)
{
	CHECK_INT(w->outcome.calls, 1);
	CHECK_INT(w->outcome.result, -EINTR);
	w->used = false;
}

static void see_who_may(void)
{
	for (int i = 0; i < WAITERS; i++)
		if (line[i].used && is_circle(&line[i], true))
			line[i].may = true;
}

static bool is_waiting(int tid)
{
	for (int i = 0; i < WAITERS; i++)
		if (line[i].used && line[i].tid == tid)
			return true;
	return false;
}

/* ---- the same in both ------------------------------------------------ */

static struct atio_lock_request request_of(const struct waiter *w)
{
	uint64_t end = w->end == BYTES - 1 ? ATIO_LOCK_END : (uint64_t)w->end;

	return request_for(names[w->path], w->kind, w->mode,
			   (uint64_t)(w->who % OWNERS), w->tid,
			   (uint64_t)w->start, end);
}

static void choose(struct waiter *w)
{
	memset(w, 0, sizeof(*w));
	w->tid = tids[pick(sizeof(tids) / sizeof(*tids))];
	w->path = (int)pick(PATHS);
	w->kind = (int)pick(3);
	w->mode = (int)pick(2);
	w->who = w->kind * OWNERS +
		 (w->kind == POSIX ? w->tid / 10 : (int)pick(OWNERS));
	w->start = (int)pick(BYTES);
	w->end = w->start + (int)pick((unsigned)(BYTES - w->start));
	if (w->kind == FLOCK) {
		w->start = 0;
		w->end = BYTES - 1;
	}
}

static struct waiter *free_place(void)
{
	for (int i = 0; i < WAITERS; i++)
		if (!line[i].used)
			return &line[i];
	return NULL;
}

/* Those that may have been let out make it the table's choice. */
static bool nobody_may(void)
{
	for (int i = 0; i < WAITERS; i++)
		if (line[i].used && line[i].may)
			return false;
	return true;
}

static int expect_try(struct waiter *w)
{
	if (is_held(w))
		return -EAGAIN;
	if (w->sure || !in_line(w))
		return 0;
	if (!is_circle(w, true))
		return -EAGAIN;
	return nobody_may() ? 0 : (w->outcome.calls ? -EAGAIN : 0);
}

static void expect(struct waiter *w, bool wait, int r)
{
	bool free_now;

	w->sure = converts(w) || !w->tid;
	if (w->kind == FLOCK && converts(w) && is_held(w)) {
		fill(w->path, w->who, 0, BYTES - 1, -1, 0);
		serve();
		w->sure = !w->tid;
	}
	free_now = !is_held(w) && (w->sure || !in_line(w));
	if (free_now) {
		CHECK_INT(r, 0);
	} else if (!wait) {
		if (nobody_may() || r != -EAGAIN)
			CHECK_INT(r, expect_try(w));
	} else if (is_circle(w, false)) {
		CHECK_INT(r, -EDEADLK);
	} else {
		w->used = r == QUEUED;
		see_who_may();
		/* Let out of the line itself, if it was not queued. */
		CHECK(r == QUEUED ||
		      (r == 0 && !is_held(w) && is_circle(w, true)));
	}
	if (r == 0)
		hold(w);
	serve();
}

static void do_get(void)
{
	struct waiter *w = free_place();
	struct atio_lock_request request;
	bool wait = pick(3) > 0;
	int r;

	if (!w)
		return;
	choose(w);
	if (w->tid && is_waiting(w->tid))
		return;
	request = request_of(w);
	request.wait = wait;
	request.arg = &w->outcome;
	r = atio_lock_get(t, &request, &w->outcome.id);
	expect(w, wait, r);
}

static void do_put(void)
{
	struct atio_lock_request request;
	struct waiter w;

	choose(&w);
	request = request_of(&w);
	CHECK_INT(atio_lock_put(t, &request), 0);
	fill(w.path, w.who, w.start, w.end, -1, 0);
	serve();
}

static void do_cancel(void)
{
	struct waiter *w = &line[pick(WAITERS)];

	if (!w->used)
		return;
	CHECK_INT(atio_lock_cancel(t, w->outcome.id), 0);
	ended(w);
	serve();
}

static void do_drop_owner(void)
{
	int path = (int)pick(PATHS), owner = (int)pick(OWNERS);

	atio_lock_drop_owner(t, key_of(names[path]), (uint64_t)owner);
	fill(path, POSIX * OWNERS + owner, 0, BYTES - 1, -1, 0);
	serve();
}

static void do_drop_handle(void)
{
	int owner = (int)pick(OWNERS);

	atio_lock_drop_handle(t, (uint64_t)owner);
	for (int i = 0; i < WAITERS; i++)
		if (line[i].used && line[i].kind != POSIX &&
		    line[i].who % OWNERS == owner)
			ended(&line[i]);
	for (int path = 0; path < PATHS; path++) {
		fill(path, FLOCK * OWNERS + owner, 0, BYTES - 1, -1, 0);
		fill(path, OFD * OWNERS + owner, 0, BYTES - 1, -1, 0);
	}
	serve();
}

static void do_drop_process(void)
{
	int tgid = 1 + (int)pick(4);

	atio_lock_drop_process(t, tgid);
	for (int i = 0; i < WAITERS; i++)
		if (line[i].used && line[i].tid / 10 == tgid)
			ended(&line[i]);
	for (int i = 0; i < PATHS * WHO * BYTES; i++) {
		struct byte *b = &held[0][0][0] + i;

		if (b->mode >= 0 && b->tid / 10 == tgid) {
			b->tid = 0;
			if (i / BYTES % WHO / OWNERS == POSIX)
				b->mode = -1;
		}
	}
	serve();
}

/* ---- comparison ------------------------------------------------------ */

static struct byte seen[PATHS][WHO][BYTES];
static int seen_waiting;

static void see(void *arg, const struct atio_lock_info *info)
{
	int path = info->key.size == strlen(names[0]) ? 0 : 1;
	int who = (int)info->kind * OWNERS + (int)info->who.owner;

	if (info->waiting) {
		seen_waiting++;
		return;
	}
	for (int at = 0; at < BYTES; at++)
		if ((uint64_t)at >= info->range.start &&
		    (uint64_t)at <= info->range.end)
			seen[path][who][at] =
				(struct byte){(int)info->mode, info->who.tid};
}

static bool same(void)
{
	int waiting = 0;

	for (int i = 0; i < PATHS * WHO * BYTES; i++)
		(&seen[0][0][0])[i] = (struct byte){-1, 0};
	seen_waiting = 0;
	atio_lock_each(t, see, NULL);
	for (int i = 0; i < WAITERS; i++)
		waiting += line[i].used;
	return memcmp(seen, held, sizeof(seen)) == 0 && seen_waiting == waiting;
}

/* ---- the end --------------------------------------------------------- */

static bool give_up(int path, int who, int at)
{
	struct byte *b = &held[path][who][at];
	struct waiter w = {.path = path,
			   .kind = who / OWNERS,
			   .who = who,
			   .start = at,
			   .end = at};
	struct atio_lock_request request;

	if (b->mode < 0 || (b->tid && is_waiting(b->tid)))
		return false;
	if (w.kind == FLOCK) {
		w.start = 0;
		w.end = BYTES - 1;
	}
	request = request_of(&w);
	CHECK_INT(atio_lock_put(t, &request), 0);
	fill(path, who, w.start, w.end, -1, 0);
	serve();
	return true;
}

/* Who does not wait gives up what it has: nobody waits for ever. */
static void drain(void)
{
	bool going = true;

	while (going) {
		going = false;
		for (int i = 0; i < PATHS * WHO * BYTES; i++)
			going |= give_up(i / BYTES / WHO, i / BYTES % WHO,
					 i % BYTES);
	}
	CHECK(same());
	CHECK_INT(counters(t).held, 0);
	CHECK_INT(counters(t).waiting, 0);
	CHECK_INT(counters(t).paths, 0);
}

static void step(void)
{
	unsigned what = pick(100);

	if (what < 70)
		do_get();
	else if (what < 90)
		do_put();
	else if (what < 93)
		do_cancel();
	else if (what < 96)
		do_drop_owner();
	else if (what < 99)
		do_drop_handle();
	else
		do_drop_process();
}

static struct atio_lock_counters sum;

static void run(uint64_t seed)
{
	state = seed * 0x9e3779b97f4a7c15u + 1;
	strict = seed % 3 == 0;
	t = table_with(strict, NULL);
	memset(line, 0, sizeof(line));
	for (int i = 0; i < PATHS * WHO * BYTES; i++)
		(&held[0][0][0])[i] = (struct byte){-1, 0};
	for (int i = 0; i < STEPS && !check_failures; i++) {
		step();
		CHECK(same());
		if (check_failures)
			printf("seed %d, step %d\n", (int)seed, i);
	}
	if (!check_failures)
		drain();
	sum.deadlocks += counters(t).deadlocks;
	sum.waited += counters(t).waited;
	atio_lock_table_free(t);
}

int main(void)
{
	for (uint64_t seed = 1; seed <= SEEDS && !check_failures; seed++)
		run(seed);
	/* It was not all for nothing. */
	printf("%d deadlocks, %d waited\n", (int)sum.deadlocks,
	       (int)sum.waited);
	CHECK(check_failures || (sum.deadlocks > 100 && sum.waited > 1000));
	return check_result();
}
