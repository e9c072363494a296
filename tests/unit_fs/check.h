/* SPDX-License-Identifier: MIT
 *
 * check.h - the least a test program needs: say what failed and where, go on,
 * and fail at the end.
 */
#ifndef TESTS_UNIT_FS_CHECK_H
#define TESTS_UNIT_FS_CHECK_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Threads check, too. */
static _Atomic unsigned check_failures, check_count;

#define CHECK(cond)                                                            \
	do {                                                                   \
		check_count++;                                                 \
		if (!(cond)) {                                                 \
			check_failures++;                                      \
			fprintf(stdout, "%s:%d: %s: not true: %s\n", __FILE__, \
				__LINE__, __func__, #cond);                    \
		}                                                              \
	} while (0)

#define CHECK_INT(is, should)                                                  \
	do {                                                                   \
		long long is_ = (is), should_ = (should);                      \
		check_count++;                                                 \
		if (is_ != should_) {                                          \
			check_failures++;                                      \
			fprintf(stdout, "%s:%d: %s: %s is %lld, not %lld\n",   \
				__FILE__, __LINE__, __func__, #is, is_,        \
				should_);                                      \
		}                                                              \
	} while (0)

#define CHECK_STR(is, should)                                                  \
	do {                                                                   \
		const char *is_ = (is), *should_ = (should);                   \
		check_count++;                                                 \
		if (!is_ || strcmp(is_, should_) != 0) {                       \
			check_failures++;                                      \
			fprintf(stdout,                                        \
				"%s:%d: %s: %s is\n  '%s', not\n"              \
				"  '%s'\n",                                    \
				__FILE__, __LINE__, __func__, #is,             \
				is_ ? is_ : "(null)", should_);                \
		}                                                              \
	} while (0)

/* For what a test cannot go on without. */
#define NEED(cond)                                                             \
	do {                                                                   \
		if (!(cond)) {                                                 \
			fprintf(stdout, "%s:%d: %s: cannot go on: %s: %s\n",   \
				__FILE__, __LINE__, __func__, #cond,           \
				strerror(errno));                              \
			exit(99);                                              \
		}                                                              \
	} while (0)

/* At the end of main. */
static inline int check_result(void)
{
	printf("%u checks, %u failed\n", check_count, check_failures);
	return check_failures || !check_count;
}

#endif
