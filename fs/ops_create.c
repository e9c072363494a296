/* SPDX-License-Identifier: MIT
 *
 * creat(2): files that are not there yet, or were not a moment ago.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "creds.h"
#include "ops_open.h"

/* A file that is not staged appears at once. */
static int create_in_place(struct fs *fs, fuse_req_t req, struct node *dir,
			   const char *name, mode_t mode,
			   enum file_class file_class, int flags,
			   struct answer *a, struct fuse_entry_param *ret_e)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	int r, fd, dirfd = node_dirfd(fs, dir);

	if (dirfd < 0)
		return dirfd;
	if (!dir_has_default_acl(dirfd))
		mode &= ~ctx->umask;
	creds_enter(ctx->uid, ctx->gid);
	fd = openat(dirfd, name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, mode);
	r = fd < 0 ? -errno : 0;
	creds_leave();
	if (r < 0)
		return r;
	close(fd);
	r = lookup(fs, req, dir, name, ret_e);
	if (r < 0)
		return r;
	flags &= ~(O_TRUNC | O_EXCL);
	if (wants_write(flags))
		return open_in_place(fs, req, ino_node(fs, ret_e->ino), flags,
				     file_class, a);
	return open_reader(fs, req, ino_node(fs, ret_e->ino), flags, a);
}

static int create_shadow(struct fs *fs, fuse_req_t req, struct node *dir,
			 const char *name, mode_t mode, int flags,
			 struct answer *a, struct fuse_entry_param *ret_e)
{
	struct stage_request sr = stage_request_of(req, dir, name, TXN_NEW);
	struct stat st;
	struct txn *txn;
	int r;

	sr.mode = mode;
	r = txn_stage(fs, &sr, &txn);
	if (r < 0)
		return r;
	r = attach_txn(fs, req, txn, flags, a);
	if (!r)
		r = node_attr(fs, txn->node, &st);
	if (r < 0) {
		txn_reap(fs, txn);
		return r;
	}
	fill_entry(fs, txn->node, &st, true, ret_e);
	ret_e->attr_timeout = OPEN_ATTR_S; /* it is still empty */
	return 0;
}

/* The kernel takes what a CREATE returns for new and asks nobody whether the
 * caller may open it (access(2)). */
bool may_open(fuse_req_t req, struct node *node, const struct stat *st,
	      int flags)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	const mode_t need = ((flags & O_ACCMODE) != O_WRONLY ? 4 : 0) |
			    (wants_write(flags) ? 2 : 0);
	mode_t bits = st->st_mode;

	if (!ctx->uid)
		return true;
	if (ctx->uid == st->st_uid)
		bits >>= 6;
	else if (node_has_acl(req_fs(req), node))
		return false; /* the kernel knows how to read that */
	else if (is_in_group(req, st->st_gid))
		bits >>= 3;
	return (bits & need) == need;
}

/* The name is taken by files that are not published (S7). */
static int create_joining(struct fs *fs, fuse_req_t req, struct entry *entry,
			  int flags, struct answer *a,
			  struct fuse_entry_param *ret_e)
{
	struct txn *txn = entry->txns;
	struct stat st;
	int r;

	while (txn && (!txn->ready || txn->fate != FATE_PUBLISH))
		txn = txn->next;
	if (!txn)
		return -EEXIST;
	r = node_attr(fs, txn->node, &st);
	if (!r && !may_open(req, txn->node, &st, flags))
		r = -EACCES;
	if (!r)
		r = wants_write(flags)
			    ? attach_txn(fs, req, txn, flags, a)
			    : open_reader(fs, req, txn->node, flags, a);
	if (!r)
		fill_entry(fs, txn->node, &st, true, ret_e);
	return r;
}

/* It appeared since the kernel looked.  The kernel would look again, but once
 * only, and may need that for being redirected to a shadow: so the caller gets
 * its shadow here and now.  (Of files that are not staged, and where the
 * permissions are not plain, it does look again.) */
static int create_existing(struct fs *fs, fuse_req_t req, struct node *dir,
			   const char *name, const struct file_key *key,
			   const struct stat *st, int flags, struct answer *a,
			   struct fuse_entry_param *ret_e)
{
	struct node *node;
	struct stat own;
	struct txn *txn;
	int r;

	if (flags & O_EXCL)
		return -EEXIST;
	if (!S_ISREG(st->st_mode) || !wants_write(flags))
		return -ESTALE;
	node = node_get(fs, key, st->st_mode, dir, name);
	if (!node)
		return -ENOMEM;
	if (!may_open(req, node, st, flags) ||
	    node_class(fs, node) != CLASS_ATOMIC)
		return -ESTALE;
	node_ref(node);
	r = (flags & O_TRUNC) ? replacement_of(fs, req, node, &txn)
			      : update_of(fs, req, node, &txn);
	node_unref(fs, node);
	if (r < 0)
		return r;
	r = attach_txn(fs, req, txn, flags, a);
	if (!r)
		r = node_attr(fs, txn->node, &own);
	if (!r)
		fill_entry(fs, txn->node, &own, true, ret_e);
	else if (!txn->handles && !txn->pins && !txn->busy)
		txn_reap(fs, txn);
	return r;
}

static int create(struct fs *fs, fuse_req_t req, struct node *dir,
		  const char *name, mode_t mode, int flags, struct answer *a,
		  struct fuse_entry_param *ret_e)
{
	enum file_class file_class;
	struct entry *entry;
	struct file_key key;
	struct stat st;
	int dirfd;

	if (!strcmp(name, "/")) /* O_TMPFILE */
		return create_shadow(fs, req, dir, NULL, mode, flags, a, ret_e);
	if (name_is_reserved(fs, dir, name) || dir->is_ctl)
		return -EPERM;
	dirfd = node_dirfd(fs, dir);
	if (dirfd < 0)
		return dirfd;
	if (!key_stat(dirfd, name, &key, &st))
		return create_existing(fs, req, dir, name, &key, &st, flags, a,
				       ret_e);
	entry = entry_find(fs, dir, name);
	if (entry && (flags & O_EXCL))
		return -EEXIST;
	if (entry && !(flags & O_TRUNC))
		return create_joining(fs, req, entry, flags, a, ret_e);
	file_class = entry ? CLASS_ATOMIC : name_class(fs, dir, name);
	if (key_stat(dirfd, "", &key, &st) == 0 && key.dev != fs->src_dev)
		file_class = CLASS_DIRECT;
	if (file_class == CLASS_DIRECT ||
	    (file_class == CLASS_APPEND && (flags & O_APPEND)) ||
	    (flags & O_ACCMODE) == O_RDONLY)
		return create_in_place(fs, req, dir, name, mode, file_class,
				       flags, a, ret_e);
	return create_shadow(fs, req, dir, name, mode, flags, a, ret_e);
}

void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	       struct fuse_file_info *fi)
{
	struct fs *fs = req_fs(req);
	struct fuse_entry_param e;
	struct answer a = {0};
	struct node *dir;
	int r;

	fs_lock(fs);
	dir = ino_node(fs, parent);
	(void)entry_wait(fs, dir, name);
	r = create(fs, req, dir, name, mode, fi->flags, &a, &e);
	fs_unlock(fs);
	if (r < 0)
		reply_err(req, r);
	else
		reply_answer(fs, req, &a, &e);
}
