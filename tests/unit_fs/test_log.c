/* SPDX-License-Identifier: MIT
 *
 * test_log.c - lines of log.c, as stderr and syslog get them.
 */
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "log.h"

static int saved_stderr, sink;

static void capture(void)
{
	int ends[2];

	NEED(pipe2(ends, O_CLOEXEC) == 0);
	NEED((saved_stderr = dup(STDERR_FILENO)) >= 0);
	NEED(dup2(ends[1], STDERR_FILENO) >= 0);
	close(ends[1]);
	sink = ends[0];
}

/* What was written since capture(). */
static const char *captured(void)
{
	static char text[16 * PIPE_BUF];
	size_t size = 0;
	ssize_t n;

	NEED(dup2(saved_stderr, STDERR_FILENO) >= 0);
	close(saved_stderr);
	while ((n = read(sink, text + size, sizeof(text) - 1 - size)) > 0)
		size += n;
	close(sink);
	text[size] = '\0';
	return text;
}

#define LOGGED(call, should)                                                   \
	do {                                                                   \
		capture();                                                     \
		call;                                                          \
		CHECK_STR(captured(), should);                                 \
	} while (0)

static void test_failure_lines(void)
{
	LOGGED(log_failure("commit", "a/b", EIO, 17, "fsync"),
	       "atomicfs: commit 'a/b': EIO: fsync (txn 17)\n");
	LOGGED(log_failure("commit", "a", ENOSPC, 0, NULL),
	       "atomicfs: commit 'a': ENOSPC\n");
	LOGGED(log_failure("rolled back", "a", 0, 3, "killed"),
	       "atomicfs: rolled back 'a': killed (txn 3)\n");
	LOGGED(log_failure("mount", NULL, EBUSY, 0, ""),
	       "atomicfs: mount: EBUSY\n");
	LOGGED(log_failure("commit", "", EIO, UINT64_MAX, NULL),
	       "atomicfs: commit '': EIO (txn 18446744073709551615)\n");
}

static void test_other_lines(void)
{
	LOGGED(log_info("%d of %s", 3, "x"), "atomicfs: 3 of x\n");
	LOGGED(log_warn("it's \\n"), "atomicfs: it's \\n\n");
	LOGGED(log_info("a\nb\x1b[31m"), "atomicfs: a\\x0ab\\x1b[31m\n");
	LOGGED(log_debug("not now"), "");
	log_open(false, true);
	LOGGED(log_debug("now %d", 1), "atomicfs: now 1\n");
	log_open(false, false);
	LOGGED(log_debug("not now"), "");
}

static void test_names_forge_nothing(void)
{
	LOGGED(log_failure("x", "a\nb\r\t\x7f", 0, 0, NULL),
	       "atomicfs: x 'a\\x0ab\\x0d\\x09\\x7f'\n");
	LOGGED(log_failure("x", "a': EIO: lie (txn 3)", ENOENT, 0, NULL),
	       "atomicfs: x 'a\\x27: EIO: lie (txn 3)': ENOENT\n");
	LOGGED(log_failure("x", "a\\x0a", 0, 0, NULL),
	       "atomicfs: x 'a\\x5cx0a'\n");
	LOGGED(log_failure("x", "%s%n", 0, 0, "%s%n"),
	       "atomicfs: x '%s%n': %s%n\n");
	LOGGED(log_failure("x", "a", 0, 0, "c\nd"),
	       "atomicfs: x 'a': c\\x0ad\n");
}

static void test_utf8(void)
{
	/* Whole characters stay. */
	LOGGED(log_failure("x", "\xc3\xbc\xe2\x82\xac\xf0\x9f\x90\x8d", 0, 0,
			   NULL),
	       "atomicfs: x '\xc3\xbc\xe2\x82\xac\xf0\x9f\x90\x8d'\n");
	/* Broken, overlong, surrogate, too large. */
	LOGGED(log_failure("x", "\xff\xc3", 0, 0, NULL),
	       "atomicfs: x '\\xff\\xc3'\n");
	LOGGED(log_failure("x", "\xe2\x82", 0, 0, NULL),
	       "atomicfs: x '\\xe2\\x82'\n");
	LOGGED(log_failure("x", "\xe0\x80\xaf", 0, 0, NULL),
	       "atomicfs: x '\\xe0\\x80\\xaf'\n");
	LOGGED(log_failure("x", "\xed\xa0\x80", 0, 0, NULL),
	       "atomicfs: x '\\xed\\xa0\\x80'\n");
	LOGGED(log_failure("x", "\xf4\x90\x80\x80", 0, 0, NULL),
	       "atomicfs: x '\\xf4\\x90\\x80\\x80'\n");
	/* A C1 control and one that turns the text around. */
	LOGGED(log_failure("x", "\xc2\x9b\xe2\x80\xae", 0, 0, NULL),
	       "atomicfs: x '\\xc2\\x9b\\xe2\\x80\\xae'\n");
}

static void test_long_ones(void)
{
	static char path[8192], cause[8192];
	const char *line;
	size_t len;

	/* Every byte needs four: the line still fits in one write, and ends
	 * with the end of the path and the number. */
	memset(path, '\n', sizeof(path) - 5);
	strncpy(path + sizeof(path) - 5, "end", 5);
	memset(cause, 'c', sizeof(cause) - 1);
	capture();
	log_failure("op", path, EIO, UINT64_MAX, cause);
	line = captured();
	len = strlen(line);
	CHECK(len > 2000 && len <= PIPE_BUF);
	CHECK(strncmp(line, "atomicfs: op '...\\x0a", 20) == 0);
	CHECK(strstr(line, "end': EIO: ccc") != NULL);
	CHECK(strstr(line, "... (txn 18446744073709551615)\n") != NULL);
	CHECK(strchr(line, '\n') == line + len - 1);

	capture();
	log_info("%s", cause);
	line = captured();
	len = strlen(line);
	CHECK(len > 4000 && len <= PIPE_BUF);
	CHECK_STR(line + len - 4, "...\n");
}

static void test_errno_is_left_alone(void)
{
	int fd = dup(STDERR_FILENO);

	NEED(fd >= 0);
	close(STDERR_FILENO);
	errno = ENOTDIR;
	log_failure("op", "path", EIO, 0, NULL);
	CHECK_INT(errno, ENOTDIR);
	log_info("%s", "text");
	CHECK_INT(errno, ENOTDIR);
	NEED(dup2(fd, STDERR_FILENO) >= 0);
	close(fd);
}

static void test_errnames(void)
{
	CHECK_STR(log_errname(ENOENT), "ENOENT");
	CHECK_STR(log_errname(ESTALE), "ESTALE");
	CHECK_STR(log_errname(4242), "E4242");
	CHECK_STR(log_errname(-1), "E-1");
}

enum { N_THREADS = 4, N_LINES = 500 };

static void *shout(void *arg)
{
	static const char names[N_THREADS] = {'a', 'b', 'c', 'd'};
	char path[1001];
	int i;

	memset(path, names[*(int *)arg], sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	for (i = 0; i < N_LINES; i++)
		log_failure("op", path, EIO, 1, NULL);
	return NULL;
}

static void test_lines_of_threads_do_not_mix(void)
{
	pthread_t threads[N_THREADS];
	int ids[N_THREADS], i, n = 0;
	char *line = NULL;
	size_t room = 0;
	FILE *in;

	capture();
	in = fdopen(sink, "r");
	NEED(in);
	for (i = 0; i < N_THREADS; i++) {
		ids[i] = i;
		NEED(!pthread_create(&threads[i], NULL, shout, &ids[i]));
	}
	while (n < N_THREADS * N_LINES && getline(&line, &room, in) > 0) {
		const char *p = line + strlen("atomicfs: op '");
		char run[2] = {*p, 0};

		if (strspn(p, run) != 1000 ||
		    strcmp(p + 1000, "': EIO (txn 1)\n") != 0)
			break;
		n++;
	}
	CHECK_INT(n, N_THREADS * N_LINES);
	NEED(dup2(saved_stderr, STDERR_FILENO) >= 0);
	fclose(in);
	for (i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
	free(line);
}

/* Receive one message and compare its priority and its text. */
static void check_message(int fd, const char *priority, const char *text)
{
	char message[1024];
	ssize_t n = recv(fd, message, sizeof(message) - 1, 0);

	NEED(n > 0);
	message[n] = '\0';
	CHECK(strncmp(message, priority, strlen(priority)) == 0);
	CHECK(strstr(message, "atomicfs[") != NULL);
	CHECK(strstr(message, "atomicfs: ") == NULL);
	CHECK_STR(strstr(message, "]: "), text);
}

/* In a mount namespace of its own, where /dev/log is ours. */
static void test_syslog(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX,
				   .sun_path = "/dev/log"};
	int fd;

	NEED(unshare(CLONE_NEWNS) == 0);
	NEED(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	NEED(mount("none", "/dev", "tmpfs", 0, NULL) == 0);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	NEED(fd >= 0);
	NEED(bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);

	log_open(true, false);
	/* LOG_DAEMON is 3 << 3; err 3, warning 4, info 6. */
	log_failure("commit", "a\nb", EIO, 7, "fsync");
	check_message(fd, "<27>", "]: commit 'a\\x0ab': EIO: fsync (txn 7)");
	log_failure("rolled back", "a", ESTALE, 0, "conflict");
	check_message(fd, "<28>", "]: rolled back 'a': ESTALE: conflict");
	log_warn("low %s", "%s");
	check_message(fd, "<28>", "]: low %s");
	log_info("up");
	check_message(fd, "<30>", "]: up");
	close(fd);
}

int main(void)
{
	log_open(false, false);
	test_failure_lines();
	test_other_lines();
	test_names_forge_nothing();
	test_utf8();
	test_long_ones();
	test_errno_is_left_alone();
	test_errnames();
	test_lines_of_threads_do_not_mix();
	test_syslog();
	return check_result();
}
