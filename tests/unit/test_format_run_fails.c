/* SPDX-License-Identifier: MIT
 *
 * test_format_run_fails.c - each call that a run makes in turn fails: it says
 * so, nothing is left open, and no process either.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "failing.h"
#include "run_help.h"

enum call { PIPE, FORK, PIDFD, POLL, CALLS };

static const char *const names[] = {"pipe2", "fork", "pidfd_open", "poll"};
static enum call failing_call;
static unsigned countdown; /* 1: the next one of these fails; 0: none does */
static bool reached;

int __real_pipe2(int pair[2], int flags);
int __wrap_pipe2(int pair[2], int flags);
pid_t __real_fork(void);
pid_t __wrap_fork(void);
int __real_pidfd_open(pid_t pid, unsigned flags);
int __wrap_pidfd_open(pid_t pid, unsigned flags);
int __real_poll(struct pollfd *fds, nfds_t n, int timeout);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout);

static bool fails(enum call call, int code)
{
	if (call != failing_call || !countdown || --countdown)
		return false;
	reached = true;
	errno = code;
	return true;
}

int __wrap_pipe2(int pair[2], int flags)
{
	return fails(PIPE, EMFILE) ? -1 : __real_pipe2(pair, flags);
}

pid_t __wrap_fork(void)
{
	return fails(FORK, EAGAIN) ? -1 : __real_fork();
}

int __wrap_pidfd_open(pid_t pid, unsigned flags)
{
	return fails(PIDFD, EMFILE) ? -1 : __real_pidfd_open(pid, flags);
}

int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout)
{
	return fails(POLL, ENOMEM) ? -1 : __real_poll(fds, n, timeout);
}

static const struct atio_run_limits limits = {.cpu_seconds = 20,
					      .wall_ms = 60000,
					      .memory = (size_t)512 << 20,
					      .output = (size_t)1 << 20};

static void check_failed(const char *what, unsigned k, const struct result *got)
{
	bool plausible = got->r == -EMFILE || got->r == -ENOMEM;

	if (!plausible || got->err.error.code != -got->r || got->output)
		printf("%s %u: %d, %d: %s\n", what, k, got->r,
		       got->err.error.code, got->err.error.text);
	CHECK(plausible && got->err.error.code == -got->r && !got->output);
}

static void check_nothing_left(size_t open_before)
{
	CHECK_INT(open_descriptors(), open_before);
	CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

static void test_calls(void)
{
	size_t open_before = open_descriptors();
	struct result got;
	unsigned k;

	for (int call = 0; call < CALLS; call++) {
		failing_call = (enum call)call;
		for (k = 1; k < 100; k++) {
			countdown = k;
			reached = false;
			run_script("exec cat", "text", 4, &limits, &got);
			countdown = 0;
			if (!reached)
				break;
			check_failed(names[call], k, &got);
			check_nothing_left(open_before);
		}
		CHECK(k > 1 && k < 100);
		CHECK_INT(got.r, 0);
		CHECK_STR(got.output, "text");
		result_done(&got);
	}
}

static void test_allocations(void)
{
	const char *script = "head -c 100000 /dev/zero; echo warning >&2";
	size_t open_before = open_descriptors();
	struct result got;
	unsigned k;

	for (k = 1; k < 100; k++) {
		failing_begin(k);
		run_script(script, "", 0, &limits, &got);
		if (!failing_end())
			break;
		/* Without the words of a success one can do. */
		if (got.r != 0)
			check_failed("malloc", k, &got);
		result_done(&got);
		check_nothing_left(open_before);
	}
	CHECK(k > 2 && k < 100);
	CHECK_INT(got.r, 0);
	CHECK_INT(got.len, 100000);
	result_done(&got);
}

int main(void)
{
	test_calls();
	test_allocations();
	return check_result();
}
