/* SPDX-License-Identifier: MIT
 *
 * file.h - files that are read, written and updated as a whole, under a lock.
 *
 * A struct atio_file stands for one path: SafeFile and ThreadedSafeFile of the
 * Python package.  It may be used by several threads at once.  Each operation
 * takes the file's lock, and a thread that has it (atio_file_lock) gets it
 * again.  The lock is the file's: other spellings of the path, symbolic links
 * to it, other objects, other processes, and programs that use flock(2) on it
 * are excluded; on an atomicfs mount, whoever locks the path.
 *
 * What is written becomes the file in one step and is on disk when the call
 * returns; when it fails, or the process is killed, the old file stays.  Mode,
 * owner, extended attributes and hard links are kept, a symbolic link's target
 * is written, and nothing else is left in the directory.  (A process that is
 * killed in one instant of it leaves a name, `.atomicio-...`, that the next
 * writer in this directory removes.)
 *
 * A child of fork(2) has none of its parent's locks.  What is written needs the
 * right to write to the file, and to put a file into its directory.
 *
 * Errors: 0 or -errno, with the cause in an optional struct atio_value_error.
 *   -ENOENT     no such file (read), or no such directory
 *   -ETIMEDOUT  the lock was not to be had in time
 *   -EAGAIN     it is held, and the timeout is ATIO_TRY
 *   -EDEADLK    whoever holds it waits for this thread
 *   -EBUSY      a stranger has linked the file that is being written to
 *               another name, and it is locked there
 *   -EINVAL, -EILSEQ, -EFBIG, -EEXIST, -EOPNOTSUPP   see format.h
 *   -ENOPKG     no format is known for this name
 *   -EACCES, -ENOSPC, -EDQUOT, -EROFS, -EISDIR...    of the system calls
 */
#ifndef ATOMICIO_FILE_H
#define ATOMICIO_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <atomicio/error.h>
#include <atomicio/format.h>
#include <atomicio/value.h>

#ifdef __cplusplus
extern "C" {
#endif

struct atio_file;

#define ATIO_WAIT (-1L) /* for ever */
#define ATIO_TRY  0L    /* not at all */

#define ATIO_FILE_OPTIONS_VERSION 1

struct atio_file_options {
	unsigned version; /* ATIO_FILE_OPTIONS_VERSION */
	long timeout_ms;  /* for the lock; ATIO_WAIT, ATIO_TRY */
	/* Lent, must stay as long as the file; NULL: the formats of this
	 * machine (atio_formats_new(NULL)), made once for the process. */
	const struct atio_formats *formats;
	const struct atio_limits *limits; /* lent for the call; NULL: defaults
					   */
	bool not_durable; /* no fsync: atomic, but not safe from a power cut */
};

/* Nothing is opened yet.  @opts may be NULL: ATIO_WAIT.  -EINVAL: version,
 * timeout, limits, an empty path; -ENOMEM. */
int atio_file_new(const char *path, const struct atio_file_options *opts,
		  struct atio_file **ret_file, struct atio_value_error *err);
/* Nobody may be in a call or hold its lock.  NULL is fine. */
void atio_file_free(struct atio_file *file);

const char *atio_file_path(const struct atio_file *file);
/* NULL: none is known for its name. */
const struct atio_format *atio_file_format(const struct atio_file *file);

/* ---- values ---------------------------------------------------------- */

/* The caller owns *ret_doc. */
int atio_file_read(struct atio_file *file, struct atio_doc **ret_doc,
		   struct atio_value_error *err);
int atio_file_write(struct atio_file *file, const struct atio_node *value,
		    struct atio_value_error *err);

#define ATIO_UPDATE_DEEP (1u << 0) /* maps in depth, null deletes: RFC 7396 */

/* Read, atio_value_update (or atio_value_merge), write under one lock.  A
 * missing file is written. */
int atio_file_update(struct atio_file *file, const struct atio_node *value,
		     unsigned flags, struct atio_value_error *err);

/* ---- bytes ----------------------------------------------------------- */

/* The caller frees *ret_bytes with free(3); a NUL that is not counted follows.
 */
int atio_file_read_bytes(struct atio_file *file, char **ret_bytes,
			 size_t *ret_len, struct atio_value_error *err);
int atio_file_write_bytes(struct atio_file *file, const void *bytes, size_t len,
			  struct atio_value_error *err);
/* Creates the file where it is missing.  To a file of a format under gzip they
 * are appended as a member of its own: what is unpacked ends with them. */
int atio_file_append(struct atio_file *file, const void *bytes, size_t len,
		     struct atio_value_error *err);
/* Remove it; of a symbolic link, the link.  -ENOENT. */
int atio_file_delete(struct atio_file *file, struct atio_value_error *err);

/* ---- sections -------------------------------------------------------- */

/* Hold the lock over several operations.  Counted: unlock as often. */
int atio_file_lock(struct atio_file *file, struct atio_value_error *err);
/* The same with another timeout than the file's. */
int atio_file_lock_within(struct atio_file *file, long timeout_ms,
			  struct atio_value_error *err);
/* -EPERM: this thread does not have it. */
int atio_file_unlock(struct atio_file *file);

/* ---- without waiting ------------------------------------------------- */

/* AsyncSafeFile: an operation that an event loop drives.  No thread is made.
 *
 *	struct atio_task *task;
 *	r = atio_task_begin(file, &request, &task, &err);
 *	while ((r = atio_task_run(task)) == -EAGAIN)
 *		(let the loop wait until atio_task_fd(task) is readable)
 *	...look at the result
 *	atio_task_free(task);
 *
 * Freeing a task that is not done cancels it: its waiting ends, its lock is
 * given up, and nothing of it is written, then or later; except that the rename
 * (on an atomicfs mount: the flush) may just have been done, and only flushing
 * the directory is left.  In a child of fork a task is its parent's: to run it
 * is -ECHILD, and to free it does nothing to it. */
struct atio_task;

enum atio_task_kind {
	ATIO_TASK_READ,
	ATIO_TASK_WRITE,
	ATIO_TASK_UPDATE,
	ATIO_TASK_READ_BYTES,
	ATIO_TASK_WRITE_BYTES,
	ATIO_TASK_APPEND,
	ATIO_TASK_DELETE,
	ATIO_TASK_LOCK,   /* to hold it until ATIO_TASK_UNLOCK */
	ATIO_TASK_UNLOCK,
};

struct atio_task_request {
	unsigned version; /* ATIO_TASK_REQUEST_VERSION */
	enum atio_task_kind kind;
	/* Whose lock it is: operations with the same number do not exclude each
	 * other, as those of one thread do not otherwise.  From 1 to
	 * INT64_MAX; one of this process, and never a thread's. */
	uint64_t owner;
	const struct atio_node *value; /* WRITE, UPDATE; lent until the end */
	unsigned flags; /* ATIO_UPDATE_... of UPDATE, ATIO_TASK_... */
	const void *bytes;             /* lent until the end */
	size_t len;
	long timeout_ms; /* as atio_file_options; the whole waiting */
};
#define ATIO_TASK_REQUEST_VERSION 1

/* There is nothing else to do meanwhile: flush to disk within atio_task_run,
 * which is sooner done. */
#define ATIO_TASK_FLUSH_HERE (1u << 1)
/* APPEND: to the bytes of the file, also under gzip. */
#define ATIO_TASK_AS_BYTES (1u << 2)

/* @file must stay as long as the task. */
int atio_task_begin(struct atio_file *file,
		    const struct atio_task_request *request,
		    struct atio_task **ret_task, struct atio_value_error *err);
/* Go on as far as possible.  -EAGAIN: not done.  0: done.  Other: failed; the
 * same at every later call.  (Locked, and the timeout is ATIO_TRY: -EBUSY.) */
int atio_task_run(struct atio_task *task);
/* Readable when atio_task_run may get on.  Lent; the same for the whole life.
 */
int atio_task_fd(const struct atio_task *task);
/* Of a task that is done; the caller owns what it takes, once. */
struct atio_doc *atio_task_take_doc(struct atio_task *task);
char *atio_task_take_bytes(struct atio_task *task, size_t *ret_len);
const struct atio_value_error *atio_task_error(const struct atio_task *task);
void atio_task_free(struct atio_task *task); /* NULL is fine */

#ifdef __cplusplus
}
#endif
#endif
