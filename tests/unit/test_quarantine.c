/* SPDX-License-Identifier: MIT
 *
 * test_quarantine.c - pairs of bytes and description: kept, read, dropped.
 */
#include <time.h>

#include "scene.h"

static int dir, qdir;
static struct atio_store *store;

static void set_up(void)
{
	dir = fresh_dir();
	store = store_at(dir);
	qdir = atio_store_quarantine_fd(store);
}

static void tear_down(void)
{
	CHECK(stage_empty(dir));
	atio_store_free(store);
	close(dir);
}

static const struct atio_rollback killed = {.reason = "killed"};

/* The id of @text, kept under @path. */
static const char *kept(const char *path, const char *text)
{
	static char id[ATIO_QUARANTINE_ID_MAX];
	struct atio_shadow *s = written(store, dir, path, text);

	CHECK_INT(atio_shadow_quarantine(s, &killed, id, NULL), 1);
	atio_shadow_free(s);
	return id;
}

static size_t listed(void)
{
	struct atio_quarantined *items = NULL;
	size_t n = 99;

	CHECK_INT(atio_quarantine_list(qdir, &items, &n, NULL), 0);
	atio_quarantine_list_free(items, n);
	return n;
}

static void half(const char *id, const char *suffix, const char *text)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "%s%s", id, suffix);
	put(qdir, name, text);
}

static void pair(const char *id, const char *text, long long age_s)
{
	char json[128];

	(void)snprintf(json, sizeof(json),
		       "{\"path\": \"p\", \"reason\": \"r\", \"time\": %lld}",
		       (long long)time(NULL) - age_s);
	half(id, "", text);
	half(id, ".json", json);
}

/* ---- keeping --------------------------------------------------------- */

static void check_item(const struct atio_quarantined *q, const char *id)
{
	CHECK_STR(q->id, id);
	CHECK_STR(q->path, "sub/a");
	CHECK_STR(q->reason, "disk full");
	CHECK_STR(q->detail, "write of 7 bytes");
	CHECK_STR(q->command, "dd");
	CHECK_INT(q->pid, 1234);
	CHECK_INT(q->uid, 5678);
	CHECK_INT(q->mode, 0640);
	CHECK_INT(q->owner, geteuid());
	CHECK_INT(q->error, ENOSPC);
	CHECK_INT(q->size, 4);
	CHECK(q->time_s > 0 && q->time_s <= time(NULL));
}

static void check_kept(const char *id)
{
	struct atio_quarantined one;
	struct stat st;
	int fd;

	NEED(atio_quarantine_get(qdir, id, &one, NULL) == 0);
	check_item(&one, id);
	atio_quarantine_item_done(&one);
	atio_quarantine_item_done(&one);
	fd = atio_quarantine_open(qdir, id);
	NEED(fd >= 0);
	CHECK_INT(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	CHECK_STR(text_of(fd), "text");
	NEED(fstat(fd, &st) == 0);
	CHECK_INT(st.st_mode, S_IFREG | 0600);
	CHECK_INT(st.st_uid, geteuid());
	close(fd);
}

static void test_keep(void)
{
	const struct atio_rollback why = {"disk full", "write of 7 bytes", "dd",
					  ENOSPC};
	char id[ATIO_QUARANTINE_ID_MAX] = "";
	struct atio_shadow *s;

	set_up();
	s = written(store, dir, "sub/a", "text");
	NEED(fchmod(atio_shadow_fd(s), 0640) == 0);
	CHECK_INT(atio_shadow_quarantine(s, &why, id, NULL), 1);
	atio_shadow_free(s);
	CHECK_INT(entries(dir, QUARANTINE), 2);
	CHECK_INT(listed(), 1);
	check_kept(id);
	store = store_again(store, dir);
	qdir = atio_store_quarantine_fd(store);
	CHECK_INT(recovered(store, false).n, 0);
	check_kept(id);
	tear_down();
}

static void test_keep_of_another_owner(void)
{
	char id[ATIO_QUARANTINE_ID_MAX];
	struct atio_quarantined q;
	struct atio_shadow *s;
	struct stat st;

	if (geteuid() != 0)
		return;
	set_up();
	s = written(store, dir, "a", "text");
	NEED(fchown(atio_shadow_fd(s), 1001, 1002) == 0);
	NEED(fchmod(atio_shadow_fd(s), 06755) == 0);
	CHECK_INT(atio_shadow_quarantine(s, &killed, id, NULL), 1);
	atio_shadow_free(s);
	NEED(atio_quarantine_get(qdir, id, &q, NULL) == 0);
	CHECK_INT(q.owner, 1001);
	CHECK_INT(q.group, 1002);
	CHECK_INT(q.mode, 06755);
	CHECK(!q.detail && !q.command);
	atio_quarantine_item_done(&q);
	NEED(fstatat(qdir, id, &st, 0) == 0);
	CHECK_INT(st.st_mode, S_IFREG | 0600);
	CHECK_INT(st.st_uid, 0);
	tear_down();
}

static void test_nothing_to_keep(void)
{
	char id[ATIO_QUARANTINE_ID_MAX] = "as it was";
	struct atio_shadow *s;

	set_up();
	s = created(store, dir, "a");
	CHECK_INT(atio_shadow_quarantine(s, &killed, id, NULL), 0);
	CHECK_STR(id, "as it was");
	atio_shadow_free(s);
	CHECK_INT(entries(dir, QUARANTINE), 0);
	tear_down();
}

static void check_path(const char *path)
{
	const char *id = kept(path, "text");
	struct atio_quarantined q;

	NEED(atio_quarantine_get(qdir, id, &q, NULL) == 0);
	CHECK_STR(q.path, path);
	atio_quarantine_item_done(&q);
	CHECK_INT(atio_quarantine_drop(qdir, id), 0);
}

static void test_hostile_paths(void)
{
	set_up();
	check_path("with \"quotes\", \\ and \n");
	check_path("\xc3\xa4\xe2\x82\xac");
	check_path("\xff\xfe %41 non-UTF-8");
	check_path("%FF looks escaped");
	check_path("\xff");
	check_path("../../etc/passwd");
	CHECK_INT(entries(dir, QUARANTINE), 0);
	tear_down();
}

static void test_hostile_words(void)
{
	const struct atio_rollback why = {"\xff", "\xfe\n", "co\xffmm", 0};
	char id[ATIO_QUARANTINE_ID_MAX];
	struct atio_quarantined q;
	struct atio_shadow *s;

	set_up();
	s = written(store, dir, "a", "text");
	CHECK_INT(atio_shadow_quarantine(s, &why, id, NULL), 1);
	atio_shadow_free(s);
	NEED(atio_quarantine_get(qdir, id, &q, NULL) == 0);
	CHECK_STR(q.reason, "%FF");
	CHECK_STR(q.detail, "%FE%0A");
	CHECK_STR(q.command, "co%FFmm");
	atio_quarantine_item_done(&q);
	tear_down();
}

/* It stays in the stage for recovery where it cannot be moved. */
static void test_keep_fails(void)
{
	struct atio_error err = ATIO_ERROR_INIT;
	struct atio_shadow *s;
	char name[ID_MAX];

	set_up();
	s = written(store, dir, "a", "text");
	atio_id_name(atio_shadow_id(s), name);
	NEED(mkdirat(qdir, name, 0700) == 0);
	CHECK_INT(atio_shadow_quarantine(s, &killed, NULL, &err), -EISDIR);
	CHECK_INT(err.code, EISDIR);
	CHECK(exists(store->stage_fd, name));
	CHECK_STR(text_of(atio_shadow_fd(s)), "text");
	NEED(unlinkat(qdir, name, AT_REMOVEDIR) == 0);
	atio_shadow_free(s);
	store = store_again(store, dir);
	qdir = atio_store_quarantine_fd(store);
	CHECK_INT(recovered(store, false).n, 1);
	CHECK_INT(listed(), 1);
	CHECK_STR(text_at(qdir, name), "text");
	tear_down();
}

/* ---- ids ------------------------------------------------------------- */

static void check_refused(const char *id)
{
	struct atio_error err = ATIO_ERROR_INIT;
	struct atio_quarantined q = {.pid = 77};

	CHECK_INT(atio_quarantine_open(qdir, id), -ENOENT);
	CHECK_INT(atio_quarantine_drop(qdir, id), -ENOENT);
	CHECK_INT(atio_quarantine_get(qdir, id, &q, &err), -ENOENT);
	CHECK_INT(err.code, ENOENT);
	CHECK_INT(q.pid, 77);
}

static void test_ids_lead_nowhere_else(void)
{
	static const char *const ids[] = {
		"",
		".",
		"..",
		"../journal",
		"../stage/journal",
		"../quarantine/0123",
		"./0123",
		"0123/",
		"/etc/passwd",
		"0123.json",
		"0123 ",
		"ABCDEF",
		"0123\n",
		"99",
		"01234567890123456789012345678901",
		"0123456789012345678901234567890123456789012345678901234567890"
		"0123456789012345678901234567890123456789012345678901234567890",
	};

	set_up();
	pair("0123", "text", 0);
	for (size_t i = 0; i < LENGTH(ids); i++)
		check_refused(ids[i]);
	CHECK_STR(text_at(qdir, "0123"), "text");
	CHECK_INT(entries(dir, QUARANTINE), 2);
	tear_down();
}

static void test_links_are_not_followed(void)
{
	set_up();
	put(dir, "secret", "secret");
	pair("aa", "text", 0);
	NEED(unlinkat(qdir, "aa", 0) == 0);
	NEED(symlinkat("../../secret", qdir, "aa") == 0);
	CHECK_INT(atio_quarantine_open(qdir, "aa"), -ELOOP);
	CHECK_INT(atio_quarantine_drop(qdir, "aa"), 0);
	CHECK_STR(text_at(dir, "secret"), "secret");
	tear_down();
}

/* ---- lists ----------------------------------------------------------- */

static void test_order(void)
{
	struct atio_quarantined *items = NULL;
	size_t n = 0;

	set_up();
	pair("03", "c", 100);
	pair("01", "a", 300);
	pair("04", "d", 50);
	pair("02", "b", 100 + 100);
	CHECK_INT(atio_quarantine_list(qdir, &items, &n, NULL), 0);
	CHECK_INT(n, 4);
	for (size_t i = 0; i < n; i++)
		CHECK_INT(items[i].id[1], '1' + (int)i);
	atio_quarantine_list_free(items, n);
	tear_down();
}

static void test_empty_list(void)
{
	struct atio_quarantined *items = NULL;
	struct atio_error err = ATIO_ERROR_INIT;
	size_t n = 99;

	set_up();
	CHECK_INT(listed(), 0);
	atio_quarantine_list_free(NULL, 0);
	CHECK_INT(atio_quarantine_trim(qdir, 1, 1), 0);
	CHECK_INT(atio_quarantine_list(-1, &items, &n, &err), -EBADF);
	CHECK_INT(err.code, EBADF);
	CHECK_INT(n, 99);
	CHECK_INT(atio_quarantine_trim(-1, 1, 1), -EBADF);
	tear_down();
}

static void check_broken(const char *json)
{
	struct atio_quarantined q;

	half("bad", "", "text");
	half("bad", ".json", json);
	CHECK_INT(atio_quarantine_get(qdir, "bad", &q, NULL), -EBADMSG);
	CHECK_INT(listed(), 1);
}

static void test_broken_descriptions(void)
{
	set_up();
	pair("0123", "text", 0);
	check_broken("");
	check_broken("{");
	check_broken("null");
	check_broken("[]");
	check_broken("{}");
	check_broken("{\"path\": \"p\"}");
	check_broken("{\"reason\": \"r\"}");
	check_broken("{\"path\": 1, \"reason\": \"r\"}");
	check_broken("{\"path\": \"p\", \"reason\": \"r\"} and more");
	check_broken("{\"path\": \"\xff\", \"reason\": \"r\"}");
	CHECK_INT(atio_quarantine_open(qdir, "bad") >= 0, 1);
	CHECK_INT(atio_quarantine_drop(qdir, "bad"), 0);
	CHECK_INT(entries(dir, QUARANTINE), 2);
	tear_down();
}

static void test_odd_descriptions(void)
{
	struct atio_quarantined q;

	set_up();
	half("0d", "", "text");
	half("0d", ".json",
	     "{\"path\": \"p\", \"reason\": \"r\", \"pid\": \"x\","
	     " \"time\": 1.5, \"mode\": null, \"size\": -7,"
	     " \"detail\": [], \"new\": {\"key\": 1}}");
	NEED(atio_quarantine_get(qdir, "0d", &q, NULL) == 0);
	CHECK_STR(q.path, "p");
	CHECK_INT(q.pid, 0);
	CHECK_INT(q.time_s, 0);
	CHECK_INT(q.size, 4); /* of the bytes, whatever is said of them */
	CHECK(!q.detail);
	atio_quarantine_item_done(&q);
	tear_down();
}

static void test_half_pairs(void)
{
	struct atio_quarantined q;

	set_up();
	pair("00", "text", 0);
	half("0a", "", "bytes alone");
	half("0b", ".json", "{\"path\": \"p\", \"reason\": \"r\"}");
	half("0c", ".json.new", "{");
	half("0d", ".tmp", "");
	CHECK_INT(listed(), 1);
	CHECK_INT(atio_quarantine_get(qdir, "0a", &q, NULL), -ENOENT);
	CHECK_INT(atio_quarantine_get(qdir, "0b", &q, NULL), -ENOENT);
	CHECK_INT(atio_quarantine_open(qdir, "0b"), -ENOENT);
	CHECK_INT(recovered(store, true).n, 0);
	CHECK_INT(entries(dir, QUARANTINE), 6);
	CHECK_INT(recovered(store, false).n, 0);
	CHECK(!exists(qdir, "0b.json"));
	CHECK(!exists(qdir, "0c.json.new"));
	CHECK(!exists(qdir, "0d.tmp"));
	CHECK_STR(text_at(qdir, "0a"), "bytes alone"); /* never thrown away */
	CHECK_INT(listed(), 1);
	CHECK_INT(atio_quarantine_drop(qdir, "0a"), 0);
	tear_down();
}

/* ---- dropping -------------------------------------------------------- */

static void test_drop(void)
{
	set_up();
	pair("01", "one", 0);
	pair("02", "two", 0);
	CHECK_INT(atio_quarantine_drop(qdir, "01"), 0);
	CHECK_INT(atio_quarantine_drop(qdir, "01"), -ENOENT);
	CHECK_INT(entries(dir, QUARANTINE), 2);
	CHECK_STR(text_at(qdir, "02"), "two");
	tear_down();
}

static void test_trim_by_age(void)
{
	set_up();
	pair("01", "one", 1000000);
	pair("02", "two", 500000);
	pair("03", "three", 0);
	pair("04", "from the future", -1000000);
	CHECK_INT(atio_quarantine_trim(qdir, 0, 0), 0);
	CHECK_INT(atio_quarantine_trim(qdir, 0, 2000000), 0);
	CHECK_INT(atio_quarantine_trim(qdir, 0, 750000), 1);
	CHECK(!exists(qdir, "01") && !exists(qdir, "01.json"));
	CHECK_INT(atio_quarantine_trim(qdir, 0, 100000), 1);
	CHECK_INT(listed(), 2);
	CHECK_INT(entries(dir, QUARANTINE), 4);
	tear_down();
}

static void test_trim_by_size(void)
{
	set_up();
	pair("0a", "12345", 300);
	pair("0b", "12345", 200);
	pair("0c", "12345", 100);
	pair("0d", "12345", 0);
	CHECK_INT(atio_quarantine_trim(qdir, 20, 0), 0);
	CHECK_INT(atio_quarantine_trim(qdir, 12, 0), 2);
	CHECK(!exists(qdir, "0a") && !exists(qdir, "0b"));
	CHECK(exists(qdir, "0c") && exists(qdir, "0d"));
	CHECK_INT(atio_quarantine_trim(qdir, 10, 50), 1);
	CHECK_INT(atio_quarantine_trim(qdir, 1, 0), 1);
	CHECK_INT(entries(dir, QUARANTINE), 0);
	tear_down();
}

static void test_recovery_trims(void)
{
	struct atio_store_options opts = plain;

	set_up();
	pair("01", "too old", 1000000);
	pair("0a", "12345", 300);
	pair("0b", "12345", 200);
	atio_store_free(store);
	opts.quarantine_max_bytes = 9;
	opts.quarantine_max_age_s = 500000;
	NEED(atio_store_open(dir, &opts, &store, NULL) == 0);
	qdir = atio_store_quarantine_fd(store);
	CHECK_INT(recovered(store, false).n, 0);
	CHECK_INT(entries(dir, QUARANTINE), 2);
	CHECK(exists(qdir, "0b"));
	tear_down();
}

int main(void)
{
	test_keep();
	test_keep_of_another_owner();
	test_nothing_to_keep();
	test_hostile_paths();
	test_hostile_words();
	test_keep_fails();
	test_ids_lead_nowhere_else();
	test_links_are_not_followed();
	test_order();
	test_empty_list();
	test_broken_descriptions();
	test_odd_descriptions();
	test_half_pairs();
	test_drop();
	test_trim_by_age();
	test_trim_by_size();
	test_recovery_trims();
	return check_result();
}
