/* SPDX-License-Identifier: MIT
 *
 * From a shadow to the current version (txn.h has the states).
 *
 * Three ways lead there, chosen by what lies at the name:
 *   rename      nothing, or a file with one link: the shadow takes its place.
 *   in place    a file with several links: its inode is rewritten from the
 *               shadow under a redo record (atio_shadow_redo).
 *   append      the update only appended, and its base was replaced: its tail
 *               is put behind the new version, which is then renamed (S20).
 * Each of them publishes either the shadow itself, when nobody writes to it
 * any more, or a snapshot of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "entry.h"
#include "guard.h"
#include "locks.h"
#include "log.h"
#include "open.h"
#include "session.h"
#include "publish.h"

/* Without reflinks, fsync publishes copies up to this size (S13). */
#define CHEAP_COPY_BYTES (64ll * 1024 * 1024)

/* ---- placing --------------------------------------------------------- */

/* Other updates of the name, or of another name of the inode @old, have lost
 * their base, but for those of the same process, which knows what it does. */
static void tell_others(struct fs *fs, struct txn *txn,
			const struct file_key *old, const struct file_key *now,
			const struct timespec *ctime)
{
	for (struct txn *o = fs->txns; o; o = o->all_next) {
		if (o == txn || o->kind != TXN_UPDATE || !o->entry ||
		    (o->entry != txn->entry &&
		     !(old->ino && key_equal(&o->base, old))))
			continue;
		o->behind = true;
		if (o->pid && o->pid == txn->pid) {
			o->base = *now;
			o->base_ctime = *ctime;
		} else {
			o->conflict = true;
			if (o->shadow)
				atio_shadow_retract(o->shadow);
		}
	}
}

/* @txn has put inode @key in the place of @old (which may be the same). */
static void published(struct fs *fs, struct txn *txn,
		      const struct file_key *old, const struct file_key *key,
		      const struct stat *st)
{
	tell_others(fs, txn, old, key, &st->st_ctim);
	txn->base = *key;
	txn->base_ctime = st->st_ctim;
	txn->unpublished = false;
	txn->conflict = false;
	txn->behind = txn->rebased;
	txn->tail = st->st_size;
	if (txn->rebased) {
		struct stat own;

		if (!fstat(atio_shadow_fd(txn->shadow), &own))
			txn->tail = own.st_size;
	}
	if (txn->kind == TXN_NEW)
		txn->kind = txn->shared ? TXN_UPDATE : TXN_REPLACE;
	fs->count.commits++;
	dirsync_queue(fs, txn->entry->dir);
}

/* Readers that the daemon serves keep the version they opened: give them a
 * copy of their own before the inode is rewritten (drops). */
static int detach_readers(struct fs *fs, const struct file_key *key,
			  int target_fd)
{
	const struct atio_origin origin = {.path = ""};
	struct atio_shadow *copy = NULL;
	int r;

	if (!opened_detach(fs, key, -1))
		return 0;
	fs_unlock(fs);
	r = atio_shadow_update(fs->store, target_fd, &origin, &copy, NULL);
	fs_lock(fs);
	if (r < 0)
		return r;
	(void)opened_detach(fs, key, atio_shadow_fd(copy));
	(void)atio_shadow_discard(copy);
	atio_shadow_free(copy);
	return 0;
}

/* Rewrite the inode at the name from @shadow (drops). */
static int place_in_place(struct fs *fs, struct txn *txn,
			  const struct target *t, struct atio_shadow *shadow,
			  struct atio_error *err)
{
	char path[PATH_MAX];
	struct node *node;
	int r, fd;

	session_may_block(fs);
	fd = openat(node_dirfd(fs, txn->entry->dir), txn->entry->name,
		    O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return atio_fail(err, errno, "open for rewriting in place");
	fs->redo = t->key; /* one at a time, and opens of it wait */
	(void)atio_shadow_set_path(shadow,
				   txn_path(fs, txn, path, sizeof(path)), NULL);
	r = detach_readers(fs, &t->key, fd);
	if (!r) {
		fs_unlock(fs);
		r = atio_shadow_redo(shadow, fd, err);
		fs_lock(fs);
	}
	node = node_find(fs, &t->key);
	if (node)
		node_retire(fs, node);
	fs->redo.ino = 0;
	pthread_cond_broadcast(&fs->settled);
	close(fd);
	fs->count.in_place += !r;
	return r;
}

/* The inode that is about to lose its name. */
static int old_version_fd(struct txn *txn, const struct target *t)
{
	int fd = txn->base_fd;

	txn->base_fd = -1;
	if (fd >= 0 && key_equal(&txn->base, &t->key))
		return fd;
	guard_close(fd);
	return openat(t->dirfd, t->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

/* One rename.  Writing to a file does not move its directory's mtime, and
 * neither does putting another version in the place of one.  (Whoever changes
 * the directory through the mount holds fs->lock.) */
static int commit_at(const struct target *t, struct atio_shadow *shadow,
		     struct atio_error *err)
{
	struct timespec ts[2] = {{0, UTIME_OMIT}};
	struct stat dir;
	int r;

	if (!t->exists)
		return atio_shadow_commit(shadow, t->dirfd, t->name,
					  ATIO_COMMIT_NOREPLACE, err);
	if (fstat(t->dirfd, &dir) < 0)
		return atio_fail(err, errno, "stat the directory");
	r = atio_shadow_commit(shadow, t->dirfd, t->name, 0, err);
	ts[1] = dir.st_mtim;
	if (!r)
		(void)utimensat(t->dirfd, ".", ts, 0);
	return r;
}

/* Make @shadow what the name leads to.  @quick: what that is now, and to do no
 * more than a rename; else NULL, and the lock may be dropped. */
static int place(struct fs *fs, struct txn *txn, struct atio_shadow *shadow,
		 const struct target *quick)
{
	struct atio_error err = ATIO_ERROR_INIT;
	struct file_key key = {0};
	struct stat st = {0};
	struct target t;
	struct node *old;
	int r = 0, old_fd = -1;

	if (quick)
		t = *quick;
	else
		r = target_look(fs, txn, &t);
	if (!r && t.exists && t.st.st_nlink > 1) {
		if (quick)
			return -EAGAIN;
		r = place_in_place(fs, txn, &t, shadow, &err);
		if (!r && txn->entry)
			r = target_look(fs, txn, &t);
		if (!r && txn->entry)
			published(fs, txn, &t.key, &t.key, &t.st);
		return txn_report(fs, txn, "commit", r, &err);
	}
	if (!r && t.exists) {
		old_fd = old_version_fd(txn, &t);
		locks_count_names(fs, &t.key, 1, txn->entry->dir,
				  txn->entry->name);
	}
	if (!r)
		r = commit_at(&t, shadow, &err);
	if (r < 0) {
		guard_close(old_fd);
		return txn_report(fs, txn, "commit", r, &err);
	}
	old = t.exists ? node_find(fs, &t.key) : NULL;
	if (old) {
		locks_stay(fs, old);
		node_supersede(fs, old, old_fd);
	} else {
		guard_close(old_fd);
	}
	(void)key_stat(atio_shadow_fd(shadow), "", &key, &st);
	published(fs, txn, &t.key, &key, &st);
	return 0;
}

/* ---- publishing ------------------------------------------------------ */

/* Busy, prepared: the snapshot takes the name. */
static int place_snapshot(struct fs *fs, struct txn *txn,
			  const struct target *quick)
{
	struct atio_shadow *copy = txn->snapshot;
	int r;

	if (!txn->entry) /* unlinked meanwhile: FATE says how it ends */
		return 0;
	r = place(fs, txn, copy, quick);
	if (r == -EAGAIN)
		return r;
	txn->snapshot = NULL;
	if (r < 0) {
		(void)atio_shadow_discard(copy);
		txn_fail(txn, FATE_FAILED, -r);
	}
	atio_shadow_free(copy);
	return r;
}

int txn_publish(struct fs *fs, struct txn *txn, bool durable)
{
	struct node *dir = NULL;
	int r = 0;

	if (!txn_busy_begin(fs, txn))
		return 0;
	if (!txn->entry || txn->fate != FATE_PUBLISH)
		r = -txn->error;
	else if (txn_dirty(txn)) {
		r = txn_make_ready(fs, txn, false, true);
		if (!r && txn->entry) {
			dir = txn->entry->dir;
			node_ref(dir);
			r = place_snapshot(fs, txn, NULL);
		}
	} else {
		dir = txn->entry->dir;
		node_ref(dir);
	}
	if (!r && durable && dir)
		r = dirsync_now(fs, dir);
	node_unref(fs, dir);
	txn_busy_end(fs, txn);
	return r;
}

int txn_sync(struct fs *fs, struct txn *txn)
{
	struct stat st;

	if (!txn->entry || txn->fate != FATE_PUBLISH)
		return txn->error ? -txn->error
				  : txn_flush_only(fs, txn, false);
	if (fstat(atio_shadow_fd(txn->shadow), &st) < 0)
		return -errno;
	if (atio_store_can_clone(fs->store) || st.st_size <= CHEAP_COPY_BYTES)
		return txn_publish(fs, txn, true);
	return txn_dirty(txn) ? txn_flush_only(fs, txn, true) : 0;
}

/* The shadow itself takes the name, and the transaction is over. */
static int commit_shadow(struct fs *fs, struct txn *txn,
			 const struct target *quick)
{
	struct node *dir = txn->entry->dir;
	struct file_key own = txn->node->key;
	int r;

	node_ref(dir);
	r = place(fs, txn, txn->shadow, quick);
	node_unref(fs, dir);
	if (r < 0)
		return r;
	txn_over(fs, txn, key_equal(&txn->base, &own));
	return 0;
}

int txn_commit_snapshot_quick(struct fs *fs, struct txn *txn)
{
	struct target t;

	if (!txn->snapshot || !txn_is_prepared(txn))
		return -EAGAIN;
	if (target_look(fs, txn, &t) < 0 || check_conflict(fs, txn, &t) < 0)
		return -EAGAIN; /* the slow way reports it */
	if (txn->rebased && !key_equal(&t.key, &txn->base))
		return -EAGAIN; /* made from a version that is gone */
	return place_snapshot(fs, txn, &t);
}

int txn_commit_quick(struct fs *fs, struct txn *txn)
{
	struct target t;
	int r;

	if (!txn_is_prepared(txn))
		return -EAGAIN;
	if (txn->snapshot) {
		r = txn_commit_snapshot_quick(fs, txn);
		if (!r)
			txn_reap(fs, txn);
		return r;
	}
	if (txn->rebased || target_look(fs, txn, &t) < 0 ||
	    check_conflict(fs, txn, &t) < 0 || txn->rebased)
		return -EAGAIN;
	return commit_shadow(fs, txn, &t);
}

int txn_commit(struct fs *fs, struct txn *txn)
{
	int r;

	if (!txn_busy_begin(fs, txn))
		return 0;
	r = txn->entry ? txn_make_ready(fs, txn, txn_is_prepared(txn), false)
		       : 0;
	if (!r && !txn->entry)
		r = -ENOENT; /* cut off meanwhile: its fate says why */
	if (!r && txn->snapshot) {
		r = place_snapshot(fs, txn, NULL);
		if (!r)
			txn_reap(fs, txn);
	} else if (!r) {
		r = commit_shadow(fs, txn, NULL);
		if (r < 0)
			txn_fail(txn, FATE_FAILED, -r);
	}
	if (r < 0)
		txn->busy = false;
	pthread_cond_broadcast(&fs->settled);
	return r;
}
