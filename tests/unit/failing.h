/* SPDX-License-Identifier: MIT
 *
 * failing.h - an allocation that fails, the first, the second, ... as a test
 * wants it.
 *
 * A test does the same deed again and again, each time with the next allocation
 * failing, until there is none left to fail.  Its program is linked with these
 * calls wrapped; see meson.build.
 */
#ifndef TESTS_UNIT_FAILING_H
#define TESTS_UNIT_FAILING_H

#include <stdbool.h>

extern unsigned failing_countdown; /* 1: the next one fails; 0: none does */
extern bool failing_reached;       /* one has failed */

/* From now on, allocation number @k fails, and no other. */
static inline void failing_begin(unsigned k)
{
	failing_reached = false;
	failing_countdown = k;
}

/* None fails any more.  Whether one has. */
static inline bool failing_end(void)
{
	failing_countdown = 0;
	return failing_reached;
}

#endif
