/* SPDX-License-Identifier: MIT
 *
 * session.h - reading requests, and the workers.
 */
#ifndef FS_SESSION_H
#define FS_SESSION_H

#include "fs.h"

int session_start(struct fs *fs);

/* Answer requests until the mount is gone or session_stop was called.  @ready
 * is called once the kernel has the INIT reply.  0, or -errno. */
int session_run(struct fs *fs, void (*ready)(struct fs *fs));

/* Whether session_stop was what ended it. */
bool session_was_stopped(struct fs *fs);

/* Make session_run end; from any other thread. */
void session_stop(struct fs *fs);

/* After session_run: wait for the workers; from here on this thread may do
 * what only they may. */
void session_drain(struct fs *fs);

/* Finish all jobs and end the workers. */
void session_done(struct fs *fs);

/* On the main thread: put @req aside, to be handled afresh by a worker, and
 * return true; the handler returns at once.  On a worker: return false.
 * Nothing may have been changed or replied before. */
bool session_defer(fuse_req_t req);
bool session_on_worker(void);

/* Run @fn(@fs, @arg) on a worker. */
int session_work(struct fs *fs, void (*fn)(struct fs *fs, void *arg),
		 void *arg);

#endif
