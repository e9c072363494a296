/* SPDX-License-Identifier: MIT
 *
 * fsync(2) that goes on while an event loop does something else: by Linux AIO
 * (io_submit(2)), whose work is done by a thread of the kernel.  One context
 * for the process; each flush has a descriptor of its own that becomes readable
 * when it is over.  Whoever looks at his, takes what is ready of all.
 *
 * A flush of which nobody wants to know any more stays here until it is over.
 */
#include "file/inside.h"

#include <errno.h>
#include <linux/aio_abi.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST_AT_ONCE 128

struct atio_flush {
	struct iocb iocb;
	int event;
	int result; /* -EAGAIN: not over; the mutex of @state */
	bool forgotten;
};

static struct {
	pthread_mutex_t mutex;
	aio_context_t context; /* 0: none yet */
	bool refused;
} state = {.mutex = PTHREAD_MUTEX_INITIALIZER};

void atio_flush_fork(int stage)
{
	const pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;

	if (stage == 0) {
		pthread_mutex_lock(&state.mutex);
	} else if (stage == 1) {
		pthread_mutex_unlock(&state.mutex);
	} else {
		state.context = 0; /* the parent's, and not in this memory */
		state.mutex = fresh;
	}
}

/* With the mutex held. */
static bool have_context(void)
{
	if (!state.context && !state.refused)
		state.refused = syscall(SYS_io_setup, MOST_AT_ONCE,
					&state.context) < 0;
	return !state.refused;
}

static int submit(struct atio_flush *flush)
{
	struct iocb *one = &flush->iocb;
	int r = -EOPNOTSUPP;

	pthread_mutex_lock(&state.mutex);
	if (have_context() &&
	    syscall(SYS_io_submit, state.context, 1L, &one) == 1)
		r = 0;
	pthread_mutex_unlock(&state.mutex);
	return r;
}

int atio_flush_begin(int fd, struct atio_flush **ret_flush)
{
	struct atio_flush *flush = calloc(1, sizeof(*flush));
	int r;

	if (!flush)
		return -ENOMEM;
	flush->result = -EAGAIN;
	flush->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (flush->event < 0) {
		free(flush);
		return -EOPNOTSUPP;
	}
	flush->iocb.aio_lio_opcode = IOCB_CMD_FSYNC;
	flush->iocb.aio_fildes = (uint32_t)fd;
	flush->iocb.aio_flags = IOCB_FLAG_RESFD;
	flush->iocb.aio_resfd = (uint32_t)flush->event;
	flush->iocb.aio_data = (uintptr_t)flush;
	r = submit(flush);
	if (r < 0) {
		close(flush->event);
		free(flush);
		return r;
	}
	*ret_flush = flush;
	return 0;
}

int atio_flush_fd(const struct atio_flush *flush)
{
	return flush->event;
}

static void flush_delete(struct atio_flush *flush)
{
	close(flush->event);
	free(flush);
}

/* With the mutex held: note all that is over. */
static void reap(void)
{
	struct timespec now = {0};
	struct io_event events[16];
	long n;

	while (state.context &&
	       (n = syscall(SYS_io_getevents, state.context, 0L,
			    (long)(sizeof(events) / sizeof(*events)), events,
			    &now)) > 0) {
		for (long i = 0; i < n; i++) {
			struct atio_flush *flush =
				(void *)(uintptr_t)events[i].data;

			flush->result = (int)events[i].res;
			if (flush->forgotten)
				flush_delete(flush);
		}
	}
}

int atio_flush_result(struct atio_flush *flush)
{
	int r;

	pthread_mutex_lock(&state.mutex);
	if (flush->result == -EAGAIN)
		reap();
	r = flush->result;
	pthread_mutex_unlock(&state.mutex);
	return r;
}

void atio_flush_free(struct atio_flush *flush)
{
	bool over;

	if (!flush)
		return;
	pthread_mutex_lock(&state.mutex);
	reap();
	over = flush->result != -EAGAIN;
	flush->forgotten = !over;
	pthread_mutex_unlock(&state.mutex);
	if (over)
		flush_delete(flush);
}
