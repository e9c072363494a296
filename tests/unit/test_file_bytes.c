/* SPDX-License-Identifier: MIT
 *
 * test_file_bytes.c - what is read and written, and what stays as it was.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include "file_scene.h"

static mode_t mode_at(int dir, const char *name)
{
	struct stat st;

	NEED(fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0);
	return st.st_mode;
}

static ino_t ino_at(int dir, const char *name)
{
	struct stat st;

	NEED(fstatat(dir, name, &st, 0) == 0);
	return st.st_ino;
}

/* ---- what is written is read ------------------------------------------- */

static void test_round(void)
{
	int dir = fresh_dir();
	struct atio_file *file = file_at(dir, "a", ATIO_WAIT);
	char *bytes;
	size_t len;

	CHECK(!read_text(file) && errno == ENOENT);
	CHECK_INT(wrote(file, "one"), 0);
	CHECK_STR(text_at(dir, "a"), "one");
	CHECK_STR(read_text(file), "one");
	CHECK_INT(wrote(file, ""), 0);
	CHECK_STR(read_text(file), "");
	CHECK_INT(appended(file, "x"), 0);
	CHECK_INT(appended(file, "yz"), 0);
	CHECK_STR(read_text(file), "xyz");
	CHECK_INT(atio_file_write_bytes(file, "a\0b", 3, NULL), 0);
	CHECK_INT(atio_file_read_bytes(file, &bytes, &len, NULL), 0);
	CHECK(len == 3 && !memcmp(bytes, "a\0b", 4));
	free(bytes);
	CHECK_INT(atio_file_delete(file, NULL), 0);
	CHECK(!exists(dir, "a"));
	CHECK_INT(atio_file_delete(file, NULL), -ENOENT);
	CHECK_INT(appended(file, "new"), 0);
	CHECK_STR(text_at(dir, "a"), "new");
	CHECK_INT(entries(dir, "."), 1);
	atio_file_free(file);
	close(dir);
}

static void check_value(struct atio_file *file, const char *value)
{
	struct atio_doc *doc = NULL;

	CHECK_INT(atio_file_read(file, &doc, NULL), 0);
	if (doc)
		CHECK_STR(atio_node_text(atio_doc_root(doc), NULL), value);
	atio_doc_free(doc);
}

/* What is appended belongs to what is compressed. */
static void test_append_under_gzip(void)
{
	int dir = fresh_dir();
	struct atio_file *file = file_at(dir, "a.txt.gz", ATIO_WAIT);
	struct atio_task_request request = {
		.version = ATIO_TASK_REQUEST_VERSION,
		.kind = ATIO_TASK_APPEND,
		.owner = 1,
		.bytes = "raw",
		.len = 3,
		.flags = ATIO_TASK_AS_BYTES,
		.timeout_ms = ATIO_WAIT,
	};
	struct atio_task *task = NULL;
	struct atio_doc *doc;

	CHECK_INT(appended(file, ""), 0);
	CHECK_STR(read_text(file), "");
	CHECK_INT(appended(file, "one"), 0);
	check_value(file, "one");
	CHECK_INT(appended(file, " two"), 0);
	CHECK_INT(appended(file, ""), 0);
	CHECK_INT(did(file, ATIO_TASK_APPEND, 1, " three", ATIO_WAIT), 0);
	check_value(file, "one two three");
	CHECK_INT(atio_task_begin(file, &request, &task, NULL), 0);
	CHECK_INT(finished(task), 0);
	atio_task_free(task);
	CHECK_INT(atio_file_read(file, &doc, NULL), -EINVAL);
	CHECK_INT(entries(dir, "."), 1);
	atio_file_free(file);
	close(dir);
}

static void test_large(void)
{
	const size_t size = (12 << 20) + 7;
	int dir = fresh_dir();
	struct atio_file *file = file_at(dir, "a", ATIO_WAIT);
	char *large = malloc(size), *bytes;
	size_t len;

	NEED(large);
	for (size_t i = 0; i < size; i++)
		large[i] = (char)(i * 31 >> 3);
	CHECK_INT(atio_file_write_bytes(file, large, size, NULL), 0);
	CHECK_INT(atio_file_append(file, "end", 3, NULL), 0);
	CHECK_INT(atio_file_read_bytes(file, &bytes, &len, NULL), 0);
	CHECK(len == size + 3 && !memcmp(bytes, large, size) &&
	      !memcmp(bytes + size, "end", 3));
	free(bytes);
	free(large);
	atio_file_free(file);
	close(dir);
}

/* ---- what is kept ------------------------------------------------------- */

static void test_new_mode(void)
{
	int dir = fresh_dir();
	struct atio_file *file = file_at(dir, "a", ATIO_WAIT);
	mode_t old = umask(027);

	CHECK_INT(wrote(file, "x"), 0);
	(void)umask(old);
	CHECK_INT(mode_at(dir, "a"), S_IFREG | 0640);
	CHECK_INT(wrote(file, "y"), 0); /* not by the umask of now */
	CHECK_INT(mode_at(dir, "a"), S_IFREG | 0640);
	atio_file_free(file);
	close(dir);
}

static void test_setgid_directory(void)
{
	int dir = fresh_dir();
	struct atio_file *file = file_at(dir, "a", ATIO_WAIT);
	struct stat st;

	if (getuid() != 0) {
		skip(__func__, "needs root");
	} else {
		NEED(fchown(dir, 0, 1234) == 0 && fchmod(dir, 02755) == 0);
		CHECK_INT(wrote(file, "x"), 0);
		NEED(fstatat(dir, "a", &st, 0) == 0);
		CHECK_INT(st.st_gid, 1234);
	}
	atio_file_free(file);
	close(dir);
}

/* Two entries beyond the base: user 1000 and the mask. */
static const unsigned char acl[] = {
	2, 0, 0, 0,				      /* version */
	1, 0, 6, 0, 0xff, 0xff, 0xff, 0xff,	      /* user::rw- */
	2, 0, 4, 0, 0xe8, 3, 0, 0,		      /* user:1000:r-- */
	4, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,	      /* group::--- */
	0x10, 0, 4, 0, 0xff, 0xff, 0xff, 0xff,	      /* mask::r-- */
	0x20, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,	      /* other::--- */
};

static void check_kept(int dir, uid_t uid, bool has_acl)
{
	unsigned char got[sizeof(acl) + 1];
	const char *path = at(dir, "a");
	struct stat st;
	char value[16];

	NEED(stat(path, &st) == 0);
	CHECK_INT(st.st_mode & 07777, 0640);
	CHECK_INT(st.st_uid, uid);
	CHECK_INT(st.st_gid, uid ? uid + 1 : getgid());
	CHECK(getxattr(path, "user.colour", value, sizeof(value)) == 4 &&
	      !memcmp(value, "blue", 4));
	if (has_acl)
		CHECK(getxattr(path, "system.posix_acl_access", got,
			       sizeof(got)) == sizeof(acl) &&
		      !memcmp(got, acl, sizeof(acl)));
}

static void test_attributes(void)
{
	int dir = fresh_dir();
	struct atio_file *file = file_at(dir, "a", ATIO_WAIT);
	uid_t uid = getuid() ? getuid() : 4321;
	const char *path = at(dir, "a");
	bool has_acl;

	put(dir, "a", "x");
	NEED(getuid() || chown(path, uid, uid + 1) == 0);
	if (getuid())
		uid = 0; /* cannot be told apart */
	NEED(chmod(path, 0640) == 0);
	NEED(setxattr(path, "user.colour", "blue", 4, 0) == 0);
	has_acl = setxattr(path, "system.posix_acl_access", acl, sizeof(acl),
			   0) == 0;
	if (!has_acl)
		skip("ACLs", "not on this file system");
	CHECK_INT(wrote(file, "y"), 0);
	check_kept(dir, uid, has_acl);
	CHECK_INT(appended(file, "z"), 0);
	check_kept(dir, uid, has_acl);
	CHECK_STR(text_at(dir, "a"), "yz");
	/* The same where the inode has to stay. */
	NEED(link(path, at(dir, "b")) == 0);
	CHECK_INT(wrote(file, "longer than before"), 0);
	check_kept(dir, uid, has_acl);
	CHECK_STR(text_at(dir, "b"), "longer than before");
	CHECK_INT(entries(dir, "."), 2);
	atio_file_free(file);
	close(dir);
}

static void test_hard_links(void)
{
	int dir = fresh_dir(), other = fresh_dir();
	struct atio_file *a = file_at(dir, "a", ATIO_WAIT);
	struct atio_file *b = file_at(other, "b", ATIO_WAIT);
	ino_t ino;

	put(dir, "a", "one, which is long");
	NEED(linkat(dir, "a", other, "b", 0) == 0);
	ino = ino_at(dir, "a");
	CHECK_INT(wrote(a, "two"), 0);
	CHECK_STR(text_at(other, "b"), "two");
	CHECK_INT(appended(b, ", three"), 0);
	CHECK_STR(read_text(a), "two, three");
	CHECK_INT(wrote(b, ""), 0);
	CHECK_STR(read_text(a), "");
	CHECK(ino_at(dir, "a") == ino && ino_at(other, "b") == ino);
	/* With one name left it is replaced again. */
	NEED(unlinkat(other, "b", 0) == 0);
	CHECK_INT(wrote(a, "four"), 0);
	CHECK(ino_at(dir, "a") != ino);
	CHECK(entries(dir, ".") == 1 && entries(other, ".") == 0);
	atio_file_free(a);
	atio_file_free(b);
	close(dir);
	close(other);
}

static void test_links(void)
{
	int dir = fresh_dir(), other = fresh_dir();
	struct atio_file *file = file_at(dir, "link", ATIO_WAIT);
	struct atio_file *chain = file_at(dir, "chain", ATIO_WAIT);
	struct atio_file *loop = file_at(dir, "loop", ATIO_WAIT);

	NEED(symlinkat(at(other, "target"), dir, "link") == 0);
	NEED(symlinkat("link", dir, "chain") == 0);
	NEED(symlinkat("loop", dir, "loop") == 0);
	CHECK(!read_text(file) && errno == ENOENT);
	CHECK_INT(wrote(file, "made"), 0); /* where it points to */
	CHECK_STR(text_at(other, "target"), "made");
	CHECK_INT(wrote(chain, "again"), 0);
	CHECK_STR(text_at(other, "target"), "again");
	CHECK(S_ISLNK(mode_at(dir, "link")) && S_ISLNK(mode_at(dir, "chain")));
	CHECK_INT(wrote(loop, "x"), -ELOOP);
	/* What is deleted is the link. */
	CHECK_INT(atio_file_delete(chain, NULL), 0);
	CHECK(!exists(dir, "chain"));
	CHECK_STR(read_text(file), "again");
	CHECK(entries(dir, ".") == 2 && entries(other, ".") == 1);
	atio_file_free(file);
	atio_file_free(chain);
	atio_file_free(loop);
	close(dir);
	close(other);
}

/* ---- names and kinds ----------------------------------------------------- */

static void test_names(void)
{
	static const char *const names[] = {
		"with a space", " ", "-n", ".hidden", "new\nline", "%s%n",
		"\xff\xfe", "\xc3\xa4",
	};
	int dir = fresh_dir();
	char longest[256], too_long[257];
	struct atio_file *file;

	for (size_t i = 0; i < LENGTH(names); i++) {
		file = file_at(dir, names[i], ATIO_WAIT);
		CHECK_INT(wrote(file, "x"), 0);
		CHECK_INT(wrote(file, names[i]), 0);
		CHECK_STR(read_text(file), names[i]);
		atio_file_free(file);
	}
	memset(longest, 'n', 255);
	longest[255] = '\0';
	file = file_at(dir, longest, ATIO_WAIT);
	CHECK_INT(wrote(file, "x"), 0);
	CHECK_INT(appended(file, "y"), 0);
	CHECK_STR(read_text(file), "xy");
	NEED(linkat(dir, longest, dir, "b", 0) == 0);
	CHECK_INT(appended(file, "z"), 0);
	CHECK_STR(text_at(dir, "b"), "xyz");
	atio_file_free(file);
	memset(too_long, 'n', 256);
	too_long[256] = '\0';
	file = file_at(dir, too_long, ATIO_WAIT);
	CHECK_INT(wrote(file, "x"), -ENAMETOOLONG);
	atio_file_free(file);
	CHECK_INT(entries(dir, "."), LENGTH(names) + 2);
	close(dir);
}

static void check_refused(const char *path, int read_as, int write_as)
{
	struct atio_file *file = file_of(path, ATIO_WAIT);
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;

	CHECK(!read_text(file));
	CHECK_INT(errno, read_as);
	CHECK_INT(atio_file_write_bytes(file, "x", 1, &err), -write_as);
	CHECK(err.error.code == write_as && err.error.text[0]);
	CHECK_INT(appended(file, "x"), -write_as);
	atio_file_free(file);
}

static void test_kinds(void)
{
	int dir = fresh_dir(), s = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char path[4096];

	NEED(mkdirat(dir, "d", 0755) == 0);
	NEED(mkfifoat(dir, "fifo", 0644) == 0);
	check_refused(at(dir, "d"), EISDIR, EISDIR);
	check_refused(at(dir, "d/"), EISDIR, EISDIR);
	check_refused(at(dir, "d/."), EISDIR, EISDIR);
	check_refused(at(dir, "d/.."), EISDIR, EISDIR);
	check_refused("/", EISDIR, EISDIR);
	check_refused(at(dir, "fifo"), EINVAL, EINVAL);
	check_refused("/dev/null", EINVAL, EINVAL);
	check_refused(at(dir, "missing/a"), ENOENT, ENOENT);
	put(dir, "plain", "x");
	check_refused(at(dir, "plain/a"), ENOTDIR, ENOTDIR);
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	check_refused(path, ENAMETOOLONG, ENAMETOOLONG);
	if ((size_t)snprintf(address.sun_path, sizeof(address.sun_path), "%s",
			     at(dir, "s")) < sizeof(address.sun_path) &&
	    s >= 0 && bind(s, (void *)&address, sizeof(address)) == 0)
		check_refused(at(dir, "s"), EINVAL, EINVAL);
	close(s);
	close(dir);
}

static void test_options(void)
{
	struct atio_file_options options = {.version = 99};
	struct atio_file *file = NULL;

	CHECK_INT(atio_file_new("", NULL, &file, NULL), -EINVAL);
	CHECK_INT(atio_file_new("x", &options, &file, NULL), -EINVAL);
	options.version = ATIO_FILE_OPTIONS_VERSION;
	options.timeout_ms = -2;
	CHECK_INT(atio_file_new("x", &options, &file, NULL), -EINVAL);
	CHECK(!file);
	CHECK_INT(atio_file_new("x", NULL, &file, NULL), 0);
	CHECK_STR(atio_file_path(file), "x");
	CHECK_INT(atio_file_lock_within(file, -7, NULL), -EINVAL);
	CHECK_INT(atio_file_unlock(file), -EPERM);
	atio_file_free(file);
	atio_file_free(NULL);
}

int main(void)
{
	test_round();
	test_append_under_gzip();
	test_large();
	test_new_mode();
	test_setgid_directory();
	test_attributes();
	test_hard_links();
	test_links();
	test_names();
	test_kinds();
	test_options();
	return check_result();
}
