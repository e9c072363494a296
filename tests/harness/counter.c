/* SPDX-License-Identifier: MIT
 *
 * counter - many processes add one to a number in a file, each under a lock.
 *
 *	counter FILE PROCESSES ROUNDS KIND[+KIND...] WAY[+WAY...]
 *
 * KIND is flock, posix, ofd or ioctl; of several, each process has one.  Each
 * round opens FILE, locks it, reads the number through that descriptor, writes
 * the next one, unlocks and closes.  Of several WAYs, each round has one:
 *   update    in place, through the same descriptor
 *   truncate  through another one, opened with O_TRUNC
 *   rename    to a new file, which is renamed over FILE
 *   read      not at all: the lock is shared
 * The text is of another length for each number.  `start` for WAY only writes
 * the number 0.
 * Prints "done N number N stale N torn N deadlocks N errors N": how often the
 * number was written, what it is; how often another number was read than was
 * written last, or none at all.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "locking.h"

#define DIGITS	  12
#define ROOM	  256
#define MOST_WAYS 8

enum way { UPDATE, TRUNCATE, RENAME, READ, WAYS };

static const char *const way_names[WAYS] = {"update", "truncate", "rename",
					    "read"};

static struct shared {
	atomic_long current; /* changed under the lock only */
	atomic_long done, stale, torn, deadlocks, errors;
	atomic_int ready;
} *shared;

static struct run {
	const char *file;
	char tmp[4096];
	long processes, rounds;
	enum kind kinds[KINDS];
	enum way ways[MOST_WAYS];
	int n_kinds, n_ways;
} run;

static int trouble(const char *what)
{
	int e = errno;

	if (e == EDEADLK)
		atomic_fetch_add(&shared->deadlocks, 1);
	if (atomic_fetch_add(&shared->errors, 1) < 20)
		fprintf(stderr, "%s: %s\n", what, strerror(e));
	return -1;
}

/* ---- what the file holds ------------------------------------------------- */

static int text_of(long n, char *text)
{
	int size = snprintf(text, ROOM, "%0*ld", DIGITS, n);

	memset(text + size, 'x', n % 97);
	return size + n % 97;
}

/* -1: the text is not that of any number. */
static long number_of(const char *text, ssize_t size)
{
	char digits[DIGITS + 1] = "", want[ROOM];
	long n;

	if (size < DIGITS)
		return -1;
	memcpy(digits, text, DIGITS);
	n = strtol(digits, NULL, 10);
	if (text_of(n, want) != size || memcmp(want, text, size))
		return -1;
	return n;
}

static long read_number(int fd)
{
	char text[ROOM];
	ssize_t size = pread(fd, text, sizeof(text), 0);
	struct stat st;
	long n;

	if (size < 0 || fstat(fd, &st) < 0)
		return trouble("read");
	n = number_of(text, size);
	if (n >= 0 && st.st_size == size)
		return n;
	if (atomic_fetch_add(&shared->torn, 1) < 20)
		fprintf(stderr, "torn: '%.*s', %zd bytes, size %lld\n",
			(int)size, text, size, (long long)st.st_size);
	return -1;
}

static int write_number(int fd, long n)
{
	char text[ROOM];
	int size = text_of(n, text);

	if (pwrite(fd, text, size, 0) != size)
		return trouble("write");
	return 0;
}

/* ---- a round ------------------------------------------------------------- */

static int update(int fd, long n)
{
	char text[ROOM];

	if (write_number(fd, n) < 0)
		return -1;
	return ftruncate(fd, text_of(n, text)) < 0 ? trouble("ftruncate") : 0;
}

static int truncate_and_write(long n)
{
	int fd = open(run.file, O_WRONLY | O_TRUNC);
	int r;

	if (fd < 0)
		return trouble("open with O_TRUNC");
	r = write_number(fd, n);
	return close(fd) < 0 ? trouble("close of what replaces") : r;
}

/* Half of the renames are before the close. */
static int write_and_rename(long n)
{
	int fd = open(run.tmp, O_WRONLY | O_CREAT | O_EXCL, 0644);
	int r;

	if (fd < 0)
		return trouble("open the new file");
	r = write_number(fd, n);
	if (n % 2 && rename(run.tmp, run.file) < 0)
		r = trouble("rename before close");
	if (close(fd) < 0)
		r = trouble("close of the new file");
	if (n % 2 == 0 && rename(run.tmp, run.file) < 0)
		r = trouble("rename");
	return r;
}

static int next_number(int fd, enum way way, long round)
{
	long want = atomic_load(&shared->current);
	long n = read_number(fd);

	if (n < 0)
		return -1;
	if (n != want && atomic_fetch_add(&shared->stale, 1) < 20)
		fprintf(stderr, "stale: %ld instead of %ld: process %ld, round "
			"%ld, %s\n", n, want, round % run.processes,
			round / run.processes, way_names[way]);
	if (way == READ)
		return 0;
	atomic_store(&shared->current, n + 1);
	switch (way) {
	case UPDATE:
		return update(fd, n + 1);
	case TRUNCATE:
		return truncate_and_write(n + 1);
	default:
		return write_and_rename(n + 1);
	}
}

/* @round: of this process of this round, among all. */
static void one_round(enum kind kind, long round)
{
	long number = round % run.processes + round / run.processes;
	enum way way = run.ways[number % run.n_ways];
	int writes = way == UPDATE || number % 2 ||
		     (way != READ && needs_write(kind));
	int fd = open(run.file, writes ? O_RDWR : O_RDONLY);
	/* A close of any descriptor gives up a POSIX lock. */
	int gone = kind == POSIX && way == TRUNCATE;

	if (fd < 0) {
		trouble("open");
		return;
	}
	if (set_lock(fd, kind, way == READ ? LOCK_SH : LOCK_EX) < 0)
		trouble("lock");
	else {
		if (next_number(fd, way, round) == 0 && way != READ)
			atomic_fetch_add(&shared->done, 1);
		if (!gone && set_lock(fd, kind, LOCK_UN) < 0)
			trouble("unlock");
	}
	if (close(fd) < 0)
		trouble("close");
}

/* ---- all of it --------------------------------------------------------- */

static void child(int me)
{
	snprintf(run.tmp, sizeof(run.tmp), "%s.%d", run.file, me);
	atomic_fetch_add(&shared->ready, 1);
	while (atomic_load(&shared->ready) < run.processes)
		usleep(100);
	for (long n = 0; n < run.rounds && atomic_load(&shared->errors) < 100;
	     n++)
		one_round(run.kinds[me % run.n_kinds], n * run.processes + me);
	_exit(0);
}

static int start(const char *file)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	return fd < 0 || write_number(fd, 0) < 0 || close(fd) < 0;
}

/* 0: `start`; -1: there is none of that name. */
static int ways_of(char *words, enum way *ret_ways)
{
	int i, n = 0;

	if (!strcmp(words, "start"))
		return 0;
	for (char *word = strtok(words, "+"); word; word = strtok(NULL, "+")) {
		for (i = 0; i < WAYS && strcmp(word, way_names[i]); i++)
			;
		if (n == MOST_WAYS || i == WAYS)
			return -1;
		ret_ways[n++] = i;
	}
	return n ? n : -1;
}

static int parse(char **argv)
{
	run.file = argv[1];
	run.processes = atol(argv[2]);
	run.rounds = atol(argv[3]);
	run.n_kinds = kinds_of(argv[4], run.kinds);
	run.n_ways = ways_of(argv[5], run.ways);
	return run.n_kinds > 0 && run.n_ways >= 0 ? 0 : -1;
}

int main(int argc, char **argv)
{
	int fd, status, bad = 0;
	long begin;

	if (argc != 6 || parse(argv) < 0)
		return 2;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 2;
	if (!run.n_ways)
		return start(run.file);
	fd = open(run.file, O_RDONLY);
	if (fd < 0 || (begin = read_number(fd)) < 0)
		return 2;
	close(fd);
	atomic_store(&shared->current, begin);
	for (int i = 0; i < run.processes; i++)
		if (fork() == 0)
			child(i);
	while (wait(&status) > 0)
		bad |= status;
	fd = open(run.file, O_RDONLY);
	printf("done %ld number %ld stale %ld torn %ld deadlocks %ld "
	       "errors %ld\n", shared->done, fd < 0 ? -1 : read_number(fd),
	       shared->stale, shared->torn, shared->deadlocks, shared->errors);
	return bad ? 1 : 0;
}
