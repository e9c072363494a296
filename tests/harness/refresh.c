/* SPDX-License-Identifier: MIT
 *
 * refresh - does a lock bring an old descriptor to the newest version?
 *
 *	refresh FILE ROUNDS KIND[+KIND...] read|map
 *
 * Two processes take turns.  In each round the one opens FILE; then the other
 * commits a new version, of another size; then the first one locks its
 * descriptor, and what it reads, or maps, and what fstat says must be exactly
 * that version.  The rounds go through all ways to write and to open, and the
 * KINDs of locks; in half of them the writer has the lock while it commits.
 * Prints "rounds N stale N errors N".
 */
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "locking.h"

#define ROOM 30000

enum how { TRUNCATE, UPDATE, RENAME, HOWS };

static struct shared {
	sem_t opened, committed;
	atomic_long rounds, stale, errors;
} *shared;

/* What a round is like: every combination, one after the other. */
struct round {
	long n;
	enum how how;
	enum kind kind;
	int mode;     /* LOCK_SH or LOCK_EX */
	bool writes;  /* the reader's descriptor is open for writing */
	bool held;    /* the writer has the lock */
	bool touched; /* the reader read before */
};

static const char *file;
static char tmp[4096];
static bool by_map;
static enum kind kinds[KINDS];
static int n_kinds;

static int trouble(const char *what)
{
	int e = errno;

	if (atomic_fetch_add(&shared->errors, 1) < 20)
		fprintf(stderr, "%s: %s\n", what, strerror(e));
	return -1;
}

static struct round round_of(long n)
{
	struct round r = {.n = n};

	r.how = n % HOWS;
	n /= HOWS;
	r.kind = kinds[n % n_kinds];
	n /= n_kinds;
	r.mode = n % 2 ? LOCK_SH : LOCK_EX;
	r.writes = n / 2 % 2 || (r.mode == LOCK_EX && needs_write(r.kind));
	r.held = n / 4 % 2;
	r.touched = n / 8 % 2;
	return r;
}

/* ---- versions ---------------------------------------------------------- */

static size_t fill(long n, unsigned char *text)
{
	size_t size = 16 + (unsigned long)n * 2654435761u % (ROOM - 16);

	snprintf((char *)text, 16, "%-15ld", n);
	for (size_t i = 15; i < size; i++)
		text[i] = n + i * 7;
	return size;
}

static int put(int fd, long n)
{
	unsigned char text[ROOM];
	size_t size = fill(n, text);

	if (pwrite(fd, text, size, 0) != (ssize_t)size)
		return trouble("write");
	return ftruncate(fd, size) < 0 ? trouble("ftruncate") : 0;
}

static void commit_through(int flags, const char *name, long n)
{
	int fd = open(name, flags, 0644);

	if (fd < 0) {
		trouble("open to write");
		return;
	}
	put(fd, n);
	if (close(fd) < 0)
		trouble("close of the writer");
}

/* @fd: what is locked, or -1. */
static void commit(const struct round *r, int fd)
{
	if (r->how == TRUNCATE)
		commit_through(O_WRONLY | O_TRUNC, file, r->n);
	else if (r->how == UPDATE && fd >= 0)
		put(fd, r->n);
	else if (r->how == UPDATE)
		commit_through(O_RDWR, file, r->n);
	else {
		commit_through(O_WRONLY | O_CREAT | O_EXCL, tmp, r->n);
		if (rename(tmp, file) < 0)
			trouble("rename");
	}
}

/* ---- the two processes ------------------------------------------------- */

static void write_round(const struct round *r)
{
	int fd;

	sem_wait(&shared->opened);
	if (!r->held) {
		commit(r, -1);
		sem_post(&shared->committed);
		return;
	}
	fd = open(file, O_RDWR);
	if (fd < 0 || set_lock(fd, r->kind, LOCK_EX) < 0)
		trouble("lock of the writer");
	sem_post(&shared->committed); /* which it will be before the unlock */
	commit(r, fd);
	/* A close of the other descriptor gives up a POSIX lock. */
	if (r->n % 2 && set_lock(fd, r->kind, LOCK_UN) < 0)
		trouble("unlock of the writer");
	if (close(fd) < 0)
		trouble("close of the writer's lock");
}

static void stale(const struct round *r, const char *what, long long got)
{
	static const char *const hows[] = {"truncate", "update", "rename"};

	if (atomic_fetch_add(&shared->stale, 1) < 20)
		fprintf(stderr, "stale: round %ld: %s by %s, %s %s%s%s: %s %lld\n",
			r->n, hows[r->how], r->held ? "holder" : "anybody",
			r->mode == LOCK_SH ? "shared" : "exclusive",
			kind_names[r->kind], r->writes ? ", read-write" : "",
			r->touched ? ", read before" : "", what, got);
}

static ssize_t get(int fd, unsigned char *text, size_t size)
{
	void *map;

	if (!by_map)
		return pread(fd, text, ROOM, 0);
	map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -1;
	memcpy(text, map, size);
	munmap(map, size);
	return size;
}

static void check(const struct round *r, int fd)
{
	unsigned char text[ROOM + 1], want[ROOM];
	ssize_t size = fill(r->n, want), got;
	struct stat st;

	if (fstat(fd, &st) < 0) {
		trouble("fstat");
		return;
	}
	got = get(fd, text, st.st_size < ROOM ? st.st_size : ROOM);
	if (got < 0)
		trouble("read");
	else if (st.st_size != size)
		stale(r, "fstat has the size", st.st_size);
	else if (got != size)
		stale(r, "bytes read:", got);
	else if (memcmp(text, want, size)) {
		text[15] = 0;
		stale(r, "read version", atol((char *)text));
	}
}

static void read_round(const struct round *r)
{
	int fd = open(file, r->writes ? O_RDWR : O_RDONLY);
	char old[ROOM];

	if (fd < 0)
		trouble("open to read");
	if (r->touched && pread(fd, old, sizeof(old), 0) < 0)
		trouble("read of the old version");
	sem_post(&shared->opened);
	sem_wait(&shared->committed);
	if (set_lock(fd, r->kind, r->mode) < 0)
		trouble("lock");
	check(r, fd);
	if (r->n % 3 && set_lock(fd, r->kind, LOCK_UN) < 0)
		trouble("unlock");
	if (close(fd) < 0)
		trouble("close");
	atomic_fetch_add(&shared->rounds, 1);
}

static void turns(long rounds, void (*turn)(const struct round *r))
{
	for (long n = 1; n <= rounds; n++) {
		struct round r = round_of(n);

		turn(&r);
		if (atomic_load(&shared->errors) > 100)
			break;
	}
	/* The other one does not wait for ever. */
	sem_post(&shared->opened);
	sem_post(&shared->committed);
	_exit(0);
}

int main(int argc, char **argv)
{
	int status, bad = 0;

	if (argc != 5 || (n_kinds = kinds_of(argv[3], kinds)) < 0)
		return 2;
	file = argv[1];
	by_map = argv[4][0] == 'm';
	snprintf(tmp, sizeof(tmp), "%s.new", file);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 2;
	sem_init(&shared->opened, 1, 0);
	sem_init(&shared->committed, 1, 0);
	commit_through(O_WRONLY | O_CREAT | O_TRUNC, file, 0);
	if (fork() == 0)
		turns(atol(argv[2]), write_round);
	if (fork() == 0)
		turns(atol(argv[2]), read_round);
	while (wait(&status) > 0)
		bad |= status;
	printf("rounds %ld stale %ld errors %ld\n", shared->rounds,
	       shared->stale, shared->errors);
	return bad ? 1 : 0;
}
