/* SPDX-License-Identifier: MIT
 *
 * open.h - inodes that are open: one backing file each.
 *
 * The kernel allows one backing id per inode while any passthrough handle is
 * open on it, and no cached handle beside one.  So the first open of a node
 * decides (passthrough or served, and its class), and later ones share.  A
 * committed version stays open a little longer than its last handle: most
 * files that are opened are opened again.
 *
 * Called with fs->lock held.
 */
#ifndef FS_OPEN_H
#define FS_OPEN_H

#include <fcntl.h>

#include "fs.h"
#include "txn.h"

struct opened {
	int fd;             /* the backing file; O_RDWR where it is written; -1:
			       see opened_borrow */
	int32_t backing_id; /* 0: served by the daemon */
	unsigned handles;   /* 0: idle, in the ring */
	enum file_class file_class;
	bool writable;
	struct timespec seen_mtime; /* of the content the kernel may cache */
	off_t seen_size;
	bool detached; /* fd is a private copy of a rewritten inode */
	struct node *node;
	struct ring users; /* its handles */
	/* A version that is current no more can be made to hold another one
	 * (lock_refresh): which, and when that was last changed. */
	struct file_key content;
	struct timespec content_ctime;
	unsigned nudge; /* mtime is shown so many nanoseconds later, ... */
	struct timespec nudge_mtime; /* ... as long as it is this */
	bool refreshing;
	struct ring all;  /* of fs->opened */
	struct ring idle; /* of fs->idle, the oldest first */
};

static inline bool wants_write(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
}

/* Open @node as open(2)'s @flags say; opened_put ends it.  @passthrough false:
 * the daemon serves it. */
int opened_get(struct fs *fs, struct node *node, int flags, bool passthrough,
	       enum file_class file_class, struct opened **ret_opened);
void opened_put(struct fs *fs, struct node *node);

/* The backing file of a handle that is open for writing; stays as long as the
 * handle. */
static inline int handle_fd(const struct handle *h)
{
	return h->node->opened->fd;
}

/* The backing file of any handle, or -errno.  When very many files are open,
 * those that are only read are not kept so: *@ret_close then says that the
 * caller is to close it.  Called without fs->lock. */
int opened_borrow(struct fs *fs, const struct handle *h, bool *ret_close);

/* Whether pages that the kernel cached at the last open are still right; notes
 * @st for the next time. */
bool opened_same_content(struct opened *o, const struct stat *st);

/* Served readers of inode @key keep what they opened: give them @fd (lent) in
 * its place.  With @fd -1: returns whether there are any. */
bool opened_detach(struct fs *fs, const struct file_key *key, int fd);

/* Give it the inode itself again: @fd (lent).  -errno. */
int opened_attach(struct opened *o, int fd);

/* Close what only the ring keeps. */
void opened_drop_idle(struct fs *fs, struct node *node);
void opened_drop_all_idle(struct fs *fs);

enum {
	OPENED_KEEP_CACHE = 1 << 0, /* cached pages of the inode are right */
	OPENED_NO_FLUSH = 1 << 1,   /* close(2) need not tell */
	OPENED_DIRECT_IO = 1 << 2,  /* nor pages nor size of the inode are */
};

/* Tell the kernel about the open: fuse_reply_open, with passthrough. @entry:
 * of a create, else NULL.  Called without fs->lock.  -ENOENT: the kernel did
 * not take it, and will not release @h. */
int opened_reply(struct fs *fs, fuse_req_t req, struct handle *h,
		 const struct fuse_entry_param *entry, int32_t backing_id,
		 unsigned flags);

#endif
