/* SPDX-License-Identifier: MIT
 *
 * work.c - what tests/bench/run measures.
 *
 *	work JOB DIR NAME COUNT SIZE BLOCK
 *
 * does a piece of work in DIR and prints how many nanoseconds it took.  The
 * clock runs around the work only: neither the start of the program nor what
 * warms caches up is counted.
 *
 * Durable work comes in two styles.  "safe" is what a careful program does on a
 * plain file system: temporary file, fsync, rename, fsync of the directory.
 * "plain" is what a careless one does, which is enough on atomicfs: open with
 * O_TRUNC, write, close.  At its very end, with the clock still running, it
 * syncs the directory once, so that nothing the daemon put off is left out.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TEMP_NAME  "work.tmp"
#define SMALL_READ 4096

struct work {
	int dirfd;
	const char *name;
	long count;   /* how many times, or how many files */
	off_t size;   /* of a file, or of one record; or how many processes */
	size_t block; /* bytes per read or write */
	char *buf;    /* of @block bytes */
	bool safe;    /* style, see above */
	struct timespec begin, end;
};

static void die(const char *what)
{
	fprintf(stderr, "work: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void begin(struct work *w)
{
	clock_gettime(CLOCK_MONOTONIC, &w->begin);
}

static void end(struct work *w)
{
	clock_gettime(CLOCK_MONOTONIC, &w->end);
}

static int open_file(const struct work *w, const char *name, int flags)
{
	int fd = openat(w->dirfd, name, flags | O_CLOEXEC, 0644);

	if (fd < 0)
		die("open");
	return fd;
}

static void close_file(int fd)
{
	if (close(fd) < 0)
		die("close");
}

static void sync_dir(const struct work *w)
{
	if (fsync(w->dirfd) < 0)
		die("fsync of the directory");
}

/* Name of the @i-th of many files. */
static const char *numbered(const struct work *w, long i)
{
	static char name[256];

	snprintf(name, sizeof(name), "%s%06ld", w->name, i);
	return name;
}

static void write_all(const struct work *w, int fd)
{
	off_t left = w->size;

	while (left > 0) {
		size_t n = left < (off_t)w->block ? (size_t)left : w->block;

		if (write(fd, w->buf, n) != (ssize_t)n)
			die("write");
		left -= (off_t)n;
	}
}

/* ---- durable work ------------------------------------------------------ */

static void publish(const struct work *w, const char *name)
{
	int fd = open_file(w, w->safe ? TEMP_NAME : name,
			   O_WRONLY | O_CREAT | O_TRUNC);

	write_all(w, fd);
	if (w->safe && fsync(fd) < 0)
		die("fsync");
	close_file(fd);
	if (!w->safe)
		return;
	if (renameat(w->dirfd, TEMP_NAME, w->dirfd, name) < 0)
		die("rename");
	sync_dir(w);
}

static void job_publish(struct work *w)
{
	begin(w);
	for (long i = 0; i < w->count; i++)
		publish(w, w->name);
	if (!w->safe)
		sync_dir(w);
	end(w);
}

static void job_new(struct work *w)
{
	begin(w);
	for (long i = 0; i < w->count; i++)
		publish(w, numbered(w, i));
	if (!w->safe)
		sync_dir(w);
	end(w);
}

static void job_append(struct work *w)
{
	begin(w);
	for (long i = 0; i < w->count; i++) {
		int fd = open_file(w, w->name, O_WRONLY | O_APPEND);

		write_all(w, fd);
		if (w->safe && fsync(fd) < 0)
			die("fsync");
		close_file(fd);
	}
	if (!w->safe)
		sync_dir(w);
	end(w);
}

/* One byte in the middle of a file that is there. */
static void job_update(struct work *w)
{
	begin(w);
	for (long i = 0; i < w->count; i++) {
		int fd = open_file(w, w->name, O_RDWR);

		if (pwrite(fd, w->buf, 1, w->size / 2 + i) != 1)
			die("pwrite");
		close_file(fd);
	}
	sync_dir(w);
	end(w);
}

/* ---- reading ----------------------------------------------------------- */

static void read_to_end(const struct work *w, int fd)
{
	ssize_t n;

	if (lseek(fd, 0, SEEK_SET) < 0)
		die("lseek");
	while ((n = read(fd, w->buf, w->block)) > 0)
		;
	if (n < 0)
		die("read");
}

static void job_read(struct work *w)
{
	int fd = open_file(w, w->name, O_RDONLY);

	read_to_end(w, fd);
	begin(w);
	for (long i = 0; i < w->count; i++)
		read_to_end(w, fd);
	end(w);
	close_file(fd);
}

/* xorshift: the same places in every run. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void job_pread(struct work *w)
{
	int fd = open_file(w, w->name, O_RDONLY);
	uint64_t state = 88172645463325252u;
	uint64_t blocks = (uint64_t)w->size / w->block;

	read_to_end(w, fd);
	begin(w);
	for (long i = 0; i < w->count; i++) {
		uint64_t at = next_random(&state) % blocks * w->block;

		if (pread(fd, w->buf, w->block, (off_t)at) != (ssize_t)w->block)
			die("pread");
	}
	end(w);
	close_file(fd);
}

static void open_read_close(struct work *w)
{
	char buf[SMALL_READ];
	int fd = open_file(w, w->name, O_RDONLY);

	if (read(fd, buf, sizeof(buf)) <= 0)
		die("read");
	close_file(fd);
}

static void job_open(struct work *w)
{
	open_read_close(w);
	begin(w);
	for (long i = 0; i < w->count; i++)
		open_read_close(w);
	end(w);
}

/* ---- names ------------------------------------------------------------- */

static void look_at(const struct work *w, const char *name)
{
	struct stat st;

	if (fstatat(w->dirfd, name, &st, 0) < 0)
		die("stat");
}

static void job_stat(struct work *w)
{
	look_at(w, w->name);
	begin(w);
	for (long i = 0; i < w->count; i++)
		look_at(w, w->name);
	end(w);
}

/* Make the kernel know many files. */
static void job_lookup(struct work *w)
{
	begin(w);
	for (long i = 0; i < w->count; i++)
		look_at(w, numbered(w, i));
	end(w);
}

/* Empty files, not durable. */
static void job_make(struct work *w)
{
	begin(w);
	for (long i = 0; i < w->count; i++)
		close_file(open_file(w, numbered(w, i), O_WRONLY | O_CREAT));
	end(w);
}

/* The cheapest request there is: attributes, never from the cache. */
static void job_request(struct work *w)
{
	int fd = open_file(w, w->name, O_RDONLY);
	struct statx stx;

	begin(w);
	for (long i = 0; i < w->count; i++)
		if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC,
			  STATX_BASIC_STATS, &stx) < 0)
			die("statx");
	end(w);
	close_file(fd);
}

/* ---- locks ------------------------------------------------------------- */

static void lock_unlock(int fd)
{
	if (flock(fd, LOCK_EX) < 0 || flock(fd, LOCK_UN) < 0)
		die("flock");
}

static void job_flock(struct work *w)
{
	int fd = open_file(w, w->name, O_RDONLY);

	lock_unlock(fd);
	begin(w);
	for (long i = 0; i < w->count; i++)
		lock_unlock(fd);
	end(w);
	close_file(fd);
}

/* A range of bytes; what would be locked exclusively must be writable. */
static void job_fcntl(struct work *w)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	struct flock unlock = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
	int fd = open_file(w, w->name, O_RDWR);

	begin(w);
	for (long i = 0; i < w->count; i++)
		if (fcntl(fd, F_SETLKW, &lock) < 0 ||
		    fcntl(fd, F_SETLK, &unlock) < 0)
			die("fcntl");
	end(w);
	close_file(fd);
}

/* Waits until @go is closed, so that all begin at once. */
static void contend(const struct work *w, int ready, int go)
{
	int fd = open_file(w, w->name, O_RDONLY);
	char c = 0;

	lock_unlock(fd);
	if (write(ready, &c, 1) != 1 || read(go, &c, 1) != 0)
		die("pipe");
	for (long i = 0; i < w->count / w->size; i++)
		lock_unlock(fd);
	_exit(0);
}

/* @size processes want one lock, @count times in all. */
static void job_contend(struct work *w)
{
	int ready[2], go[2], status;
	char c;

	if (pipe(ready) < 0 || pipe(go) < 0)
		die("pipe");
	for (long i = 0; i < w->size; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (pid == 0) {
			close(go[1]);
			contend(w, ready[1], go[0]);
		}
	}
	close(ready[1]);
	for (long i = 0; i < w->size; i++)
		if (read(ready[0], &c, 1) != 1)
			die("a process that locks");
	begin(w);
	close(go[1]);
	while (wait(&status) > 0)
		if (status)
			exit(1);
	end(w);
}

/* ---- the disk ---------------------------------------------------------- */

/* Let the disk finish what others began. */
static void job_sync(struct work *w)
{
	begin(w);
	if (syncfs(w->dirfd) < 0)
		die("syncfs");
	end(w);
}

/* ---- the command line -------------------------------------------------- */

static const struct job {
	const char *name;
	void (*run)(struct work *w);
	bool safe;
} jobs[] = {
	{"publish-safe", job_publish, true},
	{"publish-plain", job_publish, false},
	{"new-safe", job_new, true},
	{"new-plain", job_new, false},
	{"append-safe", job_append, true},
	{"append-plain", job_append, false},
	{"update", job_update, false},
	{"read", job_read, false},
	{"pread", job_pread, false},
	{"open", job_open, false},
	{"stat", job_stat, false},
	{"lookup", job_lookup, false},
	{"make", job_make, false},
	{"request", job_request, false},
	{"flock", job_flock, false},
	{"fcntl", job_fcntl, false},
	{"contend", job_contend, false},
	{"sync", job_sync, false},
};

static long long number(const char *text)
{
	char *rest;
	long long n;

	errno = 0;
	n = strtoll(text, &rest, 10);
	if (errno || *rest || rest == text || n < 0) {
		fprintf(stderr, "work: not a number: %s\n", text);
		exit(2);
	}
	return n;
}

static void prepare(struct work *w, const char *dir)
{
	w->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->dirfd < 0)
		die(dir);
	w->buf = malloc(w->block + 1);
	if (!w->buf)
		die("malloc");
	memset(w->buf, 'x', w->block + 1);
}

int main(int argc, char **argv)
{
	const struct job *job = jobs;
	struct work w;

	if (argc != 7) {
		fputs("usage: work JOB DIR NAME COUNT SIZE BLOCK\n", stderr);
		return 2;
	}
	while (job < jobs + sizeof(jobs) / sizeof(*jobs) &&
	       strcmp(job->name, argv[1]) != 0)
		job++;
	if (job == jobs + sizeof(jobs) / sizeof(*jobs)) {
		fprintf(stderr, "work: no such job: %s\n", argv[1]);
		return 2;
	}
	w = (struct work){.name = argv[3],
			  .count = (long)number(argv[4]),
			  .size = (off_t)number(argv[5]),
			  .block = (size_t)number(argv[6]),
			  .safe = job->safe};
	prepare(&w, argv[2]);
	job->run(&w);
	printf("%lld\n", (w.end.tv_sec - w.begin.tv_sec) * 1000000000LL +
				 (w.end.tv_nsec - w.begin.tv_nsec));
	return 0;
}
