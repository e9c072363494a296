/* SPDX-License-Identifier: MIT
 *
 * ops_open.h - what opening and creating files share.
 *
 * Called with fs->lock held, but for reply_answer.
 */
#ifndef FS_OPS_OPEN_H
#define FS_OPS_OPEN_H

#include "ops.h"

/* What an open is answered with. */
struct answer {
	struct handle *h;
	int32_t backing_id;
	bool keep_cache, no_flush, direct_io;
};

/* Whether the caller is in group @gid, supplementary ones included. */
bool is_in_group(fuse_req_t req, gid_t gid);

/* Whether its mode lets the caller open @node with @flags; false where an ACL
 * says it.  The kernel has asked, but where it takes a file for new. */
bool may_open(fuse_req_t req, struct node *node, const struct stat *st,
	      int flags);

struct stage_request stage_request_of(fuse_req_t req, struct node *dir,
				      const char *name, enum txn_kind kind);

/* A handle on the current version, for reading. */
int open_reader(struct fs *fs, fuse_req_t req, struct node *node, int flags,
		struct answer *a);
/* ... on the file itself, for writing without a shadow. */
int open_in_place(struct fs *fs, fuse_req_t req, struct node *node, int flags,
		  enum file_class file_class, struct answer *a);
/* ... on the shadow @txn, for writing. */
int attach_txn(struct fs *fs, fuse_req_t req, struct txn *txn, int flags,
	       struct answer *a);

/* O_TRUNC: a shadow of one's own.  @node: the file that is replaced, or a live
 * shadow of a name that is not published (drops). */
int replacement_of(struct fs *fs, fuse_req_t req, struct node *node,
		   struct txn **ret_txn);

/* Tell the kernel; @e: of a create, else NULL. */
void reply_answer(struct fs *fs, fuse_req_t req, struct answer *a,
		  const struct fuse_entry_param *e);

#endif
