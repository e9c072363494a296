/* SPDX-License-Identifier: MIT
 *
 * status_locks.h - who holds and who waits for which lock.
 *
 * With fs->lock held, but for what is marked (free): that wants it not held.
 */
#ifndef FS_STATUS_LOCKS_H
#define FS_STATUS_LOCKS_H

#include <jansson.h>
#include <stdio.h>

#include "fs.h"

/* locks.json: every holder and waiter, path by path.  A text that the caller
 * frees, or NULL: no memory (free). */
char *status_locks(struct fs *fs);

/* For status.json: what was counted. */
json_t *status_locks_counted(struct fs *fs);
/* For the metrics. */
void status_locks_metrics(struct fs *fs, FILE *f);

#endif
