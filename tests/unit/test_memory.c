/* SPDX-License-Identifier: MIT
 *
 * test_memory.c - each allocation in turn fails.
 *
 * A deed is done again and again, with the first, the second, ... allocation
 * failing, until there is none left to fail.  Every failure is -ENOMEM, leaves
 * no descriptor and nothing in the stage, and the store goes on working. (That
 * no memory is lost is for the address sanitizer to say.)
 */
#include <sys/xattr.h>

#include "failing.h"
#include "scene.h"

#define MAX_ALLOCATIONS 500

static int dir, base;
static struct atio_store *store;

/* ---- deeds: what they return is what the library returned ------------- */

static const struct atio_origin origin = {"a", 1, 2};

static int deed_open(struct atio_error *err)
{
	struct atio_store *other = NULL;
	int other_dir = fresh_dir(), left, r;

	r = atio_store_open(other_dir, &plain, &other, err);
	failing_countdown = 0;
	atio_store_free(other);
	left = entries(other_dir, ".");
	CHECK_INT(left, r < 0 ? 0 : 1);
	close(other_dir);
	return r;
}

/* Give @s, if any, an end. */
static int done(int r, struct atio_shadow *s)
{
	unsigned was = failing_countdown;

	failing_countdown = 0;
	CHECK((r == 0) == (s != NULL));
	if (s)
		CHECK_INT(atio_shadow_discard(s), 0);
	atio_shadow_free(s);
	failing_countdown = was;
	return r;
}

static int deed_create(struct atio_error *err)
{
	struct atio_shadow *s = NULL;
	int r = atio_shadow_create(store, dir, 0644, &origin, &s, err);

	return done(r, s);
}

static int deed_replace(struct atio_error *err)
{
	struct atio_shadow *s = NULL;
	int r = atio_shadow_replace(store, base, &origin, &s, err);

	return done(r, s);
}

static int deed_update(struct atio_error *err)
{
	struct atio_shadow *s = NULL;
	int r = atio_shadow_update(store, base, &origin, &s, err);

	return done(r, s);
}

static struct atio_shadow *ready(void)
{
	unsigned was = failing_countdown;
	struct atio_shadow *s;

	failing_countdown = 0;
	s = updated(store, dir, "a");
	failing_countdown = was;
	return s;
}

static int deed_snapshot(struct atio_error *err)
{
	struct atio_shadow *s = ready(), *snap = NULL;
	int r = atio_shadow_snapshot(s, &snap, err);

	(void)done(0, s);
	return done(r, snap);
}

static int deed_set_path(struct atio_error *err)
{
	struct atio_shadow *s = ready();
	int r = atio_shadow_set_path(s, "somewhere else", err);

	(void)done(0, s);
	return r;
}

static int deed_copy_meta(struct atio_error *err)
{
	struct atio_shadow *s = ready();
	int r = atio_shadow_copy_meta(s, base, err);

	(void)done(0, s);
	return r;
}

/* Neither of these needs memory, so that they cannot fail for lack of it. */
static int deed_commit(struct atio_error *err)
{
	struct atio_shadow *s = ready();
	int r = atio_shadow_sync(s, err);

	if (!r)
		r = atio_shadow_commit(s, dir, "b", 0, err);
	CHECK_INT(r, 0);
	atio_shadow_free(s);
	return r;
}

static int deed_journal(struct atio_error *err)
{
	struct atio_shadow *s = ready();
	struct atio_record *recs = NULL;
	size_t n = 0;
	int r = atio_journal_read(store, &recs, &n);

	CHECK((r == 0) == (n > 0));
	atio_journal_free(recs, n);
	(void)done(0, s);
	return r < 0 ? atio_fail(err, -r, "read") : 0;
}

static const struct deed {
	const char *name;
	int (*fn)(struct atio_error *err);
} deeds[] = {
	{"open", deed_open},           {"create", deed_create},
	{"replace", deed_replace},     {"update", deed_update},
	{"snapshot", deed_snapshot},   {"set_path", deed_set_path},
	{"copy_meta", deed_copy_meta}, {"commit", deed_commit},
	{"journal", deed_journal},
};

/* ---- a redo, whose failure leaves it to a later one ------------------- */

static int try_redo(void)
{
	struct atio_shadow *s = ready();
	struct stat st;
	int r;

	write_to(atio_shadow_fd(s), "new");
	r = atio_shadow_redo(s, base, NULL);
	atio_shadow_free(s);
	NEED(fstat(base, &st) == 0);
	CHECK(atio_store_is_unfinished(store, st.st_ino) == (r < 0));
	return r;
}

static void test_redo(void)
{
	unsigned k = 0;
	bool reached;
	int r;

	do {
		failing_begin(++k);
		r = try_redo();
		reached = failing_end();
		CHECK_INT(r, reached ? -ENOMEM : 0);
		CHECK_INT(try_redo(), 0);
		CHECK(stage_empty(dir));
	} while (reached && k < MAX_ALLOCATIONS);
	CHECK(k > 1 && k < MAX_ALLOCATIONS);
}

/* ---- every allocation ------------------------------------------------ */

static void check_usable(void)
{
	struct atio_shadow *s = written(store, dir, "used", "text");

	CHECK_INT(atio_shadow_sync(s, NULL), 0);
	CHECK_INT(atio_shadow_commit(s, dir, "used", 0, NULL), 0);
	atio_shadow_free(s);
	CHECK_STR(text_at(dir, "used"), "text");
	CHECK(!store->live);
}

/* True while there was an allocation to fail. */
static bool fail_at(const struct deed *deed, unsigned k)
{
	struct atio_error err = ATIO_ERROR_INIT;
	int fds = open_fds(), r;
	bool reached;

	failing_begin(k);
	r = deed->fn(&err);
	reached = failing_end();
	if (r != (reached ? -ENOMEM : 0) || err.code != -r) {
		printf("%s, allocation %u: %d (%s)\n", deed->name, k, r,
		       err.text);
		CHECK(!"every failure is -ENOMEM");
	}
	CHECK_INT(open_fds(), fds);
	CHECK(stage_empty(dir));
	check_usable();
	return reached;
}

static void put_attributes(void)
{
	NEED(fsetxattr(base, "user.one", "1", 1, 0) == 0);
	NEED(fsetxattr(base, "user.two", "2", 1, 0) == 0);
}

int main(void)
{
	unsigned k;

	dir = fresh_dir();
	store = store_at(dir);
	put(dir, "a", "text of a");
	base = open_file(dir, "a");
	put_attributes();
	for (size_t i = 0; i < LENGTH(deeds); i++) {
		for (k = 1; k < MAX_ALLOCATIONS; k++)
			if (!fail_at(&deeds[i], k))
				break;
		CHECK(k < MAX_ALLOCATIONS);
		CHECK(k > 1 || deeds[i].fn == deed_commit);
	}
	test_redo();
	atio_store_free(store);
	close(base);
	close(dir);
	return check_result();
}
