/* SPDX-License-Identifier: MIT
 *
 * test_threads.c - several threads in one store.  For the thread sanitizer,
 * too.
 */
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

#include "scene.h"

#define THREADS 4
#define ROUNDS  40
#define SIZE    5000

static int dir;
static struct atio_store *store;
static pthread_barrier_t start;
static atomic_uint failures, kept;
static uint64_t ids[THREADS][ROUNDS];

/* check.h counts without a lock. */
#define EXPECT(cond)                                                           \
	do {                                                                   \
		if (!(cond)) {                                                 \
			printf("%s:%d: not true: %s\n", __FILE__, __LINE__,    \
			       #cond);                                         \
			failures++;                                            \
		}                                                              \
	} while (0)

static void fill(int fd, int c)
{
	char bytes[SIZE];

	memset(bytes, c, sizeof(bytes));
	NEED(pwrite(fd, bytes, sizeof(bytes), 0) == sizeof(bytes));
}

/* Whatever it is, it is all the same, and all there. */
static bool is_whole(int fd)
{
	char bytes[SIZE + 1];

	if (pread(fd, bytes, sizeof(bytes), 0) != SIZE)
		return false;
	for (size_t i = 1; i < SIZE; i++)
		if (bytes[i] != bytes[0])
			return false;
	return true;
}

static struct atio_shadow *shadow_of(const char *name, int c)
{
	const struct atio_origin origin = {name, 1, 2};
	struct atio_shadow *s = NULL;

	NEED(atio_shadow_create(store, dir, 0644, &origin, &s, NULL) == 0);
	fill(atio_shadow_fd(s), c);
	return s;
}

static void commit(struct atio_shadow *s, const char *name)
{
	EXPECT(atio_shadow_prepare(s, NULL) == 0);
	EXPECT(atio_shadow_commit(s, dir, name, 0, NULL) == 0);
	atio_shadow_free(s);
}

static void update(const char *name, int c)
{
	int fd = openat(dir, name, O_RDWR | O_CLOEXEC);
	const struct atio_origin origin = {name, 1, 2};
	struct atio_shadow *s = NULL;

	NEED(fd >= 0);
	EXPECT(is_whole(fd));
	NEED(atio_shadow_update(store, fd, &origin, &s, NULL) == 0);
	close(fd);
	EXPECT(is_whole(atio_shadow_fd(s)));
	fill(atio_shadow_fd(s), c);
	commit(s, name);
}

static void end_otherwise(int c)
{
	const struct atio_rollback why = {.reason = "killed"};
	struct atio_shadow *s = shadow_of("gone", c), *snap = NULL;

	EXPECT(atio_shadow_sync(s, NULL) == 0);
	NEED(atio_shadow_snapshot(s, &snap, NULL) == 0);
	EXPECT(is_whole(atio_shadow_fd(snap)));
	EXPECT(atio_shadow_discard(s) == 0);
	atio_shadow_free(s);
	EXPECT(atio_shadow_set_path(snap, "gone elsewhere", NULL) == 0);
	EXPECT(atio_shadow_quarantine(snap, &why, NULL, NULL) == 1);
	atio_shadow_free(snap);
	kept++;
}

static void redo(const char *name, int c)
{
	struct atio_shadow *s = shadow_of(name, c);
	int target = openat(dir, name, O_RDWR | O_CLOEXEC);

	NEED(target >= 0);
	EXPECT(atio_shadow_redo(s, target, NULL) == 0);
	EXPECT(is_whole(target));
	atio_shadow_free(s);
	close(target);
}

static void *work(void *arg)
{
	int me = (int)(intptr_t)arg;
	char mine[16];

	(void)snprintf(mine, sizeof(mine), "of %d", me);
	(void)pthread_barrier_wait(&start);
	for (int i = 0; i < ROUNDS; i++) {
		struct atio_shadow *s = shadow_of(mine, 'a' + i % 26);

		ids[me][i] = atio_shadow_id(s);
		commit(s, mine);
		update("shared", 'A' + me);
		redo(mine, 'z');
		if (i % 4 == 0)
			end_otherwise('q');
	}
	return NULL;
}

static int by_id(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void check_after(void)
{
	struct atio_quarantined *items = NULL;
	uint64_t *all = &ids[0][0];
	size_t n = 0;

	qsort(all, THREADS * ROUNDS, sizeof(*all), by_id);
	for (size_t i = 1; i < THREADS * ROUNDS; i++)
		CHECK(all[i] != all[i - 1]);
	CHECK(!store->live);
	CHECK(stage_empty(dir));
	CHECK_INT(atio_quarantine_list(atio_store_quarantine_fd(store), &items,
				       &n, NULL),
		  0);
	CHECK_INT(n, kept);
	atio_quarantine_list_free(items, n);
	CHECK_INT(entries(dir, QUARANTINE), 2 * n);
	CHECK_INT(entries(dir, "."), THREADS + 2);
}

int main(void)
{
	pthread_t threads[THREADS];
	int fd;

	dir = fresh_dir();
	store = store_at(dir);
	put(dir, "shared", "");
	fd = open_file(dir, "shared");
	fill(fd, 'x');
	NEED(pthread_barrier_init(&start, NULL, THREADS) == 0);
	for (int i = 0; i < THREADS; i++)
		NEED(!pthread_create(&threads[i], NULL, work,
				     (void *)(intptr_t)i));
	for (int i = 0; i < THREADS; i++)
		NEED(!pthread_join(threads[i], NULL));
	CHECK_INT(failures, 0);
	CHECK(is_whole(fd)); /* still the first version */
	close(fd);
	check_after();
	CHECK_INT(recovered(store, false).n, 0);
	(void)pthread_barrier_destroy(&start);
	atio_store_free(store);
	close(dir);
	return check_result();
}
