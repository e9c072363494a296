/* SPDX-License-Identifier: MIT
 *
 * test_shadow.c - the life of one working copy.
 */
#include <sys/xattr.h>

#include "scene.h"

static int dir;
static struct atio_store *store;

static void set_up(void)
{
	dir = fresh_dir();
	store = store_at(dir);
}

static void tear_down(void)
{
	CHECK(stage_empty(dir));
	atio_store_free(store);
	close(dir);
}

static struct stat stat_of(int fd)
{
	struct stat st;

	NEED(fstat(fd, &st) == 0);
	return st;
}

static struct stat stat_at(const char *name)
{
	struct stat st;

	NEED(fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0);
	return st;
}

static void commit(struct atio_shadow *s, const char *name)
{
	CHECK_INT(atio_shadow_prepare(s, NULL), 0);
	CHECK_INT(atio_shadow_commit(s, dir, name, 0, NULL), 0);
	atio_shadow_free(s);
}

/* ---- making ---------------------------------------------------------- */

static void test_create(void)
{
	struct atio_shadow *s;
	struct stat st;

	set_up();
	s = created(store, dir, "a");
	CHECK_INT(entries(dir, STAGE), 2);
	CHECK_INT(entries(dir, "."), 1); /* nobody sees it */
	write_to(atio_shadow_fd(s), "new");
	st = stat_of(atio_shadow_fd(s));
	CHECK_INT(st.st_mode, S_IFREG | 0644);
	CHECK_INT(st.st_nlink, 1);
	CHECK_INT(fcntl(atio_shadow_fd(s), F_GETFL) & O_ACCMODE, O_RDWR);
	CHECK(fcntl(atio_shadow_fd(s), F_GETFD) & FD_CLOEXEC);
	commit(s, "a");
	CHECK_STR(text_at(dir, "a"), "new");
	CHECK_INT(stat_at("a").st_ino, st.st_ino);
	tear_down();
}

static void test_create_in_a_setgid_directory(void)
{
	struct atio_shadow *s;
	int sub;

	if (geteuid() != 0)
		return;
	set_up();
	NEED(mkdirat(dir, "sub", 0755) == 0);
	NEED(fchownat(dir, "sub", (uid_t)-1, 4321, 0) == 0);
	NEED(fchmodat(dir, "sub", 02755, 0) == 0);
	NEED((sub = openat(dir, "sub", O_RDONLY | O_DIRECTORY)) >= 0);
	s = created(store, sub, "sub/a");
	CHECK_INT(stat_of(atio_shadow_fd(s)).st_gid, 4321);
	CHECK_INT(atio_shadow_discard(s), 0);
	atio_shadow_free(s);
	CHECK_INT(entries(dir, "sub"), 0);
	close(sub);
	tear_down();
}

static void test_create_nowhere(void)
{
	const struct atio_origin origin = {"gone/a", 1, 1};
	struct atio_error err = ATIO_ERROR_INIT;
	struct atio_shadow *s = NULL;
	int sub, r;

	set_up();
	NEED(mkdirat(dir, "gone", 0755) == 0);
	NEED((sub = openat(dir, "gone", O_RDONLY | O_DIRECTORY)) >= 0);
	NEED(unlinkat(dir, "gone", AT_REMOVEDIR) == 0);
	r = atio_shadow_create(store, sub, 0644, &origin, &s, &err);
	CHECK(r < 0);
	CHECK_INT(err.code, -r);
	CHECK(!s);
	close(sub);
	tear_down();
}

static void test_replace(void)
{
	const struct atio_origin origin = {"a", 1, 1};
	struct atio_shadow *s = NULL;
	int base;

	set_up();
	put(dir, "a", "old");
	NEED(fchmodat(dir, "a", 0751, 0) == 0);
	base = open_file(dir, "a");
	NEED(fsetxattr(base, "user.one", "1", 1, 0) == 0);
	NEED(atio_shadow_replace(store, base, &origin, &s, NULL) == 0);
	CHECK_INT(stat_of(atio_shadow_fd(s)).st_size, 0);
	CHECK_INT(stat_of(atio_shadow_fd(s)).st_mode, S_IFREG | 0751);
	CHECK_INT(fgetxattr(atio_shadow_fd(s), "user.one", NULL, 0), 1);
	CHECK_STR(text_at(dir, "a"), "old");
	write_to(atio_shadow_fd(s), "n");
	commit(s, "a");
	CHECK_STR(text_at(dir, "a"), "n");
	CHECK_STR(text_of(base), "old"); /* who has it open keeps it */
	close(base);
	tear_down();
}

static void test_update(void)
{
	const struct timespec old[2] = {{1000, 5}, {2000, 7}};
	struct atio_shadow *s;
	struct stat st;

	set_up();
	put(dir, "a", "old text");
	NEED(utimensat(dir, "a", old, 0) == 0);
	s = updated(store, dir, "a");
	st = stat_of(atio_shadow_fd(s));
	CHECK_INT(st.st_mtim.tv_sec, 2000);
	CHECK_INT(st.st_mtim.tv_nsec, 7);
	CHECK_STR(text_of(atio_shadow_fd(s)), "old text");
	write_to(atio_shadow_fd(s), "new");
	CHECK_STR(text_at(dir, "a"), "old text");
	commit(s, "a");
	CHECK_STR(text_at(dir, "a"), "new text");
	tear_down();
}

/* A base that cannot be copied, here for it is no file. */
static void test_update_of_a_directory(void)
{
	const struct atio_origin origin = {"a", 1, 1};
	struct atio_error err = ATIO_ERROR_INIT;
	struct atio_shadow *s = NULL;
	int before, r;

	set_up();
	before = open_fds();
	r = atio_shadow_update(store, dir, &origin, &s, &err);
	CHECK(r < 0);
	CHECK_INT(err.code, -r);
	CHECK(!s);
	CHECK_INT(open_fds(), before);
	tear_down();
}

static void test_snapshot(void)
{
	struct atio_shadow *s, *snap = NULL;

	set_up();
	s = written(store, dir, "a", "first");
	NEED(fchmod(atio_shadow_fd(s), 0640) == 0);
	NEED(atio_shadow_snapshot(s, &snap, NULL) == 0);
	CHECK(atio_shadow_id(snap) != atio_shadow_id(s));
	CHECK_INT(entries(dir, STAGE), 3);
	write_to(atio_shadow_fd(s), "later");
	CHECK_STR(text_of(atio_shadow_fd(snap)), "first");
	commit(snap, "a");
	CHECK_STR(text_at(dir, "a"), "first");
	CHECK_INT(stat_at("a").st_mode, S_IFREG | 0640);
	commit(s, "a");
	CHECK_STR(text_at(dir, "a"), "later");
	tear_down();
}

static void test_ids(void)
{
	struct atio_shadow *s;
	uint64_t last = 0;

	set_up();
	for (int i = 0; i < 100; i++) {
		s = created(store, dir, "a");
		CHECK(atio_shadow_id(s) > last);
		last = atio_shadow_id(s);
		CHECK_INT(atio_shadow_discard(s), 0);
		CHECK_INT(atio_shadow_id(s), last);
		atio_shadow_free(s);
	}
	tear_down();
}

/* A number that is taken is passed over. */
static void test_clash(void)
{
	char name[ID_MAX];
	struct atio_shadow *s;

	set_up();
	put(dir, "a", "base");
	atio_id_name(store->next_id + 1, name);
	put(store->stage_fd, name, "somebody's");
	s = created(store, dir, "a");
	CHECK_STR(text_at(store->stage_fd, name), "somebody's");
	CHECK_INT(atio_shadow_discard(s), 0);
	atio_shadow_free(s);
	store->next_id--;
	NEED(renameat(store->stage_fd, name, dir, "name") == 0);
	atio_id_name(store->next_id + 1, name);
	NEED(renameat(dir, "name", store->stage_fd, name) == 0);
	s = updated(store, dir, "a");
	CHECK_STR(text_at(store->stage_fd, name), "somebody's");
	CHECK_INT(atio_shadow_discard(s), 0);
	atio_shadow_free(s);
	NEED(unlinkat(store->stage_fd, name, 0) == 0);
	tear_down();
}

/* ---- looking --------------------------------------------------------- */

static void check_changes(struct atio_shadow *s)
{
	const struct timespec old[2] = {{1000, 0}, {1000, 0}};

	NEED(futimens(atio_shadow_fd(s), old) == 0);
	CHECK_INT(atio_shadow_mark_clean(s), 0);
	CHECK_INT(atio_shadow_changed(s), 0);
	CHECK_STR(text_of(atio_shadow_fd(s)), "text"); /* reading is none */
	CHECK_INT(atio_shadow_changed(s), 0);
	write_to(atio_shadow_fd(s), "TEXT");
	CHECK_INT(atio_shadow_changed(s), 1);
	NEED(futimens(atio_shadow_fd(s), old) == 0);
	CHECK_INT(atio_shadow_mark_clean(s), 0);
	NEED(ftruncate(atio_shadow_fd(s), 3) == 0);
	NEED(futimens(atio_shadow_fd(s), old) == 0);
	CHECK_INT(atio_shadow_changed(s), 1); /* by its size alone */
	NEED(ftruncate(atio_shadow_fd(s), 4) == 0);
	NEED(futimens(atio_shadow_fd(s), old) == 0);
	CHECK_INT(atio_shadow_mark_clean(s), 0);
	atio_shadow_set_changed(s);
	CHECK_INT(atio_shadow_changed(s), 1);
	CHECK_INT(atio_shadow_mark_clean(s), 0);
	CHECK_INT(atio_shadow_changed(s), 0);
}

static void test_changed(bool fine_times)
{
	struct atio_shadow *s;

	set_up();
	if (!store->fine_times && fine_times)
		skip("changes by ctime", "time stamps are coarse here");
	store->fine_times &= fine_times;
	s = written(store, dir, "a", "text");
	check_changes(s);
	CHECK_INT(atio_shadow_discard(s), 0);
	atio_shadow_free(s);
	tear_down();
}

static void touch(struct atio_shadow *s, int64_t ago_ns)
{
	struct timespec ts[2];

	NEED(clock_gettime(CLOCK_REALTIME, &ts[1]) == 0);
	ts[1].tv_sec -= ago_ns / 1000000000;
	ts[0] = ts[1];
	NEED(futimens(atio_shadow_fd(s), ts) == 0);
}

/* Where one tick can hide a write, what is young counts as changed.  The
 * times here are far from the 20 ms on either side: in an hour, and an hour
 * ago. */
static void test_young_is_changed(void)
{
	const int64_t hour = 3600ll * 1000000000;
	struct atio_shadow *s;

	set_up();
	s = written(store, dir, "a", "text");
	store->fine_times = false;
	touch(s, -hour);
	CHECK_INT(atio_shadow_mark_clean(s), 0);
	CHECK_INT(atio_shadow_changed(s), 1);
	touch(s, hour);
	CHECK_INT(atio_shadow_mark_clean(s), 0);
	CHECK_INT(atio_shadow_changed(s), 0);
	store->fine_times = true;
	touch(s, -hour);
	CHECK_INT(atio_shadow_mark_clean(s), 0);
	CHECK_INT(atio_shadow_changed(s), 0);
	NEED(fchmod(atio_shadow_fd(s), 0600) == 0); /* ctime alone */
	touch(s, -hour);
	CHECK_INT(atio_shadow_changed(s), 1);
	CHECK_INT(atio_shadow_discard(s), 0);
	atio_shadow_free(s);
	tear_down();
}

/* ---- attributes ------------------------------------------------------ */

static void test_copy_meta_again(void)
{
	struct atio_shadow *s;
	int base;

	set_up();
	put(dir, "a", "old");
	s = updated(store, dir, "a");
	write_to(atio_shadow_fd(s), "new");
	base = open_file(dir, "a");
	NEED(fchmod(base, 0600) == 0);
	NEED(fsetxattr(base, "user.late", "yes", 3, 0) == 0);
	CHECK_INT(atio_shadow_copy_meta(s, base, NULL), 0);
	close(base);
	commit(s, "a");
	CHECK_STR(text_at(dir, "a"), "new");
	CHECK_INT(stat_at("a").st_mode, S_IFREG | 0600);
	base = open_file(dir, "a");
	CHECK_INT(fgetxattr(base, "user.late", NULL, 0), 3);
	close(base);
	tear_down();
}

/* ---- flushing -------------------------------------------------------- */

static void test_poison(void)
{
	struct atio_error err = ATIO_ERROR_INIT;
	struct atio_shadow *s;
	int target;

	set_up();
	put(dir, "a", "old");
	s = updated(store, dir, "a");
	write_to(atio_shadow_fd(s), "new");
	s->poison = EIO;
	CHECK_INT(atio_shadow_prepare(s, &err), -EIO);
	CHECK_INT(err.code, EIO);
	CHECK_INT(atio_shadow_sync(s, NULL), -EIO);
	CHECK_INT(atio_shadow_commit(s, dir, "a", 0, NULL), -EIO);
	target = open_file(dir, "a");
	CHECK_INT(atio_shadow_redo(s, target, NULL), -EIO);
	close(target);
	CHECK_STR(text_at(dir, "a"), "old");
	CHECK_INT(recovered(store, true).at[0].action,
		  ATIO_RECOVERED_QUARANTINED);
	CHECK_INT(atio_shadow_discard(s), 0);
	atio_shadow_free(s);
	tear_down();
}

static void test_sync(void)
{
	struct atio_shadow *s;
	struct findings f;

	set_up();
	s = written(store, dir, "a", "text");
	CHECK_INT(atio_shadow_sync(s, NULL), 0);
	CHECK(!exists(dir, "a"));
	f = recovered(store, true);
	CHECK_INT(f.n, 1);
	CHECK_INT(f.at[0].action, ATIO_RECOVERED_PUBLISHED);
	CHECK_STR(f.at[0].path, "a");
	write_to(atio_shadow_fd(s), "more text");
	commit(s, "a");
	CHECK_STR(text_at(dir, "a"), "more text");
	CHECK_INT(recovered(store, true).n, 0);
	tear_down();
}

/* ---- ends ------------------------------------------------------------ */

static void test_noreplace(void)
{
	struct atio_error err = ATIO_ERROR_INIT;
	struct atio_shadow *s;

	set_up();
	put(dir, "a", "first");
	s = written(store, dir, "a", "second");
	CHECK_INT(atio_shadow_commit(s, dir, "a", ATIO_COMMIT_NOREPLACE, &err),
		  -EEXIST);
	CHECK_INT(err.code, EEXIST);
	CHECK_STR(text_at(dir, "a"), "first");
	CHECK_INT(atio_shadow_commit(s, dir, "b", ATIO_COMMIT_NOREPLACE, NULL),
		  0);
	CHECK_STR(text_at(dir, "b"), "second");
	atio_shadow_free(s);
	tear_down();
}

/* After a failure everything is as before: it can be tried again. */
static void test_commit_fails(void)
{
	struct atio_shadow *s;

	set_up();
	NEED(mkdirat(dir, "a", 0755) == 0);
	s = written(store, dir, "a", "text");
	CHECK_INT(atio_shadow_commit(s, dir, "a", 0, NULL), -EISDIR);
	CHECK_INT(atio_shadow_commit(s, dir, "no/a", 0, NULL), -ENOENT);
	write_to(atio_shadow_fd(s), "text and more");
	NEED(unlinkat(dir, "a", AT_REMOVEDIR) == 0);
	commit(s, "a");
	CHECK_STR(text_at(dir, "a"), "text and more");
	tear_down();
}

static void test_commit_into_another_directory(void)
{
	struct atio_shadow *s;
	int sub;

	set_up();
	NEED(mkdirat(dir, "sub", 0755) == 0);
	NEED((sub = openat(dir, "sub", O_RDONLY | O_DIRECTORY)) >= 0);
	s = written(store, dir, "a", "text");
	CHECK_INT(atio_shadow_commit(s, sub, "b", 0, NULL), 0);
	atio_shadow_free(s);
	CHECK_STR(text_at(dir, "sub/b"), "text");
	CHECK_INT(atio_dir_sync(store, sub), 0);
	close(sub);
	tear_down();
}

static void test_take_fd(void)
{
	struct atio_shadow *s;
	int fd, before;

	set_up();
	before = open_fds();
	s = written(store, dir, "a", "text");
	CHECK_INT(atio_shadow_commit(s, dir, "a", 0, NULL), 0);
	fd = atio_shadow_fd(s);
	CHECK_INT(atio_shadow_take_fd(s), fd);
	CHECK_INT(atio_shadow_fd(s), -1);
	atio_shadow_free(s);
	CHECK_STR(text_of(fd), "text");
	CHECK_INT(stat_of(fd).st_ino, stat_at("a").st_ino);
	close(fd);
	CHECK_INT(open_fds(), before);
	tear_down();
}

static void test_discard(void)
{
	struct atio_shadow *s;
	int before;

	set_up();
	before = open_fds();
	s = written(store, dir, "a", "text");
	CHECK_INT(atio_shadow_discard(s), 0);
	CHECK(stage_empty(dir));
	CHECK_INT(atio_shadow_discard(s), 0);
	atio_shadow_free(s);
	atio_shadow_free(NULL);
	CHECK_INT(open_fds(), before);
	CHECK_INT(entries(dir, "."), 1);
	CHECK_INT(entries(dir, QUARANTINE), 0);
	tear_down();
}

/* What a failing disk or a meddling hand takes away is reported once. */
static void test_discard_what_is_gone(void)
{
	struct atio_shadow *s;
	char name[ID_MAX];

	set_up();
	s = created(store, dir, "a");
	atio_id_name(atio_shadow_id(s), name);
	NEED(unlinkat(store->stage_fd, name, 0) == 0);
	CHECK_INT(atio_shadow_discard(s), -ENOENT);
	CHECK_INT(atio_shadow_discard(s), 0);
	atio_shadow_free(s);
	tear_down();
}

static void test_freed_is_left_for_recovery(void)
{
	struct findings f;

	set_up();
	atio_shadow_free(written(store, dir, "a", "text"));
	CHECK_INT(entries(dir, STAGE), 2);
	store = store_again(store, dir);
	f = recovered(store, false);
	CHECK_INT(f.n, 1);
	CHECK_INT(f.at[0].action, ATIO_RECOVERED_QUARANTINED);
	tear_down();
}

static void test_set_path(void)
{
	struct atio_shadow *s;
	struct findings f;

	set_up();
	s = written(store, dir, "a", "text");
	CHECK_INT(atio_shadow_set_path(s, "sub/b", NULL), 0);
	f = recovered(store, true);
	CHECK_STR(f.at[0].path, "sub/b");
	CHECK_INT(atio_shadow_set_path(s, "c", NULL), 0);
	CHECK_INT(atio_shadow_sync(s, NULL), 0);
	CHECK_INT(atio_shadow_set_path(s, "d", NULL), 0);
	atio_shadow_free(s);
	store = store_again(store, dir);
	f = recovered(store, false);
	CHECK_INT(f.n, 1);
	CHECK_STR(f.at[0].path, "d");
	CHECK_STR(text_at(dir, "d"), "text");
	CHECK(!exists(dir, "c"));
	tear_down();
}

static void test_list_of_live_ones(void)
{
	struct atio_shadow *s[4];

	set_up();
	for (size_t i = 0; i < LENGTH(s); i++)
		s[i] = created(store, dir, "a");
	atio_shadow_free(s[1]); /* in the middle, without an end */
	CHECK_INT(atio_shadow_discard(s[2]), 0);
	CHECK_INT(atio_shadow_discard(s[0]), 0); /* the last of the list */
	CHECK_INT(atio_shadow_discard(s[3]), 0); /* the first */
	CHECK(!store->live);
	atio_shadow_free(s[0]);
	atio_shadow_free(s[2]);
	atio_shadow_free(s[3]);
	CHECK(!store->live);
	CHECK_INT(recovered(store, false).n, 1);
	tear_down();
}

int main(void)
{
	test_create();
	test_create_in_a_setgid_directory();
	test_create_nowhere();
	test_replace();
	test_update();
	test_update_of_a_directory();
	test_snapshot();
	test_ids();
	test_clash();
	test_changed(true);
	test_changed(false);
	test_young_is_changed();
	test_copy_meta_again();
	test_poison();
	test_sync();
	test_noreplace();
	test_commit_fails();
	test_commit_into_another_directory();
	test_take_fd();
	test_discard();
	test_discard_what_is_gone();
	test_freed_is_left_for_recovery();
	test_set_path();
	test_list_of_live_ones();
	return check_result();
}
