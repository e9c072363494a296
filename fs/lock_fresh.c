/* SPDX-License-Identifier: MIT
 *
 * What a lock has to do with versions: whoever gets one reads what is current
 * (S22), and what was written under one is published when it is given up (S14).
 *
 * An open file cannot be pointed at another inode.  So it is the inode that
 * changes: of a shadow that nobody has written to, or of an old version that no
 * name leads to.  It is given the current content, and the kernel is told to
 * ask for its attributes again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "entry.h"
#include "guard.h"
#include "locks.h"
#include "log.h"
#include "open.h"
#include "ops_open.h"
#include "proc.h"
#include "publish.h"
#include "session.h"

/* After close(2) has told the daemon of it, the kernel sends RELEASE, if it was
 * the last one, before close returns.  So often it is looked whether it has. */
#define LOOK_MS  20
#define LOOKS    250 /* at the most */
#define LOOKS_ON 5   /* after it has: for this daemon to read it */

/* ---- refreshing ------------------------------------------------------ */

/* The name where the current version is. */
static struct node *current_at(const struct handle *h, const char **ret_name)
{
	struct node *dir = lock_alias_name(h, ret_name);

	if (dir || h->alias)
		return dir;
	*ret_name = h->node->name;
	return h->node->name ? h->node->parent : NULL;
}

/* The inode that others may be rewriting under another name. */
static const struct file_key *current_inode(const struct handle *h)
{
	const struct txn *txn = h->node->txn;

	return txn && txn->base.ino ? &txn->base : &h->node->key;
}

static bool is_behind(const struct txn *txn)
{
	return txn->kind == TXN_UPDATE && txn->behind && txn->entry &&
	       txn->fate == FATE_PUBLISH;
}

/* An old version, of which only who has it open knows. */
static bool is_old(const struct handle *h)
{
	const char *name;

	return !h->node->txn && !node_is_current(h->node) &&
	       !wants_write(h->flags) && lock_alias_name(h, &name);
}

bool lock_is_stale(struct fs *fs, const struct handle *h)
{
	const struct node *node = h->node;
	const char *name;
	struct node *dir;

	if (fs->redo.ino && key_equal(&fs->redo, current_inode(h)))
		return true;
	if (fs->n_pending) {
		dir = current_at(h, &name);
		if (!dir || entry_pending(entry_find(fs, dir, name)) ||
		    key_pending(fs, current_inode(h)))
			return true;
	}
	if (node->txn)
		return node->txn->refreshing || is_behind(node->txn);
	return node->opened->refreshing || node->opened->detached || is_old(h);
}

/* Wait for what was closed before the lock was granted. */
static void settle(struct fs *fs, const struct handle *h)
{
	char copy[NAME_MAX + 1]; /* the name may change meanwhile */
	struct file_key inode;
	const char *name;
	struct node *dir;
	bool waited;

	do {
		redo_wait(fs);
		inode = *current_inode(h);
		waited = key_wait(fs, &inode);
		dir = current_at(h, &name);
		if (!dir)
			continue;
		snprintf(copy, sizeof(copy), "%s", name);
		node_ref(dir);
		waited |= entry_wait(fs, dir, copy);
		node_unref(fs, dir);
	} while (waited);
}

static int open_current(struct fs *fs, struct node *dir, const char *name,
			struct file_key *ret_key, struct stat *ret_st)
{
	int r, fd, dirfd = node_dirfd(fs, dir);

	if (dirfd < 0)
		return -ENOENT;
	fd = openat(dirfd, name,
		    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	/* A symlink, a socket: none either; nor what it may not read. */
	if (fd < 0)
		return errno == ELOOP || errno == ENXIO || errno == EACCES
			       ? -ENOENT
			       : -errno;
	r = key_stat(fd, "", ret_key, ret_st);
	if (!r && !S_ISREG(ret_st->st_mode))
		r = -ENOENT;
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

/* Where the daemon serves the data, the kernel keeps its pages as long as size
 * and mtime stay: so that is another one for each content. */
static void nudge(struct opened *o)
{
	struct stat st;

	if (!o || o->backing_id || fstat(o->fd, &st) < 0)
		return;
	o->nudge++;
	o->nudge_mtime = st.st_mtim;
}

/* Let the kernel ask for the attributes of @node anew (drops).  Attributes
 * only: that waits for nothing. */
static void tell_kernel(struct fs *fs, struct node *node)
{
	nudge(node->opened);
	fs_unlock(fs);
	(void)fuse_lowlevel_notify_inval_inode(fs->se, node_ino(fs, node), -1,
					       0);
	fs_lock(fs);
}

static bool same_acl(int a, int b)
{
	static const char name[] = "system.posix_acl_access";
	char text[2][4096];
	ssize_t n[2] = {fgetxattr(a, name, text[0], sizeof(text[0])),
			fgetxattr(b, name, text[1], sizeof(text[1]))};

	return n[0] == n[1] && (n[0] <= 0 || !memcmp(text[0], text[1], n[0]));
}

/* Whether those who have @node open may read the version @fd, too: it has the
 * permissions of the one they opened, or the caller of @req (NULL: nobody) is
 * alone with it and could open it. */
static bool may_have(fuse_req_t req, struct node *node, int fd,
		     const struct stat *st)
{
	const struct opened *o = node->opened;
	int own = node->txn ? atio_shadow_fd(node->txn->shadow)
			    : (o && o->fd >= 0 ? o->fd : node->fd);
	struct stat now;

	if (fstat(own, &now) == 0 && now.st_uid == st->st_uid &&
	    now.st_gid == st->st_gid && now.st_mode == st->st_mode &&
	    same_acl(own, fd))
		return true;
	return req && o && o->handles == 1 &&
	       may_open(req, node, st, O_RDONLY) &&
	       (!fuse_req_ctx(req)->uid ||
		fgetxattr(fd, "system.posix_acl_access", NULL, 0) <= 0);
}

/* Busy: the shadow begins anew, from what is current (drops). */
static int begin_anew(struct fs *fs, fuse_req_t req, struct txn *txn)
{
	struct atio_error err = ATIO_ERROR_INIT;
	struct file_key key;
	struct stat st;
	int r, fd;

	fd = open_current(fs, txn->entry->dir, txn->entry->name, &key, &st);
	if (fd < 0) {
		txn->behind = false; /* what it has is all there is */
		return fd == -ENOENT ? 0 : fd;
	}
	if (!key_equal(&key, &txn->base) &&
	    !may_have(req, txn->node, fd, &st)) {
		txn->behind = false;
		close(fd);
		return 0;
	}
	txn->behind = txn->conflict = txn->rebased = false;
	txn->prepared = false;
	txn->shown_ino = entry_shown_ino(txn->entry, &key);
	txn->base = key;
	txn->base_ctime = st.st_ctim;
	txn->base_nlink = st.st_nlink;
	txn->tail = st.st_size;
	guard_close(txn->base_fd);
	txn->base_fd = -1;
	if (txn->snapshot)
		(void)atio_shadow_discard(txn->snapshot);
	atio_shadow_free(txn->snapshot);
	txn->snapshot = NULL;
	txn->refreshing = true;
	fs_unlock(fs);
	r = atio_store_copy(fs->store, fd, atio_shadow_fd(txn->shadow), &err);
	close(fd);
	fs_lock(fs);
	if (!r)
		tell_kernel(fs, txn->node);
	txn->refreshing = false;
	if (!r)
		r = atio_shadow_mark_clean(txn->shadow);
	if (r < 0)
		txn_fail(txn, FATE_FAILED, -r);
	return txn_report(fs, txn, "lock", r, &err);
}

static int refresh_shadow(struct fs *fs, fuse_req_t req, struct txn *txn)
{
	int r = 0;

	if (!txn_busy_begin(fs, txn))
		return 0;
	while (!r && is_behind(txn) && !txn_dirty(txn))
		r = begin_anew(fs, req, txn);
	txn_busy_end(fs, txn);
	return r;
}

/* The inode of @h, to be written; 0: it has a name somewhere, or is not the
 * daemon's to write, and stays. */
static int open_old(struct fs *fs, const struct handle *h)
{
	const char *name;
	char proc[32];
	struct stat st;
	int r, fd;

	r = node_at(fs, h->node, &fd, &name);
	if (r < 0 || *name)
		return r;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_nlink)
		return 0;
	r = node_reopen(fd, O_RDWR);
	if (r != -EACCES || fs->privileged)
		return r;
	/* The owner's own, and read-only: its mode is copied afterwards. */
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	if (chmod(proc, st.st_mode | S_IWUSR) < 0)
		return errno == EPERM ? 0 : -errno;
	return node_reopen(fd, O_RDWR);
}

static int rewrite(struct fs *fs, const struct handle *h, int from, int to)
{
	struct atio_error err = ATIO_ERROR_INIT;
	struct opened *o = h->node->opened;
	char path[PATH_MAX];
	struct stat st;
	int r = 0;

	o->refreshing = true;
	fs_unlock(fs);
	/* Not half of it, for lack of room. */
	if (!atio_store_can_clone(fs->store) && !fstat(from, &st) &&
	    fallocate(to, FALLOC_FL_KEEP_SIZE, 0, st.st_size) < 0 &&
	    (errno == ENOSPC || errno == EDQUOT))
		r = -errno;
	if (!r)
		r = atio_store_copy(fs->store, from, to, &err);
	fs_lock(fs);
	if (!r)
		tell_kernel(fs, h->node);
	o->refreshing = false;
	pthread_cond_broadcast(&fs->settled);
	if (r < 0) {
		(void)lock_path(fs, h, path, sizeof(path));
		log_failure("lock", path, -r, 0, err.text);
	}
	return r;
}

static int refresh_old(struct fs *fs, fuse_req_t req, const struct handle *h)
{
	struct opened *o = h->node->opened;
	struct file_key key;
	const char *name;
	struct node *dir;
	struct stat st;
	int r, from, to;

	while (o->refreshing)
		fs_wait(fs);
	dir = lock_alias_name(h, &name);
	from = dir ? open_current(fs, dir, name, &key, &st) : -ENOENT;
	if (from < 0)
		return from == -ENOENT ? 0 : from;
	if (key_equal(&key, &h->node->key) ||
	    (key_equal(&key, &o->content) &&
	     !memcmp(&st.st_ctim, &o->content_ctime, sizeof(st.st_ctim)))) {
		close(from);
		return 0;
	}
	to = may_have(req, h->node, from, &st) ? open_old(fs, h) : 0;
	r = to > 0 ? rewrite(fs, h, from, to) : to;
	if (to > 0 && !r) {
		o->content = key;
		o->content_ctime = st.st_ctim;
	}
	if (to > 0)
		close(to);
	close(from);
	return r;
}

/* A reader was given a copy of its own, when the inode was rewritten. */
static int reattach(struct fs *fs, struct node *node)
{
	struct file_key key;
	struct stat st;
	int r = 0, fd;

	if (!node->parent || !node->name)
		return 0;
	fd = open_current(fs, node->parent, node->name, &key, &st);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (key_equal(&key, &node->key)) {
		r = opened_attach(node->opened, fd);
		node->opened->refreshing = true;
		tell_kernel(fs, node);
		node->opened->refreshing = false;
		pthread_cond_broadcast(&fs->settled);
	}
	close(fd);
	return r;
}

int lock_refresh(struct fs *fs, fuse_req_t req, struct handle *h)
{
	int r = 0;

	session_may_block(fs);
	settle(fs, h);
	if (!lock_is_stale(fs, h))
		return 0;
	if (h->node->txn)
		r = refresh_shadow(fs, req, h->node->txn);
	else if (h->node->opened->detached)
		r = reattach(fs, h->node);
	else
		r = refresh_old(fs, req, h);
	return r;
}

/* ---- publishing ------------------------------------------------------ */

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
static int set_back(struct fs *fs, struct txn *txn, pid_t pid)
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
	txn_put_aside(fs, txn, copy, "killed", pid);
	atio_shadow_free(copy);
	atio_shadow_retract(txn->shadow);
	if (txn->kind == TXN_NEW)
		return ftruncate(atio_shadow_fd(txn->shadow), 0) < 0 ? -errno
								     : 0;
	txn->unpublished = false;
	return txn->entry ? begin_anew(fs, NULL, txn) : 0;
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
	if (is_written(fs, txn) && set_back(fs, txn, tgid) < 0)
		txn_fail(txn, FATE_KILLED, EIO);
	txn_busy_end(fs, txn);
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

static struct timespec next_look(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_nsec += LOOK_MS * 1000000l;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	return t;
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
	struct timespec until = next_look();
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
		until = next_look();
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
