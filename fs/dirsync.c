/* SPDX-License-Identifier: MIT
 *
 * Making renames last: one fsync of a directory for all the commits that wait
 * for it.  The next commits do not wait for it at all, so that on a journaling
 * file system they travel together.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "guard.h"
#include "log.h"
#include "session.h"
#include "txn.h"

/* How long a rename waits for company.  On a journaling file system the flush
 * of the next file commits it along the way, and what is left to do is little;
 * synced at once, every commit would wait for the sync of the one before. */
#define DELAY_NS 10000000

struct dirsync {
	struct dirsync *next;
	struct node *dir; /* holds a reference */
	struct timespec due;
};

int dirsync_now(struct fs *fs, struct node *dir)
{
	int r, fd = node_dirfd(fs, dir);
	char path[PATH_MAX];

	if (!fs->opts->durable)
		return 0;
	if (fd >= 0) {
		fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (fd < 0)
			fd = -errno;
	}
	if (fd < 0)
		return fd == -ESTALE ? 0 : fd; /* removed: nothing to keep */
	session_may_block(fs);
	fs_unlock(fs);
	r = atio_dir_sync(fs->store, fd);
	close(fd);
	fs_lock(fs);
	if (r < 0) {
		(void)node_path(dir, NULL, path, sizeof(path));
		log_failure("sync directory", path, -r, 0, NULL);
		fs->count.failures++;
	}
	return r;
}

static void dirsync_run(struct fs *fs, void *arg)
{
	struct dirsync *d = arg;

	fs_lock(fs);
	(void)dirsync_now(fs, d->dir);
	node_unref(fs, d->dir);
	fs_unlock(fs);
	free(d);
}

static bool is_due(const struct dirsync *d, const struct timespec *now)
{
	return now->tv_sec > d->due.tv_sec ||
	       (now->tv_sec == d->due.tv_sec && now->tv_nsec >= d->due.tv_nsec);
}

unsigned dirsync_start_due(struct fs *fs, bool all)
{
	struct dirsync *d = fs->dirsyncs, **p = &fs->dirsyncs;
	struct timespec now;

	if (!d)
		return 0;
	clock_gettime(CLOCK_MONOTONIC, &now);
	while ((d = *p)) {
		if ((all || is_due(d, &now)) &&
		    !session_work(fs, dirsync_run, d))
			*p = d->next;
		else
			p = &d->next;
	}
	return fs->dirsyncs ? DELAY_NS / 1000000 : 0;
}

void dirsync_queue(struct fs *fs, struct node *dir)
{
	struct dirsync *d = fs->dirsyncs;

	while (d && d->dir != dir)
		d = d->next;
	if (d)
		return; /* goes along */
	d = calloc(1, sizeof(*d));
	if (!d) {
		log_failure("sync directory", dir->name, ENOMEM, 0, NULL);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &d->due);
	d->due.tv_nsec += DELAY_NS;
	d->due.tv_sec += d->due.tv_nsec / 1000000000;
	d->due.tv_nsec %= 1000000000;
	d->dir = dir;
	node_ref(dir);
	d->next = fs->dirsyncs;
	fs->dirsyncs = d;
	if (!d->next)
		guard_wake();
}
