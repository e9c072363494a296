/* SPDX-License-Identifier: MIT */
#include "creds.h"

#include <linux/capability.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

static struct __user_cap_data_struct saved[2];
static bool able;
static uid_t own_uid;
static gid_t own_gid;

static struct __user_cap_header_struct cap_header(void)
{
	return (struct __user_cap_header_struct){
		.version = _LINUX_CAPABILITY_VERSION_3};
}

int creds_init(void)
{
	const uint32_t need = 1u << CAP_SETUID | 1u << CAP_SETGID |
			      1u << CAP_DAC_OVERRIDE | 1u << CAP_SYS_ADMIN;
	struct __user_cap_header_struct head = cap_header();

	own_uid = geteuid();
	own_gid = getegid();
	if (syscall(SYS_capget, &head, saved) < 0)
		return 0;
	able = (saved[0].effective & need & ~(1u << CAP_SYS_ADMIN)) ==
	       (need & ~(1u << CAP_SYS_ADMIN));
	return able && (saved[0].effective & 1u << CAP_SYS_ADMIN);
}

bool dir_has_default_acl(int dirfd)
{
	return fgetxattr(dirfd, "system.posix_acl_default", NULL, 0) > 0;
}

void creds_enter(uid_t uid, gid_t gid)
{
	struct __user_cap_header_struct head = cap_header();

	if (!able)
		return;
	if (gid != own_gid)
		setfsgid(gid);
	if (uid == own_uid)
		return;
	/* Leaving fsuid 0 drops CAP_DAC_OVERRIDE and its kin. */
	setfsuid(uid);
	(void)syscall(SYS_capset, &head, saved);
}

void creds_leave(void)
{
	if (!able)
		return;
	setfsuid(own_uid);
	setfsgid(own_gid);
}
