/* SPDX-License-Identifier: MIT
 *
 * ctl.h - `.@ctl`, the unlisted directory at the mount's root through which
 * people and tools see the daemon: status.json, locks.json, metrics,
 * quarantine/.
 *
 * Readable by root and by the user who mounted.  Each open of a file renders
 * it afresh and keeps that text.  quarantine/ is the real directory: its items
 * can be read and removed, and nothing else.
 *
 * Called with fs->lock held, but for those that take a request.
 */
#ifndef FS_CTL_H
#define FS_CTL_H

#include "fs.h"

#define CTL_NAME ".@ctl"

int ctl_init(struct fs *fs);

/* Whether @name in @dir is to be looked up here. */
bool ctl_owns(struct fs *fs, const struct node *dir, const char *name);
int ctl_lookup(struct fs *fs, struct node *dir, const char *name,
	       struct fuse_entry_param *ret_e);
int ctl_stat(struct fs *fs, struct node *node, struct stat *ret_st);
/* Whether @node is virtual, or lies in the quarantine. */
bool ctl_contains(const struct node *node);
int ctl_unlink(struct fs *fs, struct node *dir, const char *name);
/* Names in the directory @node; NULL: it is a real one (the quarantine). */
const char *const *ctl_names(struct fs *fs, const struct node *node);

void ctl_open(struct fs *fs, fuse_req_t req, struct node *node,
	      struct fuse_file_info *fi);
void ctl_read(fuse_req_t req, struct fuse_file_info *fi, size_t size,
	      off_t off);
void ctl_release(struct fs *fs, struct fuse_file_info *fi);
/* The session is over: files that the kernel did not come to release. */
void ctl_done(void);

#endif
