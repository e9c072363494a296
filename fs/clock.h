/* SPDX-License-Identifier: MIT
 *
 * clock.h - waiting for so long, whoever sets the time of day meanwhile.
 */
#ifndef FS_CLOCK_H
#define FS_CLOCK_H

#include <pthread.h>
#include <time.h>

/* @cond is waited for until times of clock_in_ms. */
static inline void clock_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

static inline struct timespec clock_in_ms(unsigned ms)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += (long)(ms % 1000) * 1000000;
	t.tv_sec += ms / 1000 + t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	return t;
}

#endif
