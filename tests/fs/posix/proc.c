/* SPDX-License-Identifier: MIT
 *
 * proc.c - ops that need a child process, and walks through directories.
 */
#include "calls.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The rest of the line's words as an op, run by this (child) process. */
static void child_op(struct run *run, int to)
{
	struct run inner = *run;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	inner.argc = run->argc - 1;
	for (int i = 0; i < inner.argc; i++) {
		inner.argv[i] = run->argv[i + 1];
		inner.arglen[i] = run->arglen[i + 1];
	}
	run_op(&inner, out);
	fclose(out);
	if (write(to, text, len) < 0)
		_exit(3);
	_exit(0);
}

/* child OP ARGS: in a forked process, which then ends by exit. */
static long op_child(struct run *run)
{
	char buf[4096];
	ssize_t got;
	int p[2];
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid)
		child_op(run, p[1]);
	close(p[1]);
	fputs(" [", run->more);
	while ((got = read(p[0], buf, sizeof(buf))) > 0)
		fwrite(buf, 1, (size_t)got, run->more);
	fputc(']', run->more);
	close(p[0]);
	return waitpid(pid, NULL, 0) == pid ? 0 : -errno;
}

/* exec PATH: what a program there returns. */
static long op_exec(struct run *run)
{
	const char *path = arg_path(run, 1);
	char *const argv[] = {(char *)path, NULL};
	int p[2], error = 0, status = 0;
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		execv(path, argv);
		error = errno;
		if (write(p[1], &error, sizeof(error)) < 0)
			_exit(126);
		_exit(127);
	}
	close(p[1]);
	if (read(p[0], &error, sizeof(error)) < 0)
		error = errno;
	close(p[0]);
	waitpid(pid, &status, 0);
	if (error)
		return -error;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

/* many PATH N: N empty files in a directory. */
static long op_many(struct run *run)
{
	const char *dir = arg_path(run, 1);
	long n = (long)arg_num(run, 2, 0);

	for (long i = 0; i < n; i++) {
		char path[4096];
		int fd;

		snprintf(path, sizeof(path), "%s/file-%06ld", dir, i);
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (fd < 0 || close(fd) < 0)
			return -errno;
	}
	return n;
}

/* A sum over names that does not depend on their order. */
static unsigned long name_sum(const char *name)
{
	unsigned long h = 5381;

	for (; *name; name++)
		h = h * 33 + (unsigned char)*name;
	return h;
}

static unsigned long rest_of(DIR *dir, long *ret_n)
{
	unsigned long sum = 0;
	struct dirent *e;

	for (*ret_n = 0; (e = readdir(dir)); ++*ret_n)
		sum += name_sum(e->d_name);
	return sum;
}

/* seekdir PATH SKIP: from a remembered place the same names come again, and
 * from the start all of them. */
static long op_seekdir(struct run *run)
{
	DIR *dir = opendir(arg_path(run, 1));
	long skip = (long)arg_num(run, 2, 0), place, first, again, all;
	unsigned long a, b, sum;

	if (!dir)
		return -errno;
	for (long i = 0; i < skip && readdir(dir); i++)
		;
	place = telldir(dir);
	a = rest_of(dir, &first);
	seekdir(dir, place);
	b = rest_of(dir, &again);
	rewinddir(dir);
	sum = rest_of(dir, &all);
	closedir(dir);
	fprintf(run->more, " rest %ld again %ld %s all %ld sum %lx", first,
		again, a == b ? "same" : "other", all, sum);
	return 0;
}

/* rmall PATH: remove each entry as it is read, as rm -r does. */
static long op_rmall(struct run *run)
{
	DIR *dir = opendir(arg_path(run, 1));
	struct dirent *e;
	long n = 0;

	if (!dir)
		return -errno;
	while ((e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		if (unlinkat(dirfd(dir), e->d_name, 0) < 0) {
			n = -errno;
			break;
		}
		n++;
	}
	closedir(dir);
	return n;
}

/* lsnew PATH: a name made after the open of a listing is seen after a
 * rewind. */
static long op_lsnew(struct run *run)
{
	DIR *dir = opendir(arg_path(run, 1));
	long n, sum = 0;

	if (!dir)
		return -errno;
	if (mkdirat(dirfd(dir), "late", 0755) < 0)
		sum = -errno;
	rewinddir(dir);
	(void)rest_of(dir, &n);
	closedir(dir);
	return sum < 0 ? sum : n;
}

const struct op proc_ops[] = {
	{"child", 1, op_child}, {"exec", 1, op_exec},
	{"many", 2, op_many},   {"seekdir", 2, op_seekdir},
	{"rmall", 1, op_rmall}, {"lsnew", 1, op_lsnew},
	{NULL, 0, NULL},
};
