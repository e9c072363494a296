/* SPDX-License-Identifier: MIT
 *
 * What a lock has to do with versions, when it is given up: what was written
 * under it is published (S14), or rolled back, if its holder was killed or has
 * lost it (S19).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "entry.h"
#include "locks.h"
#include "ops.h"
#include "proc.h"
#include "publish.h"
#include "session.h"

/* After close(2) has told the daemon of it, the kernel sends RELEASE, if it was
 * the last one, before close returns.  So often it is looked whether it has. */
#define LOOK_MS  20
#define LOOKS    250 /* at the most */
#define LOOKS_ON 5   /* after it has: for this daemon to read it */

/* Process @tgid has it open for writing, and is being killed. */
static bool is_dying(struct fs *fs, const struct txn *txn, pid_t tgid)
{
	const struct handle *h = txn->handles;

	while (h && (h->tgid != tgid || h->buried))
		h = h->next;
	return h && tgid && !fs->opts->kill_commits &&
	       (h->killed || proc_killed_by(tgid) > 0);
}

/* Of a file that is not published yet: one that all who write it share. */
static bool is_shared(const struct txn *txn)
{
	const struct handle *h = txn->handles;

	while (h && !(h->flags & (O_TRUNC | O_EXCL)))
		h = h->next;
	return !h;
}

/* An update that holds what was written under a lock. */
static bool is_written(struct fs *fs, const struct txn *txn)
{
	return (txn->kind == TXN_UPDATE ||
		(txn->kind == TXN_NEW && is_shared(txn))) &&
	       txn->ready && txn->entry && txn->fate == FATE_PUBLISH &&
	       !txn->conflict && !txn->rebased && txn_dirty(txn);
}

/* Every writer of it has just closed it: it is about to be committed. */
static bool is_closing(struct fs *fs, const struct txn *txn)
{
	const struct handle *h = txn->handles;

	while (h && h->closing && !h->killed)
		h = h->next;
	return txn->handles && !h && !txn->pins && txn->entry &&
	       txn->fate == FATE_PUBLISH && txn_dirty(txn);
}

/* A transaction on the path of @key for which @fn is true. */
static struct txn *find_txn(struct fs *fs, struct atio_lock_key key,
			    bool (*fn)(struct fs *fs, const struct txn *txn))
{
	const char *name = NULL;
	struct node *dir = lock_key_name(key, &name);
	struct entry *entry = dir ? entry_find(fs, dir, name) : NULL;
	struct file_key inode;
	struct txn *txn;

	if (!lock_key_inode(key, &inode)) {
		txn = entry ? entry->txns : NULL;
		while (txn && !fn(fs, txn))
			txn = txn->next;
		return txn;
	}
	txn = fs->txns;
	while (txn && !(key_equal(&txn->base, &inode) && fn(fs, txn)))
		txn = txn->all_next;
	return txn;
}

bool lock_keeps_back(struct fs *fs, const struct handle *h)
{
	struct atio_lock_who who;
	struct lock_key key;

	if (h->killed)
		return true;
	if (!h->locks || !atio_lock_any(fs->locks))
		return false;
	lock_key_of(h, &key);
	return lock_find(fs, lock_key_lent(&key), ATIO_LOCK_SHARED, &who) &&
	       who.tgid != h->tgid;
}

/* Busy: what was written goes to the quarantine in the name of @pid, and the
 * shadow, which others have open too, begins anew (drops). */
static int set_back(struct fs *fs, struct txn *txn, pid_t pid,
		    const char *reason)
{
	struct atio_error err = ATIO_ERROR_INIT;
	char path[PATH_MAX];
	const struct atio_origin origin = {
		txn_path(fs, txn, path, sizeof(path)), pid, txn->uid};
	struct atio_shadow *copy = NULL;
	int r;

	session_may_block(fs);
	fs_unlock(fs);
	r = atio_shadow_update(fs->store, atio_shadow_fd(txn->shadow), &origin,
			       &copy, &err);
	fs_lock(fs);
	if (r < 0)
		return txn_report(fs, txn, "roll back", r, &err);
	txn_put_aside(fs, txn, copy, reason, pid);
	atio_shadow_free(copy);
	atio_shadow_retract(txn->shadow);
	if (txn->kind == TXN_NEW)
		return ftruncate(atio_shadow_fd(txn->shadow), 0) < 0 ? -errno
								     : 0;
	txn->unpublished = false;
	return txn->entry ? lock_begin_anew(fs, NULL, txn) : 0;
}

/* Process @tgid, which held the lock, was killed in the middle of writing under
 * it (S19).  The shadow is shared with those who wait for the lock: they shall
 * find what was there before (drops). */
static void roll_back_dead(struct fs *fs, struct txn *txn, pid_t tgid)
{
	if (!txn_busy_begin(fs, txn))
		return;
	for (struct handle *h = txn->handles; h; h = h->next)
		if (h->tgid == tgid)
			h->killed = h->buried = true;
	if (is_written(fs, txn) && set_back(fs, txn, tgid, "killed") < 0)
		txn_fail(txn, FATE_KILLED, EIO);
	txn_busy_end(fs, txn);
}

static bool is_only_of(const struct txn *txn, pid_t tgid)
{
	const struct handle *h = txn->handles;

	while (h && h->tgid == tgid)
		h = h->next;
	return tgid && !h && !txn->pins;
}

bool lock_take_away(struct fs *fs, struct atio_lock_key key, pid_t tgid)
{
	struct txn *txn;
	bool written;

	do {
		txn = find_txn(fs, key, is_written);
	} while (txn && link_wait(fs, &txn->base));
	if (!txn || !txn_busy_begin(fs, txn))
		return false;
	written = is_written(fs, txn);
	if (written &&
	    (is_only_of(txn, tgid) || set_back(fs, txn, tgid, "aborted") < 0))
		txn_fail(txn, FATE_ABORTED, EIO);
	txn_busy_end(fs, txn);
	return written;
}

bool lock_bury(struct fs *fs, struct handle *h)
{
	struct atio_lock_who who;
	struct lock_key key;

	lock_key_of(h, &key);
	if (!lock_find(fs, lock_key_lent(&key), ATIO_LOCK_SHARED, &who))
		return h->locks; /* what it wrote, it wrote before */
	if (who.tgid == h->tgid)
		roll_back_dead(fs, h->txn, h->tgid);
	return true;
}

/* What was written under a lock of process @tgid (drops). */
static void publish_update(struct fs *fs, struct atio_lock_key key, pid_t tgid)
{
	struct atio_lock_who who;
	struct txn *txn;

	do {
		txn = find_txn(fs, key, is_written);
	} while (txn && link_wait(fs, &txn->base));
	if (!txn)
		return;
	if (!is_dying(fs, txn, tgid))
		/* A failure is in the log, and what close(2) will return. */
		(void)txn_publish(fs, txn, false);
	else if (!lock_find(fs, key, ATIO_LOCK_SHARED, &who))
		roll_back_dead(fs, txn, tgid);
}

static struct txn *find_closing(struct fs *fs, struct atio_lock_key key)
{
	return find_txn(fs, key, is_closing);
}

struct after_close {
	struct atio_lock_space *space;
	struct lock_key key; /* its directory may be gone */
	pid_t tgid;
};

/* Wait until the kernel has released what was closed, or it is clear that it
 * will not, because somebody else has the open file, too. */
static void wait_for_release(struct fs *fs, struct atio_lock_key key)
{
	struct timespec until = clock_in_ms(LOOK_MS);
	int looks = 0, closed = 0;
	struct txn *txn;

	while ((txn = find_closing(fs, key))) {
		struct handle *h = txn->handles;

		if (txn->pending) { /* it came */
			pthread_cond_wait(&fs->settled, &fs->lock);
			continue;
		}
		if (!pthread_cond_timedwait(&fs->settled, &fs->lock, &until))
			continue;
		until = clock_in_ms(LOOK_MS);
		if (find_closing(fs, key) != txn || txn->handles != h)
			continue;
		closed += proc_closed(h->closer, &h->closer_time);
		if (closed > LOOKS_ON || looks++ == LOOKS)
			h->closing = false;
	}
}

/* (free) */
static void publish_after_close(struct fs *fs, void *arg)
{
	struct after_close *job = arg;

	fs_lock(fs);
	fs->n_release_waits++;
	wait_for_release(fs, lock_key_lent(&job->key));
	fs->n_release_waits--;
	publish_update(fs, lock_key_lent(&job->key), job->tgid);
	fs_unlock(fs);
	atio_lock_resume(fs->locks, job->space);
	free(job);
}

/* Whether the rest is left to a job: the thread that closes has to be answered
 * before its file can be released. */
static bool wait_for_close(struct fs *fs, struct atio_lock_key key,
			   struct atio_lock_space *space, pid_t tgid)
{
	struct after_close *job;

	if (!find_closing(fs, key))
		return false;
	job = malloc(sizeof(*job));
	if (!job)
		return false;
	job->space = space;
	job->tgid = tgid;
	job->key.size = key.size;
	memcpy(job->key.bytes, key.bytes, key.size);
	if (!session_work(fs, publish_after_close, job))
		return true;
	free(job);
	return false;
}

int lock_released(void *ctx, struct atio_lock_key key,
		  struct atio_lock_space *space,
		  const struct atio_lock_who *who)
{
	struct fs *fs = ctx;
	bool later;

	fs_lock(fs);
	later = fs->n_txns && wait_for_close(fs, key, space, who->tgid);
	if (!later && fs->n_txns)
		publish_update(fs, key, who->tgid);
	fs_unlock(fs);
	return later;
}
