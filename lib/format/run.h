/* SPDX-License-Identifier: MIT
 *
 * run.h - a program of somebody else's, run for one document.
 */
#ifndef ATIO_FORMAT_RUN_H
#define ATIO_FORMAT_RUN_H

#include <stddef.h>
#include <atomicio/value.h>

/* What a program may use. */
struct atio_run_limits {
	unsigned cpu_seconds; /* of processor time */
	unsigned wall_ms;     /* in all */
	size_t memory;        /* bytes of address space */
	size_t output;        /* bytes of standard output */
};

#define ATIO_RUN_CPU_SECONDS 5
#define ATIO_RUN_WALL_MS     10000
#define ATIO_RUN_MEMORY	     ((size_t)512 << 20)
#define ATIO_RUN_MESSAGE_MAX 4096 /* bytes of stderr that are looked at */

/* Run @argv (the absolute path of a program, and its arguments; no shell) with
 * @input on standard input.  The caller frees *ret_output, behind which there
 * is a NUL; where @ret_output is NULL the output is thrown away.
 *
 * The program runs in a session of its own, with / as its directory, an
 * environment of PATH and LANG, the limits and no descriptors but the three.  A
 * run ends when the program does: what it leaves behind in its process group is
 * killed.  It is killed, too, when the thread that has started it ends.  The
 * first line of its stderr, "LINE:COLUMN: " before it or not, is the error's
 * text.
 *   0            exit code 0
 *   -EIO         exit code 1 or another one, it was killed by a signal, or it
 *                could not be run
 *   -EOPNOTSUPP  exit code 2
 *   -EINVAL      exit code 3
 *   -ETIME       too slow
 *   -EFBIG       too much output
 *   -ECHILD      how it ended is not known: the caller ignores SIGCHLD, or
 *                waits for children that are not its own
 *   -ENOMEM, -EMFILE, -ENFILE  no room for a process */
int atio_run(const char *const *argv, const void *input, size_t input_len,
	     const struct atio_run_limits *limits, char **ret_output,
	     size_t *ret_len, struct atio_value_error *err);

#endif
