/* SPDX-License-Identifier: MIT
 *
 * test_journal.c - what is written down is read back, and nothing else is.
 */
#include <inttypes.h>

#include "scene.h"

static int dir;
static struct atio_store *store;
static struct atio_record *recs;
static size_t n_recs;

static void set_up(void)
{
	dir = fresh_dir();
	store = store_at(dir);
}

static void forget(void)
{
	atio_journal_free(recs, n_recs);
	recs = NULL;
	n_recs = 0;
}

static void tear_down(void)
{
	forget();
	atio_store_free(store);
	close(dir);
}

static void read_back(void)
{
	forget();
	CHECK_INT(atio_journal_read(store, &recs, &n_recs), 0);
}

static const struct atio_record *record(uint64_t id)
{
	static const struct atio_record none;

	for (size_t i = 0; i < n_recs; i++)
		if (recs[i].id == id)
			return &recs[i];
	return &none;
}

static off_t journal_size(void)
{
	struct stat st;

	NEED(fstatat(dir, JOURNAL, &st, 0) == 0);
	CHECK_INT(st.st_size, store->journal_size);
	return st.st_size;
}

/* The line as the journal's format has it, written by somebody else. */
static size_t line_of(char *buf, size_t size, const char *text)
{
	uint64_t h = 0xcbf29ce484222325ull;
	int n;

	for (const char *p = text; *p; p++)
		h = (h ^ (unsigned char)*p) * 0x100000001b3ull;
	n = snprintf(buf, size, "%s*%016" PRIx64 "\n", text, h);
	NEED(n > 0 && (size_t)n < size);
	return (size_t)n;
}

static void append(const char *bytes, size_t n)
{
	NEED(write(store->journal_fd, bytes, n) == (ssize_t)n);
}

static void append_line(const char *text)
{
	char line[256];

	append(line, line_of(line, sizeof(line), text));
}

/* ---- kinds ----------------------------------------------------------- */

static void test_empty(void)
{
	set_up();
	read_back();
	CHECK_INT(n_recs, 0);
	NEED(unlinkat(dir, JOURNAL, 0) == 0);
	read_back();
	CHECK_INT(n_recs, 0);
	tear_down();
}

static void test_begin_and_end(void)
{
	struct atio_shadow *s;
	uint64_t id;

	set_up();
	s = created(store, dir, "sub/a");
	id = atio_shadow_id(s);
	read_back();
	CHECK_INT(n_recs, 1);
	CHECK_STR(record(id)->path, "sub/a");
	CHECK_INT(record(id)->pid, 1234);
	CHECK_INT(record(id)->uid, 5678);
	CHECK(!record(id)->synced && !record(id)->ended);
	CHECK_INT(record(id)->redo_ino, 0);
	CHECK_INT(atio_shadow_discard(s), 0);
	read_back();
	CHECK(record(id)->ended);
	atio_shadow_free(s);
	tear_down();
}

static void test_path_sync_and_redo(void)
{
	struct atio_shadow *s;
	uint64_t id;

	set_up();
	s = written(store, dir, "a", "text");
	id = atio_shadow_id(s);
	CHECK_INT(atio_shadow_set_path(s, "b", NULL), 0);
	read_back();
	CHECK_STR(record(id)->path, "b");
	CHECK_INT(record(id)->pid, 1234);
	CHECK_INT(atio_shadow_sync(s, NULL), 0);
	read_back();
	CHECK(record(id)->synced);
	CHECK_INT(record(id)->synced_size, 4);
	write_to(atio_shadow_fd(s), "longer text");
	CHECK_INT(atio_shadow_sync(s, NULL), 0);
	CHECK_INT(atio_journal_unsynced(s), 0);
	read_back();
	CHECK(!record(id)->synced);
	CHECK_INT(atio_shadow_sync(s, NULL), 0);
	CHECK_INT(atio_journal_redo(s, 0xfedcba9876543210ull), 0);
	read_back();
	CHECK_INT(n_recs, 1);
	CHECK_INT(record(id)->synced_size, 11);
	CHECK(record(id)->redo_ino == 0xfedcba9876543210ull);
	s->redo_ino = 0;
	CHECK_INT(atio_shadow_discard(s), 0);
	atio_shadow_free(s);
	tear_down();
}

static void test_extreme_writers(void)
{
	const struct atio_origin origin = {"a", 2147483647, 4294967294u};
	struct atio_shadow *s = NULL;

	set_up();
	NEED(atio_shadow_create(store, dir, 0600, &origin, &s, NULL) == 0);
	read_back();
	CHECK_INT(record(atio_shadow_id(s))->pid, 2147483647);
	CHECK_INT(record(atio_shadow_id(s))->uid, 4294967294u);
	atio_shadow_free(s);
	tear_down();
}

static void test_many(void)
{
	struct atio_shadow *s[40];
	char path[16];

	set_up();
	for (size_t i = 0; i < LENGTH(s); i++) {
		(void)snprintf(path, sizeof(path), "file %zu", i);
		s[i] = created(store, dir, path);
	}
	read_back();
	CHECK_INT(n_recs, LENGTH(s));
	for (size_t i = 0; i < LENGTH(s); i++) {
		(void)snprintf(path, sizeof(path), "file %zu", i);
		CHECK_STR(record(atio_shadow_id(s[i]))->path, path);
		atio_shadow_free(s[i]);
	}
	tear_down();
}

/* ---- paths ----------------------------------------------------------- */

static void check_path(const char *path)
{
	struct atio_shadow *s = created(store, dir, path);

	read_back();
	CHECK_STR(record(atio_shadow_id(s))->path, path);
	CHECK_INT(atio_shadow_set_path(s, "elsewhere", NULL), 0);
	CHECK_INT(atio_shadow_set_path(s, path, NULL), 0);
	read_back();
	CHECK_STR(record(atio_shadow_id(s))->path, path);
	CHECK_INT(atio_shadow_discard(s), 0);
	atio_shadow_free(s);
}

static void test_hostile_paths(void)
{
	static const char *const paths[] = {
		"a b",
		" ",
		"new\nline",
		"\n",
		"E 0000000000000001 0*cbf29ce484222325\nB 1 1 1 forged",
		"star*star*",
		"%",
		"%%",
		"%41",
		"%4",
		"100%",
		"tab\there",
		"\x01\x1f\x7f",
		"\xff\xfe non-UTF-8 \xc3",
		"\xc3\xa4\xe2\x82\xac",
		"..",
		"../../../etc/passwd",
		"",
	};
	char all[256];

	set_up();
	for (size_t i = 0; i < LENGTH(paths); i++)
		check_path(paths[i]);
	for (int i = 0; i < 255; i++)
		all[i] = (char)(i + 1);
	all[255] = '\0';
	check_path(all);
	tear_down();
}

static void test_long_paths(void)
{
	const struct atio_origin origin = {NULL, 2147483647, 4294967295u};
	struct atio_origin longer = origin;
	static char path[3 * 4096];
	struct atio_shadow *s = NULL;

	set_up();
	memset(path, '\n', 4095); /* the longest that the kernel takes */
	longer.path = path;
	NEED(atio_shadow_create(store, dir, 0600, &longer, &s, NULL) == 0);
	read_back();
	CHECK_STR(record(atio_shadow_id(s))->path, path);
	memset(path, '\n', sizeof(path) - 1);
	CHECK_INT(atio_shadow_set_path(s, path, NULL), -ENAMETOOLONG);
	CHECK_INT(atio_shadow_discard(s), 0);
	atio_shadow_free(s);
	s = NULL;
	CHECK_INT(atio_shadow_create(store, dir, 0600, &longer, &s, NULL),
		  -ENAMETOOLONG);
	CHECK(!s);
	CHECK(stage_empty(dir));
	tear_down();
}

static void check_unescape(const char *text, const char *should)
{
	char *bytes = atio_unescape(text);

	CHECK_STR(bytes, should);
	free(bytes);
}

/* What no escape() made comes through without harm. */
static void test_unescape(void)
{
	check_unescape("", "");
	check_unescape("%", "");
	check_unescape("plain", "plain");
	check_unescape("%41%4a", "A4a"); /* capitals only */
	check_unescape("%4", "4");
	check_unescape("a%", "a");
	check_unescape("%%41", "A");
	check_unescape("%G1", "G1");
	check_unescape("%C3%A4", "\xc3\xa4");
	check_unescape("a%00b", "a"); /* a NUL ends it */
}

/* ---- damage ---------------------------------------------------------- */

/* However much of the last line reached the disk, what stands before it is
 * read, and the torn line is not. */
static void test_torn_at_every_byte(void)
{
	struct atio_shadow *s;
	char line[128];
	size_t n;
	off_t size;

	set_up();
	s = written(store, dir, "first", "text");
	CHECK_INT(atio_shadow_sync(s, NULL), 0);
	size = journal_size();
	n = line_of(line, sizeof(line), "B 0000000000000001 7 8 second");
	for (size_t i = 0; i <= n; i++) {
		append(line, i);
		read_back();
		CHECK_INT(n_recs, i == n ? 2 : 1);
		CHECK(record(atio_shadow_id(s))->synced);
		CHECK_STR(record(atio_shadow_id(s))->path, "first");
		NEED(ftruncate(store->journal_fd, size) == 0);
	}
	atio_shadow_free(s);
	tear_down();
}

static void test_flipped_bits(void)
{
	char text[256], damaged[256];
	struct atio_shadow *s;
	size_t n, first;

	set_up();
	s = written(store, dir, "a", "text");
	CHECK_INT(atio_shadow_sync(s, NULL), 0);
	(void)snprintf(text, sizeof(text), "%s", text_at(dir, JOURNAL));
	n = strlen(text);
	first = (size_t)(strchr(text, '\n') - text);
	for (size_t i = 0; i < n; i++) {
		memcpy(damaged, text, n);
		damaged[i] ^= 1;
		put_bytes(dir, JOURNAL, damaged, n);
		read_back();
		CHECK(n_recs < 2);
		if (text[i] == '\n' || !n_recs)
			continue; /* two lines became one, or half of one */
		if (i < first)
			CHECK(!recs[0].path && recs[0].synced);
		else
			CHECK(recs[0].path && !recs[0].synced);
	}
	atio_shadow_free(s);
	tear_down();
}

/* What does not fit is passed over; what stands behind it counts. */
static void test_garbage(void)
{
	static const char *const garbage[] = {
		"\n",           "\n\n\n",        "*\n",
		"garbage\n",    "B\n",           "B 2 1 1 a\n",
		"B 2 1 1 a*\n", "B 2 1 1 a*0\n", "\xff\xfe\n",
	};

	for (size_t i = 0; i < LENGTH(garbage); i++) {
		set_up();
		append(garbage[i], strlen(garbage[i]));
		append_line("B 0000000000000001 7 8 behind");
		read_back();
		CHECK_INT(n_recs, 1);
		CHECK_STR(record(1)->path, "behind");
		CHECK_INT(recovered(store, false).n, 0);
		CHECK_INT(journal_size(), 0);
		tear_down();
	}
}

/* Signed, so that only a programmer's mistake makes them. */
static void test_strange_records(void)
{
	static const char *const strange[] = {
		"",       " ",         "B", "B 1", "B 1 2",       "B 1 2 3",
		"X 1 2",  "S 1",       "E", "R 1", "BB zz yy xx", "S zz yy",
		"P 1 %%", "E 1 0 0 0",
	};

	for (size_t i = 0; i < LENGTH(strange); i++) {
		set_up();
		append_line("B 00000000000000ff 7 8 before");
		append_line(strange[i]);
		read_back();
		CHECK(n_recs >= 1);
		CHECK_STR(record(0xff)->path, "before");
		CHECK_INT(recovered(store, false).n, 0);
		tear_down();
	}
}

static void test_nul_bytes(void)
{
	static const char nuls[4096];

	set_up();
	append_line("B 0000000000000001 7 8 before");
	append(nuls, sizeof(nuls)); /* a file that grew, and was not written */
	append_line("B 0000000000000002 7 8 behind");
	read_back();
	CHECK_INT(n_recs, 1);
	CHECK_STR(record(1)->path, "before");
	tear_down();
}

static void test_too_big(void)
{
	struct atio_error err = ATIO_ERROR_INIT;

	set_up();
	if (ftruncate(store->journal_fd, 65ll << 20) == 0) {
		CHECK_INT(atio_journal_read(store, &recs, &n_recs), -EFBIG);
		CHECK_INT(atio_store_recover(store, false, NULL, NULL, &err),
			  -EFBIG);
		CHECK_INT(err.code, EFBIG);
		NEED(ftruncate(store->journal_fd, 0) == 0);
	}
	tear_down();
}

/* ---- growth ---------------------------------------------------------- */

static const char *long_path(void)
{
	static char path[4096];

	memset(path, 'p', sizeof(path) - 1);
	return path;
}

static void test_begun_anew_when_idle(void)
{
	struct atio_shadow *s;
	off_t most = 0;

	set_up();
	for (int i = 0; i < 40; i++) {
		s = created(store, dir, long_path());
		if (journal_size() > most)
			most = journal_size();
		CHECK_INT(atio_shadow_discard(s), 0);
		atio_shadow_free(s);
	}
	CHECK(most > 16 * 4096);
	CHECK(most < 20 * 4096);
	CHECK(journal_size() < most);
	tear_down();
}

static void test_rewritten_when_busy(void)
{
	struct atio_shadow *s, *live;
	uint64_t id;
	off_t size;

	set_up();
	live = written(store, dir, "live", "text");
	id = atio_shadow_id(live);
	CHECK_INT(atio_shadow_sync(live, NULL), 0);
	CHECK_INT(atio_shadow_set_path(live, "moved", NULL), 0);
	do { /* until it is rewritten, which must come */
		s = created(store, dir, long_path());
		size = journal_size();
		CHECK_INT(atio_shadow_discard(s), 0);
		atio_shadow_free(s);
	} while (journal_size() >= size && size < 16 << 20);
	CHECK(journal_size() < 4096);
	CHECK(!exists(dir, JOURNAL ".new"));
	read_back();
	CHECK_STR(record(id)->path, "moved");
	CHECK(record(id)->synced);
	CHECK_INT(record(id)->synced_size, 4);
	/* It is the new file that is written to from then on. */
	write_to(atio_shadow_fd(live), "longer text");
	CHECK_INT(atio_shadow_sync(live, NULL), 0);
	read_back();
	CHECK_INT(record(id)->synced_size, 11);
	atio_shadow_free(live);
	tear_down();
}

static void test_clear(void)
{
	struct atio_shadow *s;

	set_up();
	s = created(store, dir, "a");
	CHECK(journal_size() > 0);
	CHECK_INT(atio_journal_clear(store), 0);
	CHECK_INT(journal_size(), 0);
	read_back();
	CHECK_INT(n_recs, 0);
	CHECK_INT(atio_shadow_set_path(s, "b", NULL), 0);
	CHECK(journal_size() > 0);
	read_back();
	CHECK_STR(record(atio_shadow_id(s))->path, "b");
	atio_shadow_free(s);
	tear_down();
}

int main(void)
{
	test_empty();
	test_begin_and_end();
	test_path_sync_and_redo();
	test_extreme_writers();
	test_many();
	test_hostile_paths();
	test_long_paths();
	test_unescape();
	test_torn_at_every_byte();
	test_flipped_bits();
	test_garbage();
	test_strange_records();
	test_nul_bytes();
	test_too_big();
	test_begun_anew_when_idle();
	test_rewritten_when_busy();
	test_clear();
	return check_result();
}
