/* SPDX-License-Identifier: MIT
 *
 * trust.c - whose plugins are used.
 *
 * What a plugin is made of is run by whoever uses the library, also by root: so
 * it must belong to root or to this very user, and nobody else may be able to
 * change it, or to put something else in its place.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/plugin.h"

static const char foreign[] =
	"it belongs to somebody else, or others can write to it";

static bool is_ours(const struct stat *st)
{
	return (st->st_uid == 0 || st->st_uid == geteuid()) &&
	       !(st->st_mode & (S_IWGRP | S_IWOTH));
}

/* Whether others may rename what is ours in this directory, which need not be
 * a directory of plugins itself. */
static bool is_safe_above(const struct stat *st)
{
	return (st->st_uid == 0 || st->st_uid == geteuid()) &&
	       (!(st->st_mode & S_IWOTH) || (st->st_mode & S_ISVTX));
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Look at the open directory and all above it; @top: what none may be. */
static const char *walk_up(int *at, const struct stat *top)
{
	struct stat here, before = {0};
	int up;

	for (;;) {
		if (fstat(*at, &here) < 0)
			return strerrordesc_np(errno);
		if (top && is_same(&here, top))
			return "it lies in the tree that is mounted";
		if (!is_safe_above(&here))
			return "it lies below a directory that belongs to "
			       "somebody else, or that others can write to";
		if (is_same(&here, &before))
			return NULL; /* this is the root */
		before = here;
		up = openat(*at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (up < 0)
			return strerrordesc_np(errno);
		(void)close(*at);
		*at = up;
	}
}

/* @path and all above it. */
static const char *distrust_place(const char *path, int never_below,
				  bool is_plugins)
{
	int at = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	const char *reason = NULL;
	struct stat top, st;

	if (at < 0)
		return strerrordesc_np(errno);
	if ((never_below > 0 && fstat(never_below, &top) < 0) ||
	    fstat(at, &st) < 0)
		reason = strerrordesc_np(errno);
	else if (is_plugins && !is_ours(&st))
		reason = foreign;
	if (!reason)
		reason = walk_up(&at, never_below > 0 ? &top : NULL);
	(void)close(at);
	return reason;
}

const char *atio_distrust_dir(const char *path, int never_below)
{
	return distrust_place(path, never_below, true);
}

const char *atio_distrust_file(const char *path, int never_below)
{
	char *real = realpath(path, NULL);
	const char *reason = NULL;
	struct stat st;
	char *slash;

	if (!real)
		return strerrordesc_np(errno);
	if (lstat(real, &st) < 0)
		reason = strerrordesc_np(errno);
	else if (!S_ISREG(st.st_mode))
		reason = "it is no regular file";
	else if (!is_ours(&st))
		reason = foreign;
	if (!reason) {
		slash = strrchr(real, '/');
		slash[slash == real] = '\0'; /* that of "/" stays */
		reason = distrust_place(real, never_below, false);
	}
	free(real);
	return reason;
}
