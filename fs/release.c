/* SPDX-License-Identifier: MIT
 *
 * close(2), seen from the daemon: FLUSH, RELEASE, and how transactions end.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "entry.h"
#include "locks.h"
#include "log.h"
#include "ops.h"
#include "open.h"
#include "proc.h"
#include "session.h"
#include "txn.h"

/* ---- flush ----------------------------------------------------------- */

/* Whether this close is the last of the opening process: nothing has to be
 * ready before that, and a redirection of a shell closes long before. */
static bool is_last_close(const struct handle *h, pid_t tid, uint64_t ino,
			  const char *name, int n_others, bool *ret_killed)
{
	pid_t tgid;

	if (!tid || !h->tgid) /* not visible: take each close seriously */
		return true;
	tgid = tid == h->tid ? h->tgid : proc_tgid(tid);
	if (tgid != h->tgid)
		return false;
	*ret_killed = proc_killed_by(tid) > 0;
	if (*ret_killed)
		return false;
	return proc_count_fds(tgid, ino, name, -1, n_others + 1) <= n_others;
}

static void count_others(const struct node *node, const struct handle *h,
			 pid_t tgid, struct others *others)
{
	if (!node || !node->opened || node->told_ino != h->node->told_ino)
		return;
	ring_each(link, &node->opened->users)
	{
		const struct handle *o = ring_item(link, struct handle, same);
		bool own = o->tgid && o->tgid == tgid;

		others->own += own && o != h && !o->closing;
		others->foreign += !own && o != h;
	}
}

struct others handle_count_others(struct fs *fs, const struct handle *h,
				  pid_t tgid)
{
	const struct txn *txn = h->txn ? h->txn : h->node->txn;
	const struct node *base = h->node;
	const struct entry *entry = NULL;
	struct others others = {0, 0};

	if (txn) {
		entry = txn->entry;
		base = entry ? node_find(fs, &txn->base) : h->node;
	} else if (h->node->name) {
		/* Writers of what it reads are shown the same inode number. */
		entry = entry_find(fs, h->node->parent, h->node->name);
	}
	count_others(base, h, tgid, &others);
	for (const struct txn *o = entry ? entry->txns : NULL; o; o = o->next)
		count_others(o->node, h, tgid, &others);
	return others;
}

void txn_wait_for_others(struct fs *fs, const struct handle *h)
{
	if (h->txn && h->txn->entry)
		(void)entry_wait(fs, h->txn->entry->dir, h->txn->entry->name);
	if (h->txn && h->txn->base.ino)
		(void)key_wait(fs, &h->txn->base);
	if (h->txn && h->txn->base.ino)
		(void)link_wait(fs, &h->txn->base);
}

/* Somebody else still writes to it, or will. */
static bool has_others(const struct txn *txn, const struct handle *h)
{
	return txn->pins || txn->handles != h || h->next;
}

int txn_flush(struct fs *fs, struct handle *h, pid_t tid)
{
	uint64_t ino = h->node->told_ino;
	bool killed = false, last, named = h->txn && h->txn->entry;
	char name[NAME_MAX + 1];
	int n_others = handle_count_others(fs, h, h->tgid).own;

	/* Of a file with several names the kernel may show another one. */
	named = named && h->txn->base_nlink <= 1;
	if (named)
		snprintf(name, sizeof(name), "%s", h->txn->entry->name);
	fs_unlock(fs);
	/* The data is on its way to the disk while /proc is read. */
	if (fs->opts->durable)
		(void)sync_file_range(handle_fd(h), 0, 0,
				      SYNC_FILE_RANGE_WRITE);
	last = is_last_close(h, tid, ino, named ? name : NULL, n_others,
			     &killed);
	fs_lock(fs);
	if (killed && !fs->opts->kill_commits) {
		h->killed = true;
		if (h->txn)
			proc_command(tid, h->txn->command,
				     sizeof(h->txn->command));
	}
	if (!last)
		return 0;
	h->closing = true;
	h->closer = tid;
	h->closer_time = UINT64_MAX;
	txn_wait_for_others(fs, h);
	if (!h->txn || (has_others(h->txn, h) && lock_keeps_back(fs, h)))
		return 0;
	return txn_prepare(fs, h->txn);
}

/* ---- rollback -------------------------------------------------------- */

static const char *fate_reason(const struct txn *txn)
{
	switch (txn->fate) {
	case FATE_KILLED:
		return "killed";
	case FATE_ABORTED:
		return "aborted";
	case FATE_CONFLICT:
		return "conflict";
	case FATE_ORPHANED:
		return "orphaned";
	case FATE_FAILED:
		return txn->error == ENOSPC || txn->error == EDQUOT
			       ? "disk full"
			       : "failed";
	default:
		return "unmounted";
	}
}

void txn_put_aside(struct fs *fs, struct txn *txn, struct atio_shadow *shadow,
		   const char *reason, pid_t pid)
{
	struct atio_error err = ATIO_ERROR_INIT;
	struct atio_rollback why = {
		.reason = reason,
		.command = txn->command,
		.error = txn->error,
	};
	char path[PATH_MAX], id[32] = "", text[512];
	int r;

	node_path(txn->node->parent, txn->node->name, path, sizeof(path));
	if (!*txn->command)
		proc_command(pid, txn->command, sizeof(txn->command));
	session_may_block(fs);
	fs_unlock(fs);
	r = atio_shadow_quarantine(shadow, &why, id, &err);
	fs_lock(fs);
	if (r == -EFBIG) {
		snprintf(text, sizeof(text), "%s (pid %d, %s): not kept: %s",
			 reason, (int)pid, txn->command, err.text);
		log_failure("rolled back", path, txn->error,
			    atio_shadow_id(shadow), text);
	} else if (r < 0) {
		log_failure("quarantine", path, -r, atio_shadow_id(shadow),
			    err.text);
	} else if (r > 0) {
		snprintf(text, sizeof(text),
			 "%s (pid %d, %s): kept in quarantine as %s", reason,
			 (int)pid, txn->command, id);
		log_failure("rolled back", path, txn->error,
			    atio_shadow_id(shadow), text);
	}
	fs->count.rollbacks++;
}

/* Put the shadow aside (drops).  The transaction is over. */
static void rollback(struct fs *fs, struct txn *txn)
{
	txn->busy = true;
	txn_put_aside(fs, txn, txn->shadow, fate_reason(txn), txn->pid);
	txn_over(fs, txn, false);
	pthread_cond_broadcast(&fs->settled);
}

int txn_abort(struct fs *fs, struct txn *txn)
{
	if (!txn_busy_begin(fs, txn))
		return 0; /* it was closed first */
	txn_fail(txn, FATE_ABORTED, 0);
	rollback(fs, txn);
	return 0;
}

static void leave(struct txn *txn, struct handle *h)
{
	struct handle **p = &txn->handles;

	while (*p != h)
		p = &(*p)->next;
	*p = h->next;
	h->txn = NULL;
}

static bool other_process_writes(const struct txn *txn, const struct handle *h)
{
	for (const struct handle *o = txn->handles; o; o = o->next)
		if (o->tgid != h->tgid)
			return true;
	return txn->pins > 0;
}

static void txn_finish(struct fs *fs, struct handle *h);

/* ---- mappings -------------------------------------------------------- */

/* Whether somebody beside the daemon can still write to the shadow.  Under
 * passthrough a shared mapping belongs to the backing file: the kernel releases
 * the FUSE handle at close(2) and says nothing when the mapping ends.  But a
 * read lease is refused while any file of the inode is open for writing
 * (fcntl(2)), once the daemon's own descriptors are not. */
static bool is_mapped(struct txn *txn)
{
	int shadow_fd = atio_shadow_fd(txn->shadow);
	int fd, own_fd = txn->node->opened->fd;
	bool mapped;

	fd = node_reopen(shadow_fd, O_RDONLY);
	if (fd < 0)
		return false;
	if (dup3(fd, shadow_fd, O_CLOEXEC) < 0 ||
	    dup3(fd, own_fd, O_CLOEXEC) < 0) {
		close(fd);
		return false;
	}
	close(fd);
	mapped = fcntl(shadow_fd, F_SETLEASE, F_RDLCK) < 0 && errno == EAGAIN;
	(void)fcntl(shadow_fd, F_SETLEASE, F_UNLCK);
	if (!mapped)
		return false;
	fd = node_reopen(shadow_fd, O_RDWR);
	if (fd >= 0) {
		(void)dup3(fd, shadow_fd, O_CLOEXEC);
		(void)dup3(fd, own_fd, O_CLOEXEC);
		close(fd);
	}
	return true;
}

static bool may_be_mapped(const struct txn *txn)
{
	return txn->may_map && txn->unseen && txn->entry &&
	       txn->fate == FATE_PUBLISH && txn->node->opened &&
	       txn->node->opened->backing_id;
}

/* The closing task lets go of the backing file just after it sent RELEASE. */
static bool stays_mapped(struct fs *fs, struct txn *txn)
{
	struct timespec wait = {0, 50000};

	for (int i = 0; i < 6; i++) {
		if (!may_be_mapped(txn) || !is_mapped(txn))
			return false;
		txn->busy = true;
		fs_unlock(fs);
		nanosleep(&wait, NULL);
		wait.tv_nsec *= 2;
		fs_lock(fs);
		txn_busy_end(fs, txn);
	}
	return true;
}

/* The handle is closed, the mapping is not: the open file lives on. */
static void linger(struct fs *fs, struct txn *txn, struct handle *h)
{
	h->lingers = true;
	fs->n_lingering++;
	txn->pending--;
	fs->n_pending--;
	pthread_cond_broadcast(&fs->settled);
}

/* With a writer beside it a mapping cannot be told apart: that one's close
 * comes first. */
static struct handle *find_unmapped(struct fs *fs, const struct node *dir,
				    const char *name)
{
	for (struct txn *txn = fs->txns; txn; txn = txn->all_next) {
		struct handle *h = txn->handles;

		if (!h || !h->lingers || txn->busy || txn->pending)
			continue;
		if (dir && (!txn->entry || txn->entry->dir != dir ||
			    (name && strcmp(txn->entry->name, name))))
			continue;
		if (!has_others(txn, h) &&
		    (!may_be_mapped(txn) || !is_mapped(txn)))
			return h;
	}
	return NULL;
}

bool txn_end_lingering(struct fs *fs, const struct node *dir, const char *name)
{
	bool any = false;
	struct handle *h;

	while (fs->n_lingering && (h = find_unmapped(fs, dir, name))) {
		h->lingers = false;
		fs->n_lingering--;
		h->txn->pending++;
		fs->n_pending++;
		session_may_block(fs);
		txn_finish(fs, h);
		handle_free(fs, h);
		any = true;
	}
	return any;
}

/* ---- release --------------------------------------------------------- */

bool txn_release_quick(struct fs *fs, struct handle *h)
{
	struct txn *txn = h->txn;
	bool dirty;
	int r;

	if (!txn)
		return true;
	if (txn->busy || h->killed)
		return false;
	dirty = txn->entry && txn_dirty(txn);
	if (has_others(txn, h)) {
		if (txn->fate == FATE_PUBLISH && dirty &&
		    !lock_keeps_back(fs, h) &&
		    txn_commit_snapshot_quick(fs, txn) < 0)
			return false;
		leave(txn, h);
		return true;
	}
	if (txn->fate == FATE_DISCARD) {
		txn_reap(fs, txn);
		return true;
	}
	if (txn->fate != FATE_PUBLISH || (may_be_mapped(txn) && is_mapped(txn)))
		return false;
	if (!dirty) {
		txn_reap(fs, txn);
		return true;
	}
	r = txn_commit_quick(fs, txn);
	if (r < 0 && r != -EAGAIN)
		txn_fail(txn, FATE_FAILED, -r);
	return r == 0;
}

static void note_death(struct fs *fs, struct txn *txn, struct handle *h)
{
	char path[PATH_MAX];

	if (!h->killed && h->pidfd >= 0 && !fs->opts->kill_commits &&
	    atio_shadow_changed(txn->shadow) == 1)
		h->killed = proc_pidfd_killed_by(h->pidfd) > 0;
	if (!h->killed || h->buried || txn->fate != FATE_PUBLISH)
		return;
	if (!other_process_writes(txn, h)) {
		txn_fail(txn, FATE_KILLED, 0);
		return;
	}
	if (!txn_dirty(txn) || lock_bury(fs, h))
		return;
	/* Their work is not thrown away with his. */
	log_warn("'%s': process %d was killed while others write to the same "
		 "shadow: not rolled back",
		 txn_path(fs, txn, path, sizeof(path)), (int)h->tgid);
}

bool txn_release(struct fs *fs, struct handle *h)
{
	struct txn *txn = h->txn;

	while (txn && txn->busy) {
		fs_wait(fs);
		txn = h->txn; /* may be aborted meanwhile */
	}
	session_may_block(fs);
	if (txn && !has_others(txn, h) && stays_mapped(fs, txn)) {
		linger(fs, txn, h);
		return false;
	}
	if (h->txn)
		txn_finish(fs, h);
	return true;
}

static void txn_finish(struct fs *fs, struct handle *h)
{
	struct txn *txn = h->txn;

	note_death(fs, txn, h);
	if (has_others(txn, h)) {
		if (txn->fate == FATE_PUBLISH && txn->entry && txn_dirty(txn) &&
		    !lock_keeps_back(fs, h))
			(void)txn_publish(fs, txn, false);
		if (h->txn) {
			leave(txn, h);
			txn->pending--;
			fs->n_pending--;
			pthread_cond_broadcast(&fs->settled);
		}
		return;
	}
	if (txn->fate == FATE_PUBLISH && txn->entry && txn_dirty(txn) &&
	    txn_commit(fs, txn) == 0)
		return;
	if (txn->fate == FATE_DISCARD || !txn_dirty(txn) ||
	    (txn->fate == FATE_PUBLISH && !txn->entry))
		txn_reap(fs, txn);
	else
		rollback(fs, txn);
}

/* ---- the end --------------------------------------------------------- */

/* A close that was promised (its FLUSH succeeded) but whose RELEASE was lost
 * with the connection, or never read. */
static bool was_closed(const struct txn *txn, bool closed)
{
	if (txn->fate != FATE_PUBLISH || !txn->entry)
		return false;
	for (const struct handle *h = txn->handles; h; h = h->next)
		if (h->killed)
			return false;
	return closed || ((txn->prepared || txn->snapshot) &&
			  atio_shadow_changed(txn->shadow) == 0);
}

void txn_settle_all(struct fs *fs, bool closed)
{
	while (fs->txns) {
		struct txn *txn = fs->txns;

		if (!txn->shadow) {
			txn_over(fs, txn, false);
		} else if (txn->fate == FATE_DISCARD || !txn->entry ||
			   !txn_dirty(txn)) {
			txn_reap(fs, txn);
		} else if (!was_closed(txn, closed) ||
			   txn_commit(fs, txn) < 0) {
			rollback(fs, txn);
		}
	}
}
