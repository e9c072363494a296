/* SPDX-License-Identifier: MIT
 *
 * test_file_lock.c - who excludes whom.
 *
 * "Others" are asked in a thread and in a process of their own.  Where somebody
 * has to wait, the test waits until he does (it can be seen: he has an inotify
 * or an eventfd more), or lets the clock decide.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "file_scene.h"

/* ---- others -------------------------------------------------------------- */

struct question {
	const char *path;
	long timeout_ms;
	int answer;
};

static void *ask(void *arg)
{
	struct question *q = arg;
	struct atio_file *file = file_of(q->path, q->timeout_ms);

	q->answer = atio_file_lock(file, NULL);
	if (q->answer == 0)
		CHECK_INT(atio_file_unlock(file), 0);
	atio_file_free(file);
	return NULL;
}

static void exit_with_answer(void *arg)
{
	struct question *q = arg;

	(void)ask(q);
	fflush(NULL);
	_exit(-q->answer);
}

static int in_thread(const char *path, long timeout_ms)
{
	struct question q = {path, timeout_ms, 1};
	pthread_t thread;

	NEED(pthread_create(&thread, NULL, ask, &q) == 0);
	NEED(pthread_join(thread, NULL) == 0);
	return q.answer;
}

static int in_process(const char *path, long timeout_ms)
{
	struct question q = {path, timeout_ms, 1};
	int status = in_child(exit_with_answer, &q);

	NEED(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

static void check_locked(const char *path)
{
	CHECK_INT(in_thread(path, ATIO_TRY), -EAGAIN);
	CHECK_INT(in_process(path, ATIO_TRY), -EAGAIN);
}

static void check_free(const char *path)
{
	CHECK_INT(in_thread(path, ATIO_TRY), 0);
	CHECK_INT(in_process(path, ATIO_TRY), 0);
}

/* ---- one's own ------------------------------------------------------------ */

static void test_counted(void)
{
	int dir = fresh_dir(), fds = open_fds();
	struct atio_file *a = file_at(dir, "a", ATIO_TRY);
	struct atio_file *again = file_at(dir, ".//a", ATIO_TRY);

	put(dir, "a", "x");
	CHECK_INT(atio_file_lock(a, NULL), 0);
	CHECK_INT(atio_file_lock(again, NULL), 0);
	CHECK_INT(atio_file_lock(a, NULL), 0);
	CHECK_INT(wrote(again, "y"), 0);
	CHECK_STR(read_text(a), "y");
	CHECK_INT(atio_file_unlock(a), 0);
	CHECK_INT(atio_file_unlock(a), 0);
	CHECK_INT(atio_file_unlock(a), -EPERM);
	check_locked(at(dir, "a"));
	CHECK_INT(atio_file_unlock(again), 0);
	check_free(at(dir, "a"));
	/* What is still held goes with the file. */
	CHECK_INT(atio_file_lock(a, NULL), 0);
	atio_file_free(a);
	check_free(at(dir, "a"));
	atio_file_free(again);
	CHECK_INT(open_fds(), fds);
	close(dir);
}

static void *unlock_it(void *file)
{
	return (void *)(intptr_t)atio_file_unlock(file);
}

static void test_unlock_by_others(void)
{
	int dir = fresh_dir();
	struct atio_file *a = file_at(dir, "a", ATIO_TRY);
	pthread_t thread;
	void *r;

	CHECK_INT(atio_file_lock(a, NULL), 0);
	NEED(pthread_create(&thread, NULL, unlock_it, a) == 0);
	NEED(pthread_join(thread, &r) == 0);
	CHECK_INT((intptr_t)r, -EPERM);
	check_locked(at(dir, "a"));
	CHECK_INT(atio_file_unlock(a), 0);
	atio_file_free(a);
	close(dir);
}

/* ---- spellings ------------------------------------------------------------ */

static void test_spellings(void)
{
	int dir = fresh_dir(), other = fresh_dir();
	struct atio_file *a = file_at(dir, "a", ATIO_TRY), *more[4];

	put(dir, "a", "x");
	NEED(linkat(dir, "a", other, "hard", 0) == 0);
	NEED(symlinkat(at(dir, "a"), other, "soft") == 0);
	NEED(symlinkat(path_of(dir), other, "dir") == 0);
	more[0] = file_at(other, "hard", ATIO_TRY);
	more[1] = file_at(other, "soft", ATIO_TRY);
	more[2] = file_at(other, "./dir//a", ATIO_TRY);
	more[3] = file_at(other, "dir/./a", ATIO_TRY);
	CHECK_INT(atio_file_lock(a, NULL), 0);
	for (size_t i = 0; i < LENGTH(more); i++)
		check_locked(atio_file_path(more[i]));
	/* For its owner all of them are the same lock. */
	for (size_t i = 0; i < LENGTH(more); i++)
		CHECK_INT(atio_file_lock(more[i], NULL), 0);
	CHECK_INT(wrote(more[0], "by another name"), 0);
	CHECK_STR(read_text(a), "by another name");
	CHECK_INT(atio_file_unlock(a), 0);
	for (size_t i = 0; i < LENGTH(more); i++) {
		check_locked(at(dir, "a"));
		CHECK_INT(atio_file_unlock(more[i]), 0);
		atio_file_free(more[i]);
	}
	check_free(at(dir, "a"));
	check_free(at(other, "hard"));
	atio_file_free(a);
	close(dir);
	close(other);
}

/* ---- programs that know nothing of this ------------------------------------ */

/* Another process with a descriptor of a file and flock(2).  (On a mount a
 * thread is not in its own way, so it cannot be this one.) */
struct stranger {
	pid_t pid;
	int ask, answer;
};

static int obey(int fd, char command)
{
	switch (command) {
	case 'x':
		return flock(fd, LOCK_EX | LOCK_NB);
	case 's':
		return flock(fd, LOCK_SH | LOCK_NB);
	default:
		return flock(fd, LOCK_UN);
	}
}

static void be_stranger(const char *path, int ask, int answer)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	char command, result;

	NEED(fd >= 0);
	while (read(ask, &command, 1) == 1 && command != 'q') {
		result = obey(fd, command) < 0 ? (char)errno : 0;
		NEED(write(answer, &result, 1) == 1);
	}
	_exit(0);
}

static struct stranger stranger_of(const char *path)
{
	int ask[2], answer[2];
	struct stranger one;

	NEED(pipe2(ask, O_CLOEXEC) == 0 && pipe2(answer, O_CLOEXEC) == 0);
	NEED((one.pid = fork()) >= 0);
	if (one.pid == 0) {
		close(ask[1]);
		be_stranger(path, ask[0], answer[1]);
	}
	close(ask[0]);
	close(answer[1]);
	one.ask = ask[1];
	one.answer = answer[0];
	return one;
}

/* x: exclusive, s: shared, u: unlock.  0 or the errno. */
static int stranger_does(const struct stranger *one, char command)
{
	char result;

	NEED(write(one->ask, &command, 1) == 1);
	NEED(read(one->answer, &result, 1) == 1);
	return result;
}

/* Its descriptor is closed when this returns. */
static void stranger_ends(struct stranger *one)
{
	NEED(write(one->ask, "q", 1) == 1);
	close(one->ask);
	close(one->answer);
	NEED(waitpid(one->pid, NULL, 0) == one->pid);
}

static void test_flock(void)
{
	int dir = fresh_dir();
	struct atio_file *a = file_at(dir, "a", ATIO_TRY);
	struct stranger old, now;

	put(dir, "a", "x");
	old = stranger_of(at(dir, "a"));
	CHECK_INT(stranger_does(&old, 'x'), 0);
	CHECK_INT(wrote(a, "y"), -EAGAIN);
	CHECK(!read_text(a) && errno == EAGAIN);
	CHECK_INT(stranger_does(&old, 's'), 0);
	CHECK_INT(wrote(a, "y"), -EAGAIN);
	CHECK_STR(read_text(a), "x"); /* readers share */
	CHECK_INT(stranger_does(&old, 'u'), 0);
	CHECK_INT(atio_file_lock(a, NULL), 0);
	CHECK_INT(stranger_does(&old, 's'), EWOULDBLOCK);
	CHECK_INT(wrote(a, "y"), 0);
	now = stranger_of(at(dir, "a")); /* what replaced it is locked, too */
	CHECK_INT(stranger_does(&now, 's'), EWOULDBLOCK);
	/* What was replaced is nobody's; on a mount the lock is the path's. */
	CHECK_INT(stranger_does(&old, 'x'), is_on_mount(dir) ? EWOULDBLOCK : 0);
	CHECK_INT(atio_file_unlock(a), 0);
	CHECK_INT(stranger_does(&now, 'x'), 0);
	stranger_ends(&now);
	stranger_ends(&old);
	atio_file_free(a);
	close(dir);
}

/* Deleted, put there anew, replaced, while it is locked. */
static void test_strangers(void)
{
	int dir = fresh_dir();
	struct atio_file *a = file_at(dir, "a", ATIO_TRY);
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s", at(dir, "a"));
	put(dir, "a", "x");
	CHECK_INT(atio_file_lock(a, NULL), 0);
	NEED(unlinkat(dir, "a", 0) == 0);
	check_locked(path);
	CHECK(!read_text(a) && errno == ENOENT);
	put(dir, "a", "a stranger's");
	check_locked(path);
	CHECK_STR(read_text(a), "a stranger's");
	CHECK_INT(appended(a, "!"), 0);
	CHECK_STR(text_at(dir, "a"), "a stranger's!");
	check_locked(path);
	put(dir, "b", "another one's");
	NEED(renameat(dir, "b", dir, "a") == 0);
	check_locked(path);
	NEED(unlinkat(dir, "a", 0) == 0);
	CHECK_INT(wrote(a, "y"), 0);
	check_locked(path);
	CHECK_INT(atio_file_delete(a, NULL), 0);
	check_locked(path);
	CHECK_INT(wrote(a, "z"), 0);
	check_locked(path);
	CHECK_INT(atio_file_unlock(a), 0);
	check_free(path);
	CHECK_INT(entries(dir, "."), 1);
	atio_file_free(a);
	close(dir);
}

/* ---- a file that is not there ----------------------------------------------- */

static void test_missing(void)
{
	int dir = fresh_dir();
	struct atio_file *a = file_at(dir, "a", ATIO_TRY);
	struct atio_file *b = file_at(dir, "b", ATIO_TRY);

	CHECK_INT(atio_file_lock(a, NULL), 0);
	CHECK_INT(entries(dir, "."), 0); /* it is not made by locking */
	check_locked(at(dir, "a"));
	check_free(at(dir, "b")); /* of the same directory */
	CHECK_INT(wrote(b, "x"), 0);
	CHECK(!read_text(a) && errno == ENOENT);
	CHECK_INT(wrote(a, "x"), 0);
	check_locked(at(dir, "a"));
	CHECK_INT(atio_file_unlock(a), 0);
	check_free(at(dir, "a"));
	CHECK_INT(entries(dir, "."), 2);
	atio_file_free(a);
	atio_file_free(b);
	close(dir);
}

/* ---- waiting ------------------------------------------------------------------ */

static void check_timeout(int (*other)(const char *path, long timeout_ms),
			  const char *path)
{
	uint64_t begin = now_ms();

	CHECK_INT(other(path, 60), -ETIMEDOUT);
	CHECK(now_ms() - begin >= 60);
}

static void test_timeouts(void)
{
	int dir = fresh_dir();
	struct atio_file *a = file_at(dir, "a", ATIO_TRY);

	for (int i = 0; i < 2; i++) { /* missing; there */
		CHECK_INT(atio_file_lock(a, NULL), 0);
		check_timeout(in_thread, at(dir, "a"));
		check_timeout(in_process, at(dir, "a"));
		CHECK_INT(wrote(a, "x"), 0);
		CHECK_INT(atio_file_unlock(a), 0);
	}
	CHECK_INT(atio_file_lock_within(a, 1000, NULL), 0);
	CHECK_INT(atio_file_unlock(a), 0);
	atio_file_free(a);
	close(dir);
}

struct waiter {
	struct question q;
	pthread_t thread;
};

/* Somebody who waits for @path, as soon as he does: he has opened something to
 * wait with. */
static void begin_waiting(struct waiter *w, const char *path)
{
	int before = open_fds();

	w->q = (struct question){path, 20000, 1};
	NEED(pthread_create(&w->thread, NULL, ask, &w->q) == 0);
	for (int i = 0; i < 200 && open_fds() < before + 3; i++)
		(void)usleep(500); /* on a mount there is nothing to see */
}

static int end_waiting(struct waiter *w)
{
	NEED(pthread_join(w->thread, NULL) == 0);
	return w->q.answer;
}

enum freeing { CLOSING, UNLOCKING, REMOVING, REPLACING };

/* A stranger's lock ends in one of these ways. */
static void check_woken(enum freeing how)
{
	int dir = fresh_dir();
	struct stranger stranger;
	struct waiter waiter;
	uint64_t begin;
	bool ends;

	put(dir, "a", "x");
	put(dir, "b", "y");
	/* On a mount the lock is the path's, whatever comes there. */
	ends = how == CLOSING || (how == REPLACING && is_on_mount(dir));
	stranger = stranger_of(at(dir, "a"));
	CHECK_INT(stranger_does(&stranger, 'x'), 0);
	begin_waiting(&waiter, at(dir, "a"));
	begin = now_ms();
	if (how == UNLOCKING)
		CHECK_INT(stranger_does(&stranger, 'u'), 0);
	else if (how == REMOVING)
		NEED(unlinkat(dir, "a", 0) == 0);
	else if (how == REPLACING)
		NEED(renameat(dir, "b", dir, "a") == 0);
	if (ends)
		stranger_ends(&stranger);
	CHECK_INT(end_waiting(&waiter), 0);
	CHECK(now_ms() - begin < 10000);
	if (!ends)
		stranger_ends(&stranger);
	close(dir);
}

/* While somebody waits, the link is made to point elsewhere. */
static void test_moved_link(void)
{
	struct stranger first, second;
	int dir = fresh_dir();
	struct waiter waiter;

	put(dir, "a", "x");
	put(dir, "b", "y");
	NEED(symlinkat("a", dir, "link") == 0);
	first = stranger_of(at(dir, "a"));
	second = stranger_of(at(dir, "b"));
	CHECK_INT(stranger_does(&first, 'x'), 0);
	CHECK_INT(stranger_does(&second, 'x'), 0);
	begin_waiting(&waiter, at(dir, "link"));
	NEED(symlinkat("b", dir, "new") == 0);
	NEED(renameat(dir, "new", dir, "link") == 0);
	stranger_ends(&first);  /* he gets it, sees that it is the wrong one */
	stranger_ends(&second); /* ... and gets that */
	CHECK_INT(end_waiting(&waiter), 0);
	close(dir);
}

static void on_signal(int number)
{
	(void)number;
}

static void test_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal};
	int dir = fresh_dir();
	struct atio_file *a = file_at(dir, "a", ATIO_TRY);
	struct waiter waiter;

	NEED(sigaction(SIGUSR1, &action, NULL) == 0);
	CHECK_INT(atio_file_lock(a, NULL), 0);
	begin_waiting(&waiter, at(dir, "a"));
	for (int i = 0; i < 20; i++) {
		NEED(pthread_kill(waiter.thread, SIGUSR1) == 0);
		(void)usleep(100);
	}
	CHECK_INT(atio_file_unlock(a), 0);
	CHECK_INT(end_waiting(&waiter), 0);
	atio_file_free(a);
	close(dir);
}

/* ---- deadlock ------------------------------------------------------------------ */

struct pair {
	const char *first, *second;
	pthread_barrier_t *both;
	int answer;
};

static void *lock_two(void *arg)
{
	struct pair *pair = arg;
	struct atio_file *first = file_of(pair->first, ATIO_WAIT);
	struct atio_file *second = file_of(pair->second, ATIO_WAIT);

	NEED(atio_file_lock(first, NULL) == 0);
	(void)pthread_barrier_wait(pair->both);
	pair->answer = atio_file_lock(second, NULL);
	if (pair->answer == 0)
		CHECK_INT(atio_file_unlock(second), 0);
	CHECK_INT(atio_file_unlock(first), 0);
	atio_file_free(first);
	atio_file_free(second);
	return NULL;
}

static void test_deadlock(void)
{
	int dir = fresh_dir();
	pthread_barrier_t both;
	struct pair one = {at(dir, "a"), at(dir, "b"), &both, 1};
	struct pair two = {at(dir, "b"), at(dir, "a"), &both, 1};
	pthread_t thread;

	NEED(pthread_barrier_init(&both, NULL, 2) == 0);
	NEED(pthread_create(&thread, NULL, lock_two, &one) == 0);
	(void)lock_two(&two);
	NEED(pthread_join(thread, NULL) == 0);
	CHECK((one.answer == -EDEADLK && two.answer == 0) ||
	      (two.answer == -EDEADLK && one.answer == 0));
	pthread_barrier_destroy(&both);
	close(dir);
}

/* ---- fork ------------------------------------------------------------------------ */

static void in_fork(void *arg)
{
	struct atio_file *file = arg;

	CHECK_INT(atio_file_unlock(file), -EPERM);
	CHECK_INT(atio_file_lock_within(file, ATIO_TRY, NULL), -EAGAIN);
	CHECK_INT(wrote(file, "child"), -EAGAIN);
	atio_file_free(file);
	fflush(NULL);
	_exit(check_failures != 0);
}

static void test_fork(void)
{
	int dir = fresh_dir();
	struct atio_file *a = file_at(dir, "a", ATIO_TRY);

	for (int i = 0; i < 2; i++) {
		CHECK_INT(atio_file_lock(a, NULL), 0);
		CHECK_INT(in_child(in_fork, a), 0);
		check_locked(at(dir, "a"));
		CHECK_INT(wrote(a, "parent"), 0);
		CHECK_INT(atio_file_unlock(a), 0);
		check_free(at(dir, "a"));
	}
	atio_file_free(a);
	close(dir);
}

/* A process that has the lock, and a child of its own, is killed: the child
 * lives on and has nothing. */
static void test_killed_parent(void)
{
	int dir = fresh_dir(), ready[2], hold[2];
	struct atio_file *a = file_at(dir, "a", ATIO_WAIT);
	char c;
	pid_t pid;

	NEED(pipe(ready) == 0 && pipe(hold) == 0);
	NEED((pid = fork()) >= 0);
	if (pid == 0) {
		NEED(wrote(a, "x") == 0 && atio_file_lock(a, NULL) == 0);
		if (fork() == 0) {
			close(hold[1]);
			NEED(write(ready[1], "x", 1) == 1);
			(void)!read(hold[0], &c, 1);
			_exit(0);
		}
		for (;;)
			pause();
	}
	NEED(read(ready[0], &c, 1) == 1);
	check_locked(at(dir, "a"));
	NEED(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
	check_free(at(dir, "a"));
	for (int i = 0; i < 2; i++)
		close(ready[i]), close(hold[i]);
	atio_file_free(a);
	close(dir);
}

int main(void)
{
	test_counted();
	test_unlock_by_others();
	test_spellings();
	test_flock();
	test_strangers();
	test_missing();
	test_timeouts();
	check_woken(CLOSING);
	check_woken(UNLOCKING);
	check_woken(REMOVING);
	check_woken(REPLACING);
	test_moved_link();
	test_signals();
	test_deadlock();
	test_fork();
	test_killed_parent();
	return check_result();
}
