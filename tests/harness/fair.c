/* SPDX-License-Identifier: MIT
 *
 * fair - how long does one of many wait for a lock?
 *
 *	fair FILE PROCESSES ROUNDS KIND exclusive|mixed
 *
 * Every process takes the lock ROUNDS times, with next to nothing to do under
 * it; mixed: seven in eight share it, and only the others' waits count.  A wait
 * is counted in the grants that others got meanwhile, which, unlike a time, is
 * the same on any machine.  It begins when the process is about to ask; one
 * that loses its processor between that and its waiting counts what others get
 * as well, though it was not in line yet, so such waits are told apart.
 *
 * Prints "grants N errors N median N longest N preempted N worst N median_us N
 * longest_us N pairs_per_s N": longest is of those that were not preempted,
 * worst of all.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "locking.h"

#define MOST_PROCESSES 256

struct wait {
	long others, us;
	int preempted;
};

static struct shared {
	atomic_long grants, errors;
	pthread_barrier_t start;
	long long begin[MOST_PROCESSES], end[MOST_PROCESSES];
	struct wait waits[];
} *shared;

static long rounds;
static int processes;
static enum kind kind;
static int every = 1; /* so many processes have one that locks exclusively */

static void trouble(const char *what)
{
	int e = errno;

	if (atomic_fetch_add(&shared->errors, 1) < 20)
		fprintf(stderr, "%s: %s\n", what, strerror(e));
}

static long long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* How often this process lost its processor against its will. */
static long preemptions(void)
{
	struct rusage use;

	getrusage(RUSAGE_SELF, &use);
	return use.ru_nivcsw;
}

static void one_round(int fd, int mode, struct wait *ret_wait)
{
	long switches = preemptions();
	long before = atomic_load(&shared->grants);
	long long begin = now_ns();

	if (set_lock(fd, kind, mode) < 0) {
		trouble("lock");
		return;
	}
	ret_wait->others = atomic_fetch_add(&shared->grants, 1) - before;
	ret_wait->us = (now_ns() - begin) / 1000;
	ret_wait->preempted = preemptions() != switches;
	if (set_lock(fd, kind, LOCK_UN) < 0)
		trouble("unlock");
}

static void child(const char *file, int me)
{
	int mode = me % every ? LOCK_SH : LOCK_EX;
	int fd = open(file, O_RDWR);
	struct wait shares;

	if (fd < 0)
		trouble("open");
	pthread_barrier_wait(&shared->start);
	shared->begin[me] = now_ns();
	for (long n = 0; n < rounds; n++)
		one_round(fd, mode, mode == LOCK_SH ? &shares :
			  &shared->waits[me / every * rounds + n]);
	shared->end[me] = now_ns();
	_exit(0);
}

/* ---- what it was like -------------------------------------------------- */

static int by_others(const void *a, const void *b)
{
	const struct wait *x = a, *y = b;

	return (x->others > y->others) - (x->others < y->others);
}

static int by_time(const void *a, const void *b)
{
	const struct wait *x = a, *y = b;

	return (x->us > y->us) - (x->us < y->us);
}

static double seconds(void)
{
	long long first = shared->begin[0], last = shared->end[0];

	for (int i = 1; i < processes; i++) {
		if (shared->begin[i] < first)
			first = shared->begin[i];
		if (shared->end[i] > last)
			last = shared->end[i];
	}
	return (last - first) / 1e9;
}

static void report(void)
{
	long n = (processes + every - 1) / every * rounds, longest = 0, preempted = 0;
	struct wait *waits = shared->waits;

	qsort(waits, n, sizeof(*waits), by_others);
	for (long i = 0; i < n; i++)
		if (waits[i].preempted)
			preempted++;
		else
			longest = waits[i].others;
	printf("grants %ld errors %ld median %ld longest %ld preempted %ld "
	       "worst %ld ", shared->grants, shared->errors,
	       waits[n / 2].others, longest, preempted, waits[n - 1].others);
	qsort(waits, n, sizeof(*waits), by_time);
	printf("median_us %ld longest_us %ld pairs_per_s %.0f\n",
	       waits[n / 2].us, waits[n - 1].us, shared->grants / seconds());
}

int main(int argc, char **argv)
{
	pthread_barrierattr_t across;
	int fd;

	if (argc != 6)
		return 2;
	if (argv[5][0] == 'm')
		every = 8;
	processes = atoi(argv[2]);
	rounds = atol(argv[3]);
	kind = kind_of(argv[4]);
	if (processes < 1 || processes > MOST_PROCESSES || rounds < 1 ||
	    kind == KINDS)
		return 2;
	shared = mmap(NULL, sizeof(*shared) + processes * rounds *
			      sizeof(*shared->waits), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	fd = open(argv[1], O_RDWR | O_CREAT, 0644);
	if (shared == MAP_FAILED || fd < 0 || close(fd) < 0)
		return 2;
	pthread_barrierattr_init(&across);
	pthread_barrierattr_setpshared(&across, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&shared->start, &across, processes);
	for (int i = 0; i < processes; i++)
		if (fork() == 0)
			child(argv[1], i);
	while (wait(NULL) > 0)
		;
	report();
	return 0;
}
