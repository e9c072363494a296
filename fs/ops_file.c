/* SPDX-License-Identifier: MIT
 *
 * Open files: data, flush, release, and the ioctls.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomicio/ioctl.h>

#include "ctl.h"
#include "locks.h"
#include "log.h"
#include "ops.h"
#include "session.h"

/* ---- data that the daemon serves ------------------------------------- */

/* From the page cache, without waiting for a disk.  The kernel takes a short
 * answer for the end of the file, so it must be the end.  -EAGAIN: not so. */
static ssize_t read_cached(int fd, void *buf, size_t size, off_t off)
{
	struct iovec iov = {buf, size};
	ssize_t n = preadv2(fd, &iov, 1, off, RWF_NOWAIT);
	struct stat st;

	if (n < 0)
		return -EAGAIN;
	if ((size_t)n < size && (fstat(fd, &st) < 0 || off + n < st.st_size))
		return -EAGAIN;
	return n;
}

void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
	     struct fuse_file_info *fi)
{
	struct fuse_bufvec v = FUSE_BUFVEC_INIT(size);
	struct fs *fs = req_fs(req);
	bool mine;
	char *buf;
	int fd;
	ssize_t n;

	if (ino_node(fs, ino)->is_ctl) {
		ctl_read(req, fi, size, off);
		return;
	}
	fd = opened_borrow(fs, fi_handle(fi), &mine);
	if (fd < 0) {
		reply_err(req, fd);
		return;
	}
	buf = malloc(size);
	n = buf ? read_cached(fd, buf, size, off) : -EAGAIN;
	if (n >= 0) {
		fuse_reply_buf(req, buf, (size_t)n);
	} else {
		session_may_block(fs);
		v.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
		v.buf[0].fd = fd;
		v.buf[0].pos = off;
		fuse_reply_data(req, &v, FUSE_BUF_SPLICE_MOVE);
	}
	free(buf);
	if (mine)
		close(fd);
}

static bool ran_full(int r)
{
	return r == -ENOSPC || r == -EDQUOT || r == -EIO;
}

/* A write that failed: what the shadow holds is not what the program meant,
 * even if it does not look (S19). */
static void write_failed(struct fs *fs, struct handle *h, int error)
{
	char path[PATH_MAX];

	fs_lock(fs);
	if (h->txn) {
		txn_fail(h->txn, FATE_FAILED, error);
		log_failure("write", txn_path(fs, h->txn, path, sizeof(path)),
			    error, atio_shadow_id(h->txn->shadow), NULL);
	}
	fs_unlock(fs);
}

void op_write_buf(fuse_req_t req, fuse_ino_t ino, struct fuse_bufvec *in,
		  off_t off, struct fuse_file_info *fi)
{
	struct fuse_bufvec out = FUSE_BUFVEC_INIT(fuse_buf_size(in));
	struct handle *h = fi_handle(fi);
	ssize_t n;

	session_may_block(req_fs(req));
	out.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
	out.buf[0].fd = handle_fd(h);
	out.buf[0].pos = off;
	n = fuse_buf_copy(&out, in, 0);
	if (n < 0)
		write_failed(req_fs(req), h, (int)-n);
	if (n < 0)
		reply_err(req, (int)n);
	else
		fuse_reply_write(req, (size_t)n);
}

/* ---- closing --------------------------------------------------------- */

void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fs *fs = req_fs(req);
	struct handle *h = fi_handle(fi);
	int r = 0;

	if (ino_node(fs, ino)->is_ctl) {
		reply_err(req, 0);
		return;
	}
	fs_lock(fs);
	if (h->txn && (h->txn->fate != FATE_PUBLISH || txn_dirty(h->txn))) {
		r = txn_flush(fs, h, fuse_req_ctx(req)->pid);
	}
	fs_unlock(fs);
	locks_flush(fs, h, fi->lock_owner);
	reply_err(req, r);
}

void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fs *fs = req_fs(req);
	struct handle *h = fi_handle(fi);
	bool quick = true;

	if (ino_node(fs, ino)->is_ctl) {
		ctl_release(fs, fi);
		reply_err(req, 0);
		return;
	}
	fs_lock(fs);
	if (!txn_release_quick(fs, h)) {
		/* Before the next request is read: whoever asks for the name
		 * from now on waits (S2). */
		h->txn->pending++;
		fs->n_pending++;
		h->closing = true;
		quick = false;
	}
	if (fs->n_release_waits)
		pthread_cond_broadcast(&fs->settled);
	if (h->locks || h->no_flush) {
		fs_unlock(fs);
		locks_release(fs, h);
		fs_lock(fs);
	}
	if (quick || txn_release(fs, h))
		handle_free(fs, h);
	fs_unlock(fs);
	reply_err(req, 0);
}

/* A file that has no shadow: of a reader, or written in place. */
static int sync_handle(struct fs *fs, const struct handle *h, int datasync)
{
	bool mine;
	int r = 0, fd = opened_borrow(fs, h, &mine);

	if (fd < 0)
		return fd;
	if ((datasync ? fdatasync(fd) : fsync(fd)) < 0)
		r = -errno;
	if (mine)
		close(fd);
	return r;
}

void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync,
	      struct fuse_file_info *fi)
{
	struct fs *fs = req_fs(req);
	struct handle *h = fi_handle(fi);
	int r = 0;

	if (ino_node(fs, ino)->is_ctl) {
		reply_err(req, 0);
		return;
	}
	session_may_block(req_fs(req));
	fs_lock(fs);
	txn_wait_for_others(fs, h);
	if (h->txn) {
		r = txn_sync(fs, h->txn);
		fs_unlock(fs);
	} else {
		fs_unlock(fs);
		if (fs->opts->durable)
			r = sync_handle(fs, h, datasync);
	}
	reply_err(req, r);
}

/* ---- the rest of what can be done with a descriptor ------------------ */

void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off,
		  off_t len, struct fuse_file_info *fi)
{
	struct fs *fs = req_fs(req);
	struct handle *h = fi_handle(fi);
	int r = 0;

	session_may_block(req_fs(req));
	if (fallocate(handle_fd(h), mode, off, len) < 0)
		r = -errno;
	if (ran_full(r)) /* it may have got half of it */
		write_failed(fs, h, -r);
	fs_lock(fs);
	if (h->txn) {
		h->txn->append_only = false;
		atio_shadow_set_changed(h->txn->shadow);
	}
	fs_unlock(fs);
	reply_err(req, r);
}

void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence,
	      struct fuse_file_info *fi)
{
	bool mine;
	int fd = opened_borrow(req_fs(req), fi_handle(fi), &mine);
	off_t r = fd < 0 ? fd : lseek(fd, off, whence);

	if (fd >= 0 && r < 0)
		r = -errno;
	if (mine)
		close(fd);
	if (r < 0)
		reply_err(req, (int)r);
	else
		fuse_reply_lseek(req, r);
}

void op_copy_file_range(fuse_req_t req, fuse_ino_t ino_in, off_t off_in,
			struct fuse_file_info *fi_in, fuse_ino_t ino_out,
			off_t off_out, struct fuse_file_info *fi_out,
			size_t len, int flags)
{
	struct fs *fs = req_fs(req);
	struct handle *h = fi_handle(fi_out);
	bool mine;
	ssize_t n;
	int fd;

	if (ino_node(fs, ino_in)->is_ctl || ino_node(fs, ino_out)->is_ctl) {
		reply_err(req, -EOPNOTSUPP);
		return;
	}
	session_may_block(req_fs(req));
	fd = opened_borrow(fs, fi_handle(fi_in), &mine);
	n = fd < 0 ? fd
		   : copy_file_range(fd, &off_in, handle_fd(h), &off_out, len,
				     (unsigned)flags);
	if (fd >= 0 && n < 0)
		n = -errno;
	if (mine)
		close(fd);
	if (n < 0) {
		if (ran_full((int)n))
			write_failed(fs, h, (int)-n);
		reply_err(req, (int)n);
		return;
	}
	fuse_reply_write(req, (size_t)n);
}

/* ---- ioctls (S16) ---------------------------------------------------- */

static int ioctl_on_handle(struct fs *fs, struct handle *h, bool commit)
{
	txn_wait_for_others(fs, h);
	if (!h->txn)
		return -EBADF;
	if (!h->txn->entry)
		return commit ? -ENOENT : txn_abort(fs, h->txn);
	return commit ? txn_publish(fs, h->txn, true) : txn_abort(fs, h->txn);
}

static struct txn *first_to_end(struct entry *entry, bool commit)
{
	struct txn *txn = entry ? entry->txns : NULL;

	while (txn && (!txn->ready || (commit && !txn_dirty(txn))))
		txn = txn->next;
	return txn;
}

static int ioctl_on_name(struct fs *fs, fuse_req_t req, struct node *dir,
			 const char *name, bool commit)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	struct entry *entry = entry_find(fs, dir, name);
	struct txn *txn;
	int r = 0, n = 0;

	if (!entry)
		return -ENOENT;
	for (txn = entry->txns; txn; txn = txn->next, n++)
		if (ctx->uid && ctx->uid != txn->uid)
			return -EPERM;
	/* Each step may drop the lock: begin again after it, and no more
	 * often than there were transactions. */
	while (!r && n--) {
		(void)entry_wait(fs, dir, name);
		txn = first_to_end(entry_find(fs, dir, name), commit);
		if (!txn)
			break;
		r = commit ? txn_publish(fs, txn, true) : txn_abort(fs, txn);
	}
	return r;
}

void op_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned cmd, void *arg,
	      struct fuse_file_info *fi, unsigned flags, const void *in,
	      size_t in_size, size_t out_size)
{
	const struct atio_ioc_name *name = in;
	struct fs *fs = req_fs(req);
	struct node *node = ino_node(fs, ino);
	bool commit = cmd == ATIO_IOC_COMMIT || cmd == ATIO_IOC_COMMIT_NAME;
	bool by_name =
		cmd == ATIO_IOC_COMMIT_NAME || cmd == ATIO_IOC_ABORT_NAME;
	int r;

	if (!node->is_ctl && lock_ioctl(req, node, cmd, fi, in, in_size))
		return;
	if ((!commit && cmd != ATIO_IOC_ABORT && !by_name) || node->is_ctl ||
	    by_name != (node->type == S_IFDIR)) {
		reply_err(req, -ENOTTY);
		return;
	}
	if (by_name && (in_size < sizeof(*name) ||
			!memchr(name->name, 0, sizeof(name->name)))) {
		reply_err(req, -EINVAL);
		return;
	}
	session_may_block(fs);
	fs_lock(fs);
	r = by_name ? ioctl_on_name(fs, req, node, name->name, commit)
		    : ioctl_on_handle(fs, fi_handle(fi), commit);
	fs_unlock(fs);
	if (r < 0)
		reply_err(req, r);
	else
		fuse_reply_ioctl(req, 0, NULL, 0);
}
