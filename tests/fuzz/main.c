/* SPDX-License-Identifier: MIT
 *
 * main.c - runs a target without libFuzzer: FUZZER PATH...
 *
 * First each file below the paths as it is, then changed ones of them for
 * ATOMICFS_FUZZ_SECONDS (15).  The same seed (ATOMICFS_FUZZ_SEED, 1) makes the
 * same changes.  The target runs in a child that shares its present input with
 * its parent; when it dies, or takes longer than SLOWEST seconds, the input is
 * kept as crash-NAME in the working directory.
 */
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"
#include "mutate.h"

#define SLOWEST     20
#define MOST_SHOWN  400
#define MOST_MUTATE ((size_t)4096) /* larger files are run as they are */

/* Shared by parent and child. */
static struct present {
	unsigned long runs, accepted;
	size_t len;
	char bytes[MUTATE_MOST];
} * present;

static struct pool pool; /* of inputs to be changed */

/* ---- one input ------------------------------------------------------- */

static void run(const char *bytes, size_t len)
{
	present->len = len;
	if (len)
		memcpy(present->bytes, bytes, len);
	present->runs++;
	(void)alarm(SLOWEST);
	(void)LLVMFuzzerTestOneInput((const uint8_t *)bytes, len);
	present->accepted += fuzz_accepted;
}

static int run_file(const char *path, const struct stat *st, int kind,
		    struct FTW *ftw)
{
	FILE *f;
	char *bytes;
	size_t len;

	(void)ftw;
	if (kind != FTW_F || st->st_size > MUTATE_MOST)
		return 0;
	bytes = malloc((size_t)st->st_size + 1);
	f = fopen(path, "rb");
	if (!f || !bytes) {
		perror(path);
		exit(2);
	}
	/* Exactly as long as it is: a byte beyond it is the sanitizer's. */
	len = fread(bytes, 1, (size_t)st->st_size, f);
	fclose(f);
	bytes = realloc(bytes, len ? len : 1);
	run(bytes, len);
	if (len <= MOST_MUTATE)
		pool_add(&pool, bytes, len);
	free(bytes);
	return 0;
}

/* ---- the child ------------------------------------------------------- */

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double number_of(const char *name, double otherwise)
{
	const char *value = getenv(name);

	return value ? strtod(value, NULL) : otherwise;
}

static void run_changed(double seconds)
{
	uint64_t random = (uint64_t)number_of("ATOMICFS_FUZZ_SEED", 1);
	double end = now() + seconds;
	char *bytes, *exact;
	size_t len;

	bytes = malloc(MUTATE_MOST);
	while (bytes && now() < end) {
		len = mutate(&pool, &random, bytes);
		exact = malloc(len ? len : 1);
		if (!exact)
			break;
		memcpy(exact, bytes, len);
		run(exact, len);
		if (fuzz_accepted && len <= MOST_MUTATE)
			pool_change(&pool, &random, exact, len);
		free(exact);
	}
	free(bytes);
}

static void child(char **paths)
{
	for (; *paths; paths++)
		if (nftw(*paths, run_file, 10, FTW_PHYS) < 0) {
			perror(*paths);
			exit(2);
		}
	if (!pool.count) {
		fprintf(stderr, "there is no input to begin with\n");
		exit(2);
	}
	run_changed(number_of("ATOMICFS_FUZZ_SECONDS", 15));
	pool_done(&pool);
	exit(0);
}

/* ---- the parent ------------------------------------------------------ */

static void keep(const char *name)
{
	char path[256];
	FILE *f;

	(void)snprintf(path, sizeof(path), "crash-%.200s", name);
	f = fopen(path, "wb");
	if (!f || fwrite(present->bytes, 1, present->len, f) != present->len)
		perror(path);
	if (f)
		fclose(f);
	fprintf(stderr, "%s: dies of this input, which is in %s:\n", name,
		path);
	for (size_t i = 0; i < present->len && i < MOST_SHOWN; i++) {
		unsigned char c = (unsigned char)present->bytes[i];

		if (c >= 0x20 && c < 0x7F && c != '\\')
			fputc(c, stderr);
		else
			fprintf(stderr, "\\x%02X", c);
	}
	fputc('\n', stderr);
}

int main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/');
	int status;
	pid_t pid;

	name = name ? name + 1 : argv[0];
	present = mmap(NULL, sizeof(*present), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (argc < 2 || present == MAP_FAILED) {
		fprintf(stderr, "usage: %s PATH...\n", name);
		return 2;
	}
	pid = fork();
	if (pid < 0) {
		perror("fork");
		return 2;
	}
	if (!pid)
		child(argv + 1);
	if (waitpid(pid, &status, 0) != pid)
		return 2;
	printf("%s: %lu inputs, %lu of them documents\n", name, present->runs,
	       present->accepted);
	if (WIFEXITED(status) && (WEXITSTATUS(status) == 0 || !present->runs))
		return WEXITSTATUS(status);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		fprintf(stderr, "%s: takes longer than %d s\n", name, SLOWEST);
	keep(name);
	return 1;
}
