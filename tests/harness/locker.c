/* SPDX-License-Identifier: MIT
 *
 * locker - a process that locks, to be killed at any instant.
 *
 *	locker KIND once FILE
 *	locker KIND loop COUNTERS SLOT FILE...
 *	locker KIND update COUNTERS SLOT FILE...
 *
 * KIND is flock, posix, ofd or ioctl.
 *   once    locks FILE exclusively, says "locked", and has it until its end
 *   loop    takes the lock of one of FILEs after the other, shared or
 *           exclusively, at times with a little time to wait, for ever
 *   update  ... and adds one to the number in it; the text that was there must
 *           be whole
 * Each round adds one to number SLOT in the file COUNTERS, so that others see
 * that it goes on.  SIGUSR1 interrupts a wait.
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "locking.h"

#define SLOTS  64
#define DIGITS 16
#define COPIES 300

static enum kind kind;
static atomic_long *rounds;
static unsigned seed;

static void die(const char *what)
{
	fprintf(stderr, "locker %s: %s: %s\n", kind_names[kind], what,
		strerror(errno));
	exit(1);
}

static void nothing(int number)
{
	(void)number;
}

static int open_file(const char *file)
{
	int fd = open(file, O_RDWR);

	if (fd < 0)
		die("open");
	return fd;
}

/* ---- what is in a file --------------------------------------------------- */

static void text_of(long n, char *text)
{
	for (int i = 0; i < COPIES; i++)
		snprintf(text + i * DIGITS, DIGITS + 1, "%0*ld", DIGITS, n);
}

static void add_one(int fd)
{
	char got[COPIES * DIGITS + 1] = "", want[COPIES * DIGITS + 1];
	char first[DIGITS + 1] = "";
	long n;

	if (pread(fd, got, COPIES * DIGITS, 0) < 0)
		die("read");
	memcpy(first, got, DIGITS);
	n = strtol(first, NULL, 10);
	text_of(n, want);
	if (strcmp(got, want)) {
		errno = EBADMSG;
		die("what is in the file");
	}
	text_of(n + 1, want);
	/* In two parts, to be killed between them. */
	if (pwrite(fd, want, DIGITS, 0) < 0 ||
	    pwrite(fd, want + DIGITS, DIGITS * (COPIES - 1), DIGITS) < 0)
		die("write");
}

/* ---- rounds -------------------------------------------------------------- */

static int take(int fd, int mode)
{
	struct atio_ioc_lock lock = {
		.mode = mode == LOCK_SH ? ATIO_IOC_SHARED : ATIO_IOC_EXCLUSIVE,
		.timeout_ms = 1 + rand_r(&seed) % 3,
	};

	if (kind == IOCTL && rand_r(&seed) % 2)
		return ioctl(fd, ATIO_IOC_LOCK, &lock);
	return set_lock(fd, kind, mode);
}

static void one_round(const char *file, int update)
{
	int mode = update || rand_r(&seed) % 3 == 0 ? LOCK_EX : LOCK_SH;
	int fd = open_file(file);

	if (take(fd, mode) < 0) {
		if (errno != EINTR && errno != ETIMEDOUT)
			die("lock");
	} else {
		if (update)
			add_one(fd);
		if (rand_r(&seed) % 2 && set_lock(fd, kind, LOCK_UN) < 0)
			die("unlock");
	}
	if (close(fd) < 0)
		die("close");
}

static void for_ever(char **argv, int update)
{
	int fd = open_file(argv[0]), slot = atoi(argv[1]);

	rounds = mmap(NULL, SLOTS * sizeof(*rounds), PROT_READ | PROT_WRITE,
		      MAP_SHARED, fd, 0);
	if (rounds == MAP_FAILED || slot < 0 || slot >= SLOTS)
		die("counters");
	close(fd);
	for (char **file = argv + 2;; file = file[1] ? file + 1 : argv + 2) {
		one_round(*file, update);
		atomic_fetch_add(&rounds[slot], 1);
	}
}

int main(int argc, char **argv)
{
	struct sigaction act = {.sa_handler = nothing};
	int fd;

	if (argc < 4 || (kind = kind_of(argv[1])) == KINDS)
		return 2;
	seed = getpid();
	sigaction(SIGUSR1, &act, NULL);
	if (!strcmp(argv[2], "once")) {
		fd = open_file(argv[3]);
		if (set_lock(fd, kind, LOCK_EX) < 0)
			die("lock");
		puts("locked");
		fflush(stdout);
		for (;;)
			pause();
	}
	if (argc < 6)
		return 2;
	for_ever(argv + 3, !strcmp(argv[2], "update"));
	return 0;
}
