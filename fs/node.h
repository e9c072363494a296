/* SPDX-License-Identifier: MIT
 *
 * node.h - the node table: what the kernel's node ids stand for.
 *
 * A node is a version: one inode of the backing file system, committed or
 * still a shadow.  Its id is its address.  The table finds it by the inode's
 * identity (device, number and time of birth, so that a reused number is
 * another file), so that a shadow that is renamed over a name *is* what the
 * next LOOKUP of that name finds: no map of names is kept.
 *
 * Where a node was last seen (parent and name) is how it is reached again:
 * known inodes cost no descriptor.  Only directories keep one, within a
 * budget, and inodes that lost their last known name while the kernel still
 * knows them.
 *
 * Everything here is called with fs->lock held.
 */
#ifndef FS_NODE_H
#define FS_NODE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "ring.h"

struct fs;
struct txn;
struct opened;

/* The identity of a backing inode.  ino 0: none. */
struct file_key {
	uint64_t dev;
	uint64_t ino;
	uint64_t birth; /* nanoseconds, 0 where not known */
};

static inline bool key_equal(const struct file_key *a, const struct file_key *b)
{
	return a->ino == b->ino && a->dev == b->dev && a->birth == b->birth;
}

enum {
	NODE_HASHED = 1 << 0,   /* in the table */
	NODE_RETIRED = 1 << 5,  /* ... but not to be found: superseded */
	NODE_IN_PLACE = 1 << 2, /* was opened for writing without staging: its
				   attributes may change behind the kernel */
	NODE_DIRFD = 1 << 3,    /* fd is a directory's, in the budget */
	NODE_LINKS = 1 << 6,    /* has several names (locks.h) */
	NODE_REPLACED = 1 << 7, /* another file was renamed over its name, which
				   is kept; it is reached by fd */
	NODE_BOUND = 1 << 4,    /* stands for whatever its name leads to: its
				   size in the kernel's cache is not to be
				   trusted */
};

struct node {
	struct node *hash_next;
	struct node *parent; /* holds a reference; NULL: root or nameless */
	char *name;
	struct file_key key;
	ino_t told_ino;        /* what the kernel was told last, and shows */
	uint64_t nlookup;      /* references of the kernel */
	struct txn *txn;       /* set while this is a shadow */
	struct opened *opened; /* set while it is open */
	struct ring lru;       /* of NODE_DIRFD ones */
	int fd;        /* see NODE_DIRFD; else of a nameless one */
	uint32_t refs; /* of children, handles, transactions, ctl */
	uint16_t type; /* mode & S_IFMT */
	uint16_t flags;
	bool is_ctl; /* a virtual one of `.@ctl`; never changes */
};

struct node_table {
	struct node **slots;
	size_t n_slots, n;
	struct ring lru; /* directories with a descriptor, oldest first */
	unsigned n_dirfds, max_dirfds;
};

int node_table_init(struct node_table *table, unsigned max_dirfds);
void node_table_done(struct fs *fs);

/* statx of @name in @dirfd ("" for @dirfd itself), not following links. */
int key_stat(int dirfd, const char *name, struct file_key *ret_key,
	     struct stat *ret_st);
/* ... and its STATX_ATTR_ flags (statx(2)). */
int key_statx(int dirfd, const char *name, struct file_key *ret_key,
	      struct stat *ret_st, uint64_t *ret_flags);

/* Find the node of @key or make one, last seen as @name in @parent (both may
 * be NULL).  NULL: no memory.  No reference is taken. */
struct node *node_get(struct fs *fs, const struct file_key *key, mode_t mode,
		      struct node *parent, const char *name);
struct node *node_find(struct fs *fs, const struct file_key *key);

/* A node that is not in the table (virtual ones). */
struct node *node_new(struct fs *fs, mode_t mode, struct node *parent,
		      const char *name);

void node_ref(struct node *node);
void node_unref(struct fs *fs, struct node *node);
void node_forget(struct fs *fs, struct node *node, uint64_t nlookup);

/* The inode is no longer what its name leads to: not to be found again. */
void node_retire(struct fs *fs, struct node *node);
/* It is after all, unless another node has taken its place. */
void node_revive(struct fs *fs, struct node *node);
/* Whether it can be found. */
static inline bool node_is_current(const struct node *node)
{
	return (node->flags & (NODE_HASHED | NODE_RETIRED)) == NODE_HASHED;
}
/* Give @node another inode. */
void node_rekey(struct fs *fs, struct node *node, const struct file_key *key);
/* It is now to be found as @name in @parent. */
int node_move(struct fs *fs, struct node *node, struct node *parent,
	      const char *name);
/* @node was superseded by a commit; @fd (kept): its inode, for opens that are
 * on their way to it. */
void node_supersede(struct fs *fs, struct node *node, int fd);
/* It has no name any more (it may be pinned). */
void node_lose_name(struct fs *fs, struct node *node);
/* Before its last known name goes, if it does: keep a way to reach the inode.
 * (A directory's descriptor is one of the budget until node_lose_name.) */
void node_pin(struct fs *fs, struct node *node);

/* A descriptor of the directory @node, lent until fs->lock is released.
 * -errno: ESTALE when it is gone. */
int node_dirfd(struct fs *fs, struct node *node);

/* Attributes and key of what @node stands for. -ESTALE when it is gone.  A
 * superseded node that nobody holds open answers for the current version. */
int node_stat(struct fs *fs, struct node *node, struct stat *ret_st);

/* Where system calls can reach the inode: *ret_dirfd and *ret_name, as lent
 * as node_dirfd's; the name is "" when *ret_dirfd is the inode itself. */
int node_at(struct fs *fs, struct node *node, int *ret_dirfd,
	    const char **ret_name);

/* Another open file of the inode that @fd is of. */
int node_reopen(int fd, int flags);
/* Open the inode with @flags. Returns a descriptor, or -errno. */
int node_open(struct fs *fs, struct node *node, int flags);

/* Path from the mount's root, without leading slash, of @name in @dir (or of
 * @dir with @name NULL).  -ENAMETOOLONG, or its length. */
int node_path(struct node *dir, const char *name, char *buf, size_t size);

#endif
