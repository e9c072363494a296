/* SPDX-License-Identifier: MIT
 *
 * atomicio quarantine restore: make an item a file again, whole or not at all.
 *
 * In a mount that is what the mount does with every file: it is written under
 * a name of its own, renamed while it is still open, and published by its
 * close.  What goes wrong before leaves nothing behind, not even a kill.  In a
 * source the library does the same.
 *
 * Where an item goes is said by its description, which may come from a mount
 * of somebody else: it never leads out of the mount or source, links on the
 * way are not followed, and setuid and setgid bits are left out.
 */
#include <atomicio/quarantine.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <atomicio/stage.h>

#include "copy.h"
#include "quarantine.h"
#include "store.h"
#include "text.h"

static const struct command command = {
	.name = "quarantine restore",
	.operands = "ID [TO]",
	.about = "Make the item a file again, at its old path or as TO, with "
		 "its mode and owner, and\n"
		 "drop it from the quarantine.\n",
	.least = 1,
	.most = 2,
};

#define SAFE_MODE 01777

struct job {
	struct place place;
	int quarantine_fd;
	struct atio_quarantined item;
	int from;     /* its bytes */
	int dir;      /* where it goes */
	char *name;   /* in @dir */
	bool replace; /* what is there */
};

/* ---- where to -------------------------------------------------------- */

/* The directory @path (cut up) below @root, or -errno. */
static int open_below(int root, char *path)
{
	int fd = openat(root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char *save, *part = strtok_r(path, "/", &save);

	for (; fd >= 0 && part; part = strtok_r(NULL, "/", &save)) {
		int next = -1;

		errno = EINVAL;
		if (strcmp(part, ".."))
			next = openat(fd, part,
				      O_PATH | O_DIRECTORY | O_NOFOLLOW |
					      O_CLOEXEC);
		int code = errno;

		close(fd);
		errno = code;
		fd = next;
	}
	return fd < 0 ? -errno : fd;
}

static int is_name(const char *name)
{
	return *name && strcmp(name, ".") && strcmp(name, "..");
}

/* Cut @path into its directory and its name. */
static int split(const char *path, char **ret_dir, char **ret_name)
{
	const char *slash = strrchr(path, '/');

	*ret_dir =
		slash ? strndup(path, (size_t)(slash + 1 - path)) : strdup("");
	*ret_name = strdup(slash ? slash + 1 : path);
	return *ret_dir && *ret_name ? 0 : -ENOMEM;
}

static int open_recorded(struct job *job, struct atio_error *err)
{
	const char *path = job->item.path;
	AUTO_FREE char *dir = NULL;
	int r = split(path, &dir, &job->name);

	if (r < 0)
		return atio_fail(err, -r, "out of memory");
	if (!is_name(job->name))
		return atio_fail(err, EINVAL,
				 "where item '%s' belongs is not known: say "
				 "where it shall go (restore %s TO)",
				 job->item.id, job->item.id);
	job->dir = open_below(job->place.root_fd, dir);
	if (job->dir < 0)
		return atio_fail(err, -job->dir,
				 "the directory of '%s' is not there any more "
				 "(%s): say where it shall go (restore %s TO)",
				 path, strerror(-job->dir), job->item.id);
	return 0;
}

/* @to is a path as the user sees it.  It must lie in the place itself: no
 * other file system would publish it in one step. */
static int open_given(struct job *job, const char *to, struct atio_error *err)
{
	AUTO_FREE char *dir = NULL;
	struct stat a, b;
	int r = split(to, &dir, &job->name);

	if (r < 0)
		return atio_fail(err, -r, "out of memory");
	if (!is_name(job->name))
		return atio_fail(err, EISDIR, "'%s' is not the name of a file",
				 to);
	job->dir = open(*dir ? dir : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (job->dir < 0)
		return atio_fail(err, errno, "%s: %s", dir, strerror(errno));
	if (fstat(job->dir, &a) < 0 || fstat(job->place.root_fd, &b) < 0)
		return atio_fail(err, errno, "%s: %s", to, strerror(errno));
	if (a.st_dev != b.st_dev)
		return atio_fail(err, EXDEV,
				 "'%s' does not lie in %s: use show --content "
				 "> FILE",
				 to, job->place.root);
	return 0;
}

/* Known before much is copied; that it is still so is seen by the rename. */
static int check_free(const struct job *job, const char *to,
		      struct atio_error *err)
{
	struct stat st;

	if (fstatat(job->dir, job->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (S_ISDIR(st.st_mode))
		return atio_fail(err, EISDIR, "'%s' is a directory", to);
	if (!job->replace)
		return atio_fail(err, EEXIST,
				 "'%s' is there: --force replaces it", to);
	return 0;
}

/* ---- mode and owner -------------------------------------------------- */

static int set_owner(int fd, const struct atio_quarantined *q)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid == q->owner && st.st_gid == q->group)
		return 0;
	if (fchown(fd, q->owner, q->group) == 0)
		return 0;
	if (errno != EPERM)
		return -errno;
	complain("note: not root: '%s' cannot be given to owner %u, group %u",
		 q->path, (unsigned)q->owner, (unsigned)q->group);
	return 0;
}

static int set_meta(int fd, const struct atio_quarantined *q)
{
	int r = set_owner(fd, q);

	if (!r && (q->mode & 06000))
		complain("note: '%s' was setuid or setgid, and is not any more",
			 q->path);
	if (!r && fchmod(fd, q->mode & SAFE_MODE) < 0)
		r = -errno;
	return r;
}

/* ---- in a mount ------------------------------------------------------ */

static int fill(const struct job *job, int fd)
{
	int r = copy_data(job->from, fd, job->item.size);

	if (!r)
		r = copy_xattrs(job->from, fd);
	return r ? r : set_meta(fd, &job->item);
}

static int restore_in_mount(const struct job *job)
{
	char temp[ATIO_QUARANTINE_ID_MAX + 32];
	int fd, r;

	(void)snprintf(temp, sizeof(temp), ".atomicio-%s-%d", job->item.id,
		       (int)getpid());
	fd = openat(job->dir, temp,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = fill(job, fd);
	if (!r && renameat2(job->dir, temp, job->dir, job->name,
			    job->replace ? 0 : RENAME_NOREPLACE) < 0)
		r = -errno;
	if (r < 0) /* while it is open: it was never there */
		(void)unlinkat(job->dir, temp, 0);
	if (close(fd) < 0 && !r)
		r = -errno;
	return r;
}

/* ---- in a source ----------------------------------------------------- */

static int commit(const struct job *job, struct atio_shadow *shadow,
		  struct atio_error *err)
{
	int fd = atio_shadow_fd(shadow), r;

	r = set_meta(fd, &job->item);
	if (!r && futimens(fd, NULL) < 0) /* it is new where it is */
		r = -errno;
	if (r < 0)
		return atio_fail(err, -r, "set the mode: %s", strerror(-r));
	r = atio_shadow_prepare(shadow, err);
	if (!r)
		r = atio_shadow_commit(shadow, job->dir, job->name,
				       job->replace ? 0 : ATIO_COMMIT_NOREPLACE,
				       err);
	return r;
}

static int sync_dir(const struct job *job, struct atio_store *store,
		    struct atio_error *err)
{
	AUTO_CLOSE int fd =
		openat(job->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? -errno : atio_dir_sync(store, fd);

	return r < 0 ? atio_fail(err, -r,
				 "it is there, but its directory cannot be "
				 "flushed to the disk: %s",
				 strerror(-r))
		     : 0;
}

static int restore_by_store(const struct job *job, struct atio_store *store,
			    struct atio_error *err)
{
	const struct atio_origin origin = {
		.path = job->item.path, .pid = getpid(), .uid = geteuid()};
	struct atio_shadow *shadow = NULL;
	int r;

	/* A crash left work that a restore must not decide by the way. */
	r = atio_store_recover(store, true, NULL, NULL, err);
	if (r > 0)
		return atio_fail(err, EBUSY,
				 "a crash left unsettled files: atomicio "
				 "recover '%s' first",
				 job->place.root);
	if (!r)
		r = atio_store_recover(store, false, NULL, NULL, err);
	if (r >= 0)
		r = atio_shadow_update(store, job->from, &origin, &shadow, err);
	if (r < 0)
		return r;
	r = commit(job, shadow, err);
	if (r < 0)
		(void)atio_shadow_discard(shadow);
	atio_shadow_free(shadow);
	return r < 0 ? r : sync_dir(job, store, err);
}

static int restore_in_source(const struct job *job, struct atio_error *err)
{
	AUTO_CLOSE int fd = openat(job->place.root_fd, ".",
				   O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct atio_store *store = NULL;
	int r;

	if (fd < 0)
		return atio_fail(err, errno, "%s: %s", job->place.root,
				 strerror(errno));
	r = store_open(job->place.root, fd, false, &store, err);
	if (!r)
		r = restore_by_store(job, store, err);
	atio_store_free(store);
	return r;
}

/* ---- the command ----------------------------------------------------- */

static int restore(struct job *job, const char *to, struct atio_error *err)
{
	const char *id = job->item.id;
	int r;

	r = to ? open_given(job, to, err) : open_recorded(job, err);
	to = to ? to : job->item.path;
	if (!r)
		r = check_free(job, to, err);
	if (r < 0)
		return r;
	job->from = atio_quarantine_open(job->quarantine_fd, id);
	if (job->from < 0)
		return atio_fail(err, -job->from, "open item '%s': %s", id,
				 strerror(-job->from));
	r = job->place.kind == PLACE_MOUNT ? restore_in_mount(job)
					   : restore_in_source(job, err);
	if (r == -EEXIST)
		return atio_fail(err, EEXIST,
				 "'%s' is there: --force replaces it", to);
	if (r < 0)
		return atio_fail(err, -r, "restore '%s': %s", to, strerror(-r));
	(void)text_put(stdout, to);
	puts(": restored");
	r = atio_quarantine_drop(job->quarantine_fd, id);
	return r < 0 ? atio_fail(err, -r,
				 "it is restored, but item '%s' is still in "
				 "the quarantine: %s",
				 id, strerror(-r))
		     : 0;
}

static int run(struct job *job, const char *id, const char *to)
{
	struct atio_error err = ATIO_ERROR_INIT;
	int r;

	r = atio_quarantine_get(job->quarantine_fd, id, &job->item, &err);
	if (!r) {
		r = restore(job, to, &err);
		atio_quarantine_item_done(&job->item);
	}
	return r < 0 ? failed(&err) : EXIT_OK;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

int restore_main(int argc, char **argv)
{
	struct job job = {.from = -1, .dir = -1};
	const char *dir = ".";
	const struct flag flags[] = {
		FLAG_DIR(&dir),
		{'f', "force", NULL, "replace what is there", &job.replace,
		 NULL},
		{0},
	};
	int code, n = args_parse(&command, flags, argc, argv, &code);

	if (n < 0)
		return code;
	job.quarantine_fd = quarantine_open(dir, &job.place);
	if (job.quarantine_fd < 0)
		return EXIT_FAILED;
	code = run(&job, argv[0], n > 1 ? argv[1] : NULL);
	free(job.name);
	close_fd(job.from);
	close_fd(job.dir);
	close_fd(job.quarantine_fd);
	place_done(&job.place);
	return code;
}
