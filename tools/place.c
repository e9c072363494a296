/* SPDX-License-Identifier: MIT */
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <atomicio/stage.h>

#include "tool.h"

#define TYPE_NAME "fuse.atomicfs"

/* ---- one place ------------------------------------------------------- */

/* 1, 0, or -errno when that cannot be seen. */
static int is_dir_at(int fd, const char *name)
{
	struct stat st;

	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return S_ISDIR(st.st_mode);
	return errno == ENOENT ? 0 : -errno;
}

/* Somebody may have a directory of that name on another file system. */
static int is_mount_root(int fd)
{
	struct statfs sf;
	int r = is_dir_at(fd, CONTROL_DIR);

	if (r <= 0)
		return r;
	return fstatfs(fd, &sf) < 0 ? -errno : sf.f_type == FUSE_MAGIC;
}

/* Whether a mount or source has its root at @path: 1, 0 or -errno. */
static int look_at(const char *path, struct place *place)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return errno == ENOTDIR ? 0 : -errno;
	place->kind = PLACE_MOUNT;
	r = is_mount_root(fd);
	if (!r) {
		place->kind = PLACE_SOURCE;
		r = is_dir_at(fd, ATIO_STATE_DIR);
	}
	if (r > 0)
		place->root_fd = fd;
	else
		close(fd);
	return r;
}

static int cannot_open(const char *path, int code, struct atio_error *err)
{
	if (code == ENOTCONN)
		return atio_fail(err, code,
				 "%s: the daemon of this mount is gone: take "
				 "the mount away with fusermount3 -uz, and "
				 "mount again",
				 path);
	return atio_fail(err, code, "%s: %s", path, strerror(code));
}

int place_find(const char *dir, struct place *ret_place, struct atio_error *err)
{
	struct place place = {.root = realpath(dir, NULL), .root_fd = -1};
	char *slash;
	int r;

	if (!place.root)
		return cannot_open(dir, errno, err);
	while ((r = look_at(place.root, &place)) == 0 && place.root[1]) {
		slash = strrchr(place.root, '/');
		slash[slash == place.root] = 0; /* keep that of the root */
	}
	if (r > 0) {
		*ret_place = place;
		return 0;
	}
	if (r < 0)
		(void)cannot_open(place.root, -r, err);
	else
		r = atio_fail(err, ENOENT,
			      "%s: neither in an atomicfs mount nor in the "
			      "source of one",
			      dir);
	free(place.root);
	return r;
}

void place_done(struct place *place)
{
	free(place->root);
	if (place->root_fd >= 0)
		close(place->root_fd);
	*place = (struct place){.root_fd = -1};
}

int place_open_control(const struct place *mount, const char *name, int flags,
		       struct atio_error *err)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), CONTROL_DIR "/%s", name);
	fd = openat(mount->root_fd, path, flags | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	if (errno == EACCES)
		return atio_fail(err, EACCES,
				 "%s: only root and the user who mounted it "
				 "may look",
				 mount->root);
	return cannot_open(mount->root, errno, err);
}

int place_open_quarantine(const struct place *place, struct atio_error *err)
{
	int fd;

	if (place->kind == PLACE_MOUNT)
		return place_open_control(place, "quarantine",
					  O_RDONLY | O_DIRECTORY, err);
	fd = openat(place->root_fd, ATIO_STATE_DIR "/quarantine",
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? atio_fail(err, errno, "%s: open the quarantine: %s",
				  place->root, strerror(errno))
		      : fd;
}

/* ---- mountinfo ------------------------------------------------------- */

/* proc(5): blanks and the like are written as a backslash and three octal
 * digits. */
static void decode_octal(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' &&
		    s[2] <= '7' && s[3] >= '0' && s[3] <= '7') {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 |
				       (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = 0;
}

/* Read one line of mountinfo, which is cut up.  1: @m is an atomicfs mount,
 * whose path lies in @line; 0: it is something else. */
static int parse_line(char *line, struct mount *m)
{
	char *save, *word, *field[5];
	unsigned major, minor;

	for (int i = 0; i < 5; i++) {
		field[i] = strtok_r(i ? NULL : line, " ", &save);
		if (!field[i])
			return 0;
	}
	do { /* options, some optional fields, and a dash */
		word = strtok_r(NULL, " ", &save);
	} while (word && strcmp(word, "-"));
	word = strtok_r(NULL, " \n", &save);
	if (!word || strcmp(word, TYPE_NAME) ||
	    sscanf(field[2], "%u:%u", &major, &minor) != 2)
		return 0;
	decode_octal(field[4]);
	m->path = field[4];
	m->dev = makedev(major, minor);
	m->whole = !strcmp(field[3], "/");
	return 1;
}

/* Add @m unless it is known.  The whole is better than a part of it. */
static int add_mount(struct mount **mounts, size_t *n, const struct mount *m)
{
	struct mount *more, *same = NULL;
	char *path;

	for (size_t i = 0; i < *n; i++)
		if ((*mounts)[i].dev == m->dev)
			same = &(*mounts)[i];
	if (same && (same->whole || !m->whole))
		return 0;
	path = strdup(m->path);
	if (!path)
		return -ENOMEM;
	if (!same) {
		more = realloc(*mounts, (*n + 1) * sizeof(*more));
		if (!more) {
			free(path);
			return -ENOMEM;
		}
		*mounts = more;
		same = &more[(*n)++];
		same->path = NULL;
	}
	free(same->path);
	*same = *m;
	same->path = path;
	return 0;
}

int mounts_list(struct mount **ret_mounts, size_t *ret_n,
		struct atio_error *err)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	AUTO_FREE char *line = NULL;
	struct mount *mounts = NULL, m;
	size_t n = 0, room = 0;
	int r = 0;

	if (!f)
		return atio_fail(err, errno, "open /proc/self/mountinfo: %s",
				 strerror(errno));
	while (!r && getline(&line, &room, f) >= 0)
		if (parse_line(line, &m))
			r = add_mount(&mounts, &n, &m);
	(void)fclose(f);
	if (r < 0) {
		mounts_free(mounts, n);
		return atio_fail(err, -r, "out of memory");
	}
	*ret_mounts = mounts;
	*ret_n = n;
	return 0;
}

void mounts_free(struct mount *mounts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(mounts[i].path);
	free(mounts);
}
