/* SPDX-License-Identifier: MIT
 *
 * quota.h - whether disk quotas are enforced on a file system.
 */
#ifndef FS_QUOTA_H
#define FS_QUOTA_H

#include <stdbool.h>

/* Under passthrough, EDQUOT is seen by the program alone, and unlike a full
 * disk it cannot be foreseen from the free space (quotactl(2)). */
bool quota_active(int dirfd);

#endif
