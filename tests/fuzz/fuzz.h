/* SPDX-License-Identifier: MIT
 *
 * fuzz.h - between a target and what calls it: libFuzzer, or main.c.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Returns 0; what must not be ends the process. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* The target took the last input for a document.  main.c changes such ones
 * further. */
extern bool fuzz_accepted;

/* Say it and abort, unless @cond. */
#define MUST(cond, ...)                                                        \
	do {                                                                   \
		if (!(cond)) {                                                 \
			fprintf(stderr, "%s:%d: not true: %s: ", __FILE__,     \
				__LINE__, #cond);                              \
			fprintf(stderr, __VA_ARGS__);                          \
			fputc('\n', stderr);                                   \
			abort();                                               \
		}                                                              \
	} while (0)

#endif
