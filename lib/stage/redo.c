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
	struct timespec ts[2];
	struct stat st;
	int r;

	ATIO_FAULT("redo.rewrite");
	r = atio_copy_data(from, target, store->can_clone, err);
	ATIO_FAULT("redo.copied");
	if (!r)
		r = atio_copy_meta(from, target, err);
	if (r < 0)
		return r;
	if (fstat(from, &st) < 0)
		return atio_fail(err, errno, "stat");
	ts[0] = st.st_atim;
	ts[1] = st.st_mtim;
	if (futimens(target, ts) < 0)
		return atio_fail(err, errno, "set the times");
	if (store->durable && fsync(target) < 0)
		return atio_fail(err, errno, "flush to disk: %s",
				 strerror(errno));
	return 0;
}
