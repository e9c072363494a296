/* SPDX-License-Identifier: MIT
 *
 * run.c - a program of somebody else's, run for one document.
 *
 * The caller may have threads, so between fork and exec only what is
 * async-signal-safe happens: all that the child needs is prepared before.  The
 * child leads a session; whoever of its group is left is killed at the end.
 * That exec has failed is told through a pipe that exec closes.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "format/codec.h"
#include "format/run.h"

enum { IN, OUT, MESSAGE, FAILED, N_PIPES };

struct run {
	int ends[N_PIPES]; /* ours; -1: closed */
	int theirs[N_PIPES];
	pid_t pid;
	const char *input;
	size_t input_len;
	struct atio_out output, message;
	int64_t end_ms;
};

/* ---- the child ------------------------------------------------------- */

static void limit(int what, rlim_t value)
{
	const struct rlimit limit = {value, value};

	(void)setrlimit(what, &limit);
}

/* Below 3 there may be nothing, so the descriptors are first moved out of the
 * way. */
static bool place_descriptors(const int theirs[N_PIPES])
{
	int high[N_PIPES], i;

	for (i = 0; i < N_PIPES; i++) {
		high[i] = fcntl(theirs[i], F_DUPFD, 16);
		if (high[i] < 0)
			return false;
	}
	for (i = 0; i < N_PIPES; i++)
		if (dup2(high[i], i) < 0)
			return false;
	(void)close_range(N_PIPES, ~0u, 0);
	return fcntl(FAILED, F_SETFD, FD_CLOEXEC) == 0;
}

static void reset_signals(void)
{
	sigset_t none;
	int i;

	for (i = 1; i < NSIG; i++)
		(void)signal(i, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void become(const char *const *argv, const struct run *run)
{
	static const char *const environment[] = {
		"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", NULL};
	bool ready;
	int code;

	reset_signals();
	(void)setsid();
	ready = place_descriptors(run->theirs);
	limit(RLIMIT_CPU, ATIO_RUN_CPU_SECONDS);
#ifndef __SANITIZE_ADDRESS__ /* whose programs map terabytes */
	limit(RLIMIT_AS, ATIO_RUN_MEMORY);
#endif
	limit(RLIMIT_CORE, 0);
	if (ready && fchdir(open("/", O_PATH | O_CLOEXEC)) == 0)
		(void)execve(argv[0], (char *const *)argv,
			     (char *const *)environment);
	code = errno;
	(void)!write(ready ? FAILED : run->theirs[FAILED], &code, sizeof(code));
	_exit(127);
}

/* ---- the parent ------------------------------------------------------ */

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
}

static int make_pipes(struct run *run)
{
	int i, pair[2];

	for (i = 0; i < N_PIPES; i++)
		run->ends[i] = run->theirs[i] = -1;
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

	if (n > 0) {
		run->input += n;
		run->input_len -= (size_t)n;
	} else if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	if (n < 0 || !run->input_len)
		close_end(&run->ends[IN]);
}

static void drain(int *fd, struct atio_out *out)
{
	char bytes[65536];
	ssize_t n = read(*fd, bytes, sizeof(bytes));

	if (n > 0)
		atio_out_put(out, bytes, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		close_end(fd);
}

/* What is beyond the limit of stderr is thrown away. */
static void drain_message(struct run *run)
{
	struct atio_out *m = &run->message;
	char bytes[1024];
	ssize_t n = read(run->ends[MESSAGE], bytes, sizeof(bytes));
	size_t room = ATIO_RUN_MESSAGE_MAX - m->len;

	if (n > 0)
		atio_out_put(m, bytes, (size_t)n < room ? (size_t)n : room);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		close_end(&run->ends[MESSAGE]);
}

/* Until it has closed its output, or the time is over. */
static int converse(struct run *run)
{
	struct pollfd fds[3];
	int64_t left;
	int i;

	while (run->ends[OUT] >= 0 || run->ends[MESSAGE] >= 0) {
		left = run->end_ms - now_ms();
		if (left <= 0)
			return -ETIMEDOUT;
		for (i = 0; i < 3; i++)
			fds[i] = (struct pollfd){
				.fd = run->ends[i],
				.events = i == IN ? POLLOUT : POLLIN};
		if (poll(fds, 3, (int)left) < 0 && errno != EINTR)
			return -errno;
		if (fds[IN].revents)
			feed(run);
		if (fds[OUT].revents)
			drain(&run->ends[OUT], &run->output);
		if (fds[MESSAGE].revents)
			drain_message(run);
		if (run->output.failed)
			return run->output.failed;
	}
	return 0;
}

/* Its output is closed, which does not mean that it has ended: wait until it
 * has, or the time is over. */
static int await(const struct run *run, siginfo_t *ret_info)
{
	const struct timespec pause = {.tv_nsec = 1000000};

	for (;;) {
		ret_info->si_pid = 0;
		if (waitid(P_PID, (id_t)run->pid, ret_info,
			   WEXITED | WNOWAIT | WNOHANG) < 0 &&
		    errno != EINTR)
			return -errno;
		if (ret_info->si_pid)
			return 0;
		if (now_ms() >= run->end_ms)
			return -ETIMEDOUT;
		(void)nanosleep(&pause, NULL);
	}
}

/* The group is killed while its leader is not yet reaped, so that its number
 * can be nobody else's. */
static void end_it(const struct run *run)
{
	(void)kill(-run->pid, SIGKILL);
	(void)kill(run->pid, SIGKILL); /* it may not lead a group yet */
	while (waitpid(run->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* ---- what came of it ------------------------------------------------- */

static bool take_number(const char **s, size_t *ret)
{
	size_t n = 0;
	const char *begin = *s;

	for (; **s >= '0' && **s <= '9' && n < 100000000; (*s)++)
		n = n * 10 + (size_t)(**s - '0');
	*ret = n;
	return *s > begin && *(*s)++ == ':';
}

/* The first line of stderr, or "". */
static const char *first_line(struct atio_out *message)
{
	char *s;

	atio_out_char(message, '\0');
	if (message->failed || !message->len)
		return "";
	message->bytes[message->len - 1] = '\0';
	s = message->bytes;
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

static int judge(struct run *run, const siginfo_t *info,
		 struct atio_value_error *err)
{
	struct atio_error *e = err ? &err->error : NULL;

	if (info->si_code != CLD_EXITED && info->si_status == SIGXCPU)
		return atio_fail(e, ETIMEDOUT,
				 "the plugin took more than %d s of processor "
				 "time",
				 ATIO_RUN_CPU_SECONDS);
	if (info->si_code != CLD_EXITED)
		return atio_fail(e, EIO, "the plugin crashed: %s",
				 sigdescr_np(info->si_status));
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

/* Whether exec failed: its errno, or 0. */
static int exec_failed(const struct run *run)
{
	int code = 0;

	return read(run->ends[FAILED], &code, sizeof(code)) == sizeof(code)
		       ? code
		       : 0;
}

static int follow(struct run *run, const char *program,
		  struct atio_value_error *err)
{
	struct atio_error *e = err ? &err->error : NULL;
	siginfo_t info = {0};
	int r, code;

	r = converse(run);
	if (r == 0)
		r = await(run, &info);
	end_it(run);
	code = exec_failed(run);
	if (code)
		return atio_fail(e, code, "run %s: %s", program,
				 strerrordesc_np(code));
	if (r == -ETIMEDOUT)
		return atio_fail(e, ETIMEDOUT,
				 "the plugin took more than %d s",
				 ATIO_RUN_WALL_SECONDS);
	if (r == -EFBIG)
		return atio_fail(e, EFBIG,
				 "the plugin writes more than %zu bytes",
				 run->output.limit);
	if (r < 0)
		return atio_fail(e, -r, "talk with the plugin: %s",
				 strerrordesc_np(-r));
	return judge(run, &info, err);
}

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

static int start(struct run *run, const char *const *argv)
{
	int i;

	run->pid = fork();
	if (run->pid == 0)
		become(argv, run);
	if (run->pid < 0)
		return -errno;
	for (i = 0; i < N_PIPES; i++)
		close_end(&run->theirs[i]);
	if (!run->input_len)
		close_end(&run->ends[IN]);
	return 0;
}

int atio_run(const char *const *argv, const void *input, size_t input_len,
	     size_t most, char **ret_output, size_t *ret_len,
	     struct atio_value_error *err)
{
	struct run run = {
		.input = input,
		.input_len = input_len,
		.end_ms = now_ms() + ATIO_RUN_WALL_SECONDS * 1000,
	};
	bool pending;
	sigset_t before;
	int r;

	atio_out_init(&run.output, most);
	atio_out_init(&run.message, ATIO_RUN_MESSAGE_MAX + 1);
	hold_sigpipe(&before, &pending);
	r = make_pipes(&run);
	if (r == 0)
		r = start(&run, argv);
	if (r < 0)
		(void)atio_fail(err ? &err->error : NULL, -r,
				"start a process: %s", strerrordesc_np(-r));
	else
		r = follow(&run, argv[0], err);
	close_all(&run);
	release_sigpipe(&before, pending);
	atio_out_done(&run.message);
	if (r == 0)
		r = atio_out_take(&run.output, ret_output, ret_len);
	atio_out_done(&run.output);
	return r;
}
