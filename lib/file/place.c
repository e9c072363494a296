/* SPDX-License-Identifier: MIT
 *
 * Where a path leads: the directory that has the file's own name, and that
 * name.  All spellings of a path, and all symbolic links to a file, lead to the
 * same place; so does the way to a file that is not there yet.
 */
#include "file/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define MAX_LINKS 40 /* as the kernel has it */

/* A walk from link to link. */
struct walk {
	int at; /* where @path begins; AT_FDCWD */
	char path[PATH_MAX];
	unsigned flags;
};

static int open_dir(int at, const char *path, unsigned flags,
		    bool *ret_readable)
{
	int fd = -1;

	if (!(flags & ATIO_PLACE_LOOK)) {
		fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0 && errno != EACCES)
			return -errno;
	}
	*ret_readable = fd >= 0;
	if (fd < 0)
		fd = openat(at, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Cut the last component off walk->path.  Returns it; NULL: it can only be a
 * directory. */
static const char *cut_name(char *path, const char **ret_dir)
{
	char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
		return NULL;
	if (!slash)
		*ret_dir = ".";
	else if (slash == path)
		*ret_dir = "/";
	else
		*ret_dir = path;
	if (slash)
		*slash = 0;
	return name;
}

/* One step: into the directory of walk->path.  1: it is a link, and walk->path
 * is what it says; 0: *place is the end. */
static int step(struct walk *walk, struct atio_place *place)
{
	char link[PATH_MAX];
	const char *dir, *name = cut_name(walk->path, &dir);
	bool readable = false;
	ssize_t n;
	int fd;

	if (!name)
		return -EISDIR;
	if (strlen(name) > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(place->name, name, strlen(name) + 1);
	fd = open_dir(walk->at, dir, walk->flags, &readable);
	if (walk->at >= 0)
		close(walk->at);
	walk->at = -1;
	if (fd < 0)
		return fd;
	n = walk->flags & ATIO_PLACE_NOFOLLOW
		    ? -1
		    : readlinkat(fd, place->name, link, sizeof(link));
	if (n < 0) {
		atio_keep(&place->dir, fd);
		place->readable = readable;
		return 0;
	}
	if (n == 0 || n == sizeof(link)) {
		close(fd);
		return n ? -ENAMETOOLONG : -ENOENT;
	}
	memcpy(walk->path, link, (size_t)n);
	walk->path[n] = 0;
	walk->at = fd;
	return 1;
}

int atio_place_find(const char *path, unsigned flags,
		    struct atio_place *ret_place, struct atio_error *err)
{
	struct walk walk = {.at = AT_FDCWD, .flags = flags};
	struct atio_place place = {.dir = {.fd = -1}};
	struct stat st;
	int r = 1;

	if (strlen(path) >= sizeof(walk.path))
		return atio_fail(err, ENAMETOOLONG, "the path is too long");
	memcpy(walk.path, path, strlen(path) + 1);
	for (int i = 0; i <= MAX_LINKS && r > 0; i++)
		r = step(&walk, &place);
	if (walk.at >= 0)
		close(walk.at);
	if (r > 0)
		r = -ELOOP;
	if (!r && fstat(place.dir.fd, &st) < 0)
		r = -errno;
	if (r < 0) {
		atio_place_done(&place);
		return atio_fail(err, -r, "%s: %s", path, strerror(-r));
	}
	place.dev = st.st_dev;
	place.ino = st.st_ino;
	atio_place_move(ret_place, &place);
	return 0;
}

void atio_place_move(struct atio_place *to, struct atio_place *from)
{
	int fd = atio_kept_take(&from->dir);

	*to = *from;
	atio_keep(&to->dir, fd);
}

bool atio_place_equal(const struct atio_place *a, const struct atio_place *b)
{
	return a->ino == b->ino && a->dev == b->dev &&
	       !strcmp(a->name, b->name);
}

int atio_place_sync(const struct atio_place *place, int fd)
{
	if (place->readable)
		return fsync(place->dir.fd) < 0 ? -errno : 0;
	/* A directory that may not be read cannot be flushed by itself. */
	return fd >= 0 && syncfs(fd) < 0 ? -errno : 0;
}

void atio_place_done(struct atio_place *place)
{
	atio_kept_close(&place->dir);
}
