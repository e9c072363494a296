/* SPDX-License-Identifier: MIT
 *
 * Names that have live shadows, and the intents that redirect opens to them
 * (txn.h).
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "entry.h"
#include "locks.h"
#include "log.h"
#include "proc.h"
#include "session.h"
#include "txn.h"

#define N_SLOTS 256

/* A thread that was told to come back (ESTALE) and has not yet. */
struct intent {
	struct intent *next;
	struct txn *txn;
	pid_t tid;
};

static struct entry **entry_slot(struct fs *fs, const struct node *dir,
				 const char *name)
{
	size_t h = (size_t)(uintptr_t)dir >> 4;

	while (*name)
		h = h * 31 + (unsigned char)*name++;
	return &fs->entries[h % N_SLOTS];
}

int entry_table_init(struct fs *fs)
{
	fs->entries = calloc(N_SLOTS, sizeof(struct entry *));
	return fs->entries ? 0 : -ENOMEM;
}

void entry_table_done(struct fs *fs)
{
	free(fs->entries);
	fs->entries = NULL;
}

struct entry *entry_find(struct fs *fs, struct node *dir, const char *name)
{
	struct entry *entry;

	if (!fs->n_entries)
		return NULL;
	entry = *entry_slot(fs, dir, name);
	while (entry && (entry->dir != dir || strcmp(entry->name, name)))
		entry = entry->hash_next;
	return entry;
}

struct entry *entry_make(struct fs *fs, struct node *dir, const char *name)
{
	struct entry *entry = entry_find(fs, dir, name), **slot;
	size_t size = strlen(name) + 1;

	if (entry)
		return entry;
	entry = calloc(1, sizeof(*entry) + size);
	if (!entry)
		return NULL;
	memcpy(entry->name, name, size);
	entry->dir = dir;
	node_ref(dir);
	slot = entry_slot(fs, dir, name);
	entry->hash_next = *slot;
	*slot = entry;
	fs->n_entries++;
	return entry;
}

static void entry_free_if_unused(struct fs *fs, struct entry *entry)
{
	struct entry **p = entry_slot(fs, entry->dir, entry->name);

	if (entry->txns)
		return;
	while (*p != entry)
		p = &(*p)->hash_next;
	*p = entry->hash_next;
	fs->n_entries--;
	node_unref(fs, entry->dir);
	free(entry);
}

void entry_add(struct entry *entry, struct txn *txn)
{
	txn->entry = entry;
	txn->next = entry->txns;
	entry->txns = txn;
}

void entry_remove(struct fs *fs, struct txn *txn)
{
	struct entry *entry = txn->entry;
	struct txn **p;

	if (!entry)
		return;
	for (p = &entry->txns; *p != txn; p = &(*p)->next)
		;
	*p = txn->next;
	txn->next = NULL;
	txn->entry = NULL;
	entry_free_if_unused(fs, entry);
}

bool entry_pending(const struct entry *entry)
{
	const struct txn *txn = entry ? entry->txns : NULL;

	while (txn && !txn->pending)
		txn = txn->next;
	return txn;
}

bool entry_any_in(struct fs *fs, const struct node *dir, bool pending_only)
{
	for (struct txn *txn = fs->txns; txn; txn = txn->all_next)
		if (txn->entry && txn->entry->dir == dir &&
		    (pending_only ? txn->pending : txn->kind == TXN_NEW))
			return true;
	return false;
}

bool txn_owned_by(const struct txn *txn, pid_t tid, pid_t *tgid)
{
	for (const struct handle *h = txn->handles; h; h = h->next) {
		if (!h->tgid)
			continue;
		if (h->tid == tid)
			return true;
		if (!*tgid)
			*tgid = proc_tgid(tid);
		if (h->tgid == *tgid)
			return true;
	}
	return false;
}

struct txn *entry_own(const struct entry *entry, pid_t tid, pid_t *tgid)
{
	struct txn *txn = entry ? entry->txns : NULL;

	while (txn && !txn_owned_by(txn, tid, tgid))
		txn = txn->next;
	return txn;
}

/* The file of @txn is now to be found, by its writers, under another name. */
static int txn_rename(struct fs *fs, struct txn *txn, struct entry *to)
{
	char path[PATH_MAX];
	int r;

	entry_remove(fs, txn);
	entry_add(to, txn);
	if (!txn->node)
		return 0; /* still being staged */
	r = node_move(fs, txn->node, to->dir, to->name);
	if (r < 0)
		return r;
	if (txn->shadow)
		(void)atio_shadow_set_path(
			txn->shadow, txn_path(fs, txn, path, sizeof(path)),
			NULL);
	return 0;
}

/* The oldest transaction of @entry that is to move. */
static struct txn *oldest_to_move(const struct entry *entry, bool all,
				  pid_t tid, pid_t *tgid)
{
	struct txn *found = NULL;

	for (struct txn *txn = entry ? entry->txns : NULL; txn; txn = txn->next)
		if (all || txn_owned_by(txn, tid, tgid))
			found = txn;
	return found;
}

int entry_move(struct fs *fs, struct entry *entry, struct node *dir,
	       const char *name, bool all, pid_t tid)
{
	struct node *from_dir = entry->dir;
	char from[NAME_MAX + 1];
	struct entry *to;
	struct txn *txn;
	pid_t tgid = 0;
	int r = 0;

	snprintf(from, sizeof(from), "%s", entry->name);
	node_ref(from_dir);
	/* Oldest first, so that the order stays.  The last takes @entry. */
	while (!r && (txn = oldest_to_move(entry, all, tid, &tgid))) {
		to = entry_make(fs, dir, name);
		r = to ? txn_rename(fs, txn, to) : -ENOMEM;
		entry = entry_find(fs, from_dir, from);
	}
	node_unref(fs, from_dir);
	return r;
}

int entry_swap(struct fs *fs, struct node *dir_a, const char *name_a,
	       struct node *dir_b, const char *name_b)
{
	static const char aside[] = "/exchange"; /* no name has a slash */
	struct entry *a = entry_find(fs, dir_a, name_a);
	struct entry *b = entry_find(fs, dir_b, name_b);
	int r = 0;

	if (a)
		r = entry_move(fs, a, dir_a, aside, true, 0);
	if (!r && b)
		r = entry_move(fs, b, dir_a, name_a, true, 0);
	a = entry_find(fs, dir_a, aside);
	if (!r && a)
		r = entry_move(fs, a, dir_b, name_b, true, 0);
	return r;
}

/* Another file is renamed over the name: does @txn go on with that?  An open
 * that is on its way does; so does an update that holds nothing of its own, but
 * has to begin anew (lock_refresh) before it can be published. */
static bool outlives_rename(struct txn *txn)
{
	if (txn->fate != FATE_PUBLISH || txn->kind == TXN_NEW)
		return false;
	if (txn->kind == TXN_REPLACE)
		return !txn->handles;
	if (txn->ready && txn_dirty(txn))
		return false;
	txn->behind = true;
	txn->conflict = true;
	return true;
}

static struct txn *first_to_cut(struct fs *fs, struct node *dir,
				const char *name, enum txn_fate fate)
{
	struct entry *entry = entry_find(fs, dir, name);
	struct txn *txn = entry ? entry->txns : NULL;

	while (txn && fate == FATE_ORPHANED && outlives_rename(txn))
		txn = txn->next;
	return txn;
}

void entry_cut(struct fs *fs, struct node *dir, const char *name,
	       enum txn_fate fate, pid_t tgid)
{
	struct txn *txn;

	while ((txn = first_to_cut(fs, dir, name, fate))) {
		entry_remove(fs, txn);
		if (txn->fate == FATE_PUBLISH) {
			/* Who replaces his own file knows what he does.
			 * Otherwise an update that lost its file is a
			 * conflict (S20); a replacement's close is as silent
			 * as on any file system. */
			txn->fate =
				tgid && tgid == txn->pid ? FATE_DISCARD : fate;
			if (txn->fate == FATE_ORPHANED &&
			    txn->kind == TXN_UPDATE)
				txn->error = ESTALE;
		}
		if (txn->shadow)
			atio_shadow_retract(txn->shadow);
		locks_stay(fs, txn->node);
		if (txn->node && fate == FATE_DISCARD)
			(void)node_move(fs, txn->node, NULL, NULL);
		if (!txn->handles && !txn->pins && !txn->busy)
			txn_reap(fs, txn);
	}
}

bool entry_wait(struct fs *fs, struct node *dir, const char *name)
{
	bool waited = txn_end_lingering(fs, dir, name);

	while (fs->n_pending && entry_pending(entry_find(fs, dir, name))) {
		fs_wait(fs);
		waited = true;
	}
	return waited;
}

void dir_wait(struct fs *fs, struct node *dir)
{
	txn_end_lingering(fs, dir, NULL);
	while (fs->n_pending && entry_any_in(fs, dir, true))
		fs_wait(fs);
}

struct txn *txn_of_inode(struct fs *fs, const struct file_key *key, pid_t tid)
{
	pid_t tgid = 0;

	for (struct intent *i = fs->intents; i; i = i->next)
		if (i->tid == tid && i->txn->entry &&
		    key_equal(&i->txn->base, key))
			return i->txn;
	for (struct txn *txn = fs->txns; tid && txn; txn = txn->all_next)
		if (txn->ready && txn->entry && key_equal(&txn->base, key) &&
		    txn_owned_by(txn, tid, &tgid))
			return txn;
	return NULL;
}

static bool may_join(const struct txn *txn)
{
	return txn->kind == TXN_UPDATE && !txn->conflict && !txn->rebased &&
	       txn->fate == FATE_PUBLISH;
}

struct txn *entry_update(const struct entry *entry)
{
	struct txn *txn = entry ? entry->txns : NULL;

	while (txn && !may_join(txn))
		txn = txn->next;
	return txn;
}

struct txn *update_of_inode(struct fs *fs, const struct file_key *key)
{
	struct txn *txn = fs->txns;

	while (txn &&
	       !(may_join(txn) && txn->entry && key_equal(&txn->base, key)))
		txn = txn->all_next;
	return txn;
}

ino_t entry_shown_ino(const struct entry *entry, const struct file_key *key)
{
	const struct txn *txn = entry ? entry->txns : NULL;

	while (txn && !(txn->kind == TXN_UPDATE && txn->shown_ino &&
			key_equal(&txn->base, key)))
		txn = txn->next;
	return txn ? txn->shown_ino : key->ino;
}

bool key_pending(const struct fs *fs, const struct file_key *key)
{
	const struct txn *txn = fs->txns;

	while (txn && !(txn->pending && key_equal(&txn->base, key)))
		txn = txn->all_next;
	return txn;
}

bool key_wait(struct fs *fs, const struct file_key *key)
{
	bool waited = false;

	while (fs->n_pending && key_pending(fs, key)) {
		fs_wait(fs);
		waited = true;
	}
	return waited;
}

void node_settle(struct fs *fs, const struct node *node)
{
	bool waited;

	do { /* what was waited for may have changed what was looked at */
		waited = node->parent && node->name &&
			 entry_wait(fs, node->parent, node->name);
		waited |= key_wait(fs, &node->key);
		while (fs->redo.ino && key_equal(&fs->redo, &node->key)) {
			fs_wait(fs);
			waited = true;
		}
	} while (waited);
}

/* ---- intents --------------------------------------------------------- */

static void intent_free(struct fs *fs, struct intent **p)
{
	struct intent *intent = *p;
	struct txn *txn = intent->txn;

	*p = intent->next;
	free(intent);
	txn->pins--;
	if (!txn->pins && !txn->handles && !txn->busy && !txn->pending)
		txn_reap(fs, txn);
}

static struct intent **intent_of(struct fs *fs, pid_t tid)
{
	struct intent **p = &fs->intents;

	while (*p && (*p)->tid != tid)
		p = &(*p)->next;
	return p;
}

int intent_put(struct fs *fs, pid_t tid, struct txn *txn)
{
	struct intent *intent = malloc(sizeof(*intent)), **p;

	if (!intent)
		return -ENOMEM;
	txn->pins++;
	/* A thread opens one file at a time: what it did not come back for
	 * it has given up. Callers without a visible pid share 0. */
	p = intent_of(fs, tid);
	if (tid && *p)
		intent_free(fs, p);
	*intent = (struct intent){fs->intents, txn, tid};
	fs->intents = intent;
	return 0;
}

struct txn *intent_find(struct fs *fs, pid_t tid, const struct node *dir,
			const char *name)
{
	for (struct intent *i = fs->intents; i; i = i->next)
		if (i->tid == tid && i->txn->entry &&
		    i->txn->entry->dir == dir &&
		    !strcmp(i->txn->entry->name, name))
			return i->txn;
	return NULL;
}

bool intent_is(struct fs *fs, pid_t tid, const struct txn *txn)
{
	for (struct intent *i = fs->intents; i; i = i->next)
		if (i->tid == tid && i->txn == txn)
			return true;
	return false;
}

bool intent_take(struct fs *fs, pid_t tid, struct txn *txn)
{
	for (struct intent **p = &fs->intents; *p; p = &(*p)->next)
		if ((*p)->tid == tid && (*p)->txn == txn) {
			struct intent *intent = *p;

			*p = intent->next;
			free(intent);
			txn->pins--;
			return true;
		}
	return false;
}

void intent_drop(struct fs *fs, pid_t tid, struct txn *txn)
{
	for (struct intent **p = &fs->intents; *p; p = &(*p)->next)
		if ((*p)->tid == tid && (*p)->txn == txn) {
			intent_free(fs, p);
			return;
		}
}

void intents_forget(struct fs *fs, struct txn *txn)
{
	struct intent **p = &fs->intents;

	while (*p) {
		struct intent *intent = *p;

		if (intent->txn == txn) {
			*p = intent->next;
			free(intent);
		} else {
			p = &intent->next;
		}
	}
	txn->pins = 0;
}

void intent_reap(struct fs *fs)
{
	struct intent **p = &fs->intents;

	while (*p) {
		if ((*p)->tid && !proc_alive((*p)->tid)) {
			intent_free(fs, p);
			p = &fs->intents; /* freeing may have changed it */
		} else {
			p = &(*p)->next;
		}
	}
}
