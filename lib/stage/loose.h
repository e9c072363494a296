/* SPDX-License-Identifier: MIT
 *
 * loose.h - a shadow without a store: it lives in the directory of its file,
 * which belongs to nobody in particular.  For lib/file; not exported.
 *
 * Where the file system has O_TMPFILE, it has no name until it takes over that
 * of the file.  link(2) replaces nothing, so for that there is a name for the
 * instant between two system calls; a process that is killed just then leaves
 * it.  All such names begin with ATIO_LOOSE_PREFIX, and whoever made one has
 * the file locked (flock) from before it had a name until it is over.  So one
 * that can be locked belongs to nobody any more: atio_loose_sweep removes it.
 */
#ifndef ATIO_STAGE_LOOSE_H
#define ATIO_STAGE_LOOSE_H

#include <stdbool.h>
#include <sys/types.h>
#include <atomicio/error.h>

#define ATIO_LOOSE_PREFIX   ".atomicio-"
#define ATIO_LOOSE_NAME_MAX 40

struct atio_loose {
	int dir; /* lent; may be O_PATH, but for atio_loose_sweep */
	int fd;  /* O_RDWR and locked (flock, exclusive); -1: none */
	bool durable;
	char name[ATIO_LOOSE_NAME_MAX]; /* in @dir; "": it has none */
};

#define ATIO_LOOSE_INIT                                                        \
	{                                                                      \
		.dir = -1, .fd = -1                                            \
	}

/* A new file, with the attributes that open(@dir, O_CREAT, @mode) gives. */
int atio_loose_create(struct atio_loose *loose, int dir, mode_t mode,
		      bool durable, struct atio_error *err);
/* An empty one with mode, owner, ACLs and xattrs of @base.  -EPERM: this
 * process cannot give a file to that owner or group. */
int atio_loose_like(struct atio_loose *loose, int dir, int base, bool durable,
		    struct atio_error *err);
/* Flush it (fsync), unless it is not to be durable.  What failed must not be
 * committed. */
int atio_loose_flush(struct atio_loose *loose, struct atio_error *err);

#define ATIO_LOOSE_NOREPLACE 1u /* -EEXIST when the name is taken */

/* Make it the file @name.  It keeps its descriptor, which is the caller's from
 * now on.  The directory is not flushed. */
int atio_loose_commit(struct atio_loose *loose, const char *name,
		      unsigned flags, struct atio_error *err);

/* One that is to be written into the file @name, open at @base, which stays the
 * same inode.  It has that file's attributes as far as this process can give
 * them, and nobody may read it who may not read the file. */
int atio_loose_copy_for(struct atio_loose *loose, int dir, int base,
			const char *name, bool durable, struct atio_error *err);
/* Make its (flushed) content that of the file it was made for, open at @target
 * (writable).  A redo record (inplace.c) makes it atomic across a crash.
 * *ret_begun, also on failure: it has been decided; whoever comes next finishes
 * what could not be done now (atio_redo_finish).  Else nothing was changed. */
int atio_loose_overwrite(struct atio_loose *loose, int target, bool *ret_begun,
			 struct atio_error *err);

/* Close it, and delete it if it was not committed.  Twice is fine, and so is
 * one that was never made (ATIO_LOOSE_INIT). */
void atio_loose_done(struct atio_loose *loose);

/* Remove what killed processes left in @dir (readable).  Returns how many. */
int atio_loose_sweep(int dir);

/* ---- inplace.c: what a crash interrupted ------------------------------ */

/* A file that is to be rewritten from a copy. */
struct atio_redo {
	int dir;  /* of the copy */
	int copy; /* -1: it is gone, because all but the record is done */
	char name[ATIO_LOOSE_NAME_MAX];
};

/* Whether @target (open in any way), reached through @dir, is half rewritten.
 * 0: no.  1: *ret_redo says from what; until atio_redo_done.
 * -EIO: yes, but what is missing cannot be found or trusted. */
int atio_redo_find(int dir, int target, struct atio_redo *ret_redo,
		   struct atio_error *err);
/* Finish it.  @target: writable, locked by the caller. */
int atio_redo_finish(struct atio_redo *redo, int target, bool durable,
		     struct atio_error *err);
void atio_redo_done(struct atio_redo *redo);
/* For atio_loose_sweep: the copy @name in @dir, open at @copy and locked, is
 * not needed (any more). */
bool atio_redo_is_over(int dir, const char *name, int copy);

/* A new name in that style. */
void atio_loose_name(const char *prefix, char name[ATIO_LOOSE_NAME_MAX]);
/* @dir may be O_PATH. */
int atio_loose_dir_sync(int dir);

#define ATIO_REDO_PREFIX ATIO_LOOSE_PREFIX "redo-"

#endif
