/* SPDX-License-Identifier: MIT
 *
 * open(2) and creat(2): which version, which shadow, or neither.
 *
 * The kernel looks a name up and then opens the node it got.  An open for
 * writing of a committed node is answered ESTALE once: the kernel walks the
 * path again, asking for every name on it, and lookup() now hands that thread
 * the shadow.  An open that has no path (a magic link in /proc, a file that is
 * bind-mounted by itself) comes back with the same node: the second time it is
 * bound to the shadow.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"
#include "guard.h"
#include "locks.h"
#include "log.h"
#include "ops_open.h"
#include "proc.h"
#include "session.h"

#define MAX_TOLD   1024
#define MAX_GROUPS 256

/* ---- handles --------------------------------------------------------- */

static struct handle *handle_new(struct node *node, int flags, pid_t tid)
{
	struct handle *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->node = node;
	node_ref(node);
	h->flags = flags;
	h->tid = tid;
	h->tgid = proc_tgid(tid);
	h->pidfd = -1;
	return h;
}

void handle_free(struct fs *fs, struct handle *h)
{
	if (h->pidfd >= 0)
		close(h->pidfd);
	ring_del(&h->all);
	if (h->same.next) {
		ring_del(&h->same);
		opened_put(fs, h->node);
	}
	lock_alias_free(fs, h);
	lock_watches_free(fs, h);
	node_unref(fs, h->node);
	fs->n_handles--;
	free(h);
}

bool handle_is_open(struct fs *fs, uint64_t h)
{
	ring_each(link,
		  &fs->handles) if ((uintptr_t)ring_item(link, struct handle,
							 all) == h) return true;
	return false;
}

void handles_free_all(struct fs *fs)
{
	while (!ring_empty(&fs->handles))
		handle_free(fs,
			    ring_item(fs->handles.next, struct handle, all));
}

/* Open @node for @req: the backing file and a handle on it. */
static int attach(struct fs *fs, fuse_req_t req, struct node *node, int flags,
		  bool passthrough, enum file_class file_class,
		  struct answer *a)
{
	struct opened *o;
	struct handle *h;
	int r;

	h = handle_new(node, flags, fuse_req_ctx(req)->pid);
	if (!h)
		return -ENOMEM;
	ring_add(&fs->handles, &h->all);
	fs->n_handles++;
	r = opened_get(fs, node, flags, passthrough, file_class, &o);
	if (r < 0) {
		handle_free(fs, h);
		return r;
	}
	ring_add(&o->users, &h->same);
	locks_join(fs, h);
	a->h = h;
	a->backing_id = o->backing_id;
	/* Pages that are being written to are not cached: the kernel puts the
	 * bytes there before it sends them, and a page that is dropped and
	 * fetched again in between stays without them. */
	a->direct_io = !o->backing_id && fs->direct_mmap &&
		       (wants_write(flags) || node->txn);
	return 0;
}

/* The kernel was not interested any more: it will send no RELEASE. */
static void detach(struct fs *fs, struct handle *h)
{
	fs_lock(fs);
	if (h->txn) {
		struct txn *txn = h->txn;

		if (!txn_release_quick(fs, h) && h->txn) {
			txn_fail(txn, FATE_DISCARD, 0);
			if (!txn_release_quick(fs, h))
				h->txn = NULL;
		}
	}
	handle_free(fs, h);
	fs_unlock(fs);
}

bool is_in_group(fuse_req_t req, gid_t gid)
{
	gid_t gids[MAX_GROUPS];
	int n;

	if (fuse_req_ctx(req)->gid == gid)
		return true;
	n = fuse_req_getgroups(req, MAX_GROUPS, gids);
	if (n > MAX_GROUPS)
		n = MAX_GROUPS;
	while (n > 0)
		if (gids[--n] == gid)
			return true;
	return false;
}

/* Whether the caller's write takes the setgid bit although the group may not
 * execute the file (chmod(2), ERRORS and NOTES). */
static bool is_outsider(fuse_req_t req, const struct txn *txn)
{
	struct stat st;

	return fstat(atio_shadow_fd(txn->shadow), &st) == 0 &&
	       (st.st_mode & (S_ISGID | S_IXGRP)) == S_ISGID &&
	       !is_in_group(req, st.st_gid);
}

/* A writer's handle on the shadow @txn. */
int attach_txn(struct fs *fs, fuse_req_t req, struct txn *txn, int flags,
	       struct answer *a)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	int r;

	r = attach(fs, req, txn->node, flags, txn->unseen, CLASS_ATOMIC, a);
	if (r < 0)
		return r;
	if (!(flags & (O_TRUNC | O_EXCL)))
		txn->shared = true;
	if (ctx->uid != 0) {
		txn->keeps_privs = false;
		txn->outsider |= is_outsider(req, txn);
	}
	txn_join(txn, a->h);
	/* It may write through a mapping when its descriptors are closed, and
	 * be killed then. */
	txn->may_map |= (flags & O_ACCMODE) == O_RDWR;
	if ((flags & O_ACCMODE) == O_RDWR && a->h->tgid)
		a->h->pidfd = proc_open(a->h->tgid);
	return 0;
}

/* ---- reading --------------------------------------------------------- */

/* Which thread was sent away from a superseded version, and from which. */
static struct told {
	struct file_key key;
	pid_t tid; /* 0: nobody */
} told[MAX_TOLD];
static unsigned n_told;

/* The very next open of that thread answers it. */
static struct told told_take(pid_t tid)
{
	for (unsigned i = 0; i < n_told; i++)
		if (told[i].tid == tid) {
			struct told found = told[i];

			told[i] = told[--n_told];
			return found;
		}
	return (struct told){.tid = 0};
}

static void told_put(pid_t tid, const struct node *node)
{
	/* Full of threads that were killed between their two tries. */
	if (n_told == MAX_TOLD)
		n_told = 0;
	told[n_told++] = (struct told){node->key, tid};
}

/* See what the name of @node, which nobody has open, leads to. */
static int look_again(struct fs *fs, struct node *node,
		      struct file_key *ret_key, struct stat *ret_st)
{
	int r, dirfd;

	/* Only its descriptor is left. */
	if (!node->parent || !node->name || (node->flags & NODE_REPLACED))
		return node->fd < 0 ? -ESTALE
				    : key_stat(node->fd, "", ret_key, ret_st);
	dirfd = node_dirfd(fs, node->parent);
	if (dirfd < 0)
		return dirfd;
	r = key_stat(dirfd, node->name, ret_key, ret_st);
	if (r == -ENOENT || r == -ENOTDIR ||
	    (!r && (ret_st->st_mode & S_IFMT) != node->type))
		return -ESTALE;
	return r;
}

/* An open of a version that is current no more.  The first time the caller is
 * sent back, and a walk by name will find the current one.  If that is
 * superseded in its turn, it was current during this very open, and is what
 * the open gets.  Who comes back to the same node has no path to walk (a file
 * that is bind-mounted by itself): the node then stands for the current
 * version (S28). */
static int open_superseded(struct fs *fs, struct node *node, pid_t tid,
			   const struct told *from, const struct file_key *key)
{
	bool again = from->tid && key_equal(&from->key, &node->key);

	if (!from->tid || (!again && node->fd < 0)) {
		told_put(tid, node);
		return -ESTALE;
	}
	if (again && !(node->flags & NODE_REPLACED)) {
		node_rekey(fs, node, key);
		node->flags |= NODE_BOUND;
	}
	return 0;
}

int open_reader(struct fs *fs, fuse_req_t req, struct node *node, int flags,
		struct answer *a)
{
	pid_t tid = fuse_req_ctx(req)->pid;
	const struct told from = told_take(tid);
	bool passthrough = true;
	struct file_key key;
	struct stat st;
	int r;

	/* A superseded version that others still have open is simply shared:
	 * its name was looked up by this very open. */
	if (!node->txn && (!node->opened || !node->opened->handles)) {
		r = look_again(fs, node, &key, &st);
		if (!r && (!key_equal(&key, &node->key) ||
			   (node->flags & NODE_REPLACED)))
			r = open_superseded(fs, node, tid, &from, &key);
		if (r < 0)
			return r;
		/* Rewritten in place: the same inode, found again. */
		if (key_equal(&key, &node->key) &&
		    !(node->flags & NODE_REPLACED))
			node_revive(fs, node);
		/* The daemon must be able to give readers of a file with
		 * several links a copy before it is rewritten in place. */
		passthrough = st.st_nlink <= 1;
		if (atio_store_is_unfinished(fs->store, key.ino))
			return -EIO;
	}
	r = attach(fs, req, node, flags, passthrough, CLASS_ATOMIC, a);
	if (r < 0)
		return r;
	a->no_flush = !locks_need_flush(fs, a->h);
	a->h->no_flush = a->no_flush;
	a->direct_io |= !a->backing_id && (node->flags & NODE_BOUND);
	if (!a->backing_id && !a->direct_io && !fstat(node->opened->fd, &st))
		a->keep_cache = opened_same_content(node->opened, &st);
	return 0;
}

/* ---- writing in place ------------------------------------------------ */

int open_in_place(struct fs *fs, fuse_req_t req, struct node *node, int flags,
		  enum file_class file_class, struct answer *a)
{
	struct stat st;
	int r;

	r = attach(fs, req, node, flags, true, file_class, a);
	if (r < 0)
		return r;
	node->flags |= NODE_IN_PLACE;
	node->opened->file_class = file_class;
	if (fuse_req_ctx(req)->uid && !fstat(node->opened->fd, &st) &&
	    (st.st_mode & S_ISUID))
		(void)fchmod(node->opened->fd, st.st_mode & 07777 & ~S_ISUID);
	if ((flags & O_TRUNC) && ftruncate(node->opened->fd, 0) < 0) {
		r = -errno;
		handle_free(fs, a->h);
	}
	return r;
}

/* ---- writing to a shadow --------------------------------------------- */

struct stage_request stage_request_of(fuse_req_t req, struct node *dir,
				      const char *name, enum txn_kind kind)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);

	return (struct stage_request){
		.dir = dir,
		.name = name,
		.kind = kind,
		.umask = ctx->umask,
		.uid = ctx->uid,
		.gid = ctx->gid,
		.tid = ctx->pid,
	};
}

int update_of(struct fs *fs, fuse_req_t req, struct node *node,
	      struct txn **ret_txn)
{
	struct stage_request sr =
		stage_request_of(req, node->parent, node->name, TXN_UPDATE);
	struct txn *txn;

	for (;;) {
		txn = entry_update(entry_find(fs, sr.dir, sr.name));
		if (!txn && fs->n_txns) /* maybe under another name */
			txn = update_of_inode(fs, &node->key);
		if (!txn || (txn->ready && !txn->pending))
			break;
		fs_wait(fs);     /* it begins, or ends */
		if (!node->name) /* unlinked meanwhile */
			return -ESTALE;
		sr.dir = node->parent;
		sr.name = node->name;
	}
	if (!txn)
		return txn_stage(fs, &sr, ret_txn);
	*ret_txn = txn;
	return 0;
}

/* O_TRUNC: a shadow of one's own. @node: the one that is replaced, or a live
 * shadow of a name that is not published. */
int replacement_of(struct fs *fs, fuse_req_t req, struct node *node,
		   struct txn **ret_txn)
{
	struct stage_request sr =
		stage_request_of(req, node->parent, node->name, TXN_REPLACE);
	struct stat st;
	int r;

	r = txn_stage(fs, &sr, ret_txn);
	if (r != -ENOENT || !node->txn)
		return r;
	r = node_attr(fs, node, &st);
	if (r < 0)
		return r;
	sr.kind = TXN_NEW;
	sr.mode = st.st_mode & 07777;
	sr.umask = 0;
	return txn_stage(fs, &sr, ret_txn);
}

/* There is no path to redirect: @node itself becomes the shadow. */
static int bind_node(struct fs *fs, struct node *node, struct txn *txn)
{
	struct node *w = txn->node;
	struct file_key key = w->key;

	if (node->opened && node->opened->handles)
		return -EBUSY;
	if (txn->handles || w->nlookup || w->opened)
		return -EBUSY; /* others are on it under its own node */
	w->txn = NULL;
	node_retire(fs, w);
	node_rekey(fs, node, &key);
	node->flags |= NODE_BOUND;
	node->txn = txn;
	node_ref(node);
	txn->node = node;
	node_unref(fs, w);
	return 0;
}

/* Send the caller to @txn: -ESTALE, and remember that. */
static int redirect(struct fs *fs, pid_t tid, struct txn *txn)
{
	int r = intent_put(fs, tid, txn);

	if (r < 0 && !txn->handles && !txn->pins)
		txn_reap(fs, txn);
	return r < 0 ? r : -ESTALE;
}

/* An open for writing of what is a live shadow already. */
static int open_shadow(struct fs *fs, fuse_req_t req, struct node *node,
		       int flags, struct answer *a)
{
	pid_t tid = fuse_req_ctx(req)->pid;
	struct txn *txn = node->txn, *other;
	int r;

	if (intent_take(fs, tid, txn) || !(flags & O_TRUNC))
		return attach_txn(fs, req, txn, flags, a);
	other = txn->entry ? intent_find(fs, tid, txn->entry->dir,
					 txn->entry->name)
			   : NULL;
	if (txn->entry && !other) {
		r = replacement_of(fs, req, node, &other);
		return r < 0 ? r : redirect(fs, tid, other);
	}
	/* It came back to the same node: it was opened by descriptor
	 * (/dev/stdout), as one more writer of this very file. */
	if (other)
		intent_drop(fs, tid, other);
	if (ftruncate(atio_shadow_fd(txn->shadow), 0) < 0)
		return -errno;
	atio_shadow_set_changed(txn->shadow);
	return attach_txn(fs, req, txn, flags & ~O_TRUNC, a);
}

/* Another file was renamed over the name while this open was on its way: the
 * caller is sent to that.  Who comes back has no path to walk again, and means
 * the old file. */
static int open_replaced(struct fs *fs, fuse_req_t req, struct node *node,
			 int flags, struct answer *a)
{
	pid_t tid = fuse_req_ctx(req)->pid;
	struct txn *txn = intent_find(fs, tid, node->parent, node->name);
	const struct told from = told_take(tid);
	int r;

	if (txn || (from.tid && key_equal(&from.key, &node->key))) {
		if (txn)
			intent_drop(fs, tid, txn);
		return open_in_place(fs, req, node, flags, CLASS_DIRECT, a);
	}
	if (name_class(fs, node->parent, node->name) == CLASS_ATOMIC) {
		r = (flags & O_TRUNC) ? replacement_of(fs, req, node, &txn)
				      : update_of(fs, req, node, &txn);
		if (r != -ENOENT)
			return r < 0 ? r : redirect(fs, tid, txn);
	}
	told_put(tid, node);
	return -ESTALE;
}

int node_find_name(struct fs *fs, struct node *node)
{
	struct node *now;
	struct file_key key;
	struct stat st;
	struct txn *txn;

	/* Rewritten in place it was retired, and its names are those of the
	 * node that has taken its place. */
	if ((node->flags & NODE_LINKS) && !node_is_current(node)) {
		now = node_find(fs, &node->key);
		if (now && now->parent && now->name)
			return node_move(fs, node, now->parent, now->name);
		if (look_again(fs, node, &key, &st) < 0 ||
		    !key_equal(&key, &node->key))
			node_lose_name(fs, node);
	}
	if (node->parent && node->name)
		return 0;
	txn = update_of_inode(fs, &node->key);
	return txn ? node_move(fs, node, txn->entry->dir, txn->entry->name) : 0;
}

static int open_writer(struct fs *fs, fuse_req_t req, struct node *node,
		       int flags, struct answer *a)
{
	pid_t tid = fuse_req_ctx(req)->pid;
	enum file_class file_class;
	struct txn *txn;
	int r;

	if (node->txn)
		return open_shadow(fs, req, node, flags, a);
	if (node->flags & NODE_REPLACED)
		return open_replaced(fs, req, node, flags, a);
	r = node_find_name(fs, node);
	if (r < 0)
		return r;
	file_class = node_class(fs, node);
	if (file_class == CLASS_DIRECT ||
	    (file_class == CLASS_APPEND && (flags & O_APPEND) &&
	     !(flags & O_TRUNC)))
		return open_in_place(fs, req, node, flags, file_class, a);
	txn = intent_find(fs, tid, node->parent, node->name);
	if (txn && txn->node != node) {
		r = bind_node(fs, node, txn);
		if (r < 0) {
			intent_drop(fs, tid, txn);
			return r;
		}
		(void)intent_take(fs, tid, txn);
		return attach_txn(fs, req, txn, flags, a);
	}
	r = (flags & O_TRUNC) ? replacement_of(fs, req, node, &txn)
			      : update_of(fs, req, node, &txn);
	if (r == -EPERM && (flags & O_APPEND) && !(flags & O_TRUNC))
		/* It may not be replaced, but perhaps appended to. */
		return open_in_place(fs, req, node, flags, CLASS_APPEND, a);
	return r < 0 ? r : redirect(fs, tid, txn);
}

void reply_answer(struct fs *fs, fuse_req_t req, struct answer *a,
		  const struct fuse_entry_param *e)
{
	/* The kernel may release @a->h before this returns. */
	struct handle *h = a->h;

	const unsigned flags = (a->keep_cache ? OPENED_KEEP_CACHE : 0) |
			       (a->no_flush ? OPENED_NO_FLUSH : 0) |
			       (a->direct_io ? OPENED_DIRECT_IO : 0);

	if (opened_reply(fs, req, h, e, a->backing_id, flags) == -ENOENT)
		detach(fs, h);
}

void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fs *fs = req_fs(req);
	struct answer a = {0};
	struct node *node;
	int r;

	fs_lock(fs);
	node = ino_node(fs, ino);
	if (node->is_ctl) {
		fs_unlock(fs);
		ctl_open(fs, req, node, fi);
		return;
	}
	node_settle(fs, node);
	if (!wants_write(fi->flags))
		r = open_reader(fs, req, node, fi->flags, &a);
	else if (ctl_contains(node))
		r = -EACCES;
	else
		r = open_writer(fs, req, node, fi->flags, &a);
	fs_unlock(fs);
	if (r < 0)
		reply_err(req, r);
	else
		reply_answer(fs, req, &a, NULL);
}
