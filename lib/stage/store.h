/* SPDX-License-Identifier: MIT
 *
 * store.h - inside of lib/stage.
 */
#ifndef ATIO_STAGE_STORE_H
#define ATIO_STAGE_STORE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include <atomicio/quarantine.h>
#include <atomicio/stage.h>
#include "stage/fault.h"

#define AUTO_CLOSE __attribute__((cleanup(atio_close_cleanup)))
#define AUTO_FREE  __attribute__((cleanup(atio_free_cleanup)))

#define ID_MAX 20 /* 16 hexadecimal digits, and more than a NUL */

static inline void atio_close_cleanup(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

void atio_free_cleanup(void *p);

struct atio_store {
	int src_fd; /* lent */
	int state_fd, stage_fd, quarantine_fd, lock_fd, reserve_fd;
	bool durable;
	bool can_clone;  /* FICLONE works */
	bool fine_times; /* two writes never have the same ctime */
	uint64_t quarantine_max_bytes, quarantine_max_age_s;
	atomic_uint_fast64_t next_id;

	pthread_mutex_t lock; /* guards what follows; a leaf */
	int journal_fd;
	uint64_t journal_size;
	struct atio_shadow *live; /* those the journal must tell of */
	uint64_t quarantine_bytes;
	int64_t trimmed_at; /* seconds */
};

struct atio_shadow {
	struct atio_store *store;
	struct atio_shadow *prev, *next; /* of store->live */
	uint64_t id;
	char name[ID_MAX]; /* in stage/ */
	int fd;
	bool over;    /* committed, discarded, quarantined or redone */
	int poison;   /* errno of a failed flush */
	bool changed; /* said so by the caller */
	bool unsure;  /* the mark could hide a write */
	struct stat mark;
	char *path;
	pid_t pid;
	uid_t uid;
	bool synced;
	struct stat synced_st;
	uint64_t redo_ino; /* of the target, while it is being rewritten */
	bool unfinished;   /* freed, but the journal must go on telling of it */
};

/* ---- journal.c: what recovery has to know ---------------------------- */

struct atio_record {
	uint64_t id;
	char *path; /* owned */
	pid_t pid;
	uid_t uid;
	bool synced, ended;
	uint64_t synced_size;
	uint64_t redo_ino;
};

int atio_journal_open(struct atio_store *store, struct atio_error *err);
int atio_journal_begin(struct atio_shadow *shadow);
int atio_journal_path(struct atio_shadow *shadow, char *path); /* taken */
/* Durable, these: @st is of the content, @ino of the target; 0: no more. */
int atio_journal_synced(struct atio_shadow *shadow, const struct stat *st);
int atio_journal_unsynced(struct atio_shadow *shadow);
void atio_journal_retract(struct atio_shadow *shadow); /* not durable */
int atio_journal_redo(struct atio_shadow *shadow, uint64_t ino);
void atio_journal_end(struct atio_shadow *shadow);
/* What was written down, by id; freed with atio_journal_free. */
int atio_journal_read(struct atio_store *store, struct atio_record **ret_recs,
		      size_t *ret_n);
void atio_journal_free(struct atio_record *recs, size_t n);
int atio_journal_clear(struct atio_store *store);
/* It may end with half a line, which the next record must not run into. */
void atio_journal_new_line(struct atio_store *store);
/* Bytes as text without white space: %XX for what is not plain. */
char *atio_escape(const char *bytes);
char *atio_unescape(const char *text);

/* ---- tmpfile.c ------------------------------------------------------- */

/* A file without a name in @dirfd; -EOPNOTSUPP: there is no such thing here.
 * (Also where the directory was removed.) */
int atio_tmpfile_open(int dirfd, mode_t mode);
int atio_tmpfile_link(int fd, int dirfd, const char *name);

/* ---- copy.c ---------------------------------------------------------- */

int atio_copy_meta(int from, int to, struct atio_error *err);
int atio_copy_times(int from, int to);
/* Content of @from into @to (made as long), holes kept. */
int atio_copy_data(int from, int to, bool clone, struct atio_error *err);
/* Let @to have room for the content of @from.  -ENOSPC. */
int atio_make_room(int from, int to, struct atio_error *err);

/* ---- redo.c ---------------------------------------------------------- */

int atio_rewrite(struct atio_store *store, int from, int target,
		 struct atio_error *err);

/* ---- quarantine.c ---------------------------------------------------- */

struct atio_keep {
	const char *name; /* in stage/ */
	uint64_t id;
	const char *path, *reason, *detail, *command;
	pid_t pid;
	uid_t uid;
	int error;
};

/* Move stage/NAME there, with its description. */
int atio_quarantine_keep(struct atio_store *store, const struct atio_keep *k,
			 struct atio_error *err);
int atio_quarantine_repair(struct atio_store *store);

/* ---- store.c --------------------------------------------------------- */

void atio_id_name(uint64_t id, char name[ID_MAX]);

/* Room that is kept for the quarantine of a full disk: give it up, and take it
 * again as far as that can be. */
void atio_reserve_release(struct atio_store *store);
void atio_reserve_take(struct atio_store *store);

#endif
