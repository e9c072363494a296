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

#endif
