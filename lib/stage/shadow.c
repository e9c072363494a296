/* SPDX-License-Identifier: MIT
 *
 * Shadows: the life of one working copy.
 *
 *	(none) --create, replace, update, snapshot--> OPEN
 *	OPEN   --prepare--> OPEN, flushed      (fails: POISONED)
 *	OPEN   --sync-----> OPEN, flushed, and recovery would publish it
 *	OPEN   --commit---> OVER: the file is at its name
 *	OPEN   --redo-----> OVER: the target has its content (redo.c)
 *	OPEN, POISONED --discard, quarantine--> OVER
 *
 * Invariants
 *   1. A live shadow is exactly one file in stage/, named by its id.
 *   2. A name in the tree leads to a whole version, at every instant: names are
 *      changed by one rename, of a file that was flushed before.
 *   3. Nobody but the holder of the shadow writes to that file.
 *   4. After a failed flush nothing of the shadow is ever published: the kernel
 *      may have thrown the dirty pages away (fsync(2), NOTES).
 *   5. A target is rewritten in place only while its redo record and the
 *      shadow are on disk.
 *   6. On every way out the file in stage/ is renamed or unlinked, or recovery
 *      finds it by invariant 1.
 */
#include "stage/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A clock tick, and some: two changes within it may have one time stamp. */
#define TICK_NS     20000000ll
#define MAX_CLASHES 100

/* ---- making ---------------------------------------------------------- */

static struct atio_shadow *shadow_new(struct atio_store *store,
				      const struct atio_origin *origin)
{
	struct atio_shadow *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->store = store;
	s->fd = -1;
	s->pid = origin->pid;
	s->uid = origin->uid;
	s->path = strdup(origin->path);
	if (!s->path) {
		free(s);
		return NULL;
	}
	return s;
}

static void next_name(struct atio_shadow *s)
{
	s->id = ++s->store->next_id;
	atio_id_name(s->id, s->name);
}

static int begin(struct atio_shadow *s, struct atio_shadow **ret_shadow,
		 struct atio_error *err)
{
	int r = atio_journal_begin(s);

	if (r < 0) {
		(void)unlinkat(s->store->stage_fd, s->name, 0);
		atio_shadow_free(s);
		return atio_fail(err, -r, "write to the journal: %s",
				 strerror(-r));
	}
	ATIO_FAULT("stage.begun");
	*ret_shadow = s;
	return 0;
}

/* Without O_TMPFILE: under a name that nobody uses, for an instant. */
static int create_named(struct atio_shadow *s, int dirfd, mode_t mode)
{
	char name[ID_MAX + 16];
	int fd;

	(void)snprintf(name, sizeof(name), "%s.%s", ATIO_STATE_DIR, s->name);
	fd = openat(dirfd, name,
		    O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return -errno;
	if (renameat(dirfd, name, s->store->stage_fd, s->name) < 0) {
		int r = -errno;

		(void)unlinkat(dirfd, name, 0);
		close(fd);
		return r;
	}
	return fd;
}

static int link_into_stage(struct atio_shadow *s, int fd)
{
	int r = -EEXIST;

	for (int i = 0; i < MAX_CLASHES && r == -EEXIST; i++) {
		next_name(s);
		r = atio_tmpfile_link(fd, s->store->stage_fd, s->name);
	}
	return r;
}

/* The target's own directory gives the new inode its group, default ACL,
 * label and project, as it would give them to a file made there. */
static int create_in(struct atio_shadow *s, int dirfd, mode_t mode)
{
	int r, fd = atio_tmpfile_open(dirfd, mode);

	if (fd == -EOPNOTSUPP) {
		next_name(s);
		return create_named(s, dirfd, mode);
	}
	if (fd < 0)
		return fd;
	ATIO_FAULT("stage.tmpfile");
	r = link_into_stage(s, fd);
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

int atio_shadow_create(struct atio_store *store, int dirfd, mode_t mode,
		       const struct atio_origin *origin,
		       struct atio_shadow **ret_shadow, struct atio_error *err)
{
	struct atio_shadow *s = shadow_new(store, origin);
	int fd;

	if (!s)
		return atio_fail(err, ENOMEM, "out of memory");
	fd = create_in(s, dirfd, mode);
	if (fd < 0) {
		atio_shadow_free(s);
		return atio_fail(err, -fd, "create a shadow: %s",
				 strerror(-fd));
	}
	s->fd = fd;
	ATIO_FAULT("stage.created");
	return begin(s, ret_shadow, err);
}

static int open_in_stage(struct atio_shadow *s)
{
	for (int i = 0; i < MAX_CLASHES; i++) {
		next_name(s);
		s->fd = openat(s->store->stage_fd, s->name,
			       O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC |
				       O_NOFOLLOW,
			       0600);
		if (s->fd >= 0)
			return 0;
		if (errno != EEXIST)
			break;
	}
	return -errno;
}

static int shadow_of(struct atio_store *store, int from, bool content,
		     const struct atio_origin *origin,
		     struct atio_shadow **ret_shadow, struct atio_error *err)
{
	struct atio_shadow *s = shadow_new(store, origin);
	int r;

	if (!s)
		return atio_fail(err, ENOMEM, "out of memory");
	r = open_in_stage(s);
	if (r < 0) {
		atio_shadow_free(s);
		return atio_fail(err, -r, "create a shadow: %s", strerror(-r));
	}
	ATIO_FAULT("stage.created");
	r = content ? atio_copy_data(from, s->fd, store->can_clone, err) : 0;
	if (!r)
		r = atio_copy_meta(from, s->fd, err);
	if (!r && content)
		r = atio_copy_times(from, s->fd);
	if (r < 0) {
		(void)unlinkat(store->stage_fd, s->name, 0);
		atio_shadow_free(s);
		return atio_fail(err, -r, "copy the file: %s", strerror(-r));
	}
	ATIO_FAULT("stage.copied");
	return begin(s, ret_shadow, err);
}

int atio_shadow_replace(struct atio_store *store, int basefd,
			const struct atio_origin *origin,
			struct atio_shadow **ret_shadow, struct atio_error *err)
{
	return shadow_of(store, basefd, false, origin, ret_shadow, err);
}

int atio_shadow_update(struct atio_store *store, int basefd,
		       const struct atio_origin *origin,
		       struct atio_shadow **ret_shadow, struct atio_error *err)
{
	return shadow_of(store, basefd, true, origin, ret_shadow, err);
}

int atio_shadow_snapshot(struct atio_shadow *shadow,
			 struct atio_shadow **ret_shadow,
			 struct atio_error *err)
{
	const struct atio_origin origin = {shadow->path, shadow->pid,
					   shadow->uid};

	/* Start write-back: that makes mapped pages read-only, so that a
	 * later store through a mapping shows in the file's times. (A clone
	 * does so by itself.) */
	if (!shadow->store->can_clone)
		(void)sync_file_range(shadow->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	return shadow_of(shadow->store, shadow->fd, true, &origin, ret_shadow,
			 err);
}

int atio_shadow_copy_meta(struct atio_shadow *shadow, int basefd,
			  struct atio_error *err)
{
	return atio_copy_meta(basefd, shadow->fd, err);
}

/* ---- looking --------------------------------------------------------- */

int atio_shadow_fd(const struct atio_shadow *shadow)
{
	return shadow->fd;
}

int atio_shadow_take_fd(struct atio_shadow *shadow)
{
	int fd = shadow->fd;

	shadow->fd = -1;
	return fd;
}

uint64_t atio_shadow_id(const struct atio_shadow *shadow)
{
	return shadow->id;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* Where time stamps are coarse, a write within the same tick is hidden.  An
 * update starts with the old version's mtime, and a write sets it to the
 * present, so that it is the mtime that tells; unless that is young itself. */
static bool too_young(const struct timespec *t)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (now.tv_sec - t->tv_sec) * 1000000000ll + now.tv_nsec -
		       t->tv_nsec <
	       TICK_NS;
}

int atio_shadow_mark_clean(struct atio_shadow *shadow)
{
	if (fstat(shadow->fd, &shadow->mark) < 0)
		return -errno;
	shadow->changed = false;
	shadow->unsure =
		!shadow->store->fine_times && too_young(&shadow->mark.st_mtim);
	return 0;
}

int atio_shadow_changed(const struct atio_shadow *shadow)
{
	struct stat st;

	if (shadow->changed || shadow->unsure)
		return 1;
	if (fstat(shadow->fd, &st) < 0)
		return -errno;
	if (st.st_size != shadow->mark.st_size ||
	    !same_time(&st.st_mtim, &shadow->mark.st_mtim))
		return 1;
	return shadow->store->fine_times &&
	       !same_time(&st.st_ctim, &shadow->mark.st_ctim);
}

void atio_shadow_set_changed(struct atio_shadow *shadow)
{
	shadow->changed = true;
}

int atio_shadow_set_path(struct atio_shadow *shadow, const char *path,
			 struct atio_error *err)
{
	char *copy = strdup(path);
	int r;

	if (!copy)
		return atio_fail(err, ENOMEM, "out of memory");
	r = atio_journal_path(shadow, copy);
	return r < 0 ? atio_fail(err, -r, "write to the journal") : 0;
}

/* ---- flushing -------------------------------------------------------- */

int atio_shadow_prepare(struct atio_shadow *shadow, struct atio_error *err)
{
	if (shadow->poison)
		return atio_fail(err, shadow->poison,
				 "an earlier flush failed: %s",
				 strerror(shadow->poison));
	ATIO_FAULT("prepare.flush");
	if (shadow->store->durable && fsync(shadow->fd) < 0) {
		int r = atio_fail(err, errno, "flush to disk: %s",
				  strerror(errno));

		shadow->poison = -r;
		if (shadow->synced) /* what was synced may be gone, too */
			(void)atio_journal_unsynced(shadow);
		return r;
	}
	ATIO_FAULT("prepare.flushed");
	return 0;
}

int atio_shadow_sync(struct atio_shadow *shadow, struct atio_error *err)
{
	struct stat st;
	int r;

	if (fstat(shadow->fd, &st) < 0)
		return atio_fail(err, errno, "stat");
	r = atio_shadow_prepare(shadow, err);
	if (r < 0)
		return r;
	r = atio_journal_synced(shadow, &st);
	ATIO_FAULT("sync.recorded");
	return r < 0 ? atio_fail(err, -r, "write to the journal: %s",
				 strerror(-r))
		     : 0;
}

void atio_shadow_retract(struct atio_shadow *shadow)
{
	atio_journal_retract(shadow);
}

/* ---- ends ------------------------------------------------------------ */

static void end(struct atio_shadow *shadow)
{
	shadow->over = true;
	atio_journal_end(shadow);
}

int atio_shadow_commit(struct atio_shadow *shadow, int dirfd, const char *name,
		       unsigned flags, struct atio_error *err)
{
	if (shadow->poison)
		return atio_fail(err, shadow->poison, "the shadow is poisoned");
	ATIO_FAULT("commit.rename");
	if (renameat2(shadow->store->stage_fd, shadow->name, dirfd, name,
		      flags & ATIO_COMMIT_NOREPLACE ? RENAME_NOREPLACE : 0) < 0)
		return atio_fail(err, errno, "rename into place: %s",
				 strerror(errno));
	ATIO_FAULT("commit.renamed");
	end(shadow);
	return 0;
}

int atio_shadow_reserve(struct atio_shadow *shadow, int targetfd,
			struct atio_error *err)
{
	if (shadow->store->can_clone)
		return 0;
	return atio_make_room(shadow->fd, targetfd, err);
}

/* Take one of the redos of @ino that failed out of the list of those. */
static struct atio_shadow *take_unfinished(struct atio_store *store,
					   uint64_t ino)
{
	struct atio_shadow *s;

	pthread_mutex_lock(&store->lock);
	for (s = store->live; s; s = s->next)
		if (s->unfinished && s->redo_ino == ino)
			break;
	if (s)
		s->unfinished = false;
	pthread_mutex_unlock(&store->lock);
	return s;
}

bool atio_store_is_unfinished(struct atio_store *store, uint64_t ino)
{
	bool found = false;

	pthread_mutex_lock(&store->lock);
	for (struct atio_shadow *s = store->live; s && !found; s = s->next)
		found = s->unfinished && s->redo_ino == ino;
	pthread_mutex_unlock(&store->lock);
	return found;
}

/* A newer content of the inode is there: what is left of redos that failed
 * must not be done again. */
static void forget_unfinished(struct atio_store *store, uint64_t ino)
{
	struct atio_shadow *s;

	while ((s = take_unfinished(store, ino))) {
		(void)unlinkat(store->stage_fd, s->name, 0);
		end(s);
		atio_shadow_free(s);
	}
}

int atio_shadow_redo(struct atio_shadow *shadow, int targetfd,
		     struct atio_error *err)
{
	struct stat st;
	int r;

	if (shadow->poison)
		return atio_fail(err, shadow->poison, "the shadow is poisoned");
	if (fstat(targetfd, &st) < 0)
		return atio_fail(err, errno, "stat");
	r = atio_journal_redo(shadow, st.st_ino);
	if (r < 0)
		return atio_fail(err, -r, "write to the journal: %s",
				 strerror(-r));
	ATIO_FAULT("redo.recorded");
	r = atio_rewrite(shadow->store, shadow->fd, targetfd, err);
	if (r < 0)
		return r;
	ATIO_FAULT("redo.written");
	(void)unlinkat(shadow->store->stage_fd, shadow->name, 0);
	end(shadow);
	forget_unfinished(shadow->store, shadow->redo_ino);
	return 0;
}

int atio_shadow_discard(struct atio_shadow *shadow)
{
	int r = 0;

	if (shadow->over)
		return 0;
	if (shadow->redo_ino)
		return -EBUSY;
	if (unlinkat(shadow->store->stage_fd, shadow->name, 0) < 0)
		r = -errno;
	ATIO_FAULT("discard.unlinked");
	end(shadow);
	return r;
}

int atio_shadow_quarantine(struct atio_shadow *shadow,
			   const struct atio_rollback *why, char *ret_id,
			   struct atio_error *err)
{
	const struct atio_keep keep = {
		.name = shadow->name,
		.id = shadow->id,
		.path = shadow->path,
		.reason = why->reason,
		.detail = why->detail,
		.command = why->command,
		.pid = shadow->pid,
		.uid = shadow->uid,
		.error = why->error,
	};
	struct stat st;
	int r;

	if (shadow->redo_ino)
		return atio_fail(err, EBUSY,
				 "the file is half rewritten from it: the next "
				 "start finishes that");
	if (fstat(shadow->fd, &st) < 0)
		return atio_fail(err, errno, "stat");
	if (st.st_size == 0)
		return atio_shadow_discard(shadow);
	if ((uint64_t)st.st_size > shadow->store->quarantine_max_bytes) {
		r = atio_shadow_discard(shadow);
		return r < 0 ? r
			     : atio_fail(err, EFBIG,
					 "larger than the quarantine may be");
	}
	r = atio_quarantine_keep(shadow->store, &keep, err);
	if (r < 0)
		return r;
	if (ret_id)
		(void)snprintf(ret_id, ATIO_QUARANTINE_ID_MAX, "%s",
			       shadow->name);
	end(shadow);
	return 1;
}

void atio_shadow_free(struct atio_shadow *shadow)
{
	if (!shadow)
		return;
	if (shadow->fd >= 0)
		close(shadow->fd);
	shadow->fd = -1;
	pthread_mutex_lock(&shadow->store->lock);
	shadow->unfinished =
		!shadow->over && (shadow->redo_ino || shadow->synced);
	if (shadow->unfinished) { /* recovery has to know of it */
		pthread_mutex_unlock(&shadow->store->lock);
		return;
	}
	if (shadow->next)
		shadow->next->prev = shadow->prev;
	if (shadow->prev)
		shadow->prev->next = shadow->next;
	else if (shadow->store->live == shadow)
		shadow->store->live = shadow->next;
	pthread_mutex_unlock(&shadow->store->lock);
	free(shadow->path);
	free(shadow);
}
