/* SPDX-License-Identifier: MIT
 *
 * test_redo.c - files that are rewritten in place, for they have many names.
 */
#include <sys/wait.h>
#include <sys/xattr.h>

#include "scene.h"

static int dir;
static struct atio_store *store;

static void set_up(const char *text)
{
	dir = fresh_dir();
	store = store_at(dir);
	put(dir, "a", text);
	NEED(linkat(dir, "a", dir, "b", 0) == 0);
}

static void tear_down(void)
{
	CHECK(stage_empty(dir));
	CHECK_INT(recovered(store, true).n, 0);
	atio_store_free(store);
	close(dir);
}

static struct stat stat_at(const char *name)
{
	struct stat st;

	NEED(fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0);
	return st;
}

static struct atio_shadow *shadow_with(const char *text)
{
	struct atio_shadow *s = updated(store, dir, "a");

	NEED(ftruncate(atio_shadow_fd(s), (off_t)strlen(text)) == 0);
	write_to(atio_shadow_fd(s), text);
	CHECK_INT(atio_shadow_prepare(s, NULL), 0);
	return s;
}

static void check_redo(const char *from, const char *to)
{
	struct atio_error err = ATIO_ERROR_INIT;
	struct atio_shadow *s;
	int target;
	ino_t ino;

	set_up(from);
	ino = stat_at("a").st_ino;
	s = shadow_with(to);
	target = open_file(dir, "a");
	CHECK_STR(text_at(dir, "b"), from);
	CHECK_INT(atio_shadow_reserve(s, target, &err), 0);
	CHECK_STR(text_at(dir, "b"), from);
	CHECK_INT(stat_at("b").st_size, strlen(from));
	CHECK_INT(atio_shadow_redo(s, target, &err), 0);
	CHECK_STR(err.text, "");
	CHECK(!atio_store_is_unfinished(store, ino));
	atio_shadow_free(s);
	CHECK_STR(text_of(target), to);
	close(target);
	CHECK_STR(text_at(dir, "a"), to);
	CHECK_STR(text_at(dir, "b"), to);
	CHECK_INT(stat_at("b").st_ino, ino);
	CHECK_INT(stat_at("b").st_nlink, 2);
	tear_down();
}

static void test_sizes(void)
{
	static char big[40000];

	memset(big, 'x', sizeof(big) - 1);
	check_redo("old", "new");
	check_redo("short", "much longer than before");
	check_redo("much longer than after", "short");
	check_redo("something", "");
	check_redo("", "something");
	check_redo("small", big);
	check_redo(big, "small");
}

static void test_attributes(void)
{
	const struct timespec ts[2] = {{1000, 1}, {2000, 2}};
	struct atio_shadow *s;
	int target;

	set_up("old");
	target = open_file(dir, "a");
	NEED(fsetxattr(target, "user.old", "1", 1, 0) == 0);
	s = shadow_with("new");
	NEED(fremovexattr(atio_shadow_fd(s), "user.old") == 0);
	NEED(fsetxattr(atio_shadow_fd(s), "user.new", "1", 1, 0) == 0);
	NEED(fchmod(atio_shadow_fd(s), 0751) == 0);
	NEED(futimens(atio_shadow_fd(s), ts) == 0);
	CHECK_INT(atio_shadow_redo(s, target, NULL), 0);
	atio_shadow_free(s);
	CHECK_INT(fgetxattr(target, "user.new", NULL, 0), 1);
	CHECK(fgetxattr(target, "user.old", NULL, 0) < 0);
	CHECK_INT(stat_at("b").st_mode, S_IFREG | 0751);
	CHECK_INT(stat_at("b").st_mtim.tv_sec, 2000);
	CHECK_INT(stat_at("b").st_mtim.tv_nsec, 2);
	close(target);
	tear_down();
}

/* The old content does not show through the new one's holes. */
static void test_holes(void)
{
	struct atio_shadow *s;
	static char old[300000];
	int target;
	char c = 'x';

	memset(old, 'o', sizeof(old) - 1);
	set_up(old);
	target = open_file(dir, "a");
	s = updated(store, dir, "a");
	NEED(ftruncate(atio_shadow_fd(s), 0) == 0);
	NEED(ftruncate(atio_shadow_fd(s), 250000) == 0);
	NEED(pwrite(atio_shadow_fd(s), "mid", 3, 131072) == 3);
	CHECK_INT(atio_shadow_redo(s, target, NULL), 0);
	atio_shadow_free(s);
	CHECK_INT(stat_at("b").st_size, 250000);
	for (off_t at = 0; at < 250000; at += 1000) {
		NEED(pread(target, &c, 1, at) == 1);
		CHECK_INT(c, 0);
	}
	NEED(pread(target, old, 3, 131072) == 3);
	CHECK(!memcmp(old, "mid", 3));
	close(target);
	tear_down();
}

/* ---- failure in the middle ------------------------------------------- */

/* A redo that fails: the target is not open for writing. */
static void fail_redo(const char *text)
{
	struct atio_error err = ATIO_ERROR_INIT;
	struct atio_shadow *s = shadow_with(text);
	int target = openat(dir, "a", O_RDONLY | O_CLOEXEC);

	NEED(target >= 0);
	CHECK(atio_shadow_redo(s, target, &err) < 0);
	CHECK(err.code);
	CHECK_INT(atio_shadow_discard(s), -EBUSY);
	CHECK_INT(atio_shadow_quarantine(s,
					 &(struct atio_rollback){.reason = "x"},
					 NULL, NULL),
		  -EBUSY);
	atio_shadow_free(s);
	CHECK(atio_store_is_unfinished(store, stat_at("a").st_ino));
	CHECK(!atio_store_is_unfinished(store, stat_at("a").st_ino + 1));
	close(target);
}

static void make_journal_short(void)
{
	static char path[4096];
	struct atio_shadow *s;

	memset(path, 'p', sizeof(path) - 1);
	for (int i = 0; i < 1100; i++) { /* above either of its bounds */
		s = created(store, dir, path);
		CHECK_INT(atio_shadow_discard(s), 0);
		atio_shadow_free(s);
	}
}

static void test_recovery_finishes(void)
{
	struct findings f;

	set_up("old");
	fail_redo("new and longer");
	make_journal_short();
	store = store_again(store, dir);
	f = recovered(store, false);
	CHECK_INT(f.n, 1);
	CHECK_INT(f.at[0].action, ATIO_RECOVERED_REDONE);
	CHECK_STR(f.at[0].path, "a");
	CHECK_STR(text_at(dir, "a"), "new and longer");
	CHECK_STR(text_at(dir, "b"), "new and longer");
	CHECK(!atio_store_is_unfinished(store, stat_at("a").st_ino));
	tear_down();
}

static void test_later_redo_settles(void)
{
	struct atio_shadow *s;
	int target;

	set_up("old");
	fail_redo("first");
	fail_redo("second");
	s = shadow_with("third");
	target = open_file(dir, "a");
	CHECK_INT(atio_shadow_redo(s, target, NULL), 0);
	atio_shadow_free(s);
	close(target);
	CHECK(!atio_store_is_unfinished(store, stat_at("a").st_ino));
	CHECK(!store->live);
	store = store_again(store, dir);
	CHECK_INT(recovered(store, false).n, 0);
	CHECK_STR(text_at(dir, "b"), "third");
	tear_down();
}

/* Its target was replaced before the machine came up again: the name is
 * another file's now, which must stay as it is. */
static void test_target_is_another_file(void)
{
	struct findings f;

	set_up("old");
	fail_redo("new");
	atio_store_free(store);
	put(dir, "c", "somebody's");
	NEED(renameat(dir, "c", dir, "a") == 0);
	store = store_at(dir);
	f = recovered(store, false);
	CHECK_INT(f.n, 1);
	CHECK_INT(f.at[0].action, ATIO_RECOVERED_QUARANTINED);
	CHECK_STR(text_at(dir, "a"), "somebody's");
	tear_down();
}

int main(void)
{
	test_sizes();
	test_attributes();
	test_holes();
	test_recovery_finishes();
	test_later_redo_settles();
	test_target_is_another_file();
	return check_result();
}
