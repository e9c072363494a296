/* SPDX-License-Identifier: MIT
 *
 * txn.h - transactions: who writes what, and when it becomes the file.
 *
 *        open(2) for writing, O_CREAT, truncate(2)
 *                       |
 *                   txn_stage           intent_put: pinned until the
 *                       v               redirected open comes
 *     +-------------> OPEN  <-- txn_join
 *     |   txn_sync     |
 *     +----------------+  fsync(2): a snapshot is published, writing goes on
 *     |                |
 *     |   txn_prepare  |  FLUSH of a process's last descriptor: all that can
 *     |                v  fail
 *     |            PREPARED   (a later write leads back to OPEN)
 *     |                |
 *     |   txn_release  |  RELEASE (and the end of shared mappings)
 *     +----------------+  others still write: the snapshot is published
 *                      |
 *                      +--> committed: the shadow is the file
 *                      +--> rolled back: the shadow is in the quarantine
 *                      +--> discarded: nothing was changed, or unlinked
 *
 * busy     One thread is staging, preparing or publishing this transaction and
 *          has dropped fs->lock.  Others wait on fs->settled.
 * pending  A RELEASE that will publish was read and takes its time; whoever
 *          asks for the name waits (S2).  It waits for nobody but a busy
 *          thread, and a busy one waits for nobody: waiting ends.
 *
 * Everything here is called with fs->lock held; what is marked (drops) may
 * release it meanwhile, and its callers have let go of the reading
 * (session_may_block).
 */
#ifndef FS_TXN_H
#define FS_TXN_H

#include "fs.h"

enum txn_kind {
	TXN_NEW,     /* nothing of that name is published yet */
	TXN_REPLACE, /* O_TRUNC: has a shadow of its own */
	TXN_UPDATE,  /* began with the current content; shared */
};

/* How a transaction will end. */
enum txn_fate {
	FATE_PUBLISH,
	FATE_DISCARD,  /* unlinked while open: wanted by nobody */
	FATE_ORPHANED, /* another file was renamed over the name */
	FATE_KILLED,
	FATE_ABORTED,
	FATE_CONFLICT,
	FATE_FAILED, /* txn->error says why */
};

enum {
	LOCK_FD_UNKNOWN = -1,
	LOCK_FD_ALONE = -2, /* nobody else had the file open then: there is
			       nothing that its process may have inherited */
};

/* Whose a lock of a range is, as far as it can be told. */
enum { RANGE_UNKNOWN, RANGE_POSIX, RANGE_OFD };

/* One open(2) that the kernel knows. */
struct handle {
	struct node *node;   /* holds a reference */
	struct txn *txn;     /* when open for writing on a shadow, else NULL */
	struct handle *next; /* of the same transaction */
	struct ring all;     /* of fs->handles */
	pid_t tid, tgid;     /* of the opener; 0: not known */
	int flags;           /* of open(2) */
	int pidfd;           /* of the opener, where it may map; or -1 */
	bool killed;         /* the opener died by a signal ... */
	bool buried;         /* ... and what it had written was rolled back */
	bool lingers;        /* closed, but still mapped */
	bool closing;        /* its process has closed it: RELEASE may follow */
	pid_t closer;        /* the thread that did ... */
	uint64_t closer_time; /* ... and what it had of the processor then */
	bool no_flush;        /* the kernel tells of its last close only ... */
	bool left;            /* ... which will not be the opener's */
	bool locks;           /* a lock was asked for through it ... */
	int lock_fd;          /* by this descriptor, or LOCK_FD_..., ... */
	pid_t lock_fd_of;     /* of this process; 0: not known */
	uint8_t range_kind;   /* what range_owner is: RANGE_... */
	uint64_t range_owner; /* who last asked for one of a range; 0: nobody */
	pid_t range_tgid;     /* ... and his process */
	struct ring same;     /* of those on the same inode: opened->users */
	struct lock_alias *alias; /* what it locks, if not what its node says */
	struct lock_watch *watches; /* of lock_watch.c */
};

struct txn {
	struct txn *all_prev, *all_next;
	struct txn *next;    /* of the same entry, older */
	struct entry *entry; /* NULL: nameless (O_TMPFILE), or cut off */
	struct node *node;   /* of the shadow: holds a reference */
	struct atio_shadow *shadow;
	struct atio_shadow *snapshot; /* flushed, of the content at the mark */
	struct handle *handles;       /* open for writing */
	struct file_key base; /* version it began with or published; ino 0: none
			       */
	ino_t shown_ino; /* of the version it began with, for its writers */
	struct timespec base_ctime;
	nlink_t base_nlink;
	int base_fd;      /* of that version, or -1 */
	off_t tail;       /* append_only: what lies behind is not published */
	unsigned pins;    /* intents */
	unsigned waiters; /* in txn_busy_begin */
	unsigned pending;
	enum txn_kind kind;
	enum txn_fate fate;
	int error; /* what close reports (positive errno) */
	pid_t pid; /* of the process that opened it first */
	pid_t tid; /* the thread of it that did */
	uid_t uid;
	char command[16]; /* of a writer that was killed */
	bool busy;
	bool over;        /* only those who wait for it still know it */
	bool ready;       /* staged: node and content are there */
	bool unpublished; /* held changes at the last mark */
	bool prepared;    /* flushed since the last mark */
	bool shared;      /* joined without O_TRUNC: becomes an update */
	bool append_only; /* every writer used O_APPEND, and only that */
	bool rebased;     /* its content lacks what others published: only its
			     tail is applied */
	bool conflict;    /* its base was rewritten in place by others */
	bool refreshing;  /* busy: its content is being replaced by the current
			     one, of which nobody has to be told */
	bool behind;      /* others, or other descriptors of its own process,
			     have published since it began */
	bool in_place;    /* its file has several names: as of the last check */
	bool meta_set;    /* mode, owner or xattrs were set through it */
	bool mode_set;    /* the mode was: setuid bits are as they shall be */
	bool unseen;      /* passthrough: the daemon sees no failing write */
	bool may_map;     /* a writer can map it (mmap(2), EACCES) */
	bool was_low;     /* the disk ran low while it was open */
	bool keeps_privs; /* every writer may leave setuid bits alone */
	bool outsider;    /* a writer is not of the file's group */
};

struct stage_request {
	struct node *dir;
	const char *name; /* NULL: nameless, in @dir (O_TMPFILE) */
	enum txn_kind kind;
	mode_t mode, umask; /* of a new file */
	uid_t uid;
	gid_t gid;
	pid_t tid;
};

/* ---- txn.c ----------------------------------------------------------- */

/* Make a transaction, without handles or pins (drops while it copies much). */
int txn_stage(struct fs *fs, const struct stage_request *sr,
	      struct txn **ret_txn);

/* @h becomes a writer of @txn. */
void txn_join(struct txn *txn, struct handle *h);

/* Whether it holds anything that is not published. */
bool txn_dirty(const struct txn *txn);

/* It will not be published: close(2) will report @error (positive). */
void txn_fail(struct txn *txn, enum txn_fate fate, int error);

/* The transaction is over: its shadow has ended.  Handles and the node stay
 * with those who hold them.  @node_lives: the node is a committed one now. */
void txn_over(struct fs *fs, struct txn *txn, bool node_lives);

/* Nobody uses it, nothing is to be published: drop the shadow. */
void txn_reap(struct fs *fs, struct txn *txn);

/* The path of its file, for logs; "" when nameless. */
const char *txn_path(struct fs *fs, const struct txn *txn, char *buf,
		     size_t size);

/* False: it ended while this waited, and is gone (drops). */
bool txn_busy_begin(struct fs *fs, struct txn *txn);
void txn_busy_end(struct fs *fs, struct txn *txn);

/* ---- prepare.c ------------------------------------------------------- */

/* Everything that can fail before a commit: disk full, conflict, flush
 * (drops).  What close(2) returns: 0 or -errno. */
int txn_prepare(struct fs *fs, struct txn *txn);

/* ---- publish.c ------------------------------------------------------- */

/* Publish what was written so far, durably if asked; writing goes on
 * (drops). */
int txn_publish(struct fs *fs, struct txn *txn, bool durable);

/* fsync(2): durable, and visible where a snapshot is cheap (drops). */
int txn_sync(struct fs *fs, struct txn *txn);

/* Publish the prepared shadow itself, or its snapshot, and end: a rename.
 * -EAGAIN: it takes more than that, call txn_commit. */
int txn_commit_quick(struct fs *fs, struct txn *txn);
int txn_commit(struct fs *fs, struct txn *txn); /* (drops) */
/* The snapshot that prepare made becomes the file, as above. */
int txn_commit_snapshot_quick(struct fs *fs, struct txn *txn);

/* ---- release.c ------------------------------------------------------- */

/* Wait for what others have closed before this call: it may be in conflict.
 * @h may have lost its transaction afterwards (drops). */
void txn_wait_for_others(struct fs *fs, const struct handle *h);

/* The other open files under the name of @h which show the same inode number.
 */
struct others {
	int own;     /* opened by process @tgid: a descriptor each at least */
	int foreign; /* it may have inherited those */
};

struct others handle_count_others(struct fs *fs, const struct handle *h,
				  pid_t tgid);

/* FLUSH of @h by thread @tid (drops). */
int txn_flush(struct fs *fs, struct handle *h, pid_t tid);

/* Release @h without waiting or I/O, if that can be.  False: nothing was done;
 * call txn_release. */
bool txn_release_quick(struct fs *fs, struct handle *h);
/* The caller has counted it in txn->pending and fs->n_pending.  False: the
 * file is still mapped, and @h stays until that ends (drops). */
bool txn_release(struct fs *fs, struct handle *h);
/* Finish those in @dir (under @name; NULLs: all) whose file is mapped no more
 * (drops). */
bool txn_end_lingering(struct fs *fs, const struct node *dir, const char *name);

/* Busy: keep @shadow, of @txn or a copy of it, in the quarantine, and say so in
 * the log (drops). */
void txn_put_aside(struct fs *fs, struct txn *txn, struct atio_shadow *shadow,
		   const char *reason, pid_t pid);

/* Roll back on request; handles stay open on what is never published
 * (drops). */
int txn_abort(struct fs *fs, struct txn *txn);

/* The session is over: settle all.  @closed: the kernel has closed every file
 * (drops). */
void txn_settle_all(struct fs *fs, bool closed);

/* ---- dirsync.c ------------------------------------------------------- */

/* Sync @dir soon, in the background, once for all the commits of that time. */
void dirsync_queue(struct fs *fs, struct node *dir);
/* Start those that are due, or all (keeper).  Returns after how many
 * milliseconds to look again, 0 when none waits. */
unsigned dirsync_start_due(struct fs *fs, bool all);
/* Sync it now (drops). */
int dirsync_now(struct fs *fs, struct node *dir);

#endif
