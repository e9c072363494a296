/* SPDX-License-Identifier: MIT
 *
 * mutate.h - inputs, and others that are made of them.
 */
#ifndef TESTS_FUZZ_MUTATE_H
#define TESTS_FUZZ_MUTATE_H

#include <stddef.h>
#include <stdint.h>

#define MUTATE_MOST (1 << 20) /* the longest input, in bytes */
#define POOL_MOST   2000

struct pool {
	struct input {
		char *bytes;
		size_t len;
	} inputs[POOL_MOST];
	size_t count;
	size_t kept; /* the first ones are never replaced */
};

/* A copy of it, which stays.  When the pool is full: nothing. */
void pool_add(struct pool *pool, const char *bytes, size_t len);
/* Perhaps a copy of it, in the place of another one that came in this way. */
void pool_change(struct pool *pool, uint64_t *random, const char *bytes,
		 size_t len);
void pool_done(struct pool *pool);

/* Write a changed input of @pool, which is not empty, to @bytes (MUTATE_MOST);
 * returns its length.  @random is the state of the generator. */
size_t mutate(const struct pool *pool, uint64_t *random, char *bytes);

#endif
