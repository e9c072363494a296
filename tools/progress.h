/* SPDX-License-Identifier: MIT
 *
 * progress.h - how far a long work is, for whoever watches a terminal.
 *
 * A line on stderr that is written over; nothing at all if stderr is not a
 * terminal.  A message of complain() takes it away first.
 */
#ifndef TOOLS_PROGRESS_H
#define TOOLS_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
	const char *what;
	size_t all; /* steps */
	bool shown; /* on this terminal */
	uint64_t next_ms; /* not before */
};

/* Of one step only, nothing is shown. */
void progress_begin(struct progress *p, const char *what, size_t all);
/* Step @done (from 0) begins, with @name.  Shown at most ten times a second. */
void progress_at(struct progress *p, size_t done, const char *name);
void progress_end(struct progress *p);

/* Take the line away, if there is one. */
void progress_hide(void);

#endif
