/* SPDX-License-Identifier: MIT */
#include "session.h"

#include <errno.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "log.h"
#include "passthrough.h"

#define MAX_THREADS 32
/* libfuse 3.14 does not know FUSE_TMPFILE (protocol 7.37). */
#define OPCODE_TMPFILE 51

struct job {
	struct job *next;
	void (*fn)(struct fs *fs, void *arg);
	void *arg;
};

struct session {
	struct fs *fs;
	void (*ready)(struct fs *fs);
	atomic_bool stopped;

	pthread_mutex_t lock; /* guards what follows; a leaf */
	pthread_cond_t wake;  /* a reader or a worker is needed */
	pthread_cond_t quiet; /* every thread is idle */
	struct job *first, **last;
	pthread_t threads[MAX_THREADS];
	unsigned n_threads, n_idle;
	unsigned n_called; /* of the idle ones, who did not come yet */
	pthread_t reader;
	bool has_reader;
	bool ended; /* nothing more is to be read */
	bool quit;
	int error;
};

static _Thread_local bool am_reader;

/* ---- threads --------------------------------------------------------- */

static void *thread_main(void *arg);

/* With s->lock held: let another thread look what is to be done.  False: all
 * are busy, and no more can be had. @ret_signal: the caller is to signal
 * s->wake, best when it has let go of the lock. */
static bool wake_one(struct session *s, bool *ret_signal)
{
	*ret_signal = s->n_idle;
	if (s->n_idle) {
		s->n_idle--; /* so that the next call means another one */
		s->n_called++;
		return true;
	}
	if (s->n_threads == MAX_THREADS ||
	    pthread_create(&s->threads[s->n_threads], NULL, thread_main, s))
		return false;
	s->n_threads++;
	return true;
}

void session_may_block(struct fs *fs)
{
	struct session *s = fs->session;
	bool signal;

	if (!am_reader)
		return;
	pthread_mutex_lock(&s->lock);
	/* What a handler waits for is being done by a thread already: should
	 * there be no other reader, requests wait, but not for ever. */
	if (wake_one(s, &signal)) {
		s->has_reader = false;
		am_reader = false;
	}
	pthread_mutex_unlock(&s->lock);
	if (signal)
		pthread_cond_signal(&s->wake);
}

void fs_wait(struct fs *fs)
{
	session_may_block(fs);
	pthread_cond_wait(&fs->settled, &fs->lock);
}

int session_work(struct fs *fs, void (*fn)(struct fs *fs, void *arg), void *arg)
{
	struct session *s = fs->session;
	struct job *job = calloc(1, sizeof(*job));
	bool signal;

	if (!job)
		return -ENOMEM;
	job->fn = fn;
	job->arg = arg;
	pthread_mutex_lock(&s->lock);
	*s->last = job;
	s->last = &job->next;
	(void)wake_one(s, &signal); /* else whoever ends first takes it */
	pthread_mutex_unlock(&s->lock);
	if (signal)
		pthread_cond_signal(&s->wake);
	return 0;
}

static struct job *job_take(struct session *s)
{
	struct job *job = s->first;

	if (job) {
		s->first = job->next;
		if (!s->first)
			s->last = &s->first;
	}
	return job;
}

/* ---- requests -------------------------------------------------------- */

/* What libfuse would not hand on, or hides.  True: this is INIT. */
static bool look_at(struct fs *fs, const struct fuse_buf *buf)
{
	struct fuse_in_header *head = buf->mem;

	if (fs->opts->debug)
		log_debug("request %llu: opcode %u, node %llx, pid %u",
			  (unsigned long long)head->unique, head->opcode,
			  (unsigned long long)head->nodeid, head->pid);
	if (head->opcode == FUSE_INIT) {
		passthrough_offered(fs, buf->mem, buf->size);
		return true;
	}
	if (head->opcode == OPCODE_TMPFILE)
		/* Same layout; the name "/", which no file can have, tells
		 * op_create what it is. */
		head->opcode = FUSE_CREATE;
	return false;
}

/* Be the reader, as long as nothing blocks.  Returns 0 when somebody else has
 * taken over, 1 at the end of the session, -errno. */
static int read_requests(struct session *s, struct fuse_buf *buf)
{
	struct fs *fs = s->fs;
	int r = 1;

	am_reader = true;
	while (am_reader && !fuse_session_exited(fs->se)) {
		bool init;

		r = fuse_session_receive_buf(fs->se, buf);
		if (r == -EINTR || r == -EAGAIN)
			continue;
		if (r <= 0) {
			r = r < 0 ? r : 1;
			break;
		}
		init = look_at(fs, buf);
		fuse_session_process_buf(fs->se, buf);
		if (init)
			s->ready(fs);
		r = 0;
	}
	if (am_reader && r >= 0)
		r = 1;
	return r;
}

static void lead(struct session *s, struct fuse_buf *buf)
{
	int r;

	s->has_reader = true;
	s->reader = pthread_self();
	pthread_mutex_unlock(&s->lock);
	r = read_requests(s, buf);
	pthread_mutex_lock(&s->lock);
	if (!r)
		return;
	s->ended = true;
	s->has_reader = false;
	am_reader = false;
	if (r < 0)
		s->error = r;
}

static void *thread_main(void *arg)
{
	struct session *s = arg;
	struct fuse_buf buf = {0}; /* kept: it is large */

	pthread_mutex_lock(&s->lock);
	for (;;) {
		struct job *job = job_take(s);

		if (job) {
			pthread_mutex_unlock(&s->lock);
			job->fn(s->fs, job->arg);
			free(job);
			pthread_mutex_lock(&s->lock);
		} else if (!s->has_reader && !s->ended) {
			lead(s, &buf);
		} else if (s->quit) {
			break;
		} else {
			s->n_idle++;
			if (s->n_idle == s->n_threads)
				pthread_cond_signal(&s->quiet);
			while (!s->n_called && !s->quit)
				pthread_cond_wait(&s->wake, &s->lock);
			s->n_called -= !s->quit;
		}
	}
	pthread_mutex_unlock(&s->lock);
	free(buf.mem);
	return NULL;
}

/* ---- life ------------------------------------------------------------ */

int session_start(struct fs *fs)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->wake, NULL);
	pthread_cond_init(&s->quiet, NULL);
	s->last = &s->first;
	s->fs = fs;
	fs->session = s;
	return 0;
}

int session_run(struct fs *fs, void (*ready)(struct fs *fs))
{
	struct session *s = fs->session;
	bool signal; /* there is nobody yet */

	s->ready = ready;
	pthread_mutex_lock(&s->lock);
	if (!wake_one(s, &signal)) {
		s->ended = true;
		s->error = -EAGAIN;
	}
	while (!s->ended || s->n_idle != s->n_threads || s->first)
		pthread_cond_wait(&s->quiet, &s->lock);
	pthread_mutex_unlock(&s->lock);
	return s->error;
}

void session_stop(struct fs *fs)
{
	const struct timespec tick = {0, 5000000};
	struct session *s = fs->session;
	bool ended = false;

	s->stopped = true;
	fuse_session_exit(fs->se);
	while (!ended) {
		/* A signal that comes just before the read is lost, and the
		 * reader changes: repeat it. */
		pthread_mutex_lock(&s->lock);
		ended = s->ended;
		if (s->has_reader && !ended)
			pthread_kill(s->reader, SIGUSR2);
		pthread_mutex_unlock(&s->lock);
		if (!ended)
			nanosleep(&tick, NULL);
	}
}

bool session_was_stopped(struct fs *fs)
{
	return fs->session->stopped;
}

void session_done(struct fs *fs)
{
	struct session *s = fs->session;

	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->ended = true;
	s->quit = true;
	pthread_cond_broadcast(&s->wake);
	pthread_mutex_unlock(&s->lock);
	for (unsigned i = 0; i < s->n_threads; i++)
		pthread_join(s->threads[i], NULL);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->wake);
	pthread_cond_destroy(&s->quiet);
	free(s);
	fs->session = NULL;
}
