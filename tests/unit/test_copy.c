/* SPDX-License-Identifier: MIT
 *
 * test_copy.c - content and attributes, from one file to another.
 */
#include <endian.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>

#include "scene.h"

#define CAPABILITY "security.capability"
#define ACL_ACCESS "system.posix_acl_access"
#define MIB        (1024ll * 1024)

static int dir;

static int file(const char *name)
{
	int fd =
		openat(dir, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	NEED(fd >= 0);
	return fd;
}

static void put_at(int fd, const char *text, off_t at)
{
	NEED(pwrite(fd, text, strlen(text), at) == (ssize_t)strlen(text));
}

static struct stat stat_of(int fd)
{
	struct stat st;

	NEED(fstat(fd, &st) == 0);
	return st;
}

/* ---- content --------------------------------------------------------- */

static bool same_bytes(int a, int b)
{
	static char x[65536], y[65536];
	off_t at = 0;
	ssize_t n;

	if (stat_of(a).st_size != stat_of(b).st_size)
		return false;
	while ((n = pread(a, x, sizeof(x), at)) > 0) {
		if (pread(b, y, sizeof(y), at) != n || memcmp(x, y, (size_t)n))
			return false;
		at += n;
	}
	return n == 0;
}

static void copy(int from, int to, bool clone)
{
	struct atio_error err = ATIO_ERROR_INIT;

	CHECK_INT(atio_copy_data(from, to, clone, &err), 0);
	CHECK_STR(err.text, "");
}

static void test_sizes(bool clone)
{
	static const off_t sizes[] = {0,    1,     4095,  4096,
				      4097, 65536, 65537, 1000003};
	int from = file("from"), to = file("to");

	for (size_t i = 0; i < LENGTH(sizes); i++) {
		for (off_t at = 0; at < sizes[i]; at += 1000)
			put_at(from, "x", at);
		NEED(ftruncate(from, sizes[i]) == 0);
		copy(from, to, clone); /* onto a shorter one */
		CHECK(same_bytes(from, to));
	}
	for (size_t i = LENGTH(sizes); i-- > 0;) {
		NEED(ftruncate(from, sizes[i]) == 0);
		copy(from, to, clone); /* onto a longer one */
		CHECK(same_bytes(from, to));
	}
	close(from);
	close(to);
}

/* Old content does not show through the holes of the new one. */
static void test_holes_hide_nothing(bool clone)
{
	int from = file("from"), to = file("to");

	for (off_t at = 0; at < 2 * MIB; at += 4096)
		put_at(to, "old", at);
	NEED(ftruncate(from, 3 * MIB) == 0);
	put_at(from, "in the middle", MIB);
	copy(from, to, clone);
	CHECK(same_bytes(from, to));
	NEED(ftruncate(from, 0) == 0);
	NEED(ftruncate(from, MIB) == 0);
	copy(from, to, clone);
	CHECK(same_bytes(from, to));
	close(from);
	close(to);
}

static bool has_holes(int fd)
{
	return lseek(fd, 0, SEEK_HOLE) < stat_of(fd).st_size;
}

static void test_holes_are_kept(void)
{
	int from = file("from"), to = file("to");

	NEED(ftruncate(from, 64 * MIB) == 0);
	put_at(from, "first", 0);
	put_at(from, "next", 10 * MIB + 5);
	put_at(from, "last", 64 * MIB - 4);
	if (!has_holes(from)) {
		skip("holes", "the file system has none");
	} else {
		copy(from, to, false);
		CHECK(has_holes(to));
		CHECK(stat_of(to).st_blocks <= stat_of(from).st_blocks + 64);
		CHECK(same_bytes(from, to));
	}
	close(from);
	close(to);
}

/* More than 2 GiB at once is more than one call of the kernel's takes. */
static void test_big(bool clone)
{
	const off_t big = 5000 * MIB;
	int from = file("from"), to = file("to");

	if (ftruncate(from, big) < 0 || !has_holes(from)) {
		skip("files above 2 GiB", "the file system cannot have them");
		close(from);
		close(to);
		return;
	}
	put_at(from, "first", 0);
	put_at(from, "above 2 GiB", 2048 * MIB - 3);
	put_at(from, "above 4 GiB", 4096 * MIB - 3);
	put_at(from, "last", big - 4);
	copy(from, to, clone);
	CHECK_INT(stat_of(to).st_size, big);
	for (off_t at = 0; at < big; at += 512 * MIB) {
		char a[64], b[64];
		off_t from_at = at ? at - 3 : 0;

		NEED(pread(from, a, sizeof(a), from_at) == sizeof(a));
		CHECK(pread(to, b, sizeof(b), from_at) == sizeof(b) &&
		      !memcmp(a, b, sizeof(a)));
	}
	NEED(ftruncate(from, 0) == 0 && ftruncate(to, 0) == 0);
	close(from);
	close(to);
}

static void test_contents(bool clone)
{
	test_sizes(clone);
	test_holes_hide_nothing(clone);
	test_big(clone);
}

static void test_unreadable(void)
{
	struct atio_error err = ATIO_ERROR_INIT;
	int from, to = file("to");

	put(dir, "from", "text");
	NEED((from = openat(dir, "from", O_WRONLY | O_CLOEXEC)) >= 0);
	CHECK(atio_copy_data(from, to, false, &err) < 0);
	CHECK(err.code);
	close(from);
	close(to);
}

/* ---- attributes ------------------------------------------------------ */

static void copy_meta(int from, int to)
{
	struct atio_error err = ATIO_ERROR_INIT;

	CHECK_INT(atio_copy_meta(from, to, &err), 0);
	CHECK_STR(err.text, "");
}

static void test_modes(void)
{
	static const mode_t modes[] = {0,     0444,  0600,  0777, 04755,
				       02711, 01666, 07777, 0644};
	int from = file("from"), to = file("to");

	for (size_t i = 0; i < LENGTH(modes); i++) {
		NEED(fchmod(from, modes[i]) == 0);
		if ((stat_of(from).st_mode & 07777) != modes[i])
			continue; /* not ours to give */
		copy_meta(from, to);
		CHECK_INT(stat_of(to).st_mode & 07777, modes[i]);
	}
	close(from);
	close(to);
}

static void test_owner(void)
{
	int from = file("from"), to = file("to");

	if (geteuid() != 0 || fchown(from, 1001, 1002) < 0) {
		skip("owners", "they take root");
	} else {
		NEED(fchmod(from, 06755) == 0);
		copy_meta(from, to);
		CHECK_INT(stat_of(to).st_uid, 1001);
		CHECK_INT(stat_of(to).st_gid, 1002);
		CHECK_INT(stat_of(to).st_mode & 07777, 06755);
		NEED(fchown(from, 1001, 1003) == 0);
		copy_meta(from, to);
		CHECK_INT(stat_of(to).st_gid, 1003);
	}
	close(from);
	close(to);
}

static bool has(int fd, const char *name, const void *value, size_t size)
{
	char is[8192];

	return fgetxattr(fd, name, is, sizeof(is)) == (ssize_t)size &&
	       !memcmp(is, value, size);
}

static bool lacks(int fd, const char *name)
{
	return fgetxattr(fd, name, NULL, 0) < 0 && errno == ENODATA;
}

static void test_attributes(void)
{
	char big[2000];
	int from = file("from"), to = file("to");

	memset(big, 'b', sizeof(big));
	NEED(fsetxattr(from, "user.empty", "", 0, 0) == 0);
	NEED(fsetxattr(from, "user.bytes", "\0\1\xff", 3, 0) == 0);
	NEED(fsetxattr(from, "user.big", big, sizeof(big), 0) == 0);
	NEED(fsetxattr(from, "user.both", "new", 3, 0) == 0);
	NEED(fsetxattr(to, "user.both", "old one", 7, 0) == 0);
	NEED(fsetxattr(to, "user.gone", "x", 1, 0) == 0);
	copy_meta(from, to);
	CHECK(has(to, "user.empty", "", 0));
	CHECK(has(to, "user.bytes", "\0\1\xff", 3));
	CHECK(has(to, "user.big", big, sizeof(big)));
	CHECK(has(to, "user.both", "new", 3));
	CHECK(lacks(to, "user.gone"));
	CHECK_INT(flistxattr(to, NULL, 0), flistxattr(from, NULL, 0));
	NEED(fremovexattr(from, "user.empty") == 0);
	NEED(fremovexattr(from, "user.bytes") == 0);
	NEED(fremovexattr(from, "user.big") == 0);
	NEED(fremovexattr(from, "user.both") == 0);
	copy_meta(from, to);
	CHECK_INT(flistxattr(to, NULL, 0), flistxattr(from, NULL, 0));
	close(from);
	close(to);
}

/* ---- access control lists -------------------------------------------- */

struct acl {
	uint32_t version;
	struct {
		uint16_t tag, perm;
		uint32_t id;
	} entry[5];
} __attribute__((packed));

static struct acl acl_for(uint32_t user)
{
	const uint32_t nobody = htole32(0xffffffffu);
	struct acl acl = {
		.version = htole32(2),
		.entry =
			{
				{htole16(0x01), htole16(6), nobody}, /* owner */
				{htole16(0x02), htole16(4), htole32(user)},
				{htole16(0x04), htole16(0), nobody}, /* group */
				{htole16(0x10), htole16(5), nobody}, /* mask */
				{htole16(0x20), htole16(0), nobody}, /* other */
			},
	};

	return acl;
}

static void test_acls(void)
{
	struct acl acl = acl_for(1005), other = acl_for(1006);
	int from = file("from"), to = file("to");

	if (fsetxattr(from, ACL_ACCESS, &acl, sizeof(acl), 0) < 0) {
		skip("access control lists", strerror(errno));
	} else {
		copy_meta(from, to);
		CHECK(has(to, ACL_ACCESS, &acl, sizeof(acl)));
		CHECK_INT(stat_of(to).st_mode & 07777, 0650);
		NEED(fsetxattr(to, ACL_ACCESS, &other, sizeof(other), 0) == 0);
		copy_meta(from, to);
		CHECK(has(to, ACL_ACCESS, &acl, sizeof(acl)));
		NEED(fremovexattr(from, ACL_ACCESS) == 0);
		NEED(fchmod(from, 0604) == 0);
		copy_meta(from, to);
		CHECK(lacks(to, ACL_ACCESS));
		CHECK_INT(stat_of(to).st_mode & 07777, 0604);
	}
	close(from);
	close(to);
}

/* ---- labels ---------------------------------------------------------- */

static void test_capabilities(void)
{
	struct vfs_cap_data caps = {
		.magic_etc = htole32(VFS_CAP_REVISION_2),
		.data[0].permitted = htole32(1u << CAP_NET_RAW),
	};
	const size_t size = XATTR_CAPS_SZ_2;
	int from = file("from"), to = file("to");

	if (fsetxattr(from, CAPABILITY, &caps, size, 0) < 0) {
		skip("capabilities of files", strerror(errno));
	} else {
		copy_meta(from, to);
		CHECK(has(to, CAPABILITY, &caps, size));
		NEED(fremovexattr(from, CAPABILITY) == 0);
		copy_meta(from, to);
		CHECK(lacks(to, CAPABILITY));
	}
	close(from);
	close(to);
}

static void test_privileged(const char *name)
{
	int from = file("from"), to = file("to");

	if (fsetxattr(from, name, "label", 5, 0) < 0) {
		skip(name, strerror(errno));
	} else {
		copy_meta(from, to);
		CHECK(has(to, name, "label", 5));
		NEED(fremovexattr(from, name) == 0);
		copy_meta(from, to);
		CHECK(lacks(to, name));
	}
	close(from);
	close(to);
}

/* ---- reflinks -------------------------------------------------------- */

static void test_update_is_a_clone(void)
{
	struct atio_store *store = store_at(dir);
	struct atio_shadow *s;

	CHECK(atio_store_can_clone(store));
	put(dir, "a", "text of a");
	s = updated(store, dir, "a");
	CHECK_STR(text_of(atio_shadow_fd(s)), "text of a");
	write_to(atio_shadow_fd(s), "TEXT");
	CHECK_STR(text_at(dir, "a"), "text of a");
	CHECK_INT(atio_shadow_commit(s, dir, "a", 0, NULL), 0);
	CHECK_STR(text_at(dir, "a"), "TEXT of a");
	atio_shadow_free(s);
	CHECK(stage_empty(dir));
	atio_store_free(store);
}

static void test_reflinks(void)
{
	int was = dir, xfs = own_mounts() ? mount_xfs() : -1;

	if (xfs < 0) {
		skip("reflinks", "no xfs can be mounted");
		return;
	}
	dir = xfs;
	test_contents(true);
	test_update_is_a_clone();
	test_holes_are_kept();
	test_attributes();
	test_acls();
	close(xfs);
	dir = was;
}

/* A file system that says no after all: the copy goes on by other means. */
static void test_clone_refused(void)
{
	int from = file("from"), to = file("to");

	put_at(from, "text", 0);
	put_at(to, "longer than that", 0);
	copy(from, to, true);
	CHECK_STR(text_of(to), "text");
	close(from);
	close(to);
}

int main(void)
{
	dir = fresh_dir();
	test_contents(false);
	test_holes_are_kept();
	test_unreadable();
	test_clone_refused();
	test_modes();
	test_owner();
	test_attributes();
	test_acls();
	test_capabilities();
	test_privileged("security.atomicfs_test");
	test_privileged("trusted.atomicfs_test");
	test_reflinks();
	close(dir);
	return check_result();
}
