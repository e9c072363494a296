/* SPDX-License-Identifier: MIT
 *
 * Waiting without a thread, and without looking again and again.
 *
 * The kernel tells nobody that a flock is free; but a lock goes with the close
 * of a file, and of that inotify(7) tells.  Whatever it does not tell (somebody
 * unlocks and keeps the file open; another machine; no inotify left) is found
 * by looking, at intervals that grow from one millisecond to a quarter of a
 * second and begin anew with each sign.
 */
#include "file/inside.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define SHORTEST_NS 1000000u
#define LONGEST_NS  250000000u

int atio_waiter_open(struct atio_waiter *waiter)
{
	if (waiter->epoll < 0)
		waiter->epoll = epoll_create1(EPOLL_CLOEXEC);
	return waiter->epoll < 0 ? -errno : 0;
}

int atio_waiter_add(struct atio_waiter *waiter, int fd)
{
	struct epoll_event event = {.events = EPOLLIN};
	int r = atio_waiter_open(waiter);

	if (r < 0)
		return r;
	return epoll_ctl(waiter->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno
								       : 0;
}

void atio_waiter_remove(struct atio_waiter *waiter, int fd)
{
	struct epoll_event event = {.events = 0};

	(void)epoll_ctl(waiter->epoll, EPOLL_CTL_DEL, fd, &event);
}

static int open_inotify(struct atio_waiter *waiter)
{
	int r;

	if (waiter->inotify >= 0)
		return 0;
	waiter->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (waiter->inotify < 0)
		return -errno;
	r = atio_waiter_add(waiter, waiter->inotify);
	if (r < 0) {
		close(waiter->inotify);
		waiter->inotify = -1;
	}
	return r;
}

int atio_waiter_watch(struct atio_waiter *waiter, int fd, bool is_dir)
{
	const uint32_t file = IN_CLOSE | IN_ATTRIB | IN_MOVE_SELF |
			      IN_DELETE_SELF;
	const uint32_t dir = IN_CLOSE_NOWRITE | IN_CREATE | IN_MOVED_TO |
			     IN_MOVE_SELF | IN_DELETE_SELF | IN_ATTRIB;
	char path[32];
	struct stat st;
	int watch;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (waiter->watch_ino == st.st_ino && waiter->watch_dev == st.st_dev)
		return 0;
	waiter->pause_ns = 0;
	if (open_inotify(waiter) == 0) {
		if (waiter->watch >= 0)
			(void)inotify_rm_watch(waiter->inotify, waiter->watch);
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		watch = inotify_add_watch(waiter->inotify, path,
					  is_dir ? dir : file);
		waiter->watch = watch;
	}
	/* If it is not watched, the clock will do. */
	waiter->watch_ino = st.st_ino;
	waiter->watch_dev = st.st_dev;
	return 1;
}

static uint64_t next_pause(struct atio_waiter *waiter)
{
	uint64_t pause = waiter->pause_ns ? 2 * waiter->pause_ns : SHORTEST_NS;
	uint32_t part = 0;

	if (pause > LONGEST_NS)
		pause = LONGEST_NS;
	waiter->pause_ns = pause;
	/* Two that were in each other's way must not meet again. */
	if (getrandom(&part, sizeof(part), GRND_NONBLOCK) != sizeof(part))
		part = (uint32_t)getpid() * 2654435761u;
	return pause / 2 + (pause / 2 * (part >> 16) >> 16);
}

int atio_waiter_arm(struct atio_waiter *waiter, uint64_t deadline, bool retry)
{
	struct itimerspec spec = {0};
	uint64_t at = deadline;
	int r;

	if (retry) {
		uint64_t next = atio_now_ns() + next_pause(waiter);

		at = next < deadline ? next : deadline;
	}
	if (at == ATIO_NEVER && waiter->timer < 0)
		return 0;
	if (waiter->timer < 0) {
		waiter->timer = timerfd_create(CLOCK_MONOTONIC,
					       TFD_CLOEXEC | TFD_NONBLOCK);
		if (waiter->timer < 0)
			return -errno;
		r = atio_waiter_add(waiter, waiter->timer);
		if (r < 0)
			return r;
	}
	if (at != ATIO_NEVER) {
		spec.it_value.tv_sec = (time_t)(at / 1000000000u);
		spec.it_value.tv_nsec = (long)(at % 1000000000u);
		if (!at) /* zero would mean: never */
			spec.it_value.tv_nsec = 1;
	}
	return timerfd_settime(waiter->timer, TFD_TIMER_ABSTIME, &spec, NULL) <
			       0
		       ? -errno
		       : 0;
}

void atio_waiter_clear(struct atio_waiter *waiter)
{
	char events[4096]
		__attribute__((aligned(__alignof__(struct inotify_event))));
	uint64_t count;

	if (waiter->inotify >= 0)
		while (read(waiter->inotify, events, sizeof(events)) > 0)
			waiter->pause_ns = 0;
	if (waiter->timer >= 0)
		(void)!read(waiter->timer, &count, sizeof(count));
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void atio_waiter_rest(struct atio_waiter *waiter)
{
	close_fd(&waiter->inotify);
	close_fd(&waiter->timer);
	waiter->watch = -1;
	waiter->watch_ino = 0;
	waiter->pause_ns = 0;
}

void atio_waiter_done(struct atio_waiter *waiter)
{
	atio_waiter_rest(waiter);
	close_fd(&waiter->epoll);
}
