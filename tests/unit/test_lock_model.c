/* SPDX-License-Identifier: MIT
 *
 * test_lock_model.c - the lock table against a model of it that has an array of
 * bytes for each owner and looks at everything each time.
 *
 * Whom the table lets out of the line to open a circle is its own choice; the
 * model only knows who may be, and asks the table then.  Everything else has to
 * be the same: results, who is granted, who holds what by which thread and
 * handle and how often, when a release is told.
 */
#include "lock/inside.h"
#include "test_lock.h"

#define PATHS    2
#define OWNERS   7
#define WHO      (2 * OWNERS) /* space and owner */
#define SPACES   (2 * PATHS)
#define BYTES    10
#define ALL      (PATHS * WHO * BYTES)
#define WAITERS  8
#define STEPS    400
#define SEEDS    600
#define NEXT_GEN 1000 /* added to a thread whose number comes again */

struct byte {
	int mode; /* -1: not held; the rest is 0 then */
	int tid, kind, handle, count;
};

struct waiter {
	bool used, sure, may; /* overtakes; may have been let out */
	bool wait, counted;
	int path, kind, mode, who, tid, handle, start, end;
	uint64_t serial;
	struct outcome outcome;
};

/* Released, and not published yet. */
struct bar {
	bool barred, fresh, again; /* fresh: by this very call */
	struct atio_lock_space *space;
};

static struct byte held[PATHS][WHO][BYTES];
static struct waiter line[WAITERS];
static struct bar bars[SPACES];
static struct atio_lock_table *t;
static bool strict, publishing, reborn; /* what a seed is about */
static bool later;                      /* what @released returns */
static unsigned told_is, told_should;
static uint64_t state, serial, spare_id;

static char names[PATHS][16];
static const int tids[] = {10, 11, 20, 21, 30, 40, 0};
static int generation[50];
static uint64_t born[50];

static unsigned pick(unsigned n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)((state >> 20) % n);
}

/* ---- the rules ------------------------------------------------------- */

static int space_of(int path, int who)
{
	return 2 * path + who / OWNERS;
}

static bool in_way(const struct waiter *w, int who, int mode, int tid)
{
	if (w->who / OWNERS != who / OWNERS || who == w->who ||
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
	       w->start <= v->end && v->serial < w->serial &&
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

/* ---- S14: what is held changes, and releases are told ------------------- */

static bool has_exclusive(int path, int who, int at, int tid)
{
	const int first = who < OWNERS ? 0 : OWNERS;

	for (who = first; tid && who < first + OWNERS; who++)
		if (held[path][who][at].mode == EX &&
		    held[path][who][at].tid == tid)
			return true;
	return false;
}

static void lose(int path, int who, int at, int tid)
{
	struct bar *bar = &bars[space_of(path, who)];

	if (!publishing || has_exclusive(path, who, at, tid))
		return;
	if (bar->barred) {
		bar->again |= !bar->fresh;
		return;
	}
	bar->barred = bar->fresh = true;
	told_should++;
}

static void set_byte(int path, int who, int at, struct byte b)
{
	struct byte old = held[path][who][at];

	held[path][who][at] = b;
	if (old.mode == EX && b.mode != EX)
		lose(path, who, at, old.tid);
}

static void drop(int path, int who, int start, int end)
{
	for (int at = start; at <= end; at++)
		set_byte(path, who, at, (struct byte){.mode = -1});
}

static void hold(const struct waiter *w)
{
	struct byte b = {w->mode, w->tid, w->kind, w->handle, 0};
	struct byte old = held[w->path][w->who][0];

	if (w->kind == FLOCK) {
		b.count = old.mode < 0 ? 1 : old.count + w->counted;
		if (w->counted && old.mode == EX)
			b.mode = EX;
	}
	for (int at = w->start; at <= w->end; at++)
		set_byte(w->path, w->who, at, b);
}

/* ---- what waits ------------------------------------------------------ */

static struct waiter *next_in_line(const struct waiter *after)
{
	struct waiter *best = NULL;

	for (int i = 0; i < WAITERS; i++)
		if (line[i].used &&
		    (!after || line[i].serial > after->serial) &&
		    (!best || line[i].serial < best->serial))
			best = &line[i];
	return best;
}

static bool is_barred(const struct waiter *w)
{
	return bars[space_of(w->path, w->who)].barred;
}

static void ended(struct waiter *w, int result)
{
	CHECK_INT(w->outcome.calls, 1);
	CHECK_INT(w->outcome.result, result);
	w->used = false;
}

static bool is_blocked(const struct waiter *w)
{
	bool let_out = w->may && w->outcome.calls && w->outcome.result == 0;

	return is_held(w) || (in_line(w) && !w->sure && !let_out);
}

/* Grant what can be; the table has done that already. */
static void serve(void)
{
	struct waiter *w = next_in_line(NULL);

	while (w) {
		if (is_barred(w) || is_blocked(w)) {
			if (!is_barred(w) && !w->wait)
				ended(w, -EAGAIN);
			w = next_in_line(w);
			continue;
		}
		ended(w, 0);
		hold(w);
		w = next_in_line(NULL);
	}
}

/* At the end of each call: everything is told, and who can be is granted. */
static void settle(void)
{
	bool going = true;

	while (going) {
		going = false;
		serve();
		for (int i = 0; i < SPACES; i++) {
			going |= bars[i].fresh;
			if (bars[i].fresh)
				bars[i].barred = later;
			bars[i].fresh = false;
		}
	}
	CHECK_INT(told_is, told_should);
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

static int path_of(struct atio_lock_key key)
{
	return key.size != strlen(names[0]) ||
	       memcmp(key.bytes, names[0], key.size) != 0;
}

static int on_released(void *ctx, struct atio_lock_key key,
		       struct atio_lock_space *space,
		       const struct atio_lock_who *who)
{
	int i = 2 * path_of(key) + (int)(space - space->path->space);

	bars[i].space = space;
	told_is++;
	return later;
}

static uint64_t started(void *ctx, pid_t tid)
{
	return born[tid];
}

static struct atio_lock_request request_of(const struct waiter *w)
{
	uint64_t end = w->end == BYTES - 1 ? ATIO_LOCK_END : (uint64_t)w->end;
	struct atio_lock_request request = request_for(
		names[w->path], w->kind, w->mode, (uint64_t)(w->who % OWNERS),
		w->tid % NEXT_GEN, (uint64_t)w->start, end);

	request.who.handle = (uint64_t)w->handle;
	request.counted = w->counted;
	request.wait = w->wait;
	return request;
}

static void choose(struct waiter *w)
{
	int tid = tids[pick(sizeof(tids) / sizeof(*tids))];

	memset(w, 0, sizeof(*w));
	w->serial = ++serial;
	w->tid = tid + NEXT_GEN * generation[tid];
	w->path = (int)pick(PATHS);
	w->kind = (int)pick(3);
	w->mode = (int)pick(2);
	w->wait = pick(3) > 0;
	w->who = w->kind == POSIX ? tid / 10 : (int)pick(OWNERS);
	w->handle = (int)pick(OWNERS);
	w->start = (int)pick(BYTES);
	w->end = w->start + (int)pick((unsigned)(BYTES - w->start));
	if (w->kind == FLOCK) {
		w->counted = pick(2);
		w->start = 0;
		w->end = BYTES - 1;
	} else {
		w->who += OWNERS;
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

/* A lock of a thread that is gone, of the same owner, is taken over without a
 * question: that is not modelled. */
static bool takes_over(const struct waiter *w)
{
	for (int at = 0; at < BYTES; at++) {
		const struct byte *b = &held[w->path][w->who][at];

		if (b->mode >= 0 && b->tid != w->tid &&
		    b->tid % NEXT_GEN == w->tid % NEXT_GEN)
			return true;
	}
	return false;
}

/* Without waiting; @w is not free at once. */
static void expect_try(struct waiter *w, int r)
{
	bool let_out =
		!is_held(w) && in_line(w) && !w->sure && is_circle(w, true);

	if (!is_held(w) && (w->sure || !in_line(w) || let_out)) {
		if (let_out && !nobody_may() && r == -EAGAIN)
			return;
		CHECK_INT(r, is_barred(w) ? QUEUED : 0);
		w->sure |= let_out;
	} else if (nobody_may() || r == -EAGAIN) {
		CHECK_INT(r, -EAGAIN);
	}
	w->used = r == QUEUED;
}

static void expect_wait(struct waiter *w, int r)
{
	if (is_circle(w, false)) {
		CHECK_INT(r, -EDEADLK);
		return;
	}
	w->used = true;
	see_who_may();
	w->used = r == QUEUED;
	/* Let out of the line itself, if it was not queued. */
	CHECK(r == QUEUED ||
	      (r == 0 && !is_held(w) && !is_barred(w) && is_circle(w, true)));
}

static void expect(struct waiter *w, int r)
{
	bool flocks = w->kind == FLOCK && converts(w);

	w->sure = converts(w) || !w->tid;
	if (flocks && held[w->path][w->who][0].mode >= w->mode) {
		CHECK_INT(r, 0);
		hold(w);
		return;
	}
	if (flocks && is_held(w) && !w->counted) {
		drop(w->path, w->who, 0, BYTES - 1);
		serve();
		w->sure = !w->tid;
	}
	if (!is_held(w) && (w->sure || !in_line(w)) && !is_barred(w))
		CHECK_INT(r, 0);
	else if (w->wait)
		expect_wait(w, r);
	else
		expect_try(w, r);
	if (r == 0)
		hold(w);
}

static uint64_t some_id(void)
{
	uint64_t id = atio_lock_new_id(t), other = spare_id;

	if (other && pick(2))
		return id;
	spare_id = id;
	return other;
}

static void do_get(void)
{
	struct waiter *w = free_place();
	struct atio_lock_request request;

	if (!w)
		return;
	choose(w);
	if ((w->tid && is_waiting(w->tid)) || takes_over(w))
		return;
	request = request_of(w);
	request.arg = &w->outcome;
	while (!request.id)
		request.id = some_id();
	w->outcome.id = request.id;
	expect(w, atio_lock_get(t, &request));
}

static void do_put(void)
{
	struct atio_lock_request request;
	struct waiter w;
	int count;

	choose(&w);
	count = held[w.path][w.who][0].count;
	request = request_of(&w);
	if (!w.counted || count == 1) {
		CHECK_INT(atio_lock_put(t, &request), 0);
		drop(w.path, w.who, w.start, w.end);
		return;
	}
	CHECK_INT(atio_lock_put(t, &request), count ? count - 1 : -ENOLCK);
	for (int at = 0; count && at < BYTES; at++)
		held[w.path][w.who][at].count--;
}

static void do_cancel(void)
{
	struct waiter *w = &line[pick(WAITERS)];

	if (!w->used)
		return;
	CHECK_INT(atio_lock_cancel(t, w->outcome.id), 0);
	ended(w, -EINTR);
}

static void do_drop_owner(void)
{
	int path = (int)pick(PATHS), owner = (int)pick(OWNERS);

	atio_lock_drop_owner(t, key_of(names[path]), (uint64_t)owner);
	drop(path, OWNERS + owner, 0, BYTES - 1);
}

static void do_drop_handle(void)
{
	int handle = (int)pick(OWNERS);

	atio_lock_drop_handle(t, (uint64_t)handle);
	for (int i = 0; i < WAITERS; i++)
		if (line[i].used && line[i].handle == handle)
			ended(&line[i], -EINTR);
	for (int i = 0; i < ALL; i++) {
		const struct byte *b = &held[0][0][0] + i;
		int at = i % BYTES;

		if (b->mode >= 0 && b->handle == handle)
			drop(i / BYTES / WHO, i / BYTES % WHO, at, at);
	}
}

/* A thread goes, which ends what it waits for but not what it holds; another
 * one gets its number. */
static void do_reborn(void)
{
	int tid = tids[pick(sizeof(tids) / sizeof(*tids) - 1)];
	int ident = tid + NEXT_GEN * generation[tid];

	for (int i = 0; i < WAITERS; i++) {
		if (!line[i].used || line[i].tid != ident)
			continue;
		CHECK_INT(atio_lock_cancel(t, line[i].outcome.id), 0);
		ended(&line[i], -EINTR);
	}
	generation[tid]++;
	born[tid] = ++clock_ms;
}

static void do_resume(int i)
{
	struct bar *bar = &bars[i];

	if (!bar->barred)
		return;
	told_should += bar->again;
	bar->fresh = bar->barred = bar->again;
	bar->again = false;
	atio_lock_resume(t, bar->space);
}

/* S21: to a free name; to one that may not be free, they do not go. */
static void do_move(void)
{
	char *name = names[pick(PATHS)], free_name[16];
	bool a = false, b = false;

	(void)snprintf(free_name, sizeof(free_name), "%d", (int)++serial);
	CHECK_INT(atio_lock_move(t, key_of(name), key_of(free_name)), 0);
	memcpy(name, free_name, sizeof(free_name));
	for (int i = 0; i < ALL; i++)
		if ((&held[0][0][0])[i].mode >= 0)
			*(i < ALL / PATHS ? &a : &b) = true;
	if (a && b)
		CHECK_INT(atio_lock_move(t, key_of(names[0]), key_of(names[1])),
			  -EEXIST);
}

/* ---- comparison ------------------------------------------------------ */

static struct byte seen[PATHS][WHO][BYTES];
static int seen_waiting;

static void see(void *arg, const struct atio_lock_info *info)
{
	int who = (info->kind == FLOCK ? 0 : OWNERS) + (int)info->who.owner;
	struct byte b = {(int)info->mode, info->who.tid, (int)info->kind,
			 (int)info->who.handle, (int)info->count};

	if (info->waiting) {
		seen_waiting++;
		return;
	}
	for (int at = 0; at < BYTES; at++)
		if ((uint64_t)at >= info->range.start &&
		    (uint64_t)at <= info->range.end)
			seen[path_of(info->key)][who][at] = b;
}

static bool same(void)
{
	int waiting = 0;

	for (int i = 0; i < ALL; i++)
		(&seen[0][0][0])[i] = (struct byte){.mode = -1};
	seen_waiting = 0;
	atio_lock_each(t, see, NULL);
	for (int i = 0; i < WAITERS; i++)
		waiting += line[i].used;
	for (int i = 0; i < ALL; i++) {
		struct byte b = (&held[0][0][0])[i];

		b.tid %= NEXT_GEN;
		if (memcmp(&b, &seen[0][0][0] + i, sizeof(b)) != 0)
			return false;
	}
	return seen_waiting == waiting;
}

/* ---- the end --------------------------------------------------------- */

static bool give_up(int path, int who, int at)
{
	struct byte *b = &held[path][who][at];
	struct waiter w = {.path = path,
			   .kind = who < OWNERS ? FLOCK : OFD,
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
	drop(path, who, w.start, w.end);
	settle();
	return true;
}

/* Who does not wait gives up what it has: nobody waits for ever. */
static void drain(void)
{
	bool going = true;

	later = false;
	for (int i = 0; i < SPACES; i++) {
		do_resume(i);
		settle();
	}
	while (going) {
		going = false;
		for (int i = 0; i < ALL; i++)
			going |= give_up(i / BYTES / WHO, i / BYTES % WHO,
					 i % BYTES);
	}
	CHECK(same());
	CHECK_INT(counters(t).held + counters(t).waiting, 0);
	CHECK_INT(counters(t).paths, 0);
	CHECK(!atio_lock_any(t));
}

static void step(void)
{
	unsigned what = pick(100);

	clock_ms++;
	later = pick(2);
	if (what < 65)
		do_get();
	else if (what < 83)
		do_put();
	else if (what < 86)
		do_cancel();
	else if (what < 88)
		do_drop_owner();
	else if (what < 91)
		do_drop_handle();
	else if (what < 93 && reborn)
		do_reborn();
	else if (what < 93)
		do_move();
	else
		do_resume((int)pick(SPACES));
	settle();
}

static struct atio_lock_counters sum;
static unsigned sum_told;

static void begin(uint64_t seed)
{
	struct atio_lock_options options = {
		.version = ATIO_LOCK_OPTIONS_VERSION,
		.strict = seed % 3 == 0,
		.now = clock_now,
	};

	state = seed * 0x9e3779b97f4a7c15u + 1;
	strict = options.strict;
	publishing = seed % 4 > 1;
	reborn = seed % 4 == 1;
	if (publishing)
		options.released = on_released;
	if (reborn)
		options.started = started;
	NEED(atio_lock_table_new(&options, &t) == 0);
	clock_ms = 1;
	spare_id = 0;
	told_is = told_should = 0;
	memset(line, 0, sizeof(line));
	memset(bars, 0, sizeof(bars));
	memset(generation, 0, sizeof(generation));
	memset(born, 0, sizeof(born));
	for (int i = 0; i < ALL; i++)
		(&held[0][0][0])[i] = (struct byte){.mode = -1};
	memcpy(names[0], "one", 4);
	memcpy(names[1], "another", 8);
}

static void run(uint64_t seed)
{
	begin(seed);
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
	sum_told += told_is;
	atio_lock_table_free(t);
}

int main(void)
{
	for (uint64_t seed = 1; seed <= SEEDS && !check_failures; seed++)
		run(seed);
	/* It was not all for nothing. */
	CHECK(sum.deadlocks > 500 && sum.waited > 5000 && sum_told > 5000);
	return check_result();
}
