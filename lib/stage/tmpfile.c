/* SPDX-License-Identifier: MIT
 *
 * Files without a name.
 */
#include "stage/store.h"

#include <errno.h>
#include <fcntl.h>

int atio_tmpfile_open(int dirfd, mode_t mode)
{
	int fd = openat(dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, mode);

	if (fd >= 0)
		return fd;
	/* So say file systems, and kernels, that have no such thing. */
	if (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL ||
	    errno == ENOENT)
		return -EOPNOTSUPP;
	return -errno;
}

int atio_tmpfile_link(int fd, int dirfd, const char *name)
{
	char proc[32];

	(void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, proc, dirfd, name, AT_SYMLINK_FOLLOW) < 0
		       ? -errno
		       : 0;
}
