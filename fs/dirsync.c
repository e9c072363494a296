/* SPDX-License-Identifier: MIT
 *
 * Making renames last: one fsync of a directory for all the commits that wait
 * for it.  The next commits do not wait for it at all, so that on a journaling
 * file system they travel together.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "log.h"
#include "session.h"
#include "txn.h"

struct dirsync {
	struct dirsync *next;
	struct node *dir;     /* holds a reference */
	uint64_t want, done;  /* commits asked for, commits on disk */
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
	struct dirsync *d = arg, **p;

	fs_lock(fs);
	do {
		uint64_t want = d->want;

		(void)dirsync_now(fs, d->dir);
		d->done = want;
	} while (d->want != d->done);
	for (p = &fs->dirsyncs; *p != d; p = &(*p)->next)
		;
	*p = d->next;
	node_unref(fs, d->dir);
	fs_unlock(fs);
	free(d);
}

void dirsync_queue(struct fs *fs, struct node *dir)
{
	struct dirsync *d = fs->dirsyncs;

	if (!fs->opts->durable)
		return;
	while (d && d->dir != dir)
		d = d->next;
	if (d) {
		d->want++;
		return;
	}
	d = calloc(1, sizeof(*d));
	if (d) {
		d->dir = dir;
		d->want = 1;
		if (!session_work(fs, dirsync_run, d)) {
			node_ref(dir);
			d->next = fs->dirsyncs;
			fs->dirsyncs = d;
			return;
		}
	}
	free(d);
	log_failure("sync directory", dir->name, ENOMEM, 0, NULL);
}
