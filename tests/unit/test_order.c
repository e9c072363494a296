/* SPDX-License-Identifier: MIT
 *
 * test_order.c - what is flushed, and before what.
 *
 * The calls that matter for that are wrapped by the linker and written down as
 * words, so that a test reads as the order that is promised.
 */
#include <limits.h>

#include "scene.h"

static int dir;
static struct atio_store *store;
static char events[4096];
static const char *watched; /* its content is written down too */
static const char *fail_on; /* an event that fails ... */
static int fail_error;      /* ... with this */

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_syncfs(int fd);
int __wrap_syncfs(int fd);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_renameat(int from, const char *name, int to, const char *new_name);
int __wrap_renameat(int from, const char *name, int to, const char *new_name);
int __real_renameat2(int from, const char *name, int to, const char *new_name,
		     unsigned flags);
int __wrap_renameat2(int from, const char *name, int to, const char *new_name,
		     unsigned flags);
int __real_unlinkat(int at, const char *name, int flags);
int __wrap_unlinkat(int at, const char *name, int flags);

/* The last part of a path, or what it stands for. */
static const char *word(const char *path)
{
	const char *slash = strrchr(path, '/'),
		   *name = slash ? slash + 1 : path;
	size_t n = strspn(name, "0123456789abcdef");

	if (n == 16 && !name[n])
		return "SHADOW";
	if (n == 16 && !strcmp(name + n, ".json"))
		return "JSON";
	if (n == 16 && !strcmp(name + n, ".json.new"))
		return "JSON.new";
	return strcmp(path, path_of(dir)) ? name : "DIR";
}

/* True when it shall fail. */
static bool event(const char *what, const char *path)
{
	size_t n = strlen(events);
	char text[128];

	(void)snprintf(text, sizeof(text), "%s:%s", what, word(path));
	NEED(n + sizeof(text) < sizeof(events));
	n += (size_t)sprintf(events + n, "%s%s", n ? " " : "", text);
	if (watched)
		(void)sprintf(events + n, "[%s]", text_at(dir, watched));
	if (!fail_on || strcmp(fail_on, text))
		return false;
	errno = fail_error;
	return true;
}

int __wrap_fsync(int fd)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s", path_of(fd));
	return event("fsync", path) ? -1 : __real_fsync(fd);
}

int __wrap_syncfs(int fd)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s", path_of(fd));
	return event("syncfs", path) ? -1 : __real_syncfs(fd);
}

int __wrap_fdatasync(int fd)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s", path_of(fd));
	return event("fdatasync", path) ? -1 : __real_fdatasync(fd);
}

int __wrap_renameat(int from, const char *name, int to, const char *new_name)
{
	return event("rename", new_name)
		       ? -1
		       : __real_renameat(from, name, to, new_name);
}

int __wrap_renameat2(int from, const char *name, int to, const char *new_name,
		     unsigned flags)
{
	return event("rename", new_name)
		       ? -1
		       : __real_renameat2(from, name, to, new_name, flags);
}

int __wrap_unlinkat(int at, const char *name, int flags)
{
	return event("unlink", name) ? -1 : __real_unlinkat(at, name, flags);
}

static void forget(void)
{
	events[0] = '\0';
}

#define CHECK_EVENTS(should)                                                   \
	do {                                                                   \
		CHECK_STR(events, should);                                     \
		forget();                                                      \
	} while (0)

static void set_up(bool durable)
{
	watched = fail_on = NULL;
	dir = fresh_dir();
	store = NULL;
	NEED(atio_store_open(dir, durable ? &lasting : &plain, &store, NULL) ==
	     0);
	put(dir, "a", "old");
	NEED(linkat(dir, "a", dir, "b", 0) == 0);
	forget();
}

static void tear_down(void)
{
	atio_store_free(store);
	close(dir);
}

static struct atio_shadow *shadow_with(const char *text)
{
	struct atio_shadow *s = updated(store, dir, "a");

	write_to(atio_shadow_fd(s), text);
	return s;
}

/* ---- in order -------------------------------------------------------- */

static void test_commit(void)
{
	struct atio_shadow *s;

	set_up(true);
	s = shadow_with("new");
	CHECK_EVENTS("");
	CHECK_INT(atio_shadow_prepare(s, NULL), 0);
	CHECK_EVENTS("fsync:SHADOW");
	CHECK_INT(atio_shadow_commit(s, dir, "a", 0, NULL), 0);
	CHECK_EVENTS("rename:a");
	CHECK_INT(atio_dir_sync(store, dir), 0);
	CHECK_EVENTS("fsync:DIR");
	atio_shadow_free(s);
	CHECK_EVENTS("");
	tear_down();
}

static void test_sync(void)
{
	struct atio_shadow *s;

	set_up(true);
	s = shadow_with("new");
	CHECK_INT(atio_shadow_sync(s, NULL), 0);
	CHECK_EVENTS("fsync:SHADOW fdatasync:journal fsync:stage");
	CHECK_INT(atio_shadow_set_path(s, "c", NULL), 0);
	CHECK_EVENTS("fdatasync:journal"); /* it would be published there */
	CHECK_INT(atio_shadow_discard(s), 0);
	CHECK_EVENTS("unlink:SHADOW");
	atio_shadow_free(s);
	tear_down();
}

static void test_redo(void)
{
	struct atio_shadow *s;
	int target;

	set_up(true);
	watched = "b";
	s = shadow_with("new");
	target = open_file(dir, "a");
	CHECK_INT(atio_shadow_prepare(s, NULL), 0);
	CHECK_EVENTS("fsync:SHADOW[old]");
	CHECK_INT(atio_shadow_redo(s, target, NULL), 0);
	CHECK_EVENTS("fdatasync:journal[old] fsync:stage[old] "
		     "fsync:a[new] unlink:SHADOW[new]");
	atio_shadow_free(s);
	close(target);
	tear_down();
}

static void test_quarantine(void)
{
	const struct atio_rollback why = {.reason = "killed"};
	struct atio_shadow *s;

	set_up(true);
	s = shadow_with("new");
	CHECK_INT(atio_shadow_quarantine(s, &why, NULL, NULL), 1);
	CHECK(strstr(events, "rename:JSON rename:SHADOW"));
	atio_shadow_free(s);
	tear_down();
}

static void test_recovery_publishes(void)
{
	struct atio_shadow *s;

	set_up(true);
	s = written(store, dir, "c", "new");
	CHECK_INT(atio_shadow_sync(s, NULL), 0);
	atio_shadow_free(s);
	atio_store_free(store);
	NEED(atio_store_open(dir, &lasting, &store, NULL) == 0);
	forget();
	CHECK_INT(recovered(store, false).n, 1);
	CHECK_EVENTS("rename:c fsync:DIR");
	tear_down();
}

static void test_recovery_redoes(void)
{
	struct atio_shadow *s;
	int target;

	set_up(true);
	s = shadow_with("new");
	target = openat(dir, "a", O_RDONLY | O_CLOEXEC); /* so that it fails */
	NEED(target >= 0);
	CHECK(atio_shadow_redo(s, target, NULL) < 0);
	atio_shadow_free(s);
	close(target);
	atio_store_free(store);
	NEED(atio_store_open(dir, &lasting, &store, NULL) == 0);
	forget();
	watched = "b";
	CHECK_INT(recovered(store, false).n, 1);
	CHECK_EVENTS("fsync:a[new] unlink:SHADOW[new]");
	tear_down();
}

/* ---- without durability ---------------------------------------------- */

static void all_kinds(void)
{
	const struct atio_rollback why = {.reason = "killed"};
	struct atio_shadow *s = shadow_with("new");
	int target = open_file(dir, "a");

	CHECK_INT(atio_shadow_sync(s, NULL), 0);
	CHECK_INT(atio_shadow_set_path(s, "c", NULL), 0);
	CHECK_INT(atio_shadow_redo(s, target, NULL), 0);
	atio_shadow_free(s);
	close(target);
	s = shadow_with("one");
	CHECK_INT(atio_shadow_prepare(s, NULL), 0);
	CHECK_INT(atio_shadow_commit(s, dir, "a", 0, NULL), 0);
	CHECK_INT(atio_dir_sync(store, dir), 0);
	atio_shadow_free(s);
	s = shadow_with("two");
	CHECK_INT(atio_shadow_quarantine(s, &why, NULL, NULL), 1);
	atio_shadow_free(s);
	s = shadow_with("six");
	CHECK_INT(atio_shadow_discard(s), 0);
	atio_shadow_free(s);
}

static void test_none(void)
{
	set_up(false);
	all_kinds();
	CHECK(strstr(events, "rename:a")); /* it does look */
	CHECK(!strstr(events, "sync:"));
	tear_down();
	set_up(true);
	all_kinds();
	CHECK(strstr(events, "fsync:") && strstr(events, "fdatasync:"));
	tear_down();
}

/* ---- flushes that fail ----------------------------------------------- */

static void test_poison(void)
{
	struct atio_error err = ATIO_ERROR_INIT;
	struct atio_shadow *s;
	int target;

	set_up(true);
	s = shadow_with("new");
	target = open_file(dir, "a");
	fail_on = "fsync:SHADOW";
	fail_error = EIO;
	CHECK_INT(atio_shadow_prepare(s, &err), -EIO);
	CHECK_INT(err.code, EIO);
	CHECK(strstr(err.text, "flush"));
	CHECK_EVENTS("fsync:SHADOW");
	fail_on = NULL; /* the kernel says it once: it is not asked again */
	CHECK_INT(atio_shadow_prepare(s, NULL), -EIO);
	CHECK_INT(atio_shadow_sync(s, NULL), -EIO);
	CHECK_INT(atio_shadow_commit(s, dir, "a", 0, NULL), -EIO);
	CHECK_INT(atio_shadow_redo(s, target, NULL), -EIO);
	CHECK_EVENTS("");
	CHECK_STR(text_at(dir, "a"), "old");
	CHECK_INT(atio_shadow_discard(s), 0);
	atio_shadow_free(s);
	close(target);
	tear_down();
}

static void test_sync_fails(void)
{
	struct atio_error err = ATIO_ERROR_INIT;
	struct atio_shadow *s;

	set_up(true);
	s = shadow_with("new");
	fail_on = "fsync:SHADOW";
	fail_error = ENOSPC;
	CHECK_INT(atio_shadow_sync(s, &err), -ENOSPC);
	CHECK_INT(err.code, ENOSPC);
	CHECK_EVENTS("fsync:SHADOW"); /* nothing is said of it */
	CHECK_INT(recovered(store, true).at[0].action,
		  ATIO_RECOVERED_QUARANTINED);
	CHECK_INT(atio_shadow_discard(s), 0);
	atio_shadow_free(s);
	tear_down();
}

/* Without its record on disk no target is touched. */
static void test_record_fails(const char *event_name)
{
	struct atio_error err = ATIO_ERROR_INIT;
	struct atio_shadow *s;
	int target;

	set_up(true);
	s = shadow_with("new");
	target = open_file(dir, "a");
	fail_on = event_name;
	fail_error = EIO;
	CHECK_INT(atio_shadow_sync(s, &err), -EIO);
	CHECK_INT(err.code, EIO);
	CHECK_INT(atio_shadow_redo(s, target, NULL), -EIO);
	CHECK_STR(text_at(dir, "b"), "old");
	CHECK(!atio_store_is_unfinished(store, 0));
	fail_on = NULL;
	CHECK_INT(atio_shadow_redo(s, target, NULL), 0);
	CHECK_STR(text_at(dir, "b"), "new");
	atio_shadow_free(s);
	close(target);
	tear_down();
}

static void test_target_fails(void)
{
	struct atio_error err = ATIO_ERROR_INIT;
	struct atio_shadow *s;
	struct stat st;
	int target;

	set_up(true);
	s = shadow_with("new");
	target = open_file(dir, "a");
	NEED(fstat(target, &st) == 0);
	fail_on = "fsync:a";
	fail_error = EIO;
	CHECK_INT(atio_shadow_redo(s, target, &err), -EIO);
	CHECK(!strstr(events, "unlink")); /* it is needed once more */
	atio_shadow_free(s);
	CHECK(atio_store_is_unfinished(store, st.st_ino));
	close(target);
	fail_on = NULL;
	tear_down();
}

static void test_directory_fails(void)
{
	set_up(true);
	fail_on = "fsync:DIR";
	fail_error = EIO;
	CHECK_INT(atio_dir_sync(store, dir), -EIO);
	fail_on = NULL;
	CHECK_INT(atio_dir_sync(store, dir), 0);
	tear_down();
}

/* A directory that may be searched but not read. */
static void test_directory_without_fsync(void)
{
	int path;

	set_up(true);
	NEED((path = open(path_of(dir), O_PATH | O_DIRECTORY)) >= 0);
	CHECK_INT(atio_dir_sync(store, path), 0);
	CHECK_EVENTS("syncfs:stage");
	fail_on = "syncfs:stage";
	fail_error = EIO;
	CHECK_INT(atio_dir_sync(store, path), -EIO);
	close(path);
	CHECK_INT(atio_dir_sync(store, path), -EBADF);
	tear_down();
	set_up(false);
	CHECK_INT(atio_dir_sync(store, dir), 0);
	CHECK_EVENTS("");
	tear_down();
}

int main(void)
{
	test_commit();
	test_sync();
	test_redo();
	test_quarantine();
	test_recovery_publishes();
	test_recovery_redoes();
	test_none();
	test_poison();
	test_sync_fails();
	test_record_fails("fdatasync:journal");
	test_record_fails("fsync:stage");
	test_target_fails();
	test_directory_fails();
	test_directory_without_fsync();
	return check_result();
}
