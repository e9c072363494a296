/* SPDX-License-Identifier: MIT
 *
 * run.h - a program of somebody else's, run for one document.
 */
#ifndef ATIO_FORMAT_RUN_H
#define ATIO_FORMAT_RUN_H

#include <stddef.h>
#include <atomicio/value.h>

/* What a plugin may use. */
#define ATIO_RUN_CPU_SECONDS  5
#define ATIO_RUN_WALL_SECONDS 10
#define ATIO_RUN_MEMORY	      ((size_t)512 << 20)
#define ATIO_RUN_MESSAGE_MAX  4096 /* bytes of stderr that are looked at */

/* Run @argv (an absolute path and its arguments; no shell) with @input on
 * standard input; the caller frees *ret_output.  It runs in a session of its
 * own, with / as its directory, an environment of PATH and LANG, the limits
 * above and no descriptors but the three.  What it leaves running is ended with
 * it.  The first line of its stderr, "LINE:COLUMN: " before it or not, is the
 * error's text.
 *   0            exit code 0
 *   -EIO         exit code 1 or another one, or it was killed by a signal
 *   -EOPNOTSUPP  exit code 2
 *   -EINVAL      exit code 3
 *   -ETIMEDOUT   too slow
 *   -EFBIG       more than @most bytes of output
 *   -ENOENT, -EACCES, -ENOEXEC...   it could not be run
 *   -ENOMEM, -EMFILE, -EAGAIN       no room for a process */
int atio_run(const char *const *argv, const void *input, size_t input_len,
	     size_t most, char **ret_output, size_t *ret_len,
	     struct atio_value_error *err);

#endif
