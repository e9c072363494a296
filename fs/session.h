/* SPDX-License-Identifier: MIT
 *
 * session.h - reading requests, and the threads that answer them.
 *
 * One thread at a time is the reader: it takes a request from the kernel,
 * answers it, and takes the next, so that nothing has to be handed to another
 * thread and the order of requests is the order in which they are handled.  A
 * handler that is about to wait or to do I/O first calls session_may_block():
 * an idle thread becomes the reader, and the handler goes on where it is.
 */
#ifndef FS_SESSION_H
#define FS_SESSION_H

#include "fs.h"

int session_start(struct fs *fs);

/* Answer requests until the mount is gone or session_stop was called, and
 * every handler and job has ended.  @ready is called once the kernel has the
 * INIT reply.  0, or -errno. */
int session_run(struct fs *fs, void (*ready)(struct fs *fs));

/* Make session_run end; from any thread that does not handle a request. */
void session_stop(struct fs *fs);
/* Whether session_stop was what ended it. */
bool session_was_stopped(struct fs *fs);

/* Run the jobs that are left, and end the threads. */
void session_done(struct fs *fs);

/* In a handler: from here on it may take long.  fs->lock may be held.  What
 * later requests must see (txn->pending) has to be noted before. */
void session_may_block(struct fs *fs);

/* Run @fn(@fs, @arg) on a thread that is not the reader. */
int session_work(struct fs *fs, void (*fn)(struct fs *fs, void *arg),
		 void *arg);

#endif
