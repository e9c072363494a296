/* SPDX-License-Identifier: MIT
 *
 * log.h - one line per failure, for the administrator.
 *
 * Lines go to stderr while the daemon is in the foreground, to syslog
 * (LOG_DAEMON) afterwards.  Control characters in names are escaped, so that
 * a file name can never forge a line.
 */
#ifndef FS_LOG_H
#define FS_LOG_H

#include <stdbool.h>
#include <stdint.h>

/* Log to syslog (@to_syslog) or to stderr.  Call before threads start. */
void log_open(bool to_syslog, bool debug);

/* "atomicfs: OP 'path': ERRNAME: cause (txn 17)".  @error: positive errno, 0
 * for none; @txn: 0 for none; @cause may be NULL. */
void log_failure(const char *op, const char *path, int error, uint64_t txn,
		 const char *cause);

/* A line that reports no failure of an operation. */
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* "ENOENT" for 2 (strerrorname_np, or "E42" for an unknown one). */
const char *log_errname(int error);

#endif
