/* SPDX-License-Identifier: MIT */
#include "guard.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "clock.h"
#include "entry.h"
#include "locks.h"
#include "log.h"
#include "txn.h"

#define LOOK_MS 50
#define REAP_MS 1000
/* A write fails when not all of it finds room: of a large folio (2 MiB) and
 * more, whatever else is free.  Below this much no shadow is trusted. */
#define GUARD_BYTES (8ull * 1024 * 1024)
/* A disk can lose this much between two looks. */
#define SERVE_BYTES (64ull * 1024 * 1024)
#define MAX_FDS     256

static struct {
	pthread_t thread;
	pthread_cond_t wake;
	int fds[MAX_FDS]; /* to be closed */
	unsigned n_fds;
	bool running, stop;
} keeper;

bool guard_is_low(struct fs *fs)
{
	struct statvfs st;

	fs->guard_bytes = GUARD_BYTES;
	if (fstatvfs(fs->src_fd, &st) < 0)
		return false;
	fs->disk_free = (uint64_t)st.f_bavail * st.f_frsize;
	fs->disk_low = fs->disk_free < GUARD_BYTES;
	return fs->disk_low;
}

bool guard_has_room(struct fs *fs)
{
	return !guard_is_low(fs) && fs->disk_free >= SERVE_BYTES;
}

/* With fs->lock held. */
static void look_at_space(struct fs *fs)
{
	bool was_low = fs->disk_low;

	if (!guard_is_low(fs)) {
		if (was_low)
			log_info("there is room on the disk again");
		return;
	}
	if (!was_low)
		log_warn("the disk is nearly full: %llu bytes left",
			 (unsigned long long)fs->disk_free);
	for (struct txn *txn = fs->txns; txn; txn = txn->all_next)
		txn->was_low = true;
}

static void close_all(const int *fds, unsigned n)
{
	while (n)
		close(fds[--n]);
}

static void *keeper_main(void *arg)
{
	struct fs *fs = arg;
	unsigned since_reap = 0, n_fds;
	int fds[MAX_FDS];

	fs_lock(fs);
	while (!keeper.stop) {
		unsigned sync_ms = dirsync_start_due(fs, false);
		unsigned ms = sync_ms      ? sync_ms
			      : fs->n_txns ? LOOK_MS
					   : REAP_MS;
		unsigned lock_ms = locks_next_ms(fs);
		struct timespec until;

		if (lock_ms < ms)
			ms = lock_ms;
		until = clock_in_ms(ms);
		(void)pthread_cond_timedwait(&keeper.wake, &fs->lock, &until);
		n_fds = keeper.n_fds;
		memcpy(fds, keeper.fds, n_fds * sizeof(*fds));
		keeper.n_fds = 0;
		if (n_fds) {
			fs_unlock(fs);
			close_all(fds, n_fds);
			fs_lock(fs);
		}
		if (locks_next_ms(fs) == 0) {
			fs_unlock(fs);
			locks_expire(fs);
			fs_lock(fs);
		}
		txn_end_lingering(fs, NULL, NULL);
		if (fs->n_txns || fs->disk_low)
			look_at_space(fs);
		since_reap += ms;
		if (lock_watch_ms(fs) < REAP_MS || since_reap >= REAP_MS)
			(void)lock_watch_look(fs, NULL);
		if (since_reap >= REAP_MS) {
			intent_reap(fs);
			since_reap = 0;
		}
	}
	fs_unlock(fs);
	return NULL;
}

int guard_start(struct fs *fs)
{
	int r;

	(void)guard_is_low(fs);
	clock_cond_init(&keeper.wake);
	r = pthread_create(&keeper.thread, NULL, keeper_main, fs);
	keeper.running = !r;
	return -r;
}

void guard_stop(struct fs *fs)
{
	if (!keeper.running)
		return;
	fs_lock(fs);
	(void)dirsync_start_due(fs, true);
	keeper.stop = true;
	pthread_cond_signal(&keeper.wake);
	fs_unlock(fs);
	pthread_join(keeper.thread, NULL);
	keeper.running = false;
	close_all(keeper.fds, keeper.n_fds);
	keeper.n_fds = 0;
}

void guard_close(int fd)
{
	if (fd < 0)
		return;
	if (keeper.n_fds < MAX_FDS && keeper.running)
		keeper.fds[keeper.n_fds++] = fd;
	else
		close(fd);
}

void guard_wake(void)
{
	pthread_cond_signal(&keeper.wake);
}
