/* SPDX-License-Identifier: MIT
 *
 * What all files of a process share: who its owners of locks are, whose turn it
 * is among them (the table of lib/lock, whose keys are directory and name), and
 * what happens at fork(2).
 *
 * A child of fork has a copy of all this, and of every descriptor, but none of
 * its parent's locks: it closes the copies of descriptors that hold one, and
 * begins with an empty table.  What it finds of its parent's (tasks, sections)
 * is of another generation.  A lock is always given up explicitly, not by the
 * last close, so a child that has not got so far yet does not keep it.
 */
#include "file/inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "lock/table.h"

#define OWNER_BUCKETS 64
#define MOUNTS        16
#define VISITS        64

struct visit {
	dev_t dev;
	ino_t ino;
};

static struct {
	pthread_mutex_t mutex; /* guards all but @generation */
	atomic_uint generation;
	struct atio_kept *kept;
	struct atio_owner *owners[OWNER_BUCKETS];
	pid_t last_tid;
	struct atio_lock_table *table;
	struct atio_lock_table *parents; /* in a child: nobody uses it */
	struct visit visits[VISITS];
	uint64_t mounts[MOUNTS]; /* 0: none */
	unsigned next_mount;
} process = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_uint_fast64_t last_serial; /* of threads and shared asks */

uint64_t atio_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t now_ms(void *ctx)
{
	return atio_now_ns() / 1000000u;
}

/* ---- fork -------------------------------------------------------------- */

static void before_fork(void)
{
	atio_flush_fork(0);
	pthread_mutex_lock(&process.mutex);
}

static void after_fork(void)
{
	pthread_mutex_unlock(&process.mutex);
	atio_flush_fork(1);
}

static void in_child(void)
{
	const pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;

	for (struct atio_kept *at = process.kept; at; at = at->next) {
		close(at->fd);
		at->fd = -1;
	}
	process.kept = NULL;
	memset(process.owners, 0, sizeof(process.owners));
	process.parents = process.table;
	process.table = NULL;
	process.generation++;
	process.mutex = fresh;
	atio_flush_fork(2);
}

static void begin(void)
{
	(void)pthread_atfork(before_fork, after_fork, in_child);
}

unsigned atio_generation(void)
{
	(void)pthread_once(&once, begin);
	return process.generation;
}

void atio_process_lock(void)
{
	pthread_mutex_lock(&process.mutex);
}

void atio_process_unlock(void)
{
	pthread_mutex_unlock(&process.mutex);
}

/* ---- descriptors that hold locks --------------------------------------- */

void atio_keep(struct atio_kept *kept, int fd)
{
	kept->fd = fd;
	kept->prev = kept->next = NULL;
	if (fd < 0)
		return;
	pthread_mutex_lock(&process.mutex);
	kept->next = process.kept;
	if (kept->next)
		kept->next->prev = kept;
	process.kept = kept;
	pthread_mutex_unlock(&process.mutex);
}

int atio_kept_take(struct atio_kept *kept)
{
	int fd;

	pthread_mutex_lock(&process.mutex);
	fd = kept->fd;
	if (fd >= 0) { /* else it is in no list (any more, in a child) */
		if (kept->next)
			kept->next->prev = kept->prev;
		if (kept->prev)
			kept->prev->next = kept->next;
		else
			process.kept = kept->next;
	}
	kept->fd = -1;
	pthread_mutex_unlock(&process.mutex);
	return fd;
}

void atio_kept_close(struct atio_kept *kept)
{
	int fd = kept->fd < 0 ? -1 : atio_kept_take(kept);

	if (fd >= 0)
		close(fd);
}

/* ---- owners ------------------------------------------------------------ */

uint64_t atio_thread_number(void)
{
	static __thread uint64_t serial; /* never twice, unlike a tid */

	if (!serial)
		serial = ++last_serial;
	return (uint64_t)ATIO_OWNER_MAX + serial;
}

static struct atio_owner **bucket(uint64_t number)
{
	return &process.owners[(number ^ number >> 17) % OWNER_BUCKETS];
}

struct atio_owner *atio_owner_get(uint64_t number)
{
	struct atio_owner *owner, **head;

	pthread_mutex_lock(&process.mutex);
	head = bucket(number);
	for (owner = *head; owner; owner = owner->next)
		if (owner->number == number)
			break;
	if (!owner) {
		owner = calloc(1, sizeof(*owner));
		if (owner) {
			owner->number = number;
			process.last_tid = process.last_tid == INT_MAX
						   ? 1
						   : process.last_tid + 1;
			owner->tid = process.last_tid;
			owner->next = *head;
			*head = owner;
		}
	}
	if (owner)
		owner->refs++;
	pthread_mutex_unlock(&process.mutex);
	return owner;
}

void atio_owner_put(struct atio_owner *owner)
{
	struct atio_owner **at;

	if (!owner)
		return;
	pthread_mutex_lock(&process.mutex);
	if (--owner->refs) {
		owner = NULL;
	} else {
		for (at = bucket(owner->number); *at != owner;)
			at = &(*at)->next;
		*at = owner->next;
	}
	pthread_mutex_unlock(&process.mutex);
	free(owner);
}

/* ---- whose turn it is -------------------------------------------------- */

struct atio_ask {
	struct atio_lock_table *table;
	struct atio_lock_request request;
	struct atio_owner *owner; /* holds a reference */
	atomic_int result;        /* -EAGAIN: not known yet */
	atomic_uint refs;         /* of the asker, and of done() to come */
	int event;
	unsigned char key[2 * sizeof(uint64_t) + NAME_MAX];
};

static struct atio_lock_table *get_table(void)
{
	const struct atio_lock_options options = {
		.version = ATIO_LOCK_OPTIONS_VERSION,
		.strict = true,
		.now = now_ms,
	};
	struct atio_lock_table *table;

	pthread_mutex_lock(&process.mutex);
	if (!process.table &&
	    atio_lock_table_new(&options, &process.table) < 0)
		process.table = NULL;
	table = process.table;
	pthread_mutex_unlock(&process.mutex);
	return table;
}

static void unref(struct atio_ask *ask)
{
	if (--ask->refs)
		return;
	if (ask->event >= 0)
		close(ask->event);
	free(ask);
}

/* On the thread of whoever gave the lock up. */
static void on_granted(void *arg, int result)
{
	struct atio_ask *ask = arg;
	const uint64_t one = 1;

	ask->result = result;
	while (write(ask->event, &one, sizeof(one)) < 0 && errno == EINTR)
		continue;
	unref(ask);
}

static void fill_key(struct atio_ask *ask, const struct atio_place *place)
{
	const uint64_t where[2] = {place->dev, place->ino};
	size_t n = strlen(place->name);

	memcpy(ask->key, where, sizeof(where));
	memcpy(ask->key + sizeof(where), place->name, n);
	ask->request.key.bytes = ask->key;
	ask->request.key.size = sizeof(where) + n;
}

/* Not to be had at once: get into line. */
static int get_into_line(struct atio_ask *ask)
{
	int r;

	ask->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (ask->event < 0)
		return -errno;
	ask->request.wait = true;
	ask->request.id = atio_lock_new_id(ask->table);
	ask->result = -EAGAIN;
	ask->refs = 2;
	r = atio_lock_get(ask->table, &ask->request);
	if (r == ATIO_LOCK_QUEUED)
		return 1;
	ask->refs = 1; /* on_granted will not come */
	ask->result = r;
	return r;
}

int atio_ask_new(struct atio_owner *owner, const struct atio_place *place,
		 bool shared, bool wait, struct atio_ask **ret_ask)
{
	struct atio_ask *ask = calloc(1, sizeof(*ask));
	int r;

	if (!ask)
		return -ENOMEM;
	ask->event = -1;
	ask->refs = 1;
	ask->table = get_table();
	ask->request.kind = ATIO_LOCK_FLOCK;
	ask->request.mode = shared ? ATIO_LOCK_SHARED : ATIO_LOCK_EXCLUSIVE;
	ask->request.counted = true;
	/* A reading is nobody's: it never becomes anything else. */
	ask->request.who.owner =
		shared ? (uint64_t)ATIO_OWNER_MAX + ++last_serial
		       : owner->number;
	ask->request.who.handle = ask->request.who.owner;
	ask->request.who.tid = owner->tid;
	ask->request.done = on_granted;
	ask->request.arg = ask;
	fill_key(ask, place);
	r = ask->table ? atio_lock_get(ask->table, &ask->request) : -ENOMEM;
	if (r == -EAGAIN && wait)
		r = get_into_line(ask);
	if (r < 0) {
		unref(ask);
		return r;
	}
	atio_process_lock();
	owner->refs++;
	atio_process_unlock();
	ask->owner = owner;
	*ret_ask = ask;
	return r;
}

int atio_ask_fd(const struct atio_ask *ask)
{
	return ask->event;
}

int atio_ask_result(const struct atio_ask *ask)
{
	return ask->result;
}

void atio_ask_free(struct atio_ask *ask)
{
	struct atio_owner *owner;
	bool waits;

	if (!ask)
		return;
	owner = ask->owner;
	/* What cannot be cancelled (any more) was granted, whether or not
	 * on_granted has come so far as to say so. */
	waits = ask->event >= 0 && ask->result != 0 &&
		atio_lock_cancel(ask->table, ask->request.id) == 0;
	if (!waits)
		(void)atio_lock_put(ask->table, &ask->request);
	unref(ask);
	atio_owner_put(owner);
}

/* ---- small memories ---------------------------------------------------- */

bool atio_is_first_visit(dev_t dev, ino_t ino)
{
	struct visit *visit = &process.visits[(ino ^ dev) % VISITS];
	bool first;

	pthread_mutex_lock(&process.mutex);
	first = visit->ino != ino || visit->dev != dev;
	visit->ino = ino;
	visit->dev = dev;
	pthread_mutex_unlock(&process.mutex);
	return first;
}

bool atio_mount_is_known(uint64_t id)
{
	bool known = false;

	pthread_mutex_lock(&process.mutex);
	for (int i = 0; i < MOUNTS; i++)
		known |= process.mounts[i] == id;
	pthread_mutex_unlock(&process.mutex);
	return known;
}

void atio_mount_tell(uint64_t id)
{
	pthread_mutex_lock(&process.mutex);
	process.mounts[process.next_mount++ % MOUNTS] = id;
	pthread_mutex_unlock(&process.mutex);
}
