/* SPDX-License-Identifier: MIT
 *
 * torn - many replace one file, many read it: is what is read ever a mix?
 *
 *	torn FILE WRITERS READERS SECONDS replace|update|rename
 *
 * A version is a header (size, checksum) and that many bytes made from a seed.
 * Readers take it by read, by pread in pieces, or through a map, and check
 * size, fstat and checksum.  `update` overwrites in place, all versions being
 * of one size.  Prints "writes N reads N torn N errors N".
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROOM 200000

struct version {
	uint64_t size, sum; /* of the whole; of what follows */
	unsigned char data[ROOM];
};

static struct shared {
	atomic_long writes, reads, torn, errors;
	atomic_bool stop;
} *shared;

static void trouble(const char *what)
{
	int e = errno;

	if (atomic_fetch_add(&shared->errors, 1) < 20)
		fprintf(stderr, "%s: %s\n", what, strerror(e));
}

static void torn(const char *how, uint64_t size, uint64_t got)
{
	if (atomic_fetch_add(&shared->torn, 1) < 20)
		fprintf(stderr, "torn by %s: %llu of %llu\n", how,
			(unsigned long long)got, (unsigned long long)size);
}

static uint64_t sum_of(const unsigned char *p, size_t n)
{
	uint64_t h = 14695981039346656037u;

	while (n--)
		h = (h ^ *p++) * 1099511628211u;
	return h;
}

static void make(struct version *v, unsigned seed, int fixed)
{
	size_t n = fixed ? 50000 : 1 + rand_r(&seed) % (ROOM - 1);
	unsigned char c = seed;

	for (size_t i = 0; i < n; i++)
		v->data[i] = c + i * (seed | 1);
	v->size = n + 16;
	v->sum = sum_of(v->data, n);
}

static int write_all(int fd, const void *data, size_t n)
{
	const char *p = data;
	const size_t piece = 30000;

	while (n) {
		ssize_t r = write(fd, p, n < piece ? n : piece);

		if (r <= 0)
			return -1;
		p += r;
		n -= r;
	}
	return 0;
}

static void write_one(const char *file, char mode, struct version *v,
		      unsigned seed)
{
	char tmp[4096];
	int fd;

	make(v, seed, mode == 'u');
	snprintf(tmp, sizeof(tmp), "%s.%d", file, (int)getpid());
	if (mode == 'e')
		fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL, 0644);
	else
		fd = open(file, mode == 'u' ? O_RDWR : O_WRONLY | O_TRUNC);
	if (fd < 0) {
		trouble("open to write");
		return;
	}
	if (write_all(fd, v, v->size) < 0)
		trouble("write");
	if (mode == 'e' && seed % 2 && rename(tmp, file) < 0)
		trouble("rename");
	/* Updates of several processes may conflict, if one replaces. */
	if (close(fd) < 0)
		trouble("close");
	if (mode == 'e' && seed % 2 == 0 && rename(tmp, file) < 0)
		trouble("rename");
	atomic_fetch_add(&shared->writes, 1);
}

static void check(const char *how, const struct version *v, uint64_t got)
{
	if (got < 16 || v->size != got || v->sum != sum_of(v->data, got - 16))
		torn(how, got < 16 ? 0 : v->size, got);
}

static void read_all(int fd, struct version *v, uint64_t size)
{
	ssize_t n = read(fd, v, sizeof(*v));

	if (n < 0)
		trouble("read");
	else if ((uint64_t)n != size)
		torn("read and fstat", size, n);
	else
		check("read", v, n);
}

static void read_pieces(int fd, struct version *v, uint64_t size)
{
	char *p = (char *)v;
	uint64_t got = 0;
	ssize_t n = 1;

	/* From the end to the start, so that time passes between them. */
	for (uint64_t at = size; n > 0 && at > 0; got += n) {
		uint64_t piece = at < 7000 ? at : 7000;

		at -= piece;
		n = pread(fd, p + at, piece, at);
	}
	if (n < 0)
		trouble("pread");
	else
		check("pread", v, got);
}

static void read_map(int fd, uint64_t size)
{
	struct version *v = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);

	if (v == MAP_FAILED) {
		trouble("mmap");
		return;
	}
	check("map", v, size);
	munmap(v, size);
}

static void read_one(const char *file, struct version *v, unsigned n)
{
	struct stat st;
	int fd;

	if (stat(file, &st) < 0)
		trouble("stat");
	fd = open(file, O_RDONLY);
	if (fd < 0) {
		trouble("open to read");
		return;
	}
	if (fstat(fd, &st) < 0)
		trouble("fstat");
	else if (n % 3 == 0)
		read_all(fd, v, st.st_size);
	else if (n % 3 == 1)
		read_pieces(fd, v, st.st_size);
	else
		read_map(fd, st.st_size);
	close(fd);
	atomic_fetch_add(&shared->reads, 1);
}

static void child(const char *file, int writer, char mode, unsigned seed)
{
	struct version *v = calloc(1, sizeof(*v));

	if (!v)
		_exit(2);
	for (unsigned n = seed * 1000003; !atomic_load(&shared->stop); n++)
		if (writer)
			write_one(file, mode, v, n);
		else
			read_one(file, v, n);
	_exit(0);
}

int main(int argc, char **argv)
{
	struct version *first = calloc(1, sizeof(*first));
	int writers, readers, fd;
	double seconds;
	char mode;

	if (argc != 6 || !first)
		return 2;
	writers = atoi(argv[2]);
	readers = atoi(argv[3]);
	seconds = atof(argv[4]);
	mode = argv[5][0] == 'u' ? 'u' : argv[5][2] == 'n' ? 'e' : 'r';
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	fd = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0644);
	make(first, 1, mode == 'u');
	if (shared == MAP_FAILED || fd < 0 ||
	    write_all(fd, first, first->size) < 0 || close(fd) < 0)
		return 2;
	for (int i = 0; i < writers + readers; i++)
		if (fork() == 0)
			child(argv[1], i < writers, mode, i + 1);
	nanosleep(&(struct timespec){seconds, (seconds - (long)seconds) * 1e9},
		  NULL);
	atomic_store(&shared->stop, true);
	while (wait(NULL) > 0)
		;
	printf("writes %ld reads %ld torn %ld errors %ld\n", shared->writes,
	       shared->reads, shared->torn, shared->errors);
	return 0;
}
