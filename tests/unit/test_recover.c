/* SPDX-License-Identifier: MIT
 *
 * test_recover.c - every state that a crash can leave, and what becomes of it.
 *
 * A crash is played by freeing the handles and not ending the shadows.
 */
#include "scene.h"

static int dir;
static struct atio_store *store;

static void set_up(void)
{
	dir = fresh_dir();
	store = store_at(dir);
	put(dir, "a", "old");
}

/* Everything below a directory, as one text: names, sizes and contents. */
static const char *picture(void)
{
	static char text[1 << 16];
	char cmd[512];
	FILE *f;
	size_t n;

	(void)snprintf(cmd, sizeof(cmd),
		       "cd '%s' && find . -type f -print -exec cat {} + |"
		       " od -An -c",
		       path_of(dir));
	NEED((f = popen(cmd, "r")));
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	NEED(pclose(f) == 0);
	return text;
}

/* Recover: first only looking, which must tell the same and change nothing;
 * and afterwards again, which must find nothing to do. */
static struct findings settled(void)
{
	static char before[1 << 16];
	struct findings dry, f;

	store = store_again(store, dir);
	(void)snprintf(before, sizeof(before), "%s", picture());
	dry = recovered(store, true);
	CHECK_STR(picture(), before);
	f = recovered(store, false);
	CHECK_INT(f.n, dry.n);
	for (int i = 0; i < f.n && i < dry.n; i++) {
		CHECK_INT(f.at[i].action, dry.at[i].action);
		CHECK_STR(f.at[i].path, dry.at[i].path);
		CHECK_STR(f.at[i].id, dry.at[i].id);
		CHECK_INT(f.at[i].error, 0);
	}
	(void)snprintf(before, sizeof(before), "%s", picture());
	CHECK_INT(recovered(store, false).n, 0);
	CHECK_STR(picture(), before);
	CHECK(stage_empty(dir));
	CHECK_STR(text_at(dir, JOURNAL), "");
	return f;
}

static void tear_down(void)
{
	atio_store_free(store);
	close(dir);
}

static void check_one(enum atio_recovery_action action, const char *path)
{
	struct findings f = settled();

	CHECK_INT(f.n, 1);
	CHECK_INT(f.at[0].action, action);
	CHECK_STR(f.at[0].path, path);
}

static size_t quarantined(void)
{
	struct atio_quarantined *items = NULL;
	size_t n = 0;

	CHECK_INT(atio_quarantine_list(atio_store_quarantine_fd(store), &items,
				       &n, NULL),
		  0);
	for (size_t i = 0; i < n; i++)
		CHECK_STR(items[i].reason, "crash");
	atio_quarantine_list_free(items, n);
	return n;
}

static void synced(const char *path, const char *text)
{
	struct atio_shadow *s = written(store, dir, path, text);

	CHECK_INT(atio_shadow_sync(s, NULL), 0);
	atio_shadow_free(s);
}

/* ---- unfinished ------------------------------------------------------ */

static void test_nothing(void)
{
	set_up();
	CHECK_INT(settled().n, 0);
	tear_down();
}

static void test_empty_shadow(void)
{
	set_up();
	atio_shadow_free(created(store, dir, "a"));
	check_one(ATIO_RECOVERED_DISCARDED, "a");
	CHECK_INT(quarantined(), 0);
	CHECK_STR(text_at(dir, "a"), "old");
	tear_down();
}

static void test_unfinished(void)
{
	struct atio_quarantined q;
	struct findings f;

	set_up();
	atio_shadow_free(written(store, dir, "sub/a", "half"));
	f = settled();
	CHECK_INT(f.n, 1);
	CHECK_INT(f.at[0].action, ATIO_RECOVERED_QUARANTINED);
	CHECK_STR(text_at(dir, "a"), "old");
	NEED(atio_quarantine_get(atio_store_quarantine_fd(store), f.at[0].id,
				 &q, NULL) == 0);
	CHECK_STR(q.path, "sub/a");
	CHECK_STR(q.reason, "crash");
	CHECK_INT(q.pid, 1234);
	CHECK_INT(q.uid, 5678);
	CHECK_INT(q.size, 4);
	atio_quarantine_item_done(&q);
	tear_down();
}

static void test_unknown_shadow(void)
{
	set_up();
	put(dir, STAGE "/00000000000000ab", "data");
	check_one(ATIO_RECOVERED_QUARANTINED, "");
	CHECK_STR(text_at(dir, QUARANTINE "/00000000000000ab"), "data");
	CHECK_INT(quarantined(), 1);
	tear_down();
}

static void test_litter(void)
{
	static const char *const litter[] = {
		STAGE "/journal.new",       STAGE "/scratch",
		STAGE "/00000000000000AB",  STAGE "/0123",
		STAGE "/00000000000000ab0",
	};

	for (size_t i = 0; i < LENGTH(litter); i++) {
		set_up();
		put(dir, litter[i], "litter");
		check_one(ATIO_RECOVERED_DISCARDED, "");
		CHECK_INT(quarantined(), 0);
		tear_down();
	}
}

static void test_links_in_the_stage(void)
{
	set_up();
	NEED(symlinkat("../../a", dir, STAGE "/00000000000000ab") == 0);
	check_one(ATIO_RECOVERED_DISCARDED, "");
	CHECK_STR(text_at(dir, "a"), "old");
	tear_down();
}

/* What cannot be settled stays, with the journal that tells of it. */
static void test_failed(void)
{
	struct findings f;

	set_up();
	NEED(mkdirat(dir, STAGE "/directory", 0700) == 0);
	atio_shadow_free(created(store, dir, "a"));
	store = store_again(store, dir);
	f = recovered(store, false);
	CHECK_INT(f.n, 2);
	for (int i = 0; i < f.n; i++)
		if (!strcmp(f.at[i].id, "directory")) {
			CHECK_INT(f.at[i].action, ATIO_RECOVERED_FAILED);
			CHECK(f.at[i].error > 0);
		}
	CHECK(exists(dir, STAGE "/directory"));
	CHECK(strlen(text_at(dir, JOURNAL)) > 10);
	NEED(unlinkat(dir, STAGE "/directory", AT_REMOVEDIR) == 0);
	CHECK_INT(settled().n, 0);
	tear_down();
}

/* ---- synced ---------------------------------------------------------- */

static void test_published(void)
{
	set_up();
	synced("a", "new");
	check_one(ATIO_RECOVERED_PUBLISHED, "a");
	CHECK_STR(text_at(dir, "a"), "new");
	CHECK_INT(quarantined(), 0);
	tear_down();
}

static void test_published_new_name(void)
{
	set_up();
	NEED(mkdirat(dir, "sub", 0755) == 0);
	synced("sub/new\n\xff", "new");
	check_one(ATIO_RECOVERED_PUBLISHED, "sub/new\n\xff");
	CHECK_STR(text_at(dir, "sub/new\n\xff"), "new");
	tear_down();
}

static void test_cut_back_to_the_sync(void)
{
	struct atio_shadow *s;

	set_up();
	s = written(store, dir, "a", "synced");
	CHECK_INT(atio_shadow_sync(s, NULL), 0);
	NEED(pwrite(atio_shadow_fd(s), " and more", 9, 6) == 9);
	atio_shadow_free(s);
	check_one(ATIO_RECOVERED_PUBLISHED, "a");
	CHECK_STR(text_at(dir, "a"), "synced");
	tear_down();
}

static void test_published_over_many_names(void)
{
	struct stat st;

	set_up();
	NEED(linkat(dir, "a", dir, "b", 0) == 0);
	synced("a", "new and longer");
	check_one(ATIO_RECOVERED_PUBLISHED, "a");
	CHECK_STR(text_at(dir, "a"), "new and longer");
	CHECK_STR(text_at(dir, "b"), "new and longer");
	NEED(fstatat(dir, "b", &st, 0) == 0);
	CHECK_INT(st.st_nlink, 2);
	tear_down();
}

static void test_no_place_to_publish(void)
{
	static const char *const paths[] = {
		"gone/a", "dir", "../outside", "sub/../../outside",
		"link/x", "",    "a/b",        ".",
		"..",
	};

	for (size_t i = 0; i < LENGTH(paths); i++) {
		struct findings f;
		int elsewhere = fresh_dir();

		set_up();
		NEED(mkdirat(dir, "dir", 0755) == 0);
		NEED(mkdirat(dir, "sub", 0755) == 0);
		NEED(symlinkat(path_of(elsewhere), dir, "link") == 0);
		synced(paths[i], "new");
		store = store_again(store, dir);
		f = recovered(store, false);
		CHECK_INT(f.n, 1);
		CHECK_INT(f.at[0].action, ATIO_RECOVERED_QUARANTINED);
		CHECK_INT(quarantined(), 1);
		CHECK_INT(entries(elsewhere, "."), 0);
		CHECK(!exists(dir, "../outside"));
		CHECK_STR(text_at(dir, "a"), "old");
		CHECK(stage_empty(dir));
		close(elsewhere);
		tear_down();
	}
}

/* The link itself is replaced, not what it leads to. */
static void test_published_over_a_link(void)
{
	set_up();
	NEED(symlinkat("a", dir, "link") == 0);
	synced("link", "new");
	check_one(ATIO_RECOVERED_PUBLISHED, "link");
	CHECK_STR(text_at(dir, "link"), "new");
	CHECK_STR(text_at(dir, "a"), "old");
	tear_down();
}

/* ---- several --------------------------------------------------------- */

static void test_everything_at_once(void)
{
	struct findings f;
	int n[5] = {0};

	set_up();
	synced("b", "published");
	synced("c", "published too");
	atio_shadow_free(written(store, dir, "a", "half"));
	atio_shadow_free(created(store, dir, "a"));
	put(dir, STAGE "/litter", "");
	f = settled();
	CHECK_INT(f.n, 5);
	for (int i = 0; i < f.n; i++)
		n[f.at[i].action]++;
	CHECK_INT(n[ATIO_RECOVERED_PUBLISHED], 2);
	CHECK_INT(n[ATIO_RECOVERED_QUARANTINED], 1);
	CHECK_INT(n[ATIO_RECOVERED_DISCARDED], 2);
	CHECK_STR(text_at(dir, "a"), "old");
	CHECK_STR(text_at(dir, "b"), "published");
	CHECK_STR(text_at(dir, "c"), "published too");
	tear_down();
}

/* Without the journal nothing is published, and nothing lost. */
static void test_journal_lost(void)
{
	set_up();
	synced("a", "new");
	NEED(ftruncate(store->journal_fd, 0) == 0);
	check_one(ATIO_RECOVERED_QUARANTINED, "");
	CHECK_INT(quarantined(), 1);
	CHECK_STR(text_at(dir, "a"), "old");
	tear_down();
}

static void test_nobody_listens(void)
{
	set_up();
	synced("a", "new");
	store = store_again(store, dir);
	CHECK_INT(atio_store_recover(store, true, NULL, NULL, NULL), 1);
	CHECK_INT(atio_store_recover(store, false, NULL, NULL, NULL), 1);
	CHECK_STR(text_at(dir, "a"), "new");
	tear_down();
}

int main(void)
{
	test_nothing();
	test_empty_shadow();
	test_unfinished();
	test_unknown_shadow();
	test_litter();
	test_links_in_the_stage();
	test_failed();
	test_published();
	test_published_new_name();
	test_cut_back_to_the_sync();
	test_published_over_many_names();
	test_no_place_to_publish();
	test_published_over_a_link();
	test_everything_at_once();
	test_journal_lost();
	test_nobody_listens();
	return check_result();
}
