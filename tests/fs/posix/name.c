/* SPDX-License-Identifier: MIT
 *
 * name.c - calls on names: rename, link, unlink, directories, special files.
 */
#include "calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

static long op_rename(struct run *run)
{
	const char *from = arg_path(run, 1), *to = arg_path(run, 2);

	if (run->argc < 4)
		return result(rename(from, to));
	return result(renameat2(AT_FDCWD, from, AT_FDCWD, to,
				(unsigned)arg_num(run, 3, 0)));
}

static long op_link(struct run *run)
{
	return result(linkat(AT_FDCWD, arg_path(run, 1), AT_FDCWD,
			     arg_path(run, 2), (int)arg_num(run, 3, 0)));
}

/* flink SLOT PATH: the descriptor itself, as root may. */
static long op_flink(struct run *run)
{
	return result(linkat(arg_fd(run, 1), "", AT_FDCWD, arg_path(run, 2),
			     AT_EMPTY_PATH));
}

/* proclink SLOT PATH: the way that everybody may. */
static long op_proclink(struct run *run)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", arg_fd(run, 1));
	return result(linkat(AT_FDCWD, path, AT_FDCWD, arg_path(run, 2),
			     AT_SYMLINK_FOLLOW));
}

/* reopen SLOT FLAGS TO: open /proc/self/fd/N. */
static long op_reopen(struct run *run)
{
	long long to = arg_num(run, 3, 0);
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", arg_fd(run, 1));
	fd = open(path, (int)arg_num(run, 2, O_RDONLY), 0644);
	if (fd < 0)
		return -errno;
	run->fd[to] = fd;
	return 0;
}

static long op_unlink(struct run *run)
{
	return result(
		unlinkat(AT_FDCWD, arg_path(run, 1), (int)arg_num(run, 2, 0)));
}

static long op_rmdir(struct run *run)
{
	return result(rmdir(arg_path(run, 1)));
}

static long op_mkdir(struct run *run)
{
	return result(mkdir(arg_path(run, 1), (mode_t)arg_num(run, 2, 0755)));
}

/* mknod PATH TYPE MODE [MAJOR MINOR] */
static long op_mknod(struct run *run)
{
	mode_t mode = (mode_t)(arg_num(run, 2, 0) | arg_num(run, 3, 0644));

	return result(mknod(arg_path(run, 1), mode,
			    makedev((unsigned)arg_num(run, 4, 0),
				    (unsigned)arg_num(run, 5, 0))));
}

static long op_symlink(struct run *run)
{
	return result(symlink(run->argv[1], arg_path(run, 2)));
}

static long op_readlink(struct run *run)
{
	size_t size = (size_t)arg_num(run, 2, 8192);
	char *buf = malloc(size + 1);
	ssize_t got = readlink(arg_path(run, 1), buf, size);
	long r = result(got);

	if (got >= 0) {
		fputc(' ', run->more);
		print_name(run->more, buf, (size_t)got);
	}
	free(buf);
	return r;
}

static int unix_address(struct run *run, int i, struct sockaddr_un *addr)
{
	const char *path = arg_path(run, i);

	if (strlen(path) >= sizeof(addr->sun_path))
		return -ENAMETOOLONG;
	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	memcpy(addr->sun_path, path, strlen(path));
	return 0;
}

/* bind PATH SLOT: a listening socket. */
static long op_bind(struct run *run)
{
	struct sockaddr_un addr;
	int fd, r = unix_address(run, 1, &addr);

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(fd, 4) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	run->fd[arg_num(run, 2, 0)] = fd;
	return 0;
}

static long op_connect(struct run *run)
{
	struct sockaddr_un addr;
	int fd, r = unix_address(run, 1, &addr);

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	r = (int)result(connect(fd, (struct sockaddr *)&addr, sizeof(addr)));
	close(fd);
	return r;
}

/* deep LEN TAIL: a path of exactly LEN bytes, made of `./`, that ends in
 * TAIL, is looked up with stat. */
static long op_deep(struct run *run)
{
	size_t len = (size_t)arg_num(run, 1, 0);
	size_t dir_len = strlen(run->dir), tail_len = run->arglen[2];
	char *path = malloc(len + 1);
	struct stat st;
	size_t at;
	long r;

	if (!path || len < dir_len + tail_len + 2)
		return -EDOM;
	memset(path, '/', len);
	memcpy(path, run->dir, dir_len);
	for (at = dir_len + 1; at + 2 <= len - tail_len; at += 2)
		path[at] = '.';
	memcpy(path + len - tail_len, run->argv[2], tail_len);
	path[len] = '\0';
	r = result(stat(path, &st));
	free(path);
	return r;
}

const struct op name_ops[] = {
	{"rename", 2, op_rename},
	{"link", 2, op_link},
	{"flink", 2, op_flink},
	{"proclink", 2, op_proclink},
	{"reopen", 3, op_reopen},
	{"unlink", 1, op_unlink},
	{"rmdir", 1, op_rmdir},
	{"mkdir", 1, op_mkdir},
	{"mknod", 2, op_mknod},
	{"symlink", 2, op_symlink},
	{"readlink", 1, op_readlink},
	{"bind", 2, op_bind},
	{"connect", 1, op_connect},
	{"deep", 2, op_deep},
	{NULL, 0, NULL},
};
