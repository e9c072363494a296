/* SPDX-License-Identifier: MIT
 *
 * POSIX locks that were taken through readers whose closes the kernel does not
 * tell of (handle.no_flush).
 *
 * They end when their process closes any descriptor of the file, or ends; but
 * as long as somebody else has the open file too (fork(2)), or the process
 * another copy (dup(2)), the daemon hears nothing.  So it looks: before such a
 * lock, which is always a shared one, is in the way of somebody, and while
 * anybody waits, again and again.  A process has ended when its pidfd says so;
 * it has closed the file when one of the descriptors that it had of it is not
 * there any more.  In doubt it has not.
 *
 * Lock owners are addresses in the kernel, and come again soon: what a process
 * has left is dropped before another one gets the same (lock_watch_ask).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guard.h"
#include "locks.h"
#include "open.h"
#include "proc.h"

#define MAX_FDS 16 /* of one open file, in one process, that are looked at */
#define WAIT_MS 100
#define IDLE_MS 1000

struct lock_process {
	struct ring all; /* of fs->watched */
	struct ring watches;
	uint64_t owner;
	pid_t tgid;
	int pidfd;       /* or -1 */
	unsigned asking; /* requests under way: what it has closed is not what
			    they will get */
	bool busy;       /* fs->lock was dropped, to drop its locks */
};

struct lock_watch {
	struct ring of_process;
	struct lock_watch *next; /* of the handle */
	struct handle *h;
	struct lock_process *process;
	int fds[MAX_FDS]; /* what it had of the open file when it asked */
	int n_fds;        /* 0: not known */
	ino_t ino;        /* shown then */
};

/* ---- records --------------------------------------------------------- */

static struct lock_process *find_process(struct fs *fs, uint64_t owner)
{
	ring_each(link, &fs->watched)
	{
		struct lock_process *p =
			ring_item(link, struct lock_process, all);

		if (p->owner == owner)
			return p;
	}
	return NULL;
}

static struct lock_process *new_process(struct fs *fs, uint64_t owner,
					pid_t tgid)
{
	struct lock_process *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->owner = owner;
	p->tgid = tgid;
	p->pidfd = proc_open(tgid);
	ring_init(&p->watches);
	ring_add(&fs->watched, &p->all);
	return p;
}

static void free_if_unused(struct lock_process *p)
{
	if (p->asking || p->busy || !ring_empty(&p->watches))
		return;
	ring_del(&p->all);
	guard_close(p->pidfd);
	free(p);
}

static struct lock_watch *find_watch(const struct handle *h,
				     const struct lock_process *p)
{
	struct lock_watch *w = h->watches;

	while (w && w->process != p)
		w = w->next;
	return w;
}

static struct lock_watch *new_watch(struct handle *h, struct lock_process *p)
{
	struct lock_watch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->h = h;
	w->process = p;
	w->next = h->watches;
	h->watches = w;
	ring_add(&p->watches, &w->of_process);
	return w;
}

static void free_watch(struct lock_watch *w)
{
	struct lock_watch **at = &w->h->watches;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	ring_del(&w->of_process);
	free(w);
}

void lock_watches_free(struct fs *fs, struct handle *h)
{
	while (h->watches) {
		struct lock_process *p = h->watches->process;

		free_watch(h->watches);
		free_if_unused(p);
	}
}

/* ---- what has become of them ------------------------------------------ */

static bool has_ended(struct lock_process *p)
{
	if (p->pidfd < 0)
		p->pidfd = proc_open(p->tgid);
	return p->pidfd >= 0 ? proc_pidfd_over(p->pidfd) : p->pidfd == -ESRCH;
}

/* The number was closed, and belongs to another open file now. */
static bool is_other_file(const struct lock_watch *w)
{
	uint64_t ino;
	int flags;

	if (!proc_fd_info(w->process->tgid, w->fds[0], &ino, &flags))
		return false;
	return wants_write(flags) ||
	       (ino != w->ino && ino != w->h->node->told_ino);
}

static bool was_closed(const struct lock_watch *w)
{
	pid_t tgid = w->process->tgid;

	for (int i = 0; i < w->n_fds; i++) {
		int r = proc_same_file(tgid, w->fds[0], tgid, w->fds[i]);

		/* The first thread of a process that goes on without it has no
		 * descriptors. */
		if (r == -EBADF)
			return proc_alive(tgid);
		if (r == 0)
			return true;
	}
	return w->n_fds == 1 && is_other_file(w);
}

/* Thread @tid asks for a lock through an open file that shows @ino: the
 * descriptors that its process has of it. */
static int find_fds(pid_t tid, pid_t tgid, ino_t ino, int *ret_fds)
{
	int fds[2 * MAX_FDS], n, n_fds = 0, fd = proc_lock_fd(tid);

	/* A thread may have descriptors of its own. */
	if (fd < 0 || proc_same_file(tgid, fd, tid, fd) == 0)
		return 0;
	ret_fds[n_fds++] = fd;
	n = proc_find_fds(tgid, ino, fds, 2 * MAX_FDS);
	for (int i = 0; i < n && n_fds < MAX_FDS; i++)
		if (fds[i] != fd && proc_same_file(tgid, fd, tgid, fds[i]) == 1)
			ret_fds[n_fds++] = fds[i];
	return n_fds;
}

/* (drops) */
static void take_stock(struct fs *fs, struct handle *h, struct lock_process *p,
		       pid_t tid)
{
	ino_t ino = h->node->told_ino;
	struct lock_watch *w;
	int fds[MAX_FDS], n;

	fs_unlock(fs);
	n = find_fds(tid, p->tgid, ino, fds);
	fs_lock(fs);
	w = find_watch(h, p); /* it may have died */
	if (!w)
		return;
	memcpy(w->fds, fds, sizeof(fds));
	w->n_fds = n;
	w->ino = ino;
}

/* ---- dropping -------------------------------------------------------- */

/* Nobody makes one while the process is busy. */
static bool has_watch(const struct lock_process *p, const struct lock_watch *w)
{
	ring_each(link, &p->watches) if (link == &w->of_process) return true;
	return false;
}

/* What the process of @w has on the path of @w, and @w with it (drops). */
static void drop(struct fs *fs, struct lock_watch *w)
{
	struct lock_process *p = w->process;
	struct lock_key key, now;

	p->busy = true;
	for (;;) {
		lock_key_of(w->h, &key);
		fs_unlock(fs);
		atio_lock_drop_owner(fs->locks, lock_key_lent(&key), p->owner);
		fs_lock(fs);
		if (!has_watch(p, w))
			break;
		lock_key_of(w->h, &now);
		if (!lock_key_equal(&key, &now))
			continue;
		free_watch(w);
		break;
	}
	p->busy = false;
	pthread_cond_broadcast(&fs->settled);
	free_if_unused(p);
}

static bool is_at(const struct lock_watch *w, const struct lock_key *key)
{
	struct lock_key at;

	if (!key)
		return true;
	lock_key_of(w->h, &at);
	return lock_key_equal(&at, key);
}

/* A watch on @p, of the path of @key, whose locks are to be dropped. */
static struct lock_watch *find_lost(struct lock_process *p, bool ended,
				    const struct lock_key *key)
{
	ring_each(link, &p->watches)
	{
		struct lock_watch *w =
			ring_item(link, struct lock_watch, of_process);

		if (is_at(w, key) && (ended || was_closed(w)))
			return w;
	}
	return NULL;
}

static struct lock_watch *find_any_lost(struct fs *fs,
					const struct lock_key *key)
{
	ring_each(link, &fs->watched)
	{
		struct lock_process *p =
			ring_item(link, struct lock_process, all);
		struct lock_watch *w = NULL;
		bool ended = !p->busy && has_ended(p);

		if (ended || (!p->busy && !p->asking))
			w = find_lost(p, ended, key);
		if (w)
			return w;
	}
	return NULL;
}

bool lock_watch_look(struct fs *fs, const struct lock_key *key)
{
	struct lock_watch *w;
	bool any = false;

	while ((w = find_any_lost(fs, key))) {
		drop(fs, w);
		any = true;
	}
	return any;
}

unsigned lock_watch_ms(struct fs *fs)
{
	struct atio_lock_counters count;

	if (ring_empty(&fs->watched))
		return UINT_MAX;
	atio_lock_count(fs->locks, &count);
	return count.waiting ? WAIT_MS : IDLE_MS;
}

/* ---- asking ---------------------------------------------------------- */

/* The process that is @owner now, without what was left of others (drops). */
static struct lock_process *meet(struct fs *fs, const struct handle *h,
				 uint64_t owner)
{
	struct lock_process *p;
	struct lock_watch *w;
	struct lock_key key;
	bool ended;

	while ((p = find_process(fs, owner))) {
		if (p->busy) {
			fs_wait(fs);
			continue;
		}
		ended = has_ended(p);
		if (!ended && p->asking)
			return p;
		lock_key_of(h, &key);
		w = find_lost(p, ended, ended ? NULL : &key);
		if (w)
			drop(fs, w);
		else if (!ended)
			return p;
		else
			p->owner = 0; /* it is to be told of its requests */
	}
	return NULL;
}

struct lock_process *lock_watch_ask(struct fs *fs, struct handle *h,
				    uint64_t owner, pid_t tid, pid_t tgid)
{
	struct lock_process *p = NULL;
	struct lock_watch *w;

	if (!tgid || (!h->no_flush && ring_empty(&fs->watched)))
		return NULL;
	p = meet(fs, h, owner);
	if (!p && h->no_flush)
		p = new_process(fs, owner, tgid);
	if (!p)
		return NULL;
	p->asking++;
	w = h->no_flush ? find_watch(h, p) : NULL;
	if (!w && h->no_flush)
		w = new_watch(h, p);
	if (w && !w->n_fds)
		take_stock(fs, h, p, tid);
	return p;
}

void lock_watch_asked(struct fs *fs, struct lock_process *p, bool waited)
{
	if (!p)
		return;
	fs_lock(fs);
	p->asking--;
	/* What was closed while it waited, was so before it got the lock. */
	if (waited)
		ring_each(link, &p->watches)
			ring_item(link, struct lock_watch, of_process)
				->n_fds = 0;
	free_if_unused(p);
	fs_unlock(fs);
}
