/* SPDX-License-Identifier: MIT
 *
 * atomicio lock: run a command while a file is locked.
 *
 * Who holds it:
 *   - atomicio takes the lock, with signals as they are: whatever ends it while
 *     it waits leaves nothing behind.
 *   - The command inherits the descriptor, so the file stays locked until it
 *     has ended even if atomicio is killed; but also, as with flock(1), until
 *     those have ended that the command left running.
 *   - The command may close what it does not know, as sudo(8) does: atomicio
 *     keeps its descriptor until the command has ended.
 * To the mount, the thread of a lock is the one that took it last: the command
 * takes it over.  So it can lock FILE again by itself (S23), and commands that
 * wait for each other are found out (S24).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <atomicio/ioctl.h>

#include "place.h"
#include "tool.h"

#define SECONDS_MAX 1e9 /* thirty years */

static const struct command command = {
	.name = "lock",
	.operands = "FILE [--] COMMAND [ARGUMENT...]",
	.about = "Lock FILE, which is created if it is not there, run COMMAND, "
		 "and unlock it.  It is\n"
		 "the lock of flock(2), so that flock(1) and programs respect "
		 "it.  The exit code is\n"
		 "that of COMMAND.\n",
	.least = 2,
	.most = -1,
	.runs = true,
};

struct job {
	const char *file;
	char **argv; /* of the command */
	bool shared, nowait;
	uint64_t timeout_ms; /* 0: none */
	int timeout_code;
};

/* ---- opening the file ------------------------------------------------- */

/* There is nothing at @path, not even a link, and its directory is not of a
 * kind that could be a mount: no file is to be left there. */
static bool is_elsewhere(const char *path)
{
	AUTO_FREE char *dir = NULL;
	const char *slash = strrchr(path, '/');
	struct statfs sf;
	struct stat st;

	if (lstat(path, &st) == 0 || errno != ENOENT)
		return false;
	dir = slash ? strndup(path, (size_t)(slash + 1 - path)) : strdup(".");
	return dir && statfs(dir, &sf) == 0 && sf.f_type != FUSE_MAGIC;
}

/* Returns a descriptor or -errno. */
static int open_file(const char *path)
{
	/* A pipe without a writer, or a terminal, shall be refused at once. */
	const int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	int fd = open(path, flags);

	if (fd < 0 && errno == ENOENT) {
		if (is_elsewhere(path))
			return -ENOTTY;
		fd = open(path, flags | O_CREAT, 0666);
	}
	return fd < 0 ? -errno : fd;
}

/* ---- taking the lock -------------------------------------------------- */

static uint64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static volatile sig_atomic_t was_continued;

static void note_continued(int number)
{
	(void)number;
	was_continued = 1;
}

/* What was stopped (with ^Z) and continued, waits on.  Everything else that
 * ends the waiting, but not this process, ended it for good. */
static int take_lock(const struct job *job, int fd)
{
	struct sigaction action = {.sa_handler = note_continued};
	uint64_t left = job->timeout_ms, now, end = now_ms() + left;
	int r;

	(void)sigaction(SIGCONT, &action, NULL);
	do {
		struct atio_ioc_lock arg = {
			.mode = job->shared ? ATIO_IOC_SHARED
					    : ATIO_IOC_EXCLUSIVE,
			.flags = job->nowait ? ATIO_IOC_NOWAIT : 0,
			.timeout_ms = left,
		};

		was_continued = 0;
		r = ioctl(fd, ATIO_IOC_LOCK, &arg) < 0 ? -errno : 0;
		now = now_ms();
		left = end > now ? end - now : 0;
		if (r == -EINTR && was_continued && job->timeout_ms && !left)
			r = -ETIMEDOUT;
	} while (r == -EINTR && was_continued);
	return r;
}

/* The thread of the lock is this one from now on; the lock is counted as often
 * as before.  It is held in any case. */
static void take_over(const struct job *job, int fd)
{
	struct atio_ioc_lock arg = {
		.mode = job->shared ? ATIO_IOC_SHARED : ATIO_IOC_EXCLUSIVE,
		.flags = ATIO_IOC_NOWAIT,
	};
	__u32 count;

	if (ioctl(fd, ATIO_IOC_LOCK, &arg) == 0)
		(void)ioctl(fd, ATIO_IOC_UNLOCK, &count);
}

/* ---- not to be had ---------------------------------------------------- */

static const char *reason(int code)
{
	switch (code) {
	case ENOTTY:
	case ENOSYS: /* other FUSE file systems */
	case EINVAL: /* some devices */
		return "not a file of an atomicfs mount";
	case EAGAIN:
		return "locked by somebody else (atomicio locks tells by whom)";
	case ETIMEDOUT:
		return "not unlocked in time (atomicio locks tells who has it)";
	case EDEADLK:
		return "whoever holds the lock waits for one that is held "
		       "here: neither would ever end";
	case ENOLCK:
		return "the waiting for the lock was ended from outside "
		       "(atomicio locks --break, or the end of the mount)";
	case ECONNABORTED:
	case ENOTCONN:
		return "the daemon of this mount is gone";
	default:
		return strerror(code);
	}
}

static int not_locked(const struct job *job, int code)
{
	complain("%s: %s", job->file, reason(code));
	switch (code) {
	case ENOTTY:
	case ENOSYS:
	case EINVAL:
		return EXIT_FAILED;
	case EAGAIN:
	case ETIMEDOUT:
		return job->timeout_code;
	default:
		return EXIT_LOCK;
	}
}

/* ---- the command ------------------------------------------------------ */

static const int passed_on[] = {SIGHUP,  SIGINT,  SIGQUIT,
				SIGTERM, SIGUSR1, SIGUSR2};

static void exec_command(const struct job *job, int fd, const sigset_t *mask)
{
	int code;

	take_over(job, fd);
	if (fcntl(fd, F_SETFD, 0) == 0) { /* handed down */
		(void)sigprocmask(SIG_SETMASK, mask, NULL);
		(void)execvp(job->argv[0], job->argv);
	}
	code = errno;
	complain("%s: %s", job->argv[0],
		 code == ENOENT ? "command not found" : strerror(code));
	_exit(code == ENOENT ? EXIT_NO_COMMAND : EXIT_NO_EXEC);
}

/* Wait for the command.  What comes from the terminal reaches it without help;
 * what a process sends to this one is meant for it. */
static int wait_for(pid_t pid, const sigset_t *signals)
{
	siginfo_t info;
	int status;

	for (;;) {
		int number = sigwaitinfo(signals, &info);

		if (waitpid(pid, &status, WNOHANG) == pid)
			break;
		if (number > 0 && number != SIGCHLD &&
		    info.si_code != SI_KERNEL)
			(void)kill(pid, number);
	}
	return WIFSIGNALED(status) ? EXIT_SIGNAL + WTERMSIG(status)
				   : WEXITSTATUS(status);
}

static int run_command(const struct job *job, int fd)
{
	sigset_t signals, before;
	pid_t pid;

	(void)signal(SIGCHLD, SIG_DFL); /* it may come ignored */
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGCHLD);
	for (size_t i = 0; i < sizeof(passed_on) / sizeof(*passed_on); i++)
		(void)sigaddset(&signals, passed_on[i]);
	(void)sigprocmask(SIG_BLOCK, &signals, &before);
	pid = fork();
	if (pid == 0)
		exec_command(job, fd, &before);
	if (pid < 0) {
		complain("%s: %s", job->argv[0], strerror(errno));
		return EXIT_FAILED;
	}
	return wait_for(pid, &signals);
}

static int run_locked(const struct job *job)
{
	AUTO_CLOSE int fd = open_file(job->file);
	int r;

	if (fd < 0) {
		complain("%s: %s", job->file, reason(-fd));
		return EXIT_FAILED;
	}
	r = take_lock(job, fd);
	return r < 0 ? not_locked(job, -r) : run_command(job, fd);
}

/* ---- the command line ------------------------------------------------- */

static int parse_seconds(struct job *job, const char *text)
{
	char *end;
	double s;

	s = strtod(text, &end);
	if (!*text || text[strspn(text, "0123456789.")] || *end ||
	    s > SECONDS_MAX)
		return usage_error("lock: '%s' is no number of seconds", text);
	job->timeout_ms = (uint64_t)(s * 1000);
	if (s > 0 && !job->timeout_ms)
		job->timeout_ms = 1;
	job->nowait = s == 0;
	return 0;
}

static int parse_code(struct job *job, const char *text)
{
	size_t n = strlen(text);
	long code = strtol(text, NULL, 10);

	if (n < 1 || n > 3 || text[strspn(text, "0123456789")] || code > 255)
		return usage_error("lock: '%s' is no exit code (0 to 255)",
				   text);
	job->timeout_code = (int)code;
	return 0;
}

int lock_main(int argc, char **argv)
{
	struct job job = {.timeout_code = EXIT_TIMEOUT};
	const char *seconds = NULL, *code_text = NULL;
	bool exclusive = false;
	const struct flag flags[] = {
		{.letter = 's',
		 .name = "shared",
		 .help = "others may have it shared, too",
		 .on = &job.shared},
		{.letter = 'x',
		 .name = "exclusive",
		 .help = "nobody else may have it (the default)",
		 .on = &exclusive},
		{.letter = 'w',
		 .name = "wait",
		 .value = "SECONDS",
		 .help = "give up after so long (a fraction is fine)",
		 .text = &seconds},
		{.letter = 'n',
		 .name = "nonblock",
		 .help = "give up at once",
		 .on = &job.nowait},
		{.letter = 'E',
		 .name = "conflict-exit-code",
		 .value = "CODE",
		 .help = "the exit code when it gave up (4)",
		 .text = &code_text},
		{0},
	};
	int code, n = args_parse(&command, flags, argc, argv, &code);

	if (n < 0)
		return code;
	if (job.shared && exclusive)
		return usage_error("lock: --shared and --exclusive do not go "
				   "together");
	if (job.nowait && seconds)
		return usage_error("lock: --wait and --nonblock do not go "
				   "together");
	if ((seconds && parse_seconds(&job, seconds)) ||
	    (code_text && parse_code(&job, code_text)))
		return EXIT_USAGE;
	job.file = argv[0];
	job.argv = argv + 1;
	if (!strcmp(*job.argv, "--")) {
		job.argv++;
		if (--n < 2)
			return usage_error("lock: no command given");
	}
	return run_locked(&job);
}
