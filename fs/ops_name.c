/* SPDX-License-Identifier: MIT
 *
 * Names: looking up, making and removing them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "creds.h"
#include "ctl.h"
#include "locks.h"
#include "ops.h"
#include "publish.h"

bool name_is_reserved(struct fs *fs, const struct node *dir, const char *name)
{
	return dir == &fs->root &&
	       (!strcmp(name, ATIO_STATE_DIR) || !strcmp(name, CTL_NAME));
}

/* ---- lookup ---------------------------------------------------------- */

void fill_entry(struct fs *fs, struct node *node, const struct stat *st,
		bool live, struct fuse_entry_param *ret_e)
{
	double timeout = attr_timeout(fs, node, st);

	node->nlookup++;
	node->told_ino = st->st_ino;
	*ret_e = (struct fuse_entry_param){
		.ino = node_ino(fs, node),
		.generation = 1,
		.attr = *st,
		.attr_timeout = timeout,
		/* While a shadow is live each walk asks; so it does for a
		 * file with several links, whose inode may be retired by a
		 * commit through another name. */
		.entry_timeout =
			live || (S_ISREG(st->st_mode) && st->st_nlink > 1)
				? 0
				: fs->opts->entry_timeout_s,
	};
}

/* The shadow that the caller sees under this name, if any. */
static struct txn *lookup_shadow(struct fs *fs, fuse_req_t req,
				 struct entry *entry)
{
	pid_t tid = fuse_req_ctx(req)->pid, tgid = 0;
	struct txn *txn;

	txn = intent_find(fs, tid, entry->dir, entry->name);
	if (!txn && tid)
		txn = entry_own(entry, tid, &tgid);
	return txn && txn->ready ? txn : NULL;
}

static int lookup_own(struct fs *fs, struct txn *txn,
		      struct fuse_entry_param *ret_e)
{
	struct stat st;
	int r = node_attr(fs, txn->node, &st);

	if (r < 0)
		return r;
	fill_entry(fs, txn->node, &st, true, ret_e);
	/* The open that this walk is for looks at them at once.  Not so when
	 * others have it open: the kernel takes in new attributes in steps
	 * (fuse_change_attributes_i), and who asks it between two of them,
	 * as it believes those to be valid, gets the size of before. */
	if (txn->pins && !txn->handles)
		ret_e->attr_timeout = OPEN_ATTR_S;
	return 0;
}

int lookup(struct fs *fs, fuse_req_t req, struct node *dir, const char *name,
	   struct fuse_entry_param *ret_e)
{
	struct entry *entry = entry_find(fs, dir, name);
	struct txn *txn = entry ? lookup_shadow(fs, req, entry) : NULL;
	struct file_key key;
	struct node *node;
	struct stat st;
	int r, dirfd;

	if (txn)
		return lookup_own(fs, txn, ret_e);
	do {
		dirfd = node_dirfd(fs, dir);
		if (dirfd < 0)
			return dirfd;
		r = key_stat(dirfd, name, &key, &st);
		if (r < 0)
			return r;
	} while (st.st_nlink > 1 && key_wait(fs, &key));
	entry = entry_find(fs, dir, name); /* it may have waited */
	txn = S_ISREG(st.st_mode) && st.st_nlink > 1 && fs->n_txns
		      ? txn_of_inode(fs, &key, fuse_req_ctx(req)->pid)
		      : NULL;
	if (txn)
		return lookup_own(fs, txn, ret_e);
	node = node_get(fs, &key, st.st_mode, dir, name);
	if (!node)
		return -ENOMEM;
	if (S_ISREG(st.st_mode))
		locks_count_names(fs, &key, st.st_nlink, dir, name);
	if (entry && S_ISREG(st.st_mode))
		st.st_ino = entry_shown_ino(entry, &key);
	fill_entry(fs, node, &st, entry, ret_e);
	return 0;
}

void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fs *fs = req_fs(req);
	struct fuse_entry_param e = {0};
	struct node *dir;
	int r;

	fs_lock(fs);
	dir = ino_node(fs, parent);
	if (ctl_owns(fs, dir, name)) {
		r = ctl_lookup(fs, dir, name, &e);
	} else if (name_is_reserved(fs, dir, name)) {
		r = -ENOENT;
	} else {
		(void)entry_wait(fs, dir, name);
		r = lookup(fs, req, dir, name, &e);
		/* "Not there" may be remembered: every way to make the name
		 * leads through the kernel's entry. */
		if (r == -ENOENT && !entry_find(fs, dir, name))
			e.entry_timeout = fs->opts->entry_timeout_s;
	}
	fs_unlock(fs);
	if (!r || (r == -ENOENT && e.entry_timeout > 0))
		fuse_reply_entry(req, &e);
	else
		reply_err(req, r);
}

void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup)
{
	struct fs *fs = req_fs(req);

	fs_lock(fs);
	node_forget(fs, ino_node(fs, ino), nlookup);
	fs_unlock(fs);
	fuse_reply_none(req);
}

void op_forget_multi(fuse_req_t req, size_t n, struct fuse_forget_data *list)
{
	struct fs *fs = req_fs(req);

	fs_lock(fs);
	for (size_t i = 0; i < n; i++)
		node_forget(fs, ino_node(fs, list[i].ino), list[i].nlookup);
	fs_unlock(fs);
	fuse_reply_none(req);
}

/* ---- making ---------------------------------------------------------- */

/* Whether the caller may make @name: not reserved, and not taken by a file
 * that is yet to be published (S7). */
static int may_make(struct fs *fs, struct node *dir, const char *name)
{
	if (name_is_reserved(fs, dir, name))
		return -EPERM;
	if (dir->is_ctl)
		return -EPERM;
	return entry_find(fs, dir, name) ? -EEXIST : 0;
}

struct make {
	mode_t mode;
	dev_t rdev;
	const char *target; /* of a symlink */
};

static int make_at(int dirfd, const char *name, const struct make *m)
{
	int r;

	if (m->target)
		r = symlinkat(m->target, dirfd, name);
	else if (S_ISDIR(m->mode))
		r = mkdirat(dirfd, name, m->mode & 07777);
	else
		r = mknodat(dirfd, name, m->mode, m->rdev);
	return r < 0 ? -errno : 0;
}

static void make_node(fuse_req_t req, fuse_ino_t parent, const char *name,
		      struct make *m)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	struct fs *fs = req_fs(req);
	struct fuse_entry_param e;
	struct node *dir;
	int r, dirfd;

	fs_lock(fs);
	dir = ino_node(fs, parent);
	(void)entry_wait(fs, dir, name);
	r = may_make(fs, dir, name);
	dirfd = r < 0 ? r : node_dirfd(fs, dir);
	if (dirfd >= 0) {
		if (!dir_has_default_acl(dirfd))
			m->mode &= ~ctx->umask;
		creds_enter(ctx->uid, ctx->gid);
		r = make_at(dirfd, name, m);
		creds_leave();
		if (!r)
			r = lookup(fs, req, dir, name, &e);
	} else {
		r = dirfd;
	}
	fs_unlock(fs);
	if (r < 0)
		reply_err(req, r);
	else
		fuse_reply_entry(req, &e);
}

void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	make_node(req, parent, name,
		  &(struct make){.mode = (mode & 07777) | S_IFDIR});
}

void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	      dev_t rdev)
{
	make_node(req, parent, name,
		  &(struct make){.mode = mode, .rdev = rdev});
}

void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent,
		const char *name)
{
	make_node(req, parent, name,
		  &(struct make){.mode = S_IFLNK, .target = target});
}

void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct fs *fs = req_fs(req);
	char target[PATH_MAX];
	const char *name;
	ssize_t n = -1;
	int r, fd;

	fs_lock(fs);
	r = node_at(fs, ino_node(fs, ino), &fd, &name);
	if (!r) {
		n = readlinkat(fd, name, target, sizeof(target) - 1);
		if (n < 0)
			r = -errno;
	}
	fs_unlock(fs);
	if (r < 0) {
		reply_err(req, r);
		return;
	}
	target[n] = 0;
	fuse_reply_readlink(req, target);
}

/* ---- removing -------------------------------------------------------- */

/* The inode at @name loses this name: if it is known, keep a way to it for
 * those who still have it open. */
static void before_removal(struct fs *fs, struct node *dir, int dirfd,
			   const char *name)
{
	struct file_key key;
	struct node *node;
	struct stat st;

	if (key_stat(dirfd, name, &key, &st) < 0)
		return;
	node = node_find(fs, &key);
	if (!node || node == &fs->root)
		return;
	if (node->parent == dir && node->name && !strcmp(node->name, name))
		node_pin(fs, node);
}

static void after_removal(struct fs *fs, struct node *dir, const char *name,
			  const struct file_key *key, bool gone)
{
	struct node *node = node_find(fs, key);

	if (!node)
		return;
	if (node->parent == dir && node->name && !strcmp(node->name, name))
		node_lose_name(fs, node);
	if (gone)
		node_retire(fs, node);
}

/* One of several names is gone: what is written to the file goes on under
 * another, if one is known. */
static int keep_writing(struct fs *fs, struct node *dir, const char *name,
			const struct file_key *key, nlink_t nlink)
{
	struct node *node = node_find(fs, key);
	struct entry *entry = entry_find(fs, dir, name);

	if (!node || !node->parent || !node->name)
		return 0;
	locks_count_names(fs, key, nlink, node->parent, node->name);
	return entry ? entry_move(fs, entry, node->parent, node->name, true, 0)
		     : 0;
}

static int unlink_committed(struct fs *fs, struct node *dir, const char *name,
			    int flags)
{
	int dirfd = node_dirfd(fs, dir);
	struct file_key key;
	struct stat st;
	int r;

	if (dirfd < 0)
		return dirfd;
	r = key_stat(dirfd, name, &key, &st);
	if (r < 0)
		return r;
	before_removal(fs, dir, dirfd, name);
	if (unlinkat(dirfd, name, flags) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		locks_leave(fs, node_find(fs, &key), dir, name);
	after_removal(fs, dir, name, &key,
		      S_ISDIR(st.st_mode) || st.st_nlink <= 1);
	if (S_ISREG(st.st_mode) && st.st_nlink > 1)
		return keep_writing(fs, dir, name, &key, st.st_nlink - 1);
	return 0;
}

void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fs *fs = req_fs(req);
	pid_t tgid = 0;
	struct entry *entry;
	struct node *dir;
	bool own;
	int r;

	fs_lock(fs);
	dir = ino_node(fs, parent);
	if (dir->is_ctl) {
		r = ctl_unlink(fs, dir, name);
		goto out;
	}
	if (name_is_reserved(fs, dir, name)) {
		r = -EPERM;
		goto out;
	}
	redo_wait(fs); /* recovery would look for the file by this name */
	(void)entry_wait(fs, dir, name);
	entry = entry_find(fs, dir, name);
	own = entry && entry_own(entry, fuse_req_ctx(req)->pid, &tgid);
	r = unlink_committed(fs, dir, name, 0);
	if (r == -ENOENT && own) {
		locks_leave(fs, NULL, dir, name);
		r = 0; /* it was never published, and now never will be */
	}
	if (!r)
		entry_cut(fs, dir, name, FATE_DISCARD, 0);
out:
	fs_unlock(fs);
	reply_err(req, r);
}

void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fs *fs = req_fs(req);
	struct file_key key;
	struct node *dir, *node;
	struct stat st;
	int r, dirfd;

	fs_lock(fs);
	dir = ino_node(fs, parent);
	dirfd = node_dirfd(fs, dir);
	if (name_is_reserved(fs, dir, name) || dir->is_ctl) {
		r = -EPERM;
	} else if (dirfd < 0) {
		r = dirfd;
	} else {
		r = key_stat(dirfd, name, &key, &st);
		node = r < 0 ? NULL : node_find(fs, &key);
		/* Names of unpublished files keep a directory alive (S7). */
		if (node && entry_any_in(fs, node, false))
			r = -ENOTEMPTY;
		if (!r)
			r = unlink_committed(fs, dir, name, AT_REMOVEDIR);
	}
	fs_unlock(fs);
	reply_err(req, r);
}
