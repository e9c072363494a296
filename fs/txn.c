/* SPDX-License-Identifier: MIT */
#include "txn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "creds.h"
#include "entry.h"
#include "guard.h"
#include "locks.h"
#include "log.h"
#include "ops.h"
#include "open.h"
#include "publish.h"
#include "proc.h"
#include "session.h"

/* Up to here a copy is made at once, by whoever answers the request. */
#define QUICK_COPY_BYTES (256 * 1024)
/* A file that is replaced faster than it can be copied. */
#define MAX_RESTAGE 16

/* ---- life ------------------------------------------------------------ */

static struct txn *txn_new(struct fs *fs, const struct stage_request *sr)
{
	struct txn *txn = calloc(1, sizeof(*txn));

	if (!txn)
		return NULL;
	txn->kind = sr->kind;
	txn->uid = sr->uid;
	txn->tid = sr->tid;
	txn->pid = proc_tgid(sr->tid);
	txn->base_fd = -1;
	txn->append_only = sr->kind == TXN_UPDATE;
	txn->keeps_privs = true;
	txn->unseen = fs->passthrough && guard_has_room(fs);
	txn->all_next = fs->txns;
	if (fs->txns)
		fs->txns->all_prev = txn;
	fs->txns = txn;
	fs->n_txns++;
	return txn;
}

static void drop_shadow(struct atio_shadow **shadow)
{
	if (*shadow)
		(void)atio_shadow_discard(*shadow);
	atio_shadow_free(*shadow);
	*shadow = NULL;
}

void txn_over(struct fs *fs, struct txn *txn, bool node_lives)
{
	if (txn->handles)
		locks_stay(fs, txn->node);
	while (txn->handles) {
		struct handle *h = txn->handles;

		txn->handles = h->next;
		h->txn = NULL;
		if (h->lingers) { /* nobody else will let go of it */
			fs->n_lingering--;
			handle_free(fs, h);
		}
	}
	entry_remove(fs, txn);
	intents_forget(fs, txn);
	if (txn->pending) {
		fs->n_pending -= txn->pending;
		pthread_cond_broadcast(&fs->settled);
	}
	drop_shadow(&txn->snapshot);
	guard_close(txn->base_fd);
	if (txn->node) {
		txn->node->txn = NULL;
		if (!node_lives)
			node_retire(fs, txn->node);
		node_unref(fs, txn->node);
	}
	atio_shadow_free(txn->shadow);
	if (txn->all_next)
		txn->all_next->all_prev = txn->all_prev;
	if (txn->all_prev)
		txn->all_prev->all_next = txn->all_next;
	else
		fs->txns = txn->all_next;
	fs->n_txns--;
	txn->over = true;
	if (txn->waiters)
		pthread_cond_broadcast(&fs->settled);
	else
		free(txn);
}

void txn_reap(struct fs *fs, struct txn *txn)
{
	if (txn->shadow)
		(void)atio_shadow_discard(txn->shadow);
	txn_over(fs, txn, false);
}

void txn_join(struct txn *txn, struct handle *h)
{
	h->txn = txn;
	h->next = txn->handles;
	txn->handles = h;
	if (!(h->flags & O_APPEND))
		txn->append_only = false;
}

bool txn_dirty(const struct txn *txn)
{
	return txn->unpublished || !txn->shadow ||
	       (!txn->refreshing && atio_shadow_changed(txn->shadow) != 0);
}

void txn_fail(struct txn *txn, enum txn_fate fate, int error)
{
	if (txn->fate != FATE_PUBLISH)
		return; /* the first cause stands */
	txn->fate = fate;
	txn->error = error;
	if (txn->shadow)
		atio_shadow_retract(txn->shadow);
}

const char *txn_path(struct fs *fs, const struct txn *txn, char *buf,
		     size_t size)
{
	if (!txn->entry ||
	    node_path(txn->entry->dir, txn->entry->name, buf, size) < 0)
		*buf = 0;
	return buf;
}

bool txn_busy_begin(struct fs *fs, struct txn *txn)
{
	txn->waiters++;
	while (txn->busy && !txn->over)
		fs_wait(fs);
	txn->waiters--;
	if (!txn->over) {
		txn->busy = true;
		return true;
	}
	if (!txn->waiters)
		free(txn);
	return false;
}

void txn_busy_end(struct fs *fs, struct txn *txn)
{
	txn->busy = false;
	pthread_cond_broadcast(&fs->settled);
}

/* ---- staging --------------------------------------------------------- */

static int stage_new(struct fs *fs, const struct stage_request *sr,
		     const struct atio_origin *origin, struct txn *txn)
{
	struct atio_error err = ATIO_ERROR_INIT;
	int r, dirfd = node_dirfd(fs, sr->dir);
	mode_t mode = sr->mode;
	struct stat st;

	if (dirfd < 0)
		return dirfd;
	if (!dir_has_default_acl(dirfd))
		mode &= ~sr->umask;
	creds_enter(sr->uid, sr->gid);
	r = atio_shadow_create(fs->store, dirfd, mode, origin, &txn->shadow,
			       &err);
	creds_leave();
	/* Whoever lets his directory be removed meanwhile asks for it. */
	if (r < 0 && !(fstat(dirfd, &st) == 0 && st.st_nlink == 0))
		log_failure("create", origin->path, -r, 0, err.text);
	return r;
}

static int base_open(struct fs *fs, struct txn *txn, struct stat *ret_st)
{
	int r, fd, dirfd = node_dirfd(fs, txn->entry->dir);
	uint64_t flags;

	if (dirfd < 0)
		return dirfd;
	fd = openat(dirfd, txn->entry->name,
		    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = key_statx(fd, "", &txn->base, ret_st, &flags);
	if (!r && !S_ISREG(ret_st->st_mode))
		r = -ESTALE;
	/* chattr(1) forbids the rename, so it has to forbid the open. */
	if (!r && (flags & (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND)))
		r = -EPERM;
	if (!r && atio_store_is_unfinished(fs->store, txn->base.ino))
		r = -EIO; /* half rewritten */
	if (r < 0) {
		close(fd);
		return r;
	}
	txn->shown_ino = entry_shown_ino(txn->entry, &txn->base);
	txn->base_ctime = ret_st->st_ctim;
	txn->base_nlink = ret_st->st_nlink;
	txn->tail = ret_st->st_size;
	return fd;
}

/* Neither replaced nor rewritten in place since @st was looked at. */
static bool base_is_current(struct fs *fs, const struct txn *txn,
			    const struct stat *then)
{
	int dirfd = node_dirfd(fs, txn->entry->dir);
	struct file_key key;
	struct stat st;

	return dirfd >= 0 && !key_stat(dirfd, txn->entry->name, &key, &st) &&
	       key_equal(&key, &txn->base) && !txn->conflict &&
	       st.st_size == then->st_size &&
	       st.st_ctim.tv_sec == then->st_ctim.tv_sec &&
	       st.st_ctim.tv_nsec == then->st_ctim.tv_nsec;
}

/* A shadow of what the name leads to.  A large copy is made without the lock,
 * and again when the file was replaced meanwhile. */
static int stage_from_base(struct fs *fs, const struct stage_request *sr,
			   const struct atio_origin *origin, struct txn *txn)
{
	struct atio_error err = ATIO_ERROR_INIT;
	struct stat st;
	int r = 0, fd = -1;

	for (int i = 0; i < MAX_RESTAGE; i++) {
		bool slow;

		redo_wait(fs);
		if (!txn->entry)
			return -ESTALE; /* unlinked or renamed over */
		txn->conflict = false;
		fd = base_open(fs, txn, &st);
		if (fd < 0)
			return fd;
		slow = sr->kind == TXN_UPDATE && st.st_size > QUICK_COPY_BYTES;
		if (slow) {
			session_may_block(fs);
			fs_unlock(fs);
		}
		r = sr->kind == TXN_UPDATE
			    ? atio_shadow_update(fs->store, fd, origin,
						 &txn->shadow, &err)
			    : atio_shadow_replace(fs->store, fd, origin,
						  &txn->shadow, &err);
		if (slow)
			fs_lock(fs);
		if (r < 0 || !slow || !txn->entry ||
		    base_is_current(fs, txn, &st))
			break;
		close(fd);
		fd = -1;
		drop_shadow(&txn->shadow);
		r = -EBUSY;
	}
	/* Kept, so that the commit need not wait for the inode to be freed. */
	txn->base_fd = fd;
	if (r < 0)
		log_failure("stage", origin->path, -r, 0, err.text);
	return r;
}

/* The shadow is there: give it a node, under its name. */
static int stage_node(struct fs *fs, const struct stage_request *sr,
		      struct txn *txn)
{
	struct file_key key;
	struct stat st;
	int r;

	r = key_stat(atio_shadow_fd(txn->shadow), "", &key, &st);
	if (r < 0)
		return r;
	txn->node = node_get(fs, &key, st.st_mode,
			     txn->entry ? txn->entry->dir : NULL,
			     txn->entry ? txn->entry->name : NULL);
	if (!txn->node)
		return -ENOMEM;
	node_ref(txn->node);
	txn->node->txn = txn;
	if (sr->kind == TXN_UPDATE)
		return atio_shadow_mark_clean(txn->shadow);
	txn->unpublished = true;
	return 0;
}

int txn_stage(struct fs *fs, const struct stage_request *sr,
	      struct txn **ret_txn)
{
	char path[PATH_MAX];
	struct atio_origin origin = {.path = path, .uid = sr->uid};
	struct entry *entry = NULL;
	struct txn *txn;
	int r;

	if (node_path(sr->dir, sr->name, path, sizeof(path)) < 0)
		path[0] = 0; /* longer than a path can be: known by inode */
	txn = txn_new(fs, sr);
	if (!txn)
		return -ENOMEM;
	origin.pid = txn->pid;
	if (sr->name) {
		entry = entry_make(fs, sr->dir, sr->name);
		if (!entry) {
			txn_over(fs, txn, false);
			return -ENOMEM;
		}
		entry_add(entry, txn);
	}
	txn->busy = true;
	r = sr->kind == TXN_NEW ? stage_new(fs, sr, &origin, txn)
				: stage_from_base(fs, sr, &origin, txn);
	if (!r && entry && !txn->entry)
		r = -ESTALE; /* unlinked or renamed over meanwhile */
	if (!r)
		r = stage_node(fs, sr, txn);
	txn_busy_end(fs, txn);
	if (r < 0) {
		if (txn->shadow)
			(void)atio_shadow_discard(txn->shadow);
		txn_over(fs, txn, false);
		return r;
	}
	txn->ready = true;
	fs->count.staged++;
	*ret_txn = txn;
	return 0;
}
