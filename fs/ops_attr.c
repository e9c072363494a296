/* SPDX-License-Identifier: MIT
 *
 * Attributes: stat, chmod, chown, truncate, utimens, xattrs, statfs.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "ctl.h"
#include "log.h"
#include "open.h"
#include "ops.h"
#include "session.h"

/* ---- stat ------------------------------------------------------------ */

/* Programs compare the inode they write with the one they found, and that of a
 * version they locked with what is now there under its name. */
ino_t node_shown_ino(struct fs *fs, const struct node *node)
{
	const struct file_key *key = &node->key;
	const struct txn *txn = node->txn;

	if (txn)
		return txn->shown_ino ? txn->shown_ino : key->ino;
	if (node->opened && node->opened->content.ino)
		key = &node->opened->content;
	return node->parent && node->name
		       ? entry_shown_ino(
				 entry_find(fs, node->parent, node->name), key)
		       : key->ino;
}

/* See lock_fresh.c. */
static void show_mtime(const struct node *node, struct stat *st)
{
	const struct opened *o = node->opened;

	if (!o || !o->nudge || o->nudge_mtime.tv_sec != st->st_mtim.tv_sec ||
	    o->nudge_mtime.tv_nsec != st->st_mtim.tv_nsec)
		return;
	st->st_mtim.tv_nsec += o->nudge % 1000000;
	st->st_mtim.tv_sec += st->st_mtim.tv_nsec / 1000000000;
	st->st_mtim.tv_nsec %= 1000000000;
}

int node_attr(struct fs *fs, struct node *node, struct stat *ret_st)
{
	int r;

	if (node->is_ctl)
		return ctl_stat(fs, node, ret_st);
	r = node_stat(fs, node, ret_st);
	if (!r && node->type == S_IFREG) {
		ret_st->st_ino = node_shown_ino(fs, node);
		show_mtime(node, ret_st);
	}
	/* A shadow's only name is in the stage: its program shall see those
	 * that it will have. */
	if (!r && node->txn && !node->txn->entry)
		ret_st->st_nlink = 0;
	else if (!r && node->txn && node->txn->base_nlink > 1)
		ret_st->st_nlink = node->txn->base_nlink;
	return r;
}

double attr_timeout(struct fs *fs, const struct node *node,
		    const struct stat *st)
{
	/* Shadows and files written in place change behind the kernel's back;
	 * one with several links by a commit through another name. */
	if (node != &fs->root && (node->txn || (node->flags & NODE_IN_PLACE) ||
				  !node_is_current(node)))
		return 0;
	if (S_ISREG(st->st_mode) && st->st_nlink > 1)
		return 0;
	/* The kernel does not see a file appear when it is published. */
	if (node->type == S_IFDIR && fs->n_txns &&
	    entry_any_in(fs, node, false))
		return 0;
	return fs->opts->entry_timeout_s;
}

void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fs *fs = req_fs(req);
	struct node *node;
	struct stat st;
	double timeout = 0;
	int r;

	fs_lock(fs);
	node = ino_node(fs, ino);
	if (node->type == S_IFDIR)
		dir_wait(fs, node);
	else if (node->type == S_IFREG)
		node_settle(fs, node);
	r = node_attr(fs, node, &st);
	if (!r) {
		timeout = attr_timeout(fs, node, &st);
		node->told_ino = st.st_ino;
	}
	fs_unlock(fs);
	if (r < 0)
		reply_err(req, r);
	else
		fuse_reply_attr(req, &st, timeout);
}

/* ---- setattr --------------------------------------------------------- */

/* The path of the inode at (@fd, @name) for calls that have no *at() form
 * which can do without following a link. */
static void proc_path(char *buf, size_t size, int fd, const char *name)
{
	snprintf(buf, size, *name ? "/proc/self/fd/%d/%s" : "/proc/self/fd/%d",
		 fd, name);
}

static int set_times(int fd, const char *name, const struct stat *attr,
		     int to_set)
{
	struct timespec ts[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};
	char proc[NAME_MAX + 32];

	if (to_set & FUSE_SET_ATTR_ATIME_NOW)
		ts[0].tv_nsec = UTIME_NOW;
	else if (to_set & FUSE_SET_ATTR_ATIME)
		ts[0] = attr->st_atim;
	if (to_set & FUSE_SET_ATTR_MTIME_NOW)
		ts[1].tv_nsec = UTIME_NOW;
	else if (to_set & FUSE_SET_ATTR_MTIME)
		ts[1] = attr->st_mtim;
	proc_path(proc, sizeof(proc), fd, name);
	if (utimensat(AT_FDCWD, proc, ts, *name ? AT_SYMLINK_NOFOLLOW : 0) < 0)
		return -errno;
	return 0;
}

static int set_owner(int fd, const char *name, const struct stat *attr,
		     int to_set)
{
	uid_t uid = to_set & FUSE_SET_ATTR_UID ? attr->st_uid : (uid_t)-1;
	gid_t gid = to_set & FUSE_SET_ATTR_GID ? attr->st_gid : (gid_t)-1;

	if (fchownat(fd, name, uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) <
	    0)
		return -errno;
	return 0;
}

static int set_mode(struct node *node, int fd, const char *name, mode_t mode)
{
	char proc[NAME_MAX + 32];

	if (node->type == S_IFLNK)
		return -EOPNOTSUPP;
	proc_path(proc, sizeof(proc), fd, name);
	return chmod(proc, mode & 07777) < 0 ? -errno : 0;
}

/* Everything but the size. */
static int set_meta(struct fs *fs, struct node *node, const struct stat *attr,
		    int to_set)
{
	const int times = FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME |
			  FUSE_SET_ATTR_ATIME_NOW | FUSE_SET_ATTR_MTIME_NOW;
	const char *name;
	int r, fd;

	r = node_at(fs, node, &fd, &name);
	if (!r && (to_set & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID)))
		r = set_owner(fd, name, attr, to_set);
	if (!r && (to_set & FUSE_SET_ATTR_MODE))
		r = set_mode(node, fd, name, attr->st_mode);
	if (!r && (to_set & times))
		r = set_times(fd, name, attr, to_set);
	if (!r && node->txn) {
		if (to_set & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID |
			      FUSE_SET_ATTR_MODE))
			node->txn->meta_set = true;
		if (to_set & FUSE_SET_ATTR_MODE)
			node->txn->mode_set = true;
		if (to_set & ~FUSE_SET_ATTR_SIZE)
			atio_shadow_set_changed(node->txn->shadow);
	}
	return r;
}

static int shadow_truncate(struct txn *txn, off_t size)
{
	if (ftruncate(atio_shadow_fd(txn->shadow), size) < 0)
		return -errno;
	atio_shadow_set_changed(txn->shadow);
	txn->append_only = false;
	return 0;
}

static int truncate_in_place(struct fs *fs, struct node *node, off_t size)
{
	int r = 0, fd;

	fd = node_open(fs, node, O_WRONLY | O_NONBLOCK);
	if (fd < 0)
		return fd;
	if (ftruncate(fd, size) < 0)
		r = -errno;
	close(fd);
	return r;
}

/* The thread came back to the shadow it was sent to, or (no path to redirect)
 * to the committed node: truncate, publish, done (drops). */
static int truncate_and_publish(struct fs *fs, pid_t tid, struct txn *txn,
				off_t size)
{
	int r = shadow_truncate(txn, size);

	/* The intent keeps it alive while the lock is dropped. */
	(void)link_wait(fs, &txn->base);
	if (!r)
		r = txn_publish(fs, txn, false);
	intent_drop(fs, tid, txn);
	return r;
}

/* truncate(2) by path (S8).  -ESTALE redirects, as for an open. */
static int truncate_by_path(struct fs *fs, fuse_req_t req, struct node *node,
			    off_t size)
{
	pid_t tid = fuse_req_ctx(req)->pid;
	struct txn *txn;
	int r;

	if (!node->txn && node_class(fs, node) == CLASS_DIRECT)
		return truncate_in_place(fs, node, size);
	r = node->txn ? 0 : node_find_name(fs, node);
	if (r < 0)
		return r;
	txn = node->txn ? node->txn
			: intent_find(fs, tid, node->parent, node->name);
	if (txn) {
		if (node->txn && !intent_is(fs, tid, txn))
			return shadow_truncate(txn, size); /* his own */
		session_may_block(fs);
		return truncate_and_publish(fs, tid, txn, size);
	}
	r = update_of(fs, req, node, &txn);
	if (r < 0)
		return r;
	if (fuse_req_ctx(req)->uid)
		txn->keeps_privs = false;
	r = intent_put(fs, tid, txn);
	return r < 0 ? r : -ESTALE;
}

static int set_size(struct fs *fs, fuse_req_t req, struct node *node,
		    off_t size, const struct handle *h)
{
	if (!h)
		return truncate_by_path(fs, req, node, size);
	if (h->txn)
		return shadow_truncate(h->txn, size);
	return ftruncate(node->opened->fd, size) < 0 ? -errno : 0;
}

void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
		struct fuse_file_info *fi)
{
	struct fs *fs = req_fs(req);
	double timeout = 0;
	struct node *node;
	struct stat st;
	int r = 0;

	fs_lock(fs);
	node = ino_node(fs, ino);
	if (ctl_contains(node))
		r = -EPERM;
	else if (node->type == S_IFDIR)
		dir_wait(fs, node); /* a commit in it moves its times */
	else
		node_settle(fs, node);
	if (!r && (to_set & FUSE_SET_ATTR_SIZE))
		r = set_size(fs, req, node, attr->st_size, fi_handle(fi));
	if (!r)
		r = set_meta(fs, node, attr, to_set);
	if (!r)
		r = node_attr(fs, node, &st);
	if (!r) {
		timeout = attr_timeout(fs, node, &st);
		node->told_ino = st.st_ino;
	}
	fs_unlock(fs);
	if (r < 0)
		reply_err(req, r);
	else
		fuse_reply_attr(req, &st, timeout);
}

void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct statvfs st;

	if (fstatvfs(req_fs(req)->src_fd, &st) < 0)
		reply_err(req, -errno);
	else
		fuse_reply_statfs(req, &st);
}

/* ---- xattrs ---------------------------------------------------------- */

/* A path to the inode for l*xattr(2) or, where that would be a link in /proc,
 * *xattr(2): @ret_follow. */
static int xattr_path(struct fs *fs, fuse_ino_t ino, char *buf, size_t size,
		      bool *ret_follow)
{
	struct node *node = ino_node(fs, ino);
	const char *name;
	int r, fd;

	if (node->is_ctl)
		return -EOPNOTSUPP;
	r = node_at(fs, node, &fd, &name);
	if (r < 0)
		return r;
	proc_path(buf, size, fd, name);
	*ret_follow = !*name;
	return 0;
}

bool node_has_acl(struct fs *fs, struct node *node)
{
	char proc[NAME_MAX + 32];
	bool follow;

	return !xattr_path(fs, node_ino(fs, node), proc, sizeof(proc),
			   &follow) &&
	       (follow ? getxattr : lgetxattr)(proc, "system.posix_acl_access",
					       NULL, 0) > 0;
}

static void xattr_was_set(struct fs *fs, fuse_ino_t ino)
{
	struct txn *txn = ino_node(fs, ino)->txn;

	if (txn) {
		txn->meta_set = true;
		atio_shadow_set_changed(txn->shadow);
	}
}

void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
		 const char *value, size_t size, int flags)
{
	struct fs *fs = req_fs(req);
	char proc[NAME_MAX + 32];
	bool follow = false;
	int r;

	fs_lock(fs);
	r = ctl_contains(ino_node(fs, ino))
		    ? -EPERM
		    : xattr_path(fs, ino, proc, sizeof(proc), &follow);
	if (!r)
		r = (follow ? setxattr : lsetxattr)(proc, name, value, size,
						    flags) < 0
			    ? -errno
			    : 0;
	if (!r)
		xattr_was_set(fs, ino);
	fs_unlock(fs);
	reply_err(req, r);
}

void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	struct fs *fs = req_fs(req);
	char proc[NAME_MAX + 32];
	bool follow = false;
	int r;

	fs_lock(fs);
	r = ctl_contains(ino_node(fs, ino))
		    ? -EPERM
		    : xattr_path(fs, ino, proc, sizeof(proc), &follow);
	if (!r)
		r = (follow ? removexattr : lremovexattr)(proc, name) < 0
			    ? -errno
			    : 0;
	if (!r)
		xattr_was_set(fs, ino);
	fs_unlock(fs);
	reply_err(req, r);
}

static void reply_xattr(fuse_req_t req, ssize_t n, const char *buf, size_t size)
{
	if (n < 0)
		reply_err(req, (int)n);
	else if (!size)
		fuse_reply_xattr(req, (size_t)n);
	else
		fuse_reply_buf(req, buf, (size_t)n);
}

static ssize_t node_getxattr(struct fs *fs, fuse_ino_t ino, const char *name,
			     char *buf, size_t size)
{
	const struct node *node = ino_node(fs, ino);
	char proc[NAME_MAX + 32];
	bool follow = false;
	ssize_t n;
	int r;

	if (node->txn) { /* the kernel asks before the first write to each */
		n = fgetxattr(atio_shadow_fd(node->txn->shadow), name, buf,
			      size);
		return n < 0 ? -errno : n;
	}
	r = xattr_path(fs, ino, proc, sizeof(proc), &follow);
	if (r < 0)
		return r;
	n = (follow ? getxattr : lgetxattr)(proc, name, buf, size);
	return n < 0 ? -errno : n;
}

void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	struct fs *fs = req_fs(req);
	char *buf = size ? malloc(size) : NULL;
	ssize_t n;

	fs_lock(fs);
	n = size && !buf ? -ENOMEM : node_getxattr(fs, ino, name, buf, size);
	fs_unlock(fs);
	reply_xattr(req, n, buf, size);
	free(buf);
}

/* xattr(7): only the privileged see that name space. */
static ssize_t hide_trusted(char *names, ssize_t n)
{
	ssize_t kept = 0;

	for (ssize_t at = 0, len; at < n; at += len) {
		len = (ssize_t)strlen(names + at) + 1;
		if (!strncmp(names + at, "trusted.", 8))
			continue;
		memmove(names + kept, names + at, (size_t)len);
		kept += len;
	}
	return kept;
}

void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	struct fs *fs = req_fs(req);
	char proc[NAME_MAX + 32];
	char *buf = size ? malloc(size) : NULL;
	bool follow = false;
	ssize_t n;

	fs_lock(fs);
	n = size && !buf ? -ENOMEM
			 : xattr_path(fs, ino, proc, sizeof(proc), &follow);
	if (!n) {
		n = (follow ? listxattr : llistxattr)(proc, buf, size);
		n = n < 0 ? -errno : n;
	}
	fs_unlock(fs);
	if (n > 0 && size && fuse_req_ctx(req)->uid)
		n = hide_trusted(buf, n);
	reply_xattr(req, n, buf, size);
	free(buf);
}
