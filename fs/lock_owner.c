/* SPDX-License-Identifier: MIT
 *
 * Whose locks are: processes and their descriptors come and go, and locks with
 * them.
 */
#include <stdlib.h>
#include <string.h>

#include "entry.h"
#include "locks.h"
#include "open.h"
#include "ops.h"
#include "proc.h"

/* ---- whose a lock is ------------------------------------------------- */

/* An open file that process @tgid locked may have been closed there, and live
 * on in another process (fork(2)). */
struct owned {
	uint64_t handle;
	pid_t tgid;
};

/* What is known of an open file, and of the process that may have closed it. */
struct traces {
	pid_t tgid;
	ino_t ino;
	struct others others;
	int fd;    /* by which the process locked it; or LOCK_FD_... */
	int asker; /* by which it asks for a lock now; or -1 */
};

#define MAX_FDS 64

/* How many open files the descriptors of process @tgid are. */
static int count_files(pid_t tgid, const int *fds, int n)
{
	int files = 0;

	for (int i = 0, j; i < n; i++) {
		for (j = 0; j < i; j++)
			if (proc_same_file(tgid, fds[i], tgid, fds[j]) == 1)
				break;
		files += j == i;
	}
	return files;
}

static bool is_among(int fd, const int *fds, int n)
{
	while (n > 0)
		if (fds[--n] == fd)
			return true;
	return false;
}

/* Whether the process has closed it.  There are as many open files of the inode
 * as it has opened others: yes.  More, and all that it may have were opened by
 * itself: no.  But what it inherited nobody knows: then it is open if the
 * descriptor is there that it was locked by, and otherwise that cannot be told,
 * and is for the caller to be careful: yes. */
static bool was_closed(const struct traces *t)
{
	int fds[MAX_FDS], n = proc_find_fds(t->tgid, t->ino, fds, MAX_FDS);

	if (n < 0 || n == MAX_FDS)
		return false;
	if (count_files(t->tgid, fds, n) <= t->others.own)
		return true;
	if (!t->others.foreign)
		return false;
	return !is_among(t->fd, fds, n) || t->fd == t->asker ||
	       proc_same_file(t->tgid, t->fd, t->tgid, t->asker) == 1;
}

/* With fs->lock, which is dropped: whether that was so.  @asker: the thread of
 * that process that asks for a lock, or 0. */
static bool disown(struct fs *fs, const struct owned *owned, pid_t asker)
{
	const struct handle *h = (void *)(uintptr_t)owned->handle;
	struct traces traces = {
		.tgid = owned->tgid,
		.ino = h->node->told_ino,
		.others = handle_count_others(fs, h, owned->tgid),
		.fd = h->lock_fd_of == owned->tgid ? h->lock_fd
						   : LOCK_FD_UNKNOWN,
	};
	bool closed;

	if (traces.fd == LOCK_FD_ALONE)
		traces.others.foreign = 0;
	fs_unlock(fs);
	traces.asker = asker ? proc_lock_fd(asker) : -1;
	closed = was_closed(&traces);
	if (closed)
		atio_lock_disown(fs->locks, owned->handle, owned->tgid);
	fs_lock(fs);
	return closed;
}

void lock_check_recursion(struct fs *fs, const struct atio_lock_request *want)
{
	struct atio_lock_who who;
	struct owned owned;

	if (!want->who.tid || !atio_lock_any(fs->locks))
		return;
	fs_lock(fs);
	while (atio_lock_recurses(fs->locks, want, &who) > 0) {
		owned = (struct owned){who.handle, who.tgid};
		if (!disown(fs, &owned, want->who.tid))
			break;
	}
	fs_unlock(fs);
}

/* The owners of all locks that somebody waits for, or is about to. */
struct owners {
	const struct atio_lock_key *wanted;
	struct owned *items;
	size_t n, room;
	size_t path_at;   /* where those of the path that is looked at begin */
	const void *path; /* its name's address: they come path by path */
	bool is_wanted;
};

static bool has_room(struct owners *owners)
{
	size_t room = owners->room ? 2 * owners->room : 64;
	void *items;

	if (owners->n < owners->room)
		return true;
	items = realloc(owners->items, room * sizeof(struct owned));
	if (!items)
		return false;
	owners->items = items;
	owners->room = room;
	return true;
}

static void begin_path(struct owners *owners, const struct atio_lock_key *key)
{
	const struct atio_lock_key *wanted = owners->wanted;

	if (!owners->is_wanted)
		owners->n = owners->path_at;
	owners->path_at = owners->n;
	owners->path = key->bytes;
	owners->is_wanted = key->size == wanted->size &&
			    !memcmp(key->bytes, wanted->bytes, key->size);
}

static void note_owner(void *arg, const struct atio_lock_info *info)
{
	struct owned owned = {info->who.handle, info->who.tgid}, *last;
	struct owners *owners = arg;

	if (info->key.bytes != owners->path)
		begin_path(owners, &info->key);
	owners->is_wanted |= info->waiting;
	last = owners->n > owners->path_at ? &owners->items[owners->n - 1]
					   : NULL;
	if (info->waiting || info->kind == ATIO_LOCK_POSIX || !info->who.tid ||
	    (last && last->handle == owned.handle && last->tgid == owned.tgid))
		return;
	if (has_room(owners))
		owners->items[owners->n++] = owned;
}

bool lock_check_deadlock(struct fs *fs, struct atio_lock_key wanted)
{
	struct owners owners = {.wanted = &wanted, .is_wanted = true};
	bool any = false;

	fs_lock(fs);
	atio_lock_each(fs->locks, note_owner, &owners);
	if (!owners.is_wanted)
		owners.n = owners.path_at;
	for (size_t i = 0; i < owners.n; i++)
		if (handle_is_open(fs, owners.items[i].handle))
			any |= disown(fs, &owners.items[i], 0);
	any |= lock_watch_look(fs, NULL);
	fs_unlock(fs);
	free(owners.items);
	return any;
}

/* ---- closing --------------------------------------------------------- */

void locks_flush(struct fs *fs, struct handle *h, uint64_t owner)
{
	struct lock_key key, now;

	if (!atio_lock_any(fs->locks))
		return;
	lock_key_now(fs, h, &now);
	do {
		key = now;
		atio_lock_drop_owner(fs->locks, lock_key_lent(&key), owner);
		lock_key_now(fs, h, &now);
	} while (!lock_key_equal(&key, &now));
}

bool locks_need_flush(struct fs *fs, const struct handle *h)
{
	const struct node *node = h->node;
	struct atio_lock_who who;
	struct lock_key key;

	if (!h->tid || node->opened->handles > 1 || node->txn ||
	    (node->name && entry_find(fs, node->parent, node->name)))
		return true;
	if (!atio_lock_any(fs->locks))
		return false;
	lock_key_of(h, &key);
	return lock_find(fs, lock_key_lent(&key), ATIO_LOCK_EXCLUSIVE, &who);
}

/* A handle among @users that process @tgid has opened, and of whose closes the
 * kernel says nothing. */
static struct handle *find_unheard(const struct node *node,
				   const struct handle *but, pid_t tgid)
{
	if (!node || !node->opened)
		return NULL;
	ring_each(link, &node->opened->users)
	{
		struct handle *h = ring_item(link, struct handle, same);

		if (h != but && h->no_flush && !h->left && h->tgid == tgid)
			return h;
	}
	return NULL;
}

/* Such a reader, if it was closed there and lives on in another process, ends
 * no locks of @tgid when that one closes it: they are younger.  In doubt (the
 * process has another descriptor of it, perhaps) it does. */
static bool forget_if_closed(struct fs *fs, const struct handle *reader,
			     pid_t tgid)
{
	const uint64_t handle = (uintptr_t)reader;
	int fds[MAX_FDS], n, own = handle_count_others(fs, reader, tgid).own;
	ino_t ino = reader->node->told_ino;

	fs_unlock(fs);
	n = proc_find_fds(tgid, ino, fds, MAX_FDS);
	if (n > 0 && n < MAX_FDS)
		n = count_files(tgid, fds, n);
	fs_lock(fs);
	if (n < 0 || n > own)
		return false;
	if (handle_is_open(fs, handle))
		((struct handle *)(uintptr_t)handle)->left = true;
	return true;
}

void locks_forget_closed(struct fs *fs, const struct handle *h, pid_t tgid)
{
	const struct handle *reader;
	const struct txn *txn;

	do {
		txn = h->node->txn;
		reader = find_unheard(h->node, h, tgid);
		if (!reader && txn && txn->base.ino)
			reader = find_unheard(node_find(fs, &txn->base), h,
					      tgid);
	} while (reader && forget_if_closed(fs, reader, tgid));
}

/* Who has POSIX locks through a handle on @node, and is the process that opened
 * @gone. */
static uint64_t find_owner(const struct node *node, const struct handle *gone)
{
	if (!node || !node->opened)
		return 0;
	ring_each(link, &node->opened->users)
	{
		struct handle *h = ring_item(link, struct handle, same);

		if (h->range_owner && h->range_kind == RANGE_POSIX &&
		    gone->tgid && gone->tgid == h->range_tgid)
			return h->range_owner;
	}
	return 0;
}

/* A close of any descriptor of a file takes a process's locks of it (fcntl(2)),
 * and this one the kernel did not tell of when it came: those that its opener
 * has through others.  Looked for where locks_forget_closed has looked, too. */
static void drop_of_opener(struct fs *fs, const struct handle *h)
{
	struct entry *entry;
	struct lock_key key;
	uint64_t owner;

	fs_lock(fs);
	lock_key_of(h, &key);
	owner = find_owner(h->node, h);
	entry = h->node->name ? entry_find(fs, h->node->parent, h->node->name)
			      : NULL;
	for (struct txn *txn = entry ? entry->txns : NULL; txn && !owner;
	     txn = txn->next)
		if (key_equal(&txn->base, &h->node->key))
			owner = find_owner(txn->node, h);
	fs_unlock(fs);
	if (owner)
		atio_lock_drop_owner(fs->locks, lock_key_lent(&key), owner);
}

void locks_release(struct fs *fs, struct handle *h)
{
	if (h->locks)
		atio_lock_drop_handle(fs->locks, (uintptr_t)h);
	if (h->no_flush && !h->left && atio_lock_any(fs->locks))
		drop_of_opener(fs, h);
}
