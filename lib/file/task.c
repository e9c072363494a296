/* SPDX-License-Identifier: MIT
 *
 * One operation, step by step.
 *
 *	BEGIN --> ASK --> LOCK --> WORK --> FLUSH --> PUBLISH --> SYNC --> DONE
 *	           |       ^  |      ^                   |
 *	           v       |  v      +---- -ESTALE ------+
 *	         ASKED ----+  back to ASK: the path leads elsewhere by now
 *
 * Reading, and locking as such, are done after WORK; deleting goes from WORK to
 * SYNC.  A step returns 0 (go on with task->step), PARKED (the descriptor will
 * tell), or -errno, which ends the task.
 *
 * The point of no return is PUBLISH, which is one rename: whoever frees the
 * task before that, or kills the process, changes nothing.  (On a mount it is
 * the fsync of FLUSH, which publishes.)  After it the file is replaced, and
 * only the flush of its directory is cut short.
 */
#include "file/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PARKED 1
#define WAITED 2 /* in vain, so far */
/* How often a stranger may change what is being replaced. */
#define MAX_TRIES 16
/* How long a mount may let one wait: a file that is deleted there takes its
 * locks, and those who wait for them, along. */
#define LONGEST_NS 2000000000u

bool atio_task_reads(const struct atio_task *task)
{
	return task->request.kind == ATIO_TASK_READ ||
	       task->request.kind == ATIO_TASK_READ_BYTES;
}

static bool needs_value(const struct atio_task *task)
{
	return task->request.kind == ATIO_TASK_WRITE ||
	       task->request.kind == ATIO_TASK_UPDATE;
}

static bool is_try(const struct atio_task *task)
{
	return task->request.timeout_ms == ATIO_TRY;
}

static int too_late(struct atio_task *task)
{
	return atio_fail(&task->err.error, ETIMEDOUT,
			 "'%s' was not unlocked in time", task->file->path);
}

static int not_free(struct atio_task *task)
{
	return atio_fail(&task->err.error, EAGAIN, "'%s' is locked",
			 task->file->path);
}

/* ---- the lock ----------------------------------------------------------- */

static void give_up(struct atio_task *task)
{
	atio_claim_put(task->claim);
	task->claim = NULL;
	if (task->ask && atio_ask_fd(task->ask) >= 0)
		atio_waiter_remove(&task->waiter, atio_ask_fd(task->ask));
	atio_ask_free(task->ask);
	task->ask = NULL;
	atio_place_done(&task->place);
}

static int ask_again(struct atio_task *task)
{
	give_up(task);
	task->step = STEP_ASK;
	return 0;
}

static int step_begin(struct atio_task *task)
{
	const struct atio_task_request *request = &task->request;

	task->step = STEP_ASK;
	task->text = request->bytes;
	task->text_len = request->len;
	if (request->kind == ATIO_TASK_WRITE)
		return atio_values_dump(task, request->value);
	if (request->kind == ATIO_TASK_APPEND)
		return atio_values_pack(task);
	if (request->kind == ATIO_TASK_UNLOCK) {
		task->step = STEP_DONE;
		return atio_section_leave(task->file, request->owner);
	}
	return 0;
}

static int step_ask(struct atio_task *task)
{
	struct atio_error *err = &task->err.error;
	int r = atio_place_find(task->file->path, 0, &task->place, err);

	if (r < 0)
		return r;
	if (!atio_task_reads(task))
		task->exclusive = true;
	task->claim = atio_claim_find(task->owner, &task->place);
	r = atio_ask_new(task->owner, &task->place,
			 !task->exclusive && !task->claim, !is_try(task),
			 &task->ask);
	if (r == -EAGAIN)
		return not_free(task);
	if (r < 0)
		return atio_fail(err, -r,
				 r == -EDEADLK
					 ? "whoever has '%s' locked waits for "
					   "what is locked here"
					 : "get into line for '%s'",
				 task->file->path);
	task->step = STEP_LOCK;
	if (r == 0)
		return 0;
	task->waited = true;
	task->step = STEP_ASKED;
	r = atio_waiter_add(&task->waiter, atio_ask_fd(task->ask));
	if (!r)
		r = atio_waiter_arm(&task->waiter, task->deadline, false);
	return r < 0 ? atio_fail(err, -r, "wait: %s", strerror(-r)) : 0;
}

static int step_asked(struct atio_task *task)
{
	int r = atio_ask_result(task->ask);

	atio_waiter_clear(&task->waiter);
	if (r == -EAGAIN)
		return atio_now_ns() >= task->deadline ? too_late(task)
						       : PARKED;
	if (r < 0)
		return atio_fail(&task->err.error, -r, "wait for '%s': %s",
				 task->file->path, strerror(-r));
	atio_waiter_remove(&task->waiter, atio_ask_fd(task->ask));
	task->step = STEP_LOCK;
	return 0;
}

/* Whether the path still leads where the lock is. */
static int is_elsewhere(struct atio_task *task, const struct atio_place *here)
{
	struct atio_place now = {.dir = {.fd = -1}};
	int r = atio_place_find(task->file->path, ATIO_PLACE_LOOK, &now,
				&task->err.error);

	if (r == 0)
		r = !atio_place_equal(&now, here);
	atio_place_done(&now);
	return r;
}

/* Somebody has it. */
static int wait_for_claim(struct atio_task *task)
{
	struct atio_claim *claim = task->claim;
	bool is_dir;
	int r, fd;

	if (is_try(task)) {
		/* Perhaps somebody who only looks if it is free. */
		if (!claim->waits_for_name || task->tries++ >= MAX_TRIES)
			return not_free(task);
		(void)sched_yield();
		return 0;
	}
	if (atio_now_ns() >= task->deadline)
		return too_late(task);
	task->waited = true;
	pthread_mutex_lock(&claim->mutex);
	is_dir = claim->waits_for_name || !claim->hold;
	fd = is_dir ? claim->place.dir.fd : claim->hold->fd.fd;
	r = atio_waiter_watch(&task->waiter, fd, is_dir);
	pthread_mutex_unlock(&claim->mutex);
	if (r > 0) /* what happened before that was not told */
		return 0;
	if (r == 0)
		r = atio_waiter_arm(&task->waiter, task->deadline, true);
	return r < 0 ? atio_fail(&task->err.error, -r, "wait: %s", strerror(-r))
		     : PARKED;
}

/* WAITED: it should look where the path leads before it waits again. */
static int lock_claim(struct atio_task *task)
{
	struct atio_claim *claim = task->claim;
	uint64_t now = atio_now_ns(), wait_ns = 0;
	struct atio_error why = ATIO_ERROR_INIT;
	int r;

	if (task->blocks && !is_try(task) && task->deadline > now) {
		wait_ns = task->deadline - now;
		if (wait_ns > LONGEST_NS)
			wait_ns = LONGEST_NS;
	}
	pthread_mutex_lock(&claim->mutex);
	r = atio_claim_lock(claim, wait_ns, &why);
	pthread_mutex_unlock(&claim->mutex);
	if (r == -ETIMEDOUT && atio_now_ns() - now >= LONGEST_NS)
		return WAITED;
	return why.code ? atio_fail(&task->err.error, why.code, "%s", why.text)
			: r;
}

static int make_claim(struct atio_task *task)
{
	if (task->claim)
		return 0;
	return atio_claim_new(task->owner, &task->place, !task->exclusive,
			      &task->claim);
}

static int step_lock(struct atio_task *task)
{
	int r = make_claim(task);

	if (r < 0)
		return r;
	atio_waiter_clear(&task->waiter);
	r = lock_claim(task);
	if (r == -EAGAIN)
		return wait_for_claim(task);
	if (r == WAITED) {
		task->waited = true;
		return 0;
	}
	if (r == -ESTALE)
		return ask_again(task);
	if (r < 0)
		return r == -ETIMEDOUT ? too_late(task) : r;
	atio_waiter_rest(&task->waiter);
	if (task->waited) {
		r = is_elsewhere(task, &task->claim->place);
		if (r < 0)
			return r;
		if (r)
			return ask_again(task);
	}
	r = atio_replace_settle(task);
	if (r == -ESTALE) {
		task->exclusive = true;
		return ask_again(task);
	}
	task->step = STEP_WORK;
	return r;
}

/* ---- the work ----------------------------------------------------------- */

static bool is_on_mount(const struct atio_claim *claim)
{
	struct stat st;

	if (claim->hold)
		return claim->hold->on_mount;
	return fstat(claim->place.dir.fd, &st) == 0 &&
	       atio_mount_is(claim->place.dir.fd, &st);
}

/* @most of a document, which is refused above that anyway. */
static size_t most_bytes(const struct atio_task *task)
{
	return task->request.kind == ATIO_TASK_READ_BYTES
		       ? SIZE_MAX
		       : task->file->limits.input_bytes;
}

/* What is current there is a new version, perhaps this owner's own. */
static int read_current(struct atio_task *task)
{
	const struct atio_place *place = &task->claim->place;
	int r, fd = openat(place->dir.fd, place->name,
			   O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY |
				   O_CLOEXEC);

	if (fd < 0)
		return -errno;
	r = atio_content_read(fd, most_bytes(task), &task->bytes, &task->len);
	close(fd);
	return r;
}

static int read_bytes(struct atio_task *task)
{
	struct atio_claim *claim = task->claim;
	struct stat st;
	int r = 0;

	pthread_mutex_lock(&claim->mutex);
	if (!claim->shared) /* else it was looked at just now */
		r = atio_claim_refresh(claim, &st, &task->err.error);
	if (r < 0)
		;
	else if (!claim->hold)
		r = -ENOENT;
	else if (claim->hold->on_mount)
		r = read_current(task);
	else
		r = atio_content_read(task->source >= 0 ? task->source
							: claim->hold->fd.fd,
				      most_bytes(task), &task->bytes,
				      &task->len);
	pthread_mutex_unlock(&claim->mutex);
	if (r == -EFBIG)
		return atio_fail(&task->err.error, EFBIG,
				 "larger than %zu bytes of input",
				 most_bytes(task));
	if (r == -EBADF) /* it could only be opened for writing */
		r = -EACCES;
	return r < 0 ? atio_fail(&task->err.error, -r, "read '%s': %s",
				 task->file->path, strerror(-r))
		     : 0;
}

static int step_stage(struct atio_task *task)
{
	int r = is_on_mount(task->claim) ? atio_mount_stage(task)
					 : atio_replace_stage(task);

	if (r == -ESTALE && task->tries++ < MAX_TRIES)
		return 0; /* once more */
	task->step = STEP_FLUSH;
	return r;
}

static int step_update(struct atio_task *task)
{
	int r;

	if (!task->text) {
		r = read_bytes(task);
		if (r == -ENOENT) { /* as good as an empty one */
			const struct atio_value_error none =
				ATIO_VALUE_ERROR_INIT;

			task->err = none;
			r = 0;
		}
		if (!r)
			r = atio_values_update(task);
		if (r < 0)
			return r;
	}
	return step_stage(task);
}

static int step_work(struct atio_task *task)
{
	int r;

	switch (task->request.kind) {
	case ATIO_TASK_READ:
	case ATIO_TASK_READ_BYTES:
		task->step = STEP_DONE;
		r = read_bytes(task);
		if (!r && task->request.kind == ATIO_TASK_READ)
			r = atio_values_load(task);
		return r;
	case ATIO_TASK_UPDATE:
		return step_update(task);
	case ATIO_TASK_DELETE:
		task->step = STEP_SYNC;
		return atio_replace_delete(task);
	case ATIO_TASK_LOCK:
		task->step = STEP_DONE;
		return atio_section_enter(task);
	default:
		return step_stage(task);
	}
}

/* ---- to disk ------------------------------------------------------------ */

/* Let the kernel flush @fd while others go on, if that is wanted and can be. */
static void begin_flush(struct atio_task *task, int fd)
{
	if (task->blocks || task->request.flags & ATIO_TASK_FLUSH_HERE ||
	    atio_flush_begin(fd, &task->flush) < 0)
		return;
	if (atio_waiter_add(&task->waiter, atio_flush_fd(task->flush)) == 0)
		return;
	atio_flush_free(task->flush);
	task->flush = NULL;
}

/* fsync @fd.  PARKED, or its result. */
static int flush(struct atio_task *task, int fd)
{
	int r;

	if (!task->flush)
		begin_flush(task, fd);
	if (!task->flush)
		return fsync(fd) < 0 ? -errno : 0;
	r = atio_flush_result(task->flush);
	if (r == -EAGAIN)
		return PARKED;
	atio_waiter_remove(&task->waiter, atio_flush_fd(task->flush));
	atio_flush_free(task->flush);
	task->flush = NULL;
	return r;
}

static int step_flush(struct atio_task *task)
{
	bool on_mount = task->transaction.fd >= 0;
	int r = 0;

	if (task->file->durable && !on_mount && task->blocks)
		r = atio_loose_flush(&task->loose, &task->err.error);
	else if (task->file->durable)
		r = flush(task, on_mount ? task->transaction.fd
					 : task->loose.fd);
	if (r < 0)
		return atio_fail(&task->err.error, -r, "flush to disk: %s",
				 strerror(-r));
	if (r == 0)
		task->step = STEP_PUBLISH;
	return r;
}

static int step_publish(struct atio_task *task)
{
	bool on_mount = task->transaction.fd >= 0;
	int r = on_mount ? atio_mount_publish(task)
			 : atio_replace_publish(task);

	/* In place, the directory has lost nothing but our copy. */
	task->step = on_mount || task->in_place ? STEP_DONE : STEP_SYNC;
	if (r == -ESTALE && task->tries++ < MAX_TRIES) {
		task->step = STEP_WORK;
		r = 0;
	}
	return r;
}

static int step_sync(struct atio_task *task)
{
	const struct atio_place *place = &task->claim->place;
	const struct atio_hold *hold = task->claim->hold;
	int r = 0;

	if (!task->flush) /* else it is asked whether that is over */
		ATIO_FAULT("file.sync");
	if (!task->file->durable)
		r = 0;
	else if (place->readable)
		r = flush(task, place->dir.fd);
	else
		r = atio_place_sync(place, hold ? hold->fd.fd : -1);
	if (r == 0)
		task->step = STEP_DONE;
	return r < 0 ? atio_fail(&task->err.error, -r,
				 "flush the directory to disk: %s",
				 strerror(-r))
		     : r;
}

/* ---- running ------------------------------------------------------------ */

static int (*const steps[])(struct atio_task *task) = {
	[STEP_BEGIN] = step_begin,     [STEP_ASK] = step_ask,
	[STEP_ASKED] = step_asked,     [STEP_LOCK] = step_lock,
	[STEP_WORK] = step_work,       [STEP_FLUSH] = step_flush,
	[STEP_PUBLISH] = step_publish, [STEP_SYNC] = step_sync,
};

/* Give everything back, in the reverse order. */
static void clean_up(struct atio_task *task)
{
	if (task->flush) {
		atio_waiter_remove(&task->waiter, atio_flush_fd(task->flush));
		atio_flush_free(task->flush);
	}
	task->flush = NULL;
	if (task->claim) {
		atio_mount_undo(task);
		atio_replace_undo(task);
	}
	if (task->source >= 0)
		close(task->source);
	task->source = -1;
	give_up(task);
	atio_owner_put(task->owner);
	task->owner = NULL;
	if (!atio_task_reads(task)) {
		free(task->bytes);
		task->bytes = NULL;
	}
}

/* 0: done (task->result); PARKED. */
static int run(struct atio_task *task)
{
	int r = 0;

	while (!r && task->step != STEP_DONE)
		r = steps[task->step](task);
	if (r == PARKED)
		return PARKED;
	task->step = STEP_DONE;
	task->result = r;
	if (r < 0)
		(void)atio_fail(&task->err.error, -r, "%s: %s",
				task->file->path, strerror(-r));
	clean_up(task);
	return 0;
}

static bool is_valid(const struct atio_task_request *request)
{
	return request->version == ATIO_TASK_REQUEST_VERSION &&
	       (unsigned)request->kind <= ATIO_TASK_UNLOCK &&
	       request->owner && request->timeout_ms >= ATIO_WAIT &&
	       (request->bytes || !request->len);
}

static int init(struct atio_task *task, struct atio_file *file,
		const struct atio_task_request *request)
{
	const struct atio_waiter waiter = ATIO_WAITER_INIT;
	const struct atio_loose loose = ATIO_LOOSE_INIT;

	task->file = file;
	task->request = *request;
	task->generation = atio_generation();
	task->waiter = waiter;
	task->loose = loose;
	task->place.dir.fd = task->loose_kept.fd = task->transaction.fd = -1;
	task->source = -1;
	task->deadline = ATIO_NEVER;
	if (request->timeout_ms >= 0)
		task->deadline = atio_now_ns() +
				 (uint64_t)request->timeout_ms * 1000000u;
	if (!is_valid(request) || (needs_value(task) && !request->value))
		return -EINVAL;
	task->owner = atio_owner_get(request->owner);
	return task->owner ? 0 : -ENOMEM;
}

int atio_task_do(struct atio_file *file,
		 const struct atio_task_request *request,
		 struct atio_task *task, struct atio_value_error *err)
{
	int r = init(task, file, request);

	if (r < 0)
		return atio_fail(atio_error_of(err), -r, "%s", strerror(-r));
	task->blocks = true;
	while (run(task) == PARKED) {
		struct pollfd fd = {.fd = task->waiter.epoll, .events = POLLIN};

		(void)poll(&fd, 1, -1); /* after a signal, it goes on */
	}
	atio_waiter_done(&task->waiter);
	if (task->result < 0 && err && !err->error.code)
		*err = task->err;
	return task->result;
}

/* ---- for an event loop -------------------------------------------------- */

int atio_task_begin(struct atio_file *file,
		    const struct atio_task_request *request,
		    struct atio_task **ret_task, struct atio_value_error *err)
{
	struct atio_task *task = calloc(1, sizeof(*task));
	int r;

	if (!task)
		return atio_fail(atio_error_of(err), ENOMEM, "out of memory");
	r = request->owner > ATIO_OWNER_MAX ? -EINVAL
					    : init(task, file, request);
	if (!r)
		r = atio_waiter_open(&task->waiter);
	if (r < 0) {
		atio_owner_put(task->owner);
		free(task);
		return atio_fail(atio_error_of(err), -r, "begin: %s",
				 strerror(-r));
	}
	*ret_task = task;
	return 0;
}

int atio_task_run(struct atio_task *task)
{
	if (task->generation != atio_generation())
		return -ECHILD; /* it is the parent's */
	if (task->step != STEP_DONE && run(task) == PARKED)
		return -EAGAIN;
	/* The same number has two meanings: this one is final. */
	return task->result == -EAGAIN ? -EBUSY : task->result;
}

int atio_task_fd(const struct atio_task *task)
{
	return task->waiter.epoll;
}

struct atio_doc *atio_task_take_doc(struct atio_task *task)
{
	struct atio_doc *doc = task->step == STEP_DONE ? task->doc : NULL;

	if (doc)
		task->doc = NULL;
	return doc;
}

char *atio_task_take_bytes(struct atio_task *task, size_t *ret_len)
{
	char *bytes = task->step == STEP_DONE ? task->bytes : NULL;

	if (bytes) {
		*ret_len = task->len;
		task->bytes = NULL;
	}
	return bytes;
}

const struct atio_value_error *atio_task_error(const struct atio_task *task)
{
	return &task->err;
}

void atio_task_free(struct atio_task *task)
{
	if (!task)
		return;
	/* In a child of fork everything but the memory is the parent's. */
	if (task->step != STEP_DONE && task->generation == atio_generation())
		clean_up(task);
	atio_waiter_done(&task->waiter);
	atio_doc_free(task->doc);
	free(task->bytes);
	free(task);
}
