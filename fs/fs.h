/* SPDX-License-Identifier: MIT
 *
 * fs.h - the daemon's state, and who may touch it when.
 *
 * Threads
 *   handlers  one of them reads requests and answers them; before it waits or
 *             does I/O it hands the reading on (session.h).  Requests keep
 *             their order where it matters because a RELEASE is marked
 *             pending before the next request is read (txn.h).
 *   keeper    looks after free space, lost intents and notifications.
 *   signals   waits for SIGTERM.
 *
 * Locks, in order: fs->lock, then those of lib/ and of the work queue (leaves).
 * fs->locks calls back without its own lock, and takes fs->lock then: so what
 * may bring that about (getting, giving up, cancelling) is called without it.
 *
 * fs->lock guards nodes, names, transactions and handles.  It is held across
 * quick system calls on metadata, and never across a flush to disk, a copy, a
 * reply to the kernel or a notification.
 */
#ifndef FS_FS_H
#define FS_FS_H

#define FUSE_USE_VERSION 314
#include <fuse3/fuse_lowlevel.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <atomicio/stage.h>

#include "node.h"
#include "options.h"
#include "policy.h"

struct entry;
struct intent;
struct session;
struct dirsync;
struct atio_lock_table;

struct counters {
	uint64_t commits, rollbacks, conflicts, in_place, failures;
	uint64_t staged, snapshots, appended;
};

struct fs {
	const struct options *opts;
	struct fuse_session *se;
	struct session *session;
	struct atio_store *store;
	struct policy *policy;
	struct atio_lock_table *locks; /* has a lock of its own, a leaf */
	int src_fd;
	dev_t src_dev;
	bool privileged; /* may change owners and credentials */
	bool pids_visible;
	struct timespec started;

	/* Decided at INIT. */
	bool passthrough;
	bool direct_mmap; /* direct I/O does not exclude mappings (Linux 6.6) */
	char io_reason[128]; /* why passthrough or not, for people */
	unsigned proto_minor;

	pthread_mutex_t lock;
	pthread_cond_t settled; /* a transaction is no longer busy or pending */

	/* Under lock. */
	struct node_table nodes;
	struct node root;
	struct node *ctl;
	struct entry **entries; /* names with live shadows, hashed */
	size_t n_entries;
	unsigned n_txns, n_pending, n_lingering;
	struct txn *txns; /* all live ones */
	struct intent *intents;
	struct ring opened; /* every backing file that is open ... */
	struct ring idle;   /* ... and those closed lately, for the next open */
	struct ring handles; /* every handle the kernel has, of files ... */
	struct ring dirs;    /* ... and of directories */
	unsigned n_idle, n_opened, n_handles;
	unsigned max_opened; /* with a descriptor each */
	struct dirsync *dirsyncs;
	struct ring aliases;      /* of lock_path.c */
	struct ring watched;      /* of lock_watch.c */
	struct ring links;        /* of ops_move.c */
	unsigned n_release_waits; /* threads that wait for a RELEASE */
	struct file_key redo;     /* inode that is being rewritten in place */
	struct counters count;

	/* Of the keeper (guard.c). */
	uint64_t guard_bytes;
	atomic_bool disk_low;
	atomic_uint_fast64_t disk_free;
	bool quota; /* limits that only failing writes show */
};

static inline void fs_lock(struct fs *fs)
{
	pthread_mutex_lock(&fs->lock);
}

static inline void fs_unlock(struct fs *fs)
{
	pthread_mutex_unlock(&fs->lock);
}

/* Wait, with fs->lock, until some transaction has settled (session.c). */
void fs_wait(struct fs *fs);

static inline struct fs *req_fs(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

static inline struct node *ino_node(struct fs *fs, fuse_ino_t ino)
{
	return ino == FUSE_ROOT_ID ? &fs->root : (struct node *)(uintptr_t)ino;
}

static inline fuse_ino_t node_ino(struct fs *fs, const struct node *node)
{
	return node == &fs->root ? FUSE_ROOT_ID : (fuse_ino_t)(uintptr_t)node;
}

/* The only place where the sign of an error turns: @r is 0 or -errno. */
static inline void reply_err(fuse_req_t req, int r)
{
	fuse_reply_err(req, r < 0 ? -r : 0);
}

#endif
