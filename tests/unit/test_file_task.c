/* SPDX-License-Identifier: MIT
 *
 * test_file_task.c - operations that an event loop drives, and those that are
 * given up.
 */
#include <poll.h>
#include <sys/epoll.h>

#include "file_scene.h"

#define ONE 1
#define TWO 2

static bool is_ready(const struct atio_task *task)
{
	struct pollfd fd = {.fd = atio_task_fd(task), .events = POLLIN};

	return poll(&fd, 1, 0) == 1;
}

/* ---- what they do ---------------------------------------------------------- */

static void check_read(struct atio_file *file, const char *text)
{
	struct atio_task *task =
		begun(file, ATIO_TASK_READ_BYTES, ONE, NULL, ATIO_WAIT);
	char *bytes;
	size_t len = 99;

	CHECK(!atio_task_take_bytes(task, &len) && len == 99); /* not done */
	CHECK_INT(finished(task), 0);
	CHECK_INT(atio_task_run(task), 0); /* the same once more */
	bytes = atio_task_take_bytes(task, &len);
	CHECK_STR(bytes, text);
	CHECK_INT(len, strlen(text));
	CHECK(!atio_task_take_bytes(task, &len)); /* once */
	CHECK(!atio_task_take_doc(task));
	free(bytes);
	atio_task_free(task);
}

static void test_kinds(void)
{
	int dir = fresh_dir(), fds;
	struct atio_file *a = file_at(dir, "a", ATIO_WAIT);

	CHECK_INT(did(a, ATIO_TASK_READ_BYTES, ONE, NULL, ATIO_WAIT), -ENOENT);
	CHECK_INT(did(a, ATIO_TASK_WRITE_BYTES, ONE, "one", ATIO_WAIT), 0);
	fds = open_fds();
	CHECK_INT(did(a, ATIO_TASK_APPEND, ONE, ", two", ATIO_WAIT), 0);
	check_read(a, "one, two");
	CHECK_INT(did(a, ATIO_TASK_DELETE, ONE, NULL, ATIO_WAIT), 0);
	CHECK(!exists(dir, "a"));
	CHECK_INT(did(a, ATIO_TASK_DELETE, ONE, NULL, ATIO_WAIT), -ENOENT);
	CHECK_INT(did(a, ATIO_TASK_APPEND, ONE, "x", ATIO_WAIT), 0);
	CHECK_STR(text_at(dir, "a"), "x");
	NEED(linkat(dir, "a", dir, "b", 0) == 0);
	CHECK_INT(did(a, ATIO_TASK_WRITE_BYTES, ONE, "y", ATIO_WAIT), 0);
	CHECK_STR(text_at(dir, "b"), "y");
	CHECK_INT(entries(dir, "."), 2);
	CHECK_INT(open_fds(), fds);
	atio_file_free(a);
	close(dir);
}

static void test_errors(void)
{
	struct atio_task_request request = {
		.version = ATIO_TASK_REQUEST_VERSION,
		.kind = ATIO_TASK_READ,
		.owner = ONE,
	};
	int dir = fresh_dir();
	struct atio_file *a = file_at(dir, "a", ATIO_WAIT);
	struct atio_task *task = NULL;

	NEED(mkdirat(dir, "a", 0755) == 0);
	task = begun(a, ATIO_TASK_WRITE_BYTES, ONE, "x", ATIO_WAIT);
	CHECK_INT(finished(task), -EISDIR);
	CHECK_INT(atio_task_run(task), -EISDIR);
	CHECK_INT(atio_task_error(task)->error.code, EISDIR);
	CHECK(atio_task_error(task)->error.text[0]);
	atio_task_free(task);
	task = NULL;
	request.owner = 0;
	CHECK_INT(atio_task_begin(a, &request, &task, NULL), -EINVAL);
	request.owner = UINT64_MAX; /* a thread's */
	CHECK_INT(atio_task_begin(a, &request, &task, NULL), -EINVAL);
	request.owner = ONE;
	request.kind = ATIO_TASK_WRITE; /* of what? */
	CHECK_INT(atio_task_begin(a, &request, &task, NULL), -EINVAL);
	request.kind = (enum atio_task_kind)99;
	CHECK_INT(atio_task_begin(a, &request, &task, NULL), -EINVAL);
	request.kind = ATIO_TASK_READ;
	request.version = 0;
	CHECK_INT(atio_task_begin(a, &request, &task, NULL), -EINVAL);
	CHECK(!task);
	atio_task_free(NULL);
	atio_file_free(a);
	close(dir);
}

/* ---- owners ------------------------------------------------------------------ */

static void test_owners(void)
{
	int dir = fresh_dir();
	struct atio_file *a = file_at(dir, "a", ATIO_TRY);
	struct atio_task *waits;

	CHECK_INT(did(a, ATIO_TASK_UNLOCK, ONE, NULL, ATIO_WAIT), -EPERM);
	CHECK_INT(did(a, ATIO_TASK_LOCK, ONE, NULL, ATIO_WAIT), 0);
	CHECK_INT(did(a, ATIO_TASK_LOCK, ONE, NULL, ATIO_TRY), 0);
	CHECK_INT(did(a, ATIO_TASK_WRITE_BYTES, ONE, "x", ATIO_TRY), 0);
	CHECK_INT(did(a, ATIO_TASK_WRITE_BYTES, TWO, "y", ATIO_TRY), -EBUSY);
	CHECK_INT(did(a, ATIO_TASK_READ_BYTES, TWO, NULL, 30), -ETIMEDOUT);
	CHECK_INT(wrote(a, "z"), -EAGAIN); /* a thread is another owner */
	CHECK_INT(did(a, ATIO_TASK_UNLOCK, TWO, NULL, ATIO_WAIT), -EPERM);
	CHECK_INT(did(a, ATIO_TASK_UNLOCK, ONE, NULL, ATIO_WAIT), 0);
	waits = begun(a, ATIO_TASK_APPEND, TWO, "y", ATIO_WAIT);
	CHECK_INT(atio_task_run(waits), -EAGAIN);
	CHECK(!is_ready(waits));
	CHECK_INT(atio_task_run(waits), -EAGAIN);
	CHECK_STR(text_at(dir, "a"), "x");
	CHECK_INT(did(a, ATIO_TASK_UNLOCK, ONE, NULL, ATIO_WAIT), 0);
	CHECK(is_ready(waits));
	CHECK_INT(finished(waits), 0);
	CHECK_STR(text_at(dir, "a"), "xy");
	atio_task_free(waits);
	CHECK_INT(wrote(a, "z"), 0);
	atio_file_free(a);
	close(dir);
}

/* Two owners, two files, crosswise. */
static void test_deadlock(void)
{
	int dir = fresh_dir();
	struct atio_file *a = file_at(dir, "a", ATIO_WAIT);
	struct atio_file *b = file_at(dir, "b", ATIO_WAIT);
	struct atio_task *waits;

	CHECK_INT(did(a, ATIO_TASK_LOCK, ONE, NULL, ATIO_WAIT), 0);
	CHECK_INT(did(b, ATIO_TASK_LOCK, TWO, NULL, ATIO_WAIT), 0);
	waits = begun(b, ATIO_TASK_LOCK, ONE, NULL, ATIO_WAIT);
	CHECK_INT(atio_task_run(waits), -EAGAIN);
	CHECK_INT(did(a, ATIO_TASK_LOCK, TWO, NULL, ATIO_WAIT), -EDEADLK);
	CHECK_INT(did(b, ATIO_TASK_UNLOCK, TWO, NULL, ATIO_WAIT), 0);
	CHECK_INT(finished(waits), 0);
	atio_task_free(waits);
	CHECK_INT(did(b, ATIO_TASK_UNLOCK, ONE, NULL, ATIO_WAIT), 0);
	CHECK_INT(did(a, ATIO_TASK_UNLOCK, ONE, NULL, ATIO_WAIT), 0);
	atio_file_free(a);
	atio_file_free(b);
	close(dir);
}

/* ---- given up ------------------------------------------------------------------ */

/* In line behind another owner of this process. */
static void test_cancel_in_line(void)
{
	int dir = fresh_dir(), fds;
	struct atio_file *a = file_at(dir, "a", ATIO_WAIT);
	struct atio_task *first, *second;

	put(dir, "a", "x");
	CHECK_INT(did(a, ATIO_TASK_LOCK, ONE, NULL, ATIO_WAIT), 0);
	fds = open_fds();
	first = begun(a, ATIO_TASK_WRITE_BYTES, TWO, "y", ATIO_WAIT);
	second = begun(a, ATIO_TASK_APPEND, 3, "z", ATIO_WAIT);
	CHECK_INT(atio_task_run(first), -EAGAIN);
	CHECK_INT(atio_task_run(second), -EAGAIN);
	atio_task_free(first);
	CHECK_INT(did(a, ATIO_TASK_UNLOCK, ONE, NULL, ATIO_WAIT), 0);
	CHECK_INT(finished(second), 0);
	CHECK_STR(text_at(dir, "a"), "xz");
	atio_task_free(second);
	/* Given up when it was granted already, but had not run since. */
	CHECK_INT(did(a, ATIO_TASK_LOCK, ONE, NULL, ATIO_WAIT), 0);
	first = begun(a, ATIO_TASK_WRITE_BYTES, TWO, "y", ATIO_WAIT);
	CHECK_INT(atio_task_run(first), -EAGAIN);
	CHECK_INT(did(a, ATIO_TASK_UNLOCK, ONE, NULL, ATIO_WAIT), 0);
	atio_task_free(first);
	CHECK_INT(did(a, ATIO_TASK_APPEND, ONE, "!", ATIO_TRY), 0);
	CHECK_STR(text_at(dir, "a"), "xz!");
	CHECK(open_fds() <= fds);
	atio_file_free(a);
	close(dir);
}

/* Run it @n times, with waiting in between, and give it up.  Whether it was
 * done by then. */
static bool run_and_free(struct atio_task *task, unsigned n)
{
	struct pollfd fd = {.fd = atio_task_fd(task), .events = POLLIN};
	bool done = false;

	for (unsigned i = 0; i < n && !done; i++) {
		NEED(!i || poll(&fd, 1, 60000) == 1);
		done = atio_task_run(task) != -EAGAIN;
	}
	atio_task_free(task);
	return done;
}

/* At every point where it says that it is not done.  Before it has run nothing
 * has changed, and later the file is wholly old or wholly new.  (How far a run
 * gets depends on how quick the disk is.) */
static void test_cancel_anywhere(enum atio_task_kind kind, bool linked)
{
	int dir = fresh_dir(), fds;
	struct atio_file *a = file_at(dir, "a", ATIO_WAIT);
	const char *wanted = kind == ATIO_TASK_APPEND ? "oldnew" : "new";
	bool done = false;

	CHECK_INT(did(a, kind, ONE, "x", ATIO_WAIT), 0);
	fds = open_fds();
	for (unsigned n = 0; n < 20 && !done; n++) {
		put(dir, "a", "old");
		if (linked && !exists(dir, "b"))
			NEED(linkat(dir, "a", dir, "b", 0) == 0);
		done = run_and_free(begun(a, kind, ONE, "new", ATIO_WAIT), n);
		CHECK_INT(entries(dir, "."), linked ? 2 : 1);
		CHECK((!done && !strcmp(text_at(dir, "a"), "old")) ||
		      (n && !strcmp(text_at(dir, "a"), wanted)));
		/* The lock is free. */
		CHECK_INT(did(a, ATIO_TASK_LOCK, TWO, NULL, ATIO_TRY), 0);
		CHECK_INT(did(a, ATIO_TASK_UNLOCK, TWO, NULL, ATIO_TRY), 0);
	}
	CHECK(done);
	CHECK_STR(text_at(dir, "a"), wanted);
	/* Flushes that were given up are over by the end of another one. */
	NEED(fsync(dir) == 0);
	CHECK_INT(did(a, kind, ONE, "x", ATIO_WAIT), 0);
	CHECK_INT(open_fds(), fds);
	atio_file_free(a);
	close(dir);
}

/* Nothing of what was given up comes later. */
static void test_nothing_lands(void)
{
	int dir = fresh_dir(), given_up = 0;
	struct atio_file *a = file_at(dir, "a", ATIO_WAIT);
	struct atio_task *task;

	for (int i = 0; i < 50; i++) {
		put(dir, "a", "old");
		task = begun(a, ATIO_TASK_WRITE_BYTES, ONE, "new", ATIO_WAIT);
		if (atio_task_run(task) == -EAGAIN &&
		    !strcmp(text_at(dir, "a"), "old")) {
			atio_task_free(task);
			given_up++;
			NEED(fsync(dir) == 0);
			CHECK_STR(text_at(dir, "a"), "old");
		} else { /* the disk was quick */
			atio_task_free(task);
		}
		CHECK_INT(entries(dir, "."), 1);
	}
	if (!given_up)
		skip(__func__, "nothing has to wait for this disk");
	atio_file_free(a);
	close(dir);
}

/* ---- many at once ---------------------------------------------------------------- */

#define MANY 200

/* Run it once; whether that was the end of it. */
static bool has_ended(struct atio_task **task)
{
	int r = *task ? atio_task_run(*task) : -EAGAIN;

	if (r == -EAGAIN)
		return false;
	CHECK_INT(r, 0);
	atio_task_free(*task);
	*task = NULL;
	return true;
}

static void drive(struct atio_task *tasks[MANY])
{
	int epoll = epoll_create1(EPOLL_CLOEXEC), left = MANY, n;
	struct epoll_event events[16];

	NEED(epoll >= 0);
	for (int i = 0; i < MANY; i++) {
		struct epoll_event event = {EPOLLIN, {.u32 = (uint32_t)i}};

		NEED(epoll_ctl(epoll, EPOLL_CTL_ADD, atio_task_fd(tasks[i]),
			       &event) == 0);
		left -= has_ended(&tasks[i]);
	}
	while (left) {
		n = epoll_wait(epoll, events, 16, 60000);
		NEED(n > 0);
		for (int i = 0; i < n; i++)
			left -= has_ended(&tasks[events[i].data.u32]);
	}
	close(epoll);
}

static void test_many(void)
{
	int dir = fresh_dir();
	struct atio_file *a = file_at(dir, "a", ATIO_WAIT);
	struct atio_task *tasks[MANY];

	for (int i = 0; i < MANY; i++)
		tasks[i] = begun(a, ATIO_TASK_APPEND, (uint64_t)i + 1, "x",
				 ATIO_WAIT);
	drive(tasks);
	CHECK_INT(strlen(text_at(dir, "a")), MANY);
	CHECK_INT(entries(dir, "."), 1);
	atio_file_free(a);
	close(dir);
}

/* ---- fork -------------------------------------------------------------------------- */

static void in_fork(void *arg)
{
	struct atio_task *task = arg;

	CHECK_INT(atio_task_run(task), -ECHILD);
	atio_task_free(task);
	fflush(NULL);
	_exit(check_failures != 0);
}

static void test_fork(void)
{
	int dir = fresh_dir();
	struct atio_file *a = file_at(dir, "a", ATIO_WAIT);
	struct atio_task *task;

	put(dir, "a", "x");
	CHECK_INT(did(a, ATIO_TASK_LOCK, TWO, NULL, ATIO_WAIT), 0);
	task = begun(a, ATIO_TASK_APPEND, ONE, "y", ATIO_WAIT);
	CHECK_INT(atio_task_run(task), -EAGAIN);
	CHECK_INT(in_child(in_fork, task), 0);
	CHECK_INT(did(a, ATIO_TASK_UNLOCK, TWO, NULL, ATIO_WAIT), 0);
	CHECK_INT(finished(task), 0);
	CHECK_STR(text_at(dir, "a"), "xy");
	atio_task_free(task);
	atio_file_free(a);
	close(dir);
}

int main(void)
{
	test_kinds();
	test_errors();
	test_owners();
	test_deadlock();
	test_cancel_in_line();
	test_cancel_anywhere(ATIO_TASK_WRITE_BYTES, false);
	test_cancel_anywhere(ATIO_TASK_APPEND, false);
	test_cancel_anywhere(ATIO_TASK_WRITE_BYTES, true);
	test_nothing_lands();
	test_many();
	test_fork();
	return check_result();
}
