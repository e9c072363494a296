/* SPDX-License-Identifier: MIT
 *
 * On an atomicfs mount: its own locks, and its own transactions, so that
 * everything agrees with all other programs there.
 *
 * A lock there is the path's and stays while versions come and go, so it is not
 * locked again after writing.  Writing is open, write, fsync and close; until
 * the fsync (or the close, without it) ATIO_IOC_ABORT makes it undone.
 */
#include "file/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <atomicio/ioctl.h>

#define FUSE_MAGIC 0x65735546

/* From linux/stat.h of 6.8. */
#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000U
#endif

/* ---- which files -------------------------------------------------------- */

/* Ask for something that does nothing. */
static bool ask_daemon(int fd, bool is_dir)
{
	struct atio_ioc_name name = {""};
	__u32 count;
	int r;

	if (is_dir)
		r = ioctl(fd, ATIO_IOC_COMMIT_NAME, &name);
	else
		r = ioctl(fd, ATIO_IOC_UNLOCK, &count);
	return r == 0 || errno == ENOLCK || errno == ENOENT;
}

/* The number of the mount that @fd is on, which no other one will ever have; 0
 * where there is none (before Linux 6.8).  Asks no daemon. */
static uint64_t mount_id(int fd)
{
	struct statx sx;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
		  STATX_MNT_ID_UNIQUE, &sx) < 0 ||
	    !(sx.stx_mask & STATX_MNT_ID_UNIQUE))
		return 0;
	return sx.stx_mnt_id;
}

bool atio_mount_is(int fd, const struct stat *st)
{
	uint64_t id = mount_id(fd);
	struct statfs sf;

	if (id && atio_mount_is_known(id))
		return true;
	if (fstatfs(fd, &sf) < 0 || sf.f_type != FUSE_MAGIC ||
	    !ask_daemon(fd, S_ISDIR(st->st_mode)))
		return false;
	if (id)
		atio_mount_tell(id);
	return true;
}

/* ---- locks -------------------------------------------------------------- */

static int lock_once(int fd, bool shared, uint64_t wait_ns)
{
	struct atio_ioc_lock arg = {
		.mode = shared ? ATIO_IOC_SHARED : ATIO_IOC_EXCLUSIVE,
		.flags = wait_ns ? 0 : ATIO_IOC_NOWAIT,
	};

	if (wait_ns && wait_ns != ATIO_NEVER)
		arg.timeout_ms = wait_ns / 1000000u + 1;
	return ioctl(fd, ATIO_IOC_LOCK, &arg) < 0 ? -errno : 0;
}

int atio_mount_lock(int fd, bool shared, uint64_t wait_ns)
{
	uint64_t now = atio_now_ns();
	uint64_t end = wait_ns < ATIO_NEVER - now ? now + wait_ns : ATIO_NEVER;
	int r;

	for (;;) {
		r = lock_once(fd, shared, wait_ns);
		if (r != -EINTR)
			break;
		now = atio_now_ns();
		if (end <= now)
			return -ETIMEDOUT;
		wait_ns = end == ATIO_NEVER ? ATIO_NEVER : end - now;
	}
	if (r == -ENOSYS || r == -EINVAL) /* other file systems say that, too */
		r = -ENOTTY;
	return r;
}

void atio_mount_unlock(int fd)
{
	__u32 count;

	(void)ioctl(fd, ATIO_IOC_UNLOCK, &count);
}

/* ---- writing ------------------------------------------------------------ */

/* What is new is locked before others can see it. */
static int lock_new(struct atio_task *task)
{
	struct atio_claim *claim = task->claim;
	int r, fd = openat(claim->place.dir.fd, claim->place.name,
			   O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	r = atio_mount_lock(fd, false, 0);
	if (r < 0) {
		close(fd);
		return r;
	}
	return atio_claim_set(claim, fd, true);
}

static int open_transaction(struct atio_task *task)
{
	const struct atio_place *place = &task->claim->place;
	int flags = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, fd, r = 0;

	if (task->request.kind == ATIO_TASK_APPEND)
		flags |= O_APPEND;
	if (task->is_new)
		flags |= O_RDWR | O_CREAT | O_EXCL;
	else if (task->request.kind == ATIO_TASK_APPEND)
		flags |= O_WRONLY;
	else
		flags |= O_WRONLY | O_TRUNC;
	fd = openat(place->dir.fd, place->name, flags, 0666);
	if (fd < 0 && (errno == EEXIST || (errno == ENOENT && !task->is_new)))
		return -ESTALE;
	if (fd < 0)
		return -errno;
	atio_keep(&task->transaction, fd);
	if (task->is_new)
		r = lock_new(task);
	return r;
}

int atio_mount_stage(struct atio_task *task)
{
	struct atio_claim *claim = task->claim;
	struct atio_error *err = &task->err.error;
	struct stat st;
	int r;

	pthread_mutex_lock(&claim->mutex);
	r = atio_claim_refresh(claim, &st, err);
	if (!r) {
		task->is_new = !st.st_mode;
		r = open_transaction(task);
	}
	pthread_mutex_unlock(&claim->mutex);
	if (!r)
		r = atio_content_write(task->transaction.fd, task->text,
				       task->text_len);
	if (r < 0)
		atio_mount_undo(task);
	return r < 0 && r != -ESTALE
		       ? atio_fail(err, -r, "write to '%s': %s",
				   claim->place.name, strerror(-r))
		       : r;
}

int atio_mount_publish(struct atio_task *task)
{
	int fd = atio_kept_take(&task->transaction);

	if (close(fd) == 0)
		return 0;
	/* After EINTR the descriptor is closed, and what it has published is
	 * not known. */
	return atio_fail(&task->err.error, errno == EINTR ? EIO : errno,
			 "publish: %s", strerror(errno));
}

void atio_mount_undo(struct atio_task *task)
{
	struct atio_claim *claim = task->claim;

	if (task->transaction.fd < 0)
		return;
	(void)ioctl(task->transaction.fd, ATIO_IOC_ABORT);
	atio_kept_close(&task->transaction);
	if (!task->is_new)
		return;
	pthread_mutex_lock(&claim->mutex);
	(void)atio_claim_set(claim, -1, false);
	pthread_mutex_unlock(&claim->mutex);
}
