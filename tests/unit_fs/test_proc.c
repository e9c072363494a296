/* SPDX-License-Identifier: MIT
 *
 * test_proc.c - what proc.c says about processes of all kinds.
 */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "proc.h"

/* A child that runs @body and tells when it is ready. */
struct child {
	pid_t pid;
	int ready; /* it writes one thread id there */
	int go;    /* closed to let it go on */
};

static void say_ready(int fd, pid_t tid)
{
	NEED(write(fd, &tid, sizeof(tid)) == sizeof(tid));
}

static pid_t my_tid(void)
{
	return syscall(SYS_gettid);
}

/* Start @body(ready, go) in a child; returns when it said that it is ready,
 * with the thread id it told in *ret_tid. */
static struct child start(void (*body)(int ready, int go), pid_t *ret_tid)
{
	int ready[2], go[2];
	struct child c;
	pid_t tid = 0;

	NEED(pipe2(ready, O_CLOEXEC) == 0 && pipe2(go, O_CLOEXEC) == 0);
	fflush(stdout);
	c.pid = fork();
	NEED(c.pid >= 0);
	if (c.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ready[0]);
		close(go[1]);
		body(ready[1], go[0]);
		_exit(0);
	}
	close(ready[1]);
	close(go[0]);
	c.ready = ready[0];
	c.go = go[1];
	NEED(read(c.ready, &tid, sizeof(tid)) == sizeof(tid));
	if (ret_tid)
		*ret_tid = tid;
	return c;
}

static void wait_go(int go)
{
	char c;

	NEED(read(go, &c, 1) == 0);
}

/* Wait until the child is a zombie. */
static void until_dead(const struct child *c)
{
	siginfo_t info;

	NEED(waitid(P_PID, c->pid, &info, WEXITED | WNOWAIT) == 0);
}

static void reap(struct child *c)
{
	NEED(waitpid(c->pid, NULL, 0) == c->pid);
	close(c->ready);
	if (c->go >= 0)
		close(c->go);
}

static void let_go(struct child *c)
{
	close(c->go);
	c->go = -1;
}

static void body_wait(int ready, int go)
{
	say_ready(ready, my_tid());
	wait_go(go);
}

static void body_exit_3(int ready, int go)
{
	body_wait(ready, go);
	_exit(3);
}

static void body_exit_9(int ready, int go)
{
	/* The number of SIGKILL, but no signal. */
	body_wait(ready, go);
	_exit(9);
}

static void body_crash(int ready, int go)
{
	const struct rlimit core = {0, 0};

	setrlimit(RLIMIT_CORE, &core);
	signal(SIGSEGV, SIG_DFL);
	body_wait(ready, go);
	raise(SIGSEGV);
}

static void body_bad_name(int ready, int go)
{
	prctl(PR_SET_NAME, "a) R 1 (");
	body_wait(ready, go);
}

static void body_lines_name(int ready, int go)
{
	prctl(PR_SET_NAME, "x\nTgid:\t1\ny");
	body_wait(ready, go);
}

struct thread_arg {
	int ready, go, exit_code;
};

static void *thread_wait(void *p)
{
	const struct thread_arg *arg = p;

	say_ready(arg->ready, my_tid());
	wait_go(arg->go);
	if (arg->exit_code >= 0)
		_exit(arg->exit_code);
	return NULL;
}

/* A second thread tells its id and ends the process at the signal; the first
 * sleeps. */
static void body_thread_exits(int ready, int go)
{
	struct thread_arg arg = {ready, go, 5};
	pthread_t thread;

	NEED(!pthread_create(&thread, NULL, thread_wait, &arg));
	for (;;)
		pause();
}

/* The second thread only ends itself. */
static void body_thread_ends(int ready, int go)
{
	struct thread_arg arg = {ready, go, -1};
	pthread_t thread;

	NEED(!pthread_create(&thread, NULL, thread_wait, &arg));
	pthread_join(thread, NULL);
	say_ready(ready, my_tid());
	for (;;)
		pause();
}

static void test_unknown_ids(void)
{
	static const pid_t ids[] = {0, -1, 0x3fffffff};
	char name[16];
	size_t i;

	for (i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
		CHECK_INT(proc_tgid(ids[i]), 0);
		CHECK_INT(proc_killed_by(ids[i]), 0);
		CHECK(!proc_alive(ids[i]));
		CHECK(proc_count_fds(ids[i], 1, NULL, -1, 1) < 0);
		CHECK(proc_open(ids[i]) < 0);
		memset(name, 'x', sizeof(name));
		proc_command(ids[i], name, sizeof(name));
		CHECK_STR(name, "");
	}
}

static void test_living(void)
{
	struct child c = start(body_wait, NULL);

	CHECK_INT(proc_tgid(c.pid), c.pid);
	CHECK_INT(proc_killed_by(c.pid), 0);
	CHECK(proc_alive(c.pid));
	let_go(&c);
	reap(&c);
	CHECK_INT(proc_tgid(c.pid), 0);
	CHECK(!proc_alive(c.pid));
}

static void check_end(void (*body)(int, int), int kill_by, int should)
{
	struct child c = start(body, NULL);
	int fd = proc_open(c.pid);

	CHECK(fd >= 0);
	CHECK_INT(proc_killed_by(c.pid), 0);
	CHECK_INT(proc_pidfd_killed_by(fd), 0);
	if (kill_by)
		NEED(kill(c.pid, kill_by) == 0);
	else
		let_go(&c);
	until_dead(&c);
	CHECK_INT(proc_killed_by(c.pid), should);
	CHECK_INT(proc_pidfd_killed_by(fd), should);
	CHECK(!proc_alive(c.pid));
	reap(&c);
	CHECK_INT(proc_killed_by(c.pid), 0); /* not known any more */
	CHECK_INT(proc_pidfd_killed_by(fd), should);
	close(fd);
}

static void test_how_it_ended(void)
{
	check_end(body_wait, 0, 0);
	check_end(body_exit_3, 0, 0);
	check_end(body_exit_9, 0, 0);
	check_end(body_wait, SIGKILL, SIGKILL);
	check_end(body_wait, SIGTERM, SIGTERM);
	check_end(body_wait, SIGPIPE, SIGPIPE);
	check_end(body_crash, 0, SIGSEGV);
	check_end(body_thread_exits, 0, 0);
	check_end(body_thread_exits, SIGKILL, SIGKILL);
	/* Names that look like the fields behind them. */
	check_end(body_bad_name, 0, 0);
	check_end(body_bad_name, SIGKILL, SIGKILL);
	check_end(body_lines_name, SIGKILL, SIGKILL);
}

static void test_bad_pidfd(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	CHECK_INT(proc_pidfd_killed_by(-1), 0);
	CHECK_INT(proc_pidfd_killed_by(fd), 0);
	close(fd);
}

static void test_threads(void)
{
	pid_t tid, leader;
	struct child c = start(body_thread_ends, &tid);

	CHECK(tid != c.pid);
	CHECK_INT(proc_tgid(tid), c.pid);
	CHECK(proc_alive(tid));
	CHECK_INT(proc_killed_by(tid), 0);
	let_go(&c);
	NEED(read(c.ready, &leader, sizeof(leader)) == sizeof(leader));
	CHECK_INT(leader, c.pid);
	/* pthread_join returns a moment before the kernel has forgotten it,
	 * and then for good. */
	while (proc_alive(tid))
		sched_yield();
	CHECK_INT(proc_tgid(tid), 0);
	CHECK(proc_alive(c.pid));
	NEED(kill(c.pid, SIGKILL) == 0);
	reap(&c);
}

static void test_names(void)
{
	struct child c = start(body_bad_name, NULL);
	char name[16], tiny[4];

	proc_command(c.pid, name, sizeof(name));
	CHECK_STR(name, "a) R 1 (");
	proc_command(c.pid, tiny, sizeof(tiny));
	CHECK_STR(tiny, "a) ");
	proc_command(c.pid, tiny, 1);
	CHECK_STR(tiny, "");
	CHECK_INT(proc_tgid(c.pid), c.pid);
	let_go(&c);
	reap(&c);

	c = start(body_lines_name, NULL);
	proc_command(c.pid, name, sizeof(name));
	CHECK_STR(name, "x\nTgid:\t1\ny");
	CHECK_INT(proc_tgid(c.pid), c.pid);
	let_go(&c);
	reap(&c);
}

/* In a pid namespace of its own the child is 1 to itself; it is @c.pid to
 * us. */
static void test_pid_namespace(void)
{
	int fd, unshared = unshare(CLONE_NEWPID);
	struct child c;
	pid_t inside;

	NEED(unshared == 0);
	c = start(body_wait, &inside);
	CHECK_INT(inside, 1);
	CHECK(c.pid != 1);
	CHECK_INT(proc_tgid(c.pid), c.pid);
	CHECK(proc_alive(c.pid));
	CHECK(proc_count_fds(c.pid, 1, NULL, -1, 1) >= 0);
	fd = proc_open(c.pid);
	NEED(kill(c.pid, SIGKILL) == 0);
	until_dead(&c);
	CHECK_INT(proc_killed_by(c.pid), SIGKILL);
	reap(&c);
	CHECK_INT(proc_pidfd_killed_by(fd), SIGKILL);
	close(fd);
}

/* ---- descriptors ----------------------------------------------------- */

static char counted[] = "/tmp/atomicfs-test-XXXXXX";

static void body_fds(int ready, int go)
{
	int fd = open(counted, O_RDWR), i;

	NEED(fd >= 0);
	for (i = 0; i < 2; i++)
		NEED(dup(fd) >= 0);
	NEED(open(counted, O_RDONLY) >= 0); /* another open file */
	body_wait(ready, go);
}

/* Far above all others, where listing takes over from trying numbers. */
static void body_sparse_fds(int ready, int go)
{
	int fd = open(counted, O_RDWR);

	NEED(fd >= 0);
	NEED(dup2(fd, 255) == 255 && dup2(fd, 900) == 900);
	close(fd);
	body_wait(ready, go);
}

static void body_many_fds(int ready, int go)
{
	int i;

	for (i = 0; i < 800; i++)
		NEED(dup(STDOUT_FILENO) >= 0);
	NEED(open(counted, O_RDONLY) >= 0);
	body_wait(ready, go);
}

/* The number /proc gives the mount that @fd is on. */
static int mnt_id_of(int fd)
{
	char path[64], line[128];
	int id = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	NEED(f);
	while (fgets(line, sizeof(line), f))
		sscanf(line, "mnt_id:%d", &id);
	fclose(f);
	NEED(id >= 0);
	return id;
}

static void check_count_of(void (*body)(int, int), uint64_t ino, int mnt_id,
			   int should)
{
	struct child c = start(body, NULL);

	CHECK_INT(proc_count_fds(c.pid, ino, NULL, -1, 100), should);
	CHECK_INT(proc_count_fds(c.pid, ino, NULL, mnt_id, 100), should);
	CHECK_INT(proc_count_fds(c.pid, ino, NULL, mnt_id + 100000, 100), 0);
	CHECK_INT(proc_count_fds(c.pid, ino + 1000000, NULL, -1, 100), 0);
	CHECK_INT(proc_count_fds(c.pid, ino, NULL, -1, 1), 1);
	CHECK_INT(proc_count_fds(c.pid, ino, "no such name", -1, 100), 0);
	CHECK_INT(proc_count_fds(c.pid, ino, NULL, -1, 0), 0);
	let_go(&c);
	until_dead(&c);
	CHECK(proc_count_fds(c.pid, ino, NULL, -1, 100) <= 0);
	reap(&c);
}

static void test_count_fds(void)
{
	int fd = mkstemp(counted), mnt_id;
	struct stat st;

	NEED(fd >= 0 && fstat(fd, &st) == 0);
	mnt_id = mnt_id_of(fd);
	CHECK_INT(proc_count_fds(getpid(), st.st_ino, NULL, mnt_id, 100), 1);
	close(fd);
	CHECK_INT(proc_count_fds(getpid(), st.st_ino, NULL, mnt_id, 100), 0);
	check_count_of(body_fds, st.st_ino, mnt_id, 4);
	check_count_of(body_sparse_fds, st.st_ino, mnt_id, 2);
	check_count_of(body_many_fds, st.st_ino, mnt_id, 1);
	unlink(counted);
}

static int n_open(void)
{
	struct stat st;

	NEED(stat("/proc/self/fd", &st) == 0);
	return st.st_size;
}

static void test_leaves_no_descriptor(void)
{
	int before = n_open();
	char name[16];

	NEED(before > 0);
	(void)proc_tgid(getpid());
	(void)proc_killed_by(getpid());
	(void)proc_alive(getpid());
	(void)proc_count_fds(getpid(), 1, NULL, -1, 1000);
	proc_command(getpid(), name, sizeof(name));
	CHECK_INT(n_open(), before);
}

/* ---- kernels without pidfd ------------------------------------------- */

static void forbid_pidfd_open(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_open, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {sizeof(code) / sizeof(*code), code};

	NEED(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	NEED(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0);
}

/* The filter stays: last of all tests. */
static void test_without_pidfd(void)
{
	struct child c;
	pid_t tid;

	forbid_pidfd_open();
	CHECK_INT(proc_open(getpid()), -ENOSYS);
	test_unknown_ids();
	test_threads();
	c = start(body_thread_exits, &tid);
	CHECK_INT(proc_tgid(c.pid), c.pid);
	CHECK_INT(proc_tgid(tid), c.pid);
	CHECK(proc_alive(c.pid));
	NEED(kill(c.pid, SIGKILL) == 0);
	until_dead(&c);
	CHECK(!proc_alive(c.pid));
	reap(&c);
	c = start(body_lines_name, NULL);
	CHECK_INT(proc_tgid(c.pid), c.pid);
	CHECK(proc_alive(c.pid));
	let_go(&c);
	reap(&c);
}

/* ---- locks ------------------------------------------------------------ */

static int locked_fd; /* its first byte is locked by the parent */
static int lock_command;

static void body_lock(int ready, int go)
{
	struct flock lock = {.l_type = F_WRLCK, .l_len = 1};
	char path[32];
	int fd;

	/* An open file of its own, or the lock would be its. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", locked_fd);
	fd = open(path, O_RDWR);
	say_ready(ready, my_tid());
	(void)fcntl(fd, lock_command, &lock);
}

/* Whether it says of a child that waits in fcntl(@command) that it is an OFD
 * lock that it waits for. */
static bool seen_as_ofd(int command)
{
	const struct timespec tick = {0, 1000000};
	bool waits = false;
	int ofd;
	char text[64], path[64];
	struct child c;
	pid_t tid;
	int fd;

	lock_command = command;
	c = start(body_lock, &tid);
	snprintf(path, sizeof(path), "/proc/%d/syscall", (int)tid);
	for (int i = 0; i < 5000 && !waits; i++) {
		ssize_t n;

		fd = open(path, O_RDONLY | O_CLOEXEC);
		NEED(fd >= 0);
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
		text[n > 0 ? n : 0] = 0;
		waits = strtol(text, NULL, 10) == SYS_fcntl && n > 0 &&
			text[0] != 'r';
		if (!waits)
			nanosleep(&tick, NULL);
	}
	CHECK(waits);
	ofd = proc_wants_ofd(tid);
	CHECK(ofd >= 0);
	kill(c.pid, SIGKILL);
	let_go(&c);
	reap(&c);
	return ofd > 0;
}

static void test_wants_ofd(void)
{
	struct flock lock = {.l_type = F_WRLCK, .l_len = 1};

	locked_fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	NEED(locked_fd >= 0);
	NEED(fcntl(locked_fd, F_OFD_SETLK, &lock) == 0);
	CHECK(seen_as_ofd(F_OFD_SETLKW));
	CHECK(!seen_as_ofd(F_SETLKW));
	CHECK(proc_wants_ofd(0) < 0);
	CHECK(proc_wants_ofd(my_tid()) < 0);
	close(locked_fd);
}

static void test_started(void)
{
	struct timespec now;
	struct child c;
	uint64_t ms, mine = proc_started_ms(my_tid());
	pid_t tid;

	CHECK(mine > 0);
	CHECK_INT(proc_started_ms(0), 0);
	clock_gettime(CLOCK_BOOTTIME, &now);
	ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	c = start(body_wait, &tid);
	/* To a clock tick, downwards. */
	CHECK(proc_started_ms(tid) + 10 >= ms);
	CHECK(proc_started_ms(tid) >= mine);
	let_go(&c);
	reap(&c);
	CHECK_INT(proc_started_ms(tid), 0);
}

int main(void)
{
	test_unknown_ids();
	test_living();
	test_how_it_ended();
	test_bad_pidfd();
	test_threads();
	test_names();
	test_count_fds();
	test_leaves_no_descriptor();
	test_wants_ofd();
	test_started();
	/* Children of this one are in the new namespace: in a child, so that
	 * the tests after it are not. */
	fflush(stdout);
	switch (fork()) {
	case 0:
		check_failures = check_count = 0;
		test_pid_namespace();
		fflush(stdout);
		_exit(check_failures || !check_count);
	default: {
		int status = -1;

		wait(&status);
		CHECK_INT(status, 0);
	}
	}
	test_without_pidfd();
	return check_result();
}
