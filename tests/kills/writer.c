/* SPDX-License-Identifier: MIT
 *
 * writer.c - a program that is killed while it writes.
 *
 *   writer FILE replace|update|append|new CHUNKS THREADS END
 *
 * It writes CHUNKS chunks of 4 KiB to FILE, thread t the chunks t, t + THREADS
 * and so on, and says on stdout what it has done: `open`, `N` for every chunk
 * when its write(2) has returned, `written` at the end, and by END:
 *   close   `closing`, and `closed` when close(2) has returned
 *   pause   nothing more: it waits to be killed
 *   segv    it reads address 0, in the main thread
 *   memory  it uses more and more memory
 *   exit    exit(3) with the file open
 * With `alone-` before END the main thread, which has opened the file, ends
 * first, and another one does all the rest.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK       4096
#define MAX_THREADS 16

struct job {
	int fd;
	off_t start; /* of the first chunk */
	long chunks, threads;
	const char *end;
};

struct part {
	const struct job *job;
	long first;
	pthread_t thread;
};

static void fail(const char *what)
{
	fprintf(stderr, "writer: %s: %s\n", what, strerror(errno));
	_exit(99);
}

static void say(const char *text)
{
	size_t n = strlen(text);

	if (write(STDOUT_FILENO, text, n) != (ssize_t)n)
		fail("stdout");
}

/* Every word says where in the new data it belongs. */
static void fill(uint64_t *chunk, long number)
{
	for (size_t i = 0; i < CHUNK / sizeof(*chunk); i++)
		chunk[i] = number * (CHUNK / sizeof(*chunk)) + i + 1;
}

static void *write_part(void *arg)
{
	const struct part *part = arg;
	const struct job *job = part->job;
	uint64_t chunk[CHUNK / sizeof(uint64_t)];
	char line[24];

	for (long i = part->first; i < job->chunks; i += job->threads) {
		fill(chunk, i);
		if (pwrite(job->fd, chunk, CHUNK, job->start + i * CHUNK) !=
		    CHUNK)
			fail("write");
		snprintf(line, sizeof(line), "%ld\n", i);
		say(line);
	}
	return NULL;
}

static void write_all(const struct job *job)
{
	struct part parts[MAX_THREADS];

	for (long t = 0; t < job->threads; t++) {
		parts[t].job = job;
		parts[t].first = t;
		if (t && pthread_create(&parts[t].thread, NULL, write_part,
					&parts[t]))
			fail("thread");
	}
	write_part(&parts[0]);
	for (long t = 1; t < job->threads; t++)
		pthread_join(parts[t].thread, NULL);
	say("written\n");
}

static void use_memory(void)
{
	for (;;) {
		char *p = malloc(1 << 20);

		if (!p)
			fail("memory");
		memset(p, 1, 1 << 20);
	}
}

static void *finish(void *arg)
{
	const struct job *job = arg;
	const char *end = job->end;

	if (!strncmp(end, "alone-", 6))
		end += 6;
	write_all(job);
	if (!strcmp(end, "close")) {
		say("closing\n");
		if (close(job->fd) < 0)
			fail("close");
		say("closed\n");
		_exit(0);
	}
	if (!strcmp(end, "segv"))
		*(volatile int *)0 = 1;
	if (!strcmp(end, "memory"))
		use_memory();
	if (!strcmp(end, "exit"))
		exit(0);
	for (;;)
		pause();
}

static int flags_of(const char *how)
{
	if (!strcmp(how, "replace"))
		return O_WRONLY | O_TRUNC;
	if (!strcmp(how, "update"))
		return O_RDWR;
	if (!strcmp(how, "append"))
		return O_WRONLY | O_APPEND;
	if (!strcmp(how, "new"))
		return O_WRONLY | O_CREAT | O_EXCL;
	errno = EINVAL;
	fail(how);
	return -1;
}

int main(int argc, char **argv)
{
	const struct rlimit none = {0, 0};
	struct job job = {0};
	struct stat st;
	pthread_t other;

	if (argc != 6) {
		errno = EINVAL;
		fail("arguments");
	}
	job.chunks = strtol(argv[3], NULL, 10);
	job.threads = strtol(argv[4], NULL, 10);
	job.end = argv[5];
	if (job.threads < 1 || job.threads > MAX_THREADS) {
		errno = ERANGE;
		fail("threads");
	}
	/* No core file from a death that is wanted. */
	setrlimit(RLIMIT_CORE, &none);
	job.fd = open(argv[1], flags_of(argv[2]), 0644);
	if (job.fd < 0 || fstat(job.fd, &st) < 0)
		fail(argv[1]);
	job.start = strcmp(argv[2], "append") ? 0 : st.st_size;
	say("open\n");
	if (strncmp(job.end, "alone-", 6)) {
		finish(&job);
		return 0;
	}
	if (pthread_create(&other, NULL, finish, &job))
		fail("thread");
	pthread_exit(NULL);
}
