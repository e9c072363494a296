/* SPDX-License-Identifier: MIT
 *
 * store.h - the store of a source that is not mounted.
 */
#ifndef TOOLS_STORE_H
#define TOOLS_STORE_H

#include <stdbool.h>
#include <atomicio/stage.h>

/* Open the store of the source @path, which is open as @fd (lent; must stay
 * open as long as the store) and must have one already.  Nothing in its
 * quarantine will be dropped for its age or size: what the bounds are, the
 * mount is told.  @only_look: also on a read-only file system. -EBUSY: it is
 * mounted. */
int store_open(const char *path, int fd, bool only_look,
	       struct atio_store **ret_store, struct atio_error *err);

#endif
