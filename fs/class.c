/* SPDX-License-Identifier: MIT
 *
 * Which files are staged (S26): the policy, and what lies on the disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "ops.h"

static bool has_magic(int dirfd, const char *name)
{
	char head[16];
	int fd = openat(dirfd, name,
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = pread(fd, head, sizeof(head), 0);
	close(fd);
	return n > 0 && policy_is_sqlite(head, (size_t)n);
}

enum file_class name_class(struct fs *fs, struct node *dir, const char *name)
{
	char path[PATH_MAX], base[NAME_MAX + 1];
	const char *full = NULL;
	enum file_class c;
	size_t n;
	int dirfd;

	if (policy_needs_path(fs->policy) &&
	    node_path(dir, name, path, sizeof(path)) >= 0)
		full = path;
	c = policy_class(fs->policy, name, full);
	if (c != CLASS_ATOMIC || !policy_sqlite(fs->policy) ||
	    policy_ruled(fs->policy, name, full))
		return c;
	dirfd = node_dirfd(fs, dir);
	if (dirfd < 0)
		return c;
	n = policy_sqlite_base_len(name);
	if (!n)
		return has_magic(dirfd, name) ? CLASS_DIRECT : c;
	snprintf(base, sizeof(base), "%.*s", (int)n, name);
	if (policy_class(fs->policy, base, NULL) == CLASS_DIRECT ||
	    has_magic(dirfd, base))
		return CLASS_DIRECT;
	return c;
}

enum file_class node_class(struct fs *fs, struct node *node)
{
	/* Decided by the open that found nobody else on it.  Who would replace
	 * a file that others write in place would take it from them. */
	if (node->opened && node->opened->handles && node->opened->writable)
		return CLASS_DIRECT;
	if (fs->n_txns && ((node->parent && node->name &&
			    entry_find(fs, node->parent, node->name)) ||
			   update_of_inode(fs, &node->key)))
		return CLASS_ATOMIC;
	/* A nested mount; a file without a name. */
	if (node->key.dev != fs->src_dev || !node->name || !node->parent ||
	    (node->flags & NODE_REPLACED))
		return CLASS_DIRECT;
	return name_class(fs, node->parent, node->name);
}
