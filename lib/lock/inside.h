/* SPDX-License-Identifier: MIT
 *
 * inside.h - inside of lib/lock.
 *
 * One mutex, of the table, guards everything; it is a leaf.  All functions here
 * want it held.  What they bring about for later (grants to tell, releases to
 * tell, queues to look at) they leave in a struct lock_work of the caller's,
 * which the caller deals with, letting the mutex go.
 */
#ifndef ATIO_LOCK_INSIDE_H
#define ATIO_LOCK_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>

#include "lock/table.h"
#include "lock/tree.h"

/* A thread that holds or waits.  There may be two with one number: the one of
 * which locks are left, and the one that has the number now, which is the
 * newer record. */
struct lock_thread {
	struct tree_node node; /* of table->threads: tid, serial number */
	unsigned refs;         /* spans */
	uint64_t since_ms;     /* no lock of it is older */
	struct lock_span *held;
	struct lock_waiter *waiters;
};

/* A range that is held or waited for. */
struct lock_span {
	struct tree_node node; /* of space->held or space->waiting */
	struct tree_node own; /* of holder->ranges; or of those found blocked */
	struct tree_node handle; /* of table->held or table->waiting */
	struct atio_lock_space *space;
	struct lock_holder *holder;    /* NULL: waiting */
	struct lock_thread *thread;    /* NULL: not known */
	struct lock_span *prev, *next; /* of thread->held */
	struct atio_lock_who who;
	enum atio_lock_kind kind;
	enum atio_lock_mode mode;
	unsigned count;  /* flock, held: how often */
	uint64_t id;     /* for those outside */
	uint64_t serial; /* order of arrival; never twice */
	uint64_t since_ms;
};

/* Spans by mode and start. */
struct lock_set {
	struct tree_node *mode[2];
	size_t node; /* offset in struct lock_span */
};

/* An owner that holds something of a space. */
struct lock_holder {
	struct tree_node node; /* of space->holders: owner */
	struct atio_lock_space *space;
	struct tree_node *ranges; /* by start; they do not overlap */
	unsigned n;               /* of them */
};

/* A request.  It brings along what its grant will need, so that no grant can
 * fail. */
struct lock_waiter {
	struct lock_span want;
	struct tree_node queue;          /* of space->queue: serial number */
	struct tree_node all;            /* of table->waiters: id */
	struct tree_node due;            /* of table->deadlines: deadline */
	struct lock_waiter *prev, *next; /* of thread->waiters */
	struct lock_waiter *done_next;
	struct lock_span *fresh, *half;
	struct lock_holder *holder;
	bool wait, counted, queued;
	bool overtakes;    /* does not wait for those before it */
	uint64_t deadline; /* UINT64_MAX: none */
	void (*done)(void *arg, int result);
	void *arg;
	int result;

	/* of the search for cycles */
	uint64_t seen;
	struct lock_waiter *from, *then;
	bool from_line; /* @from waits for this only because of the line */
};

struct atio_lock_space {
	struct lock_path *path;
	struct lock_set held, waiting;
	struct tree_node *holders, *queue;
	struct atio_lock_who who; /* gave up an exclusive lock, the last one */
	bool barred;              /* @released is at work, or about to be */
	bool telling;             /* it was called */
	bool again;               /* and has to be called once more */
	bool dirty;               /* in a list of a struct lock_work */
	struct atio_lock_space *dirty_next, *due_next;
};

struct lock_name {
	struct lock_name *old; /* lent to somebody, perhaps */
	size_t size;
	unsigned char bytes[];
};

struct lock_path {
	struct tree_node node; /* of table->paths: hash, serial number */
	unsigned pins;
	unsigned lent; /* calls of @released that read its name */
	struct atio_lock_space space[2];
	struct lock_name *name;
};

struct atio_lock_table {
	pthread_mutex_t mutex;
	struct atio_lock_options options;
	struct tree_node *paths, *threads, *waiters, *deadlines;
	struct tree_node *held, *waiting; /* spans: who.handle, serial number */
	uint64_t serial;
	uint64_t search;
	struct atio_lock_counters count;

	/* Not guarded by the mutex. */
	atomic_uint_fast64_t ids;
	atomic_uint_fast64_t busy; /* held and waiting, between two calls */
};

struct lock_work {
	struct atio_lock_space *dirty; /* its queue has to be looked at */
	struct atio_lock_space *due;   /* @released has to be called */
	struct lock_waiter *done, **done_end;
};

/* ---- path.c: paths, sets of spans ------------------------------------- */

struct lock_path *atio_lock_path_find(struct atio_lock_table *table,
				      struct atio_lock_key key);
int atio_lock_path_get(struct atio_lock_table *table, struct atio_lock_key key,
		       struct lock_path **ret_path); /* pinned */
/* Nobody holds or waits for any lock of it. */
bool atio_lock_path_is_empty(const struct lock_path *path);
/* Freed if it is empty. */
void atio_lock_path_unpin(struct atio_lock_table *table,
			  struct lock_path *path);
void atio_lock_path_free(struct atio_lock_table *table, struct lock_path *path);
int atio_lock_path_rename(struct atio_lock_table *table, struct lock_path *path,
			  struct atio_lock_key key);
struct atio_lock_space *atio_lock_space_of(struct lock_path *path,
					   enum atio_lock_kind kind);

void atio_lock_set_add(struct lock_set *set, struct lock_span *span);
void atio_lock_set_del(struct lock_set *set, struct lock_span *span);
/* The first that is in the way of @want and that @fn (NULL: any) takes. */
struct lock_span *
atio_lock_set_find(const struct atio_lock_table *table,
		   const struct lock_set *set, const struct lock_span *want,
		   bool (*fn)(struct lock_span *span, void *arg), void *arg);

/* ---- thread.c --------------------------------------------------------- */

/* NULL for a thread that is not known. */
int atio_lock_thread_get(struct atio_lock_table *table, pid_t tid,
			 struct lock_thread **ret_thread);
void atio_lock_thread_put(struct atio_lock_table *table,
			  struct lock_thread *thread);
/* The list of what its thread, if it is known, holds. */
void atio_lock_thread_add(struct lock_span *range);
void atio_lock_thread_del(struct lock_span *range);
/* The thread of @w may be another one with the same number; then it gets a
 * record of its own.  -ENOMEM. */
int atio_lock_thread_check(struct atio_lock_table *table,
			   struct lock_waiter *w);
/* When thread @tid began; 0: not known. */
uint64_t atio_lock_thread_began(struct atio_lock_table *table, pid_t tid);

/* ---- hold.c: what is held --------------------------------------------- */

struct lock_holder *atio_lock_holder_find(struct atio_lock_space *space,
					  uint64_t owner);
/* The first range of @holder (which may be NULL); of a flock: the only one. */
struct lock_span *atio_lock_first_range(const struct lock_holder *holder);
/* @holder (which may be NULL) has as many ranges as it may. */
bool atio_lock_is_full(const struct atio_lock_table *table,
		       const struct lock_holder *holder);
/* To take @range from @holder would make one range two. */
bool atio_lock_splits(const struct lock_holder *holder,
		      struct atio_lock_range range);
/* Does the owner of @want hold some of what it wants? */
bool atio_lock_converts(const struct lock_span *want);
/* Put @w's range in the place of what its owner had there. */
void atio_lock_hold(struct atio_lock_table *table, struct lock_work *work,
		    struct lock_waiter *w);
/* Take @range from @holder, which may go with it.  *half is used, and set to
 * NULL, where one range becomes two. */
void atio_lock_cut(struct atio_lock_table *table, struct lock_work *work,
		   struct lock_holder *holder, struct atio_lock_range range,
		   struct lock_span **half);
void atio_lock_cut_all(struct atio_lock_table *table, struct lock_work *work,
		       struct lock_holder *holder);
/* The holder may go with it. */
void atio_lock_drop(struct atio_lock_table *table, struct lock_work *work,
		    struct lock_span *range);

/* ---- queue.c ---------------------------------------------------------- */

void atio_lock_dirty(struct lock_work *work, struct atio_lock_space *space);
int atio_lock_waiter_new(struct atio_lock_table *table,
			 const struct atio_lock_request *request,
			 struct atio_lock_space *space,
			 struct lock_waiter **ret_w);
void atio_lock_waiter_free(struct atio_lock_table *table,
			   struct lock_waiter *w);
void atio_lock_enqueue(struct atio_lock_table *table, struct lock_waiter *w);
/* Out of the queue, into the list of those to be told @result. */
void atio_lock_end(struct atio_lock_table *table, struct lock_work *work,
		   struct lock_waiter *w, int result);
void atio_lock_grant(struct atio_lock_table *table, struct lock_work *work,
		     struct lock_waiter *w);
/* Grant what can be granted in spaces that are dirty. */
void atio_lock_serve(struct atio_lock_table *table, struct lock_work *work);

/* ---- cycle.c ---------------------------------------------------------- */

/* @w, not queued yet, would wait for itself, whatever the line. */
bool atio_lock_is_deadlock(struct atio_lock_table *table,
			   struct lock_waiter *w);
/* The same, because of the line. */
bool atio_lock_is_stuck(struct atio_lock_table *table, struct lock_waiter *w);
/* Let out of the line whoever has to be, for @w not to be stuck. */
void atio_lock_unstick(struct atio_lock_table *table, struct lock_work *work,
		       struct lock_waiter *w);

/* ---- request.c -------------------------------------------------------- */

void atio_lock_enter(struct atio_lock_table *table, struct lock_work *work);
/* Deal with @work, and let the mutex go. */
void atio_lock_leave(struct atio_lock_table *table, struct lock_work *work);
/* What was released is published. */
void atio_lock_unbar(struct atio_lock_table *table, struct lock_work *work,
		     struct atio_lock_space *space);
bool atio_lock_key_is_valid(struct atio_lock_key key);
/* But for the mode. */
bool atio_lock_place_is_valid(const struct atio_lock_request *request);
bool atio_lock_is_valid(const struct atio_lock_request *request);

#endif
