/* SPDX-License-Identifier: MIT
 *
 * locks.h - locks belong to a path (S21): which path an open file locks, and
 * how locks follow files.
 *
 * The table of lib/lock has the locks.  Its keys are made here:
 *   a name        directory and name: of a file with one name
 *   an inode      of a file with several names, which share its locks, as
 *                 anywhere; or without any yet
 *   a file that is gone: a serial number
 * An open file's key follows from its node.  Once the name that it was opened
 * by leads to another file, the node says nothing of it any more: before that
 * the open file gets an alias, which keeps the key.
 *
 * So who has an old version open, or what was renamed over, locks the same as
 * who opens the new one; and a file that is unlinked takes its locks along.
 *
 * Called with fs->lock held, but for what is marked (free): that wants it not
 * held, as the table may call back.
 */
#ifndef FS_LOCKS_H
#define FS_LOCKS_H

#include "lock/table.h"
#include "txn.h"

/* A kind, a number, the address of a directory's node, and a name. */
#define LOCK_KEY_MAX (1 + 8 + sizeof(void *) + NAME_MAX + 1)

struct lock_key {
	size_t size;
	unsigned char bytes[LOCK_KEY_MAX];
};

static inline struct atio_lock_key lock_key_lent(const struct lock_key *key)
{
	return (struct atio_lock_key){key->bytes, key->size};
}

int locks_init(struct fs *fs);
/* Whoever waits is told ENOLCK (free). */
void locks_done(struct fs *fs);

/* ---- lock_path.c: which path ------------------------------------------ */

void lock_key_of(const struct handle *h, struct lock_key *ret_key);
/* The same (free). */
void lock_key_now(struct fs *fs, const struct handle *h,
		  struct lock_key *ret_key);
bool lock_key_equal(const struct lock_key *a, const struct lock_key *b);

/* The directory and name in a key of the table; NULL: it is none of a name.
 * The directory lives as long as somebody holds or wants such a lock. */
struct node *lock_key_name(struct atio_lock_key key, const char **ret_name);
/* The inode in a key.  False: it is none of an inode. */
bool lock_key_inode(struct atio_lock_key key, struct file_key *ret_inode);

/* The name whose lock @h takes, where its node is not found there any more;
 * NULL: not so. */
struct node *lock_alias_name(const struct handle *h, const char **ret_name);
void lock_alias_free(struct fs *fs, struct handle *h);

/* Somebody, *ret_who, holds a lock of @key that is in the way of one of @mode
 * for all of it. */
bool lock_find(struct fs *fs, struct atio_lock_key key,
	       enum atio_lock_mode mode, struct atio_lock_who *ret_who);

/* The path that @h locks, from the mount's root; "" where it has none.  True:
 * the file is gone. */
bool lock_path(struct fs *fs, const struct handle *h, char *buf, size_t size);

/* @h was just opened on what may be an old version, or nameless: it locks what
 * the others do who have that open. */
void locks_join(struct fs *fs, struct handle *h);
/* The name of @node is about to lead elsewhere: to a new version, or to what is
 * renamed over it.  Who has it open goes on to lock the name. */
void locks_stay(struct fs *fs, struct node *node);
/* The same for all that has @name in @dir open: @node (NULL: not known), and
 * shadows. */
void locks_stay_at(struct fs *fs, struct node *node, struct node *dir,
		   const char *name);
/* What is open as @name in @dir is about to be renamed. */
void locks_follow(struct fs *fs, struct node *node, struct node *dir,
		  const char *name, struct node *newdir, const char *newname);
/* ... is about to be unlinked. */
void locks_leave(struct fs *fs, struct node *node, struct node *dir,
		 const char *name);
/* The regular file of inode @key, found as @name in @dir, has @nlink names. */
void locks_count_names(struct fs *fs, const struct file_key *key, nlink_t nlink,
		       struct node *dir, const char *name);
/* The nameless @node gets its first name. */
void locks_first_name(struct fs *fs, struct node *node, struct node *dir,
		      const char *name);

/* ---- lock_fresh.c: refreshing ------------------------------------------ */

/* Whether what @h reads is not the version that is current at this moment, or
 * that cannot be told without waiting. */
bool lock_is_stale(struct fs *fs, const struct handle *h);
/* Make it that, for the caller of @req (S22).  0, or -errno, after a line in
 * the log (drops). */
int lock_refresh(struct fs *fs, fuse_req_t req, struct handle *h);

/* Busy: the shadow begins anew, from what is current, for the caller of @req
 * (NULL: nobody).  0 or -errno (drops). */
int lock_begin_anew(struct fs *fs, fuse_req_t req, struct txn *txn);

/* ---- lock_publish.c: publishing ---------------------------------------- */

/* An exclusive lock was given up: publish the update that was written under it
 * (S14); as atio_lock_options.released (free). */
int lock_released(void *ctx, struct atio_lock_key key,
		  struct atio_lock_space *space,
		  const struct atio_lock_who *who);

/* Root is about to break an exclusive lock of process @tgid, and nobody else
 * has one: what was written under it is rolled back, at once where others
 * share the shadow, and else when it is closed.  False: nothing was (drops). */
bool lock_take_away(struct fs *fs, struct atio_lock_key key, pid_t tgid);

/* Whether the close of @h leaves what is in its shadow to others: somebody else
 * is writing to it under a lock that @h respects, or its process was killed. */
bool lock_keeps_back(struct fs *fs, const struct handle *h);
/* The process of @h was killed while others have its shadow open: if it was
 * writing under a lock, the shadow is rolled back.  False: nobody does, so that
 * it cannot be told who wrote what (drops). */
bool lock_bury(struct fs *fs, struct handle *h);

/* ---- lock_owner.c: whose they are -------------------------------------- */

/* The thread of @want would get the lock because it has it already (S23): not
 * if its process has closed the open file meanwhile (free). */
void lock_check_recursion(struct fs *fs, const struct atio_lock_request *want);
/* Who asks for a lock of @wanted would close a circle, if all who have locks
 * still have their files open.  True: some had not, so look again (free). */
bool lock_check_deadlock(struct fs *fs, struct atio_lock_key wanted);

/* Whether the daemon has to hear of each close of the new reader @h. */
bool locks_need_flush(struct fs *fs, const struct handle *h);
/* Process @tgid asks for a POSIX lock through @h: readers that it has closed
 * without the daemon being told, are no longer its own (drops). */
void locks_forget_closed(struct fs *fs, const struct handle *h, pid_t tgid);
/* What goes with a close(2) of @h by lock owner @owner, and with the last one
 * (free). */
void locks_flush(struct fs *fs, struct handle *h, uint64_t owner);
void locks_release(struct fs *fs, struct handle *h);

/* ---- lock_watch.c: those whose end nobody tells ------------------------ */

/* Process @tgid, of which thread @tid waits for our answer, asks for a POSIX
 * lock as @owner through @h: what it has lost meanwhile is dropped, and what it
 * gets is watched where the daemon does not hear of its closes (drops).  NULL:
 * nothing of it is watched.  Ended by lock_watch_asked. */
struct lock_process *lock_watch_ask(struct fs *fs, struct handle *h,
				    uint64_t owner, pid_t tid, pid_t tgid);
/* @waited: it got its answer later. */
void lock_watch_asked(struct fs *fs, struct lock_process *p, bool waited);
/* Drop the POSIX locks of who has ended, or closed the file, unheard: of the
 * path of @key (NULL: of all).  Whether there were any (drops). */
bool lock_watch_look(struct fs *fs, const struct lock_key *key);
/* As often as in these milliseconds the keeper is to look; UINT_MAX: not. */
unsigned lock_watch_ms(struct fs *fs);
void lock_watches_free(struct fs *fs, struct handle *h);

/* ---- lock_break.c ------------------------------------------------------ */

/* ATIO_IOC_BREAK_LOCK of the lock @id; answers @req (free). */
void lock_break(fuse_req_t req, uint64_t id);

/* ---- ops_lock.c: requests ---------------------------------------------- */

/* In how many milliseconds the keeper is to call locks_expire; UINT_MAX: not.*/
unsigned locks_next_ms(struct fs *fs);
void locks_expire(struct fs *fs); /* (free) */

/* False: @cmd is none of a lock; nothing was done (free). */
bool lock_ioctl(fuse_req_t req, struct node *node, unsigned cmd,
		const struct fuse_file_info *fi, const void *in,
		size_t in_size);

#endif
