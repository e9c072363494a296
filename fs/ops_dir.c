/* SPDX-License-Identifier: MIT
 *
 * Directories: reading and syncing.
 *
 * What is published is listed by the backing file system.  A process's own
 * unpublished new files come after that (S6, S7), at offsets with the top bit
 * set, which no file system here hands out.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"
#include "ops.h"
#include "session.h"

#define OWN_OFFSET ((uint64_t)1 << 63)

struct dir_handle {
	struct ring all;          /* of fs->dirs */
	DIR *dir;                 /* NULL: virtual */
	off_t pos;                /* where the stream stands */
	const char *const *names; /* of a virtual one */
	char **own;               /* unpublished names of the reader */
	size_t n_own;
};

/* What a reply is put together in. */
struct listing {
	struct fs *fs;
	fuse_req_t req;
	struct node *node;
	char *buf;
	size_t size, used;
	bool plus;
};

static struct dir_handle *fi_dir(const struct fuse_file_info *fi)
{
	return (struct dir_handle *)(uintptr_t)fi->fh;
}

static void dir_free(struct dir_handle *d)
{
	ring_del(&d->all);
	if (d->dir)
		closedir(d->dir);
	for (size_t i = 0; i < d->n_own; i++)
		free(d->own[i]);
	free(d->own);
	free(d);
}

static int dir_open(struct fs *fs, struct node *node, struct dir_handle **ret_d)
{
	struct dir_handle *d = calloc(1, sizeof(*d));
	int fd;

	if (!d)
		return -ENOMEM;
	d->names = ctl_names(fs, node);
	if (!d->names) {
		fd = node_dirfd(fs, node);
		/* A descriptor of its own: the position is the handle's. */
		if (fd >= 0)
			fd = openat(fd, ".",
				    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		else
			errno = -fd;
		d->dir = fd < 0 ? NULL : fdopendir(fd);
		if (!d->dir) {
			int r = -errno;

			if (fd >= 0)
				close(fd);
			free(d);
			return r;
		}
	}
	*ret_d = d;
	return 0;
}

void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fs *fs = req_fs(req);
	struct dir_handle *d = NULL;
	int r;

	fs_lock(fs);
	r = dir_open(fs, ino_node(fs, ino), &d);
	if (!r)
		ring_add(&fs->dirs, &d->all);
	fs_unlock(fs);
	if (r < 0) {
		reply_err(req, r);
		return;
	}
	fi->fh = (uintptr_t)d;
	if (fuse_reply_open(req, fi) == -ENOENT) {
		fs_lock(fs);
		dir_free(d);
		fs_unlock(fs);
	}
}

void op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fs *fs = req_fs(req);

	fs_lock(fs);
	dir_free(fi_dir(fi));
	fs_unlock(fs);
	reply_err(req, 0);
}

void dirs_free_all(struct fs *fs)
{
	while (!ring_empty(&fs->dirs))
		dir_free(ring_item(fs->dirs.next, struct dir_handle, all));
}

/* ---- entries --------------------------------------------------------- */

static bool is_dots(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

/* False: the reply is full. */
static bool list_add(struct listing *l, const char *name, ino_t ino,
		     mode_t type, off_t next)
{
	struct fuse_entry_param e = {
		.attr = {.st_ino = ino, .st_mode = type},
	};
	size_t left = l->size - l->used, n;

	if (!l->plus) {
		n = fuse_add_direntry(l->req, l->buf + l->used, left, name,
				      &e.attr, next);
	} else {
		n = fuse_add_direntry_plus(l->req, NULL, 0, name, NULL, 0);
		if (n > left)
			return false;
		/* Without a node the kernel asks when it needs one. */
		if (!is_dots(name) && !ctl_owns(l->fs, l->node, name) &&
		    lookup(l->fs, l->req, l->node, name, &e) < 0) {
			memset(&e, 0, sizeof(e));
			e.attr.st_ino = ino;
			e.attr.st_mode = type;
		}
		n = fuse_add_direntry_plus(l->req, l->buf + l->used, left, name,
					   &e, next);
	}
	if (n > left)
		return false;
	l->used += n;
	return true;
}

/* The reader's own new files in this directory, as of now. */
static void own_names(struct fs *fs, struct node *node, pid_t tid,
		      struct dir_handle *d)
{
	pid_t tgid = 0;

	for (size_t i = 0; i < d->n_own; i++)
		free(d->own[i]);
	d->n_own = 0;
	for (struct txn *txn = fs->txns; txn; txn = txn->all_next) {
		char **own, *name;

		if (!txn->entry || txn->entry->dir != node ||
		    txn->kind != TXN_NEW || !txn_owned_by(txn, tid, &tgid))
			continue;
		own = realloc(d->own, (d->n_own + 1) * sizeof(*own));
		if (!own)
			return;
		d->own = own;
		name = strdup(txn->entry->name);
		if (name)
			d->own[d->n_own++] = name;
	}
}

static void list_own(struct listing *l, struct dir_handle *d, uint64_t from)
{
	for (uint64_t i = from; i < d->n_own; i++)
		if (!list_add(l, d->own[i], 1, S_IFREG,
			      (off_t)(OWN_OFFSET | (i + 1))))
			return;
}

static int list_backing(struct listing *l, struct dir_handle *d, off_t off)
{
	struct dirent *de;

	if (off == 0)
		rewinddir(d->dir);
	else if (off != d->pos)
		seekdir(d->dir, off);
	d->pos = off;
	for (;;) {
		errno = 0;
		de = readdir(d->dir);
		if (!de)
			break;
		if (!(l->node == &l->fs->root &&
		      !strcmp(de->d_name, ATIO_STATE_DIR)) &&
		    !list_add(l, de->d_name, de->d_ino,
			      (mode_t)de->d_type << 12, de->d_off)) {
			seekdir(d->dir, d->pos);
			return 0;
		}
		d->pos = de->d_off;
	}
	if (errno)
		return l->used ? 0 : -errno;
	list_own(l, d, 0);
	return 0;
}

static void list_virtual(struct listing *l, struct dir_handle *d, off_t off)
{
	for (; d->names[off]; off++)
		if (!list_add(l, d->names[off], 1, 0, off + 1))
			return;
}

static void read_directory(fuse_req_t req, fuse_ino_t ino, size_t size,
			   off_t off, struct fuse_file_info *fi, bool plus)
{
	struct fs *fs = req_fs(req);
	struct dir_handle *d = fi_dir(fi);
	struct listing l = {.fs = fs, .req = req, .size = size, .plus = plus};
	int r = 0;

	l.buf = malloc(size);
	fs_lock(fs);
	l.node = ino_node(fs, ino);
	dir_wait(fs, l.node);
	if (off == 0 && fs->n_txns)
		own_names(fs, l.node, fuse_req_ctx(req)->pid, d);
	if (!l.buf)
		r = -ENOMEM;
	else if ((uint64_t)off & OWN_OFFSET)
		list_own(&l, d, (uint64_t)off & ~OWN_OFFSET);
	else if (d->names)
		list_virtual(&l, d, off);
	else
		r = list_backing(&l, d, off);
	fs_unlock(fs);
	if (r < 0)
		reply_err(req, r);
	else
		fuse_reply_buf(req, l.buf, l.used);
	free(l.buf);
}

void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		struct fuse_file_info *fi)
{
	read_directory(req, ino, size, off, fi, false);
}

void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	read_directory(req, ino, size, off, fi, true);
}

void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync,
		 struct fuse_file_info *fi)
{
	struct fs *fs = req_fs(req);
	struct node *node;
	int r;

	session_may_block(fs);
	fs_lock(fs);
	node = ino_node(fs, ino);
	/* What was closed before is published first. */
	dir_wait(fs, node);
	r = node->is_ctl ? 0 : dirsync_now(fs, node);
	fs_unlock(fs);
	reply_err(req, r);
}
