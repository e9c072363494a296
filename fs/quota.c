/* SPDX-License-Identifier: MIT */
#include "quota.h"

#include <linux/btrfs.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
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

/* btrfs has its own kind, and says so in /sys from Linux 5.9 on. */
static bool has_qgroups(int dirfd)
{
	struct btrfs_ioctl_fs_info_args info = {0};
	char path[96], uuid[37], *p = uuid;

	if (ioctl(dirfd, BTRFS_IOC_FS_INFO, &info) < 0)
		return false;
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		p += snprintf(p, 3, "%02x", info.fsid[i]);
	}
	(void)snprintf(path, sizeof(path), "/sys/fs/btrfs/%s/qgroups", uuid);
	return access(path, F_OK) == 0;
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
	return has_qgroups(dirfd);
}
