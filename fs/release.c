/* SPDX-License-Identifier: MIT
 *
 * close(2), seen from the daemon: FLUSH, RELEASE, and how transactions end.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "entry.h"
#include "log.h"
#include "proc.h"
#include "session.h"
#include "txn.h"

/* ---- flush ----------------------------------------------------------- */

/* Whether this close is the last of the opening process: nothing has to be
 * ready before that, and a redirection of a shell closes long before. */
static bool is_last_close(const struct handle *h, pid_t tid, uint64_t ino,
			  bool *ret_killed)
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
	return proc_count_fds(tgid, ino, -1, 1) <= 0;
}

int txn_flush(struct fs *fs, struct handle *h, pid_t tid)
{
	uint64_t ino = h->node->key.ino;
	bool killed = false, last;

	fs_unlock(fs);
	last = is_last_close(h, tid, ino, &killed);
	fs_lock(fs);
	if (killed && !fs->opts->kill_commits) {
		h->killed = true;
		if (h->txn)
			proc_command(tid, h->txn->command,
				     sizeof(h->txn->command));
	}
	if (!last || !h->txn)
		return 0;
	/* A mapping may outlive the descriptors: who writes through it may
	 * still be killed. */
	if (h->pidfd < 0 && h->tgid)
		h->pidfd = proc_open(h->tgid);
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
		return txn->error == ENOSPC || txn->error == EDQUOT ?
			       "disk full" :
			       "failed";
	default:
		return "unmounted";
	}
}

/* Put the shadow aside, and say so (drops).  The
 * transaction is over. */
static void rollback(struct fs *fs, struct txn *txn)
{
	struct atio_error err = ATIO_ERROR_INIT;
	struct atio_rollback why = {
		.reason = fate_reason(txn),
		.command = txn->command,
		.error = txn->error,
	};
	char path[PATH_MAX], id[32] = "", text[96];
	int r;

	node_path(txn->node->parent, txn->node->name, path, sizeof(path));
	if (!*txn->command)
		proc_command(txn->pid, txn->command, sizeof(txn->command));
	txn->busy = true;
	session_may_block(fs);
	fs_unlock(fs);
	r = atio_shadow_quarantine(txn->shadow, &why, id, &err);
	fs_lock(fs);
	if (r < 0) {
		log_failure("quarantine", path, -r,
			    atio_shadow_id(txn->shadow), err.text);
	} else if (r > 0) {
		snprintf(text, sizeof(text),
			 "%s (pid %d, %s): kept in quarantine as %s",
			 why.reason, (int)txn->pid, txn->command, id);
		log_failure("rolled back", path, txn->error,
			    atio_shadow_id(txn->shadow), text);
	}
	fs->count.rollbacks++;
	txn_over(fs, txn, false);
	pthread_cond_broadcast(&fs->settled);
}

int txn_abort(struct fs *fs, struct txn *txn)
{
	txn_busy_begin(fs, txn);
	txn_fail(txn, FATE_ABORTED, 0);
	rollback(fs, txn);
	return 0;
}

/* ---- release --------------------------------------------------------- */

static void leave(struct txn *txn, struct handle *h)
{
	struct handle **p = &txn->handles;

	while (*p != h)
		p = &(*p)->next;
	*p = h->next;
	h->txn = NULL;
}

/* Somebody else still writes to it, or will. */
static bool has_others(const struct txn *txn, const struct handle *h)
{
	return txn->pins || txn->handles != h || h->next;
}

static bool other_process_writes(const struct txn *txn, const struct handle *h)
{
	for (const struct handle *o = txn->handles; o; o = o->next)
		if (o->tgid != h->tgid)
			return true;
	return txn->pins > 0;
}

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
		    txn_commit_snapshot_quick(fs, txn) < 0)
			return false;
		leave(txn, h);
		return true;
	}
	if (txn->fate == FATE_DISCARD ||
	    (txn->fate == FATE_PUBLISH && !dirty)) {
		txn_reap(fs, txn);
		return true;
	}
	if (txn->fate != FATE_PUBLISH)
		return false;
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
	if (!h->killed || txn->fate != FATE_PUBLISH)
		return;
	if (!other_process_writes(txn, h)) {
		txn_fail(txn, FATE_KILLED, 0);
		return;
	}
	/* Their work is not thrown away with his. */
	log_warn("'%s': process %d was killed while others write to the same "
		 "shadow: not rolled back",
		 txn_path(fs, txn, path, sizeof(path)), (int)h->tgid);
}

void txn_release(struct fs *fs, struct handle *h)
{
	struct txn *txn = h->txn;

	while (txn->busy) {
		fs_wait(fs);
		txn = h->txn;
		if (!txn) /* aborted meanwhile */
			return;
	}
	note_death(fs, txn, h);
	if (has_others(txn, h)) {
		if (txn->fate == FATE_PUBLISH && txn->entry && txn_dirty(txn))
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
	return closed ||
	       ((txn->prepared || txn->snapshot) &&
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
