/* SPDX-License-Identifier: MIT
 *
 * What a version consists of: attributes and content, from one file to
 * another.
 */
#include "stage/store.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>

#define CHUNK       (1u << 30)
#define SMALL_BYTES (1 << 16)

/* Attributes in these name spaces need privileges that we may lack; one that
 * cannot be had cannot be lost by us. */
static bool may_skip(const char *name, int error)
{
	if (error == ENODATA)
		return true; /* gone between list and get */
	return (error == EPERM || error == EACCES || error == EOPNOTSUPP) &&
	       (!strncmp(name, "security.", 9) ||
		!strncmp(name, "trusted.", 8));
}

static int copy_xattr(int from, int to, const char *name)
{
	AUTO_FREE char *value = NULL;
	ssize_t n;

	n = fgetxattr(from, name, NULL, 0);
	if (n < 0)
		return may_skip(name, errno) ? 0 : -errno;
	value = malloc((size_t)n + 1);
	if (!value)
		return -ENOMEM;
	n = fgetxattr(from, name, value, (size_t)n);
	if (n >= 0 && fsetxattr(to, name, value, (size_t)n, 0) == 0)
		return 0;
	return may_skip(name, errno) ? 0 : -errno;
}

/* What @to has and @from has not. */
static int drop_xattrs(int from, int to)
{
	AUTO_FREE char *names = NULL;
	ssize_t n = flistxattr(to, NULL, 0);

	if (n <= 0)
		return n < 0 ? -errno : 0;
	names = malloc((size_t)n);
	if (!names)
		return -ENOMEM;
	n = flistxattr(to, names, (size_t)n);
	for (char *p = names; p < names + n; p += strlen(p) + 1) {
		if (fgetxattr(from, p, NULL, 0) >= 0 || errno != ENODATA)
			continue;
		if (fremovexattr(to, p) < 0 && !may_skip(p, errno))
			return -errno;
	}
	return 0;
}

static int copy_xattrs(int from, int to)
{
	AUTO_FREE char *names = NULL;
	ssize_t n = flistxattr(from, NULL, 0);
	int r;

	if (n <= 0)
		return n < 0 && errno != EOPNOTSUPP ? -errno : 0;
	names = malloc((size_t)n);
	if (!names)
		return -ENOMEM;
	n = flistxattr(from, names, (size_t)n);
	if (n < 0)
		return -errno;
	for (char *p = names; p < names + n; p += strlen(p) + 1) {
		r = copy_xattr(from, to, p);
		if (r < 0)
			return r;
	}
	return 0;
}

int atio_copy_meta(int from, int to, struct atio_error *err)
{
	struct stat st, now;
	int r;

	if (fstat(from, &st) < 0 || fstat(to, &now) < 0)
		return atio_fail(err, errno, "stat");
	if ((st.st_uid != now.st_uid || st.st_gid != now.st_gid) &&
	    fchown(to, st.st_uid, st.st_gid) < 0)
		return atio_fail(err, errno, "give the file to %u:%u",
				 (unsigned)st.st_uid, (unsigned)st.st_gid);
	r = drop_xattrs(from, to);
	if (!r)
		r = copy_xattrs(from, to);
	if (r < 0)
		return atio_fail(err, -r, "copy extended attributes");
	/* Last: chown clears setuid, and an ACL sets the group's bits. */
	if (fchmod(to, st.st_mode & 07777) < 0)
		return atio_fail(err, errno, "set the mode");
	return 0;
}

/* Without help of the kernel, for file systems that refuse it. */
static int copy_by_hand(int from, int to, off_t at, off_t end)
{
	AUTO_FREE char *buf = malloc(1 << 16);

	if (!buf)
		return -ENOMEM;
	while (at < end) {
		size_t want =
			end - at < (1 << 16) ? (size_t)(end - at) : 1 << 16;
		ssize_t n = pread(from, buf, want, at);

		if (n <= 0)
			return n < 0 ? -errno : 0;
		for (ssize_t done = 0; done < n;) {
			ssize_t w = pwrite(to, buf + done, (size_t)(n - done),
					   at + done);

			if (w < 0)
				return -errno;
			done += w;
		}
		at += n;
	}
	return 0;
}

static int copy_range(int from, int to, off_t at, off_t end)
{
	while (at < end) {
		off_t in = at, out = at;
		size_t want = end - at < CHUNK ? (size_t)(end - at) : CHUNK;
		ssize_t n = copy_file_range(from, &in, to, &out, want, 0);

		if (n < 0 && (errno == EXDEV || errno == EINVAL ||
			      errno == EOPNOTSUPP || errno == ENOSYS))
			return copy_by_hand(from, to, at, end);
		if (n < 0)
			return -errno;
		if (n == 0) /* it became shorter */
			return 0;
		at += n;
	}
	return 0;
}

/* Make @at..@end of @to zeros: a hole, where the file system has such. */
static int clear_range(int to, off_t at, off_t end)
{
	static const char zeros[1 << 12];

	if (at >= end ||
	    fallocate(to, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at,
		      end - at) == 0)
		return 0;
	if (errno != EOPNOTSUPP && errno != ENOSYS)
		return -errno;
	while (at < end) {
		size_t want = sizeof(zeros);
		ssize_t n;

		if (end - at < (off_t)want)
			want = (size_t)(end - at);
		n = pwrite(to, zeros, want, at);
		if (n < 0)
			return -errno;
		at += n;
	}
	return 0;
}

/* @old: how much of @to holds something else, which must not show through the
 * holes of @from. */
static int copy_extents(int from, int to, off_t size, off_t old)
{
	off_t at = 0, data, hole;
	int r = 0;

	while (at < size && !r) {
		data = lseek(from, at, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			break; /* a hole up to the end */
		hole = data < 0 ? -1 : lseek(from, data, SEEK_HOLE);
		if (hole < 0) /* no such knowledge here: take it all */
			return copy_range(from, to, at, size);
		r = clear_range(to, at, data < old ? data : old);
		if (!r)
			r = copy_range(from, to, data,
				       hole < size ? hole : size);
		at = hole;
	}
	return r ? r : clear_range(to, at, size < old ? size : old);
}

int atio_copy_data(int from, int to, bool clone, struct atio_error *err)
{
	struct stat st, now;
	int r;

	if (fstat(from, &st) < 0 || fstat(to, &now) < 0)
		return atio_fail(err, errno, "stat");
	if (clone && ioctl(to, FICLONE, from) == 0) {
		if (now.st_size > st.st_size && ftruncate(to, st.st_size) < 0)
			return atio_fail(err, errno, "truncate");
		return 0;
	}
	if (clone && errno != EOPNOTSUPP && errno != EINVAL && errno != EXDEV)
		return atio_fail(err, errno, "clone");
	/* A small file without holes: two calls instead of five. */
	if (!now.st_size && st.st_size <= SMALL_BYTES &&
	    (off_t)st.st_blocks * 512 >= st.st_size) {
		r = copy_by_hand(from, to, 0, st.st_size);
		return r < 0 ? atio_fail(err, -r, "copy %lld bytes",
					 (long long)st.st_size)
			     : 0;
	}
	/* Not cut first: what @to has of blocks (atio_shadow_reserve) it must
	 * keep. */
	r = copy_extents(from, to, st.st_size, now.st_size);
	if (!r && ftruncate(to, st.st_size) < 0)
		r = -errno;
	return r < 0 ? atio_fail(err, -r, "copy %lld bytes",
				 (long long)st.st_size)
		     : 0;
}

int atio_make_room(int from, int to, struct atio_error *err)
{
	struct stat st, target;
	int r;

	if (fstat(from, &st) < 0 || fstat(to, &target) < 0)
		return atio_fail(err, errno, "stat");
	if (!st.st_size ||
	    fallocate(to, FALLOC_FL_KEEP_SIZE, 0, st.st_size) == 0 ||
	    errno == EOPNOTSUPP)
		return 0;
	r = atio_fail(err, errno, "make room for rewriting in place: %s",
		      strerror(errno));
	if (st.st_size > target.st_size) /* half of it helps nobody */
		(void)fallocate(to,
				FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				target.st_size, st.st_size - target.st_size);
	return r;
}

int atio_copy_times(int from, int to)
{
	struct timespec ts[2];
	struct stat st;

	if (fstat(from, &st) < 0)
		return -errno;
	ts[0] = st.st_atim;
	ts[1] = st.st_mtim;
	return futimens(to, ts) < 0 ? -errno : 0;
}

int atio_store_copy(struct atio_store *store, int from, int to,
		    struct atio_error *err)
{
	int r;

	r = atio_copy_data(from, to, store->can_clone, err);
	if (!r)
		r = atio_copy_meta(from, to, err);
	if (r < 0)
		return r;
	r = atio_copy_times(from, to);
	return r < 0 ? atio_fail(err, -r, "set the times") : 0;
}
