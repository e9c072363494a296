/* SPDX-License-Identifier: MIT
 *
 * test_options.c - the command line, word by word, and what a machine lacks.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FUSE_USE_VERSION 314
#include <fuse3/fuse_lowlevel.h>

#include "check.h"
#include "options.h"

#define ARGS_MAX 16
#define UNKNOWN  " (atomicfs --help lists all)"
#define USAGE    "; usage: atomicfs [-f] [-d] [-o OPTIONS] SOURCE MOUNTPOINT"

/* Parse the words of @line, separated by blanks; `_` is an empty one. */
static int parse(const char *line, struct options *opts, struct atio_error *err)
{
	char *argv[ARGS_MAX + 1] = {"atomicfs"}, *kept[ARGS_MAX + 1];
	char *copy = strdup(line), *at = copy;
	int argc = 1, r;

	NEED(copy);
	while (at && argc < ARGS_MAX) {
		char *word = strsep(&at, " ");

		argv[argc++] = strcmp(word, "_") == 0 ? word + 1 : word;
	}
	memcpy(kept, argv, sizeof(argv));
	r = options_parse(argc, argv, opts, err);
	CHECK(memcmp(kept, argv, sizeof(argv)) == 0);
	free(copy);
	return r;
}

static struct options parsed(const char *line)
{
	struct atio_error err = ATIO_ERROR_INIT;
	struct options opts;

	if (parse(line, &opts, &err) < 0)
		printf("'%s': %s\n", line, err.text);
	CHECK_INT(err.code, 0);
	return opts;
}

static void test_defaults(void)
{
	struct options opts = parsed("src mnt");

	CHECK_STR(opts.source, "src");
	CHECK_STR(opts.mountpoint, "mnt");
	CHECK(!opts.foreground && !opts.debug);
	CHECK_INT(opts.notify_fd, -1);
	CHECK(opts.durable);
	CHECK(!opts.conflict_last && !opts.kill_commits);
	CHECK(!opts.policy && !opts.fuse_opts);
	CHECK_INT(opts.passthrough, PASSTHROUGH_AUTO);
	CHECK(opts.entry_timeout_s == 1);
	CHECK(!opts.locks_strict && !opts.lock_timeout_ms);
	CHECK_INT(opts.quarantine_max_bytes, 0); /* the store decides */
	CHECK_INT(opts.quarantine_max_age_s, 30 * 86400);
	CHECK(!opts.read_only);
	CHECK(opts.allow_other); /* the test runs as root */
	CHECK(!opts.show_help && !opts.show_version);
	options_done(&opts);
	CHECK(!opts.source);
	options_done(&opts);
}

/* One option at a time: @field of what is parsed must be @should. */
#define FIELD(option, field, should)                                           \
	do {                                                                   \
		struct options opts_ = parsed("src mnt -o " option);           \
		CHECK(opts_.field == (should));                                \
		options_done(&opts_);                                          \
	} while (0)

static void test_own_options(void)
{
	FIELD("durability=full", durable, true);
	FIELD("durability=none", durable, false);
	FIELD("conflict=fail", conflict_last, false);
	FIELD("conflict=last", conflict_last, true);
	FIELD("on_kill=rollback", kill_commits, false);
	FIELD("on_kill=commit", kill_commits, true);
	FIELD("passthrough=off", passthrough, PASSTHROUGH_OFF);
	FIELD("passthrough=off,passthrough=auto", passthrough,
	      PASSTHROUGH_AUTO);
	FIELD("entry_timeout=0", entry_timeout_s, 0);
	FIELD("entry_timeout=0.25", entry_timeout_s, 0.25);
	FIELD("entry_timeout=1000000", entry_timeout_s, 1e6);
	FIELD("locks=strict", locks_strict, true);
	FIELD("locks=strict,locks=recursive", locks_strict, false);
	FIELD("lock_timeout=0", lock_timeout_ms, 0);
	FIELD("lock_timeout=1.5", lock_timeout_ms, 1500);
	FIELD("lock_timeout=0.0001", lock_timeout_ms, 1);
	FIELD("quarantine_size=1", quarantine_max_bytes, 1);
	FIELD("quarantine_size=3K", quarantine_max_bytes, 3 << 10);
	FIELD("quarantine_size=3M", quarantine_max_bytes, 3 << 20);
	FIELD("quarantine_size=3G", quarantine_max_bytes, 3ull << 30);
	FIELD("quarantine_size=3T", quarantine_max_bytes, 3ull << 40);
	FIELD("quarantine_age=7", quarantine_max_age_s, 7 * 86400);
	FIELD("notify-ready=3", notify_fd, 3);
	FIELD("ro", read_only, true);
	FIELD("ro,rw", read_only, false);
	FIELD("allow_other", allow_other, true);
	FIELD("allow_root", allow_other, false);
}

static void check_strings(const char *line, const char *policy,
			  const char *fuse_opts)
{
	struct options opts = parsed(line);

	CHECK_STR(opts.policy ? opts.policy : "", policy);
	CHECK_STR(opts.fuse_opts ? opts.fuse_opts : "", fuse_opts);
	CHECK_STR(opts.source, "s");
	CHECK_STR(opts.mountpoint, "m");
	options_done(&opts);
}

static void test_strings(void)
{
	check_strings("s m -o policy=none", "none", "");
	check_strings("s m -o policy=a,policy=b", "b", "");
	/* A comma in a value is escaped; libfuse takes its own escapes away. */
	check_strings("s m -o policy=a\\,b\\\\c,nosuid", "a,b\\c", "nosuid");
	check_strings("s m -o fsname=a\\,b,nodev", "", "fsname=a\\,b,nodev");
	check_strings("s m -o noexec -o nosuid", "", "noexec,nosuid");
	check_strings("-onodev s -o nosuid m", "", "nodev,nosuid");
	check_strings("-fo nodev s m", "", "nodev");
	check_strings("-o ,,nodev,, s m", "", "nodev");
	check_strings("s m -o _", "", "");
	/* What mount(8) and fstab(5) add. */
	check_strings(
		"s m -o rw,noauto,nofail,_netdev,user,user=joe,users,"
		"defaults,auto,relatime,x-systemd.automount,X-mount.mkdir",
		"", "");
	check_strings("s m -o rw,nosuid,nodev,noatime,context=a:b:c", "",
		      "nosuid,nodev,noatime,context=a:b:c");
}

static void test_forms(void)
{
	struct options opts = parsed("-f s m");

	CHECK(opts.foreground && !opts.debug);
	options_done(&opts);
	opts = parsed("s m -d");
	CHECK(opts.foreground && opts.debug);
	options_done(&opts);
	opts = parsed("-s s m");
	CHECK(!opts.foreground);
	options_done(&opts);
	opts = parsed("-- -f -o");
	CHECK(!opts.foreground);
	CHECK_STR(opts.source, "-f");
	CHECK_STR(opts.mountpoint, "-o");
	options_done(&opts);
	opts = parsed("--help");
	CHECK(opts.show_help && !opts.show_version);
	options_done(&opts);
	opts = parsed("-h s");
	CHECK(opts.show_help);
	options_done(&opts);
	opts = parsed("--version");
	CHECK(opts.show_version && !opts.show_help);
	options_done(&opts);
	opts = parsed("-V");
	CHECK(opts.show_version);
	options_done(&opts);
}

static void test_refusals(void)
{
	static const char *const table[][2] = {
		{"_", "an empty path" USAGE},
		{"-f", "no source given" USAGE},
		{"s", "no mountpoint given" USAGE},
		{"s m x", "unexpected 'x'" USAGE},
		{"s m -o", "-o needs options behind it"},
		{"s m -x", "unknown option '-x'" UNKNOWN},
		{"s m -fx", "unknown option '-x'" UNKNOWN},
		{"s m -", "unknown option '-'" UNKNOWN},
		{"s m --what", "unknown option '--what'" UNKNOWN},
		{"s m -o what", "unknown option 'what'" UNKNOWN},
		{"s m -o rw,what=5", "unknown option 'what=5'" UNKNOWN},
		{"s m -o nodevx", "unknown option 'nodevx'" UNKNOWN},
		{"s m -o fsname=", "unknown option 'fsname='" UNKNOWN},
		{"s m -o blkdev", "unknown option 'blkdev'" UNKNOWN},
		{"s m -o durability",
		 "option 'durability' needs a value: durability=..."},
		{"s m -o durability=", "durability=: the value must be none or "
				       "full"},
		{"s m -o durability=maybe",
		 "durability=maybe: the value must be none or full"},
		{"s m -o conflict=x", "conflict=x: the value must be fail or "
				      "last"},
		{"s m -o on_kill=x", "on_kill=x: the value must be rollback or "
				     "commit"},
		{"s m -o passthrough=on",
		 "passthrough=on: the value must be auto or off"},
		{"s m -o policy=", "policy=: the value must be a file, or "
				   "none"},
	};
	struct options opts;
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct atio_error err = ATIO_ERROR_INIT;

		CHECK_INT(parse(table[i][0], &opts, &err), -EINVAL);
		CHECK_INT(err.code, EINVAL);
		CHECK_STR(err.text, table[i][1]);
		CHECK(!opts.source); /* nothing left to free */
	}
}

/* Every number is read to its end, and has its bounds. */
static void test_bad_numbers(void)
{
	static const char *const values[] = {
		"entry_timeout=",
		"entry_timeout=x",
		"entry_timeout=1x",
		"entry_timeout=-1",
		"entry_timeout=nan",
		"entry_timeout=inf",
		"entry_timeout=0x10",
		"entry_timeout=1e3",
		"entry_timeout=1000001",
		"entry_timeout=1.2.3",
		"entry_timeout=.",
		"entry_timeout=+1",
		"lock_timeout=",
		"lock_timeout=-1",
		"lock_timeout=1e3",
		"locks=",
		"locks=off",
		"quarantine_size=",
		"quarantine_size=0",
		"quarantine_size=0G",
		"quarantine_size=-1",
		"quarantine_size=1KB",
		"quarantine_size=1k",
		"quarantine_size=1.5G",
		"quarantine_size=99999999999999999999",
		"quarantine_size=8388608T",
		"quarantine_age=",
		"quarantine_age=0",
		"quarantine_age=-1",
		"quarantine_age=1d",
		"quarantine_age=36501",
		"notify-ready=",
		"notify-ready=-1",
		"notify-ready=x",
		"notify-ready=2147483648",
	};
	struct options opts;
	char line[128], should[128];
	size_t i;

	for (i = 0; i < sizeof(values) / sizeof(*values); i++) {
		struct atio_error err = ATIO_ERROR_INIT;

		snprintf(line, sizeof(line), "s m -o %s", values[i]);
		snprintf(should, sizeof(should), "%s: the value must be ",
			 values[i]);
		CHECK_INT(parse(line, &opts, &err), -EINVAL);
		if (strncmp(err.text, should, strlen(should)) != 0)
			CHECK_STR(err.text, should);
	}
}

/* Whatever is handed on must be understood by this libfuse. */
static void test_libfuse_takes_them(void)
{
	static const struct fuse_lowlevel_ops ops;
	char list[] = "nosuid,nodev,noexec,suid,dev,exec,noatime,"
		      "sync,async,dirsync,default_permissions,fsname=a\\,b,"
		      "subtype=c,max_read=65536,context=d,fscontext=e,"
		      "defcontext=f,rootcontext=g,auto_unmount,allow_root";
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct fuse_session *se;
	char line[512];
	struct options opts;

	snprintf(line, sizeof(line), "s m -o %s", list);
	opts = parsed(line);
	CHECK_STR(opts.fuse_opts, list);
	NEED(fuse_opt_add_arg(&args, "test") == 0 &&
	     fuse_opt_add_arg(&args, "-o") == 0 &&
	     fuse_opt_add_arg(&args, opts.fuse_opts) == 0);
	se = fuse_session_new(&args, &ops, sizeof(ops), NULL);
	CHECK(se);
	if (se)
		fuse_session_destroy(se);
	fuse_opt_free_args(&args);
	options_done(&opts);
}

/* ---- options_check --------------------------------------------------- */

static void check_says(const char *line, int r_should, const char *should)
{
	struct atio_error err = ATIO_ERROR_INIT;
	struct options opts = parsed(line);

	CHECK_INT(options_check(&opts, &err), r_should);
	CHECK_STR(err.text, should);
	options_done(&opts);
}

static void test_paths(void)
{
	struct options opts;

	NEED(mkdir("src", 0755) == 0 && mkdir("src/in", 0755) == 0);
	NEED(mkdir("src2", 0755) == 0 && symlink("src", "link") == 0);
	close(open("plain", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	close(open("src2/full", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));

	check_says("src src2", 0, ""); /* not empty, and only alike */
	check_says("src2 src", 0, "");
	check_says("src link", 0, ""); /* over itself */
	opts = parsed("link/in/.. src2");
	CHECK_INT(options_check(&opts, NULL), 0);
	CHECK(opts.source[0] == '/');
	CHECK_STR(strrchr(opts.source, '/'), "/src");
	options_done(&opts);

	check_says("no src", -ENOENT,
		   "the source 'no' does not exist: give the directory whose "
		   "files are to be mounted");
	check_says("src no", -ENOENT,
		   "the mountpoint 'no' does not exist: make it (mkdir)");
	check_says("plain src", -ENOTDIR,
		   "the source 'plain' is not a directory");
	check_says("src plain", -ENOTDIR,
		   "the mountpoint 'plain' is not a directory");
	check_says("src plain/x", -ENOTDIR,
		   "the mountpoint 'plain/x': Not a directory");
	check_says("src2 src -o notify-ready=999", -EBADF,
		   "notify-ready=999: there is no such open descriptor");
	check_says("src2 src -o notify-ready=1", 0, "");
}

static void check_inside(const char *line, const char *format)
{
	struct atio_error err = ATIO_ERROR_INIT;
	struct options opts = parsed(line);

	CHECK_INT(options_check(&opts, &err), -EINVAL);
	CHECK(strstr(err.text, format) != NULL);
	options_done(&opts);
}

static void test_one_inside_the_other(void)
{
	check_inside("src src/in", "lies inside the source '");
	check_inside("src link/in", "lies inside the source '");
	check_inside("/ src", "lies inside the source '/'");
	check_inside("src/in src", "lies inside the mountpoint '");
	check_inside("src /", "lies inside the mountpoint '/'");
	check_says("/ /", 0, "");
}

/* Run @fn in a child with a mount namespace of its own. */
static void apart(void (*fn)(void))
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	NEED(pid >= 0);
	if (pid == 0) {
		check_failures = check_count = 0;
		NEED(unshare(CLONE_NEWNS) == 0);
		NEED(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
		fn();
		fflush(stdout);
		_exit(check_failures || !check_count);
	}
	NEED(waitpid(pid, &status, 0) == pid);
	CHECK_INT(status, 0);
}

static void without_device(void)
{
	NEED(mount("none", "/dev", "tmpfs", 0, NULL) == 0);
	check_says("src src2", -ENOENT,
		   "there is no /dev/fuse: load the fuse module (modprobe "
		   "fuse); in a container, start it with --device /dev/fuse");
}

static void with_closed_device(void)
{
	NEED(mount("none", "/dev", "tmpfs", MS_NODEV, NULL) == 0);
	NEED(mknod("/dev/fuse", S_IFCHR | 0666, 10 << 8 | 229) == 0);
	check_says("src src2", -EACCES,
		   "/dev/fuse cannot be opened (Permission denied): give this "
		   "user access to it; in a container, start it with --device "
		   "/dev/fuse");
}

static void with_old_kernel(void)
{
	struct atio_error err = ATIO_ERROR_INIT;
	struct options opts = parsed("src src2");

	/* uname(2) says 2.6.NN from now on. */
	NEED(personality(PER_LINUX | UNAME26) >= 0);
	CHECK_INT(options_check(&opts, &err), -EOPNOTSUPP);
	CHECK(strncmp(err.text, "this kernel (Linux 2.6.", 23) == 0);
	CHECK(strstr(err.text,
		     "is too old: atomicfs needs Linux 5.4 or newer"));
	options_done(&opts);
}

/* A /bin and /usr/bin without fusermount3, and a fuse.conf of ours. */
static void as_user(const char *conf, bool with_program)
{
	FILE *f;

	NEED(mount("none", "/usr/bin", "tmpfs", 0, NULL) == 0);
	NEED(mount("none", "/etc", "tmpfs", 0, NULL) == 0);
	if (with_program)
		close(open("/usr/bin/fusermount3",
			   O_CREAT | O_WRONLY | O_CLOEXEC, 0755));
	if (conf) {
		f = fopen("/etc/fuse.conf", "we");
		NEED(f && fputs(conf, f) >= 0 && fclose(f) == 0);
	}
	setenv("PATH", "/nonexistent:/tmp", 1);
	NEED(chmod("/dev/fuse", 0666) == 0 && chmod(".", 0755) == 0);
	NEED(setgid(65534) == 0 && setuid(65534) == 0);
}

static void without_fusermount(void)
{
	as_user(NULL, false);
	check_says(
		"src src2", -EPERM,
		"mounting needs root, or fusermount3: apt-get install fuse3");
}

static void with_fusermount(void)
{
	as_user("# user_allow_other\n user_allow_others\n", true);
	check_says("src src2", 0, "");
	check_says("src src2 -o allow_other", -EPERM,
		   "allow_other needs the line 'user_allow_other' in "
		   "/etc/fuse.conf, unless root mounts");
	check_says("src src2 -o allow_root", -EPERM,
		   "allow_root needs the line 'user_allow_other' in "
		   "/etc/fuse.conf, unless root mounts");
}

static void with_fuse_conf(void)
{
	as_user("mount_max = 10\nuser_allow_other\n", true);
	check_says("src src2 -o allow_other", 0, "");
	check_says("src src2 -o allow_root", 0, "");
}

static void test_help(void)
{
	static char text[8192];
	int ends[2], saved = dup(STDOUT_FILENO);
	ssize_t n;

	fflush(stdout);
	NEED(saved >= 0 && pipe2(ends, O_CLOEXEC) == 0);
	NEED(dup2(ends[1], STDOUT_FILENO) >= 0);
	options_print_help();
	fflush(stdout);
	NEED(dup2(saved, STDOUT_FILENO) >= 0);
	close(saved);
	close(ends[1]);
	n = read(ends[0], text, sizeof(text) - 1);
	close(ends[0]);
	CHECK(n > 0);
	CHECK(strstr(text,
		     "atomicfs [-f] [-d] [-o OPTIONS] SOURCE MOUNTPOINT"));
	CHECK(strstr(text, "durability=full|none") != NULL);
	CHECK(strstr(text, "notify-ready=FD") != NULL);
	CHECK(strstr(text, "quarantine_age=DAYS") != NULL);
}

int main(void)
{
	char dir[] = "/tmp/atomicfs-options-XXXXXX";
	int home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	NEED(home >= 0 && mkdtemp(dir));
	test_defaults();
	test_own_options();
	test_strings();
	test_forms();
	test_refusals();
	test_bad_numbers();
	test_libfuse_takes_them();
	test_help();

	NEED(fchdir(open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == 0);
	test_paths();
	test_one_inside_the_other();
	apart(without_device);
	apart(with_closed_device);
	apart(with_old_kernel);
	apart(without_fusermount);
	apart(with_fusermount);
	apart(with_fuse_conf);

	unlink("plain");
	unlink("link");
	unlink("src2/full");
	rmdir("src/in");
	rmdir("src");
	rmdir("src2");
	NEED(fchdir(home) == 0);
	CHECK_INT(rmdir(dir), 0);
	return check_result();
}
