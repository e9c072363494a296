/* SPDX-License-Identifier: MIT
 *
 * atomicio commit, atomicio abort: the ioctls of <atomicio/ioctl.h>.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <atomicio/ioctl.h>

#include "tool.h"

#define LINKS_MAX 40 /* as the kernel follows */

static const struct command commit_command = {
	.name = "commit",
	.operands = "FD-or-PATH...",
	.about = "Publish what was written so far; the files stay open.\n"
		 "A number is a descriptor that was handed down (atomicio "
		 "commit 3 3>>f); anything\n"
		 "else a path, and stands for all that is written to it (a "
		 "file named 3 is ./3).\n",
	.least = 1,
	.most = -1,
};

static const struct command abort_command = {
	.name = "abort",
	.operands = "FD-or-PATH...",
	.about = "Roll back what is being written: the current version stays, "
		 "and the bytes go to\n"
		 "the quarantine.  A number is a descriptor that was handed "
		 "down, anything else a\n"
		 "path, and stands for all that is written to it (a file named "
		 "3 is ./3).\n",
	.least = 1,
	.most = -1,
};

static const char *reason(int code)
{
	switch (code) {
	case ENOTTY:
		return "not a file of an atomicfs mount";
	case EBADF:
		return "not open for writing, not staged, or rolled back";
	case ENOENT:
		return "nobody has it open for writing";
	case EPERM:
		return "somebody else is writing it";
	case ESTALE:
		return "the file was replaced by somebody else meanwhile";
	default:
		return strerror(code);
	}
}

/* ---- a descriptor ---------------------------------------------------- */

static int end_fd(const char *word, bool commit)
{
	char *end;
	long fd;

	errno = 0;
	fd = strtol(word, &end, 10);
	if (errno || fd > INT_MAX || fcntl((int)fd, F_GETFD) < 0) {
		complain("descriptor %s is not open here: hand it down, as in "
			 "3>>FILE",
			 word);
		return EXIT_FAILED;
	}
	if (ioctl((int)fd, commit ? ATIO_IOC_COMMIT : ATIO_IOC_ABORT) == 0)
		return EXIT_OK;
	complain("descriptor %s: %s", word, reason(errno));
	return EXIT_FAILED;
}

/* ---- a path ---------------------------------------------------------- */

/* Replace *path by what the link it names points to.  1: done, 0: it is no
 * link (or is not there yet), -errno. */
static int follow(char **path)
{
	AUTO_FREE char *target = malloc(PATH_MAX);
	const char *slash = strrchr(*path, '/');
	char *next;
	ssize_t n;

	if (!target)
		return -ENOMEM;
	n = readlink(*path, target, PATH_MAX - 1);
	if (n < 0)
		return errno == EINVAL || errno == ENOENT ? 0 : -errno;
	target[n] = 0;
	if (asprintf(&next, "%.*s%s",
		     *target == '/' || !slash ? 0 : (int)(slash + 1 - *path),
		     *path, target) < 0)
		return -ENOMEM;
	free(*path);
	*path = next;
	return 1;
}

/* A file that is not published yet cannot be opened by its path: the directory
 * is asked. */
static int end_name(const char *path, bool commit)
{
	struct atio_ioc_name arg = {0};
	AUTO_FREE char *dir = NULL;
	AUTO_CLOSE int fd = -1;
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
		return -EISDIR;
	if (strlen(name) >= sizeof(arg.name))
		return -ENAMETOOLONG;
	memcpy(arg.name, name, strlen(name));
	dir = slash ? strndup(path, (size_t)(slash + 1 - path)) : strdup(".");
	if (!dir)
		return -ENOMEM;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, commit ? ATIO_IOC_COMMIT_NAME : ATIO_IOC_ABORT_NAME,
		  &arg) < 0)
		return -errno;
	return 0;
}

static int end_path(const char *word, bool commit)
{
	AUTO_FREE char *path = strdup(word);
	int r = path ? 1 : -ENOMEM;

	for (int i = 0; r > 0; i++)
		r = i < LINKS_MAX ? follow(&path) : -ELOOP;
	if (!r)
		r = end_name(path, commit);
	if (!r)
		return EXIT_OK;
	complain("%s: %s", word, reason(-r));
	return EXIT_FAILED;
}

/* ---- the commands ---------------------------------------------------- */

static int end_all(const struct command *command, int argc, char **argv,
		   bool commit)
{
	const struct flag none = {0};
	int code, r, n = args_parse(command, &none, argc, argv, &code);

	if (n < 0)
		return code;
	for (int i = 0; i < n; i++) {
		const char *word = argv[i];
		bool is_fd = *word && !word[strspn(word, "0123456789")];

		r = is_fd ? end_fd(word, commit) : end_path(word, commit);
		code = r ? r : code;
	}
	return code;
}

int commit_main(int argc, char **argv)
{
	return end_all(&commit_command, argc, argv, true);
}

int abort_main(int argc, char **argv)
{
	return end_all(&abort_command, argc, argv, false);
}
