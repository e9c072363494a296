/* SPDX-License-Identifier: MIT */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include "place.h"

/* atio_store_open would make what is missing. */
static int check_state(const char *path, int fd, struct atio_error *err)
{
	struct stat st;

	if (fstatat(fd, CONTROL_DIR, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return atio_fail(err, EBUSY,
				 "%s is a mount: unmount it first (nothing is "
				 "left to settle while it works)",
				 path);
	if (fstatat(fd, ATIO_STATE_DIR, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? atio_fail(err, ENOENT,
						   "%s is no source: it has no "
						   "directory " ATIO_STATE_DIR,
						   path)
				       : atio_fail(err, errno, "%s: %s", path,
						   strerror(errno));
	return 0;
}

int store_open(const char *path, int fd, bool only_look,
	       struct atio_store **ret_store, struct atio_error *err)
{
	struct atio_store_options options = {
		.version = ATIO_STORE_OPTIONS_VERSION,
		.durable = true,
		.quarantine_max_bytes = INT64_MAX,
		.quarantine_max_age_s = INT64_MAX,
	};
	struct atio_error first = ATIO_ERROR_INIT;
	int r = check_state(path, fd, err);

	if (r < 0)
		return r;
	r = atio_store_open(fd, &options, ret_store, &first);
	if (r == -EROFS && only_look) {
		options.no_lock = true; /* the lock cannot be written */
		return atio_store_open(fd, &options, ret_store, err);
	}
	if (r == -EBUSY)
		return atio_fail(err, EBUSY,
				 "%s is mounted: unmount it first, or use the "
				 "mount",
				 path);
	return r < 0 ? atio_fail(err, -r, "%s: %s", path, first.text) : 0;
}
