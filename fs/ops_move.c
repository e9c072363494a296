/* SPDX-License-Identifier: MIT
 *
 * Names that move: rename(2) and link(2), with the shadows that go along
 * (S15).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"
#include "locks.h"
#include "log.h"
#include "ops.h"
#include "publish.h"
#include "proc.h"
#include "session.h"

/* One side of a rename. */
struct place {
	struct node *dir;
	const char *name;
	int dirfd;
	bool exists; /* something is published there */
	struct file_key key;
	struct stat st;
	struct entry *entry;
};

static int place_look(struct fs *fs, struct place *p)
{
	int r;

	p->dirfd = node_dirfd(fs, p->dir);
	if (p->dirfd < 0)
		return p->dirfd;
	r = key_stat(p->dirfd, p->name, &p->key, &p->st);
	if (r < 0 && r != -ENOENT)
		return r;
	p->exists = !r;
	p->entry = entry_find(fs, p->dir, p->name);
	return 0;
}

/* The node of what is published at @p, known to the kernel or not. */
static struct node *place_node(struct fs *fs, const struct place *p)
{
	return p->exists ? node_find(fs, &p->key) : NULL;
}

static bool has_new(const struct entry *entry)
{
	const struct txn *txn = entry ? entry->txns : NULL;

	while (txn && txn->kind != TXN_NEW)
		txn = txn->next;
	return txn;
}

/* What lies at the new name is about to be replaced. */
static void before_replace(struct fs *fs, const struct place *to)
{
	struct node *old = place_node(fs, to);

	if (old && old->parent == to->dir && old->name &&
	    !strcmp(old->name, to->name))
		node_pin(fs, old);
}

static void after_replace(struct fs *fs, const struct place *to)
{
	struct node *old = place_node(fs, to);
	bool gone = S_ISDIR(to->st.st_mode) || to->st.st_nlink <= 1;

	if (!old)
		return;
	if (gone)
		node_retire(fs, old);
	if (old->parent != to->dir || !old->name ||
	    strcmp(old->name, to->name) != 0)
		return;
	/* The name of a file still says its class. */
	if (S_ISDIR(to->st.st_mode) || (old->fd >= 0 && !gone))
		node_lose_name(fs, old);
	else if (old->fd >= 0)
		old->flags |= NODE_REPLACED;
}

static int moved(struct fs *fs, const struct place *from,
		 const struct place *to)
{
	struct node *node = place_node(fs, from);

	return node ? node_move(fs, node, to->dir, to->name) : 0;
}

/* Whether the caller sees something at @p. */
static bool is_there(const struct place *p, pid_t tid)
{
	pid_t tgid = 0;

	return p->exists || (p->entry && entry_own(p->entry, tid, &tgid));
}

static int exchange(struct fs *fs, struct place *a, struct place *b, pid_t tid)
{
	struct node *node_a, *node_b;
	int r = 0;

	if (!is_there(a, tid) || !is_there(b, tid))
		return -ENOENT;
	if (a->exists && b->exists)
		r = renameat2(a->dirfd, a->name, b->dirfd, b->name,
			      RENAME_EXCHANGE);
	else if (a->exists) /* the other is not published yet */
		r = renameat2(a->dirfd, a->name, b->dirfd, b->name,
			      RENAME_NOREPLACE);
	else if (b->exists)
		r = renameat2(b->dirfd, b->name, a->dirfd, a->name,
			      RENAME_NOREPLACE);
	if (r < 0)
		return -errno;
	node_a = place_node(fs, a);
	node_b = place_node(fs, b);
	locks_stay_at(fs, node_a, a->dir, a->name);
	locks_stay_at(fs, node_b, b->dir, b->name);
	r = node_a ? node_move(fs, node_a, b->dir, b->name) : 0;
	if (!r && node_b)
		r = node_move(fs, node_b, a->dir, a->name);
	if (!r)
		r = entry_swap(fs, a->dir, a->name, b->dir, b->name);
	return r;
}

/* The caller's unpublished file gets another name: nothing to do on disk. */
static int rename_shadow(struct fs *fs, struct place *from, struct place *to,
			 pid_t tid)
{
	if (to->exists && S_ISDIR(to->st.st_mode))
		return -EISDIR;
	if (to->entry)
		entry_cut(fs, to->dir, to->name, FATE_ORPHANED, proc_tgid(tid));
	locks_follow(fs, NULL, from->dir, from->name, to->dir, to->name);
	from->entry = entry_find(fs, from->dir, from->name);
	return from->entry ? entry_move(fs, from->entry, to->dir, to->name,
					false, tid)
			   : 0;
}

static int rename_committed(struct fs *fs, struct place *from, struct place *to,
			    unsigned flags, pid_t tid)
{
	bool same = to->exists && key_equal(&from->key, &to->key);
	struct node *dir = place_node(fs, to);
	int r;

	if (dir && S_ISDIR(to->st.st_mode) && entry_any_in(fs, dir, false))
		return -ENOTEMPTY;
	before_replace(fs, to);
	if (renameat2(from->dirfd, from->name, to->dirfd, to->name, flags) < 0)
		return -errno;
	if (same) /* two names of one inode: rename(2) does nothing */
		return 0;
	locks_stay_at(fs, place_node(fs, to), to->dir, to->name);
	after_replace(fs, to);
	if (to->entry)
		entry_cut(fs, to->dir, to->name, FATE_ORPHANED, proc_tgid(tid));
	locks_follow(fs, place_node(fs, from), from->dir, from->name, to->dir,
		     to->name);
	if (S_ISREG(from->st.st_mode) && from->st.st_nlink > 1)
		locks_count_names(fs, &from->key, from->st.st_nlink, to->dir,
				  to->name);
	r = moved(fs, from, to);
	from->entry = entry_find(fs, from->dir, from->name);
	if (!r && from->entry)
		r = entry_move(fs, from->entry, to->dir, to->name, true, 0);
	return r;
}

static int look_at_both(struct fs *fs, struct place *from, struct place *to)
{
	int r = place_look(fs, to);

	if (!r)
		r = place_look(fs, from);
	if (r < 0)
		return r;
	/* The second look may have closed the first one's directory. */
	to->dirfd = node_dirfd(fs, to->dir);
	from->dirfd = node_dirfd(fs, from->dir);
	return to->dirfd < 0 || from->dirfd < 0 ? -ESTALE : 0;
}

/* The caller's shadow of @entry becomes visible now (drops). */
static int publish_own(struct fs *fs, struct entry *entry, pid_t tid)
{
	pid_t tgid = 0;
	struct txn *txn = entry_own(entry, tid, &tgid);

	session_may_block(fs);
	return txn ? txn_publish(fs, txn, false) : -ENOENT;
}

static int do_rename(struct fs *fs, struct place *from, struct place *to,
		     unsigned flags, pid_t tid)
{
	int r;

	if (name_is_reserved(fs, from->dir, from->name) ||
	    name_is_reserved(fs, to->dir, to->name) || from->dir->is_ctl ||
	    to->dir->is_ctl)
		return -EPERM;
	r = look_at_both(fs, from, to);
	if (r < 0)
		return r;
	if (from->dir == to->dir && !strcmp(from->name, to->name))
		return from->exists || from->entry ? 0 : -ENOENT;
	if (flags & RENAME_EXCHANGE)
		return exchange(fs, from, to, tid);
	if ((flags & RENAME_NOREPLACE) && (to->exists || has_new(to->entry)))
		return -EEXIST;
	if (from->exists)
		return rename_committed(fs, from, to, flags, tid);
	if (!is_there(from, tid))
		return -ENOENT;
	if (!to->exists || S_ISREG(to->st.st_mode) || S_ISDIR(to->st.st_mode))
		return rename_shadow(fs, from, to, tid);
	/* A shadow takes the place of a regular file only: here the file is
	 * published first, and then renamed as any other. */
	r = publish_own(fs, from->entry, tid);
	if (!r)
		r = look_at_both(fs, from, to);
	if (r < 0)
		return r;
	return from->exists ? rename_committed(fs, from, to, flags, tid)
			    : -ENOENT;
}

void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
	       fuse_ino_t newparent, const char *newname, unsigned flags)
{
	struct fs *fs = req_fs(req);
	struct place from = {.name = name}, to = {.name = newname};
	int r;

	fs_lock(fs);
	from.dir = ino_node(fs, parent);
	to.dir = ino_node(fs, newparent);
	do {
		redo_wait(fs);
		(void)entry_wait(fs, from.dir, name);
	} while (entry_wait(fs, to.dir, newname));
	r = do_rename(fs, &from, &to, flags, fuse_req_ctx(req)->pid);
	fs_unlock(fs);
	reply_err(req, r);
}

/* ---- link ------------------------------------------------------------ */

static int link_node(struct fs *fs, struct node *node, struct node *newdir,
		     const char *newname)
{
	char proc[32];
	const char *name;
	int r, fd, newfd;

	r = node_at(fs, node, &fd, &name);
	if (r < 0)
		return r;
	newfd = node_dirfd(fs, newdir);
	if (newfd < 0)
		return newfd;
	r = node_at(fs, node, &fd, &name);
	if (r < 0)
		return r;
	if (*name) {
		r = linkat(fd, name, newfd, newname, 0);
	} else {
		snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
		r = linkat(AT_FDCWD, proc, newfd, newname, AT_SYMLINK_FOLLOW);
	}
	return r < 0 ? -errno : 0;
}

/* A nameless file (O_TMPFILE) gets its name: what it holds now is published,
 * and it goes on as an update of that (drops). */
static int link_nameless(struct fs *fs, struct txn *txn, struct node *newdir,
			 const char *newname)
{
	int r, dirfd = node_dirfd(fs, newdir);
	struct entry *entry;
	char path[PATH_MAX];
	struct file_key key;
	struct stat st;

	if (dirfd < 0)
		return dirfd;
	/* It may have been published since the kernel looked. */
	if (key_stat(dirfd, newname, &key, &st) == 0)
		return -EEXIST;
	entry = entry_make(fs, newdir, newname);
	if (!entry)
		return -ENOMEM;
	entry_add(entry, txn);
	locks_first_name(fs, txn->node, newdir, newname);
	r = node_move(fs, txn->node, newdir, newname);
	if (!r)
		r = atio_shadow_set_path(txn->shadow,
					 txn_path(fs, txn, path, sizeof(path)),
					 NULL);
	if (!r) {
		txn->shared = true;
		r = txn_publish(fs, txn, false);
	}
	if (r < 0 && txn->entry)
		entry_remove(fs, txn);
	return r;
}

/* Publish what @node's shadow holds, then give the published file (or the
 * committed inode) its further name (drops). */
static int do_link(struct fs *fs, fuse_req_t req, struct node *node,
		   struct node *newdir, const char *newname,
		   struct fuse_entry_param *ret_e)
{
	struct txn *txn = node->txn;
	struct file_key key;
	struct stat st;
	int r;

	if (name_is_reserved(fs, newdir, newname) || ctl_contains(node) ||
	    newdir->is_ctl)
		return -EPERM;
	if (entry_find(fs, newdir, newname))
		return -EEXIST;
	if (txn && !txn->entry) {
		if (txn->kind != TXN_NEW || txn->fate != FATE_PUBLISH)
			return -ENOENT; /* unlinked */
		r = link_nameless(fs, txn, newdir, newname);
	} else if (txn) {
		r = txn_publish(fs, txn, false);
		txn = node->txn;
		if (!r && (!txn || !txn->entry))
			r = -ENOENT; /* unlinked meanwhile */
		if (r < 0)
			return r;
		r = key_stat(node_dirfd(fs, txn->entry->dir), txn->entry->name,
			     &key, &st);
		node = r < 0 ? NULL
			     : node_get(fs, &key, st.st_mode, txn->entry->dir,
					txn->entry->name);
		if (!r)
			r = node ? link_node(fs, node, newdir, newname)
				 : -ENOMEM;
	} else {
		r = link_node(fs, node, newdir, newname);
	}
	if (r < 0)
		return r;
	if (node && node->type == S_IFREG && node->parent && node->name &&
	    !node->txn && !(node->flags & NODE_REPLACED))
		locks_count_names(fs, &node->key, 2, node->parent, node->name);
	return lookup(fs, req, newdir, newname, ret_e);
}

/* The kernel may still go by the first name of a file without asking
 * (entry_timeout).  With a second one that will not do: a commit by that one
 * may put another node in the place of this, for the sake of who has it open.
 * So the kernel is told, after the answer only: until then it holds locks that
 * it needs for that.  A commit of the inode waits for it. */
struct new_link {
	struct ring ring; /* of fs->links */
	struct file_key key;
};

bool link_wait(struct fs *fs, const struct file_key *key)
{
	bool waited = false;

again:
	ring_each(link, &fs->links)
	{
		if (!key_equal(&ring_item(link, struct new_link, ring)->key,
			       key))
			continue;
		fs_wait(fs);
		waited = true;
		goto again;
	}
	return waited;
}

static void expire_name(struct fs *fs, fuse_ino_t dir, const char *name)
{
	if (fuse_lowlevel_notify_expire_entry(fs->se, dir, name, strlen(name),
					      FUSE_LL_EXPIRE_ONLY) == -ENOSYS)
		(void)fuse_lowlevel_notify_inval_entry(fs->se, dir, name,
						       strlen(name));
}

void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t newparent,
	     const char *newname)
{
	struct new_link first = {.ring = {NULL, NULL}};
	struct fs *fs = req_fs(req);
	struct fuse_entry_param e;
	struct node *node, *newdir, *dir = NULL;
	char *name = NULL;
	int r;

	session_may_block(fs);
	fs_lock(fs);
	node = ino_node(fs, ino);
	newdir = ino_node(fs, newparent);
	do {
		node_settle(fs, node);
	} while (entry_wait(fs, newdir, newname));
	/* The kernel goes on to open it by the name it knows, without asking:
	 * that name, not the new one, is to be in reports. */
	if (node->parent && node->name && !node->txn &&
	    !(node->flags & NODE_REPLACED))
		name = strdup(node->name);
	if (name) {
		dir = node->parent;
		node_ref(dir);
	}
	r = do_link(fs, req, node, newdir, newname, &e);
	if (name && !r) {
		(void)node_move(fs, node, dir, name);
		if (S_ISREG(e.attr.st_mode) && e.attr.st_nlink == 2) {
			first.key = node->key;
			ring_add(&fs->links, &first.ring);
		}
	}
	fs_unlock(fs);
	if (r < 0)
		reply_err(req, r);
	else
		fuse_reply_entry(req, &e);
	if (first.ring.next)
		expire_name(fs, node_ino(fs, dir), name);
	fs_lock(fs);
	if (first.ring.next) {
		ring_del(&first.ring);
		pthread_cond_broadcast(&fs->settled);
	}
	node_unref(fs, dir);
	fs_unlock(fs);
	free(name);
}
