/* SPDX-License-Identifier: MIT
 *
 * progress.c - how far a long work is.
 */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "progress.h"
#include "text.h"

#define EVERY_MS 100

static bool visible; /* a line stands on the terminal */

static uint64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void progress_begin(struct progress *p, const char *what, size_t all)
{
	*p = (struct progress){
		.what = what,
		.all = all,
		.shown = all > 1 && isatty(STDERR_FILENO),
		.next_ms = now_ms() + EVERY_MS,
	};
}

void progress_at(struct progress *p, size_t done, const char *name)
{
	if (!p->shown || now_ms() < p->next_ms)
		return;
	p->next_ms = now_ms() + EVERY_MS;
	/* To the begin of the line, and clear it. */
	(void)fprintf(stderr, "\r\033[K%s: %zu of %zu: ", p->what, done + 1,
		      p->all);
	text_put_message(stderr, name);
	(void)fflush(stderr);
	visible = true;
}

void progress_hide(void)
{
	if (!visible)
		return;
	(void)fputs("\r\033[K", stderr);
	visible = false;
}

void progress_end(struct progress *p)
{
	progress_hide();
	p->shown = false;
}
