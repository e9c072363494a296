/* SPDX-License-Identifier: MIT
 *
 * fanout - directories that some make where others remove them, as git does
 * with its objects/xx.
 *
 *	fanout DIR MAKERS REMOVERS OBJECTS
 *
 * A maker creates a temporary file in one of a few directories; where that is
 * missing he makes it and tries once more, and the file gets its final name by
 * link or rename, or by linkat if it had none.  A remover reads a directory and
 * removes it if it can.  Nobody may be told that a directory is not there that
 * he has made, or was told was there, unless a removal has succeeded since: so
 * removers say what they do in shared memory.  And nothing may fail in a way
 * that has no part in this.  Prints "objects N lost N wrong N": lost are the
 * makers' second tries that a removal spoiled, which is the program's own race
 * on every file system.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DIRS         3
#define MAX_REMOVERS 16

static struct shared {
	atomic_long removed[DIRS]; /* successes so far */
	atomic_long made[DIRS];
	atomic_long turn[MAX_REMOVERS]; /* odd: in rmdir at this moment */
	atomic_long objects, lost, wrong;
	atomic_int makers; /* that are not done yet */
} * shared;

static const char *top;
static int removers;

static void wrong(const char *what, const char *path)
{
	if (atomic_fetch_add(&shared->wrong, 1) < 20)
		fprintf(stderr, "%s %s: %s\n", what, path, strerror(errno));
}

/* How often directory @k was removed, every removal included that was done when
 * this was called. */
static long removals(int k)
{
	for (int i = 0; i < removers; i++) {
		long turn = atomic_load(&shared->turn[i]);

		while (turn % 2 && atomic_load(&shared->turn[i]) == turn)
			sched_yield();
	}
	return atomic_load(&shared->removed[k]);
}

/* Directory @k is not there for somebody who knew it there when @before
 * removals had been counted. */
static void missing(const char *what, const char *path, int k, long before)
{
	if (errno != ENOENT || removals(k) == before)
		wrong(what, path);
	else
		atomic_fetch_add(&shared->lost, 1);
}

static int create(const char *dir, const char *tmp, bool nameless)
{
	int fd = nameless ? open(dir, O_TMPFILE | O_RDWR, 0444)
			  : open(tmp, O_RDWR | O_CREAT | O_EXCL, 0444);

	/* What ext4 says of a directory that was removed during the walk. */
	if (fd < 0 && nameless && errno == EPERM)
		errno = ENOENT;
	return fd;
}

/* Make directory @k if need be, and a file in it. *ret_before: removals when
 * it was there for sure.  -1: try again. */
static int create_in(int k, const char *dir, const char *tmp, bool nameless,
		     long *ret_before)
{
	int fd;

	*ret_before = atomic_load(&shared->removed[k]);
	fd = create(dir, tmp, nameless);
	if (fd >= 0)
		return fd;
	if (errno != ENOENT) {
		wrong("create", tmp);
		return -1;
	}
	*ret_before = atomic_load(&shared->removed[k]);
	if (mkdir(dir, 0777) == 0) {
		atomic_fetch_add(&shared->made[k], 1);
	} else if (errno != EEXIST) {
		wrong("mkdir", dir);
		return -1;
	}
	fd = create(dir, tmp, nameless);
	if (fd < 0)
		missing("create in what is there", tmp, k, *ret_before);
	return fd;
}

static void check(const char *path, const char *text, size_t n)
{
	char found[64] = "";
	int fd = open(path, O_RDONLY);

	if (fd < 0) {
		wrong("open", path);
		return;
	}
	errno = 0;
	if (read(fd, found, sizeof(found)) != (ssize_t)n ||
	    memcmp(found, text, n) != 0)
		wrong("read", path);
	close(fd);
	if (unlink(path) < 0)
		wrong("unlink", path);
}

/* False: the directory went away meanwhile. */
static bool object(int me, long n)
{
	char dir[4096], tmp[4160], path[4160], text[32], proc[32];
	int fd, len, k = (int)(n % DIRS), how = (int)(n / DIRS % 3);
	long before;
	bool there = true;

	snprintf(dir, sizeof(dir), "%s/%02d", top, k);
	snprintf(tmp, sizeof(tmp), "%s/tmp_%d", dir, me);
	snprintf(path, sizeof(path), "%s/%d_%ld", dir, me, n);
	len = snprintf(text, sizeof(text), "%d %ld", me, n);
	fd = create_in(k, dir, tmp, how == 2, &before);
	if (fd < 0)
		return false;
	if (write(fd, text, (size_t)len) != len)
		wrong("write", tmp);
	if (how == 2) {
		snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
		if (linkat(AT_FDCWD, proc, AT_FDCWD, path, AT_SYMLINK_FOLLOW) <
		    0) {
			missing("linkat", path, k, before);
			there = false;
		}
	}
	if (close(fd) < 0)
		wrong("close", tmp);
	if (how == 0 && (link(tmp, path) < 0 || unlink(tmp) < 0))
		wrong("link", path);
	if (how == 1 && rename(tmp, path) < 0)
		wrong("rename", path);
	if (there)
		check(path, text, (size_t)len);
	return there;
}

static void maker(int me, long objects)
{
	for (long n = me; atomic_load(&shared->objects) < objects &&
			  atomic_load(&shared->wrong) < 100;
	     n++)
		if (object(me, n))
			atomic_fetch_add(&shared->objects, 1);
	atomic_fetch_sub(&shared->makers, 1);
}

static void remover(int me)
{
	char dir[4096];
	DIR *d;

	for (int k = me; atomic_load(&shared->makers); k++) {
		snprintf(dir, sizeof(dir), "%s/%02d", top, k % DIRS);
		d = opendir(dir);
		if (!d && errno != ENOENT)
			wrong("opendir", dir);
		while (d && readdir(d))
			;
		if (d)
			closedir(d);
		atomic_fetch_add(&shared->turn[me], 1);
		if (rmdir(dir) == 0)
			atomic_fetch_add(&shared->removed[k % DIRS], 1);
		else if (errno != ENOENT && errno != ENOTEMPTY)
			wrong("rmdir", dir);
		atomic_fetch_add(&shared->turn[me], 1);
	}
}

/* At the end a directory is there if it was made once more than removed. */
static void check_end(void)
{
	char dir[4096];

	for (int k = 0; k < DIRS; k++) {
		long left = shared->made[k] - shared->removed[k];

		snprintf(dir, sizeof(dir), "%s/%02d", top, k);
		errno = 0;
		if (left != (access(dir, F_OK) == 0) ||
		    (left && rmdir(dir) < 0))
			wrong("made and removed", dir);
	}
}

int main(int argc, char **argv)
{
	int makers = argc == 5 ? atoi(argv[2]) : 0;

	removers = argc == 5 ? atoi(argv[3]) : 0;
	if (makers < 1 || removers < 1 || removers > MAX_REMOVERS)
		return 2;
	top = argv[1];
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 2;
	shared->makers = makers;
	for (int i = 0; i < makers + removers; i++)
		if (fork() == 0) {
			if (i < makers)
				maker(i, atol(argv[4]));
			else
				remover(i - makers);
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
	check_end();
	printf("objects %ld lost %ld wrong %ld\n", shared->objects,
	       shared->lost, shared->wrong);
	return 0;
}
