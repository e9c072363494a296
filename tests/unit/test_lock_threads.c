/* SPDX-License-Identifier: MIT
 *
 * test_lock_threads.c - several threads in one table.  For the thread
 * sanitizer, too.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "test_lock.h"

#define THREADS 6
#define ROUNDS  400

static struct atio_lock_table *t;
static atomic_uint failures, cancelled, refused;
static unsigned long total; /* guarded by the lock of "a" */
static unsigned long counted_total;

struct parking {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	int result;
};

static void unpark(void *arg, int result)
{
	struct parking *parking = arg;

	pthread_mutex_lock(&parking->mutex);
	parking->result = result;
	pthread_cond_signal(&parking->cond);
	pthread_mutex_unlock(&parking->mutex);
}

static int parked(struct parking *parking)
{
	int r;

	pthread_mutex_lock(&parking->mutex);
	while (parking->result == PENDING)
		pthread_cond_wait(&parking->cond, &parking->mutex);
	r = parking->result;
	pthread_mutex_unlock(&parking->mutex);
	return r;
}

static int lock(struct atio_lock_request request, bool cancel)
{
	struct parking parking = {PTHREAD_MUTEX_INITIALIZER,
				  PTHREAD_COND_INITIALIZER, PENDING};
	int r;

	request.id = atio_lock_new_id(t);
	request.wait = true;
	request.done = unpark;
	request.arg = &parking;
	r = atio_lock_get(t, &request);
	if (r != QUEUED)
		return r;
	if (cancel)
		(void)atio_lock_cancel(t, request.id);
	return parked(&parking);
}

static void add_one(struct atio_lock_request *request, unsigned long *mine,
		    bool cancel)
{
	int r = lock(*request, cancel);

	if (r == 0) {
		total++;
		(*mine)++;
		if (atio_lock_put(t, request) != 0)
			failures++;
	} else if (r == -EINTR && cancel) {
		cancelled++;
	} else {
		failures++;
	}
}

/* Two paths in whatever order: now and then that is a deadlock. */
static void take_two(uint64_t owner, int tid, bool other_order)
{
	const char *first = other_order ? "c" : "b";
	const char *second = other_order ? "b" : "c";
	struct atio_lock_request one, two;
	int r;

	one = request_for(first, POSIX, EX, owner, tid, 0, 9);
	two = request_for(second, POSIX, EX, owner, tid, 0, 9);
	if (lock(one, false) != 0)
		failures++;
	r = lock(two, false);
	if (r == -EDEADLK)
		refused++;
	else if (r != 0)
		failures++;
	atio_lock_drop_owner(t, key_of(first), owner);
	atio_lock_drop_owner(t, key_of(second), owner);
}

/* Counted, twice; @counted_total is guarded by it. */
static void count_twice(uint64_t owner, int tid)
{
	struct atio_lock_request request =
		request_for("d", FLOCK, EX, owner, tid, 0, 0);

	request.counted = true;
	if (lock(request, false) != 0 || lock(request, false) != 0)
		failures++;
	counted_total++;
	if (atio_lock_put(t, &request) != 1)
		failures++;
	counted_total++;
	if (atio_lock_put(t, &request) != 0)
		failures++;
}

static void *run(void *arg)
{
	int number = *(const int *)arg, tid = 10 * (number + 1);
	uint64_t owner = (uint64_t)number + 1;
	struct atio_lock_request request =
		request_for("a", FLOCK, EX, owner, tid, 0, 0);
	struct atio_lock_request other =
		request_for("a", OFD, EX, owner, tid, 5, 5);
	unsigned long *mine = calloc(1, sizeof(*mine));

	NEED(mine);
	for (int i = 0; i < ROUNDS; i++) {
		add_one(&request, mine, i % 7 == number);
		if (lock(other, false) != 0)
			failures++;
		atio_lock_drop_handle(t, owner);
		take_two(owner, tid, (i + number) % 2);
		count_twice(owner, tid);
	}
	return mine;
}

/* ---- S14: publishing, at once or by another thread --------------------- */

static struct {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	struct atio_lock_space *space[8];
	unsigned n;
	bool over;
} later = {.mutex = PTHREAD_MUTEX_INITIALIZER,
	   .cond = PTHREAD_COND_INITIALIZER};

static int publish(void *ctx, struct atio_lock_key key,
		   struct atio_lock_space *space,
		   const struct atio_lock_who *who)
{
	bool is_later;

	if (key.size != 1)
		failures++;
	pthread_mutex_lock(&later.mutex);
	is_later = later.n < 8;
	if (is_later) {
		later.space[later.n++] = space;
		pthread_cond_signal(&later.cond);
	}
	pthread_mutex_unlock(&later.mutex);
	return is_later;
}

static void *publish_later(void *arg)
{
	struct atio_lock_space *space;

	for (;;) {
		pthread_mutex_lock(&later.mutex);
		while (!later.n && !later.over)
			pthread_cond_wait(&later.cond, &later.mutex);
		space = later.n ? later.space[--later.n] : NULL;
		pthread_mutex_unlock(&later.mutex);
		if (!space)
			return NULL;
		atio_lock_resume(t, space);
	}
}

static void publish_no_more(void)
{
	pthread_mutex_lock(&later.mutex);
	later.over = true;
	pthread_cond_signal(&later.cond);
	pthread_mutex_unlock(&later.mutex);
}

/* ---- somebody who looks ----------------------------------------------- */

static atomic_bool watching = true;

static void see(void *arg, const struct atio_lock_info *info)
{
	*(size_t *)arg += info->key.size;
}

static void *watch(void *arg)
{
	size_t size = 0;

	while (watching) {
		atio_lock_each(t, see, &size);
		atio_lock_expire(t, clock_ms);
		(void)atio_lock_next_deadline(t);
		(void)atio_lock_any(t);
		(void)atio_lock_depth(t, key_of("d"), 1);
		(void)atio_lock_move(t, key_of("a"), key_of("a"));
		usleep(100);
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS], watcher, publisher;
	int number[THREADS];
	unsigned long sum = 0;

	t = table_with(false, publish);
	NEED(pthread_create(&watcher, NULL, watch, NULL) == 0);
	NEED(pthread_create(&publisher, NULL, publish_later, NULL) == 0);
	for (int i = 0; i < THREADS; i++) {
		number[i] = i;
		NEED(pthread_create(&threads[i], NULL, run, &number[i]) == 0);
	}
	for (int i = 0; i < THREADS; i++) {
		void *mine;

		NEED(pthread_join(threads[i], &mine) == 0);
		sum += *(unsigned long *)mine;
		free(mine);
	}
	watching = false;
	publish_no_more();
	NEED(pthread_join(watcher, NULL) == 0);
	NEED(pthread_join(publisher, NULL) == 0);
	CHECK_INT(failures, 0);
	CHECK_INT(counted_total, 2 * THREADS * ROUNDS);
	CHECK_INT(total, sum);
	CHECK_INT(total + cancelled, THREADS * ROUNDS);
	CHECK_INT(counters(t).deadlocks, refused);
	CHECK_INT(counters(t).held, 0);
	CHECK_INT(counters(t).waiting, 0);
	CHECK_INT(counters(t).paths, 0);
	atio_lock_table_free(t);
	return check_result();
}
