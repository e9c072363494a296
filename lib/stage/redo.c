/* SPDX-License-Identifier: MIT
 *
 * Rewriting a file in place.  Not atomic by itself: the redo record that
 * stands while it runs makes it so, because it can be run again.
 */
#include "stage/store.h"

#include <errno.h>
#include <string.h>

int atio_rewrite(struct atio_store *store, int from, int target,
		 struct atio_error *err)
{
	int r;

	ATIO_FAULT("redo.rewrite");
	r = atio_copy_data(from, target, store->can_clone, err);
	ATIO_FAULT("redo.copied");
	if (!r)
		r = atio_copy_meta(from, target, err);
	if (r < 0)
		return r;
	r = atio_copy_times(from, target);
	if (r < 0)
		return atio_fail(err, -r, "set the times");
	if (store->durable && fsync(target) < 0)
		return atio_fail(err, errno, "flush to disk: %s",
				 strerror(errno));
	return 0;
}
