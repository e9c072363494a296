/* SPDX-License-Identifier: MIT */
#include "scene.h"

#include <dirent.h>
#include <ftw.h>
#include <limits.h>
#include <linux/loop.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#define TEXT_MAX (1 << 16)

const struct atio_store_options plain = {
	.version = ATIO_STORE_OPTIONS_VERSION,
};
const struct atio_store_options lasting = {
	.version = ATIO_STORE_OPTIONS_VERSION,
	.durable = true,
};
const struct atio_store_options looking = {
	.version = ATIO_STORE_OPTIONS_VERSION,
	.no_lock = true,
};

static char root[PATH_MAX];
static pid_t root_owner;
static unsigned n_dirs;
static char mounted[8][PATH_MAX];
static size_t n_mounted;

void skip(const char *what, const char *why)
{
	printf("left out: %s: %s\n", what, why);
}

/* ---- the temporary directory ----------------------------------------- */

static int remove_one(const char *path, const struct stat *st, int kind,
		      struct FTW *ftw)
{
	return remove(path);
}

static void remove_root(void)
{
	if (getpid() != root_owner)
		return;
	while (n_mounted)
		(void)umount2(mounted[--n_mounted], MNT_DETACH);
	(void)nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* A store needs user.* attributes, which not every /tmp has. */
static bool make_root(const char *above)
{
	if (!above || strlen(above) > PATH_MAX - 256)
		return false;
	(void)snprintf(root, sizeof(root), "%s/atomicfs-unit.XXXXXX", above);
	if (!mkdtemp(root))
		return false;
	if (setxattr(root, "user.atomicfs", "1", 1, 0) == 0)
		return true;
	(void)rmdir(root);
	return false;
}

static void need_root(void)
{
	char here[PATH_MAX];

	if (root_owner)
		return;
	NEED(getcwd(here, sizeof(here)));
	if (!make_root(getenv("TMPDIR")) && !make_root("/tmp") &&
	    !make_root("/var/tmp") && !make_root(here)) {
		skip("everything", "no directory with extended attributes");
		exit(SKIPPED);
	}
	root_owner = getpid();
	NEED(atexit(remove_root) == 0);
}

static void fresh_name(char *buf, size_t size)
{
	need_root();
	NEED((size_t)snprintf(buf, size, "%s/%u", root, ++n_dirs) < size);
}

int fresh_dir(void)
{
	char name[PATH_MAX];
	int fd;

	fresh_name(name, sizeof(name));
	NEED(mkdir(name, 0755) == 0);
	NEED((fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0);
	return fd;
}

const char *path_of(int fd)
{
	static _Thread_local char path[PATH_MAX];
	char proc[32];
	ssize_t n;

	(void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	NEED((n = readlink(proc, path, sizeof(path) - 1)) > 0);
	path[n] = '\0';
	return path;
}

/* ---- files ----------------------------------------------------------- */

void put_bytes(int dirfd, const char *name, const void *bytes, size_t size)
{
	int fd = openat(dirfd, name,
			O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
			0644);

	NEED(fd >= 0);
	NEED(write(fd, bytes, size) == (ssize_t)size);
	close(fd);
}

void put(int dirfd, const char *name, const char *text)
{
	put_bytes(dirfd, name, text, strlen(text));
}

const char *text_of(int fd)
{
	static _Thread_local char text[TEXT_MAX];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	NEED(n >= 0);
	text[n] = '\0';
	return text;
}

const char *text_at(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	const char *text;

	if (fd < 0)
		return NULL;
	text = text_of(fd);
	close(fd);
	return text;
}

void write_to(int fd, const char *text)
{
	NEED(pwrite(fd, text, strlen(text), 0) == (ssize_t)strlen(text));
}

static int count_entries(DIR *dir)
{
	int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

int entries(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir;

	if (fd < 0)
		return -1;
	NEED((dir = fdopendir(fd)));
	return count_entries(dir);
}

bool exists(int dirfd, const char *name)
{
	struct stat st;

	return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

int open_file(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	NEED(fd >= 0);
	return fd;
}

int open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");

	NEED(dir);
	return count_entries(dir) - 1;
}

/* ---- stores and shadows ---------------------------------------------- */

struct atio_store *store_at(int dirfd)
{
	struct atio_error err = ATIO_ERROR_INIT;
	struct atio_store *store = NULL;

	(void)atio_store_open(dirfd, &plain, &store, &err);
	if (!store)
		printf("open a store: %s\n", err.text);
	NEED(store);
	return store;
}

struct atio_store *store_again(struct atio_store *store, int dirfd)
{
	atio_store_free(store);
	return store_at(dirfd);
}

struct atio_shadow *created(struct atio_store *store, int dirfd,
			    const char *path)
{
	const struct atio_origin origin = {path, 1234, 5678};
	struct atio_error err = ATIO_ERROR_INIT;
	struct atio_shadow *s = NULL;

	(void)atio_shadow_create(store, dirfd, 0644, &origin, &s, &err);
	if (!s)
		printf("make a shadow: %s\n", err.text);
	NEED(s);
	return s;
}

struct atio_shadow *updated(struct atio_store *store, int dirfd,
			    const char *path)
{
	const struct atio_origin origin = {path, 1234, 5678};
	struct atio_error err = ATIO_ERROR_INIT;
	int base = open_file(dirfd, path);
	struct atio_shadow *s = NULL;

	(void)atio_shadow_update(store, base, &origin, &s, &err);
	if (!s)
		printf("make a shadow: %s\n", err.text);
	NEED(s);
	close(base);
	return s;
}

struct atio_shadow *written(struct atio_store *store, int dirfd,
			    const char *path, const char *text)
{
	struct atio_shadow *s = created(store, dirfd, path);

	write_to(atio_shadow_fd(s), text);
	return s;
}

bool stage_empty(int dirfd)
{
	return entries(dirfd, STAGE) == 1 && exists(dirfd, JOURNAL);
}

/* ---- recovery -------------------------------------------------------- */

static void note(const struct atio_recovered *what, void *arg)
{
	struct findings *f = arg;
	struct found *at = &f->at[f->n];

	NEED(f->n < (int)LENGTH(f->at));
	at->action = what->action;
	at->error = what->error;
	(void)snprintf(at->path, sizeof(at->path), "%s", what->path);
	(void)snprintf(at->id, sizeof(at->id), "%s", what->id);
	f->n++;
}

struct findings recovered(struct atio_store *store, bool dry_run)
{
	struct atio_error err = ATIO_ERROR_INIT;
	struct findings f = {.n = 0};
	int r = atio_store_recover(store, dry_run, note, &f, &err);

	if (r < 0)
		printf("recover: %s\n", err.text);
	NEED(r == f.n);
	return f;
}

/* ---- processes ------------------------------------------------------- */

int in_child(void (*fn)(void *arg), void *arg)
{
	pid_t pid;
	int status;

	NEED(fflush(stdout) == 0);
	NEED((pid = fork()) >= 0);
	if (!pid) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		check_failures = 0;
		fn(arg);
		(void)fflush(stdout);
		_exit(check_failures != 0);
	}
	NEED(waitpid(pid, &status, 0) == pid);
	return status;
}

/* ---- file systems ---------------------------------------------------- */

bool own_mounts(void)
{
	return unshare(CLONE_NEWNS) == 0 &&
	       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static int mount_from(const char *device, const char *kind, unsigned long flags,
		      const char *options)
{
	char name[PATH_MAX];

	NEED(n_mounted < LENGTH(mounted));
	fresh_name(name, sizeof(name));
	NEED(mkdir(name, 0755) == 0);
	if (mount(device, name, kind, flags, options) < 0)
		return -1;
	(void)snprintf(mounted[n_mounted++], PATH_MAX, "%s", name);
	return open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int mount_kind(const char *kind, unsigned long flags, const char *options)
{
	return mount_from("none", kind, flags, options);
}

static bool run(char *const argv[])
{
	pid_t pid;
	int status;

	NEED((pid = fork()) >= 0);
	if (!pid) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		execvp(argv[0], argv);
		_exit(127);
	}
	NEED(waitpid(pid, &status, 0) == pid);
	return status == 0;
}

/* A loop device over @image that is let go of with its last user. */
static int loop_device(int image, char *name, size_t size)
{
	struct loop_config config = {
		.fd = (unsigned)image,
		.info.lo_flags = LO_FLAGS_AUTOCLEAR,
	};
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);

	if (control < 0)
		return -1;
	for (int i = 0; i < 16; i++) { /* others take them too */
		int n = ioctl(control, LOOP_CTL_GET_FREE), fd;

		(void)snprintf(name, size, "/dev/loop%d", n);
		fd = n < 0 ? -1 : open(name, O_RDWR | O_CLOEXEC);
		if (fd >= 0 && ioctl(fd, LOOP_CONFIGURE, &config) == 0) {
			close(control);
			return fd;
		}
		if (fd >= 0)
			close(fd);
	}
	close(control);
	return -1;
}

int mount_xfs(void)
{
	char image[PATH_MAX], device[32];
	char *mkfs[] = {"mkfs.xfs", "-q", "-m", "reflink=1", image, NULL};
	int fd, loop, dir = -1;

	fresh_name(image, sizeof(image));
	fd = open(image, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	NEED(fd >= 0);
	NEED(ftruncate(fd, 400ll << 20) == 0);
	loop = run(mkfs) ? loop_device(fd, device, sizeof(device)) : -1;
	if (loop >= 0) {
		dir = mount_from(device, "xfs", 0, NULL);
		close(loop);
	}
	close(fd);
	return dir;
}
