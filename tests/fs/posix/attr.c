/* SPDX-License-Identifier: MIT
 *
 * attr.c - calls on attributes, and who makes them.
 */
#include "calls.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long op_chmod(struct run *run)
{
	return result(fchmodat(AT_FDCWD, arg_path(run, 1),
			       (mode_t)arg_num(run, 2, 0),
			       (int)arg_num(run, 3, 0)));
}

static long op_fchmod(struct run *run)
{
	return result(fchmod(arg_fd(run, 1), (mode_t)arg_num(run, 2, 0)));
}

static long op_chown(struct run *run)
{
	return result(
		fchownat(AT_FDCWD, arg_path(run, 1), (uid_t)arg_num(run, 2, -1),
			 (gid_t)arg_num(run, 3, -1), (int)arg_num(run, 4, 0)));
}

static long op_fchown(struct run *run)
{
	return result(fchown(arg_fd(run, 1), (uid_t)arg_num(run, 2, -1),
			     (gid_t)arg_num(run, 3, -1)));
}

static struct timespec arg_time(struct run *run, int i)
{
	struct timespec ts = {0};

	if (arg_is(run, i, "NOW"))
		ts.tv_nsec = UTIME_NOW;
	else if (arg_is(run, i, "OMIT"))
		ts.tv_nsec = UTIME_OMIT;
	else
		ts.tv_sec = arg_num(run, i, 0);
	return ts;
}

/* utimens PATH ATIME MTIME [FLAGS] */
static long op_utimens(struct run *run)
{
	struct timespec ts[2] = {arg_time(run, 2), arg_time(run, 3)};

	return result(utimensat(AT_FDCWD, arg_path(run, 1), ts,
				(int)arg_num(run, 4, 0)));
}

static long op_futimens(struct run *run)
{
	struct timespec ts[2] = {arg_time(run, 2), arg_time(run, 3)};

	return result(futimens(arg_fd(run, 1), ts));
}

/* What utime(2) and touch without a time do: other permission rules. */
static long op_touch(struct run *run)
{
	return result(utimensat(AT_FDCWD, arg_path(run, 1), NULL, 0));
}

static long op_access(struct run *run)
{
	return result(faccessat(AT_FDCWD, arg_path(run, 1),
				(int)arg_num(run, 2, F_OK),
				(int)arg_num(run, 3, 0)));
}

/* Comma list of groups. */
static int arg_groups(struct run *run, int i, gid_t *groups, int max)
{
	char *s = i < run->argc ? run->argv[i] : NULL;
	int n = 0;

	while (s && *s && n < max) {
		groups[n++] = (gid_t)strtoul(s, &s, 10);
		if (*s == ',')
			s++;
	}
	return n;
}

/* as UID [GID] [GROUP,GROUP]: the saved uid stays 0, so that `as 0` leads
 * back. */
static long op_as(struct run *run)
{
	uid_t uid = (uid_t)arg_num(run, 1, 0);
	gid_t gid = (gid_t)arg_num(run, 2, uid), groups[16];
	int n = arg_groups(run, 3, groups, 16);

	if (seteuid(0) < 0 || setgroups((size_t)n, groups) < 0 ||
	    setresgid(gid, gid, 0) < 0 || setresuid(uid, uid, 0) < 0)
		return -errno;
	return 0;
}

const struct op attr_ops[] = {
	{"chmod", 2, op_chmod},     {"fchmod", 2, op_fchmod},
	{"chown", 3, op_chown},     {"fchown", 3, op_fchown},
	{"utimens", 3, op_utimens}, {"futimens", 3, op_futimens},
	{"touch", 1, op_touch},     {"access", 2, op_access},
	{"as", 1, op_as},           {NULL, 0, NULL},
};
