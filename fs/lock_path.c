/* SPDX-License-Identifier: MIT
 *
 * Which path an open file locks (locks.h).
 *
 * Invariant: every lock that is held or waited for lies at the key of the open
 * file through which it was asked for.  Whatever changes that key, moves the
 * locks in the table along.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "entry.h"
#include "locks.h"
#include "log.h"
#include "open.h"

enum { KEY_NAME = 'n', KEY_INODE = 'i', KEY_GONE = 'g' };

/* A key that open files keep although their node says something else. */
struct lock_alias {
	struct ring all;  /* of fs->aliases */
	unsigned refs;    /* open files */
	struct node *dir; /* holds a reference: its address is in the key */
	struct lock_key key;
};

/* ---- keys ------------------------------------------------------------ */

static void put(struct lock_key *key, const void *bytes, size_t size)
{
	memcpy(key->bytes + key->size, bytes, size);
	key->size += size;
}

static void begin(struct lock_key *key, unsigned char kind)
{
	key->size = 0;
	put(key, &kind, 1);
}

static void name_key(struct lock_key *key, const struct node *dir,
		     const char *name)
{
	begin(key, KEY_NAME);
	put(key, &dir, sizeof(dir));
	put(key, name, strlen(name) + 1);
}

/* Kept for people to read: which name it had. */
static void gone_key(struct lock_key *key, const struct node *dir,
		     const char *name)
{
	static uint64_t serial; /* under fs->lock */

	serial++;
	begin(key, KEY_GONE);
	put(key, &dir, sizeof(dir));
	put(key, name, strlen(name) + 1);
	put(key, &serial, sizeof(serial));
}

static void inode_key(struct lock_key *key, const struct file_key *inode)
{
	begin(key, KEY_INODE);
	put(key, inode, sizeof(*inode));
}

bool lock_key_equal(const struct lock_key *a, const struct lock_key *b)
{
	return a->size == b->size && !memcmp(a->bytes, b->bytes, a->size);
}

/* Of a name, or what once was one. */
static struct node *place_in(const unsigned char *bytes, const char **ret_name)
{
	struct node *dir;

	if (*bytes == KEY_INODE)
		return NULL;
	memcpy(&dir, bytes + 1, sizeof(dir));
	*ret_name = (const char *)bytes + 1 + sizeof(dir);
	return dir;
}

struct node *lock_key_name(struct atio_lock_key key, const char **ret_name)
{
	const unsigned char *bytes = key.bytes;

	return *bytes == KEY_NAME ? place_in(bytes, ret_name) : NULL;
}

bool lock_key_inode(struct atio_lock_key key, struct file_key *ret_inode)
{
	const unsigned char *bytes = key.bytes;

	if (*bytes != KEY_INODE)
		return false;
	memcpy(ret_inode, bytes + 1, sizeof(*ret_inode));
	return true;
}

void lock_key_of(const struct handle *h, struct lock_key *ret_key)
{
	const struct node *node = h->node;
	const struct txn *txn = node->txn;

	if (h->alias)
		*ret_key = h->alias->key;
	else if (txn && txn->base.ino && txn->base_nlink > 1)
		inode_key(ret_key, &txn->base);
	else if ((node->flags & NODE_LINKS) || !node->parent || !node->name)
		inode_key(ret_key, &node->key);
	else
		name_key(ret_key, node->parent, node->name);
}

void lock_key_now(struct fs *fs, const struct handle *h,
		  struct lock_key *ret_key)
{
	fs_lock(fs);
	lock_key_of(h, ret_key);
	fs_unlock(fs);
}

bool lock_find(struct fs *fs, struct atio_lock_key key,
	       enum atio_lock_mode mode, struct atio_lock_who *ret_who)
{
	struct atio_lock_request any = {
		.key = key,
		.kind = ATIO_LOCK_FLOCK,
		.mode = mode,
		.range = {0, ATIO_LOCK_END},
	};
	struct atio_lock_info info;
	bool found = atio_lock_any(fs->locks) &&
		     atio_lock_test(fs->locks, &any, &info) > 0;

	any.kind = ATIO_LOCK_POSIX;
	if (!found)
		found = atio_lock_test(fs->locks, &any, &info) > 0;
	if (found)
		*ret_who = info.who;
	return found;
}

/* ---- aliases --------------------------------------------------------- */

static struct lock_alias *alias_get(struct fs *fs, const struct lock_key *key)
{
	struct lock_alias *alias;
	const char *name;

	ring_each(link, &fs->aliases)
	{
		alias = ring_item(link, struct lock_alias, all);
		if (lock_key_equal(&alias->key, key))
			return alias;
	}
	alias = calloc(1, sizeof(*alias));
	if (!alias) {
		log_failure("lock", "", ENOMEM, 0,
			    "an open file may lose track of its path");
		return NULL;
	}
	alias->key = *key;
	alias->dir = place_in(key->bytes, &name);
	if (alias->dir)
		node_ref(alias->dir);
	ring_add(&fs->aliases, &alias->all);
	return alias;
}

void lock_alias_free(struct fs *fs, struct handle *h)
{
	struct lock_alias *alias = h->alias;

	h->alias = NULL;
	if (!alias || --alias->refs)
		return;
	ring_del(&alias->all);
	node_unref(fs, alias->dir);
	free(alias);
}

static void alias_set(struct fs *fs, struct handle *h,
		      const struct lock_key *key)
{
	struct lock_alias *alias = alias_get(fs, key);

	if (!alias)
		return;
	alias->refs++;
	lock_alias_free(fs, h);
	h->alias = alias;
}

static void alias_rekey(struct fs *fs, struct lock_alias *alias,
			const struct lock_key *key)
{
	struct node *old = alias->dir;
	const char *name;

	alias->key = *key;
	alias->dir = place_in(key->bytes, &name);
	if (alias->dir)
		node_ref(alias->dir);
	node_unref(fs, old);
}

struct node *lock_alias_name(const struct handle *h, const char **ret_name)
{
	return h->alias ? lock_key_name(lock_key_lent(&h->alias->key), ret_name)
			: NULL;
}

bool lock_path(struct fs *fs, const struct handle *h, char *buf, size_t size)
{
	struct node *dir = h->node->parent;
	const char *name = h->node->name;
	struct lock_key key;
	struct node *at;

	lock_key_of(h, &key);
	at = place_in(key.bytes, &name);
	if (at)
		dir = at;
	if (!name || !dir || node_path(dir, name, buf, size) < 0)
		*buf = 0;
	return *key.bytes == KEY_GONE;
}

/* ---- keys that change ------------------------------------------------ */

/* False: both have locks (or no memory), and nothing was done. */
static bool rekey(struct fs *fs, const struct lock_key *from,
		  const struct lock_key *to)
{
	int r = atio_lock_move(fs->locks, lock_key_lent(from),
			       lock_key_lent(to));

	if (r < 0 && r != -EEXIST) /* they stay until the file is closed */
		log_failure("lock", "", -r, 0, "locks did not follow a file");
	if (r < 0)
		return false;
	ring_each(link, &fs->aliases)
	{
		struct lock_alias *alias =
			ring_item(link, struct lock_alias, all);

		if (lock_key_equal(&alias->key, from))
			alias_rekey(fs, alias, to);
	}
	return true;
}

/* Whoever has @node open and locks @from (NULL: anything), keeps @key (NULL:
 * what he locks). */
static void keep(struct fs *fs, struct node *node, const struct lock_key *from,
		 const struct lock_key *key)
{
	struct lock_key own;

	if (!node || !node->opened)
		return;
	ring_each(link, &node->opened->users)
	{
		struct handle *h = ring_item(link, struct handle, same);

		lock_key_of(h, &own);
		if (!from || lock_key_equal(&own, from))
			alias_set(fs, h, key ? key : &own);
	}
}

static void keep_at(struct fs *fs, struct node *node, struct node *dir,
		    const char *name, const struct lock_key *from,
		    const struct lock_key *key)
{
	struct entry *entry = entry_find(fs, dir, name);

	keep(fs, node, from, key);
	for (struct txn *txn = entry ? entry->txns : NULL; txn; txn = txn->next)
		keep(fs, txn->node, from, key);
}

void locks_stay(struct fs *fs, struct node *node)
{
	keep(fs, node, NULL, NULL);
}

void locks_join(struct fs *fs, struct handle *h)
{
	if (node_is_current(h->node))
		return;
	ring_each(link, &h->node->opened->users)
	{
		const struct handle *o = ring_item(link, struct handle, same);

		if (o->alias) {
			alias_set(fs, h, &o->alias->key);
			return;
		}
	}
	keep(fs, h->node, NULL, NULL);
}

void locks_stay_at(struct fs *fs, struct node *node, struct node *dir,
		   const char *name)
{
	keep_at(fs, node, dir, name, NULL, NULL);
}

/* Nothing in the table, nor kept for it. */
static bool is_quiet(struct fs *fs)
{
	return ring_empty(&fs->aliases) && !atio_lock_any(fs->locks);
}

/* Nobody has it open, or ever had. */
static bool is_of_no_interest(struct fs *fs, const struct node *node,
			      struct node *dir, const char *name)
{
	return is_quiet(fs) && !(node && node->opened) &&
	       !entry_find(fs, dir, name);
}

void locks_leave(struct fs *fs, struct node *node, struct node *dir,
		 const char *name)
{
	struct lock_key from, gone;

	if (is_of_no_interest(fs, node, dir, name))
		return;
	name_key(&from, dir, name);
	gone_key(&gone, dir, name);
	keep_at(fs, node, dir, name, &from, &gone);
	(void)rekey(fs, &from, &gone);
}

void locks_follow(struct fs *fs, struct node *node, struct node *dir,
		  const char *name, struct node *newdir, const char *newname)
{
	struct lock_key from, to;

	if (is_of_no_interest(fs, node, dir, name))
		return;
	name_key(&from, dir, name);
	name_key(&to, newdir, newname);
	/* Two locks cannot become one: those of the name that is no more stay
	 * with who has it open. */
	if (!rekey(fs, &from, &to))
		locks_leave(fs, node, dir, name);
}

/* All who lock @from lock @to from now on, whatever their nodes say meanwhile;
 * or still @from, if both have locks. */
static void rekey_all(struct fs *fs, const struct file_key *inode,
		      const struct lock_key *from, const struct lock_key *to)
{
	keep(fs, node_find(fs, inode), from, from);
	for (struct txn *txn = fs->txns; txn; txn = txn->all_next)
		if (key_equal(&txn->base, inode))
			keep(fs, txn->node, from, from);
	(void)rekey(fs, from, to);
}

/* Somebody has such locks, or may ask for them although his node says something
 * else. */
static bool is_used(struct fs *fs, const struct lock_key *key)
{
	struct atio_lock_who who;

	ring_each(link,
		  &fs->aliases) if (lock_key_equal(&ring_item(link,
							      struct lock_alias,
							      all)
							    ->key,
						   key)) return true;
	return lock_find(fs, lock_key_lent(key), ATIO_LOCK_EXCLUSIVE, &who);
}

void locks_count_names(struct fs *fs, const struct file_key *key, nlink_t nlink,
		       struct node *dir, const char *name)
{
	struct node *node = node_find(fs, key);
	struct lock_key by_name, by_inode, *from = &by_inode, *to = &by_name;
	bool several = nlink > 1;

	if (!is_quiet(fs)) {
		name_key(&by_name, dir, name);
		inode_key(&by_inode, key);
		if (several) {
			from = &by_name;
			to = &by_inode;
		}
		/* Nobody may remember how many there were. */
		if (is_used(fs, from))
			rekey_all(fs, key, from, to);
	}
	if (node && !(node->flags & NODE_LINKS) == several)
		node->flags ^= NODE_LINKS;
	for (struct txn *txn = fs->txns; txn; txn = txn->all_next)
		if (txn->base_nlink && key_equal(&txn->base, key))
			txn->base_nlink = nlink;
}

void locks_first_name(struct fs *fs, struct node *node, struct node *dir,
		      const char *name)
{
	struct lock_key from, to;

	inode_key(&from, &node->key);
	name_key(&to, dir, name);
	if (!is_quiet(fs))
		rekey_all(fs, &node->key, &from, &to);
}
