/* SPDX-License-Identifier: MIT
 *
 * test_file_rights.c - lib/file by those who may not do everything.  Each case
 * runs in a child that gives up being root.
 */
#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "file_scene.h"

#define OWNER 20001
#define OTHER 20002
#define GROUP 30000

struct act {
	int dir;
	uid_t uid;
	void (*fn)(int dir);
};

static void become(void *arg)
{
	const struct act *act = arg;
	const gid_t group = GROUP;

	NEED(setgroups(1, &group) == 0);
	NEED(setresgid(act->uid, act->uid, act->uid) == 0);
	NEED(setresuid(act->uid, act->uid, act->uid) == 0);
	act->fn(act->dir);
}

static void as(uid_t uid, void (*fn)(int dir), int dir)
{
	struct act act = {dir, uid, fn};

	CHECK_INT(in_child(become, &act), 0);
}

/* With "a" in it; both OWNER's. */
static int place(mode_t dir_mode, mode_t file_mode)
{
	int dir = fresh_dir();

	NEED(fchmodat(dir, "..", 0711, 0) == 0);
	put(dir, "a", "old");
	NEED(fchownat(dir, "a", OWNER, GROUP, 0) == 0);
	NEED(fchmodat(dir, "a", file_mode, 0) == 0);
	NEED(fchown(dir, OWNER, GROUP) == 0);
	NEED(fchmod(dir, dir_mode) == 0);
	return dir;
}

static struct stat stat_at(int dir, const char *name)
{
	struct stat st;

	NEED(fstatat(dir, name, &st, 0) == 0);
	return st;
}

/* Nothing happened to "a", and nothing lies beside it. */
static void check_untouched(int dir, ino_t ino)
{
	CHECK_STR(text_at(dir, "a"), "old");
	CHECK(stat_at(dir, "a").st_ino == ino);
	CHECK_INT(entries(dir, "."), 1);
}

/* ---- only reading --------------------------------------------------------- */

static void only_read(int dir)
{
	struct atio_file *a = file_at(dir, "a", ATIO_TRY);

	CHECK_STR(read_text(a), "old");
	CHECK_INT(wrote(a, "new"), -EACCES);
	CHECK_INT(appended(a, "new"), -EACCES);
	/* To lock is not to write, as with flock(2). */
	CHECK_INT(atio_file_lock(a, NULL), 0);
	CHECK_STR(read_text(a), "old");
	CHECK_INT(atio_file_unlock(a), 0);
	atio_file_free(a);
}

static void test_only_read(void)
{
	static const mode_t modes[][2] = {
		{0755, 0644}, /* not his */
		{0711, 0644}, /* in a directory that he may not list */
		{0777, 0644}, /* not his, in a directory that is everybody's */
		{0755, 0666}, /* his to write, but there is no place for it */
	};

	for (size_t i = 0; i < LENGTH(modes); i++) {
		int dir = place(modes[i][0], modes[i][1]);
		ino_t ino = stat_at(dir, "a").st_ino;

		/* On a mount it is the daemon who puts it there. */
		if (!is_on_mount(dir) || !(modes[i][1] & 02)) {
			as(OTHER, only_read, dir);
			check_untouched(dir, ino);
		}
		close(dir);
	}
}

/* His own, and read-only: as everywhere. */
static void test_read_only_file(void)
{
	int dir = place(0755, 0444);
	ino_t ino = stat_at(dir, "a").st_ino;

	as(OWNER, only_read, dir);
	check_untouched(dir, ino);
	close(dir);
}

static void nothing_at_all(int dir)
{
	struct atio_file *a = file_at(dir, "a", ATIO_TRY);

	CHECK(!read_text(a) && errno == EACCES);
	CHECK_INT(wrote(a, "new"), -EACCES);
	CHECK_INT(atio_file_delete(a, NULL), -EACCES);
	CHECK_INT(atio_file_lock(a, NULL), -EACCES);
	atio_file_free(a);
}

static void test_nothing(void)
{
	int dir = place(0755, 0600);
	ino_t ino = stat_at(dir, "a").st_ino;

	as(OTHER, nothing_at_all, dir);
	check_untouched(dir, ino);
	NEED(fchmod(dir, 0700) == 0);
	as(OTHER, nothing_at_all, dir);
	check_untouched(dir, ino);
	close(dir);
}

static void delete_it(int dir)
{
	struct atio_file *a = file_at(dir, "a", ATIO_TRY);

	CHECK_INT(atio_file_delete(a, NULL), -EACCES);
	atio_file_free(a);
}

/* What may not even be opened cannot be locked, so it is not deleted either. */
static void test_delete_unlocked(void)
{
	int dir = place(0777, 0600);
	ino_t ino = stat_at(dir, "a").st_ino;

	as(OTHER, delete_it, dir);
	check_untouched(dir, ino);
	close(dir);
}

/* ---- writing -------------------------------------------------------------- */

static void write_some(int dir)
{
	struct atio_file *a = file_at(dir, "a", ATIO_TRY);
	struct atio_file *b = file_at(dir, "b", ATIO_TRY);

	CHECK_INT(wrote(a, "new"), 0);
	CHECK_INT(appended(a, ", more"), 0);
	CHECK_STR(read_text(a), "new, more");
	CHECK_INT(did(a, ATIO_TASK_APPEND, 1, "!", ATIO_TRY), 0);
	CHECK_INT(wrote(b, "other"), 0);
	CHECK_INT(wrote(b, "other one"), 0);
	CHECK_STR(read_text(b), "other one");
	CHECK_INT(atio_file_delete(b, NULL), 0);
	atio_file_free(a);
	atio_file_free(b);
}

/* A file that a group shares stays its owner's, so it stays the same inode. */
static void test_owner_stays(void)
{
	int dir = place(0775, 0664);
	ino_t ino = stat_at(dir, "a").st_ino;
	struct stat st;

	as(OTHER, write_some, dir);
	CHECK_STR(text_at(dir, "a"), "new, more!");
	st = stat_at(dir, "a");
	CHECK_INT(st.st_uid, OWNER);
	CHECK_INT(st.st_gid, GROUP);
	CHECK_INT(st.st_mode & 07777, 0664);
	CHECK(st.st_ino == ino || is_on_mount(dir));
	CHECK_INT(entries(dir, "."), 1);
	close(dir);
}

/* In a directory that its owner cannot list. */
static void test_write_without_listing(void)
{
	int dir = place(0300, 0600);

	as(OWNER, write_some, dir);
	CHECK_STR(text_at(dir, "a"), "new, more!");
	CHECK_INT(stat_at(dir, "a").st_uid, OWNER);
	CHECK_INT(entries(dir, "."), 1);
	close(dir);
}

/* What he may write, but not read. */
static void write_blindly(int dir)
{
	struct atio_file *a = file_at(dir, "a", ATIO_TRY);

	CHECK(!read_text(a) && errno == EACCES);
	CHECK_INT(appended(a, "new"), -EACCES);
	CHECK_INT(wrote(a, "new"), 0);
	atio_file_free(a);
}

static void test_write_only(void)
{
	int dir = place(0755, 0200);

	if (is_on_mount(dir)) {
		skip(__func__, "on a mount one may append to it");
	} else {
		as(OWNER, write_blindly, dir);
		CHECK_STR(text_at(dir, "a"), "new");
		CHECK_INT(stat_at(dir, "a").st_mode & 07777, 0200);
	}
	close(dir);
}

int main(void)
{
	if (getuid() != 0) {
		skip("everything", "needs root");
		return SKIPPED;
	}
	test_only_read();
	test_read_only_file();
	test_nothing();
	test_delete_unlocked();
	test_owner_stays();
	test_write_without_listing();
	test_write_only();
	return check_result();
}
