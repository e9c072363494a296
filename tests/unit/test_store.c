/* SPDX-License-Identifier: MIT
 *
 * test_store.c - the state directory: made, opened, locked, refused.
 */
#include <sys/mount.h>
#include <sys/wait.h>

#include "scene.h"

static int open_with(int dir, const struct atio_store_options *opts,
		     struct atio_error *err)
{
	struct atio_store *store = NULL;
	int r;

	*err = (struct atio_error)ATIO_ERROR_INIT;
	r = atio_store_open(dir, opts, &store, err);
	CHECK_INT(err->code, -r);
	CHECK((r == 0) == (store != NULL));
	atio_store_free(store);
	return r;
}

static unsigned mode_of(int dir, const char *name)
{
	struct stat st;

	NEED(fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0);
	return st.st_mode & 0777;
}

static void test_makes_its_directory(void)
{
	int dir = fresh_dir();
	mode_t mask = umask(0);
	struct atio_store *store = store_at(dir);

	umask(mask);
	CHECK_INT(entries(dir, "."), 1);
	CHECK_INT(mode_of(dir, ATIO_STATE_DIR), 0700);
	CHECK_INT(mode_of(dir, STAGE), 0700);
	CHECK_INT(mode_of(dir, QUARANTINE), 0700);
	CHECK_INT(mode_of(dir, JOURNAL), 0600);
	CHECK_INT(mode_of(dir, ATIO_STATE_DIR "/lock"), 0600);
	CHECK_INT(mode_of(dir, ATIO_STATE_DIR "/version"), 0600);
	CHECK_STR(text_at(dir, ATIO_STATE_DIR "/version"), "1\n");
	CHECK(stage_empty(dir));
	CHECK_INT(entries(dir, QUARANTINE), 0);
	CHECK_INT(entries(atio_store_quarantine_fd(store), "."), 0);
	atio_store_free(store);
	close(dir);
}

static void test_opens_again(void)
{
	int before, dir = fresh_dir();
	struct atio_store *store = store_at(dir);
	int n = entries(dir, ATIO_STATE_DIR);

	put(dir, QUARANTINE "/0123", "kept");
	store = store_again(store, dir);
	atio_store_free(store);
	CHECK_INT(entries(dir, ATIO_STATE_DIR), n);
	CHECK_STR(text_at(dir, QUARANTINE "/0123"), "kept");
	before = open_fds();
	atio_store_free(store_at(dir));
	CHECK_INT(open_fds(), before);
	atio_store_free(NULL);
	close(dir);
}

static void test_options_of_another_version(void)
{
	struct atio_store_options opts = plain;
	struct atio_error err;
	int dir = fresh_dir();

	opts.version = ATIO_STORE_OPTIONS_VERSION + 1;
	CHECK_INT(open_with(dir, &opts, &err), -EINVAL);
	CHECK_INT(entries(dir, "."), 0);
	close(dir);
}

/* ---- the lock -------------------------------------------------------- */

static void open_in_use(void *arg)
{
	struct atio_error err;
	int dir = *(int *)arg;

	CHECK_INT(open_with(dir, &plain, &err), -EBUSY);
	CHECK(strstr(err.text, "in use"));
}

static void test_second_is_refused(void)
{
	struct atio_error err;
	int dir = fresh_dir(), n;
	struct atio_store *store = store_at(dir);

	n = entries(dir, ATIO_STATE_DIR);
	CHECK_INT(open_with(dir, &plain, &err), -EBUSY);
	CHECK_INT(in_child(open_in_use, &dir), 0);
	CHECK_INT(entries(dir, ATIO_STATE_DIR), n);
	CHECK(stage_empty(dir));
	CHECK_INT(open_with(dir, &looking, &err), 0);
	atio_store_free(store);
	CHECK_INT(open_with(dir, &plain, &err), 0);
	close(dir);
}

static void hold_and_die(void *arg)
{
	(void)store_at(*(int *)arg);
	(void)kill(getpid(), SIGKILL);
}

static void test_lock_dies_with_its_holder(void)
{
	struct atio_error err;
	int dir = fresh_dir(), status = in_child(hold_and_die, &dir);

	CHECK(WIFSIGNALED(status));
	CHECK_INT(open_with(dir, &plain, &err), 0);
	close(dir);
}

/* ---- looking --------------------------------------------------------- */

static void test_looking_makes_nothing(void)
{
	struct atio_error err;
	int dir = fresh_dir();

	CHECK_INT(open_with(dir, &looking, &err), -ENOENT);
	CHECK_INT(entries(dir, "."), 0);
	NEED(mkdirat(dir, ATIO_STATE_DIR, 0700) == 0);
	CHECK_INT(open_with(dir, &looking, &err), -ENOENT);
	CHECK_INT(entries(dir, ATIO_STATE_DIR), 0);
	close(dir);
}

static void test_looking_beside_its_owner(void)
{
	int dir = fresh_dir();
	struct atio_store *store = store_at(dir), *look = NULL;
	struct atio_shadow *s = written(store, dir, "a", "text");
	struct findings f;

	NEED(atio_store_open(dir, &looking, &look, NULL) == 0);
	f = recovered(look, true);
	CHECK_INT(f.n, 1);
	CHECK_STR(f.at[0].path, "a");
	CHECK(exists(dir, JOURNAL));
	atio_store_free(look);
	CHECK_INT(atio_shadow_commit(s, dir, "a", 0, NULL), 0);
	CHECK_STR(text_at(dir, "a"), "text");
	atio_shadow_free(s);
	atio_store_free(store);
	close(dir);
}

/* ---- refusals leave nothing ------------------------------------------ */

static void refused_version(const char *text, int should)
{
	struct atio_error err;
	int dir = fresh_dir();

	NEED(mkdirat(dir, ATIO_STATE_DIR, 0700) == 0);
	put(dir, ATIO_STATE_DIR "/version", text);
	CHECK_INT(open_with(dir, &plain, &err), should);
	CHECK_INT(open_with(dir, &looking, &err), should);
	if (should == -EPROTO)
		CHECK(strstr(err.text, "newer"));
	CHECK_INT(entries(dir, ATIO_STATE_DIR), 1);
	CHECK_STR(text_at(dir, ATIO_STATE_DIR "/version"), text);
	close(dir);
}

static void test_newer_versions(void)
{
	refused_version("2\n", -EPROTO);
	refused_version("10\n", -EPROTO);
	refused_version("1\n2", -EPROTO);
	refused_version("12345678901234567890123456789\n", -EPROTO);
	refused_version("\n", -EPROTO);
}

/* A crash right after the file was made leaves it empty. */
static void test_empty_version(void)
{
	struct atio_error err;
	int dir = fresh_dir();

	NEED(mkdirat(dir, ATIO_STATE_DIR, 0700) == 0);
	put(dir, ATIO_STATE_DIR "/version", "");
	CHECK_INT(open_with(dir, &plain, &err), 0);
	CHECK_STR(text_at(dir, ATIO_STATE_DIR "/version"), "1\n");
	close(dir);
}

static void test_links_are_not_followed(void)
{
	static const char *const names[] = {
		ATIO_STATE_DIR,
		STAGE,
		QUARANTINE,
		JOURNAL,
		ATIO_STATE_DIR "/lock",
		ATIO_STATE_DIR "/version",
		ATIO_STATE_DIR "/reserve",
	};

	for (size_t i = 0; i < LENGTH(names); i++) {
		int dir = fresh_dir(), elsewhere = fresh_dir();
		struct atio_error err;

		if (i) /* all that leads there */
			atio_store_free(store_at(dir));
		if (unlinkat(dir, names[i], 0) < 0)
			(void)unlinkat(dir, JOURNAL, 0);
		if (i)
			(void)unlinkat(dir, names[i], AT_REMOVEDIR);
		NEED(symlinkat(path_of(elsewhere), dir, names[i]) == 0);
		CHECK(open_with(dir, &plain, &err) < 0);
		CHECK_INT(entries(elsewhere, "."), 0);
		close(elsewhere);
		close(dir);
	}
}

static void test_something_in_the_way(void)
{
	struct atio_error err;
	int dir = fresh_dir();

	put(dir, ATIO_STATE_DIR, "a file");
	CHECK_INT(open_with(dir, &plain, &err), -ENOTDIR);
	CHECK_STR(text_at(dir, ATIO_STATE_DIR), "a file");
	close(dir);
	dir = fresh_dir();
	NEED(mkdirat(dir, ATIO_STATE_DIR, 0700) == 0);
	put(dir, QUARANTINE, "a file");
	CHECK_INT(open_with(dir, &plain, &err), -ENOTDIR);
	CHECK_INT(entries(dir, ATIO_STATE_DIR), 1);
	close(dir);
	dir = fresh_dir();
	NEED(mkdirat(dir, ATIO_STATE_DIR, 0700) == 0);
	NEED(mkdirat(dir, STAGE, 0700) == 0);
	NEED(mkdirat(dir, JOURNAL, 0700) == 0);
	CHECK_INT(open_with(dir, &plain, &err), -EISDIR);
	CHECK_INT(entries(dir, ATIO_STATE_DIR), 1);
	close(dir);
}

/* ---- other file systems ---------------------------------------------- */

static void test_no_attributes(void)
{
	int before, dir = mount_kind("ramfs", 0, NULL);
	struct atio_error err;

	if (dir < 0) {
		skip("no extended attributes", "ramfs cannot be mounted");
		return;
	}
	before = open_fds();
	CHECK_INT(open_with(dir, &plain, &err), -EOPNOTSUPP);
	CHECK(strstr(err.text, "extended attributes"));
	CHECK_INT(entries(dir, "."), 0);
	CHECK_INT(open_fds(), before);
	close(dir);
}

static void make_read_only(int dir)
{
	NEED(mount(NULL, path_of(dir), NULL, MS_REMOUNT | MS_RDONLY, NULL) ==
	     0);
}

static void test_read_only(void)
{
	struct atio_error err;
	int dir = mount_kind("tmpfs", 0, "size=1m");

	if (dir < 0) {
		skip("a read-only source", "tmpfs cannot be mounted");
		return;
	}
	make_read_only(dir);
	CHECK_INT(open_with(dir, &plain, &err), -EROFS);
	CHECK(strstr(err.text, "read-only"));
	CHECK_INT(entries(dir, "."), 0);
	close(dir);
}

static void test_read_only_later(void)
{
	int dir = mount_kind("tmpfs", 0, "size=1m");
	struct atio_store *store = NULL;
	struct atio_error err;

	if (dir < 0)
		return;
	if (atio_store_open(dir, &plain, &store, &err) == -EOPNOTSUPP) {
		skip("a store on tmpfs", "it has no extended attributes here");
		close(dir);
		return;
	}
	NEED(store);
	atio_store_free(store);
	make_read_only(dir);
	CHECK_INT(open_with(dir, &plain, &err), -EROFS);
	CHECK_INT(open_with(dir, &looking, &err), 0);
	close(dir);
}

static void test_no_room(void)
{
	int dir = mount_kind("tmpfs", 0, "size=4k,nr_inodes=5");
	struct atio_error err;

	if (dir < 0)
		return;
	CHECK(open_with(dir, &plain, &err) < 0);
	CHECK_INT(entries(dir, "."), 0);
	close(dir);
}

int main(void)
{
	test_makes_its_directory();
	test_opens_again();
	test_options_of_another_version();
	test_second_is_refused();
	test_lock_dies_with_its_holder();
	test_looking_makes_nothing();
	test_looking_beside_its_owner();
	test_newer_versions();
	test_empty_version();
	test_links_are_not_followed();
	test_something_in_the_way();
	if (own_mounts()) {
		test_no_attributes();
		test_read_only();
		test_read_only_later();
		test_no_room();
	} else {
		skip("other file systems", strerror(errno));
	}
	return check_result();
}
