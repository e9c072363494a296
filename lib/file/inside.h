/* SPDX-License-Identifier: MIT
 *
 * inside.h - inside of lib/file.
 *
 * An operation is a struct atio_task (task.c), also where the caller waits for
 * it: then poll(2) takes the place of an event loop.  It goes through
 *
 *	place.c   where the path leads: a directory and a name in it
 *	process.c whose turn it is within this process: the table of lib/lock
 *	claim.c   the lock that other processes see
 *	content.c replace.c mount.c values.c   the work
 *
 * and gives back what it has in the reverse order.
 *
 * Order of mutexes: of a claim, then of the process, then of the table.
 */
#ifndef ATIO_FILE_INSIDE_H
#define ATIO_FILE_INSIDE_H

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <atomicio/file.h>
#include "stage/fault.h"
#include "stage/loose.h"

static inline struct atio_error *atio_error_of(struct atio_value_error *err)
{
	return err ? &err->error : NULL;
}

/* Units: nanoseconds of CLOCK_MONOTONIC. */
uint64_t atio_now_ns(void);
#define ATIO_NEVER UINT64_MAX

/* ---- process.c: what the whole process shares -------------------------- */

/* A descriptor that holds a lock.  A child of fork(2) closes its copy, so that
 * it does not hold what its parent has. */
struct atio_kept {
	int fd; /* -1: none */
	struct atio_kept *prev, *next;
};

void atio_keep(struct atio_kept *kept, int fd); /* taken */
int atio_kept_take(struct atio_kept *kept); /* for the caller to close */
void atio_kept_close(struct atio_kept *kept);

/* Changes in a child of fork(2): what was there before is the parent's. */
unsigned atio_generation(void);

/* Who can hold a lock: a thread, or a number that the caller of a task gave.
 * Guarded by the process's mutex. */
struct atio_owner {
	uint64_t number;
	pid_t tid; /* what the table takes for its thread */
	unsigned refs;
	struct atio_claim *claims; /* exclusive ones */
	struct atio_owner *next;
};

#define ATIO_OWNER_MAX INT64_MAX /* above: threads */
uint64_t atio_thread_number(void);
struct atio_owner *atio_owner_get(uint64_t number); /* NULL: no memory */
void atio_owner_put(struct atio_owner *owner);

void atio_process_lock(void);
void atio_process_unlock(void);

/* A place in line within this process, for one file. */
struct atio_ask;
struct atio_place;

/* 0: granted.  1: will be: atio_ask_fd becomes readable.  -EAGAIN (@wait is
 * false), -EDEADLK, -ENOMEM. */
int atio_ask_new(struct atio_owner *owner, const struct atio_place *place,
		 bool shared, bool wait, struct atio_ask **ret_ask);
int atio_ask_fd(const struct atio_ask *ask);
/* 0: granted; -EAGAIN: not yet; other: refused. */
int atio_ask_result(const struct atio_ask *ask);
/* Give up what was granted, or the waiting for it.  NULL is fine. */
void atio_ask_free(struct atio_ask *ask);

/* The first time in this process that the directory is asked for (or it was
 * forgotten meanwhile). */
bool atio_is_first_visit(dev_t dev, ino_t ino);

/* Whether it was told that the mount @id is one of atomicfs. */
bool atio_mount_is_known(uint64_t id);
void atio_mount_tell(uint64_t id);

/* ---- place.c ----------------------------------------------------------- */

struct atio_place {
	struct atio_kept dir;
	bool readable; /* @dir can be locked and flushed: it is no O_PATH */
	dev_t dev;
	ino_t ino; /* of the directory */
	char name[NAME_MAX + 1];
};

#define ATIO_PLACE_NOFOLLOW (1u << 0) /* of a symbolic link: itself */
#define ATIO_PLACE_LOOK     (1u << 1) /* only to compare it: O_PATH */

/* Symbolic links are followed, also to a file that is not there.
 *   -ENOENT a directory is missing; -EISDIR the path can only be a directory */
int atio_place_find(const char *path, unsigned flags,
		    struct atio_place *ret_place, struct atio_error *err);
bool atio_place_equal(const struct atio_place *a, const struct atio_place *b);
/* Flush the directory. */
int atio_place_sync(const struct atio_place *place, int fd);
void atio_place_done(struct atio_place *place);
void atio_place_move(struct atio_place *to, struct atio_place *from);

/* ---- claim.c ----------------------------------------------------------- */

/* An inode that is locked, or about to be.  Shared by claims of one owner
 * through several names of a file.  Guarded by the process's mutex. */
struct atio_hold {
	struct atio_kept fd;
	dev_t dev;
	ino_t ino;
	unsigned refs;
	bool locked, on_mount, writable;
};

/* What one owner has of one file towards other processes. */
struct atio_claim {
	struct atio_claim *next; /* of owner->claims */
	struct atio_owner *owner;
	struct atio_place place;
	unsigned refs; /* the process's mutex */
	bool shared;   /* for one reading; not in owner->claims */

	pthread_mutex_t mutex; /* guards what follows */
	bool held;
	bool named;             /* the name is locked, too */
	struct atio_hold *hold; /* NULL: there is no such file */
	struct atio_hold *spare; /* memory for the next one */
	bool waits_for_name;    /* if it could not be had */
};

/* The owner's claim of @place, if it has one: more of it.  NULL: it has none.
 */
struct atio_claim *atio_claim_find(struct atio_owner *owner,
				   const struct atio_place *place);
/* @place is taken. */
int atio_claim_new(struct atio_owner *owner, struct atio_place *place,
		   bool shared, struct atio_claim **ret_claim);
void atio_claim_put(struct atio_claim *claim);

/* Try to lock it; nothing is kept locked if that fails.
 *   -EAGAIN  somebody has it
 *   -ESTALE  the name has become a symbolic link
 *   -EISDIR, -EINVAL no regular file
 * @wait_ns: how long this may block on a mount (0: not at all). */
int atio_claim_lock(struct atio_claim *claim, uint64_t wait_ns,
		    struct atio_error *err);
/* Under claim->mutex, held: what the name leads to now, which others may have
 * changed; st_mode 0: nothing.  claim->hold is that afterwards. */
int atio_claim_refresh(struct atio_claim *claim, struct stat *ret_st,
		       struct atio_error *err);
/* Under claim->mutex: let the next atio_claim_set not fail for lack of memory.
 */
int atio_claim_reserve(struct atio_claim *claim);
/* Under claim->mutex: it is @fd (locked, taken, also on failure) from now on;
 * -1: nothing. */
int atio_claim_set(struct atio_claim *claim, int fd, bool on_mount);

/* ---- waiter.c ---------------------------------------------------------- */

/* What an operation waits for, as one descriptor. */
struct atio_waiter {
	int epoll, inotify, timer;
	int watch; /* of inotify; -1: none */
	dev_t watch_dev;
	ino_t watch_ino;
	uint64_t pause_ns; /* until the next attempt without a sign */
};

#define ATIO_WAITER_INIT                                                       \
	{                                                                      \
		.epoll = -1, .inotify = -1, .timer = -1, .watch = -1           \
	}

int atio_waiter_open(struct atio_waiter *waiter);
int atio_waiter_add(struct atio_waiter *waiter, int fd);
void atio_waiter_remove(struct atio_waiter *waiter, int fd);
/* Be woken when somebody closes, moves or removes what is open at @fd, or (a
 * directory) something in it.  1: from now on, so look once more; 0: as before.
 * What cannot be watched is looked at by the clock. */
int atio_waiter_watch(struct atio_waiter *waiter, int fd, bool is_dir);
/* Be woken at @deadline, or sooner to try again. */
int atio_waiter_arm(struct atio_waiter *waiter, uint64_t deadline, bool retry);
/* Take the signs away that came. */
void atio_waiter_clear(struct atio_waiter *waiter);
/* Nothing more to wait for, for the time being. */
void atio_waiter_rest(struct atio_waiter *waiter);
void atio_waiter_done(struct atio_waiter *waiter);

/* ---- flush.c ----------------------------------------------------------- */

/* An fsync that goes on by itself. */
struct atio_flush;

/* -EOPNOTSUPP: not here. */
int atio_flush_begin(int fd, struct atio_flush **ret_flush);
int atio_flush_fd(const struct atio_flush *flush);
int atio_flush_result(struct atio_flush *flush); /* -EAGAIN: not yet */
void atio_flush_free(struct atio_flush *flush);	 /* NULL is fine */
void atio_flush_fork(int stage); /* 0: before, 1: parent, 2: child */

/* ---- content.c --------------------------------------------------------- */

/* All of @fd, from its beginning; more than @most: -EFBIG. */
int atio_content_read(int fd, size_t most, char **ret_bytes, size_t *ret_len);
int atio_content_write(int fd, const void *bytes, size_t len);

/* ---- task.c ------------------------------------------------------------ */

enum atio_step {
	STEP_BEGIN,  /* what is to be written, as bytes */
	STEP_ASK,    /* get into line */
	STEP_ASKED,  /* wait for one's turn */
	STEP_LOCK,   /* the lock that others see */
	STEP_WORK,   /* read, or write aside */
	STEP_FLUSH,  /* until it is on disk */
	STEP_PUBLISH,
	STEP_SYNC,   /* the directory */
	STEP_DONE,
};

struct atio_file;

struct atio_task {
	struct atio_file *file;
	struct atio_task_request request;
	unsigned generation;
	bool blocks; /* may wait by itself: atio_file_... */
	enum atio_step step;
	uint64_t deadline;
	struct atio_waiter waiter;
	struct atio_owner *owner;

	struct atio_place place;
	bool exclusive;
	bool waited; /* the path may lead elsewhere by now */
	struct atio_ask *ask;
	struct atio_claim *claim;

	char *bytes; /* read, or to be written (owned) */
	size_t len;
	int source;       /* read this instead; -1: the file */
	const char *text; /* to be written */
	size_t text_len;
	struct atio_doc *doc;

	struct atio_loose loose;
	struct atio_kept loose_kept;
	bool is_new, in_place;
	struct atio_kept transaction; /* of a mount */
	struct atio_flush *flush;
	unsigned tries;

	int result;
	struct atio_value_error err;
};

bool atio_task_reads(const struct atio_task *task);
/* An operation from begin to end, on @task (zeros), whose results are the
 * caller's. */
int atio_task_do(struct atio_file *file,
		 const struct atio_task_request *request,
		 struct atio_task *task, struct atio_value_error *err);

/* ---- replace.c: what is written, in a directory like any other ---------- */

int atio_replace_stage(struct atio_task *task);
/* -ESTALE: not what it was made for any more; stage again. */
int atio_replace_publish(struct atio_task *task);
int atio_replace_delete(struct atio_task *task);
/* Finish what a crash interrupted.  -ESTALE: the lock has to be exclusive. */
int atio_replace_settle(struct atio_task *task);
/* Delete what was written aside. */
void atio_replace_undo(struct atio_task *task);

/* ---- mount.c: on an atomicfs mount -------------------------------------- */

/* Whether @fd lies on one. */
bool atio_mount_is(int fd, const struct stat *st);
int atio_mount_lock(int fd, bool shared, uint64_t wait_ns);
void atio_mount_unlock(int fd);
int atio_mount_stage(struct atio_task *task);
int atio_mount_publish(struct atio_task *task);
void atio_mount_undo(struct atio_task *task);

/* ---- values.c ---------------------------------------------------------- */

/* request.value as bytes. */
int atio_values_dump(struct atio_task *task, const struct atio_node *value);
/* The bytes that were read as a document. */
int atio_values_load(struct atio_task *task);
/* What is appended, if it has to be compressed. */
int atio_values_pack(struct atio_task *task);
/* The document with request.value in it, as bytes. */
int atio_values_update(struct atio_task *task);

/* ---- file.c ------------------------------------------------------------ */

/* A lock that is held over several operations. */
struct atio_section {
	struct atio_section *next;
	uint64_t owner;
	unsigned generation;
	struct atio_ask *ask;
	struct atio_claim *claim;
};

struct atio_file {
	char *path;
	long timeout_ms;
	bool durable;
	const struct atio_formats *formats;
	const struct atio_format *format;
	struct atio_limits limits;     /* complete */
	struct atio_section *sections; /* the process's mutex; newest first */
};

int atio_section_enter(struct atio_task *task);
int atio_section_leave(struct atio_file *file, uint64_t owner);

#endif
