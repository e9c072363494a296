/* SPDX-License-Identifier: MIT
 *
 * calls.h - runs a table of system calls and prints what each one did.
 *
 * The program reads one case a line from its input:
 *
 *     ID: op arg arg; op arg; ...
 *
 * runs each in a process and a directory of its own below the current
 * directory, and prints one line: every call with its result or errno, and
 * what else it returned.  The same table is run on a plain directory and on
 * the mount, and the two outputs must be equal (test_posix*.py).  Nothing that
 * may differ for good reason is printed: no inode number, device or time.
 *
 * Arguments are separated by spaces; `%41` stands for the byte 0x41, `''` for
 * the empty string, `x*1000` (as data) for a thousand x.
 */
#ifndef POSIX_CALLS_H
#define POSIX_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>

#define MAX_ARGS  12
#define MAX_SLOTS 16
#define MAX_MARKS 8

struct mark {
	char what[64];
	struct timespec mtime, ctime;
};

/* One case while it runs. */
struct run {
	const char *dir; /* its directory, below the current one */
	int argc;
	char *argv[MAX_ARGS];    /* decoded; argv[0] is the op */
	size_t arglen[MAX_ARGS]; /* may hold NUL */
	int fd[MAX_SLOTS];
	char *map;
	size_t map_len;
	struct mark marks[MAX_MARKS];
	int n_marks;
	FILE *more; /* what is printed behind the result */
};

/* An op returns >= 0, or -errno. */
struct op {
	const char *name;
	int min_args;
	long (*fn)(struct run *run);
};

extern const struct op io_ops[], move_ops[], map_ops[], name_ops[], attr_ops[],
	xattr_ops[], state_ops[], proc_ops[];

/* Run the op in run->argv and print it with its result to @out. */
void run_op(struct run *run, FILE *out);

/* ---- arguments (text.c) ---------------------------------------------- */

/* Argument @i as a path: below the case's directory unless it is absolute or
 * empty.  Lent until the eighth call after this one. */
const char *arg_path(struct run *run, int i);
/* A number or names joined with `|`; @fallback when it is not there. */
long long arg_num(struct run *run, int i, long long fallback);
/* The open file in slot argument @i (-1 when it is none). */
int arg_fd(struct run *run, int i);
/* Argument @i as data, allocated. */
char *arg_data(struct run *run, int i, size_t *ret_len);
bool arg_is(struct run *run, int i, const char *word);

/* Split @text at spaces, decode into @run. @text is changed. */
int args_parse(struct run *run, char *text);

/* ---- results (text.c) ------------------------------------------------ */

/* @r of a system call: itself, or -errno. */
long result(long r);
void print_name(FILE *out, const char *name, size_t len);
/* The bytes themselves when few and readable, else length and a hash. */
void print_bytes(FILE *out, const char *data, size_t len);
const char *errno_name(int error);

#endif
