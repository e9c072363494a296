/* SPDX-License-Identifier: MIT
 *
 * run.c - a program of somebody else's, run for one document.
 *
 * The caller may have threads, so between fork and exec only what is
 * async-signal-safe happens.  The child leads a session; whoever is left of its
 * group is killed at the end.  Its end is seen by a pidfd, and not by the end
 * of its output: that may be held open by a process it has left behind.  That
 * exec has failed is told through a pipe that exec closes.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "format/codec.h"
#include "format/run.h"

enum { IN, OUT, MESSAGE, FAILED, N_PIPES };

struct run {
	const char *const *argv;
	const struct atio_run_limits *limits;
	int ends[N_PIPES]; /* ours; -1: closed */
	int theirs[N_PIPES];
	int pidfd;
	pid_t parent, pid;
	const char *input;
	size_t input_len;
	bool keep_output;
	struct atio_out output, message;
	int64_t end_ms;
};

/* ---- the child ------------------------------------------------------- */

/* A lower limit that there is already stays. */
static void limit(int what, rlim_t soft, rlim_t hard)
{
	struct rlimit now;

	if (getrlimit(what, &now) < 0)
		return;
	if (hard < now.rlim_max)
		now.rlim_max = hard;
	now.rlim_cur = soft < now.rlim_max ? soft : now.rlim_max;
	(void)setrlimit(what, &now);
}

static void set_limits(const struct atio_run_limits *limits)
{
	/* At the soft limit comes SIGXCPU, by which it is known. */
	limit(RLIMIT_CPU, limits->cpu_seconds, limits->cpu_seconds + 1);
	/* Programs that are built with these map terabytes. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	limit(RLIMIT_AS, limits->memory, limits->memory);
#endif
	/* 0 would still let a program of core_pattern be run. */
	limit(RLIMIT_CORE, 1, 1);
}

/* Below 3 there may be nothing, so the descriptors are first moved out of the
 * way. */
static bool place_descriptors(const int theirs[N_PIPES])
{
	int high[N_PIPES], i;

	for (i = 0; i < N_PIPES; i++) {
		high[i] = fcntl(theirs[i], F_DUPFD_CLOEXEC, N_PIPES);
		if (high[i] < 0)
			return false;
	}
	for (i = 0; i < N_PIPES; i++)
		if (dup2(high[i], i) < 0)
			return false;
	(void)close_range(N_PIPES, ~0u, 0);
	return fcntl(FAILED, F_SETFD, FD_CLOEXEC) == 0;
}

/* All signals are blocked: a handler of the parent must not run here. */
static void reset_signals(void)
{
	sigset_t none;
	int i;

	for (i = 1; i < NSIG; i++)
		(void)signal(i, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void become(const struct run *run)
{
	static const char *const environment[] = {
		"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", NULL};
	bool ready;
	int code;

	reset_signals();
	(void)setsid();
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != run->parent)
		_exit(127);
	ready = place_descriptors(run->theirs);
	set_limits(run->limits);
	if (ready && fchdir(open("/", O_PATH | O_CLOEXEC)) == 0)
		(void)execve(run->argv[0], (char *const *)run->argv,
			     (char *const *)environment);
	code = errno;
	(void)!write(ready ? FAILED : run->theirs[FAILED], &code, sizeof(code));
	_exit(127);
}

/* ---- its pipes ------------------------------------------------------- */

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void close_end(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

static void close_all(struct run *run)
{
	int i;

	for (i = 0; i < N_PIPES; i++) {
		close_end(&run->ends[i]);
		close_end(&run->theirs[i]);
	}
	close_end(&run->pidfd);
}

static int make_pipes(struct run *run)
{
	int i, pair[2];

	for (i = 0; i < N_PIPES; i++) {
		if (pipe2(pair, O_CLOEXEC) < 0)
			return -errno;
		run->ends[i] = pair[i != IN ? 0 : 1];
		run->theirs[i] = pair[i != IN ? 1 : 0];
		if (fcntl(run->ends[i], F_SETFL, O_NONBLOCK) < 0)
			return -errno;
	}
	return 0;
}

/* Feed it, unless it reads no more: that is its affair. */
static void feed(struct run *run)
{
	ssize_t n = write(run->ends[IN], run->input, run->input_len);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		run->input += n;
		run->input_len -= (size_t)n;
	}
	if (n < 0 || !run->input_len)
		close_end(&run->ends[IN]);
}

/* Returns whether there may be more at once; at the end, the descriptor is
 * closed.  What @out has no room for is thrown away if @cut. */
static bool drain(int *fd, struct atio_out *out, bool cut)
{
	char bytes[16384];
	ssize_t n = *fd < 0 ? 0 : read(*fd, bytes, sizeof(bytes));
	size_t room = out->limit - out->len;

	if (n > 0)
		atio_out_put(out, bytes,
			     cut && (size_t)n > room ? room : (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		close_end(fd);
	return n > 0;
}

static bool drain_output(struct run *run)
{
	return drain(&run->ends[OUT], &run->output, !run->keep_output);
}

static bool drain_message(struct run *run)
{
	return drain(&run->ends[MESSAGE], &run->message, true);
}

/* What it wrote before its end.  A process that it has left behind in a group
 * of its own may still write. */
static int drain_rest(struct run *run)
{
	while (run->message.len < ATIO_RUN_MESSAGE_MAX && drain_message(run))
		;
	while (run->keep_output && !run->output.failed && drain_output(run))
		if (now_ms() >= run->end_ms)
			return -ETIME;
	return run->output.failed;
}

/* Until it has ended, or the time is over. */
static int converse(struct run *run)
{
	struct pollfd fds[4];
	int64_t left;

	for (;;) {
		left = run->end_ms - now_ms();
		if (left <= 0)
			return -ETIME;
		fds[IN] = (struct pollfd){run->ends[IN], POLLOUT, 0};
		fds[OUT] = (struct pollfd){run->ends[OUT], POLLIN, 0};
		fds[MESSAGE] = (struct pollfd){run->ends[MESSAGE], POLLIN, 0};
		fds[FAILED] = (struct pollfd){run->pidfd, POLLIN, 0};
		if (poll(fds, 4, (int)left) < 0 && errno != EINTR)
			return -errno;
		if (fds[IN].revents)
			feed(run);
		if (fds[OUT].revents)
			(void)drain_output(run);
		if (fds[MESSAGE].revents)
			(void)drain_message(run);
		if (run->output.failed)
			return run->output.failed;
		if (fds[FAILED].revents)
			return 0;
	}
}

/* ---- its end --------------------------------------------------------- */

/* Kill what there is of it, and wait for its end.  Its group is killed while
 * its number can be nobody else's: as long as it has not been waited for. */
static int end_it(struct run *run, siginfo_t *ret_info)
{
	const int look = WEXITED | WNOHANG | WNOWAIT;
	int r;

	if (waitid(P_PID, (id_t)run->pid, ret_info, look) == 0)
		(void)kill(-run->pid, SIGKILL);
	/* It may not have got to lead a group. */
	(void)pidfd_send_signal(run->pidfd, SIGKILL, NULL, 0);
	do
		r = waitid(P_PID, (id_t)run->pid, ret_info, WEXITED);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

static bool take_number(const char **s, size_t *ret)
{
	size_t n = 0;
	const char *begin = *s;

	for (; **s >= '0' && **s <= '9' && n < 100000000; (*s)++)
		n = n * 10 + (size_t)(**s - '0');
	*ret = n;
	return *s > begin && *(*s)++ == ':';
}

/* The first line of stderr that is not empty, or "". */
static const char *first_line(struct atio_out *message)
{
	char *s;

	if (message->failed || !message->len)
		return "";
	/* Behind it is always room for a NUL: see struct atio_out. */
	message->bytes[message->len] = '\0';
	s = message->bytes + strspn(message->bytes, " \t\r\n");
	s[strcspn(s, "\r\n")] = '\0';
	s[atio_utf8_check(s, strlen(s))] = '\0';
	return s;
}

static int say(struct atio_value_error *err, int code, struct atio_out *message,
	       const char *otherwise)
{
	const char *text = first_line(message), *s = text;
	size_t line, column;

	if (!*text)
		return atio_fail(err ? &err->error : NULL, code, "%s",
				 otherwise);
	if (take_number(&s, &line) && take_number(&s, &column)) {
		text = s + strspn(s, " ");
		if (err && !err->error.code) {
			err->line = line;
			err->column = column;
		}
	}
	return atio_fail(err ? &err->error : NULL, code, "%s", text);
}

static int judge_signal(struct run *run, int number,
			struct atio_value_error *err)
{
	struct atio_error *e = err ? &err->error : NULL;
	const char *said = first_line(&run->message);

	if (number == SIGXCPU)
		return atio_fail(e, ETIME,
				 "the plugin took more than %u s of processor "
				 "time",
				 run->limits->cpu_seconds);
	return atio_fail(e, EIO, "the plugin crashed: %s%s%s",
			 sigdescr_np(number) ? sigdescr_np(number) : "signal",
			 *said ? ": " : "", said);
}

static int judge(struct run *run, const siginfo_t *info,
		 struct atio_value_error *err)
{
	if (info->si_code != CLD_EXITED)
		return judge_signal(run, info->si_status, err);
	switch (info->si_status) {
	case 0:
		return 0;
	case 2:
		return say(err, EOPNOTSUPP, &run->message,
			   "the plugin cannot do that");
	case 3:
		return say(err, EINVAL, &run->message,
			   "the plugin finds it not valid");
	default:
		return say(err, EIO, &run->message, "the plugin failed");
	}
}

/* What ended the conversation before the program ended. */
static int judge_early(const struct run *run, int r,
		       struct atio_value_error *err)
{
	struct atio_error *e = err ? &err->error : NULL;
	unsigned tenths = run->limits->wall_ms / 100;

	if (r == -ETIME)
		return atio_fail(e, ETIME,
				 "the plugin took more than %u.%u s",
				 tenths / 10, tenths % 10);
	if (r == -EFBIG)
		return atio_fail(e, EFBIG,
				 "the plugin writes more than %zu bytes",
				 run->limits->output);
	return atio_fail(e, -r, "talk with the plugin: %s",
			 strerrordesc_np(-r));
}

/* Whether exec failed: its errno, or 0. */
static int exec_failed(const struct run *run)
{
	int code = 0;

	return read(run->ends[FAILED], &code, sizeof(code)) == sizeof(code)
		       ? code
		       : 0;
}

static int follow(struct run *run, struct atio_value_error *err)
{
	struct atio_error *e = err ? &err->error : NULL;
	siginfo_t info = {0};
	int r, ended, code;

	r = converse(run);
	ended = end_it(run, &info);
	code = exec_failed(run);
	if (code)
		return atio_fail(e, EIO, "run %s: %s", run->argv[0],
				 strerrordesc_np(code));
	if (r == 0)
		r = drain_rest(run);
	if (r < 0)
		return judge_early(run, r, err);
	if (ended < 0)
		return atio_fail(e, ECHILD,
				 "how the plugin ended is not known: this "
				 "program ignores SIGCHLD or waits for all "
				 "processes");
	return judge(run, &info, err);
}

/* ---- all of it ------------------------------------------------------- */

/* Writing to a plugin that reads no more must not kill the program: SIGPIPE is
 * blocked for this thread, and taken away if it came. */
static void hold_sigpipe(sigset_t *ret_before, bool *ret_pending)
{
	sigset_t pipe_only, pending;

	(void)sigemptyset(&pipe_only);
	(void)sigaddset(&pipe_only, SIGPIPE);
	(void)sigpending(&pending);
	*ret_pending = sigismember(&pending, SIGPIPE) == 1;
	(void)pthread_sigmask(SIG_BLOCK, &pipe_only, ret_before);
}

static void release_sigpipe(const sigset_t *before, bool was_pending)
{
	const struct timespec now = {0};
	sigset_t pipe_only;

	(void)sigemptyset(&pipe_only);
	(void)sigaddset(&pipe_only, SIGPIPE);
	if (!was_pending)
		(void)sigtimedwait(&pipe_only, NULL, &now);
	(void)pthread_sigmask(SIG_SETMASK, before, NULL);
}

static int start(struct run *run)
{
	sigset_t all, before;
	int i, r = 0;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	run->parent = getpid();
	run->pid = fork();
	if (run->pid == 0)
		become(run);
	/* EAGAIN would sound as if a lock were held. */
	if (run->pid < 0)
		r = errno == EAGAIN ? -ENOMEM : -errno;
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r < 0)
		return r;
	for (i = 0; i < N_PIPES; i++)
		close_end(&run->theirs[i]);
	if (!run->input_len)
		close_end(&run->ends[IN]);
	run->pidfd = pidfd_open(run->pid, 0);
	if (run->pidfd >= 0)
		return 0;
	r = errno == ESRCH ? -ECHILD : -errno;
	if (r != -ECHILD) {
		(void)kill(run->pid, SIGKILL);
		(void)waitpid(run->pid, NULL, 0);
	}
	return r;
}

static void prepare(struct run *run)
{
	int i;

	for (i = 0; i < N_PIPES; i++)
		run->ends[i] = run->theirs[i] = -1;
	run->pidfd = -1;
	run->end_ms = now_ms() + run->limits->wall_ms;
	atio_out_init(&run->output, run->keep_output ? run->limits->output : 0);
	atio_out_init(&run->message, ATIO_RUN_MESSAGE_MAX);
}

int atio_run(const char *const *argv, const void *input, size_t input_len,
	     const struct atio_run_limits *limits, char **ret_output,
	     size_t *ret_len, struct atio_value_error *err)
{
	struct run run = {
		.argv = argv,
		.limits = limits,
		.input = input,
		.input_len = input_len,
		.keep_output = ret_output,
	};
	bool pending;
	sigset_t before;
	int r;

	prepare(&run);
	hold_sigpipe(&before, &pending);
	r = make_pipes(&run);
	if (r == 0)
		r = start(&run);
	if (r < 0)
		(void)atio_fail(err ? &err->error : NULL, -r,
				"start a process: %s", strerrordesc_np(-r));
	else
		r = follow(&run, err);
	close_all(&run);
	release_sigpipe(&before, pending);
	atio_out_done(&run.message);
	if (r == 0 && ret_output) {
		r = atio_out_take(&run.output, ret_output, ret_len);
		if (r < 0)
			(void)atio_fail(err ? &err->error : NULL, -r,
					"out of memory");
	}
	atio_out_done(&run.output);
	return r;
}
