/* SPDX-License-Identifier: MIT */
#include "passthrough.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include "log.h"

/* From linux/fuse.h of 6.9 and later; Debian 12's headers are older. */
struct backing_map {
	int32_t fd;
	uint32_t flags;
	uint64_t padding;
};
#define BACKING_OPEN       _IOW(229, 1, struct backing_map)
#define BACKING_CLOSE      _IOW(229, 2, uint32_t)
#define INIT_EXT           (1u << 30)
#define KILLPRIV_V2        (1u << 28)
#define PASSTHROUGH_FLAGS2 (1u << 5) /* FUSE_PASSTHROUGH is bit 37 */
#define DIRECT_MMAP_FLAGS2 (1u << 4) /* FUSE_DIRECT_IO_ALLOW_MMAP is bit 36 */

/* Words of struct fuse_init_out (7.40): the last two are younger than the
 * structure that libfuse 3.14 fills, but inside its 64 bytes. */
enum { OUT_FLAGS = 3, OUT_FLAGS2 = 8, OUT_STACK_DEPTH = 9 };

static struct {
	uint64_t unique; /* of the INIT request; 0 once it was answered */
	uint32_t offered, offered2;
	bool ask, ask_killpriv, ask_direct_mmap;
} init;

#if FUSE_VERSION < FUSE_MAKE_VERSION(3, 17)
/* Complete the INIT reply with flags that this libfuse does not know. */
static ssize_t io_writev(int fd, struct iovec *iov, int n, void *userdata)
{
	struct fuse_out_header *head = iov[0].iov_base;

	if (init.unique && n >= 2 && head->unique == init.unique) {
		uint32_t *out = iov[1].iov_base;

		init.unique = 0;
		if (!head->error && iov[1].iov_len >= 40) {
			if (init.ask) {
				out[OUT_FLAGS] |= INIT_EXT;
				out[OUT_FLAGS2] |= PASSTHROUGH_FLAGS2;
				out[OUT_STACK_DEPTH] = 1;
			}
			if (init.ask_direct_mmap) {
				out[OUT_FLAGS] |= INIT_EXT;
				out[OUT_FLAGS2] |= DIRECT_MMAP_FLAGS2;
			}
			if (init.ask_killpriv)
				out[OUT_FLAGS] |= KILLPRIV_V2;
		}
	}
	return writev(fd, iov, n);
}

static ssize_t io_read(int fd, void *buf, size_t size, void *userdata)
{
	return read(fd, buf, size);
}

static ssize_t io_splice_send(int fd_in, off_t *off_in, int fd_out,
			      off_t *off_out, size_t size, unsigned flags,
			      void *userdata)
{
	return splice(fd_in, off_in, fd_out, off_out, size, flags);
}

int passthrough_prepare(struct fs *fs)
{
	const struct fuse_custom_io io = {
		.writev = io_writev,
		.read = io_read,
		.splice_receive = io_splice_send,
		.splice_send = io_splice_send,
	};

	return fuse_session_custom_io(fs->se, &io, fuse_session_fd(fs->se));
}

static void ask(struct fuse_conn_info *conn)
{
	init.ask = true;
}

static void ask_direct_mmap(struct fuse_conn_info *conn)
{
	init.ask_direct_mmap = true;
}
#else
int passthrough_prepare(struct fs *fs)
{
	return 0;
}

static void ask(struct fuse_conn_info *conn)
{
	fuse_set_feature_flag(conn, FUSE_CAP_PASSTHROUGH);
	conn->max_backing_stack_depth = 1;
}

static void ask_direct_mmap(struct fuse_conn_info *conn)
{
	fuse_set_feature_flag(conn, FUSE_CAP_DIRECT_IO_ALLOW_MMAP);
}
#endif

void passthrough_offered(struct fs *fs, const void *msg, size_t size)
{
	const struct fuse_in_header *head = msg;
	const struct fuse_init_in *in = (const void *)(head + 1);

	if (size < sizeof(*head) + 16)
		return;
	init.unique = head->unique;
	init.offered = in->flags;
	if ((in->flags & INIT_EXT) && size >= sizeof(*head) + 20)
		init.offered2 = in->flags2;
	fs->proto_minor = in->minor;
}

static void say(struct fs *fs, const char *why)
{
	snprintf(fs->io_reason, sizeof(fs->io_reason), "%s", why);
}

void passthrough_negotiate(struct fs *fs, struct fuse_conn_info *conn)
{
	fs->passthrough = false;
	init.ask_killpriv = init.offered & KILLPRIV_V2;
	fs->direct_mmap = init.offered2 & DIRECT_MMAP_FLAGS2;
	if (fs->direct_mmap)
		ask_direct_mmap(conn);
	if (fs->opts->passthrough == PASSTHROUGH_OFF) {
		say(fs, "switched off by passthrough=off");
	} else if (!(init.offered2 & PASSTHROUGH_FLAGS2)) {
		say(fs, "this kernel has no FUSE passthrough (Linux 6.9)");
	} else if (!fs->privileged) {
		say(fs, "needs CAP_SYS_ADMIN: mount as root to have it");
	} else if (fs->quota) {
		say(fs, "the source has quotas, which only a served write "
			"shows");
	} else {
		ask(conn);
		fs->passthrough = true;
		say(fs, "the kernel reads and writes the files itself");
	}
}

void passthrough_probe(struct fs *fs, int fd)
{
	int32_t id;

	if (!fs->passthrough || fd < 0)
		return;
	id = passthrough_open(fs, fd);
	if (id > 0) {
		passthrough_close(fs, id);
		return;
	}
	fs->passthrough = false;
	if (id == -ELOOP)
		say(fs, "the source is a stacked file system (ELOOP)");
	else
		snprintf(fs->io_reason, sizeof(fs->io_reason),
			 "the kernel refuses a file of the source (%s)",
			 log_errname(-id));
}

int32_t passthrough_open(struct fs *fs, int fd)
{
	struct backing_map map = {.fd = fd};
	int id = ioctl(fuse_session_fd(fs->se), BACKING_OPEN, &map);

	return id < 0 ? -errno : id;
}

void passthrough_close(struct fs *fs, int32_t backing_id)
{
	uint32_t id = (uint32_t)backing_id;

	if (backing_id > 0)
		(void)ioctl(fuse_session_fd(fs->se), BACKING_CLOSE, &id);
}
