/* SPDX-License-Identifier: MIT
 *
 * options_check.c - can this machine mount what the command line asks for?
 *
 * Every refusal is one line that says what is missing and what to do.  Nothing
 * is changed.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "options.h"

#define KERNEL_MAJOR 5
#define KERNEL_MINOR 4

static int check_kernel(struct atio_error *err)
{
	struct utsname name;
	unsigned long major, minor = 0;
	char *end;

	if (uname(&name) < 0)
		return atio_fail(err, errno, "uname: %s", strerror(errno));
	major = strtoul(name.release, &end, 10);
	if (*end == '.')
		minor = strtoul(end + 1, NULL, 10);
	if (major < KERNEL_MAJOR ||
	    (major == KERNEL_MAJOR && minor < KERNEL_MINOR))
		return atio_fail(err, EOPNOTSUPP,
				 "this kernel (Linux %.40s) is too old: "
				 "atomicfs needs Linux %d.%d or newer",
				 name.release, KERNEL_MAJOR, KERNEL_MINOR);
	return 0;
}

static int check_device(struct atio_error *err)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	int code = errno;

	if (fd >= 0) {
		close(fd);
		return 0;
	}
	if (code == ENOENT || code == ENODEV || code == ENXIO)
		return atio_fail(err, code,
				 "there is no /dev/fuse: load the fuse module "
				 "(modprobe fuse); in a container, start it "
				 "with --device /dev/fuse");
	return atio_fail(err, code,
			 "/dev/fuse cannot be opened (%s): give this user "
			 "access to it; in a container, start it with "
			 "--device /dev/fuse",
			 strerror(code));
}

static bool have_program(const char *name)
{
	const char *dirs[] = {"/usr/bin:/bin", getenv("PATH")};
	char path[PATH_MAX];
	const char *at;
	size_t i, len;

	for (i = 0; i < sizeof(dirs) / sizeof(*dirs); i++) {
		for (at = dirs[i]; at && *at; at += len + (at[len] == ':')) {
			len = strcspn(at, ":");
			if (snprintf(path, sizeof(path), "%.*s/%s", (int)len,
				     at, name) < (int)sizeof(path) &&
			    access(path, X_OK) == 0)
				return true;
		}
	}
	return false;
}

/* fuse.conf(5): the word on a line of its own. */
static bool conf_allows_other(void)
{
	static const char word[] = "user_allow_other";
	FILE *file = fopen("/etc/fuse.conf", "re");
	bool found = false;
	char line[256];

	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file)) {
		const char *at = line + strspn(line, " \t");
		size_t len = strcspn(at, " \t\r\n");

		found = len == sizeof(word) - 1 && strncmp(at, word, len) == 0;
	}
	fclose(file);
	return found;
}

static int check_rights(const struct options *opts, struct atio_error *err)
{
	if (geteuid() == 0)
		return 0;
	if (!have_program("fusermount3"))
		return atio_fail(err, EPERM,
				 "mounting needs root, or fusermount3: "
				 "apt-get install fuse3");
	if ((opts->allow_other ||
	     (opts->fuse_opts && strstr(opts->fuse_opts, "allow_root"))) &&
	    !conf_allows_other())
		return atio_fail(err, EPERM,
				 "%s needs the line 'user_allow_other' in "
				 "/etc/fuse.conf, unless root mounts",
				 opts->allow_other ? "allow_other"
						   : "allow_root");
	return 0;
}

/* Replace *@path by the directory's absolute, resolved one. */
static int resolve(char **path, const char *what, const char *advice,
		   struct atio_error *err)
{
	char *real = realpath(*path, NULL);
	struct stat st;
	int code = errno;

	if (real && stat(real, &st) < 0) {
		code = errno;
		free(real);
		real = NULL;
	}
	if (!real && code == ENOENT)
		return atio_fail(err, code, "the %s '%.120s' does not exist%s",
				 what, *path, advice);
	if (!real && code == ENOTCONN)
		return atio_fail(err, code,
				 "the %s '%.80s' is a mount whose daemon is "
				 "gone: fusermount3 -uz '%.80s'",
				 what, *path, *path);
	if (!real)
		return atio_fail(err, code, "the %s '%.120s': %s", what, *path,
				 strerror(code));
	if (!S_ISDIR(st.st_mode)) {
		free(real);
		return atio_fail(err, ENOTDIR,
				 "the %s '%.120s' is not a directory", what,
				 *path);
	}
	free(*path);
	*path = real;
	return 0;
}

static bool is_inside(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	if (strncmp(path, dir, len) != 0)
		return false;
	return dir[len - 1] == '/' ? path[len] != '\0' : path[len] == '/';
}

static int check_paths(struct options *opts, struct atio_error *err)
{
	int r;

	r = resolve(&opts->source, "source",
		    ": give the directory whose files are to be mounted", err);
	if (r == 0)
		r = resolve(&opts->mountpoint, "mountpoint",
			    ": make it (mkdir)", err);
	if (r < 0)
		return r;
	if (is_inside(opts->mountpoint, opts->source))
		return atio_fail(err, EINVAL,
				 "the mountpoint '%.80s' lies inside the "
				 "source '%.80s': mount elsewhere, or over the "
				 "source itself",
				 opts->mountpoint, opts->source);
	if (is_inside(opts->source, opts->mountpoint))
		return atio_fail(err, EINVAL,
				 "the source '%.80s' lies inside the "
				 "mountpoint '%.80s', which would hide it: "
				 "mount elsewhere, or over the source itself",
				 opts->source, opts->mountpoint);
	return 0;
}

int options_check(struct options *opts, struct atio_error *err)
{
	int r = check_kernel(err);

	if (r == 0)
		r = check_device(err);
	if (r == 0)
		r = check_rights(opts, err);
	if (r == 0)
		r = check_paths(opts, err);
	if (r == 0 && opts->notify_fd >= 0 &&
	    fcntl(opts->notify_fd, F_GETFD) < 0)
		r = atio_fail(err, EBADF,
			      "notify-ready=%d: there is no such open "
			      "descriptor",
			      opts->notify_fd);
	return r;
}
