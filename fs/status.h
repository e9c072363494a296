/* SPDX-License-Identifier: MIT
 *
 * status.h - what the daemon says about itself.
 */
#ifndef FS_STATUS_H
#define FS_STATUS_H

#include <jansson.h>

#include "fs.h"

/* With fs->lock held.  A text that the caller frees, or NULL: no memory. */
char *status_json(struct fs *fs);
/* Prometheus text exposition format, version 0.0.4. */
char *status_metrics(struct fs *fs);

/* ---- for those that say more ------------------------------------------ */

/* A string, whatever its bytes. */
json_t *status_text(const char *s);
/* @j (taken; NULL: no memory) as a text that the caller frees, or NULL. */
char *status_dump(json_t *j);
void status_metric(FILE *f, const char *name, const char *type,
		   const char *help, uint64_t value);

#endif
