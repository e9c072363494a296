/* SPDX-License-Identifier: MIT
 *
 * creds.h - making files that belong to the caller.
 *
 * The kernel has checked the caller's permissions (default_permissions).  What
 * is left is ownership: the thread takes the caller's fsuid and fsgid, and
 * keeps its capabilities, so that the backing file system gives the new inode
 * the owner, group, quota and default ACL it would have given the caller's own
 * call, without a second permission check (setfsuid(2), capabilities(7)).
 */
#ifndef FS_CREDS_H
#define FS_CREDS_H

#include <stdbool.h>
#include <sys/types.h>

/* Remember what this process may do; once, before threads start.  Returns
 * whether it may take other identities. */
int creds_init(void);

/* Whether new files in @dirfd take their mode from a default ACL instead of
 * the umask (acl(5)). */
bool dir_has_default_acl(int dirfd);

void creds_enter(uid_t uid, gid_t gid);
void creds_leave(void);

#endif
