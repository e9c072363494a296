/* SPDX-License-Identifier: MIT
 *
 * locking.h - the ways to lock a whole file, for the programs of the tests.
 */
#ifndef HARNESS_LOCKING_H
#define HARNESS_LOCKING_H

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include "../../lib/include/atomicio/ioctl.h"

enum kind { FLOCK, POSIX, OFD, IOCTL, KINDS };

static const char *const kind_names[KINDS] = {"flock", "posix", "ofd", "ioctl"};

/* KINDS: there is none of that name. */
static inline enum kind kind_of(const char *name)
{
	int i = 0;

	while (i < KINDS && strcmp(name, kind_names[i]))
		i++;
	return i;
}

/* Kinds, with + between them.  Returns how many, or -1. */
static inline int kinds_of(char *words, enum kind *ret_kinds)
{
	int n = 0;

	for (char *word = strtok(words, "+"); word; word = strtok(NULL, "+"))
		if (n == KINDS || (ret_kinds[n++] = kind_of(word)) == KINDS)
			return -1;
	return n ? n : -1;
}

static inline int set_fcntl(int fd, enum kind kind, int mode)
{
	const int wait = kind == POSIX ? F_SETLKW : F_OFD_SETLKW;
	const int try = kind == POSIX ? F_SETLK : F_OFD_SETLK;
	struct flock lock = {.l_whence = SEEK_SET};

	lock.l_type = mode & LOCK_UN   ? F_UNLCK
		      : mode & LOCK_SH ? F_RDLCK
				       : F_WRLCK;
	return fcntl(fd, mode & LOCK_NB ? try : wait, &lock);
}

static inline int set_ioctl(int fd, int mode)
{
	struct atio_ioc_lock lock = {0};
	__u32 left;

	if (mode & LOCK_UN)
		return ioctl(fd, ATIO_IOC_UNLOCK, &left);
	lock.mode = mode & LOCK_SH ? ATIO_IOC_SHARED : ATIO_IOC_EXCLUSIVE;
	lock.flags = mode & LOCK_NB ? ATIO_IOC_NOWAIT : 0;
	return ioctl(fd, ATIO_IOC_LOCK, &lock);
}

/* @mode is that of flock(2), whichever kind it is.  A signal that is handled
 * ends the waiting with EINTR. */
static inline int set_lock(int fd, enum kind kind, int mode)
{
	if (kind == FLOCK)
		return flock(fd, mode);
	return kind == IOCTL ? set_ioctl(fd, mode) : set_fcntl(fd, kind, mode);
}

/* Whether a descriptor must be open for writing to be locked exclusively. */
static inline int needs_write(enum kind kind)
{
	return kind == POSIX || kind == OFD;
}

#endif
