/* SPDX-License-Identifier: MIT
 *
 * move.c - calls that carry bytes between files, and memory maps.
 */
#include "calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

/* An offset argument; `-` means the file's own position. */
static off_t *offset(struct run *run, int i, off_t *buf)
{
	if (i >= run->argc || arg_is(run, i, "-"))
		return NULL;
	*buf = arg_num(run, i, 0);
	return buf;
}

/* copy IN OFF OUT OFF LEN */
static long op_copy(struct run *run)
{
	off_t in, out;

	return result(copy_file_range(arg_fd(run, 1), offset(run, 2, &in),
				      arg_fd(run, 3), offset(run, 4, &out),
				      (size_t)arg_num(run, 5, 0), 0));
}

/* sendfile OUT IN OFF LEN */
static long op_sendfile(struct run *run)
{
	off_t in;

	return result(sendfile(arg_fd(run, 1), arg_fd(run, 2),
			       offset(run, 3, &in),
			       (size_t)arg_num(run, 4, 0)));
}

/* splice IN OFF OUT OFF LEN: through a pipe, as every splice must. */
static long op_splice(struct run *run)
{
	off_t in, out;
	int p[2];
	long r, w = 0;

	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	r = result(splice(arg_fd(run, 1), offset(run, 2, &in), p[1], NULL,
			  (size_t)arg_num(run, 5, 0), 0));
	if (r > 0)
		w = result(splice(p[0], NULL, arg_fd(run, 3),
				  offset(run, 4, &out), (size_t)r, 0));
	close(p[0]);
	close(p[1]);
	return w < 0 ? w : r;
}

static long op_clone(struct run *run)
{
	return result(ioctl(arg_fd(run, 2), FICLONE, arg_fd(run, 1)));
}

const struct op move_ops[] = {
	{"copy", 5, op_copy},     {"sendfile", 4, op_sendfile},
	{"splice", 5, op_splice}, {"clone", 2, op_clone},
	{NULL, 0, NULL},
};

/* mmap SLOT LEN PROT FLAGS [OFFSET] */
static long op_mmap(struct run *run)
{
	size_t len = (size_t)arg_num(run, 2, 4096);
	void *map = mmap(NULL, len, (int)arg_num(run, 3, PROT_READ),
			 (int)arg_num(run, 4, MAP_SHARED), arg_fd(run, 1),
			 arg_num(run, 5, 0));

	if (map == MAP_FAILED)
		return -errno;
	run->map = map;
	run->map_len = len;
	return 0;
}

static long op_mset(struct run *run)
{
	size_t at = (size_t)arg_num(run, 1, 0), n = run->arglen[2];

	if (!run->map || at + n > run->map_len)
		return -EFAULT;
	memcpy(run->map + at, run->argv[2], n);
	return (long)n;
}

static long op_mget(struct run *run)
{
	size_t at = (size_t)arg_num(run, 1, 0);
	size_t n = (size_t)arg_num(run, 2, 0);

	if (!run->map || at + n > run->map_len)
		return -EFAULT;
	fputc(' ', run->more);
	print_bytes(run->more, run->map + at, n);
	return (long)n;
}

static long op_msync(struct run *run)
{
	return result(
		msync(run->map, run->map_len, (int)arg_num(run, 1, MS_SYNC)));
}

static long op_munmap(struct run *run)
{
	long r = result(munmap(run->map, run->map_len));

	run->map = NULL;
	return r;
}

static long op_mprotect(struct run *run)
{
	return result(mprotect(run->map, run->map_len,
			       (int)arg_num(run, 1, PROT_READ)));
}

const struct op map_ops[] = {
	{"mmap", 4, op_mmap},     {"mset", 2, op_mset},
	{"mget", 2, op_mget},     {"msync", 1, op_msync},
	{"munmap", 0, op_munmap}, {"mprotect", 1, op_mprotect},
	{NULL, 0, NULL},
};
