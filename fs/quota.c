/* SPDX-License-Identifier: MIT */
#include "quota.h"

#include <stdint.h>
#include <sys/quota.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Linux 5.14; Debian 12's glibc has no wrapper. */
static int quotactl_on(int fd, unsigned cmd, unsigned id, void *addr)
{
#ifdef SYS_quotactl_fd
	return (int)syscall(SYS_quotactl_fd, fd, cmd, id, addr);
#else
	return -1;
#endif
}

bool quota_active(int dirfd)
{
	static const unsigned types[] = {USRQUOTA, GRPQUOTA, 2 /* project */};

	for (unsigned i = 0; i < 3; i++) {
		uint32_t format;

		if (!quotactl_on(dirfd,
				 (unsigned)Q_GETFMT << SUBCMDSHIFT | types[i],
				 0, &format))
			return true;
	}
	return false;
}
