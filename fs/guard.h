/* SPDX-License-Identifier: MIT
 *
 * guard.h - the keeper: what has to be looked after beside the requests.
 *
 * Free space. Under passthrough a failing write is seen by the program alone.
 * So while shadows are open the free space is watched, and once it has been
 * below a bound, no open shadow can be trusted to be whole: its close reports
 * ENOSPC.  New shadows are served by the daemon from then on, which sees each
 * write, until there is room again.
 *
 * Shadows that are closed but still mapped.
 *
 * Directories that are to be synced (dirsync.c).
 *
 * Locks that are waited for with a limit.
 *
 * Intents whose thread was killed between its two tries.
 */
#ifndef FS_GUARD_H
#define FS_GUARD_H

#include "fs.h"

int guard_start(struct fs *fs);
void guard_stop(struct fs *fs);

/* Look at the free space now. */
bool guard_is_low(struct fs *fs);
/* Whether there is enough for a shadow whose failing writes are not seen. */
bool guard_has_room(struct fs *fs);

/* There is something new to look after (with fs->lock). */
void guard_wake(void);

/* Close @fd soon, elsewhere (with fs->lock): what frees an inode takes longer
 * than the request that gives it up. */
void guard_close(int fd);

#endif
