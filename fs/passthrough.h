/* SPDX-License-Identifier: MIT
 *
 * passthrough.h - letting the kernel read and write the backing file itself
 * (Linux 6.9, Documentation/filesystems/fuse/fuse-passthrough.rst).
 *
 * libfuse can ask for it from 3.17 on; before that the INIT reply is completed
 * on its way to the kernel (passthrough.c).  meson decides by the version it
 * finds.
 */
#ifndef FS_PASSTHROUGH_H
#define FS_PASSTHROUGH_H

#include "fs.h"

/* After the mount, before the first request is read. */
int passthrough_prepare(struct fs *fs);

/* The main thread saw the INIT request: what the kernel offers. */
void passthrough_offered(struct fs *fs, const void *msg, size_t size);

/* In the init handler: ask for it, or say in fs->io_reason why not. */
void passthrough_negotiate(struct fs *fs, struct fuse_conn_info *conn);

/* After INIT: try one file in @dirfd; falls back to serving. */
void passthrough_probe(struct fs *fs, int fd);

/* A backing id (> 0) for @fd, or -errno. */
int32_t passthrough_open(struct fs *fs, int fd);
void passthrough_close(struct fs *fs, int32_t backing_id);

#endif
