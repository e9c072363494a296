/* SPDX-License-Identifier: MIT
 *
 * ops.h - the handlers of requests, and what they share.
 *
 * Every handler locks, calls what does the work, unlocks, and replies once, at
 * the end.
 */
#ifndef FS_OPS_H
#define FS_OPS_H

#include "entry.h"
#include "open.h"
#include "txn.h"

extern const struct fuse_lowlevel_ops ops;

/* How long the attributes of a shadow stand while it is being opened, in
 * seconds. */
#define OPEN_ATTR_S 0.005

/* ---- ops_name.c ------------------------------------------------------ */

/* Names that programs can neither see nor make. */
bool name_is_reserved(struct fs *fs, const struct node *dir, const char *name);

/* What @name in @dir leads to, for the caller of @req; counts as a lookup of
 * the kernel.  -ENOENT. */
int lookup(struct fs *fs, fuse_req_t req, struct node *dir, const char *name,
	   struct fuse_entry_param *ret_e);

/* An answer that names @node; counts as a lookup. */
void fill_entry(struct fs *fs, struct node *node, const struct stat *st,
		bool live, struct fuse_entry_param *ret_e);

void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup);
void op_forget_multi(fuse_req_t req, size_t n, struct fuse_forget_data *list);
void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	      dev_t rdev);
void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent,
		const char *name);
void op_readlink(fuse_req_t req, fuse_ino_t ino);
void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);

/* ---- ops_move.c ------------------------------------------------------ */

void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
	       fuse_ino_t newparent, const char *newname, unsigned flags);
void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t newparent,
	     const char *newname);
/* Wait until the kernel asks for each name of the inode @key.  Not with a
 * transaction that is busy, nor for a caller that has a directory locked. */
bool link_wait(struct fs *fs, const struct file_key *key);

/* ---- class.c --------------------------------------------------------- */

enum file_class name_class(struct fs *fs, struct node *dir, const char *name);
/* That of an open file stands until the last close. */
enum file_class node_class(struct fs *fs, struct node *node);

/* ---- ops_open.c ------------------------------------------------------ */

static inline struct handle *fi_handle(const struct fuse_file_info *fi)
{
	return fi ? (struct handle *)(uintptr_t)fi->fh : NULL;
}

/* The transaction an update of @node joins, staged if need be (drops). */
int update_of(struct fs *fs, fuse_req_t req, struct node *node,
	      struct txn **ret_txn);
/* Closes its backing file, too. */
void handle_free(struct fs *fs, struct handle *h);

/* The name by which @node was known may be gone; but if it is being updated, it
 * has another, which becomes known.  0 also if not; -ENOMEM. */
int node_find_name(struct fs *fs, struct node *node);
/* Whether there is a handle at that address.  Looks at all. */
bool handle_is_open(struct fs *fs, uint64_t h);
/* The session is over: those that the kernel did not come to release. */
void handles_free_all(struct fs *fs);

void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);

/* ---- ops_create.c ---------------------------------------------------- */

void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	       struct fuse_file_info *fi);

/* ---- ops_file.c ------------------------------------------------------ */

void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
	     struct fuse_file_info *fi);
void op_write_buf(fuse_req_t req, fuse_ino_t ino, struct fuse_bufvec *in,
		  off_t off, struct fuse_file_info *fi);
void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync,
	      struct fuse_file_info *fi);
void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off,
		  off_t len, struct fuse_file_info *fi);
void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence,
	      struct fuse_file_info *fi);
void op_copy_file_range(fuse_req_t req, fuse_ino_t ino_in, off_t off_in,
			struct fuse_file_info *fi_in, fuse_ino_t ino_out,
			off_t off_out, struct fuse_file_info *fi_out,
			size_t len, int flags);
void op_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned cmd, void *arg,
	      struct fuse_file_info *fi, unsigned flags, const void *in,
	      size_t in_size, size_t out_size);

/* ---- ops_lock.c ------------------------------------------------------ */

void op_flock(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi,
	      int op);
void op_getlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi,
	      struct flock *lock);
void op_setlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi,
	      struct flock *lock, int sleep);

/* ---- ops_attr.c ------------------------------------------------------ */

int node_attr(struct fs *fs, struct node *node, struct stat *ret_st);
ino_t node_shown_ino(struct fs *fs, const struct node *node);
double attr_timeout(struct fs *fs, const struct node *node,
		    const struct stat *st);

/* Whether access to @node is more than its mode says. */
bool node_has_acl(struct fs *fs, struct node *node);

void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
		struct fuse_file_info *fi);
void op_statfs(fuse_req_t req, fuse_ino_t ino);
void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
		 const char *value, size_t size, int flags);
void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size);
void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size);
void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name);

/* ---- ops_dir.c ------------------------------------------------------- */

void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		struct fuse_file_info *fi);
void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi);
void op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
/* The session is over: those that the kernel did not come to release. */
void dirs_free_all(struct fs *fs);
void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync,
		 struct fuse_file_info *fi);

#endif
