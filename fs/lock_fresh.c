/* SPDX-License-Identifier: MIT
 *
 * What a lock has to do with versions: whoever gets one reads what is current
 * (S22).
 *
 * An open file cannot be pointed at another inode.  So it is the inode that
 * changes: of a shadow that nobody has written to, or of an old version that no
 * name leads to.  It is given the current content, and the kernel is told to
 * ask for its attributes again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "entry.h"
#include "guard.h"
#include "locks.h"
#include "log.h"
#include "open.h"
#include "ops_open.h"
#include "publish.h"
#include "session.h"

/* ---- refreshing ------------------------------------------------------ */

/* The name where the current version is. */
static struct node *current_at(const struct handle *h, const char **ret_name)
{
	struct node *dir = lock_alias_name(h, ret_name);

	if (dir || h->alias)
		return dir;
	*ret_name = h->node->name;
	return h->node->name ? h->node->parent : NULL;
}

/* The inode that others may be rewriting under another name. */
static const struct file_key *current_inode(const struct handle *h)
{
	const struct txn *txn = h->node->txn;

	return txn && txn->base.ino ? &txn->base : &h->node->key;
}

static bool is_behind(const struct txn *txn)
{
	return txn->kind == TXN_UPDATE && txn->behind && txn->entry &&
	       txn->fate == FATE_PUBLISH;
}

/* An old version, of which only who has it open knows. */
static bool is_old(const struct handle *h)
{
	const char *name;

	return !h->node->txn && !node_is_current(h->node) &&
	       !wants_write(h->flags) && lock_alias_name(h, &name);
}

bool lock_is_stale(struct fs *fs, const struct handle *h)
{
	const struct node *node = h->node;
	const char *name;
	struct node *dir;

	if (fs->redo.ino && key_equal(&fs->redo, current_inode(h)))
		return true;
	if (fs->n_pending) {
		dir = current_at(h, &name);
		if (!dir || entry_pending(entry_find(fs, dir, name)) ||
		    key_pending(fs, current_inode(h)))
			return true;
	}
	if (node->txn)
		return node->txn->refreshing || is_behind(node->txn);
	return node->opened->refreshing || node->opened->detached || is_old(h);
}

/* Wait for what was closed before the lock was granted. */
static void settle(struct fs *fs, const struct handle *h)
{
	char copy[NAME_MAX + 1]; /* the name may change meanwhile */
	struct file_key inode;
	const char *name;
	struct node *dir;
	bool waited;

	do {
		redo_wait(fs);
		inode = *current_inode(h);
		waited = key_wait(fs, &inode);
		dir = current_at(h, &name);
		if (!dir)
			continue;
		snprintf(copy, sizeof(copy), "%s", name);
		node_ref(dir);
		waited |= entry_wait(fs, dir, copy);
		node_unref(fs, dir);
	} while (waited);
}

static int open_current(struct fs *fs, struct node *dir, const char *name,
			struct file_key *ret_key, struct stat *ret_st)
{
	int r, fd, dirfd = node_dirfd(fs, dir);

	if (dirfd < 0)
		return -ENOENT;
	fd = openat(dirfd, name,
		    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	/* A symlink, a socket: none either; nor what it may not read. */
	if (fd < 0)
		return errno == ELOOP || errno == ENXIO || errno == EACCES
			       ? -ENOENT
			       : -errno;
	r = key_stat(fd, "", ret_key, ret_st);
	if (!r && !S_ISREG(ret_st->st_mode))
		r = -ENOENT;
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

/* Where the daemon serves the data, the kernel keeps its pages as long as size
 * and mtime stay: so that is another one for each content. */
static void nudge(struct opened *o)
{
	struct stat st;

	if (!o || o->backing_id || fstat(o->fd, &st) < 0)
		return;
	o->nudge++;
	o->nudge_mtime = st.st_mtim;
}

/* Let the kernel ask for the attributes of @node anew (drops).  Attributes
 * only: that waits for nothing. */
static void tell_kernel(struct fs *fs, struct node *node)
{
	nudge(node->opened);
	fs_unlock(fs);
	(void)fuse_lowlevel_notify_inval_inode(fs->se, node_ino(fs, node), -1,
					       0);
	fs_lock(fs);
}

static bool same_acl(int a, int b)
{
	static const char name[] = "system.posix_acl_access";
	char text[2][4096];
	ssize_t n[2] = {fgetxattr(a, name, text[0], sizeof(text[0])),
			fgetxattr(b, name, text[1], sizeof(text[1]))};

	return n[0] == n[1] && (n[0] <= 0 || !memcmp(text[0], text[1], n[0]));
}

/* Whether those who have @node open may read the version @fd, too: it has the
 * permissions of the one they opened, or the caller of @req (NULL: nobody) is
 * alone with it and could open it. */
static bool may_have(fuse_req_t req, struct node *node, int fd,
		     const struct stat *st)
{
	const struct opened *o = node->opened;
	int own = node->txn ? atio_shadow_fd(node->txn->shadow)
			    : (o && o->fd >= 0 ? o->fd : node->fd);
	struct stat now;

	if (fstat(own, &now) == 0 && now.st_uid == st->st_uid &&
	    now.st_gid == st->st_gid && now.st_mode == st->st_mode &&
	    same_acl(own, fd))
		return true;
	return req && o && o->handles == 1 &&
	       may_open(req, node, st, O_RDONLY) &&
	       (!fuse_req_ctx(req)->uid ||
		fgetxattr(fd, "system.posix_acl_access", NULL, 0) <= 0);
}

int lock_begin_anew(struct fs *fs, fuse_req_t req, struct txn *txn)
{
	struct atio_error err = ATIO_ERROR_INIT;
	struct file_key key;
	struct stat st;
	int r, fd;

	fd = open_current(fs, txn->entry->dir, txn->entry->name, &key, &st);
	if (fd < 0) {
		txn->behind = false; /* what it has is all there is */
		return fd == -ENOENT ? 0 : fd;
	}
	if (!key_equal(&key, &txn->base) &&
	    !may_have(req, txn->node, fd, &st)) {
		txn->behind = false;
		close(fd);
		return 0;
	}
	txn->behind = txn->conflict = txn->rebased = false;
	txn->prepared = false;
	txn->shown_ino = entry_shown_ino(txn->entry, &key);
	txn->base = key;
	txn->base_ctime = st.st_ctim;
	txn->base_nlink = st.st_nlink;
	txn->tail = st.st_size;
	guard_close(txn->base_fd);
	txn->base_fd = -1;
	if (txn->snapshot)
		(void)atio_shadow_discard(txn->snapshot);
	atio_shadow_free(txn->snapshot);
	txn->snapshot = NULL;
	txn->refreshing = true;
	fs_unlock(fs);
	r = atio_store_copy(fs->store, fd, atio_shadow_fd(txn->shadow), &err);
	close(fd);
	fs_lock(fs);
	if (!r)
		tell_kernel(fs, txn->node);
	txn->refreshing = false;
	if (!r)
		r = atio_shadow_mark_clean(txn->shadow);
	if (r < 0)
		txn_fail(txn, FATE_FAILED, -r);
	return txn_report(fs, txn, "lock", r, &err);
}

static int refresh_shadow(struct fs *fs, fuse_req_t req, struct txn *txn)
{
	int r = 0;

	if (!txn_busy_begin(fs, txn))
		return 0;
	while (!r && is_behind(txn) && !txn_dirty(txn))
		r = lock_begin_anew(fs, req, txn);
	txn_busy_end(fs, txn);
	return r;
}

/* The inode of @h, to be written; 0: it has a name somewhere, or is not the
 * daemon's to write, and stays. */
static int open_old(struct fs *fs, const struct handle *h)
{
	const char *name;
	char proc[32];
	struct stat st;
	int r, fd;

	r = node_at(fs, h->node, &fd, &name);
	if (r < 0 || *name)
		return r;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_nlink)
		return 0;
	r = node_reopen(fd, O_RDWR);
	if (r != -EACCES || fs->privileged)
		return r;
	/* The owner's own, and read-only: its mode is copied afterwards. */
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	if (chmod(proc, st.st_mode | S_IWUSR) < 0)
		return errno == EPERM ? 0 : -errno;
	return node_reopen(fd, O_RDWR);
}

static int rewrite(struct fs *fs, const struct handle *h, int from, int to)
{
	struct atio_error err = ATIO_ERROR_INIT;
	struct opened *o = h->node->opened;
	char path[PATH_MAX];
	struct stat st;
	int r = 0;

	o->refreshing = true;
	fs_unlock(fs);
	/* Not half of it, for lack of room. */
	if (!atio_store_can_clone(fs->store) && !fstat(from, &st) &&
	    fallocate(to, FALLOC_FL_KEEP_SIZE, 0, st.st_size) < 0 &&
	    (errno == ENOSPC || errno == EDQUOT))
		r = -errno;
	if (!r)
		r = atio_store_copy(fs->store, from, to, &err);
	fs_lock(fs);
	if (!r)
		tell_kernel(fs, h->node);
	o->refreshing = false;
	pthread_cond_broadcast(&fs->settled);
	if (r < 0) {
		(void)lock_path(fs, h, path, sizeof(path));
		log_failure("lock", path, -r, 0, err.text);
	}
	return r;
}

static int refresh_old(struct fs *fs, fuse_req_t req, const struct handle *h)
{
	struct opened *o = h->node->opened;
	struct file_key key;
	const char *name;
	struct node *dir;
	struct stat st;
	int r, from, to;

	while (o->refreshing)
		fs_wait(fs);
	dir = lock_alias_name(h, &name);
	from = dir ? open_current(fs, dir, name, &key, &st) : -ENOENT;
	if (from < 0)
		return from == -ENOENT ? 0 : from;
	if (key_equal(&key, &h->node->key) ||
	    (key_equal(&key, &o->content) &&
	     !memcmp(&st.st_ctim, &o->content_ctime, sizeof(st.st_ctim)))) {
		close(from);
		return 0;
	}
	to = may_have(req, h->node, from, &st) ? open_old(fs, h) : 0;
	r = to > 0 ? rewrite(fs, h, from, to) : to;
	if (to > 0 && !r) {
		o->content = key;
		o->content_ctime = st.st_ctim;
	}
	if (to > 0)
		close(to);
	close(from);
	return r;
}

/* A reader was given a copy of its own, when the inode was rewritten. */
static int reattach(struct fs *fs, struct node *node)
{
	struct file_key key;
	struct stat st;
	int r = 0, fd;

	if (!node->parent || !node->name)
		return 0;
	fd = open_current(fs, node->parent, node->name, &key, &st);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (key_equal(&key, &node->key)) {
		r = opened_attach(node->opened, fd);
		node->opened->refreshing = true;
		tell_kernel(fs, node);
		node->opened->refreshing = false;
		pthread_cond_broadcast(&fs->settled);
	}
	close(fd);
	return r;
}

int lock_refresh(struct fs *fs, fuse_req_t req, struct handle *h)
{
	int r = 0;

	session_may_block(fs);
	settle(fs, h);
	if (!lock_is_stale(fs, h))
		return 0;
	if (h->node->txn)
		r = refresh_shadow(fs, req, h->node->txn);
	else if (h->node->opened->detached)
		r = reattach(fs, h->node);
	else
		r = refresh_old(fs, req, h);
	return r;
}
