/* SPDX-License-Identifier: MIT
 *
 * progress.h - how far a long work is, for whoever watches a terminal.
 *
 * A line on stderr that is written over, while something takes longer than half
 * a second; nothing at all if stderr is not a terminal.  There is one such work
 * at a time.
 */
#ifndef TOOLS_PROGRESS_H
#define TOOLS_PROGRESS_H

#include <stddef.h>

/* A work of @all steps begins; @what is lent until its end. */
void progress_begin(const char *what, size_t all);
/* Step @done (from 0) begins, with @name, which is lent until the next one. */
void progress_at(size_t done, const char *name);
/* Take the line away.  Without a begin it does nothing. */
void progress_end(void);

/* Around what is written to the terminal meanwhile. */
void progress_pause(void);
void progress_resume(void);

#endif
