/* SPDX-License-Identifier: MIT
 *
 * stale - is what one process has closed seen by every other's next open?
 *
 *	stale DIR CLIENTS CHECKS
 *
 * Each client has a file of its own.  Over and over it writes the next number
 * to it, in one of five ways, closes it and then says so in shared memory;
 * and it opens, stats and reads the others' files, which must hold at least
 * the number that was said before.  Prints "checks N stale N errors N".
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_CLIENTS 64
#define DIGITS	    12

static struct shared {
	atomic_long said[MAX_CLIENTS], checks, stale, errors;
} *shared;

static void trouble(const char *what, const char *path)
{
	if (atomic_fetch_add(&shared->errors, 1) < 20)
		fprintf(stderr, "%s %s: %s\n", what, path, strerror(errno));
}

static int open_to_write(const char *path, const char *tmp, long n)
{
	switch (n % 5) {
	case 0:
		return open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	case 1:
		return open(path, O_RDWR);
	case 2:
		return open(tmp, O_WRONLY | O_CREAT | O_EXCL, 0644);
	case 3:
		unlink(tmp);
		return open(tmp, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	}
	if (truncate(path, 0) < 0)
		trouble("truncate", path);
	return open(path, O_WRONLY);
}

static void publish(const char *dir, int me, long n)
{
	char path[4096], tmp[4096], text[DIGITS + 1];
	int fd;

	snprintf(path, sizeof(path), "%s/f%d", dir, me);
	snprintf(tmp, sizeof(tmp), "%s/tmp%d", dir, me);
	snprintf(text, sizeof(text), "%0*ld", DIGITS, n);
	fd = open_to_write(path, tmp, n);
	if (fd < 0) {
		trouble("open to write", path);
		return;
	}
	if (write(fd, text, DIGITS) != DIGITS)
		trouble("write", path);
	/* Half of the renames are before the close. */
	if (n % 5 == 2 && rename(tmp, path) < 0)
		trouble("rename", path);
	if (close(fd) < 0)
		trouble("close", path);
	if (n % 5 == 3 && rename(tmp, path) < 0)
		trouble("rename", path);
	atomic_store(&shared->said[me], n);
}

static void check(const char *dir, int other)
{
	char path[4096], text[DIGITS + 1] = "";
	long said = atomic_load(&shared->said[other]);
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/f%d", dir, other);
	if (stat(path, &st) < 0)
		trouble("stat", path);
	fd = open(path, O_RDONLY);
	if (fd < 0) {
		trouble("open to read", path);
		return;
	}
	/* A truncate is a transaction: an empty file is a version of its own,
	 * and newer than all that was said. */
	if (read(fd, text, DIGITS) == DIGITS && atol(text) < said) {
		atomic_fetch_add(&shared->stale, 1);
		fprintf(stderr, "%s: %s instead of %ld\n", path, text, said);
	}
	close(fd);
	atomic_fetch_add(&shared->checks, 1);
}

static void client(const char *dir, int me, int clients, long checks)
{
	for (long n = 5; atomic_load(&shared->checks) < checks &&
			 atomic_load(&shared->errors) < 100; n++) {
		publish(dir, me, n);
		for (int i = 1; i < clients; i++)
			check(dir, (me + i) % clients);
	}
}

int main(int argc, char **argv)
{
	int clients = argc == 4 ? atoi(argv[2]) : 0;

	if (clients < 2 || clients > MAX_CLIENTS)
		return 2;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 2;
	for (int i = 0; i < clients; i++)
		publish(argv[1], i, 0);
	for (int i = 0; i < clients; i++)
		if (fork() == 0) {
			client(argv[1], i, clients, atol(argv[3]));
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
	printf("checks %ld stale %ld errors %ld\n", shared->checks,
	       shared->stale, shared->errors);
	return 0;
}
