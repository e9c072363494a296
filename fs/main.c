/* SPDX-License-Identifier: MIT
 *
 * atomicfs: from the command line to a mount, and back.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "creds.h"
#include "ctl.h"
#include "guard.h"
#include "locks.h"
#include "log.h"
#include "ops.h"
#include "passthrough.h"
#include "quota.h"
#include "session.h"

enum { EXIT_OK, EXIT_FAILURE_RUN = 1, EXIT_USAGE = 2 };

static struct fs the_fs = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.src_fd = -1,
	.root = {.fd = -1, .type = S_IFDIR, .nlookup = 1, .refs = 1},
	.opened = RING_INIT(the_fs.opened),
	.idle = RING_INIT(the_fs.idle),
	.handles = RING_INIT(the_fs.handles),
	.dirs = RING_INIT(the_fs.dirs),
	.aliases = RING_INIT(the_fs.aliases),
	.links = RING_INIT(the_fs.links),
	.watched = RING_INIT(the_fs.watched),
};

/* ---- requests -------------------------------------------------------- */

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	struct fs *fs = userdata;

	passthrough_negotiate(fs, conn);
	conn->want |= conn->capable &
		      (FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_POSIX_ACL |
		       FUSE_CAP_DONT_MASK | FUSE_CAP_PARALLEL_DIROPS |
		       FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO |
		       FUSE_CAP_IOCTL_DIR | FUSE_CAP_ASYNC_READ |
		       FUSE_CAP_ASYNC_DIO | FUSE_CAP_AUTO_INVAL_DATA);
	/* Data that lies in a pipe could not be handed to a worker. */
	conn->want &= ~(unsigned)FUSE_CAP_SPLICE_READ;
	/* No writeback cache where the daemon serves the files: with it the
	 * kernel keeps data that link(2) and commit have to publish, and the
	 * one way to have it sent (a notification) waits for this very daemon,
	 * unkillably: killed at that moment it would take the mount with it. */
	/* A RELEASE must not wait in the kernel's queue behind others. */
	conn->max_background = 1024;
	conn->congestion_threshold = 768;
	conn->time_gran = 1;
}

const struct fuse_lowlevel_ops ops = {
	.init = op_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.readlink = op_readlink,
	.mknod = op_mknod,
	.mkdir = op_mkdir,
	.unlink = op_unlink,
	.rmdir = op_rmdir,
	.symlink = op_symlink,
	.rename = op_rename,
	.link = op_link,
	.open = op_open,
	.create = op_create,
	.read = op_read,
	.write_buf = op_write_buf,
	.flush = op_flush,
	.release = op_release,
	.fsync = op_fsync,
	.opendir = op_opendir,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.releasedir = op_releasedir,
	.fsyncdir = op_fsyncdir,
	.statfs = op_statfs,
	.setxattr = op_setxattr,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.removexattr = op_removexattr,
	.fallocate = op_fallocate,
	.lseek = op_lseek,
	.copy_file_range = op_copy_file_range,
	.flock = op_flock,
	.getlk = op_getlk,
	.setlk = op_setlk,
	.ioctl = op_ioctl,
};

/* ---- signals --------------------------------------------------------- */

static void do_nothing(int sig)
{
}

static void end_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGUSR1); /* from main: the thread is to end */
}

/* Every thread inherits the mask: only signal_main takes them. */
static int block_signals(void)
{
	struct sigaction wake = {.sa_handler = do_nothing};
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigset_t set;

	end_signals(&set);
	if (pthread_sigmask(SIG_BLOCK, &set, NULL) ||
	    sigaction(SIGUSR2, &wake, NULL) < 0 ||
	    /* Somebody opens a file just as its lease is tried. */
	    sigaction(SIGIO, &ignore, NULL) < 0 ||
	    sigaction(SIGPIPE, &ignore, NULL) < 0)
		return -errno;
	return 0;
}

static void *signal_main(void *arg)
{
	struct fs *fs = arg;
	sigset_t set;
	int sig;

	end_signals(&set);
	if (sigwait(&set, &sig))
		return NULL;
	if (sig != SIGUSR1)
		session_stop(fs);
	return NULL;
}

/* ---- readiness ------------------------------------------------------- */

/* sd_notify(3)'s protocol: one datagram. */
static void notify_systemd(void)
{
	const char *path = getenv("NOTIFY_SOCKET"), text[] = "READY=1";
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t n = path ? strlen(path) : 0;
	int fd;

	if (n < 2 || n >= sizeof(addr.sun_path))
		return;
	memcpy(addr.sun_path, path, n);
	if (*path == '@')
		addr.sun_path[0] = 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (sendto(fd, text, sizeof(text) - 1, 0, (struct sockaddr *)&addr,
		   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0)
		log_failure("notify systemd", path, errno, 0, NULL);
	close(fd);
}

/* The kernel has its INIT reply: see whether it takes a file of the source,
 * and tell whoever waits. */
static void ready(struct fs *fs)
{
	const struct atio_origin origin = {.path = ""};
	struct atio_shadow *probe = NULL;

	if (!fs->opts->read_only &&
	    !atio_shadow_create(fs->store, fs->src_fd, 0600, &origin, &probe,
				NULL)) {
		passthrough_probe(fs, atio_shadow_fd(probe));
		(void)atio_shadow_discard(probe);
		atio_shadow_free(probe);
	}
	log_debug("ready: %s (%s)", fs->passthrough ? "passthrough" : "served",
		  fs->io_reason);
	notify_systemd();
	if (fs->opts->notify_fd >= 0) {
		if (write(fs->opts->notify_fd, "ready\n", 6) < 0)
			log_failure("notify", "", errno, 0, NULL);
		close(fs->opts->notify_fd);
	}
}

/* ---- start ----------------------------------------------------------- */

static unsigned raise_descriptor_limit(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) < 0)
		return 1024;
	lim.rlim_cur = lim.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &lim);
	return lim.rlim_cur > 65536 ? 65536 : (unsigned)lim.rlim_cur;
}

static void say_recovered(const struct atio_recovered *what, void *arg)
{
	static const char *const verb[] = {
		[ATIO_RECOVERED_PUBLISHED] = "published",
		[ATIO_RECOVERED_REDONE] = "finished",
		[ATIO_RECOVERED_QUARANTINED] = "kept in quarantine",
		[ATIO_RECOVERED_DISCARDED] = "discarded",
		[ATIO_RECOVERED_FAILED] = "left, could not be settled",
	};

	if (what->action == ATIO_RECOVERED_FAILED)
		log_failure("recover", what->path, what->error, 0, what->id);
	else
		log_info("recovered '%s': %s (%s)", what->path,
			 verb[what->action], what->id);
}

static int load_policy(struct fs *fs, struct atio_error *err)
{
	const char *file = fs->opts->policy;
	int r;

	if (!file)
		r = policy_new_default(&fs->policy);
	else if (!strcmp(file, "none"))
		r = policy_new_none(&fs->policy);
	else
		return policy_load(file, &fs->policy, err);
	return r < 0 ? atio_fail(err, -r, "out of memory") : 0;
}

static int open_source(struct fs *fs, struct atio_error *err)
{
	const struct atio_store_options so = {
		.version = ATIO_STORE_OPTIONS_VERSION,
		.durable = fs->opts->durable,
		.quarantine_max_bytes = fs->opts->quarantine_max_bytes,
		.quarantine_max_age_s = fs->opts->quarantine_max_age_s,
	};
	struct stat st;
	int r;

	fs->src_fd = open(fs->opts->source, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fs->src_fd < 0)
		return atio_fail(err, errno, "cannot open '%s': %s",
				 fs->opts->source, strerror(errno));
	if (key_stat(fs->src_fd, "", &fs->root.key, &st) < 0)
		return atio_fail(err, EIO, "cannot stat '%s'",
				 fs->opts->source);
	fs->src_dev = st.st_dev;
	fs->quota = quota_active(fs->src_fd);
	r = atio_store_open(fs->src_fd, &so, &fs->store, err);
	if (r < 0)
		return r;
	r = atio_store_recover(fs->store, false, say_recovered, NULL, err);
	return r < 0 ? r : 0;
}

static int mount_it(struct fs *fs, struct atio_error *err)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	char *o = NULL, *name = NULL;
	int r = -ENOMEM;

	if (asprintf(&name, "fsname=%s", fs->opts->source) < 0)
		return -ENOMEM;
	if (fuse_opt_add_opt(&o, "default_permissions,subtype=atomicfs") ||
	    fuse_opt_add_opt_escaped(&o, name) ||
	    (fs->privileged && fuse_opt_add_opt(&o, "suid,dev")) ||
	    (fs->opts->allow_other && fuse_opt_add_opt(&o, "allow_other")) ||
	    (fs->opts->read_only && fuse_opt_add_opt(&o, "ro")) ||
	    (fs->opts->fuse_opts && *fs->opts->fuse_opts &&
	     fuse_opt_add_opt(&o, fs->opts->fuse_opts)) ||
	    fuse_opt_add_arg(&args, "atomicfs") ||
	    fuse_opt_add_arg(&args, "-o") || fuse_opt_add_arg(&args, o)) {
		(void)atio_fail(err, ENOMEM, "out of memory");
		goto out;
	}
	fs->se = fuse_session_new(&args, &ops, sizeof(ops), fs);
	r = -EINVAL;
	if (!fs->se) {
		(void)atio_fail(err, EINVAL,
				"libfuse takes no such options: "
				"%s",
				o);
	} else if (fuse_session_mount(fs->se, fs->opts->mountpoint)) {
		(void)atio_fail(err, EIO, "cannot mount at '%s'",
				fs->opts->mountpoint);
	} else {
		r = passthrough_prepare(fs);
		if (r < 0)
			(void)atio_fail(err, -r, "custom I/O");
	}
out:
	free(name);
	free(o);
	fuse_opt_free_args(&args);
	return r;
}

static bool can_see_pids(void)
{
	/* In the initial pid namespace every caller has a pid here. */
	char link[64];
	ssize_t n = readlink("/proc/self/ns/pid", link, sizeof(link) - 1);

	link[n < 0 ? 0 : n] = 0;
	return !strcmp(link, "pid:[4026531836]") || n <= 0;
}

static int set_up(struct fs *fs, struct atio_error *err)
{
	unsigned limit;
	int r;

	/* New files get the caller's mode as the caller's umask made it. */
	(void)umask(0);
	fs->privileged = creds_init();
	fs->pids_visible = can_see_pids();
	(void)clock_gettime(CLOCK_MONOTONIC, &fs->started);
	clock_cond_init(&fs->settled);
	limit = raise_descriptor_limit();
	fs->max_opened = limit / 2;
	if (node_table_init(&fs->nodes, limit / 16) < 0 ||
	    entry_table_init(fs) < 0 || locks_init(fs) < 0)
		return atio_fail(err, ENOMEM, "out of memory");
	r = load_policy(fs, err);
	if (!r)
		r = open_source(fs, err);
	if (!r)
		r = ctl_init(fs) < 0 ? atio_fail(err, ENOMEM, "out of memory")
				     : 0;
	if (!r)
		r = mount_it(fs, err);
	return r;
}

/* ---- end ------------------------------------------------------------- */

static void tear_down(struct fs *fs)
{
	guard_stop(fs);
	session_done(fs);
	locks_done(fs);
	if (fs->store) {
		fs_lock(fs);
		handles_free_all(fs);
		dirs_free_all(fs);
		ctl_done();
		opened_drop_all_idle(fs);
		fs_unlock(fs);
	}
	if (fs->se) {
		fuse_session_unmount(fs->se);
		fuse_session_destroy(fs->se);
	}
	node_table_done(fs);
	entry_table_done(fs);
	atio_store_free(fs->store);
	policy_free(fs->policy);
	if (fs->src_fd >= 0)
		close(fs->src_fd);
}

static int run(struct fs *fs, struct atio_error *err)
{
	pthread_t signals;
	bool asked;
	int r;

	r = session_start(fs);
	if (!r)
		r = guard_start(fs);
	if (!r)
		r = -pthread_create(&signals, NULL, signal_main, fs);
	if (r < 0)
		return atio_fail(err, -r, "cannot start threads");
	r = session_run(fs, ready);
	asked = session_was_stopped(fs);
	if (!asked)
		pthread_kill(signals, SIGUSR1);
	pthread_join(signals, NULL);
	fs_lock(fs);
	txn_settle_all(fs, !asked && !r);
	fs_unlock(fs);
	return r < 0 ? atio_fail(err, -r, "reading requests") : 0;
}

int main(int argc, char **argv)
{
	struct atio_error err = ATIO_ERROR_INIT;
	struct options opts;
	struct fs *fs = &the_fs;
	int r;

	r = options_parse(argc, argv, &opts, &err);
	if (r < 0) {
		fprintf(stderr, "atomicfs: %s\n", err.text);
		return EXIT_USAGE;
	}
	if (opts.show_help || opts.show_version) {
		if (opts.show_help)
			options_print_help();
		else
			printf("atomicfs %s (libfuse %s)\n", ATOMICFS_VERSION,
			       fuse_pkgversion());
		options_done(&opts);
		return EXIT_OK;
	}
	fs->opts = &opts;
	log_open(false, opts.debug);
	r = options_check(&opts, &err);
	if (!r)
		r = block_signals();
	if (!r)
		r = set_up(fs, &err);
	if (!r && !opts.foreground) {
		r = fuse_daemonize(0) ? -errno : 0;
		log_open(true, opts.debug);
	}
	if (!r)
		r = run(fs, &err);
	if (r < 0)
		log_failure("mount", opts.mountpoint ? opts.mountpoint : "", -r,
			    0, err.text);
	tear_down(fs);
	options_done(&opts);
	return r < 0 ? EXIT_FAILURE_RUN : EXIT_OK;
}
