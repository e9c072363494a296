/* SPDX-License-Identifier: MIT
 *
 * test_format_run.c - programs that are run for one document: what they get,
 * how they end, and that nothing of them is left.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "format/run.h"
#include "run_help.h"

#define MIB ((size_t)1 << 20)

static struct atio_run_limits limits;

static void begin(void)
{
	limits = (struct atio_run_limits){.cpu_seconds = 20,
					  .wall_ms = 60000,
					  .memory = 512 * MIB,
					  .output = MIB};
}

/* ---- how it ends ------------------------------------------------------ */

static const struct {
	const char *script, *input;
	int r;
	const char *output; /* or the text of the error */
} endings[] = {
	{"cat", "some\ntext", 0, "some\ntext"},
	{"exit 0", "not read", 0, ""},
	{"printf 'a\\000b'", "", 0, "a"},
	{"echo a warning >&2", "", 0, ""},
	{"exit 1", "", -EIO, "the plugin failed"},
	{"echo bad >&2; exit 1", "", -EIO, "bad"},
	{"echo bad >&2; exit 77", "", -EIO, "bad"},
	{"exit 2", "", -EOPNOTSUPP, "the plugin cannot do that"},
	{"echo no >&2; exit 2", "", -EOPNOTSUPP, "no"},
	{"exit 3", "", -EINVAL, "the plugin finds it not valid"},
	{"echo 3: wrong >&2; exit 3", "", -EINVAL, "3: wrong"},
	{"echo :3:1: wrong >&2; exit 3", "", -EINVAL, ":3:1: wrong"},
	{"echo 1:x: wrong >&2; exit 3", "", -EINVAL, "1:x: wrong"},
	{"printf '\\n \\r\\n one\\ntwo\\n' >&2; exit 1", "", -EIO, "one"},
	{"printf 'a\\377b' >&2; exit 1", "", -EIO, "a"},
	{"printf '\\377' >&2; exit 3", "", -EINVAL,
	 "the plugin finds it not valid"},
	{"kill -SEGV $$", "", -EIO, "the plugin crashed: Segmentation fault"},
	{"echo assertion >&2; kill -ABRT $$", "", -EIO,
	 "the plugin crashed: Aborted: assertion"},
	{"kill -KILL $$", "", -EIO, "the plugin crashed: Killed"},
	{"pwd", "", 0, "/\n"},
	{"ls /proc/self/fd", "", 0, "0\n1\n2\n3\n"}, /* 3: of ls itself */
	{"read -r line </proc/$$/stat; set -- $line; test $1 = $6 && echo $1",
	 "", 0, NULL},
};

static void test_endings(void)
{
	for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
		struct result got;

		run_script(endings[i].script, endings[i].input,
			   strlen(endings[i].input), &limits, &got);
		CHECK_INT(got.r, endings[i].r);
		if (endings[i].output)
			CHECK_STR(got.r ? got.err.error.text : got.output,
				  endings[i].output);
		else
			CHECK(got.len > 1);
		CHECK_INT(got.err.error.code, -endings[i].r);
		CHECK(!got.err.line && !got.err.column);
		result_done(&got);
	}
}

static void test_places(void)
{
	static const char *const scripts[] = {
		"echo 3:14: wrong >&2; exit 1",
		"echo 3:14:wrong >&2; exit 2",
		"printf '3:14:  wrong\n1:1: more\n' >&2; exit 3",
	};

	for (size_t i = 0; i < sizeof(scripts) / sizeof(*scripts); i++) {
		struct result got;

		run_script(scripts[i], "", 0, &limits, &got);
		CHECK(got.r < 0);
		CHECK_STR(got.err.error.text, "wrong");
		CHECK_INT(got.err.line, 3);
		CHECK_INT(got.err.column, 14);
		result_done(&got);
	}
}

/* The first line may be of any length. */
static void test_long_message(void)
{
	struct result got;

	run_script("head -c 1000000 /dev/zero | tr '\\0' x >&2; exit 3", "", 0,
		   &limits, &got);
	CHECK_INT(got.r, -EINVAL);
	CHECK_INT(strlen(got.err.error.text), ATIO_ERROR_TEXT_MAX - 1);
	CHECK_INT(strspn(got.err.error.text, "x"), ATIO_ERROR_TEXT_MAX - 1);
	result_done(&got);
}

static void test_environment(void)
{
	const char *const argv[] = {"/usr/bin/env", NULL};
	struct result got = {0};

	NEED(setenv("SECRET", "x", 1) == 0);
	got.r = atio_run(argv, NULL, 0, &limits, &got.output, &got.len,
			 &got.err);
	CHECK_INT(got.r, 0);
	CHECK_STR(got.output,
		  "PATH=/usr/local/bin:/usr/bin:/bin\nLANG=C.UTF-8\n");
	result_done(&got);
}

static void test_not_run(void)
{
	static const struct {
		const char *program, *text;
	} cases[] = {
		{"/nonexistent/x",
		 "run /nonexistent/x: No such file or directory"},
		{"/etc", "run /etc: Permission denied"},
		{"/etc/passwd", "run /etc/passwd: Permission denied"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *const argv[] = {cases[i].program, NULL};
		struct result got = {0};

		got.r = atio_run(argv, "x", 1, &limits, &got.output, &got.len,
				 &got.err);
		CHECK_INT(got.r, -EIO);
		CHECK_STR(got.err.error.text, cases[i].text);
	}
}

/* ---- signals ----------------------------------------------------------- */

static volatile sig_atomic_t pipes;

static void count_pipe(int number)
{
	(void)number;
	pipes++;
}

/* It begins with no signal blocked or ignored, whatever the caller has. */
static void test_signals_of_child(void)
{
	sigset_t some, before;
	struct result got;

	(void)sigemptyset(&some);
	(void)sigaddset(&some, SIGTERM);
	NEED(pthread_sigmask(SIG_BLOCK, &some, &before) == 0);
	NEED(signal(SIGINT, SIG_IGN) != SIG_ERR);
	run_script("exec grep -E '^Sig(Blk|Ign)' /proc/self/status", "", 0,
		   &limits, &got);
	CHECK_STR(got.output, "SigBlk:\t0000000000000000\n"
			      "SigIgn:\t0000000000000000\n");
	result_done(&got);
	NEED(signal(SIGINT, SIG_DFL) != SIG_ERR);
	NEED(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
}

/* Writing to one that does not read harms nobody. */
static void test_sigpipe(void)
{
	char *big = calloc(1, 4 * MIB);
	sigset_t before, after;
	struct result got;

	NEED(big && signal(SIGPIPE, count_pipe) != SIG_ERR);
	NEED(pthread_sigmask(SIG_SETMASK, NULL, &before) == 0);
	run_script("exec <&-; sleep 0.1", big, 4 * MIB, &limits, &got);
	CHECK_INT(got.r, 0);
	CHECK_INT(pipes, 0);
	result_done(&got);
	NEED(pthread_sigmask(SIG_SETMASK, NULL, &after) == 0);
	CHECK_INT(sigismember(&after, SIGPIPE), sigismember(&before, SIGPIPE));
	NEED(raise(SIGPIPE) == 0);
	CHECK_INT(pipes, 1); /* it is not swallowed later */
	NEED(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
	free(big);
}

/* ---- limits ------------------------------------------------------------ */

static void test_output(void)
{
	static const struct {
		const char *script;
		bool keep;
		int r;
		size_t len;
	} cases[] = {
		{"head -c 1048576 /dev/zero", true, 0, MIB},
		{"head -c 1048577 /dev/zero", true, -EFBIG, 0},
		{"exec yes", true, -EFBIG, 0},
		{"head -c 9000000 /dev/zero", false, 0, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *const argv[] = {"/bin/sh", "-c", cases[i].script,
					    NULL};
		struct result got = {0};

		got.r = atio_run(argv, NULL, 0, &limits,
				 cases[i].keep ? &got.output : NULL,
				 cases[i].keep ? &got.len : NULL, &got.err);
		CHECK_INT(got.r, cases[i].r);
		CHECK_INT(got.len, cases[i].len);
		if (got.r)
			CHECK_STR(got.err.error.text,
				  "the plugin writes more than 1048576 bytes");
		result_done(&got);
	}
}

/* However it passes the time, and whatever it has open. */
static void test_wall(void)
{
	static const char *const scripts[] = {
		"sleep 60",
		"exec >&- 2>&- <&-; sleep 60",
		"trap '' TERM INT HUP; while :; do sleep 1; done",
		"while :; do echo much >&2; sleep 0.01; done",
	};

	limits.wall_ms = 300;
	for (size_t i = 0; i < sizeof(scripts) / sizeof(*scripts); i++) {
		int64_t start = now_ms();
		struct result got;

		run_script(scripts[i], "x", 1, &limits, &got);
		CHECK_INT(got.r, -ETIME);
		CHECK_STR(got.err.error.text,
			  "the plugin took more than 0.3 s");
		CHECK(now_ms() - start >= 300 && now_ms() - start < 20000);
		result_done(&got);
	}
	begin();
}

static void test_cpu(void)
{
	struct result got;

	limits.cpu_seconds = 1;
	run_script("while :; do :; done", "", 0, &limits, &got);
	CHECK_INT(got.r, -ETIME);
	CHECK_STR(got.err.error.text,
		  "the plugin took more than 1 s of processor time");
	result_done(&got);
	begin();
}

/* Not with a sanitizer, whose programs map terabytes. */
static void test_memory(void)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	const char *script = "exec perl -e '$x = \"x\" x 100e6; print 1'";
	struct result got;

	run_script(script, "", 0, &limits, &got);
	CHECK_INT(got.r, 0);
	result_done(&got);
	limits.memory = 64 * MIB;
	run_script(script, "", 0, &limits, &got);
	CHECK_INT(got.r, -EIO);
	result_done(&got);
	begin();
#endif
}

/* A lower limit that the caller has is not raised. */
static void test_lower_limit(void)
{
	struct result got;

	run_script("ulimit -Ht", "", 0, &limits, &got);
	CHECK_STR(got.output, "21\n");
	result_done(&got);
	run_script("ulimit -c; ulimit -Hc", "", 0, &limits, &got);
	CHECK_STR(got.output, "0\n0\n"); /* 1 byte, in blocks */
	result_done(&got);
}

/* ---- what it leaves ----------------------------------------------------- */

/* Killed with it, and not waited for. */
static void test_left_behind(void)
{
	int64_t start = now_ms();
	struct result got;

	run_script("sleep 60 & echo $!", "", 0, &limits, &got);
	CHECK_INT(got.r, 0);
	CHECK(now_ms() - start < 20000);
	CHECK(is_over(atol(got.output ? got.output : "1")));
	result_done(&got);
}

/* In a group of its own it lives on, and keeps nobody waiting. */
static void test_left_in_session(void)
{
	int64_t start = now_ms();
	struct result got;
	long pid;

	run_script("f=$(mktemp); "
		   "setsid sh -c \"echo \\$\\$ >$f; exec sleep 60\" & "
		   "while ! test -s $f; do sleep 0.01; done; "
		   "cat $f; rm $f; echo end",
		   "", 0, &limits, &got);
	CHECK_INT(got.r, 0);
	CHECK(now_ms() - start < 20000);
	pid = got.output ? atol(got.output) : 0;
	CHECK(got.output && strstr(got.output, "\nend\n"));
	NEED(pid > 1 && kill((pid_t)pid, SIGKILL) == 0);
	result_done(&got);
}

/* What it wrote last is not lost when it ends at once. */
static void test_last_words(void)
{
	for (int i = 0; i < 50; i++) {
		struct result got;

		run_script("head -c 60000 /dev/zero; echo why >&2; exit 3", "",
			   0, &limits, &got);
		CHECK_INT(got.r, -EINVAL);
		CHECK_STR(got.err.error.text, "why");
		result_done(&got);
		run_script("exec head -c 60000 /dev/zero", "", 0, &limits,
			   &got);
		CHECK_INT(got.r, 0);
		CHECK_INT(got.len, 60000);
		result_done(&got);
	}
}

/* ---- special callers ---------------------------------------------------- */

/* Do @deed in a process of its own, which exits with what it returns. */
static int apart(int (*deed)(void))
{
	int status = 0;
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(deed());
	NEED(pid > 0 && waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static int without_stdio(void)
{
	struct result got;
	int i;

	for (i = 0; i < 3; i++)
		(void)close(i);
	run_script("cat; echo x >&2; exit 3", "text", 4, &limits, &got);
	if (got.r != -EINVAL || strcmp(got.err.error.text, "x") != 0)
		return 1;
	run_script("cat; ls /proc/self/fd", "text", 4, &limits, &got);
	return got.r == 0 && !strcmp(got.output, "text0\n1\n2\n3\n") ? 0 : 2;
}

static int without_sigchld(void)
{
	struct result got;

	if (signal(SIGCHLD, SIG_IGN) == SIG_ERR)
		return 9;
	run_script("exit 3", "", 0, &limits, &got);
	return got.r == -ECHILD && strstr(got.err.error.text, "SIGCHLD") ? 0
									 : 1;
}

static void test_callers(void)
{
	CHECK_INT(apart(without_stdio), 0);
	CHECK_INT(apart(without_sigchld), 0);
}

static char pid_file[] = "/tmp/atio-run-XXXXXX";

static int be_killed(void)
{
	struct result got;
	char script[100];

	(void)snprintf(script, sizeof(script), "echo $$ >%s; exec sleep 60",
		       pid_file);
	run_script(script, "", 0, &limits, &got);
	return 0;
}

/* It does not outlive who has started it. */
static void test_killed_caller(void)
{
	int fd = mkstemp(pid_file);
	char text[20] = "";
	pid_t pid;

	NEED(fd >= 0);
	pid = fork();
	if (pid == 0)
		_exit(be_killed());
	NEED(pid > 0);
	while (pread(fd, text, sizeof(text) - 1, 0) <= 0)
		wait_a_bit();
	CHECK_INT(kill(pid, SIGKILL), 0);
	NEED(waitpid(pid, NULL, 0) == pid);
	CHECK(is_over(atol(text)));
	(void)close(fd);
	(void)unlink(pid_file);
}

#define THREADS 8

static void *run_many(void *number)
{
	char input[20];
	struct result got;
	long bad = 0;

	for (int i = 0; i < 20; i++) {
		int len = snprintf(input, sizeof(input), "%ld %d",
				   (long)(intptr_t)number, i);

		run_script("exec cat", input, (size_t)len, &limits, &got);
		bad += got.r != 0 || strcmp(got.output, input) != 0;
		result_done(&got);
	}
	return (void *)bad;
}

static void test_threads(void)
{
	pthread_t threads[THREADS];
	void *bad;

	for (intptr_t i = 0; i < THREADS; i++)
		NEED(pthread_create(&threads[i], NULL, run_many, (void *)i) ==
		     0);
	for (int i = 0; i < THREADS; i++) {
		NEED(pthread_join(threads[i], &bad) == 0);
		CHECK_INT((intptr_t)bad, 0);
	}
}

int main(void)
{
	size_t open_before = open_descriptors();

	begin();
	test_endings();
	test_places();
	test_long_message();
	test_environment();
	test_not_run();
	test_signals_of_child();
	test_sigpipe();
	test_output();
	test_wall();
	test_cpu();
	test_memory();
	test_lower_limit();
	test_left_behind();
	test_left_in_session();
	test_last_words();
	test_callers();
	test_killed_caller();
	test_threads();
	CHECK_INT(open_descriptors(), open_before);
	CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
	return check_result();
}
