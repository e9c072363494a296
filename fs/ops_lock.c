/* SPDX-License-Identifier: MIT
 *
 * Requests for locks: flock(2), fcntl(2), and the ioctls of <atomicio/ioctl.h>.
 *
 * A request that has to wait is parked in the table, with all that its answer
 * needs; it costs no thread.  It is over when the table calls done(): granted,
 * cancelled by FUSE_INTERRUPT, or out of time.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#include <atomicio/ioctl.h>

#include "entry.h"
#include "guard.h"
#include "locks.h"
#include "log.h"
#include "ops.h"
#include "proc.h"
#include "session.h"

/* Of one process or open file, in one file. */
#define MAX_RANGES 100000

/* A request for a lock, until it is answered. */
struct call {
	struct fs *fs;
	fuse_req_t req;
	struct handle *h; /* stays: the kernel holds the file */
	struct lock_key key;
	struct atio_lock_request want;
	struct atio_ioc_lock arg;     /* of an ioctl */
	struct lock_process *process; /* of lock_watch.c */
	bool is_ioctl;
	bool starting; /* start() is not done with it: done() waits for that */
	bool waited;
	bool had;          /* some of it already, when it was asked for */
	uint64_t deadline; /* as of now_ms(); UINT64_MAX: none */
	bool early;        /* done() was called meanwhile, with ... */
	int result;
};

/* ---- the table ------------------------------------------------------- */

/* Of the clock that says when threads began. */
static uint64_t now_ms(void *ctx)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static uint64_t started_ms(void *ctx, pid_t tid)
{
	return proc_started_ms(tid);
}

int locks_init(struct fs *fs)
{
	const struct atio_lock_options options = {
		.version = ATIO_LOCK_OPTIONS_VERSION,
		.strict = fs->opts->locks_strict,
		.max_ranges = MAX_RANGES,
		.now = now_ms,
		.started = started_ms,
		.released = lock_released,
		.ctx = fs,
	};

	return atio_lock_table_new(&options, &fs->locks);
}

void locks_done(struct fs *fs)
{
	struct atio_lock_table *table = fs->locks;

	fs->locks = NULL;
	atio_lock_table_free(table);
}

unsigned locks_next_ms(struct fs *fs)
{
	uint64_t deadline = atio_lock_next_deadline(fs->locks);
	unsigned watch_ms = lock_watch_ms(fs);
	uint64_t now = now_ms(NULL);

	if (deadline <= now)
		return 0;
	return deadline - now < watch_ms ? (unsigned)(deadline - now)
					 : watch_ms;
}

void locks_expire(struct fs *fs)
{
	atio_lock_expire(fs->locks, now_ms(NULL));
}

/* Give up @want, which belongs to @h, wherever it is: it may be moved between
 * the two looks. */
static int put(struct fs *fs, const struct handle *h,
	       struct atio_lock_request *want)
{
	struct lock_key key, now;
	int r;

	lock_key_now(fs, h, &now);
	do {
		key = now;
		want->key = lock_key_lent(&key);
		r = atio_lock_put(fs->locks, want);
		lock_key_now(fs, h, &now);
	} while (!lock_key_equal(&key, &now) && (!want->counted || r < 0));
	return r;
}

/* ---- a request's life ------------------------------------------------ */

static void answer(struct call *call, int r)
{
	lock_watch_asked(call->fs, call->process, call->waited);
	if (r < 0 || !call->is_ioctl) {
		reply_err(call->req, r);
	} else {
		call->arg.count = atio_lock_depth(
			call->fs->locks, call->want.key, call->want.who.owner);
		fuse_reply_ioctl(call->req, 0, &call->arg, sizeof(call->arg));
	}
	free(call);
}

/* With fs->lock: whether what was granted is what the open file locks.  It may
 * have moved along with the file since it was asked for; or the file was moved
 * between the look at its key and the request. */
static bool is_in_place(struct call *call)
{
	struct lock_key now;

	lock_key_of(call->h, &now);
	if (lock_key_equal(&now, &call->key))
		return true;
	call->want.key = lock_key_lent(&now);
	if (!atio_lock_is_held(call->fs->locks, &call->want)) {
		call->want.key = lock_key_lent(&call->key);
		return false;
	}
	call->key = now;
	call->want.key = lock_key_lent(&call->key);
	return true;
}

/* With fs->lock: it was granted, and there is nothing more to do. */
static bool is_complete(struct call *call)
{
	return is_in_place(call) && !lock_is_stale(call->fs, call->h);
}

static void start(struct call *call);

/* With what is left of its time.  -ETIMEDOUT: nothing is. */
static int begin_anew(struct call *call)
{
	uint64_t now = now_ms(NULL);

	if (call->deadline != UINT64_MAX) {
		if (call->deadline <= now)
			return -ETIMEDOUT;
		call->want.timeout_ms = call->deadline - now;
	}
	start(call);
	return 0;
}

/* Granted: bring about that the open file reads what is current. */
static void complete(struct call *call)
{
	struct fs *fs = call->fs;
	bool in_place;
	int r;

	fs_lock(fs);
	r = lock_refresh(fs, call->req, call->h);
	in_place = is_in_place(call);
	fs_unlock(fs);
	if (r == 0 && in_place) {
		answer(call, 0);
		return;
	}
	/* To give up what it had before is not for a failure to do. */
	if (r == 0 || !call->had || call->want.counted)
		(void)atio_lock_put(fs->locks, &call->want);
	if (r == 0)
		r = begin_anew(call);
	if (r < 0)
		answer(call, r);
}

static void complete_job(struct fs *fs, void *arg)
{
	complete(arg);
}

/* On whatever thread brought it about, which has more to do. */
static void done(void *arg, int result)
{
	struct call *call = arg;
	struct fs *fs = call->fs;
	bool is_over;

	fs_lock(fs);
	if (call->starting) {
		call->early = true;
		call->result = result;
		fs_unlock(fs);
		return;
	}
	is_over = result < 0 || is_complete(call);
	fs_unlock(fs);
	if (is_over)
		answer(call, result);
	else if (session_work(fs, complete_job, call) < 0)
		complete(call);
}

/* The request may be over already, so nothing of it is touched here. */
static void on_interrupt(fuse_req_t req, void *data)
{
	(void)atio_lock_cancel(req_fs(req)->locks, (uintptr_t)data);
}

/* A lock for which one that is watched would be in the way. */
static void look(struct fs *fs, const struct atio_lock_request *want,
		 const struct lock_key *key)
{
	if (want->kind == ATIO_LOCK_FLOCK ||
	    want->mode != ATIO_LOCK_EXCLUSIVE || !atio_lock_any(fs->locks))
		return;
	fs_lock(fs);
	(void)lock_watch_look(fs, key);
	fs_unlock(fs);
}

static int get(struct call *call)
{
	struct fs *fs = call->fs;
	int r;

	lock_check_recursion(fs, &call->want);
	look(fs, &call->want, &call->key);
	r = atio_lock_get(fs->locks, &call->want);
	if (r == -EDEADLK && lock_check_deadlock(fs, call->want.key))
		r = atio_lock_get(fs->locks, &call->want);
	return r;
}

/* It is in line, and done() may be called at once. */
static void queued(struct call *call)
{
	struct fs *fs = call->fs;
	uint64_t id = call->want.id;
	bool early, interrupted;

	fs_lock(fs);
	call->starting = false;
	call->waited = true;
	early = call->early;
	/* The interrupt that came before it was in line, found nobody. */
	interrupted = call->want.wait && fuse_req_interrupted(call->req);
	if (locks_next_ms(fs) != UINT_MAX)
		guard_wake();
	fs_unlock(fs);
	if (early)
		done(call, call->result);
	else if (interrupted)
		(void)atio_lock_cancel(fs->locks, id);
}

static void start(struct call *call)
{
	struct fs *fs = call->fs;
	bool is_over;
	int r;

	if (call->want.wait && fuse_req_interrupted(call->req)) {
		answer(call, -EINTR);
		return;
	}
	fs_lock(fs);
	call->starting = true;
	call->early = false;
	call->h->locks = true;
	lock_key_of(call->h, &call->key);
	fs_unlock(fs);
	call->want.key = lock_key_lent(&call->key);
	call->had = atio_lock_any(fs->locks) &&
		    atio_lock_is_held(fs->locks, &call->want);
	r = get(call);
	if (r == ATIO_LOCK_QUEUED) {
		queued(call);
		return;
	}
	call->starting = false;
	if (r == 0) {
		fs_lock(fs);
		is_over = is_complete(call);
		fs_unlock(fs);
		if (!is_over) {
			complete(call);
			return;
		}
	}
	answer(call, r);
}

/* Never too early, although the clock counts whole milliseconds. */
static uint64_t limit_of(uint64_t ms)
{
	return ms && ms < UINT64_MAX ? ms + 1 : ms;
}

static struct call *call_new(fuse_req_t req, const struct fuse_file_info *fi,
			     enum atio_lock_kind kind, bool exclusive)
{
	struct fs *fs = req_fs(req);
	struct call *call = calloc(1, sizeof(*call));

	if (!call)
		return NULL;
	call->fs = fs;
	call->req = req;
	call->h = fi_handle(fi);
	call->deadline = UINT64_MAX;
	call->want = (struct atio_lock_request){
		.kind = kind,
		.mode = exclusive ? ATIO_LOCK_EXCLUSIVE : ATIO_LOCK_SHARED,
		.range = {0, ATIO_LOCK_END},
		.who = {.owner = (uintptr_t)call->h,
			.handle = (uintptr_t)call->h,
			.tid = fuse_req_ctx(req)->pid},
		.timeout_ms = limit_of(fs->opts->lock_timeout_ms),
		.done = done,
		.arg = call,
	};
	return call;
}

/* Where it will be to be found if it is to be known whether it is closed. */
static void note_descriptor(struct call *call)
{
	const pid_t tgid = call->want.who.tgid;
	struct fs *fs = call->fs;
	struct handle *h = call->h;
	int fd = LOCK_FD_ALONE;

	fs_lock(fs);
	if (tgid && h->lock_fd_of != tgid) {
		if (handle_count_others(fs, h, tgid).foreign) {
			fs_unlock(fs);
			fd = proc_lock_fd(call->want.who.tid);
			fs_lock(fs);
		}
		h->lock_fd = fd;
		h->lock_fd_of = tgid;
	}
	fs_unlock(fs);
}

/* The next request is read when this one is parked: an interrupt of it comes
 * after that. */
static void submit(struct call *call)
{
	if (!call->want.wait) {
		call->want.timeout_ms = 0;
	} else {
		call->want.id = atio_lock_new_id(call->fs->locks);
		fuse_req_interrupt_func(call->req, on_interrupt,
					(void *)(uintptr_t)call->want.id);
	}
	if (call->want.timeout_ms &&
	    call->want.timeout_ms < UINT64_MAX - now_ms(NULL))
		call->deadline = now_ms(NULL) + call->want.timeout_ms;
	note_descriptor(call);
	start(call);
}

/* ---- flock(2) -------------------------------------------------------- */

void op_flock(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, int op)
{
	struct fs *fs = req_fs(req);
	struct call *call;

	if (ino_node(fs, ino)->is_ctl) {
		reply_err(req, -EOPNOTSUPP);
		return;
	}
	call = call_new(req, fi, ATIO_LOCK_FLOCK, op & LOCK_EX);
	if (!call) {
		reply_err(req, -ENOMEM);
		return;
	}
	if (op & LOCK_UN) {
		reply_err(req, put(fs, call->h, &call->want));
		free(call);
		return;
	}
	call->want.wait = !(op & LOCK_NB);
	call->want.who.tgid = proc_tgid(call->want.who.tid);
	submit(call);
}

/* ---- fcntl(2) -------------------------------------------------------- */

static struct atio_lock_range range_of(const struct flock *lock)
{
	struct atio_lock_range range = {(uint64_t)lock->l_start, ATIO_LOCK_END};

	if (lock->l_len)
		range.end = range.start + (uint64_t)lock->l_len - 1;
	return range;
}

/* The kernel does not say whether a lock is a process's or the open file's. The
 * thread that asks waits for us, so that its system call can be looked at. */
static enum atio_lock_kind kind_of(struct handle *h, uint64_t owner, pid_t tid,
				   pid_t tgid)
{
	if (h->range_owner != owner) {
		int ofd = proc_wants_ofd(tid);

		h->range_kind = ofd < 0 ? RANGE_UNKNOWN
				: ofd   ? RANGE_OFD
					: RANGE_POSIX;
		h->range_owner = owner;
		h->range_tgid = tgid;
	}
	return h->range_kind == RANGE_OFD ? ATIO_LOCK_OFD : ATIO_LOCK_POSIX;
}

void op_setlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi,
	      struct flock *lock, int sleep)
{
	struct fs *fs = req_fs(req);
	struct call *call;

	if (ino_node(fs, ino)->is_ctl) {
		reply_err(req, -EOPNOTSUPP);
		return;
	}
	call = call_new(req, fi, ATIO_LOCK_POSIX, lock->l_type == F_WRLCK);
	if (!call) {
		reply_err(req, -ENOMEM);
		return;
	}
	call->want.range = range_of(lock);
	call->want.who.owner = fi->lock_owner;
	if (lock->l_type == F_UNLCK) {
		reply_err(req, put(fs, call->h, &call->want));
		free(call);
		return;
	}
	call->want.wait = sleep;
	call->want.who.tgid = lock->l_pid;
	fs_lock(fs);
	call->want.kind = kind_of(call->h, fi->lock_owner, call->want.who.tid,
				  lock->l_pid);
	if (call->want.kind == ATIO_LOCK_POSIX && lock->l_pid)
		locks_forget_closed(fs, call->h, lock->l_pid);
	if (call->h->range_kind == RANGE_POSIX)
		call->process = lock_watch_ask(fs, call->h, fi->lock_owner,
					       call->want.who.tid, lock->l_pid);
	fs_unlock(fs);
	submit(call);
}

void op_getlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi,
	      struct flock *lock)
{
	struct fs *fs = req_fs(req);
	struct atio_lock_request want = {
		.kind = ATIO_LOCK_POSIX,
		.mode = lock->l_type == F_WRLCK ? ATIO_LOCK_EXCLUSIVE
						: ATIO_LOCK_SHARED,
		.range = range_of(lock),
		.who = {.owner = fi->lock_owner, .tid = fuse_req_ctx(req)->pid},
	};
	struct atio_lock_info info;
	struct lock_key key;
	int r;

	if (ino_node(fs, ino)->is_ctl) {
		reply_err(req, -EOPNOTSUPP);
		return;
	}
	lock_key_now(fs, fi_handle(fi), &key);
	want.key = lock_key_lent(&key);
	look(fs, &want, &key);
	r = atio_lock_test(fs->locks, &want, &info);
	if (r < 0) {
		reply_err(req, r);
		return;
	}
	lock->l_type = F_UNLCK;
	if (r > 0) {
		lock->l_type =
			info.mode == ATIO_LOCK_EXCLUSIVE ? F_WRLCK : F_RDLCK;
		lock->l_start = (off_t)info.range.start;
		lock->l_len = info.range.end == ATIO_LOCK_END
				      ? 0
				      : (off_t)(info.range.end -
						info.range.start + 1);
		lock->l_pid = info.who.tgid;
	}
	fuse_reply_lock(req, lock);
}

/* ---- ioctls ---------------------------------------------------------- */

static void ioctl_lock(fuse_req_t req, const struct fuse_file_info *fi,
		       const struct atio_ioc_lock *arg)
{
	struct call *call;

	if ((arg->mode != ATIO_IOC_SHARED && arg->mode != ATIO_IOC_EXCLUSIVE) ||
	    (arg->flags & ~ATIO_IOC_NOWAIT) || arg->reserved) {
		reply_err(req, -EINVAL);
		return;
	}
	call = call_new(req, fi, ATIO_LOCK_FLOCK,
			arg->mode == ATIO_IOC_EXCLUSIVE);
	if (!call) {
		reply_err(req, -ENOMEM);
		return;
	}
	call->is_ioctl = true;
	call->arg = *arg;
	call->want.counted = true;
	call->want.wait = !(arg->flags & ATIO_IOC_NOWAIT);
	call->want.who.tgid = proc_tgid(call->want.who.tid);
	if (arg->timeout_ms &&
	    (!call->want.timeout_ms || arg->timeout_ms < call->want.timeout_ms))
		call->want.timeout_ms = limit_of(arg->timeout_ms);
	submit(call);
}

static void ioctl_unlock(fuse_req_t req, struct handle *h)
{
	struct fs *fs = req_fs(req);
	struct atio_lock_request want = {
		.kind = ATIO_LOCK_FLOCK,
		.counted = true,
		.who = {.owner = (uintptr_t)h},
	};
	uint32_t count;
	int r;

	r = put(fs, h, &want);
	count = r < 0 ? 0 : (uint32_t)r;
	if (r < 0)
		reply_err(req, r);
	else
		fuse_reply_ioctl(req, 0, &count, sizeof(count));
}

bool lock_ioctl(fuse_req_t req, struct node *node, unsigned cmd,
		const struct fuse_file_info *fi, const void *in, size_t in_size)
{
	struct atio_ioc_lock arg;
	uint64_t id;

	if (cmd == ATIO_IOC_LOCK && node->type == S_IFREG &&
	    in_size >= sizeof(arg)) {
		memcpy(&arg, in, sizeof(arg));
		ioctl_lock(req, fi, &arg);
	} else if (cmd == ATIO_IOC_UNLOCK && node->type == S_IFREG) {
		ioctl_unlock(req, fi_handle(fi));
	} else if (cmd == ATIO_IOC_BREAK_LOCK && node->type == S_IFDIR &&
		   in_size >= sizeof(id)) {
		memcpy(&id, in, sizeof(id));
		lock_break(req, id);
	} else {
		return false;
	}
	return true;
}
