/* SPDX-License-Identifier: MIT
 *
 * ranges - many processes add one to many numbers in one file, each under the
 * lock of the bytes of that number only, so that several write at once.
 *
 *	ranges FILE PROCESSES ROUNDS NUMBERS posix|ofd|mixed
 *
 * FILE is created.  Of ten rounds, most use the descriptor of the one before.
 * mixed: every other process has the other kind of lock.
 * Prints "done N sum N stale N torn N deadlocks N errors N".
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "locking.h"

#define DIGITS	     16 /* with the end of the line */
#define MOST_NUMBERS 256

static struct shared {
	atomic_long done, stale, torn, deadlocks, errors;
	atomic_long current[MOST_NUMBERS]; /* each changed under its lock */
} *shared;

static const char *file;
static long processes, rounds, numbers;

static void trouble(const char *what)
{
	int e = errno;

	if (e == EDEADLK)
		atomic_fetch_add(&shared->deadlocks, 1);
	if (atomic_fetch_add(&shared->errors, 1) < 20)
		fprintf(stderr, "%s: %s\n", what, strerror(e));
}

static int set_range(int fd, enum kind kind, int type, long number)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET,
			     .l_start = number * DIGITS, .l_len = DIGITS};

	return fcntl(fd, kind == POSIX ? F_SETLKW : F_OFD_SETLKW, &lock);
}

static long read_number(int fd, long number)
{
	char text[DIGITS + 1] = "", *end;
	long n;

	if (pread(fd, text, DIGITS, number * DIGITS) != DIGITS) {
		trouble("read");
		return -1;
	}
	n = strtol(text, &end, 10);
	if (end == text + DIGITS - 1 && *end == '\n')
		return n;
	if (atomic_fetch_add(&shared->torn, 1) < 20)
		fprintf(stderr, "torn: '%s'\n", text);
	return -1;
}

static int write_number(int fd, long number, long n)
{
	char text[DIGITS + 1];

	snprintf(text, sizeof(text), "%0*ld\n", DIGITS - 1, n);
	if (pwrite(fd, text, DIGITS, number * DIGITS) == DIGITS)
		return 0;
	trouble("write");
	return -1;
}

static void add_one(int fd, long number)
{
	long want = atomic_load(&shared->current[number]);
	long n = read_number(fd, number);

	if (n < 0)
		return;
	if (n != want && atomic_fetch_add(&shared->stale, 1) < 20)
		fprintf(stderr, "stale: number %ld is %ld instead of %ld\n",
			number, n, want);
	atomic_store(&shared->current[number], n + 1);
	if (write_number(fd, number, n + 1) == 0)
		atomic_fetch_add(&shared->done, 1);
}

static void child(int me, enum kind kind)
{
	unsigned seed = me + 1;
	int fd = -1;

	for (long i = 0; i < rounds && atomic_load(&shared->errors) < 100;
	     i++) {
		long number = rand_r(&seed) % numbers;

		if (fd < 0)
			fd = open(file, O_RDWR);
		if (fd < 0 || set_range(fd, kind, F_WRLCK, number) < 0) {
			trouble("open or lock");
			continue;
		}
		add_one(fd, number);
		/* Some leave that to the close. */
		if (i % 20 != 19 && set_range(fd, kind, F_UNLCK, number) < 0)
			trouble("unlock");
		if (i % 10 != 9)
			continue;
		if (close(fd) < 0)
			trouble("close");
		fd = -1;
	}
	if (fd >= 0 && close(fd) < 0)
		trouble("close");
	_exit(0);
}

static int create(void)
{
	int r = 0, fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	for (long i = 0; i < numbers && fd >= 0; i++)
		r |= write_number(fd, i, 0);
	return fd < 0 || r || close(fd) < 0;
}

static long sum(void)
{
	int fd = open(file, O_RDONLY);
	long n = 0;

	for (long i = 0; i < numbers && fd >= 0; i++)
		n += read_number(fd, i);
	return n;
}

int main(int argc, char **argv)
{
	int status, bad = 0, mixed;

	if (argc != 6)
		return 2;
	file = argv[1];
	processes = atol(argv[2]);
	rounds = atol(argv[3]);
	numbers = atol(argv[4]);
	mixed = !strcmp(argv[5], "mixed");
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (numbers < 1 || numbers > MOST_NUMBERS || shared == MAP_FAILED ||
	    create())
		return 2;
	for (int i = 0; i < processes; i++)
		if (fork() == 0)
			child(i, mixed ? (i % 2 ? OFD : POSIX)
				       : kind_of(argv[5]));
	while (wait(&status) > 0)
		bad |= status;
	printf("done %ld sum %ld stale %ld torn %ld deadlocks %ld errors %ld\n",
	       shared->done, sum(), shared->stale, shared->torn,
	       shared->deadlocks, shared->errors);
	return bad ? 1 : 0;
}
