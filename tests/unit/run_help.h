/* SPDX-License-Identifier: MIT
 *
 * run_help.h - for tests of lib/format/run.c.
 */
#ifndef TESTS_UNIT_RUN_HELP_H
#define TESTS_UNIT_RUN_HELP_H

#include <stdint.h>
#include <dirent.h>
#include <time.h>

#include "check.h"
#include "format/run.h"

struct result {
	int r;
	char *output;
	size_t len;
	struct atio_value_error err;
};

/* A script of the shell. */
static inline void run_script(const char *script, const char *input,
			      size_t input_len,
			      const struct atio_run_limits *limits,
			      struct result *ret)
{
	const char *const argv[] = {"/bin/sh", "-c", script, NULL};

	*ret = (struct result){0};
	ret->r = atio_run(argv, input, input_len, limits, &ret->output,
			  &ret->len, &ret->err);
}

static inline void result_done(struct result *result)
{
	free(result->output);
	result->output = NULL;
}

static inline int64_t now_ms(void)
{
	struct timespec now;

	NEED(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline void wait_a_bit(void)
{
	const struct timespec bit = {.tv_nsec = 5000000};

	(void)nanosleep(&bit, NULL);
}

/* Whether the process ends within ten seconds.  A zombie has: who reaps it is
 * not for the test to say. */
static inline bool is_over(long pid)
{
	int64_t end = now_ms() + 10000;
	char path[40], stat[512];
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	do {
		f = fopen(path, "r");
		if (!f)
			return errno == ENOENT;
		stat[fread(stat, 1, sizeof(stat) - 1, f)] = '\0';
		(void)fclose(f);
		if (!*stat || strstr(stat, ") Z ") || strstr(stat, ") X "))
			return true;
		wait_a_bit();
	} while (now_ms() < end);
	return false;
}

static inline size_t open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	NEED(dir);
	while (readdir(dir))
		n++;
	(void)closedir(dir);
	return n;
}

#endif
