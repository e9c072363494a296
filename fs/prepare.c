/* SPDX-License-Identifier: MIT
 *
 * What has to be done, and can fail, before a shadow becomes the file: the
 * disk-full guard, conflicts, attributes, the flush.  close(2) reports it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "entry.h"
#include "guard.h"
#include "log.h"
#include "publish.h"
#include "session.h"

/* A file that is replaced faster than anything can be appended to it. */
#define MAX_REBASE 64

int target_look(struct fs *fs, const struct txn *txn, struct target *ret_t)
{
	struct target t = {.dirfd = node_dirfd(fs, txn->entry->dir),
			   .name = txn->entry->name};
	int r;

	if (t.dirfd < 0)
		return t.dirfd == -ESTALE ? -ENOENT : t.dirfd;
	r = key_stat(t.dirfd, t.name, &t.key, &t.st);
	if (r < 0 && r != -ENOENT)
		return r;
	t.exists = !r;
	if (t.exists && !S_ISREG(t.st.st_mode))
		return S_ISDIR(t.st.st_mode) ? -EISDIR : -EEXIST;
	*ret_t = t;
	return 0;
}

int txn_report(struct fs *fs, struct txn *txn, const char *op, int r,
	       const struct atio_error *err)
{
	char path[PATH_MAX];

	if (r >= 0)
		return r;
	log_failure(op, txn_path(fs, txn, path, sizeof(path)), -r,
		    atio_shadow_id(txn->shadow), err ? err->text : NULL);
	fs->count.failures++;
	return r;
}

void redo_wait(struct fs *fs)
{
	while (fs->redo.ino)
		fs_wait(fs);
}

int check_conflict(struct fs *fs, struct txn *txn, const struct target *t)
{
	bool replaced =
		t->exists && txn->base.ino && !key_equal(&t->key, &txn->base);

	if (txn->kind != TXN_UPDATE || (!replaced && !txn->conflict))
		return 0;
	if (txn->append_only)
		txn->rebased = true;
	if (txn->append_only || fs->opts->conflict_last)
		return 0;
	fs->count.conflicts++;
	return -ESTALE;
}

/* Writing clears setuid, setgid and file capabilities (inode(7)); here the
 * kernel leaves it to the daemon (FUSE_HANDLE_KILLPRIV_V2). */
static void drop_privs(struct txn *txn)
{
	int fd = atio_shadow_fd(txn->shadow);
	mode_t drop = S_ISUID;
	struct stat st;

	if (txn->mode_set || fstat(fd, &st) < 0 ||
	    (txn->kind == TXN_NEW && !st.st_size))
		return;
	if (txn->kind != TXN_NEW)
		(void)fremovexattr(fd, "security.capability");
	if (txn->keeps_privs)
		return;
	if ((st.st_mode & S_IXGRP) || txn->outsider)
		drop |= S_ISGID;
	if (st.st_mode & drop)
		(void)fchmod(fd, st.st_mode & 07777 & ~drop);
}

/* Somebody changed the current version's owner, mode or xattrs while the
 * shadow was open: the new version has them too (S17). */
static int refresh_meta(struct fs *fs, struct txn *txn, const struct target *t)
{
	struct atio_error err = ATIO_ERROR_INIT;
	int r, fd;

	if (!t->exists || !txn->base.ino || txn->meta_set ||
	    !key_equal(&t->key, &txn->base) ||
	    (t->st.st_ctim.tv_sec == txn->base_ctime.tv_sec &&
	     t->st.st_ctim.tv_nsec == txn->base_ctime.tv_nsec))
		return 0;
	fd = openat(t->dirfd, t->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = atio_shadow_copy_meta(txn->shadow, fd, &err);
	close(fd);
	txn->base_ctime = t->st.st_ctim;
	if (txn->unpublished || atio_shadow_changed(txn->shadow) != 0)
		drop_privs(txn);
	return txn_report(fs, txn, "copy attributes", r, &err);
}

/* Busy and locked: what can be seen without I/O. */
static int check(struct fs *fs, struct txn *txn)
{
	struct target t;
	int r;

	if (txn->fate != FATE_PUBLISH)
		return -txn->error;
	if (txn->unseen && (txn->was_low || guard_is_low(fs))) {
		txn_fail(txn, FATE_FAILED, ENOSPC);
		return txn_report(fs, txn, "close", -ENOSPC,
				  &(struct atio_error){
					  0,
					  "too little space was left to tell "
					  "whether every write succeeded"});
	}
	r = target_look(fs, txn, &t);
	if (!r)
		r = check_conflict(fs, txn, &t);
	if (r == -ESTALE) {
		txn_fail(txn, FATE_CONFLICT, ESTALE);
		return txn_report(fs, txn, "close", r,
				  &(struct atio_error){
					  0,
					  "another process replaced the file "
					  "meanwhile"});
	}
	if (!r)
		r = refresh_meta(fs, txn, &t);
	if (!r)
		txn->in_place = t.exists && t.st.st_nlink > 1;
	if (r < 0) {
		txn_fail(txn, FATE_FAILED, -r);
		return txn_report(fs, txn, "close", r, NULL);
	}
	return 0;
}

static bool used_by_others(const struct txn *txn)
{
	return txn->pins || (txn->handles && txn->handles->next);
}

/* Note what is there now as seen; what is written from here on is a change. */
static int mark(struct fs *fs, struct txn *txn)
{
	int r = atio_shadow_changed(txn->shadow);

	if (r < 0)
		return r;
	if (r > 0)
		drop_privs(txn);
	txn->unpublished |= r > 0;
	txn->prepared = false;
	if (txn->snapshot)
		(void)atio_shadow_discard(txn->snapshot);
	atio_shadow_free(txn->snapshot);
	txn->snapshot = NULL;
	return atio_shadow_mark_clean(txn->shadow);
}

/* ---- append ---------------------------------------------------------- */

static int copy_tail(int from, off_t at, int to)
{
	off_t end = lseek(to, 0, SEEK_END);
	ssize_t n;

	if (end < 0)
		return -errno;
	do {
		n = copy_file_range(from, &at, to, &end, 1 << 30, 0);
	} while (n > 0);
	return n < 0 ? -errno : 0;
}

/* Without the lock: the current version, with the tail of @txn behind it. */
static int append_to_current(struct fs *fs, struct txn *txn,
			     struct atio_shadow **ret_shadow,
			     struct atio_error *err)
{
	char path[PATH_MAX];
	struct atio_origin origin = {path, txn->pid, txn->uid};
	struct atio_shadow *copy = NULL;
	struct target t = {.exists = false};
	int r = -ENOENT, fd;

	fs_lock(fs);
	redo_wait(fs);
	txn_path(fs, txn, path, sizeof(path));
	if (txn->entry)
		r = target_look(fs, txn, &t);
	fd = !r && t.exists ? openat(t.dirfd, t.name,
				     O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
			    : -1;
	if (fd >= 0) {
		txn->base = t.key;
		txn->conflict = false; /* told of what comes from here on */
	}
	fs_unlock(fs);
	if (fd < 0) /* it is gone: what we have is all there is */
		return atio_shadow_snapshot(txn->shadow, ret_shadow, err);
	r = atio_shadow_update(fs->store, fd, &origin, &copy, err);
	close(fd);
	if (r < 0)
		return r;
	r = copy_tail(atio_shadow_fd(txn->shadow), txn->tail,
		      atio_shadow_fd(copy));
	if (r < 0) {
		(void)atio_shadow_discard(copy);
		atio_shadow_free(copy);
		return atio_fail(err, -r, "append to the new version");
	}
	atio_shadow_set_changed(copy);
	*ret_shadow = copy;
	return 0;
}

/* ---- flush ----------------------------------------------------------- */

/* A file with several links will be rewritten in place, which must not run out
 * of space half way: its inode, to be given room.  -1: it is not one. */
static int target_to_reserve(struct fs *fs, const struct txn *txn)
{
	int dirfd = txn->in_place ? node_dirfd(fs, txn->entry->dir) : -1;

	return dirfd < 0 ? -1
			 : openat(dirfd, txn->entry->name,
				  O_RDWR | O_NOFOLLOW | O_CLOEXEC);
}

/* Busy: flush the shadow, or a snapshot of it, without the lock. */
static int flush_unlocked(struct fs *fs, struct txn *txn, bool snapshot)
{
	struct atio_error err = ATIO_ERROR_INIT;
	struct atio_shadow *copy = NULL;
	int r, target = target_to_reserve(fs, txn);

	r = mark(fs, txn);
	session_may_block(fs);
	fs_unlock(fs);
	if (!r && snapshot) {
		r = txn->rebased
			    ? append_to_current(fs, txn, &copy, &err)
			    : atio_shadow_snapshot(txn->shadow, &copy, &err);
		if (!r)
			r = atio_shadow_prepare(copy, &err);
	} else if (!r) {
		r = atio_shadow_prepare(txn->shadow, &err);
	}
	if (!r && target >= 0)
		r = atio_shadow_reserve(copy ? copy : txn->shadow, target,
					&err);
	if (target >= 0)
		close(target);
	fs_lock(fs);
	if (r < 0) {
		if (copy)
			(void)atio_shadow_discard(copy);
		atio_shadow_free(copy);
		txn_fail(txn, FATE_FAILED, -r);
		return txn_report(fs, txn, "flush", r, &err);
	}
	if (snapshot) {
		txn->snapshot = copy;
		fs->count.snapshots++;
	} else {
		txn->prepared = true;
	}
	return 0;
}

/* The snapshot was made from a version that is current no more. */
static bool is_stale(struct fs *fs, const struct txn *txn)
{
	struct target t;

	return txn->rebased && (!txn->snapshot || txn->conflict ||
				target_look(fs, txn, &t) < 0 ||
				(t.exists && !key_equal(&t.key, &txn->base)));
}

int txn_make_ready(struct fs *fs, struct txn *txn, bool flushed, bool snapshot)
{
	int r;

	for (int i = 0; i < MAX_REBASE; i++) {
		redo_wait(fs);
		if (!txn->entry)
			return -txn->error;
		r = check(fs, txn);
		if (r < 0 || (flushed && !is_stale(fs, txn)))
			return r;
		r = flush_unlocked(fs, txn, snapshot || txn->rebased);
		if (r < 0)
			return r;
		flushed = true;
	}
	txn_fail(txn, FATE_CONFLICT, ESTALE);
	return txn_report(fs, txn, "close", -ESTALE,
			  &(struct atio_error){0, "other processes replace "
						  "the file all the time"});
}

bool txn_is_prepared(const struct txn *txn)
{
	return (txn->prepared || txn->snapshot) &&
	       atio_shadow_changed(txn->shadow) == 0;
}

int txn_prepare(struct fs *fs, struct txn *txn)
{
	int r = 0;

	if (!txn_busy_begin(fs, txn))
		return 0;
	if (!txn->entry)
		r = -txn->error;
	else if (txn_dirty(txn) || txn->fate != FATE_PUBLISH)
		r = txn_make_ready(fs, txn, false, used_by_others(txn));
	txn_busy_end(fs, txn);
	return r;
}

int txn_flush_only(struct fs *fs, struct txn *txn, bool named)
{
	struct atio_error err = ATIO_ERROR_INIT;
	int r = 0;

	if (!txn_busy_begin(fs, txn))
		return 0;
	redo_wait(fs);
	if (named)
		r = check(fs, txn);
	if (!r) {
		r = mark(fs, txn);
		session_may_block(fs);
		fs_unlock(fs);
		if (!r)
			r = named ? atio_shadow_sync(txn->shadow, &err)
				  : atio_shadow_prepare(txn->shadow, &err);
		fs_lock(fs);
		if (r < 0) {
			txn_fail(txn, FATE_FAILED, -r);
			(void)txn_report(fs, txn, "fsync", r, &err);
		}
		txn->prepared = !r;
	}
	txn_busy_end(fs, txn);
	return r;
}
