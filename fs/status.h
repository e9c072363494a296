/* SPDX-License-Identifier: MIT
 *
 * status.h - what the daemon says about itself.
 */
#ifndef FS_STATUS_H
#define FS_STATUS_H

#include "fs.h"

/* With fs->lock held.  A text that the caller frees, or NULL: no memory. */
char *status_json(struct fs *fs);
/* Prometheus text exposition format, version 0.0.4. */
char *status_metrics(struct fs *fs);

#endif
