/* SPDX-License-Identifier: MIT
 *
 * publish.h - what prepare.c and publish.c share.
 *
 * Called with fs->lock held.
 */
#ifndef FS_PUBLISH_H
#define FS_PUBLISH_H

#include "txn.h"

/* What a name leads to at this moment. */
struct target {
	int dirfd;
	const char *name;
	bool exists;
	struct file_key key;
	struct stat st;
};

/* -ENOENT: its directory is gone.  That the name is free is no error. */
int target_look(struct fs *fs, const struct txn *txn, struct target *ret_t);

/* Whether others have replaced the file that an update began with: -ESTALE, or
 * txn->rebased where the update only appended (S20). */
int check_conflict(struct fs *fs, struct txn *txn, const struct target *t);

/* Wait until no inode is being rewritten in place (drops). */
void redo_wait(struct fs *fs);

/* Log that @op failed with @r, and return @r; nothing for r >= 0. */
int txn_report(struct fs *fs, struct txn *txn, const char *op, int r,
	       const struct atio_error *err);

/* Busy: bring about that the shadow (@snapshot: a snapshot of it) is flushed,
 * and nothing stands against publishing it before the lock is next dropped.
 * @flushed: it was flushed before (drops). */
int txn_make_ready(struct fs *fs, struct txn *txn, bool flushed, bool snapshot);

/* Flushed, and not written to since. */
bool txn_is_prepared(const struct txn *txn);

/* fsync(2) without publishing; @named: recovery will publish it (drops). */
int txn_flush_only(struct fs *fs, struct txn *txn, bool named);

#endif
