/* SPDX-License-Identifier: MIT
 *
 * Rewriting a file in place where there is no store.
 *
 * A file with several names, or one whose owner nobody but root could give to a
 * new file, has to stay the same inode.  The record that makes it atomic lies
 * on that inode, as an extended attribute, because that is what every name of
 * it leads to, in whichever directory:
 *
 *	user.atomicio.redo     INODE DIRECTORY NAME PATH
 *
 * INODE is its own number (the attribute may have been copied with the file),
 * DIRECTORY that of the directory PATH, where NAME is the copy to be written
 * into it.  The copy says whose it is, so that nobody can have another file
 * read who may only write to this one:
 *
 *	user.atomicio.redo-of  INODE NAME-OF-THE-FILE
 *
 *	1. copy written, with redo-of, and flushed         (old content stands)
 *	2. copy named, directory flushed                   (old content stands)
 *	3. record set, file flushed                       (decided: new content)
 *	4. content copied into the file, file flushed
 *	5. record removed
 *	6. copy removed
 *
 * After a crash the record says what to do: 4 to 6 again.  A record whose copy
 * is gone, in a directory that is still there, is what a power cut leaves that
 * lost 5 but not 6: the content is complete.  A copy without a record is what
 * is left of 1 and 2, or of 5: atio_loose_sweep removes it.
 *
 * The caller has the file locked all the while.  Who reads it without the lock
 * may see half of 4.
 */
#include "stage/store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/xattr.h>

#include "stage/loose.h"

#define RECORD      "user.atomicio.redo"
#define RECORD_OF   "user.atomicio.redo-of"
#define RECORD_MAX  (PATH_MAX + 128)
#define MAX_CLASHES 100

/* ---- 1: the copy ------------------------------------------------------ */

/* @base's owner cannot be given to it: nobody may read it who may not read
 * @base. */
static int close_to_others(int fd, const struct stat *base)
{
	mode_t others = base->st_mode & 07;
	mode_t mode = 0600 | others << 3 | others;

	/* With an ACL the group's bits are a mask and say too much. */
	if (fchown(fd, (uid_t)-1, base->st_gid) == 0 &&
	    fgetxattr(fd, "system.posix_acl_access", NULL, 0) < 0)
		mode = 0600 | (base->st_mode & 077);
	return fchmod(fd, mode) < 0 ? -errno : 0;
}

int atio_loose_copy_for(struct atio_loose *loose, int dir, int base,
			const char *name, bool durable, struct atio_error *err)
{
	char text[NAME_MAX + 32];
	struct stat st;
	int n, r;

	if (fstat(base, &st) < 0)
		return atio_fail(err, errno, "stat");
	n = snprintf(text, sizeof(text), "%llu %s",
		     (unsigned long long)st.st_ino, name);
	if (n < 0 || n >= (int)sizeof(text))
		return atio_fail(err, ENAMETOOLONG, "name too long");
	r = atio_loose_create(loose, dir, 0600, durable, err);
	if (r < 0)
		return r;
	r = atio_copy_meta(base, loose->fd, NULL);
	if (r == -EPERM)
		r = close_to_others(loose->fd, &st);
	if (!r && fsetxattr(loose->fd, RECORD_OF, text, (size_t)n, 0) < 0)
		r = -errno;
	if (r < 0) {
		atio_loose_done(loose);
		return atio_fail(err, -r, "make a copy beside the file: %s",
				 strerror(-r));
	}
	return 0;
}

/* ---- 2 and 3: deciding ------------------------------------------------ */

static int name_copy(struct atio_loose *loose)
{
	char name[ATIO_LOOSE_NAME_MAX];
	int r = -EEXIST;

	for (int i = 0; i < MAX_CLASHES && r == -EEXIST; i++) {
		atio_loose_name(ATIO_REDO_PREFIX, name);
		if (!loose->name[0])
			r = atio_tmpfile_link(loose->fd, loose->dir, name);
		else
			r = renameat2(loose->dir, loose->name, loose->dir, name,
				      0) < 0
				    ? -errno
				    : 0;
	}
	if (r == 0)
		memcpy(loose->name, name, sizeof(name));
	return r;
}

int atio_loose_dir_sync(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;

	if (fd < 0)
		return -errno;
	if (fsync(fd) < 0)
		r = -errno;
	close(fd);
	return r;
}

static int put_record(const struct atio_loose *loose, int target)
{
	char path[PATH_MAX], text[RECORD_MAX], proc[32];
	struct stat st, dir;
	ssize_t len;
	int n;

	if (fstat(target, &st) < 0 || fstat(loose->dir, &dir) < 0)
		return -errno;
	(void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", loose->dir);
	len = readlink(proc, path, sizeof(path) - 1);
	path[len > 0 ? len : 0] = 0; /* without, only the copy's directory
				      * leads to the copy */
	for (;;) {
		n = snprintf(text, sizeof(text), "%llu %llu %s %s",
			     (unsigned long long)st.st_ino,
			     (unsigned long long)dir.st_ino, loose->name, path);
		if (fsetxattr(target, RECORD, text, (size_t)n, 0) == 0)
			return 0;
		if (!path[0] || (errno != ENOSPC && errno != E2BIG &&
				 errno != ERANGE))
			return -errno;
		path[0] = 0;
	}
}

static int decide(struct atio_loose *loose, int target)
{
	int r = name_copy(loose);

	if (r < 0)
		return r;
	ATIO_FAULT("overwrite.named");
	if (loose->durable)
		r = atio_loose_dir_sync(loose->dir);
	ATIO_FAULT("overwrite.record");
	if (!r)
		r = put_record(loose, target);
	if (!r && loose->durable && fsync(target) < 0) {
		r = -errno;
		(void)fremovexattr(target, RECORD);
	}
	return r;
}

/* ---- 4 to 6 ----------------------------------------------------------- */

static int carry_out(int dir, const char *name, int copy, int target,
		     bool durable, struct atio_error *err)
{
	int r = atio_copy_data(copy, target, true, err);

	ATIO_FAULT("overwrite.copied");
	if (r < 0)
		return r;
	if (durable && fsync(target) < 0)
		return atio_fail(err, errno, "flush to disk: %s",
				 strerror(errno));
	ATIO_FAULT("overwrite.flushed");
	if (fremovexattr(target, RECORD) < 0 && errno != ENODATA)
		return atio_fail(err, errno, "remove the redo record: %s",
				 strerror(errno));
	ATIO_FAULT("overwrite.cleared");
	(void)unlinkat(dir, name, 0);
	return 0;
}

int atio_loose_overwrite(struct atio_loose *loose, int target, bool *ret_begun,
			 struct atio_error *err)
{
	int r = atio_make_room(loose->fd, target, err);

	*ret_begun = false;
	if (r < 0)
		return r;
	r = decide(loose, target);
	if (r < 0)
		return atio_fail(err, -r, "prepare rewriting in place: %s",
				 strerror(-r));
	*ret_begun = true;
	ATIO_FAULT("overwrite.decided");
	r = carry_out(loose->dir, loose->name, loose->fd, target,
		      loose->durable, err);
	loose->name[0] = 0; /* it is gone, or has to stay */
	return r;
}

/* ---- what a crash left ------------------------------------------------ */

struct record {
	unsigned long long ino, dir;
	char name[ATIO_LOOSE_NAME_MAX];
	char path[PATH_MAX];
};

/* 0: none, or one of another inode.  1: *ret.  -EIO: not to be understood. */
static int read_record(int target, const struct stat *st, struct record *ret)
{
	char text[RECORD_MAX], *p;
	ssize_t n = fgetxattr(target, RECORD, text, sizeof(text) - 1);
	size_t len;

	if (n <= 0)
		return n < 0 && errno == ERANGE ? -EIO : 0;
	text[n] = 0;
	ret->ino = strtoull(text, &p, 10);
	if (ret->ino != st->st_ino)
		return 0;
	ret->dir = strtoull(p, &p, 10);
	if (*p != ' ')
		return -EIO;
	len = strcspn(++p, " ");
	if (len >= sizeof(ret->name) || memchr(p, '/', len) ||
	    strncmp(p, ATIO_REDO_PREFIX, strlen(ATIO_REDO_PREFIX)) ||
	    p[len] != ' ' || strlen(p + len + 1) >= sizeof(ret->path))
		return -EIO;
	memcpy(ret->name, p, len);
	ret->name[len] = 0;
	memcpy(ret->path, p + len + 1, strlen(p + len + 1) + 1);
	return 1;
}

/* The directory of the copy: that through which the file was reached, or
 * another one.  A descriptor of the caller's. */
static int open_place(int dir, const struct record *record,
		      const struct stat *st)
{
	const int flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
	struct stat at;
	int fd = openat(dir, ".", flags);

	if (fd >= 0 && fstat(fd, &at) == 0 && at.st_ino == record->dir &&
	    at.st_dev == st->st_dev)
		return fd;
	if (fd >= 0)
		close(fd);
	fd = record->path[0] == '/' ? open(record->path, flags) : -1;
	if (fd >= 0 && fstat(fd, &at) == 0 && at.st_ino == record->dir &&
	    at.st_dev == st->st_dev)
		return fd;
	if (fd >= 0)
		close(fd);
	return -EIO;
}

/* The inode that @copy says it is for; 0: it does not. */
static unsigned long long made_for(int copy, char name[NAME_MAX + 1])
{
	char text[NAME_MAX + 32], *p;
	ssize_t n = fgetxattr(copy, RECORD_OF, text, sizeof(text) - 1);
	unsigned long long ino;

	if (n <= 0)
		return 0;
	text[n] = 0;
	ino = strtoull(text, &p, 10);
	if (*p != ' ' || strlen(++p) > NAME_MAX)
		return 0;
	memcpy(name, p, strlen(p) + 1);
	return ino;
}

static int open_copy(struct atio_redo *redo, const struct stat *st)
{
	char name[NAME_MAX + 1];
	struct stat copy;
	int fd = openat(redo->dir, redo->name,
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY |
				O_CLOEXEC);

	redo->copy = fd;
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &copy) < 0 || !S_ISREG(copy.st_mode) ||
	    copy.st_nlink != 1 || made_for(fd, name) != st->st_ino)
		return -EIO;
	return 0;
}

int atio_redo_find(int dir, int target, struct atio_redo *ret_redo,
		   struct atio_error *err)
{
	struct atio_redo redo = {.dir = -1, .copy = -1};
	struct record record;
	struct stat st;
	int r;

	if (fgetxattr(target, RECORD, NULL, 0) < 0) /* as good as always */
		return 0;
	if (fstat(target, &st) < 0)
		return atio_fail(err, errno, "stat");
	r = read_record(target, &st, &record);
	if (r == 0)
		return 0;
	if (r > 0)
		r = redo.dir = open_place(dir, &record, &st);
	if (r >= 0) {
		memcpy(redo.name, record.name, sizeof(redo.name));
		r = open_copy(&redo, &st);
	}
	if (r < 0) {
		atio_redo_done(&redo);
		return atio_fail(err, -r,
				 "the file is half rewritten, and its new "
				 "content cannot be had: %s",
				 strerror(-r));
	}
	*ret_redo = redo;
	return 1;
}

int atio_redo_finish(struct atio_redo *redo, int target, bool durable,
		     struct atio_error *err)
{
	if (redo->copy >= 0)
		return carry_out(redo->dir, redo->name, redo->copy, target,
				 durable, err);
	if (fremovexattr(target, RECORD) < 0 && errno != ENODATA)
		return atio_fail(err, errno, "remove the redo record: %s",
				 strerror(errno));
	return 0;
}

void atio_redo_done(struct atio_redo *redo)
{
	if (redo->copy >= 0)
		close(redo->copy);
	if (redo->dir >= 0)
		close(redo->dir);
	redo->copy = redo->dir = -1;
}

bool atio_redo_is_over(int dir, const char *copy_name, int copy)
{
	char name[NAME_MAX + 1];
	unsigned long long ino = made_for(copy, name);
	AUTO_CLOSE int target = -1;
	struct record record;
	struct stat st;
	int r;

	if (!ino) /* it was never complete */
		return true;
	target = openat(dir, name,
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY |
				O_CLOEXEC);
	if (target < 0 || fstat(target, &st) < 0 || st.st_ino != ino)
		return false; /* its other names may need it */
	r = read_record(target, &st, &record);
	return r == 0 || (r > 0 && strcmp(record.name, copy_name) != 0);
}
