/* SPDX-License-Identifier: MIT
 *
 * Shadows without a store.
 *
 *	(none)  --create, like, copy_for--> OPEN: locked, most often nameless
 *	OPEN    --flush--> OPEN             (fails: only done is left)
 *	OPEN    --commit--> OVER: it is the file
 *	OPEN    --overwrite--> OVER: the file has its content (inplace.c)
 *	OPEN    --done--> (none)
 *
 * Invariants
 *   1. What has a name of ours is locked by its maker, who lives.
 *   2. What has a name of ours and can be locked is litter, but for the copy of
 *      a redo that its target still asks for.
 *   3. The file's name leads to a whole version at every instant.
 */
#include "stage/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <time.h>

#include "stage/loose.h"

#define MAX_CLASHES 100
/* Whoever is in the same instant is over it soon. */
#define MAX_YIELDS 8
/* The first name that is tried: what is left of it is found by the next one. */
#define USUAL_NAME ATIO_LOOSE_PREFIX "0"

/* ---- names ----------------------------------------------------------- */

void atio_loose_name(const char *prefix, char name[ATIO_LOOSE_NAME_MAX])
{
	uint64_t number;
	struct timespec t;

	if (getrandom(&number, sizeof(number), GRND_NONBLOCK) !=
	    sizeof(number)) {
		(void)clock_gettime(CLOCK_REALTIME, &t);
		number = (uint64_t)t.tv_nsec << 32 ^ (uint64_t)t.tv_sec ^
			 (uint64_t)getpid() << 16;
	}
	(void)snprintf(name, ATIO_LOOSE_NAME_MAX, "%s%016llx", prefix,
		       (unsigned long long)number);
}

static bool leads_to(int dir, const char *name, int fd)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 &&
	       fstatat(dir, name, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
	       a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

/* Remove @name if nobody has it any more.  -EBUSY: somebody does, or it cannot
 * be known. */
static int remove_litter(int dir, const char *name)
{
	AUTO_CLOSE int fd = openat(dir, name,
				   O_RDONLY | O_NOFOLLOW | O_NONBLOCK |
					   O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? -ENOENT : -EBUSY;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -EBUSY;
	if (!leads_to(dir, name, fd))
		return -ENOENT; /* it has become a file just now */
	if (!strncmp(name, ATIO_REDO_PREFIX, strlen(ATIO_REDO_PREFIX)) &&
	    !atio_redo_is_over(dir, name, fd))
		return -EBUSY;
	return unlinkat(dir, name, 0) < 0 ? -EBUSY : 0;
}

int atio_loose_sweep(int dir)
{
	int n = 0, fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;

	if (!stream) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	while ((de = readdir(stream)))
		if (!strncmp(de->d_name, ATIO_LOOSE_PREFIX,
			     strlen(ATIO_LOOSE_PREFIX)))
			n += remove_litter(dir, de->d_name) == 0;
	closedir(stream);
	return n;
}

/* ---- making ---------------------------------------------------------- */

/* Where there is no O_TMPFILE.  Until it is locked, somebody may take it for
 * litter. */
static int create_named(struct atio_loose *loose, mode_t mode)
{
	for (int i = 0; i < MAX_CLASHES; i++) {
		int fd;

		atio_loose_name(ATIO_LOOSE_PREFIX, loose->name);
		fd = openat(loose->dir, loose->name,
			    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			    mode);
		if (fd < 0 && errno == EEXIST)
			continue;
		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX | LOCK_NB) == 0 &&
		    leads_to(loose->dir, loose->name, fd)) {
			loose->fd = fd;
			return 0;
		}
		close(fd);
	}
	return -EEXIST;
}

static int create(struct atio_loose *loose, int dir, mode_t mode, bool durable)
{
	int fd = atio_tmpfile_open(dir, mode), r = 0;

	loose->dir = dir;
	loose->fd = -1;
	loose->durable = durable;
	loose->name[0] = 0;
	if (fd == -EOPNOTSUPP) {
		r = create_named(loose, mode);
		if (r < 0)
			loose->name[0] = 0;
		ATIO_FAULT("loose.named");
		return r;
	}
	if (fd < 0)
		return fd;
	loose->fd = fd;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		r = -errno;
		atio_loose_done(loose);
	}
	ATIO_FAULT("loose.tmpfile");
	return r;
}

int atio_loose_create(struct atio_loose *loose, int dir, mode_t mode,
		      bool durable, struct atio_error *err)
{
	int r = create(loose, dir, mode, durable);

	return r < 0 ? atio_fail(err, -r, "create a file: %s", strerror(-r))
		     : 0;
}

int atio_loose_like(struct atio_loose *loose, int dir, int base, bool durable,
		    struct atio_error *err)
{
	int r = atio_loose_create(loose, dir, 0600, durable, err);

	if (r < 0)
		return r;
	r = atio_copy_meta(base, loose->fd, err);
	if (r < 0)
		atio_loose_done(loose);
	return r;
}

/* ---- ends ------------------------------------------------------------ */

int atio_loose_flush(struct atio_loose *loose, struct atio_error *err)
{
	ATIO_FAULT("loose.flush");
	if (loose->durable && fsync(loose->fd) < 0)
		return atio_fail(err, errno, "flush to disk: %s",
				 strerror(errno));
	ATIO_FAULT("loose.flushed");
	return 0;
}

/* Find a free name in the directory for an instant. */
static int link_aside(struct atio_loose *loose)
{
	int r = -EEXIST;

	for (int i = 0; i < MAX_YIELDS + MAX_CLASHES && r == -EEXIST; i++) {
		bool usual = i < MAX_YIELDS;

		if (usual)
			(void)snprintf(loose->name, ATIO_LOOSE_NAME_MAX, "%s",
				       USUAL_NAME);
		else
			atio_loose_name(ATIO_LOOSE_PREFIX, loose->name);
		r = atio_tmpfile_link(loose->fd, loose->dir, loose->name);
		/* One that was left is a sign that there may be more. */
		if (r == -EEXIST && usual &&
		    remove_litter(loose->dir, USUAL_NAME) == 0)
			(void)atio_loose_sweep(loose->dir);
		else if (r == -EEXIST && usual)
			(void)sched_yield();
	}
	if (r < 0)
		loose->name[0] = 0;
	return r;
}

/* Take @name if it is free. */
static int commit_new(struct atio_loose *loose, const char *name)
{
	if (!loose->name[0])
		return atio_tmpfile_link(loose->fd, loose->dir, name);
	if (renameat2(loose->dir, loose->name, loose->dir, name,
		      RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	if (linkat(loose->dir, loose->name, loose->dir, name, 0) < 0)
		return -errno;
	(void)unlinkat(loose->dir, loose->name, 0);
	return 0;
}

static int commit_over(struct atio_loose *loose, const char *name)
{
	int r = 0;

	if (!loose->name[0])
		r = link_aside(loose);
	if (r < 0)
		return r;
	ATIO_FAULT("loose.linked");
	if (renameat(loose->dir, loose->name, loose->dir, name) < 0)
		return -errno;
	return 0;
}

int atio_loose_commit(struct atio_loose *loose, const char *name,
		      unsigned flags, struct atio_error *err)
{
	int r;

	ATIO_FAULT("loose.commit");
	r = flags & ATIO_LOOSE_NOREPLACE ? commit_new(loose, name)
					 : commit_over(loose, name);
	if (r < 0)
		return atio_fail(err, -r, "put the file in place: %s",
				 strerror(-r));
	ATIO_FAULT("loose.committed");
	loose->name[0] = 0;
	return 0;
}

void atio_loose_done(struct atio_loose *loose)
{
	if (loose->name[0])
		(void)unlinkat(loose->dir, loose->name, 0);
	loose->name[0] = 0;
	if (loose->fd >= 0)
		close(loose->fd);
	loose->fd = -1;
}
