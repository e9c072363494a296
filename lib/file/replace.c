/* SPDX-License-Identifier: MIT
 *
 * Writing in a directory like any other: aside (lib/stage/loose.c), then in
 * one step.
 *
 * A file with several names is rewritten in place, and so is one whose owner
 * this process could not give to a new file.  Everything else is replaced.
 *
 * Until atio_replace_publish nothing has happened to the file, and what was
 * written aside goes with its descriptor.
 */
#include "file/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "stage/store.h"

/* @why, which may be the step alone, with the cause. */
static int stage_failed(struct atio_task *task, int r,
			const struct atio_error *why)
{
	const char *cause = strerror(-r);
	bool said = strstr(why->text, cause);

	return atio_fail(&task->err.error, -r, "%s%s%s", why->text,
			 said ? "" : ": ", said ? "" : cause);
}

/* ---- aside -------------------------------------------------------------- */

/* As what is written would be refused, not as what replaces it would be. */
static int check_writable(const struct atio_place *place,
			  struct atio_error *err)
{
	if (faccessat(place->dir.fd, place->name, W_OK, AT_EACCESS) == 0)
		return 0;
	return atio_fail(err, errno, "write to '%s': %s", place->name,
			 strerror(errno));
}

/* Like the file that is there, if there is one. */
static int make_loose(struct atio_task *task, const struct stat *st)
{
	const struct atio_place *place = &task->claim->place;
	struct atio_error *err = &task->err.error, why = ATIO_ERROR_INIT;
	bool durable = task->file->durable;
	int r, base, dir = place->dir.fd;

	task->is_new = !st->st_mode;
	task->in_place = st->st_nlink > 1;
	if (task->is_new)
		return atio_loose_create(&task->loose, dir, 0666, durable, err);
	r = check_writable(place, err);
	if (r < 0)
		return r;
	base = task->claim->hold->fd.fd;
	if (!task->in_place) {
		r = atio_loose_like(&task->loose, dir, base, durable, &why);
		task->in_place = r == -EPERM;
		if (r < 0 && r != -EPERM)
			return stage_failed(task, r, &why);
	}
	if (task->in_place) {
		why.code = 0;
		r = atio_loose_copy_for(&task->loose, dir, base, place->name,
					durable, &why);
	}
	return r < 0 ? stage_failed(task, r, &why) : 0;
}

static int fill(struct atio_task *task)
{
	struct atio_error *err = &task->err.error, why = ATIO_ERROR_INIT;
	int r = 0, fd = task->loose.fd;

	if (task->request.kind == ATIO_TASK_APPEND && !task->is_new) {
		r = atio_copy_data(task->claim->hold->fd.fd, fd, true, &why);
		if (r == -EBADF) /* open for writing only */
			return atio_fail(err, EACCES, "read '%s': %s",
					 task->claim->place.name,
					 strerror(EACCES));
		if (r < 0)
			return stage_failed(task, r, &why);
		if (lseek(fd, 0, SEEK_END) < 0)
			r = atio_fail(err, errno, "seek");
	}
	if (r < 0)
		return r;
	r = atio_content_write(fd, task->text, task->text_len);
	return r < 0 ? atio_fail(err, -r, "write %zu bytes: %s",
				 task->text_len, strerror(-r))
		     : 0;
}

int atio_replace_stage(struct atio_task *task)
{
	struct atio_claim *claim = task->claim;
	const struct atio_place *place = &claim->place;
	struct stat st;
	int r;

	if (place->readable && atio_is_first_visit(place->dev, place->ino))
		(void)atio_loose_sweep(place->dir.fd);
	pthread_mutex_lock(&claim->mutex);
	r = atio_claim_refresh(claim, &st, &task->err.error);
	if (!r)
		r = make_loose(task, &st);
	if (!r) {
		atio_keep(&task->loose_kept, task->loose.fd);
		r = fill(task);
	}
	pthread_mutex_unlock(&claim->mutex);
	if (r < 0)
		atio_replace_undo(task);
	return r;
}

void atio_replace_undo(struct atio_task *task)
{
	(void)atio_kept_take(&task->loose_kept);
	atio_loose_done(&task->loose);
}

/* ---- in one step -------------------------------------------------------- */

/* A descriptor for writing of what the name leads to, if that is @ino. */
static int open_target(const struct atio_place *place, ino_t ino)
{
	int fd = openat(place->dir.fd, place->name,
			O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY |
				O_CLOEXEC);
	struct stat st;

	if (fd < 0 && errno == EACCES) /* may be written, but not read */
		fd = openat(place->dir.fd, place->name,
			    O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY |
				    O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ELOOP ? -ESTALE : -errno;
	if (fstat(fd, &st) == 0 && st.st_ino == ino)
		return fd;
	close(fd);
	return -ESTALE;
}

/* Others have the inode through another of its names. */
static int lock_again(struct atio_hold *hold)
{
	if (!hold->locked && flock(hold->fd.fd, LOCK_EX | LOCK_NB) < 0)
		return -EBUSY;
	hold->locked = true;
	return 0;
}

static int overwrite(struct atio_task *task, const struct stat *st)
{
	struct atio_claim *claim = task->claim;
	struct atio_error *err = &task->err.error;
	bool begun;
	int r, fd;

	if (!st->st_mode || claim->hold->ino != st->st_ino)
		return -ESTALE;
	r = lock_again(claim->hold);
	if (r < 0)
		return atio_fail(err, -r, "locked under another of its names");
	fd = open_target(&claim->place, st->st_ino);
	if (fd == -ESTALE)
		return fd;
	if (fd < 0)
		return atio_fail(err, -fd, "open '%s' for writing: %s",
				 claim->place.name, strerror(-fd));
	r = atio_loose_overwrite(&task->loose, fd, &begun, err);
	close(fd);
	if (r == 0)
		atio_replace_undo(task); /* there is nothing more to it */
	return r;
}

static int replace(struct atio_task *task, const struct stat *st)
{
	struct atio_claim *claim = task->claim;
	struct atio_error why = ATIO_ERROR_INIT;
	int r;

	if (st->st_nlink > 1 || (task->is_new && st->st_mode))
		return -ESTALE;
	r = atio_claim_reserve(claim); /* what comes after must not fail */
	if (r < 0)
		return r;
	r = atio_loose_commit(&task->loose, claim->place.name,
			      st->st_mode ? 0 : ATIO_LOOSE_NOREPLACE, &why);
	if (r == -EEXIST)
		return -ESTALE;
	if (r < 0)
		return stage_failed(task, r, &why);
	(void)atio_kept_take(&task->loose_kept);
	r = atio_claim_set(claim, task->loose.fd, false);
	task->loose.fd = -1;
	return r;
}

int atio_replace_publish(struct atio_task *task)
{
	struct atio_claim *claim = task->claim;
	struct stat st;
	int r;

	pthread_mutex_lock(&claim->mutex);
	r = atio_claim_refresh(claim, &st, &task->err.error);
	if (!r)
		r = task->in_place ? overwrite(task, &st) : replace(task, &st);
	pthread_mutex_unlock(&claim->mutex);
	if (r < 0)
		atio_replace_undo(task);
	return r;
}

/* ---- others ------------------------------------------------------------- */

int atio_replace_delete(struct atio_task *task)
{
	struct atio_claim *claim = task->claim;
	struct atio_error *err = &task->err.error;
	struct atio_place link = {.dir = {.fd = -1}};
	int r;

	/* Of a symbolic link it is the link that goes, as with unlink(2). */
	r = atio_place_find(task->file->path, ATIO_PLACE_NOFOLLOW, &link, err);
	if (r < 0)
		return r;
	pthread_mutex_lock(&claim->mutex);
	if (unlinkat(link.dir.fd, link.name, 0) < 0)
		r = atio_fail(err, errno, "delete '%s': %s", link.name,
			      strerror(errno));
	else if (atio_place_equal(&link, &claim->place))
		r = atio_claim_set(claim, -1, false);
	else if (task->file->durable)
		r = atio_place_sync(&link, -1);
	pthread_mutex_unlock(&claim->mutex);
	atio_place_done(&link);
	return r;
}

int atio_replace_settle(struct atio_task *task)
{
	struct atio_claim *claim = task->claim;
	struct atio_hold *hold = claim->hold;
	struct atio_error *err = &task->err.error;
	struct atio_redo redo;
	int fd, r;

	if (!hold || hold->on_mount)
		return 0;
	r = atio_redo_find(claim->place.dir.fd, hold->fd.fd, &redo, err);
	if (r <= 0)
		return r;
	if (claim->shared) {
		atio_redo_done(&redo);
		return -ESTALE;
	}
	fd = open_target(&claim->place, hold->ino);
	if (fd >= 0) {
		r = atio_redo_finish(&redo, fd, task->file->durable, err);
		close(fd);
	} else if (atio_task_reads(task)) {
		/* Who may only read it, reads what it is going to be. */
		task->source = redo.copy;
		redo.copy = -1;
		r = 0;
	} else {
		r = atio_fail(err, -fd, "finish rewriting '%s': %s",
			      claim->place.name, strerror(-fd));
	}
	atio_redo_done(&redo);
	return r;
}
