/* SPDX-License-Identifier: MIT
 *
 * The state directory:
 * SOURCE/.atomicfs/{version,lock,reserve,stage/,quarantine/}.
 */
#include "stage/store.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <time.h>

#define VERSION_TEXT             "1\n"
#define DEFAULT_QUARANTINE_BYTES (1ull << 30)
#define QUARANTINE_SHARE         10 /* ... but a tenth of a smaller disk */
#define DEFAULT_QUARANTINE_AGE_S (30ull * 24 * 3600)
/* A description, and the blocks of two directories. */
#define RESERVE_BYTES (64 * 1024)

void atio_free_cleanup(void *p)
{
	free(*(void **)p);
}

void atio_id_name(uint64_t id, char name[ID_MAX])
{
	(void)snprintf(name, ID_MAX, "%016llx", (unsigned long long)id);
}

/* ---- what the file system can do ------------------------------------- */

static int scratch_file(int dirfd)
{
	int fd = openat(dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR &&
			errno != ENOENT && errno != EINVAL))
		return fd < 0 ? -errno : fd;
	fd = openat(dirfd, "scratch",
		    O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	(void)unlinkat(dirfd, "scratch", 0);
	return fd;
}

static bool try_clone(int dirfd, int fd)
{
	AUTO_CLOSE int to = scratch_file(dirfd);

	return to >= 0 && ioctl(to, FICLONE, fd) == 0;
}

/* Whether a write always moves the ctime that was looked at just before it
 * (multigrain timestamps, Linux 6.13). */
static bool try_times(int fd)
{
	struct stat a, b;

	for (int i = 0; i < 8; i++) {
		if (fstat(fd, &a) < 0 || pwrite(fd, "x", 1, 0) != 1 ||
		    fstat(fd, &b) < 0)
			return false;
		if (a.st_ctim.tv_sec == b.st_ctim.tv_sec &&
		    a.st_ctim.tv_nsec == b.st_ctim.tv_nsec)
			return false;
	}
	return true;
}

static int no_xattrs(struct atio_error *err)
{
	return atio_fail(err, EOPNOTSUPP,
			 "the source's file system has no extended attributes "
			 "(user.*)");
}

static int look_around(struct atio_store *store, struct atio_error *err)
{
	AUTO_CLOSE int fd = scratch_file(store->stage_fd);
	char block[4096] = {0};

	if (fd < 0)
		return atio_fail(err, -fd, "make a file in %s: %s",
				 ATIO_STATE_DIR, strerror(-fd));
	if (fsetxattr(fd, "user.atomicfs", "1", 1, 0) < 0)
		return errno == EOPNOTSUPP
			       ? no_xattrs(err)
			       : atio_fail(err, errno, "set an attribute: %s",
					   strerror(errno));
	if (write(fd, block, sizeof(block)) != sizeof(block))
		return atio_fail(err, ENOSPC, "write to %s: no room",
				 ATIO_STATE_DIR);
	store->can_clone = try_clone(store->stage_fd, fd);
	store->fine_times = try_times(fd);
	return 0;
}

/* ---- making and opening ---------------------------------------------- */

/* What was made by this open, to be undone if it fails. */
struct made {
	struct stat source; /* as it was */
	bool state, stage, quarantine, version, lock, journal, reserve;
};

static int open_dir(int dirfd, const char *name, bool create, bool *made)
{
	int fd;

	if (create && mkdirat(dirfd, name, 0700) == 0)
		*made = true;
	else if (create && errno != EEXIST)
		return -errno;
	fd = openat(dirfd, name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int check_version(struct atio_store *store, bool create,
			 struct made *made, struct atio_error *err)
{
	char text[16] = "";
	AUTO_CLOSE int made_fd = -1;
	AUTO_CLOSE int fd = openat(store->state_fd, "version",
				   O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0) {
		if (read(fd, text, sizeof(text) - 1) < 0)
			return atio_fail(err, errno, "read the version");
		if (*text && strcmp(text, VERSION_TEXT)) {
			text[strcspn(text, "\n")] = 0;
			return atio_fail(err, EPROTO,
					 "%s was written by a newer atomicfs "
					 "(version %s, this one knows 1)",
					 ATIO_STATE_DIR, text);
		}
		if (*text)
			return 0;
	} else if (errno != ENOENT) {
		return atio_fail(err, errno, "open the version: %s",
				 strerror(errno));
	}
	if (!create)
		return 0;
	made_fd = openat(store->state_fd, "version",
			 O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (made_fd < 0)
		return atio_fail(err, errno, "write the version: %s",
				 strerror(errno));
	made->version = true;
	if (write(made_fd, VERSION_TEXT, 2) != 2)
		return atio_fail(err, ENOSPC, "write the version: no room");
	return 0;
}

static int take_lock(struct atio_store *store, struct made *made,
		     struct atio_error *err)
{
	int fd = openat(store->state_fd, "lock",
			O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			0600);

	made->lock = fd >= 0;
	if (fd < 0)
		fd = openat(store->state_fd, "lock",
			    O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return atio_fail(err, errno, "open the lock: %s",
				 strerror(errno));
	store->lock_fd = fd;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		return atio_fail(err, EBUSY,
				 "the source is in use by another atomicfs");
	return atio_fail(err, errno, "take the lock: %s", strerror(errno));
}

static void undo(struct atio_store *store, const struct made *made)
{
	if (made->journal)
		(void)unlinkat(store->stage_fd, "journal", 0);
	if (made->reserve)
		(void)unlinkat(store->state_fd, "reserve", 0);
	if (made->lock)
		(void)unlinkat(store->state_fd, "lock", 0);
	if (made->version)
		(void)unlinkat(store->state_fd, "version", 0);
	if (made->stage)
		(void)unlinkat(store->state_fd, "stage", AT_REMOVEDIR);
	if (made->quarantine)
		(void)unlinkat(store->state_fd, "quarantine", AT_REMOVEDIR);
	if (made->state) {
		const struct timespec ts[2] = {made->source.st_atim,
					       made->source.st_mtim};

		(void)unlinkat(store->src_fd, ATIO_STATE_DIR, AT_REMOVEDIR);
		(void)futimens(store->src_fd, ts);
	}
}

static int open_dirs(struct atio_store *store, bool create, struct made *made,
		     struct atio_error *err)
{
	int fd = open_dir(store->src_fd, ATIO_STATE_DIR, create, &made->state);

	if (fd < 0)
		return atio_fail(err, -fd,
				 fd == -EROFS ? "the source is read-only"
					      : "open " ATIO_STATE_DIR ": %s",
				 strerror(-fd));
	store->state_fd = fd;
	return 0;
}

static int open_parts(struct atio_store *store, bool create, struct made *made,
		      struct atio_error *err)
{
	int fd = open_dir(store->state_fd, "stage", create, &made->stage);

	if (fd >= 0) {
		store->stage_fd = fd;
		fd = open_dir(store->state_fd, "quarantine", create,
			      &made->quarantine);
	}
	if (fd < 0)
		return atio_fail(err, -fd,
				 fd == -EROFS ? "the source is read-only"
					      : "open a part of " ATIO_STATE_DIR
						": %s",
				 strerror(-fd));
	store->quarantine_fd = fd;
	return 0;
}

void atio_reserve_release(struct atio_store *store)
{
	if (ftruncate(store->reserve_fd, 0) == 0 && store->durable)
		(void)fsync(store->reserve_fd); /* else it is not free yet */
}

void atio_reserve_take(struct atio_store *store)
{
	(void)fallocate(store->reserve_fd, 0, 0, RESERVE_BYTES);
}

static int open_reserve(struct atio_store *store, struct made *made,
			struct atio_error *err)
{
	made->reserve = faccessat(store->state_fd, "reserve", F_OK, 0) < 0;
	store->reserve_fd =
		openat(store->state_fd, "reserve",
		       O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (store->reserve_fd < 0)
		return atio_fail(err, errno, "open the reserve: %s",
				 strerror(errno));
	atio_reserve_take(store);
	return 0;
}

static int open_all(struct atio_store *store, bool no_lock, struct made *made,
		    struct atio_error *err)
{
	int r;

	/* Before anything is made: nothing shall show that it was tried. */
	if (fgetxattr(store->src_fd, "user.atomicfs", NULL, 0) < 0 &&
	    errno == EOPNOTSUPP)
		return no_xattrs(err);
	r = open_dirs(store, !no_lock, made, err);
	if (!r)
		r = check_version(store, !no_lock, made, err);
	if (!r && !no_lock)
		r = take_lock(store, made, err);
	if (!r)
		r = open_parts(store, !no_lock, made, err);
	if (!r && !no_lock)
		r = look_around(store, err);
	if (!r && !no_lock)
		r = open_reserve(store, made, err);
	if (!r && !no_lock) {
		made->journal =
			faccessat(store->stage_fd, "journal", F_OK, 0) < 0;
		r = atio_journal_open(store, err);
	}
	return r;
}

/* A small disk is not to be filled with what was rolled back. */
static uint64_t default_quarantine_bytes(int srcfd)
{
	struct statvfs st;
	uint64_t share;

	if (fstatvfs(srcfd, &st) < 0)
		return DEFAULT_QUARANTINE_BYTES;
	share = (uint64_t)st.f_blocks * st.f_frsize / QUARANTINE_SHARE;
	return share < DEFAULT_QUARANTINE_BYTES ? share
						: DEFAULT_QUARANTINE_BYTES;
}

static struct atio_store *store_new(int srcfd,
				    const struct atio_store_options *opts)
{
	struct atio_store *store = calloc(1, sizeof(*store));
	struct timespec now;

	if (!store)
		return NULL;
	store->src_fd = srcfd;
	store->state_fd = store->stage_fd = store->quarantine_fd = -1;
	store->lock_fd = store->journal_fd = store->reserve_fd = -1;
	store->durable = opts->durable;
	store->quarantine_max_bytes = opts->quarantine_max_bytes
					      ? opts->quarantine_max_bytes
					      : default_quarantine_bytes(srcfd);
	store->quarantine_max_age_s = opts->quarantine_max_age_s
					      ? opts->quarantine_max_age_s
					      : DEFAULT_QUARANTINE_AGE_S;
	pthread_mutex_init(&store->lock, NULL);
	/* Unique across restarts as long as fewer than a million shadows a
	 * second are made; a clash is seen (O_EXCL) and passed over. */
	clock_gettime(CLOCK_REALTIME, &now);
	store->next_id =
		(uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	return store;
}

int atio_store_open(int srcfd, const struct atio_store_options *opts,
		    struct atio_store **ret_store, struct atio_error *err)
{
	struct made made = {0};
	struct atio_store *store;
	int r;

	if (opts->version != ATIO_STORE_OPTIONS_VERSION)
		return atio_fail(err, EINVAL, "options of version %u",
				 opts->version);
	store = store_new(srcfd, opts);
	if (!store)
		return atio_fail(err, ENOMEM, "out of memory");
	r = fstat(srcfd, &made.source) < 0
		    ? atio_fail(err, errno, "stat the source")
		    : open_all(store, opts->no_lock, &made, err);
	if (r < 0) {
		undo(store, &made);
		atio_store_free(store);
		return r;
	}
	*ret_store = store;
	return 0;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void atio_store_free(struct atio_store *store)
{
	if (!store)
		return;
	for (struct atio_shadow *s = store->live, *next; s; s = next) {
		next = s->next;
		if (!s->unfinished) /* else it is the caller's */
			continue;
		free(s->path);
		free(s);
	}
	close_fd(store->journal_fd);
	close_fd(store->reserve_fd);
	close_fd(store->quarantine_fd);
	close_fd(store->stage_fd);
	close_fd(store->lock_fd);
	close_fd(store->state_fd);
	pthread_mutex_destroy(&store->lock);
	free(store);
}

bool atio_store_can_clone(const struct atio_store *store)
{
	return store->can_clone;
}

int atio_store_quarantine_fd(const struct atio_store *store)
{
	return store->quarantine_fd;
}

int atio_dir_sync(struct atio_store *store, int dirfd)
{
	int flags, r;

	ATIO_FAULT("dir.sync");
	if (!store->durable)
		return 0;
	flags = fcntl(dirfd, F_GETFL);
	if (flags < 0)
		return -errno;
	r = flags & O_PATH ? syncfs(store->stage_fd) : fsync(dirfd);
	return r < 0 ? -errno : 0;
}
