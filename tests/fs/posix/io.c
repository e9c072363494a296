/* SPDX-License-Identifier: MIT
 *
 * io.c - open files: open, read, write, seek, size, flush.
 */
#include "calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static int slot(struct run *run, int i)
{
	long long n = arg_num(run, i, -1);

	return n >= 0 && n < MAX_SLOTS ? (int)n : 0;
}

static long op_open(struct run *run)
{
	int s = slot(run, 1);
	int fd = open(arg_path(run, 2), (int)arg_num(run, 3, O_RDONLY),
		      (mode_t)arg_num(run, 4, 0644));

	if (fd < 0)
		return -errno;
	run->fd[s] = fd;
	return 0;
}

static long op_close(struct run *run)
{
	long r = result(close(arg_fd(run, 1)));

	run->fd[slot(run, 1)] = -1;
	return r;
}

static long op_dup(struct run *run)
{
	int fd = dup(arg_fd(run, 1));

	if (fd < 0)
		return -errno;
	run->fd[slot(run, 2)] = fd;
	return 0;
}

static long op_fcntl(struct run *run)
{
	return result(fcntl(arg_fd(run, 1), (int)arg_num(run, 2, 0),
			    arg_num(run, 3, 0)));
}

static long op_read(struct run *run)
{
	size_t n = (size_t)arg_num(run, 2, 0);
	char *buf = malloc(n + 1);
	ssize_t got = run->argc > 3 ? pread(arg_fd(run, 1), buf, n,
					    arg_num(run, 3, 0))
				    : read(arg_fd(run, 1), buf, n);
	long r = result(got);

	if (got >= 0) {
		fputc(' ', run->more);
		print_bytes(run->more, buf, (size_t)got);
	}
	free(buf);
	return r;
}

static long op_readv(struct run *run)
{
	size_t n = (size_t)arg_num(run, 2, 0);
	char *buf = malloc(2 * n + 1);
	struct iovec iov[2] = {{buf, n}, {buf + n, n}};
	ssize_t got = preadv2(arg_fd(run, 1), iov, 2, arg_num(run, 3, -1),
			      (int)arg_num(run, 4, 0));
	long r = result(got);

	if (got >= 0) {
		fputc(' ', run->more);
		print_bytes(run->more, buf, (size_t)got);
	}
	free(buf);
	return r;
}

static long op_write(struct run *run)
{
	size_t n;
	char *data = arg_data(run, 2, &n);
	long r = result(run->argc > 3 ? pwrite(arg_fd(run, 1), data, n,
					       arg_num(run, 3, 0))
				      : write(arg_fd(run, 1), data, n));

	free(data);
	return r;
}

static long op_writev(struct run *run)
{
	size_t n;
	char *data = arg_data(run, 2, &n);
	struct iovec iov[2] = {{data, n}, {data, n}};
	long r = result(pwritev2(arg_fd(run, 1), iov, 2, arg_num(run, 3, -1),
				 (int)arg_num(run, 4, 0)));

	free(data);
	return r;
}

/* Whole aligned blocks, as O_DIRECT wants them. */
static long op_dwrite(struct run *run)
{
	size_t n = (size_t)arg_num(run, 2, 4096);
	char *data = NULL;
	long r;

	if (posix_memalign((void **)&data, 4096, n))
		return -ENOMEM;
	memset(data, 'd', n);
	r = result(pwrite(arg_fd(run, 1), data, n, arg_num(run, 3, 0)));
	free(data);
	return r;
}

static long op_dread(struct run *run)
{
	size_t n = (size_t)arg_num(run, 2, 4096);
	char *data = NULL;
	ssize_t got;
	long r;

	if (posix_memalign((void **)&data, 4096, n))
		return -ENOMEM;
	got = pread(arg_fd(run, 1), data, n, arg_num(run, 3, 0));
	r = result(got);
	if (got >= 0) {
		fputc(' ', run->more);
		print_bytes(run->more, data, (size_t)got);
	}
	free(data);
	return r;
}

static long op_lseek(struct run *run)
{
	return result(lseek(arg_fd(run, 1), arg_num(run, 2, 0),
			    (int)arg_num(run, 3, SEEK_SET)));
}

static long op_truncate(struct run *run)
{
	return result(truncate(arg_path(run, 1), arg_num(run, 2, 0)));
}

static long op_ftruncate(struct run *run)
{
	return result(ftruncate(arg_fd(run, 1), arg_num(run, 2, 0)));
}

static long op_fallocate(struct run *run)
{
	return result(fallocate(arg_fd(run, 1), (int)arg_num(run, 2, 0),
				arg_num(run, 3, 0), arg_num(run, 4, 0)));
}

static long op_fsync(struct run *run)
{
	return result(fsync(arg_fd(run, 1)));
}

static long op_fdatasync(struct run *run)
{
	return result(fdatasync(arg_fd(run, 1)));
}

static long op_syncfs(struct run *run)
{
	return result(syncfs(arg_fd(run, 1)));
}

static long op_sync_file_range(struct run *run)
{
	return result(sync_file_range(arg_fd(run, 1), arg_num(run, 2, 0),
				      arg_num(run, 3, 0),
				      (unsigned)arg_num(run, 4, 0)));
}

static long op_fadvise(struct run *run)
{
	return -posix_fadvise(arg_fd(run, 1), arg_num(run, 2, 0),
			      arg_num(run, 3, 0), (int)arg_num(run, 4, 0));
}

/* file PATH DATA [MODE]: what a case starts from. */
static long op_file(struct run *run)
{
	size_t n;
	char *data = arg_data(run, 2, &n);
	int fd = open(arg_path(run, 1), O_WRONLY | O_CREAT | O_TRUNC, 0644);
	long r = fd < 0 ? -errno : 0;

	if (!r && write(fd, data, n) != (ssize_t)n)
		r = -errno;
	if (!r && run->argc > 3)
		r = result(fchmod(fd, (mode_t)arg_num(run, 3, 0644)));
	if (fd >= 0 && close(fd) < 0 && !r)
		r = -errno;
	free(data);
	return r;
}

const struct op io_ops[] = {
	{"open", 2, op_open},
	{"close", 1, op_close},
	{"dup", 2, op_dup},
	{"fcntl", 2, op_fcntl},
	{"read", 2, op_read},
	{"readv", 2, op_readv},
	{"write", 2, op_write},
	{"writev", 2, op_writev},
	{"dwrite", 2, op_dwrite},
	{"dread", 2, op_dread},
	{"lseek", 3, op_lseek},
	{"truncate", 2, op_truncate},
	{"ftruncate", 2, op_ftruncate},
	{"fallocate", 4, op_fallocate},
	{"fsync", 1, op_fsync},
	{"fdatasync", 1, op_fdatasync},
	{"syncfs", 1, op_syncfs},
	{"sync_file_range", 4, op_sync_file_range},
	{"fadvise", 4, op_fadvise},
	{"file", 2, op_file},
	{NULL, 0, NULL},
};
