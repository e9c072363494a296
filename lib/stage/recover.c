/* SPDX-License-Identifier: MIT
 *
 * Settling what a crash left.
 *
 *	stage/ID, redo record    the target is rewritten (again)
 *	stage/ID, synced         published under its path
 *	stage/ID, otherwise      unfinished: quarantine, or nothing if empty
 *	anything else in stage/  litter
 *
 * Every step can be cut short and done again: a shadow leaves the stage by its
 * last step, and the journal is cleared when the stage is empty.
 */
#include "stage/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

struct recovery {
	struct atio_store *store;
	bool dry_run;
	atio_recovered_fn *fn;
	void *arg;
	struct atio_record *recs;
	size_t n_recs;
	int count;
	bool failed;
};

static void tell(struct recovery *rc, enum atio_recovery_action action,
		 const struct atio_record *rec, const char *id, int error)
{
	const struct atio_recovered what = {
		.action = action,
		.path = rec && rec->path ? rec->path : "",
		.id = id,
		.error = error,
	};

	rc->count++;
	if (action == ATIO_RECOVERED_FAILED)
		rc->failed = true;
	if (rc->fn)
		rc->fn(&what, rc->arg);
}

static const struct atio_record *record_by_name(const struct recovery *rc,
						const char *name)
{
	char *end;
	uint64_t id = strtoull(name, &end, 16);

	for (size_t i = 0; !*end && i < rc->n_recs; i++)
		if (rc->recs[i].id == id && !rc->recs[i].ended)
			return &rc->recs[i];
	return NULL;
}

/* Paths come from a file: they must not lead out of the source. */
static int open_beneath(struct atio_store *store, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)flags | O_CLOEXEC,
		.resolve =
			RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};
	int fd = (int)syscall(SYS_openat2, store->src_fd, path, &how,
			      sizeof(how));

	return fd < 0 ? -errno : fd;
}

static int open_parent(struct atio_store *store, const char *path,
		       const char **ret_name)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;

	if (!*path || (slash && !slash[1]) || n >= sizeof(dir))
		return -ENOENT;
	memcpy(dir, path, n);
	dir[n] = 0;
	*ret_name = slash ? slash + 1 : path;
	return open_beneath(store, n ? dir : ".", O_RDONLY | O_DIRECTORY);
}

/* ---- the three ways -------------------------------------------------- */

static int finish_redo(struct recovery *rc, const struct atio_record *rec,
		       const char *name)
{
	AUTO_CLOSE int target =
		open_beneath(rc->store, rec->path, O_RDWR | O_NOFOLLOW);
	AUTO_CLOSE int from = -1;
	struct stat st;
	int r;

	if (target < 0)
		return target;
	if (fstat(target, &st) < 0 || st.st_ino != rec->redo_ino)
		return -ENOENT;
	from = openat(rc->store->stage_fd, name,
		      O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (from < 0)
		return -errno;
	if (rc->dry_run)
		return 0;
	r = atio_rewrite(rc->store, from, target, NULL);
	ATIO_FAULT("recover.redone");
	if (!r && unlinkat(rc->store->stage_fd, name, 0) < 0)
		r = -errno;
	return r;
}

/* What was written after the sync and made the file longer was promised to
 * nobody. */
static int cut_back(struct atio_store *store, const struct atio_record *rec,
		    const char *name)
{
	AUTO_CLOSE int fd =
		openat(store->stage_fd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size <= rec->synced_size)
		return 0;
	if (ftruncate(fd, (off_t)rec->synced_size) < 0 ||
	    (store->durable && fsync(fd) < 0))
		return -errno;
	return 0;
}

static int publish(struct recovery *rc, const struct atio_record *rec,
		   const char *name)
{
	struct atio_store *store = rc->store;
	const char *to;
	AUTO_CLOSE int dir = open_parent(store, rec->path, &to);
	AUTO_CLOSE int target = -1, from = -1;
	struct stat st;
	int r;

	if (dir < 0 || rc->dry_run)
		return dir < 0 ? dir : 0;
	r = cut_back(store, rec, name);
	if (r < 0)
		return r;
	ATIO_FAULT("recover.publish");
	if (fstatat(dir, to, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(st.st_mode) && st.st_nlink > 1) {
		target = openat(dir, to, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
		from = openat(store->stage_fd, name,
			      O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		if (target < 0 || from < 0)
			return -errno;
		r = atio_rewrite(store, from, target, NULL);
		if (!r && unlinkat(store->stage_fd, name, 0) < 0)
			r = -errno;
		return r;
	}
	if (renameat(store->stage_fd, name, dir, to) < 0)
		return -errno;
	ATIO_FAULT("recover.published");
	return atio_dir_sync(store, dir);
}

static void put_aside(struct recovery *rc, const struct atio_record *rec,
		      const char *name, const struct stat *st)
{
	const struct atio_keep keep = {
		.name = name,
		.id = strtoull(name, NULL, 16),
		.path = rec && rec->path ? rec->path : "",
		.reason = "crash",
		.pid = rec ? rec->pid : 0,
		.uid = rec ? rec->uid : 0,
	};
	int r = 0;

	if (st->st_size == 0) {
		if (!rc->dry_run && unlinkat(rc->store->stage_fd, name, 0) < 0)
			r = -errno;
		tell(rc, r ? ATIO_RECOVERED_FAILED : ATIO_RECOVERED_DISCARDED,
		     rec, name, -r);
		return;
	}
	if (!rc->dry_run)
		r = atio_quarantine_keep(rc->store, &keep, NULL);
	tell(rc, r ? ATIO_RECOVERED_FAILED : ATIO_RECOVERED_QUARANTINED, rec,
	     name, -r);
}

static bool is_shadow_name(const char *name)
{
	return strlen(name) == 16 &&
	       strspn(name, "0123456789abcdef") == strlen(name);
}

/* May succeed another time, and may have been done by half; anything else says
 * that the place it would go to is not there (any more). */
static bool is_passing(int r)
{
	return r == -EIO || r == -ENOSPC || r == -EDQUOT || r == -EFBIG ||
	       r == -ENOMEM || r == -EMFILE || r == -ENFILE || r == -EROFS;
}

static void settle(struct recovery *rc, const char *name)
{
	const struct atio_record *rec = record_by_name(rc, name);
	struct stat st;
	int r;

	if (fstatat(rc->store->stage_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (!is_shadow_name(name) || !S_ISREG(st.st_mode)) {
		r = rc->dry_run ? 0 : unlinkat(rc->store->stage_fd, name, 0);
		tell(rc,
		     r < 0 ? ATIO_RECOVERED_FAILED : ATIO_RECOVERED_DISCARDED,
		     NULL, name, r < 0 ? errno : 0);
		return;
	}
	if (!rec || !rec->path || (!rec->redo_ino && !rec->synced)) {
		put_aside(rc, rec, name, &st);
		return;
	}
	r = rec->redo_ino ? finish_redo(rc, rec, name) : publish(rc, rec, name);
	if (!r)
		tell(rc,
		     rec->redo_ino ? ATIO_RECOVERED_REDONE
				   : ATIO_RECOVERED_PUBLISHED,
		     rec, name, 0);
	else if (is_passing(r))
		tell(rc, ATIO_RECOVERED_FAILED, rec, name, -r);
	else
		put_aside(rc, rec, name, &st);
}

/* Names first: settling changes the directory. */
static int stage_names(struct atio_store *store, char ***ret_names, size_t *n)
{
	int fd = openat(store->stage_fd, ".",
			O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	char **names = NULL, **more;
	struct dirent *de;
	int r = 0;

	if (!dir) {
		r = -errno;
		if (fd >= 0)
			close(fd);
		return r;
	}
	while ((de = readdir(dir))) {
		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, "..") ||
		    !strcmp(de->d_name, "journal"))
			continue;
		more = realloc(names, (*n + 1) * sizeof(*names));
		if (more)
			names = more;
		if (!more || !(names[*n] = strdup(de->d_name))) {
			r = -ENOMEM;
			break;
		}
		(*n)++;
	}
	closedir(dir);
	*ret_names = names;
	return r;
}

static void free_names(char **names, size_t n)
{
	while (n)
		free(names[--n]);
	free(names);
}

int atio_store_recover(struct atio_store *store, bool dry_run,
		       atio_recovered_fn *fn, void *arg, struct atio_error *err)
{
	struct recovery rc = {
		.store = store, .dry_run = dry_run, .fn = fn, .arg = arg};
	char **names = NULL;
	size_t n = 0;
	int r;

	r = atio_journal_read(store, &rc.recs, &rc.n_recs);
	if (!r)
		r = stage_names(store, &names, &n);
	if (r < 0) {
		free_names(names, n);
		atio_journal_free(rc.recs, rc.n_recs);
		return atio_fail(err, -r, "read the stage: %s", strerror(-r));
	}
	for (size_t i = 0; i < n; i++)
		settle(&rc, names[i]);
	free_names(names, n);
	atio_journal_free(rc.recs, rc.n_recs);
	if (!dry_run) {
		(void)atio_quarantine_repair(store);
		(void)atio_quarantine_trim(store->quarantine_fd,
					   store->quarantine_max_bytes,
					   store->quarantine_max_age_s);
		ATIO_FAULT("recover.clear");
		/* What could not be settled is still told of there. */
		if (rc.failed)
			atio_journal_new_line(store);
		else
			(void)atio_journal_clear(store);
	}
	return rc.count;
}
