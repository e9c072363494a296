/* SPDX-License-Identifier: MIT
 *
 * proc.h - what /proc says about the caller of a request.
 *
 * The pid in a FUSE request is a thread id in the daemon's pid namespace, 0
 * when the caller is not visible from there.  Every function takes such an id
 * and answers "not known" rather than guess.
 *
 * proc_tgid and proc_killed_by read files that make the kernel hold the
 * process's memory map for a moment.  Ask them about a thread that waits for
 * our answer, or is dying: were another to end just then, its mappings of our
 * files would be closed, and their dirty pages written, on our thread.
 */
#ifndef FS_PROC_H
#define FS_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The process (thread group) of @tid; 0 when not known.  Costs next to nothing,
 * but for threads that were not asked about before. */
pid_t proc_tgid(pid_t tid);

/* The signal that is ending the process of @tid (proc(5) stat: PF_EXITING in
 * flags, low 7 bits of exit_code), 0 when it lives, exits by
 * itself, or is not known. */
int proc_killed_by(pid_t tid);

/* Whether the thread @tid still exists.  A zombie does not count, but the
 * first thread of a process may, until the last has ended. */
bool proc_alive(pid_t tid);

/* Number of descriptors of process @tgid (at most @max are counted, and at
 * most 4096 looked at) that are open on inode @ino of mount @mnt_id
 * (/proc/TGID/fdinfo: `ino:` and `mnt_id:`; @mnt_id < 0 matches any).  @name
 * is what the path of the file ends with, which saves time; NULL: not known.
 * -errno when that cannot be read; -E2BIG: there are more to look at, and those
 * that were are not @max; -EOPNOTSUPP: the kernel does not say
 * (before Linux 5.14). */
int proc_count_fds(pid_t tgid, uint64_t ino, const char *name, int mnt_id,
		   int max);

/* When the thread @tid began, in milliseconds of CLOCK_BOOTTIME (proc(5) stat:
 * starttime, to a clock tick); 0 when not known. */
uint64_t proc_started_ms(pid_t tid);

/* Whether @tid, whose close(2) was answered, has returned from it: it is in
 * another system call, has used the processor for itself since, or is gone.
 * *user: what it had used of that, UINT64_MAX at first.  True when it cannot be
 * told. */
bool proc_closed(pid_t tid, uint64_t *user);

/* Whether @tid, which waits for our answer to a request for a lock, asked for
 * one of an open file: fcntl(2) with F_OFD_SETLK or F_OFD_SETLKW.  1, 0, or
 * -ESRCH when it cannot be told. */
int proc_wants_ofd(pid_t tid);

/* The descriptor by which @tid, which waits for our answer, asks for a lock:
 * flock(2), fcntl(2) or ioctl(2).  -ESRCH when it cannot be told. */
int proc_lock_fd(pid_t tid);

/* The descriptors of process @tgid that are open on inode @ino of any mount,
 * into @fds; the number of them, or as proc_count_fds.  Where that is -E2BIG,
 * @fds has those that were found, and -1 behind them. */
int proc_find_fds(pid_t tgid, uint64_t ino, int *fds, int max);

/* Whether descriptor @a of thread @tid_a is the same open file as @b of
 * @tid_b: 1, 0, -EBADF: one of them is not open (or its thread has ended);
 * -errno: it cannot be told. */
int proc_same_file(pid_t tid_a, int a, pid_t tid_b, int b);

/* The inode's number and the flags of descriptor @fd of process @tgid.  False:
 * it cannot be told. */
bool proc_fd_info(pid_t tgid, int fd, uint64_t *ret_ino, int *ret_flags);

/* comm of @tid into @buf, NUL-terminated; "" when not known. */
void proc_command(pid_t tid, char *buf, size_t size);

/* A pidfd of process @tgid, or -errno. */
int proc_open(pid_t tgid);

/* Whether the process of @pidfd has ended, if not yet been waited for. */
bool proc_pidfd_over(int pidfd);

/* As proc_killed_by, for a process that may be gone and reaped already, from
 * a pidfd opened earlier (PIDFD_GET_INFO, Linux 6.15; else 0). */
int proc_pidfd_killed_by(int pidfd);

#endif
