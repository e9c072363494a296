/* SPDX-License-Identifier: MIT */
#include "ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <atomicio/quarantine.h>

#include "ops.h"
#include "status.h"
#include "status_locks.h"

enum { STATUS, LOCKS, METRICS, QUARANTINE, N_NODES };

static const char *const names[] = {
	[STATUS] = "status.json", [LOCKS] = "locks.json",
	[METRICS] = "metrics",    [QUARANTINE] = "quarantine",
	[N_NODES] = NULL,
};

static struct node *nodes[N_NODES];
static struct ring texts = RING_INIT(texts);

/* An open file: what it said then. */
struct text {
	struct ring all;
	size_t size;
	char *bytes;
};

/* In the table as all nodes are, by keys that no inode has. */
static struct node *make(struct fs *fs, struct node *parent, const char *name,
			 mode_t mode)
{
	static uint64_t next;
	const struct file_key key = {.dev = UINT64_MAX, .ino = ++next};
	struct node *node = node_get(fs, &key, mode, parent, name);

	if (!node)
		return NULL;
	node->is_ctl = true;
	node_ref(node); /* lives as long as the session */
	return node;
}

int ctl_init(struct fs *fs)
{
	fs->ctl = make(fs, &fs->root, CTL_NAME, S_IFDIR);
	if (!fs->ctl)
		return -ENOMEM;
	for (int i = 0; i < N_NODES; i++) {
		nodes[i] = make(fs, fs->ctl, names[i],
				i == QUARANTINE ? S_IFDIR : S_IFREG);
		if (!nodes[i])
			return -ENOMEM;
	}
	nodes[QUARANTINE]->fd =
		fcntl(atio_store_quarantine_fd(fs->store), F_DUPFD_CLOEXEC, 3);
	return nodes[QUARANTINE]->fd < 0 ? -errno : 0;
}

bool ctl_owns(struct fs *fs, const struct node *dir, const char *name)
{
	return dir->is_ctl || (dir == &fs->root && !strcmp(name, CTL_NAME));
}

bool ctl_contains(const struct node *node)
{
	return node->is_ctl || (node->parent && node->parent->is_ctl);
}

static char *render(struct fs *fs, const struct node *node)
{
	return node == nodes[STATUS] ? status_json(fs) : status_metrics(fs);
}

int ctl_stat(struct fs *fs, struct node *node, struct stat *ret_st)
{
	const mode_t mode = node == nodes[QUARANTINE] ? S_IFDIR | 0700
			    : node->type == S_IFDIR   ? S_IFDIR | 0500
						      : S_IFREG | 0400;
	char *s;

	*ret_st = (struct stat){
		.st_ino = (ino_t)(uintptr_t)node,
		.st_mode = mode,
		.st_nlink = node->type == S_IFDIR ? 2 : 1,
		.st_uid = getuid(),
		.st_gid = getgid(),
		.st_blksize = 4096,
	};
	clock_gettime(CLOCK_REALTIME, &ret_st->st_mtim);
	ret_st->st_ctim = ret_st->st_atim = ret_st->st_mtim;
	/* Of locks there may be very many, and what is read is made at open. */
	if (node->type == S_IFDIR || node == nodes[LOCKS])
		return 0;
	s = render(fs, node);
	if (!s)
		return -ENOMEM;
	ret_st->st_size = (off_t)strlen(s);
	free(s);
	return 0;
}

static struct node *find(struct fs *fs, struct node *dir, const char *name)
{
	if (dir == &fs->root)
		return fs->ctl;
	for (int i = 0; dir == fs->ctl && names[i]; i++)
		if (!strcmp(name, names[i]))
			return nodes[i];
	return NULL;
}

int ctl_lookup(struct fs *fs, struct node *dir, const char *name,
	       struct fuse_entry_param *ret_e)
{
	struct node *node = find(fs, dir, name);
	struct file_key key;
	struct stat st;
	int r;

	if (!node && dir != nodes[QUARANTINE])
		return -ENOENT;
	if (node) {
		r = ctl_stat(fs, node, &st);
	} else {
		r = key_stat(dir->fd, name, &key, &st);
		if (!r)
			node = node_get(fs, &key, st.st_mode, dir, name);
		if (!r && !node)
			r = -ENOMEM;
	}
	if (r < 0)
		return r;
	fill_entry(fs, node, &st, true, ret_e);
	return 0;
}

int ctl_unlink(struct fs *fs, struct node *dir, const char *name)
{
	size_t n = strlen(name);
	char id[ATIO_QUARANTINE_ID_MAX];

	if (dir != nodes[QUARANTINE])
		return -EPERM;
	/* An item is two files: whichever is removed, both go. */
	if (n > 5 && !strcmp(name + n - 5, ".json"))
		n -= 5;
	if (n >= sizeof(id))
		return -ENOENT;
	memcpy(id, name, n);
	id[n] = 0;
	return atio_quarantine_drop(dir->fd, id);
}

const char *const *ctl_names(struct fs *fs, const struct node *node)
{
	return node == fs->ctl ? names : NULL;
}

void ctl_open(struct fs *fs, fuse_req_t req, struct node *node,
	      struct fuse_file_info *fi)
{
	struct text *text;

	if ((fi->flags & O_ACCMODE) != O_RDONLY || (fi->flags & O_TRUNC)) {
		reply_err(req, -EACCES);
		return;
	}
	text = calloc(1, sizeof(*text));
	if (text && node == nodes[LOCKS]) {
		text->bytes = status_locks(fs);
	} else if (text) {
		fs_lock(fs);
		text->bytes = render(fs, node);
		fs_unlock(fs);
	}
	if (!text || !text->bytes) {
		free(text);
		reply_err(req, -ENOMEM);
		return;
	}
	text->size = strlen(text->bytes);
	fs_lock(fs);
	ring_add(&texts, &text->all);
	fs_unlock(fs);
	fi->fh = (uintptr_t)text;
	fi->direct_io = 1;
	if (fuse_reply_open(req, fi) == -ENOENT)
		ctl_release(fs, fi);
}

void ctl_read(fuse_req_t req, struct fuse_file_info *fi, size_t size, off_t off)
{
	struct text *text = (struct text *)(uintptr_t)fi->fh;
	size_t at = (size_t)off > text->size ? text->size : (size_t)off;

	if (size > text->size - at)
		size = text->size - at;
	fuse_reply_buf(req, text->bytes + at, size);
}

static void text_free(struct text *text)
{
	ring_del(&text->all);
	free(text->bytes);
	free(text);
}

void ctl_release(struct fs *fs, struct fuse_file_info *fi)
{
	fs_lock(fs);
	text_free((struct text *)(uintptr_t)fi->fh);
	fs_unlock(fs);
}

void ctl_done(void)
{
	while (!ring_empty(&texts))
		text_free(ring_item(texts.next, struct text, all));
}
