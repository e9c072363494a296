/* SPDX-License-Identifier: MIT
 *
 * stage.h - write a file aside, then make it the current one in one step.
 *
 * A store is the state directory `.atomicfs` of a source directory: shadows
 * that are being written, and the quarantine of those that were rolled back.
 * A shadow is a working copy of one file.  It ends in exactly one of: commit
 * (it becomes the file), discard (it is deleted) or quarantine (it is kept for
 * a person to look at).
 *
 * Threads: functions on one store may be called from several threads at once;
 * functions on one shadow may not.  Nothing here prints, logs or changes the
 * process's umask, directory or credentials.
 */
#ifndef ATOMICIO_STAGE_H
#define ATOMICIO_STAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <atomicio/error.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ATIO_STATE_DIR ".atomicfs"

struct atio_store;
struct atio_shadow;

/* ---- the store ------------------------------------------------------- */

#define ATIO_STORE_OPTIONS_VERSION 1

struct atio_store_options {
	unsigned version; /* ATIO_STORE_OPTIONS_VERSION */
	bool durable;     /* false: never fsync (durability=none) */
	bool no_lock;     /* look only: take no lock, create nothing */
	uint64_t quarantine_max_bytes; /* 0: 1 GiB or a tenth of the disk */
	uint64_t quarantine_max_age_s; /* 0: 30 days */
};

/* Open the store in the directory @srcfd (lent; must stay open as long as the
 * store), creating `.atomicfs` (0700) where it is missing.
 *   -EBUSY       another process has this store open
 *   -EPROTO      the state directory was written by a newer version
 *   -EROFS       the source is read-only
 *   -EOPNOTSUPP  the file system has no extended attributes
 * On failure nothing is left that was not there before. */
int atio_store_open(int srcfd, const struct atio_store_options *opts,
		    struct atio_store **ret_store, struct atio_error *err);
void atio_store_free(struct atio_store *store);

/* True when FICLONE works on this file system (tried once at open). */
bool atio_store_can_clone(const struct atio_store *store);

/* Whether inode @ino is half rewritten: nobody should read it. */
bool atio_store_is_unfinished(struct atio_store *store, uint64_t ino);

/* Give the file @to (writable) content, attributes and times of @from, both
 * lent.  Not atomic: for a file that has no name any more, but that somebody
 * has open. */
int atio_store_copy(struct atio_store *store, int from, int to,
		    struct atio_error *err);

/* A directory descriptor of the quarantine, lent. */
int atio_store_quarantine_fd(const struct atio_store *store);

/* ---- recovery -------------------------------------------------------- */

enum atio_recovery_action {
	ATIO_RECOVERED_PUBLISHED,   /* a synced shadow was made current */
	ATIO_RECOVERED_REDONE,      /* an in-place rewrite was finished */
	ATIO_RECOVERED_QUARANTINED, /* unfinished, had data */
	ATIO_RECOVERED_DISCARDED,   /* unfinished and empty, or litter */
	ATIO_RECOVERED_FAILED,      /* could not be settled; left in place */
};

struct atio_recovered {
	enum atio_recovery_action action;
	const char *path; /* relative to the source; "" when not known */
	const char *id;   /* of the shadow, or of the quarantined item */
	int error;        /* errno of a FAILED one, else 0 */
};

typedef void atio_recovered_fn(const struct atio_recovered *what, void *arg);

/* Settle what a crash left in the store: call once, after open and before the
 * first shadow.  @dry_run: only report.  Idempotent: may itself be cut short
 * at any instant and run again.  @fn may be NULL.
 * Returns the number of items, or -errno when the store cannot be read. */
int atio_store_recover(struct atio_store *store, bool dry_run,
		       atio_recovered_fn *fn, void *arg,
		       struct atio_error *err);

/* ---- shadows --------------------------------------------------------- */

/* Who writes, for the quarantine's report and for recovery. */
struct atio_origin {
	const char *path; /* relative to the source, no leading slash */
	pid_t pid;        /* 0: not known */
	uid_t uid;
};

/* A new file, with the attributes (owner, group, default ACL, security label)
 * that open(@dirfd, name, O_CREAT, @mode) by the calling thread would give it,
 * except that the process's umask must have been applied by the caller. */
int atio_shadow_create(struct atio_store *store, int dirfd, mode_t mode,
		       const struct atio_origin *origin,
		       struct atio_shadow **ret_shadow, struct atio_error *err);

/* An empty shadow with mode, owner, ACLs and xattrs of the regular file
 * @basefd (lent; readable). */
int atio_shadow_replace(struct atio_store *store, int basefd,
			const struct atio_origin *origin,
			struct atio_shadow **ret_shadow,
			struct atio_error *err);

/* The same with the content of @basefd: FICLONE where the file system can,
 * else copy_file_range, holes kept.  Times are copied too. */
int atio_shadow_update(struct atio_store *store, int basefd,
		       const struct atio_origin *origin,
		       struct atio_shadow **ret_shadow, struct atio_error *err);

/* A second shadow with the present content and metadata of @shadow, which
 * stays as it is. */
int atio_shadow_snapshot(struct atio_shadow *shadow,
			 struct atio_shadow **ret_shadow,
			 struct atio_error *err);

/* Copy mode, owner, ACLs and xattrs of @basefd onto @shadow again (somebody
 * changed the current version's while the shadow was open). */
int atio_shadow_copy_meta(struct atio_shadow *shadow, int basefd,
			  struct atio_error *err);

/* The open file (O_RDWR), lent: valid until the shadow ends or is freed. */
int atio_shadow_fd(const struct atio_shadow *shadow);

/* Take the descriptor away from the shadow; the caller closes it.  The shadow
 * must have been committed. */
int atio_shadow_take_fd(struct atio_shadow *shadow);

/* A number unique in this store's life, for logs ("txn 17"). */
uint64_t atio_shadow_id(const struct atio_shadow *shadow);

/* Remember the file's present size, mtime and ctime as "unchanged". */
int atio_shadow_mark_clean(struct atio_shadow *shadow);

/* 1: changed since staging or the last mark_clean; 0: not; -errno.  Looks at
 * size, mtime and ctime, and counts as changed when those were younger than
 * 20 ms at the mark (a clock tick could hide a write). A write that was seen
 * (set_changed) counts always. */
int atio_shadow_changed(const struct atio_shadow *shadow);
void atio_shadow_set_changed(struct atio_shadow *shadow);

/* The path under which recovery and quarantine know the shadow has changed. */
int atio_shadow_set_path(struct atio_shadow *shadow, const char *path,
			 struct atio_error *err);

/* Flush content and metadata to disk (fsync).  After a failure the shadow is
 * poisoned: every later prepare and commit fails with the same errno. */
int atio_shadow_prepare(struct atio_shadow *shadow, struct atio_error *err);

/* prepare, and record durably that recovery shall publish this content under
 * the shadow's path, should the machine stop before the commit. */
int atio_shadow_sync(struct atio_shadow *shadow, struct atio_error *err);

/* Take a sync back: recovery shall not publish this content (the file was
 * unlinked, replaced by another, or is to be rolled back).  Holds when the
 * process dies; when the machine does, once the journal is on disk. */
void atio_shadow_retract(struct atio_shadow *shadow);

#define ATIO_COMMIT_NOREPLACE 1u /* -EEXIST when the name is taken */

/* Make the (prepared) shadow the file @name in @dirfd: one rename.  Does not
 * sync the directory: see atio_dir_sync.  The shadow keeps its descriptor and
 * is over: only take_fd, fd, id and free may follow.  On failure the shadow is
 * as before. */
int atio_shadow_commit(struct atio_shadow *shadow, int dirfd, const char *name,
		       unsigned flags, struct atio_error *err);

/* Make room in the regular file @targetfd (writable, lent) for a redo, so that
 * it cannot fail for lack of space.  The content stays as it is.  -ENOSPC. */
int atio_shadow_reserve(struct atio_shadow *shadow, int targetfd,
			struct atio_error *err);

/* Make the (prepared) shadow the content of the regular file @targetfd
 * (writable, lent), which stays the same inode: for files with several hard
 * links.  A redo record makes it atomic across a crash.  Metadata is copied
 * too.  The shadow is over afterwards and its file deleted.
 * On failure after the record was made the target may be half rewritten: the
 * record and the shadow's file stay (discard and quarantine say -EBUSY), until
 * recovery or a later redo of the same inode settles them; until then
 * atio_store_is_unfinished is true of that inode. */
int atio_shadow_redo(struct atio_shadow *shadow, int targetfd,
		     struct atio_error *err);

/* Delete the shadow's file: nothing is kept. */
int atio_shadow_discard(struct atio_shadow *shadow);

struct atio_rollback {
	const char *reason;  /* "killed", "disk full", "conflict", ... */
	const char *detail;  /* free text, may be NULL */
	const char *command; /* comm of the writer, may be NULL */
	int error;           /* errno told to the program, 0: none */
};

/* Keep the shadow's file in the quarantine with what is known about it, or
 * delete it when it holds no data.  The shadow is over.
 * Returns 1 when it was kept (its id in @ret_id, room for 32, may be NULL),
 * 0 when it was empty, -EFBIG when it was larger than the whole quarantine may
 * be and was deleted, or another -errno: then the file is still in the stage
 * and recovery will find it. */
int atio_shadow_quarantine(struct atio_shadow *shadow,
			   const struct atio_rollback *why, char *ret_id,
			   struct atio_error *err);

/* Free the handle.  A shadow that has not ended is left on disk for recovery.
 * NULL is allowed. */
void atio_shadow_free(struct atio_shadow *shadow);

/* fsync a directory (durability=full), so that renames in it last.  One that we
 * may search but not read is an O_PATH descriptor, which takes no fsync: then
 * the whole file system is flushed. */
int atio_dir_sync(struct atio_store *store, int dirfd);

#ifdef __cplusplus
}
#endif
#endif
