/* SPDX-License-Identifier: MIT */
#include "copy.h"

#include <errno.h>
#include <linux/limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "tool.h"

#define BLOCK_BYTES (128 * 1024)

/* ---- content --------------------------------------------------------- */

static int write_all(int fd, const char *p, size_t n, off_t at)
{
	while (n > 0) {
		ssize_t w = pwrite(fd, p, n, at);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return w < 0 ? -errno : -EIO;
		p += w;
		n -= (size_t)w;
		at += w;
	}
	return 0;
}

static int copy_blocks(int from, int to, off_t at, off_t end)
{
	AUTO_FREE char *buf = malloc(BLOCK_BYTES);
	int r = buf ? 0 : -ENOMEM;

	while (!r && at < end) {
		size_t want = end - at < BLOCK_BYTES ? (size_t)(end - at)
						     : BLOCK_BYTES;
		ssize_t n = pread(from, buf, want, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) /* shorter than it was */
			return n < 0 ? -errno : -EIO;
		r = write_all(to, buf, (size_t)n, at);
		at += n;
	}
	return r;
}

static int copy_extent(int from, int to, off_t at, off_t end)
{
	while (at < end) {
		off_t in = at, out = at;
		ssize_t n = copy_file_range(from, &in, to, &out,
					    (size_t)(end - at), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EXDEV && errno != EINVAL &&
		    errno != ENOSYS && errno != EOPNOTSUPP)
			return -errno;
		if (n <= 0)
			return copy_blocks(from, to, at, end);
		at += n;
	}
	return 0;
}

int copy_data(int from, int to, uint64_t size)
{
	off_t end = (off_t)size, at = 0, hole;
	int r = 0;

	while (!r && at < end) {
		at = lseek(from, at, SEEK_DATA);
		if (at < 0 && errno == ENXIO)
			break; /* a hole up to the end */
		hole = at < 0 ? -1 : lseek(from, at, SEEK_HOLE);
		if (hole < 0) /* it cannot tell */
			return copy_extent(from, to, 0, end);
		if (hole > end)
			hole = end;
		r = copy_extent(from, to, at, hole);
		at = hole;
	}
	if (!r && ftruncate(to, end) < 0)
		r = -errno;
	return r;
}

/* ---- attributes ------------------------------------------------------ */

static int copy_xattr(int from, int to, const char *name, char *value)
{
	ssize_t n = fgetxattr(from, name, value, XATTR_SIZE_MAX);

	if (n < 0)
		return errno == ENODATA ? 0 : -errno;
	if (fsetxattr(to, name, value, (size_t)n, 0) < 0 &&
	    errno != EOPNOTSUPP && errno != EPERM)
		return -errno;
	return 0;
}

int copy_xattrs(int from, int to)
{
	AUTO_FREE char *names = malloc(XATTR_LIST_MAX);
	AUTO_FREE char *value = malloc(XATTR_SIZE_MAX);
	ssize_t n;
	int r = 0;

	if (!names || !value)
		return -ENOMEM;
	n = flistxattr(from, names, XATTR_LIST_MAX);
	if (n < 0)
		return errno == EOPNOTSUPP ? 0 : -errno;
	for (char *p = names; !r && p < names + n; p += strlen(p) + 1)
		if (!strncmp(p, "user.", 5) ||
		    !strcmp(p, "system.posix_acl_access"))
			r = copy_xattr(from, to, p, value);
	return r;
}
