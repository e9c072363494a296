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
#include <sys/xattr.h>
#include <unistd.h>

#include "entry.h"
#include "guard.h"
#include "log.h"
#include "open.h"
#include "session.h"
#include "txn.h"

/* Without reflinks, fsync publishes copies up to this size (S13). */
#define CHEAP_COPY_BYTES (64ll * 1024 * 1024)

/* What a name leads to at this moment. */
struct target {
	int dirfd;
	const char *name;
	bool exists;
	struct file_key key;
	struct stat st;
};

static int target_look(struct fs *fs, const struct txn *txn,
		       struct target *ret_t)
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

static int report(struct fs *fs, struct txn *txn, const char *op, int r,
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

/* ---- prepare --------------------------------------------------------- */

static int check_conflict(struct fs *fs, struct txn *txn,
			  const struct target *t)
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
	return report(fs, txn, "copy attributes", r, &err);
}

/* Writing clears setuid, setgid and file capabilities (inode(7)); here the
 * kernel leaves it to the daemon (FUSE_HANDLE_KILLPRIV_V2). */
static void drop_privs(struct txn *txn)
{
	int fd = atio_shadow_fd(txn->shadow);
	mode_t drop = S_ISUID;
	struct stat st;

	if (txn->meta_set || fstat(fd, &st) < 0 ||
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

/* Busy and locked: what can be seen without I/O. */
static int check(struct fs *fs, struct txn *txn)
{
	struct target t;
	int r;

	if (txn->fate != FATE_PUBLISH)
		return -txn->error;
	if (txn->unseen && (txn->was_low || guard_is_low(fs))) {
		txn_fail(txn, FATE_FAILED, ENOSPC);
		return report(fs, txn, "close", -ENOSPC,
			      &(struct atio_error){
				      0, "too little space was left to tell "
					 "whether every write succeeded"});
	}
	r = target_look(fs, txn, &t);
	if (!r)
		r = check_conflict(fs, txn, &t);
	if (r == -ESTALE) {
		txn_fail(txn, FATE_CONFLICT, ESTALE);
		return report(fs, txn, "close", r,
			      &(struct atio_error){
				      0, "another process replaced the file "
					 "meanwhile"});
	}
	if (!r)
		r = refresh_meta(fs, txn, &t);
	if (r < 0) {
		txn_fail(txn, FATE_FAILED, -r);
		return report(fs, txn, "close", r, NULL);
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

static int append_to_current(struct fs *fs, struct txn *txn,
			     struct atio_shadow **ret_shadow,
			     struct atio_error *err);

/* A file with several links will be rewritten in place, which must not run out
 * of space half way: its inode, to be given room.  -1: it is not one. */
static int target_to_reserve(struct fs *fs, const struct txn *txn)
{
	struct target t;

	if (!txn->entry || target_look(fs, txn, &t) < 0 || !t.exists ||
	    t.st.st_nlink <= 1)
		return -1;
	return openat(t.dirfd, t.name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
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
		return report(fs, txn, "flush", r, &err);
	}
	if (snapshot) {
		txn->snapshot = copy;
		fs->count.snapshots++;
	} else {
		txn->prepared = true;
	}
	return 0;
}

int txn_prepare(struct fs *fs, struct txn *txn)
{
	int r = 0;

	txn_busy_begin(fs, txn);
	if (!txn->entry) {
		r = -txn->error;
	} else if (txn_dirty(txn) || txn->fate != FATE_PUBLISH) {
		r = check(fs, txn);
		if (!r)
			r = flush_unlocked(fs, txn,
					   used_by_others(txn) || txn->rebased);
	}
	txn_busy_end(fs, txn);
	return r;
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
	txn_path(fs, txn, path, sizeof(path));
	if (txn->entry)
		r = target_look(fs, txn, &t);
	fd = !r && t.exists ? openat(t.dirfd, t.name,
				     O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
			    : -1;
	if (fd >= 0)
		txn->base = t.key;
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
		if (o->pid && o->pid == txn->pid) {
			o->base = *now;
			o->base_ctime = *ctime;
		} else {
			o->conflict = true;
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
	struct node *node;
	int r, fd;

	session_may_block(fs);
	while (fs->redo.ino) /* one at a time: names may share the inode */
		fs_wait(fs);
	if (!txn->entry)
		return -ESTALE;
	fd = openat(node_dirfd(fs, txn->entry->dir), txn->entry->name,
		    O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return atio_fail(err, errno, "open for rewriting in place");
	fs->redo = t->key; /* opens of this inode wait (open_wait) */
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

/* Make @shadow what the name leads to.  @quick: with no more than a rename.
 * May drop the lock unless @quick. */
static int place(struct fs *fs, struct txn *txn, struct atio_shadow *shadow,
		 bool quick)
{
	struct atio_error err = ATIO_ERROR_INIT;
	struct target t;
	struct file_key key;
	struct node *old;
	struct stat st;
	int r, old_fd = -1;

	r = target_look(fs, txn, &t);
	if (!r && t.exists && t.st.st_nlink > 1) {
		if (quick)
			return -EAGAIN;
		r = place_in_place(fs, txn, &t, shadow, &err);
		if (!r && txn->entry)
			r = target_look(fs, txn, &t);
		if (!r && txn->entry)
			published(fs, txn, &t.key, &t.key, &t.st);
		return report(fs, txn, "commit", r, &err);
	}
	if (!r)
		r = key_stat(atio_shadow_fd(shadow), "", &key, &st);
	if (!r && t.exists)
		old_fd = old_version_fd(txn, &t);
	if (!r)
		r = atio_shadow_commit(shadow, t.dirfd, t.name,
				       t.exists ? 0 : ATIO_COMMIT_NOREPLACE,
				       &err);
	if (r < 0) {
		guard_close(old_fd);
		return report(fs, txn, "commit", r, &err);
	}
	old = t.exists ? node_find(fs, &t.key) : NULL;
	if (old)
		node_supersede(fs, old, old_fd);
	else
		guard_close(old_fd);
	/* The rename moved the ctime on. */
	(void)key_stat(atio_shadow_fd(shadow), "", &key, &st);
	published(fs, txn, &t.key, &key, &st);
	return 0;
}

/* ---- publishing ------------------------------------------------------ */

/* Busy, prepared: the snapshot takes the name. */
static int place_snapshot(struct fs *fs, struct txn *txn, bool quick)
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

	txn_busy_begin(fs, txn);
	if (!txn->entry || txn->fate != FATE_PUBLISH)
		r = -txn->error;
	else if (txn_dirty(txn)) {
		r = check(fs, txn);
		if (!r)
			r = flush_unlocked(fs, txn, true);
		if (!r && txn->entry) {
			dir = txn->entry->dir;
			node_ref(dir);
		}
		if (!r)
			r = place_snapshot(fs, txn, false);
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

static int sync_only(struct fs *fs, struct txn *txn, bool named)
{
	struct atio_error err = ATIO_ERROR_INIT;
	int r = 0;

	txn_busy_begin(fs, txn);
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
			(void)report(fs, txn, "fsync", r, &err);
		}
		txn->prepared = !r;
	}
	txn_busy_end(fs, txn);
	return r;
}

int txn_sync(struct fs *fs, struct txn *txn)
{
	struct stat st;

	if (!txn->entry || txn->fate != FATE_PUBLISH)
		return txn->error ? -txn->error : sync_only(fs, txn, false);
	if (fstat(atio_shadow_fd(txn->shadow), &st) < 0)
		return -errno;
	if (atio_store_can_clone(fs->store) || st.st_size <= CHEAP_COPY_BYTES)
		return txn_publish(fs, txn, true);
	return txn_dirty(txn) ? sync_only(fs, txn, true) : 0;
}

/* The shadow itself takes the name, and the transaction is over. */
static int commit_shadow(struct fs *fs, struct txn *txn, bool quick)
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

static bool is_prepared(const struct txn *txn)
{
	return (txn->prepared || txn->snapshot) &&
	       atio_shadow_changed(txn->shadow) == 0;
}

int txn_commit_snapshot_quick(struct fs *fs, struct txn *txn)
{
	struct target t;

	if (!txn->snapshot || !is_prepared(txn))
		return -EAGAIN;
	if (target_look(fs, txn, &t) < 0 || check_conflict(fs, txn, &t) < 0)
		return -EAGAIN; /* the slow way reports it */
	if (txn->rebased && !key_equal(&t.key, &txn->base))
		return -EAGAIN; /* made from a version that is gone */
	return place_snapshot(fs, txn, true);
}

int txn_commit_quick(struct fs *fs, struct txn *txn)
{
	struct target t;
	int r;

	if (!is_prepared(txn))
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
	return commit_shadow(fs, txn, true);
}

int txn_commit(struct fs *fs, struct txn *txn)
{
	int r;

	txn_busy_begin(fs, txn);
	r = check(fs, txn); /* somebody may have come between */
	if (!r && (!is_prepared(txn) || (txn->rebased && !txn->snapshot)))
		r = flush_unlocked(fs, txn, txn->rebased);
	if (!r && txn->entry && txn->snapshot) {
		r = place_snapshot(fs, txn, false);
		if (!r)
			txn_reap(fs, txn);
	} else if (!r && txn->entry) {
		r = commit_shadow(fs, txn, false);
		if (r < 0)
			txn_fail(txn, FATE_FAILED, -r);
	} else if (!r) {
		r = -ENOENT; /* cut off meanwhile: its fate says why */
	}
	if (r < 0)
		txn->busy = false;
	pthread_cond_broadcast(&fs->settled);
	return r;
}
