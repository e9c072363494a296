/* SPDX-License-Identifier: MIT
 *
 * proc.c - what /proc says about the caller of a request.
 *
 * The daemon looks at processes that use its own mount, so two things are
 * never done here.  Nothing follows a link below /proc/PID/fd, cwd or exe: it
 * leads into the mount, and the daemon would wait for its own answer.  And no
 * reference to a caller's file is held longer than one quick system call: the
 * kernel takes one while it looks at a descriptor, and a close(2) that happens
 * meanwhile is completed (RELEASE is sent) only when that call returns.  For
 * this reason the descriptors are looked up one by one where that can be, and
 * the directory is listed only for what is left.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proc.h"

/* include/linux/sched.h; stable since 2.6, see proc(5). */
#define PF_EXITING 0x00000004ul

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL /* Linux 6.9 */
#endif

/* linux/pidfd.h of 6.15, as far as this file uses it; the request's number
 * carries the size, and the kernel fills no more. */
struct pidfd_info_v0 {
	uint64_t mask;
	uint64_t cgroupid;
	uint32_t pid, tgid, ppid;
	uint32_t ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
	int32_t exit_code;
};

#define PIDFD_GET_INFO_V0   _IOWR(0xff, 11, struct pidfd_info_v0)
#define PIDFD_INFO_PID_BIT  (UINT64_C(1) << 0)
#define PIDFD_INFO_EXIT_BIT (UINT64_C(1) << 3)

#define FDS_MAX     4096 /* descriptors looked at */
#define FDINFO_ROOM 512  /* `ino:` is in the first lines */
#define MISSES_MAX  2    /* numbers tried in vain before listing */

/* Read the beginning of @name in @dirfd, NUL-terminated.  Length or -errno. */
static ssize_t read_start(int dirfd, const char *name, char *buf, size_t size)
{
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	if (n < 0)
		n = -errno;
	close(fd);
	buf[n > 0 ? n : 0] = '\0';
	return n;
}

static ssize_t read_proc(pid_t tid, const char *file, char *buf, size_t size)
{
	char path[64];

	if (tid <= 0)
		return -ESRCH;
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)tid, file);
	return read_start(AT_FDCWD, path, buf, size);
}

/* The number in the line that begins with @key (which includes the newline
 * before it), as in proc(5) status and fdinfo.  False: there is none. */
static bool line_number(const char *text, const char *key, uint64_t *ret_value)
{
	const char *at = strstr(text, key);
	char *end;

	if (!at)
		return false;
	at += strlen(key);
	errno = 0;
	*ret_value = strtoull(at, &end, 10);
	return end != at && errno == 0;
}

static int pidfd_open_thread(pid_t tid, unsigned flags)
{
	return syscall(SYS_pidfd_open, tid, flags);
}

/* Whether @tid is a thread of @tgid: the cheapest thing that can be asked. */
static bool is_thread_of(pid_t tid, pid_t tgid)
{
	return syscall(SYS_tgkill, tgid, tid, 0) == 0 || errno != ESRCH;
}

/* Threads that are not their process's first, and were asked about lately: the
 * id of the thread, and of its process.  Both together, to be read without a
 * lock. */
static atomic_uint_fast64_t known_threads[1024];

static pid_t ask_tgid(pid_t tid)
{
	char text[1024];
	uint64_t tgid;

	/* Name comes first in the text, its newlines are escaped. */
	if (read_proc(tid, "status", text, sizeof(text)) <= 0 ||
	    !line_number(text, "\nTgid:", &tgid))
		return 0;
	return tgid;
}

pid_t proc_tgid(pid_t tid)
{
	atomic_uint_fast64_t *known;
	uint64_t both;
	pid_t tgid;

	if (tid <= 0)
		return 0;
	if (is_thread_of(tid, tid))
		return tid;
	known = known_threads + tid % 1024;
	both = atomic_load(known);
	if (both >> 32 == (uint64_t)tid && is_thread_of(tid, (pid_t)both))
		return (pid_t)both;
	tgid = ask_tgid(tid);
	atomic_store(known, (uint64_t)tid << 32 | (uint32_t)tgid);
	return tgid;
}

struct stat_fields {
	char state;
	uint64_t flags;
	uint64_t user;    /* time on a processor, in clock ticks */
	uint64_t started; /* in clock ticks */
	int64_t exit_code;
};

/* Step over @n fields that end with a space; NULL if there are fewer. */
static const char *skip_fields(const char *at, int n)
{
	while (at && n-- > 0) {
		at = strchr(at, ' ');
		if (at)
			at++;
	}
	return at;
}

/* proc(5) stat: "PID (COMM) STATE ...", where COMM may hold anything, so what
 * counts is the last parenthesis. */
static int read_stat(pid_t tid, struct stat_fields *f)
{
	char text[1024];
	ssize_t n = read_proc(tid, "stat", text, sizeof(text));
	const char *at;

	if (n <= 0)
		return n < 0 ? n : -ESRCH;
	at = strrchr(text, ')');
	if (!at || at[1] != ' ' || at[2] == '\0')
		return -EPROTO;
	at += 2; /* field 3 */
	f->state = *at;
	at = skip_fields(at, 9 - 3);
	if (!at)
		return -EPROTO;
	f->flags = strtoull(at, NULL, 10);
	at = skip_fields(at, 14 - 9);
	if (!at)
		return -EPROTO;
	f->user = strtoull(at, NULL, 10);
	at = skip_fields(at, 22 - 14);
	if (!at)
		return -EPROTO;
	f->started = strtoull(at, NULL, 10);
	at = skip_fields(at, 52 - 22);
	if (!at)
		return -EPROTO;
	f->exit_code = strtoll(at, NULL, 10);
	return 0;
}

int proc_killed_by(pid_t tid)
{
	struct stat_fields f;

	if (read_stat(tid, &f) < 0)
		return 0;
	/* The code is the group's, once that is ending.  PF_SIGNALED says less:
	 * when one thread calls exit, the kernel ends the others as if by a
	 * signal, flag and all; and a thread that was just ending by itself may
	 * be the last of a process that is killed, without the flag. */
	return (f.flags & PF_EXITING) ? f.exit_code & 0x7f : 0;
}

uint64_t proc_started_ms(pid_t tid)
{
	long hz = sysconf(_SC_CLK_TCK);
	struct stat_fields f;

	if (hz <= 0 || read_stat(tid, &f) < 0)
		return 0;
	return f.started * 1000 / (uint64_t)hz;
}

/* System calls that close files, or end the process, which does so. */
static bool may_close(long number)
{
	static const long closing[] = {
		SYS_close,    SYS_close_range, SYS_dup3,
		SYS_execve,   SYS_exit_group,  SYS_exit,
		SYS_execveat,
#ifdef SYS_dup2
		SYS_dup2,
#endif
		-1, /* none: it is ending */
	};

	for (size_t i = 0; i < sizeof(closing) / sizeof(*closing); i++)
		if (number == closing[i])
			return true;
	return false;
}

bool proc_closed(pid_t tid, uint64_t *user)
{
	struct stat_fields f;
	char text[256], *end;
	long number;

	if (read_stat(tid, &f) < 0 || f.state == 'Z' || f.state == 'X')
		return true;
	if (*user == UINT64_MAX)
		*user = f.user;
	if (f.user > *user)
		return true;
	if (read_proc(tid, "syscall", text, sizeof(text)) <= 0)
		return true;
	number = strtol(text, &end, 10);
	return end != text && !may_close(number); /* else: "running" */
}

int proc_lock_fd(pid_t tid)
{
	char text[256], *at;
	long number;

	if (read_proc(tid, "syscall", text, sizeof(text)) <= 0)
		return -ESRCH;
	number = strtol(text, &at, 10);
	if (number != SYS_fcntl && number != SYS_flock && number != SYS_ioctl)
		return -ESRCH;
	return (int)strtoul(at, NULL, 16);
}

int proc_wants_ofd(pid_t tid)
{
	char text[256], *at;
	long command;

	/* "NUMBER ARGUMENT ARGUMENT ...", in hexadecimal but for the first. */
	if (read_proc(tid, "syscall", text, sizeof(text)) <= 0 ||
	    strtol(text, &at, 10) != SYS_fcntl)
		return -ESRCH;
	(void)strtoul(at, &at, 16);
	command = strtol(at, NULL, 16);
	return command == F_OFD_SETLK || command == F_OFD_SETLKW ||
	       command == F_OFD_GETLK;
}

bool proc_alive(pid_t tid)
{
	struct pollfd poll_fd = {.events = POLLIN};
	struct stat_fields f;
	int r;

	if (tid <= 0)
		return false;
	poll_fd.fd = pidfd_open_thread(tid, PIDFD_THREAD);
	if (poll_fd.fd >= 0) {
		r = poll(&poll_fd, 1, 0);
		close(poll_fd.fd);
		return r <= 0;
	}
	if (errno == ESRCH)
		return false;
	return read_stat(tid, &f) == 0 && f.state != 'Z' && f.state != 'X';
}

struct fd_search {
	int dirfd;        /* /proc/TGID/fdinfo */
	int linkfd;       /* /proc/TGID/fd, and ... */
	const char *name; /* ... what its links end with; NULL: anything */
	uint64_t ino;
	int mnt_id;
	int max;
	int found;
	int *fds; /* those found; may be NULL */
	int looked_at;
	bool no_ino; /* before Linux 5.14 fdinfo does not say */
};

/* Whether the path that the kernel shows for a descriptor may be one of the
 * file: half the price of its fdinfo.  -1: it is not open. */
static int may_be_it(const struct fd_search *s, const char *number)
{
	char path[PATH_MAX];
	size_t len = strlen(s->name);
	ssize_t n = readlinkat(s->linkfd, number, path, sizeof(path));

	if (n < 0)
		return errno == ENOENT ? -1 : 1;
	if (n == sizeof(path) ||
	    (n > 10 && !memcmp(path + n - 10, " (deleted)", 10)))
		return 1;
	return (size_t)n > len && path[n - (ssize_t)len - 1] == '/' &&
	       !memcmp(path + n - len, s->name, len);
}

static void note_found(struct fd_search *s, const char *name)
{
	if (s->fds)
		s->fds[s->found] = (int)strtol(name, NULL, 10);
	s->found++;
}

/* Look at one descriptor.  False: it is not open. */
static bool look_at(struct fd_search *s, const char *name)
{
	char text[FDINFO_ROOM];
	uint64_t ino, mnt_id;
	int maybe = s->name ? may_be_it(s, name) : 1;

	if (maybe < 0)
		return false;
	if (!maybe) {
		s->looked_at++;
		return true;
	}
	if (read_start(s->dirfd, name, text, sizeof(text)) <= 0)
		return false;
	s->looked_at++;
	if (!line_number(text, "\nino:", &ino))
		s->no_ino = true;
	else if (ino == s->ino &&
		 (s->mnt_id < 0 || (line_number(text, "\nmnt_id:", &mnt_id) &&
				    mnt_id == (uint64_t)s->mnt_id)))
		note_found(s, name);
	return true;
}

static bool search_over(const struct fd_search *s)
{
	return s->found >= s->max || s->looked_at >= FDS_MAX;
}

struct dirent64_head {
	uint64_t d_ino;
	int64_t d_off;
	uint16_t d_reclen;
	uint8_t d_type;
	char d_name[];
};

/* Look at the descriptors from @first on, as the directory lists them. */
static int search_listed(struct fd_search *s, unsigned long first)
{
	_Alignas(struct dirent64_head) char buf[1024];
	const struct dirent64_head *d;
	long n, at;

	for (;;) {
		n = syscall(SYS_getdents64, s->dirfd, buf, sizeof(buf));
		if (n <= 0)
			return n < 0 ? -errno : 0;
		for (at = 0; at < n; at += d->d_reclen) {
			d = (const struct dirent64_head *)(buf + at);
			if (d->d_name[0] == '.' ||
			    strtoul(d->d_name, NULL, 10) < first)
				continue;
			(void)look_at(s, d->d_name);
			if (search_over(s))
				return 0;
		}
	}
}

static int search_fds(struct fd_search *s)
{
	unsigned long fd, n_open = 0, misses = 0;
	struct stat st;
	char number[24];
	int r = 0;

	/* Since Linux 6.2 the size of this directory is the number of open
	 * descriptors; 0 before, or without permission. */
	if (fstat(s->linkfd, &st) == 0 && st.st_size > 0)
		n_open = st.st_size;
	for (fd = 0; n_open > 0 && misses < MISSES_MAX; fd++) {
		snprintf(number, sizeof(number), "%lu", fd);
		if (look_at(s, number))
			n_open--;
		else
			misses++;
		if (search_over(s))
			break;
	}
	if (!search_over(s) && (n_open > 0 || fd == 0))
		r = search_listed(s, fd);
	if (r == 0 && s->no_ino)
		r = -EOPNOTSUPP;
	if (r == 0 && s->found < s->max && s->looked_at >= FDS_MAX)
		r = -E2BIG;
	return r < 0 ? r : s->found;
}

static int search(struct fd_search *s, pid_t tgid)
{
	char path[64];
	int r;

	if (tgid <= 0)
		return -ESRCH;
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)tgid);
	s->linkfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->linkfd < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/%d/fdinfo", (int)tgid);
	s->dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = s->dirfd < 0 ? -errno : search_fds(s);
	if (s->dirfd >= 0)
		close(s->dirfd);
	close(s->linkfd);
	return r;
}

int proc_count_fds(pid_t tgid, uint64_t ino, const char *name, int mnt_id,
		   int max)
{
	struct fd_search s = {
		.ino = ino, .name = name, .mnt_id = mnt_id, .max = max};

	return search(&s, tgid);
}

int proc_find_fds(pid_t tgid, uint64_t ino, int *fds, int max)
{
	struct fd_search s = {.ino = ino, .fds = fds, .mnt_id = -1, .max = max};
	int r = search(&s, tgid);

	if (r == -E2BIG && s.found < max)
		fds[s.found] = -1;
	return r;
}

int proc_same_file(pid_t tid_a, int a, pid_t tid_b, int b)
{
	long r = syscall(SYS_kcmp, tid_a, tid_b, KCMP_FILE, a, b);

	return r < 0 ? -errno : r == 0;
}

bool proc_fd_info(pid_t tgid, int fd, uint64_t *ret_ino, int *ret_flags)
{
	char text[FDINFO_ROOM], name[24];
	const char *flags;

	snprintf(name, sizeof(name), "fdinfo/%d", fd);
	if (read_proc(tgid, name, text, sizeof(text)) <= 0 ||
	    !line_number(text, "\nino:", ret_ino))
		return false;
	flags = strstr(text, "\nflags:");
	if (!flags)
		return false;
	*ret_flags = (int)strtol(flags + strlen("\nflags:"), NULL, 8);
	return true;
}

void proc_command(pid_t tid, char *buf, size_t size)
{
	size_t n;

	if (size == 0)
		return;
	if (size < 2 || read_proc(tid, "comm", buf, size) <= 0) {
		buf[0] = '\0';
		return;
	}
	/* The kernel adds one newline; a name may hold others. */
	n = strlen(buf);
	if (buf[n - 1] == '\n')
		buf[n - 1] = '\0';
}

int proc_open(pid_t tgid)
{
	int fd;

	if (tgid <= 0)
		return -ESRCH;
	fd = pidfd_open_thread(tgid, 0);
	return fd < 0 ? -errno : fd;
}

bool proc_pidfd_over(int pidfd)
{
	struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};

	return poll(&poll_fd, 1, 0) > 0;
}

/* 1: the process of @pidfd was reaped, *ret_code is its wait status; 0: not
 * yet, *ret_pid is its id; -errno. */
static int pidfd_info(int pidfd, int *ret_code, pid_t *ret_pid)
{
	struct pidfd_info_v0 info = {
		.mask = PIDFD_INFO_PID_BIT | PIDFD_INFO_EXIT_BIT,
	};

	if (ioctl(pidfd, PIDFD_GET_INFO_V0, &info) < 0)
		return -errno;
	if (info.mask & PIDFD_INFO_EXIT_BIT) {
		*ret_code = info.exit_code;
		return 1;
	}
	*ret_pid = info.pid;
	return 0;
}

int proc_pidfd_killed_by(int pidfd)
{
	int r, sig, code = 0;
	pid_t pid = 0;

	r = pidfd_info(pidfd, &code, &pid);
	if (r == 0) {
		/* Dying or a zombie, perhaps. */
		sig = proc_killed_by(pid);
		if (sig > 0)
			return sig;
		/* It may have been reaped between the two looks. */
		r = pidfd_info(pidfd, &code, &pid);
	}
	return r == 1 ? code & 0x7f : 0;
}
