/* SPDX-License-Identifier: MIT
 *
 * entry.h - names that have live shadows, and redirected opens.
 *
 * An entry is a name in a directory with at least one transaction, newest
 * first.  Several replacements of one name may be open; updaters share one
 * update (S4, S5), until its base is replaced: then the next one begins anew.
 *
 * An intent says that thread TID was answered ESTALE and will come back, by
 * name, for a given shadow.  It pins the shadow: what the kernel was promised
 * must still be there when its second (and last) try arrives.
 *
 * Called with fs->lock held.
 */
#ifndef FS_ENTRY_H
#define FS_ENTRY_H

#include "txn.h"

struct entry {
	struct entry *hash_next;
	struct node *dir; /* holds a reference */
	struct txn *txns; /* newest first */
	char name[];
};

int entry_table_init(struct fs *fs);
void entry_table_done(struct fs *fs);

struct entry *entry_find(struct fs *fs, struct node *dir, const char *name);
struct entry *entry_make(struct fs *fs, struct node *dir, const char *name);
void entry_add(struct entry *entry, struct txn *txn);
/* Take @txn off its name; an entry without any is freed. */
void entry_remove(struct fs *fs, struct txn *txn);

bool entry_pending(const struct entry *entry);
/* Whether names in @dir are taken by unpublished files, or are pending. */
bool entry_any_in(struct fs *fs, const struct node *dir, bool pending_only);

/* The newest shadow of @entry that the process of @tid has open for writing.
 * @tgid: that process, 0 while not known (filled in when it was needed). */
struct txn *entry_own(const struct entry *entry, pid_t tid, pid_t *tgid);
bool txn_owned_by(const struct txn *txn, pid_t tid, pid_t *tgid);
/* For an inode with several names: the caller's shadow of it, or the one it was
 * sent to, under whichever name. */
struct txn *txn_of_inode(struct fs *fs, const struct file_key *key, pid_t tid);
/* The same for the update that another may join. */
struct txn *update_of_inode(struct fs *fs, const struct file_key *key);
/* The inode number that programs are shown for the published version @key of
 * @entry (NULL: nobody writes it): while it is being updated it is that of the
 * version the update began with, because they compare what they have open with
 * what they find. */
ino_t entry_shown_ino(const struct entry *entry, const struct file_key *key);

/* The update that another updater may join: its base is still current. */
struct txn *entry_update(const struct entry *entry);

/* The shadows of @entry (all, or those of @tid's process) follow the file to
 * @name in @dir. */
int entry_move(struct fs *fs, struct entry *entry, struct node *dir,
	       const char *name, bool all, pid_t tid);
/* Two names change places (RENAME_EXCHANGE). */
int entry_swap(struct fs *fs, struct node *dir_a, const char *name_a,
	       struct node *dir_b, const char *name_b);
/* The name leads elsewhere now, by the doing of process @tgid (0: not known):
 * its shadows will end with @fate, his own are dropped.  (FATE_ORPHANED: those
 * that hold something.) */
void entry_cut(struct fs *fs, struct node *dir, const char *name,
	       enum txn_fate fate, pid_t tgid);

/* Wait until nothing is pending on that name, or in @dir (drops). */
bool entry_wait(struct fs *fs, struct node *dir, const char *name);
void dir_wait(struct fs *fs, struct node *dir);
bool key_pending(const struct fs *fs, const struct file_key *key);
/* The same for an inode that may have other names.  True: it waited. */
bool key_wait(struct fs *fs, const struct file_key *key);
/* All of these for @node, and until nobody rewrites it in place (drops). */
void node_settle(struct fs *fs, const struct node *node);

int intent_put(struct fs *fs, pid_t tid, struct txn *txn);
/* What @tid was sent to that name for, NULL if nothing. */
struct txn *intent_find(struct fs *fs, pid_t tid, const struct node *dir,
			const char *name);
/* Whether @tid was sent to @txn. */
bool intent_is(struct fs *fs, pid_t tid, const struct txn *txn);
/* The open came: unpin; the caller joins it.  False: there was none. */
bool intent_take(struct fs *fs, pid_t tid, struct txn *txn);
/* The open will not come. */
void intent_drop(struct fs *fs, pid_t tid, struct txn *txn);
/* @txn is over: nobody is to be sent to it any more. */
void intents_forget(struct fs *fs, struct txn *txn);
/* Drop those whose thread is gone (keeper). */
void intent_reap(struct fs *fs);

#endif
