/* SPDX-License-Identifier: MIT
 *
 * Root takes a lock away (ATIO_IOC_BREAK_LOCK): which it was is for the log,
 * and what was written under it is not published.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "locks.h"
#include "log.h"

struct wanted {
	struct fs *fs;
	uint64_t id;
	char text[PATH_MAX + 128];
	struct lock_key key; /* size 0: there is no such lock */
	pid_t tgid;
	bool writes;  /* it is held exclusively */
	bool is_last; /* nobody has another one of that path */
};

static void describe(void *arg, const struct atio_lock_info *info)
{
	const struct handle *h = (void *)(uintptr_t)info->who.handle;
	struct wanted *wanted = arg;
	char path[PATH_MAX];

	if (info->id != wanted->id)
		return;
	wanted->key.size = info->key.size;
	memcpy(wanted->key.bytes, info->key.bytes, info->key.size);
	wanted->tgid = info->who.tgid;
	wanted->writes = !info->waiting && info->mode == ATIO_LOCK_EXCLUSIVE;
	wanted->is_last = true;
	(void)lock_path(wanted->fs, h, path, sizeof(path));
	snprintf(wanted->text, sizeof(wanted->text), "'%s' of process %d (%s)",
		 path, (int)info->who.tgid, info->waiting ? "waiting" : "held");
}

static void find_others(void *arg, const struct atio_lock_info *info)
{
	struct wanted *wanted = arg;

	if (!info->waiting && info->id != wanted->id &&
	    info->key.size == wanted->key.size &&
	    !memcmp(info->key.bytes, wanted->key.bytes, info->key.size))
		wanted->is_last = false;
}

void lock_break(fuse_req_t req, uint64_t id)
{
	struct fs *fs = req_fs(req);
	struct wanted wanted = {.fs = fs, .id = id};
	bool undone = false;
	int r;

	if (fuse_req_ctx(req)->uid != 0) {
		reply_err(req, -EPERM);
		return;
	}
	fs_lock(fs);
	atio_lock_each(fs->locks, describe, &wanted);
	if (wanted.writes)
		atio_lock_each(fs->locks, find_others, &wanted);
	if (wanted.writes && wanted.is_last)
		undone = lock_take_away(fs, lock_key_lent(&wanted.key),
					wanted.tgid);
	fs_unlock(fs);
	r = atio_lock_break(fs->locks, id);
	if (r == 0)
		log_warn("lock %llu of %s was broken by root, pid %d%s",
			 (unsigned long long)id, wanted.text,
			 (int)fuse_req_ctx(req)->pid,
			 undone ? "; what was written is not published" : "");
	if (r < 0)
		reply_err(req, r);
	else
		fuse_reply_ioctl(req, 0, NULL, 0);
}
