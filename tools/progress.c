/* SPDX-License-Identifier: MIT
 *
 * progress.c - how far a long work is.
 *
 * A thread of its own draws the line, so that it goes on while one step takes
 * long: a large file, a lock that is waited for.
 */
#include "progress.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "text.h"

#define FIRST_MS 500
#define EVERY_MS 100

/* To the begin of the line, and clear it; let the terminal cut what is too
 * long, instead of using a second line that would stay. */
#define LINE_BEGIN "\r\033[K\033[?7l"
#define LINE_END   "\033[?7h"
#define LINE_CLEAR "\r\033[K"

static struct {
	pthread_mutex_t lock; /* of all that follows, and of the terminal */
	pthread_cond_t over;
	pthread_t thread;
	const char *what, *name;
	size_t all, done;
	uint64_t begin_ms;
	bool running, drawn;
} p = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uint64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void draw_locked(void)
{
	char span[TEXT_SPAN_MAX];

	(void)fprintf(stderr, LINE_BEGIN "%s: ", p.what);
	if (p.all > 1)
		(void)fprintf(stderr, "%zu of %zu: ", p.done + 1, p.all);
	text_put_message(stderr, p.name);
	(void)fprintf(stderr, " (%s)" LINE_END,
		      text_span(span, (double)(now_ms() - p.begin_ms) / 1000));
	(void)fflush(stderr);
	p.drawn = true;
}

static void clear_locked(void)
{
	if (p.drawn)
		(void)fputs(LINE_CLEAR, stderr);
	p.drawn = false;
}

static void *ticker(void *unused)
{
	uint64_t next_ms;
	struct timespec next;

	(void)pthread_mutex_lock(&p.lock);
	next_ms = p.begin_ms + FIRST_MS;
	while (p.running) {
		next.tv_sec = (time_t)(next_ms / 1000);
		next.tv_nsec = (long)(next_ms % 1000) * 1000000;
		(void)pthread_cond_timedwait(&p.over, &p.lock, &next);
		if (!p.running || now_ms() < next_ms)
			continue;
		if (p.name)
			draw_locked();
		next_ms = now_ms() + EVERY_MS;
	}
	(void)pthread_mutex_unlock(&p.lock);
	return NULL;
}

static bool is_watched(void)
{
	const char *term = getenv("TERM");

	return isatty(STDERR_FILENO) && term && *term && strcmp(term, "dumb");
}

/* Without a thread there is no line, and the work is done all the same. */
void progress_begin(const char *what, size_t all)
{
	pthread_condattr_t monotonic;

	if (p.running || !is_watched())
		return;
	(void)pthread_condattr_init(&monotonic);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&p.over, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
	p.what = what;
	p.all = all;
	p.name = NULL;
	p.begin_ms = now_ms();
	p.running = true;
	if (pthread_create(&p.thread, NULL, ticker, NULL) != 0)
		p.running = false;
}

void progress_at(size_t done, const char *name)
{
	(void)pthread_mutex_lock(&p.lock);
	p.done = done;
	p.name = name;
	(void)pthread_mutex_unlock(&p.lock);
}

void progress_end(void)
{
	bool was;

	(void)pthread_mutex_lock(&p.lock);
	was = p.running;
	p.running = false;
	if (was)
		(void)pthread_cond_signal(&p.over);
	clear_locked();
	(void)pthread_mutex_unlock(&p.lock);
	if (was)
		(void)pthread_join(p.thread, NULL);
}

void progress_pause(void)
{
	(void)pthread_mutex_lock(&p.lock);
	clear_locked();
}

void progress_resume(void)
{
	(void)pthread_mutex_unlock(&p.lock);
}
