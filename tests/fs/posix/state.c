/* SPDX-License-Identifier: MIT
 *
 * state.c - what the calls have left: attributes, content, listings.
 */
#include "calls.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static char type_letter(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return '-';
	case S_IFDIR:
		return 'd';
	case S_IFLNK:
		return 'l';
	case S_IFIFO:
		return 'p';
	case S_IFSOCK:
		return 's';
	case S_IFCHR:
		return 'c';
	case S_IFBLK:
		return 'b';
	default:
		return '?';
	}
}

static void print_stat(struct run *run, const struct stat *st)
{
	fprintf(run->more, " %c%04o n%lu %u:%u", type_letter(st->st_mode),
		st->st_mode & 07777, (unsigned long)st->st_nlink, st->st_uid,
		st->st_gid);
	if (S_ISREG(st->st_mode) || S_ISLNK(st->st_mode))
		fprintf(run->more, " s%lld", (long long)st->st_size);
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
		fprintf(run->more, " %u,%u", major(st->st_rdev),
			minor(st->st_rdev));
}

/* The content by @fd, from the start, without moving its position. */
static void print_content(struct run *run, int fd, size_t size)
{
	char *buf = malloc(size + 1);
	size_t at = 0;
	ssize_t got;

	while (at <= size) {
		got = pread(fd, buf + at, size + 1 - at, (off_t)at);
		if (got <= 0)
			break;
		at += (size_t)got;
	}
	fputc(' ', run->more);
	print_bytes(run->more, buf, at);
	if (at > size)
		fputs(" (longer than its size)", run->more);
	free(buf);
}

/* stat PATH: attributes only. */
static long op_stat(struct run *run)
{
	struct stat st;

	if (fstatat(AT_FDCWD, arg_path(run, 1), &st,
		    (int)arg_num(run, 2, AT_SYMLINK_NOFOLLOW)) < 0)
		return -errno;
	print_stat(run, &st);
	return 0;
}

/* state PATH: attributes, and the content of a regular file. */
static long op_state(struct run *run)
{
	const char *path = arg_path(run, 1);
	struct stat st;
	int fd;

	if (lstat(path, &st) < 0)
		return -errno;
	print_stat(run, &st);
	if (!S_ISREG(st.st_mode))
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0) {
		fprintf(run->more, " (%s)", errno_name(errno));
		return 0;
	}
	print_content(run, fd, (size_t)st.st_size);
	close(fd);
	return 0;
}

/* fstate SLOT: the same by descriptor; content where it can be read. */
static long op_fstate(struct run *run)
{
	int fd = arg_fd(run, 1);
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	print_stat(run, &st);
	if (S_ISREG(st.st_mode) &&
	    (fcntl(fd, F_GETFL) & (O_ACCMODE | O_PATH)) != O_WRONLY)
		print_content(run, fd, (size_t)st.st_size);
	return 0;
}

/* blocks PATH: how much room it takes, which needs it to be on disk. */
static long op_blocks(struct run *run)
{
	struct stat st;

	if (lstat(arg_path(run, 1), &st) < 0)
		return -errno;
	fprintf(run->more, " blksize %ld", (long)st.st_blksize);
	return (long)st.st_blocks;
}

static bool later(struct timespec a, struct timespec b)
{
	return a.tv_sec != b.tv_sec ? a.tv_sec > b.tv_sec
				    : a.tv_nsec > b.tv_nsec;
}

/* Until a change made now gets another time than @before, as file systems stamp
 * with the clock of the timer tick, and until @before is so old that a tick
 * cannot hide a change behind it (DESIGN.md: 20 ms). */
static void wait_tick(struct timespec before)
{
	struct timespec now, start, pause = {0, 500000};

	clock_gettime(CLOCK_REALTIME_COARSE, &start);
	before.tv_nsec += 25000000;
	if (before.tv_nsec >= 1000000000) {
		before.tv_nsec -= 1000000000;
		before.tv_sec++;
	}
	do {
		nanosleep(&pause, NULL);
		clock_gettime(CLOCK_REALTIME_COARSE, &now);
	} while (!later(now, start) || !later(now, before));
}

static int get_times(struct run *run, struct stat *st)
{
	int fd = arg_fd(run, 1);

	if (fd >= 0)
		return fstat(fd, st);
	return lstat(arg_path(run, 1), st);
}

/* mark WHAT: remember the times of a path or slot, for `times`. */
static long op_mark(struct run *run)
{
	struct mark *mark = NULL;
	struct stat st;

	if (get_times(run, &st) < 0)
		return -errno;
	for (int i = 0; i < run->n_marks; i++) {
		if (!strcmp(run->marks[i].what, run->argv[1]))
			mark = &run->marks[i];
	}
	if (!mark) {
		if (run->n_marks == MAX_MARKS)
			return -E2BIG;
		mark = &run->marks[run->n_marks++];
	}
	snprintf(mark->what, sizeof(mark->what), "%s", run->argv[1]);
	mark->mtime = st.st_mtim;
	mark->ctime = st.st_ctim;
	wait_tick(st.st_ctim);
	return 0;
}

static char relation(struct timespec was, struct timespec is)
{
	return later(is, was) ? '+' : later(was, is) ? '-' : '=';
}

/* times WHAT [AS]: mtime and ctime against the mark of WHAT (or AS). */
static long op_times(struct run *run)
{
	const char *name = run->argv[run->argc > 2 ? 2 : 1];
	struct stat st;

	if (get_times(run, &st) < 0)
		return -errno;
	for (int i = 0; i < run->n_marks; i++) {
		const struct mark *m = &run->marks[i];

		if (strcmp(m->what, name))
			continue;
		fprintf(run->more, " m%c c%c", relation(m->mtime, st.st_mtim),
			relation(m->ctime, st.st_ctim));
		return 0;
	}
	return -EDOM;
}

/* mtime WHAT: seconds, for those that were set. */
static long op_mtime(struct run *run)
{
	struct stat st;

	if (get_times(run, &st) < 0)
		return -errno;
	fprintf(run->more, " %lld.%09ld", (long long)st.st_mtim.tv_sec,
		st.st_mtim.tv_nsec);
	return 0;
}

static long op_atime(struct run *run)
{
	struct stat st;

	if (get_times(run, &st) < 0)
		return -errno;
	fprintf(run->more, " %lld.%09ld", (long long)st.st_atim.tv_sec,
		st.st_atim.tv_nsec);
	return 0;
}

static long op_statfs(struct run *run)
{
	struct statfs s;

	if (statfs(arg_path(run, 1), &s) < 0)
		return -errno;
	fprintf(run->more,
		" bsize %ld frsize %ld blocks %lu files %lu name %ld",
		(long)s.f_bsize, (long)s.f_frsize, (unsigned long)s.f_blocks,
		(unsigned long)s.f_files, (long)s.f_namelen);
	return 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* ls PATH: every name and its type. */
static long op_ls(struct run *run)
{
	struct dirent **list;
	int n = scandir(arg_path(run, 1), &list, NULL, by_name);

	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		fputc(' ', run->more);
		print_name(run->more, list[i]->d_name, strlen(list[i]->d_name));
		fprintf(run->more, ":%c",
			type_letter((mode_t)DTTOIF(list[i]->d_type)));
		free(list[i]);
	}
	free(list);
	return n;
}

const struct op state_ops[] = {
	{"stat", 1, op_stat},     {"state", 1, op_state},
	{"fstate", 1, op_fstate}, {"blocks", 1, op_blocks},
	{"mark", 1, op_mark},     {"times", 1, op_times},
	{"mtime", 1, op_mtime},   {"atime", 1, op_atime},
	{"statfs", 1, op_statfs}, {"ls", 1, op_ls},
	{NULL, 0, NULL},
};
