/* SPDX-License-Identifier: MIT
 *
 * test_value_memory.c - each allocation in turn fails: building, converting,
 * restoring, comparing, finding and changing end with -ENOMEM and say so, a
 * document that was to be changed is as it was, and the same succeeds
 * afterwards.  (That no memory is lost is for the address sanitizer to say.)
 */
#include "failing.h"
#include "value_text.h"

#define MOST_ALLOCATIONS 2000

struct deed;

/* What the library returns; @a and @b are the values of the deed. */
typedef int deed_fn(const struct deed *deed, struct atio_doc *a,
		    struct atio_doc *b, struct atio_value_error *err);

struct deed {
	deed_fn *fn;
	const char *a, *b; /* "@" in them: MANY; @b may be NULL */
	enum atio_target target;
	bool changes; /* @a */
};

/* Members enough for an index, and for several chunks of memory. */
#define MANY 60

/* ---- deeds ----------------------------------------------------------- */

static int deed_build(const struct deed *deed, struct atio_doc *a,
		      struct atio_doc *b, struct atio_value_error *err)
{
	struct atio_builder *builder;
	struct atio_doc *doc = NULL;
	int r = atio_builder_new(NULL, &builder);

	if (r < 0)
		return atio_value_fail(err, -r, NULL, "builder");
	(void)build_of(builder, deed->a);
	(void)atio_build_document(builder);
	(void)atio_build_copy(builder, atio_doc_root(b));
	r = atio_builder_finish(builder, &doc, err);
	CHECK((r == 0) == (doc != NULL));
	atio_doc_free(doc);
	atio_builder_free(builder);
	return r;
}

/* A number that no shortcut can read, longer than what is read on the stack. */
static int deed_number(const struct deed *deed, struct atio_doc *a,
		       struct atio_doc *b, struct atio_value_error *err)
{
	char digits[400];
	double value = 0;
	int r;

	memset(digits, '7', sizeof(digits));
	digits[1] = '.';
	r = atio_float_parse(digits, sizeof(digits), &value);
	CHECK(r < 0 || value == 7.777777777777778);
	return r < 0 ? atio_value_fail(err, -r, NULL, "number") : 0;
}

static int deed_convert(const struct deed *deed, struct atio_doc *a,
			struct atio_doc *b, struct atio_value_error *err)
{
	const struct atio_node *root = NULL;
	struct atio_doc *doc = NULL;
	int r = atio_value_convert(atio_doc_root(a), deed->target, NULL, &doc,
				   &root, err);

	CHECK((r == 0) == (doc != NULL) && (r == 0) == (root != NULL));
	atio_doc_free(doc);
	return r;
}

static int deed_restore(const struct deed *deed, struct atio_doc *a,
			struct atio_doc *b, struct atio_value_error *err)
{
	const struct atio_node *root = NULL;
	struct atio_doc *doc = NULL;
	int r = atio_value_restore(atio_doc_root(b), deed->target,
				   atio_doc_root(a), NULL, &doc, &root, err);

	CHECK((r == 0) == (doc != NULL) && (r == 0) == (root != NULL));
	atio_doc_free(doc);
	return r;
}

static int deed_equal(const struct deed *deed, struct atio_doc *a,
		      struct atio_doc *b, struct atio_value_error *err)
{
	int r = atio_node_equal(atio_doc_root(a), atio_doc_root(b), false);

	CHECK(r == 1 || r == -ENOMEM);
	return r < 0 ? atio_value_fail(err, -r, NULL, "compare") : 0;
}

static int deed_get(const struct deed *deed, struct atio_doc *a,
		    struct atio_doc *b, struct atio_value_error *err)
{
	const struct atio_node *node = NULL;
	const char *pointer = atio_node_text(atio_doc_root(b), NULL);
	int r = atio_value_get(atio_doc_root(a), pointer, &node, err);

	CHECK((r == 0) == (node != NULL));
	return r;
}

static int deed_merge(const struct deed *deed, struct atio_doc *a,
		      struct atio_doc *b, struct atio_value_error *err)
{
	return atio_value_merge(a, atio_doc_root(b), err);
}

static int deed_update(const struct deed *deed, struct atio_doc *a,
		       struct atio_doc *b, struct atio_value_error *err)
{
	return atio_value_update(a, atio_doc_root(b), err);
}

static int deed_replace(const struct deed *deed, struct atio_doc *a,
			struct atio_doc *b, struct atio_value_error *err)
{
	return atio_value_replace(a, atio_doc_root(b), err);
}

static int deed_patch(const struct deed *deed, struct atio_doc *a,
		      struct atio_doc *b, struct atio_value_error *err)
{
	return atio_value_patch(a, atio_doc_root(b), err);
}

#define YAML                                                                   \
	"{a: &a {x: 1, y: [1, @1979-05-27t07:32:00z]}, b: *a, c: {<<: *a, z: " \
	"b'z'}, d: {@}, e: !t {k: 31~0x1F, l: 0.1~0.10}}"

static const struct deed deeds[] = {
	{deed_build, YAML, "{a: &a [1], b: *a, c: !t {d: {@}}}", 0, false},
	{deed_build, "1 --- [2] --- &a {b: *a}", "1", 0, false},
	{deed_number, "1", "1", 0, false},
	{deed_convert, YAML, "1", ATIO_TO_TYPED, false},
	{deed_convert, "{a: &a {@}, b: *a, c: {<<: *a}, d: b'ab'}", "1",
	 ATIO_TO_JSON, false},
	{deed_convert, "{a: 99999999999999999999~9_9, b: b'x', c: [b'']}", "1",
	 ATIO_TO_JSON, false},
	{deed_convert, "[{a: 1, b: 2}, {b: @1979-05-27t07:32:00z, a: null}]",
	 "1", ATIO_TO_CSV, false},
	{deed_convert, "[{@}, {z: 1, <<: {@}}]", "1", ATIO_TO_TYPED, false},
	{deed_convert, "", "1", ATIO_TO_TOML, false},
	{deed_convert, "", "1", ATIO_TO_TXT, false},
	{deed_restore, "", "", ATIO_TO_JSON, false},
	{deed_restore, "{p: &x {k: 1}, q: {<<: *x, n: 1}, r: *x}",
	 "{r: {k: 1}, q: {n: 2, m: '3', k: 1}, p: {k: 1}}", ATIO_TO_TOML,
	 false},
	{deed_restore, YAML,
	 "{a: {x: 1, y: [1, '1979-05-27T07:32:00Z']}, b: {x: 1, y: [1, "
	 "'1979-05-27 07:32:00z']}, c: {x: 1, y: [1, '1979-05-27T07:32:00Z'],"
	 " z: eg}, d: {@}, e: {k: 31}}",
	 ATIO_TO_JSON, false},
	{deed_restore, "[{a: 1, b: 1.5, c: null, d: true, e: 1, f: b'x'}]",
	 "[{f: 'eHg=', a: '2', b: '1e2', c: '', d: 'false', e: "
	 "'99999999999999999999', g: 'new'}]",
	 ATIO_TO_CSV, false},
	{deed_restore, "{d: @1979-05-27, e: &a [1], f: *a, g: !t {h: 1}}",
	 "{x: &x ['1979-05-27'], d: '1979-05-28', e: [1], f: [1], y: *x, g: "
	 "!t {h: 1}}",
	 ATIO_TO_YAML, false},
	{deed_equal, "{a: &a [{@}], b: *a}", "{b: [{@}], a: [{@}]}", 0, false},
	{deed_get, YAML, "'/c/x'", 0, false},
	{deed_get, "{'a/b': {'~': 1}}", "'/a~1b/~0'", 0, false},
	{deed_merge, YAML,
	 "{a: {y: null, w: {v: 1, u: null}}, b: {x: null}, c: {x: {y: 2}, y: "
	 "null}, d: {k3: null, k5: [@1979-05-27], n: 1}, e: {m: !u [1]}}",
	 0, true},
	{deed_update, "{@}", "{n: &n {@}, k1: *n, k2: {<<: *n}}", 0, true},
	{deed_update, "[1, 2]", "[3, [4], {@}]", 0, true},
	{deed_replace, "[1]", YAML, 0, true},
	{deed_patch, YAML,
	 "[{op: add, path: /b/n, value: {@}}, {op: remove, path: /c/x},"
	 " {op: move, from: /a/y, path: /d/y}, {op: copy, from: /c, path:"
	 " /d/c}, {op: replace, path: /e/k, value: [b'x', 0.5~.5]},"
	 " {op: test, path: /b/y/0, value: 1.0}, {op: add, path: /d/y/-, value:"
	 " 2}, {op: test, path: /c, value: {y: &q [1, @1979-05-27T07:32:00Z],"
	 " z: b'z'}}, {op: remove, path: /d/k2}, {op: add, path: '/e/~1', "
	 "value:"
	 " 3}, {op: copy, from: '/e/~1', path: /f}]",
	 0, true},
};

/* ---- all of them ----------------------------------------------------- */

/* @text with members in the place of "@}". */
static void expand(const char *text, char *to, size_t room)
{
	size_t n = 0;

	for (; *text; text++) {
		if (text[0] != '@' || text[1] != '}') {
			to[n++] = *text;
			NEED(n < room);
			continue;
		}
		for (int i = 0; i < MANY; i++)
			n += (size_t)snprintf(to + n, room - n, "%sk%d: v%d",
					      i ? ", " : "", i, i);
		NEED(n < room);
	}
	to[n] = '\0';
}

/* What @deed makes of @a when it succeeds. */
static void after_success(const struct deed *deed, const char *a, const char *b,
			  char *text, size_t room)
{
	struct atio_doc *doc = doc_of(a), *with = doc_of(b);
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	struct deed whole = *deed;

	whole.a = a;
	CHECK_INT(deed->fn(&whole, doc, with, &err), 0);
	if (err.error.code)
		printf("%s\n", err.error.text);
	(void)snprintf(text, room, "%s", text_of(atio_doc_root(doc)));
	atio_doc_free(doc);
	atio_doc_free(with);
}

static void check_failed(const struct deed *deed, unsigned k, int r,
			 const struct atio_value_error *err)
{
	if (r == -ENOMEM && err->error.code == ENOMEM)
		return;
	printf("%s with %s, allocation %u: %d (%d: %s)\n", deed->a, deed->b, k,
	       r, err->error.code, err->error.text);
	CHECK(!"every failure is -ENOMEM");
}

/* True while there was an allocation to fail. */
static bool fail_at(const struct deed *deed, const char *after, unsigned k)
{
	struct atio_doc *a = doc_of(deed->a), *b = doc_of(deed->b);
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	struct atio_arena arena = a->arena;
	static char before[20000];
	bool reached;
	int r;

	(void)snprintf(before, sizeof(before), "%s", text_of(atio_doc_root(a)));
	failing_begin(k);
	r = deed->fn(deed, a, b, &err);
	reached = failing_end();
	if (reached) {
		check_failed(deed, k, r, &err);
		CHECK_STR(text_of(atio_doc_root(a)), before);
		CHECK(memcmp(&arena, &a->arena, sizeof(arena)) == 0);
		err = (struct atio_value_error)ATIO_VALUE_ERROR_INIT;
		r = deed->fn(deed, a, b, &err);
	}
	CHECK_INT(r, 0);
	CHECK_STR(text_of(atio_doc_root(a)), deed->changes ? after : before);
	atio_doc_free(a);
	atio_doc_free(b);
	return reached;
}

static void test_deed(const struct deed *deed)
{
	static char a[20000], b[20000], after[20000];
	struct deed whole = *deed;
	unsigned k = 1;

	expand(deed->a, a, sizeof(a));
	expand(deed->b, b, sizeof(b));
	whole.a = a;
	whole.b = b;
	after_success(deed, a, b, after, sizeof(after));
	while (k < MOST_ALLOCATIONS && fail_at(&whole, after, k))
		k++;
	CHECK(k > 1 && k < MOST_ALLOCATIONS);
}

int main(void)
{
	for (size_t i = 0; i < LENGTH(deeds); i++)
		test_deed(&deeds[i]);
	return check_result();
}
