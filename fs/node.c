/* SPDX-License-Identifier: MIT */
#include "node.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fs.h"
#include "guard.h"
#include "open.h"
#include "txn.h"

#define MIN_SLOTS 1024

static size_t key_hash(const struct file_key *key)
{
	uint64_t h = (key->ino ^ (key->dev << 48)) * 0x9E3779B97F4A7C15ull;

	return (size_t)(h >> 20);
}

int key_stat(int dirfd, const char *name, struct file_key *ret_key,
	     struct stat *ret_st)
{
	uint64_t flags;

	return key_statx(dirfd, name, ret_key, ret_st, &flags);
}

int key_statx(int dirfd, const char *name, struct file_key *ret_key,
	      struct stat *ret_st, uint64_t *ret_flags)
{
	struct statx sx;

	if (statx(dirfd, name, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW,
		  STATX_BASIC_STATS | STATX_BTIME, &sx) < 0)
		return -errno;
	*ret_st = (struct stat){
		.st_dev = makedev(sx.stx_dev_major, sx.stx_dev_minor),
		.st_ino = sx.stx_ino,
		.st_mode = sx.stx_mode,
		.st_nlink = sx.stx_nlink,
		.st_uid = sx.stx_uid,
		.st_gid = sx.stx_gid,
		.st_rdev = makedev(sx.stx_rdev_major, sx.stx_rdev_minor),
		.st_size = (off_t)sx.stx_size,
		.st_blksize = sx.stx_blksize,
		.st_blocks = (blkcnt_t)sx.stx_blocks,
		.st_atim = {sx.stx_atime.tv_sec, sx.stx_atime.tv_nsec},
		.st_mtim = {sx.stx_mtime.tv_sec, sx.stx_mtime.tv_nsec},
		.st_ctim = {sx.stx_ctime.tv_sec, sx.stx_ctime.tv_nsec},
	};
	*ret_flags = sx.stx_attributes;
	*ret_key = (struct file_key){.dev = ret_st->st_dev, .ino = sx.stx_ino};
	if (sx.stx_mask & STATX_BTIME)
		ret_key->birth = (uint64_t)sx.stx_btime.tv_sec * 1000000000u +
				 sx.stx_btime.tv_nsec;
	return 0;
}

/* ---- the table ------------------------------------------------------- */

int node_table_init(struct node_table *table, unsigned max_dirfds)
{
	table->slots = calloc(MIN_SLOTS, sizeof(*table->slots));
	if (!table->slots)
		return -ENOMEM;
	table->n_slots = MIN_SLOTS;
	ring_init(&table->lru);
	table->max_dirfds = max_dirfds;
	return 0;
}

static struct node **node_slot(struct node_table *table,
			       const struct file_key *key)
{
	return &table->slots[key_hash(key) & (table->n_slots - 1)];
}

/* Keep chains short on the way up and memory small on the way down.  A table
 * that cannot be resized goes on as it is. */
static void node_table_resize(struct node_table *table)
{
	size_t n = table->n_slots;
	struct node **old = table->slots, **slots;

	if (table->n > n)
		n *= 2;
	else if (table->n * 8 < n && n > MIN_SLOTS)
		n /= 2;
	else
		return;
	if (n < table->n_slots)
		(void)malloc_trim(0); /* the nodes lay all over the heap */
	slots = calloc(n, sizeof(*slots));
	if (!slots)
		return;
	table->slots = slots;
	for (size_t i = 0, n_old = table->n_slots; i < n_old; i++) {
		struct node *node = old[i], *next;

		table->n_slots = n;
		for (; node; node = next) {
			struct node **slot = node_slot(table, &node->key);

			next = node->hash_next;
			node->hash_next = *slot;
			*slot = node;
		}
	}
	free(old);
}

static void node_hash(struct fs *fs, struct node *node)
{
	struct node **slot = node_slot(&fs->nodes, &node->key);

	node->hash_next = *slot;
	*slot = node;
	node->flags |= NODE_HASHED;
	fs->nodes.n++;
	node_table_resize(&fs->nodes);
}

static void node_unhash(struct fs *fs, struct node *node)
{
	struct node **p = node_slot(&fs->nodes, &node->key);

	if (!(node->flags & NODE_HASHED))
		return;
	while (*p != node)
		p = &(*p)->hash_next;
	*p = node->hash_next;
	node->flags &= ~NODE_HASHED;
	fs->nodes.n--;
	node_table_resize(&fs->nodes);
}

struct node *node_find(struct fs *fs, const struct file_key *key)
{
	struct node *node = *node_slot(&fs->nodes, key);

	while (node &&
	       ((node->flags & NODE_RETIRED) || !key_equal(&node->key, key)))
		node = node->hash_next;
	return node;
}

struct node *node_new(struct fs *fs, mode_t mode, struct node *parent,
		      const char *name)
{
	struct node *node = calloc(1, sizeof(*node));

	if (!node)
		return NULL;
	node->fd = -1;
	node->type = mode & S_IFMT;
	if (name && node_move(fs, node, parent, name) < 0) {
		free(node);
		return NULL;
	}
	return node;
}

struct node *node_get(struct fs *fs, const struct file_key *key, mode_t mode,
		      struct node *parent, const char *name)
{
	struct node *node = node_find(fs, key);

	if (node && node->type == (mode & S_IFMT)) {
		if (name && node != &fs->root &&
		    node_move(fs, node, parent, name) < 0)
			return NULL;
		return node;
	}
	if (node) /* the number was reused behind our back */
		node_retire(fs, node);
	node = node_new(fs, mode, parent, name);
	if (!node)
		return NULL;
	node->key = *key;
	node_hash(fs, node);
	return node;
}

/* The descriptor of a directory is no longer one of the budget. */
static void dirfd_uncount(struct fs *fs, struct node *node)
{
	node->flags &= ~NODE_DIRFD;
	ring_del(&node->lru);
	fs->nodes.n_dirfds--;
}

static void node_drop_fd(struct fs *fs, struct node *node)
{
	if (node->fd < 0)
		return;
	if (node->type == S_IFDIR)
		close(node->fd);
	else
		guard_close(node->fd); /* may be the inode's end */
	node->fd = -1;
	if (node->flags & NODE_DIRFD)
		dirfd_uncount(fs, node);
}

/* Free @node and every parent that only its children kept. */
static void node_free_if_unused(struct fs *fs, struct node *node)
{
	while (node && node != &fs->root && !node->nlookup && !node->refs) {
		struct node *parent = node->parent;

		opened_drop_idle(fs, node);
		node_unhash(fs, node);
		node_drop_fd(fs, node);
		free(node->name);
		free(node);
		if (!parent)
			return;
		parent->refs--;
		node = parent;
	}
}

void node_ref(struct node *node)
{
	node->refs++;
}

void node_unref(struct fs *fs, struct node *node)
{
	if (!node)
		return;
	node->refs--;
	node_free_if_unused(fs, node);
}

void node_forget(struct fs *fs, struct node *node, uint64_t nlookup)
{
	node->nlookup -= nlookup < node->nlookup ? nlookup : node->nlookup;
	node_free_if_unused(fs, node);
}

void node_retire(struct fs *fs, struct node *node)
{
	opened_drop_idle(fs, node);
	node->flags |= NODE_RETIRED;
}

void node_revive(struct fs *fs, struct node *node)
{
	if (!node_find(fs, &node->key))
		node->flags &= ~NODE_RETIRED;
}

void node_rekey(struct fs *fs, struct node *node, const struct file_key *key)
{
	node_retire(fs, node);
	node_unhash(fs, node);
	node_drop_fd(fs, node);
	node->key = *key;
	node_revive(fs, node);
	node_hash(fs, node);
}

int node_move(struct fs *fs, struct node *node, struct node *parent,
	      const char *name)
{
	struct node *old = node->parent;

	if (!node->name || !name || strcmp(node->name, name)) {
		char *copy = name ? strdup(name) : NULL;

		if (name && !copy)
			return -ENOMEM;
		free(node->name);
		node->name = copy;
	}
	if (old != parent) {
		if (parent)
			node_ref(parent);
		node->parent = parent;
		node_unref(fs, old);
	}
	node->flags &= ~NODE_REPLACED;
	/* It can be reached by name again. */
	if (name && node->fd >= 0 && !(node->flags & NODE_DIRFD) &&
	    !node->is_ctl)
		node_drop_fd(fs, node);
	return 0;
}

void node_supersede(struct fs *fs, struct node *node, int fd)
{
	node_retire(fs, node);
	if (node->fd < 0)
		node->fd = fd;
	else
		guard_close(fd);
}

void node_lose_name(struct fs *fs, struct node *node)
{
	struct node *parent = node->parent;

	if (node->flags & NODE_DIRFD)
		dirfd_uncount(fs, node); /* it could not be opened again */
	free(node->name);
	node->name = NULL;
	node->parent = NULL;
	node->flags &= ~NODE_REPLACED;
	node_unref(fs, parent);
}

void node_pin(struct fs *fs, struct node *node)
{
	int dirfd;

	if (node == &fs->root || !node->name || node->fd >= 0 || !node->parent)
		return;
	/* If its name does not go after all, it will have to be synced. */
	if (node->type == S_IFDIR) {
		(void)node_dirfd(fs, node);
		return;
	}
	dirfd = node_dirfd(fs, node->parent);
	if (dirfd >= 0)
		node->fd = openat(dirfd, node->name,
				  O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

/* ---- reaching inodes ------------------------------------------------- */

static void lru_touch(struct fs *fs, struct node *node)
{
	ring_del(&node->lru);
	ring_add(&fs->nodes.lru, &node->lru);
}

static void lru_keep(struct fs *fs, struct node *node, int fd)
{
	/* The two newest may be lent at this moment (rename). */
	while (fs->nodes.n_dirfds >= fs->nodes.max_dirfds &&
	       fs->nodes.n_dirfds > 2)
		node_drop_fd(fs,
			     ring_item(fs->nodes.lru.next, struct node, lru));
	lru_touch(fs, node);
	node->fd = fd;
	node->flags |= NODE_DIRFD;
	fs->nodes.n_dirfds++;
}

static int dir_open_at(int dirfd, const char *name)
{
	int flags = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(dirfd, name, O_RDONLY | flags);

	/* A directory one may search but not read. */
	if (fd < 0 && errno == EACCES)
		fd = openat(dirfd, name, O_PATH | flags);
	return fd < 0 ? -errno : fd;
}

int node_dirfd(struct fs *fs, struct node *node)
{
	char path[PATH_MAX];
	int r, fd, up;

	if (node == &fs->root)
		return fs->src_fd;
	if (node->fd >= 0) {
		if (node->flags & NODE_DIRFD)
			lru_touch(fs, node);
		return node->fd;
	}
	if (!node->parent || !node->name)
		return -ESTALE;
	if (node->parent == &fs->root || node->parent->fd >= 0) {
		up = node_dirfd(fs, node->parent);
		fd = up < 0 ? up : dir_open_at(up, node->name);
	} else {
		r = node_path(node, NULL, path, sizeof(path));
		if (r == -ENAMETOOLONG) { /* by steps, then */
			up = node_dirfd(fs, node->parent);
			fd = up < 0 ? up : dir_open_at(up, node->name);
		} else {
			fd = r < 0 ? r : dir_open_at(fs->src_fd, path);
		}
	}
	if (fd < 0)
		return fd == -ENOENT || fd == -ENOTDIR ? -ESTALE : fd;
	lru_keep(fs, node, fd);
	return fd;
}

static int node_own_fd(const struct node *node)
{
	if (node->txn && node->txn->shadow)
		return atio_shadow_fd(node->txn->shadow);
	if (node->opened && node->opened->fd >= 0)
		return node->opened->fd;
	return node->fd;
}

int node_at(struct fs *fs, struct node *node, int *ret_dirfd,
	    const char **ret_name)
{
	int fd = node == &fs->root ? fs->src_fd : node_own_fd(node);

	*ret_name = "";
	if (fd < 0) {
		if (!node->parent || !node->name)
			return -ESTALE;
		fd = node_dirfd(fs, node->parent);
		*ret_name = node->name;
	}
	if (fd < 0)
		return fd;
	*ret_dirfd = fd;
	return 0;
}

int node_stat(struct fs *fs, struct node *node, struct stat *ret_st)
{
	struct file_key key;
	const char *name;
	int r, fd;

	r = node_at(fs, node, &fd, &name);
	if (r < 0)
		return r;
	r = key_stat(fd, name, &key, ret_st);
	if (r == -ENOENT || r == -ENOTDIR)
		return -ESTALE;
	if (r < 0)
		return r;
	return (ret_st->st_mode & S_IFMT) == node->type ? 0 : -ESTALE;
}

int node_reopen(int fd, int flags)
{
	char proc[32];
	int r;

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	r = open(proc, (flags & ~O_NOFOLLOW) | O_CLOEXEC);
	return r < 0 ? -errno : r;
}

int node_open(struct fs *fs, struct node *node, int flags)
{
	const char *name;
	int r, fd;

	r = node_at(fs, node, &fd, &name);
	if (r < 0)
		return r;
	if (!*name)
		return node_reopen(fd, flags);
	r = openat(fd, name, flags | O_NOFOLLOW | O_CLOEXEC);
	return r < 0 ? -errno : r;
}

int node_path(struct node *dir, const char *name, char *buf, size_t size)
{
	char *end = buf + size - 1, *p = end;
	size_t n;

	*p = 0;
	for (;;) {
		if (name) {
			n = strlen(name);
			if (n + 1 > (size_t)(p - buf))
				return -ENAMETOOLONG;
			if (p != end)
				*--p = '/';
			p -= n;
			memcpy(p, name, n);
		}
		if (!dir || !dir->name)
			break;
		name = dir->name;
		dir = dir->parent;
	}
	memmove(buf, p, (size_t)(end - p) + 1);
	return (int)(end - p);
}

void node_table_done(struct fs *fs)
{
	for (size_t i = 0; i < fs->nodes.n_slots; i++) {
		struct node *node = fs->nodes.slots[i], *next;

		for (; node; node = next) {
			next = node->hash_next;
			opened_drop_idle(fs, node);
			node_drop_fd(fs, node);
			if (node == &fs->root)
				continue;
			free(node->name);
			free(node);
		}
	}
	free(fs->nodes.slots);
	fs->nodes.slots = NULL;
}
