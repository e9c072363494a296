/* SPDX-License-Identifier: MIT */
#include "session.h"

#include <errno.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "passthrough.h"

#define MAX_WORKERS 16
/* Requests up to this size are copied when put aside; larger ones take the
 * buffer along. */
#define COPY_BYTES (64 * 1024)
/* libfuse 3.14 does not know FUSE_TMPFILE (protocol 7.37). */
#define OPCODE_TMPFILE 51

struct job {
	struct job *next;
	void (*fn)(struct fs *fs, void *arg); /* NULL: a request */
	void *arg;
	struct fuse_buf buf;
};

struct session {
	pthread_mutex_t lock; /* guards the queue; a leaf */
	pthread_cond_t wake, idle;
	struct job *first, **last;
	pthread_t workers[MAX_WORKERS];
	unsigned n_workers, n_idle, n_busy;
	bool stop;
	struct fs *fs;
	pthread_t main;
	atomic_bool done, stopped;
};

static _Thread_local bool on_worker;
static _Thread_local bool deferred;

bool session_on_worker(void)
{
	return on_worker;
}

bool session_defer(fuse_req_t req)
{
	if (on_worker)
		return false;
	/* This frees libfuse's view of the request without an answer; the raw
	 * bytes are parsed again by the worker. */
	fuse_reply_none(req);
	deferred = true;
	return true;
}

/* ---- workers --------------------------------------------------------- */

static void job_run(struct fs *fs, struct job *job)
{
	if (job->fn) {
		job->fn(fs, job->arg);
	} else {
		fuse_session_process_buf(fs->se, &job->buf);
		free(job->buf.mem);
	}
	free(job);
}

static void *worker_main(void *arg)
{
	struct session *s = arg;

	on_worker = true;
	pthread_mutex_lock(&s->lock);
	for (;;) {
		struct job *job;

		while (!s->first && !s->stop) {
			s->n_idle++;
			pthread_cond_wait(&s->wake, &s->lock);
			s->n_idle--;
		}
		job = s->first;
		if (!job)
			break;
		s->first = job->next;
		if (!s->first)
			s->last = &s->first;
		s->n_busy++;
		pthread_mutex_unlock(&s->lock);
		job_run(s->fs, job);
		pthread_mutex_lock(&s->lock);
		s->n_busy--;
		if (!s->n_busy && !s->first)
			pthread_cond_broadcast(&s->idle);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static void job_put(struct session *s, struct job *job)
{
	pthread_mutex_lock(&s->lock);
	job->next = NULL;
	*s->last = job;
	s->last = &job->next;
	if (!s->n_idle && s->n_workers < MAX_WORKERS &&
	    !pthread_create(&s->workers[s->n_workers], NULL, worker_main, s))
		s->n_workers++;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

int session_work(struct fs *fs, void (*fn)(struct fs *fs, void *arg),
		 void *arg)
{
	struct job *job = calloc(1, sizeof(*job));

	if (!job)
		return -ENOMEM;
	job->fn = fn;
	job->arg = arg;
	job_put(fs->session, job);
	return 0;
}

/* Wait until no job is left. */
static void drain(struct session *s)
{
	pthread_mutex_lock(&s->lock);
	while (s->first || s->n_busy)
		pthread_cond_wait(&s->idle, &s->lock);
	pthread_mutex_unlock(&s->lock);
}

static void stop_workers(struct session *s)
{
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_broadcast(&s->wake);
	pthread_mutex_unlock(&s->lock);
	for (unsigned i = 0; i < s->n_workers; i++)
		pthread_join(s->workers[i], NULL);
}

/* ---- the loop -------------------------------------------------------- */

static int put_aside(struct session *s, struct fuse_buf *buf)
{
	struct job *job = calloc(1, sizeof(*job));

	if (!job)
		return -ENOMEM;
	job->buf = *buf;
	if (buf->size <= COPY_BYTES) {
		job->buf.mem = malloc(buf->size);
		if (!job->buf.mem) {
			free(job);
			return -ENOMEM;
		}
		memcpy(job->buf.mem, buf->mem, buf->size);
	} else {
		buf->mem = NULL; /* the next read makes a new one */
	}
	job_put(s, job);
	return 0;
}

/* What libfuse would not hand on, or hides. */
static void look_at(struct fs *fs, const struct fuse_buf *buf)
{
	struct fuse_in_header *head = buf->mem;

	if (head->opcode == FUSE_INIT)
		passthrough_offered(fs, buf->mem, buf->size);
	else if (head->opcode == OPCODE_TMPFILE)
		/* Same layout; the name "/", which no file can have, tells
		 * op_create what it is. */
		head->opcode = FUSE_CREATE;
}

static void process(struct fs *fs, struct fuse_buf *buf)
{
	look_at(fs, buf);
	deferred = false;
	fuse_session_process_buf(fs->se, buf);
	while (deferred && put_aside(fs->session, buf) < 0) {
		/* No memory to put it aside: nothing but waiting helps. */
		const struct timespec ms = {0, 1000000};

		nanosleep(&ms, NULL);
	}
}

static bool is_init(const struct fuse_buf *buf)
{
	return ((struct fuse_in_header *)buf->mem)->opcode == FUSE_INIT;
}

int session_run(struct fs *fs, void (*ready)(struct fs *fs))
{
	struct fuse_buf buf = {0};
	int r = 0;

	fs->session->main = pthread_self();
	while (!fuse_session_exited(fs->se)) {
		r = fuse_session_receive_buf(fs->se, &buf);
		if (r == -EINTR || r == -EAGAIN)
			continue;
		if (r <= 0)
			break;
		process(fs, &buf);
		if (ready && is_init(&buf)) {
			ready(fs);
			ready = NULL;
		}
	}
	free(buf.mem);
	fs->session->done = true;
	return r < 0 && r != -EINTR && r != -EAGAIN ? r : 0;
}

void session_stop(struct fs *fs)
{
	const struct timespec tick = {0, 5000000};

	/* A signal that comes just before the read is lost: repeat it. */
	fs->session->stopped = true;
	fuse_session_exit(fs->se);
	while (!fs->session->done) {
		pthread_kill(fs->session->main, SIGUSR2);
		nanosleep(&tick, NULL);
	}
}

bool session_was_stopped(struct fs *fs)
{
	return fs->session->stopped;
}

int session_start(struct fs *fs)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->wake, NULL);
	pthread_cond_init(&s->idle, NULL);
	s->last = &s->first;
	s->fs = fs;
	s->main = pthread_self();
	fs->session = s;
	return 0;
}

void session_drain(struct fs *fs)
{
	drain(fs->session);
	on_worker = true; /* nobody is left to put a request aside for */
}

void session_done(struct fs *fs)
{
	if (!fs->session)
		return;
	drain(fs->session);
	stop_workers(fs->session);
	free(fs->session);
	fs->session = NULL;
}
