/* SPDX-License-Identifier: MIT
 *
 * ioctl.h - what a program can ask of an atomicfs mount.
 *
 * The numbers are part of the interface and never change their meaning.
 */
#ifndef ATOMICIO_IOCTL_H
#define ATOMICIO_IOCTL_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define ATIO_IOC_MAGIC 0xAF

/* On a descriptor of a file in the mount that is open for writing: publish
 * what was written so far, now; the descriptor stays usable.
 *   ENOTTY  not an atomicfs mount
 *   EBADF   this descriptor has no open transaction (read-only or `direct`)
 * and every errno that close(2) may report: ESTALE, EIO, ENOSPC, EDQUOT. */
#define ATIO_IOC_COMMIT _IO(ATIO_IOC_MAGIC, 1)

/* On such a descriptor: roll back.  The current version stays; what was
 * written goes to the quarantine; what is written to the descriptor later is
 * never published. */
#define ATIO_IOC_ABORT _IO(ATIO_IOC_MAGIC, 2)

/* On a descriptor of the directory: the same for every transaction that is
 * open on @name in it, by its owner or by root.
 *   ENOENT  nobody has @name open for writing
 *   EPERM   somebody else has */
struct atio_ioc_name {
	char name[256]; /* NUL-terminated */
};

#define ATIO_IOC_COMMIT_NAME _IOW(ATIO_IOC_MAGIC, 3, struct atio_ioc_name)
#define ATIO_IOC_ABORT_NAME  _IOW(ATIO_IOC_MAGIC, 4, struct atio_ioc_name)

/* Locks with what flock(2) has no words for: a time limit, and counting.
 *
 * On a descriptor of a file in the mount, open in whichever way: lock the file.
 * It is the lock of flock(2): it belongs to the open file description, excludes
 * and is excluded by whoever uses flock(2) on that path, and goes with the last
 * descriptor.  In addition it is counted: the open file that has it gets it
 * again, and gives it up when it was unlocked as often.  Shared to exclusive
 * keeps the shared lock while it waits; a lock that is exclusive stays so until
 * the last unlock.
 *   EAGAIN     it is held by others (ATIO_IOC_NOWAIT)
 *   ETIMEDOUT  not within timeout_ms
 *   EDEADLK    whoever holds it waits for what this thread holds
 *   EINTR      a signal came
 *   ENOLCK     root has broken the waiting, or the daemon ended
 *   EINVAL     mode, flags or reserved
 *   EOVERFLOW  counted 2^31 - 1 times
 *   ENOTTY     not an atomicfs mount, or no file */
struct atio_ioc_lock {
	__u32 mode;       /* ATIO_IOC_SHARED or ATIO_IOC_EXCLUSIVE */
	__u32 flags;      /* ATIO_IOC_NOWAIT, or 0 */
	__u64 timeout_ms; /* 0: no limit; lock_timeout of the mount holds, too
			   */
	__u32 count;      /* on return: how often it is held now */
	__u32 reserved;   /* 0 */
};

#define ATIO_IOC_SHARED    1
#define ATIO_IOC_EXCLUSIVE 2
#define ATIO_IOC_NOWAIT    (1u << 0)

#define ATIO_IOC_LOCK _IOWR(ATIO_IOC_MAGIC, 5, struct atio_ioc_lock)

/* Undo one ATIO_IOC_LOCK; *count: how often it is held still.  flock(LOCK_UN)
 * undoes them all.
 *   ENOLCK     it is not held */
#define ATIO_IOC_UNLOCK _IOR(ATIO_IOC_MAGIC, 6, __u32)

/* On a descriptor of any directory of the mount, by root: take the lock with
 * this id (`.@ctl/locks.json`) from its holder, who is not told, or end the
 * waiting with ENOLCK.
 *   ENOENT     there is none of that id any more
 *   EPERM      not root */
#define ATIO_IOC_BREAK_LOCK _IOW(ATIO_IOC_MAGIC, 7, __u64)

#endif
