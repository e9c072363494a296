/* SPDX-License-Identifier: MIT */
#include "open.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "passthrough.h"
#include "txn.h"

#define MAX_IDLE 256

/* From linux/fuse.h of 6.9; the last word of fuse_open_out is backing_id. */
#define OPEN_PASSTHROUGH (1u << 7)
#define OPEN_NOFLUSH     (1u << 5)

static void idle_unlink(struct fs *fs, struct opened *o)
{
	ring_del(&o->idle);
	fs->n_idle--;
}

static void opened_free(struct fs *fs, struct opened *o)
{
	if (o->idle.next)
		idle_unlink(fs, o);
	ring_del(&o->all);
	o->node->opened = NULL;
	passthrough_close(fs, o->backing_id);
	if (o->fd >= 0)
		close(o->fd);
	free(o);
	fs->n_opened--;
}

void opened_drop_idle(struct fs *fs, struct node *node)
{
	if (node->opened && node->opened->handles == 0)
		opened_free(fs, node->opened);
}

static struct opened *idle_oldest(struct fs *fs)
{
	return ring_item(fs->idle.next, struct opened, idle);
}

void opened_drop_all_idle(struct fs *fs)
{
	while (!ring_empty(&fs->idle))
		opened_free(fs, idle_oldest(fs));
}

static void idle_keep(struct fs *fs, struct opened *o)
{
	if (fs->n_idle >= MAX_IDLE)
		opened_free(fs, idle_oldest(fs));
	ring_add(&fs->idle, &o->idle);
	fs->n_idle++;
}

/* Whoever uses the descriptor at this moment has the old or the new file. */
static int replace_fd(struct opened *o, int fd)
{
	if (o->fd >= 0)
		return dup3(fd, o->fd, O_CLOEXEC);
	o->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return o->fd;
}

bool opened_detach(struct fs *fs, const struct file_key *key, int fd)
{
	bool found = false;

	ring_each(link, &fs->opened)
	{
		struct opened *o = ring_item(link, struct opened, all);

		if (!o->handles || o->backing_id || o->detached ||
		    o->writable || !key_equal(&o->node->key, key))
			continue;
		found = true;
		if (fd >= 0 && replace_fd(o, fd) >= 0)
			o->detached = true;
	}
	return found;
}

int opened_attach(struct opened *o, int fd)
{
	if (replace_fd(o, fd) < 0)
		return -errno;
	o->detached = false;
	return 0;
}

/* A file that may only be appended to (chattr(1)) opens for nothing else. */
static int open_backing(struct fs *fs, struct node *node, int flags)
{
	int r;

	if (!wants_write(flags))
		return node_open(fs, node, O_RDONLY | O_NONBLOCK);
	r = node_open(fs, node, O_RDWR | O_NONBLOCK);
	if (r == -EPERM && (flags & O_APPEND) && !(flags & O_TRUNC))
		r = node_open(fs, node, O_RDWR | O_APPEND | O_NONBLOCK);
	return r;
}

/* A file that was opened for reading is now written, too. */
static int make_writable(struct fs *fs, struct node *node, struct opened *o,
			 int flags)
{
	int fd = open_backing(fs, node, flags);

	if (fd < 0)
		return fd;
	if (replace_fd(o, fd) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	close(fd);
	o->writable = true;
	return 0;
}

static int opened_new(struct fs *fs, struct node *node, int flags,
		      struct opened **ret_opened)
{
	struct opened *o = calloc(1, sizeof(*o));
	int r;

	if (!o)
		return -ENOMEM;
	o->node = node;
	ring_init(&o->users);
	o->writable = wants_write(flags);
	if (node->txn)
		r = fcntl(atio_shadow_fd(node->txn->shadow), F_DUPFD_CLOEXEC,
			  3);
	else
		r = open_backing(fs, node, flags);
	if (r < 0) {
		r = node->txn ? -errno : r;
		free(o);
		return r;
	}
	if (node->txn)
		o->writable = true;
	o->fd = r;
	node->opened = o;
	ring_add(&fs->opened, &o->all);
	fs->n_opened++;
	*ret_opened = o;
	return 0;
}

/* The kernel opens the file anew for each handle; the one it is shown must not
 * itself count as open for writing (release.c, is_mapped). */
static int32_t backing_id_of(struct fs *fs, const struct opened *o)
{
	int32_t id;
	int fd;

	if (!o->node->txn)
		return passthrough_open(fs, o->fd);
	fd = node_reopen(o->fd, O_RDONLY);
	if (fd < 0)
		return fd;
	id = passthrough_open(fs, fd);
	close(fd);
	return id;
}

/* Descriptors run short: the node is enough to find the file again, and under
 * passthrough the kernel has it open itself. */
static void park(struct opened *o)
{
	if (o->fd >= 0)
		close(o->fd);
	o->fd = -1;
}

int opened_get(struct fs *fs, struct node *node, int flags, bool passthrough,
	       enum file_class file_class, struct opened **ret_opened)
{
	struct opened *o = node->opened;
	int32_t id;
	int r;

	if (o && !o->handles) { /* nobody else is on it: this open decides */
		idle_unlink(fs, o);
		o->file_class = file_class;
		if (!passthrough && o->backing_id) {
			passthrough_close(fs, o->backing_id);
			o->backing_id = 0;
		}
	}
	if (!o) {
		r = opened_new(fs, node, flags, &o);
		if (r < 0)
			return r;
		o->file_class = file_class;
	}
	if (wants_write(flags) && !o->writable) {
		r = make_writable(fs, node, o, flags);
		if (r < 0) {
			if (!o->handles)
				opened_free(fs, o);
			return r;
		}
	}
	if (!o->handles && passthrough && fs->passthrough && !o->backing_id) {
		id = backing_id_of(fs, o);
		if (id > 0)
			o->backing_id = id;
	}
	o->handles++;
	if (fs->n_opened > fs->max_opened && !o->writable && !o->detached)
		park(o);
	*ret_opened = o;
	return 0;
}

int opened_borrow(struct fs *fs, const struct handle *h, bool *ret_close)
{
	struct file_key key;
	struct stat st;
	int fd;

	*ret_close = false;
	fs_lock(fs);
	fd = h->node->opened->fd;
	if (fd < 0) {
		fd = node_open(fs, h->node, O_RDONLY | O_NONBLOCK);
		*ret_close = fd >= 0;
	}
	fs_unlock(fs);
	/* Somebody may have changed the source behind the mount. */
	if (*ret_close && (key_stat(fd, "", &key, &st) < 0 ||
			   !key_equal(&key, &h->node->key))) {
		close(fd);
		*ret_close = false;
		return -ESTALE;
	}
	return fd;
}

void opened_put(struct fs *fs, struct node *node)
{
	struct opened *o = node->opened;

	if (--o->handles)
		return;
	if (o->writable || o->detached || o->fd < 0 || !node_is_current(node))
		opened_free(fs, o);
	else
		idle_keep(fs, o);
}

bool opened_same_content(struct opened *o, const struct stat *st)
{
	bool same = o->seen_mtime.tv_sec == st->st_mtim.tv_sec &&
		    o->seen_mtime.tv_nsec == st->st_mtim.tv_nsec &&
		    o->seen_size == st->st_size;

	o->seen_mtime = st->st_mtim;
	o->seen_size = st->st_size;
	return same;
}

static void fill_attr(struct fuse_attr *attr, const struct stat *st)
{
	*attr = (struct fuse_attr){
		.ino = st->st_ino,
		.size = (uint64_t)st->st_size,
		.blocks = (uint64_t)st->st_blocks,
		.atime = (uint64_t)st->st_atim.tv_sec,
		.mtime = (uint64_t)st->st_mtim.tv_sec,
		.ctime = (uint64_t)st->st_ctim.tv_sec,
		.atimensec = (uint32_t)st->st_atim.tv_nsec,
		.mtimensec = (uint32_t)st->st_mtim.tv_nsec,
		.ctimensec = (uint32_t)st->st_ctim.tv_nsec,
		.mode = st->st_mode,
		.nlink = (uint32_t)st->st_nlink,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.rdev = (uint32_t)st->st_rdev,
		.blksize = (uint32_t)st->st_blksize,
	};
}

int opened_reply(struct fs *fs, fuse_req_t req, struct handle *h,
		 const struct fuse_entry_param *entry, int32_t backing_id,
		 unsigned flags)
{
	struct fuse_open_out out = {.fh = (uintptr_t)h};
	struct fuse_entry_out e = {0};
	struct iovec iov[2] = {{&e, sizeof(e)}, {&out, sizeof(out)}};

	if (backing_id > 0) {
		/* Passthrough and KEEP_CACHE together are refused (EIO). */
		out.open_flags = OPEN_PASSTHROUGH;
		memcpy((char *)&out + sizeof(out) - sizeof(backing_id),
		       &backing_id, sizeof(backing_id));
	} else if (flags & OPENED_DIRECT_IO) {
		out.open_flags = FOPEN_DIRECT_IO;
	} else if (flags & OPENED_KEEP_CACHE) {
		out.open_flags = FOPEN_KEEP_CACHE;
	}
	if (flags & OPENED_NO_FLUSH)
		out.open_flags |= OPEN_NOFLUSH;
	if (!entry)
		return fuse_reply_iov(req, iov + 1, 1);
	e.nodeid = entry->ino;
	e.generation = entry->generation;
	e.entry_valid = (uint64_t)entry->entry_timeout;
	e.entry_valid_nsec =
		(uint32_t)((entry->entry_timeout - (double)e.entry_valid) *
			   1e9);
	e.attr_valid = (uint64_t)entry->attr_timeout;
	e.attr_valid_nsec =
		(uint32_t)((entry->attr_timeout - (double)e.attr_valid) * 1e9);
	fill_attr(&e.attr, &entry->attr);
	return fuse_reply_iov(req, iov, 2);
}
